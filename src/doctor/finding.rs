//! What a check found, and what mends it.

use std::fmt;
use std::str::FromStr;

use crate::api::catalogue::{Severity, lookup, said};

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// The rules for manifests.
    Manifest,
    /// Where credentials come from, and whose they are.
    Credentials,
    /// The region.
    Region,
    /// Whether the API can be reached.
    Endpoints,
    /// This machine's clock against that of AWS.
    Clock,
    /// Every action that is needed.
    Permissions,
    /// VPCs, and that virtual addresses are outside of them.
    Vpc,
    /// Network interfaces.
    Interfaces,
    /// Entries of route tables.
    Routes,
    /// Elastic IP addresses, and the way out of servers without them.
    ElasticIp,
    /// Hosted zones, records, and the resolver of the VPC.
    Dns,
    /// Availability Zones.
    Zones,
    /// Instances that are to be fenced.
    Instances,
    /// Ports of the servers.
    Ports,
}

impl Check {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 14] = [
        Self::Manifest,
        Self::Credentials,
        Self::Region,
        Self::Endpoints,
        Self::Clock,
        Self::Permissions,
        Self::Vpc,
        Self::Interfaces,
        Self::Routes,
        Self::ElasticIp,
        Self::Dns,
        Self::Zones,
        Self::Instances,
        Self::Ports,
    ];

    /// As it is shown and asked for.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Manifest => "manifest",
            Self::Credentials => "credentials",
            Self::Region => "region",
            Self::Endpoints => "endpoints",
            Self::Clock => "clock",
            Self::Permissions => "permissions",
            Self::Vpc => "vpc",
            Self::Interfaces => "interfaces",
            Self::Routes => "routes",
            Self::ElasticIp => "elastic-ip",
            Self::Dns => "dns",
            Self::Zones => "zones",
            Self::Instances => "instances",
            Self::Ports => "ports",
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Check {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|check| check.name() == word).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|check| check.name()).collect();
            format!("there is no such check; there are {}", names.join(", "))
        })
    }
}

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// As it must be.
    Ok,
    /// It could not be looked at, which the text explains.
    Skipped,
    /// Somebody should look.
    Warning,
    /// It will not work like this.
    Error,
}

impl Outcome {
    /// As it is shown.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Skipped => "Skipped",
            Self::Warning => "Warning",
            Self::Error => "Error",
        }
    }
}

/// One result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Of which check.
    pub check: Check,
    /// About what.
    pub object: String,
    /// What came of it.
    pub outcome: Outcome,
    /// Id in the message catalogue, of warnings and errors.
    pub code: Option<&'static str>,
    /// What was found.
    pub text: String,
    /// The command or setting that mends it; empty where nothing needs to be mended.
    pub remedy: String,
}

impl Finding {
    /// As it must be.
    pub fn ok(check: Check, object: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            check,
            object: object.into(),
            outcome: Outcome::Ok,
            code: None,
            text: text.into(),
            remedy: String::new(),
        }
    }

    /// It could not be looked at.
    pub fn skipped(check: Check, object: impl Into<String>, text: impl Into<String>) -> Self {
        Self { outcome: Outcome::Skipped, ..Self::ok(check, object, text) }
    }

    /// A warning or error of the message catalogue, with its remedy.
    pub fn coded(
        check: Check,
        object: impl Into<String>,
        code: &'static str,
        message: impl AsRef<str>,
    ) -> Self {
        let entry = lookup(code);
        let outcome = match entry.map(|entry| entry.severity) {
            Some(Severity::Warning) => Outcome::Warning,
            Some(Severity::Information | Severity::Error) | None => Outcome::Error,
        };
        Self {
            check,
            object: object.into(),
            outcome,
            code: Some(code),
            text: said(code, message.as_ref()),
            remedy: entry.map(|entry| entry.remedy.en.to_owned()).unwrap_or_default(),
        }
    }

    /// With the very command or setting that mends it.
    #[must_use]
    pub fn mended_by(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }

    /// Not certain enough, or not grave enough here, for an error.
    #[must_use]
    pub fn as_warning(mut self) -> Self {
        self.outcome = Outcome::Warning;
        self
    }
}

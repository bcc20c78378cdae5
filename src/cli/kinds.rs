//! The kinds as they are called on the command line.

use super::failure::Failure;
use crate::api::{self, problem};

/// A kind that the API serves.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kind {
    /// Name of the kind.
    pub(super) kind: &'static str,
    /// Name in paths.
    pub(super) plural: &'static str,
    /// Name of one.
    singular: &'static str,
    /// For the hurried.
    short: &'static str,
    /// Path of its group and version.
    prefix: &'static str,
    /// Its API group; empty for Kubernetes' own.
    group: &'static str,
}

const PREFIX: &str = "/apis/stead.dev/v1alpha1";

const fn ours(
    kind: &'static str,
    plural: &'static str,
    singular: &'static str,
    short: &'static str,
) -> Kind {
    Kind { kind, plural, singular, short, prefix: PREFIX, group: api::GROUP }
}

pub(super) const CLUSTER: Kind = ours("Cluster", "clusters", "cluster", "hac");
pub(super) const SERVER: Kind = ours("Server", "servers", "server", "srv");
pub(super) const GROUP: Kind = ours("FailoverGroup", "failovergroups", "failovergroup", "fg");
pub(super) const RESOURCE: Kind = ours("Resource", "resources", "resource", "res");
pub(super) const MONITOR: Kind = ours("Monitor", "monitors", "monitor", "mon");
pub(super) const OPERATION: Kind = ours("Operation", "operations", "operation", "op");
pub(super) const EVENT: Kind = Kind {
    kind: "Event",
    plural: "events",
    singular: "event",
    short: "ev",
    prefix: "/api/v1",
    group: "",
};

/// Every kind, in the order of `get all`.
pub(super) const KINDS: [&Kind; 7] =
    [&CLUSTER, &SERVER, &GROUP, &RESOURCE, &MONITOR, &OPERATION, &EVENT];

impl Kind {
    /// Path of one object, or of all.
    pub(super) fn path(&self, name: Option<&str>) -> String {
        let all = format!("{}/namespaces/{}/{}", self.prefix, api::NAMESPACE, self.plural);
        match name {
            Some(name) => format!("{all}/{}", escape(name)),
            None => all,
        }
    }

    /// `failovergroup.stead.dev/web`, as kubectl writes it.
    pub(super) fn object(&self, name: &str) -> String {
        match self.group {
            "" => format!("{}/{name}", self.singular),
            group => format!("{}.{group}/{name}", self.singular),
        }
    }

    fn is_called(&self, word: &str) -> bool {
        let qualified = word.strip_suffix(".stead.dev").filter(|_| self.group == api::GROUP);
        let word = qualified.unwrap_or(word);
        [self.kind, self.plural, self.singular, self.short]
            .iter()
            .any(|name| name.eq_ignore_ascii_case(word))
    }
}

/// The kind of that name.
pub(super) fn kind(word: &str) -> Result<&'static Kind, Failure> {
    if let Some(kind) = KINDS.into_iter().find(|kind| kind.is_called(word)) {
        return Ok(kind);
    }
    if matches!(word, "group" | "groups") {
        return Ok(&GROUP);
    }
    let names = KINDS.into_iter().flat_map(|kind| [kind.plural, kind.short]);
    Err(Failure::Usage(format!("there is no kind `{word}`{}", problem::suggestion(word, names))))
}

/// Kinds separated by commas; `all` for all that have a state.
pub(super) fn kinds(words: &str) -> Result<Vec<&'static Kind>, Failure> {
    if words == "all" || words == "stead" {
        return Ok(vec![&CLUSTER, &SERVER, &GROUP, &RESOURCE, &MONITOR, &OPERATION]);
    }
    words.split(',').map(kind).collect()
}

/// `KIND/NAME`.
pub(super) fn object(word: &str) -> Result<(&'static Kind, &str), Failure> {
    match word.split_once('/') {
        Some((kind_word, name)) if !name.is_empty() => Ok((kind(kind_word)?, name)),
        Some(_) | None => Err(Failure::Usage(format!("`{word}` is not of the form KIND/NAME"))),
    }
}

/// A word as part of a path or query.
pub(super) fn escape(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    word.bytes()
        .map(|byte| match plain(byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect()
}

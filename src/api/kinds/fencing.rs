//! `Cluster.spec.fencing`: how it is made sure from outside that a server runs nothing, before
//! another one takes over from it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Duration;

/// How a lost server is switched off before its groups start elsewhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fencing {
    /// Tried in this order, until one of them has confirmed that the server is off.
    #[schemars(length(min = 1, max = 8))]
    pub levels: Vec<FencingLevel>,
    /// What happens when every level has failed, or could not tell.
    #[serde(default)]
    pub on_failure: FencingFailure,
    /// What frees the groups of a lost server under an exclusive arbiter. Under one that is not
    /// exclusive only fencing does.
    #[serde(default)]
    pub takeover: FencingTakeover,
    /// What becomes of a server once it is certainly off.
    #[serde(default)]
    pub after_fence: AfterFence,
    /// How often each server checks that it could fence each of the others.
    #[serde(default = "check_interval")]
    #[schemars(extend("x-stead-minimum" = "10s", "x-stead-maximum" = "24h"))]
    pub check_interval: Duration,
    /// After every level has failed: when all of it begins anew.
    #[serde(default = "retry_interval")]
    #[schemars(extend("x-stead-minimum" = "1s", "x-stead-maximum" = "1h"))]
    pub retry_interval: Duration,
    /// How much later the second server of the cluster begins than the first, the third than the
    /// second, and so on, where the arbiter lets several parts act: two servers that lost each
    /// other must not end each other.
    #[serde(default = "race_delay")]
    #[schemars(extend("x-stead-minimum" = "0s", "x-stead-maximum" = "5m"))]
    pub race_delay: Duration,
}

fn check_interval() -> Duration {
    std::time::Duration::from_secs(300).into()
}

fn retry_interval() -> Duration {
    std::time::Duration::from_secs(30).into()
}

fn race_delay() -> Duration {
    std::time::Duration::from_secs(2).into()
}

/// Methods that are used at the same time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FencingLevel {
    /// How many of the methods must confirm.
    #[serde(default)]
    pub confirmed_by: FencingConfirmation,
    /// The methods.
    #[schemars(
        length(min = 1, max = 8),
        extend(
            "x-kubernetes-list-type" = "map",
            "x-kubernetes-list-map-keys" = ["name"]
        )
    )]
    pub methods: Vec<FencingMethod>,
}

/// How many methods of a level must confirm.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum FencingConfirmation {
    /// All of them: a machine with two power supplies is off when both are.
    #[default]
    All,
    /// One of them.
    Any,
}

/// One way to switch a server off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FencingMethod {
    /// Its name, unique in the cluster.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// The type; the member of the same name holds its settings.
    #[serde(rename = "type")]
    pub type_: FencingType,
    /// Settings of `type: Script`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<ScriptFence>,
    /// Settings of `type: FenceAgent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fence_agent: Option<FenceAgent>,
    /// Settings of `type: AWS`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws: Option<AwsFence>,
    /// How long one try may take, confirmation included.
    #[serde(default = "method_timeout")]
    #[schemars(extend("x-stead-minimum" = "100ms", "x-stead-maximum" = "10m"))]
    pub timeout: Duration,
    /// Further tries.
    #[serde(default = "retries")]
    #[schemars(range(min = 0, max = 10))]
    pub retries: u32,
    /// What the script or agent is told on standard input, the same for every server.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub parameters: BTreeMap<String, String>,
    /// Parameters that are secret: each is the content of a file of the server that fences.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub secrets: BTreeMap<String, SecretSource>,
    /// What differs by the server that is fenced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        extend(
            "x-kubernetes-list-type" = "map",
            "x-kubernetes-list-map-keys" = ["name"]
        )
    )]
    pub per_server: Vec<FencingPerServer>,
}

fn method_timeout() -> Duration {
    std::time::Duration::from_secs(60).into()
}

fn retries() -> u32 {
    1
}

/// Types of fencing methods.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum FencingType {
    /// A script of one's own.
    Script,
    /// A fence agent of the package `fence-agents`.
    FenceAgent,
    /// The server's own watchdog device: confirmed once its `selfFence` is over, where it had said
    /// that one is armed. Needs an exclusive arbiter.
    Watchdog,
    /// The API of AWS stops the instance by force.
    AWS,
}

/// The API of AWS stops the server's instance, without waiting for its operating system.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AwsFence {
    /// The instance of each server.
    #[schemars(
        length(min = 1, max = 64),
        extend(
            "x-kubernetes-list-type" = "map",
            "x-kubernetes-list-map-keys" = ["name"]
        )
    )]
    pub instances: Vec<AwsInstance>,
}

/// The instance of one server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AwsInstance {
    /// The server.
    pub name: String,
    /// Its instance, as `i-0123456789abcdef0`.
    #[schemars(length(min = 1, max = 64))]
    pub instance_id: String,
}

/// A script that switches a server off: see docs/fencing.md for what it is told and must answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScriptFence {
    /// Program and arguments; an absolute path, the same on every server.
    #[schemars(length(min = 1, max = 256))]
    pub command: Vec<String>,
    /// What proves that the server is off.
    #[serde(default)]
    pub confirm: ScriptConfirmation,
    /// Also set the names that CLUSTERPRO (`CLP_*`) scripts read.
    #[serde(default)]
    pub compatibility_names: bool,
}

/// What proves that a script has switched a server off.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum ScriptConfirmation {
    /// Exit code 0 of mode `stop`: the script itself has made sure.
    #[default]
    Stop,
    /// Exit code 0 of mode `status`, asked again and again after `stop` until the time-out.
    Status,
}

/// A fence agent of the package `fence-agents`, by its standard-input interface.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FenceAgent {
    /// Its name, such as `fence_ipmilan`, or the absolute path of its program.
    #[schemars(length(min = 1, max = 4096))]
    pub agent: String,
}

/// Where a secret is. No object holds one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretSource {
    /// An absolute path; only root may read the file. One line break at its end is not part of it.
    #[schemars(length(min = 2, max = 4096))]
    pub file: String,
}

/// A method's parameters for one server that is fenced.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FencingPerServer {
    /// The server that is fenced.
    pub name: String,
    /// As of the method; these win.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub parameters: BTreeMap<String, String>,
    /// As of the method; these win.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub secrets: BTreeMap<String, SecretSource>,
}

/// What happens when a server could not be fenced.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum FencingFailure {
    /// Its groups start nowhere else before it is fenced, says itself that it holds nothing, or a
    /// person certifies that it is down.
    #[default]
    Block,
    /// Its groups are taken over once its time is over, as if there were no fencing. It may run
    /// them still.
    Continue,
}

/// What frees the groups of a lost server.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum FencingTakeover {
    /// Fencing, or the end of the time that its lease and self-fence need, whichever is earlier.
    #[default]
    FencedOrTime,
    /// Fencing alone: a frozen machine whose clock stood still is covered too.
    Fenced,
}

/// What becomes of a server once it is certainly off.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum AfterFence {
    /// It stays off until a person switches it on.
    #[default]
    LeaveOff,
    /// It is switched on again by the method that confirmed. It comes back as a failed server.
    PowerOn,
}

impl FencingMethod {
    /// How long it may take when nothing answers. A watchdog is no longer than the takeover wait,
    /// which is not counted here.
    #[must_use]
    pub fn longest(&self) -> std::time::Duration {
        let timeout: std::time::Duration = self.timeout.into();
        match self.type_ {
            FencingType::Script | FencingType::FenceAgent | FencingType::AWS => {
                timeout * (self.retries + 1)
            }
            FencingType::Watchdog => std::time::Duration::ZERO,
        }
    }

    /// What it is told about a server: plain parameters and secrets, those of the server first.
    #[must_use]
    pub fn parameters_of(&self, server: &str) -> (BTreeMap<&str, &str>, BTreeMap<&str, &str>) {
        fn plain(map: &BTreeMap<String, String>) -> impl Iterator<Item = (&str, &str)> {
            map.iter().map(|(name, value)| (name.as_str(), value.as_str()))
        }
        fn files(map: &BTreeMap<String, SecretSource>) -> impl Iterator<Item = (&str, &str)> {
            map.iter().map(|(name, source)| (name.as_str(), source.file.as_str()))
        }
        let mut parameters: BTreeMap<&str, &str> = plain(&self.parameters).collect();
        let mut secrets: BTreeMap<&str, &str> = files(&self.secrets).collect();
        if let Some(entry) = self.per_server.iter().find(|entry| entry.name == server) {
            // What is plain for a server is not secret for it, and the other way round.
            for (name, value) in plain(&entry.parameters) {
                secrets.remove(name);
                parameters.insert(name, value);
            }
            for (name, file) in files(&entry.secrets) {
                parameters.remove(name);
                secrets.insert(name, file);
            }
        }
        (parameters, secrets)
    }
}

impl Fencing {
    /// Every method, level by level.
    pub fn methods(&self) -> impl Iterator<Item = &FencingMethod> {
        self.levels.iter().flat_map(|level| &level.methods)
    }

    /// How long all of it may take when nothing answers: each level's slowest method, with its
    /// tries.
    #[must_use]
    pub fn longest(&self) -> std::time::Duration {
        self.levels.iter().map(FencingLevel::longest).sum()
    }
}

impl FencingLevel {
    /// How long it may take when nothing answers.
    #[must_use]
    pub fn longest(&self) -> std::time::Duration {
        self.methods.iter().map(FencingMethod::longest).max().unwrap_or_default()
    }
}

//! Partition resolution: the arbiters that a Cluster names, and how several are combined.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Duration, LeaseArbitration};

/// Partition resolution: which part of a divided cluster goes on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Arbitration {
    /// The method.
    #[serde(rename = "type", default)]
    #[schemars(extend("x-stead-change" = "Immutable"))]
    pub type_: ArbitrationType,
    /// Settings of `type: Ping`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ping: Option<PingArbitration>,
    /// Settings of `type: HTTP`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpArbitration>,
    /// Settings of `type: Lease`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<LeaseArbitration>,
    /// Settings of `type: Disk`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<DiskArbitration>,
    /// Settings of `type: Serial`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<SerialArbitration>,
    /// Settings of `type: SerialDisk`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial_disk: Option<SerialDiskArbitration>,
    /// Settings of `type: Combined`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub combined: Option<CombinedArbitration>,
    /// What differs by server.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        extend(
            "x-kubernetes-list-type" = "map",
            "x-kubernetes-list-map-keys" = ["name"]
        )
    )]
    pub per_server: Vec<ArbiterServer>,
    /// What a server does that may not go on.
    #[serde(default)]
    pub on_partition: PartitionAction,
    /// What becomes of a group that two parts of a divided cluster ran at once, when they meet: an
    /// arbiter that is not exclusive let both act. With exclusive arbiters the copy that was granted
    /// last goes on.
    #[serde(default)]
    pub on_dual_activation: DualActivationPolicy,
    /// What a part does that may lack changes which only servers outside it have.
    #[serde(default)]
    pub on_missed_changes: MissedChangesPolicy,
}

/// Methods of partition resolution.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum ArbitrationType {
    /// More than half of all configured servers go on. Exclusive; needs three servers, one of which
    /// may be a witness, to survive the loss of one.
    #[default]
    Majority,
    /// Whoever holds a lease in a store outside the cluster goes on. Exclusive.
    Lease,
    /// The part with the server of highest priority goes on, as a shared disk shows it. Exclusive.
    Disk,
    /// Two servers and a serial line: a peer that is silent on both is dead. Not exclusive: when
    /// the line and the network fail at the same moment, both go on.
    Serial,
    /// Two servers, a serial line and a shared disk: both must allow it. Exclusive.
    SerialDisk,
    /// Whoever reaches a target by ICMP echo goes on. Not exclusive: both halves may reach it.
    Ping,
    /// Whoever gets status 200 from a web server goes on. Not exclusive.
    HTTP,
    /// Several arbiters together.
    Combined,
    /// Every part goes on; monitors of the partition and their final action end the wrong one. Not
    /// exclusive.
    Monitors,
    /// Every part goes on; the mirror shows afterwards that both wrote. Not exclusive.
    Mirror,
    /// Every part goes on. Not exclusive.
    None,
}

/// Several arbiters together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CombinedArbitration {
    /// What their answers make.
    #[serde(default)]
    #[schemars(extend("x-stead-change" = "Immutable"))]
    pub rule: CombinationRule,
    /// The arbiters, in the order in which they are asked with `rule: InOrder`.
    #[schemars(length(min = 2, max = 8), extend("x-stead-change" = "Immutable"))]
    pub arbiters: Vec<Arbiter>,
}

/// What the answers of several arbiters make.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum CombinationRule {
    /// All must say that this part may go on. Exclusive as soon as one of them is.
    #[default]
    All,
    /// One suffices. Never exclusive: two parts may each have one.
    Any,
    /// The first that gives an answer decides; the next is asked only when it can't tell. Never
    /// exclusive: two parts may listen to different ones.
    InOrder,
}

/// One of several arbiters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Arbiter {
    /// The method.
    #[serde(rename = "type")]
    pub type_: ArbiterType,
    /// Settings of `type: Ping`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ping: Option<PingArbitration>,
    /// Settings of `type: HTTP`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpArbitration>,
    /// Settings of `type: Lease`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<LeaseArbitration>,
    /// Settings of `type: Disk`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<DiskArbitration>,
    /// Settings of `type: Serial`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<SerialArbitration>,
    /// What differs by server.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        extend(
            "x-kubernetes-list-type" = "map",
            "x-kubernetes-list-map-keys" = ["name"]
        )
    )]
    pub per_server: Vec<ArbiterServer>,
}

/// Methods that can be combined.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum ArbiterType {
    /// More than half of all configured servers; only with `rule: All`.
    #[default]
    Majority,
    /// A lease in a store outside the cluster.
    Lease,
    /// A shared disk.
    Disk,
    /// A serial line between two servers.
    Serial,
    /// ICMP echo.
    Ping,
    /// Status 200 of a web server.
    HTTP,
}

/// An arbiter on one server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ArbiterServer {
    /// The server.
    pub name: String,
    /// Whether this server asks the arbiter. One that does not is judged by the other arbiters
    /// alone, and goes on when there is none: then nothing is exclusive any more.
    #[serde(rename = "use", default)]
    pub use_: ArbiterUse,
    /// The disk or serial line there, where its name differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub device: Option<String>,
}

/// Whether a server asks an arbiter.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum ArbiterUse {
    /// It does.
    #[default]
    Used,
    /// It does not.
    NotUsed,
}

/// Settings of the disk arbiter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DiskArbitration {
    /// A block device or file that every server reaches, made ready once with
    /// `stead disk-arbiter init`.
    #[schemars(length(min = 1, max = 4096))]
    pub device: String,
    /// How long one reading or writing may take; longer is no answer.
    #[serde(default = "io_timeout")]
    #[schemars(extend("x-stead-minimum" = "100ms", "x-stead-maximum" = "5m"))]
    pub io_timeout: Duration,
}

fn io_timeout() -> Duration {
    std::time::Duration::from_secs(5).into()
}

/// Settings of the serial arbiter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SerialArbitration {
    /// The terminal device of the line to the other server, such as `/dev/ttyS0`.
    #[schemars(length(min = 1, max = 4096))]
    pub device: String,
    /// Its speed in bits a second.
    #[serde(default = "baud_rate")]
    #[schemars(range(min = 9600, max = 115200))]
    pub baud_rate: u32,
}

fn baud_rate() -> u32 {
    38_400
}

/// Settings of the serial arbiter with a disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SerialDiskArbitration {
    /// The line.
    pub serial: SerialArbitration,
    /// The disk.
    pub disk: DiskArbitration,
}

/// Settings of the ping arbiter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PingArbitration {
    /// Addresses outside the cluster; one answer suffices.
    #[schemars(length(min = 1, max = 16))]
    pub targets: Vec<IpAddr>,
    /// How long an answer may take.
    #[serde(default = "ping_timeout")]
    #[schemars(extend("x-stead-minimum" = "10ms", "x-stead-maximum" = "1m"))]
    pub timeout: Duration,
    /// How long after the last question the next one is asked.
    #[serde(default = "ping_interval")]
    #[schemars(extend("x-stead-minimum" = "0s", "x-stead-maximum" = "1m"))]
    pub interval: Duration,
}

fn ping_interval() -> Duration {
    std::time::Duration::ZERO.into()
}

fn ping_timeout() -> Duration {
    std::time::Duration::from_secs(1).into()
}

/// Settings of the HTTP arbiter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpArbitration {
    /// Name or address of the web server.
    #[schemars(length(min = 1, max = 253))]
    pub host: String,
    /// Its port.
    #[serde(default = "https_port")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: u16,
    /// Path asked for with HEAD.
    #[serde(default = "http_path")]
    #[schemars(length(min = 1, max = 1024))]
    pub path: String,
    /// Whether TLS is used.
    #[serde(default)]
    pub tls: TlsMode,
    /// PEM file of the authorities trusted with `tls: Verify`; by default the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub ca_file: Option<String>,
    /// How long the whole exchange may take.
    #[serde(default = "http_timeout")]
    #[schemars(extend("x-stead-minimum" = "100ms", "x-stead-maximum" = "1m"))]
    pub timeout: Duration,
    /// How long after the last question the next one is asked.
    #[serde(default = "http_interval")]
    #[schemars(extend("x-stead-minimum" = "0s", "x-stead-maximum" = "1m"))]
    pub interval: Duration,
    /// Proxy on the way there, as `host:port`. With TLS it is asked for a tunnel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 260))]
    pub proxy: Option<String>,
}

fn http_interval() -> Duration {
    std::time::Duration::from_secs(1).into()
}

fn https_port() -> u16 {
    443
}

fn http_path() -> String {
    "/".into()
}

fn http_timeout() -> Duration {
    std::time::Duration::from_secs(3).into()
}

/// Whether a connection is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TlsMode {
    /// TLS, the server's certificate verified.
    #[default]
    Verify,
    /// Clear text.
    Disabled,
}

/// What becomes of a group that ran on several servers at once. Copies that end are ended at once,
/// without their stop scripts: they write nothing any more.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum DualActivationPolicy {
    /// Every copy is ended, and the group stays stopped until a person starts it: nobody but a person
    /// can say whose data is right.
    #[default]
    StopBoth,
    /// The copy on the server that comes first in the group's policy goes on, the others are ended.
    KeepPreferred,
}

/// What a part does that may lack changes which only servers outside it have.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum MissedChangesPolicy {
    /// It goes on with what it has, and says so.
    #[default]
    Serve,
    /// It starts nothing and takes no changes before the server that has them is back, or a person
    /// gives them up with `stead cluster recover`. A cluster that starts waits likewise for every
    /// server, unless its history is proven to be the newest.
    Wait,
}

/// What a server does that has no authority any more.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum PartitionAction {
    /// End every service, keep the machine.
    #[default]
    StopGroups,
    /// End every service, then shut the machine down.
    Shutdown,
    /// End every service, then reboot the machine.
    Reboot,
    /// Crash the machine at once, for a dump. Its services end with it.
    Panic,
    /// Nothing: services go on. Nobody takes them over before this server says that they have
    /// ended, or is fenced.
    Nothing,
}

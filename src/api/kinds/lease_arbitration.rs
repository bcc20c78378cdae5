//! The lease arbiter: a record in a store outside the cluster that one part holds at a time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Duration;

/// Settings of the lease arbiter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LeaseArbitration {
    /// The store.
    #[serde(rename = "type")]
    #[schemars(extend("x-stead-change" = "Immutable"))]
    pub type_: LeaseStore,
    /// Settings of `type: S3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-stead-change" = "Immutable"))]
    pub s3: Option<S3Lease>,
    /// Settings of `type: AzureBlob`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-stead-change" = "Immutable"))]
    pub azure_blob: Option<AzureBlobLease>,
    /// Settings of `type: GCS`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-stead-change" = "Immutable"))]
    pub gcs: Option<GcsLease>,
    /// Settings of `type: Etcd`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-stead-change" = "Immutable"))]
    pub etcd: Option<EtcdLease>,
    /// Settings of `type: Kubernetes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-stead-change" = "Immutable"))]
    pub kubernetes: Option<KubernetesLease>,
    /// How long the record is seen unchanged before another part may take it. It is part of every
    /// lease and so of every takeover; it is renewed three times within it, at least each 20 s.
    #[serde(default = "lease_ttl")]
    #[schemars(extend("x-stead-minimum" = "1s", "x-stead-maximum" = "10m"))]
    pub ttl: Duration,
    /// How long one request to the store may take, the half of the time between two renewals at
    /// most.
    #[serde(default = "lease_timeout")]
    #[schemars(extend("x-stead-minimum" = "100ms", "x-stead-maximum" = "1m"))]
    pub timeout: Duration,
}

fn lease_ttl() -> Duration {
    std::time::Duration::from_secs(15).into()
}

fn lease_timeout() -> Duration {
    std::time::Duration::from_secs(2).into()
}

/// The longest time between two renewals.
const RENEWAL_MAX: std::time::Duration = std::time::Duration::from_secs(20);

impl LeaseArbitration {
    /// The time between two renewals.
    #[must_use]
    pub fn renewal(&self) -> std::time::Duration {
        (std::time::Duration::from(self.ttl) / 3).min(RENEWAL_MAX)
    }
}

/// Where secrets are: never in the manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StoreCredentials {
    /// A file on each server that only its owner may read.
    #[schemars(length(min = 1, max = 4096))]
    pub file: String,
}

/// Stores that keep a lease.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum LeaseStore {
    /// Amazon S3, or a store with its API and conditional writes.
    S3,
    /// Azure Blob Storage.
    AzureBlob,
    /// Google Cloud Storage.
    GCS,
    /// etcd.
    Etcd,
    /// A Lease object of a Kubernetes cluster.
    Kubernetes,
}

/// A record in S3.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct S3Lease {
    /// The bucket.
    #[schemars(length(min = 1, max = 255))]
    pub bucket: String,
    /// The object; by default `stead/` and the cluster's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub key: Option<String>,
    /// The region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub region: Option<String>,
    /// Address of another store with this API, such as `https://store.example.com`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub endpoint: Option<String>,
    /// PEM file of the authorities trusted; by default the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub ca_file: Option<String>,
    /// Lines `AWS_ACCESS_KEY_ID=…`, `AWS_SECRET_ACCESS_KEY=…`; by default the agent's environment,
    /// then the role of the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<StoreCredentials>,
}

/// A record in Azure Blob Storage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AzureBlobLease {
    /// The storage account.
    #[schemars(length(min = 1, max = 255))]
    pub account: String,
    /// The container.
    #[schemars(length(min = 1, max = 255))]
    pub container: String,
    /// The blob; by default `stead/` and the cluster's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub blob: Option<String>,
    /// Address of another store with this API, such as `https://store.example.com`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub endpoint: Option<String>,
    /// PEM file of the authorities trusted; by default the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub ca_file: Option<String>,
    /// Lines such as `AZURE_STORAGE_ACCOUNT_KEY=…` or `AZURE_CLIENT_ID=…`; by default the agent's
    /// environment, then the managed identity of the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<StoreCredentials>,
}

/// A record in Google Cloud Storage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GcsLease {
    /// The bucket.
    #[schemars(length(min = 1, max = 255))]
    pub bucket: String,
    /// The object; by default `stead/` and the cluster's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub object: Option<String>,
    /// Address of another store with this API, such as `https://store.example.com`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub endpoint: Option<String>,
    /// PEM file of the authorities trusted; by default the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub ca_file: Option<String>,
    /// The JSON file of a service account; by default the agent's environment, then the service
    /// account of the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<StoreCredentials>,
}

/// A record in etcd.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EtcdLease {
    /// Addresses of its members, such as `https://10.0.0.5:2379`.
    #[schemars(length(min = 1, max = 16))]
    pub endpoints: Vec<String>,
    /// The key; by default `/stead/` and the cluster's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub key: Option<String>,
    /// PEM file of this server's certificate, where etcd asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub cert_file: Option<String>,
    /// PEM file of its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub key_file: Option<String>,
    /// PEM file of the authorities trusted; by default the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub ca_file: Option<String>,
    /// Lines `ETCD_USER=…`, `ETCD_PASSWORD=…`; by default no user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<StoreCredentials>,
}

/// A Lease object of Kubernetes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KubernetesLease {
    /// Its namespace.
    #[schemars(length(min = 1, max = 63))]
    pub namespace: String,
    /// Its name; by default `stead-` and the cluster's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub name: Option<String>,
    /// File of the access to that cluster; by default that of the pod or the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub kubeconfig: Option<String>,
}

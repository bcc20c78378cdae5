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
    pub type_: LeaseStore,
    /// Settings of `type: S3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3: Option<S3Lease>,
    /// Settings of `type: AzureBlob`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub azure_blob: Option<AzureBlobLease>,
    /// Settings of `type: GCS`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gcs: Option<GcsLease>,
    /// Settings of `type: Etcd`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etcd: Option<EtcdLease>,
    /// Settings of `type: Kubernetes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<KubernetesLease>,
    /// How long the record is seen unchanged before another part may take it.
    #[serde(default = "lease_ttl")]
    #[schemars(extend("x-stead-minimum" = "1s", "x-stead-maximum" = "10m"))]
    pub ttl: Duration,
    /// How long one question to the store may take.
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
    /// Address of another store with this API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub endpoint: Option<String>,
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
    /// Address of another store with this API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub endpoint: Option<String>,
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
    /// Address of another store with this API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub endpoint: Option<String>,
}

/// A record in etcd.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EtcdLease {
    /// Addresses of its members.
    #[schemars(length(min = 1, max = 16))]
    pub endpoints: Vec<String>,
    /// The key; by default `/stead/` and the cluster's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub key: Option<String>,
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

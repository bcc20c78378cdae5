//! The lease arbiter against real stores: moto for S3, Azurite, etcd; and, for want of any that could
//! be had here, against small stand-ins for the Lease API of Kubernetes and for Google Cloud Storage.
//!
//! Between arbiter and store stands a proxy that fails on demand, also after the store has done what
//! was asked. Stores are fetched by scripts/setup-stores.sh, started here on free ports of the
//! loopback, and ended here.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod cluster;
mod gcs;
mod kubernetes;
#[path = "../shared/network.rs"]
mod network;
#[allow(dead_code, reason = "another test uses the rest")]
mod proxy;
mod scenarios;
mod servers;
#[path = "../shared/store_network.rs"]
mod store_network;
mod takeover;

use scenarios::Backend;

#[tokio::test(flavor = "multi_thread")]
async fn s3_keeps_a_lease() {
    scenarios::play(&servers::moto().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn azure_blob_storage_keeps_a_lease() {
    scenarios::play(&servers::azurite().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn etcd_keeps_a_lease() {
    scenarios::play(&servers::etcd().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kubernetes_lease_keeps_a_lease() {
    let backend: Backend = kubernetes::serve().await;
    scenarios::play(&backend).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn google_cloud_storage_is_asked_for_generations() {
    scenarios::play(&gcs::serve().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_credentials_are_shown() {
    scenarios::credentials_are_not_shown(&servers::moto().await, "hunter2-secret").await;
    scenarios::credentials_are_not_shown(&servers::azurite().await, servers::AZURE_KEY).await;
}

//! Which store, and where in it.

use std::sync::Arc;

use super::Opener;
use super::store::{Store, StoreError};
use crate::api::kinds::{LeaseArbitration, LeaseStore};

/// Where the record lies, in words.
#[must_use]
pub fn place(cluster: &str, spec: &LeaseArbitration) -> String {
    let key = key(cluster, spec);
    match spec.type_ {
        LeaseStore::S3 => {
            let bucket = spec.s3.as_ref().map_or("", |s3| &s3.bucket);
            format!("s3://{bucket}/{key}")
        }
        LeaseStore::AzureBlob => {
            let (account, container) = spec
                .azure_blob
                .as_ref()
                .map_or(("", ""), |azure| (&azure.account, &azure.container));
            format!("azure://{account}/{container}/{key}")
        }
        LeaseStore::GCS => {
            let bucket = spec.gcs.as_ref().map_or("", |gcs| &gcs.bucket);
            format!("gs://{bucket}/{key}")
        }
        LeaseStore::Etcd => format!("etcd {key}"),
        LeaseStore::Kubernetes => {
            let namespace = spec.kubernetes.as_ref().map_or("", |lease| &lease.namespace);
            format!("Lease {namespace}/{key}")
        }
    }
}

/// The record's name in its store: as written, else one that no two clusters share.
#[must_use]
pub fn key(cluster: &str, spec: &LeaseArbitration) -> String {
    let written = match spec.type_ {
        LeaseStore::S3 => spec.s3.as_ref().and_then(|s3| s3.key.clone()),
        LeaseStore::AzureBlob => spec.azure_blob.as_ref().and_then(|azure| azure.blob.clone()),
        LeaseStore::GCS => spec.gcs.as_ref().and_then(|gcs| gcs.object.clone()),
        LeaseStore::Etcd => spec.etcd.as_ref().and_then(|etcd| etcd.key.clone()),
        LeaseStore::Kubernetes => spec.kubernetes.as_ref().and_then(|lease| lease.name.clone()),
    };
    written.unwrap_or_else(|| match spec.type_ {
        LeaseStore::S3 | LeaseStore::AzureBlob | LeaseStore::GCS => format!("stead/{cluster}"),
        LeaseStore::Etcd => format!("/stead/{cluster}"),
        LeaseStore::Kubernetes => format!("stead-{cluster}"),
    })
}

/// Opens the store of these settings, as often as asked.
#[must_use]
pub fn opener(cluster: &str, spec: &LeaseArbitration) -> Opener {
    let key = key(cluster, spec);
    let spec = Arc::new(spec.clone());
    Arc::new(move || Box::pin(open(spec.clone(), key.clone())))
}

type Opened = Result<Arc<dyn Store>, StoreError>;

async fn open(spec: Arc<LeaseArbitration>, key: String) -> Opened {
    match spec.type_ {
        LeaseStore::S3 | LeaseStore::AzureBlob | LeaseStore::GCS => objects(spec, key).await,
        LeaseStore::Etcd => etcd(spec, key).await,
        LeaseStore::Kubernetes => kubernetes(&spec, &key).await,
    }
}

#[cfg(any(feature = "lease", feature = "etcd"))]
fn missing<T>(spec: &LeaseArbitration) -> Result<T, StoreError> {
    Err(StoreError::new(format!("the settings of {:?} are missing", spec.type_)))
}

/// Files are read off the runtime's threads.
#[cfg(any(feature = "lease", feature = "etcd"))]
async fn blocking(work: impl FnOnce() -> Opened + Send + 'static) -> Opened {
    match tokio::task::spawn_blocking(work).await {
        Ok(opened) => opened,
        Err(error) => Err(StoreError::caused(&error)),
    }
}

#[cfg(feature = "lease")]
async fn objects(spec: Arc<LeaseArbitration>, key: String) -> Opened {
    use super::objects;
    blocking(move || {
        let timeout = spec.timeout.into();
        let object = match (spec.type_, &spec.s3, &spec.azure_blob, &spec.gcs) {
            (LeaseStore::S3, Some(s3), _, _) => objects::s3(s3, &key, timeout),
            (LeaseStore::AzureBlob, _, Some(azure), _) => objects::azure(azure, &key, timeout),
            (LeaseStore::GCS, _, _, Some(gcs)) => objects::gcs(gcs, &key, timeout),
            (
                LeaseStore::S3
                | LeaseStore::AzureBlob
                | LeaseStore::GCS
                | LeaseStore::Etcd
                | LeaseStore::Kubernetes,
                ..,
            ) => missing(&spec),
        }?;
        let store: Arc<dyn Store> = Arc::new(object);
        Ok(store)
    })
    .await
}

#[cfg(feature = "etcd")]
async fn etcd(spec: Arc<LeaseArbitration>, key: String) -> Opened {
    blocking(move || {
        let Some(etcd) = &spec.etcd else { return missing(&spec) };
        let store: Arc<dyn Store> =
            Arc::new(super::etcd::Etcd::open(etcd, &key, spec.timeout.into())?);
        Ok(store)
    })
    .await
}

#[cfg(feature = "lease")]
async fn kubernetes(spec: &LeaseArbitration, key: &str) -> Opened {
    use super::kubernetes::KubernetesObject;
    let Some(lease) = &spec.kubernetes else { return missing(spec) };
    let store: Arc<dyn Store> =
        Arc::new(KubernetesObject::open(lease, key, spec.timeout.into()).await?);
    Ok(store)
}

#[cfg(not(feature = "lease"))]
async fn objects(_spec: Arc<LeaseArbitration>, _key: String) -> Opened {
    Err(StoreError::new("this program was built without the feature `lease`"))
}

#[cfg(not(feature = "etcd"))]
async fn etcd(_spec: Arc<LeaseArbitration>, _key: String) -> Opened {
    Err(StoreError::new("this program was built without the feature `etcd`"))
}

#[cfg(not(feature = "lease"))]
async fn kubernetes(_spec: &LeaseArbitration, _key: &str) -> Opened {
    Err(StoreError::new("this program was built without the feature `lease`"))
}

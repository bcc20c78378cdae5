//! Records in object stores: S3, Azure Blob Storage, Google Cloud Storage.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt, Full};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
};
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::{
    ClientOptions, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, RetryConfig,
    UpdateVersion,
};

use super::credentials;
use super::store::{Found, Store, StoreError, Version, Written};
use super::web::{Trust, Web, WebError};
use crate::api::kinds::{AzureBlobLease, GcsLease, S3Lease};

/// One object.
pub struct Object {
    store: Arc<dyn ObjectStore>,
    path: Path,
}

/// Opens an object of S3, or of a store with its API.
///
/// # Errors
/// Where files can't be read, or settings contradict each other.
pub fn s3(spec: &S3Lease, key: &str, timeout: Duration) -> Result<Object, StoreError> {
    let connector = Connector::new(spec.ca_file.as_deref(), timeout)?;
    let mut builder = match spec.credentials.as_ref().map(|credentials| &credentials.file) {
        None => AmazonS3Builder::from_env(),
        Some(file) => {
            let mut builder = AmazonS3Builder::new();
            for (name, value) in known::<AmazonS3ConfigKey>(file)? {
                builder = builder.with_config(name, value);
            }
            builder
        }
    };
    builder = builder
        .with_bucket_name(&spec.bucket)
        .with_virtual_hosted_style_request(spec.endpoint.is_none())
        .with_allow_http(true)
        .with_retry(no_retries(timeout))
        .with_http_connector(connector);
    if let Some(region) = &spec.region {
        builder = builder.with_region(region);
    }
    if let Some(endpoint) = &spec.endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    Object::new(builder.build(), key)
}

/// Opens a blob.
///
/// # Errors
/// As [`s3`].
pub fn azure(spec: &AzureBlobLease, key: &str, timeout: Duration) -> Result<Object, StoreError> {
    let connector = Connector::new(spec.ca_file.as_deref(), timeout)?;
    let mut builder = match spec.credentials.as_ref().map(|credentials| &credentials.file) {
        None => MicrosoftAzureBuilder::from_env(),
        Some(file) => {
            let mut builder = MicrosoftAzureBuilder::new();
            for (name, value) in known::<AzureConfigKey>(file)? {
                builder = builder.with_config(name, value);
            }
            builder
        }
    };
    builder = builder
        .with_account(&spec.account)
        .with_container_name(&spec.container)
        .with_allow_http(true)
        .with_retry(no_retries(timeout))
        .with_http_connector(connector);
    if let Some(endpoint) = &spec.endpoint {
        builder = builder.with_endpoint(endpoint.clone());
    }
    Object::new(builder.build(), key)
}

/// Opens an object of Google Cloud Storage.
///
/// # Errors
/// As [`s3`].
pub fn gcs(spec: &GcsLease, key: &str, timeout: Duration) -> Result<Object, StoreError> {
    let connector = Connector::new(spec.ca_file.as_deref(), timeout)?;
    let mut builder = match spec.credentials.as_ref().map(|credentials| &credentials.file) {
        None => GoogleCloudStorageBuilder::from_env(),
        Some(file) => {
            credentials::secret(file)?;
            GoogleCloudStorageBuilder::new().with_application_credentials(file)
        }
    };
    builder = builder
        .with_bucket_name(&spec.bucket)
        .with_retry(no_retries(timeout))
        .with_http_connector(connector);
    if let Some(endpoint) = &spec.endpoint {
        builder = builder.with_base_url(endpoint);
        // Another store with this API: the machine's own token is not for it.
        if spec.credentials.is_none() {
            builder = builder.with_bearer_token("anonymous");
        }
    }
    Object::new(builder.build(), key)
}

/// Settings of a file by the names that the store's own tools use in the environment.
fn known<Key: std::str::FromStr>(file: &str) -> Result<Vec<(Key, String)>, StoreError> {
    let found: BTreeMap<String, String> = credentials::read(file)?;
    let mut known = Vec::new();
    for (name, value) in found {
        let Ok(key) = name.to_ascii_lowercase().parse() else {
            return Err(StoreError::new(format!("{file}: {name} is no setting of this store")));
        };
        known.push((key, value));
    }
    Ok(known)
}

fn no_retries(timeout: Duration) -> RetryConfig {
    RetryConfig { max_retries: 0, retry_timeout: timeout, ..RetryConfig::default() }
}

impl Object {
    fn new(store: object_store::Result<impl ObjectStore>, key: &str) -> Result<Self, StoreError> {
        let store = store.map_err(|error| StoreError::caused(&error))?;
        let path = Path::parse(key).map_err(|error| StoreError::caused(&error))?;
        Ok(Self { store: Arc::new(store), path })
    }

    async fn found(&self) -> Result<Option<Found>, StoreError> {
        use object_store::Error::NotFound;
        let answer = match self.store.get(&self.path).await {
            Ok(answer) => answer,
            Err(NotFound { source, .. }) if is_missing_object(&source.to_string()) => {
                return Ok(None);
            }
            Err(error) => return Err(StoreError::caused(&error)),
        };
        let version = Version { tag: answer.meta.e_tag.clone(), more: answer.meta.version.clone() };
        let bytes = answer.bytes().await.map_err(|error| StoreError::caused(&error))?;
        Ok(Some(Found { bytes: bytes.to_vec(), version }))
    }

    async fn written(&self, record: &[u8], over: Option<&Version>) -> Result<Written, StoreError> {
        use object_store::Error::{AlreadyExists, Precondition};
        let mode = match over {
            None => PutMode::Create,
            Some(version) => PutMode::Update(UpdateVersion {
                e_tag: version.tag.clone(),
                version: version.more.clone(),
            }),
        };
        let payload = PutPayload::from(record.to_vec());
        match self.store.put_opts(&self.path, payload, PutOptions::from(mode)).await {
            Ok(done) => Ok(Written::Done(Version { tag: done.e_tag, more: done.version })),
            Err(AlreadyExists { .. } | Precondition { .. }) => Ok(Written::Conflict),
            Err(error) => Err(StoreError::caused(&error)),
        }
    }
}

/// Whether a 404 speaks of the object. A missing bucket or container is no missing record: what it
/// held may have been moved, and nobody can write there.
fn is_missing_object(answer: &str) -> bool {
    !["NoSuchBucket", "ContainerNotFound", "ContainerBeingDeleted", "bucket does not exist"]
        .iter()
        .any(|code| answer.contains(code))
}

impl Store for Object {
    fn read(&self) -> BoxFuture<'_, Result<Option<Found>, StoreError>> {
        Box::pin(self.found())
    }

    fn write<'a>(
        &'a self,
        record: &'a [u8],
        over: Option<&'a Version>,
    ) -> BoxFuture<'a, Result<Written, StoreError>> {
        Box::pin(self.written(record, over))
    }

    fn conditions_are_certain(&self) -> bool {
        false
    }
}

/// Gives the crate our client in place of its own.
#[derive(Debug)]
struct Connector(Service);

impl Connector {
    fn new(ca_file: Option<&str>, timeout: Duration) -> Result<Self, StoreError> {
        let trust = Trust { ca_file, identity: None };
        Ok(Self(Service(Web::new(&trust, timeout)?)))
    }
}

impl HttpConnector for Connector {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.0.clone()))
    }
}

#[derive(Clone, Debug)]
struct Service(Web);

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let request = http::Request::from_parts(head, Full::new(body));
        match self.0.send(request).await {
            Ok(response) => Ok(response.map(Into::into)),
            Err(error) => {
                let kind = match &error {
                    WebError::Connect(_) => HttpErrorKind::Connect,
                    WebError::Exchange(_) => HttpErrorKind::Interrupted,
                    WebError::Body(_) => HttpErrorKind::Decode,
                };
                Err(HttpError::new(kind, error))
            }
        }
    }
}

//! Records in etcd, by the JSON form of its API that every member serves beside gRPC.
//!
//! Reads are linearizable, a write is a transaction that compares revision and value. The client
//! library is left out on purpose: four calls do not earn a code generator and a gRPC stack.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, StatusCode, header};
use http_body_util::Full;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::credentials;
use super::store::{Found, Store, StoreError, Version, Written};
use super::web::{Trust, Web};
use crate::api::kinds::EtcdLease;

/// One key.
pub struct Etcd {
    web: Web,
    endpoints: Vec<String>,
    /// The endpoint that is asked first; the next one after an error.
    first: AtomicUsize,
    key: String,
    login: Option<Login>,
    token: Mutex<Option<String>>,
}

struct Login {
    user: String,
    password: String,
}

#[derive(Deserialize)]
struct Header {
    #[serde(default)]
    revision: String,
}

#[derive(Deserialize)]
struct RangeAnswer {
    /// Present in every answer of an etcd, and in few of anything else.
    #[serde(rename = "header")]
    _header: Header,
    #[serde(default)]
    kvs: Vec<KeyValue>,
}

#[derive(Deserialize)]
struct KeyValue {
    key: String,
    #[serde(default)]
    value: String,
    mod_revision: String,
}

#[derive(Deserialize)]
struct TransactionAnswer {
    header: Header,
    /// Left out where it is false.
    #[serde(default)]
    succeeded: bool,
    /// Empty where the branch has no requests.
    #[serde(default)]
    responses: Vec<Value>,
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: String,
}

impl Etcd {
    /// Opens a key.
    ///
    /// # Errors
    /// Where files can't be read.
    pub fn open(spec: &EtcdLease, key: &str, timeout: Duration) -> Result<Self, StoreError> {
        let identity = spec.cert_file.as_deref().zip(spec.key_file.as_deref());
        let web = Web::new(&Trust { ca_file: spec.ca_file.as_deref(), identity }, timeout)?;
        let login = match spec.credentials.as_ref().map(|credentials| &credentials.file) {
            None => None,
            Some(file) => {
                let mut found = credentials::read(file)?;
                match (found.remove("ETCD_USER"), found.remove("ETCD_PASSWORD")) {
                    (Some(user), Some(password)) => Some(Login { user, password }),
                    _ => {
                        let words = format!("{file} lacks ETCD_USER or ETCD_PASSWORD");
                        return Err(StoreError::new(words));
                    }
                }
            }
        };
        let endpoints =
            spec.endpoints.iter().map(|address| address.trim_end_matches('/').into()).collect();
        let (first, token) = (AtomicUsize::new(0), Mutex::new(None));
        Ok(Self { web, endpoints, first, key: STANDARD.encode(key), login, token })
    }

    /// One call to one member. A call that was perhaps carried out is not repeated elsewhere; the
    /// next one goes to the next member.
    async fn call<T: for<'de> Deserialize<'de>>(
        &self,
        path: &str,
        body: &Value,
    ) -> Result<T, StoreError> {
        let index = self.first.load(Ordering::Relaxed) % self.endpoints.len().max(1);
        // Whoever drops this future for want of an answer shall reach another member next time.
        self.first.store(index + 1, Ordering::Relaxed);
        let Some(endpoint) = self.endpoints.get(index) else {
            return Err(StoreError::new("no endpoint is configured"));
        };
        let answer = self.call_at(endpoint, path, body).await?;
        self.first.store(index, Ordering::Relaxed);
        Ok(answer)
    }

    async fn call_at<T: for<'de> Deserialize<'de>>(
        &self,
        endpoint: &str,
        path: &str,
        body: &Value,
    ) -> Result<T, StoreError> {
        let token = self.token(endpoint).await?;
        let (status, bytes) = self.post(endpoint, path, body, token.as_deref()).await?;
        if status == StatusCode::OK {
            return serde_json::from_slice(&bytes).map_err(|_| {
                let text = String::from_utf8_lossy(&bytes);
                StoreError::new(format!("{endpoint} answers no JSON of etcd: {text}"))
            });
        }
        if status == StatusCode::UNAUTHORIZED {
            // Tokens end after minutes; the next call gets a new one.
            *self.token.lock().await = None;
        }
        let text = String::from_utf8_lossy(&bytes);
        Err(StoreError::new(format!("{endpoint} answers {status}: {text}")))
    }

    async fn token(&self, endpoint: &str) -> Result<Option<String>, StoreError> {
        let Some(login) = &self.login else { return Ok(None) };
        let mut token = self.token.lock().await;
        if let Some(token) = &*token {
            return Ok(Some(token.clone()));
        }
        let body = json!({ "name": login.user, "password": login.password });
        let (status, bytes) = self.post(endpoint, "/v3/auth/authenticate", &body, None).await?;
        let answer: Option<TokenAnswer> = serde_json::from_slice(&bytes).ok();
        match answer.filter(|_| status == StatusCode::OK) {
            Some(answer) => {
                *token = Some(answer.token.clone());
                Ok(Some(answer.token))
            }
            None => {
                let words = format!("{endpoint} refuses the user {}: {status}", login.user);
                Err(StoreError::new(words))
            }
        }
    }

    async fn post(
        &self,
        endpoint: &str,
        path: &str,
        body: &Value,
        token: Option<&str>,
    ) -> Result<(StatusCode, Bytes), StoreError> {
        let mut request = Request::post(format!("{endpoint}{path}"))
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, token);
        }
        let request = request
            .body(Full::from(body.to_string()))
            .map_err(|error| StoreError::new(format!("{endpoint}: {error}")))?;
        let answer = self.web.send(request).await.map_err(|error| {
            let words = StoreError::caused(&error);
            StoreError::new(format!("{endpoint}: {words}"))
        })?;
        Ok((answer.status(), answer.into_body()))
    }

    async fn found(&self) -> Result<Option<Found>, StoreError> {
        let answer: RangeAnswer = self.call("/v3/kv/range", &json!({ "key": self.key })).await?;
        let Some(found) = answer.kvs.into_iter().next() else { return Ok(None) };
        if found.key != self.key {
            return Err(StoreError::new("etcd answers with another key than asked for"));
        }
        let bytes = STANDARD
            .decode(&found.value)
            .map_err(|error| StoreError::new(format!("etcd answers no base64: {error}")))?;
        let version = Version { tag: Some(found.mod_revision), more: Some(found.value) };
        Ok(Some(Found { bytes, version }))
    }

    async fn written(&self, record: &[u8], over: Option<&Version>) -> Result<Written, StoreError> {
        let key = &self.key;
        // The value besides the revision: a member restored from a backup counts revisions again.
        let compare = match over {
            None => json!([{ "key": key, "target": "CREATE", "create_revision": "0" }]),
            Some(version) => json!([
                { "key": key, "target": "MOD", "mod_revision": version.tag },
                { "key": key, "target": "VALUE", "value": version.more },
            ]),
        };
        let value = STANDARD.encode(record);
        let success = json!([{ "request_put": { "key": key, "value": value } }]);
        let body = json!({ "compare": compare, "success": success });
        let answer: TransactionAnswer = self.call("/v3/kv/txn", &body).await?;
        if !answer.succeeded {
            return Ok(Written::Conflict);
        }
        if answer.responses.is_empty() || answer.header.revision.is_empty() {
            return Err(StoreError::new("etcd says that it wrote, and not what"));
        }
        Ok(Written::Done(Version { tag: Some(answer.header.revision), more: Some(value) }))
    }
}

impl Store for Etcd {
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
        true
    }
}

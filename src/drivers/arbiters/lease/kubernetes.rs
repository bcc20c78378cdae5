//! Records as a Lease object of a Kubernetes cluster.
//!
//! The record itself is an annotation; the fields of the Lease repeat it for people and tools.
//! Every write names the resource version that it replaces.

use std::time::Duration;

use futures_util::future::BoxFuture;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Map, Value, json};

use super::record::Record;
use super::store::{Found, Store, StoreError, Version, Written};
use crate::api::kinds::KubernetesLease;

/// Holds the record.
const ANNOTATION: &str = "stead.dev/lease";
/// What an answer has at most.
const BODY_MAX: usize = 256 * 1024;

/// One Lease object.
pub struct KubernetesObject {
    client: Client,
    namespace: String,
    name: String,
}

impl KubernetesObject {
    /// Opens a Lease.
    ///
    /// # Errors
    /// Where there is no access to the cluster.
    pub async fn open(
        spec: &KubernetesLease,
        name: &str,
        timeout: Duration,
    ) -> Result<Self, StoreError> {
        let failed = |error: &dyn std::error::Error| StoreError::caused(error);
        let mut config = match &spec.kubeconfig {
            Some(file) => {
                let file = Kubeconfig::read_from(file).map_err(|error| failed(&error))?;
                let options = KubeConfigOptions::default();
                Config::from_custom_kubeconfig(file, &options)
                    .await
                    .map_err(|error| failed(&error))?
            }
            None => Config::infer().await.map_err(|error| failed(&error))?,
        };
        // Who asks has its own times, and must know what was written when.
        config.default_retry = false;
        config.connect_timeout = Some(timeout);
        config.read_timeout = Some(timeout);
        config.write_timeout = Some(timeout);
        let client = Client::try_from(config).map_err(|error| failed(&error))?;
        Ok(Self { client, namespace: spec.namespace.clone(), name: name.to_owned() })
    }

    fn collection(&self) -> String {
        format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases", self.namespace)
    }

    async fn call(
        &self,
        method: &str,
        path: String,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Value), StoreError> {
        let bytes = body.map_or_else(Vec::new, |body| body.to_string().into_bytes());
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(bytes))
            .map_err(|error| StoreError::caused(&error))?;
        let answer = self.client.send(request).await.map_err(|error| StoreError::caused(&error))?;
        let status = answer.status();
        let bytes = Limited::new(answer.into_body(), BODY_MAX)
            .collect()
            .await
            .map_err(|error| StoreError::new(format!("the answer ended early: {error}")))?
            .to_bytes();
        let value: Value = serde_json::from_slice(&bytes).map_err(|_| {
            let text = String::from_utf8_lossy(&bytes);
            StoreError::new(format!("{status}, and no JSON of Kubernetes: {text}"))
        })?;
        Ok((status, value))
    }

    /// The version of an object that the API server gave.
    fn version(&self, object: &Value) -> Result<Version, StoreError> {
        let metadata = &object["metadata"];
        let version = metadata["resourceVersion"].as_str();
        let Some(version) = version.filter(|_| metadata["name"] == self.name.as_str()) else {
            return Err(StoreError::new("the API server answers with something else than a Lease"));
        };
        // What others wrote there stays.
        let kept = |field: &str| metadata.get(field).cloned().unwrap_or(Value::Null);
        let more = json!({
            "annotations": kept("annotations"),
            "labels": kept("labels"),
            "ownerReferences": kept("ownerReferences"),
            "transitions": object["spec"]["leaseTransitions"],
            "holder": object["spec"]["holderIdentity"],
        });
        Ok(Version { tag: Some(version.to_owned()), more: Some(more.to_string()) })
    }

    async fn found(&self) -> Result<Option<Found>, StoreError> {
        let path = format!("{}/{}", self.collection(), self.name);
        let (status, object) = self.call("GET", path, None).await?;
        let missing = status == StatusCode::NOT_FOUND
            && object["reason"] == "NotFound"
            && object["details"]["name"] == self.name.as_str();
        if missing {
            return Ok(None);
        }
        if status != StatusCode::OK {
            return Err(refused(status, &object));
        }
        let version = self.version(&object)?;
        let Some(text) = object["metadata"]["annotations"][ANNOTATION].as_str() else {
            return Err(StoreError::new(format!(
                "the Lease {}/{} belongs to something else: it has no annotation {ANNOTATION}",
                self.namespace, self.name
            )));
        };
        Ok(Some(Found { bytes: text.as_bytes().to_vec(), version }))
    }

    async fn written(&self, record: &[u8], over: Option<&Version>) -> Result<Written, StoreError> {
        let object = self.object(record, over);
        let (status, answer) = match over {
            None => self.call("POST", self.collection(), Some(&object)).await?,
            Some(_) => {
                let path = format!("{}/{}", self.collection(), self.name);
                self.call("PUT", path, Some(&object)).await?
            }
        };
        let reason = answer["reason"].as_str().unwrap_or_default();
        match (status, reason) {
            (StatusCode::OK | StatusCode::CREATED, _) => Ok(Written::Done(self.version(&answer)?)),
            (StatusCode::CONFLICT, "AlreadyExists" | "Conflict") => Ok(Written::Conflict),
            (StatusCode::NOT_FOUND, "NotFound") if over.is_some() => Ok(Written::Conflict),
            _ => Err(refused(status, &answer)),
        }
    }

    fn object(&self, record: &[u8], over: Option<&Version>) -> Value {
        let before: Value = over
            .and_then(|version| version.more.as_deref())
            .and_then(|more| serde_json::from_str(more).ok())
            .unwrap_or(Value::Null);
        let mut annotations: Map<String, Value> =
            before["annotations"].as_object().cloned().unwrap_or_default();
        let text = String::from_utf8_lossy(record).into_owned();
        annotations.insert(ANNOTATION.to_owned(), text.into());
        // The fields repeat the record; what is none leaves them empty.
        let record = Record::decode(record).ok();
        let holder = record.as_ref().map(|record| record.holder.as_str());
        let time = |time: fn(&Record) -> &String| {
            record.as_ref().map_or(Value::Null, |record| micro_time(time(record)))
        };
        let seconds = record.as_ref().map(|record| record.ttl_milliseconds.div_ceil(1000).max(1));
        let moved = before["holder"].as_str() != holder;
        let transitions = before["transitions"].as_i64().unwrap_or(0)
            + i64::from(moved && !before["holder"].is_null());
        let mut metadata = json!({
            "name": self.name,
            "namespace": self.namespace,
            "annotations": annotations,
        });
        for field in ["labels", "ownerReferences"] {
            if !before[field].is_null() {
                metadata[field] = before[field].clone();
            }
        }
        if let Some(version) = over.and_then(|version| version.tag.as_ref()) {
            metadata["resourceVersion"] = version.as_str().into();
        }
        json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": metadata,
            "spec": {
                "holderIdentity": holder,
                "leaseDurationSeconds": seconds,
                "acquireTime": time(|record| &record.acquired),
                "renewTime": time(|record| &record.written),
                "leaseTransitions": transitions,
            },
        })
    }
}

/// RFC 3339 as Kubernetes writes its MicroTime.
fn micro_time(time: &str) -> Value {
    let parsed = time.parse::<jiff::Timestamp>();
    parsed.map_or(Value::Null, |time| time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string().into())
}

fn refused(status: StatusCode, answer: &Value) -> StoreError {
    let message = answer["message"].as_str().unwrap_or_default();
    StoreError::new(format!("the API server answers {status}: {message}"))
}

impl Store for KubernetesObject {
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

//! A stand-in for the Lease API of Kubernetes. No real API server could be had where these tests
//! were written; this one does what its documentation says of resource versions, and no more.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use stead::api::kinds::{KubernetesLease, LeaseArbitration, LeaseStore};
use tokio::net::TcpListener;

use crate::scenarios::Backend;
use crate::servers;

const COLLECTION: &str = "/apis/coordination.k8s.io/v1/namespaces/stead/leases";

#[derive(Default)]
struct Leases {
    objects: BTreeMap<String, Value>,
    version: u64,
}

/// Serves leases until the test ends.
pub async fn serve() -> Backend {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let leases = Arc::new(Mutex::new(Leases::default()));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let leases = leases.clone();
            tokio::spawn(async move {
                let service = service_fn(|request| answer(request, leases.clone()));
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                let _ = connection.await;
            });
        }
    });
    let (mut backend, proxy) = servers::inside(address).await;
    let kubeconfig = backend.files.path().join("kubeconfig");
    let text = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{ "name": "c", "context": { "cluster": "c", "user": "u" } }],
        "clusters": [{ "name": "c", "cluster": { "server": format!("http://{proxy}") } }],
        "users": [{ "name": "u", "user": {} }],
    });
    fs::write(&kubeconfig, text.to_string()).unwrap();
    backend.spec = Box::new(move |key| LeaseArbitration {
        kubernetes: Some(KubernetesLease {
            namespace: "stead".into(),
            name: Some(key.into()),
            kubeconfig: Some(kubeconfig.to_str().unwrap().into()),
        }),
        ..servers::lease(LeaseStore::Kubernetes)
    });
    backend
}

async fn answer(
    request: Request<Incoming>,
    leases: Arc<Mutex<Leases>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let name = head.uri.path().strip_prefix(COLLECTION).map(|rest| rest.trim_matches('/'));
    let (status, value) = match (&head.method, name) {
        (&Method::GET, Some(name)) => read(&leases.lock().unwrap(), name),
        (&Method::POST, Some("")) => create(&mut leases.lock().unwrap(), body),
        (&Method::PUT, Some(name)) => replace(&mut leases.lock().unwrap(), name, body),
        _ => failure(StatusCode::NOT_FOUND, "NotFound", "no such path", ""),
    };
    let response = Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Full::from(value.to_string()))
        .unwrap();
    Ok(response)
}

fn failure(code: StatusCode, reason: &str, message: &str, name: &str) -> (StatusCode, Value) {
    let status = json!({
        "apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code.as_u16(),
        "reason": reason, "message": message, "details": { "name": name, "kind": "leases" },
    });
    (code, status)
}

fn not_found(name: &str) -> (StatusCode, Value) {
    failure(StatusCode::NOT_FOUND, "NotFound", "leases not found", name)
}

fn read(leases: &Leases, name: &str) -> (StatusCode, Value) {
    leases
        .objects
        .get(name)
        .map_or_else(|| not_found(name), |object| (StatusCode::OK, object.clone()))
}

fn create(leases: &mut Leases, object: Value) -> (StatusCode, Value) {
    let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    if !object["metadata"]["resourceVersion"].is_null() {
        return failure(StatusCode::BAD_REQUEST, "BadRequest", "resourceVersion is set", &name);
    }
    if leases.objects.contains_key(&name) {
        return failure(StatusCode::CONFLICT, "AlreadyExists", "already exists", &name);
    }
    (StatusCode::CREATED, store(leases, &name, object))
}

fn replace(leases: &mut Leases, name: &str, object: Value) -> (StatusCode, Value) {
    let Some(before) = leases.objects.get(name) else { return not_found(name) };
    if before["metadata"]["resourceVersion"] != object["metadata"]["resourceVersion"] {
        return failure(StatusCode::CONFLICT, "Conflict", "the object has been modified", name);
    }
    (StatusCode::OK, store(leases, name, object))
}

fn store(leases: &mut Leases, name: &str, mut object: Value) -> Value {
    leases.version += 1;
    object["metadata"]["resourceVersion"] = leases.version.to_string().into();
    leases.objects.insert(name.to_owned(), object.clone());
    object
}

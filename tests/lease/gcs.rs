//! A stand-in for the one object of Google Cloud Storage that a lease is: generations and their
//! preconditions in the XML API. It shows that the arbiter asks for them, not that Google answers so.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use stead::api::kinds::{GcsLease, LeaseArbitration, LeaseStore};
use tokio::net::TcpListener;

use crate::scenarios::Backend;
use crate::servers;

#[derive(Default)]
struct Bucket {
    objects: BTreeMap<String, (Bytes, u64)>,
    generation: u64,
}

/// Serves a bucket until the test ends.
pub async fn serve() -> Backend {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let bucket = Arc::new(Mutex::new(Bucket::default()));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let bucket = bucket.clone();
            tokio::spawn(async move {
                let service = service_fn(|request| answer(request, bucket.clone()));
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                let _ = connection.await;
            });
        }
    });
    let (mut backend, proxy) = servers::inside(address).await;
    backend.spec = Box::new(move |key| LeaseArbitration {
        gcs: Some(GcsLease {
            bucket: "leases".into(),
            object: Some(key.into()),
            endpoint: Some(format!("http://{proxy}")),
            ca_file: None,
            credentials: None,
        }),
        ..servers::lease(LeaseStore::GCS)
    });
    backend
}

async fn answer(
    request: Request<Incoming>,
    bucket: Arc<Mutex<Bucket>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let name = head.uri.path().to_owned();
    let mut bucket = bucket.lock().unwrap();
    let before = bucket.objects.get(&name).cloned();
    Ok(match head.method {
        Method::GET => match before {
            Some((body, generation)) => respond(StatusCode::OK, body, Some(generation)),
            None => refuse(StatusCode::NOT_FOUND, "NoSuchKey"),
        },
        Method::PUT if !allowed(&head.headers, before.map(|(_, generation)| generation)) => {
            refuse(StatusCode::PRECONDITION_FAILED, "PreconditionFailed")
        }
        Method::PUT => {
            bucket.generation += 1;
            let generation = bucket.generation;
            bucket.objects.insert(name, (body, generation));
            respond(StatusCode::OK, Bytes::new(), Some(generation))
        }
        _ => refuse(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed"),
    })
}

/// Generation 0 means that there is none.
fn allowed(headers: &HeaderMap, generation: Option<u64>) -> bool {
    let wanted = headers.get("x-goog-if-generation-match");
    wanted.is_none_or(|wanted| wanted == generation.unwrap_or(0).to_string().as_str())
}

fn refuse(status: StatusCode, code: &str) -> Response<Full<Bytes>> {
    let body = format!("<?xml version='1.0'?><Error><Code>{code}</Code></Error>");
    respond(status, body.into(), None)
}

fn respond(status: StatusCode, body: Bytes, generation: Option<u64>) -> Response<Full<Bytes>> {
    let mut response = Response::builder().status(status);
    if let Some(generation) = generation {
        response = response
            .header("x-goog-generation", generation)
            .header("etag", format!("\"{generation}\""))
            .header("last-modified", "Sun, 22 Nov 2026 00:00:00 GMT");
    }
    response.body(Full::from(body)).unwrap()
}

//! Input that nobody should send: a clear answer, and the server goes on.

use std::io::{Read, Write};
use std::net::TcpStream;

use http::Method;
use http::header::{ACCEPT, CONTENT_TYPE};
use serde_json::json;
use stead::agent::pki::{ADMINS, Authority};

use super::harness::{Lab, group, now, years_ago};
use super::wire::{ROOT, call, get, post};

#[tokio::test]
async fn bodies_that_cannot_be_read_are_refused_in_words() {
    let lab = Lab::start().await;
    let client = lab.client("admin").await;
    let path = format!("{ROOT}/failovergroups");
    let yaml = [(CONTENT_TYPE, "application/yaml")];
    let send = |headers: &'static str, body: Vec<u8>| {
        let (client, path) = (client.clone(), path.clone());
        async move { call(&client, Method::POST, &path, &[(CONTENT_TYPE, headers)], body).await }
    };
    send("application/json", b"{\"kind\":".to_vec()).await.fails(
        400,
        "BadRequest",
        "not valid JSON",
    );
    send("application/json", b"\xff\xfe{}".to_vec()).await.fails(400, "BadRequest", "JSON");
    send("application/json", b"{\"kind\":\"\xff\"}".to_vec()).await.fails(
        400,
        "BadRequest",
        "JSON",
    );
    send("application/yaml", b"a: [b".to_vec()).await.fails(400, "BadRequest", "not valid YAML");
    send("application/yaml", b"a: \xff\xfe".to_vec()).await.fails(400, "BadRequest", "YAML");
    send("application/json", b"[]".to_vec()).await.fails(
        400,
        "BadRequest",
        "must be a FailoverGroup",
    );
    send("application/json", Vec::new()).await.fails(400, "BadRequest", "");
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    send("application/json", deep.clone().into()).await.fails(400, "BadRequest", "recursion");
    send("application/yaml", deep.into()).await.fails(400, "BadRequest", "YAML");
    let aliases: String = (1..30).map(|n| format!("a{n}: &a{n} [*a{0}, *a{0}]\n", n - 1)).collect();
    send("application/yaml", format!("a0: &a0 x\n{aliases}").into()).await.fails(
        400,
        "BadRequest",
        "",
    );
    send("text/html", b"<p>".to_vec()).await.fails(415, "UnsupportedMediaType", "application/json");
    let mut large = group("large");
    large["metadata"]["annotations"] = json!({"a": "x".repeat(10 << 20)});
    send("application/json", large.to_string().into()).await.fails(
        413,
        "RequestEntityTooLarge",
        "",
    );
    large["metadata"]["annotations"] = json!({"a": "x".repeat(300 << 10)});
    send("application/json", large.to_string().into()).await.fails(422, "Invalid", "annotations");
    let mut wrong = group("web");
    wrong["kind"] = "Cluster".into();
    post(&client, &path, &wrong).await.fails(400, "BadRequest", "the kind in the data (Cluster)");
    wrong["apiVersion"] = "stead.dev/v9".into();
    post(&client, &path, &wrong).await.fails(400, "BadRequest", "the API version in the data");
    wrong = group("web");
    wrong["metadata"]["namespace"] = "other".into();
    post(&client, &path, &wrong).await.fails(400, "BadRequest", "namespace");
    wrong = group("web");
    wrong["metadata"] = json!("web");
    post(&client, &path, &wrong).await.fails(400, "BadRequest", "metadata");
    let text = "apiVersion: stead.dev/v1alpha1\nkind: FailoverGroup\nmetadata: {name: yaml}\n\
                spec: {servers: [node1]}\n";
    let made = call(&client, Method::POST, &path, &yaml, text).await;
    assert!(made.code == 201 || made.code == 422, "{made:?}");
}

#[tokio::test]
async fn questions_that_make_no_sense_are_refused_in_words() {
    let lab = Lab::start().await;
    let client = lab.client("admin").await;
    let path = format!("{ROOT}/failovergroups");
    get(&client, &format!("{path}?limit=-1")).await.fails(400, "BadRequest", "limit");
    get(&client, &format!("{path}?resourceVersion=abc")).await.fails(
        400,
        "BadRequest",
        "resourceVersion",
    );
    get(&client, &format!("{path}?watch=true&resourceVersion=5")).await.fails(
        410,
        "Expired",
        "too old resource version: 5",
    );
    let ahead = u64::MAX;
    get(&client, &format!("{path}?watch=true&resourceVersion={ahead}")).await.fails(
        504,
        "Timeout",
        "Too large resource version",
    );
    get(&client, &format!("{path}?resourceVersion={ahead}")).await.fails(504, "Timeout", "");
    get(&client, &format!("{path}?watch=true&sendInitialEvents=true"))
        .await
        .fails(422, "Invalid", "");
    let headers = [(ACCEPT, "application/vnd.kubernetes.protobuf")];
    call(&client, Method::GET, &path, &headers, "").await.fails(406, "NotAcceptable", "");
    post(&client, &format!("{path}?dryRun=Some"), &group("x")).await.fails(
        400,
        "BadRequest",
        "dryRun",
    );
    post(&client, &format!("{path}?fieldValidation=Some"), &group("x")).await.fails(
        400,
        "BadRequest",
        "fieldValidation",
    );
    call(&client, Method::POST, "/version", &[], "").await.fails(405, "MethodNotAllowed", "");
    let apply = [(CONTENT_TYPE, "application/apply-patch+yaml")];
    let one = format!("{path}/web");
    call(&client, Method::PATCH, &one, &apply, "{}").await.fails(400, "BadRequest", "fieldManager");
    let json = [(CONTENT_TYPE, "application/json-patch+json")];
    call(&client, Method::PATCH, &one, &json, "{}").await.fails(400, "BadRequest", "JSON patch");
    get(&client, "/%2e%2e/%2e%2e/etc/passwd").await.fails(404, "NotFound", "");
    get(&client, &format!("{path}/%ff%fe")).await.fails(404, "NotFound", "");
}

/// A connection with these certificates, or without.
fn tls(lab: &Lab, own: Option<(&str, &str)>) -> std::io::Result<Vec<u8>> {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
    let mut roots = rustls::RootCertStore::empty();
    let authority = lab.authority.certificate();
    roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match own {
        Some((certificate, key)) => builder
            .with_client_auth_cert(
                vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
                PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
            )
            .unwrap(),
        None => builder.with_no_client_auth(),
    };
    let name = ServerName::try_from("node1").unwrap();
    let mut session = rustls::ClientConnection::new(std::sync::Arc::new(config), name).unwrap();
    let mut stream = TcpStream::connect(lab.address)?;
    let mut tls = rustls::Stream::new(&mut session, &mut stream);
    tls.write_all(b"GET /apis HTTP/1.1\r\nHost: node1\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    tls.read_to_end(&mut answer)?;
    Ok(answer)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_that_are_foreign_expired_or_missing_get_nothing() {
    let lab = Lab::start().await;
    let (anonymous, foreign, expired) = tokio::task::block_in_place(|| {
        let other = Authority::new("other", now()).unwrap().client("admin", ADMINS, now()).unwrap();
        let past = lab.authority.client("admin", ADMINS, years_ago()).unwrap();
        (
            tls(&lab, None),
            tls(&lab, Some((&other.certificate, &other.private_key))),
            tls(&lab, Some((&past.certificate, &past.private_key))),
        )
    });
    for (answer, why) in [
        (anonymous, "no client certificate was shown"),
        (
            foreign,
            "the client certificate of \\\"admin\\\" is not signed by this cluster's authority",
        ),
        (expired, "the client certificate of \\\"admin\\\" has expired"),
    ] {
        let answer = String::from_utf8(answer.unwrap()).unwrap();
        assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
        assert!(answer.contains(why), "{answer}");
    }
    // No TLS at all.
    let answer = tokio::task::block_in_place(|| {
        let mut stream = TcpStream::connect(lab.address).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        answer
    });
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    get(&lab.client("admin").await, "/version").await.is(200);
}

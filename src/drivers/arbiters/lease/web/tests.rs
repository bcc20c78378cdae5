use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

/// A TLS server for `name` that answers each connection so; its port and its certificate.
async fn tls_server(name: &str, answer: &'static str) -> (u16, String) {
    let signed = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signed.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let configuration = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![signed.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(configuration));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    (port, signed.cert.pem())
}

async fn ask(port: u16, ca_file: Option<&str>) -> Result<Response<Bytes>, WebError> {
    let web = Web::new(&Trust { ca_file, identity: None }, Duration::from_secs(9)).unwrap();
    let request = Request::get(format!("https://localhost:{port}/")).body(Full::default()).unwrap();
    web.send(request).await
}

#[tokio::test]
async fn tls_is_verified_against_the_file_and_never_without() {
    const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfine";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    let (port, pem) = tls_server("localhost", ANSWER).await;
    std::fs::write(&file, pem).unwrap();
    let answer = ask(port, file.to_str()).await.unwrap();
    assert_eq!(answer.body().as_ref(), b"fine");
    let unknown = ask(port, None).await;
    assert!(matches!(unknown, Err(WebError::Connect(_))), "{unknown:?}");
    let (port, pem) = tls_server("elsewhere.example", ANSWER).await;
    std::fs::write(&file, pem).unwrap();
    let other = ask(port, file.to_str()).await;
    assert!(matches!(other, Err(WebError::Connect(_))), "{other:?}");
}

#[tokio::test]
async fn an_answer_that_never_ends_is_cut_off() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
    });
    let web = Web::new(&Trust::default(), Duration::from_secs(9)).unwrap();
    let request = Request::get(format!("http://{address}/")).body(Full::default()).unwrap();
    let answer = web.send(request).await;
    assert!(matches!(answer, Err(WebError::Body(_))), "{answer:?}");
}

#[test]
fn authorities_that_can_not_be_read_are_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "no certificate").unwrap();
    for file in [folder.path().join("absent.pem"), empty] {
        let trust = Trust { ca_file: file.to_str(), identity: None };
        assert!(Web::new(&trust, Duration::from_secs(9)).is_err(), "{file:?}");
    }
}

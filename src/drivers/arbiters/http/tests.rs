use std::fs;

use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

/// A web server on loopback that reads one request and answers with these bytes.
async fn server(answer: &'static [u8]) -> (u16, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        serve(stream, answer).await
    });
    (port, served)
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &[u8]) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).await.unwrap_or(0) == 0 {
            break;
        }
        request.push(byte[0]);
    }
    let _ = stream.write_all(answer).await;
    let _ = stream.shutdown().await;
    String::from_utf8(request).unwrap()
}

fn spec(port: u16) -> HttpArbitration {
    HttpArbitration {
        host: "127.0.0.1".into(),
        port,
        path: "/alive".into(),
        tls: TlsMode::Disabled,
        ca_file: None,
        timeout: Duration::from_secs(9).into(),
        interval: Duration::ZERO.into(),
        proxy: None,
    }
}

#[tokio::test]
async fn status_200_is_held_and_head_is_what_was_asked() {
    let (port, served) = server(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n").await;
    let (verdict, message) = verdict(&spec(port)).await;
    assert_eq!((verdict, message.as_str()), (Verdict::Held, "127.0.0.1 answers 200"));
    let request = served.await.unwrap();
    assert!(request.starts_with("HEAD /alive HTTP/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("host: 127.0.0.1:{port}\r\n")), "{request}");
}

#[tokio::test]
async fn any_other_status_is_lost_and_no_redirect_is_followed() {
    for (answer, status) in [
        (b"HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n".as_slice(), 302),
        (b"HTTP/1.1 204 No Content\r\n\r\n".as_slice(), 204),
        (b"HTTP/1.1 503 Away\r\ncontent-length: 0\r\n\r\n".as_slice(), 503),
    ] {
        let (port, _served) = server(answer).await;
        let (verdict, message) = verdict(&spec(port)).await;
        assert_eq!(verdict, Verdict::Lost);
        assert_eq!(message, format!("127.0.0.1 answers {status}, not 200"));
    }
}

#[tokio::test]
async fn garbage_an_early_end_and_a_closed_port_are_lost() {
    for answer in [b"SSH-2.0-OpenSSH_9.2\r\n".as_slice(), b"", b"HTTP/1.1 200"] {
        let (port, _served) = server(answer).await;
        let (verdict, message) = verdict(&spec(port)).await;
        assert_eq!(verdict, Verdict::Lost, "{message}");
    }
    let port = {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        free.local_addr().unwrap().port()
    };
    let (verdict, message) = verdict(&spec(port)).await;
    assert_eq!(verdict, Verdict::Lost);
    assert!(message.starts_with("failed to connect to 127.0.0.1"), "{message}");
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_is_lost_after_the_time_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut spec = spec(listener.local_addr().unwrap().port());
    spec.timeout = Duration::from_millis(50).into();
    let (verdict, message) = verdict(&spec).await;
    assert_eq!(verdict, Verdict::Lost);
    assert_eq!(message, "127.0.0.1 did not answer within 50ms");
}

/// A TLS server for `name`; answers its port and the PEM of its certificate.
async fn tls_server(name: &str) -> (u16, String) {
    let signed = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signed.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let configuration = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![signed.cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        if let Ok(stream) = TlsAcceptor::from(Arc::new(configuration)).accept(stream).await {
            serve(stream, b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        }
    });
    (port, signed.cert.pem())
}

#[tokio::test]
async fn tls_is_verified_against_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    for (name, expected) in [("localhost", Verdict::Held), ("elsewhere.example", Verdict::Lost)] {
        let (port, pem) = tls_server(name).await;
        fs::write(&file, pem).unwrap();
        let spec = HttpArbitration {
            host: "localhost".into(),
            tls: TlsMode::Verify,
            ca_file: Some(file.to_string_lossy().into_owned()),
            ..spec(port)
        };
        let (verdict, message) = verdict(&spec).await;
        assert_eq!(verdict, expected, "{message}");
    }
}

#[tokio::test]
async fn authorities_that_can_not_be_read_are_unknown_never_lost() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.pem");
    fs::write(&empty, "no certificate").unwrap();
    for file in [folder.path().join("absent.pem"), empty] {
        let spec = HttpArbitration {
            tls: TlsMode::Verify,
            ca_file: Some(file.to_string_lossy().into_owned()),
            ..spec(1)
        };
        let (verdict, message) = verdict(&spec).await;
        assert_eq!(verdict, Verdict::Unknown, "{message}");
        assert!(message.starts_with("failed to read the authorities in"), "{message}");
    }
}

#[tokio::test]
async fn without_tls_a_proxy_is_told_the_whole_address() {
    let (port, served) = server(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let spec = HttpArbitration {
        host: "target.example".into(),
        proxy: Some(format!("127.0.0.1:{port}")),
        ..spec(80)
    };
    let (verdict, message) = verdict(&spec).await;
    assert_eq!(verdict, Verdict::Held, "{message}");
    let request = served.await.unwrap();
    assert!(request.starts_with("HEAD http://target.example/alive HTTP/1.1\r\n"), "{request}");
}

/// A proxy that opens one tunnel to `port` of this machine.
async fn tunnel_to(port: u16) -> (u16, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap().port();
    let served = tokio::spawn(async move {
        let (mut near, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(near.read_u8().await.unwrap());
        }
        near.write_all(b"HTTP/1.1 200 Connection established\r\nvia: us\r\n\r\n").await.unwrap();
        let mut far = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
        String::from_utf8(request).unwrap()
    });
    (own, served)
}

#[tokio::test]
async fn with_tls_a_proxy_opens_a_tunnel_and_the_target_is_still_verified() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    for (name, expected) in [("target.example", Verdict::Held), ("else.example", Verdict::Lost)] {
        let (port, pem) = tls_server(name).await;
        fs::write(&file, pem).unwrap();
        let (proxy, tunnel) = tunnel_to(port).await;
        let spec = HttpArbitration {
            host: "target.example".into(),
            tls: TlsMode::Verify,
            ca_file: Some(file.to_string_lossy().into_owned()),
            proxy: Some(format!("127.0.0.1:{proxy}")),
            ..spec(443)
        };
        let (verdict, message) = verdict(&spec).await;
        assert_eq!(verdict, expected, "{message}");
        let request = tunnel.await.unwrap();
        assert!(request.starts_with("CONNECT target.example:443 HTTP/1.1\r\n"), "{request}");
    }
}

#[tokio::test]
async fn a_proxy_that_refuses_or_lies_is_lost() {
    for answer in [b"HTTP/1.1 407 Who are you\r\n\r\n".as_slice(), b"", b"220 ftp\r\n\r\n"] {
        let (port, _served) = server(answer).await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        fs::write(&file, tls_server("x.example").await.1).unwrap();
        let spec = HttpArbitration {
            host: "x.example".into(),
            tls: TlsMode::Verify,
            ca_file: Some(file.to_string_lossy().into_owned()),
            proxy: Some(format!("127.0.0.1:{port}")),
            ..spec(443)
        };
        let (verdict, message) = verdict(&spec).await;
        assert_eq!(verdict, Verdict::Lost, "{message}");
        assert!(message.contains("opened no way"), "{message}");
    }
}

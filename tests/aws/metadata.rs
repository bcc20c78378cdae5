//! The instance's metadata at its own address, in the network of the test.

use std::process::Command;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

const ADDRESS: &str = "169.254.169.254";
const TOKEN: &str = "the-token";
const ROLES: &str = "/latest/meta-data/iam/security-credentials/";

/// How the service behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Metadata {
    /// The instance has a role.
    Role,
    /// It has none.
    NoRole,
    /// It has none, and AWS has scheduled these events for it.
    Announces(&'static str),
    /// It takes connections and never answers.
    Silent,
}

/// Serves from now on; it can be made to behave otherwise.
pub async fn serve(metadata: Metadata) -> watch::Sender<Metadata> {
    let address = format!("{ADDRESS}/32");
    let added = Command::new("ip").args(["address", "add", &address, "dev", "lo"]).status();
    assert!(added.unwrap().success());
    let listener = TcpListener::bind((ADDRESS, 80)).await.unwrap();
    let (sender, behaviour) = watch::channel(metadata);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let metadata = *behaviour.borrow();
            tokio::spawn(async move {
                // A client that gives up breaks the connection: nothing to report.
                let _ = answer(client, metadata).await;
            });
        }
    });
    sender
}

async fn answer(mut client: TcpStream, metadata: Metadata) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    while !bytes.windows(4).any(|end| end == b"\r\n\r\n") {
        let read = client.read(&mut chunk).await?;
        if read == 0 {
            return Ok(());
        }
        bytes.extend_from_slice(&chunk[..read]);
    }
    if metadata == Metadata::Silent {
        return std::future::pending().await;
    }
    let text = String::from_utf8_lossy(&bytes).to_string();
    let path = text.split(' ').nth(1).unwrap_or_default();
    // Version 2 of the service: without a token nothing is said.
    let has_token = text.to_ascii_lowercase().contains(&format!("token: {TOKEN}"));
    let (status, body) = match path {
        "/latest/api/token" => ("200 OK", TOKEN.to_owned()),
        _ if !has_token => ("401 Unauthorized", String::new()),
        ROLES if metadata == Metadata::Role => ("200 OK", "cluster".to_owned()),
        "/latest/meta-data/placement/region" => ("200 OK", "us-east-1".to_owned()),
        "/latest/meta-data/placement/availability-zone" => ("200 OK", "us-east-1a".to_owned()),
        _ if path == format!("{ROLES}cluster") && metadata == Metadata::Role => {
            ("200 OK", KEYS.to_owned())
        }
        "/latest/meta-data/events/maintenance/scheduled" => match metadata {
            Metadata::Announces(events) => ("200 OK", events.to_owned()),
            Metadata::Role | Metadata::NoRole | Metadata::Silent => ("200 OK", "[]".to_owned()),
        },
        _ => ("404 Not Found", String::new()),
    };
    let answer = format!(
        "HTTP/1.1 {status}\r\nx-aws-ec2-metadata-token-ttl-seconds: 21600\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    client.write_all(answer.as_bytes()).await?;
    client.shutdown().await
}

const KEYS: &str = r#"{"Code": "Success", "LastUpdated": "2026-01-01T00:00:00Z",
    "Type": "AWS-HMAC", "AccessKeyId": "role", "SecretAccessKey": "hunter2", "Token": "t",
    "Expiration": "2100-01-01T00:00:00Z"}"#;

//! Real stores on free ports of the loopback; each ends with its `Backend`.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use stead::api::kinds::{
    AzureBlobLease, EtcdLease, LeaseArbitration, LeaseStore, S3Lease, StoreCredentials,
};
use stead::drivers::arbiters::lease::web::{Trust, Web};

use crate::proxy::{self, Faults};
use crate::scenarios::Backend;

/// The key that every Azurite has; it is in its documentation and guards nothing.
pub const AZURE_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const AZURE_ACCOUNT: &str = "devstoreaccount1";
/// Looks before a server counts as not coming up.
const LOOKS_MAX: u32 = 600;

/// A process that ends with its handle.
pub struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where scripts/setup-stores.sh puts the stores.
pub fn folder() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target"), PathBuf::from);
    let folder = target.join("stores");
    assert!(folder.exists(), "run scripts/setup-stores.sh first: {folder:?} is missing");
    folder
}

/// Free now; the server that takes it does so at once.
fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// Starts a program and waits until its port answers. Where somebody else took the port in between,
/// the program ends, and another port is tried.
async fn start(command: impl Fn(u16) -> Command) -> (Server, SocketAddr) {
    for _ in 0..5 {
        let port = free_port();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut command = command(port);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut server = Server(command.spawn().unwrap());
        for _ in 0..LOOKS_MAX {
            if tokio::net::TcpStream::connect(address).await.is_ok() {
                return (server, address);
            }
            if server.0.try_wait().unwrap().is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    panic!("{:?} does not come up", command(0));
}

/// Writes a file that only its owner reads.
pub fn secret(file: &std::path::Path, text: &str) {
    fs::write(file, text).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
}

fn credentials(folder: &tempfile::TempDir, text: &str) -> Option<StoreCredentials> {
    let file = folder.path().join("credentials");
    secret(&file, text);
    Some(StoreCredentials { file: file.to_str().unwrap().to_owned() })
}

/// A lease with no store yet, and times for tests on a busy machine.
pub fn lease(type_: LeaseStore) -> LeaseArbitration {
    LeaseArbitration {
        type_,
        s3: None,
        azure_blob: None,
        gcs: None,
        etcd: None,
        kubernetes: None,
        ttl: Duration::from_secs(1).into(),
        timeout: Duration::from_secs(2).into(),
    }
}

async fn behind_proxy(server: Option<Server>, store: SocketAddr) -> (Backend, SocketAddr) {
    let faults = Faults::default();
    let address = proxy::start(store, faults.clone()).await;
    let spec = Box::new(|_: &str| lease(LeaseStore::S3));
    let files = tempfile::tempdir().unwrap();
    (Backend { faults, spec, files, _server: server }, address)
}

/// The API of S3.
pub async fn moto() -> Backend {
    let program = folder().join("moto/bin/moto_server");
    let (server, store) = start(|port| {
        let mut command = Command::new(&program);
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        command
    })
    .await;
    let request = Request::put(format!("http://{store}/leases"))
        // Not a signature, but says the region.
        .header("authorization", "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request")
        .body(Full::<Bytes>::default())
        .unwrap();
    let web = Web::new(&Trust::default(), Duration::from_secs(30)).unwrap();
    let answer = web.send(request).await.unwrap();
    assert!(answer.status().is_success(), "{answer:?}");
    let (mut backend, proxy) = behind_proxy(Some(server), store).await;
    let credentials = credentials(
        &backend.files,
        "AWS_ACCESS_KEY_ID=test\nAWS_SECRET_ACCESS_KEY=hunter2-secret\n",
    );
    backend.spec = Box::new(move |key| LeaseArbitration {
        s3: Some(S3Lease {
            bucket: "leases".into(),
            key: Some(key.into()),
            region: Some("us-east-1".into()),
            endpoint: Some(format!("http://{proxy}")),
            ca_file: None,
            credentials: credentials.clone(),
        }),
        ..lease(LeaseStore::S3)
    });
    backend
}

/// Azure Blob Storage.
pub async fn azurite() -> Backend {
    let program = folder().join("azurite/node_modules/.bin/azurite-blob");
    let (server, store) = start(|port| {
        let mut command = Command::new(&program);
        command
            .args(["--inMemoryPersistence", "--disableTelemetry", "--skipApiVersionCheck"])
            .args(["--silent", "--blobHost", "127.0.0.1", "--blobPort", &port.to_string()]);
        command
    })
    .await;
    create_container(store).await;
    let (mut backend, proxy) = behind_proxy(Some(server), store).await;
    let credentials =
        credentials(&backend.files, &format!("AZURE_STORAGE_ACCOUNT_KEY={AZURE_KEY}\n"));
    backend.spec = Box::new(move |key| LeaseArbitration {
        azure_blob: Some(AzureBlobLease {
            account: AZURE_ACCOUNT.into(),
            container: "leases".into(),
            blob: Some(key.into()),
            endpoint: Some(format!("http://{proxy}/{AZURE_ACCOUNT}")),
            ca_file: None,
            credentials: credentials.clone(),
        }),
        ..lease(LeaseStore::AzureBlob)
    });
    backend
}

/// The one request that the product never makes, signed by hand.
async fn create_container(store: SocketAddr) {
    const DATE: &str = "%a, %d %b %Y %H:%M:%S GMT";
    let date = jiff::Timestamp::now().strftime(DATE).to_string();
    let version = "2021-12-02";
    let resource = format!("/{AZURE_ACCOUNT}/{AZURE_ACCOUNT}/leases\nrestype:container");
    let headers = format!("x-ms-date:{date}\nx-ms-version:{version}\n");
    let text = format!("PUT\n\n\n\n\n\n\n\n\n\n\n\n{headers}{resource}");
    let standard = base64::engine::general_purpose::STANDARD;
    let key = standard.decode(AZURE_KEY).unwrap();
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &key);
    let signature = standard.encode(ring::hmac::sign(&key, text.as_bytes()));
    let request = Request::put(format!("http://{store}/{AZURE_ACCOUNT}/leases?restype=container"))
        .header("x-ms-date", date)
        .header("x-ms-version", version)
        .header("authorization", format!("SharedKey {AZURE_ACCOUNT}:{signature}"))
        .body(Full::<Bytes>::default())
        .unwrap();
    let web = Web::new(&Trust::default(), Duration::from_secs(30)).unwrap();
    let answer = web.send(request).await.unwrap();
    assert!(answer.status().is_success(), "{answer:?}");
}

/// etcd.
pub async fn etcd() -> Backend {
    let program = folder().join("etcd/usr/bin/etcd");
    let files = tempfile::tempdir().unwrap();
    let (server, store) = start(|port| {
        let client = format!("http://127.0.0.1:{port}");
        let peer = format!("http://127.0.0.1:{}", free_port());
        let mut command = Command::new(&program);
        command
            .arg("--data-dir")
            .arg(files.path().join(port.to_string()))
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("default={peer}"), "--log-level", "error"]);
        command
    })
    .await;
    let (mut backend, proxy) = behind_proxy(Some(server), store).await;
    backend.files = files;
    backend.spec = Box::new(move |key| LeaseArbitration {
        etcd: Some(EtcdLease {
            endpoints: vec![format!("http://{proxy}")],
            key: Some(key.into()),
            cert_file: None,
            key_file: None,
            ca_file: None,
            credentials: None,
        }),
        ..lease(LeaseStore::Etcd)
    });
    backend
}

/// A store that runs inside this process.
pub async fn inside(store: SocketAddr) -> (Backend, SocketAddr) {
    behind_proxy(None, store).await
}

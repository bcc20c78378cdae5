use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::agent::pki::{ADMINS, Authority, Certificate};
use crate::engine::ids::BootId;
use crate::engine::message::{Envelope, Message, StoreSnapshot};
use crate::engine::model::{ObjectKey, Objects, StoredObject};
use crate::engine::time::WallTime;

const NOW: WallTime = WallTime(1_790_000_000_000);

struct Server {
    streams: Streams,
    received: mpsc::UnboundedReceiver<(ServerName, Frame)>,
    endpoint: Endpoint,
}

async fn server(tls: Tls) -> Server {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let endpoint = Endpoint {
        addresses: BTreeMap::from([("lan".to_owned(), IpAddr::from(Ipv4Addr::LOCALHOST))]),
        heartbeat_port: listener.local_addr().unwrap().port(),
        api_port: 1,
    };
    let (sender, received) = mpsc::unbounded_channel();
    let deliver: Deliver = Arc::new(move |from, frame| drop(sender.send((from, frame))));
    let streams = Streams::start(Handle::current(), tls, vec![listener], &deliver);
    Server { streams, received, endpoint }
}

fn certificate(authority: &Authority, name: &str, now: WallTime) -> Certificate {
    authority.server(name, &[IpAddr::from(Ipv4Addr::LOCALHOST)], now).unwrap()
}

fn tls(authority: &Authority, name: &str, now: WallTime) -> Tls {
    Tls::new(&authority.certificate(), &certificate(authority, name, now)).unwrap()
}

fn large_frame() -> Frame {
    let mut objects = Objects::new();
    for number in 0..500 {
        let json = "x".repeat(1000).into();
        let object = StoredObject { revision: crate::engine::ids::Revision(number), json };
        objects.insert(ObjectKey::new("Resource", format!("r{number}")), object);
    }
    let revision = crate::engine::ids::Revision(7);
    let term = crate::engine::ids::Term { number: 1, proposer: "a".into() };
    Frame::Engine(Box::new(Envelope {
        from: "a".into(),
        boot: BootId(1),
        to: "b".into(),
        to_boot: None,
        number: 0,
        message: Message::StoreSnapshot(StoreSnapshot { term, revision, objects }),
    }))
}

fn bytes(frame: &Frame) -> Bytes {
    frame::encode(frame).unwrap().into()
}

fn peer(name: &str, server: &Server) -> BTreeMap<ServerName, Endpoint> {
    BTreeMap::from([(name.into(), server.endpoint.clone())])
}

#[tokio::test]
async fn a_large_frame_arrives_with_its_senders_name() {
    let authority = Authority::new("web", NOW).unwrap();
    let a = server(tls(&authority, "a", NOW)).await;
    let mut b = server(tls(&authority, "b", NOW)).await;
    a.streams.set_peers(&peer("b", &b));
    for _ in 0..3 {
        assert!(a.streams.send(&"b".into(), bytes(&large_frame())));
        assert_eq!(b.received.recv().await.unwrap(), ("a".into(), large_frame()));
    }
    assert!(!a.streams.send(&"c".into(), bytes(&large_frame())));
}

#[tokio::test]
async fn expired_certificates_and_a_clock_that_is_off_do_not_part_servers() {
    let authority = Authority::new("web", WallTime(1_600_000_000_000)).unwrap();
    let long_ago = WallTime(1_600_000_000_000);
    let far_ahead = WallTime(2_400_000_000_000);
    let a = server(tls(&authority, "a", long_ago)).await;
    let mut b = server(tls(&authority, "b", far_ahead)).await;
    a.streams.set_peers(&peer("b", &b));
    assert!(a.streams.send(&"b".into(), bytes(&large_frame())));
    assert_eq!(b.received.recv().await.unwrap(), ("a".into(), large_frame()));
}

/// Whether `client` can send to `b`; decided by the frame that a proper server sends after it.
async fn is_heard(client: Tls, own: &Authority) -> bool {
    let mut b = server(tls(own, "b", NOW)).await;
    let stranger = server(client).await;
    let connector = TlsConnector::from(stranger.streams.tls.client.clone());
    let (name, addresses) = ("b".into(), b.endpoint.streams());
    let outgoing = Outgoing { peer: name, addresses, connector, stream: None, told: None };
    if let Ok(mut stream) = outgoing.connect().await {
        let _ = write_frame(&mut stream, &bytes(&large_frame())).await;
        // The end of the connection: it was read, or refused.
        let _ = stream.shutdown().await;
        let _ = stream.read_u8().await;
    }
    let proper = server(tls(own, "a", NOW)).await;
    proper.streams.set_peers(&peer("b", &b));
    assert!(proper.streams.send(&"b".into(), bytes(&Frame::KeepAlive)));
    assert!(proper.streams.send(&"b".into(), bytes(&large_frame())));
    let first = b.received.recv().await.unwrap();
    assert_eq!(first.0, "a".into());
    b.received.try_recv().is_ok()
}

#[tokio::test]
async fn another_clusters_server_and_a_person_are_refused() {
    let own = Authority::new("web", NOW).unwrap();
    let foreign = Authority::new("web", NOW).unwrap();
    assert!(!is_heard(tls(&foreign, "a", NOW), &own).await);
    let admin = own.client("a", ADMINS, NOW).unwrap();
    assert!(!is_heard(Tls::new(&own.certificate(), &admin).unwrap(), &own).await);
}

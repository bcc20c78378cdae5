use super::*;
use crate::agent::transport::datagram::{DATAGRAM_MAX, HEADER_LENGTH};
use crate::agent::transport::frame::KeptEvent;
use crate::engine::effect::Event;
use crate::engine::ids::BootId;
use crate::engine::message::{Ended, Envelope, Message};
use crate::engine::model::ObjectKey;
use crate::engine::time::WallTime;

const CLUSTER: &str = "6e5a7d7c-test";

fn name(name: &str) -> ServerName {
    name.into()
}

fn key(cluster: &str, id: u8, byte: u8) -> ClusterKey {
    ClusterKey::new(cluster, id, &[byte; 32]).unwrap()
}

fn agent(me: &str) -> Sessions {
    agent_with(me, key(CLUSTER, 1, 7))
}

fn agent_with(me: &str, key: ClusterKey) -> Sessions {
    Sessions::new(name(me), key, ["a", "b", "c"].map(name)).unwrap()
}

fn now(milliseconds: u64) -> Instant {
    Instant(milliseconds * 1_000_000)
}

fn keep_alive() -> Vec<u8> {
    frame::encode(&Frame::KeepAlive).unwrap()
}

/// Lets two agents prove themselves to each other.
fn introduce(a: &mut Sessions, b: &mut Sessions, at: u64) {
    let (a_name, b_name) = (a.me.clone(), b.me.clone());
    let mut to_b = a.seal(&b_name, &keep_alive());
    for _ in 0..4 {
        let Some(mut packet) = to_b.take() else { break };
        let mut to_a = reply(b.open(now(at), &mut packet).unwrap());
        let Some(mut packet) = to_a.take() else { break };
        to_b = reply(a.open(now(at), &mut packet).unwrap());
    }
    assert!(is_frame(b, &mut a.seal(&b_name, &keep_alive()).unwrap(), at));
    assert!(is_frame(a, &mut b.seal(&a_name, &keep_alive()).unwrap(), at));
}

fn reply(opened: Opened) -> Option<Vec<u8>> {
    match opened {
        Opened::Frames { .. } => None,
        Opened::Hello { reply, .. } | Opened::Unproved { reply, .. } => reply,
    }
}

fn is_frame(sessions: &mut Sessions, packet: &mut [u8], at: u64) -> bool {
    matches!(sessions.open(now(at), packet), Ok(Opened::Frames { .. }))
}

fn pair() -> (Sessions, Sessions) {
    let (mut a, mut b) = (agent("a"), agent("b"));
    introduce(&mut a, &mut b, 0);
    (a, b)
}

#[test]
fn a_frame_arrives_as_it_was_sent() {
    let (mut a, mut b) = pair();
    let event = Event {
        number: 3,
        server: name("a"),
        instant: now(5),
        wall: WallTime(9),
        object: ObjectKey::new("Server", "a"),
        reason: "ServerLost".into(),
        parameters: vec![("server".into(), "c".into())],
        causes: vec![1, 2],
    };
    let event = Frame::Event(Box::new(KeptEvent { boot: BootId(1), event }));
    let mut packet = a.seal(&name("b"), &frame::encode(&event).unwrap()).unwrap();
    let opened = b.open(now(1), &mut packet).unwrap();
    let expected = Opened::Frames { from: name("a"), stream: Stream::Agent, frames: vec![event] };
    assert_eq!(opened, expected);
}

#[test]
fn garbage_is_dropped() {
    let (_, mut b) = pair();
    assert_eq!(b.open(now(1), &mut [0x55; 300]), Err(Refusal::Garbage));
    assert_eq!(b.open(now(1), &mut []), Err(Refusal::Truncated));
    let mut random = 1u32;
    for length in 0..DATAGRAM_MAX {
        let mut packet: Vec<u8> = (0..length)
            .map(|_| {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (random >> 24) as u8
            })
            .collect();
        assert!(b.open(now(1), &mut packet).is_err());
    }
}

#[test]
fn a_truncated_packet_is_dropped_at_every_length() {
    let (mut a, mut b) = pair();
    let packet = a.seal(&name("b"), &keep_alive()).unwrap();
    for length in 0..packet.len() {
        let refusal = b.open(now(1), &mut packet[..length].to_vec()).unwrap_err();
        assert!(matches!(refusal, Refusal::Truncated | Refusal::Forged), "{length}: {refusal}");
    }
    assert!(is_frame(&mut b, &mut packet.clone(), 1));
}

#[test]
fn an_oversized_packet_is_neither_made_nor_read() {
    let (mut a, mut b) = pair();
    assert!(a.seal(&name("b"), &[1; DATAGRAM_MAX - HEADER_LENGTH - 16]).is_some());
    assert!(a.seal(&name("b"), &[1; DATAGRAM_MAX - HEADER_LENGTH - 15]).is_none());
    assert_eq!(b.open(now(1), &mut [0; DATAGRAM_MAX + 1]), Err(Refusal::Oversized));
}

#[test]
fn a_packet_altered_in_any_byte_is_dropped() {
    let (mut a, mut b) = pair();
    let packet = a.seal(&name("b"), &keep_alive()).unwrap();
    for position in 0..packet.len() {
        let mut altered = packet.clone();
        altered[position] ^= 0x40;
        let opened = b.open(now(1), &mut altered);
        assert!(opened.is_err(), "byte {position} gave {opened:?}");
    }
    assert!(is_frame(&mut b, &mut packet.clone(), 1));
}

#[test]
fn a_replayed_packet_is_dropped() {
    let (mut a, mut b) = pair();
    let packet = a.seal(&name("b"), &keep_alive()).unwrap();
    assert!(is_frame(&mut b, &mut packet.clone(), 1));
    assert_eq!(b.open(now(1), &mut packet.clone()), Err(Refusal::Replayed));
}

#[test]
fn another_clusters_packet_is_dropped_even_with_the_same_secret() {
    let (_, mut b) = pair();
    let mut foreigner = agent_with("a", key("other", 1, 7));
    let mut packet = foreigner.seal(&name("b"), &keep_alive()).unwrap();
    assert_eq!(b.open(now(1), &mut packet), Err(Refusal::Foreign));
}

#[test]
fn a_wrong_key_is_refused() {
    let (_, mut b) = pair();
    let mut forger = agent_with("a", key(CLUSTER, 1, 8));
    let mut packet = forger.seal(&name("b"), &keep_alive()).unwrap();
    assert_eq!(b.open(now(1), &mut packet), Err(Refusal::Forged));
    let mut rotated = agent_with("a", key(CLUSTER, 2, 7));
    let mut packet = rotated.seal(&name("b"), &keep_alive()).unwrap();
    assert_eq!(b.open(now(1), &mut packet), Err(Refusal::UnknownKey));
    assert!(matches!(ClusterKey::new(CLUSTER, 1, b"short"), Err(KeyError::Length { found: 5 })));
}

#[test]
fn an_unknown_server_is_refused_and_a_packet_for_another_can_not_be_opened() {
    let (mut a, mut b) = pair();
    let mut stranger = Sessions::new(name("z"), key(CLUSTER, 1, 7), [name("b")]).unwrap();
    let mut packet = stranger.seal(&name("b"), &keep_alive()).unwrap();
    assert_eq!(b.open(now(1), &mut packet), Err(Refusal::UnknownSender));
    let mut packet = a.seal(&name("c"), &keep_alive()).unwrap();
    assert_eq!(b.open(now(1), &mut packet), Err(Refusal::Forged));
    let mut own = b.seal(&name("a"), &keep_alive()).unwrap();
    assert_eq!(b.open(now(1), &mut own), Err(Refusal::UnknownSender));
}

#[test]
fn packets_of_an_earlier_run_are_refused_after_the_sender_restarts() {
    let (mut old, mut b) = pair();
    let late = old.seal(&name("b"), &keep_alive()).unwrap();
    let mut new = agent("a");
    introduce(&mut new, &mut b, 100);
    let opened = b.open(now(200), &mut late.clone()).unwrap();
    assert!(matches!(opened, Opened::Unproved { .. }));
    assert!(is_frame(&mut b, &mut new.seal(&name("b"), &keep_alive()).unwrap(), 300));
}

#[test]
fn packets_kept_from_before_are_refused_after_the_receiver_restarts() {
    let (mut a, mut b) = (agent("a"), agent("b"));
    // Everything that A ever sent to B's first run, the proof included.
    let mut kept = vec![a.seal(&name("b"), &keep_alive()).unwrap()];
    let question = reply(b.open(now(0), &mut kept[0].clone()).unwrap()).unwrap();
    kept.push(reply(a.open(now(0), &mut question.clone()).unwrap()).unwrap());
    let proved = b.open(now(0), &mut kept[1].clone()).unwrap();
    assert!(matches!(proved, Opened::Hello { proved: true, .. }));
    kept.push(a.seal(&name("b"), &keep_alive()).unwrap());
    assert!(is_frame(&mut b, &mut kept[2].clone(), 0));

    let mut restarted = agent("b");
    for packet in kept.iter().chain(&kept) {
        let opened = restarted.open(now(1), &mut packet.clone()).unwrap();
        assert!(!matches!(opened, Opened::Frames { .. } | Opened::Hello { proved: true, .. }));
    }
    introduce(&mut a, &mut restarted, 100);
}

#[test]
fn old_packets_do_not_make_an_agent_talk_without_end() {
    let (mut old, mut b) = pair();
    let late: Vec<_> = (0..100).map(|_| old.seal(&name("b"), &keep_alive()).unwrap()).collect();
    introduce(&mut agent("a"), &mut b, 100);
    let answers = late
        .into_iter()
        .filter(|packet| reply(b.open(now(200), &mut packet.clone()).unwrap()).is_some())
        .count();
    assert_eq!(answers, 1);
}

#[test]
fn a_farewell_is_heard_once_and_only_from_the_present_run() {
    let (a, mut b) = pair();
    let farewell = |to: &ServerName| {
        frame::encode(&Frame::Engine(Box::new(Envelope {
            from: name("a"),
            boot: BootId(5),
            to: to.clone(),
            to_boot: None,
            number: 0,
            message: Message::Ended(Ended { boot: BootId(5) }),
        })))
        .unwrap()
    };
    let packets = a.seal_farewell(2, farewell).unwrap();
    assert_eq!(packets.keys().map(ServerName::as_str).collect::<Vec<_>>(), ["b", "c"]);
    let packet = &packets[&name("b")][0];
    let opened = b.open(now(1), &mut packet.clone()).unwrap();
    assert!(matches!(opened, Opened::Frames { stream: Stream::Farewell, .. }), "{opened:?}");
    assert!(is_frame(&mut b, &mut packets[&name("b")][1].clone(), 1));
    assert_eq!(b.open(now(1), &mut packet.clone()), Err(Refusal::Replayed));
    let mut restarted = agent("b");
    assert_eq!(restarted.open(now(1), &mut packet.clone()), Err(Refusal::Unproved));
}

#[test]
fn no_two_packets_share_key_and_nonce() {
    let (mut a, _) = pair();
    let mut restarted = agent("a");
    let mut seen = std::collections::BTreeSet::new();
    for sessions in [&mut a, &mut restarted] {
        for to in ["b", "c"] {
            for _ in 0..10 {
                let packet = sessions.seal(&name(to), &keep_alive()).unwrap();
                let header = Header::parse(&packet).unwrap();
                assert!(seen.insert((header.session, to, header.counter)));
            }
        }
    }
}

#[test]
fn secrets_are_not_printed() {
    let text = format!("{:?}", key(CLUSTER, 1, 0xab));
    assert_eq!(text, "ClusterKey(id 1, secret not shown)");
}

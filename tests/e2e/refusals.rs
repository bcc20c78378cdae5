//! What an agent refuses, and how it says so.

use std::fs;
use std::io::Read;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};

use nix::sys::signal::Signal;
use redb::{Database, TableDefinition};
use socket2::{Domain, Protocol, Socket, Type};

use crate::harness::{Cluster, Server, until};

/// The first address in a server's configuration.
fn address(server: &Server) -> String {
    let config = fs::read_to_string(server.root.join("etc/stead/agent.yaml")).unwrap();
    let line = config.lines().find(|line| line.trim().starts_with("lan:")).unwrap();
    line.trim().trim_start_matches("lan:").trim().trim_matches('"').to_owned()
}

#[test]
fn a_second_agent_is_refused_and_names_the_first() {
    let cluster = Cluster::start("");
    cluster.until("cluster", "test", |cluster| cluster["status"]["leader"].is_string());
    let server = &cluster.servers[0];
    let output = server.second_agent();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    let first = server.agent.as_ref().unwrap().id();
    assert!(text.contains(&format!("process {first}")), "{text}");
    // The first one is not disturbed.
    cluster.until("cluster", "test", |cluster| cluster["status"]["servers"] == "3/3");
}

#[test]
fn a_damaged_state_file_is_refused_and_kept() {
    let cluster = Cluster::new("");
    let server = &cluster.servers[0];
    let state = server.root.join("var/lib/stead/state.redb");
    fs::create_dir_all(state.parent().unwrap()).unwrap();
    fs::write(&state, b"not a state file").unwrap();
    let output = server.second_agent();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(text.contains("state.redb") && text.contains("damaged"), "{text}");
    assert_eq!(fs::read(&state).unwrap(), b"not a state file");
}

#[test]
fn a_state_file_of_a_newer_release_is_refused_with_the_way_out_and_kept() {
    let mut cluster = Cluster::start("");
    cluster.until("cluster", "test", |cluster| cluster["status"]["servers"] == "3/3");
    cluster.servers[2].stop();
    let server = &cluster.servers[2];
    let state = server.root.join("var/lib/stead/state.redb");
    let numbers: TableDefinition<&str, u64> = TableDefinition::new("numbers");
    let file = Database::open(&state).unwrap();
    let change = file.begin_write().unwrap();
    change.open_table(numbers).unwrap().insert("format", 99).unwrap();
    change.commit().unwrap();
    drop(file);
    let before = fs::read(&state).unwrap();
    let output = server.second_agent();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    for words in ["state.redb", "format 99", "left as it is", "Install the release"] {
        assert!(text.contains(words), "no `{words}` in {text}");
    }
    assert_eq!(fs::read(&state).unwrap(), before);
    cluster.until("cluster", "test", |cluster| cluster["status"]["servers"] == "2/3");
}

#[test]
fn without_its_folder_an_agent_says_what_to_do() {
    let cluster = Cluster::new("");
    let server = &cluster.servers[0];
    fs::remove_file(server.root.join("etc/stead/agent.yaml")).unwrap();
    let output = server.second_agent();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(text.contains("agent.yaml") && text.contains("stead init"), "{text}");
}

#[test]
fn no_secret_is_in_any_log_and_garbage_disturbs_nobody() {
    let cluster = Cluster::start("");
    let object = cluster.until("cluster", "test", |cluster| cluster["status"]["servers"] == "3/3");
    let address = object["spec"]["servers"][0]["addresses"]["lan"].as_str().unwrap().to_owned();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for length in 0..1400usize {
        let packet: Vec<u8> = (0..length).map(|place| (place * 31 + length) as u8).collect();
        socket.send_to(&packet, (address.as_str(), 7380)).unwrap();
    }
    let term = object["status"]["term"].clone();
    let after = cluster.until("cluster", "test", |cluster| cluster["status"]["servers"] == "3/3");
    assert_eq!(after["status"]["term"], term);
    for server in &cluster.servers {
        let etc = server.root.join("etc/stead/pki");
        let key = fs::read_to_string(etc.join("cluster.key")).unwrap();
        let private = fs::read_to_string(etc.join("server.key")).unwrap();
        for name in ["agent.log", "keeper.log"] {
            let log = fs::read_to_string(server.root.join(name)).unwrap();
            assert!(!log.contains(key.trim()));
            assert!(!private.lines().filter(|line| line.len() > 20).any(|line| log.contains(line)));
        }
    }
}

/// What agents really send to this address, as anybody on the network may see it.
fn overheard(address: Ipv4Addr, count: usize) -> Vec<Vec<u8>> {
    let internet = Protocol::from(i32::from(0x0800_u16.to_be()));
    let socket = Socket::new(Domain::from(libc::AF_PACKET), Type::DGRAM, Some(internet)).unwrap();
    let mut packets = Vec::new();
    let mut buffer = [0; 2000];
    while packets.len() < count {
        let length = (&socket).read(&mut buffer).unwrap();
        let packet = &buffer[..length];
        // IPv4 without options, UDP, to the port of heartbeats.
        let is_one = length > 28 && packet[0] == 0x45 && packet[9] == 17;
        if is_one && packet[16..20] == address.octets() && packet[22..24] == 7380u16.to_be_bytes() {
            packets.push(packet[28..].to_vec());
        }
    }
    packets
}

#[test]
fn packets_that_are_replayed_cut_or_altered_disturb_nobody() {
    let cluster = Cluster::start("");
    let object = cluster.until("cluster", "test", |cluster| cluster["status"]["servers"] == "3/3");
    let address: Ipv4Addr = address(&cluster.servers[0]).parse().unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for packet in overheard(address, 100) {
        let mut altered = packet.clone();
        altered[packet.len() / 2] ^= 1;
        let (whole, cut) = (&packet[..], &packet[..packet.len() - 1]);
        for bad in [whole, cut, &altered, whole] {
            socket.send_to(bad, (address, 7380)).unwrap();
        }
    }
    let after = cluster.until("cluster", "test", |cluster| cluster["status"]["servers"] == "3/3");
    assert_eq!(after["status"]["term"], object["status"]["term"]);
}

#[test]
fn a_port_that_is_taken_is_told_with_who_has_it() {
    let cluster = Cluster::new("");
    let server = &cluster.servers[0];
    let _taken = TcpListener::bind((address(server).as_str(), 7380)).unwrap();
    let output = server.second_agent();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(text.contains("7380"), "{text}");
    assert!(text.contains(&format!("pid {}", std::process::id())), "{text}");
}

#[test]
fn a_mistake_in_a_configuration_that_is_read_anew_changes_nothing() {
    let cluster = Cluster::start("");
    cluster.until("cluster", "test", |cluster| cluster["status"]["servers"] == "3/3");
    let server = &cluster.servers[0];
    let path = server.root.join("etc/stead/agent.yaml");
    let good = fs::read_to_string(&path).unwrap();
    fs::write(&path, "server: [").unwrap();
    server.agent.as_ref().unwrap().signal(Signal::SIGHUP);
    until("the mistake is told", || server.log().contains("everything stays as it was"));
    fs::write(&path, good).unwrap();
    server.agent.as_ref().unwrap().signal(Signal::SIGHUP);
    until("it is read", || server.log().contains("were read anew"));
    cluster.until("cluster", "test", |cluster| cluster["status"]["servers"] == "3/3");
}

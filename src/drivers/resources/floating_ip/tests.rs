use serde_json::json;

use super::*;
use crate::drivers::fake_keeper::FakeHost;
use crate::drivers::netns;
use crate::drivers::resources;
use crate::engine::time::Instant;

fn context(settings: serde_json::Value) -> ResourceContext {
    FakeHost::context(json!({"group": "group", "type": "FloatingIP", "floatingIP": settings}))
}

fn active(message: &str) -> Outcome {
    Outcome::Active { message: message.into() }
}

#[test]
fn an_address_comes_and_goes_with_its_registration_in_both_families() {
    netns::isolated(&netns::PAIR, async |_| {
        let fake = FakeHost::new("10.77.0.1");
        for (address, shown) in
            [("10.77.0.100", "10.77.0.100/24 on lan1"), ("fd77::100", "fd77::100/64 on lan1")]
        {
            let context = context(json!({"address": address}));
            let run = async |action| resources::run(&fake.host, action, &context).await;
            assert_eq!(run(ResourceAction::Probe).await, Outcome::Absent);
            assert_eq!(run(ResourceAction::Start).await, active(shown));
            assert_eq!(run(ResourceAction::Probe).await, active(shown));
            assert_eq!(run(ResourceAction::Start).await, active(shown), "again");
            let registered = fake.addresses.lock().unwrap().clone();
            assert_eq!(registered.len(), 1);
            assert_eq!(registered.first().unwrap().address.to_string(), address);
            assert_eq!(run(ResourceAction::Stop).await, Outcome::Absent);
            assert_eq!(run(ResourceAction::Probe).await, Outcome::Absent);
            assert_eq!(run(ResourceAction::Stop).await, Outcome::Absent, "again");
            assert!(fake.addresses.lock().unwrap().is_empty());
        }
    });
}

#[test]
fn an_address_of_another_machine_is_refused_with_its_mac() {
    netns::isolated(&netns::PAIR, async |peer| {
        let fake = FakeHost::new("10.77.0.1");
        peer.run("PEER ip link set lan2 address 02:00:00:00:00:99");
        for address in ["10.77.0.100", "fd77::100"] {
            let prefix = if address.contains(':') { "64 nodad" } else { "24" };
            peer.run(&format!("PEER ip address add {address}/{prefix} dev lan2"));
            let context = context(json!({"address": address}));
            let outcome = resources::run(&fake.host, ResourceAction::Start, &context).await;
            let Outcome::Failed { reason, message } = outcome else { panic!("{outcome:?}") };
            assert_eq!(reason, "AddressInUse");
            let expected = format!(
                "{address} is in use by the machine with MAC address 02:00:00:00:00:99 (lan1)"
            );
            assert_eq!(message, expected);
            assert!(fake.addresses.lock().unwrap().is_empty());
            let probed = resources::run(&fake.host, ResourceAction::Probe, &context).await;
            assert_eq!(probed, Outcome::Absent);
        }
    });
}

#[test]
fn without_the_check_the_address_is_taken() {
    netns::isolated(&netns::PAIR, async |peer| {
        peer.run("PEER ip address add 10.77.0.100/24 dev lan2");
        let fake = FakeHost::new("10.77.0.1");
        let context = context(json!({"address": "10.77.0.100", "duplicateCheck": "Skip"}));
        let outcome = resources::run(&fake.host, ResourceAction::Start, &context).await;
        assert_eq!(outcome, active("10.77.0.100/24 on lan1"));
    });
}

#[test]
fn neighbours_that_remember_the_server_before_learn_of_the_move() {
    netns::isolated(&netns::PAIR, async |peer| {
        let own = peer.run("ip -o link show lan1");
        let own = own.split("link/ether ").nth(1).unwrap()[..17].to_owned();
        let fake = FakeHost::new("10.77.0.1");
        for address in ["10.77.0.100", "fd77::100"] {
            peer.run(&format!(
                "PEER ip neighbour replace {address} lladdr 02:00:00:00:00:77 dev lan2 nud stale"
            ));
            let context = context(json!({"address": address}));
            resources::run(&fake.host, ResourceAction::Start, &context).await;
            let entry = peer.run(&format!("PEER ip neighbour show {address} dev lan2"));
            assert!(entry.contains(&own), "{address}: {entry}");
        }
    });
}

#[test]
fn nothing_is_added_without_a_lease() {
    netns::isolated(&netns::PAIR, async |_| {
        let fake = FakeHost::new("10.77.0.1");
        let soon = (fake.host.clock)() + ADD_TIME / 2;
        for until in [None, Some(Instant(1)), Some(soon)] {
            fake.lease.send(until).unwrap();
            let context = context(json!({"address": "10.77.0.100"}));
            let outcome = resources::run(&fake.host, ResourceAction::Start, &context).await;
            assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
            let probed = resources::run(&fake.host, ResourceAction::Probe, &context).await;
            assert_eq!(probed, Outcome::Absent);
        }
    });
}

#[test]
fn each_server_has_its_own_interface() {
    netns::isolated(&netns::PAIR, async |_| {
        let fake = FakeHost::new("10.77.0.1");
        let per_server = json!([{"name": "node2", "interface": "eth7"},
            {"name": "node1", "interface": "lo"}]);
        let context = context(json!({"address": "10.5.0.200", "perServer": per_server}));
        let outcome = resources::run(&fake.host, ResourceAction::Start, &context).await;
        assert_eq!(outcome, active("10.5.0.200/32 on lo"));
    });
}

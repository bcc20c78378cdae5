use super::*;
use crate::api::kinds::{CombinedArbitration, PingArbitration};

const EVERY: [ArbiterType; 6] = [
    ArbiterType::Majority,
    ArbiterType::Lease,
    ArbiterType::Disk,
    ArbiterType::Serial,
    ArbiterType::Ping,
    ArbiterType::HTTP,
];

const RULES: [CombinationRule; 3] =
    [CombinationRule::All, CombinationRule::Any, CombinationRule::InOrder];

fn combined(rule: CombinationRule, types: &[ArbiterType]) -> Combination {
    let arbiters =
        types.iter().map(|type_| Arbiter { type_: *type_, ..Arbiter::default() }).collect();
    Combination { rule, arbiters }
}

/// What an arbiter may say: yes, no, nothing.
type Answers = [Option<bool>; 2];

/// What two parts of a cut may be told by one arbiter at the same time.
fn possible(type_: ArbiterType) -> Vec<Answers> {
    let said = [Some(true), Some(false), None];
    let pairs = said.iter().flat_map(|one| said.iter().map(move |two| [*one, *two]));
    // A majority is counted: it always answers. No exclusive one tells both to go on.
    let answers = |pair: &Answers| type_ != ArbiterType::Majority || !pair.contains(&None);
    let both = |pair: &Answers| *pair == [Some(true); 2];
    pairs.filter(|pair| answers(pair) && !(is_exclusive(type_) && both(pair))).collect()
}

/// Whether a part goes on that was told this, by the rule's own words.
fn goes_on(rule: CombinationRule, told: &[Option<bool>]) -> bool {
    match rule {
        CombinationRule::All => told.iter().all(|answer| *answer == Some(true)),
        CombinationRule::Any => told.contains(&Some(true)),
        CombinationRule::InOrder => told.iter().find_map(|answer| *answer) == Some(true),
    }
}

/// Every pair of arbiters, every rule, everything that the two parts may be told: `exclusive` says
/// yes exactly where no way leads to two parts that go on.
#[test]
fn exclusive_is_said_exactly_where_no_two_parts_can_go_on() {
    for rule in RULES {
        for one in EVERY {
            for two in EVERY {
                let both_go_on = possible(one).iter().any(|first| {
                    possible(two).iter().any(|second| {
                        (0..2).all(|part| goes_on(rule, &[first[part], second[part]]))
                    })
                });
                // Two of one kind may be two different ones, so they count as different.
                let said = combined(rule, &[one, two]).exclusive();
                let never_asked = rule == CombinationRule::InOrder && one == ArbiterType::Majority;
                if never_asked {
                    // Refused at apply: nothing after a majority is ever asked.
                    assert!(!said && !both_go_on);
                } else {
                    assert_eq!(said, !both_go_on, "{rule:?} of {one:?} and {two:?}");
                }
            }
        }
    }
}

#[test]
fn a_server_that_does_not_use_the_exclusive_arbiter_makes_it_unsafe() {
    let mut combination = combined(CombinationRule::All, &[ArbiterType::Lease, ArbiterType::Ping]);
    assert!(combination.exclusive());
    let unused = |name: &str| crate::api::kinds::ArbiterServer {
        name: name.into(),
        use_: ArbiterUse::NotUsed,
        device: None,
    };
    combination.arbiters[1].per_server.push(unused("node1"));
    assert!(combination.exclusive(), "ping may be left out anywhere");
    combination.arbiters[0].per_server.push(unused("node1"));
    assert!(!combination.exclusive());
    assert_eq!(weakness(&combination), "a server that does not use the arbiter goes on without it");
}

#[test]
fn budgets_add_up_where_one_arbiter_waits_for_another() {
    let ping = |seconds: u64| Arbiter {
        type_: ArbiterType::Ping,
        ping: Some(PingArbitration {
            targets: Vec::new(),
            timeout: Duration::from_secs(seconds).into(),
            interval: Duration::ZERO.into(),
        }),
        ..Arbiter::default()
    };
    let lease = Arbiter {
        type_: ArbiterType::Lease,
        lease: serde_json::from_str(r#"{"type":"S3","s3":{"bucket":"b"}}"#).unwrap(),
        ..Arbiter::default()
    };
    let disk = Arbiter {
        type_: ArbiterType::Disk,
        disk: serde_json::from_str(r#"{"device":"/dev/d","ioTimeout":"7s"}"#).unwrap(),
        ..Arbiter::default()
    };
    let timeout = Duration::from_secs(5);
    let budget = |rule, arbiters: &[&Arbiter]| {
        let arbiters = arbiters.iter().map(|arbiter| (*arbiter).clone()).collect();
        Combination { rule, arbiters }.budget(timeout).as_secs()
    };
    let all = CombinationRule::All;
    assert_eq!(budget(all, &[]), 0, "nobody is asked");
    assert_eq!(budget(all, &[&Arbiter::default()]), 0, "a majority is counted");
    assert_eq!(budget(all, &[&ping(1), &ping(3)]), 3, "both at once");
    assert_eq!(budget(all, &[&ping(3), &lease]), 3 + 15 + 2 * 2, "the lease when ping allows it");
    assert_eq!(budget(CombinationRule::Any, &[&ping(3), &lease]), 15 + 2 * 2);
    assert_eq!(budget(CombinationRule::InOrder, &[&ping(1), &ping(3)]), 4, "one after the other");
    // max(2 * 5 s, 2 * 7 s) from the last sign of life, of which 5 s have passed when the peer
    // counts as lost; and 7 s for our own reading and writing.
    assert_eq!(budget(all, &[&disk]), 2 * 7 - 5 + 7);
    let serial = Arbiter { type_: ArbiterType::Serial, ..Arbiter::default() };
    assert_eq!(budget(all, &[&serial]), 0, "the line tells all the time");
    assert_eq!(budget(all, &[&serial, &disk]), 7 - 5 + 7);
}

fn safety(servers: usize, arbitration: serde_json::Value) -> Safety {
    let servers: Vec<_> = (0..servers)
        .map(|number| serde_json::json!({"name": format!("n{number}"), "addresses": {}}))
        .collect();
    let spec = serde_json::json!({ "servers": servers, "arbitration": arbitration });
    Safety::of(&serde_json::from_value(spec).unwrap())
}

#[test]
fn the_condition_says_what_the_manifest_gives_and_why() {
    use serde_json::json;
    let said = |servers, arbitration| {
        let Safety { safe, message, .. } = safety(servers, arbitration);
        (safe, message)
    };
    assert!(said(1, json!({"type": "None"})).0);
    let (safe, why) = said(3, json!({"type": "Majority"}));
    assert!(safe && why == "only more than half of 3 servers can act as the cluster");
    let lease = json!({"type": "Lease", "lease": {"type": "Etcd", "etcd": {"endpoints": ["e"]}}});
    assert_eq!(said(2, lease), (true, "one part at a time holds the lease in etcd".into()));
    let serial = json!({"device": "/dev/ttyS0"});
    let both = json!({"serial": serial, "disk": {"device": "/dev/sdb"}});
    let (safe, why) = said(2, json!({"type": "SerialDisk", "serialDisk": both}));
    assert!(safe && why.ends_with("shared disk, and all arbiters must agree"), "{why}");
    for (type_, word) in [
        ("Monitors", "until its partition monitors end it"),
        ("Mirror", "both wrote"),
        ("None", "without an arbiter"),
        ("Ping", "both may reach the target"),
        ("HTTP", "both may reach the target"),
        ("Serial", "may fail together with the network"),
    ] {
        let (safe, why) = said(2, json!({"type": type_}));
        assert!(!safe && why.contains(word), "{type_}: {why}");
    }
    let any = CombinedArbitration {
        rule: CombinationRule::Any,
        arbiters: combined(CombinationRule::Any, &[ArbiterType::Lease, ArbiterType::Disk]).arbiters,
    };
    let (safe, why) = said(2, json!({"type": "Combined", "combined": any}));
    assert!(!safe && why.contains("each part of a divided cluster may have one"), "{why}");
}

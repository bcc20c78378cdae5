//! Whole manifests, small enough to be played in a test.

use serde_json::Value;

use super::*;
use crate::api::manifest;

/// Two servers with one resource; `arbitration` is a line of YAML.
fn two_servers(arbitration: &str) -> Vec<Value> {
    let text = format!(
        "apiVersion: stead.dev/v1alpha1
kind: Cluster
metadata: {{name: pair}}
spec:
  servers:
  - {{name: one, addresses: {{lan1: 10.1.0.1, lan2: 10.2.0.1}}}}
  - {{name: two, addresses: {{lan1: 10.1.0.2, lan2: 10.2.0.2}}}}
  heartbeat: {{timeout: 1s, paths: [lan1, lan2]}}
  arbitration: {arbitration}
---
apiVersion: stead.dev/v1alpha1
kind: FailoverGroup
metadata: {{name: web}}
spec: {{servers: [one, two]}}
---
apiVersion: stead.dev/v1alpha1
kind: Resource
metadata: {{name: app}}
spec:
  group: web
  type: Exec
  exec: {{command: [/bin/app]}}
"
    );
    let (objects, problems) = manifest::parse(&[("pair.yaml".into(), text.into_bytes())]);
    assert_eq!(problems, []);
    objects.into_iter().map(|object| object.value).collect()
}

fn rehearsal(arbitration: &str) -> Rehearsal {
    let objects = two_servers(arbitration);
    Rehearsal::new(&objects, &Measured::default(), 1, Pauses::Cut).unwrap()
}

fn play(rehearsal: &Rehearsal, text: &str) -> Row {
    let index = rehearsal.cases().iter().position(|case| case.text == text);
    let index = index.unwrap_or_else(|| {
        let known: Vec<&str> = rehearsal.cases().iter().map(|case| case.text.as_str()).collect();
        panic!("no fault is called {text}: {known:#?}")
    });
    rehearsal.single(index, false).unwrap().row
}

const PING: &str = "{type: Ping, ping: {targets: [10.1.0.254], timeout: 100ms}}";

#[test]
fn a_cut_without_an_arbiter_lets_two_serve_until_it_is_healed() {
    for arbitration in ["{type: None}", PING] {
        let rehearsal = rehearsal(arbitration);
        let row = play(&rehearsal, "one and two do not hear each other");
        let group = row.worst().unwrap();
        assert!(group.dual_lasts, "{arbitration}: {row:?}");
        assert!(row.advice.iter().any(|text| text.contains("fencing")), "{:?}", row.advice);
    }
}

#[test]
fn a_majority_of_two_stops_when_one_is_lost_and_says_so() {
    let rehearsal = rehearsal("{type: Majority}");
    let row = play(&rehearsal, "two loses power");
    assert!(row.stops() && !row.is_dual(), "{row:?}");
    assert!(row.advice.iter().any(|text| text.contains("majority of 2")), "{:?}", row.advice);
}

#[test]
fn the_parts_of_a_takeover_add_up_and_hold_the_takeover_wait() {
    let rehearsal = rehearsal("{type: None}");
    let row = play(&rehearsal, "one loses power");
    let group = row.worst().unwrap();
    assert_eq!(group.fate, Fate::Moves { to: "two".into() }, "{row:?}");
    let sum: Duration = group.split.iter().map(|(_, long)| *long).sum();
    assert_eq!(sum, group.outage);
    let wait = rehearsal.model().cluster.timing.wait();
    let of = |phase: &Phase| group.split.iter().find(|(known, _)| known == phase).map(|p| p.1);
    let protocol: Duration =
        [Phase::Detection, Phase::Arbitration, Phase::TakeoverWait].iter().filter_map(of).sum();
    // The fault comes half an interval after the last support.
    let interval = rehearsal.model().cluster.timing.interval;
    assert!(protocol <= wait && protocol + interval >= wait, "{protocol:?} of {wait:?}");
    assert_eq!(of(&Phase::Start("app".into())), Some(Duration::from_millis(20)));
}

#[test]
fn a_frozen_server_whose_clock_stands_is_shown_as_the_window_it_is() {
    let rehearsal = rehearsal("{type: None}");
    let lasts = rehearsal.model().cluster.timing.wait().as_secs() * 2 + 1;
    let running = play(&rehearsal, &format!("one frozen {lasts} s, clock running"));
    assert!(!running.is_dual(), "{running:?}");
    let standing = play(&rehearsal, &format!("one frozen {lasts} s, clock standing"));
    let group = standing.worst().unwrap();
    assert!(group.is_dual() && !group.dual_lasts, "{standing:?}");
    assert!(group.dual <= rehearsal.model().cluster.timing.self_fence, "{:?}", group.dual);
    assert!(standing.advice[0].contains("only confirmed fencing"), "{:?}", standing.advice);
}

#[test]
fn an_arbiter_away_stops_nothing_alone_and_everything_with_a_lost_server() {
    let rehearsal = rehearsal(PING);
    let cases = rehearsal.cases();
    let find = |part: &str| cases.iter().position(|case| case.text.contains(part)).unwrap();
    let (power, ping) = (find("one loses power"), find("10.1.0.254"));
    assert!(!rehearsal.single(ping, false).unwrap().row.stops());
    let single = rehearsal.single(power, true).unwrap();
    assert!(!single.row.stops(), "{:?}", single.row);
    let rows = rehearsal.doubles(&single, |second| second == ping);
    let slugs: Vec<String> =
        rows.iter().filter_map(|row| row.second.as_ref().map(|(_, at)| at.slug())).collect();
    let expected = ["together", "detection", "arbitration", "wait", "start-app", "after"];
    assert_eq!(slugs, expected);
    assert!(rows[0].stops(), "{:?}", rows[0]);
    assert!(rows[0].advice.iter().any(|text| text.contains("add a target")), "{:?}", rows[0]);
}

#[test]
fn a_stop_that_hangs_is_played_short_and_told_whole() {
    let rehearsal = rehearsal("{type: None}");
    let row = play(&rehearsal, "the stop of app hangs on one (web moved away)");
    let group = row.worst().unwrap();
    assert!(group.outage > Duration::from_secs(1800) || row.stops(), "{row:?}");
    let hanging = Phase::Stop("app".into());
    let told = group.split.iter().find(|(phase, _)| *phase == hanging).unwrap().1;
    assert!(told >= Duration::from_secs(1800) && told < Duration::from_secs(1802), "{told:?}");
}

#[test]
fn the_same_seed_gives_the_same_plays_and_a_story_is_one_of_them() {
    let rows = || {
        let rehearsal = rehearsal(PING);
        let single = rehearsal.single(0, true).unwrap();
        let doubles = rehearsal.doubles(&single, |second| second % 5 == 1);
        let (row, lines) = rehearsal.story(&doubles[1].id()).unwrap();
        assert_eq!(row, doubles[1]);
        assert!(lines.iter().filter(|line| line.text.starts_with("FAULT")).count() == 2);
        doubles
    };
    assert_eq!(rows(), rows());
}

#[test]
fn there_is_no_story_of_what_is_not_played() {
    let rehearsal = rehearsal("{type: None}");
    for id in ["", "0", "99999", "1+1@together", "1+2", "1+2@", "1+2@lunch", "-1", "1@after"] {
        assert!(rehearsal.story(id).is_none(), "{id}");
    }
}

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

/// Nobody decides who goes on: only fencing keeps two servers apart.
fn fenced(levels: &str) -> Rehearsal {
    let method = |name: &str| {
        format!(
            "{{name: {name}, type: Script, script: {{command: [/srv/fence]}}, timeout: 20s, \
             retries: 0}}"
        )
    };
    let levels = levels.replace("POWER", &method("power")).replace("OUTLET", &method("outlet"));
    rehearsal(&format!("{{type: None}}\n  fencing: {{takeover: Fenced, levels: {levels}}}"))
}

#[test]
fn a_lost_server_is_taken_over_once_it_is_off_also_where_its_clock_stood_still() {
    let rehearsal = fenced("[{methods: [POWER]}]");
    let fence = rehearsal.durations().fencing["power"].value;
    let row = play(&rehearsal, "one loses power");
    let group = row.worst().unwrap();
    assert_eq!(group.fate, Fate::Moves { to: "two".into() }, "{row:?}");
    let rest = rehearsal.model().cluster.timing.wait() + Duration::from_secs(3);
    assert!(group.outage >= fence && group.outage < fence + rest, "{row:?}");
    let lasts = rehearsal.takeover_wait().as_secs() * 2 + 1;
    for text in [
        "one and two do not hear each other",
        "one cut off from everything",
        &format!("one frozen {lasts} s, clock standing"),
    ] {
        let row = play(&rehearsal, text);
        assert!(!row.is_dual() && !row.stops(), "{row:?}");
    }
}

#[test]
fn a_method_of_fencing_that_fails_stops_the_takeover_and_one_that_lies_is_seen_through() {
    let rehearsal = fenced("[{methods: [POWER]}]");
    let failing =
        |how: &str| play(&rehearsal, &format!("power {how} one (one cut off from everything)"));
    for how in ["does not switch off", "gives no answer for"] {
        let row = failing(how);
        assert!(row.stops() && !row.is_dual(), "{row:?}");
        assert!(row.advice.iter().any(|text| text.contains("another method")), "{row:?}");
    }
    let late = failing("is late to switch off");
    let outage = late.worst().unwrap().outage;
    assert!(!late.stops() && !late.is_dual() && outage >= Duration::from_secs(18), "{late:?}");
    for how in ["lies about", "lies late about"] {
        let row = failing(how);
        assert!(row.is_dual(), "{row:?}");
        assert!(row.advice.iter().any(|text| text.contains("second method")), "{row:?}");
    }
}

#[test]
fn a_second_method_mends_what_the_first_fails_at() {
    let both = fenced("[{methods: [POWER, OUTLET]}]");
    let row = play(&both, "power lies about one (one cut off from everything)");
    assert!(!row.is_dual() && !row.stops(), "{row:?}");
    let next = fenced("[{methods: [POWER]}, {methods: [OUTLET]}]");
    let row = play(&next, "power gives no answer for one (one cut off from everything)");
    assert!(!row.is_dual() && !row.stops(), "{row:?}");
}

#[test]
fn every_arbiter_is_rehearsed_with_what_can_be_away_of_it() {
    for (arbitration, away) in [
        (
            "{type: Lease, lease: {type: S3, s3: {bucket: b, key: k, region: r}}}",
            "the lease's store",
        ),
        ("{type: Disk, disk: {device: /dev/sdb}}", "the arbiter's disk"),
        ("{type: HTTP, http: {host: witness.example.com}}", "web server witness.example.com"),
        (PING, "ping target 10.1.0.254"),
    ] {
        let rehearsal = rehearsal(arbitration);
        let row = play(&rehearsal, "one loses power");
        let moved = Fate::Moves { to: "two".into() };
        assert_eq!(row.worst().unwrap().fate, moved, "{arbitration}: {row:?}");
        let named = |case: &Case| case.category == Category::Arbiter && case.text.starts_with(away);
        let index = rehearsal.cases().iter().position(named).unwrap();
        assert!(!rehearsal.single(index, false).unwrap().row.stops(), "{arbitration}");
    }
}

#[test]
fn a_watchdog_that_is_required_prolongs_the_wait_by_twice_its_time() {
    let rehearsal = rehearsal("{type: None}\n  watchdog: {mode: Required, timeout: 10s}");
    let row = play(&rehearsal, "one loses power");
    let wait = rehearsal.takeover_wait();
    assert!(wait >= Duration::from_secs(20), "{wait:?}");
    let outage = row.worst().unwrap().outage;
    let interval = rehearsal.model().cluster.timing.interval;
    assert!(outage + interval >= wait && outage <= wait + interval * 2, "{outage:?} of {wait:?}");
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

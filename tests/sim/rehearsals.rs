//! Rehearsals of whole manifests: two servers, ten resources, ten monitors; fencing; every arbiter.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use stead::api::manifest;
use stead::sim::rehearse::{Case, Category, Fate, Measured, Pauses, Rehearsal, Row};

/// Of each first fault so many second ones are left out for each that is played;
/// `STEAD_REHEARSE_EACH=1` plays all.
const EACH: usize = 40;

/// Two servers and a group; `arbitration` is a line of YAML.
fn pair(timeout: &str, arbitration: &str) -> String {
    format!(
        "apiVersion: stead.dev/v1alpha1
kind: Cluster
metadata: {{name: pair}}
spec:
  servers:
  - {{name: one, addresses: {{lan1: 10.1.0.1, lan2: 10.2.0.1}}}}
  - {{name: two, addresses: {{lan1: 10.1.0.2, lan2: 10.2.0.2}}}}
  heartbeat: {{timeout: {timeout}, paths: [lan1, lan2]}}
  arbitration: {arbitration}
---
apiVersion: stead.dev/v1alpha1
kind: FailoverGroup
metadata: {{name: web}}
spec: {{servers: [one, two]}}
"
    )
}

fn two_servers_with_ten_resources() -> Vec<Value> {
    let mut text = pair("5s", "{type: Ping, ping: {targets: [10.1.0.254]}}");
    for index in 1..=10 {
        let depends = match index {
            1 => String::new(),
            _ => format!("\n  dependsOn: [r{}]", index - 1),
        };
        text.push_str(&format!(
            "---
apiVersion: stead.dev/v1alpha1
kind: Resource
metadata: {{name: r{index}}}
spec:
  group: web{depends}
  type: Exec
  exec: {{start: [/srv/r{index}, start], stop: [/srv/r{index}, stop]}}
---
apiVersion: stead.dev/v1alpha1
kind: Monitor
metadata: {{name: r{index}-port}}
spec:
  type: TCP
  tcp: {{port: {}}}
  interval: 5s
  timeout: 5s
  timing: WhileActive
  whileActive: r{index}
  recovery:
    target: {{kind: Resource, name: r{index}}}
",
            8000 + index
        ));
    }
    parsed(text)
}

fn parsed(text: String) -> Vec<Value> {
    let (objects, problems) = manifest::parse(&[("manifest.yaml".into(), text.into_bytes())]);
    assert_eq!(problems, []);
    objects.into_iter().map(|object| object.value).collect()
}

/// Two servers with one resource; `arbitration` is a line of YAML.
fn rehearsal(arbitration: &str) -> Rehearsal {
    let resource = "---
apiVersion: stead.dev/v1alpha1
kind: Resource
metadata: {name: app}
spec:
  group: web
  type: Exec
  exec: {command: [/bin/app]}
";
    let text = pair("1s", arbitration) + resource;
    Rehearsal::new(&parsed(text), &Measured::default(), 1, Pauses::Cut).unwrap()
}

fn play(rehearsal: &Rehearsal, text: &str) -> Row {
    let index = rehearsal.cases().iter().position(|case| case.text == text);
    let index = index.unwrap_or_else(|| {
        let known: Vec<&str> = rehearsal.cases().iter().map(|case| case.text.as_str()).collect();
        panic!("no fault is called {text}: {known:#?}")
    });
    rehearsal.single(index, false).unwrap().row
}

#[test]
fn no_fault_and_no_pair_of_faults_breaks_a_rule_of_the_engine() {
    let objects = two_servers_with_ten_resources();
    let rehearsal = Rehearsal::new(&objects, &Measured::default(), 1, Pauses::Cut).unwrap();
    let each = std::env::var("STEAD_REHEARSE_EACH").ok().and_then(|text| text.parse().ok());
    let each: usize = each.unwrap_or(EACH);
    let (next, plays) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let first = next.fetch_add(1, Ordering::Relaxed);
                    let Some(single) = rehearsal.single(first, true) else { return };
                    let sampled = |second: usize| (second + first).is_multiple_of(each);
                    let doubles = rehearsal.doubles(&single, sampled);
                    plays.fetch_add(1 + doubles.len(), Ordering::Relaxed);
                    for row in [&single.row].into_iter().chain(&doubles) {
                        assert_eq!(row.broken, None, "{row:?}");
                        assert!(!row.endless, "{row:?}");
                    }
                }
            });
        }
    });
    println!("{} plays of {} faults", plays.into_inner(), rehearsal.cases().len());
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
    for text in ["one and two do not hear each other", "one cut off from everything"] {
        let row = play(&rehearsal, text);
        assert!(!row.is_dual() && !row.stops(), "{row:?}");
    }
    // It thaws while it is being switched off: whoever of the two is left, they never both run it.
    let lasts = rehearsal.takeover_wait().as_secs() * 2 + 1;
    let row = play(&rehearsal, &format!("one frozen {lasts} s, clock standing"));
    assert!(!row.is_dual(), "{row:?}");
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
        ("{type: Ping, ping: {targets: [10.1.0.254], timeout: 100ms}}", "ping target 10.1.0.254"),
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

//! Rehearsals of somebody's whole manifest: two servers, ten resources, ten monitors.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::Value;
use stead::api::manifest;
use stead::sim::rehearse::{Measured, Pauses, Rehearsal};

/// Of each first fault so many second ones are left out for each that is played;
/// `STEAD_REHEARSE_EACH=1` plays all.
const EACH: usize = 40;

fn two_servers_with_ten_resources() -> Vec<Value> {
    let mut text = "apiVersion: stead.dev/v1alpha1
kind: Cluster
metadata: {name: ten}
spec:
  servers:
  - {name: one, addresses: {lan1: 10.1.0.1, lan2: 10.2.0.1}}
  - {name: two, addresses: {lan1: 10.1.0.2, lan2: 10.2.0.2}}
  heartbeat: {timeout: 5s, paths: [lan1, lan2]}
  arbitration: {type: Ping, ping: {targets: [10.1.0.254]}}
---
apiVersion: stead.dev/v1alpha1
kind: FailoverGroup
metadata: {name: business}
spec: {servers: [one, two]}
"
    .to_owned();
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
  group: business{depends}
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
    let (objects, problems) = manifest::parse(&[("ten.yaml".into(), text.into_bytes())]);
    assert_eq!(problems, []);
    objects.into_iter().map(|object| object.value).collect()
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

//! How many calls are made, and how many at a time: counted by the proxy.

use serde_json::json;
use stead::engine::effect::ResourceAction;
use stead::engine::input::{CheckResult, Outcome};

use crate::answers::THROTTLED;
use crate::lab::{Lab, VIP, isolated, monitor};
use crate::proxy::Fault;

const REPLACE: &str = "Action=ReplaceRoute";
const TABLES: &str = "Action=DescribeRouteTables";
/// As the documentation promises.
const IN_FLIGHT_MAX: u64 = 16;

fn all_lead_here(lab: &Lab, count: usize) {
    let routes = lab.moto.routes(lab.id("vpc"), VIP);
    let routes = routes.as_object().unwrap();
    assert_eq!(routes.len(), count);
    assert!(routes.values().all(|target| target == lab.nth("enis", 0)), "{routes:?}");
}

#[test]
fn fifty_tables_are_moved_sixteen_at_a_time() {
    isolated(async || {
        let lab = Lab::new().await;
        lab.moto.add_tables(lab.id("vpc"), lab.id("other"), VIP, 47);
        let before = lab.faults.seen(REPLACE);
        lab.faults.hold(Some(REPLACE));
        let spec = lab.virtual_ip();
        let start = lab.act(ResourceAction::Start, &spec);
        let watch = async {
            lab.faults.until_in_flight(REPLACE, IN_FLIGHT_MAX).await;
            // One more that was on its way would be here before the answer to this.
            let zone = monitor("AwsAZ", "awsAZ", zone_of("us-east-1a"), "60s");
            let found = lab.check("zone", &zone, None).await;
            assert_eq!(found.0, CheckResult::Normal, "{}", found.1);
            assert_eq!(lab.faults.seen(REPLACE).in_flight, IN_FLIGHT_MAX);
            lab.faults.hold(None);
        };
        let (outcome, ()) = tokio::join!(start, watch);
        assert!(matches!(outcome, Outcome::Active { .. }), "{outcome:?}");
        all_lead_here(&lab, 50);
        let seen = lab.faults.seen(REPLACE);
        assert_eq!((seen.requests - before.requests, seen.in_flight_max), (50, IN_FLIGHT_MAX));
    });
}

#[test]
fn what_is_refused_for_its_number_is_done_in_the_end_and_nothing_twice() {
    isolated(async || {
        let lab = Lab::new().await;
        lab.moto.add_tables(lab.id("vpc"), lab.id("other"), VIP, 47);
        const REFUSED: usize = 24;
        let before = lab.faults.seen(REPLACE);
        lab.faults.next_of(REPLACE, &[(); REFUSED].map(|()| Fault::Answer(THROTTLED)));
        let outcome = lab.act(ResourceAction::Start, &lab.virtual_ip()).await;
        assert!(matches!(outcome, Outcome::Active { .. }), "{outcome:?}");
        all_lead_here(&lab, 50);
        let requests = lab.faults.seen(REPLACE).requests - before.requests;
        assert_eq!(requests, 50 + u64::try_from(REFUSED).unwrap());
    });
}

#[test]
fn monitors_that_ask_the_same_thing_share_a_call_for_each_interval() {
    isolated(async || {
        let lab = Lab::new().await;
        let spec = lab.virtual_ip();
        let started = lab.act(ResourceAction::Start, &spec).await;
        assert!(matches!(started, Outcome::Active { .. }), "{started:?}");
        // It would look again by itself.
        lab.host.cloud.aws.forget("resource");
        let count = async |monitors: &[&str], interval: &str| {
            let settings = json!({"resource": "awsvip1"});
            let own = monitor("AwsVirtualIP", "awsVirtualIP", settings, interval);
            let before = lab.faults.seen(TABLES).requests;
            for name in monitors {
                let (result, message) = lab.check(name, &own, Some(&spec)).await;
                assert_eq!(result, CheckResult::Normal, "{message}");
            }
            lab.faults.seen(TABLES).requests - before
        };
        // What the start asked is not what a monitor is told.
        assert_eq!(count(&["one", "two", "one", "two"], "1h").await, 1);
        // An answer takes longer than this: whoever comes next comes an interval later.
        assert_eq!(count(&["one", "two", "one"], "1ms").await, 3);
    });
}

fn zone_of(zone: &str) -> serde_json::Value {
    json!({"perServer": [{"name": "node1", "zone": zone}]})
}

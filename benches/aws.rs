//! How long a virtual address of AWS takes to move, with 1 and with 50 route tables.
//!
//! `scripts/bench.sh aws`: the driver starts `AwsVirtualIP` against moto through the proxy of the
//! tests, which adds 200 ms to each call: the questions before, the changes, and the look at what
//! came of them. Prints the median and the worst of 5 runs, and the same where the first 24 changes
//! are refused for their number. Exits 1 where 50 tables take more than 6 times the time of one.
#![allow(clippy::unwrap_used, reason = "a bench that can't go on has failed")]
#![expect(clippy::disallowed_methods, reason = "a bench measures the time")]

#[path = "../tests/aws/answers.rs"]
#[allow(dead_code, reason = "a test uses the rest")]
mod answers;
#[path = "../tests/aws/cloud.rs"]
#[allow(dead_code, reason = "a test uses the rest")]
mod cloud;
#[path = "../tests/aws/lab.rs"]
#[allow(dead_code, reason = "a test uses the rest")]
mod lab;
#[path = "../tests/shared/network.rs"]
#[allow(dead_code, reason = "a test uses the rest")]
mod network;
#[path = "../tests/lease/proxy.rs"]
#[allow(dead_code, reason = "a test uses the rest")]
mod proxy;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::json;
use stead::engine::effect::ResourceAction;
use stead::engine::input::Outcome;

use answers::THROTTLED;
use lab::{Lab, isolated, resource};
use proxy::Fault;

const DELAY: Duration = Duration::from_millis(200);
const RUNS: usize = 5;
const REFUSED: usize = 24;
const FACTOR_MAX: f64 = 6.0;

/// One run: the tables that lead the address elsewhere are made to lead to the server.
async fn once(lab: &Lab, address: &str, refused: usize) -> Duration {
    lab.moto.lead(lab.id("vpc"), address, lab.id("other"));
    let settings = json!({
        "address": address,
        "vpcId": lab.id("vpc"),
        "perServer": [{"name": "node1", "eniId": lab.nth("enis", 0)}],
    });
    let spec = resource("AwsVirtualIP", "awsVirtualIP", settings);
    lab.faults.next_of("Action=ReplaceRoute", &vec![Fault::Answer(THROTTLED); refused]);
    lab.faults.delay(DELAY);
    let start = Instant::now();
    let started = lab.act(ResourceAction::Start, &spec).await;
    let took = start.elapsed();
    assert!(matches!(started, Outcome::Active { .. }), "{started:?}");
    lab.faults.delay(Duration::ZERO);
    lab.act(ResourceAction::Stop, &spec).await;
    took
}

async fn measure(lab: &Lab, address: &str, what: &str, refused: usize) -> f64 {
    let mut times = Vec::new();
    for _ in 0..RUNS {
        times.push(once(lab, address, refused).await.as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    let (median, worst) = (times[RUNS / 2], times[RUNS - 1]);
    println!("{what:<44} median {median:.2} s, worst {worst:.2} s");
    median
}

fn main() -> ExitCode {
    let mut factor = f64::INFINITY;
    isolated(async || {
        let lab = Lab::new().await;
        let (vpc, other) = (lab.id("vpc"), lab.id("other"));
        lab.moto.add_tables(vpc, other, "10.1.0.21", 1);
        lab.moto.add_tables(vpc, other, "10.1.0.22", 50);
        println!("{} ms added to each call, {RUNS} runs", DELAY.as_millis());
        let one = measure(&lab, "10.1.0.21", "1 route table", 0).await;
        let many = measure(&lab, "10.1.0.22", "50 route tables", 0).await;
        let what = format!("50 route tables, {REFUSED} calls refused");
        measure(&lab, "10.1.0.22", &what, REFUSED).await;
        factor = many / one;
        println!("50 tables take {factor:.1} times the time of one (at most {FACTOR_MAX})");
    });
    if factor <= FACTOR_MAX { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

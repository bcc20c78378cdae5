//! `make faults`: real faults on real processes, one after the other, each at the server that the
//! group is active on. The recorder and the client, not the product, say what came of it.

pub mod clock;
mod operations;
mod strike;
mod table;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use stead::agent::clock::boot_time;
use stead::api::catalogue::{self, Severity};

use crate::cluster::{CLIENT, Cluster};
use crate::plays::Stage;
use strike::{STRIKES, Strike};

/// A fault that lasts does so for so many heartbeat time-outs.
const SHORT: u32 = 5;
const LONG: [u32; 2] = [20, 40];
/// The address that is where the group is, in manifests/faults.
const FLOATING: &str = "10.77.0.200";
/// How long the client may wait for its answer once everything is repaired.
const BACK: Duration = Duration::from_secs(30);

/// What became of one fault.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its name.
    pub name: &'static str,
    /// In words.
    pub what: &'static str,
    /// What was done.
    pub strike: Strike,
    /// How long it lasted, where it is something that lasts.
    pub length: Duration,
    /// The active server before and after.
    pub servers: [String; 2],
    /// The client's longest time without an answer.
    pub outage: Duration,
    /// How long no server answered the recorder, and how long two did.
    pub none: Duration,
    /// See there.
    pub dual: Duration,
    /// What the cluster itself said: reasons of warnings and errors.
    pub told: BTreeSet<String>,
}

impl Outcome {
    fn json(&self) -> Value {
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        json!({
            "name": self.name,
            "lengthMs": milliseconds(self.length),
            "from": self.servers[0],
            "to": self.servers[1],
            "outageMs": milliseconds(self.outage),
            "noneMs": milliseconds(self.none),
            "dualMs": milliseconds(self.dual),
            "uncovered": self.strike.uncovered(),
            "told": self.told,
        })
    }
}

/// Plays what is asked for: names separated by commas, `short` for all once, `long` for what stands
/// still, longer.
pub async fn play(stage: &mut Stage, which: &str) -> Result<Vec<Outcome>> {
    let timeout = stage.cluster().manifest().timeout;
    let words: Vec<&str> = which.split(',').collect();
    for name in words.iter().filter(|name| !["short", "long"].contains(name)) {
        let known = STRIKES.iter().any(|(known, ..)| known == name);
        let names = || STRIKES.map(|(known, ..)| known).join(", ");
        ensure!(known, "there is no fault {name}; there is short, long, {}", names());
    }
    let asked = |name: &str, strike: Strike, times: u32| match times {
        SHORT => words.contains(&"short") || words.contains(&name),
        _ => words.contains(&"long") && strike.lasts_long(),
    };
    println!("{}", table::header());
    let mut outcomes = Vec::new();
    for times in [SHORT].into_iter().chain(LONG) {
        for (name, what, strike) in STRIKES {
            if asked(name, strike, times) {
                let outcome = one(stage, name, what, strike, timeout * times).await;
                let outcome = outcome.with_context(|| format!("{name}: {what}"))?;
                println!("{}", table::line(&outcome));
                outcomes.push(outcome);
            }
        }
    }
    for outcome in &outcomes {
        let Outcome { name, dual, strike, .. } = outcome;
        ensure!(dual.is_zero() || strike.uncovered().is_some(), "{name}: two for {dual:?}");
    }
    Ok(outcomes)
}

/// Writes the figures, and the fault table where every fault was played.
pub fn write(outcomes: &[Outcome], json: Option<&Path>, document: Option<&Path>) -> Result<()> {
    if let Some(file) = json {
        let rows: Vec<Value> = outcomes.iter().map(Outcome::json).collect();
        let text = serde_json::to_string_pretty(&rows)?;
        fs::write(file, text + "\n")
            .with_context(|| format!("failed to write {}", file.display()))?;
    }
    if let Some(file) = document {
        fs::write(file, table::document(outcomes)?)
            .with_context(|| format!("failed to write {}", file.display()))?;
    }
    Ok(())
}

/// The floating address is on the active server only, and whoever asked for it before finds it.
fn check_address(cluster: &Cluster, active: &str) -> Result<()> {
    for server in &cluster.manifest().servers {
        let shown = cluster.machine(&server.name)?.run(&["ip", "-o", "-4", "address", "show"])?;
        let here = shown.contains(&format!(" {FLOATING}/"));
        ensure!(here == (server.name == active), "{FLOATING} on {}: {here}", server.name);
    }
    let client = cluster.machine(CLIENT)?;
    let known = client.run(&["ip", "neighbour", "show", FLOATING])?;
    let card = cluster.machine(active)?.run(&["ip", "-o", "link", "show", "lan1"])?;
    let card = card.split("link/ether ").nth(1).and_then(|rest| rest.split(' ').next());
    let card = card.context("an interface has an address of its own")?;
    // A neighbour that could not be found for a while has no address in the cache.
    ensure!(
        !known.contains("lladdr") || known.contains(card),
        "the client takes another than {active} ({card}) for {FLOATING}: {known}"
    );
    client.run(&["ping", "-c", "1", "-W", "2", FLOATING]).map(drop)
}

async fn one(
    stage: &mut Stage,
    name: &'static str,
    what: &'static str,
    strike: Strike,
    length: Duration,
) -> Result<Outcome> {
    let from = stage.settle().await?;
    // From now on the client knows whose card has the address.
    check_address(stage.cluster(), &from)?;
    let began = boot_time()?;
    strike.play(stage.cluster_mut(), &from, length).await?;
    if strike.uncovered().is_some() {
        stage.cluster().start_again().await?;
    }
    stage.cluster_mut().whole().await?;
    // Where it goes by itself and where a person returned the servers to it.
    let to = stage.settle().await?;
    let served = boot_time()?;
    stage.client().answer_after(served, |server| server == to, BACK).await?;
    check_address(stage.cluster(), &to)?;
    let (none, dual) = stage.record().since(began);
    let events = stage.cluster().api().events(began).await?;
    let told = events.into_iter().map(|event| event.reason).filter(|reason| {
        catalogue::lookup(reason).is_some_and(|entry| entry.severity != Severity::Information)
    });
    Ok(Outcome {
        name,
        what,
        strike,
        length: if strike.lasts() { length } else { Duration::ZERO },
        servers: [from, to],
        outage: stage.client().longest_gap(began)?.length(),
        none,
        dual,
        told: told.collect(),
    })
}

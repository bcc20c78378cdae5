//! The same faults, rehearsed and for real: they must agree.
//!
//! `stead rehearse --from-cluster` plays them with the durations that this very cluster's events
//! tell; then each is done to real processes, and the client says how long nobody served.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use serde_json::Value;
use stead::agent::clock::boot_time;
use stead::engine::time::Instant;

use crate::plays::{SETTLED, Stage, TAKEOVER};

/// Share of the real outage by which the rehearsed one may differ, as a divisor: 10 %.
const SHARE: u32 = 10;
/// ... or so many tenths of a heartbeat interval, whichever is longer. A fault comes up to half an
/// interval earlier or later after a heartbeat than the rehearsed one, whoever misses it looks once
/// in an interval, and balancer and client have rhythms of their own.
const TENTHS_OF_INTERVAL: u32 = 15;
/// What balancer (a check each 20 ms) and client (a connection each 10 ms) add on average.
const OBSERVERS: Duration = Duration::from_millis(20);
/// Events that are told of a play that differs.
const TOLD_MAX: usize = 60;
/// systemd starts a keeper again after this time; here we do.
const RESTART: Duration = Duration::from_millis(1100);
/// A rehearsal begins at rest: nobody has started for longer than a takeover wait, which is less than
/// so many time-outs.
const REST_TIMEOUTS: u32 = 2;
/// A fault that interrupts nothing is watched for so many time-outs.
const WATCHED_TIMEOUTS: u32 = 4;

/// A fault that can be done here.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Power,
    Agent,
    Keeper,
    Application,
    Move,
    CutOff,
    Freeze,
    PathOfHolder,
    StandbyPower,
    StandbyAgent,
}

const FAULTS: [Fault; 10] = [
    Fault::Move,
    Fault::Keeper,
    Fault::Application,
    Fault::Power,
    Fault::CutOff,
    Fault::Freeze,
    Fault::PathOfHolder,
    Fault::StandbyPower,
    Fault::Agent,
    Fault::StandbyAgent,
];

/// What a rehearsal says.
#[derive(Debug)]
struct Expected {
    text: String,
    server: Option<String>,
    outage: Duration,
}

/// Plays all of them and compares; an error where any pair does not agree.
pub async fn compare(stage: &mut Stage) -> Result<()> {
    stage.cluster().apply().await?;
    let home = home(stage).await?;
    // So that every duration has been measured.
    let group = stage.cluster().manifest().group.clone();
    stage.cluster().stead(&["group", "move", &group]).await?;
    home_again(stage, &home).await?;
    let rehearsed = stage
        .cluster()
        .ask_stead(&["rehearse", "--from-cluster", "--faults", "single", "-o", "json"])
        .await?;
    let rehearsed: Value = serde_json::from_slice(&rehearsed)?;
    let granularity = stage.cluster().manifest().timeout / 10 * TENTHS_OF_INTERVAL / 10;
    println!("agrees: the same server, and within 10 % or {granularity:?} of the real outage");
    let mut wrong = Vec::new();
    println!("{:<44} {:>8} {:>8}  {:>10} {:>10}", "fault", "real", "by", "rehearsed", "by");
    for fault in FAULTS {
        home_again(stage, &home).await?;
        tokio::time::sleep(stage.cluster().manifest().timeout * REST_TIMEOUTS).await;
        let expected = find(&rehearsed, stage, fault, &home)?;
        let at = boot_time()?;
        let before = stage.record().dual.len();
        let (server, outage) = real(stage, fault, &home, &expected).await?;
        let dual = stage.record().dual.len() - before;
        if dual > 0 {
            println!("    {dual} rounds in which two servers answered");
        }
        // What thaws answers what came meanwhile before its keeper has looked at the clock.
        if dual > usize::from(matches!(fault, Fault::Freeze)) {
            wrong.push(format!("{}: two were active", expected.text));
        }
        let apart = outage.abs_diff(expected.outage);
        let same = expected.server.as_deref() == Some(&server);
        let agrees = same && apart <= (outage / SHARE).max(granularity);
        println!(
            "{:<44} {:>7.3}s {server:>8}  {:>9.3}s {:>10}  {}",
            expected.text,
            outage.as_secs_f64(),
            expected.outage.as_secs_f64(),
            expected.server.as_deref().unwrap_or("nobody"),
            if agrees { "agree" } else { "DIFFER" }
        );
        if !agrees {
            tell(stage, at).await?;
            wrong.push(expected.text);
        }
    }
    ensure!(wrong.is_empty(), "rehearsed and real differ: {}", wrong.join("; "));
    Ok(())
}

/// What the cluster said since then: where the two differ, it says why.
async fn tell(stage: &Stage, since: Instant) -> Result<()> {
    for event in stage.cluster().api().events(since).await?.iter().take(TOLD_MAX) {
        let after = event.at.since(since).as_secs_f64();
        println!("    {after:>8.3}  {}: {}", event.server, event.message);
    }
    Ok(())
}

/// The first server of the policy: rehearsals begin with the group there.
async fn home(stage: &mut Stage) -> Result<String> {
    stage.settle().await?;
    let first = stage.cluster().manifest().servers.first();
    Ok(first.context("the manifest has servers")?.name.clone())
}

async fn home_again(stage: &mut Stage, home: &str) -> Result<()> {
    let holder = stage.settle().await?;
    if holder != home {
        let group = stage.cluster().manifest().group.clone();
        stage.cluster().stead(&["group", "move", &group, "--to", home]).await?;
        let holder = stage.settle().await?;
        ensure!(holder == home, "the group was to move to {home} and is on {holder}");
    }
    Ok(())
}

fn find(rehearsed: &Value, stage: &Stage, fault: Fault, home: &str) -> Result<Expected> {
    let manifest = stage.cluster().manifest();
    let standby = standby(stage)?;
    let networks = stage.cluster().networks();
    let last = networks.last().context("the manifest has paths")?;
    let wanted = match fault {
        Fault::Power => format!("{home} loses power"),
        Fault::Agent => format!("{home} agent killed"),
        Fault::Keeper => format!("{home} keeper killed"),
        Fault::Application => format!("app dies on {home}"),
        Fault::Move => format!("{} moved away from {home}", manifest.group),
        Fault::CutOff => format!("{home} cut off from everything"),
        Fault::Freeze => format!("{home} frozen"),
        Fault::PathOfHolder => format!("{last} of {home} cut"),
        Fault::StandbyPower => format!("{standby} loses power"),
        Fault::StandbyAgent => format!("{standby} agent killed"),
    };
    let plays = rehearsed["plays"].as_array().context("a rehearsal has plays")?;
    let text = |play: &Value| play["faults"][0]["text"].as_str().unwrap_or_default().to_owned();
    let play = plays
        .iter()
        .find(|play| text(play).starts_with(&wanted))
        .with_context(|| format!("`{wanted}` was not rehearsed"))?;
    let group = &play["groups"][0];
    let parts = group["parts"].as_array().map_or(&[][..], Vec::as_slice);
    // Our balancer is not the one that a rehearsal assumes.
    let own = parts.iter().filter(|part| part["phase"] != "load balancer");
    let milliseconds: f64 = own.filter_map(|part| part["ms"].as_f64()).sum();
    let mut outage = Duration::try_from_secs_f64(milliseconds / 1000.0)?;
    if !outage.is_zero() {
        outage += OBSERVERS;
    }
    let server = group["server"].as_str().map(str::to_owned);
    Ok(Expected { text: text(play), server, outage })
}

/// A server that does not run the group at home: the last in its policy.
fn standby(stage: &Stage) -> Result<String> {
    let last = stage.cluster().manifest().servers.last();
    Ok(last.context("the manifest has servers")?.name.clone())
}

/// Who serves after the fault, and how long nobody did. Makes the cluster whole again.
async fn real(
    stage: &mut Stage,
    fault: Fault,
    home: &str,
    expected: &Expected,
) -> Result<(String, Duration)> {
    let standby = standby(stage)?;
    let networks: Vec<String> = stage.cluster().networks().into_iter().map(str::to_owned).collect();
    let networks: Vec<&str> = networks.iter().map(String::as_str).collect();
    let last = &networks[networks.len().saturating_sub(1)..];
    let at = boot_time()?;
    let cluster = stage.cluster_mut();
    match fault {
        Fault::Power => cluster.cut_power(home)?,
        Fault::Agent => cluster.kill_agent(home)?,
        Fault::Keeper => {
            cluster.kill_keeper(home)?;
            tokio::time::sleep(RESTART).await;
            cluster.start_keeper(home)?;
        }
        Fault::Application => cluster.signal_application(home, Signal::SIGKILL)?,
        Fault::Move => {
            let group = cluster.manifest().group.clone();
            cluster.stead(&["group", "move", &group]).await?;
        }
        Fault::CutOff => cluster.set_ports(home, &networks, false)?,
        Fault::Freeze => cluster.freeze(home, true)?,
        Fault::PathOfHolder => cluster.set_ports(home, last, false)?,
        Fault::StandbyPower => cluster.cut_power(&standby)?,
        Fault::StandbyAgent => cluster.kill_agent(&standby)?,
    }
    let seen = outcome(stage, at, home, expected).await?;
    let cluster = stage.cluster_mut();
    match fault {
        Fault::Power | Fault::Agent => cluster.repair(home)?,
        Fault::Keeper | Fault::Application | Fault::Move => {}
        Fault::CutOff => cluster.set_ports(home, &networks, true)?,
        Fault::Freeze => cluster.freeze(home, false)?,
        Fault::PathOfHolder => cluster.set_ports(home, last, true)?,
        Fault::StandbyPower | Fault::StandbyAgent => cluster.repair(&standby)?,
    }
    cluster.whole().await?;
    Ok(seen)
}

async fn outcome(
    stage: &Stage,
    at: Instant,
    home: &str,
    expected: &Expected,
) -> Result<(String, Duration)> {
    let client = stage.client();
    let watch = stage.cluster().manifest().timeout * WATCHED_TIMEOUTS;
    let moves = expected.server.as_deref() != Some(home);
    let since = if moves {
        let first = client.answer_after(at, |server| server != home, TAKEOVER).await?;
        first.at + SETTLED
    } else {
        at + watch
    };
    let found = client.answer_after(since, |_| true, TAKEOVER + watch).await?;
    let gap = client.longest_gap(at)?.length();
    // Between two of its connections there is always a gap.
    let gap = if gap <= OBSERVERS * 2 { Duration::ZERO } else { gap };
    Ok((found.answer.server, gap))
}

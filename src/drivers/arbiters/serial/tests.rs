use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::pty::openpty;

use super::*;
use crate::agent::clock;
use crate::api::timing::Timing;
use crate::engine::effect::ArbiterQuestion;
use crate::engine::ids::{Revision, Term};

const TIMEOUT: Duration = Duration::from_millis(500);

fn boot_time() -> Instant {
    clock::boot_time().unwrap()
}

/// Two terminals, joined by a thread that carries every byte across while it may.
struct Cable {
    ends: [PathBuf; 2],
    joined: Arc<AtomicBool>,
    _slaves: Vec<OwnedFd>,
}

fn cable() -> Cable {
    let joined = Arc::new(AtomicBool::new(true));
    let pairs = [openpty(None, None).unwrap(), openpty(None, None).unwrap()];
    let path = |slave: &OwnedFd| nix::unistd::ttyname(slave).unwrap();
    let ends = [path(&pairs[0].slave), path(&pairs[1].slave)];
    let [one, two] = pairs;
    let masters = [File::from(one.master), File::from(two.master)];
    for (from, to) in [(0, 1), (1, 0)] {
        let mut from = masters[from].try_clone().unwrap();
        let mut to = masters[to].try_clone().unwrap();
        let joined = joined.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 256];
            while let Ok(length) = from.read(&mut buffer) {
                if joined.load(Ordering::Relaxed) && to.write_all(&buffer[..length]).is_err() {
                    return;
                }
            }
        });
    }
    Cable { ends, joined, _slaves: vec![one.slave, two.slave] }
}

fn setting(cluster: &str, server: &str) -> Setting {
    Setting {
        cluster: cluster.into(),
        server: server.into(),
        servers: vec!["n1".into(), "n2".into()],
        timing: Timing::derive(TIMEOUT, Duration::ZERO),
        disk_window: TIMEOUT,
        clock: boot_time,
    }
}

fn start(cable: &Cable, end: usize, cluster: &str) -> SerialArbiter {
    let server = ["n1", "n2"][end];
    SerialArbiter::start(&setting(cluster, server), &cable.ends[end], 38_400, boot_time)
}

async fn ask(arbiter: &SerialArbiter, network: Option<Duration>) -> Verdict {
    let question = Question {
        cluster: "c".into(),
        server: "n1".into(),
        engine: ArbiterQuestion {
            members: vec!["n1".into()],
            term: Term { number: 1, proposer: "n1".into() },
            revision: Revision(1),
            absent: BTreeMap::from([("n2".into(), network)]),
            voiceless: Default::default(),
        },
    };
    arbiter.ask(&question).await.verdict
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..2000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}

fn heard(arbiter: &SerialArbiter) -> Option<Instant> {
    *arbiter.heard.lock().unwrap()
}

#[tokio::test]
async fn a_peer_on_the_line_is_a_cut_and_one_that_falls_silent_on_both_is_dead() {
    let cable = cable();
    let one = start(&cable, 0, "c");
    assert_eq!(ask(&one, Some(TIMEOUT)).await, Verdict::Lost, "nothing was heard yet");
    let two = start(&cable, 1, "c");
    until("n1 hears n2", async || heard(&one).is_some()).await;
    until("n2 hears n1", async || heard(&two).is_some()).await;
    let long = TIMEOUT * 10;
    assert_eq!(ask(&one, Some(long)).await, Verdict::Lost, "it lives");
    drop(two);
    // The network falls silent together with the line.
    let network = || heard(&one).map(|heard| boot_time().since(heard));
    until("n1 takes n2 for dead", async || ask(&one, network()).await == Verdict::Held).await;
}

#[tokio::test]
async fn a_line_that_broke_before_can_not_tell_and_mends_by_itself() {
    let cable = cable();
    let (one, _two) = (start(&cable, 0, "c"), start(&cable, 1, "c"));
    until("n1 hears n2", async || heard(&one).is_some()).await;
    cable.joined.store(false, Ordering::Relaxed);
    let silent = || heard(&one).map_or(Duration::ZERO, |heard| boot_time().since(heard));
    until("a long silence", async || silent() > TIMEOUT * 2 + TIMEOUT / 2).await;
    assert_eq!(ask(&one, Some(TIMEOUT)).await, Verdict::Lost, "broken already");
    cable.joined.store(true, Ordering::Relaxed);
    until("n1 hears n2 again", async || silent() < TIMEOUT).await;
}

#[tokio::test]
async fn another_cluster_noise_and_a_missing_device_are_not_the_peer() {
    let cable = cable();
    let (one, other) = (start(&cable, 0, "c"), start(&cable, 1, "d"));
    until("the other hears nothing, but its line is read", async || {
        let mut noise = OpenOptions::new().write(true).open(&cable.ends[1]).unwrap();
        noise.write_all(&[b'x'; 600]).unwrap();
        noise.write_all(b"\nstead 1 c n2 0000\n").is_ok()
    })
    .await;
    drop(other);
    let again = start(&cable, 1, "c");
    until("n1 hears n2 after the noise", async || heard(&one).is_some()).await;
    drop(again);
    let path = Path::new("/nonexistent/tty");
    let missing = SerialArbiter::start(&setting("c", "n1"), path, 9600, boot_time);
    assert_eq!(ask(&missing, Some(TIMEOUT)).await, Verdict::Lost);
}

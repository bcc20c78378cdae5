//! The recorder: asks every server's application and probe port directly, in rounds, and counts
//! the rounds in which two servers answered.
//!
//! Whether a connection is accepted is decided at the moment its first packet goes out: servers
//! are namespaces of this kernel. All first packets of a round go out in one breath; a round whose
//! breath was longer than [`BREATH_MAX`] (the scheduler took the processor away) proves nothing
//! and is not counted: a group may have moved meanwhile.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures_util::future::join_all;
use nix::unistd::Pid;
use stead::agent::clock::boot_time;
use stead::engine::time::Instant;
use tokio::net::TcpSocket;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::lab;

/// Between two rounds.
const PERIOD: Duration = Duration::from_millis(5);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_millis(200);
/// The longest time from a round's first question to its last.
const BREATH_MAX: Duration = Duration::from_millis(1);

/// A server and its ports that are asked.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// Its application and its probe port.
    pub ports: Vec<SocketAddr>,
}

/// What the recorder has seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Rounds that count.
    pub rounds: u64,
    /// Rounds that were too long to prove anything.
    pub discarded: u64,
    /// Rounds in which two servers answered: who, and when.
    pub dual: Vec<(Instant, Vec<String>)>,
    /// Every round that counts: when, and how many servers answered.
    pub answers: Vec<(Instant, usize)>,
}

impl Record {
    /// How long nobody answered since then, and how long two did: each round stands for the time
    /// until the next.
    pub fn since(&self, instant: Instant) -> (Duration, Duration) {
        let mut answers = self.answers.clone();
        // They end in another order than they begin.
        answers.sort_unstable();
        let (mut none, mut dual) = (Duration::ZERO, Duration::ZERO);
        for pair in answers.windows(2).filter(|pair| pair[0].0 >= instant) {
            let length = pair[1].0.since(pair[0].0);
            match pair[0].1 {
                0 => none += length,
                1 => {}
                _ => dual += length,
            }
        }
        (none, dual)
    }
}

/// Asks for as long as it lives.
pub struct Recorder(Arc<Mutex<Record>>);

impl Recorder {
    /// Begins to ask, in the network of this process.
    pub fn start(network_of: Pid, targets: Vec<Target>) -> Result<Self> {
        let record = Arc::new(Mutex::new(Record::default()));
        let weak = Arc::downgrade(&record);
        let (sender, entered) = std::sync::mpsc::channel();
        thread::Builder::new().name("recorder".into()).spawn(move || {
            let runtime = lab::enter_network(network_of).and_then(|()| {
                Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
            });
            let (runtime, result) = match runtime {
                Ok(runtime) => (Some(runtime), Ok(())),
                Err(error) => (None, Err(error)),
            };
            let _ = sender.send(result);
            if let Some(runtime) = runtime {
                runtime.block_on(rounds(Arc::new(targets), weak));
            }
        })?;
        entered.recv().context("the recorder ended")??;
        Ok(Self(record))
    }

    /// What it has seen so far.
    pub fn record(&self) -> Record {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn rounds(targets: Arc<Vec<Target>>, record: Weak<Mutex<Record>>) {
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        let Some(record) = record.upgrade() else { return };
        let targets = Arc::clone(&targets);
        tokio::spawn(async move {
            let Ok(round) = round(&targets).await else { return };
            let mut record = record.lock().unwrap_or_else(PoisonError::into_inner);
            match round {
                Some(round) => {
                    record.rounds += 1;
                    record.answers.push((round.asked, round.answered.len()));
                    if round.answered.len() > 1 {
                        record.dual.push((round.asked, round.answered));
                    }
                }
                None => record.discarded += 1,
            }
        });
    }
}

struct Round {
    asked: Instant,
    answered: Vec<String>,
}

/// Asks every port once; none where it took too long to ask.
async fn round(targets: &[Target]) -> Result<Option<Round>> {
    let questions = targets.iter().flat_map(|target| &target.ports);
    let mut questions: Vec<_> = questions.map(|port| Box::pin(connects(*port))).collect();
    let asked = boot_time()?;
    // The first poll of each sends its first packet.
    let mut early = Vec::with_capacity(questions.len());
    for question in &mut questions {
        early.push(futures_util::poll!(question));
    }
    let breath = boot_time()?.since(asked);
    let answers =
        join_all(questions.into_iter().zip(early).map(async |(question, early)| match early {
            std::task::Poll::Ready(answer) => answer,
            std::task::Poll::Pending => timeout(PATIENCE, question).await.unwrap_or(false),
        }))
        .await;
    if breath > BREATH_MAX {
        return Ok(None);
    }
    let mut answers = answers.into_iter();
    let answered = targets
        .iter()
        .filter(|target| {
            answers.by_ref().take(target.ports.len()).fold(false, |any, one| any | one)
        })
        .map(|target| target.name.clone())
        .collect();
    Ok(Some(Round { asked, answered }))
}

/// Whether a port accepts a connection, which is reset at once: thousands of closed connections
/// that linger would exhaust the ports of this side.
async fn connects(address: SocketAddr) -> bool {
    let Ok(socket) = TcpSocket::new_v4() else { return false };
    if socket.set_zero_linger().is_err() {
        return false;
    }
    socket.connect(address).await.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{Lab, Port};

    #[test]
    fn each_round_stands_for_the_time_until_the_next() {
        let at = |milliseconds: u64| Instant(milliseconds * 1_000_000);
        let answers = [(40, 2), (0, 0), (10, 1), (20, 0), (30, 0), (45, 1)];
        let answers = answers.map(|(when, many)| (at(when), many)).to_vec();
        let record = Record { answers, ..Record::default() };
        let milliseconds = Duration::from_millis;
        assert_eq!(record.since(at(0)), (milliseconds(30), milliseconds(5)));
        assert_eq!(record.since(at(15)), (milliseconds(20), milliseconds(5)));
    }

    /// Waits until the recorder has seen a thing, ten seconds at most.
    async fn until(recorder: &Recorder, seen: impl Fn(&Record) -> bool) -> Result<Record> {
        let wait = async {
            let mut ticks = interval(PERIOD);
            while !seen(&recorder.record()) {
                ticks.tick().await;
            }
        };
        timeout(Duration::from_secs(10), wait)
            .await
            .with_context(|| format!("not seen: {:?}", recorder.record()))?;
        Ok(recorder.record())
    }

    #[tokio::test]
    async fn two_that_were_started_by_hand_are_noticed() -> Result<()> {
        let mut lab = Lab::new("test-recorder")?;
        let port =
            |number| Port { network: "lan1".into(), address: format!("10.77.0.{number}/24") };
        for number in 1..=3 {
            lab.start(&format!("vm{number}"), &[port(number)])?;
        }
        lab.start("client", &[port(9)])?;
        let ports = |number| {
            [8080, 26001].map(|port| SocketAddr::from(([10, 77, 0, number], port))).to_vec()
        };
        let target = |number| Target { name: format!("vm{number}"), ports: ports(number) };
        let recorder =
            Recorder::start(lab.machine("client")?.first_process(), (1..=3).map(target).collect())?;
        let quiet = until(&recorder, |record| record.rounds >= 5).await?;
        assert_eq!(quiet.dual, []);

        // One alone is as it should be, whatever it answers on.
        let listen = |on: &str, port: u16| -> Result<_> {
            let first = lab.machine(on)?.first_process();
            thread::spawn(move || {
                lab::enter_network(first)?;
                anyhow::Ok(std::net::TcpListener::bind(("0.0.0.0", port))?)
            })
            .join()
            .expect("no panic")
        };
        let one = (listen("vm1", 8080)?, listen("vm1", 26001)?);
        let before = recorder.record().rounds;
        let alone = until(&recorder, |record| record.rounds >= before + 5).await?;
        assert_eq!(alone.dual, []);

        let two = listen("vm3", 26001)?;
        let both = until(&recorder, |record| record.dual.len() >= 5).await?;
        assert_eq!(both.dual[0].1, ["vm1", "vm3"]);
        drop((one, two));
        Ok(())
    }
}

//! The client: a new connection through the balancer every 10 ms.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use nix::unistd::Pid;
use stead::agent::clock::boot_time;
use stead::engine::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::lab;

/// Between two connections.
const PERIOD: Duration = Duration::from_millis(10);
/// A connection without an answer in this time is a failure.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the application answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The machine it runs on.
    pub server: String,
    /// When its process began.
    pub started: Instant,
    /// When it could answer.
    pub listening: Instant,
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Success {
    /// When it was complete.
    pub at: Instant,
    /// Who answered.
    pub answer: Answer,
}

/// A gap between two answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage {
    /// The last answer before.
    pub before: Success,
    /// The first answer after.
    pub after: Success,
}

impl Outage {
    /// How long it was.
    pub fn length(&self) -> Duration {
        self.after.at.since(self.before.at)
    }
}

/// Asks for as long as it lives.
pub struct Client {
    shared: Arc<Shared>,
    latest: watch::Receiver<Option<Success>>,
}

#[derive(Default)]
struct Shared {
    successes: Mutex<Vec<Success>>,
    failure: Mutex<String>,
}

impl Client {
    /// Begins to ask this port of loopback, in the network of this process.
    pub fn start(network_of: Pid, port: u16) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let (sender, latest) = watch::channel(None);
        let (weak, entered) = (Arc::downgrade(&shared), std::sync::mpsc::channel());
        thread::Builder::new().name("client".into()).spawn(move || {
            let runtime = lab::enter_network(network_of).and_then(|()| {
                Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
            });
            let (runtime, result) = match runtime {
                Ok(runtime) => (Some(runtime), Ok(())),
                Err(error) => (None, Err(error)),
            };
            let _ = entered.0.send(result);
            if let Some(runtime) = runtime {
                runtime.block_on(poll(port, weak, Arc::new(sender)));
            }
        })?;
        entered.1.recv().context("the client ended")??;
        Ok(Self { shared, latest })
    }

    /// Waits for an answer that was complete after `since`, from whom it is wanted.
    pub async fn answer_after(
        &self,
        since: Instant,
        from: impl Fn(&str) -> bool,
        limit: Duration,
    ) -> Result<Success> {
        let mut latest = self.latest.clone();
        let wanted = |success: &Option<Success>| {
            success.as_ref().is_some_and(|found| found.at > since && from(&found.answer.server))
        };
        let Ok(found) = timeout(limit, latest.wait_for(wanted)).await else {
            let failure = self.shared.failure.lock().unwrap_or_else(PoisonError::into_inner);
            let last = match &*self.latest.borrow() {
                Some(last) => format!("{} answered last, at {}", last.answer.server, last.at.0),
                None => "nobody ever answered".to_owned(),
            };
            bail!(
                "the client waited {limit:?}, from {}, for an answer through the balancer; \
                 {last}; the last try that failed said: {failure}",
                since.0
            );
        };
        found?.clone().context("an answer was found")
    }

    /// The longest gap between two answers around and after `since`.
    pub fn longest_gap(&self, since: Instant) -> Result<Outage> {
        let mut successes =
            self.shared.successes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // Tries overlap: one that began earlier may end later.
        successes.sort_by_key(|success| success.at);
        let first = successes.partition_point(|success| success.at < since).saturating_sub(1);
        successes[first..]
            .windows(2)
            .map(|pair| Outage { before: pair[0].clone(), after: pair[1].clone() })
            .max_by_key(Outage::length)
            .context("the client has seen no two answers")
    }
}

async fn poll(
    port: u16,
    shared: std::sync::Weak<Shared>,
    latest: Arc<watch::Sender<Option<Success>>>,
) {
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        let Some(shared) = shared.upgrade() else { return };
        let latest = Arc::clone(&latest);
        tokio::spawn(async move {
            let answer = match timeout(PATIENCE, ask(port)).await {
                Ok(Ok(answer)) => boot_time().map(|at| Success { at, answer }).map_err(Into::into),
                Ok(Err(error)) => Err(error),
                Err(_) => Err(anyhow::anyhow!("no answer within {PATIENCE:?}")),
            };
            match answer {
                Ok(success) => {
                    let mut successes =
                        shared.successes.lock().unwrap_or_else(PoisonError::into_inner);
                    successes.push(success.clone());
                    latest.send_replace(Some(success));
                }
                Err(error) => {
                    let mut failure = shared.failure.lock().unwrap_or_else(PoisonError::into_inner);
                    *failure = format!("{error:#}");
                }
            }
        });
    }
}

async fn ask(port: u16) -> Result<Answer> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    read_answer(&text).context("the balancer had nobody to ask")
}

/// Reads a whole HTTP answer of the application.
fn read_answer(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    if head.split(' ').nth(1)? != "200" {
        return None;
    }
    let words: Vec<&str> = body.split_whitespace().collect();
    let [server, "started", started, "listening", listening] = words.as_slice() else {
        return None;
    };
    Some(Answer {
        server: (*server).to_owned(),
        started: Instant(started.parse().ok()?),
        listening: Instant(listening.parse().ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read() {
        let answer = Answer { server: "vm1".into(), started: Instant(1), listening: Instant(2) };
        let text = "HTTP/1.1 200 OK\r\nx: y\r\n\r\nvm1 started 1 listening 2\n";
        assert_eq!(read_answer(text), Some(answer));
        assert_eq!(read_answer("HTTP/1.1 503 No\r\n\r\nvm1 started 1 listening 2"), None);
        assert_eq!(read_answer(""), None);
    }
}

//! What every store must let happen, and what none may.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use stead::agent::clock;
use stead::api::kinds::LeaseArbitration;
use stead::api::names::ServerName;
use stead::drivers::arbiters::lease::store::{Store, Written};
use stead::drivers::arbiters::lease::{Lease, Pace, open};
use stead::drivers::arbiters::{Arbiter, Question};
use stead::engine::effect::ArbiterQuestion;
use stead::engine::ids::{Revision, Term};
use stead::engine::input::{ArbiterAnswer, Verdict};
use stead::engine::time::Instant;

use crate::proxy::{Fault, Faults};
use crate::servers::Server;

/// A store behind its proxy.
pub struct Backend {
    /// What the proxy does.
    pub faults: Faults,
    /// The settings of a lease in this store under a key.
    pub spec: Box<dyn Fn(&str) -> LeaseArbitration + Send + Sync>,
    /// Credentials and data.
    pub files: tempfile::TempDir,
    /// Ends with the backend.
    pub _server: Option<Server>,
}

/// Rounds of two contenders.
const ROUNDS: u64 = 200;

/// Keys, so that no scenario meets another's record.
static KEYS: AtomicU32 = AtomicU32::new(0);

impl Backend {
    fn key(&self) -> String {
        format!("stead-{}", KEYS.fetch_add(1, Ordering::Relaxed))
    }

    /// An agent's lease. Tests do not wait between questions.
    fn lease(&self, key: &str, ttl: Duration) -> Lease {
        self.lease_of("c", key, ttl)
    }

    fn lease_of(&self, cluster: &str, key: &str, ttl: Duration) -> Lease {
        let spec = (self.spec)(key);
        let timeout = spec.timeout.into();
        let pace = Pace { ttl, timeout, renewal: Duration::ZERO, again: Duration::ZERO };
        Lease::with_store(open::place(cluster, &spec), pace, open::opener(cluster, &spec))
    }

    async fn store(&self, key: &str) -> Arc<dyn Store> {
        open::opener("c", &(self.spec)(key))().await.unwrap()
    }
}

/// A question of one server; the other is absent unless it is named among the members.
fn question(server: &str, members: &[&str], number: u64) -> Question {
    let absent: BTreeMap<ServerName, Option<Duration>> = ["vm1", "vm2"]
        .into_iter()
        .filter(|name| !members.contains(name))
        .map(|name| (name.into(), None))
        .collect();
    Question {
        cluster: "c".into(),
        server: server.into(),
        engine: ArbiterQuestion {
            members: members.iter().map(|name| ServerName::from(*name)).collect(),
            term: Term { number, proposer: server.into() },
            revision: Revision(number << 40),
            absent,
            voiceless: Default::default(),
        },
    }
}

fn alone(server: &str, number: u64) -> Question {
    question(server, &[server], number)
}

fn both(server: &str, number: u64) -> Question {
    question(server, &["vm1", "vm2"], number)
}

/// Asks until the answer is this one: a busy machine may miss a time-out in between. An answer that
/// must never come fails at once.
async fn until(
    lease: &Lease,
    question: &Question,
    wanted: Verdict,
    never: Verdict,
) -> ArbiterAnswer {
    let mut last = None;
    for _ in 0..200 {
        let answer = lease.ask(question).await;
        if answer.verdict == wanted {
            return answer;
        }
        assert_ne!(answer.verdict, never, "{answer:?}");
        last = Some(answer);
    }
    panic!("never {wanted:?}: {last:?}");
}

async fn held(lease: &Lease, question: &Question) -> ArbiterAnswer {
    until(lease, question, Verdict::Held, Verdict::Lost).await
}

async fn taken(lease: &Lease, question: &Question) -> ArbiterAnswer {
    for _ in 0..2000 {
        let answer = lease.ask(question).await;
        if answer.verdict == Verdict::Held {
            return answer;
        }
    }
    panic!("never taken");
}

async fn lost(lease: &Lease, question: &Question) -> ArbiterAnswer {
    until(lease, question, Verdict::Lost, Verdict::Held).await
}

async fn unknown(lease: &Lease, question: &Question) -> ArbiterAnswer {
    until(lease, question, Verdict::Unknown, Verdict::Held).await
}

/// A TTL that nothing in a test outlasts.
const LONG: Duration = Duration::from_secs(600);
/// One that tests can wait for.
const SHORT: Duration = Duration::from_millis(400);

/// Plays all of them.
pub async fn play(backend: &Backend) {
    a_lease_lives(backend).await;
    a_member_hands_over(backend).await;
    lost_answers(backend).await;
    a_lost_takeover_still_waits(backend).await;
    broken_answers(backend).await;
    nonsense_in_the_store(backend).await;
    two_clusters(backend).await;
    skewed_clocks(backend).await;
    a_deleted_record(backend).await;
    race(backend).await;
}

async fn a_lease_lives(backend: &Backend) {
    let key = backend.key();
    let (vm1, vm2) = (backend.lease(&key, SHORT), backend.lease(&key, SHORT));
    assert_eq!(held(&vm1, &both("vm1", 1)).await.handover, None);
    // A renewal is one request, unless the machine is so busy that one more is needed.
    let before = backend.faults.requests();
    held(&vm1, &both("vm1", 1)).await;
    assert!(backend.faults.requests() > before);
    let refused = lost(&vm2, &alone("vm2", 2)).await;
    assert!(refused.message.contains("vm1 holds the lease in term 1.vm1"), "{refused:?}");
    assert_eq!(refused.recorded.unwrap().term.number, 1);
    let answer = taken(&vm2, &alone("vm2", 2)).await;
    assert!(answer.handover.unwrap() >= SHORT, "{answer:?}");
    // The stale term, a lower one, and a higher one that has to wait.
    let stale = lost(&vm1, &alone("vm1", 1)).await;
    assert!(stale.message.contains("vm2 holds the lease in term 2.vm2"), "{stale:?}");
    let fresh = backend.lease(&key, LONG);
    lost(&fresh, &alone("vm1", 1)).await;
    lost(&fresh, &alone("vm1", 3)).await;
    held(&vm2, &alone("vm2", 2)).await;
}

async fn a_member_hands_over(backend: &Backend) {
    let key = backend.key();
    let (vm1, vm2) = (backend.lease(&key, LONG), backend.lease(&key, LONG));
    held(&vm1, &both("vm1", 1)).await;
    assert_eq!(held(&vm2, &both("vm2", 2)).await.handover, None);
    lost(&vm1, &both("vm1", 1)).await;
    held(&vm1, &both("vm1", 3)).await;
}

async fn lost_answers(backend: &Backend) {
    let key = backend.key();
    let vm1 = backend.lease(&key, LONG);
    let ours = both("vm1", 1);
    // Made or not made: what is said is true, and the next question is answered.
    for fault in [Fault::LoseAnswer, Fault::Reset, Fault::LoseAnswer, Fault::Truncate] {
        backend.faults.next_writes(std::slice::from_ref(&fault));
        held(&vm1, &ours).await;
        let outsider = backend.lease(&key, LONG);
        lost(&outsider, &alone("vm2", 9)).await;
    }
    // Made, and neither its answer nor the look came back.
    backend.faults.next(&[Fault::LoseAnswer, Fault::LoseAnswer]);
    let answer = vm1.ask(&ours).await;
    assert_ne!(answer.verdict, Verdict::Lost, "{answer:?}");
    backend.faults.next(&[]);
    held(&vm1, &ours).await;
}

async fn a_lost_takeover_still_waits(backend: &Backend) {
    let key = backend.key();
    let (vm1, vm2) = (backend.lease(&key, SHORT), backend.lease(&key, SHORT));
    held(&vm1, &both("vm1", 1)).await;
    backend.faults.next_writes(&[Fault::LoseAnswer, Fault::LoseAnswer]);
    let answer = taken(&vm2, &alone("vm2", 2)).await;
    backend.faults.next_writes(&[]);
    assert!(answer.handover.unwrap() >= SHORT, "{answer:?}");
}

async fn broken_answers(backend: &Backend) {
    const PAGE: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 26\r\n\
                        connection: close\r\n\r\n<html>Please log in</html>";
    const EMPTY: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    const NOT_HTTP: &str = "220 smtp.example.com ESMTP\r\n";
    const REDIRECT: &str = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\n\
                            content-length: 0\r\nconnection: close\r\n\r\n";
    const FORBIDDEN: &str =
        "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    const THROTTLED: &str = "HTTP/1.1 429 Too Many Requests\r\nretry-after: 3600\r\n\
                             content-length: 0\r\nconnection: close\r\n\r\n";
    const BROKEN: &str =
        "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    const BUSY: &str =
        "HTTP/1.1 503 Slow Down\r\ncontent-length: 4\r\nconnection: close\r\n\r\nbusy";
    let key = backend.key();
    let (vm1, vm2) = (backend.lease(&key, LONG), backend.lease(&key, LONG));
    held(&vm1, &both("vm1", 1)).await;
    let answers = [PAGE, EMPTY, NOT_HTTP, REDIRECT, FORBIDDEN, THROTTLED, BROKEN, BUSY];
    let faults = answers.into_iter().map(Fault::Answer);
    for fault in faults.chain([Fault::Reset, Fault::Late, Fault::Truncate]) {
        backend.faults.always(Some(fault.clone()));
        for (lease, ask) in [(&vm1, both("vm1", 1)), (&vm2, alone("vm2", 2))] {
            let before = backend.faults.requests();
            let answer = lease.ask(&ask).await;
            assert_eq!(answer.verdict, Verdict::Unknown, "{fault:?}: {answer:?}");
            // No library tries again by itself, unseen: only the arbiter knows how long an answer counts.
            let requests = backend.faults.requests() - before;
            assert!(requests <= 2, "{fault:?}: {requests} requests");
            assert!(answer.message.chars().count() < 500, "{answer:?}");
            assert!(!answer.message.contains(char::is_control), "{answer:?}");
        }
    }
    // The store is back: the holder holds, and the outsider is told by whom.
    backend.faults.always(None);
    held(&vm1, &both("vm1", 1)).await;
    lost(&vm2, &alone("vm2", 2)).await;
}

async fn nonsense_in_the_store(backend: &Backend) {
    let huge = "x".repeat(100_000);
    let newer = r#"{"kind": "stead lease", "format": 2, "holder": "vm1"}"#;
    let cases = [
        ("<!DOCTYPE html><html></html>", "begins with"),
        (&huge, "a lease record at most"),
        (newer, "newer release"),
        (" ", "is empty"),
        (r#"{"kind": "stead lease", "format": 1}"#, "is damaged"),
    ];
    for (body, words) in cases {
        let key = backend.key();
        let store = backend.store(&key).await;
        let written = store.write(body.as_bytes(), None).await;
        assert!(matches!(written, Ok(Written::Done(_))), "{written:?}");
        let vm1 = backend.lease(&key, Duration::ZERO);
        for ask in [both("vm1", 1), alone("vm1", 2)] {
            let answer = unknown(&vm1, &ask).await;
            assert!(answer.message.contains(words), "{answer:?}");
        }
        assert_eq!(store.read().await.unwrap().unwrap().bytes, body.as_bytes());
    }
}

async fn two_clusters(backend: &Backend) {
    let key = backend.key();
    let (ours, theirs) = (backend.lease(&key, LONG), backend.lease_of("d", &key, LONG));
    held(&ours, &both("vm1", 1)).await;
    let mut ask = both("vm1", 8);
    ask.cluster = "d".into();
    let answer = unknown(&theirs, &ask).await;
    assert!(answer.message.contains("belongs to cluster c, and this is cluster d"), "{answer:?}");
    held(&ours, &both("vm1", 1)).await;
}

async fn skewed_clocks(backend: &Backend) {
    for date in ["Sat, 01 Jan 2000 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT"] {
        backend.faults.date(Some(date));
        let key = backend.key();
        let (vm1, vm2) = (backend.lease(&key, LONG), backend.lease(&key, LONG));
        held(&vm1, &both("vm1", 1)).await;
        lost(&vm2, &alone("vm2", 2)).await;
        held(&vm1, &both("vm1", 1)).await;
        let short = backend.key();
        let (vm1, vm2) = (backend.lease(&short, SHORT), backend.lease(&short, SHORT));
        held(&vm1, &both("vm1", 1)).await;
        assert!(taken(&vm2, &alone("vm2", 2)).await.handover.unwrap() >= SHORT);
    }
    backend.faults.date(None);
}

async fn a_deleted_record(backend: &Backend) {
    let key = backend.key();
    let vm2 = backend.lease(&key, SHORT);
    let first = until(&vm2, &alone("vm2", 1), Verdict::Lost, Verdict::Held).await;
    assert!(first.message.contains("no record"), "{first:?}");
    let answer = taken(&vm2, &alone("vm2", 1)).await;
    assert!(answer.handover.unwrap() >= SHORT, "{answer:?}");
}

/// Two contenders that can't hear each other: in each round both ask at the same time, then the
/// holder stands still until the other has taken the lease.
async fn race(backend: &Backend) {
    let key = backend.key();
    let mut race = Race {
        leases: [backend.lease(&key, Race::TTL), backend.lease(&key, Race::TTL)],
        terms: [1, 1],
        claims: Vec::new(),
    };
    for _ in 0..ROUNDS {
        let (first, second) = tokio::join!(race.ask(0), race.ask(1));
        race.note(0, first);
        race.note(1, second);
        let holder = race.claims.last().map_or(0, |(holder, _, _)| *holder);
        while race.claims.last().is_none_or(|(now, _, _)| *now == holder) {
            let answer = race.ask(1 - holder).await;
            race.note(1 - holder, answer);
        }
    }
    race.check();
}

struct Race {
    leases: [Lease; 2],
    terms: [u64; 2],
    /// (holder, from its answer on, until its question's time and the TTL)
    claims: Vec<(usize, Instant, Instant)>,
}

impl Race {
    const TTL: Duration = Duration::from_millis(10);

    async fn ask(&self, index: usize) -> (ArbiterAnswer, Instant, Instant) {
        let begun = clock::boot_time().unwrap();
        let question = alone(["vm1", "vm2"][index], self.terms[index]);
        let answer = self.leases[index].ask(&question).await;
        (answer, begun, clock::boot_time().unwrap())
    }

    fn note(&mut self, index: usize, (answer, begun, at): (ArbiterAnswer, Instant, Instant)) {
        match answer.verdict {
            Verdict::Held => self.claims.push((index, at, begun + Self::TTL)),
            Verdict::Lost => {
                let seen = answer.recorded.map_or(0, |recorded| recorded.term.number);
                self.terms[index] = self.terms[index].max(seen + 1);
            }
            Verdict::Unknown => {}
        }
    }

    fn check(&self) {
        for (index, (holder, from, until)) in self.claims.iter().enumerate() {
            for (other, other_from, other_until) in &self.claims[index + 1..] {
                let apart = holder == other || until <= other_from || other_until <= from;
                assert!(apart, "two: {from:?} to {until:?}, {other_from:?} to {other_until:?}");
            }
        }
    }
}

/// Messages are all that an arbiter shows; errors repeat what servers say.
pub async fn credentials_are_not_shown(backend: &Backend, secret: &str) {
    let key = backend.key();
    let vm1 = backend.lease(&key, LONG);
    let mut messages = vec![held(&vm1, &both("vm1", 1)).await.message];
    for fault in [Fault::Reset, Fault::Answer("HTTP/1.1 403 Forbidden\r\n\r\n"), Fault::Truncate] {
        backend.faults.always(Some(fault));
        messages.push(vm1.ask(&both("vm1", 1)).await.message);
    }
    for message in messages {
        assert!(!message.contains(secret), "{message}");
        assert!(!message.to_ascii_lowercase().contains("signature"), "{message}");
    }
}

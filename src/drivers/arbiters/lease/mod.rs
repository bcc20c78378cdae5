//! `Lease`: whoever holds a record in a store outside the cluster may go on. Exclusive.
//!
//! `decide` says what a record means, `store` what a store must do, and this file asks: read,
//! decide, write on condition, and where the answer to a write is lost, read again whose nonce
//! stands there. Nothing but a write of our own that was begun after the question and stands in the
//! store makes `Held`: an older one may have been seen, and its TTL counted, by somebody else.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::time::{sleep, timeout};

use self::decide::{Asker, Decision, Memory, seconds};
use self::record::Record;
use self::store::{Found, Store, StoreError, Version, Written};
use super::{Arbiter, Question, Setting};
use crate::agent::clock;
use crate::api::kinds::LeaseArbitration;
use crate::engine::ids::Term;
use crate::engine::input::{ArbiterAnswer, Recorded, Verdict};
use crate::engine::time::Instant;

pub mod credentials;
pub mod decide;
#[cfg(feature = "etcd")]
pub mod etcd;
#[cfg(feature = "lease")]
pub mod kubernetes;
#[cfg(feature = "lease")]
pub mod objects;
pub mod open;
pub mod record;
pub mod store;
#[cfg(any(feature = "lease", feature = "etcd"))]
pub mod web;

/// Conditional writes tried for one question: the first, and others after somebody else's write or
/// a lost answer.
const TRIES: usize = 3;

/// Opens the store anew.
pub type Opener =
    Arc<dyn Fn() -> BoxFuture<'static, Result<Arc<dyn Store>, StoreError>> + Send + Sync>;

/// How often the store is asked. Requests cost money, and a store must not be worn out by a
/// cluster whose heartbeats are quick.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How long a record must stand unchanged.
    pub ttl: Duration,
    /// How long one request may take.
    pub timeout: Duration,
    /// Between the starts of two renewals.
    pub renewal: Duration,
    /// Between the starts of two questions that were not answered with `Held`.
    pub again: Duration,
}

impl Pace {
    /// The pace of these settings.
    #[must_use]
    pub fn of(spec: &LeaseArbitration) -> Self {
        let ttl = Duration::from(spec.ttl);
        Self { ttl, timeout: spec.timeout.into(), renewal: spec.renewal(), again: ttl / 20 }
    }
}

/// A lease, as this agent asks for it.
pub struct Lease {
    place: String,
    pace: Pace,
    open: Opener,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    memory: Memory,
    /// Open until an error: files may have been replaced then.
    store: Option<Arc<dyn Store>>,
    /// Whether the store has shown that it refuses what its conditions exclude.
    proven: bool,
    /// Our last write, and its version, where it is known.
    written: Option<(Record, Version)>,
    /// When the last question for a term was begun, and whether it was answered with `Held`.
    begun: Option<(Term, Instant, bool)>,
    /// What the last record said that was not ours, or of a higher term than we ask for.
    former: Option<Recorded>,
}

/// How one try ended.
enum Tried {
    Held(Record),
    Again,
    Answer(Verdict, String),
}

impl Lease {
    /// The lease of these settings.
    #[must_use]
    pub fn new(setting: &Setting, spec: &LeaseArbitration) -> Self {
        let place = open::place(&setting.cluster, spec);
        Self::with_store(place, Pace::of(spec), open::opener(&setting.cluster, spec))
    }

    /// A lease in any store.
    #[must_use]
    pub fn with_store(place: String, pace: Pace, open: Opener) -> Self {
        Self { place, pace, open, state: Mutex::new(State::default()) }
    }

    fn state<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        // A panic in the middle can only have left an older state, which is as safe.
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn verdict(&self, question: &Question) -> ArbiterAnswer {
        let term = question.engine.term.clone();
        self.wait_for_turn(&term).await;
        let Ok(begun) = clock::boot_time() else {
            return ArbiterAnswer::new(Verdict::Unknown, "the clock can't be read");
        };
        self.state(|state| state.begun = Some((term.clone(), begun, false)));
        let first = self.state(|state| !state.memory.holds(&term));
        let (verdict, message) = match self.exchange(question).await {
            Ok(Tried::Held(record)) => (Verdict::Held, self.held_words(&record)),
            Ok(Tried::Answer(verdict, message)) => (verdict, message),
            Ok(Tried::Again) => {
                (Verdict::Unknown, "others write the record again and again".to_owned())
            }
            Err(error) => {
                self.state(|state| state.store = None);
                (Verdict::Unknown, error.to_string())
            }
        };
        let message = match verdict {
            Verdict::Held => message,
            Verdict::Lost | Verdict::Unknown => format!("{}: {message}", self.place),
        };
        let held = verdict == Verdict::Held;
        let now = clock::boot_time().unwrap_or(begun);
        self.state(|state| {
            if held {
                state.begun = Some((term, begun, true));
            }
            let handover = state.memory.handover(now).filter(|_| held);
            let recorded = state.former.clone().filter(|_| first || !held);
            ArbiterAnswer { verdict, handover, recorded, message }
        })
    }

    /// Renewals, and questions that others' records answer, keep a distance; a new term does not.
    async fn wait_for_turn(&self, term: &Term) {
        let due = self.state(|state| {
            let (_, begun, held) = state.begun.as_ref().filter(|(asked, _, _)| asked == term)?;
            let pace = if *held { self.pace.renewal } else { self.pace.again };
            Some(*begun + pace)
        });
        if let (Some(due), Ok(now)) = (due, clock::boot_time()) {
            sleep(due.since(now)).await;
        }
    }

    fn held_words(&self, record: &Record) -> String {
        format!(
            "{} holds the lease in term {} since {}, for {} at a time, in {}",
            record.holder,
            record.term,
            record.acquired,
            seconds(self.pace.ttl),
            self.place
        )
    }

    async fn exchange(&self, question: &Question) -> Result<Tried, StoreError> {
        let store = self.store().await?;
        // A renewal replaces the write that we know of, without reading it first.
        let known = self.state(|state| {
            let written = state.written.clone();
            written.filter(|(record, _)| {
                record.term == question.engine.term && state.memory.holds(&record.term)
            })
        });
        let mut over = known.map(|(record, version)| Some((record, version)));
        let mut nonces = Vec::new();
        for _ in 0..TRIES {
            let before = match over.take() {
                Some(before) => before,
                None => match self.look(&*store, question, &nonces).await? {
                    Looked::Ours(record, version) => {
                        return self.settle(&*store, question, record, version).await;
                    }
                    Looked::Free(before) => before,
                    Looked::Missing => return self.claim(&*store, question).await,
                    Looked::Answer(verdict, message) => {
                        return Ok(Tried::Answer(verdict, message));
                    }
                },
            };
            let record = self.record(question, before.as_ref().map(|(record, _)| record))?;
            nonces.push(record.nonce.clone());
            let version = before.as_ref().map(|(_, version)| version);
            match self.within(store.write(&record.encode(), version)).await {
                Ok(Written::Done(version)) => {
                    return self.settle(&*store, question, record, version).await;
                }
                Ok(Written::Conflict) => {}
                // Perhaps written, perhaps not: the record itself tells.
                Err(error) => match self.look(&*store, question, &nonces).await {
                    Ok(Looked::Ours(record, version)) => {
                        return self.settle(&*store, question, record, version).await;
                    }
                    Ok(Looked::Free(_) | Looked::Missing) | Err(_) => return Err(error),
                    Ok(Looked::Answer(verdict, message)) => {
                        return Ok(Tried::Answer(verdict, message));
                    }
                },
            }
        }
        Ok(Tried::Again)
    }

    /// Reads, and finds what that means.
    async fn look(
        &self,
        store: &dyn Store,
        question: &Question,
        nonces: &[String],
    ) -> Result<Looked, StoreError> {
        loop {
            let found = self.within(store.read()).await?;
            let now = clock::boot_time().map_err(|error| StoreError::caused(&error))?;
            let found = match found {
                None => None,
                Some(Found { bytes, version }) => match Record::decode(&bytes) {
                    Ok(record) => Some((record, version)),
                    Err(error) => {
                        return Ok(Looked::Answer(Verdict::Unknown, error.to_string()));
                    }
                },
            };
            let record = found.as_ref().map(|(record, _)| record);
            if record.is_some_and(|record| nonces.contains(&record.nonce)) {
                return Ok(found.map_or(Looked::Free(None), |(record, version)| {
                    Looked::Ours(record, version)
                }));
            }
            let decision = self.state(|state| {
                let ours = |record: &Record| {
                    record.holder == question.server && record.term <= question.engine.term
                };
                if let Some(record) = record
                    && record.cluster == question.cluster
                    && !ours(record)
                {
                    let (term, revision) = (record.term.clone(), record.revision);
                    state.former = Some(Recorded { term, revision });
                }
                state.memory.decide(&self.asker(question), record, now)
            });
            match decision {
                Decision::Write => return Ok(Looked::Free(found)),
                Decision::Claim => return Ok(Looked::Missing),
                Decision::Answer(verdict, message) => {
                    return Ok(Looked::Answer(verdict, message));
                }
                // So short that the question itself can wait.
                Decision::Wait(left, _) if left <= self.pace.again => sleep(left).await,
                Decision::Wait(_, message) => {
                    return Ok(Looked::Answer(Verdict::Lost, message));
                }
            }
        }
    }

    /// Puts a claim in the place of the missing record. What became of it shows at the next look.
    async fn claim(&self, store: &dyn Store, question: &Question) -> Result<Tried, StoreError> {
        let mut claim = self.record(question, None)?;
        claim.claim = true;
        self.within(store.write(&claim.encode(), None)).await?;
        let message = format!(
            "there was no record; somebody may have deleted that of a holder, so the lease is \
             taken when this server's claim has stood for {}",
            seconds(self.pace.ttl)
        );
        Ok(Tried::Answer(Verdict::Lost, message))
    }

    fn asker<'a>(&self, question: &'a Question) -> Asker<'a> {
        Asker {
            cluster: &question.cluster,
            server: &question.server,
            members: &question.engine.members,
            whole: question.engine.absent.is_empty(),
            term: &question.engine.term,
            ttl: self.pace.ttl,
        }
    }

    /// A write of ours stands in the store.
    async fn settle(
        &self,
        store: &dyn Store,
        question: &Question,
        record: Record,
        version: Version,
    ) -> Result<Tried, StoreError> {
        let (record, version) = if store.conditions_are_certain() || self.state(|s| s.proven) {
            (record, version)
        } else {
            match self.prove(store, question, record, version).await? {
                Proof::Refuses(written) => {
                    self.state(|state| state.proven = true);
                    *written
                }
                Proof::Overtaken => return Ok(Tried::Again),
                Proof::Accepts => {
                    let message = "the store wrote what its condition forbids: it does not know \
                                   conditional writes, and can't keep a lease";
                    return Ok(Tried::Answer(Verdict::Unknown, message.to_owned()));
                }
            }
        };
        let now = clock::boot_time().map_err(|error| StoreError::caused(&error))?;
        self.state(|state| {
            state.memory.wrote(&record, now);
            let later = state.written.as_ref().is_none_or(|(last, _)| last.term <= record.term);
            if later {
                state.written = Some((record.clone(), version));
            }
        });
        Ok(Tried::Held(record))
    }

    /// Once in an agent's life: a store that ignores conditions would let two hold the lease. Ours
    /// now stands there, fresh, so that what such a store writes by mistake is our own.
    async fn prove(
        &self,
        store: &dyn Store,
        question: &Question,
        record: Record,
        version: Version,
    ) -> Result<Proof, StoreError> {
        let other = self.record(question, Some(&record))?;
        if self.within(store.write(&other.encode(), None)).await? != Written::Conflict {
            return Ok(Proof::Accepts);
        }
        let next = self.record(question, Some(&record))?;
        let newer = match self.within(store.write(&next.encode(), Some(&version))).await? {
            Written::Done(newer) => newer,
            Written::Conflict => return Ok(Proof::Overtaken),
        };
        let other = self.record(question, Some(&record))?;
        match self.within(store.write(&other.encode(), Some(&version))).await? {
            Written::Conflict => Ok(Proof::Refuses(Box::new((next, newer)))),
            Written::Done(_) => Ok(Proof::Accepts),
        }
    }

    fn record(&self, question: &Question, before: Option<&Record>) -> Result<Record, StoreError> {
        let mut nonce = [0; 16];
        SystemRandom::new()
            .fill(&mut nonce)
            .map_err(|_| StoreError::new("the system gave no random numbers"))?;
        let nonce = format!("{:032x}", u128::from_be_bytes(nonce));
        let engine = &question.engine;
        let mut record = Record::new(&question.cluster, &question.server, &engine.term, nonce);
        record.ttl_milliseconds = u64::try_from(self.pace.ttl.as_millis()).unwrap_or(u64::MAX);
        record.revision = engine.revision;
        record.written = clock::wall_time().rfc3339();
        let own = before.filter(|before| before.holder == question.server);
        record.acquired = own.map_or(&record.written, |own| &own.acquired).clone();
        Ok(record)
    }

    async fn store(&self) -> Result<Arc<dyn Store>, StoreError> {
        if let Some(store) = self.state(|state| state.store.clone()) {
            return Ok(store);
        }
        let store = (self.open)().await?;
        self.state(|state| state.store = Some(store.clone()));
        Ok(store)
    }

    async fn within<T>(&self, call: BoxFuture<'_, Result<T, StoreError>>) -> Result<T, StoreError> {
        let limit = self.pace.timeout;
        let late = |_| StoreError::new(format!("no answer within {}", seconds(limit)));
        timeout(limit, call).await.map_err(late)?
    }
}

/// What a look at the record found.
enum Looked {
    /// One of the writes of this very question.
    Ours(Record, Version),
    /// It may be written over.
    Free(Option<(Record, Version)>),
    /// There is no record, and a server is missing that may hold the lease.
    Missing,
    /// There is nothing to write.
    Answer(Verdict, String),
}

/// Whether a store keeps to conditions.
enum Proof {
    /// It does; our last write.
    Refuses(Box<(Record, Version)>),
    /// Somebody else wrote in between.
    Overtaken,
    /// It wrote what it must not.
    Accepts,
}

impl Arbiter for Lease {
    fn ask<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, ArbiterAnswer> {
        Box::pin(self.verdict(question))
    }
}

#[cfg(test)]
mod tests;

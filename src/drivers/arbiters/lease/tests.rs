use std::collections::{BTreeMap, VecDeque};

use super::*;
use crate::api::names::ServerName;
use crate::engine::effect::ArbiterQuestion;
use crate::engine::ids::Revision;

/// What happens to the next call.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// Nothing.
    Pass,
    /// It is not carried out.
    Refuse,
    /// It is carried out, and its answer lost.
    LoseAnswer,
    /// It is never answered.
    Hang,
}

#[derive(Default)]
struct Shelf {
    record: Option<(Vec<u8>, u64)>,
    writes: u64,
    faults: VecDeque<Fault>,
    /// Writes whatever the condition says.
    careless: bool,
    certain: bool,
}

/// A store in memory that fails on demand.
#[derive(Clone, Default)]
struct InMemory(Arc<Mutex<Shelf>>);

impl InMemory {
    fn certain() -> Self {
        let store = Self::default();
        store.shelf(|shelf| shelf.certain = true);
        store
    }

    fn shelf<T>(&self, work: impl FnOnce(&mut Shelf) -> T) -> T {
        work(&mut self.0.lock().unwrap())
    }

    fn fail(&self, faults: &[Fault]) {
        self.shelf(|shelf| shelf.faults = faults.iter().copied().collect());
    }

    fn put(&self, bytes: &[u8]) {
        self.shelf(|shelf| {
            shelf.writes += 1;
            shelf.record = Some((bytes.to_vec(), shelf.writes));
        });
    }

    fn bytes(&self) -> Option<Vec<u8>> {
        self.shelf(|shelf| shelf.record.as_ref().map(|(bytes, _)| bytes.clone()))
    }

    fn lease(&self, ttl: Duration) -> Lease {
        let pace = Pace {
            ttl,
            timeout: Duration::from_millis(50),
            renewal: Duration::ZERO,
            again: Duration::ZERO,
        };
        let store = self.clone();
        let open: Opener = Arc::new(move || {
            let store: Arc<dyn Store> = Arc::new(store.clone());
            Box::pin(async move { Ok(store) })
        });
        Lease::with_store("memory".into(), pace, open)
    }

    async fn call<T>(&self, work: impl FnOnce(&mut Shelf) -> T) -> Result<T, StoreError> {
        match self.shelf(|shelf| shelf.faults.pop_front()).unwrap_or(Fault::Pass) {
            Fault::Pass => Ok(self.shelf(work)),
            Fault::Refuse => Err(StoreError::new("refused")),
            Fault::LoseAnswer => {
                self.shelf(work);
                Err(StoreError::new("connection reset"))
            }
            Fault::Hang => std::future::pending().await,
        }
    }
}

fn version(number: u64) -> Version {
    Version { tag: Some(number.to_string()), more: None }
}

impl Store for InMemory {
    fn read(&self) -> BoxFuture<'_, Result<Option<Found>, StoreError>> {
        Box::pin(self.call(|shelf| {
            let (bytes, number) = shelf.record.clone()?;
            Some(Found { bytes, version: version(number) })
        }))
    }

    fn write<'a>(
        &'a self,
        record: &'a [u8],
        over: Option<&'a Version>,
    ) -> BoxFuture<'a, Result<Written, StoreError>> {
        Box::pin(self.call(move |shelf| {
            let now = shelf.record.as_ref().map(|(_, number)| version(*number));
            if now.as_ref() != over && !shelf.careless {
                return Written::Conflict;
            }
            shelf.writes += 1;
            shelf.record = Some((record.to_vec(), shelf.writes));
            Written::Done(version(shelf.writes))
        }))
    }

    fn conditions_are_certain(&self) -> bool {
        self.shelf(|shelf| shelf.certain)
    }
}

const LONG: Duration = Duration::from_secs(600);

/// A question of a server for itself alone; the other one is absent.
fn alone(server: &str, number: u64) -> Question {
    let name: ServerName = server.into();
    let other: ServerName = if server == "vm1" { "vm2" } else { "vm1" }.into();
    Question {
        cluster: "c".into(),
        server: name.clone(),
        engine: ArbiterQuestion {
            members: vec![name.clone()],
            term: Term { number, proposer: name },
            revision: Revision(number << 40),
            absent: BTreeMap::from([(other, None)]),
            voiceless: Default::default(),
        },
    }
}

fn both(server: &str, number: u64) -> Question {
    let mut question = alone(server, number);
    let absent = std::mem::take(&mut question.engine.absent);
    question.engine.members.extend(absent.into_keys());
    question
}

fn holder(store: &InMemory) -> (String, u64) {
    let record = Record::decode(&store.bytes().unwrap()).unwrap();
    (record.holder.to_string(), record.term.number)
}

#[tokio::test]
async fn a_lease_is_taken_renewed_and_refused_to_others() {
    let store = InMemory::certain();
    let (vm1, vm2) = (store.lease(LONG), store.lease(LONG));
    let answer = vm1.ask(&both("vm1", 1)).await;
    assert_eq!((answer.verdict, answer.handover), (Verdict::Held, None));
    assert!(answer.message.starts_with("vm1 holds the lease in term 1.vm1 since 2"), "{answer:?}");
    let first = store.bytes();
    assert_eq!(vm1.ask(&alone("vm1", 1)).await.verdict, Verdict::Held);
    assert_ne!(store.bytes(), first, "each renewal has a nonce of its own");
    let answer = vm2.ask(&alone("vm2", 2)).await;
    assert_eq!(answer.verdict, Verdict::Lost);
    assert!(
        answer.message.starts_with("memory: vm1 holds the lease in term 1.vm1; it may be taken")
    );
    let recorded = answer.recorded.unwrap();
    assert_eq!((recorded.term.number, recorded.revision), (1, Revision(1 << 40)));
    assert_eq!(holder(&store), ("vm1".into(), 1));
}

#[tokio::test]
async fn a_silent_holder_s_lease_is_taken_and_the_old_term_refused() {
    let store = InMemory::certain();
    let ttl = Duration::from_millis(30);
    let (vm1, vm2) = (store.lease(ttl), store.lease(ttl));
    assert_eq!(vm1.ask(&both("vm1", 1)).await.verdict, Verdict::Held);
    let mut answer = vm2.ask(&alone("vm2", 2)).await;
    while answer.verdict != Verdict::Held {
        assert_eq!(answer.verdict, Verdict::Lost, "{answer:?}");
        answer = vm2.ask(&alone("vm2", 2)).await;
    }
    assert!(answer.handover.unwrap() >= ttl, "{answer:?}");
    assert_eq!(answer.recorded.unwrap().term.number, 1);
    let answer = vm1.ask(&alone("vm1", 1)).await;
    assert_eq!(answer.verdict, Verdict::Lost);
    assert!(answer.message.contains("vm2 holds the lease in term 2.vm2"), "{answer:?}");
    assert_eq!(holder(&store), ("vm2".into(), 2));
}

#[tokio::test]
async fn a_lost_answer_to_a_write_that_was_made_is_found_by_its_nonce() {
    let store = InMemory::certain();
    let vm1 = store.lease(LONG);
    store.fail(&[Fault::Pass, Fault::LoseAnswer]);
    assert_eq!(vm1.ask(&both("vm1", 1)).await.verdict, Verdict::Held);
    // A renewal does not read first; its own answer is lost, then also that of the look.
    store.fail(&[Fault::LoseAnswer]);
    assert_eq!(vm1.ask(&both("vm1", 1)).await.verdict, Verdict::Held);
    store.fail(&[Fault::LoseAnswer, Fault::LoseAnswer]);
    assert_eq!(vm1.ask(&both("vm1", 1)).await.verdict, Verdict::Unknown);
    assert_eq!(vm1.ask(&both("vm1", 1)).await.verdict, Verdict::Held);
    store.fail(&[Fault::Hang, Fault::Hang]);
    let answer = vm1.ask(&both("vm1", 1)).await;
    assert_eq!(answer.verdict, Verdict::Unknown);
    assert_eq!(answer.message, "memory: no answer within 0s");
    assert_eq!(vm1.ask(&both("vm1", 1)).await.verdict, Verdict::Held);
}

#[tokio::test]
async fn a_write_that_was_not_made_is_never_held() {
    let store = InMemory::certain();
    let vm1 = store.lease(LONG);
    store.fail(&[Fault::Pass, Fault::Refuse]);
    assert_eq!(vm1.ask(&both("vm1", 1)).await.verdict, Verdict::Unknown);
    assert_eq!(store.bytes(), None);
    assert_eq!(vm1.ask(&both("vm1", 1)).await.verdict, Verdict::Held);
    let before = store.bytes();
    store.fail(&[Fault::Refuse]);
    assert_eq!(vm1.ask(&both("vm1", 1)).await.verdict, Verdict::Unknown, "our own older record");
    assert_eq!(store.bytes(), before);
}

#[tokio::test]
async fn the_wait_for_a_former_holder_survives_the_lost_answer_to_the_taking() {
    let store = InMemory::certain();
    let ttl = Duration::from_millis(30);
    let (vm1, vm2) = (store.lease(ttl), store.lease(ttl));
    assert_eq!(vm1.ask(&both("vm1", 1)).await.verdict, Verdict::Held);
    while holder(&store).0 == "vm1" {
        // Its read is answered; the answers to its write and to the second look are lost.
        store.fail(&[Fault::Pass, Fault::LoseAnswer, Fault::Refuse]);
        let answer = vm2.ask(&alone("vm2", 2)).await;
        assert_ne!(answer.verdict, Verdict::Held);
    }
    store.fail(&[]);
    let answer = vm2.ask(&alone("vm2", 2)).await;
    assert_eq!(answer.verdict, Verdict::Held);
    assert!(answer.handover.unwrap() >= ttl);
}

#[tokio::test]
async fn nonsense_is_unknown_and_left_as_it_is() {
    let store = InMemory::certain();
    let vm1 = store.lease(Duration::ZERO);
    let huge = vec![b' '; record::LENGTH_MAX + 1];
    let newer = br#"{"kind": "stead lease", "format": 2}"#;
    let nonsense: [&[u8]; 5] = [b"", b"<html>log in</html>", &huge, newer, b"{\"kind\":1}"];
    for bytes in nonsense {
        store.put(bytes);
        for question in [both("vm1", 9), alone("vm1", 10)] {
            let answer = vm1.ask(&question).await;
            assert_eq!(answer.verdict, Verdict::Unknown, "{answer:?}");
        }
        assert_eq!(store.bytes().as_deref(), Some(bytes));
    }
}

#[tokio::test]
async fn two_clusters_with_one_key_are_both_named_and_neither_writes() {
    let store = InMemory::certain();
    let (vm1, other) = (store.lease(Duration::ZERO), store.lease(Duration::ZERO));
    assert_eq!(vm1.ask(&both("vm1", 1)).await.verdict, Verdict::Held);
    let before = store.bytes();
    let mut question = both("vm1", 7);
    question.cluster = "d".into();
    let answer = other.ask(&question).await;
    assert_eq!(answer.verdict, Verdict::Unknown);
    assert_eq!(
        answer.message,
        "memory: the record belongs to cluster c, and this is cluster d: two clusters share one \
         key; give each its own"
    );
    assert_eq!(answer.recorded, None);
    assert_eq!(store.bytes(), before);
}

#[tokio::test]
async fn a_store_that_ignores_conditions_keeps_no_lease() {
    let store = InMemory::default();
    store.shelf(|shelf| shelf.careless = true);
    let vm1 = store.lease(LONG);
    for _ in 0..2 {
        let answer = vm1.ask(&both("vm1", 1)).await;
        assert_eq!(answer.verdict, Verdict::Unknown);
        assert!(answer.message.contains("does not know conditional writes"), "{answer:?}");
    }
    // One that keeps to them proves it once, and renews with one write each time.
    let store = InMemory::default();
    let vm1 = store.lease(LONG);
    assert_eq!(vm1.ask(&both("vm1", 1)).await.verdict, Verdict::Held);
    let writes = store.shelf(|shelf| shelf.writes);
    assert_eq!(vm1.ask(&both("vm1", 1)).await.verdict, Verdict::Held);
    assert_eq!(store.shelf(|shelf| shelf.writes), writes + 1);
}

#[tokio::test]
async fn a_deleted_record_is_not_made_anew_in_the_old_view() {
    let store = InMemory::certain();
    let vm1 = store.lease(Duration::ZERO);
    assert_eq!(vm1.ask(&both("vm1", 1)).await.verdict, Verdict::Held);
    store.shelf(|shelf| shelf.record = None);
    let answer = vm1.ask(&both("vm1", 1)).await;
    assert_eq!(answer.verdict, Verdict::Lost);
    assert!(answer.message.contains("the record was deleted"), "{answer:?}");
    assert_eq!(store.bytes(), None);
    assert_eq!(vm1.ask(&both("vm1", 2)).await.verdict, Verdict::Held, "the next view");
}

#[tokio::test]
async fn without_a_record_and_without_its_peer_a_server_claims_first() {
    let store = InMemory::certain();
    let ttl = Duration::from_millis(30);
    let vm1 = store.lease(ttl);
    let answer = vm1.ask(&alone("vm1", 1)).await;
    assert_eq!(answer.verdict, Verdict::Lost);
    assert!(answer.message.starts_with("memory: there was no record;"), "{answer:?}");
    assert!(Record::decode(&store.bytes().unwrap()).unwrap().claim);
    let mut answer = vm1.ask(&alone("vm1", 1)).await;
    while answer.verdict == Verdict::Lost {
        assert!(answer.message.contains("vm1 claims the lease in term 1.vm1"), "{answer:?}");
        answer = vm1.ask(&alone("vm1", 1)).await;
    }
    assert_eq!(answer.verdict, Verdict::Held);
    assert!(answer.handover.unwrap() >= ttl);
    assert!(!Record::decode(&store.bytes().unwrap()).unwrap().claim);
}

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Condvar, Mutex};

use super::*;
use crate::agent::clock;
use crate::api::timing::Timing;
use crate::engine::arbitration::disk::Slot;
use crate::engine::effect::ArbiterQuestion;
use crate::engine::ids::{Revision, Term};

const TIMEOUT: Duration = Duration::from_millis(500);
const IO_TIMEOUT: Duration = Duration::from_secs(20);

fn boot_time() -> Instant {
    clock::boot_time().unwrap()
}

fn setting(server: &str) -> Setting {
    Setting {
        cluster: "c".into(),
        server: server.into(),
        servers: vec!["n1".into(), "n2".into()],
        timing: Timing::derive(TIMEOUT, Duration::ZERO),
        disk_window: TIMEOUT * 2,
        clock: boot_time,
    }
}

fn on(path: &Path) -> Open {
    let path = path.to_owned();
    Arc::new(move || Ok(Box::new(Device::open(&path, "c")?) as Box<dyn Blocks>))
}

fn start(server: &str, open: Open) -> DiskArbiter {
    let run = u64::from(server.as_bytes()[1]);
    DiskArbiter::start(&setting(server), IO_TIMEOUT, run, boot_time, open)
}

fn question(term: u64, server: &str, members: &[&str]) -> Question {
    Question {
        cluster: "c".into(),
        server: server.into(),
        engine: ArbiterQuestion {
            members: members.iter().map(|member| (*member).into()).collect(),
            term: Term { number: term, proposer: server.into() },
            revision: Revision(term),
            absent: BTreeMap::new(),
            voiceless: Default::default(),
        },
    }
}

fn file() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk");
    let options = InitOptions { create: true, overwrite: false };
    assert!(!init(&path, "c", options).unwrap(), "made ready now");
    (folder, path)
}

async fn until_held(arbiter: &DiskArbiter, question: &Question) -> ArbiterAnswer {
    for _ in 0..2000 {
        let answer = arbiter.ask(question).await;
        if answer.verdict == Verdict::Held {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never held");
}

/// Two arbiters on one disk: the whole cluster, the cut, the death.
async fn play(path: &Path) {
    let (one, two) = (start("n1", on(path)), start("n2", on(path)));
    let whole = until_held(&two, &question(1, "n2", &["n1", "n2"])).await;
    assert_eq!(whole.handover, None);
    let mut device = Device::open(path, "c").unwrap();
    let mut lives = || matches!(device.read().unwrap()[0], Seen::Slot(_));
    for _ in 0..2000 {
        if lives() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(lives(), "n1 never showed itself");
    // Cut: n1 has the higher priority as soon as n2 gives up its claim.
    let alone = question(2, "n2", &["n2"]);
    for _ in 0..2000 {
        let answer = two.ask(&alone).await;
        if answer.message.contains("n1 lives and has a higher priority") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let first = until_held(&one, &question(2, "n1", &["n1"])).await;
    assert!(first.handover.is_some(), "n2 had claimed");
    assert_eq!(two.ask(&alone).await.verdict, Verdict::Lost);
}

#[tokio::test]
async fn two_servers_on_one_file_agree_on_who_goes_on() {
    let (_folder, path) = file();
    play(&path).await;
}

#[tokio::test]
async fn a_dead_servers_claim_is_taken_once_it_stood_still() {
    let (_folder, path) = file();
    let mut device = Device::open(&path, "c").unwrap();
    let claim = crate::engine::arbitration::disk::Claim {
        term: Term { number: 7, proposer: "n1".into() },
        members: vec!["n1".into()],
    };
    let highest = Some(claim.term.clone());
    let (claim, revision) = (Some(claim), Revision(9));
    let dead = Slot { claim, highest, revision, claims: 1, ..Slot::of("n1".into(), 1) };
    device.write(0, &dead).unwrap();
    let two = start("n2", on(&path));
    let answer = until_held(&two, &question(8, "n2", &["n2"])).await;
    assert!(answer.handover.is_some_and(|age| age >= TIMEOUT * 2), "{answer:?}");
    assert_eq!(answer.recorded.map(|recorded| recorded.revision), Some(Revision(9)));
    let lower = two.ask(&question(3, "n2", &["n2"])).await;
    assert_eq!(lower.verdict, Verdict::Lost);
    assert_eq!(lower.recorded.unwrap().term.number, 8);
}

#[tokio::test]
async fn a_loop_device_serves_with_direct_io() {
    let (_folder, path) = file();
    let made = Command::new("losetup").args(["--find", "--show"]).arg(&path).output();
    let device = match made {
        Ok(made) if made.status.success() => String::from_utf8(made.stdout).unwrap(),
        // Not every machine gives its tests loop devices.
        Ok(_) | Err(_) => return,
    };
    let device = device.trim();
    play(Path::new(device)).await;
    let detached = Command::new("losetup").args(["--detach", device]).status().unwrap();
    assert!(detached.success());
}

#[test]
fn a_disk_too_small_not_ready_or_of_another_cluster_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk");
    let plain = InitOptions::default();
    assert!(matches!(init(&path, "c", plain), Err(DiskError::Open { .. })), "there is none");
    std::fs::write(&path, [0; 4096]).unwrap();
    assert!(matches!(init(&path, "c", plain), Err(DiskError::TooSmall { found: 4096, .. })));
    assert!(matches!(Device::open(&path, "c"), Err(DiskError::TooSmall { .. })));
    std::fs::write(&path, vec![0; 1 << 20]).unwrap();
    assert!(matches!(Device::open(&path, "c"), Err(DiskError::NotReady { .. })));
    assert!(!init(&path, "c", plain).unwrap());
    assert!(init(&path, "c", plain).unwrap(), "once is enough");
    assert!(matches!(init(&path, "d", plain), Err(DiskError::OtherCluster { .. })));
    let error = Device::open(&path, "d").unwrap_err().to_string();
    assert!(error.contains("belongs to cluster c, and this is d"), "{error}");
}

#[test]
fn data_is_never_overwritten_unasked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk");
    let mut bytes = vec![0; 1 << 20];
    bytes[100_000] = 1;
    std::fs::write(&path, &bytes).unwrap();
    let plain = InitOptions::default();
    assert!(matches!(init(&path, "c", plain), Err(DiskError::HoldsData { .. })));
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    let overwrite = InitOptions { create: false, overwrite: true };
    assert!(!init(&path, "c", overwrite).unwrap());
    assert!(Device::open(&path, "c").is_ok());
}

#[test]
fn a_block_torn_in_the_middle_is_no_slot() {
    use std::os::unix::fs::FileExt;
    let (_folder, path) = file();
    let mut device = Device::open(&path, "c").unwrap();
    let slot = Slot::of("n1".into(), 1);
    device.write(3, &slot).unwrap();
    assert_eq!(device.read().unwrap()[3], Seen::Slot(slot));
    let raw = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    raw.write_all_at(&[0xff], 4 * 4096 + 45).unwrap();
    assert!(matches!(device.read().unwrap()[3], Seen::Torn(_)));
    assert_eq!(device.read().unwrap()[2], Seen::Empty);
}

/// A disk in memory that hangs while told to.
struct Hanging {
    slots: Arc<Mutex<Vec<Seen>>>,
    gate: Arc<Gate>,
    entered: Sender<()>,
}

/// Open, or not.
#[derive(Default)]
struct Gate {
    shut: Mutex<bool>,
    moved: Condvar,
}

impl Gate {
    fn pass(&self) {
        let mut shut = self.shut.lock().unwrap();
        while *shut {
            shut = self.moved.wait(shut).unwrap();
        }
    }

    fn set(&self, shut: bool) {
        *self.shut.lock().unwrap() = shut;
        self.moved.notify_all();
    }
}

impl Blocks for Hanging {
    fn read(&mut self) -> Result<Vec<Seen>, DiskError> {
        let _ = self.entered.send(());
        self.gate.pass();
        Ok(self.slots.lock().unwrap().clone())
    }

    fn write(&mut self, place: usize, slot: &Slot) -> Result<(), DiskError> {
        let _ = self.entered.send(());
        self.gate.pass();
        self.slots.lock().unwrap()[place] = Seen::Slot(slot.clone());
        Ok(())
    }
}

#[tokio::test]
async fn a_disk_that_hangs_holds_up_nobody_and_its_late_claim_is_withdrawn() {
    let slots = Arc::new(Mutex::new(vec![Seen::Empty; 8]));
    let gate = Arc::new(Gate::default());
    let (entered, enters) = channel();
    let (kept, gates) = (slots.clone(), gate.clone());
    let open: Open = Arc::new(move || {
        let (slots, gate, entered) = (kept.clone(), gates.clone(), entered.clone());
        Ok(Box::new(Hanging { slots, gate, entered }) as Box<dyn Blocks>)
    });
    let short = Duration::from_millis(100);
    let arbiter = DiskArbiter::start(&setting("n1"), short, 1, boot_time, open);
    let asked = question(1, "n1", &["n1"]);
    until_held(&arbiter, &asked).await;
    gate.set(true);
    while enters.try_recv().is_ok() {}
    enters.recv().unwrap();
    for _ in 0..3 {
        let answer = arbiter.ask(&asked).await;
        assert_eq!(answer.verdict, Verdict::Unknown, "{}", answer.message);
    }
    gate.set(false);
    let claims = || match &slots.lock().unwrap()[0] {
        Seen::Slot(slot) => slot.claim.is_some(),
        Seen::Empty | Seen::Torn(_) => false,
    };
    // The questions that nobody waits for are not asked any more; the arbiter works again.
    until_held(&arbiter, &asked).await;
    assert!(claims());
    drop(arbiter);
    for _ in 0..2000 {
        if !claims() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the claim outlives its agent");
}

#[tokio::test]
async fn no_disk_is_unknown_and_says_why() {
    let arbiter = start("n1", on(Path::new("/nonexistent/disk")));
    let answer = arbiter.ask(&question(1, "n1", &["n1"])).await;
    assert_eq!(answer.verdict, Verdict::Unknown);
    assert!(answer.message.starts_with("failed to open the disk /nonexistent/disk"));
}

#[tokio::test]
async fn what_an_earlier_run_claimed_stands_in_the_first_sign_of_life_of_the_next() {
    let (_folder, path) = file();
    let first = start("n1", on(&path));
    until_held(&first, &question(7, "n1", &["n1"])).await;
    drop(first);
    let left = until_slot(&path, |slot| slot.claim.is_none()).await;
    let _second = start("n1", on(&path));
    let next = until_slot(&path, |slot| *slot != left).await;
    assert_eq!((next.highest, next.revision), (left.highest, left.revision));
}

/// Waits for something in the first server's slot.
async fn until_slot(path: &Path, suits: impl Fn(&Slot) -> bool) -> Slot {
    let mut device = Device::open(path, "c").unwrap();
    for _ in 0..2000 {
        if let Seen::Slot(slot) = &device.read().unwrap()[0]
            && suits(slot)
        {
            return slot.clone();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("never there");
}

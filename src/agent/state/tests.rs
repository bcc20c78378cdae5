use std::sync::mpsc;

use super::writer::StateWriter;
use super::*;
use crate::api::timing::{TIMEOUT_MIN, Timing};
use crate::engine::effect::Event;
use crate::engine::ids::{ActionId, BootId};
use crate::engine::message::SelfFence;
use crate::engine::time::Instant;

fn term(number: u64) -> Term {
    Term { number, proposer: ServerName::from("node1") }
}

fn bootstrap() -> Result<Durable, StateError> {
    let mut objects = Objects::new();
    for name in ["web", "db"] {
        let json = format!(r#"{{"kind":"FailoverGroup","metadata":{{"name":"{name}"}}}}"#);
        let object = StoredObject { revision: Revision(1), json: json.into() };
        objects.insert(ObjectKey::new("FailoverGroup", name), object);
    }
    Ok(Durable::bootstrap(objects, Revision(1)))
}

fn no_bootstrap() -> Result<Durable, StateError> {
    Err(StateError::NoBootstrap { path: "state".into(), bootstrap: "bootstrap".into() })
}

fn event(number: u64) -> KeptEvent {
    let event = Event {
        number,
        server: ServerName::from("node1"),
        instant: Instant(number),
        wall: WallTime(5),
        object: ObjectKey::new("Server", "node1"),
        reason: "ServerLost".into(),
        parameters: Vec::new(),
        causes: Vec::new(),
    };
    KeptEvent { boot: BootId(1), event }
}

fn records() -> Vec<Record> {
    let key = |name| ObjectKey::new("FailoverGroup", name);
    vec![
        Record::Promised(term(7)),
        Record::SelfFence(ServerName::from("node2"), SelfFence::None),
        Record::SelfFence(
            ServerName::from("node1"),
            SelfFence::Within(std::time::Duration::from_millis(1350)),
        ),
        Record::Timing(Timing::derive(std::time::Duration::from_secs(3), TIMEOUT_MIN)),
        Record::Append {
            revision: Revision(9),
            changes: vec![(key("web"), None), (key("mail"), Some("{}".into()))],
        },
        Record::FinalAction(WallTime(42)),
    ]
}

#[test]
fn everything_written_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lib/state.redb");
    let (mut file, loaded) = StateFile::open(&path, bootstrap).unwrap();
    assert_eq!(loaded.durable, bootstrap().unwrap());
    let mut expected = loaded.durable;
    let records = records();
    file.write(&records.iter().collect::<Vec<_>>(), &[event(1), event(2)]).unwrap();
    records.iter().for_each(|record| expected.apply(record));
    drop(file);
    let (mut file, again) = StateFile::open(&path, no_bootstrap).unwrap();
    assert_eq!(again.durable, expected);
    assert_eq!(again.incarnation, loaded.incarnation);
    assert_eq!((loaded.boots, again.boots), (1, 2));
    assert_eq!(again.events, [event(1), event(2)]);

    let snapshot =
        Record::Snapshot { revision: Revision(20), objects: bootstrap().unwrap().objects };
    file.write(&[&snapshot], &[]).unwrap();
    expected.apply(&snapshot);
    drop(file);
    assert_eq!(StateFile::open(&path, no_bootstrap).unwrap().1.durable, expected);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn only_the_last_events_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.redb");
    let (mut file, _) = StateFile::open(&path, bootstrap).unwrap();
    let events: Vec<KeptEvent> = (0..EVENTS_MAX + 5).map(event).collect();
    file.write(&[], &events).unwrap();
    drop(file);
    let (_, loaded) = StateFile::open(&path, no_bootstrap).unwrap();
    assert_eq!(loaded.events.len() as u64, EVENTS_MAX);
    assert_eq!(loaded.events[0], event(5));
}

#[test]
fn a_newer_file_is_refused_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.redb");
    let (mut file, _) = StateFile::open(&path, bootstrap).unwrap();
    file.transact(|transaction| {
        transaction.open_table(NUMBERS)?.insert(FORMAT_KEY, FORMAT + 1)?;
        Ok(())
    })
    .unwrap();
    drop(file);
    let before = fs::read(&path).unwrap();
    let error = StateFile::open(&path, bootstrap).map(|_| ()).unwrap_err();
    assert!(matches!(error, StateError::Newer { found: 2, .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains(&*path.to_string_lossy()) && text.contains("newer"), "{text}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_damaged_file_is_refused_and_kept_wherever_it_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.redb");
    let (mut file, _) = StateFile::open(&path, bootstrap).unwrap();
    let records = records();
    file.write(&records.iter().collect::<Vec<_>>(), &[event(1)]).unwrap();
    drop(file);
    let (_, whole) = StateFile::open(&path, no_bootstrap).unwrap();
    let good = fs::read(&path).unwrap();
    let mut damages: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"not a state file".to_vec(),
        good[..good.len() / 2].to_vec(),
        good[..100].to_vec(),
    ];
    for start in (0..good.len()).step_by(good.len() / 24) {
        let mut damaged = good.clone();
        let end = (start + 700).min(good.len());
        damaged[start..end].iter_mut().for_each(|byte| *byte ^= 0xa5);
        damages.push(damaged);
    }
    let mut refused = 0;
    for damaged in damages {
        fs::write(&path, &damaged).unwrap();
        match StateFile::open(&path, no_bootstrap) {
            Err(StateError::Damaged { .. }) => {
                assert_eq!(fs::read(&path).unwrap(), damaged, "the file was changed");
                refused += 1;
            }
            Err(other) => panic!("{other}"),
            // Pages that nothing uses may hold anything.
            Ok((_, loaded)) => assert_eq!(loaded.durable, whole.durable),
        }
    }
    assert!(refused >= 5, "only {refused} refused");
}

#[test]
fn a_missing_file_without_bootstrap_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let error = StateFile::open(&folder.path().join("state.redb"), no_bootstrap).map(|_| ());
    assert!(error.unwrap_err().to_string().contains("stead init"));
}

#[test]
fn an_interrupted_creation_is_begun_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.redb");
    fs::write(folder.path().join("state.redb.new"), b"half").unwrap();
    let (_, loaded) = StateFile::open(&path, bootstrap).unwrap();
    assert_eq!(loaded.boots, 1);
}

#[test]
fn the_writer_answers_each_record_once_it_is_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.redb");
    let (file, _) = StateFile::open(&path, bootstrap).unwrap();
    let (sender, answers) = mpsc::channel();
    let answer = Box::new(move |id, result| drop(sender.send((id, result))));
    let writer = StateWriter::start(file, folder.path().join("aside"), answer).unwrap();
    for number in 1..=50 {
        assert!(writer.persist(ActionId(number), Record::Promised(term(number))));
        assert!(writer.event(event(number)));
    }
    for number in 1..=50 {
        assert_eq!(answers.recv().unwrap(), (ActionId(number), Ok(())));
    }
    drop(writer);
    let (_, loaded) = StateFile::open(&path, no_bootstrap).unwrap();
    assert_eq!(loaded.durable.promised, term(50));
    assert_eq!(loaded.events.len(), 50);
}

#[test]
fn a_disk_that_takes_nothing_gives_an_error_and_works_again_later() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.redb");
    let (mut file, _) = StateFile::open(&path, bootstrap).unwrap();
    let record = Record::Promised(term(3));
    // The file is out of reach when it is next opened, as after a failed write.
    file.database = None;
    let away = folder.path().join("away");
    fs::rename(&path, &away).unwrap();
    let error = file.write(&[&record], &[]).unwrap_err();
    assert!(error.to_string().contains("state.redb"), "{error}");
    fs::rename(&away, &path).unwrap();
    file.write(&[&record], &[]).unwrap();
    drop(file);
    assert_eq!(StateFile::open(&path, no_bootstrap).unwrap().1.durable.promised, term(3));
}

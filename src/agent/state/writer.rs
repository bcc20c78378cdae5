//! The one thread that writes the state: it takes what has gathered and commits it at once.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::StateFile;
use crate::agent::aside::keep;
use crate::agent::transport::frame::KeptEvent;
use crate::engine::effect::Record;
use crate::engine::ids::{ActionId, Revision};
use crate::engine::model::Objects;

/// How long an event waits for a record that is written anyway.
const EVENTS_DELAY: Duration = Duration::from_secs(1);
/// Most entries of one commit.
const BATCH_MAX: usize = 512;

/// The answer to a record.
pub type Answer = Box<dyn Fn(ActionId, Result<(), String>) + Send>;

enum Entry {
    Record(ActionId, Record),
    Event(Box<KeptEvent>),
    Aside(Revision, Objects),
}

/// The writing thread. Dropping it writes what is left and ends the thread.
pub struct StateWriter {
    entries: Option<Sender<Entry>>,
    thread: Option<JoinHandle<()>>,
}

impl StateWriter {
    /// Starts it. `aside` is the folder of what other histories took the place of.
    ///
    /// # Errors
    /// Where no thread can be made.
    pub fn start(file: StateFile, aside: PathBuf, answer: Answer) -> std::io::Result<Self> {
        let (sender, receiver) = channel();
        let thread = std::thread::Builder::new()
            .name("state".into())
            .spawn(move || write_until_closed(file, &aside, &receiver, &answer))?;
        Ok(Self { entries: Some(sender), thread: Some(thread) })
    }

    /// Writes a record; `answer` is called once it is on disk or could not be written. False where
    /// the thread is gone.
    pub fn persist(&self, id: ActionId, record: Record) -> bool {
        self.send(Entry::Record(id, record))
    }

    /// Keeps an event; written within a second or two.
    pub fn event(&self, event: KeptEvent) -> bool {
        self.send(Entry::Event(Box::new(event)))
    }

    /// Keeps a store in a file for people, before what was asked for later is written.
    pub fn aside(&self, revision: Revision, objects: Objects) -> bool {
        self.send(Entry::Aside(revision, objects))
    }

    fn send(&self, entry: Entry) -> bool {
        self.entries.as_ref().is_some_and(|entries| entries.send(entry).is_ok())
    }
}

impl Drop for StateWriter {
    fn drop(&mut self) {
        self.entries = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[derive(Default)]
struct Batch {
    records: Vec<(ActionId, Record)>,
    events: Vec<KeptEvent>,
    aside: Vec<(Revision, Objects)>,
}

impl Batch {
    fn add(&mut self, entry: Entry) {
        match entry {
            Entry::Record(id, record) => self.records.push((id, record)),
            Entry::Event(event) => self.events.push(*event),
            Entry::Aside(revision, objects) => self.aside.push((revision, objects)),
        }
    }

    fn len(&self) -> usize {
        self.records.len() + self.events.len()
    }
}

fn write_until_closed(
    mut file: StateFile,
    aside: &Path,
    entries: &Receiver<Entry>,
    answer: &Answer,
) {
    let mut batch = Batch::default();
    let mut last_error = None;
    loop {
        let open = gather(entries, &mut batch);
        for (revision, objects) in batch.aside.drain(..) {
            if let Err(error) = keep(aside, revision, &objects) {
                tracing::error!(%error, %revision, "the former history could not be kept aside");
            }
        }
        commit(&mut file, &mut batch, answer, &mut last_error);
        if !open {
            return;
        }
    }
}

/// Waits for entries: until a record came, or events have waited long enough. False at the end.
fn gather(entries: &Receiver<Entry>, batch: &mut Batch) -> bool {
    while batch.records.is_empty() {
        let entry = if batch.events.is_empty() {
            entries.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            entries.recv_timeout(EVENTS_DELAY)
        };
        match entry {
            Ok(entry) => batch.add(entry),
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
        if batch.len() >= BATCH_MAX {
            return true;
        }
    }
    while batch.len() < BATCH_MAX
        && let Ok(entry) = entries.try_recv()
    {
        batch.add(entry);
    }
    true
}

fn commit(
    file: &mut StateFile,
    batch: &mut Batch,
    answer: &Answer,
    last_error: &mut Option<String>,
) {
    if batch.len() == 0 {
        return;
    }
    let records: Vec<&Record> = batch.records.iter().map(|(_, record)| record).collect();
    let result = file.write(&records, &batch.events).map_err(|error| error.to_string());
    let error = result.as_ref().err();
    // Said once, however often it is tried again.
    if let Some(error) = error.filter(|error| last_error.as_ref() != Some(error)) {
        tracing::error!(error, records = records.len(), "the state could not be written");
    }
    *last_error = error.cloned();
    for (id, _) in batch.records.drain(..) {
        answer(id, result.clone());
    }
    // Events that the disk did not take are in the log and with the peers.
    batch.events.clear();
}

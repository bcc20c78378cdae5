//! What survives: a transactional file that one thread writes.
//!
//! A file that can't be read whole, or that a newer release wrote, is refused and left as it is:
//! starting with less than what was promised could run a group twice. It is checked on a copy in
//! memory, because opening a damaged file for writing would already change it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use redb::backends::InMemoryBackend;
use redb::{
    Builder, Database, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition,
    WriteTransaction,
};

use crate::agent::transport::frame::KeptEvent;
use crate::agent::transport::keys::random;
use crate::api::names::ServerName;
use crate::engine::durable::Durable;
use crate::engine::effect::Record;
use crate::engine::ids::{IncarnationId, Revision, Term};
use crate::engine::model::{ObjectKey, Objects, StoredObject};
use crate::engine::time::WallTime;

pub mod writer;

/// Version of the tables; a file of a later one is refused.
pub const FORMAT: u64 = 1;
/// Events kept.
pub const EVENTS_MAX: u64 = 10_000;
/// Memory that the file's pages may take: all reading happens once, at the start.
const CACHE_BYTES: usize = 1 << 20;

const NUMBERS: TableDefinition<&str, u64> = TableDefinition::new("numbers");
const RECORDS: TableDefinition<&str, &[u8]> = TableDefinition::new("records");
const SELF_FENCE: TableDefinition<&str, &[u8]> = TableDefinition::new("selfFence");
const OBJECTS: TableDefinition<(&str, &str), (u64, &str)> = TableDefinition::new("objects");
const EVENTS: TableDefinition<u64, &[u8]> = TableDefinition::new("events");

const FORMAT_KEY: &str = "format";
const TIMING_KEY: &str = "timing";
const INCARNATION_KEY: &str = "incarnation";
const BOOTS_KEY: &str = "boots";
const REVISION_KEY: &str = "revision";
const PROMISED_KEY: &str = "promised";
const FINAL_ACTIONS_KEY: &str = "finalActions";
const ROOM_KEY: &str = "room";

/// Why the state could not be opened or written.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another release's.
    #[error(
        "the state file {} has format {found}, this release reads up to {FORMAT}; \
         it is left as it is. Install the release that wrote it, or a newer one", path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u64,
    },
    /// Not readable.
    #[error(
        "the state file {} is damaged: {reason}; it is left as it is. This server must not start \
         with less than it promised: move the file aside, and it joins as a server with a new disk, \
         filled by the others", path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// No file yet, and nothing to make it from.
    #[error(
        "there is no state file {} and no bootstrap file {}: copy the folder that `stead init` \
         wrote for this server to /etc/stead", path.display(), bootstrap.display()
    )]
    NoBootstrap {
        /// The state file.
        path: PathBuf,
        /// The bootstrap file.
        bootstrap: PathBuf,
    },
    /// The bootstrap file is wrong.
    #[error("failed to read the bootstrap file {}: {reason}", path.display())]
    Bootstrap {
        /// The bootstrap file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Reading or writing failed.
    #[error("failed to {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A transaction failed.
    #[error("failed to write {}: {reason}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// What was on disk at the start.
#[derive(Debug)]
pub struct Loaded {
    /// For the engine.
    pub durable: Durable,
    /// The state folder.
    pub incarnation: IncarnationId,
    /// How many times an agent started with it, this time included.
    pub boots: u64,
    /// Events, oldest first.
    pub events: Vec<KeptEvent>,
}

/// The open file.
pub struct StateFile {
    path: PathBuf,
    /// None after a failed write, until it is opened anew.
    database: Option<Database>,
}

type AnyError = Box<dyn std::error::Error + Send + Sync>;

impl StateFile {
    /// Opens the file, or makes it from what `bootstrap` gives; counts the start.
    ///
    /// # Errors
    /// Where it is missing without bootstrap, damaged, of a newer release, or not writable.
    pub fn open(
        path: &Path,
        bootstrap: impl FnOnce() -> Result<Durable, StateError>,
    ) -> Result<(Self, Loaded), StateError> {
        Self::open_as(path, || Ok((bootstrap()?, None)))
    }

    /// The same; a new file gets the id that `bootstrap` gives with it, or one of its own.
    ///
    /// # Errors
    /// As [`StateFile::open`].
    pub fn open_as(
        path: &Path,
        bootstrap: impl FnOnce() -> Result<(Durable, Option<IncarnationId>), StateError>,
    ) -> Result<(Self, Loaded), StateError> {
        if !path.exists() {
            let (durable, incarnation) = bootstrap()?;
            create(path, &durable, incarnation)?;
        }
        let mut loaded = check(path)?;
        let mut file = Self { path: path.to_owned(), database: None };
        loaded.boots += 1;
        file.transact(|transaction| {
            transaction.open_table(NUMBERS)?.insert(BOOTS_KEY, loaded.boots)?;
            Ok(())
        })?;
        Ok((file, loaded))
    }

    /// Writes records and events in one transaction, with fsync.
    ///
    /// # Errors
    /// Where the disk does not take it; nothing is written then, and the next call tries again.
    pub fn write(&mut self, records: &[&Record], events: &[KeptEvent]) -> Result<(), StateError> {
        self.transact(|transaction| {
            for record in records {
                put_record(transaction, record)?;
            }
            put_events(transaction, events)
        })
    }

    fn transact(
        &mut self,
        work: impl FnOnce(&WriteTransaction) -> Result<(), AnyError>,
    ) -> Result<(), StateError> {
        let failed = |error: &dyn std::error::Error| StateError::Write {
            path: self.path.clone(),
            reason: explain(error),
        };
        let database = match self.database.take() {
            Some(database) => database,
            None => builder().open(&self.path).map_err(|error| failed(&error))?,
        };
        let written = begin(&database).and_then(|transaction| {
            work(&transaction)?;
            transaction.commit()?;
            Ok(())
        });
        written.map_err(|error| failed(&*error))?;
        // After a failure it is dropped instead: what it holds in memory is not what is on disk.
        self.database = Some(database);
        Ok(())
    }
}

/// Begins a transaction whose damage is found later instead of being rolled back silently: a
/// promise that was made must not be forgotten. It costs a second fsync.
fn begin(database: &Database) -> Result<WriteTransaction, AnyError> {
    let mut transaction = database.begin_write()?;
    transaction.set_two_phase_commit(true);
    Ok(transaction)
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

/// The whole chain of an error in one line.
fn explain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
        source = error.source();
    }
    text
}

/// Makes a new file under another name, so that one which was interrupted is never taken for
/// the state.
fn create(
    path: &Path,
    durable: &Durable,
    incarnation: Option<IncarnationId>,
) -> Result<(), StateError> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let io_error = |action, path: &Path| {
        let path = path.to_owned();
        move |source| StateError::Io { action, path, source }
    };
    fs::create_dir_all(folder).map_err(io_error("create the folder", folder))?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
        .map_err(io_error("restrict the folder", folder))?;
    let new = path.with_extension("redb.new");
    let _ = fs::remove_file(&new);
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)
        .map_err(io_error("create", &new))?;
    let drawn = || {
        let number = random().map(u64::from_be_bytes);
        number
            .map(IncarnationId)
            .map_err(|error| StateError::Write { path: new.clone(), reason: error.to_string() })
    };
    let incarnation = incarnation.map_or_else(drawn, Ok)?;
    let failed = |error: &dyn std::error::Error| StateError::Write {
        path: new.clone(),
        reason: explain(error),
    };
    let database = builder().create(&new).map_err(|error| failed(&error))?;
    fill(&database, incarnation, durable).map_err(|error| failed(&*error))?;
    drop(database);
    fs::rename(&new, path).map_err(io_error("name", path))?;
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(io_error("sync the folder", folder))
}

fn fill(
    database: &Database,
    incarnation: IncarnationId,
    durable: &Durable,
) -> Result<(), AnyError> {
    let transaction = begin(database)?;
    {
        let mut numbers = transaction.open_table(NUMBERS)?;
        numbers.insert(FORMAT_KEY, FORMAT)?;
        numbers.insert(INCARNATION_KEY, incarnation.0)?;
        numbers.insert(BOOTS_KEY, 0)?;
        transaction.open_table(EVENTS)?;
        transaction.open_table(SELF_FENCE)?;
    }
    put_record(&transaction, &Record::Promised(durable.promised.clone()))?;
    if let Some(timing) = durable.timing {
        put_record(&transaction, &Record::Timing(timing))?;
    }
    let (revision, objects) = (durable.revision, durable.objects.clone());
    put_record(&transaction, &Record::Snapshot { revision, objects })?;
    transaction.commit()?;
    Ok(())
}

fn put_record(transaction: &WriteTransaction, record: &Record) -> Result<(), AnyError> {
    match record {
        Record::Promised(term) => {
            let bytes = postcard::to_stdvec(term)?;
            transaction.open_table(RECORDS)?.insert(PROMISED_KEY, bytes.as_slice())?;
        }
        Record::SelfFence(server, self_fence) => {
            let bytes = postcard::to_stdvec(self_fence)?;
            transaction.open_table(SELF_FENCE)?.insert(server.as_str(), bytes.as_slice())?;
        }
        Record::Timing(timing) => {
            let bytes = postcard::to_stdvec(timing)?;
            transaction.open_table(RECORDS)?.insert(TIMING_KEY, bytes.as_slice())?;
        }
        Record::Append { revision, changes } => {
            let mut objects = transaction.open_table(OBJECTS)?;
            for (key, json) in changes {
                let key = (key.kind.as_str(), key.name.as_str());
                match json {
                    Some(json) => drop(objects.insert(key, (revision.0, &**json))?),
                    None => drop(objects.remove(key)?),
                }
            }
            transaction.open_table(NUMBERS)?.insert(REVISION_KEY, revision.0)?;
        }
        Record::Snapshot { revision, objects } => {
            transaction.delete_table(OBJECTS)?;
            let mut table = transaction.open_table(OBJECTS)?;
            for (key, object) in objects {
                let key = (key.kind.as_str(), key.name.as_str());
                table.insert(key, (object.revision.0, &*object.json))?;
            }
            transaction.open_table(NUMBERS)?.insert(REVISION_KEY, revision.0)?;
        }
        Record::FinalAction(time) => {
            let mut table = transaction.open_table(RECORDS)?;
            let mut actions: Vec<WallTime> = match table.get(FINAL_ACTIONS_KEY)? {
                Some(bytes) => postcard::from_bytes(bytes.value())?,
                None => Vec::new(),
            };
            actions.push(*time);
            let surplus = actions.len().saturating_sub(Durable::FINAL_ACTIONS_MAX);
            actions.drain(..surplus);
            table.insert(FINAL_ACTIONS_KEY, postcard::to_stdvec(&actions)?.as_slice())?;
        }
        Record::Room(0) => drop(transaction.open_table(RECORDS)?.remove(ROOM_KEY)?),
        Record::Room(bytes) => {
            let room = vec![0; usize::try_from(*bytes)?];
            transaction.open_table(RECORDS)?.insert(ROOM_KEY, room.as_slice())?;
        }
    }
    Ok(())
}

fn put_events(transaction: &WriteTransaction, events: &[KeptEvent]) -> Result<(), AnyError> {
    if events.is_empty() {
        return Ok(());
    }
    let mut table = transaction.open_table(EVENTS)?;
    let mut next = table.last()?.map_or(0, |(number, _)| number.value() + 1);
    for event in events {
        table.insert(next, postcard::to_stdvec(event)?.as_slice())?;
        next += 1;
    }
    let first = table.first()?.map_or(next, |(number, _)| number.value());
    for surplus in first..next.saturating_sub(EVENTS_MAX) {
        table.remove(surplus)?;
    }
    Ok(())
}

/// Reads everything from a copy in memory.
fn check(path: &Path) -> Result<Loaded, StateError> {
    let io_error = |source| StateError::Io { action: "read", path: path.to_owned(), source };
    let damaged = |reason: String| StateError::Damaged { path: path.to_owned(), reason };
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(io_error)?;
    let bytes = fs::read(path).map_err(io_error)?;
    // The library asserts some of what a damaged file can break.
    let read = std::panic::catch_unwind(|| read_copy(&bytes))
        .map_err(|_| damaged("its structure is broken".to_owned()))?;
    match read {
        Ok(Copy::Read(loaded)) => Ok(*loaded),
        Ok(Copy::Newer(found)) => Err(StateError::Newer { path: path.to_owned(), found }),
        Err(error) => Err(damaged(explain(&*error))),
    }
}

enum Copy {
    Read(Box<Loaded>),
    Newer(u64),
}

fn read_copy(bytes: &[u8]) -> Result<Copy, AnyError> {
    if bytes.is_empty() {
        return Err("it is empty".into());
    }
    let memory = InMemoryBackend::new();
    memory.set_len(u64::try_from(bytes.len())?)?;
    memory.write(0, bytes)?;
    let mut database = builder().create_with_backend(memory)?;
    // False says only that its map of free pages was made anew, as after a kill.
    database.check_integrity()?;
    let transaction = database.begin_read()?;
    let numbers = transaction.open_table(NUMBERS)?;
    let number = |key: &'static str| -> Result<u64, AnyError> {
        Ok(numbers.get(key)?.ok_or_else(|| format!("it has no number {key:?}"))?.value())
    };
    let format = number(FORMAT_KEY)?;
    if format > FORMAT {
        return Ok(Copy::Newer(format));
    }
    let records = transaction.open_table(RECORDS)?;
    let promised: Term = match records.get(PROMISED_KEY)? {
        Some(bytes) => postcard::from_bytes(bytes.value())?,
        None => return Err("it has no promised term".into()),
    };
    let final_actions = match records.get(FINAL_ACTIONS_KEY)? {
        Some(bytes) => postcard::from_bytes(bytes.value())?,
        None => Vec::new(),
    };
    let timing = match records.get(TIMING_KEY)? {
        Some(bytes) => Some(postcard::from_bytes(bytes.value())?),
        None => None,
    };
    let mut self_fence_of = BTreeMap::new();
    for entry in transaction.open_table(SELF_FENCE)?.iter()? {
        let (server, bytes) = entry?;
        let server = ServerName::from(server.value());
        self_fence_of.insert(server, postcard::from_bytes(bytes.value())?);
    }
    let mut objects = Objects::new();
    for entry in transaction.open_table(OBJECTS)?.iter()? {
        let (key, value) = entry?;
        let ((kind, name), (revision, json)) = (key.value(), value.value());
        let object = StoredObject { revision: Revision(revision), json: json.into() };
        objects.insert(ObjectKey::new(kind, name), object);
    }
    let mut events = Vec::new();
    for entry in transaction.open_table(EVENTS)?.iter()? {
        events.push(postcard::from_bytes(entry?.1.value())?);
    }
    let revision = Revision(number(REVISION_KEY)?);
    Ok(Copy::Read(Box::new(Loaded {
        durable: Durable { promised, self_fence_of, timing, revision, objects, final_actions },
        incarnation: IncarnationId(number(INCARNATION_KEY)?),
        boots: number(BOOTS_KEY)?,
        events,
    })))
}

#[cfg(test)]
mod tests;

//! `stead cluster recover`: a person says that one server's store is the truth from now on.
//!
//! For the case that no view can form without servers whose disks were replaced (design.md 6): the
//! store of one server gets a revision above all others, and forgets the state folders of the
//! others, which may then be members at once. Works on the state file of a stopped agent.

use std::path::PathBuf;
use std::sync::Arc;

use super::config::{AgentConfig, ConfigError, Layout};
use super::lock::{AgentLock, LockError};
use super::state::{StateError, StateFile};
use crate::api::names::{GroupName, ServerName};
use crate::engine::durable::Durable;
use crate::engine::effect::Record;
use crate::engine::ids::{IncarnationId, Revision, Term};
use crate::engine::lineage::Lineage;
use crate::engine::model::{ObjectKey, Objects};
use crate::engine::placement::{
    Desired, DiskIntent, GroupIntent, INTENT_KIND, disk_intent_key, group_intent_key,
};
use crate::engine::time::WallTime;

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// `agent.yaml`.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Another server's machine.
    #[error("this is server {here}; run it on {asked}, whose store is to be kept")]
    Elsewhere {
        /// The server here.
        here: String,
        /// The one asked for.
        asked: String,
    },
    /// The agent runs.
    #[error("failed to take the state: stop the agent first, with systemctl stop stead-agent")]
    Lock(#[from] LockError),
    /// The state file.
    #[error(transparent)]
    State(#[from] StateError),
    /// There is none.
    #[error("there is no state file {}: this server has nothing to recover from", .0.display())]
    NoState(PathBuf),
}

/// What would be done, and the means to do it.
pub struct Recovery {
    file: StateFile,
    _lock: AgentLock,
    records: Vec<Record>,
    /// The server.
    pub server: String,
    /// Its state folder.
    pub incarnation: IncarnationId,
    /// The revision of its store now.
    pub before: Revision,
    /// The revision afterwards.
    pub after: Revision,
    /// What people wrote that it holds.
    pub objects: Objects,
    /// The other servers.
    pub others: Vec<String>,
}

impl Recovery {
    /// Reads the state of the server that this machine is.
    ///
    /// # Errors
    /// Where it is another server, its agent runs, or its state can't be read.
    pub fn prepare(layout: &Layout, from: &str, now: WallTime) -> Result<Self, RecoverError> {
        let config = AgentConfig::read(layout)?;
        if config.server != from {
            let (here, asked) = (config.server, from.to_owned());
            return Err(RecoverError::Elsewhere { here, asked });
        }
        let lock = AgentLock::take(&layout.lock())?;
        let path = layout.state();
        if !path.exists() {
            return Err(RecoverError::NoState(path));
        }
        let missing = StateError::NoBootstrap { path: path.clone(), bootstrap: layout.bootstrap() };
        let (file, loaded) = StateFile::open(&path, || Err(missing))?;
        let me = ServerName::from(from);
        let (records, after) = records(&me, &loaded.durable, loaded.incarnation, now);
        let before = loaded.durable.revision;
        let mut objects = loaded.durable.objects;
        objects.retain(|key, _| key.kind != INTENT_KIND);
        let others = config.peers.into_iter().map(|peer| peer.name).collect();
        Ok(Self {
            file,
            _lock: lock,
            records,
            server: from.to_owned(),
            incarnation: loaded.incarnation,
            before,
            after,
            objects,
            others,
        })
    }

    /// Does it.
    ///
    /// # Errors
    /// Where the disk does not take it; nothing is changed then.
    pub fn carry_out(mut self) -> Result<(), RecoverError> {
        let records: Vec<&Record> = self.records.iter().collect();
        Ok(self.file.write(&records, &[])?)
    }
}

/// A term and a revision above all that this server knows of, its own folder known, no other.
fn records(
    me: &ServerName,
    durable: &Durable,
    incarnation: IncarnationId,
    now: WallTime,
) -> (Vec<Record>, Revision) {
    let number = durable.promised.number.max(durable.revision.term()) + 1;
    let revision = Revision((number << Revision::INDEX_BITS) + 1);
    let own = disk_intent_key(me);
    let before = durable.objects.get(&own).and_then(|object| DiskIntent::read(&object.json));
    let lost = before.map_or(0, |known| known.lost);
    let known = DiskIntent { incarnation, since: now, first: false, holds: None, lost };
    let others = durable
        .objects
        .keys()
        .filter(|key| key.kind == INTENT_KIND && key.name.starts_with("disk.") && **key != own);
    let mut changes: Vec<_> = others.map(|key| (key.clone(), None)).collect();
    changes.push((own.clone(), known.json().map(Into::into)));
    let promised = Term { number, proposer: me.clone() };
    let lineage = Lineage::read(&durable.objects).continued(&promised, durable.revision);
    if let Some(text) = lineage.and_then(|lineage| lineage.json()) {
        changes.push((Lineage::key(), Some(text.into())));
    }
    changes.extend(stopped_groups(durable, me, now));
    (vec![Record::Promised(promised), Record::Append { revision, changes }], revision)
}

/// Every group stays stopped until a person starts it: whose data it is to run on is for a person
/// to say, too.
fn stopped_groups(
    durable: &Durable,
    me: &ServerName,
    now: WallTime,
) -> Vec<(ObjectKey, Option<Arc<str>>)> {
    let groups = durable.objects.keys().filter(|key| key.kind == "FailoverGroup");
    let why = |group: &str| {
        let when = now.rfc3339();
        format!("the cluster was recovered from {me} at {when}; stead group start {group}")
    };
    groups
        .map(|key| {
            let desired = Desired::Stopped { why: why(&key.name) };
            let intent = GroupIntent { desired, ..GroupIntent::default() };
            let group = GroupName::from(key.name.as_str());
            (group_intent_key(&group), intent.json().map(Into::into))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::model::StoredObject;

    #[test]
    fn a_recovered_store_is_above_all_others_and_knows_its_own_folder_only() {
        let mut objects = Objects::new();
        for name in ["node1", "node2", "node3"] {
            let disk = DiskIntent {
                incarnation: IncarnationId(1),
                since: WallTime(0),
                first: true,
                holds: None,
                lost: 2,
            };
            let json = disk.json().unwrap().into();
            let object = StoredObject { revision: Revision(1), json };
            objects.insert(disk_intent_key(&name.into()), object);
        }
        let group = StoredObject { revision: Revision(1), json: "{}".into() };
        objects.insert(ObjectKey::new("FailoverGroup", "web"), group);
        let mut durable = Durable::bootstrap(objects, Revision((7 << Revision::INDEX_BITS) + 3));
        durable.promised = Term { number: 9, proposer: "node3".into() };
        let me = ServerName::from("node2");
        let (records, revision) = records(&me, &durable, IncarnationId(5), WallTime(42));
        records.iter().for_each(|record| durable.apply(record));
        assert_eq!(revision.term(), 10);
        assert_eq!(durable.revision, revision);
        assert_eq!(durable.promised, Term { number: 10, proposer: me.clone() });
        let keys: Vec<_> = durable.objects.keys().cloned().collect();
        let kept = [
            ObjectKey::new("FailoverGroup", "web"),
            disk_intent_key(&me),
            group_intent_key(&"web".into()),
            Lineage::key(),
        ];
        assert_eq!(keys, kept);
        let known = DiskIntent::read(&durable.objects[&disk_intent_key(&me)].json).unwrap();
        assert_eq!((known.incarnation, known.lost), (IncarnationId(5), 2));
    }
}

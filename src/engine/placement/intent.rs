//! What people asked for and must survive: objects of kind `Intent` in the store, one for each
//! group and server that has any. No object means `Automatic`, and a server that takes part.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::facts::{KeptOut, Out};
use crate::api::kinds::Machines;
use crate::api::names::{GroupName, ServerName};
use crate::engine::ids::{BootId, GrantId, IncarnationId, Revision};
use crate::engine::model::ObjectKey;
use crate::engine::time::WallTime;

/// The kind of the objects; never served.
pub const INTENT_KIND: &str = "Intent";

/// What is asked of a group; stored under [`group_intent_key`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GroupIntent {
    /// Whether it is to run.
    pub desired: Desired,
    /// The run under this order is to end and the group to start again where it was; or, where
    /// the group could not be stopped under it, that is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart: Option<GrantId>,
    /// The uid of the operation that is carrying this out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// It ran on several servers at once, and nobody has acted on it since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dual: Option<DualActivation>,
}

/// A group that ran on several servers at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DualActivation {
    /// When that was found.
    pub since: WallTime,
    /// Where it ran.
    pub servers: Vec<ServerName>,
    /// Where it goes on; none: nowhere.
    pub kept: Option<ServerName>,
}

/// The cluster is being shut down, or was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterShutdown {
    /// The uid of the operation.
    pub operation: String,
    /// Since when.
    pub since: WallTime,
    /// What becomes of the machines.
    pub machines: Machines,
    /// The runs of the members' agents that end, once every group has stopped.
    pub ended: BTreeMap<ServerName, BootId>,
}

impl ClusterShutdown {
    /// The object's text.
    #[must_use]
    pub fn json(&self) -> Option<String> {
        serde_json::to_string(self).ok()
    }

    /// Reads the object's text.
    #[must_use]
    pub fn read(json: &str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }
}

/// The key of the cluster's shutdown.
#[must_use]
pub fn shutdown_intent_key() -> ObjectKey {
    ObjectKey::new(INTENT_KIND, "shutdown")
}

/// Whether a group is to run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum Desired {
    /// As its attributes say.
    #[default]
    Automatic,
    /// It is to run.
    Running {
        /// An operation is bringing it here. Goes when the operation ends: no move leaves a rule
        /// behind.
        on: Option<ServerName>,
    },
    /// It stays stopped until an operation starts it.
    Stopped {
        /// In words.
        why: String,
    },
}

/// What is asked of a server; stored under [`server_intent_key`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerIntent {
    /// Why it is kept out.
    pub out: Out,
    /// Since when.
    pub since: WallTime,
    /// In words, without the time.
    pub message: String,
}

/// The state folder that a server is known by; stored under [`disk_intent_key`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DiskIntent {
    /// Its id.
    pub incarnation: IncarnationId,
    /// Since when it counts.
    pub since: WallTime,
    /// It was given by `stead init`, and no view has had this server as a member since.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub first: bool,
    /// The revision that it certainly held when this was written; none: this one. A folder that is
    /// older was wiped since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds: Option<Revision>,
    /// How many folders of this server may have been lost before, and what they promised with them.
    #[serde(default, skip_serializing_if = "is_none_lost")]
    pub lost: u32,
}

fn is_none_lost(lost: &u32) -> bool {
    *lost == 0
}

impl DiskIntent {
    /// The object's text.
    #[must_use]
    pub fn json(&self) -> Option<String> {
        serde_json::to_string(self).ok()
    }

    /// Reads the object's text.
    #[must_use]
    pub fn read(json: &str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }
}

/// The key of what a server's state folder is known by.
#[must_use]
pub fn disk_intent_key(server: &ServerName) -> ObjectKey {
    ObjectKey::new(INTENT_KIND, format!("disk.{server}"))
}

/// The key of a group's intent.
#[must_use]
pub fn group_intent_key(group: &GroupName) -> ObjectKey {
    ObjectKey::new(INTENT_KIND, format!("fg.{group}"))
}

/// The key of a server's intent.
#[must_use]
pub fn server_intent_key(server: &ServerName) -> ObjectKey {
    ObjectKey::new(INTENT_KIND, format!("srv.{server}"))
}

/// What an `Intent` object is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IntentOf {
    /// A group.
    Group(GroupName, GroupIntent),
    /// A server.
    Server(ServerName, ServerIntent),
}

impl IntentOf {
    /// Reads an object of the store; `None` for another kind or a text nobody here wrote.
    #[must_use]
    pub fn read(key: &ObjectKey, json: &str) -> Option<Self> {
        if key.kind != INTENT_KIND {
            return None;
        }
        if let Some(group) = key.name.strip_prefix("fg.") {
            return Some(Self::Group(group.into(), serde_json::from_str(json).ok()?));
        }
        let server = key.name.strip_prefix("srv.")?;
        Some(Self::Server(server.into(), serde_json::from_str(json).ok()?))
    }
}

impl GroupIntent {
    /// The object's text; `None` where no object is needed.
    #[must_use]
    pub fn json(&self) -> Option<String> {
        // Plain structs of strings and numbers always serialise.
        if *self == Self::default() { None } else { serde_json::to_string(self).ok() }
    }
}

impl ServerIntent {
    /// The object's text.
    #[must_use]
    pub fn json(&self) -> Option<String> {
        serde_json::to_string(self).ok()
    }

    /// What placement is told.
    #[must_use]
    pub fn kept_out(&self) -> KeptOut {
        let verb = match self.out {
            Out::Failed => "failed",
            Out::Detached => "was detached",
            Out::Unfit | Out::Ailing => "can start nothing since",
        };
        let message = match self.message.as_str() {
            "" => format!("{verb} at {}", self.since.rfc3339()),
            words => format!("{verb} at {}: {words}", self.since.rfc3339()),
        };
        KeptOut { out: self.out, message }
    }
}

//! What the world needs of a node: the engine, or a puppet of the simulator's own tests.

use std::collections::BTreeMap;

use super::disk::Contents;
use crate::api::kinds::GroupState;
use crate::api::names::{GroupName, ServerName};
use crate::engine::effect::Effect;
use crate::engine::ids::{BootId, Revision, Term};
use crate::engine::input::Input;
use crate::engine::model::Objects;
use crate::engine::time::{Instant, Now};

/// Who a node is in this run of its agent.
#[derive(Clone, Debug)]
pub struct Birth {
    /// Its server.
    pub server: ServerName,
    /// This run.
    pub boot: BootId,
    /// Whether an exclusive arbiter outside the cluster decides (the lease stand-in).
    pub lease_arbiter: bool,
    /// Where its randomness comes from.
    pub seed: u64,
}

/// What a leader says of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSeen {
    /// Where it stands.
    pub state: GroupState,
    /// The server it is granted to.
    pub server: Option<ServerName>,
}

/// What a leader says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Of each group.
    pub groups: BTreeMap<GroupName, GroupSeen>,
    /// Servers that are kept from running groups.
    pub out: Vec<ServerName>,
}

/// One server's decisions.
pub trait Node: Sized {
    /// A new run of the agent with what its disk holds.
    fn start(birth: Birth, contents: &Contents, now: Now) -> Self;
    /// See `engine`.
    fn handle(&mut self, now: Now, input: Input);
    /// See `engine`.
    fn poll_effect(&mut self) -> Option<Effect>;
    /// See `engine`.
    fn poll_timeout(&self) -> Option<Instant>;
    /// The term in which it leads an installed view.
    fn leads(&self) -> Option<Term>;
    /// Members of the view it follows or leads.
    fn members(&self) -> Vec<ServerName>;
    /// Its store.
    fn store(&self) -> (Revision, &Objects);
    /// What it says of groups and servers.
    fn seen(&self, now: Now) -> Seen;
}

//! What the world needs of a node: the engine, or a puppet of the simulator's own tests.

use std::collections::BTreeMap;

use crate::api::kinds::GroupState;
use crate::api::names::{GroupName, ServerName};
use crate::engine::durable::{Durable, Identity};
use crate::engine::effect::Effect;
use crate::engine::ids::{Revision, Term};
use crate::engine::input::Input;
use crate::engine::model::Objects;
use crate::engine::mutation::Flaw;
use crate::engine::time::{Instant, Now};

/// A new run of an agent.
#[derive(Clone, Debug)]
pub struct Birth {
    /// Who it is.
    pub identity: Identity,
    /// What its disk holds.
    pub durable: Durable,
    /// Whether the arbiter asked is exclusive (the lease stand-in).
    pub exclusive: bool,
    /// Where its randomness comes from.
    pub seed: u64,
    /// What is broken in it on purpose.
    pub flaw: Flaw,
}

/// What a leader says of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSeen {
    /// Where it stands.
    pub state: GroupState,
    /// The server it is granted to.
    pub server: Option<ServerName>,
    /// Why.
    pub message: String,
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
    /// A new run of the agent.
    fn start(birth: Birth, now: Now) -> Self;
    /// See `engine`.
    fn handle(&mut self, now: Now, input: Input);
    /// See `engine`.
    fn poll_effect(&mut self) -> Option<Effect>;
    /// See `engine`.
    fn poll_timeout(&self) -> Option<Instant>;
    /// The term in which it leads an installed view.
    fn leads(&self) -> Option<Term>;
    /// The term of the view it follows or leads, or did last.
    fn term(&self) -> Option<Term>;
    /// Members of the view it follows or leads.
    fn members(&self) -> Vec<ServerName>;
    /// Its store.
    fn store(&self) -> (Revision, &Objects);
    /// Whether it misses a member of its view, is about to change that, or leads and has decided what
    /// is not written everywhere yet.
    fn unquiet(&self) -> bool;
    /// What it says of groups and servers.
    fn seen(&mut self) -> Seen;
}

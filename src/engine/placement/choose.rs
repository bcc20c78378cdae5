//! Which server is the best one for a group.

use super::facts::{GroupFacts, View};
use super::report::WhyNot;
use crate::api::names::ServerName;
use crate::engine::model::GroupModel;

/// Servers are compared by this; the least is the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Score<'a> {
    /// Activation failed there: only where nothing else is left.
    pub refused: bool,
    /// The group was failed over away from there a moment ago.
    pub just_left: bool,
    /// Position in the failover policy.
    pub policy_index: usize,
    /// Settles what the rest leaves open.
    pub server: &'a ServerName,
}

/// Why a group may not start on a server at all; past failures there do not count.
#[must_use]
pub fn unavailable(view: &View<'_>, group: &GroupModel, server: &ServerName) -> Option<WhyNot> {
    if !group.servers.contains(server) {
        return Some(WhyNot::NotInPolicy);
    }
    server_unavailable(view, server)
}

/// The same for a server that is known to be in the policy.
pub(super) fn server_unavailable(view: &View<'_>, server: &ServerName) -> Option<WhyNot> {
    let Some(facts) = view.servers.get(server) else {
        return Some(WhyNot::NotInPolicy);
    };
    if let Some(kept) = &facts.kept_out {
        return Some(WhyNot::KeptOut { out: kept.out, message: kept.message.clone() });
    }
    if facts.member { None } else { Some(WhyNot::NotMember) }
}

/// Available servers of the policy with their scores. `left` is the server that the group has
/// just been failed over away from.
fn scores<'a>(
    view: &'a View<'_>,
    group: &'a GroupModel,
    facts: &'a GroupFacts,
    left: Option<&'a ServerName>,
) -> impl Iterator<Item = Score<'a>> {
    group
        .servers
        .iter()
        .enumerate()
        .filter(|(_, server)| {
            view.servers.get(*server).is_some_and(|known| known.member && known.kept_out.is_none())
        })
        .map(move |(policy_index, server)| Score {
            refused: facts.refused.contains_key(server),
            just_left: left == Some(server),
            policy_index,
            server,
        })
}

/// The best server for a group that runs nowhere. It never stays down for a past failure: servers
/// that failed it come last, but they come.
#[must_use]
pub fn best<'a>(
    view: &'a View<'_>,
    group: &'a GroupModel,
    facts: &'a GroupFacts,
    left: Option<&'a ServerName>,
) -> Option<&'a ServerName> {
    scores(view, group, facts, left).min().map(|score| score.server)
}

/// The best server to leave `current` for: one where activation has not failed.
#[must_use]
pub fn another<'a>(
    view: &'a View<'_>,
    group: &'a GroupModel,
    facts: &'a GroupFacts,
    current: &'a ServerName,
) -> Option<&'a ServerName> {
    scores(view, group, facts, None)
        .filter(|score| !score.refused && score.server != current)
        .min()
        .map(|score| score.server)
}

/// The server to go back to: earlier in the policy than `current`, and available only since the
/// group was placed. A server that was there all the time was passed over for a reason.
#[must_use]
pub fn better<'a>(
    view: &'a View<'_>,
    group: &'a GroupModel,
    facts: &'a GroupFacts,
    current: &ServerName,
) -> Option<&'a ServerName> {
    let own = group.servers.iter().position(|server| server == current)?;
    scores(view, group, facts, None)
        .filter(|score| !score.refused && score.policy_index < own)
        .filter(|score| {
            view.servers.get(score.server).is_some_and(|known| known.available_since > facts.placed)
        })
        .min()
        .map(|score| score.server)
}

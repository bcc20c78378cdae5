//! What decides how an engine goes on, for whoever explores its states: without what is only told,
//! counted or compiled from elsewhere.

use std::fmt;

use super::Engine;

/// An engine's state, to be printed with `{:?}`.
pub struct Deciding<'a>(pub(super) &'a Engine);

impl fmt::Debug for Deciding<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let engine = self.0;
        let durable = &engine.durable;
        let report = (
            engine.report_sent.map(|(version, at)| (version == engine.report_version, at)),
            engine.report_seen == engine.report_version,
        );
        let pre_vote =
            engine.pre_vote.as_ref().map(|round| (round.asked, &round.members, &round.granted));
        let revisions: Vec<_> =
            durable.objects.iter().map(|(key, object)| (&key.name, object.revision)).collect();
        let answers = (&engine.boot, &engine.renewed, &engine.answered, &engine.next_tick);
        write!(f, "{answers:?}{:?}{:?}", engine.must_rejoin, engine.promised)?;
        write!(f, "{:?}{:?}", durable.promised, durable.self_fence_of)?;
        write!(f, "{:?}{revisions:?}{:?}", durable.revision, engine.promised_to_others)?;
        write!(f, "{:?}{:?}{:?}", engine.liveness, engine.support, engine.view)?;
        write!(f, "{:?}{pre_vote:?}{:?}", engine.lease, engine.proposal)?;
        write!(f, "{:?}{:?}", engine.leadership, engine.store)?;
        write!(f, "{:?}{:?}", engine.groups.deciding(), engine.keeper)?;
        write!(f, "{:?}", [engine.retired, engine.closing, engine.out_of_service])?;
        write!(f, "{:?}", [engine.isolated, engine.was_started])?;
        write!(f, "{:?}{:?}", engine.candidacy, engine.recorded_term)?;
        write!(f, "{:?}{:?}{:?}", engine.ends_at, engine.shut_down, engine.missed)?;
        write!(f, "{:?}{:?}", engine.last_members, engine.orders_taken)?;
        write!(f, "{:?}{report:?}{:?}", engine.intents, engine.awaiting_disk)?;
        write!(f, "{:?}", engine.disk)
    }
}

//! What decides how an engine goes on, for whoever explores its states: without what is only told,
//! counted or compiled from elsewhere.
//!
//! Every field is named here, so that none is forgotten: a new one does not compile before it is said
//! whether it decides.

use std::fmt;

use super::Engine;
use crate::engine::durable::Durable;

/// An engine's state, to be printed with `{:?}`.
pub struct Deciding<'a>(pub(super) &'a Engine);

impl fmt::Debug for Deciding<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Engine {
            boot,
            durable,
            promised,
            must_rejoin,
            promised_to_others,
            liveness,
            support,
            view,
            lease,
            renewed,
            answered,
            pre_vote,
            candidacy,
            proposal,
            leadership,
            store,
            groups,
            keeper,
            retired,
            closing,
            out_of_service,
            ends_at,
            shut_down,
            recorded_term,
            missed,
            isolated,
            was_started,
            last_members,
            orders_taken,
            intents,
            report_version,
            report_sent,
            report_seen,
            next_tick,
            awaiting_disk,
            disk,
            // The same in every state that is compared, or another state's time.
            flaw: _,
            identity: _,
            now: _,
            exclusive: _,
            // Made of what `durable` holds.
            model: _,
            compiled_from: _,
            // Of what does not happen in explorations: changes of the spec, pauses, guards, monitors
            // and fences.
            retiming: _,
            pausing: _,
            guarding: _,
            monitors: _,
            fences: _,
            // Only counted, shown or told; effects are taken at once.
            pre_vote_rounds: _,
            sent: _,
            groups_seen: _,
            versions_told: _,
            ids: _,
            arbitration_said: _,
            effects: _,
            chronicle: _,
            since: _,
        } = self.0;
        let Durable {
            promised: promised_on_disk,
            self_fence_of,
            revision,
            objects,
            timing: _,
            final_actions: _,
        } = durable;
        let report = (
            report_sent.map(|(version, at)| (version == *report_version, at)),
            report_seen == report_version,
        );
        let pre_vote = pre_vote.as_ref().map(|round| (round.asked, &round.members, &round.granted));
        let revisions: Vec<_> =
            objects.iter().map(|(key, object)| (&key.name, object.revision)).collect();
        let answers = (boot, renewed, answered, next_tick);
        write!(f, "{answers:?}{must_rejoin:?}{promised:?}{promised_on_disk:?}{self_fence_of:?}")?;
        write!(f, "{revision:?}{revisions:?}{promised_to_others:?}")?;
        write!(f, "{liveness:?}{support:?}{view:?}{pre_vote:?}{lease:?}{proposal:?}")?;
        write!(f, "{leadership:?}{store:?}{:?}{keeper:?}", groups.deciding())?;
        write!(f, "{:?}", [retired, closing, out_of_service, isolated, was_started])?;
        write!(f, "{candidacy:?}{recorded_term:?}{ends_at:?}{shut_down:?}{missed:?}")?;
        write!(f, "{last_members:?}{orders_taken:?}{intents:?}{report:?}{awaiting_disk:?}{disk:?}")
    }
}

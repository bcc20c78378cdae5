//! `AwsScheduledEvents`: an event that is announced, and one that is due.

use jiff::{SignedDuration, Timestamp};

use super::{Finding, Look, coded};
use crate::api::types::AwsScheduledEventsMonitorSpec;
use crate::cloud::aws::{Announced, AwsError};
use crate::engine::input::CheckResult;

/// Checks once. Several monitors, with lead times of their own, share one look for each interval.
pub(super) async fn check(
    look: &Look<'_>,
    own: &AwsScheduledEventsMonitorSpec,
) -> Result<Finding, AwsError> {
    let ask = || look.session.announced();
    let announced = look.session.kept.announced.ask(String::new(), look.every, ask).await?;
    Ok(judge(own, &announced, Timestamp::now()))
}

fn judge(own: &AwsScheduledEventsMonitorSpec, announced: &[Announced], now: Timestamp) -> Finding {
    let lead = SignedDuration::try_from(std::time::Duration::from(own.lead_time)).ok();
    let is_due = |one: &&Announced| {
        let counts = one.event.is_none_or(|event| !own.warn_only.contains(&event));
        // One without a time is told and moves nothing: nobody knows when.
        let near = |at: Timestamp| lead.is_some_and(|lead| at.duration_since(now) <= lead);
        counts && one.at.is_some_and(near)
    };
    let (due, later): (Vec<&Announced>, Vec<&Announced>) = announced.iter().partition(is_due);
    if !due.is_empty() {
        return (CheckResult::Error, coded("AwsEventDue", &list(&due)));
    }
    if !later.is_empty() {
        return (CheckResult::Warning, coded("AwsEventScheduled", &list(&later)));
    }
    (CheckResult::Normal, "nothing is scheduled for this instance".to_owned())
}

fn list(events: &[&Announced]) -> String {
    let describe = |one: &&Announced| match one.at {
        Some(at) => format!("{}, not before {at}", one.text),
        None => format!("{}, at no time that could be read", one.text),
    };
    events.iter().map(describe).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::types::AwsInstanceEvent;

    fn own(written: &str) -> AwsScheduledEventsMonitorSpec {
        serde_json::from_str(written).unwrap()
    }

    fn event(event: Option<AwsInstanceEvent>, at: Option<&str>) -> Announced {
        let at = at.map(|at| at.parse().unwrap());
        Announced { event, at, text: "system-reboot e-1".into() }
    }

    #[test]
    fn an_event_is_a_warning_until_its_lead_time_has_come() {
        let now: Timestamp = "2027-01-21T09:00:00Z".parse().unwrap();
        let judged = |written: &str, events: &[Announced]| {
            let (result, text) = judge(&own(written), events, now);
            (result, text.rsplit(' ').next().unwrap_or_default().to_owned())
        };
        let reboot = |at| event(Some(AwsInstanceEvent::SystemReboot), Some(at));
        let warning = (CheckResult::Warning, "(AwsEventScheduled)".to_owned());
        let error = (CheckResult::Error, "(AwsEventDue)".to_owned());
        assert_eq!(judged("{}", &[]).0, CheckResult::Normal);
        assert_eq!(judged("{}", &[reboot("2027-01-21T09:15:01Z")]), warning);
        assert_eq!(judged("{}", &[reboot("2027-01-21T09:15:00Z")]), error);
        assert_eq!(judged("{}", &[reboot("2027-01-21T08:00:00Z")]), error, "under way");
        let longer = r#"{"leadTime": "1h"}"#;
        assert_eq!(judged(longer, &[reboot("2027-01-21T09:15:01Z")]), error);
        let ignored = r#"{"warnOnly": ["SystemReboot"]}"#;
        assert_eq!(judged(ignored, &[reboot("2027-01-21T09:00:01Z")]), warning);
        assert_eq!(judged("{}", &[event(None, None)]), warning, "nobody knows when");
        assert_eq!(judged(ignored, &[event(None, Some("2027-01-21T09:00:01Z"))]), error);
    }
}

//! What an outage was made of.

use std::fmt;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use stead::engine::time::Instant;

use crate::client::Outage;

/// Nanoseconds that may be negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub i64);

impl Span {
    /// From one instant to another, which may lie before it.
    pub fn between(from: Instant, to: Instant) -> Self {
        let nanoseconds = i128::from(to.0) - i128::from(from.0);
        Self(i64::try_from(nanoseconds).unwrap_or(if nanoseconds < 0 {
            i64::MIN
        } else {
            i64::MAX
        }))
    }

    /// Milliseconds, to the microsecond.
    pub fn milliseconds(self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "hours in microseconds fit exactly")]
        let microseconds = (self.0 / 1000) as f64;
        microseconds / 1000.0
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.milliseconds() / 1000.0)
    }
}

/// The instants that divide an outage.
#[derive(Clone, Copy, Debug)]
pub struct Instants {
    /// When the fault, or the move, began.
    pub fault: Instant,
    /// When, by the protocol's arithmetic, another server may start at the earliest; none where
    /// nothing has to be waited for.
    pub allowed: Option<Instant>,
    /// When the probe port was open on the new server.
    pub open: Instant,
}

/// An outage and its parts, which add up to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// From the client's last answer before to its first answer after.
    pub outage: Span,
    /// What the protocol makes everybody wait, as far as the client saw it.
    pub prescribed: Span,
    /// From the application's first instruction to its open port.
    pub application_start: Span,
    /// From the open probe port, and an application that can answer, to the first answer: the
    /// balancer's health check and the client's next try. And from the client's last answer to the
    /// fault, where that time is not the protocol's: the client's rhythm too.
    pub balancer: Span,
    /// The remainder: ours.
    pub overhead: Span,
}

impl Split {
    /// Divides an outage.
    pub fn new(outage: &Outage, instants: &Instants) -> Self {
        let (before, after) = (outage.before.at, outage.after.at);
        let answer = &outage.after.answer;
        let total = Span::between(before, after);
        let (prescribed, rhythm) = match instants.allowed {
            Some(allowed) => (Span::between(before, allowed), Span(0)),
            None => (Span(0), Span::between(before, instants.fault.max(before))),
        };
        let application_start = Span::between(answer.started, answer.listening);
        // An answer may come before the event that the port is open: it proves that it is.
        let ready = answer.listening.max(instants.open).min(after);
        let balancer = Span(Span::between(ready, after).0 + rhythm.0);
        let overhead = Span(total.0 - prescribed.0 - application_start.0 - balancer.0);
        Self { outage: total, prescribed, application_start, balancer, overhead }
    }

    /// An error where less time passed than the protocol prescribes: somebody started too early.
    pub fn check(&self) -> Result<()> {
        ensure!(
            self.overhead.0 >= 0,
            "our own share is negative: the application started {} s before it was allowed to",
            Span(-self.overhead.0)
        );
        Ok(())
    }

    /// Of several runs the one whose outage is in the middle.
    pub fn median(runs: &[Self]) -> Option<Self> {
        let mut sorted = runs.to_vec();
        sorted.sort_by_key(|split| split.outage);
        sorted.get(runs.len().saturating_sub(1) / 2).copied()
    }

    /// All parts, for a fault.
    pub fn json(&self) -> Value {
        json!({
            "outageMs": self.outage.milliseconds(),
            "prescribedMs": self.prescribed.milliseconds(),
            "applicationStartMs": self.application_start.milliseconds(),
            "balancerMs": self.balancer.milliseconds(),
            "overheadMs": self.overhead.milliseconds(),
        })
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { outage, prescribed, application_start, balancer, overhead } = self;
        write!(
            f,
            "client outage {outage} s = prescribed {prescribed} + application start \
             {application_start} + balancer {balancer} + ours {overhead}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Answer, Success};

    const MILLISECOND: u64 = 1_000_000;

    fn outage(before: u64, after: u64, started: u64, listening: u64) -> Outage {
        let at = |milliseconds: u64| Instant(milliseconds * MILLISECOND);
        let answer = |server: &str, started: u64, listening: u64| Answer {
            server: server.into(),
            started: at(started),
            listening: at(listening),
        };
        Outage {
            before: Success { at: at(before), answer: answer("vm1", 1, 2) },
            after: Success { at: at(after), answer: answer("vm2", started, listening) },
        }
    }

    fn instants(fault: u64, allowed: Option<u64>, open: u64) -> Instants {
        let at = |milliseconds: u64| Instant(milliseconds * MILLISECOND);
        Instants { fault: at(fault), allowed: allowed.map(at), open: at(open) }
    }

    fn parts(split: &Split) -> [f64; 5] {
        [split.outage, split.prescribed, split.application_start, split.balancer, split.overhead]
            .map(Span::milliseconds)
    }

    #[test]
    fn the_parts_add_up_to_the_outage() {
        let split = Split::new(&outage(100, 1500, 1470, 1475), &instants(105, Some(1464), 1480));
        assert_eq!(parts(&split), [1400.0, 1364.0, 5.0, 20.0, 11.0]);
        split.check().unwrap();
    }

    #[test]
    fn where_nothing_is_waited_for_the_clients_rhythm_is_not_ours() {
        let split = Split::new(&outage(100, 160, 130, 135), &instants(108, None, 137));
        assert_eq!(parts(&split), [60.0, 0.0, 5.0, 31.0, 24.0]);
    }

    #[test]
    fn an_answer_before_the_event_that_the_port_is_open_took_the_balancer_no_time() {
        let split = Split::new(&outage(100, 160, 130, 135), &instants(100, None, 163));
        assert_eq!(parts(&split), [60.0, 0.0, 5.0, 0.0, 55.0]);
    }

    #[test]
    fn who_starts_before_it_is_allowed_is_found_out() {
        let split = Split::new(&outage(100, 1400, 1370, 1375), &instants(105, Some(1464), 1380));
        let error = split.check().unwrap_err().to_string();
        assert!(error.contains("started 0.089 s before"), "{error}");
    }

    #[test]
    fn the_median_run_is_one_of_the_runs() {
        let runs = [30, 10, 20].map(|outage| Split { outage: Span(outage), ..Split::default() });
        assert_eq!(Split::median(&runs).map(|split| split.outage), Some(Span(20)));
        assert_eq!(Split::median(&[]), None);
    }
}

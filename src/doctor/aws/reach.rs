//! Credentials, region, endpoints, and the clock.

use super::facts::{Asked, Facts};
use super::{Check, Finding, is_of_credentials, told};
use crate::cloud::aws::{Cause, Endpoint};

/// Beyond this AWS refuses what is signed.
const REFUSED_BEYOND: i64 = 300_000;
/// Beyond this somebody should look, in milliseconds.
const WORTH_A_LOOK: i64 = 1000;
/// The date of an answer says whole seconds.
const DATE: i64 = 1000;

pub fn judge(facts: &Facts, findings: &mut Vec<Finding>) {
    credentials(facts, findings);
    findings.push(Finding::ok(Check::Region, "AWS", facts.region.clone()));
    for asked in &facts.endpoints {
        let name = name(asked.endpoint);
        findings.push(match &asked.answer {
            Ok(_) => {
                let text = format!("answers within {} ms", asked.received - asked.sent);
                Finding::ok(Check::Endpoints, name, text)
            }
            Err(error) if is_of_credentials(error.cause) => {
                let text = "not asked without usable credentials: see credentials";
                Finding::skipped(Check::Endpoints, name, text)
            }
            Err(error) => told(Check::Endpoints, name, error),
        });
    }
    findings.push(clock(&facts.endpoints));
}

fn name(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::Ec2 => "EC2",
        Endpoint::Route53 => "Route 53",
    }
}

fn credentials(facts: &Facts, findings: &mut Vec<Finding>) {
    let source = match &facts.source {
        Ok(source) => *source,
        Err(error) => {
            findings.push(told(Check::Credentials, "source", error));
            return;
        }
    };
    findings.push(Finding::ok(Check::Credentials, "source", format!("from the {source}")));
    findings.push(match &facts.identity {
        Ok(identity) => {
            let text = format!("{} in account {}", identity.arn, identity.account);
            Finding::ok(Check::Credentials, "identity", text)
        }
        // STS is needed for nothing else unless a role is assumed: a VPC may lead nowhere to it.
        Err(error) if matches!(error.cause, Cause::Unreachable | Cause::NoAnswer) => {
            let text = format!("whose they are is not known, for STS does not answer: {error}");
            Finding::skipped(Check::Credentials, "identity", text)
        }
        Err(error) => told(Check::Credentials, "identity", error),
    });
}

/// How far this clock is off at least, in milliseconds; ahead is positive.
fn offset(asked: &Asked) -> Option<i64> {
    let date = asked.answer.as_ref().ok()?.date? * 1000;
    let (least, most) = (asked.sent - (date + DATE), asked.received - date);
    Some(if least > 0 {
        least
    } else if most < 0 {
        most
    } else {
        0
    })
}

fn clock(endpoints: &[Asked]) -> Finding {
    const OBJECT: &str = "this machine";
    let worst = endpoints.iter().filter_map(offset).max_by_key(|offset| offset.abs());
    let Some(offset) = worst else {
        let text = "no answer of AWS says what time it is";
        return Finding::skipped(Check::Clock, OBJECT, text);
    };
    let seconds = offset.unsigned_abs().div_ceil(1000);
    let side = if offset > 0 { "ahead of" } else { "behind" };
    let words = format!("it is at least {seconds} s {side} that of AWS");
    match offset.abs() {
        0..=WORTH_A_LOOK => Finding::ok(Check::Clock, OBJECT, "as that of AWS, within a second"),
        ..=REFUSED_BEYOND => Finding::coded(Check::Clock, OBJECT, "ClockOff", words),
        _ => Finding::coded(Check::Clock, OBJECT, "AwsClockSkew", words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::aws::Reached;
    use crate::doctor::Outcome;

    fn asked(sent: i64, received: i64, date: i64) -> Asked {
        let answer = Ok(Reached { date: Some(date) });
        Asked { endpoint: Endpoint::Ec2, sent, received, answer }
    }

    #[test]
    fn a_clock_is_off_only_as_far_as_is_certain() {
        // The date of 10.999 s is 10, and the answer took two seconds.
        assert_eq!(offset(&asked(10_000, 12_000, 10)), Some(0));
        assert_eq!(offset(&asked(11_900, 12_000, 10)), Some(900));
        assert_eq!(offset(&asked(20_000, 20_100, 10)), Some(9_000));
        assert_eq!(offset(&asked(1_000, 1_100, 10)), Some(-8_900));
        let outcome = |local: i64| {
            let finding = clock(&[asked(local, local, 1_000)]);
            (finding.outcome, finding.code)
        };
        assert_eq!(outcome(1_000_500), (Outcome::Ok, None));
        assert_eq!(outcome(1_003_000), (Outcome::Warning, Some("ClockOff")));
        assert_eq!(outcome(600_000), (Outcome::Error, Some("AwsClockSkew")));
        assert_eq!(clock(&[]).outcome, Outcome::Skipped);
    }
}

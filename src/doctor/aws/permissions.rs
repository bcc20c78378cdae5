//! Every action that agents need: lists by having asked, changes by dry runs.

use std::collections::BTreeMap;

use super::facts::{Answers, Facts};
use super::{Check, Finding, told};
use crate::api::aws::{ACTIONS, Caller, Limit, Uses};
use crate::cloud::aws::{AwsError, CARRIED_OUT, Cause};

/// One action and what it was asked about.
type Asked<'a> = Vec<(String, Result<(), &'a AwsError>)>;

pub fn judge(uses: &Uses, facts: &Facts, findings: &mut Vec<Finding>) {
    let mut asked = asked(facts);
    let needed = ACTIONS.iter().filter(|action| {
        facts.kinds.contains(&action.of)
            && action.caller == Caller::Agent
            && applies(action.limit, uses)
    });
    let mut seen = Vec::new();
    for action in needed {
        if seen.contains(&action.name) {
            continue;
        }
        seen.push(action.name);
        match asked.remove(action.name) {
            Some(answers) => of_action(action.name, &answers, findings),
            None => {
                let why = untried(action.name);
                findings.push(Finding::skipped(Check::Permissions, action.name, why));
            }
        }
    }
}

/// Some actions are needed for addresses of one family only.
fn applies(limit: Limit, uses: &Uses) -> bool {
    let has = |six: bool| uses.secondary_ips.iter().any(|(_, own)| own.address.is_ipv6() == six);
    if limit == Limit::Ipv4Interfaces {
        return has(false);
    }
    limit != Limit::Ipv6Interfaces || has(true)
}

/// Why an action was not asked for.
fn untried(action: &str) -> &'static str {
    match action {
        "ec2:AssignPrivateIpAddresses" | "ec2:AssignIpv6Addresses" => {
            "AWS has no dry run of it: the first activation shows it"
        }
        "route53:ChangeResourceRecordSets" => {
            "Route 53 has no dry run, and with deleteOnStop: false nothing harmless to ask for: the \
             first activation shows it"
        }
        "ec2:ReplaceRoute" => "no entry leads to a network interface yet: see routes",
        "ec2:DisassociateAddress" => "nothing is associated now that could be asked about",
        "s3:ListBucket" | "s3:GetObject" | "s3:PutObject" => {
            "the lease arbiter asks for it by itself: stead status"
        }
        "sts:AssumeRole" => "see credentials",
        "ec2:DescribeAvailabilityZones" => "no zone is named: each server asks for its own",
        _ => "there was nothing to ask about",
    }
}

/// What was asked, by action.
fn asked(facts: &Facts) -> BTreeMap<&'static str, Asked<'_>> {
    let mut asked: BTreeMap<&'static str, Asked<'_>> = BTreeMap::new();
    list(&mut asked, "ec2:DescribeVpcs", &facts.vpcs);
    list(&mut asked, "ec2:DescribeRouteTables", &facts.tables);
    list(&mut asked, "ec2:DescribeNetworkInterfaces", &facts.interfaces);
    list(&mut asked, "ec2:DescribeAddresses", &facts.allocations);
    list(&mut asked, "route53:ListResourceRecordSets", &facts.records);
    list(&mut asked, "ec2:DescribeAvailabilityZones", &facts.zones);
    list(&mut asked, "ec2:DescribeInstances", &facts.instances);
    list(&mut asked, "ec2:DescribeInstanceAttribute", &facts.protected);
    for permit in &facts.permits {
        let answer = permit.answer.as_ref().copied();
        asked.entry(permit.action).or_default().push((permit.object.clone(), answer));
    }
    asked
}

fn list<'a, T>(
    asked: &mut BTreeMap<&'static str, Asked<'a>>,
    action: &'static str,
    answers: &'a Answers<T>,
) {
    for (object, answer) in answers {
        let answer = answer.as_ref().map(|_| ());
        asked.entry(action).or_default().push((object.clone(), answer));
    }
}

/// One row where all is well, else one for each refusal.
fn of_action(action: &'static str, answers: &Asked<'_>, findings: &mut Vec<Finding>) {
    let mut permitted = Vec::new();
    let mut unclear = Vec::new();
    for (object, answer) in answers {
        match answer {
            Ok(()) => permitted.push(object.as_str()),
            Err(error) if error.detail == CARRIED_OUT => permitted.push(object),
            Err(error) if error.cause == Cause::NotAuthorized => {
                let mut finding = told(Check::Permissions, &format!("{action} {object}"), error);
                finding.remedy = format!(
                    "allow {action} on {object}: stead iam-policy prints a policy that does"
                );
                findings.push(finding);
            }
            // That there is no such thing, or that it is in another state, was found out with the
            // permission to look at it or change it.
            Err(error) if has_been_permitted(error) => permitted.push(object),
            Err(error) => unclear.push(format!("{object}: {error}")),
        }
    }
    if !unclear.is_empty() {
        let text = format!("not known: {}", unclear.join("; "));
        findings.push(Finding::skipped(Check::Permissions, action, text));
    } else if permitted.len() == answers.len() {
        let text = format!("permitted: {}", permitted.join(", "));
        findings.push(Finding::ok(Check::Permissions, action, text));
    }
}

fn has_been_permitted(error: &AwsError) -> bool {
    error.is_wrong_state()
        || matches!(
            error.cause,
            Cause::VpcMissing
                | Cause::InterfaceMissing
                | Cause::AllocationMissing
                | Cause::HostedZoneMissing
                | Cause::ZoneMissing
                | Cause::InstanceMissing
                | Cause::StopProtected
        )
}

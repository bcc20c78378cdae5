//! Availability Zones: what AWS says of them, and that servers do not share one.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::Facts;
use super::{Check, Finding, failed};
use crate::api::aws::Uses;

pub fn judge(uses: &Uses, facts: &Facts, findings: &mut Vec<Finding>) {
    for (zone, answer) in &facts.zones {
        findings.push(match answer {
            Err(error) => failed(Check::Zones, zone, error, facts),
            Ok(found) => {
                let mut words = format!("{zone} is {}", found.state);
                if !found.messages.is_empty() {
                    words = format!("{words}: {}", found.messages.join("; "));
                }
                match found.state.as_str() {
                    "available" => Finding::ok(Check::Zones, zone, words),
                    "impaired" | "unavailable" => {
                        Finding::coded(Check::Zones, zone, "AwsZoneImpaired", words)
                    }
                    _ => Finding::coded(Check::Zones, zone, "AwsZoneWarning", words),
                }
            }
        });
    }
    let places = facts.zones_of_servers(uses);
    for (monitor, own) in &uses.zones {
        for entry in &own.per_server {
            let Some((zone, thing)) = places.get(&entry.name) else { continue };
            if *zone != entry.zone {
                let object = format!("{} ({monitor})", entry.name);
                let message =
                    format!("the monitor asks for {}, but {thing} is in {zone}", entry.zone);
                let finding = Finding::coded(Check::Zones, object, "AwsZoneDiffers", message);
                findings.push(finding.mended_by(format!(
                    "set the zone of {} in spec.awsAZ.perServer of Monitor/{monitor} to {zone}",
                    entry.name
                )));
            }
        }
    }
    shared(&places, findings);
}

/// One zone is one building: what fails there takes every server of it.
fn shared(places: &BTreeMap<String, (String, String)>, findings: &mut Vec<Finding>) {
    if places.len() < 2 {
        let text = "where two servers are is not known from interfaces or instances that the manifest names";
        findings.push(Finding::skipped(Check::Zones, "servers", text));
        return;
    }
    let zones: BTreeSet<&str> = places.values().map(|(zone, _)| zone.as_str()).collect();
    let words: Vec<String> =
        places.iter().map(|(server, (zone, _))| format!("{server} in {zone}")).collect();
    let words = words.join(", ");
    findings.push(if zones.len() == 1 {
        Finding::coded(Check::Zones, "servers", "AwsServersShareZone", words)
    } else {
        Finding::ok(Check::Zones, "servers", words)
    });
}

//! Instances that are stopped by force when their server is lost.

use super::facts::{Facts, known};
use super::{Check, Finding, failed};
use crate::api::aws::Uses;

pub fn judge(uses: &Uses, facts: &Facts, findings: &mut Vec<Finding>) {
    for entry in &uses.instances {
        let id = &entry.instance_id;
        let object = format!("{id} ({})", entry.name);
        match facts.instances.get(id) {
            Some(Ok(found)) => {
                let state = found.state.as_str();
                findings.push(if state == "running" {
                    Finding::ok(Check::Instances, &object, format!("is {state} in {}", found.zone))
                } else {
                    let message = format!("{id} is {state}");
                    let finding =
                        Finding::coded(Check::Instances, &object, "AwsInstanceOff", message);
                    finding.mended_by(format!("aws ec2 start-instances --instance-ids {id}"))
                });
            }
            Some(Err(error)) => findings.push(failed(Check::Instances, &object, error, facts)),
            None => {}
        }
        if known(&facts.instances, id).is_none() {
            continue;
        }
        match facts.protected.get(id) {
            Some(Ok(false)) => {
                let text = "has no stop protection";
                findings.push(Finding::ok(Check::Instances, &object, text));
            }
            Some(Ok(true)) => {
                let finding =
                    Finding::coded(Check::Instances, &object, "AwsStopProtected", id.as_str());
                findings.push(finding.mended_by(format!(
                    "aws ec2 modify-instance-attribute --instance-id {id} --no-disable-api-stop"
                )));
            }
            Some(Err(error)) => findings.push(failed(Check::Instances, &object, error, facts)),
            None => {}
        }
    }
}

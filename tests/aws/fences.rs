//! Fencing by StopInstances: what confirms, what refuses, and what says nothing (CP-21).

use serde_json::json;
use stead::api::kinds::FencingMethod;
use stead::drivers::fences;
use stead::engine::effect::FenceAction;
use stead::engine::input::FenceAnswer;

use crate::answers::{REFUSED, WRONG_STATE};
use crate::lab::{Lab, isolated};
use crate::proxy::Fault;

const STOP: &str = "Action=StopInstances";

async fn act(lab: &Lab, action: FenceAction, instance: &str) -> (FenceAnswer, String) {
    let method = json!({
        "name": "stop-instance", "type": "AWS", "timeout": "3s",
        "aws": {"instances": [{"name": "node2", "instanceId": instance}]},
    });
    let method: FencingMethod = serde_json::from_value(method).unwrap();
    fences::act(&lab.host, action, &"node2".into(), &method).await
}

fn state(lab: &Lab, instance: &str) -> String {
    lab.moto.python(&format!(
        "print(ec2.describe_instances(InstanceIds=['{instance}'])['Reservations'][0]['Instances'][0]\
         ['State']['Name'])"
    ))
}

#[test]
fn an_instance_is_off_only_when_its_state_says_so() {
    isolated(async || {
        let lab = Lab::new().await;
        let instance = lab.ids["instances"][1].as_str().unwrap().to_owned();
        let is = |got: (FenceAnswer, String), answer: FenceAnswer, words: &str| {
            assert_eq!(got.0, answer, "{}", got.1);
            assert!(got.1.contains(words), "{}", got.1);
        };
        is(act(&lab, FenceAction::Check, &instance).await, FenceAnswer::Fenced, "may be stopped");

        // Not allowed: it is told, also beforehand, and it runs.
        lab.faults.always_of(STOP, Some(Fault::Answer(REFUSED)));
        for action in [FenceAction::Check, FenceAction::Off] {
            let refused = act(&lab, action, &instance).await;
            is(refused, FenceAnswer::NotFenced, "(AwsNotAuthorized)");
        }
        lab.faults.always_of(STOP, None);
        assert_eq!(state(&lab, &instance), "running");

        // The API is out of reach: nobody can say.
        lab.faults.always(Some(Fault::Reset));
        let unreached = act(&lab, FenceAction::Off, &instance).await;
        assert_eq!(unreached.0, FenceAnswer::Unknown, "{}", unreached.1);
        lab.faults.always(None);
        assert_eq!(state(&lab, &instance), "running");

        // Stop protection is found beforehand.
        let protect = |on: &str| {
            lab.moto.python(&format!(
                "ec2.modify_instance_attribute(InstanceId='{instance}', \
                 DisableApiStop={{'Value': {on}}})"
            ))
        };
        protect("True");
        let protected = act(&lab, FenceAction::Check, &instance).await;
        is(protected, FenceAnswer::NotFenced, "(AwsStopProtected)");
        protect("False");

        // The answer to the stop is lost: the state says that it was heard.
        lab.faults.next_of(STOP, &[Fault::LoseAnswer]);
        is(act(&lab, FenceAction::Off, &instance).await, FenceAnswer::Fenced, "is stopped");
        assert_eq!(state(&lab, &instance), "stopped");
        let on = act(&lab, FenceAction::On, &instance).await;
        is(on, FenceAnswer::Fenced, "is being started");
        assert_eq!(state(&lab, &instance), "running");

        // Terminated is off as well (moto would stop it once more); one that is unknown may be a
        // wrong id.
        lab.moto.python(&format!("ec2.terminate_instances(InstanceIds=['{instance}'])"));
        lab.faults.next_of(STOP, &[Fault::Answer(WRONG_STATE)]);
        is(act(&lab, FenceAction::Off, &instance).await, FenceAnswer::Fenced, "is terminated");
        let gone = act(&lab, FenceAction::Off, "i-0a1b2c3d4e5f60009").await;
        is(gone, FenceAnswer::Unknown, "(AwsInstanceMissing)");
    });
}

//! `AWS`: the instance is stopped through the API, by force and without its operating system.
//!
//! `Fenced` is said only of an instance whose state was read to be `stopped` or `terminated` after
//! the stop was asked for. An instance that AWS does not know, or does not know any more, may be a
//! wrong id, region or account: `Unknown`, for a person to certify.

use aws_sdk_ec2::types::InstanceStateName;

use super::{CONFIRM_INTERVAL, Use, confirm};
use crate::api::kinds::AwsFence;
use crate::cloud::aws::{ATTEMPT, AwsError, Cause, Session};
use crate::engine::effect::FenceAction;
use crate::engine::input::FenceAnswer;

pub async fn act(using: Use<'_>, spec: &AwsFence, action: FenceAction) -> (FenceAnswer, String) {
    let server = using.server;
    let Some(instance) = spec.instances.iter().find(|entry| entry.name == server.as_str()) else {
        return (FenceAnswer::NotFenced, format!("no instance is named for {server}"));
    };
    let id = &instance.instance_id;
    let session = match using.host.cloud.aws.session(using.host.cloud.settings()).await {
        Ok(session) => session,
        Err(error) => return failed(&error),
    };
    let done = match action {
        FenceAction::Check => check(using, &session, id).await,
        FenceAction::Off => off(using, &session, id).await,
        FenceAction::On => {
            let by = session.read(using.until);
            let started = session.start_instance(by, id).await;
            started.map(|()| (FenceAnswer::Fenced, format!("{id} is being started")))
        }
    };
    match done {
        Ok(answer) => answer,
        Err(error) => failed(&session.explain(error).await),
    }
}

/// What a failed call says of the instance: that it was refused, or nothing at all.
fn failed(error: &AwsError) -> (FenceAnswer, String) {
    let refused = matches!(error.cause, Cause::NotAuthorized | Cause::StopProtected);
    let answer = if refused { FenceAnswer::NotFenced } else { FenceAnswer::Unknown };
    (answer, format!("{} ({})", error.text(), error.id()))
}

async fn off(
    using: Use<'_>,
    session: &Session,
    id: &str,
) -> Result<(FenceAnswer, String), AwsError> {
    // Time is left to ask what came of it.
    let left = using.left();
    let until =
        tokio::time::Instant::now() + (left / 2).max(left.saturating_sub(3 * CONFIRM_INTERVAL));
    if let Err(error) = session.stop_instance(session.read(until), id).await {
        // It may be off or going off already, or have heard us all the same: its state tells.
        let may_be_off = error.may_pass() || error.is_wrong_state();
        if !may_be_off {
            return Err(error);
        }
    }
    Ok(confirm(using, || async {
        let until = using.until.min(tokio::time::Instant::now() + ATTEMPT);
        Ok(match session.instance_state(session.read(until), id).await {
            Ok(InstanceStateName::Stopped) => (FenceAnswer::Fenced, format!("{id} is stopped")),
            Ok(InstanceStateName::Terminated) => {
                (FenceAnswer::Fenced, format!("{id} is terminated"))
            }
            Ok(state) => (FenceAnswer::NotFenced, format!("{id} is {} still", state.as_str())),
            Err(error) => (FenceAnswer::Unknown, format!("{} ({})", error.text(), error.id())),
        })
    })
    .await)
}

/// That it is there, may be stopped by these credentials, and is not protected against it.
async fn check(
    using: Use<'_>,
    session: &Session,
    id: &str,
) -> Result<(FenceAnswer, String), AwsError> {
    let state = session.instance_state(session.read(using.until), id).await?;
    session.may_stop_instance(session.read(using.until), id).await?;
    if session.is_stop_protected(session.read(using.until), id).await? {
        let detail = format!("{id} has stop protection (disableApiStop)");
        return Err(AwsError::new(Cause::StopProtected, "ec2:StopInstances", detail));
    }
    Ok((FenceAnswer::Fenced, format!("{id} is {} and may be stopped", state.as_str())))
}

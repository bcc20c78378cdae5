//! Methods of fencing: another server is switched off from outside, and made sure of.
//!
//! `Fenced` is said only of what a method confirmed in words of its own contract. What hangs, says
//! nothing, or says something else, is `Unknown`. A secret is read when it is needed, goes to
//! standard input only, and is struck out of whatever is told to people.

mod agent;
#[cfg(feature = "aws")]
mod aws;
mod run;
mod script;

use std::time::Duration;

use crate::api::kinds::{FencingMethod, FencingType};
use crate::api::names::ServerName;
use crate::drivers::Host;
use crate::engine::effect::FenceAction;
use crate::engine::input::FenceAnswer;

use run::{Input, RunError};

/// Between two questions whether a server that was told to go off is off.
const CONFIRM_INTERVAL: Duration = Duration::from_secs(1);

/// One use of a method on a server.
#[derive(Clone, Copy, Debug)]
struct Use<'a> {
    host: &'a Host,
    server: &'a ServerName,
    method: &'a FencingMethod,
    /// When the whole of it is over.
    until: tokio::time::Instant,
}

impl Use<'_> {
    fn left(&self) -> Duration {
        self.until.saturating_duration_since(tokio::time::Instant::now())
    }
}

/// Does it, within the method's time-out.
pub async fn act(
    host: &Host,
    action: FenceAction,
    server: &ServerName,
    method: &FencingMethod,
) -> (FenceAnswer, String) {
    let limit = Duration::from(method.timeout);
    let until = tokio::time::Instant::now() + limit;
    let using = Use { host, server, method, until };
    let input = match Input::read(method, server).await {
        Ok(input) => input,
        Err(error) => return (FenceAnswer::Unknown, error.to_string()),
    };
    let work = async {
        match method.type_ {
            FencingType::Script => match &method.script {
                Some(spec) => script::act(using, spec, action, &input).await,
                None => Err(RunError::NoSettings),
            },
            FencingType::FenceAgent => match &method.fence_agent {
                Some(spec) => agent::act(using, spec, action, &input).await,
                None => Err(RunError::NoSettings),
            },
            FencingType::AWS => match &method.aws {
                Some(spec) => Ok(aws::act(using, spec, action).await),
                None => Err(RunError::NoSettings),
            },
            // The engine itself knows whether a watchdog has bitten.
            FencingType::Watchdog => Err(RunError::NoSettings),
        }
    };
    let (answer, message) = match tokio::time::timeout(limit, work).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => (FenceAnswer::Unknown, error.to_string()),
        Err(_) => (FenceAnswer::Unknown, format!("no answer within {}", method.timeout)),
    };
    (answer, input.redact(message))
}

/// Asks again and again until the server is off or the time is over.
async fn confirm<F>(using: Use<'_>, ask: impl Fn() -> F) -> (FenceAnswer, String)
where
    F: Future<Output = Result<(FenceAnswer, String), RunError>>,
{
    loop {
        let (answer, message) = match ask().await {
            Ok(answer) => answer,
            Err(error) => (FenceAnswer::Unknown, error.to_string()),
        };
        // What is asked for the last time must have its answer before the time-out.
        if answer == FenceAnswer::Fenced || using.left() < 2 * CONFIRM_INTERVAL {
            return (answer, message);
        }
        tokio::time::sleep(CONFIRM_INTERVAL).await;
    }
}

/// What stands in for fencing by AWS in a build without it.
#[cfg(not(feature = "aws"))]
mod aws {
    use super::{FenceAction, FenceAnswer, Use};
    use crate::api::kinds::AwsFence;

    #[allow(clippy::unused_async, reason = "the signature of what it stands for")]
    pub async fn act(_: Use<'_>, _: &AwsFence, _: FenceAction) -> (FenceAnswer, String) {
        (FenceAnswer::NotFenced, crate::drivers::not_built("fencing by type AWS"))
    }
}

#[cfg(test)]
mod tests;

//! `Script`: a script of one's own.
//!
//! It is run with `STEAD_FENCE_MODE` `check`, `stop`, `status` or `start` and the server's name in
//! `STEAD_FENCE_SERVER`. Exit code 0 of `stop` (or of `status`, where the manifest says so) is the
//! one confirmation there is; 1 says "no"; anything else, and silence, says nothing.

use std::collections::BTreeMap;

use super::run::{Input, RunError, code, describe, run};
use super::{Use, confirm};
use crate::api::kinds::{ScriptConfirmation, ScriptFence};
use crate::engine::effect::FenceAction;
use crate::engine::input::FenceAnswer;
use crate::keeper::protocol::Exit;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Check,
    Stop,
    Status,
    Start,
}

impl Mode {
    fn word(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Stop => "stop",
            Self::Status => "status",
            Self::Start => "start",
        }
    }
}

pub(super) async fn act(
    using: Use<'_>,
    spec: &ScriptFence,
    action: FenceAction,
    input: &Input,
) -> Result<(FenceAnswer, String), RunError> {
    match action {
        FenceAction::Check => ask(using, spec, Mode::Check, input).await,
        FenceAction::On => ask(using, spec, Mode::Start, input).await,
        FenceAction::Off => {
            let (answer, message) = ask(using, spec, Mode::Stop, input).await?;
            match (spec.confirm, answer) {
                (ScriptConfirmation::Status, FenceAnswer::Fenced) => {
                    Ok(confirm(using, || ask(using, spec, Mode::Status, input)).await)
                }
                (ScriptConfirmation::Stop | ScriptConfirmation::Status, _) => Ok((answer, message)),
            }
        }
    }
}

async fn ask(
    using: Use<'_>,
    spec: &ScriptFence,
    mode: Mode,
    input: &Input,
) -> Result<(FenceAnswer, String), RunError> {
    let environment = environment(using, spec, mode, input);
    let lines = input.lines(&[("mode", mode.word()), ("server", using.server.as_str())]);
    let exit = run(using, &spec.command, &environment, lines).await?;
    let said = format!("{} {}", mode.word(), describe(using, exit));
    Ok((answer(exit), said))
}

fn answer(exit: Exit) -> FenceAnswer {
    match code(exit) {
        Some(0) => FenceAnswer::Fenced,
        Some(1) => FenceAnswer::NotFenced,
        Some(_) | None => FenceAnswer::Unknown,
    }
}

fn environment(
    using: Use<'_>,
    spec: &ScriptFence,
    mode: Mode,
    input: &Input,
) -> BTreeMap<String, String> {
    let mut environment = BTreeMap::new();
    for (name, value) in &input.plain {
        let name = name.replace('-', "_").to_ascii_uppercase();
        environment.insert(format!("STEAD_PARAMETER_{name}"), value.clone());
    }
    let mut set = |name: &str, value: &str| environment.insert(name.to_owned(), value.to_owned());
    set("STEAD_FENCE_MODE", mode.word());
    set("STEAD_FENCE_SERVER", using.server.as_str());
    set("STEAD_FENCE_METHOD", &using.method.name);
    if spec.compatibility_names {
        let number = match mode {
            Mode::Check => "0",
            Mode::Stop => "1",
            // Not known there.
            Mode::Status | Mode::Start => mode.word(),
        };
        set("CLP_FORCESTOP_MODE", number);
        set("CLP_SERVER_DOWN", using.server.as_str());
        set("CLP_SERVER_LOCAL", using.host.server.as_str());
    }
    environment
}

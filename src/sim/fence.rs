//! What switches machines off from outside: slow, failing, late, and honest in one thing only. When
//! it says `Fenced`, the machine has been off since it was asked.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::faults::FenceFailure;
use super::random::Random;
use crate::api::kinds::{
    AfterFence, Fencing, FencingConfirmation, FencingFailure, FencingLevel, FencingMethod,
    FencingTakeover, FencingType, ScriptConfirmation, ScriptFence,
};
use crate::engine::effect::FenceAction;
use crate::engine::fencing::ANSWER_GRACE;
use crate::engine::input::FenceAnswer;

/// How a cluster fences, and how well that works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FencePlan {
    /// What frees a lost server under an exclusive arbiter.
    pub takeover: FencingTakeover,
    /// What follows where nothing confirms.
    pub on_failure: FencingFailure,
    /// Answers that are no confirmation, of a thousand.
    pub failures: u32,
    /// The machines' own watchdogs are the method instead, and those of so many servers, the first
    /// ones, have one.
    pub watchdogs: Option<usize>,
}

/// How long one try may take.
const TIMEOUT: Duration = Duration::from_secs(3);

impl FencePlan {
    /// Works always.
    #[must_use]
    pub fn reliable(takeover: FencingTakeover) -> Self {
        Self { takeover, on_failure: FencingFailure::Block, failures: 0, watchdogs: None }
    }

    /// By the watchdogs that the first so many servers have.
    #[must_use]
    pub fn by_watchdog(servers: usize) -> Self {
        Self { watchdogs: Some(servers), ..Self::reliable(FencingTakeover::Fenced) }
    }

    /// As it stands in the Cluster.
    #[must_use]
    pub fn spec(&self) -> Fencing {
        let method = |name: &str| FencingMethod {
            name: name.to_owned(),
            type_: FencingType::Script,
            script: Some(ScriptFence {
                command: vec!["/srv/fence".to_owned()],
                confirm: ScriptConfirmation::Stop,
                compatibility_names: false,
            }),
            fence_agent: None,
            aws: None,
            timeout: TIMEOUT.into(),
            retries: 1,
            parameters: Default::default(),
            secrets: Default::default(),
            per_server: Vec::new(),
        };
        let level = |name| FencingLevel {
            confirmed_by: FencingConfirmation::All,
            methods: vec![method(name)],
        };
        let watchdog = || {
            let method =
                FencingMethod { type_: FencingType::Watchdog, script: None, ..method("watchdog") };
            FencingLevel { confirmed_by: FencingConfirmation::All, methods: vec![method] }
        };
        Fencing {
            levels: match self.watchdogs {
                Some(_) => vec![watchdog()],
                None => vec![level("power"), level("outlet")],
            },
            on_failure: self.on_failure,
            takeover: self.takeover,
            after_fence: AfterFence::LeaveOff,
            check_interval: Duration::from_secs(60).into(),
            retry_interval: Duration::from_secs(5).into(),
            race_delay: Duration::from_secs(2).into(),
        }
    }
}

/// What becomes of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fate {
    /// When the machine loses power; none: it does not.
    pub off: Option<Duration>,
    /// What is said.
    pub answer: FenceAnswer,
    /// When; none: never.
    pub said: Option<Duration>,
}

impl Fate {
    /// What becomes of it where nothing is left to chance.
    pub fn prescribed(
        action: FenceAction,
        takes: Duration,
        timeout: Duration,
        failure: Option<FenceFailure>,
    ) -> Self {
        let late = timeout * 9 / 10;
        let said = |answer, said| Self { off: None, answer, said: Some(said) };
        if action != FenceAction::Off {
            return match failure {
                None => said(FenceAnswer::Fenced, takes.min(late)),
                Some(_) => said(FenceAnswer::Unknown, takes.min(late)),
            };
        }
        match failure {
            // Off a moment before it says so.
            None => Self { off: Some(takes / 2), ..said(FenceAnswer::Fenced, takes.min(late)) },
            Some(FenceFailure::Refuses) => said(FenceAnswer::NotFenced, takes.min(late)),
            Some(FenceFailure::IsLate) => {
                Self { off: Some(late), ..said(FenceAnswer::Fenced, late) }
            }
            Some(FenceFailure::IsSilent) => said(FenceAnswer::Unknown, timeout),
            Some(FenceFailure::Lies) => said(FenceAnswer::Fenced, takes.min(late)),
            Some(FenceFailure::LiesLate) => said(FenceAnswer::Fenced, late),
        }
    }

    /// Draws one.
    pub fn draw(failures: u32, random: &mut Random) -> Self {
        let off = random.milliseconds(5, 800);
        let after = random.milliseconds(1, 400);
        let honest = Self { off: Some(off), answer: FenceAnswer::Fenced, said: Some(off + after) };
        if !random.chance(failures) {
            return honest;
        }
        let answer = match random.below(2) {
            0 => FenceAnswer::NotFenced,
            _ => FenceAnswer::Unknown,
        };
        match random.below(5) {
            // Throttled, refused, no such machine.
            0 => Self { off: None, answer, said: Some(off) },
            // It worked, and nobody says so.
            1 => Self { answer: FenceAnswer::Unknown, ..honest },
            // It works later than it is given up.
            2 => Self { off: Some(TIMEOUT * 3), answer, said: Some(TIMEOUT) },
            // The answer is lost.
            3 => Self { said: None, off: random.chance(500).then_some(off), ..honest },
            // True, but later than anybody waits for it.
            _ => Self { said: Some(TIMEOUT + ANSWER_GRACE + off), ..honest },
        }
    }
}

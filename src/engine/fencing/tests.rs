use super::*;
use crate::api::kinds::{
    AfterFence, FencingFailure, FencingLevel, FencingTakeover, FencingType, ScriptConfirmation,
    ScriptFence,
};

fn seconds(seconds: u64) -> Instant {
    Instant::default() + Duration::from_secs(seconds)
}

fn method(name: &str, retries: u32) -> FencingMethod {
    let command = vec!["/bin/fence".to_owned()];
    let confirm = ScriptConfirmation::Stop;
    FencingMethod {
        name: name.to_owned(),
        type_: FencingType::Script,
        script: Some(ScriptFence { command, confirm, compatibility_names: false }),
        fence_agent: None,
        aws: None,
        timeout: Duration::from_secs(10).into(),
        retries,
        parameters: Default::default(),
        secrets: Default::default(),
        per_server: Vec::new(),
    }
}

fn run(levels: Vec<(FencingConfirmation, Vec<FencingMethod>)>) -> FenceRun {
    let levels = levels
        .into_iter()
        .map(|(confirmed_by, methods)| FencingLevel { confirmed_by, methods })
        .collect();
    let fencing = Fencing {
        levels,
        on_failure: FencingFailure::Block,
        takeover: FencingTakeover::Fenced,
        after_fence: AfterFence::LeaveOff,
        check_interval: Duration::from_secs(300).into(),
        retry_interval: Duration::from_secs(30).into(),
        race_delay: Duration::ZERO.into(),
    };
    FenceRun::new("node1".into(), Arc::new(fencing), seconds(0))
}

fn names(asks: &[Ask]) -> Vec<&str> {
    asks.iter().map(|ask| ask.method.name.as_str()).collect()
}

use FencingConfirmation::{All, Any};

#[test]
fn one_confirmation_is_enough_and_names_its_method() {
    let mut ids = ActionIds::default();
    let mut run = run(vec![(All, vec![method("bmc", 1)])]);
    let asks = run.ask_due(seconds(0), &mut ids);
    assert_eq!(names(&asks), ["bmc"]);
    assert!(run.ask_due(seconds(1), &mut ids).is_empty());
    assert_eq!(run.on_answer(seconds(2), asks[0].id, FenceAnswer::Fenced, "off"), None);
    let by = vec!["bmc".to_owned()];
    assert_eq!(*run.state(), FenceState::Confirmed { by, message: "off".into() });
    assert_eq!(run.confirming().count(), 1);
    assert_eq!(run.next_due(), None);
}

#[test]
fn an_unknown_answer_is_tried_again_and_then_the_next_level_is() {
    let mut ids = ActionIds::default();
    let mut run = run(vec![(All, vec![method("bmc", 1)]), (All, vec![method("pdu", 0)])]);
    let first = run.ask_due(seconds(0), &mut ids)[0].id;
    let failed = run.on_answer(seconds(1), first, FenceAnswer::Unknown, "throttled").unwrap();
    assert_eq!((failed.attempt, failed.attempts), (1, 2));
    assert_eq!(run.next_due(), Some(seconds(2)));
    let second = run.ask_due(seconds(2), &mut ids)[0].id;
    // The answer to the first question comes twice: it says nothing any more.
    assert_eq!(run.on_answer(seconds(2), first, FenceAnswer::Fenced, "late"), None);
    assert!(run.is_asking());
    run.on_answer(seconds(3), second, FenceAnswer::NotFenced, "still on").unwrap();
    let asks = run.ask_due(seconds(3), &mut ids);
    assert_eq!(names(&asks), ["pdu"]);
    run.on_answer(seconds(4), asks[0].id, FenceAnswer::NotFenced, "no such outlet").unwrap();
    let message = "bmc: still on; pdu: no such outlet".into();
    assert_eq!(*run.state(), FenceState::Failed { at: seconds(4), message });
}

#[test]
fn a_lost_answer_is_told_after_the_time_out() {
    let mut ids = ActionIds::default();
    let mut run = run(vec![(All, vec![method("bmc", 0)])]);
    let id = run.ask_due(seconds(0), &mut ids)[0].id;
    assert!(run.lost(seconds(10)).is_empty());
    assert_eq!(run.next_due(), Some(seconds(15)));
    assert_eq!(run.lost(seconds(15)), [id]);
    run.on_answer(seconds(15), id, FenceAnswer::Unknown, "no answer").unwrap();
    assert!(matches!(run.state(), FenceState::Failed { .. }));
    // What comes later confirms nothing.
    assert_eq!(run.on_answer(seconds(16), id, FenceAnswer::Fenced, "off"), None);
    assert!(matches!(run.state(), FenceState::Failed { .. }));
}

#[test]
fn methods_of_a_level_are_asked_at_once_and_all_must_confirm() {
    let mut ids = ActionIds::default();
    let mut both = run(vec![(All, vec![method("left", 0), method("right", 0)])]);
    let asks = both.ask_due(seconds(0), &mut ids);
    assert_eq!(names(&asks), ["left", "right"]);
    both.on_answer(seconds(1), asks[0].id, FenceAnswer::Fenced, "off");
    assert!(both.is_asking());
    both.on_answer(seconds(1), asks[1].id, FenceAnswer::NotFenced, "on");
    assert!(matches!(both.state(), FenceState::Failed { .. }));
}

#[test]
fn one_of_a_level_confirms_where_any_does() {
    let mut ids = ActionIds::default();
    let mut any = run(vec![(Any, vec![method("left", 0), method("right", 0)])]);
    let asks = any.ask_due(seconds(0), &mut ids);
    any.on_answer(seconds(1), asks[0].id, FenceAnswer::Unknown, "?");
    assert!(any.is_asking());
    any.on_answer(seconds(1), asks[1].id, FenceAnswer::Fenced, "off");
    let by = vec!["right".to_owned()];
    assert_eq!(*any.state(), FenceState::Confirmed { by, message: "off".into() });
}

#[test]
fn levels_without_methods_confirm_nothing() {
    let mut ids = ActionIds::default();
    for confirmed_by in [All, Any] {
        let mut run = run(vec![(confirmed_by, Vec::new())]);
        assert!(run.ask_due(seconds(0), &mut ids).is_empty());
        assert!(!matches!(run.state(), FenceState::Confirmed { .. }));
    }
}

//! Real faults on real processes: those of `make faults` where most can go wrong.

use std::fs;

use serde_json::Value;

use crate::demo::demo;

/// Two minutes' worth.
const FAULTS: &str = "keeper-killed,guard-killed,both-killed,agent-stopped,keeper-stopped,\
                      both-stopped,machine-frozen,cut-off,deaf,mute,flapping,very-late,\
                      final-action,clock-step,start-without-active,shutdown,stop-and-start";

#[test]
fn after_each_fault_the_group_is_active_again_and_two_never_were() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("faults.json");
    let output = demo("f").args(["--faults", FAULTS, "--json"]).arg(&file).output().unwrap();
    // The recorder's table, for whoever looks at what a run gave.
    println!("{}", String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let outcomes: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let outcomes = outcomes.as_array().unwrap();
    assert_eq!(outcomes.len(), FAULTS.split(',').count());
    for outcome in outcomes {
        assert_eq!(outcome["dualMs"], 0, "{outcome}");
        assert!(outcome["uncovered"].is_null(), "{outcome}");
        assert!(outcome["to"].is_string(), "{outcome}");
    }
    // Nobody's wall clock decides anything.
    let clock = outcomes.iter().find(|outcome| outcome["name"] == "clock-step").unwrap();
    assert_eq!(clock["from"], clock["to"]);
}

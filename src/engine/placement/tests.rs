//! The golden tables of `tests/golden/placement`, and what holds for every situation.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::fixture::World;
use super::*;
use crate::engine::message::GroupPhase;

fn tables() -> Vec<PathBuf> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/placement");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    files.sort();
    files
}

/// The answer of `plan` in the table's words.
fn answer(world: &World) -> String {
    let (decisions, report) = plan(&world.view());
    let mut text = String::new();
    for decision in &decisions {
        match decision {
            Decision::Run { server, reason, previous, .. } => {
                write!(text, "=> run on {server}, {reason:?}").unwrap();
                if let Some(previous) = previous {
                    write!(text, ", before on {previous}").unwrap();
                }
                text.push('\n');
            }
            Decision::Stop { reason, .. } => writeln!(text, "=> stop, {reason:?}").unwrap(),
        }
    }
    let group = &report.groups[&GroupName::from("web")];
    match &group.waiting {
        None => writeln!(text, "=> stay").unwrap(),
        Some(_) if !decisions.is_empty() => {}
        Some(on) => writeln!(text, "=> wait, {}: {}", on.id(), on.message()).unwrap(),
    }
    for (server, why) in &group.not_on {
        writeln!(text, "=> not on {server}, {}: {}", why.id(), why.message(server)).unwrap();
    }
    text
}

/// Each table, with every answer as it is now.
fn replay(table: &str) -> String {
    let mut text = String::new();
    let mut situation: Vec<&str> = Vec::new();
    for line in table.lines().filter(|line| !line.starts_with("=>")).chain([""]) {
        if line.is_empty() && !situation.is_empty() {
            text.push_str(&answer(&World::read(&situation)));
            situation.clear();
        } else if !line.is_empty() && !line.starts_with('#') {
            situation.push(line);
        }
        text.push_str(line);
        text.push('\n');
    }
    text.trim_end().to_owned() + "\n"
}

#[test]
fn every_situation_of_the_golden_tables_gets_its_answer() {
    let files = tables();
    assert!(files.len() >= 3, "the tables are missing");
    for file in files {
        let wanted = std::fs::read_to_string(&file).unwrap();
        let found = replay(&wanted);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&file, &found).unwrap();
            continue;
        }
        assert_eq!(found, wanted, "{} (UPDATE_GOLDEN=1 rewrites it)", file.display());
    }
}

/// Every holder, with every phase, under every intent and attribute.
#[test]
fn whatever_the_situation_nothing_held_is_started_and_nothing_free_is_stopped() {
    let phases = [
        "",
        "starting",
        "online",
        "stopping",
        "stopped",
        "stop-failed",
        "wants-nothing",
        "wants-failover",
        "wants-stop",
    ];
    let mut holders = vec!["holder: free".to_owned(), "holder: unknown".to_owned()];
    for action in ["run", "stop"] {
        holders.extend(phases.map(|phase| format!("holder: held node1 {action} {phase}")));
    }
    let servers = ["member", "lost", "failed", "detached", "unfit"];
    let intents = ["automatic", "running", "running=node1", "running=node2", "stopped", "end=3"];
    let facts =
        ["", "lost=node1", "released=node1:Moved", "released=node1:Stopped", "refused=node1"];
    let mut count = 0;
    for holder in &holders {
        for one in servers {
            for other in servers {
                for intent in intents {
                    for fact in facts {
                        let servers = format!("servers: node1={one} node2={other}@600");
                        let intent = format!("intent: {intent}");
                        let fact = format!("facts: {fact}");
                        let group = "group: policy=node1,node2 failback=Automatic";
                        check_invariants(&World::read(&[&servers, group, holder, &intent, &fact]));
                        count += 1;
                    }
                }
            }
        }
    }
    assert_eq!(count, 20 * 25 * 6 * 5);
}

fn check_invariants(world: &World) {
    let (decisions, report) = plan(&world.view());
    let facts = &world.groups[&GroupName::from("web")];
    assert!(decisions.len() <= 1);
    for decision in &decisions {
        match decision {
            Decision::Run { server, .. } => {
                assert_eq!(facts.holder, Holder::Free, "only what is certainly free starts");
                let known = &world.servers[server];
                assert!(known.member && known.kept_out.is_none(), "only on an available server");
                assert!(!matches!(facts.intent.desired, Desired::Stopped { .. }));
            }
            Decision::Stop { .. } => {
                let Holder::Held { action, phase, .. } = &facts.holder else {
                    panic!("only what is held is stopped");
                };
                let again = matches!(phase, Some(GroupPhase::StopFailed { .. }));
                assert!(again || *action == OrderAction::Run, "nothing is stopped twice");
            }
        }
    }
    let group = &report.groups[&GroupName::from("web")];
    assert!(group.not_on.len() <= 2);
    for (server, why) in &group.not_on {
        assert!(!why.message(server).is_empty());
    }
}

#[test]
fn a_damped_group_is_planned_again_when_its_oldest_failover_leaves_the_window() {
    let world = World::read(&[
        "servers: node1 node2",
        "group: policy=node1,node2",
        "holder: held node1 run wants-failover",
        "facts: failovers=200,300,400",
    ]);
    let (decisions, report) = plan(&world.view());
    assert_eq!(decisions, []);
    assert_eq!(report.again, Some(super::fixture::at(200 + 900)));
}

#[test]
fn a_group_gone_from_the_spec_is_stopped_where_it_is_held() {
    let mut world = World::read(&[
        "servers: node1 node2",
        "group: policy=node1,node2",
        "holder: held node1 run online",
    ]);
    world.model.groups.clear();
    let (decisions, _) = plan(&world.view());
    let group = GroupName::from("web");
    assert_eq!(decisions, [Decision::Stop { group, reason: OrderReason::Deleted }]);
}

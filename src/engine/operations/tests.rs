//! Operations from their creation to their end, against worlds of a few lines.

use super::super::placement::fixture::{NOW, World, at};
use super::super::placement::{IntentOf, Released, plan};
use super::*;

const POLICY: &str = "group: policy=node1,node2,node3";
const SERVERS: &str = "servers: node1 node2 node3";

/// An operation on the group `web`, or on the server alone.
fn operation(type_: OperationType, server: Option<&str>) -> OperationModel {
    let group = match type_ {
        OperationType::DetachServer
        | OperationType::ReturnServer
        | OperationType::FenceServer
        | OperationType::ConfirmServerDown
        | OperationType::ShutdownCluster
        | OperationType::PauseServer => None,
        OperationType::StartGroup
        | OperationType::StopGroup
        | OperationType::MoveGroup
        | OperationType::FailoverGroup
        | OperationType::RestartGroup => Some("web".to_owned()),
    };
    OperationModel {
        uid: "one".into(),
        spec: OperationSpec {
            type_,
            group,
            server: server.map(str::to_owned),
            machines: None,
            duration: None,
            deadline: std::time::Duration::from_secs(60).into(),
        },
        state: OperationState::Pending,
        message: String::new(),
        revision: Revision(10),
        seen: at(990),
    }
}

/// A world, an operation in it, and what the leader does with both.
struct Play {
    world: World,
    fences: BTreeMap<ServerName, FenceFacts>,
    operations: BTreeMap<String, OperationModel>,
    shutdown: Option<ClusterShutdown>,
    runs: BTreeMap<ServerName, BootId>,
    pauses: BTreeMap<ServerName, String>,
}

impl Play {
    fn new(lines: &[&str], operation: OperationModel) -> Self {
        let operations = BTreeMap::from([("op1".to_owned(), operation)]);
        let runs = ["node1", "node2", "node3"].map(|name| (name.into(), BootId(7))).into();
        let (fences, pauses, shutdown) = (BTreeMap::new(), BTreeMap::new(), None);
        Self { world: World::read(lines), operations, fences, shutdown, runs, pauses }
    }

    fn facts(&self) -> OperationFacts<'_> {
        OperationFacts {
            view: self.world.view(),
            operations: &self.operations,
            fences: &self.fences,
            shutdown: self.shutdown.as_ref(),
            runs: &self.runs,
            pauses: &self.pauses,
            wall: WallTime(1_700_000_000_000),
        }
    }

    /// Steps once, writes what the steps want, and says where `op1` stands.
    fn step(&mut self) -> (OperationState, String) {
        for (name, step) in step_all(&self.facts()) {
            self.write(&step.intents);
            if let Some(change) = step.status {
                let operation = self.operations.get_mut(&name).unwrap();
                operation.state = change.state;
                operation.message = change.message;
            }
        }
        let operation = &self.operations["op1"];
        (operation.state, operation.message.clone())
    }

    fn write(&mut self, changes: &[IntentChange]) {
        for (key, json) in changes {
            if let Some(name) = key.name.strip_prefix("fg.") {
                let intent = match json {
                    Some(json) => match IntentOf::read(key, json) {
                        Some(IntentOf::Group(_, intent)) => intent,
                        other => panic!("not a group's intent: {other:?}"),
                    },
                    None => GroupIntent::default(),
                };
                self.world.groups.get_mut(&GroupName::from(name)).unwrap().intent = intent;
            } else {
                let name = ServerName::from(key.name.strip_prefix("srv.").unwrap());
                let kept = json.as_ref().map(|json| match IntentOf::read(key, json) {
                    Some(IntentOf::Server(_, intent)) => intent.kept_out(),
                    other => panic!("not a server's intent: {other:?}"),
                });
                self.world.servers.get_mut(&name).unwrap().kept_out = kept;
            }
        }
    }

    fn web(&mut self) -> &mut GroupFacts {
        self.world.groups.get_mut(&GroupName::from("web")).unwrap()
    }

    fn hold(&mut self, line: &str) {
        let world = World::read(&[line]);
        self.web().holder = world.groups[&GroupName::from("web")].holder.clone();
    }

    fn release(&mut self, server: &str, reason: OrderReason) {
        self.web().holder = Holder::Free;
        self.web().released = Some(Released { server: server.into(), reason });
    }

    fn decisions(&self) -> String {
        format!("{:?}", plan(&self.world.view()).0)
    }
}

#[test]
fn a_move_stops_here_starts_there_and_leaves_no_rule_behind() {
    let operation = operation(OperationType::MoveGroup, Some("node2"));
    let mut play = Play::new(&[SERVERS, POLICY, "holder: held node1 run online"], operation);
    assert_eq!(play.step().0, OperationState::Running);
    assert!(play.decisions().contains("Stop { group: web, reason: Moved }"));
    play.hold("holder: held node1 stop stopping");
    assert_eq!(play.step().1, "web is being stopped on node1");
    play.release("node1", OrderReason::Moved);
    play.step();
    assert!(play.decisions().contains("server: node2, reason: Moved, previous: Some(node1)"));
    play.hold("holder: held node2 run starting reason=Moved");
    assert_eq!(play.step().1, "web is being started on node2");
    play.hold("holder: held node2 run online reason=Moved");
    assert_eq!(play.step(), (OperationState::Succeeded, "web is online on node2".into()));
    assert_eq!(play.web().intent, GroupIntent::default());
    assert_eq!(step_all(&play.facts()), [], "an ended operation is never taken up again");
}

#[test]
fn a_move_to_a_server_that_can_not_take_the_group_fails_with_the_reason() {
    let cases = [
        ("servers: node1 node2=lost node3", "node2", "is not a member"),
        ("servers: node1 node2=failed node3", "node2", "has not been returned"),
        ("servers: node1 node2=detached node3", "node2", "has not been returned"),
        ("servers: node1 node2=unfit node3", "node2", "its keeper does not answer"),
        ("servers: node1 node2 node3 node4", "node4", "not in its failover policy"),
        ("servers: node1 node2 node3", "node9", "not in its failover policy"),
    ];
    for (servers, target, words) in cases {
        let operation = operation(OperationType::MoveGroup, Some(target));
        let mut play = Play::new(&[servers, POLICY, "holder: held node1 run online"], operation);
        let (state, message) = play.step();
        assert_eq!(state, OperationState::Failed, "{message}");
        assert!(message.contains(words), "{message}");
        assert_eq!(play.web().intent, GroupIntent::default());
    }
}

#[test]
fn a_move_without_a_server_goes_to_the_best_other_one() {
    for type_ in [OperationType::MoveGroup, OperationType::FailoverGroup] {
        let lines = ["servers: node1=lost node2 node3", POLICY, "holder: held node2 run online"];
        let mut play = Play::new(&lines, operation(type_, None));
        assert_eq!(play.step().0, OperationState::Running);
        let on = Some(ServerName::from("node3"));
        assert_eq!(play.web().intent.desired, Desired::Running { on });
    }
}

#[test]
fn a_move_whose_target_is_lost_on_the_way_fails_and_the_group_runs_elsewhere() {
    let operation = operation(OperationType::MoveGroup, Some("node2"));
    let mut play = Play::new(&[SERVERS, POLICY, "holder: held node1 run online"], operation);
    play.step();
    play.release("node1", OrderReason::Moved);
    play.world.servers.get_mut(&"node2".into()).unwrap().member = false;
    assert_eq!(play.step().0, OperationState::Running);
    assert!(play.decisions().contains("server: node1, reason: Moved"));
    play.hold("holder: held node1 run online reason=Moved");
    let (state, message) = play.step();
    assert_eq!(state, OperationState::Failed);
    assert!(message.contains("node2 is not a member") && message.ends_with("web is on node1"));
    assert_eq!(play.web().intent, GroupIntent::default());
}

#[test]
fn a_start_of_what_is_online_succeeds_at_once() {
    let operation = operation(OperationType::StartGroup, None);
    let mut play = Play::new(&[SERVERS, POLICY, "holder: held node1 run online"], operation);
    assert_eq!(play.step(), (OperationState::Succeeded, "web is online on node1".into()));
    assert_eq!(play.web().intent, GroupIntent::default());
}

#[test]
fn a_manual_group_that_was_started_goes_on_being_wanted() {
    let group = "group: policy=node1,node2,node3 startup=Manual";
    let operation = operation(OperationType::StartGroup, None);
    let mut play = Play::new(&[SERVERS, group, "holder: free"], operation);
    assert_eq!(play.step().0, OperationState::Running);
    assert!(play.decisions().contains("server: node1, reason: Started"));
    play.hold("holder: held node1 run online reason=Started");
    assert_eq!(play.step().0, OperationState::Succeeded);
    assert_eq!(play.web().intent.desired, Desired::Running { on: None });
    let groups = play.world.groups.clone();
    let key = group_intent_key(&"web".into());
    assert_eq!(forget_at_startup(&groups), [(key, None)], "but not over a start of the cluster");
}

#[test]
fn a_start_that_no_server_can_take_fails_and_names_each() {
    let lines = ["servers: node1=lost node2=failed node3=unfit", POLICY, "holder: free"];
    let mut play = Play::new(&lines, operation(OperationType::StartGroup, None));
    let (state, message) = play.step();
    assert_eq!(state, OperationState::Failed);
    for server in ["node1", "node2", "node3"] {
        assert!(message.contains(server), "{message}");
    }
}

#[test]
fn a_start_takes_a_stop_back_that_is_not_ordered_yet() {
    let lines = [SERVERS, POLICY, "holder: held node1 run online", "intent: stopped"];
    let mut play = Play::new(&lines, operation(OperationType::StartGroup, None));
    assert_eq!(play.step().0, OperationState::Succeeded);
    assert_eq!(play.web().intent, GroupIntent::default());
}

#[test]
fn a_stop_lasts_and_is_done_when_the_group_is_free() {
    let operation = operation(OperationType::StopGroup, None);
    let mut play = Play::new(&[SERVERS, POLICY, "holder: held node1 run online"], operation);
    assert_eq!(play.step().0, OperationState::Running);
    assert!(play.decisions().contains("reason: Stopped"));
    play.hold("holder: held node1 stop stop-failed");
    assert!(play.step().1.contains("could not be stopped on node1"));
    play.release("node1", OrderReason::Stopped);
    assert_eq!(play.step(), (OperationState::Succeeded, "web is stopped".into()));
    assert!(matches!(play.web().intent.desired, Desired::Stopped { .. }));
    assert_eq!(play.decisions(), "[]");
    assert_eq!(forget_at_startup(&play.world.groups), []);
}

#[test]
fn a_restart_ends_the_run_that_was_there_and_no_other() {
    let operation = operation(OperationType::RestartGroup, None);
    let mut play = Play::new(&[SERVERS, POLICY, "holder: held node2 run online"], operation);
    assert_eq!(play.step().0, OperationState::Running);
    assert!(play.decisions().contains("Stop { group: web, reason: Restarted }"));
    play.release("node2", OrderReason::Restarted);
    play.step();
    assert!(play.decisions().contains("server: node2, reason: Restarted"));
    play.hold("holder: held node2 run online reason=Restarted");
    if let Holder::Held { order, .. } = &mut play.web().holder {
        order.sequence = 5;
    }
    assert_eq!(play.decisions(), "[]", "the new run stays");
    assert_eq!(play.step().0, OperationState::Succeeded);
    assert_eq!(play.web().intent, GroupIntent::default());
}

#[test]
fn a_later_operation_on_the_same_group_supersedes() {
    let first = operation(OperationType::MoveGroup, Some("node2"));
    let mut play = Play::new(&[SERVERS, POLICY, "holder: held node1 run online"], first);
    play.step();
    let mut second = operation(OperationType::StopGroup, None);
    second.uid = "two".into();
    second.revision = Revision(11);
    play.operations.insert("op2".into(), second);
    play.step();
    assert_eq!(play.step().0, OperationState::Superseded);
    assert_eq!(play.operations["op2"].state, OperationState::Running);
    assert!(play.decisions().contains("reason: Stopped"));
}

#[test]
fn of_two_that_come_together_the_later_begins() {
    let first = operation(OperationType::MoveGroup, Some("node2"));
    let mut play = Play::new(&[SERVERS, POLICY, "holder: held node1 run online"], first);
    let mut second = operation(OperationType::MoveGroup, Some("node3"));
    second.uid = "two".into();
    second.revision = Revision(11);
    play.operations.insert("op0".into(), second);
    assert_eq!(play.step(), (OperationState::Superseded, "operation op0 took its place".into()));
    let on = Some(ServerName::from("node3"));
    assert_eq!(play.web().intent.desired, Desired::Running { on });
}

#[test]
fn past_its_deadline_an_operation_fails_and_takes_back_what_it_asked_for() {
    let operation = operation(OperationType::MoveGroup, Some("node2"));
    let mut play = Play::new(&[SERVERS, POLICY, "holder: held node1 run online"], operation);
    play.step();
    play.hold("holder: held node1 stop stopping");
    play.operations.get_mut("op1").unwrap().seen = at(900);
    assert!(NOW > at(960));
    let (state, message) = play.step();
    assert_eq!(state, OperationState::Failed);
    assert_eq!(message, "not done within 60s: web is being stopped on node1");
    assert_eq!(play.web().intent, GroupIntent::default());
}

#[test]
fn a_detached_server_gives_up_everything_and_takes_nothing_until_it_is_returned() {
    let detach = operation(OperationType::DetachServer, Some("node1"));
    let mut play = Play::new(&[SERVERS, POLICY, "holder: held node1 run online"], detach);
    assert_eq!(play.step(), (OperationState::Running, "node1 still holds web".into()));
    assert!(play.decisions().contains("Stop { group: web, reason: Detached }"));
    play.release("node1", OrderReason::Detached);
    let done = "node1 is detached and holds nothing".to_owned();
    assert_eq!(play.step(), (OperationState::Succeeded, done));
    assert!(play.decisions().contains("server: node2, reason: Detached"));
    play.operations =
        BTreeMap::from([("op1".into(), operation(OperationType::ReturnServer, Some("node1")))]);
    assert_eq!(play.step(), (OperationState::Succeeded, "node1 takes part again".into()));
    assert_eq!(play.world.servers[&ServerName::from("node1")].kept_out, None);
}

#[test]
fn a_return_supersedes_a_detachment_that_is_under_way() {
    let detach = operation(OperationType::DetachServer, Some("node1"));
    let mut play = Play::new(&[SERVERS, POLICY, "holder: held node1 run online"], detach);
    play.step();
    play.world.servers.get_mut(&"node1".into()).unwrap().kept_out = None;
    assert_eq!(play.step().0, OperationState::Superseded);
}

#[test]
fn what_does_not_exist_or_is_not_named_fails_with_words() {
    let mut nameless = operation(OperationType::StopGroup, None);
    nameless.spec.group = None;
    let mut unknown = operation(OperationType::StopGroup, None);
    unknown.spec.group = Some("nothing".into());
    let cases = [
        (nameless, "spec.group is missing"),
        (unknown, "there is no group nothing"),
        (operation(OperationType::DetachServer, None), "spec.server is missing"),
        (operation(OperationType::DetachServer, Some("node9")), "there is no server node9"),
    ];
    for (operation, words) in cases {
        let mut play = Play::new(&[SERVERS, POLICY, "holder: free"], operation);
        let (state, message) = play.step();
        assert_eq!(state, OperationState::Failed);
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn a_recovery_that_asks_for_the_stop_keeps_the_group_stopped() {
    let operation = operation(OperationType::ReturnServer, Some("node1"));
    let lines = [SERVERS, POLICY, "holder: held node1 run wants-stop"];
    let mut play = Play::new(&lines, operation);
    let changes = settle(&play.facts());
    play.write(&changes);
    assert!(matches!(play.web().intent.desired, Desired::Stopped { .. }));
    assert_eq!(settle(&play.facts()), [], "once");
}

#[test]
fn an_intent_whose_operation_was_deleted_is_dropped() {
    let operation = operation(OperationType::ReturnServer, Some("node1"));
    let intent = "intent: running=node2 operation=gone";
    let lines = [SERVERS, POLICY, "holder: held node1 run online", intent];
    let mut play = Play::new(&lines, operation);
    let changes = settle(&play.facts());
    play.write(&changes);
    assert_eq!(play.web().intent, GroupIntent::default());
}

#[test]
fn a_failed_server_that_is_heard_returns_by_itself_where_the_policy_says_so() {
    let operation = operation(OperationType::StartGroup, None);
    let mut play = Play::new(&["servers: node1=failed node2", POLICY, "holder: free"], operation);
    assert_eq!(settle(&play.facts()), []);
    play.world.model.cluster.return_policy = ReturnPolicy::Automatic;
    assert_eq!(settle(&play.facts()), [(server_intent_key(&"node1".into()), None)]);
}

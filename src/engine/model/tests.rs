use serde_json::{Value, json};

use super::*;
use crate::api::kinds::{MonitorTiming, MonitorType};
use crate::api::manifest;

fn store(objects: impl IntoIterator<Item = Value>) -> Objects {
    objects
        .into_iter()
        .enumerate()
        .map(|(index, object)| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let key = ObjectKey::new(text(&object["kind"]), text(&object["metadata"]["name"]));
            let revision = Revision(index as u64 + 1);
            (key, StoredObject { revision, json: object.to_string().into() })
        })
        .collect()
}

fn object(kind: &str, name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "stead.dev/v1alpha1",
        "kind": kind,
        "metadata": { "name": name, "uid": format!("uid-of-{name}"), "generation": 4 },
        "spec": spec,
    })
}

fn cluster(count: u8) -> Value {
    let servers: Vec<Value> = (1..=count)
        .map(|n| json!({ "name": format!("n{n}"), "addresses": { "lan": format!("10.0.0.{n}") } }))
        .collect();
    object("Cluster", "c", json!({ "servers": servers }))
}

fn resource(name: &str, group: &str, depends_on: &[&str]) -> Value {
    let exec = json!({ "command": ["x"] });
    let spec = json!({ "group": group, "dependsOn": depends_on, "type": "Exec", "exec": exec });
    object("Resource", name, spec)
}

fn probe(name: &str, group: &str) -> Value {
    let spec = json!({ "group": group, "type": "ProbePort", "probePort": { "port": 26001 } });
    object("Resource", name, spec)
}

fn quickstart() -> Objects {
    let path =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/quickstart/cluster.yaml");
    let (objects, problems) = manifest::parse(&[("q".to_owned(), std::fs::read(path).unwrap())]);
    assert_eq!(problems, []);
    store(objects.into_iter().map(|object| object.value))
}

fn names<T: ToString>(names: &[T]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

#[test]
fn the_quickstart_is_compiled_with_its_automatic_monitors() {
    let model = compile(&quickstart()).unwrap();
    assert_eq!(names(&model.cluster.servers), ["vm1", "vm2", "vm3"]);
    assert_eq!(names(&model.cluster.paths), ["lan1", "lan2"]);
    assert_eq!(model.cluster.timing.wait(), Duration::from_micros(1_463_500));
    assert_eq!(model.cluster.arbiter, Arbiter::Majority);
    let web = &model.groups[&"web".into()];
    assert_eq!(names(&web.resources[&"probe".into()].depends_on), ["app"]);
    let monitors: Vec<String> = model.monitors.keys().map(ToString::to_string).collect();
    assert_eq!(monitors, ["app-port", "probe-load-balance", "probe-probe-port"]);
    let ports = &model.monitors[&"probe-probe-port".into()];
    assert_eq!(ports.while_active, Some("probe".into()));
    assert_eq!(ports.target_resource, Some("probe".into()));
    assert_eq!(ports.target_group, Some("web".into()));
    let recovery = &ports.spec.recovery;
    assert_eq!((recovery.reactivations, recovery.failovers), (3, 1));
    let balance = &model.monitors[&"probe-load-balance".into()];
    assert_eq!(balance.while_inactive, Some("probe".into()));
    assert_eq!((balance.while_active.clone(), balance.target_group.clone()), (None, None));
}

#[test]
fn a_probe_port_without_dependencies_opens_last() {
    let model = compile(&store([
        cluster(2),
        object("FailoverGroup", "g", json!({ "servers": ["n1", "n2"] })),
        resource("a", "g", &[]),
        resource("b", "g", &["a"]),
        resource("after", "g", &["probe"]),
        probe("probe", "g"),
        probe("second", "g"),
    ]))
    .unwrap();
    let group = &model.groups[&"g".into()];
    // What itself waits for the probe port is not waited for, nor is the other probe port.
    assert_eq!(names(&group.resources[&"probe".into()].depends_on), ["a", "b"]);
    assert_eq!(names(&group.resources[&"second".into()].depends_on), ["a", "after", "b"]);
}

#[test]
fn an_object_under_an_automatic_name_takes_its_place() {
    let spec = json!({
        "type": "ProbePort",
        "probePort": { "resource": "probe" },
        "interval": "1s",
        "timing": "WhileActive",
    });
    let objects = store([
        cluster(1),
        object("FailoverGroup", "g", json!({ "servers": ["n1"] })),
        probe("probe", "g"),
        object("Monitor", "probe-probe-port", spec),
    ]);
    let model = compile(&objects).unwrap();
    assert_eq!(model.monitors.len(), 2);
    let monitor = &model.monitors[&"probe-probe-port".into()];
    assert_eq!(Duration::from(monitor.spec.interval), Duration::from_secs(1));
    assert_eq!(monitor.while_active, Some("probe".into()));
}

#[test]
fn what_came_in_between_is_left_out() {
    let model = compile(&store([
        cluster(2),
        object("FailoverGroup", "g", json!({ "servers": ["n1", "gone"] })),
        resource("a", "g", &["gone"]),
        resource("b", "gone", &[]),
        object(
            "Monitor",
            "m",
            json!({
                "type": "TCP",
                "tcp": { "port": 1 },
                "recovery": { "target": { "kind": "Resource", "name": "b" } },
            }),
        ),
    ]))
    .unwrap();
    let group = &model.groups[&"g".into()];
    assert_eq!(names(&group.servers), ["n1"]);
    assert_eq!(names(&group.resources[&"a".into()].depends_on), [""; 0]);
    assert_eq!(model.resource(&"b".into()).map(|(group, _)| group.to_string()), None);
    let monitor = &model.monitors[&"m".into()];
    assert_eq!((&monitor.target_group, &monitor.target_resource), (&None, &None));
    assert_eq!(names(&monitor.servers), ["n1", "n2"]);
}

#[test]
fn a_port_is_watched_only_on_servers_of_its_group() {
    let model = compile(&store([
        cluster(3),
        object("FailoverGroup", "g", json!({ "servers": ["n3", "n1"] })),
        probe("probe", "g"),
    ]))
    .unwrap();
    let monitor = &model.monitors[&"probe-load-balance".into()];
    assert_eq!(names(&monitor.servers), ["n3", "n1"]);
    assert_eq!(monitor.spec.type_, MonitorType::LoadBalance);
    assert_eq!(monitor.spec.timing, MonitorTiming::Always);
}

#[test]
fn deletion_and_generation_are_carried_over() {
    let mut group = object("FailoverGroup", "g", json!({ "servers": ["n1"] }));
    group["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
    let model = compile(&store([cluster(1), group, resource("a", "g", &[])])).unwrap();
    let group = &model.groups[&"g".into()];
    assert!(group.deleting && !group.resources[&"a".into()].deleting);
    assert_eq!((group.generation, model.cluster.generation), (4, 4));
    assert_eq!(model.revision, Revision(3));
}

#[test]
fn what_makes_no_model_says_why() {
    let error = |objects: Objects| compile(&objects).unwrap_err().to_string();
    assert_eq!(error(store([])), "the store holds no Cluster: apply one");
    let mut second = cluster(1);
    second["metadata"]["name"] = "d".into();
    assert_eq!(
        error(store([cluster(1), second])),
        "the store holds two Clusters, c and d: delete one of them"
    );
    let group = object("FailoverGroup", "g", json!({ "servers": ["n1"] }));
    let circle = [resource("a", "g", &["b"]), resource("b", "g", &["a"])];
    assert_eq!(
        error(store([cluster(1), group.clone()].into_iter().chain(circle))),
        "resources of group g depend on each other in a circle: a, b"
    );
    let malformed = object("Resource", "r", json!({ "group": 1 }));
    let said = error(store([cluster(1), group, malformed]));
    assert!(said.starts_with("Resource/r in the store does not have the form"), "{said}");
}

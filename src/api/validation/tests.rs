use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::*;
use crate::api::manifest;
use crate::api::problem::{has_errors, render};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/validation")
}

/// What `stead apply` says about a file.
fn said(path: &Path) -> String {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let files = [(name, std::fs::read(path).unwrap())];
    let (objects, mut problems) = manifest::parse(&files);
    if !objects.is_empty() {
        problems.extend(manifest::check_all(&objects));
    }
    render(&problems)
}

/// `STEAD_WRITE_GOLDEN=1 cargo test golden` writes what is said now; read the difference.
#[test]
fn every_golden_manifest_gets_exactly_its_expected_answer() {
    let mut cases: Vec<PathBuf> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension != "txt"))
        .collect();
    cases.sort();
    assert!(cases.len() >= 40, "only {} cases", cases.len());
    let mut different = Vec::new();
    for case in cases {
        let said = said(&case);
        let expected = case.with_extension("txt");
        if std::env::var_os("STEAD_WRITE_GOLDEN").is_some() {
            std::fs::write(&expected, &said).unwrap();
        }
        if std::fs::read_to_string(&expected).unwrap_or_default() != said {
            different.push(format!("{}:\n{said}", case.display()));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn every_code_that_a_golden_answer_shows_is_in_the_catalogue() {
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let files = [("x".to_owned(), std::fs::read(&path).unwrap())];
        let (objects, mut problems) = manifest::parse(&files);
        problems.extend(manifest::check_all(&objects));
        for problem in problems {
            let known = crate::api::catalogue::lookup(&problem.code);
            assert!(known.is_some(), "{} is not in the catalogue", problem.code);
        }
    }
}

#[test]
fn the_quickstart_has_no_problems_at_all() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/quickstart/cluster.yaml");
    assert_eq!(said(&path), "no problems.\n");
}

#[test]
fn the_manifests_for_aws_have_no_problems_but_that_their_arbiter_is_not_exclusive() {
    for name in ["vip", "eip", "dns"] {
        let path = format!("{}/manifests/aws/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
        let said = said(Path::new(&path));
        assert!(!said.contains("Aws") && !said.contains("nothing applied"), "{said}");
    }
}

fn object(kind: &str, name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "stead.dev/v1alpha1",
        "kind": kind,
        "metadata": { "name": name },
        "spec": spec,
    })
}

fn small_cluster() -> Vec<Value> {
    let server = |number: u8| {
        let addresses = json!({ "a": format!("10.0.0.{number}"), "b": format!("10.1.0.{number}") });
        json!({ "name": format!("node{number}"), "addresses": addresses })
    };
    vec![
        object("Cluster", "c", json!({ "servers": [server(1), server(2), server(3)] })),
        object("FailoverGroup", "g", json!({ "servers": ["node1", "node2"] })),
        object(
            "Resource",
            "app",
            json!({ "group": "g", "type": "Exec", "exec": { "command": ["app"] } }),
        ),
    ]
}

#[test]
fn a_right_cluster_has_no_problems() {
    assert_eq!(validate(&small_cluster()), []);
}

#[test]
fn servers_and_the_type_of_arbitration_can_not_be_changed() {
    let old = small_cluster().remove(0);
    let mut new = old.clone();
    new["spec"]["servers"][0]["addresses"]["a"] = "10.0.0.9".into();
    new["spec"]["arbitration"] = json!({ "type": "None" });
    new["spec"]["heartbeat"] = json!({ "timeout": "2s" });
    let problems = validate_update(&old, &new);
    let said: Vec<(&str, &str)> =
        problems.iter().map(|p| (p.code.as_str(), p.field.as_str())).collect();
    assert_eq!(
        said,
        [("ImmutableField", "spec.arbitration.type"), ("ImmutableField", "spec.servers")]
    );
    assert_eq!(validate_update(&old, &old), []);
}

#[test]
fn an_operation_can_not_be_changed_at_all() {
    let old = object("Operation", "o", json!({ "type": "StopGroup", "group": "g" }));
    let new = object("Operation", "o", json!({ "type": "StartGroup", "group": "g" }));
    let problems = validate_update(&old, &new);
    assert_eq!(problems.len(), 1);
    assert_eq!((problems[0].code.as_str(), problems[0].field.as_str()), ("ImmutableField", "spec"));
}

#[test]
fn a_write_answers_only_for_what_it_makes_wrong() {
    let mut stored = small_cluster();
    let lost = json!({ "group": "gone", "type": "Exec", "exec": { "command": ["x"] } });
    stored.push(object("Resource", "lost", lost));
    let group = object("FailoverGroup", "g", json!({ "servers": ["node1", "node3"] }));
    assert_eq!(validate_write(&stored, &group), []);
    let wrong = object("FailoverGroup", "g", json!({ "servers": ["node1", "nod3"] }));
    let problems = validate_write(&stored, &wrong);
    assert!(has_errors(&problems));
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].field, "spec.servers[1]");
}

#[test]
fn an_operation_that_has_ended_is_not_asked_for_its_group_any_more() {
    let mut objects = small_cluster();
    let mut operation = object("Operation", "o", json!({ "type": "StopGroup", "group": "gone" }));
    objects.push(operation.clone());
    assert_eq!(validate(&objects).len(), 1);
    operation["status"] = json!({ "state": "Succeeded" });
    objects.pop();
    objects.push(operation);
    assert_eq!(validate(&objects), []);
}

#[test]
fn numbers_far_out_of_bounds_are_problems_and_no_panic() {
    let mut objects = small_cluster();
    objects[0]["spec"]["arbitration"] = json!({ "type": "None" });
    let recovery = json!({ "target": { "kind": "LocalServer" }, "finalAction": "Shutdown" });
    objects.push(object(
        "Monitor",
        "m",
        json!({
            "type": "Custom",
            "custom": { "command": ["x"] },
            "interval": "5000000h",
            "timeout": "5000000h",
            "retries": 4_294_967_295_u32,
            "recovery": recovery,
        }),
    ));
    assert!(has_errors(&validate(&objects)));
}

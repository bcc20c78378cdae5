use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::jsonpath::Path;
use super::kinds;
use super::query::Query;
use super::route::{Route, route};
use super::storage::{ResumeError, Storage, Update};
use super::table::{Include, table};
use crate::engine::effect::{Change, Expected};
use crate::engine::ids::Revision;
use crate::engine::model::{ObjectKey, Objects, StoredObject};

const TERM: u64 = 2;

fn revision(index: u64) -> Revision {
    Revision((TERM << Revision::INDEX_BITS) + index)
}

fn group(name: &str, startup: &str) -> Arc<str> {
    json!({
        "apiVersion": "stead.dev/v1alpha1", "kind": "FailoverGroup",
        "metadata": {"name": name, "namespace": "default", "uid": "u", "generation": 1,
            "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"servers": ["a"], "startup": startup},
    })
    .to_string()
    .into()
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::new("FailoverGroup", name)
}

fn update(objects: &Objects, index: u64) -> Update<'_> {
    Update {
        leader: Some("a".into()),
        leading: true,
        message: String::new(),
        term: TERM,
        revision: revision(index),
        objects,
        statuses: BTreeMap::new(),
        events: Vec::new(),
    }
}

fn status(message: &str) -> BTreeMap<ObjectKey, Value> {
    BTreeMap::from([(key("web"), json!({"message": message}))])
}

fn stored(index: u64, startup: &str) -> Objects {
    let object = StoredObject { revision: revision(index), json: group("web", startup) };
    Objects::from([(key("web"), object)])
}

#[test]
fn versions_never_go_back_whichever_of_store_and_status_moves() {
    let storage = Storage::new();
    let objects = stored(1, "Manual");
    storage.publish(update(&objects, 1));
    let mut last = storage.get(&key("web")).unwrap().version;
    assert_eq!(last, revision(1).0);
    for message in ["a", "b", "c"] {
        storage.publish(Update { statuses: status(message), ..update(&objects, 1) });
        let now = storage.get(&key("web")).unwrap().version;
        assert!(now > last);
        last = now;
    }
    // The store's next revision lies below what the statuses took.
    let objects = stored(2, "Automatic");
    storage.publish(update(&objects, 2));
    let served = storage.get(&key("web")).unwrap();
    assert!(served.version > last);
    assert_eq!(served.stored, Some(revision(2)));
    assert_eq!(served.value()["status"]["message"], "c");
}

#[test]
fn an_update_from_before_an_own_write_does_not_undo_it() {
    let storage = Storage::new();
    let before = stored(1, "Manual");
    storage.publish(update(&before, 1));
    let change = Change {
        key: key("web"),
        expected: Expected::At(revision(1)),
        json: Some(group("web", "Automatic")),
    };
    storage.written(&[change], revision(2));
    storage.publish(Update { statuses: status("x"), ..update(&before, 1) });
    let value = storage.get(&key("web")).unwrap().value();
    assert_eq!(value["spec"]["startup"], "Automatic");
    assert_eq!(value["status"]["message"], "x");
    let version = *storage.newest().borrow();
    let after = stored(2, "Automatic");
    storage.publish(Update { statuses: status("x"), ..update(&after, 2) });
    assert_eq!(*storage.newest().borrow(), version, "the same again is no news");
}

#[test]
fn what_history_no_longer_holds_is_expired_and_never_skipped() {
    let storage = Storage::new();
    let objects = stored(1, "Manual");
    storage.publish(update(&objects, 1));
    let first = *storage.newest().borrow();
    for round in 0..5000 {
        let statuses = status(&round.to_string());
        storage.publish(Update { statuses, ..update(&objects, 1) });
    }
    assert!(matches!(storage.since("FailoverGroup", first), Err(ResumeError::Expired { .. })));
    let newest = *storage.newest().borrow();
    let (changes, version) = storage.since("FailoverGroup", newest - 100).unwrap();
    assert_eq!((changes.len(), version), (100, newest));
    assert!(changes.windows(2).all(|pair| pair[0].version < pair[1].version));
    let ahead = storage.since("FailoverGroup", newest + 1);
    assert_eq!(ahead.unwrap_err(), ResumeError::Ahead { newest });
}

#[test]
fn a_server_that_begins_to_lead_resumes_nobody_elses_versions() {
    let storage = Storage::new();
    let objects = stored(1, "Manual");
    storage.publish(Update { leading: false, ..update(&objects, 1) });
    let follower = *storage.newest().borrow();
    storage.publish(Update { term: TERM + 1, ..update(&objects, 1) });
    assert!(storage.can_resume(follower).is_err());
    let leader = *storage.newest().borrow();
    assert_eq!(Revision(leader).term(), TERM + 1);
    // While it goes on leading, a new term breaks nothing.
    storage.publish(Update { term: TERM + 2, statuses: status("x"), ..update(&objects, 1) });
    assert_eq!(storage.since("FailoverGroup", leader).unwrap().0.len(), 1);
}

#[test]
fn paths_lead_to_what_they_say() {
    let object = json!({"status": {"conditions": [
        {"type": "Stalled", "status": "False"},
        {"type": "Ready", "status": "True", "n": 3},
    ]}, "metadata": {"labels": {"a.b/c": "d"}}});
    for (path, expected) in [
        (".status.conditions[?(@.type=='Ready')].status", json!("True")),
        (".status.conditions[?(@.type==\"Ready\")].n", json!(3)),
        (".status.conditions[?(@.type!='Ready')].status", json!("False")),
        (".status.conditions[1].type", json!("Ready")),
        ("$.status.conditions[*].n", json!(3)),
        (".metadata.labels['a.b/c']", json!("d")),
    ] {
        let path = Path::parse(path).unwrap();
        assert_eq!(path.first(&object), Some(&expected));
    }
    assert_eq!(Path::parse(".status.nothing.more").unwrap().first(&object), None);
    for wrong in ["status", ".a[", ".a[?(x)]", ".a[x]"] {
        assert_eq!(Path::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn tables_show_ages_as_people_read_them() {
    let now: Timestamp = "2026-06-01T00:00:00Z".parse().unwrap();
    let kind = kinds::find("", "v1", "namespaces").unwrap();
    for (seconds, age) in [
        (-5, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (130, "2m10s"),
        (599, "9m59s"),
        (600, "10m"),
        (10_799, "179m"),
        (10_800, "3h"),
        (11_100, "3h5m"),
        (172_799, "47h"),
        (172_800, "2d"),
        (187_200, "2d4h"),
        (86_400 * 9, "9d"),
        (86_400 * 800, "2y70d"),
        (86_400 * 4000, "10y"),
    ] {
        let created = now.checked_sub(jiff::SignedDuration::from_secs(seconds)).unwrap();
        let object = json!({"metadata": {"name": "x", "creationTimestamp": created.to_string()}});
        let table = table(kind, "v1", json!({}), &[object], Include::None, now);
        assert_eq!(table["rows"][0]["cells"], json!(["x", null, age]));
    }
}

#[test]
fn paths_of_requests_are_told_apart() {
    let routed = |path: &str| {
        let (parts, ()) = http::Request::get(path).body(()).unwrap().into_parts();
        let route = route(&parts);
        if let Route::Objects(target) = &route {
            return format!(
                "{} {} {}{}",
                target.kind.plural,
                target.namespace.as_deref().unwrap_or("*"),
                target.name.as_deref().unwrap_or("*"),
                if target.status { " status" } else { "" }
            );
        }
        if matches!(route, Route::Unknown) { "nothing".to_owned() } else { format!("{route:?}") }
    };
    let root = "/apis/stead.dev/v1alpha1";
    for (path, expected) in [
        ("/api/v1/namespaces", "namespaces * *"),
        ("/api/v1/namespaces/default", "namespaces * default"),
        ("/api/v1/namespaces/default/events/x", "events default x"),
        ("/api/v1/events", "events * *"),
        (&format!("{root}/clusters"), "clusters * *"),
        (&format!("{root}/clusters/x"), "nothing"),
        (&format!("{root}/namespaces/a%2Fb/clusters/x/status"), "clusters a/b x status"),
        (&format!("{root}/namespaces/a/clusters/x/scale"), "nothing"),
        ("/api/v1/namespaces/default/events/x/status", "nothing"),
        ("/apis/stead.dev/v1/clusters", "nothing"),
        ("/apis//v1/namespaces", "nothing"),
        ("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews/x", "nothing"),
        ("/readyz/", "Health { ready: true }"),
        ("/", "nothing"),
    ] {
        assert_eq!(routed(path), expected, "{path}");
    }
}

#[test]
fn parameters_are_decoded_and_garbage_in_them_survived() {
    let query = Query::parse("&limit=500&labelSelector=a%3Db+in&x=%zz%4&flag=true&y=%ff");
    assert_eq!(query.get("labelSelector"), Some("a=b in"));
    assert_eq!(query.number("limit").unwrap(), Some(500));
    assert_eq!(query.get("x"), Some("%zz%4"));
    assert_eq!(query.get("y"), Some("\u{fffd}"));
    assert!(query.flag("flag") && !query.flag("limit"));
}

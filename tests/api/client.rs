//! The `kube` crate, which our own command uses.

use futures_util::{StreamExt, TryStreamExt};
use kube::api::{
    Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams,
};
use serde_json::json;
use stead::api::kinds::{Automation, Cluster, FailoverGroup, GroupState, Operation, Resource};

use super::harness::{Lab, cluster, group, online, program};

#[tokio::test]
async fn the_kube_client_works_with_typed_objects() {
    let lab = Lab::start().await;
    let client = lab.client("admin").await;
    assert_eq!(client.apiserver_version().await.unwrap().major, "1");
    let clusters: Api<Cluster> = Api::namespaced(client.clone(), "default");
    let groups: Api<FailoverGroup> = Api::namespaced(client.clone(), "default");
    let apply = PatchParams::apply("stead");
    let params = PostParams::default();
    let object: Cluster = serde_json::from_value(cluster([7381, 7481])).unwrap();
    clusters.patch("lab", &apply, &Patch::Apply(&object)).await.unwrap();
    let wanted: FailoverGroup = serde_json::from_value(group("web")).unwrap();
    let made = groups.create(&params, &wanted).await.unwrap();
    assert_eq!(made.metadata.generation, Some(1));
    assert!(
        groups.create(&params, &wanted).await.unwrap_err().to_string().contains("already exists")
    );

    let version = made.metadata.resource_version.clone().unwrap();
    let watch = groups.watch(&WatchParams::default(), &version).await.unwrap();
    let mut watch = watch.boxed();
    lab.publish_status("FailoverGroup", "web", online("node1"));
    match watch.try_next().await.unwrap() {
        Some(WatchEvent::Modified(group)) => {
            assert_eq!(group.status.unwrap().state, GroupState::Online);
        }
        other => panic!("{other:?}"),
    }

    let mut changed = groups.get("web").await.unwrap();
    changed.spec.failback = Automation::Automatic;
    let changed = groups.replace("web", &params, &changed).await.unwrap();
    assert_eq!(changed.metadata.generation, Some(2));
    let merge = Patch::Merge(json!({"metadata": {"labels": {"a": "b"}}}));
    groups.patch("web", &PatchParams::default(), &merge).await.unwrap();
    let listed = groups.list(&ListParams::default().labels("a=b")).await.unwrap();
    assert_eq!(listed.items.len(), 1);
    let partial = groups.list_metadata(&ListParams::default()).await.unwrap();
    assert_eq!(partial.items[0].metadata.name.as_deref(), Some("web"));
    let error = groups.delete("web", &DeleteParams::default()).await.unwrap_err();
    assert!(error.to_string().contains("Protect"), "{error}");

    let resources: Api<Resource> = Api::namespaced(client.clone(), "default");
    let wanted: Resource = serde_json::from_value(program("app", "web")).unwrap();
    resources.patch("app", &apply, &Patch::Apply(&wanted)).await.unwrap();
    resources.patch("app", &apply, &Patch::Apply(&wanted)).await.unwrap();
    resources.delete("app", &DeleteParams::default()).await.unwrap();
    let operations: Api<Operation> = Api::namespaced(client, "default");
    let operation = serde_json::from_value(json!({
        "apiVersion": "stead.dev/v1alpha1", "kind": "Operation",
        "metadata": {"generateName": "stop-"}, "spec": {"type": "StopGroup", "group": "web"},
    }));
    let made = operations.create(&params, &operation.unwrap()).await.unwrap();
    assert!(made.metadata.name.unwrap().starts_with("stop-"));
}

#[tokio::test]
async fn the_kube_client_discovers_the_kinds() {
    let lab = Lab::start().await;
    let client = lab.client("watcher").await;
    let discovery = kube::Discovery::new(client.clone()).run().await.unwrap();
    let ours = discovery.get("stead.dev").unwrap();
    assert_eq!(ours.recommended_resources().len(), 6);
    let discovery = kube::Discovery::new(client).run_aggregated().await.unwrap();
    assert!(discovery.has_group("events.k8s.io"));
}

//! What goes over the wire, where kubectl does not show it.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use stead::engine::effect::WriteError;

use super::harness::{Lab, cluster, group, online, program};

/// The path of our objects.
pub const ROOT: &str = "/apis/stead.dev/v1alpha1/namespaces/default";

/// A raw answer.
#[derive(Debug)]
pub struct Answer {
    pub code: StatusCode,
    pub headers: HeaderMap,
    pub bytes: Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    #[track_caller]
    pub fn is(self, code: u16) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        self
    }

    #[track_caller]
    pub fn fails(self, code: u16, reason: &str, message: &str) -> Self {
        let status = self.json();
        assert_eq!(status["kind"], "Status", "{status}");
        assert_eq!((self.code.as_u16(), &status["reason"]), (code, &reason.into()), "{status}");
        let text = status["message"].as_str().unwrap();
        assert!(text.contains(message), "no `{message}` in {text}");
        self
    }

    #[track_caller]
    pub fn warns(self, text: &str) -> Self {
        let warnings: Vec<_> = self.headers.get_all("warning").iter().collect();
        let found = warnings.iter().any(|value| value.to_str().unwrap().contains(text));
        assert!(found, "no `{text}` in {warnings:?}");
        self
    }
}

/// A request as it is given.
pub async fn call(
    client: &kube::Client,
    method: Method,
    path: &str,
    headers: &[(http::HeaderName, &str)],
    body: impl Into<Vec<u8>>,
) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    let request = request.body(kube::client::Body::from(body.into())).unwrap();
    let (parts, body) = client.send(request).await.unwrap().into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    Answer { code: parts.status, headers: parts.headers, bytes }
}

pub async fn get(client: &kube::Client, path: &str) -> Answer {
    call(client, Method::GET, path, &[], "").await
}

pub async fn post(client: &kube::Client, path: &str, object: &Value) -> Answer {
    call(client, Method::POST, path, &[], object.to_string()).await
}

async fn patch(client: &kube::Client, path: &str, form: &str, body: &Value) -> Answer {
    let media = format!("application/{form}");
    call(client, Method::PATCH, path, &[(CONTENT_TYPE, &media)], body.to_string()).await
}

async fn with_objects() -> (Lab, kube::Client) {
    let lab = Lab::start().await;
    let client = lab.client("admin").await;
    post(&client, &format!("{ROOT}/clusters"), &cluster([7381, 7481])).await.is(201);
    post(&client, &format!("{ROOT}/failovergroups"), &group("web")).await.is(201);
    (lab, client)
}

#[tokio::test]
async fn discovery_comes_in_three_forms_and_is_cached_by_its_tag() {
    let lab = Lab::start().await;
    let client = lab.client("admin").await;
    let legacy = get(&client, "/apis").await.is(200);
    assert_eq!(legacy.json()["kind"], "APIGroupList");
    for form in ["v2", "v2beta1"] {
        let accept = format!(
            "application/json;g=apidiscovery.k8s.io;v={form};as=APIGroupDiscoveryList,\
             application/json"
        );
        let answer = call(&client, Method::GET, "/apis", &[(ACCEPT, &accept)], "").await.is(200);
        assert_eq!(answer.json()["apiVersion"], format!("apidiscovery.k8s.io/{form}"));
        let type_ = answer.headers[CONTENT_TYPE].to_str().unwrap();
        assert!(accept.starts_with(type_), "{type_}");
        let tag = answer.headers[ETAG].to_str().unwrap();
        let headers = [(ACCEPT, accept.as_str()), (IF_NONE_MATCH, tag)];
        call(&client, Method::GET, "/apis", &headers, "").await.is(304);
    }
    get(&client, "/apis/nothing.example").await.fails(404, "NotFound", "requested resource");
    get(&client, "/apis/stead.dev/v1alpha1/widgets").await.fails(404, "NotFound", "");
}

#[tokio::test]
async fn openapi_names_every_kind_once_and_has_the_parameters_kubectl_looks_for() {
    let lab = Lab::start().await;
    let client = lab.client("admin").await;
    let index = get(&client, "/openapi/v3").await.is(200).json();
    let url = index["paths"]["apis/stead.dev/v1alpha1"]["serverRelativeURL"].as_str().unwrap();
    let three = get(&client, url).await.is(200).json();
    let item = "/apis/stead.dev/v1alpha1/namespaces/{namespace}/failovergroups/{name}";
    let patch = &three["paths"][item]["patch"];
    let names: Vec<_> = patch["parameters"].as_array().unwrap().iter().collect();
    for wanted in ["fieldValidation", "dryRun"] {
        assert!(names.iter().any(|parameter| parameter["name"] == wanted), "{patch}");
    }
    assert_eq!(patch["x-kubernetes-group-version-kind"]["kind"], "FailoverGroup");
    let two = get(&client, "/openapi/v2").await.is(200).json();
    let mut kinds = Vec::new();
    for (name, definition) in two["definitions"].as_object().unwrap() {
        let kind = definition["x-kubernetes-group-version-kind"].as_array();
        kinds.extend(kind.into_iter().flatten().map(|kind| (kind.to_string(), name.clone())));
    }
    kinds.sort();
    let all = kinds.len();
    kinds.dedup_by(|one, two| one.0 == two.0);
    assert_eq!(all, kinds.len(), "{kinds:?}");
    let accept = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
    let protobuf = call(&client, Method::GET, "/openapi/v2", &[(ACCEPT, accept)], "").await.is(200);
    assert_eq!(&protobuf.bytes[..5], b"\x0a\x032.0");
}

#[tokio::test]
async fn versions_guard_replacements_and_only_the_spec_counts_generations() {
    let (lab, client) = with_objects().await;
    let path = format!("{ROOT}/failovergroups/web");
    let first = get(&client, &path).await.is(200).json();
    assert_eq!(first["metadata"]["generation"], 1);
    let mut second = first.clone();
    second["spec"]["startup"] = "Manual".into();
    let put = |object: &Value| {
        let (client, path, body) = (client.clone(), path.clone(), object.to_string());
        async move { call(&client, Method::PUT, &path, &[], body).await }
    };
    let answer = put(&second).await.is(200).json();
    assert_eq!(answer["metadata"]["generation"], 2);
    put(&second).await.fails(409, "Conflict", "the object has been modified; please apply");
    let mut labelled = answer.clone();
    labelled["metadata"]["labels"]["a"] = "b".into();
    labelled["status"] = json!({"state": "Online"});
    let labelled = put(&labelled).await.is(200).json();
    assert_eq!(labelled["metadata"]["generation"], 2);
    assert_ne!(labelled["status"]["state"], "Online");
    // What changes nothing makes no version.
    let same = put(&labelled).await.is(200).json();
    assert_eq!(same["metadata"]["resourceVersion"], labelled["metadata"]["resourceVersion"]);
    // A status has versions, too, and they guard.
    lab.publish_status("FailoverGroup", "web", online("node1"));
    put(&labelled).await.fails(409, "Conflict", "");
    let mut without = labelled;
    without["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    put(&without).await.fails(422, "Invalid", "must be specified for an update");
    let status = get(&client, &format!("{path}/status")).await.is(200).json();
    assert_eq!(status["status"]["server"], "node1");
    patch(&client, &format!("{path}/status"), "merge-patch+json", &json!({"status": {}}))
        .await
        .fails(405, "MethodNotAllowed", "what the cluster observes");
}

#[tokio::test]
async fn a_version_given_to_a_write_lies_above_every_version_served() {
    let (lab, client) = with_objects().await;
    let path = format!("{ROOT}/failovergroups/web");
    let version = |object: &Value| -> u64 {
        object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
    };
    let mut last = version(&get(&client, &path).await.json());
    for round in 0..5 {
        lab.publish_status(
            "FailoverGroup",
            "web",
            json!({"state": "Online", "message": format!("{round}")}),
        );
        let seen = version(&get(&client, &path).await.json());
        assert!(seen > last);
        let body = json!({"metadata": {"labels": {"round": format!("{round}")}}});
        let written = patch(&client, &path, "merge-patch+json", &body).await.is(200).json();
        assert!(version(&written) > seen);
        assert_eq!(written["status"]["message"], format!("{round}"));
        last = version(&written);
    }
}

#[tokio::test]
async fn lists_come_in_pages_that_name_the_first_version() {
    let (_lab, client) = with_objects().await;
    for name in ["a", "b", "c", "d"] {
        post(&client, &format!("{ROOT}/failovergroups"), &group(name)).await.is(201);
    }
    let first = get(&client, &format!("{ROOT}/failovergroups?limit=2")).await.is(200).json();
    assert_eq!(first["items"].as_array().unwrap().len(), 2);
    assert_eq!(first["metadata"]["remainingItemCount"], 3);
    post(&client, &format!("{ROOT}/failovergroups"), &group("e")).await.is(201);
    let next = first["metadata"]["continue"].as_str().unwrap();
    let path = format!("{ROOT}/failovergroups?limit=500&continue={next}");
    let second = get(&client, &path).await.is(200).json();
    assert_eq!(second["items"].as_array().unwrap().len(), 4);
    assert_eq!(second["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
    get(&client, &format!("{ROOT}/failovergroups?continue=rubbish")).await.fails(
        400,
        "BadRequest",
        "continue",
    );
}

#[tokio::test]
async fn selectors_select_and_wrong_ones_are_refused() {
    let (_lab, client) = with_objects().await;
    let mut other = group("other");
    other["metadata"]["labels"] = json!({"tier": "back", "color": "blue"});
    post(&client, &format!("{ROOT}/failovergroups"), &other).await.is(201);
    for (selector, expected) in [
        ("labelSelector=tier%3Dfront", vec!["web"]),
        ("labelSelector=tier!=front", vec!["other"]),
        ("labelSelector=tier+in+(front,back)", vec!["other", "web"]),
        ("labelSelector=tier+notin+(back)", vec!["web"]),
        ("labelSelector=color", vec!["other"]),
        ("labelSelector=!color", vec!["web"]),
        ("labelSelector=color,tier=front", vec![]),
        ("fieldSelector=metadata.name%3Dweb", vec!["web"]),
        ("fieldSelector=metadata.name!=web,metadata.namespace=default", vec!["other"]),
    ] {
        let list = get(&client, &format!("{ROOT}/failovergroups?{selector}")).await.is(200).json();
        let items = list["items"].as_array().unwrap().iter();
        let names: Vec<_> =
            items.map(|item| item["metadata"]["name"].as_str().unwrap().to_owned()).collect();
        assert_eq!(names, expected, "{selector}");
    }
    get(&client, &format!("{ROOT}/failovergroups?fieldSelector=spec.startup=Manual")).await.fails(
        400,
        "BadRequest",
        "field label not supported: spec.startup",
    );
    get(&client, &format!("{ROOT}/failovergroups?labelSelector=a+of+(b)")).await.fails(
        400,
        "BadRequest",
        "unable to parse",
    );
}

#[tokio::test]
async fn what_runs_something_goes_only_after_it_has_stopped() {
    let (lab, client) = with_objects().await;
    post(&client, &format!("{ROOT}/resources"), &program("app", "web")).await.is(201);
    lab.memory.hold_deletions(true);
    let path = format!("{ROOT}/resources/app");
    let deleting = call(&client, Method::DELETE, &path, &[], "").await.is(200).json();
    assert!(deleting["metadata"]["deletionTimestamp"].is_string(), "{deleting}");
    assert_eq!(deleting["metadata"]["generation"], 2);
    // Nobody takes the cluster's own finalizer off.
    let body = json!({"metadata": {"finalizers": null}});
    let kept = patch(&client, &path, "merge-patch+json", &body).await.is(200);
    let kept = kept.warns("the cluster's own").json();
    assert_eq!(kept["metadata"]["finalizers"], json!(["stead.dev/deactivate"]));
    lab.memory.hold_deletions(false);
    get(&client, &path).await.fails(404, "NotFound", "resources.stead.dev \"app\" not found");
    // Preconditions hold.
    let body = json!({"preconditions": {"uid": "another"}}).to_string();
    let path = format!("{ROOT}/failovergroups/web");
    call(&client, Method::DELETE, &path, &[], body).await.fails(409, "Conflict", "UID");
    let path = format!("{ROOT}/clusters/lab");
    call(&client, Method::DELETE, &path, &[], "").await.fails(403, "Forbidden", "web is Unknown");
}

#[tokio::test]
async fn servers_and_automatic_monitors_are_served_and_not_written() {
    let (_lab, client) = with_objects().await;
    let servers = get(&client, &format!("{ROOT}/servers")).await.is(200).json();
    assert_eq!(servers["items"].as_array().unwrap().len(), 2);
    let body = json!({"apiVersion": "stead.dev/v1alpha1", "kind": "Server",
        "metadata": {"name": "node3"}, "spec": {}});
    post(&client, &format!("{ROOT}/servers"), &body).await.fails(
        405,
        "MethodNotAllowed",
        "Cluster.spec.servers",
    );
    let mut probe = program("probe", "web");
    probe["spec"] = json!({"group": "web", "type": "ProbePort", "probePort": {"port": 26001}});
    post(&client, &format!("{ROOT}/resources"), &probe).await.is(201);
    let path = format!("{ROOT}/monitors/probe-probe-port");
    let monitor = get(&client, &path).await.is(200).json();
    assert_eq!(monitor["metadata"]["labels"]["stead.dev/automatic"], "true");
    call(&client, Method::DELETE, &path, &[], "").await.fails(403, "Forbidden", "suspended: true");
    // A person's takes its place, and deleting that brings it back.
    let body = json!({"spec": {"suspended": true}});
    let own = patch(&client, &path, "merge-patch+json", &body).await.is(200).json();
    assert!(own["metadata"]["labels"].get("stead.dev/automatic").is_none(), "{own}");
    call(&client, Method::DELETE, &path, &[], "").await.is(200);
    let back = get(&client, &path).await.is(200).json();
    assert_eq!(back["spec"]["suspended"], false);
    let path = format!("{ROOT}/resources/probe");
    call(&client, Method::DELETE, &path, &[], "").await.is(200);
}

#[tokio::test]
async fn names_are_generated_and_everything_wrong_is_said_at_once() {
    let (_lab, client) = with_objects().await;
    let mut generated = group("x");
    generated["metadata"] = json!({"generateName": "web-"});
    let path = format!("{ROOT}/failovergroups");
    let made = post(&client, &path, &generated).await.is(201).json();
    let name = made["metadata"]["name"].as_str().unwrap();
    assert!(name.starts_with("web-") && name.len() == 9, "{name}");
    let mut wrong = group("Wrong_Name");
    wrong["spec"]["startup"] = "Sometimes".into();
    wrong["spec"]["servers"] = json!([]);
    wrong["metadata"]["labels"] = json!({"number": 7});
    let status = post(&client, &path, &wrong).await.fails(422, "Invalid", "spec.startup").json();
    let causes = status["details"]["causes"].as_array().unwrap();
    for field in ["metadata.name", "metadata.labels.number", "spec.startup", "spec.servers"] {
        assert!(causes.iter().any(|cause| cause["field"] == field), "{field}: {status}");
    }
    let mut typo = group("typo");
    typo["spec"]["failbak"] = "Manual".into();
    post(&client, &path, &typo).await.fails(
        400,
        "BadRequest",
        "strict decoding error: unknown field \"spec.failbak\"",
    );
    let warn = format!("{path}?fieldValidation=Warn&dryRun=All");
    post(&client, &warn, &typo).await.is(201).warns("spec.failbak");
    let ignored = format!("{path}?fieldValidation=Ignore");
    let stored = post(&client, &ignored, &typo).await.is(201).json();
    assert!(stored["spec"].get("failbak").is_none());
    let twice = group("twice")
        .to_string()
        .replace("\"spec\":{", "\"spec\":{\"startup\":\"Manual\",\"startup\":\"Automatic\",");
    call(&client, Method::POST, &path, &[], twice).await.fails(
        400,
        "BadRequest",
        "duplicate field \"spec.startup\"",
    );
}

#[tokio::test]
async fn rights_follow_the_certificate() {
    let (lab, client) = with_objects().await;
    let viewer = lab.client("watcher").await;
    get(&viewer, &format!("{ROOT}/failovergroups/web")).await.is(200);
    post(&viewer, &format!("{ROOT}/failovergroups"), &group("x")).await.fails(
        403,
        "Forbidden",
        "User \"watcher\" cannot create resource \"failovergroups\"",
    );
    let operator = lab.client("operator").await;
    let operation = json!({"apiVersion": "stead.dev/v1alpha1", "kind": "Operation",
        "metadata": {"generateName": "move-"},
        "spec": {"type": "MoveGroup", "group": "web", "server": "node2"}});
    post(&operator, &format!("{ROOT}/operations"), &operation).await.is(201);
    post(&operator, &format!("{ROOT}/failovergroups"), &group("x")).await.fails(
        403,
        "Forbidden",
        "",
    );
    // Nobody but a server speaks for others.
    let headers = [
        (http::HeaderName::from_static("x-remote-user"), "root"),
        (http::HeaderName::from_static("x-remote-group"), "stead:admins"),
    ];
    let path = format!("{ROOT}/failovergroups");
    call(&viewer, Method::POST, &path, &headers, group("x").to_string()).await.fails(
        403,
        "Forbidden",
        "watcher",
    );
    get(&client, "/apis/stead.dev/v1alpha1/namespaces/other/failovergroups").await.fails(
        404,
        "NotFound",
        "one namespace",
    );
}

#[tokio::test]
async fn a_review_in_protobuf_is_understood() {
    let lab = Lab::start().await;
    let viewer = lab.client("watcher").await;
    let field = |number: u8, bytes: &[u8]| {
        let mut field = vec![number << 3 | 2, bytes.len() as u8];
        field.extend_from_slice(bytes);
        field
    };
    for (verb, allowed) in [("list", true), ("delete", false)] {
        let attributes =
            [field(2, verb.as_bytes()), field(3, b"stead.dev"), field(5, b"clusters")].concat();
        let review = [field(1, b""), field(2, &field(1, &attributes))].concat();
        let types = [field(1, b"authorization.k8s.io/v1"), field(2, b"SelfSubjectAccessReview")];
        let body = [b"k8s\0".to_vec(), field(1, &types.concat()), field(2, &review)].concat();
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        let headers = [(CONTENT_TYPE, "application/vnd.kubernetes.protobuf")];
        let answer = call(&viewer, Method::POST, path, &headers, body).await.is(201).json();
        assert_eq!(answer["status"]["allowed"], allowed, "{answer}");
    }
}

#[tokio::test]
async fn the_writers_refusals_reach_the_caller_in_words() {
    let (lab, client) = with_objects().await;
    let path = format!("{ROOT}/failovergroups");
    lab.memory.refuse(Some(WriteError::NotLeader { leader: None }));
    let answer = post(&client, &path, &group("x")).await.fails(503, "ServiceUnavailable", "");
    assert_eq!(answer.headers["retry-after"], "1");
    lab.memory.refuse(Some(WriteError::Unknown));
    post(&client, &path, &group("x")).await.fails(500, "InternalError", "may or may not");
    lab.memory.refuse(None);
    post(&client, &path, &group("x")).await.is(201);
}

#[tokio::test]
async fn definitions_can_be_applied_and_stay_as_they_are() {
    let lab = Lab::start().await;
    let client = lab.client("admin").await;
    let root = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let path = format!("{root}/failovergroups.stead.dev");
    let definition = get(&client, &path).await.is(200).json();
    let body = json!({"metadata": {"annotations": {"a": "b"}}});
    patch(&client, &path, "merge-patch+json", &body).await.is(200).warns("built into stead");
    post(&client, root, &definition).await.fails(409, "AlreadyExists", "");
    let mut other = definition;
    other["metadata"]["name"] = "widgets.example.org".into();
    post(&client, root, &other).await.fails(403, "Forbidden", "built in");
}

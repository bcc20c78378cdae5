//! Chapter 8 of the guide, row by row: each trouble is made, and told apart from the others by an id
//! with a cause and a remedy. The guide's own number stands before each case.

use std::time::Duration;

use serde_json::json;
use stead::api::catalogue::{Language, lookup};
use stead::api::kinds::{AwsAccess, AwsEndpoints, MonitorSpec, ResourceSpec};
use stead::engine::effect::ResourceAction;
use stead::engine::input::{CheckResult, Outcome};

use crate::answers;
use crate::lab::{Lab, SECONDARY, VIP, isolated, monitor};
use crate::metadata::{self, Metadata};
use crate::proxy::Fault;
use tokio::sync::watch;

/// Requests that change something.
pub const CHANGES: [&str; 5] = [
    "Action=ReplaceRoute",
    "Action=AssociateAddress",
    "Action=DisassociateAddress",
    "Action=AssignPrivateIpAddresses",
    "POST /2013-04-01/hostedzone/",
];
/// Answers of EC2, and of Route 53.
const EC2: &str = "Action=";
const ROUTE_53: &str = "/2013-04-01/";

/// What goes wrong between a driver and AWS.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Broken {
    NoKeys,
    NoRole,
    SilentMetadata,
    WrongKey,
    Expired,
    ClockOff,
    Denied,
    EndpointDown,
    NoPath,
    NoAnswer,
}

/// The guide's numbers of the resources, and the monitors' with the warning form.
const CAUSES: [(&str, Broken, &str, &str); 10] = [
    ("50, no credentials", Broken::NoKeys, "AwsNoCredentials", "/root/.aws/credentials"),
    ("50, role not attached (metadata 404)", Broken::NoRole, "AwsRoleMissing", "role"),
    ("51, slow metadata", Broken::SilentMetadata, "AwsMetadataSlow", "169.254.169.254"),
    ("50, wrong key", Broken::WrongKey, "AwsCredentialsRefused", "key"),
    ("50, expired key", Broken::Expired, "AwsCredentialsExpired", "role"),
    ("50, clock too far off", Broken::ClockOff, "AwsClockSkew", "chrony"),
    ("50, not authorized", Broken::Denied, "AwsNotAuthorized", "Allow"),
    ("50, endpoint down", Broken::EndpointDown, "AwsEndpointFailing", "health"),
    ("50, no path to the endpoint", Broken::NoPath, "AwsEndpointUnreachable", "routes"),
    ("1 / 53 / 51 and 105 / 106, no answer in time", Broken::NoAnswer, "AwsNoAnswer", "load"),
];

impl Broken {
    /// Breaks it, and nothing else.
    async fn begin(self, lab: &mut Lab, metadata: &mut Option<watch::Sender<Metadata>>) {
        lab.anew();
        lab.faults.always(None);
        for word in [EC2, ROUTE_53] {
            lab.faults.always_of(word, None);
        }
        let no_role = self == Broken::NoRole;
        let behaviour = if no_role { Metadata::NoRole } else { Metadata::Silent };
        match metadata {
            Some(metadata) => drop(metadata.send_replace(behaviour)),
            None if self == Broken::NoKeys => {}
            None => *metadata = Some(metadata::serve(behaviour).await),
        }
        let lab = &*lab;
        let answers = |ec2: &'static str, route53: &'static str| {
            lab.faults.always_of(EC2, Some(Fault::Answer(ec2)));
            lab.faults.always_of(ROUTE_53, Some(Fault::Answer(route53)));
        };
        let without_keys = AwsAccess { credentials: Some(lab.no_keys()), ..lab.access() };
        match self {
            Broken::NoKeys | Broken::NoRole | Broken::SilentMetadata => lab.reach(without_keys),
            Broken::WrongKey => answers(answers::WRONG_KEY, answers::WRONG_KEY_ROUTE_53),
            Broken::Expired => answers(answers::EXPIRED_KEY, answers::EXPIRED_KEY_ROUTE_53),
            Broken::ClockOff => answers(answers::CLOCK_OFF, answers::CLOCK_OFF_ROUTE_53),
            Broken::Denied => answers(answers::REFUSED, answers::REFUSED_ROUTE_53),
            Broken::EndpointDown => answers(answers::DOWN, answers::DOWN_ROUTE_53),
            Broken::NoPath => {
                let nowhere = Some("http://127.0.0.1:9".to_owned());
                let endpoints = AwsEndpoints { ec2: nowhere.clone(), route53: nowhere, sts: None };
                lab.reach(AwsAccess { endpoints, ..lab.access() });
            }
            Broken::NoAnswer => lab.faults.always(Some(Fault::Late)),
        }
    }

    /// Time for a try, and for asking the metadata again for the reason.
    fn limit(self) -> &'static str {
        if self == Broken::SilentMetadata { "20s" } else { "1s" }
    }
}

/// The catalogue has a cause and a remedy for it, in both languages, and the remedy names this.
pub fn explained(id: &str, remedy: &str) {
    let entry = lookup(id).unwrap_or_else(|| panic!("{id} is in no catalogue"));
    for language in [Language::English, Language::Japanese] {
        assert!(!entry.cause.get(language).is_empty(), "{id}");
        assert!(!entry.remedy.get(language).is_empty(), "{id}");
    }
    let text = entry.remedy.get(Language::English);
    assert!(text.contains(remedy), "{id}: {text} does not name {remedy}");
}

/// It failed with this id, and says what the catalogue says of it; gives all that it said.
pub fn failed(outcome: Outcome, id: &str, case: &str) -> String {
    let Outcome::Failed { reason, message } = outcome else { panic!("{case}: {outcome:?}") };
    assert_eq!(reason, id, "{case}: {message}");
    let text = lookup(id).unwrap().text.get(Language::English);
    let beginning = text.split("{message}").next().unwrap();
    assert!(message.starts_with(beginning), "{case}: {message}");
    assert!(message.ends_with(&format!("({id})")), "{case}: {message}");
    assert!(!message.contains("hunter2"), "{case}: {message}");
    message
}

/// Requests so far that change something.
pub fn changes(lab: &Lab) -> u64 {
    CHANGES.iter().map(|word| lab.faults.seen(word).requests).sum()
}

fn resources(lab: &Lab) -> [(&'static str, ResourceSpec); 4] {
    [
        ("AWS virtual IP resource", lab.virtual_ip()),
        ("AWS Elastic IP resource", lab.elastic_ip()),
        ("AWS DNS resource", lab.record()),
        ("AWS secondary IP resource", lab.secondary_ip()),
    ]
}

/// Every monitor with what it looks at, and `onNoAnswer` as given.
fn monitors(
    lab: &Lab,
    on_no_answer: &str,
    limit: &str,
) -> Vec<(MonitorSpec, Option<ResourceSpec>)> {
    let own = json!({"resource": "resource", "onNoAnswer": on_no_answer});
    let zone = json!({
        "perServer": [{"name": "node1", "zone": "us-east-1a"}],
        "onNoAnswer": on_no_answer,
    });
    let of = |type_, member, settings| {
        let mut spec = monitor(type_, member, settings, "1h");
        spec.timeout = serde_json::from_value(json!(limit)).unwrap();
        spec
    };
    vec![
        (of("AwsVirtualIP", "awsVirtualIP", own.clone()), Some(lab.virtual_ip())),
        (of("AwsElasticIP", "awsElasticIP", own.clone()), Some(lab.elastic_ip())),
        (of("AwsSecondaryIP", "awsSecondaryIP", own.clone()), Some(lab.secondary_ip())),
        (of("AwsDNS", "awsDNS", own), Some(lab.record())),
        (of("AwsAZ", "awsAZ", zone), None),
    ]
}

#[test]
fn each_cause_has_an_id_of_its_own_when_a_resource_is_activated_and_changes_nothing() {
    isolated(async || {
        let (mut lab, mut metadata) = (Lab::new().await, None);
        changes(&lab);
        for (case, broken, id, remedy) in CAUSES {
            explained(id, remedy);
            broken.begin(&mut lab, &mut metadata).await;
            let limit: stead::api::kinds::Duration =
                serde_json::from_value(json!(broken.limit())).unwrap();
            for (object, spec) in resources(&lab) {
                let case = format!("{object}, {case}");
                let started =
                    lab.act_within(Duration::from(limit), ResourceAction::Start, &spec).await;
                failed(started, id, &case);
                assert_eq!(changes(&lab), 0, "{case}");
            }
        }
    });
}

#[test]
fn each_cause_is_a_warning_an_error_or_nothing_for_a_monitor_as_set() {
    isolated(async || {
        let (mut lab, mut metadata) = (Lab::new().await, None);
        // What is on this machine is as it should be; what AWS says is not known.
        lab.put_address(VIP);
        lab.put_address(SECONDARY);
        for (case, broken, id, _) in CAUSES {
            broken.begin(&mut lab, &mut metadata).await;
            let forms = [
                ("Warn", CheckResult::Warning),
                ("Recover", CheckResult::Error),
                ("Ignore", CheckResult::Normal),
            ];
            for (setting, expected) in forms {
                for (spec, resource) in monitors(&lab, setting, broken.limit()) {
                    let case = format!("{:?} monitor, {case}, {setting}", spec.type_);
                    // Within the interval it is the answer before: as good as a second one.
                    let (result, message) = lab.check("monitor", &spec, resource.as_ref()).await;
                    assert_eq!(result, expected, "{case}: {message}");
                    assert!(message.contains(&format!("({id})")), "{case}: {message}");
                }
            }
        }
    });
}

#[test]
fn a_role_of_the_instance_is_enough() {
    isolated(async || {
        let lab = Lab::new().await;
        metadata::serve(Metadata::Role).await;
        // The region comes from there, too.
        let credentials = Some(lab.no_keys());
        lab.reach(AwsAccess { credentials, region: None, ..lab.access() });
        for (object, spec) in resources(&lab) {
            let started = lab.act(ResourceAction::Start, &spec).await;
            assert!(matches!(started, Outcome::Active { .. }), "{object}: {started:?}");
        }
        let zone = monitor("AwsAZ", "awsAZ", json!({}), "1h");
        let (result, message) = lab.check("zone", &zone, None).await;
        assert_eq!((result, message.as_str()), (CheckResult::Normal, "us-east-1a is available"));
    });
}

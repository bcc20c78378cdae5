//! How the API is reached: by a profile, by a role that is assumed, through a proxy (AW-10). The role
//! of an instance is in `causes`.

use std::fs;

use serde_json::json;
use stead::api::kinds::{AwsAccess, AwsAssumeRole, AwsEndpoints, SecretSource};
use stead::engine::input::CheckResult;

use crate::lab::{Lab, isolated, monitor};

/// What the monitor of a zone says, over a session of its own.
async fn zone(lab: &Lab) -> (CheckResult, String) {
    let own = json!({"perServer": [{"name": "node1", "zone": "us-east-1a"}]});
    lab.check("zone", &monitor("AwsAZ", "awsAZ", own, "1h"), None).await
}

#[test]
fn a_profile_of_the_shared_file_is_used_by_its_name() {
    isolated(async || {
        let mut lab = Lab::new().await;
        lab.anew();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("credentials");
        let keys = "[default]\naws_access_key_id = WRONG\naws_secret_access_key = x\n\
                    [cluster]\naws_access_key_id = RIGHT\naws_secret_access_key = hunter2\n";
        fs::write(&path, keys).unwrap();
        let credentials = Some(SecretSource { file: path.to_str().unwrap().to_owned() });
        let profile = Some("cluster".to_owned());
        lab.reach(AwsAccess { credentials, profile, ..lab.access() });
        let (right, wrong) = ("Credential=RIGHT", "Credential=WRONG");
        for word in [right, wrong] {
            lab.faults.seen(word);
        }
        let (result, message) = zone(&lab).await;
        assert_eq!(result, CheckResult::Normal, "{message}");
        assert!(lab.faults.seen(right).requests > 0);
        assert_eq!(lab.faults.seen(wrong).requests, 0);
    });
}

#[test]
fn a_role_is_assumed_with_the_credentials_found() {
    isolated(async || {
        let mut lab = Lab::new().await;
        lab.anew();
        let assume_role = Some(AwsAssumeRole {
            role_arn: "arn:aws:iam::123456789012:role/cluster".into(),
            external_id: Some("agreed-upon".into()),
        });
        let endpoints = AwsEndpoints { sts: Some(lab.endpoint.clone()), ..lab.access().endpoints };
        lab.reach(AwsAccess { assume_role, endpoints, ..lab.access() });
        // Keys of a role that was assumed begin so; those found first ask for it, and for nothing else.
        let (assumed, asked, first) =
            ("Credential=ASIA", "ExternalId=agreed-upon", "Credential=k/");
        for word in [assumed, asked, first] {
            lab.faults.seen(word);
        }
        let (result, message) = zone(&lab).await;
        assert_eq!(result, CheckResult::Normal, "{message}");
        assert!(lab.faults.seen(assumed).requests > 0);
        assert_eq!(lab.faults.seen(asked).requests, 1);
        assert_eq!(lab.faults.seen(first).requests, 1);
    });
}

#[test]
fn calls_go_through_a_proxy_where_one_is_named() {
    isolated(async || {
        let mut lab = Lab::new().await;
        lab.anew();
        // No name is resolved in this network: only the proxy leads there.
        let real = "http://ec2.us-east-1.amazonaws.com";
        let endpoints = AwsEndpoints { ec2: Some(real.into()), ..lab.access().endpoints };
        lab.reach(AwsAccess { endpoints: endpoints.clone(), ..lab.access() });
        let (result, message) = zone(&lab).await;
        assert_eq!(result, CheckResult::Warning, "{message}");
        assert!(message.contains("(AwsEndpointUnreachable)"), "{message}");
        lab.anew();
        let proxy = Some(lab.endpoint.clone());
        lab.reach(AwsAccess { endpoints, proxy, ..lab.access() });
        let through = "POST http://ec2.us-east-1.amazonaws.com/";
        lab.faults.seen(through);
        let (result, message) = zone(&lab).await;
        assert_eq!(result, CheckResult::Normal, "{message}");
        assert!(lab.faults.seen(through).requests > 0);
    });
}

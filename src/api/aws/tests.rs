use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::*;

/// Beginnings of the names of actions that clients in src/cloud/aws ask.
const SERVICES: [&str; 3] = ["ec2:", "route53:", "sts:"];
/// Needs no permission: everybody may ask who they are.
const FREE: &str = "sts:GetCallerIdentity";

#[test]
fn the_table_has_every_call_that_is_made_and_no_other() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cloud/aws");
    let mut made = BTreeSet::new();
    for file in fs::read_dir(folder).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        let literals = text.split('"').skip(1).step_by(2).map(str::to_owned);
        let is_action = |word: &String| {
            let service = SERVICES.iter().find_map(|service| word.strip_prefix(service));
            service.is_some_and(|name| {
                !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric())
            })
        };
        made.extend(literals.filter(is_action).filter(|name| name != FREE));
    }
    // The SDK assumes roles by itself, and another client asks S3.
    let listed = ACTIONS.iter().filter(|action| !matches!(action.of, Use::Lease | Use::Role));
    let listed: BTreeSet<String> = listed.map(|action| action.name.to_owned()).collect();
    assert_eq!(listed, made);
}

#[test]
fn the_table_of_the_documentation_is_this_one() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/aws.md");
    let table = table();
    assert!(
        fs::read_to_string(page).unwrap().contains(&table),
        "put this into docs/aws.md:\n{table}"
    );
}

#[test]
fn a_refusal_is_told_what_needs_the_action() {
    assert_eq!(needed_by("ec2:ReplaceRoute"), ["AwsVirtualIP"]);
    assert_eq!(needed_by("ec2:DescribeNetworkInterfaces"), ["AwsVirtualIP", "AwsSecondaryIP"]);
    assert_eq!(needed_by("route53:GetHostedZone"), ["stead doctor"]);
    assert_eq!(needed_by("ec2:RunInstances"), [""; 0]);
}

#[test]
fn partitions_are_known_by_their_regions() {
    let cases = [
        ("ap-northeast-1", "aws"),
        ("us-east-1", "aws"),
        ("us-gov-west-1", "aws-us-gov"),
        ("cn-north-1", "aws-cn"),
        ("us-isob-east-1", "aws-iso-b"),
        ("eusc-de-east-1", "aws-eusc"),
    ];
    for (region, expected) in cases {
        assert_eq!(partition(region), expected, "{region}");
    }
}

#[test]
fn a_monitor_whose_settings_are_all_left_out_needs_its_action_too() {
    let monitor = serde_json::json!({
        "kind": "Monitor", "metadata": {"name": "zone"}, "spec": {"type": "AwsAZ"},
    });
    assert_eq!(Uses::of(&[monitor]).kinds(), [Use::Zone]);
}

//! The command with the published manifests, and its answers to others.

use std::fs;
use std::path::Path;

use super::*;

fn arguments(words: &[&str]) -> Arguments {
    let line = ["stead", "iam-policy"].iter().chain(words).map(std::ffi::OsString::from);
    let command = crate::cli::parse(line).unwrap().command;
    let crate::cli::Command::IamPolicy(arguments) = command else { panic!("{command:?}") };
    arguments
}

fn said(manifest: &str, words: &[&str]) -> Result<(String, Vec<String>), Failure> {
    let files = [("cluster.yaml".to_owned(), manifest.as_bytes().to_vec())];
    let words: Vec<&str> = ["-f", "-"].iter().chain(words).copied().collect();
    render(&check_manifests(&files)?, &arguments(&words))
}

fn published(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(root.join("manifests").join(name)).unwrap()
}

/// `STEAD_WRITE_GOLDEN=1 cargo test golden` writes what is said now; read the difference.
#[test]
fn the_policies_of_the_golden_manifests_are_as_they_were() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/iam-policy");
    let here = ["--account", "123456789012", "--region", "ap-northeast-1"];
    let everything = fs::read_to_string(folder.join("everything.yaml")).unwrap();
    let role = everything.replacen(
        "  aws:\n",
        "  aws:\n    assumeRole: {roleArn: 'arn:aws:iam::210987654321:role/stead'}\n",
        1,
    );
    let cases: [(&str, &str, &[&str]); 8] = [
        ("vip.json", &published("aws/vip.yaml"), &here),
        ("eip.json", &published("aws/eip.yaml"), &[]),
        ("dns.json", &published("aws/dns.yaml"), &here),
        ("dns-doctor.json", &published("aws/dns.yaml"), &["--doctor"]),
        ("everything.json", &everything, &["--doctor"]),
        ("everything.yml", &everything, &["-o", "yaml", "--partition", "aws-cn"]),
        ("role.tf", &role, &["-o", "terraform"]),
        ("role-servers.json", &role, &["--for", "servers"]),
    ];
    let mut different = Vec::new();
    for (name, manifest, words) in cases {
        let (text, _) = said(manifest, words).unwrap();
        let path = folder.join(name);
        if std::env::var_os("STEAD_WRITE_GOLDEN").is_some() {
            fs::write(&path, &text).unwrap();
        }
        if fs::read_to_string(&path).unwrap_or_default() != text {
            different.push(format!("{name}:\n{text}"));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn a_manifest_without_anything_of_aws_is_told_so() {
    let failure = said(&published("quickstart/cluster.yaml"), &[]).unwrap_err();
    assert_eq!(failure.exit_code(), 4);
    assert!(failure.to_string().contains("uses nothing of AWS"), "{failure}");
}

#[test]
fn a_manifest_that_is_wrong_gets_no_policy() {
    let wrong = published("aws/vip.yaml").replace("vpc-0a1b2c3d4e5f60001", "vpc-x");
    let failure = said(&wrong, &[]).unwrap_err();
    assert_eq!(failure.exit_code(), 4);
    assert!(failure.to_string().contains("AwsIdMalformed"), "{failure}");
}

#[test]
fn whom_it_is_for_and_that_it_is_long_is_noted() {
    let failure = said(&published("aws/vip.yaml"), &["--for", "assumed-role"]).unwrap_err();
    assert!(failure.to_string().contains("no spec.aws.assumeRole"), "{failure}");

    let with_role = published("aws/dns.yaml").replace(
        "  arbitration:",
        "  aws: {assumeRole: {roleArn: 'arn:aws:iam::123456789012:role/r'}}\n  arbitration:",
    );
    let (_, notes) = said(&with_role, &[]).unwrap();
    assert!(notes[0].contains("--for servers"), "{notes:?}");

    let resource = |number: usize| {
        format!(
            "---\napiVersion: stead.dev/v1alpha1\nkind: Resource\nmetadata: {{name: e{number}}}\n\
             spec: {{group: failover1, type: AwsElasticIP, awsElasticIP: {{allocationId: \
             eipalloc-{number:017x}, perServer: [{{name: node1, eniId: eni-{number:08x}}}, \
             {{name: node2, eniId: eni-{:08x}}}]}}}}\n",
            number + 1000
        )
    };
    let many: String = (0..40).map(resource).collect();
    let (_, notes) = said(&(published("aws/vip.yaml") + &many), &[]).unwrap();
    assert!(notes[0].contains("put-role-policy"), "{notes:?}");
}

#[test]
fn an_account_has_twelve_digits() {
    assert_eq!(account("123456789012").as_deref(), Ok("123456789012"));
    assert!(account("12345678901").is_err() && account("12345678901x").is_err());
}

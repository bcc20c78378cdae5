//! The surroundings in Terraform: read by a parser that is not Terraform's, always; applied to moto
//! where a terraform (or tofu) that can get its provider is at hand.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::cloud::{Moto, folder};

const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/manifests/aws");

/// The files as Python's hcl2 reads them: resources by type and name.
fn parsed() -> Value {
    let lines = format!(
        "import glob, hcl2, json\n\
         found = {{}}\n\
         for name in sorted(glob.glob('{SOURCES}/terraform/*.tf')):\n    \
         for block in hcl2.load(open(name)).get('resource', []):\n        \
         for kind, named in block.items():\n            \
         found.setdefault(kind.strip('\"'), {{}}).update(\n                \
         {{key.strip('\"'): body for key, body in named.items()}})\n\
         print(json.dumps(found))"
    );
    let output = Command::new(folder().join("python")).args(["-c", &lines]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_surroundings_are_those_of_the_guide() {
    let resources = parsed();
    let text = |kind: &str, name: &str, field: &str| {
        let value = &resources[kind][name][field];
        assert!(!value.is_null(), "{kind}.{name} has no {field}");
        value.to_string()
    };
    assert!(text("aws_vpc", "cluster", "cidr_block").contains("10.0.0.0/16"));
    assert!(text("aws_vpc", "cluster", "enable_dns_support").contains("true"));
    for cidr in ["10.0.10.0/24", "10.0.20.0/24"] {
        assert!(text("aws_subnet", "public", "cidr_block").contains(cidr));
    }
    for cidr in ["10.0.110.0/24", "10.0.120.0/24"] {
        assert!(text("aws_subnet", "private", "cidr_block").contains(cidr));
    }
    assert!(text("aws_route_table", "public", "tags").contains("Public-AB"));
    for name in ["Private-A", "Private-B"] {
        assert!(text("aws_route_table", "private", "tags").contains(name));
        assert!(text("aws_route", "virtual_address", "for_each").contains(name));
    }
    // What the cluster changes is not Terraform's to change back.
    let kept = text("aws_route", "virtual_address", "lifecycle");
    assert!(kept.contains("network_interface_id"), "{kept}");
    assert!(text("aws_route53_zone", "service", "name").contains("hz1.local"));
    let ports = text("aws_vpc_security_group_ingress_rule", "heartbeat", "from_port");
    assert!(ports.contains("7380"));
}

/// Each id of the manifests that stands for the user's own is filled in by the output.
#[test]
fn every_id_of_the_manifests_is_filled_in() {
    let outputs = fs::read_to_string(format!("{SOURCES}/terraform/outputs.tf")).unwrap();
    for name in ["vip", "eip", "dns"] {
        let manifest = fs::read_to_string(format!("{SOURCES}/{name}.yaml")).unwrap();
        let marks = |word: &&str| word.contains("0a1b2c3d4e5f6") || *word == "ABCDEFGHIJK123";
        let words = manifest.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
        let ids: Vec<&str> = words.filter(marks).collect();
        assert!(!ids.is_empty());
        for id in ids {
            assert!(outputs.contains(&format!("\"{id}\"")), "{name}.yaml: {id} stays as it is");
        }
    }
}

/// A program and a folder in which it has got its provider.
fn initialised(work: &Path) -> Option<&'static str> {
    let program = ["terraform", "tofu"]
        .into_iter()
        .find(|program| Command::new(program).arg("version").output().is_ok())?;
    let output = run(program, work, &["init", "-input=false"]);
    if !output.status.success() {
        println!("{program} init: {}", String::from_utf8_lossy(&output.stderr));
    }
    output.status.success().then_some(program)
}

fn run(program: &str, work: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.current_dir(work).args(arguments);
    command.env("AWS_ACCESS_KEY_ID", "t").env("AWS_SECRET_ACCESS_KEY", "t");
    command.env("AWS_EC2_METADATA_DISABLED", "true").env("TF_IN_AUTOMATION", "1");
    command.output().unwrap()
}

fn copied(to: &Path) -> PathBuf {
    let work = to.join("terraform");
    fs::create_dir(&work).unwrap();
    for folder in ["", "terraform"] {
        for entry in fs::read_dir(Path::new(SOURCES).join(folder)).unwrap() {
            let entry = entry.unwrap().path();
            if entry.is_file() {
                fs::copy(&entry, to.join(folder).join(entry.file_name().unwrap())).unwrap();
            }
        }
    }
    work
}

#[test]
fn terraform_makes_what_each_manifest_needs_where_it_is_at_hand() {
    let folder = tempfile::tempdir().unwrap();
    let work = copied(folder.path());
    let Some(program) = initialised(&work) else {
        println!("no terraform or tofu with its provider at hand: nothing was applied");
        return;
    };
    let moto = Moto::on_loopback();
    let address = moto.address();
    let overridden = format!(
        "provider \"aws\" {{\n  skip_credentials_validation = true\n  skip_requesting_account_id = \
         true\n  endpoints {{\n    ec2 = \"http://{address}\"\n    iam = \"http://{address}\"\n    \
         route53 = \"http://{address}\"\n    sts = \"http://{address}\"\n  }}\n}}\n"
    );
    fs::write(work.join("moto_override.tf"), overridden).unwrap();
    let image = moto.python("print(ec2.describe_images()['Images'][0]['ImageId'])");
    for configuration in ["vip", "eip", "dns"] {
        let done = |arguments: &[&str]| {
            let output = run(program, &work, arguments);
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        let chosen = format!("-var=configuration={configuration}");
        let image = format!("-var=image={image}");
        let variables = [&*chosen, &*image, "-input=false", "-auto-approve"];
        done(&[&["apply"][..], &variables].concat());
        let manifest = folder.path().join(format!("{configuration}-filled.yaml"));
        fs::write(&manifest, done(&["output", "-raw", "manifest"])).unwrap();
        let out = folder.path().join(configuration);
        let made = Command::new(env!("CARGO_BIN_EXE_stead"))
            .args(["init", "--power", "None", "--filename"])
            .args([manifest.as_os_str(), "--out".as_ref(), out.as_os_str()])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        done(&[&["destroy"][..], &variables].concat());
    }
}

//! `stead iam-policy`: the least rights that a manifest needs at AWS.

use std::io::Write as _;

use clap::ValueEnum;
use serde_json::Value;

use super::apply::{check_manifests, existing, read_files};
use super::connection::Connection;
use super::failure::Failure;
use super::output::{print, text, yaml};
use super::{Global, on_runtime};
use crate::api::aws::{DOCUMENT_MAX, Place, Principal, Uses, document, length, policy};

/// Print the IAM policy with the least rights that a manifest needs.
///
/// Made from what the manifest really uses: each type of resource, monitor and fencing method, and a
/// lease in S3, has its actions (docs/aws.md lists them). Every action is limited to what the
/// manifest names, as far as AWS allows it: lists (`Describe…`) are allowed on everything only;
/// routes are limited to tables of the VPC, for no manifest names the tables; records to their zone,
/// name and type. Nothing is asked, at AWS or elsewhere, and no credentials are needed.
///
/// Region and account are `*` where neither an option nor the manifest says them. Make the policy
/// anew when the manifest changes.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes:
  0  printed
  1  error: a file can't be read, no server answers
  2  the command line is wrong
  4  refused: the manifest is wrong, or uses nothing of AWS

Examples:
  stead iam-policy -f manifests/ > policy.json
  aws iam put-role-policy --role-name stead --policy-name stead --policy-document file://policy.json
  stead iam-policy -f manifests/ --account 123456789012 --region ap-northeast-1 -o terraform
  stead iam-policy -f manifests/ --doctor
  stead iam-policy --from-cluster")]
pub(super) struct Arguments {
    /// Manifests: files, folders of .yaml, .yml and .json files, or `-` for standard input.
    #[arg(
        short,
        long,
        value_name = "FILE|DIR|-",
        required_unless_present = "from_cluster",
        conflicts_with = "from_cluster"
    )]
    filename: Vec<String>,
    /// Of what the cluster has.
    #[arg(long)]
    from_cluster: bool,
    /// Number of the account that the resources are in [default: that of `assumeRole`, or any].
    #[arg(long, value_name = "NUMBER", value_parser = account)]
    account: Option<String>,
    /// Region of the resources [default: `spec.aws.region` of the Cluster, or any].
    #[arg(long, value_name = "NAME")]
    region: Option<String>,
    /// Partition of AWS: aws, aws-cn, aws-us-gov, … [default: that of the region, or aws].
    #[arg(long, value_name = "NAME")]
    partition: Option<String>,
    /// Also what only `stead doctor` asks. It reads; the agents don't need it.
    #[arg(long)]
    doctor: bool,
    /// Whom it is for [default: the role that `assumeRole` names, else the servers].
    #[arg(long = "for", value_enum, value_name = "WHOM")]
    principal: Option<Whom>,
    /// Form of the output.
    #[arg(short, long, value_enum, default_value_t = Form::Json)]
    output: Form,
}

/// Whom a policy is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Whom {
    /// The instances' role, or whose keys the servers have.
    Servers,
    /// The role that they assume for EC2 and Route 53.
    AssumedRole,
}

/// Forms of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// JSON, as AWS takes it.
    Json,
    /// YAML, as CloudFormation takes it.
    Yaml,
    /// A resource `aws_iam_policy` of terraform.
    Terraform,
}

fn account(text: &str) -> Result<String, String> {
    if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(text.to_owned());
    }
    Err("an account's number has 12 digits".to_owned())
}

pub(super) fn run(global: &Global, arguments: &Arguments) -> Result<(), Failure> {
    let objects = objects(global, arguments)?;
    let (text, notes) = render(&objects, arguments)?;
    for note in notes {
        // Nobody reads them where standard error is closed.
        let _ = writeln!(std::io::stderr(), "note: {note}");
    }
    print(&text)
}

fn objects(global: &Global, arguments: &Arguments) -> Result<Vec<Value>, Failure> {
    if !arguments.from_cluster {
        return check_manifests(&read_files(&arguments.filename)?);
    }
    on_runtime(async { existing(&Connection::open(global).await?).await })
}

/// The policy, and what is worth knowing about it.
fn render(objects: &[Value], arguments: &Arguments) -> Result<(String, Vec<String>), Failure> {
    let uses = Uses::of(objects);
    if uses.kinds().is_empty() {
        return Err(Failure::Refused(
            "the manifest uses nothing of AWS: no resource or monitor of an Aws… type, no fencing \
             with `type: AWS`, no lease in S3; it needs no policy"
                .into(),
        ));
    }
    let role = uses.access.assume_role.as_ref().filter(|_| uses.has_api());
    let principal = match (arguments.principal, role) {
        (None, Some(_)) | (Some(Whom::AssumedRole), Some(_)) => Principal::AssumedRole,
        (None | Some(Whom::Servers), _) => Principal::Servers,
        (Some(Whom::AssumedRole), None) => {
            return Err(Failure::Refused(
                "the Cluster has no spec.aws.assumeRole: the servers' own credentials do all of it"
                    .into(),
            ));
        }
    };
    let place = Place::of(
        &uses,
        arguments.partition.as_deref(),
        arguments.region.as_deref(),
        arguments.account.as_deref(),
    );
    let statements = policy(&uses, &place, principal, arguments.doctor);
    let document = document(&statements);
    let mut notes = Vec::new();
    if let (Some(role), Principal::AssumedRole) = (role, principal) {
        notes.push(format!(
            "this is the policy of {}; that of the credentials which assume it: --for servers",
            role.role_arn
        ));
    }
    let length = length(&document);
    if length > DOCUMENT_MAX {
        notes.push(format!(
            "it has {length} characters, a managed policy at most {DOCUMENT_MAX}: put it into the \
             role itself (aws iam put-role-policy), which has room for 10240"
        ));
    }
    let text = match arguments.output {
        Form::Json => format!("{document:#}\n"),
        Form::Yaml => yaml(&document)?,
        Form::Terraform => terraform(objects, &document),
    };
    Ok((text, notes))
}

/// JSON is an expression of terraform's language too; a `$` before a brace would begin another.
fn terraform(objects: &[Value], document: &Value) -> String {
    let cluster = objects.iter().find(|object| object["kind"] == "Cluster");
    let name = cluster.map_or("stead", |cluster| text(cluster, "/metadata/name"));
    let expression = format!("{document:#}").replace("${", "$${").replace('\n', "\n  ");
    format!(
        "resource \"aws_iam_policy\" \"stead\" {{\n  name   = \"stead-{name}\"\n  policy = \
         jsonencode({expression})\n}}\n"
    )
}

#[cfg(test)]
mod tests;

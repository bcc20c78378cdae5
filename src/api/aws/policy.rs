//! The policy that permits what a manifest uses, and no more.
//!
//! AWS allows lists (`Describe…`) on everything only. What a manifest does not name and a policy
//! must, region and account, is `*` until somebody says it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{ACTIONS, Action, Caller, Limit, Use, Uses};
use crate::api::types::{AwsDnsSpec, AwsPerServer};

/// Characters, white space apart, that a managed policy may have; one inside of a role has 10,240.
pub const DOCUMENT_MAX: usize = 6144;
/// What is not known.
const ANY: &str = "*";
/// Beginnings of regions of other partitions than `aws`.
const PARTITIONS: [(&str, &str); 7] = [
    ("cn-", "aws-cn"),
    ("us-gov-", "aws-us-gov"),
    ("us-iso-", "aws-iso"),
    ("us-isob-", "aws-iso-b"),
    ("eu-isoe-", "aws-iso-e"),
    ("us-isof-", "aws-iso-f"),
    ("eusc-", "aws-eusc"),
];

/// The partition that a region is in.
#[must_use]
pub fn partition(region: &str) -> &'static str {
    let found = PARTITIONS.iter().find(|(start, _)| region.starts_with(start));
    found.map_or("aws", |(_, partition)| partition)
}

/// Whom a policy is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Principal {
    /// The credentials that the servers have themselves.
    Servers,
    /// The role that they assume for EC2 and Route 53.
    AssumedRole,
}

/// Where resources are, as far as somebody said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// As `aws`.
    pub partition: String,
    /// As `ap-northeast-1`.
    pub region: String,
    /// Twelve digits.
    pub account: String,
}

impl Place {
    /// What is given; else what the manifest says: its region, and the account of its role.
    #[must_use]
    pub fn of(
        uses: &Uses,
        partition: Option<&str>,
        region: Option<&str>,
        account: Option<&str>,
    ) -> Self {
        let role = uses.access.assume_role.as_ref().map(|role| role.role_arn.as_str());
        let part = |index: usize| {
            role.and_then(|role| role.split(':').nth(index)).filter(|part| !part.is_empty())
        };
        let region = region.or(uses.access.region.as_deref());
        let own = || region.map(self::partition).or(part(1)).unwrap_or("aws");
        Self {
            partition: partition.unwrap_or_else(own).to_owned(),
            region: region.unwrap_or(ANY).to_owned(),
            account: account.or(part(4)).unwrap_or(ANY).to_owned(),
        }
    }

    fn ec2(&self, kind: &str, id: &str) -> String {
        let Self { partition, region, account } = self;
        format!("arn:{partition}:ec2:{region}:{account}:{kind}/{id}")
    }

    fn interfaces<'a>(
        &self,
        entries: impl IntoIterator<Item = &'a AwsPerServer>,
    ) -> BTreeSet<String> {
        entries.into_iter().map(|entry| self.ec2("network-interface", &entry.eni_id)).collect()
    }

    fn zone(&self, id: &str) -> String {
        format!("arn:{}:route53:::hostedzone/{id}", self.partition)
    }

    fn bucket(&self, name: &str) -> String {
        format!("arn:{}:s3:::{name}", self.partition)
    }
}

/// Operator, key, values.
type Conditions = BTreeMap<&'static str, BTreeMap<&'static str, BTreeSet<String>>>;
/// What an action is permitted on, and when.
type Target = (BTreeSet<String>, Conditions);

/// One statement of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Its name, unique in the policy.
    pub sid: String,
    /// What it permits.
    pub actions: BTreeSet<&'static str>,
    /// On what.
    pub resources: BTreeSet<String>,
    /// When.
    pub conditions: Conditions,
}

/// Statements that permit what a manifest uses; with the doctor's own questions, or without.
#[must_use]
pub fn policy(
    uses: &Uses,
    place: &Place,
    principal: Principal,
    with_doctor: bool,
) -> Vec<Statement> {
    let kinds = uses.kinds();
    let assumes = kinds.contains(&Use::Role);
    let wanted = |action: &&Action| {
        let own = matches!(action.of, Use::Lease | Use::Role) || !assumes;
        kinds.contains(&action.of)
            && (with_doctor || action.caller == Caller::Agent)
            && own == (principal == Principal::Servers)
    };
    let mut by_target: BTreeMap<Target, BTreeSet<&'static str>> = BTreeMap::new();
    for action in ACTIONS.iter().filter(wanted) {
        for target in targets(uses, place, action.limit) {
            by_target.entry(target).or_default().insert(action.name);
        }
    }
    let mut by_actions: BTreeMap<(BTreeSet<&'static str>, Conditions), BTreeSet<String>> =
        BTreeMap::new();
    for ((resources, conditions), actions) in by_target {
        by_actions.entry((actions, conditions)).or_default().extend(resources);
    }
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    let statements = by_actions.into_iter().map(|((actions, conditions), resources)| {
        let name = sid(&actions, &resources);
        let count = counts.entry(name.clone()).or_default();
        *count += 1;
        let sid = if *count == 1 { name } else { format!("{name}{count}") };
        Statement { sid, actions, resources, conditions }
    });
    statements.collect()
}

/// The name of the first action that changes something, or else of the first: AWS allows letters and
/// digits only.
fn sid(actions: &BTreeSet<&'static str>, resources: &BTreeSet<String>) -> String {
    if resources.contains(ANY) {
        return "Describe".to_owned();
    }
    let names = || actions.iter().filter_map(|action| action.split(':').nth(1));
    let reads = |name: &&str| ["Describe", "Get", "List"].iter().any(|verb| name.starts_with(verb));
    let change = names().find(|name| !reads(name));
    change.or_else(|| names().next()).unwrap_or_default().to_owned()
}

fn targets(uses: &Uses, place: &Place, limit: Limit) -> Vec<Target> {
    let plain = |resources: BTreeSet<String>| vec![(resources, Conditions::new())];
    let found = match limit {
        Limit::Nothing => plain(BTreeSet::from([ANY.to_owned()])),
        Limit::RouteTables => {
            let vpcs = uses.virtual_ips.iter().map(|(_, own)| place.ec2("vpc", &own.vpc_id));
            let condition = BTreeMap::from([("ec2:Vpc", vpcs.collect())]);
            let tables = BTreeSet::from([place.ec2("route-table", ANY)]);
            vec![(tables, BTreeMap::from([("ArnLike", condition)]))]
        }
        Limit::Addresses => {
            let mut found = BTreeSet::new();
            for (_, own) in &uses.elastic_ips {
                found.insert(place.ec2("elastic-ip", &own.allocation_id));
                found.extend(place.interfaces(&own.per_server));
            }
            plain(found)
        }
        Limit::Ipv4Interfaces | Limit::Ipv6Interfaces => {
            let six = limit == Limit::Ipv6Interfaces;
            let own = uses.secondary_ips.iter().filter(|(_, own)| own.address.is_ipv6() == six);
            plain(place.interfaces(own.flat_map(|(_, own)| &own.per_server)))
        }
        Limit::Instances => {
            let ids = uses.instances.iter().map(|instance| instance.instance_id.as_str());
            plain(ids.map(|id| place.ec2("instance", id)).collect())
        }
        Limit::HostedZones => {
            plain(uses.records.iter().map(|(_, own)| place.zone(&own.hosted_zone_id)).collect())
        }
        Limit::Records => uses.records.iter().map(|(_, own)| record(place, own)).collect(),
        Limit::Vpcs => {
            let ids = uses.virtual_ips.iter().map(|(_, own)| own.vpc_id.as_str());
            let known: BTreeSet<String> = ids.map(|id| place.ec2("vpc", id)).collect();
            let known = if known.is_empty() { [place.ec2("vpc", ANY)].into() } else { known };
            plain(known)
        }
        Limit::Bucket => {
            plain(uses.leases.iter().map(|lease| place.bucket(&lease.bucket)).collect())
        }
        Limit::Object => {
            // By default the cluster's id, which `stead init` makes, is in the object's name.
            let key = |own: &Option<String>| own.clone().unwrap_or_else(|| "stead/*".to_owned());
            let objects = uses
                .leases
                .iter()
                .map(|lease| format!("{}/{}", place.bucket(&lease.bucket), key(&lease.key)));
            plain(objects.collect())
        }
        Limit::Role => {
            let role = uses.access.assume_role.iter();
            plain(role.map(|role| role.role_arn.clone()).collect())
        }
    };
    found.into_iter().filter(|(resources, _)| !resources.is_empty()).collect()
}

/// A zone's records of one name and type: made, and removed where the resource does so.
fn record(place: &Place, own: &AwsDnsSpec) -> Target {
    let one = |value: &str| BTreeSet::from([value.to_owned()]);
    let mut changes = one("UPSERT");
    if own.delete_on_stop {
        changes.insert("DELETE".to_owned());
    }
    let name = own.record_name.trim_end_matches('.').to_ascii_lowercase();
    let keys = BTreeMap::from([
        ("route53:ChangeResourceRecordSetsNormalizedRecordNames", one(&name)),
        (
            "route53:ChangeResourceRecordSetsRecordTypes",
            one(if own.is_ipv6() { "AAAA" } else { "A" }),
        ),
        ("route53:ChangeResourceRecordSetsActions", changes),
    ]);
    let zone = BTreeSet::from([place.zone(&own.hosted_zone_id)]);
    (zone, BTreeMap::from([("ForAllValues:StringEquals", keys)]))
}

/// The policy as AWS takes it.
#[must_use]
pub fn document(statements: &[Statement]) -> Value {
    let statements: Vec<Value> = statements
        .iter()
        .map(|statement| {
            let mut object = Map::new();
            object.insert("Sid".to_owned(), statement.sid.as_str().into());
            object.insert("Effect".to_owned(), "Allow".into());
            object.insert("Action".to_owned(), json!(statement.actions));
            object.insert("Resource".to_owned(), json!(statement.resources));
            if !statement.conditions.is_empty() {
                object.insert("Condition".to_owned(), json!(statement.conditions));
            }
            Value::Object(object)
        })
        .collect();
    json!({"Version": "2012-10-17", "Statement": statements})
}

/// Characters that count towards the limits of AWS.
#[must_use]
pub fn length(document: &Value) -> usize {
    document.to_string().len()
}

//! What a manifest alone does not show to be wrong: real servers say it in their events, with the id
//! that leads to the remedy, and nothing is moved.

use serde_json::Value;

use crate::cluster::Cluster;
use crate::network::until;

/// Each in a group of its own: name, type, member, settings, the id that is to be told.
fn mistakes(ids: &Value) -> Vec<(&'static str, &'static str, String, &'static str)> {
    let (vpc, one, two) = (&ids["vpc"], &ids["enis"][0], &ids["enis"][1]);
    let servers =
        format!("perServer: [{{name: node1, eniId: {one}}}, {{name: node2, eniId: {two}}}]");
    let vip = |name, address: &str, vpc: &str, id| {
        let settings = format!("awsVirtualIP: {{address: {address}, vpcId: {vpc}, {servers}}}");
        (name, "AwsVirtualIP", settings, id)
    };
    let eip = format!("awsElasticIP: {{allocationId: eipalloc-0a1b2c3d4e5f60009, {servers}}}");
    let dns = "awsDNS: {hostedZoneId: Z0123456789ABCDEFGHIJ, recordName: a.hz1.local., address: \
               10.0.0.1}";
    vec![
        vip("inside", "10.0.110.200", vpc.as_str().unwrap(), "AwsVipInsideVpc"),
        vip("no-entry", "10.1.0.99", vpc.as_str().unwrap(), "AwsRouteMissing"),
        vip("no-vpc", "10.1.0.98", "vpc-0a1b2c3d4e5f60009", "AwsVpcMissing"),
        ("no-allocation", "AwsElasticIP", eip, "AwsAllocationMissing"),
        ("no-zone", "AwsDNS", dns.to_owned(), "AwsHostedZoneMissing"),
    ]
}

fn more(ids: &Value) -> String {
    let manifest = |(name, type_, settings, _): (&str, &str, String, &str)| {
        format!(
            "---\napiVersion: stead.dev/v1alpha1\nkind: FailoverGroup\nmetadata: {{name: {name}}}\n\
             spec: {{servers: [node1, node2]}}\n---\napiVersion: stead.dev/v1alpha1\nkind: Resource\n\
             metadata: {{name: {name}}}\nspec:\n  group: {name}\n  type: {type_}\n  {settings}\n  \
             activation: {{failovers: 0}}\n"
        )
    };
    mistakes(ids).into_iter().map(manifest).collect()
}

#[test]
fn wrong_ids_are_told_in_events_that_lead_to_the_remedy() {
    let cluster = Cluster::start(more);
    let said = |arguments: &[&str]| {
        let output = cluster.stead(0, arguments);
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    for (name, _, _, id) in mistakes(&cluster.ids) {
        let mut events = String::new();
        until(&format!("{name} is told"), || {
            events = said(&["events"]);
            events.lines().any(|line| line.contains(name) && line.contains(&format!("({id})")))
        });
        let status = cluster.until(0, ("resource", name), |status| status["state"] == "Failed");
        let message = status["status"]["message"].as_str().unwrap();
        assert!(message.contains(id), "{message}");
        let explained = said(&["explain", "event", id]);
        let remedy = stead::api::catalogue::lookup(id).unwrap().remedy.en;
        let first: Vec<&str> = remedy.split_whitespace().take(3).collect();
        assert!(explained.contains(&first.join(" ")), "{explained}");
    }
    // The address inside of the VPC is on no interface, and the routes are as they were.
    assert!(cluster.servers.iter().all(|server| !server.has("10.0.110.200")));
    let routes = cluster.moto.routes(cluster.ids["vpc"].as_str().unwrap(), "10.1.0.99");
    assert_eq!(routes, serde_json::json!({}));
    // What is right beside them works.
    cluster.until(0, ("failovergroup", "failover1"), |status| status["state"] == "Online");
}

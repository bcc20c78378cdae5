//! A private address of a subnet with two real servers: it moves between their network interfaces.

use serde_json::{Value, json};
use stead::engine::effect::ResourceAction;
use stead::engine::input::Outcome;

use crate::cloud::Moto;
use crate::cluster::Cluster;
use crate::lab::{Lab, SECONDARY, isolated, resource};
use crate::network::until;

/// Both servers in one subnet, as the type needs it.
fn more(ids: &Value) -> String {
    let (one, two) = (&ids["neighbours"][0], &ids["neighbours"][1]);
    format!(
        "---\napiVersion: stead.dev/v1alpha1\nkind: Resource\nmetadata: {{name: awsip1}}\nspec:\n  \
         group: failover1\n  type: AwsSecondaryIP\n  awsSecondaryIP: {{address: {SECONDARY}, \
         interface: lan1, perServer: [{{name: node1, eniId: {one}}}, {{name: node2, eniId: \
         {two}}}]}}\n"
    )
}

/// The network interfaces that have the address.
fn holders(moto: &Moto) -> Vec<String> {
    let said = moto.python(&format!(
        "print(*[e['NetworkInterfaceId'] for e in ec2.describe_network_interfaces()\
         ['NetworkInterfaces'] if '{SECONDARY}' in [a['PrivateIpAddress'] for a in \
         e['PrivateIpAddresses']]])"
    ));
    said.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn a_private_address_follows_the_group_and_a_late_call_of_the_server_before_is_mended() {
    let mut cluster = Cluster::start(more);
    let online = |on: &'static str| {
        move |status: &Value| status["state"] == "Online" && status["server"] == on
    };
    let group = ("failovergroup", "failover1");
    let (one, two) = (cluster.id("neighbours", 0), cluster.id("neighbours", 1));
    cluster.until(0, group, online("node1"));
    assert_eq!(holders(&cluster.moto), [one.as_str()]);
    assert!(cluster.servers[0].has(SECONDARY) && !cluster.servers[1].has(SECONDARY));
    cluster.until(0, ("monitor", "awsip1-secondary-ip"), |status| status["state"] == "Normal");

    // In good order: the server before has it no more, neither here nor there.
    let moved = cluster.stead(0, &["group", "move", "failover1", "--to", "node2"]);
    assert!(moved.status.success(), "{moved:?}");
    cluster.until(0, group, online("node2"));
    assert_eq!(holders(&cluster.moto), [two.as_str()]);
    assert!(!cluster.servers[0].has(SECONDARY) && cluster.servers[1].has(SECONDARY));
    let status = cluster.until(0, ("resource", "awsip1"), |status| {
        status["observed"]["assignment"]["eniId"] == two.as_str()
    });
    assert_eq!(status["status"]["observed"]["assignment"]["address"], SECONDARY);

    // A call that the server before began takes effect late: looks after the start mend that.
    cluster.moto.python(&format!(
        "ec2.assign_private_ip_addresses(NetworkInterfaceId='{one}', \
         PrivateIpAddresses=['{SECONDARY}'], AllowReassignment=True)"
    ));
    until("the address comes back", || holders(&cluster.moto) == [two.as_str()]);
    cluster.until(0, group, online("node2"));

    // The active server is gone at once.
    cluster.kill(1);
    cluster.until(0, group, online("node1"));
    assert_eq!(holders(&cluster.moto), [one.as_str()]);
    assert!(cluster.servers[0].has(SECONDARY));
}

#[test]
fn a_late_stop_of_the_server_before_does_not_cut_the_next_one() {
    isolated(async || {
        let lab = Lab::new().await;
        let per_server: Vec<Value> = ["node1", "node2"]
            .iter()
            .enumerate()
            .map(|(index, name)| json!({"name": name, "eniId": lab.nth("neighbours", index)}))
            .collect();
        let settings = json!({"address": SECONDARY, "interface": "lo", "perServer": per_server});
        let spec = resource("AwsSecondaryIP", "awsSecondaryIP", settings);
        let started = lab.act(ResourceAction::Start, &spec).await;
        assert!(matches!(started, Outcome::Active { .. }), "{started:?}");
        lab.moto.python(&format!(
            "ec2.assign_private_ip_addresses(NetworkInterfaceId='{}', \
             PrivateIpAddresses=['{SECONDARY}'], AllowReassignment=True)",
            lab.nth("neighbours", 1)
        ));
        assert_eq!(lab.act(ResourceAction::Stop, &spec).await, Outcome::Absent);
        assert_eq!(holders(&lab.moto), [lab.nth("neighbours", 1)]);
        assert_eq!(lab.act(ResourceAction::Probe, &spec).await, Outcome::Absent);
    });
}

#[test]
fn a_primary_address_is_refused_also_where_it_is_assigned_already() {
    isolated(async || {
        let lab = Lab::new().await;
        let eni = lab.nth("neighbours", 0);
        let primary = lab.moto.python(&format!(
            "print(ec2.describe_network_interfaces(NetworkInterfaceIds=['{eni}'])\
             ['NetworkInterfaces'][0]['PrivateIpAddress'])"
        ));
        let per_server = json!([{"name": "node1", "eniId": eni}]);
        let settings =
            json!({"address": primary.trim(), "interface": "lo", "perServer": per_server});
        let spec = resource("AwsSecondaryIP", "awsSecondaryIP", settings);
        let refused = lab.act(ResourceAction::Start, &spec).await;
        let Outcome::Failed { reason, message } = refused else { panic!("{refused:?}") };
        assert_eq!(reason, "AwsAddressIsPrimary", "{message}");
        assert!(message.contains(&format!("primary address of {eni}")), "{message}");
    });
}

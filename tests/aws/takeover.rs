//! Chapter 5 of the guide with two real servers: each fault, and what the cloud looks like after it.

use crate::cluster::Cluster;
use crate::network::until;

const VIP: &str = "10.1.0.20";
/// In place of the automatic monitor, which asks once a minute.
const MONITOR: &str = "---\napiVersion: stead.dev/v1alpha1\nkind: Monitor\nmetadata: {name: \
    awsvip1-virtual-ip}\nspec:\n  type: AwsVirtualIP\n  awsVirtualIP: {resource: awsvip1}\n  \
    interval: 1s\n  timeout: 5s\n  onTimeout: Warn\n  timing: WhileActive\n  \
    whileActive: awsvip1\n  recovery: {target: {kind: Resource, name: awsvip1}}\n";

/// An Elastic IP address and a name beside it.
fn more(ids: &serde_json::Value) -> String {
    let resource = |name: &str, type_: &str, member: &str, settings: String| {
        format!(
            "---\napiVersion: stead.dev/v1alpha1\nkind: Resource\nmetadata: {{name: {name}}}\nspec:\n  \
             group: failover1\n  type: {type_}\n  {member}: {settings}\n"
        )
    };
    let id = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let (one, two) = (id(&ids["enis"][0]), id(&ids["enis"][1]));
    let (allocation, zone) = (id(&ids["allocation"]), id(&ids["zone"]));
    let address = format!(
        "{{allocationId: {allocation}, perServer: [{{name: node1, eniId: {one}}}, {{name: node2, \
         eniId: {two}}}]}}"
    );
    let record = format!(
        "{{hostedZoneId: {zone}, recordName: srv.hz1.local., perServer: [{{name: node1, address: \
         10.0.110.10}}, {{name: node2, address: 10.0.120.10}}]}}"
    );
    let address = resource("awseip1", "AwsElasticIP", "awsElasticIP", address);
    let record = resource("awsdns1", "AwsDNS", "awsDNS", record);
    format!("{MONITOR}{address}{record}")
}

/// Who has the Elastic IP address, and what the name leads to.
fn public(cluster: &Cluster) -> (String, String) {
    let (allocation, zone) = (&cluster.ids["allocation"], &cluster.ids["zone"]);
    let said = cluster.moto.python(&format!(
        "a = ec2.describe_addresses(AllocationIds=[{allocation}])['Addresses'][0]\n\
         r = r53.list_resource_record_sets(HostedZoneId={zone})['ResourceRecordSets']\n\
         v = [s['ResourceRecords'][0]['Value'] for s in r if s['Name'] == 'srv.hz1.local.']\n\
         print(a.get('NetworkInterfaceId') or None, v[0] if v else None)"
    ));
    let (holder, address) = said.split_once(' ').unwrap();
    (holder.to_owned(), address.to_owned())
}

/// The three tables that have an entry lead there; the fourth has none still.
fn leads_to(cluster: &Cluster, eni: &str) -> bool {
    let routes = cluster.moto.routes(cluster.ids["vpc"].as_str().unwrap(), VIP);
    let routes = routes.as_object().unwrap();
    assert_eq!(routes.len(), 3, "{routes:?}");
    routes.values().all(|target| target == eni)
}

/// What was read of each resource is in its status on every server, also in `describe`.
fn observed(cluster: &Cluster, server: usize, eni: &str, address: &str) {
    let is = |name: &str, pointer: &str, expected: serde_json::Value| {
        cluster.until(server, ("resource", name), |status| {
            let observed = &status["observed"];
            observed["asWanted"] == true && observed.pointer(pointer) == Some(&expected)
        })
    };
    let vip = is("awsvip1", "/routes/2/target", eni.into());
    let routes = vip["status"]["observed"]["routes"].as_array().unwrap();
    let tables: Vec<&str> = routes.iter().filter_map(|route| route["table"].as_str()).collect();
    assert_eq!(tables.len(), 3);
    assert!(routes.iter().all(|route| route["target"] == eni && route["state"] == "active"));
    is("awseip1", "/association/eniId", eni.into());
    is("awsdns1", "/record/addresses", serde_json::json!([address]));
    let described = cluster.stead(server, &["describe", "resource", "awsvip1"]);
    let described = String::from_utf8_lossy(&described.stdout).into_owned();
    assert!(described.contains("observed:"), "{described}");
    assert!(described.contains("not from the Internet"), "{described}");
    assert!(tables.iter().all(|table| described.contains(table)), "{described}");
}

/// One story, so that the servers start once.
#[test]
fn two_servers_share_a_virtual_address_through_every_fault() {
    let mut cluster = Cluster::start(more);
    let online = |on: &'static str| {
        move |status: &serde_json::Value| status["state"] == "Online" && status["server"] == on
    };
    let group = ("failovergroup", "failover1");
    cluster.until(0, group, online("node1"));
    let (one, two) = (cluster.id("enis", 0), cluster.id("enis", 1));
    assert!(leads_to(&cluster, &one));
    assert!(cluster.servers[0].has(VIP) && !cluster.servers[1].has(VIP));
    assert_eq!(public(&cluster), (one.clone(), "10.0.110.10".to_owned()));
    cluster.until(0, ("monitor", "awsvip1-virtual-ip"), |status| status["state"] == "Normal");
    cluster.until(0, ("monitor", "awsazw1"), |status| status["state"] == "Normal");
    cluster.until(0, ("cluster", "cluster1"), |status| {
        let conditions = status["conditions"].as_array().unwrap();
        conditions.iter().any(|c| c["type"] == "FencingReady" && c["status"] == "True")
    });

    observed(&cluster, 0, &one, "10.0.110.10");
    observed(&cluster, 1, &one, "10.0.110.10");
    // The doctor reads what the cluster has, and finds its ports held by whom they are for.
    let seen = cluster.stead(0, &["doctor", "--only", "ports"]);
    let text = String::from_utf8_lossy(&seen.stdout).into_owned();
    assert_eq!(seen.status.code(), Some(0), "{text}{}", String::from_utf8_lossy(&seen.stderr));
    assert_eq!(text.matches("is held by stead").count(), 3, "{text}");
    assert_eq!(text.matches("can be reached").count(), 2, "{text}");

    // A route is changed behind the cluster's back: it is changed back.
    let (table, other) =
        (cluster.id("tables", 1), cluster.ids["other"].as_str().unwrap().to_owned());
    let events = || {
        let output = cluster.stead(0, &["events"]);
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    // A start looks again by itself for a while, and may be faster than the monitor.
    until("the change is told", || {
        cluster.moto.python(&format!(
            "ec2.replace_route(RouteTableId='{table}', DestinationCidrBlock='{VIP}/32', \
             NetworkInterfaceId='{other}')"
        ));
        until("the route is changed back", || leads_to(&cluster, &one));
        let events = events();
        events.contains("AwsRouteChanged") && events.contains(&table)
    });
    cluster.until(0, group, online("node1"));

    // The API is away: that is told, and nothing is moved.
    cluster.reach_cloud(false);
    cluster.until(0, ("monitor", "awsvip1-virtual-ip"), |status| {
        let message = status["message"].as_str().unwrap_or_default();
        status["state"] == "Warning"
            && (message.contains("AwsNoAnswer") || message.contains("AwsEndpointUnreachable"))
    });
    cluster.until(0, group, online("node1"));
    cluster.reach_cloud(true);
    cluster.until(0, ("monitor", "awsvip1-virtual-ip"), |status| status["state"] == "Normal");

    // The active server is gone: its instance is stopped, and then the address leads to the other.
    cluster.kill(0);
    cluster.until(1, group, online("node2"));
    assert!(leads_to(&cluster, &two));
    assert!(cluster.servers[1].has(VIP));
    assert_eq!(public(&cluster), (two.clone(), "10.0.120.10".to_owned()));
    observed(&cluster, 1, &two, "10.0.120.10");
    let instance = cluster.id("instances", 0);
    let state = cluster.moto.python(&format!(
        "print(ec2.describe_instances(InstanceIds=['{instance}'])['Reservations'][0]['Instances'][0]\
         ['State']['Name'])"
    ));
    assert_eq!(state, "stopped");

    // In good order nothing is left but the routes, which are never removed.
    assert!(cluster.stead(1, &["group", "stop", "failover1"]).status.success());
    cluster.until(1, group, |status| status["state"] == "Offline");
    assert_eq!(public(&cluster), ("None".to_owned(), "None".to_owned()));
    assert!(!cluster.servers[1].has(VIP));
    assert!(!cluster.written().contains("hunter2"), "a secret is in a log");
}

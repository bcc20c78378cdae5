//! Chapters 6 and 7 of the guide with two real servers, and what AWS announces for an instance.

use serde_json::Value;

use crate::answers::{THROTTLED, THROTTLED_ROUTE_53};
use crate::cluster::Cluster;
use crate::metadata::Metadata;
use crate::network::until;
use crate::proxy::Fault;

const EIP: &str = include_str!("../../manifests/aws/eip.yaml");
const DNS: &str = include_str!("../../manifests/aws/dns.yaml");
const VIP: &str = include_str!("../../manifests/aws/vip.yaml");
const GROUP: (&str, &str) = ("failovergroup", "failover1");

/// Where a group is online.
fn online(on: &'static str) -> impl Fn(&Value) -> bool {
    move |status: &Value| status["state"] == "Online" && status["server"] == on
}

/// In place of an automatic monitor, which asks once a minute.
fn monitor(name: &str, type_: &str, settings: &str, resource: &str) -> String {
    format!(
        "---\napiVersion: stead.dev/v1alpha1\nkind: Monitor\nmetadata: {{name: {name}}}\nspec:\n  \
         type: {type_}\n  {settings}\n  interval: 1s\n  timeout: 5s\n  onTimeout: Warn\n  \
         timing: WhileActive\n  whileActive: {resource}\n  \
         recovery: {{target: {{kind: Resource, name: {resource}}}}}\n"
    )
}

/// The manifest's monitor of the zone asks each second, and a bad zone moves groups away.
fn with_zones_that_count(manifest: &str) -> String {
    let told =
        "  recovery: {target: {kind: LocalServer}}   # told, and nothing else: finalAction is None";
    let moved = "  interval: 1s\n  timeout: 5s\n  \
                 recovery: {target: {kind: AllGroups}, reactivations: 0, failovers: 1}";
    assert!(manifest.contains(told));
    manifest.replace(told, moved)
}

fn events(cluster: &Cluster) -> String {
    String::from_utf8_lossy(&cluster.stead(0, &["events"]).stdout).into_owned()
}

/// Whether a monitor told of what has been set right since. It is logged at once and published a
/// moment later.
fn told(cluster: &Cluster, id: &str) -> bool {
    let logged = cluster.servers[0].log().contains(id);
    if logged {
        until("it is an event", || events(cluster).contains(id));
    }
    logged
}

fn moves(cluster: &Cluster, to: &'static str) {
    assert!(cluster.stead(0, &["group", "move", "failover1", "--to", to]).status.success());
    cluster.until(0, GROUP, online(to));
}

/// Every call is throttled: the monitor says so, and nothing moves.
fn throttled(cluster: &Cluster, monitor: &'static str) {
    cluster.faults.always_of("Action=", Some(Fault::Answer(THROTTLED)));
    cluster.faults.always_of("/2013-04-01/", Some(Fault::Answer(THROTTLED_ROUTE_53)));
    cluster.until(0, ("monitor", monitor), |status| {
        let message = status["message"].as_str().unwrap_or_default();
        status["state"] == "Warning" && message.contains("AwsThrottled")
    });
    cluster.faults.always_of("Action=", None);
    cluster.faults.always_of("/2013-04-01/", None);
    cluster.until(0, ("monitor", monitor), |status| status["state"] == "Normal");
}

/// The API is away: that is told, and nothing is moved.
fn away(cluster: &Cluster, monitor: &'static str) {
    cluster.faults.always(Some(Fault::Reset));
    cluster.until(0, ("monitor", monitor), |status| {
        let message = status["message"].as_str().unwrap_or_default();
        let told = message.contains("AwsEndpointUnreachable") || message.contains("AwsNoAnswer");
        status["state"] == "Warning" && told
    });
    cluster.faults.always(None);
    cluster.until(0, ("monitor", monitor), |status| status["state"] == "Normal");
}

#[test]
fn chapter_6_two_servers_share_an_elastic_address_through_every_fault() {
    let own = "awsElasticIP: {resource: awseip1}";
    let monitor = monitor("awseip1-elastic-ip", "AwsElasticIP", own, "awseip1");
    let mut cluster = Cluster::of(&with_zones_that_count(EIP), |_| monitor.clone());
    let name = "awseip1-elastic-ip";
    let holder = |cluster: &Cluster| {
        let allocation = &cluster.ids["allocation"];
        cluster.moto.python(&format!(
            "a = ec2.describe_addresses(AllocationIds=[{allocation}])['Addresses'][0]\n\
             print(a.get('NetworkInterfaceId') or None)"
        ))
    };
    cluster.until(0, GROUP, online("node1"));
    let (one, two) = (cluster.id("enis", 0), cluster.id("enis", 1));
    assert_eq!(holder(&cluster), one);
    moves(&cluster, "node2");
    assert_eq!(holder(&cluster), two);
    moves(&cluster, "node1");
    assert_eq!(holder(&cluster), one);
    cluster.until(0, ("monitor", name), |status| status["state"] == "Normal");

    // A start looks again by itself for a while, and may be faster than the monitor.
    until("a lost association is told", || {
        let allocation = &cluster.ids["allocation"];
        cluster.moto.python(&format!(
            "a = ec2.describe_addresses(AllocationIds=[{allocation}])['Addresses'][0]\n\
             ec2.disassociate_address(AssociationId=a['AssociationId'])"
        ));
        until("the address is taken back", || holder(&cluster) == one);
        told(&cluster, "AwsAssociationLost")
    });
    cluster.until(0, GROUP, online("node1"));
    throttled(&cluster, name);
    away(&cluster, name);
    cluster.until(0, GROUP, online("node1"));

    // The zone of the active server is impaired.
    let impaired = Fault::Replace("<zoneState>available<", "<zoneState>impaired<");
    cluster.faults.always_of("ZoneName.1=us-east-1a", Some(impaired));
    cluster.until(0, GROUP, online("node2"));
    assert_eq!(holder(&cluster), two);
    assert!(told(&cluster, "AwsZoneImpaired"));
    cluster.faults.always_of("ZoneName.1=us-east-1a", None);

    cluster.kill(1);
    cluster.until(0, GROUP, online("node1"));
    assert_eq!(holder(&cluster), one);
}

#[test]
fn chapter_7_two_servers_share_a_name_through_every_fault() {
    let own = "awsDNS: {resource: awsdns1, resolve: false}";
    let monitor = monitor("awsdns1-dns", "AwsDNS", own, "awsdns1");
    let mut cluster = Cluster::of(&with_zones_that_count(DNS), |_| monitor.clone());
    let name = "awsdns1-dns";
    let answer = |cluster: &Cluster| {
        let zone = &cluster.ids["zone"];
        cluster.moto.python(&format!(
            "r = r53.list_resource_record_sets(HostedZoneId={zone})['ResourceRecordSets']\n\
             v = [(s['ResourceRecords'][0]['Value'], s['TTL']) for s in r if s['Name'] == \
             'srv.hz1.local.']\nprint(*(v[0] if v else [None]))"
        ))
    };
    let change = |cluster: &Cluster, action: &str, address: &str| {
        let zone = &cluster.ids["zone"];
        cluster.moto.python(&format!(
            "s = dict(Name='srv.hz1.local.', Type='A', TTL=300, ResourceRecords=[dict(\
             Value='{address}')])\n\
             r53.change_resource_record_sets(HostedZoneId={zone}, ChangeBatch=dict(Changes=[\
             dict(Action='{action}', ResourceRecordSet=s)]))"
        ))
    };
    cluster.until(0, GROUP, online("node1"));
    let (one, two) = ("10.0.110.10 300", "10.0.120.10 300");
    assert_eq!(answer(&cluster), one);
    moves(&cluster, "node2");
    assert_eq!(answer(&cluster), two);
    moves(&cluster, "node1");
    assert_eq!(answer(&cluster), one);
    cluster.until(0, ("monitor", name), |status| status["state"] == "Normal");

    // A start looks again by itself for a while, and may be faster than the monitor.
    until("a changed record is told", || {
        change(&cluster, "UPSERT", "10.9.9.9");
        until("the record is right again", || answer(&cluster) == one);
        told(&cluster, "AwsRecordDiffers")
    });
    // While it is in error a monitor tells nothing new.
    cluster.until(0, ("monitor", name), |status| status["state"] == "Normal");
    until("a missing record is told", || {
        change(&cluster, "DELETE", "10.0.110.10");
        until("the record is there again", || answer(&cluster) == one);
        told(&cluster, "AwsRecordMissing")
    });
    cluster.until(0, GROUP, online("node1"));
    throttled(&cluster, name);
    away(&cluster, name);
    cluster.until(0, GROUP, online("node1"));

    cluster.kill(0);
    cluster.until(1, GROUP, online("node2"));
    assert_eq!(answer(&cluster), two);
    assert!(cluster.stead(1, &["group", "stop", "failover1"]).status.success());
    cluster.until(1, GROUP, |status| status["state"] == "Offline");
    assert_eq!(answer(&cluster), "None", "nobody serves under the name");
}

/// What AWS announces, so long from now, for an instance.
fn announced(minutes: i64) -> Metadata {
    let at = jiff::Timestamp::now() + jiff::SignedDuration::from_mins(minutes);
    let events = format!(
        r#"[{{"NotBefore": "{}", "Code": "system-reboot", "Description": "scheduled reboot",
             "EventId": "instance-event-0d59937288b749b32", "State": "active"}}]"#,
        at.strftime("%d %b %Y %H:%M:%S GMT")
    );
    // It is told for as long as this process lives.
    Metadata::Announces(Box::leak(events.into_boxed_str()))
}

#[test]
fn what_aws_has_scheduled_moves_groups_away_before_it_happens() {
    // As long before as the manifest says where it says nothing.
    let written = "  awsScheduledEvents: {leadTime: 15m}\n";
    assert!(VIP.contains(written));
    let cluster = Cluster::of(&VIP.replace(written, ""), |_| String::new());
    let says = |server: &'static str, id: &'static str| {
        move |status: &Value| {
            let entries = status["servers"].as_array().cloned().unwrap_or_default();
            entries.iter().any(|entry| {
                let message = entry["message"].as_str().unwrap_or_default();
                entry["server"] == server && message.contains(id)
            })
        }
    };
    let awseventw1 = ("monitor", "awseventw1");
    cluster.until(0, GROUP, online("node1"));
    cluster.until(0, awseventw1, |status| status["state"] == "Normal");
    // Announced for tomorrow.
    cluster.metadata[0].send_replace(announced(24 * 60));
    cluster.until(0, awseventw1, says("node1", "AwsEventScheduled"));
    cluster.until(0, GROUP, online("node1"));
    // Its lead time has come: the group is gone before the reboot.
    cluster.metadata[0].send_replace(announced(14));
    cluster.until(0, GROUP, online("node2"));
    let told = events(&cluster);
    assert!(told.contains("AwsEventDue") && told.contains("instance-event-0d59937288b749b32"));
    // There is nobody to move to: it stays, and somebody is told.
    assert!(cluster.stead(0, &["server", "detach", "node1"]).status.success());
    cluster.metadata[1].send_replace(announced(14));
    cluster.until(0, awseventw1, says("node2", "AwsEventDue"));
    cluster.until(0, awseventw1, |status| {
        let entries = status["servers"].as_array().cloned().unwrap_or_default();
        entries.iter().any(|entry| entry["server"] == "node2" && entry["failovers"] == 1)
    });
    cluster.until(0, GROUP, |status| status["state"] == "Degraded" && status["server"] == "node2");
}

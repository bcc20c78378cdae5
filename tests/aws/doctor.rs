//! `stead doctor` against a cloud that another program (boto3) wires rightly, and then wrongly in one
//! way after another.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU16, Ordering};

use serde_json::Value;

use crate::answers::REFUSED;
use crate::cloud::Moto;
use crate::network::Network;
use crate::proxy::{self, Fault, Faults};

const STEAD: &str = env!("CARGO_BIN_EXE_stead");
/// Around what `Moto::surroundings` makes: interfaces at the instances, a zone that the VPC sees, and
/// a way to the Internet.
const WIRING: &str = r#"
import json
ids = json.loads('''IDS''')
for eni, instance in zip(ids["enis"], ids["instances"]):
    ec2.attach_network_interface(NetworkInterfaceId=eni, InstanceId=instance, DeviceIndex=1)
for table in ids["tables"][:3]:
    ec2.replace_route(RouteTableId=table, DestinationCidrBlock="10.1.0.20/32",
                      NetworkInterfaceId=ids["enis"][0])
ec2.create_route(RouteTableId=ids["tables"][3], DestinationCidrBlock="10.1.0.20/32",
                 NetworkInterfaceId=ids["enis"][0])
gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=ids["vpc"])
tables = ec2.describe_route_tables(Filters=[dict(Name="vpc-id", Values=[ids["vpc"]])])["RouteTables"]
main = [t["RouteTableId"] for t in tables if any(a.get("Main") for a in t["Associations"])][0]
ec2.create_route(RouteTableId=main, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
ec2.create_route(RouteTableId=main, DestinationCidrBlock="10.1.0.20/32",
                 NetworkInterfaceId=ids["enis"][0])
for attribute in ["EnableDnsSupport", "EnableDnsHostnames"]:
    ec2.modify_vpc_attribute(VpcId=ids["vpc"], **{attribute: {"Value": True}})
zone = r53.create_hosted_zone(Name="hz2.local.", CallerReference="2",
                              VPC=dict(VPCRegion="us-east-1", VPCId=ids["vpc"]),
                              HostedZoneConfig=dict(PrivateZone=True))["HostedZone"]["Id"]
print(json.dumps(dict(main=main, zone=zone.split("/")[-1], gateway=gateway)))
"#;

/// A cloud, a proxy before it, and a manifest of everything.
struct Lab {
    moto: Moto,
    faults: Faults,
    ids: Value,
    wired: Value,
    manifest: String,
    /// Of node1, which is this machine: that of heartbeats; the next one is that of the API.
    port: u16,
    folder: tempfile::TempDir,
    /// What node2 seems to listen on.
    node2: Ports,
    /// Serves the proxy.
    _runtime: tokio::runtime::Runtime,
}

impl Lab {
    fn new() -> Self {
        let moto = Moto::on_loopback();
        let ids = moto.surroundings();
        let wired = moto.python(&WIRING.replace("IDS", &ids.to_string()));
        let wired: Value = serde_json::from_str(&wired).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let faults = Faults::default();
        let proxy = runtime.block_on(proxy::start(moto.address(), faults.clone()));
        let node2 = Ports::open();
        // No port that the system gives away, and not that of another test's doctor.
        static PORT: AtomicU16 = AtomicU16::new(17380);
        let port = PORT.fetch_add(2, Ordering::Relaxed);
        let manifest = manifest(&ids, &wired, proxy, port, &node2);
        let folder = tempfile::tempdir().unwrap();
        let keys = "[default]\naws_access_key_id = k\naws_secret_access_key = hunter2\n";
        std::fs::write(folder.path().join("credentials"), keys).unwrap();
        Self { moto, faults, ids, wired, manifest, port, folder, node2, _runtime: runtime }
    }

    fn id<'a>(&'a self, list: &str, index: usize) -> &'a str {
        self.ids[list][index].as_str().unwrap()
    }

    fn run(&self, manifest: &str, arguments: &[&str], keys: &str) -> Output {
        self.command(Command::new(STEAD), manifest, arguments, keys).output().unwrap()
    }

    fn command(
        &self,
        mut command: Command,
        manifest: &str,
        arguments: &[&str],
        keys: &str,
    ) -> Command {
        let path: PathBuf = self.folder.path().join("cluster.yaml");
        std::fs::write(&path, manifest).unwrap();
        command
            .args(["doctor", "--timeout", "3", "-f"])
            .arg(&path)
            .args(arguments)
            .env("AWS_SHARED_CREDENTIALS_FILE", self.folder.path().join(keys))
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env_remove("AWS_ACCESS_KEY_ID");
        command
    }

    /// Findings by their codes, with the exit code; every one has what mends it.
    fn look(&self, manifest: &str, arguments: &[&str]) -> (Option<i32>, Found) {
        let arguments: Vec<&str> = arguments.iter().copied().chain(["-o", "json"]).collect();
        read(&self.run(manifest, &arguments, "credentials"))
    }

    /// The one thing that is wrong, and what mends it.
    fn wrong(&self, manifest: &str, check: &str, code: &str) -> (String, String) {
        let (status, found) = self.look(manifest, &["--only", check]);
        let bad = found.bad();
        assert_eq!(bad.len(), 1, "{code}: {bad:#?}");
        let finding = &bad[0];
        assert_eq!(finding["code"], code, "{finding:#}");
        let expected = if finding["result"] == "Error" { 2 } else { 1 };
        assert_eq!(status, Some(expected), "{finding:#}");
        let text = |field: &str| finding[field].as_str().unwrap().to_owned();
        assert!(!text("fix").is_empty(), "{finding:#}");
        (text("result"), text("fix"))
    }
}

/// The exit code, and what was found.
fn read(output: &Output) -> (Option<i32>, Found) {
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!said.contains("hunter2"), "{said}");
    let report: Value = serde_json::from_str(&said)
        .unwrap_or_else(|_| panic!("{said}{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code(), Found(report))
}

/// Ports that somebody listens on.
struct Ports {
    heartbeat: TcpListener,
    api: TcpListener,
    _udp: UdpSocket,
}

impl Ports {
    fn open() -> Self {
        let any = || TcpListener::bind("127.0.0.2:0").unwrap();
        let heartbeat = any();
        let udp = UdpSocket::bind(heartbeat.local_addr().unwrap()).unwrap();
        Self { heartbeat, api: any(), _udp: udp }
    }

    fn numbers(&self) -> [u16; 2] {
        [&self.heartbeat, &self.api].map(|listener| listener.local_addr().unwrap().port())
    }
}

/// What the doctor found.
struct Found(Value);

impl Found {
    fn all(&self) -> &Vec<Value> {
        self.0["findings"].as_array().unwrap()
    }

    fn bad(&self) -> Vec<&Value> {
        let bad =
            |finding: &&Value| ["Warning", "Error"].contains(&finding["result"].as_str().unwrap());
        self.all().iter().filter(bad).collect()
    }

    fn codes(&self) -> Vec<&str> {
        self.bad().iter().map(|finding| finding["code"].as_str().unwrap()).collect()
    }

    /// Results by check, each with how often.
    fn counts(&self, check: &str) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for finding in self.all().iter().filter(|finding| finding["check"] == check) {
            *counts.entry(finding["result"].as_str().unwrap()).or_default() += 1;
        }
        counts
    }
}

fn per_server(one: &str, two: &str) -> String {
    format!("[{{name: node1, eniId: {one}}}, {{name: node2, eniId: {two}}}]")
}

fn resource(name: &str, type_: &str, member: &str, settings: String) -> String {
    format!(
        "---\napiVersion: stead.dev/v1alpha1\nkind: Resource\nmetadata: {{name: {name}}}\nspec:\n  \
         group: failover1\n  type: {type_}\n  activation: {{timeout: 2m}}\n  {member}: {settings}\n"
    )
}

fn manifest(ids: &Value, wired: &Value, proxy: SocketAddr, port: u16, node2: &Ports) -> String {
    let ([heartbeat, api], next) = (node2.numbers(), port + 1);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (one, two) = (text(&ids["enis"][0]), text(&ids["enis"][1]));
    let enis = per_server(&one, &two);
    let head = format!(
        "apiVersion: stead.dev/v1alpha1\nkind: Cluster\nmetadata: {{name: cluster1}}\nspec:\n  \
         servers:\n  - {{name: node1, addresses: {{lan1: 127.0.0.1}}, heartbeatPort: {port}, apiPort: {next}}}\n  - {{name: node2, addresses: \
         {{lan1: 127.0.0.2}}, heartbeatPort: {heartbeat}, apiPort: {api}}}\n  arbitration: {{type: HTTP, http: {{host: aws.amazon.com}}}}\n  aws:\n    \
         region: us-east-1\n    endpoints: {{ec2: 'http://{proxy}', route53: 'http://{proxy}', sts: \
         'http://{proxy}'}}\n  fencing:\n    afterFence: PowerOn\n    levels:\n    - methods:\n      - \
         name: stop\n        type: AWS\n        aws: {{instances: [{{name: node1, instanceId: {}}}, \
         {{name: node2, instanceId: {}}}]}}\n---\napiVersion: stead.dev/v1alpha1\nkind: \
         FailoverGroup\nmetadata: {{name: failover1}}\nspec: {{servers: [node1, node2]}}\n",
        text(&ids["instances"][0]),
        text(&ids["instances"][1]),
    );
    let vip = format!("{{address: 10.1.0.20, vpcId: {}, perServer: {enis}}}", text(&ids["vpc"]));
    let eip = format!("{{allocationId: {}, perServer: {enis}}}", text(&ids["allocation"]));
    let dns = format!(
        "{{hostedZoneId: {}, recordName: srv.hz2.local., perServer: [{{name: node1, address: \
         10.0.110.10}}, {{name: node2, address: 10.0.120.10}}]}}",
        text(&wired["zone"])
    );
    let zones = "---\napiVersion: stead.dev/v1alpha1\nkind: Monitor\nmetadata: {name: zones}\nspec:\n  \
                 type: AwsAZ\n  awsAZ: {perServer: [{name: node1, zone: us-east-1a}, {name: node2, \
                 zone: us-east-1b}]}\n  recovery: {target: {kind: LocalServer}}\n";
    head + &resource("vip", "AwsVirtualIP", "awsVirtualIP", vip)
        + &resource("eip", "AwsElasticIP", "awsElasticIP", eip)
        + &resource("dns", "AwsDNS", "awsDNS", dns)
        + zones
}

#[test]
fn a_cloud_that_is_wired_rightly_has_nothing_wrong() {
    let lab = Lab::new();
    let before = lab.moto.routes(lab.ids["vpc"].as_str().unwrap(), "10.1.0.20");
    let (status, found) = lab.look(&lab.manifest, &[]);
    assert_eq!((status, found.codes()), (Some(1), vec!["OnePath"]), "{:#}", found.0);
    for check in [
        "credentials",
        "region",
        "endpoints",
        "clock",
        "permissions",
        "vpc",
        "interfaces",
        "routes",
        "elastic-ip",
        "dns",
        "zones",
        "instances",
        "ports",
    ] {
        assert!(found.counts(check).contains_key("OK"), "{check}: {:#}", found.0);
    }
    assert_eq!(found.counts("routes"), BTreeMap::from([("OK", 5)]));
    // Nothing is associated yet, and UDP is silent.
    assert_eq!(found.counts("permissions")["Skipped"], 1, "{:#}", found.0);
    assert_eq!(found.counts("ports"), BTreeMap::from([("OK", 5), ("Skipped", 1)]));
    // It asked, and changed nothing.
    assert_eq!(lab.moto.routes(lab.ids["vpc"].as_str().unwrap(), "10.1.0.20"), before);
    // All but the one heartbeat path, which is the manifest's and not the cloud's.
    let others = "credentials,region,endpoints,clock,permissions,vpc,interfaces,routes,elastic-ip,\
                  dns,zones,instances,ports";
    let table = lab.run(&lab.manifest, &["--only", others, "-o", "wide"], "credentials");
    let text = String::from_utf8_lossy(&table.stdout).into_owned();
    assert!(text.contains("from the profile") && text.contains("0 warnings, 0 errors"), "{text}");
    assert_eq!(table.status.code(), Some(0), "{text}");
}

#[test]
fn whatever_is_wired_wrongly_is_named_with_what_mends_it() {
    let lab = Lab::new();
    let manifest = &lab.manifest;
    let (one, table) = (lab.id("enis", 0), lab.id("tables", 3));
    let instance = lab.id("instances", 0);
    let (main, zone) = (lab.wired["main"].as_str().unwrap(), lab.wired["zone"].as_str().unwrap());
    let vpc = lab.ids["vpc"].as_str().unwrap();

    // Inside of the VPC.
    let (_, fix) = lab.wrong(&manifest.replace("10.1.0.20", "10.0.9.9"), "vpc", "AwsVipInsideVpc");
    assert!(fix.contains("Resource/vip") && fix.contains("10.0.0.0/16"), "{fix}");
    lab.wrong(&manifest.replace(vpc, "vpc-0a1b2c3d"), "vpc", "AwsVpcMissing");

    // Source/Dest check.
    let check = |on: &str| {
        lab.moto.python(&format!(
            "ec2.modify_network_interface_attribute(NetworkInterfaceId='{one}', \
             SourceDestCheck={{'Value': {on}}})"
        ));
    };
    check("True");
    let (_, fix) = lab.wrong(manifest, "interfaces", "AwsSourceDestCheck");
    assert!(fix.contains(&format!("--network-interface-id {one} --no-source-dest-check")), "{fix}");
    check("False");

    // A table without the entry: a warning, with the command that makes it.
    let entry = |work: &str| {
        lab.moto.python(&format!(
            "ec2.{work}(RouteTableId='{table}', DestinationCidrBlock='10.1.0.20/32'{})",
            if work == "delete_route" {
                String::new()
            } else {
                format!(", NetworkInterfaceId='{one}'")
            }
        ));
    };
    entry("delete_route");
    let (result, fix) = lab.wrong(manifest, "routes", "AwsRouteTableWithout");
    let command = format!(
        "aws ec2 create-route --route-table-id {table} --destination-cidr-block 10.1.0.20/32 \
         --network-interface-id {one}"
    );
    assert!(result == "Warning" && fix.contains(&command), "{fix}");
    entry("create_route");

    // No entry at all, by another address.
    let (result, fix) =
        lab.wrong(&manifest.replace("10.1.0.20", "10.1.0.21"), "routes", "AwsRouteMissing");
    assert!(result == "Error" && fix.contains(main) && fix.contains("10.1.0.21/32"), "{fix}");

    // An entry that leads to no server.
    let other = lab.ids["other"].as_str().unwrap();
    let lead = |eni: &str| {
        lab.moto.python(&format!(
            "ec2.replace_route(RouteTableId='{table}', DestinationCidrBlock='10.1.0.20/32', \
             NetworkInterfaceId='{eni}')"
        ));
    };
    lead(other);
    assert_eq!(lab.wrong(manifest, "routes", "AwsRouteElsewhere").0, "Warning");
    lead(one);

    // Fencing would stop the other server's instance.
    let swapped = manifest
        .replace(&format!("instanceId: {instance}}}"), &format!("instanceId: {}}}", "i-0a1b2c3d"));
    lab.wrong(&swapped, "interfaces", "AwsInstanceDiffers");
    lab.wrong(&swapped, "instances", "AwsInstanceMissing");

    // An interface that is attached to nothing.
    let loose = manifest.replace(one, other);
    let (_, found) = lab.look(&loose, &["--only", "interfaces"]);
    assert_eq!(found.codes(), ["AwsSourceDestCheck", "AwsInterfaceUnattached"]);
    lab.wrong(&manifest.replace(one, "eni-0a1b2c3d"), "interfaces", "AwsInterfaceMissing");

    // Stop protection, and an instance that is off.
    let protect = |on: &str| {
        lab.moto.python(&format!(
            "ec2.modify_instance_attribute(InstanceId='{instance}', DisableApiStop={{'Value': {on}}})"
        ));
    };
    protect("True");
    let (_, fix) = lab.wrong(manifest, "instances", "AwsStopProtected");
    assert!(fix.contains(&format!("--instance-id {instance} --no-disable-api-stop")), "{fix}");
    protect("False");
    lab.moto.python(&format!("ec2.stop_instances(InstanceIds=['{instance}'])"));
    assert_eq!(lab.wrong(manifest, "instances", "AwsInstanceOff").0, "Warning");
    lab.moto.python(&format!("ec2.start_instances(InstanceIds=['{instance}'])"));

    // Zones.
    let unknown = manifest.replace("zone: us-east-1b", "zone: us-east-1x");
    let (_, found) = lab.look(&unknown, &["--only", "zones"]);
    assert_eq!(found.codes(), ["AwsZoneDiffers", "AwsZoneMissing"]);
    let (_, fix) = lab.wrong(
        &manifest.replace("zone: us-east-1b", "zone: us-east-1c"),
        "zones",
        "AwsZoneDiffers",
    );
    assert!(fix.contains("to us-east-1b"), "{fix}");

    // Names.
    lab.wrong(&manifest.replace(zone, "ZNOSUCHZONE"), "dns", "AwsHostedZoneMissing");
    let elsewhere = manifest.replace("srv.hz2.local.", "srv.hz3.local.");
    lab.wrong(&elsewhere, "dns", "AwsRecordOutsideZone");
    let public = lab.ids["zone"].as_str().unwrap();
    let in_public = manifest.replace(zone, public).replace("srv.hz2.local.", "srv.hz1.local.");
    assert_eq!(lab.wrong(&in_public, "dns", "AwsHostedZonePublic").0, "Warning");
    let dns = |on: &str| {
        lab.moto.python(&format!(
            "ec2.modify_vpc_attribute(VpcId='{vpc}', EnableDnsHostnames={{'Value': {on}}})"
        ));
    };
    dns("False");
    let (_, fix) = lab.wrong(manifest, "dns", "AwsVpcDnsOff");
    assert_eq!(fix, format!("aws ec2 modify-vpc-attribute --vpc-id {vpc} --enable-dns-hostnames"));
    dns("True");
    lab.moto.python(&format!(
        "r53.change_resource_record_sets(HostedZoneId='{zone}', ChangeBatch=dict(Changes=[dict(\
         Action='UPSERT', ResourceRecordSet=dict(Name='srv.hz2.local.', Type='A', TTL=300, \
         ResourceRecords=[dict(Value='10.9.9.9')]))]))"
    ));
    assert_eq!(lab.wrong(manifest, "dns", "AwsRecordDiffers").0, "Warning");
    let apart = lab.moto.python(
        "v = ec2.create_vpc(CidrBlock='10.5.0.0/16')['Vpc']['VpcId']\n\
         z = r53.create_hosted_zone(Name='hz4.local.', CallerReference='4', VPC=dict(VPCRegion=\
         'us-east-1', VPCId=v), HostedZoneConfig=dict(PrivateZone=True))['HostedZone']['Id']\n\
         print(z.split('/')[-1])",
    );
    let in_apart = manifest.replace(zone, &apart).replace("srv.hz2.local.", "srv.hz4.local.");
    let (_, fix) = lab.wrong(&in_apart, "dns", "AwsHostedZoneApart");
    assert!(fix.contains(&format!("VPCRegion=us-east-1,VPCId={vpc}")), "{fix}");

    // An Elastic IP address in use, one that is not there, and no way in from the Internet.
    let allocation = lab.ids["allocation"].as_str().unwrap();
    lab.wrong(
        &manifest.replace(allocation, "eipalloc-0a1b2c3d"),
        "elastic-ip",
        "AwsAllocationMissing",
    );
    lab.moto.python(&format!(
        "ec2.associate_address(AllocationId='{allocation}', NetworkInterfaceId='{other}')"
    ));
    assert_eq!(lab.wrong(manifest, "elastic-ip", "AwsAllocationElsewhere").0, "Warning");
    lab.moto.python(&format!(
        "ec2.associate_address(AllocationId='{allocation}', NetworkInterfaceId='{one}', \
         AllowReassociation=True)"
    ));
    let (_, found) = lab.look(manifest, &["--only", "permissions"]);
    assert!(!found.counts("permissions").contains_key("Skipped"), "{:#}", found.0);
    lab.moto.python(&format!(
        "ec2.delete_route(RouteTableId='{main}', DestinationCidrBlock='0.0.0.0/0')"
    ));
    let (_, found) = lab.look(manifest, &["--only", "elastic-ip"]);
    assert_eq!(found.codes(), ["AwsNoInternetGateway", "AwsNoInternetGateway"]);

    // The manifest itself.
    let without_dot = manifest.replace("srv.hz2.local.", "srv.hz2.local");
    let (status, found) = lab.look(&without_dot, &["--only", "manifest"]);
    assert_eq!((status, found.codes()), (Some(2), vec!["OnePath", "AwsRecordName"]));
}

#[test]
fn what_aws_says_is_broken_and_what_could_never_work_is_named() {
    let lab = Lab::new();
    let manifest = &lab.manifest;
    for (says, code) in
        [("<zoneState>impaired<", "AwsZoneImpaired"), ("<zoneState>information<", "AwsZoneWarning")]
    {
        let fault = Fault::Replace("<zoneState>available<", says);
        lab.faults.always_of("ZoneName.1=us-east-1a", Some(fault));
        lab.wrong(manifest, "zones", code);
    }

    // What an entry leads to is gone.
    let dead = Fault::Replace("<state>active</state>", "<state>blackhole</state>");
    lab.faults.always_of("Action=DescribeRouteTables", Some(dead));
    let (_, found) = lab.look(manifest, &["--only", "routes"]);
    assert_eq!(found.codes(), ["AwsRouteElsewhere"; 5]);
    assert!(found.bad()[0].to_string().contains("and that is blackhole"), "{:#}", found.0);
    lab.faults.always_of("Action=DescribeRouteTables", None);

    // An entry of the other family.
    let six = manifest.replace("10.1.0.20", "2001:db8::20");
    let (_, fix) = lab.wrong(&six, "routes", "AwsRouteMissing");
    assert!(fix.contains("--destination-ipv6-cidr-block 2001:db8::20/128"), "{fix}");

    // Interfaces of another VPC, and an address that one of the servers' subnets has not.
    let other = lab
        .moto
        .python("print([v['VpcId'] for v in ec2.describe_vpcs()['Vpcs'] if v['IsDefault']][0])");
    let apart = manifest.replace(lab.ids["vpc"].as_str().unwrap(), &other);
    let (_, found) = lab.look(&apart, &["--only", "interfaces"]);
    assert_eq!(found.codes(), ["AwsInterfaceElsewhere"; 2], "{:#}", found.0);
    let enis = per_server(lab.id("enis", 0), lab.id("enis", 1));
    let settings = format!("{{address: 10.0.110.50, perServer: {enis}}}");
    let with = manifest.clone() + &resource("own", "AwsSecondaryIP", "awsSecondaryIP", settings);
    lab.wrong(&with, "interfaces", "AwsSubnetsDiffer");
}

#[test]
fn servers_that_share_a_zone_and_one_without_a_way_out_are_warned_of() {
    let lab = Lab::new();
    let same = lab.moto.python(
        "s = [s for s in ec2.describe_subnets()['Subnets'] if s['CidrBlock'] == '10.0.120.0/24'][0]\n\
         i = ec2.run_instances(ImageId=ec2.describe_images()['Images'][0]['ImageId'], MinCount=1, \
         MaxCount=1, SubnetId=s['SubnetId'])\nprint(i['Instances'][0]['InstanceId'])",
    );
    let manifest = lab.manifest.replace(lab.id("instances", 0), &same);
    let (_, found) = lab.look(&manifest, &["--only", "zones"]);
    assert_eq!(found.codes(), ["AwsZoneDiffers", "AwsServersShareZone"]);

    // Reached by the region's endpoint: neither a VPC endpoint nor a proxy is known.
    let start = lab.manifest.find("    endpoints:").unwrap();
    let end = start + lab.manifest[start..].find('\n').unwrap() + 1;
    let url = format!("http://{}", lab.moto.address());
    let without = format!("{}{}", &lab.manifest[..start], &lab.manifest[end..]);
    let arguments = ["--only", "elastic-ip", "-o", "json"];
    let mut command = lab.command(Command::new(STEAD), &without, &arguments, "credentials");
    let (status, found) = read(&command.env("AWS_ENDPOINT_URL", url).output().unwrap());
    assert_eq!((status, found.codes()), (Some(1), vec!["AwsNoWayOut", "AwsNoWayOut"]));
    // Of the one that has it nothing is known.
    lab.moto.python(&format!(
        "ec2.associate_address(AllocationId={}, NetworkInterfaceId='{}')",
        lab.ids["allocation"],
        lab.id("enis", 0)
    ));
    let (_, found) = read(&command.output().unwrap());
    assert_eq!(found.codes(), ["AwsNoWayOut"]);
}

#[test]
fn what_is_denied_is_told_once_and_by_its_action() {
    let lab = Lab::new();
    lab.faults.always(Some(Fault::Answer(REFUSED)));
    let (status, found) = lab.look(&lab.manifest, &[]);
    assert_eq!(status, Some(2));
    let of_others = |finding: &&&Value| {
        !["manifest", "permissions", "credentials"].contains(&finding["check"].as_str().unwrap())
    };
    assert_eq!(found.bad().iter().find(of_others), None);
    let denied: Vec<&str> = found
        .all()
        .iter()
        .filter(|finding| {
            finding["code"] == "AwsNotAuthorized" && finding["check"] == "permissions"
        })
        .map(|finding| finding["object"].as_str().unwrap().split(' ').next().unwrap())
        .collect();
    for action in
        ["ec2:DescribeVpcs", "ec2:AssociateAddress", "ec2:StopInstances", "ec2:StartInstances"]
    {
        assert!(denied.contains(&action), "{action}: {denied:?}");
    }
    assert_eq!(found.counts("endpoints"), BTreeMap::from([("OK", 2)]));
    assert!(found.counts("dns").contains_key("Skipped") && !found.counts("dns").contains_key("OK"));
    let output = lab.run(&lab.manifest, &["--only", "dns"], "credentials");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("fix: stead iam-policy --doctor prints"), "{text}");
}

#[test]
fn without_credentials_nothing_else_is_blamed() {
    let lab = Lab::new();
    let output = lab.run(&lab.manifest, &["-o", "json"], "missing");
    let (status, found) = read(&output);
    assert_eq!(
        (status, found.codes()),
        (Some(2), vec!["OnePath", "AwsNoCredentials"]),
        "{:#}",
        found.0
    );
}

#[test]
fn a_clock_that_is_off_is_measured_by_what_aws_says() {
    let lab = Lab::new();
    let date = |ago: i64| {
        let now = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second() - ago).unwrap();
        now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string().leak() as &'static str
    };
    lab.faults.date(Some(date(30)));
    let (result, fix) = lab.wrong(&lab.manifest, "clock", "ClockOff");
    assert!(result == "Warning" && fix.contains("169.254.169.123"), "{fix}");
    lab.faults.date(Some(date(3600)));
    assert_eq!(lab.wrong(&lab.manifest, "clock", "AwsClockSkew").0, "Error");
}

#[test]
fn an_endpoint_that_is_away_is_told_once() {
    let lab = Lab::new();
    lab.faults.always(Some(Fault::Reset));
    let (status, found) = lab.look(&lab.manifest, &[]);
    assert_eq!(status, Some(2));
    let checks: Vec<&Value> = found.bad().iter().map(|finding| &finding["check"]).collect();
    assert_eq!(checks, ["manifest", "endpoints", "endpoints"], "{:#}", found.0);
    assert_eq!(found.counts("clock"), BTreeMap::from([("Skipped", 1)]));
}

#[test]
fn ports_are_tried_and_own_ones_are_free_or_held_by_stead() {
    let mut lab = Lab::new();
    // Held by another program: this one.
    let held = TcpListener::bind(("127.0.0.1", lab.port + 1)).unwrap();
    let (result, fix) = lab.wrong(&lab.manifest, "ports", "PortTaken");
    assert!(result == "Error" && fix.contains(&format!("sport = :{}", lab.port + 1)), "{fix}");
    drop(held);
    // Nothing listens.
    lab.node2 = Ports::open();
    let (status, found) = lab.look(&lab.manifest, &["--only", "ports"]);
    assert_eq!((status, found.codes()), (Some(1), vec!["PortRefused"; 3]));
    // Nothing leads there.
    let nowhere = Network::new();
    let arguments = ["--only", "ports", "-o", "json"];
    let mut command = lab.command(nowhere.command(STEAD), &lab.manifest, &arguments, "credentials");
    let (status, found) = read(&command.output().unwrap());
    assert_eq!((status, found.codes()), (Some(2), vec!["PortSilent"; 6]), "{:#}", found.0);
}

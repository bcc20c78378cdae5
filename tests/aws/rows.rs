//! The rows of chapter 8 of the guide that are about one kind of resource or monitor: what is not
//! there, what does not fit, what somebody changed.

use serde_json::json;
use stead::api::kinds::{AwsAccess, AwsEndpoints, MonitorSpec, ResourceSpec};
use stead::api::types::{AwsElasticIpSpec, AwsVirtualIpSpec};
use stead::engine::effect::ResourceAction;
use stead::engine::input::{CheckResult, Outcome};

use crate::answers;
use crate::causes::{changes, explained, failed};
use crate::lab::{Lab, RECORD, SECONDARY, VIP, hosts, isolated, monitor};
use crate::proxy::Fault;

const NOWHERE: &str = "http://127.0.0.1:9";

async fn start(lab: &Lab, spec: &ResourceSpec) -> Outcome {
    lab.act(ResourceAction::Start, spec).await
}

async fn started(lab: &Lab, spec: &ResourceSpec) {
    let outcome = start(lab, spec).await;
    assert!(matches!(outcome, Outcome::Active { .. }), "{outcome:?}");
    // What looks again by itself would mend what a monitor is to find.
    lab.host.cloud.aws.forget("resource");
}

/// One with something else in place of one setting.
fn other(spec: ResourceSpec, change: impl FnOnce(&mut ResourceSpec)) -> ResourceSpec {
    let mut spec = spec;
    change(&mut spec);
    spec
}

fn vip(lab: &Lab, change: impl FnOnce(&mut AwsVirtualIpSpec)) -> ResourceSpec {
    other(lab.virtual_ip(), |spec| change(spec.aws_virtual_ip.as_mut().unwrap()))
}

fn eip(lab: &Lab, change: impl FnOnce(&mut AwsElasticIpSpec)) -> ResourceSpec {
    other(lab.elastic_ip(), |spec| change(spec.aws_elastic_ip.as_mut().unwrap()))
}

#[test]
fn what_is_not_there_or_does_not_fit_is_told_before_anything_is_changed() {
    isolated(async || {
        let lab = Lab::new().await;
        changes(&lab);
        let absent = "0a1b2c3d4e5f60001";
        let zone = |spec: &mut ResourceSpec| {
            spec.aws_dns.as_mut().unwrap().hosted_zone_id = "Z0123456789ABCDEFGHIJ".into();
        };
        let elsewhere = lab.moto.python(
            "v = ec2.create_vpc(CidrBlock='10.9.0.0/16')['Vpc']['VpcId']\n\
             s = ec2.create_subnet(VpcId=v, CidrBlock='10.9.1.0/24')['Subnet']['SubnetId']\n\
             print(ec2.create_network_interface(SubnetId=s)['NetworkInterface']\
             ['NetworkInterfaceId'])",
        );
        let checked = lab.moto.python(&format!(
            "s = ec2.describe_network_interfaces(NetworkInterfaceIds=['{}'])\
             ['NetworkInterfaces'][0]['SubnetId']\n\
             print(ec2.create_network_interface(SubnetId=s)['NetworkInterface']\
             ['NetworkInterfaceId'])",
            lab.nth("enis", 0)
        ));
        let cases = [
            (
                "VIP 50, VPC id absent",
                vip(&lab, |spec| spec.vpc_id = format!("vpc-{absent}")),
                ("AwsVpcMissing", "vpcId"),
                format!("vpc-{absent}"),
            ),
            (
                "VIP 50, ENI id absent",
                vip(&lab, |spec| spec.per_server[0].eni_id = format!("eni-{absent}")),
                ("AwsInterfaceMissing", "eniId"),
                format!("eni-{absent}"),
            ),
            (
                "VIP, ENI of another VPC",
                vip(&lab, |spec| spec.per_server[0].eni_id = elsewhere.clone()),
                ("AwsInterfaceElsewhere", "eniId"),
                elsewhere.clone(),
            ),
            (
                "VIP 53, inside of the VPC",
                vip(&lab, |spec| spec.address = "10.0.110.200".parse().unwrap()),
                ("AwsVipInsideVpc", "outside"),
                "10.0.110.200 is in 10.0.0.0/16".to_owned(),
            ),
            (
                "VIP, up and ping dead: Source/Dest check on",
                vip(&lab, |spec| spec.per_server[0].eni_id = checked.clone()),
                ("AwsSourceDestCheck", "command"),
                "--no-source-dest-check".to_owned(),
            ),
            (
                "VIP, no table has an entry",
                vip(&lab, |spec| spec.address = "10.1.0.99".parse().unwrap()),
                ("AwsRouteMissing", "create-route"),
                "10.1.0.99".to_owned(),
            ),
            (
                "EIP 50, allocation id absent",
                eip(&lab, |spec| spec.allocation_id = format!("eipalloc-{absent}")),
                ("AwsAllocationMissing", "allocationId"),
                format!("eipalloc-{absent}"),
            ),
            (
                "DNS 50, zone absent",
                other(lab.record(), zone),
                ("AwsHostedZoneMissing", "hostedZoneId"),
                "Z0123456789ABCDEFGHIJ".to_owned(),
            ),
        ];
        for (case, spec, (id, remedy), named) in cases {
            explained(id, remedy);
            let message = failed(start(&lab, &spec).await, id, case);
            assert!(message.contains(&named), "{case}: {message}");
            assert_eq!(changes(&lab), 0, "{case}");
        }
        // Another region: everything is absent there, and the text says that this may be why.
        let region = Some("us-west-2".to_owned());
        lab.reach(AwsAccess { region, ..lab.access() });
        let case = "EIP 50, wrong region";
        failed(start(&lab, &lab.elastic_ip()).await, "AwsAllocationMissing", case);
        assert_eq!(changes(&lab), 0);
    });
}

#[test]
fn what_only_the_change_itself_shows_leaves_nothing_half_moved_unsaid() {
    isolated(async || {
        let lab = Lab::new().await;
        // EIP 50: the network interface is not looked at before it is to get the address.
        let spec = eip(&lab, |spec| spec.per_server[0].eni_id = "eni-0a1b2c3d4e5f60001".into());
        failed(start(&lab, &spec).await, "AwsInterfaceMissing", "EIP 50, ENI id absent");

        // VIP 50: the policy lists the tables, and one is missing. The text names it and the others.
        lab.faults.next_of("Action=ReplaceRoute", &[Fault::Answer(answers::REFUSED)]);
        let message = failed(start(&lab, &lab.virtual_ip()).await, "AwsNotAuthorized", "VIP 50");
        let tables = [0, 1, 2].map(|index| lab.nth("tables", index));
        assert!(tables.iter().all(|table| message.contains(table)), "{message}");
        let routes = lab.moto.routes(lab.id("vpc"), VIP);
        let moved = |table: &&str| routes[*table] == lab.nth("enis", 0);
        assert_eq!(tables.iter().filter(|table| moved(table)).count(), 2, "{routes}");
        // What is shown of it is what is there now.
        let seen = lab.observed();
        assert_eq!(seen["asWanted"], false);
        for route in seen["routes"].as_array().unwrap() {
            assert_eq!(route["target"], routes[route["table"].as_str().unwrap()]);
        }

        // The next start asks for the one that is left, and no other.
        let refused = [Fault::Answer(answers::REFUSED)];
        lab.faults.next_of("Action=ReplaceRoute", &refused);
        let message = failed(start(&lab, &lab.virtual_ip()).await, "AwsNotAuthorized", "VIP 50");
        let left: Vec<&&str> = tables.iter().filter(|table| !moved(table)).collect();
        assert!(message.contains(*left[0]) && message.contains("changed: none"), "{message}");
        started(&lab, &lab.virtual_ip()).await;
        assert_eq!(lab.observed()["asWanted"], true);
    });
}

#[test]
fn a_change_that_is_not_answered_in_time_is_told_and_made_again() {
    isolated(async || {
        let lab = Lab::new().await;
        let cases = [
            ("VIP 1", lab.virtual_ip(), "Action=ReplaceRoute", "AwsRoutesPartly"),
            ("EIP 53", lab.elastic_ip(), "Action=AssociateAddress", "AwsNoAnswer"),
            ("DNS 51", lab.record(), "POST /2013-04-01/hostedzone/", "AwsNoAnswer"),
        ];
        for (case, spec, word, id) in cases {
            lab.faults.always_of(word, Some(Fault::Late));
            let second = std::time::Duration::from_secs(1);
            let outcome = lab.act_within(second, ResourceAction::Start, &spec).await;
            let message = failed(outcome, id, case);
            assert!(message.contains("no answer within"), "{case}: {message}");
            lab.faults.always_of(word, None);
            started(&lab, &spec).await;
        }
    });
}

#[test]
fn route_53_out_of_reach_is_told_apart_from_ec2_out_of_reach() {
    isolated(async || {
        let lab = Lab::new().await;
        // VPC endpoints lead to EC2 and not to Route 53.
        let endpoints = AwsEndpoints { route53: Some(NOWHERE.into()), ..lab.access().endpoints };
        lab.reach(AwsAccess { endpoints, ..lab.access() });
        let second = std::time::Duration::from_secs(1);
        let outcome = lab.act_within(second, ResourceAction::Start, &lab.record()).await;
        let id = "AwsEndpointUnreachable";
        let message = failed(outcome, id, "DNS 50, Route 53 not reachable by endpoints");
        assert!(message.contains("route53:"), "{message}");
        started(&lab, &lab.virtual_ip()).await;
    });
}

/// Checks once, with nothing kept from before.
async fn found(lab: &Lab, spec: &MonitorSpec, own: Option<&ResourceSpec>) -> (CheckResult, String) {
    lab.host.cloud.aws.forget_answers().await;
    lab.check("monitor", spec, own).await
}

fn of_resource(type_: &str, member: &str) -> MonitorSpec {
    monitor(type_, member, json!({"resource": "resource"}), "1h")
}

#[test]
fn what_somebody_changed_is_an_error_and_right_after_the_next_start() {
    isolated(async || {
        let mut lab = Lab::new().await;
        let other = lab.id("other").to_owned();
        let allocation = lab.id("allocation").to_owned();
        let zone = lab.id("zone").to_owned();
        let change = |action: &str, value: &str| {
            format!(
                "r53.change_resource_record_sets(HostedZoneId='{zone}', ChangeBatch=dict(Changes=\
                 [dict(Action='{action}', ResourceRecordSet=dict(Name='{RECORD}', Type='A', \
                 TTL=300, ResourceRecords=[dict(Value='{value}')]))]))"
            )
        };
        let record = json!({"resource": "resource", "resolve": false});
        let record = monitor("AwsDNS", "awsDNS", record, "1h");
        let cases: [(&str, ResourceSpec, _, &str, String); 6] = [
            (
                "VIP monitor 56, route changed",
                lab.virtual_ip(),
                of_resource("AwsVirtualIP", "awsVirtualIP"),
                "AwsRouteChanged",
                format!(
                    "ec2.replace_route(RouteTableId='{}', DestinationCidrBlock='{VIP}/32', \
                     NetworkInterfaceId='{other}')",
                    lab.nth("tables", 1)
                ),
            ),
            (
                "EIP monitor 52, association gone",
                lab.elastic_ip(),
                of_resource("AwsElasticIP", "awsElasticIP"),
                "AwsAssociationLost",
                format!(
                    "a = ec2.describe_addresses(AllocationIds=['{allocation}'])['Addresses'][0]\n\
                     ec2.disassociate_address(AssociationId=a['AssociationId'])"
                ),
            ),
            (
                "EIP monitor 52, taken by another cluster",
                lab.elastic_ip(),
                of_resource("AwsElasticIP", "awsElasticIP"),
                "AwsAssociationLost",
                format!(
                    "ec2.associate_address(AllocationId='{allocation}', \
                     NetworkInterfaceId='{other}', AllowReassociation=True)"
                ),
            ),
            (
                "secondary IP monitor, address gone",
                lab.secondary_ip(),
                of_resource("AwsSecondaryIP", "awsSecondaryIP"),
                "AwsAddressNotAssigned",
                format!(
                    "ec2.unassign_private_ip_addresses(NetworkInterfaceId='{}', \
                     PrivateIpAddresses=['{SECONDARY}'])",
                    lab.nth("enis", 0)
                ),
            ),
            (
                "DNS monitor 52, record missing",
                lab.record(),
                record.clone(),
                "AwsRecordMissing",
                change("DELETE", "10.0.110.10"),
            ),
            (
                "DNS monitor 53, other address",
                lab.record(),
                record,
                "AwsRecordDiffers",
                change("UPSERT", "10.9.9.9"),
            ),
        ];
        for (case, spec, monitor, id, python) in cases {
            // Each case for itself: three changes in ten minutes are undone, no more.
            lab.anew();
            started(&lab, &spec).await;
            let (result, message) = found(&lab, &monitor, Some(&spec)).await;
            assert_eq!(result, CheckResult::Normal, "{case}: {message}");
            lab.moto.python(&python);
            let (result, message) = found(&lab, &monitor, Some(&spec)).await;
            assert_eq!(result, CheckResult::Error, "{case}: {message}");
            assert!(message.contains(&format!("({id})")), "{case}: {message}");
            explained(id, "by itself");
            assert_eq!(lab.observed()["asWanted"], false, "{case}");
            started(&lab, &spec).await;
            let (result, message) = found(&lab, &monitor, Some(&spec)).await;
            assert_eq!(result, CheckResult::Normal, "{case}: {message}");
            assert_eq!(lab.observed()["asWanted"], true, "{case}");
        }
    });
}

#[test]
fn an_address_or_a_route_that_does_not_work_is_an_error() {
    isolated(async || {
        let lab = Lab::new().await;
        let (spec, own) = (lab.virtual_ip(), of_resource("AwsVirtualIP", "awsVirtualIP"));
        started(&lab, &spec).await;
        let word = "Action=DescribeRouteTables";
        let dead = Fault::Replace("<state>active</state>", "<state>blackhole</state>");
        lab.faults.always_of(word, Some(dead));
        let (result, message) = found(&lab, &own, Some(&spec)).await;
        assert_eq!(result, CheckResult::Error, "{message}");
        assert!(message.contains("blackhole") && message.contains("(AwsRouteChanged)"));
        assert_eq!(lab.observed()["routes"][0]["state"], "blackhole");
        lab.faults.always_of(word, None);

        // Again and again: then it is left to whoever takes it, with a warning.
        for time in 2..=5 {
            lab.moto.lead(lab.id("vpc"), VIP, lab.id("other"));
            let (result, message) = found(&lab, &own, Some(&spec)).await;
            let rival = time > 3;
            let expected = if rival { CheckResult::Warning } else { CheckResult::Error };
            assert_eq!(result, expected, "{time}: {message}");
            assert_eq!(message.contains("(AwsRival)"), rival, "{time}: {message}");
        }

        lab.act(ResourceAction::Stop, &spec).await;
        let (result, message) = found(&lab, &own, Some(&spec)).await;
        assert_eq!(result, CheckResult::Error, "{message}");
        assert!(message.contains("(AwsAddressGone)"), "{message}");
        explained("AwsAddressGone", "by itself");
    });
}

#[test]
fn an_elastic_ip_is_tried_itself_where_that_is_set() {
    isolated(async || {
        let lab = Lab::new().await;
        let spec = lab.elastic_ip();
        // moto gives addresses of the loopback, which always answer.
        let other = Fault::Replace("<publicIp>127.", "<publicIp>198.");
        lab.faults.always_of("Action=DescribeAddresses", Some(other));
        started(&lab, &spec).await;
        let public = lab.observed()["association"]["address"].as_str().unwrap().to_owned();
        let checked = async |check| {
            let settings = json!({"resource": "resource", "check": check});
            let own = monitor("AwsElasticIP", "awsElasticIP", settings, "1h");
            found(&lab, &own, Some(&spec)).await
        };
        let silent = |(result, message): (CheckResult, String)| {
            assert_eq!(result, CheckResult::Error, "{message}");
            assert!(message.contains("(AwsAddressSilent)"), "{message}");
            assert!(message.contains(&public), "{message}");
        };
        let right = |(result, message): (CheckResult, String)| {
            assert_eq!(result, CheckResult::Normal, "{message}");
        };
        let tcp = |port: u16| json!({"type": "TCP", "tcp": {"port": port}});
        // By default only the API is asked.
        right(checked(json!(null)).await);
        silent(checked(json!({"type": "ICMP"})).await);
        lab.put_address(&public);
        right(checked(json!({"type": "ICMP"})).await);
        let port = {
            let listener = std::net::TcpListener::bind((public.as_str(), 0)).unwrap();
            let port = listener.local_addr().unwrap().port();
            right(checked(tcp(port)).await);
            port
        };
        silent(checked(tcp(port)).await);
        explained("AwsAddressSilent", "security group");
        // The API away is not the association lost, and the address is no proof of it.
        lab.faults.always_of("Action=DescribeAddresses", Some(Fault::Reset));
        let (result, message) = checked(json!({"type": "ICMP"})).await;
        assert_eq!(result, CheckResult::Warning, "{message}");
    });
}

#[test]
fn what_the_resolver_says_is_told_apart_from_what_the_zone_holds() {
    isolated(async || {
        let lab = Lab::new().await;
        let spec = lab.record();
        let own = of_resource("AwsDNS", "awsDNS");
        started(&lab, &spec).await;
        // 54: no name server is reached from here, as where the zone is not associated with the VPC
        // or its DNS resolution is off.
        let (result, message) = found(&lab, &own, Some(&spec)).await;
        assert_eq!(result, CheckResult::Error, "{message}");
        assert!(message.contains("(AwsNameNotResolved)"), "{message}");
        explained("AwsNameNotResolved", "Associate the zone with the VPC");
        // 55: an entry of the hosts file, with its line.
        let name = RECORD.trim_end_matches('.');
        hosts(&format!("127.0.0.1 localhost\n10.9.9.9 {name}\n"));
        let (result, message) = found(&lab, &own, Some(&spec)).await;
        assert_eq!(result, CheckResult::Error, "{message}");
        assert!(message.contains("(AwsNameResolvesElsewhere)"), "{message}");
        assert!(message.contains("line 2 of /etc/hosts"), "{message}");
        explained("AwsNameResolvesElsewhere", "line");
        hosts(&format!("10.0.110.10 {name}\n"));
        let (result, message) = found(&lab, &own, Some(&spec)).await;
        assert_eq!(result, CheckResult::Normal, "{message}");
    });
}

#[test]
fn each_state_of_a_zone_has_its_form() {
    isolated(async || {
        let mut lab = Lab::new().await;
        let of = |zone: &str, on_no_answer: &str| {
            let zone = json!({
                "perServer": [{"name": "node1", "zone": zone}],
                "onNoAnswer": on_no_answer,
            });
            monitor("AwsAZ", "awsAZ", zone, "1h")
        };
        let answers = [
            ("available", CheckResult::Normal, ""),
            ("information", CheckResult::Warning, "(AwsZoneWarning)"),
            ("impaired", CheckResult::Error, "(AwsZoneImpaired)"),
            ("unavailable", CheckResult::Error, "(AwsZoneImpaired)"),
            ("unknown", CheckResult::Warning, "(AwsZoneWarning)"),
        ];
        for (state, expected, id) in answers {
            lab.anew();
            let from = "<zoneState>available</zoneState>";
            let to: &'static str = match state {
                "information" => "<zoneState>information</zoneState>",
                "impaired" => "<zoneState>impaired</zoneState>",
                "unavailable" => "<zoneState>unavailable</zoneState>",
                "unknown" => "<zoneState>unknown</zoneState>",
                _ => from,
            };
            let word = "Action=DescribeAvailabilityZones";
            lab.faults.always_of(word, Some(Fault::Replace(from, to)));
            let (result, message) = lab.check("zone", &of("us-east-1a", "Warn"), None).await;
            assert_eq!(result, expected, "{state}: {message}");
            assert!(message.contains(state) && message.contains(id), "{state}: {message}");
            lab.faults.always_of(word, None);
        }
        explained("AwsZoneImpaired", "stead group move");
        // 5 and 105: no such zone.
        explained("AwsZoneMissing", "spec.awsAZ.perServer");
        for (form, expected) in [("Warn", CheckResult::Warning), ("Recover", CheckResult::Error)] {
            let (result, message) = lab.check("zone", &of("us-east-1x", form), None).await;
            assert_eq!(result, expected, "{message}");
            assert!(message.contains("(AwsZoneMissing)"), "{message}");
        }
    });
}

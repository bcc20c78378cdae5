//! Entries for virtual addresses in the route tables of their VPC.

use super::facts::{Facts, known};
use super::{Check, Finding, failed};
use crate::api::aws::Uses;
use crate::api::types::AwsVirtualIpSpec;
use crate::cloud::aws::{RouteEntry, RouteHealth, RouteTable, host_block};

pub fn judge(uses: &Uses, facts: &Facts, findings: &mut Vec<Finding>) {
    for (name, own) in &uses.virtual_ips {
        match facts.tables.get(&own.vpc_id) {
            Some(Ok(tables)) => address(name, own, tables, facts, findings),
            Some(Err(error)) => {
                let object = format!("{} ({name})", own.vpc_id);
                findings.push(failed(Check::Routes, &object, error, facts));
            }
            None => {}
        }
    }
}

fn address(
    name: &str,
    own: &AwsVirtualIpSpec,
    tables: &[RouteTable],
    facts: &Facts,
    findings: &mut Vec<Finding>,
) {
    // One inside of the VPC gets no entry anywhere: that is told already.
    let inside = known(&facts.vpcs, &own.vpc_id).into_iter().flatten();
    if inside.into_iter().any(|block| crate::api::address::block_holds(block, own.address)) {
        let text = "an address inside of the VPC can't be routed: see vpc";
        findings.push(Finding::skipped(Check::Routes, format!("{} ({name})", own.address), text));
        return;
    }
    let block = host_block(own.address);
    let with: Vec<(&RouteTable, &RouteEntry)> =
        tables.iter().filter_map(|table| Some((table, table.entry(&block)?))).collect();
    if with.is_empty() {
        let object = format!("{} ({name})", own.vpc_id);
        let commands: Vec<String> = tables.iter().map(|table| command(own, &table.id)).collect();
        let message = format!("{} in {}", own.address, own.vpc_id);
        findings.push(
            Finding::coded(Check::Routes, object, "AwsRouteMissing", message)
                .mended_by(format!("in each table that clients use: {}", commands.join("; "))),
        );
        return;
    }
    for table in tables {
        let object = table.words();
        findings.push(match table.entry(&block) {
            Some(entry) => present(name, own, object, entry),
            None => {
                let message = format!("{} in {object}", own.address);
                Finding::coded(Check::Routes, object, "AwsRouteTableWithout", message)
                    .mended_by(format!("if clients use it: {}", command(own, &table.id)))
            }
        });
    }
}

/// What makes an entry. Which server it leads to first does not matter: the first start moves it.
fn command(own: &AwsVirtualIpSpec, table: &str) -> String {
    let option = if own.address.is_ipv6() {
        "--destination-ipv6-cidr-block"
    } else {
        "--destination-cidr-block"
    };
    let eni = own.per_server.first().map_or("ENI", |entry| entry.eni_id.as_str());
    format!(
        "aws ec2 create-route --route-table-id {table} {option} {} --network-interface-id {eni}",
        host_block(own.address)
    )
}

fn present(name: &str, own: &AwsVirtualIpSpec, object: String, entry: &RouteEntry) -> Finding {
    let words = format!("{} leads to {}", own.address, entry.target);
    let server = own.per_server.iter().find(|server| server.eni_id == entry.target);
    match (&entry.state, server) {
        (RouteHealth::Broken(state), _) => {
            let message = format!("{words}, and that is {state}");
            Finding::coded(Check::Routes, object, "AwsRouteElsewhere", message)
        }
        (RouteHealth::Active, Some(server)) => {
            Finding::ok(Check::Routes, object, format!("{words} of {}", server.name))
        }
        (RouteHealth::Active, None) => {
            let message = format!("{words}, which is of no server of {name}");
            Finding::coded(Check::Routes, object, "AwsRouteElsewhere", message)
        }
    }
}

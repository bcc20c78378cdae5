//! Asks: everything that does not depend on another answer at the same time, then what does.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use futures_util::future::BoxFuture;
use futures_util::stream;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::time::Instant;

use super::Check;
use super::facts::{Answers, Asked, Facts, Permit, known};
use crate::api::aws::Uses;
use crate::cloud::aws::{AwsError, Call, Endpoint, RouteTable, Session, host_block};
use crate::doctor::Settings;

/// Questions of one kind at the same time.
const IN_FLIGHT_MAX: usize = 8;

/// Whoever asks.
struct Asker<'a> {
    session: &'a Session,
    settings: &'a Settings,
}

impl Asker<'_> {
    /// One question, with its end.
    fn call(&self) -> Call<'_> {
        self.session.read(Instant::now() + self.settings.timeout)
    }

    async fn each<'b, T>(
        &'b self,
        keys: impl IntoIterator<Item = String>,
        ask: impl Fn(&'b Self, String) -> BoxFuture<'b, Result<T, AwsError>>,
    ) -> Answers<T> {
        let keys: BTreeSet<String> = keys.into_iter().collect();
        let asked = keys.into_iter().map(|key| {
            let answer = ask(self, key.clone());
            async move {
                let answer = answer.await;
                (self.settings.answered)();
                (key, answer)
            }
        });
        let asked: Vec<_> = asked.collect();
        stream::iter(asked).buffer_unordered(IN_FLIGHT_MAX).collect().await
    }

    async fn endpoint(&self, endpoint: Endpoint, zone: &str) -> Asked {
        let sent = (self.settings.clock)();
        let answer = self.session.reach(self.call(), endpoint, zone).await;
        (self.settings.answered)();
        Asked { endpoint, sent, received: (self.settings.clock)(), answer }
    }

    async fn permit(
        &self,
        action: &'static str,
        object: String,
        answer: BoxFuture<'_, Result<(), AwsError>>,
    ) -> Permit {
        let answer = answer.await;
        (self.settings.answered)();
        Permit { action, object, answer }
    }
}

/// Asks everything about what a manifest uses.
pub async fn facts(session: &Session, uses: &Uses, settings: &Settings) -> Facts {
    let asker = Asker { session, settings };
    let interfaces = uses.interfaces().map(|(_, entry)| entry.eni_id.clone());
    let instances = || uses.instances.iter().map(|entry| entry.instance_id.clone());
    let vpcs = uses.virtual_ips.iter().map(|(_, own)| own.vpc_id.clone());
    let allocations = uses.elastic_ips.iter().map(|(_, own)| own.allocation_id.clone());
    let hosted_zones = uses.records.iter().map(|(_, own)| own.hosted_zone_id.clone());
    let zones = uses.zones.iter().flat_map(|(_, own)| &own.per_server);
    let zones: BTreeSet<String> = zones.map(|entry| entry.zone.clone()).collect();
    let (source, identity, endpoints, vpcs, interfaces, allocations, hosted_zones, records) = tokio::join!(
        session.credentials_source(),
        session.identity(asker.call()),
        endpoints(&asker, uses),
        asker.each(vpcs, |a, id| async move { a.session.vpc_blocks(a.call(), &id).await }.boxed()),
        asker.each(interfaces, |a, id| {
            async move { a.session.interface(a.call(), &id).await }.boxed()
        }),
        asker.each(allocations, |a, id| {
            async move { a.session.allocation(a.call(), &id).await }.boxed()
        }),
        asker.each(hosted_zones, |a, id| {
            async move { a.session.hosted_zone(a.call(), &id).await }.boxed()
        }),
        records(&asker, uses),
    );
    let (zones, instances, protected) = tokio::join!(
        asker.each(zones, |a, zone| async move { a.session.zone(a.call(), &zone).await }.boxed()),
        asker.each(instances(), |a, id| async move { a.session.instance(a.call(), &id).await }
            .boxed()),
        asker.each(instances(), |a, id| {
            async move { a.session.is_stop_protected(a.call(), &id).await }.boxed()
        }),
    );
    let mut facts = Facts {
        kinds: uses.kinds(),
        region: session.region(),
        source,
        identity,
        endpoints,
        vpcs,
        vpc_dns: BTreeMap::new(),
        tables: BTreeMap::new(),
        interfaces,
        allocations,
        hosted_zones,
        records,
        zones,
        instances,
        protected,
        permits: Vec::new(),
    };
    depending(&asker, uses, &mut facts).await;
    facts
}

async fn endpoints(asker: &Asker<'_>, uses: &Uses) -> Vec<Asked> {
    let mut asked = vec![asker.endpoint(Endpoint::Ec2, "").boxed()];
    if let Some((_, own)) = uses.records.first() {
        asked.push(asker.endpoint(Endpoint::Route53, &own.hosted_zone_id).boxed());
    }
    futures_util::future::join_all(asked).await
}

/// The record of each resource.
async fn records(asker: &Asker<'_>, uses: &Uses) -> Answers<Option<crate::cloud::aws::Record>> {
    let asked = uses.records.iter().map(|(name, own)| async move {
        let address = own.per_server.first().map(|entry| entry.address).or(own.address)?;
        let (zone, record) = (&own.hosted_zone_id, &own.record_name);
        let answer = asker.session.record(asker.call(), zone, record, address).await;
        (asker.settings.answered)();
        Some((name.clone(), answer))
    });
    let answers = futures_util::future::join_all(asked).await;
    answers.into_iter().flatten().collect()
}

/// What can be asked only when other answers are known.
async fn depending(asker: &Asker<'_>, uses: &Uses, facts: &mut Facts) {
    let named = uses.virtual_ips.iter().map(|(_, own)| own.vpc_id.clone());
    let public = uses.elastic_ips.iter().flat_map(|(_, own)| &own.per_server);
    let public = public.filter_map(|entry| known(&facts.interfaces, &entry.eni_id));
    let tables: BTreeSet<String> = named.chain(public.map(|found| found.vpc.clone())).collect();
    let private = facts.hosted_zones.values().flatten().any(|zone| zone.private);
    let resolving: BTreeSet<String> =
        facts.vpcs_of_servers().into_iter().filter(|_| private).map(str::to_owned).collect();
    let (tables, vpc_dns) = tokio::join!(
        asker.each(tables, |a, id| {
            async move { a.session.route_tables(a.call(), &id).await }.boxed()
        }),
        asker
            .each(resolving, |a, id| async move { a.session.vpc_dns(a.call(), &id).await }.boxed()),
    );
    facts.tables = tables;
    facts.vpc_dns = vpc_dns;
    if asker.settings.wants(&[Check::Permissions]) {
        facts.permits = permits(asker, uses, facts).await;
    }
}

/// Dry runs of every change that can be asked for so.
async fn permits(asker: &Asker<'_>, uses: &Uses, facts: &Facts) -> Vec<Permit> {
    let session = asker.session;
    let mut asked: Vec<BoxFuture<'_, Permit>> = Vec::new();
    for (_, own) in &uses.virtual_ips {
        let tables = known(&facts.tables, &own.vpc_id).into_iter().flatten();
        for (table, present) in tables.filter_map(|table| present(table, own.address)) {
            let address = own.address;
            let answer = async move {
                session.may_replace_route(asker.call(), table, address, present).await
            };
            let answer = answer.boxed();
            asked.push(asker.permit("ec2:ReplaceRoute", table.to_owned(), answer).boxed());
        }
    }
    for (_, own) in &uses.elastic_ips {
        for entry in &own.per_server {
            let id = &own.allocation_id;
            let answer =
                async move { session.may_associate(asker.call(), id, &entry.eni_id).await }.boxed();
            let object = format!("{id} with {}", entry.eni_id);
            asked.push(asker.permit("ec2:AssociateAddress", object, answer).boxed());
        }
        let found = known(&facts.allocations, &own.allocation_id);
        if let Some((association, _)) = found.and_then(|found| found.association.as_ref()) {
            let answer =
                async move { session.may_disassociate(asker.call(), association).await }.boxed();
            let object = own.allocation_id.clone();
            asked.push(asker.permit("ec2:DisassociateAddress", object, answer).boxed());
        }
    }
    for (_, own) in uses.records.iter().filter(|(_, own)| own.delete_on_stop) {
        let answer = async move {
            let (zone, name) = (&own.hosted_zone_id, &own.record_name);
            session.may_remove_record(asker.call(), zone, name, own.is_ipv6()).await
        };
        let object = format!("{} in {}", own.record_name, own.hosted_zone_id);
        let answer = answer.boxed();
        asked.push(asker.permit("route53:ChangeResourceRecordSets", object, answer).boxed());
    }
    for entry in &uses.instances {
        let id = &entry.instance_id;
        let answer = async move { session.may_stop_instance(asker.call(), id).await }.boxed();
        asked.push(asker.permit("ec2:StopInstances", id.clone(), answer).boxed());
        if uses.switch_on {
            let answer = async move { session.may_start_instance(asker.call(), id).await }.boxed();
            asked.push(asker.permit("ec2:StartInstances", id.clone(), answer).boxed());
        }
    }
    stream::iter(asked).buffer_unordered(IN_FLIGHT_MAX).collect().await
}

/// A table with the network interface that it leads an address to.
fn present(table: &RouteTable, address: IpAddr) -> Option<(&str, &str)> {
    let entry = table.entry(&host_block(address))?;
    entry.target.starts_with("eni-").then_some((table.id.as_str(), entry.target.as_str()))
}

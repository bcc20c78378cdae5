//! What is asked of Route 53, in our own words.

use std::net::IpAddr;

use aws_sdk_route53::types::{
    Change, ChangeAction, ChangeBatch, ResourceRecord, ResourceRecordSet, RrType,
};

use super::error::{AwsError, Cause, classify};
use super::{Call, Session};

/// A record of a hosted zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its values.
    pub values: Vec<String>,
    /// For how many seconds resolvers may keep it.
    pub ttl: i64,
}

impl Record {
    /// Whether it holds this address and no other.
    #[must_use]
    pub fn holds(&self, address: IpAddr) -> bool {
        matches!(self.values.as_slice(), [only] if only.parse() == Ok(address))
    }
}

fn type_of(address: IpAddr) -> RrType {
    if address.is_ipv4() { RrType::A } else { RrType::Aaaa }
}

impl Session {
    /// The record of a name for addresses of this one's family, where there is one.
    ///
    /// # Errors
    /// As every call.
    pub async fn record(
        &self,
        by: Call<'_>,
        zone: &str,
        name: &str,
        address: IpAddr,
    ) -> Result<Option<Record>, AwsError> {
        const NAME: &str = "route53:ListResourceRecordSets";
        let wanted = type_of(address);
        let output = by
            .make(NAME, || async {
                let request = self.clients.route53.list_resource_record_sets();
                let request = request.hosted_zone_id(zone).start_record_name(name);
                let sent = request.start_record_type(wanted.clone()).max_items(1).send().await;
                sent.map_err(|error| classify(NAME, error))
            })
            .await?;
        // The list begins at this name, or at the next one where there is none of it.
        let found = output.resource_record_sets().first();
        let found = found.filter(|set| set.name() == name && *set.r#type() == wanted);
        Ok(found.map(|set| Record {
            values: set.resource_records().iter().map(|record| record.value().to_owned()).collect(),
            ttl: set.ttl().unwrap_or_default(),
        }))
    }

    /// Makes the record, or makes it anew.
    ///
    /// # Errors
    /// As every call.
    pub async fn set_record(
        &self,
        by: Call<'_>,
        zone: &str,
        name: &str,
        address: IpAddr,
        ttl: u32,
    ) -> Result<(), AwsError> {
        let batch = batch(ChangeAction::Upsert, name, address, i64::from(ttl))?;
        self.change_records(by, zone, batch).await
    }

    /// Removes the record, where it holds exactly this.
    ///
    /// # Errors
    /// As every call.
    pub async fn remove_record(
        &self,
        by: Call<'_>,
        zone: &str,
        name: &str,
        address: IpAddr,
        ttl: i64,
    ) -> Result<(), AwsError> {
        let batch = batch(ChangeAction::Delete, name, address, ttl)?;
        self.change_records(by, zone, batch).await
    }

    async fn change_records(
        &self,
        by: Call<'_>,
        zone: &str,
        batch: ChangeBatch,
    ) -> Result<(), AwsError> {
        by.make(CHANGE, || async {
            let request = self.clients.route53.change_resource_record_sets();
            let sent = request.hosted_zone_id(zone).change_batch(batch.clone()).send().await;
            sent.map(|_| ()).map_err(|error| classify(CHANGE, error))
        })
        .await
    }
}

const CHANGE: &str = "route53:ChangeResourceRecordSets";

fn batch(
    action: ChangeAction,
    name: &str,
    address: IpAddr,
    ttl: i64,
) -> Result<ChangeBatch, AwsError> {
    let built = || {
        let record = ResourceRecord::builder().value(address.to_string()).build()?;
        let set = ResourceRecordSet::builder()
            .name(name)
            .r#type(type_of(address))
            .ttl(ttl)
            .resource_records(record)
            .build()?;
        let change = Change::builder().action(action).resource_record_set(set).build()?;
        ChangeBatch::builder().changes(change).build()
    };
    built().map_err(|error| AwsError::new(Cause::Refused, CHANGE, error.to_string()))
}

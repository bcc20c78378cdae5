//! What only the doctor asks: who we are, how endpoints and clocks do, how a VPC is wired, and
//! whether a change would be permitted. Nothing here changes anything: changes are asked for as dry
//! runs. A route is asked for as it is, for not every implementation of the API knows dry runs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_ec2::types::VpcAttributeName;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::DateTime;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::date_time::Format;

use super::ec2::{dry_run, entry, filter};
use super::error::{AwsError, Cause, classify};
use super::{Call, RouteEntry, Session, host_block};

/// Addresses of documentation (RFC 5737, RFC 3849), with which nobody has a record.
const NOBODY_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const NOBODY_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));
/// The longest time that there is.
const NOBODY_TTL: i64 = 2_147_483_647;

/// Whose the credentials are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Number of the account.
    pub account: String,
    /// Name of the user or role.
    pub arn: String,
}

/// What is asked whether it can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Endpoint {
    /// EC2 of the region.
    Ec2,
    /// Route 53, with a hosted zone to ask for.
    Route53,
}

/// An endpoint that answered, in whatever way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Seconds since 1970 that its clock showed; it says no more exactly.
    pub date: Option<i64>,
}

/// A route table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteTable {
    /// Its id.
    pub id: String,
    /// Its name, where it has one.
    pub name: Option<String>,
    /// Whether it is that of subnets without one of their own.
    pub main: bool,
    /// Subnets that it is given to.
    pub subnets: Vec<String>,
    /// Destinations, as blocks, with their entries.
    pub routes: Vec<(String, RouteEntry)>,
}

impl RouteTable {
    /// The entry for one block.
    #[must_use]
    pub fn entry(&self, block: &str) -> Option<&RouteEntry> {
        self.routes.iter().find(|(of, _)| of == block).map(|(_, entry)| entry)
    }

    /// Id and name, as people know it.
    #[must_use]
    pub fn words(&self) -> String {
        match &self.name {
            Some(name) => format!("{} ({name})", self.id),
            None => self.id.clone(),
        }
    }
}

/// A hosted zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostedZone {
    /// Its name, with a dot at its end.
    pub name: String,
    /// Whether only VPCs see it.
    pub private: bool,
    /// VPCs that do.
    pub vpcs: Vec<String>,
}

/// Takes the date from an answer.
#[derive(Clone, Debug, Default)]
struct DateTaken(Arc<Mutex<Option<i64>>>);

impl DateTaken {
    fn date(&self) -> Option<i64> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Intercept for DateTaken {
    fn name(&self) -> &'static str {
        "DateTaken"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _settings: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let date = date.and_then(|date| DateTime::from_str(date, Format::HttpDate).ok());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = date.map(|date| date.secs());
        Ok(())
    }
}

impl Session {
    /// The region that EC2 is asked in.
    #[must_use]
    pub fn region(&self) -> String {
        self.clients.ec2.config().region().map(ToString::to_string).unwrap_or_default()
    }

    /// Where the credentials come from.
    ///
    /// # Errors
    /// Where there are none, or the first that has any can't give them.
    pub async fn credentials_source(&self) -> Result<&'static str, AwsError> {
        const NAME: &str = "credentials";
        for (name, source) in &self.clients.sources {
            match source.provide_credentials().await {
                Ok(_) => return Ok(name),
                Err(CredentialsError::CredentialsNotLoaded(_)) => {}
                Err(error) => {
                    let wrong = matches!(error, CredentialsError::InvalidConfiguration(_));
                    let cause = if wrong { Cause::CredentialsRefused } else { Cause::MetadataSlow };
                    let words = std::error::Error::source(&error).map(ToString::to_string);
                    let detail = format!("{name}: {error} ({})", words.unwrap_or_default());
                    return Err(self.explain(AwsError::new(cause, NAME, detail)).await);
                }
            }
        }
        let detail = "neither environment, profile nor instance metadata have any";
        Err(self.explain(AwsError::new(Cause::NoCredentials, NAME, detail)).await)
    }

    /// Whose the credentials are. Needs no permission.
    ///
    /// # Errors
    /// As every call.
    pub async fn identity(&self, by: Call<'_>) -> Result<Identity, AwsError> {
        const NAME: &str = "sts:GetCallerIdentity";
        let output = by
            .make(NAME, || async {
                let sent = self.clients.sts.get_caller_identity().send().await;
                sent.map_err(|error| classify(NAME, error))
            })
            .await?;
        Ok(Identity {
            account: output.account().unwrap_or_default().to_owned(),
            arn: output.arn().unwrap_or_default().to_owned(),
        })
    }

    /// Whether an endpoint answers, whatever it says.
    ///
    /// # Errors
    /// Where it does not.
    pub async fn reach(
        &self,
        by: Call<'_>,
        endpoint: Endpoint,
        zone: &str,
    ) -> Result<Reached, AwsError> {
        let taken = DateTaken::default();
        let asked = match endpoint {
            Endpoint::Ec2 => {
                const NAME: &str = "ec2:DescribeAvailabilityZones";
                by.make(NAME, || async {
                    let request = self.clients.ec2.describe_availability_zones().dry_run(true);
                    let sent = request.customize().interceptor(taken.clone()).send().await;
                    sent.map(|_| ()).map_err(|error| classify(NAME, error))
                })
                .await
            }
            Endpoint::Route53 => {
                const NAME: &str = "route53:ListResourceRecordSets";
                by.make(NAME, || async {
                    let request = self.clients.route53.list_resource_record_sets();
                    let request = request.hosted_zone_id(zone).max_items(1);
                    let sent = request.customize().interceptor(taken.clone()).send().await;
                    sent.map(|_| ()).map_err(|error| classify(NAME, error))
                })
                .await
            }
        };
        match asked {
            Err(error) if !has_answered(error.cause) => Err(error),
            Err(_) | Ok(()) => Ok(Reached { date: taken.date() }),
        }
    }

    /// Every route table of a VPC.
    ///
    /// # Errors
    /// As every call.
    pub async fn route_tables(&self, by: Call<'_>, vpc: &str) -> Result<Vec<RouteTable>, AwsError> {
        const NAME: &str = "ec2:DescribeRouteTables";
        let tables = by
            .make(NAME, || async {
                let request = self.clients.ec2.describe_route_tables();
                let pages = request.filters(filter("vpc-id", vpc)).into_paginator().items().send();
                pages.collect::<Result<Vec<_>, _>>().await.map_err(|error| classify(NAME, error))
            })
            .await?;
        let tables = tables.iter().map(|table| {
            let id = table.route_table_id().unwrap_or_default();
            let associations = table.associations();
            let name = table.tags().iter().find(|tag| tag.key() == Some("Name"));
            let routes = table.routes().iter().filter_map(|route| {
                let four = route.destination_cidr_block();
                let block = four.or(route.destination_ipv6_cidr_block())?;
                Some((block.to_owned(), entry(id, route)))
            });
            let subnets = associations.iter().filter_map(|association| association.subnet_id());
            RouteTable {
                id: id.to_owned(),
                name: name.and_then(|tag| tag.value()).map(str::to_owned),
                main: associations.iter().any(|association| association.main() == Some(true)),
                subnets: subnets.map(str::to_owned).collect(),
                routes: routes.collect(),
            }
        });
        let mut tables: Vec<RouteTable> = tables.collect();
        tables.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(tables)
    }

    /// Whether a VPC has a resolver (`enableDnsSupport`), and names for its addresses
    /// (`enableDnsHostnames`). Private zones need both.
    ///
    /// # Errors
    /// As every call.
    pub async fn vpc_dns(&self, by: Call<'_>, vpc: &str) -> Result<(bool, bool), AwsError> {
        const NAME: &str = "ec2:DescribeVpcAttribute";
        let ask = |attribute: VpcAttributeName| async move {
            let attribute = &attribute;
            by.make(NAME, || async move {
                let request = self.clients.ec2.describe_vpc_attribute().vpc_id(vpc);
                let sent = request.attribute(attribute.clone()).send().await;
                sent.map_err(|error| classify(NAME, error))
            })
            .await
        };
        let support = ask(VpcAttributeName::EnableDnsSupport).await?;
        let names = ask(VpcAttributeName::EnableDnsHostnames).await?;
        let support = support.enable_dns_support().and_then(|attribute| attribute.value());
        let names = names.enable_dns_hostnames().and_then(|attribute| attribute.value());
        Ok((support.unwrap_or(false), names.unwrap_or(false)))
    }

    /// A hosted zone.
    ///
    /// # Errors
    /// As every call.
    pub async fn hosted_zone(&self, by: Call<'_>, id: &str) -> Result<HostedZone, AwsError> {
        const NAME: &str = "route53:GetHostedZone";
        let output = by
            .make(NAME, || async {
                let sent = self.clients.route53.get_hosted_zone().id(id).send().await;
                sent.map_err(|error| classify(NAME, error))
            })
            .await?;
        let Some(zone) = output.hosted_zone() else {
            return Err(AwsError::new(Cause::HostedZoneMissing, NAME, format!("there is no {id}")));
        };
        let vpcs = output.vpcs().iter().filter_map(|vpc| vpc.vpc_id());
        Ok(HostedZone {
            name: zone.name().to_owned(),
            private: zone.config().is_some_and(|config| config.private_zone()),
            vpcs: vpcs.map(str::to_owned).collect(),
        })
    }

    /// Whether the entry of a table may be changed: asked with the network interface that it points
    /// to.
    ///
    /// # Errors
    /// Why not; or as every call.
    pub async fn may_replace_route(
        &self,
        by: Call<'_>,
        table: &str,
        address: IpAddr,
        present: &str,
    ) -> Result<(), AwsError> {
        const NAME: &str = "ec2:ReplaceRoute";
        let block = host_block(address);
        let asked = by
            .make(NAME, || async {
                let request = self.clients.ec2.replace_route().route_table_id(table);
                let request = match address {
                    IpAddr::V4(_) => request.destination_cidr_block(&block),
                    IpAddr::V6(_) => request.destination_ipv6_cidr_block(&block),
                };
                let sent = request.network_interface_id(present).dry_run(true).send().await;
                sent.map(|_| ()).map_err(|error| classify(NAME, error))
            })
            .await;
        dry_run(NAME, asked)
    }

    /// Whether an Elastic IP address may be taken for a network interface.
    ///
    /// # Errors
    /// Why not; or as every call.
    pub async fn may_associate(&self, by: Call<'_>, id: &str, eni: &str) -> Result<(), AwsError> {
        const NAME: &str = "ec2:AssociateAddress";
        let asked = by
            .make(NAME, || async {
                let request = self.clients.ec2.associate_address().allocation_id(id);
                let request = request.network_interface_id(eni).allow_reassociation(true);
                let sent = request.dry_run(true).send().await;
                sent.map(|_| ()).map_err(|error| classify(NAME, error))
            })
            .await;
        dry_run(NAME, asked)
    }

    /// Whether an association may be ended.
    ///
    /// # Errors
    /// Why not; or as every call.
    pub async fn may_disassociate(&self, by: Call<'_>, association: &str) -> Result<(), AwsError> {
        const NAME: &str = "ec2:DisassociateAddress";
        let asked = by
            .make(NAME, || async {
                let request = self.clients.ec2.disassociate_address();
                let sent = request.association_id(association).dry_run(true).send().await;
                sent.map(|_| ()).map_err(|error| classify(NAME, error))
            })
            .await;
        dry_run(NAME, asked)
    }

    /// Whether records may be removed: asked for one that is not there, which is refused in any case.
    /// Route 53 has no dry runs.
    ///
    /// # Errors
    /// Why not; or as every call.
    pub async fn may_remove_record(
        &self,
        by: Call<'_>,
        zone: &str,
        name: &str,
        is_ipv6: bool,
    ) -> Result<(), AwsError> {
        let address = if is_ipv6 { NOBODY_V6 } else { NOBODY_V4 };
        match self.remove_record(by, zone, name, address, NOBODY_TTL).await {
            Err(error) if error.cause == Cause::Refused => Ok(()),
            asked => asked,
        }
    }

    /// Whether an instance may be started.
    ///
    /// # Errors
    /// Why not; or as every call.
    pub async fn may_start_instance(&self, by: Call<'_>, id: &str) -> Result<(), AwsError> {
        const NAME: &str = "ec2:StartInstances";
        let asked = by
            .make(NAME, || async {
                let request = self.clients.ec2.start_instances().instance_ids(id);
                let sent = request.dry_run(true).send().await;
                sent.map(|_| ()).map_err(|error| classify(NAME, error))
            })
            .await;
        dry_run(NAME, asked)
    }
}

/// Whether an error is an answer of the endpoint.
fn has_answered(cause: Cause) -> bool {
    !matches!(
        cause,
        Cause::NoCredentials
            | Cause::RoleMissing
            | Cause::MetadataSlow
            | Cause::NoRegion
            | Cause::Unreachable
            | Cause::NoAnswer
            | Cause::NoLease
    )
}

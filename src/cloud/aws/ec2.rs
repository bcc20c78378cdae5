//! What is asked of EC2, in our own words.

use std::net::IpAddr;

use aws_sdk_ec2::types::{Filter, InstanceAttributeName, InstanceStateName, Route, RouteState};

use super::error::{AwsError, Cause, classify};
use super::{Call, Session};

/// The entry of one route table for an address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RouteEntry {
    /// The table.
    pub table: String,
    /// What it points to: the id of a network interface, or of something else.
    pub target: String,
    /// Whether packets get there; else what the API calls it.
    pub state: RouteHealth,
}

/// Whether a route works.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RouteHealth {
    /// It does.
    Active,
    /// It does not: its target is gone or off.
    Broken(String),
}

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its VPC.
    pub vpc: String,
    /// Whether it takes only packets for its own addresses.
    pub source_dest_check: bool,
    /// Its private addresses.
    pub addresses: Vec<IpAddr>,
    /// The one of them that stays as long as the interface is there.
    pub primary: Option<IpAddr>,
    /// Its subnet.
    pub subnet: String,
    /// Its Availability Zone.
    pub zone: String,
    /// The instance that it is attached to.
    pub instance: Option<String>,
    /// Its public addresses.
    pub public: Vec<String>,
}

/// An instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// As the API names it.
    pub state: InstanceStateName,
    /// Its Availability Zone.
    pub zone: String,
    /// Its VPC.
    pub vpc: String,
}

/// An Elastic IP address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allocation {
    /// The address itself.
    pub public: String,
    /// The association and its network interface, where it has one.
    pub association: Option<(String, String)>,
}

/// A state of an Availability Zone, and what AWS says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneState {
    /// As the API names it.
    pub state: String,
    /// Messages.
    pub messages: Vec<String>,
}

pub(super) fn filter(name: &str, value: impl Into<String>) -> Filter {
    Filter::builder().name(name).values(value).build()
}

/// The answer to a dry run: that it would have succeeded is an error of the API.
pub(super) fn dry_run(name: &'static str, asked: Result<(), AwsError>) -> Result<(), AwsError> {
    match asked {
        Err(error) if error.detail.starts_with(DRY_RUN) => Ok(()),
        Err(error) => Err(error),
        Ok(()) => Err(AwsError::new(Cause::Refused, name, CARRIED_OUT)),
    }
}

/// Code of the answer to a dry run that would have succeeded.
const DRY_RUN: &str = "DryRunOperation";
/// What is said of one that was no dry run.
pub const CARRIED_OUT: &str = "a dry run was carried out";

/// The form of an address in route tables.
#[must_use]
pub fn host_block(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => format!("{address}/32"),
        IpAddr::V6(address) => format!("{address}/128"),
    }
}

impl Session {
    /// Blocks of addresses that a VPC has.
    ///
    /// # Errors
    /// As every call.
    pub async fn vpc_blocks(&self, by: Call<'_>, vpc: &str) -> Result<Vec<String>, AwsError> {
        const NAME: &str = "ec2:DescribeVpcs";
        let output = by
            .make(NAME, || async {
                let request = self.clients.ec2.describe_vpcs().vpc_ids(vpc);
                request.send().await.map_err(|error| classify(NAME, error))
            })
            .await?;
        let Some(found) = output.vpcs().first() else {
            return Err(AwsError::new(Cause::VpcMissing, NAME, format!("there is no {vpc}")));
        };
        let wide = found.cidr_block_association_set().iter().filter_map(|set| set.cidr_block());
        let six = found.ipv6_cidr_block_association_set().iter();
        let six = six.filter_map(|set| set.ipv6_cidr_block());
        let all = found.cidr_block().into_iter().chain(wide).chain(six);
        Ok(all.map(str::to_owned).collect())
    }

    /// A network interface.
    ///
    /// # Errors
    /// As every call.
    pub async fn interface(&self, by: Call<'_>, eni: &str) -> Result<Interface, AwsError> {
        const NAME: &str = "ec2:DescribeNetworkInterfaces";
        let output = by
            .make(NAME, || async {
                let request = self.clients.ec2.describe_network_interfaces();
                let sent = request.network_interface_ids(eni).send().await;
                sent.map_err(|error| classify(NAME, error))
            })
            .await?;
        let Some(found) = output.network_interfaces().first() else {
            return Err(AwsError::new(Cause::InterfaceMissing, NAME, format!("there is no {eni}")));
        };
        let addresses = found.private_ip_addresses().iter();
        let addresses = addresses.filter_map(|entry| entry.private_ip_address());
        let six = found.ipv6_addresses().iter().filter_map(|entry| entry.ipv6_address());
        let text = |found: Option<&str>| found.unwrap_or_default().to_owned();
        let public = found.private_ip_addresses().iter().filter_map(|entry| entry.association());
        let public = public.chain(found.association()).filter_map(|entry| entry.public_ip());
        let mut public: Vec<String> = public.map(str::to_owned).collect();
        public.sort();
        public.dedup();
        let instance = found.attachment().and_then(|attachment| attachment.instance_id());
        Ok(Interface {
            vpc: found.vpc_id().unwrap_or_default().to_owned(),
            source_dest_check: found.source_dest_check().unwrap_or(true),
            addresses: addresses.chain(six).filter_map(|text| text.parse().ok()).collect(),
            primary: found.private_ip_address().and_then(|text| text.parse().ok()),
            subnet: text(found.subnet_id()),
            zone: text(found.availability_zone()),
            instance: instance.map(str::to_owned),
            public,
        })
    }

    /// Entries for an address in all route tables of a VPC.
    ///
    /// # Errors
    /// As every call.
    pub async fn routes(
        &self,
        by: Call<'_>,
        vpc: &str,
        address: IpAddr,
    ) -> Result<Vec<RouteEntry>, AwsError> {
        const NAME: &str = "ec2:DescribeRouteTables";
        let block = host_block(address);
        let key = match address {
            IpAddr::V4(_) => "route.destination-cidr-block",
            IpAddr::V6(_) => "route.destination-ipv6-cidr-block",
        };
        let tables = by
            .make(NAME, || async {
                let request = self.clients.ec2.describe_route_tables();
                let request = request.filters(filter("vpc-id", vpc)).filters(filter(key, &block));
                let pages = request.into_paginator().items().send();
                pages.collect::<Result<Vec<_>, _>>().await.map_err(|error| classify(NAME, error))
            })
            .await?;
        let mut entries: Vec<RouteEntry> = tables
            .iter()
            .filter_map(|table| {
                let route = table.routes().iter().find(|route| is_for(route, &block))?;
                Some(entry(table.route_table_id().unwrap_or_default(), route))
            })
            .collect();
        entries.sort();
        Ok(entries)
    }

    /// Makes the entry of one table point to a network interface.
    ///
    /// # Errors
    /// As every call.
    pub async fn replace_route(
        &self,
        by: Call<'_>,
        table: &str,
        address: IpAddr,
        eni: &str,
    ) -> Result<(), AwsError> {
        const NAME: &str = "ec2:ReplaceRoute";
        let block = host_block(address);
        by.make(NAME, || async {
            let request = self.clients.ec2.replace_route().route_table_id(table);
            let request = match address {
                IpAddr::V4(_) => request.destination_cidr_block(&block),
                IpAddr::V6(_) => request.destination_ipv6_cidr_block(&block),
            };
            let sent = request.network_interface_id(eni).send().await;
            sent.map(|_| ()).map_err(|error| classify(NAME, error))
        })
        .await
    }

    /// An Elastic IP address.
    ///
    /// # Errors
    /// As every call.
    pub async fn allocation(&self, by: Call<'_>, id: &str) -> Result<Allocation, AwsError> {
        const NAME: &str = "ec2:DescribeAddresses";
        let output = by
            .make(NAME, || async {
                let request = self.clients.ec2.describe_addresses().allocation_ids(id);
                request.send().await.map_err(|error| classify(NAME, error))
            })
            .await?;
        let Some(found) = output.addresses().first() else {
            return Err(AwsError::new(Cause::AllocationMissing, NAME, format!("there is no {id}")));
        };
        let association = found.association_id().filter(|id| !id.is_empty());
        let eni = found.network_interface_id().unwrap_or_default();
        Ok(Allocation {
            public: found.public_ip().unwrap_or_default().to_owned(),
            association: association.map(|id| (id.to_owned(), eni.to_owned())),
        })
    }

    /// Takes an Elastic IP address for a network interface, from whoever has it.
    ///
    /// # Errors
    /// As every call.
    pub async fn associate(&self, by: Call<'_>, id: &str, eni: &str) -> Result<(), AwsError> {
        const NAME: &str = "ec2:AssociateAddress";
        by.make(NAME, || async {
            let request = self.clients.ec2.associate_address().allocation_id(id);
            let request = request.network_interface_id(eni).allow_reassociation(true);
            request.send().await.map(|_| ()).map_err(|error| classify(NAME, error))
        })
        .await
    }

    /// Ends an association. Each has an id of its own: one that was made since stays.
    ///
    /// # Errors
    /// As every call.
    pub async fn disassociate(&self, by: Call<'_>, association: &str) -> Result<(), AwsError> {
        const NAME: &str = "ec2:DisassociateAddress";
        let ended = by
            .make(NAME, || async {
                let request = self.clients.ec2.disassociate_address().association_id(association);
                request.send().await.map(|_| ()).map_err(|error| classify(NAME, error))
            })
            .await;
        match ended {
            Err(error) if error.detail.starts_with("InvalidAssociationID.NotFound") => Ok(()),
            ended => ended,
        }
    }

    /// Assigns a private address to a network interface, from whichever has it.
    ///
    /// # Errors
    /// As every call.
    pub async fn assign(&self, by: Call<'_>, eni: &str, address: IpAddr) -> Result<(), AwsError> {
        match address {
            IpAddr::V4(_) => {
                const NAME: &str = "ec2:AssignPrivateIpAddresses";
                by.make(NAME, || async {
                    let request = self.clients.ec2.assign_private_ip_addresses();
                    let request = request.network_interface_id(eni).allow_reassignment(true);
                    let sent = request.private_ip_addresses(address.to_string()).send().await;
                    sent.map(|_| ()).map_err(|error| classify(NAME, error))
                })
                .await
            }
            IpAddr::V6(_) => {
                const NAME: &str = "ec2:AssignIpv6Addresses";
                by.make(NAME, || async {
                    let request = self.clients.ec2.assign_ipv6_addresses();
                    let request = request.network_interface_id(eni);
                    let sent = request.ipv6_addresses(address.to_string()).send().await;
                    sent.map(|_| ()).map_err(|error| classify(NAME, error))
                })
                .await
            }
        }
    }

    /// What AWS says of an Availability Zone.
    ///
    /// # Errors
    /// As every call.
    pub async fn zone(&self, by: Call<'_>, zone: &str) -> Result<ZoneState, AwsError> {
        const NAME: &str = "ec2:DescribeAvailabilityZones";
        let output = by
            .make(NAME, || async {
                let request = self.clients.ec2.describe_availability_zones().zone_names(zone);
                request.send().await.map_err(|error| classify(NAME, error))
            })
            .await?;
        let named = output.availability_zones().iter().find(|z| z.zone_name() == Some(zone));
        let Some(found) = named else {
            let detail = format!("Invalid availability zone: [{zone}]");
            return Err(AwsError::new(Cause::ZoneMissing, NAME, detail));
        };
        let messages = found.messages().iter().filter_map(|message| message.message());
        Ok(ZoneState {
            state: found.state().map_or_else(String::new, |state| state.as_str().to_owned()),
            messages: messages.map(str::to_owned).collect(),
        })
    }

    /// Stops an instance without waiting for its operating system.
    ///
    /// # Errors
    /// As every call.
    pub async fn stop_instance(&self, by: Call<'_>, id: &str) -> Result<(), AwsError> {
        const NAME: &str = "ec2:StopInstances";
        by.make(NAME, || async {
            let request = self.clients.ec2.stop_instances().instance_ids(id);
            let sent = request.force(true).skip_os_shutdown(true).send().await;
            sent.map(|_| ()).map_err(|error| classify(NAME, error))
        })
        .await
    }

    /// Whether it could be stopped: asked without doing so.
    ///
    /// # Errors
    /// Why it could not; or as every call.
    pub async fn may_stop_instance(&self, by: Call<'_>, id: &str) -> Result<(), AwsError> {
        const NAME: &str = "ec2:StopInstances";
        let asked = by
            .make(NAME, || async {
                let request = self.clients.ec2.stop_instances().instance_ids(id);
                let sent = request.force(true).skip_os_shutdown(true).dry_run(true).send().await;
                sent.map(|_| ()).map_err(|error| classify(NAME, error))
            })
            .await;
        dry_run(NAME, asked)
    }

    /// Whether the instance refuses to be stopped by the API.
    ///
    /// # Errors
    /// As every call.
    pub async fn is_stop_protected(&self, by: Call<'_>, id: &str) -> Result<bool, AwsError> {
        const NAME: &str = "ec2:DescribeInstanceAttribute";
        let output = by
            .make(NAME, || async {
                let request = self.clients.ec2.describe_instance_attribute().instance_id(id);
                let request = request.attribute(InstanceAttributeName::DisableApiStop);
                request.send().await.map_err(|error| classify(NAME, error))
            })
            .await?;
        Ok(output.disable_api_stop().and_then(|attribute| attribute.value()).unwrap_or(false))
    }

    /// Starts an instance.
    ///
    /// # Errors
    /// As every call.
    pub async fn start_instance(&self, by: Call<'_>, id: &str) -> Result<(), AwsError> {
        const NAME: &str = "ec2:StartInstances";
        by.make(NAME, || async {
            let sent = self.clients.ec2.start_instances().instance_ids(id).send().await;
            sent.map(|_| ()).map_err(|error| classify(NAME, error))
        })
        .await
    }

    /// The state of an instance.
    ///
    /// # Errors
    /// As every call.
    pub async fn instance_state(
        &self,
        by: Call<'_>,
        id: &str,
    ) -> Result<InstanceStateName, AwsError> {
        Ok(self.instance(by, id).await?.state)
    }

    /// An instance.
    ///
    /// # Errors
    /// As every call.
    pub async fn instance(&self, by: Call<'_>, id: &str) -> Result<Instance, AwsError> {
        const NAME: &str = "ec2:DescribeInstances";
        let output = by
            .make(NAME, || async {
                let request = self.clients.ec2.describe_instances().instance_ids(id);
                request.send().await.map_err(|error| classify(NAME, error))
            })
            .await?;
        let mut instances = output.reservations().iter().flat_map(|r| r.instances());
        let found = instances.find(|instance| instance.instance_id() == Some(id));
        let state = found.and_then(|instance| instance.state()).and_then(|state| state.name());
        let (Some(found), Some(state)) = (found, state) else {
            let detail = format!("there is no state of {id}");
            return Err(AwsError::new(Cause::InstanceMissing, NAME, detail));
        };
        let zone = found.placement().and_then(|placement| placement.availability_zone());
        Ok(Instance {
            state: state.clone(),
            zone: zone.unwrap_or_default().to_owned(),
            vpc: found.vpc_id().unwrap_or_default().to_owned(),
        })
    }
}

fn is_for(route: &Route, block: &str) -> bool {
    let four = route.destination_cidr_block();
    four == Some(block) || route.destination_ipv6_cidr_block() == Some(block)
}

pub(super) fn entry(table: &str, route: &Route) -> RouteEntry {
    let targets = [
        route.network_interface_id(),
        route.instance_id(),
        route.gateway_id(),
        route.nat_gateway_id(),
        route.transit_gateway_id(),
        route.vpc_peering_connection_id(),
    ];
    let target = targets.into_iter().flatten().find(|id| !id.is_empty()).unwrap_or("nothing");
    let state = match route.state() {
        None | Some(RouteState::Active) => RouteHealth::Active,
        Some(other) => RouteHealth::Broken(other.as_str().to_owned()),
    };
    RouteEntry { table: table.to_owned(), target: target.to_owned(), state }
}

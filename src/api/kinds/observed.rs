//! What drivers read of a resource outside of its server, and what became of comparing it.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Entries of a list that are shown.
pub const OBSERVED_MAX: usize = 64;

/// What the server where the resource is active last read of it outside: in the API of a cloud. One
/// member is there, that of the resource's type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObservedState {
    /// When it was read, RFC 3339.
    pub time: String,
    /// Whether all of it was as the resource needs it.
    pub as_wanted: bool,
    /// Entries of route tables for the address: the first 64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routes: Option<Vec<ObservedRoute>>,
    /// The association of the Elastic IP address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub association: Option<ObservedAssociation>,
    /// The private address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignment: Option<ObservedAssignment>,
    /// The record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<ObservedRecord>,
}

impl ObservedState {
    /// One that was read then, with nothing in it.
    #[must_use]
    pub fn at(time: String, as_wanted: bool) -> Self {
        Self { time, as_wanted, routes: None, association: None, assignment: None, record: None }
    }
}

/// The entry of one route table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObservedRoute {
    /// The table.
    pub table: String,
    /// What it leads to: the id of a network interface, or of something else.
    pub target: String,
    /// `active`; else what the API calls it, as `blackhole`.
    pub state: String,
}

/// What an Elastic IP address is associated with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObservedAssociation {
    /// The address itself.
    pub address: String,
    /// The network interface; none where it is associated with nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eni_id: Option<String>,
}

/// Where a private address is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObservedAssignment {
    /// The address.
    pub address: IpAddr,
    /// The network interface of the server that read it, where it is assigned to that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eni_id: Option<String>,
}

/// What a record holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObservedRecord {
    /// Its name.
    pub name: String,
    /// Its addresses, the first 64; none where there is no such record.
    pub addresses: Vec<String>,
    /// For how many seconds resolvers may keep it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<i64>,
}

//! What the types for AWS share.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::AwsClients;
use crate::api::kinds::{ResourceSpec, ResourceType};

/// The network interface (ENI) that a server is reached through.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AwsPerServer {
    /// The server.
    pub name: String,
    /// Its network interface, as `eni-0123456789abcdef0`.
    #[schemars(length(min = 1, max = 64))]
    pub eni_id: String,
}

/// The network interface of a server.
#[must_use]
pub fn eni_of<'a>(entries: &'a [AwsPerServer], server: &str) -> Option<&'a str> {
    entries.iter().find(|entry| entry.name == server).map(|entry| entry.eni_id.as_str())
}

/// Who can reach a resource, and what else a person should know of it at night (AW-5, AW-14).
#[must_use]
pub fn reach(spec: &ResourceSpec) -> Vec<&'static str> {
    match spec.type_ {
        ResourceType::AwsVirtualIP => {
            let clients = spec.aws_virtual_ip.as_ref().map(|own| own.clients).unwrap_or_default();
            vec![
                match clients {
                    AwsClients::TransitGateway => {
                        "clients in the VPC, and behind a Transit Gateway that routes the address there"
                    }
                    AwsClients::SameVPC | AwsClients::PeeredVPC | AwsClients::Internet => {
                        "clients in the VPC, in subnets whose route table has an entry for the address"
                    }
                },
                "not from the Internet (AwsElasticIP) and not over VPC peering (AwsDNS)",
            ]
        }
        ResourceType::AwsElasticIP => vec!["clients on the Internet"],
        ResourceType::AwsSecondaryIP => {
            vec!["clients in the VPC; the servers are in one subnet, so in one Availability Zone"]
        }
        ResourceType::AwsDNS => {
            let deletes = spec.aws_dns.as_ref().is_none_or(|own| own.delete_on_stop);
            vec![
                "whoever can resolve the name and reach the address; who asked before keeps the \
                 former answer for as long as `ttl`",
                if deletes {
                    "while the group is stopped the name is not found"
                } else {
                    "while the group is stopped the name still leads to the last server \
                     (deleteOnStop: false)"
                },
            ]
        }
        ResourceType::Exec | ResourceType::FloatingIP | ResourceType::ProbePort => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(spec: serde_json::Value) -> String {
        reach(&serde_json::from_value(spec).unwrap()).join("; ")
    }

    #[test]
    fn who_reaches_a_resource_is_said() {
        let vip = |clients: &str| {
            serde_json::json!({
                "group": "g", "type": "AwsVirtualIP",
                "awsVirtualIP": {
                    "address": "10.1.0.20", "vpcId": "vpc-0a1b2c3d", "clients": clients,
                    "perServer": [{"name": "n", "eniId": "eni-0a1b2c3d"}],
                },
            })
        };
        assert!(lines(vip("SameVPC")).contains("not from the Internet"));
        assert!(lines(vip("TransitGateway")).contains("behind a Transit Gateway"));
        let dns = |deletes: bool| {
            serde_json::json!({
                "group": "g", "type": "AwsDNS",
                "awsDNS": {
                    "hostedZoneId": "Z1", "recordName": "a.b.", "address": "10.0.0.1",
                    "deleteOnStop": deletes,
                },
            })
        };
        assert!(lines(dns(true)).contains("is not found"));
        assert!(lines(dns(false)).contains("still leads to the last server"));
        let exec = serde_json::json!({"group": "g", "type": "Exec", "exec": {"command": ["a"]}});
        assert_eq!(lines(exec), "");
    }
}

//! `ProbePort`: where its resource is active, the probe port accepts connections (AZ-4).

use tokio::net::TcpStream;

use super::tcp;
use crate::api::types::ProbePortMonitorSpec;
use crate::drivers::Host;
use crate::engine::input::CheckResult;

/// Checks once; the caller bounds the time.
pub async fn check(host: &Host, spec: &ProbePortMonitorSpec) -> (CheckResult, String) {
    let ports = match host.keeper.ports().await {
        Ok(ports) => ports,
        Err(error) => return (CheckResult::Unknown, error.to_string()),
    };
    let Some(port) = ports.iter().find(|port| port.name == spec.resource) else {
        return (CheckResult::Error, format!("the probe port of {} is closed", spec.resource));
    };
    let mut said = Vec::new();
    for address in &port.addresses {
        let judged = tcp::judge(&address.to_string(), TcpStream::connect(address).await);
        if judged.0 != CheckResult::Normal {
            return judged;
        }
        said.push(judged.1);
    }
    (CheckResult::Normal, said.join(", "))
}

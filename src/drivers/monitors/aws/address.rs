//! Whether an Elastic IP address answers, beside what the API says of it (AW-4).

use std::net::{IpAddr, SocketAddr};

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::{Finding, Look, coded};
use crate::api::types::{AwsAddressCheck, AwsAddressCheckType};
use crate::drivers::arbiters::ping;
use crate::drivers::is_local_shortage;
use crate::engine::input::CheckResult;

/// Tries it in what is left of the check's time; `message` says what the API said.
pub(super) async fn check(
    look: &Look<'_>,
    settings: &AwsAddressCheck,
    address: &str,
    message: &str,
) -> Finding {
    let Ok(target) = address.parse::<IpAddr>() else {
        return (CheckResult::Unknown, format!("{address} is no address that could be tried"));
    };
    let tried = match (settings.type_, &settings.tcp) {
        (AwsAddressCheckType::ICMP, _) => {
            let left = look.until.saturating_duration_since(Instant::now());
            let (_, answered) = ping::ask(target, left).await;
            answered.map(|answered| match answered {
                true => Ok("answers an echo request".to_owned()),
                false => Err(format!("{target} does not answer an echo request")),
            })
        }
        (AwsAddressCheckType::TCP, Some(tcp)) => {
            let place = SocketAddr::new(target, tcp.port);
            match timeout_at(look.until, TcpStream::connect(place)).await {
                Ok(Ok(_)) => Ok(Ok(format!("accepts connections to port {}", tcp.port))),
                Ok(Err(error)) if is_local_shortage(&error) => Err(error),
                Ok(Err(error)) => Ok(Err(format!("{place} does not accept: {error}"))),
                Err(_) => Ok(Err(format!("{place} does not accept in time"))),
            }
        }
        (AwsAddressCheckType::TCP, None) => {
            return (CheckResult::Unknown, "no port to try is set".to_owned());
        }
    };
    match tried {
        Ok(Ok(words)) => (CheckResult::Normal, format!("{message}, and {words}")),
        Ok(Err(words)) => (CheckResult::Error, coded("AwsAddressSilent", &words)),
        Err(error) => (CheckResult::Unknown, format!("failed to try {target}: {error}")),
    }
}

//! `AwsDNS`: the record is there and holds our address, and the name leads to it here (AW-6).

use std::net::IpAddr;
use std::path::Path;

use super::{Finding, Look, coded};
use crate::api::types::{AwsDnsMonitorSpec, AwsDnsSpec};
use crate::cloud::aws::AwsError;
use crate::drivers::observed;
use crate::engine::input::CheckResult;

/// Names that a file gives addresses before any name server is asked.
const HOSTS: &str = "/etc/hosts";

pub(super) async fn check(
    look: &Look<'_>,
    settings: &AwsDnsMonitorSpec,
    own: &AwsDnsSpec,
) -> Result<Finding, AwsError> {
    let Some(address) = own.address_of(look.host.server.as_str()) else {
        return Ok((CheckResult::Unknown, "this server has no address in the record".to_owned()));
    };
    let (zone, name) = (&own.hosted_zone_id, &own.record_name);
    let question = format!("{zone} {name} {}", address.is_ipv6());
    let ask = || async {
        let found = look.session.record(look.read(), zone, name, address).await?;
        look.note(observed::record(found.as_ref(), name, address));
        Ok(found)
    };
    let Some(found) = look.session.kept.records.ask(question, look.every, ask).await? else {
        return Ok(look.changed("AwsRecordMissing", &format!("{name} in {zone}")));
    };
    if !found.holds(address) {
        let message = format!("{name} is {}, not {address}", found.values.join(", "));
        return Ok(look.changed("AwsRecordDiffers", &message));
    }
    if settings.resolve
        && let Some(wrong) = resolve(name.trim_end_matches('.'), address).await
    {
        return Ok(wrong);
    }
    Ok((CheckResult::Normal, format!("{name} is {address}")))
}

/// What is wrong with what this machine's own resolver says of a name.
async fn resolve(name: &str, address: IpAddr) -> Option<Finding> {
    let found: Vec<IpAddr> = match tokio::net::lookup_host((name, 0)).await {
        Ok(found) => found
            .map(|found| found.ip())
            .filter(|found| found.is_ipv6() == address.is_ipv6())
            .collect(),
        Err(error) => {
            let message = format!("{name}: {error}");
            return Some((CheckResult::Error, coded("AwsNameNotResolved", &message)));
        }
    };
    if found.is_empty() {
        return Some((CheckResult::Error, coded("AwsNameNotResolved", name)));
    }
    let others: Vec<String> =
        found.iter().filter(|found| **found != address).map(ToString::to_string).collect();
    if others.is_empty() {
        return None;
    }
    let mut message = format!("{name} is {}, not {address}", others.join(", "));
    if let Some(line) = hosts_entry(Path::new(HOSTS), name) {
        message = format!("{message}; line {line} of {HOSTS} says so");
    }
    Some((CheckResult::Error, coded("AwsNameResolvesElsewhere", &message)))
}

/// The line of a hosts file that names it.
fn hosts_entry(file: &Path, name: &str) -> Option<usize> {
    let text = std::fs::read_to_string(file).ok()?;
    let names = |line: &str| {
        let words = line.split('#').next().unwrap_or_default().split_whitespace().skip(1);
        words.into_iter().any(|word| word.eq_ignore_ascii_case(name))
    };
    text.lines().position(names).map(|at| at + 1)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn an_entry_of_a_hosts_file_is_found_and_a_comment_is_none() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(
            b"127.0.0.1 localhost\n# 10.0.0.1 srv.hz1.local\n10.0.0.2 x srv.hz1.local\n",
        )
        .unwrap();
        assert_eq!(hosts_entry(file.path(), "srv.hz1.local"), Some(3));
        assert_eq!(hosts_entry(file.path(), "other.hz1.local"), None);
    }

    #[tokio::test]
    async fn what_the_resolver_says_is_compared_with_the_address() {
        assert_eq!(resolve("localhost", "127.0.0.1".parse().unwrap()).await, None);
        let (result, message) = resolve("localhost", "10.0.0.1".parse().unwrap()).await.unwrap();
        assert_eq!(result, CheckResult::Error);
        assert!(message.contains("AwsNameResolvesElsewhere"), "{message}");
        assert!(message.contains("of /etc/hosts says so"), "{message}");
        let (_, message) = resolve("no.such.invalid", "10.0.0.1".parse().unwrap()).await.unwrap();
        assert!(message.contains("AwsNameNotResolved"), "{message}");
    }
}

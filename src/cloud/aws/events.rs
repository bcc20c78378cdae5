//! What AWS has announced for this instance, by the instance's metadata.

use aws_config::imds::client::error::ImdsError;
use jiff::Timestamp;
use jiff::fmt::strtime;
use serde::Deserialize;

use super::{AwsError, Cause, Session};
use crate::api::types::AwsInstanceEvent;

const SCHEDULED: &str = "/latest/meta-data/events/maintenance/scheduled";
const SPOT: &str = "/latest/meta-data/spot/instance-action";
/// The longest text of AWS that is quoted.
const DESCRIPTION_MAX: usize = 200;

/// One event that is still to come, or under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// What; none: something that this release does not know.
    pub event: Option<AwsInstanceEvent>,
    /// The earliest time at which it happens; none: AWS says no time that can be read.
    pub at: Option<Timestamp>,
    /// Code, id and words of AWS.
    pub text: String,
}

/// As the instance metadata have it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Scheduled {
    code: String,
    #[serde(default)]
    not_before: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    event_id: String,
    #[serde(default)]
    state: String,
}

#[derive(Debug, Deserialize)]
struct Interruption {
    action: String,
    #[serde(default)]
    time: String,
}

impl Session {
    /// What is announced for this instance.
    ///
    /// # Errors
    /// Where the metadata do not answer, or say what can't be read.
    pub async fn announced(&self) -> Result<Vec<Announced>, AwsError> {
        let mut announced = match self.metadata(SCHEDULED).await? {
            Some(text) => scheduled(&text)?,
            None => Vec::new(),
        };
        if let Some(text) = self.metadata(SPOT).await? {
            announced.push(interruption(&text)?);
        }
        Ok(announced)
    }

    /// What the metadata have at a path; none: nothing.
    async fn metadata(&self, path: &str) -> Result<Option<String>, AwsError> {
        match self.clients.metadata.get(path).await {
            Ok(text) => Ok(Some(text.into())),
            Err(ImdsError::ErrorResponse(answer)) if answer.response().status().as_u16() == 404 => {
                Ok(None)
            }
            Err(error) => {
                let words = super::error::chain(&error);
                Err(AwsError::new(Cause::MetadataSlow, "instance metadata", words))
            }
        }
    }
}

fn unreadable(error: &serde_json::Error) -> AwsError {
    AwsError::new(Cause::Refused, "instance metadata", format!("no list of events: {error}"))
}

fn scheduled(text: &str) -> Result<Vec<Announced>, AwsError> {
    let events: Vec<Scheduled> = serde_json::from_str(text).map_err(|error| unreadable(&error))?;
    let is_open = |event: &Scheduled| {
        let state = event.state.as_str();
        // AWS leaves an event in the list for a while, and says so in one of two places.
        let said = event.description.starts_with("[Completed]")
            || event.description.starts_with("[Canceled]");
        state != "completed" && state != "canceled" && !said
    };
    let announce = |event: Scheduled| {
        let description: String = event.description.chars().take(DESCRIPTION_MAX).collect();
        let text = format!("{} {}: {description}", event.code, event.event_id);
        Announced {
            event: AwsInstanceEvent::by_code(&event.code),
            at: strtime::parse("%d %b %Y %H:%M:%S GMT", &event.not_before)
                .and_then(|parsed| parsed.to_datetime())
                .and_then(|time| time.to_zoned(jiff::tz::TimeZone::UTC))
                .map(|time| time.timestamp())
                .ok(),
            text,
        }
    };
    Ok(events.into_iter().filter(is_open).map(announce).collect())
}

fn interruption(text: &str) -> Result<Announced, AwsError> {
    let found: Interruption = serde_json::from_str(text).map_err(|error| unreadable(&error))?;
    Ok(Announced {
        event: Some(AwsInstanceEvent::SpotInterruption),
        at: found.time.parse().ok(),
        text: format!("the spot instance is interrupted: {}", found.action),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As AWS documents it, with one event that is over by either sign.
    const LIST: &str = r#"[
        {"NotBefore": "21 Jan 2027 09:00:43 GMT", "Code": "system-reboot", "Description": "scheduled reboot",
         "EventId": "instance-event-0d59937288b749b32", "NotAfter": "21 Jan 2027 09:17:23 GMT", "State": "active"},
        {"NotBefore": "29 Jan 2027 09:00:43 GMT", "Code": "instance-stop", "State": "completed"},
        {"NotBefore": "29 Jan 2027 09:00:43 GMT", "Code": "instance-stop", "Description": "[Canceled] x"},
        {"NotBefore": "soon", "Code": "system-levitation", "State": "active"}
    ]"#;

    #[test]
    fn what_is_open_is_read_with_its_time() {
        let found = scheduled(LIST).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].event, Some(AwsInstanceEvent::SystemReboot));
        assert_eq!(found[0].at.unwrap().to_string(), "2027-01-21T09:00:43Z");
        assert!(found[0].text.contains("instance-event-0d59937288b749b32"), "{}", found[0].text);
        assert_eq!((found[1].event, found[1].at), (None, None));
        assert_eq!(scheduled("[]").unwrap(), []);
        assert_eq!(scheduled("<html>").unwrap_err().cause, Cause::Refused);
    }

    #[test]
    fn an_interruption_of_a_spot_instance_is_read() {
        let found = interruption(r#"{"action": "stop", "time": "2027-09-18T08:22:00Z"}"#).unwrap();
        assert_eq!(found.event, Some(AwsInstanceEvent::SpotInterruption));
        assert_eq!(found.at.unwrap().to_string(), "2027-09-18T08:22:00Z");
    }
}

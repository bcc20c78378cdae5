//! What is waited for, in words, and for how long at most: counted down.

use std::time::Duration;

use super::Engine;
use crate::api::names::ServerName;
use crate::engine::membership::lead::Freedom;
use crate::engine::placement::WaitingOn;

impl Engine {
    /// What a group waits for, and for how long at most: counted down.
    pub(super) fn waiting_words(&self, on: &WaitingOn) -> String {
        let now = self.now.instant;
        let words = on.message();
        if *on == WaitingOn::StartupSynchronisation {
            return match self.startup_deadline() {
                Some(until) => format!("{words}, at most {} more", left(until.since(now))),
                None => words,
            };
        }
        let Some(leadership) = self.leadership.as_ref().filter(|_| *on == WaitingOn::Takeover)
        else {
            return words;
        };
        let unfree = leadership.lead.unfree(now, &self.timing());
        let mut longest = Duration::ZERO;
        for freedom in unfree.values() {
            match freedom {
                Freedom::Free => {}
                Freedom::Until(until) => longest = longest.max(until.since(now)),
                Freedom::Never => {
                    return format!("{words}, until it is heard or was certainly stopped");
                }
            }
        }
        if unfree.is_empty() { words } else { format!("{words}, at most {} more", left(longest)) }
    }

    /// Whom a starting cluster waits for, and for how long at most.
    pub(super) fn startup_words(&self) -> Option<String> {
        let view = self.view.as_ref().filter(|_| self.leading())?;
        let until = self.startup_deadline()?;
        let missing: Vec<&str> = self
            .model
            .cluster
            .servers
            .iter()
            .filter(|name| !view.members.contains(name) && !self.known_out(name))
            .map(ServerName::as_str)
            .collect();
        let (missing, left) = (missing.join(", "), left(until.since(self.now.instant)));
        Some(format!(
            "waits for {missing} to start, at most {left} more; stead group start GROUP does not"
        ))
    }
}

/// A time that is left, for people: in steps, so that not every second is news.
fn left(time: Duration) -> String {
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    match seconds {
        0..=60 => format!("{seconds} s"),
        _ => {
            let seconds = seconds.next_multiple_of(10);
            format!("{} min {} s", seconds / 60, seconds % 60)
        }
    }
}

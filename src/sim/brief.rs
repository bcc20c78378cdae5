//! Messages in a few words, for the traces.

use crate::engine::message::Message;

/// What a message says, as far as a reader of a failure wants to know it.
#[must_use]
pub fn brief(message: &Message) -> String {
    match message {
        Message::Heartbeat(heartbeat) => format!(
            "Heartbeat {} hears {:?} view {:?} promised {}",
            heartbeat.path, heartbeat.hears, heartbeat.view, heartbeat.promised
        ),
        Message::StoreAppend(append) => {
            let keys: Vec<_> = append.changes.iter().map(|(key, _)| &key.name).collect();
            format!(
                "StoreAppend {} {} -> {} {keys:?}",
                append.term, append.previous, append.revision
            )
        }
        Message::StoreSnapshot(snapshot) => {
            format!("StoreSnapshot {} {}", snapshot.term, snapshot.revision)
        }
        Message::Report(report) => format!("Report {}", report.version),
        Message::PreVote(_)
        | Message::PreVoteReply(_)
        | Message::Propose(_)
        | Message::Promise(_)
        | Message::Nack(_)
        | Message::Renew(_)
        | Message::Ack(_)
        | Message::StoreAppended(_)
        | Message::StoreFetch(_)
        | Message::Ended(_) => format!("{message:?}"),
    }
}

//! The agent and the keeper of one server.

use super::Severity::{Error, Information};
use super::{Entry, entry};

/// The table.
pub const ENTRIES: &[Entry] = &[
    entry(
        "KeeperLost",
        Error,
        ["the keeper of {server} does not answer", "{server} のキーパーが応答しません"],
        [
            "stead-keeper ended or stands still. Without it no service is started here, and its \
             services end with it.",
            "stead-keeper の終了または停滞です。サービスは起動できず、動作中のものは終了します。",
        ],
        [
            "systemctl status stead-keeper; systemd starts it again by itself.",
            "systemctl status stead-keeper を確認してください。systemd が再起動します。",
        ],
    ),
    entry(
        "KeeperRestored",
        Information,
        ["the keeper of {server} answers again", "{server} のキーパーが応答しました"],
        ["stead-keeper was started again.", "stead-keeper が再起動しました。"],
        ["Nothing.", "対処は不要です。"],
    ),
];

//! The agent and the keeper of one server.

use super::Severity::{Error, Information, Warning};
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
    entry(
        "AgentStarted",
        Information,
        ["the agent of {server} has started", "{server} のエージェントが起動しました"],
        ["Somebody or systemd started it.", "手動または systemd による起動です。"],
        ["Nothing.", "対処は不要です。"],
    ),
    entry(
        "AgentRetired",
        Information,
        [
            "the agent of {server} ended in good order; its services go on",
            "{server} のエージェントが正常に終了しました。サービスは継続します",
        ],
        ["It was stopped to be replaced.", "交代のために停止されました。"],
        [
            "Start its successor within the lease, or its services end.",
            "リース内に後継を起動しないと、サービスは終了します。",
        ],
    ),
    entry(
        "CertificateExpiring",
        Warning,
        [
            "the certificate of {server} expires in {days} days",
            "{server} の証明書はあと {days} 日で失効します",
        ],
        [
            "Certificates last a year. An expired one refuses API clients, never heartbeats.",
            "証明書は 1 年有効です。失効すると API を利用できませんが、ハートビートは続きます。",
        ],
        [
            "Make new files with stead init, and place them in /etc/stead/pki.",
            "stead init で新しいファイルを作り、/etc/stead/pki に配置してください。",
        ],
    ),
];

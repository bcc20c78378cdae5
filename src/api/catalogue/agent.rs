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
        "WatchdogArmed",
        Information,
        [
            "{server} is watched by {identity} ({device}): time-out {timeout}, self-fence \
             {selfFence}",
            "{server} を {identity} ({device}) が監視します: タイムアウト {timeout}、自己停止 \
             {selfFence}",
        ],
        [
            "The keeper opened the machine's watchdog. It resets the machine when the keeper no \
             longer pets it.",
            "キーパーがウォッチドッグを開始しました。キーパーが停滞するとマシンをリセットします。",
        ],
        ["Nothing.", "対処は不要です。"],
    ),
    entry(
        "WatchdogUnavailable",
        Warning,
        [
            "the watchdog of {server} is not armed as the Cluster asks: {message}",
            "{server} のウォッチドッグを設定どおり開始できません: {message}",
        ],
        [
            "The device is missing, in use, or does not take the time-out. With mode Required this \
             server is freed only by release or fencing.",
            "デバイスがない、使用中、またはタイムアウトを設定できません。mode が Required \
             の場合、解放またはフェンシングでのみ引き継げます。",
        ],
        [
            "Load a driver (modprobe softdog), turn off RuntimeWatchdogSec in systemd's \
             system.conf, or set a time-out that the device takes.",
            "ドライバーを読み込む (modprobe softdog)、systemd の RuntimeWatchdogSec \
             を無効にする、またはデバイスが対応するタイムアウトを設定してください。",
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

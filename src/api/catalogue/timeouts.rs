//! Times in a manifest that contradict each other, or cost more than they seem to.

use super::Severity::{Error, Warning};
use super::{Entry, entry};

/// The table.
pub const ENTRIES: &[Entry] = &[
    entry(
        "HeartbeatTimeoutTooShort",
        Error,
        ["{field} is too short for the partition monitors", "{field} が分断監視に対して短すぎます"],
        [
            "The standby would take over before the cut-off server has ended itself: A + B + C must fit.",
            "孤立したサーバーが停止する前に引き継がれます (A + B + C 以上が必要)。",
        ],
        [
            "Raise it to the sum shown, or shorten the monitors' intervals.",
            "示された値まで延ばすか、監視間隔を短くしてください。",
        ],
    ),
    entry(
        "HeartbeatTimeoutTight",
        Warning,
        ["{field} is too short for checks that hang", "{field} が停滞する監視に対して短すぎます"],
        [
            "With the monitors' own time-outs the sum is longer.",
            "監視自身のタイムアウトを加えると不足します。",
        ],
        [
            "Raise it, or shorten the monitors' time-outs.",
            "延ばすか、監視のタイムアウトを短くしてください。",
        ],
    ),
    entry(
        "WatchdogSlowsTakeover",
        Warning,
        [
            "{field} makes every takeover without a farewell wait longer",
            "{field} により引き継ぎの待ち時間が延びます",
        ],
        [
            "A lost server may run its services until its watchdog has reset it: the lease and twice \
             the device's time-out.",
            "失われたサーバーは、リースとウォッチドッグのタイムアウトの2倍の間サービスを実行し得ます。",
        ],
        [
            "Shorten it, if the machine never stands still that long when it is healthy.",
            "正常時にそれほど停止しないマシンであれば短くしてください。",
        ],
    ),
    entry(
        "WatchdogTimeoutNotWhole",
        Error,
        ["{field} must be whole seconds", "{field} は秒単位の整数でなければなりません"],
        ["Watchdog devices know no fractions.", "デバイスは秒未満を扱えません。"],
        ["Round it up.", "切り上げてください。"],
    ),
    entry(
        "WatchdogTimeoutUnused",
        Warning,
        ["{field} has no effect", "{field} は効果がありません"],
        ["The mode is Off.", "mode が Off です。"],
        ["Remove it, or choose another mode.", "削除するか、mode を変更してください。"],
    ),
    entry(
        "TimeoutsContradict",
        Error,
        ["{field} contradicts another time-out", "{field} が他のタイムアウトと矛盾します"],
        ["One time has to end before another does.", "一方が他方より先に終わる必要があります。"],
        ["Change one of the two as the sum shows.", "示された式に従って一方を変えてください。"],
    ),
    entry(
        "MonitorTimeoutLong",
        Warning,
        ["{field} is long for its interval", "{field} が監視間隔に対して長すぎます"],
        [
            "A check that hangs is noticed only after its time-out.",
            "停滞はタイムアウト後にしか検出されません。",
        ],
        ["Shorten spec.timeout.", "spec.timeout を短くしてください。"],
    ),
    entry(
        "TimingContradiction",
        Error,
        ["{field} contradicts the type of the monitor", "{field} が監視の type と矛盾します"],
        [
            "A LoadBalance monitor monitors where its resource is not active.",
            "LoadBalance は対象が非活性のサーバーで監視します。",
        ],
        ["Write timing: Always, or leave it out.", "timing: Always とするか、省いてください。"],
    ),
];

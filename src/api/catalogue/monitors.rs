//! What monitors find, and the ladder of their recovery.

use super::Severity::{Error, Information, Warning};
use super::{Entry, entry};

/// The table.
pub const ENTRIES: &[Entry] = &[
    entry(
        "MonitorNormal",
        Information,
        ["{monitor} is normal on {server}", "{monitor} は {server} で正常です"],
        ["The last check found nothing wrong.", "直近の監視は正常でした。"],
        ["Nothing.", "対処は不要です。"],
    ),
    entry(
        "MonitorRecovered",
        Information,
        [
            "{monitor} is normal again on {server}: {message}",
            "{monitor} が {server} で回復しました: {message}",
        ],
        [
            "What it watches works again; its recovery counters begin anew.",
            "監視対象が回復し、復旧の回数は初期化されます。",
        ],
        ["Nothing.", "対処は不要です。"],
    ),
    entry(
        "MonitorWarning",
        Warning,
        ["{monitor} warns on {server}: {message}", "{monitor} が {server} で警告: {message}"],
        [
            "The check works, but slower than warnAtPercent of its time-out, or something is off.",
            "監視が遅い (warnAtPercent 超過) か、注意すべき状態です。",
        ],
        ["Look at what the text names.", "文中の対象を確認してください。"],
    ),
    entry(
        "MonitorError",
        Error,
        ["{monitor} is in error on {server}: {message}", "{monitor} が {server} で異常: {message}"],
        [
            "The check failed as often as spec.retries says.",
            "spec.retries の回数まで監視が失敗しました。",
        ],
        [
            "Its recovery follows; stead why MONITOR shows it.",
            "復旧処理が続きます。stead why MONITOR で確認できます。",
        ],
    ),
    entry(
        "MonitorUnknown",
        Warning,
        [
            "{monitor} can't tell on {server}: {message}",
            "{monitor} は {server} で判定できません: {message}",
        ],
        [
            "The check itself could not be made; that is not an error of its target.",
            "監視自体を実行できません。対象の異常とは見なされません。",
        ],
        ["Look at what the text names.", "文中の対象を確認してください。"],
    ),
    entry(
        "MonitorSuspended",
        Information,
        ["{monitor} does not monitor now", "{monitor} は監視していません"],
        [
            "spec.suspended is true, or the resource it follows is not active.",
            "spec.suspended が true か、対象リソースが非活性です。",
        ],
        ["Nothing.", "対処は不要です。"],
    ),
    entry(
        "RecoveryScriptStarted",
        Warning,
        [
            "{monitor} runs its recovery script on {server} ({run} of {runs})",
            "{monitor} が {server} で復旧スクリプトを実行します ({runs} 回中 {run} 回目)",
        ],
        ["The first rung of its ladder (scriptRuns).", "復旧の最初の段階 (scriptRuns) です。"],
        ["Nothing, if it helps.", "回復すれば対処は不要です。"],
    ),
    entry(
        "RecoveryScriptEnded",
        Information,
        [
            "the recovery script of {monitor} ended with exit code {exitCode}",
            "{monitor} の復旧スクリプトが終了コード {exitCode} で終了しました",
        ],
        [
            "The script ended, or was ended at its time-out (exit code none).",
            "スクリプトの終了、または時間切れ (終了コード none) です。",
        ],
        ["Nothing; the next check shows whether it helped.", "次の監視で効果が分かります。"],
    ),
    entry(
        "RecoveryReactivation",
        Warning,
        [
            "{monitor} reactivates {target} ({run} of {runs})",
            "{monitor} が {target} を再活性化します ({runs} 回中 {run} 回目)",
        ],
        [
            "The monitor is in error; its target is stopped and started again.",
            "監視異常のため、対象を停止して起動し直します。",
        ],
        [
            "Find out why it fails before the rungs are used up.",
            "段階を使い切る前に原因を調べてください。",
        ],
    ),
    entry(
        "RecoveryFailover",
        Warning,
        [
            "{monitor} fails {target} over ({run} of {runs})",
            "{monitor} が {target} をフェイルオーバーします ({runs} 回中 {run} 回目)",
        ],
        [
            "Reactivations did not help on this server.",
            "このサーバーでの再活性化では回復しませんでした。",
        ],
        [
            "Repair the server that it left; then: stead server return SERVER where it is out.",
            "元のサーバーを修復し、除外中なら stead server return SERVER を実行してください。",
        ],
    ),
    entry(
        "RecoverySkipped",
        Information,
        [
            "{monitor} recovers nothing: {target} is not active on {server}",
            "{monitor} は復旧を行いません: {target} は {server} で非活性です",
        ],
        [
            "A recovery acts only on the server where its target is active.",
            "復旧処理は対象が活性のサーバーでのみ行われます。",
        ],
        [
            "Look at the server all the same: what is watched fails there.",
            "監視対象はそのサーバーで異常です。確認してください。",
        ],
    ),
    entry(
        "RecoveryRefused",
        Warning,
        ["the recovery of {monitor} waits: {message}", "{monitor} の復旧は保留中です: {message}"],
        [
            "Another recovery or operation works on the same target.",
            "同じ対象に別の復旧処理または操作が実行中です。",
        ],
        ["Nothing: the next error asks again.", "対処は不要です。次の異常で再試行します。"],
    ),
    entry(
        "RecoveryExhausted",
        Error,
        [
            "{monitor} has nothing left to try for {target}",
            "{monitor} は {target} に対する復旧手段を使い切りました",
        ],
        [
            "Every rung of its ladder was taken, and it is still in error.",
            "全段階を実行しましたが、異常のままです。",
        ],
        [
            "Repair what it watches: the counters begin anew when it is normal.",
            "監視対象を修復してください。正常になると回数は初期化されます。",
        ],
    ),
    entry(
        "RecoveryFinalAction",
        Error,
        [
            "{monitor} asks for the final action {action} on {server}",
            "{monitor} が {server} で最終動作 {action} を要求します",
        ],
        ["The last rung of its ladder.", "復旧の最終段階です。"],
        [
            "Repair what it watches, then return the server or start the group.",
            "監視対象を修復し、サーバーの復帰またはグループの起動を行ってください。",
        ],
    ),
];

//! What groups and resources do, and what fails.

use super::Severity::{Error, Information, Warning};
use super::{Entry, entry};

/// The table.
pub const ENTRIES: &[Entry] = &[
    entry(
        "GroupGranted",
        Information,
        [
            "{group} may run on {server} (grant {grant}, {reason})",
            "{group} を {server} で起動します (許可 {grant}、{reason})",
        ],
        [
            "The leader chose the server by the group's failover policy.",
            "リーダーがフェイルオーバーポリシーに従って選びました。",
        ],
        ["Nothing.", "対処は不要です。"],
    ),
    entry(
        "GroupOrderedToStop",
        Information,
        [
            "{group} is to stop on {server} (order {grant}, {reason})",
            "{group} を {server} で停止します (指示 {grant}、{reason})",
        ],
        [
            "An operation, a recovery or a change of the spec asks for it.",
            "操作、復旧処理、または構成の変更によるものです。",
        ],
        ["Nothing.", "対処は不要です。"],
    ),
    entry(
        "GroupStarting",
        Information,
        ["{group} is being activated on {server}", "{group} を {server} で活性化しています"],
        [
            "Its resources start in the order of their dependencies.",
            "リソースを依存関係の順に起動しています。",
        ],
        ["Nothing.", "対処は不要です。"],
    ),
    entry(
        "GroupOnline",
        Information,
        ["{group} is active on {server}", "{group} が {server} で活性化しました"],
        ["Every resource of the group is active.", "グループの全リソースが活性状態です。"],
        ["Nothing.", "対処は不要です。"],
    ),
    entry(
        "GroupStopping",
        Information,
        ["{group} is being deactivated on {server}", "{group} を {server} で非活性化しています"],
        [
            "Its resources stop in reverse order of their dependencies.",
            "リソースを依存関係の逆順に停止しています。",
        ],
        ["Nothing.", "対処は不要です。"],
    ),
    entry(
        "GroupStopped",
        Information,
        ["{group} has certainly stopped on {server}", "{group} は {server} で確実に停止しました"],
        ["Every resource of the group is inactive.", "グループの全リソースが非活性です。"],
        ["Nothing.", "対処は不要です。"],
    ),
    entry(
        "GroupStopFailed",
        Error,
        ["{group} could not be deactivated: {message}", "{group} を非活性化できません: {message}"],
        [
            "A resource will not stop. The group starts nowhere else before that is certain.",
            "停止しないリソースがあります。確実に停止するまで他では起動しません。",
        ],
        [
            "Stop by hand what the text names, or shut the server down; then: stead group stop \
             GROUP.",
            "対象を手動で停止するか、サーバーを停止してから stead group stop GROUP を実行してくださ\
             い。",
        ],
    ),
    entry(
        "GroupOffline",
        Information,
        ["{group} is active nowhere", "{group} はどこでも活性ではありません"],
        ["It was stopped, or nothing has started it.", "停止されたか、まだ起動されていません。"],
        ["Start it: stead group start GROUP.", "stead group start GROUP で起動してください。"],
    ),
    entry(
        "GroupUnknown",
        Warning,
        [
            "nobody can tell whether {group} is active, or where",
            "{group} が活性かどうか、どこで活性かを判断できません",
        ],
        [
            "The server that answered does not lead, and reaches no leader: it knows what it runs itself, \
             and nothing of the others. Or the leader does not know yet what an absent server still runs.",
            "応答したサーバーはリーダーではなく、リーダーにも到達できないため、自分が動かすもの以外は分かりま\
             せん。または、不在のサーバーがまだ動かしているものをリーダーが確認できていません。",
        ],
        [
            "stead status says whether a server leads; if none does, stead describe cluster says why.",
            "stead status でリーダーの有無を確認し、いない場合は stead describe cluster で理由を確認し\
             てください。",
        ],
    ),
    entry(
        "GroupFailed",
        Error,
        ["{group} has failed: {message}", "{group} が異常です: {message}"],
        [
            "A resource could not be activated, or failed and its recovery is at its end.",
            "リソースを活性化できないか、異常の復旧手段が尽きました。",
        ],
        [
            "stead why GROUP names the resource and the reason; repair it and start the group.",
            "stead why GROUP で原因を確認し、修復してから起動してください。",
        ],
    ),
    entry(
        "ResourceStarting",
        Information,
        ["{resource} is being activated", "{resource} を活性化しています"],
        ["The group's order reached it.", "グループの起動順序によるものです。"],
        ["Nothing.", "対処は不要です。"],
    ),
    entry(
        "ResourceOnline",
        Information,
        ["{resource} is active: {message}", "{resource} が活性化しました: {message}"],
        ["Its driver says so.", "ドライバーの応答です。"],
        ["Nothing.", "対処は不要です。"],
    ),
    entry(
        "ResourceAdopted",
        Information,
        [
            "{resource} was found active and is kept: {message}",
            "{resource} は活性状態で見つかり、引き継ぎました: {message}",
        ],
        [
            "The agent was restarted or replaced while its services went on.",
            "サービスの継続中にエージェントが再起動または交代しました。",
        ],
        ["Nothing.", "対処は不要です。"],
    ),
    entry(
        "ResourceStopping",
        Information,
        ["{resource} is being deactivated", "{resource} を非活性化しています"],
        ["The group stops, or the resource is restarted.", "グループの停止、または再起動です。"],
        ["Nothing.", "対処は不要です。"],
    ),
    entry(
        "ResourceOffline",
        Information,
        ["{resource} is inactive", "{resource} は非活性です"],
        ["Its driver says so.", "ドライバーの応答です。"],
        ["Nothing.", "対処は不要です。"],
    ),
    entry(
        "ResourceUnknown",
        Warning,
        ["nobody can tell whether {resource} is active", "{resource} の状態は不明です"],
        [
            "A driver gave no certain answer, or the server is not heard.",
            "ドライバーの確実な応答がないか、サーバーの応答がありません。",
        ],
        [
            "Wait: it is probed again. Nothing starts elsewhere before it is certain.",
            "再確認を待ってください。確実になるまで他では起動しません。",
        ],
    ),
    entry(
        "ResourceFailed",
        Error,
        ["{resource} has failed: {message}", "{resource} が異常です: {message}"],
        [
            "It was active, and is not any more: its command ended, its listener or address is gone.",
            "活性状態から外れました (コマンドの終了、待ち受けやアドレスの消失)。",
        ],
        [
            "Look at its log: journalctl -u stead-keeper, and at what the text names.",
            "文中の対象とログ (journalctl -u stead-keeper) を確認してください。",
        ],
    ),
    entry(
        "ResourceRestarted",
        Warning,
        [
            "{resource} is restarted in place ({restart} of {restarts})",
            "{resource} をその場で再起動します ({restarts} 回中 {restart} 回目)",
        ],
        [
            "It failed, and spec.exec.restarts allows restarts within restartWindow.",
            "異常のため、spec.exec.restarts の範囲で再起動します。",
        ],
        [
            "Find out why it fails before the restarts are used up.",
            "回数を使い切る前に、異常の原因を調べてください。",
        ],
    ),
    entry(
        "ResourceStoppedByRecovery",
        Warning,
        [
            "{resource} was deactivated by a monitor's final action",
            "{resource} はモニターの最終動作で非活性化されました",
        ],
        [
            "The monitor's recovery was at its end (finalAction: StopResource).",
            "復旧処理の最終動作 (finalAction: StopResource) です。",
        ],
        [
            "Repair what the monitor watches; then: stead group restart GROUP.",
            "監視対象を修復し、stead group restart GROUP を実行してください。",
        ],
    ),
    entry(
        "ActivationFailed",
        Error,
        [
            "{resource} could not be activated (try {attempt} of {attempts}): {message}",
            "{resource} を活性化できません ({attempts} 回中 {attempt} 回目): {message}",
        ],
        [
            "Its driver or script failed, or it ended at once.",
            "ドライバーやスクリプトの失敗、または直後の終了です。",
        ],
        [
            "Look at what the text names: command, file, rights, interface.",
            "文中の対象 (コマンド、ファイル、権限、NIC など) を確認してください。",
        ],
    ),
    entry(
        "ActivationTimedOut",
        Error,
        [
            "{resource} was not active within its time-out",
            "{resource} は制限時間内に活性化しませんでした",
        ],
        [
            "A start script hangs, or takes longer than spec.activation.timeout.",
            "起動スクリプトの停滞、または spec.activation.timeout の不足です。",
        ],
        [
            "Look at the script; raise spec.activation.timeout where it is only slow.",
            "スクリプトを確認し、遅いだけなら spec.activation.timeout を延ばしてください。",
        ],
    ),
    entry(
        "ActivationGivenUp",
        Error,
        [
            "{resource} could not be activated after {attempts} tries: {message}",
            "{resource} を {attempts} 回試みましたが活性化できません: {message}",
        ],
        [
            "spec.activation.retries are used up on this server.",
            "このサーバーでの spec.activation.retries を使い切りました。",
        ],
        [
            "Repair what the text names; the group goes elsewhere where its policy allows.",
            "文中の原因を修復してください。ポリシーの範囲で他のサーバーへ移ります。",
        ],
    ),
    entry(
        "DeactivationFailed",
        Error,
        [
            "{resource} could not be deactivated (try {attempt} of {attempts}): {message}",
            "{resource} を非活性化できません ({attempts} 回中 {attempt} 回目): {message}",
        ],
        [
            "Its driver or script failed, or something still uses it.",
            "ドライバーやスクリプトの失敗、または使用中です。",
        ],
        [
            "Look at what the text names; it is tried again.",
            "文中の対象を確認してください。再試行されます。",
        ],
    ),
    entry(
        "DeactivationGivenUp",
        Error,
        [
            "{resource} could not be deactivated after {attempts} tries: {message}",
            "{resource} を {attempts} 回試みましたが非活性化できません: {message}",
        ],
        [
            "spec.deactivation.retries are used up. Until it has certainly stopped the group starts \
             nowhere else.",
            "spec.deactivation.retries を使い切りました。確実に停止するまで他では起動しません。",
        ],
        [
            "Stop it by hand, or shut the server down (spec.deactivation.onFailure does so by \
             itself).",
            "手動で停止するか、サーバーを停止してください (spec.deactivation.onFailure の既定動作)。",
        ],
    ),
    entry(
        "RecoveryRequested",
        Warning,
        [
            "{group} leaves its server: a monitor's recovery asks for it",
            "{group} はモニターの復旧処理により移動します",
        ],
        [
            "Reactivations did not help, and the ladder's next rung is a failover.",
            "再活性化で回復せず、次の段階はフェイルオーバーです。",
        ],
        ["stead why GROUP names the monitor.", "stead why GROUP でモニターを確認してください。"],
    ),
    entry(
        "RestartPending",
        Warning,
        ["a change takes effect at the next activation", "変更は次の活性化から有効になります"],
        [
            "The field's change class is Restart, and the resource is active with its former value.",
            "変更区分 Restart の項目で、リソースは以前の値で動作しています。",
        ],
        [
            "When it suits: stead group restart GROUP.",
            "都合のよいときに stead group restart GROUP を実行してください。",
        ],
    ),
    entry(
        "PortInUse",
        Error,
        ["port is in use: {message}", "ポートが使用中です: {message}"],
        [
            "Another program listens on the port that the resource needs.",
            "リソースが使うポートを他のプログラムが使用しています。",
        ],
        [
            "Stop the program that the text names, or choose another port.",
            "文中のプログラムを停止するか、別のポートを使ってください。",
        ],
    ),
    entry(
        "AddressInUse",
        Error,
        ["address is in use: {message}", "アドレスが使用中です: {message}"],
        [
            "Another machine answers for the floating address: the text names its MAC address.",
            "フローティングアドレスに他のマシンが応答しました (文中の MAC アドレス)。",
        ],
        [
            "Find that machine and take the address from it, or choose another.",
            "そのマシンのアドレスを変更するか、別のアドレスを使ってください。",
        ],
    ),
];

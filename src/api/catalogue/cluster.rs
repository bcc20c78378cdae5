//! Servers that come and go, the paths between them, views, arbitration, leases.

use super::Severity::{Error, Information, Warning};
use super::{Entry, entry};

/// The table.
pub const ENTRIES: &[Entry] = &[
    entry(
        "ServerHeard",
        Information,
        ["{server} is heard", "{server} の応答があります"],
        [
            "Heartbeats arrive from the server in both directions.",
            "サーバーとの間で、双方向のハートビートが届くようになりました。",
        ],
        [
            "Nothing. Where it failed before, it takes part again after stead server return.",
            "対処は不要です。障害後のサーバーは stead server return で復帰します。",
        ],
    ),
    entry(
        "ServerLost",
        Warning,
        [
            "{server} was lost: no packet on {paths} for {timeout}",
            "{server} を見失いました: {paths} で {timeout} の間パケットがありません",
        ],
        [
            "The server is switched off, its agent is dead or stands still, or every path to it is \
             cut.",
            "サーバーの停止、エージェントの異常終了や停滞、または全経路の切断です。",
        ],
        [
            "Look at the server and at the paths. When it is repaired: stead server return SERVER.",
            "サーバーと経路を確認してください。修復後は stead server return SERVER を実行します。",
        ],
    ),
    entry(
        "ServerOnline",
        Information,
        ["{server} takes part", "{server} は参加しています"],
        [
            "The server is a member of the view and may run groups.",
            "サーバーはビューの一員で、グループを起動できます。",
        ],
        ["Nothing.", "対処は不要です。"],
    ),
    entry(
        "ServerOut",
        Warning,
        ["{server} is kept out: {message}", "{server} は除外されています: {message}"],
        [
            "The server failed, or was detached by hand. It runs no group until it is returned.",
            "サーバーの障害、または手動での切り離しです。復帰するまでグループを起動しません。",
        ],
        [
            "Find out why it failed, repair it, then: stead server return SERVER.",
            "障害の原因を取り除いてから stead server return SERVER を実行してください。",
        ],
    ),
    entry(
        "ServerDetached",
        Information,
        ["{server} was detached by hand", "{server} は手動で切り離されました"],
        [
            "Somebody asked for it. The server runs no group until it is returned.",
            "操作による切り離しです。復帰するまでグループを起動しません。",
        ],
        [
            "When the work on it is done: stead server return SERVER.",
            "作業が終わったら stead server return SERVER を実行してください。",
        ],
    ),
    entry(
        "ServerReturned",
        Information,
        ["{server} takes part again", "{server} はクラスターに復帰しました"],
        [
            "Somebody returned the server after a failure or a detachment.",
            "障害または切り離しの後に復帰操作が行われました。",
        ],
        ["Nothing.", "対処は不要です。"],
    ),
    entry(
        "ServerFree",
        Information,
        [
            "{server} can hold nothing any more: {how} (lease {lease}, self-fence {selfFence}, wait \
             {wait})",
            "{server} は何も保持していません: {how} (リース {lease}、自己停止 {selfFence}、待ち時間 \
             {wait})",
        ],
        [
            "Everything the lost server ran has certainly ended: its lease and self-fence passed, or \
             its keeper said so.",
            "見失ったサーバーの処理は確実に終了しました。リースと自己停止の期限が過ぎたか、キーパー\
             の通知がありました。",
        ],
        ["Nothing: its groups start elsewhere now.", "対処は不要です。グループは他で起動します。"],
    ),
    entry(
        "PathLost",
        Warning,
        ["path {path} to {server} is lost", "{server} への経路 {path} が切れました"],
        [
            "No packet came on this path for the heartbeat time-out; another path still works, or \
             the server is lost too.",
            "この経路でハートビートタイムアウトの間パケットが届きませんでした。",
        ],
        [
            "Look at the network of this path: interface, cable, switch, firewall.",
            "経路のネットワーク (NIC、ケーブル、スイッチ、ファイアウォール) を確認してください。",
        ],
    ),
    entry(
        "PathRestored",
        Information,
        ["path {path} to {server} works", "{server} への経路 {path} が回復しました"],
        ["Packets arrive on this path in both directions.", "経路に双方向でパケットが届きます。"],
        ["Nothing.", "対処は不要です。"],
    ),
    entry(
        "AgentEnded",
        Warning,
        [
            "the agent of {server} ended; its keeper ended everything that it ran",
            "{server} のエージェントが終了し、キーパーがその処理をすべて終了しました",
        ],
        [
            "The agent was killed or crashed while the machine lived on. Its keeper said so, which \
             frees its groups at once.",
            "マシンは動作したままエージェントが異常終了しました。キーパーの通知により、グループは直\
             ちに解放されます。",
        ],
        [
            "Read the agent's log on that server: journalctl -u stead-agent.",
            "そのサーバーで journalctl -u stead-agent のログを確認してください。",
        ],
    ),
    entry(
        "AgentRestarted",
        Information,
        ["the agent of {server} was restarted", "{server} のエージェントが再起動しました"],
        [
            "The server is heard with the id of a new run of its agent.",
            "新しい起動識別子でサーバーの応答がありました。",
        ],
        [
            "Nothing after an upgrade; else read the agent's log on that server.",
            "更新後なら対処は不要です。そうでなければエージェントのログを確認してください。",
        ],
    ),
    entry(
        "ViewProposed",
        Information,
        [
            "{server} proposed term {term} with {members}",
            "{server} がターム {term} をメンバー {members} で提案しました",
        ],
        [
            "The servers that hear each other changed, or there was no leader.",
            "応答し合うサーバーが変わったか、リーダーがいませんでした。",
        ],
        ["Nothing.", "対処は不要です。"],
    ),
    entry(
        "ViewInstalled",
        Information,
        [
            "view {term} with {members} ({count} of {configured} servers), led by {leader}",
            "ビュー {term}: メンバー {members} ({configured} 台中 {count} 台)、リーダー {leader}",
        ],
        [
            "All proposed members promised, and the arbiter held.",
            "全メンバーが承認し、調停も得られました。",
        ],
        ["Nothing.", "対処は不要です。"],
    ),
    entry(
        "NoLeader",
        Error,
        [
            "this server follows no leader: it starts and moves nothing",
            "このサーバーが従うリーダーがいません: 起動も移動も行いません",
        ],
        [
            "Too few servers hear each other, or the arbiter does not hold.",
            "応答し合うサーバーが足りないか、調停が得られません。",
        ],
        [
            "Start the missing servers, repair the paths, and look at the arbiter: stead status.",
            "足りないサーバーと経路を修復し、stead status で調停の状態を確認してください。",
        ],
    ),
    entry(
        "NotObserved",
        Information,
        ["nothing has been observed yet", "まだ観測されていません"],
        [
            "The object is new, or a new leader has just begun.",
            "新しいか、リーダーの交代直後です。",
        ],
        ["Wait a moment.", "しばらくお待ちください。"],
    ),
    entry(
        "ArbitrationHeld",
        Information,
        ["the arbiter holds: {message}", "調停を得ました: {message}"],
        [
            "These servers may act as the cluster.",
            "これらのサーバーがクラスターとして動作できます。",
        ],
        ["Nothing.", "対処は不要です。"],
    ),
    entry(
        "ArbitrationLost",
        Error,
        ["the arbiter does not hold: {message}", "調停を得られません: {message}"],
        [
            "These servers may not act as the cluster: others may, or nobody.",
            "これらのサーバーはクラスターとして動作できません。",
        ],
        [
            "Repair the paths between the servers, or the arbiter's target.",
            "サーバー間の経路、または調停先を修復してください。",
        ],
    ),
    entry(
        "ArbitrationUnknown",
        Warning,
        ["the arbiter gives no answer: {message}", "調停の応答がありません: {message}"],
        [
            "The arbiter could not be asked in time; that is never taken for consent.",
            "時間内に調停先へ問い合わせできませんでした。同意とは見なされません。",
        ],
        [
            "Look at the way to the arbiter's target, and at its time-out.",
            "調停先への経路とタイムアウトを確認してください。",
        ],
    ),
    entry(
        "SplitBrainSafe",
        Information,
        [
            "two halves of a divided cluster can't both act",
            "分断されても両側が同時に動作することはありません",
        ],
        [
            "The arbiter is exclusive: a majority of all configured servers.",
            "調停は排他的 (全サーバーの過半数) です。",
        ],
        ["Nothing.", "対処は不要です。"],
    ),
    entry(
        "SplitBrainUnsafe",
        Warning,
        [
            "two halves of a divided cluster may both act",
            "分断されると両側が同時に動作する可能性があります",
        ],
        [
            "The arbiter (Ping, HTTP, None) can answer both halves, and nothing ends the other one \
             for certain.",
            "調停方式 (Ping、HTTP、None) は両側に同意し得るうえ、相手を確実に停止する手段がありませ\
             ん。",
        ],
        [
            "Use Majority with three servers where two copies of the service must never run.",
            "二重起動が許されない場合は、3 台以上で Majority を使ってください。",
        ],
    ),
    entry(
        "LeaseLost",
        Error,
        [
            "{server} has lost its lease ({lease}): it ends every service",
            "{server} のリース ({lease}) が切れました: 全サービスを終了します",
        ],
        [
            "No leader answered this server within the lease: it is cut off, or the others are gone.",
            "リースの間リーダーの応答がありません。孤立したか、他のサーバーが停止しました。",
        ],
        [
            "Look at the paths of this server and at the other servers.",
            "このサーバーの経路と、他のサーバーを確認してください。",
        ],
    ),
    entry(
        "StartupWaiting",
        Information,
        [
            "waits up to {wait} for {missing} before groups start",
            "グループの起動前に {missing} を最長 {wait} 待ちます",
        ],
        [
            "The cluster starts, and not every server is heard yet (spec.startup.waitForServers).",
            "クラスターの起動中で、まだ全サーバーが揃っていません (spec.startup.waitForServers)。",
        ],
        ["Start the missing servers, or wait.", "足りないサーバーを起動するか、お待ちください。"],
    ),
    entry(
        "StartupComplete",
        Information,
        [
            "start-up synchronisation is over (missing: {missing})",
            "起動同期が完了しました (不在: {missing})",
        ],
        [
            "Every server is heard, or the wait for the missing ones has passed.",
            "全サーバーが揃ったか、待ち時間が過ぎました。",
        ],
        ["Nothing.", "対処は不要です。"],
    ),
    entry(
        "StoreBehind",
        Warning,
        [
            "{server} could not write the store: {error}",
            "{server} が構成情報を書き込めません: {error}",
        ],
        [
            "The member's disk is full or fails; changes are not acknowledged until it has them.",
            "メンバーのディスクが満杯か異常です。書き込まれるまで変更は確定しません。",
        ],
        [
            "Free space in /var/lib/stead on that server, or replace its disk.",
            "そのサーバーの /var/lib/stead の空き容量かディスクを確認してください。",
        ],
    ),
    entry(
        "PersistFailed",
        Error,
        ["{server} could not write its state: {error}", "{server} が状態を書き込めません: {error}"],
        [
            "The disk of the state folder is full or fails. Nothing that depends on the record is \
             done.",
            "状態フォルダーのディスクが満杯か異常です。この記録に依存する処理は行われません。",
        ],
        [
            "Free space in /var/lib/stead, or replace the disk.",
            "/var/lib/stead の空き容量かディスクを確認してください。",
        ],
    ),
    entry(
        "PersistStalled",
        Error,
        [
            "{server}'s disk has not taken a write for {time}",
            "{server} のディスクが {time} の間、書き込みを完了していません",
        ],
        [
            "The disk of the state folder hangs, or its volume is throttled. What depends on the \
             write waits.",
            "状態フォルダーのディスクが応答しないか、ボリュームの性能制限を受けています。書き込みに\
             依存する処理は待たされます。",
        ],
        [
            "Look at the server's disk and at the volume's limits.",
            "サーバーのディスクとボリュームの性能制限を確認してください。",
        ],
    ),
    entry(
        "PersistRestored",
        Information,
        ["{server}'s disk takes writes again", "{server} のディスクに書き込めるようになりました"],
        ["It took as much as it had refused before.", "以前に拒否した量の書き込みに成功しました。"],
        ["Nothing.", "対処は不要です。"],
    ),
    entry(
        "DiskLeavesView",
        Warning,
        [
            "{server} leaves the view until its disk takes writes",
            "{server} は、ディスクに書き込めるまでビューから外れます",
        ],
        [
            "A change counts only when every member of the view has it on disk; a disk that does \
             not take it would hold up all of them. The server runs nothing meanwhile.",
            "変更はビューの全メンバーのディスクに書かれて初めて確定するため、書き込めないサーバーは\
             全体を待たせます。その間、このサーバーでは何も動きません。",
        ],
        [
            "Free space in /var/lib/stead, or replace the disk; it comes back by itself.",
            "/var/lib/stead の空き容量かディスクを確認してください。その後は自動的に戻ります。",
        ],
    ),
    entry(
        "DiskUnknown",
        Warning,
        [
            "{server}'s state folder {incarnation} is new: it has no vote before the others admit it",
            "{server} の状態フォルダー {incarnation} は新しいため、他のサーバーが受け入れるまで\
             投票権がありません",
        ],
        [
            "Its disk was replaced or its state was wiped, and with it what it had promised and \
             what only it may have known.",
            "ディスクの交換または状態の消去により、過去の約束と固有の情報が失われています。",
        ],
        [
            "Start the other servers; a view of theirs admits and fills it. Where they can form \
             none: stead cluster recover --from SERVER, which says what may be lost.",
            "他のサーバーを起動してください。ビューが成立すれば自動的に受け入れられます。成立し\
             ない場合は stead cluster recover --from SERVER を実行します (失われ得るものが表示\
             されます)。",
        ],
    ),
    entry(
        "DiskAdmitted",
        Warning,
        [
            "{server} has a new state folder, {incarnation}; the cluster admits and fills it",
            "{server} の状態フォルダーは新しいものです ({incarnation})。クラスターが受け入れ、\
             内容を転送します",
        ],
        [
            "The server's disk was replaced or its state was wiped: it has forgotten what it \
             promised, and had no vote until now.",
            "ディスクの交換または状態の消去により、サーバーは過去の約束を忘れています。これまで\
             投票権はありませんでした。",
        ],
        [
            "Nothing, where the disk was replaced on purpose; else look at the server's disk.",
            "意図した交換であれば対処は不要です。そうでなければディスクを確認してください。",
        ],
    ),
    entry(
        "ServerClosing",
        Information,
        [
            "{server} shuts down: its groups are stopped in order, and go elsewhere",
            "{server} を停止します。グループを順に停止し、他のサーバーへ移します",
        ],
        [
            "The keeper was told to end, by systemd or by a person.",
            "systemd または操作により、キーパーに終了が指示されました。",
        ],
        ["Nothing.", "対処は不要です。"],
    ),
    entry(
        "SpecRefused",
        Error,
        [
            "the stored objects can't be used: {error}",
            "保存されたオブジェクトを使用できません: {error}",
        ],
        [
            "The objects contradict each other; the cluster goes on with the last that did not.",
            "オブジェクトに矛盾があります。直前の正しい構成で動作を続けます。",
        ],
        ["Correct the object that the text names.", "文中のオブジェクトを修正してください。"],
    ),
    entry(
        "FinalActionTaken",
        Error,
        [
            "{server} carries out the final action {action}: {message}",
            "{server} が最終動作 {action} を実行します: {message}",
        ],
        [
            "A monitor's recovery, or a failed deactivation, asked for it.",
            "モニターの復旧処理、または非活性の失敗によるものです。",
        ],
        [
            "Repair what the text names; then: stead server return SERVER.",
            "原因を取り除き、stead server return SERVER を実行してください。",
        ],
    ),
    entry(
        "FinalActionSuppressed",
        Error,
        [
            "{server} does not carry out the final action {action}: no other server is healthy \
             ({message})",
            "{server} は最終動作 {action} を行いません: 他に正常なサーバーがありません ({message})",
        ],
        [
            "The last healthy server never ends itself: a service in error is better than none.",
            "最後の正常なサーバーは自分を停止しません。",
        ],
        [
            "Repair what the text names, and the other servers.",
            "原因と、他のサーバーを修復してください。",
        ],
    ),
    entry(
        "RebootLoopGuard",
        Error,
        [
            "{server} does not carry out {action}: {count} of {most} in the window are used \
             ({message})",
            "{server} は {action} を行いません: 期間内の回数 {count} が上限 {most} に達しました \
             ({message})",
        ],
        [
            "The server ended itself again and again (spec.guards.finalActionsMax).",
            "サーバーの自己停止が繰り返されました (spec.guards.finalActionsMax)。",
        ],
        [
            "Find out what fails again and again; the count ends with the window.",
            "繰り返す障害の原因を調べてください。回数は期間の経過で消えます。",
        ],
    ),
];

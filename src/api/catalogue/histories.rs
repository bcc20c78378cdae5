//! Histories that went separate ways, and the end and start of the whole cluster.

use super::Severity::{Error, Information, Warning};
use super::{Entry, entry};

pub(super) const ENTRIES: &[Entry] = &[
    entry(
        "DualActivation",
        Error,
        [
            "{group} ran on {servers} at once: every copy is ended, and it stays stopped",
            "{group} が {servers} で同時に動作していました: すべて終了し、停止状態とします",
        ],
        [
            "Both parts of a divided cluster ran the group: the arbiter is not exclusive, or a \
             person certified that a server was down which was not. onDualActivation is StopBoth.",
            "分断された両側でグループが動作しました。調停方式が排他的ではないか、停止していない\
             サーバーが停止と認定されました。onDualActivation は StopBoth です。",
        ],
        [
            "Compare what the copies wrote, choose the right data, then: stead group start GROUP.",
            "両方で書き込まれたデータを比較し、正しい方を選んでから stead group start GROUP を実行\
             してください。",
        ],
    ),
    entry(
        "DualActivationKept",
        Error,
        [
            "{group} ran on {servers} at once: the copy on {kept} goes on, the others are ended",
            "{group} が {servers} で同時に動作していました: {kept} のみ継続し、他は終了します",
        ],
        [
            "Both parts of a divided cluster ran the group (onDualActivation: KeepPreferred), or a \
             server that had lost the right to it still ran it, as after a freeze.",
            "分断された両側でグループが動作したか (onDualActivation: KeepPreferred)、権利を失った\
             サーバーがフリーズ後などに動作を続けていました。",
        ],
        [
            "Compare what the ended copies wrote; stead group start GROUP acknowledges it.",
            "終了した側で書き込まれたデータを確認してください。stead group start GROUP で確認済みと\
             なります。",
        ],
    ),
    entry(
        "BothStopped",
        Error,
        [
            "it ran on {servers} at once; every copy was ended",
            "{servers} で同時に動作していたため、すべて終了しました",
        ],
        ["See DualActivation.", "DualActivation を参照してください。"],
        ["See DualActivation.", "DualActivation を参照してください。"],
    ),
    entry(
        "OneKept",
        Error,
        [
            "it ran on {servers} at once; the copy on {kept} went on",
            "{servers} で同時に動作していたため、{kept} のみ継続しました",
        ],
        ["See DualActivationKept.", "DualActivationKept を参照してください。"],
        ["See DualActivationKept.", "DualActivationKept を参照してください。"],
    ),
    entry(
        "HistoriesMet",
        Warning,
        [
            "{server} has changes up to revision {theirs} that this history ({ours}) lacks: its \
             store is replaced, and kept aside there",
            "{server} はこの履歴 ({ours}) にない変更 (リビジョン {theirs} まで) を持っています: \
             その内容は退避され、置き換えられます",
        ],
        [
            "It went on apart from the others, or wrote a change that was never acknowledged.",
            "他のサーバーと分かれて動作を続けたか、確定しなかった変更が書かれていました。",
        ],
        [
            "Read HistoryKeptAside of that server, and apply again what is right.",
            "そのサーバーの HistoryKeptAside を確認し、必要なものを再適用してください。",
        ],
    ),
    entry(
        "HistoryKeptAside",
        Warning,
        [
            "{server}'s store (revision {revision}) gives way to revision {theirs} of another \
             history; {count} objects differ: {objects}. It is kept in \
             /var/lib/stead/aside/{revision}.json",
            "{server} の内容 (リビジョン {revision}) は別の履歴のリビジョン {theirs} に置き換えられ\
             ます。相違するオブジェクト {count} 件: {objects}。元の内容は \
             /var/lib/stead/aside/{revision}.json に保存されます",
        ],
        ["See HistoriesMet.", "HistoriesMet を参照してください。"],
        [
            "Compare, and apply again what is right: stead apply -f FILE --dry-run=server.",
            "比較のうえ、必要なものを stead apply -f FILE --dry-run=server で確認し、再適用して\
             ください。",
        ],
    ),
    entry(
        "HistoryProven",
        Information,
        [
            "nothing newer than revision {revision} was acknowledged: {how}",
            "リビジョン {revision} より新しい確定済みの変更はありません: {how}",
        ],
        [
            "The cluster starts by itself with the newest history.",
            "最新の履歴が証明されたため、クラスターは自動的に開始します。",
        ],
        ["Nothing.", "対処は不要です。"],
    ),
    entry(
        "HistoryUnproven",
        Warning,
        [
            "the cluster starts with revision {revision}; {missing} may have newer changes",
            "リビジョン {revision} で開始します。{missing} がより新しい変更を持つ可能性があります",
        ],
        [
            "Servers are missing, and nothing proves that they know nothing more \
             (onMissedChanges is Serve).",
            "不在のサーバーがあり、それらがより新しい変更を持たないことを証明できません \
             (onMissedChanges は Serve です)。",
        ],
        [
            "Start them; what only they have is kept aside when they are back. onMissedChanges: \
             Wait waits for them instead.",
            "不在のサーバーを起動してください。固有の変更は復帰時に退避されます。待機させるには \
             onMissedChanges: Wait を指定します。",
        ],
    ),
    entry(
        "ChangesMissed",
        Warning,
        [
            "the arbiter's record names revision {theirs}; the newest here is {ours}",
            "調停の記録はリビジョン {theirs} を示しますが、ここでの最新は {ours} です",
        ],
        [
            "A part of the cluster that shares no server with this one changed objects.",
            "このサーバーを含まない側でオブジェクトが変更されました。",
        ],
        [
            "Compare the objects when the other servers are back; apply again what is missing.",
            "他のサーバーの復帰後に比較し、足りないものを再適用してください。",
        ],
    ),
    entry(
        "ChangesAwaited",
        Error,
        [
            "the arbiter's record names revision {theirs}, the newest here is {ours}: nothing is \
             started or changed before a server that has it is back",
            "調停の記録はリビジョン {theirs} を示しますが、ここでの最新は {ours} です: それを持つ\
             サーバーが戻るまで何も開始・変更しません",
        ],
        [
            "A part of the cluster that shares no server with this one changed objects, and \
             onMissedChanges is Wait.",
            "このサーバーを含まない側でオブジェクトが変更されており、onMissedChanges は Wait です。",
        ],
        [
            "Start the other servers. Where they are lost: stead cluster recover --from SERVER.",
            "他のサーバーを起動してください。失われた場合は stead cluster recover --from SERVER を\
             実行します。",
        ],
    ),
    entry(
        "WaitingForChanges",
        Error,
        [
            "a server that is not here has newer changes, and is waited for (onMissedChanges: Wait)",
            "より新しい変更を持つ不在のサーバーを待っています (onMissedChanges: Wait)",
        ],
        ["See ChangesAwaited.", "ChangesAwaited を参照してください。"],
        ["See ChangesAwaited.", "ChangesAwaited を参照してください。"],
    ),
    entry(
        "ClusterShuttingDown",
        Warning,
        ["the cluster is being shut down", "クラスターを停止しています"],
        [
            "An operation of type ShutdownCluster stops every group, then every agent.",
            "ShutdownCluster 操作により、全グループ、続いて全エージェントが停止します。",
        ],
        [
            "Nothing. While groups are still being stopped, deleting the operation calls it off.",
            "対処は不要です。グループの停止中であれば、操作の削除により中止できます。",
        ],
    ),
    entry(
        "ServerShutDown",
        Information,
        [
            "{server} has stopped cleanly: the cluster is shut down, and this agent ends",
            "{server} は正常に停止しました: クラスターの停止により、エージェントを終了します",
        ],
        ["See ClusterShuttingDown.", "ClusterShuttingDown を参照してください。"],
        [
            "To start the cluster, start the agents: systemctl start stead-agent.",
            "クラスターを開始するには、各サーバーで systemctl start stead-agent を実行します。",
        ],
    ),
    entry(
        "ServerPowersOff",
        Information,
        [
            "{server} has stopped cleanly: the cluster is shut down, and this machine is switched off",
            "{server} は正常に停止しました: クラスターの停止により、マシンの電源を切ります",
        ],
        ["See ClusterShuttingDown.", "ClusterShuttingDown を参照してください。"],
        [
            "To start the cluster, start the machines.",
            "クラスターを開始するには、各マシンを起動します。",
        ],
    ),
    entry(
        "ClusterStartsAgain",
        Information,
        [
            "the cluster was shut down on purpose at {since}, and starts again",
            "クラスターは {since} に意図的に停止されており、再び開始します",
        ],
        ["Its agents were started.", "エージェントが起動されました。"],
        ["Nothing.", "対処は不要です。"],
    ),
    entry(
        "PauseBegins",
        Information,
        [
            "{server} may stand still once within {length}, for as long: every server waits for it",
            "{server} は {length} 以内に一度、同じ長さまで停止できます: 全サーバーが待機します",
        ],
        [
            "It was announced (stead server pause), and every other server has it on disk.",
            "事前に通知され (stead server pause)、全サーバーのディスクに記録されました。",
        ],
        [
            "Begin what makes it stand still now; a longer standstill is a failure.",
            "今のうちに停止を伴う作業を行ってください。これより長い停止は障害とみなされます。",
        ],
    ),
    entry(
        "PauseEnds",
        Information,
        ["{server}'s announced pause is over", "{server} の予告された停止は終了しました"],
        [
            "Its time has passed, and the server is heard as ever.",
            "時間が経過し、サーバーとの通信は正常です。",
        ],
        ["Nothing.", "対処は不要です。"],
    ),
];

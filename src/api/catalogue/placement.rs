//! Where groups run and why they do not run elsewhere; what has become of operations.

use super::{Entry, Severity, Text};

/// The table.
pub const ENTRIES: &[Entry] = &[
    Entry {
        id: "WaitingForTakeover",
        severity: Severity::Warning,
        text: Text {
            en: "a server that is not heard may still run it",
            ja: "応答のないサーバーでまだ動作している可能性があります",
        },
        cause: Text {
            en: "A server is not heard, and its lease and self-fence have not yet run out. Until \
                 then it may run any group, so none is started elsewhere.",
            ja: "応答のないサーバーのリースと自己停止の期限がまだ過ぎていません。それまではどのグル\
                 ープもそこで動作している可能性があるため、他では起動しません。",
        },
        remedy: Text {
            en: "Wait: status.timing.takeoverWait of the Cluster says how long. Where a server \
                 advertises selfFence None, stop it for certain first.",
            ja: "待ってください。時間は Cluster の status.timing.takeoverWait にあります。selfFence\
                  が None のサーバーは、先に確実に停止させてください。",
        },
    },
    Entry {
        id: "WaitingForServers",
        severity: Severity::Information,
        text: Text {
            en: "waits for the other servers to start",
            ja: "他のサーバーの起動を待っています",
        },
        cause: Text {
            en: "The cluster has just started, and not every server is heard yet.",
            ja: "クラスターが起動した直後で、まだ全サーバーの応答がありません。",
        },
        remedy: Text {
            en: "Start the other servers, or wait for spec.startup.waitForServers to pass; stead group \
                 start GROUP starts one without waiting.",
            ja: "他のサーバーを起動するか、spec.startup.waitForServers の経過を待ってください。\
                 stead group start GROUP は待たずに起動します。",
        },
    },
    Entry {
        id: "StartupManual",
        severity: Severity::Information,
        text: Text {
            en: "starts by operation only (startup: Manual)",
            ja: "手動でのみ起動します (startup: Manual)",
        },
        cause: Text {
            en: "The group's startup attribute is Manual.",
            ja: "グループの起動属性が Manual です。",
        },
        remedy: Text {
            en: "Start it: stead group start NAME.",
            ja: "stead group start NAME で起動してください。",
        },
    },
    Entry {
        id: "FailoverManual",
        severity: Severity::Warning,
        text: Text {
            en: "{message}; it fails over by operation only (failover: Manual)",
            ja: "{message}。手動でのみフェイルオーバーします (failover: Manual)",
        },
        cause: Text {
            en: "The group's server was lost, or the group failed there, and its failover attribute \
                 is Manual.",
            ja: "グループのサーバーが失われたか、そこでグループが異常になりましたが、フェイルオーバ\
                 ー属性が Manual です。",
        },
        remedy: Text {
            en: "Decide, then start it elsewhere: stead group start NAME --to SERVER, or stead \
                 group failover NAME.",
            ja: "判断のうえ、stead group start NAME --to SERVER または stead group failover NAME で\
                 他のサーバーで起動してください。",
        },
    },
    Entry {
        id: "KeptStopped",
        severity: Severity::Information,
        text: Text { en: "{message}", ja: "{message}" },
        cause: Text {
            en: "The group was stopped by an operation or by its recovery, and stays so.",
            ja: "グループは操作または復旧処理によって停止され、そのままです。",
        },
        remedy: Text {
            en: "Start it: stead group start NAME.",
            ja: "stead group start NAME で起動してください。",
        },
    },
    Entry {
        id: "NoServerLeft",
        severity: Severity::Error,
        text: Text {
            en: "no server of its policy can take it",
            ja: "フェイルオーバーポリシーのどのサーバーでも起動できません",
        },
        cause: Text {
            en: "Every server of the failover policy is lost or kept out; status.notOn says why for \
                 each.",
            ja: "フェイルオーバーポリシーの全サーバーが失われているか、除外されています。理由はサー\
                 バーごとに status.notOn にあります。",
        },
        remedy: Text {
            en: "Repair a server and return it: stead server return SERVER.",
            ja: "サーバーを修復し、stead server return SERVER で復帰させてください。",
        },
    },
    Entry {
        id: "NoOtherServer",
        severity: Severity::Error,
        text: Text {
            en: "{message}; no other server can take it",
            ja: "{message}。引き継げるサーバーが他にありません",
        },
        cause: Text {
            en: "The group should leave its server, but every other server of its policy is lost, \
                 kept out, or could not start it.",
            ja: "グループは移動すべきですが、ポリシーの他のサーバーはすべて失われているか、除外され\
                 ているか、起動に失敗しています。",
        },
        remedy: Text {
            en: "Repair what the message names, or another server; status.notOn says why for each.",
            ja: "メッセージの原因、または他のサーバーを修復してください。理由はサーバーごとに statu\
                 s.notOn にあります。",
        },
    },
    Entry {
        id: "TargetNotAvailable",
        severity: Severity::Warning,
        text: Text {
            en: "{server} can't take it: {message}",
            ja: "{server} では起動できません: {message}",
        },
        cause: Text {
            en: "An operation wants the group on a server that can't run it now.",
            ja: "操作で指定されたサーバーでは、いまグループを起動できません。",
        },
        remedy: Text {
            en: "Repair or return the server, or move the group to another.",
            ja: "サーバーを修復または復帰させるか、別のサーバーへ移動してください。",
        },
    },
    Entry {
        id: "FailoverDamped",
        severity: Severity::Error,
        text: Text {
            en: "{message}; it stays, for it failed over {count} times within {window}",
            ja: "{message}。{window} 以内に {count} 回フェイルオーバーしたため、移動しません",
        },
        cause: Text {
            en: "The group failed over spec.guards.failoversMax times within failoverWindow. A \
                 further failover would most likely not help either.",
            ja: "failoverWindow 以内に spec.guards.failoversMax 回フェイルオーバーしました。さらに\
                 移動しても解決しない可能性が高い状態です。",
        },
        remedy: Text {
            en: "Find the fault that follows the group from server to server; stead group failover \
                 NAME moves it all the same.",
            ja: "サーバーを移っても続く障害の原因を調べてください。stead group failover NAME で移動\
                 はできます。",
        },
    },
    Entry {
        id: "ActivationFailoversUsed",
        severity: Severity::Error,
        text: Text {
            en: "{message}; its activation failovers ({count}) are used up",
            ja: "{message}。起動失敗によるフェイルオーバー回数 ({count}) を使い切りました",
        },
        cause: Text {
            en: "A resource could not be activated on as many servers as activation.failovers \
                 allows.",
            ja: "リソースの起動失敗が activation.failovers の回数に達しました。",
        },
        remedy: Text {
            en: "Repair the resource, then stead group restart NAME.",
            ja: "リソースを修復し、stead group restart NAME を実行してください。",
        },
    },
    Entry {
        id: "BlockedByStopFailure",
        severity: Severity::Error,
        text: Text {
            en: "could not be stopped on {server}, so it starts nowhere else: {message}",
            ja: "{server} で停止できないため、他では起動しません: {message}",
        },
        cause: Text {
            en: "A resource did not stop within its time-out and tries, so it may still be active.",
            ja: "リソースが制限時間と再試行の範囲で停止せず、まだ動作している可能性があります。",
        },
        remedy: Text {
            en: "End what the message names, then stead group stop NAME tries again.",
            ja: "メッセージの対象を終了させてから、stead group stop NAME で再試行してください。",
        },
    },
    Entry {
        id: "WaitingForRelease",
        severity: Severity::Information,
        text: Text { en: "is being stopped on {server}", ja: "{server} で停止処理中です" },
        cause: Text {
            en: "The group is being deactivated.", ja: "グループの停止処理中です。"
        },
        remedy: Text {
            en: "Nothing; stead status shows each resource.",
            ja: "対処は不要です。各リソースは stead status で確認できます。",
        },
    },
    Entry {
        id: "WaitingForActivation",
        severity: Severity::Information,
        text: Text { en: "is being started on {server}", ja: "{server} で起動処理中です" },
        cause: Text {
            en: "The group is being activated.", ja: "グループの起動処理中です。"
        },
        remedy: Text {
            en: "Nothing; stead status shows each resource.",
            ja: "対処は不要です。各リソースは stead status で確認できます。",
        },
    },
    Entry {
        id: "OutsidePolicy",
        severity: Severity::Warning,
        text: Text {
            en: "{server} is not in its policy any more; it stays there until it is moved",
            ja: "{server} はポリシーから外れましたが、移動するまでそこに留まります",
        },
        cause: Text {
            en: "The failover policy was changed while the group was active on a server that it no \
                 longer lists.",
            ja: "グループが動作しているサーバーが、フェイルオーバーポリシーから外されました。",
        },
        remedy: Text {
            en: "Move it when it suits: stead group move NAME.",
            ja: "都合のよいときに stead group move NAME で移動してください。",
        },
    },
    Entry {
        id: "WaitingForDeletion",
        severity: Severity::Information,
        text: Text { en: "is being deleted", ja: "削除中です" },
        cause: Text {
            en: "The object was deleted and is being deactivated first.",
            ja: "オブジェクトは削除され、先に停止処理が行われています。",
        },
        remedy: Text { en: "Nothing.", ja: "対処は不要です。" },
    },
    Entry {
        id: "NotInPolicy",
        severity: Severity::Information,
        text: Text {
            en: "{server} is not in its failover policy",
            ja: "{server} はフェイルオーバーポリシーにありません",
        },
        cause: Text {
            en: "Only the servers that spec.servers lists run the group.",
            ja: "グループは spec.servers にあるサーバーでのみ動作します。",
        },
        remedy: Text {
            en: "Add the server to spec.servers if it may run the group.",
            ja: "そのサーバーで動作させるには spec.servers に追加してください。",
        },
    },
    Entry {
        id: "ServerNotMember",
        severity: Severity::Warning,
        text: Text {
            en: "{server} is not a member of the cluster's view",
            ja: "{server} はクラスターの現在の構成に参加していません",
        },
        cause: Text {
            en: "The server is down, can't be reached, or has not been admitted yet.",
            ja: "サーバーが停止しているか、到達できないか、まだ参加を認められていません。",
        },
        remedy: Text {
            en: "Start the server and its agent, and see that a heartbeat path works.",
            ja: "サーバーとエージェントを起動し、ハートビート経路を確認してください。",
        },
    },
    Entry {
        id: "ServerNotReturned",
        severity: Severity::Warning,
        text: Text {
            en: "{server} {message}, and has not been returned (stead server return {server})",
            ja: "{server} は復帰していません ({message})。stead server return {server} で復帰します",
        },
        cause: Text {
            en: "The server failed or was detached by hand; it runs no group before a person \
                 returns it.",
            ja: "サーバーが異常になったか、手動で切り離されました。復帰操作まではグループを起動しま\
                 せん。",
        },
        remedy: Text {
            en: "See that it is sound, then stead server return SERVER.",
            ja: "正常であることを確認し、stead server return SERVER を実行してください。",
        },
    },
    Entry {
        id: "ServerUnfit",
        severity: Severity::Warning,
        text: Text {
            en: "{server} can start nothing: {message}",
            ja: "{server} では何も起動できません: {message}",
        },
        cause: Text {
            en: "The server's agent says that it can't start groups now.",
            ja: "サーバーのエージェントが、いまはグループを起動できないと報告しています。",
        },
        remedy: Text {
            en: "Repair what the message names; it passes by itself then.",
            ja: "メッセージの原因を取り除いてください。その後は自動的に解消します。",
        },
    },
    Entry {
        id: "ActivationFailedThere",
        severity: Severity::Warning,
        text: Text {
            en: "it could not be started on {server}: {message}",
            ja: "{server} で起動に失敗しました: {message}",
        },
        cause: Text {
            en: "An activation failed there since the group was last online.",
            ja: "グループが最後に正常だった時より後に、そこで起動に失敗しました。",
        },
        remedy: Text {
            en: "Repair the resource there; a group that comes online elsewhere forgets the \
                 failure.",
            ja: "そのサーバーのリソースを修復してください。他で正常に起動すると、この失敗は忘れられ\
                 ます。",
        },
    },
    Entry {
        id: "OtherServerPreferred",
        severity: Severity::Information,
        text: Text {
            en: "{other} comes before {server} in its policy",
            ja: "ポリシーでは {other} が {server} より優先です",
        },
        cause: Text {
            en: "The group runs on a server that its policy prefers.",
            ja: "グループはポリシーで優先されるサーバーで動作しています。",
        },
        remedy: Text {
            en: "Nothing; stead group move NAME --to SERVER moves it.",
            ja: "対処は不要です。移動するには stead group move NAME --to SERVER を使います。",
        },
    },
    Entry {
        id: "FailbackManual",
        severity: Severity::Information,
        text: Text {
            en: "it runs on {other} and goes back to {server} by operation only",
            ja: "{other} で動作中で、{server} へは手動でのみ戻ります",
        },
        cause: Text {
            en: "The server comes earlier in the policy, but the group's failback attribute is \
                 Manual.",
            ja: "そのサーバーはポリシーで優先ですが、グループのフェイルバック属性が Manual です。",
        },
        remedy: Text {
            en: "Move it when it suits: stead group move NAME --to SERVER.",
            ja: "都合のよいときに stead group move NAME --to SERVER で戻してください。",
        },
    },
    Entry {
        id: "RunsElsewhere",
        severity: Severity::Information,
        text: Text { en: "it runs on {other}", ja: "{other} で動作中です" },
        cause: Text {
            en: "The server was available when the group was placed elsewhere by an operation or a \
                 recovery.",
            ja: "操作または復旧処理で他に配置されたとき、そのサーバーは使用可能でした。",
        },
        remedy: Text {
            en: "Nothing; stead group move NAME --to SERVER moves it.",
            ja: "対処は不要です。移動するには stead group move NAME --to SERVER を使います。",
        },
    },
    Entry {
        id: "RunsNowhere",
        severity: Severity::Information,
        text: Text { en: "it runs nowhere", ja: "どこでも動作していません" },
        cause: Text {
            en: "The group is stopped or waits; its own message says why.",
            ja: "グループは停止中または待機中です。理由はグループのメッセージにあります。",
        },
        remedy: Text {
            en: "See the group's message.",
            ja: "グループのメッセージを確認してください。",
        },
    },
    Entry {
        id: "HolderUnknown",
        severity: Severity::Warning,
        text: Text {
            en: "it is not certain where it runs",
            ja: "どこで動作しているか確定していません",
        },
        cause: Text {
            en: "A server that is not heard may still run the group.",
            ja: "応答のないサーバーでまだ動作している可能性があります。",
        },
        remedy: Text {
            en: "See WaitingForTakeover.",
            ja: "WaitingForTakeover を参照してください。",
        },
    },
    Entry {
        id: "OperationPending",
        severity: Severity::Information,
        text: Text { en: "{message}", ja: "{message}" },
        cause: Text { en: "The operation has not begun.", ja: "操作は未着手です。" },
        remedy: Text { en: "Nothing.", ja: "対処は不要です。" },
    },
    Entry {
        id: "OperationRunning",
        severity: Severity::Information,
        text: Text { en: "{message}", ja: "{message}" },
        cause: Text { en: "The operation is under way.", ja: "操作は実行中です。" },
        remedy: Text { en: "Nothing.", ja: "対処は不要です。" },
    },
    Entry {
        id: "OperationSucceeded",
        severity: Severity::Information,
        text: Text { en: "{message}", ja: "{message}" },
        cause: Text { en: "The operation is done.", ja: "操作は完了しました。" },
        remedy: Text { en: "Nothing.", ja: "対処は不要です。" },
    },
    Entry {
        id: "OperationFailed",
        severity: Severity::Error,
        text: Text { en: "{message}", ja: "{message}" },
        cause: Text {
            en: "The operation could not be done.", ja: "操作は実行できませんでした。"
        },
        remedy: Text {
            en: "The message says what stood in the way; make a new operation when that is \
                 repaired.",
            ja: "原因はメッセージにあります。取り除いてから、新しい操作を行ってください。",
        },
    },
    Entry {
        id: "OperationSuperseded",
        severity: Severity::Warning,
        text: Text { en: "{message}", ja: "{message}" },
        cause: Text {
            en: "A later operation on the same object took its place.",
            ja: "同じオブジェクトへの後の操作に置き換えられました。",
        },
        remedy: Text {
            en: "Nothing, or make a new operation.",
            ja: "対処は不要です。必要なら新しい操作を行ってください。",
        },
    },
];

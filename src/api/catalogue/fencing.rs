//! Fencing: lost servers that are switched off, and the ability to do so.

use super::Severity::{Error, Information, Warning};
use super::{Entry, entry};

/// The table.
pub const ENTRIES: &[Entry] = &[
    entry(
        "ServerFencing",
        Warning,
        [
            "{server} is being fenced, beginning in {delay}: {groups}",
            "{server} を強制停止します ({delay} 後に開始): {groups}",
        ],
        [
            "The server is not heard and may hold what is to start elsewhere, or a person asked for \
             it. The groups, or the reason, are named.",
            "応答のないサーバーが、他で起動すべきグループを保持している可能性があります。または手動の要求です。",
        ],
        [
            "Nothing. ServerFenced or FencingFailed says how it ended.",
            "対処は不要です。結果は ServerFenced または FencingFailed で通知されます。",
        ],
    ),
    entry(
        "ServerFenced",
        Warning,
        [
            "{server} is certainly off after {took}: {methods} says: {message}",
            "{server} の停止を確認しました ({took}): {methods}: {message}",
        ],
        [
            "Every method that must confirm has confirmed. The server's groups may start elsewhere.",
            "必要な全ての方式が停止を確認しました。サーバーのグループは他で起動できます。",
        ],
        [
            "Find out why the server failed, switch it on, then: stead server return SERVER.",
            "障害の原因を調べて電源を入れ、stead server return SERVER を実行してください。",
        ],
    ),
    entry(
        "FencingTryFailed",
        Warning,
        [
            "{method} has not fenced {server} (try {attempt} of {attempts}): {message}",
            "{method} は {server} の強制停止に失敗しました ({attempt}/{attempts} 回目): {message}",
        ],
        [
            "A script or agent said no, said something odd, or said nothing in time. That is never \
             taken for a confirmation.",
            "スクリプトまたはエージェントの失敗、想定外の応答、無応答です。停止とはみなしません。",
        ],
        [
            "The next try, or the next method, follows by itself. The method's log is \
             fence.METHOD.SERVER.monitor.log under /var/lib/stead/log.",
            "次の試行または次の方式に自動で進みます。ログは /var/lib/stead/log の \
             fence.METHOD.SERVER.monitor.log です。",
        ],
    ),
    entry(
        "FencingFailed",
        Error,
        [
            "{server} could not be fenced and may still run: {message}",
            "{server} を強制停止できません。動作中の可能性があります: {message}",
        ],
        [
            "Every method of every level failed or could not tell. It is tried again and again.",
            "全ての方式が失敗したか、結果が不明です。再試行を続けます。",
        ],
        [
            "Repair what the methods name. Or switch the server off by hand, make sure that it is \
             off, and say so: stead server confirm-down SERVER --certify.",
            "表示された原因を取り除いてください。または手動で電源を切って確認し、\
             stead server confirm-down SERVER --certify を実行してください。",
        ],
    ),
    entry(
        "FencingOverridden",
        Error,
        [
            "{server} could not be fenced and is taken over from all the same: {message}",
            "{server} を強制停止できないまま引き継ぎます: {message}",
        ],
        [
            "Every method failed, and fencing.onFailure is Continue. Once the server's time is over \
             its groups start elsewhere; it may run them still.",
            "全ての方式が失敗しましたが、fencing.onFailure が Continue のため引き継ぎます。両系活性の恐れがあります。",
        ],
        [
            "Make sure at once that the server is off. Set onFailure: Block if two copies must never \
             run.",
            "直ちにサーバーの停止を確認してください。両系活性が許されない場合は onFailure: Block にします。",
        ],
    ),
    entry(
        "TakeoverBlocked",
        Error,
        [
            "{group} is not taken over: {server} may still run it and could not be fenced",
            "{group} を引き継げません: {server} で動作中の可能性があり、強制停止できません",
        ],
        [
            "Nothing but fencing frees the groups of a server that is not heard, and fencing failed.",
            "応答のないサーバーのグループは強制停止によってのみ解放されますが、失敗しました。",
        ],
        [
            "stead why SERVER shows what each method said. When the server is certainly off: \
             stead server confirm-down SERVER --certify.",
            "stead why SERVER で各方式の結果を確認してください。停止が確実なら \
             stead server confirm-down SERVER --certify を実行します。",
        ],
    ),
    entry(
        "ServerConfirmedDown",
        Warning,
        [
            "a person certified that {server} is down",
            "{server} が停止していることを操作者が保証しました",
        ],
        [
            "stead server confirm-down was used: the server counts as fenced in this view.",
            "stead server confirm-down により、強制停止されたものとして扱います。",
        ],
        [
            "Do not switch the server on with its network cut. When it is repaired: stead server \
             return SERVER.",
            "ネットワークが切れたまま電源を入れないでください。修復後は stead server return SERVER を実行します。",
        ],
    ),
    entry(
        "FencedServerHeard",
        Error,
        [
            "{server} was confirmed to be off, and its agent is heard all the same",
            "停止を確認したはずの {server} のエージェントから応答があります",
        ],
        [
            "A method of fencing said that the server is off while the same run of its agent goes on \
             living: a script that lies, or parameters that name another machine.",
            "停止したはずのサーバーが動作を続けています。スクリプトの誤り、または別の機器を指す設定です。",
        ],
        [
            "Stop the groups that run twice, then correct the method: stead describe cluster, \
             docs/fencing.md.",
            "二重に動作するグループを停止し、方式の設定を直してください。docs/fencing.md を参照してください。",
        ],
    ),
    entry(
        "FencingUnable",
        Warning,
        [
            "{server} could not fence {target} by {method}: {message}",
            "{server} は {method} で {target} を強制停止できません: {message}",
        ],
        [
            "The periodic check failed: wrong credentials, an unreachable device, a missing or \
             misspelt program or parameter.",
            "定期確認の失敗です。認証情報の誤り、機器への接続不可、プログラムや設定値の誤りなどです。",
        ],
        [
            "Repair it now: when the server is lost, its groups would not be taken over.",
            "直ちに修復してください。このままではサーバー障害時にグループを引き継げません。",
        ],
    ),
    entry(
        "FencingAble",
        Information,
        [
            "{server} can fence {target} by {method} again",
            "{server} は {method} で {target} を強制停止できるようになりました",
        ],
        ["The periodic check succeeds again.", "定期確認が再び成功しました。"],
        ["Nothing.", "対処は不要です。"],
    ),
    entry(
        "FencingReady",
        Information,
        ["{server} can fence every other server", "{server} は他の全サーバーを強制停止できます"],
        ["Every method's check succeeded.", "全ての方式の確認が成功しています。"],
        ["Nothing.", "対処は不要です。"],
    ),
    entry(
        "FencingUnchecked",
        Information,
        [
            "{server} has not checked every method of fencing yet",
            "{server} は全ての強制停止方式をまだ確認していません",
        ],
        [
            "The agent has just started, or the methods were just changed.",
            "エージェントの起動直後、または設定の変更直後です。",
        ],
        ["Wait for the first checks.", "最初の確認をお待ちください。"],
    ),
    entry(
        "WaitingForFencing",
        Warning,
        [
            "waits until {server}, which may still run it, is certainly off",
            "動作中の可能性がある {server} の停止確認を待っています",
        ],
        [
            "A server that is not heard may hold the group; it is being fenced.",
            "応答のないサーバーがグループを保持している可能性があり、強制停止中です。",
        ],
        ["Nothing.", "対処は不要です。"],
    ),
    entry(
        "WaitingForFencingFailed",
        Error,
        [
            "{server} may still run it and could not be fenced: {message}",
            "{server} で動作中の可能性があり、強制停止できません: {message}",
        ],
        [
            "Nothing but fencing frees the group, and every method failed.",
            "強制停止によってのみ解放されますが、全ての方式が失敗しました。",
        ],
        [
            "Repair what the methods name, or switch the server off, make sure, and: stead server \
             confirm-down SERVER --certify.",
            "原因を取り除くか、電源を切って確認のうえ stead server confirm-down SERVER --certify を実行します。",
        ],
    ),
    entry(
        "FencingNotConfigured",
        Error,
        ["{server} can't be fenced", "{server} は強制停止できません"],
        ["The Cluster has no `spec.fencing`.", "Cluster に `spec.fencing` がありません。"],
        [
            "Write it; docs/fencing.md shows how.",
            "設定してください。書き方は docs/fencing.md にあります。",
        ],
    ),
    entry(
        "SecretInManifest",
        Error,
        ["{field} holds a secret", "{field} に秘密情報が書かれています"],
        [
            "No object holds a secret: whoever may read the cluster would read it, and it would be \
             on every server's disk and in every backup.",
            "秘密情報はオブジェクトに書けません。閲覧者やバックアップから読まれてしまいます。",
        ],
        [
            "Put it in a file of mode 0600 on each server and name that: secrets, by \
             its path.",
            "各サーバーの権限 0600 のファイルに置き、secrets にそのパスを書いてください。",
        ],
    ),
    entry(
        "FencingParameter",
        Error,
        ["{field} can't be passed on", "{field} は渡せません"],
        [
            "Parameters go to the method line by line as NAME=VALUE, and `action`, `mode`, `server` \
             and `nodename` are said by the cluster itself.",
            "パラメーターは 名前=値 の行で渡され、action、mode、server、nodename は予約されています。",
        ],
        ["Correct the name or value.", "名前または値を直してください。"],
    ),
    entry(
        "FencingTargetMissing",
        Error,
        [
            "a method does not say which machine {server} is",
            "{server} がどの機器かが指定されていません",
        ],
        [
            "A fence agent is told by its parameters which machine to switch off; a server without \
             any could never be fenced, or the wrong one would be.",
            "フェンスエージェントにはサーバーごとの対象指定が必要です。",
        ],
        [
            "Add the server to the method's perServer, with its plug, port, or address.",
            "方式の perServer にサーバーを追加し、plug や port、アドレスを指定してください。",
        ],
    ),
    entry(
        "FencingSameTarget",
        Error,
        ["two servers are the same machine to a method", "二つのサーバーが同じ機器を指しています"],
        [
            "Two entries of perServer hold the same parameters: fencing one server would switch off \
             another.",
            "perServer の二つの項目が同じ内容です。別のサーバーを停止してしまいます。",
        ],
        ["Correct the entry.", "項目を直してください。"],
    ),
    entry(
        "FencingUnsafe",
        Warning,
        ["what can't be fenced is taken over all the same", "強制停止できなくても引き継ぐ設定です"],
        [
            "onFailure is Continue, and the arbiter lets several parts act: when fencing fails, two \
             servers may run one group.",
            "onFailure が Continue で、裁定方式が排他的ではないため、両系活性が起こり得ます。",
        ],
        [
            "Set onFailure: Block, or choose an exclusive arbiter.",
            "onFailure: Block にするか、排他的な裁定方式を選んでください。",
        ],
    ),
    entry(
        "FencingSlow",
        Warning,
        ["fencing may take long", "強制停止に長い時間がかかる可能性があります"],
        [
            "Where nothing answers, every level with its time-outs and tries comes before the \
             takeover, and with onFailure: Block there is none.",
            "応答がない場合、全ての方式のタイムアウトと再試行の後に引き継ぎが行われます。",
        ],
        [
            "Shorten time-outs and retries, or give the methods of one level to be used at once.",
            "タイムアウトと再試行を減らすか、同じ段で並行に実行してください。",
        ],
    ),
    entry(
        "FencingStartupShort",
        Warning,
        ["a server that boots alone fences soon", "単独で起動したサーバーがすぐ強制停止を行います"],
        [
            "A fenced server that boots with its network cut waits `startup.waitForServers` for the \
             others, and then fences them in turn.",
            "ネットワークが切れたまま起動したサーバーは、waitForServers の後に相手を強制停止します。",
        ],
        [
            "Make waitForServers longer than a machine takes to boot, 60s at least.",
            "waitForServers を機器の起動時間より長く、60s 以上にしてください。",
        ],
    ),
    entry(
        "FencingWatchdogUnsafe",
        Error,
        [
            "a watchdog proves nothing under an arbiter that is not exclusive",
            "排他的でない調停では、ウォッチドッグは何も証明しません",
        ],
        [
            "The watchdog resets a server that has lost its lease. Under Ping, HTTP, Serial, monitors or \
             None a server that is cut off may keep its lease by itself.",
            "ウォッチドッグはリースを失ったサーバーをリセットします。排他的でない調停では、孤立した\
             サーバーが自力でリースを保つことがあります。",
        ],
        [
            "Use an exclusive arbiter (Majority, Lease, Disk), or another method.",
            "排他的な調停 (Majority, Lease, Disk) か、他の方式を使用してください。",
        ],
    ),
    entry(
        "FencingWatchdogOff",
        Error,
        ["no watchdog is ever armed", "ウォッチドッグは有効になりません"],
        [
            "A method of type Watchdog waits for a device, and spec.watchdog.mode has none used.",
            "Watchdog 方式は装置を待ちますが、spec.watchdog.mode が装置を使わせません。",
        ],
        [
            "Set spec.watchdog.mode to Automatic or Required, or remove the method.",
            "spec.watchdog.mode を Automatic か Required にするか、この方式を外してください。",
        ],
    ),
    entry(
        "FencingWatchdogNeedless",
        Warning,
        ["the watchdog method changes nothing", "Watchdog 方式は何も変えません"],
        [
            "With takeover: FencedOrTime a lost server is free when its selfFence is over, armed or not.",
            "takeover: FencedOrTime では、selfFence が過ぎればサーバーは解放されます。",
        ],
        [
            "Set spec.fencing.takeover to Fenced, or remove the method.",
            "spec.fencing.takeover を Fenced にするか、この方式を外してください。",
        ],
    ),
];

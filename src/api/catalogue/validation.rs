//! What is wrong with a manifest.
//!
//! The problem itself says what was found and what would be right; these say why it matters.

use super::Severity::{Error, Warning};
use super::{Entry, entry};

/// The table.
pub const ENTRIES: &[Entry] = &[
    entry(
        "UnknownField",
        Error,
        ["unknown field {field}", "未知の項目 {field}"],
        [
            "The manifest names a field that the kind does not have, most often a slip of the pen.",
            "その種別に存在しない項目です。多くは綴りの誤りです。",
        ],
        [
            "Correct the name; docs/kinds.md lists every field.",
            "名前を直してください。全項目は docs/kinds.md にあります。",
        ],
    ),
    entry(
        "MissingField",
        Error,
        ["{field} is missing", "{field} がありません"],
        ["A field without a default is not written.", "既定値のない必須項目が書かれていません。"],
        [
            "Write it; docs/kinds.md says what it means.",
            "追加してください。意味は docs/kinds.md にあります。",
        ],
    ),
    entry(
        "WrongType",
        Error,
        ["{field} has the wrong type", "{field} の型が誤りです"],
        [
            "A list, an object, a string, an integer or a truth value stands where another is needed.",
            "リスト、オブジェクト、文字列、整数、真偽値の取り違えです。",
        ],
        [
            "Write what the text says; strings that look like numbers need quotes.",
            "文中の型で書いてください。数字に見える文字列は引用符で囲みます。",
        ],
    ),
    entry(
        "InvalidValue",
        Error,
        ["{field} has a value that it can't have", "{field} の値は使用できません"],
        [
            "The value is not one of those listed, or holds a character that can't stand there.",
            "一覧にない値、または使えない文字です。",
        ],
        [
            "Choose one of those listed; upper and lower case differ.",
            "一覧から選んでください。大文字と小文字は区別されます。",
        ],
    ),
    entry(
        "OutOfBounds",
        Error,
        ["{field} is out of bounds", "{field} が範囲外です"],
        [
            "The number or duration is smaller or greater than possible.",
            "数値または時間が許容範囲の外です。",
        ],
        [
            "Choose a value within the bounds that the text shows.",
            "文中の範囲内の値にしてください。",
        ],
    ),
    entry(
        "WrongLength",
        Error,
        ["{field} is too short or too long", "{field} の長さが不正です"],
        ["The string has too few or too many characters.", "文字数が範囲外です。"],
        ["Shorten it, or write something.", "文字数を調整してください。"],
    ),
    entry(
        "WrongCount",
        Error,
        ["{field} has too few or too many entries", "{field} の個数が不正です"],
        ["The list or object has too few or too many entries.", "要素の数が範囲外です。"],
        ["Add or remove entries.", "要素を増減してください。"],
    ),
    entry(
        "InvalidName",
        Error,
        ["{field} is not a name", "{field} は名前として使えません"],
        [
            "Names of objects and servers are DNS labels.",
            "オブジェクトやサーバーの名前は DNS ラベルです。",
        ],
        [
            "Use lower-case letters, digits and `-`, at most 63.",
            "英小文字、数字、`-` を 63 文字以内で使ってください。",
        ],
    ),
    entry(
        "InvalidDuration",
        Error,
        ["{field} is not a duration", "{field} は時間として読めません"],
        [
            "A duration is a number with a unit, such as 500ms, 90s or 1m30s.",
            "時間は 500ms、90s、1m30s のように単位付きで書きます。",
        ],
        ["Add the unit.", "単位を付けてください。"],
    ),
    entry(
        "InvalidAddress",
        Error,
        ["{field} is not an address", "{field} はアドレスではありません"],
        [
            "The value is not an IPv4 or IPv6 address of one machine.",
            "1 台を示す IPv4/IPv6 アドレスではありません。",
        ],
        [
            "Write an address, not a name or a network.",
            "名前やネットワークではなくアドレスを書いてください。",
        ],
    ),
    entry(
        "InvalidCommand",
        Error,
        ["{field} can't be run", "{field} は実行できません"],
        [
            "The program is empty, or a path is not absolute.",
            "プログラムが空か、絶対パスではありません。",
        ],
        [
            "Write the program first, then its arguments.",
            "先頭にプログラム、続けて引数を書いてください。",
        ],
    ),
    entry(
        "InvalidMetadata",
        Error,
        ["{field} is not allowed", "{field} は使用できません"],
        [
            "Labels and annotations follow the rules of Kubernetes.",
            "ラベルと注釈は Kubernetes の規則に従います。",
        ],
        ["Change the key or value as the text says.", "文に従ってキーまたは値を直してください。"],
    ),
    entry(
        "WrongNamespace",
        Error,
        ["the namespace is not that of this cluster", "名前空間が異なります"],
        [
            "The embedded store has one namespace, default.",
            "組み込みストアの名前空間は default だけです。",
        ],
        ["Leave metadata.namespace out.", "metadata.namespace を省いてください。"],
    ),
    entry(
        "UnionMemberMissing",
        Error,
        ["{field} is missing for this type", "この type に必要な {field} がありません"],
        [
            "The member that is named as the type holds its settings.",
            "type と同じ名前の項目に設定を書きます。",
        ],
        ["Add it.", "追加してください。"],
    ),
    entry(
        "UnionMemberUnexpected",
        Error,
        ["{field} belongs to another type", "{field} は別の type の項目です"],
        [
            "Only the member that is named as the type may be given.",
            "type と同じ名前の項目だけを書けます。",
        ],
        ["Remove it, or change the type.", "削除するか、type を変更してください。"],
    ),
    entry(
        "DuplicateEntry",
        Error,
        ["{field} is listed twice", "{field} が重複しています"],
        [
            "Each entry of this list may stand there once.",
            "この一覧では同じ要素を一度だけ書けます。",
        ],
        ["Remove one of the two.", "一方を削除してください。"],
    ),
    entry(
        "DuplicateKey",
        Error,
        ["{field} is written twice", "{field} が二重に書かれています"],
        [
            "One object has the same member twice; a reader would keep only one of the two.",
            "同じ項目が二度書かれ、一方が失われます。",
        ],
        ["Remove one of the two.", "一方を削除してください。"],
    ),
    entry(
        "DuplicateObject",
        Error,
        ["the object is written twice", "オブジェクトが重複しています"],
        ["Two documents have the same kind and name.", "種別と名前が同じ文書が二つあります。"],
        ["Remove one, or rename it.", "一方を削除するか、名前を変えてください。"],
    ),
    entry(
        "ImmutableField",
        Error,
        ["{field} can't be changed", "{field} は変更できません"],
        [
            "Its change class is Immutable: what runs depends on it.",
            "変更区分が Immutable で、動作中の構成が依存しています。",
        ],
        [
            "Delete the object and make it anew, or leave the field as it is.",
            "オブジェクトを作り直すか、元の値に戻してください。",
        ],
    ),
    entry(
        "RuleBroken",
        Error,
        ["{field} breaks a rule of its kind", "{field} は種別の規則に反します"],
        ["A CEL rule of the CRD says so.", "CRD の CEL 規則による検査です。"],
        ["Do as the text says.", "文に従ってください。"],
    ),
    entry(
        "MalformedManifest",
        Error,
        ["the file can't be read: {error}", "ファイルを読めません: {error}"],
        [
            "The file is not YAML or JSON, or not a document with apiVersion and kind.",
            "YAML/JSON ではないか、apiVersion と kind がありません。",
        ],
        [
            "Correct the line that is named; indentation and quotes are the usual causes.",
            "示された行を直してください。多くは字下げと引用符です。",
        ],
    ),
    entry(
        "NotUtf8",
        Error,
        ["the file is not UTF-8", "ファイルが UTF-8 ではありません"],
        ["The file was saved in another encoding.", "別の文字コードで保存されています。"],
        ["Save it as UTF-8.", "UTF-8 で保存してください。"],
    ),
    entry(
        "ObjectTooLarge",
        Error,
        ["the object is too large", "オブジェクトが大きすぎます"],
        ["An object may have 1 MiB and 100,000 values.", "上限は 1 MiB、値 100,000 個です。"],
        [
            "Keep scripts and data in files on the servers, and name them in the manifest.",
            "スクリプトやデータはサーバー上のファイルに置いてください。",
        ],
    ),
    entry(
        "NestedTooDeep",
        Error,
        ["the document is nested too deep", "入れ子が深すぎます"],
        ["Lists and objects may be nested 64 levels deep.", "入れ子の上限は 64 段です。"],
        ["Look for a bracket that is never closed.", "閉じていない括弧がないか確認してください。"],
    ),
    entry(
        "TooManyAliases",
        Error,
        ["aliases make the document too large", "エイリアスの展開が大きすぎます"],
        [
            "YAML aliases that repeat each other grow without bound, or repeat themselves.",
            "エイリアスが際限なく展開されるか、自分自身を含みます。",
        ],
        ["Write the values out.", "値を直接書いてください。"],
    ),
    entry(
        "UnknownKind",
        Error,
        ["the kind is unknown", "未知の種別です"],
        [
            "There are Cluster, Server, FailoverGroup, Resource, Monitor and Operation.",
            "種別は Cluster、Server、FailoverGroup、Resource、Monitor、Operation です。",
        ],
        [
            "Correct the kind, or apply the object where it belongs.",
            "種別を直すか、適切な適用先に変えてください。",
        ],
    ),
    entry(
        "UnknownVersion",
        Error,
        ["the apiVersion is not served", "apiVersion が異なります"],
        [
            "Objects of this release have apiVersion stead.dev/v1alpha1.",
            "この版の apiVersion は stead.dev/v1alpha1 です。",
        ],
        ["Correct it.", "直してください。"],
    ),
    entry(
        "VersionMissing",
        Error,
        ["{field} is missing", "{field} がありません"],
        [
            "An update says which version of the object it was made from.",
            "更新には元のオブジェクトの版が必要です。",
        ],
        [
            "Get the object, change it, and send it whole.",
            "取得したオブジェクトを変更して送ってください。",
        ],
    ),
    entry(
        "PlatformCannot",
        Error,
        [
            "what the servers run on does not offer that",
            "サーバーの動作環境では利用できない機能です",
        ],
        [
            "Clouds route by their own tables and give no access to serial lines or to a machine's \
             management controller: it would be configured and not work.",
            "クラウドでは ARP による経路の切り替え、シリアル回線、管理コントローラは利用できません。",
        ],
        [
            "Use what the text names. Where it works all the same, say so with the reason in \
             spec.platform.exceptions of the Cluster; spec.platform.type: Other rules nothing out.",
            "文中の代替を使うか、動作する理由を Cluster の spec.platform.exceptions に書いてください。\
             spec.platform.type: Other では制限しません。",
        ],
    ),
    entry(
        "NoCluster",
        Error,
        ["there is no Cluster", "Cluster がありません"],
        [
            "A cluster's objects hold exactly one Cluster.",
            "Cluster オブジェクトはちょうど一つ必要です。",
        ],
        ["Add the Cluster to what is applied.", "Cluster を追加してください。"],
    ),
    entry(
        "SeveralClusters",
        Error,
        ["there is more than one Cluster", "Cluster が複数あります"],
        [
            "A cluster's objects hold exactly one Cluster.",
            "Cluster オブジェクトはちょうど一つです。",
        ],
        ["Keep one; another cluster has its own servers and store.", "一つだけ残してください。"],
    ),
    entry(
        "UnknownServer",
        Error,
        ["{field} names no server of the cluster", "{field} のサーバーは存在しません"],
        [
            "The name is not in spec.servers of the Cluster.",
            "Cluster の spec.servers にない名前です。",
        ],
        [
            "Correct the name, or add the server to the Cluster.",
            "名前を直すか、Cluster に追加してください。",
        ],
    ),
    entry(
        "UnknownGroup",
        Error,
        ["{field} names no group", "{field} のグループは存在しません"],
        ["There is no FailoverGroup of that name.", "その名前の FailoverGroup がありません。"],
        [
            "Correct the name, or apply the group first.",
            "名前を直すか、先にグループを適用してください。",
        ],
    ),
    entry(
        "UnknownResource",
        Error,
        ["{field} names no resource", "{field} のリソースは存在しません"],
        [
            "There is no Resource of that name, or not in this group.",
            "その名前の Resource がない (または同じグループにない) ためです。",
        ],
        [
            "Correct the name, or apply the resource first.",
            "名前を直すか、先にリソースを適用してください。",
        ],
    ),
    entry(
        "UnknownPath",
        Error,
        ["{field} names no heartbeat path", "{field} の経路は存在しません"],
        [
            "No server has an address on a path of that name.",
            "どのサーバーにもその経路のアドレスがありません。",
        ],
        [
            "Correct the name, or give each server an address on it.",
            "名前を直すか、各サーバーにアドレスを追加してください。",
        ],
    ),
    entry(
        "AddressMissing",
        Error,
        ["a server has no address on a path", "経路のアドレスがないサーバーがあります"],
        [
            "Every server needs an address on each heartbeat path.",
            "各サーバーに全経路のアドレスが必要です。",
        ],
        [
            "Add the address, or take the path out of spec.heartbeat.paths.",
            "アドレスを追加するか、spec.heartbeat.paths から経路を除いてください。",
        ],
    ),
    entry(
        "PathUnused",
        Warning,
        ["{field} is used for nothing", "{field} は使用されません"],
        ["spec.heartbeat.paths does not list the path.", "spec.heartbeat.paths にない経路です。"],
        [
            "Add the path there, or remove the address.",
            "経路を追加するか、アドレスを削除してください。",
        ],
    ),
    entry(
        "OnePath",
        Warning,
        ["there is one heartbeat path", "ハートビート経路が一つだけです"],
        [
            "When it fails, healthy servers lose each other.",
            "切れると、正常なサーバー同士が互いを見失います。",
        ],
        [
            "Add a second path on another network.",
            "別のネットワークに二つ目の経路を追加してください。",
        ],
    ),
    entry(
        "DependencyCycle",
        Error,
        ["resources depend on each other in a circle", "リソースの依存関係が循環しています"],
        [
            "Each waits for the next, so none would ever start.",
            "互いに待ち合い、どれも起動できません。",
        ],
        ["Remove one of the dependencies.", "依存を一つ外してください。"],
    ),
    entry(
        "DependencyOutsideGroup",
        Error,
        ["{field} is in another group", "{field} は別のグループにあります"],
        [
            "Dependencies order the resources of one group.",
            "依存関係は同じグループ内でのみ有効です。",
        ],
        [
            "Move the resource, or remove the dependency.",
            "リソースを移すか、依存を外してください。",
        ],
    ),
    entry(
        "PortConflict",
        Error,
        ["{field} is claimed twice", "{field} のポートが競合しています"],
        [
            "Two resources, or a resource and the cluster itself, claim one port on a server they share.",
            "同じサーバーで、複数のリソースまたはクラスター自身が同じポートを使います。",
        ],
        ["Choose another port.", "別のポートを使ってください。"],
    ),
    entry(
        "AddressConflict",
        Error,
        ["{field} is claimed twice", "{field} のアドレスが競合しています"],
        [
            "Two resources or servers claim one address.",
            "複数のリソースまたはサーバーが同じアドレスを使います。",
        ],
        ["Choose another address.", "別のアドレスを使ってください。"],
    ),
    entry(
        "PerServerMissing",
        Error,
        ["a server has no value of its own", "サーバー別の値がありません"],
        [
            "What differs by server is given for some servers of the group and not for all.",
            "グループの一部のサーバーにしか値がありません。",
        ],
        ["Add the entry, or a value for all.", "不足分、または共通の値を追加してください。"],
    ),
    entry(
        "TargetIsServer",
        Error,
        ["{field} is part of the cluster", "{field} はクラスターの一部です"],
        [
            "An arbiter's target that is a server or a floating address fails with what it judges.",
            "調停先がサーバー自身やフローティングアドレスでは判定になりません。",
        ],
        [
            "Choose a machine outside, such as the router.",
            "ルーターなど、クラスター外のマシンを指定してください。",
        ],
    ),
    entry(
        "MajorityOfTwo",
        Error,
        ["a majority of two never survives a loss", "2 台の過半数は 1 台の停止で失われます"],
        ["Of two votes the majority is two.", "2 票の過半数は 2 票です。"],
        [
            "Add a third server, or choose another arbiter.",
            "3 台目を追加するか、別の調停方式を選んでください。",
        ],
    ),
    entry(
        "SerialNeedsTwo",
        Error,
        ["a serial line joins two servers", "シリアル回線は 2 台用です"],
        ["The method fits clusters of two servers only.", "この方式は 2 台構成専用です。"],
        ["Choose Majority for three or more servers.", "3 台以上では Majority を選んでください。"],
    ),
    entry(
        "MirrorMissing",
        Error,
        ["there is no mirror that this method belongs to", "この方式に対応するミラーがありません"],
        ["This release has no mirror disks.", "このリリースにはミラーディスクがありません。"],
        [
            "Choose Lease, or None where both may act.",
            "Lease、または両方の動作を許すなら None を選んでください。",
        ],
    ),
    entry(
        "OnlyWitnesses",
        Error,
        ["every server is a witness", "すべてのサーバーが監視役です"],
        ["A witness votes and runs nothing.", "監視役は投票のみ行います。"],
        [
            "Leave out `role: Witness` on servers that run groups.",
            "グループを動かすサーバーから `role: Witness` を外してください。",
        ],
    ),
    entry(
        "WitnessInGroup",
        Error,
        ["a witness runs no group", "監視役はグループを動かしません"],
        ["The server votes only.", "このサーバーは投票のみ行います。"],
        ["Take it out of the group's servers.", "グループのサーバー一覧から外してください。"],
    ),
    entry(
        "ArbitrationUnsafe",
        Warning,
        ["two parts of a divided cluster may act at once", "分断時に両側が動作し得ます"],
        ["The method is not exclusive.", "この方式は排他的ではありません。"],
        [
            "Choose the recommended method, or fence lost servers.",
            "推奨方式を選ぶか、フェンシングを設定してください。",
        ],
    ),
    entry(
        "DiskTimeoutLong",
        Warning,
        [
            "the disk's time-out prolongs every takeover",
            "ディスクのタイムアウトが引き継ぎを遅らせます",
        ],
        [
            "A slot counts as dead only after twice the longer time-out.",
            "長い方のタイムアウトの 2 倍を待ちます。",
        ],
        [
            "Shorten `ioTimeout`, or accept the time shown.",
            "`ioTimeout` を短くするか、表示された時間を受け入れてください。",
        ],
    ),
    entry(
        "ArbiterUnused",
        Error,
        ["no server uses the arbiter", "どのサーバーも調停を使用しません"],
        ["It decides nothing.", "何も決定しません。"],
        ["Let servers use it, or write `type: None`.", "使用するか `type: None` としてください。"],
    ),
    entry(
        "NobodyTakesOver",
        Warning,
        ["a lost server is never taken over by time", "時間の経過では引き継がれません"],
        [
            "With `onPartition: Nothing` its services may go on for ever.",
            "`onPartition: Nothing` ではサービスが動き続け得ます。",
        ],
        ["Configure fencing, or another action.", "フェンシングまたは別の動作を設定してください。"],
    ),
    entry(
        "PartitionMonitorMissing",
        Error,
        ["no monitor ends a server that is cut off", "孤立サーバーを終了する監視がありません"],
        [
            "The method relies on partition monitors and their final action.",
            "この方式は分断監視と最終動作に依存します。",
        ],
        [
            "Add such a monitor, or choose another type.",
            "監視を追加するか別の方式を選んでください。",
        ],
    ),
    entry(
        "MajorityNotAlone",
        Error,
        ["a majority guards nothing beside alternatives", "過半数方式は代替と併用できません"],
        [
            "Where one of several answers suffices, another part goes on by another arbiter.",
            "いずれか一つで足りる場合、他方の部分が別の方式で継続します。",
        ],
        [
            "Use `rule: All`, or Majority alone.",
            "`rule: All` または Majority のみを使ってください。",
        ],
    ),
    entry(
        "WhileActiveNeedsResource",
        Error,
        ["timing and whileActive do not fit together", "timing と whileActive が合いません"],
        [
            "timing: WhileActive follows the resource that whileActive names.",
            "timing: WhileActive は whileActive のリソースに従います。",
        ],
        ["Give both, or none.", "両方書くか、どちらも省いてください。"],
    ),
    entry(
        "NeverMonitors",
        Warning,
        ["the monitor never monitors", "監視が行われません"],
        [
            "Its servers are not among those that may run the resource it follows.",
            "対象リソースを起動できるサーバーが含まれていません。",
        ],
        [
            "Correct spec.servers or spec.whileActive.",
            "spec.servers または spec.whileActive を直してください。",
        ],
    ),
    entry(
        "ExecNeedsCommand",
        Error,
        [
            "an Exec resource needs a command, or start and stop",
            "Exec には command、または start と stop が必要です",
        ],
        [
            "A supervised command and a pair of scripts exclude each other.",
            "監視付きコマンドとスクリプトの組は排他です。",
        ],
        ["Give exactly one of the two.", "どちらか一方を書いてください。"],
    ),
    entry(
        "RecoveryScriptMissing",
        Error,
        ["scriptRuns needs a script", "scriptRuns には script が必要です"],
        [
            "The ladder's first rung runs spec.recovery.script.",
            "最初の段階で spec.recovery.script を実行します。",
        ],
        [
            "Add the script, or leave scriptRuns out.",
            "script を追加するか、scriptRuns を省いてください。",
        ],
    ),
    entry(
        "RecoveryTargetNameMissing",
        Error,
        ["the recovery target's name and kind do not fit", "復旧対象の kind と name が合いません"],
        [
            "Resource and Group have a name, AllGroups and LocalServer none.",
            "Resource と Group には name が必要で、他には不要です。",
        ],
        ["Add or remove the name.", "name を追加または削除してください。"],
    ),
    entry(
        "FinalActionNeedsTarget",
        Error,
        ["the final action has nothing to stop", "最終動作の対象がありません"],
        [
            "StopResource and StopGroup need a target of that kind.",
            "StopResource と StopGroup には相応の対象が必要です。",
        ],
        ["Change the target or the action.", "対象または動作を変えてください。"],
    ),
    entry(
        "NameConflict",
        Error,
        ["{field} is claimed twice", "{field} が重複しています"],
        [
            "Two resources claim one thing outside of the cluster: they would take it from each \
             other.",
            "2 つのリソースが同じ外部の対象を奪い合います。",
        ],
        ["Change one of them.", "どちらかを変えてください。"],
    ),
    entry(
        "WrongResourceType",
        Error,
        ["{field} is a resource of another type", "{field} のリソースの type が異なります"],
        ["The monitor is for resources of one type.", "この監視は特定の type のリソース用です。"],
        [
            "Name a resource of the type that the text names.",
            "文中の type のリソースを指定してください。",
        ],
    ),
    entry(
        "ReservedName",
        Error,
        ["the name belongs to an automatic monitor", "自動モニターの名前です"],
        [
            "Names that end as those of automatic monitors take their place.",
            "自動モニターと同じ形の名前はそれを置き換えます。",
        ],
        [
            "Choose another name, or the type of the automatic monitor.",
            "別の名前にするか、同じ type にしてください。",
        ],
    ),
    entry(
        "ReservedLabel",
        Warning,
        ["the label is set by the cluster", "クラスターが設定するラベルです"],
        [
            "stead.dev/automatic marks monitors that came by themselves.",
            "stead.dev/automatic は自動モニターの印です。",
        ],
        ["Leave it out.", "省いてください。"],
    ),
    entry(
        "NowhereToGo",
        Warning,
        ["the group has nowhere to go", "グループの移動先がありません"],
        [
            "Its failover policy names one server.",
            "フェイルオーバーポリシーのサーバーが 1 台だけです。",
        ],
        [
            "Add a server, or write failover: Manual.",
            "サーバーを追加するか、failover: Manual としてください。",
        ],
    ),
    entry(
        "FieldWithoutEffect",
        Warning,
        ["{field} says nothing here", "{field} は効果がありません"],
        ["Another field makes it meaningless.", "他の項目の設定により無意味です。"],
        ["Leave it out.", "省いてください。"],
    ),
    entry(
        "OperationTargetMissing",
        Error,
        ["the operation's target is missing or wrong", "操作の対象が不足または不正です"],
        [
            "Operations on groups name a group, those on servers a server.",
            "グループの操作には group、サーバーの操作には server が必要です。",
        ],
        ["Add or remove the field.", "項目を追加または削除してください。"],
    ),
    entry(
        "FieldNotForOperation",
        Error,
        ["a field does not fit the operation", "操作に適さない項目があります"],
        [
            "machines belongs to ShutdownCluster, duration to PauseServer, which needs it.",
            "machines は ShutdownCluster、duration は PauseServer (必須) の項目です。",
        ],
        ["Add or remove the field.", "項目を追加または削除してください。"],
    ),
    entry(
        "PauseTooLong",
        Error,
        ["{field} is longer than a pause may be", "{field} は停止時間の上限を超えています"],
        [
            "While a server pauses, a real failure of it is noticed so much later.",
            "停止中は実際の障害の検出もその分遅れます。",
        ],
        [
            "Announce a shorter pause, or raise spec.heartbeat.pauseMax of the Cluster.",
            "短い時間を指定するか、Cluster の spec.heartbeat.pauseMax を増やしてください。",
        ],
    ),
    entry(
        "ServerNotInPolicy",
        Error,
        ["{field} is not in the failover policy", "{field} はポリシーにありません"],
        [
            "A group runs only on servers that its policy lists.",
            "グループはポリシーのサーバーでのみ動作します。",
        ],
        [
            "Choose one of those listed, or extend the policy.",
            "一覧から選ぶか、ポリシーに追加してください。",
        ],
    ),
];

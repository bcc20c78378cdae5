//! AWS: what manifests get wrong, and what the API, its credentials and its network do.

use super::Severity::{Error, Warning};
use super::{Entry, entry};

/// The table.
pub const ENTRIES: &[Entry] = &[
    entry(
        "AwsIdMalformed",
        Error,
        ["{field} is no id of AWS", "{field} は AWS の ID の形式ではありません"],
        [
            "Ids of AWS have a prefix and hexadecimal digits; each kind of thing has its own prefix.",
            "AWS の ID は種別ごとの接頭辞と 16 進数字から成ります。",
        ],
        ["Copy the id from the console of AWS.", "AWS の管理画面から ID を写してください。"],
    ),
    entry(
        "AwsInterfaceShared",
        Error,
        ["two servers have one network interface", "2 台のサーバーの ENI が同じです"],
        [
            "A network interface belongs to one instance: the other would never be reached.",
            "ENI は 1 つのインスタンスにしか接続できません。",
        ],
        [
            "Give each server the id of its own network interface.",
            "サーバーごとに自身の ENI ID を指定してください。",
        ],
    ),
    entry(
        "AwsVipUnreachable",
        Error,
        [
            "clients can't reach a virtual address from there",
            "その場所のクライアントは仮想 IP に到達できません",
        ],
        [
            "A virtual address is outside of the VPC: peering and the Internet do not lead to it.",
            "仮想 IP は VPC の範囲外であり、ピアリングやインターネットからは到達できません。",
        ],
        [
            "Use AwsElasticIP for the Internet, AwsDNS over peering, or a Transit Gateway.",
            "インターネットには AwsElasticIP、ピアリングには AwsDNS、または Transit Gateway を使ってく\
             ださい。",
        ],
    ),
    entry(
        "AwsRecordName",
        Error,
        ["the record's name is not written as it must be", "レコード名の書き方が誤りです"],
        [
            "Route 53 lists names in lower case with a dot at the end; another form is not found.",
            "Route 53 の名前は小文字で末尾にドットが付きます。他の形では見つかりません。",
        ],
        ["Write the name as the text shows.", "文中の形に直してください。"],
    ),
    entry(
        "AwsRecordFamily",
        Error,
        ["IPv4 and IPv6 addresses in one record", "1 つのレコードに IPv4 と IPv6 が混在しています"],
        [
            "A record of type A holds IPv4 addresses, one of type AAAA IPv6 addresses.",
            "A レコードは IPv4、AAAA レコードは IPv6 だけを持ちます。",
        ],
        [
            "Make a second resource for the other family.",
            "もう一方は別のリソースにしてください。",
        ],
    ),
    entry(
        "AwsDnsCheckedEarly",
        Warning,
        ["the name is checked before it is known", "名前が反映される前に監視が始まります"],
        [
            "A change takes up to 60 s to reach every name server, and \"not found\" is remembered.",
            "反映に最大 60 秒かかり、その間の「存在しない」応答は記憶されます。",
        ],
        ["Set spec.startDelay to 60 s or more.", "spec.startDelay を 60 秒以上にしてください。"],
    ),
    entry(
        "AwsNotBuilt",
        Error,
        [
            "this agent was built without support for AWS ({message})",
            "このエージェントは AWS 対応なしでビルドされています ({message})",
        ],
        [
            "The program was compiled without the feature `aws`.",
            "プログラムが機能 aws なしでコンパイルされました。",
        ],
        [
            "Install a package, which has it, or build with --features aws.",
            "配布パッケージを使うか、--features aws でビルドしてください。",
        ],
    ),
];

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
        ["Make a second resource for the other family.", "もう一方は別のリソースにしてください。"],
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
    entry(
        "AwsNoCredentials",
        Error,
        ["there are no credentials for AWS: {message}", "AWS の認証情報がありません: {message}"],
        [
            "No keys in the environment or in ~/.aws, and no role of the instance.",
            "環境変数、~/.aws、インスタンスのロールのいずれにも認証情報がありません。",
        ],
        [
            "Attach a role to the instance, or write keys to /root/.aws/credentials.",
            "インスタンスにロールを割り当てるか、/root/.aws/credentials にキーを書いてください。",
        ],
    ),
    entry(
        "AwsRoleMissing",
        Error,
        ["the instance has no role: {message}", "インスタンスにロールがありません: {message}"],
        [
            "The instance metadata answer 404 for credentials, and there are no keys either.",
            "メタデータの認証情報が 404 であり、キーもありません。",
        ],
        [
            "Attach the role to the instance in the console of AWS.",
            "AWS の管理画面でインスタンスに IAM ロールを割り当ててください。",
        ],
    ),
    entry(
        "AwsMetadataSlow",
        Error,
        [
            "the instance metadata do not answer: {message}",
            "インスタンスメタデータが応答しません: {message}",
        ],
        [
            "The metadata service is off, its hop limit is too small, or the machine is \
             overloaded.",
            "メタデータサービスの無効化、ホップ制限、または高負荷です。",
        ],
        [
            "curl http://169.254.169.254/latest/meta-data/ shows the delay; else use keys in a \
             file.",
            "curl http://169.254.169.254/latest/meta-data/ で遅延を確認し、必要ならキーを使ってください。",
        ],
    ),
    entry(
        "AwsCredentialsRefused",
        Error,
        ["AWS refuses the credentials: {message}", "AWS が認証情報を拒否しました: {message}"],
        [
            "The key or its secret is wrong, or belongs to another partition or a region not opted \
             in.",
            "キーの誤り、または別のパーティションや無効なリージョンのキーです。",
        ],
        [
            "Correct the keys or the region; aws sts get-caller-identity tells whose they are.",
            "キーまたはリージョンを直してください。aws sts get-caller-identity で確認できます。",
        ],
    ),
    entry(
        "AwsCredentialsExpired",
        Error,
        [
            "the credentials for AWS have expired: {message}",
            "AWS の認証情報の期限が切れています: {message}",
        ],
        ["Temporary credentials were not renewed.", "一時的な認証情報が更新されていません。"],
        [
            "Renew them, or use the instance's role, which renews itself.",
            "更新するか、自動更新されるインスタンスロールを使ってください。",
        ],
    ),
    entry(
        "AwsClockSkew",
        Error,
        [
            "this machine's clock is too far off for AWS: {message}",
            "時計のずれにより AWS が署名を拒否しました: {message}",
        ],
        [
            "A signature counts for minutes around its time. Expired temporary credentials may be \
             answered the same way.",
            "署名は時刻の前後数分だけ有効です。一時的な認証情報の期限切れでも同じ応答になることがあります。",
        ],
        [
            "Synchronise the clock, for example with chrony and 169.254.169.123.",
            "chrony などで時刻を合わせてください (169.254.169.123)。",
        ],
    ),
    entry(
        "AwsRegionUnknown",
        Error,
        ["the region is not known: {message}", "リージョンが分かりません: {message}"],
        [
            "No region in the manifest, the environment, a profile, or the instance metadata.",
            "構成、環境変数、プロファイル、メタデータのどれにもリージョンがありません。",
        ],
        ["Write spec.aws.region of the Cluster.", "Cluster の spec.aws.region を書いてください。"],
    ),
    entry(
        "AwsEndpointUnreachable",
        Error,
        [
            "the endpoint of AWS can't be reached: {message}",
            "AWS のエンドポイントに接続できません: {message}",
        ],
        [
            "No route, NAT, proxy or VPC endpoint leads there, or its name is not resolved. Route \
             53 has no VPC endpoint in most regions.",
            "経路、NAT、プロキシ、VPC エンドポイント、または名前解決の問題です。Route 53 は多くのリージョンで VPC エンドポイントに対応していません。",
        ],
        [
            "Check routes, security groups, network ACLs and spec.aws; curl the endpoint from the \
             server.",
            "経路、セキュリティグループ、ネットワーク ACL、spec.aws を確認してください。",
        ],
    ),
    entry(
        "AwsNoAnswer",
        Error,
        ["AWS does not answer in time: {message}", "AWS が時間内に応答しません: {message}"],
        [
            "Packets are lost on the way (NAT, filter, proxy), or this machine or the endpoint is \
             overloaded.",
            "経路 (NAT、フィルター、プロキシ) での損失、または高負荷です。",
        ],
        [
            "Check the way to the endpoint, and the load of the server.",
            "エンドポイントまでの経路とサーバーの負荷を確認してください。",
        ],
    ),
    entry(
        "AwsEndpointFailing",
        Error,
        ["the endpoint of AWS fails: {message}", "AWS のエンドポイントが異常です: {message}"],
        ["The service has trouble or is being maintained.", "サービスの障害または保守です。"],
        [
            "Look at the health page of AWS; nothing needs to be done here.",
            "AWS の稼働状況を確認してください。",
        ],
    ),
    entry(
        "AwsThrottled",
        Error,
        ["AWS refuses so many calls: {message}", "AWS の呼び出し回数の制限に達しました: {message}"],
        [
            "The account's calls in this region, by all programs together, are too many. Ours have \
             slowed down.",
            "アカウント全体の呼び出しが多すぎます。本製品は間隔を広げています。",
        ],
        [
            "Lengthen the intervals of monitors, and look who else calls.",
            "監視間隔を延ばし、他の呼び出し元を確認してください。",
        ],
    ),
    entry(
        "AwsNotAuthorized",
        Error,
        ["the credentials do not permit it: {message}", "権限がありません: {message}"],
        [
            "The policy lacks the action, or does not list the resources that the text names; or a \
             hosted zone is another account's.",
            "ポリシーに操作がないか文中の対象が含まれていない、またはホストゾーンが別のアカウントのものです。",
        ],
        [
            "Allow what the text names; stead iam-policy prints the whole policy that a manifest needs.",
            "文中の操作を許可してください。必要なポリシーは stead iam-policy で出力できます。",
        ],
    ),
    entry(
        "AwsVpcMissing",
        Error,
        ["there is no such VPC: {message}", "VPC が存在しません: {message}"],
        [
            "The id is wrong, or of another account or region.",
            "ID の誤り、または別のアカウントやリージョンです。",
        ],
        ["Correct spec.awsVirtualIP.vpcId.", "spec.awsVirtualIP.vpcId を直してください。"],
    ),
    entry(
        "AwsInterfaceMissing",
        Error,
        ["there is no such network interface: {message}", "ENI が存在しません: {message}"],
        [
            "The id is wrong, of another account or region, or the interface was deleted.",
            "ID の誤り、別のアカウントやリージョン、または削除済みです。",
        ],
        ["Correct eniId in perServer.", "perServer の eniId を直してください。"],
    ),
    entry(
        "AwsAllocationMissing",
        Error,
        ["there is no such Elastic IP address: {message}", "Elastic IP が存在しません: {message}"],
        [
            "The allocation id is wrong, of another account or region, or the address was \
             released.",
            "割り当て ID の誤り、別のアカウントやリージョン、または解放済みです。",
        ],
        [
            "Correct spec.awsElasticIP.allocationId.",
            "spec.awsElasticIP.allocationId を直してください。",
        ],
    ),
    entry(
        "AwsHostedZoneMissing",
        Error,
        ["there is no such hosted zone: {message}", "ホストゾーンが存在しません: {message}"],
        ["The id is wrong, or of another account.", "ID の誤り、または別のアカウントです。"],
        ["Correct spec.awsDNS.hostedZoneId.", "spec.awsDNS.hostedZoneId を直してください。"],
    ),
    entry(
        "AwsZoneMissing",
        Error,
        [
            "there is no such Availability Zone: {message}",
            "アベイラビリティゾーンが存在しません: {message}",
        ],
        ["The name is wrong, or of another region.", "名前の誤り、または別のリージョンです。"],
        [
            "Correct the zone in spec.awsAZ.perServer, or leave it out.",
            "spec.awsAZ.perServer のゾーンを直すか、省略してください。",
        ],
    ),
    entry(
        "AwsInstanceMissing",
        Error,
        ["there is no such instance: {message}", "インスタンスが存在しません: {message}"],
        [
            "The id is wrong, of another account or region, or the instance was terminated an hour \
             ago or more. That it is off is not certain.",
            "ID の誤り、別のアカウントやリージョン、または終了後 1 時間以上経過です。停止は確認できません。",
        ],
        [
            "Correct the id; or make sure that it is off: stead server confirm-down SERVER \
             --certify.",
            "ID を直すか、停止を確認して stead server confirm-down SERVER --certify を実行してください。",
        ],
    ),
    entry(
        "AwsStopProtected",
        Error,
        [
            "the instance may not be stopped by the API: {message}",
            "インスタンスの API 停止が禁止されています: {message}",
        ],
        ["Stop protection (disableApiStop) is on.", "停止保護 (disableApiStop) が有効です。"],
        [
            "Switch stop protection off for servers that are to be fenced.",
            "強制停止の対象では停止保護を無効にしてください。",
        ],
    ),
    entry(
        "AwsRefused",
        Error,
        ["AWS refuses it: {message}", "AWS が拒否しました: {message}"],
        ["What the text quotes is the answer of AWS.", "文中は AWS の応答です。"],
        ["Mend what the text names.", "文中の内容を修正してください。"],
    ),
    entry(
        "AwsLeaseLost",
        Error,
        [
            "this server may not change anything any more: {message}",
            "このサーバーはもう変更できません: {message}",
        ],
        [
            "Its lease passed: another server may have the group.",
            "リースが切れ、他のサーバーがグループを持つ可能性があります。",
        ],
        [
            "Nothing here; see why the server lost the others.",
            "対処は不要です。他のサーバーを失った理由を確認してください。",
        ],
    ),
    entry(
        "AwsVipInsideVpc",
        Error,
        [
            "the virtual address is inside the VPC: {message}",
            "仮想 IP が VPC の範囲内です: {message}",
        ],
        [
            "Inside of a VPC no route table can lead an address elsewhere.",
            "VPC の CIDR 内のアドレスの経路は変更できません。",
        ],
        [
            "Choose an address outside of every CIDR block of the VPC.",
            "VPC のどの CIDR にも含まれないアドレスにしてください。",
        ],
    ),
    entry(
        "AwsInterfaceElsewhere",
        Error,
        [
            "the network interface is in another VPC: {message}",
            "ENI が別の VPC にあります: {message}",
        ],
        ["Ids of two VPCs are mixed up.", "異なる VPC の ID が混在しています。"],
        [
            "Correct vpcId, or eniId in perServer.",
            "vpcId または perServer の eniId を直してください。",
        ],
    ),
    entry(
        "AwsSourceDestCheck",
        Error,
        ["Source/Dest check is on: {message}", "Source/Dest チェックが有効です: {message}"],
        [
            "The network interface would drop every packet for the virtual address.",
            "ENI が仮想 IP 宛のパケットを破棄します。",
        ],
        [
            "Run the command in the text, for each server's network interface.",
            "文中のコマンドを各サーバーの ENI に対して実行してください。",
        ],
    ),
    entry(
        "AwsRouteMissing",
        Error,
        [
            "no route table has an entry for the virtual address: {message}",
            "仮想 IP の経路がどのルートテーブルにもありません: {message}",
        ],
        [
            "Routes are changed, and never made: which tables clients use is yours to say.",
            "経路は変更されるだけで、作成はされません。",
        ],
        [
            "Make the entry in each table that clients use: aws ec2 create-route.",
            "クライアントが使う各ルートテーブルに aws ec2 create-route で追加してください。",
        ],
    ),
    entry(
        "AwsRoutesPartly",
        Error,
        [
            "not every route table could be changed: {message}",
            "一部のルートテーブルを変更できません: {message}",
        ],
        [
            "The text names each table with its reason, and those that were changed.",
            "文中は各テーブルの理由と変更済みのものです。",
        ],
        [
            "Mend what each reason names. The next start changes only what still differs.",
            "各理由を修正してください。次の起動では残りだけが変更されます。",
        ],
    ),
    entry(
        "AwsRouteChanged",
        Error,
        [
            "the route to the virtual address was changed: {message}",
            "仮想 IP の経路が変更されました: {message}",
        ],
        [
            "Somebody changed a route table, or the target is gone: another cluster with the same \
             address?",
            "ルートテーブルが変更されました。同じ仮想 IP を使う他のクラスタの可能性があります。",
        ],
        [
            "It is changed back by itself. Find out who else uses the address.",
            "自動で復旧します。他に使用している者を確認してください。",
        ],
    ),
    entry(
        "AwsAddressGone",
        Error,
        [
            "the address is not on this server any more: {message}",
            "アドレスがこのサーバーにありません: {message}",
        ],
        ["Somebody removed it from its interface.", "インターフェイスから削除されました。"],
        [
            "It is put back by itself. Find out which program removes it.",
            "自動で復旧します。削除したプログラムを確認してください。",
        ],
    ),
    entry(
        "AwsAssociationLost",
        Error,
        [
            "the Elastic IP address is not associated with this server: {message}",
            "Elastic IP がこのサーバーに関連付けられていません: {message}",
        ],
        [
            "Somebody ended the association, or took the address: another cluster with the same \
             one?",
            "関連付けが解除または変更されました。同じ EIP を使う他のクラスタの可能性があります。",
        ],
        [
            "It is taken back by itself. Find out who else uses it.",
            "自動で復旧します。他に使用している者を確認してください。",
        ],
    ),
    entry(
        "AwsAddressSilent",
        Error,
        [
            "the Elastic IP address does not answer: {message}",
            "Elastic IP が応答しません: {message}",
        ],
        [
            "It is associated with this server. A security group, a network ACL, the route to the \
             Internet gateway, or the service itself keeps it silent.",
            "関連付けは正しく、セキュリティグループ、ネットワーク ACL、インターネットゲートウェイへの経路、またはサービスの問題です。",
        ],
        [
            "Let the security group take it from the address itself, look at the service, or leave \
             spec.awsElasticIP.check out.",
            "セキュリティグループでその EIP からの通信を許可し、サービスを確認するか、spec.awsElasticIP.check を外してください。",
        ],
    ),
    entry(
        "AwsAddressNotAssigned",
        Error,
        [
            "the private address is not assigned to this server: {message}",
            "プライベートアドレスがこのサーバーに割り当てられていません: {message}",
        ],
        [
            "Somebody took it, or AWS has not moved it yet.",
            "他に割り当てられたか、まだ移動していません。",
        ],
        [
            "It is taken back by itself. Check that all servers are in one subnet.",
            "自動で復旧します。全サーバーが同じサブネットにあるか確認してください。",
        ],
    ),
    entry(
        "AwsAddressIsPrimary",
        Error,
        ["the address is a primary one: {message}", "アドレスがプライマリです: {message}"],
        [
            "A network interface's primary address can't be assigned to another one.",
            "ネットワークインターフェイスのプライマリアドレスは他へ割り当てられません。",
        ],
        [
            "Give the resource an address of the subnet that no network interface has.",
            "サブネット内の未使用のアドレスをリソースに指定してください。",
        ],
    ),
    entry(
        "AwsRecordMissing",
        Error,
        ["the record does not exist: {message}", "レコードが存在しません: {message}"],
        [
            "Somebody removed it, the name has no dot at its end, or the policy lacks a Route 53 \
             action.",
            "削除されたか、末尾のドットがないか、Route 53 の権限がありません。",
        ],
        [
            "It is made again by itself. Find out who else writes to the zone.",
            "自動で復旧します。ゾーンを変更した者を確認してください。",
        ],
    ),
    entry(
        "AwsRecordDiffers",
        Error,
        [
            "the record holds another address: {message}",
            "レコードのアドレスが異なります: {message}",
        ],
        [
            "Somebody changed it: another cluster with the same name?",
            "変更されました。同じ名前を使う他のクラスタの可能性があります。",
        ],
        [
            "It is written anew by itself. Find out who else uses the name.",
            "自動で復旧します。他に使用している者を確認してください。",
        ],
    ),
    entry(
        "AwsNameNotResolved",
        Error,
        ["the name is not found by the resolver: {message}", "名前解決できません: {message}"],
        [
            "The zone is not associated with the VPC, DNS resolution of the VPC is off, the \
             resolver is another, or the registrar names other name servers.",
            "ゾーンが VPC に関連付けられていない、VPC の DNS 解決が無効、別のリゾルバ、またはレジストラの設定です。",
        ],
        [
            "Associate the zone with the VPC, switch DNS resolution on, and look at \
             /etc/resolv.conf.",
            "ゾーンの関連付け、VPC の DNS 解決、/etc/resolv.conf を確認してください。",
        ],
    ),
    entry(
        "AwsNameResolvesElsewhere",
        Error,
        [
            "the name leads to another address: {message}",
            "名前が別のアドレスに解決されます: {message}",
        ],
        [
            "An entry of the hosts file, another zone, or an answer that a resolver still keeps.",
            "hosts ファイル、別のゾーン、またはリゾルバのキャッシュです。",
        ],
        [
            "Remove the line that the text names, or correct the resolver.",
            "文中の行を削除するか、リゾルバを直してください。",
        ],
    ),
    entry(
        "AwsZoneImpaired",
        Error,
        [
            "the Availability Zone is impaired: {message}",
            "アベイラビリティゾーンに障害があります: {message}",
        ],
        ["AWS says so.", "AWS の情報です。"],
        [
            "Move the groups to a server in another zone: stead group move.",
            "stead group move で他のゾーンに移動してください。",
        ],
    ),
    entry(
        "AwsZoneWarning",
        Warning,
        [
            "AWS has something to say of the Availability Zone: {message}",
            "アベイラビリティゾーンに関する情報があります: {message}",
        ],
        [
            "Its state is neither available nor impaired.",
            "available でも impaired でもない状態です。",
        ],
        ["Read what the text quotes.", "文中の内容を確認してください。"],
    ),
    entry(
        "AwsEventScheduled",
        Warning,
        [
            "AWS has scheduled something for this instance: {message}",
            "このインスタンスに予定されたイベントがあります: {message}",
        ],
        [
            "AWS maintains the host, retires the instance, or takes back a spot instance.",
            "ホストの保守、インスタンスのリタイア、またはスポットインスタンスの回収です。",
        ],
        [
            "Nothing, where recovery of the monitor moves the groups: it does leadTime before the \
             event. Or move them when it suits: stead group move; or reschedule the event in the \
             console of AWS.",
            "モニタの recovery が leadTime 前に移動します。都合のよい時に stead group move で移動す\
             るか、AWS の管理画面で日時を変更してください。",
        ],
    ),
    entry(
        "AwsEventDue",
        Error,
        [
            "what AWS has scheduled for this instance is due: {message}",
            "このインスタンスに予定されたイベントの時刻が近づいています: {message}",
        ],
        [
            "The lead time before the event has come, or the event is under way.",
            "イベントまで leadTime 以内、または実施中です。",
        ],
        [
            "Nothing, where recovery of the monitor moves the groups. Where it says that there is no \
             server to move to, return one: stead server return SERVER.",
            "モニタの recovery が移動します。移動先がない場合は stead server return SERVER でサーバー\
             を復帰させてください。",
        ],
    ),
    entry(
        "AwsRival",
        Warning,
        [
            "somebody takes it again and again, and it is left to them for now: {message}",
            "繰り返し奪われるため、しばらく取り戻しません: {message}",
        ],
        [
            "Two clusters with the same address or name would take it from each other for ever.",
            "同じアドレスや名前を使う 2 つのクラスタが奪い合っています。",
        ],
        [
            "Find the other one. It is taken back ten minutes after the last change.",
            "もう一方を特定してください。最後の変更から 10 分後に取り戻します。",
        ],
    ),
];

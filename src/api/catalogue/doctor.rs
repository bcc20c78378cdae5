//! What the doctor finds besides what activations find too.

use super::Severity::{Error, Warning};
use super::{Entry, entry};

/// The table.
pub const ENTRIES: &[Entry] = &[
    entry(
        "AwsRouteTableWithout",
        Warning,
        [
            "a route table of the VPC has no entry for the virtual address: {message}",
            "VPC のルートテーブルに仮想 IP の経路がありません: {message}",
        ],
        [
            "Clients in its subnets do not reach the address. Entries are changed at a \
             failover, never made.",
            "このテーブルを使うクライアントは仮想 IP に到達できません。フェイルオーバーでは経路は変更されるだけです。",
        ],
        [
            "Make the entry where clients use the table: aws ec2 create-route.",
            "クライアントが使うテーブルなら aws ec2 create-route で追加してください。",
        ],
    ),
    entry(
        "AwsRouteElsewhere",
        Warning,
        [
            "the entry for the virtual address leads to no server: {message}",
            "仮想 IP の経路がサーバーを指していません: {message}",
        ],
        [
            "It was made so, another cluster uses the address, or its target is gone or off.",
            "そのように作成されたか、他のクラスタが使用しているか、宛先がありません。",
        ],
        [
            "The first activation changes it. Make sure that nobody else uses the address.",
            "最初の活性化で変更されます。他に使用している者がいないか確認してください。",
        ],
    ),
    entry(
        "AwsInterfaceUnattached",
        Error,
        [
            "the network interface is attached to no instance: {message}",
            "ENI がインスタンスに接続されていません: {message}",
        ],
        [
            "Packets that are led to it go nowhere. The id may be that of a leftover.",
            "この ENI 宛のパケットはどこにも届きません。ID の誤りの可能性があります。",
        ],
        [
            "Attach it, or write the id of the interface that the server has.",
            "接続するか、サーバーの ENI ID を指定してください。",
        ],
    ),
    entry(
        "AwsInstanceDiffers",
        Error,
        [
            "fencing would stop another machine: {message}",
            "強制停止の対象が別のインスタンスです: {message}",
        ],
        [
            "The server's network interface belongs to another instance than the one that \
             fencing names for it.",
            "サーバーの ENI が属するインスタンスと、強制停止に指定されたものが異なります。",
        ],
        [
            "Correct instanceId of the fencing method, or eniId in perServer.",
            "instanceId または perServer の eniId を直してください。",
        ],
    ),
    entry(
        "AwsSubnetsDiffer",
        Error,
        [
            "the servers are in different subnets: {message}",
            "サーバーのサブネットが異なります: {message}",
        ],
        [
            "A secondary address is one of its subnet and can't leave it.",
            "セカンダリアドレスは同じサブネット内でしか移動できません。",
        ],
        [
            "Use servers in one subnet, or AwsVirtualIP, AwsElasticIP or AwsDNS.",
            "同じサブネットのサーバーを使うか、AwsVirtualIP などを使ってください。",
        ],
    ),
    entry(
        "AwsAllocationElsewhere",
        Warning,
        [
            "the Elastic IP address is used by something else: {message}",
            "Elastic IP が他で使用されています: {message}",
        ],
        [
            "What has it loses it at the first activation.",
            "最初の活性化で現在の使用者から奪われます。",
        ],
        [
            "Make sure that this is meant, or allocate another address.",
            "意図したものか確認するか、別のアドレスを割り当ててください。",
        ],
    ),
    entry(
        "AwsNoInternetGateway",
        Error,
        [
            "the Internet does not lead to the server: {message}",
            "インターネットからサーバーに到達できません: {message}",
        ],
        [
            "An Elastic IP address works only in a subnet whose route table leads to an \
             Internet gateway.",
            "Elastic IP はインターネットゲートウェイへの経路があるサブネットでのみ機能します。",
        ],
        [
            "Lead the subnet's default route to the VPC's Internet gateway.",
            "サブネットの既定の経路をインターネットゲートウェイに向けてください。",
        ],
    ),
    entry(
        "AwsNoWayOut",
        Warning,
        [
            "a server may have no way to AWS while another has the Elastic IP address: {message}",
            "Elastic IP を持たない間、サーバーから AWS に到達できない可能性があります: {message}",
        ],
        [
            "The standby server must ask AWS for the address, and needs another way there.",
            "待機系は AWS に要求するため、別の経路が必要です。",
        ],
        [
            "Give it a public address on another interface, a NAT, a proxy (spec.aws.proxy), \
             or a VPC endpoint of EC2 (spec.aws.endpoints).",
            "別の ENI の公開アドレス、NAT、プロキシ (spec.aws.proxy)、または EC2 の VPC エンドポイント (spec.aws.endpoints) を用意してください。",
        ],
    ),
    entry(
        "AwsHostedZonePublic",
        Warning,
        [
            "a public zone would show private addresses: {message}",
            "パブリックゾーンにプライベートアドレスが登録されます: {message}",
        ],
        [
            "Clients on the Internet find the name, and can't reach what it leads to.",
            "インターネットのクライアントは名前を解決できても到達できません。",
        ],
        [
            "Use a private hosted zone that the VPC is associated with, or public addresses.",
            "VPC に関連付けたプライベートゾーン、または公開アドレスを使ってください。",
        ],
    ),
    entry(
        "AwsHostedZoneApart",
        Error,
        [
            "the VPC does not see the private zone: {message}",
            "VPC がプライベートゾーンに関連付けられていません: {message}",
        ],
        [
            "A private zone answers only VPCs that it is associated with.",
            "プライベートゾーンは関連付けた VPC からのみ解決できます。",
        ],
        [
            "Associate them: aws route53 associate-vpc-with-hosted-zone.",
            "aws route53 associate-vpc-with-hosted-zone で関連付けてください。",
        ],
    ),
    entry(
        "AwsRecordOutsideZone",
        Error,
        [
            "the record's name is not one of the zone: {message}",
            "レコード名がゾーンに属していません: {message}",
        ],
        [
            "Route 53 refuses names that do not end in the zone's name.",
            "ゾーン名で終わらない名前は Route 53 が拒否します。",
        ],
        [
            "Correct spec.awsDNS.recordName or hostedZoneId.",
            "spec.awsDNS.recordName または hostedZoneId を直してください。",
        ],
    ),
    entry(
        "AwsVpcDnsOff",
        Error,
        [
            "the VPC does not resolve private zones: {message}",
            "VPC でプライベートゾーンの名前解決ができません: {message}",
        ],
        [
            "Private zones need both enableDnsSupport and enableDnsHostnames of the VPC.",
            "VPC の enableDnsSupport と enableDnsHostnames の両方が必要です。",
        ],
        [
            "Switch them on: aws ec2 modify-vpc-attribute.",
            "aws ec2 modify-vpc-attribute で有効にしてください。",
        ],
    ),
    entry(
        "AwsServersShareZone",
        Warning,
        [
            "all servers are in one Availability Zone: {message}",
            "全サーバーが同じアベイラビリティゾーンにあります: {message}",
        ],
        ["What fails the zone fails every server.", "ゾーンの障害で全サーバーが停止します。"],
        [
            "Place the servers in different zones. With AwsSecondaryIP that is not possible.",
            "サーバーを異なるゾーンに配置してください (AwsSecondaryIP では不可)。",
        ],
    ),
    entry(
        "AwsZoneDiffers",
        Error,
        [
            "the monitor asks for another zone than the server's: {message}",
            "監視対象のゾーンがサーバーのものと異なります: {message}",
        ],
        [
            "It would move groups for trouble elsewhere, and not for trouble here.",
            "別のゾーンの障害で移動し、自身のゾーンの障害では移動しません。",
        ],
        [
            "Correct spec.awsAZ.perServer, or leave it out: each server then asks its own \
             metadata.",
            "spec.awsAZ.perServer を直すか、省略してください。",
        ],
    ),
    entry(
        "AwsInstanceOff",
        Warning,
        [
            "a server's instance is not running: {message}",
            "サーバーのインスタンスが稼働していません: {message}",
        ],
        ["It can't take anything over.", "引き継ぎができません。"],
        ["Start it: aws ec2 start-instances.", "aws ec2 start-instances で起動してください。"],
    ),
    entry(
        "ClockOff",
        Warning,
        [
            "this machine's clock differs from that of AWS: {message}",
            "時計が AWS とずれています: {message}",
        ],
        [
            "Times in events and logs can't be compared; beyond five minutes AWS refuses \
             every call.",
            "イベントやログの時刻を比較できません。5 分を超えると AWS が全ての呼び出しを拒否します。",
        ],
        [
            "Synchronise it: chronyc sources; on EC2 with server 169.254.169.123.",
            "chronyc sources を確認し、EC2 では 169.254.169.123 と同期してください。",
        ],
    ),
    entry(
        "PortSilent",
        Error,
        [
            "a port of another server can't be reached: {message}",
            "他のサーバーのポートに到達できません: {message}",
        ],
        [
            "A security group, network ACL or firewall drops it, the way is wrong, or the \
             machine is off.",
            "セキュリティグループ、ネットワーク ACL、ファイアウォール、経路の問題、または停止中です。",
        ],
        [
            "Allow UDP and TCP 7380 and TCP 7381 between the servers.",
            "サーバー間で UDP/TCP 7380 と TCP 7381 を許可してください。",
        ],
    ),
    entry(
        "PortRefused",
        Warning,
        [
            "nothing listens on a port of another server: {message}",
            "他のサーバーのポートで待ち受けがありません: {message}",
        ],
        [
            "Packets get there: its agent does not run.",
            "到達はできますが、エージェントが動作していません。",
        ],
        [
            "On that server: systemctl start stead-agent.",
            "そのサーバーで systemctl start stead-agent を実行してください。",
        ],
    ),
    entry(
        "PortTaken",
        Error,
        [
            "a port of this server can't be used: {message}",
            "このサーバーのポートを使用できません: {message}",
        ],
        [
            "Another program holds it, or the address can't be listened on.",
            "他のプログラムが使用中か、アドレスで待ち受けできません。",
        ],
        [
            "End what holds it, or set another heartbeatPort or apiPort.",
            "使用中のプログラムを終了するか、heartbeatPort または apiPort を変更してください。",
        ],
    ),
];

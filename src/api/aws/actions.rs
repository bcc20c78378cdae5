//! Which action of AWS belongs to what, and how far a policy can limit it.

/// What a manifest uses AWS for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    /// A resource of type AwsVirtualIP, and its monitor.
    VirtualIp,
    /// AwsElasticIP, and its monitor.
    ElasticIp,
    /// AwsSecondaryIP, and its monitor.
    SecondaryIp,
    /// AwsDNS, and its monitor.
    Dns,
    /// A monitor of type AwsAZ.
    Zone,
    /// Fencing with `type: AWS`.
    Fencing,
    /// Fencing with `type: AWS` that switches servers on again.
    PowerOn,
    /// A lease in S3.
    Lease,
    /// A role that is assumed.
    Role,
}

impl Use {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::VirtualIp,
        Self::ElasticIp,
        Self::SecondaryIp,
        Self::Dns,
        Self::Zone,
        Self::Fencing,
        Self::PowerOn,
        Self::Lease,
        Self::Role,
    ];

    /// As manifests have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::VirtualIp => "AwsVirtualIP",
            Self::ElasticIp => "AwsElasticIP",
            Self::SecondaryIp => "AwsSecondaryIP",
            Self::Dns => "AwsDNS",
            Self::Zone => "AwsAZ",
            Self::Fencing => "fencing with `type: AWS`",
            Self::PowerOn => "fencing with `afterFence: PowerOn`",
            Self::Lease => "a lease in S3",
            Self::Role => "`assumeRole`",
        }
    }
}

/// Who makes a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Caller {
    /// Agents; the doctor too.
    Agent,
    /// `stead doctor` alone.
    Doctor,
}

/// What a policy can limit an action to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limit {
    /// AWS allows the action on everything only.
    Nothing,
    /// Route tables, which no manifest names, of the VPC that it does name.
    RouteTables,
    /// Elastic IP addresses, and the network interfaces that they move between.
    Addresses,
    /// Network interfaces that an IPv4 address moves between.
    Ipv4Interfaces,
    /// Network interfaces that an IPv6 address moves between.
    Ipv6Interfaces,
    /// Instances.
    Instances,
    /// Hosted zones.
    HostedZones,
    /// Records of a hosted zone, by name, type and kind of change.
    Records,
    /// VPCs; where none is named, every one.
    Vpcs,
    /// The bucket.
    Bucket,
    /// The object in the bucket.
    Object,
    /// The role.
    Role,
}

impl Limit {
    fn words(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::RouteTables => "tables of the VPC",
            Self::Addresses => "the allocation and the network interfaces",
            Self::Ipv4Interfaces | Self::Ipv6Interfaces => "the network interfaces",
            Self::Instances => "the instances",
            Self::HostedZones => "the zone",
            Self::Records => "the zone, the name and its type",
            Self::Vpcs => "the VPC",
            Self::Bucket => "the bucket",
            Self::Object => "the object",
            Self::Role => "the role",
        }
    }
}

/// One action that one use needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Action {
    /// What needs it.
    pub of: Use,
    /// As policies have it.
    pub name: &'static str,
    /// What a policy can limit it to.
    pub limit: Limit,
    /// Who makes the call.
    pub caller: Caller,
}

const fn agent(of: Use, name: &'static str, limit: Limit) -> Action {
    Action { of, name, limit, caller: Caller::Agent }
}

const fn doctor(of: Use, name: &'static str, limit: Limit) -> Action {
    Action { of, name, limit, caller: Caller::Doctor }
}

/// Every action of every use.
pub const ACTIONS: &[Action] = &[
    agent(Use::VirtualIp, "ec2:DescribeVpcs", Limit::Nothing),
    agent(Use::VirtualIp, "ec2:DescribeNetworkInterfaces", Limit::Nothing),
    agent(Use::VirtualIp, "ec2:DescribeRouteTables", Limit::Nothing),
    agent(Use::VirtualIp, "ec2:ReplaceRoute", Limit::RouteTables),
    agent(Use::ElasticIp, "ec2:DescribeAddresses", Limit::Nothing),
    agent(Use::ElasticIp, "ec2:AssociateAddress", Limit::Addresses),
    agent(Use::ElasticIp, "ec2:DisassociateAddress", Limit::Addresses),
    doctor(Use::ElasticIp, "ec2:DescribeNetworkInterfaces", Limit::Nothing),
    doctor(Use::ElasticIp, "ec2:DescribeRouteTables", Limit::Nothing),
    agent(Use::SecondaryIp, "ec2:DescribeNetworkInterfaces", Limit::Nothing),
    agent(Use::SecondaryIp, "ec2:AssignPrivateIpAddresses", Limit::Ipv4Interfaces),
    agent(Use::SecondaryIp, "ec2:AssignIpv6Addresses", Limit::Ipv6Interfaces),
    agent(Use::Dns, "route53:ListResourceRecordSets", Limit::HostedZones),
    agent(Use::Dns, "route53:ChangeResourceRecordSets", Limit::Records),
    doctor(Use::Dns, "route53:GetHostedZone", Limit::HostedZones),
    doctor(Use::Dns, "ec2:DescribeVpcAttribute", Limit::Vpcs),
    agent(Use::Zone, "ec2:DescribeAvailabilityZones", Limit::Nothing),
    agent(Use::Fencing, "ec2:DescribeInstances", Limit::Nothing),
    agent(Use::Fencing, "ec2:DescribeInstanceAttribute", Limit::Instances),
    agent(Use::Fencing, "ec2:StopInstances", Limit::Instances),
    agent(Use::PowerOn, "ec2:StartInstances", Limit::Instances),
    // Without it a record that is not there yet is "forbidden", which says nothing of it.
    agent(Use::Lease, "s3:ListBucket", Limit::Bucket),
    agent(Use::Lease, "s3:GetObject", Limit::Object),
    agent(Use::Lease, "s3:PutObject", Limit::Object),
    agent(Use::Role, "sts:AssumeRole", Limit::Role),
];

/// What needs an action, in words: for texts of refusals.
#[must_use]
pub fn needed_by(action: &str) -> Vec<&'static str> {
    let of = |caller: Caller| {
        let found = ACTIONS.iter().filter(|entry| entry.name == action && entry.caller == caller);
        found.map(|entry| entry.of.name()).collect::<Vec<_>>()
    };
    let found = of(Caller::Agent);
    if found.is_empty() && !of(Caller::Doctor).is_empty() { vec!["stead doctor"] } else { found }
}

/// The table of docs/aws.md.
#[must_use]
pub fn table() -> String {
    let mut text = "| what | actions | `stead doctor` also |\n|---|---|---|\n".to_owned();
    for of in Use::ALL {
        let actions = |caller: Caller| {
            let found = ACTIONS.iter().filter(|entry| entry.of == of && entry.caller == caller);
            let words = found.map(|entry| match entry.limit.words() {
                "" => format!("`{}`", entry.name),
                limit => format!("`{}` ({limit})", entry.name),
            });
            words.collect::<Vec<_>>().join(", ")
        };
        let (agents, doctor) = (actions(Caller::Agent), actions(Caller::Doctor));
        text.push_str(&format!("| {} | {agents} | {doctor} |\n", of.name()));
    }
    text
}

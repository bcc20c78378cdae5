//! moto, and boto3 as the independent witness of what is in it.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use crate::network::{Network, Process, until};

/// Starts it.
const START: &str = include_str!("moto.py");
/// Looks into it, and changes it behind the servers' backs.
const WITNESS: &str = include_str!("witness.py");
/// What is made in an empty account, and what it is called.
const SURROUNDINGS: &str = r#"
import json, sys
vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
zones = ["us-east-1a", "us-east-1b"]
image = ec2.describe_images()["Images"][0]["ImageId"]
enis, instances, subnets = [], [], []
for index, zone in enumerate(zones):
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{110 + 10 * index}.0/24",
                               AvailabilityZone=zone)["Subnet"]["SubnetId"]
    subnets.append(subnet)
    eni = ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"]
    ec2.modify_network_interface_attribute(NetworkInterfaceId=eni, SourceDestCheck={"Value": False})
    enis.append(eni)
    made = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, SubnetId=subnet)
    instances.append(made["Instances"][0]["InstanceId"])
other = ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"]
neighbours = [ec2.create_network_interface(SubnetId=subnets[0])["NetworkInterface"]
              ["NetworkInterfaceId"] for _ in range(2)]
tables = []
for index in range(4):
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    if index < 3:
        ec2.create_route(RouteTableId=table, DestinationCidrBlock="10.1.0.20/32",
                         NetworkInterfaceId=other)
    tables.append(table)
allocation = ec2.allocate_address(Domain="vpc")["AllocationId"]
zone = r53.create_hosted_zone(Name="hz1.local.", CallerReference="1")["HostedZone"]["Id"]
print(json.dumps(dict(vpc=vpc, enis=enis, instances=instances, other=other, tables=tables,
                      neighbours=neighbours,
                      allocation=allocation, zone=zone.split("/")[-1])))
"#;

/// A moto.
pub struct Moto {
    address: SocketAddr,
    network: Option<Network>,
    _server: Process,
    witness: Mutex<Witness>,
}

/// One Python for all looks: to start it anew takes half a second each time.
struct Witness {
    _process: Process,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// Where the programs of its Python environment are.
pub fn folder() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target"), PathBuf::from);
    let folder = target.join("stores/moto/bin");
    assert!(folder.exists(), "run scripts/setup-stores.sh first: {folder:?} is missing");
    folder
}

impl Moto {
    /// On a free port of the loopback.
    pub fn on_loopback() -> Self {
        let port =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        Self::start(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), None)
    }

    /// In a network of its own.
    pub fn inside(network: Network) -> Self {
        Self::start("10.79.0.9:5000".parse().unwrap(), Some(network))
    }

    fn start(address: SocketAddr, network: Option<Network>) -> Self {
        let (ip, port) = (address.ip().to_string(), address.port().to_string());
        let mut server = python(network.as_ref(), START);
        server.args(["-H", &ip, "-p", &port]);
        server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let server = Process(server.spawn().unwrap());
        let witness = Mutex::new(Witness::start(network.as_ref(), address));
        let moto = Self { address, network, _server: server, witness };
        until("moto comes up", || moto.ask("ec2.describe_regions()").is_ok());
        moto
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its network.
    pub fn network(&self) -> &Network {
        self.network.as_ref().unwrap()
    }

    /// Makes the surroundings; gives their ids.
    pub fn surroundings(&self) -> Value {
        serde_json::from_str(&self.python(SURROUNDINGS)).unwrap()
    }

    /// Runs lines with clients `ec2` and `r53`; gives what they print.
    pub fn python(&self, lines: &str) -> String {
        self.ask(lines).unwrap_or_else(|failed| panic!("{lines}\n{failed}"))
    }

    fn ask(&self, lines: &str) -> Result<String, String> {
        // A test that failed in another thread has not changed what the witness is.
        self.witness.lock().unwrap_or_else(PoisonError::into_inner).ask(lines)
    }

    /// More route tables, which lead an address to a network interface.
    pub fn add_tables(&self, vpc: &str, eni: &str, address: &str, count: usize) {
        self.python(&format!(
            "for _ in range({count}):\n    \
             t = ec2.create_route_table(VpcId='{vpc}')['RouteTable']['RouteTableId']\n    \
             ec2.create_route(RouteTableId=t, DestinationCidrBlock='{address}/32', \
             NetworkInterfaceId='{eni}')"
        ));
    }

    /// Every table that leads an address somewhere leads it to this network interface.
    pub fn lead(&self, vpc: &str, address: &str, eni: &str) {
        let tables = self.routes(vpc, address);
        let tables: Vec<&String> =
            tables.as_object().into_iter().flatten().map(|(t, _)| t).collect();
        self.python(&format!(
            "for t in {tables:?}:\n    ec2.replace_route(RouteTableId=t, \
             DestinationCidrBlock='{address}/32', NetworkInterfaceId='{eni}')"
        ));
    }

    /// Where each table of a VPC leads an address, table by table.
    pub fn routes(&self, vpc: &str, address: &str) -> Value {
        let lines = format!(
            "import json\nfound = {{}}\n\
             for t in ec2.describe_route_tables(Filters=[dict(Name='vpc-id', Values=['{vpc}'])])\
             ['RouteTables']:\n    \
             for r in t['Routes']:\n        \
             if r.get('DestinationCidrBlock') == '{address}/32':\n            \
             found[t['RouteTableId']] = r.get('NetworkInterfaceId')\n\
             print(json.dumps(found))"
        );
        serde_json::from_str(&self.python(&lines)).unwrap()
    }
}

impl Witness {
    fn start(network: Option<&Network>, address: SocketAddr) -> Self {
        let mut command = python(network, WITNESS);
        command.arg(address.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let ask = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { _process: Process(child), ask, answers }
    }

    fn ask(&mut self, lines: &str) -> Result<String, String> {
        writeln!(self.ask, "{}", Value::from(lines)).unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        let (ran, text): (bool, String) = serde_json::from_str(&answer).unwrap();
        if ran { Ok(text) } else { Err(text) }
    }
}

fn python(network: Option<&Network>, lines: &str) -> Command {
    let program = folder().join("python");
    let program = program.to_str().unwrap();
    let mut command = match network {
        Some(network) => network.command(program),
        None => Command::new(program),
    };
    command.args(["-c", lines]);
    command
}

//! One server's drivers with a keeper that says yes, moto, and a proxy before it that fails on demand: all of
//! it in a network of its own.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use nix::mount::{MsFlags, mount, umount};
use nix::sched::{CloneFlags, unshare};
use serde_json::{Value, json};
use stead::agent::clock;
use stead::agent::keeper_client::KeeperClient;
use stead::api::kinds::{AwsAccess, AwsEndpoints, MonitorSpec, ResourceSpec, SecretSource};
use stead::cloud::Cloud;
use stead::drivers::{Host, monitors, resources};
use stead::engine::effect::{ResourceAction, ResourceContext};
use stead::engine::ids::{GrantId, Term};
use stead::engine::input::{CheckResult, Outcome};
use stead::engine::message::OrderReason;
use stead::engine::time::Instant;
use stead::keeper::protocol::{
    Answer, Call, Containment, Hello, Reply, Request, Successor, VERSION, Welcome, read_frame,
    write_frame,
};
use tokio::sync::{mpsc, watch};

use crate::cloud::Moto;
use crate::proxy::{self, Faults};

/// The virtual address, the private one, and the name.
pub const VIP: &str = "10.1.0.20";
pub const SECONDARY: &str = "10.0.110.50";
pub const RECORD: &str = "srv.hz1.local.";
/// Also long for a machine with much to do.
const LEASE: Duration = Duration::from_secs(3600);
/// What every context of a driver allows; drivers themselves allow less.
const TIMEOUT: Duration = Duration::from_secs(300);

/// Moto, the proxy, and the server `node1`.
pub struct Lab {
    pub moto: Moto,
    pub faults: Faults,
    pub host: Host,
    pub ids: Value,
    /// As [`Lab::access`] gives it to the server.
    pub endpoint: String,
    /// The lease stays for as long as this does.
    _lease: watch::Sender<Option<Instant>>,
    folder: tempfile::TempDir,
}

/// Runs a test on a thread with a network of its own, where nothing but the loopback is.
pub fn isolated(test: impl AsyncFnOnce() + Send) {
    let body = || {
        // Files can be put over others for this test alone; see `hosts`.
        unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).unwrap();
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(None::<&str>, "/", None::<&str>, private, None::<&str>).unwrap();
        let up = Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap();
        assert!(up.success());
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().build().unwrap().block_on(test());
    };
    let result = thread::scope(|scope| scope.spawn(body).join());
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

/// What the hosts file says from now on, in this test alone.
pub fn hosts(text: &str) {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), text).unwrap();
    // There is one before it from the second time on, whose file is gone: nothing goes over that.
    let _ = umount("/etc/hosts");
    let bind = MsFlags::MS_BIND;
    mount(Some(file.path()), "/etc/hosts", None::<&str>, bind, None::<&str>).unwrap();
}

impl Lab {
    /// With the surroundings of [`Moto::surroundings`], and keys in a file.
    pub async fn new() -> Self {
        let moto = Moto::on_loopback();
        let ids = moto.surroundings();
        let faults = Faults::default();
        let endpoint = format!("http://{}", proxy::start(moto.address(), faults.clone()).await);
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let path = root.join("keeper.sock");
        serve_keeper(UnixListener::bind(&path).unwrap());
        let hello = Hello { version: VERSION, boot: 1, server: "node1".into() };
        let keeper = KeeperClient::connect(&path, hello).unwrap();
        let end = Some(boot_time() + LEASE);
        let (_lease, receiver) = watch::channel(end);
        let host = Host {
            server: "node1".into(),
            keeper,
            addresses: BTreeMap::new(),
            root: root.to_owned(),
            failures: mpsc::unbounded_channel().0,
            lease: receiver,
            clock: boot_time,
            cloud: Cloud::default(),
            supervisors: Arc::default(),
        };
        let lab = Self { moto, faults, host, ids, endpoint, _lease, folder };
        lab.reach(lab.access());
        lab
    }

    /// How the server reaches AWS: through the proxy, with keys.
    pub fn access(&self) -> AwsAccess {
        let endpoint = Some(self.endpoint.clone());
        AwsAccess {
            region: Some("us-east-1".into()),
            credentials: Some(self.keys("k", "hunter2")),
            endpoints: AwsEndpoints { ec2: endpoint.clone(), route53: endpoint, sts: None },
            ..AwsAccess::default()
        }
    }

    /// A file of keys.
    pub fn keys(&self, id: &str, secret: &str) -> SecretSource {
        let path = self.folder.path().join(format!("credentials-{id}"));
        let text =
            format!("[default]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n");
        fs::write(&path, text).unwrap();
        SecretSource { file: path.to_str().unwrap().to_owned() }
    }

    /// A file without any: those of whoever runs the test don't count.
    pub fn no_keys(&self) -> SecretSource {
        let path = self.folder.path().join("no-credentials");
        fs::write(&path, "").unwrap();
        SecretSource { file: path.to_str().unwrap().to_owned() }
    }

    /// From now on AWS is reached so.
    pub fn reach(&self, access: AwsAccess) {
        let spec = json!({"servers": [], "arbitration": {"type": "None"}});
        let mut spec: stead::api::kinds::ClusterSpec = serde_json::from_value(spec).unwrap();
        spec.aws = Some(access);
        self.host.cloud.prepare(&spec);
    }

    /// One of the ids of the surroundings.
    pub fn id(&self, name: &str) -> &str {
        self.ids[name].as_str().unwrap()
    }

    /// One of a list of them.
    pub fn nth(&self, list: &str, index: usize) -> &str {
        self.ids[list][index].as_str().unwrap()
    }

    /// The virtual address that three route tables have an entry for.
    pub fn virtual_ip(&self) -> ResourceSpec {
        let settings = json!({
            "address": VIP,
            "vpcId": self.id("vpc"),
            "perServer": [{"name": "node1", "eniId": self.nth("enis", 0)}],
        });
        resource("AwsVirtualIP", "awsVirtualIP", settings)
    }

    /// The Elastic IP address.
    pub fn elastic_ip(&self) -> ResourceSpec {
        let settings = json!({
            "allocationId": self.id("allocation"),
            "perServer": [{"name": "node1", "eniId": self.nth("enis", 0)}],
        });
        resource("AwsElasticIP", "awsElasticIP", settings)
    }

    /// A private address of the subnet, on the loopback.
    pub fn secondary_ip(&self) -> ResourceSpec {
        let settings = json!({
            "address": SECONDARY,
            "interface": "lo",
            "perServer": [{"name": "node1", "eniId": self.nth("enis", 0)}],
        });
        resource("AwsSecondaryIP", "awsSecondaryIP", settings)
    }

    /// A name of the hosted zone.
    pub fn record(&self) -> ResourceSpec {
        let settings = json!({
            "hostedZoneId": self.id("zone"),
            "recordName": RECORD,
            "address": "10.0.110.10",
        });
        resource("AwsDNS", "awsDNS", settings)
    }

    /// Nothing is known of what was before.
    pub fn anew(&mut self) {
        self.host.cloud = Cloud::default();
        self.reach(self.access());
    }

    /// What the status of the resource would show as observed.
    pub fn observed(&self) -> Value {
        serde_json::to_value(&self.host.cloud.observed.all()[&"resource".into()]).unwrap()
    }

    /// An address is on the loopback.
    pub fn put_address(&self, address: &str) {
        let address = format!("{address}/32");
        let added = Command::new("ip").args(["address", "add", &address, "dev", "lo"]).status();
        assert!(added.unwrap().success());
    }

    /// Starts, stops or probes a resource.
    pub async fn act(&self, action: ResourceAction, spec: &ResourceSpec) -> Outcome {
        self.act_within(TIMEOUT, action, spec).await
    }

    /// The same, within a time.
    pub async fn act_within(
        &self,
        timeout: Duration,
        action: ResourceAction,
        spec: &ResourceSpec,
    ) -> Outcome {
        let context = ResourceContext {
            group: "failover1".into(),
            resource: "resource".into(),
            spec: Arc::new(spec.clone()),
            generation: 1,
            order: GrantId { term: Term { number: 1, proposer: "node1".into() }, sequence: 1 },
            reason: OrderReason::Startup,
            home: true,
            previous: None,
            timeout,
        };
        resources::run(&self.host, action, &context).await
    }

    /// Checks once.
    pub async fn check(
        &self,
        monitor: &str,
        spec: &MonitorSpec,
        resource: Option<&ResourceSpec>,
    ) -> (CheckResult, String) {
        monitors::check(&self.host, &monitor.into(), spec, resource).await
    }
}

/// A keeper that takes every address in charge and holds nothing: a real one would end this process
/// with its services.
fn serve_keeper(listener: UnixListener) {
    let welcome = Welcome {
        version: VERSION,
        pid: std::process::id(),
        containment: Containment::ProcessGroups { reason: "a test".into() },
        successor: Successor::Guard,
        watchdog: None,
        all_ended: true,
    };
    thread::spawn(move || {
        let Ok((mut stream, _)) = listener.accept() else { return };
        while let Ok(Call { id, request }) = read_frame(&mut stream) {
            let reply = match request {
                Request::Hello(_) => Reply::Welcome(welcome.clone()),
                Request::RegisterAddress(_) | Request::UnregisterAddress(_) => Reply::Done,
                other @ (Request::Lease { .. }
                | Request::Farewell { .. }
                | Request::Spawn(_)
                | Request::Wait { .. }
                | Request::Kill { .. }
                | Request::List
                | Request::Forget { .. }
                | Request::OpenPort { .. }
                | Request::ClosePort { .. }
                | Request::Ports
                | Request::Remember { .. }
                | Request::Recall { .. }
                | Request::Retire
                | Request::Watchdog(_)) => panic!("no driver of AWS asks for {other:?}"),
            };
            let answer = Answer::Reply { id, result: Ok(reply) };
            if id != 0 && write_frame(&mut stream, &answer).is_err() {
                break;
            }
        }
    });
}

/// A resource of a type with these settings, as in a manifest.
pub fn resource(type_: &str, member: &str, settings: Value) -> ResourceSpec {
    let value = json!({"group": "failover1", "type": type_, member: settings});
    serde_json::from_value(value).unwrap()
}

/// A monitor, likewise.
pub fn monitor(type_: &str, member: &str, settings: Value, interval: &str) -> MonitorSpec {
    let value = json!({
        "type": type_,
        member: settings,
        "interval": interval,
        "timeout": "10s",
        "recovery": {"target": {"kind": "LocalServer"}},
    });
    serde_json::from_value(value).unwrap()
}

/// The clock of the lease.
pub fn boot_time() -> Instant {
    clock::boot_time().unwrap()
}

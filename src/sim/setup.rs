//! The objects of a simulated cluster: what `stead init` and a first `apply` would have stored.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::options::{ArbiterKind, Options};
use crate::api::kinds::{
    Activation, Arbiter, ArbiterType, Arbitration, ArbitrationType, Automation, Cluster,
    ClusterServer, ClusterSpec, CombinationRule, CombinedArbitration, Deactivation,
    DeactivationFailure, DeletionPolicy, DiskArbitration, FailoverGroup, FailoverGroupSpec,
    FinalAction, Guards, Heartbeat, HttpArbitration, Monitor, MonitorSpec, MonitorTiming,
    MonitorType, Recovery, RecoveryScript, RecoveryTarget, RecoveryTargetKind, Resource,
    ResourceSpec, ResourceType, SerialArbitration, SerialDiskArbitration, ServerRole, Startup,
    TlsMode, Watchdog,
};
use crate::api::names::ServerName;
use crate::api::types::{
    CustomMonitorMode, CustomMonitorSpec, ExecSpec, ProbePortSpec, TcpMonitorSpec,
};
use crate::api::{FINALIZER, NAMESPACE};
use crate::engine::ids::{IncarnationId, Revision};
use crate::engine::model::{ObjectKey, Objects, StoredObject};
use crate::engine::placement::{DiskIntent, disk_intent_key};
use crate::engine::time::WallTime;

/// Name of a server by its index.
#[must_use]
pub fn server_name(index: usize) -> String {
    format!("node{}", index + 1)
}

/// Name of a path by its index.
#[must_use]
pub fn path_name(index: usize) -> String {
    format!("lan{}", index + 1)
}

/// Name of a group by its index.
#[must_use]
pub fn group_name(index: usize) -> String {
    format!("g{}", index + 1)
}

/// Name of a resource by the index of its group and its own.
#[must_use]
pub fn resource_name(group: usize, index: usize) -> String {
    format!("g{}-r{}", group + 1, index + 1)
}

/// How long the shared disk may take.
pub(super) const IO_TIMEOUT: Duration = Duration::from_millis(200);
/// How long a driver may take in the simulated cluster.
const DRIVER_TIMEOUT: Duration = Duration::from_secs(3);

/// All objects, at revision 1.
#[must_use]
pub fn objects(options: &Options) -> Objects {
    let mut objects = Objects::new();
    put(&mut objects, "Cluster", "cluster", &Cluster::new("cluster", cluster(options)));
    for group in 0..options.groups {
        let name = group_name(group);
        put(
            &mut objects,
            "FailoverGroup",
            &name,
            &FailoverGroup::new(&name, policy(options, group)),
        );
        for index in 0..options.resources {
            let name = resource_name(group, index);
            put(&mut objects, "Resource", &name, &Resource::new(&name, resource(group, index)));
            let monitor_name = format!("{name}-monitor");
            let mut spec = monitor(&name);
            if options.rich {
                enrich(&mut spec, group, index);
            }
            put(&mut objects, "Monitor", &monitor_name, &Monitor::new(&monitor_name, spec));
        }
        if options.rich {
            let name = resource_name(group, options.resources);
            let port = ResourceSpec {
                depends_on: None,
                type_: ResourceType::ProbePort,
                exec: None,
                probe_port: Some(ProbePortSpec { port: 9000, address: None }),
                ..resource(group, options.resources)
            };
            put(&mut objects, "Resource", &name, &Resource::new(&name, port));
        }
    }
    objects
}

/// Resources of each group.
#[must_use]
pub fn resources(options: &Options) -> usize {
    options.resources + usize::from(options.rich)
}

/// A recovery script, a final action, and scripts that end only when something is wrong.
fn enrich(spec: &mut MonitorSpec, group: usize, index: usize) {
    let command = || vec!["/srv/check".to_owned()];
    let timeout = Duration::from_secs(2).into();
    spec.recovery.script_runs = 1;
    spec.recovery.script = Some(RecoveryScript { command: command(), timeout });
    spec.recovery.final_action = match group % 3 {
        0 => FinalAction::Reboot,
        1 => FinalAction::StopGroup,
        _ => FinalAction::StopAgent,
    };
    if index == 1 {
        spec.type_ = MonitorType::Custom;
        spec.tcp = None;
        spec.custom = Some(CustomMonitorSpec {
            command: command(),
            mode: CustomMonitorMode::Asynchronous,
            normal_values: vec![0],
            environment: BTreeMap::new(),
        });
    }
}

/// The state folder that a server begins with, at revision 1.
pub fn put_disk(objects: &mut Objects, server: &ServerName, incarnation: IncarnationId) {
    let disk = DiskIntent { incarnation, since: WallTime(0), first: true, holds: None, lost: 0 };
    if let Some(json) = disk.json() {
        let stored = StoredObject { revision: Revision(1), json: json.into() };
        objects.insert(disk_intent_key(server), stored);
    }
}

fn put(objects: &mut Objects, kind: &str, name: &str, object: &impl Serialize) {
    let stored = StoredObject { revision: Revision(1), json: text(object, kind, name) };
    objects.insert(ObjectKey::new(kind, name), stored);
}

/// The text of an object as the API server would store it.
pub fn text(object: &impl Serialize, kind: &str, name: &str) -> Arc<str> {
    let mut value = serde_json::to_value(object).unwrap_or_else(|_| Value::Object(Map::new()));
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("namespace".into(), json!(NAMESPACE));
        metadata.insert("generation".into(), json!(1));
        metadata.insert("uid".into(), json!(format!("{kind}-{name}")));
        metadata.insert("creationTimestamp".into(), json!("2026-01-01T00:00:00Z"));
        if matches!(kind, "FailoverGroup" | "Resource") {
            metadata.insert("finalizers".into(), json!([FINALIZER]));
        }
    }
    value.to_string().into()
}

fn cluster(options: &Options) -> ClusterSpec {
    let address = |server: usize, path: usize| {
        let octet = |index: usize| u8::try_from(index + 1).unwrap_or(u8::MAX);
        IpAddr::V4(Ipv4Addr::new(10, 0, octet(path), octet(server)))
    };
    let servers = (0..options.servers)
        .map(|server| ClusterServer {
            name: server_name(server),
            addresses: (0..options.paths)
                .map(|path| (path_name(path), address(server, path)))
                .collect::<BTreeMap<_, _>>(),
            heartbeat_port: 7380,
            api_port: 7381,
            role: match server + options.witnesses < options.servers {
                true => ServerRole::Member,
                false => ServerRole::Witness,
            },
        })
        .collect();
    ClusterSpec {
        servers,
        heartbeat: Heartbeat {
            timeout: options.timeout.into(),
            paths: (0..options.paths).map(path_name).collect(),
            ..Heartbeat::default()
        },
        arbitration: arbitration(options),
        fencing: options.fencing.map(|plan| plan.spec()),
        aws: None,
        platform: None,
        startup: Startup { wait_for_servers: options.wait_for_servers.into() },
        return_policy: options.return_policy,
        guards: Guards { failovers_max: 1000, final_actions_max: 100, ..Guards::default() },
        watchdog: Watchdog::default(),
        deletion_policy: DeletionPolicy::Protect,
    }
}

/// The lease stand-in takes the place of the web server.
pub(super) fn arbitration(options: &Options) -> Arbitration {
    let device = || "/dev/shared".to_owned();
    let disk = || DiskArbitration { device: device(), io_timeout: IO_TIMEOUT.into() };
    let serial = || SerialArbitration { device: device(), baud_rate: 38_400 };
    let plain = |type_| Arbitration {
        type_,
        on_partition: options.on_partition,
        on_dual_activation: options.on_dual_activation,
        on_missed_changes: options.on_missed_changes,
        ..Arbitration::default()
    };
    match options.arbiter {
        ArbiterKind::Majority => plain(ArbitrationType::Majority),
        ArbiterKind::Nobody => plain(ArbitrationType::None),
        ArbiterKind::Disk => Arbitration { disk: Some(disk()), ..plain(ArbitrationType::Disk) },
        ArbiterKind::Serial => {
            Arbitration { serial: Some(serial()), ..plain(ArbitrationType::Serial) }
        }
        ArbiterKind::SerialDisk => Arbitration {
            serial_disk: Some(SerialDiskArbitration { serial: serial(), disk: disk() }),
            ..plain(ArbitrationType::SerialDisk)
        },
        ArbiterKind::Lease | ArbiterKind::Reachable => {
            Arbitration { http: Some(web_server(options)), ..plain(ArbitrationType::HTTP) }
        }
        ArbiterKind::MajorityAndReachable
        | ArbiterKind::DiskAndReachable
        | ArbiterKind::DiskOrReachable
        | ArbiterKind::DiskThenReachable => Arbitration {
            combined: Some(combined(options, disk())),
            ..plain(ArbitrationType::Combined)
        },
    }
}

fn web_server(options: &Options) -> HttpArbitration {
    HttpArbitration {
        host: "arbiter.example".into(),
        port: 443,
        path: "/".into(),
        tls: TlsMode::Verify,
        ca_file: None,
        timeout: options.arbiter_budget.into(),
        interval: Duration::ZERO.into(),
        proxy: None,
    }
}

/// A majority or the disk, and the web server.
fn combined(options: &Options, disk: DiskArbitration) -> CombinedArbitration {
    let http = Some(web_server(options));
    let target = Arbiter { type_: ArbiterType::HTTP, http, ..Arbiter::default() };
    let first = match options.arbiter.counts() {
        true => Arbiter { type_: ArbiterType::Majority, ..Arbiter::default() },
        false => Arbiter { type_: ArbiterType::Disk, disk: Some(disk), ..Arbiter::default() },
    };
    let rule = match options.arbiter {
        ArbiterKind::DiskOrReachable => CombinationRule::Any,
        ArbiterKind::DiskThenReachable => CombinationRule::InOrder,
        ArbiterKind::Majority
        | ArbiterKind::Lease
        | ArbiterKind::Reachable
        | ArbiterKind::Nobody
        | ArbiterKind::Disk
        | ArbiterKind::Serial
        | ArbiterKind::SerialDisk
        | ArbiterKind::MajorityAndReachable
        | ArbiterKind::DiskAndReachable => CombinationRule::All,
    };
    CombinedArbitration { rule, arbiters: vec![first, target] }
}

/// The policy of each group begins with another server.
fn policy(options: &Options, group: usize) -> FailoverGroupSpec {
    let members = options.servers - options.witnesses;
    let servers = (0..members).map(|step| server_name((group + step) % members)).collect();
    FailoverGroupSpec {
        servers,
        startup: Automation::Automatic,
        failover: Automation::Automatic,
        failback: if options.failback { Automation::Automatic } else { Automation::Manual },
        deletion_policy: DeletionPolicy::Protect,
        apply_changes: crate::api::kinds::ApplyChanges::AtNextActivation,
    }
}

fn resource(group: usize, index: usize) -> ResourceSpec {
    let program =
        |verb: &str| Some(vec![format!("/srv/{}", resource_name(group, index)), verb.into()]);
    let exec = ExecSpec {
        command: None,
        start: program("start"),
        stop: program("stop"),
        restarts: 0,
        restart_window: Duration::from_secs(3600).into(),
        termination_grace: Duration::from_secs(1).into(),
        working_directory: None,
        environment: BTreeMap::new(),
        compatibility_names: false,
    };
    ResourceSpec {
        depends_on: (index > 0).then(|| vec![resource_name(group, index - 1)]),
        exec: Some(exec),
        activation: Activation {
            timeout: DRIVER_TIMEOUT.into(),
            retries: 1,
            failovers: 2,
            ..Activation::default()
        },
        deactivation: Deactivation {
            timeout: DRIVER_TIMEOUT.into(),
            retries: 1,
            // One group's chains each end in another way.
            on_failure: match group % 3 {
                0 => DeactivationFailure::Reboot,
                1 => DeactivationFailure::Shutdown,
                _ => DeactivationFailure::Block,
            },
        },
        ..ResourceSpec::of(group_name(group), ResourceType::Exec)
    }
}

fn monitor(resource: &str) -> MonitorSpec {
    MonitorSpec {
        tcp: Some(TcpMonitorSpec { host: "127.0.0.1".into(), port: 8080 }),
        interval: Duration::from_secs(1).into(),
        timeout: Duration::from_secs(2).into(),
        retries: 1,
        timing: MonitorTiming::WhileActive,
        while_active: Some(resource.into()),
        recovery: Recovery {
            target: RecoveryTarget {
                kind: RecoveryTargetKind::Resource,
                name: Some(resource.into()),
            },
            reactivations: 2,
            failovers: 1,
            final_action: FinalAction::None,
            ..Recovery::default()
        },
        ..MonitorSpec::of(MonitorType::TCP)
    }
}

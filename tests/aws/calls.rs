//! What the drivers share: calls, their errors, and what holds them back.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::Value;
use stead::agent::clock;
use stead::api::kinds::{AwsAccess, AwsEndpoints, SecretSource};
use stead::cloud::aws::{Aws, Cause, Guard, Session};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::answers::{EXPIRED, REFUSED, THROTTLED};
use crate::cloud::Moto;
use crate::proxy::{self, Fault, Faults};

const VIP: &str = "10.1.0.20";

struct Lab {
    moto: Moto,
    faults: Faults,
    session: Session,
    ids: Value,
    _keys: tempfile::TempDir,
}

impl Lab {
    async fn new() -> Self {
        let moto = Moto::on_loopback();
        let ids = moto.surroundings();
        let faults = Faults::default();
        let proxy = proxy::start(moto.address(), faults.clone()).await;
        let keys = tempfile::tempdir().unwrap();
        let file = keys.path().join("credentials");
        std::fs::write(
            &file,
            "[default]\naws_access_key_id = k\naws_secret_access_key = hunter2\n",
        )
        .unwrap();
        let endpoint = Some(format!("http://{proxy}"));
        let access = AwsAccess {
            region: Some("us-east-1".into()),
            credentials: Some(SecretSource { file: file.to_str().unwrap().to_owned() }),
            endpoints: AwsEndpoints { ec2: endpoint.clone(), route53: endpoint, sts: None },
            ..AwsAccess::default()
        };
        let session = Aws::default().session(access).await.unwrap();
        Self { moto, faults, session, ids, _keys: keys }
    }

    fn id(&self, name: &str) -> &str {
        self.ids[name].as_str().unwrap()
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

fn vip() -> IpAddr {
    VIP.parse().unwrap()
}

fn boot_time() -> stead::engine::time::Instant {
    clock::boot_time().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_told_apart() {
    let lab = Lab::new().await;
    let session = &lab.session;
    let by = || session.read(soon());
    let causes = [
        session.vpc_blocks(by(), "vpc-0a1b2c3d").await.unwrap_err().cause,
        session.interface(by(), "eni-0a1b2c3d").await.unwrap_err().cause,
        session.allocation(by(), "eipalloc-0a1b2c3d").await.unwrap_err().cause,
        session.zone(by(), "us-east-1x").await.unwrap_err().cause,
        session.record(by(), "NOSUCHZONE", "a.b.", vip()).await.unwrap_err().cause,
        session.instance_state(by(), "i-0a1b2c3d").await.unwrap_err().cause,
    ];
    let expected = [
        Cause::VpcMissing,
        Cause::InterfaceMissing,
        Cause::AllocationMissing,
        Cause::ZoneMissing,
        Cause::HostedZoneMissing,
        Cause::InstanceMissing,
    ];
    assert_eq!(causes, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_repeated_where_that_helps_and_only_there() {
    let lab = Lab::new().await;
    let (session, vpc) = (&lab.session, lab.id("vpc"));
    let (_lease, receiver) = watch::channel(Some(boot_time() + Duration::from_secs(600)));
    let guard = Guard::new(receiver, boot_time);
    let (table, eni) =
        (lab.ids["tables"][0].as_str().unwrap(), lab.ids["enis"][0].as_str().unwrap());

    // Too many calls: again, later.
    lab.faults.next(&[Fault::Answer(THROTTLED), Fault::Answer(THROTTLED)]);
    let before = lab.faults.requests();
    assert_eq!(session.routes(session.read(soon()), vpc, vip()).await.unwrap().len(), 3);
    assert_eq!(lab.faults.requests() - before, 3);

    // Carried out, the answer lost: carried out again.
    lab.faults.next(&[Fault::LoseAnswer]);
    session.replace_route(session.change(&guard, soon()), table, vip(), eni).await.unwrap();
    assert_eq!(lab.moto.routes(vpc, VIP)[table], eni);

    // Refused for good: not again.
    for (answer, cause) in [(REFUSED, Cause::NotAuthorized), (EXPIRED, Cause::ClockSkew)] {
        lab.faults.next(&[Fault::Answer(answer)]);
        let before = lab.faults.requests();
        let error = session.vpc_blocks(session.read(soon()), vpc).await.unwrap_err();
        assert_eq!((error.cause, lab.faults.requests() - before), (cause, 1), "{error}");
    }

    // Nobody there until the time is over.
    lab.faults.always(Some(Fault::Reset));
    let until = Instant::now() + Duration::from_secs(1);
    let error = session.vpc_blocks(session.read(until), vpc).await.unwrap_err();
    assert!(matches!(error.cause, Cause::Unreachable | Cause::NoAnswer), "{error}");
    assert!(!error.text().contains("hunter2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_changed_without_a_lease() {
    let lab = Lab::new().await;
    let session = &lab.session;
    let (sender, receiver) = watch::channel(None);
    let guard = Guard::new(receiver, boot_time);
    let (table, eni) =
        (lab.ids["tables"][0].as_str().unwrap(), lab.ids["enis"][0].as_str().unwrap());
    let before = lab.faults.requests();
    let change = || session.replace_route(session.change(&guard, soon()), table, vip(), eni);
    assert_eq!(change().await.unwrap_err().cause, Cause::NoLease);
    assert_eq!(lab.faults.requests(), before);
    // A call that hangs is given up with the lease, and not begun again.
    sender.send(Some(boot_time() + Duration::from_secs(1))).unwrap();
    lab.faults.always(Some(Fault::Late));
    assert_eq!(change().await.unwrap_err().cause, Cause::NoLease);
    assert_eq!(lab.faults.requests(), before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_written_over_and_removed() {
    let lab = Lab::new().await;
    let (session, zone, name) = (&lab.session, lab.id("zone"), "srv.hz1.local.");
    let (_lease, receiver) = watch::channel(Some(boot_time() + Duration::from_secs(600)));
    let guard = Guard::new(receiver, boot_time);
    let change = || session.change(&guard, soon());
    for address in ["10.0.110.10", "10.0.120.10"] {
        let address: IpAddr = address.parse().unwrap();
        session.set_record(change(), zone, name, address, 300).await.unwrap();
        let found = session.record(session.read(soon()), zone, name, address).await.unwrap();
        assert!(found.unwrap().holds(address));
    }
    let last: IpAddr = "10.0.120.10".parse().unwrap();
    session.remove_record(change(), zone, name, last, 300).await.unwrap();
    assert_eq!(session.record(session.read(soon()), zone, name, last).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_elastic_ip_is_taken_and_a_late_release_does_not_cut_its_new_owner() {
    let lab = Lab::new().await;
    let (session, id) = (&lab.session, lab.id("allocation"));
    let (_lease, receiver) = watch::channel(Some(boot_time() + Duration::from_secs(600)));
    let guard = Guard::new(receiver, boot_time);
    let change = || session.change(&guard, soon());
    let (one, two) = (lab.ids["enis"][0].as_str().unwrap(), lab.ids["enis"][1].as_str().unwrap());
    session.associate(change(), id, one).await.unwrap();
    let old = session.allocation(session.read(soon()), id).await.unwrap().association.unwrap();
    session.associate(change(), id, two).await.unwrap();
    session.disassociate(change(), &old.0).await.unwrap();
    let now = session.allocation(session.read(soon()), id).await.unwrap().association.unwrap();
    assert_eq!((old.1.as_str(), now.1.as_str()), (one, two));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_is_stopped_and_stop_protection_is_found_before() {
    let lab = Lab::new().await;
    let session = &lab.session;
    let id = lab.ids["instances"][0].as_str().unwrap();
    let by = || session.read(soon());
    session.may_stop_instance(by(), id).await.unwrap();
    assert!(!session.is_stop_protected(by(), id).await.unwrap());
    let protect = |on: &str| {
        format!(
            "ec2.modify_instance_attribute(InstanceId='{id}', DisableApiStop={{'Value': {on}}})"
        )
    };
    lab.moto.python(&protect("True"));
    assert!(session.is_stop_protected(by(), id).await.unwrap());
    assert_eq!(session.stop_instance(by(), id).await.unwrap_err().cause, Cause::StopProtected);
    lab.moto.python(&protect("False"));
    session.stop_instance(by(), id).await.unwrap();
    assert_eq!(session.instance_state(by(), id).await.unwrap().as_str(), "stopped");
}

//! One engine among puppets: the shortest way to what only seeds had found.

use std::collections::BTreeMap;
use std::time::Duration;

use stead::api::names::ServerName;
use stead::engine::ids::{BootId, GrantId, IncarnationId, Revision, Term};
use stead::engine::input::Input;
use stead::engine::message::{Ack, GroupPhase, Held, Message, Propose, Renew, StoreFetch, Support};
use stead::engine::mutation::{Flaw, Mutation};
use stead::engine::placement::{DiskIntent, disk_intent_key};
use stead::engine::time::Instant;
use stead::sim::ArbiterKind;

use super::cluster::seconds;
use super::puppet::{ME, Play, STEP};

fn doubt() -> Held {
    let order = GrantId { term: Term { number: 0, proposer: "node2".into() }, sequence: 0 };
    Held { order, phase: GroupPhase::Starting }
}

fn just_supported() -> BTreeMap<ServerName, Support> {
    [("node3".into(), Support { age: Duration::ZERO, boot: Some(BootId(3)) })].into()
}

/// Seed 298: whoever booted anew counts its time from zero; a stamp of the boot before, echoed to
/// it, was a lease that lasted for days.
pub fn a_stamp_is_echoed_to_the_run_that_sent_it_only(flaw: Flaw) -> bool {
    let mut play = Play::new(ArbiterKind::Majority);
    play.engine.break_on_purpose(flaw);
    play.puppet("node2").ahead = seconds(1_000_000);
    play.until(seconds(5), |play| play.engine.leading());
    play.pass(seconds(1));
    let long = play.now + seconds(1_000_000 / 2);
    assert!(play.renewals("node2").any(|renew| renew.echo.is_some_and(|echo| echo > long)));
    let puppet = play.puppet("node2");
    (puppet.ahead, puppet.boot, puppet.promises) = (Duration::ZERO, BootId(20), false);
    play.sent.clear();
    play.pass(Duration::from_millis(300));
    play.puppet("node2").promises = true;
    play.pass(seconds(2));
    let echoes: Vec<Instant> = play.renewals("node2").filter_map(|renew| renew.echo).collect();
    !echoes.is_empty() && echoes.iter().all(|echo| *echo <= play.now)
}

/// Seed 75: a group that is only in doubt on a member may run on the server that is away; the
/// probe that ends the doubt does not make it free.
#[test]
fn a_group_in_doubt_on_a_member_is_not_free_while_an_absent_server_may_run_it() {
    let mut play = Play::new(ArbiterKind::Majority);
    play.puppet("node3").silent = true;
    let puppet = play.puppet("node2");
    puppet.gave = just_supported();
    puppet.holds = [("g1".into(), doubt())].into();
    play.until(seconds(5), |play| play.engine.leading());
    let wait = play.options.timing().wait();
    play.puppet("node2").holds.clear();
    play.pass(wait - STEP * 20);
    assert_eq!(play.runs(), Vec::<String>::new());
    play.until(seconds(3), |play| !play.runs().is_empty());
}

/// Seed 565: a group that a member had only reported, and that it releases, is no more certain.
pub fn a_group_that_was_only_reported_is_not_free_by_its_release(flaw: Flaw) -> bool {
    let mut play = Play::new(ArbiterKind::Majority);
    play.engine.break_on_purpose(flaw);
    play.puppet("node3").silent = true;
    let puppet = play.puppet("node2");
    puppet.gave = just_supported();
    let order = GrantId { term: Term { number: 1, proposer: "node3".into() }, sequence: 4 };
    let held = Held { order, phase: GroupPhase::Stopping };
    puppet.holds = [("g1".into(), held.clone())].into();
    play.until(seconds(5), |play| play.engine.leading());
    let wait = play.options.timing().wait();
    let released = Held { phase: GroupPhase::Stopped, ..held };
    play.puppet("node2").holds = [("g1".into(), released)].into();
    play.pass(wait - STEP * 20);
    let waits = play.runs().is_empty();
    play.until(seconds(3), |play| !play.runs().is_empty());
    waits
}

/// Seed 1073: what an overtaken ack says of groups is over.
pub fn an_overtaken_ack_brings_no_released_group_back(flaw: Flaw) -> bool {
    let mut play = Play::new(ArbiterKind::Majority);
    play.engine.break_on_purpose(flaw);
    play.until(seconds(5), |play| play.engine.leading());
    play.until(seconds(5), |play| !play.runs().is_empty());
    assert_eq!(play.runs(), [ME]);
    let renew = play.renewals("node2").last().unwrap().clone();
    let order = GrantId { term: Term { number: 1, proposer: "node3".into() }, sequence: 4 };
    let held = Held { order, phase: GroupPhase::Stopping };
    let late = Ack {
        term: renew.term.clone(),
        echo: renew.sent,
        sent: play.now - seconds(1),
        holds: [("g1".into(), held)].into(),
    };
    play.pass(seconds(1));
    play.sent.clear();
    play.say(&"node2".into(), Message::Ack(Box::new(late)));
    play.pass(seconds(1));
    // Nothing runs there that would have to be stopped.
    play.renewals("node2").all(|renew| renew.orders.is_empty())
}

/// Seed 1377: promises that took longer than a lease give no authority; they are asked for anew.
#[test]
fn promises_older_than_a_lease_are_asked_for_anew() {
    let mut play = Play::new(ArbiterKind::Lease);
    // The arbiter takes longer than a lease to hold.
    play.held_from = u64::MAX;
    play.pass(seconds(5));
    assert!(!play.engine.leading());
    play.held_from = 0;
    play.until(seconds(3), |play| play.engine.leading());
}

/// Seed 870: a proposal that the arbiter refuses, since it knows a higher term, is not kept.
#[test]
fn a_refused_proposal_is_replaced_by_one_above_all_that_is_known() {
    let mut play = Play::new(ArbiterKind::Lease);
    play.held_from = 10;
    let puppet = play.puppet("node3");
    // It is heard and hears nobody: it is no member, and its promise stands in the record.
    (puppet.deaf, puppet.silent) = (true, true);
    play.pass(seconds(2));
    assert!(!play.engine.leading());
    let puppet = play.puppet("node3");
    puppet.silent = false;
    puppet.promised = Term { number: 9, proposer: "node3".into() };
    play.until(seconds(3), |play| play.engine.leading());
}

/// A write that one view begins and a later one finishes: what `node2` has of it when its client is
/// answered, and the later view's term.
fn acknowledged_with(flaw: Flaw) -> (Revision, Term) {
    let mut play = Play::new(ArbiterKind::Majority);
    play.engine.break_on_purpose(flaw);
    play.until(seconds(5), |play| !play.runs().is_empty());
    play.pass(seconds(1));
    let term = |play: &Play| play.engine.view().unwrap().term.clone();
    let first = term(&play);
    play.puppet("node2").stores = false;
    play.write();
    play.pass(seconds(1));
    assert_eq!(play.acknowledged_with, None, "node2 does not have it");
    play.puppet("node3").silent = true;
    play.until(seconds(5), |play| play.engine.leading() && term(play) > first);
    play.puppet("node2").stores = true;
    play.until(seconds(5), |play| play.acknowledged_with.is_some());
    (play.acknowledged_with.unwrap(), term(&play))
}

/// A view between the two, installed late, may have written past what the first one wrote: its term
/// is the higher one. Only a write of the later view is certain to stay.
#[test]
fn what_an_earlier_view_wrote_is_acknowledged_with_a_write_of_this_one() {
    let (revision, term) = acknowledged_with(Flaw::default());
    assert!(revision >= term.first_revision(), "{revision} in {term}");
    let (revision, term) = acknowledged_with(Flaw::of(Mutation::EarlierBatchAcknowledged));
    assert!(revision < term.first_revision(), "{revision} in {term}");
}

/// After `stead cluster recover` the store names the folder of one server: the others' are written
/// down as they come in, or a disk that is replaced later would have a vote at once.
#[test]
fn members_whose_folders_the_store_does_not_name_are_named() {
    let mut play = Play::new(ArbiterKind::Majority);
    let known = |play: &Play, name: &str| {
        let object = play.engine.durable().objects.get(&disk_intent_key(&name.into()))?;
        DiskIntent::read(&object.json)
    };
    assert!(["node1", "node2", "node3"].iter().all(|name| known(&play, name).is_none()));
    play.puppet("node3").silent = true;
    play.until(seconds(5), |play| play.engine.leading());
    play.pass(seconds(1));
    assert_eq!(known(&play, "node1").map(|disk| disk.incarnation), Some(IncarnationId(1)));
    assert_eq!(known(&play, "node2").map(|disk| disk.incarnation), Some(IncarnationId(2)));
    assert_eq!(known(&play, "node3"), None);
    play.puppet("node3").silent = false;
    play.until(seconds(5), |play| known(play, "node3").is_some());
}

fn term(number: u64, proposer: &str) -> Term {
    Term { number, proposer: proposer.into() }
}

fn proposes(play: &mut Play, term: &Term) {
    let members = [ME, "node2", "node3"].map(ServerName::from).into();
    let propose = Propose { term: term.clone(), members };
    play.say(&term.proposer, Message::Propose(propose));
    play.pass(STEP);
}

/// Whether an engine that starts anew follows nobody before it has promised anew, whatever its disk
/// says (A3).
pub fn a_new_run_promises_anew(flaw: Flaw) -> bool {
    let of = term(4, "node2");
    let mut play = Play::that_promised(&of);
    // Until it could lead itself.
    play.puppet("node3").silent = true;
    play.engine.break_on_purpose(flaw);
    play.pass(STEP);
    let members = [ME, "node2", "node3"].map(ServerName::from).into();
    let renew = Renew {
        term: of,
        members,
        sent: play.now,
        answer: true,
        echo: None,
        authority_age: Duration::ZERO,
        committed: Revision(1),
        started: true,
        orders: Vec::new(),
        report_seen: 0,
    };
    play.say(&"node2".into(), Message::Renew(Box::new(renew)));
    play.pass(STEP);
    play.engine.view().is_none()
}

/// Whether a proposer that waits for the store of a member which has promised another is told so.
pub fn a_proposer_that_waits_in_vain_is_told(flaw: Flaw) -> bool {
    let mut play = Play::that_promised(&term(1, "node2"));
    for name in ["node2", "node3"] {
        play.puppet(name).silent = true;
    }
    play.engine.break_on_purpose(flaw);
    play.pass(STEP);
    let (earlier, later) = (term(4, "node2"), term(5, "node3"));
    proposes(&mut play, &earlier);
    proposes(&mut play, &later);
    play.sent.clear();
    let fetch = StoreFetch { term: earlier };
    play.say(&"node2".into(), Message::StoreFetch(fetch));
    play.pass(STEP);
    let told = |(to, message): &(ServerName, Message)| {
        to.as_str() == "node2" && matches!(message, Message::Nack(nack) if nack.promised == later)
    };
    play.sent.iter().any(told)
}

/// Whether a leader that proposes gives no order in the view that it is about to leave.
pub fn a_proposer_gives_no_orders(flaw: Flaw) -> bool {
    let mut play = Play::new(ArbiterKind::Majority);
    play.engine.break_on_purpose(flaw);
    play.until(seconds(5), |play| play.runs() == [ME]);
    play.pass(seconds(1));
    // Its agent has started anew and promises nothing yet.
    let puppet = play.puppet("node3");
    (puppet.boot, puppet.promises) = (BootId(30), false);
    play.pass(seconds(1));
    let message = "ended by itself".into();
    play.feed(Input::ResourceFailed { resource: "g1-r1".into(), message });
    play.pass(Duration::from_millis(300));
    play.runs() == [ME]
}

#[test]
fn a_good_engine_keeps_what_broken_ones_do_not() {
    type Ask = fn(Flaw) -> bool;
    let all: [Ask; 6] = [
        a_stamp_is_echoed_to_the_run_that_sent_it_only,
        a_group_that_was_only_reported_is_not_free_by_its_release,
        an_overtaken_ack_brings_no_released_group_back,
        a_new_run_promises_anew,
        a_proposer_that_waits_in_vain_is_told,
        a_proposer_gives_no_orders,
    ];
    for (index, kept) in all.into_iter().enumerate() {
        assert!(kept(Flaw::default()), "{index}");
    }
}

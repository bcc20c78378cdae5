use super::*;

const TTL: Duration = Duration::from_secs(15);

fn at(seconds: u64) -> Instant {
    Instant(seconds * 1_000_000_000)
}

fn term(number: u64, proposer: &str) -> Term {
    Term { number, proposer: proposer.into() }
}

fn record(holder: &str, number: u64, nonce: &str) -> Record {
    let mut record = Record::new("c", &holder.into(), &term(number, holder), nonce.into());
    record.ttl_milliseconds = 15_000;
    record
}

/// A server with its memory, asking alone unless more members are named.
struct Server {
    name: ServerName,
    memory: Memory,
    members: Vec<ServerName>,
    whole: bool,
}

impl Server {
    fn new(name: &str) -> Self {
        let name: ServerName = name.into();
        Self { members: vec![name.clone()], name, memory: Memory::default(), whole: false }
    }

    fn with(name: &str, members: &[&str]) -> Self {
        let members = members.iter().map(|name| ServerName::from(*name)).collect();
        Self { members, ..Self::new(name) }
    }

    fn ask(&mut self, number: u64, record: Option<&Record>, now: Instant) -> Decision {
        let term = term(number, self.name.as_str());
        let asker = Asker {
            cluster: "c",
            server: &self.name,
            members: &self.members,
            whole: self.whole,
            term: &term,
            ttl: TTL,
        };
        self.memory.decide(&asker, record, now)
    }

    fn wrote(&mut self, record: &Record, now: Instant) {
        self.memory.wrote(record, now);
    }
}

fn wait(decision: &Decision) -> Option<Duration> {
    match decision {
        Decision::Wait(left, _) => Some(*left),
        Decision::Write | Decision::Claim | Decision::Answer(..) => None,
    }
}

fn lost(decision: &Decision) -> bool {
    matches!(decision, Decision::Answer(Verdict::Lost, _))
}

#[test]
fn a_holder_renews_and_an_outsider_waits_the_ttl_from_its_own_first_sight() {
    let mut vm1 = Server::new("vm1");
    let mut vm2 = Server::new("vm2");
    let first = record("vm1", 1, "a");
    vm1.wrote(&first, at(0));
    assert_eq!(vm1.ask(1, Some(&first), at(5)), Decision::Write);
    assert_eq!(wait(&vm2.ask(2, Some(&first), at(100))), Some(TTL));
    assert_eq!(wait(&vm2.ask(2, Some(&first), at(110))), Some(Duration::from_secs(5)));
    assert_eq!(vm2.ask(2, Some(&first), at(115)), Decision::Write);
    assert_eq!(vm2.memory.handover(at(115)), Some(TTL));
    assert_eq!(vm2.memory.handover(at(120)), Some(Duration::from_secs(20)), "asked again");
}

#[test]
fn every_renewal_seen_starts_the_wait_anew() {
    let mut vm2 = Server::new("vm2");
    for (second, nonce) in [(0, "a"), (14, "b"), (28, "c"), (42, "d")] {
        let seen = record("vm1", 1, nonce);
        assert_eq!(wait(&vm2.ask(2, Some(&seen), at(second))), Some(TTL));
    }
    assert_eq!(vm2.ask(2, Some(&record("vm1", 1, "d")), at(57)), Decision::Write);
}

#[test]
fn the_longer_of_both_ttls_counts() {
    let mut vm2 = Server::new("vm2");
    let mut long = record("vm1", 1, "a");
    long.ttl_milliseconds = 60_000;
    assert_eq!(wait(&vm2.ask(2, Some(&long), at(0))), Some(Duration::from_secs(60)));
    let mut short = record("vm1", 1, "b");
    short.ttl_milliseconds = 0;
    assert_eq!(wait(&vm2.ask(2, Some(&short), at(1))), Some(TTL));
}

#[test]
fn a_lower_term_is_refused_for_ever() {
    let mut vm2 = Server::new("vm2");
    let high = record("vm1", 9, "a");
    for second in [0, 20, 1000] {
        assert!(lost(&vm2.ask(8, Some(&high), at(second))));
    }
    let mut vm1 = Server::new("vm1");
    assert!(lost(&vm1.ask(8, Some(&high), at(0))), "its own record, of a later run");
    assert_eq!(vm1.ask(10, Some(&high), at(0)), Decision::Write);
}

#[test]
fn a_member_s_record_is_taken_at_once_and_needs_no_wait() {
    let mut vm2 = Server::with("vm2", &["vm1", "vm2"]);
    assert_eq!(vm2.ask(2, Some(&record("vm1", 1, "a")), at(0)), Decision::Write);
    assert_eq!(vm2.memory.handover(at(0)), None);
}

#[test]
fn a_term_once_held_is_only_renewed_and_never_taken_again() {
    let mut vm1 = Server::new("vm1");
    let own = record("vm1", 5, "a");
    vm1.wrote(&own, at(0));
    assert!(lost(&vm1.ask(5, None, at(1))), "deleted");
    assert!(lost(&vm1.ask(5, None, at(100))), "deleted long ago");
    assert!(lost(&vm1.ask(5, Some(&record("vm2", 6, "b")), at(101))));
    // Deleted, then made by somebody who knew of no higher term.
    assert!(lost(&vm1.ask(5, Some(&record("vm2", 3, "c")), at(102))));
    assert!(lost(&vm1.ask(5, Some(&record("vm2", 3, "c")), at(200))));
    assert!(lost(&vm1.ask(4, Some(&record("vm2", 3, "c")), at(201))), "a question come late");
    assert_eq!(vm1.ask(6, Some(&record("vm2", 3, "c")), at(202)), Decision::Write);
}

#[test]
fn a_missing_record_is_claimed_and_the_claim_must_stand() {
    let mut vm2 = Server::new("vm2");
    assert_eq!(vm2.ask(2, None, at(0)), Decision::Claim);
    assert_eq!(vm2.ask(2, None, at(1000)), Decision::Claim, "absence proves nothing");
    let mut claim = record("vm2", 2, "a");
    claim.claim = true;
    assert_eq!(wait(&vm2.ask(2, Some(&claim), at(1001))), Some(TTL), "its own claim");
    assert_eq!(vm2.ask(2, Some(&claim), at(1016)), Decision::Write);
    assert_eq!(vm2.memory.handover(at(1016)), Some(TTL));
    let mut vm1 = Server::new("vm1");
    assert_eq!(wait(&vm1.ask(3, Some(&claim), at(0))), Some(TTL));
    let mut whole = Server { whole: true, ..Server::with("vm1", &["vm1", "vm2"]) };
    assert_eq!(whole.ask(3, Some(&claim), at(0)), Decision::Write);
    assert_eq!(whole.ask(3, None, at(0)), Decision::Write);
    assert_eq!(whole.memory.handover(at(0)), None);
}

#[test]
fn the_former_holder_is_remembered_when_the_answer_to_the_taking_was_lost() {
    let mut vm2 = Server::new("vm2");
    let old = record("vm1", 1, "a");
    vm2.ask(2, Some(&old), at(0));
    assert_eq!(vm2.ask(2, Some(&old), at(15)), Decision::Write);
    // The write was made; its answer never came. The next question finds it.
    let own = record("vm2", 2, "b");
    assert_eq!(vm2.ask(2, Some(&own), at(20)), Decision::Write);
    assert_eq!(vm2.memory.handover(at(20)), Some(Duration::from_secs(20)));
}

#[test]
fn another_cluster_s_record_is_unknown_and_both_are_named() {
    let mut vm1 = Server::new("vm1");
    let mut foreign = record("vm1", 1, "a");
    foreign.cluster = "d".into();
    for second in [0, 1000] {
        let Decision::Answer(verdict, text) = vm1.ask(9, Some(&foreign), at(second)) else {
            panic!("not refused");
        };
        assert_eq!(verdict, Verdict::Unknown);
        assert!(text.contains("cluster d") && text.contains("cluster c"), "{text}");
    }
}

#[test]
fn a_clock_that_goes_back_only_makes_the_wait_longer() {
    let mut vm2 = Server::new("vm2");
    let seen = record("vm1", 1, "a");
    assert_eq!(wait(&vm2.ask(2, Some(&seen), at(100))), Some(TTL));
    assert_eq!(wait(&vm2.ask(2, Some(&seen), at(50))), Some(TTL));
}

/// Every short history of two servers over one record with conditional writes: a server that was
/// told `Held` keeps it for its lease; nobody else may be told so meanwhile, unless that one's
/// answer says how long to wait.
#[test]
fn no_short_history_gives_two_holders() {
    #[derive(Clone)]
    struct World {
        now: u64,
        record: Option<Record>,
        writes: u32,
        memory: [Memory; 2],
        terms: [u64; 2],
        /// Until when each may act, and from when on it may start what the other ran.
        until: [u64; 2],
        from: [u64; 2],
    }
    const NAMES: [&str; 2] = ["vm1", "vm2"];
    /// Lease, and the wait that follows from it, in units of half a TTL.
    const LEASE: u64 = 3;

    fn step(world: &mut World, server: usize, new_term: bool, deleted: bool) {
        if deleted {
            world.record = None;
        }
        if new_term {
            let seen = world.record.as_ref().map_or(0, |record| record.term.number);
            world.terms[server] = world.terms[server].max(seen) + 1;
            world.until[server] = world.until[server].min(world.now);
        }
        let name: ServerName = NAMES[server].into();
        let term = term(world.terms[server], NAMES[server]);
        let members = [name.clone()];
        let asker = Asker {
            cluster: "c",
            server: &name,
            members: &members,
            whole: false,
            term: &term,
            ttl: Duration::from_secs(2),
        };
        let now = at(world.now);
        let decision = world.memory[server].decide(&asker, world.record.as_ref(), now);
        if !matches!(decision, Decision::Write | Decision::Claim) {
            return;
        }
        world.writes += 1;
        let mut written = Record::new("c", &name, &term, world.writes.to_string());
        written.ttl_milliseconds = 2000;
        if decision == Decision::Claim {
            written.claim = true;
            world.record = Some(written);
            return;
        }
        let taken = world.record.as_ref().is_none_or(|before| before.holder != name);
        world.memory[server].wrote(&written, now);
        world.record = Some(written);
        world.until[server] = world.now + LEASE;
        if taken || new_term {
            let ago = world.memory[server].handover(now).map_or(0, |ago| ago.as_secs());
            world.from[server] = world.from[server].max(world.now + LEASE.saturating_sub(ago));
        }
        let other = 1 - server;
        assert!(
            world.until[other] <= world.now.max(world.from[server]),
            "{} holds until {}, and {} starts at {}",
            NAMES[other],
            world.until[other],
            NAMES[server],
            world.now.max(world.from[server])
        );
    }

    fn explore(world: &World, depth: u32, count: &mut u64) {
        *count += 1;
        if depth == 0 {
            return;
        }
        for server in 0..2 {
            for (new_term, deleted) in [(false, false), (true, false), (false, true)] {
                if world.terms[server] == 0 && !new_term {
                    continue;
                }
                let mut next = world.clone();
                step(&mut next, server, new_term, deleted);
                explore(&next, depth - 1, count);
            }
        }
        let mut later = world.clone();
        later.now += 1;
        explore(&later, depth - 1, count);
    }

    let world = World {
        now: 0,
        record: None,
        writes: 0,
        memory: Default::default(),
        terms: [0; 2],
        until: [0; 2],
        from: [0; 2],
    };
    let mut count = 0;
    explore(&world, 7, &mut count);
    assert!(count > 100_000, "{count} histories");
}

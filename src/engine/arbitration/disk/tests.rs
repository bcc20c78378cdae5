use super::*;

const WINDOW: Duration = Duration::from_secs(10);

/// Servers n1 (highest priority) to n3 over one disk.
struct Disk {
    slots: Vec<Seen>,
    watches: Vec<Watch>,
}

fn name(index: usize) -> ServerName {
    ServerName::from(format!("n{}", index + 1).as_str())
}

fn second(number: u64) -> Instant {
    Instant(number * 1_000_000_000)
}

fn question(term: u64, proposer: usize, members: &[usize]) -> ArbiterQuestion {
    ArbiterQuestion {
        members: members.iter().map(|member| name(*member)).collect(),
        term: Term { number: term, proposer: name(proposer) },
        revision: Revision(term),
        absent: BTreeMap::new(),
        voiceless: Default::default(),
    }
}

impl Disk {
    fn new(servers: usize) -> Self {
        let run = |index| Self::run(servers, index, index as u64);
        Self { slots: vec![Seen::Empty; 8], watches: (0..servers).map(run).collect() }
    }

    /// A run of one server's agent.
    fn run(servers: usize, server: usize, run: u64) -> Watch {
        Watch::new(name(server), (0..servers).map(name).collect(), WINDOW, run)
    }

    fn write(&mut self, server: usize, slot: Slot) {
        let place = self.watches[server].place(&self.slots).unwrap();
        self.slots[place] = Seen::Slot(slot);
    }

    fn live(&mut self, at: u64, servers: &[usize]) {
        for server in servers {
            let slot = self.watches[*server].beat();
            self.write(*server, slot);
        }
        for server in servers {
            self.watches[*server].observe(second(at), &self.slots);
        }
    }

    /// The driver's steps: read, judge, write, read, judge.
    fn ask(&mut self, at: u64, server: usize, question: &ArbiterQuestion) -> ArbiterAnswer {
        let now = second(at);
        self.watches[server].observe(now, &self.slots);
        if let Some(obstacle) = self.watches[server].obstacle(now, question) {
            let slot = self.watches[server].withdraw();
            self.write(server, slot);
            return self.watches[server].lost(obstacle);
        }
        let slot = self.watches[server].claim(question);
        self.write(server, slot);
        self.watches[server].observe(now, &self.slots);
        match self.watches[server].obstacle(now, question) {
            Some(obstacle) => {
                let slot = self.watches[server].withdraw();
                self.write(server, slot);
                self.watches[server].lost(obstacle)
            }
            None => self.watches[server].held(now, question),
        }
    }

    fn verdict(&mut self, at: u64, server: usize, question: &ArbiterQuestion) -> Verdict {
        self.ask(at, server, question).verdict
    }
}

#[test]
fn of_two_parts_the_one_with_the_highest_priority_goes_on() {
    for first in [0, 1] {
        let mut disk = Disk::new(3);
        for at in 0..20 {
            disk.live(at, &[0, 1, 2]);
        }
        // n2 led all of them.
        assert_eq!(disk.verdict(20, 1, &question(1, 1, &[0, 1, 2])), Verdict::Held);
        disk.live(21, &[0, 1, 2]);
        let (one, others) = (question(2, 0, &[0]), question(2, 1, &[1, 2]));
        // Whoever asks first.
        for round in 0..3 {
            let at = 22 + round;
            disk.live(at, &[0, 1, 2]);
            let mut said = [Verdict::Unknown; 2];
            for part in [first, 1 - first] {
                let question = if part == 0 { &one } else { &others };
                said[part] = disk.verdict(at, part, question);
            }
            assert_eq!(said[1], Verdict::Lost);
            assert!(said[0] == Verdict::Held || round == 0, "{said:?}");
        }
        let age = disk.ask(25, 0, &one).handover;
        assert!(age.is_some_and(|age| age <= Duration::from_secs(4)), "n2's claim: {age:?}");
    }
}

#[test]
fn a_dead_claim_is_taken_after_the_window_and_its_age_told() {
    let mut disk = Disk::new(2);
    for at in 0..20 {
        disk.live(at, &[0, 1]);
    }
    assert_eq!(disk.verdict(20, 0, &question(1, 0, &[0, 1])), Verdict::Held);
    disk.live(20, &[1]);
    // n1 dies with its claim.
    for at in 21..30 {
        disk.live(at, &[1]);
        assert_eq!(disk.verdict(at, 1, &question(2, 1, &[1])), Verdict::Lost, "at {at}");
    }
    let answer = disk.ask(30, 1, &question(2, 1, &[1]));
    assert_eq!(answer.verdict, Verdict::Held);
    assert_eq!(answer.handover, Some(WINDOW));
    // n1 comes back, alone, in its old view and in a new one: what n2 holds stays n2's.
    disk.live(40, &[0, 1]);
    assert_eq!(disk.verdict(41, 1, &question(2, 1, &[1])), Verdict::Held);
    assert_eq!(disk.verdict(41, 0, &question(1, 0, &[0, 1])), Verdict::Lost, "an old term");
    disk.live(42, &[0, 1]);
    assert_eq!(disk.verdict(43, 0, &question(3, 0, &[0])), Verdict::Lost, "n2 goes on");
    assert_eq!(disk.verdict(43, 1, &question(2, 1, &[1])), Verdict::Held, "n1 has promised none");
}

#[test]
fn who_was_let_go_on_once_does_not_overlook_a_claim_that_came_since() {
    let mut disk = Disk::new(3);
    disk.live(0, &[0, 1, 2]);
    assert_eq!(disk.verdict(20, 0, &question(1, 0, &[0])), Verdict::Held);
    assert_eq!(disk.verdict(21, 1, &question(2, 1, &[1, 2])), Verdict::Lost);
    // n1 loses the disk, and with it its claim; it hears the others again for a while.
    for at in 21..33 {
        disk.live(at, &[1, 2]);
    }
    assert_eq!(disk.verdict(33, 1, &question(3, 1, &[1, 2])), Verdict::Held);
    disk.live(34, &[1, 2]);
    assert_eq!(disk.verdict(35, 0, &question(4, 0, &[0])), Verdict::Lost, "n2's claim is fresh");
    assert_eq!(disk.verdict(36, 1, &question(3, 1, &[1, 2])), Verdict::Held);
}

#[test]
fn a_server_that_never_saw_the_disk_waits_before_it_believes_an_old_claim_dead() {
    let mut disk = Disk::new(2);
    disk.live(0, &[0]);
    assert_eq!(disk.verdict(1, 0, &question(1, 0, &[0])), Verdict::Held);
    // n2 starts a day later; nothing tells it how old the claim is.
    let day = 86_400;
    assert_eq!(disk.verdict(day, 1, &question(2, 1, &[1])), Verdict::Lost);
    assert_eq!(disk.verdict(day + 10, 1, &question(2, 1, &[1])), Verdict::Held);
}

#[test]
fn a_lower_term_than_was_ever_claimed_is_refused_and_told() {
    let mut disk = Disk::new(2);
    assert_eq!(disk.verdict(1, 0, &question(7, 0, &[0])), Verdict::Held);
    let answer = disk.ask(100, 1, &question(3, 1, &[1]));
    assert_eq!(answer.verdict, Verdict::Lost);
    assert_eq!(answer.recorded.unwrap().term, Term { number: 7, proposer: name(0) });
}

#[test]
fn a_claim_that_came_and_went_between_two_looks_is_waited_for() {
    let mut disk = Disk::new(2);
    disk.live(0, &[0, 1]);
    assert_eq!(disk.verdict(20, 0, &question(4, 0, &[0])), Verdict::Held);
    let slot = disk.watches[0].withdraw();
    disk.write(0, slot);
    // n2 never saw the claim itself, and n1 is gone.
    assert_eq!(disk.verdict(21, 1, &question(5, 1, &[1])), Verdict::Lost, "n1 just moved");
    let answer = disk.ask(31, 1, &question(5, 1, &[1]));
    assert_eq!((answer.verdict, answer.handover), (Verdict::Held, Some(WINDOW)));
    // And whoever comes back in its old view is refused, though no claim stands any more.
    let slot = disk.watches[1].withdraw();
    disk.write(1, slot);
    assert_eq!(disk.verdict(60, 0, &question(4, 0, &[0])), Verdict::Lost);
    let own = disk.ask(61, 1, &question(4, 1, &[1]));
    assert_eq!(own.verdict, Verdict::Lost, "nor does one go back behind its own term");
}

#[test]
fn what_an_earlier_run_of_another_server_claimed_is_waited_for_at_the_first_look() {
    let mut disk = Disk::new(2);
    assert_eq!(disk.verdict(1, 1, &question(1, 1, &[1])), Verdict::Held);
    // Its agent is replaced, and its keeper keeps what runs.
    disk.watches[1] = Disk::run(2, 1, 9);
    disk.watches[1].observe(second(2), &disk.slots);
    disk.live(2, &[1]);
    let answer = disk.ask(3, 0, &question(2, 0, &[0]));
    assert_eq!((answer.verdict, answer.handover), (Verdict::Held, Some(Duration::ZERO)));
}

#[test]
fn a_slot_that_cannot_be_read_counts_as_a_claim_until_it_stands_still() {
    let mut disk = Disk::new(2);
    disk.live(0, &[0, 1]);
    disk.slots[0] = Seen::Torn(1);
    assert_eq!(disk.verdict(20, 1, &question(1, 1, &[1])), Verdict::Lost);
    assert_eq!(disk.verdict(30, 1, &question(1, 1, &[1])), Verdict::Held);
}

/// Every interleaving of the two drivers' single steps, in every state of the slots before: never
/// are both told `Held`.
#[test]
fn no_interleaving_of_two_questions_tells_both_to_go_on() {
    for schedule in 0..(1_u32 << 8) {
        // A whole cluster before, led by the one, the other, or nobody.
        for leader in [None, Some(0), Some(1)] {
            let mut disk = Disk::new(2);
            for at in 0..20 {
                disk.live(at, &[0, 1]);
            }
            if let Some(leader) = leader {
                disk.ask(19, leader, &question(1, leader, &[0, 1]));
                disk.live(20, &[0, 1]);
            }
            let questions = [question(2, 0, &[0]), question(2, 1, &[1])];
            let mut step = [0; 2];
            let mut held = [false; 2];
            for turn in 0..8 {
                let server = usize::from(schedule & (1 << turn) != 0);
                single_step(&mut disk, server, &questions[server], &mut step, &mut held);
            }
            assert!(held != [true; 2], "schedule {schedule:b}, leader {leader:?}");
        }
    }
}

/// Steps 0 and 2 read and judge, step 1 writes.
fn single_step(
    disk: &mut Disk,
    server: usize,
    question: &ArbiterQuestion,
    step: &mut [usize; 2],
    held: &mut [bool; 2],
) {
    let now = second(21);
    if step[server] == 1 {
        let slot = disk.watches[server].claim(question);
        disk.write(server, slot);
        step[server] = 2;
        return;
    }
    disk.watches[server].observe(now, &disk.slots);
    if disk.watches[server].obstacle(now, question).is_some() {
        let slot = disk.watches[server].withdraw();
        disk.write(server, slot);
        step[server] = 0;
        held[server] = false;
        return;
    }
    if step[server] == 2 {
        held[server] = true;
    }
    step[server] = 1;
}

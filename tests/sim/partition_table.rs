//! The CP guide's section 1.2.4 as cases: every cell of its closing table and every statement of its
//! text, faults in both orders, each played by the real engine and the arbiters' own rules.
//!
//! `tests/golden/partition-table/table.txt` is what came out, and was checked against the guide
//! line by line. `STEAD_WRITE_GOLDEN=1` writes it anew; read the difference.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use stead::api::kinds::PartitionAction;
use stead::engine::Engine;
use stead::sim::{ArbiterKind, Detail, Fault, Options, Violation, World, both_ways};

const LINE: Fault = Fault::ArbiterPartAway(0);
const DISK: Fault = Fault::ArbiterPartAway(1);
/// Longer than any time-out, budget and takeover of these clusters together.
const LONG: Duration = Duration::from_secs(40);

/// What breaks, and what breaks when all is settled after that.
struct Case {
    arbiter: ArbiterKind,
    servers: usize,
    words: &'static str,
    first: Vec<Fault>,
    then: Vec<Fault>,
}

fn case(
    arbiter: ArbiterKind,
    servers: usize,
    words: &'static str,
    first: &[Fault],
    then: &[Fault],
) -> Case {
    Case { arbiter, servers, words, first: first.to_vec(), then: then.to_vec() }
}

/// Every path between the two sets.
fn cut(one: &[usize], other: &[usize]) -> Fault {
    Fault::Cut(both_ways(one, other, 2))
}

fn all_apart(servers: usize) -> Fault {
    let everybody: Vec<usize> = (0..servers).collect();
    cut(&everybody, &everybody)
}

fn serial() -> Vec<Case> {
    use ArbiterKind::Serial;
    let net = || cut(&[0], &[1]);
    vec![
        case(Serial, 2, "the active server dies", &[Fault::Crash(0)], &[]),
        case(Serial, 2, "the standby dies", &[Fault::Crash(1)], &[]),
        case(Serial, 2, "line broken, then the active dies", &[LINE], &[Fault::Crash(0)]),
        case(Serial, 2, "line broken, then the standby dies", &[LINE], &[Fault::Crash(1)]),
        case(Serial, 2, "every network path cut", &[net()], &[]),
        case(Serial, 2, "line broken, then every path cut", &[LINE], &[net()]),
        case(Serial, 2, "every path cut, then the line", &[net()], &[LINE]),
        case(Serial, 2, "every path and the line at once", &[net(), LINE], &[]),
    ]
}

fn disk() -> Vec<Case> {
    use ArbiterKind::Disk;
    let one = Fault::ArbiterCutOff;
    vec![
        case(Disk, 3, "the active server dies", &[Fault::Crash(0)], &[]),
        case(Disk, 3, "the disk fails", &[DISK], &[]),
        case(Disk, 3, "disk broken, then the active dies", &[DISK], &[Fault::Crash(0)]),
        case(Disk, 3, "the active dies, then the disk", &[Fault::Crash(0)], &[DISK]),
        case(Disk, 3, "cut: 1 | 2 3", &[cut(&[0], &[1, 2])], &[]),
        case(Disk, 3, "cut: 1 2 | 3", &[cut(&[0, 1], &[2])], &[]),
        case(Disk, 3, "cut: 1 3 | 2", &[cut(&[0, 2], &[1])], &[]),
        case(Disk, 3, "every server alone", &[all_apart(3)], &[]),
        case(Disk, 3, "disk broken, then every server alone", &[DISK], &[all_apart(3)]),
        case(Disk, 3, "every server alone, then the disk", &[all_apart(3)], &[DISK]),
        case(Disk, 3, "disk and every path at once", &[DISK, all_apart(3)], &[]),
        case(Disk, 2, "1 lost the disk, then every path cut", &[one(0)], &[cut(&[0], &[1])]),
        case(Disk, 2, "disk too slow for 2, then 1 dies", &[one(1)], &[Fault::Crash(0)]),
    ]
}

fn serial_disk() -> Vec<Case> {
    use ArbiterKind::SerialDisk;
    let net = || cut(&[0], &[1]);
    vec![
        case(SerialDisk, 2, "the active server dies", &[Fault::Crash(0)], &[]),
        case(SerialDisk, 2, "line broken, then the active dies", &[LINE], &[Fault::Crash(0)]),
        case(SerialDisk, 2, "line broken, then the standby dies", &[LINE], &[Fault::Crash(1)]),
        case(SerialDisk, 2, "disk broken, then the active dies", &[DISK], &[Fault::Crash(0)]),
        case(SerialDisk, 2, "every network path cut", &[net()], &[]),
        case(SerialDisk, 2, "line broken, then every path cut", &[LINE], &[net()]),
        case(SerialDisk, 2, "every path cut, then the line", &[net()], &[LINE]),
        case(SerialDisk, 2, "every path and the line at once", &[net(), LINE], &[]),
        case(SerialDisk, 2, "path, line and disk at once", &[net(), LINE, DISK], &[]),
    ]
}

fn majority() -> Vec<Case> {
    use ArbiterKind::Majority;
    let crash = Fault::Crash;
    vec![
        case(Majority, 3, "the active server dies", &[crash(0)], &[]),
        case(Majority, 3, "cut: 1 | 2 3", &[cut(&[0], &[1, 2])], &[]),
        case(Majority, 3, "cut: 1 2 | 3", &[cut(&[0, 1], &[2])], &[]),
        case(Majority, 3, "every server alone", &[all_apart(3)], &[]),
        case(Majority, 3, "the active dies, then the next", &[crash(0)], &[crash(1)]),
        case(Majority, 3, "both standbys die at once", &[crash(1), crash(2)], &[]),
        case(Majority, 4, "half die at once", &[crash(2), crash(3)], &[]),
        case(Majority, 4, "cut: 1 2 | 3 4", &[cut(&[0, 1], &[2, 3])], &[]),
        case(Majority, 5, "cut: 1 2 | 3 4 5", &[cut(&[0, 1], &[2, 3, 4])], &[]),
    ]
}

/// Mirror and no resolution at all: the same engine, every part goes on.
fn nobody() -> Vec<Case> {
    use ArbiterKind::Nobody;
    vec![
        case(Nobody, 2, "the active server dies", &[Fault::Crash(0)], &[]),
        case(Nobody, 2, "every network path cut", &[cut(&[0], &[1])], &[]),
        case(Nobody, 3, "the active dies, then the next", &[Fault::Crash(0)], &[Fault::Crash(1)]),
        case(Nobody, 3, "every server alone", &[all_apart(3)], &[]),
    ]
}

struct Outcome {
    serving: String,
    down: String,
}

fn play(case: &Case) -> Outcome {
    let mut options = Options::quiet(case.servers, case.arbiter);
    options.on_partition = PartitionAction::Shutdown;
    let mut world = World::<Engine>::new(options, Detail::Lines);
    let settled = world.run_until(LONG, |world| world.settled()).expect("quiet");
    assert!(settled, "{}: never online\n{}", case.words, world.trace());
    if let Err(violation) = strike(&mut world, case) {
        panic!("{}: {violation}\n{}", case.words, world.trace());
    }
    let active = world.active_on("g1");
    let serving = match active.len() {
        0 => "nobody".to_owned(),
        1 => active.join(" "),
        _ => return Outcome { serving: "two at once".into(), down: "-".into() },
    };
    let trace = world.trace().to_string();
    let ended: BTreeSet<&str> = trace
        .lines()
        .filter(|line| line.ends_with("[FinalActionTaken]"))
        .filter_map(|line| line.split_once(": ")?.0.split_whitespace().last())
        .collect();
    let down = if ended.is_empty() { "-".into() } else { Vec::from_iter(ended).join(" ") };
    Outcome { serving, down }
}

fn strike(world: &mut World<Engine>, case: &Case) -> Result<(), Violation> {
    for faults in [&case.first, &case.then] {
        for fault in faults {
            world.break_it(fault)?;
        }
        world.run_for(LONG)?;
    }
    Ok(())
}

#[test]
fn every_cell_of_the_partition_table_comes_out_as_the_guide_says() {
    let mut table = String::from(
        "method      servers  what fails                              who serves   shut down\n",
    );
    for case in [serial(), disk(), serial_disk(), majority(), nobody()].into_iter().flatten() {
        let Outcome { serving, down } = play(&case);
        let method = format!("{:?}", case.arbiter);
        let line =
            format!("{method:<11} {:<8} {:<39} {serving:<12} {down}", case.servers, case.words);
        writeln!(table, "{}", line.trim_end()).expect("a string grows");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/partition-table/table.txt");
    if std::env::var_os("STEAD_WRITE_GOLDEN").is_some() {
        std::fs::write(&path, &table).expect("the golden folder");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(table, expected);
}

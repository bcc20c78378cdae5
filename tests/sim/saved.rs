//! Schedules as lists of what is done in them: played again, shrunk, and kept in files.
//!
//! `saved/*.yaml` are failures that were found and made small. `STEAD_SAVE=1` writes those that the
//! broken engines below give anew.

use std::fs;
use std::path::{Path, PathBuf};

use stead::engine::Engine;
use stead::engine::mutation::{Flaw, Mutation};
use stead::sim::{
    Detail, Failed, Options, Schedule, Shrunk, play_options, play_twice, run, shrink,
};

/// Schedules that are played to make one smaller.
const TRIES: u32 = 300;
/// A handful.
const ACTS_MAX: usize = 5;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sim/saved")
}

fn flaw(name: &str) -> Flaw {
    let named = |mutation: &&Mutation| format!("{mutation:?}") == name;
    Flaw::of(*Mutation::ALL.iter().find(named).unwrap_or_else(|| panic!("no mutation {name}")))
}

/// Makes the first failure of a run small, prints it and says how to play it again.
pub fn show_shrunk(failed: &Failed) {
    let Shrunk { schedule, violation, story, tries } = shrink::<Engine>(failed, None, TRIES);
    println!("--- the same in small, after {tries} tries\n{story}\n{violation}");
    let text = schedule.text(&violation);
    let path = std::env::temp_dir().join(format!("stead-{}.yaml", failed.options.seed));
    println!("--- {}\n{text}", path.display());
    fs::write(&path, text).unwrap();
    println!(
        "replay: STEAD_SAVED={} cargo test --profile simulate --features simulate --test sim \
         saved::every -- --nocapture\nkeep it: mv {0} tests/sim/saved/",
        path.display()
    );
}

fn files() -> Vec<PathBuf> {
    match std::env::var("STEAD_SAVED") {
        Ok(path) => vec![path.into()],
        Err(_) => {
            let entries = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
            let yaml = |path: &PathBuf| path.extension().is_some_and(|it| it == "yaml");
            let mut files: Vec<PathBuf> = entries.filter(yaml).collect();
            files.sort();
            files
        }
    }
}

#[test]
fn a_list_of_acts_gives_the_trace_that_was_drawn() {
    for seed in 5000..5030 {
        play_twice::<Engine>(Options::draw(seed)).unwrap_or_else(|failure| panic!("{failure}"));
    }
}

/// Whether an engine keeps every rule in a saved schedule; what it breaks.
pub fn kept(name: &str, flaw: Flaw) -> Result<bool, String> {
    let text = fs::read_to_string(folder().join(format!("{name}.yaml"))).unwrap();
    let schedule = Schedule::read(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    let options = Options { flaw, ..schedule.options };
    let run = run::<Engine>(&options, Some(&schedule.acts), Detail::Outline);
    run.result.map(|_| true).map_err(|violation| format!("{:?}", violation.invariant))
}

#[test]
fn every_saved_schedule_passes_and_breaks_the_engine_that_it_was_found_with() {
    for path in files() {
        let name = path.display();
        let schedule = Schedule::read(&fs::read_to_string(&path).unwrap())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut options = schedule.options.clone();
        let real = run::<Engine>(&options, Some(&schedule.acts), Detail::Lines);
        if let Err(violation) = real.result {
            panic!("{}\n{name}: {violation}", real.story);
        }
        if let Some(mutation) = &schedule.mutation {
            options.flaw = flaw(mutation);
            let broken = run::<Engine>(&options, Some(&schedule.acts), Detail::Outline);
            assert!(broken.result.is_err(), "{name}: {mutation} is not noticed any more");
        }
    }
}

/// Keeps what a broken engine failed, made small.
pub fn keep(failed: &Failed, mutation: Mutation, name: &str) {
    let shrunk = shrink::<Engine>(failed, Some(format!("{mutation:?}")), TRIES);
    let text = shrunk.schedule.text(&shrunk.violation);
    fs::write(folder().join(format!("{name}.yaml")), text).unwrap();
}

/// The first schedule that a broken engine fails and the real one does not.
fn found(mutation: Mutation) -> Box<Failed> {
    let fails = |seed| {
        let options = Options { flaw: Flaw::of(mutation), ..Options::draw(seed) };
        let failed = play_options::<Engine>(options).err()?;
        let real = Options { flaw: Flaw::default(), ..failed.options.clone() };
        run::<Engine>(&real, Some(&failed.acts), Detail::Outline).result.is_ok().then_some(failed)
    };
    (1..2000).find_map(fails).unwrap_or_else(|| panic!("{mutation:?} is never noticed"))
}

#[test]
fn what_a_broken_engine_fails_shrinks_to_a_handful_of_acts() {
    for mutation in [
        Mutation::AbsentNotWaitedFor,
        Mutation::FailedStopIsAbsent,
        Mutation::LeaseFromReceipt,
        Mutation::NothingProbedAtStart,
    ] {
        let failed = found(mutation);
        let name = format!("{mutation:?}");
        let shrunk = shrink::<Engine>(&failed, Some(name.clone()), TRIES);
        let Shrunk { schedule, violation, story, tries } = shrunk;
        let (before, after) = (failed.acts.len(), schedule.acts.len());
        println!("{name}: {before} acts, {after} after {tries} tries\n{story}\n{violation}\n");
        assert_eq!(violation.invariant, failed.violation.invariant, "{story}");
        assert!(after <= ACTS_MAX, "{after} acts are left\n{story}");
        let text = schedule.text(&violation);
        assert_eq!(Schedule::read(&text).unwrap().text(&violation), text);
    }
}

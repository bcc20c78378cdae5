//! Plays on every core; rows in the order of the faults, whichever was done first.

use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::filter::Filter;
use crate::cli::failure::Failure;
use crate::sim::rehearse::{Rehearsal, Row};

/// Width of the progress bar.
const BAR: usize = 40;

/// Every row: for each first fault its own and those of its second faults.
pub(super) fn rows(
    rehearsal: &Rehearsal,
    filter: &Filter,
    doubles: bool,
    progress: bool,
) -> Result<Vec<Row>, Failure> {
    let wanted: Vec<usize> = filter.indices().collect();
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(first) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let rows = play(rehearsal, *first, filter, doubles);
                    let Ok(mut done) = done.lock() else { return };
                    done.push((*first, rows));
                    if progress {
                        show(done.len(), wanted.len());
                    }
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_default();
    done.sort_by_key(|(first, _)| *first);
    let mut all = Vec::new();
    for (first, rows) in done {
        let text = rehearsal.cases().get(first).map_or("", |case| case.text.as_str());
        let rows = rows.ok_or_else(|| {
            Failure::error(format!(
                "the engine panicked while `{text}` was played: please report it with the manifest"
            ))
        })?;
        all.extend(rows);
    }
    Ok(all)
}

/// None where the engine panicked.
fn play(rehearsal: &Rehearsal, first: usize, filter: &Filter, doubles: bool) -> Option<Vec<Row>> {
    let plays = || {
        let single = rehearsal.single(first, doubles)?;
        let mut rows = vec![single.row.clone()];
        if doubles {
            rows.extend(rehearsal.doubles(&single, |second| filter.wants(second)));
        }
        Some(rows)
    };
    catch_unwind(AssertUnwindSafe(plays)).ok().flatten()
}

fn show(done: usize, of: usize) {
    let full = BAR * done / of.max(1);
    let bar = format!("{}{}", "#".repeat(full), ".".repeat(BAR - full));
    let end = if done == of { "\r\x1b[K" } else { "" };
    // Nobody looks where standard error is gone.
    let _ = write!(std::io::stderr(), "\rrehearsing [{bar}] {done} of {of} faults{end}");
}

//! The command with its files, and its table for the quickstart manifest.

use std::fs;
use std::path::Path;

use super::*;
use crate::api::kinds::Duration as Written;

const QUICKSTART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/manifests/quickstart");

fn arguments(words: &[&str]) -> Arguments {
    let line = ["stead", "rehearse"].iter().chain(words).map(std::ffi::OsString::from);
    let command = crate::cli::parse(line).unwrap().command;
    let crate::cli::Command::Rehearse(arguments) = command else { panic!("{command:?}") };
    arguments
}

fn try_run(words: &[&str]) -> Result<(), Failure> {
    let line = ["stead", "rehearse"].iter().chain(words).map(std::ffi::OsString::from);
    let global = crate::cli::parse(line).unwrap().global;
    run(&global, &arguments(words))
}

fn failure(words: &[&str]) -> (u8, String) {
    let failure = try_run(words).unwrap_err();
    (failure.exit_code(), failure.to_string())
}

fn report_of(words: &[&str], look: impl FnOnce(&Report<'_>)) {
    let arguments = arguments(words);
    let objects = check_manifests(&read_files(&arguments.filename).unwrap()).unwrap();
    let measured = Measured {
        boot: Some(Written::from(std::time::Duration::from_secs(30))),
        ..Measured::default()
    };
    let rehearsal = Rehearsal::new(&objects, &measured, 1, Pauses::Cut).unwrap();
    let filter = Filter::new(&arguments.filter, &rehearsal).unwrap();
    let doubles = arguments.faults == Faults::Double;
    let rows = work::rows(&rehearsal, &filter, doubles, false).unwrap();
    look(&Report::new(&rehearsal, rows));
}

#[test]
fn the_table_of_the_quickstart_is_as_it_was() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/rehearse/quickstart.txt");
    report_of(&["-f", QUICKSTART, "--faults", "single"], |report| {
        let table = report.render(Form::Table).unwrap();
        let written = fs::read_to_string(&golden).unwrap_or_default();
        if written != table {
            let actual = std::env::temp_dir().join("stead-rehearse-quickstart.txt");
            fs::write(&actual, table).unwrap();
            panic!("{} is stale: look at {}", golden.display(), actual.display());
        }
    });
}

/// CP-32: whoever thaws and has ended what it ran is no copy too many.
#[test]
fn that_two_ran_a_group_is_told_where_they_did_and_nowhere_else() {
    for filter in [&["--faults", "single"][..], &["--filter", "freeze"]] {
        let arguments = arguments(&[&["-f", QUICKSTART], filter].concat());
        let objects = check_manifests(&read_files(&arguments.filename).unwrap()).unwrap();
        let rehearsal = Rehearsal::new(&objects, &Measured::default(), 1, Pauses::Cut).unwrap();
        let filter = Filter::new(&arguments.filter, &rehearsal).unwrap();
        let doubles = arguments.faults == Faults::Double;
        let rows = work::rows(&rehearsal, &filter, doubles, false).unwrap();
        assert!(rows.iter().any(|row| row.is_dual()), "a clock that stands still lets two run");
        for row in rows {
            let (_, lines) = rehearsal.story(&row.id()).unwrap();
            let mut events = lines.iter().filter_map(|line| line.event.as_ref());
            let told = events.any(|event| event.reason.starts_with("DualActivation"));
            assert!(row.is_dual() || !told, "told though only one ran: {}", row.id());
            // Of a pair the second fault may keep the copies from ever meeting.
            assert!(told || doubles || !row.is_dual(), "not told: {}", row.id());
        }
    }
}

#[test]
fn every_form_tells_of_every_play() {
    let words = ["-f", QUICKSTART, "--filter", "power"];
    report_of(&words, |report| {
        let plays = report.rows().count();
        assert!(plays > 20, "{plays}");
        let json = report.render(Form::Json).unwrap();
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["plays"].as_array().unwrap().len(), plays);
        let yaml: serde_json::Value =
            serde_yaml::from_str(&report.render(Form::Yaml).unwrap()).unwrap();
        assert_eq!(yaml["plays"], value["plays"]);
        let wide = report.render(Form::Wide).unwrap();
        for row in report.rows() {
            assert!(wide.contains(&row.id()), "{}", row.id());
        }
        for form in [Form::Markdown, Form::Html, Form::Table] {
            let text = report.render(form).unwrap();
            assert!(text.contains("vm1 loses power"), "{text}");
            assert!(text.contains("takeover wait"), "{text}");
        }
    });
}

#[test]
fn a_manifest_that_is_not_safe_fails_what_it_is_told_to_fail_on() {
    let folder = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(Path::new(QUICKSTART).join("cluster.yaml")).unwrap();
    fs::write(folder.path().join("cluster.yaml"), text.replace("Majority", "None")).unwrap();
    let folder = folder.path().to_str().unwrap();
    let words = ["-f", folder, "--faults", "single", "--filter", "partition,power"];
    assert!(try_run(&words).is_ok());
    let words = [&words[..], &["--fail-on", "dual-active,outage>1h"]].concat();
    let (code, text) = failure(&words);
    assert_eq!(code, 5, "{text}");
    assert!(text.contains("dual-active holds for"), "{text}");
    assert!(!text.contains("outage>1h"), "{text}");
}

#[test]
fn what_can_not_be_rehearsed_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let (code, text) = failure(&["-f", path]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("has no .yaml, .yml or .json file"), "{text}");

    let file = folder.path().join("a.yaml");
    fs::write(&file, "kind: Cluster\nmetadata: {name: x}\nspec: {servers: 3, heartbat: {}}\n")
        .unwrap();
    let (code, text) = failure(&["-f", path]);
    assert_eq!(code, 4, "{text}");
    assert!(text.contains("apiVersion"), "{text}");

    fs::write(&file, "").unwrap();
    let (code, text) = failure(&["-f", path]);
    assert_eq!((code, text.contains("holds no Cluster")), (4, true), "{text}");

    let (code, text) = failure(&["-f", "/does/not/exist"]);
    assert_eq!(code, 1, "{text}");
}

#[test]
fn words_that_mean_nothing_are_refused_with_those_that_do() {
    let (code, text) = failure(&["-f", QUICKSTART, "--filter", "powr,nonsense"]);
    assert_eq!(code, 2, "{text}");
    for part in ["`powr`; did you mean `power`?", "`nonsense`", "kinds: power, reboot", "lan1"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let (code, text) = failure(&["-f", QUICKSTART, "--explain", "1+1@lunch"]);
    assert_eq!(code, 2, "{text}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("measured.yaml");
    fs::write(&file, "resources: {ap: {start: 1s}}\n").unwrap();
    let file = file.to_str().unwrap();
    let (code, text) = failure(&["-f", QUICKSTART, "--measured", file]);
    assert_eq!(code, 4, "{text}");
    assert!(text.contains("there is no resource `ap`; did you mean `app`?"), "{text}");
    for words in [
        &["rehearse"][..],
        &["rehearse", "-f", "x", "--from-cluster"],
        &["rehearse", "-f", "x", "--fail-on", "nonsense"],
        &["rehearse", "-f", "x", "--faults", "triple"],
    ] {
        let line = ["stead"].iter().chain(words).map(std::ffi::OsString::from);
        assert!(crate::cli::parse(line).is_err(), "{words:?}");
    }
}

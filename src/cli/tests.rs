//! The command line itself.

use http::HeaderValue;

use super::*;

#[test]
fn the_command_line_is_consistent() {
    command().debug_assert();
}

#[test]
fn every_subcommand_and_option_says_what_it_does() {
    fn check(command: &clap::Command) {
        assert!(command.get_about().is_some(), "{} has no help", command.get_name());
        for argument in command.get_arguments() {
            assert!(argument.get_help().is_some(), "{}: {}", command.get_name(), argument.get_id());
        }
        command.get_subcommands().for_each(check);
    }
    check(&command());
}

fn exit_code(words: &str) -> Option<String> {
    let words = words.split_whitespace().map(OsString::from);
    parse(words).err().map(|code| format!("{code:?}"))
}

#[test]
fn a_wrong_command_line_is_2_and_that_of_port_check_3() {
    assert_eq!(exit_code("stead get"), Some(format!("{:?}", ExitCode::from(2))));
    assert_eq!(exit_code("stead nothing"), Some(format!("{:?}", ExitCode::from(2))));
    for words in ["port-check", "port-check -h x", "port-check -p 1", "port-check -h x -p 1 -x"] {
        let code = exit_code(&format!("stead {words}"));
        assert_eq!(code, Some(format!("{:?}", ExitCode::from(3))), "{words}");
    }
    assert_eq!(exit_code("stead port-check -h localhost -p 80"), None);
}

#[test]
fn the_reference_has_every_subcommand_but_no_hidden_one() {
    let text = reference();
    assert!(text.contains("### stead port-check") && text.contains("#### stead group move"));
    assert!(!text.contains("### stead generate"));
}

#[test]
fn ages_are_said_as_people_say_them() {
    let cases = [(5, "5s"), (119, "119s"), (150, "2m30s"), (720, "12m"), (4000, "1h6m")];
    for (seconds, words) in cases {
        assert_eq!(output::duration(seconds), words);
    }
    assert_eq!(output::duration(3 * 86_400 + 4 * 3600), "3d4h");
    assert_eq!(output::duration(9 * 86_400 + 4 * 3600), "9d");
}

#[test]
fn kinds_have_many_names_and_a_slip_gets_the_nearest() {
    for word in
        ["fg", "failovergroup", "FailoverGroups", "failovergroups.stead.dev", "group", "groups"]
    {
        assert_eq!(kinds::kind(word).unwrap().kind, "FailoverGroup");
    }
    let error = kinds::kind("monitrs").unwrap_err().to_string();
    assert!(error.contains("did you mean `monitors`?"), "{error}");
}

#[test]
fn names_are_escaped_in_paths() {
    assert_eq!(kinds::escape("a/b c=d"), "a%2Fb%20c%3Dd");
}

#[test]
fn a_server_table_hides_wide_columns_and_aligns() {
    let answer = serde_json::json!({
        "columnDefinitions": [
            {"name": "Name", "priority": 0}, {"name": "Extra", "priority": 1},
            {"name": "State", "priority": 0},
        ],
        "rows": [{"cells": ["a-long-name", "x", "Online"]}, {"cells": ["b", "y", null]}],
    });
    let narrow = table::Table::from_server(&answer, false).render();
    assert_eq!(narrow, "NAME          STATE\na-long-name   Online\nb\n");
    let wide = table::Table::from_server(&answer, true).render();
    assert!(wide.starts_with("NAME          EXTRA   STATE\n"));
}

#[test]
fn what_a_server_warns_of_is_read_without_its_quotes() {
    let read = |header: &'static str| connection::warning(&HeaderValue::from_static(header));
    let warning = r#"299 - "\"app\" restarts, C:\\data \\ moves""#;
    assert_eq!(read(warning).unwrap(), r#""app" restarts, C:\data \ moves"#);
    assert_eq!(read(r#"299 - """#).unwrap(), "");
    for foreign in [r#"110 - "stale""#, "299", r#"299 - ""#, ""] {
        assert_eq!(read(foreign), None);
    }
}

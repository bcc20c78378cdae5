//! `FenceAgent`: an agent of the package `fence-agents`, by its standard-input interface.
//!
//! `off` is believed only where it exits with 0 *and* `status`, asked afterwards with the same
//! parameters, exits with 2, which is "off" there. Both are needed: agents exit with 2 for wrong
//! parameters too, and only warn of parameters that they do not know. So the check compares the
//! parameters with the agent's metadata.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::run::{Input, RunError, code, describe, run};
use super::{Use, confirm};
use crate::api::kinds::FenceAgent;
use crate::engine::effect::FenceAction;
use crate::engine::input::FenceAnswer;
use crate::keeper::protocol::Exit;

/// Where the package puts agents.
const FOLDER: &str = "/usr/sbin";
/// `status`: the server is on.
const STATUS_ON: i32 = 0;
/// `status`: the server is off.
const STATUS_OFF: i32 = 2;
/// Keeps what an agent says of itself, and not more than 512 KiB of it.
const KEEP: &str = r#"ulimit -f 1024; exec "$0" >"$1" 2>/dev/null"#;
/// Names of one parameter that agents of different age know it by.
const ALIASES: [(&str, &str); 8] = [
    ("plug", "port"),
    ("ip", "ipaddr"),
    ("username", "login"),
    ("password", "passwd"),
    ("password_script", "passwd_script"),
    ("ssl", "ssl_secure"),
    ("identity_file", "identity-file"),
    ("ssh", "secure"),
];

pub(super) async fn act(
    using: Use<'_>,
    spec: &FenceAgent,
    action: FenceAction,
    input: &Input,
) -> Result<(FenceAnswer, String), RunError> {
    match action {
        FenceAction::Check => check(using, spec, input).await,
        FenceAction::On => {
            let exit = ask(using, spec, "on", input).await?;
            let answer =
                if code(exit) == Some(0) { FenceAnswer::Fenced } else { FenceAnswer::Unknown };
            Ok((answer, format!("on {}", describe(using, exit))))
        }
        FenceAction::Off => {
            let exit = ask(using, spec, "off", input).await?;
            if code(exit) != Some(0) {
                return Ok((FenceAnswer::Unknown, format!("off {}", describe(using, exit))));
            }
            Ok(confirm(using, || status(using, spec, input)).await)
        }
    }
}

async fn status(
    using: Use<'_>,
    spec: &FenceAgent,
    input: &Input,
) -> Result<(FenceAnswer, String), RunError> {
    let exit = ask(using, spec, "status", input).await?;
    Ok(match code(exit) {
        Some(STATUS_OFF) => (FenceAnswer::Fenced, "status says off".to_owned()),
        Some(STATUS_ON) => (FenceAnswer::NotFenced, "status says on still".to_owned()),
        Some(_) | None => (FenceAnswer::Unknown, format!("status {}", describe(using, exit))),
    })
}

/// That the agent knows its parameters, can be asked for what we ask, and reaches its device.
async fn check(
    using: Use<'_>,
    spec: &FenceAgent,
    input: &Input,
) -> Result<(FenceAnswer, String), RunError> {
    let text = metadata(using, spec).await?;
    if let Err(message) = compare(&text, input.names()) {
        return Ok((FenceAnswer::NotFenced, message));
    }
    let exit = ask(using, spec, "status", input).await?;
    Ok(match code(exit) {
        Some(STATUS_ON) => (FenceAnswer::Fenced, "status says on".to_owned()),
        Some(STATUS_OFF) => (FenceAnswer::Fenced, "status says off".to_owned()),
        Some(_) => (FenceAnswer::NotFenced, format!("status {}", describe(using, exit))),
        None => (FenceAnswer::Unknown, format!("status {}", describe(using, exit))),
    })
}

async fn ask(
    using: Use<'_>,
    spec: &FenceAgent,
    action: &str,
    input: &Input,
) -> Result<Exit, RunError> {
    // Pacemaker's agents may look at it; the others pass it over.
    let lines = input.lines(&[("action", action), ("nodename", using.server.as_str())]);
    run(using, &[program(spec)], &BTreeMap::new(), lines).await
}

fn program(spec: &FenceAgent) -> String {
    let path = Path::new(&spec.agent);
    let path = if path.is_absolute() { path.to_owned() } else { Path::new(FOLDER).join(path) };
    path.to_string_lossy().into_owned()
}

async fn metadata(using: Use<'_>, spec: &FenceAgent) -> Result<String, RunError> {
    let folder: PathBuf = using.host.root.join("run/stead");
    let scratch = tempfile::Builder::new().prefix("fence-metadata").tempfile_in(&folder)?;
    let agent = program(spec);
    super::run::check_program(std::slice::from_ref(&agent))?;
    let file = scratch.path().to_string_lossy().into_owned();
    let command = ["/bin/sh".to_owned(), "-c".to_owned(), KEEP.to_owned(), agent.clone(), file];
    let lines = crate::keeper::protocol::StandardInput("action=metadata\n".to_owned());
    let exit = run(using, &command, &BTreeMap::new(), lines).await?;
    if code(exit) != Some(0) {
        return Err(RunError::Program { program: agent, what: "does not say its metadata" });
    }
    let bytes = std::fs::read(scratch.path())?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What is wrong with these parameters, or with the agent, by its metadata.
fn compare<'a>(metadata: &str, names: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let actions = attributes(metadata, "<action ", "name");
    let missing: Vec<&str> =
        ["off", "status"].into_iter().filter(|action| !actions.contains(*action)).collect();
    if !missing.is_empty() {
        return Err(format!("its metadata lists no action {}", missing.join(" and no ")));
    }
    let known: BTreeSet<String> =
        attributes(metadata, "<parameter ", "name").into_iter().map(folded).collect();
    let unknown: Vec<&str> = names.filter(|name| !is_known(&known, name)).collect();
    if !unknown.is_empty() {
        return Err(format!("its metadata lists no parameter {}", unknown.join(", ")));
    }
    Ok(())
}

fn is_known(known: &BTreeSet<String>, name: &str) -> bool {
    let name = folded(name);
    known.contains(&name)
        || ALIASES.iter().any(|(one, other)| {
            let (one, other) = (folded(one), folded(other));
            one == name && known.contains(&other) || other == name && known.contains(&one)
        })
}

fn folded(name: &str) -> String {
    name.replace('-', "_")
}

/// Values of an attribute in every tag of a kind. Metadata is too plain to need more of XML.
fn attributes<'a>(text: &'a str, tag: &str, attribute: &str) -> BTreeSet<&'a str> {
    let start = format!("{attribute}=\"");
    text.split(tag)
        .skip(1)
        .filter_map(|rest| rest.split('>').next())
        .filter_map(|inside| inside.split(start.as_str()).nth(1)?.split('"').next())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const METADATA: &str = r#"<resource-agent name="fence_x"><parameters>
        <parameter name="action" unique="0"><content type="string"/></parameter>
        <parameter name="ipaddr" required="1" /><parameter name="port" />
        <parameter name="power_wait" />
        </parameters><actions><action name="on" automatic="0"/><action name="off" />
        <action name="status" /></actions></resource-agent>"#;

    #[test]
    fn parameters_are_compared_with_the_agents_own_metadata() {
        let check = |names: &[&str]| compare(METADATA, names.iter().copied());
        assert_eq!(check(&["ip", "plug", "power-wait"]), Ok(()));
        assert_eq!(check(&["ipaddr", "port"]), Ok(()));
        let message = "its metadata lists no parameter plugg, tls".to_owned();
        assert_eq!(check(&["plugg", "ip", "tls"]), Err(message));
    }

    #[test]
    fn an_agent_that_can_confirm_nothing_is_refused() {
        let without = METADATA.replace(r#"<action name="status" />"#, "");
        let message = "its metadata lists no action status".to_owned();
        assert_eq!(compare(&without, [].into_iter()), Err(message));
        let message = "its metadata lists no action off and no status".to_owned();
        assert_eq!(compare("not xml at all", [].into_iter()), Err(message));
    }
}

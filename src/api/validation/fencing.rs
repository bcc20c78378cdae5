//! How lost servers are fenced.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Set, unknown};
use crate::api::arbitration::Combination;
use crate::api::kinds::{
    ClusterSpec, Fencing, FencingFailure, FencingMethod, FencingPerServer, FencingTakeover,
    FencingType, SecretSource, WatchdogMode,
};
use crate::api::problem::Problem;

/// Said by the cluster itself.
const RESERVED: [&str; 4] = ["action", "mode", "server", "nodename"];
/// Parts of names that secrets go by.
const SECRET_WORDS: [&str; 6] = ["password", "passwd", "secret", "token", "passphrase", "apikey"];
/// Ends of names that name where a secret is, not the secret itself.
const PLACES: [&str; 4] = ["_script", "_file", "_path", "_name"];
/// What fencing may take without a word about it.
const LONG: Duration = Duration::from_secs(300);
/// What a machine may well take to boot.
const BOOT: Duration = Duration::from_secs(60);

pub(super) fn check(set: &Set, spec: &ClusterSpec, problems: &mut Vec<Problem>) {
    let Some(fencing) = &spec.fencing else { return };
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for (level, entry) in fencing.levels.iter().enumerate() {
        for (index, method) in entry.methods.iter().enumerate() {
            let field = format!("spec.fencing.levels[{level}].methods[{index}]");
            if !names.insert(&method.name) {
                let message = "is the name of another method: events and logs go by it";
                let problem = Problem::error("DuplicateEntry", format!("{field}.name"), message);
                problems.push(problem.found(&method.name.as_str().into()));
            }
            check_method(set, spec, method, &field, problems);
        }
    }
    check_times(spec, fencing, problems);
    check_safety(spec, fencing, problems);
}

fn check_method(
    set: &Set,
    spec: &ClusterSpec,
    method: &FencingMethod,
    field: &str,
    problems: &mut Vec<Problem>,
) {
    check_parameters(&method.parameters, &method.secrets, field, problems);
    if let Some(script) = &method.script {
        check_command(&script.command, &format!("{field}.script.command"), problems);
    }
    if let Some(agent) = &method.fence_agent {
        check_agent(&agent.agent, &format!("{field}.fenceAgent.agent"), problems);
    }
    if let Some(aws) = &method.aws {
        super::aws::check_fence(set, method, aws, field, problems);
    }
    let mut said: BTreeMap<String, &str> = BTreeMap::new();
    for (index, entry) in method.per_server.iter().enumerate() {
        let at = format!("{field}.perServer[{index}]");
        if !set.servers.contains(&entry.name) {
            let place = format!("{at}.name");
            problems.push(unknown("UnknownServer", "server", &entry.name, place, &set.servers));
        }
        check_parameters(&entry.parameters, &entry.secrets, &at, problems);
        check_same(entry, &at, &mut said, problems);
    }
    match method.type_ {
        FencingType::FenceAgent => {}
        FencingType::Watchdog => return check_watchdog(spec, method, field, problems),
        FencingType::Script | FencingType::AWS => return,
    }
    let listed: BTreeSet<&str> = method.per_server.iter().map(|e| e.name.as_str()).collect();
    let missing: Vec<&str> = spec
        .servers
        .iter()
        .map(|server| server.name.as_str())
        .filter(|name| !listed.contains(name))
        .collect();
    if !missing.is_empty() {
        let message = format!("says nothing of {}: which machine is it?", missing.join(", "));
        let place = format!("{field}.perServer");
        problems.push(Problem::error("FencingTargetMissing", place, message));
    }
}

/// What resets a server that has lost its lease, and nothing else.
fn check_watchdog(
    spec: &ClusterSpec,
    method: &FencingMethod,
    field: &str,
    problems: &mut Vec<Problem>,
) {
    let at = format!("{field}.type");
    if !is_exclusive(spec) {
        let message = format!(
            "never confirms with arbitration by {:?}: a server that is cut off may go on by the \
             arbiter, and its watchdog with it",
            spec.arbitration.type_
        );
        problems.push(Problem::error("FencingWatchdogUnsafe", &at, message));
    }
    if spec.watchdog.mode == WatchdogMode::Off {
        let message = "never confirms: spec.watchdog.mode is Off";
        problems.push(Problem::error("FencingWatchdogOff", &at, message));
    }
    let takeover = spec.fencing.as_ref().map(|fencing| fencing.takeover);
    if takeover == Some(FencingTakeover::FencedOrTime) && is_exclusive(spec) {
        let message = "confirms no earlier than time frees the server: write takeover: Fenced, \
                       or leave it out";
        problems.push(Problem::warning("FencingWatchdogNeedless", &at, message));
    }
    if !method.parameters.is_empty() || !method.secrets.is_empty() || !method.per_server.is_empty()
    {
        let message = "has parameters, and a watchdog is told nothing";
        problems.push(Problem::error("FencingParameter", field, message));
    }
}

/// `fence_NAME`, or the absolute path of one.
fn check_agent(agent: &str, field: &str, problems: &mut Vec<Problem>) {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let (folder, name) = match agent.rsplit_once('/') {
        Some((folder, name)) => (Some(folder), name),
        None => (None, agent),
    };
    let right =
        name.strip_prefix("fence_").is_some_and(|rest| !rest.is_empty() && rest.chars().all(plain));
    if !right || folder.is_some_and(|folder| !folder.starts_with('/')) {
        let message = "is no fence agent: write fence_NAME, or its absolute path";
        problems.push(Problem::error("InvalidValue", field, message).found(&agent.into()));
    }
}

/// Two servers that are told apart by nothing.
fn check_same<'a>(
    entry: &'a FencingPerServer,
    at: &str,
    said: &mut BTreeMap<String, &'a str>,
    problems: &mut Vec<Problem>,
) {
    let all = format!("{:?} {:?}", entry.parameters, entry.secrets);
    if entry.parameters.is_empty() && entry.secrets.is_empty() {
        return;
    }
    if let Some(other) = said.get(&all) {
        let message = format!("is the same as for {other}: fencing one would switch off the other");
        problems.push(Problem::error("FencingSameTarget", at, message));
    } else {
        said.insert(all, &entry.name);
    }
}

fn check_parameters(
    plain: &BTreeMap<String, String>,
    secrets: &BTreeMap<String, SecretSource>,
    field: &str,
    problems: &mut Vec<Problem>,
) {
    for (name, value) in plain {
        let at = format!("{field}.parameters.{name}");
        check_name(name, &at, problems);
        if value.contains(['\n', '\r', '\0']) {
            let message = "has more than one line: a parameter is passed on as one";
            problems.push(Problem::error("FencingParameter", &at, message));
        }
        if is_secret(name) {
            let message = format!(
                "is a secret by its name; write secrets: {{{name}: {{file: PATH}}}} and keep it in \
                 that file on each server"
            );
            problems.push(Problem::error("SecretInManifest", at, message));
        }
    }
    for (name, source) in secrets {
        let at = format!("{field}.secrets.{name}");
        if !source.file.starts_with('/') {
            let message = "is no absolute path: it must mean the same file on every server";
            let problem = Problem::error("InvalidValue", format!("{at}.file"), message);
            problems.push(problem.found(&source.file.as_str().into()));
        }
        check_name(name, &at, problems);
        if plain.contains_key(name) {
            let message = "stands under `parameters` too: which one is it?";
            problems.push(Problem::error("FencingParameter", at, message));
        }
    }
}

fn check_name(name: &str, at: &str, problems: &mut Vec<Problem>) {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
    let begins = name.starts_with(|letter: char| letter.is_ascii_alphabetic());
    let message = if RESERVED.contains(&name) {
        "is said by the cluster itself"
    } else if !begins || !name.chars().all(plain) {
        "is no name of a parameter: letters, digits, - and _"
    } else {
        return;
    };
    problems.push(Problem::error("FencingParameter", at, message));
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('-', "_");
    let place = PLACES.iter().any(|end| name.ends_with(end));
    SECRET_WORDS.iter().any(|word| name.contains(word)) && !place
}

/// A program by its absolute path, and no secret among its arguments, which everybody can list.
fn check_command(command: &[String], field: &str, problems: &mut Vec<Problem>) {
    if let Some(program) = command.first().filter(|program| !program.starts_with('/')) {
        let message = "is no absolute path: nothing is searched for when a server is lost";
        let problem = Problem::error("InvalidValue", format!("{field}[0]"), message);
        problems.push(problem.found(&program.as_str().into()));
    }
    for (index, argument) in command.iter().enumerate().skip(1) {
        let name = argument.split('=').next().unwrap_or_default().trim_start_matches('-');
        if argument.contains('=') && is_secret(name) {
            let message = "holds a secret, and every process can read it: use `secrets`";
            let at = format!("{field}[{index}]");
            problems.push(Problem::error("SecretInManifest", at, message));
        }
    }
}

fn check_times(spec: &ClusterSpec, fencing: &Fencing, problems: &mut Vec<Problem>) {
    let longest = fencing.longest();
    if longest > LONG {
        let levels = fencing.levels.iter().map(|level| {
            let slowest = level.methods.iter().max_by_key(|method| method.longest());
            slowest.map_or_else(String::new, |method| {
                format!("{} {} × (1+{})", method.name, method.timeout, method.retries)
            })
        });
        let sum = levels.collect::<Vec<_>>().join(" + ");
        let total = crate::api::kinds::Duration::from(longest);
        let message = "may take long before it is known to have failed";
        problems.push(
            Problem::warning("FencingSlow", "spec.fencing.levels", message)
                .detail(format!(
                    "heartbeat time-out {} + {sum} = {}",
                    spec.heartbeat.timeout,
                    crate::api::kinds::Duration::from(
                        longest + Duration::from(spec.heartbeat.timeout)
                    ),
                ))
                .detail(format!("of which fencing: {total}")),
        );
    }
    let wait: Duration = spec.startup.wait_for_servers.into();
    if !is_exclusive(spec) && wait < BOOT {
        let message = "is shorter than a machine takes to boot: a fenced server that boots alone, \
                       its network cut, fences the others after it";
        let problem =
            Problem::warning("FencingStartupShort", "spec.startup.waitForServers", message);
        problems.push(problem.found(&spec.startup.wait_for_servers.to_string().into()));
    }
}

fn check_safety(spec: &ClusterSpec, fencing: &Fencing, problems: &mut Vec<Problem>) {
    if fencing.on_failure == FencingFailure::Continue && !is_exclusive(spec) {
        let message = format!(
            "takes over what could not be fenced, and arbitration by {:?} lets several parts act: \
             two servers may run one group",
            spec.arbitration.type_
        );
        let problem = Problem::warning("FencingUnsafe", "spec.fencing.onFailure", message);
        problems.push(problem.found(&"Continue".into()));
    }
}

/// Two parts can't both be told to go on.
fn is_exclusive(spec: &ClusterSpec) -> bool {
    Combination::of(&spec.arbitration).exclusive()
}

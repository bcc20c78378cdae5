//! Ending this machine, as far as `agent.yaml` allows it.

use std::process::{Command, Stdio};
use std::{fs, io};

use nix::sys::reboot::{RebootMode, reboot};

use super::config::PowerMode;
use crate::engine::effect::PowerAction;

/// Set in the environment of the first process of a PID namespace that was made for one server of
/// a test or demo. Without it `power: Namespace` ends nothing: it could be a whole machine.
pub const NAMESPACE_VARIABLE: &str = "STEAD_NAMESPACE";

/// Carries out a final action; the machine may be gone before this returns.
///
/// # Errors
/// Where the machine can't be ended.
pub fn act(mode: PowerMode, action: PowerAction) -> io::Result<()> {
    let (word, call) = match action {
        PowerAction::StopAgent | PowerAction::EndAgent => return Ok(()),
        PowerAction::Shutdown => ("poweroff", RebootMode::RB_POWER_OFF),
        PowerAction::Reboot => ("reboot", RebootMode::RB_AUTOBOOT),
        PowerAction::Panic => ("panic", RebootMode::RB_AUTOBOOT),
    };
    match mode {
        PowerMode::Real => {
            tracing::error!(action = word, "ending this machine");
            if action == PowerAction::Panic {
                fs::write("/proc/sys/kernel/sysrq", "1")?;
                return fs::write("/proc/sysrq-trigger", "c");
            }
            let status = Command::new("systemctl")
                .arg(word)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .status()?;
            if status.success() {
                Ok(())
            } else {
                Err(io::Error::other(format!("systemctl {word} ended with {status}")))
            }
        }
        PowerMode::Namespace => {
            tracing::error!(action = word, "ending this PID namespace");
            if !is_own_namespace(&fs::read("/proc/1/environ")?) {
                return Err(io::Error::other(format!(
                    "power is Namespace, but {NAMESPACE_VARIABLE}=1 is not in the environment of \
                     process 1: this is no namespace made for one server"
                )));
            }
            // In a PID namespace other than the first, the kernel kills that namespace's process 1.
            reboot(call).map(drop).map_err(io::Error::from)
        }
        PowerMode::None => {
            tracing::error!(action = word, "power is None: this machine is not ended");
            Ok(())
        }
    }
}

fn is_own_namespace(environment: &[u8]) -> bool {
    let wanted = format!("{NAMESPACE_VARIABLE}=1");
    environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_marked_namespace_is_ended() {
        assert!(is_own_namespace(b"PATH=/bin\0STEAD_NAMESPACE=1\0"));
        assert!(!is_own_namespace(b"PATH=/bin\0XSTEAD_NAMESPACE=1\0STEAD_NAMESPACE=0\0"));
        assert!(!is_own_namespace(b""));
    }

    #[test]
    fn without_power_nothing_ends() {
        assert!(act(PowerMode::None, PowerAction::Shutdown).is_ok());
        assert!(act(PowerMode::Real, PowerAction::StopAgent).is_ok());
    }
}

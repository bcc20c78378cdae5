//! One agent per root: a locked file that holds its process id.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// Held for as long as the agent runs; the kernel lets go of it when the process ends.
pub struct AgentLock {
    _file: Flock<File>,
}

/// Why the lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another agent has it.
    #[error(
        "an agent runs already here, process {pid} ({} is locked); \
         stop it first, or use another --root", path.display()
    )]
    Taken {
        /// Its process id as it wrote it.
        pid: String,
        /// The file.
        path: PathBuf,
    },
    /// The file can't be used.
    #[error("failed to lock {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl AgentLock {
    /// Takes the lock.
    ///
    /// # Errors
    /// Where another process has it, or the file can't be written.
    pub fn take(path: &Path) -> Result<Self, LockError> {
        let failed = |source| LockError::Io { path: path.to_owned(), source };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o644);
        let file = options.open(path).map_err(failed)?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(mut file) => {
                let write = |file: &mut File| -> io::Result<()> {
                    file.set_len(0)?;
                    file.rewind()?;
                    writeln!(file, "{}", std::process::id())
                };
                write(&mut file).map_err(failed)?;
                Ok(Self { _file: file })
            }
            Err((mut file, Errno::EWOULDBLOCK)) => {
                let mut pid = String::new();
                let _ = file.read_to_string(&mut pid);
                Err(LockError::Taken { pid: pid.trim().to_owned(), path: path.to_owned() })
            }
            Err((_, errno)) => Err(failed(errno.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_agent_is_told_the_process_of_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/agent.pid");
        let first = AgentLock::take(&path).unwrap();
        let error = AgentLock::take(&path).map(|_| ()).unwrap_err();
        assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
        drop(first);
        AgentLock::take(&path).unwrap();
    }
}

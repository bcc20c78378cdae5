//! What processes print goes to a log of bounded size: one that prints gigabytes neither fills
//! the disk nor waits for it, since what can't be written is dropped.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;

use nix::fcntl::OFlag;
use nix::unistd::pipe2;

use super::log_path;

/// Size at which a log is set aside as `.1`, replacing the one before.
const LOG_BYTES_MAX: u64 = 10 << 20;
const BUFFER_BYTES: usize = 64 << 10;

/// The logs that are written to.
#[derive(Debug)]
pub struct Output {
    root: PathBuf,
    logs: BTreeMap<String, Weak<Mutex<Log>>>,
}

#[derive(Debug)]
struct Log {
    path: PathBuf,
    file: Option<(File, u64)>,
}

impl Output {
    /// Logs under this root.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), logs: BTreeMap::new() }
    }

    /// What a process writes to; a thread carries it to the log until every writer is gone.
    ///
    /// # Errors
    /// Where the kernel gives no pipe or no thread.
    pub fn pipe(&mut self, name: &str) -> io::Result<OwnedFd> {
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC)?;
        self.logs.retain(|_, log| log.strong_count() > 0);
        let log = self.logs.get(name).and_then(Weak::upgrade).unwrap_or_else(|| {
            let log = Log { path: log_path(&self.root, name), file: None };
            let log = Arc::new(Mutex::new(log));
            self.logs.insert(name.to_owned(), Arc::downgrade(&log));
            log
        });
        thread::Builder::new()
            .name("keeper-log".to_owned())
            .stack_size(128 << 10)
            .spawn(move || carry(File::from(reader), &log))?;
        Ok(writer)
    }
}

fn carry(mut reader: File, log: &Mutex<Log>) {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return,
            Ok(length) => {
                let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
                if log.write(&buffer[..length]).is_err() {
                    log.file = None;
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

impl Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (mut file, mut length) = match self.file.take() {
            Some(open) => open,
            None => self.open()?,
        };
        if length + bytes.len() as u64 > LOG_BYTES_MAX {
            let mut aside = self.path.clone().into_os_string();
            aside.push(".1");
            fs::rename(&self.path, aside)?;
            (file, length) = self.open()?;
        }
        file.write_all(bytes)?;
        self.file = Some((file, length + bytes.len() as u64));
        Ok(())
    }

    fn open(&self) -> io::Result<(File, u64)> {
        if let Some(folder) = self.path.parent() {
            DirBuilder::new().recursive(true).mode(0o750).create(folder)?;
        }
        // Scripts print what they should not.
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path)?;
        let length = file.metadata()?.len();
        Ok((file, length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_stays_below_twice_its_bound_and_keeps_the_end() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("chatty.log");
        let mut log = Log { path: path.clone(), file: None };
        let line = vec![b'x'; 1 << 20];
        for _ in 0..25 {
            log.write(&line).unwrap();
        }
        log.write(b"the end").unwrap();
        assert!(fs::metadata(&path).unwrap().len() <= LOG_BYTES_MAX);
        let aside = fs::metadata(root.path().join("chatty.log.1")).unwrap();
        assert!(aside.len() <= LOG_BYTES_MAX);
        assert!(fs::read(&path).unwrap().ends_with(b"the end"));
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 2);
    }
}

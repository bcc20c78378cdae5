//! `Serial`: a line between two servers, over which each says again and again that it lives.
//!
//! A thread of its own reads and writes; a question only looks at when the peer was last heard. A
//! line that can't be opened or written is a silent one: the rule (`engine::arbitration::serial`)
//! then says that it can't tell, and nobody goes on by it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use futures_util::future::BoxFuture;
use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{BaudRate, SetArg, cfmakeraw, cfsetspeed, tcgetattr, tcsetattr};

use super::{Arbiter, Question, Setting};
use crate::drivers::checksum::Checksum;
use crate::engine::arbitration::serial::judge;
use crate::engine::input::{ArbiterAnswer, Verdict};
use crate::engine::time::Instant;

/// Longest line that is kept while its end is awaited; a longer one is noise.
const LINE_MAX: usize = 512;

/// When the peer was last heard.
type Heard = Mutex<Option<Instant>>;

/// The arbiter: what its thread heard.
pub struct SerialArbiter {
    /// The thread ends when this is gone.
    heard: Arc<Heard>,
    clock: fn() -> Instant,
    timeout: Duration,
}

impl SerialArbiter {
    /// Starts the thread. `clock`: boot time.
    #[must_use]
    pub fn start(setting: &Setting, device: &Path, baud_rate: u32, clock: fn() -> Instant) -> Self {
        let heard = Arc::new(Heard::default());
        let line = Line {
            path: device.to_owned(),
            baud_rate,
            greeting: greeting(&setting.cluster, setting.server.as_str()),
            wanted: setting
                .servers
                .iter()
                .filter(|server| **server != setting.server)
                .map(|server| greeting(&setting.cluster, server.as_str()))
                .collect(),
            heard: Arc::downgrade(&heard),
            clock,
            interval: setting.timing.interval,
        };
        let thread = std::thread::Builder::new().name("serial-arbiter".into());
        if let Err(error) = thread.spawn(move || line.work()) {
            tracing::error!(%error, "failed to start the serial arbiter's thread");
        }
        Self { heard, clock, timeout: setting.timing.timeout }
    }
}

impl Arbiter for SerialArbiter {
    fn ask<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, ArbiterAnswer> {
        Box::pin(async move {
            let Some(network) = question.engine.absent.values().next() else {
                return ArbiterAnswer::new(Verdict::Held, "every server is with us");
            };
            let heard = self.heard.lock().map(|heard| *heard).unwrap_or(None);
            let now = (self.clock)();
            let line = heard.map(|heard| now.since(heard));
            let (verdict, message) = judge(line, *network, self.timeout);
            ArbiterAnswer::new(verdict, message)
        })
    }
}

/// What a server says over the line.
fn greeting(cluster: &str, server: &str) -> String {
    let text = format!("stead 1 {cluster} {server}");
    let mut sum = Checksum::default();
    sum.add(text.as_bytes());
    format!("{text} {:04x}\n", sum.finish())
}

/// One end of the line.
struct Line {
    path: PathBuf,
    baud_rate: u32,
    greeting: String,
    wanted: Vec<String>,
    heard: Weak<Heard>,
    clock: fn() -> Instant,
    interval: Duration,
}

impl Line {
    fn work(self) {
        let mut file = None;
        let mut said = None;
        let mut pending = Vec::new();
        while self.heard.strong_count() > 0 {
            let failed = self.turn(&mut file, &mut pending).err();
            if failed.is_some() {
                file = None;
                self.pause();
            }
            let words = failed.map(|error| error.to_string());
            if words != said {
                let device = self.path.display();
                match &words {
                    Some(error) => tracing::warn!(%device, error, "the serial line fails"),
                    None => tracing::info!(%device, "the serial line is open"),
                }
                said = words;
            }
        }
    }

    /// Says that we live, then listens for an interval.
    fn turn(&self, file: &mut Option<File>, pending: &mut Vec<u8>) -> io::Result<()> {
        if file.is_none() {
            *file = Some(open(&self.path, self.baud_rate)?);
        }
        let Some(line) = file.as_mut() else { return Ok(()) };
        match line.write(self.greeting.as_bytes()) {
            Ok(_) => {}
            // Nobody reads at the other end.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        let until = (self.clock)() + self.interval;
        loop {
            let left = until.since((self.clock)());
            let wait = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
            let mut descriptors = [PollFd::new(line.as_fd(), PollFlags::POLLIN)];
            match poll(&mut descriptors, wait) {
                Ok(0) => return Ok(()),
                Ok(_) => self.listen(line, pending)?,
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
            if (self.clock)() >= until {
                return Ok(());
            }
        }
    }

    fn listen(&self, line: &mut File, pending: &mut Vec<u8>) -> io::Result<()> {
        let mut buffer = [0; LINE_MAX];
        match line.read(&mut buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(length) => pending.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
        while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
            let text: Vec<u8> = pending.drain(..=end).collect();
            let known = self.wanted.iter().any(|wanted| wanted.as_bytes() == text.as_slice());
            if let Some(heard) = self.heard.upgrade().filter(|_| known)
                && let Ok(mut heard) = heard.lock()
            {
                *heard = Some((self.clock)());
            }
        }
        if pending.len() > LINE_MAX {
            pending.clear();
        }
        Ok(())
    }

    /// An interval until the line is opened again.
    fn pause(&self) {
        let wait = PollTimeout::try_from(self.interval).unwrap_or(PollTimeout::MAX);
        // A poll of nothing: it only waits.
        let _ = poll(&mut [], wait);
    }
}

fn open(path: &Path, baud_rate: u32) -> io::Result<File> {
    let flags = libc::O_NOCTTY | libc::O_NONBLOCK | libc::O_CLOEXEC;
    let file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path)?;
    let mut settings = tcgetattr(&file)?;
    cfmakeraw(&mut settings);
    cfsetspeed(&mut settings, speed(baud_rate))?;
    tcsetattr(&file, SetArg::TCSANOW, &settings)?;
    Ok(file)
}

/// The speed that a terminal knows, at most the one wanted.
fn speed(baud_rate: u32) -> BaudRate {
    match baud_rate {
        115_200.. => BaudRate::B115200,
        57_600.. => BaudRate::B57600,
        38_400.. => BaudRate::B38400,
        19_200.. => BaudRate::B19200,
        0.. => BaudRate::B9600,
    }
}

#[cfg(test)]
mod tests;

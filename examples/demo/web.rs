//! The application of the demo: a web server that says where it runs, and since when.
//!
//! `examples/web.rs` is the program.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use stead::agent::clock::boot_time;
use stead::engine::time::Instant;

/// A client that says nothing is let go after this.
const PATIENCE: Duration = Duration::from_secs(5);

/// What it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The machine it runs on.
    pub server: String,
    /// When its process began.
    pub started: Instant,
    /// When it could answer.
    pub listening: Instant,
}

impl Answer {
    /// The body of the answer.
    pub fn body(&self) -> String {
        let Self { server, started, listening } = self;
        format!("{server} started {} listening {}\n", started.0, listening.0)
    }
}

/// Serves until it is ended.
pub fn serve(listen: &str) -> Result<()> {
    let started = boot_time()?;
    let server = nix::unistd::gethostname()?.to_string_lossy().into_owned();
    let listener =
        TcpListener::bind(listen).with_context(|| format!("failed to listen on {listen}"))?;
    let answer = Answer { server, started, listening: boot_time()? };
    serve_on(&listener, &answer);
    Ok(())
}

/// Gives everybody the same answer.
pub fn serve_on(listener: &TcpListener, answer: &Answer) {
    let body = answer.body();
    let length = body.len();
    let answer =
        format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
    for stream in listener.incoming().flatten() {
        let answer = answer.clone();
        thread::spawn(move || reply(stream, &answer));
    }
}

fn reply(mut stream: TcpStream, answer: &str) -> Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    stream.write_all(answer.as_bytes())?;
    Ok(())
}

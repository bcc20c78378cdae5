//! The application of the demo: a web server that says where it runs, and since when.

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
    fn body(&self) -> String {
        let Self { server, started, listening } = self;
        format!("{server} started {} listening {}\n", started.0, listening.0)
    }

    /// Reads a whole HTTP answer.
    pub fn parse(text: &str) -> Option<Self> {
        let (head, body) = text.split_once("\r\n\r\n")?;
        if head.split(' ').nth(1)? != "200" {
            return None;
        }
        let words: Vec<&str> = body.split_whitespace().collect();
        let [server, "started", started, "listening", listening] = words.as_slice() else {
            return None;
        };
        Some(Self {
            server: (*server).to_owned(),
            started: Instant(started.parse().ok()?),
            listening: Instant(listening.parse().ok()?),
        })
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
    let answer = format!(
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_as_it_was_written() {
        let answer = Answer { server: "vm1".into(), started: Instant(1), listening: Instant(2) };
        let text = format!("HTTP/1.1 200 OK\r\nx: y\r\n\r\n{}", answer.body());
        assert_eq!(Answer::parse(&text), Some(answer));
        assert_eq!(Answer::parse("HTTP/1.1 503 No\r\n\r\nvm1 started 1 listening 2"), None);
        assert_eq!(Answer::parse(""), None);
    }
}

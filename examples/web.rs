//! The application of the demo: a web server that says where it runs, and since when. A program of
//! its own, because loading a large one takes time that would count as the application's start.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use stead::agent::clock::boot_time;

/// A client that says nothing is let go after this.
const PATIENCE: Duration = Duration::from_secs(5);

fn main() -> Result<()> {
    let started = boot_time()?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [flag, listen] = arguments.as_slice() else {
        bail!("usage: web --listen ADDRESS:PORT");
    };
    if flag != "--listen" {
        bail!("unknown option {flag}; usage: web --listen ADDRESS:PORT");
    }
    let server = nix::unistd::gethostname()?.to_string_lossy().into_owned();
    let listener =
        TcpListener::bind(listen).with_context(|| format!("failed to listen on {listen}"))?;
    let listening = boot_time()?;
    // The demo's client reads this.
    let body = format!("{server} started {} listening {}\n", started.0, listening.0);
    let length = body.len();
    let answer =
        format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
    for stream in listener.incoming().flatten() {
        let answer = answer.clone();
        thread::spawn(move || reply(stream, &answer));
    }
    Ok(())
}

fn reply(mut stream: TcpStream, answer: &str) -> Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    stream.write_all(answer.as_bytes())?;
    Ok(())
}

//! `stead demo-app`: the application of the demo. Answers every request with its server's name.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;
use std::{env, process, thread};

use super::failure::Failure;

/// Longest head of a request that is read.
const HEAD_MAX: u64 = 16 * 1024;
/// A client that says nothing for this long is let go.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// Serve HTTP/1.1 for the demo: the body is the server's name (STEAD_SERVER) and the process id.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Address and port to listen on.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let listener = TcpListener::bind(arguments.listen).map_err(|error| {
        Failure::error(format!("failed to listen on {}: {error}", arguments.listen))
    })?;
    let server = env::var("STEAD_SERVER").unwrap_or_else(|_| "unknown".into());
    let body = format!("{server} {}\n", process::id());
    for stream in listener.incoming() {
        // A connection that failed before it was accepted concerns nobody.
        let Ok(stream) = stream else { continue };
        let body = body.clone();
        // One that ends early, or that no thread is left for, is closed.
        let _ = thread::Builder::new().spawn(move || serve(stream, &body));
    }
    Ok(())
}

/// Answers the requests of one connection until its client closes it.
fn serve(stream: TcpStream, body: &str) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(SILENCE_MAX))?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        let mut limited = reader.by_ref().take(HEAD_MAX);
        while !head.ends_with("\r\n\r\n") && !head.ends_with("\n\n") {
            if limited.read_line(&mut head)? == 0 {
                return Ok(());
            }
        }
        let close = head.to_ascii_lowercase().contains("connection: close")
            || head.lines().next().is_some_and(|line| line.ends_with("HTTP/1.0"));
        let connection = if close { "close" } else { "keep-alive" };
        let sent = if head.starts_with("HEAD ") { "" } else { body };
        write!(
            writer,
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\
             Connection: {connection}\r\n\r\n{sent}",
            body.len()
        )?;
        if close {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_answers_each_request_of_a_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            serve(stream, "node1 7\n")
        });
        let mut client = TcpStream::connect(address).unwrap();
        client
            .write_all(b"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut text = String::new();
        client.read_to_string(&mut text).unwrap();
        assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 2);
        assert_eq!(text.matches("\r\n\r\nnode1 7\n").count(), 2);
        server.join().unwrap().unwrap();
    }
}

//! `TCP`: a port accepts a connection, which is closed at once.

use std::io;

use tokio::net::TcpStream;

use crate::api::types::TcpMonitorSpec;
use crate::drivers::is_local_shortage;
use crate::engine::input::CheckResult;

/// Checks once; the caller bounds the time.
pub async fn check(spec: &TcpMonitorSpec) -> (CheckResult, String) {
    let TcpMonitorSpec { host, port } = spec;
    judge(&format!("{host}:{port}"), TcpStream::connect((host.as_str(), *port)).await)
}

/// What one try to connect says about `target`.
pub(super) fn judge(target: &str, connected: io::Result<TcpStream>) -> (CheckResult, String) {
    match connected {
        Ok(_) => (CheckResult::Normal, format!("{target} accepts")),
        Err(error) if is_local_shortage(&error) => {
            (CheckResult::Unknown, format!("failed to try {target}: {error}"))
        }
        Err(error) => (CheckResult::Error, format!("{target} does not accept: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn an_open_port_is_normal_and_sees_the_connection_close() {
        use tokio::io::AsyncReadExt;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let spec = TcpMonitorSpec { host: "localhost".into(), port };
        let (result, message) = check(&spec).await;
        assert_eq!((result, message), (CheckResult::Normal, format!("localhost:{port} accepts")));
        let (mut stream, _) = listener.accept().await.unwrap();
        assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_closed_port_and_an_unknown_name_are_errors() {
        let port = {
            let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
            free.local_addr().unwrap().port()
        };
        for host in ["127.0.0.1", "no-such-name.invalid"] {
            let (result, message) = check(&TcpMonitorSpec { host: host.into(), port }).await;
            assert_eq!(result, CheckResult::Error, "{message}");
        }
    }
}

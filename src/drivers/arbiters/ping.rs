//! `Ping`: whoever reaches a target outside the cluster by ICMP echo may go on.
//!
//! One answer of any target suffices. No answer within the time-out is `Lost`: a server that can't
//! reach the target is taken for the cut-off one. `Unknown` is left for what has nothing to do with
//! the network: no socket, no memory.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};
use ring::rand::{SecureRandom, SystemRandom};
use tokio::net::UdpSocket;

use crate::api::kinds::PingArbitration;
use crate::drivers::checksum::Checksum;
use crate::engine::input::Verdict;

/// Requests sent to each target, spread over the time-out: one lost packet decides nothing.
const REQUESTS: u32 = 3;
const ECHO_REQUEST_V4: u8 = 8;
const ECHO_REPLY_V4: u8 = 0;
const ECHO_REQUEST_V6: u8 = 128;
const ECHO_REPLY_V6: u8 = 129;
const HEADER: usize = 8;
/// Random bytes in each request, by which its reply is known.
const TOKEN: usize = 16;

/// Asks every target at once.
pub async fn verdict(spec: &PingArbitration) -> (Verdict, String) {
    let timeout = Duration::from(spec.timeout);
    let asked: FuturesUnordered<_> =
        spec.targets.iter().map(|target| ask(*target, timeout)).collect();
    decide(spec, asked.collect_first().await)
}

/// What the targets said: the first that answered, else every error.
struct Answers {
    answered: Option<IpAddr>,
    errors: Vec<String>,
}

trait CollectFirst {
    async fn collect_first(self) -> Answers;
}

impl<F> CollectFirst for FuturesUnordered<F>
where
    F: Future<Output = (IpAddr, io::Result<bool>)>,
{
    async fn collect_first(mut self) -> Answers {
        let mut answers = Answers { answered: None, errors: Vec::new() };
        while let Some((target, result)) = self.next().await {
            match result {
                Ok(true) => {
                    answers.answered = Some(target);
                    break;
                }
                Ok(false) => {}
                Err(error) => answers.errors.push(format!("{target}: {error}")),
            }
        }
        answers
    }
}

fn decide(spec: &PingArbitration, answers: Answers) -> (Verdict, String) {
    if let Some(target) = answers.answered {
        return (Verdict::Held, format!("{target} answers"));
    }
    if !answers.errors.is_empty() {
        let errors = answers.errors.join("; ");
        return (Verdict::Unknown, format!("failed to ask by ICMP echo: {errors}"));
    }
    let targets: Vec<String> = spec.targets.iter().map(ToString::to_string).collect();
    let within = humane(spec.timeout.into());
    (Verdict::Lost, format!("no answer from {} within {within}", targets.join(", ")))
}

/// Whether `target` answers in time; an error where it could not even be asked.
pub(in crate::drivers) async fn ask(
    target: IpAddr,
    timeout: Duration,
) -> (IpAddr, io::Result<bool>) {
    let exchange = async {
        let echo = Echo::open(target)?;
        let mut token = [0; TOKEN];
        SystemRandom::new()
            .fill(&mut token)
            .map_err(|_| io::Error::other("the system gave no random numbers"))?;
        for sequence in 0..REQUESTS {
            echo.request(sequence, &token).await?;
            let reply = tokio::time::timeout(timeout / REQUESTS, echo.reply(&token));
            if let Ok(reply) = reply.await {
                return reply.map(|()| true);
            }
        }
        Ok(false)
    };
    let result = match exchange.await {
        Err(error) if is_unreachable(&error) => Ok(false),
        result => result,
    };
    (target, result)
}

/// Errors by which the network says that the target can't be reached from here.
fn is_unreachable(error: &io::Error) -> bool {
    [Errno::ENETUNREACH, Errno::EHOSTUNREACH, Errno::ENETDOWN, Errno::EHOSTDOWN]
        .iter()
        .chain(&[Errno::ECONNREFUSED, Errno::EADDRNOTAVAIL])
        .any(|errno| error.raw_os_error() == Some(*errno as i32))
}

/// A socket for echoes with one machine.
struct Echo {
    /// Not UDP: the type only wraps the calls send and recv, which are the same here.
    socket: UdpSocket,
    target: IpAddr,
    /// Raw IPv4 sockets hand out the IP header too.
    with_ip_header: bool,
}

impl Echo {
    fn open(target: IpAddr) -> io::Result<Self> {
        let (family, protocol) = match target {
            IpAddr::V4(_) => (AddressFamily::Inet, SockProtocol::Icmp),
            IpAddr::V6(_) => (AddressFamily::Inet6, SockProtocol::IcmpV6),
        };
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        // The raw kind needs CAP_NET_RAW, the other a group in net.ipv4.ping_group_range.
        let (descriptor, raw) = match socket(family, SockType::Raw, flags, protocol) {
            Ok(descriptor) => (descriptor, true),
            Err(_) => (socket(family, SockType::Datagram, flags, protocol)?, false),
        };
        let socket = std::net::UdpSocket::from(descriptor);
        socket.connect((target, 0))?;
        let with_ip_header = raw && target.is_ipv4();
        Ok(Self { socket: UdpSocket::from_std(socket)?, target, with_ip_header })
    }

    async fn request(&self, sequence: u32, token: &[u8; TOKEN]) -> io::Result<()> {
        self.socket.send(&request(self.target, sequence, token)).await?;
        Ok(())
    }

    /// Waits for the reply that carries `token`.
    async fn reply(&self, token: &[u8; TOKEN]) -> io::Result<()> {
        let mut buffer = [0; 512];
        loop {
            let length = self.socket.recv(&mut buffer).await?;
            let packet = &buffer[..length];
            let packet = if self.with_ip_header { without_ip_header(packet) } else { packet };
            if is_reply(self.target, packet, token) {
                return Ok(());
            }
        }
    }
}

fn request(target: IpAddr, sequence: u32, token: &[u8; TOKEN]) -> Vec<u8> {
    let kind = if target.is_ipv4() { ECHO_REQUEST_V4 } else { ECHO_REQUEST_V6 };
    let [_, _, high, low] = sequence.to_be_bytes();
    let mut packet = vec![kind, 0, 0, 0, token[0], token[1], high, low];
    packet.extend(token);
    // The kernel sums ICMPv6 itself: the sum covers addresses that only it knows.
    if target.is_ipv4() {
        let mut sum = Checksum::default();
        sum.add(&packet);
        packet.splice(2..4, sum.finish().to_be_bytes());
    }
    packet
}

fn is_reply(target: IpAddr, packet: &[u8], token: &[u8; TOKEN]) -> bool {
    let kind = if target.is_ipv4() { ECHO_REPLY_V4 } else { ECHO_REPLY_V6 };
    packet.first() == Some(&kind) && packet.get(HEADER..) == Some(token.as_slice())
}

fn without_ip_header(packet: &[u8]) -> &[u8] {
    let words = packet.first().map_or(0, |first| usize::from(first & 0x0f));
    packet.get(words * 4..).unwrap_or_default()
}

fn humane(time: Duration) -> String {
    kube::core::Duration::from(time).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drivers::netns;

    fn spec(targets: &[&str]) -> PingArbitration {
        PingArbitration {
            targets: targets.iter().map(|target| target.parse().unwrap()).collect(),
            timeout: Duration::from_secs(9).into(),
            interval: Duration::ZERO.into(),
        }
    }

    #[test]
    fn loopback_answers_in_both_families() {
        netns::isolated(&["ip link set lo up"], async |_| {
            for target in ["127.0.0.1", "::1"] {
                let (verdict, message) = verdict(&spec(&[target])).await;
                assert_eq!((verdict, message), (Verdict::Held, format!("{target} answers")));
            }
        });
    }

    #[test]
    fn one_answer_of_several_targets_suffices() {
        netns::isolated(&netns::PAIR, async |_| {
            let (verdict, message) = verdict(&spec(&["10.77.0.9", "10.99.0.1", "10.77.0.2"])).await;
            assert_eq!((verdict, message.as_str()), (Verdict::Held, "10.77.0.2 answers"));
        });
    }

    #[test]
    fn silence_and_an_unreachable_network_are_lost() {
        netns::isolated(&netns::PAIR, async |_| {
            let mut silent = spec(&["10.77.0.9"]);
            silent.timeout = Duration::from_millis(150).into();
            let (silence, message) = verdict(&silent).await;
            assert_eq!(silence, Verdict::Lost);
            assert_eq!(message, "no answer from 10.77.0.9 within 150ms");
            let (unreachable, _) = verdict(&spec(&["10.99.0.1", "fd99::1"])).await;
            assert_eq!(unreachable, Verdict::Lost);
        });
    }

    #[test]
    fn what_is_not_our_reply_is_not_taken_for_one() {
        let token = [7; TOKEN];
        let target = "10.0.0.1".parse().unwrap();
        let mut reply = request(target, 1, &token);
        assert!(!is_reply(target, &reply, &token), "a request");
        reply[0] = ECHO_REPLY_V4;
        assert!(is_reply(target, &reply, &token));
        assert!(!is_reply(target, &reply, &[8; TOKEN]), "somebody else's");
        assert!(!is_reply(target, &reply[..20], &token), "cut short");
        assert_eq!(without_ip_header(&[]), &[] as &[u8]);
        assert_eq!(without_ip_header(&[0x45, 0]), &[] as &[u8]);
    }
}

//! A proxy that breaks HTTP in every way that a network, a gateway or a store does.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};

/// What happens to one request.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// Nothing.
    Pass,
    /// It is carried out; the connection is reset in place of an answer.
    LoseAnswer,
    /// The connection is reset before the store hears of it.
    Reset,
    /// It is carried out, and answered too late.
    Late,
    /// This answer; the store hears nothing.
    Answer(&'static str),
    /// It is carried out, and half of the answer comes.
    Truncate,
    /// It is carried out; in the answer the one text stands for the other.
    Replace(&'static str, &'static str),
}

/// Faults for the next requests: for every one, or for those that write.
#[derive(Clone, Default)]
pub struct Faults(Arc<Mutex<Plan>>);

#[derive(Default)]
struct Plan {
    next: VecDeque<Fault>,
    next_writes: VecDeque<Fault>,
    always: Option<Fault>,
    /// By a word of the request: what it meets next, and always.
    next_of: BTreeMap<&'static str, VecDeque<Fault>>,
    always_of: BTreeMap<&'static str, Fault>,
    /// How long every request takes longer.
    delay: Duration,
    /// Requests with this word wait until it is taken away.
    held: watch::Sender<Option<&'static str>>,
    /// What the store's clock seems to show.
    date: Option<&'static str>,
    requests: u64,
    /// Another one has come.
    news: Arc<Notify>,
    /// By a word that is watched.
    seen: BTreeMap<&'static str, Seen>,
}

/// Requests with a word that is watched.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Seen {
    /// So far.
    pub requests: u64,
    /// Not answered yet.
    pub in_flight: u64,
    /// At the same time at most.
    pub in_flight_max: u64,
}

impl Faults {
    fn plan<T>(&self, work: impl FnOnce(&mut Plan) -> T) -> T {
        work(&mut self.0.lock().unwrap())
    }

    /// The next requests.
    pub fn next(&self, faults: &[Fault]) {
        self.plan(|plan| plan.next = faults.iter().cloned().collect());
    }

    /// The next requests that write, whatever is read in between.
    pub fn next_writes(&self, faults: &[Fault]) {
        self.plan(|plan| plan.next_writes = faults.iter().cloned().collect());
    }

    /// Every request until further notice.
    pub fn always(&self, fault: Option<Fault>) {
        self.plan(|plan| plan.always = fault);
    }

    /// The next requests that contain a word.
    pub fn next_of(&self, word: &'static str, faults: &[Fault]) {
        self.plan(|plan| plan.next_of.insert(word, faults.iter().cloned().collect()));
    }

    /// Every request that contains a word, until further notice.
    pub fn always_of(&self, word: &'static str, fault: Option<Fault>) {
        self.plan(|plan| match fault {
            Some(fault) => plan.always_of.insert(word, fault),
            None => plan.always_of.remove(word),
        });
    }

    /// Every request takes so much longer.
    pub fn delay(&self, delay: Duration) {
        self.plan(|plan| plan.delay = delay);
    }

    /// Requests that contain a word wait, until none is named.
    pub fn hold(&self, word: Option<&'static str>) {
        self.plan(|plan| plan.held.send_replace(word));
    }

    /// Counts requests that contain a word, from the first call for it on.
    pub fn seen(&self, word: &'static str) -> Seen {
        self.plan(|plan| *plan.seen.entry(word).or_default())
    }

    /// Waits until so many requests that contain a word are not answered yet.
    pub async fn until_in_flight(&self, word: &'static str, count: u64) {
        let news = self.plan(|plan| plan.news.clone());
        while self.seen(word).in_flight < count {
            news.notified().await;
        }
    }

    fn arrives(&self, text: &str) -> (Duration, watch::Receiver<Option<&'static str>>) {
        self.plan(|plan| {
            for (_, seen) in plan.seen.iter_mut().filter(|(word, _)| text.contains(**word)) {
                seen.requests += 1;
                seen.in_flight += 1;
                seen.in_flight_max = seen.in_flight_max.max(seen.in_flight);
            }
            plan.news.notify_one();
            (plan.delay, plan.held.subscribe())
        })
    }

    fn leaves(&self, text: &str) {
        self.plan(|plan| {
            for (_, seen) in plan.seen.iter_mut().filter(|(word, _)| text.contains(**word)) {
                seen.in_flight = seen.in_flight.saturating_sub(1);
            }
        });
    }

    /// Every answer has this date.
    pub fn date(&self, date: Option<&'static str>) {
        self.plan(|plan| plan.date = date);
    }

    /// Requests so far.
    pub fn requests(&self) -> u64 {
        self.plan(|plan| plan.requests)
    }

    fn choose(&self, text: &str) -> Fault {
        let writes = text.starts_with("PUT ") || text.contains("/kv/txn") || is_creation(text);
        self.plan(|plan| {
            plan.requests += 1;
            let mut of_word = plan.next_of.iter_mut().filter(|(word, _)| text.contains(**word));
            if let Some(fault) = of_word.find_map(|(_, faults)| faults.pop_front()) {
                return fault;
            }
            if let Some((_, fault)) = plan.always_of.iter().find(|(word, _)| text.contains(**word))
            {
                return fault.clone();
            }
            if let Some(fault) = plan.next.pop_front() {
                return fault;
            }
            if let Some(fault) = plan.next_writes.front().filter(|_| writes).cloned() {
                plan.next_writes.pop_front();
                return fault;
            }
            plan.always.clone().unwrap_or(Fault::Pass)
        })
    }
}

/// How long "too late" is: longer than any time-out of these tests.
const LATE: Duration = Duration::from_secs(20);

/// Stands before `store` from now on.
pub async fn start(store: SocketAddr, faults: Faults) -> SocketAddr {
    start_at(SocketAddr::from(([127, 0, 0, 1], 0)), store, faults).await
}

/// The same at an address.
pub async fn start_at(address: SocketAddr, store: SocketAddr, faults: Faults) -> SocketAddr {
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let faults = faults.clone();
            // A client that gives up breaks the connection: nothing to report.
            tokio::spawn(async move {
                let _ = relay(client, store, &faults).await;
            });
        }
    });
    address
}

async fn relay(mut client: TcpStream, store: SocketAddr, faults: &Faults) -> std::io::Result<()> {
    let Some(request) = message(&mut client).await? else { return Ok(()) };
    let text = String::from_utf8_lossy(&request).into_owned();
    let (delay, mut held) = faults.arrives(&text);
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    // Only the end of these tests ends the sender.
    let _ = held.wait_for(|held| held.is_none_or(|word| !text.contains(word))).await;
    let done = answer(client, store, faults, &request, &text).await;
    faults.leaves(&text);
    done
}

async fn answer(
    mut client: TcpStream,
    store: SocketAddr,
    faults: &Faults,
    request: &[u8],
    text: &str,
) -> std::io::Result<()> {
    let fault = faults.choose(text);
    match &fault {
        Fault::Reset => return reset(client),
        Fault::Answer(answer) => {
            client.write_all(answer.as_bytes()).await?;
            return client.shutdown().await;
        }
        Fault::Pass | Fault::LoseAnswer | Fault::Late | Fault::Truncate | Fault::Replace(..) => {}
    }
    let mut upstream = TcpStream::connect(store).await?;
    upstream.write_all(&closing(request)).await?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer).await?;
    if let Some(date) = faults.plan(|plan| plan.date) {
        answer = dated(&answer, date);
    }
    match fault {
        Fault::LoseAnswer => return reset(client),
        Fault::Late => tokio::time::sleep(LATE).await,
        Fault::Truncate => answer.truncate(answer.len() / 2),
        Fault::Replace(from, to) => answer = replaced(&answer, from, to),
        Fault::Pass | Fault::Reset | Fault::Answer(_) => {}
    }
    client.write_all(&answer).await?;
    client.shutdown().await
}

fn is_creation(text: &str) -> bool {
    text.starts_with("POST ") && text.contains("/leases")
}

fn reset(client: TcpStream) -> std::io::Result<()> {
    client.set_zero_linger()?;
    drop(client);
    Ok(())
}

/// One request: its head, and as much more as that says.
async fn message(stream: &mut TcpStream) -> std::io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 16 * 1024];
    loop {
        if let Some(end) = find(&bytes, b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"))
                .map_or(0, |length| length.trim().parse::<usize>().unwrap());
            if bytes.len() >= end + 4 + length {
                return Ok(Some(bytes));
            }
        }
        let read = stream.read(&mut chunk).await?;
        if read == 0 {
            return Ok(None);
        }
        bytes.extend_from_slice(&chunk[..read]);
    }
}

/// The same request, after which the store closes the connection: its end is the answer's end.
fn closing(request: &[u8]) -> Vec<u8> {
    let end = find(request, b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&request[..end]);
    let mut lines: Vec<&str> = head
        .split("\r\n")
        .filter(|line| !line.to_ascii_lowercase().starts_with("connection:"))
        .collect();
    lines.push("connection: close");
    let mut closing = lines.join("\r\n").into_bytes();
    closing.extend_from_slice(&request[end..]);
    closing
}

/// Its length is not said any more: the answer ends with the connection.
fn replaced(answer: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8_lossy(answer);
    let lines = text.split_inclusive("\r\n");
    let kept = lines.filter(|line| !line.to_ascii_lowercase().starts_with("content-length:"));
    kept.collect::<String>().replace(from, to).into_bytes()
}

fn dated(answer: &[u8], date: &str) -> Vec<u8> {
    let Some(end) = find(answer, b"\r\n\r\n") else { return answer.to_vec() };
    let head = String::from_utf8_lossy(&answer[..end]);
    let date = format!("Date: {date}");
    let lines: Vec<&str> = head
        .split("\r\n")
        .map(|line| if line.to_ascii_lowercase().starts_with("date:") { &date } else { line })
        .collect();
    let mut dated = lines.join("\r\n").into_bytes();
    dated.extend_from_slice(&answer[end..]);
    dated
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

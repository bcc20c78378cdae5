//! The cluster's API, by way of a server that follows a leader, or else of one that answers.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, RwLock};
use std::time::Duration;

use futures_util::stream::{BoxStream, FuturesUnordered, StreamExt as _};
use http::header::WARNING;
use http::{HeaderMap, HeaderValue, Method, Request};
use http_body_util::BodyExt as _;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{Status, WatchEvent};
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout_at};

use super::failure::Failure;
use super::{Global, kinds::Kind};

/// Where the kubeconfig is when nobody says.
const KUBECONFIG: &str = "/etc/stead/pki/admin.kubeconfig";
/// How long a server may take to accept a connection before it counts as silent.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How much earlier each context is asked than the next one, so that the first keeps its place
/// while a silent one costs next to nothing.
const HEAD_START: Duration = Duration::from_millis(250);
/// How long one that follows a leader is looked for, where a server that follows none has answered.
const LEADER_SOUGHT: Duration = Duration::from_secs(1);
/// How long a request is repeated while the cluster has no leader, or its servers change.
const PATIENCE: Duration = Duration::from_secs(15);
/// Between two tries, where the server does not say.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// A connection to the cluster.
pub(super) struct Connection {
    clients: Vec<(String, kube::Client)>,
    /// Index of the client that requests go to.
    current: RwLock<usize>,
    /// What servers have warned of so far.
    warned: Mutex<BTreeSet<String>>,
}

/// What to send.
pub(super) struct Body {
    content_type: &'static str,
    bytes: Vec<u8>,
}

impl Body {
    /// An object to create, or options to delete with.
    pub(super) fn json(value: &Value) -> Self {
        Self { content_type: "application/json", bytes: value.to_string().into_bytes() }
    }

    /// An object to apply.
    pub(super) fn apply(value: &Value) -> Self {
        let bytes = value.to_string().into_bytes();
        Self { content_type: "application/apply-patch+yaml", bytes }
    }
}

/// What a request ends with when it doesn't end well.
#[derive(Debug)]
pub(super) enum RequestError {
    /// The server's answer.
    Answer(Box<Status>),
    /// No answer that can be read.
    Silence(anyhow::Error),
}

impl RequestError {
    /// The HTTP status code; zero where there was no answer.
    pub(super) fn code(&self) -> u16 {
        match self {
            Self::Answer(status) => status.code,
            Self::Silence(_) => 0,
        }
    }
}

impl From<kube::Error> for RequestError {
    fn from(error: kube::Error) -> Self {
        if let kube::Error::Api(status) = error {
            return Self::Answer(status);
        }
        Self::Silence(error.into())
    }
}

impl From<RequestError> for Failure {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Silence(error) => Self::Error(error),
            RequestError::Answer(status) => match status.code {
                400..=403 | 405..=429 => Self::Refused(status.message),
                _ => Self::error(status.message),
            },
        }
    }
}

impl Connection {
    /// Reads the kubeconfig and finds a server that answers.
    pub(super) async fn open(global: &Global) -> Result<Self, Failure> {
        let kubeconfig = read_kubeconfig(global)?;
        let clients = clients(&kubeconfig, global.context.as_deref()).await?;
        let connection = Self { clients, current: RwLock::default(), warned: Mutex::default() };
        connection.find().await?;
        Ok(connection)
    }

    /// Asks all servers, each a little after the one before; the first that follows a leader counts. One that
    /// follows none knows of itself only: it counts where no other answers.
    async fn find(&self) -> Result<(), Failure> {
        let first = self.index();
        let count = self.clients.len();
        let mut asked = FuturesUnordered::new();
        for place in 0..count {
            let index = (first + place) % count;
            let Some((_, client)) = self.clients.get(index) else { continue };
            let delay = HEAD_START * u32::try_from(place).unwrap_or(u32::MAX);
            asked.push(async move {
                sleep(delay).await;
                (index, is_ready(client).await)
            });
        }
        let mut errors = Vec::new();
        let mut leaderless = None;
        loop {
            let next = asked.next();
            let next = match leaderless {
                Some((_, answered)) => {
                    timeout_at(answered + LEADER_SOUGHT, next).await.ok().flatten()
                }
                None => next.await,
            };
            let Some((index, answer)) = next else { break };
            match answer.map_err(RequestError::from) {
                Err(RequestError::Answer(status)) if status.code == 503 => {
                    leaderless.get_or_insert((index, Instant::now()));
                }
                // Whoever refuses has answered: the request itself will say why.
                Ok(_) | Err(RequestError::Answer(_)) => {
                    self.choose(index);
                    return Ok(());
                }
                Err(RequestError::Silence(error)) => {
                    let name = self.clients.get(index).map_or("", |(name, _)| name.as_str());
                    errors.push(format!("  {name}: {}", root_cause(&error)));
                }
            }
        }
        if let Some((index, _)) = leaderless {
            self.choose(index);
            return Ok(());
        }
        errors.sort();
        Err(Failure::error(format!("no server of the cluster answers:\n{}", errors.join("\n"))))
    }

    fn choose(&self, index: usize) {
        if let Ok(mut current) = self.current.write() {
            *current = index;
        }
    }

    fn index(&self) -> usize {
        self.current.read().map_or(0, |current| *current)
    }

    fn client(&self) -> Option<&kube::Client> {
        self.clients.get(self.index()).map(|(_, client)| client)
    }

    /// Reads.
    pub(super) async fn get(&self, path: &str) -> Result<Value, RequestError> {
        self.request(Method::GET, path, "application/json", None).await
    }

    /// Reads in the form of a table, as the server prints it.
    pub(super) async fn get_table(&self, path: &str) -> Result<Value, RequestError> {
        self.request(Method::GET, path, TABLE, None).await
    }

    /// Changes something. Only for what may be sent twice: an answer may be lost on its way.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Body>,
    ) -> Result<Value, RequestError> {
        self.request(method, path, "application/json", body).await
    }

    /// One request, repeated for a while where no server answers it or the cluster has no leader.
    async fn request(
        &self,
        method: Method,
        path: &str,
        accept: &str,
        body: Option<&Body>,
    ) -> Result<Value, RequestError> {
        let started = Instant::now();
        loop {
            let result = self.once(method.clone(), path, accept, body).await;
            let error = match result {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let pause = match &error {
                RequestError::Answer(status) if status.code == 503 => {
                    eprintln!("{}; trying again", status.message);
                    retry_after(status)
                }
                RequestError::Silence(_) => RETRY_AFTER,
                RequestError::Answer(_) => return Err(error),
            };
            if started.elapsed() + pause > PATIENCE {
                return Err(error);
            }
            sleep(pause).await;
            if self.find().await.is_err() {
                return Err(error);
            }
        }
    }

    async fn once(
        &self,
        method: Method,
        path: &str,
        accept: &str,
        body: Option<&Body>,
    ) -> Result<Value, RequestError> {
        let mut request = Request::builder().method(method).uri(path).header("accept", accept);
        if let Some(body) = body {
            request = request.header("content-type", body.content_type);
        }
        let bytes = body.map(|body| body.bytes.clone()).unwrap_or_default();
        let request = request.body(bytes.into()).map_err(silence)?;
        let answer = self.client().ok_or_else(no_context)?.send(request).await?;
        self.warn(answer.headers());
        let code = answer.status();
        let bytes = answer.into_body().collect().await?.to_bytes();
        if code.is_client_error() || code.is_server_error() {
            // Something in between may answer with a page of its own, or with other JSON.
            let status = serde_json::from_slice(&bytes).ok();
            let status = status.filter(|status: &Status| status.code == code.as_u16());
            let status = status.unwrap_or_else(|| {
                let text = String::from_utf8_lossy(&bytes);
                Status::failure(text.trim(), "").with_code(code.as_u16())
            });
            return Err(RequestError::Answer(status.boxed()));
        }
        serde_json::from_slice(&bytes).map_err(silence)
    }

    /// Says what a server warns of, each warning once.
    fn warn(&self, headers: &HeaderMap) {
        for text in headers.get_all(WARNING).iter().filter_map(warning) {
            if self.warned.lock().is_ok_and(|mut warned| warned.insert(text.clone())) {
                eprintln!("Warning: {text}");
            }
        }
    }

    /// Watches from a version on. Ends where the server ends it.
    pub(super) async fn watch(
        &self,
        path: &str,
        as_table: bool,
    ) -> Result<BoxStream<'static, Result<WatchEvent<Value>, RequestError>>, RequestError> {
        let accept = if as_table { TABLE } else { "application/json" };
        let request =
            Request::get(path).header("accept", accept).body(Vec::new()).map_err(silence)?;
        let client = self.client().ok_or_else(no_context)?;
        let stream = client.request_events::<Value>(request).await?;
        Ok(stream.map(|event| event.map_err(RequestError::from)).boxed())
    }

    /// Every object of a kind.
    pub(super) async fn list(&self, kind: &Kind) -> Result<Value, RequestError> {
        self.get(&kind.path(None)).await
    }

    /// A server that answers, after the present one fell silent. For a while there may be none.
    pub(super) async fn reconnect(&self) -> Result<(), Failure> {
        let started = Instant::now();
        loop {
            match self.find().await {
                Err(_) if started.elapsed() < PATIENCE => sleep(RETRY_AFTER).await,
                found => return found,
            }
        }
    }
}

/// The table form of any answer.
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

/// Whether a server follows a leader: else it answers 503.
async fn is_ready(client: &kube::Client) -> kube::Result<String> {
    let request = Request::get("/readyz").body(Vec::new()).map_err(kube::Error::HttpError)?;
    client.request_text(request).await
}

fn silence(error: impl Into<anyhow::Error>) -> RequestError {
    RequestError::Silence(error.into())
}

/// The text of `299 - "text"`, the form in which API servers warn.
pub(super) fn warning(header: &HeaderValue) -> Option<String> {
    let quoted = header.to_str().ok()?.strip_prefix("299 - \"")?.strip_suffix('"')?;
    let mut escaped = false;
    let text = quoted.chars().filter(|character| {
        escaped = *character == '\\' && !escaped;
        !escaped
    });
    Some(text.collect())
}

fn no_context() -> RequestError {
    silence(anyhow::anyhow!("the kubeconfig has no context"))
}

fn retry_after(status: &Status) -> Duration {
    match status.details.as_ref().map_or(0, |details| details.retry_after_seconds) {
        0 => RETRY_AFTER,
        seconds => Duration::from_secs(seconds.into()),
    }
}

/// The innermost error says what happened; the outer ones that it happened to a request.
pub(super) fn root_cause(error: &anyhow::Error) -> String {
    error.root_cause().to_string()
}

fn read_kubeconfig(global: &Global) -> Result<Kubeconfig, Failure> {
    let read = |path: &Path| {
        Kubeconfig::read_from(path).map_err(|error| {
            Failure::error(format!("failed to read kubeconfig {}: {error}", path.display()))
        })
    };
    if let Some(path) = &global.kubeconfig {
        return read(path);
    }
    match Kubeconfig::from_env() {
        Ok(Some(kubeconfig)) => Ok(kubeconfig),
        Ok(None) => {
            let path = PathBuf::from(KUBECONFIG);
            if !path.exists() {
                return Err(Failure::error(format!(
                    "there is no kubeconfig: name one with --kubeconfig or KUBECONFIG, or put the \
                     one that `stead init` made at {KUBECONFIG}"
                )));
            }
            read(&path)
        }
        Err(error) => Err(Failure::error(format!("failed to read $KUBECONFIG: {error}"))),
    }
}

/// A client for each context, the current one first.
pub(super) async fn clients(
    kubeconfig: &Kubeconfig,
    only: Option<&str>,
) -> Result<Vec<(String, kube::Client)>, Failure> {
    let current = only.map(str::to_owned).or_else(|| kubeconfig.current_context.clone());
    let mut names: Vec<String> =
        kubeconfig.contexts.iter().map(|context| context.name.clone()).collect();
    if let Some(only) = only {
        names.retain(|name| name == only);
        if names.is_empty() {
            return Err(Failure::error(format!("the kubeconfig has no context {only}")));
        }
    }
    names.sort_by_key(|name| Some(name) != current.as_ref());
    let mut clients = Vec::new();
    for name in names {
        let options =
            KubeConfigOptions { context: Some(name.clone()), ..KubeConfigOptions::default() };
        let mut config =
            kube::Config::from_custom_kubeconfig(kubeconfig.clone(), &options).await.map_err(
                |error| Failure::error(format!("context {name} can't be used: {error}")),
            )?;
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        // For minutes, at first every few milliseconds, and without a word.
        config.default_retry = false;
        let client = kube::Client::try_from(config)
            .map_err(|error| Failure::error(format!("context {name} can't be used: {error}")))?;
        clients.push((name, client));
    }
    if clients.is_empty() {
        return Err(Failure::error("the kubeconfig has no context"));
    }
    Ok(clients)
}

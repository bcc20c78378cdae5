//! From a request to its answer: who asks, what for, whether they may, and who answers.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{HeaderValue, USER_AGENT};
use http::request::Parts;
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::answer::{self, Answer, Body, BodyError};
use super::body::{self, Media};
use super::derived::NAMESPACE_KIND;
use super::discovery;
use super::failure::Failure;
use super::identity::{Caller, Identity};
use super::kinds::Access;
use super::listen::Active;
use super::negotiate::{self, Form};
use super::openapi;
use super::proxy::{FORWARDED_BY, Proxy, ProxyError};
use super::query::Query;
use super::read;
use super::review;
use super::route::{Route, Target, route};
use super::selector::Selector;
use super::storage::{Leadership, Storage};
use super::watch;
use super::write::{DeleteOptions, Options, Outcome, Writes};
use crate::api;
use crate::api::names::ServerName;

/// Requests answered at once, watches apart.
const REQUESTS_MAX: usize = 256;
/// Watches at once.
const WATCHES_MAX: usize = 1024;
/// The version of the Kubernetes API that this one follows.
const MINOR: &str = "36";

/// Answers requests.
pub(super) struct Service {
    server: ServerName,
    storage: Arc<Storage>,
    writes: Writes,
    proxy: Proxy,
    requests: Arc<Semaphore>,
    watches: Arc<Semaphore>,
}

/// A request that is known to be allowed.
struct Call<'a> {
    parts: &'a Parts,
    query: Query,
    target: Target,
    verb: &'static str,
    who: Identity,
    forwarded: bool,
}

impl Service {
    /// Answers from `storage`, writes with `writes`, hands on with `proxy`.
    pub(super) fn new(
        server: ServerName,
        storage: Arc<Storage>,
        writes: Writes,
        proxy: Proxy,
    ) -> Self {
        Self {
            server,
            storage,
            writes,
            proxy,
            requests: Arc::new(Semaphore::new(REQUESTS_MAX)),
            watches: Arc::new(Semaphore::new(WATCHES_MAX)),
        }
    }

    /// Answers a request.
    pub(super) async fn answer(
        &self,
        request: Request<Incoming>,
        caller: Caller,
        active: Active,
    ) -> Answer {
        let (parts, body) = request.into_parts();
        let query = Query::parse(parts.uri.query().unwrap_or_default());
        let places = if query.flag("watch") { &self.watches } else { &self.requests };
        let Ok(permit) = places.clone().try_acquire_owned() else {
            return answer::failure(&Failure::too_many_requests());
        };
        let answer = self.handle(&parts, body, query, caller).await;
        let answer = answer.unwrap_or_else(|failure| answer::failure(&failure));
        answer.map(|body| HeldBody { body, _permit: permit, _active: active }.boxed_unsync())
    }

    async fn handle(
        &self,
        parts: &Parts,
        body: Incoming,
        query: Query,
        caller: Caller,
    ) -> Result<Answer, Failure> {
        let route = route(parts);
        match &route {
            Route::Version => {
                return reading(parts, || Ok(answer::json(StatusCode::OK, &version())));
            }
            Route::Health { ready } => return reading(parts, || Ok(self.health(*ready))),
            Route::Groups { .. }
            | Route::Group { .. }
            | Route::GroupVersion { .. }
            | Route::OpenApi2
            | Route::OpenApi3Index
            | Route::OpenApi3 { .. }
            | Route::Objects(_)
            | Route::Review(_)
            | Route::Unknown => {}
        }
        let identity = match caller {
            Caller::Known(identity) => identity,
            Caller::Refused(why) => return Err(Failure::unauthorized(&why)),
            Caller::Nobody => return Err(Failure::unauthorized("no client certificate was shown")),
        };
        let who = identity.speaking_for(&parts.headers).unwrap_or(identity);
        match route {
            Route::Objects(target) => {
                let verb = verb(parts, &query, &target)?;
                if !who.may(verb, target.kind.group, &target.kind.plural) {
                    let why = who.refusal(verb, target.kind, target.namespace.as_deref());
                    let name = target.name.as_deref().unwrap_or_default();
                    return Err(Failure::forbidden(target.kind, name, why));
                }
                check_namespace(&target)?;
                let forwarded = parts.headers.contains_key(FORWARDED_BY);
                let call = Call { parts, query, target, verb, who, forwarded };
                self.objects(call, body).await
            }
            Route::Review(kind) if parts.method == Method::POST => {
                let bytes = body::read(body).await?;
                let media = Media::of(&parts.headers);
                let answer = match kind.kind.as_str() {
                    "SelfSubjectRulesReview" => review::rules(&who),
                    _ => review::review(media, &bytes, &who)?,
                };
                Ok(answer::json(StatusCode::CREATED, &answer))
            }
            Route::Review(_) => Err(method_not_allowed(parts)),
            Route::Unknown => Err(Failure::no_such_path()),
            Route::Version
            | Route::Health { .. }
            | Route::Groups { .. }
            | Route::Group { .. }
            | Route::GroupVersion { .. }
            | Route::OpenApi2
            | Route::OpenApi3Index
            | Route::OpenApi3 { .. } => reading(parts, || Ok(describe(parts, &route))),
        }
    }

    fn health(&self, ready: bool) -> Answer {
        let leadership = self.storage.leadership().borrow().clone();
        if ready && leadership.leader.is_none() {
            let text = format!("no leader: {}\n", leadership.message);
            return answer::text(StatusCode::SERVICE_UNAVAILABLE, &text);
        }
        answer::text(StatusCode::OK, "ok")
    }

    /// Answers here where this server leads, else hands on.
    async fn objects(&self, call: Call<'_>, body: Incoming) -> Result<Answer, Failure> {
        let bytes = body::read(body).await?;
        let reads = matches!(call.verb, "get" | "list" | "watch");
        let leadership = self.storage.leadership();
        let known = leadership.borrow().clone();
        if known.leading {
            return self.local(&call, bytes).await;
        }
        let why = match &known.leader {
            Some(leader) if *leader != self.server && !call.forwarded => {
                let is_watch = call.verb == "watch";
                let forwarded = self
                    .proxy
                    .forward(leader, call.parts, bytes.clone(), &call.who, leadership, is_watch)
                    .await;
                match forwarded {
                    Ok(answer) => return Ok(answer),
                    Err(ProxyError::Silent(why)) if !reads => {
                        return Err(Failure::leader_silent(leader.as_str(), &why));
                    }
                    Err(ProxyError::Silent(why) | ProxyError::Unreachable(why)) => {
                        format!("the leader {leader} does not answer: {why}")
                    }
                }
            }
            Some(leader) => format!("{leader} is about to lead the cluster"),
            None => known.message.clone(),
        };
        if !reads || call.forwarded {
            return Err(Failure::no_leader(&why));
        }
        let mut answer = self.local(&call, bytes).await?;
        answer::warn(&mut answer, &[self.stale(&known, &why)]);
        Ok(answer)
    }

    fn stale(&self, leadership: &Leadership, why: &str) -> String {
        let why = if why.is_empty() { "no leader is known" } else { why };
        let server = &self.server;
        match leadership.leader {
            Some(_) => format!("{why}; this is what {server} knows"),
            None => format!("{why}; this is what {server} knew last"),
        }
    }

    async fn local(&self, call: &Call<'_>, bytes: Bytes) -> Result<Answer, Failure> {
        let Call { parts, query, target, verb, .. } = call;
        let form = negotiate::form(&parts.headers)?;
        match (*verb, &target.name) {
            ("watch", name) => {
                watch::watch(&self.storage, target.kind, name.as_deref(), query, form)
            }
            ("get", Some(name)) => read::get(&self.storage, target, name, query, form),
            ("list", _) => read::list(&self.storage, target, query, form),
            _ => self.write(call, bytes, form).await,
        }
    }

    async fn write(&self, call: &Call<'_>, bytes: Bytes, form: Form) -> Result<Answer, Failure> {
        let Call { parts, query, target, verb, .. } = call;
        let kind = target.kind;
        let agent = parts.headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok());
        let options = Options::parse(query, agent.unwrap_or_default())?;
        let media = Media::of(&parts.headers);
        if kind.access == Access::Definitions {
            return self.definition(call, media, &bytes, form);
        }
        let name = target.name.as_deref().unwrap_or_default();
        let outcome = match *verb {
            "create" => {
                let parsed = object(media, &bytes)?;
                self.writes.create(kind, parsed, &options).await?
            }
            "update" => {
                let parsed = object(media, &bytes)?;
                self.writes.replace(kind, name, parsed, &options).await?
            }
            "patch" => self.writes.patch(kind, name, media, &bytes, &options).await?,
            "delete" => {
                let deletion = delete_options(&bytes)?;
                self.writes.delete(kind, name, &deletion, options.dry_run).await?
            }
            _ => return self.delete_collection(call, &bytes, options.dry_run).await,
        };
        self.outcome(call, outcome, form)
    }

    fn outcome(&self, call: &Call<'_>, outcome: Outcome, form: Form) -> Result<Answer, Failure> {
        let Outcome { code, value, is_object, warnings } = outcome;
        let mut answer = if is_object {
            read::value(code, call.target.kind, value, &call.query, form)?
        } else {
            answer::json(code, &value)
        };
        answer::warn(&mut answer, &warnings);
        Ok(answer)
    }

    /// Writes of definitions change nothing; those of our own kinds are let through, because
    /// people and tools apply them with everything else.
    fn definition(
        &self,
        call: &Call<'_>,
        media: Media,
        bytes: &Bytes,
        form: Form,
    ) -> Result<Answer, Failure> {
        let kind = call.target.kind;
        let name = match &call.target.name {
            Some(name) => name.clone(),
            None => {
                let parsed = object(media, bytes)?.value;
                parsed["metadata"]["name"].as_str().unwrap_or_default().to_owned()
            }
        };
        let key = crate::engine::model::ObjectKey::new(&kind.kind, name.as_str());
        let Some(served) = self.storage.get(&key) else {
            let why = "the kinds of a stead cluster are built in, and others are not served";
            return Err(Failure::forbidden(kind, &name, why));
        };
        if call.verb == "create" {
            return Err(Failure::already_exists(kind, &name));
        }
        let mut answer = read::object(StatusCode::OK, kind, &served, &call.query, form)?;
        let warning =
            format!("{name} is built into stead {} and stays as it is", env!("CARGO_PKG_VERSION"));
        answer::warn(&mut answer, &[warning]);
        Ok(answer)
    }

    async fn delete_collection(
        &self,
        call: &Call<'_>,
        bytes: &Bytes,
        dry_run: bool,
    ) -> Result<Answer, Failure> {
        let kind = call.target.kind;
        let selector = Selector::parse(&call.query, kind)?;
        let deletion = delete_options(bytes)?;
        let page = self.storage.list(&kind.kind, None);
        let mut items = Vec::new();
        for (name, served) in page.items {
            let object = served.value();
            if served.stored.is_none() || !selector.matches(&object) {
                continue;
            }
            let outcome = self.writes.delete(kind, &name, &deletion, dry_run).await?;
            items.push(if outcome.is_object { outcome.value } else { object });
        }
        let list = json!({
            "kind": format!("{}List", kind.kind),
            "apiVersion": kind.api_version(),
            "metadata": {"resourceVersion": self.storage.newest().borrow().to_string()},
            "items": items,
        });
        Ok(answer::json(StatusCode::OK, &list))
    }
}

/// What a request wants to do, in Kubernetes' words.
fn verb(parts: &Parts, query: &Query, target: &Target) -> Result<&'static str, Failure> {
    let one = target.name.is_some();
    let verb = match (&parts.method, one) {
        (&Method::GET | &Method::HEAD, _) if query.flag("watch") => "watch",
        (&Method::GET | &Method::HEAD, true) => "get",
        (&Method::GET | &Method::HEAD, false) => "list",
        (&Method::POST, false) => "create",
        (&Method::PUT, true) => "update",
        (&Method::PATCH, true) => "patch",
        (&Method::DELETE, true) => "delete",
        (&Method::DELETE, false) => "deletecollection",
        _ => return Err(method_not_allowed(parts)),
    };
    if target.status && verb != "get" {
        return Err(Failure::method_not_allowed(
            "the status is what the cluster observes; it is not written through the API",
        ));
    }
    if target.kind.verbs().contains(&verb) {
        return Ok(verb);
    }
    Err(Failure::method_not_allowed(match target.kind.kind.as_str() {
        "Server" => "servers are made by the cluster from Cluster.spec.servers: change that",
        NAMESPACE_KIND => "a stead cluster has one namespace, `default`",
        _ => "the server does not allow this method on the requested resource",
    }))
}

fn method_not_allowed(parts: &Parts) -> Failure {
    Failure::method_not_allowed(format!(
        "the server does not allow the method {} on the requested resource",
        parts.method
    ))
}

fn reading(
    parts: &Parts,
    answer: impl FnOnce() -> Result<Answer, Failure>,
) -> Result<Answer, Failure> {
    if matches!(parts.method, Method::GET | Method::HEAD) {
        answer()
    } else {
        Err(method_not_allowed(parts))
    }
}

fn check_namespace(target: &Target) -> Result<(), Failure> {
    match target.namespace.as_deref() {
        None | Some(api::NAMESPACE) => Ok(()),
        Some(other) => Err(Failure::no_such_namespace(other)),
    }
}

fn object(media: Media, bytes: &Bytes) -> Result<body::Parsed, Failure> {
    match media {
        Media::Json => body::json(bytes),
        Media::Yaml => body::yaml(bytes),
        Media::MergePatch
        | Media::JsonPatch
        | Media::ApplyPatch
        | Media::Protobuf
        | Media::Other => {
            Err(Failure::unsupported_media_type("application/json, application/yaml"))
        }
    }
}

fn delete_options(bytes: &Bytes) -> Result<DeleteOptions, Failure> {
    if bytes.is_empty() {
        return Ok(DeleteOptions::default());
    }
    let value = body::yaml(bytes)?.value;
    if value.is_null() {
        return Ok(DeleteOptions::default());
    }
    serde_json::from_value(value)
        .map_err(|error| Failure::bad_request(format!("the body is not DeleteOptions: {error}")))
}

/// Discovery and OpenAPI.
fn describe(parts: &Parts, route: &Route) -> Answer {
    let headers = &parts.headers;
    let json = HeaderValue::from_static("application/json");
    let cached = |value: Value| answer::cached(headers, json.clone(), value.to_string().into());
    match route {
        Route::Groups { core } => match negotiate::discovery(headers) {
            Some(form) => {
                let body = discovery::aggregated(*core, form).to_string().into();
                answer::cached(headers, discovery::aggregated_type(form), body)
            }
            None => cached(discovery::groups(*core)),
        },
        Route::Group { group, version } => cached(discovery::group(group, version)),
        Route::GroupVersion { group, version } => cached(discovery::resources(group, version)),
        Route::OpenApi2 if negotiate::wants_openapi_protobuf(headers) => {
            let type_ = HeaderValue::from_static(
                "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
            );
            answer::cached(headers, type_, openapi::TWO_PROTOBUF.clone())
        }
        Route::OpenApi2 => answer::cached(headers, json.clone(), openapi::TWO.clone()),
        Route::OpenApi3Index => cached(openapi::index(answer::hash)),
        Route::OpenApi3 { group } => answer::cached(headers, json.clone(), openapi::three(group)),
        Route::Version
        | Route::Health { .. }
        | Route::Objects(_)
        | Route::Review(_)
        | Route::Unknown => answer::failure(&Failure::no_such_path()),
    }
}

fn version() -> Value {
    json!({
        "major": "1",
        "minor": MINOR,
        "gitVersion": format!("v1.{MINOR}.0+stead-{}", env!("CARGO_PKG_VERSION")),
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "none",
        "compiler": "rustc",
        "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
    })
}

/// A body that holds its place among the requests until it has been sent.
struct HeldBody {
    body: Body,
    _permit: OwnedSemaphorePermit,
    _active: Active,
}

impl HttpBody for HeldBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

//! Watching objects: what is, then every change, in order and without a gap.
//!
//! A watch pulls from the storage's history at the pace of its reader, so that a slow one costs no
//! memory; one that falls behind the history is told so and lists again. A watch ends when the
//! leadership changes, because its versions go on only where the new leader is.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use hyper::body::Frame;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use super::answer::{self, Answer, BodyError};
use super::failure::Failure;
use super::kinds::Kind;
use super::negotiate::Form;
use super::query::Query;
use super::read;
use super::selector::Selector;
use super::storage::{ChangeType, Leadership, PastChange, Storage};
use super::table::{self, Include};

/// Between two bookmarks.
const BOOKMARK_INTERVAL: Duration = Duration::from_secs(60);
/// How long a watch lasts where the client does not say.
const TIMEOUT_DEFAULT: u64 = 1800;
/// Longest watch.
const TIMEOUT_MAX: u64 = 3600;
/// The annotation that ends the initial events.
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// A running watch.
struct Watch {
    storage: Arc<Storage>,
    newest: watch::Receiver<u64>,
    leadership: watch::Receiver<Leadership>,
    kind: &'static Kind,
    selector: Selector,
    form: Form,
    include: Include,
    bookmarks: bool,
    /// Everything up to here is told or queued.
    version: u64,
    queue: VecDeque<Bytes>,
    deadline: Instant,
    next_bookmark: Instant,
    ended: bool,
}

/// Starts a watch.
pub(super) fn watch(
    storage: &Arc<Storage>,
    kind: &'static Kind,
    name: Option<&str>,
    query: &Query,
    form: Form,
) -> Result<Answer, Failure> {
    let mut selector = Selector::parse(query, kind)?;
    if let Some(name) = name {
        selector.name = Some(name.to_owned());
    }
    let now = Instant::now();
    let seconds = query.number("timeoutSeconds")?.filter(|seconds| *seconds > 0);
    let seconds = seconds.unwrap_or(TIMEOUT_DEFAULT).min(TIMEOUT_MAX);
    let mut watch = Watch {
        newest: storage.newest(),
        leadership: storage.leadership(),
        storage: storage.clone(),
        kind,
        selector,
        form,
        include: Include::parse(query)?,
        bookmarks: query.flag("allowWatchBookmarks"),
        version: 0,
        queue: VecDeque::new(),
        deadline: now + Duration::from_secs(seconds),
        next_bookmark: now + BOOKMARK_INTERVAL,
        ended: false,
    };
    let asked = query.number("resourceVersion")?.unwrap_or(0);
    if query.flag("sendInitialEvents") {
        if query.get("resourceVersionMatch") != Some("NotOlderThan") {
            return Err(Failure::unprocessable(
                "sendInitialEvents needs resourceVersionMatch=NotOlderThan",
            ));
        }
        watch.begin_with_all();
        watch.queue_bookmark(true);
    } else if asked == 0 {
        watch.begin_with_all();
    } else {
        storage.can_resume(asked).map_err(|error| Failure::resume(error, asked))?;
        watch.version = asked;
    }
    Ok(answer::stream(stream::unfold(watch, |mut watch| async move {
        let line = watch.next().await?;
        Some((Ok::<_, BodyError>(Frame::data(line)), watch))
    })))
}

impl Watch {
    fn begin_with_all(&mut self) {
        let page = self.storage.list(&self.kind.kind, None);
        self.version = page.version;
        for (_, served) in page.items {
            let object = served.value();
            if self.matches(&object) {
                self.queue_event("ADDED", object);
            }
        }
    }

    /// The next line; none at the end.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(line) = self.queue.pop_front() {
                return Some(line);
            }
            if self.ended {
                return None;
            }
            self.newest.borrow_and_update();
            self.take_changes();
            if !self.queue.is_empty() {
                continue;
            }
            tokio::select! {
                changed = self.newest.changed() => self.ended |= changed.is_err(),
                _ = self.leadership.changed() => self.ended = true,
                () = tokio::time::sleep_until(self.deadline) => self.ended = true,
                () = tokio::time::sleep_until(self.next_bookmark) => {
                    self.next_bookmark += BOOKMARK_INTERVAL;
                    self.queue_bookmark(false);
                }
            }
        }
    }

    fn take_changes(&mut self) {
        match self.storage.since(&self.kind.kind, self.version) {
            Ok((changes, version)) => {
                self.version = version;
                for change in changes {
                    self.queue_change(&change);
                }
            }
            Err(error) => {
                let failure = Failure::resume(error, self.version);
                self.queue_line("ERROR", &failure.status());
                self.ended = true;
            }
        }
    }

    fn matches(&self, object: &Value) -> bool {
        let name = object["metadata"]["name"].as_str();
        self.selector.name.as_deref().is_none_or(|wanted| name == Some(wanted))
            && self.selector.matches(object)
    }

    /// Tells a change as it looks through the selector.
    fn queue_change(&mut self, change: &PastChange) {
        let object = parse(&change.text);
        if self.selector.name.as_deref().is_some_and(|name| name != change.key.name) {
            return;
        }
        let is = change.change != ChangeType::Deleted && self.matches(&object);
        let was = change.previous.as_deref().is_some_and(|text| self.matches(&parse(text)));
        match (was, is) {
            (false, true) => self.queue_event("ADDED", object),
            (true, true) => self.queue_event("MODIFIED", object),
            (true, false) => self.queue_event("DELETED", object),
            (false, false) => {}
        }
    }

    fn queue_event(&mut self, type_: &str, object: Value) {
        let object = read::shaped(self.kind, object);
        let value = match self.form {
            Form::Plain => object,
            Form::Metadata { version } => table::partial(&object, version),
            Form::Table { version } => {
                let metadata = json!({"resourceVersion": object["metadata"]["resourceVersion"]});
                let now = Timestamp::now();
                table::table(self.kind, version, metadata, &[object], self.include, now)
            }
        };
        self.queue_line(type_, &value);
    }

    fn queue_bookmark(&mut self, initial_end: bool) {
        if !self.bookmarks {
            return;
        }
        let mut metadata = json!({"resourceVersion": self.version.to_string()});
        if initial_end {
            metadata["annotations"] = json!({INITIAL_EVENTS_END: "true"});
        }
        let object = json!({
            "kind": self.kind.kind,
            "apiVersion": self.kind.api_version(),
            "metadata": metadata,
        });
        let value = match self.form {
            Form::Plain => object,
            Form::Metadata { version } => table::partial(&object, version),
            Form::Table { version } => {
                let metadata = object["metadata"].clone();
                let now = Timestamp::now();
                let include = Include::Metadata;
                table::table(self.kind, version, metadata, &[object], include, now)
            }
        };
        self.queue_line("BOOKMARK", &value);
    }

    fn queue_line(&mut self, type_: &str, object: &Value) {
        let line = format!("{{\"type\":\"{type_}\",\"object\":{object}}}\n");
        self.queue.push_back(line.into());
    }
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

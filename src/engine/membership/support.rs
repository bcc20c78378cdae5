//! When this server last gave each other one anything that can extend its life (A1, A3).
//!
//! A renewal, an ack or a promise is support. A renewal's dates from the moment when the stamp that
//! it echoes came in: it extends a lease from that stamp, however late it is sent. At boot every age counts as zero: what an earlier
//! run gave is not known, so nobody is taken for quiet because we forgot.

use std::collections::BTreeMap;

use super::super::ids::BootId;
use super::super::message;
use super::super::time::Instant;
use crate::api::names::ServerName;

/// The last support given to each server.
#[derive(Clone, Debug)]
pub struct Support {
    boot: Instant,
    gave: BTreeMap<ServerName, (Instant, Option<BootId>)>,
}

impl Support {
    /// At boot: everybody may have got support just now, in a run that we can't name.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { boot: now, gave: BTreeMap::new() }
    }

    /// Support is given, to this run of the server's agent; an older one changes nothing.
    pub fn give(&mut self, now: Instant, to: &ServerName, boot: Option<BootId>) {
        let last = self.gave.entry(to.clone()).or_insert((now, boot));
        if now >= last.0 {
            *last = (now, boot);
        }
    }

    /// The last support given to a server.
    #[must_use]
    pub fn last(&self, server: &ServerName) -> (Instant, Option<BootId>) {
        self.gave.get(server).copied().unwrap_or((self.boot, None))
    }

    /// The same as an age, for a promise.
    #[must_use]
    pub fn report(&self, now: Instant, server: &ServerName) -> message::Support {
        let (at, boot) = self.last(server);
        message::Support { age: now.since(at), boot }
    }
}

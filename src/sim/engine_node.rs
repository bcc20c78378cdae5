//! The engine as a node of the simulated world.

use super::node::{Birth, GroupSeen, Node, Seen};
use crate::api::kinds::ServerState;
use crate::api::names::ServerName;
use crate::engine::Engine;
use crate::engine::effect::Effect;
use crate::engine::ids::{Revision, Term};
use crate::engine::input::Input;
use crate::engine::model::Objects;
use crate::engine::time::{Instant, Now};

impl Node for Engine {
    fn start(birth: Birth, now: Now) -> Self {
        match Engine::new(birth.identity, birth.durable, now) {
            Ok(mut engine) => {
                if birth.exclusive {
                    engine.assume_exclusive_arbiter();
                }
                #[cfg(feature = "simulate")]
                engine.break_on_purpose(birth.flaw);
                engine
            }
            Err(error) => panic!("the simulated manifest does not compile: {error}"),
        }
    }

    fn handle(&mut self, now: Now, input: Input) {
        Engine::handle(self, now, input);
    }

    fn poll_effect(&mut self) -> Option<Effect> {
        Engine::poll_effect(self)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        Engine::poll_timeout(self)
    }

    fn leads(&self) -> Option<Term> {
        self.leading().then(|| self.view().map(|view| view.term.clone())).flatten()
    }

    fn term(&self) -> Option<Term> {
        self.view().map(|view| view.term.clone())
    }

    fn members(&self) -> Vec<ServerName> {
        self.view().map(|view| view.members.clone()).unwrap_or_default()
    }

    fn store(&self) -> (Revision, &Objects) {
        (self.durable().revision, &self.durable().objects)
    }

    fn unquiet(&self) -> bool {
        self.view_changes() || self.is_writing()
    }

    fn seen(&mut self) -> Seen {
        let observation = self.observe();
        let groups = observation.groups.into_iter().map(|(name, status)| {
            let server = status.server.as_deref().map(ServerName::from);
            (name, GroupSeen { state: status.state, server, message: status.message })
        });
        let out =
            observation.servers.into_iter().filter(|(_, status)| status.state == ServerState::Out);
        Seen { groups: groups.collect(), out: out.map(|(name, _)| name).collect() }
    }
}

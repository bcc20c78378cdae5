//! The way from the API into the store.

use futures_util::future::BoxFuture;

use crate::engine::effect::{Change, WriteError};
use crate::engine::ids::Revision;

/// Makes changes of the store: the agent's side of a write.
pub trait Writer: Send + Sync {
    /// Makes all the changes or none, at a revision greater than `after`. The answer comes once
    /// every member of the view has them on disk.
    fn write(
        &self,
        changes: Vec<Change>,
        after: Revision,
    ) -> BoxFuture<'static, Result<Revision, WriteError>>;
}

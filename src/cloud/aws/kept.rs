//! Answers that are kept for a while, so that monitors that ask the same thing ask it once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::error::AwsError;

/// Questions that are remembered at most; beyond that all are asked anew.
const QUESTIONS_MAX: usize = 1024;

/// One question's last answer. It is locked while it is asked: who comes meanwhile gets that answer.
type Slot<T> = Arc<tokio::sync::Mutex<Option<(Instant, Result<T, AwsError>)>>>;

/// The last answer to each question of one kind.
#[derive(Clone, Debug)]
pub struct Kept<T>(Arc<Mutex<BTreeMap<String, Slot<T>>>>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: Clone> Kept<T> {
    /// Every question is asked anew: what was answered may have been changed since.
    pub fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The answer to a question, asked again when it is as old as this.
    ///
    /// # Errors
    /// What was answered, also where somebody else asked.
    pub async fn ask<F>(
        &self,
        question: String,
        every: Duration,
        ask: impl FnOnce() -> F,
    ) -> Result<T, AwsError>
    where
        F: Future<Output = Result<T, AwsError>>,
    {
        let slot = {
            let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if slots.len() >= QUESTIONS_MAX {
                slots.clear();
            }
            slots.entry(question).or_default().clone()
        };
        let mut slot = slot.lock().await;
        if let Some((at, answer)) = slot.as_ref()
            && at.elapsed() < every
        {
            return answer.clone();
        }
        let asked = Instant::now();
        let answer = ask().await;
        *slot = Some((asked, answer.clone()));
        answer
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn who_asks_the_same_thing_at_once_or_soon_after_gets_the_same_answer() {
        let (kept, calls) = (Kept::<u32>::default(), AtomicU32::new(0));
        let hour = Duration::from_secs(3600);
        let ask = |question: &str| {
            let (kept, calls, question) = (&kept, &calls, question.to_owned());
            async move {
                let ask = || async {
                    tokio::task::yield_now().await;
                    Ok(calls.fetch_add(1, Ordering::Relaxed))
                };
                kept.ask(question, hour, ask).await.unwrap()
            }
        };
        assert_eq!(tokio::join!(ask("a"), ask("a")), (0, 0));
        assert_eq!((ask("b").await, ask("a").await), (1, 0));
        kept.forget();
        assert_eq!(ask("a").await, 2);
    }
}

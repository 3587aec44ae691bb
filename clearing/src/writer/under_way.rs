//! The batch under way, as whoever watches the writer sees it.
//!
//! On SQLite the writer's thread calls the database itself, and while a call blocks it can tell nobody anything. So a call
//! that takes longer than a batch may is broken off from beside; and where that is not heard, as by a disk that stands still,
//! the callers are told from beside as well. A batch that was given up in this way is not committed any more.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::oneshot;

use super::{Asking, OUTCOME_WAIT, PATIENCE, WATCH, WriteError};
use crate::store::Interrupter;

#[derive(Default)]
pub(super) struct UnderWay(Mutex<State>);

#[derive(Default)]
struct State {
    batch: Option<Held>,
    interrupter: Option<Interrupter>,
}

/// The callers of a batch.
struct Held {
    callers: Vec<Asking>,
    begun: Instant,
    /// Its COMMIT may be on its way.
    commits: bool,
    given_up: bool,
}

impl UnderWay {
    /// Holds the callers of a batch that was begun at a time.
    pub fn begin(&self, callers: Vec<Asking>, begun: Instant) {
        self.state().batch = Some(Held { callers, begun, commits: false, given_up: false });
    }

    /// Gives the callers back. Who was told something already hears nothing more.
    pub fn end(&self) -> Vec<Asking> {
        self.state().batch.take().map_or_else(Vec::new, |held| held.callers)
    }

    /// Notes what breaks off calls of the session in use.
    pub fn uses(&self, interrupter: Option<Interrupter>) {
        self.state().interrupter = interrupter;
    }

    /// Whether the batch may be committed: not if its callers were told that it is given up.
    pub fn may_commit(&self) -> bool {
        let mut state = self.state();
        let held = state.batch.as_mut().filter(|held| !held.given_up);
        held.map(|held| held.commits = true).is_some()
    }

    /// Breaks off what takes too long, and tells callers who would wait in vain.
    pub fn watch(&self, now: Instant) {
        let mut state = self.state();
        let State { batch: Some(held), interrupter } = &mut *state else { return };
        let lasts = now.saturating_duration_since(held.begun);
        if lasts <= PATIENCE {
            return;
        }
        if !held.commits
            && let Some(interrupter) = interrupter
        {
            interrupter.break_off();
        }
        // Where the writer can give up by itself it has done so by now.
        let (told, error) = if held.commits {
            (OUTCOME_WAIT + WATCH / 2, WriteError::OutcomeUnknown)
        } else {
            (PATIENCE + WATCH * 2, WriteError::Unavailable)
        };
        if lasts > told && !held.given_up {
            held.given_up = true;
            for asking in &mut held.callers {
                let (unheard, _) = oneshot::channel();
                let _ = std::mem::replace(&mut asking.reply, unheard).send(Err(error.clone()));
            }
        }
    }

    /// What it guards is whole at every moment, also after a panic.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::Answering;
    use super::super::queue::Lane;
    use super::*;

    fn under_way(begun: Instant) -> (UnderWay, Answering) {
        let (reply, answer) = oneshot::channel();
        let under_way = UnderWay::default();
        under_way.begin(vec![Asking { lane: Lane::Due, deadline: None, reply }], begun);
        (under_way, answer)
    }

    #[test]
    fn callers_of_a_batch_that_blocks_are_told_from_beside_and_it_is_not_committed_any_more() {
        let begun = Instant::now();
        let (under_way, mut answer) = under_way(begun);
        under_way.watch(begun + PATIENCE);
        assert!(answer.try_recv().is_err(), "told too early");
        under_way.watch(begun + Duration::from_secs(3));
        assert!(matches!(answer.try_recv(), Ok(Err(WriteError::Unavailable))));
        assert!(!under_way.may_commit());
        assert!(under_way.end()[0].reply.is_closed());
    }

    #[test]
    fn callers_of_a_batch_that_blocks_in_its_commit_are_told_that_nobody_knows() {
        let begun = Instant::now();
        let (under_way, mut answer) = under_way(begun);
        assert!(under_way.may_commit());
        under_way.watch(begun + OUTCOME_WAIT);
        assert!(answer.try_recv().is_err(), "told too early");
        under_way.watch(begun + Duration::from_secs(3));
        assert!(matches!(answer.try_recv(), Ok(Err(WriteError::OutcomeUnknown))));
    }
}

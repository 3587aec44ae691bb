//! Keeps the lists of entries up with the journal, on every node, for as long as the house is open.
//!
//! Nobody has to ask for it: it looks at the journal some times a second. A step is one short transaction, and after it the
//! projector rests for at least as long as the step took, so that on SQLite the writer has half of the time to itself
//! however much there is to do. Where nobody was writing it rests for an eighth of that, so that lists come up sooner after a
//! burst. Where nodes share a database, each step is done once, by whoever comes first.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::time::Duration;

use futures::FutureExt as _;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span, error, warn};

use crate::reminder::Reminder;
use crate::store::{Projector, Step, Store, StoreError};

/// Between two looks at a journal that nothing was added to. A reader looks through what came in meanwhile itself.
const LOOK: Duration = Duration::from_millis(200);
/// Between two looks after failures: doubled from [`LOOK`] up to this.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// How long a step may last when the house closes. A disk that stands still holds it longer: then its thread is left behind,
/// and the step is done or undone as a whole.
const LAST_STEP: Duration = Duration::from_secs(1);

/// Projects until it is stopped, on a thread of its own: on SQLite a step is calls that block. A step under way is ended.
pub async fn follow(store: Store, stop: CancellationToken) {
    let (end, mut ended) = oneshot::channel::<()>();
    let (stopped, span) = (stop.clone(), Span::current());
    let run = async move {
        let mut projector = Projector::new(store.clone());
        let mut failures = Failures::default();
        while !stopped.is_cancelled() {
            let stepped = AssertUnwindSafe(projector.step()).catch_unwind().await;
            if stepped.is_err() {
                // Its connection may be in the middle of a transaction.
                projector = Projector::new(store.clone());
            }
            let pause = rest_after(stepped, &mut failures);
            tokio::select! {
                () = stopped.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    };
    let thread = std::thread::Builder::new().name("projector".to_owned()).spawn(move || {
        let _end = end;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a thread gets the files that it waits on").block_on(run.instrument(span));
    });
    let thread = thread.expect("a process that starts can start a thread");
    tokio::select! {
        () = stop.cancelled() => {
            if tokio::time::timeout(LAST_STEP, ended).await.is_err() {
                warn!("the lists of entries are left in the middle of a step");
            }
        }
        // It ends by itself only where it panicked outside of a step.
        _ = &mut ended => if let Err(panic) = thread.join() { resume_unwind(panic) },
    }
}

/// How long to rest after a step. One that panicked is a fault of the house, as whatever is in the journal can be listed: it
/// costs the lists, and nothing else of the node.
fn rest_after(stepped: std::thread::Result<Result<Step, StoreError>>, failures: &mut Failures) -> Duration {
    let failed = match stepped {
        Ok(Ok(step)) => {
            failures.count = 0;
            failures.told.over();
            return rest(step);
        }
        Ok(Err(error)) => Some(error),
        Err(_) => None,
    };
    let pause = (LOOK * 2_u32.saturating_pow(failures.count)).min(PAUSE_MAX);
    failures.count += 1;
    match failed {
        Some(error) if failures.told.is_due(&error.to_string()) => {
            warn!(error = &error as &dyn std::error::Error, "the lists of entries wait until they can be read");
        }
        None if failures.told.is_due("a fault") => {
            error!(?pause, "the house failed on the lists of entries; they wait for another look");
        }
        Some(_) | None => {}
    }
    pause
}

/// Steps that failed, one after the other.
#[derive(Debug, Default)]
struct Failures {
    count: u32,
    told: Reminder,
}

fn rest(step: Step) -> Duration {
    // Who was too late leaves the next steps to who was not.
    if step.behind == 0 || step.lost {
        LOOK
    } else if step.alone {
        step.took / 8
    } else {
        step.took
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_panics_is_waited_for_longer_and_longer_and_forgotten_by_one_that_does_not() {
        let good = || Step { behind: 0, lost: false, alone: true, took: Duration::ZERO };
        let mut failures = Failures::default();
        let mut broken = || rest_after(Err(Box::new("a fault")), &mut failures);
        assert_eq!([broken(), broken(), broken()], [LOOK, 2 * LOOK, 4 * LOOK]);
        for _ in 0..40 {
            assert!(broken() <= PAUSE_MAX);
        }
        assert_eq!(rest_after(Ok(Ok(good())), &mut failures), LOOK);
        assert_eq!(failures.count, 0);
    }
}

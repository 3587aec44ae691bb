//! Keeps the lists of entries up with the journal, on every node, for as long as the house is open.
//!
//! Nobody has to ask for it: it looks at the journal some times a second. A step is one short transaction, and after it the
//! projector rests for at least as long as the step took, so that on SQLite the writer has half of the time to itself
//! however much there is to do. Where nobody was writing it rests for an eighth of that, so that lists come up sooner after a
//! burst. Where nodes share a database, each step is done once, by whoever comes first.

use std::panic::resume_unwind;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span, warn};

use crate::store::{Projector, Step, Store};

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
        let mut projector = Projector::new(store);
        let mut failures = 0;
        while !stopped.is_cancelled() {
            let pause = step(&mut projector, &mut failures).await;
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
        // It ends by itself only where it has panicked.
        _ = &mut ended => if let Err(panic) = thread.join() { resume_unwind(panic) },
    }
}

/// Projects a step, and tells how long to rest after it.
async fn step(projector: &mut Projector, failures: &mut u32) -> Duration {
    match projector.step().await {
        Ok(step) => {
            *failures = 0;
            rest(step)
        }
        Err(error) => {
            let pause = (LOOK * 2_u32.saturating_pow(*failures)).min(PAUSE_MAX);
            *failures += 1;
            warn!(?pause, error = &error as &dyn std::error::Error, "the lists of entries wait for another look");
            pause
        }
    }
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

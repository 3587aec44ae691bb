//! Keeps the lists of entries up with the journal, on every node, for as long as the house is open.
//!
//! Nobody has to ask for it: it looks at the journal some times a second. A step is one short transaction, and after it the
//! projector rests for at least as long as the step took, so that on SQLite the writer has half of the time to itself
//! however much there is to do. Where nobody was writing it rests for an eighth of that, so that lists come up sooner after a
//! burst. Where nodes share a database, each step is done once, by whoever comes first.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::store::{Projector, Step, Store};

/// Between two looks at a journal that nothing was added to. A reader looks through what came in meanwhile itself.
const LOOK: Duration = Duration::from_millis(200);
/// Between two looks after failures: doubled from [`LOOK`] up to this.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Projects until it is stopped. What is under way then is given up: it is found again by looking.
pub async fn follow(store: Store, stop: CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = follow_for_ever(store) => {}
    }
}

async fn follow_for_ever(store: Store) {
    let mut projector = Projector::new(store);
    let mut failures = 0;
    loop {
        let pause = match projector.step().await {
            Ok(step) => {
                failures = 0;
                rest(step)
            }
            Err(error) => {
                let pause = (LOOK * 2_u32.saturating_pow(failures)).min(PAUSE_MAX);
                failures += 1;
                warn!(?pause, error = &error as &dyn std::error::Error, "the lists of entries wait for another look");
                pause
            }
        };
        tokio::time::sleep(pause).await;
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

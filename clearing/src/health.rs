//! Whether the house can do what it is there for, as whoever sends it callers asks: `grpc.health.v1`.
//!
//! | service asked for | SERVING means |
//! |---|---|
//! | none, or one of the house's by name | ready: the books can be written. Send it callers |
//! | `liveness` | the process runs. Starting it again would mend nothing that readiness tells of |
//! | `settlement` | no closed window has waited for its confirmation for a day or more. For whoever watches, never for where callers are sent |
//! | `certificates` | none that the house shows or trusts, or that the operator's commands show, ends within seven days. Likewise |
//!
//! What the writer commits proves that the books can be written. When it commits nothing, or fails, a row of no meaning is
//! written instead, each second, on a connection of its own: a disk that is full, a server that only reads and a file
//! system that hangs are found before a caller finds them, and so is their end. (That PostgreSQL's disk is full is found with
//! the first batch for which there is no room; a house that has failed is ready again when there is room for a large one.)

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clearing_core::facts::window::waits_too_long;
use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use tracing::{info, warn};

use crate::clock::Clock;
use crate::store::{Store, StoreError};
use crate::tls::ending::{Nearness, Watch};
use crate::writer::{Writer, WriterCounts};

/// The service by which one asks whether the process runs.
pub const LIVENESS: &str = "liveness";

/// The service by which one asks whether somebody confirms what closes.
pub const SETTLEMENT: &str = "settlement";

/// The service by which one asks whether somebody renews what ends.
pub const CERTIFICATES: &str = "certificates";

/// Between two looks.
const LOOK: Duration = Duration::from_millis(250);
/// Looks after which a row is written, if the writer commits nothing.
const LOOKS_IDLE: u32 = 4;
/// Looks after which windows are looked at that wait to be confirmed: five seconds.
const LOOKS_SETTLEMENT: u32 = 20;
/// Looks after which certificates are looked at that end: a minute.
const LOOKS_CERTIFICATES: u32 = 240;
/// How long a database may take over that row.
const PATIENCE: Duration = Duration::from_secs(3);

/// What the house says about itself. Cheap to clone.
#[derive(Clone)]
pub struct Health {
    reporter: HealthReporter,
    services: Arc<[&'static str]>,
    /// Not ready, whatever the books say: by a wrong clock nothing may be written.
    held: Arc<AtomicBool>,
}

impl Health {
    /// A house that lives, and is not ready: each service that it will serve says so.
    pub async fn new(reporter: HealthReporter, services: Vec<&'static str>) -> Self {
        for service in [LIVENESS, SETTLEMENT, CERTIFICATES] {
            reporter.set_service_status(service, ServingStatus::Serving).await;
        }
        let health = Self { reporter, services: services.into(), held: Arc::new(AtomicBool::new(true)) };
        health.set_ready(false).await;
        health
    }

    pub async fn set_ready(&self, ready: bool) {
        let state = if ready { ServingStatus::Serving } else { ServingStatus::NotServing };
        for service in ["", "grpc.health.v1.Health"].iter().chain(self.services.iter()) {
            self.reporter.set_service_status(service, state).await;
        }
    }

    /// Keeps the house from being ready, or lets it be as ready as its books are.
    pub fn hold(&self, held: bool) {
        self.held.store(held, Ordering::Relaxed);
    }

    /// Tells whether the house is ready, and whether somebody confirms what closes, until it stops; to be begun when it is open.
    pub async fn watch(&self, store: &Store, writer: &Writer, clock: &Clock, stop: &CancellationToken) {
        tokio::join!(self.watch_books(store, writer, stop), self.watch_settlement(store, clock, stop));
    }

    /// Tells whether somebody renews what ends, until the house stops. For the machine's clock, whatever the house's own says.
    pub async fn watch_certificates(&self, watch: &Watch, stop: &CancellationToken) {
        let machine = Clock::system();
        loop {
            let state = if watch.look(machine.now()) >= Nearness::Week {
                ServingStatus::NotServing
            } else {
                ServingStatus::Serving
            };
            self.reporter.set_service_status(CERTIFICATES, state).await;
            tokio::select! {
                () = stop.cancelled() => return,
                () = watch.changed() => {}
                () = tokio::time::sleep(LOOK * LOOKS_CERTIFICATES) => {}
            }
        }
    }

    async fn watch_books(&self, store: &Store, writer: &Writer, stop: &CancellationToken) {
        let (mut ready, mut writable, mut idle, mut began) = (false, false, LOOKS_IDLE, false);
        let mut seen = writer.counts();
        let mut prober = store.prober();
        loop {
            let counts = writer.counts();
            let found = match heard(&seen, &counts) {
                Heard::Commits if writable => Some(Ok(())),
                Heard::Nothing if idle < LOOKS_IDLE => None,
                heard @ (Heard::Commits | Heard::Failures | Heard::Nothing) => {
                    let large = began && (!writable || heard == Heard::Failures);
                    let probed = tokio::time::timeout(PATIENCE, prober.probe(large)).await;
                    Some(match probed {
                        Ok(Ok(())) => Ok(()),
                        Ok(Err(error)) => Err(Unready::Store(error)),
                        Err(_) => Err(Unready::Slow(PATIENCE)),
                    })
                }
            };
            seen = counts;
            idle = if found.is_some() { 1 } else { idle + 1 };
            if stop.is_cancelled() {
                return;
            }
            began |= found.is_some();
            if let Some(found) = found
                && found.is_ok() != writable
            {
                writable = found.is_ok();
                if let Err(error) = found {
                    let error = &error as &dyn std::error::Error;
                    warn!(error, "the house is not ready: its books cannot be written");
                }
            }
            if ready != (writable && !self.held.load(Ordering::Relaxed)) {
                ready = !ready;
                self.set_ready(ready).await;
                info!("the house is {}ready", if ready { "" } else { "not " });
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// What cannot be read says nothing new: that the database is gone is told by readiness.
    async fn watch_settlement(&self, store: &Store, clock: &Clock, stop: &CancellationToken) {
        let mut overdue = false;
        loop {
            if let Ok(since) = store.unconfirmed_since().await
                && overdue != since.is_some_and(|since| waits_too_long(since, clock.now()))
            {
                overdue = !overdue;
                let state = if overdue { ServingStatus::NotServing } else { ServingStatus::Serving };
                self.reporter.set_service_status(SETTLEMENT, state).await;
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK * LOOKS_SETTLEMENT) => {}
            }
        }
    }
}

/// Why the books cannot be written.
#[derive(Debug, thiserror::Error)]
enum Unready {
    #[error("a row could not be written")]
    Store(#[from] StoreError),
    #[error("the database took longer than {0:?} over a row")]
    Slow(Duration),
}

/// What the writer did between two looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    Commits,
    /// Some batches found no database, whatever came of others.
    Failures,
    Nothing,
}

fn heard(before: &WriterCounts, now: &WriterCounts) -> Heard {
    if now.unavailable > before.unavailable {
        Heard::Failures
    } else if now.committed > before.committed {
        Heard::Commits
    } else {
        Heard::Nothing
    }
}

//! Keeps an eye on the clock: compares it with what the house wrote down in its last life and with PostgreSQL's, and writes
//! down each minute that the house is alive. What comes of a wrong clock is in [`machine`](crate::clock::machine).
//!
//! It tells nothing of a clock that stands still: a sandbox's goes where it is moved.

use std::time::Duration;

use tokio::time::{Instant, timeout};
use tracing::{debug, error, info, warn};

use crate::clock::{Clock, Machine, WrongClock};
use crate::reminder::Reminder;
use crate::store::{Store, StoreError};

/// Between two notes that the house is alive. Also how often a wrong clock is told of again.
const NOTE: Duration = Duration::from_secs(60);

/// How long the database may take over a look: one that is silent must not keep the house from seeing what its clock does.
const PATIENCE: Duration = Duration::from_secs(3);

/// Compares the clock of one node, and notes that the house is alive.
#[derive(Debug)]
pub struct Timekeeper {
    store: Store,
    clock: Clock,
    noted: Option<Instant>,
    /// What was said to be wrong, and when.
    told: Option<Instant>,
    /// Of a note that was not written.
    unwritten: Reminder,
}

impl Timekeeper {
    pub fn new(store: Store, clock: Clock) -> Self {
        Self { store, clock, noted: None, told: None, unwritten: Reminder::default() }
    }

    /// Compares the clock for the first time, before anything is written by it. Afterwards [`Clock::wrong`] tells.
    ///
    /// # Errors
    /// See [`StoreError`]; it is to be called again.
    pub async fn start(&mut self) -> Result<(), StoreError> {
        let Clock::System(machine) = &self.clock else { return Ok(()) };
        let last_alive = self.store.last_alive().await?;
        if let Some(told) = self.store.database_time(|| machine.raw()).await? {
            machine.compare(told);
        }
        if let Some(accepted) = machine.start_after(last_alive) {
            let WrongClock { machine, other, .. } = accepted;
            warn!(machine_time = %machine, last_alive = %other, "the machine's clock is taken as right: --accept-time");
        }
        machine.pause(self.clock.wrong());
        self.look().await;
        Ok(())
    }

    /// Compares the clock again, and writes down that the house is alive if it is right. To be called each second.
    pub async fn look(&mut self) {
        let Clock::System(machine) = &self.clock else { return };
        match timeout(PATIENCE, self.store.database_time(|| machine.raw())).await {
            Ok(Ok(Some(told))) => machine.compare(told),
            Ok(Ok(None)) => {}
            // Nothing is written without it either.
            Ok(Err(error)) => debug!(error = &error as &dyn std::error::Error, "the database did not tell its time"),
            Err(_) => debug!("the database did not tell its time in time"),
        }
        match self.clock.now_to_write() {
            Ok(now) => {
                if self.told.take().is_some() {
                    info!(machine_time = %now, "the machine's clock is right again");
                    self.noted = None;
                }
                if self.noted.is_none_or(|noted| noted.elapsed() >= NOTE) {
                    self.noted = note(&self.store, machine, &mut self.unwritten).await.or(self.noted);
                }
            }
            Err(wrong) => {
                // Once it is right again, what was missed comes first.
                machine.pause(Some(wrong));
                if self.told.is_none_or(|told| told.elapsed() >= NOTE) {
                    let WrongClock { machine, other, .. } = wrong;
                    error!(machine_time = %machine, right_time = %other, "nothing is written: {wrong}");
                    self.told = Some(Instant::now());
                }
            }
        }
    }
}

/// Writes down that the house is alive.
async fn note(store: &Store, machine: &Machine, unwritten: &mut Reminder) -> Option<Instant> {
    let now = machine.settle()?;
    match timeout(PATIENCE, store.note_alive(now)).await {
        Ok(Ok(())) => {
            unwritten.over();
            return Some(Instant::now());
        }
        Ok(Err(error)) if unwritten.is_due(&error.to_string()) => {
            warn!(error = &error as &dyn std::error::Error, "the house could not write down that it is alive");
        }
        Err(_) if unwritten.is_due("silent") => warn!("the house could not write down in time that it is alive"),
        Ok(Err(_)) | Err(_) => {}
    }
    None
}

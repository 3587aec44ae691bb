//! A house opens, and this node's view of it is kept fresh until it closes.

use std::sync::Arc;
use std::time::Duration;

use clearing_core::units::Timestamp;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{Opening, StartError};
use crate::clock::Clock;
use crate::health::Health;
use crate::identifier::IdentifierKey;
use crate::projector;
use crate::reminder::Reminder;
use crate::rpc::Context;
use crate::scheduler::ScheduleError;
use crate::store::{Backend, GateError, Occupancy, OccupyError, Store, StoreError};
use crate::timekeeper::Timekeeper;

/// How often an unfinished start is tried again, and how old this node's view of the house may be.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How often a node looks whether another one has changed the house: one row.
const GLANCE: Duration = Duration::from_millis(50);

/// What is needed to know the books as one's own.
pub(super) struct Books {
    pub domain: String,
    /// When this process began with them.
    pub since: Timestamp,
    pub occupancy: Option<Occupancy>,
    /// Whether migrations were pending when this process looked first.
    pub laid_out_meanwhile: bool,
}

impl Books {
    /// Takes a file of SQLite, and knows it for its own, as early as can be: a PostgreSQL may come later. Whoever still
    /// has to migrate it takes it first.
    pub async fn open_file(&mut self, store: &Store, key: &IdentifierKey) -> Result<(), StartError> {
        if !store.migration_state().await?.pending.is_empty() {
            return Ok(());
        }
        self.occupy(store)?;
        store.load_house().await?.check(key, &self.domain)?;
        Ok(())
    }

    fn occupy(&mut self, store: &Store) -> Result<(), OccupyError> {
        if self.occupancy.is_none() {
            self.occupancy = store.occupy("clearing serve", self.since)?;
        }
        Ok(())
    }
}

/// Opens the house: waits for the migrations, catches up with what was missed, lets callers in; then keeps this node's
/// view of the house fresh, an eye on its clock, and the lists of entries up with the journal.
pub(super) async fn open(
    context: Context,
    mut books: Books,
    health: Health,
    tell: watch::Sender<Opening>,
    stop: CancellationToken,
) -> Option<Occupancy> {
    let mut timekeeper = Timekeeper::new(context.store.clone(), context.clock.clone());
    let mut reminder = Reminder::default();
    loop {
        match try_open(&context, &mut books, &mut timekeeper).await {
            Ok(()) => break,
            Err(NotOpen::Waiting { what, advice }) if reminder.is_due(&what) => {
                warn!(what_to_do = advice, "the house waits to open: {what}");
            }
            Err(NotOpen::Waiting { .. }) => {}
            Err(NotOpen::Refused(error)) => {
                tell.send_replace(Opening::Refused(Arc::new(error)));
                stop.cancelled().await;
                return books.occupancy;
            }
        }
        if wait(&stop).await {
            return books.occupancy;
        }
    }
    if let Some(waited) = reminder.over() {
        info!(waited_seconds = waited.as_secs(), "what the house waited for is there");
    }
    tokio::join!(
        health.watch(&context.store, &context.writer, &context.clock, &stop),
        projector::follow(context.store.clone(), stop.clone()),
        keep(&context, &mut timekeeper, &health, &tell, &stop)
    );
    books.occupancy
}

/// Keeps this node's view of the house fresh, and an eye on its clock, until the house closes.
async fn keep(
    context: &Context,
    timekeeper: &mut Timekeeper,
    health: &Health,
    tell: &watch::Sender<Opening>,
    stop: &CancellationToken,
) {
    let mut serving = false;
    let mut reminder = Reminder::default();
    let mut seen = None;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = timekeeper.look() => {}
        }
        let serves = context.clock.wrong().is_none() && caught_up(context).await;
        if serves != serving {
            serving = serves;
            health.hold(!serves);
            tell.send_replace(if serves { Opening::Serving } else { Opening::Waiting });
            info!("the house {}", if serves { "is open" } else { "answers reads only" });
        }
        if serves {
            context.scheduler.start();
        }
        if wait_or_change(context, seen, stop).await {
            return;
        }
        match context.look_at_house().await {
            Ok(epoch) => {
                seen = Some(epoch);
                if let Some(away) = reminder.over() {
                    info!(away_seconds = away.as_secs(), "the database is there again");
                }
            }
            Err(error) => {
                // A reader that was waited for in vain says nothing of the database, which may be there again by now.
                let in_vain =
                    error.cause().is_none() && !error.is_permanent() && context.store.backend() == Backend::Postgres;
                let error = if in_vain { context.store.reach().await.err() } else { Some(error) };
                let Some(error) = error else { continue };
                let (what, advice) = told(&error);
                if reminder.is_due(&what) {
                    let error = &error as &dyn std::error::Error;
                    warn!(what_to_do = advice, error, "the house cannot read its books: {what}");
                }
            }
        }
    }
}

/// Waits for the time of another look; true if the house closes.
async fn wait(stop: &CancellationToken) -> bool {
    tokio::select! {
        () = stop.cancelled() => true,
        () = tokio::time::sleep(LOOK_AGAIN) => false,
    }
}

/// The same, or until another node has changed the house: somebody may have been revoked.
async fn wait_or_change(context: &Context, seen: Option<i64>, stop: &CancellationToken) -> bool {
    if context.store.backend() == Backend::Sqlite {
        // There is no other node.
        return wait(stop).await;
    }
    let until = tokio::time::Instant::now() + LOOK_AGAIN;
    while tokio::time::Instant::now() < until {
        tokio::select! {
            () = stop.cancelled() => return true,
            () = tokio::time::sleep(GLANCE) => {}
        }
        // What fails here fails in the look as well, which tells it.
        if context.store.house_epoch().await.is_ok_and(|epoch| Some(epoch) != seen) {
            return false;
        }
    }
    stop.is_cancelled()
}

/// Why a house is not open.
enum NotOpen {
    /// This may change.
    Waiting { what: String, advice: String },
    /// This will not.
    Refused(StartError),
}

impl From<StoreError> for NotOpen {
    fn from(error: StoreError) -> Self {
        if error.is_final() {
            return Self::Refused(error.into());
        }
        let (what, advice) = told(&error);
        Self::Waiting { what, advice }
    }
}

/// What is wrong with the database, and what to do about it.
fn told(error: &StoreError) -> (String, String) {
    match error.cause() {
        Some(cause) => (cause.told.clone(), cause.advice.clone()),
        None => (error.to_string(), "look at what the error names, and at the log of the database".to_owned()),
    }
}

/// # Errors
/// What the house is waiting for, or why it must not open.
async fn try_open(context: &Context, books: &mut Books, timekeeper: &mut Timekeeper) -> Result<(), NotOpen> {
    let waiting = |what: String, advice: &str| NotOpen::Waiting { what, advice: advice.to_owned() };
    context.store.reach().await?;
    let migrations = context.store.migration_state().await?;
    if !migrations.pending.is_empty() {
        let pending = migrations.pending.len();
        books.laid_out_meanwhile = true;
        return Err(waiting(format!("{pending} migrations are pending"), "run `clearing migrate`"));
    }
    // Whoever has just migrated it may have it for a moment.
    books
        .occupy(&context.store)
        .map_err(|error| waiting(error.to_string(), "end that process, if it does not end by itself"))?;
    context.store.prove_gate().await.map_err(|error| match error {
        GateError::Store(error) => NotOpen::from(error),
        GateError::NoLock(_) => NotOpen::Refused(StartError::Gate(error)),
    })?;
    let row = context.store.load_house().await.map_err(|error| {
        // Whoever lays a database out may be about to found a coalition in it.
        if books.laid_out_meanwhile && error.is_not_founded() {
            let (what, advice) = told(&error);
            NotOpen::Waiting { what, advice }
        } else {
            NotOpen::from(error)
        }
    })?;
    row.check(&context.identifier_key, &books.domain).map_err(|error| NotOpen::Refused(error.into()))?;
    timekeeper.start().await?;
    if context.clock.wrong().is_none() {
        let replayed = context.scheduler.replay_missed(context.clock.now()).await;
        replayed.map_err(|error| match error {
            ScheduleError::Store(error) => NotOpen::from(error),
            ScheduleError::Write(_) | ScheduleError::Calendar(_) | ScheduleError::CloseRefused { .. } => {
                let why = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
                let why: Vec<String> = why.map(ToString::to_string).collect();
                waiting(format!("what was missed is not done: {}", why.join(": ")), "put right what it names")
            }
        })?;
    }
    context.see(row.house);
    Ok(())
}

/// Catches up with what was missed while the clock was wrong, if it was; then callers may write again.
async fn caught_up(context: &Context) -> bool {
    let Clock::System(machine) = &context.clock else { return true };
    if machine.paused().is_none() {
        return true;
    }
    match context.scheduler.replay_missed(context.clock.now()).await {
        Ok(_) => {
            machine.pause(None);
            true
        }
        Err(error) => {
            warn!(error = &error as &dyn std::error::Error, "what was missed waits for another look");
            false
        }
    }
}

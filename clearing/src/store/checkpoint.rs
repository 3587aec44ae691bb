//! SQLite's write-ahead log is copied into the file beside the writer, on a connection of its own: left to the writer,
//! the batch whose commit fills the log would have to do it, and everybody behind it would wait.
//!
//! A log that is always written to never starts again from its beginning, however often it is copied. So once it is
//! long, the checkpointer takes the turn to write for the moment it needs to copy the rest.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Row as _, SqliteConnection};
use tokio::sync::Mutex;
use tracing::warn;

use super::{Durability, StoreError};

/// Between two looks at the log. Pages that were written several times in between are copied once.
const PAUSE: Duration = Duration::from_millis(200);

/// Pages of the log after which it has to start again: 64 MiB of 2 KB pages.
const LOG_PAGES_MAX: i64 = 32 * 1024;

/// Whether something was committed since the log was last copied. Kept by every store of the file; when the last of
/// them is gone, the checkpointer ends.
#[derive(Debug, Default)]
pub(super) struct Committed(AtomicBool);

impl Committed {
    pub fn note(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Copies the log for as long as somebody keeps `committed`.
pub(super) async fn start(
    options: &SqliteConnectOptions,
    committed: &Arc<Committed>,
    write_turn: &Arc<Mutex<()>>,
    durability: &Arc<Durability>,
) -> Result<(), StoreError> {
    let connection = options.clone().connect().await;
    let connection = connection.map_err(|error| StoreError::of("opening the database", error))?;
    let beside = run(connection, Arc::downgrade(committed), Arc::clone(write_turn), Arc::clone(durability));
    #[allow(clippy::disallowed_methods, reason = "it ends by itself with the last store of the file")]
    drop(tokio::spawn(beside));
    Ok(())
}

async fn run(
    mut connection: SqliteConnection,
    committed: Weak<Committed>,
    write_turn: Arc<Mutex<()>>,
    durability: Arc<Durability>,
) {
    loop {
        tokio::time::sleep(PAUSE).await;
        let Some(committed) = committed.upgrade() else { return };
        if !committed.0.swap(false, Ordering::Relaxed) {
            continue;
        }
        // A failure costs nothing but a longer log: the next look tries again. Unless the disk did not take what was
        // copied: then the log must not begin anew.
        let copied = match checkpoint(&mut connection).await {
            Ok(pages) if pages > LOG_PAGES_MAX => {
                let _turn = write_turn.lock().await;
                checkpoint(&mut connection).await
            }
            copied => copied,
        };
        if let Err(error) = copied {
            warn!(error = &error as &dyn std::error::Error, "the write-ahead log could not be copied");
            if error.is_failed_sync() {
                durability.lose(&error);
                return;
            }
        }
    }
}

/// Copies what no reader needs any more, and gives how long the log is, in pages.
async fn checkpoint(connection: &mut SqliteConnection) -> Result<i64, StoreError> {
    let failed = |error| StoreError::of("store.checkpoint", error);
    let row = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").fetch_one(connection).await.map_err(failed)?;
    // The columns are whether it was busy, the pages of the log, and those that were copied.
    row.try_get::<i64, _>(1).map_err(failed)
}

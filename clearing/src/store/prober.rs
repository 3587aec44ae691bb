//! Whether the books can be written, found out by writing a row that means nothing.
//!
//! On a disk that is full a small row may find a place that a batch does not. So the room on the disk of a file of SQLite is
//! looked at, too, and after a failure as much is written as large batches do.

use super::session::Connection;
use super::sql::Sql;
use super::{BackEnd, Store, StoreError};

pub(super) static STATEMENTS: &[&Sql] = &[&PROBE];

// Beside the leases, since nothing reads it: a row of its own that changes each time, so that it is really written.
static PROBE: Sql = Sql::both(
    "store.probe",
    "INSERT INTO leases (name, holder, expires_at, filler) VALUES ('probe', $1, 0, $2)
    ON CONFLICT (name) DO UPDATE SET expires_at = leases.expires_at + 1, filler = excluded.filler",
);

/// How much is written after a failure, in bytes.
const LARGE: usize = 1 << 20;
/// The least room on the disk of a file of SQLite, in bytes.
pub(super) const ROOM_BYTES_MIN: u64 = 16 << 20;

/// What finds out whether the books can be written. It has a connection of its own, so that it waits for nobody's.
#[derive(Debug)]
pub struct Prober {
    store: Store,
    connection: Option<Connection>,
}

impl Store {
    pub fn prober(&self) -> Prober {
        Prober { store: self.clone(), connection: None }
    }
}

impl Prober {
    /// Writes, durably, as much as a batch does or only a little. If it is given up on, the next one begins with another
    /// connection.
    ///
    /// # Errors
    /// See [`StoreError`]: the books cannot be written.
    pub async fn probe(&mut self, large: bool) -> Result<(), StoreError> {
        self.look_for_room()?;
        let kept = self.connection.take();
        let mut connection = match kept {
            Some(connection) => connection,
            None => self.store.open().await?,
        };
        let (turn, committed) = match &self.store.back_end {
            BackEnd::Sqlite { committed, .. } => (Some(self.store.write_turn.lock().await), Some(committed)),
            BackEnd::Postgres { .. } => (None, None),
        };
        let mut link = connection.link();
        let call = link.call(&PROBE).uuid(0).bytes(vec![0; if large { LARGE } else { 0 }]);
        link.execute(call).await?;
        drop(turn);
        if let Some(committed) = committed {
            committed.note();
        }
        self.connection = Some(connection);
        Ok(())
    }

    fn look_for_room(&self) -> Result<(), StoreError> {
        match self.store.free_bytes()? {
            Some(free) if free < ROOM_BYTES_MIN => {
                let problem =
                    format!("{free} bytes are free on the disk of the books, and {ROOM_BYTES_MIN} are needed");
                Err(StoreError::transient(problem))
            }
            Some(_) | None => Ok(()),
        }
    }
}

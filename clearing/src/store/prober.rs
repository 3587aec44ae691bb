//! Whether the books can be written, found out by writing a row that means nothing.

use super::session::Connection;
use super::sql::Sql;
use super::{BackEnd, Store, StoreError};

pub(super) const STATEMENTS: &[&Sql] = &[&PROBE];

// Beside the leases, since nothing reads it: a row of its own that changes each time, so that it is really written.
const PROBE: Sql = Sql::both(
    "-- store.probe
    INSERT INTO leases (name, holder, expires_at) VALUES ('probe', $1, 0)
    ON CONFLICT (name) DO UPDATE SET expires_at = leases.expires_at + 1",
);

/// See the module. It has a connection of its own, so that it waits for nobody's.
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
    /// Writes, durably. If it is given up on, the next one begins with another connection.
    ///
    /// # Errors
    /// See [`StoreError`]: the books cannot be written.
    pub async fn probe(&mut self) -> Result<(), StoreError> {
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
        let call = link.call(&PROBE).uuid(0);
        link.execute(call).await?;
        drop(turn);
        if let Some(committed) = committed {
            committed.note();
        }
        self.connection = Some(connection);
        Ok(())
    }
}

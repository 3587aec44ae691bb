//! Leases, which keep nodes from doing the same work twice.

use super::sql::Sql;
use super::{Backend, Store, StoreError};

pub(super) static STATEMENTS: &[&Sql] = &[&LEASE];

// By the database's clock, which all nodes share: theirs may differ.
static LEASE: Sql = Sql::new(
    "store.lease",
    "INSERT INTO leases (name, holder, expires_at)
    VALUES ($1, $2, CAST(unixepoch('subsec') * 1000000 AS INTEGER) + $3)
    ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
    WHERE leases.holder = excluded.holder OR leases.expires_at <= CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
    "INSERT INTO leases (name, holder, expires_at)
    VALUES ($1, $2, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint + $3)
    ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
    WHERE leases.holder = excluded.holder
    OR leases.expires_at <= (extract(epoch FROM clock_timestamp()) * 1000000)::bigint",
);

impl Store {
    /// Takes a lease for `seconds`, or makes it last as long again; false if another node has it. For 0 seconds it is given
    /// back, if this node has it, so that another need not wait for its end. A file of SQLite belongs to one process, which
    /// has every lease.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn lease(&self, name: &str, node: u128, seconds: u32) -> Result<bool, StoreError> {
        if self.backend() == Backend::Sqlite {
            return Ok(true);
        }
        let mut reader = self.reader().await?;
        let mut link = reader.link();
        let call = link.call(&LEASE).text(name).uuid(node).int(i64::from(seconds) * 1_000_000);
        Ok(link.execute(call).await? == 1)
    }
}

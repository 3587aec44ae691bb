//! What a system writes to its database.

use anyhow::Result;
use sqlx::postgres::PgPool;

use crate::machine;

/// Where a system's writing is counted.
#[derive(Debug, Clone)]
pub enum Disk {
    NotCounted,
    /// All that this process gives to `write`: SQLite's log and its file. So nothing else may write much meanwhile.
    OfProcess,
    /// The log of a PostgreSQL cluster, by the place where its next record goes. Its pages go to the disk besides, later, and
    /// several changes of a page at once.
    Log(PgPool),
}

impl Disk {
    /// Bytes written so far, where they are counted.
    ///
    /// # Errors
    /// Those of PostgreSQL.
    pub async fn written_bytes(&self) -> Result<Option<u64>> {
        const LOG: &str = "SELECT CAST(pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') AS bigint)";
        match self {
            Self::NotCounted => Ok(None),
            Self::OfProcess => Ok(machine::written_bytes()),
            Self::Log(pool) => {
                let bytes: i64 = sqlx::query_scalar(LOG).fetch_one(pool).await?;
                Ok(Some(u64::try_from(bytes)?))
            }
        }
    }
}

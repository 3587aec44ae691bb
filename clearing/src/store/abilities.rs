//! What a database can do for the house, asked before a house is run on it: nothing of the books is read or written.

use rustix::fs::statvfs;

use super::cells::Row;
use super::prober::ROOM_BYTES_MIN;
use super::sql::Sql;
use super::tables::{Column, Kind, TABLES};
use super::{BackEnd, Store, StoreError};

pub(super) static STATEMENTS: &[&Sql] = &[&SERVER, &FORBIDDEN];

const VERSION: Column = Column::made("version", Kind::Text);
const ROLE: Column = Column::made("role", Kind::Text);
const ONLY_READS: Column = Column::made("only_reads", Kind::Int);
const MAY_CREATE: Column = Column::made("may_create", Kind::Int);
const NAME: Column = Column::made("name", Kind::Text);

static SERVER: Sql = Sql::new(
    "store.server",
    "SELECT sqlite_version() AS version, '' AS role, 0 AS only_reads, 1 AS may_create",
    "SELECT pg_catalog.current_setting('server_version') AS version, current_user::text AS role,
        (pg_catalog.pg_is_in_recovery() OR pg_catalog.current_setting('default_transaction_read_only') = 'on')::int::bigint
            AS only_reads,
        coalesce(pg_catalog.has_schema_privilege(pg_catalog.current_schema(), 'CREATE'), false)::int::bigint AS may_create",
)
.gives(&[VERSION, ROLE, ONLY_READS, MAY_CREATE]);

// Of the journal nothing is changed, so a right to do that is not asked for.
static FORBIDDEN: Sql = Sql::postgres(
    "store.forbidden_tables",
    "SELECT relname::text AS name FROM pg_catalog.pg_class
    WHERE relnamespace = pg_catalog.current_schema()::regnamespace AND relkind = 'r'
        AND NOT (pg_catalog.has_table_privilege(oid, 'SELECT') AND pg_catalog.has_table_privilege(oid, 'INSERT'))
    ORDER BY relname",
)
.gives(&[NAME]);

/// What a database can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Abilities {
    /// As the database tells it.
    pub version: String,
    /// As whom the house is known to it; nobody in SQLite.
    pub role: String,
    /// It takes nothing in: a standby, or one that was told so.
    pub only_reads: bool,
    /// Whether tables can be made in it.
    pub may_create: bool,
    /// The tables of the house that this role may not read or add to.
    pub forbidden: Vec<String>,
    /// What is free on the disk of a file of SQLite, in bytes. Of its disk a server says nothing.
    pub free_bytes: Option<u64>,
}

impl Abilities {
    /// The least room on the disk, in bytes: with less a house is not ready.
    pub const FREE_BYTES_MIN: u64 = ROOM_BYTES_MIN;
}

impl Store {
    /// Asks a database what it can do.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn abilities(&self) -> Result<Abilities, StoreError> {
        let mut reader = self.reader().await?;
        let mut link = reader.link();
        let call = link.call(&SERVER);
        let told = |row: &Row<'_>| {
            Ok(Abilities {
                version: row.text(VERSION)?.to_owned(),
                role: row.text(ROLE)?.to_owned(),
                only_reads: row.int(ONLY_READS)? != 0,
                may_create: row.int(MAY_CREATE)? != 0,
                forbidden: Vec::new(),
                free_bytes: self.free_bytes()?,
            })
        };
        let mut abilities =
            link.row(call, told).await?.ok_or_else(|| StoreError::permanent("a database says nothing"))?;
        if let BackEnd::Postgres { .. } = &self.back_end {
            let call = link.call(&FORBIDDEN);
            let names: Vec<String> = link.rows(call, |row| Ok(row.text(NAME)?.to_owned())).await?;
            abilities.forbidden =
                names.into_iter().filter(|name| TABLES.iter().any(|table| table.name == *name)).collect();
        }
        Ok(abilities)
    }

    /// What is free on the disk of a file of SQLite, in bytes.
    pub(super) fn free_bytes(&self) -> Result<Option<u64>, StoreError> {
        let BackEnd::Sqlite { file, .. } = &self.back_end else { return Ok(None) };
        let disk =
            statvfs(file).map_err(|error| StoreError::of("a look at the disk", sqlx::Error::Io(error.into())))?;
        Ok(Some(disk.f_bavail.saturating_mul(disk.f_frsize)))
    }
}

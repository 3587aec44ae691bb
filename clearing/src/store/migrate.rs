//! The layout of the database, and the first rows in it.

use clearing_core::book::Book;
use clearing_core::facts::FoundedFacts;
use clearing_core::facts::coalition::House;
use clearing_core::units::{BatchId, PartnerId, Timestamp};
use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};

use super::cause::Cause;
use super::sql::{Link, Sql};
use super::tables::{Column, Kind};
use super::{Backend, Store, StoreError};
use crate::clock;
use crate::identifier::IdentifierKey;

pub(super) static STATEMENTS: &[&Sql] = &[&HAS_MIGRATIONS, &MIGRATIONS_APPLIED];

/// What the database knows of its own layout.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Migrations {
    /// Versions of migrations that were applied, ascending.
    pub applied: Vec<i64>,
    /// Versions that this release has and the database has not.
    pub pending: Vec<i64>,
}

const COUNT: Column = Column::made("count", Kind::Int);
const VERSION: Column = Column::made("version", Kind::Int);
const CHECKSUM: Column = Column::made("checksum", Kind::Bytes);

static HAS_MIGRATIONS: Sql = Sql::new(
    "store.migrations_table",
    "SELECT count(*) AS count FROM sqlite_schema WHERE name = '_sqlx_migrations'",
    "SELECT count(*) AS count FROM (SELECT to_regclass('_sqlx_migrations') AS name) AS t WHERE name IS NOT NULL",
)
.gives(&[COUNT]);

static MIGRATIONS_APPLIED: Sql = Sql::both(
    "store.migrations_applied",
    "SELECT version, checksum FROM _sqlx_migrations WHERE success ORDER BY version",
)
.gives(&[VERSION, CHECKSUM]);

/// The migrations of one back end: number, what it is called, and the file of each.
macro_rules! migrations {
    ($folder:literal) => {
        migrations!($folder: 1 "house" "0001_house", 2 "journal" "0002_journal", 3 "partners" "0003_partners",
            4 "points" "0004_points", 5 "settlement" "0005_settlement", 6 "credentials" "0006_credentials")
    };
    ($folder:literal: $($version:literal $name:literal $file:literal),*) => {
        [$(($version, $name, include_str!(concat!("../../../migrations/", $folder, "/", $file, ".sql")))),*]
    };
}

/// What lays a database out. The files are part of the program, and none is ever changed once it is released.
pub fn migrator(backend: Backend) -> Migrator {
    let files: [(i64, &str, &str); 6] = match backend {
        Backend::Sqlite => migrations!("sqlite"),
        Backend::Postgres => migrations!("postgres"),
    };
    let migration = |(version, name, sql): (i64, &'static str, &'static str)| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    Migrator::with_migrations(files.map(migration).into())
}

impl Store {
    /// Brings the database to the layout of this release. Safe to be called by several nodes at once.
    ///
    /// # Errors
    /// See [`StoreError`]; permanent if the database was migrated by a release with other migrations.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        self.migration_state().await?;
        let _turn = self.write_turn.lock().await;
        let mut connection = self.open().await?;
        let migrator = migrator(self.backend());
        let done = match connection.link() {
            Link::Direct(_) => return Err(StoreError::permanent("the writer's connection does not migrate")),
            Link::Sqlite(connection) => migrator.run(connection).await,
            Link::Postgres(connection) => migrator.run(connection).await,
        };
        connection.close().await;
        done.map_err(StoreError::of_migration)
    }

    /// Which migrations the database has, and which it still needs.
    ///
    /// # Errors
    /// See [`StoreError`]; permanent if it has one that this release does not know, or knows otherwise.
    pub async fn migration_state(&self) -> Result<Migrations, StoreError> {
        let mut reader = self.reader().await?;
        let mut link = reader.link();
        let call = link.call(&HAS_MIGRATIONS);
        let known = link.row(call, |row| Ok(row.int(COUNT)? > 0)).await?.unwrap_or(false);
        let mut applied: Vec<(i64, Vec<u8>)> = Vec::new();
        if known {
            let call = link.call(&MIGRATIONS_APPLIED);
            applied = link.rows(call, |row| Ok((row.int(VERSION)?, row.bytes(CHECKSUM)?.to_vec()))).await?;
        }
        let migrator = migrator(self.backend());
        for (version, checksum) in &applied {
            match migrator.iter().find(|migration| migration.version == *version) {
                Some(own) if *own.checksum == **checksum => {}
                Some(_) => return Err(StoreError::because(Cause::of_an_older_build(*version))),
                None => return Err(StoreError::because(Cause::of_a_later_release(*version))),
            }
        }
        let applied: Vec<i64> = applied.into_iter().map(|(version, _)| version).collect();
        let versions = migrator.iter().map(|migration| migration.version);
        let pending = versions.filter(|version| !applied.contains(version)).collect();
        Ok(Migrations { applied, pending })
    }

    /// Writes a new coalition into a migrated, empty database: its settings, the fingerprint of its identifier key, partners
    /// with their terms, the calendar, and the first window, which begins at `now`.
    ///
    /// # Errors
    /// Permanent if the operator is not among the partners, or if there is a coalition already.
    pub async fn create_coalition(
        &self,
        house: &House,
        domain: &str,
        key: &IdentifierKey,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if !house.partners.contains_key(&PartnerId::operator()) {
            return Err(StoreError::permanent("the operator is a partner of every coalition"));
        }
        let coalition = house.coalition.clone();
        let key_fingerprint = key.fingerprint(&coalition.id, domain);
        let founded = FoundedFacts { coalition, domain: domain.to_owned(), key_fingerprint };
        let batch = BatchId(clock::fresh_uuid());
        let book = Book::found(batch, founded.clone(), house, now);
        let book = book.map_err(|error| StoreError::permanent(format!("the coalition cannot be founded: {error}")))?;
        self.writer().await?.found(&founded, book, batch, now).await
    }
}

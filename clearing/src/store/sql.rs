//! The seam between the house and the two drivers: statements in both dialects, their arguments, their rows.
//!
//! Every statement stands in the room of its noun, as one text if both dialects read it, else as a pair of texts, SQLite's
//! beside PostgreSQL's, so that one is not changed without the other. Lists of columns are not written out, but filled in
//! (`filling`). All statements as they run are listed in `statements.sql`.

use std::sync::OnceLock;

use futures::TryStreamExt as _;
use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments as _, Executor as _, PgConnection, Row as _, SqliteConnection};
use uuid::Uuid;

use super::cells::{PackedRow, Row};
use super::filling::fill;
pub(super) use super::filling::{Takes, one, rows};
use super::rows::RowSet;
use super::tables::Column;
use super::{Backend, StoreError};

/// One statement in both dialects. Each text begins with a comment that names it, so that it can be found again in the
/// database's own statistics.
#[derive(Debug)]
pub struct Sql {
    name: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
    takes: &'static [Takes],
    gives: &'static [Column],
    filled_sqlite: OnceLock<String>,
    filled_postgres: OnceLock<String>,
    packed: bool,
}

impl Sql {
    pub(super) const fn both(name: &'static str, text: &'static str) -> Self {
        Self::new(name, text, text)
    }

    pub(super) const fn new(name: &'static str, sqlite: &'static str, postgres: &'static str) -> Self {
        Self {
            name,
            sqlite,
            postgres,
            takes: &[],
            gives: &[],
            filled_sqlite: OnceLock::new(),
            filled_postgres: OnceLock::new(),
            packed: false,
        }
    }

    pub(super) const fn takes(mut self, takes: &'static [Takes]) -> Self {
        self.takes = takes;
        self
    }

    /// The columns of the rows that it gives.
    pub(super) const fn gives(mut self, gives: &'static [Column]) -> Self {
        self.gives = gives;
        self
    }

    /// Says that SQLite packs the rows into one text: cells apart by `,`, rows by `;`, bytes as hex digits. Its driver hands
    /// each row from thread to thread, which costs more than finding the row. A text in it must hold neither separator.
    pub(super) const fn packed(mut self) -> Self {
        self.packed = true;
        self
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The text as it runs.
    pub fn text(&self, backend: Backend) -> &str {
        match backend {
            Backend::Sqlite => self.filled_sqlite.get_or_init(|| self.filled(backend, self.sqlite)),
            Backend::Postgres => self.filled_postgres.get_or_init(|| self.filled(backend, self.postgres)),
        }
    }

    fn filled(&self, backend: Backend, template: &str) -> String {
        let Self { name, takes, gives, .. } = self;
        format!("-- {name}\n    {}", fill(template, takes, gives, backend))
    }

    /// The columns of the rows that a back end gives, by name and kind. None if the statement declares none, or packs them.
    pub fn columns(&self, backend: Backend) -> Option<&'static [Column]> {
        Some(self.gives).filter(|gives| !gives.is_empty() && !(self.packed && backend == Backend::Sqlite))
    }
}

/// A connection of either kind, for as long as one function needs it.
pub(super) enum Link<'a> {
    Sqlite(&'a mut SqliteConnection),
    Postgres(&'a mut PgConnection),
}

impl Link<'_> {
    pub fn backend(&self) -> Backend {
        match self {
            Self::Sqlite(_) => Backend::Sqlite,
            Self::Postgres(_) => Backend::Postgres,
        }
    }

    /// A statement to be filled with arguments.
    pub fn call(&self, sql: &'static Sql) -> Call {
        let arguments = match self {
            Self::Sqlite(_) => Values::Sqlite(SqliteArguments::default()),
            Self::Postgres(_) => Values::Postgres(PgArguments::default()),
        };
        Call { sql, arguments, taken: 0 }
    }

    /// An empty set of rows.
    pub fn row_set(&self, columns: &'static [Column]) -> RowSet {
        RowSet::new(self.backend(), columns)
    }

    /// All rows that a statement gives, each turned into what it means.
    pub async fn rows<T>(
        &mut self,
        call: Call,
        mut decode: impl FnMut(&Row<'_>) -> Result<T, StoreError> + Send,
    ) -> Result<Vec<T>, StoreError> {
        let Sql { name, gives, packed, .. } = call.sql;
        let text = call.sql.text(self.backend());
        match (self, call.arguments) {
            (Self::Sqlite(connection), Values::Sqlite(values)) => {
                let rows = sqlx::query_with(text, values).fetch_all(&mut **connection).await;
                let rows = rows.map_err(|error| StoreError::of(name, error))?;
                if !packed {
                    return rows.iter().map(|row| decode(&Row::new(row, gives))).collect();
                }
                // An aggregate over nothing is null.
                let texts = rows.iter().map(|row| row.try_get::<Option<&str>, _>(0));
                let texts = texts.collect::<Result<Vec<_>, _>>().map_err(|error| StoreError::of(name, error))?;
                let rows = texts.into_iter().flatten().flat_map(|rows| rows.split(';'));
                rows.map(|row| decode(&Row::new(&PackedRow::read(row, gives)?, gives))).collect()
            }
            (Self::Postgres(connection), Values::Postgres(values)) => {
                let rows = sqlx::query_with(text, values).fetch_all(&mut **connection).await;
                let rows = rows.map_err(|error| StoreError::of(name, error))?;
                rows.iter().map(|row| decode(&Row::new(row, gives))).collect()
            }
            _ => Err(other_backend()),
        }
    }

    /// The one row of a statement that gives at most one.
    pub async fn row<T>(
        &mut self,
        call: Call,
        decode: impl FnMut(&Row<'_>) -> Result<T, StoreError> + Send,
    ) -> Result<Option<T>, StoreError> {
        Ok(self.rows(call, decode).await?.pop())
    }

    /// Runs a statement and gives how many rows it changed; on SQLite the sum over all of its parts.
    pub async fn execute(&mut self, call: Call) -> Result<u64, StoreError> {
        let name = call.sql.name;
        let text = call.sql.text(self.backend());
        match (self, call.arguments) {
            (Self::Sqlite(connection), Values::Sqlite(values)) => {
                let done = sqlx::query_with(text, values).execute(&mut **connection).await;
                done.map(|done| done.rows_affected()).map_err(|error| StoreError::of(name, error))
            }
            (Self::Postgres(connection), Values::Postgres(values)) => {
                let done = sqlx::query_with(text, values).execute(&mut **connection).await;
                done.map(|done| done.rows_affected()).map_err(|error| StoreError::of(name, error))
            }
            _ => Err(other_backend()),
        }
    }

    /// Runs a statement of several parts on SQLite, the last of which gives one row with one text: how many rows all of
    /// them changed, and that text.
    pub async fn execute_telling(&mut self, call: Call) -> Result<(u64, Option<String>), StoreError> {
        let name = call.sql.name;
        let text = call.sql.text(Backend::Sqlite);
        let (Self::Sqlite(connection), Values::Sqlite(values)) = (self, call.arguments) else {
            return Err(other_backend());
        };
        let mut done = (&mut **connection).fetch_many(sqlx::query_with(text, values));
        let (mut changed, mut told) = (0, None);
        let failed = |error| StoreError::of(name, error);
        while let Some(step) = done.try_next().await.map_err(failed)? {
            match step {
                sqlx::Either::Left(part) => changed += part.rows_affected(),
                sqlx::Either::Right(row) => told = row.try_get(0).map_err(failed)?,
            }
        }
        Ok((changed, told))
    }

    /// Runs a statement that must change so many rows.
    pub async fn execute_counted(&mut self, call: Call, expected: usize) -> Result<(), StoreError> {
        let name = call.sql.name;
        let changed = self.execute(call).await?;
        check_count(name, changed, expected)
    }

    /// Runs a statement that takes one set of rows and must change as many; nothing for an empty set.
    pub async fn write(&mut self, sql: &'static Sql, rows: RowSet) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        let count = rows.len();
        let call = self.call(sql).rows(rows);
        self.execute_counted(call, count).await
    }

    /// Runs a statement that takes one set of rows, must change as many, and gives them as they became; nothing for an empty
    /// set.
    pub async fn write_telling<T>(
        &mut self,
        sql: &'static Sql,
        rows: RowSet,
        decode: impl FnMut(&Row<'_>) -> Result<T, StoreError> + Send,
    ) -> Result<Vec<T>, StoreError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let count = rows.len();
        let call = self.call(sql).rows(rows);
        let became = self.rows(call, decode).await?;
        check_count(sql.name, u64::try_from(became.len()).unwrap_or(u64::MAX), count)?;
        Ok(became)
    }

    /// Runs statements that take no arguments, in one round trip.
    pub async fn run(&mut self, sql: &'static Sql) -> Result<(), StoreError> {
        let text = sql.text(self.backend());
        let done = match self {
            Self::Sqlite(connection) => sqlx::raw_sql(text).execute(&mut **connection).await.map(|_| ()),
            Self::Postgres(connection) => sqlx::raw_sql(text).execute(&mut **connection).await.map(|_| ()),
        };
        done.map_err(|error| StoreError::of(sql.name, error))
    }
}

pub(super) fn check_count(name: &str, changed: u64, expected: usize) -> Result<(), StoreError> {
    if usize::try_from(changed) == Ok(expected) {
        return Ok(());
    }
    Err(StoreError::permanent(format!("{name} changed {changed} rows, not {expected}")))
}

fn other_backend() -> StoreError {
    StoreError::permanent("arguments were made for the other back end")
}

enum Values {
    Sqlite(SqliteArguments),
    Postgres(PgArguments),
}

/// A statement with its arguments.
pub(super) struct Call {
    sql: &'static Sql,
    arguments: Values,
    /// How many sets of rows it has been given.
    taken: usize,
}

macro_rules! argument {
    ($call:ident, $value:expr) => {{
        let added = match &mut $call.arguments {
            Values::Sqlite(values) => sqlx::Arguments::add(values, $value),
            Values::Postgres(values) => values.add($value),
        };
        added.expect("numbers, texts and bytes below a gigabyte can be encoded");
        $call
    }};
}

impl Call {
    pub fn int(mut self, value: i64) -> Self {
        argument!(self, value)
    }

    pub fn int_or_null(mut self, value: Option<i64>) -> Self {
        argument!(self, value)
    }

    pub fn text(mut self, value: impl Into<String>) -> Self {
        argument!(self, value.into())
    }

    pub fn text_or_null(mut self, value: Option<String>) -> Self {
        argument!(self, value)
    }

    pub fn uuid(mut self, value: u128) -> Self {
        argument!(self, Uuid::from_u128(value))
    }

    pub fn uuid_or_null(mut self, value: Option<u128>) -> Self {
        argument!(self, value.map(Uuid::from_u128))
    }

    pub fn bytes(mut self, value: Vec<u8>) -> Self {
        argument!(self, value)
    }

    /// A set of rows, of the columns that the statement takes there.
    pub fn rows(mut self, rows: RowSet) -> Self {
        let mut sets = self.sql.takes.iter().filter_map(|takes| match takes {
            Takes::Rows(_, columns) => Some(*columns),
            Takes::One(_) => None,
        });
        let wanted = sets.nth(self.taken).unwrap_or_default();
        let is_wanted = std::ptr::eq(wanted, rows.columns())
            || (wanted.len() == rows.columns().len()
                && wanted.iter().zip(rows.columns()).all(|(one, other)| one.is(other)));
        assert!(is_wanted, "{} takes rows of other columns", self.sql.name);
        self.taken += 1;
        rows.into_arguments(self)
    }

    /// The cells of a column, for PostgreSQL.
    pub(super) fn array<T>(mut self, values: Vec<T>) -> Self
    where
        Vec<T>: for<'t> sqlx::Encode<'t, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
    {
        if let Values::Postgres(arguments) = &mut self.arguments {
            arguments.add(values).expect("numbers, texts and bytes below a gigabyte can be encoded");
        }
        self
    }
}

//! The seam between the house and the drivers: statements in both dialects, their arguments, their rows.
//!
//! Every statement stands in the room of its noun, as one text if both dialects read it, else as a pair of texts, SQLite's
//! beside PostgreSQL's, so that one is not changed without the other. Lists of columns are not written out, but filled in
//! (`filling`). All statements as they run are listed in `statements.sql`.

use std::ops::Range;
use std::sync::OnceLock;

use futures::TryStreamExt as _;
use rusqlite::types::{Value, ValueRef};
use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments as _, AssertSqlSafe, PgConnection, SqlSafeStr as _, SqlStr, SqliteConnection};
use uuid::Uuid;

use super::cells::Row;
use super::direct::Direct;
use super::error::DriverError;
use super::filling::fill;
pub(super) use super::filling::{Takes, one, rows};
use super::rows::{Array, RowSet};
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
}

impl Sql {
    pub(super) const fn both(name: &'static str, text: &'static str) -> Self {
        Self::new(name, text, text)
    }

    /// A statement of SQLite alone.
    pub(super) const fn sqlite(name: &'static str, text: &'static str) -> Self {
        Self::new(name, text, "")
    }

    /// A statement of PostgreSQL alone.
    pub(super) const fn postgres(name: &'static str, text: &'static str) -> Self {
        Self::new(name, "", text)
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

    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Whether a back end has it: some are of one alone.
    pub fn is_of(&self, backend: Backend) -> bool {
        match backend {
            Backend::Sqlite => !self.sqlite.is_empty(),
            Backend::Postgres => !self.postgres.is_empty(),
        }
    }

    /// The text as it runs, on a back end that has it. On SQLite for one row of a set that it takes.
    pub fn text(&self, backend: Backend) -> &str {
        match backend {
            Backend::Sqlite => self.filled_sqlite.get_or_init(|| self.filled_sqlite(1)),
            Backend::Postgres => self.filled_postgres.get_or_init(|| self.filled(backend, self.postgres, 1)),
        }
    }

    /// The text for so many rows of a set that it takes.
    fn filled_sqlite(&self, rows: usize) -> String {
        // What begins with `$` is counted there by where it stands first.
        self.filled(Backend::Sqlite, self.sqlite, rows).replace('$', "?")
    }

    /// The text for so many rows, for sqlx.
    fn of_rows(&'static self, rows: usize) -> SqlStr {
        if rows == 1 {
            return self.text(Backend::Sqlite).into_sql_str();
        }
        let text = self.filled(Backend::Sqlite, self.sqlite, rows);
        // The driver counts arguments without a number from the first on.
        let (of_set, other) = (text.rfind('?'), text.find('$'));
        assert!(other.is_none() || of_set < other, "{} takes something before its rows", self.name);
        AssertSqlSafe(text.replace('$', "?")).into_sql_str()
    }

    fn filled(&self, backend: Backend, template: &str, rows: usize) -> String {
        let Self { name, takes, gives, .. } = self;
        format!("-- {name}\n    {}", fill(template, takes, gives, (backend, rows)))
    }

    /// The columns of the rows that it gives, by name and kind. None if it declares none.
    pub fn columns(&self) -> Option<&'static [Column]> {
        Some(self.gives).filter(|gives| !gives.is_empty())
    }
}

/// A connection of either kind, for as long as one function needs it.
pub(super) enum Link<'a> {
    /// SQLite, called on this thread.
    Direct(&'a mut Direct),
    Sqlite(&'a mut SqliteConnection),
    Postgres(&'a mut PgConnection),
}

impl Link<'_> {
    pub fn backend(&self) -> Backend {
        match self {
            Self::Direct(_) | Self::Sqlite(_) => Backend::Sqlite,
            Self::Postgres(_) => Backend::Postgres,
        }
    }

    /// A statement to be filled with arguments.
    pub fn call(&self, sql: &'static Sql) -> Call {
        let arguments = match self {
            Self::Direct(_) | Self::Sqlite(_) => Arguments::Sqlite(Values::default()),
            Self::Postgres(_) => Arguments::Postgres(PgArguments::default()),
        };
        Call { sql, arguments, taken: 0 }
    }

    /// An empty set of rows.
    pub fn row_set(&self, columns: &'static [Column]) -> RowSet {
        RowSet::new(self.backend(), columns)
    }

    /// All rows that a statement gives, each turned into what it means as it comes: a row of the driver takes ten times the room.
    pub async fn rows<T>(
        &mut self,
        call: Call,
        mut decode: impl FnMut(&Row<'_>) -> Result<T, StoreError> + Send,
    ) -> Result<Vec<T>, StoreError> {
        let Sql { name, gives, .. } = call.sql;
        let text = call.sql.text(self.backend());
        let failed = |error| StoreError::of(name, error);
        match (self, call.arguments) {
            (Self::Direct(connection), Arguments::Sqlite(values)) => {
                connection.rows(name, text, &values, |cells| decode(&Row::new(cells, gives)))
            }
            (Self::Sqlite(connection), Arguments::Sqlite(values)) => {
                let mut found = Vec::new();
                for part in values.parts() {
                    let text = call.sql.of_rows(part.len());
                    let query = sqlx::query_with(text, values.arguments(part.clone())?).persistent(part.len() == 1);
                    let mut rows = query.fetch(&mut **connection);
                    while let Some(row) = rows.try_next().await.map_err(failed)? {
                        found.push(decode(&Row::new(&row, gives))?);
                    }
                }
                Ok(found)
            }
            (Self::Postgres(connection), Arguments::Postgres(values)) => {
                let mut rows = sqlx::query_with(text, values).fetch(&mut **connection);
                let mut found = Vec::new();
                while let Some(row) = rows.try_next().await.map_err(failed)? {
                    found.push(decode(&Row::new(&row, gives))?);
                }
                Ok(found)
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

    /// Runs a statement and gives how many rows it changed.
    pub async fn execute(&mut self, call: Call) -> Result<u64, StoreError> {
        let name = call.sql.name;
        let text = call.sql.text(self.backend());
        let failed = |error| StoreError::of(name, error);
        match (self, call.arguments) {
            (Self::Direct(connection), Arguments::Sqlite(values)) => {
                Ok(u64::try_from(connection.execute(name, text, &values)?).unwrap_or(u64::MAX))
            }
            (Self::Sqlite(connection), Arguments::Sqlite(values)) => {
                let mut changed = 0;
                for part in values.parts() {
                    let text = call.sql.of_rows(part.len());
                    let query = sqlx::query_with(text, values.arguments(part.clone())?).persistent(part.len() == 1);
                    changed += query.execute(&mut **connection).await.map_err(failed)?.rows_affected();
                }
                Ok(changed)
            }
            (Self::Postgres(connection), Arguments::Postgres(values)) => {
                let done = sqlx::query_with(text, values).execute(&mut **connection).await;
                done.map(|done| done.rows_affected()).map_err(failed)
            }
            _ => Err(other_backend()),
        }
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

    /// Has PostgreSQL keep statements without arguments under their names, for `EXECUTE` on this connection.
    pub async fn prepare(&mut self, statements: &[&'static Sql]) -> Result<(), StoreError> {
        let Self::Postgres(connection) = self else { return Err(other_backend()) };
        let prepare = |sql: &&Sql| format!("PREPARE \"{}\" AS {}", sql.name, sql.text(Backend::Postgres));
        let text = statements.iter().map(prepare).collect::<Vec<_>>().join(";\n");
        let prepared = sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut **connection).await;
        prepared.map(drop).map_err(|error| StoreError::of("preparing statements", error))
    }

    /// Runs a statement that takes no arguments.
    pub async fn run(&mut self, sql: &'static Sql) -> Result<(), StoreError> {
        self.try_run(sql).await.map_err(|error| StoreError::of(sql.name, error))
    }

    /// Ends a transaction with a statement that makes it durable.
    pub async fn commit(&mut self, sql: &'static Sql) -> Result<(), StoreError> {
        self.try_run(sql).await.map_err(StoreError::of_commit)
    }

    async fn try_run(&mut self, sql: &'static Sql) -> Result<(), DriverError> {
        let text = sql.text(self.backend());
        match self {
            Self::Direct(connection) => connection.run(text)?,
            Self::Sqlite(connection) => sqlx::raw_sql(text).execute(&mut **connection).await.map(drop)?,
            Self::Postgres(connection) => sqlx::raw_sql(text).execute(&mut **connection).await.map(drop)?,
        }
        Ok(())
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

enum Arguments {
    Sqlite(Values),
    Postgres(PgArguments),
}

/// Arguments as SQLite takes them: a set of rows, if there is one, and what stands before and behind it.
#[derive(Default)]
pub(super) struct Values {
    pub before: Vec<Value>,
    pub set: Option<RowSet>,
    pub after: Vec<Value>,
}

/// As many arguments as a statement of SQLite takes of a set of rows at the most.
const ARGUMENTS_MAX: usize = 30_000;

impl Values {
    /// The rows of the set, so many together as one statement takes; once if there is no set.
    fn parts(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let (rows, columns) = self.set.as_ref().map_or((1, 1), |set| (set.len(), set.columns().len()));
        let size = (ARGUMENTS_MAX / columns).max(1);
        (0..rows).step_by(size).map(move |from| from..rows.min(from + size))
    }

    /// What a statement for these rows takes, for sqlx.
    fn arguments(&self, rows: Range<usize>) -> Result<SqliteArguments, StoreError> {
        let mut arguments = SqliteArguments::default();
        let (before, after) = (self.before.iter().map(ValueRef::from), self.after.iter().map(ValueRef::from));
        let set = self.set.iter().flat_map(|set| set.values(rows.clone()));
        for value in before.chain(set).chain(after) {
            let added = match value {
                ValueRef::Null => arguments.add(None::<i64>),
                ValueRef::Integer(value) => arguments.add(value),
                ValueRef::Real(value) => arguments.add(value),
                ValueRef::Text(text) => arguments.add(String::from_utf8_lossy(text).into_owned()),
                ValueRef::Blob(value) => arguments.add(value.to_vec()),
            };
            added.map_err(|error| StoreError::damaged("an argument", error))?;
        }
        Ok(arguments)
    }
}

const ENCODED: &str = "numbers, texts and bytes below a gigabyte can be encoded";

/// A statement with its arguments.
pub(super) struct Call {
    sql: &'static Sql,
    arguments: Arguments,
    /// How many sets of rows it has been given.
    taken: usize,
}

impl Call {
    pub fn int(self, value: i64) -> Self {
        self.int_or_null(Some(value))
    }

    pub fn int_or_null(self, value: Option<i64>) -> Self {
        self.argument(|value| value.map_or(Value::Null, Value::Integer), value)
    }

    pub fn text(self, value: impl Into<String>) -> Self {
        self.text_or_null(Some(value.into()))
    }

    pub fn text_or_null(self, value: Option<String>) -> Self {
        self.argument(|value| value.map_or(Value::Null, Value::Text), value)
    }

    pub fn uuid(self, value: u128) -> Self {
        self.uuid_or_null(Some(value))
    }

    pub fn uuid_or_null(self, value: Option<u128>) -> Self {
        let blob = |value: Option<Uuid>| value.map_or(Value::Null, |value| Value::Blob(value.as_bytes().to_vec()));
        self.argument(blob, value.map(Uuid::from_u128))
    }

    pub fn bytes(self, value: Vec<u8>) -> Self {
        self.argument(Value::Blob, value)
    }

    fn argument<T>(mut self, sqlite: impl FnOnce(T) -> Value, value: T) -> Self
    where
        T: for<'t> sqlx::Encode<'t, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
    {
        match &mut self.arguments {
            Arguments::Sqlite(values) if values.set.is_some() => values.after.push(sqlite(value)),
            Arguments::Sqlite(values) => values.before.push(sqlite(value)),
            Arguments::Postgres(values) => values.add(value).expect(ENCODED),
        }
        self
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
        match &mut self.arguments {
            Arguments::Sqlite(values) => {
                let earlier = values.set.replace(rows);
                assert!(earlier.is_none(), "{} takes two sets of rows, which is PostgreSQL's alone", self.sql.name);
            }
            Arguments::Postgres(arguments) => {
                let (arrays, blob) = rows.into_arrays();
                for array in arrays {
                    let added = match array {
                        Array::Int(values) => arguments.add(values),
                        Array::Text(values) => arguments.add(values),
                        Array::Uuid(values) => arguments.add(values),
                        Array::Hash { starts } => arguments.add(starts),
                        Array::Bytes { starts, lengths } => arguments.add(starts).and_then(|()| arguments.add(lengths)),
                    };
                    added.expect(ENCODED);
                }
                if let Some(blob) = blob {
                    arguments.add(blob).expect(ENCODED);
                }
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::super::tables::Kind;
    use super::super::{Store, session::Connection};
    use super::*;

    /// Whoever hands a statement to another thread names all rows in one, up to what SQLite takes of arguments.
    #[tokio::test]
    async fn a_set_of_more_rows_than_a_statement_takes_goes_over_in_parts() {
        const NUMBER: Column = Column::made("number", Kind::Int);
        const NAME: Column = Column::made("name", Kind::Text);
        static FROM: Sql = Sql::sqlite(
            "test.from",
            "SELECT k.number AS number FROM {rows k} WHERE k.number >= {least} AND name = 'a'",
        )
        .takes(&[rows("k", &[NUMBER, NAME]), one("least")])
        .gives(&[NUMBER]);
        let folder = tempfile::tempdir().unwrap();
        let store = Store::connect(&format!("sqlite:{}", folder.path().join("house.db").display())).await.unwrap();
        let mut connection = store.open().await.unwrap();
        assert!(matches!(connection, Connection::Sqlite(_)), "not by sqlx");
        let mut link = connection.link();
        for count in [0, 1, 2, 15_000, 15_001, 40_000] {
            let mut set = link.row_set(&[NUMBER, NAME]);
            for number in 0..count {
                set.int(NUMBER, number).text(NAME, "a");
            }
            let call = link.call(&FROM).rows(set).int(1);
            let found = link.rows(call, |row| row.int(NUMBER)).await.unwrap();
            assert_eq!(found, (1..count).collect::<Vec<_>>());
        }
    }
}

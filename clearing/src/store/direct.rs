//! A connection to SQLite of the writer or of the projector. Its statements run on the thread that calls them, so that none is
//! handed from thread to thread; whoever calls it must have a thread of its own.
//!
//! A call that blocks cannot be given up by dropping a future. So a wait for the file is no longer than the batch has time
//! ([`Direct::wait_until`]), and whoever watches the writer breaks off what takes longer ([`Interrupter`]).

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, InterruptHandle, OpenFlags, Statement};

use super::cells::Cells;
use super::sql::Values;
use super::{FILE_WAIT, PRAGMAS, StoreError};

/// As many prepared statements as the writer has, and some.
const STATEMENTS_KEPT: usize = 256;

/// A connection of SQLite that its owner calls itself.
pub(super) struct Direct {
    connection: Connection,
    interrupter: Interrupter,
}

impl fmt::Debug for Direct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Direct(..)")
    }
}

/// Breaks off what a connection is at, from another thread.
#[derive(Clone)]
pub struct Interrupter(Arc<InterruptHandle>);

impl fmt::Debug for Interrupter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Interrupter(..)")
    }
}

impl Interrupter {
    /// Breaks off the statement that runs now. What is begun later is not broken off by this.
    pub fn break_off(&self) {
        self.0.interrupt();
    }
}

impl Direct {
    /// Opens a file that is there, in its final form.
    pub fn open(file: &Path) -> Result<Self, StoreError> {
        let failed = |error| StoreError::of("opening the database", error);
        // No other threads call it; and its name is a path and no URI.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(file, flags).map_err(failed)?;
        connection.busy_timeout(FILE_WAIT).map_err(failed)?;
        for (pragma, value) in PRAGMAS {
            connection.pragma_update(None, pragma, value).map_err(failed)?;
        }
        connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
        let interrupter = Interrupter(Arc::new(connection.get_interrupt_handle()));
        Ok(Self { connection, interrupter })
    }

    pub fn interrupter(&self) -> Interrupter {
        self.interrupter.clone()
    }

    /// Waits for the file until then at the most, from now on.
    pub fn wait_until(&self, until: Instant) -> Result<(), StoreError> {
        let wait = until.saturating_duration_since(Instant::now()).min(FILE_WAIT);
        self.connection.busy_timeout(wait).map_err(|error| StoreError::of("a wait for the file", error))
    }

    /// All rows that a statement gives, each turned into what it means; of one that takes a set of rows, for each of them.
    pub fn rows<T>(
        &mut self,
        name: &str,
        text: &str,
        values: &Values,
        mut decode: impl FnMut(&dyn Cells) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut found = Vec::new();
        self.for_each(name, text, values, |statement| {
            let mut rows = statement.raw_query();
            while let Some(row) = rows.next().map_err(|error| StoreError::of(name, error))? {
                found.push(decode(row)?);
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Runs a statement, and gives how many rows it changed; one that takes a set of rows, for each of them.
    pub fn execute(&mut self, name: &str, text: &str, values: &Values) -> Result<usize, StoreError> {
        let mut changed = 0;
        self.for_each(name, text, values, |statement| {
            changed += statement.raw_execute().map_err(|error| StoreError::of(name, error))?;
            Ok(())
        })?;
        Ok(changed)
    }

    fn for_each(
        &mut self,
        name: &str,
        text: &str,
        values: &Values,
        mut run: impl FnMut(&mut Statement<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let failed = |error| StoreError::of(name, error);
        let mut statement = self.connection.prepare_cached(text).map_err(failed)?;
        let first = values.before.len() + 1;
        bind(&mut statement, 1, values.before.iter().map(ValueRef::from)).map_err(failed)?;
        let Some(set) = &values.set else { return run(&mut statement) };
        bind(&mut statement, first + set.columns().len(), values.after.iter().map(ValueRef::from)).map_err(failed)?;
        for row in 0..set.len() {
            bind(&mut statement, first, set.values(row..row + 1)).map_err(failed)?;
            run(&mut statement)?;
        }
        Ok(())
    }

    /// Runs a statement that takes nothing.
    pub fn run(&mut self, text: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(text)?.raw_execute().map(|_| ())
    }
}

/// Binds values one after the other, from the argument of a number on.
fn bind<'v>(
    statement: &mut Statement<'_>,
    first: usize,
    values: impl Iterator<Item = ValueRef<'v>>,
) -> rusqlite::Result<()> {
    for (at, value) in values.enumerate() {
        statement.raw_bind_parameter(first + at, ToSqlOutput::Borrowed(value))?;
    }
    Ok(())
}

impl Cells for rusqlite::Row<'_> {
    fn int(&self, at: usize) -> Result<Option<i64>, StoreError> {
        cell(self, at)?.as_i64_or_null().map_err(|error| StoreError::damaged("a row", error))
    }

    fn text(&self, at: usize) -> Result<Option<&str>, StoreError> {
        cell(self, at)?.as_str_or_null().map_err(|error| StoreError::damaged("a row", error))
    }

    fn bytes(&self, at: usize) -> Result<Option<&[u8]>, StoreError> {
        cell(self, at)?.as_blob_or_null().map_err(|error| StoreError::damaged("a row", error))
    }

    fn uuid(&self, at: usize) -> Result<Option<u128>, StoreError> {
        let bytes = self.bytes(at)?.map(<[u8; 16]>::try_from).transpose();
        let bytes = bytes.map_err(|error| StoreError::damaged("a row", error))?;
        Ok(bytes.map(u128::from_be_bytes))
    }
}

fn cell<'row>(row: &'row rusqlite::Row<'_>, at: usize) -> Result<ValueRef<'row>, StoreError> {
    row.get_ref(at).map_err(|error| StoreError::of("reading a row", error))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;
    use std::time::Duration;

    use rusqlite::types::Value;
    use sqlx::{AssertSqlSafe, Row as _};
    use tempfile::TempDir;

    use super::super::rows::RowSet;
    use super::super::session::Connection as AnyConnection;
    use super::super::tables::{Column, Kind};
    use super::super::{Backend, Store};
    use super::*;

    /// A file in which there is nothing.
    fn empty(folder: &TempDir) -> Direct {
        let file = folder.path().join("house.db");
        File::create(&file).unwrap();
        Direct::open(&file).unwrap()
    }

    #[test]
    fn a_statement_without_end_is_broken_off_from_beside_and_the_connection_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let mut direct = empty(&folder);
        let (interrupter, over) = (direct.interrupter(), Arc::new(AtomicBool::new(false)));
        let heard = Arc::clone(&over);
        let beside = thread::spawn(move || {
            while !heard.load(Ordering::Relaxed) {
                interrupter.break_off();
                thread::park_timeout(Duration::from_millis(10));
            }
        });
        let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
        let error = direct.rows("endless", endless, &Values::default(), |_| Ok(())).unwrap_err();
        over.store(true, Ordering::Relaxed);
        beside.join().unwrap();
        assert!(error.is_broken_off() && !error.is_permanent(), "{error:?}");
        assert_eq!(direct.rows("one", "SELECT 1", &Values::default(), |cells| cells.int(0)).unwrap(), [Some(1)]);
    }

    /// Statements with arguments before, in and behind a set of rows, each of which is run for itself.
    #[test]
    fn a_statement_runs_for_each_row_with_what_stands_around_them() {
        const NUMBER: Column = Column::made("number", Kind::Int);
        const NAME: Column = Column::made("name", Kind::Text);
        let folder = tempfile::tempdir().unwrap();
        let mut direct = empty(&folder);
        let mut set = RowSet::new(Backend::Sqlite, &[NUMBER, NAME]);
        set.int(NUMBER, 7).text(NAME, "seven").int_or_null(NUMBER, None).text(NAME, "");
        let values = Values { before: vec![Value::Integer(1)], set: Some(set), after: vec![Value::Blob(vec![9])] };
        let read = |cells: &dyn Cells| {
            let name = cells.text(2)?.map(str::to_owned);
            Ok((cells.int(0)?, cells.int(1)?, name, cells.bytes(3)?.map(<[u8]>::to_vec)))
        };
        let found = direct.rows("all", "SELECT ?1, ?2, ?3, ?4", &values, read).unwrap();
        let row = |number, name: &str| (Some(1), number, Some(name.to_owned()), Some(vec![9]));
        assert_eq!(found, [row(Some(7), "seven"), row(None, "")]);
    }

    /// How durable a commit is must not hang on who makes it.
    #[tokio::test]
    async fn the_writer_opens_the_file_as_all_do_who_write() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("house.db");
        let store = Store::connect(&format!("sqlite:{}", file.display())).await.unwrap();
        let AnyConnection::Sqlite(mut other) = store.open().await.unwrap() else { panic!("not by sqlx") };
        let direct = Direct::open(&file).unwrap();
        for pragma in PRAGMAS.iter().map(|(pragma, _)| *pragma).chain(["locking_mode", "auto_vacuum", "query_only"]) {
            let text = format!("PRAGMA {pragma}");
            let own: Value = direct.connection.query_row(&text, [], |row| row.get(0)).unwrap();
            let row = sqlx::query(AssertSqlSafe(text)).fetch_one(&mut *other).await.unwrap();
            let others = match own {
                Value::Integer(_) => Value::Integer(row.get(0)),
                Value::Null | Value::Real(_) | Value::Text(_) | Value::Blob(_) => Value::Text(row.get(0)),
            };
            assert_eq!(own, others, "{pragma}");
            if pragma == "synchronous" {
                assert_eq!(own, Value::Integer(2), "a commit is on the disk when it is answered");
            }
        }
    }
}

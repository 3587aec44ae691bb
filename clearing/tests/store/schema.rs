//! The layout of the database, and that it understands every statement.

use std::collections::BTreeSet;

use clearing::store::{Backend, STATEMENTS};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, Row as _, SqlSafeStr as _};

use crate::TestStore;
use crate::planted::{Column, Row, telling};

on_both! {
    empty: ;
    coalition: every_statement_is_understood;
}

async fn every_statement_is_understood(test: &TestStore) {
    let mut raw = Raw::open(test).await;
    let mut names = BTreeSet::new();
    for sql in STATEMENTS.iter().flat_map(|room| room.iter()) {
        for text in [sql.sqlite, sql.postgres] {
            assert!(text.starts_with("-- store."), "a statement without a name: {text}");
        }
        assert_eq!(sql.sqlite.lines().next(), sql.postgres.lines().next());
        assert!(names.insert(sql.name()), "two statements are called {}", sql.name());
        let prepared = match &mut raw {
            Raw::Sqlite(connection) => connection.prepare(sql.sqlite.into_sql_str()).await.map(|_| ()),
            Raw::Postgres(connection) => connection.prepare(sql.postgres.into_sql_str()).await.map(|_| ()),
        };
        prepared.unwrap_or_else(|error| panic!("{}: {error}", sql.name()));
    }
    assert!(names.len() > 50, "{names:?}");
}

#[tokio::test]
async fn both_back_ends_have_the_same_tables_and_columns() {
    let mut columns = Vec::new();
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let test = TestStore::with_coalition(backend).await;
        let found = Raw::open(&test).await.columns().await;
        test.remove().await;
        columns.push(found.into_iter().filter(|(table, _)| table != "_sqlx_migrations").collect::<Vec<_>>());
    }
    assert_eq!(columns[0], columns[1]);
    assert!(columns[0].len() > 80);
}

/// Every `const NAME: Sql` must be among the statements that the tests prepare.
#[test]
fn every_statement_is_registered() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store");
    let mut written = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        written += text
            .lines()
            .filter(|line| line.starts_with("const ") || line.starts_with("pub(super) const "))
            .filter(|line| line.contains(": Sql ="))
            .count();
    }
    let registered: usize = STATEMENTS.iter().map(|room| room.len()).sum();
    assert_eq!(registered, written);
}

/// A connection of the test's own, for what the store does not do.
pub enum Raw {
    Sqlite(sqlx::SqliteConnection),
    Postgres(sqlx::PgConnection),
}

impl Raw {
    pub async fn open(test: &TestStore) -> Self {
        match test.store.backend() {
            Backend::Sqlite => {
                let options: sqlx::sqlite::SqliteConnectOptions = test.database.url.parse().unwrap();
                Self::Sqlite(options.pragma("recursive_triggers", "ON").connect().await.unwrap())
            }
            Backend::Postgres => Self::Postgres(sqlx::PgConnection::connect(&test.database.url).await.unwrap()),
        }
    }

    pub async fn run(&mut self, sql: impl Into<String>) -> Result<(), sqlx::Error> {
        let sql = sqlx::raw_sql(sqlx::AssertSqlSafe(sql.into()));
        match self {
            Self::Sqlite(connection) => connection.execute(sql).await.map(|_| ()),
            Self::Postgres(connection) => connection.execute(sql).await.map(|_| ()),
        }
    }

    /// The number that a query gives.
    pub async fn number(&mut self, sql: impl Into<String>) -> i64 {
        let sql = sqlx::AssertSqlSafe(sql.into());
        match self {
            Self::Sqlite(connection) => sqlx::query_scalar(sql).fetch_one(connection).await.unwrap(),
            Self::Postgres(connection) => sqlx::query_scalar(sql).fetch_one(connection).await.unwrap(),
        }
    }

    /// The columns of the house's own tables, as the database describes them.
    pub async fn described_columns(&mut self) -> Vec<Column> {
        let sql = match self {
            Self::Sqlite(_) => {
                "SELECT t.name, c.name, c.type, CAST(c.\"notnull\" = 0 AS TEXT)
                FROM sqlite_schema AS t JOIN pragma_table_info(t.name) AS c WHERE t.type = 'table' ORDER BY 1, c.cid"
            }
            Self::Postgres(_) => {
                "SELECT table_name::text, column_name::text, data_type::text,
                    CASE is_nullable WHEN 'YES' THEN '1' ELSE '0' END
                FROM information_schema.columns WHERE table_schema = current_schema() ORDER BY 1, ordinal_position"
            }
        };
        let column = |mut cells: Vec<Option<String>>| {
            let mut next = || cells.remove(0).unwrap();
            Column { table: next(), name: next(), kind: next(), nullable: next() == "1" }
        };
        let columns = self.texts(sql.to_owned(), 4).await.into_iter().map(column);
        columns.filter(|column| !column.table.starts_with("_sqlx") && !column.table.starts_with("sqlite_")).collect()
    }

    /// Some rows of a table that tell anything, those first in which a column has a value.
    pub async fn rows(&mut self, table: &str, own: &[&Column], column: &Column, limit: usize) -> Vec<Row> {
        let cells: Vec<String> = own.iter().map(|column| column.as_text()).collect();
        let (cells, name) = (cells.join(", "), &column.name);
        let order = format!("ORDER BY CASE WHEN {name} IS NULL THEN 1 ELSE 0 END, 1, 2");
        let sql = format!("SELECT {cells} FROM {table} WHERE {} {order} LIMIT {limit}", telling(table));
        let at = own.iter().position(|other| other.name == column.name).unwrap();
        let row = |cells: Vec<Option<String>>| {
            let conditions: Vec<String> =
                own.iter().zip(&cells).map(|(column, cell)| column.is(cell.as_deref())).collect();
            Row { found: conditions.join(" AND "), value: cells[at].clone() }
        };
        self.texts(sql, own.len()).await.into_iter().map(row).collect()
    }

    /// The cells of a query that gives texts.
    async fn texts(&mut self, sql: String, count: usize) -> Vec<Vec<Option<String>>> {
        let sql = sqlx::raw_sql(sqlx::AssertSqlSafe(sql));
        match self {
            Self::Sqlite(connection) => {
                let rows = connection.fetch_all(sql).await.unwrap();
                rows.iter().map(|row| (0..count).map(|at| row.get(at)).collect()).collect()
            }
            Self::Postgres(connection) => {
                let rows = connection.fetch_all(sql).await.unwrap();
                rows.iter().map(|row| (0..count).map(|at| row.get(at)).collect()).collect()
            }
        }
    }

    /// Lets the journal be changed.
    pub async fn drop_triggers(&mut self) {
        let sql = match self {
            Self::Sqlite(_) => {
                "DROP TRIGGER entries_refuse_update; DROP TRIGGER entries_refuse_delete;
                DROP TRIGGER batches_refuse_update; DROP TRIGGER batches_refuse_delete"
            }
            Self::Postgres(_) => "ALTER TABLE entries DISABLE TRIGGER USER; ALTER TABLE batches DISABLE TRIGGER USER",
        };
        self.run(sql).await.unwrap();
    }

    /// The tables with their columns.
    async fn columns(&mut self) -> Vec<(String, String)> {
        match self {
            Self::Sqlite(connection) => {
                let sql = "SELECT t.name, c.name FROM sqlite_schema AS t JOIN pragma_table_info(t.name) AS c
                    WHERE t.type = 'table' ORDER BY 1, 2";
                let rows = connection.fetch_all(sqlx::raw_sql(sql)).await.unwrap();
                rows.iter().map(|row| (row.get(0), row.get(1))).collect()
            }
            Self::Postgres(connection) => {
                let sql = "SELECT table_name::text, column_name::text FROM information_schema.columns
                    WHERE table_schema = current_schema() ORDER BY 1, 2";
                let rows = connection.fetch_all(sqlx::query(sql)).await.unwrap();
                rows.iter().map(|row| (row.get(0), row.get(1))).collect()
            }
        }
    }
}

//! The layout of the database, and that it understands every statement.

use std::collections::BTreeSet;

use clearing::store::{Backend, STATEMENTS};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, Row as _, SqlSafeStr as _};

use crate::TestStore;

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

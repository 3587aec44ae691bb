//! The layout of the database, and that it understands every statement.

use std::collections::{BTreeMap, BTreeSet};

use clearing::store::{Backend, Kind, STATEMENTS, TABLES, UNPREPARED, listed_statements, migrations, migrator};
use sqlx::{
    ConnectOptions as _, Connection as _, Executor as _, Row as _, SqlSafeStr as _, Statement as _, TypeInfo as _,
};

use crate::TestStore;
use crate::planted::{Column, Row, telling};

on_both! {
    empty: ;
    coalition:
    every_statement_is_understood_and_gives_the_columns_that_it_says
    the_tables_are_as_they_are_declared;
}

async fn every_statement_is_understood_and_gives_the_columns_that_it_says(test: &TestStore) {
    let mut raw = Raw::open(test).await;
    let backend = test.store.backend();
    let (mut names, mut described) = (BTreeSet::new(), 0);
    for sql in STATEMENTS.iter().flat_map(|room| room.iter()).filter(|sql| sql.is_of(backend)) {
        let text = sql.text(backend).to_owned();
        assert!(text.starts_with(&format!("-- {}\n", sql.name())), "a statement without a name: {text}");
        assert!(names.insert(sql.name()), "two statements are called {}", sql.name());
        let gives = raw.describe(&text).await.unwrap_or_else(|error| panic!("{}: {error}", sql.name()));
        let Some(columns) = sql.columns() else { continue };
        let declared: Vec<&str> = columns.iter().map(|column| column.name).collect();
        let given: Vec<&str> = gives.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(given, declared, "{}", sql.name());
        for (column, (_, kind)) in columns.iter().zip(&gives) {
            let is_kind = backend == Backend::Sqlite || is_kind(column.kind, &kind.to_lowercase());
            assert!(is_kind, "{}: {} is {kind}, not {:?}", sql.name(), column.name, column.kind);
        }
        described += 1;
    }
    assert!(names.len() > 50, "{names:?}");
    assert!(described > 30, "{described}");
}

async fn the_tables_are_as_they_are_declared(test: &TestStore) {
    let mut raw = Raw::open(test).await;
    let described = raw.described_columns().await;
    let keys = raw.keys().await;
    let made = raw.definitions().await;
    let tables: BTreeSet<&str> = described.iter().map(|column| column.table.as_str()).collect();
    assert_eq!(tables, TABLES.iter().map(|table| table.name).collect());
    for table in TABLES {
        let own: Vec<&Column> = described.iter().filter(|column| column.table == table.name).collect();
        let names: Vec<&str> = own.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names, table.columns.iter().map(|column| column.name).collect::<Vec<_>>(), "{}", table.name);
        for (column, found) in table.columns.iter().zip(own) {
            let name = format!("{}.{}", table.name, column.name);
            assert_eq!(column.table, table.name);
            assert!(
                is_kind(column.kind, &found.kind.to_lowercase()),
                "{name} is {}, not {:?}",
                found.kind,
                column.kind
            );
            assert_eq!(column.nullable, found.nullable, "{name}");
            if let Some(made) = made.get(table.name) {
                let says = |of: String| made.contains(&of);
                assert_eq!(column.kind == Kind::Hash, says(format!("length({}) = 32", column.name)), "{name}");
                assert_eq!(column.kind == Kind::Bool, says(format!("{} IN (0, 1)", column.name)), "{name}");
            }
        }
        let key: Vec<&str> = table.columns.iter().filter(|column| column.key).map(|column| column.name).collect();
        let found: Vec<&str> =
            keys.iter().filter(|(of, _)| of == table.name).map(|(_, column)| column.as_str()).collect();
        assert_eq!(key, found, "the key of {}", table.name);
    }
}

/// Whether a back end's own word is one for a kind.
fn is_kind(kind: Kind, word: &str) -> bool {
    let words: &[&str] = match kind {
        Kind::Int => &["integer", "smallint", "bigint", "int2", "int4", "int8"],
        Kind::Bool => &["integer", "smallint", "int2"],
        Kind::Text | Kind::Json => &["text"],
        Kind::Uuid => &["blob", "uuid"],
        Kind::Hash | Kind::Bytes => &["blob", "bytea"],
    };
    words.contains(&word)
}

/// Every `static NAME: Sql` must be among the statements that the tests list.
#[test]
fn every_statement_is_registered() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store");
    let mut written = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let file = file.unwrap().path();
        if file.is_dir() {
            continue;
        }
        let text = std::fs::read_to_string(file).unwrap();
        written += text
            .lines()
            .filter(|line| line.starts_with("static ") || line.starts_with("pub(super) static "))
            .filter(|line| line.contains(": Sql ="))
            .count();
    }
    let registered: usize = STATEMENTS.iter().map(|room| room.len()).sum();
    assert_eq!(registered + UNPREPARED.len(), written);
}

/// What runs can be read: it is kept as text, and is what the declaration of the tables says.
#[test]
fn the_migrations_are_those_of_the_tables() {
    for (backend, folder) in [(Backend::Sqlite, "sqlite"), (Backend::Postgres, "postgres")] {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations").join(folder);
        let mut kept = std::fs::read_dir(&folder).unwrap().count();
        for (file, text) in migrations(backend) {
            kept -= 1;
            assert!(
                std::fs::read_to_string(folder.join(&file)).unwrap() == text,
                "migrations/{file} is not what tables.rs says; bring it up to date with `cargo run -p clearing --example migrations`"
            );
        }
        assert_eq!(kept, 0, "files in {} that no table asks for", folder.display());
        let runs = migrator(backend);
        let runs =
            runs.iter().map(|one| (format!("{:04}_{}.sql", one.version, one.description), one.sql.as_str().to_owned()));
        assert!(runs.eq(migrations(backend)), "the program does not run what is in {}", folder.display());
    }
}

/// Reviewers see in the list what a change of a table or of a list of columns does to the statements.
#[test]
fn what_runs_is_listed() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/statements.sql");
    let listed = std::fs::read_to_string(path).unwrap();
    assert!(
        listed == listed_statements(),
        "src/store/statements.sql is not what runs; bring it up to date with `cargo run -p clearing --example statements`"
    );
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

    /// The columns that a statement gives, by name and type.
    async fn describe(&mut self, sql: &str) -> Result<Vec<(String, String)>, sqlx::Error> {
        let sql = sqlx::AssertSqlSafe(sql.to_owned()).into_sql_str();
        fn column(column: &impl sqlx::Column) -> (String, String) {
            (column.name().to_owned(), column.type_info().name().to_owned())
        }
        match self {
            Self::Sqlite(connection) => Ok(connection.prepare(sql).await?.columns().iter().map(column).collect()),
            Self::Postgres(connection) => Ok(connection.prepare(sql).await?.columns().iter().map(column).collect()),
        }
    }

    /// How the database would run a statement, whatever its arguments: a line for each step.
    pub async fn plan(&mut self, text: &str) -> Result<Vec<String>, sqlx::Error> {
        match self {
            Self::Sqlite(connection) => {
                let explain = sqlx::raw_sql(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {text}")));
                Ok(connection.fetch_all(explain).await?.iter().map(|row| row.get("detail")).collect())
            }
            Self::Postgres(connection) => {
                let prepare = format!("DEALLOCATE ALL; PREPARE explained AS {text}");
                connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(prepare))).await?;
                let count = "SELECT coalesce(array_length(parameter_types, 1), 0) FROM pg_prepared_statements
                    WHERE name = 'explained'";
                let count = connection.fetch_one(sqlx::raw_sql(count)).await?.get_unchecked::<String, _>(0);
                let nulls = vec!["NULL"; count.parse().expect("a number")].join(", ");
                let arguments = if nulls.is_empty() { nulls } else { format!("({nulls})") };
                let explain = sqlx::AssertSqlSafe(format!("EXPLAIN (COSTS off) EXECUTE explained{arguments}"));
                Ok(connection.fetch_all(sqlx::raw_sql(explain)).await?.iter().map(|row| row.get(0)).collect())
            }
        }
    }

    /// The columns of the tables' keys, in their order.
    async fn keys(&mut self) -> Vec<(String, String)> {
        let sql = match self {
            Self::Sqlite(_) => {
                "SELECT t.name, c.name FROM sqlite_schema AS t JOIN pragma_table_info(t.name) AS c
                WHERE t.type = 'table' AND c.pk > 0 ORDER BY 1, c.pk"
            }
            Self::Postgres(_) => {
                "SELECT t.relname::text, a.attname::text FROM pg_index AS i JOIN pg_class AS t ON t.oid = i.indrelid
                JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = ANY (i.indkey)
                WHERE i.indisprimary AND t.relnamespace = current_schema()::regnamespace
                ORDER BY 1, array_position(i.indkey::smallint[], a.attnum)"
            }
        };
        let pair = |mut cells: Vec<Option<String>>| (cells.remove(0).unwrap(), cells.remove(0).unwrap());
        self.texts(sql.to_owned(), 2).await.into_iter().map(pair).collect()
    }

    /// How SQLite's tables were made, by name. The migrations of PostgreSQL have the same checks.
    async fn definitions(&mut self) -> BTreeMap<String, String> {
        if let Self::Postgres(_) = self {
            return BTreeMap::new();
        }
        let sql = "SELECT name, sql FROM sqlite_schema WHERE type = 'table'";
        let pair = |mut cells: Vec<Option<String>>| (cells.remove(0).unwrap(), cells.remove(0).unwrap());
        self.texts(sql.to_owned(), 2).await.into_iter().map(pair).collect()
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
        let second = if own.len() > 1 { ", 2" } else { "" };
        let order = format!("ORDER BY CASE WHEN {name} IS NULL THEN 1 ELSE 0 END, 1{second}");
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
                DROP TRIGGER batches_refuse_update; DROP TRIGGER batches_refuse_delete;
                DROP TRIGGER credentials_refuse_update; DROP TRIGGER credentials_refuse_delete;
                DROP TRIGGER bank_lines_refuse_update; DROP TRIGGER bank_lines_refuse_delete;
                DROP TRIGGER undone_payments_refuse_update; DROP TRIGGER undone_payments_refuse_delete"
            }
            Self::Postgres(_) => {
                "ALTER TABLE entries DISABLE TRIGGER USER; ALTER TABLE batches DISABLE TRIGGER USER;
                ALTER TABLE credentials DISABLE TRIGGER USER; ALTER TABLE bank_lines DISABLE TRIGGER USER;
                ALTER TABLE undone_payments DISABLE TRIGGER USER"
            }
        };
        self.run(sql).await.unwrap();
    }
}

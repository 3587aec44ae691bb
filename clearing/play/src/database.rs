//! Databases of a test's own.

use clearing::identifier::IdentifierKey;
use clearing::rpc::opaque::Opaque;
use clearing::store::{Backend, Store};
use clearing_core::facts::coalition::House;
use clearing_core::units::{BatchId, EntryId, Timestamp};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row, SqliteConnection};
use tempfile::TempDir;

/// What a test runs on, unless it is about one of them.
pub const BACKENDS: [Backend; 2] = [Backend::Sqlite, Backend::Postgres];

/// The domain that the books of every test are made for.
pub const DOMAIN: &str = "test.coalition";

/// The key of members' identifiers in every test.
pub fn identifier_key() -> IdentifierKey {
    IdentifierKey::new([7; 32])
}

/// The id of an entry that there is not, as callers would see it.
pub fn no_entry() -> String {
    Opaque::new(&identifier_key()).entry(EntryId { batch: BatchId(1), ordinal: 0 })
}

/// A database for one test.
pub struct Database {
    /// What the house is told of it.
    pub url: String,
    home: Home,
}

/// Where a database lives.
enum Home {
    /// A file in a folder of its own, which ends with this.
    Folder { _folder: TempDir },
    /// A database of the cluster of this URL.
    Cluster { url: String, name: String },
    /// Somewhere that the test looks after.
    Elsewhere,
}

impl Database {
    /// An empty one.
    pub async fn new(backend: Backend) -> Self {
        match backend {
            Backend::Sqlite => {
                let folder = TempDir::new().unwrap();
                let url = format!("sqlite:{}", folder.path().join("house.db").display());
                Self { url, home: Home::Folder { _folder: folder } }
            }
            Backend::Postgres => {
                let cluster = postgres_url();
                let name = format!("play_{:032x}", clearing::clock::fresh_uuid());
                administer(&cluster, format!("CREATE DATABASE {name}")).await;
                let url = cluster.replacen("/postgres?", &format!("/{name}?"), 1);
                assert_ne!(url, cluster, "the cluster's URL names the database postgres");
                Self { url, home: Home::Cluster { url: cluster, name } }
            }
        }
    }

    /// One that the test has made, and removes itself.
    pub fn at(url: String) -> Self {
        Self { url, home: Home::Elsewhere }
    }

    /// Founds a coalition in it, whose first window begins at `begin`.
    pub async fn found(&self, house: &House, begin: Timestamp) -> Store {
        let store = self.store().await;
        store.migrate().await.unwrap();
        store.create_coalition(house, DOMAIN, &identifier_key(), begin).await.unwrap();
        store
    }

    /// A store of its own on it. Where several clusters start beside each other, a first connection may take longer than a
    /// caller of the house would wait.
    pub async fn store(&self) -> Store {
        for _ in 0..9 {
            if let Ok(store) = Store::connect(&self.url).await {
                return store;
            }
        }
        Store::connect(&self.url).await.unwrap()
    }

    /// Runs statements beside the house, in SQLite's words or PostgreSQL's, and gives the number of rows that they changed.
    pub async fn execute(&self, sqlite: &str, postgres: &str) -> u64 {
        if !self.is_sqlite() {
            return administer(&self.url, postgres.to_owned()).await;
        }
        let mut connection = SqliteConnection::connect(&self.url).await.unwrap();
        let done = connection.execute(sqlx::raw_sql(AssertSqlSafe(sqlite.to_owned()))).await.unwrap();
        connection.close().await.unwrap();
        done.rows_affected()
    }

    /// The number that a query in the words of both gives.
    pub async fn number(&self, query: &str) -> i64 {
        let query = sqlx::raw_sql(AssertSqlSafe(query.to_owned()));
        if self.is_sqlite() {
            let mut connection = SqliteConnection::connect(&self.url).await.unwrap();
            let number = connection.fetch_one(query).await.unwrap().get(0);
            connection.close().await.unwrap();
            return number;
        }
        let mut connection = PgConnection::connect(&self.url).await.unwrap();
        let number = connection.fetch_one(query).await.unwrap().get(0);
        connection.close().await.unwrap();
        number
    }

    /// How many deadlocks PostgreSQL had to break in it. What a connection has to tell is counted at the latest when it is
    /// closed; until then a moment after it is idle.
    pub async fn deadlocks(&self) -> i64 {
        self.number("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").await
    }

    fn is_sqlite(&self) -> bool {
        self.url.starts_with("sqlite:")
    }

    /// Fails unless the books in it are in order.
    pub async fn audit(&self) {
        audit(&self.url).await;
    }

    /// Removes it; a test that failed leaves a PostgreSQL's behind for a look.
    pub async fn remove(self) {
        if let Home::Cluster { url, name } = &self.home {
            administer(url, format!("DROP DATABASE {name} WITH (FORCE)")).await;
        }
    }
}

/// Fails unless the books of a database are in order.
pub async fn audit(url: &str) {
    let store = Store::connect(url).await.unwrap();
    let report = clearing::audit::audit(&store).await.unwrap();
    assert!(report.findings.is_empty(), "the books are not in order: {:#?}", report.findings);
}

#[allow(clippy::disallowed_methods, reason = "the one place where tests learn of their PostgreSQL")]
fn postgres_url() -> String {
    std::env::var("CLEARING_TEST_POSTGRES").expect(
        "CLEARING_TEST_POSTGRES is not set: run the tests as `./check postgres cargo test`, or as `./check test`",
    )
}

async fn administer(url: &str, statements: String) -> u64 {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let done = connection.execute(sqlx::raw_sql(AssertSqlSafe(statements))).await.unwrap();
    connection.close().await.unwrap();
    done.rows_affected()
}

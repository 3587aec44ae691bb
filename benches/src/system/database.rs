//! Databases of a run: each system has one of its own; all are removed in the end.

use std::path::Path;
use std::str::FromStr as _;

use anyhow::{Context as _, Result};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};
use tempfile::TempDir;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    Sqlite,
    Postgres,
}

/// Makes and removes databases.
pub struct Databases {
    folder: TempDir,
    cluster: Option<String>,
    made: Vec<String>,
}

impl Databases {
    /// SQLite files go into a new folder in `parent`; PostgreSQL databases onto the cluster that `url` names.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub fn new(parent: &Path, url: Option<String>) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("clearing-load-").tempdir_in(parent);
        let folder = folder.with_context(|| format!("making a folder in {}", parent.display()))?;
        Ok(Self { folder, cluster: url, made: Vec::new() })
    }

    /// Makes an empty database, and gives the path of its file or its URL.
    ///
    /// # Errors
    /// Those of the cluster.
    pub async fn make(&mut self, backend: Backend, name: &str) -> Result<String> {
        match backend {
            Backend::Sqlite => {
                let path = self.folder.path().join(format!("{name}.db"));
                Ok(path.to_str().context("the folder's name is not text")?.to_owned())
            }
            Backend::Postgres => {
                let cluster = self.cluster.as_ref().context("there is no PostgreSQL")?;
                let database = format!("clearing_load_{}_{name}", std::process::id());
                let mut connection = PgConnectOptions::from_str(cluster)?.connect().await?;
                let sql = format!("CREATE DATABASE {database}");
                sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
                connection.close().await?;
                self.made.push(database.clone());
                Ok(with_database(cluster, &database))
            }
        }
    }

    /// Makes a filled database ready: it has statistics, and nothing left to tidy up.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn settle(&self, backend: Backend, url: &str) -> Result<()> {
        match backend {
            Backend::Sqlite => {
                let mut connection = SqliteConnectOptions::from_str(url)?.connect().await?;
                sqlx::raw_sql("ANALYZE; PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await?;
                connection.close().await?;
            }
            Backend::Postgres => {
                let mut connection = PgConnectOptions::from_str(url)?.connect().await?;
                sqlx::raw_sql("VACUUM ANALYZE").execute(&mut connection).await?;
                connection.close().await?;
            }
        }
        Ok(())
    }

    /// Removes everything.
    ///
    /// # Errors
    /// Those of the cluster.
    pub async fn remove(self) -> Result<()> {
        if let Some(cluster) = self.cluster.filter(|_| !self.made.is_empty()) {
            let mut connection: PgConnection = PgConnectOptions::from_str(&cluster)?.connect().await?;
            for database in &self.made {
                let sql = format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)");
                sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
            }
            connection.close().await?;
        }
        Ok(self.folder.close()?)
    }
}

/// The URL of another database of the same cluster.
fn with_database(url: &str, database: &str) -> String {
    let (base, query) = url.split_once('?').map_or((url, None), |(base, query)| (base, Some(query)));
    let host = base.find("://").map_or(0, |at| at + 3);
    let end = base[host..].find('/').map_or(base.len(), |at| host + at);
    let query = query.map_or_else(String::new, |query| format!("?{query}"));
    format!("{}/{database}{query}", &base[..end])
}

const ACCEPTED: &str = "SELECT count(*) FROM requests WHERE state = 1";

/// Requests that a house has accepted.
pub(super) async fn accepted_requests(url: &str) -> Result<i64> {
    Ok(if url.starts_with("sqlite:") {
        let mut connection = SqliteConnectOptions::from_str(url)?.connect().await?;
        sqlx::query_scalar(ACCEPTED).fetch_one(&mut connection).await?
    } else {
        let mut connection = PgConnectOptions::from_str(url)?.connect().await?;
        sqlx::query_scalar(ACCEPTED).fetch_one(&mut connection).await?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_changed_in_its_database_only() {
        for (url, other) in [
            ("postgres:///postgres?host=/run&user=u", "postgres:///x?host=/run&user=u"),
            ("postgres://u@host:5432/db", "postgres://u@host:5432/x"),
            ("postgres://host", "postgres://host/x"),
        ] {
            assert_eq!(with_database(url, "x"), other);
        }
    }
}

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

/// The URL of a database that somebody names: a file is one of SQLite's.
pub fn url_of(named: &str) -> String {
    let has_scheme = ["postgres://", "postgresql://", "sqlite:"].iter().any(|scheme| named.starts_with(scheme));
    if has_scheme { named.to_owned() } else { format!("sqlite:{named}") }
}

/// The back end of a URL.
pub fn backend_of(url: &str) -> Backend {
    if url.starts_with("sqlite:") { Backend::Sqlite } else { Backend::Postgres }
}

/// Makes and removes databases.
pub struct Databases {
    folder: TempDir,
    cluster: Option<String>,
    made: Vec<String>,
    /// Copies of databases, each with the cluster that it is in.
    copied: Vec<(String, String)>,
}

impl Databases {
    /// SQLite files go into a new folder in `parent`; PostgreSQL databases onto the cluster that `url` names.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub fn new(parent: &Path, url: Option<String>) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("clearing-load-").tempdir_in(parent);
        let folder = folder.with_context(|| format!("making a folder in {}", parent.display()))?;
        Ok(Self { folder, cluster: url, made: Vec::new(), copied: Vec::new() })
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

    /// Makes a copy of a database that nobody uses meanwhile, and gives its URL. A PostgreSQL database is copied within its
    /// cluster.
    ///
    /// # Errors
    /// If there is no such database, it is in use, or those of the copy.
    pub async fn copy(&mut self, url: &str, name: &str) -> Result<String> {
        match url.strip_prefix("sqlite:") {
            Some(file) => {
                let to = self.folder.path().join(format!("{name}.db"));
                let to = to.to_str().context("the folder's name is not text")?;
                // What was not brought from the log to the file yet belongs to the database as well.
                for end in ["", "-wal"] {
                    let from = format!("{file}{end}");
                    if end.is_empty() || Path::new(&from).exists() {
                        std::fs::copy(&from, format!("{to}{end}")).with_context(|| format!("copying {from}"))?;
                    }
                }
                Ok(format!("sqlite:{to}"))
            }
            None => {
                let source = PgConnectOptions::from_str(url)?;
                let source = source.get_database().context("the URL names no database")?.to_owned();
                let database = format!("clearing_load_{}_{name}", std::process::id());
                let cluster = with_database(url, "postgres");
                let mut connection = PgConnectOptions::from_str(&cluster)?.connect().await?;
                let version: String = sqlx::query_scalar("SHOW server_version_num").fetch_one(&mut connection).await?;
                // Else all pages of the copy would go through the log.
                let strategy = if version.parse::<u32>()? >= 150_000 { " STRATEGY file_copy" } else { "" };
                let sql = format!("CREATE DATABASE {database} TEMPLATE \"{source}\"{strategy}");
                let made = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await;
                made.with_context(|| format!("copying the database {source}"))?;
                connection.close().await?;
                self.copied.push((cluster, database.clone()));
                Ok(with_database(url, &database))
            }
        }
    }

    /// Makes a filled database ready: it has statistics, and nothing left to tidy up.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn settle(url: &str) -> Result<()> {
        match backend_of(url) {
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
        let made = self.made.into_iter().filter_map(|database| Some((self.cluster.clone()?, database)));
        for (cluster, database) in made.chain(self.copied) {
            let mut connection: PgConnection = PgConnectOptions::from_str(&cluster)?.connect().await?;
            let sql = format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)");
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
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

/// Makes an empty PostgreSQL database where there is none of its name.
///
/// # Errors
/// Those of the cluster.
pub async fn make_if_missing(url: &str) -> Result<()> {
    const INVALID_CATALOG_NAME: &str = "3D000";
    if backend_of(url) == Backend::Sqlite {
        return Ok(());
    }
    let options = PgConnectOptions::from_str(url)?;
    let database = options.get_database().context("the URL names no database")?.to_owned();
    match options.connect().await {
        Ok(connection) => connection.close().await?,
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(INVALID_CATALOG_NAME) => {
            let mut connection = PgConnectOptions::from_str(&with_database(url, "postgres"))?.connect().await?;
            let sql = format!("CREATE DATABASE \"{database}\"");
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
            connection.close().await?;
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// A number that a query gives.
async fn number(url: &str, query: &'static str) -> Result<u64> {
    let number: i64 = match backend_of(url) {
        Backend::Sqlite => {
            let mut connection = SqliteConnectOptions::from_str(url)?.connect().await?;
            let number = sqlx::query_scalar(query).fetch_one(&mut connection).await?;
            connection.close().await?;
            number
        }
        Backend::Postgres => {
            let mut connection = PgConnectOptions::from_str(url)?.connect().await?;
            let number = sqlx::query_scalar(query).fetch_one(&mut connection).await?;
            connection.close().await?;
            number
        }
    };
    Ok(u64::try_from(number)?)
}

/// Requests that a house has accepted.
///
/// # Errors
/// Those of the database.
pub async fn accepted_requests(url: &str) -> Result<u64> {
    number(url, "SELECT count(*) FROM requests WHERE state = 1").await
}

/// Entries of its journal.
///
/// # Errors
/// Those of the database.
pub async fn entries(url: &str) -> Result<u64> {
    number(url, "SELECT next_sequence - 1 FROM journal_head").await
}

/// Its members.
///
/// # Errors
/// Those of the database.
pub async fn members(url: &str) -> Result<u32> {
    Ok(u32::try_from(number(url, "SELECT count(*) FROM members").await?)?)
}

/// Bytes that a database takes: SQLite's file once its log is in it, or what PostgreSQL tells.
///
/// # Errors
/// Those of the database.
pub async fn stored_bytes(url: &str) -> Result<u64> {
    match url.strip_prefix("sqlite:") {
        Some(file) => {
            let mut connection = SqliteConnectOptions::from_str(url)?.connect().await?;
            sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await?;
            connection.close().await?;
            Ok(std::fs::metadata(file)?.len())
        }
        None => number(url, "SELECT pg_database_size(current_database())").await,
    }
}

/// The coalition of a database: its id, its domain, the fingerprint of its identifier key.
///
/// # Errors
/// Those of the database, or if there is none.
pub async fn coalition(url: &str) -> Result<(String, String, Vec<u8>)> {
    const COALITION: &str = "SELECT coalition_id, domain, fingerprint FROM coalition";
    let found = match backend_of(url) {
        Backend::Sqlite => {
            let mut connection = SqliteConnectOptions::from_str(url)?.connect().await?;
            let found = sqlx::query_as(COALITION).fetch_optional(&mut connection).await?;
            connection.close().await?;
            found
        }
        Backend::Postgres => {
            let mut connection = PgConnectOptions::from_str(url)?.connect().await?;
            let found = sqlx::query_as(COALITION).fetch_optional(&mut connection).await?;
            connection.close().await?;
            found
        }
    };
    found.context("there is no coalition in it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_scheme_is_a_file_of_sqlite() {
        for (named, url, backend) in [
            ("/var/books.db", "sqlite:/var/books.db", Backend::Sqlite),
            ("sqlite:books.db", "sqlite:books.db", Backend::Sqlite),
            ("postgres://host/x", "postgres://host/x", Backend::Postgres),
        ] {
            assert_eq!((url_of(named), backend_of(&url_of(named))), (url.to_owned(), backend));
        }
    }

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

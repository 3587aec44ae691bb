//! A house does not open on a database whose locks are none.

use sqlx::{Connection as _, Executor as _, PgConnection};
use tempfile::TempDir;

use crate::texts::clearing;
use clearing_play::{Backend, Database};

#[tokio::test(flavor = "multi_thread")]
async fn a_house_does_not_open_where_a_lock_is_taken_for_nothing() {
    let (database, folder) = (Database::new(Backend::Postgres).await, TempDir::new().unwrap());
    let init = ["init", "--domain", "points.example", "--dir", "house", "--database", &database.url];
    assert_eq!(clearing(&folder, &init).status.code(), Some(0));
    let check = ["config", "check", "--config", "house/clearing.toml"];
    assert_eq!(clearing(&folder, &check).status.code(), Some(0));

    // What other engines that speak the protocol have in its place.
    let mut raw = PgConnection::connect(&database.url).await.unwrap();
    let nothing = "SET allow_system_table_mods = on;
        ALTER FUNCTION pg_catalog.pg_advisory_xact_lock(bigint) RENAME TO pg_advisory_xact_lock_that_was;
        CREATE FUNCTION pg_catalog.pg_advisory_xact_lock(bigint) RETURNS void LANGUAGE sql AS 'SELECT 1'";
    raw.execute(sqlx::raw_sql(nothing)).await.unwrap();
    raw.close().await.unwrap();
    for command in [&check[..], &["serve", "--config", "house/clearing.toml", "--listen", "127.0.0.1:0"]] {
        let output = clearing(&folder, command);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{command:?}: {said}");
        assert!(said.contains("does not hold the locks that the books rely on"), "{command:?}: {said}");
        assert!(said.contains("Connect the house to a PostgreSQL server itself"), "{command:?}: {said}");
    }
    database.remove().await;
}

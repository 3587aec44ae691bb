//! The books are opened only where the locks hold on which they rely.

use std::time::Duration;

use clearing::store::{Backend, GateError, Store};
use clearing_core::operation::Gate;

use crate::TestStore;
use crate::schema::Raw;

on_both! {
    empty: a_database_that_locks_is_taken;
    coalition: ;
}

async fn a_database_that_locks_is_taken(test: &TestStore) {
    test.store.prove_gate().await.unwrap();
    // Again and again, by whoever asks.
    test.store.prove_gate().await.unwrap();
}

/// Another function in one database, in the place of the one that it comes with: what another engine has there.
async fn replace(raw: &mut Raw, function: &str, body: &str) {
    let sql = format!(
        "SET allow_system_table_mods = on;
         ALTER FUNCTION pg_catalog.{function}(bigint) RENAME TO {function}_that_was;
         CREATE FUNCTION pg_catalog.{function}(bigint) RETURNS void LANGUAGE sql AS '{body}'"
    );
    raw.run(sql).await.unwrap();
}

#[tokio::test]
async fn an_engine_that_takes_a_lock_for_nothing_is_refused_with_what_to_do() {
    for (function, body, found) in [
        ("pg_advisory_xact_lock", "SELECT 1", "a close does not wait for a batch that is at work"),
        ("pg_advisory_xact_lock_shared", "SELECT 1", "a close does not wait for a batch that is at work"),
        (
            "pg_advisory_xact_lock_shared",
            "SELECT pg_catalog.pg_advisory_xact_lock($1)",
            "two batches cannot be at work at once",
        ),
        ("pg_advisory_xact_lock", "SELECT pg_catalog.pg_advisory_lock($1)", "a lock outlives the transaction"),
    ] {
        let test = TestStore::with_coalition(Backend::Postgres).await;
        test.store.prove_gate().await.unwrap();
        replace(&mut Raw::open(&test).await, function, body).await;
        let refused = Store::connect(&test.database.url).await.unwrap().prove_gate().await.unwrap_err();
        assert!(matches!(refused, GateError::NoLock(_)), "{function}: {refused:?}");
        let said = refused.to_string();
        assert!(said.contains(found) && said.contains("Connect the house to a PostgreSQL server itself"), "{said}");
        test.remove().await;
    }
}

/// Somebody's function of the same name stands before the system's on the search path, and does nothing.
#[tokio::test]
async fn a_function_that_shadows_the_lock_is_not_asked() {
    let test = TestStore::with_coalition(Backend::Postgres).await;
    let mut raw = Raw::open(&test).await;
    let shadows = "CREATE FUNCTION public.pg_advisory_xact_lock(bigint) RETURNS void LANGUAGE sql AS 'SELECT 1';
        CREATE FUNCTION public.pg_advisory_xact_lock_shared(bigint) RETURNS void LANGUAGE sql AS 'SELECT 1';
        DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = public, pg_catalog', current_database()); END $$";
    raw.run(shadows).await.unwrap();
    let store = Store::connect(&test.database.url).await.unwrap();
    store.prove_gate().await.unwrap();
    let (mut close, mut batch) = (store.writer().await.unwrap(), store.writer().await.unwrap());
    close.begin(Gate::Alone).await.unwrap();
    let waits = tokio::time::timeout(Duration::from_millis(300), batch.begin(Gate::Shared)).await;
    assert!(waits.is_err(), "a batch went on beside a close");
    close.rollback().await.unwrap();
    drop((close, batch));
    test.remove().await;
}

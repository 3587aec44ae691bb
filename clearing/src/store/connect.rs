//! Connections to PostgreSQL, each with a limit of time and with the settings of the house.
//!
//! Settings follow in a statement of their own and are no part of the connection's first words: poolers that give each
//! connection a session of its own refuse those, and are welcome otherwise.

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection, Row as _};

use super::cause::Cause;
use super::{BackEnd, Store, StoreError};

/// How long a connection may take, in seconds.
const CONNECT_SECONDS_MAX: u64 = 5;

/// Of every connection. Compiling the writer's statements to machine code would take longer than running them.
pub(super) const SETTINGS: &str = "SET jit = off";

/// Of every connection that writes.
///
/// The writer finds every row by its key, and lots in the order of theirs. Left to guess from the statistics of a young
/// table, the planner would read whole tables instead, and keep that plan while they grow.
///
/// A node that lost its network or its power holds its locks until PostgreSQL hears of it. Between two statements a writer
/// only calculates; who is idle for longer than a second is lost. What was under way is looked up and run again should that
/// node come back. Nor does a statement whose node has given it up wait for locks any longer.
///
/// A plan for whatever set of rows is as good as one for this set, as all go by keys, and is made once. Left to choose, the
/// planner takes a set of one row for a cheaper one, and plans the statement for it each time.
pub(super) const SETTINGS_TO_WRITE: &str = "SET jit = off; SET enable_seqscan = off; SET enable_bitmapscan = off; \
     SET enable_hashjoin = off; SET enable_mergejoin = off; SET idle_in_transaction_session_timeout = '1s'; \
     SET lock_timeout = '2s'; SET plan_cache_mode = force_generic_plan";

/// Connects, and says so.
///
/// # Errors
/// With the cause: what a pool says is no more than that it has waited.
pub(super) async fn postgres(to: &PgConnectOptions, settings: &'static str) -> Result<PgConnection, StoreError> {
    let because = |error: sqlx::Error| {
        let cause = Cause::of_connecting(to, &error);
        StoreError::of_opening(error, |_| Some(cause))
    };
    let connecting = async {
        let mut connection = to.connect().await.map_err(because)?;
        let set = sqlx::raw_sql(settings).execute(&mut connection).await;
        set.map_err(|error| StoreError::of("the settings of the house", error))?;
        Ok(connection)
    };
    let limit = Duration::from_secs(CONNECT_SECONDS_MAX);
    let silent = |_| Err(StoreError::because(Cause::silent(to, CONNECT_SECONDS_MAX)));
    tokio::time::timeout(limit, connecting).await.unwrap_or_else(silent)
}

/// How often it is looked whether two connections share a session.
const LOOKS: usize = 4;

/// Makes sure that each of two connections keeps a session of its own, in transactions and between them. A pooler that has
/// nothing else to do gives both the same one after the other; one that is busy gives one of them another.
///
/// # Errors
/// [`Cause::pooler`] if they share sessions.
pub(super) async fn prove_sessions(one: &mut PgConnection, two: &mut PgConnection) -> Result<(), StoreError> {
    let (own, other) = (session(one).await?, session(two).await?);
    let mut shared = own == other;
    for _ in 0..LOOKS {
        if shared {
            break;
        }
        run(two, "BEGIN").await?;
        shared = session(two).await? != other || session(one).await? != own;
        run(two, "ROLLBACK").await?;
        shared |= session(two).await? != other;
    }
    if shared { Err(StoreError::because(Cause::pooler())) } else { Ok(()) }
}

/// The server's process behind a connection.
async fn session(connection: &mut PgConnection) -> Result<i32, StoreError> {
    // Not prepared: what was prepared in another's session may be in the way.
    let row = sqlx::raw_sql("SELECT pg_catalog.pg_backend_pid() AS pid").fetch_one(connection).await;
    row.and_then(|row| row.try_get(0)).map_err(|error| StoreError::of("store.prove_sessions", error))
}

async fn run(connection: &mut PgConnection, sql: &'static str) -> Result<(), StoreError> {
    let done = sqlx::raw_sql(sql).execute(connection).await;
    done.map(drop).map_err(|error| StoreError::of("store.prove_sessions", error))
}

impl Store {
    /// Makes sure that a PostgreSQL can be reached, and that each connection to it is a session of its own; of a file of
    /// SQLite there is nothing to be said. A pool waits for a database that is not there, and does not say why.
    ///
    /// # Errors
    /// [`StoreError::cause`] tells why not.
    pub async fn reach(&self) -> Result<(), StoreError> {
        let BackEnd::Postgres { options, .. } = &self.back_end else { return Ok(()) };
        let mut one = postgres(options, SETTINGS).await?;
        let mut two = postgres(options, SETTINGS).await?;
        let proved = prove_sessions(&mut one, &mut two).await;
        let _ = tokio::join!(one.close(), two.close());
        proved
    }
}

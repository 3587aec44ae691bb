//! On PostgreSQL: gate, load, one statement with all rows, one with the hot ones, commit.

use std::str::FromStr as _;

use anyhow::{Result, ensure};
use clearing::store::{Backend, migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _};
use uuid::Uuid;

use super::{Batch, Rows};

const BEGIN: &str = "BEGIN; SELECT pg_advisory_xact_lock_shared(4242); \
    SELECT window_number, opened_at, terms_epoch, last_time FROM gate";

const REQUESTS: &str = "
    SELECT r.partner, r.request_id, r.content_hash FROM requests r
    JOIN unnest($1::text[], $2::uuid[]) AS k (partner, request_id) USING (partner, request_id)";

const MEMBERS: &str =
    "SELECT member_id, entry_no, holdings, lots FROM members WHERE member_id = ANY($1) ORDER BY member_id FOR UPDATE";

const SAVE: &str = "
    WITH e AS (
        INSERT INTO entries (batch_id, ordinal, packed) SELECT $1, ordinal, $3 FROM unnest($2::int[]) AS r (ordinal)
    ), q AS (
        INSERT INTO requests (partner, request_id, content_hash, batch_id, ordinal, entry_count, state, reply)
        SELECT partner, request_id, content_hash, $1, ordinal, 1, 1, $7
        FROM unnest($4::text[], $5::uuid[], $6::uuid[], $2::int[]) AS r (partner, request_id, content_hash, ordinal)
    ), t AS (
        INSERT INTO receipts (receipt_key, line, side, nth, batch_id, ordinal, undone)
        SELECT receipt_key, 1, 1, 0, $1, ordinal, 0 FROM unnest($11::uuid[], $2::int[]) AS r (receipt_key, ordinal)
    )
    INSERT INTO members (member_id, entry_no, next_due_at, holdings, lots)
    SELECT member_id, entry_no, 0, $10, decode(repeat('00', (1 + 48 * least(entry_no, 24))::int), 'hex')
    FROM unnest($8::uuid[], $9::bigint[]) AS r (member_id, entry_no)
    ON CONFLICT (member_id) DO UPDATE SET entry_no = excluded.entry_no, holdings = excluded.holdings, lots = excluded.lots";

const SAVE_HOT: &str = "
    WITH head AS MATERIALIZED (SELECT next_sequence, next_number, hash FROM journal_head FOR UPDATE), b AS (
        INSERT INTO balances (commodity, window_number, account, amount)
        SELECT b.commodity, 0, b.account, b.amount FROM head, unnest($1::text[], $2::text[], $3::bigint[]) AS b (commodity, account, amount)
        ON CONFLICT (commodity, window_number, account) DO UPDATE SET amount = balances.amount + excluded.amount
    ), o AS (
        INSERT INTO terms_outstanding (partner, version, points)
        SELECT o.partner, 1, o.points FROM head, unnest($4::text[], $5::bigint[]) AS o (partner, points)
        ON CONFLICT (partner, version) DO UPDATE SET points = terms_outstanding.points + excluded.points
    ), g AS (
        INSERT INTO guards (partner, reserved, unsettled, counted_day, issued_points, accepted_points)
        SELECT o.partner, 0, 0, $9 / 86400000000, o.points, 0 FROM head, unnest($4::text[], $5::bigint[]) AS o (partner, points)
        ON CONFLICT (partner) DO UPDATE SET issued_points = guards.issued_points + excluded.issued_points
    ), h AS (
        UPDATE journal_head SET next_sequence = head.next_sequence + $7, next_number = head.next_number + 1, hash = $8
        FROM head
    )
    INSERT INTO batches (batch_id, number, first_sequence, entry_count, request_count, window_number, time, hash,
        previous_hash, requests_hash, salt)
    SELECT $6, head.next_number, head.next_sequence, $7, $7, 1, $9, $8, head.hash, $8, $10 FROM head";

/// A connection to PostgreSQL that writes batches of issues with nothing around them.
pub struct BarePostgres {
    connection: PgConnection,
}

impl BarePostgres {
    /// Makes the house's tables in an empty database.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn open(url: &str) -> Result<Self> {
        let mut connection = PgConnectOptions::from_str(url)?.connect().await?;
        migrator(Backend::Postgres).run(&mut connection).await?;
        sqlx::raw_sql(
            "INSERT INTO journal_head VALUES (1, 1, 1, decode(repeat('00', 32), 'hex')); \
             INSERT INTO gate VALUES (1, 1, 0, 1, 0, 0)",
        )
        .execute(&mut connection)
        .await?;
        Ok(Self { connection })
    }

    pub(super) async fn save(&mut self, rows: &Rows, batch: &Batch) -> Result<()> {
        let partners: Vec<&str> = batch.issues.iter().map(|issue| issue.issuer.as_str()).collect();
        let request_ids: Vec<Uuid> = batch.issues.iter().map(|issue| Uuid::from_u128(issue.request_id)).collect();
        let members: Vec<Uuid> = batch.members.keys().map(|member| Uuid::from_u128(*member)).collect();
        let count = i32::try_from(batch.issues.len())?;
        let id = Uuid::from_u128(batch.id);

        sqlx::raw_sql(BEGIN).execute(&mut self.connection).await?;
        let known = sqlx::query(REQUESTS).bind(&partners).bind(&request_ids).fetch_all(&mut self.connection).await?;
        ensure!(known.is_empty(), "no request of a new batch is known");
        sqlx::query(MEMBERS).bind(&members).fetch_all(&mut self.connection).await?;
        sqlx::query(SAVE)
            .bind(id)
            .bind((0..count).collect::<Vec<_>>())
            .bind(&rows.entry)
            .bind(&partners)
            .bind(&request_ids)
            .bind(batch.issues.iter().map(|issue| Uuid::from_bytes(issue.content_hash)).collect::<Vec<_>>())
            .bind(&rows.reply)
            .bind(&members)
            .bind(batch.members.values().copied().collect::<Vec<_>>())
            .bind(&rows.holdings)
            .bind(batch.issues.iter().map(|issue| Uuid::from_u128(issue.receipt.0)).collect::<Vec<_>>())
            .execute(&mut self.connection)
            .await?;
        sqlx::query(SAVE_HOT)
            .bind(batch.balances.keys().map(|key| key.0).collect::<Vec<_>>())
            .bind(batch.balances.keys().map(|key| key.1.as_str()).collect::<Vec<_>>())
            .bind(batch.balances.values().copied().collect::<Vec<_>>())
            .bind(batch.outstanding.keys().map(String::as_str).collect::<Vec<_>>())
            .bind(batch.outstanding.values().copied().collect::<Vec<_>>())
            .bind(id)
            .bind(count)
            .bind(&batch.hash[..])
            .bind(batch.time)
            .bind(&batch.salt[..])
            .execute(&mut self.connection)
            .await?;
        sqlx::raw_sql("COMMIT").execute(&mut self.connection).await?;
        Ok(())
    }

    pub(super) async fn settle(&mut self) -> Result<()> {
        sqlx::raw_sql("VACUUM ANALYZE").execute(&mut self.connection).await?;
        Ok(())
    }

    /// # Errors
    /// Those of the database.
    pub async fn close(self) -> Result<()> {
        Ok(self.connection.close().await?)
    }
}

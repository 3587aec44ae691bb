//! By hand, on SQLite: a write-ahead log that is synced at every commit (`synchronous = FULL`), as the house has it.

use std::path::Path;

use anyhow::Result;
use clearing_core::units::{MemberId, PartnerId};
use clearing_proto::v1;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow,
    SqliteSynchronous,
};
use sqlx::{Row as _, Sqlite, Transaction};
use tonic::Status;

use super::{Desk, Issue, Kept, MemberRow, ReceiptRow, booked_before, broken, next_expiry, reply_bytes};
use crate::baseline::Issuer;
use crate::coalition::FIRST_WINDOW;

/// The tables as the house has them, without what only the house needs.
const TABLES: &str = "
    CREATE TABLE gate (window_number INTEGER NOT NULL) STRICT;
    CREATE TABLE entries (
        sequence INTEGER NOT NULL PRIMARY KEY,
        entry_id BLOB NOT NULL UNIQUE,
        bytes    BLOB NOT NULL
    ) STRICT;
    CREATE TABLE requests (
        partner      TEXT NOT NULL,
        request_id   BLOB NOT NULL,
        content_hash BLOB NOT NULL,
        time         INTEGER NOT NULL,
        entry_id     BLOB NOT NULL,
        reply        BLOB NOT NULL,
        PRIMARY KEY (partner, request_id)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE identifiers (
        identifier_hash BLOB NOT NULL PRIMARY KEY,
        member_id       BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE members (
        member_id     BLOB NOT NULL PRIMARY KEY,
        entry_no      INTEGER NOT NULL,
        available     INTEGER NOT NULL,
        earned_at     INTEGER NOT NULL,
        active_at     INTEGER NOT NULL,
        issued_day    INTEGER NOT NULL,
        issued_points INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE lots (
        member_id     BLOB NOT NULL,
        expires_at    INTEGER NOT NULL,
        entry_no      INTEGER NOT NULL,
        issuer        TEXT NOT NULL,
        terms_version INTEGER NOT NULL,
        size          INTEGER NOT NULL,
        available     INTEGER NOT NULL CHECK (available >= 0),
        held          INTEGER NOT NULL CHECK (held >= 0),
        pending       INTEGER NOT NULL CHECK (pending >= 0),
        lost          INTEGER NOT NULL CHECK (lost >= 0),
        reversed      INTEGER NOT NULL CHECK (reversed >= 0),
        entry_id      BLOB NOT NULL,
        PRIMARY KEY (member_id, expires_at, entry_no)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE receipts (
        partner       TEXT NOT NULL,
        business_date INTEGER NOT NULL,
        store         TEXT NOT NULL,
        till          TEXT NOT NULL,
        number        TEXT NOT NULL,
        side          INTEGER NOT NULL,
        line          INTEGER NOT NULL,
        entry_id      BLOB NOT NULL,
        PRIMARY KEY (partner, business_date, store, till, number, side, line)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE guards (
        partner       TEXT NOT NULL PRIMARY KEY,
        issued_day    INTEGER NOT NULL,
        issued_points INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE balances (
        commodity TEXT NOT NULL,
        account   TEXT NOT NULL,
        amount    INTEGER NOT NULL,
        PRIMARY KEY (commodity, account)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE outstanding (
        partner TEXT NOT NULL,
        version INTEGER NOT NULL,
        points  INTEGER NOT NULL,
        PRIMARY KEY (partner, version)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO gate VALUES (1);
";

const LOCK_MEMBER: &str = "
    UPDATE members SET entry_no = entry_no + 1, available = available + $2, earned_at = $3, active_at = $3,
        issued_points = $2 + iif(issued_day = $4, issued_points, 0), issued_day = $4
    WHERE member_id = (SELECT member_id FROM identifiers WHERE identifier_hash = $1)
    RETURNING member_id, entry_no, available, (SELECT window_number FROM gate)";

const INSERT_IDENTIFIER: &str = "INSERT INTO identifiers (identifier_hash, member_id) VALUES ($1, $2)";

const INSERT_MEMBER: &str = "
    INSERT INTO members (member_id, entry_no, available, earned_at, active_at, issued_day, issued_points)
    VALUES ($1, $2, $3, 0, 0, 0, 0)";

const INSERT_REQUEST: &str = "
    INSERT INTO requests (partner, request_id, content_hash, time, entry_id, reply) VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (partner, request_id) DO NOTHING";

const KEPT: &str = "
    SELECT r.content_hash, r.reply, r.entry_id, e.bytes FROM requests r JOIN entries e USING (entry_id)
    WHERE r.partner = $1 AND r.request_id = $2";

const INSERT_ENTRY: &str = "INSERT INTO entries (entry_id, bytes) VALUES ($1, $2)";

const NEXT_EXPIRY: &str =
    "SELECT expires_at, available FROM lots WHERE member_id = $1 AND available > 0 ORDER BY expires_at LIMIT 1";

const INSERT_LOT: &str = "
    INSERT INTO lots (member_id, expires_at, entry_no, issuer, terms_version, size, available, held, pending, lost, reversed, entry_id)
    VALUES ($1, $2, $3, $4, $5, $6, $6, 0, 0, 0, 0, $7)";

const INSERT_RECEIPT: &str = "
    INSERT INTO receipts (partner, business_date, store, till, number, side, line, entry_id)
    VALUES ($1, $2, $3, $4, $5, 1, $6, $7)
    ON CONFLICT (partner, business_date, store, till, number, side, line) DO NOTHING";

/// An issue that prepays moves these four: issuer, pool, its position, the operator's.
const MOVE_BALANCES: &str = "
    INSERT INTO balances (commodity, account, amount)
    VALUES ($1, $2, $3), ($4, $5, $6), ($7, $8, $9), ($10, $11, $12)
    ON CONFLICT (commodity, account) DO UPDATE SET amount = amount + excluded.amount";

const MOVE_OUTSTANDING: &str = "
    INSERT INTO outstanding (partner, version, points) VALUES ($1, $2, $3)
    ON CONFLICT (partner, version) DO UPDATE SET points = points + excluded.points";

const COUNT_ISSUE: &str = "
    INSERT INTO guards (partner, issued_day, issued_points) VALUES ($1, $2, $3)
    ON CONFLICT (partner) DO UPDATE SET issued_day = excluded.issued_day,
        issued_points = excluded.issued_points + iif(issued_day = excluded.issued_day, issued_points, 0)";

/// A ledger by hand on SQLite, a transaction for each request.
pub struct ByHandSqlite {
    desk: Desk,
    pool: SqlitePool,
}

impl ByHandSqlite {
    /// Makes the tables in a new file, with a population whose members have a lot each.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn open(path: &Path, desk: Desk, population: &[([u8; 32], u128)], points: i64) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .page_size(2048)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .pragma("temp_store", "MEMORY")
            .pragma("wal_autocheckpoint", "4000");
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .min_connections(1)
            .test_before_acquire(false)
            .connect_with(options)
            .await?;
        sqlx::raw_sql(TABLES).execute(&pool).await?;
        let expires = desk.house.coalition.default_terms.expiry;
        let expires = expires.expires(desk.clock.now(), &desk.house.coalition.time_zone).0;
        let mut transaction = pool.begin().await?;
        for (hash, member) in population {
            let member = member.to_be_bytes();
            let identifier = sqlx::query(INSERT_IDENTIFIER).bind(&hash[..]).bind(&member[..]);
            identifier.execute(&mut *transaction).await?;
            let row = sqlx::query(INSERT_MEMBER).bind(&member[..]).bind(1).bind(points);
            row.execute(&mut *transaction).await?;
            let lot = sqlx::query(INSERT_LOT).bind(&member[..]).bind(expires).bind(1);
            let lot = lot.bind(crate::coalition::partner(0).to_string()).bind(1).bind(points).bind(&member[..]);
            lot.execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        sqlx::raw_sql("ANALYZE; PRAGMA wal_checkpoint(TRUNCATE)").execute(&pool).await?;
        Ok(Self { desk, pool })
    }

    /// Entries that are stored.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn stored(pool: &SqlitePool) -> Result<i64> {
        Ok(sqlx::query_scalar("SELECT count(*) FROM entries").fetch_one(pool).await?)
    }

    /// The pool, to look at the database when the load is over.
    pub fn pool(&self) -> SqlitePool {
        self.pool.clone()
    }

    async fn lock_member(
        &self,
        transaction: &mut SqliteConnection,
        issue: &Issue,
    ) -> Result<Option<MemberRow>, sqlx::Error> {
        let row = sqlx::query(LOCK_MEMBER)
            .bind(&issue.identifier.0[..])
            .bind(issue.points.0)
            .bind(issue.now.0)
            .bind(issue.day)
            .fetch_optional(transaction)
            .await?;
        row.map(|row: SqliteRow| {
            Ok(MemberRow {
                id: MemberId(row.try_get::<uuid::Uuid, _>(0)?.as_u128()),
                entry_no: row.try_get(1)?,
                available: row.try_get(2)?,
                window: u32::try_from(row.try_get::<i64, _>(3)?).unwrap_or(FIRST_WINDOW),
            })
        })
        .transpose()
    }

    async fn write(&self, issue: &Issue) -> Result<v1::IssuePointsResponse, Status> {
        let mut transaction: Transaction<'_, Sqlite> = self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(broken)?;
        let mut member = self.lock_member(&mut transaction, issue).await.map_err(broken)?;
        if member.is_none() {
            let fresh = issue.fresh_member.bytes();
            let identifier = sqlx::query(INSERT_IDENTIFIER).bind(&issue.identifier.0[..]).bind(&fresh[..]);
            identifier.execute(&mut *transaction).await.map_err(broken)?;
            let row = sqlx::query(INSERT_MEMBER).bind(&fresh[..]).bind(0).bind(0);
            row.execute(&mut *transaction).await.map_err(broken)?;
            member = self.lock_member(&mut transaction, issue).await.map_err(broken)?;
        }
        let member = member.ok_or_else(|| broken("the member is enrolled and not there"))?;
        let member_id = member.id.bytes();

        let entry = self.desk.entry(issue, &member)?;
        let entry_id = issue.entry_id.to_be_bytes();
        let issuer = issue.caller.as_str();
        sqlx::query(INSERT_ENTRY)
            .bind(&entry_id[..])
            .bind(entry.to_bytes())
            .execute(&mut *transaction)
            .await
            .map_err(broken)?;
        let known = sqlx::query_as(NEXT_EXPIRY).bind(&member_id[..]).fetch_optional(&mut *transaction);
        let known = known.await.map_err(broken)?;
        let version = self.desk.house.coalition.default_terms.version;
        sqlx::query(INSERT_LOT)
            .bind(&member_id[..])
            .bind(issue.expires.0)
            .bind(member.entry_no)
            .bind(issuer)
            .bind(version)
            .bind(issue.points.0)
            .bind(&entry_id[..])
            .execute(&mut *transaction)
            .await
            .map_err(broken)?;
        let reply = self.desk.reply(&member, next_expiry(known, (issue.expires.0, issue.points.0)));
        let recorded = sqlx::query(INSERT_REQUEST)
            .bind(issuer)
            .bind(&issue.request_id.bytes()[..])
            .bind(&issue.content_hash[..])
            .bind(issue.now.0)
            .bind(&entry_id[..])
            .bind(reply_bytes(&reply))
            .execute(&mut *transaction)
            .await
            .map_err(broken)?;
        if recorded.rows_affected() == 0 {
            transaction.rollback().await.map_err(broken)?;
            return self.kept(issue).await;
        }
        if let Some(line) = issue.receipt.as_ref().map(ReceiptRow::of) {
            let booked = sqlx::query(INSERT_RECEIPT)
                .bind(issuer)
                .bind(line.date)
                .bind(line.store)
                .bind(line.till)
                .bind(line.number)
                .bind(line.line)
                .bind(&entry_id[..])
                .execute(&mut *transaction)
                .await
                .map_err(broken)?;
            if booked.rows_affected() == 0 {
                transaction.rollback().await.map_err(broken)?;
                return Err(booked_before());
            }
        }
        let mut balances = sqlx::query(MOVE_BALANCES);
        for (commodity, account, amount) in self.desk.balances(&entry) {
            balances = balances.bind(commodity).bind(account).bind(amount);
        }
        balances.execute(&mut *transaction).await.map_err(broken)?;
        let outstanding = sqlx::query(MOVE_OUTSTANDING).bind(issuer).bind(version).bind(issue.points.0);
        outstanding.execute(&mut *transaction).await.map_err(broken)?;
        let counted = sqlx::query(COUNT_ISSUE).bind(issuer).bind(issue.day).bind(issue.points.0);
        counted.execute(&mut *transaction).await.map_err(broken)?;
        transaction.commit().await.map_err(broken)?;
        Ok(self.desk.response(issue.caller, issue.entry_id, &entry, &reply, false))
    }

    async fn kept(&self, issue: &Issue) -> Result<v1::IssuePointsResponse, Status> {
        let row = sqlx::query(KEPT)
            .bind(issue.caller.as_str())
            .bind(&issue.request_id.bytes()[..])
            .fetch_one(&self.pool)
            .await
            .map_err(broken)?;
        let kept = Kept {
            content_hash: row.try_get(0).map_err(broken)?,
            reply: row.try_get(1).map_err(broken)?,
            entry_id: row.try_get::<uuid::Uuid, _>(2).map_err(broken)?.as_u128(),
            bytes: row.try_get(3).map_err(broken)?,
        };
        self.desk.replay(issue, &kept)
    }
}

impl Issuer for ByHandSqlite {
    async fn issue(
        &self,
        caller: PartnerId,
        request: v1::IssuePointsRequest,
    ) -> Result<v1::IssuePointsResponse, Status> {
        let issue = self.desk.issue(caller, request)?;
        self.write(&issue).await
    }
}

//! By hand, on PostgreSQL: READ COMMITTED, each commit durable (the server's `synchronous_commit = on`).

use std::str::FromStr as _;

use anyhow::Result;
use clearing_core::units::{MemberId, PartnerId};
use clearing_proto::v1;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgRow};
use sqlx::{PgConnection, Postgres, Row as _, Transaction};
use tonic::Status;
use uuid::Uuid;

use super::{Desk, Issue, Kept, MemberRow, ReceiptRow, booked_before, broken, next_expiry, reply_bytes};
use crate::baseline::Issuer;
use crate::coalition::FIRST_WINDOW;

/// The tables as the house has them, without what only the house needs.
const TABLES: &str = "
    CREATE TABLE gate (window_number bigint NOT NULL);
    CREATE TABLE entries (
        entry_id uuid NOT NULL PRIMARY KEY,
        sequence bigint GENERATED ALWAYS AS IDENTITY,
        bytes    bytea NOT NULL
    );
    CREATE TABLE requests (
        partner      text NOT NULL,
        request_id   uuid NOT NULL,
        content_hash bytea NOT NULL,
        time         bigint NOT NULL,
        entry_id     uuid NOT NULL,
        reply        bytea NOT NULL,
        PRIMARY KEY (partner, request_id)
    );
    CREATE TABLE identifiers (
        identifier_hash bytea NOT NULL PRIMARY KEY,
        member_id       uuid NOT NULL
    );
    CREATE TABLE members (
        member_id     uuid NOT NULL PRIMARY KEY,
        entry_no      bigint NOT NULL,
        available     bigint NOT NULL,
        earned_at     bigint NOT NULL,
        active_at     bigint NOT NULL,
        issued_day    integer NOT NULL,
        issued_points bigint NOT NULL
    ) WITH (fillfactor = 80);
    CREATE TABLE lots (
        member_id     uuid NOT NULL,
        expires_at    bigint NOT NULL,
        entry_no      bigint NOT NULL,
        issuer        text NOT NULL,
        terms_version integer NOT NULL,
        size          bigint NOT NULL,
        available     bigint NOT NULL CHECK (available >= 0),
        held          bigint NOT NULL CHECK (held >= 0),
        pending       bigint NOT NULL CHECK (pending >= 0),
        lost          bigint NOT NULL CHECK (lost >= 0),
        reversed      bigint NOT NULL CHECK (reversed >= 0),
        entry_id      uuid NOT NULL,
        PRIMARY KEY (member_id, expires_at, entry_no)
    ) WITH (fillfactor = 90);
    CREATE TABLE receipts (
        partner       text NOT NULL,
        business_date integer NOT NULL,
        store         text NOT NULL,
        till          text NOT NULL,
        number        text NOT NULL,
        side          smallint NOT NULL,
        line          integer NOT NULL,
        entry_id      uuid NOT NULL,
        PRIMARY KEY (partner, business_date, store, till, number, side, line)
    );
    CREATE TABLE guards (
        partner       text NOT NULL PRIMARY KEY,
        issued_day    integer NOT NULL,
        issued_points bigint NOT NULL
    ) WITH (fillfactor = 20);
    CREATE TABLE balances (
        commodity text NOT NULL,
        account   text NOT NULL,
        amount    bigint NOT NULL,
        PRIMARY KEY (commodity, account)
    ) WITH (fillfactor = 20);
    CREATE TABLE outstanding (
        partner text NOT NULL,
        version integer NOT NULL,
        points  bigint NOT NULL,
        PRIMARY KEY (partner, version)
    ) WITH (fillfactor = 20);
    INSERT INTO gate VALUES (1);
";

const PRELOAD: &str = "
    WITH population AS (
        SELECT * FROM unnest($1::bytea[], $2::uuid[]) AS t (identifier_hash, member_id)
    ), i AS (
        INSERT INTO identifiers SELECT identifier_hash, member_id FROM population
    ), m AS (
        INSERT INTO members SELECT member_id, 1, $3, 0, 0, 0, 0 FROM population
    )
    INSERT INTO lots SELECT member_id, $4, 1, $5, 1, $3, $3, 0, 0, 0, 0, member_id FROM population";

const LOCK_MEMBER: &str = "
    UPDATE members m SET entry_no = m.entry_no + 1, available = m.available + $2, earned_at = $3, active_at = $3,
        issued_points = $2 + CASE WHEN m.issued_day = $4 THEN m.issued_points ELSE 0 END, issued_day = $4
    FROM identifiers i, gate g WHERE i.identifier_hash = $1 AND m.member_id = i.member_id
    RETURNING m.member_id, m.entry_no, m.available, g.window_number";

const ENROL: &str = "
    WITH i AS (
        INSERT INTO identifiers (identifier_hash, member_id) VALUES ($1, $2)
        ON CONFLICT (identifier_hash) DO NOTHING RETURNING member_id
    )
    INSERT INTO members SELECT member_id, 0, 0, 0, 0, 0, 0 FROM i";

/// Gives how many rows of the two were new. A receipt that the till did not name has a null date.
const INSERT_REQUEST: &str = "
    WITH q AS (
        INSERT INTO requests (partner, request_id, content_hash, time, entry_id, reply)
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (partner, request_id) DO NOTHING RETURNING 1
    ), r AS (
        INSERT INTO receipts (partner, business_date, store, till, number, side, line, entry_id)
        SELECT $1, $7::int, $8, $9, $10, 1, $11::int, $5 WHERE $7 IS NOT NULL
        ON CONFLICT (partner, business_date, store, till, number, side, line) DO NOTHING RETURNING 1
    )
    SELECT (SELECT count(*) FROM q), (SELECT count(*) FROM r)";

const KEPT: &str = "
    SELECT r.content_hash, r.reply, r.entry_id, e.bytes FROM requests r JOIN entries e USING (entry_id)
    WHERE r.partner = $1 AND r.request_id = $2";

const INSERT_ENTRY: &str = "INSERT INTO entries (entry_id, bytes) VALUES ($1, $2)";

/// Gives the next expiry of the lots there were: the statement does not see its own row.
const INSERT_LOT: &str = "
    WITH made AS (
        INSERT INTO lots (member_id, expires_at, entry_no, issuer, terms_version, size, available, held, pending, lost, reversed,
            entry_id)
        VALUES ($1, $2, $3, $4, $5, $6, $6, 0, 0, 0, 0, $7)
    )
    SELECT expires_at, available FROM lots WHERE member_id = $1 AND available > 0 ORDER BY expires_at LIMIT 1";

const MOVE_BALANCES: &str = "
    WITH o AS (
        INSERT INTO outstanding (partner, version, points) VALUES ($4, $5, $6)
        ON CONFLICT (partner, version) DO UPDATE SET points = outstanding.points + excluded.points
    ), g AS (
        INSERT INTO guards (partner, issued_day, issued_points) VALUES ($4, $7, $6)
        ON CONFLICT (partner) DO UPDATE SET issued_day = excluded.issued_day, issued_points = excluded.issued_points
            + CASE WHEN guards.issued_day = excluded.issued_day THEN guards.issued_points ELSE 0 END
    )
    INSERT INTO balances (commodity, account, amount) SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[])
    ON CONFLICT (commodity, account) DO UPDATE SET amount = balances.amount + excluded.amount";

/// A ledger by hand on PostgreSQL, a transaction for each request.
pub struct ByHandPostgres {
    desk: Desk,
    pool: PgPool,
}

impl ByHandPostgres {
    /// Makes the tables in an empty database, with a population whose members have a lot each.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn open(
        url: &str,
        connections: u32,
        desk: Desk,
        population: &[([u8; 32], u128)],
        points: i64,
    ) -> Result<Self> {
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .min_connections(connections)
            .test_before_acquire(false)
            .connect_with(PgConnectOptions::from_str(url)?)
            .await?;
        sqlx::raw_sql(TABLES).execute(&pool).await?;
        let expires = desk.house.coalition.default_terms.expiry;
        let expires = expires.expires(desk.clock.now(), &desk.house.coalition.time_zone).0;
        for some in population.chunks(10_000) {
            let hashes: Vec<&[u8]> = some.iter().map(|(hash, _)| &hash[..]).collect();
            let members: Vec<Uuid> = some.iter().map(|(_, member)| Uuid::from_u128(*member)).collect();
            let preload = sqlx::query(PRELOAD).bind(hashes).bind(members).bind(points).bind(expires);
            preload.bind(crate::coalition::partner(0).to_string()).execute(&pool).await?;
        }
        sqlx::raw_sql("VACUUM ANALYZE").execute(&pool).await?;
        Ok(Self { desk, pool })
    }

    /// Entries that are stored.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn stored(pool: &PgPool) -> Result<i64> {
        Ok(sqlx::query_scalar("SELECT count(*) FROM entries").fetch_one(pool).await?)
    }

    /// The pool, to look at the database when the load is over.
    pub fn pool(&self) -> PgPool {
        self.pool.clone()
    }

    async fn lock_member(
        &self,
        transaction: &mut PgConnection,
        issue: &Issue,
    ) -> Result<Option<MemberRow>, sqlx::Error> {
        let day = day_of(issue)?;
        let row = sqlx::query(LOCK_MEMBER)
            .bind(&issue.identifier.0[..])
            .bind(issue.points.0)
            .bind(issue.now.0)
            .bind(day)
            .fetch_optional(transaction)
            .await?;
        row.map(|row: PgRow| {
            Ok(MemberRow {
                id: MemberId(row.try_get::<Uuid, _>(0)?.as_u128()),
                entry_no: row.try_get(1)?,
                available: row.try_get(2)?,
                window: u32::try_from(row.try_get::<i64, _>(3)?).unwrap_or(FIRST_WINDOW),
            })
        })
        .transpose()
    }

    async fn write(&self, issue: &Issue) -> Result<v1::IssuePointsResponse, Status> {
        let mut transaction: Transaction<'_, Postgres> = self.pool.begin().await.map_err(broken)?;
        let mut member = self.lock_member(&mut transaction, issue).await.map_err(broken)?;
        if member.is_none() {
            let enrol = sqlx::query(ENROL).bind(&issue.identifier.0[..]).bind(Uuid::from_u128(issue.fresh_member.0));
            enrol.execute(&mut *transaction).await.map_err(broken)?;
            member = self.lock_member(&mut transaction, issue).await.map_err(broken)?;
        }
        let member = member.ok_or_else(|| broken("the member is enrolled and not there"))?;

        let entry = self.desk.entry(issue, &member)?;
        let entry_id = Uuid::from_u128(issue.entry_id);
        let issuer = issue.caller.as_str();
        sqlx::query(INSERT_ENTRY)
            .bind(entry_id)
            .bind(entry.to_bytes())
            .execute(&mut *transaction)
            .await
            .map_err(broken)?;
        let version = self.desk.house.coalition.default_terms.version.cast_signed();
        let known = sqlx::query_as(INSERT_LOT)
            .bind(Uuid::from_u128(member.id.0))
            .bind(issue.expires.0)
            .bind(member.entry_no)
            .bind(issuer)
            .bind(version)
            .bind(issue.points.0)
            .bind(entry_id)
            .fetch_optional(&mut *transaction)
            .await
            .map_err(broken)?;
        let reply = self.desk.reply(&member, next_expiry(known, (issue.expires.0, issue.points.0)));
        let line = issue.receipt.as_ref().map(ReceiptRow::of);
        let (recorded, booked): (i64, i64) = sqlx::query_as(INSERT_REQUEST)
            .bind(issuer)
            .bind(Uuid::from_u128(issue.request_id.0))
            .bind(&issue.content_hash[..])
            .bind(issue.now.0)
            .bind(entry_id)
            .bind(reply_bytes(&reply))
            .bind(line.as_ref().map(|line| line.date))
            .bind(line.as_ref().map(|line| line.store.as_str()))
            .bind(line.as_ref().map(|line| line.till.as_str()))
            .bind(line.as_ref().map(|line| line.number.as_str()))
            .bind(line.as_ref().map(|line| line.line))
            .fetch_one(&mut *transaction)
            .await
            .map_err(broken)?;
        if recorded == 0 {
            transaction.rollback().await.map_err(broken)?;
            return self.kept(issue).await;
        }
        if line.is_some() && booked == 0 {
            transaction.rollback().await.map_err(broken)?;
            return Err(booked_before());
        }
        let balances = self.desk.balances(&entry);
        sqlx::query(MOVE_BALANCES)
            .bind(balances.iter().map(|balance| balance.0.as_str()).collect::<Vec<_>>())
            .bind(balances.iter().map(|balance| balance.1.as_str()).collect::<Vec<_>>())
            .bind(balances.iter().map(|balance| balance.2).collect::<Vec<_>>())
            .bind(issuer)
            .bind(version)
            .bind(issue.points.0)
            .bind(day_of(issue).map_err(broken)?)
            .execute(&mut *transaction)
            .await
            .map_err(broken)?;
        transaction.commit().await.map_err(broken)?;
        Ok(self.desk.response(issue.caller, issue.entry_id, &entry, &reply, false))
    }

    async fn kept(&self, issue: &Issue) -> Result<v1::IssuePointsResponse, Status> {
        let row = sqlx::query(KEPT)
            .bind(issue.caller.as_str())
            .bind(Uuid::from_u128(issue.request_id.0))
            .fetch_one(&self.pool)
            .await
            .map_err(broken)?;
        let kept = Kept {
            content_hash: row.try_get(0).map_err(broken)?,
            reply: row.try_get(1).map_err(broken)?,
            entry_id: row.try_get::<Uuid, _>(2).map_err(broken)?.as_u128(),
            bytes: row.try_get(3).map_err(broken)?,
        };
        self.desk.replay(issue, &kept)
    }
}

fn day_of(issue: &Issue) -> Result<i32, sqlx::Error> {
    i32::try_from(issue.day).map_err(|error| sqlx::Error::Encode(error.into()))
}

impl Issuer for ByHandPostgres {
    async fn issue(
        &self,
        caller: PartnerId,
        request: v1::IssuePointsRequest,
    ) -> Result<v1::IssuePointsResponse, Status> {
        let issue = self.desk.issue(caller, request)?;
        self.write(&issue).await
    }
}

//! By hand, on PostgreSQL: READ COMMITTED, each commit durable (the server's `synchronous_commit = on`).

use std::str::FromStr as _;

use anyhow::Result;
use clearing_core::units::{MemberId, PartnerId};
use clearing_proto::v1;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgRow};
use sqlx::{PgConnection, Postgres, Row as _, Transaction};
use tonic::Status;
use uuid::Uuid;

use super::{Desk, Kept, MemberRow, Wish, broken, next_expiry, reply_bytes};
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
        member_id uuid NOT NULL PRIMARY KEY,
        entry_no  bigint NOT NULL,
        available bigint NOT NULL
    ) WITH (fillfactor = 80);
    CREATE TABLE lots (
        member_id     uuid NOT NULL,
        expires_at    bigint NOT NULL,
        entry_no      bigint NOT NULL,
        issuer        text NOT NULL,
        terms_version integer NOT NULL,
        size          bigint NOT NULL,
        available     bigint NOT NULL CHECK (available >= 0),
        entry_id      uuid NOT NULL,
        PRIMARY KEY (member_id, expires_at, entry_no)
    ) WITH (fillfactor = 90);
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
        INSERT INTO members SELECT member_id, 1, $3 FROM population
    )
    INSERT INTO lots SELECT member_id, $4, 1, $5, 1, $3, $3, member_id FROM population";

const LOCK_MEMBER: &str = "
    UPDATE members m SET entry_no = m.entry_no + 1, available = m.available + $2
    FROM identifiers i, gate g WHERE i.identifier_hash = $1 AND m.member_id = i.member_id
    RETURNING m.member_id, m.entry_no, m.available, g.window_number";

const ENROL: &str = "
    WITH i AS (
        INSERT INTO identifiers (identifier_hash, member_id) VALUES ($1, $2)
        ON CONFLICT (identifier_hash) DO NOTHING RETURNING member_id
    )
    INSERT INTO members (member_id, entry_no, available) SELECT member_id, 0, 0 FROM i";

const INSERT_REQUEST: &str = "
    INSERT INTO requests (partner, request_id, content_hash, time, entry_id, reply) VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (partner, request_id) DO NOTHING";

const KEPT: &str = "
    SELECT r.content_hash, r.reply, r.entry_id, e.sequence, e.bytes FROM requests r JOIN entries e USING (entry_id)
    WHERE r.partner = $1 AND r.request_id = $2";

const INSERT_ENTRY: &str = "INSERT INTO entries (entry_id, bytes) VALUES ($1, $2) RETURNING sequence";

/// Gives the next expiry of the lots there were: the statement does not see its own row.
const INSERT_LOT: &str = "
    WITH made AS (
        INSERT INTO lots (member_id, expires_at, entry_no, issuer, terms_version, size, available, entry_id)
        VALUES ($1, $2, $3, $4, $5, $6, $6, $7)
    )
    SELECT expires_at, available FROM lots WHERE member_id = $1 AND available > 0 ORDER BY expires_at LIMIT 1";

const MOVE_BALANCES: &str = "
    WITH o AS (
        INSERT INTO outstanding (partner, version, points) VALUES ($4, $5, $6)
        ON CONFLICT (partner, version) DO UPDATE SET points = outstanding.points + excluded.points
    )
    INSERT INTO balances (commodity, account, amount) SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[])
    ON CONFLICT (commodity, account) DO UPDATE SET amount = balances.amount + excluded.amount";

/// See the module above.
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

    async fn lock_member(&self, transaction: &mut PgConnection, wish: &Wish) -> Result<Option<MemberRow>, sqlx::Error> {
        let row = sqlx::query(LOCK_MEMBER)
            .bind(&wish.identifier.0[..])
            .bind(wish.points.0)
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

    async fn write(&self, wish: &Wish) -> Result<v1::IssuePointsResponse, Status> {
        let mut transaction: Transaction<'_, Postgres> = self.pool.begin().await.map_err(broken)?;
        let mut member = self.lock_member(&mut transaction, wish).await.map_err(broken)?;
        if member.is_none() {
            let enrol = sqlx::query(ENROL).bind(&wish.identifier.0[..]).bind(Uuid::from_u128(wish.fresh_member.0));
            enrol.execute(&mut *transaction).await.map_err(broken)?;
            member = self.lock_member(&mut transaction, wish).await.map_err(broken)?;
        }
        let member = member.ok_or_else(|| broken("the member is enrolled and not there"))?;

        let entry = self.desk.entry(wish, &member)?;
        let entry_id = Uuid::from_u128(wish.entry_id);
        let issuer = wish.caller.as_str();
        let sequence: i64 = sqlx::query_scalar(INSERT_ENTRY)
            .bind(entry_id)
            .bind(entry.to_bytes())
            .fetch_one(&mut *transaction)
            .await
            .map_err(broken)?;
        let version = self.desk.house.coalition.default_terms.version.cast_signed();
        let known = sqlx::query_as(INSERT_LOT)
            .bind(Uuid::from_u128(member.id.0))
            .bind(wish.expires.0)
            .bind(member.entry_no)
            .bind(issuer)
            .bind(version)
            .bind(wish.points.0)
            .bind(entry_id)
            .fetch_optional(&mut *transaction)
            .await
            .map_err(broken)?;
        let reply = self.desk.reply(&member, next_expiry(known, (wish.expires.0, wish.points.0)));
        let recorded = sqlx::query(INSERT_REQUEST)
            .bind(issuer)
            .bind(Uuid::from_u128(wish.request_id.0))
            .bind(&wish.content_hash[..])
            .bind(wish.now.0)
            .bind(entry_id)
            .bind(reply_bytes(&reply))
            .execute(&mut *transaction)
            .await
            .map_err(broken)?;
        if recorded.rows_affected() == 0 {
            transaction.rollback().await.map_err(broken)?;
            return self.kept(wish).await;
        }
        let balances = self.desk.balances(&entry);
        sqlx::query(MOVE_BALANCES)
            .bind(balances.iter().map(|balance| balance.0.as_str()).collect::<Vec<_>>())
            .bind(balances.iter().map(|balance| balance.1.as_str()).collect::<Vec<_>>())
            .bind(balances.iter().map(|balance| balance.2).collect::<Vec<_>>())
            .bind(issuer)
            .bind(version)
            .bind(wish.points.0)
            .execute(&mut *transaction)
            .await
            .map_err(broken)?;
        transaction.commit().await.map_err(broken)?;
        Ok(self.desk.response(wish.caller, wish.entry_id, sequence, &entry, &reply, false))
    }

    async fn kept(&self, wish: &Wish) -> Result<v1::IssuePointsResponse, Status> {
        let row = sqlx::query(KEPT)
            .bind(wish.caller.as_str())
            .bind(Uuid::from_u128(wish.request_id.0))
            .fetch_one(&self.pool)
            .await
            .map_err(broken)?;
        let kept = Kept {
            content_hash: row.try_get(0).map_err(broken)?,
            reply: row.try_get(1).map_err(broken)?,
            entry_id: row.try_get::<Uuid, _>(2).map_err(broken)?.as_u128(),
            sequence: row.try_get(3).map_err(broken)?,
            bytes: row.try_get(4).map_err(broken)?,
        };
        self.desk.replay(wish, &kept)
    }
}

impl Issuer for ByHandPostgres {
    async fn issue(
        &self,
        caller: PartnerId,
        request: v1::IssuePointsRequest,
    ) -> Result<v1::IssuePointsResponse, Status> {
        let wish = self.desk.wish(caller, request)?;
        self.write(&wish).await
    }
}

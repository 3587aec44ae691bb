//! What the scheduler reads: when the open window began and by which calendar it closes, whose points expire next; and
//! the lease that keeps nodes from doing the same work twice.

use clearing_core::terms::Calendar;
use clearing_core::units::{MemberId, Timestamp, WindowNumber};

use super::journal::no_coalition;
use super::sql::{Cells, Sql};
use super::{Backend, Store, StoreError, small};

pub(super) const STATEMENTS: &[&Sql] = &[&SCHEDULE, &MEMBERS_DUE, &TAKE_LEASE, &GIVE_LEASE];

/// By what the open window closes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    pub open_window: WindowNumber,
    pub opened: Timestamp,
    pub calendar: Calendar,
    /// When the calendar was set: it has no cut-offs before that.
    pub calendar_since: Timestamp,
}

/// A member some of whose points may have expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MemberDue {
    /// None of its points expire before this.
    pub due: Timestamp,
    pub member: MemberId,
}

const SCHEDULE: Sql = Sql::both(
    "-- store.schedule
    SELECT g.window_number, g.opened_at, c.crons, c.time_zone, c.created_at FROM gate AS g
    LEFT JOIN calendar AS c ON c.version = (SELECT max(version) FROM calendar)",
);

const MEMBERS_DUE: Sql = Sql::both(
    "-- store.members_due
    SELECT first_expires_at, member_id FROM members
    WHERE first_expires_at < 9223372036854775807 AND first_expires_at <= $1
    AND (first_expires_at, member_id) > ($2, $3)
    ORDER BY first_expires_at, member_id LIMIT $4",
);

// By the database's clock, which all nodes share: theirs may differ.
const TAKE_LEASE: Sql = Sql::new(
    "-- store.take_lease
    INSERT INTO leases (name, holder, expires_at)
    VALUES ($1, $2, CAST(unixepoch('subsec') * 1000000 AS INTEGER) + $3)
    ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
    WHERE leases.holder = excluded.holder OR leases.expires_at <= CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
    "-- store.take_lease
    INSERT INTO leases (name, holder, expires_at)
    VALUES ($1, $2, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint + $3)
    ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
    WHERE leases.holder = excluded.holder
    OR leases.expires_at <= (extract(epoch FROM clock_timestamp()) * 1000000)::bigint",
);

const GIVE_LEASE: Sql = Sql::both(
    "-- store.give_lease
    DELETE FROM leases WHERE name = $1 AND holder = $2",
);

impl Store {
    /// By what the open window closes, as one statement sees it.
    ///
    /// # Errors
    /// Permanent if the database holds no coalition.
    pub async fn schedule(&self) -> Result<Schedule, StoreError> {
        let mut reader = self.reader().await?;
        let mut link = reader.link();
        let call = link.call(&SCHEDULE);
        let schedule = |row: &dyn Cells| {
            let calendar = match (row.text_or_null(2)?, row.text_or_null(3)?) {
                (Some(crons), Some(zone)) => Calendar {
                    cut_offs: serde_json::from_str(crons)
                        .map_err(|error| StoreError::damaged("the calendar", error))?,
                    time_zone: zone.to_owned(),
                },
                _ => Calendar::default(),
            };
            Ok(Schedule {
                open_window: small(row.int(0)?)?,
                opened: Timestamp(row.int(1)?),
                calendar,
                calendar_since: Timestamp(row.int_or_null(4)?.unwrap_or(i64::MIN)),
            })
        };
        link.row(call, schedule).await?.ok_or_else(no_coalition)
    }

    /// At most `limit` members some of whose points may have expired by `until`, the earliest first, from behind
    /// `after`.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn members_due(
        &self,
        until: Timestamp,
        after: Option<MemberDue>,
        limit: u32,
    ) -> Result<Vec<MemberDue>, StoreError> {
        let mut reader = self.reader().await?;
        let mut link = reader.link();
        let MemberDue { due, member } = after.unwrap_or(MemberDue { due: Timestamp(i64::MIN), member: MemberId(0) });
        let call = link.call(&MEMBERS_DUE).int(until.0).int(due.0).uuid(member.0).int(i64::from(limit));
        link.rows(call, |row| Ok(MemberDue { due: Timestamp(row.int(0)?), member: MemberId(row.uuid(1)?) })).await
    }

    /// Takes a lease for `seconds`, or makes it last as long again; false if another node has it. A file of SQLite
    /// belongs to one process, which has every lease.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn take_lease(&self, name: &str, node: u128, seconds: u32) -> Result<bool, StoreError> {
        if self.backend() == Backend::Sqlite {
            return Ok(true);
        }
        let mut reader = self.reader().await?;
        let mut link = reader.link();
        let call = link.call(&TAKE_LEASE).text(name).uuid(node).int(i64::from(seconds) * 1_000_000);
        Ok(link.execute(call).await? == 1)
    }

    /// Gives a lease back, if this node has it, so that another need not wait for its end.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn give_lease(&self, name: &str, node: u128) -> Result<(), StoreError> {
        if self.backend() == Backend::Sqlite {
            return Ok(());
        }
        let mut reader = self.reader().await?;
        let mut link = reader.link();
        let call = link.call(&GIVE_LEASE).text(name).uuid(node);
        link.execute(call).await.map(|_| ())
    }
}

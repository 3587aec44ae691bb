//! What the scheduler and other work over many members read: when the open window began and by which calendar it closes,
//! for whom something is due, all members in order; and the lease that keeps nodes from doing the same work twice.

use clearing_core::facts::coalition::Calendar;
use clearing_core::facts::member::Member;
use clearing_core::operation::Gate;
use clearing_core::units::{MemberId, Timestamp, WindowNumber};

use super::journal::no_coalition;
use super::sql::{Cells, Sql};
use super::{Backend, Store, StoreError, members, small};

pub(super) const STATEMENTS: &[&Sql] =
    &[&SCHEDULE, &MEMBERS_DUE, &MEMBERS_PAID_FOR, &RELEASING, &MARK_RELEASED, &TAKE_LEASE, &GIVE_LEASE];

/// By what the open window closes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    pub open_window: WindowNumber,
    pub opened: Timestamp,
    pub calendar: Calendar,
    /// When the calendar was set: it has no cut-offs before that.
    pub calendar_since: Timestamp,
}

/// A member for whom something may be due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MemberDue {
    /// Nothing is due for it before this.
    pub due: Timestamp,
    pub member: MemberId,
}

const SCHEDULE: Sql = Sql::both(
    "-- store.schedule
    SELECT g.window_number, g.opened_at, c.crons, c.time_zone, c.set_at FROM gate AS g
    LEFT JOIN calendar AS c ON c.id = 1",
);

const MEMBERS_DUE: Sql = Sql::both(
    "-- store.members_due
    SELECT next_due_at, member_id FROM members
    WHERE next_due_at < 9223372036854775807 AND next_due_at <= $1
    AND (next_due_at, member_id) > ($2, $3)
    ORDER BY next_due_at, member_id LIMIT $4",
);

// A lot that waits for a payment and for its activation is due with the later of the two; one whose activation comes after
// the payment stands in its member's row.
const MEMBERS_PAID_FOR: Sql = Sql::both(
    "-- store.members_paid_for
    SELECT f.funded_at, l.member_id FROM funding AS f
    JOIN lots AS l ON l.release_window = f.window_number AND l.issuer = f.issuer AND l.terms_version = f.terms_version
    WHERE f.funded_at IS NOT NULL AND f.released = 0 AND f.funded_at <= $1 AND l.pending > 0
    AND l.release_window IS NOT NULL AND (l.activates_at IS NULL OR l.activates_at <= f.funded_at)
    AND (f.funded_at, l.member_id) > ($2, $3)
    GROUP BY f.funded_at, l.member_id ORDER BY f.funded_at, l.member_id LIMIT $4",
);

const RELEASING: Sql = Sql::both(
    "-- store.releasing
    SELECT 1 FROM funding WHERE funded_at IS NOT NULL AND released = 0 LIMIT 1",
);

const MARK_RELEASED: Sql = Sql::both(
    "-- store.mark_released
    UPDATE funding SET released = 1 WHERE funded_at IS NOT NULL AND released = 0 AND NOT EXISTS (
        SELECT 1 FROM lots AS l WHERE l.release_window = funding.window_number AND l.issuer = funding.issuer
        AND l.terms_version = funding.terms_version AND l.pending > 0 AND l.release_window IS NOT NULL
        AND (l.activates_at IS NULL OR l.activates_at <= funding.funded_at)
    )",
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

    /// At most `limit` members for whom something may be due by `until`, the earliest first, from behind `after`: by
    /// their own rows, or because points that they wait for were paid for.
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
        let found = |row: &dyn Cells| Ok(MemberDue { due: Timestamp(row.int(0)?), member: MemberId(row.uuid(1)?) });
        let call = link.call(&MEMBERS_DUE).int(until.0).int(due.0).uuid(member.0).int(i64::from(limit));
        let mut members = link.rows(call, found).await?;
        let call = link.call(&RELEASING);
        if link.row(call, |_| Ok(())).await?.is_some() {
            let call = link.call(&MEMBERS_PAID_FOR).int(until.0).int(due.0).uuid(member.0).int(i64::from(limit));
            members.extend(link.rows(call, found).await?);
            members.sort_unstable();
            members.dedup();
            members.truncate(limit as usize);
        }
        Ok(members)
    }

    /// At most `limit` members, without their lots, by id from behind `after`.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn members_after(&self, after: MemberId, limit: u32) -> Result<Vec<Member>, StoreError> {
        let mut reader = self.reader().await?;
        members::members_after(&mut reader.link(), after, limit).await
    }

    /// Notes which points that were paid for are all released to their members, so that nobody looks for them again.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn mark_released(&self) -> Result<(), StoreError> {
        let mut reader = self.reader().await?;
        let mut link = reader.link();
        let call = link.call(&RELEASING);
        if link.row(call, |_| Ok(())).await?.is_none() {
            return Ok(());
        }
        let mut session = self.writer().await?;
        session.begin(Gate::Shared).await?;
        let call = session.link().call(&MARK_RELEASED);
        session.link().execute(call).await?;
        session.commit().await
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

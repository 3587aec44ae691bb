//! The limits of partners, and their guards: what the limits are checked against besides positions and outstanding points.

use std::collections::{BTreeMap, BTreeSet};

use clearing_core::book::changes::Changes;
use clearing_core::book::sums::Sum;
use clearing_core::facts::limits::{DayCounts, Guard, Limits};
use clearing_core::facts::partner::Partner;
use clearing_core::units::{Money, PartnerId, Points};

use super::StoreError;
use super::cells::Row;
use super::rows::RowSet;
use super::sql::{Link, Sql, rows};
use super::tables::{Column, GUARDS, LIMITS};

pub(super) static STATEMENTS: &[&Sql] = &[&UPSERT_LIMITS, &INSERT_GUARDS, &LOCK_GUARDS, &ALL_GUARDS, &MOVE_GUARDS];

/// Limits from the columns of their table.
pub(super) fn limits(row: &Row<'_>) -> Result<Limits, StoreError> {
    Ok(Limits {
        net_debit_cap: row.int_or_null(LIMITS.net_debit_cap)?.map(Money),
        outstanding_points: row.points_or_null(LIMITS.outstanding_points)?,
        points_per_day: row.points_or_null(LIMITS.points_per_day)?,
        points_per_member_per_day: row.points_or_null(LIMITS.points_per_member_per_day)?,
        points_per_entry: row.points_or_null(LIMITS.points_per_entry)?,
        transfer_points_per_entry: row.points_or_null(LIMITS.transfer_points_per_entry)?,
        transfer_points_per_member_per_day: row.points_or_null(LIMITS.transfer_points_per_member_per_day)?,
        redeem_points_per_member_per_day: row.points_or_null(LIMITS.redeem_points_per_member_per_day)?,
        redeem_foreign_points_per_day: row.points_or_null(LIMITS.redeem_foreign_points_per_day)?,
        cooling_seconds: row.small_or_null(LIMITS.cooling_seconds)?,
    })
}

static UPSERT_LIMITS: Sql = Sql::both("store.upsert_limits", "{upsert k}").takes(&[rows("k", LIMITS.all)]);

static INSERT_GUARDS: Sql =
    Sql::both("store.insert_guards", "{insert k} ON CONFLICT ({key k}) DO NOTHING").takes(&[rows("k", GUARDS.all)]);

/// Writes the limits of partners, and a guard for each that has none.
pub(super) async fn save<'a>(
    link: &mut Link<'_>,
    partners: impl Iterator<Item = &'a Partner>,
) -> Result<(), StoreError> {
    let (mut rows, mut guards) = (link.row_set(LIMITS.all), link.row_set(GUARDS.all));
    let points = |points: Option<Points>| points.map(|points| points.0);
    for partner in partners {
        let limits = &partner.limits;
        rows.text(LIMITS.partner, partner.id.as_str());
        rows.int_or_null(LIMITS.net_debit_cap, limits.net_debit_cap.map(|cap| cap.0));
        rows.int_or_null(LIMITS.outstanding_points, points(limits.outstanding_points));
        rows.int_or_null(LIMITS.points_per_day, points(limits.points_per_day));
        rows.int_or_null(LIMITS.points_per_member_per_day, points(limits.points_per_member_per_day));
        rows.int_or_null(LIMITS.points_per_entry, points(limits.points_per_entry));
        rows.int_or_null(LIMITS.transfer_points_per_entry, points(limits.transfer_points_per_entry));
        rows.int_or_null(LIMITS.transfer_points_per_member_per_day, points(limits.transfer_points_per_member_per_day));
        rows.int_or_null(LIMITS.redeem_points_per_member_per_day, points(limits.redeem_points_per_member_per_day));
        rows.int_or_null(LIMITS.redeem_foreign_points_per_day, points(limits.redeem_foreign_points_per_day));
        rows.int_or_null(LIMITS.cooling_seconds, limits.cooling_seconds.map(i64::from));
        guards.text(GUARDS.partner, partner.id.as_str()).int(GUARDS.reserved, 0).int(GUARDS.unsettled, 0);
        guards.int(GUARDS.ahead, 0);
        guards.int(GUARDS.counted_day, 0).int(GUARDS.issued_points, 0).int(GUARDS.accepted_points, 0);
    }
    link.write(&UPSERT_LIMITS, rows).await?;
    if guards.is_empty() {
        return Ok(());
    }
    let call = link.call(&INSERT_GUARDS).rows(guards);
    link.execute(call).await.map(|_| ())
}

const KEY: &[Column] = &[GUARDS.partner];

static LOCK_GUARDS: Sql = Sql::new(
    "store.lock_guards",
    "SELECT {guards g} FROM {rows k} CROSS JOIN guards AS g WHERE {match k g}",
    "SELECT {guards} FROM guards WHERE partner = ANY ({array k}) ORDER BY partner FOR UPDATE",
)
.takes(&[rows("k", KEY)])
.gives(GUARDS.all);

/// What partners' limits are checked against; locked in ascending order until the transaction ends.
pub(super) async fn lock_guards(
    link: &mut Link<'_>,
    partners: &BTreeSet<PartnerId>,
) -> Result<BTreeMap<PartnerId, Guard>, StoreError> {
    let mut keys = link.row_set(KEY);
    for partner in partners {
        keys.text(GUARDS.partner, partner.as_str());
    }
    if keys.is_empty() {
        return Ok(BTreeMap::new());
    }
    let call = link.call(&LOCK_GUARDS).rows(keys);
    Ok(link.rows(call, guard).await?.into_iter().collect())
}

static ALL_GUARDS: Sql = Sql::both("store.all_guards", "SELECT {guards} FROM guards").gives(GUARDS.all);

/// All guards. The caller has the gate alone, or a snapshot.
pub(super) async fn guards(link: &mut Link<'_>) -> Result<BTreeMap<PartnerId, Guard>, StoreError> {
    let call = link.call(&ALL_GUARDS);
    Ok(link.rows(call, guard).await?.into_iter().collect())
}

fn guard(row: &Row<'_>) -> Result<(PartnerId, Guard), StoreError> {
    let counted = DayCounts {
        day: row.small(GUARDS.counted_day)?,
        issued: row.points(GUARDS.issued_points)?,
        accepted: row.points(GUARDS.accepted_points)?,
    };
    let guard = Guard {
        reserved: row.money(GUARDS.reserved)?,
        unsettled: row.money(GUARDS.unsettled)?,
        ahead: row.money(GUARDS.ahead)?,
        counted,
    };
    Ok((row.partner(GUARDS.partner)?, guard))
}

/// What a batch writes of what is counted of partners on a day.
pub(super) const COUNTED: &[Column] =
    &[GUARDS.partner, GUARDS.counted_day, GUARDS.issued_points, GUARDS.accepted_points];

/// What was counted of partners in a batch, on its day; also where it came to nothing, as it is then a new day's count.
pub(super) fn counted(link: &Link<'_>, changes: &Changes) -> RowSet {
    let mut rows = link.row_set(COUNTED);
    for (partner, guard) in changes.guards.iter().filter(|(_, guard)| guard.counted != DayCounts::default()) {
        let DayCounts { day, issued, accepted } = guard.counted;
        rows.text(GUARDS.partner, partner.as_str()).int(GUARDS.counted_day, i64::from(day));
        rows.int(GUARDS.issued_points, issued.0).int(GUARDS.accepted_points, accepted.0);
    }
    rows
}

const MOVED: &[Column] = &[GUARDS.partner, GUARDS.reserved, GUARDS.unsettled, GUARDS.ahead];

// What holds reserve, legs owe and was paid ahead moves rarely. Whoever has the gate alone writes it at leisure; the others hold the rows'
// locks already if their partners have limits, and else write here what nobody waits for with a lock of its own.
static MOVE_GUARDS: Sql = Sql::new(
    "store.move_guards",
    "UPDATE guards SET reserved = guards.reserved + k.reserved, unsettled = guards.unsettled + k.unsettled,
        ahead = guards.ahead + k.ahead
    FROM {rows k} WHERE {match k guards}
    RETURNING {guards}",
    "WITH head AS MATERIALIZED (SELECT 1 FROM journal_head WHERE id = 1 FOR UPDATE)
    UPDATE guards AS g SET reserved = g.reserved + k.reserved, unsettled = g.unsettled + k.unsettled,
        ahead = g.ahead + k.ahead
    FROM head CROSS JOIN {rows k} WHERE {match k g}
    RETURNING {guards g}",
)
.takes(&[rows("k", MOVED)])
.gives(MOVED);

/// Moves what holds reserve and legs owe, behind the lock on the journal's head. Gives what the sums became.
pub(super) async fn save_moved(link: &mut Link<'_>, changes: &Changes) -> Result<Vec<(Sum, i64)>, StoreError> {
    let mut moved = link.row_set(MOVED);
    for (partner, guard) in &changes.guards {
        if [guard.reserved, guard.unsettled, guard.ahead].iter().any(|moved| !moved.is_zero()) {
            moved.text(GUARDS.partner, partner.as_str());
            moved.int(GUARDS.reserved, guard.reserved.0).int(GUARDS.unsettled, guard.unsettled.0);
            moved.int(GUARDS.ahead, guard.ahead.0);
        }
    }
    let became = |row: &Row<'_>| {
        let partner = row.partner(GUARDS.partner)?;
        let (reserved, unsettled) = (row.int(GUARDS.reserved)?, row.int(GUARDS.unsettled)?);
        Ok([(Sum::Reserved(partner), reserved), (Sum::Unsettled(partner), unsettled)])
    };
    Ok(link.write_telling(&MOVE_GUARDS, moved, became).await?.into_iter().flatten().collect())
}

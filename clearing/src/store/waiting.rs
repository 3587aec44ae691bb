//! Lots that wait for their issuer's payment, by its window: whom a payment concerns, wherever the lots stand.

use clearing_core::facts::lot::{Lot, LotId};
use clearing_core::units::{MemberId, PartnerId, Timestamp, WindowNumber};

use super::StoreError;
use super::cells::Row;
use super::rows::RowSet;
use super::sql::{Link, Sql, rows};
use super::tables::{Column, WAITING_LOTS};

pub(super) static STATEMENTS: &[&Sql] = &[&INSERT_WAITING, &DELETE_WAITING, &WAITING_BETWEEN];

/// What tells a lot that waits.
pub(super) const KEY: &[Column] = &[
    WAITING_LOTS.release_window,
    WAITING_LOTS.issuer,
    WAITING_LOTS.member_id,
    WAITING_LOTS.entry_no,
    WAITING_LOTS.part,
];

/// Names a lot.
pub(super) fn push_key(rows: &mut RowSet, lot: &Lot) {
    rows.int_or_null(WAITING_LOTS.release_window, lot.release_window.map(i64::from));
    rows.text(WAITING_LOTS.issuer, lot.issuer.as_str()).uuid(WAITING_LOTS.member_id, lot.id.member.0);
    rows.int(WAITING_LOTS.entry_no, lot.id.entry_no).int(WAITING_LOTS.part, i64::from(lot.id.part));
}

/// The row of a lot.
pub(super) fn push(rows: &mut RowSet, lot: &Lot) {
    push_key(rows, lot);
    rows.int(WAITING_LOTS.terms_version, i64::from(lot.terms));
    rows.int_or_null(WAITING_LOTS.activates_at, lot.activates.map(|time| time.0));
}

static INSERT_WAITING: Sql = Sql::both("store.insert_waiting_lots", "{insert k}").takes(&[rows("k", WAITING_LOTS.all)]);
static DELETE_WAITING: Sql = Sql::both("store.delete_waiting_lots", "{delete k}").takes(&[rows("k", KEY)]);

/// Writes which lots wait since a batch, and takes away those that no longer do.
pub(super) async fn save(link: &mut Link<'_>, waiting: RowSet, released: RowSet) -> Result<(), StoreError> {
    link.write(&INSERT_WAITING, waiting).await?;
    link.write(&DELETE_WAITING, released).await
}

/// A lot that waits: its issuer's window, its issuer and the version of the issuer's terms, itself, and when it would be
/// activated.
pub(super) type Waiting = (WindowNumber, PartnerId, u32, LotId, Option<Timestamp>);

/// What is stored of a lot that waits.
pub(super) fn of_lot(lot: &Lot) -> Option<Waiting> {
    Some((lot.release_window?, lot.issuer, lot.terms, lot.id, lot.activates))
}

// No index helps: the audit alone asks by member.
static WAITING_BETWEEN: Sql = Sql::both(
    "store.waiting_lots_between",
    "SELECT {waiting_lots} FROM waiting_lots WHERE member_id BETWEEN $1 AND $2",
)
.gives(WAITING_LOTS.all);

/// All lots that wait, of members with ids from the first to the last.
pub(super) async fn waiting_between(
    link: &mut Link<'_>,
    first: MemberId,
    last: MemberId,
) -> Result<Vec<Waiting>, StoreError> {
    let call = link.call(&WAITING_BETWEEN).uuid(first.0).uuid(last.0);
    let waiting = |row: &Row<'_>| {
        let lot = LotId {
            member: row.member(WAITING_LOTS.member_id)?,
            entry_no: row.int(WAITING_LOTS.entry_no)?,
            part: row.small(WAITING_LOTS.part)?,
        };
        let (issuer, terms) = (row.partner(WAITING_LOTS.issuer)?, row.small(WAITING_LOTS.terms_version)?);
        let activates = row.int_or_null(WAITING_LOTS.activates_at)?.map(Timestamp);
        Ok((row.small(WAITING_LOTS.release_window)?, issuer, terms, lot, activates))
    };
    link.rows(call, waiting).await
}

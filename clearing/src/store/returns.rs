//! What was returned of redemptions and of the totals of purchases.

use clearing_core::book::Book;
use clearing_core::book::changes::Changes;
use clearing_core::facts::returned::{Returned, ReturnedAmount};
use clearing_core::units::{EntryId, MemberId};

use super::StoreError;
use super::cells::Row;
use super::save::of_book;
use super::sql::{Link, Sql, rows};
use super::tables::{Column, RETURNS};

pub(super) static STATEMENTS: &[&Sql] = &[&RETURNS_BY_ENTRY, &RETURNS_BETWEEN, &SAVE_RETURNS];

/// What was returned so far of a redemption or a purchase.
pub(super) struct ReturnedRow {
    pub entry: EntryId,
    pub returned: Returned,
    /// None if no return was one of a purchase.
    pub amount: Option<ReturnedAmount>,
}

const KEY: &[Column] = &[RETURNS.member_id, RETURNS.batch_id, RETURNS.ordinal];

static RETURNS_BY_ENTRY: Sql =
    Sql::both("store.returns", "SELECT {returns r} FROM {rows k} CROSS JOIN returns AS r WHERE {match k r}")
        .takes(&[rows("k", KEY)])
        .gives(RETURNS.all);

/// What was returned so far of redemptions and purchases; those of which nothing was are left out.
pub(super) async fn returns(
    link: &mut Link<'_>,
    redemptions: &[(MemberId, EntryId)],
) -> Result<Vec<ReturnedRow>, StoreError> {
    if redemptions.is_empty() {
        return Ok(Vec::new());
    }
    let mut keys = link.row_set(KEY);
    for (member, entry) in redemptions {
        keys.uuid(RETURNS.member_id, member.0).uuid(RETURNS.batch_id, entry.batch.0);
        keys.int(RETURNS.ordinal, i64::from(entry.ordinal));
    }
    let call = link.call(&RETURNS_BY_ENTRY).rows(keys);
    link.rows(call, returned).await
}

static RETURNS_BETWEEN: Sql =
    Sql::both("store.returns_between", "SELECT {returns} FROM returns WHERE member_id BETWEEN $1 AND $2")
        .gives(RETURNS.all);

/// What was returned so far of members with ids from the first to the last.
pub(super) async fn returns_between(
    link: &mut Link<'_>,
    first: MemberId,
    last: MemberId,
) -> Result<Vec<ReturnedRow>, StoreError> {
    let call = link.call(&RETURNS_BETWEEN).uuid(first.0).uuid(last.0);
    link.rows(call, returned).await
}

fn returned(row: &Row<'_>) -> Result<ReturnedRow, StoreError> {
    let returned = Returned::from_bytes(row.member(RETURNS.member_id)?, row.bytes(RETURNS.lots)?);
    let returned = returned.map_err(|error| StoreError::damaged("a return", error))?;
    let amount = ReturnedAmount { amount: row.money(RETURNS.amount)?, total: row.money(RETURNS.total)? };
    let entry = row.entry(RETURNS.batch_id, RETURNS.ordinal)?;
    Ok(ReturnedRow { entry, returned, amount: Some(amount).filter(|amount| !amount.total.is_zero()) })
}

static SAVE_RETURNS: Sql = Sql::both("store.save_returns", "{upsert k}").takes(&[rows("k", RETURNS.all)]);

/// Writes what was returned by now.
pub(super) async fn save(link: &mut Link<'_>, book: &Book, changes: &Changes) -> Result<(), StoreError> {
    let mut returns = link.row_set(RETURNS.all);
    for id in changes.returned.union(&changes.returned_amounts) {
        let member = of_book(of_book(book.entries.get(id))?.member.as_ref())?;
        let returned = book.returned.get(id).cloned().unwrap_or_default();
        let ReturnedAmount { amount, total } = book.returned_amounts.get(id).copied().unwrap_or_default();
        returns.uuid(RETURNS.member_id, member.0).uuid(RETURNS.batch_id, id.batch.0);
        returns.int(RETURNS.ordinal, i64::from(id.ordinal)).bytes(RETURNS.lots, &returned.to_bytes());
        returns.int(RETURNS.amount, amount.0).int(RETURNS.total, total.0);
    }
    link.write(&SAVE_RETURNS, returns).await
}

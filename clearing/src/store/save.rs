//! Writing what a batch has changed.
//!
//! Rows first, sorted by their keys, nearly all in one statement; what few batches change has statements of its own. The sums
//! that all batches share come last of all (`head`).

use std::collections::{BTreeMap, BTreeSet};

use clearing_core::book::Book;
use clearing_core::book::changes::Changes;
use clearing_core::book::sums::Sum;
use clearing_core::chart::MoneyAccount;
use clearing_core::facts::chain::{BatchHeader, RequestRecord};
use clearing_core::facts::lot::LotId;
use clearing_core::facts::receipt::ReceiptLine;
use clearing_core::facts::window::Window;
use clearing_core::units::{MemberId, Money, Timestamp, WindowNumber};

use super::balances::balances_of;
use super::rows::RowSet;
use super::sql::{Call, Link, Sql, check_count, one, rows};
use super::tables::{Column, IDENTIFIERS, Kind, LOTS, MEMBERS, RECEIPTS};
use super::{Backend, StoreError, holds, identifiers, journal, lots, members, receipts, requests, returns, small};

pub(super) static STATEMENTS: &[&Sql] = &[&SAVE_ROWS];

/// What was found when the batch was loaded, by which rows are found again.
#[derive(Debug, Clone, Default)]
pub(super) struct Stored {
    /// Under which expiry lots were read.
    pub lots: BTreeMap<LotId, Timestamp>,
    /// From when on something is due for members, as it is stored.
    pub members: BTreeMap<MemberId, Timestamp>,
    /// Lines of receipts that were booked.
    pub receipts: BTreeSet<ReceiptLine>,
    /// Windows whose rows are locked.
    pub windows: BTreeMap<WindowNumber, Window>,
    /// Accounts whose balances were read without a lock, to be told.
    pub told: BTreeSet<MoneyAccount>,
}

/// Compares balances that were told with what they have become by this batch, behind the locks of their rows.
///
/// # Errors
/// Transient if another node moved one between reading and saving.
pub(super) async fn check_told(
    link: &mut Link<'_>,
    book: &Book,
    told: &BTreeSet<MoneyAccount>,
) -> Result<(), StoreError> {
    let currency = book.house.coalition.currency;
    let wanted = told.iter().map(|account| Sum::Money(*account));
    let stored = balances_of(link, currency.as_str(), wanted).await?;
    for account in told {
        let balance = |balances: &BTreeMap<MoneyAccount, Money>| balances.get(account).copied().unwrap_or_default();
        if balance(&stored.money) != balance(&book.money_balances) {
            return Err(StoreError::transient(format!("{account} moved in the meantime")));
        }
    }
    Ok(())
}

/// How many rows the parts of the statement have changed.
const CHANGED: Column = Column::made("changed", Kind::Int);

static SAVE_ROWS: Sql = Sql::new(
    "store.save_rows",
    "INSERT OR FAIL INTO entries (batch_id, {names e}) SELECT {batch}, {cells e} FROM {from e};
    INSERT OR FAIL INTO requests (batch_id, {names q}) SELECT {batch}, {cells q} FROM {from q};
    INSERT OR FAIL INTO identifiers ({names i}) {select i};
    INSERT OR FAIL INTO members ({names m}) {select m} ON CONFLICT ({key m}) DO UPDATE SET {excluded m};
    INSERT OR FAIL INTO lots ({names n}) {select n};
    WITH l AS MATERIALIZED ({select l}) UPDATE OR FAIL lots SET {set l} FROM l WHERE {match l lots};
    INSERT OR FAIL INTO receipts ({names t}) {select t};
    WITH u AS MATERIALIZED ({select u}) UPDATE OR FAIL members SET {set u} FROM u WHERE {match u members}",
    "WITH e AS (
        INSERT INTO entries (batch_id, {names e}) SELECT {batch}::uuid, {cells e} FROM {from e} RETURNING 1
    ), q AS (
        INSERT INTO requests (batch_id, {names q}) SELECT {batch}::uuid, {cells q} FROM {from q} RETURNING 1
    ), i AS (
        INSERT INTO identifiers ({names i}) {select i} RETURNING 1
    ), m AS (
        INSERT INTO members ({names m}) {select m} ON CONFLICT ({key m}) DO UPDATE SET {excluded m} RETURNING 1
    ), n AS (
        INSERT INTO lots ({names n}) {select n} RETURNING 1
    ), l AS (
        UPDATE lots SET {set l} FROM {rows l} WHERE {match l lots} RETURNING 1
    ), t AS (
        INSERT INTO receipts ({names t}) {select t} RETURNING 1
    )
    SELECT (SELECT count(*) FROM e) + (SELECT count(*) FROM q) + (SELECT count(*) FROM i) + (SELECT count(*) FROM m)
        + (SELECT count(*) FROM n) + (SELECT count(*) FROM l) + (SELECT count(*) FROM t) AS changed",
)
.takes(&[
    rows("e", journal::NEW),
    rows("q", requests::NEW),
    rows("i", IDENTIFIERS.all),
    rows("m", MEMBERS.all),
    rows("n", LOTS.all),
    rows("l", lots::CHANGED),
    rows("t", RECEIPTS.all),
    one("batch"),
    // On SQLite alone.
    rows("u", members::DUE_AS_BEFORE),
])
.gives(&[CHANGED]);

/// Writes entries, requests, identifiers, members, lots, receipts, holds and returns.
pub(super) async fn save_rows(
    link: &mut Link<'_>,
    book: &Book,
    changes: &Changes,
    header: &BatchHeader,
    (stored, records): (&Stored, &[RequestRecord]),
) -> Result<(), StoreError> {
    let entries = journal::written(link, book, changes)?;
    let requests = requests::changed(link, book, changes, records)?;
    let identifiers = identifiers::enrolled(link, changes);
    let members = members::changed(link, book, changes, stored)?;
    let lots = lots::changed(link, book, changes, stored)?;
    let receipts = receipts::booked(link, changes);

    receipts::free(link, changes, stored).await?;
    holds::save(link, book, changes).await?;
    returns::save(link, book, changes).await?;
    requests::abandon(link, &requests.abandoned).await?;
    lots::save_moved(link, lots.moved).await?;

    let sets = [entries, requests.rows, identifiers, members.rows, lots.new, lots.changed, receipts];
    let expected = sets.iter().map(RowSet::len).sum::<usize>() + members.due_as_before.len();
    if expected == 0 {
        return Ok(());
    }
    let call = sets.into_iter().fold(link.call(&SAVE_ROWS), Call::rows).uuid(header.batch.0);
    let changed = match link.backend() {
        Backend::Sqlite => link.execute(call.rows(members.due_as_before)).await?,
        Backend::Postgres => small(link.row(call, |row| row.int(CHANGED)).await?.unwrap_or(0))?,
    };
    check_count(SAVE_ROWS.name(), changed, expected)
}

/// What the rules have changed is in the book.
pub(super) fn of_book<T>(found: Option<&T>) -> Result<&T, StoreError> {
    found.ok_or_else(|| StoreError::permanent("what a batch has changed is not in its book"))
}

//! Writing what a batch has changed.
//!
//! Rows first, sorted by their keys, to PostgreSQL nearly all in one statement; what few batches change has statements of its
//! own. The sums that all batches share come last of all (`head`).

use std::collections::{BTreeMap, BTreeSet};

use clearing_core::book::Book;
use clearing_core::book::changes::Changes;
use clearing_core::book::sums::Sum;
use clearing_core::chart::MoneyAccount;
use clearing_core::facts::chain::{BatchHeader, RequestRecord};
use clearing_core::facts::lot::{LotId, LotPlace};
use clearing_core::facts::window::Window;
use clearing_core::units::{MemberId, Money, WindowNumber};

use super::balances::balances_of;
use super::head::BATCH;
use super::receipts::StoredLines;
use super::rows::RowSet;
use super::sql::{Call, Link, Sql, check_count, rows};
use super::tables::{Column, ENTRIES, IDENTIFIERS, Kind, MEMBERS, RECEIPTS, REQUESTS};
use super::{Backend, StoreError, holds, identifiers, journal, lots, members, receipts, requests, returns, small};

pub(super) static STATEMENTS: &[&Sql] =
    &[&INSERT_ENTRIES, &INSERT_REQUESTS, &INSERT_LINKS, &UPSERT_MEMBERS, &UPDATE_MEMBERS, &INSERT_RECEIPTS, &SAVE_ROWS];

/// What was found when the batch was loaded, by which rows are found again.
#[derive(Debug, Clone, Default)]
pub(super) struct Stored {
    /// Lots that stand outside of their member's row.
    pub lots: BTreeMap<LotId, lots::Found>,
    pub members: BTreeMap<MemberId, members::Found>,
    /// From which place on lots of members that stand outside of the row and have available points may not have been read,
    /// where it is not the place that the row names.
    pub unread: BTreeMap<MemberId, LotPlace>,
    /// Lines of receipts that were booked.
    pub receipts: StoredLines,
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

static INSERT_ENTRIES: Sql = Sql::sqlite("store.insert_entries", "{insert k}").takes(&[rows("k", ENTRIES.all)]);
static INSERT_REQUESTS: Sql = Sql::sqlite("store.insert_requests", "{insert k}").takes(&[rows("k", REQUESTS.all)]);
static INSERT_LINKS: Sql = Sql::sqlite("store.insert_identifiers", "{insert k}").takes(&[rows("k", IDENTIFIERS.all)]);
static UPSERT_MEMBERS: Sql = Sql::sqlite("store.upsert_members", "{upsert k}").takes(&[rows("k", MEMBERS.all)]);
static UPDATE_MEMBERS: Sql =
    Sql::sqlite("store.update_members", "{update k}").takes(&[rows("k", members::DUE_AS_BEFORE)]);
static INSERT_RECEIPTS: Sql = Sql::sqlite("store.insert_receipts", "{insert k}").takes(&[rows("k", RECEIPTS.all)]);

/// How many rows the parts of the statement have changed.
const CHANGED: Column = Column::made("changed", Kind::Int);

/// What stands above as parts of one statement, as each would be a round trip.
macro_rules! write_rows {
    () => {
        "e AS (
        {insert e} RETURNING 1
    ), q AS (
        {insert q} RETURNING 1
    ), i AS (
        {insert i} RETURNING 1
    ), m AS (
        {upsert m} RETURNING 1
    ), t AS (
        {insert t} RETURNING 1
    )"
    };
}

/// How many rows these have written.
macro_rules! written_rows {
    () => {
        "(SELECT count(*) FROM e) + (SELECT count(*) FROM q) + (SELECT count(*) FROM i) + (SELECT count(*) FROM m)
        + (SELECT count(*) FROM t)"
    };
}

pub(super) use {write_rows, written_rows};

static SAVE_ROWS: Sql =
    Sql::postgres("store.save_rows", concat!("WITH ", write_rows!(), "\n    SELECT ", written_rows!(), " AS changed"))
        .takes(BATCH.split_at(5).0)
        .gives(&[CHANGED]);

/// Rows that are still to be written: entries, requests, identifiers, members and receipts, as [`SAVE_ROWS`] takes them.
pub(super) type Unsaved = [RowSet; 5];

/// Writes entries, requests, identifiers, members, lots, receipts, holds and returns. To PostgreSQL, gives back what the
/// statement of the head is to write (`head`) if that writes them `together`.
pub(super) async fn save_rows(
    link: &mut Link<'_>,
    book: &Book,
    changes: &Changes,
    (header, stored, records): (&BatchHeader, &Stored, &[RequestRecord]),
    (lots_in_row, together): (usize, bool),
) -> Result<Option<Unsaved>, StoreError> {
    let entries = journal::written(link, book, changes)?;
    let requests = requests::changed(link, book, changes, header.batch, records)?;
    let identifiers = identifiers::enrolled(link, changes);
    let lots = lots::changed(link, book, changes, stored, lots_in_row)?;
    let members = members::changed(link, book, changes, stored, &lots.rows)?;
    let receipts = receipts::booked(link, changes, &stored.receipts)?;

    receipts::undo(link, changes, &stored.receipts).await?;
    holds::save(link, book, changes).await?;
    returns::save(link, book, changes).await?;
    requests::abandon(link, &requests.abandoned).await?;
    lots::save_further(link, (lots.out, lots.changed, lots.moved), (lots.waiting, lots.released)).await?;

    if link.backend() == Backend::Sqlite {
        link.write(&INSERT_ENTRIES, entries).await?;
        link.write(&INSERT_REQUESTS, requests.rows).await?;
        link.write(&INSERT_LINKS, identifiers).await?;
        link.write(&UPSERT_MEMBERS, members.rows).await?;
        link.write(&UPDATE_MEMBERS, members.due_as_before).await?;
        link.write(&INSERT_RECEIPTS, receipts).await?;
        return Ok(None);
    }
    let sets = [entries, requests.rows, identifiers, members.rows, receipts];
    let expected = sets.iter().map(RowSet::len).sum::<usize>();
    if together || expected == 0 {
        return Ok(together.then_some(sets));
    }
    let call = sets.into_iter().fold(link.call(&SAVE_ROWS), Call::rows);
    let changed = small(link.row(call, |row| row.int(CHANGED)).await?.unwrap_or(0))?;
    check_count(SAVE_ROWS.name(), changed, expected)?;
    Ok(None)
}

/// What the rules have changed is in the book.
pub(super) fn of_book<T>(found: Option<&T>) -> Result<&T, StoreError> {
    found.ok_or_else(|| StoreError::permanent("what a batch has changed is not in its book"))
}

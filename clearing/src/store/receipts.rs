//! Lines of receipts that were booked, each with the entry that booked it.

use std::collections::{BTreeMap, BTreeSet};

use clearing_core::book::changes::Changes;
use clearing_core::facts::origin::{BusinessDate, Code};
use clearing_core::facts::receipt::{Receipt, ReceiptLine, Side};
use clearing_core::units::EntryId;

use super::cells::Row;
use super::rows::RowSet;
use super::save::Stored;
use super::sql::{Link, Sql, rows};
use super::tables::{Column, RECEIPTS};
use super::{Backend, Snapshot, StoreError};

pub(super) static STATEMENTS: &[&Sql] = &[&RECEIPT_LINES, &LOCK_RECEIPTS, &FREE_RECEIPTS];

/// Receipts whose lines are read at once.
const RECEIPTS_AT_ONCE: usize = 1_000;

/// What tells a receipt.
pub(super) const RECEIPT: &[Column] =
    &[RECEIPTS.partner, RECEIPTS.business_date, RECEIPTS.store, RECEIPTS.till, RECEIPTS.number];

/// What tells a line.
const LINE: &[Column] = &[
    RECEIPTS.partner,
    RECEIPTS.business_date,
    RECEIPTS.store,
    RECEIPTS.till,
    RECEIPTS.number,
    RECEIPTS.side,
    RECEIPTS.line,
];

static RECEIPT_LINES: Sql =
    Sql::both("store.receipts", "SELECT {receipts r} FROM {rows k} CROSS JOIN receipts AS r WHERE {match k r}")
        .takes(&[rows("k", RECEIPT)])
        .gives(RECEIPTS.all);

static LOCK_RECEIPTS: Sql = Sql::postgres(
    "store.lock_receipts",
    "SELECT pg_catalog.pg_advisory_xact_lock(key) FROM (
        SELECT DISTINCT hashtextextended(concat_ws(chr(31), {names k}), 0) AS key FROM {rows k} ORDER BY key
    ) AS k",
)
.takes(&[rows("k", RECEIPT)]);

/// Keeps other nodes from booking these receipts until the transaction ends: there may be no row yet to lock. On SQLite
/// the one writer has the database for itself.
pub(super) async fn lock_receipts(link: &mut Link<'_>, wanted: &BTreeSet<Receipt>) -> Result<(), StoreError> {
    if wanted.is_empty() || link.backend() == Backend::Sqlite {
        return Ok(());
    }
    let call = link.call(&LOCK_RECEIPTS).rows(receipt_keys(link, wanted));
    link.rows(call, |_| Ok(())).await.map(|_| ())
}

/// All lines of receipts, with the entries that they were booked with.
pub(super) async fn receipts(
    link: &mut Link<'_>,
    wanted: &BTreeSet<Receipt>,
) -> Result<Vec<(ReceiptLine, EntryId)>, StoreError> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let call = link.call(&RECEIPT_LINES).rows(receipt_keys(link, wanted));
    link.rows(call, receipt_line).await
}

/// What tells these receipts.
pub(super) fn receipt_keys(link: &Link<'_>, wanted: &BTreeSet<Receipt>) -> RowSet {
    let mut keys = link.row_set(RECEIPT);
    for receipt in wanted {
        push_receipt(&mut keys, receipt);
    }
    keys
}

fn push_receipt(rows: &mut RowSet, receipt: &Receipt) {
    let code = |code: &Option<Code>| code.as_ref().map_or_else(String::new, |code| code.as_str().to_owned());
    rows.text(RECEIPTS.partner, receipt.partner.as_str()).int(RECEIPTS.business_date, receipt.date.number());
    rows.text(RECEIPTS.store, &code(&receipt.store)).text(RECEIPTS.till, &code(&receipt.till));
    rows.text(RECEIPTS.number, receipt.number.as_str());
}

fn push_line(rows: &mut RowSet, line: &ReceiptLine) {
    push_receipt(rows, &line.receipt);
    let side = match line.side {
        Side::Earn => EARN,
        Side::Spend => SPEND,
    };
    rows.int(RECEIPTS.side, side).int(RECEIPTS.line, i64::from(line.line));
}

const EARN: i64 = 1;
const SPEND: i64 = 2;

/// A line and its entry.
pub(super) fn receipt_line(row: &Row<'_>) -> Result<(ReceiptLine, EntryId), StoreError> {
    let unreadable = |error| StoreError::damaged("a receipt", error);
    let code = |column: Column| match row.text(column)? {
        "" => Ok(None),
        text => Code::new(text).map(Some).map_err(unreadable),
    };
    let receipt = Receipt {
        partner: row.partner(RECEIPTS.partner)?,
        date: BusinessDate::from_number(row.int(RECEIPTS.business_date)?).map_err(unreadable)?,
        store: code(RECEIPTS.store)?,
        till: code(RECEIPTS.till)?,
        number: Code::receipt(row.text(RECEIPTS.number)?).map_err(unreadable)?,
    };
    let side = if row.int(RECEIPTS.side)? == EARN { Side::Earn } else { Side::Spend };
    let line = ReceiptLine { receipt, side, line: row.small(RECEIPTS.line)? };
    Ok((line, row.entry(RECEIPTS.batch_id, RECEIPTS.ordinal)?))
}

/// The lines that a batch has booked.
pub(super) fn booked(link: &Link<'_>, changes: &Changes) -> RowSet {
    let mut rows = link.row_set(RECEIPTS.all);
    for (line, entry) in &changes.receipts {
        if let Some(entry) = entry {
            push_line(&mut rows, line);
            rows.uuid(RECEIPTS.batch_id, entry.batch.0).int(RECEIPTS.ordinal, i64::from(entry.ordinal));
        }
    }
    rows
}

static FREE_RECEIPTS: Sql = Sql::both("store.free_receipts", "{delete k}").takes(&[rows("k", LINE)]);

/// Deletes the lines that are free again, or that are booked anew.
pub(super) async fn free(link: &mut Link<'_>, changes: &Changes, stored: &Stored) -> Result<(), StoreError> {
    let mut freed = link.row_set(LINE);
    for line in changes.receipts.keys().filter(|line| stored.receipts.contains(line)) {
        push_line(&mut freed, line);
    }
    link.write(&FREE_RECEIPTS, freed).await
}

impl Snapshot {
    /// All booked lines of these receipts, with the entries that they were booked with.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn receipt_lines(
        &mut self,
        wanted: &BTreeSet<Receipt>,
    ) -> Result<BTreeMap<ReceiptLine, EntryId>, StoreError> {
        let mut found = BTreeMap::new();
        let wanted: Vec<&Receipt> = wanted.iter().collect();
        for page in wanted.chunks(RECEIPTS_AT_ONCE) {
            let page = page.iter().map(|receipt| (*receipt).clone()).collect();
            found.extend(receipts(&mut self.link(), &page).await?);
        }
        Ok(found)
    }
}

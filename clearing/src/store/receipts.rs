//! Which lines of receipts were booked, each with the entry that booked it.
//!
//! A row lies under the key of its receipt (`ReceiptKey`) and does not say which receipt that is: the entry does. What is
//! booked under one key, line and side takes numbers, from 0 on. Rows are never deleted, so numbers that are taken stay taken.
//! Two nodes that book the same line at once therefore want the same number, or the later one has seen the row of the
//! earlier one: no line is booked twice.

use std::collections::{BTreeMap, BTreeSet};

use clearing_core::book::Book;
use clearing_core::book::changes::Changes;
use clearing_core::facts::origin::Code;
use clearing_core::facts::receipt::{Receipt, ReceiptKey, ReceiptLine, Side};
use clearing_core::units::EntryId;

use super::cells::Row;
use super::rows::RowSet;
use super::sql::{Link, Sql, rows};
use super::tables::{Column, Kind, RECEIPTS};
use super::{Backend, Snapshot, StoreError};

pub(super) static STATEMENTS: &[&Sql] = &[&RECEIPT_LINES, &LOCK_RECEIPTS, &UNDO_RECEIPTS];

/// How much may be booked under one key, line and side, what was undone since counted too: all of it is read with each
/// booking. More than a till has reason to, and far more than hashes bring together.
const BOOKED_MAX: u32 = 256;

/// By what the rows of a receipt are found.
pub(super) const KEY: &[Column] = &[RECEIPTS.receipt_key];

/// What a receipt is called, as a lock is named by it.
const NAME: &[Column] = &[
    Column::made("partner", Kind::Text),
    Column::made("business_date", Kind::Int),
    Column::made("store", Kind::Text),
    Column::made("till", Kind::Text),
    Column::made("number", Kind::Text),
];

static RECEIPT_LINES: Sql =
    Sql::both("store.receipts", "SELECT {receipts r} FROM {rows k} CROSS JOIN receipts AS r WHERE {match k r}")
        .takes(&[rows("k", KEY)])
        .gives(RECEIPTS.all);

static LOCK_RECEIPTS: Sql = Sql::postgres(
    "store.lock_receipts",
    "SELECT pg_catalog.pg_advisory_xact_lock(key) FROM (
        SELECT DISTINCT hashtextextended(concat_ws(chr(31), {names k}), 0) AS key FROM {rows k} ORDER BY key
    ) AS k",
)
.takes(&[rows("k", NAME)]);

/// Keeps other nodes from booking these receipts until the transaction ends: there may be no row yet to lock. On SQLite
/// the one writer has the database for itself.
pub(super) async fn lock_receipts(link: &mut Link<'_>, wanted: &BTreeSet<Receipt>) -> Result<(), StoreError> {
    if wanted.is_empty() || link.backend() == Backend::Sqlite {
        return Ok(());
    }
    let code = |code: &Option<Code>| code.as_ref().map_or_else(String::new, |code| code.as_str().to_owned());
    let mut names = link.row_set(NAME);
    for receipt in wanted {
        names.text(NAME[0], receipt.partner.as_str()).int(NAME[1], receipt.date.number());
        names.text(NAME[2], &code(&receipt.store)).text(NAME[3], &code(&receipt.till));
        names.text(NAME[4], receipt.number.as_str());
    }
    let call = link.call(&LOCK_RECEIPTS).rows(names);
    link.rows(call, |_| Ok(())).await.map(|_| ())
}

/// Where what was booked for a line lies, and what else has the same key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinePlace {
    pub key: ReceiptKey,
    pub line: u32,
    pub side: Side,
}

impl LinePlace {
    pub fn of(line: &ReceiptLine) -> Self {
        Self { key: line.receipt.key(), line: line.line, side: line.side }
    }
}

/// That an entry was booked with a line of a receipt, which the entry names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BookedLine {
    pub place: LinePlace,
    /// How many were booked there before it.
    pub nth: u32,
    pub entry: EntryId,
    /// Whether the entry was undone since: it keeps no line any more.
    pub undone: bool,
}

/// All that was booked under the keys of receipts, for these and for others.
pub(super) async fn receipts(link: &mut Link<'_>, wanted: &BTreeSet<Receipt>) -> Result<Vec<BookedLine>, StoreError> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let call = link.call(&RECEIPT_LINES).rows(receipt_keys(link, wanted));
    link.rows(call, booked_line).await
}

/// The keys of these receipts.
pub(super) fn receipt_keys(link: &Link<'_>, wanted: &BTreeSet<Receipt>) -> RowSet {
    let mut rows = link.row_set(KEY);
    let keys: BTreeSet<ReceiptKey> = wanted.iter().map(Receipt::key).collect();
    for key in keys {
        rows.uuid(RECEIPTS.receipt_key, key.0);
    }
    rows
}

const EARN: i64 = 1;
const SPEND: i64 = 2;

fn push_place(rows: &mut RowSet, place: LinePlace, nth: u32) {
    let side = match place.side {
        Side::Earn => EARN,
        Side::Spend => SPEND,
    };
    rows.uuid(RECEIPTS.receipt_key, place.key.0).int(RECEIPTS.line, i64::from(place.line));
    rows.int(RECEIPTS.side, side).int(RECEIPTS.nth, i64::from(nth));
}

pub(super) fn booked_line(row: &Row<'_>) -> Result<BookedLine, StoreError> {
    let side = if row.int(RECEIPTS.side)? == EARN { Side::Earn } else { Side::Spend };
    let key = ReceiptKey(row.uuid(RECEIPTS.receipt_key)?);
    Ok(BookedLine {
        place: LinePlace { key, line: row.small(RECEIPTS.line)?, side },
        nth: row.small(RECEIPTS.nth)?,
        entry: row.entry(RECEIPTS.batch_id, RECEIPTS.ordinal)?,
        undone: row.bool(RECEIPTS.undone)?,
    })
}

/// What is known of lines that were booked when a batch was loaded.
#[derive(Debug, Clone, Default)]
pub(super) struct StoredLines {
    /// Where the lines that are booked have their rows.
    booked: BTreeMap<ReceiptLine, (LinePlace, u32)>,
    /// The number that is next where something was booked before.
    next: BTreeMap<LinePlace, u32>,
}

impl StoredLines {
    /// Takes notice of rows: those of lines of the wanted receipts go into the book as well. The entries that booked what is
    /// not undone are in the book already.
    ///
    /// # Errors
    /// Permanent if one is not: it cannot be told then which receipt was booked.
    pub fn keep(
        &mut self,
        book: &mut Book,
        found: &[BookedLine],
        wanted: &BTreeSet<Receipt>,
    ) -> Result<(), StoreError> {
        for BookedLine { place, nth, entry, undone } in found.iter().copied() {
            let next = self.next.entry(place).or_default();
            *next = (nth + 1).max(*next);
            if undone {
                continue;
            }
            let gone = || StoreError::permanent(format!("entry {entry}, with which a receipt was booked, is gone"));
            let booked = book.entries.get(&entry).ok_or_else(gone)?;
            let line = ReceiptLine::of_entry(booked, &book.house.coalition.time_zone);
            let is_wanted = |line: &ReceiptLine| wanted.contains(&line.receipt) && LinePlace::of(line) == place;
            if let Some(line) = line.filter(is_wanted) {
                self.booked.insert(line.clone(), (place, nth));
                book.receipts.insert(line, entry);
            }
        }
        Ok(())
    }

    /// Forgets what lines of receipts are booked that are read again.
    pub fn forget(&mut self, receipts: &BTreeSet<Receipt>) {
        self.booked.retain(|line, _| !receipts.contains(&line.receipt));
    }
}

/// The lines that a batch has booked, in the order of their keys.
///
/// # Errors
/// Permanent if as much was booked for a line as may be.
pub(super) fn booked(link: &Link<'_>, changes: &Changes, stored: &StoredLines) -> Result<RowSet, StoreError> {
    let mut next = BTreeMap::new();
    let mut booked = BTreeMap::new();
    for (line, entry) in &changes.receipts {
        let Some(entry) = entry else { continue };
        let place = LinePlace::of(line);
        let nth: &mut u32 = next.entry(place).or_insert_with(|| stored.next.get(&place).copied().unwrap_or(0));
        if *nth >= BOOKED_MAX {
            return Err(StoreError::permanent(format!(
                "{line} of {}: {BOOKED_MAX} bookings have its key already, the most that there may be",
                line.receipt.partner
            )));
        }
        booked.insert((place, *nth), *entry);
        *nth += 1;
    }
    let mut rows = link.row_set(RECEIPTS.all);
    for ((place, nth), entry) in booked {
        push_place(&mut rows, place, nth);
        rows.uuid(RECEIPTS.batch_id, entry.batch.0).int(RECEIPTS.ordinal, i64::from(entry.ordinal));
        rows.bool(RECEIPTS.undone, false);
    }
    Ok(rows)
}

const UNDONE: &[Column] = &[RECEIPTS.receipt_key, RECEIPTS.line, RECEIPTS.side, RECEIPTS.nth, RECEIPTS.undone];

static UNDO_RECEIPTS: Sql = Sql::both("store.undo_receipts", "{update k}").takes(&[rows("k", UNDONE)]);

/// Notes of which lines the entries were undone, whether they are booked anew or not.
pub(super) async fn undo(link: &mut Link<'_>, changes: &Changes, stored: &StoredLines) -> Result<(), StoreError> {
    let undone: BTreeSet<_> = changes.receipts.keys().filter_map(|line| stored.booked.get(line)).collect();
    let mut rows = link.row_set(UNDONE);
    for (place, nth) in undone {
        push_place(&mut rows, *place, *nth);
        rows.bool(RECEIPTS.undone, true);
    }
    link.write(&UNDO_RECEIPTS, rows).await
}

impl Snapshot {
    /// All that was booked under the keys of receipts, for these and for others, in the order of the rows.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn booked_lines(&mut self, wanted: &BTreeSet<Receipt>) -> Result<Vec<BookedLine>, StoreError> {
        receipts(&mut self.link(), wanted).await
    }
}

//! What partners are charged by themselves, and what others answer for of their debts.

use std::collections::BTreeSet;

use clearing_core::book::Book;
use clearing_core::book::changes::Changes;
use clearing_core::facts::charges::{ChargeState, Every, ScheduledCharge, begin_of};
use clearing_core::facts::origin::{BusinessDate, Code};
use clearing_core::facts::partner::Partner;
use clearing_core::facts::security::Guarantee;
use clearing_core::units::{PartnerId, Timestamp};

use super::cells::Row;
use super::rows::RowSet;
use super::save::of_book;
use super::sql::{Link, Sql, one, rows};
use super::tables::{CHARGES, Column, GUARANTEES};
use super::{Backend, Store, StoreError, known};

pub(super) static STATEMENTS: &[&Sql] = &[
    &CHARGES_OF,
    &LOCK_CHARGES,
    &ALL_CHARGES,
    &UPSERT_CHARGES,
    &CHARGES_DUE,
    &ALL_GUARANTEES,
    &DELETE_GUARANTEES,
    &INSERT_GUARANTEES,
];

const OF: &[Column] = &[CHARGES.partner];

static CHARGES_OF: Sql = Sql::both(
    "store.charges_of",
    "SELECT {charges c} FROM {rows k} CROSS JOIN charges AS c WHERE c.partner = k.partner",
)
.takes(&[rows("k", OF)])
.gives(CHARGES.all);

static LOCK_CHARGES: Sql = Sql::postgres(
    "store.lock_charges",
    "SELECT {charges} FROM charges WHERE partner = ANY ({array k}) ORDER BY partner, reason FOR UPDATE",
)
.takes(&[rows("k", OF)])
.gives(CHARGES.all);

/// Puts the charges of partners into the book, locked in ascending order until the transaction ends. Who has none yet is not locked:
/// of two nodes that give it the first ones at once, the later one's stand. Who has the gate alone, or a snapshot, locks nothing.
pub(super) async fn load(
    link: &mut Link<'_>,
    book: &mut Book,
    partners: &BTreeSet<PartnerId>,
    lock: bool,
) -> Result<(), StoreError> {
    let wanted = of_partners(link, OF, partners.iter());
    if wanted.is_empty() {
        return Ok(());
    }
    let locks = lock && link.backend() == Backend::Postgres;
    let call = link.call(if locks { &LOCK_CHARGES } else { &CHARGES_OF }).rows(wanted);
    book.charges.extend(link.rows(call, charge).await?);
    Ok(())
}

fn of_partners<'a>(
    link: &Link<'_>,
    columns: &'static [Column],
    partners: impl Iterator<Item = &'a PartnerId>,
) -> RowSet {
    let mut keys = link.row_set(columns);
    for partner in partners {
        keys.text(columns[0], partner.as_str());
    }
    keys
}

static ALL_CHARGES: Sql = Sql::both("store.all_charges", "SELECT {charges} FROM charges").gives(CHARGES.all);

/// All of them. The caller has a snapshot.
pub(super) async fn load_all(link: &mut Link<'_>, book: &mut Book) -> Result<(), StoreError> {
    let zone = &book.house.coalition.time_zone;
    let call = link.call(&ALL_CHARGES);
    let all = |row: &Row<'_>| {
        let (key, state) = charge(row)?;
        let due = row.int_or_null(CHARGES.due_at)?;
        if due != state.next.map(|next| begin_of(next, zone).0) {
            let problem = format!("a charge of {} for {} is not due when its period begins", key.0, key.1.as_str());
            return Err(StoreError::permanent(problem));
        }
        Ok((key, state))
    };
    let charges = link.rows(call, all).await?;
    book.charges = charges.into_iter().collect();
    Ok(())
}

fn charge(row: &Row<'_>) -> Result<((PartnerId, Code), ChargeState), StoreError> {
    let damaged = |error| StoreError::damaged("a charge by schedule", error);
    let day = |column| {
        let number = row.int_or_null(column)?.map(BusinessDate::from_number);
        number.transpose().map_err(damaged)
    };
    let reason = Code::word(row.text(CHARGES.reason)?).map_err(damaged)?;
    let charge = ScheduledCharge {
        reason: reason.clone(),
        amount: row.money(CHARGES.amount)?,
        every: known("period of a charge", Every::parse(row.text(CHARGES.every)?))?,
        first: BusinessDate::from_number(row.int(CHARGES.first_day)?).map_err(damaged)?,
        last: day(CHARGES.last_day)?,
    };
    let state = ChargeState { charge, charged: day(CHARGES.charged_day)?, next: day(CHARGES.next_day)? };
    Ok(((row.partner(CHARGES.partner)?, reason), state))
}

static UPSERT_CHARGES: Sql = Sql::both("store.upsert_charges", "{upsert k}").takes(&[rows("k", CHARGES.all)]);

/// Writes what a batch has changed of charges.
pub(super) async fn save(link: &mut Link<'_>, book: &Book, changes: &Changes) -> Result<(), StoreError> {
    let zone = &book.house.coalition.time_zone;
    let mut set = link.row_set(CHARGES.all);
    for key in &changes.charges {
        let ChargeState { charge, charged, next } = of_book(book.charges.get(key))?;
        set.text(CHARGES.partner, key.0.as_str()).text(CHARGES.reason, key.1.as_str());
        set.int(CHARGES.amount, charge.amount.0).text(CHARGES.every, charge.every.as_str());
        set.int(CHARGES.first_day, charge.first.number());
        set.int_or_null(CHARGES.last_day, charge.last.map(BusinessDate::number));
        set.int_or_null(CHARGES.charged_day, charged.map(BusinessDate::number));
        set.int_or_null(CHARGES.next_day, next.map(BusinessDate::number));
        set.int_or_null(CHARGES.due_at, next.map(|next| begin_of(next, zone).0));
    }
    link.write(&UPSERT_CHARGES, set).await
}

static CHARGES_DUE: Sql = Sql::both(
    "store.charges_due",
    "SELECT {charges} FROM charges WHERE due_at IS NOT NULL AND due_at <= {until} ORDER BY due_at, partner LIMIT {limit}",
)
.takes(&[one("until"), one("limit")])
.gives(&[CHARGES.partner, CHARGES.due_at]);

static ALL_GUARANTEES: Sql =
    Sql::both("store.guarantees", "SELECT {guarantees} FROM guarantees ORDER BY partner, ordinal")
        .gives(GUARANTEES.all);

/// All guarantees, those of a partner in their order. The caller holds the gate, or a snapshot.
pub(super) async fn guarantees(link: &mut Link<'_>) -> Result<Vec<(PartnerId, Guarantee)>, StoreError> {
    let call = link.call(&ALL_GUARANTEES);
    let mut before: Option<(PartnerId, i64)> = None;
    let guarantee = |row: &Row<'_>| {
        let (partner, ordinal) = (row.partner(GUARANTEES.partner)?, row.int(GUARANTEES.ordinal)?);
        let next = before.filter(|(of, _)| *of == partner).map_or(0, |(_, last)| last + 1);
        if ordinal != next {
            return Err(StoreError::permanent(format!(
                "a guarantee of {partner} has the number {ordinal}, not {next}"
            )));
        }
        before = Some((partner, ordinal));
        let guarantee = Guarantee {
            reference: row.text(GUARANTEES.reference)?.to_owned(),
            amount: row.money(GUARANTEES.amount)?,
            ends: row.time(GUARANTEES.ends_at)?,
        };
        Ok((partner, guarantee))
    };
    link.rows(call, guarantee).await
}

const OF_GUARANTEE: &[Column] = &[GUARANTEES.partner];

static DELETE_GUARANTEES: Sql =
    Sql::both("store.delete_guarantees", "DELETE FROM guarantees WHERE partner IN ({select k})")
        .takes(&[rows("k", OF_GUARANTEE)]);
static INSERT_GUARANTEES: Sql = Sql::both("store.insert_guarantees", "{insert k}").takes(&[rows("k", GUARANTEES.all)]);

/// Writes the guarantees of partners.
pub(super) async fn save_guarantees(link: &mut Link<'_>, partners: &[&Partner]) -> Result<(), StoreError> {
    let changed = of_partners(link, OF_GUARANTEE, partners.iter().map(|partner| &partner.id));
    if changed.is_empty() {
        return Ok(());
    }
    let call = link.call(&DELETE_GUARANTEES).rows(changed);
    link.execute(call).await?;
    let mut set = link.row_set(GUARANTEES.all);
    for partner in partners {
        for (ordinal, guarantee) in (0..).zip(&partner.security.guarantees) {
            set.text(GUARANTEES.partner, partner.id.as_str()).int(GUARANTEES.ordinal, ordinal);
            set.text(GUARANTEES.reference, &guarantee.reference).int(GUARANTEES.amount, guarantee.amount.0);
            set.int(GUARANTEES.ends_at, guarantee.ends.0);
        }
    }
    link.write(&INSERT_GUARANTEES, set).await
}

impl Store {
    /// The charges of a partner, by reason, those that are over among them.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn charges_of(&self, partner: PartnerId) -> Result<Vec<ChargeState>, StoreError> {
        let mut reader = self.reader().await?;
        let mut link = reader.link();
        let wanted = of_partners(&link, OF, [partner].iter());
        let call = link.call(&CHARGES_OF).rows(wanted);
        let mut found = link.rows(call, charge).await?;
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(found.into_iter().map(|(_, known)| known).collect())
    }

    /// Partners of whom a charge is due by a time, the one that has been due for longest first; `limit` charges are looked at. With when
    /// the first of each is due.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn charges_due(&self, until: Timestamp, limit: u32) -> Result<Vec<(PartnerId, Timestamp)>, StoreError> {
        let mut reader = self.reader().await?;
        let mut link = reader.link();
        let call = link.call(&CHARGES_DUE).int(until.0).int(i64::from(limit));
        let due = |row: &Row<'_>| Ok((row.partner(CHARGES.partner)?, row.time(CHARGES.due_at)?));
        let mut due = link.rows(call, due).await?;
        let mut seen = BTreeSet::new();
        due.retain(|(partner, _)| seen.insert(*partner));
        Ok(due)
    }
}

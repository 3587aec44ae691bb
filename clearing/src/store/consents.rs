//! What funders let other partners issue at their cost.

use std::collections::{BTreeMap, BTreeSet};

use clearing_core::book::Book;
use clearing_core::book::changes::Changes;
use clearing_core::book::sums::Sum;
use clearing_core::facts::limits::Consent;
use clearing_core::units::PartnerId;

use super::StoreError;
use super::cells::Row;
use super::sql::{Link, Sql, rows};
use super::tables::{CONSENTS, Column};

pub(super) static STATEMENTS: &[&Sql] = &[&LOCK_CONSENTS, &ALL_CONSENTS, &GIVE_CONSENTS, &USE_CONSENTS];

const KEY: &[Column] = &[CONSENTS.funder, CONSENTS.partner];

static LOCK_CONSENTS: Sql = Sql::new(
    "store.lock_consents",
    "SELECT {consents c} FROM {rows k} CROSS JOIN consents AS c WHERE {match k c}",
    "SELECT {consents c} FROM consents AS c JOIN {rows k} ON {match k c}
    ORDER BY c.funder, c.partner FOR UPDATE OF c",
)
.takes(&[rows("k", KEY)])
.gives(CONSENTS.all);

/// Consents of funders (first) to partners (second); locked in ascending order until the transaction ends.
pub(super) async fn lock_consents(
    link: &mut Link<'_>,
    wanted: &BTreeSet<(PartnerId, PartnerId)>,
) -> Result<BTreeMap<(PartnerId, PartnerId), Consent>, StoreError> {
    let mut keys = link.row_set(KEY);
    for (funder, partner) in wanted {
        keys.text(CONSENTS.funder, funder.as_str()).text(CONSENTS.partner, partner.as_str());
    }
    if keys.is_empty() {
        return Ok(BTreeMap::new());
    }
    let call = link.call(&LOCK_CONSENTS).rows(keys);
    Ok(link.rows(call, consent).await?.into_iter().collect())
}

static ALL_CONSENTS: Sql = Sql::both("store.all_consents", "SELECT {consents} FROM consents").gives(CONSENTS.all);

/// All consents. The caller has the gate alone, or a snapshot.
pub(super) async fn consents(link: &mut Link<'_>) -> Result<BTreeMap<(PartnerId, PartnerId), Consent>, StoreError> {
    let call = link.call(&ALL_CONSENTS);
    Ok(link.rows(call, consent).await?.into_iter().collect())
}

fn consent(row: &Row<'_>) -> Result<((PartnerId, PartnerId), Consent), StoreError> {
    let consent = Consent {
        granted: row.bool_or_null(CONSENTS.granted)?,
        budget: row.points_or_null(CONSENTS.budget)?,
        used: row.points(CONSENTS.used)?,
    };
    Ok(((row.partner(CONSENTS.funder)?, row.partner(CONSENTS.partner)?), consent))
}

static GIVE_CONSENTS: Sql = Sql::both(
    "store.give_consents",
    "{insert k}
    ON CONFLICT ({key k}) DO UPDATE SET granted = excluded.granted, budget = excluded.budget",
)
.takes(&[rows("k", CONSENTS.all)]);

/// Writes the consents that a batch has given or taken back; what was used of them stays.
pub(super) async fn save_given(link: &mut Link<'_>, book: &Book, changes: &Changes) -> Result<(), StoreError> {
    let mut given = link.row_set(CONSENTS.all);
    for key in &changes.consents_given {
        let consent = book.consents.get(key).copied().unwrap_or_default();
        given.text(CONSENTS.funder, key.0.as_str()).text(CONSENTS.partner, key.1.as_str());
        given.bool_or_null(CONSENTS.granted, consent.granted);
        given.int_or_null(CONSENTS.budget, consent.budget.map(|budget| budget.0)).int(CONSENTS.used, 0);
    }
    link.write(&GIVE_CONSENTS, given).await
}

const USED: &[Column] = &[CONSENTS.funder, CONSENTS.partner, CONSENTS.used];

static USE_CONSENTS: Sql = Sql::new(
    "store.use_consents",
    "{insert k}
    ON CONFLICT ({key k}) DO UPDATE SET used = used + excluded.used
    RETURNING {consents}",
    "WITH head AS MATERIALIZED (SELECT 1 FROM journal_head WHERE id = 1 FOR UPDATE)
    INSERT INTO consents ({names k}) SELECT {cells k} FROM head CROSS JOIN {rows k}
    ON CONFLICT ({key k}) DO UPDATE SET used = consents.used + excluded.used
    RETURNING {consents consents}",
)
.takes(&[rows("k", USED)])
.gives(USED);

/// Adds what a batch has used of consents, behind the lock on the journal's head. Gives what the sums became.
pub(super) async fn save_used(link: &mut Link<'_>, changes: &Changes) -> Result<Vec<(Sum, i64)>, StoreError> {
    let mut used = link.row_set(USED);
    for ((funder, partner), points) in &changes.consents {
        used.text(CONSENTS.funder, funder.as_str()).text(CONSENTS.partner, partner.as_str());
        used.int(CONSENTS.used, points.0);
    }
    let became = |row: &Row<'_>| {
        let sum = Sum::Consent(row.partner(CONSENTS.funder)?, row.partner(CONSENTS.partner)?);
        Ok((sum, row.int(CONSENTS.used)?))
    };
    link.write_telling(&USE_CONSENTS, used, became).await
}

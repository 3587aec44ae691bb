//! Versions of partners' terms, and what is outstanding of each. A version never changes.

use std::collections::BTreeMap;

use clearing_core::book::changes::Changes;
use clearing_core::facts::partner::Partner;
use clearing_core::facts::terms::{Breakage, FeeBearer, Funding, Terms};
use clearing_core::units::{PartnerId, Points, Rate};

use super::cells::Row;
use super::rows::RowSet;
use super::sql::{Link, Sql, rows};
use super::tables::{TERMS, TERMS_OUTSTANDING};
use super::{Snapshot, StoreError, known};

pub(super) static STATEMENTS: &[&Sql] = &[&ALL_TERMS, &INSERT_TERMS, &OUTSTANDING, &INSERT_OUTSTANDING];

static ALL_TERMS: Sql =
    Sql::both("store.terms", "SELECT {terms} FROM terms ORDER BY partner, version").gives(TERMS.all);

/// All versions of all terms, by partner and version.
pub(super) async fn terms(link: &mut Link<'_>) -> Result<Vec<(PartnerId, Terms)>, StoreError> {
    let call = link.call(&ALL_TERMS);
    link.rows(call, version).await
}

fn version(row: &Row<'_>) -> Result<(PartnerId, Terms), StoreError> {
    let terms = Terms {
        version: row.small(TERMS.version)?,
        effective: row.time(TERMS.effective_at)?,
        funding: known("funding", Funding::parse(row.text(TERMS.funding)?))?,
        price: row.money(TERMS.price)?,
        value: row.money(TERMS.point_value)?,
        reimbursement: row.money(TERMS.reimbursement)?,
        acceptance_fee: rate(row.text(TERMS.acceptance_fee)?)?,
        fee_bearer: known("fee bearer", FeeBearer::parse(row.text(TERMS.fee_bearer)?))?,
        breakage: Breakage {
            reserve: rate(row.text(TERMS.breakage_reserve)?)?,
            operator: rate(row.text(TERMS.breakage_operator)?)?,
            issuer: rate(row.text(TERMS.breakage_issuer)?)?,
        },
        expiry: row.text(TERMS.expiry)?.parse().map_err(|error| StoreError::damaged("an expiry", error))?,
        return_days: row.small_or_null(TERMS.return_days)?,
        tender_value: row.money(TERMS.tender_value)?,
        receipt_share: rate(row.text(TERMS.receipt_share)?)?,
    };
    Ok((row.partner(TERMS.partner)?, terms))
}

static INSERT_TERMS: Sql = Sql::both("store.insert_terms", "{insert k}").takes(&[rows("k", TERMS.all)]);

static INSERT_OUTSTANDING: Sql =
    Sql::both("store.insert_outstanding", "{insert k}").takes(&[rows("k", TERMS_OUTSTANDING.all)]);

/// Writes versions of terms, of each of which nothing is outstanding yet.
pub(super) async fn insert<'a>(
    link: &mut Link<'_>,
    versions: impl Iterator<Item = Result<(&'a Partner, &'a Terms), StoreError>>,
) -> Result<(), StoreError> {
    let (mut rows, mut outstanding) = (link.row_set(TERMS.all), link.row_set(TERMS_OUTSTANDING.all));
    for version in versions {
        let (partner, terms) = version?;
        push(&mut rows, partner.id, terms);
        outstanding.text(TERMS_OUTSTANDING.partner, partner.id.as_str());
        outstanding.int(TERMS_OUTSTANDING.version, i64::from(terms.version)).int(TERMS_OUTSTANDING.points, 0);
    }
    link.write(&INSERT_TERMS, rows).await?;
    link.write(&INSERT_OUTSTANDING, outstanding).await
}

fn push(rows: &mut RowSet, partner: PartnerId, terms: &Terms) {
    let decimal = |rate: &Rate| rate.decimal().to_string();
    rows.text(TERMS.partner, partner.as_str()).int(TERMS.version, i64::from(terms.version));
    rows.int(TERMS.effective_at, terms.effective.0).text(TERMS.funding, terms.funding.as_str());
    rows.int(TERMS.price, terms.price.0).int(TERMS.point_value, terms.value.0);
    rows.int(TERMS.reimbursement, terms.reimbursement.0);
    rows.text(TERMS.acceptance_fee, &decimal(&terms.acceptance_fee));
    rows.text(TERMS.fee_bearer, terms.fee_bearer.as_str()).text(TERMS.expiry, &terms.expiry.to_string());
    let Breakage { reserve, operator, issuer } = &terms.breakage;
    rows.text(TERMS.breakage_reserve, &decimal(reserve)).text(TERMS.breakage_operator, &decimal(operator));
    rows.text(TERMS.breakage_issuer, &decimal(issuer));
    rows.int_or_null(TERMS.return_days, terms.return_days.map(i64::from));
    rows.int(TERMS.tender_value, terms.tender_value.0).text(TERMS.receipt_share, &decimal(&terms.receipt_share));
}

pub(super) fn rate(text: &str) -> Result<Rate, StoreError> {
    text.parse().map_err(|error| StoreError::damaged("a rate", error))
}

static OUTSTANDING: Sql =
    Sql::both("store.outstanding", "SELECT {terms_outstanding} FROM terms_outstanding").gives(TERMS_OUTSTANDING.all);

/// Points not yet redeemed, expired or taken back, per version of terms.
pub(super) async fn outstanding(link: &mut Link<'_>) -> Result<BTreeMap<(PartnerId, u32), Points>, StoreError> {
    let call = link.call(&OUTSTANDING);
    let points = |row: &Row<'_>| {
        let key = (row.partner(TERMS_OUTSTANDING.partner)?, row.small(TERMS_OUTSTANDING.version)?);
        Ok((key, row.points(TERMS_OUTSTANDING.points)?))
    };
    Ok(link.rows(call, points).await?.into_iter().collect())
}

/// By how much a batch moves what is outstanding.
pub(super) fn moved(link: &Link<'_>, changes: &Changes) -> RowSet {
    let mut rows = link.row_set(TERMS_OUTSTANDING.all);
    for ((partner, version), points) in &changes.outstanding {
        rows.text(TERMS_OUTSTANDING.partner, partner.as_str());
        rows.int(TERMS_OUTSTANDING.version, i64::from(*version)).int(TERMS_OUTSTANDING.points, points.0);
    }
    rows
}

impl Snapshot {
    /// Points not yet redeemed, expired or taken back, per version of terms.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn outstanding(&mut self) -> Result<BTreeMap<(PartnerId, u32), Points>, StoreError> {
        outstanding(&mut self.link()).await
    }
}

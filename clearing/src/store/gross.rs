//! Gross obligations of windows: what issuers owe acceptors for redemptions of their points.

use std::collections::BTreeMap;

use clearing_core::book::changes::Changes;
use clearing_core::facts::window::Gross;
use clearing_core::netting::Obligations;
use clearing_core::units::{PartnerId, WindowNumber};

use super::cells::Row;
use super::rows::RowSet;
use super::sql::{Link, Sql};
use super::tables::GROSS;
use super::{Snapshot, Store, StoreError};

pub(super) static STATEMENTS: &[&Sql] = &[&GROSS_OF_WINDOW, &GROSS_REST];

/// Gross obligations by window, issuer and acceptor.
pub type GrossRows = BTreeMap<(WindowNumber, PartnerId, PartnerId), Gross>;

static GROSS_OF_WINDOW: Sql =
    Sql::both("store.gross", "SELECT {gross} FROM gross WHERE window_number = $1").gives(GROSS.all);

/// Gross obligations of a window: issuer to acceptor.
pub(super) async fn gross(
    link: &mut Link<'_>,
    window: WindowNumber,
) -> Result<BTreeMap<(PartnerId, PartnerId), Gross>, StoreError> {
    let call = link.call(&GROSS_OF_WINDOW).int(i64::from(window));
    let rows = link.rows(call, obligation).await?;
    Ok(rows.into_iter().map(|((_, issuer, acceptor), gross)| ((issuer, acceptor), gross)).collect())
}

fn obligation(row: &Row<'_>) -> Result<((WindowNumber, PartnerId, PartnerId), Gross), StoreError> {
    let key = (row.small(GROSS.window_number)?, row.partner(GROSS.issuer)?, row.partner(GROSS.acceptor)?);
    Ok((key, Gross { points: row.points(GROSS.points)?, amount: row.money(GROSS.amount)? }))
}

/// By how much a batch moves gross obligations.
pub(super) fn moved(link: &Link<'_>, changes: &Changes) -> RowSet {
    let mut rows = link.row_set(GROSS.all);
    for ((window, issuer, acceptor), sums) in &changes.gross {
        rows.int(GROSS.window_number, i64::from(*window)).text(GROSS.issuer, issuer.as_str());
        rows.text(GROSS.acceptor, acceptor.as_str());
        rows.int(GROSS.points, sums.points.0).int(GROSS.amount, sums.amount.0);
    }
    rows
}

// Of the windows from one on, and of those that cannot be.
static GROSS_REST: Sql =
    Sql::both("store.gross_rest", "SELECT {gross} FROM gross WHERE window_number >= $1 OR window_number < 1")
        .gives(GROSS.all);

impl Store {
    /// Gross obligations of a window, issuer to acceptor.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn gross_of(&self, window: WindowNumber) -> Result<Obligations, StoreError> {
        gross(&mut self.reader().await?.link(), window).await
    }
}

impl Snapshot {
    /// Gross obligations of a window, issuer to acceptor.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn gross(&mut self, window: WindowNumber) -> Result<BTreeMap<(PartnerId, PartnerId), Gross>, StoreError> {
        gross(&mut self.link(), window).await
    }

    /// Gross obligations of the windows from one on, and of those that cannot be.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn gross_rest(&mut self, from: WindowNumber) -> Result<GrossRows, StoreError> {
        let mut link = self.link();
        let call = link.call(&GROSS_REST).int(i64::from(from));
        Ok(link.rows(call, obligation).await?.into_iter().collect())
    }
}

//! The balances of the accounts of the house. What members hold is in their own rows.

use std::collections::{BTreeMap, BTreeSet};

use clearing_core::book::Book;
use clearing_core::book::changes::Changes;
use clearing_core::book::sums::Sum;
use clearing_core::chart::{MoneyAccount, PointsAccount};
use clearing_core::units::{Money, PartnerId, Points, WindowNumber};

use super::cells::Row;
use super::rows::RowSet;
use super::sql::{Call, Link, Sql, rows};
use super::tables::{BALANCES, Column};
use super::{Snapshot, StoreError};

pub(super) static STATEMENTS: &[&Sql] = &[&BALANCES_OF, &ALL_BALANCES, &BALANCES_OF_WINDOW, &OTHER_COMMODITIES];

/// The commodity of balances in points; those in money have the code of their currency.
pub(super) const POINTS: &str = "points";

/// Behind it stand the balances that are no legs.
const NO_WINDOW: i64 = 0;

/// The balances of all accounts of the house.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Balances {
    pub points: BTreeMap<PointsAccount, Points>,
    pub money: BTreeMap<MoneyAccount, Money>,
}

const KEY: &[Column] = &[BALANCES.commodity, BALANCES.window_number, BALANCES.account];

static BALANCES_OF: Sql = Sql::new(
    "store.balances_of",
    "SELECT {balances b} FROM {rows k} CROSS JOIN balances AS b WHERE {match k b}",
    "SELECT {balances b} FROM balances AS b JOIN {rows k} ON {match k b}",
)
.takes(&[rows("k", KEY)])
.gives(BALANCES.all);

/// The accounts that limits of a partner are checked against: its position and what it has outstanding.
pub(super) fn accounts_of(partner: PartnerId) -> [Sum; 2] {
    [Sum::Money(MoneyAccount::Position(partner)), Sum::Points(PointsAccount::Issuer(partner))]
}

/// The balances of those of these sums that are accounts.
pub(super) async fn balances_of(
    link: &mut Link<'_>,
    currency: &str,
    sums: impl Iterator<Item = Sum>,
) -> Result<Balances, StoreError> {
    let mut keys = link.row_set(KEY);
    for sum in sums {
        match sum {
            Sum::Money(account) => push_key(&mut keys, currency, window_of(&account), &account.to_string()),
            Sum::Points(account) => push_key(&mut keys, POINTS, NO_WINDOW, &account.to_string()),
            Sum::Member(_)
            | Sum::Debt(_)
            | Sum::Outstanding(..)
            | Sum::GrossPoints(..)
            | Sum::GrossMoney(..)
            | Sum::Reserved(_)
            | Sum::Unsettled(_)
            | Sum::Issued(_)
            | Sum::Accepted(_)
            | Sum::Consent(..)
            | Sum::Waiting(..) => {}
        }
    }
    if keys.is_empty() {
        return Ok(Balances::default());
    }
    let call = link.call(&BALANCES_OF).rows(keys);
    read_balances(link, call).await
}

fn push_key(rows: &mut RowSet, commodity: &str, window: i64, account: &str) {
    rows.text(BALANCES.commodity, commodity).int(BALANCES.window_number, window).text(BALANCES.account, account);
}

/// Where the balance of an account stands: behind the number of its window, if it is a leg.
fn window_of(account: &MoneyAccount) -> i64 {
    match account {
        MoneyAccount::Settle(window, _) => i64::from(*window),
        MoneyAccount::Position(_)
        | MoneyAccount::Pool
        | MoneyAccount::Reserve
        | MoneyAccount::Unfunded
        | MoneyAccount::Collateral(_)
        | MoneyAccount::Bank(_)
        | MoneyAccount::Advance(_)
        | MoneyAccount::Unapplied(_)
        | MoneyAccount::Ordered(_)
        | MoneyAccount::Claim(_)
        | MoneyAccount::ReserveClaim
        | MoneyAccount::Shared(..) => NO_WINDOW,
    }
}

static ALL_BALANCES: Sql = Sql::both("store.balances", "SELECT {balances} FROM balances").gives(BALANCES.all);

/// All balances, the legs of every window among them.
pub(super) async fn all_balances(link: &mut Link<'_>) -> Result<Balances, StoreError> {
    let call = link.call(&ALL_BALANCES);
    read_balances(link, call).await
}

static BALANCES_OF_WINDOW: Sql = Sql::both(
    "store.balances_of_window",
    "SELECT {balances} FROM balances WHERE commodity IN ($1, $2) AND window_number = $3",
)
.gives(BALANCES.all);

/// The balances of all accounts but legs, and of the legs of these windows.
pub(super) async fn balances_with(
    link: &mut Link<'_>,
    currency: &str,
    windows: &BTreeSet<WindowNumber>,
) -> Result<Balances, StoreError> {
    let mut found = Balances::default();
    for window in windows.iter().map(|number| i64::from(*number)).chain([NO_WINDOW]) {
        let call = link.call(&BALANCES_OF_WINDOW).text(POINTS).text(currency).int(window);
        let balances = read_balances(link, call).await?;
        found.points.extend(balances.points);
        found.money.extend(balances.money);
    }
    Ok(found)
}

async fn read_balances(link: &mut Link<'_>, call: Call) -> Result<Balances, StoreError> {
    let mut balances = Balances::default();
    let balance = |row: &Row<'_>| {
        let is_points = row.text(BALANCES.commodity)? == POINTS;
        let (account, amount) = (row.text(BALANCES.account)?.to_owned(), row.int(BALANCES.amount)?);
        Ok((is_points, account, amount, row.int(BALANCES.window_number)?))
    };
    let damaged = |error| StoreError::damaged("an account's name", error);
    for (is_points, name, amount, window) in link.rows(call, balance).await? {
        let own = if is_points {
            balances.points.insert(name.parse().map_err(damaged)?, Points(amount));
            NO_WINDOW
        } else {
            let account = name.parse().map_err(damaged)?;
            balances.money.insert(account, Money(amount));
            window_of(&account)
        };
        if window != own {
            return Err(StoreError::permanent(format!("the balance of {name} stands with window {window}")));
        }
    }
    Ok(balances)
}

/// By how much a batch moves balances.
pub(super) fn moved(link: &Link<'_>, book: &Book, changes: &Changes) -> RowSet {
    let mut rows = link.row_set(BALANCES.all);
    let currency = book.house.coalition.currency;
    for (account, amount) in &changes.money_balances {
        push_key(&mut rows, currency.as_str(), window_of(account), &account.to_string());
        rows.int(BALANCES.amount, amount.0);
    }
    for (account, points) in &changes.points_balances {
        push_key(&mut rows, POINTS, NO_WINDOW, &account.to_string());
        rows.int(BALANCES.amount, points.0);
    }
    rows
}

static OTHER_COMMODITIES: Sql =
    Sql::both("store.other_commodities", "SELECT {balances} FROM balances WHERE commodity NOT IN ($1, $2) LIMIT 1")
        .gives(&[BALANCES.commodity, BALANCES.account]);

/// Sees that all balances are in points or in the currency.
///
/// # Errors
/// Permanent for a balance in anything else.
pub(super) async fn expect_no_others(link: &mut Link<'_>, currency: &str) -> Result<(), StoreError> {
    let call = link.call(&OTHER_COMMODITIES).text(POINTS).text(currency);
    let other = |row: &Row<'_>| Ok((row.text(BALANCES.commodity)?.to_owned(), row.text(BALANCES.account)?.to_owned()));
    match link.row(call, other).await? {
        None => Ok(()),
        Some((commodity, account)) => {
            Err(StoreError::permanent(format!("there is a balance of {account} in {commodity}")))
        }
    }
}

impl Snapshot {
    /// The balances of all accounts of the house; what members hold is not among them.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn balances(&mut self) -> Result<Balances, StoreError> {
        all_balances(&mut self.link()).await
    }
}

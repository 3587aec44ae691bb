//! Receipts, and a day's totals.

use crate::answers::{DayTotals, Tally};

/// Names a receipt of this brand.
///
/// ```
/// use partner_sdk::Receipt;
///
/// let receipt = Receipt::new("R-1", "2026-02-10").till("store-7", "3");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a receipt is found or reversed by a client"]
pub struct Receipt {
    pub(crate) store: String,
    pub(crate) till: String,
    pub(crate) receipt_number: String,
    pub(crate) business_date: String,
}

impl Receipt {
    /// By its number and business day, YYYY-MM-DD.
    pub fn new(number: impl Into<String>, business_date: impl Into<String>) -> Self {
        Self {
            store: String::new(),
            till: String::new(),
            receipt_number: number.into(),
            business_date: business_date.into(),
        }
    }

    /// Of this store, no till in particular.
    pub fn store(mut self, store: impl Into<String>) -> Self {
        self.store = store.into();
        self
    }

    /// Of this till of this store.
    pub fn till(mut self, store: impl Into<String>, till: impl Into<String>) -> Self {
        self.store = store.into();
        self.till = till.into();
        self
    }
}

/// What a till or store counted on a business day, to be compared with the house's books.
///
/// ```
/// use partner_sdk::DayCount;
///
/// // 41 issues of 5,120 points in all, 6 redemptions of 900.
/// let count = DayCount::of_till("store-7", "3", "2026-02-10").issued(41, 5120).redeemed(6, 900);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a count does nothing until a client sends it"]
pub struct DayCount {
    pub(crate) store: String,
    pub(crate) till: String,
    pub(crate) business_date: String,
    pub(crate) totals: DayTotals,
}

impl DayCount {
    /// Of all tills of a store, on a business day, YYYY-MM-DD.
    pub fn of_store(store: impl Into<String>, business_date: impl Into<String>) -> Self {
        Self::of_till(store, "", business_date)
    }

    /// Of one till.
    pub fn of_till(store: impl Into<String>, till: impl Into<String>, business_date: impl Into<String>) -> Self {
        Self {
            store: store.into(),
            till: till.into(),
            business_date: business_date.into(),
            totals: DayTotals::default(),
        }
    }

    /// So many issues of so many points.
    pub fn issued(mut self, count: i64, points: i64) -> Self {
        self.totals.issued = Tally { count, points };
        self
    }

    /// So many redemptions and captures of so many points.
    pub fn redeemed(mut self, count: i64, points: i64) -> Self {
        self.totals.redeemed = Tally { count, points };
        self
    }

    /// So many returns of so many points.
    pub fn returned(mut self, count: i64, points: i64) -> Self {
        self.totals.returned = Tally { count, points };
        self
    }

    /// So many reversals of so many points.
    pub fn reversed(mut self, count: i64, points: i64) -> Self {
        self.totals.reversed = Tally { count, points };
        self
    }
}

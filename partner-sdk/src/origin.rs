//! Where an operation comes from in the brand's own world.

use std::time::SystemTime;

use crate::money::Money;

/// Where an operation comes from. Everything is optional; the house stores it in its append-only journal, finds entries
/// by it, and interprets nothing. Put no personal data here.
///
/// ```
/// use partner_sdk::Origin;
///
/// let origin = Origin::till("store-7", "3").receipt("R-1").business_date("2026-02-10");
/// assert_eq!(origin.store, "store-7");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Origin {
    /// The store or web shop. At most 64 bytes, like the other texts here.
    pub store: String,
    /// The till within the store.
    pub till: String,
    /// The cashier as an opaque number, never a name.
    pub cashier: String,
    /// The number printed on the receipt.
    pub receipt_number: String,
    /// The line of the receipt, from 1; 0 means the receipt as a whole.
    pub receipt_line: i32,
    /// The brand's business day, YYYY-MM-DD.
    pub business_date: String,
    /// When the purchase took place by the till's clock.
    pub business_time: Option<SystemTime>,
    /// Total of the receipt, in the coalition's currency.
    pub receipt_total: Option<Money>,
    /// A counter that the device raises with each operation; 0 means not given.
    pub device_counter: i64,
}

impl Origin {
    /// A till of a store.
    #[must_use]
    pub fn till(store: impl Into<String>, till: impl Into<String>) -> Self {
        Self { store: store.into(), till: till.into(), ..Self::default() }
    }

    /// A store, no till in particular.
    #[must_use]
    pub fn store(store: impl Into<String>) -> Self {
        Self { store: store.into(), ..Self::default() }
    }

    /// Names the receipt.
    #[must_use]
    pub fn receipt(mut self, number: impl Into<String>) -> Self {
        self.receipt_number = number.into();
        self
    }

    /// Names the line of the receipt, from 1.
    #[must_use]
    pub fn receipt_line(mut self, line: i32) -> Self {
        self.receipt_line = line;
        self
    }

    /// Names the cashier by an opaque number.
    #[must_use]
    pub fn cashier(mut self, cashier: impl Into<String>) -> Self {
        self.cashier = cashier.into();
        self
    }

    /// Names the business day, YYYY-MM-DD.
    #[must_use]
    pub fn business_date(mut self, date: impl Into<String>) -> Self {
        self.business_date = date.into();
        self
    }

    /// Gives the till's own time.
    #[must_use]
    pub fn business_time(mut self, time: SystemTime) -> Self {
        self.business_time = Some(time);
        self
    }

    /// Gives the total of the receipt.
    #[must_use]
    pub fn receipt_total(mut self, total: Money) -> Self {
        self.receipt_total = Some(total);
        self
    }

    /// Gives the device's counter.
    #[must_use]
    pub fn device_counter(mut self, counter: i64) -> Self {
        self.device_counter = counter;
        self
    }
}

//! Amounts of money.

use std::fmt;

use rust_decimal::Decimal;

/// An amount of money. As a balance or a posting: credit is positive, debit negative, seen from the partner.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Money {
    /// ISO 4217 code, for example "RUB".
    pub currency: String,
    /// The amount. The house gives it with the coalition's full scale.
    pub amount: Decimal,
}

impl Money {
    /// An amount of a currency.
    #[must_use]
    pub fn new(currency: impl Into<String>, amount: Decimal) -> Self {
        Self { currency: currency.into(), amount }
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Zero has no sign, however it was worked out.
        let amount = if self.amount.is_zero() { self.amount.abs() } else { self.amount };
        write!(f, "{amount} {}", self.currency)
    }
}

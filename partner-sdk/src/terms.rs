//! The terms of partners, as the operator sets them.

use std::time::SystemTime;

use rust_decimal::Decimal;

use crate::answers::{FeeBearer, Funding};

/// When points expire, unless an issue names its own expiry. Days, months and their ends are the coalition's time zone's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expiry {
    /// Never.
    None,
    /// At this moment, whenever they were issued.
    Fixed(SystemTime),
    /// So many days after the issue.
    Days(i32),
    /// So many months after the issue.
    Months(i32),
    /// At the end of the month so many months after that of the issue.
    EndOfMonth(i32),
    /// At the end of the year so many years after that of the issue.
    EndOfYear(i32),
    /// So many days after the member's last activity.
    InactiveDays(i32),
}

/// Who gets the value of prepaid points that expire. The shares add up to 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakageSplit {
    /// Share of the coalition's reserve.
    pub reserve: Decimal,
    /// Share of the operator.
    pub operator: Decimal,
    /// Share of the issuer.
    pub issuer: Decimal,
}

/// A change of terms. What is not set stays; for a new partner it is the coalition's default.
///
/// ```
/// use partner_sdk::operator::{Funding, TermsChange};
/// use partner_sdk::Decimal;
///
/// let change = TermsChange::none().funding(Funding::AtIssue).price(Decimal::new(95, 2));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[must_use = "a change does nothing until it is sent"]
pub struct TermsChange {
    pub(crate) funding: Option<Funding>,
    pub(crate) price: Option<Decimal>,
    pub(crate) value: Option<Decimal>,
    pub(crate) reimbursement: Option<Decimal>,
    pub(crate) acceptance_fee: Option<Decimal>,
    pub(crate) fee_bearer: Option<FeeBearer>,
    pub(crate) breakage: Option<BreakageSplit>,
    pub(crate) expiry: Option<Expiry>,
    pub(crate) return_days: Option<Option<i32>>,
    pub(crate) tender_value: Option<Decimal>,
    pub(crate) receipt_share: Option<Decimal>,
}

impl TermsChange {
    /// Nothing yet.
    pub fn none() -> Self {
        Self::default()
    }

    /// Sets when the partner pays for the points it issues.
    pub fn funding(mut self, funding: Funding) -> Self {
        self.funding = Some(funding);
        self
    }

    /// Sets what it pays per point.
    pub fn price(mut self, price: Decimal) -> Self {
        self.price = Some(price);
        self
    }

    /// Sets what backs each of its points.
    pub fn value(mut self, value: Decimal) -> Self {
        self.value = Some(value);
        self
    }

    /// Sets what it gets per point that it accepts.
    pub fn reimbursement(mut self, reimbursement: Decimal) -> Self {
        self.reimbursement = Some(reimbursement);
        self
    }

    /// Sets the acceptance fee as a share: 0.02 is 2 %.
    pub fn acceptance_fee(mut self, rate: Decimal) -> Self {
        self.acceptance_fee = Some(rate);
        self
    }

    /// Sets who bears the fee.
    pub fn fee_bearer(mut self, bearer: FeeBearer) -> Self {
        self.fee_bearer = Some(bearer);
        self
    }

    /// Sets who gets the value of its prepaid points that expire.
    pub fn breakage(mut self, split: BreakageSplit) -> Self {
        self.breakage = Some(split);
        self
    }

    /// Sets when the points it issues expire.
    pub fn expiry(mut self, expiry: Expiry) -> Self {
        self.expiry = Some(expiry);
        self
    }

    /// Sets for how many days after an issue it can be reversed; `None`: for ever.
    pub fn return_days(mut self, days: Option<i32>) -> Self {
        self.return_days = Some(days);
        self
    }

    /// Sets what a point is worth to a customer at its tills.
    pub fn tender_value(mut self, value: Decimal) -> Self {
        self.tender_value = Some(value);
        self
    }

    /// Sets the largest share of a receipt that points may pay: 0.5 is half.
    pub fn receipt_share(mut self, share: Decimal) -> Self {
        self.receipt_share = Some(share);
        self
    }
}

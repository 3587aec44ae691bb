//! The four brands of the demo: their terms, and how people shop there.
//!
//! Terms differ in every way that this release knows: two brands prepay their points and two pay when points are
//! accepted elsewhere; prices with and without a spread; a reimbursement below the value; a fee borne by the acceptor,
//! one borne by the issuers, and none.

use partner_sdk::Decimal;
use partner_sdk::operator::{Expiry, FeeBearer, Funding, TermsChange};

/// The coalition's domain: the host part of the identities in its certificates.
pub const DOMAIN: &str = "points.example";

/// The currency of the demo, a till's digits of it, and the digits that the ledger keeps.
pub const CURRENCY: &str = "EUR";
pub const MINOR_DIGITS: u32 = 2;
pub const SCALE: u32 = 4;

/// What a point is worth, in units of 10^-4 EUR: a cent. So a basket in cents is also what it costs in points.
pub const POINT_VALUE: i64 = 100;

/// The fee of a brand that does not say otherwise, in ten-thousandths of the reimbursement.
pub const FEE: i64 = 150;

/// A brand.
#[derive(Debug)]
pub struct Brand {
    /// Its id as a partner.
    pub id: &'static str,
    /// Its name for people.
    pub name: &'static str,
    /// Whether it prepays its points into the pool.
    pub prepays: bool,
    /// What it pays per point, what backs its points, and what it gets per point: in units of 10^-4 EUR.
    pub price: i64,
    pub value: i64,
    pub reimbursement: i64,
    /// Its acceptance fee in ten-thousandths, and whether the issuers bear it.
    pub fee: i64,
    pub issuers_bear: bool,
    /// After how many months its points expire.
    pub expiry_months: Option<i32>,
    /// How people shop there.
    pub shopping: Shopping,
}

/// How people shop at a brand.
#[derive(Debug)]
pub struct Shopping {
    /// Of 100 purchases, how many are made here.
    pub visits: u32,
    /// The smallest and the largest basket, in cents.
    pub basket: (i64, i64),
    /// Points that a customer earns per euro paid with money.
    pub earn: i64,
    /// Of 100 customers who have points, how many pay with some.
    pub pay_with_points: u32,
    /// How many stores it has, and tills in each.
    pub stores: u32,
    pub tills: u32,
}

/// The brands, by id.
pub const BRANDS: [Brand; 4] = [
    Brand {
        id: "cards",
        name: "Meridian Bank",
        prepays: false,
        price: 104,
        value: 100,
        reimbursement: 100,
        fee: 0,
        issuers_bear: false,
        expiry_months: None,
        shopping: Shopping { visits: 10, basket: (400, 3_000), earn: 2, pay_with_points: 70, stores: 3, tills: 2 },
    },
    Brand {
        id: "cinema",
        name: "Lantern Cinemas",
        prepays: true,
        price: 105,
        value: 101,
        reimbursement: 95,
        fee: 200,
        issuers_bear: true,
        expiry_months: Some(3),
        shopping: Shopping { visits: 18, basket: (900, 4_200), earn: 8, pay_with_points: 55, stores: 4, tills: 3 },
    },
    Brand {
        id: "fuel",
        name: "Polaris Fuel",
        prepays: true,
        price: 102,
        value: 100,
        reimbursement: 98,
        fee: FEE,
        issuers_bear: false,
        expiry_months: Some(12),
        shopping: Shopping { visits: 27, basket: (2_000, 8_500), earn: 4, pay_with_points: 45, stores: 9, tills: 4 },
    },
    Brand {
        id: "grocer",
        name: "Green Basket",
        prepays: false,
        price: 100,
        value: 100,
        reimbursement: 100,
        fee: FEE,
        issuers_bear: false,
        expiry_months: Some(24),
        shopping: Shopping { visits: 45, basket: (500, 9_000), earn: 3, pay_with_points: 45, stores: 12, tills: 6 },
    },
];

/// The places of the brands among [`BRANDS`]. The bank credits the card turnover of the day before, in one batch.
pub const BANK: usize = 0;
pub const CINEMA: usize = 1;
pub const FUEL: usize = 2;
pub const GROCER: usize = 3;

/// The terms with which the operator admits a brand.
impl Brand {
    pub fn terms(&self) -> TermsChange {
        let money = |units| Decimal::new(units, SCALE);
        TermsChange::none()
            .funding(if self.prepays { Funding::AtIssue } else { Funding::AtRedemption })
            .price(money(self.price))
            .value(money(self.value))
            .reimbursement(money(self.reimbursement))
            .acceptance_fee(Decimal::new(self.fee, 4).normalize())
            .fee_bearer(if self.issuers_bear { FeeBearer::Issuer } else { FeeBearer::Acceptor })
            .expiry(self.expiry_months.map_or(Expiry::None, Expiry::Months))
    }
}

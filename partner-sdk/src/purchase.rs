//! Spending and earning of one receipt, together; and its return.

use std::time::SystemTime;

use crate::member::MemberRef;
use crate::money::Money;
use crate::origin::Origin;
use crate::points::keyed;
use crate::request_id::RequestId;

/// How points pay a receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Spend {
    Redeem(i64),
    Capture { hold_id: String, points: i64 },
}

/// What a receipt earns.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "what a receipt earns is part of a purchase"]
pub struct Earn {
    pub(crate) points: i64,
    pub(crate) expire_time: Option<SystemTime>,
    pub(crate) activate_time: Option<SystemTime>,
    pub(crate) funders: Vec<(String, u32)>,
}

impl Earn {
    /// So many points, more than 0.
    pub fn points(points: i64) -> Self {
        Self { points, expire_time: None, activate_time: None, funders: Vec::new() }
    }

    /// When these points expire, instead of what the issuer's terms say.
    pub fn expires(mut self, time: SystemTime) -> Self {
        self.expire_time = Some(time);
        self
    }

    /// When these points become available; until then they are pending.
    pub fn activates(mut self, time: SystemTime) -> Self {
        self.activate_time = Some(time);
        self
    }

    /// Who issues them, when it is not the caller alone; see [`crate::Issue::funders`].
    pub fn funders(mut self, funders: impl IntoIterator<Item = (impl Into<String>, u32)>) -> Self {
        self.funders = funders.into_iter().map(|(partner, weight)| (partner.into(), weight)).collect();
        self
    }
}

/// Books what a receipt takes and gives: both, or neither.
///
/// ```
/// use partner_sdk::{Earn, Origin, Purchase};
///
/// let purchase = Purchase::by("card", "4000123")
///     .redeem(300)
///     .earn(Earn::points(12))
///     .origin(Origin::till("store-7", "3").receipt("R-1"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct Purchase {
    pub(crate) request_id: Option<RequestId>,
    pub(crate) member: MemberRef,
    pub(crate) spend: Option<Spend>,
    pub(crate) earn: Option<Earn>,
    pub(crate) origin: Origin,
}

impl Purchase {
    /// By whoever carries this identifier.
    pub fn by(scheme: impl Into<String>, value: impl Into<String>) -> Self {
        Self::by_member(MemberRef::identifier(scheme, value))
    }

    /// By this member.
    pub fn by_member(member: impl Into<MemberRef>) -> Self {
        Self { request_id: None, member: member.into(), spend: None, earn: None, origin: Origin::default() }
    }

    /// Pays with so many of the member's points.
    pub fn redeem(mut self, points: i64) -> Self {
        self.spend = Some(Spend::Redeem(points));
        self
    }

    /// Pays with so many points of a hold; the rest of the hold is released.
    pub fn capture(mut self, hold_id: impl Into<String>, points: i64) -> Self {
        self.spend = Some(Spend::Capture { hold_id: hold_id.into(), points });
        self
    }

    /// Gives points.
    pub fn earn(mut self, earn: Earn) -> Self {
        self.earn = Some(earn);
        self
    }

    /// Where the operation comes from.
    pub fn origin(mut self, origin: Origin) -> Self {
        self.origin = origin;
        self
    }
}

/// Gives a part of a receipt back, in points as in money: of what was spent on it and of what it earned the same share.
///
/// ```
/// use partner_sdk::{Decimal, Money, ReturnPurchase};
///
/// let eur = |cents| Money::new("EUR", Decimal::new(cents, 2));
/// # let (spend_entry_id, earn_entry_id) = ("", "");
/// let back = ReturnPurchase::of(eur(1000), eur(4000)).redemption(spend_entry_id).issue(earn_entry_id);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct ReturnPurchase {
    pub(crate) request_id: Option<RequestId>,
    pub(crate) redemption_entry_id: String,
    pub(crate) issue_entry_id: String,
    pub(crate) returned: Money,
    pub(crate) total: Money,
    pub(crate) origin: Origin,
}

impl ReturnPurchase {
    /// What is given back now, of the receipt's total.
    pub fn of(returned: Money, total: Money) -> Self {
        Self {
            request_id: None,
            redemption_entry_id: String::new(),
            issue_entry_id: String::new(),
            returned,
            total,
            origin: Origin::default(),
        }
    }

    /// The entry that took points for the receipt. Name the same entries in every return of one receipt.
    pub fn redemption(mut self, entry_id: impl Into<String>) -> Self {
        self.redemption_entry_id = entry_id.into();
        self
    }

    /// The entry that gave points for the receipt.
    pub fn issue(mut self, entry_id: impl Into<String>) -> Self {
        self.issue_entry_id = entry_id.into();
        self
    }

    /// Where the operation comes from.
    pub fn origin(mut self, origin: Origin) -> Self {
        self.origin = origin;
        self
    }
}

keyed!(Purchase, ReturnPurchase);

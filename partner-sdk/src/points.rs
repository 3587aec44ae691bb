//! What a brand does at the till: requests of issues, redemptions and returns, and what is read of them.

use crate::member::MemberRef;
use crate::money::Money;
use crate::origin::Origin;
use crate::request_id::RequestId;
use std::time::SystemTime;

/// Gives every request with an effect the same way to carry its key.
macro_rules! keyed {
    ($($name:ident),* $(,)?) => {
        $(
            impl $name {
                /// Sends the request under this key, made by [`crate::Client::new_request_id`] and stored by the caller,
                /// instead of one that the SDK makes.
                pub fn request_id(mut self, id: $crate::RequestId) -> Self {
                    self.request_id = Some(id);
                    self
                }
            }

            impl $crate::points::Keyed for $name {
                fn key(&mut self) -> &mut Option<$crate::RequestId> {
                    &mut self.request_id
                }
            }
        )*
    };
}

pub(crate) use keyed;

/// A request with an effect.
pub(crate) trait Keyed {
    /// Its key, once it has one.
    fn key(&mut self) -> &mut Option<RequestId>;
}

/// Gives points to a member.
///
/// ```
/// use partner_sdk::{Issue, Origin};
///
/// let issue = Issue::to("card", "4000123").points(100).origin(Origin::till("store-7", "3").receipt("R-1"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct Issue {
    pub(crate) request_id: Option<RequestId>,
    pub(crate) member: MemberRef,
    pub(crate) points: i64,
    pub(crate) expire_time: Option<SystemTime>,
    pub(crate) activate_time: Option<SystemTime>,
    pub(crate) funders: Vec<(String, u32)>,
    pub(crate) origin: Origin,
}

impl Issue {
    /// To whoever carries this identifier; one the house has never seen becomes a new member.
    pub fn to(scheme: impl Into<String>, value: impl Into<String>) -> Self {
        Self::to_member(MemberRef::identifier(scheme, value))
    }

    /// To this member.
    pub fn to_member(member: impl Into<MemberRef>) -> Self {
        Self {
            request_id: None,
            member: member.into(),
            points: 0,
            expire_time: None,
            activate_time: None,
            funders: Vec::new(),
            origin: Origin::default(),
        }
    }

    /// How many points, more than 0. Without it the house answers `INVALID_ARGUMENT`.
    pub fn points(mut self, points: i64) -> Self {
        self.points = points;
        self
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

    /// Who issues them, when it is not the caller alone: partner ids with weights, at most 16. Each issues its share, and
    /// who is not the caller must have given the caller a consent.
    ///
    /// ```
    /// use partner_sdk::Issue;
    ///
    /// let joint = Issue::to("card", "4000123").points(100).funders([("grocer", 3), ("maker", 1)]);
    /// ```
    pub fn funders(mut self, funders: impl IntoIterator<Item = (impl Into<String>, u32)>) -> Self {
        self.funders = funders.into_iter().map(|(partner, weight)| (partner.into(), weight)).collect();
        self
    }

    /// Where the operation comes from.
    pub fn origin(mut self, origin: Origin) -> Self {
        self.origin = origin;
        self
    }
}

/// Takes points from a member, at this brand.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct Redeem {
    pub(crate) request_id: Option<RequestId>,
    pub(crate) member: MemberRef,
    pub(crate) points: i64,
    pub(crate) origin: Origin,
}

impl Redeem {
    /// From whoever carries this identifier.
    pub fn from(scheme: impl Into<String>, value: impl Into<String>) -> Self {
        Self::from_member(MemberRef::identifier(scheme, value))
    }

    /// From this member.
    pub fn from_member(member: impl Into<MemberRef>) -> Self {
        Self { request_id: None, member: member.into(), points: 0, origin: Origin::default() }
    }

    /// How many points, more than 0. Without it the house answers `INVALID_ARGUMENT`.
    pub fn points(mut self, points: i64) -> Self {
        self.points = points;
        self
    }

    /// Where the operation comes from.
    pub fn origin(mut self, origin: Origin) -> Self {
        self.origin = origin;
        self
    }
}

/// Gives points of a redemption back, wholly or in part.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct ReturnRedemption {
    pub(crate) request_id: Option<RequestId>,
    pub(crate) redemption_entry_id: String,
    pub(crate) points: i64,
    pub(crate) origin: Origin,
}

impl ReturnRedemption {
    /// Of the redemption with this entry id.
    pub fn of(redemption_entry_id: impl Into<String>) -> Self {
        Self { request_id: None, redemption_entry_id: redemption_entry_id.into(), points: 0, origin: Origin::default() }
    }

    /// How many points, more than 0 and at most what is left of the redemption.
    pub fn points(mut self, points: i64) -> Self {
        self.points = points;
        self
    }

    /// Where the operation comes from.
    pub fn origin(mut self, origin: Origin) -> Self {
        self.origin = origin;
        self
    }
}

/// Says of an earlier request of this brand: it shall have no effect.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct Abandon {
    pub(crate) request_id: Option<RequestId>,
    pub(crate) abandoned_request_id: RequestId,
    pub(crate) member: Option<MemberRef>,
    pub(crate) origin: Origin,
}

impl Abandon {
    /// The one that was sent under this key: an issue, redemption, authorization, capture, purchase or return of a
    /// redemption. Points of an issue that the member has spent meanwhile become a debt of the member.
    pub fn request(abandoned_request_id: RequestId) -> Self {
        Self { request_id: None, abandoned_request_id, member: None, origin: Origin::default() }
    }

    /// The member that the request was about: if it was about another, nothing is undone
    /// ([`Reason::NotFound`](crate::Reason::NotFound)).
    pub fn about(mut self, member: impl Into<MemberRef>) -> Self {
        self.member = Some(member.into());
        self
    }

    /// Where the operation comes from.
    pub fn origin(mut self, origin: Origin) -> Self {
        self.origin = origin;
        self
    }
}

keyed!(Issue, Redeem, ReturnRedemption, Abandon);

/// Asks what a redemption would do.
///
/// ```
/// use partner_sdk::{Decimal, Money, QuoteRequest};
///
/// // How much of a purchase of 25 can this card pay, and what would the rest earn?
/// let request = QuoteRequest::amount(("card", "4000123"), Money::new("EUR", Decimal::new(2500, 2))).earning(20);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct QuoteRequest {
    pub(crate) member: MemberRef,
    pub(crate) points: i64,
    pub(crate) amount: Option<Money>,
    pub(crate) earn_points: i64,
}

impl QuoteRequest {
    /// Of so many points.
    pub fn points(member: impl Into<MemberRef>, points: i64) -> Self {
        Self { member: member.into(), points, amount: None, earn_points: 0 }
    }

    /// Of as many points as may pay a purchase of this amount, at the brand's tender value.
    pub fn amount(member: impl Into<MemberRef>, amount: Money) -> Self {
        Self { member: member.into(), points: 0, amount: Some(amount), earn_points: 0 }
    }

    /// Also tells what an issue of so many points would do after the redemption.
    pub fn earning(mut self, points: i64) -> Self {
        self.earn_points = points;
        self
    }
}

/// Which entries to list: those that match all that is set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[must_use = "a filter does nothing until a client uses it"]
pub struct EntryFilter {
    pub(crate) store: String,
    pub(crate) till: String,
    pub(crate) receipt_number: String,
    pub(crate) business_date: String,
    pub(crate) member: Option<MemberRef>,
    pub(crate) window: i64,
}

impl EntryFilter {
    /// All entries of the caller's operations.
    pub fn all() -> Self {
        Self::default()
    }

    /// Only those of this store.
    pub fn store(mut self, store: impl Into<String>) -> Self {
        self.store = store.into();
        self
    }

    /// Only those of this till.
    pub fn till(mut self, till: impl Into<String>) -> Self {
        self.till = till.into();
        self
    }

    /// Only those of this receipt.
    pub fn receipt(mut self, number: impl Into<String>) -> Self {
        self.receipt_number = number.into();
        self
    }

    /// Only those of this business day, YYYY-MM-DD.
    pub fn business_date(mut self, date: impl Into<String>) -> Self {
        self.business_date = date.into();
        self
    }

    /// Only those of this member.
    pub fn member(mut self, member: impl Into<MemberRef>) -> Self {
        self.member = Some(member.into());
        self
    }

    /// Only those of this window, from 1.
    pub fn window(mut self, window: i64) -> Self {
        self.window = window;
        self
    }
}

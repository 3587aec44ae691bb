//! Lots: what is left of an issue, where it stands in the order of consumption, and what an entry does to it.

use std::fmt;
use std::str::FromStr;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::facts::terms::Funding;
use crate::units::{EntryId, Malformed, MemberId, Overflow, PartnerId, Points, Timestamp, WindowNumber, digits, shown};

/// A lot: its first owner, the owner's own number of the entry that made it, and its place in that entry. Written
/// `<member>.<number>.<part>`. The number is journal order for one member, so it orders lots of equal expiry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct LotId {
    pub member: MemberId,
    pub entry_no: i64,
    pub part: u16,
}

impl fmt::Display for LotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.member, self.entry_no, self.part)
    }
}

impl FromStr for LotId {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed =
            || Malformed(format!("{} is not a lot id, which reads <member>.<number>.<number>", shown(text)));
        let mut parts = text.split('.');
        let mut next = || parts.next().ok_or_else(malformed);
        let lot = Self {
            member: next()?.parse().map_err(|_| malformed())?,
            entry_no: digits(next()?).ok_or_else(malformed)?,
            part: digits(next()?).ok_or_else(malformed)?,
        };
        if parts.next().is_some() { Err(malformed()) } else { Ok(lot) }
    }
}

/// What is left of one issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lot {
    pub id: LotId,
    pub issuer: PartnerId,
    /// The version of the issuer's terms that it was issued under.
    pub terms: u32,
    pub funding: Funding,
    /// The points it was made with.
    pub size: Points,
    pub available: Points,
    /// Points reserved by holds.
    pub held: Points,
    /// Points that are not released yet.
    pub pending: Points,
    /// Points that expired or decayed and were not written off by a reversal.
    pub lost: Points,
    /// Points of its issue that were reversed.
    pub reversed: Points,
    /// [`Timestamp::NEVER`] if it does not expire; see [`Timestamp::after_inactivity`].
    pub expires: Timestamp,
    /// The entry that made it.
    pub entry: EntryId,
    /// The lot it was split from, if it was.
    pub origin: Option<LotId>,
    /// When its points become available, if that is later than its issue.
    pub activates: Option<Timestamp>,
    /// The window whose settlement its issuer has to pay before its points become available, if it has to.
    pub release_window: Option<WindowNumber>,
}

impl Lot {
    /// What of its points is still outstanding.
    pub fn remaining(&self) -> i128 {
        i128::from(self.available.0) + i128::from(self.held.0) + i128::from(self.pending.0)
    }

    /// What of its issue can still be reversed.
    pub fn reversible(&self) -> Points {
        Points(self.size.0 - self.reversed.0)
    }
}

/// A place in the order of consumption: when the lot there expires, its member's number of the entry that made it, and its
/// place in that entry.
pub type LotPlace = (Timestamp, i64, u16);

/// The place of a lot in the order of consumption: the earliest expiry first, then the earliest in the journal; lots
/// without expiry last.
///
/// Rule: consumption-order
pub fn consumption_order(lot: &Lot) -> LotPlace {
    (lot.expires, lot.id.entry_no, lot.id.part)
}

/// What an entry does to one lot: points given to it (+) or taken from it (-), in the order it happened.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct LotMove {
    pub lot: LotId,
    pub issuer: PartnerId,
    /// The version of the issuer's terms that the lot was issued under.
    pub terms: u32,
    /// Available points.
    pub points: Points,
    /// Points reserved by a hold.
    pub held: Points,
    /// Points that are not released yet.
    pub pending: Points,
    /// When the lot expires, as it stands after the entry.
    pub expires: Timestamp,
    /// Given where the entry makes the lot.
    pub birth: Option<LotBirth>,
}

impl LotMove {
    /// By how much the points of the lot changed, whatever state they are in.
    ///
    /// # Errors
    /// [`Overflow`] if the sum does not fit, which it does in every entry of the house.
    pub fn net(&self) -> Result<Points, Overflow> {
        self.points.plus(self.held)?.plus(self.pending)
    }
}

/// How a lot came to be.
#[derive(Debug, Clone, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct LotBirth {
    /// The lot it was split from, whoever owned that.
    pub origin: Option<LotId>,
    /// When its points become available; at once if none.
    pub activates: Option<Timestamp>,
}

/// A part of a redemption: points of one lot, in consumption order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub lot: LotId,
    pub issuer: PartnerId,
    pub terms: u32,
    pub points: Points,
    /// As its lot has it.
    pub expires: Timestamp,
}

impl Part {
    pub(crate) fn of_lot(lot: &Lot, points: Points) -> Self {
        Self { lot: lot.id, issuer: lot.issuer, terms: lot.terms, points, expires: lot.expires }
    }

    /// A change of the available points of the part's lot.
    pub(crate) fn moved(&self, points: Points) -> LotMove {
        LotMove {
            lot: self.lot,
            issuer: self.issuer,
            terms: self.terms,
            points,
            held: Points::ZERO,
            pending: Points::ZERO,
            expires: self.expires,
            birth: None,
        }
    }
}

/// A change of the available points of a lot.
pub(crate) fn lot_move(lot: &Lot, points: Points) -> LotMove {
    LotMove {
        lot: lot.id,
        issuer: lot.issuer,
        terms: lot.terms,
        points,
        held: Points::ZERO,
        pending: Points::ZERO,
        expires: lot.expires,
        birth: None,
    }
}

//! What a member holds: sums per issuer and funding, and the lots behind them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::terms::Funding;
use crate::units::{EntryId, Malformed, MemberId, PartnerId, Points, Timestamp};

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
        let malformed = || Malformed(format!("{text:?} is not a lot id, which reads <member>.<number>.<number>"));
        let mut parts = text.split('.');
        let mut next = || parts.next().ok_or_else(malformed);
        let lot = Self {
            member: next()?.parse().map_err(|_| malformed())?,
            entry_no: next()?.parse().map_err(|_| malformed())?,
            part: next()?.parse().map_err(|_| malformed())?,
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
    /// [`Timestamp::NEVER`] if it does not expire.
    pub expires: Timestamp,
    /// The entry that made it.
    pub entry: EntryId,
    /// The lot it was split from, if it was.
    pub origin: Option<LotId>,
    /// When its points become available, if that is later than its issue.
    pub activates: Option<Timestamp>,
}

/// The place of a lot in the order of consumption: the earliest expiry first, then the earliest in the journal; lots
/// without expiry last.
///
/// Rule: consumption-order
pub fn consumption_order(lot: &Lot) -> (Timestamp, i64, u16) {
    (lot.expires, lot.id.entry_no, lot.id.part)
}

/// The sums of one member's lots of one issuer and funding.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Holding {
    pub available: Points,
    pub held: Points,
    pub pending: Points,
}

/// A member, without its lots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub id: MemberId,
    /// How many entries the member has had; the next one gets this number plus one.
    pub entry_no: i64,
    /// No lot with available points expires before this.
    pub next_due: Timestamp,
    pub holdings: BTreeMap<(PartnerId, Funding), Holding>,
    /// Of the member's lots with available points, all that expire before this are in the book. Not stored.
    pub loaded_to: Timestamp,
}

impl Member {
    pub fn new(id: MemberId) -> Self {
        Self { id, entry_no: 0, next_due: Timestamp::NEVER, holdings: BTreeMap::new(), loaded_to: Timestamp::NEVER }
    }

    /// All available points.
    pub fn available(&self) -> i128 {
        self.holdings.values().map(|holding| i128::from(holding.available.0)).sum()
    }

    /// The stored form of the holdings. Holdings of zero are left out.
    pub fn holdings_to_bytes(&self) -> Vec<u8> {
        let kept: Vec<(&(PartnerId, Funding), &Holding)> =
            self.holdings.iter().filter(|(_, holding)| **holding != Holding::default()).collect();
        borsh::to_vec(&kept).expect("writing to memory does not fail")
    }

    /// # Errors
    /// [`Malformed`] for bytes that no release wrote.
    pub fn holdings_from_bytes(bytes: &[u8]) -> Result<BTreeMap<(PartnerId, Funding), Holding>, Malformed> {
        let kept: Vec<((PartnerId, Funding), Holding)> =
            borsh::from_slice(bytes).map_err(|error| Malformed(format!("holdings cannot be read: {error}")))?;
        Ok(kept.into_iter().collect())
    }
}

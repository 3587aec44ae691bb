//! Money at the bank: lines of its statements, what arrived and what has become of it, what went out, and what is claimed of who
//! did not pay. What an entry says of it, and how it stands.

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};
use serde::Deserialize;

use crate::chart::{BankPurpose, MoneyAccount};
use crate::facts::order::{OrderMode, OrderParty};
use crate::facts::origin::BusinessDate;
use crate::facts::window::StateChange;
use crate::units::{EntryId, Money, PartnerId, Timestamp, WindowNumber};

/// By what a line of a bank's statement is known. Its texts are no part of it.
///
/// Rule: bank-lines
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BankKey {
    /// The house's own account, as the bank writes it; empty if it has one only.
    #[serde(default, rename = "own_account")]
    pub account: String,
    /// The day on which the bank booked it.
    #[serde(default, rename = "booking_date")]
    pub booked: Option<BusinessDate>,
    /// The bank's own, or one made of what else tells the line from others of its day.
    pub reference: String,
}

/// What is known of a line: its content, and the entry that booked it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct BankLine {
    /// What came in (+) or went out (-).
    pub amount: Money,
    /// The entry that booked what it tells: of a line of what was booked by hand before, that entry.
    pub entry: EntryId,
}

/// Where a part of money that arrived is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub enum Place {
    /// It belongs to nothing yet.
    Unapplied,
    /// It is paid ahead.
    Advance,
    /// It has paid the leg of its partner in a window.
    Leg(WindowNumber),
    /// It has paid a claim or a penalty, or was ordered out.
    Gone,
    /// It went back to the bank of who paid it.
    Returned,
}

/// Money that arrived at the bank, by the entry that recorded it. Its parts sum to its amount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// Whose it is; none: nobody knows.
    pub partner: Option<PartnerId>,
    pub received: Timestamp,
    pub amount: Money,
    /// Where its parts are; zeros left out.
    pub parts: BTreeMap<Place, Money>,
    /// Whether a line of a statement is known of it.
    pub seen: bool,
}

impl Incoming {
    pub fn at(&self, place: Place) -> Money {
        self.parts.get(&place).copied().unwrap_or_default()
    }

    /// Whether some of it may still be used.
    pub fn is_open(&self) -> bool {
        self.at(Place::Unapplied).0 > 0 || self.at(Place::Advance).0 > 0
    }

    /// Moves a part of it.
    pub fn shift(&mut self, from: Place, to: Place, amount: Money) {
        for (place, change) in [(from, -amount.0), (to, amount.0)] {
            let part = self.parts.entry(place).or_default();
            part.0 = part.0.saturating_add(change);
        }
        self.parts.retain(|_, part| !part.is_zero());
    }
}

/// What money that went out was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum OutOf {
    /// A credit of a window.
    Leg(WindowNumber),
    /// Money ordered out of an account.
    Account(MoneyAccount),
    /// Moved between own accounts of the house.
    Own(OwnTransfer),
}

/// Money that was moved from one own account of the house to another. Each of them has a line of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct OwnTransfer {
    pub from: BankPurpose,
    pub to: BankPurpose,
    /// Whether the line that was told first is of the account that it came to.
    pub arrived: bool,
}

/// Money that goes out, or went, by the entry that recorded it first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outgoing {
    /// To whom; none: to nobody knows whom, from whom it had come.
    pub partner: Option<PartnerId>,
    pub amount: Money,
    pub of: OutOf,
    pub state: OutState,
    /// Whether a line of a statement is known of it.
    pub seen: bool,
}

/// What has become of money that goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub enum OutState {
    /// The bank has not paid it yet, as far as is known.
    Ordered,
    Paid,
    /// It was paid, and came back.
    CameBack,
    /// That it was paid was a mistake of who booked it.
    Undone,
}

impl OutState {
    const ALL: [Self; 4] = [Self::Ordered, Self::Paid, Self::CameBack, Self::Undone];

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ordered => "ORDERED",
            Self::Paid => "PAID",
            Self::CameBack => "CAME_BACK",
            Self::Undone => "UNDONE",
        }
    }
}

/// What the claim against a partner stands against. It sums to minus the account `claim:P`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claim {
    /// Payments that came back.
    pub bounced: Money,
    /// What sharers bore; zeros left out.
    pub shared: BTreeMap<PartnerId, Money>,
    /// What the reserve paid.
    pub reserve: Money,
}

impl Claim {
    /// What is owed in all.
    pub fn total(&self) -> i128 {
        let shared: i128 = self.shared.values().map(|amount| i128::from(amount.0)).sum();
        i128::from(self.bounced.0) + shared + i128::from(self.reserve.0)
    }
}

/// Money arrived.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ReceivedFacts {
    pub partner: Option<PartnerId>,
    pub amount: Money,
    /// Where it is at first.
    pub place: Place,
}

/// A line of a statement tells of an entry.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct LineFacts {
    pub key: BankKey,
    /// What came in (+) or went out (-).
    pub amount: Money,
    /// What was booked by hand before and is this line; none: it is booked by this entry.
    pub of: Option<EntryId>,
}

/// Parts of money that arrived were moved.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct MoneyMove {
    pub money: EntryId,
    pub from: Place,
    pub to: Place,
    pub amount: Money,
}

/// Whose money is that came from nobody knows whom; none: that it was somebody's was a mistake.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct AssignedFacts {
    pub money: EntryId,
    pub partner: Option<PartnerId>,
}

/// How a leg was moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum LegHow {
    /// By money that had arrived.
    Paid,
    /// By a credit of a later window, or by paying an older leg or a claim.
    Offset,
    /// Out of collateral or the reserve, or by the creditors.
    Covered,
    /// For the default of another.
    Shared,
    /// Likewise, and what is due of it stays: so much of it had gone out before.
    SharedBeyond,
    /// By pending points that were cancelled.
    Cancelled,
    /// A payment came back, or was none.
    Returned,
}

/// What a leg was moved by.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct LegFacts {
    pub window: WindowNumber,
    pub partner: PartnerId,
    pub how: LegHow,
    /// By how much what is due of it changed.
    pub amount: Money,
    /// Of the settlement.
    pub states: StateChange,
}

/// Money goes out.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct OutFacts {
    pub partner: Option<PartnerId>,
    pub amount: Money,
    pub of: OutOf,
    pub state: OutState,
}

/// What has become of money that goes out.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct OutStateFacts {
    pub money: EntryId,
    pub before: OutState,
    pub after: OutState,
}

/// Pay-outs of a settlement that may leave the house.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ReleasedFacts {
    pub window: WindowNumber,
    pub pay_outs: Vec<(PartnerId, Money)>,
}

/// What a window brought and cost funds was moved between their accounts at the bank and the one for settlements.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct FundsMovedFacts {
    pub window: WindowNumber,
    /// Into the account of a fund (+), or out of it (-).
    pub moved: Vec<(BankPurpose, Money)>,
}

/// A payment between two participants was none.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct UnpaidFacts {
    pub window: WindowNumber,
    pub payer: OrderParty,
    pub payee: OrderParty,
    pub amount: Money,
    pub mode: OrderMode,
}

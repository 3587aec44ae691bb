//! Windows and their settlements as they stand.
//!
//! | window | settlement | means |
//! |---|---|---|
//! | OPEN | - | takes entries |
//! | CLOSED | PROPOSED, CONFIRMED, EXPORTED, ABORTED | has its legs; nothing was paid |
//! | SETTLING | PARTLY_PAID | a payment was confirmed |
//! | SETTLED | SETTLED | every leg is paid; final |

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::chart::BankPurpose;
use crate::facts::calendar::SettlementDays;
use crate::facts::order::{Order, OrderMode};
use crate::facts::proof::{ClassAmounts, Proof};
use crate::units::{Money, PartnerId, Points, Timestamp, WindowNumber};

/// How long a closed window may wait for its confirmation until it is told of, in seconds; and between two times that it is.
pub const UNCONFIRMED_SECONDS_MAX: i64 = 86_400;

/// Whether it is time to tell of a window that nobody confirms, closed or told of at a moment.
///
/// Rule: unconfirmed-windows
pub fn waits_too_long(since: Timestamp, now: Timestamp) -> bool {
    since.plus_seconds(UNCONFIRMED_SECONDS_MAX) <= now
}

/// A window: the period whose positions settle together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    pub number: WindowNumber,
    pub state: WindowState,
    pub opened: Timestamp,
    pub closed: Option<Timestamp>,
    /// When its settlement is told and paid, once it is closed and where a calendar ruled that.
    pub days: Option<SettlementDays>,
    pub participants: BTreeMap<PartnerId, ParticipantWindow>,
    /// The balances of all accounts in money but positions when the window opened, by class.
    pub opening: ClassAmounts,
    /// By how much the legs of earlier windows have moved since.
    pub legs_moved: i128,
    /// What funds and their accounts at the bank have moved by since, and is neither gained nor lost in this window; zeros left
    /// out.
    pub aside: FundAmounts,
    /// Once it is closed.
    pub settlement: Option<Settlement>,
}

impl Window {
    /// The number of the window that the close of this one opens.
    pub fn next(&self) -> WindowNumber {
        self.number + 1
    }

    /// The first window of a coalition.
    pub fn first(opened: Timestamp) -> Self {
        Self {
            number: 1,
            state: WindowState::Open,
            opened,
            closed: None,
            days: None,
            participants: BTreeMap::new(),
            opening: ClassAmounts::new(),
            legs_moved: 0,
            aside: FundAmounts::new(),
            settlement: None,
        }
    }

    /// What stays in the positions after its close; zeros left out.
    pub fn carried(&self) -> BTreeMap<PartnerId, Money> {
        let carried = self.participants.iter().map(|(partner, participant)| (*partner, participant.carried));
        carried.filter(|(_, left)| !left.is_zero()).collect()
    }
}

impl Window {
    /// This window without what moves behind its own lock, beside whatever else is done: its state, its orders and what is
    /// paid of its legs; or, while it is open, by how much legs of earlier windows have moved, and for how long legs that an
    /// abort took back had been carried. All else is made by a close.
    #[must_use]
    pub fn without_payments(&self) -> Self {
        let open = self.state == WindowState::Open;
        let unpaid = |leg: &Leg| Leg::of(leg.amount);
        let unmoved = |share: &FundShare| FundShare { moved: Money::ZERO, ..*share };
        let settlement = self.settlement.as_ref().map(|settlement| Settlement {
            state: SettlementState::Proposed,
            legs: settlement.legs.iter().map(|(partner, leg)| (*partner, unpaid(leg))).collect(),
            mode: None,
            orders: Vec::new(),
            funds: settlement.funds.iter().map(|(fund, share)| (*fund, unmoved(share))).collect(),
            ..settlement.clone()
        });
        let carried = |of: &ParticipantWindow| if open { 0 } else { of.carried_windows };
        let participants = self.participants.iter();
        let participants = participants
            .map(|(partner, of)| (*partner, ParticipantWindow { carried_windows: carried(of), ..*of }))
            .collect();
        Self {
            state: if open { WindowState::Open } else { WindowState::Closed },
            legs_moved: if open { 0 } else { self.legs_moved },
            aside: if open { FundAmounts::new() } else { self.aside.clone() },
            participants,
            settlement,
            ..self.clone()
        }
    }
}

/// Amounts of funds; those left out are zero.
pub type FundAmounts = BTreeMap<BankPurpose, i128>;

/// What a fund gained (+) or lost (-) in a window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct FundShare {
    /// In whole minor units.
    pub change: Money,
    /// What of it was moved to (+) or from (-) its account at the bank, against the one for settlements.
    pub moved: Money,
}

/// What the funds gained and lost in a window; those left out did neither.
pub type FundShares = BTreeMap<BankPurpose, FundShare>;

/// What has become of a window.
///
/// Rule: window-states
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WindowState {
    Open,
    Closed,
    Settling,
    Settled,
}

impl WindowState {
    pub const ALL: [Self; 4] = [Self::Open, Self::Closed, Self::Settling, Self::Settled];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Closed => "CLOSED",
            Self::Settling => "SETTLING",
            Self::Settled => "SETTLED",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// A participant's position over a window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ParticipantWindow {
    /// What was carried into the window.
    pub opening: Money,
    /// What stays in the position after the close and opens the next window.
    pub carried: Money,
    /// How many closes in a row had carried its leg for being small when the window opened.
    pub carried_windows: u16,
}

/// The netted result of a window.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Settlement {
    pub state: SettlementState,
    pub legs: BTreeMap<PartnerId, Leg>,
    /// How it is paid, once it was exported or a payment was confirmed.
    pub mode: Option<OrderMode>,
    pub orders: Vec<Order>,
    /// Gross obligations of the window.
    pub gross: Money,
    /// What pairwise orders over the legs add up to, whatever the mode.
    pub pairwise: Money,
    pub proof: Proof,
    /// What its window brought and cost the funds.
    pub funds: FundShares,
}

/// What has become of a settlement.
///
/// Rule: settlement-states
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub enum SettlementState {
    Proposed,
    Confirmed,
    Exported,
    PartlyPaid,
    Settled,
    Aborted,
}

impl SettlementState {
    pub const ALL: [Self; 6] =
        [Self::Proposed, Self::Confirmed, Self::Exported, Self::PartlyPaid, Self::Settled, Self::Aborted];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Proposed => "PROPOSED",
            Self::Confirmed => "CONFIRMED",
            Self::Exported => "EXPORTED",
            Self::PartlyPaid => "PARTLY_PAID",
            Self::Settled => "SETTLED",
            Self::Aborted => "ABORTED",
        }
    }

    /// Whether money is still on its way: it was closed, and is neither paid in full nor taken back.
    pub fn is_open(self) -> bool {
        !matches!(self, Self::Settled | Self::Aborted)
    }

    /// What its window is then.
    pub fn of_window(self) -> WindowState {
        match self {
            Self::Proposed | Self::Confirmed | Self::Exported | Self::Aborted => WindowState::Closed,
            Self::PartlyPaid => WindowState::Settling,
            Self::Settled => WindowState::Settled,
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// What a settlement was before an entry, and what it is by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct StateChange {
    pub before: SettlementState,
    pub after: SettlementState,
}

/// One participant's amount in a settlement: below zero it pays, above it is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Leg {
    pub amount: Money,
    /// What of it is not paid yet, with the same sign.
    pub due: Money,
    /// A payment of it has come back, and it is not paid anew.
    pub returned: bool,
    /// What of it was paid out of collateral and the reserve, or taken off the creditors.
    pub covered: Money,
    /// What of it pending points paid that were cancelled: no money came in for it.
    pub cancelled: Money,
    /// What of it was taken off for the defaults of others.
    pub shared: Money,
}

impl Leg {
    /// A leg of which nothing is paid.
    pub fn of(amount: Money) -> Self {
        let zero = Money::ZERO;
        Self { amount, due: amount, returned: false, covered: zero, cancelled: zero, shared: zero }
    }

    pub fn state(&self) -> LegState {
        match () {
            () if self.due.is_zero() && (self.covered.0 > 0 || self.cancelled.0 > 0) => LegState::Covered,
            () if self.due.is_zero() => LegState::Paid,
            () if self.returned => LegState::Returned,
            () => LegState::Due,
        }
    }

    /// Whether its partner still has to pay.
    pub fn owes(&self) -> bool {
        self.due.0 < 0
    }
}

/// What has become of a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LegState {
    Due,
    Paid,
    /// Due again, because a payment came back.
    Returned,
    /// Paid for its partner, who defaulted.
    Covered,
}

impl LegState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Due => "DUE",
            Self::Paid => "PAID",
            Self::Returned => "RETURNED",
            Self::Covered => "COVERED",
        }
    }
}

/// Gross obligations of an issuer to an acceptor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gross {
    pub points: Points,
    pub amount: Money,
}

/// The pending points of one window of issue, issuer and version of terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FundingGroup {
    /// Points that wait, or that were paid for.
    pub points: Points,
    /// The window whose settlement pays for them: that of their issue, unless it was carried on or aborted.
    pub settles_in: WindowNumber,
    /// When they were paid for.
    pub funded: Option<Timestamp>,
    /// When they were cancelled, as their issuer defaulted.
    pub cancelled: Option<Timestamp>,
}

impl FundingGroup {
    pub fn new(window: WindowNumber) -> Self {
        Self { points: Points::ZERO, settles_in: window, funded: None, cancelled: None }
    }

    /// Whether it is still open what becomes of them.
    pub fn waits(&self) -> bool {
        self.funded.is_none() && self.cancelled.is_none()
    }
}

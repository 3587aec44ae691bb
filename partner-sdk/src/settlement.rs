//! Windows and settlements.

use rust_decimal::Decimal;

use crate::money::Money;
use crate::open_enum::open_enum;

open_enum! {
    /// State of a window.
    WindowState = WindowState, unspecified Unspecified {
        /// Entries are posted into it.
        Open = "OPEN",
        /// No entry lands in it any more.
        Closed = "CLOSED",
        /// Its settlement is being paid.
        Settling = "SETTLING",
        /// All is paid. Final.
        Settled = "SETTLED",
    }
}

open_enum! {
    /// State of a settlement. `Other(0)`: there is none yet.
    SettlementState = SettlementState, unspecified Unspecified {
        /// Made by the close; waits for the operator.
        Proposed = "PROPOSED",
        /// Payments may be confirmed.
        Confirmed = "CONFIRMED",
        /// Its orders have been exported.
        Exported = "EXPORTED",
        /// Some leg is paid, some is due.
        PartlyPaid = "PARTLY_PAID",
        /// Every leg is paid. Final.
        Settled = "SETTLED",
        /// Given up; its legs went into the next window. Final.
        Aborted = "ABORTED",
    }
}

open_enum! {
    /// State of a leg. `Other(0)`: it is a preview.
    LegState = LegState, unspecified Unspecified {
        /// Not paid in full.
        Due = "DUE",
        /// Paid in full.
        Paid = "PAID",
        /// Its payment was returned: it is due again.
        Returned = "RETURNED",
        /// Collateral or the reserve paid.
        Covered = "COVERED",
    }
}

/// The netted result of one window.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settlement {
    /// Number of the window, from 1.
    pub window: i64,
    /// State of the window.
    pub window_state: WindowState,
    /// State of the settlement; `Other(0)` in a preview of the open window.
    pub state: SettlementState,
    /// The legs that are not zero, by partner id, the operator last.
    pub legs: Vec<Leg>,
    /// What stays in the positions and opens the next window.
    pub carried: Vec<ParticipantAmount>,
    /// Why nothing was lost or made.
    pub proof: SettlementProof,
    /// Gross obligations of the window.
    pub gross: Money,
    /// What moves after netting.
    pub pairwise_total: Money,
    /// Share of the gross that need not move, 4 decimals; `None` when there is no gross.
    pub saved: Option<Decimal>,
}

/// One participant's amount in a settlement.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Leg {
    /// Partner id, or "operator".
    pub partner_id: String,
    /// Positive when the participant is paid, negative when it pays.
    pub amount: Money,
    /// What of it is still to be paid, with the same sign.
    pub due: Money,
    /// State of the leg.
    pub state: LegState,
}

/// An amount of one participant.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParticipantAmount {
    /// Partner id, or "operator".
    pub partner_id: String,
    /// Positive when the participant is owed it.
    pub amount: Money,
}

/// `legs_total`, all `account_changes` and `carried_change` add up to `sum`, which is zero.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SettlementProof {
    /// Sum of all legs.
    pub legs_total: Money,
    /// What the window, its close aside, put into (+) or took out of (-) each account of the house that is no position; partners' accounts
    /// by kind, and the legs of earlier windows as `settle`.
    pub account_changes: Vec<(String, Money)>,
    /// What is carried out of the window less what was carried into it.
    pub carried_change: Money,
    /// The sum: zero.
    pub sum: Money,
}

/// What one issuer owes one acceptor for a window, before netting.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Obligation {
    /// Who owes. Empty when the coalition does not disclose issuers to the caller.
    pub issuer: String,
    /// Who is owed.
    pub acceptor: String,
    /// Points taken, less returns.
    pub points: i64,
    /// Their reimbursement, without fees.
    pub gross: Money,
}

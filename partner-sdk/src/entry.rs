//! Entries of the journal, as far as the caller may see them.

use std::time::SystemTime;

use crate::money::Money;
use crate::open_enum::open_enum;
use crate::origin::Origin;

/// One balanced event of the append-only journal.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// Unique id, opaque.
    pub entry_id: String,
    /// Place in the journal, from 1, without gaps.
    pub sequence: i64,
    /// The window it belongs to.
    pub window: i64,
    /// What happened.
    pub kind: EntryKind,
    /// When, by the house's clock.
    pub entry_time: SystemTime,
    /// The postings the caller may see. None in answers of batches and streams.
    pub postings: Vec<Posting>,
    /// The lots it made, took or gave back, in that order.
    pub lots: Vec<LotPart>,
    /// Where it came from. Not in the answer to the operation itself.
    pub origin: Option<Origin>,
    /// The entry that it returns, undoes, captures, releases or reverses.
    pub linked_entry_id: Option<String>,
    /// The request that caused it, when the caller made it.
    pub request_id: Option<String>,
    /// Who asked for it.
    pub partner_id: String,
    /// Whose points moved, when the caller may know.
    pub member_id: Option<String>,
    /// Why the operator did it, when the caller may know: the reason of a longer life, a reinstatement or a debt given up,
    /// the period of a decay.
    pub reason_code: Option<String>,
    /// Of a redemption or an authorization: the issuers whose points were passed over because they could owe no more.
    /// Empty where the coalition does not disclose issuers.
    pub passed_over_issuer_ids: Vec<String>,
}

open_enum! {
    /// What kind of event an entry is.
    EntryKind = EntryKind, unspecified Unspecified {
        /// Points were given to a member.
        Issue = "ISSUE",
        /// A member paid with points.
        Redeem = "REDEEM",
        /// A redemption was given back, wholly or in part.
        Return = "RETURN",
        /// An entry was undone by its exact opposite.
        Undo = "UNDO",
        /// Points expired.
        Expire = "EXPIRE",
        /// Points were reserved for an acceptor.
        Authorize = "AUTHORIZE",
        /// A hold was taken, wholly or in part.
        Capture = "CAPTURE",
        /// A hold was released by its acceptor.
        Void = "VOID",
        /// A hold was released because its time was over.
        Lapse = "LAPSE",
        /// Points of an issue were taken back, or became a debt.
        Reverse = "REVERSE",
        /// A member's debt was paid with points.
        Recover = "RECOVER",
        /// Pending points became available.
        Activate = "ACTIVATE",
        /// Points that waited for their issuer's payment were paid for.
        Fund = "FUND",
        /// Points were taken for inactivity.
        Decay = "DECAY",
        /// A member gave points to another one.
        Transfer = "TRANSFER",
        /// Points live longer.
        Extend = "EXTEND",
        /// Points that had expired were given again.
        Reinstate = "REINSTATE",
        /// A member's debt was given up.
        WriteOff = "WRITE_OFF",
        /// A window was closed.
        Close = "CLOSE",
        /// A payment of a settlement was confirmed.
        Payment = "PAYMENT",
        /// A settlement was aborted.
        AbortSettlement = "ABORT_SETTLEMENT",
        /// Money was deposited.
        Deposit = "DEPOSIT",
        /// The coalition began.
        Found = "FOUND",
        /// A partner joined.
        CreatePartner = "CREATE_PARTNER",
        /// A partner got new terms.
        SetTerms = "SET_TERMS",
        /// A partner's state was set.
        SetPartnerState = "SET_PARTNER_STATE",
        /// A partner's limits were set.
        SetLimits = "SET_LIMITS",
        /// A funder's consent was given or taken back.
        SetFundingConsent = "SET_FUNDING_CONSENT",
        /// The calendar was set.
        SetCalendar = "SET_CALENDAR",
        /// A settlement was confirmed.
        ConfirmSettlement = "CONFIRM_SETTLEMENT",
        /// The orders of a settlement were exported.
        ExportOrders = "EXPORT_ORDERS",
        /// It was decided up to when what became of requests is forgotten.
        Forget = "FORGET",
    }
}

open_enum! {
    /// Why money moved.
    Purpose = Purpose, unspecified Unspecified {
        /// The price, value or reimbursement of points.
        Reward = "REWARD",
        /// The acceptance fee.
        Fee = "FEE",
        /// What is left between price, value and reimbursement.
        Spread = "SPREAD",
        /// The value of prepaid points that expired.
        Breakage = "BREAKAGE",
        /// A penalty of the coalition's contract.
        Penalty = "PENALTY",
        /// A charge of the operator.
        Charge = "CHARGE",
        /// Tax on a fee or charge.
        Tax = "TAX",
        /// A correction by the operator.
        Adjustment = "ADJUSTMENT",
        /// Closing, paying or aborting a settlement.
        Settlement = "SETTLEMENT",
        /// A deposit into the reserve or collateral.
        Deposit = "DEPOSIT",
    }
}

/// One signed line of an entry: credit is positive, debit negative.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Posting {
    /// The account, for example `member:M`, `issuer:A`, `position:A`, `pool`, `settle:1:A`, `bank`.
    pub account: String,
    /// What moved.
    pub quantity: Quantity,
    /// Why money moved; `None` for points.
    pub purpose: Option<Purpose>,
}

/// Points or money.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Quantity {
    /// Whole points.
    Points(i64),
    /// Money in the coalition's currency.
    Money(Money),
}

/// A part of one lot: of what is left of one issue.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LotPart {
    /// Id of the lot, opaque.
    pub lot_id: String,
    /// Its issuer; `None` when the coalition does not disclose it.
    pub issuer: Option<String>,
    /// Points of the lot that the entry made, took, gave back, reserved or released; 0 where it moved none for good.
    pub points: i64,
    /// From when on they cannot be spent; `None`: never.
    pub expires_time: Option<SystemTime>,
    /// Whether the caller is the issuer.
    pub own: bool,
    /// Points of the lot that a capture did not take and released.
    pub released_points: i64,
}

/// The next points a member loses unless they are spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextExpiry {
    /// From when on they cannot be spent.
    pub expires_time: SystemTime,
    /// How many.
    pub points: i64,
}

//! Why the rules say no. Made from the house's table of rejections by `clearing/tests/it/errors.rs`, which fails where
//! it is another.

use std::fmt;

/// Why the rules said no.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The certificate that the call was made with is trusted no more. The same request is taken under another one.
    CredentialRevoked,
    /// The person may not ask this: its roles do not allow it, too few people would be left to decide, or who is to be approver has
    /// no certificate; or it is for the operator's people, and the operator asks as a brand. Nothing is recorded, so it may be asked
    /// again under the same id.
    NotPermitted,
    /// The key is older than keys are kept.
    RequestTooOld,
    /// The key was made ahead of the house's time: this machine's clock is fast. The same request under the same key is
    /// taken once the house has come near that time.
    RequestTooNew,
    /// The request was abandoned before it arrived.
    RequestAbandoned,
    /// The key was used with another content.
    IdempotencyConflict,
    /// A time is too old or in the future.
    TimeOutOfRange,
    /// The partner has left the coalition. With a window, it is about an issue of an earlier one, which it does not
    /// reverse.
    PartnerExited,
    /// The partner may not issue at present.
    PartnerRestricted,
    /// The partner may neither issue nor accept at present, nor reverse what it issued in windows before the one that
    /// is named.
    PartnerSuspended,
    /// Unknown, or somebody else's.
    NotFound,
    /// The proposal was approved (DONE), refused or withdrawn, has lapsed, or is stale: what it changes has changed since it was asked
    /// for.
    ProposalNotOpen,
    /// Who decides has asked for it, or it is about that person.
    SamePerson,
    /// The same is proposed already, and waits for its second person.
    ProposalExists,
    /// An id of the request names an invite that there is already.
    InviteExists,
    /// More than the caller's own credential may do.
    ScopeExceeded,
    /// There is a partner of that id.
    PartnerExists,
    /// The version of a bank account does not wait to be in force: it is already, or something ended it.
    AccountChangeNotPending,
    /// The line of the bank's statement was booked before with another amount.
    BankReferenceConflict,
    /// The member is frozen: nothing of it is redeemed, reserved or transferred. It earns, and holds that are open are captured
    /// or voided. Without a time it is frozen until the operator lifts that.
    MemberBlocked,
    /// Giver and receiver of a transfer are the same member.
    SameMember,
    /// The line of the receipt was booked before, under another request id.
    DuplicateReceipt,
    /// The hold was captured, voided, or has lapsed.
    HoldNotOpen,
    /// More than the hold has.
    CaptureExceedsHold,
    /// More than what is left of the redemption.
    ReturnExceedsRedemption,
    /// The purchase was booked with another total of its receipt.
    ReceiptTotalMismatch,
    /// More than what is left of the issue to be reversed.
    ReversalExceedsIssue,
    /// The return period of the issue is over.
    ReversalTooLate,
    /// Points that should be taken back are spent.
    ReversalShortfall,
    /// A funder has given no consent, or not for so many points.
    ConsentExceeded,
    /// A limit of the issuer, or of the partner that asks, would be exceeded; what is used counted before. Of what it redeems of
    /// other issuers it is looked for behind `NET_DEBIT_CAP`, when the lots are chosen.
    LimitExceeded,
    /// Points may pay a smaller share of the receipt.
    ReceiptShareExceeded,
    /// The member has earned too recently to spend here.
    Cooling,
    /// The member has too few points.
    InsufficientPoints,
    /// The points lie in more lots than one entry takes.
    TooManyLots,
    /// Debts of an issuer would grow beyond its cap: too few of the points can be taken for now; or, with a partner,
    /// its own cap leaves no room for an issue.
    NetDebitCap,
    /// The coalition lets no net debit cap stand above what covers it: collateral, guarantees in force and the line without
    /// security.
    CoverInsufficient,
    /// Breakage shares do not add up to 1.
    BreakageNotOne,
    /// An amount per point has too many decimals.
    PriceNotExact,
    /// Somebody would get more for a point than backs it.
    TermsUnderfund,
    /// A cut-off that is less than a day away would move, or be told or paid on another day, or nobody was told of it.
    CalendarTooLate,
    /// The window is still open.
    WindowNotClosed,
    /// The settlement is confirmed already.
    SettlementNotProposed,
    /// The settlement is not confirmed yet.
    SettlementNotConfirmed,
    /// The settlement is final.
    SettlementSettled,
    /// Something of the settlement has been paid.
    SettlementAlreadyPaid,
    /// The orders were given in another mode before, and nobody said that they shall be void.
    ExportedOtherwise,
    /// The settlement was aborted.
    SettlementAborted,
    /// Nothing is due there.
    LegNotDue,
    /// Nothing of it is paid any more: it came back before, or was never paid.
    LegNotPaid,
    /// Another amount is due.
    AmountMismatch,
    /// More would be paid out than has come in.
    FundsNotReceived,
    /// What there is does not cover what is missing.
    ReserveInsufficient,
    /// More would be paid out of a fund than it holds.
    FundInsufficient,
    /// A number would not fit into 64 bits.
    Overflow,
    /// One that this version of the SDK does not know.
    Other(String),
}

impl Reason {
    /// The reason in UPPER_SNAKE, as the interface writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::CredentialRevoked => "CREDENTIAL_REVOKED",
            Self::NotPermitted => "NOT_PERMITTED",
            Self::RequestTooOld => "REQUEST_TOO_OLD",
            Self::RequestTooNew => "REQUEST_TOO_NEW",
            Self::RequestAbandoned => "REQUEST_ABANDONED",
            Self::IdempotencyConflict => "IDEMPOTENCY_CONFLICT",
            Self::TimeOutOfRange => "TIME_OUT_OF_RANGE",
            Self::PartnerExited => "PARTNER_EXITED",
            Self::PartnerRestricted => "PARTNER_RESTRICTED",
            Self::PartnerSuspended => "PARTNER_SUSPENDED",
            Self::NotFound => "NOT_FOUND",
            Self::ProposalNotOpen => "PROPOSAL_NOT_OPEN",
            Self::SamePerson => "SAME_PERSON",
            Self::ProposalExists => "PROPOSAL_EXISTS",
            Self::InviteExists => "INVITE_EXISTS",
            Self::ScopeExceeded => "SCOPE_EXCEEDED",
            Self::PartnerExists => "PARTNER_EXISTS",
            Self::AccountChangeNotPending => "ACCOUNT_CHANGE_NOT_PENDING",
            Self::BankReferenceConflict => "BANK_REFERENCE_CONFLICT",
            Self::MemberBlocked => "MEMBER_BLOCKED",
            Self::SameMember => "SAME_MEMBER",
            Self::DuplicateReceipt => "DUPLICATE_RECEIPT",
            Self::HoldNotOpen => "HOLD_NOT_OPEN",
            Self::CaptureExceedsHold => "CAPTURE_EXCEEDS_HOLD",
            Self::ReturnExceedsRedemption => "RETURN_EXCEEDS_REDEMPTION",
            Self::ReceiptTotalMismatch => "RECEIPT_TOTAL_MISMATCH",
            Self::ReversalExceedsIssue => "REVERSAL_EXCEEDS_ISSUE",
            Self::ReversalTooLate => "REVERSAL_TOO_LATE",
            Self::ReversalShortfall => "REVERSAL_SHORTFALL",
            Self::ConsentExceeded => "CONSENT_EXCEEDED",
            Self::LimitExceeded => "LIMIT_EXCEEDED",
            Self::ReceiptShareExceeded => "RECEIPT_SHARE_EXCEEDED",
            Self::Cooling => "COOLING",
            Self::InsufficientPoints => "INSUFFICIENT_POINTS",
            Self::TooManyLots => "TOO_MANY_LOTS",
            Self::NetDebitCap => "NET_DEBIT_CAP",
            Self::CoverInsufficient => "COVER_INSUFFICIENT",
            Self::BreakageNotOne => "BREAKAGE_NOT_ONE",
            Self::PriceNotExact => "PRICE_NOT_EXACT",
            Self::TermsUnderfund => "TERMS_UNDERFUND",
            Self::CalendarTooLate => "CALENDAR_TOO_LATE",
            Self::WindowNotClosed => "WINDOW_NOT_CLOSED",
            Self::SettlementNotProposed => "SETTLEMENT_NOT_PROPOSED",
            Self::SettlementNotConfirmed => "SETTLEMENT_NOT_CONFIRMED",
            Self::SettlementSettled => "SETTLEMENT_SETTLED",
            Self::SettlementAlreadyPaid => "SETTLEMENT_ALREADY_PAID",
            Self::ExportedOtherwise => "EXPORTED_OTHERWISE",
            Self::SettlementAborted => "SETTLEMENT_ABORTED",
            Self::LegNotDue => "LEG_NOT_DUE",
            Self::LegNotPaid => "LEG_NOT_PAID",
            Self::AmountMismatch => "AMOUNT_MISMATCH",
            Self::FundsNotReceived => "FUNDS_NOT_RECEIVED",
            Self::ReserveInsufficient => "RESERVE_INSUFFICIENT",
            Self::FundInsufficient => "FUND_INSUFFICIENT",
            Self::Overflow => "OVERFLOW",
            Self::Other(text) => text,
        }
    }

    pub(crate) fn parse(text: &str) -> Self {
        match text {
            "CREDENTIAL_REVOKED" => Self::CredentialRevoked,
            "NOT_PERMITTED" => Self::NotPermitted,
            "REQUEST_TOO_OLD" => Self::RequestTooOld,
            "REQUEST_TOO_NEW" => Self::RequestTooNew,
            "REQUEST_ABANDONED" => Self::RequestAbandoned,
            "IDEMPOTENCY_CONFLICT" => Self::IdempotencyConflict,
            "TIME_OUT_OF_RANGE" => Self::TimeOutOfRange,
            "PARTNER_EXITED" => Self::PartnerExited,
            "PARTNER_RESTRICTED" => Self::PartnerRestricted,
            "PARTNER_SUSPENDED" => Self::PartnerSuspended,
            "NOT_FOUND" => Self::NotFound,
            "PROPOSAL_NOT_OPEN" => Self::ProposalNotOpen,
            "SAME_PERSON" => Self::SamePerson,
            "PROPOSAL_EXISTS" => Self::ProposalExists,
            "INVITE_EXISTS" => Self::InviteExists,
            "SCOPE_EXCEEDED" => Self::ScopeExceeded,
            "PARTNER_EXISTS" => Self::PartnerExists,
            "ACCOUNT_CHANGE_NOT_PENDING" => Self::AccountChangeNotPending,
            "BANK_REFERENCE_CONFLICT" => Self::BankReferenceConflict,
            "MEMBER_BLOCKED" => Self::MemberBlocked,
            "SAME_MEMBER" => Self::SameMember,
            "DUPLICATE_RECEIPT" => Self::DuplicateReceipt,
            "HOLD_NOT_OPEN" => Self::HoldNotOpen,
            "CAPTURE_EXCEEDS_HOLD" => Self::CaptureExceedsHold,
            "RETURN_EXCEEDS_REDEMPTION" => Self::ReturnExceedsRedemption,
            "RECEIPT_TOTAL_MISMATCH" => Self::ReceiptTotalMismatch,
            "REVERSAL_EXCEEDS_ISSUE" => Self::ReversalExceedsIssue,
            "REVERSAL_TOO_LATE" => Self::ReversalTooLate,
            "REVERSAL_SHORTFALL" => Self::ReversalShortfall,
            "CONSENT_EXCEEDED" => Self::ConsentExceeded,
            "LIMIT_EXCEEDED" => Self::LimitExceeded,
            "RECEIPT_SHARE_EXCEEDED" => Self::ReceiptShareExceeded,
            "COOLING" => Self::Cooling,
            "INSUFFICIENT_POINTS" => Self::InsufficientPoints,
            "TOO_MANY_LOTS" => Self::TooManyLots,
            "NET_DEBIT_CAP" => Self::NetDebitCap,
            "COVER_INSUFFICIENT" => Self::CoverInsufficient,
            "BREAKAGE_NOT_ONE" => Self::BreakageNotOne,
            "PRICE_NOT_EXACT" => Self::PriceNotExact,
            "TERMS_UNDERFUND" => Self::TermsUnderfund,
            "CALENDAR_TOO_LATE" => Self::CalendarTooLate,
            "WINDOW_NOT_CLOSED" => Self::WindowNotClosed,
            "SETTLEMENT_NOT_PROPOSED" => Self::SettlementNotProposed,
            "SETTLEMENT_NOT_CONFIRMED" => Self::SettlementNotConfirmed,
            "SETTLEMENT_SETTLED" => Self::SettlementSettled,
            "SETTLEMENT_ALREADY_PAID" => Self::SettlementAlreadyPaid,
            "EXPORTED_OTHERWISE" => Self::ExportedOtherwise,
            "SETTLEMENT_ABORTED" => Self::SettlementAborted,
            "LEG_NOT_DUE" => Self::LegNotDue,
            "LEG_NOT_PAID" => Self::LegNotPaid,
            "AMOUNT_MISMATCH" => Self::AmountMismatch,
            "FUNDS_NOT_RECEIVED" => Self::FundsNotReceived,
            "RESERVE_INSUFFICIENT" => Self::ReserveInsufficient,
            "FUND_INSUFFICIENT" => Self::FundInsufficient,
            "OVERFLOW" => Self::Overflow,
            other => Self::Other(other.to_owned()),
        }
    }

    pub(crate) fn is_known(&self) -> bool {
        !matches!(self, Self::Other(_))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

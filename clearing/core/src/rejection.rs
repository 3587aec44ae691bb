//! Why the rules say no: final, typed, recorded, and each with the number that was exceeded.
//!
//! The variants stand in the published order: the same wrong call always gets the first reason that applies. A reason
//! is public; a partner's program may branch on it. Reasons are added, never renamed.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::units::Timestamp;

/// A rejection by the rules.
///
/// Rule: rejections
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Rejection {
    /// The message alone is wrong, whatever the state of the house. Never recorded.
    InvalidArgument {
        field: String,
        problem: String,
    },
    RequestTooOld {
        made: String,
        oldest: String,
    },
    /// The key's own time is ahead of the house by more than clocks differ. Once that time is near, the same request may
    /// come again.
    RequestTooNew {
        made: String,
        latest: String,
    },
    /// The key was abandoned before.
    RequestAbandoned {
        request_id: String,
    },
    IdempotencyConflict {
        request_id: String,
    },
    TimeOutOfRange {
        field: String,
        time: String,
        earliest: String,
        latest: String,
    },
    PartnerExited {
        partner: String,
        oldest_window: Option<u32>,
    },
    PartnerRestricted {
        partner: String,
    },
    /// With `oldest_window` it is about an issue of an earlier window, which a partner does not reverse once it is
    /// suspended; likewise of one that has left.
    PartnerSuspended {
        partner: String,
        oldest_window: Option<u32>,
    },
    /// Unknown, or somebody else's.
    NotFound {
        what: String,
        id: String,
    },
    PartnerExists {
        partner: String,
    },
    /// A transfer to the member that gives.
    SameMember {
        member: String,
    },
    /// The line of the receipt was booked before, under another request id.
    DuplicateReceipt {
        receipt: String,
        entry: String,
    },
    HoldNotOpen {
        hold: String,
        state: String,
    },
    CaptureExceedsHold {
        asked: i64,
        held: i64,
    },
    ReturnExceedsRedemption {
        asked: i64,
        left: i64,
    },
    /// The purchase was booked with another total of its receipt.
    ReceiptTotalMismatch {
        booked: String,
        given: String,
    },
    ReversalExceedsIssue {
        asked: i64,
        left: i64,
    },
    ReversalTooLate {
        issued: String,
        latest: String,
    },
    ReversalShortfall {
        asked: i64,
        left: i64,
    },
    /// A funder has given the caller no consent, or not for so many points.
    ConsentExceeded {
        funder: String,
        asked: i64,
        left: i64,
    },
    /// A limit of the issuer or of the partner that asks; `used` is what counted before.
    LimitExceeded {
        partner: String,
        limit: String,
        asked: i64,
        used: i64,
        maximum: i64,
    },
    ReceiptShareExceeded {
        asked: i64,
        maximum: i64,
    },
    Cooling {
        earned: String,
        until: String,
    },
    InsufficientPoints {
        asked: i64,
        available: i64,
    },
    TooManyLots {
        asked: i64,
        reachable: i64,
        lots_max: i64,
    },
    /// Enough points are available, but their issuers' net debit caps leave too few; or an issuer's own cap leaves no
    /// room for an issue, then `partner`, `needed` and `headroom` are given.
    NetDebitCap {
        asked: i64,
        reachable: i64,
        partner: Option<String>,
        needed: Option<String>,
        headroom: Option<String>,
    },
    BreakageNotOne {
        sum: String,
    },
    PriceNotExact {
        field: String,
        price: String,
        scale: u32,
    },
    /// Somebody would get more for a point than backs it.
    TermsUnderfund {
        lower: String,
        lower_amount: String,
        higher: String,
        higher_amount: String,
    },
    WindowNotClosed {
        window: u32,
    },
    SettlementNotProposed {
        window: u32,
        state: String,
    },
    SettlementNotConfirmed {
        window: u32,
        state: String,
    },
    SettlementSettled {
        window: u32,
    },
    SettlementAlreadyPaid {
        window: u32,
        paid: String,
    },
    SettlementAborted {
        window: u32,
    },
    LegNotDue {
        window: u32,
        party: String,
    },
    AmountMismatch {
        due: String,
        given: String,
    },
    FundsNotReceived {
        received: String,
        needed: String,
    },
    Overflow {
        what: String,
        maximum: i64,
    },
}

impl Rejection {
    /// All public reasons, in the published order.
    pub const REASONS: [&str; 40] = [
        "INVALID_ARGUMENT",
        "REQUEST_TOO_OLD",
        "REQUEST_TOO_NEW",
        "REQUEST_ABANDONED",
        "IDEMPOTENCY_CONFLICT",
        "TIME_OUT_OF_RANGE",
        "PARTNER_EXITED",
        "PARTNER_RESTRICTED",
        "PARTNER_SUSPENDED",
        "NOT_FOUND",
        "PARTNER_EXISTS",
        "SAME_MEMBER",
        "DUPLICATE_RECEIPT",
        "HOLD_NOT_OPEN",
        "CAPTURE_EXCEEDS_HOLD",
        "RETURN_EXCEEDS_REDEMPTION",
        "RECEIPT_TOTAL_MISMATCH",
        "REVERSAL_EXCEEDS_ISSUE",
        "REVERSAL_TOO_LATE",
        "REVERSAL_SHORTFALL",
        "CONSENT_EXCEEDED",
        "LIMIT_EXCEEDED",
        "RECEIPT_SHARE_EXCEEDED",
        "COOLING",
        "INSUFFICIENT_POINTS",
        "TOO_MANY_LOTS",
        "NET_DEBIT_CAP",
        "BREAKAGE_NOT_ONE",
        "PRICE_NOT_EXACT",
        "TERMS_UNDERFUND",
        "WINDOW_NOT_CLOSED",
        "SETTLEMENT_NOT_PROPOSED",
        "SETTLEMENT_NOT_CONFIRMED",
        "SETTLEMENT_SETTLED",
        "SETTLEMENT_ALREADY_PAID",
        "SETTLEMENT_ABORTED",
        "LEG_NOT_DUE",
        "AMOUNT_MISMATCH",
        "FUNDS_NOT_RECEIVED",
        "OVERFLOW",
    ];

    pub fn invalid(field: &str, problem: impl fmt::Display) -> Self {
        Self::InvalidArgument { field: field.to_owned(), problem: problem.to_string() }
    }

    pub fn not_found(what: &str, id: impl fmt::Display) -> Self {
        Self::NotFound { what: what.to_owned(), id: id.to_string() }
    }

    pub(crate) fn too_many_lots(asked: crate::units::Points, reachable: i64) -> Self {
        let lots_max = i64::try_from(crate::book::LOTS_PER_ENTRY_MAX).expect("a small constant");
        Self::TooManyLots { asked: asked.0, reachable, lots_max }
    }

    /// The place in the published order.
    pub(crate) fn rank(&self) -> usize {
        Self::REASONS.iter().position(|reason| *reason == self.reason()).unwrap_or(usize::MAX)
    }

    /// The public reason.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::InvalidArgument { .. } => "INVALID_ARGUMENT",
            Self::RequestTooOld { .. } => "REQUEST_TOO_OLD",
            Self::RequestTooNew { .. } => "REQUEST_TOO_NEW",
            Self::RequestAbandoned { .. } => "REQUEST_ABANDONED",
            Self::IdempotencyConflict { .. } => "IDEMPOTENCY_CONFLICT",
            Self::TimeOutOfRange { .. } => "TIME_OUT_OF_RANGE",
            Self::PartnerExited { .. } => "PARTNER_EXITED",
            Self::PartnerRestricted { .. } => "PARTNER_RESTRICTED",
            Self::PartnerSuspended { .. } => "PARTNER_SUSPENDED",
            Self::NotFound { .. } => "NOT_FOUND",
            Self::PartnerExists { .. } => "PARTNER_EXISTS",
            Self::SameMember { .. } => "SAME_MEMBER",
            Self::DuplicateReceipt { .. } => "DUPLICATE_RECEIPT",
            Self::HoldNotOpen { .. } => "HOLD_NOT_OPEN",
            Self::CaptureExceedsHold { .. } => "CAPTURE_EXCEEDS_HOLD",
            Self::ReturnExceedsRedemption { .. } => "RETURN_EXCEEDS_REDEMPTION",
            Self::ReceiptTotalMismatch { .. } => "RECEIPT_TOTAL_MISMATCH",
            Self::ReversalExceedsIssue { .. } => "REVERSAL_EXCEEDS_ISSUE",
            Self::ReversalTooLate { .. } => "REVERSAL_TOO_LATE",
            Self::ReversalShortfall { .. } => "REVERSAL_SHORTFALL",
            Self::ConsentExceeded { .. } => "CONSENT_EXCEEDED",
            Self::LimitExceeded { .. } => "LIMIT_EXCEEDED",
            Self::ReceiptShareExceeded { .. } => "RECEIPT_SHARE_EXCEEDED",
            Self::Cooling { .. } => "COOLING",
            Self::InsufficientPoints { .. } => "INSUFFICIENT_POINTS",
            Self::TooManyLots { .. } => "TOO_MANY_LOTS",
            Self::NetDebitCap { .. } => "NET_DEBIT_CAP",
            Self::BreakageNotOne { .. } => "BREAKAGE_NOT_ONE",
            Self::PriceNotExact { .. } => "PRICE_NOT_EXACT",
            Self::TermsUnderfund { .. } => "TERMS_UNDERFUND",
            Self::WindowNotClosed { .. } => "WINDOW_NOT_CLOSED",
            Self::SettlementNotProposed { .. } => "SETTLEMENT_NOT_PROPOSED",
            Self::SettlementNotConfirmed { .. } => "SETTLEMENT_NOT_CONFIRMED",
            Self::SettlementSettled { .. } => "SETTLEMENT_SETTLED",
            Self::SettlementAlreadyPaid { .. } => "SETTLEMENT_ALREADY_PAID",
            Self::SettlementAborted { .. } => "SETTLEMENT_ABORTED",
            Self::LegNotDue { .. } => "LEG_NOT_DUE",
            Self::AmountMismatch { .. } => "AMOUNT_MISMATCH",
            Self::FundsNotReceived { .. } => "FUNDS_NOT_RECEIVED",
            Self::Overflow { .. } => "OVERFLOW",
        }
    }

    /// The numbers behind the reason, by name.
    pub fn numbers(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::InvalidArgument { field, problem } => vec![("field", field.clone()), ("problem", problem.clone())],
            Self::RequestTooOld { made, oldest } => vec![("made_time", made.clone()), ("oldest_time", oldest.clone())],
            Self::RequestTooNew { made, latest } => vec![("made_time", made.clone()), ("latest_time", latest.clone())],
            Self::IdempotencyConflict { request_id } | Self::RequestAbandoned { request_id } => {
                vec![("request_id", request_id.clone())]
            }
            Self::TimeOutOfRange { field, time, earliest, latest } => vec![
                ("field", field.clone()),
                ("time", time.clone()),
                ("earliest_time", earliest.clone()),
                ("latest_time", latest.clone()),
            ],
            Self::PartnerRestricted { partner } | Self::PartnerExists { partner } => vec![("partner", partner.clone())],
            Self::PartnerExited { partner, oldest_window } | Self::PartnerSuspended { partner, oldest_window } => {
                let window = oldest_window.map(|window| ("oldest_window", window.to_string()));
                [("partner", partner.clone())].into_iter().chain(window).collect()
            }
            Self::NotFound { what, id } => vec![("what", what.clone()), ("id", id.clone())],
            Self::SameMember { member } => vec![("member_id", member.clone())],
            Self::DuplicateReceipt { receipt, entry } => {
                vec![("receipt", receipt.clone()), ("entry_id", entry.clone())]
            }
            Self::HoldNotOpen { hold, state } => vec![("hold_id", hold.clone()), ("state", state.clone())],
            Self::CaptureExceedsHold { asked, held } => {
                vec![("asked_points", asked.to_string()), ("held_points", held.to_string())]
            }
            Self::ReturnExceedsRedemption { asked, left }
            | Self::ReversalExceedsIssue { asked, left }
            | Self::ReversalShortfall { asked, left } => {
                vec![("asked_points", asked.to_string()), ("left_points", left.to_string())]
            }
            Self::ReceiptTotalMismatch { booked, given } => {
                vec![("booked_amount", booked.clone()), ("given_amount", given.clone())]
            }
            Self::ReversalTooLate { issued, latest } => {
                vec![("issued_time", issued.clone()), ("latest_time", latest.clone())]
            }
            Self::ConsentExceeded { funder, asked, left } => {
                vec![("funder", funder.clone()), ("asked_points", asked.to_string()), ("left_points", left.to_string())]
            }
            Self::LimitExceeded { partner, limit, asked, used, maximum } => vec![
                ("partner", partner.clone()),
                ("limit", limit.clone()),
                ("asked_points", asked.to_string()),
                ("used_points", used.to_string()),
                ("maximum_points", maximum.to_string()),
            ],
            Self::ReceiptShareExceeded { asked, maximum } => {
                vec![("asked_points", asked.to_string()), ("maximum_points", maximum.to_string())]
            }
            Self::Cooling { earned, until } => {
                vec![("earned_time", earned.clone()), ("spendable_time", until.clone())]
            }
            Self::NetDebitCap { asked, reachable, partner, needed, headroom } => {
                let mut numbers =
                    vec![("asked_points", asked.to_string()), ("reachable_points", reachable.to_string())];
                let named = [("partner", partner), ("needed_amount", needed), ("headroom_amount", headroom)];
                numbers.extend(named.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
                numbers
            }
            Self::InsufficientPoints { asked, available } => {
                vec![("asked_points", asked.to_string()), ("available_points", available.to_string())]
            }
            Self::TooManyLots { asked, reachable, lots_max } => vec![
                ("asked_points", asked.to_string()),
                ("reachable_points", reachable.to_string()),
                ("lots_max", lots_max.to_string()),
            ],
            Self::BreakageNotOne { sum } => vec![("sum", sum.clone())],
            Self::PriceNotExact { field, price, scale } => {
                vec![("field", field.clone()), ("price", price.clone()), ("scale", scale.to_string())]
            }
            Self::TermsUnderfund { lower, lower_amount, higher, higher_amount } => vec![
                ("lower", lower.clone()),
                ("lower_amount", lower_amount.clone()),
                ("higher", higher.clone()),
                ("higher_amount", higher_amount.clone()),
            ],
            Self::WindowNotClosed { window }
            | Self::SettlementSettled { window }
            | Self::SettlementAborted { window } => vec![("window", window.to_string())],
            Self::SettlementNotProposed { window, state } | Self::SettlementNotConfirmed { window, state } => {
                vec![("window", window.to_string()), ("state", state.clone())]
            }
            Self::SettlementAlreadyPaid { window, paid } => {
                vec![("window", window.to_string()), ("paid_amount", paid.clone())]
            }
            Self::LegNotDue { window, party } => vec![("window", window.to_string()), ("party", party.clone())],
            Self::AmountMismatch { due, given } => vec![("due_amount", due.clone()), ("given_amount", given.clone())],
            Self::FundsNotReceived { received, needed } => {
                vec![("received_amount", received.clone()), ("needed_amount", needed.clone())]
            }
            Self::Overflow { what, maximum } => vec![("what", what.clone()), ("maximum", maximum.to_string())],
        }
    }

    /// Whether the same wish under a new request id may succeed later, without anybody changing it; of an id that is too
    /// new under that same id.
    pub fn transient(&self) -> bool {
        match self {
            // A till whose clock runs ahead: the house comes to that time by itself.
            Self::TimeOutOfRange { field, time, latest, .. } => {
                field.starts_with("business_") && is_after(time, latest)
            }
            Self::RequestTooNew { .. }
            | Self::PartnerRestricted { .. }
            | Self::PartnerSuspended { .. }
            | Self::ConsentExceeded { .. }
            | Self::LimitExceeded { .. }
            | Self::Cooling { .. }
            | Self::InsufficientPoints { .. }
            | Self::TooManyLots { .. }
            | Self::NetDebitCap { .. }
            | Self::TermsUnderfund { .. }
            | Self::WindowNotClosed { .. }
            | Self::SettlementNotConfirmed { .. }
            | Self::FundsNotReceived { .. } => true,
            Self::InvalidArgument { .. }
            | Self::RequestTooOld { .. }
            | Self::IdempotencyConflict { .. }
            | Self::RequestAbandoned { .. }
            | Self::PartnerExited { .. }
            | Self::NotFound { .. }
            | Self::PartnerExists { .. }
            | Self::SameMember { .. }
            | Self::DuplicateReceipt { .. }
            | Self::HoldNotOpen { .. }
            | Self::CaptureExceedsHold { .. }
            | Self::ReturnExceedsRedemption { .. }
            | Self::ReceiptTotalMismatch { .. }
            | Self::ReversalExceedsIssue { .. }
            | Self::ReversalTooLate { .. }
            | Self::ReversalShortfall { .. }
            | Self::ReceiptShareExceeded { .. }
            | Self::BreakageNotOne { .. }
            | Self::PriceNotExact { .. }
            | Self::SettlementNotProposed { .. }
            | Self::SettlementSettled { .. }
            | Self::SettlementAlreadyPaid { .. }
            | Self::SettlementAborted { .. }
            | Self::LegNotDue { .. }
            | Self::AmountMismatch { .. }
            | Self::Overflow { .. } => false,
        }
    }

    /// Whether the answer is kept under the request's key and replayed. A malformed message is not; a conflict leaves
    /// what is recorded as it is; a key that is too old may have been pruned, so nothing can be kept under it; one that is
    /// too new is looked at again when it comes in its time.
    ///
    /// Rule: recorded-answers
    pub fn recorded(&self) -> bool {
        !matches!(
            self,
            Self::InvalidArgument { .. }
                | Self::RequestTooOld { .. }
                | Self::RequestTooNew { .. }
                | Self::IdempotencyConflict { .. }
                | Self::RequestAbandoned { .. }
        )
    }
}

/// Whether one moment, as rejections write them, is after another.
fn is_after(time: &str, other: &str) -> bool {
    time.parse::<Timestamp>().ok() > other.parse::<Timestamp>().ok()
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidArgument { field, problem } => write!(f, "{field}: {problem}"),
            Self::RequestTooOld { made, oldest } => {
                write!(
                    f,
                    "the request id was made {made}, and keys older than {oldest} are no longer kept; make a new one"
                )
            }
            Self::RequestTooNew { made, latest } => {
                write!(
                    f,
                    "the request id was made {made}, and the house takes ids made up to {latest}; set your clock, and \
                     ask again later under the same id or at once under a new one"
                )
            }
            Self::IdempotencyConflict { request_id } => {
                write!(f, "request id {request_id} was used before with other content; make a new one for another wish")
            }
            Self::RequestAbandoned { request_id } => write!(f, "request {request_id} was abandoned and has no effect"),
            Self::TimeOutOfRange { field, time, earliest, latest } => {
                write!(f, "{field} is {time}; it may lie between {earliest} and {latest}")
            }
            Self::PartnerExited { partner, oldest_window: None } => {
                write!(f, "partner {partner} has left the coalition")
            }
            Self::PartnerExited { partner, oldest_window: Some(window) } => {
                write!(f, "partner {partner} has left the coalition and reverses no issue from before window {window}")
            }
            Self::PartnerRestricted { partner } => {
                write!(f, "partner {partner} is restricted and may not issue points")
            }
            Self::PartnerSuspended { partner, oldest_window: None } => {
                write!(f, "partner {partner} is suspended and may neither issue nor accept points")
            }
            Self::PartnerSuspended { partner, oldest_window: Some(window) } => {
                write!(f, "partner {partner} is suspended and reverses no issue from before window {window}")
            }
            Self::NotFound { what, id } => write!(f, "there is no {what} {id} that you may see"),
            Self::PartnerExists { partner } => write!(f, "there is a partner {partner} already"),
            Self::SameMember { member } => {
                write!(f, "giver and receiver are the same member {member}; points are given to another one")
            }
            Self::DuplicateReceipt { receipt, entry } => {
                write!(f, "{receipt} was booked before, as entry {entry}; ask for that entry instead")
            }
            Self::HoldNotOpen { hold, state } => write!(f, "hold {hold} is {state}, not OPEN"),
            Self::CaptureExceedsHold { asked, held } => {
                write!(f, "{asked} points cannot be captured: the hold has {held}")
            }
            Self::ReceiptTotalMismatch { booked, given } => write!(
                f,
                "the purchase was booked with a receipt total of {booked}, not {given}; name the total that was booked"
            ),
            Self::ReversalExceedsIssue { asked, left } => {
                write!(f, "{asked} points cannot be reversed: {left} of what was issued are left to be")
            }
            Self::ReversalTooLate { issued, latest } => {
                write!(f, "the points were issued {issued}; they could be reversed until {latest}")
            }
            Self::ConsentExceeded { funder, asked, left } => {
                write!(f, "{funder} would have to fund {asked} points; its consent leaves {left}")
            }
            Self::LimitExceeded { partner, limit, asked, used, maximum } => {
                write!(f, "{asked} points are beyond the limit {limit} of {partner}: {used} of {maximum} are used")
            }
            Self::ReceiptShareExceeded { asked, maximum } => {
                write!(f, "{asked} points are more than the share of the receipt that points may pay: {maximum}")
            }
            Self::Cooling { earned, until } => {
                write!(f, "the member earned points {earned} and can spend here from {until} on")
            }
            Self::NetDebitCap { partner: Some(partner), needed: Some(needed), headroom: Some(headroom), .. } => {
                write!(f, "the issue needs {needed}, and the net debit cap of {partner} leaves {headroom}")
            }
            Self::NetDebitCap { asked, reachable, .. } => write!(
                f,
                "{asked} points were asked for; the net debit caps of their issuers leave {reachable} for now"
            ),
            Self::ReturnExceedsRedemption { asked, left } => {
                write!(f, "{asked} points cannot be returned: {left} of the redemption are left")
            }
            Self::ReversalShortfall { asked, left } => {
                write!(f, "{asked} points cannot be taken back: {left} of them are left")
            }
            Self::InsufficientPoints { asked, available } => {
                write!(f, "{asked} points were asked for, {available} are available")
            }
            Self::TooManyLots { asked, reachable, lots_max } => write!(
                f,
                "{asked} points lie in more than {lots_max} lots, the most one entry takes; {reachable} can be reached"
            ),
            Self::BreakageNotOne { sum } => write!(f, "the breakage shares sum to {sum}, not to 1"),
            Self::PriceNotExact { field, price, scale } => {
                write!(f, "{field} {price} has more than the {scale} decimals of the coalition's money")
            }
            Self::TermsUnderfund { lower, lower_amount, higher, higher_amount } => {
                write!(f, "the {lower} of {lower_amount} is below the {higher} of {higher_amount}")
            }
            Self::WindowNotClosed { window } => write!(f, "window {window} is still open"),
            Self::SettlementNotProposed { window, state } => {
                write!(f, "the settlement of window {window} is {state}, not PROPOSED")
            }
            Self::SettlementNotConfirmed { window, state } => {
                write!(f, "the settlement of window {window} is {state}; confirm it first")
            }
            Self::SettlementSettled { window } => {
                write!(f, "the settlement of window {window} is SETTLED, which is final")
            }
            Self::SettlementAlreadyPaid { window, paid } => {
                write!(f, "{paid} of the settlement of window {window} are paid already")
            }
            Self::SettlementAborted { window } => write!(f, "the settlement of window {window} was aborted"),
            Self::LegNotDue { window, party } => write!(f, "nothing is due between {party} and window {window}"),
            Self::AmountMismatch { due, given } => write!(f, "{due} are due, not {given}"),
            Self::FundsNotReceived { received, needed } => {
                write!(
                    f,
                    "{needed} would have to be paid out, and only {received} have come in and are not yet paid out"
                )
            }
            Self::Overflow { what, maximum } => write!(f, "{what} would go beyond {maximum}"),
        }
    }
}

impl std::error::Error for Rejection {}

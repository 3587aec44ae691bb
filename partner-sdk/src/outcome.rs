//! What became of a request with an effect.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use crate::error::Error;
use crate::request_id::RequestId;

/// What became of a request with an effect.
///
/// A call gives `Err` instead when it is certain that it had no effect and no rule said so: the message was malformed, the
/// certificate was refused, the house could not be reached.
#[derive(Debug, Clone)]
#[must_use = "a request may have been rejected, or its fate may be unknown"]
pub enum Outcome<T> {
    /// The house accepted it, durably.
    Accepted(T),
    /// The rules said no. Final: the same request gets the same answer.
    Rejected(Rejection),
    /// No answer came in time although the request may have arrived.
    Unknown(Unknown),
}

impl<T> Outcome<T> {
    /// The answer, or why there is none.
    ///
    /// # Errors
    /// [`NotAccepted`], when the rules said no or nobody knows.
    pub fn accepted(self) -> Result<T, NotAccepted> {
        match self {
            Self::Accepted(answer) => Ok(answer),
            Self::Rejected(rejection) => Err(NotAccepted::Rejected(rejection)),
            Self::Unknown(unknown) => Err(NotAccepted::Unknown(unknown)),
        }
    }

    /// The rejection, if it was rejected.
    #[must_use]
    pub fn rejection(&self) -> Option<&Rejection> {
        match self {
            Self::Rejected(rejection) => Some(rejection),
            Self::Accepted(_) | Self::Unknown(_) => None,
        }
    }
}

/// Why a request was not accepted.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NotAccepted {
    /// The rules said no.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// Nobody knows.
    #[error(transparent)]
    Unknown(#[from] Unknown),
}

/// The rules of the coalition said no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {message}")]
#[non_exhaustive]
pub struct Rejection {
    /// Which rule.
    pub reason: Reason,
    /// The same in words, for developers and logs.
    pub message: String,
    /// The numbers that belong to it, for example `available_points`.
    pub metadata: BTreeMap<String, String>,
    /// Whether the same wish in a *new* request may succeed later, without anybody changing it; after
    /// [`Reason::RequestTooNew`] also in the same one.
    pub transient: bool,
    /// Whether this is the answer to an earlier call under the same key.
    pub replayed: bool,
}

impl Rejection {
    /// The house sends its flags among the numbers.
    pub(crate) fn new(reason: Reason, message: String, metadata: HashMap<String, String>) -> Self {
        let mut metadata = BTreeMap::from_iter(metadata);
        metadata.remove("recorded");
        let mut flag = |name| metadata.remove(name).is_some_and(|text| text == "true");
        let (transient, replayed) = (flag("transient"), flag("replayed"));
        Self { reason, message, metadata, transient, replayed }
    }

    /// A number of the metadata.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<i64> {
        self.metadata.get(name)?.parse().ok()
    }
}

/// The request may have had its effect or not: no answer came in time.
///
/// Send the same request again with the same `request_id` until there is an answer, or abandon it: both are safe at any
/// time, also after a restart.
#[derive(Debug, Clone, thiserror::Error)]
#[error("no answer to request {request_id}; it may have had its effect")]
#[non_exhaustive]
pub struct Unknown {
    /// The key to ask again with.
    pub request_id: RequestId,
    /// What went wrong last.
    #[source]
    pub cause: Error,
}

/// Declares [`Reason`] with the words of the interface.
macro_rules! reasons {
    ($( $(#[$meta:meta])* $variant:ident = $text:literal; )*) => {
        /// Why the rules said no.
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Reason {
            $( $(#[$meta])* $variant, )*
            /// One that this version of the SDK does not know.
            Other(String),
        }

        impl Reason {
            /// The reason in UPPER_SNAKE, as the interface writes it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $( Self::$variant => $text, )*
                    Self::Other(text) => text,
                }
            }

            pub(crate) fn parse(text: &str) -> Self {
                match text {
                    $( $text => Self::$variant, )*
                    other => Self::Other(other.to_owned()),
                }
            }
        }
    };
}

reasons! {
    /// The key is older than keys are kept.
    RequestTooOld = "REQUEST_TOO_OLD";
    /// The key was made ahead of the house's time: this machine's clock is fast. The same request under the same key is
    /// taken once the house has come near that time.
    RequestTooNew = "REQUEST_TOO_NEW";
    /// The request was abandoned before it arrived.
    RequestAbandoned = "REQUEST_ABANDONED";
    /// The key was used with another content.
    IdempotencyConflict = "IDEMPOTENCY_CONFLICT";
    /// A time is too old or in the future.
    TimeOutOfRange = "TIME_OUT_OF_RANGE";
    /// The partner has left the coalition.
    PartnerExited = "PARTNER_EXITED";
    /// The partner may not issue at present.
    PartnerRestricted = "PARTNER_RESTRICTED";
    /// The partner may neither issue nor accept at present, nor reverse what it issued in windows before this.
    PartnerSuspended = "PARTNER_SUSPENDED";
    /// Unknown, or somebody else's.
    NotFound = "NOT_FOUND";
    /// There is a partner of that id.
    PartnerExists = "PARTNER_EXISTS";
    /// Giver and receiver of a transfer are the same member.
    SameMember = "SAME_MEMBER";
    /// The line of the receipt was booked before, under another request id.
    DuplicateReceipt = "DUPLICATE_RECEIPT";
    /// The hold was captured, voided, or has lapsed.
    HoldNotOpen = "HOLD_NOT_OPEN";
    /// More than the hold has.
    CaptureExceedsHold = "CAPTURE_EXCEEDS_HOLD";
    /// More than what is left of the redemption.
    ReturnExceedsRedemption = "RETURN_EXCEEDS_REDEMPTION";
    /// The purchase was booked with another total of its receipt.
    ReceiptTotalMismatch = "RECEIPT_TOTAL_MISMATCH";
    /// More than what is left of the issue to be reversed.
    ReversalExceedsIssue = "REVERSAL_EXCEEDS_ISSUE";
    /// The return period of the issue is over.
    ReversalTooLate = "REVERSAL_TOO_LATE";
    /// Points that should be taken back are spent.
    ReversalShortfall = "REVERSAL_SHORTFALL";
    /// A funder has given no consent, or not for so many points.
    ConsentExceeded = "CONSENT_EXCEEDED";
    /// A limit of a partner would be exceeded.
    LimitExceeded = "LIMIT_EXCEEDED";
    /// Points may pay a smaller share of the receipt.
    ReceiptShareExceeded = "RECEIPT_SHARE_EXCEEDED";
    /// The member has earned too recently to spend here.
    Cooling = "COOLING";
    /// The member has too few points.
    InsufficientPoints = "INSUFFICIENT_POINTS";
    /// The points lie in more lots than one entry takes.
    TooManyLots = "TOO_MANY_LOTS";
    /// Debts of an issuer would grow beyond its cap.
    NetDebitCap = "NET_DEBIT_CAP";
    /// Breakage shares do not add up to 1.
    BreakageNotOne = "BREAKAGE_NOT_ONE";
    /// An amount per point has too many decimals.
    PriceNotExact = "PRICE_NOT_EXACT";
    /// Somebody would get more for a point than backs it.
    TermsUnderfund = "TERMS_UNDERFUND";
    /// The window is still open.
    WindowNotClosed = "WINDOW_NOT_CLOSED";
    /// The settlement is confirmed already.
    SettlementNotProposed = "SETTLEMENT_NOT_PROPOSED";
    /// The settlement is not confirmed yet.
    SettlementNotConfirmed = "SETTLEMENT_NOT_CONFIRMED";
    /// The settlement is final.
    SettlementSettled = "SETTLEMENT_SETTLED";
    /// Something of the settlement has been paid.
    SettlementAlreadyPaid = "SETTLEMENT_ALREADY_PAID";
    /// The settlement was aborted.
    SettlementAborted = "SETTLEMENT_ABORTED";
    /// Nothing is due there.
    LegNotDue = "LEG_NOT_DUE";
    /// Another amount is due.
    AmountMismatch = "AMOUNT_MISMATCH";
    /// More would be paid out than has come in.
    FundsNotReceived = "FUNDS_NOT_RECEIVED";
    /// A number would not fit into 64 bits.
    Overflow = "OVERFLOW";
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

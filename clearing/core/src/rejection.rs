//! Why the rules say no: final, typed, recorded, and each with the number that was exceeded.
//!
//! Everything that is known of a rejection stands in one table, in the published order: the same wrong call always gets the
//! first reason that applies. A reason is public; a partner's program may branch on it. Reasons are added, never renamed. The
//! gRPC codes, docs/errors.md and the SDK's enum follow from the table.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::units::{Overflow, Timestamp};

/// What kind of no it is, from which the wire's code follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The message is wrong in itself.
    Malformed,
    /// Who asks is believed no more.
    Disowned,
    /// What it names is not there, or is not the caller's.
    Missing,
    /// What it would make is there already.
    Exists,
    /// An allowance is used up.
    UsedUp,
    /// The books are not in a state for it. A cap on debts, and points that are missing, are of this kind.
    State,
}

/// Whether the same wish under a new request id may succeed later, without anybody changing it; of an id that is too new
/// under that same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transience {
    Never,
    Always,
    /// Of a till's clock that is ahead of the house: the house comes to that time by itself.
    OfTillsAhead,
}

/// A line of the table of rejections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The public reason, in UPPER_SNAKE.
    pub reason: &'static str,
    /// The name in code, here and in the SDK.
    pub variant: &'static str,
    pub class: Class,
    /// Whether the answer is kept under the request's key and replayed. A malformed message is not; a conflict leaves what
    /// is recorded as it is; a key that is too old may have been pruned, so nothing can be kept under it; one that is too
    /// new is looked at again when it comes in its time.
    pub recorded: bool,
    pub transient: Transience,
    /// The names of its numbers, as the wire has them. Those that it may be without are among them.
    pub metadata: &'static [&'static str],
    /// What it means, as partners read it.
    pub doc: &'static [&'static str],
}

const RECORDED: bool = true;
const NOT_RECORDED: bool = false;
const TRANSIENT: Transience = Transience::Always;
const LASTING: Transience = Transience::Never;
const OF_TILLS_AHEAD: Transience = Transience::OfTillsAhead;

/// Makes a type and its table of one list, so that nothing is known of a rejection in a second place. A line says: what it
/// means, its name, its public reason, class, whether it is recorded, whether it is transient; its fields with their names
/// on the wire and an example of each; its text.
macro_rules! rejections {
    ($(
        $(#[doc = $doc:literal])+
        $variant:ident = $reason:literal, $class:ident, $recorded:ident, $transient:ident {
            $( $field:ident: $type:ty = $name:literal [$example:literal] ),*
        } => |$f:ident| $text:expr;
    )*) => {
        /// A rejection by the rules.
        ///
        /// Rule: rejections
        #[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
        pub enum Rejection {
            $( $(#[doc = $doc])+ $variant { $( $field: $type ),* }, )*
        }

        /// The variants without their fields, in the published order.
        #[derive(Clone, Copy)]
        enum Place {
            $( $variant, )*
        }

        impl Rejection {
            /// Every rejection, in the published order.
            pub const TABLE: [Row; [$( $reason ),*].len()] = [
                $( Row {
                    reason: $reason,
                    variant: stringify!($variant),
                    class: Class::$class,
                    recorded: $recorded,
                    transient: $transient,
                    metadata: &[$( $name ),*],
                    doc: &[$( $doc ),+],
                }, )*
            ];

            /// All public reasons, in the published order.
            pub const REASONS: [&str; Self::TABLE.len()] = [$( $reason ),*];

            /// One of every rejection, in the published order, as they are shown to partners.
            pub fn examples() -> Vec<Self> {
                vec![$( Self::$variant { $( $field: <$type>::shown($example) ),* } ),*]
            }

            fn place(&self) -> Place {
                match self {
                    $( Self::$variant { .. } => Place::$variant, )*
                }
            }

            /// The numbers behind the reason, by name.
            pub fn numbers(&self) -> Vec<(&'static str, String)> {
                match self {
                    $( Self::$variant { $( $field ),* } => {
                        let numbers = [$( ($name, $field.figure()) ),*];
                        numbers.into_iter().filter_map(|(name, figure)| Some((name, figure?))).collect()
                    } )*
                }
            }
        }

        impl fmt::Display for Rejection {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $( Self::$variant { $( $field ),* } => { let $f = f; $text } )*
                }
            }
        }
    };
}

/// A field of a rejection.
trait Figure {
    /// As text; none where it is left out.
    fn figure(&self) -> Option<String>;

    /// The one that an example of the table has.
    fn shown(example: &str) -> Self;
}

impl Figure for String {
    fn figure(&self) -> Option<String> {
        Some(self.clone())
    }

    fn shown(example: &str) -> Self {
        example.to_owned()
    }
}

impl Figure for i64 {
    fn figure(&self) -> Option<String> {
        Some(self.to_string())
    }

    fn shown(example: &str) -> Self {
        example.parse().expect("the example of a number is a number")
    }
}

impl Figure for u32 {
    fn figure(&self) -> Option<String> {
        Some(self.to_string())
    }

    fn shown(example: &str) -> Self {
        example.parse().expect("the example of a number is a number")
    }
}

/// An example without text leaves it out.
impl<T: Figure> Figure for Option<T> {
    fn figure(&self) -> Option<String> {
        self.as_ref().and_then(T::figure)
    }

    fn shown(example: &str) -> Self {
        (!example.is_empty()).then(|| T::shown(example))
    }
}

rejections! {
    /// The certificate that the call was made with is trusted no more. The same request is taken under another one.
    CredentialRevoked = "CREDENTIAL_REVOKED", Disowned, NOT_RECORDED, LASTING { serial: String = "serial" ["5f0c6a2b9d3e4f10a1b2c3d4e5f60718"] } => |f| write!(
        f,
        "the certificate with the serial number {serial} was revoked; ask under another one, which whoever looks after this \
         partner's credentials invites you to"
    );

    /// The message alone is wrong, whatever the state of the house.
    InvalidArgument = "INVALID_ARGUMENT", Malformed, NOT_RECORDED, LASTING { field: String = "field" ["points"], problem: String = "problem" ["0 is not above zero"] } => |f| write!(f, "{field}: {problem}");

    /// The person may not ask this: its roles do not allow it, too few people would be left to decide, or who is to be approver has
    /// no certificate; or it is for the operator's people, and the operator asks as a brand. Nothing is recorded, so it may be asked
    /// again under the same id.
    NotPermitted = "NOT_PERMITTED", State, NOT_RECORDED, LASTING { problem: String = "problem" ["1 with the role APPROVER would be left, and 2 must be; give it to somebody else first"] } => |f| f.write_str(problem);

    /// The key is older than keys are kept.
    RequestTooOld = "REQUEST_TOO_OLD", State, NOT_RECORDED, LASTING { made: String = "made_time" ["2025-01-01T00:00:00Z"], oldest: String = "oldest_time" ["2025-12-28T00:00:00Z"] } => |f| write!(f, "the request id was made {made}, and keys older than {oldest} are no longer kept; make a new one");

    /// The key was made ahead of the house's time: this machine's clock is fast. The same request under the same key is
    /// taken once the house has come near that time.
    RequestTooNew = "REQUEST_TOO_NEW", State, NOT_RECORDED, TRANSIENT { made: String = "made_time" ["2026-02-01T10:20:00Z"], latest: String = "latest_time" ["2026-02-01T10:05:00Z"] } => |f| write!(
        f,
        "the request id was made {made}, and the house takes ids made up to {latest}; set your clock, and ask again later \
         under the same id or at once under a new one"
    );

    /// The request was abandoned before it arrived.
    RequestAbandoned = "REQUEST_ABANDONED", State, NOT_RECORDED, LASTING { request_id: String = "request_id" ["019c1e0a-5d0e-7c3a-9f00-0123456789ab"] } => |f| write!(f, "request {request_id} was abandoned and has no effect");

    /// The key was used with another content.
    IdempotencyConflict = "IDEMPOTENCY_CONFLICT", State, NOT_RECORDED, LASTING { request_id: String = "request_id" ["019c1e0a-5d0e-7c3a-9f00-0123456789ab"] } => |f| write!(f, "request id {request_id} was used before with other content; make a new one for another wish");

    /// A time is too old or in the future.
    TimeOutOfRange = "TIME_OUT_OF_RANGE", State, RECORDED, OF_TILLS_AHEAD {
        field: String = "field" ["expire_time"],
        time: String = "time" ["2026-01-31T00:00:00Z"],
        earliest: String = "earliest_time" ["2026-02-01T00:00:00Z"],
        latest: String = "latest_time" ["9999-12-30T22:00:00Z"]
    } => |f| write!(f, "{field} is {time}; it may lie between {earliest} and {latest}");

    /// The partner has left the coalition. With a window, it is about an issue of an earlier one, which it does not
    /// reverse.
    PartnerExited = "PARTNER_EXITED", State, RECORDED, LASTING {
        partner: String = "partner_id" ["grocer"],
        oldest_window: Option<u32> = "oldest_window" [""]
    } => |f| match oldest_window {
        None => write!(f, "partner {partner} has left the coalition"),
        Some(window) => {
            write!(f, "partner {partner} has left the coalition and reverses no issue from before window {window}")
        }
    };

    /// The partner may not issue at present.
    PartnerRestricted = "PARTNER_RESTRICTED", State, RECORDED, TRANSIENT { partner: String = "partner_id" ["grocer"] } => |f| write!(f, "partner {partner} is restricted and may not issue points");

    /// The partner may neither issue nor accept at present, nor reverse what it issued in windows before the one that
    /// is named.
    PartnerSuspended = "PARTNER_SUSPENDED", State, RECORDED, TRANSIENT {
        partner: String = "partner_id" ["grocer"],
        oldest_window: Option<u32> = "oldest_window" [""]
    } => |f| match oldest_window {
        None => write!(f, "partner {partner} is suspended and may neither issue nor accept points"),
        Some(window) => {
            write!(f, "partner {partner} is suspended and reverses no issue from before window {window}")
        }
    };

    /// Unknown, or somebody else's.
    NotFound = "NOT_FOUND", Missing, RECORDED, LASTING { what: String = "what" ["hold"], id: String = "id" ["019c1e0a-5d0e-7c3a-9f00-0123456789ab.0"] } => |f| write!(f, "there is no {what} {id} that you may see");

    /// The proposal was approved (DONE), refused or withdrawn, has lapsed, or is stale: what it changes has changed since it was asked
    /// for.
    ProposalNotOpen = "PROPOSAL_NOT_OPEN", State, RECORDED, LASTING { proposal: String = "proposal_id" ["019c1e0a-5d0e-7c3a-9f00-0123456789ab.0"], state: String = "state" ["STALE"] } => |f| write!(f, "proposal {proposal} is {state}, not OPEN; if it is still wanted, ask for it anew");

    /// Who decides has asked for it, or it is about that person.
    SamePerson = "SAME_PERSON", State, RECORDED, LASTING { person: String = "person_id" ["anna"] } => |f| write!(f, "operator/{person} has proposed it, or it is about that person; another approver decides it");

    /// The same is proposed already, and waits for its second person.
    ProposalExists = "PROPOSAL_EXISTS", Exists, RECORDED, TRANSIENT { proposal: String = "proposal_id" ["019c1e0a-5d0e-7c3a-9f00-0123456789ab.0"] } => |f| write!(f, "the same is proposed already, as {proposal}; have that approved, or withdraw it");

    /// An id of the request names an invite that there is already.
    InviteExists = "INVITE_EXISTS", Exists, RECORDED, LASTING { invite: String = "invite_id" ["019c1e0a-5d0e-7c3a-9f00-0123456789ab"] } => |f| write!(f, "there is an invite {invite} already; make a new id, and a new secret with it");

    /// More than the caller's own credential may do.
    ScopeExceeded = "SCOPE_EXCEEDED", State, RECORDED, LASTING { scope: String = "scope" ["SETTLE"] } => |f| write!(f, "your own credential has no scope {scope}, so you cannot give it to others; name the scopes of the invites");

    /// There is a partner of that id.
    PartnerExists = "PARTNER_EXISTS", Exists, RECORDED, LASTING { partner: String = "partner_id" ["grocer"] } => |f| write!(f, "there is a partner {partner} already");

    /// The version of a bank account does not wait to be in force: it is already, or something ended it.
    AccountChangeNotPending = "ACCOUNT_CHANGE_NOT_PENDING", State, RECORDED, LASTING {
        partner: String = "partner_id" ["grocer"],
        version: u32 = "version" ["3"],
        pending: Option<u32> = "pending_version" [""]
    } => |f| match pending {
        None => write!(f, "version {version} of the bank account of {partner} does not wait, and no other does; ask for another account instead"),
        Some(pending) => write!(f, "version {version} of the bank account of {partner} does not wait: version {pending} does; stop that one"),
    };
    /// The line of the bank's statement was booked before with another amount.
    BankReferenceConflict = "BANK_REFERENCE_CONFLICT", State, RECORDED, LASTING {
        reference: String = "reference" ["R-4711"],
        booked: String = "booked_amount" ["12.00"],
        given: String = "given_amount" ["11.00"],
        entry: String = "entry_id" ["019c1e0a-5d0e-7c3a-9f00-0123456789ab.0"]
    } => |f| write!(f, "the line {reference} of the bank was booked with {booked} by entry {entry}, not with {given}; look which of the two statements is right");

    /// The member is frozen: nothing of it is redeemed, reserved or transferred. It earns, and holds that are open are captured
    /// or voided. Without a time it is frozen until the operator lifts that.
    MemberBlocked = "MEMBER_BLOCKED", State, RECORDED, TRANSIENT {
        member: String = "member_id" ["019c1e0a-5d0e-7c3a-9f00-0123456789ab"],
        end: Option<String> = "end_time" ["2026-02-03T00:00:00Z"]
    } => |f| match end {
        None => write!(f, "member {member} is frozen until the operator lifts it"),
        Some(end) => write!(f, "member {member} is frozen until {end}"),
    };

    /// Giver and receiver of a transfer are the same member.
    SameMember = "SAME_MEMBER", State, RECORDED, LASTING { member: String = "member_id" ["019c1e0a-5d0e-7c3a-9f00-0123456789ab"] } => |f| write!(f, "giver and receiver are the same member {member}; points are given to another one");

    /// The line of the receipt was booked before, under another request id.
    DuplicateReceipt = "DUPLICATE_RECEIPT", Exists, RECORDED, LASTING { receipt: String = "receipt" ["receipt R-1 of 2026-02-01, line 2, store s1, till t1"], entry: String = "entry_id" ["019c1e0a-5d0e-7c3a-9f00-0123456789ab.0"] } => |f| write!(f, "{receipt} was booked before, as entry {entry}; ask for that entry instead");

    /// The hold was captured, voided, or has lapsed.
    HoldNotOpen = "HOLD_NOT_OPEN", State, RECORDED, LASTING { hold: String = "hold_id" ["019c1e0a-5d0e-7c3a-9f00-0123456789ab.0"], state: String = "state" ["LAPSED"] } => |f| write!(f, "hold {hold} is {state}, not OPEN");

    /// More than the hold has.
    CaptureExceedsHold = "CAPTURE_EXCEEDS_HOLD", State, RECORDED, LASTING { asked: i64 = "asked_points" ["60"], held: i64 = "held_points" ["50"] } => |f| write!(f, "cannot capture {asked} points: the hold has {held}");

    /// More than what is left of the redemption.
    ReturnExceedsRedemption = "RETURN_EXCEEDS_REDEMPTION", State, RECORDED, LASTING { asked: i64 = "asked_points" ["60"], left: i64 = "left_points" ["50"] } => |f| write!(f, "cannot return {asked} points: only {left} of the redemption are left");

    /// The purchase was booked with another total of its receipt.
    ReceiptTotalMismatch = "RECEIPT_TOTAL_MISMATCH", State, RECORDED, LASTING { booked: String = "booked_amount" ["12.00"], given: String = "given_amount" ["11.00"] } => |f| write!(f, "the purchase was booked with a receipt total of {booked}, not {given}; name the total that was booked");

    /// More than what is left of the issue to be reversed.
    ReversalExceedsIssue = "REVERSAL_EXCEEDS_ISSUE", State, RECORDED, LASTING { asked: i64 = "asked_points" ["60"], left: i64 = "left_points" ["50"] } => |f| write!(f, "cannot reverse {asked} points: only {left} of the issue are left");

    /// The return period of the issue is over.
    ReversalTooLate = "REVERSAL_TOO_LATE", State, RECORDED, LASTING { issued: String = "issued_time" ["2026-01-01T00:00:00Z"], latest: String = "latest_time" ["2026-01-15T00:00:00Z"] } => |f| write!(f, "the points were issued {issued}; they could be reversed until {latest}");

    /// Points that should be taken back are spent.
    ReversalShortfall = "REVERSAL_SHORTFALL", State, RECORDED, LASTING { asked: i64 = "asked_points" ["60"], left: i64 = "left_points" ["50"] } => |f| write!(f, "cannot take back {asked} points: only {left} of them are left");

    /// A funder has given no consent, or not for so many points.
    ConsentExceeded = "CONSENT_EXCEEDED", UsedUp, RECORDED, TRANSIENT {
        funder: String = "funder_id" ["maker"],
        asked: i64 = "asked_points" ["60"],
        left: i64 = "left_points" ["50"]
    } => |f| write!(f, "cannot issue {asked} points of {funder}: its consent leaves {left}");

    /// A limit of the issuer, or of the partner that asks, would be exceeded; what is used counted before. Of what it redeems of
    /// other issuers it is looked for behind `NET_DEBIT_CAP`, when the lots are chosen.
    LimitExceeded = "LIMIT_EXCEEDED", UsedUp, RECORDED, TRANSIENT {
        partner: String = "partner_id" ["grocer"],
        limit: String = "limit" ["points_per_day"],
        asked: i64 = "asked_points" ["60"],
        used: i64 = "used_points" ["9950"],
        maximum: i64 = "maximum_points" ["10000"]
    } => |f| write!(f, "cannot add {asked} points: {partner} has used {used} of the {maximum} that its limit {limit} allows");

    /// Points may pay a smaller share of the receipt.
    ReceiptShareExceeded = "RECEIPT_SHARE_EXCEEDED", State, RECORDED, LASTING { asked: i64 = "asked_points" ["60"], maximum: i64 = "maximum_points" ["50"] } => |f| write!(f, "cannot pay with {asked} points: only {maximum} may pay of this receipt");

    /// The member has earned too recently to spend here.
    Cooling = "COOLING", State, RECORDED, TRANSIENT { earned: String = "earned_time" ["2026-02-01T10:00:00Z"], until: String = "spendable_time" ["2026-02-01T11:00:00Z"] } => |f| write!(f, "the member earned points {earned} and can spend here from {until} on");

    /// The member has too few points.
    InsufficientPoints = "INSUFFICIENT_POINTS", State, RECORDED, TRANSIENT { asked: i64 = "asked_points" ["60"], available: i64 = "available_points" ["50"] } => |f| write!(f, "cannot take {asked} points: only {available} are available");

    /// The points lie in more lots than one entry takes.
    TooManyLots = "TOO_MANY_LOTS", State, RECORDED, TRANSIENT {
        asked: i64 = "asked_points" ["2000"],
        reachable: i64 = "reachable_points" ["1024"],
        lots_max: i64 = "lots_per_entry_max" ["1024"]
    } => |f| write!(
        f,
        "cannot take {asked} points at once: one entry takes at most {lots_max} lots, and those hold {reachable}"
    );

    /// Debts of an issuer would grow beyond its cap: too few of the points can be taken for now; or, with a partner,
    /// its own cap leaves no room for an issue.
    NetDebitCap = "NET_DEBIT_CAP", State, RECORDED, TRANSIENT {
        asked: i64 = "asked_points" ["60"],
        reachable: i64 = "reachable_points" ["50"],
        partner: Option<String> = "partner_id" [""],
        needed: Option<String> = "needed_amount" [""],
        headroom: Option<String> = "headroom" [""]
    } => |f| match (partner, needed, headroom) {
        (Some(partner), Some(needed), Some(headroom)) => {
            let what = if *asked == 0 { "pay out" } else { "issue" };
            write!(f, "cannot {what}: that needs {needed}, and the net debit cap of {partner} leaves {headroom}")
        }
        _ => write!(
            f,
            "cannot take {asked} points: the net debit caps of their issuers leave only {reachable} for now"
        ),
    };

    /// The coalition lets no net debit cap stand above what covers it: collateral, guarantees in force and the line without
    /// security.
    CoverInsufficient = "COVER_INSUFFICIENT", State, RECORDED, TRANSIENT {
        partner: String = "partner_id" ["grocer"],
        cap: Option<String> = "net_debit_cap" ["5000.00"],
        cover: String = "cover_amount" ["4000.00"]
    } => |f| match cap {
        Some(cap) => write!(f, "the net debit cap of {partner} would be {cap}, and only {cover} covers it: lower the cap, or raise the cover first"),
        None => write!(f, "{partner} would have no net debit cap, and {cover} covers it: give it a cap up to that"),
    };

    /// Breakage shares do not add up to 1.
    BreakageNotOne = "BREAKAGE_NOT_ONE", State, RECORDED, LASTING { sum: String = "sum" ["0.9"] } => |f| write!(f, "the breakage shares sum to {sum}, not to 1");

    /// An amount per point has too many decimals.
    PriceNotExact = "PRICE_NOT_EXACT", State, RECORDED, LASTING {
        field: String = "field" ["price"],
        price: String = "price" ["0.00005"],
        scale: u32 = "scale" ["4"]
    } => |f| write!(f, "{field} {price} has more than the {scale} decimals of the coalition's money");

    /// Somebody would get more for a point than backs it.
    TermsUnderfund = "TERMS_UNDERFUND", State, RECORDED, TRANSIENT {
        lower: String = "lower" ["value of grocer"],
        lower_amount: String = "lower_amount" ["0.0100"],
        higher: String = "higher" ["reimbursement of cinema"],
        higher_amount: String = "higher_amount" ["0.0110"]
    } => |f| write!(f, "the {lower} of {lower_amount} is below the {higher} of {higher_amount}");

    /// A cut-off that is less than a day away would move, or be told or paid on another day, or nobody was told of it.
    CalendarTooLate = "CALENDAR_TOO_LATE", State, RECORDED, LASTING {
        cut_off: String = "cut_off_time" ["2026-02-01T18:00:00Z"],
        earliest: String = "earliest_time" ["2026-02-02T10:00:00Z"]
    } => |f| write!(
        f,
        "the cut-off of {cut_off} is less than a day away, and what is published of the next day stays; let the change take \
         effect at {earliest} or later"
    );

    /// The window is still open.
    WindowNotClosed = "WINDOW_NOT_CLOSED", State, RECORDED, TRANSIENT { window: u32 = "window" ["7"] } => |f| write!(f, "window {window} is still open");

    /// The settlement is confirmed already.
    SettlementNotProposed = "SETTLEMENT_NOT_PROPOSED", State, RECORDED, LASTING { window: u32 = "window" ["7"], state: String = "state" ["CONFIRMED"] } => |f| write!(f, "the settlement of window {window} is {state}, not PROPOSED");

    /// The settlement is not confirmed yet.
    SettlementNotConfirmed = "SETTLEMENT_NOT_CONFIRMED", State, RECORDED, TRANSIENT { window: u32 = "window" ["7"], state: String = "state" ["PROPOSED"] } => |f| write!(f, "the settlement of window {window} is {state}; confirm it first");

    /// The settlement is final.
    SettlementSettled = "SETTLEMENT_SETTLED", State, RECORDED, LASTING { window: u32 = "window" ["7"] } => |f| write!(f, "the settlement of window {window} is SETTLED, which is final");

    /// Something of the settlement has been paid.
    SettlementAlreadyPaid = "SETTLEMENT_ALREADY_PAID", State, RECORDED, LASTING { window: u32 = "window" ["7"], paid: String = "paid" ["12.00"] } => |f| write!(f, "{paid} of the settlement of window {window} are paid already");

    /// The orders were given in another mode before, and nobody said that they shall be void.
    ExportedOtherwise = "EXPORTED_OTHERWISE", State, RECORDED, LASTING {
        window: u32 = "window" ["7"],
        exported: String = "exported_mode" ["HUB"],
        asked: String = "asked_mode" ["PAIRWISE"]
    } => |f| write!(f, "the settlement of window {window} was exported as {exported}; exporting it as {asked} voids those orders, and must say so");

    /// The settlement was aborted.
    SettlementAborted = "SETTLEMENT_ABORTED", State, RECORDED, LASTING { window: u32 = "window" ["7"] } => |f| write!(f, "the settlement of window {window} was aborted");

    /// Nothing is due there.
    LegNotDue = "LEG_NOT_DUE", State, RECORDED, LASTING { window: u32 = "window" ["7"], payer: String = "payer" ["grocer"], payee: String = "payee" ["hub"] } => |f| write!(f, "{payer} owes {payee} nothing in window {window}");

    /// Nothing of it is paid any more: it came back before, or was never paid.
    LegNotPaid = "LEG_NOT_PAID", State, RECORDED, LASTING { payment: String = "payment" ["R-4711"] } => |f| write!(f, "nothing of {payment} is paid: it was never paid, or has come back before");

    /// Another amount is due.
    AmountMismatch = "AMOUNT_MISMATCH", State, RECORDED, LASTING { due: String = "due" ["12.00"], given: String = "given_amount" ["11.00"] } => |f| write!(f, "{due} are due, not {given}");

    /// More would be paid out than has come in.
    FundsNotReceived = "FUNDS_NOT_RECEIVED", State, RECORDED, TRANSIENT {
        received: String = "received_amount" ["5.00"],
        needed: String = "needed_amount" ["12.00"]
    } => |f| write!(
        f,
        "cannot pay out {needed}: only {received} of what has come in are left"
    );

    /// What there is does not cover what is missing.
    ReserveInsufficient = "RESERVE_INSUFFICIENT", State, RECORDED, TRANSIENT {
        needed: String = "needed_amount" ["12.00"],
        available: String = "available_amount" ["5.00"]
    } => |f| write!(f, "{needed} are needed, and {available} can be had; pay into the reserve, or share the loss");

    /// More would be paid out of a fund than it holds.
    FundInsufficient = "FUND_INSUFFICIENT", State, RECORDED, TRANSIENT {
        account: String = "account" ["reserve"],
        asked: String = "asked_amount" ["12.00"],
        available: String = "available_amount" ["5.00"]
    } => |f| write!(f, "cannot pay out {asked}: {account} holds {available}");

    /// A number would not fit into 64 bits.
    Overflow = "OVERFLOW", State, RECORDED, LASTING { what: String = "what" ["the balance of position:grocer"], maximum: i64 = "maximum" ["2305843009213693952"] } => |f| write!(f, "{what} would go beyond {maximum}");
}

impl Rejection {
    pub fn invalid(field: &str, problem: impl fmt::Display) -> Self {
        Self::InvalidArgument { field: field.to_owned(), problem: problem.to_string() }
    }

    pub fn not_found(what: &str, id: impl fmt::Display) -> Self {
        Self::NotFound { what: what.to_owned(), id: id.to_string() }
    }

    /// The place in the published order.
    pub(crate) fn rank(&self) -> usize {
        self.place() as usize
    }

    /// What the table says of it.
    pub fn row(&self) -> &'static Row {
        &Self::TABLE[self.rank()]
    }

    /// The public reason.
    pub fn reason(&self) -> &'static str {
        self.row().reason
    }

    /// Whether the same wish may succeed later, as the table says.
    pub fn transient(&self) -> bool {
        match self.row().transient {
            Transience::Never => false,
            Transience::Always => true,
            Transience::OfTillsAhead => self.is_of_a_till_ahead(),
        }
    }

    fn is_of_a_till_ahead(&self) -> bool {
        let Self::TimeOutOfRange { field, time, latest, .. } = self else { return false };
        field.starts_with("business_") && is_after(time, latest)
    }

    /// Whether the answer is kept under the request's key, as the table says.
    ///
    /// Rule: recorded-answers
    pub fn recorded(&self) -> bool {
        self.row().recorded
    }
}

impl From<Overflow> for Rejection {
    fn from(_: Overflow) -> Self {
        Self::Overflow { what: "an amount".to_owned(), maximum: i64::MAX }
    }
}

impl std::error::Error for Rejection {}

/// Whether one moment, as rejections write them, is after another.
fn is_after(time: &str, other: &str) -> bool {
    time.parse::<Timestamp>().ok() > other.parse::<Timestamp>().ok()
}

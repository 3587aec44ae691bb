//! What may be asked of the house, and what it answers.

use borsh::{BorshDeserialize, BorshSerialize};
use sha2::{Digest, Sha256};

use crate::chart::MoneyAccount;
use crate::journal::{Hash, Origin};
use crate::rejection::Rejection;
use crate::settlement::OrderMode;
use crate::terms::{Calendar, PartnerState, TermsDraft};
use crate::units::{EntryId, IdentifierHash, MemberId, Money, PartnerId, Points, RequestId, Timestamp, WindowNumber};

/// How a command names a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub enum MemberRef {
    Id(MemberId),
    Identifier(IdentifierHash),
}

/// One wish. Commands on points share the gate; those of the house take it alone.
#[allow(
    clippy::large_enum_variant,
    reason = "a queue holds some thousands at most, and plain data is worth more here than the bytes of a rare variant"
)]
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Command {
    Issue {
        member: MemberRef,
        points: Points,
        expires: Option<Timestamp>,
    },
    Redeem {
        member: MemberRef,
        points: Points,
    },
    Return {
        redemption: EntryId,
        points: Points,
    },
    Abandon {
        request: RequestId,
    },
    /// Due work of one member: the house's own.
    RunDue {
        member: MemberId,
    },
    House(HouseCommand),
}

/// Commands of the operator and the scheduler.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum HouseCommand {
    CreatePartner {
        partner: PartnerId,
        display_name: String,
        terms: TermsDraft,
        state: PartnerState,
    },
    SetTerms {
        partner: PartnerId,
        terms: TermsDraft,
        effective: Option<Timestamp>,
    },
    SetPartnerState {
        partner: PartnerId,
        state: PartnerState,
    },
    SetCalendar {
        calendar: Calendar,
    },
    /// Closes the open window. The scheduler names the window it means, so that two of them close it once.
    CloseWindow {
        expected: Option<WindowNumber>,
    },
    ConfirmSettlement {
        window: WindowNumber,
    },
    ExportOrders {
        window: WindowNumber,
        mode: OrderMode,
    },
    ConfirmPayment {
        window: WindowNumber,
        payment: Payment,
        amount: Option<Money>,
    },
    AbortSettlement {
        window: WindowNumber,
    },
    Deposit {
        account: MoneyAccount,
        amount: Money,
    },
}

/// Which order a confirmed payment belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Payment {
    /// The leg of a partner, against the settlement account.
    Hub(PartnerId),
    Pair {
        payer: OrderParty,
        payee: OrderParty,
    },
}

/// One end of a payment order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub enum OrderParty {
    Partner(PartnerId),
    /// The operator of the settlement; after all partners in ties.
    Operator,
    /// The funds of the coalition (pool, reserve); last in ties.
    Funds,
    /// The settlement account.
    Hub,
}

impl OrderParty {
    pub fn of(participant: PartnerId) -> Self {
        if participant.is_operator() { Self::Operator } else { Self::Partner(participant) }
    }

    /// The participant of the settlement, if it is one.
    pub fn participant(self) -> Option<PartnerId> {
        match self {
            Self::Partner(partner) => Some(partner),
            Self::Operator => Some(PartnerId::operator()),
            Self::Funds | Self::Hub => None,
        }
    }

    /// Reads `hub`, `funds` or a partner id.
    pub fn parse(text: &str) -> Result<Self, crate::units::Malformed> {
        match text {
            "hub" => Ok(Self::Hub),
            "funds" => Ok(Self::Funds),
            partner => partner.parse().map(Self::of),
        }
    }
}

impl std::fmt::Display for OrderParty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Partner(partner) => partner.fmt(f),
            Self::Operator => f.pad("operator"),
            Self::Funds => f.pad("funds"),
            Self::Hub => f.pad("hub"),
        }
    }
}

/// A command with who asks it and under which key.
#[derive(Debug, Clone)]
pub struct Request {
    /// From the certificate, never from the message.
    pub caller: PartnerId,
    /// None for the house's own work.
    pub request_id: Option<RequestId>,
    pub origin: Origin,
    pub command: Command,
    /// The id that a member gets if this command enrols one.
    pub fresh_member: MemberId,
    /// What the origin commits to (see [`Origin::attachment`]); kept apart from the journal, where it can be erased.
    pub attachment: Option<Attachment>,
}

/// Personal data of an operation, such as the cashier, with the salt of its commitment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    pub salt: [u8; 16],
    pub bytes: Vec<u8>,
}

impl Request {
    /// The hash of everything that makes the wish: the same key with another hash is a conflict. Times of sending and
    /// receipt are not part of it.
    pub fn content_hash(&self) -> Hash {
        let bytes = borsh::to_vec(&(&self.command, &self.origin)).expect("writing to memory does not fail");
        Sha256::digest(bytes).into()
    }

    /// Looks at the message alone.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`
    ///
    /// Rule: invalid-argument
    pub fn validate(&self) -> Result<(), Rejection> {
        if self.request_id.is_some_and(|id| id.made_at().is_none()) {
            return Err(Rejection::invalid("request_id", "not a version 7 UUID"));
        }
        let positive = |points: Points| {
            if points.0 > 0 {
                Ok(())
            } else {
                Err(Rejection::invalid("points", format!("{} is not above zero", points.0)))
            }
        };
        match &self.command {
            Command::Issue { points, expires, .. } => {
                if expires.is_some_and(|time| time.0 <= 0) {
                    return Err(Rejection::invalid("expires_time", "lies before 1970"));
                }
                positive(*points)
            }
            Command::Redeem { points, .. } | Command::Return { points, .. } => positive(*points),
            Command::Abandon { request } => {
                if request.made_at().is_none() {
                    return Err(Rejection::invalid("abandoned_request_id", "not a version 7 UUID"));
                }
                if Some(*request) == self.request_id {
                    return Err(Rejection::invalid("abandoned_request_id", "is the id of this request itself"));
                }
                Ok(())
            }
            Command::RunDue { .. } => Ok(()),
            Command::House(command) => command.validate(),
        }
    }
}

impl HouseCommand {
    fn validate(&self) -> Result<(), Rejection> {
        match self {
            Self::CreatePartner { partner, display_name, .. } => {
                // In a payment order these name the settlement account and the coalition's funds.
                if ["hub", "funds"].contains(&partner.as_str()) {
                    return Err(Rejection::invalid("partner_id", format!("{partner} is a name of the house's own")));
                }
                if display_name.chars().count() > 100 || display_name.chars().any(char::is_control) {
                    return Err(Rejection::invalid("display_name", "more than 100 characters, or control characters"));
                }
                Ok(())
            }
            Self::Deposit { account, amount } => {
                if !matches!(account, MoneyAccount::Reserve | MoneyAccount::Collateral(_)) {
                    return Err(Rejection::invalid("account", "deposits go to reserve or collateral:PARTNER"));
                }
                if amount.0 <= 0 {
                    return Err(Rejection::invalid("amount", "not above zero"));
                }
                Ok(())
            }
            Self::ConfirmPayment { amount: Some(amount), .. } if amount.0 <= 0 => {
                Err(Rejection::invalid("amount", "not above zero"))
            }
            Self::ConfirmPayment { .. }
            | Self::SetTerms { .. }
            | Self::SetPartnerState { .. }
            | Self::SetCalendar { .. }
            | Self::CloseWindow { .. }
            | Self::ConfirmSettlement { .. }
            | Self::ExportOrders { .. }
            | Self::AbortSettlement { .. } => Ok(()),
        }
    }
}

/// What became of an abandoned request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Abandoned {
    /// It had not arrived; when it does, it will be refused.
    Burned,
    /// It had been applied; its exact opposite was posted.
    Undone,
    /// It had been rejected.
    NoEffect,
    /// It had been abandoned before.
    Already,
}

/// The figures of an answer, besides its entries. Stored under the request's key, so that a replay gives the same.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Reply {
    Member(MemberReply),
    Abandoned(Abandoned),
    /// Of a house command.
    House(HouseReply),
}

/// What a house command did, as far as it cannot be read later from the tables it changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct HouseReply {
    /// The window it was about.
    pub window: Option<WindowNumber>,
    /// The version of terms it made.
    pub terms: Option<u32>,
    /// The state that the partner had before.
    pub previous_state: Option<PartnerState>,
}

/// What a command on points did to the member.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct MemberReply {
    pub member: MemberId,
    pub available: Points,
    /// What of the redemption can still be returned, after a redemption or return.
    pub returnable: Points,
    /// The next points the member would lose, and when; none if none of the available points expires.
    pub next_expiry: Option<(Timestamp, Points)>,
}

/// The answer to a request that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The entries written, in journal order; none for commands that post nothing.
    pub entries: Vec<EntryId>,
    pub reply: Reply,
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub result: Result<Accepted, Rejection>,
    /// Whether the answer was given before under the same key.
    pub replayed: bool,
}

/// What is kept under a request's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    pub content: Hash,
    pub state: RecordedState,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordedState {
    Accepted(Accepted),
    Rejected(Rejection),
    /// Burned before it came, or undone after.
    Abandoned,
}

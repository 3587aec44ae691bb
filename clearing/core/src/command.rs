//! What may be asked of the house, and what it answers.

use borsh::{BorshDeserialize, BorshSerialize};
use sha2::{Digest, Sha256};

use crate::facts::entry::{BusinessDate, Code, Hash, Origin};
use crate::facts::terms::{PartnerState, TermsDraft};
use crate::operation::{Ask, Command};
use crate::rejection::Rejection;
use crate::units::{EntryId, IdentifierHash, MemberId, PartnerId, Points, RequestId, Timestamp, WindowNumber};

/// How a command names a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub enum MemberRef {
    Id(MemberId),
    Identifier(IdentifierHash),
}

/// What is to be issued.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Earn {
    pub points: Points,
    /// Instead of what the terms say.
    pub expires: Option<Timestamp>,
    /// When the points become available, if that is later.
    pub activates: Option<Timestamp>,
    /// Who issues, with weights, in the order of ties; the caller alone if empty.
    pub funders: Vec<(PartnerId, u32)>,
}

impl Earn {
    /// Points of the caller by its terms.
    pub fn points(points: Points) -> Self {
        Self { points, expires: None, activates: None, funders: Vec::new() }
    }
}

/// How a receipt is paid with points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Spend {
    Redeem(Points),
    Capture(EntryId, Points),
}

/// Which issues are to be reversed.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum ReversalTarget {
    Entry(EntryId),
    /// All issues of a receipt of the caller's, the newest first; the house finds them by its number.
    Receipt(Receipt),
    /// The newest lots that the caller issued to a member, for a return without a receipt.
    Newest(MemberRef),
}

/// A receipt of a partner's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub struct Receipt {
    pub partner: PartnerId,
    pub store: Option<Code>,
    pub till: Option<Code>,
    pub date: BusinessDate,
    pub number: Code,
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
    /// Random, for the commitment to its link.
    pub fresh_salt: [u8; 16],
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
        self.command.check()?;
        if self.command.concerns().is_some_and(|other| Some(other) == self.request_id) {
            return Err(Rejection::invalid("abandoned_request_id", "is the id of this request itself"));
        }
        Ok(())
    }

    /// Who asks, under which key, at a time.
    pub fn ask(&self, now: Timestamp) -> Ask<'_> {
        let Self { caller, request_id, fresh_member, fresh_salt, .. } = *self;
        Ask { caller, request_id, origin: &self.origin, fresh_member, fresh_salt, now }
    }
}

/// Refuses a moment outside of the house's calendar, and the very first one: it is what an unset clock says.
pub(crate) fn check_moment(field: &str, time: Option<Timestamp>) -> Result<(), Rejection> {
    match time.map(Timestamp::named) {
        Some(Ok(Timestamp::FIRST)) => Err(Rejection::invalid(field, format!("{} is no time", Timestamp::FIRST))),
        Some(Err(problem)) => Err(Rejection::invalid(field, problem)),
        Some(Ok(_)) | None => Ok(()),
    }
}

/// Refuses points that no operation may name.
pub(crate) fn check_points(field: &str, points: Points) -> Result<(), Rejection> {
    points.of_operation().map(drop).map_err(|problem| Rejection::invalid(field, problem))
}

/// Refuses terms whose dates can leave the calendar.
pub(crate) fn check_terms(terms: &TermsDraft) -> Result<(), Rejection> {
    let checked = terms.expiry.map_or(Ok(()), |expiry| expiry.check());
    checked.map_err(|problem| Rejection::invalid("terms.expiry", problem))
}

/// A joint issue has at most so many funders.
pub const FUNDERS_MAX: usize = 16;

impl Earn {
    /// `within`: what stands before the names of the fields in the message.
    pub(crate) fn check(&self, within: &str) -> Result<(), Rejection> {
        check_moment(&format!("{within}expire_time"), self.expires)?;
        check_moment(&format!("{within}activate_time"), self.activates)?;
        let funders = format!("{within}funders");
        if self.funders.len() > FUNDERS_MAX {
            let problem = format!("{} funders, and {FUNDERS_MAX} are the most", self.funders.len());
            return Err(Rejection::invalid(&funders, problem));
        }
        for (at, (funder, weight)) in self.funders.iter().enumerate() {
            if *weight == 0 {
                return Err(Rejection::invalid(&funders, format!("the weight of {funder} is zero")));
            }
            if self.funders[..at].iter().any(|(other, _)| other == funder) {
                return Err(Rejection::invalid(&funders, format!("{funder} is named twice")));
            }
        }
        check_points(&format!("{within}points"), self.points)
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
    /// Points reserved by holds.
    pub held: Points,
    /// Points that are not released yet.
    pub pending: Points,
    /// Points that the member owes.
    pub owed: Points,
    /// What of the redemption can still be returned, after a redemption or return.
    pub returnable: Points,
    /// What a reversal did.
    pub reversed: Option<Reversed>,
    /// The next points the member would lose, and when; none if none of the available points expires.
    pub next_expiry: Option<(Timestamp, Points)>,
}

/// What a reversal did with the points it was asked for; they sum to them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Reversed {
    /// Still there, and taken back.
    pub taken_back: Points,
    /// Expired or decayed before; the member had no good of them.
    pub written_off: Points,
    /// Spent, transferred or held: the member owes them.
    pub debt: Points,
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
    /// Abandoned before it came.
    Burned,
    /// Accepted, and abandoned after.
    Undone(Accepted),
}

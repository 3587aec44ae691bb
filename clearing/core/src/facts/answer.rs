//! What is answered to requests, and what is kept of that under their keys.

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::facts::limits::LimitsUsed;
use crate::facts::order::Order;
use crate::facts::window::{Leg, Settlement};
use crate::rejection::Rejection;
use crate::units::{EntryId, Hash, MemberId, Money, PartnerId, Points, Timestamp};

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub result: Result<Accepted, Rejection>,
    /// Whether the answer was given before under the same key.
    pub replayed: bool,
}

/// The answer to a request that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The entries written, in journal order; none for commands that post nothing.
    pub entries: Vec<EntryId>,
    pub reply: Reply,
}

/// The figures of an answer, besides its entries. Stored under the request's key, so that a replay gives the same.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Reply {
    Member(MemberReply),
    Abandoned(Abandoned),
    /// Of a house command.
    House(HouseReply),
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

/// What the answer to an operation of the house tells besides what its entries record, as it was behind them. It is told from
/// here alone, also when it is repeated: what it speaks of may have changed by then.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum HouseReply {
    /// Nothing: its entries record all.
    Entries,
    Closed(Box<Closed>),
    /// The orders that were due when they were exported.
    Orders(Vec<Order>),
    /// The legs that a payment touched.
    Legs(Vec<(PartnerId, Leg)>),
    /// How much was used of the limits that were set.
    Limits(LimitsUsed),
}

/// What a close made.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Closed {
    pub settlement: Settlement,
    /// What stays in the positions; zeros left out.
    pub carried: BTreeMap<PartnerId, Money>,
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

/// Personal data of an operation, such as the cashier, with the salt of its commitment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    pub salt: [u8; 16],
    pub bytes: Vec<u8>,
}

//! What is answered to requests, and what is kept of that under their keys.

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::facts::credential::Enrolment;
use crate::facts::limits::LimitsUsed;
use crate::facts::order::Order;
use crate::facts::window::{Leg, Settlement};
use crate::rejection::Rejection;
use crate::units::{ContentHash, EntryId, Malformed, MemberId, Money, PartnerId, Points, Timestamp};

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

/// The figures of an answer, besides its entries. Kept under the request's key, so that a replay gives the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    Member(MemberReply),
    Abandoned(Abandoned),
    /// Of a house command.
    House(HouseReply),
}

/// What a kept reply is, its first byte.
const MEMBER: u8 = 0;
const ABANDONED: u8 = 1;
const HOUSE: u8 = 2;

impl Reply {
    /// What is kept of it beside the entries of its answer, the first of which is about `member`; none if there is no entry, or
    /// if it is about no member.
    ///
    /// | answer | kept |
    /// |---|---|
    /// | on a member | 0, a byte that tells which figures follow, and these ([`MemberReply`]) |
    /// | of an abandon | 1, then in Borsh |
    /// | of the house | 2, then in Borsh |
    ///
    /// Rule: kept-answers
    pub fn kept(&self, member: Option<MemberId>) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(24);
        match self {
            Self::Member(reply) => {
                bytes.push(MEMBER);
                reply.write(member, &mut bytes);
            }
            Self::Abandoned(what) => {
                bytes.push(ABANDONED);
                what.serialize(&mut bytes).expect("writing to memory does not fail");
            }
            Self::House(reply) => {
                bytes.push(HOUSE);
                reply.serialize(&mut bytes).expect("writing to memory does not fail");
            }
        }
        bytes
    }

    /// The reply of which this was kept beside an answer whose first entry is about `member`.
    ///
    /// # Errors
    /// [`Malformed`] for bytes that [`kept`](Self::kept) does not give.
    pub fn read(kept: &[u8], member: Option<MemberId>) -> Result<Self, Malformed> {
        let malformed = || Malformed("it is not what is kept of an answer".to_owned());
        let reply = match kept.split_first().ok_or_else(malformed)? {
            (&MEMBER, bytes) => MemberReply::read(bytes, member).map(Self::Member),
            (&ABANDONED, bytes) => borsh::from_slice(bytes).ok().map(Self::Abandoned),
            (&HOUSE, bytes) => borsh::from_slice(bytes).ok().map(Self::House),
            _ => None,
        };
        // One reply is kept in one form, so that it has one hash.
        reply.filter(|reply| reply.kept(member) == kept).ok_or_else(malformed)
    }
}

/// What a command on points did to the member.
#[derive(Debug, Clone, PartialEq, Eq)]
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

/// Which figures of an answer on a member follow, in this order: those that say something.
const ANOTHER_MEMBER: u8 = 1;
const AVAILABLE: u8 = 1 << 1;
const HELD: u8 = 1 << 2;
const PENDING: u8 = 1 << 3;
const OWED: u8 = 1 << 4;
const RETURNABLE: u8 = 1 << 5;
const REVERSED: u8 = 1 << 6;
const NEXT_EXPIRY: u8 = 1 << 7;

impl MemberReply {
    /// Its points, each with what tells that it follows: those that are zero do not.
    fn figures(&mut self) -> [(u8, &mut Points); 5] {
        [
            (AVAILABLE, &mut self.available),
            (HELD, &mut self.held),
            (PENDING, &mut self.pending),
            (OWED, &mut self.owed),
            (RETURNABLE, &mut self.returnable),
        ]
    }

    fn write(&self, member: Option<MemberId>, bytes: &mut Vec<u8>) {
        let at = bytes.len();
        let mut follows = 0;
        bytes.push(follows);
        if member != Some(self.member) {
            follows |= ANOTHER_MEMBER;
            bytes.extend_from_slice(&self.member.0.to_be_bytes());
        }
        for (figure, points) in self.clone().figures() {
            if !points.is_zero() {
                follows |= figure;
                write_number(points.0, bytes);
            }
        }
        if let Some(Reversed { taken_back, written_off, debt }) = self.reversed {
            follows |= REVERSED;
            [taken_back, written_off, debt].iter().for_each(|points| write_number(points.0, bytes));
        }
        if let Some((time, points)) = self.next_expiry {
            follows |= NEXT_EXPIRY;
            write_number(time.0, bytes);
            write_number(points.0, bytes);
        }
        bytes[at] = follows;
    }

    /// None for bytes that end too early or too late.
    fn read(bytes: &[u8], member: Option<MemberId>) -> Option<Self> {
        let (follows, mut bytes) = bytes.split_first()?;
        let has = |figure: u8| follows & figure != 0;
        let member = if has(ANOTHER_MEMBER) {
            let (member, rest) = bytes.split_first_chunk()?;
            bytes = rest;
            MemberId(u128::from_be_bytes(*member))
        } else {
            member?
        };
        let mut reply = Self {
            member,
            available: Points::ZERO,
            held: Points::ZERO,
            pending: Points::ZERO,
            owed: Points::ZERO,
            returnable: Points::ZERO,
            reversed: None,
            next_expiry: None,
        };
        for (figure, points) in reply.figures() {
            if has(figure) {
                *points = Points(read_number(&mut bytes)?);
            }
        }
        if has(REVERSED) {
            let mut points = || read_number(&mut bytes).map(Points);
            reply.reversed = Some(Reversed { taken_back: points()?, written_off: points()?, debt: points()? });
        }
        if has(NEXT_EXPIRY) {
            reply.next_expiry = Some((Timestamp(read_number(&mut bytes)?), Points(read_number(&mut bytes)?)));
        }
        bytes.is_empty().then_some(reply)
    }
}

/// Writes a number in groups of seven bits, the lowest first, in the byte of each whether another follows: small ones, of
/// which nearly all are, take one byte or two. One below zero takes ten.
fn write_number(number: i64, bytes: &mut Vec<u8>) {
    let mut left = number.cast_unsigned();
    loop {
        let [group, ..] = (left & 0x7f).to_le_bytes();
        left >>= 7;
        if left == 0 {
            return bytes.push(group);
        }
        bytes.push(group | 0x80);
    }
}

/// Reads what [`write_number`] wrote, and takes it off. None if the bytes end before it, or it is beyond 64 bits.
fn read_number(bytes: &mut &[u8]) -> Option<i64> {
    let mut number = 0_u64;
    for at in 0.. {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let group = u64::from(byte & 0x7f);
        let shifted = group.checked_shl(7 * at).filter(|shifted| shifted >> (7 * at) == group)?;
        number |= shifted;
        if byte & 0x80 == 0 {
            return Some(number.cast_signed());
        }
    }
    None
}

/// What a reversal did with the points it was asked for; they sum to them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
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
    /// Whether a credential was issued.
    Enrolment(Enrolment),
    /// The line of the bank's statement was booked before, by this entry.
    Known(EntryId),
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
    pub content: ContentHash,
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

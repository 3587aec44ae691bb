//! What a member holds: sums per issuer and funding, and the lots behind them.

use std::collections::{BTreeMap, BTreeSet};

use borsh::{BorshDeserialize, BorshSerialize};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::days::days_later;
use crate::facts::lot::LotPlace;
use crate::facts::origin::Code;
use crate::facts::terms::Funding;
use crate::units::{IdentifierHash, Malformed, MemberId, Overflow, PartnerId, Points, Timestamp, WindowNumber};

/// How a command names a member.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
pub enum MemberRef {
    #[serde(rename = "member_id")]
    Id(MemberId),
    #[serde(rename = "identifier")]
    Identifier(IdentifierHash),
}

/// Whom an identifier names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdentifierLink {
    pub member: MemberId,
    /// Of the member's links, from 1.
    pub number: u32,
    /// Of the commitment to it in the journal.
    pub salt: [u8; 16],
}

/// The sums of one member's lots of one issuer and funding.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Holding {
    pub available: Points,
    pub held: Points,
    pub pending: Points,
}

/// Points that a member owes to an issuer, because they were reversed after they were spent.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Debt {
    pub creditor: PartnerId,
    pub points: Points,
}

/// What was counted on a day of the coalition's calendar, in days since 1970-01-01.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct DayCount {
    pub day: i32,
    pub points: Points,
}

impl DayCount {
    /// The points counted on a day.
    pub fn on(&self, day: i32) -> Points {
        if self.day == day { self.points } else { Points::ZERO }
    }

    /// Counts points on a day. No limit counts beyond what fits.
    pub fn add(&mut self, day: i32, points: Points) {
        *self = Self { day, points: Points(self.on(day).0.saturating_add(points.0)) };
    }
}

/// When lots of an issuer were last passed over for want of headroom, and the member's number of the entry that did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PassedOver {
    pub time: Timestamp,
    pub entry_no: i64,
}

/// What is known of a member's lots that end after so many days without activity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Inactive {
    /// Available points of those that go on.
    pub points: Points,
    /// Those that have ended, if some have.
    pub ended: Option<Ended>,
}

/// Lots that have ended because their member was inactive for too long. Its later activity does not revive them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Ended {
    /// When the last of them did.
    pub time: Timestamp,
    /// The member's number of the entry by which it was active again: those made before it have ended.
    pub entry_no: i64,
    /// Their available points: what came back into them, or is to expire yet.
    pub points: Points,
}

impl Inactive {
    /// Whether the lot that an entry made, by the member's number of it, has ended.
    fn has_ended(&self, entry_no: i64) -> Option<Ended> {
        self.ended.filter(|ended| entry_no < ended.entry_no)
    }

    /// When the lots end, by their entries; those that go on, at `end`.
    pub(crate) fn end_of_lots(&self, end: Timestamp) -> impl Fn(i64) -> Timestamp {
        let lots = *self;
        move |entry_no| lots.has_ended(entry_no).map_or(end, |ended| ended.time)
    }

    /// Whether any of the lots has available points.
    pub fn has_points(&self) -> bool {
        self.points.0 > 0 || self.ended.is_some_and(|ended| ended.points.0 > 0)
    }

    /// Writes a change of the available points of the lot that an entry made.
    ///
    /// # Errors
    /// [`Overflow`] if the sum does not fit.
    pub(crate) fn change(&mut self, entry_no: i64, points: Points) -> Result<(), Overflow> {
        let sum = match &mut self.ended {
            Some(ended) if entry_no < ended.entry_no => &mut ended.points,
            Some(_) | None => &mut self.points,
        };
        *sum = sum.plus(points)?;
        Ok(())
    }
}

/// What is known of a member besides what it holds. Kept in the member's own row.
#[derive(Debug, Clone, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Record {
    /// When the member last got points by an issue.
    pub earned: Option<Timestamp>,
    /// When the member last earned or redeemed.
    pub active: Option<Timestamp>,
    /// The oldest first. Neighbours have different creditors.
    pub debts: Vec<Debt>,
    /// Points issued on the last day of issue, by issuer.
    pub issued: BTreeMap<PartnerId, DayCount>,
    /// Points the member transferred, by the partner that asked for it.
    pub transferred: BTreeMap<PartnerId, DayCount>,
    /// Points the member redeemed, those of holds among them, by acceptor.
    pub redeemed: BTreeMap<PartnerId, DayCount>,
    /// What is known of the lots that end with inactivity, by its days. Kept once the member has had one, as points may
    /// come back into it.
    pub inactive: BTreeMap<u16, Inactive>,
    /// Pending points that wait for their issuer's payment, by window and issuer.
    pub waiting: BTreeMap<(WindowNumber, PartnerId), Points>,
    /// The periods for which the member's points decayed.
    pub decayed: BTreeSet<Code>,
    /// The period of a decay that is not done with all lots, and the place up to which it is.
    pub decaying: Option<(Code, LotPlace)>,
    /// No hold lapses and no pending point activates before this; none if there is nothing of the kind.
    pub next_release: Option<Timestamp>,
    /// Until when nothing of the member is spent, held or transferred, which may be over; [`Timestamp::NEVER`]: until that is
    /// lifted.
    pub frozen_until: Option<Timestamp>,
    /// The member's number of the entry that froze it last, or lifted that; 0: there is none.
    pub frozen_no: i64,
    /// The issuers whose lots were passed over of late; empty in a coalition that gives no grace for it.
    pub passed_over: BTreeMap<PartnerId, PassedOver>,
}

impl Record {
    /// Whether decay for a period may take points: it is not done for this period, and the member has not been active after
    /// `inactive_since`, if that is asked for.
    pub fn decays(&self, period: &Code, inactive_since: Option<Timestamp>) -> bool {
        let inactive = inactive_since.is_none_or(|since| self.active.is_none_or(|active| active <= since));
        inactive && !self.decayed.contains(period)
    }

    /// Notes how far a decay has come: up to a place, or to the end. One for another period that had not come to its end is
    /// done with.
    pub fn decay(&mut self, period: &Code, to: Option<LotPlace>) {
        if let Some((before, _)) = self.decaying.take().filter(|(before, _)| before != period) {
            self.decayed.insert(before);
        }
        match to {
            Some(place) => self.decaying = Some((period.clone(), place)),
            None => drop(self.decayed.insert(period.clone())),
        }
    }
}

/// A member, without its lots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub id: MemberId,
    /// How many entries the member has had; the next one gets this number plus one.
    pub entry_no: i64,
    /// No lot with available points and an expiry of its own (see [`Timestamp::after_inactivity`]) expires before this.
    pub next_expiry: Timestamp,
    /// Available points by when they expire, as far as that is known without reading a lot: all that expire no later than
    /// the last time here. The first is stored, as every answer tells how many points a member loses next.
    pub expiring: BTreeMap<Timestamp, Points>,
    pub holdings: BTreeMap<(PartnerId, Funding), Holding>,
    pub record: Record,
    /// Of the member's lots with available points, all that expire before this are in the book. Not stored.
    pub loaded_to: Timestamp,
}

impl Member {
    pub fn new(id: MemberId) -> Self {
        Self {
            id,
            entry_no: 0,
            next_expiry: Timestamp::NEVER,
            expiring: BTreeMap::new(),
            holdings: BTreeMap::new(),
            record: Record::default(),
            loaded_to: Timestamp::NEVER,
        }
    }

    /// When the member's lots that end after so many days of inactivity do so, if nothing happens and they have not
    /// ended before.
    ///
    /// Rule: inactivity
    pub fn inactive_at(&self, days: u16, zone: &TimeZone) -> Timestamp {
        days_later(self.record.active.unwrap_or(Timestamp(0)), i64::from(days), zone)
    }

    /// When the lot of this kind ends, or has ended, that an entry made, by the member's number of it.
    pub fn inactivity_end(&self, days: u16, entry_no: i64, zone: &TimeZone) -> Timestamp {
        let ended = self.record.inactive.get(&days).and_then(|lots| lots.has_ended(entry_no));
        ended.map_or_else(|| self.inactive_at(days, zone), |ended| ended.time)
    }

    /// Notes that the member is active with the entry that it has had last. What had ended by then stays ended.
    ///
    /// # Errors
    /// [`Overflow`] if a sum does not fit.
    pub(crate) fn be_active(&mut self, time: Timestamp, zone: &TimeZone) -> Result<(), Overflow> {
        if self.record.active.is_some_and(|active| time <= active) {
            return Ok(());
        }
        let days: Vec<u16> = self.record.inactive.keys().copied().collect();
        for days in days {
            let end = self.inactive_at(days, zone);
            if let Some(lots) = self.record.inactive.get_mut(&days).filter(|_| end <= time) {
                let points = lots.points.plus(lots.ended.map_or(Points::ZERO, |ended| ended.points))?;
                let ended = Ended { time: end, entry_no: self.entry_no, points };
                *lots = Inactive { points: Points::ZERO, ended: Some(ended) };
            }
        }
        self.record.active = Some(time);
        Ok(())
    }

    /// Nothing is due for the member before this: no expiry, no lapse, no activation. Points that wait for a payment
    /// are due with it.
    pub fn next_due(&self, zone: &TimeZone) -> Timestamp {
        let inactive = self.record.inactive.iter().filter(|(_, lots)| lots.points.0 > 0);
        let inactive = inactive.map(|(days, _)| self.inactive_at(*days, zone));
        let ended = self.record.inactive.values().filter_map(|lots| lots.ended.filter(|ended| ended.points.0 > 0));
        let release = self.record.next_release.unwrap_or(Timestamp::NEVER);
        let ended = ended.map(|ended| ended.time);
        inactive.chain(ended).chain([self.next_expiry, release]).min().expect("not empty")
    }

    /// Keeps what is known of expiries while the available points of a lot, and when it expires, go from one to the other.
    ///
    /// # Errors
    /// [`Overflow`] if the sum does not fit.
    pub(crate) fn move_expiry(
        &mut self,
        (old, before): (Timestamp, Points),
        (new, after): (Timestamp, Points),
    ) -> Result<(), Overflow> {
        // Nothing expires before `next_expiry` but what is brought here.
        let known = self.expiring.last_key_value().map_or(Timestamp(self.next_expiry.0 - 1), |(last, _)| *last);
        if let Some(points) = self.expiring.get_mut(&old) {
            *points = points.minus(before)?;
        }
        if after.0 > 0 && new.is_of_the_lot() && new <= known {
            let points = self.expiring.entry(new).or_default();
            *points = points.plus(after)?;
        }
        self.expiring.retain(|_, points| points.0 > 0);
        if let Some((first, _)) = self.expiring.first_key_value() {
            self.next_expiry = *first;
        }
        Ok(())
    }

    /// Notes when the first points expire, or before when none do, and how many if that was found out.
    pub fn know_expiry(&mut self, next: Timestamp, points: Option<Points>) {
        self.next_expiry = next;
        if let Some(points) = points {
            self.expiring.entry(next).or_insert(points);
        }
    }

    /// All the points that the member owes.
    pub fn owed(&self) -> Points {
        Points(self.record.debts.iter().map(|debt| debt.points.0).sum())
    }

    /// Points reserved by holds.
    pub fn held(&self) -> Points {
        Points(self.holdings.values().map(|holding| holding.held.0).sum())
    }

    /// Points that are not released yet.
    pub fn pending(&self) -> Points {
        Points(self.holdings.values().map(|holding| holding.pending.0).sum())
    }

    /// Writes a change of what the member owes to a creditor: more is the youngest debt, less comes off its oldest.
    ///
    /// # Errors
    /// [`Overflow`] if the sum does not fit.
    ///
    /// Rule: debt-order
    pub fn owe(&mut self, creditor: PartnerId, points: Points) -> Result<(), Overflow> {
        let debts = &mut self.record.debts;
        if points.0 > 0 {
            match debts.last_mut().filter(|debt| debt.creditor == creditor) {
                Some(debt) => debt.points = debt.points.plus(points)?,
                None => debts.push(Debt { creditor, points }),
            }
            return Ok(());
        }
        let mut paid = points.negated()?;
        for debt in debts.iter_mut().filter(|debt| debt.creditor == creditor) {
            let part = Points(debt.points.0.min(paid.0));
            debt.points = debt.points.minus(part)?;
            paid = paid.minus(part)?;
        }
        debts.retain(|debt| debt.points.0 > 0);
        debts.dedup_by(|younger, older| {
            let same = younger.creditor == older.creditor;
            if same {
                older.points = Points(older.points.0 + younger.points.0);
            }
            same
        });
        Ok(())
    }

    /// All available points.
    pub fn available(&self) -> i128 {
        self.holdings.values().map(|holding| i128::from(holding.available.0)).sum()
    }

    /// All points that the member has, in whatever state.
    pub fn total(&self) -> i128 {
        let sum = |holding: &Holding| {
            i128::from(holding.available.0) + i128::from(holding.held.0) + i128::from(holding.pending.0)
        };
        self.holdings.values().map(sum).sum()
    }

    /// The stored form of holdings, record and next expiry. Holdings of zero are left out.
    pub fn to_bytes(&self) -> Vec<u8> {
        let kept: Vec<(&(PartnerId, Funding), &Holding)> =
            self.holdings.iter().filter(|(_, holding)| **holding != Holding::default()).collect();
        let expiring = self.expiring.get(&self.next_expiry);
        borsh::to_vec(&(kept, &self.record, self.next_expiry, expiring)).expect("writing to memory does not fail")
    }

    /// A member from its id, its number of entries and its stored form. No lot of it is in the book yet.
    ///
    /// # Errors
    /// [`Malformed`] for bytes that no release wrote.
    pub fn from_bytes(id: MemberId, entry_no: i64, bytes: &[u8]) -> Result<Self, Malformed> {
        type Stored = (Vec<((PartnerId, Funding), Holding)>, Record, Timestamp, Option<Points>);
        let (kept, record, next_expiry, expiring): Stored =
            borsh::from_slice(bytes).map_err(|error| Malformed(format!("a member cannot be read: {error}")))?;
        let holdings = kept.into_iter().collect();
        let expiring = expiring.into_iter().map(|points| (next_expiry, points)).collect();
        Ok(Self { id, entry_no, next_expiry, expiring, holdings, record, loaded_to: next_expiry })
    }
}

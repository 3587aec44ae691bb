//! A share of points taken for inactivity.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::Deserialize;

use crate::book::Book;
use crate::facts::entry::{EntryDraft, EntryKind, LOTS_PER_ENTRY_MAX};
use crate::facts::lot::{Lot, LotPlace};
use crate::facts::member::{Member, MemberRef, Record};
use crate::facts::origin::Code;
use crate::facts::{DecayFacts, DecayedFacts, Fact};
use crate::operation::{Admitted, Ask, Decision, Footprint, Operation, Subject};
use crate::rejection::Rejection;
use crate::rules::checks::{check_moment, check_range};
use crate::units::{MemberId, Points, Rate, Timestamp, largest_remainder};

/// Takes a share of a member's available points for inactivity, once in a period: of [`LOTS_PER_ENTRY_MAX`] lots, and of
/// those behind them when it is asked again. With `inactive_since` it takes nothing of a member that has been active after
/// that. The operator's.
///
/// Rule: decay
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunDecay {
    pub member: MemberRef,
    pub rate: Rate,
    #[serde(deserialize_with = "Code::read_word")]
    pub period: Code,
    /// Only if the member has not been active after this.
    #[serde(skip)]
    pub inactive_since: Option<Timestamp>,
}

impl Operation for RunDecay {
    const NAME: &'static str = "RunDecay";

    fn check(&self) -> Result<(), Rejection> {
        if self.rate == Rate::ZERO {
            return Err(Rejection::invalid("rate", "is not above zero: nothing would be taken"));
        }
        check_moment("inactive_since_time", self.inactive_since)
    }

    fn subject(&self) -> Option<Subject> {
        Some(Subject::member(self.member))
    }

    fn footprint(&self, _: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.member(self.member).every = true;
    }

    fn admit(&self, book: &Book, ask: &Ask<'_>) -> Result<Admitted, Rejection> {
        if let Some(since) = self.inactive_since {
            check_inactive_since(since, ask.now)?;
        }
        book.find_member(self.member).map(Admitted::of)
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, who: &Admitted) -> Result<Decision, Rejection> {
        let id = who.member();
        let decays = |record: &Record| record.decays(&self.period, self.inactive_since);
        if !book.members.get(&id).is_some_and(|member| decays(&member.record)) {
            return Ok(Decision::of_member(id, Vec::new()));
        }
        let begun = book.members.get(&id).and_then(|member| member.record.decaying.as_ref());
        let done_to = begun.filter(|(begun, _)| *begun == self.period).map(|(_, place)| *place);
        let lots = book.lots_in_order(id).map(|(expires, lot)| ((expires, lot.id.entry_no, lot.id.part), lot));
        let lots = lots.filter(|(place, _)| place.0 > ask.now && done_to.is_none_or(|done_to| *place > done_to));
        let mut lots: Vec<(LotPlace, &Lot)> = lots.take(LOTS_PER_ENTRY_MAX + 1).collect();
        let more = lots.len() > LOTS_PER_ENTRY_MAX;
        lots.truncate(LOTS_PER_ENTRY_MAX);
        let facts = DecayFacts { rate: self.rate, period: self.period.clone() };
        let goes_on = lots.last().filter(|_| more).map(|(last, _)| Fact::DecayedTo(*last));
        let draft = || {
            let draft = book.draft(EntryKind::Decay, ask).with(Fact::Decay(facts.clone()));
            goes_on.clone().into_iter().fold(draft, EntryDraft::with)
        };
        let weights: Vec<i64> = lots.iter().map(|(_, lot)| lot.available.0).collect();
        let total = self.rate.of_floor(Points(weights.iter().sum()));
        let shares = if total.is_zero() { Vec::new() } else { largest_remainder(total.0, &weights) };
        let mut entries = Vec::new();
        for ((_, lot), points) in lots.iter().zip(shares).filter(|(_, points)| *points > 0) {
            entries.push(book.loss_entry(draft(), lot, Points(points))?);
        }
        if entries.is_empty() {
            // That it was the period's turn is remembered all the same.
            entries.push(book.finish(draft().of_member(id))?);
        }
        let before: i64 = weights.iter().sum();
        let decayed = DecayedFacts { before: Points(before), after: Points(before - total.0) };
        entries[0].facts.push(Fact::Decayed(decayed));
        Ok(Decision::of_member(id, entries))
    }
}

/// Decay of all members that have not been active after a moment, asked for member by member.
#[derive(Debug, Clone)]
pub struct DecayOfInactive {
    pub rate: Rate,
    pub period: Code,
    pub inactive_since: Timestamp,
}

impl DecayOfInactive {
    /// Looks at what is wrong with it whatever members there are.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`; `TIME_OUT_OF_RANGE` for a moment that is ahead.
    pub fn check(&self, now: Timestamp) -> Result<(), Rejection> {
        self.of(MemberId(0)).check()?;
        check_inactive_since(self.inactive_since, now)
    }

    /// Whether it is asked for of a member. Who has points of no kind has none that could become available either.
    ///
    /// Rule: decay-of-inactive
    pub fn concerns(&self, member: &Member) -> bool {
        member.record.decays(&self.period, Some(self.inactive_since)) && member.total() > 0
    }

    /// What is asked of one member.
    pub fn of(&self, member: MemberId) -> RunDecay {
        let (rate, period, inactive_since) = (self.rate, self.period.clone(), Some(self.inactive_since));
        RunDecay { member: MemberRef::Id(member), rate, period, inactive_since }
    }
}

/// Refuses to call members inactive since a moment that is ahead: everybody would be.
///
/// # Errors
/// `TIME_OUT_OF_RANGE`
fn check_inactive_since(since: Timestamp, now: Timestamp) -> Result<(), Rejection> {
    check_range("inactive_since_time", since, Timestamp(0), now)
}

//! Charges by schedule: due work, once for each period and partner.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::Deserialize;

use crate::book::Book;
use crate::chart::{MoneyAccount, Purpose};
use crate::facts::Fact;
use crate::facts::answer::HouseReply;
use crate::facts::charges::{ChargeState, ChargedFacts, ChargesFacts, ScheduledCharge, begin_of};
use crate::facts::entry::{EntryDraft, EntryKind};
use crate::facts::origin::{BusinessDate, Code};
use crate::operation::{Admitted, Ask, Decision, Footprint, Operation, Subject, decided};
use crate::rejection::Rejection;
use crate::rules::charges::move_money;
use crate::rules::steps::Steps;
use crate::units::{PartnerId, Timestamp};

/// Charges of a partner that one commit posts at the most: what has been missed for longer follows with the next.
const CHARGES_AT_ONCE: usize = 64;

/// What a partner is charged by itself from now on; it takes the place of all that there was. Periods that began before are not
/// charged, and none is charged twice for one reason.
///
/// Rule: set-charges
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetCharges {
    #[serde(rename = "partner_id")]
    pub partner: PartnerId,
    #[serde(default)]
    pub charges: Vec<ScheduledCharge>,
}

impl Operation for SetCharges {
    const NAME: &'static str = "SetCharges";
    const TWO_PERSONS: bool = true;

    fn check(&self) -> Result<(), Rejection> {
        if self.partner.is_operator() {
            return Err(Rejection::invalid("partner_id", "the operator does not charge itself"));
        }
        if self.charges.len() > ScheduledCharge::COUNT_MAX {
            let maximum = ScheduledCharge::COUNT_MAX;
            let problem = format!("{} are given; a partner has at most {maximum}", self.charges.len());
            return Err(Rejection::invalid("charges", problem));
        }
        for (at, charge) in self.charges.iter().enumerate() {
            let refused =
                |name: &str, problem: String| Err(Rejection::invalid(&format!("charges[{at}].{name}"), problem));
            let ScheduledCharge { reason, amount, every: _, first, last } = charge;
            if amount.0 <= 0 {
                return refused("amount", "not above zero".to_owned());
            }
            if let Some(last) = last.filter(|last| last < first) {
                return refused("last_date", format!("{last} is before {first}, the first day; give a later one"));
            }
            if self.charges.iter().take(at).any(|other| other.reason == *reason) {
                let problem = format!("{} is there twice; give each charge a reason of its own", reason.as_str());
                return Err(Rejection::invalid("charges", problem));
            }
        }
        Ok(())
    }

    fn subject(&self) -> Option<Subject> {
        Some(Subject::partner(self.partner))
    }

    fn found(&self, book: &Book) -> Vec<u8> {
        borsh::to_vec(&book.charges_of(self.partner)).expect("writing to memory does not fail")
    }

    fn footprint(&self, _: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.charges.insert(self.partner);
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let partner = book.house.partner(self.partner)?.id;
        let zone = &book.house.coalition.time_zone;
        let today = BusinessDate::of(ask.now.to_jiff().to_zoned(zone.clone()).date());
        let charges = self.charges.iter().map(|charge| {
            let known = book.charges.get(&(partner, charge.reason.clone()));
            (charge.clone(), charge.next_on(today, known.and_then(|known| known.charged)))
        });
        let new = ChargesFacts { partner, charges: charges.collect(), before: book.charges_of(partner) };
        decided(book, book.draft(EntryKind::SetCharges, ask).with(Fact::Charges(new)))
    }
}

/// Charges a partner for the periods that have begun: work of the house's own.
///
/// Rule: scheduled-charges
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct RunCharges {
    pub partner: PartnerId,
}

impl Operation for RunCharges {
    const NAME: &'static str = "RunCharges";

    fn footprint(&self, _: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.charges.insert(self.partner);
        needs.balances.extend([self.partner, PartnerId::operator()].map(MoneyAccount::Position));
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let mut steps = Steps::new(book, ask);
        for _ in 0..CHARGES_AT_ONCE {
            let Some((due, reason)) = steps.book.charge_due(self.partner, ask.now) else { break };
            let draft = steps.book.charge_draft(self.partner, due, &reason);
            steps.write(draft)?;
        }
        Ok(Decision::of_house(steps.finish()?, HouseReply::Entries))
    }
}

impl Book {
    /// What a partner is charged by itself, by reason.
    pub fn charges_of(&self, partner: PartnerId) -> Vec<ScheduledCharge> {
        let of_partner = self.charges.iter().filter(|((of, _), known)| *of == partner && known.next.is_some());
        of_partner.map(|(_, known)| known.charge.clone()).collect()
    }

    /// The charge of a partner that has been due for longest by a time, with the day of its period.
    fn charge_due(&self, partner: PartnerId, now: Timestamp) -> Option<(BusinessDate, Code)> {
        let zone = &self.house.coalition.time_zone;
        let of_partner = self.charges.iter().filter(|((of, _), _)| *of == partner);
        let due = of_partner.filter_map(|((_, reason), known)| Some((known.next?, reason.clone())));
        due.filter(|(next, _)| begin_of(*next, zone) <= now).min()
    }

    /// Partners of whom a charge is due by a time.
    pub fn charges_due(&self, now: Timestamp) -> impl Iterator<Item = PartnerId> {
        let partners = self.charges.keys().map(|(partner, _)| *partner);
        partners.filter(move |partner| self.charge_due(*partner, now).is_some())
    }

    fn charge_draft(&self, partner: PartnerId, period: BusinessDate, reason: &Code) -> EntryDraft {
        let ChargeState { charge, .. } = &self.charges[&(partner, reason.clone())];
        let due = begin_of(period, &self.house.coalition.time_zone);
        let mut draft = self.own_draft(EntryKind::Charge, due);
        move_money(&mut draft, Purpose::Charge, partner, PartnerId::operator(), charge.amount);
        let charged = ChargedFacts { partner, period, next: charge.next_on(period, Some(period)) };
        draft.with(Fact::Reason(reason.clone())).with(Fact::Charged(charged))
    }
}

//! What stands behind net debit caps, where the coalition asks for it: collateral, guarantees, and a line without security.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::Deserialize;

use crate::book::Book;
use crate::chart::MoneyAccount;
use crate::facts::answer::HouseReply;
use crate::facts::entry::{Entry, EntryKind};
use crate::facts::limits::Limits;
use crate::facts::security::{Guarantee, Security, SecurityFacts};
use crate::facts::{Fact, LimitsFacts};
use crate::operation::{Admitted, Ask, Decision, Footprint, Gate, Operation, Subject, decided};
use crate::rejection::Rejection;
use crate::units::{Money, PartnerId, Timestamp, check_text};

/// Guarantees and a line that take the place of all there were.
///
/// Rule: set-cover
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetCover {
    #[serde(rename = "partner_id")]
    pub partner: PartnerId,
    #[serde(rename = "cover")]
    pub security: Security,
}

impl Operation for SetCover {
    const NAME: &'static str = "SetCover";
    /// It stands with the partner, which every batch reads.
    const GATE: Gate = Gate::Alone;
    const TWO_PERSONS: bool = true;

    fn check(&self) -> Result<(), Rejection> {
        let Security { unsecured, guarantees } = &self.security;
        if unsecured.0 < 0 {
            return Err(Rejection::invalid("cover.unsecured_amount", "is below zero"));
        }
        if guarantees.len() > Security::GUARANTEES_MAX {
            let problem = format!("{} are given; a partner has at most {}", guarantees.len(), Security::GUARANTEES_MAX);
            return Err(Rejection::invalid("cover.guarantees", problem));
        }
        for (at, Guarantee { reference, amount, ends: _ }) in guarantees.iter().enumerate() {
            let field = |name: &str| format!("cover.guarantees[{at}].{name}");
            check_text(reference, Guarantee::REFERENCE_MAX)
                .map_err(|problem| Rejection::invalid(&field("reference"), problem))?;
            if amount.0 <= 0 {
                return Err(Rejection::invalid(&field("amount"), "not above zero"));
            }
            if guarantees.iter().take(at).any(|other| other.reference == *reference) {
                let problem = format!("{reference} is there twice; write each guarantee once");
                return Err(Rejection::invalid("cover.guarantees", problem));
            }
        }
        Ok(())
    }

    fn subject(&self) -> Option<Subject> {
        Some(Subject::partner(self.partner))
    }

    fn found(&self, book: &Book) -> Vec<u8> {
        let security = book.house.partners.get(&self.partner).map(|partner| &partner.security);
        borsh::to_vec(&security).expect("writing to memory does not fail")
    }

    fn footprint(&self, _: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.balances.insert(MoneyAccount::Collateral(self.partner));
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let known = book.house.partner(self.partner)?;
        // A default may have left a cap above what covers it: whatever does not lower the cover is taken.
        let covers = |security: &Security| security.guaranteed(ask.now) + i128::from(security.unsecured.0);
        if covers(&self.security) < covers(&known.security) {
            book.check_cover(self.partner, &known.limits, &self.security, Money::ZERO, ask.now)?;
        }
        let (security, before) = (self.security.clone(), known.security.clone());
        let new = SecurityFacts { partner: self.partner, security, before };
        decided(book, book.draft(EntryKind::SetCover, ask).with(Fact::Security(new)))
    }
}

/// Lowers a partner's cap to what covers it, once a guarantee of it has ended: work of the house's own.
///
/// Rule: guarantee-ends
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct LowerCap {
    pub partner: PartnerId,
}

impl Operation for LowerCap {
    const NAME: &'static str = "LowerCap";
    const GATE: Gate = Gate::Alone;

    fn footprint(&self, _: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.balances.insert(MoneyAccount::Collateral(self.partner));
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let entries: Vec<Entry> = book.lowered_cap(ask, self.partner)?.into_iter().collect();
        Ok(Decision::of_house(entries, HouseReply::Entries))
    }
}

impl Book {
    /// What covers a partner's debts at a time, in its parts: collateral, guarantees in force, the line without security.
    ///
    /// Rule: cover
    pub fn cover_of(&self, partner: PartnerId, time: Timestamp) -> [i128; 3] {
        let collateral = self.money_balances.get(&MoneyAccount::Collateral(partner)).map_or(0, |sum| sum.0);
        let security = self.house.partners.get(&partner).map(|partner| &partner.security);
        let (guaranteed, unsecured) =
            security.map_or((0, 0), |security| (security.guaranteed(time), i128::from(security.unsecured.0)));
        [i128::from(collateral), guaranteed, unsecured]
    }

    /// What a partner owes, and its legs that are due with it: at least zero. What its open holds reserve is no debt yet.
    pub fn exposure_of(&self, partner: PartnerId) -> i128 {
        let guard = self.guards.get(&partner).copied().unwrap_or_default();
        let position = self.money_balances.get(&MoneyAccount::Position(partner)).map_or(0, |sum| i128::from(sum.0));
        (-position - i128::from(guard.unsettled.0) - i128::from(guard.ahead.0)).max(0)
    }

    /// Refuses a cap above what covers it, with this security and without so much of the collateral, where the coalition asks
    /// for cover.
    ///
    /// Rule: caps-need-cover
    pub(crate) fn check_cover(
        &self,
        partner: PartnerId,
        limits: &Limits,
        security: &Security,
        leaves: Money,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        let coalition = &self.house.coalition;
        if !coalition.caps_need_cover || partner.is_operator() {
            return Ok(());
        }
        let [collateral, ..] = self.cover_of(partner, now);
        let cover = collateral - i128::from(leaves.0) + security.guaranteed(now) + i128::from(security.unsecured.0);
        if limits.net_debit_cap.is_some_and(|cap| i128::from(cap.0) <= cover) {
            return Ok(());
        }
        let cover = Money(i64::try_from(cover).unwrap_or(if cover < 0 { i64::MIN } else { i64::MAX }));
        Err(Rejection::CoverInsufficient {
            partner: partner.to_string(),
            cap: limits.net_debit_cap.map(|cap| coalition.money_text(cap)),
            cover: coalition.money_text(cover),
        })
    }

    /// The entry that lowers a partner's cap to what covers it, if a guarantee has ended and it is above that.
    fn lowered_cap(&self, ask: &Ask<'_>, partner: PartnerId) -> Result<Option<Entry>, Rejection> {
        let Some(known) = self.house.partners.get(&partner).filter(|_| self.house.coalition.caps_need_cover) else {
            return Ok(None);
        };
        let Some(ended) = known.security.ended_by(ask.now) else { return Ok(None) };
        let cover: i128 = self.cover_of(partner, ask.now).into_iter().sum();
        let cover = Money(i64::try_from(cover.max(0)).unwrap_or(i64::MAX));
        if known.limits.net_debit_cap.is_some_and(|cap| cap <= cover) {
            return Ok(None);
        }
        let limits = Limits { net_debit_cap: Some(cover), ..known.limits };
        let lowered = LimitsFacts { partner, limits, before: known.limits };
        let draft = self.own_draft(EntryKind::SetLimits, ended).with(Fact::Limits(lowered));
        self.finish(draft).map(Some)
    }

    /// The first partner whose cap is above what covers it because a guarantee has ended by a time. Only whoever has the
    /// balances of collateral in the book may ask.
    pub fn caps_to_lower(&self, time: Timestamp) -> impl Iterator<Item = PartnerId> {
        let needed = self.house.coalition.caps_need_cover;
        let partners = self.house.partners.values().filter(move |partner| needed && !partner.id.is_operator());
        let ended = partners.filter(move |partner| partner.security.ended_by(time).is_some());
        let above = ended.filter(move |partner| {
            let cover: i128 = self.cover_of(partner.id, time).into_iter().sum();
            partner.limits.net_debit_cap.is_none_or(|cap| i128::from(cap.0) > cover.max(0))
        });
        above.map(|partner| partner.id)
    }
}

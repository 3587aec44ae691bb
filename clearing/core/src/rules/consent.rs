//! What a funder lets another partner issue at its cost.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Deserializer};

use crate::book::Book;
use crate::facts::entry::EntryKind;
use crate::facts::limits::Consent;
use crate::facts::{ConsentFacts, Fact};
use crate::operation::{Admitted, Ask, Decision, Footprint, Operation, Subject, decided};
use crate::rejection::Rejection;
use crate::rules::limits::LimitUse;
use crate::units::{PartnerId, Points};

/// Lets `partner` name `funder` as a funder of joint issues, or no longer. What was used of an earlier consent stays used.
///
/// Rule: set-consent
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetFundingConsent {
    #[serde(rename = "funder_id")]
    pub funder: PartnerId,
    #[serde(rename = "partner_id")]
    pub partner: PartnerId,
    /// Given or refused; none: taken back, and the coalition's default holds.
    #[serde(rename = "given", deserialize_with = "said")]
    pub granted: Option<bool>,
    /// In points, over the consent's whole life; none: without limit.
    #[serde(rename = "budget_points")]
    pub budget: Option<Points>,
}

/// A message says one or the other.
fn said<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    <bool as Deserialize>::deserialize(deserializer).map(Some)
}

impl Operation for SetFundingConsent {
    const NAME: &'static str = "SetFundingConsent";
    const TWO_PERSONS: bool = true;

    fn check(&self) -> Result<(), Rejection> {
        if self.funder == self.partner {
            return Err(Rejection::invalid("partner_id", "is the funder, which needs no consent of its own"));
        }
        if let Some(budget) = self.budget.filter(|budget| *budget < Points::ZERO) {
            return Err(Rejection::invalid("budget_points", format!("{} is below zero", budget.0)));
        }
        Ok(())
    }

    fn subject(&self) -> Option<Subject> {
        Some(Subject::partner(self.funder).and([self.partner]))
    }

    /// What is used of it moves with every issue, and is no part of it.
    fn found(&self, book: &Book) -> Vec<u8> {
        let Consent { granted, budget, used: _ } =
            book.consents.get(&(self.funder, self.partner)).copied().unwrap_or_default();
        borsh::to_vec(&(granted, budget)).expect("writing to memory does not fail")
    }

    fn footprint(&self, _: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.consents.insert((self.funder, self.partner));
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let (funder, partner) = (book.house.partner(self.funder)?.id, book.house.partner(self.partner)?.id);
        let before = book.consents.get(&(funder, partner)).copied().unwrap_or_default();
        let consent = ConsentFacts { funder, partner, granted: self.granted, budget: self.budget, before };
        decided(book, book.draft(EntryKind::SetConsent, ask).with(Fact::Consent(consent)))
    }
}

const CONSENT_BUDGET: &str = "consent_budget";

impl Book {
    /// Checks that a funder lets the caller issue so many points at its cost.
    ///
    /// Rule: consent
    pub(crate) fn check_consent(&self, caller: PartnerId, funder: PartnerId, points: Points) -> Result<(), Rejection> {
        if funder == caller {
            return Ok(());
        }
        let left = self.left_of_consent(caller, funder);
        if points <= left {
            return Ok(());
        }
        Err(Rejection::ConsentExceeded { funder: funder.to_string(), asked: points.0, left: left.0 })
    }

    /// Whether a funder lets the caller issue at its cost at all, however much is left of its budget.
    pub(crate) fn lets_issue(&self, caller: PartnerId, funder: PartnerId) -> bool {
        let consent = self.consents.get(&(funder, caller)).copied().unwrap_or_default();
        let given = consent.granted.unwrap_or(self.house.coalition.open_consents);
        funder == caller || (given && self.house.partners.contains_key(&funder))
    }

    /// What is left of a consent; nothing of one that was not given, and of one of nobody.
    fn left_of_consent(&self, caller: PartnerId, funder: PartnerId) -> Points {
        let consent = self.consents.get(&(funder, caller)).copied().unwrap_or_default();
        let known = self.house.partners.contains_key(&funder);
        if known { consent.left(self.house.coalition.open_consents) } else { Points::ZERO }
    }
}

impl Consent {
    /// How much of its budget is used, if it was given and has one.
    pub fn budget_used(&self) -> Option<LimitUse> {
        let budget = self.budget.filter(|_| self.granted == Some(true))?;
        Some(LimitUse { limit: CONSENT_BUDGET, used: self.used.0, maximum: budget.0 })
    }

    fn left(&self, open: bool) -> Points {
        match self.granted {
            Some(true) => Points(self.budget.map_or(i64::MAX, |budget| budget.0 - self.used.0)),
            Some(false) => Points::ZERO,
            None => Points(if open { i64::MAX } else { 0 }),
        }
    }
}

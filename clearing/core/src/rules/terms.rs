//! New versions of terms, and what terms must hold to.

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};
use serde::Deserialize;

use crate::book::Book;
use crate::facts::coalition::House;
use crate::facts::entry::EntryKind;
use crate::facts::partner::Partner;
use crate::facts::terms::{Breakage, Price, Terms, TermsDraft};
use crate::facts::{Fact, TermsFacts};
use crate::operation::{Admitted, Ask, Decision, Footprint, Gate, Operation, Subject, decided};
use crate::rejection::Rejection;
use crate::rules::checks::{check_moment, check_range};
use crate::units::{Money, PartnerId, Points, Rate, Timestamp};

/// A new version of a partner's terms; what the draft leaves out stays as it will be when the version takes effect.
///
/// Rule: set-terms
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetTerms {
    #[serde(rename = "partner_id")]
    pub partner: PartnerId,
    pub terms: TermsDraft,
    /// None: at once.
    #[serde(rename = "effective_time")]
    pub effective: Option<Timestamp>,
}

impl Operation for SetTerms {
    const NAME: &'static str = "SetTerms";
    const GATE: Gate = Gate::Alone;
    const TWO_PERSONS: bool = true;

    fn check(&self) -> Result<(), Rejection> {
        check_moment("effective_time", self.effective)?;
        if self.terms == TermsDraft::default() {
            return Err(Rejection::invalid("terms", "changes nothing"));
        }
        check_terms(&self.terms)
    }

    fn subject(&self) -> Option<Subject> {
        Some(Subject::partner(self.partner))
    }

    fn found(&self, book: &Book) -> Vec<u8> {
        let partner = book.house.partners.get(&self.partner);
        let newest = partner.and_then(|partner| partner.terms.iter().map(|terms| terms.version).max());
        newest.unwrap_or_default().to_be_bytes().to_vec()
    }

    fn footprint(&self, _: &Ask<'_>, _: &mut Footprint<'_>) {}

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let effective = self.effective.unwrap_or(ask.now);
        check_range("effective_time", effective, ask.now, Timestamp::LAST)?;
        let partner = book.house.partner(self.partner)?;
        let version = partner.terms.iter().map(|terms| terms.version).max().unwrap_or(0) + 1;
        let base = partner.terms_at(effective);
        let terms = self.terms.over(base, version, effective, book.house.coalition.scale)?;
        book.house.check_funding(partner.id, &terms, ask.now, &book.outstanding)?;
        let terms = TermsFacts { partner: partner.id, terms, before: Some(base.version) };
        decided(book, book.draft(EntryKind::SetTerms, ask).with(Fact::Terms(terms)))
    }
}

impl TermsDraft {
    /// The full terms that this draft makes of `base`.
    ///
    /// # Errors
    /// `BREAKAGE_NOT_ONE`, `PRICE_NOT_EXACT`, or `TERMS_UNDERFUND` if the price is below the value.
    ///
    /// Rule: terms-fields
    pub fn over(&self, base: &Terms, version: u32, effective: Timestamp, scale: u32) -> Result<Terms, Rejection> {
        let breakage = self.breakage.unwrap_or(base.breakage);
        breakage.check()?;
        let money = |wish: Option<Price>, field, kept| wish.map_or(Ok(kept), |price| price.exact(field, scale));
        let terms = Terms {
            version,
            effective,
            funding: self.funding.unwrap_or(base.funding),
            price: money(self.price, "price", base.price)?,
            value: money(self.value, "value", base.value)?,
            reimbursement: money(self.reimbursement, "reimbursement", base.reimbursement)?,
            acceptance_fee: self.acceptance_fee.unwrap_or(base.acceptance_fee),
            fee_bearer: self.fee_bearer.unwrap_or(base.fee_bearer),
            breakage,
            expiry: self.expiry.unwrap_or(base.expiry),
            return_days: self.return_days.unwrap_or(base.return_days),
            tender_value: money(self.tender_value, "tender_value", base.tender_value)?,
            receipt_share: self.receipt_share.unwrap_or(base.receipt_share),
        };
        if terms.price < terms.value {
            return Err(Rejection::TermsUnderfund {
                lower: "price".to_owned(),
                lower_amount: terms.price.text(scale),
                higher: "value".to_owned(),
                higher_amount: terms.value.text(scale),
            });
        }
        Ok(terms)
    }
}

impl House {
    /// Refuses new terms under which somebody would get more for a point than backs it: every reimbursement in force
    /// now or later must be at most every value in force now or later, or still backing outstanding points.
    ///
    /// Rule: terms-underfund
    pub fn check_funding(
        &self,
        partner: PartnerId,
        new: &Terms,
        now: Timestamp,
        outstanding: &BTreeMap<(PartnerId, u32), Points>,
    ) -> Result<(), Rejection> {
        let scale = self.coalition.scale;
        // A version that the new one replaces from now on is no longer in force.
        let replaced =
            |other: &Partner, terms: &Terms| other.id == partner && new.effective <= now && terms.effective <= now;
        let underfund = |reimbursement: Money, acceptor: PartnerId, value: Money, issuer: PartnerId| {
            Err(Rejection::TermsUnderfund {
                lower: format!("value of {issuer}"),
                lower_amount: value.text(scale),
                higher: format!("reimbursement of {acceptor}"),
                higher_amount: reimbursement.text(scale),
            })
        };
        if new.reimbursement > new.value {
            return underfund(new.reimbursement, partner, new.value, partner);
        }
        for other in self.partners.values() {
            for terms in other.terms_from(now).filter(|terms| !replaced(other, terms)) {
                if new.reimbursement > terms.value {
                    return underfund(new.reimbursement, partner, terms.value, other.id);
                }
                if terms.reimbursement > new.value {
                    return underfund(terms.reimbursement, other.id, new.value, partner);
                }
            }
        }
        for ((issuer, version), points) in outstanding {
            let backing = self.lot_terms(*issuer, *version).value;
            if points.0 > 0 && new.reimbursement > backing {
                return underfund(new.reimbursement, partner, backing, *issuer);
            }
        }
        Ok(())
    }
}

impl Breakage {
    fn check(&self) -> Result<(), Rejection> {
        let sum = self.reserve.billionths() + self.operator.billionths() + self.issuer.billionths();
        if sum == Rate::ONE.billionths() {
            return Ok(());
        }
        let sum = self.reserve.decimal() + self.operator.decimal() + self.issuer.decimal();
        Err(Rejection::BreakageNotOne { sum: sum.to_string() })
    }
}

impl Price {
    /// Rule: price-exact
    fn exact(self, field: &'static str, scale: u32) -> Result<Money, Rejection> {
        Money::exact(self.decimal(), scale).ok_or_else(|| Rejection::PriceNotExact {
            field: field.to_owned(),
            price: self.decimal().to_string(),
            scale,
        })
    }
}

/// Refuses terms whose dates can leave the calendar.
pub(crate) fn check_terms(terms: &TermsDraft) -> Result<(), Rejection> {
    let checked = terms.expiry.map_or(Ok(()), |expiry| expiry.check());
    checked.map_err(|problem| Rejection::invalid("terms.expiry", problem))
}

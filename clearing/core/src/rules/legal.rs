//! Who partners are by law.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::Deserialize;

use crate::book::Book;
use crate::facts::Fact;
use crate::facts::entry::EntryKind;
use crate::facts::legal::{Address, LegalFacts, LegalRecord, check_country};
use crate::operation::{Admitted, Ask, Decision, Footprint, Operation, Subject, decided};
use crate::rejection::Rejection;
use crate::units::{Malformed, PartnerId, check_text};

/// Who a partner is by law from now on: a record takes the place of the earlier one as a whole.
///
/// Rule: legal-record
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetLegalRecord {
    #[serde(rename = "partner_id")]
    pub partner: PartnerId,
    #[serde(rename = "legal_record")]
    pub legal: LegalRecord,
}

impl Operation for SetLegalRecord {
    const NAME: &'static str = "SetLegalRecord";

    fn check(&self) -> Result<(), Rejection> {
        let LegalRecord { name, tax_ids, address } = &self.legal;
        text("legal_record.legal_name", name, LegalRecord::NAME_MAX)?;
        let refused = |problem: String| Err(Rejection::invalid("legal_record.tax_ids", problem));
        if tax_ids.len() > LegalRecord::TAX_IDS_MAX {
            return refused(format!("{} tax ids; at most {} are kept", tax_ids.len(), LegalRecord::TAX_IDS_MAX));
        }
        for (at, tax_id) in tax_ids.iter().enumerate() {
            if let Err((field, Malformed(problem))) = tax_id.check() {
                return Err(Rejection::invalid(&format!("legal_record.tax_ids[{at}].{field}"), problem));
            }
            if tax_ids.iter().take(at).any(|other| other.scheme == tax_id.scheme) {
                return refused(format!("{} is there twice; a partner has one number of a scheme", tax_id.scheme));
            }
        }
        let Address { street, post_code, town, country } = address;
        for (field, value, length_max) in [
            ("legal_record.address.street", street, Address::STREET_MAX),
            ("legal_record.address.postal_code", post_code, Address::POST_CODE_MAX),
        ] {
            if !value.is_empty() {
                text(field, value, length_max)?;
            }
        }
        text("legal_record.address.town", town, Address::TOWN_MAX)?;
        check_country(country).map_err(|problem| Rejection::invalid("legal_record.address.country_code", problem))
    }

    fn subject(&self) -> Option<Subject> {
        Some(Subject::partner(self.partner))
    }

    fn footprint(&self, _: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.legal.insert(self.partner);
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let partner = book.house.partner(self.partner)?.id;
        let before = book.legal.get(&partner).cloned();
        let facts = LegalFacts { partner, legal: self.legal.clone(), before };
        decided(book, book.draft(EntryKind::SetLegalRecord, ask).with(Fact::Legal(Box::new(facts))))
    }
}

/// Refuses what is no plain text of at most so many characters.
pub(super) fn text(field: &str, value: &str, length_max: usize) -> Result<(), Rejection> {
    check_text(value, length_max).map_err(|problem| Rejection::invalid(field, problem))
}

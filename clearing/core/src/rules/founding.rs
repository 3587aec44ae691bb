//! The beginning of a coalition: the first entries of its journal, out of which a house is rebuilt.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::book::Book;
use crate::facts::calendar::Calendars;
use crate::facts::coalition::{Coalition, House};
use crate::facts::credential::Revoked;
use crate::facts::entry::{EntryDraft, EntryKind};
use crate::facts::partner::GroupFacts;
use crate::facts::person::{People, Person, PersonFacts};
use crate::facts::{CalendarFacts, Fact, FoundedFacts, PartnerFacts, TermsFacts};
use crate::rejection::Rejection;
use crate::units::{BatchId, PartnerId, Timestamp};

impl Book {
    /// A book of a coalition of which nothing is known but its settings. What founds it is the first thing it is told.
    pub fn unfounded(coalition: Coalition) -> Self {
        let (partners, calendar) = (BTreeMap::new(), Calendars::default());
        let (revoked, people) = (Revoked::default(), People::default());
        Self::new(Arc::new(House { coalition, partners, calendar, revoked, people }), 1)
    }

    /// Founds a coalition: an entry for its settings with the first of the operator's people, one for each partner with all its terms, one for the calendar.
    ///
    /// # Errors
    /// `OVERFLOW`, which these entries never meet.
    ///
    /// Rule: founding
    pub fn found(batch: BatchId, founded: FoundedFacts, house: &House, now: Timestamp) -> Result<Self, Rejection> {
        let mut founded = founded;
        // Defaults are no version of anybody's terms, and take effect at no time of their own.
        let defaults = &mut founded.coalition.default_terms;
        (defaults.version, defaults.effective) = (1, Timestamp(0));
        let mut book = Self::unfounded(founded.coalition.clone());
        book.begin_batch(batch);
        let currency = house.coalition.currency;
        let draft = |kind| EntryDraft::new(kind, 1, now, currency, PartnerId::operator());
        let people = house.people.persons.iter().map(|(person, first)| {
            let now = Person { since: now, ..*first };
            Fact::Person(PersonFacts { person: *person, now, before: None, makes_two: false })
        });
        let founding = draft(EntryKind::Found).with(Fact::Founded(Box::new(founded)));
        let mut drafts = vec![people.fold(founding, EntryDraft::with)];
        for partner in house.partners.values() {
            let created = PartnerFacts {
                partner: partner.id,
                display_name: partner.display_name.clone(),
                state: partner.state,
                limits: partner.limits,
            };
            let terms = partner.terms.iter().map(|terms| TermsFacts {
                partner: partner.id,
                terms: terms.clone(),
                before: None,
            });
            let created = draft(EntryKind::CreatePartner).with(Fact::PartnerCreated(created));
            let group = partner
                .group
                .map(|group| Fact::Group(GroupFacts { partner: partner.id, group: Some(group), before: None }));
            drafts.push(terms.map(Fact::Terms).chain(group).fold(created, EntryDraft::with));
        }
        let calendar = house.calendar.in_force(now);
        let calendar = CalendarFacts { version: 1, effective: now, calendar, before: None };
        drafts.push(draft(EntryKind::SetCalendar).with(Fact::Calendar(calendar)));
        for draft in drafts {
            let entry = book.finish(draft)?;
            book.post(entry);
        }
        Ok(book)
    }
}

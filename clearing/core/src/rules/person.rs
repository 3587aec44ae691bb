//! The people of the operator: who they are, what they may do, and which of it needs two of them.

use std::collections::BTreeSet;

use borsh::{BorshDeserialize, BorshSerialize};
use serde::Deserialize;

use crate::book::Book;
use crate::facts::Fact;
use crate::facts::entry::EntryKind;
use crate::facts::person::{AloneFacts, Person, PersonFacts, PersonId, Role, Roles};
use crate::operation::{Admitted, Ask, Decision, Footprint, Gate, Operation, Subject, decided};
use crate::rejection::Rejection;
use crate::rules::credential::CreateInvites;
use crate::units::Timestamp;

/// People that a coalition has at the most.
pub const PEOPLE_MAX: usize = 1_000;

/// The roles of a person from now on. Somebody without any stays known, and may do nothing.
///
/// Rule: set-person
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetPerson {
    #[serde(rename = "person_id")]
    pub person: PersonId,
    #[serde(default)]
    pub roles: Roles,
}

impl Operation for SetPerson {
    const NAME: &'static str = "SetPerson";
    const GATE: Gate = Gate::Alone;
    const TWO_PERSONS: bool = true;

    fn found(&self, book: &Book) -> Vec<u8> {
        borsh::to_vec(&book.house.people.persons.get(&self.person)).expect("writing to memory does not fail")
    }

    fn subject(&self) -> Option<Subject> {
        Some(Subject::person(self.person))
    }

    fn footprint(&self, _: &Ask<'_>, _: &mut Footprint<'_>) {}

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let now = Person { roles: self.roles, since: ask.now, before: Roles::NONE };
        book.check_people_left(self.person, now, ask.now)?;
        book.check_people_room(self.person)?;
        let before = book.house.people.persons.get(&self.person).copied();
        let draft = book.draft(EntryKind::SetPerson, ask);
        decided(book, draft.with(Fact::Person(PersonFacts { person: self.person, now, before })))
    }
}

/// Names an approver on the machine of the house, which stands still: where the keys of approvers are lost. Its roles are in
/// force some days later, so that everybody can hear of it before.
///
/// Rule: recover-person
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct RecoverPerson {
    pub person: PersonId,
}

impl Operation for RecoverPerson {
    const NAME: &'static str = "RecoverPerson";
    const GATE: Gate = Gate::Alone;

    fn footprint(&self, _: &Ask<'_>, _: &mut Footprint<'_>) {}

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        book.check_people_room(self.person)?;
        let coalition = &book.house.coalition;
        let before = book.house.people.persons.get(&self.person).copied();
        let in_force = before.map_or(Roles::NONE, |person| person.roles_at(ask.now));
        // Who is to approve alone at first must be able to ask for the next one, too.
        let roles = in_force.iter().chain([Role::Clerk, Role::Approver]).collect();
        let since = coalition.days_after(coalition.account_change_days, ask.now);
        let now = Person { roles, since, before: in_force };
        let draft = book.draft(EntryKind::RecoverPerson, ask);
        decided(book, draft.with(Fact::Person(PersonFacts { person: self.person, now, before })))
    }
}

/// Which operations of the list one person does alone from now on; all others on it need two.
///
/// Rule: set-two-person-list
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetTwoPersonList {
    /// By their names, such as `SetTerms`.
    #[serde(rename = "one_person_operations", default)]
    pub alone: BTreeSet<String>,
}

impl SetTwoPersonList {
    /// Without these one person could take the other's word away, or speak as the other, so they never leave the list.
    pub const FOR_GOOD: [&'static str; 3] = [SetPerson::NAME, Self::NAME, CreateInvites::NAME];
}

impl Operation for SetTwoPersonList {
    const NAME: &'static str = "SetTwoPersonList";
    const GATE: Gate = Gate::Alone;
    const TWO_PERSONS: bool = true;

    fn check(&self) -> Result<(), Rejection> {
        match self.alone.iter().find(|name| Self::FOR_GOOD.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => {
                let problem = format!("{name} stays on the list: without it one person could undo what two are for");
                Err(Rejection::invalid("one_person_operations", problem))
            }
        }
    }

    fn found(&self, book: &Book) -> Vec<u8> {
        borsh::to_vec(&book.house.people.alone).expect("writing to memory does not fail")
    }

    fn subject(&self) -> Option<Subject> {
        Some(Subject::default())
    }

    fn footprint(&self, _: &Ask<'_>, _: &mut Footprint<'_>) {}

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let new = AloneFacts { operations: self.alone.clone(), before: book.house.people.alone.clone() };
        decided(book, book.draft(EntryKind::SetTwoPersonList, ask).with(Fact::Alone(new)))
    }
}

impl Book {
    /// Refuses somebody of the operator's people who may not ask for this.
    ///
    /// # Errors
    /// `NOT_PERMITTED`
    ///
    /// Rule: roles
    pub(crate) fn check_roles(
        &self,
        person: PersonId,
        name: &str,
        allowed: Roles,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        let roles = self.house.people.roles_at(person, now);
        if roles.meets(allowed) {
            return Ok(());
        }
        Err(Rejection::NotPermitted {
            problem: format!(
                "{name} is for the roles {allowed}, and operator/{person} has {roles}; ask somebody with that role, or \
                 have two persons give it to {person}"
            ),
        })
    }

    /// Refuses a change after which too few would be left to make another one: a clerk who asks for it, and an approver; two
    /// of those once there are two.
    ///
    /// Rule: approvers-left
    fn check_people_left(&self, person: PersonId, changed: Person, now: Timestamp) -> Result<(), Rejection> {
        let people = &self.house.people;
        let left = |role: Role| {
            let others = people.persons.iter().filter(|(id, _)| **id != person).map(|(_, other)| other.roles_at(now));
            others.chain([changed.roles_at(now)]).filter(|roles| roles.has(role)).count()
        };
        let needed = if people.are_two(now) { 2 } else { 1 };
        // A coalition that was founded without people has nobody whom it could lose.
        if people.persons.is_empty() {
            return Ok(());
        }
        for (role, needed) in [(Role::Approver, needed), (Role::Clerk, 1)] {
            let left = left(role);
            if left < needed {
                return Err(Rejection::NotPermitted {
                    problem: format!(
                        "{left} with the role {} would be left, and {needed} must be; give it to somebody else first",
                        role.as_str()
                    ),
                });
            }
        }
        Ok(())
    }

    /// Rule: people-max
    fn check_people_room(&self, person: PersonId) -> Result<(), Rejection> {
        let persons = &self.house.people.persons;
        if persons.len() < PEOPLE_MAX || persons.contains_key(&person) {
            return Ok(());
        }
        let maximum = i64::try_from(PEOPLE_MAX).expect("a thousand is less than 2^63");
        Err(Rejection::Overflow { what: "the number of the operator's people".to_owned(), maximum })
    }
}

//! The people of the operator: who they are, what they may do, and which of it needs two of them.

use std::collections::BTreeSet;

use borsh::{BorshDeserialize, BorshSerialize};
use serde::Deserialize;

use crate::book::Book;
use crate::facts::Fact;
use crate::facts::credential::{CertifiedFacts, Holder, Serial};
use crate::facts::entry::{EntryDraft, EntryKind};
use crate::facts::person::{AloneFacts, Person, PersonFacts, PersonId, Role, Roles};
use crate::operation::{Admitted, Ask, Decision, Footprint, Gate, Operation, Subject, decided};
use crate::rejection::Rejection;
use crate::rules::credential::CreateInvites;
use crate::units::Timestamp;

/// People that a coalition has at the most.
pub const PEOPLE_MAX: usize = 1_000;

/// The roles of a person from now on. Somebody without any stays known, and may do nothing. Who becomes approver has a
/// certificate already.
///
/// Rule: set-person
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetPerson {
    #[serde(rename = "person_id")]
    pub person: PersonId,
    #[serde(default)]
    pub roles: Roles,
    /// A certificate that the person has and the house did not issue, of which the house knows nothing. None: one of those that
    /// the house has issued.
    #[serde(rename = "certificate_serial", default)]
    pub certificate: Option<Serial>,
}

impl SetPerson {
    pub fn new(person: PersonId, roles: Roles) -> Self {
        Self { person, roles, certificate: None }
    }
}

impl Operation for SetPerson {
    const NAME: &'static str = "SetPerson";
    const GATE: Gate = Gate::Alone;
    const TWO_PERSONS: bool = true;

    fn check(&self) -> Result<(), Rejection> {
        if self.certificate.is_some() && !self.roles.has(Role::Approver) {
            let problem = "is for an approver alone: nobody else needs a certificate before it has its roles";
            return Err(Rejection::invalid("certificate_serial", problem));
        }
        Ok(())
    }

    fn found(&self, book: &Book) -> Vec<u8> {
        borsh::to_vec(&book.house.people.persons.get(&self.person)).expect("writing to memory does not fail")
    }

    fn subject(&self) -> Option<Subject> {
        Some(Subject::person(self.person))
    }

    fn footprint(&self, ask: &Ask<'_>, needs: &mut Footprint<'_>) {
        if self.roles.has(Role::Approver) {
            needs.holders.insert((Holder::of_person(self.person), ask.machine()));
            needs.lines.extend(self.certificate);
        }
        if !self.roles.has(Role::Clerk) {
            needs.clerks(ask);
        }
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let now = Person { roles: self.roles, since: ask.now, before: Roles::NONE };
        book.check_people_left(self.person, now, ask)?;
        let makes_two = book.makes_two(self.person, now, ask.now);
        let certified = book.check_certified(self, makes_two, ask)?;
        book.check_people_room(self.person)?;
        let before = book.house.people.persons.get(&self.person).copied();
        let set = PersonFacts { person: self.person, now, before, makes_two };
        let draft = book.draft(EntryKind::SetPerson, ask).with(Fact::Person(set));
        decided(book, certified.map(Fact::Certified).into_iter().fold(draft, EntryDraft::with))
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
        let makes_two = book.makes_two(self.person, now, since);
        let draft = book.draft(EntryKind::RecoverPerson, ask);
        decided(book, draft.with(Fact::Person(PersonFacts { person: self.person, now, before, makes_two })))
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
    /// of those once there are two. A clerk counts who can be there: one who has a certificate of the house, or is approver and so
    /// had one when it became that.
    ///
    /// Rule: approvers-left
    fn check_people_left(&self, person: PersonId, changed: Person, ask: &Ask<'_>) -> Result<(), Rejection> {
        let (people, now) = (&self.house.people, ask.now);
        // A coalition that was founded without people has nobody whom it could lose.
        if people.persons.is_empty() {
            return Ok(());
        }
        let roles = changed.roles_at(now);
        let left = |role: Role| {
            let others = people.with_role(role, now).filter(|(id, _)| *id != person);
            others.chain(roles.has(role).then_some((person, roles)))
        };
        let can_ask = |(id, roles): &(PersonId, Roles)| {
            roles.has(Role::Approver) || !self.held_by(Holder::of_person(*id), ask).0.is_empty()
        };
        // Who stays clerk is not asked for a certificate.
        let clerks = if roles.has(Role::Clerk) || !people.roles_at(person, now).has(Role::Clerk) {
            left(Role::Clerk).count()
        } else {
            left(Role::Clerk).filter(can_ask).count()
        };
        let needed = if people.are_two(now) { 2 } else { 1 };
        for (role, left, needed) in [(Role::Approver, left(Role::Approver).count(), needed), (Role::Clerk, clerks, 1)] {
            if left < needed {
                return Err(Rejection::NotPermitted {
                    problem: format!(
                        "{left} with the role {} and a certificate would be left, and {needed} must be; give it to somebody else \
                         first, who has joined",
                        role.as_str()
                    ),
                });
            }
        }
        Ok(())
    }

    /// Whether there are two approvers at a time for the first time, with these roles of a person.
    fn makes_two(&self, person: PersonId, changed: Person, time: Timestamp) -> bool {
        let people = &self.house.people;
        let others = people.with_role(Role::Approver, time).filter(|(id, _)| *id != person).count();
        !people.are_two(time) && others + usize::from(changed.roles_at(time).has(Role::Approver)) >= 2
    }

    /// Refuses to make somebody approver who has no certificate: whoever else is needed for it later would wait for a person who
    /// is not there. Until there are two approvers the one could have made more than one certificate in the name of the
    /// second, and act as both: so that one has just one.
    ///
    /// # Errors
    /// `NOT_PERMITTED`
    ///
    /// Rule: approver-certified
    fn check_certified(
        &self,
        set: &SetPerson,
        makes_two: bool,
        ask: &Ask<'_>,
    ) -> Result<Option<CertifiedFacts>, Rejection> {
        let (people, person) = (&self.house.people, set.person);
        let becomes = set.roles.has(Role::Approver) && !people.roles_at(person, ask.now).has(Role::Approver);
        // Nobody has invited the first one.
        if !becomes || people.persons.is_empty() {
            return Ok(None);
        }
        let refused = |problem: String| Err(Rejection::NotPermitted { problem });
        let holder = Holder::of_person(person);
        let (valid, _) = self.held_by(holder, ask);
        let issued = |serial: &Serial| self.credentials.get(serial);
        if let Some(serial) = set.certificate {
            if let Some(other) = issued(&serial).filter(|known| known.holder != holder) {
                return refused(format!("the certificate {serial} is of {}, not of {holder}", other.holder));
            }
            let ended = issued(&serial).is_some_and(|known| !self.is_valid(serial, known, ask));
            if ended || self.house.revoked.serials.contains_key(&serial) {
                return refused(format!("the certificate {serial} of {holder} is not in force: revoked, or ended"));
            }
        }
        let newest = valid.keys().copied().max_by_key(|serial| issued(serial).map(|known| known.created));
        let Some(serial) = set.certificate.or(newest) else {
            let words: Vec<String> = set.roles.iter().map(|role| role.as_str().to_lowercase()).collect();
            return refused(format!(
                "{holder} has no certificate, and an approver must have one first: let it join by its invite (clearing partner \
                 invite --person {person}), then ask again (clearing person roles {person} --roles {}); of a certificate that was \
                 made by hand, name the file (--certificate FILE)",
                words.join(",")
            ));
        };
        let line = |serial: Serial| issued(&serial).map_or(serial, |known| known.line);
        let lines: BTreeSet<Serial> = valid.keys().copied().chain([serial]).map(line).collect();
        if makes_two && lines.len() > 1 {
            let count = lines.len();
            return refused(format!(
                "{holder} has {count} certificates, and the second approver has 1 at first: until now one person could have made the \
                 others for itself; revoke all but the one that the person itself has (clearing certificate revoke SERIAL)"
            ));
        }
        Ok(Some(CertifiedFacts { serial, by_hand: issued(&serial).is_none() }))
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

//! Carrying out requests.
//!
//! [`Book::execute`] takes one request. Its checks descend in the published order of [`Rejection`]; then it writes
//! entries. A rejection leaves the book as it was, but for due work that the member had coming anyway.

use crate::book::Book;
use crate::book::changes::RequestChange;
use crate::command::{Command, Request};
use crate::facts::answer::{Abandoned, Accepted, Answer, HouseReply, MemberReply, Recorded, RecordedState, Reply};
use crate::facts::chain::{RequestRecord, link_commitment};
use crate::facts::coalition::CLOCK_SKEW_SECONDS;
use crate::facts::entry::Entry;
use crate::facts::member::{IdentifierLink, Member};
use crate::facts::origin::Origin;
use crate::facts::proposal::{ProposedFacts, ShownFacts};
use crate::facts::{Fact, LinkFacts};
use crate::operation::{Ask, Decision, OfMember, Tells};
use crate::rejection::Rejection;
use crate::rules::checks::check_range;
use crate::units::{ContentHash, EntryId, IdentifierHash, MemberId, PartnerId, Points, RequestId, Timestamp};

impl Book {
    /// Takes one request: checks, decides, applies, and records the answer under the request's key.
    ///
    /// Rule: idempotency
    pub fn execute(&mut self, request: &Request, now: Timestamp) -> Answer {
        let fresh = |result| Answer { result, replayed: false };
        if let Some(badge) = request.badge.filter(|badge| self.house.revoked.refuses(badge)) {
            return fresh(Err(Rejection::CredentialRevoked { serial: badge.serial.to_string() }));
        }
        if let Err(rejection) = request.validate() {
            return fresh(Err(rejection));
        }
        let content = request.content_hash();
        let permitted = match request.person {
            Some(person) => self.check_roles(person, request.command.name(), request.command.roles(), now),
            None => request.check_person(),
        };
        if let Err(rejection) = permitted {
            return fresh(Err(rejection));
        }
        let key = request.key();
        if let (Some(id), Some(key)) = (request.request_id, key) {
            if let Err(rejection) = self.check_age(id, now) {
                return fresh(Err(rejection));
            }
            if let Some(recorded) = self.requests.get(&key) {
                return replay(recorded, &content, id);
            }
            // What became of a request whose key may have been pruned is not known, so it cannot be abandoned either.
            let abandoned = request.command.concerns().unwrap_or(id);
            let known = self.requests.contains_key(&request.ask(now).key(abandoned));
            let checked = self.check_new(id, now).and_then(|()| self.check_age(abandoned, now));
            let checked = checked.and_then(|()| if known { Ok(()) } else { self.check_new(abandoned, now) });
            if let Err(rejection) = checked {
                return fresh(Err(rejection));
            }
        }
        let ask = request.ask(now);
        let result = self.check_times(&request.origin, now).and_then(|()| self.carry_out(&ask, &request.command));
        if let (Ok(accepted), Some(attachment)) = (&result, &request.attachment)
            && let Some(entry) = accepted.entries.first()
        {
            self.changes_mut().attachments.insert(*entry, attachment.clone());
        }
        let recorded = result.as_ref().err().is_none_or(Rejection::recorded);
        if let Some(key) = key.filter(|_| recorded) {
            let state = match &result {
                Ok(accepted) => RecordedState::Accepted(accepted.clone()),
                Err(rejection) => RecordedState::Rejected(rejection.clone()),
            };
            self.record(key, Recorded { content, state });
        }
        fresh(result)
    }

    /// Rule: request-age
    fn check_age(&self, id: RequestId, now: Timestamp) -> Result<(), Rejection> {
        let days = self.house.coalition.key_retention_days;
        let (Some(made), true) = (id.made_at(), days > 0) else { return Ok(()) };
        let oldest = self.house.coalition.days_before(days, now);
        if made < oldest {
            return Err(Rejection::RequestTooOld { made: made.to_string(), oldest: oldest.to_string() });
        }
        Ok(())
    }

    /// Refuses a key that the house does not have and whose own time is ahead: it would outlive its retention.
    ///
    /// Rule: request-new
    fn check_new(&self, id: RequestId, now: Timestamp) -> Result<(), Rejection> {
        let latest = self.clients_time.map_or(now, |time| time.max(now)).plus_seconds(CLOCK_SKEW_SECONDS);
        match id.made_at().filter(|made| *made > latest) {
            Some(made) => Err(Rejection::RequestTooNew { made: made.to_string(), latest: latest.to_string() }),
            None => Ok(()),
        }
    }

    /// Rule: time-range
    fn check_times(&self, origin: &Origin, now: Timestamp) -> Result<(), Rejection> {
        let coalition = &self.house.coalition;
        let days = coalition.business_time_age_days;
        let earliest = if days == 0 { Timestamp(0) } else { coalition.days_before(days, now) };
        if let Some(time) = origin.business_time {
            check_range("business_time", time, earliest, now.plus_seconds(CLOCK_SKEW_SECONDS))?;
        }
        if let Some(date) = origin.business_date {
            // A trading day may run past midnight, and a shop may lie a zone ahead: one day of grace on both sides.
            let (earliest, latest) = (coalition.days_before(1, earliest), coalition.days_after(1, now));
            let midnight = Timestamp::of_wall(date.to_jiff().into(), &coalition.time_zone).unwrap_or(Timestamp::NEVER);
            check_range("business_date", midnight, earliest, latest)?;
        }
        Ok(())
    }

    /// Lets what is due run, decides, and writes what was decided and what follows from it by itself.
    fn carry_out(&mut self, ask: &Ask<'_>, command: &Command) -> Result<Accepted, Rejection> {
        let who = command.admit(self, ask)?;
        if who.spends {
            self.check_may_spend(who.member(), ask.now)?;
        }
        let mut due = Vec::new();
        for member in &who.members {
            due.extend(self.run_due(*member, ask.now));
        }
        let decision = command.decide(self, ask, &who);
        let mut decision = self.or_proposed(ask, command, decision)?;
        if let Some(by) = command.by(self, ask) {
            decision.entries.iter_mut().for_each(|entry| entry.facts.push(Fact::By(by)));
        }
        if let (Some(hash), Some(member), Some(entry)) =
            (who.newcomer, who.members.last(), decision.entries.first_mut())
        {
            self.enrol(ask, hash, *member, entry);
        }
        let mut entries: Vec<EntryId> = decision.entries.into_iter().map(|entry| self.post(entry)).collect();
        if let Some(member) = decision.settles {
            self.settle_member(member, ask.now, &mut entries);
        }
        let reply = match decision.tells {
            Tells::Member(figures) => {
                // Due work has its own place in the journal, and is not part of other answers.
                if figures.names_due {
                    entries = due;
                }
                Reply::Member(self.member_reply(ask, &figures))
            }
            Tells::Abandoned(request, what) => {
                self.note_abandoned(ask, request, what);
                Reply::Abandoned(what)
            }
            Tells::House(reply) => Reply::House(reply),
        };
        Ok(Accepted { entries, reply })
    }

    /// What was decided; what waits for a second person is proposed instead of being done. What it would do now is right then:
    /// whether it still is when it is approved, the rules say once more.
    ///
    /// # Errors
    /// Of why it would be refused and `PROPOSAL_EXISTS` what comes first in the published order.
    fn or_proposed(
        &self,
        ask: &Ask<'_>,
        command: &Command,
        decision: Result<Decision, Rejection>,
    ) -> Result<Decision, Rejection> {
        let alone = ask.person.is_none() || !command.is_of_two() || self.is_done_alone(command.name(), ask.now);
        if alone || !command.waits(self, ask) {
            return decision;
        }
        let (content, found) = (command.content(), command.found_hash(self));
        let exists = self.check_not_proposed(&content, &found, ask.now);
        let (decision, replaces) = match (decision, exists) {
            (Ok(decision), Ok(replaces)) => (decision, replaces),
            (Ok(_), Err(exists)) => return Err(exists),
            (Err(refused), exists) => {
                return Err(exists.err().filter(|exists| exists.rank() < refused.rank()).unwrap_or(refused));
            }
        };
        if decision.entries.is_empty() {
            return Ok(decision);
        }
        let (shown, about) = (ask.badge.map(ShownFacts::of), command.subject().and_then(|subject| subject.person));
        let proposed = ProposedFacts { operation: command.to_bytes(), content, found, about, shown, replaces };
        Ok(Decision::of_house(vec![self.propose(ask, proposed)?], HouseReply::Entries))
    }

    /// Enrols a member under an identifier with an entry that gives it its first lots.
    ///
    /// Rule: enrolment
    fn enrol(&mut self, ask: &Ask<'_>, hash: IdentifierHash, id: MemberId, entry: &mut Entry) {
        let (number, salt) = (1, ask.fresh_salt);
        entry.facts.push(Fact::Linked(LinkFacts { number, commitment: link_commitment(&salt, &hash, id) }));
        self.members.insert(id, Member::new(id));
        self.identifiers.insert(hash, id);
        self.changes_mut().new_members.insert(id);
        self.changes_mut().members.insert(id);
        self.changes_mut().identifiers.insert(hash, IdentifierLink { member: id, number, salt });
    }

    /// The figures of an answer on a member.
    pub(crate) fn member_reply(&self, ask: &Ask<'_>, figures: &OfMember) -> MemberReply {
        let OfMember { member, returnable, reversed, names_due: _ } = *figures;
        let known = self.members.get(&member);
        let tells_all = self.tells_all(ask.caller);
        let available = || i64::try_from(known.map_or(0, Member::available)).expect("checked when it was posted");
        let available = if tells_all { Points(available()) } else { self.told_available(ask.caller, member, ask.now) };
        MemberReply {
            member,
            available,
            held: known.map_or(Points::ZERO, Member::held),
            pending: known.map_or(Points::ZERO, Member::pending),
            owed: known.map_or(Points::ZERO, Member::owed),
            returnable,
            reversed,
            // Due work has run, so nothing that has expired is left.
            next_expiry: self.next_expiry(member, Timestamp(i64::MIN)).filter(|_| tells_all),
        }
    }

    /// Notes what became of a request that was abandoned: repeated, it is refused from now on.
    pub(crate) fn note_abandoned(&mut self, ask: &Ask<'_>, request: RequestId, what: Abandoned) {
        let key = ask.key(request);
        let recorded = match (what, self.requests.get(&key)) {
            (Abandoned::Burned, _) => Recorded { content: [0; 16], state: RecordedState::Burned },
            (Abandoned::Undone, Some(Recorded { content, state: RecordedState::Accepted(accepted) })) => {
                Recorded { content: *content, state: RecordedState::Undone(accepted.clone()) }
            }
            (Abandoned::Undone | Abandoned::NoEffect | Abandoned::Already, _) => return,
        };
        self.record(key, recorded);
    }

    /// What the chain has of a request that was recorded; none if none was, or if its entries are not in the book.
    pub fn request_record(&self, key: (PartnerId, RequestId)) -> Option<RequestRecord> {
        let recorded = self.requests.get(&key)?;
        let first = match &recorded.state {
            RecordedState::Accepted(accepted) | RecordedState::Undone(accepted) => accepted.entries.first(),
            RecordedState::Rejected(_) | RecordedState::Burned => None,
        };
        let first = first.map(|id| self.entries.get(id).ok_or(id)).transpose().ok()?;
        Some(RequestRecord::of(key, recorded, first.and_then(|entry| entry.member)))
    }

    /// Keeps what is to be answered under a key from now on.
    pub(crate) fn record(&mut self, key: (PartnerId, RequestId), recorded: Recorded) {
        let known = self.requests.insert(key, recorded).is_some();
        self.changes_mut().requests.entry(key).or_insert(RequestChange { known });
    }
}

fn replay(recorded: &Recorded, content: &ContentHash, id: RequestId) -> Answer {
    let conflict = recorded.content != *content;
    let result = match &recorded.state {
        // A key that was burned before it came has no content to compare with.
        RecordedState::Burned | RecordedState::Undone(_) => {
            Err(Rejection::RequestAbandoned { request_id: id.to_string() })
        }
        RecordedState::Accepted(_) | RecordedState::Rejected(_) if conflict => {
            return Answer {
                result: Err(Rejection::IdempotencyConflict { request_id: id.to_string() }),
                replayed: false,
            };
        }
        RecordedState::Accepted(accepted) => Ok(accepted.clone()),
        RecordedState::Rejected(rejection) => Err(rejection.clone()),
    };
    Answer { result, replayed: true }
}

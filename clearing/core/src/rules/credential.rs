//! Who may connect: invites, the credentials that come of them, their successors, and revoking.
//!
//! The house issues what it is asked for by whoever has the secret of an invite, or the key of an earlier credential. The
//! certificate is made before it is decided: here hashes and times are compared, and nothing is signed.

use std::collections::{BTreeMap, BTreeSet};

use borsh::{BorshDeserialize, BorshSerialize};
use serde::Deserialize;

use crate::book::Book;
use crate::facts::Fact;
use crate::facts::answer::HouseReply;
use crate::facts::credential::{
    Credential, Device, Enrolment, ForeignFacts, Holder, HolderKind, Invite, InviteState, InvitedFacts, IssuedFacts,
    NewInvite, RevokedFacts, Scopes, Serial, WithdrawnFacts,
};
use crate::facts::entry::EntryKind;
use crate::facts::origin::Code;
use crate::facts::person::{Role, Roles};
use crate::operation::{Admitted, Ask, Decision, Footprint, Gate, HOLDINGS_TOLD_MAX, Operation, Subject, decided};
use crate::rejection::Rejection;
use crate::rules::checks::{check_moment, check_range};
use crate::units::{Hash, InviteId, Timestamp};

/// Invites, or serial numbers, of one request.
pub const INVITES_MAX: usize = 1_000;
/// How long an invite can be used, unless somebody says otherwise, and at the most.
const INVITE_SECONDS: i64 = 24 * 3_600;
const INVITE_DAYS_MAX: i64 = 30;
/// How long after its end a credential can be renewed.
pub const RENEWED_FOR_DAYS: i64 = 30;
/// Tries with another key of which each is written down.
const FOREIGN_ATTEMPTS_MAX: u32 = 100;
/// Serial numbers that are revoked and have not ended, at the most: every node keeps them.
const REVOKED_MAX: usize = 100_000;

/// Invites the holders of new credentials. The secrets are known by their hashes only.
///
/// Rule: invites
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateInvites {
    /// None: the caller.
    #[serde(default)]
    pub holder: Option<Holder>,
    #[serde(default)]
    pub scopes: Scopes,
    /// None: in 24 hours.
    #[serde(default, rename = "end_time")]
    pub ends: Option<Timestamp>,
    pub invites: Vec<NewInvite>,
}

/// Refuses none, and more than [`INVITES_MAX`].
fn check_count(field: &str, count: usize) -> Result<(), Rejection> {
    if (1..=INVITES_MAX).contains(&count) {
        return Ok(());
    }
    Err(Rejection::invalid(field, format!("{count} of them, and 1 to {INVITES_MAX} are allowed at once")))
}

/// `at`: its place among the invites of the request.
fn check_device(at: usize, device: &Device) -> Result<(), Rejection> {
    let Device { name: _, store: _, till: _, calls_per_second, connections_max } = device;
    let bounds = [
        ("calls_per_second", *calls_per_second, Device::CALLS_PER_SECOND_MAX),
        ("connections_max", *connections_max, Device::CONNECTIONS_MAX),
    ];
    match bounds.into_iter().find(|(_, number, most)| number > most) {
        Some((field, number, most)) => {
            Err(Rejection::invalid(&format!("invites[{at}].device.{field}"), format!("{number} is above {most}")))
        }
        None => Ok(()),
    }
}

impl Operation for CreateInvites {
    const NAME: &'static str = "CreateInvites";
    const TWO_PERSONS: bool = true;
    const OF_PEOPLE: bool = true;

    /// Whoever gave a person a certificate alone could act in its name, and be the second one.
    fn waits(&self, _: &Book, _: &Ask<'_>) -> bool {
        self.holder.is_none_or(|holder| holder.kind != HolderKind::Partner)
    }

    fn check(&self) -> Result<(), Rejection> {
        check_moment("end_time", self.ends)?;
        check_count("invites", self.invites.len())?;
        let mut seen = BTreeSet::new();
        for (at, NewInvite { id, secret: _, device }) in self.invites.iter().enumerate() {
            let of_id = format!("invites[{at}].invite_id");
            if !id.is_version_7() {
                return Err(Rejection::invalid(&of_id, format!("{id} is not a version 7 UUID")));
            }
            if !seen.insert(id) {
                return Err(Rejection::invalid(&of_id, format!("{id} comes twice")));
            }
            device.as_ref().map_or(Ok(()), |device| check_device(at, device))?;
        }
        if let Some(holder) = self.holder.filter(|holder| holder.kind != HolderKind::Partner) {
            if !self.scopes.is_whole() {
                let problem = format!("{} has none: scopes are of partners' credentials", holder);
                return Err(Rejection::invalid("scopes", problem));
            }
            if let Some(at) = self.invites.iter().position(|invite| invite.device.is_some()) {
                return Err(Rejection::invalid(
                    &format!("invites[{at}].device"),
                    format!("{holder} has none: devices are partners'"),
                ));
            }
        }
        Ok(())
    }

    fn subject(&self) -> Option<Subject> {
        Some(self.holder.map_or_else(Subject::default, about))
    }

    fn footprint(&self, _: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.invites.extend(self.invites.iter().map(|invite| invite.id));
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        if ask.person.is_some() && self.holder.is_none() {
            return Err(Rejection::invalid("holder", "is missing; a person of the operator names whom it invites"));
        }
        let holder = self.holder.unwrap_or_else(|| ask.holder());
        let latest = ask.now.plus_days(INVITE_DAYS_MAX);
        let ends = self.ends.unwrap_or_else(|| ask.now.plus_seconds(INVITE_SECONDS));
        check_range("end_time", ends, Timestamp(ask.now.0 + 1), latest)?;
        book.check_looks_after(ask, holder)?;
        if let Some(known) = self.invites.iter().find(|invite| book.invites.contains_key(&invite.id)) {
            return Err(Rejection::InviteExists { invite: known.id.to_string() });
        }
        let own = ask.badge.map_or(Scopes::WHOLE, |badge| badge.scopes);
        if let Some(scope) = own.exceeded_by(self.scopes) {
            return Err(Rejection::ScopeExceeded { scope: scope.as_str().to_owned() });
        }
        let invited = InvitedFacts {
            holder,
            scopes: self.scopes,
            ends,
            by: ask.holder(),
            made_with: ask.badge.map(|badge| badge.serial),
            invites: self.invites.clone(),
        };
        decided(book, book.draft(EntryKind::CreateInvites, ask).with(Fact::Invited(invited)))
    }
}

/// The partner or person that a holder is.
fn about(holder: Holder) -> Subject {
    match holder.kind {
        HolderKind::Partner => Subject::partner(holder.id),
        HolderKind::Operator => holder.person().map_or_else(Subject::default, Subject::person),
        HolderKind::Auditor => Subject::default(),
    }
}

/// Who ends what others can do: a clerk, and an approver as well, who may be the one who sees it.
const ENDING: Roles = Roles::of(&[Role::Clerk, Role::Approver]);

/// Takes back invites that were not used.
///
/// Rule: withdraw-invites
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WithdrawInvites {
    #[serde(rename = "invite_ids")]
    pub invites: Vec<InviteId>,
}

impl Operation for WithdrawInvites {
    const NAME: &'static str = "WithdrawInvites";
    const ROLES: Roles = ENDING;
    const OF_PEOPLE: bool = true;

    fn check(&self) -> Result<(), Rejection> {
        check_count("invite_ids", self.invites.len())
    }

    fn subject(&self) -> Option<Subject> {
        Some(Subject::default())
    }

    fn footprint(&self, _: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.invites.extend(&self.invites);
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let mut open = BTreeSet::new();
        for id in &self.invites {
            let invite =
                book.invites.get(id).filter(|invite| looks_after(ask, invite.holder) || invite.by == ask.holder());
            let invite = invite.ok_or_else(|| Rejection::not_found("invite", id))?;
            if book.is_open(invite, ask.now) {
                open.insert(*id);
            }
        }
        if open.is_empty() {
            return Ok(Decision::of_house(Vec::new(), HouseReply::Entries));
        }
        let withdrawn = WithdrawnFacts { by: ask.holder(), invites: open.into_iter().collect() };
        decided(book, book.draft(EntryKind::WithdrawInvites, ask).with(Fact::InvitesWithdrawn(withdrawn)))
    }
}

/// Revokes credentials, with all of their lines, or all that a holder had until now.
///
/// Rule: revoke-credentials
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokeCredentials {
    #[serde(default)]
    pub serials: Vec<Serial>,
    #[serde(default)]
    pub holder: Option<Holder>,
    #[serde(rename = "reason_code", deserialize_with = "Code::read_word")]
    pub reason: Code,
}

impl Operation for RevokeCredentials {
    const NAME: &'static str = "RevokeCredentials";
    const ROLES: Roles = ENDING;
    const OF_PEOPLE: bool = true;
    /// Every batch reads what is revoked.
    const GATE: Gate = Gate::Alone;

    fn check(&self) -> Result<(), Rejection> {
        match (self.holder, self.serials.is_empty()) {
            (Some(_), false) => {
                Err(Rejection::invalid("holder", "there are serial numbers as well; name one or the other"))
            }
            (Some(_), true) => Ok(()),
            (None, _) => check_count("serials", self.serials.len()),
        }
    }

    fn subject(&self) -> Option<Subject> {
        Some(self.holder.map_or_else(Subject::default, about))
    }

    fn reason(&self) -> Option<&Code> {
        Some(&self.reason)
    }

    fn footprint(&self, ask: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.lines.extend(&self.serials);
        needs.holders.extend(self.holder.map(|holder| (holder, ask.machine())));
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let cut = ask.machine();
        let (serials, invites) = match self.holder {
            Some(holder) => {
                book.check_looks_after(ask, holder)?;
                book.held_by(holder, ask)
            }
            None => book.of_lines(&self.serials, ask)?,
        };
        if self.holder.is_none() && serials.is_empty() {
            return Ok(Decision::of_house(Vec::new(), HouseReply::Entries));
        }
        let known = book.house.revoked.serials.values().filter(|known| known.ends >= cut).count();
        if self.holder.is_none() && known + serials.len() > REVOKED_MAX {
            let maximum = i64::try_from(REVOKED_MAX).expect("a hundred thousand is less than 2^63");
            return Err(Rejection::Overflow { what: "the number of revoked certificates".to_owned(), maximum });
        }
        let serials = serials.into_iter().collect();
        let revoked = RevokedFacts { by: ask.holder(), cut, holder: self.holder, serials, invites };
        let draft = book.draft(EntryKind::RevokeCredentials, ask).with(Fact::Reason(self.reason.clone()));
        decided(book, draft.with(Fact::Revoked(revoked)))
    }
}

/// What the house made for somebody who asked for a credential.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Made {
    pub serial: Serial,
    /// In DER.
    pub certificate: Vec<u8>,
    pub begins: Timestamp,
    pub ends: Timestamp,
    /// SHA-256 of its key.
    pub key: Hash,
}

/// Uses an invite: by whoever shows its secret, once, and again with the same key until it ends. Work of the house's own, as
/// whoever asks is nobody yet.
///
/// Rule: enroll
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Enroll {
    pub invite: InviteId,
    /// SHA-256 of the secret that was shown.
    pub secret: Hash,
    pub made: Made,
}

/// Nothing is written.
fn told(enrolment: Enrolment) -> Decision {
    Decision::of_house(Vec::new(), HouseReply::Enrolment(enrolment))
}

fn with_entry(
    book: &Book,
    ask: &Ask<'_>,
    (kind, fact): (EntryKind, Fact),
    enrolment: Enrolment,
) -> Result<Decision, Rejection> {
    let entry = book.finish(book.draft(kind, ask).with(fact))?;
    Ok(Decision::of_house(vec![entry], HouseReply::Enrolment(enrolment)))
}

impl Operation for Enroll {
    const NAME: &'static str = "Enroll";

    fn footprint(&self, _: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.invites.insert(self.invite);
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let invite = book.invites.get(&self.invite).filter(|invite| invite.secret == self.secret);
        let Some(invite) = invite else { return Ok(told(Enrolment::UnknownInvite)) };
        let Invite { holder, scopes, device, used, .. } = invite.clone();
        if invite.withdrawn(&book.house.revoked, &book.house.people, ask.now).is_some() {
            return Ok(told(Enrolment::WithdrawnInvite));
        }
        if invite.ends <= ask.now {
            return Ok(told(Enrolment::EndedInvite(invite.ends)));
        }
        let Made { serial, certificate, begins, ends, key } = self.made.clone();
        if let Some((time, issued)) = used {
            if book.credentials.get(&issued).is_some_and(|known| known.key == key) {
                return Ok(told(Enrolment::Issued(issued)));
            }
            let refused = Enrolment::UsedInvite(time);
            if invite.foreign_attempts >= FOREIGN_ATTEMPTS_MAX {
                return Ok(told(refused));
            }
            let foreign = ForeignFacts { invite: self.invite, key };
            return with_entry(book, ask, (EntryKind::RefuseEnrolment, Fact::ForeignAttempt(foreign)), refused);
        }
        if book.house.revoked.of(serial, holder, begins).is_some() {
            return Ok(told(Enrolment::BeginsTooEarly));
        }
        let invite = Some(self.invite);
        let issued = IssuedFacts {
            serial,
            holder,
            scopes,
            device,
            key,
            begins,
            ends,
            line: serial,
            invite,
            renews: None,
            certificate,
        };
        let fact = Fact::CredentialIssued(Box::new(issued));
        with_entry(book, ask, (EntryKind::Enroll, fact), Enrolment::Issued(serial))
    }
}

/// Gives a credential a successor with a new key: the same holder, the same scopes. Asked again with that key, it is the same
/// one. One that the house did not issue itself gets one as well, while it is valid.
///
/// Rule: renew
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Renew {
    pub renews: Serial,
    pub holder: Holder,
    /// It has ended, so it must be one of the house's own, and not too old.
    pub ended: bool,
    pub made: Made,
}

impl Operation for Renew {
    const NAME: &'static str = "Renew";

    fn footprint(&self, _: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.renewed.insert((self.renews, self.made.key));
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let Self { renews, holder, ended, made } = self.clone();
        let known = book.credentials.get(&renews);
        if known.is_some_and(|known| known.holder != holder) {
            return Ok(told(Enrolment::UnknownCredential));
        }
        if ended {
            let Some(known) = known else { return Ok(told(Enrolment::UnknownCredential)) };
            if known.ends.plus_days(RENEWED_FOR_DAYS) < ask.machine() {
                return Ok(told(Enrolment::EndedCredential(known.ends)));
            }
        }
        let Made { serial, certificate, begins, ends, key } = made;
        if known.is_some_and(|known| known.key == key) {
            return Ok(told(Enrolment::KnownKey));
        }
        let before = book.credentials.iter().find(|(_, other)| other.renews == Some(renews) && other.key == key);
        if let Some((issued, _)) = before {
            return Ok(told(Enrolment::Issued(*issued)));
        }
        if book.house.revoked.of(serial, holder, begins).is_some() {
            return Ok(told(Enrolment::BeginsTooEarly));
        }
        let (scopes, device) = known.map_or((Scopes::WHOLE, None), |known| (known.scopes, known.device.clone()));
        let line = known.map_or(renews, |known| known.line);
        let issued = IssuedFacts {
            serial,
            holder,
            scopes,
            device,
            key,
            begins,
            ends,
            line,
            invite: None,
            renews: Some(renews),
            certificate,
        };
        let fact = Fact::CredentialIssued(Box::new(issued));
        with_entry(book, ask, (EntryKind::RenewCertificate, fact), Enrolment::Issued(serial))
    }
}

/// Whether who asks looks after the credentials of a holder: a partner after its own, the operator after everybody's.
fn looks_after(ask: &Ask<'_>, holder: Holder) -> bool {
    ask.caller.is_operator() || holder == Holder::partner(ask.caller)
}

/// What was valid until now, with its end.
pub(crate) type Valid = BTreeMap<Serial, Timestamp>;

impl Book {
    /// Refuses a holder that there is not, and one after whom the caller does not look: nobody is told which.
    fn check_looks_after(&self, ask: &Ask<'_>, holder: Holder) -> Result<(), Rejection> {
        let there = holder.kind != HolderKind::Partner || self.house.partners.contains_key(&holder.id);
        if there && looks_after(ask, holder) {
            return Ok(());
        }
        let what = match holder.kind {
            HolderKind::Partner => "partner",
            HolderKind::Operator => "person",
            HolderKind::Auditor => "auditor",
        };
        Err(Rejection::not_found(what, holder.id))
    }

    pub(crate) fn is_valid(&self, serial: Serial, credential: &Credential, ask: &Ask<'_>) -> bool {
        let Credential { holder, begins, ends, .. } = *credential;
        ends >= ask.machine() && self.house.revoked.of(serial, holder, begins).is_none()
    }

    /// The first of what a holder has that is valid, and how many invites it could use, up to a bound.
    pub(crate) fn held_by(&self, holder: Holder, ask: &Ask<'_>) -> (Valid, u32) {
        let held = self.credentials.iter().filter(|(_, known)| known.holder == holder && known.ends >= ask.machine());
        let held = held.take(HOLDINGS_TOLD_MAX).filter(|(serial, known)| self.is_valid(**serial, known, ask));
        let held = held.map(|(serial, known)| (*serial, known.ends)).collect();
        let unused = self.invites.values().filter(|invite| invite.holder == holder && invite.used.is_none());
        (held, self.open_among(unused.take(HOLDINGS_TOLD_MAX), ask))
    }

    fn open_among<'a>(&self, invites: impl Iterator<Item = &'a Invite>, ask: &Ask<'_>) -> u32 {
        u32::try_from(invites.filter(|invite| self.is_open(invite, ask.now)).count()).unwrap_or(u32::MAX)
    }

    fn is_open(&self, invite: &Invite, now: Timestamp) -> bool {
        invite.state(&self.house.revoked, &self.house.people, now) == InviteState::Open
    }

    /// What of the lines of credentials is valid, and how many invites were made with them that can be used.
    fn of_lines(&self, serials: &[Serial], ask: &Ask<'_>) -> Result<(Valid, u32), Rejection> {
        let (mut found, mut lines) = (Valid::new(), BTreeSet::new());
        for serial in serials {
            match self.credentials.get(serial) {
                Some(known) if looks_after(ask, known.holder) => {
                    lines.insert(known.line);
                }
                // Made by hand: whose it is, nobody knows but who shows it.
                None if ask.caller.is_operator() || ask.badge.is_some_and(|badge| badge.serial == *serial) => {
                    lines.insert(*serial);
                }
                Some(_) | None => return Err(Rejection::not_found("credential", serial)),
            }
        }
        // The first of a line may have been made by hand: when it ends, nobody knows.
        let by_hand = lines.iter().filter(|line| !self.credentials.contains_key(line));
        let by_hand = by_hand.filter(|line| !self.house.revoked.serials.contains_key(line));
        found.extend(by_hand.map(|line| (*line, Timestamp::NEVER)));
        let of_lines = self.credentials.iter();
        let of_lines = of_lines.filter(|(_, known)| lines.contains(&known.line) && looks_after(ask, known.holder));
        let valid = of_lines.filter(|(serial, known)| self.is_valid(**serial, known, ask));
        found.extend(valid.map(|(serial, known)| (*serial, known.ends)));
        let made_with = |invite: &&Invite| invite.made_with.is_some_and(|serial| found.contains_key(&serial));
        let invites = self.open_among(self.invites.values().filter(made_with), ask);
        Ok((found, invites))
    }
}

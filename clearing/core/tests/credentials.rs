//! Invites, credentials, and what is revoked: what the rules say where time passes, and to the bounds.

#![allow(clippy::unwrap_used, reason = "a panic in a test is how it fails")]

mod house;

use clearing_core::command::{Command, Request};
use clearing_core::facts::answer::{Accepted, HouseReply, Reply};
use clearing_core::facts::credential::{Badge, Enrolment, Holder, NewInvite, Scope, Scopes, Serial};
use clearing_core::facts::origin::Code;
use clearing_core::facts::terms::Funding;
use clearing_core::rejection::Rejection;
use clearing_core::rules::credential::{CreateInvites, Enroll, Made, Renew, RevokeCredentials, WithdrawInvites};
use clearing_core::units::{InviteId, PartnerId, Timestamp};

use house::{Play, brands, id, request_id};

fn serial(number: u8) -> Serial {
    Serial::new(&[0x40, number]).unwrap()
}

fn invite_id(play: &Play, number: u128) -> InviteId {
    InviteId(request_id(play.now, 1 << 40 | number).0)
}

/// Makes invites of the caller's own, all with the secret 1.
fn invite(play: &mut Play, by: &str, numbers: std::ops::Range<u128>, ends: Option<Timestamp>) -> Vec<InviteId> {
    let ids: Vec<InviteId> = numbers.map(|number| invite_id(play, number)).collect();
    let invites = ids.iter().map(|id| NewInvite { id: *id, secret: [1; 32], device: None }).collect();
    let create = CreateInvites { holder: None, scopes: Scopes::WHOLE, ends, invites };
    play.ask(by, create.into()).unwrap();
    ids
}

fn made(play: &Play, number: u8, key: u8, days: i64) -> Made {
    Made {
        serial: serial(number),
        certificate: vec![0x30; 3],
        begins: play.now.plus_seconds(-300),
        ends: play.now.plus_days(days),
        key: [key; 32],
    }
}

fn told(accepted: &Accepted) -> Enrolment {
    let Reply::House(HouseReply::Enrolment(enrolment)) = &accepted.reply else {
        panic!("not of an enrolment: {:?}", accepted.reply);
    };
    *enrolment
}

/// Work of the house's own.
fn own(play: &mut Play, command: Command, badge: Option<Badge>) -> Result<Accepted, Rejection> {
    let request = play.request(PartnerId::operator(), command);
    play.execute(&Request { request_id: None, badge, ..request }).result
}

fn enroll(play: &mut Play, invite: InviteId, number: u8, key: u8) -> Enrolment {
    let made = made(play, number, key, 90);
    told(&own(play, Enroll { invite, secret: [1; 32], made }.into(), None).unwrap())
}

/// What is shown of a credential that the book has.
fn badge(play: &Play, number: u8) -> Badge {
    let known = &play.book.credentials[&serial(number)];
    let (holder, scopes, begins) = (known.holder, known.scopes, known.begins);
    Badge { serial: serial(number), holder, scopes, begins, now: play.now }
}

fn revoke(play: &mut Play, by: &str, serials: Vec<Serial>, holder: Option<Holder>) -> Result<Accepted, Rejection> {
    let reason = Code::word("stolen").unwrap();
    let command = RevokeCredentials { serials, holder, reason }.into();
    if by == "operator" { play.desk(command) } else { play.ask(by, command) }
}

#[test]
fn an_invite_ends_by_itself_after_a_day_and_at_the_very_time_that_it_was_given() {
    let mut play = brands(Funding::AtIssue);
    let day = invite(&mut play, "A", 0..1, None)[0];
    assert_eq!(play.book.invites[&day].ends, play.now.plus_seconds(86_400));
    let ends = play.now.plus_days(30);
    let month = invite(&mut play, "A", 1..2, Some(ends))[0];
    play.now = Timestamp(ends.0 - 1);
    assert_eq!(enroll(&mut play, day, 1, 1), Enrolment::EndedInvite(play.book.invites[&day].ends));
    assert_eq!(enroll(&mut play, month, 2, 1), Enrolment::Issued(serial(2)));
    play.now = ends;
    assert_eq!(enroll(&mut play, month, 3, 1), Enrolment::EndedInvite(ends), "also for whoever has used it");
    play.assert_sound();
}

/// Whoever has the string could fill the journal with tries.
#[test]
fn tries_with_another_key_are_entries_up_to_a_hundred_and_then_only_refused() {
    let mut play = brands(Funding::AtIssue);
    let invite = invite(&mut play, "A", 0..1, None)[0];
    assert_eq!(enroll(&mut play, invite, 1, 1), Enrolment::Issued(serial(1)));
    let used = Enrolment::UsedInvite(play.now);
    let written = play.journal.len();
    for number in 2..=130 {
        assert_eq!(enroll(&mut play, invite, number, 2), used);
    }
    assert_eq!(play.journal.len() - written, 100);
    assert_eq!(play.book.invites[&invite].foreign_attempts, 100);
    assert_eq!(enroll(&mut play, invite, 131, 1), Enrolment::Issued(serial(1)), "whose it is may still ask");
    play.assert_sound();
}

#[test]
fn what_has_ended_is_renewed_for_thirty_days_and_no_longer_and_only_if_the_house_knows_it() {
    let mut play = brands(Funding::AtIssue);
    let invite = invite(&mut play, "A", 0..1, None)[0];
    enroll(&mut play, invite, 1, 1);
    let ends = play.book.credentials[&serial(1)].ends;
    let renew = |play: &mut Play, of: u8, number: u8| {
        let (renews, holder) = (serial(of), Holder::partner(id("A")));
        let shown = Badge { serial: renews, holder, scopes: Scopes::WHOLE, begins: ends.plus_days(-90), now: play.now };
        let made = made(play, number, number, 90);
        told(&own(play, Renew { renews, holder, ended: true, made }.into(), Some(shown)).unwrap())
    };
    play.now = ends.plus_days(30);
    assert_eq!(renew(&mut play, 1, 2), Enrolment::Issued(serial(2)));
    assert_eq!(renew(&mut play, 9, 3), Enrolment::UnknownCredential);
    play.now = Timestamp(play.now.0 + 1);
    assert_eq!(renew(&mut play, 1, 4), Enrolment::EndedCredential(ends));
    assert_eq!(play.book.credentials[&serial(2)].line, serial(1));
    play.assert_sound();
}

/// A partner's own authority chooses its serial numbers: one may be that of another's credential.
#[test]
fn a_serial_number_of_anothers_credential_neither_renews_it_nor_joins_its_line() {
    let mut play = brands(Funding::AtIssue);
    let invite = invite(&mut play, "A", 0..1, None)[0];
    enroll(&mut play, invite, 1, 1);
    let holder = Holder::partner(id("B"));
    for ended in [false, true] {
        let shown = Badge { serial: serial(1), holder, scopes: Scopes::WHOLE, begins: play.now, now: play.now };
        let made = made(&play, 2, 2, 90);
        let renew = Renew { renews: serial(1), holder, ended, made };
        assert_eq!(told(&own(&mut play, renew.into(), Some(shown)).unwrap()), Enrolment::UnknownCredential);
    }
    assert_eq!(play.book.credentials.len(), 1);
    play.assert_sound();
}

/// Every node keeps what is revoked, and reads it for every batch.
#[test]
fn what_is_revoked_is_forgotten_once_it_has_ended() {
    let mut play = brands(Funding::AtIssue);
    let ids = invite(&mut play, "A", 0..2, None);
    enroll(&mut play, ids[0], 1, 1);
    enroll(&mut play, ids[1], 2, 2);
    revoke(&mut play, "A", vec![serial(1)], None).unwrap();
    assert!(play.book.house.revoked.serials.contains_key(&serial(1)));
    play.now = play.book.credentials[&serial(1)].ends.plus_seconds(1);
    revoke(&mut play, "operator", vec![serial(9)], None).unwrap();
    let known: Vec<Serial> = play.book.house.revoked.serials.keys().copied().collect();
    assert_eq!(known, [serial(9)], "of one that was made by hand nobody knows when it ends");
    play.assert_sound();
}

#[test]
fn a_revoked_certificate_is_refused_before_anything_else_is_looked_at() {
    let mut play = brands(Funding::AtIssue);
    let invite = invite(&mut play, "A", 0..1, None)[0];
    enroll(&mut play, invite, 1, 1);
    let shown = badge(&play, 1);
    let asked = play.request(id("A"), house::issue("M", 5));
    let asked = Request { badge: Some(shown), ..asked };
    let answer = play.execute(&asked);
    assert!(answer.result.is_ok());
    revoke(&mut play, "operator", vec![serial(1)], None).unwrap();
    // Neither what was recorded nor what is malformed is told to it.
    for command in [house::issue("M", 5), house::issue("M", 0)] {
        let again = Request { command, ..asked.clone() };
        let refused = play.execute(&again).result.unwrap_err();
        assert_eq!((refused.reason(), refused.recorded()), ("CREDENTIAL_REVOKED", false));
    }
    let replayed = play.execute(&Request { badge: None, ..asked });
    assert!(replayed.replayed && replayed.result.is_ok());
    play.assert_sound();
}

#[test]
fn all_that_a_holder_had_is_refused_by_when_it_begins_and_what_begins_later_is_good() {
    let mut play = brands(Funding::AtIssue);
    let holder = Holder::partner(id("A"));
    let invite = invite(&mut play, "A", 0..1, None)[0];
    let told = revoke(&mut play, "A", Vec::new(), Some(holder)).unwrap();
    assert_eq!(told.entries.len(), 1);
    assert_eq!(enroll(&mut play, invite, 1, 1), Enrolment::WithdrawnInvite);
    let by_hand = |begins| Badge { serial: serial(7), holder, scopes: Scopes::WHOLE, begins, now: play.now };
    assert!(play.book.house.revoked.refuses(&by_hand(play.now)));
    assert!(!play.book.house.revoked.refuses(&by_hand(Timestamp(play.now.0 + 1))));
    let other = Badge { holder: Holder::partner(id("B")), ..by_hand(play.now) };
    assert!(!play.book.house.revoked.refuses(&other));

    // One that was made before that was seen begins too early, and is made again.
    play.now = play.now.plus_seconds(10);
    let again = invite_of(&mut play, "A", 5);
    assert_eq!(enroll(&mut play, again, 2, 1), Enrolment::BeginsTooEarly);
    let made = Made { begins: play.now, ..made(&play, 3, 1, 90) };
    let issued = own(&mut play, Enroll { invite: again, secret: [1; 32], made }.into(), None).unwrap();
    assert_eq!(self::told(&issued), Enrolment::Issued(serial(3)));
    play.assert_sound();
}

fn invite_of(play: &mut Play, by: &str, number: u128) -> InviteId {
    invite(play, by, number..number + 1, None)[0]
}

#[test]
fn an_invite_is_made_once_and_gives_no_more_than_its_maker_has() {
    let mut play = brands(Funding::AtIssue);
    let known = invite(&mut play, "A", 0..1, None)[0];
    let create = |id: InviteId, scopes: Scopes| -> Command {
        let invites = vec![NewInvite { id, secret: [2; 32], device: None }];
        CreateInvites { holder: None, scopes, ends: None, invites }.into()
    };
    assert_eq!(play.refused("B", create(known, Scopes::WHOLE)), "INVITE_EXISTS");
    let few: Scopes = [Scope::Credentials, Scope::Issue].into_iter().collect();
    let new = invite_id(&play, 1);
    let asked = play.request(id("A"), create(new, few));
    let holder = Holder::partner(id("A"));
    let shown = Badge { serial: serial(1), holder, scopes: few, begins: play.now, now: play.now };
    assert!(play.execute(&Request { badge: Some(shown), ..asked }).result.is_ok());
    let wider: Scopes = [Scope::Credentials, Scope::Read].into_iter().collect();
    for scopes in [wider, Scopes::WHOLE] {
        let asked = play.request(id("A"), create(invite_id(&play, 2), scopes));
        let refused = play.execute(&Request { badge: Some(shown), ..asked }).result.unwrap_err();
        assert_eq!(refused.reason(), "SCOPE_EXCEEDED", "{scopes}");
    }
    play.assert_sound();
}

#[test]
fn requests_about_nothing_or_too_much_are_malformed() {
    let mut play = brands(Funding::AtIssue);
    let one = NewInvite { id: invite_id(&play, 0), secret: [1; 32], device: None };
    let create = |invites| CreateInvites { holder: None, scopes: Scopes::WHOLE, ends: None, invites };
    let twice = vec![one.clone(), one.clone()];
    let old = NewInvite { id: InviteId(7), ..one.clone() };
    let many: Vec<NewInvite> =
        (0..1_001).map(|number| NewInvite { id: invite_id(&play, number), ..one.clone() }).collect();
    for invites in [Vec::new(), twice, vec![old], many] {
        assert_eq!(play.refused("A", create(invites).into()), "INVALID_ARGUMENT");
    }
    let auditor = Some("auditor/kpmg".parse().unwrap());
    let scoped = CreateInvites { holder: auditor, scopes: [Scope::Read].into_iter().collect(), ..create(vec![one]) };
    assert_eq!(play.refused("operator", scoped.into()), "INVALID_ARGUMENT");
    assert_eq!(play.refused("A", WithdrawInvites { invites: Vec::new() }.into()), "INVALID_ARGUMENT");
    assert_eq!(revoke(&mut play, "A", Vec::new(), None).unwrap_err().reason(), "INVALID_ARGUMENT");
    let both = revoke(&mut play, "A", vec![serial(1)], Some(Holder::partner(id("A"))));
    assert_eq!(both.unwrap_err().reason(), "INVALID_ARGUMENT");
}

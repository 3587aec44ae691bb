//! People of the operator, and what two of them do together.

#![allow(clippy::unwrap_used, reason = "a panic in a test is how it fails")]

mod house;

use std::collections::{BTreeMap, BTreeSet};

use clearing_core::chart::{Fund, UnappliedOf};
use clearing_core::command::{ApproveProposal, Command, Request};
use clearing_core::facts::answer::{HouseReply, Reply};
use clearing_core::facts::bank_account::{AccountNumber, BankAccount};
use clearing_core::facts::calendar::Calendar;
use clearing_core::facts::charges::{Every, ScheduledCharge};
use clearing_core::facts::credential::{Badge, Enrolment, Holder, Invite, InviteState, NewInvite, Scopes, Serial};
use clearing_core::facts::entry::EntryKind;
use clearing_core::facts::limits::Limits;
use clearing_core::facts::money::BankKey;
use clearing_core::facts::order::OrderMode;
use clearing_core::facts::origin::Code;
use clearing_core::facts::partner::PartnerState;
use clearing_core::facts::person::{People, PersonId, Role, Roles};
use clearing_core::facts::proposal::{Proposal, ProposalState};
use clearing_core::facts::security::Security;
use clearing_core::facts::terms::{Funding, TermsDraft};
use clearing_core::rejection::Rejection;
use clearing_core::rules::arrived::{ApplyMoney, ReceiveMoney, UsedFor, UsedFrom};
use clearing_core::rules::bank_account::{SetBankAccount, StopBankAccountChange};
use clearing_core::rules::calendar::SetCalendar;
use clearing_core::rules::care::{FreezeMember, ReinstatePoints, UnfreezeMember};
use clearing_core::rules::charge_schedule::SetCharges;
use clearing_core::rules::charges::{Adjust, Charge};
use clearing_core::rules::close::CloseWindow;
use clearing_core::rules::consent::SetFundingConsent;
use clearing_core::rules::cover::{CoverDefault, ShareLoss};
use clearing_core::rules::credential::{CreateInvites, Enroll, Made, RevokeCredentials, WithdrawInvites};
use clearing_core::rules::funds::{Deposit, WithdrawFunds};
use clearing_core::rules::limits::SetLimits;
use clearing_core::rules::ordered::ReturnMoney;
use clearing_core::rules::partner::{CreatePartner, SetPartnerState};
use clearing_core::rules::person::{RecoverPerson, SetPerson, SetTwoPersonList};
use clearing_core::rules::proposal::{RefuseProposal, WithdrawProposal};
use clearing_core::rules::returned::UndoPayment;
use clearing_core::rules::security::SetCover;
use clearing_core::rules::settlement::{AbortSettlement, ConfirmSettlement, ExportOrders};
use clearing_core::rules::terms::SetTerms;
use clearing_core::units::{EntryId, InviteId, Money, PartnerId, Points, RequestId, Timestamp};
use house::{Play, coalition, house, id, member_ref, rate, request_id, terms};
use proptest::prelude::*;

fn person(name: &str) -> PersonId {
    name.parse().unwrap()
}

/// A coalition whose first person is `first`.
fn founded() -> Play {
    let all = terms(Funding::AtRedemption);
    let mut house = house(coalition(), &[("A", all.clone()), ("B", all.clone()), ("C", all)]);
    house.people = People::first(person("first"));
    Play::new(house)
}

/// The same with a second approver, who is clerk as well.
fn of_two() -> Play {
    let mut play = founded();
    by(&mut play, "first", setting("second", Roles::FIRST)).unwrap();
    play
}

/// Sets the roles of somebody; of an approver with a certificate that was made by hand.
fn setting(name: &str, roles: Roles) -> SetPerson {
    let certificate = roles.has(Role::Approver).then(|| by_hand(name));
    SetPerson { certificate, ..SetPerson::new(person(name), roles) }
}

/// The serial number of the certificate that was made by hand for a person.
fn by_hand(name: &str) -> Serial {
    Serial::new(name.as_bytes()).unwrap()
}

/// Asks in the name of a person, under an id of its own.
fn by(play: &mut Play, name: &str, command: impl Into<Command>) -> Result<Vec<EntryId>, Rejection> {
    let request = play.request(PartnerId::operator(), command.into());
    by_request(play, name, request)
}

fn by_request(play: &mut Play, name: &str, request: Request) -> Result<Vec<EntryId>, Rejection> {
    let request = Request { person: Some(person(name)), ..request };
    play.execute(&request).result.map(|accepted| accepted.entries)
}

/// Asks with a certificate of the person that begins at a time.
fn showing(play: &mut Play, badge: Badge, command: impl Into<Command>) -> Result<Vec<EntryId>, Rejection> {
    let request = play.request(PartnerId::operator(), command.into());
    let name = badge.holder.person().unwrap().to_string();
    by_request(play, &name, Request { badge: Some(badge), ..request })
}

fn state_of(play: &Play, invite: &Invite) -> InviteState {
    invite.state(&play.book.house.revoked, &play.book.house.people, play.now)
}

/// Uses an invite. Gives what the house told, and the serial number of what it made.
fn enroll(play: &mut Play, invite: InviteId, number: u8) -> (Enrolment, Serial) {
    let serial = Serial::new(&[0x70, number]).unwrap();
    let (begins, ends) = (play.now.plus_seconds(-300), play.now.plus_days(90));
    let made = Made { serial, certificate: vec![0x30], begins, ends, key: [number; 32] };
    let request = play.request(PartnerId::operator(), Enroll { invite, secret: [1; 32], made }.into());
    let told = play.execute(&Request { request_id: None, ..request }).result.unwrap();
    let Reply::House(HouseReply::Enrolment(enrolment)) = told.reply else { panic!("{:?}", told.reply) };
    (enrolment, serial)
}

/// Lets a person join by an invite that the first one makes.
fn join(play: &mut Play, name: &str, number: u8) -> Serial {
    let invites = inviting(play, &format!("operator/{name}"), u128::from(number) << 8);
    let id = invites.invites[0].id;
    let asked = by(play, "first", invites).unwrap()[0];
    if kind(play, asked) == EntryKind::Propose {
        let approval = approve(play, asked);
        by(play, "second", approval).unwrap();
    }
    let (told, serial) = enroll(play, id, number);
    assert_eq!(told, Enrolment::Issued(serial));
    serial
}

fn holder(text: &str) -> Holder {
    text.parse().unwrap()
}

/// A certificate of a person.
fn badge(play: &Play, name: &str, begins: Timestamp) -> Badge {
    let (serial, holder) = (by_hand(name), holder(&format!("operator/{name}")));
    Badge { serial, holder, scopes: Scopes::WHOLE, begins, now: play.now }
}

/// Invites somebody, under an id of this number.
fn inviting(play: &Play, whom: &str, number: u128) -> CreateInvites {
    let id = InviteId(request_id(play.now, 1 << 40 | number).0);
    let invites = vec![NewInvite { id, secret: [1; 32], device: None }];
    CreateInvites { holder: Some(holder(whom)), scopes: Scopes::WHOLE, ends: None, invites }
}

fn revoking(whom: &str) -> RevokeCredentials {
    let reason = Code::word("stolen").unwrap();
    RevokeCredentials { serials: Vec::new(), holder: Some(holder(whom)), reason }
}

/// Sets the roles of somebody, by two where two are needed.
fn set_roles(play: &mut Play, name: &str, roles: Roles) {
    let asked = by(play, "first", setting(name, roles)).unwrap();
    if kind(play, asked[0]) == EntryKind::Propose {
        let approval = approve(play, asked[0]);
        by(play, "second", approval).unwrap();
    }
}

/// Approves what an entry has proposed.
fn approve(play: &Play, proposal: EntryId) -> Command {
    let operation = Command::from_bytes(&play.book.proposals[&proposal].facts.operation).unwrap();
    ApproveProposal { proposal, content: operation.content(), operation: Some(Box::new(operation)) }.into()
}

fn kind(play: &Play, entry: EntryId) -> EntryKind {
    play.book.entries[&entry].kind
}

fn state(partner: &str, state: PartnerState) -> SetPartnerState {
    SetPartnerState { partner: id(partner), state }
}

fn account(partner: &str, holder: &str) -> SetBankAccount {
    let number = AccountNumber::Iban("DE89370400440532013000".to_owned());
    let account = BankAccount { number, holder: holder.to_owned(), bank_name: String::new() };
    SetBankAccount { partner: id(partner), account }
}

/// Points that support gives a member again, at the operator's cost.
fn again(points: i64) -> ReinstatePoints {
    let (member, funder, points) = (member_ref("M"), PartnerId::operator(), Points(points));
    ReinstatePoints { member, funder, points, expires: None, reason: Code::new("goodwill").unwrap() }
}

/// One of each operation of the list, as it can be done in this play.
fn samples(play: &mut Play) -> Vec<Command> {
    let reason = Code::new("LOST").unwrap();
    for (issuer, member) in [("A", "M"), ("B", "O")] {
        play.issue(issuer, member, 50);
        play.redeem("C", member, 20).unwrap();
    }
    let came = |partner: Option<&str>, reference: &str| ReceiveMoney {
        partner: partner.map(id),
        amount: Money(300),
        line: BankKey { account: String::new(), booked: None, reference: reference.to_owned() },
        window: None,
    };
    by(play, "first", came(None, "R1")).unwrap();
    by(play, "first", came(Some("C"), "R2")).unwrap();
    let (to, from) = (UsedFor::Advance, UsedFrom::Partner);
    let ahead = ApplyMoney { partner: id("C"), amount: Money(100), to, window: None, from };
    let payment = by(play, "first", ahead.clone()).unwrap()[0];
    let identified = ApplyMoney { amount: Money(300), to: UsedFor::Unapplied, from: UsedFrom::Unknown, ..ahead };
    let licence = || Code::word("licence").unwrap();
    let monthly = ScheduledCharge {
        reason: licence(),
        amount: Money(500),
        every: Every::Month,
        first: "2026-01-31".parse().unwrap(),
        last: None,
    };
    by(play, "first", Deposit { fund: Fund::Reserve, amount: Money(10_000) }).unwrap();
    by(play, "first", CloseWindow { expected: None }).unwrap();
    play.issue("A", "N", 50);
    play.redeem("C", "N", 20).unwrap();
    by(play, "first", CloseWindow { expected: None }).unwrap();
    play.issue("A", "O", 50);
    play.redeem("C", "O", 20).unwrap();
    by(play, "first", CloseWindow { expected: None }).unwrap();
    play.confirm(3);
    play.operator(ExportOrders { window: 3, mode: OrderMode::Hub, replace: false }.into()).unwrap();
    by(play, "first", state("B", PartnerState::Suspended)).unwrap();
    by(play, "first", FreezeMember { member: member_ref("M"), reason, end: None }).unwrap();
    let calendar = Calendar::of(["0 0 1 * *"], "UTC");
    let limits = Limits { points_per_entry: Some(Points(7)), ..Limits::default() };
    vec![
        setting("third", Roles::of(&[Role::Support])).into(),
        inviting(play, "operator/third", 1).into(),
        SetTerms {
            partner: id("A"),
            terms: TermsDraft { receipt_share: Some(rate("0.5")), ..TermsDraft::default() },
            effective: None,
        }
        .into(),
        SetLimits { partner: id("A"), limits }.into(),
        state("B", PartnerState::Active).into(),
        SetFundingConsent { funder: id("A"), partner: id("C"), granted: Some(true), budget: None }.into(),
        SetCalendar::from(calendar).into(),
        ConfirmSettlement { window: 1 }.into(),
        ExportOrders { window: 3, mode: OrderMode::Pairwise, replace: true }.into(),
        AbortSettlement { window: 2 }.into(),
        WithdrawFunds { fund: Fund::Reserve, amount: Money(100) }.into(),
        again(501).into(),
        UnfreezeMember { member: member_ref("M"), reason: None }.into(),
        account("A", "Brand A").into(),
        UndoPayment { payment, reason: licence() }.into(),
        identified.into(),
        ReturnMoney { account: UnappliedOf(Some(id("C"))), amount: Money(600) }.into(),
        CoverDefault { window: 1, partner: id("A") }.into(),
        ShareLoss { window: 1, partner: id("B") }.into(),
        Charge { partner: id("A"), amount: Money(100), reason: Some(licence()) }.into(),
        Adjust { payer: id("A"), payee: id("C"), amount: Money(100), reason: licence() }.into(),
        SetCover { partner: id("A"), security: Security { unsecured: Money(100), guarantees: Vec::new() } }.into(),
        SetCharges { partner: id("A"), charges: vec![monthly] }.into(),
        CreatePartner {
            partner: id("NEW"),
            display_name: String::new(),
            terms: TermsDraft::default(),
            state: PartnerState::Active,
            limits: Limits::default(),
            no_default_limits: false,
        }
        .into(),
        // Behind the one that it lets one person do.
        SetTwoPersonList { alone: ["SetLimits".to_owned()].into() }.into(),
    ]
}

#[test]
fn what_stands_on_the_list_is_done_by_two_and_by_no_one_person() {
    let mut play = of_two();
    let samples = samples(&mut play);
    let sampled: BTreeSet<&str> = samples.iter().map(Command::name).collect();
    assert_eq!(sampled, Command::names_of_two().into_iter().collect(), "there is a sample of each");
    for command in samples {
        let name = command.name();
        let before = format!("{:?} {:?}", play.book.house, play.book.windows);
        let proposed = by(&mut play, "first", command.clone()).unwrap();
        assert_eq!(
            proposed.iter().map(|entry| kind(&play, *entry)).collect::<Vec<_>>(),
            [EntryKind::Propose],
            "{name}"
        );
        assert_eq!(format!("{:?} {:?}", play.book.house, play.book.windows), before, "{name} did something");
        let approval = approve(&play, proposed[0]);
        let refused = by(&mut play, "first", approval.clone()).unwrap_err();
        assert_eq!(refused.reason(), "SAME_PERSON", "{name}");
        let done = by(&mut play, "second", approval).unwrap();
        assert_ne!(kind(&play, done[0]), EntryKind::Propose, "{name}");
        let facts = *play.book.entries[&done[0]].facts.by().unwrap();
        assert_eq!((facts.person, facts.approved), (person("second"), Some((proposed[0], person("first")))), "{name}");
        assert_eq!(play.book.proposals[&proposed[0]].state, ProposalState::Done, "{name}");
    }
    play.assert_sound();
}

#[test]
fn the_list_is_that_of_the_rules() {
    let named: BTreeSet<&str> = Command::names_of_two().into_iter().collect();
    let rules = [
        "AbortSettlement",
        "Adjust",
        "ApplyMoney",
        "Charge",
        "ConfirmSettlement",
        "CoverDefault",
        "CreateInvites",
        "CreatePartner",
        "SetBankAccount",
        "ReturnMoney",
        "ExportOrders",
        "ReinstatePoints",
        "SetCalendar",
        "SetCharges",
        "SetCover",
        "SetFundingConsent",
        "SetLimits",
        "SetPartnerState",
        "SetPerson",
        "SetTerms",
        "SetTwoPersonList",
        "ShareLoss",
        "UndoPayment",
        "UnfreezeMember",
        "WithdrawFunds",
    ];
    assert_eq!(named, rules.into());
    assert!(named.iter().all(|name| Command::NAMES_ASKED.contains(name)));
}

#[test]
fn while_there_is_one_approver_one_person_does_what_stands_on_the_list() {
    let mut play = founded();
    let done = by(&mut play, "first", SetCalendar::from(Calendar::default())).unwrap();
    assert_eq!(kind(&play, done[0]), EntryKind::SetCalendar);
    let facts = play.book.entries[&done[0]].facts.by().unwrap();
    assert_eq!((facts.person, facts.approved), (person("first"), None));
}

#[test]
fn who_stops_somebody_never_waits_for_a_second_person() {
    let mut play = of_two();
    for (partner, to) in
        [("A", PartnerState::Restricted), ("A", PartnerState::Suspended), ("B", PartnerState::Suspended)]
    {
        let done = by(&mut play, "first", state(partner, to)).unwrap();
        assert_eq!(kind(&play, done[0]), EntryKind::SetState, "{partner} {to:?}");
    }
    for to in [PartnerState::Restricted, PartnerState::Active, PartnerState::Exited] {
        let waits = by(&mut play, "first", state("A", to)).unwrap();
        assert_eq!(kind(&play, waits[0]), EntryKind::Propose, "{to:?}");
    }
    play.issue("C", "M", 10);
    let reason = Code::new("LOST").unwrap();
    let frozen = by(&mut play, "first", FreezeMember { member: member_ref("M"), reason, end: None }).unwrap();
    assert_eq!(kind(&play, frozen[0]), EntryKind::FreezeMember);
    for whom in ["operator/second", "auditor/kpmg", "partner/A"] {
        let revoked = by(&mut play, "first", revoking(whom)).unwrap();
        assert_eq!(kind(&play, revoked[0]), EntryKind::RevokeCredentials, "{whom}");
    }
    let invites = inviting(&play, "partner/B", 1);
    by(&mut play, "first", invites.clone()).unwrap();
    let withdrawal = WithdrawInvites { invites: vec![invites.invites[0].id] };
    let withdrawn = by(&mut play, "first", withdrawal).unwrap();
    assert_eq!(kind(&play, withdrawn[0]), EntryKind::WithdrawInvites);
}

#[test]
fn a_certificate_of_a_person_or_an_auditor_takes_two_and_one_of_a_partner_does_not() {
    let mut play = of_two();
    for (number, (whom, waits)) in
        (1..).zip([("operator/third", true), ("operator/first", true), ("auditor/kpmg", true), ("partner/A", false)])
    {
        let invites = inviting(&play, whom, number);
        let asked = by(&mut play, "first", invites).unwrap();
        let expected = if waits { EntryKind::Propose } else { EntryKind::CreateInvites };
        assert_eq!(kind(&play, asked[0]), expected, "{whom}");
    }
    // Whom it is about does not approve it.
    let asked = inviting(&play, "operator/second", 5);
    let proposal = by(&mut play, "first", asked).unwrap()[0];
    let approval = approve(&play, proposal);
    assert_eq!(by(&mut play, "second", approval).unwrap_err().reason(), "SAME_PERSON");
    // Who approved it would be whom it invites.
    let unnamed = CreateInvites { holder: None, ..inviting(&play, "operator/third", 6) };
    assert_eq!(by(&mut play, "first", unnamed).unwrap_err().reason(), "INVALID_ARGUMENT");
}

/// Who asks for an invite has its secret: with that person's certificate it ends.
#[test]
fn an_invite_that_was_approved_is_of_who_asked_for_it_and_ends_with_its_certificate() {
    let mut play = of_two();
    let since = Timestamp(1);
    let (first, second) = (badge(&play, "first", since), badge(&play, "second", since));
    let invites = inviting(&play, "operator/third", 1);
    let proposal = showing(&mut play, first, invites.clone()).unwrap()[0];
    let approval = approve(&play, proposal);
    showing(&mut play, second, approval).unwrap();
    let invite = |play: &Play| play.book.invites[&invites.invites[0].id].clone();
    let made = invite(&play);
    assert_eq!((made.by, made.made_with), (first.holder, Some(first.serial)));
    assert_eq!(state_of(&play, &made), InviteState::Open);
    let revocation = RevokeCredentials { serials: vec![first.serial], holder: None, ..revoking("operator/first") };
    showing(&mut play, second, revocation).unwrap();
    assert_eq!(state_of(&play, &invite(&play)), InviteState::Withdrawn);
    play.assert_sound();
}

/// A thief who asks, or somebody who has left, could have it approved later.
#[test]
fn what_was_asked_for_is_not_approved_once_the_role_or_the_certificate_of_who_asked_is_gone() {
    let mut play = of_two();
    let calendar = |cut_off: &str| SetCalendar::from(Calendar::of([cut_off], "UTC"));
    for (name, cut_off, taken) in [("third", "0 0 1 * *", "role"), ("fourth", "0 0 2 * *", "certificate")] {
        set_roles(&mut play, name, Roles::of(&[Role::Clerk]));
        let shown = badge(&play, name, Timestamp(1));
        let proposal = showing(&mut play, shown, calendar(cut_off)).unwrap()[0];
        if taken == "role" {
            set_roles(&mut play, name, Roles::of(&[Role::Auditor]));
        } else {
            by(&mut play, "first", revoking(&format!("operator/{name}"))).unwrap();
        }
        let approval = approve(&play, proposal);
        let refused = by(&mut play, "second", approval).unwrap_err();
        assert_eq!(refused.reason(), "NOT_PERMITTED", "{taken}: {refused}");
        assert_eq!(play.book.proposals[&proposal].state, ProposalState::Open, "{taken}");
        by(&mut play, "second", RefuseProposal { proposal }).unwrap();
    }
    play.assert_sound();
}

#[test]
fn two_persons_may_use_the_same_request_id() {
    let mut play = of_two();
    let deposit = |amount| Command::from(Deposit { fund: Fund::Reserve, amount: Money(amount) });
    let first = play.request(PartnerId::operator(), deposit(100));
    let second = Request { command: deposit(200), ..first.clone() };
    let one = by_request(&mut play, "first", first.clone()).unwrap();
    let other = by_request(&mut play, "second", second.clone()).unwrap();
    assert_ne!(one, other);
    assert_eq!(by_request(&mut play, "first", first).unwrap(), one, "each is told its own again");
    assert_eq!(by_request(&mut play, "second", second).unwrap(), other);
}

#[test]
fn the_key_of_a_person_keeps_the_time_of_the_id_and_tells_people_apart() {
    let id: RequestId = "019c1e0a-5d0e-7c3a-9f00-0123456789ab".parse().unwrap();
    let (anna, boris) = (person("anna").key(id), person("boris").key(id));
    assert!(anna != boris && anna != id && boris != id);
    for key in [anna, boris] {
        // In the range of keys of its time, and of a variant that no caller's id has.
        assert_eq!((key.0 >> 80, key.0 >> 76 & 0xf, key.0 >> 62 & 0b11), (id.0 >> 80, 7, 0b11), "{key}");
    }
    // Frozen: answers are found under it.
    assert_eq!(anna, person("anna").key(id));
}

#[test]
fn a_role_is_what_may_be_asked_and_no_more() {
    let mut play = founded();
    let named =
        [("clerk", Role::Clerk), ("helper", Role::Support), ("reader", Role::Auditor), ("judge", Role::Approver)];
    for (name, role) in named {
        by(&mut play, "first", setting(name, Roles::of(&[role]))).unwrap();
    }
    play.issue("A", "M", 10);
    let freeze = |end| Command::from(FreezeMember { member: member_ref("M"), reason: Code::new("LOST").unwrap(), end });
    let proposal = EntryId { batch: clearing_core::units::BatchId(9), ordinal: 0 };
    let asked: [(&str, Command, &[&str]); 6] = [
        ("deposit", Deposit { fund: Fund::Reserve, amount: Money(1) }.into(), &["clerk"]),
        ("freeze", freeze(None), &["clerk", "helper"]),
        ("refuse", RefuseProposal { proposal }.into(), &["judge"]),
        ("withdraw", WithdrawProposal { proposal }.into(), &["clerk", "helper", "judge"]),
        ("revoke", revoking("auditor/kpmg").into(), &["clerk", "judge"]),
        ("invite", inviting(&play, "partner/A", 1).into(), &["clerk"]),
    ];
    for (what, command, allowed) in asked {
        for (name, _) in named {
            let answer = by(&mut play, name, command.clone());
            let permitted = answer.as_ref().err().is_none_or(|refused| refused.reason() != "NOT_PERMITTED");
            assert_eq!(permitted, allowed.contains(&name), "{what} by {name}: {answer:?}");
        }
    }
    let stranger = by(&mut play, "stranger", freeze(None)).unwrap_err();
    assert_eq!(stranger.reason(), "NOT_PERMITTED");
}

#[test]
fn a_recovered_approver_is_one_after_the_days_of_the_coalition_and_not_before() {
    let mut play = of_two();
    let named = play.operator(RecoverPerson { person: person("third") }.into()).unwrap().entries;
    assert_eq!(kind(&play, named[0]), EntryKind::RecoverPerson);
    let third = setting("fourth", Roles::of(&[Role::Clerk]));
    assert_eq!(by(&mut play, "third", third).unwrap_err().reason(), "NOT_PERMITTED");
    play.now = play.now.plus_days(3);
    let proposed = by(&mut play, "third", third).unwrap();
    let approval = approve(&play, proposed[0]);
    by(&mut play, "second", approval).unwrap();
}

#[test]
fn what_replaced_it_tells_what_became_of_an_open_proposal() {
    let mut play = of_two();
    let calendar = SetCalendar::from(Calendar::default());
    let first = by(&mut play, "first", calendar.clone()).unwrap()[0];
    assert_eq!(by(&mut play, "second", calendar.clone()).unwrap_err().reason(), "PROPOSAL_EXISTS");
    play.now = play.now.plus_days(7);
    let second = by(&mut play, "second", calendar).unwrap()[0];
    let state = |proposal| play.book.proposals[&proposal].state;
    assert_eq!((state(first), state(second)), (ProposalState::Lapsed, ProposalState::Open));
    play.assert_sound();
}

/// The days in which everybody can see it begin when two persons have decided, not when one has asked.
#[test]
fn two_persons_change_an_account_and_its_days_begin_with_the_second() {
    let mut play = of_two();
    let own = play.ask("A", account("A", "Brand A").into()).unwrap().entries[0];
    assert_eq!(kind(&play, own), EntryKind::SetBankAccount, "a partner's own change is its own matter");
    play.now = play.now.plus_days(3);
    let proposal = by(&mut play, "first", account("A", "Thief")).unwrap()[0];
    assert_eq!(kind(&play, proposal), EntryKind::Propose);
    play.now = play.now.plus_days(5);
    assert_eq!(play.book.bank_account_pending(id("A"), play.now), None, "nothing waits but the proposal");
    let approval = approve(&play, proposal);
    by(&mut play, "second", approval).unwrap();
    let (version, waiting) = play.book.bank_account_pending(id("A"), play.now).unwrap();
    assert_eq!((version, waiting.from), (2, play.now.plus_days(3)));
    // One person of either side stops it, whichever of the two roles it has; who looks after members does not.
    set_roles(&mut play, "helper", Roles::of(&[Role::Support]));
    set_roles(&mut play, "chief", Roles::of(&[Role::Approver]));
    let stop = StopBankAccountChange { partner: id("A"), version, reason: None };
    assert_eq!(by(&mut play, "helper", stop.clone()).unwrap_err().reason(), "NOT_PERMITTED");
    let stopped = by(&mut play, "chief", stop).unwrap()[0];
    assert_eq!(kind(&play, stopped), EntryKind::StopBankAccount);
    play.assert_sound();
}

/// A till of the operator's own brand has the operator's id, and no person behind it who could be the first of two.
#[test]
fn the_operator_as_a_brand_neither_changes_an_account_nor_stops_a_change() {
    let mut play = of_two();
    play.ask("A", account("A", "Brand A").into()).unwrap();
    let brand = Holder::partner(PartnerId::operator());
    let shown = Badge { holder: brand, ..badge(&play, "first", Timestamp(1)) };
    let stop = StopBankAccountChange { partner: id("A"), version: 1, reason: None };
    let asked: [Command; 3] = [account("A", "Thief").into(), account("operator", "Thief").into(), stop.into()];
    for command in asked {
        let request = play.request(PartnerId::operator(), command);
        let answer = play.execute(&Request { badge: Some(shown), ..request });
        assert_eq!(answer.result.unwrap_err().reason(), "NOT_PERMITTED");
    }
    assert_eq!(play.book.bank_account_pending(id("A"), play.now).map(|(version, _)| version), Some(1));
    play.assert_sound();
}

#[test]
fn a_change_that_was_proposed_is_stale_once_the_account_has_changed_otherwise_or_was_stopped() {
    for between in ["change", "stop", "in force"] {
        let mut play = of_two();
        play.ask("A", account("A", "Brand A").into()).unwrap();
        let proposal = by(&mut play, "first", account("A", "Brand A Holding")).unwrap()[0];
        match between {
            "change" => drop(play.ask("A", account("A", "Brand A again").into()).unwrap()),
            "stop" => {
                let stop = StopBankAccountChange { partner: id("A"), version: 1, reason: None };
                drop(play.ask("A", stop.into()).unwrap());
            }
            _ => play.now = play.now.plus_days(3),
        }
        let approval = approve(&play, proposal);
        let decided = by(&mut play, "second", approval).map_err(|refused| refused.reason());
        let expected = if between == "in force" { Ok(EntryKind::SetBankAccount) } else { Err("PROPOSAL_NOT_OPEN") };
        assert_eq!(decided.map(|entries| kind(&play, entries[0])), expected, "{between}");
        play.assert_sound();
    }
}

/// The people of the random play.
const NAMES: [&str; 5] = ["first", "b", "c", "d", "e"];

#[derive(Debug, Clone)]
enum Act {
    Set {
        who: usize,
        whom: usize,
        roles: u8,
    },
    /// The same with no word of a certificate that was made by hand.
    SetJoined {
        who: usize,
        whom: usize,
        roles: u8,
    },
    List {
        who: usize,
        alone: bool,
    },
    Approve {
        who: usize,
        which: usize,
    },
    Refuse {
        who: usize,
        which: usize,
    },
    Withdraw {
        who: usize,
        which: usize,
    },
    Recover {
        whom: usize,
    },
    Invite {
        who: usize,
        whom: usize,
    },
    Enroll {
        which: usize,
    },
    Revoke {
        who: usize,
        whom: usize,
    },
    /// A new certificate, made by whoever has the authority.
    Certify {
        whom: usize,
    },
    Wait {
        days: i64,
    },
}

fn act() -> impl Strategy<Value = Act> {
    let who = 0..NAMES.len();
    prop_oneof![
        4 => (who.clone(), who.clone(), 0..16_u8).prop_map(|(who, whom, roles)| Act::Set { who, whom, roles }),
        4 => (who.clone(), who.clone(), 0..16_u8).prop_map(|(who, whom, roles)| Act::SetJoined { who, whom, roles }),
        1 => (who.clone(), any::<bool>()).prop_map(|(who, alone)| Act::List { who, alone }),
        6 => (who.clone(), 0..4_usize).prop_map(|(who, which)| Act::Approve { who, which }),
        1 => (who.clone(), 0..4_usize).prop_map(|(who, which)| Act::Refuse { who, which }),
        1 => (who.clone(), 0..4_usize).prop_map(|(who, which)| Act::Withdraw { who, which }),
        1 => who.clone().prop_map(|whom| Act::Recover { whom }),
        2 => (who.clone(), who.clone()).prop_map(|(who, whom)| Act::Invite { who, whom }),
        2 => (0..4_usize).prop_map(|which| Act::Enroll { which }),
        1 => (who.clone(), who.clone()).prop_map(|(who, whom)| Act::Revoke { who, whom }),
        1 => who.prop_map(|whom| Act::Certify { whom }),
        2 => (0..5_i64).prop_map(|days| Act::Wait { days }),
    ]
}

/// Fails unless those who are left, of the people that can be there, can make a new approver, by two where two are needed.
fn assert_not_locked_out(play: &Play, there: &BTreeSet<&str>) {
    let mut play = play.clone();
    let people = play.book.house.people.clone();
    let now = play.now;
    let newcomer = setting("zoe", Roles::FIRST);
    let has = |name: &&&str, role| people.roles_at(person(name), now).has(role);
    let clerk = there.iter().find(|name| has(name, Role::Clerk)).expect("somebody can ask");
    let asked = by(&mut play, clerk, newcomer).unwrap();
    if kind(&play, asked[0]) == EntryKind::Propose {
        let second =
            there.iter().find(|name| has(name, Role::Approver) && name != &clerk).expect("somebody can approve");
        let approval = approve(&play, asked[0]);
        by(&mut play, second, approval).unwrap();
    }
    assert!(play.book.house.people.roles_at(person("zoe"), now).has(Role::Approver));
}

/// Fails unless whoever has the machine of the house and the authority can make an approver, whatever was revoked: two new
/// people are enough.
fn assert_way_back(play: &Play) {
    let mut play = play.clone();
    for name in ["x", "y"] {
        play.operator(RecoverPerson { person: person(name) }.into()).unwrap();
    }
    play.now = play.now.plus_days(3);
    let (x, y) = (badge(&play, "x", Timestamp(1)), badge(&play, "y", Timestamp(1)));
    let asked = showing(&mut play, x, setting("zoe", Roles::FIRST)).unwrap();
    let approval = approve(&play, asked[0]);
    showing(&mut play, y, approval).unwrap();
    assert!(play.book.house.people.roles_at(person("zoe"), play.now).has(Role::Approver));
}

/// People at play, with the certificates that they have.
struct Acting {
    play: Play,
    /// From when the certificate is that was made by hand for each.
    begin: BTreeMap<&'static str, Timestamp>,
    /// Who has a certificate, made by hand or by an invite.
    there: BTreeSet<&'static str>,
    acts: u8,
}

impl Acting {
    fn new() -> Self {
        let begin = BTreeMap::from(NAMES.map(|name| (name, Timestamp(1))));
        Self { play: founded(), begin, there: BTreeSet::from([NAMES[0]]), acts: 0 }
    }

    /// What is refused is refused; what is left must do.
    fn act(&mut self, act: Act) {
        self.acts += 1;
        let number = self.acts;
        let (play, begin) = (&mut self.play, &self.begin);
        let shown = |play: &Play, who: usize| badge(play, NAMES[who], begin[NAMES[who]]);
        let open = |(_, proposal): &(&EntryId, &Proposal)| proposal.state == ProposalState::Open;
        let open: Vec<EntryId> = play.book.proposals.iter().filter(open).map(|(id, _)| *id).collect();
        let chosen = |which: usize| open.get(which % open.len().max(1)).copied();
        let mut ask = |who: usize, command: Command| {
            let badge = shown(play, who);
            let _ = showing(play, badge, command);
        };
        match act {
            Act::Set { who, whom, roles } => {
                ask(who, setting(NAMES[whom], Roles::from_number(roles).unwrap()).into());
            }
            Act::SetJoined { who, whom, roles } => {
                ask(who, SetPerson::new(person(NAMES[whom]), Roles::from_number(roles).unwrap()).into());
            }
            Act::List { who, alone } => {
                let alone = if alone { Command::names_of_two() } else { Vec::new() };
                let alone = alone.into_iter().filter(|name| !SetTwoPersonList::FOR_GOOD.contains(name));
                ask(who, SetTwoPersonList { alone: alone.map(str::to_owned).collect() }.into());
            }
            Act::Approve { who, which } => {
                let Some(proposal) = chosen(which) else { return };
                let (badge, approval) = (shown(play, who), approve(play, proposal));
                let _ = showing(play, badge, approval);
            }
            Act::Refuse { who, which } => {
                let Some(proposal) = chosen(which) else { return };
                ask(who, RefuseProposal { proposal }.into());
            }
            Act::Withdraw { who, which } => {
                let Some(proposal) = chosen(which) else { return };
                ask(who, WithdrawProposal { proposal }.into());
            }
            Act::Recover { whom } => {
                let _ = play.operator(RecoverPerson { person: person(NAMES[whom]) }.into());
            }
            Act::Invite { who, whom } => {
                let (badge, name) = (shown(play, who), NAMES[whom]);
                let invites = inviting(play, &format!("operator/{name}"), u128::from(number) << 8);
                let _ = showing(play, badge, invites);
            }
            Act::Enroll { which } => {
                let invites: Vec<(InviteId, Holder)> =
                    play.book.invites.iter().map(|(id, invite)| (*id, invite.holder)).collect();
                let Some((invite, holder)) = invites.get(which % invites.len().max(1)) else { return };
                if let (Enrolment::Issued(_), _) = enroll(play, *invite, number) {
                    let name = NAMES.iter().find(|name| holder.id.as_str() == **name).unwrap();
                    self.there.insert(name);
                }
            }
            Act::Revoke { who, whom } => ask(who, revoking(&format!("operator/{}", NAMES[whom])).into()),
            Act::Certify { whom } => {
                let begins = Timestamp(play.now.0 + 1);
                self.begin.insert(NAMES[whom], begins);
                self.there.insert(NAMES[whom]);
            }
            Act::Wait { days } => play.now = play.now.plus_days(days),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_sequence_of_people_roles_and_proposals_locks_the_operator_out(acts in prop::collection::vec(act(), 1..60)) {
        let mut acting = Acting::new();
        let (mut was_two, all) = (false, BTreeSet::from(NAMES));
        for act in acts {
            acting.act(act);
            let (play, now) = (&acting.play, acting.play.now);
            was_two |= play.book.house.people.are_two(now);
            prop_assert_eq!(play.book.house.people.are_two(now), was_two, "two persons are for good");
            assert_not_locked_out(play, &all);
            assert_way_back(play);
        }
        acting.play.assert_sound();
    }

    /// Somebody was once made the second approver who had never joined, and the house was locked.
    #[test]
    fn whoever_is_approver_has_joined_and_those_who_have_can_go_on(acts in prop::collection::vec(act(), 1..60)) {
        let mut acting = Acting::new();
        for act in acts {
            // Without a certificate nobody asks for anything, or is said to have one. What is lost or revoked has the machine of
            // the house as its way back.
            let possible = match act {
                Act::Recover { .. } | Act::Revoke { .. } => false,
                Act::Set { who, whom, roles } => {
                    let approver = Roles::from_number(roles).unwrap().has(Role::Approver);
                    [Some(who), approver.then_some(whom)].iter().flatten().all(|at| acting.there.contains(NAMES[*at]))
                }
                Act::SetJoined { who, .. }
                | Act::List { who, .. }
                | Act::Approve { who, .. }
                | Act::Refuse { who, .. }
                | Act::Withdraw { who, .. }
                | Act::Invite { who, .. } => acting.there.contains(NAMES[who]),
                Act::Enroll { .. } | Act::Certify { .. } | Act::Wait { .. } => true,
            };
            if !possible {
                continue;
            }
            acting.act(act);
            let (play, there) = (&acting.play, &acting.there);
            for (approver, _) in play.book.house.people.with_role(Role::Approver, play.now) {
                prop_assert!(there.contains(approver.as_str()), "{} is approver and has never joined", approver);
            }
            assert_not_locked_out(play, there);
        }
        acting.play.assert_sound();
    }
}

#[test]
fn what_would_let_one_person_act_for_two_never_leaves_the_list() {
    for name in SetTwoPersonList::FOR_GOOD {
        let mut play = founded();
        let refused = by(&mut play, "first", SetTwoPersonList { alone: [name.to_owned()].into() }).unwrap_err();
        assert_eq!(refused.reason(), "INVALID_ARGUMENT", "{name}");
    }
}

/// A proposal keeps its operation as bytes, the first of which is the operation's place in the list of all: from the first release
/// on, what is added comes behind.
#[test]
fn an_operation_that_can_be_proposed_keeps_its_place() {
    let place = |name: &str| Command::NAMES.iter().position(|other| *other == name).unwrap();
    let places: Vec<_> = Command::names_of_two().into_iter().map(|name| (place(name), name)).collect();
    let pinned = [
        (13, "ReinstatePoints"),
        (15, "CreatePartner"),
        (16, "SetTerms"),
        (17, "SetLimits"),
        (18, "SetPartnerState"),
        (19, "SetFundingConsent"),
        (20, "SetCalendar"),
        (22, "ConfirmSettlement"),
        (23, "ExportOrders"),
        (25, "AbortSettlement"),
        (27, "WithdrawFunds"),
        (29, "UnfreezeMember"),
        (31, "CreateInvites"),
        (34, "SetPerson"),
        (35, "SetTwoPersonList"),
        (41, "SetBankAccount"),
        (44, "ApplyMoney"),
        (45, "UndoPayment"),
        (46, "ReturnMoney"),
        (50, "CoverDefault"),
        (51, "ShareLoss"),
        (53, "Charge"),
        (54, "Adjust"),
        (57, "SetCover"),
        (58, "SetCharges"),
    ];
    assert_eq!(places, pinned);
}

/// Whoever had a till of the operator as a brand could make people with it, and be the second person.
#[test]
fn the_operator_as_a_brand_neither_invites_nor_takes_back_nor_revokes() {
    let mut play = of_two();
    let invites = inviting(&play, "partner/A", 1);
    let id = invites.invites[0].id;
    by(&mut play, "first", invites).unwrap();
    let mut asked: Vec<Command> = vec![WithdrawInvites { invites: vec![id] }.into()];
    for (number, whom) in (2..).zip(["operator/third", "auditor/kpmg", "partner/A", "partner/operator"]) {
        asked.push(inviting(&play, whom, number).into());
        asked.push(revoking(whom).into());
    }
    asked.push(RevokeCredentials { serials: vec![by_hand("second")], holder: None, ..revoking("partner/A") }.into());
    asked.push(CreateInvites { holder: None, ..inviting(&play, "partner/A", 9) }.into());
    for command in asked {
        assert_eq!(play.refused("operator", command.clone()), "NOT_PERMITTED", "{command:?}");
    }
    assert_eq!(state_of(&play, &play.book.invites[&id].clone()), InviteState::Open);
}

/// One person could prepare any number of them, and be each of several people later.
#[test]
fn what_one_person_invited_alone_gives_nothing_once_there_is_a_second_approver() {
    let mut play = founded();
    join(&mut play, "second", 1);
    let mut invited = |whom: &str, number| {
        let invites = inviting(&play, whom, number);
        by(&mut play, "first", invites.clone()).unwrap();
        invites.invites[0].id
    };
    let prepared = [invited("operator/second", 2), invited("operator/third", 3), invited("auditor/kpmg", 4)];
    let of_partner = invited("partner/A", 5);
    let set = by(&mut play, "first", SetPerson::new(person("second"), Roles::FIRST)).unwrap()[0];
    assert!(play.book.entries[&set].facts.person().unwrap().makes_two);
    for (number, id) in (20..).zip(prepared) {
        assert_eq!(state_of(&play, &play.book.invites[&id]), InviteState::MadeAlone);
        assert_eq!(enroll(&mut play, id, number).0, Enrolment::WithdrawnInvite);
    }
    assert!(matches!(enroll(&mut play, of_partner, 30).0, Enrolment::Issued(_)));
    // What two have made since then is good.
    join(&mut play, "third", 31);
    play.assert_sound();
}

#[test]
fn so_it_is_from_the_moment_at_which_a_recovered_approver_is_the_second() {
    let mut play = founded();
    let named = play.operator(RecoverPerson { person: person("second") }.into()).unwrap().entries[0];
    assert!(play.book.entries[&named].facts.person().unwrap().makes_two);
    let invites = inviting(&play, "operator/third", 1);
    let id = invites.invites[0].id;
    let ends = Some(play.now.plus_days(20));
    by(&mut play, "first", CreateInvites { ends, ..invites }).unwrap();
    assert_eq!(state_of(&play, &play.book.invites[&id]), InviteState::Open);
    play.now = play.now.plus_days(3);
    assert_eq!(state_of(&play, &play.book.invites[&id]), InviteState::MadeAlone);
    assert_eq!(enroll(&mut play, id, 1).0, Enrolment::WithdrawnInvite);
    play.assert_sound();
}

/// Two persons begin with the second approver, for good: one that has no certificate would lock the house.
#[test]
fn nobody_becomes_approver_before_it_has_a_certificate() {
    let mut play = founded();
    let judge = || SetPerson::new(person("second"), Roles::of(&[Role::Approver]));
    by(&mut play, "first", SetPerson::new(person("second"), Roles::of(&[Role::Clerk]))).unwrap();
    let refused = by(&mut play, "first", judge()).unwrap_err();
    assert_eq!(refused.reason(), "NOT_PERMITTED");
    let told = refused.to_string();
    assert!(told.contains("clearing person roles second --roles approver"), "{told}");
    let serial = join(&mut play, "second", 1);
    // Somebody else's, and one that was revoked, are none of its own.
    let other = join(&mut play, "third", 2);
    let foreign = SetPerson { certificate: Some(other), ..judge() };
    assert_eq!(by(&mut play, "first", foreign).unwrap_err().reason(), "NOT_PERMITTED");
    let set = by(&mut play, "first", judge()).unwrap()[0];
    let certified = play.book.entries[&set].facts.certified().unwrap();
    assert_eq!((certified.serial, certified.by_hand), (serial, false));
    // So it is for good, with every further one.
    let third = SetPerson::new(person("fourth"), Roles::of(&[Role::Approver]));
    assert_eq!(by(&mut play, "first", third).unwrap_err().reason(), "NOT_PERMITTED");
    join(&mut play, "fourth", 3);
    let asked = by(&mut play, "first", third).unwrap()[0];
    let approval = approve(&play, asked);
    by(&mut play, "second", approval).unwrap();
    play.assert_sound();
}

#[test]
fn of_a_certificate_that_was_made_by_hand_whoever_asks_gives_its_word() {
    let mut play = founded();
    let named = |serial| SetPerson { certificate: Some(serial), ..SetPerson::new(person("second"), Roles::FIRST) };
    let revoke = RevokeCredentials { serials: vec![by_hand("lost")], holder: None, ..revoking("operator/second") };
    by(&mut play, "first", revoke).unwrap();
    assert_eq!(by(&mut play, "first", named(by_hand("lost"))).unwrap_err().reason(), "NOT_PERMITTED");
    let for_clerk = SetPerson { roles: Roles::of(&[Role::Clerk]), ..named(by_hand("new")) };
    assert_eq!(by(&mut play, "first", for_clerk).unwrap_err().reason(), "INVALID_ARGUMENT");
    let set = by(&mut play, "first", named(by_hand("new"))).unwrap()[0];
    let certified = play.book.entries[&set].facts.certified().unwrap();
    assert_eq!((certified.serial, certified.by_hand), (by_hand("new"), true));
    play.assert_sound();
}

/// One of them could be in the hands of who made the second approver.
#[test]
fn the_second_approver_has_one_certificate_at_first() {
    let mut play = founded();
    let (kept, other) = (join(&mut play, "second", 1), join(&mut play, "second", 2));
    let judge = SetPerson::new(person("second"), Roles::of(&[Role::Approver]));
    let refused = by(&mut play, "first", judge).unwrap_err().to_string();
    assert!(refused.contains("2 certificates"), "{refused}");
    let revoke = RevokeCredentials { serials: vec![other], holder: None, ..revoking("operator/second") };
    by(&mut play, "first", revoke).unwrap();
    let set = by(&mut play, "first", judge).unwrap()[0];
    assert_eq!(play.book.entries[&set].facts.certified().unwrap().serial, kept);
}

/// The last clerk could be somebody who has never joined, and nobody could ask for anything.
#[test]
fn a_clerk_is_left_who_has_joined() {
    let mut play = founded();
    by(&mut play, "first", setting("third", Roles::of(&[Role::Clerk]))).unwrap();
    by(&mut play, "first", setting("second", Roles::of(&[Role::Approver]))).unwrap();
    let judge = setting("first", Roles::of(&[Role::Approver]));
    assert_eq!(by(&mut play, "first", judge).unwrap_err().reason(), "NOT_PERMITTED");
    join(&mut play, "third", 1);
    let asked = by(&mut play, "first", judge).unwrap()[0];
    let approval = approve(&play, asked);
    by(&mut play, "second", approval).unwrap();
    play.assert_sound();
}

#[test]
fn whom_a_proposal_is_about_does_not_refuse_it() {
    let mut play = of_two();
    let proposal = by(&mut play, "first", setting("second", Roles::of(&[Role::Approver]))).unwrap()[0];
    assert_eq!(by(&mut play, "second", RefuseProposal { proposal }).unwrap_err().reason(), "SAME_PERSON");
    assert_eq!(play.book.proposals[&proposal].state, ProposalState::Open);
    // Who has asked for it withdraws it, also of itself.
    by(&mut play, "first", WithdrawProposal { proposal }).unwrap();
    let own = by(&mut play, "second", setting("second", Roles::of(&[Role::Approver]))).unwrap()[0];
    by(&mut play, "second", WithdrawProposal { proposal: own }).unwrap();
    play.assert_sound();
}

/// Of several reasons the first in the published order is given, also of what is proposed and decided.
#[test]
fn of_several_reasons_against_a_proposal_the_first_in_the_published_order_is_given() {
    let mut play = of_two();
    set_roles(&mut play, "third", Roles::of(&[Role::Clerk]));
    // What is proposed already would be refused for its fund by now: that comes behind.
    by(&mut play, "first", Deposit { fund: Fund::Reserve, amount: Money(100) }).unwrap();
    let withdraw = WithdrawFunds { fund: Fund::Reserve, amount: Money(100) };
    by(&mut play, "first", withdraw.clone()).unwrap();
    play.operator(withdraw.clone().into()).unwrap();
    assert_eq!(by(&mut play, "first", withdraw).unwrap_err().reason(), "PROPOSAL_EXISTS");
    // Who has none of the roles, is not who asked, or asked for what it may not ask any more, is not told how it stands.
    let calendar = SetCalendar::from(Calendar::default());
    let proposal = by(&mut play, "third", calendar).unwrap()[0];
    let approval = approve(&play, proposal);
    by(&mut play, "second", RefuseProposal { proposal }).unwrap();
    assert_eq!(by(&mut play, "first", WithdrawProposal { proposal }).unwrap_err().reason(), "NOT_PERMITTED");
    assert_eq!(by(&mut play, "third", WithdrawProposal { proposal }).unwrap_err().reason(), "PROPOSAL_NOT_OPEN");
    assert_eq!(by(&mut play, "second", approval.clone()).unwrap_err().reason(), "PROPOSAL_NOT_OPEN");
    set_roles(&mut play, "third", Roles::of(&[Role::Auditor]));
    assert_eq!(by(&mut play, "second", approval).unwrap_err().reason(), "NOT_PERMITTED");
    play.assert_sound();
}

/// An id that follows from a person's could be used by a till of the operator as a brand before the person did.
#[test]
fn no_caller_has_an_id_under_which_an_answer_of_a_person_is_kept() {
    let mut play = of_two();
    let deposit = |amount| Command::from(Deposit { fund: Fund::Reserve, amount: Money(amount) });
    let request = play.request(PartnerId::operator(), deposit(100));
    let kept = person("first").key(request.request_id.unwrap());
    assert_eq!(kept.made_at(), None);
    let brand = Request { request_id: Some(kept), ..request.clone() };
    assert_eq!(play.execute(&brand).result.unwrap_err().reason(), "INVALID_ARGUMENT");
    by_request(&mut play, "first", request).unwrap();
}

/// SUSPENDED, and SUSPENDED again with another state between the two, looked like nothing had happened.
#[test]
fn what_came_back_to_the_same_value_makes_a_proposal_stale_all_the_same() {
    let mut play = of_two();
    play.issue("A", "M", 50);
    let freeze = || FreezeMember { member: member_ref("M"), reason: Code::new("LOST").unwrap(), end: None };
    let lift = || UnfreezeMember { member: member_ref("M"), reason: None };
    let limits =
        |points| SetLimits { partner: id("A"), limits: Limits { points_per_entry: points, ..Limits::default() } };
    by(&mut play, "first", state("A", PartnerState::Suspended)).unwrap();
    by(&mut play, "first", freeze()).unwrap();
    let proposals = [
        by(&mut play, "first", state("A", PartnerState::Active)).unwrap()[0],
        by(&mut play, "first", lift()).unwrap()[0],
        by(&mut play, "first", limits(Some(Points(7)))).unwrap()[0],
    ];
    // What stands there by then was set by others meanwhile.
    play.set_state("A", PartnerState::Restricted);
    play.set_state("A", PartnerState::Suspended);
    play.operator(lift().into()).unwrap();
    by(&mut play, "first", freeze()).unwrap();
    play.operator(limits(Some(Points(3))).into()).unwrap();
    play.operator(limits(None).into()).unwrap();
    for proposal in proposals {
        let approval = approve(&play, proposal);
        let refused = by(&mut play, "second", approval).unwrap_err();
        assert!(matches!(&refused, Rejection::ProposalNotOpen { state, .. } if state == "STALE"), "{refused}");
    }
    play.assert_sound();
}

/// What needs two above some points is not to be split.
#[test]
fn points_that_one_person_gives_again_are_counted_by_the_day_and_the_person() {
    let mut play = of_two();
    play.issue("A", "M", 50);
    let kinds = |play: &Play, entries: Vec<EntryId>| kind(play, entries[0]);
    let mut given = |name: &str, points: i64| {
        let entries = by(&mut play, name, again(points)).unwrap();
        (kinds(&play, entries.clone()), entries[0])
    };
    assert_eq!(given("first", 300).0, EntryKind::Reinstate);
    assert_eq!(given("first", 200).0, EntryKind::Reinstate);
    let (kind_of_more, proposal) = given("first", 1);
    assert_eq!(kind_of_more, EntryKind::Propose, "500 are given");
    assert_eq!(given("second", 500).0, EntryKind::Reinstate, "each has its own");
    let approval = approve(&play, proposal);
    // What two give counts for neither.
    let approved = by(&mut play, "second", approval).unwrap()[0];
    assert_eq!(kind(&play, approved), EntryKind::Reinstate);
    play.now = play.now.plus_days(1);
    let next_day = by(&mut play, "first", again(500)).unwrap()[0];
    assert_eq!(kind(&play, next_day), EntryKind::Reinstate);
    let above = by(&mut play, "second", again(501)).unwrap()[0];
    assert_eq!(kind(&play, above), EntryKind::Propose);
    play.assert_sound();
}

//! Points at their edges: the moment of expiry, the number of lots, the terms that back them.

#![allow(clippy::unwrap_used, reason = "a panic in a test is how it fails")]

mod house;

use clearing_core::audit;
use clearing_core::book::Book;
use clearing_core::command::Command;
use clearing_core::rules::partner::CreatePartner;
use clearing_core::rules::terms::SetTerms;

use clearing_core::days::days_later;
use clearing_core::facts::limits::Limits;
use clearing_core::facts::member::Member;
use clearing_core::facts::terms::{ExpiryPolicy, FeeBearer, Funding, Price, Terms, TermsDraft};
use clearing_core::rejection::Rejection;
use clearing_core::units::{Money, PartnerId, Points, Timestamp};
use house::{Play, START, coalition, house, id, rate, sums, terms};
use jiff::tz::TimeZone;

fn price(text: &str) -> Option<Price> {
    Some(Price::new(text.parse().unwrap()).unwrap())
}

fn issue_until(play: &mut Play, issuer: &str, points: i64, expires: Timestamp) {
    play.issue_until(issuer, "M", points, expires);
}

fn available(play: &Play) -> i128 {
    play.book.members.values().next().unwrap().available()
}

#[test]
fn a_lot_expires_at_its_moment_and_not_before() {
    let mut play = Play::new(house(coalition(), &[("A", terms(Funding::AtIssue)), ("C", terms(Funding::AtIssue))]));
    let expires = START.plus_days(10);
    issue_until(&mut play, "A", 10, expires);
    play.now = Timestamp(expires.0 - 1);
    play.redeem("C", "M", 4).unwrap();
    play.now = expires;
    assert_eq!(play.redeem("C", "M", 1).unwrap_err(), Rejection::InsufficientPoints { asked: 1, available: 0 });
    assert_eq!(available(&play), 0);
}

#[test]
fn points_returned_at_the_moment_of_their_expiry_have_their_days_of_grace() {
    let mut play = Play::new(house(coalition(), &[("A", terms(Funding::AtIssue)), ("C", terms(Funding::AtIssue))]));
    let expires = START.plus_days(10);
    issue_until(&mut play, "A", 10, expires);
    let redemption = play.redeem("C", "M", 10).unwrap();
    play.now = expires;
    play.give_back("C", redemption, 10).unwrap();
    assert_eq!(available(&play), 10);
    assert_eq!(play.book.lots.values().next().unwrap().expires, expires.plus_days(14));
    play.now = expires.plus_days(14);
    play.run_due();
    assert_eq!(available(&play), 0);
    assert_eq!(audit::check(&play.book), vec![]);
}

#[test]
fn an_entry_takes_at_most_1024_lots_and_says_what_can_be_reached() {
    let mut play = Play::new(house(coalition(), &[("A", terms(Funding::AtIssue)), ("C", terms(Funding::AtIssue))]));
    for _ in 0..1025 {
        play.issue("A", "M", 2);
    }
    let refused = play.redeem("C", "M", 2049).unwrap_err();
    assert_eq!(refused, Rejection::TooManyLots { asked: 2049, reachable: 2048, lots_max: 1024 });
    play.redeem("C", "M", 2048).unwrap();
    assert_eq!(available(&play), 2);
}

/// More lots than are posted at once have expired: those that are still there are passed over, not spent.
#[test]
fn what_expires_first_is_known_from_the_members_row_alone() {
    let mut play = Play::new(house(coalition(), &[("A", terms(Funding::AtIssue)), ("C", terms(Funding::AtIssue))]));
    let (soon, later) = (START.plus_days(10), START.plus_days(20));
    // A book with the member's row and none of its lots, as an issue is given.
    let of_row = |play: &Play| {
        let member = play.book.members.values().next().unwrap();
        let row = Member::from_bytes(member.id, member.entry_no, &member.to_bytes()).unwrap();
        let mut book = Book::new(play.book.house.clone(), play.book.open_window);
        book.members.insert(row.id, row);
        let told = play.book.next_expiry(member.id, play.now);
        assert_eq!(play.book.coming_expiries(member.id, play.now, 1).first().copied(), told);
        (book.next_expiry(member.id, play.now), told)
    };
    let expect = |play: &Play, expires: Timestamp, points: i64| {
        let next = Some((expires, Points(points)));
        assert_eq!(of_row(play), (next, next));
    };
    issue_until(&mut play, "A", 10, later);
    expect(&play, later, 10);
    issue_until(&mut play, "A", 7, soon);
    expect(&play, soon, 7);
    issue_until(&mut play, "A", 5, soon);
    expect(&play, soon, 12);
    issue_until(&mut play, "A", 1, later);
    expect(&play, soon, 12);
    let redemption = play.redeem("C", "M", 9).unwrap();
    expect(&play, soon, 3);
    play.give_back("C", redemption, 2).unwrap();
    expect(&play, soon, 5);
    play.redeem("C", "M", 5).unwrap();
    expect(&play, later, 11);
    play.redeem("C", "M", 11).unwrap();
    assert_eq!(of_row(&play), (None, None));
    issue_until(&mut play, "A", 4, soon);
    expect(&play, soon, 4);
    play.now = soon;
    play.run_due();
    assert_eq!(of_row(&play), (None, None));
    issue_until(&mut play, "A", 3, later);
    expect(&play, later, 3);
    assert_eq!(audit::check(&play.book), vec![]);
}

#[test]
fn expired_points_are_never_taken_although_their_expiry_is_not_posted_yet() {
    let mut play = Play::new(house(coalition(), &[("A", terms(Funding::AtIssue)), ("C", terms(Funding::AtIssue))]));
    let expires = START.plus_days(1);
    for _ in 0..1030 {
        issue_until(&mut play, "A", 1, expires);
    }
    play.issue("C", "M", 5);
    play.now = expires;
    let mut other = play.clone();
    assert_eq!(other.redeem("A", "M", 6).unwrap_err(), Rejection::InsufficientPoints { asked: 6, available: 5 });
    let redemption = play.redeem("A", "M", 5).unwrap();
    assert_eq!(available(&play), 6);
    assert!(play.book.entries[&redemption].lots.iter().all(|moved| moved.issuer == id("C")));
    play.run_due();
    assert_eq!(available(&play), 0);
    assert_eq!(audit::check(&play.book), vec![]);
}

/// New terms raised the value, but older points are still backed by less: what an acceptor gets may not exceed that.
#[test]
fn a_reimbursement_is_bounded_by_what_backs_points_that_are_still_out() {
    let low = Terms { price: Money(90), value: Money(90), reimbursement: Money(80), ..terms(Funding::AtIssue) };
    let mut settings = coalition();
    settings.default_terms.reimbursement = Money(80);
    let mut play =
        Play::new(house(settings, &[("A", low.clone()), ("C", Terms { value: Money(100), price: Money(100), ..low })]));
    play.issue("A", "M", 10);
    let set =
        |partner: &str, terms: TermsDraft| Command::SetTerms(SetTerms { partner: id(partner), terms, effective: None });
    let raised = TermsDraft { price: price("1.00"), value: price("1.00"), ..TermsDraft::default() };
    play.operator(set("A", raised)).unwrap();
    let more = TermsDraft { reimbursement: price("0.95"), ..TermsDraft::default() };
    assert_eq!(play.operator(set("C", more.clone())).unwrap_err().reason(), "TERMS_UNDERFUND");
    play.redeem("C", "M", 10).unwrap();
    play.operator(set("C", more)).unwrap();
    // And from the other side: a value below what somebody gets.
    let lower = TermsDraft { value: price("0.94"), ..TermsDraft::default() };
    assert_eq!(play.operator(set("A", lower)).unwrap_err().reason(), "TERMS_UNDERFUND");
}

#[test]
fn an_end_of_a_month_or_year_is_the_first_moment_of_the_next_in_the_coalitions_zone() {
    let zone = TimeZone::get("Europe/Moscow").unwrap();
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    // 31 January 22:00 in UTC is 1 February 01:00 in Moscow.
    let issued = at("2026-01-31T22:00:00Z");
    for (policy, expires) in [
        (ExpiryPolicy::EndOfMonth(0), "2026-02-28T21:00:00Z"),
        (ExpiryPolicy::EndOfMonth(1), "2026-03-31T21:00:00Z"),
        (ExpiryPolicy::EndOfYear(0), "2026-12-31T21:00:00Z"),
        (ExpiryPolicy::EndOfYear(1), "2027-12-31T21:00:00Z"),
        (ExpiryPolicy::Months(1), "2026-02-28T22:00:00Z"),
        (ExpiryPolicy::Days(28), "2026-02-28T22:00:00Z"),
        (ExpiryPolicy::Fixed(START), "2026-01-01T00:00:00Z"),
    ] {
        assert_eq!(policy.expires(issued, &zone), at(expires), "{policy:?}");
    }
    assert_eq!(ExpiryPolicy::None.expires(issued, &zone), Timestamp::NEVER);
    // A month after the last of January is the last of February.
    let issued = at("2026-01-31T10:00:00Z");
    assert_eq!(ExpiryPolicy::Months(1).expires(issued, &TimeZone::UTC), at("2026-02-28T10:00:00Z"));
    // A day is a civil day: over the change to summer time it has 23 hours.
    let berlin = TimeZone::get("Europe/Berlin").unwrap();
    assert_eq!(ExpiryPolicy::Days(1).expires(at("2026-03-28T12:00:00Z"), &berlin), at("2026-03-29T11:00:00Z"));
    // 02:30 is skipped on 29 March, so it is 03:00, and comes twice on 25 October, so it is the first.
    for (moment, later) in [
        ("2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z"),
        ("2026-03-28T00:59:59Z", "2026-03-29T00:59:59Z"),
        ("2026-03-28T02:00:00Z", "2026-03-29T01:00:00Z"),
        ("2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z"),
        ("2026-10-24T01:30:00Z", "2026-10-25T02:30:00Z"),
    ] {
        assert_eq!(days_later(at(moment), 1, &berlin), at(later), "a day after {moment}");
        assert_eq!(ExpiryPolicy::Days(1).expires(at(moment), &berlin), at(later), "a day after {moment}");
    }
    assert_eq!(days_later(at("2026-03-30T00:30:00Z"), -1, &berlin), at("2026-03-29T01:00:00Z"), "and a day before");
    // In Cairo the day itself begins with the change: its first moment is 01:00.
    let cairo = jiff::tz::TimeZone::get("Africa/Cairo").unwrap();
    assert_eq!(ExpiryPolicy::EndOfMonth(0).expires(at("2026-04-10T10:00:00Z"), &cairo), at("2026-04-30T21:00:00Z"));
    assert_eq!(days_later(at("2026-04-22T22:00:00Z"), 1, &cairo), at("2026-04-23T22:00:00Z"), "00:00 is skipped");
}

#[test]
fn the_house_cannot_be_named_as_a_partner_of_its_own() {
    let mut play = Play::new(house(coalition(), &[]));
    let partner = PartnerId::operator();
    let state = clearing_core::facts::partner::PartnerState::Active;
    let (display_name, terms, limits) = (String::new(), TermsDraft::default(), Limits::default());
    let command =
        Command::CreatePartner(CreatePartner { partner, display_name, terms, state, limits, no_default_limits: false });
    assert_eq!(play.operator(command).unwrap_err().reason(), "INVALID_ARGUMENT");
}

/// 15 kopecks over two issuers with five points each: the odd one is A's, although B's points are taken first. On the way
/// back A's share of a refund may be above its points' part, and in the end all is as it was.
#[test]
fn a_fee_that_issuers_bear_is_split_with_ties_by_partner_id_and_given_back_in_parts() {
    let fee = Terms { acceptance_fee: rate("0.015"), fee_bearer: FeeBearer::Issuer, ..terms(Funding::AtRedemption) };
    let own = terms(Funding::AtRedemption);
    let mut play = Play::new(house(coalition(), &[("A", own.clone()), ("B", own), ("C", fee)]));
    play.issue("B", "M", 5);
    play.issue("A", "M", 5);
    let redemption = play.redeem("C", "M", 10).unwrap();
    let money = [("position:A", -508), ("position:B", -507), ("position:C", 1000), ("position:operator", 15)];
    assert_eq!(play.money(), sums(&money));
    // 8 are left, of B 5 and of A 3: the fee is 12, of which B bears 7.5 and A 4.5; the tie is A's.
    play.give_back("C", redemption, 2).unwrap();
    let money = [("position:A", -305), ("position:B", -507), ("position:C", 800), ("position:operator", 12)];
    assert_eq!(play.money(), sums(&money));
    play.give_back("C", redemption, 8).unwrap();
    assert_eq!(play.money(), sums(&[]));
    play.assert_sound();
}

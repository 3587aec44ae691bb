//! What a partner's statement says of each event: the role it played, the money, and the points behind it.

#![allow(clippy::unwrap_used, reason = "a panic in a test is how it fails")]

mod house;

use clearing_core::command::Command;
use clearing_core::facts::entry::EntryKind;
use clearing_core::facts::terms::{FeeBearer, Funding, Terms, TermsDraft};
use clearing_core::rules::close::CloseWindow;
use clearing_core::rules::settlement::AbortSettlement;
use clearing_core::rules::statement::{self, Section, StatementLine};
use clearing_core::units::{EntryId, Money};
use house::{Play, coalition, id, rate, terms};

/// A line as the tests write it: section, other side, purpose, points, rate and amount in the ledger's units.
type Told = (Section, &'static str, &'static str, i64, Option<i64>, i64);

fn lines_of(play: &Play, partner: &str, entry: EntryId) -> Vec<StatementLine> {
    statement::lines(id(partner), entry, 1, &play.book.entries[&entry], &play.book.house).unwrap()
}

/// The lines of one entry on a partner's statement are these, and points x rate is the amount on each.
#[track_caller]
fn assert_lines<const N: usize>(play: &Play, partner: &str, entry: EntryId, expected: [Told; N]) {
    let lines = lines_of(play, partner, entry);
    let told: Vec<_> = lines
        .iter()
        .map(|line| {
            let other = line.counterparty.map_or_else(String::new, |partner| partner.to_string());
            let rate = line.rate.map(|rate| i64::try_from(rate.0 / 1_000_000_000).unwrap());
            assert!(line.rounding.is_zero(), "{line:?}");
            assert_eq!(line.amount.0, rate.unwrap_or_default() * line.points.0, "{line:?}");
            (line.section, other, line.purpose.as_str(), line.points.0, rate, line.amount.0)
        })
        .collect();
    let expected = expected.map(|(section, other, purpose, points, rate, amount)| {
        (section, other.to_owned(), purpose, points, rate, amount)
    });
    assert_eq!(told, expected);
}

/// A pays when its points are accepted, B has prepaid; C charges nothing of its own and bears a fee of 2 %.
fn play() -> Play {
    let fee = Terms { acceptance_fee: rate("0.02"), ..terms(Funding::AtRedemption) };
    let partners = [("A", terms(Funding::AtRedemption)), ("B", terms(Funding::AtIssue)), ("C", fee)];
    Play::new(house::house(coalition(), &partners))
}

#[test]
fn an_issue_that_costs_nothing_yet_is_a_line_with_its_points() {
    let mut play = play();
    let free = play.issue("A", "M", 100);
    assert_lines(&play, "A", free, [(Section::Issued, "", "REWARD", 100, None, 0)]);
    let prepaid = play.issue("B", "M", 50);
    assert_lines(&play, "B", prepaid, [(Section::Issued, "", "REWARD", 50, Some(-100), -5000)]);
}

#[test]
fn a_redemption_has_a_line_for_each_issuer_of_its_points() {
    let mut play = play();
    play.issue("A", "M", 100);
    play.issue("B", "M", 50);
    play.issue("C", "M", 10);
    let redemption = play.redeem("C", "M", 160).unwrap();
    let acceptor = [
        (Section::Accepted, "A", "REWARD", 100, Some(100), 10_000),
        (Section::Accepted, "B", "REWARD", 50, Some(100), 5000),
        (Section::Accepted, "", "FEE", 150, Some(-2), -300),
        (Section::AtHome, "", "REWARD", 10, None, 0),
    ];
    assert_lines(&play, "C", redemption, acceptor);
    assert_lines(&play, "A", redemption, [(Section::Spent, "C", "REWARD", 100, Some(-100), -10_000)]);
    assert_lines(&play, "B", redemption, [(Section::Spent, "C", "REWARD", 50, None, 0)]);
    assert_lines(&play, "operator", redemption, [(Section::House, "C", "FEE", 150, Some(2), 300)]);
    let gross = |partner: &str| lines_of(&play, partner, redemption)[0].gross.unwrap().0;
    assert_eq!((gross("A"), gross("B")), (10_000, 5000), "what is owed, whoever pays it");
}

#[test]
fn an_acceptor_that_is_not_to_learn_the_issuers_has_one_line_of_what_it_is_owed() {
    let mut play = play();
    play.issue("A", "M", 100);
    play.issue("B", "M", 50);
    let redemption = play.redeem("C", "M", 150).unwrap();
    let told = statement::without_issuers(lines_of(&play, "C", redemption)).unwrap();
    let of = |line: &StatementLine| (line.counterparty, line.purpose.as_str(), line.points.0, line.amount.0);
    let told: Vec<_> = told.iter().map(of).collect();
    assert_eq!(told, [(None, "REWARD", 150, 15_000), (None, "FEE", 150, -300)]);
}

#[test]
fn prepaid_points_of_ones_own_at_ones_own_till_bring_money() {
    let mut play = play();
    play.issue("B", "M", 50);
    let redemption = play.redeem("B", "M", 30).unwrap();
    assert_lines(&play, "B", redemption, [(Section::AtHome, "", "REWARD", 30, Some(100), 3000)]);
}

#[test]
fn what_is_taken_back_has_points_below_zero() {
    let mut play = play();
    play.issue("A", "M", 100);
    let redemption = play.redeem("C", "M", 50).unwrap();
    let returned = play.give_back("C", redemption, 20).unwrap().entries[0];
    let acceptor =
        [(Section::Accepted, "A", "REWARD", -20, Some(100), -2000), (Section::Accepted, "", "FEE", -20, Some(-2), 40)];
    assert_lines(&play, "C", returned, acceptor);
    assert_lines(&play, "A", returned, [(Section::Spent, "C", "REWARD", -20, Some(-100), 2000)]);
}

#[test]
fn a_fee_that_issuers_bear_is_on_the_issuers_statement() {
    let bears = Terms { acceptance_fee: rate("0.02"), fee_bearer: FeeBearer::Issuer, ..terms(Funding::AtRedemption) };
    let mut play = Play::new(house::house(coalition(), &[("A", terms(Funding::AtRedemption)), ("C", bears)]));
    play.issue("A", "M", 100);
    let redemption = play.redeem("C", "M", 50).unwrap();
    let issuer =
        [(Section::Spent, "C", "FEE", 50, Some(-2), -100), (Section::Spent, "C", "REWARD", 50, Some(-100), -5000)];
    assert_lines(&play, "A", redemption, issuer);
    assert_lines(&play, "C", redemption, [(Section::Accepted, "A", "REWARD", 50, Some(100), 5000)]);
}

/// 2 % of 3 points at 1.00 is 0.06; of 1 point at 0.85 it is 0.017, and 0.02 is charged.
#[test]
fn what_a_fee_was_rounded_by_stands_on_its_line() {
    let fee = Terms { acceptance_fee: rate("0.02"), reimbursement: Money(85), ..terms(Funding::AtRedemption) };
    let mut play = Play::new(house::house(coalition(), &[("A", terms(Funding::AtRedemption)), ("C", fee)]));
    play.issue("A", "M", 100);
    let redemption = play.redeem("C", "M", 1).unwrap();
    let line = lines_of(&play, "C", redemption).pop().unwrap();
    let scale = play.book.house.coalition.scale;
    assert_eq!((line.purpose.as_str(), line.points.0, line.amount.0), ("FEE", 1, -2));
    assert_eq!((line.rate.unwrap().text(scale), line.rounding.text(scale)), ("-0.017".to_owned(), "-0.003".to_owned()));
}

/// The terms may have changed between the hold and its capture, and again before a return.
#[test]
fn a_line_names_the_version_of_terms_that_it_went_by() {
    let mut play = play();
    play.issue("A", "M", 100);
    let hold = play.authorize("C", "M", 50).unwrap();
    play.set_terms("C", TermsDraft { reimbursement: Some("0.90".parse().unwrap()), ..TermsDraft::default() });
    let capture = play.capture("C", hold, 50).unwrap().entries[0];
    let line = &lines_of(&play, "C", capture)[0];
    assert_eq!((line.terms, line.amount.0), (Some(1), 5000));
    let later = play.redeem("C", "M", 10).unwrap();
    let line = &lines_of(&play, "C", later)[0];
    assert_eq!((line.terms, line.amount.0), (Some(2), 900));
    assert_eq!(lines_of(&play, "A", later)[0].terms, Some(1), "its own, of the issue");
}

#[test]
fn the_close_is_no_line_and_an_abort_is_one_for_no_points() {
    let mut play = play();
    play.issue("B", "M", 50);
    let closed = play.operator(Command::CloseWindow(CloseWindow { expected: None })).unwrap().entries[0];
    assert_eq!(play.book.entries[&closed].kind, EntryKind::Close);
    assert_lines(&play, "B", closed, []);
    let aborted = play.operator(Command::AbortSettlement(AbortSettlement { window: 1 })).unwrap().entries[0];
    let line = lines_of(&play, "B", aborted).pop().unwrap();
    assert_eq!(
        (line.section, line.purpose.as_str(), line.rate, line.amount.0),
        (Section::House, "SETTLEMENT", None, -5000)
    );
}

#[test]
fn totals_count_entries_and_add_up_money_and_points() {
    let mut play = play();
    let entries = [play.issue("A", "M", 100), play.issue("A", "M", 20)];
    let mut totals = statement::Totals::default();
    for entry in entries {
        totals.add(id("A"), &play.book.entries[&entry]).unwrap();
    }
    let rows: Vec<_> = totals
        .rows
        .iter()
        .map(|((section, kind, purpose), total)| {
            (*section, kind.as_str(), purpose.as_str(), total.entries, total.points.0)
        })
        .collect();
    assert_eq!(rows, [(Section::Issued, "issue", "REWARD", 2, 120)]);
}

//! What a partner's statement says of each event: the role it played, the money, and the points behind it.

#![allow(clippy::unwrap_used, reason = "a panic in a test is how it fails")]

mod house;

use clearing_core::command::Command;
use clearing_core::facts::entry::EntryKind;
use clearing_core::facts::terms::{FeeBearer, Funding, Terms};
use clearing_core::rules::close::CloseWindow;
use clearing_core::rules::settlement::AbortSettlement;
use clearing_core::rules::statement::{self, Role};
use clearing_core::units::EntryId;
use house::{Play, coalition, id, rate, terms};

/// The lines of one entry on a partner's statement: role, counterparty, purpose, amount, points.
fn lines(play: &Play, partner: &str, entry: EntryId) -> Vec<(Role, String, &'static str, i64, i64)> {
    let lines = statement::lines(id(partner), entry, 1, &play.book.entries[&entry]);
    let line = |line: statement::StatementLine| {
        let counterparty = line.counterparty.map_or_else(String::new, |partner| partner.to_string());
        (line.role, counterparty, line.purpose.as_str(), line.amount.0, line.points.0)
    };
    lines.into_iter().map(line).collect()
}

fn none() -> String {
    String::new()
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
    assert_eq!(lines(&play, "A", free), [(Role::Issuer, none(), "REWARD", 0, 100)]);
    let prepaid = play.issue("B", "M", 50);
    assert_eq!(lines(&play, "B", prepaid), [(Role::Issuer, none(), "REWARD", -5000, 50)]);
}

#[test]
fn a_redemption_has_lines_for_the_acceptor_each_issuer_and_the_operator() {
    let mut play = play();
    play.issue("A", "M", 100);
    play.issue("B", "M", 50);
    let redemption = play.redeem("C", "M", 120).unwrap();
    let acceptor = [(Role::Acceptor, none(), "REWARD", 12_000, 120), (Role::Acceptor, none(), "FEE", -240, 0)];
    assert_eq!(lines(&play, "C", redemption), acceptor);
    assert_eq!(lines(&play, "A", redemption), [(Role::Issuer, "C".to_owned(), "REWARD", -10_000, 100)]);
    assert_eq!(lines(&play, "B", redemption), [(Role::Issuer, "C".to_owned(), "REWARD", 0, 20)]);
    assert_eq!(lines(&play, "operator", redemption), [(Role::Neither, none(), "FEE", 240, 0)]);
}

#[test]
fn an_acceptor_is_told_whose_points_they_were_when_they_were_of_one() {
    let mut play = play();
    play.issue("A", "M", 100);
    let redemption = play.redeem("C", "M", 10).unwrap();
    assert!(lines(&play, "C", redemption).iter().all(|(_, counterparty, ..)| counterparty == "A"));
}

#[test]
fn points_of_ones_own_at_ones_own_till_are_a_line_in_each_role() {
    let mut play = play();
    play.issue("A", "M", 100);
    let redemption = play.redeem("A", "M", 30).unwrap();
    let both = [(Role::Issuer, none(), "REWARD", 0, 30), (Role::Acceptor, none(), "REWARD", 0, 30)];
    assert_eq!(lines(&play, "A", redemption), both);
}

#[test]
fn what_is_taken_back_has_points_below_zero() {
    let mut play = play();
    play.issue("A", "M", 100);
    let redemption = play.redeem("C", "M", 50).unwrap();
    let returned = play.give_back("C", redemption, 20).unwrap().entries[0];
    let acceptor =
        [(Role::Acceptor, "A".to_owned(), "REWARD", -2000, -20), (Role::Acceptor, "A".to_owned(), "FEE", 40, 0)];
    assert_eq!(lines(&play, "C", returned), acceptor);
    assert_eq!(lines(&play, "A", returned), [(Role::Issuer, "C".to_owned(), "REWARD", 2000, -20)]);
}

#[test]
fn a_fee_that_issuers_bear_is_on_the_issuers_statement() {
    let bears = Terms { acceptance_fee: rate("0.02"), fee_bearer: FeeBearer::Issuer, ..terms(Funding::AtRedemption) };
    let mut play = Play::new(house::house(coalition(), &[("A", terms(Funding::AtRedemption)), ("C", bears)]));
    play.issue("A", "M", 100);
    let redemption = play.redeem("C", "M", 50).unwrap();
    let issuer = [(Role::Issuer, "C".to_owned(), "REWARD", -5000, 50), (Role::Issuer, "C".to_owned(), "FEE", -100, 0)];
    assert_eq!(lines(&play, "A", redemption), issuer);
    assert_eq!(lines(&play, "C", redemption), [(Role::Acceptor, "A".to_owned(), "REWARD", 5000, 50)]);
}

#[test]
fn the_close_is_no_line_and_an_abort_is_one_of_no_role() {
    let mut play = play();
    play.issue("B", "M", 50);
    let closed = play.operator(Command::CloseWindow(CloseWindow { expected: None })).unwrap().entries[0];
    assert_eq!(play.book.entries[&closed].kind, EntryKind::Close);
    assert!(lines(&play, "B", closed).is_empty());
    let aborted = play.operator(Command::AbortSettlement(AbortSettlement { window: 1 })).unwrap().entries[0];
    assert_eq!(lines(&play, "B", aborted), [(Role::Neither, none(), "SETTLEMENT", -5000, 0)]);
}

#[test]
fn totals_count_lines_and_add_up_money_and_points() {
    let mut play = play();
    let entries = [play.issue("A", "M", 100), play.issue("A", "M", 20)];
    let mut totals = statement::Totals::default();
    for entry in entries {
        for line in statement::lines(id("A"), entry, 1, &play.book.entries[&entry]) {
            totals.add(&line).unwrap();
        }
    }
    let rows: Vec<_> = totals
        .rows
        .iter()
        .map(|((role, kind, purpose), total)| (*role, kind.as_str(), purpose.as_str(), total.lines, total.points.0))
        .collect();
    assert_eq!(rows, [(Role::Issuer, "issue", "REWARD", 2, 120)]);
}

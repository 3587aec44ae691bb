//! The demonstration, for a reader who sees a clearing house for the first time.

use std::fs;

use crate::desk::{Desk, text};

/// Nouns of the screen as they are said of many.
const MANY: [&str; 13] = [
    "attempts",
    "customers",
    "entries",
    "issues",
    "lots",
    "members",
    "payments",
    "purchases",
    "races",
    "redemptions",
    "requests",
    "returns",
    "tills",
];

/// A day of few purchases said "1 races", told what went wrong by five lines of nothing, and left the reader to guess why a
/// brand that owes 5 and is owed 5 pays.
#[test]
fn a_day_of_any_size_tells_the_whole_story() {
    for (customers, purchases, mishaps) in
        [("1", "1", 1), ("4", "3", 3), ("1", "5", 5), ("300", "5", 5), ("7", "60", 5)]
    {
        let desk = Desk::new();
        let screen = desk.table(&["demo", "--customers", customers, "--purchases", purchases, "--seed", "3"]);
        let words: Vec<&str> = screen.split([' ', '\n']).filter(|word| !word.is_empty()).collect();
        for pair in words.windows(2) {
            let noun = pair[1].trim_end_matches([',', ':', '.', ')']);
            assert!(pair[0].trim_start_matches('(') != "1" || !MANY.contains(&noun), "1 {noun}: {screen}");
        }
        let told: Vec<&str> = rows(&screen, "AT THE TILLS").skip(1).collect();
        assert!(told.len() >= mishaps, "{screen}");
        assert!(told.iter().all(|line| !line.trim_start().starts_with("0 ")), "{screen}");
        bridges_lead_to_the_one_amount(&screen);
        the_page_has_the_same_numbers(&screen, &fs::read_to_string(desk.path("clearing-demo.html")).unwrap());
    }
}

#[test]
fn a_day_without_a_purchase_is_none() {
    let output = Desk::new().run(&["demo", "--purchases", "0"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("0 is below 1"), "{}", text(&output.stderr));
}

/// The rows of a part of the screen, without its head.
fn rows<'a>(screen: &'a str, head: &str) -> impl Iterator<Item = &'a str> {
    let after = screen.lines().skip_while(move |line| !line.starts_with(head)).skip(1).collect::<Vec<_>>();
    after.into_iter().take_while(|line| !line.is_empty())
}

fn bridges_lead_to_the_one_amount(screen: &str) {
    let is_bridge = |row: &&str| {
        ["cards", "cinema", "fuel", "grocer", "operator"].iter().any(|id| row.starts_with(&format!("  {id} ")))
            && !row.contains("->")
    };
    let mut bridges = 0;
    for row in rows(screen, "NETTED").filter(is_bridge) {
        let cells: Vec<&str> = row.split_whitespace().skip(1).collect();
        let (parts, one) = cells.split_at(6);
        let sum: i64 = parts.iter().map(|cell| units(cell)).sum();
        let settled = match one {
            ["pays", amount] => -units(amount) * 100,
            ["gets", amount] => units(amount) * 100,
            ["-"] => 0,
            other => panic!("{other:?} is no amount: {screen}"),
        };
        assert_eq!(sum, settled, "{row}");
        bridges += 1;
    }
    assert_eq!(bridges, 5, "{screen}");
}

/// The digits of an amount, as a whole number.
fn units(amount: &str) -> i64 {
    amount.replace([',', '.'], "").parse().unwrap_or_else(|_| panic!("{amount} is no amount"))
}

/// What brands owe, what moves, and what went through the tills stands on the page as it does on the screen.
fn the_page_has_the_same_numbers(screen: &str, page: &str) {
    let owed = rows(screen, "WHO OWES WHOM").flat_map(|row| row.split_whitespace().skip(3).collect::<Vec<_>>());
    let brands = rows(screen, "WHO ISSUED").flat_map(|row| row.split_whitespace().rev().take(3).collect::<Vec<_>>());
    let orders = rows(screen, "NETTED").filter(|row| row.contains("->")).flat_map(str::split_whitespace);
    let proof = rows(screen, "PROOF").flat_map(str::split_whitespace);
    let numbers = owed.chain(brands).chain(orders).chain(proof).map(|word| word.trim_end_matches(['.', ',', ':']));
    // The page leaves out what is zero.
    let numbers = numbers.filter(|word| word.contains(|letter: char| ('1'..='9').contains(&letter)));
    for number in numbers.filter(|word| !word.contains(char::is_alphabetic)) {
        // On paper an amount has no zeros behind the smallest coin.
        let mut short = number;
        while let Some(shorter) = short
            .strip_suffix('0')
            .filter(|shorter| shorter.rsplit_once('.').is_some_and(|(_, decimals)| decimals.len() >= 2))
        {
            short = shorter;
        }
        let written = |number: &str| page.contains(&format!(">{number}<")) || page.contains(&format!(" {number}"));
        assert!(written(number) || written(short), "{number}: {screen}");
    }
}

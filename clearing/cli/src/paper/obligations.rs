//! Who owes whom before netting: a table whose rows owe its columns where it is small enough to be read, else a list; and a picture
//! of it for few participants.

use std::collections::BTreeMap;

use askama::Template;
use partner_sdk::{Decimal, Obligation};
use rust_decimal::prelude::ToPrimitive as _;

use super::Table;
use super::chord::Chord;
use crate::amounts::{count, money};
use crate::statement::NOT_DISCLOSED;

/// As many colours are told from each other.
const COLOURS: usize = 8;

/// As many characters stand side by side on a sheet of paper, at the size of a table.
const CHARACTERS_MAX: usize = 56;

/// Figures are still read on it, in light and dark.
const HEAT_MAX: u32 = 40;

/// What an issuer owes an acceptor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owed {
    pub issuer: String,
    pub acceptor: String,
    pub points: i64,
    /// Below zero where more was returned than accepted.
    pub amount: Decimal,
}

impl From<&Obligation> for Owed {
    fn from(of: &Obligation) -> Self {
        Self {
            issuer: of.issuer_id.clone().unwrap_or_else(|| NOT_DISCLOSED.to_owned()),
            acceptor: of.acceptor_id.clone(),
            points: of.points,
            amount: of.gross.amount,
        }
    }
}

/// All that is owed for points, ready to be written.
#[derive(Debug, Template)]
#[template(path = "paper/obligations.html")]
pub struct Obligations {
    currency: String,
    chord: Option<Chord>,
    matrix: Option<Matrix>,
    list: Table,
}

#[derive(Debug)]
struct Matrix {
    acceptors: Vec<String>,
    rows: Vec<Row>,
    is_owed: Vec<String>,
    total: String,
}

/// What one issuer owes.
#[derive(Debug)]
struct Row {
    issuer: String,
    cells: Vec<Cell>,
    total: String,
}

/// What it owes one acceptor.
#[derive(Debug)]
struct Cell {
    amount: String,
    points: String,
    /// How strong its colour is, in percent: that of the largest obligation has [`HEAT_MAX`].
    heat: u32,
}

impl Obligations {
    /// Of these pairs.
    pub fn new(owed: &[Owed], currency: &str, minor_digits: u32) -> Self {
        let mut names: Vec<String> = owed.iter().flat_map(|one| [one.issuer.clone(), one.acceptor.clone()]).collect();
        names.sort_unstable();
        names.dedup();
        let few = (2..=COLOURS).contains(&names.len());
        let matrix = few.then(|| Matrix::new(&names, owed, minor_digits)).filter(Matrix::fits);
        let rows = owed.iter().map(|one| {
            let (points, amount) = (count(one.points), money(one.amount, minor_digits));
            vec![one.issuer.clone(), one.acceptor.clone(), points, amount]
        });
        Self {
            currency: currency.to_owned(),
            chord: few.then(|| Chord::of(&names, owed, currency, minor_digits)).filter(Chord::is_worth_a_look),
            matrix,
            list: Table::new(String::new(), &["owes", "to", ">points", ">amount"], rows),
        }
    }
}

impl Matrix {
    fn new(names: &[String], owed: &[Owed], minor_digits: u32) -> Self {
        let largest = owed.iter().map(|one| one.amount).max().unwrap_or_default();
        let pairs: BTreeMap<(&str, &str), &Owed> =
            owed.iter().map(|one| ((&*one.issuer, &*one.acceptor), one)).collect();
        let cell = |issuer: &str, acceptor: &str| {
            let one = pairs.get(&(issuer, acceptor));
            Cell {
                amount: one.map_or_else(String::new, |one| money(one.amount, minor_digits)),
                points: one.map_or_else(String::new, |one| count(one.points)),
                heat: one.map_or(0, |one| heat(one.amount, largest)),
            }
        };
        let sum = |of: &dyn Fn(&&Owed) -> bool| -> Decimal { owed.iter().filter(of).map(|one| one.amount).sum() };
        let row = |issuer: &String| Row {
            issuer: issuer.clone(),
            cells: names.iter().map(|acceptor| cell(issuer, acceptor)).collect(),
            total: money(sum(&|one| one.issuer == *issuer), minor_digits),
        };
        Self {
            acceptors: names.to_vec(),
            rows: names.iter().map(row).collect(),
            is_owed: names.iter().map(|name| money(sum(&|one| one.acceptor == *name), minor_digits)).collect(),
            total: money(sum(&|_| true), minor_digits),
        }
    }

    /// Whether its columns stand side by side on paper.
    fn fits(&self) -> bool {
        let longest = |texts: &mut dyn Iterator<Item = &String>| texts.map(|text| text.chars().count()).max();
        let column = |at: usize| {
            let cells = self.rows.iter().map(|row| &row.cells[at].amount);
            longest(&mut cells.chain([&self.acceptors[at], &self.is_owed[at]])).unwrap_or(0)
        };
        let first = longest(&mut self.rows.iter().map(|row| &row.issuer)).unwrap_or(0);
        let last = longest(&mut self.rows.iter().map(|row| &row.total).chain([&self.total])).unwrap_or(0);
        (0..self.acceptors.len()).map(column).sum::<usize>() + first + last <= CHARACTERS_MAX
    }
}

fn heat(part: Decimal, largest: Decimal) -> u32 {
    let share = part.max(Decimal::ZERO).checked_div(largest).unwrap_or_default() * Decimal::from(HEAT_MAX);
    share.round().to_u32().unwrap_or(0)
}

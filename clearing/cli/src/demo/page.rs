//! The report as one HTML file: no script, nothing loaded from elsewhere, readable in light and dark and on paper.
//!
//! What stands in `page.html` beside this file; here are the pictures and the words. Escaping is the template's.

mod chord;

use std::borrow::Borrow;

use askama::Template;
use partner_sdk::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::brands::MINOR_DIGITS;
use super::figures::{Figures, StatementFigures, StatementRow};
use super::report::{Report, minor, time};
use crate::amounts::{self, amount, count, percent, plain, verb};
use crate::statement::words;
use chord::Chord;

/// Half of the width of the picture of the legs, in its own units.
const BAR_MAX: f64 = 200.0;

/// The page as it is filled in.
#[derive(Debug, Template)]
#[template(path = "page.html")]
struct Page<'a> {
    report: &'a Report,
    figures: &'a Figures,
    tiles: Vec<Tile>,
    chord: Chord,
    matrix: Vec<MatrixRow>,
    bars: Vec<Bar>,
    statements: Vec<StatementView<'a>>,
}

/// A number that matters.
#[derive(Debug)]
struct Tile {
    number: String,
    what: String,
}

/// What one issuer owes.
#[derive(Debug)]
struct MatrixRow {
    issuer: String,
    cells: Vec<Cell>,
    total: String,
}

/// What it owes one acceptor.
#[derive(Debug)]
struct Cell {
    text: String,
    points: String,
    /// How much of the largest obligation it is, in percent.
    heat: u32,
}

/// A leg, drawn.
#[derive(Debug)]
struct Bar {
    of: String,
    text: String,
    pays: bool,
    width: String,
}

/// A statement in words.
#[derive(Debug)]
struct StatementView<'a> {
    of: &'a StatementFigures,
    name: String,
    rows: Vec<StatementLine<'a>>,
}

/// One row of it.
#[derive(Debug)]
struct StatementLine<'a> {
    of: &'a StatementRow,
    what: String,
}

/// The page of a report.
pub fn page(report: &Report) -> String {
    let figures = &report.figures;
    let page = Page {
        report,
        figures,
        tiles: tiles(report),
        chord: Chord::of(figures),
        matrix: matrix(figures),
        bars: bars(figures),
        statements: figures.statements.iter().map(|of| statement(of, figures)).collect(),
    };
    page.render().expect("a String takes everything, and the page has no fallible parts")
}

fn tiles(report: &Report) -> Vec<Tile> {
    let Report { figures, run, .. } = report;
    let netting = &figures.netting;
    let tile = |number: String, what: &str| Tile { number, what: what.to_owned() };
    vec![
        tile(minor(netting.gross), &format!("{} owed between brands", figures.currency)),
        tile(minor(netting.netted_total), &format!("{} of it left after netting", figures.currency)),
        tile(netting.netted_share.map_or_else(|| "-".to_owned(), percent), "of what is owed need not move"),
        tile(
            minor(netting.pairwise_total),
            &format!("{} move with prepaid points and fees, in {} payments", figures.currency, figures.orders.len()),
        ),
        tile(amount(figures.proof.sum, figures.scale), "lost or made: the books sum to zero"),
        tile(
            format!("{}/s", count(run.requests_per_second)),
            &format!("requests over mutual TLS, 99 % within {}", time(run.latency_micros.p99)),
        ),
    ]
}

fn matrix(figures: &Figures) -> Vec<MatrixRow> {
    let largest = figures.obligations.iter().map(|one| one.amount).max().unwrap_or_default();
    let row = |issuer: &super::figures::BrandFigures| MatrixRow {
        issuer: issuer.partner.clone(),
        cells: figures
            .brands
            .iter()
            .map(|acceptor| {
                let pair = |one: &&super::figures::ObligationFigure| {
                    one.issuer == issuer.partner && one.acceptor == acceptor.partner
                };
                let one = figures.obligations.iter().find(pair);
                Cell {
                    text: one.map_or_else(String::new, |one| amount(one.amount, figures.scale)),
                    points: one.map_or_else(String::new, |one| count(one.points)),
                    heat: one.map_or(0, |one| heat(one.amount, largest)),
                }
            })
            .collect(),
        total: amount(figures.owes(&issuer.partner), figures.scale),
    };
    figures.brands.iter().map(row).collect()
}

fn heat(part: Decimal, largest: Decimal) -> u32 {
    let share = part.checked_div(largest).unwrap_or_default() * Decimal::from(60);
    share.round().to_u32().unwrap_or(0)
}

fn bars(figures: &Figures) -> Vec<Bar> {
    let largest = figures.legs.iter().map(|leg| float(leg.amount).abs()).fold(f64::MIN_POSITIVE, f64::max);
    let bar = |leg: &super::figures::Amount| Bar {
        of: leg.of.clone(),
        text: format!("{} {}", verb(leg.amount), minor(leg.amount.abs())),
        pays: leg.amount.is_sign_negative(),
        width: format!("{:.1}", float(leg.amount).abs() / largest * BAR_MAX),
    };
    figures.legs.iter().map(bar).collect()
}

fn statement<'a>(of: &'a StatementFigures, figures: &'a Figures) -> StatementView<'a> {
    let brand = figures.brands.iter().find(|brand| brand.partner == of.partner);
    let row = |row: &'a StatementRow| StatementLine { of: row, what: words(&row.section, &row.kind, &row.purpose) };
    StatementView {
        of,
        name: brand.map_or_else(|| "who runs the house".to_owned(), |brand| brand.name.clone()),
        rows: of.rows.iter().map(row).collect(),
    }
}

/// An amount with what the brand does with it.
fn said(amount: impl Borrow<Decimal>) -> String {
    amounts::said(*amount.borrow(), MINOR_DIGITS)
}

/// For the pictures alone: no figure is made of it.
fn float(amount: Decimal) -> f64 {
    amount.to_f64().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::sample;

    #[test]
    fn the_page_loads_nothing_and_runs_nothing() {
        let page = page(&sample::report());
        for outside in ["<script", "<link", "<img", "http:", "https:", "url(", "@import", "src="] {
            assert!(!page.contains(outside), "{outside}");
        }
    }

    #[test]
    fn a_name_is_text_whatever_is_in_it() {
        let mut report = sample::report();
        report.figures.brands[0].name = "<b>Bread & \"Butter\"</b>".to_owned();
        let page = page(&report);
        assert!(!page.contains("<b>Bread"), "{page}");
        assert!(page.contains("Bread &#38; &#34;Butter&#34;"), "{page}");
    }

    #[test]
    fn a_day_without_debts_has_a_page_too() {
        let mut report = sample::report();
        report.figures.obligations.clear();
        report.figures.legs.clear();
        let page = page(&report);
        assert!(!page.contains("NaN"), "{page}");
    }
}

//! The report as one HTML file, made of the same pieces as the reports of any coalition (see `paper`).
//!
//! What is told of the day stands in `page.html` beside this file. Escaping is the template's.

use askama::Template;
use partner_sdk::ServerInfo;

use super::MARK;
use super::figures::{Answers, Figures};
use super::report::{Report, minor, time};
use crate::amounts::{amount, count, minor_digits, percent, plain};
use crate::paper::{self, END, Head, Obligations, Owed, Running, STATEMENT_END, Table, Tile, Tiles, render};
use crate::statement::Sheet;

/// What of the house's answers goes onto paper as it does for any coalition.
#[derive(Debug)]
pub struct Papers {
    obligations: Obligations,
    legs: Table,
    orders: Table,
    statements: Vec<paper::Statement>,
}

impl Papers {
    /// Of the answers of the evening.
    pub fn of(answers: &Answers) -> Self {
        let Answers { info, statements, report, orders, .. } = answers;
        let ServerInfo { currency_code: currency, .. } = info;
        let obligations: Vec<Owed> = report.obligations.iter().map(Owed::from).collect();
        let legs = &report.settlement.legs;
        let part = |at: usize| format!("statement{}", at + 1);
        let link = |id: &str| statements.iter().position(|of| of.partner_id == id).map(|at| format!("#{}", part(at)));
        let words = statements.iter().enumerate().map(|(at, of)| Sheet::new(info, of).words(part(at)));
        Self {
            obligations: Obligations::new(&obligations, currency, minor_digits(currency)),
            legs: paper::settlement::legs(legs, currency)
                .with_links(legs.iter().map(|leg| link(&leg.partner_id)).collect()),
            orders: paper::settlement::orders("Payment orders", orders, currency),
            statements: words.collect(),
        }
    }
}

/// The day as it is told.
#[derive(Debug, Template)]
#[template(path = "demo/page.html")]
struct Day<'a> {
    report: &'a Report,
    figures: &'a Figures,
    papers: &'a Papers,
    tiles: Tiles,
    brands: Table,
    book: Table,
}

/// The page of a report.
pub fn page(report: &Report, papers: &Papers) -> String {
    let figures = &report.figures;
    let title = format!("A day of a coalition, {}", report.run.day);
    let of_day = Running { part: String::new(), text: title.clone() };
    let of_statement = |of: &paper::Statement| Running { part: of.part.clone(), text: of.running() };
    let running: Vec<Running> = [of_day].into_iter().chain(papers.statements.iter().map(of_statement)).collect();
    let day = Day { report, figures, papers, tiles: tiles(report), brands: brands(figures), book: book(figures) };
    let mut page = render(&Head { generator: MARK, title: &title, running: &running }) + &render(&day);
    for statement in &papers.statements {
        page += &render(statement);
        page += STATEMENT_END;
    }
    page + END
}

fn tiles(report: &Report) -> Tiles {
    let Report { figures, run, .. } = report;
    let netting = &figures.netting;
    let tile = |number: String, what: &str| Tile { number, what: what.to_owned() };
    Tiles(vec![
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
    ])
}

fn brands(figures: &Figures) -> Table {
    let rows = figures.brands.iter().map(|brand| {
        vec![
            format!("{} ({})", brand.name, brand.partner),
            brand.funded().to_string(),
            amount(brand.price, figures.scale),
            amount(brand.value, figures.scale),
            amount(brand.reimbursement, figures.scale),
            brand.fee().to_string(),
            count(brand.issued_points),
            count(brand.accepted_points),
            count(brand.outstanding_points),
        ]
    });
    let columns = ["brand", "funding", ">price", ">value", ">gets", "fee", ">issued", ">accepted", ">unspent"];
    Table::new("The brands", &columns, rows)
}

fn book(figures: &Figures) -> Table {
    let trial = &figures.trial_balance;
    let points = trial.points.iter().map(|class| vec![class.of.clone(), count(class.points), String::new()]);
    let money =
        trial.money.iter().map(|class| vec![class.of.clone(), String::new(), amount(class.amount, figures.scale)]);
    let sum = vec!["sum".to_owned(), count(trial.points_sum), amount(trial.money_sum, figures.scale)];
    let columns = ["accounts", ">points", &format!(">{}", figures.currency)];
    Table::new("The whole book, after the last payment", &columns, points.chain(money).chain([sum])).with_sums(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::sample;
    use crate::paper::Name;
    use partner_sdk::Decimal;

    fn papers(owed: &[Owed]) -> Papers {
        let statement = paper::Statement {
            part: "statement1".to_owned(),
            of: Name { id: "CARDS".to_owned(), name: Some(HOSTILE.to_owned()) },
            coalition: "Coalition points.example, amounts in EUR".to_owned(),
            window: "Window 1, CLOSED, its settlement SETTLED".to_owned(),
            period: "From 2026-02-28 00:00:00 to 2026-03-01 00:00:00, UTC".to_owned(),
            verdict: "CARDS pays 41.60 EUR.".to_owned(),
            tables: Vec::new(),
            nothing: None,
        };
        let table = |title: &str| Table::new(title, &["what", ">amount"], []);
        Papers {
            obligations: Obligations::new(owed, "EUR", 2),
            legs: table("What each pays or gets, EUR"),
            orders: table("Payment orders"),
            statements: vec![statement],
        }
    }

    fn owed() -> Vec<Owed> {
        let one = |(issuer, acceptor): (&str, &str)| Owed {
            issuer: issuer.to_owned(),
            acceptor: acceptor.to_owned(),
            points: 4_000,
            amount: Decimal::new(4_000, 2),
        };
        [("CARDS", "GROCER"), ("GROCER", "CARDS")].map(one).to_vec()
    }

    const HOSTILE: &str = "</style><b>Bread & \"Butter\"</b>";

    #[test]
    fn the_page_loads_nothing_and_runs_nothing() {
        let page = page(&sample::report(), &papers(&owed()));
        for outside in ["<script", "<link", "<img", "http:", "https:", "url(", "@import", "src="] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert!(page.contains("<svg"), "who owes whom is drawn");
    }

    #[test]
    fn a_name_is_text_whatever_is_in_it() {
        let mut report = sample::report();
        report.figures.brands[0].name = HOSTILE.to_owned();
        let page = page(&report, &papers(&owed()));
        assert!(!page.contains("<b>Bread"), "{page}");
        assert_eq!(page.matches("</style>").count(), 1, "{page}");
        assert!(page.contains("Bread &#38; &#34;Butter&#34;"), "{page}");
    }
}

//! What the demo has to say: for programs as JSON, for people as one screen of text.

use std::borrow::Borrow;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use partner_sdk::Decimal;
use serde::Serialize;
use serde_json::Value;

use super::brands::MINOR_DIGITS;
use super::figures::{Amount, BrandFigures, Figures, Payment, Requests, StatementFigures};
use crate::amounts::{amount, count, counted, percent, plain, verb};

/// The width of the screen, in columns.
pub const WIDTH: usize = 100;

/// How many payment orders stand in a line of the screen.
const ORDERS_IN_A_LINE: usize = 3;

/// What leads from the debts of a brand to the amount that it pays or gets.
const BRIDGE: [&str; 8] = ["", "owes", "is owed", "pool pays", "prepays", "fees, spread", "carried", "one amount"];

/// Everything the demo has to say.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub seed: u64,
    /// The same for the same seed.
    pub figures: Figures,
    pub audit: Audit,
    /// What is different in every run.
    pub run: Run,
}

/// What the audit read. It found nothing wrong, or there would be no report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Audit {
    pub entries: u64,
    /// How many batches the entries were committed in: how well requests that came together shared a commit.
    pub batches: u64,
    pub members: u64,
    pub lots: u64,
}

/// One run on one machine.
#[derive(Debug, Clone, Serialize)]
pub struct Run {
    /// The day that was played, YYYY-MM-DD.
    pub day: String,
    pub requests_per_second: u64,
    pub latency_micros: Latency,
    /// Customers who were served at the same time.
    pub in_flight: usize,
    /// How long the tills were busy.
    pub busy_micros: u64,
    /// The HTML report.
    pub report: PathBuf,
    /// The folder in which the coalition was kept.
    pub kept: Option<PathBuf>,
    /// How this program was called, for the hints.
    pub program: String,
}

/// How long calls took, from the till's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Latency {
    pub p50: u64,
    pub p99: u64,
    pub max: u64,
}

impl Latency {
    /// Of these calls: each percentile is the least time that so many calls did not exceed.
    pub fn of(mut calls: Vec<Duration>) -> Self {
        calls.sort_unstable();
        let at = |percent: usize| {
            let rank = (calls.len() * percent).div_ceil(100).max(1) - 1;
            calls.get(rank).map_or(0, |time| micros(*time))
        };
        Self { p50: at(50), p99: at(99), max: at(100) }
    }
}

impl fmt::Display for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} replayed: {}, {}, balances, hashes: all as stored",
            counted(self.entries, "entry", "entries"),
            counted(self.members, "member", "members"),
            counted(self.lots, "lot", "lots")
        )
    }
}

/// Whole microseconds.
pub fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.head(f)?;
        self.tills(f)?;
        self.told(f)?;
        self.brands(f)?;
        self.obligations(f)?;
        self.netting(f)?;
        self.proof(f)?;
        self.further(f)
    }
}

impl Report {
    /// For programs. Amounts are text, so that no reader makes floating-point numbers of them.
    pub fn to_json(&self) -> Value {
        serde_json::to_value(self).expect("every key is text, and nothing in it can fail to be written")
    }

    fn head(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Figures { customers, purchases, currency, point_value, .. } = &self.figures;
        let what = format!(
            "{} · {} · {} · seed {}",
            counted(customers, "customer", "customers"),
            counted(purchases, "purchase", "purchases"),
            self.run.day,
            self.seed
        );
        writeln!(f, "A DAY OF A COALITION{what:>width$}", width = WIDTH - "A DAY OF A COALITION".len())?;
        writeln!(
            f,
            "Four brands share one point, worth {} {currency}. Each request went through the partner SDK,",
            plain(*point_value)
        )?;
        writeln!(f, "over mutual TLS, to a clearing house on this machine, and was answered when it was safe on disk.")
    }

    fn tills(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Requests { unary, batch_items, issues, redemptions, returns, .. } = &self.figures.requests;
        let Run { requests_per_second, latency_micros, busy_micros, in_flight, .. } = &self.run;
        writeln!(f)?;
        writeln!(
            f,
            "AT THE TILLS   {} ({} of them in one batch) · {} · {}",
            counted(issues, "issue", "issues"),
            count(batch_items),
            counted(redemptions, "redemption", "redemptions"),
            counted(returns, "return", "returns")
        )?;
        writeln!(
            f,
            "  {} in {}: {} a second, half within {}, 99 % within {}, {in_flight} at a time",
            counted(unary, "request", "requests"),
            time(*busy_micros),
            count(*requests_per_second),
            time(latency_micros.p50),
            time(latency_micros.p99)
        )?;
        for (number, what) in self.mishaps() {
            writeln!(f, "  {:>5}  {what}", count(number))?;
        }
        Ok(())
    }

    /// What went wrong at the tills, on purpose, and how often. What did not is left out.
    pub fn mishaps(&self) -> Vec<(u64, &'static str)> {
        let requests = &self.figures.requests;
        let all = [
            (
                requests.replayed,
                "request sent twice: answered twice, done once",
                "requests sent twice: answered twice, done once",
            ),
            (
                requests.races,
                "race of two tills for the same points: one till got them, the other was refused",
                "races of two tills for the same points: one till got them, the other was refused",
            ),
            (
                requests.overspends_refused,
                "attempt to spend more points than there were: refused",
                "attempts to spend more points than there were: refused",
            ),
            (
                requests.abandoned_undone,
                "till gave up waiting for an answer: what the house had done was undone",
                "tills gave up waiting for an answer: what the house had done was undone",
            ),
            (
                requests.abandoned_refused,
                "request came after its till had given up: refused",
                "requests came after their till had given up: refused",
            ),
        ];
        let told = all.into_iter().filter(|(number, ..)| *number > 0);
        told.map(|(number, one, many)| (number, if number == 1 { one } else { many })).collect()
    }

    fn told(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f)?;
        writeln!(f, "FIVE CUSTOMERS   what can happen to points between earning and spending")?;
        for (what, lines) in self.stories() {
            for (at, line) in lines.iter().enumerate() {
                writeln!(f, "  {:<11}{line}", if at == 0 { what } else { "" })?;
            }
        }
        Ok(())
    }

    /// The stories of the day, each with its name, in lines that fit on the screen.
    pub fn stories(&self) -> Vec<(&'static str, Vec<String>)> {
        let Figures { stories, breakage, currency, scale, .. } = &self.figures;
        let money = |of: Decimal| amount(of, *scale);
        let funders = stories.funders.iter().map(|funder| format!("{} pays {}", funder.partner, count(funder.points)));
        vec![
            (
                "a hold",
                vec![format!(
                    "{} points held at the fuel pump before filling, {} taken, {} back at once",
                    count(stories.held),
                    count(stories.captured),
                    count(stories.released)
                )],
            ),
            (
                "a lapse",
                vec![format!(
                    "{} points held at the cinema for seats that nobody collected: {} back at 22:00",
                    count(stories.unclaimed),
                    count(stories.lapsed)
                )],
            ),
            (
                "a return",
                vec![
                    format!(
                        "goods back at the grocer, {} of their {} points spent: {} taken back, {} owed;",
                        count(stories.spent),
                        count(stories.earned),
                        count(stories.taken_back),
                        count(stories.owed)
                    ),
                    format!(
                        "of the next {} points, from fuel, {} paid the grocer what was owed, and {} stayed",
                        count(stories.next),
                        count(stories.recovered),
                        count(stories.kept)
                    ),
                ],
            ),
            (
                "a gift",
                vec![format!(
                    "{} points of one promotion of the grocer's: {}",
                    count(stories.promotion),
                    funders.collect::<Vec<_>>().join(", ")
                )],
            ),
            (
                "an expiry",
                vec![
                    format!(
                        "{} birthday points of the cinema's expired at midnight. Of the {} {currency} behind them",
                        count(stories.expired),
                        money(breakage.reserve + breakage.operator + breakage.issuer)
                    ),
                    format!(
                        "the reserve got {}, the operator {}, the cinema {}",
                        money(breakage.reserve),
                        money(breakage.operator),
                        money(breakage.issuer)
                    ),
                ],
            ),
        ]
    }

    fn brands(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f)?;
        writeln!(
            f,
            "{:<25}{:<14}{:>7}{:>8}  {:<16}{:>9}{:>10}{:>9}",
            "WHO ISSUED, WHO ACCEPTED", "funding", "price", "gets", "fee", "issued", "accepted", "unspent"
        )?;
        for brand in &self.figures.brands {
            writeln!(
                f,
                "  {:<7}{:<16}{:<14}{:>7}{:>8}  {:<16}{:>9}{:>10}{:>9}",
                brand.partner,
                brand.name,
                brand.funding,
                amount(brand.price, self.figures.scale),
                amount(brand.reimbursement, self.figures.scale),
                brand.fee(),
                count(brand.issued_points),
                count(brand.accepted_points),
                count(brand.outstanding_points)
            )?;
        }
        writeln!(f, "  AT_ISSUE: the brand prepays its points. AT_REDEMPTION: it pays when they are spent elsewhere.")
    }

    fn obligations(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figures = &self.figures;
        writeln!(f)?;
        write!(f, "{:<29}", "WHO OWES WHOM, BEFORE NETTING")?;
        for brand in &figures.brands {
            write!(f, "{:>13}", brand.partner)?;
        }
        writeln!(f, "{:>15}", "owes in all")?;
        for issuer in &figures.brands {
            write!(f, "  {:<27}", format!("{} owes, {}", issuer.partner, figures.currency))?;
            for acceptor in &figures.brands {
                let owed = figures.obligation(&issuer.partner, &acceptor.partner);
                let cell = if issuer == acceptor { "-".to_owned() } else { amount(owed, figures.scale) };
                write!(f, "{cell:>13}")?;
            }
            writeln!(f, "{:>15}", amount(figures.owes(&issuer.partner), figures.scale))?;
        }
        write!(f, "  {:<27}", "is owed in all")?;
        for acceptor in &figures.brands {
            write!(f, "{:>13}", amount(figures.is_owed(&acceptor.partner), figures.scale))?;
        }
        writeln!(f, "{:>15}", amount(figures.netting.gross, figures.scale))
    }

    fn netting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figures = &self.figures;
        let netting = &figures.netting;
        let share =
            netting.netted_share.map_or_else(String::new, |share| format!(": {} need not move", percent(share)));
        writeln!(f)?;
        writeln!(
            f,
            "NETTED   of {} {} that brands owe each other {} are left{share}",
            amount(netting.gross, figures.scale),
            figures.currency,
            amount(netting.netted_total, figures.scale)
        )?;
        writeln!(
            f,
            "  What a brand owes and is owed, prepaid points and fees add up to the one amount it pays or gets:"
        )?;
        let mut rows = vec![BRIDGE.map(str::to_owned)];
        rows.extend(figures.statements.iter().map(|statement| bridge(statement, figures.scale)));
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default() + 2;
        for row in &rows {
            write!(f, "  {:<1$}", row[0], width(0) - 2)?;
            for (column, cell) in row.iter().enumerate().skip(1) {
                write!(f, "{cell:>0$}", width(column))?;
            }
            writeln!(f)?;
        }
        writeln!(
            f,
            "  {} {} move, in {}, all paid (funds back prepaid points):",
            minor(netting.pairwise_total),
            figures.currency,
            counted(figures.orders.len(), "payment", "payments")
        )?;
        for orders in figures.orders.chunks(ORDERS_IN_A_LINE) {
            let order = |order: &Payment| format!("{:<9}-> {:<9}{:>11}", order.payer, order.payee, minor(order.amount));
            writeln!(f, "  {}", orders.iter().map(order).collect::<Vec<_>>().join(" "))?;
        }
        Ok(())
    }

    fn proof(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figures = &self.figures;
        let trial = &figures.trial_balance;
        writeln!(f)?;
        writeln!(f, "PROOF    {}", figures.proof_text())?;
        writeln!(
            f,
            "  Each of {} statements: opening + lines = leg + carried. All points sum to {}, all money to {}.",
            figures.statements.len(),
            trial.points_sum,
            amount(trial.money_sum, figures.scale)
        )?;
        writeln!(f, "  Audit: {}", self.audit)
    }

    fn further(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f)?;
        writeln!(f, "LOOK FURTHER")?;
        let hints = self.hints();
        let width = hints.iter().map(|(what, _)| what.chars().count()).max().unwrap_or_default();
        for (what, why) in hints {
            writeln!(f, "  {what:<width$}  {why}")?;
        }
        Ok(())
    }

    /// What to do next, and what it shows.
    pub fn hints(&self) -> Vec<(String, String)> {
        let Run { program, report, kept, .. } = &self.run;
        let mut hints = vec![(report.display().to_string(), "the same with pictures".to_owned())];
        let mut hint = |what: String, why: &str| hints.push((what, why.to_owned()));
        match kept {
            Some(folder) => {
                let config = folder.join(clearing::config::FILE_DEFAULT);
                let config = config.display();
                hint(format!("{program} serve --config {config}"), "goes on with it; meanwhile:");
                hint(format!("{program} statement grocer --window 1 --config {config}"), "line by line");
                hint(format!("{program} audit --config {config}"), "checks the books again");
            }
            None => {
                hint(format!("{program} demo --keep coalition"), "keeps the coalition, to go on with");
                hint(format!("{program} demo --seed 2"), "another day");
                hint(format!("{program} --help"), "everything else");
            }
        }
        hints
    }
}

impl Figures {
    /// The zero-sum proof in one line.
    pub fn proof_text(&self) -> String {
        let proof = &self.proof;
        let funds = proof.account_changes.iter().map(|Amount { of, amount: change }| signed(of, *change, self.scale));
        format!(
            "legs {}{}{} = {}",
            amount(proof.legs_total, self.scale),
            funds.collect::<String>(),
            signed("carried", proof.carried_change, self.scale),
            amount(proof.sum, self.scale)
        )
    }
}

impl BrandFigures {
    /// When its points are paid for: the word of the house, and in plain ones.
    pub fn funded(&self) -> String {
        let plain = match self.funding.as_str() {
            "AT_ISSUE" => "prepaid",
            _ => "when spent",
        };
        format!("{} ({plain})", self.funding)
    }

    /// Its acceptance fee and who bears it.
    pub fn fee(&self) -> String {
        let bearer = match self.fee_bearer.as_str() {
            "ISSUER" => "by issuers",
            _ => "by itself",
        };
        if self.acceptance_fee.is_zero() {
            "none".to_owned()
        } else {
            format!("{} {bearer}", percent(self.acceptance_fee))
        }
    }
}

/// The row of [`BRIDGE`] of a participant: the amounts add up to the last, in which the sign is a word.
fn bridge(statement: &StatementFigures, scale: u32) -> [String; BRIDGE.len()] {
    let StatementFigures { partner, opening, bridge, leg, carried, .. } = statement;
    let parts =
        [bridge.owes, bridge.is_owed, bridge.paid_by_pool, bridge.prepays, bridge.fees_and_rest(), opening - carried];
    let [owes, is_owed, pool, prepays, fees, carried] = parts.map(|part| amount(part, scale));
    let one = if leg.is_zero() { "-".to_owned() } else { format!("{} {}", verb(leg), minor(leg.abs())) };
    [partner.clone(), owes, is_owed, pool, prepays, fees, carried, one]
}

/// An amount in whole minor units of the currency of the day.
pub fn minor(of: impl Borrow<Decimal>) -> String {
    amount(of, MINOR_DIGITS)
}

fn signed(what: &str, change: Decimal, scale: u32) -> String {
    let sign = if change.is_sign_negative() { '-' } else { '+' };
    format!(" {sign} {what} {}", amount(change.abs(), scale))
}

/// A time of seconds or milliseconds, with as many digits as mean something.
pub fn time(micros: u64) -> String {
    let in_units = |unit: u64, name: &str| {
        let tenths = (micros * 10).div_ceil(unit);
        if tenths < 100 { format!("{}.{} {name}", tenths / 10, tenths % 10) } else { format!("{} {name}", tenths / 10) }
    };
    if micros >= 1_000_000 { in_units(1_000_000, "s") } else { in_units(1_000, "ms") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::sample;

    #[test]
    fn the_screen_is_one_screen() {
        let screen = sample::report().to_string();
        assert!(screen.lines().count() <= 56, "{screen}");
        for line in screen.lines() {
            assert!(line.chars().count() <= WIDTH, "{line}");
        }
    }

    #[test]
    fn a_percentile_is_the_time_that_so_many_calls_did_not_exceed() {
        let calls = (1..=200).map(Duration::from_micros).rev().collect();
        assert_eq!(Latency::of(calls), Latency { p50: 100, p99: 198, max: 200 });
        assert_eq!(Latency::of(vec![Duration::from_micros(7)]), Latency { p50: 7, p99: 7, max: 7 });
        assert_eq!(Latency::of(Vec::new()), Latency { p50: 0, p99: 0, max: 0 });
    }

    #[test]
    fn a_time_reads_as_people_say_it() {
        assert_eq!(time(1_840_000), "1.9 s");
        assert_eq!(time(12_300_000), "12 s");
        assert_eq!(time(850), "0.9 ms");
        assert_eq!(time(48_200), "48 ms");
    }
}

//! What the demo has to say: for programs as JSON, for people as one screen of text.

use std::borrow::Borrow;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use partner_sdk::Decimal;
use serde::Serialize;
use serde_json::Value;

use super::brands::MINOR_DIGITS;
use super::figures::{Amount, BrandFigures, Figures, Requests};
use crate::amounts::{amount, count, percent, plain, verb};

/// The width of the screen, in columns.
pub const WIDTH: usize = 100;

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
        let Self { entries, members, lots, .. } = self;
        let (entries, members, lots) = (count(entries), count(members), count(lots));
        write!(f, "{entries} entries replayed: {members} members, {lots} lots, balances, hashes: all as stored")
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
            "{} customers · {} purchases · {} · seed {}",
            count(*customers),
            count(*purchases),
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
            "AT THE TILLS   {} issues ({} of them in one batch) · {} redemptions · {} returns",
            count(*issues),
            count(*batch_items),
            count(*redemptions),
            count(*returns)
        )?;
        writeln!(
            f,
            "  {} requests in {}: {} a second, half within {}, 99 % within {}, {in_flight} at a time",
            count(*unary),
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

    /// What went wrong at the tills, on purpose.
    pub fn mishaps(&self) -> [(u64, &'static str); 5] {
        let requests = &self.figures.requests;
        [
            (requests.replayed, "requests sent twice: answered twice, done once"),
            (requests.races, "races of two tills for the same points: one till got them, the other was refused"),
            (requests.overspends_refused, "attempts to spend more points than there were: refused"),
            (requests.abandoned_undone, "tills gave up waiting for an answer: what the house had done was undone"),
            (requests.abandoned_refused, "requests came after their till had given up: refused"),
        ]
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
                    "{} points held at FUEL's pump before filling, {} taken, {} back at once",
                    count(stories.held),
                    count(stories.captured),
                    count(stories.released)
                )],
            ),
            (
                "a lapse",
                vec![format!(
                    "{} points held at CINEMA for seats that nobody collected: {} back at 22:00",
                    count(stories.unclaimed),
                    count(stories.lapsed)
                )],
            ),
            (
                "a return",
                vec![
                    format!(
                        "goods back at GROCER when {} of their {} points were spent: {} taken back, {} owed;",
                        count(stories.spent),
                        count(stories.earned),
                        count(stories.taken_back),
                        count(stories.owed)
                    ),
                    format!(
                        "of the next {} points, FUEL's, {} paid GROCER what was owed, and {} stayed",
                        count(stories.next),
                        count(stories.recovered),
                        count(stories.kept)
                    ),
                ],
            ),
            (
                "a gift",
                vec![format!(
                    "{} points of one promotion of GROCER's: {}",
                    count(stories.promotion),
                    funders.collect::<Vec<_>>().join(", ")
                )],
            ),
            (
                "an expiry",
                vec![
                    format!(
                        "{} birthday points of CINEMA's expired at midnight. Of the {} {currency} behind them",
                        count(stories.expired),
                        money(breakage.reserve + breakage.operator + breakage.issuer)
                    ),
                    format!(
                        "the reserve got {}, the operator {}, CINEMA {}",
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
            "{:<25}{:<12}{:>7}{:>8}  {:<16}{:>9}{:>10}{:>11}",
            "WHO ISSUED, WHO ACCEPTED", "funding", "price", "gets", "fee", "issued", "accepted", "unspent"
        )?;
        for brand in &self.figures.brands {
            writeln!(
                f,
                "  {:<7}{:<16}{:<12}{:>7}{:>8}  {:<16}{:>9}{:>10}{:>11}",
                brand.partner,
                brand.name,
                brand.funded(),
                amount(brand.price, self.figures.scale),
                amount(brand.reimbursement, self.figures.scale),
                brand.fee(),
                count(brand.issued_points),
                count(brand.accepted_points),
                count(brand.outstanding_points)
            )?;
        }
        Ok(())
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
            "  With prepaid points, fees and spreads {} move, in {} payments:",
            minor(netting.pairwise_total),
            figures.orders.len()
        )?;
        let mut orders = figures
            .orders
            .iter()
            .map(|order| format!("{:<9}->  {:<9}{:>11}", order.payer, order.payee, minor(order.amount)));
        let legs = figures
            .legs
            .iter()
            .map(|leg| format!("{:<9}{:<5}{:>11}", leg.of, verb(leg.amount), minor(leg.amount.abs())));
        let legs: Vec<String> = legs.collect();
        let rows = legs.len().max(figures.orders.len());
        writeln!(f, "  {:<43}payment orders, all paid (funds back prepaid points)", "each brand's one amount")?;
        for row in 0..rows {
            let left = legs.get(row).map_or("", String::as_str);
            let right = orders.next().unwrap_or_default();
            writeln!(f, "{}", format!("  {left:<43}{right}").trim_end())?;
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
                hint(format!("{program} statement GROCER --window 1 --config {config}"), "line by line");
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
    /// When its points are paid for.
    pub fn funded(&self) -> &'static str {
        match self.funding.as_str() {
            "AT_ISSUE" => "prepaid",
            _ => "when spent",
        }
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
        assert!(screen.lines().count() <= 54, "{screen}");
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

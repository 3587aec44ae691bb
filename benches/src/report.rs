//! What was found: a table for people, JSON for programs.

use std::fmt::Write as _;

use serde::Serialize;

use crate::harness::Measured;
use crate::system::{Backend, Books, Kind};

/// Everything a run found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// What was asked, as text.
    pub command: String,
    pub seed: u64,
    pub members: u32,
    pub seconds: f64,
    pub rounds: u32,
    /// Cores that the callers, the servers and the databases share.
    pub cores: usize,
    pub sqlite_folder: String,
    /// The machine's load averages when the run began and ended: what else was running.
    pub load_average: [String; 2],
    pub loads: Vec<Load>,
    pub books: Vec<Books>,
}

/// One way of loading, and what each system made of it.
#[derive(Debug, Clone, Serialize)]
pub struct Load {
    pub name: String,
    /// What the rates count.
    pub unit: &'static str,
    pub lines: Vec<Line>,
}

/// What a system made of a load. Latencies are in milliseconds.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    pub system: String,
    #[serde(skip)]
    pub kind: Option<Kind>,
    /// Operations in a second.
    pub rate: f64,
    /// The rate as a share of the empty call's under the same load.
    pub of_empty: Option<f64>,
    /// The rate as a share of that of a call that carries what the house's calls carry, and is answered at once.
    pub of_echo: Option<f64>,
    /// How often the rate of the hand-written service on the same back end goes into it.
    pub times_by_hand: Option<f64>,
    /// The rate as a share of that of issues, measured in turns with it.
    pub of_issues: Option<f64>,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub p999_ms: f64,
    pub max_ms: f64,
    /// Processor time of an operation in microseconds, callers and server (and SQLite, not PostgreSQL) together.
    pub processor_us: f64,
    pub failed: u64,
    pub note: Option<String>,
}

impl Line {
    /// What stands beside the figures.
    fn remark(&self) -> String {
        let share = self.of_issues.map(|share| format!("   {share:.2} of issues"));
        let note = self.note.as_ref().map(|note| format!("   {note}"));
        share.into_iter().chain(note).collect()
    }

    pub fn new(system: &str, kind: Option<Kind>, measured: &Measured, note: Option<String>) -> Self {
        let quantile = |share| measured.latencies.value_at_quantile(share) as f64 / 1e3;
        let failure = measured.failure.as_ref().map(|failure| format!("{} failed: {failure}", measured.failed));
        Self {
            system: system.to_owned(),
            kind,
            rate: measured.rate(),
            of_empty: None,
            of_echo: None,
            times_by_hand: None,
            of_issues: None,
            p50_ms: quantile(0.5),
            p99_ms: quantile(0.99),
            p999_ms: quantile(0.999),
            max_ms: measured.latencies.max() as f64 / 1e3,
            processor_us: measured.processor_micros(),
            failed: measured.failed,
            note: failure.or(note),
        }
    }
}

/// The load that the targets are about.
pub const TARGET_LOAD: &str = "unary, 256 in flight, 20 brands";

/// The share of the rate of issues that redemptions, authorizations and captures aim at.
pub const REDEMPTIONS_TARGET: f64 = 0.6;

/// What is aimed at, beside what was reached.
pub fn targets(loads: &[Load]) -> String {
    let mut text = String::new();
    let figure = |figure: Option<f64>| figure.map_or_else(|| "?".to_owned(), |figure| format!("{figure:.2}"));
    if let Some(load) = loads.iter().find(|load| load.name == TARGET_LOAD) {
        let _ = writeln!(text, "\n{TARGET_LOAD}:");
        for (backend, share) in [(Backend::Sqlite, 0.3), (Backend::Postgres, 0.25)] {
            let Some(line) = load.lines.iter().find(|line| line.kind == Some(Kind::House(backend))) else { continue };
            let (empty, echo, hand) = (figure(line.of_empty), figure(line.of_echo), figure(line.times_by_hand));
            let _ = write!(text, "  {}: {empty} of an empty call, {echo} of the echo (target {share})", line.system);
            let by_hand_target = if backend == Backend::Postgres { " (target 4)" } else { "" };
            let _ = writeln!(text, ", {hand} times by hand{by_hand_target}");
        }
    }
    for line in loads.iter().flat_map(|load| &load.lines).filter(|line| line.of_issues.is_some()) {
        let share = figure(line.of_issues);
        let _ = writeln!(text, "  {}: {share} of issues (target {REDEMPTIONS_TARGET})", line.system);
    }
    text
}

impl Load {
    /// Puts the rates in proportion.
    pub fn new(name: impl Into<String>, unit: &'static str, mut lines: Vec<Line>) -> Self {
        let rate = |wanted: Kind| {
            let line = lines.iter().find(|line| line.kind == Some(wanted));
            line.map(|line| line.rate).filter(|rate| *rate > 0.0)
        };
        let (empty, echo) = (rate(Kind::Empty), rate(Kind::Echo));
        let by_hand: Vec<Option<f64>> = lines
            .iter()
            .map(|line| match line.kind {
                Some(Kind::House(backend)) => rate(Kind::ByHand(backend)),
                Some(Kind::Empty | Kind::Echo | Kind::ByHand(_)) | None => None,
            })
            .collect();
        for (line, by_hand) in lines.iter_mut().zip(by_hand) {
            let measured = line.kind.is_some();
            line.of_empty = empty.filter(|_| measured).map(|empty| line.rate / empty);
            line.of_echo = echo.filter(|_| measured).map(|echo| line.rate / echo);
            line.times_by_hand = by_hand.map(|by_hand| line.rate / by_hand);
        }
        Self { name: name.into(), unit, lines }
    }

    /// Takes the shares out again: under an open loop all systems have the same rate.
    #[must_use]
    pub fn without_shares(mut self) -> Self {
        for line in &mut self.lines {
            (line.of_empty, line.of_echo, line.times_by_hand) = (None, None, None);
        }
        self
    }

    /// The load as a table.
    pub fn table(&self) -> String {
        let mut text = format!("\n{}\n", self.name);
        let _ = writeln!(
            text,
            "  {:34}{:>11}{:>9}{:>9}{:>9}{:>10}{:>10}{:>10}{:>8}",
            "", self.unit, "of empty", "of echo", "x hand", "p50 ms", "p99 ms", "p99.9 ms", "cpu us"
        );
        for line in &self.lines {
            let share = |share: Option<f64>| share.map_or_else(String::new, |share| format!("{share:.2}"));
            let _ = writeln!(
                text,
                "  {:34}{:>11.0}{:>9}{:>9}{:>9}{:>10.2}{:>10.2}{:>10.2}{:>8.0}{}",
                line.system,
                line.rate,
                share(line.of_empty),
                share(line.of_echo),
                share(line.times_by_hand),
                line.p50_ms,
                line.p99_ms,
                line.p999_ms,
                line.processor_us,
                line.remark(),
            );
        }
        text
    }
}

impl Books {
    /// What was found, in a line.
    pub fn line(&self) -> String {
        let Self { name, acknowledged, stored, wrong } = self;
        let equal = if acknowledged == stored { "=" } else { "NOT EQUAL TO" };
        let books = match wrong {
            None => String::new(),
            Some(found) if found.is_empty() => "; audit: nothing found".to_owned(),
            Some(found) => format!("; AUDIT: {}", found.join("; ")),
        };
        format!("{name}: {acknowledged} acknowledged {equal} {stored} stored{books}")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn measured(operations: u64) -> Measured {
        let mut latencies = hdrhistogram::Histogram::new(3).unwrap();
        latencies.record(1500).unwrap();
        let elapsed = Duration::from_secs(2);
        Measured { calls: operations, operations, elapsed, latencies, ..Measured::default() }
    }

    #[test]
    fn rates_are_put_in_proportion_to_the_ceilings_and_to_the_same_back_end_by_hand() {
        let line = |kind, operations| Line::new("", Some(kind), &measured(operations), None);
        let load = Load::new(
            "a load",
            "issues/s",
            vec![
                line(Kind::Empty, 20_000),
                line(Kind::Echo, 12_000),
                line(Kind::ByHand(Backend::Postgres), 1_000),
                line(Kind::ByHand(Backend::Sqlite), 2_000),
                line(Kind::House(Backend::Postgres), 6_000),
            ],
        );
        let house = load.lines.last().unwrap();
        assert_eq!((house.of_empty, house.of_echo, house.times_by_hand), (Some(0.3), Some(0.5), Some(6.0)));
        assert_eq!(house.p50_ms, 1.5);
        assert!(load.table().contains("0.30     0.50     6.00      1.50"));
    }
}

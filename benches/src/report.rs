//! What was found: a table for people, JSON for programs.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::harness::Measured;
use crate::system::{Backend, Books, Kind};

/// Everything a run found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// What was asked, as text.
    pub command: String,
    /// Cores that the callers, the servers and the databases share.
    pub cores: usize,
    pub loads: Vec<Load>,
    pub figures: Vec<Figure>,
    pub books: Vec<Books>,
}

impl Report {
    /// A report of this run, with nothing in it yet.
    ///
    /// # Errors
    /// If the system does not tell how many cores there are.
    pub fn of_this_run() -> Result<Self> {
        Ok(Self {
            command: std::env::args().skip(1).collect::<Vec<_>>().join(" "),
            cores: std::thread::available_parallelism()?.get(),
            loads: Vec::new(),
            figures: Vec::new(),
            books: Vec::new(),
        })
    }

    /// # Errors
    /// If the file cannot be read, or is no report.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is no report of this program", path.display()))
    }

    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        std::fs::write(path, text + "\n").with_context(|| format!("writing {}", path.display()))
    }
}

/// One way of loading, and what each system made of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Load {
    pub name: String,
    /// What the rates count.
    pub unit: String,
    /// The machine's load average when it began: what else was running.
    pub load_average: Option<f64>,
    pub lines: Vec<Line>,
}

/// What a system made of a load. Latencies are in milliseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
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
    /// The rate as a share of another one that was measured in turns with it.
    pub share: Option<Share>,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub p999_ms: f64,
    pub max_ms: f64,
    /// Processor time of an operation in microseconds, callers and server (and SQLite, not PostgreSQL) together.
    pub processor_us: f64,
    /// Kilobytes (of 1,000 bytes) written for an operation: what SQLite hands to `write`, or PostgreSQL's log.
    pub written_kb: Option<f64>,
    pub failed: u64,
    pub note: Option<String>,
    /// The turns one by one, for whoever compares.
    pub rounds: Vec<Round>,
}

/// A rate as a share of another.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Share {
    pub of: String,
    pub share: f64,
}

/// One turn of a system under a load.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Round {
    pub rate: f64,
    pub p99_ms: f64,
    pub processor_us: f64,
    pub written_kb: Option<f64>,
}

impl Round {
    fn new(measured: &Measured) -> Self {
        Self {
            rate: measured.rate(),
            p99_ms: millis(measured, 0.99),
            processor_us: measured.processor_micros(),
            written_kb: measured.written_kilobytes(),
        }
    }
}

fn millis(measured: &Measured, quantile: f64) -> f64 {
    measured.latencies.value_at_quantile(quantile) as f64 / 1e3
}

impl Line {
    pub fn new(system: &str, kind: Option<Kind>, rounds: &[Measured], note: Option<String>) -> Self {
        let mut all = Measured::default();
        for round in rounds {
            all.add(round);
        }
        let failure = all.failure.as_ref().map(|failure| format!("{} failed: {failure}", all.failed));
        Self {
            system: system.to_owned(),
            kind,
            rate: all.rate(),
            of_empty: None,
            of_echo: None,
            times_by_hand: None,
            share: None,
            p50_ms: millis(&all, 0.5),
            p99_ms: millis(&all, 0.99),
            p999_ms: millis(&all, 0.999),
            max_ms: all.latencies.max() as f64 / 1e3,
            processor_us: all.processor_micros(),
            written_kb: all.written_kilobytes(),
            failed: all.failed,
            note: failure.or(note),
            rounds: rounds.iter().map(Round::new).collect(),
        }
    }

    /// Says which share of another rate this one is.
    #[must_use]
    pub fn share_of(mut self, other: &Self, what: &str) -> Self {
        self.share = (other.rate > 0.0).then(|| Share { of: what.to_owned(), share: self.rate / other.rate });
        self
    }

    /// What stands beside the figures.
    fn remark(&self) -> String {
        let share = self.share.as_ref().map(|share| format!("   {:.2} of {}", share.share, share.of));
        let note = self.note.as_ref().map(|note| format!("   {note}"));
        share.into_iter().chain(note).collect()
    }
}

/// A number that is no rate: a time, a size.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Figure {
    pub name: String,
    pub system: String,
    pub unit: String,
    /// As often as it was measured.
    pub values: Vec<f64>,
    /// The machine's load average before.
    pub load_average: Option<f64>,
}

impl Figure {
    /// The figure in a line.
    pub fn line(&self) -> String {
        let Self { name, system, unit, .. } = self;
        let load = self.load_average.map_or_else(String::new, |load| format!("   (load average {load:.2})"));
        let text = match &self.values[..] {
            [] => "?".to_owned(),
            [one] => format!("{one:.3}"),
            many => {
                let (low, high) = range(many).unwrap_or_default();
                format!("{:.3} ({low:.3} to {high:.3})", median(many).unwrap_or_default())
            }
        };
        format!("{system}: {name}: {text} {unit}{load}")
    }
}

/// The middle one of some values.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    if sorted.len() % 2 == 1 { Some(upper) } else { Some((sorted[middle - 1] + upper) / 2.0) }
}

/// The smallest value that is no less than so large a share of all of them.
pub fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    (1..=sorted.len()).find(|rank| *rank as f64 >= share * sorted.len() as f64).map(|rank| sorted[rank - 1])
}

/// The lowest and the highest of some values.
pub fn range(values: &[f64]) -> Option<(f64, f64)> {
    Some((values.iter().copied().reduce(f64::min)?, values.iter().copied().reduce(f64::max)?))
}

/// A load average, as text.
pub fn load_text(load: Option<f64>) -> String {
    load.map_or_else(|| "not told".to_owned(), |load| format!("{load:.2}"))
}

/// The load that the targets are about.
pub const TARGET_LOAD: &str = "unary, 256 in flight, 20 brands";

/// What the house is of the others under [`TARGET_LOAD`], in a few lines.
pub fn in_proportion(loads: &[Load]) -> String {
    let mut text = String::new();
    let figure = |figure: Option<f64>| figure.map_or_else(|| "?".to_owned(), |figure| format!("{figure:.2}"));
    if let Some(load) = loads.iter().find(|load| load.name == TARGET_LOAD) {
        let _ = writeln!(text, "\n{TARGET_LOAD}:");
        for backend in [Backend::Sqlite, Backend::Postgres] {
            let Some(line) = load.lines.iter().find(|line| line.kind == Some(Kind::House(backend))) else { continue };
            let (empty, echo, hand) = (figure(line.of_empty), figure(line.of_echo), figure(line.times_by_hand));
            let _ =
                writeln!(text, "  {}: {empty} of an empty call, {echo} of the echo, {hand} times by hand", line.system);
        }
    }
    text
}

impl Load {
    /// Puts the rates in proportion.
    pub fn new(name: impl Into<String>, unit: &str, load_average: Option<f64>, mut lines: Vec<Line>) -> Self {
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
        Self { name: name.into(), unit: unit.to_owned(), load_average, lines }
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
        let mut text = format!("\n{}   (load average {})\n", self.name, load_text(self.load_average));
        let width = self.lines.iter().map(|line| line.system.len() + 2).fold(34, usize::max);
        let _ = writeln!(
            text,
            "  {:width$}{:>11}{:>9}{:>9}{:>9}{:>10}{:>10}{:>10}{:>8}{:>8}",
            "", self.unit, "of empty", "of echo", "x hand", "p50 ms", "p99 ms", "p99.9 ms", "cpu us", "kB"
        );
        for line in &self.lines {
            let share = |share: Option<f64>| share.map_or_else(String::new, |share| format!("{share:.2}"));
            let _ = writeln!(
                text,
                "  {:width$}{:>11.0}{:>9}{:>9}{:>9}{:>10.2}{:>10.2}{:>10.2}{:>8.0}{:>8}{}",
                line.system,
                line.rate,
                share(line.of_empty),
                share(line.of_echo),
                share(line.times_by_hand),
                line.p50_ms,
                line.p99_ms,
                line.p999_ms,
                line.processor_us,
                share(line.written_kb),
                line.remark(),
            );
        }
        text
    }
}

impl Books {
    /// What was found, in a line.
    pub fn line(&self) -> String {
        let Self { name, acknowledged, stored, wrong, .. } = self;
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
        let (elapsed, written) = (Duration::from_secs(2), Some(operations * 9_000));
        Measured { calls: operations, operations, elapsed, latencies, written, ..Measured::default() }
    }

    #[test]
    fn rates_are_put_in_proportion_to_the_ceilings_and_to_the_same_back_end_by_hand() {
        let line = |kind, operations| Line::new("", Some(kind), &[measured(operations)], None);
        let load = Load::new(
            "a load",
            "issues/s",
            Some(0.25),
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
        assert_eq!((house.p50_ms, house.written_kb), (1.5, Some(9.0)));
        let table = load.table();
        assert!(table.contains("(load average 0.25)"), "{table}");
        assert!(table.contains("0.30     0.50     6.00      1.50"), "{table}");
    }

    #[test]
    fn a_line_is_of_all_its_rounds() {
        let line = Line::new("", None, &[measured(1_000), measured(3_000)], None);
        let rates: Vec<f64> = line.rounds.iter().map(|round| round.rate).collect();
        assert_eq!((line.rate, rates), (1_000.0, vec![500.0, 1_500.0]));
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn of_fewer_than_a_hundred_values_the_99th_percentile_is_the_largest() {
        let values: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!((quantile(&values, 0.99), quantile(&values[1..], 0.99)), (Some(99.0), Some(99.0)));
        assert_eq!(quantile(&[], 0.99), None);
    }
}

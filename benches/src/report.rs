//! What was found: a table for people, JSON for programs.

use std::fmt::Write as _;

use serde::Serialize;

use crate::harness::Measured;
use crate::system::{Books, Kind};

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
    /// The rate as a share of the ceiling's under the same load.
    pub of_ceiling: Option<f64>,
    /// How often the rate of the hand-written service on the same back end goes into it.
    pub times_by_hand: Option<f64>,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub p999_ms: f64,
    pub max_ms: f64,
    pub failed: u64,
    pub note: Option<String>,
}

impl Line {
    pub fn new(system: &str, kind: Option<Kind>, measured: &Measured, note: Option<String>) -> Self {
        let quantile = |share| measured.latencies.value_at_quantile(share) as f64 / 1e3;
        let failure = measured.failure.as_ref().map(|failure| format!("{} failed: {failure}", measured.failed));
        Self {
            system: system.to_owned(),
            kind,
            rate: measured.rate(),
            of_ceiling: None,
            times_by_hand: None,
            p50_ms: quantile(0.5),
            p99_ms: quantile(0.99),
            p999_ms: quantile(0.999),
            max_ms: measured.latencies.max() as f64 / 1e3,
            failed: measured.failed,
            note: failure.or(note),
        }
    }
}

impl Load {
    /// Puts the rates in proportion.
    pub fn new(name: impl Into<String>, unit: &'static str, mut lines: Vec<Line>) -> Self {
        let rate = |wanted: Kind| lines.iter().find(|line| line.kind == Some(wanted)).map(|line| line.rate);
        let ceiling = rate(Kind::Ceiling);
        let by_hand: Vec<Option<f64>> = lines
            .iter()
            .map(|line| match line.kind {
                Some(Kind::House(backend)) => rate(Kind::ByHand(backend)),
                Some(Kind::Ceiling | Kind::EmptyAnswer | Kind::ByHand(_)) | None => None,
            })
            .collect();
        for (line, by_hand) in lines.iter_mut().zip(by_hand) {
            line.of_ceiling =
                ceiling.filter(|ceiling| *ceiling > 0.0 && line.kind.is_some()).map(|ceiling| line.rate / ceiling);
            line.times_by_hand = by_hand.filter(|by_hand| *by_hand > 0.0).map(|by_hand| line.rate / by_hand);
        }
        Self { name: name.into(), unit, lines }
    }

    /// Takes the shares out again: under an open loop all systems have the same rate.
    #[must_use]
    pub fn without_shares(mut self) -> Self {
        for line in &mut self.lines {
            (line.of_ceiling, line.times_by_hand) = (None, None);
        }
        self
    }

    /// The load as a table.
    pub fn table(&self) -> String {
        let mut text = format!("\n{}\n", self.name);
        let _ = writeln!(
            text,
            "  {:26}{:>12}{:>9}{:>9}{:>10}{:>10}{:>10}",
            "", self.unit, "of ceil.", "x hand", "p50 ms", "p99 ms", "p99.9 ms"
        );
        for line in &self.lines {
            let share = |share: Option<f64>| share.map_or_else(String::new, |share| format!("{share:.2}"));
            let _ = writeln!(
                text,
                "  {:26}{:>12.0}{:>9}{:>9}{:>10.2}{:>10.2}{:>10.2}{}",
                line.system,
                line.rate,
                share(line.of_ceiling),
                share(line.times_by_hand),
                line.p50_ms,
                line.p99_ms,
                line.p999_ms,
                line.note.as_ref().map_or_else(String::new, |note| format!("   {note}")),
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
            Some(found) if found.is_empty() => "; the books balance".to_owned(),
            Some(found) => format!("; WRONG: {}", found.join("; ")),
        };
        format!("{name}: {acknowledged} acknowledged {equal} {stored} stored{books}")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::system::Backend;

    fn measured(operations: u64) -> Measured {
        let mut latencies = hdrhistogram::Histogram::new(3).unwrap();
        latencies.record(1500).unwrap();
        let elapsed = Duration::from_secs(2);
        Measured { calls: operations, operations, failed: 0, failure: None, elapsed, latencies }
    }

    #[test]
    fn rates_are_put_in_proportion_to_the_ceiling_and_to_the_same_back_end_by_hand() {
        let line = |kind, operations| Line::new("", Some(kind), &measured(operations), None);
        let load = Load::new(
            "a load",
            "issues/s",
            vec![
                line(Kind::Ceiling, 20_000),
                line(Kind::ByHand(Backend::Postgres), 1_000),
                line(Kind::ByHand(Backend::Sqlite), 2_000),
                line(Kind::House(Backend::Postgres), 6_000),
            ],
        );
        let house = load.lines.last().unwrap();
        assert_eq!((house.rate, house.of_ceiling, house.times_by_hand), (3_000.0, Some(0.3), Some(6.0)));
        assert_eq!(house.p50_ms, 1.5);
        assert!(load.table().contains("0.30     6.00      1.50"));
    }
}

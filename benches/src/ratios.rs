//! Two builds beside each other: what the rounds of one came to, as a ratio of what those of the other did.
//!
//! Builds are run in turns, and their ratio is what decides; an absolute figure depends on the machine and its neighbours. A
//! ratio is marked where the rounds of the two do not overlap: the lowest of one is above the highest of the other.

use std::fmt::Write as _;

use crate::report::{Report, median, range};

/// What is compared of a load, and of anything else.
const OF_LOAD: [&str; 4] = ["rate", "p99 ms", "cpu us", "kB"];

/// Values of one thing that both builds measured.
struct Row {
    load: String,
    system: String,
    what: String,
    earlier: Vec<f64>,
    later: Vec<f64>,
}

/// The ratios of later reports with earlier ones, as a table. What only one of the two measured is left out.
pub fn ratios(earlier: &[Report], later: &[Report]) -> String {
    let mut text = format!(
        "\n| load | system | what | earlier | later | ratio |\n|---|---|---|---|---|---|\n{}",
        rows(earlier, later).iter().map(Row::line).collect::<String>()
    );
    let _ = writeln!(text, "\n* the rounds of the two do not overlap");
    for (which, reports) in [("earlier", earlier), ("later", later)] {
        let _ = writeln!(text, "load averages, {which}: {}", load_averages(reports));
    }
    text
}

/// When each load of a build began.
fn load_averages(reports: &[Report]) -> String {
    let of_loads = reports.iter().flat_map(|report| &report.loads).map(|load| load.load_average);
    let of_figures = reports.iter().flat_map(|report| &report.figures).map(|figure| figure.load_average);
    let told = of_loads.chain(of_figures).flatten();
    told.map(|load| format!("{load:.2}")).collect::<Vec<_>>().join(", ")
}

fn rows(earlier: &[Report], later: &[Report]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    each(later, |load, system, what, value| {
        let same = |row: &&mut Row| (&*row.load, &*row.system, &*row.what) == (load, system, what);
        match rows.iter_mut().find(same) {
            Some(row) => row.later.push(value),
            None => rows.push(Row {
                load: load.to_owned(),
                system: system.to_owned(),
                what: what.to_owned(),
                earlier: Vec::new(),
                later: vec![value],
            }),
        }
    });
    each(earlier, |load, system, what, value| {
        let same = |row: &&mut Row| (&*row.load, &*row.system, &*row.what) == (load, system, what);
        if let Some(row) = rows.iter_mut().find(same) {
            row.earlier.push(value);
        }
    });
    rows.retain(|row| !row.earlier.is_empty());
    rows
}

/// Every value of some reports: load, system, what it is of, value.
fn each(reports: &[Report], mut found: impl FnMut(&str, &str, &str, f64)) {
    for report in reports {
        for load in &report.loads {
            for line in &load.lines {
                for round in &line.rounds {
                    let values = [Some(round.rate), Some(round.p99_ms), Some(round.processor_us), round.written_kb];
                    for (what, value) in OF_LOAD.into_iter().zip(values) {
                        if let Some(value) = value {
                            found(&load.name, &line.system, what, value);
                        }
                    }
                }
            }
        }
        for figure in &report.figures {
            for value in &figure.values {
                found(&figure.name, &figure.system, &figure.unit, *value);
            }
        }
    }
}

impl Row {
    fn line(&self) -> String {
        let Self { load, system, what, earlier, later } = self;
        let side = |values: &[f64]| {
            let (low, high) = range(values).unwrap_or_default();
            let middle = median(values).unwrap_or_default();
            if values.len() == 1 {
                short(middle)
            } else {
                format!("{} ({} to {})", short(middle), short(low), short(high))
            }
        };
        let ratio = median(earlier).zip(median(later)).filter(|(earlier, _)| *earlier > 0.0);
        let ratio = ratio.map_or_else(|| "?".to_owned(), |(earlier, later)| format!("{:.2}", later / earlier));
        let mark = if apart(earlier, later) { " *" } else { "" };
        format!("| {load} | {system} | {what} | {} | {} | {ratio}{mark} |\n", side(earlier), side(later))
    }
}

/// Whether the values of the two do not overlap. One of each says nothing.
fn apart(one: &[f64], other: &[f64]) -> bool {
    let (Some(first), Some(second)) = (range(one), range(other)) else { return false };
    one.len() > 1 && other.len() > 1 && (first.1 < second.0 || second.1 < first.0)
}

/// Three digits are enough for anybody.
fn short(value: f64) -> String {
    match value {
        0.0..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Figure, Line, Load, Round};

    fn report(system: &str, rates: &[f64]) -> Report {
        let mut line = Line::new(system, None, &[], None);
        let round = |rate: &f64| Round { rate: *rate, p99_ms: 4.0, processor_us: 80.0, written_kb: Some(9.0) };
        line.rounds = rates.iter().map(round).collect();
        let load = Load::new("a load", "issues/s", Some(0.5), vec![line]);
        Report { command: String::new(), cores: 2, loads: vec![load], figures: Vec::new(), books: Vec::new() }
    }

    #[test]
    fn a_ratio_is_marked_where_the_rounds_do_not_overlap() {
        let earlier = [report("house", &[1_000.0]), report("house", &[1_100.0])];
        let text = ratios(&earlier, &[report("house", &[2_000.0, 2_200.0])]);
        assert!(
            text.contains("| a load | house | rate | 1050 (1000 to 1100) | 2100 (2000 to 2200) | 2.00 * |"),
            "{text}"
        );
        assert!(text.contains("| p99 ms | 4.00 (4.00 to 4.00) | 4.00 (4.00 to 4.00) | 1.00 |"), "{text}");
        let text = ratios(&earlier, &[report("house", &[1_050.0, 2_200.0])]);
        assert!(text.contains("| 1.55 |"), "{text}");
    }

    #[test]
    fn one_round_of_each_is_no_spread() {
        let text = ratios(&[report("house", &[1_000.0])], &[report("house", &[2_000.0])]);
        assert!(text.contains("| 2.00 |"), "{text}");
    }

    #[test]
    fn what_only_one_build_measured_is_left_out() {
        let (mut one, other) = (report("house", &[1_000.0]), report("another house", &[1_000.0]));
        let figure = |value| Figure {
            name: "bytes stored an entry".to_owned(),
            system: "house".to_owned(),
            unit: "bytes".to_owned(),
            values: vec![value],
            load_average: None,
        };
        one.figures.push(figure(500.0));
        let text = ratios(&[one.clone()], std::slice::from_ref(&other));
        assert!(!text.contains("a load") && !text.contains("stored"), "{text}");
        let mut other = other;
        other.figures.push(figure(250.0));
        assert!(ratios(&[one], &[other]).contains("| 500 | 250 | 0.50 |"));
    }
}

//! What commands print: the only place that writes to standard output and standard error.
//!
//! People get sentences and tables, programs one JSON document. Whoever stops reading (`| head`) is no error.

use std::io::{self, IsTerminal as _, Write};
use std::time::SystemTime;

use clap::ValueEnum;
use serde_json::Value;

use crate::failure::Failure;

/// For whom a command prints.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Sentences and tables for people.
    #[default]
    Table,
    /// One JSON document for programs.
    Json,
}

/// Where a command's answer goes.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    format: Format,
}

impl Output {
    /// In this format.
    pub const fn new(format: Format) -> Self {
        Self { format }
    }

    /// Whether somebody is there who can be asked.
    pub fn is_dialogue(self) -> bool {
        self.format == Format::Table && io::stderr().is_terminal() && io::stdin().is_terminal()
    }

    /// Asks somebody for a line. Nothing was answered if the input has ended.
    pub fn ask(self, question: &str) -> String {
        let (mut err, mut line) = (io::stderr().lock(), String::new());
        // Whoever cannot be asked or heard has answered nothing.
        let asked = write!(err, "{question} ").and_then(|()| err.flush());
        let _ = asked.and_then(|()| io::stdin().read_line(&mut line));
        line.trim().to_owned()
    }

    /// Prints an answer.
    pub fn show(self, answer: &Answer) {
        match self.format {
            Format::Table => put(io::stdout().lock(), &answer.text),
            Format::Json => put(io::stdout().lock(), &format!("{:#}", answer.json)),
        }
    }

    /// Prints why there is no answer.
    pub fn failure(self, failure: &Failure) {
        match self.format {
            Format::Table => put(io::stderr().lock(), &failure.to_text()),
            Format::Json => put(io::stderr().lock(), &format!("{:#}", failure.to_json())),
        }
    }
}

fn put(mut out: impl Write, text: &str) {
    // A closed pipe or a full disk: there is no other place to say so, and what the command did is done.
    let _ = writeln!(out, "{}", text.trim_end_matches('\n')).and_then(|()| out.flush());
}

/// What a command answers: the same for programs and for people.
#[derive(Debug)]
pub struct Answer {
    json: Value,
    text: String,
    /// Why the command fails although it has an answer.
    pub failure: Option<Failure>,
}

impl Answer {
    /// For programs, and for people.
    pub fn new(json: Value, text: impl Into<String>) -> Self {
        Self { json, text: text.into(), failure: None }
    }

    /// The same, after which the command fails: what it was asked for is there, and is not as it should be.
    pub fn but(self, failure: Failure) -> Self {
        Self { failure: Some(failure), ..self }
    }
}

/// Rows below their header, each column as wide as its widest cell.
pub fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let header: Vec<String> = header.iter().map(|name| (*name).to_owned()).collect();
    let lines: Vec<&Vec<String>> = std::iter::once(&header).chain(rows).collect();
    let width = |at: usize| lines.iter().filter_map(|line| line.get(at)).map(|cell| cell.chars().count()).max();
    let line = |cells: &Vec<String>| {
        let padded = cells.iter().enumerate().map(|(at, cell)| {
            let width = width(at).unwrap_or_default();
            format!("{cell:width$}")
        });
        format!("{}\n", padded.collect::<Vec<_>>().join("  ").trim_end())
    };
    lines.iter().map(|cells| line(cells)).collect()
}

/// A moment, in UTC: RFC 3339.
pub fn moment(time: SystemTime) -> String {
    jiff::Timestamp::try_from(time).map_or_else(|_| "beyond the calendar".to_owned(), |moment| moment.to_string())
}

//! What commands print: the only place that writes to standard output and, apart from the log, to standard error.
//!
//! People get sentences and tables, programs one JSON document. Whoever stops reading (`| head`) is no error.

use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, Table};
use serde_json::{Value, json};

use crate::failure::{Exit, Failure};
use crate::files::{NewFile, may_write};

/// The columns of a screen, for tables that keep to them.
const WIDTH_MAX: u16 = 80;

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

    /// Whether a program reads.
    pub fn is_json(self) -> bool {
        self.format == Format::Json
    }

    /// Whether somebody watches: progress may be shown.
    pub fn is_watched(self) -> bool {
        !self.is_json() && io::stderr().is_terminal()
    }

    /// Whether somebody is there who can be asked.
    pub fn is_dialogue(self) -> bool {
        self.is_watched() && io::stdin().is_terminal()
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
        if let Some(file) = &answer.file {
            return self.raw(file);
        }
        match self.format {
            Format::Table => put(io::stdout().lock(), &answer.page.0),
            Format::Json => put(io::stdout().lock(), &format!("{:#}", answer.json)),
        }
    }

    /// Prints the one line by which a server says that it serves. The same for people and programs.
    pub fn line(self, text: &str) {
        put(io::stdout().lock(), text);
    }

    /// Shows somebody at the terminal what they are going to be asked about.
    pub fn show_before(self, page: &Page) {
        if !page.0.is_empty() {
            put(io::stderr().lock(), &page.0);
        }
    }

    /// Tells people what is under way, beside the answer; programs wait for it.
    pub fn note(self, text: &str) {
        if !self.is_json() {
            put(io::stderr().lock(), text);
        }
    }

    /// Prints a text as it is: a file that is meant to be redirected.
    pub fn raw(self, text: &str) {
        let mut out = io::stdout().lock();
        // As below: nobody is left to tell.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }

    /// Begins a long answer, which is written piece by piece.
    ///
    /// # Errors
    /// A file that is there and may not be overwritten, or that cannot be made.
    pub fn begin(self, destination: &Destination) -> Result<Writing, Failure> {
        let target = match &destination.out {
            Some(path) => Target::File(BufWriter::new(NewFile::new(path, destination.force)?), path.clone()),
            None => Target::Standard(BufWriter::new(io::stdout())),
        };
        Ok(Writing { target, is_read: true })
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

/// Where a long answer goes.
#[derive(Debug, Clone, Args)]
pub struct Destination {
    /// Writes it to this file. Left out: to standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Overwrites the file of --out if there is one.
    #[arg(long, requires = "out")]
    force: bool,
}

impl Destination {
    /// The file, if it is one.
    pub fn file(&self) -> Option<&Path> {
        self.out.as_deref()
    }

    /// Refuses a file that is there, before anybody is asked for anything.
    pub fn may_write(&self) -> Result<(), Failure> {
        self.out.as_deref().map_or(Ok(()), |path| may_write(path, self.force))
    }
}

/// A long answer under way. No more of it is in memory than the piece that is written.
///
/// A file is there under its name when it is whole; before that, nothing of it is.
pub struct Writing {
    target: Target,
    is_read: bool,
}

enum Target {
    Standard(BufWriter<io::Stdout>),
    File(BufWriter<NewFile>, PathBuf),
}

impl Writing {
    /// The next piece, as it is.
    ///
    /// # Errors
    /// What the disk says. Whoever stops reading is none: see [`is_read`](Self::is_read).
    pub fn put(&mut self, text: &str) -> Result<(), Failure> {
        if !self.is_read {
            return Ok(());
        }
        let written = match &mut self.target {
            Target::Standard(out) => out.write_all(text.as_bytes()),
            Target::File(out, _) => out.write_all(text.as_bytes()),
        };
        self.heard(written)
    }

    /// Whether somebody reads it still: nothing more need be made after `| head` has ended.
    pub fn is_read(&self) -> bool {
        self.is_read
    }

    /// All is written.
    ///
    /// # Errors
    /// As of [`put`](Self::put).
    pub fn end(mut self) -> Result<Answer, Failure> {
        let flushed = match &mut self.target {
            Target::Standard(out) => out.flush(),
            Target::File(out, _) => out.flush(),
        };
        self.heard(flushed)?;
        match self.target {
            Target::Standard(_) => Ok(Answer::new(Value::Null, Page::new()).in_a_file(String::new())),
            Target::File(out, path) => {
                let file = out.into_inner().map_err(|error| Self::failed(error.error(), Some(&path)))?;
                file.keep()?;
                let json = json!({ "file": path.display().to_string() });
                Ok(Answer::new(json, Page::new().text(format!("Written to {}.", path.display()))))
            }
        }
    }

    fn heard(&mut self, written: io::Result<()>) -> Result<(), Failure> {
        match (written, &self.target) {
            (Ok(()), _) => Ok(()),
            (Err(error), Target::Standard(_)) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.is_read = false;
                Ok(())
            }
            (Err(error), Target::Standard(_)) => Err(Self::failed(&error, None)),
            (Err(error), Target::File(_, path)) => Err(Self::failed(&error, Some(path))),
        }
    }

    /// Half a statement must not pass for a whole one.
    fn failed(error: &io::Error, path: Option<&Path>) -> Failure {
        let what = path.map_or_else(|| "standard output".to_owned(), |path| path.display().to_string());
        Failure::new(Exit::Internal, format!("cannot write {what} to its end: {error}"))
            .hint("make room, or name a file on another disk with --out")
    }
}

/// What a command answers.
#[derive(Debug, Clone)]
pub struct Answer {
    json: Value,
    page: Page,
    /// What is printed instead of both, as it is.
    file: Option<String>,
    /// Why the command fails although it has an answer.
    pub failure: Option<Failure>,
}

impl Answer {
    /// The same for programs and for people.
    pub fn new(json: Value, page: Page) -> Self {
        Self { json, page, file: None, failure: None }
    }

    /// The same as a file in a format of its own, which is meant to be redirected.
    #[must_use]
    pub fn in_a_file(self, file: String) -> Self {
        Self { file: Some(file), ..self }
    }

    /// The same, after which the command fails: what it was asked for is there, and is not as it should be.
    #[must_use]
    pub fn but(self, failure: Failure) -> Self {
        Self { failure: Some(failure), ..self }
    }
}

/// An answer for people.
#[derive(Debug, Clone, Default)]
pub struct Page(String);

impl Page {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// One line.
    pub fn text(mut self, line: impl AsRef<str>) -> Self {
        self.0.push_str(line.as_ref());
        self.0.push('\n');
        self
    }

    /// A table. Columns whose name begins with `>` are aligned to the right, without the sign: amounts and counts.
    pub fn table(self, header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> Self {
        self.table_within(None, header, rows)
    }

    /// The same in no more columns of the screen than these: texts go on in further rows of it, amounts and counts do not.
    pub fn narrow_table(self, header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> Self {
        self.table_within(Some(WIDTH_MAX), header, rows)
    }

    fn table_within(
        mut self,
        width: Option<u16>,
        header: &[&str],
        rows: impl IntoIterator<Item = Vec<String>>,
    ) -> Self {
        let right: Vec<bool> = header.iter().map(|name| name.starts_with('>')).collect();
        let cell = |at: usize, text: &str| {
            let aligned =
                if right.get(at).copied().unwrap_or(false) { CellAlignment::Right } else { CellAlignment::Left };
            Cell::new(text).set_alignment(aligned)
        };
        let mut table = Table::new();
        table.load_preset(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(header.iter().enumerate().map(|(at, name)| cell(at, name.trim_start_matches('>'))));
        for row in rows {
            table.add_row(row.iter().enumerate().map(|(at, text)| cell(at, text)));
        }
        if let Some(width) = width {
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
            for (column, _) in table.column_iter_mut().zip(&right).filter(|(_, right)| **right) {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
        self.0.push_str(&table.to_string());
        self.0.push('\n');
        self
    }

    /// What to do next.
    pub fn next(self, hint: impl AsRef<str>) -> Self {
        self.text(format!("Next: {}", hint.as_ref()))
    }

    /// As it is printed, piece by piece.
    pub fn as_text(&self) -> &str {
        &self.0
    }

    /// One page after the other.
    pub fn and(mut self, other: &Self) -> Self {
        self.0.push_str(&other.0);
        self
    }
}

//! What commands print: the only place that writes to standard output and, apart from the log, to standard error.
//!
//! People get sentences and tables, programs one JSON document. Whoever stops reading (`| head`) is no error.
//!
//! A table is laid out for the width that there is, `--columns`, else the terminal's, else 80:
//!
//! | it is | then |
//! |---|---|
//! | no wider | it stands as it is |
//! | wider | words go on in the next line of their cell; amounts stay whole |
//! | wider still: a column would be narrower than eight characters | each row is a list of its columns, one a line |

use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use clap::{Args, ValueEnum};
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use serde_json::{Value, json};
use terminal_size::{Width, terminal_size};
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::failure::{Exit, Failure};
use crate::files::{NewFile, may_write};

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
    columns: Option<u16>,
}

/// A secret that somebody types is no longer, so that the buffer does not grow and leave what it held behind.
const SECRET_BYTES: usize = 1_024;

/// How wide a page is that nobody looks at and for which nobody said it.
const COLUMNS_DEFAULT: u16 = 80;

impl Output {
    /// In this format, for so many columns if somebody said so.
    pub const fn new(format: Format, columns: Option<u16>) -> Self {
        Self { format, columns }
    }

    fn columns(self) -> usize {
        let columns = self.columns.or_else(|| terminal_size().map(|(Width(columns), _)| columns));
        columns.unwrap_or(COLUMNS_DEFAULT).into()
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
        *ASKED.lock().expect("nobody panics with the lock") = Some(Instant::now());
        line.trim().to_owned()
    }

    /// Asks somebody for a secret, which the terminal does not show.
    pub fn ask_hidden(self, question: &str) -> Zeroizing<String> {
        let (stdin, mut err) = (io::stdin(), io::stderr().lock());
        let shown = tcgetattr(&stdin).ok();
        let echo = |shown: &Termios, echo: bool| {
            let mut modes = shown.clone();
            modes.local_modes.set(LocalModes::ECHO, echo && shown.local_modes.contains(LocalModes::ECHO));
            // A terminal that cannot be told so shows what is typed, and the question was asked all the same.
            let _ = tcsetattr(&stdin, OptionalActions::Now, &modes);
        };
        shown.iter().for_each(|shown| echo(shown, false));
        let mut line = Zeroizing::new(String::with_capacity(SECRET_BYTES));
        let asked = write!(err, "{question} ").and_then(|()| err.flush());
        let _ = asked.and_then(|()| stdin.read_line(&mut line));
        shown.iter().for_each(|shown| echo(shown, true));
        let _ = writeln!(err);
        *ASKED.lock().expect("nobody panics with the lock") = Some(Instant::now());
        Zeroizing::new(line.trim_end_matches(['\r', '\n']).to_owned())
    }

    /// Prints an answer.
    pub fn show(self, answer: &Answer) {
        if let Some(file) = &answer.file {
            return self.raw(file);
        }
        match self.format {
            Format::Table => put(io::stdout().lock(), &answer.page.laid_out(self.columns())),
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
            put(io::stderr().lock(), &page.laid_out(self.columns()));
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
        Ok(Writing { target, columns: self.columns(), is_read: true })
    }

    /// Prints why there is no answer.
    pub fn failure(self, failure: &Failure) {
        match self.format {
            Format::Table => put(io::stderr().lock(), &failure.to_text()),
            Format::Json => put(io::stderr().lock(), &format!("{:#}", failure.to_json())),
        }
    }
}

/// When somebody last answered a question.
static ASKED: Mutex<Option<Instant>> = Mutex::new(None);

/// Whether somebody answered a question no longer ago than this.
pub fn asked_within(time: Duration) -> bool {
    ASKED.lock().expect("nobody panics with the lock").is_some_and(|asked| asked.elapsed() <= time)
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
    columns: usize,
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

    /// The next piece, laid out for people.
    ///
    /// # Errors
    /// As of [`put`](Self::put).
    pub fn page(&mut self, page: &Page) -> Result<(), Failure> {
        let text = page.laid_out(self.columns);
        self.put(&text)
    }

    /// The same however wide it is.
    ///
    /// # Errors
    /// As of [`put`](Self::put).
    pub fn wide_page(&mut self, page: &Page) -> Result<(), Failure> {
        self.put(&page.laid_out(usize::MAX))
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
pub struct Page(Vec<Block>);

#[derive(Debug, Clone)]
enum Block {
    Line(String),
    Table(Table),
}

impl Page {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// One line.
    pub fn text(mut self, line: impl AsRef<str>) -> Self {
        self.0.push(Block::Line(line.as_ref().to_owned()));
        self
    }

    /// A table. Columns whose name begins with `>` are aligned to the right, without the sign: amounts and counts.
    pub fn table(mut self, header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> Self {
        let header = header.iter().map(|name| (*name).to_owned()).collect();
        self.0.push(Block::Table(Table { header, rows: rows.into_iter().collect() }));
        self
    }

    /// What to do next.
    pub fn next(self, hint: impl AsRef<str>) -> Self {
        self.text(format!("Next: {}", hint.as_ref()))
    }

    /// One page after the other.
    pub fn and(mut self, other: &Self) -> Self {
        self.0.extend(other.0.iter().cloned());
        self
    }

    fn laid_out(&self, columns: usize) -> String {
        let mut text = String::new();
        for block in &self.0 {
            match block {
                Block::Line(line) => text.push_str(line),
                Block::Table(table) => text.push_str(&table.laid_out(columns)),
            }
            text.push('\n');
        }
        text
    }
}

#[derive(Debug, Clone)]
struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// A column of words that is narrower is no column.
const NARROWEST: usize = 8;

/// What stands around the cells of a line: a border and two blanks for each, and a border at the end.
const fn around(cells: usize) -> usize {
    3 * cells + 1
}

impl Table {
    fn laid_out(&self, columns: usize) -> String {
        let mut table = self.drawn();
        let widths: Vec<usize> = table.column_max_content_widths().into_iter().map(usize::from).collect();
        if widths.iter().sum::<usize>() + around(widths.len()) <= columns {
            return table.to_string();
        }
        let least: usize = widths
            .iter()
            .enumerate()
            .map(|(at, width)| if self.is_amount(at) { *width } else { NARROWEST.min(*width) })
            .sum();
        if least + around(widths.len()) > columns {
            return self.listed(columns);
        }
        table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(u16::try_from(columns).unwrap_or(u16::MAX));
        for (at, column) in table.column_iter_mut().enumerate() {
            if self.is_amount(at) {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
        table.to_string()
    }

    fn is_amount(&self, at: usize) -> bool {
        self.header.get(at).is_some_and(|name| name.starts_with('>'))
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.header.iter().map(|name| name.trim_start_matches('>'))
    }

    fn drawn(&self) -> comfy_table::Table {
        let cell = |at: usize, text: &str| {
            let aligned = if self.is_amount(at) { CellAlignment::Right } else { CellAlignment::Left };
            Cell::new(text).set_alignment(aligned)
        };
        let mut table = comfy_table::Table::new();
        table.load_preset(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(self.names().enumerate().map(|(at, name)| cell(at, name)));
        for row in &self.rows {
            table.add_row(row.iter().enumerate().map(|(at, text)| cell(at, text)));
        }
        table
    }

    /// Each row as a list of its columns, those without a value left out.
    fn listed(&self, columns: usize) -> String {
        let label = self.names().map(|name| name.chars().count()).max().unwrap_or_default().min(columns / 3);
        let mut lines = Vec::new();
        for row in &self.rows {
            lines.push("-".repeat(columns));
            for (name, value) in self.names().zip(row).filter(|(_, value)| !value.is_empty()) {
                let names = wrapped(name, label);
                let values: Vec<String> =
                    value.lines().flat_map(|line| wrapped(line, columns.saturating_sub(label + 2).max(1))).collect();
                for at in 0..names.len().max(values.len()) {
                    let part = |parts: &[String]| parts.get(at).cloned().unwrap_or_default();
                    lines.push(format!("{:label$}  {}", part(&names), part(&values)).trim_end().to_owned());
                }
            }
        }
        lines.push("-".repeat(columns));
        lines.join("\n")
    }
}

/// A text in lines of so many characters at the most, broken between words where there are any.
fn wrapped(text: &str, most: usize) -> Vec<String> {
    let (most, mut lines) = (most.max(1), vec![String::new()]);
    for word in text.split(' ') {
        let letters: Vec<char> = word.chars().collect();
        let line = lines.last().expect("there is one from the beginning");
        if !line.is_empty() && line.chars().count() + 1 + letters.len() <= most {
            lines.last_mut().expect("as above").push_str(&format!(" {word}"));
            continue;
        }
        let mut pieces = letters.chunks(most).map(|piece| piece.iter().collect::<String>());
        if line.is_empty() {
            lines.pop();
            lines.push(pieces.next().unwrap_or_default());
        }
        lines.extend(pieces);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(header: &[&str], rows: &[&[&str]]) -> Page {
        Page::new().table(header, rows.iter().map(|row| row.iter().map(|text| (*text).to_owned()).collect()))
    }

    /// The characters of a text that are no blanks and no part of a table, in order of the alphabet.
    fn letters(text: &str) -> Vec<char> {
        let drawn = |letter: &char| "│┆─═╞╡╪┌┐└┘┬┴┼├┤-".contains(*letter);
        let mut letters: Vec<char> = text.chars().filter(|letter| !letter.is_whitespace() && !drawn(letter)).collect();
        letters.sort_unstable();
        letters
    }

    #[test]
    fn a_table_fits_the_width_that_there_is_and_nothing_of_it_is_lost() {
        let name = "The Most Excellent Grocery of the Northern Shore and All Its Branches and Heirs Ltd";
        let member = "member_points:0197f2a46d3e7c119c550242ac120002";
        let amount = "-9223372036854775.807";
        let pages = [
            table(&["partner", "name", ">amount"], &[&["GROCER", "Green Grocer", "1.00"]]),
            table(&["partner", "name", ">amount"], &[&["GROCER", name, amount], &["X", "", ""]]),
            table(&["account", ">points", ">RUB", "time"], &[&[member, amount, amount, "2026-02-01 03:00:00"]]),
            table(&["a", ">b", ">c", ">d", ">e"], &[&["x", amount, amount, amount, amount]]),
            table(
                &["a column with a name that is longer than any", ">b", "", "d"],
                &[&[name, amount, name, "one\ntwo"]],
            ),
        ];
        for page in pages {
            let whole = letters(&page.laid_out(10_000));
            for columns in [40, 60, 80, 120, 300] {
                let text = page.laid_out(columns);
                let longest = text.lines().map(|line| line.chars().count()).max().unwrap();
                assert!(longest <= columns, "{longest} columns for {columns}:\n{text}");
                let listed = !text.contains('│');
                let told = letters(&text);
                assert!(listed || told == whole, "{columns}:\n{text}");
                for word in [amount, "GROCER"] {
                    assert_eq!(
                        page.laid_out(10_000).contains(word),
                        text.contains(word),
                        "{word} for {columns}:\n{text}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_is_wider_than_a_table_can_be_is_a_list_of_its_columns() {
        let page = table(
            &["participant", "", ">amount, RUB", ">still due", "state"],
            &[
                &["GROCER", "pays", "9,223,372,036,854.77", "9,223,372,036,854.77", "DUE"],
                &["FUEL", "gets", "1.00", "", "PAID"],
            ],
        );
        let expected = "\
            ----------------------------------------\n\
            participant  GROCER\n             pays\namount, RUB  9,223,372,036,854.77\n\
            still due    9,223,372,036,854.77\nstate        DUE\n\
            ----------------------------------------\n\
            participant  FUEL\n             gets\namount, RUB  1.00\nstate        PAID\n\
            ----------------------------------------\n";
        assert_eq!(page.laid_out(40), expected);
    }
}

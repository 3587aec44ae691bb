//! `clearing statement`: what one partner's position came to in one window, and why.

mod added;
mod lines;
mod sheet;

use clap::{Args, ValueEnum};
use partner_sdk::{Statement, StatementLine};
use serde_json::Value;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{Answer, Destination, Page, Writing};
use crate::paper::{self, Head, Line, Running, render};
use crate::session::Session;
use crate::values;

pub use added::Added;
pub use lines::Lines;
use sheet::line_json;
pub use sheet::{NOT_DISCLOSED, Sheet, Step, coalition};

/// Lines that people are shown if they do not say how many.
const LINES_SHOWN: usize = 20;

/// Arguments of `statement`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Whose statement; "operator" for the operator's own.
    partner: String,
    /// Number of the window. Left out: the open one, so far.
    #[arg(long, value_name = "N", value_parser = values::whole::<i64>)]
    window: Option<i64>,
    /// How many lines at most; 0 lists none. Left out: 20 as text, all of them as csv, html and json.
    #[arg(long, value_name = "N", value_parser = values::whole::<usize>)]
    lines: Option<usize>,
    /// Goes on after so many lines.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = values::whole::<usize>)]
    skip: usize,
    /// How it is written. Left out: text, or as --output says.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// As text, each line in one row, wider than a screen of 80 columns.
    #[arg(long)]
    wide: bool,
    #[command(flatten)]
    destination: Destination,
}

/// How a statement is written: the same in other clothes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Tables for people.
    Text,
    /// One file for a spreadsheet: a row for each amount of the bridge, each obligation, each line. Amounts are signed: above
    /// zero the partner gets it, below zero it pays.
    Csv,
    /// One page for a browser, which prints as a statement on paper.
    Html,
    /// One JSON document, with the same signs.
    Json,
}

/// Runs it.
pub async fn run(context: &Context, arguments: Arguments) -> Result<Answer, Failure> {
    let Arguments { partner, window, lines, skip, format, wide, destination } = arguments;
    let format = match (format, context.output.is_json()) {
        // With a file --output says how its name is told.
        (Some(Format::Text | Format::Csv | Format::Html), true) if destination.file().is_none() => {
            let message = "--output json and --format say different things";
            return Err(Failure::new(Exit::Usage, message).hint("leave one of them out"));
        }
        (Some(format), _) => format,
        (None, true) => Format::Json,
        (None, false) => Format::Text,
    };
    if wide && format != Format::Text {
        return Err(Failure::new(Exit::Usage, "--wide is for text, and this is none").hint("leave one of them out"));
    }
    destination.may_write()?;
    let most = lines.unwrap_or(if format == Format::Text { LINES_SHOWN } else { usize::MAX });
    let session = Session::open(context).await?;
    let statement = session.client.statement_of(&partner, window).await?;
    // The lines of the window that was shown, also when another has been opened since.
    let pages = session.client.statement_lines_of(&partner, Some(statement.window.window));
    let sheet = Sheet::new(&session.info, &statement);
    let mut lines = Lines::new(pages, skip, most);
    let mut out = context.output.begin(&destination)?;
    match format {
        Format::Text => text(&mut out, &sheet, &statement, &mut lines, wide).await?,
        Format::Csv => {
            out.put(&sheet.csv())?;
            while let Some(page) = lines.next_page(&out).await? {
                out.put(&sheet.csv_lines(&page))?;
            }
        }
        Format::Html => html(&mut out, &sheet, &mut lines).await?,
        Format::Json => write_json(&mut out, &mut lines, |lines| sheet.to_json(lines.left_out())).await?,
    }
    out.end()
}

/// For a screen.
async fn text(
    out: &mut Writing,
    sheet: &Sheet<'_>,
    statement: &Statement,
    lines: &mut Lines,
    wide: bool,
) -> Result<(), Failure> {
    out.page(&sheet.words("").page())?;
    write_lines(out, sheet, lines, wide).await?;
    if let Some(next) = lines.left_out() {
        let (partner, window) = (&statement.partner_id, statement.window.window);
        let wide = if wide { " --wide" } else { "" };
        let command = format!("clearing statement {partner} --window {window} --skip {next}{wide}");
        out.page(&Page::new().next(command).text("Or --lines N for more, and --format csv for all of them."))?;
    }
    Ok(())
}

/// The lines, for a screen.
pub async fn write_lines(out: &mut Writing, sheet: &Sheet<'_>, lines: &mut Lines, wide: bool) -> Result<(), Failure> {
    let mut title = Some(format!("{}:", paper::LINES));
    while let Some(page) = lines.next_page(out).await? {
        if let Some(title) = title.take() {
            out.page(&Page::new().text(title))?;
        }
        let page = words(sheet, &page);
        if wide {
            out.wide_page(&Line::wide(&page))?;
        } else {
            out.page(&Line::narrow(&page))?;
        }
    }
    Ok(())
}

/// For a browser and for paper: a file of one statement.
async fn html(out: &mut Writing, sheet: &Sheet<'_>, lines: &mut Lines) -> Result<(), Failure> {
    let statement = sheet.words(PART);
    let running = [Running { part: String::new(), text: statement.running() }];
    let title = format!("Statement of {}, {}", statement.of.short(), statement.window);
    out.put(&render(&Head { generator: "clearing statement", title: &title, running: &running }))?;
    write_html(out, sheet, &statement, lines).await?;
    out.put(paper::END)
}

/// The name of the only statement of a file.
const PART: &str = "statement";

/// A statement with its lines, as a part of a file.
pub async fn write_html(
    out: &mut Writing,
    sheet: &Sheet<'_>,
    statement: &paper::Statement,
    lines: &mut Lines,
) -> Result<(), Failure> {
    out.put(&render(statement))?;
    let mut begun = false;
    while let Some(page) = lines.next_page(out).await? {
        if !begun {
            out.put(&paper::lines_begin())?;
            begun = true;
        }
        out.put(&paper::lines_rows(&words(sheet, &page)))?;
    }
    let left_out = lines.left_out().map(|next| format!("Lines after the first {next} are left out."));
    if begun {
        out.put(&paper::lines_end(left_out))?;
    }
    out.put(paper::STATEMENT_END)
}

/// For programs, line by line as serde would write the whole. `document` is all of it but the lines: that before them is written
/// before the first is read, that behind them after the last.
pub async fn write_json(
    out: &mut Writing,
    lines: &mut Lines,
    document: impl Fn(&Lines) -> Value,
) -> Result<(), Failure> {
    let parts = |lines: &Lines| {
        let document = format!("{:#}\n", document(lines));
        let (before, after) = document.split_once(NO_LINES).expect("a statement has lines among its fields");
        (before.to_owned(), after.to_owned())
    };
    out.put(&parts(lines).0)?;
    out.put("\n  \"lines\": [")?;
    let mut between = "\n    ";
    while let Some(page) = lines.next_page(out).await? {
        for line in &page {
            out.put(between)?;
            out.put(&format!("{:#}", line_json(line)).replace('\n', "\n    "))?;
            between = ",\n    ";
        }
    }
    out.put(if between.starts_with(',') { "\n  ]" } else { "]" })?;
    out.put(&parts(lines).1)
}

/// Where the lines go. No text holds a line feed in JSON, so it stands there once.
const NO_LINES: &str = "\n  \"lines\": []";

fn words(sheet: &Sheet<'_>, lines: &[StatementLine]) -> Vec<Line> {
    lines.iter().map(|line| sheet.line(line)).collect()
}

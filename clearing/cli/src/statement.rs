//! `clearing statement`: what one partner's position came to in one window, and why.

mod sheet;

use clap::{Args, ValueEnum};

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::Answer;
use crate::session::{Session, first};
use crate::values;

use sheet::Sheet;
pub use sheet::words;

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
    /// How many lines at most; 0 lists none. Left out: 20 as text, all of them as csv and json.
    #[arg(long, value_name = "N", value_parser = values::whole::<usize>)]
    lines: Option<usize>,
    /// Goes on after so many lines.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = values::whole::<usize>)]
    skip: usize,
    /// How it is written. Left out: text, or as --output says.
    #[arg(long, value_enum)]
    format: Option<Format>,
}

/// How a statement is written: the same in other clothes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Tables for people.
    Text,
    /// One file for a spreadsheet: a row for each amount of the bridge, each obligation, each line. Amounts are signed: above
    /// zero the partner gets it, below zero it pays.
    Csv,
    /// One JSON document, with the same signs.
    Json,
}

/// Runs it.
pub async fn run(context: &Context, arguments: Arguments) -> Result<Answer, Failure> {
    let Arguments { partner, window, lines, skip, format } = arguments;
    let format = match (format, context.output.is_json()) {
        (Some(Format::Text | Format::Csv), true) => {
            let message = "--output json and --format say different things";
            return Err(Failure::new(Exit::Usage, message).hint("leave one of them out"));
        }
        (Some(format), _) => format,
        (None, true) => Format::Json,
        (None, false) => Format::Text,
    };
    let most = lines.unwrap_or(if format == Format::Text { LINES_SHOWN } else { usize::MAX });
    let session = Session::open(context).await?;
    let statement = session.client.statement_of(&partner, window).await?;
    // The lines of the window that was shown, also when another has been opened since.
    let pages = session.client.statement_lines_of(&partner, Some(statement.window.window));
    // One more tells whether there are more.
    let asked = if most == 0 { 0 } else { skip.saturating_add(most).saturating_add(1) };
    let mut lines = first(pages, asked).await?;
    lines.drain(..skip.min(lines.len()));
    let more = lines.len() > most;
    lines.truncate(most);
    let next = more.then(|| skip + lines.len());
    let sheet = Sheet::new(&session.info, &statement, lines, next)?;
    Ok(match format {
        Format::Text => Answer::new(sheet.to_json(), sheet.page()),
        Format::Csv => Answer::new(sheet.to_json(), sheet.page()).in_a_file(sheet.csv()),
        Format::Json => {
            let json = sheet.to_json();
            Answer::new(json.clone(), sheet.page()).in_a_file(format!("{json:#}\n"))
        }
    })
}

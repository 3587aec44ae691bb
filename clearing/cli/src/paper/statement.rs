//! One brand's statement as words. `statement/sheet.rs` makes them.

use askama::Template;

use super::{Table, render};
use crate::output::Page;

/// Somebody's name, and the id that the house knows it by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    pub id: String,
    /// As people write it; none where that is the id.
    pub name: Option<String>,
}

impl Name {
    /// Of a partner, by the name that it goes by, which may be its id or nothing.
    pub fn new(id: &str, name: &str) -> Self {
        let named = !name.is_empty() && name != id;
        Self { id: id.to_owned(), name: named.then(|| name.to_owned()) }
    }

    /// On screen.
    pub fn said(&self) -> String {
        self.name.as_ref().map_or_else(|| self.id.clone(), |name| format!("{name} ({})", self.id))
    }

    /// What people call it.
    pub fn short(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.id)
    }
}

/// A statement but for its lines.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "paper/statement.html")]
pub struct Statement {
    /// Its name among the classes of the file: letters and digits.
    pub part: String,
    pub of: Name,
    /// What the amounts are in, and whose.
    pub coalition: String,
    /// The window and its state.
    pub window: String,
    /// From when to when.
    pub period: String,
    /// What there is to do.
    pub verdict: String,
    /// The tables, one below the other.
    pub tables: Vec<Table>,
    /// What is said where nothing happened.
    pub nothing: Option<&'static str>,
}

impl Statement {
    /// On screen.
    pub fn page(&self) -> Page {
        let page = Page::new()
            .text(format!("Statement of {}", self.of.said()))
            .text(&self.coalition)
            .text(&self.window)
            .text(&self.period)
            .text("")
            .text(&self.verdict);
        let page = self.tables.iter().fold(page, |page, table| table.on(page));
        match self.nothing {
            Some(nothing) => page.text(nothing),
            None => page,
        }
    }

    /// What stands above its pages on paper.
    pub fn running(&self) -> String {
        format!("{} - Statement of {} - {} - {}", self.coalition, self.of.said(), self.window, self.period)
    }
}

/// A line of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub entry: String,
    pub time: String,
    /// Store, till, number and date of the receipt, as far as they are known.
    pub receipt: Vec<String>,
    pub what: String,
    /// The other side.
    pub partner: Option<String>,
    /// The version of the terms by which.
    pub terms: Option<String>,
    pub points: String,
    /// What one gets or pays for a point.
    pub rate: Option<String>,
    pub rounding: Option<String>,
    pub amount: String,
}

/// What is said above the lines.
pub const LINES: &str = "Line by line; points x a point + rounding = amount";

impl Line {
    /// The lines on a screen of 80 columns, several rows for each.
    pub fn narrow(lines: &[Self]) -> Page {
        let rows = lines.iter().map(|line| {
            let mut what = vec![line.what.clone()];
            let by: Vec<String> = [
                line.partner.as_ref().map(|partner| format!("partner {partner}")),
                line.terms.as_ref().map(|terms| format!("terms {terms}")),
            ]
            .into_iter()
            .flatten()
            .collect();
            if !by.is_empty() {
                what.push(by.join(", "));
            }
            what.push(line.time.clone());
            if !line.receipt.is_empty() {
                what.push(line.receipt.join(" · "));
            }
            let mut amount = vec![line.amount.clone()];
            amount.extend(line.rate.as_ref().map(|rate| format!("{rate} a point")));
            amount.extend(line.rounding.as_ref().map(|rounding| format!("rounding {rounding}")));
            vec![line.entry.clone(), what.join("\n"), line.points.clone(), amount.join("\n")]
        });
        Page::new().table(&[">entry", "what", ">points", ">amount"], rows)
    }

    /// The lines on a screen as wide as they need, a row for each.
    pub fn wide(lines: &[Self]) -> Page {
        let rows = lines.iter().map(|line| {
            vec![
                line.entry.clone(),
                line.time.clone(),
                line.receipt.join(" · "),
                line.what.clone(),
                line.partner.clone().unwrap_or_default(),
                line.terms.clone().unwrap_or_default(),
                line.points.clone(),
                line.rate.clone().unwrap_or_else(|| "-".to_owned()),
                line.rounding.clone().unwrap_or_default(),
                line.amount.clone(),
            ]
        });
        let header =
            [">entry", "time", "receipt", "what", "partner", ">terms", ">points", ">a point", ">rounding", ">amount"];
        Page::new().table(&header, rows)
    }
}

#[derive(Debug, Template)]
#[template(path = "paper/lines.html")]
struct Rows<'a> {
    lines: &'a [Line],
}

/// How the lines begin on paper.
pub fn lines_begin() -> String {
    #[derive(Debug, Template)]
    #[template(path = "paper/lines_begin.html")]
    struct Begin {
        title: &'static str,
    }
    render(&Begin { title: LINES })
}

/// Some lines on paper.
pub fn lines_rows(lines: &[Line]) -> String {
    render(&Rows { lines })
}

/// How the lines end on paper, with what is to be said of those that are left out.
pub fn lines_end(left_out: Option<String>) -> String {
    #[derive(Debug, Template)]
    #[template(path = "paper/lines_end.html")]
    struct End {
        left_out: Option<String>,
    }
    render(&End { left_out })
}

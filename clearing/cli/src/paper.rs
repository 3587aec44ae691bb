//! What is handed to people on paper and opened in a browser: one HTML file, without a script, which loads nothing from elsewhere;
//! readable on a telephone, in light and dark, and printed.
//!
//! What it says is made once, as words and tables of words, and the screen shows the same. Templates stand beside this file;
//! escaping is theirs. A file is written piece by piece ([`Head`], then what it is about, then [`END`]), so that no more than a
//! piece is in memory.
//!
//! | room | what is in it |
//! |---|---|
//! | `statement` | one brand's statement, and its lines |
//! | `settlement` | what a window came to: what each pays or gets, and who pays whom |
//! | `obligations`, `chord` | who owes whom before netting, as a table and as a picture |

mod chord;
mod obligations;
pub mod settlement;
mod statement;

use std::borrow::Borrow;
use std::fmt::Write as _;

use askama::Template;

use crate::output::Page;

pub use obligations::{Obligations, Owed};
pub use statement::{LINES, Line, Name, Statement, lines_begin, lines_end, lines_rows};

/// What a statement ends with, behind its lines.
pub const STATEMENT_END: &str = "</article>\n";

/// What every file ends with.
pub const END: &str = "</main>\n</body>\n</html>\n";

/// The text of a template.
pub fn render(template: &impl Template) -> String {
    template.render().expect("a String takes everything, and templates have no fallible parts")
}

/// How a file begins.
#[derive(Debug, Template)]
#[template(path = "paper/head.html")]
pub struct Head<'a> {
    /// What wrote it.
    pub generator: &'a str,
    /// What the browser shows as its name.
    pub title: &'a str,
    /// What stands above each page on paper, and what above the pages of each statement.
    pub running: &'a [Running],
}

/// What stands above the pages of a part on paper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// The name of the part among the classes of the file: letters and digits. Empty for the file itself.
    pub part: String,
    /// What it says.
    pub text: String,
}

impl Head<'_> {
    /// Page boxes, as the style sheet of the file names them.
    fn pages(&self) -> String {
        let mut rules = String::new();
        for Running { part, text } in self.running {
            let text = css_string(text);
            let written = if part.is_empty() {
                writeln!(rules, "@page {{ @top-left {{ content: {text}; }} }}")
            } else {
                writeln!(rules, "@page {part} {{ @top-left {{ content: {text}; }} }}\n.{part} {{ page: {part}; }}")
            };
            written.expect("a String takes everything");
        }
        rules
    }
}

/// A text as a style sheet quotes it. Whatever else is in it, nothing ends the quotes or the sheet.
fn css_string(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        if letter.is_ascii_alphanumeric() || " .,:-()".contains(letter) {
            quoted.push(letter);
        } else {
            write!(quoted, "\\{:x} ", u32::from(letter)).expect("a String takes everything");
        }
    }
    quoted.push('"');
    quoted
}

/// A number that matters, and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    pub number: String,
    pub what: String,
}

/// The numbers that matter.
#[derive(Debug, Template)]
#[template(path = "paper/tiles.html")]
pub struct Tiles(pub Vec<Tile>);

/// A table of words: the same on screen and on paper.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "paper/table.html")]
pub struct Table {
    title: String,
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
    /// How many of the last rows are sums of those above.
    sums: usize,
    /// A bar for each row, on paper only.
    bars: Vec<Bar>,
    /// Where the first cell of each row leads, on paper only.
    links: Vec<Option<String>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Column {
    name: String,
    right: bool,
}

/// How much of the largest amount an amount is, to the side of those who pay or of those who get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bar {
    pub percent: u32,
    pub pays: bool,
}

impl Table {
    /// Under a title. Columns whose name begins with `>` are amounts and counts.
    pub fn new(title: impl Into<String>, columns: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> Self {
        let column =
            |name: &&str| Column { name: name.trim_start_matches('>').to_owned(), right: name.starts_with('>') };
        Self {
            title: title.into(),
            columns: columns.iter().map(column).collect(),
            rows: rows.into_iter().collect(),
            sums: 0,
            bars: Vec::new(),
            links: Vec::new(),
        }
    }

    /// The same, whose last rows are sums.
    #[must_use]
    pub fn with_sums(self, sums: usize) -> Self {
        Self { sums, ..self }
    }

    /// The same with a bar for each row.
    #[must_use]
    pub fn with_bars(self, bars: Vec<Bar>) -> Self {
        Self { bars, ..self }
    }

    /// The same, whose rows lead somewhere.
    #[must_use]
    pub fn with_links(self, links: Vec<Option<String>>) -> Self {
        Self { links, ..self }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// On screen, behind what is there.
    pub fn on(&self, page: Page) -> Page {
        let name = |column: &Column| format!("{}{}", if column.right { ">" } else { "" }, column.name);
        let header: Vec<String> = self.columns.iter().map(name).collect();
        let header: Vec<&str> = header.iter().map(String::as_str).collect();
        let page = if self.title.is_empty() { page } else { page.text(format!("{}:", self.title)) };
        page.table(&header, self.rows.iter().cloned())
    }

    // Templates pass references.

    fn column(&self, at: impl Borrow<usize>) -> &Column {
        &self.columns[*at.borrow()]
    }

    fn link(&self, row: impl Borrow<usize>) -> Option<&String> {
        self.links.get(*row.borrow())?.as_ref()
    }

    fn bar(&self, row: impl Borrow<usize>) -> Option<&Bar> {
        self.bars.get(*row.borrow())
    }

    fn is_sum(&self, row: impl Borrow<usize>) -> bool {
        row.borrow() + self.sums >= self.rows.len()
    }

    /// A page of paper holds it whole.
    fn is_short(&self) -> bool {
        self.rows.len() <= 16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_name_ends_the_quotes_or_the_style_sheet() {
        let quoted = css_string("</style><script>\"'\\\n} @import url(x); Ёлка");
        assert!(quoted.starts_with('"') && quoted.ends_with('"'));
        let inside = &quoted[1..quoted.len() - 1];
        assert!(!inside.contains(['<', '>', '"', '\'', '\n', '}', '@', ';', '/']), "{quoted}");
        assert!(inside.contains("\\401 "), "{quoted}");
    }
}

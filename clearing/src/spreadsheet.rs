//! Files that a spreadsheet or a bank opens: CSV after RFC 4180, in UTF-8, with a header, lines that end with CRLF.
//!
//! What others have written (names, codes of receipts) is text, and no spreadsheet takes it for a formula: where it begins as one
//! would, an apostrophe goes before it. Amounts are numbers, in the currency's minor unit wherever they are whole in it.

use csv::{Terminator, WriterBuilder};
use rust_decimal::Decimal;

/// What a text must not begin with: a spreadsheet would take the cell for a formula.
///
/// Source: OWASP, CSV injection.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// What stands in a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// Whatever somebody has written.
    Text(String),
    /// A number in decimal digits.
    Number(String),
}

impl Cell {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A whole number.
    pub fn count(number: impl Into<i128>) -> Self {
        Self::Number(number.into().to_string())
    }

    /// An amount of money, of a currency whose minor unit has so many digits.
    pub fn amount(amount: Decimal, minor_digits: u32) -> Self {
        Self::Number(amount_text(amount, minor_digits))
    }

    /// Nothing.
    pub fn empty() -> Self {
        Self::Text(String::new())
    }

    fn written(self) -> String {
        match self {
            Self::Text(text) if text.starts_with(FORMULA) => format!("'{text}"),
            Self::Text(text) | Self::Number(text) => text,
        }
    }
}

/// An amount in the currency's minor unit where it is whole in it, else with all the digits that it needs. Nothing has no sign.
pub fn amount_text(amount: Decimal, minor_digits: u32) -> String {
    let mut shown = amount.normalize();
    if shown.scale() < minor_digits {
        shown.rescale(minor_digits);
    }
    if shown.is_zero() {
        shown.set_sign_positive(true);
    }
    shown.to_string()
}

/// A file of rows under a header. Each row has as many cells as the header.
pub fn csv(header: &[&str], rows: impl IntoIterator<Item = Vec<Cell>>) -> String {
    csv_header(header) + &csv_rows(rows)
}

/// The first line of a file whose rows follow piece by piece.
pub fn csv_header(header: &[&str]) -> String {
    written([header])
}

/// Rows of a file, each with as many cells as its header.
pub fn csv_rows(rows: impl IntoIterator<Item = Vec<Cell>>) -> String {
    written(rows.into_iter().map(|row| row.into_iter().map(Cell::written).collect::<Vec<_>>()))
}

fn written<R: IntoIterator<Item: AsRef<[u8]>>>(rows: impl IntoIterator<Item = R>) -> String {
    let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
    for row in rows {
        writer.write_record(row).expect("memory takes all, and rows are of one length");
    }
    let bytes = writer.into_inner().expect("memory takes all");
    String::from_utf8(bytes).expect("what is written is text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_has_written_is_no_formula_and_breaks_no_row() {
        let hostile = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\r=1", "a,b", "say \"no\"", "two\r\nlines", "=\"a,b\""];
        let rows = hostile.iter().map(|text| vec![Cell::text(*text), Cell::amount(Decimal::new(-12_500, 4), 2)]);
        let file = csv(&["name", "amount"], rows);
        let mut reader = csv::ReaderBuilder::new().from_reader(file.as_bytes());
        let read: Vec<_> =
            reader.records().map(|row| (row.as_ref().unwrap()[0].to_owned(), row.unwrap()[1].to_owned())).collect();
        assert_eq!(read.len(), hostile.len(), "{file}");
        for ((text, amount), written) in read.iter().zip(hostile) {
            assert!(!text.starts_with(FORMULA), "{text:?}");
            assert_eq!(text.strip_prefix('\'').unwrap_or(text), written);
            assert_eq!(amount, "-1.25", "a number may be below zero");
        }
    }

    #[test]
    fn amounts_are_in_minor_units_where_they_are_whole_in_them() {
        for (units, digits, text) in [
            (53_056_200, 2, "5305.62"),
            (53_056_201, 2, "5305.6201"),
            (53_056_210, 2, "5305.621"),
            (50_000, 2, "5.00"),
            (50_000, 0, "5"),
            (0, 2, "0.00"),
            (-50_000, 3, "-5.000"),
        ] {
            assert_eq!(amount_text(Decimal::new(units, 4), digits), text);
        }
        assert_eq!(amount_text(-Decimal::new(0, 4), 2), "0.00");
    }

    #[test]
    fn a_file_has_a_header_and_ends_its_lines_as_rfc_4180_says() {
        assert_eq!(csv(&["a", "b"], []), "a,b\r\n");
        assert_eq!(csv(&["a", "b"], [vec![Cell::text("x"), Cell::count(1)]]), "a,b\r\nx,1\r\n");
    }
}

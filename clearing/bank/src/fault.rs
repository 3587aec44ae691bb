//! What can be wrong with a file, and with an order.

use std::fmt;

use jiff::civil::Date;
use rust_decimal::Decimal;

/// Something in a file that cannot be read, or must not be believed. Nothing of such a file is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileError {
    /// Line of the file, from 1; none for what is wrong with all of it.
    pub line: Option<u64>,
    /// The field as the format calls it, for XML with the elements around it (`Ntry/Amt`); empty where none is concerned.
    pub field: String,
    /// What is wrong.
    pub fault: Fault,
}

impl FileError {
    pub(crate) fn at(line: u64, field: impl Into<String>, fault: Fault) -> Self {
        Self { line: Some(line), field: field.into(), fault }
    }

    pub(crate) fn whole(fault: Fault) -> Self {
        Self { line: None, field: String::new(), fault }
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}")?;
            if !self.field.is_empty() {
                write!(f, ", {}", self.field)?;
            }
            f.write_str(": ")?;
        }
        self.fault.fmt(f)
    }
}

impl std::error::Error for FileError {}

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    #[error("the file has {bytes} bytes, and {bytes_max} are the most: ask the bank for a shorter period")]
    TooLarge { bytes: usize, bytes_max: usize },
    #[error("the file has more than {lines_max} lines: ask the bank for a shorter period")]
    TooManyLines { lines_max: usize },
    #[error("this is neither camt.053 or camt.054 nor a file of 1C; CSV is read when its columns are named")]
    UnknownFormat,
    #[error("{found} is not read: camt.053 and camt.054 of the versions .02 to .08 are")]
    UnknownVersion { found: String },
    #[error("the encoding is wrong: {0}")]
    Encoding(String),
    #[error("the file is cut off: {0}; fetch it from the bank again")]
    Truncated(String),
    #[error("{0}")]
    Malformed(String),
    #[error("a DOCTYPE is refused: no bank's file has one, and it can make a small file endless")]
    Doctype,
    #[error("the entity {0} is refused: only the five of XML and numbers of characters are known")]
    Entity(String),
    #[error("{found} {what}, and {max} are the most")]
    TooMuch { what: &'static str, found: usize, max: usize },
    #[error("it is missing")]
    Missing,
    #[error("it is there twice")]
    Twice,
    #[error("{0} has a comma; amounts are written with a point, such as 1234.56")]
    DecimalComma(String),
    #[error("{found} has {decimals} decimals, and {currency} has {decimals_max}")]
    Decimals { found: String, decimals: u32, decimals_max: u32, currency: String },
    #[error("{0} is below zero; which way money went is said beside the amount")]
    Negative(String),
    #[error("{0} is not a date{1}")]
    Date(String, &'static str),
    #[error("{found} is not one of the coalition's own accounts at the bank")]
    ForeignAccount { found: String },
    #[error("the currency is {found}, and that of the coalition is {expected}")]
    OtherCurrency { found: String, expected: String },
    #[error("it is of {found}, and the days from {first} to {last} are wanted")]
    OtherDay { found: Date, first: Date, last: Date },
    #[error("{lines} lines from {opening} come to {sum}, but the closing balance is {closing}: they differ by {}", .closing - .sum)]
    DoesNotTie { opening: Decimal, lines: usize, sum: Decimal, closing: Decimal },
    #[error("the file says {said}, and its lines come to {sum}")]
    TotalDiffers { said: Decimal, sum: Decimal },
    #[error("the opening balance is {found}, and the closing balance before it is {expected}")]
    BalancesBreak { expected: Decimal, found: Decimal },
}

impl Fault {
    /// The fault in one word, for programs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "TOO_LARGE",
            Self::TooManyLines { .. } => "TOO_MANY_LINES",
            Self::UnknownFormat => "UNKNOWN_FORMAT",
            Self::UnknownVersion { .. } => "UNKNOWN_VERSION",
            Self::Encoding(_) => "ENCODING",
            Self::Truncated(_) => "TRUNCATED",
            Self::Malformed(_) => "MALFORMED",
            Self::Doctype => "DOCTYPE",
            Self::Entity(_) => "ENTITY",
            Self::TooMuch { .. } => "TOO_MUCH",
            Self::Missing => "MISSING",
            Self::Twice => "TWICE",
            Self::DecimalComma(_) => "DECIMAL_COMMA",
            Self::Decimals { .. } => "DECIMALS",
            Self::Negative(_) => "NEGATIVE",
            Self::Date(..) => "DATE",
            Self::ForeignAccount { .. } => "FOREIGN_ACCOUNT",
            Self::OtherCurrency { .. } => "OTHER_CURRENCY",
            Self::OtherDay { .. } => "OTHER_DAY",
            Self::DoesNotTie { .. } => "DOES_NOT_TIE",
            Self::TotalDiffers { .. } => "TOTAL_DIFFERS",
            Self::BalancesBreak { .. } => "BALANCES_BREAK",
        }
    }
}

/// Why an order cannot be written into a file of this format. Nothing of the file is made then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("order {number}, {field}: {why}")]
pub struct OrderError {
    /// The order's number in its settlement; 0 for what concerns all of them.
    pub number: u32,
    /// What of it, in a word or two.
    pub field: &'static str,
    /// Why not, and what to do.
    pub why: String,
}

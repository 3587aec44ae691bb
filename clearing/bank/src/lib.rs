//! Files for banks and from banks: payment orders written, statements and notifications read.
//!
//! This crate knows no house: it opens no file, asks nobody, has no clock and books nothing. Bytes go in and values come out, or the
//! other way round; the same values give the same bytes. What a line of a statement means is found from a picture of what a house knows;
//! what becomes of it there is decided elsewhere.
//!
//! | room | what is in it |
//! |---|---|
//! | `fault` | what can be wrong with a file: line, field, fault |
//! | `text` | what others have written, made fit to be shown; numbers, dates and account numbers as files have them |
//! | `encoding` | windows-1251 and code page 866 |
//! | `reference` | references of orders and messages, made from the settlement alone |
//! | `order` | payment orders, and which file each goes into |
//! | `statement` | lines and balances of a file, what names a line, and whether the balances tie |
//! | `xml` | XML of a bounded size and depth, without anything that expands |
//! | `pain` | orders as pain.001.001.09 |
//! | `camt` | statements (camt.053) and notifications (camt.054) |
//! | `exchange` | orders and statements in the text format of 1C (`1CClientBankExchange`) |
//! | `sheet` | orders and statements as CSV |
//! | `matching` | what the lines of a file mean, given what a house knows |

mod camt;
mod encoding;
mod exchange;
mod fault;
mod matching;
mod order;
mod pain;
mod reference;
mod sheet;
mod statement;
mod text;
mod xml;

pub use encoding::Encoding;
pub use fault::{Fault, FileError, OrderError};
pub use matching::{Judged, Known, KnownOrder, Meaning, OrderState, OrderedOut, Purpose, judge, request_id};
pub use order::{Account, BankCode, File, Format, Order, Party, Payments, files};
pub use reference::{Reference, message_id};
pub use sheet::{Amounts, DateForm, Sheet, read_csv};
pub use statement::{
    Balance, BankFile, Continuity, FileFormat, Keyed, Line, LineKey, LineKind, LineState, OtherSide, Own, Period, Sign,
    Statement,
};

/// Bytes of a file that is read, at most: 64 MiB, which is some 30,000 lines of the most talkative banks.
pub const FILE_BYTES_MAX: usize = 64 << 20;

/// Lines of a file that is read, at most.
pub const LINES_MAX: usize = 100_000;

/// Reads a file that a bank has made: camt.053 or camt.054 of the versions .02 to .08, or a statement in the format of 1C. Which
/// one it is, and in which encoding, is found in its bytes. The balances of what is given tie, where the file has them.
///
/// # Errors
/// The first [`FileError`], with the line and the field.
///
/// Source: ISO 20022, Bank-to-Customer Cash Management; 1C, exchange with "Bank client" systems, format 1.03.
pub fn read(bytes: &[u8], own: &Own) -> Result<BankFile, FileError> {
    if bytes.len() > FILE_BYTES_MAX {
        return Err(FileError::whole(Fault::TooLarge { bytes: bytes.len(), bytes_max: FILE_BYTES_MAX }));
    }
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return Err(FileError::whole(Fault::Encoding("UTF-16; UTF-8 and, of 1C, windows-1251 are read".to_owned())));
    }
    let content = bytes.strip_prefix(encoding::BOM).unwrap_or(bytes);
    let file = if content.starts_with(exchange::FIRST_LINE.as_bytes()) {
        exchange::read(content, own)?
    } else if content.trim_ascii_start().starts_with(b"<") {
        camt::read(content, own)?
    } else {
        return Err(FileError::at(1, "", Fault::UnknownFormat));
    };
    file.sealed(bytes)
}

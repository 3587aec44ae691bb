//! The seam between the house and the two drivers: statements in both dialects, their arguments, their rows.
//!
//! Every statement stands in the room of its noun as a pair of texts, SQLite's beside PostgreSQL's, so that one is
//! not changed without the other. Sets of rows go over in one argument list ([`Table`]): to SQLite as JSON in its
//! binary form with all bytes in one blob beside it, to PostgreSQL as an array per column with all bytes in one
//! `bytea`. Both beat a statement per row by an order of magnitude, and byte strings cut out of one blob beat hex
//! digits and arrays of `bytea` (benches/README.md).

use std::io::Write as _;

use futures::TryStreamExt as _;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments as _, Column as _, Executor as _, PgConnection, Row as _, SqliteConnection, TypeInfo as _};
use uuid::Uuid;

use super::{Backend, StoreError};

/// One statement in both dialects. Each text begins with a comment that names it, so that it can be found again in the
/// database's own statistics.
#[derive(Debug, Clone, Copy)]
pub struct Sql {
    pub sqlite: &'static str,
    pub postgres: &'static str,
}

impl Sql {
    pub(super) const fn both(text: &'static str) -> Self {
        Self { sqlite: text, postgres: text }
    }

    pub(super) const fn new(sqlite: &'static str, postgres: &'static str) -> Self {
        Self { sqlite, postgres }
    }

    /// The name in the first line.
    pub fn name(&self) -> &'static str {
        self.sqlite.lines().next().unwrap_or_default().trim_start_matches("-- ")
    }
}

/// A connection of either kind, for as long as one function needs it.
pub(super) enum Link<'a> {
    Sqlite(&'a mut SqliteConnection),
    Postgres(&'a mut PgConnection),
}

impl Link<'_> {
    pub fn backend(&self) -> Backend {
        match self {
            Self::Sqlite(_) => Backend::Sqlite,
            Self::Postgres(_) => Backend::Postgres,
        }
    }

    /// A statement to be filled with arguments.
    pub fn call(&self, sql: &'static Sql) -> Call {
        let arguments = match self {
            Self::Sqlite(_) => Values::Sqlite(SqliteArguments::default()),
            Self::Postgres(_) => Values::Postgres(PgArguments::default()),
        };
        Call { sql, arguments }
    }

    pub fn table(&self, kinds: &'static [Kind]) -> Table {
        Table::new(self.backend(), kinds)
    }

    /// All rows that a statement gives, each turned into what it means.
    pub async fn rows<T>(
        &mut self,
        call: Call,
        mut decode: impl FnMut(&dyn Cells) -> Result<T, StoreError> + Send,
    ) -> Result<Vec<T>, StoreError> {
        let name = call.sql.name();
        match (self, call.arguments) {
            (Self::Sqlite(connection), Values::Sqlite(values)) => {
                let rows = sqlx::query_with(call.sql.sqlite, values).fetch_all(&mut **connection).await;
                rows.map_err(|error| StoreError::of(name, error))?.iter().map(|row| decode(row)).collect()
            }
            (Self::Postgres(connection), Values::Postgres(values)) => {
                let rows = sqlx::query_with(call.sql.postgres, values).fetch_all(&mut **connection).await;
                rows.map_err(|error| StoreError::of(name, error))?.iter().map(|row| decode(row)).collect()
            }
            _ => Err(other_backend()),
        }
    }

    /// All rows of a statement that SQLite packs into one text: cells apart by `,`, rows by `;`, bytes as hex digits. Its
    /// driver hands each row from thread to thread, which costs more than finding the row. `kinds` are those of the
    /// columns; a text among them must hold neither separator.
    pub async fn packed_rows<T>(
        &mut self,
        call: Call,
        kinds: &[Kind],
        mut decode: impl FnMut(&dyn Cells) -> Result<T, StoreError> + Send,
    ) -> Result<Vec<T>, StoreError> {
        if self.backend() == Backend::Postgres {
            return self.rows(call, decode).await;
        }
        // An aggregate over nothing is null.
        let packed = self.row(call, |row| Ok(row.text_or_null(0)?.map(str::to_owned))).await?.flatten();
        packed.iter().flat_map(|rows| rows.split(';')).map(|row| decode(&PackedRow::read(row, kinds)?)).collect()
    }

    /// The one row of a statement that gives at most one.
    pub async fn row<T>(
        &mut self,
        call: Call,
        decode: impl FnMut(&dyn Cells) -> Result<T, StoreError> + Send,
    ) -> Result<Option<T>, StoreError> {
        Ok(self.rows(call, decode).await?.pop())
    }

    /// Runs a statement and gives how many rows it changed; on SQLite the sum over all of its parts.
    pub async fn execute(&mut self, call: Call) -> Result<u64, StoreError> {
        let name = call.sql.name();
        match (self, call.arguments) {
            (Self::Sqlite(connection), Values::Sqlite(values)) => {
                let done = sqlx::query_with(call.sql.sqlite, values).execute(&mut **connection).await;
                done.map(|done| done.rows_affected()).map_err(|error| StoreError::of(name, error))
            }
            (Self::Postgres(connection), Values::Postgres(values)) => {
                let done = sqlx::query_with(call.sql.postgres, values).execute(&mut **connection).await;
                done.map(|done| done.rows_affected()).map_err(|error| StoreError::of(name, error))
            }
            _ => Err(other_backend()),
        }
    }

    /// Runs a statement of several parts on SQLite, the last of which gives one row with one text: how many rows all of
    /// them changed, and that text.
    pub async fn execute_telling(&mut self, call: Call) -> Result<(u64, Option<String>), StoreError> {
        let name = call.sql.name();
        let (Self::Sqlite(connection), Values::Sqlite(values)) = (self, call.arguments) else {
            return Err(other_backend());
        };
        let mut done = (&mut **connection).fetch_many(sqlx::query_with(call.sql.sqlite, values));
        let (mut changed, mut told) = (0, None);
        while let Some(step) = done.try_next().await.map_err(|error| StoreError::of(name, error))? {
            match step {
                sqlx::Either::Left(part) => changed += part.rows_affected(),
                sqlx::Either::Right(row) => told = row.text_or_null(0)?.map(str::to_owned),
            }
        }
        Ok((changed, told))
    }

    /// Runs a statement that must change so many rows.
    pub async fn execute_counted(&mut self, call: Call, expected: usize) -> Result<(), StoreError> {
        let name = call.sql.name();
        let changed = self.execute(call).await?;
        check_count(name, changed, expected)
    }

    /// Runs statements that take no arguments, in one round trip.
    pub async fn run(&mut self, sql: &'static Sql) -> Result<(), StoreError> {
        let done = match self {
            Self::Sqlite(connection) => sqlx::raw_sql(sql.sqlite).execute(&mut **connection).await.map(|_| ()),
            Self::Postgres(connection) => sqlx::raw_sql(sql.postgres).execute(&mut **connection).await.map(|_| ()),
        };
        done.map_err(|error| StoreError::of(sql.name(), error))
    }
}

pub(super) fn check_count(name: &str, changed: u64, expected: usize) -> Result<(), StoreError> {
    if usize::try_from(changed) == Ok(expected) {
        return Ok(());
    }
    Err(StoreError::permanent(format!("{name} changed {changed} rows, not {expected}")))
}

fn other_backend() -> StoreError {
    StoreError::permanent("arguments were made for the other back end")
}

enum Values {
    Sqlite(SqliteArguments),
    Postgres(PgArguments),
}

/// A statement with its arguments.
pub(super) struct Call {
    sql: &'static Sql,
    arguments: Values,
}

macro_rules! argument {
    ($call:ident, $value:expr) => {{
        let added = match &mut $call.arguments {
            Values::Sqlite(values) => sqlx::Arguments::add(values, $value),
            Values::Postgres(values) => values.add($value),
        };
        added.expect("numbers, texts and bytes below a gigabyte can be encoded");
        $call
    }};
}

impl Call {
    pub fn int(mut self, value: i64) -> Self {
        argument!(self, value)
    }

    pub fn int_or_null(mut self, value: Option<i64>) -> Self {
        argument!(self, value)
    }

    pub fn text(mut self, value: impl Into<String>) -> Self {
        argument!(self, value.into())
    }

    pub fn text_or_null(mut self, value: Option<String>) -> Self {
        argument!(self, value)
    }

    pub fn uuid(mut self, value: u128) -> Self {
        argument!(self, Uuid::from_u128(value))
    }

    pub fn uuid_or_null(mut self, value: Option<u128>) -> Self {
        argument!(self, value.map(Uuid::from_u128))
    }

    pub fn bytes(mut self, value: Vec<u8>) -> Self {
        argument!(self, value)
    }

    /// A set of rows: for SQLite the JSON and the blob; for PostgreSQL an array per column, two (starts, lengths) for
    /// [`Kind::Bytes`], and the blob last if there is a column of bytes.
    pub fn table(self, table: Table) -> Self {
        match table.rows {
            Rows::Sqlite { json, .. } => {
                let mut whole = Vec::with_capacity(json.len() + 5);
                jsonb_element(&mut whole, JSONB_ARRAY, &json);
                self.bytes(whole).bytes(table.blob)
            }
            Rows::Postgres(columns) => columns_and_blob(self, columns, table.kinds, table.blob),
        }
    }
}

fn columns_and_blob(mut call: Call, columns: Vec<Column>, kinds: &[Kind], blob: Vec<u8>) -> Call {
    for column in columns {
        call = match column {
            Column::Int(values) => argument_postgres(call, values),
            Column::Text(values) => argument_postgres(call, values),
            Column::Uuid(values) => argument_postgres(call, values),
            Column::Fixed { starts } => argument_postgres(call, starts),
            Column::Bytes { starts, lengths } => argument_postgres(argument_postgres(call, starts), lengths),
        };
    }
    let has_bytes = kinds.iter().any(|kind| matches!(kind, Kind::Hash | Kind::Bytes));
    if has_bytes { call.bytes(blob) } else { call }
}

fn argument_postgres<T>(mut call: Call, values: Vec<T>) -> Call
where
    Vec<T>: for<'t> sqlx::Encode<'t, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    if let Values::Postgres(arguments) = &mut call.arguments {
        arguments.add(values).expect("numbers, texts and bytes below a gigabyte can be encoded");
    }
    call
}

/// What a column of a [`Table`] holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Int,
    Text,
    Uuid,
    /// 32 bytes.
    Hash,
    Bytes,
}

/// Rows on their way to the database: pushed cell by cell in the order of the columns.
pub(super) struct Table {
    kinds: &'static [Kind],
    rows: Rows,
    blob: Vec<u8>,
    at: usize,
    count: usize,
}

enum Rows {
    Sqlite { json: Vec<u8>, row: Vec<u8> },
    Postgres(Vec<Column>),
}

enum Column {
    Int(Vec<Option<i64>>),
    Text(Vec<Option<String>>),
    Uuid(Vec<Option<Uuid>>),
    Fixed { starts: Vec<i32> },
    Bytes { starts: Vec<i32>, lengths: Vec<i32> },
}

impl Table {
    pub fn new(backend: Backend, kinds: &'static [Kind]) -> Self {
        let column = |kind: &Kind| match kind {
            Kind::Int => Column::Int(Vec::new()),
            Kind::Text => Column::Text(Vec::new()),
            Kind::Uuid => Column::Uuid(Vec::new()),
            Kind::Hash => Column::Fixed { starts: Vec::new() },
            Kind::Bytes => Column::Bytes { starts: Vec::new(), lengths: Vec::new() },
        };
        let rows = match backend {
            Backend::Sqlite => Rows::Sqlite { json: Vec::new(), row: Vec::new() },
            Backend::Postgres => Rows::Postgres(kinds.iter().map(column).collect()),
        };
        Self { kinds, rows, blob: Vec::new(), at: 0, count: 0 }
    }

    pub fn len(&self) -> usize {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub fn int(&mut self, value: i64) -> &mut Self {
        self.int_or_null(Some(value))
    }

    pub fn int_or_null(&mut self, value: Option<i64>) -> &mut Self {
        match &mut self.rows {
            Rows::Sqlite { row, .. } => jsonb_int(row, value),
            Rows::Postgres(columns) => match &mut columns[self.at] {
                Column::Int(values) => values.push(value),
                Column::Text(_) | Column::Uuid(_) | Column::Fixed { .. } | Column::Bytes { .. } => wrong_column(),
            },
        }
        self.next()
    }

    pub fn text(&mut self, value: &str) -> &mut Self {
        self.text_or_null(Some(value))
    }

    pub fn text_or_null(&mut self, value: Option<&str>) -> &mut Self {
        match &mut self.rows {
            Rows::Sqlite { row, .. } => match value {
                Some(text) => jsonb_element(row, JSONB_TEXT_RAW, text.as_bytes()),
                None => jsonb_element(row, JSONB_NULL, &[]),
            },
            Rows::Postgres(columns) => match &mut columns[self.at] {
                Column::Text(values) => values.push(value.map(str::to_owned)),
                Column::Int(_) | Column::Uuid(_) | Column::Fixed { .. } | Column::Bytes { .. } => wrong_column(),
            },
        }
        self.next()
    }

    pub fn uuid(&mut self, value: u128) -> &mut Self {
        self.uuid_or_null(Some(value))
    }

    pub fn uuid_or_null(&mut self, value: Option<u128>) -> &mut Self {
        match &mut self.rows {
            Rows::Sqlite { row, .. } => {
                let start = value.map(|value| push_bytes(&mut self.blob, &value.to_be_bytes()));
                jsonb_int(row, start.map(i64::from));
            }
            Rows::Postgres(columns) => match &mut columns[self.at] {
                Column::Uuid(values) => values.push(value.map(Uuid::from_u128)),
                Column::Int(_) | Column::Text(_) | Column::Fixed { .. } | Column::Bytes { .. } => wrong_column(),
            },
        }
        self.next()
    }

    /// Bytes of a [`Kind::Hash`] or [`Kind::Bytes`] column.
    pub fn bytes(&mut self, value: &[u8]) -> &mut Self {
        let start = push_bytes(&mut self.blob, value);
        let length = i32::try_from(value.len()).expect("a row is far below two gigabytes");
        match &mut self.rows {
            Rows::Sqlite { row, .. } => {
                jsonb_int(row, Some(i64::from(start)));
                if self.kinds[self.at] == Kind::Bytes {
                    jsonb_int(row, Some(i64::from(length)));
                }
            }
            Rows::Postgres(columns) => match &mut columns[self.at] {
                Column::Fixed { starts } => starts.push(start),
                Column::Bytes { starts, lengths } => {
                    starts.push(start);
                    lengths.push(length);
                }
                Column::Int(_) | Column::Text(_) | Column::Uuid(_) => wrong_column(),
            },
        }
        self.next()
    }

    /// Closes the row when its last cell was pushed.
    fn next(&mut self) -> &mut Self {
        self.at += 1;
        if self.at == self.kinds.len() {
            if let Rows::Sqlite { json, row } = &mut self.rows {
                jsonb_element(json, JSONB_ARRAY, row);
                row.clear();
            }
            self.at = 0;
            self.count += 1;
        }
        self
    }
}

fn wrong_column() -> ! {
    panic!("a cell was pushed into a column of another kind")
}

/// Appends bytes and gives where they begin, counted from 1 as SQL does.
fn push_bytes(blob: &mut Vec<u8>, bytes: &[u8]) -> i32 {
    let start = i32::try_from(blob.len() + 1).expect("a batch is far below two gigabytes");
    blob.extend_from_slice(bytes);
    start
}

// Element types of SQLite's JSONB, https://sqlite.org/jsonb.html section 3.
const JSONB_NULL: u8 = 0;
const JSONB_INT: u8 = 3;
const JSONB_TEXT_RAW: u8 = 10;
const JSONB_ARRAY: u8 = 11;

fn jsonb_int(to: &mut Vec<u8>, value: Option<i64>) {
    let Some(value) = value else { return jsonb_element(to, JSONB_NULL, &[]) };
    let mut digits = [0_u8; 20];
    let mut rest = &mut digits[..];
    write!(rest, "{value}").expect("twenty characters hold any i64");
    let left = rest.len();
    let length = digits.len() - left;
    jsonb_element(to, JSONB_INT, &digits[..length]);
}

fn jsonb_element(to: &mut Vec<u8>, kind: u8, payload: &[u8]) {
    if let Ok(small @ 0..=11) = u8::try_from(payload.len()) {
        to.push(small << 4 | kind);
    } else if let Ok(length) = u8::try_from(payload.len()) {
        to.extend_from_slice(&[0xc0 | kind, length]);
    } else if let Ok(length) = u16::try_from(payload.len()) {
        to.push(0xd0 | kind);
        to.extend_from_slice(&length.to_be_bytes());
    } else {
        to.push(0xe0 | kind);
        to.extend_from_slice(&u32::try_from(payload.len()).expect("a batch is below 4 GiB").to_be_bytes());
    }
    to.extend_from_slice(payload);
}

/// The cells of a row by place, whatever the back end.
pub(super) trait Cells {
    fn int_or_null(&self, at: usize) -> Result<Option<i64>, StoreError>;
    fn text_or_null(&self, at: usize) -> Result<Option<&str>, StoreError>;
    fn bytes_or_null(&self, at: usize) -> Result<Option<&[u8]>, StoreError>;
    fn uuid_or_null(&self, at: usize) -> Result<Option<u128>, StoreError>;

    fn int(&self, at: usize) -> Result<i64, StoreError> {
        present(self.int_or_null(at), at)
    }

    fn text(&self, at: usize) -> Result<&str, StoreError> {
        present(self.text_or_null(at), at)
    }

    fn bytes(&self, at: usize) -> Result<&[u8], StoreError> {
        present(self.bytes_or_null(at), at)
    }

    fn uuid(&self, at: usize) -> Result<u128, StoreError> {
        present(self.uuid_or_null(at), at)
    }
}

fn present<T>(cell: Result<Option<T>, StoreError>, at: usize) -> Result<T, StoreError> {
    cell?.ok_or_else(|| StoreError::permanent(format!("column {at} of a row is null")))
}

fn undecoded(error: sqlx::Error) -> StoreError {
    StoreError::of("reading a row", error)
}

/// A row of [`Link::packed_rows`].
struct PackedRow<'a>(Vec<PackedCell<'a>>);

enum PackedCell<'a> {
    Null,
    Plain(&'a str),
    Bytes(Vec<u8>),
}

impl<'a> PackedRow<'a> {
    fn read(row: &'a str, kinds: &[Kind]) -> Result<Self, StoreError> {
        let mut cells = Vec::with_capacity(kinds.len());
        let mut texts = row.split(',');
        for kind in kinds {
            let text = texts.next().ok_or_else(unpacked)?;
            cells.push(match kind {
                Kind::Hash | Kind::Bytes => PackedCell::Bytes(from_hex(text).ok_or_else(unpacked)?),
                Kind::Int | Kind::Text | Kind::Uuid if text.is_empty() => PackedCell::Null,
                Kind::Int | Kind::Text | Kind::Uuid => PackedCell::Plain(text),
            });
        }
        if texts.next().is_some() { Err(unpacked()) } else { Ok(Self(cells)) }
    }

    fn plain(&self, at: usize) -> Result<Option<&'a str>, StoreError> {
        match self.0.get(at) {
            Some(PackedCell::Plain(text)) => Ok(Some(text)),
            Some(PackedCell::Null) => Ok(None),
            Some(PackedCell::Bytes(_)) | None => Err(unpacked()),
        }
    }
}

fn unpacked() -> StoreError {
    StoreError::permanent("a packed row is not what its statement packs")
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    };
    text.as_bytes().chunks(2).map(pair).collect()
}

impl Cells for PackedRow<'_> {
    fn int_or_null(&self, at: usize) -> Result<Option<i64>, StoreError> {
        self.plain(at)?.map(|text| text.parse().map_err(|_| unpacked())).transpose()
    }

    fn text_or_null(&self, at: usize) -> Result<Option<&str>, StoreError> {
        self.plain(at)
    }

    fn bytes_or_null(&self, at: usize) -> Result<Option<&[u8]>, StoreError> {
        match self.0.get(at) {
            Some(PackedCell::Bytes(bytes)) => Ok(Some(bytes)),
            Some(PackedCell::Null | PackedCell::Plain(_)) | None => Err(unpacked()),
        }
    }

    fn uuid_or_null(&self, at: usize) -> Result<Option<u128>, StoreError> {
        self.plain(at)?.map(|text| u128::from_str_radix(text, 16).map_err(|_| unpacked())).transpose()
    }
}

impl Cells for SqliteRow {
    fn int_or_null(&self, at: usize) -> Result<Option<i64>, StoreError> {
        self.try_get(at).map_err(undecoded)
    }

    fn text_or_null(&self, at: usize) -> Result<Option<&str>, StoreError> {
        self.try_get(at).map_err(undecoded)
    }

    fn bytes_or_null(&self, at: usize) -> Result<Option<&[u8]>, StoreError> {
        self.try_get(at).map_err(undecoded)
    }

    fn uuid_or_null(&self, at: usize) -> Result<Option<u128>, StoreError> {
        let value: Option<Uuid> = self.try_get(at).map_err(undecoded)?;
        Ok(value.map(|value| value.as_u128()))
    }
}

impl Cells for PgRow {
    fn int_or_null(&self, at: usize) -> Result<Option<i64>, StoreError> {
        // The driver converts no widths, and columns are no wider than they need to be.
        match self.column(at).type_info().name() {
            "INT2" => self.try_get::<Option<i16>, _>(at).map(|value| value.map(i64::from)),
            "INT4" => self.try_get::<Option<i32>, _>(at).map(|value| value.map(i64::from)),
            _ => self.try_get(at),
        }
        .map_err(undecoded)
    }

    fn text_or_null(&self, at: usize) -> Result<Option<&str>, StoreError> {
        self.try_get(at).map_err(undecoded)
    }

    fn bytes_or_null(&self, at: usize) -> Result<Option<&[u8]>, StoreError> {
        self.try_get(at).map_err(undecoded)
    }

    fn uuid_or_null(&self, at: usize) -> Result<Option<u128>, StoreError> {
        let value: Option<Uuid> = self.try_get(at).map_err(undecoded)?;
        Ok(value.map(|value| value.as_u128()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_row_reads_as_the_row_it_was() {
        let kinds = [Kind::Uuid, Kind::Int, Kind::Text, Kind::Bytes, Kind::Uuid, Kind::Int];
        let row = PackedRow::read("0193A7C25D0E7C3A9F000123456789AB,-7,brand_1-A,00FF10,,", &kinds).unwrap();
        assert_eq!(row.uuid(0).unwrap(), 0x0193_a7c2_5d0e_7c3a_9f00_0123_4567_89ab);
        assert_eq!(row.int(1).unwrap(), -7);
        assert_eq!(row.text(2).unwrap(), "brand_1-A");
        assert_eq!(row.bytes(3).unwrap(), [0, 255, 16]);
        assert_eq!(row.uuid_or_null(4).unwrap(), None);
        assert_eq!(row.int_or_null(5).unwrap(), None);
        assert!(row.int(5).is_err(), "a null where there must be a number");
    }

    #[test]
    fn a_packed_row_of_another_shape_is_an_error() {
        assert!(PackedRow::read("1", &[Kind::Int, Kind::Int]).is_err(), "a cell is missing");
        assert!(PackedRow::read("1,2,3", &[Kind::Int, Kind::Int]).is_err(), "a cell too many");
        assert!(PackedRow::read("0F0", &[Kind::Bytes]).is_err(), "half a byte");
        assert!(PackedRow::read("0G", &[Kind::Bytes]).is_err(), "not a digit");
    }
}

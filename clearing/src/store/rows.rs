//! Rows on their way to the database, and rows that came from it, both by the columns that `tables` declares.
//!
//! Sets of rows go over in one argument list ([`RowSet`]): to SQLite as JSON in its binary form with all bytes in one blob
//! beside it, to PostgreSQL as an array per column with all bytes in one `bytea`. Both beat a statement per row by an order
//! of magnitude, and byte strings cut out of one blob beat hex digits and arrays of `bytea` (benches/README.md).

use std::io::Write as _;

use clearing_core::units::{BatchId, EntryId, MemberId, Money, PartnerId, Points, Timestamp};
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Column as _, Row as _, TypeInfo as _};
use uuid::Uuid;

use super::sql::Call;
use super::tables::{Column, Kind};
use super::{Backend, StoreError, hash, partner_id, small};

/// Rows on their way to the database: pushed cell by cell in the order of the columns, each named as it is pushed.
pub(super) struct RowSet {
    columns: &'static [Column],
    cells: Packing,
    blob: Vec<u8>,
    at: usize,
    count: usize,
}

enum Packing {
    Sqlite { json: Vec<u8>, row: Vec<u8> },
    Postgres(Vec<Array>),
}

/// The cells of a column, as PostgreSQL takes them.
enum Array {
    Int(Vec<Option<i64>>),
    Text(Vec<Option<String>>),
    Uuid(Vec<Option<Uuid>>),
    Hash { starts: Vec<i32> },
    Bytes { starts: Vec<i32>, lengths: Vec<i32> },
}

impl RowSet {
    pub fn new(backend: Backend, columns: &'static [Column]) -> Self {
        let array = |column: &Column| match column.kind {
            Kind::Int | Kind::Bool => Array::Int(Vec::new()),
            Kind::Text | Kind::Json => Array::Text(Vec::new()),
            Kind::Uuid => Array::Uuid(Vec::new()),
            Kind::Hash => Array::Hash { starts: Vec::new() },
            Kind::Bytes => Array::Bytes { starts: Vec::new(), lengths: Vec::new() },
        };
        let cells = match backend {
            Backend::Sqlite => Packing::Sqlite { json: Vec::new(), row: Vec::new() },
            Backend::Postgres => Packing::Postgres(columns.iter().map(array).collect()),
        };
        Self { columns, cells, blob: Vec::new(), at: 0, count: 0 }
    }

    pub fn columns(&self) -> &'static [Column] {
        self.columns
    }

    pub fn len(&self) -> usize {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub fn int(&mut self, column: Column, value: i64) -> &mut Self {
        self.int_or_null(column, Some(value))
    }

    pub fn int_or_null(&mut self, column: Column, value: Option<i64>) -> &mut Self {
        match self.cell(column) {
            Cell::Json(row, _) => jsonb_int(row, value),
            Cell::Array(Array::Int(values), _) => values.push(value),
            Cell::Array(..) => other_kind(column),
        }
        self.next()
    }

    pub fn bool(&mut self, column: Column, value: bool) -> &mut Self {
        self.int(column, i64::from(value))
    }

    pub fn bool_or_null(&mut self, column: Column, value: Option<bool>) -> &mut Self {
        self.int_or_null(column, value.map(i64::from))
    }

    pub fn text(&mut self, column: Column, value: &str) -> &mut Self {
        self.text_or_null(column, Some(value))
    }

    pub fn text_or_null(&mut self, column: Column, value: Option<&str>) -> &mut Self {
        match self.cell(column) {
            Cell::Json(row, _) => match value {
                Some(text) => jsonb_element(row, JSONB_TEXT_RAW, text.as_bytes()),
                None => jsonb_element(row, JSONB_NULL, &[]),
            },
            Cell::Array(Array::Text(values), _) => values.push(value.map(str::to_owned)),
            Cell::Array(..) => other_kind(column),
        }
        self.next()
    }

    pub fn uuid(&mut self, column: Column, value: u128) -> &mut Self {
        self.uuid_or_null(column, Some(value))
    }

    pub fn uuid_or_null(&mut self, column: Column, value: Option<u128>) -> &mut Self {
        match self.cell(column) {
            Cell::Json(row, blob) => {
                let start = value.map(|value| push_bytes(blob, &value.to_be_bytes()));
                jsonb_int(row, start.map(i64::from));
            }
            Cell::Array(Array::Uuid(values), _) => values.push(value.map(Uuid::from_u128)),
            Cell::Array(..) => other_kind(column),
        }
        self.next()
    }

    /// Bytes of a column of the kind hash or bytes.
    pub fn bytes(&mut self, column: Column, value: &[u8]) -> &mut Self {
        let length = i32::try_from(value.len()).expect("a row is far below two gigabytes");
        match self.cell(column) {
            Cell::Json(row, blob) => {
                jsonb_int(row, Some(i64::from(push_bytes(blob, value))));
                if column.kind == Kind::Bytes {
                    jsonb_int(row, Some(i64::from(length)));
                }
            }
            Cell::Array(Array::Hash { starts }, blob) => starts.push(push_bytes(blob, value)),
            Cell::Array(Array::Bytes { starts, lengths }, blob) => {
                starts.push(push_bytes(blob, value));
                lengths.push(length);
            }
            Cell::Array(..) => other_kind(column),
        }
        self.next()
    }

    /// Where the next cell goes, which must be one of this column.
    fn cell(&mut self, column: Column) -> Cell<'_> {
        let next = &self.columns[self.at];
        assert!(next.is(&column), "a cell of {} was pushed where {} follows", column.name, next.name);
        match &mut self.cells {
            Packing::Sqlite { row, .. } => Cell::Json(row, &mut self.blob),
            Packing::Postgres(arrays) => Cell::Array(&mut arrays[self.at], &mut self.blob),
        }
    }

    /// Closes the row when its last cell was pushed.
    fn next(&mut self) -> &mut Self {
        self.at += 1;
        if self.at == self.columns.len() {
            if let Packing::Sqlite { json, row } = &mut self.cells {
                jsonb_element(json, JSONB_ARRAY, row);
                row.clear();
            }
            self.at = 0;
            self.count += 1;
        }
        self
    }

    /// Hands the rows over: to SQLite the JSON and the blob; to PostgreSQL an array per column, two (starts, lengths) for
    /// bytes, and the blob last if there is a column of bytes.
    pub fn into_arguments(self, mut call: Call) -> Call {
        match self.cells {
            Packing::Sqlite { json, .. } => {
                let mut whole = Vec::with_capacity(json.len() + 5);
                jsonb_element(&mut whole, JSONB_ARRAY, &json);
                call.bytes(whole).bytes(self.blob)
            }
            Packing::Postgres(arrays) => {
                for array in arrays {
                    call = match array {
                        Array::Int(values) => call.array(values),
                        Array::Text(values) => call.array(values),
                        Array::Uuid(values) => call.array(values),
                        Array::Hash { starts } => call.array(starts),
                        Array::Bytes { starts, lengths } => call.array(starts).array(lengths),
                    };
                }
                if has_bytes(self.columns) { call.bytes(self.blob) } else { call }
            }
        }
    }
}

/// Where a cell goes, with the blob that its bytes go to.
enum Cell<'a> {
    Json(&'a mut Vec<u8>, &'a mut Vec<u8>),
    Array(&'a mut Array, &'a mut Vec<u8>),
}

/// Whether PostgreSQL takes bytes of these columns from a blob.
pub(super) fn has_bytes(columns: &[Column]) -> bool {
    columns.iter().any(|column| matches!(column.kind, Kind::Hash | Kind::Bytes))
}

fn other_kind(column: Column) -> ! {
    panic!("a cell of another kind was pushed into {}", column.name)
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

/// A row that a statement gave, read by its columns.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    cells: &'a dyn Cells,
    gives: &'static [Column],
}

impl<'a> Row<'a> {
    pub fn new(cells: &'a dyn Cells, gives: &'static [Column]) -> Self {
        Self { cells, gives }
    }

    /// Where a column stands among those that the statement gives: mostly where it stands in its table.
    fn place(&self, column: Column) -> Result<usize, StoreError> {
        let place = column.place();
        if self.gives.get(place).is_some_and(|given| given.is(&column)) {
            return Ok(place);
        }
        let place = self.gives.iter().position(|given| given.is(&column));
        place.ok_or_else(|| StoreError::permanent(format!("{} was not asked for", full_name(column))))
    }

    pub fn int_or_null(&self, column: Column) -> Result<Option<i64>, StoreError> {
        self.cells.int(self.place(column)?)
    }

    pub fn text_or_null(&self, column: Column) -> Result<Option<&'a str>, StoreError> {
        self.cells.text(self.place(column)?)
    }

    pub fn bytes_or_null(&self, column: Column) -> Result<Option<&'a [u8]>, StoreError> {
        self.cells.bytes(self.place(column)?)
    }

    pub fn uuid_or_null(&self, column: Column) -> Result<Option<u128>, StoreError> {
        self.cells.uuid(self.place(column)?)
    }

    pub fn bool_or_null(&self, column: Column) -> Result<Option<bool>, StoreError> {
        Ok(self.int_or_null(column)?.map(|value| value == 1))
    }

    pub fn int(&self, column: Column) -> Result<i64, StoreError> {
        present(self.int_or_null(column)?, column)
    }

    pub fn bool(&self, column: Column) -> Result<bool, StoreError> {
        present(self.bool_or_null(column)?, column)
    }

    pub fn text(&self, column: Column) -> Result<&'a str, StoreError> {
        present(self.text_or_null(column)?, column)
    }

    pub fn bytes(&self, column: Column) -> Result<&'a [u8], StoreError> {
        present(self.bytes_or_null(column)?, column)
    }

    pub fn uuid(&self, column: Column) -> Result<u128, StoreError> {
        present(self.uuid_or_null(column)?, column)
    }

    /// A number that its column keeps small.
    pub fn small<T: TryFrom<i64>>(&self, column: Column) -> Result<T, StoreError> {
        small(self.int(column)?)
    }

    pub fn small_or_null<T: TryFrom<i64>>(&self, column: Column) -> Result<Option<T>, StoreError> {
        self.int_or_null(column)?.map(small).transpose()
    }

    pub fn hash(&self, column: Column) -> Result<[u8; 32], StoreError> {
        hash(self.bytes(column)?)
    }

    pub fn partner(&self, column: Column) -> Result<PartnerId, StoreError> {
        partner_id(self.text(column)?)
    }

    pub fn member(&self, column: Column) -> Result<MemberId, StoreError> {
        self.uuid(column).map(MemberId)
    }

    pub fn batch(&self, column: Column) -> Result<BatchId, StoreError> {
        self.uuid(column).map(BatchId)
    }

    /// An entry, by its batch and its ordinal.
    pub fn entry(&self, batch: Column, ordinal: Column) -> Result<EntryId, StoreError> {
        Ok(EntryId { batch: self.batch(batch)?, ordinal: self.small(ordinal)? })
    }

    pub fn time(&self, column: Column) -> Result<Timestamp, StoreError> {
        self.int(column).map(Timestamp)
    }

    pub fn points(&self, column: Column) -> Result<Points, StoreError> {
        self.int(column).map(Points)
    }

    pub fn points_or_null(&self, column: Column) -> Result<Option<Points>, StoreError> {
        Ok(self.int_or_null(column)?.map(Points))
    }

    pub fn money(&self, column: Column) -> Result<Money, StoreError> {
        self.int(column).map(Money)
    }
}

fn present<T>(cell: Option<T>, column: Column) -> Result<T, StoreError> {
    cell.ok_or_else(|| StoreError::permanent(format!("{} is null", full_name(column))))
}

fn full_name(column: Column) -> String {
    if column.table.is_empty() { column.name.to_owned() } else { format!("{}.{}", column.table, column.name) }
}

/// The cells of a row by place, whatever the back end.
pub(super) trait Cells {
    fn int(&self, at: usize) -> Result<Option<i64>, StoreError>;
    fn text(&self, at: usize) -> Result<Option<&str>, StoreError>;
    fn bytes(&self, at: usize) -> Result<Option<&[u8]>, StoreError>;
    fn uuid(&self, at: usize) -> Result<Option<u128>, StoreError>;
}

fn undecoded(error: sqlx::Error) -> StoreError {
    StoreError::of("reading a row", error)
}

/// A row that SQLite packed into one text: see [`Sql`](super::sql::Sql).
pub(super) struct PackedRow<'a>(Vec<PackedCell<'a>>);

enum PackedCell<'a> {
    Null,
    Plain(&'a str),
    Bytes(Vec<u8>),
}

impl<'a> PackedRow<'a> {
    pub fn read(row: &'a str, gives: &[Column]) -> Result<Self, StoreError> {
        let mut cells = Vec::with_capacity(gives.len());
        let mut texts = row.split(',');
        for column in gives {
            let text = texts.next().ok_or_else(unpacked)?;
            cells.push(match column.kind {
                Kind::Hash | Kind::Bytes => PackedCell::Bytes(from_hex(text).ok_or_else(unpacked)?),
                Kind::Int | Kind::Bool | Kind::Text | Kind::Json | Kind::Uuid if text.is_empty() => PackedCell::Null,
                Kind::Int | Kind::Bool | Kind::Text | Kind::Json | Kind::Uuid => PackedCell::Plain(text),
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
    fn int(&self, at: usize) -> Result<Option<i64>, StoreError> {
        self.plain(at)?.map(|text| text.parse().map_err(|_| unpacked())).transpose()
    }

    fn text(&self, at: usize) -> Result<Option<&str>, StoreError> {
        self.plain(at)
    }

    fn bytes(&self, at: usize) -> Result<Option<&[u8]>, StoreError> {
        match self.0.get(at) {
            Some(PackedCell::Bytes(bytes)) => Ok(Some(bytes)),
            Some(PackedCell::Null | PackedCell::Plain(_)) | None => Err(unpacked()),
        }
    }

    fn uuid(&self, at: usize) -> Result<Option<u128>, StoreError> {
        self.plain(at)?.map(|text| u128::from_str_radix(text, 16).map_err(|_| unpacked())).transpose()
    }
}

impl Cells for SqliteRow {
    fn int(&self, at: usize) -> Result<Option<i64>, StoreError> {
        self.try_get(at).map_err(undecoded)
    }

    fn text(&self, at: usize) -> Result<Option<&str>, StoreError> {
        self.try_get(at).map_err(undecoded)
    }

    fn bytes(&self, at: usize) -> Result<Option<&[u8]>, StoreError> {
        self.try_get(at).map_err(undecoded)
    }

    fn uuid(&self, at: usize) -> Result<Option<u128>, StoreError> {
        let value: Option<Uuid> = self.try_get(at).map_err(undecoded)?;
        Ok(value.map(|value| value.as_u128()))
    }
}

impl Cells for PgRow {
    fn int(&self, at: usize) -> Result<Option<i64>, StoreError> {
        // The driver converts no widths, and columns are no wider than they need to be.
        match self.column(at).type_info().name() {
            "INT2" => self.try_get::<Option<i16>, _>(at).map(|value| value.map(i64::from)),
            "INT4" => self.try_get::<Option<i32>, _>(at).map(|value| value.map(i64::from)),
            _ => self.try_get(at),
        }
        .map_err(undecoded)
    }

    fn text(&self, at: usize) -> Result<Option<&str>, StoreError> {
        self.try_get(at).map_err(undecoded)
    }

    fn bytes(&self, at: usize) -> Result<Option<&[u8]>, StoreError> {
        self.try_get(at).map_err(undecoded)
    }

    fn uuid(&self, at: usize) -> Result<Option<u128>, StoreError> {
        let value: Option<Uuid> = self.try_get(at).map_err(undecoded)?;
        Ok(value.map(|value| value.as_u128()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMBER: Column = Column::made("member", Kind::Uuid);
    const COUNT: Column = Column::made("count", Kind::Int);
    const NAME: Column = Column::made("name", Kind::Text);
    const BYTES: Column = Column::made("bytes", Kind::Bytes);
    const OTHER: Column = Column::made("other", Kind::Uuid);
    const REST: Column = Column::made("rest", Kind::Int);

    #[test]
    fn a_packed_row_reads_as_the_row_it_was() {
        const GIVES: &[Column] = &[MEMBER, COUNT, NAME, BYTES, OTHER, REST];
        let packed = PackedRow::read("0193A7C25D0E7C3A9F000123456789AB,-7,brand_1-A,00FF10,,", GIVES).unwrap();
        let row = Row::new(&packed, GIVES);
        assert_eq!(row.uuid(MEMBER).unwrap(), 0x0193_a7c2_5d0e_7c3a_9f00_0123_4567_89ab);
        assert_eq!(row.int(COUNT).unwrap(), -7);
        assert_eq!(row.text(NAME).unwrap(), "brand_1-A");
        assert_eq!(row.bytes(BYTES).unwrap(), [0, 255, 16]);
        assert_eq!(row.uuid_or_null(OTHER).unwrap(), None);
        assert_eq!(row.int_or_null(REST).unwrap(), None);
        assert_eq!(row.int(REST).unwrap_err().to_string(), "rest is null");
    }

    #[test]
    fn a_column_that_was_not_asked_for_is_an_error() {
        let packed = PackedRow::read("1", &[COUNT]).unwrap();
        let row = Row::new(&packed, &[COUNT]);
        assert_eq!(row.int(super::super::tables::LOTS.held).unwrap_err().to_string(), "lots.held was not asked for");
        assert!(row.int(REST).is_err());
    }

    #[test]
    fn a_packed_row_of_another_shape_is_an_error() {
        assert!(PackedRow::read("1", &[COUNT, REST]).is_err(), "a cell is missing");
        assert!(PackedRow::read("1,2,3", &[COUNT, REST]).is_err(), "a cell too many");
        assert!(PackedRow::read("0F0", &[BYTES]).is_err(), "half a byte");
        assert!(PackedRow::read("0G", &[BYTES]).is_err(), "not a digit");
    }

    #[test]
    #[should_panic(expected = "a cell of rest was pushed where count follows")]
    fn a_cell_pushed_out_of_order_is_a_panic() {
        RowSet::new(Backend::Sqlite, &[COUNT, REST]).int(REST, 1);
    }
}

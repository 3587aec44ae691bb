//! Rows on their way to the database, by the columns that `tables` declares.
//!
//! Sets of rows go over in one argument list ([`RowSet`]): to SQLite as JSON in its binary form with all bytes in one blob
//! beside it, to PostgreSQL as an array per column with all bytes in one `bytea`. Both beat a statement per row by an order
//! of magnitude, and byte strings cut out of one blob beat hex digits and arrays of `bytea` (benches/README.md).

use std::io::Write as _;

use uuid::Uuid;

use super::Backend;
use super::sql::Call;
use super::tables::{Column, Kind};

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

#[cfg(test)]
mod tests {
    use super::*;

    const COUNT: Column = Column::made("count", Kind::Int);
    const REST: Column = Column::made("rest", Kind::Int);

    #[test]
    #[should_panic(expected = "a cell of rest was pushed where count follows")]
    fn a_cell_pushed_out_of_order_is_a_panic() {
        RowSet::new(Backend::Sqlite, &[COUNT, REST]).int(REST, 1);
    }
}

//! Rows on their way to the database, by the columns that `tables` declares.
//!
//! PostgreSQL takes a set of rows ([`RowSet`]) in one argument list: an array per column, with all bytes in one `bytea`, which
//! beats arrays of `bytea`. SQLite takes them as plain values: the writer runs its statement for each of them, and whoever
//! hands statements to another thread names all of them in one.

use rusqlite::types::ValueRef;
use uuid::Uuid;

use super::Backend;
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
    Sqlite(Vec<Cell>),
    Postgres(Vec<Array>),
}

/// A value, as SQLite takes it.
#[derive(Clone, Copy)]
enum Cell {
    Null,
    Int(i64),
    /// In the blob, from where to where.
    Text(usize, usize),
    Bytes(usize, usize),
}

/// The cells of a column, as PostgreSQL takes them.
pub(super) enum Array {
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
            Backend::Sqlite => Packing::Sqlite(Vec::new()),
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
        match self.place(column) {
            Place::Cells(cells, _) => cells.push(value.map_or(Cell::Null, Cell::Int)),
            Place::Array(Array::Int(values), _) => values.push(value),
            Place::Array(..) => other_kind(column),
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
        match self.place(column) {
            Place::Cells(cells, blob) => cells.push(value.map_or(Cell::Null, |text| {
                let (start, end) = keep(blob, text.as_bytes());
                Cell::Text(start, end)
            })),
            Place::Array(Array::Text(values), _) => values.push(value.map(str::to_owned)),
            Place::Array(..) => other_kind(column),
        }
        self.next()
    }

    pub fn uuid(&mut self, column: Column, value: u128) -> &mut Self {
        self.uuid_or_null(column, Some(value))
    }

    pub fn uuid_or_null(&mut self, column: Column, value: Option<u128>) -> &mut Self {
        match self.place(column) {
            Place::Cells(cells, blob) => cells.push(value.map_or(Cell::Null, |value| {
                let (start, end) = keep(blob, &value.to_be_bytes());
                Cell::Bytes(start, end)
            })),
            Place::Array(Array::Uuid(values), _) => values.push(value.map(Uuid::from_u128)),
            Place::Array(..) => other_kind(column),
        }
        self.next()
    }

    /// Bytes of a column of the kind hash or bytes.
    pub fn bytes(&mut self, column: Column, value: &[u8]) -> &mut Self {
        match self.place(column) {
            Place::Cells(cells, blob) => {
                let (start, end) = keep(blob, value);
                cells.push(Cell::Bytes(start, end));
            }
            Place::Array(Array::Hash { starts }, blob) => starts.push(push_bytes(blob, value)),
            Place::Array(Array::Bytes { starts, lengths }, blob) => {
                starts.push(push_bytes(blob, value));
                lengths.push(i32::try_from(value.len()).expect("a row is far below two gigabytes"));
            }
            Place::Array(..) => other_kind(column),
        }
        self.next()
    }

    /// Where the next cell goes, which must be one of this column.
    fn place(&mut self, column: Column) -> Place<'_> {
        let next = &self.columns[self.at];
        assert!(next.is(&column), "a cell of {} was pushed where {} follows", column.name, next.name);
        match &mut self.cells {
            Packing::Sqlite(cells) => Place::Cells(cells, &mut self.blob),
            Packing::Postgres(arrays) => Place::Array(&mut arrays[self.at], &mut self.blob),
        }
    }

    /// Closes the row when its last cell was pushed.
    fn next(&mut self) -> &mut Self {
        self.at += 1;
        if self.at == self.columns.len() {
            self.at = 0;
            self.count += 1;
        }
        self
    }

    /// The cells of some rows, one after the other, as SQLite takes them.
    pub fn values(&self, rows: std::ops::Range<usize>) -> impl Iterator<Item = ValueRef<'_>> {
        let cells = match &self.cells {
            Packing::Sqlite(cells) => &cells[rows.start * self.columns.len()..rows.end * self.columns.len()],
            Packing::Postgres(_) => &[],
        };
        cells.iter().map(|cell| match *cell {
            Cell::Null => ValueRef::Null,
            Cell::Int(value) => ValueRef::Integer(value),
            Cell::Text(start, end) => ValueRef::Text(&self.blob[start..end]),
            Cell::Bytes(start, end) => ValueRef::Blob(&self.blob[start..end]),
        })
    }

    /// The rows as PostgreSQL takes them: an array per column, and the blob that their bytes are in, if there is a column of
    /// bytes.
    pub fn into_arrays(self) -> (Vec<Array>, Option<Vec<u8>>) {
        let blob = has_bytes(self.columns).then_some(self.blob);
        match self.cells {
            Packing::Sqlite(_) => (Vec::new(), blob),
            Packing::Postgres(arrays) => (arrays, blob),
        }
    }
}

/// Where a cell goes, with the blob that its bytes go to.
enum Place<'a> {
    Cells(&'a mut Vec<Cell>, &'a mut Vec<u8>),
    Array(&'a mut Array, &'a mut Vec<u8>),
}

/// Appends bytes and gives from where to where they are there.
fn keep(blob: &mut Vec<u8>, bytes: &[u8]) -> (usize, usize) {
    let start = blob.len();
    blob.extend_from_slice(bytes);
    (start, blob.len())
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

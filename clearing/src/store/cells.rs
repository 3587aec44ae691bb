//! Rows that came from the database, read by the columns that `tables` declares.

use clearing_core::units::{BatchId, EntryId, MemberId, Money, PartnerId, Points, Timestamp};
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Column as _, Row as _, TypeInfo as _};
use uuid::Uuid;

use super::tables::Column;
use super::{StoreError, hash, partner_id, small};

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
    use rusqlite::Connection;

    use super::super::tables::Kind;
    use super::*;

    const COUNT: Column = Column::made("count", Kind::Int);
    const REST: Column = Column::made("rest", Kind::Int);

    #[test]
    fn a_column_that_was_not_asked_for_is_an_error_and_so_is_a_null_that_must_not_be() {
        let connection = Connection::open_in_memory().unwrap();
        let mut statement = connection.prepare("SELECT 7, NULL").unwrap();
        let mut rows = statement.raw_query();
        let cells = rows.next().unwrap().unwrap();
        let row = Row::new(cells, &[COUNT, REST]);
        assert_eq!(row.int(COUNT).unwrap(), 7);
        assert_eq!(row.int_or_null(REST).unwrap(), None);
        assert_eq!(row.int(REST).unwrap_err().to_string(), "rest is null");
        assert!(row.text(COUNT).is_err(), "a number read as a text");
        let row = Row::new(cells, &[COUNT]);
        assert_eq!(
            row.int(super::super::tables::HOLDS.state).unwrap_err().to_string(),
            "holds.state was not asked for"
        );
        assert!(row.int(REST).is_err());
    }
}

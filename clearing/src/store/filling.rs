//! The texts of statements, filled in from the columns that they take and give. What stands in braces is replaced:
//!
//! | in braces | what stands there, of a set of rows `k` that the statement takes |
//! |---|---|
//! | `names k`, `key k` | its columns; those that are of the key of their table |
//! | `select k` | a query that gives the rows |
//! | `cells k`, `from k` | PostgreSQL only: the parts of that query |
//! | `rows k` | the rows as a table `k` to join with |
//! | `array k` | PostgreSQL only: the one column as an array |
//! | `match k t` | that the key of `t` is that of `k` |
//! | `set k` | what is no key, set to what is in `k` |
//! | `excluded k` | the same, in an upsert |
//! | `insert k`, `upsert k`, `update k`, `delete k` | the statement that writes the rows into the table of their columns: as new ones; as new ones or over those of the same key; over those of the same key, on SQLite one; or that deletes those of the same key |
//!
//! | in braces | what stands there |
//! |---|---|
//! | `now` | another argument that the statement takes |
//! | `holds`, `holds l` | the columns of the table `holds` that the statement gives; with the alias before each |
//! | `nulls holds` | as many nulls |

use std::fmt::Write as _;

use super::Backend;
use super::rows::has_bytes;
use super::tables::{Column, Kind};

/// What a statement takes, in the order of its arguments.
#[derive(Debug, Clone, Copy)]
pub(super) enum Takes {
    /// A set of rows.
    Rows(&'static str, &'static [Column]),
    One(&'static str),
}

/// A set of rows under a name.
pub(super) const fn rows(name: &'static str, columns: &'static [Column]) -> Takes {
    Takes::Rows(name, columns)
}

/// A single argument under a name.
pub(super) const fn one(name: &'static str) -> Takes {
    Takes::One(name)
}

/// The text of a statement for a back end, and, as SQLite takes them one by one, for so many rows.
///
/// # Panics
/// If braces name nothing that the statement takes or gives. Every statement is filled in by a test.
pub(super) fn fill(template: &str, takes: &[Takes], gives: &[Column], on: (Backend, usize)) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once('{') {
        let (words, behind) = behind.split_once('}').expect("a brace that is opened is closed");
        let words: Vec<&str> = words.split(' ').collect();
        text.push_str(before);
        text.push_str(&taken(&words, takes, on).unwrap_or_else(|| given(&words, gives)));
        rest = behind;
    }
    text.push_str(rest);
    text
}

/// What stands for an argument or a set of rows, if the words name one.
fn taken(words: &[&str], takes: &[Takes], (backend, count): (Backend, usize)) -> Option<String> {
    let mut first = 1;
    for argument in takes {
        match (argument, words) {
            (Takes::One(name), [word]) if name == word => return Some(format!("${first}")),
            (Takes::Rows(name, columns), [what, word, of @ ..]) if name == word => {
                return Some(Set { name, columns, first, backend, count }.filled(what, of.first().copied()));
            }
            (Takes::One(_) | Takes::Rows(..), _) => first += argument.arguments(backend, count),
        }
    }
    None
}

/// The columns of a table that the statement gives.
fn given(words: &[&str], gives: &[Column]) -> String {
    let (nulls, table, alias) = match *words {
        ["nulls", table] => (true, table, None),
        [table] => (false, table, None),
        [table, alias] => (false, table, Some(alias)),
        _ => panic!("{words:?} is nothing that stands for columns"),
    };
    let given: Vec<&Column> = gives.iter().filter(|column| column.table == table).collect();
    assert!(!given.is_empty(), "nothing is called {words:?}");
    let cell = |column: &&Column| {
        let name = alias.map_or_else(|| column.name.to_owned(), |alias| format!("{alias}.{}", column.name));
        if nulls { format!("NULL AS {}", column.name) } else { name }
    };
    list(given.iter().map(cell))
}

impl Takes {
    /// As how many arguments it is handed over.
    fn arguments(&self, backend: Backend, count: usize) -> usize {
        match (self, backend) {
            (Self::One(_), _) => 1,
            (Self::Rows(_, columns), Backend::Sqlite) => columns.len() * count,
            (Self::Rows(_, columns), Backend::Postgres) => {
                let arrays = columns.iter().map(|column| if column.kind == Kind::Bytes { 2 } else { 1 });
                arrays.sum::<usize>() + usize::from(has_bytes(columns))
            }
        }
    }
}

/// A set of rows that a statement takes, as its text names it.
struct Set {
    name: &'static str,
    columns: &'static [Column],
    /// The number of its first argument.
    first: usize,
    backend: Backend,
    /// How many rows the text is for.
    count: usize,
}

impl Set {
    fn filled(&self, what: &str, of: Option<&str>) -> String {
        let name = self.name;
        let names = |key: bool| self.columns.iter().filter(move |column| column.key == key).map(|column| column.name);
        match what {
            "names" => list(self.columns.iter().map(|column| column.name.to_owned())),
            "key" => list(names(true).map(str::to_owned)),
            "cells" => list(self.cells().into_iter().map(|(cell, _)| cell)),
            "from" => self.from(),
            "select" if self.backend == Backend::Sqlite && self.count == 1 => {
                let cell = |(column, place): (&Column, usize)| format!("${place} AS {}", column.name);
                format!("SELECT {}", list(self.columns.iter().zip(self.first..).map(cell)))
            }
            "select" if self.backend == Backend::Sqlite => {
                let cell = |(column, place): (&Column, usize)| format!("column{place} AS {}", column.name);
                let cells = list(self.columns.iter().zip(1..).map(cell));
                format!("SELECT {cells} FROM (VALUES {})", self.values())
            }
            "select" => {
                let named = |(cell, name): (String, &str)| match cell.rsplit_once('.') {
                    Some((_, own)) if own == name => cell,
                    _ => format!("{cell} AS {name}"),
                };
                let cells = list(self.cells().into_iter().map(named));
                format!("SELECT {cells}\n        FROM {}", self.from())
            }
            "rows" if self.backend == Backend::Postgres && !has_bytes(self.columns) => self.from(),
            "rows" => format!("({}) AS {name}", self.filled("select", None)),
            "insert" => {
                let rows = match self.backend {
                    Backend::Sqlite => format!("VALUES {}", self.values()),
                    Backend::Postgres => self.filled("select", None),
                };
                format!("INSERT INTO {} ({})\n    {rows}", self.table(), self.filled("names", None))
            }
            "upsert" => {
                let [insert, key, excluded] = ["insert", "key", "excluded"].map(|what| self.filled(what, None));
                format!("{insert}\n    ON CONFLICT ({key}) DO UPDATE SET {excluded}")
            }
            "update" if self.backend == Backend::Sqlite => {
                format!("UPDATE {} SET {} WHERE {}", self.table(), list(self.pairs(false)), self.condition())
            }
            "update" => {
                let (table, [rows, set]) = (self.table(), ["rows", "set"].map(|what| self.filled(what, None)));
                format!("UPDATE {table} SET {set}\n    FROM {rows} WHERE {}", self.filled("match", Some(table)))
            }
            "delete" if self.backend == Backend::Sqlite && self.count == 1 => {
                format!("DELETE FROM {} WHERE {}", self.table(), self.condition())
            }
            "delete" if self.backend == Backend::Sqlite => {
                format!(
                    "DELETE FROM {} WHERE ({}) IN (VALUES {})",
                    self.table(),
                    self.filled("names", None),
                    self.values()
                )
            }
            "delete" => {
                let (table, rows) = (self.table(), self.filled("rows", None));
                format!("DELETE FROM {table} USING {rows} WHERE {}", self.filled("match", Some(table)))
            }
            "array" => format!("${}::{}", self.first, array_type(self.columns[0].kind)),
            "set" => list(names(false).map(|column| format!("{column} = {name}.{column}"))),
            "excluded" => list(names(false).map(|column| format!("{column} = excluded.{column}"))),
            "match" => {
                let of = of.expect("a match names the other table");
                let pairs: Vec<String> = names(true).map(|column| format!("{of}.{column} = {name}.{column}")).collect();
                pairs.join(" AND ")
            }
            _ => panic!("{what} is nothing that stands for a set of rows"),
        }
    }

    /// The table that the rows are written into.
    fn table(&self) -> &'static str {
        self.columns[0].table
    }

    /// The rows as SQLite takes them, value by value.
    fn values(&self) -> String {
        let columns = self.columns.len();
        let row = |_: usize| {
            // SQLite looks through all arguments that have a number for each of them, so where there are many they have none.
            let place =
                |column: usize| if self.count == 1 { format!("${}", self.first + column) } else { "?".to_owned() };
            debug_assert!(self.count == 1 || self.first == 1, "arguments without a number come first");
            format!("({})", list((0..columns).map(place)))
        };
        list((0..self.count).map(row))
    }

    /// The columns that are of the key of their table, or are not, each beside the value that one row has there.
    fn pairs(&self, key: bool) -> impl Iterator<Item = String> {
        let columns = self.columns.iter().zip(self.first..);
        columns
            .filter(move |(column, _)| column.key == key)
            .map(|(column, place)| format!("{} = ${place}", column.name))
    }

    /// That a row of the table has the key of one row.
    fn condition(&self) -> String {
        assert_eq!(self.count, 1, "rows of SQLite are changed one by one");
        self.pairs(true).collect::<Vec<_>>().join(" AND ")
    }

    /// The cells of a row, each with the name of its column.
    fn cells(&self) -> Vec<(String, &'static str)> {
        let cell = |column: &Column| {
            let (name, set) = (column.name, self.name);
            let cell = match column.kind {
                Kind::Hash => format!("substring({}::bytea, {set}.{name}, 32)", self.blob()),
                Kind::Bytes => format!("substring({}::bytea, {set}.{name}, {set}.{name}_length)", self.blob()),
                Kind::Int | Kind::Bool | Kind::Text | Kind::Json | Kind::Uuid => format!("{set}.{name}"),
            };
            (cell, name)
        };
        self.columns.iter().map(cell).collect()
    }

    fn from(&self) -> String {
        let (mut arrays, mut names) = (Vec::new(), Vec::new());
        for column in self.columns {
            let array = |at: usize| format!("${}::{}", self.first + at, array_type(column.kind));
            arrays.push(array(arrays.len()));
            names.push(column.name.to_owned());
            if column.kind == Kind::Bytes {
                arrays.push(array(arrays.len()));
                names.push(format!("{}_length", column.name));
            }
        }
        format!("unnest({}) AS {} ({})", list(arrays.into_iter()), self.name, list(names.into_iter()))
    }

    /// The argument that all bytes of the set are in.
    fn blob(&self) -> String {
        let arguments = Takes::Rows(self.name, self.columns).arguments(self.backend, self.count);
        format!("${}", self.first + arguments - 1)
    }
}

/// The type of a column's array, of one of bytes where these begin in the blob.
fn array_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Int | Kind::Bool => "bigint[]",
        Kind::Text | Kind::Json => "text[]",
        Kind::Uuid => "uuid[]",
        Kind::Hash | Kind::Bytes => "int[]",
    }
}

/// Apart by commas, on lines that can be read.
fn list(items: impl Iterator<Item = String>) -> String {
    let (mut text, mut width) = (String::new(), 0);
    for item in items {
        if width + item.len() > 100 {
            text.push_str(",\n        ");
            width = 0;
        } else if !text.is_empty() {
            text.push_str(", ");
        }
        width += item.len() + 2;
        write!(text, "{item}").expect("a text grows");
    }
    text
}

//! The migrations of both databases, from the one declaration of the tables.
//!
//! What comes out is kept in `migrations/`, to be read and run; a test compares.

use std::fmt::Write as _;

use super::Backend;
use super::tables::{Column, FILES, File, Kind, Layout, Made, TABLES, Table};

/// Lines are about as long as this.
const WIDTH: usize = 124;

/// The migrations: names of files, each with its text.
pub fn migrations(backend: Backend) -> Vec<(String, String)> {
    FILES.iter().map(|file| (format!("{}.sql", file.name), migration(backend, file))).collect()
}

fn migration(backend: Backend, file: &File) -> String {
    let mut sql = comment("", file.doc);
    sql += "-- Made by `cargo run -p clearing --example migrations` from clearing/src/store/tables.rs; not to be edited.\n";
    let tables: Vec<&Table> = TABLES.iter().filter(|table| table.file == file.name).collect();
    for table in &tables {
        sql.push('\n');
        sql += &create(backend, table);
    }
    let first = FILES.iter().find(|file| TABLES.iter().any(|table| table.file == file.name && refuses(table)));
    if backend == Backend::Postgres && first.is_some_and(|first| first.name == file.name) {
        sql += REFUSE_CHANGE;
    }
    for table in tables {
        sql += &triggers(backend, table);
    }
    sql
}

/// What the triggers of PostgreSQL call.
const REFUSE_CHANGE: &str = "
-- Statement triggers cost nothing per row.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END
$$;
";

fn create(backend: Backend, table: &Table) -> String {
    let Table { name, columns, made, checks, indexes, .. } = table;
    let mut sql = comment("", table.doc);
    let mut lines: Vec<(String, String)> = Vec::new();
    let key: Vec<&str> = columns.iter().filter(|column| column.key).map(|column| column.name).collect();
    let widest = columns.iter().map(|column| column.name.len()).max().unwrap_or(0);
    for (column, made) in columns.iter().zip(*made) {
        let own = if key.len() == 1 && column.key { " PRIMARY KEY" } else { "" };
        let not_null = if column.nullable { "" } else { " NOT NULL" };
        let check = check(column, made).map_or_else(String::new, |check| format!(" CHECK ({check})"));
        let line = format!("{:widest$} {}{not_null}{own}{check}", column.name, word(backend, column, made));
        lines.push((comment("    ", made.doc), line));
    }
    if key.len() > 1 {
        lines.push((String::new(), format!("PRIMARY KEY ({})", key.join(", "))));
    }
    for check in *checks {
        lines.push((comment("    ", check.doc), format!("CHECK ({})", check.sql)));
    }
    let last = lines.len() - 1;
    writeln!(sql, "CREATE TABLE {name} (").expect("a text grows");
    for (at, (doc, line)) in lines.into_iter().enumerate() {
        let comma = if at < last { "," } else { "" };
        writeln!(sql, "{doc}    {line}{comma}").expect("a text grows");
    }
    writeln!(sql, "){};", options(backend, table)).expect("a text grows");
    for index in *indexes {
        let unique = if index.unique { "UNIQUE " } else { "" };
        let rows = index.rows.map_or_else(String::new, |rows| format!(" WHERE {rows}"));
        sql += &comment("", index.doc);
        writeln!(sql, "CREATE {unique}INDEX {} ON {name} ({}){rows};", index.name, index.columns)
            .expect("a text grows");
    }
    for layout in table.layout {
        if let (Layout::unpacked(column), Backend::Postgres) = (layout, backend) {
            sql += "-- Zeros would be packed to nothing.\n";
            writeln!(sql, "ALTER TABLE {name} ALTER COLUMN {column} SET STORAGE EXTERNAL;").expect("a text grows");
        }
    }
    sql
}

/// The type of a column in the words of a database.
fn word(backend: Backend, column: &Column, made: &Made) -> &'static str {
    match (backend, column.kind) {
        (Backend::Sqlite, Kind::Int | Kind::Bool) => "INTEGER",
        (Backend::Sqlite, Kind::Text | Kind::Json) => "TEXT",
        (Backend::Sqlite, Kind::Uuid | Kind::Hash | Kind::Bytes) => "BLOB",
        (Backend::Postgres, Kind::Int | Kind::Bool) => match made.width {
            2 => "smallint",
            4 => "integer",
            _ => "bigint",
        },
        (Backend::Postgres, Kind::Text | Kind::Json) => "text",
        (Backend::Postgres, Kind::Uuid) => "uuid",
        (Backend::Postgres, Kind::Hash | Kind::Bytes) => "bytea",
    }
}

/// What must hold of a column, by its kind or by its own.
fn check(column: &Column, made: &Made) -> Option<String> {
    match column.kind {
        Kind::Hash => Some(format!("length({}) = 32", column.name)),
        Kind::Bool => Some(format!("{} IN (0, 1)", column.name)),
        Kind::Int | Kind::Text | Kind::Json | Kind::Uuid | Kind::Bytes => made.check.map(str::to_owned),
    }
}

fn options(backend: Backend, table: &Table) -> String {
    if backend == Backend::Sqlite {
        let mut keys = table.columns.iter().filter(|column| column.key);
        let numbered = matches!((keys.next(), keys.next()), (Some(column), None) if column.kind == Kind::Int);
        let by_row = numbered || table.layout.contains(&Layout::rowid);
        return if by_row { " STRICT" } else { " STRICT, WITHOUT ROWID" }.to_owned();
    }
    let option = |layout: &Layout| match layout {
        Layout::fillfactor(percent) => Some(format!("fillfactor = {percent}")),
        Layout::whole(bytes) => Some(format!("toast_tuple_target = {bytes}")),
        Layout::rowid | Layout::unpacked(_) | Layout::append_only | Layout::never_updated => None,
    };
    let options: Vec<String> = table.layout.iter().filter_map(option).collect();
    if options.is_empty() { String::new() } else { format!(" WITH ({})", options.join(", ")) }
}

fn refuses(table: &Table) -> bool {
    table.layout.iter().any(|layout| matches!(layout, Layout::append_only | Layout::never_updated))
}

/// What keeps rows as they were written, whoever holds a connection. On SQLite a REPLACE deletes without firing these, unless
/// the connection has recursive_triggers on; the house's connections have.
fn triggers(backend: Backend, table: &Table) -> String {
    let name = table.name;
    if !refuses(table) {
        return String::new();
    }
    let deletes = table.layout.contains(&Layout::append_only);
    if backend == Backend::Postgres {
        let events = if deletes { "UPDATE OR DELETE OR TRUNCATE" } else { "UPDATE" };
        return format!(
            "CREATE TRIGGER {name}_refuse_change BEFORE {events} ON {name} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();\n"
        );
    }
    let refuse = |event: &str| {
        format!(
            "CREATE TRIGGER {name}_refuse_{} BEFORE {event} ON {name} BEGIN SELECT RAISE(ABORT, '{name} is append-only'); END;\n",
            event.to_lowercase()
        )
    };
    let deleted = if deletes { refuse("DELETE") } else { String::new() };
    refuse("UPDATE") + &deleted
}

/// Lines of a comment, broken anew.
fn comment(indent: &str, doc: &[&str]) -> String {
    let (mut text, mut line) = (String::new(), String::new());
    for word in doc.iter().flat_map(|line| line.split_whitespace()) {
        if !line.is_empty() && indent.len() + 3 + line.len() + 1 + word.len() > WIDTH {
            writeln!(text, "{indent}-- {line}").expect("a text grows");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line += word;
    }
    if !line.is_empty() {
        writeln!(text, "{indent}-- {line}").expect("a text grows");
    }
    text
}

//! The interface as a partner reads it: what the `.proto` files declare, each with its comment. The descriptor that the house
//! serves has no comments.

use std::collections::BTreeSet;
use std::path::Path;

/// A field of a message, or a oneof of one.
#[derive(Debug)]
pub struct Field {
    pub message: String,
    pub name: String,
    /// The comment, its lines joined by spaces.
    pub comment: String,
}

/// Something else that has a comment: a service, method, message, enum or one of its values, by its name.
type Commented = (String, String);

#[derive(Debug, Default)]
struct Interface {
    fields: Vec<Field>,
    others: Vec<Commented>,
    values: Vec<String>,
}

pub fn fields() -> Vec<Field> {
    read().fields
}

/// Every comment, with the name of what it is about.
pub fn comments() -> Vec<Commented> {
    let interface = read();
    let of_field = |field: Field| (format!("{}.{}", field.message, field.name), field.comment);
    interface.others.into_iter().chain(interface.fields.into_iter().map(of_field)).collect()
}

/// Whether a word is a value of an enum, with or without the name of the enum before it.
pub fn is_a_value(word: &str) -> bool {
    read().values.iter().any(|value| value == word || value.ends_with(&format!("_{word}")))
}

/// The values of an enum without its name before them, but for the one that is not set.
pub fn values(of: &str) -> BTreeSet<String> {
    let mut prefix = String::new();
    for letter in of.chars() {
        if letter.is_uppercase() && !prefix.is_empty() {
            prefix.push('_');
        }
        prefix.push(letter.to_ascii_uppercase());
    }
    let values = read().values.into_iter();
    let values = values.filter_map(|value| Some(value.strip_prefix(&prefix)?.strip_prefix('_')?.to_owned()));
    values.filter(|value| value != "UNSPECIFIED").collect()
}

fn read() -> Interface {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto/coalition/clearing/v1");
    let mut interface = Interface::default();
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.extension().is_some_and(|extension| extension == "proto") {
            interface.add(&std::fs::read_to_string(path).unwrap());
        }
    }
    interface
}

impl Interface {
    fn add(&mut self, file: &str) {
        let (mut block, mut name, mut comment) = ("", "", String::new());
        for line in file.lines().map(str::trim) {
            if let Some(text) = line.strip_prefix("//") {
                comment.push_str(text);
                continue;
            }
            let words: Vec<&str> = line.split([' ', '(']).filter(|word| !word.is_empty()).collect();
            let comment = std::mem::take(&mut comment);
            let comment = comment.trim();
            let field = |name: &str, of: &str| Field {
                message: of.to_owned(),
                name: name.to_owned(),
                comment: comment.to_owned(),
            };
            match words.as_slice() {
                [kind @ ("message" | "enum" | "service"), of, ..] => {
                    (block, name) = (*kind, of);
                    self.others.push(((*of).to_owned(), comment.to_owned()));
                }
                ["rpc", method, ..] => self.others.push((format!("{name}.{method}"), comment.to_owned())),
                ["oneof", of, ..] => self.fields.push(field(of, name)),
                [value, "=", ..] if block == "enum" => {
                    self.values.push((*value).to_owned());
                    self.others.push(((*value).to_owned(), comment.to_owned()));
                }
                [.., of, "=", _] if block == "message" => self.fields.push(field(of, name)),
                _ => (),
            }
        }
    }
}

//! What is wrong with a configuration, said so that it can be put right.

use std::fmt;
use std::path::PathBuf;

use super::keys::{KEYS, Key};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A line of a file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// An environment variable.
    Environment(String),
    /// A flag of the command line.
    Flag(String),
    /// Nobody set it.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag(flag) => write!(f, "flag {flag}"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// What is wrong with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Needed for what was asked, and set nowhere.
    Missing,
    /// Not of the form.
    Malformed(String),
    /// Of the form, and not allowed.
    OutOfRange(String),
    /// There is no such key.
    Unknown,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key as it was written.
    pub key: String,
    /// Its value as it was written, secrets left out.
    pub value: Option<String>,
    /// What is wrong.
    pub fault: Fault,
    /// Where it was found. [`Source::Default`]: nowhere, it is missing.
    pub source: Source,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, value, fault, source } = self;
        let value = value.as_ref().map_or_else(String::new, |value| format!(" = {value:?}"));
        match fault {
            Fault::Missing => {
                write!(f, "{key} is missing")?;
                if let Some(known) = Key::named(key) {
                    let (section, name) = known.parts();
                    write!(f, "\n  what it is: {}\n  allowed: {}", known.doc, known.kind.allowed())?;
                    write!(
                        f,
                        "\n  set it: {name} = ... under [{section}] in the configuration file, {} in the environment, or \
                         --set {key}=...",
                        known.variable()
                    )?;
                }
                Ok(())
            }
            Fault::Malformed(why) | Fault::OutOfRange(why) => {
                let verdict = if matches!(fault, Fault::Malformed(_)) { "is malformed" } else { "is out of range" };
                write!(f, "{key}{value} {verdict}: {why}\n  from: {source}")?;
                if let Some(known) = Key::named(key) {
                    write!(f, "\n  allowed: {}", known.kind.allowed())?;
                }
                Ok(())
            }
            Fault::Unknown => {
                write!(f, "{key}{value} is unknown: there is no such key\n  from: {source}\n  ")?;
                match nearest(key) {
                    Some(meant) => write!(f, "did you mean: {meant}"),
                    None => {
                        let names: Vec<_> = KEYS.iter().map(|key| key.name).collect();
                        write!(f, "allowed: {}", names.join(", "))
                    }
                }
            }
        }
    }
}

/// All that is wrong, at once, so that nobody has to run a program once per mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// The key that was probably meant: one with the same last part, or one that few changes lead to.
fn nearest(key: &str) -> Option<&'static str> {
    let same_name = KEYS.iter().find(|known| known.parts().1 == key.rsplit('.').next().unwrap_or(key));
    let few = |known: &&Key| distance(known.name, key) <= 3;
    let close = KEYS.iter().filter(few).min_by_key(|known| distance(known.name, key));
    close.or(same_name).map(|known| known.name)
}

/// How many letters must be put in, taken out or replaced to make one text of the other (Levenshtein).
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (at, letter) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (column, other) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

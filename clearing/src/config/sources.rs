//! Where values come from: a file, the environment, flags. The later wins.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{Key, Kind, SECTIONS, Unfit};
use super::problem::{Fault, Problem, Source};
use super::{ConfigError, Found};

/// What every variable of ours begins with.
pub const VARIABLE_PREFIX: &str = "CLEARING_";

/// The variable that names the file.
pub const FILE_VARIABLE: &str = "CLEARING_CONFIG";

/// The file that is read when nobody names one, if it is there.
pub const FILE_DEFAULT: &str = "clearing.toml";

/// The variables of the process that may concern us.
#[derive(Debug, Clone, Default)]
pub struct Environment(BTreeMap<String, OsString>);

impl Environment {
    /// Those of this process.
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn of_process() -> Self {
        Self::from_pairs(std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value))))
    }

    /// These.
    pub fn from_pairs(pairs: impl IntoIterator<Item = (String, OsString)>) -> Self {
        Self(pairs.into_iter().filter(|(name, _)| name.starts_with(VARIABLE_PREFIX)).collect())
    }

    /// The file that it names.
    pub fn file(&self) -> Option<PathBuf> {
        self.0.get(FILE_VARIABLE).map(PathBuf::from)
    }

    /// Sets every key that a variable names.
    ///
    /// Only variables that name one of our sections are looked at: container platforms put variables of their own in
    /// (`CLEARING_SERVICE_HOST`, `CLEARING_PORT_7443_TCP`) when a service is called as we are.
    pub(super) fn read(&self, found: &mut BTreeMap<&'static str, Found>, problems: &mut Vec<Problem>) {
        for (name, value) in &self.0 {
            let rest = name[VARIABLE_PREFIX.len()..].to_ascii_lowercase();
            let Some((section, rest)) = rest.split_once('_') else { continue };
            if !SECTIONS.iter().any(|(known, _)| *known == section) {
                continue;
            }
            let key = format!("{section}.{rest}");
            let source = Source::Environment(name.clone());
            let Some(text) = value.to_str() else {
                let fault = Fault::Malformed("not UTF-8".to_owned());
                problems.push(Problem { key, value: None, fault, source });
                continue;
            };
            set(&key, text, source, None, found, problems);
        }
    }
}

/// A key with a value that the command line gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// The flag as messages should name it.
    pub flag: String,
    /// The key that it sets.
    pub key: String,
    /// The value.
    pub value: String,
}

impl Flag {
    pub(super) fn read(&self, found: &mut BTreeMap<&'static str, Found>, problems: &mut Vec<Problem>) {
        set(&self.key, &self.value, Source::Flag(self.flag.clone()), None, found, problems);
    }
}

/// Sets every key of a file.
pub(super) fn read_file(
    path: &Path,
    text: &str,
    found: &mut BTreeMap<&'static str, Found>,
    problems: &mut Vec<Problem>,
) -> Result<(), ConfigError> {
    let line = |offset: usize| text[..offset.min(text.len())].bytes().filter(|byte| *byte == b'\n').count() + 1;
    let document = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
        path: path.to_owned(),
        line: line(error.span().map_or(0, |span| span.start)),
        why: error.message().to_owned(),
    })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    for (section, content) in document.get_ref() {
        let DeValue::Table(table) = content.get_ref() else {
            // A key outside of every section is none of ours, whatever its value.
            let source = Source::File { path: path.to_owned(), line: line(section.span().start) };
            problems.push(unknown(section.get_ref(), source));
            continue;
        };
        if !SECTIONS.iter().any(|(known, _)| *known == section.get_ref().as_ref()) && table.is_empty() {
            let source = Source::File { path: path.to_owned(), line: line(section.span().start) };
            problems.push(Problem { key: section.get_ref().to_string(), value: None, fault: Fault::Unknown, source });
        }
        for (name, value) in table {
            let source = Source::File { path: path.to_owned(), line: line(name.span().start) };
            let key = format!("{}.{}", section.get_ref(), name.get_ref());
            let spelling = text.get(value.span()).unwrap_or_default();
            read_value(&key, value, spelling, source, folder, found, problems);
        }
    }
    Ok(())
}

fn read_value(
    key: &str,
    value: &Spanned<DeValue<'_>>,
    // As the file has it: TOML would take more forms of a number than the house does.
    spelling: &str,
    source: Source,
    folder: &Path,
    found: &mut BTreeMap<&'static str, Found>,
    problems: &mut Vec<Problem>,
) {
    let Some(known) = Key::named(key) else {
        return problems.push(unknown(key, source));
    };
    let malformed = |why: &str| Problem {
        key: key.to_owned(),
        value: Some(shown(known.kind, &written(value.get_ref()))),
        fault: Fault::Malformed(why.to_owned()),
        source: source.clone(),
    };
    // Who has no partner to name apart writes a number as a number.
    let is_number = known.kind.is_number()
        || matches!((value.get_ref(), known.kind), (DeValue::Integer(_), Kind::PerPartner { .. }));
    match (value.get_ref(), is_number) {
        (DeValue::Integer(_), true) => set(key, spelling, source, Some(folder), found, problems),
        (DeValue::String(text), false) => set(key, text, source, Some(folder), found, problems),
        (DeValue::String(_), true) => problems.push(malformed("a number is written without quotes")),
        (_, true) => problems.push(malformed("not a whole number")),
        (_, false) => problems.push(malformed("not a text in quotes")),
    }
}

/// Sets one key. Relative files start at `folder`.
fn set(
    key: &str,
    text: &str,
    source: Source,
    folder: Option<&Path>,
    found: &mut BTreeMap<&'static str, Found>,
    problems: &mut Vec<Problem>,
) {
    let Some(known) = Key::named(key) else {
        return problems.push(unknown(key, source));
    };
    match known.kind.read(text) {
        Ok(value) => {
            let value = match folder {
                Some(folder) => super::relative_to(folder, known.kind, value),
                None => value,
            };
            found.insert(known.name, Found { value, source });
        }
        Err(unfit) => {
            let fault = match unfit {
                Unfit::Malformed(why) => Fault::Malformed(why),
                Unfit::OutOfRange(why) => Fault::OutOfRange(why),
            };
            problems.push(Problem { key: key.to_owned(), value: Some(shown(known.kind, text)), fault, source });
        }
    }
}

/// What stands under a key that nobody knows may be a password, so it is not told.
fn unknown(key: &str, source: Source) -> Problem {
    Problem { key: key.to_owned(), value: None, fault: Fault::Unknown, source }
}

/// A value as a message may show it.
fn shown(kind: Kind, text: &str) -> String {
    const SHOWN_MAX: usize = 120;
    let text = if kind == Kind::Database { super::without_password(text) } else { text.to_owned() };
    if text.chars().count() <= SHOWN_MAX {
        return text;
    }
    text.chars().take(SHOWN_MAX).chain("...".chars()).collect()
}

/// A value of a file as it was written, near enough to find it.
fn written(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => number.as_str().to_owned(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(truth) => truth.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(_) => "[...]".to_owned(),
        DeValue::Table(_) => "{...}".to_owned(),
    }
}

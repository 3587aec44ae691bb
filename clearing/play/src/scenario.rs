//! Scenario files: a coalition, the steps of a play, and what is expected of each, as data.
//!
//! The same file is played on the rules alone, on the writer over either database, and through the SDK over mTLS (see
//! [`player`](crate::player)). Its coalition is a [`CoalitionFile`]. The format is described in `scenarios/README.md`.
//!
//! Unknown keys are errors. What the format knows and this release does not (exchange, disputes, defaults, exits) is read,
//! and refused by name where it would have to be obeyed: by [`CoalitionFile::to_house`] or by the player.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clearing::coalition_file::{CoalitionFile, CoalitionTable, FIRST_PERSON, PartnerTable, Variant, check_numbers};
use clearing_core::facts::coalition::SCALE_MAX;
use clearing_core::facts::origin::{Code, Origin};
use clearing_core::facts::person::PersonId;
use clearing_core::units::{Malformed, Money, PartnerId, Timestamp, WindowNumber};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use toml::Table;

use crate::fields::Fields;
use crate::names::Names;

/// Why a scenario file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// Not TOML, an unknown or missing key, or a value of the wrong form. The text shows the line.
    #[error(transparent)]
    Toml(#[from] toml::de::Error),
    /// A step has a wrong, missing or unknown key, which the problem names.
    #[error("step {number} ({action}): {problem}")]
    Step { number: usize, action: String, problem: String },
}

/// A scenario file.
#[derive(Debug, Clone)]
pub struct Scenario {
    pub id: String,
    pub title: String,
    /// The file is played once for each: the funding of every partner that names none.
    pub variants: Vec<Variant>,
    pub house: CoalitionFile,
    pub steps: Vec<Step>,
    pub end: Option<End>,
}

/// An amount of money in a file: a decimal string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Amount(#[serde(deserialize_with = "clearing::coalition_file::decimal")] pub Decimal);

/// Amounts by account or participant.
pub type Amounts = BTreeMap<String, Amount>;

/// What is expected of a step. What is left out is not looked at, but for `money`, whose variants that are not named
/// expect none.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    pub points: Option<BTreeMap<String, i64>>,
    #[serde(default)]
    pub money: BTreeMap<Variant, Amounts>,
    pub rejected: Option<String>,
    #[serde(default)]
    pub replayed: bool,
    pub lots: Option<Vec<(String, i64)>>,
    pub entries: Option<Vec<String>>,
    #[serde(default)]
    pub legs: BTreeMap<Variant, Amounts>,
    #[serde(default)]
    pub carried: BTreeMap<Variant, Amounts>,
    #[serde(default)]
    pub saved: BTreeMap<Variant, Amount>,
    #[serde(default)]
    pub orders: BTreeMap<Variant, Vec<(String, String, Amount)>>,
    /// What an `abandon` answers: `BURNED`, `UNDONE`, `NO_EFFECT` or `ALREADY`.
    pub abandoned: Option<String>,
    pub taken_back: Option<i64>,
    pub debt: Option<i64>,
    pub units: Option<i64>,
    pub units_taken: Option<i64>,
    pub units_back: Option<i64>,
}

/// What is expected when all steps are played: every balance that is not zero, and the states of the windows.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    #[serde(default)]
    pub points: BTreeMap<String, i64>,
    #[serde(default)]
    pub money: BTreeMap<Variant, Amounts>,
    pub windows: Option<Vec<String>>,
}

/// One step of a play.
#[derive(Debug, Clone)]
pub struct Step {
    /// From 1.
    pub number: usize,
    pub at: Timestamp,
    /// The `do` of the file.
    pub action_name: String,
    pub action: Action,
    pub by: By,
    /// The `as`: the name that later steps have for the result.
    pub name: Option<String>,
    /// The name of the request id; a fresh one if none.
    pub request: Option<String>,
    pub receipt: Receipt,
    pub expect: Option<Expect>,
}

/// Who asks for a step: a partner; or `operator/NAME`, a person of the operator. The operator by itself is its first person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct By {
    pub partner: PartnerId,
    pub person: Option<PersonId>,
}

impl By {
    /// The first person of the operator.
    pub fn operator() -> Self {
        Self { partner: PartnerId::operator(), person: Some(FIRST_PERSON.parse().expect("a name")) }
    }
}

impl FromStr for By {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        if let Some(person) = text.strip_prefix("operator/") {
            return Ok(Self { partner: PartnerId::operator(), person: Some(person.parse()?) });
        }
        let partner: PartnerId = text.parse()?;
        Ok(if partner.is_operator() { Self::operator() } else { Self { partner, person: None } })
    }
}

/// The receipt that a step belongs to: an addition of our own to the common form.
#[derive(Debug, Clone, Default)]
pub struct Receipt {
    pub number: Option<Code>,
    pub line: Option<u32>,
    pub total: Option<Decimal>,
}

impl Receipt {
    /// Where a step comes from, as far as the file tells.
    ///
    /// # Errors
    /// If the total has more decimals than the `scale`.
    pub fn origin(&self, scale: u32) -> Result<Origin, Malformed> {
        Ok(Origin {
            receipt_number: self.number.clone(),
            receipt_line: self.line,
            receipt_total: self.total.map(|total| Money::of(total, scale)).transpose()?,
            ..Origin::default()
        })
    }
}

/// What a step does.
#[derive(Debug, Clone)]
pub enum Action {
    /// Asks for an operation.
    Ask(Fields),
    /// Pays every order that is still due.
    PayAll {
        window: WindowNumber,
    },
    /// Sets terms, limits, or both.
    SetTerms {
        table: Box<PartnerTable>,
        effective: Option<Timestamp>,
    },
    AdvanceTime,
    /// Something of the format that this release does not do.
    Unsupported,
}

/// The folder of the acceptance scenarios.
pub fn scenario_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios")
}

impl Scenario {
    /// The names of all scenarios that the project carries: those of its contract, then its own.
    pub fn names() -> Vec<String> {
        let of_folder = |folder: PathBuf, before: &str| {
            let files = std::fs::read_dir(folder).expect("the scenarios are there");
            let files = files.map(|file| file.expect("the scenarios can be listed").path());
            let scenarios = files.filter(|file| file.extension().is_some_and(|ending| ending == "toml"));
            let name = |file: PathBuf| format!("{before}{}", file.file_stem().unwrap_or_default().display());
            let mut names: Vec<String> = scenarios.map(name).collect();
            names.sort();
            names
        };
        let mut names = of_folder(scenario_dir(), "");
        names.extend(of_folder(scenario_dir().join("own"), "own/"));
        names
    }

    /// Reads the acceptance scenario of a name: `S01`, `own/O01`.
    pub fn read(name: &str) -> Self {
        let file = std::fs::read_to_string(scenario_dir().join(format!("{name}.toml"))).unwrap();
        Self::parse(&file).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Reads a scenario file.
    ///
    /// # Errors
    /// [`ScenarioError::Toml`] or [`ScenarioError::Step`], each naming the key.
    pub fn parse(file: &str) -> Result<Self, ScenarioError> {
        check_numbers(file)?;
        let file: ScenarioTable = toml::from_str(file)?;
        // Whether the coalition can have its scale is found when its house is made.
        let (mut names, scale) = (Names::of_nothing_yet(), SCALE_MAX);
        let steps = file.step.into_iter().enumerate().map(|(at, step)| step.read(at + 1, &mut names, scale));
        Ok(Self {
            id: file.id,
            title: file.title,
            variants: file.variants,
            steps: steps.collect::<Result<_, _>>()?,
            end: file.end,
            house: CoalitionFile { coalition: file.coalition, partners: file.partner },
        })
    }
}

/// The whole file as it stands.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScenarioTable {
    id: String,
    title: String,
    variants: Vec<Variant>,
    coalition: CoalitionTable,
    #[serde(default)]
    partner: Vec<PartnerTable>,
    #[serde(default)]
    step: Vec<StepTable>,
    end: Option<End>,
}

/// A step as it stands: the keys that every step has, and the fields of its action.
#[derive(Deserialize)]
struct StepTable {
    #[serde(deserialize_with = "clearing::coalition_file::text")]
    at: Timestamp,
    r#do: String,
    #[serde(default, deserialize_with = "clearing::coalition_file::optional_text")]
    by: Option<By>,
    r#as: Option<String>,
    request: Option<String>,
    receipt: Option<String>,
    line: Option<u32>,
    #[serde(default, deserialize_with = "clearing::coalition_file::optional_decimal")]
    total: Option<Decimal>,
    expect: Option<Expect>,
    #[serde(flatten)]
    fields: Table,
}

impl StepTable {
    fn read(self, number: usize, names: &mut Names, scale: u32) -> Result<Step, ScenarioError> {
        let wrong = |problem| ScenarioError::Step { number, action: self.r#do.clone(), problem };
        let action = action(&self.r#do, self.fields).map_err(wrong)?;
        if let Action::Ask(fields) = &action {
            // What is wrong whatever its names stand for is wrong before anything is played.
            fields.command(names, self.at, scale).map_err(wrong)?;
        }
        let number_of = |text: String| Code::receipt(&text).map_err(|problem| wrong(format!("receipt: {problem}")));
        let receipt = Receipt { number: self.receipt.map(number_of).transpose()?, line: self.line, total: self.total };
        Ok(Step {
            number,
            at: self.at,
            action,
            by: self.by.unwrap_or_else(By::operator),
            name: self.r#as,
            request: self.request,
            receipt,
            expect: self.expect,
            action_name: self.r#do,
        })
    }
}

/// The steps of the format that this release does not play.
const UNSUPPORTED_STEPS: [&str; 7] =
    ["exchange_in", "exchange_out", "dispute", "resolve_dispute", "exit", "finish_exit", "set_exchange"];

/// What a step of a name does.
fn action(name: &str, mut fields: Table) -> Result<Action, String> {
    if UNSUPPORTED_STEPS.contains(&name) {
        return Ok(Action::Unsupported);
    }
    let action = match name {
        "advance_time" => Action::AdvanceTime,
        "pay_all" => Action::PayAll { window: need(&mut fields, "window")? },
        "set_terms" => {
            let (partner, effective) = (need::<String>(&mut fields, "partner")?, take(&mut fields, "effective")?);
            let mut table = std::mem::take(&mut fields);
            table.insert("id".to_owned(), partner.into());
            let table = PartnerTable::deserialize(table).map_err(|problem| problem.message().to_owned())?;
            Action::SetTerms { table: Box::new(table), effective }
        }
        operation => Action::Ask(Fields::new(operation, std::mem::take(&mut fields))),
    };
    match fields.keys().next() {
        Some(key) => Err(format!("{key}: unknown key")),
        None => Ok(action),
    }
}

fn need<T: DeserializeOwned>(fields: &mut Table, key: &str) -> Result<T, String> {
    take(fields, key)?.ok_or_else(|| format!("{key}: missing"))
}

fn take<T: DeserializeOwned>(fields: &mut Table, key: &str) -> Result<Option<T>, String> {
    let value = fields.remove(key).map(T::deserialize).transpose();
    value.map_err(|problem| format!("{key}: {}", problem.message()))
}

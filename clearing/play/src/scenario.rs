//! Scenario files: a coalition, the steps of a play, and what is expected of each, as data.
//!
//! The same file is played on the rules alone, on the writer over either database, and through the SDK over mTLS (see
//! [`player`](crate::player)). Its coalition is a [`CoalitionFile`]. The format is described in `scenarios/README.md`.
//!
//! Unknown keys are errors. What the format knows and this release does not (exchange, disputes, defaults, exits) is read,
//! and refused by name where it would have to be obeyed: by [`CoalitionFile::to_house`] or by the player.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clearing::coalition_file::{CoalitionFile, CoalitionTable, PartnerTable, Variant, check_numbers};

use clearing_core::chart::Fund;
use clearing_core::facts::order::{OrderMode, OrderParty};
use clearing_core::facts::origin::{Code, Origin};
use clearing_core::facts::partner::PartnerState;
use clearing_core::rules::issue::Earn;
use clearing_core::rules::payment::Payment;
use clearing_core::units::{Malformed, Money, PartnerId, Points, Rate, Timestamp, WindowNumber, number};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Why a scenario file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// Not TOML, an unknown or missing key, or a value of the wrong form. The text shows the line.
    #[error(transparent)]
    Toml(#[from] toml::de::Error),
    /// A step has a wrong, missing or unknown key.
    #[error("step {number} ({action}): {key}: {problem}")]
    Step { number: usize, action: String, key: String, problem: String },
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
    pub by: PartnerId,
    /// The `as`: the name that later steps have for the result.
    pub name: Option<String>,
    /// The name of the request id; a fresh one if none.
    pub request: Option<String>,
    pub receipt: Receipt,
    pub expect: Option<Expect>,
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
    Issue {
        member: String,
        earn: Earn,
    },
    Redeem {
        member: String,
        points: Points,
    },
    Authorize {
        member: String,
        points: Points,
        lapses: Timestamp,
    },
    Capture {
        of: String,
        points: Points,
    },
    Void {
        of: String,
    },
    ReverseIssue {
        of: String,
        points: Points,
        refuse_shortfall: bool,
    },
    Transfer {
        member: String,
        to: String,
        points: Points,
    },
    Decay {
        member: String,
        rate: Rate,
        period: Code,
    },
    ReturnRedemption {
        of: String,
        points: Points,
    },
    /// Of the request of this name.
    Abandon {
        abandons: String,
    },
    CloseWindow,
    ConfirmSettlement {
        window: WindowNumber,
    },
    ExportOrders {
        window: WindowNumber,
        mode: OrderMode,
    },
    Pay {
        window: WindowNumber,
        payment: Payment,
        amount: Option<Decimal>,
    },
    PayAll {
        window: WindowNumber,
    },
    AbortSettlement {
        window: WindowNumber,
    },
    Deposit {
        fund: Fund,
        amount: Decimal,
    },
    CreatePartner {
        terms: Box<PartnerTable>,
    },
    SetTerms {
        terms: Box<PartnerTable>,
        effective: Option<Timestamp>,
    },
    SetState {
        partner: PartnerId,
        state: PartnerState,
    },
    /// Lets `partner` name `funder` in joint issues, up to a budget; or no longer.
    SetConsent {
        funder: PartnerId,
        partner: PartnerId,
        budget: Option<Points>,
        given: bool,
    },
    AdvanceTime,
    /// Something of the format that this release does not do.
    Unsupported {
        what: String,
    },
}

/// The folder of the acceptance scenarios.
pub fn scenario_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios")
}

impl Scenario {
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
        let steps = file.step.into_iter().enumerate().map(|(at, step)| step.read(at + 1));
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
    by: Option<PartnerId>,
    r#as: Option<String>,
    request: Option<String>,
    receipt: Option<String>,
    line: Option<u32>,
    #[serde(default, deserialize_with = "clearing::coalition_file::optional_decimal")]
    total: Option<Decimal>,
    expect: Option<Expect>,
    #[serde(flatten)]
    fields: toml::Table,
}

impl StepTable {
    fn read(self, number: usize) -> Result<Step, ScenarioError> {
        let mut fields = Fields { number, action: self.r#do.clone(), table: self.fields };
        let action = fields.action()?;
        let number_of =
            |text: String| Code::receipt(&text).map_err(|problem| fields.wrong("receipt", problem.to_string()));
        let receipt = Receipt { number: self.receipt.map(number_of).transpose()?, line: self.line, total: self.total };
        Ok(Step {
            number,
            at: self.at,
            action_name: self.r#do,
            action,
            by: self.by.unwrap_or_else(PartnerId::operator),
            name: self.r#as,
            request: self.request,
            receipt,
            expect: self.expect,
        })
    }
}

/// The steps of the format that this release does not play.
const UNSUPPORTED_STEPS: [&str; 10] = [
    "exchange_in",
    "exchange_out",
    "return_payment",
    "cover_default",
    "repay_claim",
    "dispute",
    "resolve_dispute",
    "exit",
    "finish_exit",
    "set_exchange",
];

/// The fields of one action. Each is taken once; what is left in the end is unknown.
struct Fields {
    number: usize,
    action: String,
    table: toml::Table,
}

impl Fields {
    fn action(&mut self) -> Result<Action, ScenarioError> {
        if UNSUPPORTED_STEPS.contains(&self.action.as_str()) {
            return Ok(Action::Unsupported { what: self.action.clone() });
        }
        let action = match self.action.as_str() {
            "issue" => Action::Issue { member: self.need("member")?, earn: self.earn()? },
            "redeem" => Action::Redeem { member: self.need("member")?, points: Points(self.need("points")?) },
            "authorize" => {
                let (member, points) = (self.need("member")?, Points(self.need("points")?));
                Action::Authorize { member, points, lapses: self.need_text("lapses")? }
            }
            "capture" => Action::Capture { of: self.need("of")?, points: Points(self.need("points")?) },
            "void" => Action::Void { of: self.need("of")? },
            "reverse_issue" => Action::ReverseIssue {
                of: self.need("of")?,
                points: Points(self.need("points")?),
                refuse_shortfall: self.take("refuse_shortfall")?.unwrap_or(false),
            },
            "transfer" => {
                let (member, to) = (self.need("member")?, self.need("to")?);
                Action::Transfer { member, to, points: Points(self.need("points")?) }
            }
            "decay" => {
                let (member, rate) = (self.need("member")?, self.need_text("rate")?);
                let period: String = self.need("period")?;
                let period = Code::word(&period).map_err(|problem| self.wrong("period", problem.to_string()))?;
                Action::Decay { member, rate, period }
            }
            "return_redemption" => {
                Action::ReturnRedemption { of: self.need("of")?, points: Points(self.need("points")?) }
            }
            "abandon" => Action::Abandon { abandons: self.need("abandons")? },
            "close_window" => Action::CloseWindow,
            "confirm_settlement" => Action::ConfirmSettlement { window: self.need("window")? },
            "export_orders" => {
                let mode: String = self.need("mode")?;
                let mode = OrderMode::parse(&mode)
                    .ok_or_else(|| self.wrong("mode", format!("{mode:?} is not HUB or PAIRWISE")))?;
                Action::ExportOrders { window: self.need("window")?, mode }
            }
            "pay" => {
                let (window, amount) = (self.need("window")?, self.decimal("amount")?);
                Action::Pay { window, payment: self.payment()?, amount }
            }
            "pay_all" => Action::PayAll { window: self.need("window")? },
            "abort_settlement" => Action::AbortSettlement { window: self.need("window")? },
            "deposit" => {
                let amount = self.decimal("amount")?.ok_or_else(|| self.wrong("amount", "missing".to_owned()))?;
                Action::Deposit { fund: self.need_text("account")?, amount }
            }
            "create_partner" => Action::CreatePartner { terms: Box::new(self.terms()?) },
            "set_terms" => {
                let effective = self.text("effective")?;
                Action::SetTerms { terms: Box::new(self.terms()?), effective }
            }
            "set_state" => {
                let state: String = self.need("state")?;
                let state = PartnerState::parse(&state)
                    .ok_or_else(|| self.wrong("state", format!("{state:?} is not a partner's state")))?;
                Action::SetState { partner: self.need_text("partner")?, state }
            }
            "set_consent" => {
                let (funder, partner) = (self.need_text("funder")?, self.need_text("partner")?);
                let budget = self.take("budget")?.map(Points);
                Action::SetConsent { funder, partner, budget, given: !self.take("revoke")?.unwrap_or(false) }
            }
            "advance_time" => Action::AdvanceTime,
            unknown => return Err(self.wrong("do", format!("there is no step {unknown:?}"))),
        };
        if let Some(key) = self.table.keys().next().cloned() {
            return Err(self.wrong(&key, "unknown key".to_owned()));
        }
        Ok(action)
    }

    fn earn(&mut self) -> Result<Earn, ScenarioError> {
        let points = Points(self.need("points")?);
        let (expires, activates) = (self.text("expires")?, self.text("activates")?);
        let named: Vec<(String, u32)> = self.take("funders")?.unwrap_or_default();
        let funder = |(id, weight): (String, u32)| match id.parse() {
            Ok(id) => Ok((id, weight)),
            Err(problem) => Err(self.wrong("funders", Malformed::to_string(&problem))),
        };
        let funders = named.into_iter().map(funder).collect::<Result<_, _>>()?;
        Ok(Earn { points, expires, activates, funders })
    }

    fn payment(&mut self) -> Result<Payment, ScenarioError> {
        let party = |fields: &mut Self, key: &str| {
            let name: String = fields.need(key)?;
            OrderParty::parse(&name).map_err(|problem| fields.wrong(key, problem.to_string()))
        };
        if self.table.contains_key("partner") {
            return Ok(Payment::Hub(self.need_text("partner")?));
        }
        Ok(Payment::Pair { payer: party(self, "payer")?, payee: party(self, "payee")? })
    }

    /// The fields of a partner, which are all that is left.
    fn terms(&mut self) -> Result<PartnerTable, ScenarioError> {
        let partner: String = self.need("partner")?;
        let mut table = std::mem::take(&mut self.table);
        table.insert("id".to_owned(), toml::Value::String(partner));
        PartnerTable::deserialize(table)
            .map_err(|problem| self.wrong("fields of a partner", problem.message().to_owned()))
    }

    fn take<T: DeserializeOwned>(&mut self, key: &str) -> Result<Option<T>, ScenarioError> {
        let value = self.table.remove(key);
        let read = |value: toml::Value| T::deserialize(value).map_err(|problem| self.wrong(key, problem.to_string()));
        value.map(read).transpose()
    }

    fn need<T: DeserializeOwned>(&mut self, key: &str) -> Result<T, ScenarioError> {
        self.take(key)?.ok_or_else(|| self.wrong(key, "missing".to_owned()))
    }

    fn text<T: FromStr<Err: Display>>(&mut self, key: &str) -> Result<Option<T>, ScenarioError> {
        let value: Option<String> = self.take(key)?;
        let read = |value: String| value.parse().map_err(|problem: T::Err| self.wrong(key, problem.to_string()));
        value.map(read).transpose()
    }

    fn decimal(&mut self, key: &str) -> Result<Option<Decimal>, ScenarioError> {
        let value: Option<String> = self.take(key)?;
        value.map(|value| number(&value).map_err(|Malformed(problem)| self.wrong(key, problem))).transpose()
    }

    fn need_text<T: FromStr<Err: Display>>(&mut self, key: &str) -> Result<T, ScenarioError> {
        self.text(key)?.ok_or_else(|| self.wrong(key, "missing".to_owned()))
    }

    fn wrong(&self, key: &str, problem: String) -> ScenarioError {
        ScenarioError::Step { number: self.number, action: self.action.clone(), key: key.to_owned(), problem }
    }
}

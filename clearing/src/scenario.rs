//! Scenario files: a coalition, the steps of a play, and what is expected of each, as data.
//!
//! The same file is played on the rules alone, on the writer over either database, and through the SDK over mTLS (see
//! [`player`]). The `[coalition]` and `[[partner]]` tables are also a form of their own, [`CoalitionFile`]: what
//! `clearing sandbox --coalition FILE.toml` starts from. The format is described in `scenarios/README.md`.
//!
//! Unknown keys are errors. What the format knows and this release does not (exchange, disputes, defaults, exits) is read,
//! and refused by name where it would have to be obeyed: by [`CoalitionFile::to_house`] or by the player.

pub mod book_stage;
pub mod player;
pub mod wishes;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use clearing_core::chart::MoneyAccount;
use clearing_core::command::{Earn, OrderParty, Payment};
use clearing_core::journal::{Code, Origin};
use clearing_core::limits::Limits;
use clearing_core::rejection::Rejection;
use clearing_core::settlement::OrderMode;
use clearing_core::terms::{
    Breakage, Calendar, Coalition, ExpiryPolicy, FeeBearer, Funding, House, Partner, PartnerState, Price, Recovery,
    SCALE_MAX, Terms, TermsDraft,
};
use clearing_core::units::{
    Currency, Malformed, Money, PartnerId, Points, Rate, Timestamp, WindowNumber, number, whole,
};
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Why a scenario file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// Not TOML, an unknown or missing key, or a value of the wrong form. The text shows the line.
    #[error(transparent)]
    Toml(#[from] toml::de::Error),
    /// A step has a wrong, missing or unknown key.
    #[error("step {number} ({action}): {key}: {problem}")]
    Step { number: usize, action: String, key: String, problem: String },
    /// A value that fits its key but not the rest of the file.
    #[error("{place}: {key}: {problem}")]
    Wrong { place: String, key: &'static str, problem: String },
    /// The format has it, this release has not.
    #[error("{place}: {key}: this release does not support {value}")]
    Unsupported { place: String, key: &'static str, value: String },
    /// The terms of a partner are against the rules.
    #[error("partner {partner}: {rejection}")]
    Refused { partner: PartnerId, rejection: Box<Rejection> },
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

/// The tables of a file that describe a coalition.
#[derive(Debug, Clone)]
pub struct CoalitionFile {
    pub coalition: CoalitionTable,
    /// In the order of the file.
    pub partners: Vec<PartnerTable>,
}

/// A funding, by its name in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Variant {
    AtRedemption,
    AtIssue,
    OnPayment,
}

impl Variant {
    pub fn as_str(self) -> &'static str {
        self.funding().as_str()
    }

    pub fn funding(self) -> Funding {
        match self {
            Self::AtRedemption => Funding::AtRedemption,
            Self::AtIssue => Funding::AtIssue,
            Self::OnPayment => Funding::OnPayment,
        }
    }
}

/// The `[coalition]` table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoalitionTable {
    #[serde(deserialize_with = "text")]
    pub currency: Currency,
    /// Digits of money behind the point: at least the currency's minor digits, at most 6.
    pub scale: u32,
    /// The default of price, value and reimbursement.
    #[serde(deserialize_with = "decimal")]
    pub point_value: Decimal,
    #[serde(default, deserialize_with = "optional_decimal")]
    pub acceptance_fee: Option<Decimal>,
    #[serde(default, deserialize_with = "optional_text")]
    pub fee_bearer: Option<NamedFeeBearer>,
    pub grace_days: Option<u16>,
    /// For how many days after lots were passed over none of them expires. Left out: 0, unlike in a coalition made by
    /// `clearing init`, because the published scenarios and the design they come from know no such rule.
    pub passed_over_grace_days: Option<u16>,
    /// When the first window opens; the clock of a play begins here.
    #[serde(deserialize_with = "text")]
    pub start: Timestamp,
    pub breakage: Option<BreakageTable>,
    #[serde(default, deserialize_with = "optional_decimal")]
    pub settlement_threshold: Option<Decimal>,
    #[serde(default, deserialize_with = "optional_text")]
    pub recovery: Option<NamedRecovery>,
    /// Whether every partner consents to being named as a funder, without limit. Left out: it does.
    pub open_consents: Option<bool>,
}

/// From whose lots a debt is recovered: `ANY` or `OWN`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamedRecovery(pub Recovery);

impl FromStr for NamedRecovery {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        Recovery::parse(text).map(Self).ok_or_else(|| Malformed(format!("{text:?} is not ANY or OWN")))
    }
}

/// The shares of breakage.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BreakageTable {
    #[serde(deserialize_with = "decimal")]
    pub reserve: Decimal,
    #[serde(deserialize_with = "decimal")]
    pub operator: Decimal,
    #[serde(deserialize_with = "decimal")]
    pub issuer: Decimal,
}

/// A `[[partner]]` table, or the fields of a `set_terms` step.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartnerTable {
    #[serde(deserialize_with = "text")]
    pub id: PartnerId,
    pub funding: Option<Variant>,
    #[serde(default, deserialize_with = "optional_decimal")]
    pub price: Option<Decimal>,
    #[serde(default, deserialize_with = "optional_decimal")]
    pub value: Option<Decimal>,
    #[serde(default, deserialize_with = "optional_decimal")]
    pub reimbursement: Option<Decimal>,
    #[serde(default, deserialize_with = "optional_decimal")]
    pub acceptance_fee: Option<Decimal>,
    #[serde(default, deserialize_with = "optional_text")]
    pub fee_bearer: Option<NamedFeeBearer>,
    pub breakage: Option<BreakageTable>,
    #[serde(default, deserialize_with = "optional_text")]
    pub expiry: Option<NamedExpiry>,
    /// How many days after an issue it can be reversed. Left out: for ever.
    pub return_days: Option<u16>,
    #[serde(default, deserialize_with = "optional_decimal")]
    pub tender_value: Option<Decimal>,
    #[serde(default, deserialize_with = "optional_decimal")]
    pub receipt_share: Option<Decimal>,
    #[serde(default, deserialize_with = "optional_decimal")]
    pub net_debit_cap: Option<Decimal>,
    pub points_per_entry: Option<i64>,
    pub points_per_member_per_day: Option<i64>,
    pub points_per_day: Option<i64>,
    pub outstanding_points: Option<i64>,
    pub transfer_points_per_entry: Option<i64>,
    pub transfer_points_per_member_per_day: Option<i64>,
    pub cooling_seconds: Option<u32>,
    pub exchange_in: Option<String>,
    pub exchange_out: Option<String>,
}

/// `ACCEPTOR` or `ISSUER`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamedFeeBearer(pub FeeBearer);

impl FromStr for NamedFeeBearer {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let bearer = FeeBearer::parse(text).ok_or_else(|| Malformed(format!("{text:?} is not ACCEPTOR or ISSUER")))?;
        Ok(Self(bearer))
    }
}

/// An expiry by its name in a file: `NONE`, `FIXED 2026-12-31T00:00:00Z`, `DAYS 30`, `END_OF_YEAR 1`, `INACTIVE_DAYS 90` …
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamedExpiry(pub ExpiryPolicy);

impl FromStr for NamedExpiry {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed = || {
            Malformed(format!(
                "{text:?} is not an expiry: NONE, FIXED time, DAYS n, MONTHS n, END_OF_MONTH n, END_OF_YEAR n or \
                 INACTIVE_DAYS n"
            ))
        };
        let (name, argument) = text.split_once(' ').unwrap_or((text, ""));
        let count = || whole(argument).ok().and_then(|count| u16::try_from(count).ok()).ok_or_else(malformed);
        let policy = match name {
            "NONE" if argument.is_empty() => ExpiryPolicy::None,
            "FIXED" => ExpiryPolicy::Fixed(argument.parse()?),
            "DAYS" => ExpiryPolicy::Days(count()?),
            "MONTHS" => ExpiryPolicy::Months(count()?),
            "END_OF_MONTH" => ExpiryPolicy::EndOfMonth(count()?),
            "END_OF_YEAR" => ExpiryPolicy::EndOfYear(count()?),
            "INACTIVE_DAYS" => ExpiryPolicy::InactiveDays(count()?),
            _ => return Err(malformed()),
        };
        policy.check().map_err(|problem| Malformed(format!("{text:?}: {problem}")))?;
        Ok(Self(policy))
    }
}

/// An amount of money in a file: a decimal string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Amount(#[serde(deserialize_with = "decimal")] pub Decimal);

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
    /// [`ScenarioError::Wrong`] for a total with more decimals than the `scale`.
    pub fn origin(&self, scale: u32) -> Result<Origin, ScenarioError> {
        let exact = |total: Decimal| {
            let wrong =
                |Malformed(problem)| ScenarioError::Wrong { place: "receipt".to_owned(), key: "total", problem };
            Money::of(total, scale).map_err(wrong)
        };
        Ok(Origin {
            receipt_number: self.number.clone(),
            receipt_line: self.line,
            receipt_total: self.total.map(exact).transpose()?,
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
        account: MoneyAccount,
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

impl Scenario {
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

impl CoalitionFile {
    /// Reads the `[coalition]` and `[[partner]]` tables of a file. The other tables of a scenario may be there, and
    /// are not read.
    ///
    /// # Errors
    /// [`ScenarioError::Toml`], naming the key.
    pub fn parse(file: &str) -> Result<Self, ScenarioError> {
        check_numbers(file)?;
        let file: CoalitionOnly = toml::from_str(file)?;
        Ok(Self { coalition: file.coalition, partners: file.partner })
    }

    /// The house that the file describes, before anything has happened in it. `id` becomes the name of the coalition;
    /// `funding` is that of every partner, the operator among them, that names none.
    ///
    /// Keys of requests are kept for ever and the till's own time may have any age: a file binds neither.
    ///
    /// # Errors
    /// [`ScenarioError::Unsupported`] for what this release lacks, [`ScenarioError::Wrong`] for values that do not fit
    /// together, [`ScenarioError::Refused`] for terms against the rules.
    pub fn to_house(&self, id: &str, funding: Variant) -> Result<House, ScenarioError> {
        let table = &self.coalition;
        let place = || "coalition".to_owned();
        let minor_digits = table.currency.minor_digits();
        if !(minor_digits..=SCALE_MAX).contains(&table.scale) {
            let problem = format!("{} is not between {minor_digits} and {SCALE_MAX}", table.scale);
            return Err(ScenarioError::Wrong { place: place(), key: "scale", problem });
        }
        let operator = PartnerId::operator();
        let in_coalition = |rejection| ScenarioError::Refused { partner: operator, rejection: Box::new(rejection) };
        let coalition = Coalition {
            id: id.to_owned(),
            currency: table.currency,
            scale: table.scale,
            default_terms: self.default_terms(funding)?,
            // Files mean what they say: no limit named, none.
            default_limits: Limits::default(),
            grace_days: table.grace_days.unwrap_or(GRACE_DAYS_DEFAULT),
            passed_over_grace_days: table.passed_over_grace_days.unwrap_or(0),
            recovery: table.recovery.map(|recovery| recovery.0).unwrap_or_default(),
            open_consents: table.open_consents.unwrap_or(true),
            settlement_threshold: self.money("settlement_threshold", table.settlement_threshold.unwrap_or_default())?,
            disclose_issuers: true,
            time_zone: TimeZone::UTC,
            key_retention_days: 0,
            business_time_age_days: 0,
        };
        let mut house = House { coalition, partners: BTreeMap::new(), calendar: Calendar::default() };
        let named = self.partners.iter().any(|partner| partner.id == operator);
        if !named {
            let draft = TermsDraft::default();
            add_partner(&mut house, operator, &draft, Limits::default(), table.start).map_err(in_coalition)?;
        }
        for partner in &self.partners {
            let id = partner.id;
            if house.partners.contains_key(&id) {
                let problem = format!("there are two partners {id}");
                return Err(ScenarioError::Wrong { place: "partner".to_owned(), key: "id", problem });
            }
            let draft = partner.to_draft()?;
            let limits = partner.limits_over(Limits::default(), table.scale)?;
            add_partner(&mut house, id, &draft, limits, table.start)
                .map_err(|rejection| ScenarioError::Refused { partner: id, rejection: Box::new(rejection) })?;
        }
        Ok(house)
    }

    /// An amount of the file in the house's units.
    ///
    /// # Errors
    /// [`ScenarioError::Wrong`] for more decimals than the scale has.
    fn money(&self, key: &'static str, amount: Decimal) -> Result<Money, ScenarioError> {
        let scale = self.coalition.scale;
        let wrong = |Malformed(problem)| ScenarioError::Wrong { place: "coalition".to_owned(), key, problem };
        Money::of(amount, scale).map_err(wrong)
    }

    fn default_terms(&self, funding: Variant) -> Result<Terms, ScenarioError> {
        let table = &self.coalition;
        let place = "coalition";
        let value = self.money("point_value", table.point_value)?;
        if value < Money::ZERO {
            let problem = format!("{} is below zero", table.point_value);
            return Err(ScenarioError::Wrong { place: place.to_owned(), key: "point_value", problem });
        }
        let whole_to_reserve = Breakage { reserve: Rate::ONE, operator: Rate::ZERO, issuer: Rate::ZERO };
        Ok(Terms {
            version: 1,
            effective: table.start,
            funding: funding.funding(),
            price: value,
            value,
            reimbursement: value,
            acceptance_fee: rate(place, "acceptance_fee", table.acceptance_fee.unwrap_or_default())?,
            fee_bearer: table.fee_bearer.map_or(FeeBearer::Acceptor, |bearer| bearer.0),
            breakage: table.breakage.map_or(Ok(whole_to_reserve), |breakage| breakage.read(place))?,
            expiry: ExpiryPolicy::None,
            return_days: None,
            tender_value: value,
            receipt_share: Rate::ONE,
        })
    }
}

/// How long a returned point lives on if its lot has expired, unless the file says otherwise.
const GRACE_DAYS_DEFAULT: u16 = 14;

fn add_partner(
    house: &mut House,
    id: PartnerId,
    draft: &TermsDraft,
    limits: Limits,
    start: Timestamp,
) -> Result<(), Rejection> {
    let terms = draft.over(&house.coalition.default_terms, 1, start, house.coalition.scale)?;
    house.check_funding(id, &terms, start, &BTreeMap::new())?;
    let (display_name, state) = (id.to_string(), PartnerState::Active);
    house.partners.insert(id, Partner { id, display_name, state, suspended_in: None, terms: vec![terms], limits });
    Ok(())
}

impl PartnerTable {
    /// The terms that the table asks for.
    ///
    /// # Errors
    /// [`ScenarioError::Unsupported`] for exchange rates, [`ScenarioError::Wrong`] for a rate or price that is none.
    pub fn to_draft(&self) -> Result<TermsDraft, ScenarioError> {
        let place = self.place();
        let lacking = [("exchange_in", self.exchange_in.clone()), ("exchange_out", self.exchange_out.clone())];
        if let Some((key, value)) = lacking.into_iter().find_map(|(key, value)| value.map(|value| (key, value))) {
            return Err(ScenarioError::Unsupported { place, key, value });
        }
        let price = |key, wish: Option<Decimal>| {
            let wrong =
                |problem: Malformed| ScenarioError::Wrong { place: place.clone(), key, problem: problem.to_string() };
            wish.map(|price| Price::new(price).map_err(wrong)).transpose()
        };
        let share = |key, wish: Option<Decimal>| wish.map(|share| rate(&place, key, share)).transpose();
        Ok(TermsDraft {
            funding: self.funding.map(Variant::funding),
            price: price("price", self.price)?,
            value: price("value", self.value)?,
            reimbursement: price("reimbursement", self.reimbursement)?,
            acceptance_fee: share("acceptance_fee", self.acceptance_fee)?,
            fee_bearer: self.fee_bearer.map(|bearer| bearer.0),
            breakage: self.breakage.map(|breakage| breakage.read(&place)).transpose()?,
            expiry: self.expiry.map(|expiry| expiry.0),
            return_days: self.return_days.map(Some),
            tender_value: price("tender_value", self.tender_value)?,
            receipt_share: share("receipt_share", self.receipt_share)?,
        })
    }

    /// The limits that the table asks for; what it leaves out stays as it was `before`.
    ///
    /// # Errors
    /// [`ScenarioError::Wrong`] for a limit below zero or a cap with more decimals than the `scale`.
    pub fn limits_over(&self, before: Limits, scale: u32) -> Result<Limits, ScenarioError> {
        let wrong = |key, problem| ScenarioError::Wrong { place: self.place(), key, problem };
        let points = |key, wish: Option<i64>, before: Option<Points>| match wish {
            Some(below) if below < 0 => Err(wrong(key, format!("{below} is below zero"))),
            Some(points) => Ok(Some(Points(points))),
            None => Ok(before),
        };
        let net_debit_cap = match self.net_debit_cap {
            Some(cap) if cap.is_sign_negative() => {
                return Err(wrong("net_debit_cap", format!("{cap} is below zero")));
            }
            Some(cap) => Some(Money::of(cap, scale).map_err(|Malformed(problem)| wrong("net_debit_cap", problem))?),
            None => before.net_debit_cap,
        };
        Ok(Limits {
            net_debit_cap,
            outstanding_points: points("outstanding_points", self.outstanding_points, before.outstanding_points)?,
            points_per_day: points("points_per_day", self.points_per_day, before.points_per_day)?,
            points_per_member_per_day: points(
                "points_per_member_per_day",
                self.points_per_member_per_day,
                before.points_per_member_per_day,
            )?,
            points_per_entry: points("points_per_entry", self.points_per_entry, before.points_per_entry)?,
            transfer_points_per_entry: points(
                "transfer_points_per_entry",
                self.transfer_points_per_entry,
                before.transfer_points_per_entry,
            )?,
            transfer_points_per_member_per_day: points(
                "transfer_points_per_member_per_day",
                self.transfer_points_per_member_per_day,
                before.transfer_points_per_member_per_day,
            )?,
            cooling_seconds: self.cooling_seconds.or(before.cooling_seconds),
        })
    }

    fn place(&self) -> String {
        format!("partner {}", self.id)
    }
}

impl BreakageTable {
    fn read(self, place: &str) -> Result<Breakage, ScenarioError> {
        Ok(Breakage {
            reserve: rate(place, "breakage", self.reserve)?,
            operator: rate(place, "breakage", self.operator)?,
            issuer: rate(place, "breakage", self.issuer)?,
        })
    }
}

fn rate(place: &str, key: &'static str, value: Decimal) -> Result<Rate, ScenarioError> {
    let wrong =
        |problem: Malformed| ScenarioError::Wrong { place: place.to_owned(), key, problem: problem.to_string() };
    Rate::new(value).map_err(wrong)
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

/// A file of which only the coalition is wanted: the keys of a scenario may be there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CoalitionOnly {
    coalition: CoalitionTable,
    #[serde(default)]
    partner: Vec<PartnerTable>,
    #[serde(default, rename = "id")]
    _id: serde::de::IgnoredAny,
    #[serde(default, rename = "title")]
    _title: serde::de::IgnoredAny,
    #[serde(default, rename = "variants")]
    _variants: serde::de::IgnoredAny,
    #[serde(default, rename = "step")]
    _step: serde::de::IgnoredAny,
    #[serde(default, rename = "end")]
    _end: serde::de::IgnoredAny,
}

/// A step as it stands: the keys that every step has, and the fields of its action.
#[derive(Deserialize)]
struct StepTable {
    #[serde(deserialize_with = "text")]
    at: Timestamp,
    r#do: String,
    #[serde(default, deserialize_with = "optional_text")]
    by: Option<PartnerId>,
    r#as: Option<String>,
    request: Option<String>,
    receipt: Option<String>,
    line: Option<u32>,
    #[serde(default, deserialize_with = "optional_decimal")]
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
                Action::Deposit { account: self.need_text("account")?, amount }
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

/// Refuses a whole number that TOML would take and the house does not (`1_000`, `+5`, `0x1f`): a number has one form,
/// wherever it is written. All others are texts.
fn check_numbers(file: &str) -> Result<(), toml::de::Error> {
    let document = DeTable::parse(file)?;
    document.get_ref().values().try_for_each(|value| check_numbers_of(file, value))
}

fn check_numbers_of(file: &str, value: &Spanned<DeValue<'_>>) -> Result<(), toml::de::Error> {
    match value.get_ref() {
        DeValue::Integer(_) => {
            let number = file[..value.span().start].lines().count();
            let line = file.lines().nth(number.saturating_sub(1)).unwrap_or_default().trim();
            let read = whole(file.get(value.span()).unwrap_or_default());
            read.map(drop).map_err(|problem| toml::de::Error::custom(format!("line {number}: {line}: {problem}")))
        }
        DeValue::Array(values) => values.iter().try_for_each(|value| check_numbers_of(file, value)),
        DeValue::Table(table) => table.values().try_for_each(|value| check_numbers_of(file, value)),
        DeValue::String(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => Ok(()),
    }
}

/// Reads a value from its text.
fn text<'de, D: Deserializer<'de>, T: FromStr<Err: Display>>(deserializer: D) -> Result<T, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

/// Reads a number from its text.
fn decimal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Decimal, D::Error> {
    number(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// As [`decimal`], for a key that may be left out.
fn optional_decimal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Decimal>, D::Error> {
    decimal(deserializer).map(Some)
}

/// As [`text`], for a key that may be left out.
fn optional_text<'de, D: Deserializer<'de>, T: FromStr<Err: Display>>(deserializer: D) -> Result<Option<T>, D::Error> {
    text(deserializer).map(Some)
}

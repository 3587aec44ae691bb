//! The file of a coalition: its `[coalition]` and `[[partner]]` tables, as a house.
//!
//! It is what `clearing sandbox --coalition FILE.toml` starts from, and `clearing init` fills one in. The acceptance
//! scenarios hold the same tables, with the steps of a play; a sandbox reads such a file too. The format is described in
//! `scenarios/README.md`.
//!
//! Unknown keys are errors. What the format knows and this release does not (exchange) is read, and refused by name in
//! [`CoalitionFile::to_house`].

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use clearing_core::facts::coalition::{Calendar, Coalition, House, Recovery, SCALE_MAX};
use clearing_core::facts::limits::Limits;
use clearing_core::facts::partner::{Partner, PartnerState};
use clearing_core::facts::terms::{Breakage, ExpiryPolicy, FeeBearer, Funding, Price, Terms, TermsDraft};
use clearing_core::rejection::Rejection;
use clearing_core::units::{Currency, Malformed, Money, PartnerId, Points, Rate, Timestamp, number, whole};
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Why the file of a coalition cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CoalitionFileError {
    /// Not TOML, an unknown or missing key, or a value of the wrong form. The text shows the line.
    #[error(transparent)]
    Toml(#[from] toml::de::Error),
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

impl CoalitionFile {
    /// Reads the `[coalition]` and `[[partner]]` tables of a file. The other tables of a scenario may be there, and
    /// are not read.
    ///
    /// # Errors
    /// [`CoalitionFileError::Toml`], naming the key.
    pub fn parse(file: &str) -> Result<Self, CoalitionFileError> {
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
    /// [`CoalitionFileError::Unsupported`] for what this release lacks, [`CoalitionFileError::Wrong`] for values that do not fit
    /// together, [`CoalitionFileError::Refused`] for terms against the rules.
    pub fn to_house(&self, id: &str, funding: Variant) -> Result<House, CoalitionFileError> {
        let table = &self.coalition;
        let place = || "coalition".to_owned();
        let minor_digits = table.currency.minor_digits();
        if !(minor_digits..=SCALE_MAX).contains(&table.scale) {
            let problem = format!("{} is not between {minor_digits} and {SCALE_MAX}", table.scale);
            return Err(CoalitionFileError::Wrong { place: place(), key: "scale", problem });
        }
        let operator = PartnerId::operator();
        let in_coalition =
            |rejection| CoalitionFileError::Refused { partner: operator, rejection: Box::new(rejection) };
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
                return Err(CoalitionFileError::Wrong { place: "partner".to_owned(), key: "id", problem });
            }
            let draft = partner.to_draft()?;
            let limits = partner.limits_over(Limits::default(), table.scale)?;
            add_partner(&mut house, id, &draft, limits, table.start)
                .map_err(|rejection| CoalitionFileError::Refused { partner: id, rejection: Box::new(rejection) })?;
        }
        Ok(house)
    }

    /// An amount of the file in the house's units.
    ///
    /// # Errors
    /// [`CoalitionFileError::Wrong`] for more decimals than the scale has.
    fn money(&self, key: &'static str, amount: Decimal) -> Result<Money, CoalitionFileError> {
        let scale = self.coalition.scale;
        let wrong = |Malformed(problem)| CoalitionFileError::Wrong { place: "coalition".to_owned(), key, problem };
        Money::of(amount, scale).map_err(wrong)
    }

    fn default_terms(&self, funding: Variant) -> Result<Terms, CoalitionFileError> {
        let table = &self.coalition;
        let place = "coalition";
        let value = self.money("point_value", table.point_value)?;
        if value < Money::ZERO {
            let problem = format!("{} is below zero", table.point_value);
            return Err(CoalitionFileError::Wrong { place: place.to_owned(), key: "point_value", problem });
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
    if !id.is_operator() {
        house.check_room()?;
    }
    let (display_name, state) = (id.to_string(), PartnerState::Active);
    house.partners.insert(id, Partner { id, display_name, state, suspended_in: None, terms: vec![terms], limits });
    Ok(())
}

impl PartnerTable {
    /// The terms that the table asks for.
    ///
    /// # Errors
    /// [`CoalitionFileError::Unsupported`] for exchange rates, [`CoalitionFileError::Wrong`] for a rate or price that is none.
    pub fn to_draft(&self) -> Result<TermsDraft, CoalitionFileError> {
        let place = self.place();
        let lacking = [("exchange_in", self.exchange_in.clone()), ("exchange_out", self.exchange_out.clone())];
        if let Some((key, value)) = lacking.into_iter().find_map(|(key, value)| value.map(|value| (key, value))) {
            return Err(CoalitionFileError::Unsupported { place, key, value });
        }
        let price = |key, given: Option<Decimal>| {
            let wrong = |problem: Malformed| CoalitionFileError::Wrong {
                place: place.clone(),
                key,
                problem: problem.to_string(),
            };
            given.map(|price| Price::new(price).map_err(wrong)).transpose()
        };
        let share = |key, given: Option<Decimal>| given.map(|share| rate(&place, key, share)).transpose();
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
    /// [`CoalitionFileError::Wrong`] for a limit below zero or a cap with more decimals than the `scale`.
    pub fn limits_over(&self, before: Limits, scale: u32) -> Result<Limits, CoalitionFileError> {
        let wrong = |key, problem| CoalitionFileError::Wrong { place: self.place(), key, problem };
        let points = |key, given: Option<i64>, before: Option<Points>| match given {
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
    fn read(self, place: &str) -> Result<Breakage, CoalitionFileError> {
        Ok(Breakage {
            reserve: rate(place, "breakage", self.reserve)?,
            operator: rate(place, "breakage", self.operator)?,
            issuer: rate(place, "breakage", self.issuer)?,
        })
    }
}

fn rate(place: &str, key: &'static str, value: Decimal) -> Result<Rate, CoalitionFileError> {
    let wrong =
        |problem: Malformed| CoalitionFileError::Wrong { place: place.to_owned(), key, problem: problem.to_string() };
    Rate::new(value).map_err(wrong)
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

/// Reads a value from its text, as serde's `deserialize_with`.
///
/// # Errors
/// If there is no text, or none of a value.
pub fn text<'de, D: Deserializer<'de>, T: FromStr<Err: Display>>(deserializer: D) -> Result<T, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

/// Reads a number from its text, as serde's `deserialize_with`.
///
/// # Errors
/// If there is no text, or none of a number.
pub fn decimal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Decimal, D::Error> {
    number(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// As [`decimal`], for a key that may be left out.
///
/// # Errors
/// Those of [`decimal`].
pub fn optional_decimal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Decimal>, D::Error> {
    decimal(deserializer).map(Some)
}

/// As [`text`], for a key that may be left out.
///
/// # Errors
/// Those of [`text`].
pub fn optional_text<'de, D: Deserializer<'de>, T: FromStr<Err: Display>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    text(deserializer).map(Some)
}

/// Refuses a whole number that TOML would take and the house does not (`1_000`, `+5`, `0x1f`): a number has one form,
/// wherever it is written. All others are texts.
///
/// # Errors
/// The line of the number, with what is wrong; or that of a file that is not TOML.
pub fn check_numbers(file: &str) -> Result<(), toml::de::Error> {
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

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

use clearing_core::facts::calendar::Calendars;
use clearing_core::facts::coalition::{
    CARE_POINTS, Coalition, DECISION_DAYS_MAX, House, NoticeDays, PROPOSAL_DAYS, Recovery, SCALE_MAX,
};
use clearing_core::facts::credential::Revoked;
use clearing_core::facts::limits::Limits;
use clearing_core::facts::partner::{Partner, PartnerState};
use clearing_core::facts::person::{People, PersonId};
use clearing_core::facts::security::Security;
use clearing_core::facts::terms::{Breakage, ExpiryPolicy, FeeBearer, Funding, Price, Terms, TermsDraft};
use clearing_core::rejection::Rejection;
use clearing_core::units::{Currency, Malformed, Money, PartnerId, Points, Rate, Timestamp, number, whole};
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use serde::de::{Error as _, IgnoredAny};
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

/// The name of the first of the operator's people, unless somebody says otherwise.
pub const FIRST_PERSON: &str = "operator-1";

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
    pub acceptance_fee: Option<Rate>,
    pub fee_bearer: Option<FeeBearer>,
    pub grace_days: Option<u16>,
    /// For how many days after lots were passed over none of them expires. Left out: 0, unlike in a coalition made by
    /// `clearing init`, because the published scenarios and the design they come from know no such rule.
    pub passed_over_grace_days: Option<u16>,
    /// When the first window opens; the clock of a play begins here. A scenario names it; a sandbox whose file does not runs
    /// in real time.
    #[serde(default, deserialize_with = "optional_text")]
    pub start: Option<Timestamp>,
    /// IANA name of the zone in which days, months and years end. Left out: UTC.
    pub time_zone: Option<String>,
    /// Whether acceptors learn the issuers of the lots they take. Left out: they do.
    pub disclose_issuers: Option<bool>,
    /// How long the keys of requests are kept. Left out: 0, for ever.
    pub key_retention_days: Option<u16>,
    /// How old a till's own time may be. Left out: 0, any age.
    pub business_time_days: Option<u16>,
    /// How many days ahead of an expiry its notices are due, from the most to the fewest. Left out: 30, 7 and 1.
    pub notice_days: Option<Vec<u16>>,
    /// After how many days a proposal lapses. Left out: 7.
    pub proposal_days: Option<u16>,
    /// After how many days the roles of a recovered approver are in force. Left out: 0, unlike in a coalition made by `clearing init`,
    /// as in the published scenarios.
    pub account_change_days: Option<u16>,
    /// How many points one person of the operator gives to members again on a day. Left out: 500.
    pub care_points: Option<i64>,
    /// The name of the first of the operator's people. Left out: [`FIRST_PERSON`].
    #[serde(default, deserialize_with = "optional_text")]
    pub first_person: Option<PersonId>,
    pub breakage: Option<Breakage>,
    #[serde(default, deserialize_with = "optional_decimal")]
    pub settlement_threshold: Option<Decimal>,
    /// How many closes carry a leg smaller than that; the next one makes it. Left out: any number, unlike in a coalition made by
    /// `clearing init`, as in the published scenarios.
    pub carry_windows_max: Option<u16>,
    /// Whether pay-outs wait until the money for them is there. Left out: they do not, unlike in a coalition made by `clearing init`, as
    /// in the published scenarios.
    pub pay_outs_wait: Option<bool>,
    /// Whether a net debit cap is no higher than what covers it. Left out: it may be.
    pub caps_need_cover: Option<bool>,
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

/// A `[[partner]]` table, or the fields of a `set_terms` or `set_limits` step.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "PartnerFields")]
pub struct PartnerTable {
    pub id: PartnerId,
    pub terms: TermsDraft,
    pub limits: Limits<Price>,
    /// What the format has and this release has not: a key and its value.
    unsupported: Option<(&'static str, String)>,
}

/// The same as it stands in the file.
#[derive(Deserialize)]
struct PartnerFields {
    #[serde(deserialize_with = "text")]
    id: PartnerId,
    #[serde(flatten)]
    terms: TermsDraft,
    #[serde(flatten)]
    limits: Limits<Price>,
    exchange_in: Option<String>,
    exchange_out: Option<String>,
    #[serde(flatten)]
    unknown: BTreeMap<String, IgnoredAny>,
}

impl TryFrom<PartnerFields> for PartnerTable {
    type Error = String;

    fn try_from(fields: PartnerFields) -> Result<Self, String> {
        let PartnerFields { id, terms, limits, exchange_in, exchange_out, unknown } = fields;
        if let Some(key) = unknown.keys().next() {
            return Err(format!("unknown field `{key}` of partner {id}"));
        }
        let unsupported = [("exchange_in", exchange_in), ("exchange_out", exchange_out)];
        let unsupported = unsupported.into_iter().find_map(|(key, value)| Some((key, value?)));
        Ok(Self { id, terms, limits, unsupported })
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
    /// # Errors
    /// [`CoalitionFileError::Unsupported`] for what this release lacks, [`CoalitionFileError::Wrong`] for values that do not fit
    /// together, [`CoalitionFileError::Refused`] for terms against the rules.
    pub fn to_house(&self, id: &str, funding: Variant) -> Result<House, CoalitionFileError> {
        let table = &self.coalition;
        let place = || "coalition".to_owned();
        let wrong = |key, problem| CoalitionFileError::Wrong { place: place(), key, problem };
        let start = self.start()?;
        let time_zone = match &table.time_zone {
            None => TimeZone::UTC,
            Some(name) => TimeZone::get(name).map_err(|error| wrong("time_zone", error.to_string()))?,
        };
        let minor_digits = table.currency.minor_digits();
        if !(minor_digits..=SCALE_MAX).contains(&table.scale) {
            let problem = format!("{} is not between {minor_digits} and {SCALE_MAX}", table.scale);
            return Err(wrong("scale", problem));
        }
        let days = |key, days: u16, least: u16| {
            let allowed = least..=DECISION_DAYS_MAX;
            let problem = || format!("{days} is not between {least} and {DECISION_DAYS_MAX}");
            if allowed.contains(&days) { Ok(days) } else { Err(wrong(key, problem())) }
        };
        let care_points = table.care_points.unwrap_or(CARE_POINTS.0);
        let most = Points::OPERATION_MAX.0;
        if !(0..=most).contains(&care_points) {
            let problem = format!("{care_points} is not between 0 and {most}");
            return Err(wrong("care_points", problem));
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
            disclose_issuers: table.disclose_issuers.unwrap_or(true),
            time_zone,
            key_retention_days: table.key_retention_days.unwrap_or(0),
            business_time_age_days: table.business_time_days.unwrap_or(0),
            notice_days: match &table.notice_days {
                None => NoticeDays::default(),
                Some(days) => {
                    NoticeDays::new(days.clone()).map_err(|Malformed(problem)| wrong("notice_days", problem))?
                }
            },
            proposal_days: days("proposal_days", table.proposal_days.unwrap_or(PROPOSAL_DAYS), 1)?,
            account_change_days: days("account_change_days", table.account_change_days.unwrap_or(0), 0)?,
            carry_windows_max: table.carry_windows_max,
            care_points: Points(care_points),
            pay_outs_wait: table.pay_outs_wait.unwrap_or(false),
            caps_need_cover: table.caps_need_cover.unwrap_or(false),
        };
        let first = table.first_person.unwrap_or_else(|| FIRST_PERSON.parse().expect("a name"));
        let (partners, calendar) = (BTreeMap::new(), Calendars::default());
        let (revoked, people) = (Revoked::default(), People::first(first));
        let mut house = House { coalition, partners, calendar, revoked, people };
        let named = self.partners.iter().any(|partner| partner.id == operator);
        if !named {
            let draft = TermsDraft::default();
            add_partner(&mut house, operator, &draft, Limits::default(), start).map_err(in_coalition)?;
        }
        for partner in &self.partners {
            let id = partner.id;
            if house.partners.contains_key(&id) {
                let problem = format!("there are two partners {id}");
                return Err(CoalitionFileError::Wrong { place: "partner".to_owned(), key: "id", problem });
            }
            let draft = partner.to_draft()?;
            let limits = partner.limits_over(Limits::default(), table.scale)?;
            add_partner(&mut house, id, &draft, limits, start)
                .map_err(|rejection| CoalitionFileError::Refused { partner: id, rejection: Box::new(rejection) })?;
        }
        Ok(house)
    }

    /// When the first window opens.
    ///
    /// # Errors
    /// [`CoalitionFileError::Wrong`] if the file does not say it.
    pub fn start(&self) -> Result<Timestamp, CoalitionFileError> {
        let missing = || CoalitionFileError::Wrong {
            place: "coalition".to_owned(),
            key: "start",
            problem: "is missing: a time such as 2026-01-01T00:00:00Z".to_owned(),
        };
        self.coalition.start.ok_or_else(missing)
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
        let value = self.money("point_value", table.point_value)?;
        if value < Money::ZERO {
            let problem = format!("{} is below zero", table.point_value);
            return Err(CoalitionFileError::Wrong { place: "coalition".to_owned(), key: "point_value", problem });
        }
        let whole_to_reserve = Breakage { reserve: Rate::ONE, operator: Rate::ZERO, issuer: Rate::ZERO };
        Ok(Terms {
            version: 1,
            effective: self.start()?,
            funding: funding.funding(),
            price: value,
            value,
            reimbursement: value,
            acceptance_fee: table.acceptance_fee.unwrap_or(Rate::ZERO),
            fee_bearer: table.fee_bearer.unwrap_or(FeeBearer::Acceptor),
            breakage: table.breakage.unwrap_or(whole_to_reserve),
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
    let (terms, security, group, state_no, limits_no) = (vec![terms], Security::default(), None, 0, 0);
    let suspended_in = None;
    let partner =
        Partner { id, display_name, state, suspended_in, terms, limits, group, state_no, limits_no, security };
    house.partners.insert(id, partner);
    Ok(())
}

impl PartnerTable {
    /// The terms that the table asks for.
    ///
    /// # Errors
    /// [`CoalitionFileError::Unsupported`] for exchange rates.
    pub fn to_draft(&self) -> Result<TermsDraft, CoalitionFileError> {
        match self.unsupported.clone() {
            Some((key, value)) => Err(CoalitionFileError::Unsupported { place: self.place(), key, value }),
            None => Ok(self.terms.clone()),
        }
    }

    /// The limits that the table asks for; what it leaves out stays as it was `before`.
    ///
    /// # Errors
    /// [`CoalitionFileError::Wrong`] for a cap with more decimals than the `scale`, [`CoalitionFileError::Refused`] for a limit
    /// below zero.
    pub fn limits_over(&self, before: Limits, scale: u32) -> Result<Limits, CoalitionFileError> {
        let wrong =
            |Malformed(problem)| CoalitionFileError::Wrong { place: self.place(), key: "net_debit_cap", problem };
        let cap = self.limits.net_debit_cap.map(|cap| Money::of(cap.decimal(), scale)).transpose().map_err(wrong)?;
        let limits = self.limits.with_cap(cap);
        let refused = |rejection| CoalitionFileError::Refused { partner: self.id, rejection: Box::new(rejection) };
        limits.validate().map_err(refused)?;
        Ok(limits.or(before))
    }

    fn place(&self) -> String {
        format!("partner {}", self.id)
    }
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

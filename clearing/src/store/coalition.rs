//! The coalition itself: its name, its domain, its settings. Written when it is founded, and never changed.

use clearing_core::facts::FoundedFacts;
use clearing_core::facts::coalition::{Coalition, Recovery};
use clearing_core::facts::limits::Limits;
use clearing_core::facts::terms::{Breakage, FeeBearer, Funding, Terms};
use clearing_core::units::{Money, Points, Timestamp};
use serde::{Deserialize, Serialize};

use super::cells::Row;
use super::sql::{Link, Sql, rows};
use super::tables::{COALITION, GATE};
use super::{StoreError, terms};

pub(super) static STATEMENTS: &[&Sql] = &[&THE_COALITION, &INSERT_COALITION];

/// A coalition as it was founded, and the epoch of its terms.
pub(super) struct CoalitionRow {
    pub coalition: Coalition,
    pub domain: String,
    /// Of the identifier key.
    pub fingerprint: [u8; 32],
    pub created: Timestamp,
    pub terms_epoch: i64,
}

static THE_COALITION: Sql =
    Sql::both("store.coalition", "SELECT {coalition c}, {gate g} FROM coalition AS c CROSS JOIN gate AS g").gives(&[
        COALITION.coalition_id,
        COALITION.domain,
        COALITION.fingerprint,
        COALITION.settings,
        COALITION.created_at,
        GATE.terms_epoch,
    ]);

/// The coalition, if the database holds one.
pub(super) async fn coalition(link: &mut Link<'_>) -> Result<Option<CoalitionRow>, StoreError> {
    let call = link.call(&THE_COALITION);
    let coalition = |row: &Row<'_>| {
        Ok(CoalitionRow {
            coalition: coalition_of(row.text(COALITION.coalition_id)?, row.text(COALITION.settings)?)?,
            domain: row.text(COALITION.domain)?.to_owned(),
            fingerprint: row.hash(COALITION.fingerprint)?,
            created: row.time(COALITION.created_at)?,
            terms_epoch: row.int(GATE.terms_epoch)?,
        })
    };
    link.row(call, coalition).await
}

static INSERT_COALITION: Sql = Sql::both("store.insert_coalition", "INSERT INTO coalition ({names k}) {select k}")
    .takes(&[rows("k", COALITION.all)]);

/// Writes a coalition into a database that holds none.
pub(super) async fn insert(link: &mut Link<'_>, founded: &FoundedFacts, now: Timestamp) -> Result<(), StoreError> {
    let FoundedFacts { coalition, domain, key_fingerprint } = founded;
    let settings = serde_json::to_string(&settings_of(coalition)).expect("plain fields become JSON");
    let mut row = link.row_set(COALITION.all);
    row.int(COALITION.id, 1).text(COALITION.coalition_id, &coalition.id).text(COALITION.domain, domain);
    row.bytes(COALITION.fingerprint, key_fingerprint).text(COALITION.settings, &settings);
    row.int(COALITION.created_at, now.0);
    link.write(&INSERT_COALITION, row).await
}

/// The settings of a coalition as they are stored.
#[derive(Debug, Serialize, Deserialize)]
struct Settings {
    currency: String,
    scale: u32,
    default_terms: TermsSettings,
    default_limits: LimitsSettings,
    grace_days: u16,
    passed_over_grace_days: u16,
    recovery: String,
    open_consents: bool,
    settlement_threshold: i64,
    disclose_issuers: bool,
    time_zone: String,
    key_retention_days: u16,
    business_time_age_days: u16,
}

/// Money in units of 10^-scale, rates as decimals.
#[derive(Debug, Serialize, Deserialize)]
struct TermsSettings {
    funding: String,
    price: i64,
    value: i64,
    reimbursement: i64,
    acceptance_fee: String,
    fee_bearer: String,
    breakage_reserve: String,
    breakage_operator: String,
    breakage_issuer: String,
    expiry: String,
    return_days: Option<u16>,
    tender_value: i64,
    receipt_share: String,
}

/// What a limit is none of is null. Money in units of 10^-scale.
#[derive(Debug, Serialize, Deserialize)]
struct LimitsSettings {
    net_debit_cap: Option<i64>,
    outstanding_points: Option<i64>,
    points_per_day: Option<i64>,
    points_per_member_per_day: Option<i64>,
    points_per_entry: Option<i64>,
    transfer_points_per_entry: Option<i64>,
    transfer_points_per_member_per_day: Option<i64>,
    cooling_seconds: Option<u32>,
}

impl LimitsSettings {
    fn of(limits: &Limits) -> Self {
        let points = |limit: Option<Points>| limit.map(|points| points.0);
        Self {
            net_debit_cap: limits.net_debit_cap.map(|cap| cap.0),
            outstanding_points: points(limits.outstanding_points),
            points_per_day: points(limits.points_per_day),
            points_per_member_per_day: points(limits.points_per_member_per_day),
            points_per_entry: points(limits.points_per_entry),
            transfer_points_per_entry: points(limits.transfer_points_per_entry),
            transfer_points_per_member_per_day: points(limits.transfer_points_per_member_per_day),
            cooling_seconds: limits.cooling_seconds,
        }
    }

    fn limits(&self) -> Limits {
        Limits {
            net_debit_cap: self.net_debit_cap.map(Money),
            outstanding_points: self.outstanding_points.map(Points),
            points_per_day: self.points_per_day.map(Points),
            points_per_member_per_day: self.points_per_member_per_day.map(Points),
            points_per_entry: self.points_per_entry.map(Points),
            transfer_points_per_entry: self.transfer_points_per_entry.map(Points),
            transfer_points_per_member_per_day: self.transfer_points_per_member_per_day.map(Points),
            cooling_seconds: self.cooling_seconds,
        }
    }
}

fn settings_of(coalition: &Coalition) -> Settings {
    let terms = &coalition.default_terms;
    Settings {
        currency: coalition.currency.to_string(),
        scale: coalition.scale,
        default_terms: TermsSettings {
            funding: terms.funding.as_str().to_owned(),
            price: terms.price.0,
            value: terms.value.0,
            reimbursement: terms.reimbursement.0,
            acceptance_fee: terms.acceptance_fee.decimal().to_string(),
            fee_bearer: terms.fee_bearer.as_str().to_owned(),
            breakage_reserve: terms.breakage.reserve.decimal().to_string(),
            breakage_operator: terms.breakage.operator.decimal().to_string(),
            breakage_issuer: terms.breakage.issuer.decimal().to_string(),
            expiry: terms::expiry_text(&terms.expiry),
            return_days: terms.return_days,
            tender_value: terms.tender_value.0,
            receipt_share: terms.receipt_share.decimal().to_string(),
        },
        default_limits: LimitsSettings::of(&coalition.default_limits),
        grace_days: coalition.grace_days,
        passed_over_grace_days: coalition.passed_over_grace_days,
        recovery: coalition.recovery.as_str().to_owned(),
        open_consents: coalition.open_consents,
        settlement_threshold: coalition.settlement_threshold.0,
        disclose_issuers: coalition.disclose_issuers,
        time_zone: coalition.time_zone.iana_name().unwrap_or("UTC").to_owned(),
        key_retention_days: coalition.key_retention_days,
        business_time_age_days: coalition.business_time_age_days,
    }
}

fn coalition_of(id: &str, settings: &str) -> Result<Coalition, StoreError> {
    let settings: Settings =
        serde_json::from_str(settings).map_err(|error| StoreError::damaged("the coalition's settings", error))?;
    let terms = &settings.default_terms;
    Ok(Coalition {
        id: id.to_owned(),
        currency: settings.currency.parse().map_err(|error| StoreError::damaged("the currency", error))?,
        scale: settings.scale,
        default_terms: Terms {
            version: 1,
            effective: Timestamp(0),
            funding: super::known("funding", Funding::parse(&terms.funding))?,
            price: Money(terms.price),
            value: Money(terms.value),
            reimbursement: Money(terms.reimbursement),
            acceptance_fee: terms::rate(&terms.acceptance_fee)?,
            fee_bearer: super::known("fee bearer", FeeBearer::parse(&terms.fee_bearer))?,
            breakage: Breakage {
                reserve: terms::rate(&terms.breakage_reserve)?,
                operator: terms::rate(&terms.breakage_operator)?,
                issuer: terms::rate(&terms.breakage_issuer)?,
            },
            expiry: super::known("expiry", terms::expiry_policy(&terms.expiry))?,
            return_days: terms.return_days,
            tender_value: Money(terms.tender_value),
            receipt_share: terms::rate(&terms.receipt_share)?,
        },
        default_limits: settings.default_limits.limits(),
        grace_days: settings.grace_days,
        passed_over_grace_days: settings.passed_over_grace_days,
        recovery: super::known("recovery", Recovery::parse(&settings.recovery))?,
        open_consents: settings.open_consents,
        settlement_threshold: Money(settings.settlement_threshold),
        disclose_issuers: settings.disclose_issuers,
        time_zone: jiff::tz::TimeZone::get(&settings.time_zone)
            .map_err(|error| StoreError::damaged("the time zone", error))?,
        key_retention_days: settings.key_retention_days,
        business_time_age_days: settings.business_time_age_days,
    })
}

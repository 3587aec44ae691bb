//! The coalition itself: its name, its domain, its settings. Written when it is founded, and never changed.

use clearing_core::facts::FoundedFacts;
use clearing_core::facts::coalition::{Coalition, NoticeDays, Recovery};
use clearing_core::facts::limits::Limits;
use clearing_core::facts::terms::Terms;
use clearing_core::units::{Money, Points, Timestamp};
use serde::{Deserialize, Serialize};

use super::StoreError;
use super::cells::Row;
use super::sql::{Link, Sql, rows};
use super::tables::{COALITION, GATE};

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

static INSERT_COALITION: Sql = Sql::both("store.insert_coalition", "{insert k}").takes(&[rows("k", COALITION.all)]);

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
    default_terms: Terms,
    default_limits: Limits,
    grace_days: u16,
    passed_over_grace_days: u16,
    recovery: String,
    open_consents: bool,
    settlement_threshold: i64,
    disclose_issuers: bool,
    time_zone: String,
    key_retention_days: u16,
    business_time_age_days: u16,
    notice_days: Vec<u16>,
    proposal_days: u16,
    account_change_days: u16,
    carry_windows_max: Option<u16>,
    care_points: i64,
    pay_outs_wait: bool,
    caps_need_cover: bool,
}

fn settings_of(coalition: &Coalition) -> Settings {
    Settings {
        currency: coalition.currency.to_string(),
        scale: coalition.scale,
        // Defaults are of no version and of no time: the journal has them so too.
        default_terms: Terms { version: 1, effective: Timestamp(0), ..coalition.default_terms.clone() },
        default_limits: coalition.default_limits,
        grace_days: coalition.grace_days,
        passed_over_grace_days: coalition.passed_over_grace_days,
        recovery: coalition.recovery.as_str().to_owned(),
        open_consents: coalition.open_consents,
        settlement_threshold: coalition.settlement_threshold.0,
        disclose_issuers: coalition.disclose_issuers,
        time_zone: coalition.time_zone.iana_name().unwrap_or("UTC").to_owned(),
        key_retention_days: coalition.key_retention_days,
        business_time_age_days: coalition.business_time_age_days,
        notice_days: coalition.notice_days.iter().collect(),
        proposal_days: coalition.proposal_days,
        account_change_days: coalition.account_change_days,
        carry_windows_max: coalition.carry_windows_max,
        care_points: coalition.care_points.0,
        pay_outs_wait: coalition.pay_outs_wait,
        caps_need_cover: coalition.caps_need_cover,
    }
}

fn coalition_of(id: &str, settings: &str) -> Result<Coalition, StoreError> {
    let settings: Settings =
        serde_json::from_str(settings).map_err(|error| StoreError::damaged("the coalition's settings", error))?;
    Ok(Coalition {
        id: id.to_owned(),
        currency: settings.currency.parse().map_err(|error| StoreError::damaged("the currency", error))?,
        scale: settings.scale,
        default_terms: settings.default_terms,
        default_limits: settings.default_limits,
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
        notice_days: NoticeDays::new(settings.notice_days)
            .map_err(|error| StoreError::damaged("the days of notices", error))?,
        proposal_days: settings.proposal_days,
        account_change_days: settings.account_change_days,
        carry_windows_max: settings.carry_windows_max,
        care_points: Points(settings.care_points),
        pay_outs_wait: settings.pay_outs_wait,
        caps_need_cover: settings.caps_need_cover,
    })
}

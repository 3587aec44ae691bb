//! The house: the coalition's settings, partners with their terms, the calendar, the gate.

use std::collections::BTreeMap;

use clearing_core::book::Book;
use clearing_core::book::changes::Changes;
use clearing_core::facts::FoundedFacts;
use clearing_core::facts::coalition::{Calendar, Coalition, House, Recovery};
use clearing_core::facts::limits::Limits;
use clearing_core::facts::partner::{Partner, PartnerState};
use clearing_core::facts::terms::{Breakage, FeeBearer, Funding, Terms};
use clearing_core::units::{Money, PartnerId, Points, Rate, Timestamp, WindowNumber};
use serde::{Deserialize, Serialize};

use super::journal::no_coalition;
use super::sql::{Cells, Link, Sql};
use super::{StoreError, hash, partner_id, small};
use crate::identifier::{IdentifierKey, OtherBooks};

pub(super) const STATEMENTS: &[&Sql] = &[
    &COALITION,
    &PARTNERS,
    &TERMS,
    &CALENDAR,
    &INSERT_COALITION,
    &INSERT_GATE,
    &INSERT_HEAD,
    &UPSERT_PARTNER,
    &UPSERT_LIMITS,
    &INSERT_GUARD,
    &GIVE_CONSENT,
    &INSERT_TERMS,
    &INSERT_OUTSTANDING,
    &UPSERT_CALENDAR,
    &OUTSTANDING,
    &GATE,
    &UPDATE_GATE,
    &MIGRATIONS_TABLE,
    &MIGRATIONS_APPLIED,
    &BEGIN,
    &COMMIT,
    &BEGIN_SNAPSHOT,
];

/// The house as the database holds it.
#[derive(Debug, Clone)]
pub struct HouseRow {
    pub house: House,
    /// The domain in the partners' certificates.
    pub domain: String,
    /// Of the identifier key that the books were made with.
    pub fingerprint: [u8; 32],
    /// Moves with every change of partners, terms or calendar: a house kept in memory under another epoch is stale.
    pub terms_epoch: i64,
    pub created: Timestamp,
    /// The calendar has no cut-offs before this.
    pub calendar_set: Timestamp,
}

impl HouseRow {
    /// Whether a house may be run on these books with a key and a domain.
    ///
    /// # Errors
    /// Which of the two is another than the books were made with.
    pub fn check(&self, key: &IdentifierKey, domain: &str) -> Result<(), OtherBooks> {
        key.check(domain, &self.house.coalition.id, &self.domain, &self.fingerprint)
    }
}

/// What a batch reads when it has passed the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GateRow {
    pub open_window: WindowNumber,
    /// When the open window began: no batch acts earlier than this.
    pub opened: Timestamp,
    pub terms_epoch: i64,
    /// The time of the last change made under the gate: the house's clock never runs back over it.
    pub last_time: Timestamp,
    /// Requests that were recorded before this may be forgotten.
    pub forgotten: Timestamp,
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
        recovery: known("recovery", Recovery::parse(&settings.recovery))?,
        open_consents: settings.open_consents,
        settlement_threshold: Money(settings.settlement_threshold),
        disclose_issuers: settings.disclose_issuers,
        time_zone: jiff::tz::TimeZone::get(&settings.time_zone)
            .map_err(|error| StoreError::damaged("the time zone", error))?,
        key_retention_days: settings.key_retention_days,
        business_time_age_days: settings.business_time_age_days,
    })
}

fn rate(text: &str) -> Result<Rate, StoreError> {
    text.parse().map_err(|error| StoreError::damaged("a rate", error))
}

/// What a stored word stands for.
pub(super) fn known<T>(what: &str, parsed: Option<T>) -> Result<T, StoreError> {
    parsed.ok_or_else(|| StoreError::permanent(format!("the stored {what} is none that this release knows")))
}

const COALITION: Sql = Sql::both(
    "-- store.coalition
    SELECT c.coalition_id, c.domain, c.settings, c.created_at, g.terms_epoch, c.fingerprint
    FROM coalition AS c CROSS JOIN gate AS g",
);

const PARTNERS: Sql = Sql::both(
    "-- store.partners
    SELECT p.partner, p.display_name, p.state, p.suspended_in, l.partner, l.net_debit_cap, l.outstanding_points, l.points_per_day,
        l.points_per_member_per_day, l.points_per_entry, l.transfer_points_per_entry,
        l.transfer_points_per_member_per_day, l.cooling_seconds
    FROM partners AS p LEFT JOIN limits AS l USING (partner)",
);

const TERMS: Sql = Sql::both(
    "-- store.terms
    SELECT partner, version, effective_at, funding, price, point_value, reimbursement, acceptance_fee, fee_bearer,
        breakage_reserve, breakage_operator, breakage_issuer, expiry, return_days, tender_value, receipt_share
    FROM terms ORDER BY partner, version",
);

const CALENDAR: Sql = Sql::both(
    "-- store.calendar
    SELECT crons, time_zone, set_at FROM calendar",
);

/// The house. Several statements: the caller holds the gate, or a snapshot.
pub(super) async fn load_house(link: &mut Link<'_>) -> Result<HouseRow, StoreError> {
    let call = link.call(&COALITION);
    let coalition = |row: &dyn Cells| {
        let coalition = coalition_of(row.text(0)?, row.text(2)?)?;
        let fingerprint = hash(row.bytes(5)?)?;
        Ok((coalition, row.text(1)?.to_owned(), Timestamp(row.int(3)?), row.int(4)?, fingerprint))
    };
    let (coalition, domain, created, terms_epoch, fingerprint) =
        link.row(call, coalition).await?.ok_or_else(no_coalition)?;
    let call = link.call(&PARTNERS);
    let partner = |row: &dyn Cells| {
        let id = partner_id(row.text(0)?)?;
        let state = known("partner state", PartnerState::parse(row.text(2)?))?;
        let display_name = row.text(1)?.to_owned();
        let suspended_in = row.int_or_null(3)?.map(small).transpose()?;
        if row.text_or_null(4)?.is_none() {
            return Err(StoreError::permanent(format!("partner {id} has no row of limits")));
        }
        Ok((id, Partner { id, display_name, state, suspended_in, terms: Vec::new(), limits: limits(row, 5)? }))
    };
    let mut partners: BTreeMap<PartnerId, Partner> = link.rows(call, partner).await?.into_iter().collect();
    let call = link.call(&TERMS);
    for (partner, terms) in link.rows(call, terms).await? {
        let partner = partners.get_mut(&partner);
        partner.ok_or_else(|| StoreError::permanent("there are terms of an unknown partner"))?.terms.push(terms);
    }
    let call = link.call(&CALENDAR);
    let calendar = |row: &dyn Cells| {
        let cut_offs =
            serde_json::from_str(row.text(0)?).map_err(|error| StoreError::damaged("the calendar", error))?;
        Ok((Calendar { cut_offs, time_zone: row.text(1)?.to_owned() }, Timestamp(row.int(2)?)))
    };
    let (calendar, calendar_set) = link.row(call, calendar).await?.unwrap_or((Calendar::default(), created));
    let house = House { coalition, partners, calendar };
    Ok(HouseRow { house, domain, fingerprint, terms_epoch, created, calendar_set })
}

/// Limits from the columns of their table, the first of them at `at`.
fn limits(row: &dyn Cells, at: usize) -> Result<Limits, StoreError> {
    let points = |place: usize| Ok::<_, StoreError>(row.int_or_null(at + place)?.map(Points));
    Ok(Limits {
        net_debit_cap: row.int_or_null(at)?.map(Money),
        outstanding_points: points(1)?,
        points_per_day: points(2)?,
        points_per_member_per_day: points(3)?,
        points_per_entry: points(4)?,
        transfer_points_per_entry: points(5)?,
        transfer_points_per_member_per_day: points(6)?,
        cooling_seconds: row.int_or_null(at + 7)?.map(small).transpose()?,
    })
}

fn terms(row: &dyn Cells) -> Result<(PartnerId, Terms), StoreError> {
    let terms = Terms {
        version: small(row.int(1)?)?,
        effective: Timestamp(row.int(2)?),
        funding: known("funding", Funding::parse(row.text(3)?))?,
        price: Money(row.int(4)?),
        value: Money(row.int(5)?),
        reimbursement: Money(row.int(6)?),
        acceptance_fee: rate(row.text(7)?)?,
        fee_bearer: known("fee bearer", FeeBearer::parse(row.text(8)?))?,
        breakage: Breakage {
            reserve: rate(row.text(9)?)?,
            operator: rate(row.text(10)?)?,
            issuer: rate(row.text(11)?)?,
        },
        expiry: row.text(12)?.parse().map_err(|error| StoreError::damaged("an expiry", error))?,
        return_days: row.int_or_null(13)?.map(small).transpose()?,
        tender_value: Money(row.int(14)?),
        receipt_share: rate(row.text(15)?)?,
    };
    Ok((partner_id(row.text(0)?)?, terms))
}

const INSERT_COALITION: Sql = Sql::both(
    "-- store.insert_coalition
    INSERT INTO coalition (id, coalition_id, domain, settings, created_at, fingerprint) VALUES (1, $1, $2, $3, $4, $5)",
);

const INSERT_GATE: Sql = Sql::both(
    "-- store.insert_gate
    INSERT INTO gate (id, window_number, opened_at, terms_epoch, last_time, forgotten_before) VALUES (1, 1, $1, 1, $1, $1)",
);

const INSERT_HEAD: Sql = Sql::both(
    "-- store.insert_journal_head
    INSERT INTO journal_head (id, next_sequence, next_number, hash) VALUES (1, 1, 1, $1)",
);

/// Writes the rows that a database has one of, if it has none. The caller holds a transaction and writes what else founds a
/// coalition.
pub(super) async fn insert_coalition(
    link: &mut Link<'_>,
    founded: &FoundedFacts,
    now: Timestamp,
) -> Result<(), StoreError> {
    let call = link.call(&COALITION);
    if link.row(call, |_| Ok(())).await?.is_some() {
        return Err(StoreError::permanent("the database holds a coalition already"));
    }
    let FoundedFacts { coalition, domain, key_fingerprint } = founded;
    let settings = serde_json::to_string(&settings_of(coalition)).expect("plain fields become JSON");
    let call = link.call(&INSERT_COALITION).text(&*coalition.id).text(&**domain).text(settings).int(now.0);
    let call = call.bytes(key_fingerprint.to_vec());
    link.execute_counted(call, 1).await?;
    let call = link.call(&INSERT_GATE).int(now.0);
    link.execute_counted(call, 1).await?;
    let call = link.call(&INSERT_HEAD).bytes(vec![0; 32]);
    link.execute_counted(call, 1).await
}

/// Writes what a batch has changed of the house.
pub(super) async fn save_house(
    link: &mut Link<'_>,
    book: &Book,
    changes: &Changes,
    now: Timestamp,
) -> Result<(), StoreError> {
    let partner = |id: &PartnerId| {
        let partner = book.house.partners.get(id);
        partner.ok_or_else(|| StoreError::permanent(format!("partner {id} was changed but is not in the book")))
    };
    for id in &changes.partners {
        upsert_partner(link, partner(id)?).await?;
    }
    for (id, version) in &changes.new_terms {
        let terms = partner(id)?.terms_version(*version);
        let terms = terms.ok_or_else(|| StoreError::permanent("new terms are not in the book"))?;
        insert_terms(link, *id, terms).await?;
    }
    if changes.calendar {
        upsert_calendar(link, &book.house.calendar, now).await?;
    }
    Ok(())
}

const UPSERT_PARTNER: Sql = Sql::both(
    "-- store.upsert_partner
    INSERT INTO partners (partner, display_name, state, suspended_in) VALUES ($1, $2, $3, $4)
    ON CONFLICT (partner) DO UPDATE SET display_name = excluded.display_name, state = excluded.state,
        suspended_in = excluded.suspended_in",
);

async fn upsert_partner(link: &mut Link<'_>, partner: &Partner) -> Result<(), StoreError> {
    let call = link.call(&UPSERT_PARTNER);
    let call = call.text(partner.id.as_str()).text(&*partner.display_name).text(partner.state.as_str());
    let call = call.int_or_null(partner.suspended_in.map(i64::from));
    link.execute_counted(call, 1).await?;
    let points = |points: Option<Points>| points.map(|points| points.0);
    let limits = &partner.limits;
    let call = link.call(&UPSERT_LIMITS).text(partner.id.as_str());
    let call = call.int_or_null(limits.net_debit_cap.map(|cap| cap.0)).int_or_null(points(limits.outstanding_points));
    let call = call.int_or_null(points(limits.points_per_day)).int_or_null(points(limits.points_per_member_per_day));
    let call = call.int_or_null(points(limits.points_per_entry));
    let call = call.int_or_null(points(limits.transfer_points_per_entry));
    let call = call.int_or_null(points(limits.transfer_points_per_member_per_day));
    let call = call.int_or_null(limits.cooling_seconds.map(i64::from));
    link.execute_counted(call, 1).await?;
    let call = link.call(&INSERT_GUARD).text(partner.id.as_str());
    link.execute(call).await.map(|_| ())
}

const UPSERT_LIMITS: Sql = Sql::both(
    "-- store.upsert_limits
    INSERT INTO limits (partner, net_debit_cap, outstanding_points, points_per_day, points_per_member_per_day,
        points_per_entry, transfer_points_per_entry, transfer_points_per_member_per_day, cooling_seconds)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    ON CONFLICT (partner) DO UPDATE SET net_debit_cap = excluded.net_debit_cap,
        outstanding_points = excluded.outstanding_points, points_per_day = excluded.points_per_day,
        points_per_member_per_day = excluded.points_per_member_per_day, points_per_entry = excluded.points_per_entry,
        transfer_points_per_entry = excluded.transfer_points_per_entry,
        transfer_points_per_member_per_day = excluded.transfer_points_per_member_per_day,
        cooling_seconds = excluded.cooling_seconds",
);

const INSERT_GUARD: Sql = Sql::both(
    "-- store.insert_guard
    INSERT INTO guards (partner, reserved, unsettled, issued_day, issued_points) VALUES ($1, 0, 0, 0, 0)
    ON CONFLICT (partner) DO NOTHING",
);

const INSERT_TERMS: Sql = Sql::both(
    "-- store.insert_terms
    INSERT INTO terms (partner, version, effective_at, funding, price, point_value, reimbursement, acceptance_fee,
        fee_bearer, breakage_reserve, breakage_operator, breakage_issuer, expiry, return_days, tender_value,
        receipt_share)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
);

const INSERT_OUTSTANDING: Sql = Sql::both(
    "-- store.insert_outstanding
    INSERT INTO terms_outstanding (partner, version, points) VALUES ($1, $2, 0)",
);

async fn insert_terms(link: &mut Link<'_>, partner: PartnerId, terms: &Terms) -> Result<(), StoreError> {
    let version = i64::from(terms.version);
    let call = link.call(&INSERT_TERMS).text(partner.as_str()).int(version).int(terms.effective.0);
    let call = call.text(terms.funding.as_str()).int(terms.price.0).int(terms.value.0).int(terms.reimbursement.0);
    let call = call.text(terms.acceptance_fee.decimal().to_string()).text(terms.fee_bearer.as_str());
    let Breakage { reserve, operator, issuer } = &terms.breakage;
    let call = call.text(reserve.decimal().to_string()).text(operator.decimal().to_string());
    let call = call.text(issuer.decimal().to_string()).text(terms.expiry.to_string());
    let call = call.int_or_null(terms.return_days.map(i64::from)).int(terms.tender_value.0);
    let call = call.text(terms.receipt_share.decimal().to_string());
    link.execute_counted(call, 1).await?;
    let call = link.call(&INSERT_OUTSTANDING).text(partner.as_str()).int(version);
    link.execute_counted(call, 1).await
}

const GIVE_CONSENT: Sql = Sql::both(
    "-- store.give_consent
    INSERT INTO consents (funder, partner, granted, budget, used) VALUES ($1, $2, $3, $4, 0)
    ON CONFLICT (funder, partner) DO UPDATE SET granted = excluded.granted, budget = excluded.budget",
);

/// Writes the consents that a batch has given or taken back; what was used of them stays.
pub(super) async fn save_consents(link: &mut Link<'_>, book: &Book, changes: &Changes) -> Result<(), StoreError> {
    for key in &changes.consents_given {
        let consent = book.consents.get(key).copied().unwrap_or_default();
        let call = link.call(&GIVE_CONSENT).text(key.0.as_str()).text(key.1.as_str());
        let call = call.int_or_null(consent.granted.map(i64::from)).int_or_null(consent.budget.map(|budget| budget.0));
        link.execute_counted(call, 1).await?;
    }
    Ok(())
}

const UPSERT_CALENDAR: Sql = Sql::both(
    "-- store.upsert_calendar
    INSERT INTO calendar (id, crons, time_zone, set_at) VALUES (1, $1, $2, $3)
    ON CONFLICT (id) DO UPDATE SET crons = excluded.crons, time_zone = excluded.time_zone, set_at = excluded.set_at",
);

async fn upsert_calendar(link: &mut Link<'_>, calendar: &Calendar, now: Timestamp) -> Result<(), StoreError> {
    let crons = serde_json::to_string(&calendar.cut_offs).expect("texts become JSON");
    let call = link.call(&UPSERT_CALENDAR).text(crons).text(&*calendar.time_zone).int(now.0);
    link.execute_counted(call, 1).await
}

const OUTSTANDING: Sql = Sql::both(
    "-- store.outstanding
    SELECT partner, version, points FROM terms_outstanding",
);

/// Points not yet redeemed, expired or taken back, per version of terms.
pub(super) async fn outstanding(link: &mut Link<'_>) -> Result<BTreeMap<(PartnerId, u32), Points>, StoreError> {
    let call = link.call(&OUTSTANDING);
    let points = |row: &dyn Cells| Ok(((partner_id(row.text(0)?)?, small(row.int(1)?)?), Points(row.int(2)?)));
    Ok(link.rows(call, points).await?.into_iter().collect())
}

const GATE: Sql = Sql::both(
    "-- store.gate
    SELECT window_number, opened_at, terms_epoch, last_time, forgotten_before FROM gate",
);

/// The gate row, outside of any batch.
pub(super) async fn gate(link: &mut Link<'_>) -> Result<GateRow, StoreError> {
    let call = link.call(&GATE);
    link.row(call, gate_row).await?.ok_or_else(no_coalition)
}

/// The gate row from the columns window, its beginning, epoch, last time, up to when requests are forgotten.
pub(super) fn gate_row(row: &dyn Cells) -> Result<GateRow, StoreError> {
    Ok(GateRow {
        open_window: small(row.int(0)?)?,
        opened: Timestamp(row.int(1)?),
        terms_epoch: row.int(2)?,
        last_time: Timestamp(row.int(3)?),
        forgotten: Timestamp(row.int(4)?),
    })
}

// A cut-off that was missed is closed as of its time, which may lie before the last change of terms.
const UPDATE_GATE: Sql = Sql::new(
    "-- store.update_gate
    UPDATE gate SET window_number = $1, opened_at = $2, terms_epoch = terms_epoch + $3,
        last_time = max(last_time, $4), forgotten_before = $5 WHERE id = 1",
    "-- store.update_gate
    UPDATE gate SET window_number = $1, opened_at = $2, terms_epoch = terms_epoch + $3,
        last_time = greatest(last_time, $4), forgotten_before = $5 WHERE id = 1",
);

/// Moves the gate row after a change of windows or of the house. The caller has the gate alone.
pub(super) async fn update_gate(
    link: &mut Link<'_>,
    book: &Book,
    opened: Timestamp,
    house_changed: bool,
    now: Timestamp,
) -> Result<(), StoreError> {
    let call = link.call(&UPDATE_GATE).int(i64::from(book.open_window)).int(opened.0);
    let call = call.int(i64::from(house_changed)).int(now.0).int(book.forgotten.0);
    link.execute_counted(call, 1).await
}

pub(super) const BEGIN: Sql =
    Sql::new("-- store.begin_change\n    BEGIN IMMEDIATE", "-- store.begin_change\n    BEGIN");
pub(super) const COMMIT: Sql = Sql::both("-- store.commit_change\n    COMMIT");

/// What a reader sees does not change until it ends. SQLite takes its snapshot with the first read.
pub(super) const BEGIN_SNAPSHOT: Sql = Sql::new(
    "-- store.begin_snapshot
    BEGIN",
    "-- store.begin_snapshot
    BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
);

pub(super) const MIGRATIONS_TABLE: Sql = Sql::new(
    "-- store.migrations_table
    SELECT count(*) FROM sqlite_schema WHERE name = '_sqlx_migrations'",
    "-- store.migrations_table
    SELECT count(*) FROM (SELECT to_regclass('_sqlx_migrations') AS name) AS t WHERE name IS NOT NULL",
);

pub(super) const MIGRATIONS_APPLIED: Sql = Sql::both(
    "-- store.migrations_applied
    SELECT version FROM _sqlx_migrations WHERE success ORDER BY version",
);

//! The house: its coalition, its partners with their terms and limits, its calendar.

use std::collections::BTreeMap;

use clearing_core::book::Book;
use clearing_core::book::changes::Changes;
use clearing_core::facts::coalition::House;
use clearing_core::facts::partner::{GroupId, Partner, PartnerState};
use clearing_core::facts::security::Security;
use clearing_core::facts::terms::Terms;
use clearing_core::units::{PartnerId, Timestamp};

use super::cells::Row;
use super::coalition::CoalitionRow;
use super::journal::no_coalition;
use super::sql::{Link, Sql, rows};
use super::tables::{LIMITS, PARTNERS};
use super::{Snapshot, Store, StoreError, calendar, charges, coalition, credentials, known, limits, people, terms};
use crate::identifier::{IdentifierKey, OtherBooks};

pub(super) static STATEMENTS: &[&Sql] = &[&ALL_PARTNERS, &UPSERT_PARTNERS];

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

/// The house. Several statements: the caller holds the gate, or a snapshot.
pub(super) async fn load_house(link: &mut Link<'_>) -> Result<HouseRow, StoreError> {
    let coalition = coalition::coalition(link).await?.ok_or_else(no_coalition)?;
    let CoalitionRow { coalition, domain, fingerprint, created, terms_epoch } = coalition;
    let call = link.call(&ALL_PARTNERS);
    let mut partners: BTreeMap<PartnerId, Partner> = link.rows(call, partner).await?.into_iter().collect();
    for (partner, terms) in terms::terms(link).await? {
        let partner = partners.get_mut(&partner);
        partner.ok_or_else(|| StoreError::permanent("there are terms of an unknown partner"))?.terms.push(terms);
    }
    for (partner, guarantee) in charges::guarantees(link).await? {
        let partner = partners.get_mut(&partner);
        let partner = partner.ok_or_else(|| StoreError::permanent("there is a guarantee of an unknown partner"))?;
        partner.security.guarantees.push(guarantee);
    }
    let calendar = calendar::calendars(link).await?;
    let (revoked, people) = (credentials::revoked(link).await?, people::people(link).await?);
    let house = House { coalition, partners, calendar, revoked, people };
    Ok(HouseRow { house, domain, fingerprint, terms_epoch, created })
}

static ALL_PARTNERS: Sql = Sql::both(
    "store.partners",
    "SELECT {partners p}, {limits l} FROM partners AS p LEFT JOIN limits AS l ON l.partner = p.partner",
)
.gives(&[
    PARTNERS.partner,
    PARTNERS.display_name,
    PARTNERS.state,
    PARTNERS.suspended_in,
    PARTNERS.group_id,
    PARTNERS.state_no,
    PARTNERS.limits_no,
    PARTNERS.unsecured,
    LIMITS.partner,
    LIMITS.net_debit_cap,
    LIMITS.outstanding_points,
    LIMITS.points_per_day,
    LIMITS.points_per_member_per_day,
    LIMITS.points_per_entry,
    LIMITS.transfer_points_per_entry,
    LIMITS.transfer_points_per_member_per_day,
    LIMITS.redeem_points_per_member_per_day,
    LIMITS.redeem_foreign_points_per_day,
    LIMITS.cooling_seconds,
]);

/// A partner without its terms.
fn partner(row: &Row<'_>) -> Result<(PartnerId, Partner), StoreError> {
    let id = row.partner(PARTNERS.partner)?;
    if row.text_or_null(LIMITS.partner)?.is_none() {
        return Err(StoreError::permanent(format!("partner {id} has no row of limits")));
    }
    let partner = Partner {
        id,
        display_name: row.text(PARTNERS.display_name)?.to_owned(),
        state: known("partner state", PartnerState::parse(row.text(PARTNERS.state)?))?,
        suspended_in: row.small_or_null(PARTNERS.suspended_in)?,
        group: group(row.text_or_null(PARTNERS.group_id)?)?,
        security: Security { unsecured: row.money(PARTNERS.unsecured)?, guarantees: Vec::new() },
        terms: Vec::new(),
        limits: limits::limits(row)?,
        state_no: row.small(PARTNERS.state_no)?,
        limits_no: row.small(PARTNERS.limits_no)?,
    };
    Ok((id, partner))
}

fn group(text: Option<&str>) -> Result<Option<GroupId>, StoreError> {
    text.map(|text| text.parse().map_err(|error| StoreError::damaged("a group", error))).transpose()
}

static UPSERT_PARTNERS: Sql = Sql::both("store.upsert_partners", "{upsert k}").takes(&[rows("k", PARTNERS.all)]);

/// Writes what a batch has changed of the house.
pub(super) async fn save_house(link: &mut Link<'_>, book: &Book, changes: &Changes) -> Result<(), StoreError> {
    let partner = |id: &PartnerId| {
        let partner = book.house.partners.get(id);
        partner.ok_or_else(|| StoreError::permanent(format!("partner {id} was changed but is not in the book")))
    };
    let changed = changes.partners.iter().map(partner).collect::<Result<Vec<&Partner>, StoreError>>()?;
    let mut rows = link.row_set(PARTNERS.all);
    for partner in &changed {
        rows.text(PARTNERS.partner, partner.id.as_str()).text(PARTNERS.display_name, &partner.display_name);
        rows.text(PARTNERS.state, partner.state.as_str());
        rows.int_or_null(PARTNERS.suspended_in, partner.suspended_in.map(i64::from));
        rows.text_or_null(PARTNERS.group_id, partner.group.as_ref().map(GroupId::as_str));
        rows.int(PARTNERS.state_no, partner.state_no.into()).int(PARTNERS.limits_no, partner.limits_no.into());
        rows.int(PARTNERS.unsecured, partner.security.unsecured.0);
    }
    link.write(&UPSERT_PARTNERS, rows).await?;
    charges::save_guarantees(link, &changed).await?;
    limits::save(link, changed.into_iter()).await?;
    let version = |(id, version): &(PartnerId, u32)| -> Result<(&Partner, &Terms), StoreError> {
        let partner = partner(id)?;
        let terms = partner.terms_version(*version);
        Ok((partner, terms.ok_or_else(|| StoreError::permanent("new terms are not in the book"))?))
    };
    terms::insert(link, changes.new_terms.iter().map(version)).await?;
    if changes.calendar {
        calendar::save(link, &book.house.calendar).await?;
    }
    credentials::save_revoked(link, book, changes).await?;
    people::save(link, book, changes).await
}

impl Store {
    /// The house as it stands.
    ///
    /// # Errors
    /// Permanent if the database holds no coalition.
    pub async fn load_house(&self) -> Result<HouseRow, StoreError> {
        let mut snapshot = self.snapshot().await?;
        let house = load_house(&mut snapshot.link()).await?;
        snapshot.finish().await?;
        Ok(house)
    }

    /// How often the house was changed: it is as it was while this is.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn house_epoch(&self) -> Result<i64, StoreError> {
        let mut snapshot = self.snapshot().await?;
        let epoch = snapshot.gate().await?.terms_epoch;
        snapshot.finish().await?;
        Ok(epoch)
    }
}

impl Snapshot {
    /// The house.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn house(&mut self) -> Result<HouseRow, StoreError> {
        load_house(&mut self.link()).await
    }
}

//! Partners as legal parties: who they are, and of which group.

use clearing_proto::v1;
use clearing_proto::v1::partner_service_client::PartnerServiceClient;

use crate::client::call;
use crate::error::Error;
use crate::operator::Operator;
use crate::outcome::Outcome;
use crate::points::keyed;
use crate::request_id::RequestId;
use crate::wire::{FromWire, each, key, there};

use crate::answers::Partner;

pub use crate::answers::{GroupSet, LegalRecordSet};

impl Operator {
    /// Writes down who a partner is by law.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn set_legal_record(&self, set: SetLegalRecord) -> Result<Outcome<LegalRecordSet>, Error> {
        let call = call!(PartnerServiceClient::set_legal_record);
        self.client.write(set, to_set_legal_record, call, FromWire::read).await
    }

    /// Puts a partner into a group, or takes it out.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn set_group(&self, set: SetGroup) -> Result<Outcome<GroupSet>, Error> {
        let call = call!(PartnerServiceClient::set_group);
        self.client.write(set, to_set_group, call, FromWire::read).await
    }

    /// One partner, with all that is known of it.
    ///
    /// # Errors
    /// Those of a read; [`Error::Refused`] with the reason `NOT_FOUND`.
    pub async fn partner(&self, partner_id: &str) -> Result<Partner, Error> {
        let request = || v1::GetPartnerRequest { partner_id: partner_id.to_owned() };
        let call = call!(PartnerServiceClient::get_partner);
        self.client.read(request, call, |answer| FromWire::read(there(answer.partner, "partner")?)).await
    }
}

/// Who a partner is by law.
///
/// ```
/// use partner_sdk::operator::{Address, LegalRecord};
///
/// let record = LegalRecord::of("Grocer GmbH", Address::of("Bonn", "DE").street("Am Markt 1").postal_code("53111"))
///     .tax_id("EU_VAT", "DE136695976");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LegalRecord {
    /// As the register of companies has it: 1 to 140 characters.
    pub legal_name: String,
    /// At most 8, one of a scheme.
    pub tax_ids: Vec<TaxId>,
    /// Where letters go.
    pub address: Address,
}

impl LegalRecord {
    /// With this name and address.
    #[must_use]
    pub fn of(legal_name: impl Into<String>, address: Address) -> Self {
        Self { legal_name: legal_name.into(), tax_ids: Vec::new(), address }
    }

    /// Known under this number: of `RU_INN`, `RU_KPP`, `RU_OGRN`, `RU_OGRNIP`, `EU_VAT` or `LEI`, whose numbers are checked, or of a
    /// scheme of one's own whose name begins with `X_`.
    #[must_use]
    pub fn tax_id(mut self, scheme: impl Into<String>, value: impl Into<String>) -> Self {
        self.tax_ids.push(TaxId { scheme: scheme.into(), value: value.into() });
        self
    }
}

/// The number under which a tax office or a register knows a partner.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaxId {
    /// Which kind of number it is.
    pub scheme: String,
    /// The number.
    pub value: String,
}

/// A postal address.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Address {
    /// Street, house, office: up to 70 characters.
    pub street: String,
    /// Up to 16 characters.
    pub postal_code: String,
    /// 1 to 35 characters.
    pub town: String,
    /// Two capital letters (ISO 3166-1).
    pub country_code: String,
}

impl Address {
    /// In this town of this country.
    #[must_use]
    pub fn of(town: impl Into<String>, country_code: impl Into<String>) -> Self {
        Self { town: town.into(), country_code: country_code.into(), ..Self::default() }
    }

    /// Street, house, office.
    #[must_use]
    pub fn street(self, street: impl Into<String>) -> Self {
        Self { street: street.into(), ..self }
    }

    /// The postal code.
    #[must_use]
    pub fn postal_code(self, postal_code: impl Into<String>) -> Self {
        Self { postal_code: postal_code.into(), ..self }
    }
}

impl FromWire<v1::TaxId> for TaxId {
    fn read(wire: v1::TaxId) -> Result<Self, Error> {
        Ok(Self { scheme: wire.scheme, value: wire.value })
    }
}

impl FromWire<v1::LegalRecord> for LegalRecord {
    fn read(wire: v1::LegalRecord) -> Result<Self, Error> {
        let v1::Address { street, postal_code, town, country_code } = there(wire.address, "address")?;
        let address = Address { street, postal_code, town, country_code };
        Ok(Self { legal_name: wire.legal_name, tax_ids: each(wire.tax_ids)?, address })
    }
}

/// Writes down who a partner is by law.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct SetLegalRecord {
    request_id: Option<RequestId>,
    partner_id: String,
    record: LegalRecord,
}

impl SetLegalRecord {
    /// Of this partner; it takes the place of the earlier one as a whole.
    pub fn of(partner_id: impl Into<String>, record: LegalRecord) -> Self {
        Self { request_id: None, partner_id: partner_id.into(), record }
    }
}

/// Puts a partner into a group, or takes it out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct SetGroup {
    request_id: Option<RequestId>,
    partner_id: String,
    group_id: String,
}

impl SetGroup {
    /// This partner, into this group.
    pub fn of(partner_id: impl Into<String>, group_id: impl Into<String>) -> Self {
        Self { request_id: None, partner_id: partner_id.into(), group_id: group_id.into() }
    }

    /// This partner, into none.
    pub fn none(partner_id: impl Into<String>) -> Self {
        Self::of(partner_id, String::new())
    }
}

keyed!(SetLegalRecord, SetGroup);

fn to_set_legal_record(set: &SetLegalRecord) -> v1::SetLegalRecordRequest {
    let LegalRecord { legal_name, tax_ids, address } = set.record.clone();
    let Address { street, postal_code, town, country_code } = address;
    let tax_id = |TaxId { scheme, value }: TaxId| v1::TaxId { scheme, value };
    v1::SetLegalRecordRequest {
        request_id: key(set.request_id),
        partner_id: set.partner_id.clone(),
        legal_record: Some(v1::LegalRecord {
            legal_name,
            tax_ids: tax_ids.into_iter().map(tax_id).collect(),
            address: Some(v1::Address { street, postal_code, town, country_code }),
        }),
    }
}

fn to_set_group(set: &SetGroup) -> v1::SetGroupRequest {
    v1::SetGroupRequest {
        request_id: key(set.request_id),
        partner_id: set.partner_id.clone(),
        group_id: set.group_id.clone(),
    }
}

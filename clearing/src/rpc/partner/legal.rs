//! Legal records, as messages have them.

use clearing_core::facts::legal::{Address, LegalRecord, TaxId};
use clearing_proto::v1;
use tonic::Status;

use crate::rpc::errors;

pub(super) fn read_legal(wire: Option<v1::LegalRecord>) -> Result<LegalRecord, Status> {
    let Some(v1::LegalRecord { legal_name, tax_ids, address }) = wire else {
        return Err(errors::invalid("legal_record", "is missing"));
    };
    let Some(v1::Address { street, postal_code, town, country_code }) = address else {
        return Err(errors::invalid("legal_record.address", "is missing"));
    };
    let tax_id = |v1::TaxId { scheme, value }: v1::TaxId| TaxId { scheme, value };
    Ok(LegalRecord {
        name: legal_name,
        // One more than are allowed, which the rules refuse.
        tax_ids: tax_ids.into_iter().take(LegalRecord::TAX_IDS_MAX + 1).map(tax_id).collect(),
        address: Address { street, post_code: postal_code, town, country: country_code },
    })
}

pub(super) fn from_legal(legal: &LegalRecord) -> v1::LegalRecord {
    let LegalRecord { name, tax_ids, address } = legal.clone();
    let Address { street, post_code, town, country } = address;
    let tax_id = |TaxId { scheme, value }: TaxId| v1::TaxId { scheme, value };
    v1::LegalRecord {
        legal_name: name,
        tax_ids: tax_ids.into_iter().map(tax_id).collect(),
        address: Some(v1::Address { street, postal_code: post_code, town, country_code: country }),
    }
}

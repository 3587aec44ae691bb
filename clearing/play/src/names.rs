//! What names stand for: of members, of entries and of requests.

use std::collections::BTreeMap;

use clearing_core::facts::member::MemberRef;
use clearing_core::units::{EntryId, IdentifierHash, RequestId, Timestamp};

/// A member by an identifier. A test has no secrets: where a house keeps the keyed hash of an identifier stands the identifier
/// itself, so that whoever passes it on can read it.
///
/// # Panics
/// If scheme and value have more than 31 bytes.
pub fn identifier(scheme: &str, value: &str) -> MemberRef {
    short_identifier(scheme, value).expect("the identifiers of tests are short")
}

/// As [`identifier`]; none if it is too long.
pub(crate) fn short_identifier(scheme: &str, value: &str) -> Option<MemberRef> {
    let text = format!("{scheme}:{value}");
    let mut bytes = [0; 32];
    bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
    Some(MemberRef::Identifier(IdentifierHash(bytes)))
}

/// A member as the SDK names it.
pub fn sdk_member(member: MemberRef) -> partner_sdk::MemberRef {
    match member {
        MemberRef::Id(id) => partner_sdk::MemberRef::id(id.to_string()),
        MemberRef::Identifier(IdentifierHash(bytes)) => {
            let text = std::str::from_utf8(&bytes).expect("made by `identifier`").trim_end_matches('\0');
            let (scheme, value) = text.split_once(':').expect("made by `identifier`");
            partner_sdk::MemberRef::identifier(scheme, value)
        }
    }
}

/// What the names of a play stand for.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// Entries by the `as` of their step.
    pub entries: BTreeMap<String, EntryId>,
    /// What an entry stands for that no step has made, where a file is only read.
    pub any_entry: Option<EntryId>,
    requests: BTreeMap<String, RequestId>,
    request_count: u64,
}

impl Names {
    /// Of a file that is only read.
    pub fn of_nothing_yet() -> Self {
        Self { any_entry: Some("00000000-0000-0000-0000-000000000000.0".parse().expect("an id")), ..Self::default() }
    }

    /// The entry of a name.
    ///
    /// # Errors
    /// If no earlier step has made it.
    pub fn entry(&self, name: &str) -> Result<EntryId, String> {
        self.entries.get(name).copied().or(self.any_entry).ok_or_else(|| format!("no step is named {name:?}"))
    }

    /// The request of a name. One that was not seen yet will come with this id.
    pub fn request(&mut self, name: &str, at: Timestamp) -> RequestId {
        let fresh = self.fresh_request(at);
        *self.requests.entry(name.to_owned()).or_insert(fresh)
    }

    pub fn fresh_request(&mut self, at: Timestamp) -> RequestId {
        self.request_count += 1;
        request_id(at, self.request_count)
    }
}

/// A UUIDv7 made at a time, with a number for its random part (its lowest 62 bits).
fn request_id(at: Timestamp, number: u64) -> RequestId {
    let millis = u128::from((at.0 / 1000).unsigned_abs()) & 0xffff_ffff_ffff;
    RequestId(millis << 80 | 0x7 << 76 | 0b10 << 62 | u128::from(number & (u64::MAX >> 2)))
}

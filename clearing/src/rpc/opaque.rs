//! Texts that tell their readers nothing: ids of entries and lots, and places in lists, as callers see them.
//!
//! An id of the journal holds the batch of the entry, its place there and, in the batch's id, the time: who sees two of
//! them learns how much the coalition did in between, and who shared a batch with it. So callers see it encrypted, by
//! AES-256-GCM-SIV under a key that follows from the identifier key. The nonce is fixed for each kind of text, so the same id
//! always reads the same, for whoever sees it; that two texts are equal is all that such encryption tells (RFC 8452). What
//! nobody was given does not decrypt, so no id can be made up or changed.
//!
//! | text | length | is |
//! |---|---|---|
//! | entry, hold | 49 | `e` and the base64url of 20 bytes and the tag |
//! | lot | 57 | `l` and the base64url of 26 bytes and the tag |
//! | page token | at least 108 | `p` and the base64url of a place, filled up to a multiple of 64 bytes, and the tag. It binds the caller, the method and all fields that the next call repeats |
//!
//! The rules and the journal know nothing of it.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use clearing_core::facts::lot::LotId;
use clearing_core::units::{BatchId, EntryId, MemberId, shown, whole};
use data_encoding::BASE64URL_NOPAD;
use tonic::Status;

use crate::identifier::IdentifierKey;
use crate::rpc::auth::Caller;
use crate::rpc::errors::invalid;

/// Bytes of what stands in an id: batch and ordinal; member, number and part.
const ENTRY_BYTES: usize = 20;
const LOT_BYTES: usize = 26;

const TAG_BYTES: usize = 16;

/// A place is filled up to a multiple of this, so that the length of its token tells nothing of how far it is.
const PLACE_BYTES: usize = 64;

/// Longer than any token that a list gives.
const TOKEN_LENGTH_MAX: usize = 1024;

/// What a text stands for. Each kind has a letter, which its texts begin with, and a nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Entry,
    Lot,
    Page,
}

impl Kind {
    fn letter(self) -> char {
        match self {
            Self::Entry => 'e',
            Self::Lot => 'l',
            Self::Page => 'p',
        }
    }

    fn nonce(self) -> Nonce {
        Nonce::assume_unique_for_key(*match self {
            Self::Entry => b"entry id    ",
            Self::Lot => b"lot id      ",
            Self::Page => b"page token  ",
        })
    }
}

/// Writes and reads opaque texts. Every node of a house has the same key, so a text of one is read by all.
pub struct Opaque(LessSafeKey);

impl std::fmt::Debug for Opaque {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Opaque(..)")
    }
}

impl Opaque {
    pub fn new(key: &IdentifierKey) -> Self {
        let key = UnboundKey::new(&AES_256_GCM_SIV, &*key.of_opaque_texts()).expect("the key has 32 bytes");
        Self(LessSafeKey::new(key))
    }

    /// The id of an entry or hold, as callers see it.
    pub fn entry(&self, id: EntryId) -> String {
        let mut bytes = [0; ENTRY_BYTES];
        bytes[..16].copy_from_slice(&id.batch.bytes());
        bytes[16..].copy_from_slice(&id.ordinal.to_be_bytes());
        self.seal(Kind::Entry, &[], &bytes)
    }

    /// The entry or hold of an id that a caller names.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a text that is no such id.
    pub fn read_entry(&self, field: &str, text: &str) -> Result<EntryId, Status> {
        if text.is_empty() {
            return Err(invalid(field, "is missing"));
        }
        let unknown = || invalid(field, format!("{} is no entry id of this coalition", shown(text)));
        self.opened_entry(text).ok_or_else(unknown)
    }

    /// The entry or hold behind an id that callers see; none if it is none of this coalition.
    pub fn opened_entry(&self, text: &str) -> Option<EntryId> {
        let bytes = self.open(Kind::Entry, &[], text)?;
        let (batch, ordinal) = bytes.split_at_checked(16)?;
        let batch = BatchId::from_bytes(batch.try_into().ok()?);
        Some(EntryId { batch, ordinal: u32::from_be_bytes(ordinal.try_into().ok()?) })
    }

    /// The id of a lot, as callers see it. No call names one.
    pub fn lot(&self, id: LotId) -> String {
        let mut bytes = [0; LOT_BYTES];
        bytes[..16].copy_from_slice(&id.member.bytes());
        bytes[16..24].copy_from_slice(&id.entry_no.to_be_bytes());
        bytes[24..].copy_from_slice(&id.part.to_be_bytes());
        self.seal(Kind::Lot, &[], &bytes)
    }

    /// The lot behind an id that callers see; none if it is none of this coalition.
    pub fn opened_lot(&self, text: &str) -> Option<LotId> {
        let bytes = self.open(Kind::Lot, &[], text)?;
        let (member, rest) = bytes.split_at_checked(16)?;
        let (entry_no, part) = rest.split_at_checked(8)?;
        Some(LotId {
            member: MemberId::from_bytes(member.try_into().ok()?),
            entry_no: i64::from_be_bytes(entry_no.try_into().ok()?),
            part: u16::from_be_bytes(part.try_into().ok()?),
        })
    }

    /// A list as one caller asks for it: by its method, and by all fields that the call for the next page must repeat.
    pub fn list(&self, caller: &Caller, method: &str, fields: &[&str]) -> List<'_> {
        let role = format!("{:?}", caller.role());
        let mut asked = Vec::new();
        for part in [role.as_str(), caller.name(), method].into_iter().chain(fields.iter().copied()) {
            // Each with its length before it, so that no two lists read the same.
            asked.extend_from_slice(&(part.len() as u64).to_be_bytes());
            asked.extend_from_slice(part.as_bytes());
        }
        List { opaque: self, asked }
    }

    fn seal(&self, kind: Kind, with: &[u8], bytes: &[u8]) -> String {
        let mut sealed = Vec::with_capacity(bytes.len() + TAG_BYTES);
        sealed.extend_from_slice(bytes);
        let done = self.0.seal_in_place_append_tag(kind.nonce(), Aad::from(with), &mut sealed);
        done.expect("a few bytes are within what the cipher takes");
        let mut text = String::with_capacity(1 + BASE64URL_NOPAD.encode_len(sealed.len()));
        text.push(kind.letter());
        BASE64URL_NOPAD.encode_append(&sealed, &mut text);
        text
    }

    fn open(&self, kind: Kind, with: &[u8], text: &str) -> Option<Vec<u8>> {
        let text = text.strip_prefix(kind.letter()).filter(|text| text.len() <= TOKEN_LENGTH_MAX)?;
        let mut sealed = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        let opened = self.0.open_in_place(kind.nonce(), Aad::from(with), &mut sealed).ok()?;
        let length = opened.len();
        sealed.truncate(length);
        Some(sealed)
    }
}

/// A list as one caller asks for it, which makes and reads the tokens of its pages: one of another list, of the same list
/// under other fields, or of another caller is none of it.
#[derive(Debug)]
pub struct List<'a> {
    opaque: &'a Opaque,
    asked: Vec<u8>,
}

impl List<'_> {
    /// The token of a place, where the next page goes on.
    pub fn token(&self, place: &str) -> String {
        let mut bytes = place.as_bytes().to_vec();
        bytes.resize(place.len().max(1).next_multiple_of(PLACE_BYTES), 0);
        self.opaque.seal(Kind::Page, &self.asked, &bytes)
    }

    /// The place that a token holds; none for the first page.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a token that this list did not give.
    pub fn place(&self, token: &str) -> Result<Option<String>, Status> {
        if token.is_empty() {
            return Ok(None);
        }
        let place = self.opaque.open(Kind::Page, &self.asked, token).and_then(|mut bytes| {
            bytes.truncate(bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
            String::from_utf8(bytes).ok()
        });
        let foreign = || invalid("page_token", "is not one that this method gave to this caller for the same fields");
        place.map(Some).ok_or_else(foreign)
    }

    /// The numbers that a place of this list holds; none for the first page.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a token that this list did not give.
    pub fn numbers<const N: usize>(&self, token: &str) -> Result<Option<[i64; N]>, Status> {
        let Some(place) = self.place(token)? else { return Ok(None) };
        let numbers: Option<Vec<i64>> = place.split(',').map(|number| whole(number).ok()).collect();
        let numbers = numbers.and_then(|numbers| <[i64; N]>::try_from(numbers).ok());
        numbers.map(Some).ok_or_else(|| invalid("page_token", "is not one that this method gave"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identifier::KEY_BYTES;

    fn opaque() -> Opaque {
        Opaque::new(&IdentifierKey::new([7; KEY_BYTES]))
    }

    fn entry(batch: u128, ordinal: u32) -> EntryId {
        EntryId { batch: BatchId(batch), ordinal }
    }

    fn partner(id: &str) -> Caller {
        Caller::Partner(id.parse().unwrap())
    }

    #[test]
    fn an_id_leads_back_to_its_entry_and_has_one_length() {
        let opaque = opaque();
        for id in [entry(0, 0), entry(u128::MAX, u32::MAX), entry(0x0193_a7c2 << 96, 8191)] {
            let text = opaque.entry(id);
            assert_eq!((text.len(), text.chars().next()), (49, Some('e')), "{text}");
            assert_eq!(opaque.read_entry("entry_id", &text).unwrap(), id);
            assert_eq!(opaque.entry(id), text, "it reads the same for everybody, always");
        }
        for entry_no in [0, 1, i64::MAX] {
            let id = LotId { member: MemberId(5), entry_no, part: 3 };
            let lot = opaque.lot(id);
            assert_eq!((lot.len(), lot.chars().next()), (57, Some('l')), "{lot}");
            assert_eq!(opaque.opened_lot(&lot), Some(id));
        }
    }

    #[test]
    fn ids_of_one_batch_have_nothing_in_common() {
        let opaque = opaque();
        let texts: Vec<String> = (0..100).map(|ordinal| opaque.entry(entry(1, ordinal))).collect();
        for (at, one) in texts.iter().enumerate() {
            for other in &texts[..at] {
                let same = one.chars().zip(other.chars()).skip(1).filter(|(one, other)| one == other).count();
                assert!(same < 12, "{one} and {other}");
            }
        }
    }

    #[test]
    fn what_nobody_was_given_is_no_id() {
        let opaque = opaque();
        let text = opaque.entry(entry(1, 1));
        let lot = opaque.lot(LotId { member: MemberId(1), entry_no: 1, part: 1 });
        let of_another_house = Opaque::new(&IdentifierKey::new([8; KEY_BYTES])).entry(entry(1, 1));
        let changed = if text.ends_with('A') { text.replace('A', "B") } else { format!("{}A", &text[..48]) };
        let as_entry = format!("e{}", &lot[1..]);
        let of_the_journal = entry(1, 1).to_string();
        for wrong in
            ["e", "x", "é", &text[1..], &text[..48], &lot, &of_another_house, &changed, &as_entry, &of_the_journal]
        {
            let refused = opaque.read_entry("hold_id", wrong).unwrap_err();
            assert_eq!(refused.code(), tonic::Code::InvalidArgument, "{wrong}");
            assert!(refused.message().contains("is no entry id of this coalition"), "{}", refused.message());
        }
        assert_eq!(opaque.read_entry("hold_id", "").unwrap_err().message(), "hold_id: is missing");
    }

    #[test]
    fn a_token_leads_back_to_its_place() {
        let opaque = opaque();
        let list = opaque.list(&partner("A"), "GetStatement", &["A", "3"]);
        let token = list.token("3,117,1");
        assert_eq!(list.place(&token).unwrap().as_deref(), Some("3,117,1"));
        assert_eq!(list.numbers(&token).unwrap(), Some([3, 117, 1]));
        assert_eq!(list.place("").unwrap(), None, "the first page");
        assert_eq!(list.place(&list.token("")).unwrap().as_deref(), Some(""));
        assert_eq!(token.len(), list.token("9,9223372036854775807,1").len(), "its length tells nothing");
    }

    #[test]
    fn a_token_of_another_list_or_caller_is_refused() {
        let opaque = opaque();
        let of = |caller: &Caller, method: &str, fields: &[&str]| {
            let token = opaque.list(&partner("A"), "GetStatement", &["A", "3"]).token("117");
            opaque.list(caller, method, fields).place(&token)
        };
        assert!(of(&partner("A"), "GetStatement", &["A", "3"]).is_ok());
        for (caller, method, fields) in [
            (partner("B"), "GetStatement", &["A", "3"][..]),
            (Caller::Auditor("A".to_owned()), "GetStatement", &["A", "3"]),
            (partner("A"), "ListObligations", &["A", "3"]),
            (partner("A"), "GetStatement", &["A", "4"]),
            (partner("A"), "GetStatement", &["A3", ""]),
        ] {
            assert_eq!(of(&caller, method, fields).unwrap_err().code(), tonic::Code::InvalidArgument);
        }
    }

    #[test]
    fn a_token_that_was_changed_is_refused() {
        let opaque = opaque();
        let list = opaque.list(&partner("A"), "ListWindows", &[]);
        let token = list.token("7");
        let long = format!("{token}{}", "A".repeat(2000));
        for bad in [&token[..token.len() - 2], &token[1..], &long, "7", "x", ".", "é.7"] {
            assert_eq!(list.place(bad).unwrap_err().code(), tonic::Code::InvalidArgument, "{bad}");
        }
        assert!(list.numbers::<1>(&list.token("7,8")).is_err());
    }
}

//! The lots that stand in their member's row, packed one behind the other in consumption order.
//!
//! A row has room for some lots; nearly all members have no more than these, and are read and written in one row. When it is
//! full, lots move out into the table `further_lots` and stay there: those without points first, then those that would be
//! consumed last. The row says from which place on a lot outside of it may have available points, so that whoever consumes
//! the ones before that place need not ask.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use clearing_core::facts::coalition::House;
use clearing_core::facts::lot::{Lot, LotId, LotPlace, consumption_order};
use clearing_core::units::{BatchId, EntryId, MemberId, Points, Timestamp};
use serde::{Deserialize, Serialize};

use super::{StoreError, partner_id};

/// So many lots stand in a row at the most, unless a store is told otherwise. When there are more, a quarter of the room is
/// made free, so that not each of the next ones moves one out.
pub(super) const LOTS_IN_ROW: usize = 32;

/// So many bytes are packed in a row at the most. With what else the row says it fits into a page of SQLite, and PostgreSQL
/// keeps it where it is.
const BYTES_IN_ROW: usize = 1_600;

/// The place behind all lots.
pub(super) const NOWHERE: LotPlace = (Timestamp::NEVER, i64::MAX, u16::MAX);

/// A lot as it is packed. Its member is that of the row; its funding follows from its terms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PackedLot<'a> {
    pub expires: i64,
    pub entry_no: i64,
    pub part: u16,
    pub issuer: &'a str,
    pub terms: u32,
    pub size: i64,
    pub available: i64,
    pub held: i64,
    pub pending: i64,
    pub lost: i64,
    pub reversed: i64,
    pub batch: [u8; 16],
    pub ordinal: u32,
    pub activates: Option<i64>,
    pub release_window: Option<u32>,
    /// Member, number and part of the lot it comes from.
    pub origin: Option<([u8; 16], i64, u16)>,
}

impl<'a> PackedLot<'a> {
    fn of(lot: &'a Lot) -> Self {
        Self {
            expires: lot.expires.0,
            entry_no: lot.id.entry_no,
            part: lot.id.part,
            issuer: lot.issuer.as_str(),
            terms: lot.terms,
            size: lot.size.0,
            available: lot.available.0,
            held: lot.held.0,
            pending: lot.pending.0,
            lost: lot.lost.0,
            reversed: lot.reversed.0,
            batch: lot.entry.batch.bytes(),
            ordinal: lot.entry.ordinal,
            activates: lot.activates.map(|time| time.0),
            release_window: lot.release_window,
            origin: lot.origin.map(|origin| (origin.member.bytes(), origin.entry_no, origin.part)),
        }
    }

    /// The lot as the rules know it.
    ///
    /// # Errors
    /// Permanent if there is no such issuer, or none with such terms.
    pub fn of_member(&self, member: MemberId, house: &House) -> Result<Lot, StoreError> {
        let issuer = partner_id(self.issuer)?;
        let version = house.partners.get(&issuer).and_then(|partner| partner.terms_version(self.terms));
        let missing = || StoreError::permanent(format!("there are no terms {} of {issuer}", self.terms));
        let origin = |(member, entry_no, part)| LotId { member: MemberId::from_bytes(member), entry_no, part };
        Ok(Lot {
            id: LotId { member, entry_no: self.entry_no, part: self.part },
            issuer,
            terms: self.terms,
            funding: version.ok_or_else(missing)?.funding,
            size: Points(self.size),
            available: Points(self.available),
            held: Points(self.held),
            pending: Points(self.pending),
            lost: Points(self.lost),
            reversed: Points(self.reversed),
            expires: Timestamp(self.expires),
            entry: EntryId { batch: BatchId::from_bytes(self.batch), ordinal: self.ordinal },
            origin: self.origin.map(origin),
            activates: self.activates.map(Timestamp),
            release_window: self.release_window,
        })
    }

    fn place(&self) -> LotPlace {
        (Timestamp(self.expires), self.entry_no, self.part)
    }

    fn has_points(&self) -> bool {
        self.available > 0 || self.held > 0 || self.pending > 0
    }
}

/// What a member's row says of its lots.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LotRow {
    /// From which place on a lot that stands elsewhere may have available points; none if there is no such lot at all.
    pub beyond: Option<LotPlace>,
    /// Each lot behind the number of its bytes.
    packed: Vec<u8>,
}

/// Lots of a member that have become new, changed, or have moved to another place.
pub(super) struct ChangedRow {
    pub row: LotRow,
    /// Those that there is no room for any more, each with all that is known of it.
    pub out: Vec<Lot>,
    /// Those of the changed ones that waited for their issuer's payment before.
    pub waited: BTreeSet<LotId>,
}

impl LotRow {
    /// A row from its stored form.
    ///
    /// # Errors
    /// Permanent for bytes that no release wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StoreError> {
        let (beyond, packed) = postcard::take_from_bytes::<Option<(i64, i64, u16)>>(bytes).map_err(unreadable)?;
        let beyond = beyond.map(|(expires, entry_no, part)| (Timestamp(expires), entry_no, part));
        Ok(Self { beyond, packed: packed.to_vec() })
    }

    /// The stored form.
    pub fn to_bytes(&self) -> Vec<u8> {
        let beyond = self.beyond.map(|(expires, entry_no, part)| (expires.0, entry_no, part));
        let mut bytes = postcard::to_allocvec(&beyond).expect("writing to memory does not fail");
        bytes.extend_from_slice(&self.packed);
        bytes
    }

    /// The lots in the row, in consumption order.
    ///
    /// # Errors
    /// Permanent for bytes that no release wrote, and for terms that there are not.
    pub fn lots(&self, member: MemberId, house: &House) -> Result<Vec<Lot>, StoreError> {
        let mut lots = Vec::new();
        for bytes in records(&self.packed) {
            lots.push(unpacked(bytes?)?.of_member(member, house)?);
        }
        Ok(lots)
    }

    /// The row with some lots as they have become, of which no more than `limit` stay in it. Where it tells that lots stand
    /// elsewhere, that is left as it was.
    ///
    /// # Errors
    /// As [`lots`](Self::lots).
    pub fn with(&self, changed: &[&Lot], limit: usize, house: &House) -> Result<ChangedRow, StoreError> {
        let again: BTreeMap<(i64, u16), &Lot> =
            changed.iter().map(|lot| ((lot.id.entry_no, lot.id.part), *lot)).collect();
        let (mut lots, mut waited) = (Vec::with_capacity(LOTS_IN_ROW), BTreeSet::new());
        for bytes in records(&self.packed) {
            let bytes = bytes?;
            // What a lot begins with is its place.
            let ((expires, entry_no, part), _) =
                postcard::take_from_bytes::<(i64, i64, u16)>(bytes).map_err(unreadable)?;
            match again.get(&(entry_no, part)) {
                None => lots.push(((Timestamp(expires), entry_no, part), Cow::Borrowed(bytes))),
                Some(lot) => {
                    waited.extend((lot.release_window.is_some() && unpacked(bytes)?.pending > 0).then_some(lot.id));
                }
            }
        }
        for lot in changed {
            let bytes = postcard::to_allocvec(&PackedLot::of(lot)).expect("writing to memory does not fail");
            lots.push((consumption_order(lot), Cow::Owned(bytes)));
        }
        lots.sort_by_key(|(place, _)| *place);
        let mut out = Vec::new();
        let member = changed.first().map(|lot| lot.id.member);
        for bytes in make_room(&mut lots, limit)? {
            let member = member.expect("a row grows by lots that have changed");
            out.push(unpacked(&bytes)?.of_member(member, house)?);
        }
        let mut packed = Vec::with_capacity(lots.iter().map(|(_, bytes)| bytes.len() + 1).sum());
        for (_, bytes) in lots {
            packed.push(u8::try_from(bytes.len()).expect("a lot has names and numbers of less than 256 bytes"));
            packed.extend_from_slice(&bytes);
        }
        Ok(ChangedRow { row: Self { beyond: self.beyond, packed }, out, waited })
    }

    /// Whether the lots stand in consumption order, each once.
    ///
    /// # Errors
    /// As [`lots`](Self::lots).
    pub fn is_in_order(&self) -> Result<bool, StoreError> {
        let mut places = Vec::new();
        for bytes in records(&self.packed) {
            places.push(unpacked(bytes?)?.place());
        }
        Ok(places.is_sorted_by(|one, next| one < next))
    }
}

/// Takes lots out of a row that has too many: at first those without points, then the last ones.
fn make_room<'a>(lots: &mut Vec<(LotPlace, Cow<'a, [u8]>)>, limit: usize) -> Result<Vec<Cow<'a, [u8]>>, StoreError> {
    let mut bytes: usize = lots.iter().map(|(_, bytes)| bytes.len() + 1).sum();
    let mut out = Vec::new();
    if lots.len() <= limit && bytes <= BYTES_IN_ROW {
        return Ok(out);
    }
    let (limit, bytes_max) = (limit - limit / 4, BYTES_IN_ROW - BYTES_IN_ROW / 4);
    let mut count = lots.len();
    let mut kept = Vec::with_capacity(count);
    for (place, lot) in lots.drain(..) {
        if (count > limit || bytes > bytes_max) && !unpacked(&lot)?.has_points() {
            (count, bytes) = (count - 1, bytes - lot.len() - 1);
            out.push(lot);
        } else {
            kept.push((place, lot));
        }
    }
    while kept.len() > limit || bytes > bytes_max {
        let Some((_, lot)) = kept.pop() else { break };
        bytes -= lot.len() + 1;
        out.push(lot);
    }
    *lots = kept;
    Ok(out)
}

/// The packed lots, each without the number of its bytes.
fn records(mut packed: &[u8]) -> impl Iterator<Item = Result<&[u8], StoreError>> {
    std::iter::from_fn(move || {
        let (length, rest) = packed.split_first()?;
        let Some((lot, behind)) = rest.split_at_checked(usize::from(*length)) else {
            packed = &[];
            return Some(Err(unreadable(postcard::Error::DeserializeUnexpectedEnd)));
        };
        packed = behind;
        Some(Ok(lot))
    })
}

fn unpacked(bytes: &[u8]) -> Result<PackedLot<'_>, StoreError> {
    let (lot, rest) = postcard::take_from_bytes(bytes).map_err(unreadable)?;
    if rest.is_empty() { Ok(lot) } else { Err(unreadable(postcard::Error::DeserializeBadEncoding)) }
}

fn unreadable(error: postcard::Error) -> StoreError {
    StoreError::damaged("the lots in a member's row", error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lot(entry_no: i64, available: i64) -> (LotPlace, Cow<'static, [u8]>) {
        lot_of("grocer", entry_no, available)
    }

    fn lot_of(issuer: &str, entry_no: i64, available: i64) -> (LotPlace, Cow<'static, [u8]>) {
        let lot = PackedLot {
            expires: 1_900_000_000_000_000,
            entry_no,
            part: 0,
            issuer,
            terms: 1,
            size: 500,
            available,
            held: 0,
            pending: 0,
            lost: 0,
            reversed: 0,
            batch: [7; 16],
            ordinal: 200,
            activates: None,
            release_window: None,
            origin: None,
        };
        (lot.place(), Cow::Owned(postcard::to_allocvec(&lot).unwrap()))
    }

    fn numbers<'a>(lots: impl IntoIterator<Item = &'a Cow<'static, [u8]>>) -> Vec<i64> {
        lots.into_iter().map(|bytes| unpacked(bytes).unwrap().entry_no).collect()
    }

    #[test]
    fn a_full_row_moves_out_lots_without_points_and_then_the_last_ones() {
        let points = [0, 5, 5, 0, 5, 5, 5, 5, 5];
        let mut lots: Vec<_> = (1..).zip(points).map(|(number, points)| lot(number, points)).collect();
        let out = make_room(&mut lots, 8).unwrap();
        assert_eq!(numbers(&out), [1, 4, 9]);
        assert_eq!(numbers(lots.iter().map(|(_, bytes)| bytes)), [2, 3, 5, 6, 7, 8]);
        assert_eq!(make_room(&mut lots, 8).unwrap().len(), 0, "there is room");
    }

    /// What else a row says, and what a page holds, bound the bytes, however few the lots.
    #[test]
    fn a_row_is_bounded_in_bytes_too() {
        let mut lots: Vec<_> = (1..=32).map(|number| lot_of("the-grocer-at-the-corner", number, 5)).collect();
        let each = lots[0].1.len() + 1;
        assert!(each * 32 > BYTES_IN_ROW, "{each} bytes a lot");
        make_room(&mut lots, LOTS_IN_ROW).unwrap();
        assert!(lots.len() * each <= BYTES_IN_ROW, "{} lots of {each} bytes", lots.len());
    }

    #[test]
    fn bytes_that_no_release_wrote_are_an_error() {
        let packed = [&[u8::try_from(lot(1, 5).1.len()).unwrap()][..], &lot(1, 5).1].concat();
        assert_eq!(records(&packed).count(), 1);
        for length in 1..packed.len() {
            assert!(records(&packed[..length]).any(|lot| lot.is_err()), "{length} bytes of it");
        }
        assert!(LotRow::from_bytes(&[]).is_err());
    }
}

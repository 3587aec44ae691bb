//! The canonical bytes of an entry as a row has them: packed, as most of them are zeros and names that are in every entry.
//!
//! | first byte | behind it |
//! |---|---|
//! | 1 | the canonical bytes as they are |
//! | 2 | how many they are (2 bytes, little endian), then a block of LZ4 that was made with the dictionary 1 |
//!
//! Whichever is shorter is written. Two forms may come to the same bytes, so what the journal's chain of hashes covers is the
//! canonical bytes. The dictionary is frozen: rows are read with it for ever, and another one gets a first byte of its own.
//!
//! No row makes its reader take more memory than [`PACKED_MAX`] beside what was read.

use std::borrow::Cow;

use lz4_flex::block::{compress_with_dict, decompress_into_with_dict};

const AS_THEY_ARE: u8 = 1;
const LZ4_DICTIONARY_1: u8 = 2;

/// Entries of the kinds that tills write most, those that are written most of all last. Made by
/// `cargo run -p clearing --example dictionary`.
const DICTIONARY_1: &[u8] = include_bytes!("packed/dictionary-1.bin");

/// Canonical bytes of an entry that is packed at the most: as many as two bytes can count, and as far as LZ4 looks back.
/// Longer are entries of several hundred lots and closes with hundreds of partners, of which there are few.
pub const PACKED_MAX: usize = u16::MAX as usize;

/// A row's bytes cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum Damaged {
    #[error("there are none")]
    Empty,
    #[error("the form {0} is unknown")]
    Form(u8),
    #[error("they end before their length")]
    Length,
    #[error("the block is damaged: {0}")]
    Block(#[from] lz4_flex::block::DecompressError),
    #[error("{unpacked} bytes came out where {told} are told")]
    Told { told: usize, unpacked: usize },
}

/// Packs the canonical bytes of an entry.
pub fn pack(canonical: &[u8]) -> Vec<u8> {
    if canonical.len() <= PACKED_MAX {
        let length = u16::try_from(canonical.len()).expect("two bytes can count them");
        let block = compress_with_dict(canonical, DICTIONARY_1);
        if block.len() + size_of_val(&length) < canonical.len() {
            return [&[LZ4_DICTIONARY_1], &length.to_le_bytes()[..], &block].concat();
        }
    }
    [&[AS_THEY_ARE], canonical].concat()
}

/// The canonical bytes of an entry, from what [`pack`] made of them.
///
/// # Errors
/// [`Damaged`] for what it cannot have made. Other bytes that were put into a row may come to bytes that are no entry, or
/// another one.
pub fn unpack(packed: &[u8]) -> Result<Cow<'_, [u8]>, Damaged> {
    match packed {
        [] => Err(Damaged::Empty),
        [AS_THEY_ARE, canonical @ ..] => Ok(Cow::Borrowed(canonical)),
        [LZ4_DICTIONARY_1, low, high, block @ ..] => {
            let told = usize::from(u16::from_le_bytes([*low, *high]));
            let mut canonical = vec![0; told];
            let unpacked = decompress_into_with_dict(block, &mut canonical, DICTIONARY_1)?;
            if unpacked == told { Ok(Cow::Owned(canonical)) } else { Err(Damaged::Told { told, unpacked }) }
        }
        [LZ4_DICTIONARY_1, ..] => Err(Damaged::Length),
        [form, ..] => Err(Damaged::Form(*form)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use clearing_core::facts::entry::Entry;
    use clearing_core::units::{BatchId, EntryId};
    use data_encoding::HEXLOWER;
    use proptest::prelude::*;

    use super::*;

    /// The canonical bytes of the first release, an entry of each kind.
    const CANONICAL: &str = include_str!("../../core/tests/golden/journal-v1.txt");
    /// What they were packed to.
    const PACKED: &str = include_str!("../../tests/golden/packed-1.txt");

    /// Lines of `name bytes`, the bytes as hexadecimal digits.
    fn lines(text: &str, suffix: &str) -> BTreeMap<String, Vec<u8>> {
        let mut lines = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((name, digits)) = line.split_once(' ') else { continue };
            if let Some(name) = name.strip_suffix(suffix) {
                lines.insert(name.to_owned(), HEXLOWER.decode(digits.as_bytes()).unwrap());
            }
        }
        lines
    }

    /// Rows are read for ever: if this fails, it is the code or the dictionary that is to be put back.
    #[test]
    fn what_was_packed_once_comes_to_the_same_canonical_bytes_for_ever() {
        let (canonical, packed) = (lines(CANONICAL, ".bytes"), lines(PACKED, ""));
        assert_eq!(canonical.keys().collect::<Vec<_>>(), packed.keys().collect::<Vec<_>>());
        for (name, packed) in &packed {
            assert_eq!(packed[0], LZ4_DICTIONARY_1, "{name}");
            assert_eq!(unpack(packed).unwrap(), canonical[name], "{name}");
            assert_eq!(unpack(&[&[AS_THEY_ARE], &*canonical[name]].concat()).unwrap(), canonical[name], "{name}");
        }
    }

    #[test]
    fn entries_of_tills_are_packed_to_less_than_three_quarters() {
        let canonical = lines(CANONICAL, ".bytes");
        for name in ["issue", "redeem", "return", "expire", "authorize", "capture", "reverse", "undo", "void"] {
            let (packed, whole) = (pack(&canonical[name]).len(), canonical[name].len());
            assert!(packed * 4 < whole * 3, "{name}: {packed} of {whole}");
        }
    }

    #[test]
    fn a_changed_byte_is_an_error_or_another_entry_or_changes_nothing() {
        let id = EntryId { batch: BatchId(1), ordinal: 0 };
        for (name, canonical) in lines(CANONICAL, ".bytes") {
            let packed = pack(&canonical);
            let (mut others, mut errors) = (0, 0);
            for at in 0..packed.len() {
                let mut changed = packed.clone();
                changed[at] ^= 1;
                match unpack(&changed) {
                    Ok(bytes) if bytes == canonical => {}
                    Ok(bytes) if Entry::from_bytes(id, &bytes).is_ok() => others += 1,
                    Ok(_) | Err(_) => errors += 1,
                }
            }
            assert!(others + errors > packed.len() / 2, "{name}: {others} others, {errors} errors");
        }
    }

    #[test]
    fn what_is_too_long_to_be_packed_is_kept_as_it_is() {
        for (length, form) in [(PACKED_MAX, LZ4_DICTIONARY_1), (PACKED_MAX + 1, AS_THEY_ARE)] {
            let zeros = vec![0; length];
            let packed = pack(&zeros);
            assert_eq!(packed[0], form, "{length}");
            assert_eq!(unpack(&packed).unwrap(), zeros);
        }
    }

    #[test]
    fn what_cannot_be_unpacked_says_why() {
        let why = |packed: &[u8]| unpack(packed).unwrap_err().to_string();
        assert_eq!(why(&[]), "there are none");
        assert_eq!(why(&[3, 1]), "the form 3 is unknown");
        assert_eq!(why(&[LZ4_DICTIONARY_1, 1]), "they end before their length");
        assert_eq!(why(&[LZ4_DICTIONARY_1, 9, 0, 0x10, 7]), "1 bytes came out where 9 are told");
        assert!(why(&[LZ4_DICTIONARY_1, 1, 0, 0x40, 7, 7, 7, 7]).starts_with("the block is damaged: "));
        assert!(why(&[LZ4_DICTIONARY_1, 9, 0, 0x00, 0xff, 0xff, 0x00]).starts_with("the block is damaged: "));
    }

    /// Bytes of any kind, and such as are found in the dictionary and in themselves.
    fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..40),
            (0..DICTIONARY_1.len(), 0..300_usize).prop_map(|(from, length)| DICTIONARY_1
                .iter()
                .skip(from)
                .take(length)
                .copied()
                .collect()),
            (any::<u8>(), 0..600_usize).prop_map(|(byte, times)| vec![byte; times]),
        ];
        proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn any_bytes_come_out_as_they_went_in(bytes in any_bytes()) {
            let packed = pack(&bytes);
            prop_assert!(packed.len() <= bytes.len() + 1);
            prop_assert_eq!(unpack(&packed).unwrap(), bytes);
        }

        #[test]
        fn any_row_is_unpacked_or_refused_in_little_memory(
            form in 0..4_u8,
            bytes in any_bytes(),
            changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        ) {
            let mut packed = if form == 0 { pack(&bytes) } else { [&[form], &*bytes].concat() };
            for (at, byte) in changes {
                let length = packed.len();
                packed[at.index(length)] = byte;
            }
            if let Ok(unpacked) = unpack(&packed) {
                prop_assert!(unpacked.len() <= PACKED_MAX.max(packed.len()));
            }
        }
    }
}

//! Blocks of LZ4, written against a dictionary that never changes.
//!
//! The format is the published one, and `lz4_flex` reads it. Its own writer is made for long inputs: for each it indexes every
//! third place of the dictionary anew, and knows one place for whatever five bytes. An entry is a few hundred bytes, most of
//! which are in the dictionary between runs of zeros, so here the dictionary is indexed once, by eight bytes and by four. Blocks
//! come out an eighth smaller, with two thirds of the instructions.

/// Bytes at the end of a block in which no match begins, and those of them that are in none, as the format has it.
const NO_MATCH_BEGINS: usize = 12;
const NO_MATCH_HOLDS: usize = 5;

/// A match has so many bytes at the least.
const MATCH_MIN: usize = 4;

/// A match begins so far back at the most.
const DISTANCE_MAX: usize = u16::MAX as usize;

/// Lengths from here on go on in further bytes.
const NIBBLE: usize = 15;

/// Slots of an index of the dictionary, and of that of the input.
const DICTIONARY_SLOTS: usize = 1 << 12;
const INPUT_SLOTS: usize = 1 << 10;

/// Places by the hash of what stands there; of two places the later one. An empty slot names the first place, where something
/// else stands.
type Index<const SLOTS: usize> = [u16; SLOTS];

/// A dictionary, and where in it what is found.
#[derive(Debug)]
pub struct Dictionary {
    bytes: &'static [u8],
    /// By the eight bytes there, and by the first four of them.
    eights: Box<Index<DICTIONARY_SLOTS>>,
    fours: Box<Index<DICTIONARY_SLOTS>>,
}

/// So many bytes are as they stand so far back.
#[derive(Debug, Clone, Copy)]
struct Match {
    length: usize,
    distance: usize,
}

impl Dictionary {
    /// Indexes a dictionary of at least 8 bytes and less than 64 KiB.
    pub fn new(bytes: &'static [u8]) -> Self {
        let slots = || Box::new([0; DICTIONARY_SLOTS]);
        let mut dictionary = Self { bytes, eights: slots(), fours: slots() };
        for at in 0..=bytes.len() - 8 {
            let eight = eight(bytes, at);
            dictionary.eights[slot::<DICTIONARY_SLOTS>(eight)] = place(at);
            dictionary.fours[slot::<DICTIONARY_SLOTS>(first_four(eight))] = place(at);
        }
        dictionary
    }

    pub fn bytes(&self) -> &'static [u8] {
        self.bytes
    }

    /// The block of an input of less than 64 KiB.
    pub fn block(&self, input: &[u8]) -> Vec<u8> {
        let mut block = Vec::with_capacity(input.len());
        let mut seen = [0; INPUT_SLOTS];
        let begins = input.len().saturating_sub(NO_MATCH_BEGINS);
        let (mut at, mut written) = (0, 0);
        // What matches from the place before this one: a longer match is worth a byte before it.
        let mut before: Option<Match> = None;
        while at < begins {
            let found = self.longest(input, at, &mut seen);
            match before {
                Some(known) if found.is_none_or(|found| found.length <= known.length) => {
                    push(&mut block, &input[written..at - 1], Some(known));
                    written = at - 1 + known.length;
                    // Names and numbers that come again are found by one place of them.
                    for passed in (at + 1..written.min(begins)).step_by(4) {
                        seen[slot::<INPUT_SLOTS>(first_four(eight(input, passed)))] = place(passed);
                    }
                    (at, before) = (written, None);
                }
                Some(_) | None => (at, before) = (at + 1, found),
            }
        }
        if let Some(last) = before {
            push(&mut block, &input[written..at - 1], Some(last));
            written = at - 1 + last.length;
        }
        push(&mut block, &input[written..], None);
        block
    }

    /// The longest match that is known of a place. From then on the place is one that others match.
    fn longest(&self, input: &[u8], at: usize, seen: &mut Index<INPUT_SLOTS>) -> Option<Match> {
        let (here, end) = (eight(input, at), input.len() - NO_MATCH_HOLDS);
        let four = first_four(here);
        let mut found = self.find(here).map(|(place, length)| Match {
            length: length + alike(&self.bytes[place + length..], &input[at + length..end]),
            distance: self.bytes.len() - place + at,
        });
        found = found.filter(|found| found.distance <= DISTANCE_MAX);
        let earlier = usize::from(std::mem::replace(&mut seen[slot::<INPUT_SLOTS>(four)], place(at)));
        if earlier < at && first_four(eight(input, earlier)) == four {
            let length = MATCH_MIN + alike(&input[earlier + MATCH_MIN..end], &input[at + MATCH_MIN..end]);
            if found.is_none_or(|found| found.length < length) {
                found = Some(Match { length, distance: at - earlier });
            }
        }
        found
    }

    /// Where in the dictionary eight bytes stand, or the first four of them, and which of the two.
    fn find(&self, here: u64) -> Option<(usize, usize)> {
        let place = usize::from(self.eights[slot::<DICTIONARY_SLOTS>(here)]);
        if eight(self.bytes, place) == here {
            return Some((place, 8));
        }
        let four = first_four(here);
        let place = usize::from(self.fours[slot::<DICTIONARY_SLOTS>(four)]);
        (first_four(eight(self.bytes, place)) == four).then_some((place, MATCH_MIN))
    }
}

/// Literals, and the match behind them; the last of a block have none.
fn push(block: &mut Vec<u8>, literals: &[u8], found: Option<Match>) {
    let more = found.map_or(0, |found| found.length - MATCH_MIN);
    let nibble = |length: usize| u8::try_from(length.min(NIBBLE)).expect("a nibble is less than a byte");
    block.push(nibble(literals.len()) << 4 | nibble(more));
    push_rest(block, literals.len());
    block.extend_from_slice(literals);
    if let Some(found) = found {
        block.extend_from_slice(&place(found.distance).to_le_bytes());
        push_rest(block, more);
    }
}

/// What of a length does not fit into its nibble.
fn push_rest(block: &mut Vec<u8>, length: usize) {
    let Some(mut rest) = length.checked_sub(NIBBLE) else { return };
    while rest >= 255 {
        block.push(255);
        rest -= 255;
    }
    block.push(u8::try_from(rest).expect("it is less than 255"));
}

/// How many bytes both begin with.
fn alike(one: &[u8], other: &[u8]) -> usize {
    let mut count = 0;
    for (one, other) in one.chunks_exact(8).zip(other.chunks_exact(8)) {
        let differ = eight(one, 0) ^ eight(other, 0);
        if differ != 0 {
            return count + differ.trailing_zeros() as usize / 8;
        }
        count += 8;
    }
    count + one[count..].iter().zip(&other[count..]).take_while(|(one, other)| one == other).count()
}

fn eight(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("these are eight bytes"))
}

fn first_four(eight: u64) -> u64 {
    eight & u64::from(u32::MAX)
}

/// The slot of some bytes: they are multiplied by 2^64 through the golden ratio, and the highest bits taken.
fn slot<const SLOTS: usize>(bytes: u64) -> usize {
    let hash = bytes.wrapping_mul(0x9E37_79B1_85EB_CA87) >> (u64::BITS - SLOTS.ilog2());
    usize::try_from(hash).expect("slots are few") % SLOTS
}

fn place(at: usize) -> u16 {
    u16::try_from(at).expect("dictionaries, inputs and distances are less than 64 KiB")
}

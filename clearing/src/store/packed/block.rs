//! Blocks of LZ4, written against a dictionary that never changes.
//!
//! The format is the published one, and `lz4_flex` reads it. Its own writer is made for long inputs: for each it indexes every
//! third place of the dictionary anew, and knows one place for whatever five bytes. An entry is a few hundred bytes, most of
//! which are in the dictionary between runs of zeros, so here the dictionary is indexed once, by eight bytes and by four, and
//! blocks come out an eighth smaller in about the same time.

/// Bytes at the end of a block in which no match begins, and those of them that are in none, as the format has it.
const NO_MATCH_BEGINS: usize = 12;
const NO_MATCH_HOLDS: usize = 5;

/// A match has so many bytes at the least.
const MATCH_MIN: usize = 4;

/// A match begins so far back at the most.
const DISTANCE_MAX: usize = u16::MAX as usize;

/// Lengths from here on go on in further bytes.
const NIBBLE: usize = 15;

/// As powers of two: slots of an index of the dictionary, and of that of the input.
const DICTIONARY_SLOTS: u32 = 12;
const INPUT_SLOTS: u32 = 10;

/// A slot that names no place.
const NONE: u16 = u16::MAX;

/// A dictionary, and where in it what is found.
#[derive(Debug)]
pub struct Dictionary {
    bytes: &'static [u8],
    /// By the hash of the eight bytes there, and by that of the first four of them. Of two places it is the later one.
    eights: Vec<u16>,
    fours: Vec<u16>,
}

/// So many bytes are as they stand so far back.
#[derive(Debug, Clone, Copy)]
struct Match {
    length: usize,
    distance: usize,
}

impl Dictionary {
    /// Indexes a dictionary of less than 64 KiB.
    pub fn new(bytes: &'static [u8]) -> Self {
        let slots = || vec![NONE; 1 << DICTIONARY_SLOTS];
        let mut dictionary = Self { bytes, eights: slots(), fours: slots() };
        for (at, window) in bytes.windows(8).enumerate() {
            let (at, eight) = (place(at), eight(window, 0));
            dictionary.eights[hash(eight, DICTIONARY_SLOTS)] = at;
            dictionary.fours[hash(first_four(eight), DICTIONARY_SLOTS)] = at;
        }
        dictionary
    }

    pub fn bytes(&self) -> &'static [u8] {
        self.bytes
    }

    /// The block of an input of less than 64 KiB.
    pub fn block(&self, input: &[u8]) -> Vec<u8> {
        let mut block = Vec::with_capacity(input.len());
        let mut seen = [NONE; 1 << INPUT_SLOTS];
        let begins = input.len().saturating_sub(NO_MATCH_BEGINS);
        let (mut at, mut written) = (0, 0);
        while at < begins {
            let Some(mut found) = self.longest(input, at, &mut seen) else {
                at += 1;
                continue;
            };
            // A longer one is worth the byte before it.
            while at + 1 < begins {
                match self.longest(input, at + 1, &mut seen) {
                    Some(later) if later.length > found.length => (at, found) = (at + 1, later),
                    Some(_) | None => break,
                }
            }
            push(&mut block, &input[written..at], Some(found));
            written = at + found.length;
            for passed in at + 2..written.min(begins) {
                seen[hash(first_four(eight(input, passed)), INPUT_SLOTS)] = place(passed);
            }
            at = written;
        }
        push(&mut block, &input[written..], None);
        block
    }

    /// The longest match that is known of a place. From then on the place is one that others match.
    fn longest(&self, input: &[u8], at: usize, seen: &mut [u16]) -> Option<Match> {
        let (here, end) = (eight(input, at), input.len() - NO_MATCH_HOLDS);
        let four = first_four(here);
        let in_dictionary = |place: u16, length: usize| {
            let place = usize::from(place);
            let (known, distance) = (&self.bytes[place + length..], self.bytes.len() - place + at);
            let length = length + alike(known, &input[at + length..end]);
            (distance <= DISTANCE_MAX).then_some(Match { length, distance })
        };
        let (by_eight, by_four) = (self.eights[hash(here, DICTIONARY_SLOTS)], self.fours[hash(four, DICTIONARY_SLOTS)]);
        let found = if by_eight != NONE && eight(self.bytes, by_eight.into()) == here {
            in_dictionary(by_eight, 8)
        } else if by_four != NONE && first_four(eight(self.bytes, by_four.into())) == four {
            in_dictionary(by_four, MATCH_MIN)
        } else {
            None
        };
        let earlier = std::mem::replace(&mut seen[hash(four, INPUT_SLOTS)], place(at));
        if earlier == NONE || first_four(eight(input, earlier.into())) != four {
            return found;
        }
        let earlier = usize::from(earlier);
        let again = Match { length: alike(&input[earlier..end], &input[at..end]), distance: at - earlier };
        Some(found.filter(|found| found.length >= again.length).unwrap_or(again))
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

/// Multiplies by 2^64 through the golden ratio, and takes the highest bits.
fn hash(bytes: u64, slots: u32) -> usize {
    usize::try_from(bytes.wrapping_mul(0x9E37_79B1_85EB_CA87) >> (u64::BITS - slots)).expect("slots are few")
}

fn place(at: usize) -> u16 {
    u16::try_from(at).expect("dictionaries, inputs and distances are less than 64 KiB")
}

//! Which members identifiers name, remembered in no more bytes than one is told.
//!
//! An identifier's keyed hash is kept whole, beside the member that it names: whatever is found was put in under that very
//! hash. Its bytes are as good as random, so they tell the place themselves, and nothing is kept that leads there: 49 bytes an
//! identifier, where a map with a list of last uses takes twice as many.
//!
//! The memory lies in `PARTS` parts, each of which grows by itself while its identifiers do not fit, up to its share of the
//! bytes. A part is a row of sets of `WAYS` places; an identifier may stand in one set alone. In a full set the first gives way
//! that was not asked for since it was last passed by.

use clearing_core::units::{IdentifierHash, MemberId};

/// Places of a set, as they are counted by an index and by a hand.
const WAYS: usize = 16;
const WAYS_BYTE: u8 = 16;
/// Parts that grow one by one, so that none holds anybody up by growing.
const PARTS: usize = 256;

/// Members by identifier, as many as fit.
pub(super) struct Remembered {
    parts: Box<[Vec<Set>]>,
    /// Of a part.
    sets_max: usize,
}

/// Identifiers that may stand in each other's places.
#[derive(Clone)]
struct Set {
    hashes: [[u8; 32]; WAYS],
    members: [[u8; 16]; WAYS],
    /// A byte of each hash, to look at first.
    tags: [u8; WAYS],
    /// The places in which there is something, a bit each.
    taken: u16,
    /// Those that were asked for since the hand passed them.
    asked: u16,
    /// The place that is looked at next for one to give way.
    hand: u8,
}

impl Set {
    const EMPTY: Self =
        Self { hashes: [[0; 32]; WAYS], members: [[0; 16]; WAYS], tags: [0; WAYS], taken: 0, asked: 0, hand: 0 };

    fn place_of(&self, hash: &IdentifierHash) -> Option<usize> {
        let is_here =
            |at: &usize| self.tags[*at] == tag(hash) && self.taken & 1 << at != 0 && self.hashes[*at] == hash.0;
        (0..WAYS).find(is_here)
    }

    fn is_full(&self) -> bool {
        self.taken == u16::MAX
    }

    /// A place for one more, that of another if there is no other.
    fn make_room(&mut self) -> usize {
        let free = self.taken.trailing_ones() as usize;
        if free < WAYS {
            return free;
        }
        loop {
            let at = usize::from(self.hand);
            self.hand = (self.hand + 1) % WAYS_BYTE;
            if self.asked & 1 << at == 0 {
                return at;
            }
            self.asked &= !(1 << at);
        }
    }

    fn put(&mut self, hash: &IdentifierHash, member: MemberId) {
        let at = self.place_of(hash).unwrap_or_else(|| self.make_room());
        self.hashes[at] = hash.0;
        self.members[at] = member.0.to_be_bytes();
        self.tags[at] = tag(hash);
        self.taken |= 1 << at;
        self.asked &= !(1 << at);
    }

    fn all(&self) -> impl Iterator<Item = (IdentifierHash, MemberId)> {
        let taken = (0..WAYS).filter(|at| self.taken & 1 << at != 0);
        taken.map(|at| (IdentifierHash(self.hashes[at]), MemberId(u128::from_be_bytes(self.members[at]))))
    }
}

impl Remembered {
    /// A memory of at most so many bytes; empty, it takes a few thousand.
    pub fn new(bytes_max: usize) -> Self {
        let sets_max = (bytes_max / PARTS / size_of::<Set>()).max(1);
        Self { parts: vec![Vec::new(); PARTS].into_boxed_slice(), sets_max }
    }

    /// The member that an identifier names, if it is remembered.
    pub fn get(&mut self, hash: &IdentifierHash) -> Option<MemberId> {
        let set = self.set_of(hash)?;
        let at = set.place_of(hash)?;
        set.asked |= 1 << at;
        Some(MemberId(u128::from_be_bytes(set.members[at])))
    }

    /// Remembers a member, and forgets another one if there is no room.
    pub fn insert(&mut self, hash: &IdentifierHash, member: MemberId) {
        let sets_max = self.sets_max;
        let part = &mut self.parts[part_of(hash)];
        let is_crowded = |part: &Vec<Set>| {
            let set = place(hash, part.len()).map(|at| &part[at]);
            set.is_none_or(|set| set.is_full() && set.place_of(hash).is_none())
        };
        while part.len() < sets_max && is_crowded(part) {
            grow(part, sets_max);
        }
        let at = place(hash, part.len()).expect("it has grown to a set at least");
        part[at].put(hash, member);
    }

    /// Forgets an identifier.
    pub fn remove(&mut self, hash: &IdentifierHash) {
        if let Some(set) = self.set_of(hash)
            && let Some(at) = set.place_of(hash)
        {
            set.taken &= !(1 << at);
            set.asked &= !(1 << at);
        }
    }

    /// Forgets all, and gives the memory back.
    pub fn clear(&mut self) {
        self.parts.iter_mut().for_each(|part| *part = Vec::new());
    }

    fn set_of(&mut self, hash: &IdentifierHash) -> Option<&mut Set> {
        let part = &mut self.parts[part_of(hash)];
        place(hash, part.len()).map(|at| &mut part[at])
    }
}

impl std::fmt::Debug for Remembered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Remembered(..)")
    }
}

/// Doubles the sets of a part, as far as it may have them. Each identifier moves to the place that it has among more.
fn grow(part: &mut Vec<Set>, sets_max: usize) {
    // So that the last doubling ends at the most, whatever that is.
    let mut sets = sets_max;
    while sets > 1 && sets.div_ceil(2) > part.len() {
        sets = sets.div_ceil(2);
    }
    let mut grown = vec![Set::EMPTY; sets];
    for (hash, member) in part.iter().flat_map(Set::all) {
        let at = place(&hash, sets).expect("there is a set");
        grown[at].put(&hash, member);
    }
    *part = grown;
}

fn part_of(hash: &IdentifierHash) -> usize {
    usize::from(hash.0[0])
}

fn tag(hash: &IdentifierHash) -> u8 {
    hash.0[9]
}

/// Which of so many sets an identifier belongs to; none if there are none.
fn place(hash: &IdentifierHash, sets: usize) -> Option<usize> {
    let (piece, _) = hash.0[1..].split_first_chunk::<8>().expect("a hash has 32 bytes");
    let (piece, sets) = (u128::from(u64::from_be_bytes(*piece)), sets as u128);
    let at = usize::try_from((piece * sets) >> 64).expect("it is below the number of sets");
    (sets > 0).then_some(at)
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;

    fn hash(number: u32) -> IdentifierHash {
        IdentifierHash(Sha256::digest(number.to_be_bytes()).into())
    }

    fn bytes(memory: &Remembered) -> usize {
        memory.parts.iter().map(|part| part.capacity() * size_of::<Set>()).sum()
    }

    fn known(memory: &mut Remembered, numbers: std::ops::Range<u32>) -> usize {
        numbers.filter(|number| memory.get(&hash(*number)) == Some(MemberId(u128::from(*number)))).count()
    }

    #[test]
    fn sixty_four_megabytes_hold_more_than_thirteen_hundred_thousand_identifiers() {
        let memory = Remembered::new(64 << 20);
        assert!(memory.sets_max * PARTS * WAYS > 1_300_000, "{}", memory.sets_max);
        assert!(memory.sets_max * PARTS * size_of::<Set>() <= 64 << 20);
    }

    #[test]
    fn however_many_come_the_memory_stays_in_its_bounds_and_no_answer_is_another_identifiers() {
        let most = 1 << 20;
        let mut memory = Remembered::new(most);
        for number in 0..60_000 {
            memory.insert(&hash(number), MemberId(u128::from(number)));
            assert_eq!(memory.get(&hash(number)), Some(MemberId(u128::from(number))));
        }
        assert!(bytes(&memory) <= most && bytes(&memory) > most * 9 / 10, "{}", bytes(&memory));
        let mut kept = 0;
        for number in 0..60_000 {
            let found = memory.get(&hash(number));
            assert!(found.is_none_or(|found| found == MemberId(u128::from(number))));
            kept += usize::from(found.is_some());
        }
        assert!(kept > 15_000, "{kept} of what fits, which is {}", most / size_of::<Set>() * WAYS);
        assert_eq!((60_000..70_000).filter(|number| memory.get(&hash(*number)).is_some()).count(), 0);
        memory.clear();
        assert_eq!((bytes(&memory), known(&mut memory, 0..60_000)), (0, 0));
    }

    #[test]
    fn hashes_that_differ_in_one_bit_are_not_taken_for_each_other() {
        let mut memory = Remembered::new(1 << 20);
        let first = hash(1);
        memory.insert(&first, MemberId(1));
        for bit in 0..256 {
            let mut other = first;
            other.0[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(memory.get(&other), None, "bit {bit}");
            memory.insert(&other, MemberId(2));
            memory.remove(&other);
            assert_eq!((memory.get(&other), memory.get(&first)), (None, Some(MemberId(1))), "bit {bit}");
        }
    }

    #[test]
    fn little_is_taken_for_few_and_what_is_asked_for_stays_longer() {
        let mut memory = Remembered::new(1 << 20);
        assert_eq!(bytes(&memory), 0);
        (0..1_000).for_each(|number| memory.insert(&hash(number), MemberId(u128::from(number))));
        assert_eq!(known(&mut memory, 0..1_000), 1_000, "all fit");
        assert!(bytes(&memory) < 1 << 19, "{}", bytes(&memory));
        for number in 1_000..101_000_u32 {
            memory.insert(&hash(number), MemberId(u128::from(number)));
            if number % 100 == 0 {
                assert_eq!(known(&mut memory, 0..100), 100, "those that are asked for again and again");
            }
        }
        assert!(known(&mut memory, 100..1_000) < 10, "the others have given way");
    }

    #[test]
    fn what_is_put_in_anew_names_another_member() {
        let mut memory = Remembered::new(0);
        memory.insert(&hash(1), MemberId(1));
        memory.insert(&hash(1), MemberId(2));
        assert_eq!(memory.get(&hash(1)), Some(MemberId(2)));
        memory.remove(&hash(1));
        assert_eq!(memory.get(&hash(1)), None);
    }
}

//! Ids in ranges that follow each other and weigh about the same: what the audit takes at once.

use std::ops::RangeInclusive;

/// Cuts ids, in ascending order, into parts.
#[derive(Debug)]
pub(super) struct Parts {
    /// What a part weighs, about. It grows with what there is, as there are only so many parts.
    weight_aim: u64,
    parts_max: usize,
    closed: Vec<Part>,
    open: Part,
}

/// Some ids that follow each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Part {
    last: u128,
    weight: u64,
    count: u64,
}

impl Parts {
    /// Parts of about this weight, but no more than `parts_max` of them: of what is too much for that they weigh more, each
    /// of them, and none takes all the rest.
    pub fn new(weight_aim: u64, parts_max: usize) -> Self {
        Self { weight_aim: weight_aim.max(1), parts_max: parts_max.max(2), closed: Vec::new(), open: Part::default() }
    }

    /// The next id, and what it weighs.
    pub fn add(&mut self, id: u128, weight: u64) {
        let open = &mut self.open;
        *open = Part { last: id, weight: open.weight.saturating_add(weight), count: open.count + 1 };
        if open.weight < self.weight_aim {
            return;
        }
        self.closed.push(std::mem::take(open));
        if self.closed.len() == self.parts_max {
            self.closed = self.closed.chunks(2).map(together).collect();
            self.weight_aim = self.weight_aim.saturating_mul(2);
        }
    }

    /// All ids that there may be, in ranges, with how many were added of each.
    pub fn finish(mut self) -> Vec<(RangeInclusive<u128>, u64)> {
        if self.open.count > 0 || self.closed.is_empty() {
            self.closed.push(self.open);
        }
        if let Some(last) = self.closed.last_mut() {
            last.last = u128::MAX;
        }
        let mut first = 0;
        let mut ranges = Vec::with_capacity(self.closed.len());
        for part in self.closed {
            ranges.push((first..=part.last, part.count));
            // Behind the last there is none.
            first = part.last.saturating_add(1);
        }
        ranges
    }
}

fn together(parts: &[Part]) -> Part {
    parts.iter().fold(Part::default(), |one, other| Part {
        last: other.last,
        weight: one.weight.saturating_add(other.weight),
        count: one.count + other.count,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(weight_aim: u64, parts_max: usize, ids: u64, weight: u64) -> Vec<(RangeInclusive<u128>, u64)> {
        let mut parts = Parts::new(weight_aim, parts_max);
        for id in 1..=ids {
            parts.add(u128::from(id) * 7, weight);
        }
        parts.finish()
    }

    #[test]
    fn ranges_follow_each_other_from_the_first_id_to_the_last_and_count_each_once() {
        for ids in 0..200 {
            for parts_max in [2, 3, 7, 256] {
                let ranges = cut(3, parts_max, ids, 1);
                assert!(ranges.len() <= parts_max, "{ids} in {ranges:?}");
                assert_eq!(ranges.iter().map(|(_, count)| count).sum::<u64>(), ids);
                assert_eq!(*ranges[0].0.start(), 0);
                assert_eq!(*ranges.last().unwrap().0.end(), u128::MAX);
                assert!(ranges.windows(2).all(|two| two[0].0.end() + 1 == *two[1].0.start()), "{ranges:?}");
            }
        }
        let last = {
            let mut parts = Parts::new(1, 2);
            parts.add(u128::MAX, 1);
            parts.finish()
        };
        assert_eq!(last, [(0..=u128::MAX, 1)]);
    }

    /// Once the last part took all that was left: of 10,000,000 entries 4,000,000, at nine gigabytes.
    #[test]
    fn no_part_of_a_large_journal_weighs_more_than_twice_what_an_even_one_would() {
        for ids in [1_000_u64, 2_550, 2_570, 10_000, 123_457] {
            let ranges = cut(10, 256, ids, 1);
            let even = ids.div_ceil(256).max(10);
            let heaviest = ranges.iter().map(|(_, count)| *count).max().unwrap();
            assert!(heaviest <= even * 2, "{ids} ids: {heaviest} in one of {} parts", ranges.len());
        }
    }
}

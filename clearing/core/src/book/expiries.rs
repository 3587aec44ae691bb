//! What a member loses by and by: the moments at which its points expire, and how many at each.

use std::collections::BTreeMap;

use crate::book::Book;
use crate::units::{MemberId, Points, Timestamp};

impl Book {
    /// The next moments after `now` at which available points of a member expire, at most `most`, the first one first, each
    /// with its points: as far as the lots in the book tell. What ends with inactivity counts for the moment at which it does
    /// so if the member stays inactive; no lot need be in the book for that.
    pub fn coming_expiries(&self, member: MemberId, now: Timestamp, most: usize) -> Vec<(Timestamp, Points)> {
        let Some(known) = self.members.get(&member) else { return Vec::new() };
        let zone = &self.house.coalition.time_zone;
        let own = self.lots_in_order(member).filter(|(expires, lot)| *expires == lot.expires);
        let own = own.map(|(expires, lot)| (expires, lot.available.0));
        let inactive = known.record.inactive.iter().map(|(days, lots)| (known.inactive_at(*days, zone), lots.points.0));
        // Behind the last lot that is in the book there may be others.
        let told = |expires: Timestamp| expires > now && expires < known.loaded_to && expires < Timestamp::NEVER;
        let mut lost: BTreeMap<Timestamp, i64> = BTreeMap::new();
        for (expires, points) in own.chain(inactive).filter(|(expires, points)| told(*expires) && *points > 0) {
            *lost.entry(expires).or_default() += points;
        }
        lost.into_iter().take(most).map(|(expires, points)| (expires, Points(points))).collect()
    }
}

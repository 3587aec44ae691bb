//! What a book tells of members: whom a request names, what they hold and in what order, what they lose and when.

use std::collections::BTreeMap;

use crate::book::Book;
use crate::facts::hold::Hold;
use crate::facts::lot::{Lot, LotId};
use crate::facts::member::{Member, MemberRef};
use crate::facts::terms::Funding;
use crate::rejection::Rejection;
use crate::units::{BatchId, EntryId, IdentifierHash, MemberId, PartnerId, Points, Timestamp};

impl Book {
    /// The member a command names, if the house knows it.
    pub fn find_member(&self, member: MemberRef) -> Result<MemberId, Rejection> {
        match member {
            MemberRef::Id(id) => {
                self.members.contains_key(&id).then_some(id).ok_or_else(|| Rejection::not_found("member", id))
            }
            MemberRef::Identifier(hash) => self
                .identifiers
                .get(&hash)
                .copied()
                .ok_or_else(|| Rejection::not_found("member", "with this identifier")),
        }
    }

    /// The member a command names; of an identifier that nobody has, `fresh` and the identifier to enrol it under.
    pub(crate) fn find_or_fresh(
        &self,
        member: MemberRef,
        fresh: MemberId,
    ) -> Result<(MemberId, Option<IdentifierHash>), Rejection> {
        match (self.find_member(member), member) {
            (Ok(known), _) => Ok((known, None)),
            (Err(_), MemberRef::Identifier(hash)) => Ok((fresh, Some(hash))),
            (Err(rejection), MemberRef::Id(_)) => Err(rejection),
        }
    }

    /// A member's points that have expired and whose expiry is not posted yet.
    pub(crate) fn expired(&self, member: MemberId, now: Timestamp) -> BTreeMap<(PartnerId, Funding), i64> {
        let mut expired = BTreeMap::new();
        for (_, lot) in self.lots_in_order(member).take_while(|(expires, _)| *expires <= now) {
            *expired.entry((lot.issuer, lot.funding)).or_default() += lot.available.0;
        }
        expired
    }

    /// What a member can spend at a time: what is available and has not expired, whether or not its expiry is posted.
    pub fn spendable(&self, member: MemberId, now: Timestamp) -> Points {
        let available = self.members.get(&member).map_or(0, Member::available);
        let expired: i64 = self.expired(member, now).values().sum();
        Points(i64::try_from(available).expect("checked when it was posted") - expired)
    }

    /// The lots of a member that have available points, in consumption order, each with when it expires.
    pub(crate) fn lots_in_order(&self, member: MemberId) -> impl Iterator<Item = (Timestamp, &Lot)> {
        let first = (member, Timestamp(i64::MIN), i64::MIN, 0);
        let last = (member, Timestamp::NEVER, i64::MAX, u16::MAX);
        let mut ended = self.inactive_lots(member).into_iter().peekable();
        let own = self.order.range(first..=last).filter(|(_, expires, ..)| expires.inactivity_days().is_none());
        let mut own = own.map(|(_, expires, entry_no, part)| (*expires, *entry_no, *part)).peekable();
        std::iter::from_fn(move || {
            let inactive_first = match (own.peek(), ended.peek()) {
                (Some(own), Some(ended)) => ended < own,
                (own, _) => own.is_none(),
            };
            let (expires, entry_no, part) = if inactive_first { ended.next() } else { own.next() }?;
            let lot = self.lots.get(&LotId { member, entry_no, part }).expect("the order lists lots of the book");
            Some((expires, lot))
        })
    }

    /// All lots of a member that are in the book, in the order in which they were made.
    pub fn lots_of(&self, member: MemberId) -> impl DoubleEndedIterator<Item = &Lot> {
        let first = LotId { member, entry_no: i64::MIN, part: 0 };
        let last = LotId { member, entry_no: i64::MAX, part: u16::MAX };
        self.lots.range(first..=last).map(|(_, lot)| lot)
    }

    /// Lots of a member with pending points.
    pub(crate) fn pending_lots(&self, member: MemberId) -> impl Iterator<Item = &Lot> {
        let first = LotId { member, entry_no: i64::MIN, part: 0 };
        let last = LotId { member, entry_no: i64::MAX, part: u16::MAX };
        self.pending.range(first..=last).map(|id| self.lots.get(id).expect("lots listed are in the book"))
    }

    /// Open holds of a member, the first to lapse first.
    pub(crate) fn open_holds(&self, member: MemberId) -> impl Iterator<Item = &Hold> {
        let first = (member, Timestamp(i64::MIN), EntryId { batch: BatchId(0), ordinal: 0 });
        let last = (member, Timestamp::NEVER, EntryId { batch: BatchId(u128::MAX), ordinal: u32::MAX });
        self.open_holds.range(first..=last).map(|(.., id)| self.holds.get(id).expect("holds listed are in the book"))
    }

    /// When a lot expires as things stand.
    pub(crate) fn expiry_of(&self, lot: &Lot) -> Timestamp {
        let zone = &self.house.coalition.time_zone;
        let member = self.members.get(&lot.id.member);
        match (lot.expires.inactivity_days(), member) {
            (Some(days), Some(member)) => member.inactivity_end(days, lot.id.entry_no, zone),
            _ => lot.expires,
        }
    }

    /// When the first of a member's points expire that do so at a moment of their own, and how many: no more than a bound and
    /// none if the lots that tell are not in the book, or if there are none.
    pub fn first_expiry(&self, member: &Member) -> (Timestamp, Option<Points>) {
        if let Some((first, points)) = member.expiring.first_key_value() {
            return (*first, Some(*points));
        }
        let from = (member.id, member.next_expiry, i64::MIN, 0);
        let to = (member.id, Timestamp::NEVER, i64::MAX, u16::MAX);
        let first = self.order.range(from..=to).next().map_or(Timestamp::NEVER, |(_, expires, ..)| *expires);
        let bound = first.min(member.loaded_to);
        if !bound.is_of_the_lot() {
            return (Timestamp::NEVER, None);
        }
        if first >= member.loaded_to {
            return (bound.max(member.next_expiry), None);
        }
        let ends = (member.id, first, i64::MIN, 0)..=(member.id, first, i64::MAX, u16::MAX);
        let lots = self.order.range(ends).filter_map(|(member, _, entry_no, part)| {
            self.lots.get(&LotId { member: *member, entry_no: *entry_no, part: *part })
        });
        (first, Some(Points(lots.map(|lot| lot.available.0).sum())))
    }

    /// When the next of a member's points expire after a time, and how many.
    pub fn next_expiry(&self, member: MemberId, now: Timestamp) -> Option<(Timestamp, Points)> {
        let known = self.members.get(&member);
        // What the member's row tells of both kinds of expiry, no lot need be read for.
        let summed = known.and_then(|known| known.expiring.iter().find(|(expires, _)| **expires > now));
        let (first, own) = summed.map(|(expires, points)| (*expires, *points)).unwrap_or_else(|| {
            let own = self.lots_in_order(member).filter(|(expires, lot)| *expires > now && *expires == lot.expires);
            let mut own = own.peekable();
            let first = own.peek().map_or(Timestamp::NEVER, |(expires, _)| *expires);
            let points = own.take_while(|(expires, _)| *expires == first).map(|(_, lot)| lot.available.0).sum();
            (first, Points(points))
        });
        let zone = &self.house.coalition.time_zone;
        let inactive = known.iter().flat_map(|known| {
            let going_on = known.record.inactive.iter().filter(|(_, lots)| lots.points.0 > 0);
            going_on.map(|(days, lots)| (known.inactive_at(*days, zone), lots.points.0))
        });
        let inactive: Vec<(Timestamp, i64)> = inactive.filter(|(expires, _)| *expires > now).collect();
        let next = inactive.iter().map(|(expires, _)| *expires).fold(first, Timestamp::min);
        if next == Timestamp::NEVER {
            return None;
        }
        let own = if first == next { own.0 } else { 0 };
        let inactive: i64 = inactive.iter().filter(|(expires, _)| *expires == next).map(|(_, points)| points).sum();
        Some((next, Points(own + inactive)))
    }

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

    /// The day of a moment in the coalition's calendar, in days since 1970-01-01.
    pub(crate) fn day_of(&self, time: Timestamp) -> i32 {
        let date = time.to_jiff().to_zoned(self.house.coalition.time_zone.clone()).date();
        let epoch = jiff::civil::Date::constant(1970, 1, 1);
        epoch.until(date).map_or(0, |span| span.get_days())
    }

    /// The places in the order of lots that end with inactivity, as the member's last activity has it.
    fn inactive_lots(&self, member: MemberId) -> Vec<(Timestamp, i64, u16)> {
        let Some(known) = self.members.get(&member).filter(|member| !member.record.inactive.is_empty()) else {
            return Vec::new();
        };
        let zone = &self.house.coalition.time_zone;
        let mut lots = Vec::new();
        for (days, kind) in known.record.inactive.iter().filter(|(_, kind)| kind.has_points()) {
            let band = Timestamp::after_inactivity(*days);
            let range = (member, band, i64::MIN, 0)..=(member, band, i64::MAX, u16::MAX);
            let end = kind.end_of_lots(known.inactive_at(*days, zone));
            lots.extend(self.order.range(range).map(|(_, _, entry_no, part)| (end(*entry_no), *entry_no, *part)));
        }
        lots.sort_unstable();
        lots
    }
}

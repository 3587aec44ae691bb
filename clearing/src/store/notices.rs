//! For whom notices of coming expiries may be due, read in the order of the members' key, a stretch at a time.
//!
//! No index is kept for it: a member's row tells, without its lots being read, that nothing ends soon. What a page looks
//! through is bounded, so a page may be empty although more follow.

use std::collections::BTreeMap;

use clearing_core::facts::lot::Lot;
use clearing_core::facts::member::Member;
use clearing_core::rules::notice::{Notice, NoticeDay};
use clearing_core::units::{MemberId, PartnerId, Timestamp};

use super::lots::lots_expiring;
use super::members::{members_expiring, stretch};
use super::sql::Link;
use super::{Store, StoreError};

/// Members whose rows one page looks at, at the most.
const STRETCH_MEMBERS: u32 = 10_000;
/// Notices after which a page takes no further member.
const NOTICES_MAX: usize = 10_000;

/// A page of the notices of a day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NoticePage {
    /// By member, moment and issuer.
    pub notices: Vec<Notice>,
    /// Where the next page begins, if there may be more. It lies between two members and is no member's id, since whoever
    /// pages through may know the members on neither side.
    pub next: Option<MemberId>,
}

impl Store {
    /// A page of the notices of a day, of one issuer's points or of all, from a place on: of at most `limit` members of
    /// whose points some may end by the day's horizon.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn expiry_notices(
        &self,
        day: &NoticeDay,
        issuer: Option<PartnerId>,
        from: MemberId,
        limit: usize,
        now: Timestamp,
    ) -> Result<NoticePage, StoreError> {
        if day.horizon() <= now {
            return Ok(NoticePage::default());
        }
        let mut snapshot = self.snapshot().await?;
        let gate = snapshot.gate().await?;
        let house = snapshot.house_of(gate.terms_epoch).await?;
        let mut link = snapshot.link();
        let (found, mut next) = expiring(&mut link, from, day.horizon(), limit).await?;
        let mut ranges = Vec::new();
        for member in found.iter().filter(|member| holds(member, issuer)) {
            ranges.extend(day.expiries(member, now).into_iter().map(|(first, last)| (member.id, first, last)));
        }
        let mut lots: BTreeMap<MemberId, Vec<Lot>> = BTreeMap::new();
        for lot in lots_expiring(&mut link, &house, &ranges, issuer).await? {
            lots.entry(lot.id.member).or_default().push(lot);
        }
        snapshot.finish().await?;
        let mut notices = Vec::new();
        let mut last = None;
        for member in &found {
            if let Some(last) = last.filter(|_| notices.len() >= NOTICES_MAX) {
                next = Some(between(last, member.id));
                break;
            }
            let own = lots.get(&member.id).map_or(&[][..], Vec::as_slice);
            notices.extend(day.notices(member, own, now));
            last = Some(member.id);
        }
        Ok(NoticePage { notices, next })
    }
}

/// At most `limit` members from a place on for whom something is due by `until`, by id, and where to go on.
async fn expiring(
    link: &mut Link<'_>,
    from: MemberId,
    until: Timestamp,
    limit: usize,
) -> Result<(Vec<Member>, Option<MemberId>), StoreError> {
    let ends = stretch(link, from, STRETCH_MEMBERS).await?;
    let (end, behind) = (ends.first().map_or(MemberId(u128::MAX), |end| *end), ends.get(1));
    let one_more = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let mut found = members_expiring(link, (from, end), until, one_more).await?;
    found.sort_unstable_by_key(|member| member.id);
    let more = found.get(limit).map(|more| more.id);
    found.truncate(limit);
    let next = match (found.last(), more) {
        (Some(last), Some(more)) => Some(between(last.id, more)),
        _ => behind.map(|behind| between(end, *behind)),
    };
    Ok((found, next))
}

/// Whether a member has available points of an issuer, or of any.
fn holds(member: &Member, issuer: Option<PartnerId>) -> bool {
    let mut holdings = member.holdings.iter();
    holdings.any(|((of, _), holding)| holding.available.0 > 0 && issuer.is_none_or(|issuer| issuer == *of))
}

/// A place behind one member and not behind a later one: as much of the later one's id as tells them apart.
fn between(last: MemberId, later: MemberId) -> MemberId {
    let differ = (last.0 ^ later.0).checked_ilog2().unwrap_or(0);
    MemberId(later.0 >> differ << differ)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_lies_behind_one_member_and_not_behind_the_next() {
        let ids = [0u128, 1, 2, 3, 0x0193_a7c2, 0x0193_a7c3, 0x0193_b000, 1 << 100, (1 << 100) + 1, u128::MAX];
        for (at, last) in ids.iter().enumerate() {
            for later in &ids[at + 1..] {
                let place = between(MemberId(*last), MemberId(*later)).0;
                assert!(*last < place && place <= *later, "{last:x} {place:x} {later:x}");
            }
        }
        let [one, other] = [0x0193_a7c2_5d0e_7c3a_9f00_1111_2345_6789, 0x0193_a7c2_5d0e_7c3a_9f01_89ab_cdef_1234];
        assert_eq!(between(MemberId(one), MemberId(other)).0, 0x0193_a7c2_5d0e_7c3a_9f01_0000_0000_0000);
    }
}

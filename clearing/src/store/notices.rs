//! For whom notices of coming expiries may be due, read in the order of the members' key, a stretch at a time.
//!
//! No index is kept for it: a member's row tells, without its lots being read, that nothing ends soon. What a page looks
//! through is bounded, so a page may be empty although more follow.

use std::collections::BTreeMap;

use clearing_core::facts::lot::Lot;
use clearing_core::facts::member::Member;
use clearing_core::rules::notice::{Notice, NoticeDay};
use clearing_core::units::{MemberId, PartnerId, Timestamp};

use super::lot_row::LotRow;
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
        let mut lots: BTreeMap<MemberId, Vec<Lot>> = BTreeMap::new();
        for (member, row) in found.iter().filter(|(member, _)| holds(member, issuer)) {
            let ends = day.expiries(member, now);
            let expires = |lot: &Lot| ends.iter().any(|(first, last)| (*first..=*last).contains(&lot.expires));
            let of_issuer = |lot: &Lot| issuer.is_none_or(|issuer| issuer == lot.issuer);
            let mut own = row.lots(member.id, &house)?;
            own.retain(|lot| lot.available.0 > 0 && expires(lot) && of_issuer(lot));
            lots.insert(member.id, own);
            if let Some((beyond, ..)) = row.beyond {
                let further = ends.into_iter().filter(|(_, last)| *last >= beyond);
                ranges.extend(further.map(|(first, last)| (member.id, first, last)));
            }
        }
        for lot in lots_expiring(&mut link, &house, &ranges, issuer).await? {
            lots.entry(lot.id.member).or_default().push(lot);
        }
        snapshot.finish().await?;
        let mut notices = Vec::new();
        for (member, _) in &found {
            if notices.len() >= NOTICES_MAX {
                next = Some(member.id);
                break;
            }
            let own = lots.get(&member.id).map_or(&[][..], Vec::as_slice);
            notices.extend(day.notices(member, own, now));
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
) -> Result<(Vec<(Member, LotRow)>, Option<MemberId>), StoreError> {
    let ends = stretch(link, from, STRETCH_MEMBERS).await?;
    let (end, behind) = (ends.first().map_or(MemberId(u128::MAX), |end| *end), ends.get(1));
    let one_more = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let mut found = members_expiring(link, (from, end), until, one_more).await?;
    found.sort_unstable_by_key(|(member, _)| member.id);
    let more = found.get(limit).map(|(more, _)| more.id);
    found.truncate(limit);
    Ok((found, more.or(behind.copied())))
}

/// Whether a member has available points of an issuer, or of any.
fn holds(member: &Member, issuer: Option<PartnerId>) -> bool {
    let mut holdings = member.holdings.iter();
    holdings.any(|((of, _), holding)| holding.available.0 > 0 && issuer.is_none_or(|issuer| issuer == *of))
}

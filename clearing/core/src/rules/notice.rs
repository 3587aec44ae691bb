//! Notices ahead of expiry: what a member is about to lose, and when, told some days before.
//!
//! A notice is worked out whenever somebody asks for it. Nothing is written.

use std::collections::BTreeMap;

use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::facts::coalition::Coalition;
use crate::facts::lot::Lot;
use crate::facts::member::Member;
use crate::rejection::Rejection;
use crate::rules::checks::check_range;
use crate::units::{MemberId, PartnerId, Points, Timestamp};

/// Points of one issuer that a member loses at one moment unless they are spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notice {
    pub member: MemberId,
    pub issuer: PartnerId,
    pub points: Points,
    pub expires: Timestamp,
    /// One of the coalition's [`Coalition::notice_days`].
    pub days_ahead: u16,
}

/// A day of the coalition's calendar, with the days that its notices are about.
#[derive(Debug, Clone)]
pub struct NoticeDay {
    pub day: Date,
    ahead: Vec<Ahead>,
    zone: TimeZone,
}

/// A day some days ahead: from behind its first moment up to the first moment of the next.
#[derive(Debug, Clone, Copy)]
struct Ahead {
    days: u16,
    behind: Timestamp,
    until: Timestamp,
}

impl NoticeDay {
    /// The day that somebody asks for at a moment, or that day itself.
    ///
    /// # Errors
    /// [`Rejection::TimeOutOfRange`] for a day later than tomorrow.
    pub fn asked(day: Option<Date>, now: Timestamp, coalition: &Coalition) -> Result<Self, Rejection> {
        let zone = &coalition.time_zone;
        let today = now.to_jiff().to_zoned(zone.clone()).date();
        let day = day.unwrap_or(today);
        let never = |moment: Option<Timestamp>| moment.unwrap_or(Timestamp::NEVER);
        let tomorrow = today.tomorrow().ok().and_then(|tomorrow| begin(tomorrow, zone));
        check_range("day", never(begin(day, zone)), Timestamp(0), never(tomorrow))?;
        Self::of(day, coalition).ok_or_else(|| Rejection::invalid("day", "the calendar ends before what would be told"))
    }

    /// `None` for a day at the end of the calendar, which cannot tell what comes after it.
    pub fn of(day: Date, coalition: &Coalition) -> Option<Self> {
        let zone = &coalition.time_zone;
        let begins = |days: u16| begin(day.checked_add(i64::from(days).days()).ok()?, zone);
        let ahead = |days: u16| Some(Ahead { days, behind: begins(days)?, until: begins(days + 1)? });
        let ahead = coalition.notice_days.iter().map(ahead).collect::<Option<_>>()?;
        Some(Self { day, ahead, zone: zone.clone() })
    }

    /// What expires after this is not spoken of yet.
    pub fn horizon(&self) -> Timestamp {
        self.ahead.iter().map(|ahead| ahead.until).max().expect("a coalition has notices")
    }

    /// The expiries, each range with both of its ends, that the lots of a member may have which a notice is about. No
    /// other lot need be read.
    pub fn expiries(&self, member: &Member, now: Timestamp) -> Vec<(Timestamp, Timestamp)> {
        let to_come = self.ahead.iter().filter(|ahead| ahead.until > now);
        let own = to_come.map(|ahead| (Timestamp(ahead.behind.max(now).0 + 1), ahead.until));
        let inactive = member.record.inactive.iter().filter(|(_, lots)| lots.points.0 > 0);
        let inactive = inactive.filter(|(days, _)| self.days_ahead(member.inactive_at(**days, &self.zone)).is_some());
        own.chain(inactive.map(|(days, _)| [Timestamp::after_inactivity(*days); 2].into())).collect()
    }

    /// The notices of this day for a member, by moment and issuer, of lots of its own: at least all those with
    /// [`NoticeDay::expiries`].
    ///
    /// Rule: expiry-notice
    pub fn notices(&self, member: &Member, lots: &[Lot], now: Timestamp) -> Vec<Notice> {
        let mut lost: BTreeMap<(Timestamp, PartnerId), i64> = BTreeMap::new();
        for lot in lots.iter().filter(|lot| lot.available.0 > 0) {
            let days = lot.expires.inactivity_days();
            let expires = days.map_or(lot.expires, |days| member.inactivity_end(days, lot.id.entry_no, &self.zone));
            if expires > now {
                *lost.entry((expires, lot.issuer)).or_default() += lot.available.0;
            }
        }
        let notice = |((expires, issuer), points)| {
            let days_ahead = self.days_ahead(expires)?;
            Some(Notice { member: member.id, issuer, points: Points(points), expires, days_ahead })
        };
        lost.into_iter().filter_map(notice).collect()
    }

    fn days_ahead(&self, expires: Timestamp) -> Option<u16> {
        let ahead = self.ahead.iter().find(|ahead| ahead.behind < expires && expires <= ahead.until);
        ahead.map(|ahead| ahead.days)
    }
}

/// The first moment of a day, if the calendar has it.
fn begin(day: Date, zone: &TimeZone) -> Option<Timestamp> {
    Some(Timestamp::from_jiff(day.to_zoned(zone.clone()).ok()?.timestamp()))
}

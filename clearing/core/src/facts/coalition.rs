//! The coalition's settings, and the house: the coalition with its partners and its calendar.

use std::collections::BTreeMap;
use std::{fmt, io};

use borsh::{BorshDeserialize, BorshSerialize};
use jiff::tz::TimeZone;

use crate::days::days_later;
use crate::facts::calendar::Calendars;
use crate::facts::credential::Revoked;
use crate::facts::limits::Limits;
use crate::facts::partner::Partner;
use crate::facts::person::People;
use crate::facts::terms::Terms;
use crate::rejection::Rejection;
use crate::units::{Currency, Malformed, Money, PartnerId, Points, Timestamp};

/// Partners that a coalition has at the most, beside the operator: so that an answer with a row for each of them, such as all
/// orders of a settlement, fits into a message.
pub const PARTNERS_MAX: usize = 10_000;

/// The coalition and its partners: what every batch needs and few change.
#[derive(Debug, Clone)]
pub struct House {
    pub coalition: Coalition,
    pub partners: BTreeMap<PartnerId, Partner>,
    /// The calendar of cut-offs, with its versions.
    pub calendar: Calendars,
    /// The certificates that are trusted no more.
    pub revoked: Revoked,
    /// The people of the operator.
    pub people: People,
}

impl House {
    pub fn partner(&self, id: PartnerId) -> Result<&Partner, Rejection> {
        self.partners.get(&id).ok_or_else(|| Rejection::not_found("partner", id))
    }

    /// Whether points of an issuer count as a partner's own where it is about safety (codes, limits, foreign use): its own, and
    /// those of its group. In postings and fees a group is nobody.
    ///
    /// Rule: groups
    pub fn counts_as_own(&self, partner: PartnerId, issuer: PartnerId) -> bool {
        let group = |id| self.partners.get(&id).and_then(|known: &Partner| known.group);
        partner == issuer || group(partner).is_some_and(|own| group(issuer) == Some(own))
    }

    /// Refuses one more partner beside the operator if there are [`PARTNERS_MAX`].
    ///
    /// Rule: partners-max
    pub fn check_room(&self) -> Result<(), Rejection> {
        let partners = self.partners.len() - usize::from(self.partners.contains_key(&PartnerId::operator()));
        if partners < PARTNERS_MAX {
            return Ok(());
        }
        let maximum = i64::try_from(PARTNERS_MAX).expect("ten thousand is less than 2^63");
        Err(Rejection::Overflow { what: "the number of partners".to_owned(), maximum })
    }

    /// The terms a lot was issued under.
    pub fn lot_terms(&self, issuer: PartnerId, version: u32) -> &Terms {
        let partner = self.partners.get(&issuer).expect("a lot's issuer is a partner");
        partner.terms_version(version).expect("a lot's terms are never deleted")
    }
}

/// What is fixed for the whole coalition.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Coalition {
    /// The name of the coalition, part of every hash of its journal.
    pub id: String,
    pub currency: Currency,
    /// Digits of money behind the point: at least the currency's minor digits, at most 6.
    pub scale: u32,
    /// The defaults of new partners' terms.
    pub default_terms: Terms,
    /// The limits of new partners whose own leave something out.
    pub default_limits: Limits,
    pub grace_days: u16,
    /// For how many days after lots were passed over none of them expires. 0: they expire as usual.
    pub passed_over_grace_days: u16,
    pub recovery: Recovery,
    /// Whether every partner consents to being named as a funder, without limit, unless a consent of its own says otherwise.
    pub open_consents: bool,
    /// A partner's leg smaller than this is carried.
    pub settlement_threshold: Money,
    /// Whether an acceptor learns whose points it took.
    pub disclose_issuers: bool,
    #[borsh(serialize_with = "write_zone", deserialize_with = "read_zone")]
    pub time_zone: TimeZone,
    /// How long the keys of requests are kept, in days; older keys are refused. 0: for ever.
    pub key_retention_days: u16,
    /// How old a till's own time may be, in days. 0: any age.
    pub business_time_age_days: u16,
    /// How many days ahead of an expiry its notices are due.
    pub notice_days: NoticeDays,
    /// How many days after it was asked for a proposal lapses, from 1.
    pub proposal_days: u16,
    /// How many days after it was asked for a change of a bank account is in force, and after it was named a recovered
    /// approver's roles are.
    pub account_change_days: u16,
    /// How many closes carry a partner's leg that is smaller than the threshold; the next one makes it. None: any number, but
    /// for the last close of a year.
    pub carry_windows_max: Option<u16>,
    /// How many points one person of the operator gives to members again on a day, before a second one is needed.
    pub care_points: Points,
    /// Whether pay-outs wait until the money for them is there.
    pub pay_outs_wait: bool,
    /// Whether a net debit cap is no higher than what covers it.
    pub caps_need_cover: bool,
}

/// Points that one person gives to members again on a day, unless somebody says otherwise.
pub const CARE_POINTS: Points = Points(500);
/// Closes that carry a small leg, unless somebody says otherwise.
pub const CARRY_WINDOWS_MAX: u16 = 4;
/// Days after which a proposal lapses, unless somebody says otherwise.
pub const PROPOSAL_DAYS: u16 = 7;
/// Days at the most after which a proposal lapses, and after which a recovered approver is one.
pub const DECISION_DAYS_MAX: u16 = 366;
/// Days after which a bank account is changed, and a recovered approver is one, unless somebody says otherwise.
pub const ACCOUNT_CHANGE_DAYS: u16 = 3;

impl Coalition {
    /// Units of money in one minor unit of the currency.
    pub fn minor_unit(&self) -> i64 {
        10i64.pow(self.scale - self.currency.minor_digits())
    }

    /// The moment so many days after another, as the coalition's calendar counts them.
    pub fn days_after(&self, days: u16, moment: Timestamp) -> Timestamp {
        days_later(moment, i64::from(days), &self.time_zone)
    }

    /// The moment so many days before another, as the coalition's calendar counts them.
    pub fn days_before(&self, days: u16, moment: Timestamp) -> Timestamp {
        days_later(moment, -i64::from(days), &self.time_zone)
    }

    /// Up to when recorded answers may be forgotten from now on, if that is a day more than `forgotten`: their keys are refused
    /// for their age, and were so a day ago, as clocks of nodes differ.
    ///
    /// Rule: forgetting
    pub fn forgettable(&self, forgotten: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let days = i64::from(self.key_retention_days);
        let before = now.plus_days(-days - 1);
        (days > 0 && before >= forgotten.plus_days(1)).then_some(before)
    }

    /// Until when lots do not expire that were passed over at a moment.
    pub fn passed_over_until(&self, moment: Timestamp) -> Timestamp {
        self.days_after(self.passed_over_grace_days, moment)
    }

    pub fn money_text(&self, amount: Money) -> String {
        amount.text(self.scale)
    }
}

/// How many days ahead of an expiry its notices are due, from the most to the fewest; 30, 7 and 1 unless somebody says otherwise.
///
/// Rule: notice-days
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize)]
pub struct NoticeDays(Vec<u16>);

impl NoticeDays {
    /// Notices of an expiry at the most.
    pub const COUNT_MAX: usize = 8;
    /// Days ahead at the most.
    pub const AHEAD_MAX: u16 = 366;

    /// # Errors
    /// None at all, or more than [`NoticeDays::COUNT_MAX`]; one that is 0 or above [`NoticeDays::AHEAD_MAX`]; one that is not below
    /// the one before it.
    pub fn new(days: Vec<u16>) -> Result<Self, Malformed> {
        let example = "write 1 to 8 numbers of days such as 30, 7, 1";
        if days.is_empty() || days.len() > Self::COUNT_MAX {
            return Err(Malformed(format!("{} notices of an expiry; {example}", days.len())));
        }
        if let Some(wrong) = days.iter().find(|days| !(1..=Self::AHEAD_MAX).contains(*days)) {
            return Err(Malformed(format!("{wrong} is not between 1 and {}; {example}", Self::AHEAD_MAX)));
        }
        if let Some([before, after]) = days.array_windows().find(|[before, after]| after >= before) {
            return Err(Malformed(format!("{after} follows {before}; {example}, from the most to the fewest")));
        }
        Ok(Self(days))
    }

    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        self.0.iter().copied()
    }
}

impl Default for NoticeDays {
    fn default() -> Self {
        Self(vec![30, 7, 1])
    }
}

impl fmt::Display for NoticeDays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = self.iter().map(|days| days.to_string()).collect();
        f.write_str(&texts.join(", "))
    }
}

impl BorshDeserialize for NoticeDays {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        Self::new(Vec::deserialize_reader(reader)?).map_err(io::Error::other)
    }
}

/// From whose lots a member's debt is recovered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Recovery {
    /// From any.
    #[default]
    Any,
    /// From the creditor's own.
    Own,
}

impl Recovery {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Any => "ANY",
            Self::Own => "OWN",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Any, Self::Own].into_iter().find(|recovery| recovery.as_str() == text)
    }
}

/// A till's clock may run ahead of the house by this much.
pub const CLOCK_SKEW_SECONDS: i64 = 300;

/// The largest scale of money.
pub const SCALE_MAX: u32 = 6;

/// A time zone goes by its IANA name.
fn write_zone<W: io::Write>(zone: &TimeZone, writer: &mut W) -> io::Result<()> {
    let name = zone.iana_name().ok_or_else(|| io::Error::other("a coalition's time zone has an IANA name"))?;
    name.serialize(writer)
}

fn read_zone<R: io::Read>(reader: &mut R) -> io::Result<TimeZone> {
    TimeZone::get(&String::deserialize_reader(reader)?).map_err(io::Error::other)
}

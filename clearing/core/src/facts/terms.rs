//! The coalition's settings, its partners, and the versions of their terms.

use std::collections::BTreeMap;
use std::io;

use borsh::{BorshDeserialize, BorshSerialize};
use jiff::ToSpan as _;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use rust_decimal::Decimal;

use crate::days::days_later;
use crate::rejection::Rejection;
use crate::rules::limits::Limits;
use crate::units::{
    Currency, Malformed, Money, Overflow, PartnerId, Points, Rate, Timestamp, WindowNumber, largest_remainder, number,
};

/// When the issuer of points pays for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub enum Funding {
    /// R: the issuer pays when its points are accepted elsewhere.
    AtRedemption,
    /// P: the issuer prepays into the pool.
    AtIssue,
    /// F: as P, but the points wait until the settlement that contains them is paid.
    OnPayment,
}

impl Funding {
    pub const ALL: [Self; 3] = [Self::AtRedemption, Self::AtIssue, Self::OnPayment];

    /// Whether the points are backed by money of their own once they are available.
    pub fn is_prepaid(self) -> bool {
        self != Self::AtRedemption
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::AtRedemption => "AT_REDEMPTION",
            Self::AtIssue => "AT_ISSUE",
            Self::OnPayment => "ON_PAYMENT",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|funding| funding.as_str() == text)
    }
}

/// Who bears the acceptance fee.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub enum FeeBearer {
    Acceptor,
    Issuer,
}

impl FeeBearer {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Acceptor => "ACCEPTOR",
            Self::Issuer => "ISSUER",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Acceptor, Self::Issuer].into_iter().find(|bearer| bearer.as_str() == text)
    }
}

/// The shares of the value of expired prepaid points. They sum to 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Breakage {
    pub reserve: Rate,
    pub operator: Rate,
    pub issuer: Rate,
}

impl Breakage {
    /// The split of an amount: reserve, operator, issuer, by largest remainder with ties in that order.
    ///
    /// Rule: breakage
    pub fn split(&self, amount: Money) -> [Money; 3] {
        let weights = [self.reserve, self.operator, self.issuer]
            .map(|rate| i64::try_from(rate.billionths()).expect("at most a billion"));
        let shares = largest_remainder(amount.0, &weights);
        [Money(shares[0]), Money(shares[1]), Money(shares[2])]
    }

    fn check(&self) -> Result<(), Rejection> {
        let sum = self.reserve.billionths() + self.operator.billionths() + self.issuer.billionths();
        if sum == Rate::ONE.billionths() {
            return Ok(());
        }
        let sum = self.reserve.decimal() + self.operator.decimal() + self.issuer.decimal();
        Err(Rejection::BreakageNotOne { sum: sum.to_string() })
    }
}

/// When the points of an issue expire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum ExpiryPolicy {
    None,
    Fixed(Timestamp),
    Days(u16),
    Months(u16),
    /// The end of the month that lies so many months after that of the issue.
    EndOfMonth(u16),
    /// The end of the year that lies so many years after that of the issue.
    EndOfYear(u16),
    /// So many days without activity of the member.
    InactiveDays(u16),
}

/// The longest span of days, months or years in terms.
pub const SPAN_MAX: u16 = 36_500;

impl ExpiryPolicy {
    /// Terms must not lead out of the calendar while they hold, and nobody knows how long that is: their dates are reckoned
    /// from 1 January 2200.
    const RECKONED_FROM: Timestamp = Timestamp::from_seconds(7_258_118_400);

    /// Refuses a policy whose dates can leave the calendar.
    ///
    /// # Errors
    /// [`Malformed`], with what is allowed.
    ///
    /// Rule: expiry-reach
    pub fn check(&self) -> Result<(), Malformed> {
        let span = match *self {
            Self::None => return Ok(()),
            Self::Fixed(time) => return time.named().map(drop),
            // On the day of the issue itself the points would be gone.
            Self::InactiveDays(0) => return Err(Malformed("0 days without activity are over at once".to_owned())),
            Self::Days(span)
            | Self::Months(span)
            | Self::EndOfMonth(span)
            | Self::EndOfYear(span)
            | Self::InactiveDays(span) => span,
        };
        if span > SPAN_MAX {
            return Err(Malformed(format!("{span} is above {SPAN_MAX}")));
        }
        let policy = if let Self::InactiveDays(days) = *self { Self::Days(days) } else { *self };
        match policy.date(Self::RECKONED_FROM, &TimeZone::UTC) {
            Some(date) if date <= Timestamp::LAST => Ok(()),
            Some(_) | None => Err(Malformed(format!(
                "{span} leads beyond the year 9999 for points issued on 1 January 2200; ends of years may be 7798 ahead"
            ))),
        }
    }

    /// When points issued at `issued` expire; under `InactiveDays` that is [`Timestamp::after_inactivity`]. Days, months and
    /// years are those of the coalition's time zone; an end of a month or year is the first moment of the next one. What the
    /// calendar does not have ends with it: nothing that is to expire lives for ever.
    ///
    /// Rule: expiry-policy
    pub fn expires(&self, issued: Timestamp, zone: &TimeZone) -> Timestamp {
        match *self {
            Self::None => Timestamp::NEVER,
            Self::InactiveDays(days) => Timestamp::after_inactivity(days),
            Self::Fixed(_) | Self::Days(_) | Self::Months(_) | Self::EndOfMonth(_) | Self::EndOfYear(_) => {
                self.date(issued, zone).map_or(Timestamp::LAST, |date| date.clamp(Timestamp::FIRST, Timestamp::LAST))
            }
        }
    }

    /// The date that a policy sets; none if it sets none or the calendar does not have it.
    fn date(&self, issued: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let local = zone.to_datetime(issued.to_jiff());
        let at = |civil: DateTime| Timestamp::of_wall(civil, zone);
        let begins = |date: Date| at(date.to_datetime(jiff::civil::Time::midnight()));
        match *self {
            Self::None | Self::InactiveDays(_) => None,
            Self::Fixed(moment) => Some(moment),
            // Of a time that comes twice the first is meant, but no time is later than itself.
            Self::Days(days) => at(local.checked_add(i64::from(days).days()).ok()?).map(|date| date.max(issued)),
            Self::Months(months) => {
                at(local.checked_add(i64::from(months).months()).ok()?).map(|date| date.max(issued))
            }
            Self::EndOfMonth(months) => {
                let first = local.date().first_of_month();
                begins(first.checked_add((i64::from(months) + 1).months()).ok()?)
            }
            Self::EndOfYear(years) => {
                let year = i32::from(local.year()) + i32::from(years) + 1;
                begins(Date::new(i16::try_from(year).ok()?, 1, 1).ok()?)
            }
        }
    }
}

/// One version of a partner's terms. Immutable; a lot keeps the version it was issued under.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Terms {
    /// From 1, per partner.
    pub version: u32,
    pub effective: Timestamp,
    pub funding: Funding,
    /// What the issuer pays per point (p).
    pub price: Money,
    /// What backs the point (v).
    pub value: Money,
    /// What the acceptor gets per point (r).
    pub reimbursement: Money,
    /// A rate on r x points of other issuers.
    pub acceptance_fee: Rate,
    pub fee_bearer: FeeBearer,
    pub breakage: Breakage,
    pub expiry: ExpiryPolicy,
    /// How many days after an issue it can be reversed; none: for ever.
    pub return_days: Option<u16>,
    /// What a point is worth to a customer at this partner's tills. Never in the ledger.
    pub tender_value: Money,
    /// The largest share of a receipt that may be paid with points.
    pub receipt_share: Rate,
}

/// Terms as somebody wishes them: what is left out stays as it is, or takes the coalition's default.
#[derive(Debug, Clone, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct TermsDraft {
    pub funding: Option<Funding>,
    pub price: Option<Price>,
    pub value: Option<Price>,
    pub reimbursement: Option<Price>,
    pub acceptance_fee: Option<Rate>,
    pub fee_bearer: Option<FeeBearer>,
    pub breakage: Option<Breakage>,
    pub expiry: Option<ExpiryPolicy>,
    /// Some(None): issues can be reversed for ever.
    pub return_days: Option<Option<u16>>,
    pub tender_value: Option<Price>,
    pub receipt_share: Option<Rate>,
}

/// A price per point as it was asked for, perhaps with more decimals than the coalition's scale, be they zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Price {
    mantissa: i128,
    scale: u32,
}

impl Price {
    /// # Errors
    /// [`Malformed`] for a negative price.
    pub fn new(value: Decimal) -> Result<Self, Malformed> {
        if value.is_sign_negative() && !value.is_zero() {
            return Err(Malformed(format!("{value} is not a price: it is below zero")));
        }
        Ok(Self { mantissa: value.mantissa(), scale: value.scale() })
    }

    pub fn decimal(self) -> Decimal {
        Decimal::from_i128_with_scale(self.mantissa, self.scale)
    }

    /// Reads a price in the grammar of [`number`].
    ///
    /// # Errors
    /// [`Malformed`] for another text, or a negative price.
    pub fn read(text: &str) -> Result<Self, Malformed> {
        Self::new(number(text)?)
    }

    /// Rule: price-exact
    fn exact(self, field: &'static str, scale: u32) -> Result<Money, Rejection> {
        Money::exact(self.decimal(), scale).ok_or_else(|| Rejection::PriceNotExact {
            field: field.to_owned(),
            price: self.decimal().to_string(),
            scale,
        })
    }
}

impl TermsDraft {
    /// The full terms that this draft makes of `base`.
    ///
    /// # Errors
    /// `BREAKAGE_NOT_ONE`, `PRICE_NOT_EXACT`, or `TERMS_UNDERFUND` if the price is below the value.
    ///
    /// Rule: terms-fields
    pub fn over(&self, base: &Terms, version: u32, effective: Timestamp, scale: u32) -> Result<Terms, Rejection> {
        let breakage = self.breakage.unwrap_or(base.breakage);
        breakage.check()?;
        let money = |wish: Option<Price>, field, kept| wish.map_or(Ok(kept), |price| price.exact(field, scale));
        let terms = Terms {
            version,
            effective,
            funding: self.funding.unwrap_or(base.funding),
            price: money(self.price, "price", base.price)?,
            value: money(self.value, "value", base.value)?,
            reimbursement: money(self.reimbursement, "reimbursement", base.reimbursement)?,
            acceptance_fee: self.acceptance_fee.unwrap_or(base.acceptance_fee),
            fee_bearer: self.fee_bearer.unwrap_or(base.fee_bearer),
            breakage,
            expiry: self.expiry.unwrap_or(base.expiry),
            return_days: self.return_days.unwrap_or(base.return_days),
            tender_value: money(self.tender_value, "tender_value", base.tender_value)?,
            receipt_share: self.receipt_share.unwrap_or(base.receipt_share),
        };
        if terms.price < terms.value {
            return Err(Rejection::TermsUnderfund {
                lower: "price".to_owned(),
                lower_amount: terms.price.text(scale),
                higher: "value".to_owned(),
                higher_amount: terms.value.text(scale),
            });
        }
        Ok(terms)
    }
}

/// What a partner may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub enum PartnerState {
    Active,
    /// Refuses issues.
    Restricted,
    /// Refuses issues and redemptions.
    Suspended,
    /// As suspended, for good.
    Exited,
}

impl PartnerState {
    pub const ALL: [Self; 4] = [Self::Active, Self::Restricted, Self::Suspended, Self::Exited];

    /// Whether a partner in this state is held to what it did lately.
    pub fn is_suspended(self) -> bool {
        matches!(self, Self::Suspended | Self::Exited)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Restricted => "RESTRICTED",
            Self::Suspended => "SUSPENDED",
            Self::Exited => "EXITED",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// A brand of the coalition. The operator is one as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partner {
    pub id: PartnerId,
    pub display_name: String,
    pub state: PartnerState,
    /// The window that was open when it was suspended, or left; none while it is neither. Of the issues before it
    /// reverses none.
    pub suspended_in: Option<WindowNumber>,
    /// All versions, the oldest first.
    pub terms: Vec<Terms>,
    pub limits: Limits,
}

impl Partner {
    /// The terms in force at a time: of the versions effective by then the one with the latest effective time, of
    /// equal ones the later version. Before the first became effective, the first.
    ///
    /// Rule: terms-in-force
    pub fn terms_at(&self, now: Timestamp) -> &Terms {
        let in_force = self.terms.iter().filter(|terms| terms.effective <= now);
        let first = self.terms.first().expect("a partner is created with terms");
        in_force.max_by_key(|terms| (terms.effective, terms.version)).unwrap_or(first)
    }

    /// The versions that are in force at a time or will be later.
    pub fn terms_from(&self, now: Timestamp) -> impl Iterator<Item = &Terms> {
        let current = self.terms_at(now);
        self.terms.iter().filter(move |terms| terms.effective > now || terms.version == current.version)
    }

    pub fn terms_version(&self, version: u32) -> Option<&Terms> {
        self.terms.iter().find(|terms| terms.version == version)
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
}

/// A time zone goes by its IANA name.
fn write_zone<W: io::Write>(zone: &TimeZone, writer: &mut W) -> io::Result<()> {
    let name = zone.iana_name().ok_or_else(|| io::Error::other("a coalition's time zone has an IANA name"))?;
    name.serialize(writer)
}

fn read_zone<R: io::Read>(reader: &mut R) -> io::Result<TimeZone> {
    TimeZone::get(&String::deserialize_reader(reader)?).map_err(io::Error::other)
}

/// A till's clock may run ahead of the house by this much.
pub const CLOCK_SKEW_SECONDS: i64 = 300;

/// The largest scale of money.
pub const SCALE_MAX: u32 = 6;

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

/// The coalition and its partners: what every batch needs and few change.
#[derive(Debug, Clone)]
pub struct House {
    pub coalition: Coalition,
    pub partners: BTreeMap<PartnerId, Partner>,
    /// The calendar of cut-offs.
    pub calendar: Calendar,
}

/// The published schedule of cut-offs: cron expressions in a time zone. Empty: windows close by hand only.
#[derive(Debug, Clone, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Calendar {
    /// Five fields each: minute, hour, day of month, month, day of week.
    pub cut_offs: Vec<String>,
    /// An IANA time zone name.
    pub time_zone: String,
}

impl House {
    pub fn partner(&self, id: PartnerId) -> Result<&Partner, Rejection> {
        self.partners.get(&id).ok_or_else(|| Rejection::not_found("partner", id))
    }

    /// The terms a lot was issued under.
    pub fn lot_terms(&self, issuer: PartnerId, version: u32) -> &Terms {
        let partner = self.partners.get(&issuer).expect("a lot's issuer is a partner");
        partner.terms_version(version).expect("a lot's terms are never deleted")
    }

    /// Refuses new terms under which somebody would get more for a point than backs it: every reimbursement in force
    /// now or later must be at most every value in force now or later, or still backing outstanding points.
    ///
    /// Rule: terms-underfund
    pub fn check_funding(
        &self,
        partner: PartnerId,
        new: &Terms,
        now: Timestamp,
        outstanding: &BTreeMap<(PartnerId, u32), Points>,
    ) -> Result<(), Rejection> {
        let scale = self.coalition.scale;
        // A version that the new one replaces from now on is no longer in force.
        let replaced =
            |other: &Partner, terms: &Terms| other.id == partner && new.effective <= now && terms.effective <= now;
        let underfund = |reimbursement: Money, acceptor: PartnerId, value: Money, issuer: PartnerId| {
            Err(Rejection::TermsUnderfund {
                lower: format!("value of {issuer}"),
                lower_amount: value.text(scale),
                higher: format!("reimbursement of {acceptor}"),
                higher_amount: reimbursement.text(scale),
            })
        };
        if new.reimbursement > new.value {
            return underfund(new.reimbursement, partner, new.value, partner);
        }
        for other in self.partners.values() {
            for terms in other.terms_from(now).filter(|terms| !replaced(other, terms)) {
                if new.reimbursement > terms.value {
                    return underfund(new.reimbursement, partner, terms.value, other.id);
                }
                if terms.reimbursement > new.value {
                    return underfund(terms.reimbursement, other.id, new.value, partner);
                }
            }
        }
        for ((issuer, version), points) in outstanding {
            let backing = self.lot_terms(*issuer, *version).value;
            if points.0 > 0 && new.reimbursement > backing {
                return underfund(new.reimbursement, partner, backing, *issuer);
            }
        }
        Ok(())
    }
}

impl From<Overflow> for Rejection {
    fn from(_: Overflow) -> Self {
        Self::Overflow { what: "an amount".to_owned(), maximum: i64::MAX }
    }
}

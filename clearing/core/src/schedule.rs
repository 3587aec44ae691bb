//! The cut-offs that follow from a calendar: pure functions of it. Nothing of them is stored, and nobody counts them on.
//!
//! A cut-off is a time on the wall of the calendar's zone. A change to summer time skips such times: they are due when the gap
//! ends. A change back repeats them: they are due the first time. So every cut-off happens once, whatever the clocks of the zone
//! do, and cut-offs that fall on the same moment are one.
//!
//! The *day of a cut-off* is the day that it ends: that of the moment before it. So one at midnight belongs to the day before,
//! when it comes to holidays, to business days after it, and to the year.
//!
//! A row of cut-offs is so many times of the day on so many days. Holidays move days and never times, so the days are gone
//! through one by one, and which of the row's times a day has is asked of that day alone.

mod holidays;

use jiff::ToSpan;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

use crate::facts::calendar::{
    Calendar, CalendarVersion, Calendars, CutOff, CutOffPattern, OnHoliday, SettlementDays, Weekday,
};
use crate::facts::origin::BusinessDate;
use crate::schedule::holidays::is_holiday;
use crate::units::{Timestamp, shown};

/// After so many years the calendar repeats itself, to the day of the week.
const CYCLE_YEARS: i16 = 400;
const CYCLE_DAYS: usize = 146_097;
/// How many days a holiday moves a cut-off at the most: more than there can be free days in a row, as holidays are counted.
const MOVED_DAYS_MAX: usize = 2 * Calendar::DATES_MAX;

/// Why a calendar cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CalendarProblem {
    #[error("{count} cut-offs are given; a calendar has at most {}: leave out {}", Calendar::CUT_OFFS_MAX, .count - Calendar::CUT_OFFS_MAX)]
    TooMany { count: usize },
    #[error("{} is not a cron expression of five fields", shown(.expression))]
    NotFiveFields { row: usize, expression: String },
    #[error("{} is not a cron expression: {problem}", shown(.expression))]
    Malformed { row: usize, expression: String, problem: String },
    #[error("{} never occurs", shown(.expression))]
    NeverOccurs { row: usize, expression: String },
    #[error("{} is not the name of an IANA time zone", shown(.0))]
    UnknownZone(String),
    #[error(
        "{} is told {advice} and paid {payment} business days after it; write 0 to {} days, and pay no sooner than you tell",
        shown(.expression),
        CutOffPattern::DAYS_MAX
    )]
    Days { row: usize, expression: String, advice: u8, payment: u8 },
    #[error("{days} days of the week are without banks; write at most {}", Calendar::WEEKEND_MAX)]
    Weekend { days: usize },
    #[error("{count} {what} are given; a calendar has at most {}: leave out those that are over", Calendar::DATES_MAX)]
    Dates { what: &'static str, count: usize },
    #[error("{0} is both a holiday and a working day; write it in one of the two")]
    Both(BusinessDate),
}

impl CalendarProblem {
    /// The field that it is about.
    pub fn field(&self) -> String {
        let field = match self {
            Self::NotFiveFields { row, .. } | Self::Malformed { row, .. } | Self::NeverOccurs { row, .. } => {
                return format!("calendar.cut_offs[{row}].cron_expression");
            }
            Self::Days { row, .. } => return format!("calendar.cut_offs[{row}].payment_days"),
            Self::TooMany { .. } => "calendar.cut_offs",
            Self::UnknownZone(_) => "calendar.time_zone",
            Self::Weekend { .. } => "calendar.weekend",
            Self::Dates { what: "working days", .. } => "calendar.working_days",
            Self::Dates { .. } | Self::Both(_) => "calendar.holidays",
        };
        field.to_owned()
    }
}

/// Whether a calendar can be kept: everything in it within its bounds, every row of cut-offs with five fields and at least one
/// cut-off, and a known time zone.
///
/// # Errors
/// What is wrong with it, in words that name it.
///
/// Rule: calendar-bounds
pub fn check(calendar: &Calendar) -> Result<(), CalendarProblem> {
    let Calendar { cut_offs, time_zone: _, weekend, holiday_rules: _, holidays, working_days } = calendar;
    if weekend.len() > Calendar::WEEKEND_MAX {
        return Err(CalendarProblem::Weekend { days: weekend.len() });
    }
    for (what, dates) in [("holidays", holidays), ("working days", working_days)] {
        if dates.len() > Calendar::DATES_MAX {
            return Err(CalendarProblem::Dates { what, count: dates.len() });
        }
    }
    if let Some(both) = holidays.intersection(working_days).next() {
        return Err(CalendarProblem::Both(*both));
    }
    let plan = Plan::read(calendar)?;
    for (place, (row, pattern)) in plan.rows.iter().zip(cut_offs).enumerate() {
        let CutOffPattern { advice_days: advice, payment_days: payment, .. } = *pattern;
        let expression = || pattern.cron_expression.clone();
        if advice > payment || payment > CutOffPattern::DAYS_MAX {
            return Err(CalendarProblem::Days { row: place, expression: expression(), advice, payment });
        }
        // Whether a row ever has a cut-off does not depend on when one starts to look.
        let mut days =
            std::iter::successors(Some(Date::constant(2000, 1, 1)), |day| day.tomorrow().ok()).take(CYCLE_DAYS);
        if !days.any(|day| plan.times_of(row, day).next().is_some()) {
            return Err(CalendarProblem::NeverOccurs { row: place, expression: expression() });
        }
    }
    Ok(())
}

/// A calendar that was read.
#[derive(Debug)]
struct Plan<'a> {
    calendar: &'a Calendar,
    rows: Vec<Row<'a>>,
    zone: TimeZone,
}

/// A row of cut-offs: times of the day on days.
#[derive(Debug)]
struct Row<'a> {
    pattern: &'a CutOffPattern,
    cron: croner::Cron,
    /// Minutes of the day, ascending. Midnight, which ends the day before, is not among them.
    minutes: Vec<i64>,
    midnight: bool,
}

impl<'a> Plan<'a> {
    fn read(calendar: &'a Calendar) -> Result<Self, CalendarProblem> {
        if calendar.cut_offs.len() > Calendar::CUT_OFFS_MAX {
            return Err(CalendarProblem::TooMany { count: calendar.cut_offs.len() });
        }
        let zone = match calendar.time_zone.as_str() {
            "" => TimeZone::UTC,
            name => TimeZone::get(name).map_err(|_| CalendarProblem::UnknownZone(name.to_owned()))?,
        };
        let rows = calendar.cut_offs.iter().enumerate().map(|(row, pattern)| Row::read(row, pattern));
        let rows = rows.collect::<Result<_, _>>()?;
        Ok(Self { calendar, rows, zone })
    }

    fn is_business_day(&self, day: Date) -> bool {
        let Calendar { weekend, holiday_rules, holidays, working_days, .. } = self.calendar;
        let date = BusinessDate::of(day);
        if working_days.contains(&date) {
            return true;
        }
        let free = weekend.contains(&weekday(day))
            || holidays.contains(&date)
            || holiday_rules.iter().any(|rule| is_holiday(*rule, day));
        !free
    }

    /// The business day so many business days after a day; of none after it the day itself, or the next that is one.
    ///
    /// Rule: business-days
    fn business_day_after(&self, day: Date, count: u8) -> Option<Date> {
        let first = if count == 0 { day } else { day.tomorrow().ok()? };
        let days = std::iter::successors(Some(first), |day| day.tomorrow().ok());
        days.filter(|day| self.is_business_day(*day)).nth(usize::from(count.saturating_sub(1)))
    }

    /// The days whose cut-offs of a row fall on a day.
    ///
    /// Rule: cut-off-on-holiday
    fn days_that_fall_on(&self, row: &Row<'_>, day: Date) -> impl Iterator<Item = Date> {
        let here = row.pattern.on_holiday == OnHoliday::Keep || self.is_business_day(day);
        let step = move |from: Date| match row.pattern.on_holiday {
            OnHoliday::Before => from.tomorrow().ok(),
            OnHoliday::After => from.yesterday().ok(),
            OnHoliday::Keep | OnHoliday::Skip => None,
        };
        let free = std::iter::successors(step(day), move |day| step(*day)).take(MOVED_DAYS_MAX);
        let free = free.take_while(move |day| !self.is_business_day(*day));
        std::iter::once(day).chain(free).filter(move |_| here)
    }

    /// The minutes of a day at which a row has cut-offs, counted from its midnight; 1,440 is the midnight that ends it.
    fn times_of<'b>(&'b self, row: &'b Row<'_>, day: Date) -> impl Iterator<Item = i64> + 'b {
        let falls = |of: &dyn Fn(Date) -> bool| self.days_that_fall_on(row, day).any(of);
        let by_day = !row.minutes.is_empty() && falls(&|day| row.has_day(day));
        let by_midnight = row.midnight && falls(&|day| day.tomorrow().is_ok_and(|next| row.has_day(next)));
        let minutes = row.minutes.iter().copied().filter(move |_| by_day);
        minutes.chain(std::iter::once(1_440).filter(move |_| by_midnight))
    }

    /// The first cut-off behind a moment, and the row that it is of.
    ///
    /// Rule: cut-offs
    fn first_after(&self, after: Timestamp) -> Option<(Timestamp, &Row<'a>)> {
        // A midnight that is still to come ends the day before.
        let first = self.day_of(after)?;
        // What the wall of that day has shown is over: a time that comes twice was due the first time.
        let local = self.zone.to_datetime(after.to_jiff());
        let shown = i64::from(local.hour()) * 60 + i64::from(local.minute());
        let over = |day: Date| if day == local.date() { shown } else { -1 };
        let days = std::iter::successors(Some(first), |day| day.tomorrow().ok()).take(CYCLE_DAYS + MOVED_DAYS_MAX);
        for day in days {
            let mut found: Option<(Timestamp, &Row<'a>)> = None;
            for row in &self.rows {
                let ahead = self.times_of(row, day).filter(|minute| *minute > over(day));
                // Within the second pass of an hour that is repeated, what follows on the wall has happened in the first.
                let next = ahead.filter_map(|minute| self.moment(day, minute)).find(|at| *at > after);
                // Of several on one moment the first row says when it is paid.
                if let Some(next) = next.filter(|next| found.is_none_or(|(first, _)| *next < first)) {
                    found = Some((next, row));
                }
            }
            if found.is_some() {
                return found;
            }
        }
        None
    }

    fn moment(&self, day: Date, minute: i64) -> Option<Timestamp> {
        let civil = day.to_datetime(Time::midnight()).checked_add(minute.minutes()).ok()?;
        Timestamp::of_wall(civil, &self.zone).filter(|moment| *moment <= Timestamp::LAST)
    }

    /// The day that a moment ends: that of the moment before it.
    fn day_of(&self, moment: Timestamp) -> Option<Date> {
        let before = Timestamp(moment.0.checked_sub(1)?);
        Some(self.zone.to_datetime(before.to_jiff()).date())
    }

    /// When what closes at a moment is told and paid, by a row.
    fn days_after(&self, moment: Timestamp, row: &Row<'_>) -> Option<SettlementDays> {
        let day = self.day_of(moment)?;
        let after = |count| self.business_day_after(day, count).map(BusinessDate::of);
        let CutOffPattern { advice_days, payment_days, .. } = row.pattern;
        Some(SettlementDays { advice: after(*advice_days)?, payment: after(*payment_days)? })
    }
}

impl<'a> Row<'a> {
    /// The row of this place.
    fn read(row: usize, pattern: &'a CutOffPattern) -> Result<Self, CalendarProblem> {
        let text = &pattern.cron_expression;
        if text.len() > CutOffPattern::EXPRESSION_LENGTH_MAX || text.split_whitespace().count() != 5 {
            return Err(CalendarProblem::NotFiveFields { row, expression: text.clone() });
        }
        let malformed = |error: croner::errors::CronError| {
            let (expression, problem) = (text.clone(), error.to_string());
            CalendarProblem::Malformed { row, expression, problem }
        };
        let parser = croner::parser::CronParser::builder()
            .seconds(croner::parser::Seconds::Disallowed)
            .year(croner::parser::Year::Disallowed)
            .build();
        let cron = parser.parse(text).map_err(malformed)?;
        let mut minutes = Vec::new();
        for minute in 0..1_440_u32 {
            let (hour, of_hour) = (minute / 60, minute % 60);
            let fields = &cron.pattern;
            if fields.hour_match(hour).map_err(malformed)? && fields.minute_match(of_hour).map_err(malformed)? {
                minutes.push(i64::from(minute));
            }
        }
        let midnight = minutes.first() == Some(&0);
        minutes.retain(|minute| *minute > 0);
        Ok(Self { pattern, cron, minutes, midnight })
    }

    /// Whether the expression names a day. The parser knows no year behind 5000, so it is asked of the years 2000 to 2399.
    fn has_day(&self, day: Date) -> bool {
        let year = i32::from((day.year() - 2000).rem_euclid(CYCLE_YEARS)) + 2000;
        let (month, of_month) = (u32::from(day.month().unsigned_abs()), u32::from(day.day().unsigned_abs()));
        let since_sunday = u32::from(day.weekday().to_sunday_zero_offset().unsigned_abs());
        let weekday = croner::Weekday::from_days_from_sunday(since_sunday);
        let fields = &self.cron.pattern;
        let named = fields.month_match(month).and_then(|named| {
            let of_day = fields.day_match(year, month, of_month, weekday)?;
            Ok(named && of_day)
        });
        named.unwrap_or(false)
    }
}

fn weekday(day: Date) -> Weekday {
    Weekday::ALL[usize::from(day.weekday().to_monday_zero_offset().unsigned_abs())]
}

/// The cut-offs of a calendar with all its versions.
#[derive(Debug)]
pub struct Schedule<'a> {
    versions: Vec<(&'a CalendarVersion, Plan<'a>)>,
}

impl<'a> Schedule<'a> {
    /// # Errors
    /// What of a version cannot be read.
    pub fn read(calendars: &'a Calendars) -> Result<Self, CalendarProblem> {
        let read = |version: &'a CalendarVersion| Ok((version, Plan::read(&version.calendar)?));
        Ok(Self { versions: calendars.iter().map(read).collect::<Result<_, _>>()? })
    }

    /// The first cut-off behind a moment. Each moment is ruled by one version: by the last that took effect before it. So no
    /// cut-off is left out or doubled where one version follows another.
    ///
    /// Rule: calendar-versions
    fn first_after(&self, after: Timestamp) -> Option<(Timestamp, u32, &Plan<'a>, &Row<'a>)> {
        for (at, (version, plan)) in self.versions.iter().enumerate() {
            let until = self.versions.get(at + 1).map_or(Timestamp::LAST, |(next, _)| next.effective);
            if until <= after {
                continue;
            }
            if let Some((time, row)) = plan.first_after(after.max(version.effective)).filter(|(time, _)| *time <= until)
            {
                return Some((time, version.number, plan, row));
            }
        }
        None
    }

    /// When the open window closes next, behind a moment.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        self.first_after(after).map(|(time, ..)| time)
    }

    /// The cut-offs behind a moment, as they are published, the earliest first.
    pub fn after(&self, after: Timestamp) -> impl Iterator<Item = CutOff> {
        let mut next = self.first_after(after);
        std::iter::from_fn(move || {
            let (time, version, plan, row) = next.take()?;
            next = self.first_after(time);
            let days = plan.days_after(time, row)?;
            let last_of_year = is_last_of_year(plan, time, next.as_ref().map(|(time, ..)| *time));
            Some(CutOff { time, version, days, last_of_year })
        })
    }

    /// What the calendar says of a close at a moment: at a cut-off what is published of it; at any other what it would be if
    /// the next cut-off were that moment. None while windows are closed by hand only.
    ///
    /// Rule: settlement-days
    pub fn of_close(&self, moment: Timestamp) -> Option<CutOff> {
        let (_, version, plan, row) = self.first_after(Timestamp(moment.0.checked_sub(1)?))?;
        let next = self.next_after(moment);
        let days = plan.days_after(moment, row)?;
        Some(CutOff { time: moment, version, days, last_of_year: is_last_of_year(plan, moment, next) })
    }
}

/// Whether no other cut-off of its year follows one.
///
/// Rule: last-of-year
fn is_last_of_year(plan: &Plan<'_>, moment: Timestamp, next: Option<Timestamp>) -> bool {
    let year = |moment| plan.day_of(moment).map(Date::year);
    next.is_none_or(|next| year(next) != year(moment))
}

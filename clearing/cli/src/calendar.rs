//! `clearing calendar`: when the house closes windows by itself, and when their money moves.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use clearing_core::facts::calendar::{Calendar as CoreCalendar, HolidayRule};
use clearing_core::facts::origin::BusinessDate;
use jiff::tz::TimeZone;
use partner_sdk::operator::{CutOffRow, SetCalendar};
use partner_sdk::{CalendarVersion, CutOff, OnHoliday, Weekday};
use serde_json::{Value, json};

use crate::context::Context;
use crate::failure::{Failure, accepted};
use crate::files::{may_write, write};
use crate::icalendar::{self, Event, Moment, When as Happens};
use crate::output::{Answer, Page};
use crate::session::{Effect, Session, moment};
use crate::times::{When, Zone, when};
use crate::values;

/// Expressions for the help, with what they mean and the first days of 2026 on which they close a window.
const EXAMPLES: [(&str, &str, [&str; 3]); 11] = [
    ("0 0 * * *", "every midnight: the day that ends with it", ["01-01", "01-02", "01-03"]),
    ("30 23 * * FRI", "Fridays at 23:30", ["01-02", "01-09", "01-16"]),
    ("0 12 1,15 * *", "noon of the 1st and of the 15th", ["01-01", "01-15", "02-01"]),
    ("0 12 1 * FRI", "the 1st, and every Friday as well", ["01-01", "01-02", "01-09"]),
    ("0 12 1 * +FRI", "a 1st that is a Friday", ["05-01", "01-01", "10-01"]),
    ("0 12 L * *", "the last day of a month", ["01-31", "02-28", "03-31"]),
    ("0 12 15W * *", "the weekday next to the 15th", ["01-15", "02-16", "03-16"]),
    ("0 12 LW * *", "the last weekday of a month", ["01-30", "02-27", "03-31"]),
    ("0 12 * * FRI#2", "the second Friday of a month", ["01-09", "02-13", "03-13"]),
    ("0 12 * * FRI#L", "the last Friday of a month", ["01-30", "02-27", "03-27"]),
    ("0 12 * * MON-FRI", "every weekday", ["01-01", "01-02", "01-05"]),
];

/// The calendar commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Sets when windows are closed. Takes the place of the calendar that was, now or from a time on.
    #[command(after_help = help())]
    Set(Box<Set>),
    /// Shows what is published: the calendar in force, those announced, and the cut-offs to come with the days on which they are
    /// told and paid.
    #[command(after_help = help())]
    Show(Show),
}

fn help() -> String {
    let mut text = "Examples:\n  clearing calendar set '0 0 * * *'\n  \
                    clearing calendar set '30 23 * * FRI' --time-zone Europe/Moscow\n  \
                    clearing calendar set '0 12 * * *' '0 0 1 * *'     whenever one of the two is due\n  \
                    clearing calendar set '0 18 L * *' --on-holiday BEFORE --holidays TARGET --advice 1 --payment 3\n  \
                                                                   the last business day of every month\n  \
                    clearing calendar set '0 18 * * FRI' '0 18 L * * BEFORE 1 3' --on-holiday SKIP\n  \
                                                                   that, and every Friday that is no holiday\n  \
                    clearing calendar set '0 0 * * *' --from 2026-12-01     announced: it rules from then on\n  \
                    clearing calendar set --none                       by hand only\n  \
                    clearing calendar show --next 12 --ics cut-offs.ics\n\n\
                    What is published of the cut-offs that are less than a day away stays.\n\n\
                    Five fields: minute, hour, day of month, month, day of week (0 or SUN to 6 or SAT). Times are those on the wall of the\n\
                    zone. One that a change to summer time skips is due when the gap ends; one that comes twice, the first time.\n\n\
                    Two day fields: where neither is *, a day that one of them names is enough. + before the day of the week wants both.\n\
                    L, W and # count within a month:\n"
        .to_owned();
    for (expression, meaning, _) in EXAMPLES {
        text.push_str(&format!("  {expression:<17} {meaning}\n"));
    }
    text
}

/// Arguments of `calendar set`.
#[derive(Debug, Args)]
pub struct Set {
    /// Cron expressions of five fields, each in quotes; the window is closed whenever one of them is due. Where rows differ, each
    /// says behind its fields what --on-holiday, --advice and --payment say of all others: '0 18 L * * BEFORE 1 3'.
    #[arg(value_name = "CRON", required_unless_present = "none", num_args = 1..=16, value_parser = row)]
    rows: Vec<Row>,
    /// What becomes of a cut-off on a day on which banks do not work: KEEP it, have it at the same time of the last business day
    /// BEFORE or of the next one AFTER, or SKIP it.
    #[arg(long, value_name = "WHAT", default_value = "KEEP", value_parser = on_holiday)]
    on_holiday: OnHoliday,
    /// Business days after the cut-off on which its settlement is told: 0 to 30.
    #[arg(long, value_name = "DAYS", default_value_t = 0, value_parser = |text: &str| values::between::<u8>(text, 0, 30))]
    advice: u8,
    /// Business days after the cut-off on which its settlement is paid: 0 to 30. Left out: as --advice.
    #[arg(long, value_name = "DAYS", value_parser = |text: &str| values::between::<u8>(text, 0, 30))]
    payment: Option<u8>,
    /// The IANA time zone in which they are read. Left out: the coalition's.
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// The days of the week on which banks do not work, at most 3, such as FRI,SAT. Left out: SAT,SUN.
    #[arg(long, value_name = "DAY,...", value_delimiter = ',', value_parser = weekday)]
    weekend: Option<Vec<Weekday>>,
    /// Banks work on every day of the week but holidays.
    #[arg(long, conflicts_with = "weekend")]
    no_weekend: bool,
    /// Holidays of every year, by the names of rules: TARGET, DE, RU, US-FED. Those of other countries, and what is decreed for a
    /// year, are dates of --holiday-file.
    #[arg(long, value_name = "RULE,...", value_delimiter = ',', value_parser = holiday_rule)]
    holidays: Vec<String>,
    /// A file of holidays, one date a line such as 2026-05-11; `2026-11-07 working` is a day on which banks work. What follows a #
    /// is not read. At most 1,000 of each.
    #[arg(long, value_name = "FILE")]
    holiday_file: Option<PathBuf>,
    /// From when on it rules; a day: from its beginning. Left out: at once.
    #[arg(long, value_name = "TIME", value_parser = when)]
    from: Option<When>,
    /// No calendar: windows are closed by hand.
    #[arg(long, conflicts_with_all = ["rows", "on_holiday", "advice", "payment", "time_zone", "weekend", "no_weekend", "holidays", "holiday_file"])]
    none: bool,
    #[command(flatten)]
    effect: Effect,
}

/// Arguments of `calendar show`.
#[derive(Debug, Args)]
pub struct Show {
    /// How many cut-offs, of the year that is published: 1 to 1,000.
    #[arg(long, value_name = "COUNT", default_value_t = 10, value_parser = |text: &str| values::between::<u16>(text, 1, 1000))]
    next: u16,
    /// Writes them into this file as well, for calendar programs (iCalendar).
    #[arg(long, value_name = "FILE")]
    ics: Option<PathBuf>,
    /// Takes the place of a file that is there.
    #[arg(long, requires = "ics")]
    force: bool,
}

/// A row of cut-offs as it is typed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    expression: String,
    on_holiday: Option<OnHoliday>,
    advice: Option<u8>,
    payment: Option<u8>,
}

/// A cron expression, and behind its five fields maybe what a holiday does to it and when it is told and paid: as `clearing log`
/// tells a row. The expression stays as it was typed.
fn row(text: &str) -> Result<Row, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (fields, rest) = words.split_at(words.len().min(5));
    let end = fields.iter().fold(0, |end, field| end + text[end..].find(field).unwrap_or_default() + field.len());
    let days = |text: &&str| values::between::<u8>(text, 0, 30).map_err(|problem| format!("{text}: {problem}"));
    if rest.len() > 3 {
        return Err(format!(
            "{} words; at most 8: five fields, KEEP, BEFORE, AFTER or SKIP, and two numbers of days",
            words.len()
        ));
    }
    Ok(Row {
        expression: if rest.is_empty() { text.to_owned() } else { text[..end].to_owned() },
        on_holiday: rest
            .first()
            .map(|word| on_holiday(word).map_err(|problem| format!("{word}: {problem}")))
            .transpose()?,
        advice: rest.get(1).map(days).transpose()?,
        payment: rest.get(2).map(days).transpose()?,
    })
}

fn on_holiday(text: &str) -> Result<OnHoliday, String> {
    values::one_of(text, &OnHoliday::ALL.iter().map(|what| (what.as_str(), *what)).collect::<Vec<_>>())
}

fn weekday(text: &str) -> Result<Weekday, String> {
    values::one_of(text, &Weekday::ALL.iter().map(|day| (&day.as_str()[..3], *day)).collect::<Vec<_>>())
}

fn holiday_rule(text: &str) -> Result<String, String> {
    let rules = HolidayRule::ALL.map(|rule| (rule.as_str(), rule));
    values::one_of(text, &rules).map(|rule| rule.as_str().to_owned())
}

/// Runs one of them.
pub async fn run(context: &Context, command: Command) -> Result<Answer, Failure> {
    match command {
        Command::Show(arguments) => {
            if let Some(file) = &arguments.ics {
                may_write(file, arguments.force)?;
            }
            let session = Session::open(context).await?;
            show(&session, arguments).await
        }
        Command::Set(arguments) => {
            // What is wrong with a file is told before anything is asked.
            let dates = arguments.holiday_file.as_deref().map(read_dates).transpose()?.unwrap_or_default();
            let session = Session::open(context).await?;
            set(&session, *arguments, dates).await
        }
    }
}

async fn set(session: &Session, arguments: Set, dates: Dates) -> Result<Answer, Failure> {
    let Set { rows, on_holiday, advice, payment, time_zone, weekend, no_weekend, holidays, from, effect, .. } =
        arguments;
    let of_all = |row: Row| {
        let advice = row.advice.unwrap_or(advice);
        let payment = row.payment.or(payment).unwrap_or(advice);
        CutOffRow::cron(row.expression).on_holiday(row.on_holiday.unwrap_or(on_holiday)).days(advice, payment)
    };
    let mut request = SetCalendar::of(rows.into_iter().map(of_all)).holiday_rules(holidays);
    request = request.holidays(dates.holidays).working_days(dates.working_days);
    if let Some(zone) = time_zone {
        request = request.time_zone(zone);
    }
    if let Some(days) = weekend.or_else(|| no_weekend.then(Vec::new)) {
        request = request.weekend(days);
    }
    if let Some(from) = from {
        request = request.effective(from.begin(&session.zone)?);
    }
    let request = request.request_id(session.request_id(effect));
    let set = accepted(session.operator().set_calendar(request).await)?;
    let json = json!({
        "calendar": version_json(&set.version),
        "cut_offs": set.cut_offs.iter().map(cut_off_json).collect::<Vec<_>>(),
        "replayed": set.written.replayed,
    });
    let from = set.version.effective_time;
    let said = if from > session.info.server_time {
        format!("The calendar is set. It rules from {} on; until then the one before it.", session.zone.said(from))
    } else {
        "The calendar is set.".to_owned()
    };
    let page = Page::new().text(said).and(&shown(Some(&set.version), &set.cut_offs, &session.zone));
    Ok(Answer::new(json, page))
}

async fn show(session: &Session, arguments: Show) -> Result<Answer, Failure> {
    let (in_force, _) = session.client.calendar().await?;
    let announced = session.client.announced_calendars().await?;
    let cut_offs = session.client.cut_offs().first(usize::from(arguments.next)).await?;
    let json = json!({
        "calendar": in_force.as_ref().map(version_json),
        "announced": announced.iter().map(version_json).collect::<Vec<_>>(),
        "cut_offs": cut_offs.iter().map(cut_off_json).collect::<Vec<_>>(),
    });
    let mut page = shown(in_force.as_ref(), &cut_offs, &session.zone);
    for version in &announced {
        let from = session.zone.said(version.effective_time);
        page = page.text(format!("Announced from {from} on: {}.", words(version)));
    }
    if let Some(file) = &arguments.ics {
        let coalition = &session.info.coalition_id;
        let made = in_force.iter().chain(&announced).map(|version| version.effective_time).max();
        let made = made.unwrap_or(session.info.server_time);
        let text = icalendar::file(&format!("Cut-offs of {coalition}"), utc(made), &events(coalition, &cut_offs));
        write(file, &text, arguments.force)?;
        page = page.text(format!("Wrote {} cut-offs to {}.", cut_offs.len(), file.display()));
    }
    Ok(Answer::new(json, page))
}

fn version_json(version: &CalendarVersion) -> Value {
    let calendar = &version.calendar;
    let cut_offs = calendar.cut_offs.iter().map(|row| {
        json!({
            "cron_expression": row.cron_expression,
            "on_holiday": row.on_holiday.as_str(),
            "advice_days": row.advice_days,
            "payment_days": row.payment_days,
        })
    });
    json!({
        "version": version.number,
        "effective_time": moment(version.effective_time),
        "cut_offs": cut_offs.collect::<Vec<_>>(),
        "time_zone": calendar.time_zone,
        "weekend": calendar.weekend.iter().map(|day| day.as_str()).collect::<Vec<_>>(),
        "holiday_rules": calendar.holiday_rules,
        "holidays": calendar.holidays,
        "working_days": calendar.working_days,
    })
}

fn cut_off_json(cut_off: &CutOff) -> Value {
    json!({
        "close_time": moment(cut_off.close_time),
        "advice_day": cut_off.advice_day,
        "payment_day": cut_off.payment_day,
        "last_of_year": cut_off.last_of_year,
        "calendar_version": cut_off.calendar_version,
    })
}

/// A calendar for people: what it says, and what follows from it on the walls of its zone and of the coalition's.
fn shown(version: Option<&CalendarVersion>, cut_offs: &[CutOff], coalition: &Zone) -> Page {
    let Some(version) = version.filter(|version| !version.calendar.cut_offs.is_empty()) else {
        return Page::new().text("Windows are closed by hand, with `clearing window close`.");
    };
    let calendar = &version.calendar;
    let own = Zone::named(&calendar.time_zone);
    let mut page =
        Page::new().text(format!("Windows are closed by this calendar, in times of {}:", calendar.time_zone));
    for row in &calendar.cut_offs {
        let (advice, payment) = (row.advice_days, row.payment_days);
        let days = format!("told {advice}, paid {payment} business days later");
        page = page.text(format!("  {}   on a holiday {}, {days}", row.cron_expression, row.on_holiday));
    }
    if !calendar.holiday_rules.is_empty() {
        page = page.text(format!("Holidays are those of {}.", calendar.holiday_rules.join(", ")));
    }
    let dates = calendar.holidays.len() + calendar.working_days.len();
    if dates > 0 {
        page = page.text(format!("{dates} days are written down besides: `--output json` has them."));
    }
    let elsewhere = own.name() != coalition.name();
    let (here, there) = (format!("next, {}", own.name()), coalition.name());
    let mut header = vec!["", here.as_str()];
    header.extend(elsewhere.then_some(there));
    header.extend(["told", "paid", ">calendar", ""]);
    let rows = cut_offs.iter().map(|cut_off| {
        let mut row = vec![own.weekday(cut_off.close_time), own.text(cut_off.close_time)];
        row.extend(elsewhere.then(|| coalition.text(cut_off.close_time)));
        let last = if cut_off.last_of_year { "last of the year" } else { "" };
        row.extend([cut_off.advice_day.clone(), cut_off.payment_day.clone()]);
        row.extend([cut_off.calendar_version.to_string(), last.to_owned()]);
        row
    });
    page.table(&header, rows)
}

/// A calendar in a few words, for a sentence.
pub fn words(version: &CalendarVersion) -> String {
    let expressions: Vec<&str> = version.calendar.cut_offs.iter().map(|row| row.cron_expression.as_str()).collect();
    if expressions.is_empty() {
        "by hand".to_owned()
    } else {
        format!("{}, {}", expressions.join("; "), version.calendar.time_zone)
    }
}

/// Three events for each cut-off: the close, the day on which it is told, and the day on which it is paid.
fn events(coalition: &str, cut_offs: &[CutOff]) -> Vec<Event> {
    let of_one = |cut_off: &CutOff| {
        let closes = utc(cut_off.close_time);
        let ((year, month, day), (hour, minute, second)) = (closes.date, closes.time);
        let stamp = format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z");
        let sequence = u32::try_from(cut_off.calendar_version).unwrap_or(0);
        let last = if cut_off.last_of_year { "The last of the year: no leg is carried for being small." } else { "" };
        let event = |what: &str, when, summary: &str, description: &str| Event {
            uid: format!("{what}-{stamp}@{coalition}"),
            when,
            sequence,
            summary: format!("{coalition}: {summary}"),
            description: description.to_owned(),
        };
        let on = |text: &str| {
            let date = text.parse::<BusinessDate>().map(BusinessDate::to_jiff).ok()?;
            Some(Happens::On(date.year().unsigned_abs(), date.month().unsigned_abs(), date.day().unsigned_abs()))
        };
        let of_window = format!("Of the window that closes {}.", moment(cut_off.close_time));
        let mut events = vec![event("cut-off", Happens::At(closes), "the window closes", last)];
        events.extend(on(&cut_off.advice_day).map(|day| event("advice", day, "the settlement is told", &of_window)));
        events.extend(on(&cut_off.payment_day).map(|day| event("payment", day, "the settlement is paid", &of_window)));
        events
    };
    cut_offs.iter().flat_map(of_one).collect()
}

fn utc(time: std::time::SystemTime) -> Moment {
    let moment = jiff::Timestamp::try_from(time).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let civil = TimeZone::UTC.to_datetime(moment);
    Moment {
        date: (civil.year().unsigned_abs(), civil.month().unsigned_abs(), civil.day().unsigned_abs()),
        time: (civil.hour().unsigned_abs(), civil.minute().unsigned_abs(), civil.second().unsigned_abs()),
    }
}

/// The dates of a file of holidays.
#[derive(Debug, Default, PartialEq, Eq)]
struct Dates {
    holidays: BTreeSet<String>,
    working_days: BTreeSet<String>,
}

fn read_dates(path: &Path) -> Result<Dates, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| Failure::file("the holidays", path, &error))?;
    dates(&text).map_err(|problem| Failure::usage(format!("{}, {problem}", path.display())))
}

/// # Errors
/// What is wrong, with its line.
fn dates(text: &str) -> Result<Dates, String> {
    let mut dates = Dates::default();
    // Some editors begin a file with a mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let (date, working) = match line.split_once(char::is_whitespace) {
            None => (line, false),
            Some((date, rest)) if rest.trim() == "working" => (date, true),
            Some((_, rest)) => {
                return Err(format!("line {number}: {:?} follows the date; write nothing, or working", rest.trim()));
            }
        };
        let date = date.parse::<BusinessDate>().map_err(|problem| format!("line {number}: {problem}"))?.to_string();
        let kind = if working { &mut dates.working_days } else { &mut dates.holidays };
        if !kind.insert(date.clone()) {
            return Err(format!("line {number}: {date} is there already; leave it out"));
        }
        if kind.len() > CoreCalendar::DATES_MAX {
            let most = CoreCalendar::DATES_MAX;
            return Err(format!("line {number}: more than {most} dates; leave out those that are over"));
        }
    }
    Ok(dates)
}

#[cfg(test)]
mod tests {
    use clearing_core::facts::calendar::Calendars;
    use clearing_core::schedule::Schedule;
    use clearing_core::units::Timestamp;

    use super::*;

    fn next_cut_offs(
        calendar: clearing_core::facts::calendar::Calendar,
        after: Timestamp,
        count: usize,
    ) -> Vec<Timestamp> {
        let calendars = Calendars::from(calendar);
        let schedule = Schedule::read(&calendars).unwrap();
        schedule.after(after).take(count).map(|cut_off| cut_off.time).collect()
    }

    #[test]
    fn each_example_of_the_help_means_what_the_help_says() {
        let (begin, help) = ("2025-12-31T23:59:59Z".parse::<Timestamp>().unwrap(), help());
        for (expression, meaning, days) in EXAMPLES {
            assert!(help.contains(&format!("  {expression:<17} {meaning}\n")), "{help}");
            let calendar = clearing_core::facts::calendar::Calendar::of([expression], "UTC");
            let next: Vec<String> = next_cut_offs(calendar, begin, 3).iter().map(|next| next.to_string()).collect();
            let next: Vec<&str> = next.iter().map(|next| &next[5..10]).collect();
            assert_eq!(next, days, "{expression}");
        }
    }

    /// The help speaks of two day fields: what it says of them holds in every month, not in the first ones alone.
    #[test]
    fn of_two_day_fields_one_is_enough_unless_a_plus_wants_both() {
        let days = |expression: &str| -> Vec<jiff::civil::Date> {
            let calendar = clearing_core::facts::calendar::Calendar::of([expression], "UTC");
            let begin = "2025-12-31T23:59:59Z".parse::<Timestamp>().unwrap();
            let next = next_cut_offs(calendar, begin, 800);
            let dates = next.iter().map(|next| jiff::tz::TimeZone::UTC.to_datetime(next.to_jiff()).date());
            dates.filter(|day| day.year() < 2028).collect()
        };
        let friday = |day: &jiff::civil::Date| day.weekday() == jiff::civil::Weekday::Friday;
        let all = days("0 0 * * *");
        let either: Vec<_> = all.iter().copied().filter(|day| day.day() == 13 || friday(day)).collect();
        let both: Vec<_> = either.iter().copied().filter(|day| day.day() == 13 && friday(day)).collect();
        assert_eq!(days("0 0 13 * FRI")[..50], either[..50]);
        assert_eq!(days("0 0 13 * +FRI"), both);
        assert_eq!(both.len(), 4, "{both:?}");
    }

    #[test]
    fn a_row_may_say_behind_its_fields_what_differs() {
        let typed = |text: &str| row(text).map(|row| (row.expression, row.on_holiday, row.advice, row.payment));
        assert_eq!(typed("0 12  L * *"), Ok(("0 12  L * *".to_owned(), None, None, None)));
        assert_eq!(typed("0 12  L * * before"), Ok(("0 12  L * *".to_owned(), Some(OnHoliday::Before), None, None)));
        let whole = ("0 18 0 * 0".to_owned(), Some(OnHoliday::Skip), Some(1), Some(3));
        assert_eq!(typed(" 0 18 0 * 0 SKIP 1 3 ").map(|row| (row.0.trim().to_owned(), row.1, row.2, row.3)), Ok(whole));
        // What is no row is left to the house, which says what a row is.
        assert_eq!(typed("61"), Ok(("61".to_owned(), None, None, None)));
        for (text, problem) in [
            ("0 18 L * * NEVER", "NEVER"),
            ("0 18 L * * SKIP 31", "31"),
            ("0 18 L * * SKIP 1 x", "x"),
            ("0 18 L * * SKIP 1 3 4", "9 words"),
        ] {
            let refused = typed(text).unwrap_err();
            assert!(refused.contains(problem), "{text}: {refused}");
        }
    }

    #[test]
    fn a_file_of_holidays_is_read_line_by_line() {
        let text = "\u{feff}# Russia, 2026\r\n2026-01-09\r\n\n2026-11-07 working   # for 9 January\n 2026-05-11 \n";
        let read = dates(text).unwrap();
        assert_eq!(read.holidays, ["2026-01-09", "2026-05-11"].map(str::to_owned).into());
        assert_eq!(read.working_days, ["2026-11-07"].map(str::to_owned).into());
        let cases = [
            ("2026-01-09\n09.01.2026\n", "line 2: \"09.01.2026\" is not a date such as 2026-02-01"),
            ("2026-02-30\n", "line 1: \"2026-02-30\" is not a date such as 2026-02-01"),
            ("2026-01-09 free\n", "line 1: \"free\" follows the date; write nothing, or working"),
            ("2026-01-09\n\n2026-01-09\n", "line 3: 2026-01-09 is there already; leave it out"),
        ];
        for (text, problem) in cases {
            assert_eq!(dates(text).unwrap_err(), problem);
        }
        let day = |number: i64| jiff::civil::date(2026, 1, 1).checked_add(jiff::Span::new().days(number)).unwrap();
        let many: String = (0..1001).map(|number| format!("{}\n", day(number))).collect();
        assert_eq!(dates(&many).unwrap_err(), "line 1001: more than 1000 dates; leave out those that are over");
    }
}

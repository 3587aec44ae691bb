//! Holidays that are the same rule every year. What is decreed for one year only is a date of the calendar.
//!
//! | rule | days |
//! |---|---|
//! | `TARGET` | 1 January, Good Friday, Easter Monday, 1 May, 25 and 26 December |
//! | `DE` | 1 January, Good Friday, Easter Monday, 1 May, Ascension, Whit Monday, 3 October, 25 and 26 December |
//! | `RU` | 1 to 8 January, 23 February, 8 March, 1 and 9 May, 12 June, 4 November |
//! | `US-FED` | 1 January, third Monday of January and of February, last Monday of May, 19 June, 4 July, first Monday of September, second Monday of October, 11 November, fourth Thursday of November, 25 December |

use jiff::ToSpan;
use jiff::civil::{Date, Weekday};

use crate::facts::calendar::HolidayRule;

/// Whether a rule makes a day a holiday.
///
/// Rule: holiday-rules
pub(super) fn is_holiday(rule: HolidayRule, day: Date) -> bool {
    let date = (day.month(), day.day());
    match rule {
        HolidayRule::Target => matches!(date, (1 | 5, 1) | (12, 25 | 26)) || is_from_easter(day, &[-2, 1]),
        HolidayRule::Germany => {
            matches!(date, (1 | 5, 1) | (10, 3) | (12, 25 | 26)) || is_from_easter(day, &[-2, 1, 39, 50])
        }
        HolidayRule::Russia => {
            matches!(date, (1, 1..=8) | (2, 23) | (3, 8) | (5, 1 | 9) | (6, 12) | (11, 4))
        }
        HolidayRule::UsFederalReserve => is_of_the_federal_reserve(day),
    }
}

/// Whether a day lies so many days behind Easter Sunday.
fn is_from_easter(day: Date, days: &[i32]) -> bool {
    let easter = easter(day.year());
    days.iter().any(|days| easter.checked_add(days.days()).is_ok_and(|holiday| holiday == day))
}

/// Easter Sunday of the Gregorian calendar (the algorithm of Meeus, Jones and Butcher).
fn easter(year: i16) -> Date {
    let year_number = i32::from(year);
    let (golden, century, of_century) = (year_number % 19, year_number / 100, year_number % 100);
    let moon = (19 * golden + century - century / 4 - (century - (century + 8) / 25 + 1) / 3 + 15) % 30;
    let sunday = (32 + 2 * (century % 4) + 2 * (of_century / 4) - moon - of_century % 4) % 7;
    let late = (golden + 11 * moon + 22 * sunday) / 451;
    let place = moon + sunday - 7 * late + 114;
    let part = |value: i32| i8::try_from(value).expect("a month and a day are small");
    Date::constant(year, part(place / 31), part(place % 31 + 1))
}

fn is_of_the_federal_reserve(day: Date) -> bool {
    let fixed = |day: Date| matches!((day.month(), day.day()), (1, 1) | (6, 19) | (7, 4) | (11, 11) | (12, 25));
    let nth = (day.day() - 1) / 7 + 1;
    let is_last = day.day() + 7 > day.days_in_month();
    let moving = match (day.month(), day.weekday()) {
        (1 | 2, Weekday::Monday) => nth == 3,
        (5, Weekday::Monday) => is_last,
        (9, Weekday::Monday) => nth == 1,
        (10, Weekday::Monday) => nth == 2,
        (11, Weekday::Thursday) => nth == 4,
        _ => false,
    };
    // Of one on a Sunday the Monday behind is free.
    let of_sunday = day.weekday() == Weekday::Monday && day.yesterday().is_ok_and(fixed);
    fixed(day) || moving || of_sunday
}

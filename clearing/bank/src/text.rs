//! What others have written, made fit to be shown; and how files write numbers, dates and accounts.

use clearing_core::units::{Currency, number, shown};
use jiff::civil::Date;
use rust_decimal::Decimal;
use unicode_normalization::UnicodeNormalization as _;
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory as _};

use crate::fault::Fault;

/// Characters that are kept of a text in a statement (purpose, name), at most.
const TEXT_MAX: usize = 500;

/// A text in a statement, such as the purpose or a payer's name, as it may be shown and recorded: in the composed form, without
/// blanks at the ends, runs of blanks as one, at most 500 characters. Whoever pays writes it, so nothing in it may stop the import
/// of a whole file: what is neither visible nor a blank (controls, marks that turn the direction of writing, private and
/// unassigned characters) is shown as U+FFFD.
pub(crate) fn cleaned(text: &str) -> String {
    let mut clean = String::new();
    for word in text.split(|character: char| character.is_whitespace() || character == '\u{85}') {
        if word.is_empty() {
            continue;
        }
        if !clean.is_empty() {
            clean.push(' ');
        }
        clean.extend(word.nfc().map(|character| match character.general_category_group() {
            GeneralCategoryGroup::Other | GeneralCategoryGroup::Separator => char::REPLACEMENT_CHARACTER,
            GeneralCategoryGroup::Letter
            | GeneralCategoryGroup::Mark
            | GeneralCategoryGroup::Number
            | GeneralCategoryGroup::Punctuation
            | GeneralCategoryGroup::Symbol => character,
        }));
    }
    match clean.char_indices().nth(TEXT_MAX) {
        None => clean,
        // What is cut off may leave a blank at the end.
        Some((end, _)) => clean[..end].trim_end().to_owned(),
    }
}

/// A cleaned text, or none where nothing is left or the bank says that there is none.
pub(crate) fn said(text: &str) -> Option<String> {
    let clean = cleaned(text);
    let nothing = ["", "NONREF", "NOTPROVIDED", "NOT PROVIDED"];
    (!nothing.iter().any(|word| clean.eq_ignore_ascii_case(word))).then_some(clean)
}

/// The number of an account as it is compared: without blanks, in capital letters.
pub(crate) fn account_number(text: &str) -> String {
    cleaned(text).chars().filter(|character| *character != ' ').flat_map(char::to_uppercase).collect()
}

/// An amount of money, at least zero, with the digits of the currency's minor unit.
///
/// # Errors
/// [`Fault`], saying what is wrong.
///
/// The grammar is that of the rule `numbers`.
pub(crate) fn amount(text: &str, currency: Currency) -> Result<Decimal, Fault> {
    let value = signed_amount(text, currency)?;
    if value.is_sign_negative() { Err(Fault::Negative(shown(text))) } else { Ok(value) }
}

/// The same, of either sign: balances, and amounts in CSV.
pub(crate) fn signed_amount(text: &str, currency: Currency) -> Result<Decimal, Fault> {
    if text.is_empty() {
        return Err(Fault::Missing);
    }
    if text.contains(',') {
        return Err(Fault::DecimalComma(shown(text)));
    }
    let mut value = number(text).map_err(|malformed| Fault::Malformed(malformed.0))?;
    let decimals_max = currency.minor_digits();
    if value.scale() > decimals_max {
        let currency = currency.to_string();
        return Err(Fault::Decimals { found: shown(text), decimals: value.scale(), decimals_max, currency });
    }
    value.rescale(decimals_max);
    Ok(value)
}

/// A day as `YYYY-MM-DD`.
pub(crate) fn iso_day(text: &str) -> Result<Date, Fault> {
    let refused = || Fault::Date(shown(text), " such as 2026-03-31");
    let mut parts = text.split('-');
    let (Some(year), Some(month), Some(day), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(refused());
    };
    day_of(year, month, day).ok_or_else(refused)
}

/// A day as `DD.MM.YYYY`.
pub(crate) fn dotted_day(text: &str) -> Result<Date, Fault> {
    let refused = || Fault::Date(shown(text), " such as 31.03.2026");
    let mut parts = text.split('.');
    let (Some(day), Some(month), Some(year), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(refused());
    };
    day_of(year, month, day).ok_or_else(refused)
}

/// The day of a date or a moment of ISO 20022, as it is written, whatever zone stands behind; and whether it is the day's first
/// moment.
pub(crate) fn iso_moment(text: &str) -> Result<(Date, bool), Fault> {
    let refused = || Fault::Date(shown(text), " or a moment such as 2026-03-31T08:00:00");
    let (day, rest) = text.split_at_checked(10).ok_or_else(refused)?;
    let day = iso_day(day)?;
    let zone = |rest: &str| {
        rest.is_empty() || rest == "Z" || rest.len() == 6 && rest.starts_with(['+', '-']) && clock(&rest[1..]).is_some()
    };
    let Some(time) = rest.strip_prefix('T') else {
        return if zone(rest) { Ok((day, true)) } else { Err(refused()) };
    };
    let (clock_text, rest) = time.split_at_checked(8).ok_or_else(refused)?;
    clock(clock_text).ok_or_else(refused)?;
    let fraction =
        rest.strip_prefix('.').map_or("", |digits| &digits[..digits.bytes().take_while(u8::is_ascii_digit).count()]);
    let behind = if fraction.is_empty() { rest } else { &rest[fraction.len() + 1..] };
    if !zone(behind) {
        return Err(refused());
    }
    let first = clock_text == "00:00:00" && fraction.bytes().all(|digit| digit == b'0');
    Ok((day, first))
}

/// Whether a text is `HH:MM` or `HH:MM:SS` of a day. 24:00:00 is one of XML.
fn clock(text: &str) -> Option<()> {
    let mut limits = [24, 59, 60].into_iter();
    for part in text.split(':') {
        let limit: u8 = limits.next()?;
        if part.len() != 2 || !part.bytes().all(|digit| digit.is_ascii_digit()) || part.parse::<u8>().ok()? > limit {
            return None;
        }
    }
    Some(())
}

fn day_of(year: &str, month: &str, day: &str) -> Option<Date> {
    let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|digit| digit.is_ascii_digit());
    if !digits(year, 4) || !digits(month, 2) || !digits(day, 2) {
        return None;
    }
    let date = Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()?;
    // Times are between 1970 and 9999.
    (date.year() >= 1970).then_some(date)
}

/// A day as 1C writes it.
pub(crate) fn dotted(date: Date) -> String {
    format!("{:02}.{:02}.{:04}", date.day(), date.month(), date.year())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_payer_writes_is_mended_and_never_hides_anything() {
        for (written, kept) in [
            ("  ООО\t «Ромашка»\r\n Москва ", "ООО «Ромашка» Москва"),
            ("evil\u{202E}gnp.exe", "evil\u{FFFD}gnp.exe"),
            ("a\u{0}b\u{1B}[2J", "a\u{FFFD}b\u{FFFD}[2J"),
            ("zero\u{200B}width\u{FEFF}", "zero\u{FFFD}width\u{FFFD}"),
            ("e\u{301}", "é"),
            ("line\u{2028}two\u{A0}three\u{85}four", "line two three four"),
            ("שלום", "שלום"),
            ("=SUM(A1)", "=SUM(A1)"),
        ] {
            assert_eq!(cleaned(written), kept);
        }
        assert_eq!(cleaned(&"ж ".repeat(1_000)).chars().count(), 499);
        assert_eq!(said(" notprovided "), None);
        assert_eq!(account_number("de89 3704 0044\u{A0}0532 0130 00"), "DE89370400440532013000");
    }

    #[test]
    fn an_amount_has_no_more_decimals_than_its_currency_and_is_never_guessed_at() {
        let [rub, jpy]: [Currency; 2] = ["RUB", "JPY"].map(|code| code.parse().unwrap());
        assert_eq!(amount("5305.6", rub).map(|value| value.to_string()), Ok("5305.60".to_owned()));
        assert_eq!(signed_amount("-7", rub).map(|value| value.to_string()), Ok("-7.00".to_owned()));
        for (text, currency, name) in [
            ("1,50", rub, "DECIMAL_COMMA"),
            ("1.500,00", rub, "DECIMAL_COMMA"),
            ("1.505", rub, "DECIMALS"),
            ("1.000", rub, "DECIMALS"),
            ("1.0", jpy, "DECIMALS"),
            ("-1.00", rub, "NEGATIVE"),
            ("", rub, "MISSING"),
            ("1 000.00", rub, "MALFORMED"),
            ("+1", rub, "MALFORMED"),
            ("1e3", rub, "MALFORMED"),
            ("NaN", rub, "MALFORMED"),
            ("12345678901234567890.00", rub, "MALFORMED"),
        ] {
            assert_eq!(amount(text, currency).unwrap_err().name(), name, "{text}");
        }
    }

    #[test]
    fn a_day_is_one_of_the_calendar() {
        let day = jiff::civil::date(2026, 3, 31);
        assert_eq!(iso_day("2026-03-31"), Ok(day));
        assert_eq!(dotted_day("31.03.2026"), Ok(day));
        for (text, first) in [
            ("2026-03-31", true),
            ("2026-03-31+03:00", true),
            ("2026-03-31Z", true),
            ("2026-03-31T00:00:00.000+03:00", true),
            ("2026-03-31T00:00:00.001", false),
            ("2026-03-31T23:59:59Z", false),
        ] {
            assert_eq!(iso_moment(text), Ok((day, first)), "{text}");
        }
        let wrong = [
            "2026-02-29",
            "2026-3-31",
            "31.03.2026",
            "1969-12-31",
            "",
            "2026-03-31T",
            "2026-03-31T25:00:00",
            "٢٠٢٦-03-31",
        ];
        for text in wrong.into_iter().chain(["2026-03-31x", "2026-03-31T08:00:00.Z", "2026-03-31T08:00:00+3"]) {
            assert!(iso_moment(text).is_err(), "{text}");
        }
        for text in ["29.02.2026", "2026-03-31", "1.3.2026", "31.03.26"] {
            assert!(dotted_day(text).is_err(), "{text}");
        }
    }
}

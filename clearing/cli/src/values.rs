//! Numbers on the command line, in the one grammar that the house has for them, and words of the rules.

use clearing::coalition_file::Variant;
use clearing_core::facts::person::PersonId;
use clearing_core::units::{self, Malformed};
use partner_sdk::Decimal;

/// An amount of money or a price, with the decimals that it is written with: the house refuses too many of them.
pub fn decimal(text: &str) -> Result<Decimal, String> {
    units::number(text).map_err(|problem| told(text, &problem, AMOUNT, |_| true))
}

/// A share: 0.02 is 2 %.
pub fn rate(text: &str) -> Result<Decimal, String> {
    units::number(text).map_err(|problem| match percentage(text) {
        Some(share) => format!("{problem}; write {} for {text}", share.normalize()),
        None => told(text, &problem, RATE, |_| true),
    })
}

/// What to write for a share.
const RATE: &str = "0.02 for 2 %";
/// What to write for an amount.
const AMOUNT: &str = "10.50";

/// The share that is meant by a percentage.
fn percentage(text: &str) -> Option<Decimal> {
    let number = text.strip_suffix('%')?.trim_end().replace(',', ".");
    units::number(&number).ok()?.checked_div(Decimal::ONE_HUNDRED)
}

/// A whole number of the type that a flag holds.
pub fn whole<T: TryFrom<i64> + Bounded>(text: &str) -> Result<T, String> {
    between(text, T::LEAST, T::MOST)
}

/// The whole numbers that a flag may hold by its type.
pub trait Bounded {
    /// The least.
    const LEAST: i64 = 0;
    /// The most.
    const MOST: i64;
}

impl Bounded for u16 {
    const MOST: i64 = 65_535;
}

impl Bounded for u32 {
    const MOST: i64 = 4_294_967_295;
}

impl Bounded for i32 {
    const MOST: i64 = 2_147_483_647;
}

impl Bounded for i64 {
    const LEAST: Self = Self::MIN;
    const MOST: Self = Self::MAX;
}

impl Bounded for usize {
    const MOST: i64 = i64::MAX;
}

/// A whole number that is not below zero.
pub fn count(text: &str) -> Result<i64, String> {
    between(text, 0, i64::MAX)
}

/// A whole number from `least` to `most`.
pub fn between<T: TryFrom<i64>>(text: &str, least: i64, most: i64) -> Result<T, String> {
    let example = [100, 30, 2, 1].into_iter().find(|example| (least..=most).contains(example)).unwrap_or(least);
    let fits = |meant: &str| units::whole(meant).is_ok_and(|number| (least..=most).contains(&number));
    let number = units::whole(text).map_err(|problem| told(text, &problem, &example.to_string(), fits))?;
    if number < least {
        return Err(format!("{number} is below {least}; write {example}, or another number from {least} on"));
    }
    if number > most {
        return Err(format!("{number} is above {most}; write {example}, or another number up to {most}"));
    }
    T::try_from(number).map_err(|_| format!("{number} is out of range; write {example}"))
}

/// Points that an operation names.
pub fn points(text: &str) -> Result<i64, String> {
    between(text, 1, units::Points::OPERATION_MAX.0)
}

/// What is wrong with a number, and what to write: the number that was meant where that is plain and fits, else an example.
fn told(text: &str, problem: &Malformed, example: &str, fits: impl Fn(&str) -> bool) -> String {
    let meant = meant(text).filter(|meant| fits(meant));
    format!("{problem}; write {}", meant.as_deref().unwrap_or(example))
}

/// The number that is meant by one that is written as elsewhere: with a comma for the point, with signs between thousands. One
/// comma with three digits behind it may be either, and is guessed at by nobody.
fn meant(text: &str) -> Option<String> {
    let number = |text: String| units::number(&text).is_ok().then_some(text);
    let blanks = |sign: char| [' ', '_', '\u{a0}', '\u{202f}', '\''].contains(&sign);
    let text: String = text.trim().chars().filter(|sign| !blanks(*sign)).collect();
    match text.matches(',').count() {
        0 => number(text),
        1 if text.contains('.') => number(text.replace(',', "")),
        1 if text.split_once(',').is_some_and(|(_, decimals)| decimals.len() != 3) => number(text.replace(',', ".")),
        1 => None,
        _ => number(text.replace(',', "")),
    }
}

/// A word of the rules, also in small letters and with hyphens.
pub fn word(text: &str) -> String {
    text.to_ascii_uppercase().replace('-', "_")
}

/// One of these words.
pub fn one_of<T: Copy>(text: &str, all: &[(&str, T)]) -> Result<T, String> {
    let wanted = word(text);
    all.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<_> = all.iter().map(|(name, _)| *name).collect();
        format!("one of: {}", names.join(", "))
    })
}

/// The name of a person of the operator.
pub fn person(text: &str) -> Result<PersonId, String> {
    let name = text.strip_prefix("operator/").unwrap_or(text);
    name.parse().map_err(|problem: Malformed| problem.to_string())
}

/// When issuers pay whose terms do not say it.
pub fn funding_variant(text: &str) -> Result<Variant, String> {
    one_of(
        text,
        &[Variant::AtRedemption, Variant::AtIssue, Variant::OnPayment].map(|variant| (variant.as_str(), variant)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_form_and_a_flag_its_range() {
        assert_eq!(decimal("-58.80"), Ok(Decimal::new(-5880, 2)));
        assert_eq!(whole::<u16>("365"), Ok(365));
        assert_eq!(points("1000000000000"), Ok(1_000_000_000_000));
        for wrong in ["+1", "01", "1_000", "1e3", "", "1.0", "65536", "-1"] {
            whole::<u16>(wrong).unwrap_err();
        }
        let above = "1000000000001 is above 1000000000000; write 100, or another number up to 1000000000000";
        assert_eq!(points("1000000000001"), Err(above.to_owned()));
        assert_eq!(points("0"), Err("0 is below 1; write 100, or another number from 1 on".to_owned()));
        assert_eq!(
            between::<u32>("36501", 1, 36_500),
            Err("36501 is above 36500; write 100, or another number up to 36500".to_owned())
        );
    }

    #[test]
    fn what_is_written_as_elsewhere_is_told_as_the_house_writes_it() {
        let told =
            |refused: Result<Decimal, String>| refused.unwrap_err().rsplit_once("; write ").unwrap().1.to_owned();
        for (text, meant) in
            [("2%", "0.02 for 2%"), ("1,5 %", "0.015 for 1,5 %"), ("x", RATE), ("0,02", "0.02"), ("%", RATE)]
        {
            assert_eq!(told(rate(text)), meant, "{text}");
        }
        for (text, meant) in [
            ("10,5", "10.5"),
            ("1 000", "1000"),
            ("1\u{a0}000,50", "1000.50"),
            ("1_000.00", "1000.00"),
            ("1,000.00", "1000.00"),
            ("1,000,000", "1000000"),
            ("1,000", AMOUNT),
            ("ten", AMOUNT),
            ("2%", AMOUNT),
        ] {
            assert_eq!(told(decimal(text)), meant, "{text}");
        }
        let told = |refused: Result<u16, String>| refused.unwrap_err().rsplit_once("; write ").unwrap().1.to_owned();
        for (text, meant) in [("1 000", "1000"), ("10,5", "100"), ("10.5", "100"), ("x", "100")] {
            assert_eq!(told(whole(text)), meant, "{text}");
        }
    }
}

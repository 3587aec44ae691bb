//! Numbers on the command line, in the one grammar that the house has for them, and words of the rules.

use clearing::coalition_file::Variant;
use clearing_core::units;
use partner_sdk::Decimal;

/// An amount of money, a price or a rate, with the decimals that it is written with: the house refuses too many of them.
pub fn decimal(text: &str) -> Result<Decimal, String> {
    units::number(text).map_err(|problem| problem.to_string())
}

/// A whole number of the type that a flag holds.
pub fn whole<T: TryFrom<i64>>(text: &str) -> Result<T, String> {
    let number = units::whole(text).map_err(|problem| problem.to_string())?;
    T::try_from(number).map_err(|_| format!("{number} is out of range"))
}

/// A whole number that is not below zero.
pub fn count(text: &str) -> Result<i64, String> {
    between(text, 0, i64::MAX)
}

/// A whole number from `least` to `most`.
pub fn between<T: TryFrom<i64>>(text: &str, least: i64, most: i64) -> Result<T, String> {
    let number = units::whole(text).map_err(|problem| problem.to_string())?;
    if number < least {
        return Err(format!("{number} is below {least}"));
    }
    if number > most {
        return Err(format!("{number} is above {most}"));
    }
    T::try_from(number).map_err(|_| format!("{number} is out of range"))
}

/// Points that an operation names.
pub fn points(text: &str) -> Result<i64, String> {
    between(text, 1, units::Points::OPERATION_MAX.0)
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
        assert_eq!(points("1000000000001"), Err("1000000000001 is above 1000000000000".to_owned()));
        assert_eq!(points("0"), Err("0 is below 1".to_owned()));
        assert_eq!(between::<u32>("36501", 1, 36_500), Err("36501 is above 36500".to_owned()));
    }
}

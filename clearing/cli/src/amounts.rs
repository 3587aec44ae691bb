//! Numbers as people read them: with commas between thousands, and with a word in the place of a sign.

use std::borrow::Borrow;
use std::fmt;

use clearing::spreadsheet::amount_text;
use clearing_core::units::Currency;
use partner_sdk::Decimal;

// Pages pass references to these, screens values.

/// What one does with an amount.
pub fn verb(amount: impl Borrow<Decimal>) -> &'static str {
    if amount.borrow().is_sign_negative() && !amount.borrow().is_zero() { "pays" } else { "gets" }
}

/// A share, as a percentage.
pub fn percent(share: impl Borrow<Decimal>) -> String {
    format!("{} %", plain(share.borrow() * Decimal::ONE_HUNDRED))
}

/// An amount as short as it is exact.
pub fn plain(amount: impl Borrow<Decimal>) -> String {
    amount_text(*amount.borrow(), 0)
}

/// An amount with so many digits.
pub fn amount(amount: impl Borrow<Decimal>, scale: impl Borrow<u32>) -> String {
    let mut exact = *amount.borrow();
    exact.rescale(*scale.borrow());
    // What is rounded to nothing, or was worked out as minus nothing, has no sign.
    exact.set_sign_negative(exact.is_sign_negative() && !exact.is_zero());
    grouped(&exact.to_string())
}

/// How many digits the minor unit of a currency has. Of one that this program does not know, none: amounts then have the digits
/// that they need.
pub fn minor_digits(currency: &str) -> u32 {
    currency.parse::<Currency>().map_or(0, |currency| currency.minor_digits())
}

/// An amount in the currency's minor unit where it is whole in it, else with all the digits that it needs.
pub fn money(amount: impl Borrow<Decimal>, minor_digits: u32) -> String {
    grouped(&amount_text(*amount.borrow(), minor_digits))
}

/// An amount with what one does with it.
pub fn said(amount: Decimal, minor_digits: u32) -> String {
    if amount.is_zero() { "-".to_owned() } else { format!("{} {}", verb(amount), money(amount.abs(), minor_digits)) }
}

/// An amount without its sign, in the column of what is paid or in that of what comes in.
pub fn pays_and_gets(amount: Decimal, minor_digits: u32) -> [String; 2] {
    let text = if amount.is_zero() { String::new() } else { money(amount.abs(), minor_digits) };
    if amount.is_sign_negative() { [text, String::new()] } else { [String::new(), text] }
}

/// So many of something: `1 race`, `2 races`.
pub fn counted(number: impl fmt::Display, one: &str, many: &str) -> String {
    let number = count(number);
    format!("{number} {}", if number == "1" { one } else { many })
}

/// A count.
pub fn count(number: impl fmt::Display) -> String {
    grouped(&number.to_string())
}

/// With commas between thousands.
fn grouped(number: &str) -> String {
    let (sign, digits) = number.strip_prefix('-').map_or(("", number), |digits| ("-", digits));
    let (whole, rest) = digits.find('.').map_or((digits, ""), |at| digits.split_at(at));
    let mut text = String::from(sign);
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_have_commas_and_decimals_have_none() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(-1_234_567), "-1,234,567");
        assert_eq!(amount(Decimal::new(-12_345_678, 4), 4), "-1,234.5678");
        assert_eq!(amount(Decimal::new(-10_000, 4), 2), "-1.00");
        assert_eq!(amount(Decimal::new(-31, 4), 2), "0.00");
        assert_eq!(amount(-Decimal::ZERO, 4), "0.0000");
        assert_eq!(money(Decimal::new(14_915_200, 4), 2), "1,491.52");
        assert_eq!(money(Decimal::new(14_915_201, 4), 2), "1,491.5201");
    }

    #[test]
    fn one_thing_is_not_said_as_many_are() {
        assert_eq!(counted(1, "race", "races"), "1 race");
        assert_eq!(
            [0, 2, 1_001].map(|of| counted(of, "entry", "entries")),
            ["0 entries", "2 entries", "1,001 entries"]
        );
    }

    #[test]
    fn nothing_has_no_sign() {
        let nothing = -Decimal::new(0, 4);
        assert_eq!([money(nothing, 2), plain(nothing), percent(nothing)], ["0.00", "0", "0 %"]);
        assert_eq!(verb(nothing), "gets");
        assert_eq!(pays_and_gets(nothing, 2), [String::new(), String::new()]);
    }
}

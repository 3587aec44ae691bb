//! Check digits: how a mistyped number is told from a right one. What the numbers mean stands where they are used.

/// The digits of a text of so many of them; none for any other text.
pub(crate) fn digits(text: &str, count: usize) -> Option<Vec<u32>> {
    if text.len() != count {
        return None;
    }
    text.chars().map(|digit| digit.to_digit(10)).collect()
}

/// The sum of digits, each times its weight, as far as both go.
pub(crate) fn weighted(digits: &[u32], weights: &[u32]) -> u32 {
    digits.iter().zip(weights).map(|(digit, weight)| digit * weight).sum()
}

/// The remainder of the number that digits write by a small one, however many they are.
pub(crate) fn remainder(digits: &[u32], by: u32) -> u32 {
    digits.iter().fold(0, |left, digit| (left * 10 + digit) % by)
}

/// Digits and capital letters as digits alone: a letter is two of them, `A` is 10, `Z` is 35. None for any other text.
pub(crate) fn letters_as_digits(text: &str) -> Option<Vec<u32>> {
    let mut digits = Vec::with_capacity(2 * text.len());
    for character in text.chars() {
        match character {
            '0'..='9' => digits.extend(character.to_digit(10)),
            'A'..='Z' => {
                let value = character.to_digit(36)?;
                digits.extend([value / 10, value % 10]);
            }
            _ => return None,
        }
    }
    Some(digits)
}

/// ISO 7064 MOD 97-10: whether the number that a text of digits and capital letters writes leaves 1 by 97.
pub(crate) fn is_mod_97_10(text: &str) -> bool {
    letters_as_digits(text).is_some_and(|digits| remainder(&digits, 97) == 1)
}

/// ISO 7064 MOD 11,10: whether the last digit checks those before it.
pub(crate) fn is_mod_11_10(digits: &[u32]) -> bool {
    let Some((check, rest)) = digits.split_last() else { return false };
    let product = rest.iter().fold(10, |product, digit| {
        let sum = match (product + digit) % 10 {
            0 => 10,
            sum => sum,
        };
        sum * 2 % 11
    });
    (product + check) % 10 == 1
}

/// Luhn (ISO/IEC 7812): whether the last digit checks those before it.
pub(crate) fn is_luhn(digits: &[u32]) -> bool {
    let doubled = |(at, digit): (usize, &u32)| match (at % 2, digit * 2) {
        (0, _) => *digit,
        (_, twice) if twice > 9 => twice - 9,
        (_, twice) => twice,
    };
    digits.iter().rev().enumerate().map(doubled).sum::<u32>().is_multiple_of(10)
}

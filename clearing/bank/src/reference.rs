//! References that are made from the settlement alone: the same order has the same one whenever it is exported, so an order that
//! is paid twice is seen by its second payment.

use std::fmt;
use std::str::FromStr;

use clearing_core::units::{Malformed, shown};
use data_encoding::BASE32_NOPAD;
use sha2::{Digest as _, Sha256};

/// Letters and digits behind the check digits.
const BODY: usize = 16;

/// The reference of a payment order, and of the leg that it pays: a creditor reference of ISO 11649, 20 characters such as
/// `RF40ABCDEFGHIJKLMNOP`. Two check digits are in it, so it is found in a purpose text, and one that was mistyped is none.
///
/// Source: ISO 11649; the check is that of ISO 7064, mod 97-10.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference(String);

impl Reference {
    /// Of the order between two in the settlement of a window. `payer` and `payee` are ids of partners, `operator`, `hub` or
    /// `funds`; `coalition` is the coalition's domain.
    pub fn of(coalition: &str, window: i64, payer: &str, payee: &str) -> Self {
        let digest = digest("order", &[coalition, &window.to_string(), payer, payee]);
        let body = BASE32_NOPAD.encode(&digest[..10]);
        let check = 98 - mod_97(&format!("{body}RF00"));
        Self(format!("RF{check:02}{body}"))
    }

    /// The references that stand in a text, each once, in their order: also in small letters, and with blanks or hyphens within,
    /// as people and banks break them.
    pub fn all_in(text: &str) -> Vec<Self> {
        let letters: Vec<char> = text
            .chars()
            .filter(|character| !character.is_whitespace() && *character != '-')
            .map(|character| character.to_ascii_uppercase())
            .collect();
        let mut found: Vec<Self> = Vec::new();
        for written in letters.windows(BODY + 4).filter(|letters| letters[0] == 'R') {
            if let Ok(reference) = written.iter().collect::<String>().parse::<Self>()
                && !found.contains(&reference)
            {
                found.push(reference);
            }
        }
        found
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Reference {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let refused = |why: &str| Malformed(format!("{} is no reference of an order: {why}", shown(text)));
        let body = |character: u8| character.is_ascii_uppercase() || (b'2'..=b'7').contains(&character);
        let right = text.len() == BODY + 4
            && text.starts_with("RF")
            && text.as_bytes()[2..4].iter().all(u8::is_ascii_digit)
            && text.bytes().skip(4).all(body);
        if !right {
            return Err(refused("RF, two digits, and 16 of A-Z and 2-7 are one"));
        }
        if mod_97(&format!("{}{}", &text[4..], &text[..4])) != 1 {
            return Err(refused("its check digits are wrong"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What a message (a file of orders) is called: the window, and a digest of all that makes up the file. The same file has the
/// same name, and a bank that had it refuses it; a file in which one thing is another has another name. At most 35 characters.
pub fn message_id(window: i64, content: &[&str]) -> String {
    let name = BASE32_NOPAD.encode(&digest("message", content)[..10]);
    // The longest window has 19 digits.
    format!("{window}-{}", &name[..15])
}

/// A digest of texts of which none can run into the next.
fn digest(what: &str, texts: &[&str]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for text in std::iter::once(&what).chain(texts) {
        hasher.update(u64::try_from(text.len()).expect("64 bits hold every length").to_be_bytes());
        hasher.update(text.as_bytes());
    }
    hasher.finalize().into()
}

/// What is left of the digits when letters are numbers from 10 on.
fn mod_97(text: &str) -> u32 {
    text.chars().fold(0, |rest, character| {
        let digit = character.to_digit(36).expect("letters and digits alone");
        let shift = if digit < 10 { 10 } else { 100 };
        (rest * shift + digit) % 97
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_digits_are_those_of_the_standard() {
        // The example of the standard.
        assert_eq!(mod_97("539007547034RF18"), 1);
        let reference = Reference::of("example.org", 7, "FUEL", "GROCER");
        assert_eq!(reference.as_str().parse(), Ok(reference.clone()));
        assert_eq!(reference.as_str().len(), 20);
        assert_ne!(reference, Reference::of("example.org", 7, "GROCER", "FUEL"));
        assert_ne!(reference, Reference::of("example.org", 8, "FUEL", "GROCER"));
        assert_ne!(Reference::of("a", 1, "AB", "C"), Reference::of("a", 1, "A", "BC"));
    }

    #[test]
    fn a_reference_is_found_however_a_bank_breaks_it_and_never_when_a_letter_is_another() {
        let [one, two] = ["A", "B"].map(|payer| Reference::of("example.org", 7, payer, "hub"));
        let broken: Vec<String> =
            one.as_str().as_bytes().chunks(4).map(|four| String::from_utf8_lossy(four).to_lowercase()).collect();
        let text = format!("Оплата {}, {two}; {two} НДС не облагается RF RF1", broken.join(" "));
        assert_eq!(Reference::all_in(&text), [one.clone(), two]);
        assert_eq!(Reference::all_in(""), []);
        for at in 2..20 {
            let mut other = one.as_str().as_bytes().to_vec();
            other[at] = match (at, other[at]) {
                (2..4, digit) => b'0' + (digit - b'0' + 1) % 10,
                (_, b'Z') => b'A',
                (_, b'7') => b'2',
                (_, letter) => letter + 1,
            };
            let other = String::from_utf8(other).unwrap();
            assert_eq!(Reference::all_in(&other), [], "{other}");
        }
    }

    #[test]
    fn the_name_of_a_message_fits_whatever_the_window() {
        assert!(message_id(i64::MAX, &["x"]).len() <= 35);
        assert_ne!(message_id(1, &["x", "yz"]), message_id(1, &["xy", "z"]));
    }
}

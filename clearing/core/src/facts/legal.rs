//! Who a partner is by law: its legal name, its tax ids, its address.
//!
//! A legal record is written by the operator, who has looked it up, and stands in the journal like all that the house decides.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::Deserialize;

use crate::facts::check_digits::{digits, is_luhn, is_mod_11_10, is_mod_97_10, letters_as_digits, remainder, weighted};
use crate::units::{Malformed, PartnerId, check_text, shown};

/// Who a partner is by law. It takes the place of an earlier one as a whole.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LegalRecord {
    /// As the register of companies has it.
    #[serde(rename = "legal_name")]
    pub name: String,
    #[serde(default)]
    pub tax_ids: Vec<TaxId>,
    pub address: Address,
}

impl LegalRecord {
    /// In characters, as long as a bank's order carries (ISO 20022, Max140Text).
    pub const NAME_MAX: usize = 140;
    /// Tax ids of one partner at the most.
    pub const TAX_IDS_MAX: usize = 8;
}

/// Where letters to a partner go.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Address {
    /// Street, house, office; empty if there is none.
    #[serde(default)]
    pub street: String,
    /// Empty if there is none.
    #[serde(default, rename = "postal_code")]
    pub post_code: String,
    pub town: String,
    /// Two capital letters (ISO 3166-1), such as `RU`.
    #[serde(rename = "country_code")]
    pub country: String,
}

impl Address {
    /// In characters, as long as a bank's order carries each (ISO 20022, PostalAddress).
    pub const STREET_MAX: usize = 70;
    pub const POST_CODE_MAX: usize = 16;
    pub const TOWN_MAX: usize = 35;
}

/// Whether a text is two capital letters, as ISO 3166-1 names countries.
pub(crate) fn check_country(text: &str) -> Result<(), Malformed> {
    if text.len() == 2 && text.bytes().all(|letter| letter.is_ascii_uppercase()) {
        return Ok(());
    }
    Err(Malformed(format!("{} is not a country; write its two capital letters, such as RU or DE", shown(text))))
}

/// The number under which a tax office or a register knows a partner.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaxId {
    /// One of [`TaxId::SCHEMES`], or `X_` with a word of one's own behind it.
    pub scheme: String,
    pub value: String,
}

/// What is wrong with a number.
enum Wrong {
    /// It is not of the form.
    Form(&'static str),
    CheckDigits,
}

impl TaxId {
    /// The schemes that are known, each with what its numbers look like.
    pub const SCHEMES: [(&'static str, &'static str); 6] = [
        ("EU_VAT", "the two letters of a member state and its number, such as DE136695976"),
        ("LEI", "20 digits and capital letters (ISO 17442)"),
        ("RU_INN", "10 digits of a company, or 12 of a person"),
        ("RU_KPP", "9 characters: 4 digits, 2 digits or capital letters, 3 digits"),
        ("RU_OGRN", "13 digits of a company"),
        ("RU_OGRNIP", "15 digits of a sole trader"),
    ];

    /// What the names of schemes begin with of which no check is known.
    pub const FREE: &'static str = "X_";
    /// Of a scheme's name, in characters.
    pub const SCHEME_MAX: usize = 20;
    /// Of a value of a free scheme, in characters.
    pub const VALUE_MAX: usize = 64;

    /// Refuses a number that is not of the form of its scheme, or whose check digits are wrong; of a free scheme, what is no
    /// plain text. A scheme that nobody knows is none: a misspelt name would go unchecked.
    ///
    /// # Errors
    /// The field, and what is wrong with it.
    ///
    /// Rule: tax-ids
    pub fn check(&self) -> Result<(), (&'static str, Malformed)> {
        let Self { scheme, value } = self;
        if let Some((name, form)) = Self::SCHEMES.iter().find(|(name, _)| name == scheme) {
            let told = match check_value(name, value) {
                Ok(()) => return Ok(()),
                Err(Wrong::Form(more)) => format!("{} is not {form}{more}", shown(value)),
                Err(Wrong::CheckDigits) => format!("the check digits of {} are wrong; read it again", shown(value)),
            };
            return Err(("value", Malformed(format!("{name}: {told}"))));
        }
        let word = scheme.strip_prefix(Self::FREE).unwrap_or_default();
        let fits = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
        if word.is_empty() || scheme.len() > Self::SCHEME_MAX || !word.bytes().all(fits) {
            let names: Vec<&str> = Self::SCHEMES.iter().map(|(name, _)| *name).collect();
            let problem = format!(
                "{} is not a scheme; write one of {}, or one of your own as {} and up to {} of A-Z 0-9 _, whose values are \
                 not checked",
                shown(scheme),
                names.join(", "),
                Self::FREE,
                Self::SCHEME_MAX - Self::FREE.len(),
            );
            return Err(("scheme", Malformed(problem)));
        }
        let told = |Malformed(problem)| ("value", Malformed(format!("{scheme}: {problem}")));
        check_text(value, Self::VALUE_MAX).map_err(told)
    }
}

fn check_value(scheme: &str, value: &str) -> Result<(), Wrong> {
    let of = |count: usize| digits(value, count).filter(|digits| digits.iter().any(|digit| *digit > 0));
    let holds = match scheme {
        "RU_INN" => match (of(10), of(12)) {
            (Some(company), _) => is_inn_of_company(&company),
            (_, Some(person)) => is_inn_of_person(&person),
            (None, None) => return Err(Wrong::Form("")),
        },
        // The Federal Tax Service gives it no check digit.
        "RU_KPP" => is_like(value, "0000**000").then_some(true).ok_or(Wrong::Form(""))?,
        "RU_OGRN" => is_register_number(&of(13).ok_or(Wrong::Form(""))?, 11),
        "RU_OGRNIP" => is_register_number(&of(15).ok_or(Wrong::Form(""))?, 13),
        "LEI" => {
            let fits = value.len() == 20 && letters_as_digits(value).is_some();
            fits.then(|| is_mod_97_10(value)).ok_or(Wrong::Form(""))?
        }
        "EU_VAT" => return check_vat(value),
        _ => true,
    };
    if holds { Ok(()) } else { Err(Wrong::CheckDigits) }
}

/// Whether a text has a digit where a pattern has `0`, a digit or a capital letter where it has `*`, and else what it has.
fn is_like(text: &str, pattern: &str) -> bool {
    let fits = |(byte, wanted): (u8, u8)| match wanted {
        b'0' => byte.is_ascii_digit(),
        b'*' => byte.is_ascii_digit() || byte.is_ascii_uppercase(),
        _ => byte == wanted,
    };
    text.len() == pattern.len() && text.bytes().zip(pattern.bytes()).all(fits)
}

const INN_COMPANY: [u32; 9] = [2, 4, 10, 3, 5, 9, 4, 6, 8];
const INN_PERSON_FIRST: [u32; 10] = [7, 2, 4, 10, 3, 5, 9, 4, 6, 8];
const INN_PERSON_SECOND: [u32; 11] = [3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8];

/// Order MM-3-6/435 of the Federal Tax Service of Russia.
fn is_inn_of_company(digits: &[u32]) -> bool {
    digits.last() == Some(&(weighted(digits, &INN_COMPANY) % 11 % 10))
}

fn is_inn_of_person(digits: &[u32]) -> bool {
    let [.., first, second] = digits else { return false };
    *first == weighted(digits, &INN_PERSON_FIRST) % 11 % 10 && *second == weighted(digits, &INN_PERSON_SECOND) % 11 % 10
}

/// Numbers of the Russian registers: the last digit is the remainder of all before it by 11 (companies) or 13 (sole traders).
fn is_register_number(digits: &[u32], by: u32) -> bool {
    digits.split_last().is_some_and(|(check, rest)| *check == remainder(rest, by) % 10)
}

/// The member states, as their numbers begin (Greece with `EL`), and Northern Ireland.
const VAT_STATES: [&str; 28] = [
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "EL", "ES", "FI", "FR", "HR", "HU", "IE", "IT", "LT", "LU", "LV",
    "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK", "XI",
];

/// The number that a member state gives for VAT. The check digits of eleven states are looked at, whose rule is one sum; of the
/// others the form that all have in common.
fn check_vat(value: &str) -> Result<(), Wrong> {
    let (state, number) = value.split_at_checked(2).unwrap_or_default();
    if !VAT_STATES.contains(&state) {
        return Err(Wrong::Form(""));
    }
    let of = |count: usize, more: &'static str| {
        digits(number, count).filter(|digits| digits.iter().any(|digit| *digit > 0)).ok_or(Wrong::Form(more))
    };
    let holds = match state {
        "AT" => {
            let digits = number.strip_prefix('U').and_then(|rest| digits(rest, 8)).ok_or(Wrong::Form(AT))?;
            is_austrian(&digits)
        }
        "BE" => {
            let digits = of(10, BE)?;
            97 - remainder(&digits[..8], 97) == digits[8] * 10 + digits[9]
        }
        "DE" => is_mod_11_10(&of(9, DE)?),
        "DK" => weighted(&of(8, DK)?, &[2, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11),
        "EE" => weighted(&of(9, EE)?, &[3, 7, 1, 3, 7, 1, 3, 7, 1]).is_multiple_of(10),
        "FI" => weighted(&of(8, FI)?, &[7, 9, 10, 5, 8, 4, 2, 1]).is_multiple_of(11),
        "FR" => {
            if !is_like(number, "**000000000") {
                return Err(Wrong::Form(FR));
            }
            // Keys with letters follow another rule, which is not published.
            digits(number, 11).is_none_or(|digits| {
                is_luhn(&digits[2..]) && (12 + 3 * remainder(&digits[2..], 97)) % 97 == digits[0] * 10 + digits[1]
            })
        }
        "IT" => is_luhn(&of(11, IT)?),
        "NL" => {
            if !is_like(number, "000000000B00") {
                return Err(Wrong::Form(NL));
            }
            // Sole traders have the newer kind.
            let of_company = digits(&number[..9], 9)
                .is_some_and(|digits| weighted(&digits, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11 == digits[8]);
            of_company || is_mod_97_10(value)
        }
        "PL" => {
            let digits = of(10, PL)?;
            weighted(&digits, &[6, 5, 7, 2, 3, 4, 5, 6, 7]) % 11 == digits[9]
        }
        "PT" => {
            let digits = of(9, PT)?;
            let check = 11 - weighted(&digits, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11;
            digits[8] == if check > 9 { 0 } else { check }
        }
        _ => {
            let fits = (2..=12).contains(&number.len()) && letters_as_digits(number).is_some();
            return if fits { Ok(()) } else { Err(Wrong::Form(OTHERS)) };
        }
    };
    if holds { Ok(()) } else { Err(Wrong::CheckDigits) }
}

const AT: &str = "; Austria's is ATU and 8 digits";
const BE: &str = "; Belgium's is BE and 10 digits";
const DE: &str = "; Germany's is DE and 9 digits";
const DK: &str = "; Denmark's is DK and 8 digits";
const EE: &str = "; Estonia's is EE and 9 digits";
const FI: &str = "; Finland's is FI and 8 digits";
const FR: &str = "; France's is FR, 2 digits or capital letters and 9 digits";
const IT: &str = "; Italy's is IT and 11 digits";
const NL: &str = "; the Netherlands' is NL, 9 digits, B and 2 digits";
const PL: &str = "; Poland's is PL and 10 digits";
const PT: &str = "; Portugal's is PT and 9 digits";
const OTHERS: &str = "; behind the letters of the state stand 2 to 12 digits and capital letters";

/// Every second digit counts twice, by the sum of its own digits; 4 is added.
fn is_austrian(digits: &[u32]) -> bool {
    let Some((check, rest)) = digits.split_last() else { return false };
    let doubled = |(at, digit): (usize, &u32)| {
        let counted = if at % 2 == 1 { digit * 2 } else { *digit };
        counted / 10 + counted % 10
    };
    let sum: u32 = rest.iter().enumerate().map(doubled).sum();
    (sum + 4 + check).is_multiple_of(10)
}

/// A partner's legal record.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct LegalFacts {
    pub partner: PartnerId,
    pub legal: LegalRecord,
    /// None: nothing was known of it.
    pub before: Option<LegalRecord>,
}

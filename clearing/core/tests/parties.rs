//! Partners as legal parties: who they are, of which group, and where they are paid.

#![allow(clippy::unwrap_used, reason = "a panic in a test is how it fails")]

mod house;

use std::sync::Arc;

use clearing_core::audit::{check_before, compare};
use clearing_core::book::Book;
use clearing_core::command::Command;
use clearing_core::facts::bank_account::{AccountNumber, AccountState, BankAccount, NationalAccount};
use clearing_core::facts::coalition::Coalition;
use clearing_core::facts::entry::{Entry, EntryKind};
use clearing_core::facts::legal::{Address, LegalRecord, TaxId};
use clearing_core::facts::origin::Code;
use clearing_core::facts::partner::GroupId;
use clearing_core::facts::terms::Funding;
use clearing_core::facts::{Fact, FoundedFacts};
use clearing_core::rejection::Rejection;
use clearing_core::rules::bank_account::{ACCOUNT_VERSIONS_MAX, SetBankAccount, StopBankAccountChange};
use clearing_core::rules::legal::SetLegalRecord;
use clearing_core::rules::partner::SetGroup;
use clearing_core::units::{BatchId, EntryId, PartnerId, Timestamp};
use house::{Play, START, brands, coalition, house, id, terms};
use proptest::prelude::*;
use serde::de::value::MapDeserializer;

/// A, B, C and the operator; a change of an account is in force three days after it was asked for.
fn play() -> Play {
    brands(Funding::AtRedemption)
}

fn iban(number: &str) -> BankAccount {
    BankAccount {
        number: AccountNumber::Iban(number.to_owned()),
        holder: "Grocer Ltd".to_owned(),
        bank_name: String::new(),
    }
}

fn national(country: &str, bank_code: &str, account: &str, correspondent: &str) -> BankAccount {
    let number = AccountNumber::National(NationalAccount {
        country: country.to_owned(),
        bank_code: bank_code.to_owned(),
        account: account.to_owned(),
        correspondent: correspondent.to_owned(),
    });
    BankAccount { number, holder: "ООО Бакалея".to_owned(), bank_name: "ПАО Сбербанк".to_owned() }
}

fn first() -> BankAccount {
    iban("DE89370400440532013000")
}

fn other() -> BankAccount {
    national("RU", "044525225", "40702810838000110017", "30101810400000000225")
}

fn set(partner: &str, account: BankAccount) -> Command {
    SetBankAccount { partner: id(partner), account }.into()
}

fn stop(partner: &str, version: u32) -> Command {
    StopBankAccountChange { partner: id(partner), version, reason: None }.into()
}

fn record() -> LegalRecord {
    LegalRecord {
        name: "ООО «Бакалея»".to_owned(),
        tax_ids: vec![tax_id("RU_INN", "7707083893"), tax_id("RU_KPP", "773601001")],
        address: Address {
            street: "ул. Вавилова, д. 19".to_owned(),
            post_code: "117312".to_owned(),
            town: "Москва".to_owned(),
            country: "RU".to_owned(),
        },
    }
}

fn tax_id(scheme: &str, value: &str) -> TaxId {
    TaxId { scheme: scheme.to_owned(), value: value.to_owned() }
}

fn group(partner: &str, group: Option<&str>) -> Command {
    SetGroup { partner: id(partner), group: group.map(|name| name.parse().unwrap()) }.into()
}

/// The field and the problem of what is wrong with a message alone.
fn invalid(rejection: Rejection) -> (String, String) {
    let Rejection::InvalidArgument { field, problem } = rejection else { panic!("{rejection:?}") };
    (field, problem)
}

/// The version in force, if one is.
fn in_force(play: &Play, partner: &str, time: Timestamp) -> Option<u32> {
    play.book.bank_account_at(id(partner), time).map(|(version, _)| version)
}

/// The last version of A's account.
fn last(play: &Play) -> u32 {
    play.book.bank_accounts_of(id("A")).next_back().map_or(0, |(version, _)| version)
}

/// How the versions of a partner's account stand, the oldest first.
fn states(play: &Play, partner: &str) -> Vec<&'static str> {
    let versions = play.book.bank_accounts_of(id(partner)).map(|(version, _)| version);
    versions.map(|version| play.book.bank_account_state(id(partner), version, play.now).unwrap().as_str()).collect()
}

/// Numbers that are right, of every scheme and of every way of checking.
const TAX_IDS: [(&str, &str); 23] = [
    ("EU_VAT", "ATU13585627"),
    ("EU_VAT", "BE0403019261"),
    ("EU_VAT", "DE136695976"),
    ("EU_VAT", "DK13585628"),
    ("EU_VAT", "EE100931558"),
    ("EU_VAT", "ELA1"),
    ("EU_VAT", "FI20774740"),
    ("EU_VAT", "FR40303265045"),
    ("EU_VAT", "FRK7399859412"),
    ("EU_VAT", "IT00743110157"),
    ("EU_VAT", "LU15027442"),
    ("EU_VAT", "NL004495445B01"),
    ("EU_VAT", "NL002455799B11"),
    ("EU_VAT", "PL8567346215"),
    ("EU_VAT", "PT501964843"),
    ("LEI", "7LTWFZYICNSX8D621K86"),
    ("RU_INN", "7707083893"),
    ("RU_INN", "500100732259"),
    ("RU_KPP", "773601001"),
    ("RU_KPP", "9909AZ001"),
    ("RU_OGRN", "1027700132195"),
    ("RU_OGRNIP", "304500116000157"),
    ("X_KZ_BIN", "whatever it is"),
];

/// Those of them whose last digit checks all others, each by its own sum.
const CHECKED: [(&str, &str); 17] = [
    ("EU_VAT", "ATU13585627"),
    ("EU_VAT", "BE0403019261"),
    ("EU_VAT", "DE136695976"),
    ("EU_VAT", "DK13585628"),
    ("EU_VAT", "EE100931558"),
    ("EU_VAT", "FI20774740"),
    ("EU_VAT", "FR40303265045"),
    ("EU_VAT", "IT00743110157"),
    ("EU_VAT", "PL8567346215"),
    ("EU_VAT", "PT501964843"),
    ("EU_VAT", "NL004495445B01"),
    ("EU_VAT", "NL002455799B11"),
    ("LEI", "7LTWFZYICNSX8D621K86"),
    ("RU_INN", "7707083893"),
    ("RU_INN", "500100732259"),
    ("RU_OGRN", "1027700132195"),
    ("RU_OGRNIP", "304500116000157"),
];

#[test]
fn a_tax_id_is_taken_as_its_scheme_writes_it() {
    for (scheme, value) in TAX_IDS {
        assert_eq!(tax_id(scheme, value).check(), Ok(()), "{scheme} {value}");
    }
    let shown: Vec<&str> = TaxId::SCHEMES.iter().map(|(name, _)| *name).collect();
    assert!(shown.iter().all(|name| TAX_IDS.iter().any(|(scheme, _)| scheme == name)), "an example of each: {shown:?}");
}

/// The most usual mistake in a number that somebody types.
#[test]
fn the_last_digit_of_a_checked_tax_id_can_be_no_other() {
    for (scheme, value) in CHECKED {
        let mut wrong = 0;
        for digit in '0'..='9' {
            let (rest, last) = value.split_at(value.len() - 1);
            // The last two of a Dutch number are a count of its own where the number is a company's.
            let (at, rest, tail) =
                if value == "NL004495445B01" { (10, &value[..10], &value[11..]) } else { (0, rest, "") };
            let own = if at > 0 { &value[at..=at] } else { last };
            let changed = tax_id(scheme, &format!("{rest}{digit}{tail}"));
            if own == digit.to_string() {
                assert_eq!(changed.check(), Ok(()), "{scheme} {}", changed.value);
            } else if let Err((field, problem)) = changed.check() {
                assert!(field == "value" && problem.0.contains("check digits"), "{scheme}: {problem}");
                wrong += 1;
            }
        }
        assert_eq!(wrong, 9, "{scheme} {value}");
    }
}

#[test]
fn a_tax_id_of_another_form_is_refused_with_the_form_that_it_should_have() {
    for (scheme, value, told) in [
        ("RU_INN", "770708389", "10 digits of a company"),
        ("RU_INN", "0000000000", "10 digits of a company"),
        ("RU_INN", "77070838Ⅷ3", "10 digits of a company"),
        ("RU_KPP", "77360100", "9 characters"),
        ("RU_KPP", "7736az001", "9 characters"),
        ("RU_OGRN", "304500116000157", "13 digits"),
        ("RU_OGRNIP", "1027700132195", "15 digits"),
        ("LEI", "7LTWFZYICNSX8D621K8", "20 digits and capital letters"),
        ("EU_VAT", "136695976", "two letters of a member state"),
        ("EU_VAT", "GB123456789", "two letters of a member state"),
        ("EU_VAT", "DE13669597", "Germany's is DE and 9 digits"),
        ("EU_VAT", "AT13585627", "ATU and 8 digits"),
        ("EU_VAT", "LU1", "2 to 12 digits and capital letters"),
        ("EU_VAT", "Ж", "two letters of a member state"),
        ("INN", "7707083893", "is not a scheme"),
        ("ru_inn", "7707083893", "is not a scheme"),
        ("X_", "1", "is not a scheme"),
        ("X_KZ BIN", "1", "is not a scheme"),
        ("X_KZ_BIN", "", "it has 0 characters"),
        ("X_KZ_BIN", "a\nb", "U+000A"),
    ] {
        let (field, problem) = tax_id(scheme, value).check().unwrap_err();
        assert_eq!(field, if told.contains("scheme") { "scheme" } else { "value" }, "{scheme} {value:?}");
        assert!(problem.0.contains(told), "{scheme} {value:?}: {problem}");
    }
}

#[test]
fn a_legal_record_is_one_name_its_tax_ids_and_one_address_and_each_is_looked_at() {
    let asked = |change: &dyn Fn(&mut LegalRecord)| {
        let mut legal = record();
        change(&mut legal);
        play().operator(SetLegalRecord { partner: id("A"), legal }.into())
    };
    asked(&|_| ()).unwrap();
    asked(&|legal| legal.tax_ids.clear()).unwrap();
    asked(&|legal| (legal.address.street, legal.address.post_code) = (String::new(), String::new())).unwrap();
    asked(&|legal| legal.name = "n".repeat(140)).unwrap();
    type Change<'a> = &'a dyn Fn(&mut LegalRecord);
    let refused: [(&str, &str, Change<'_>); 12] = [
        ("legal_name", "it has 0 characters", &|legal| legal.name.clear()),
        ("legal_name", "it has 141 characters", &|legal| legal.name = "n".repeat(141)),
        ("legal_name", "begins or ends with a space", &|legal| legal.name.insert(0, ' ')),
        ("tax_ids", "9 tax ids; at most 8", &|legal| {
            legal.tax_ids = (0..9).map(|number| tax_id(&format!("X_{number}"), "1")).collect();
        }),
        ("tax_ids", "RU_INN is there twice", &|legal| legal.tax_ids.push(tax_id("RU_INN", "500100732259"))),
        ("tax_ids[0].value", "RU_INN: the check digits of \"7707083892\"", &|legal| {
            legal.tax_ids[0].value = "7707083892".to_owned();
        }),
        ("address.street", "it has 71 characters", &|legal| legal.address.street = "s".repeat(71)),
        ("address.postal_code", "it has 17 characters", &|legal| legal.address.post_code = "1".repeat(17)),
        ("address.town", "it has 0 characters", &|legal| legal.address.town.clear()),
        ("address.town", "it has 36 characters", &|legal| legal.address.town = "t".repeat(36)),
        ("address.country_code", "two capital letters", &|legal| legal.address.country = "ru".to_owned()),
        ("address.country_code", "two capital letters", &|legal| legal.address.country = "RUS".to_owned()),
    ];
    for (field, told, change) in refused {
        let (named, problem) = invalid(asked(change).unwrap_err());
        assert_eq!(named, format!("legal_record.{field}"));
        assert!(problem.contains(told), "{field}: {problem}");
    }
}

#[test]
fn a_legal_record_takes_the_place_of_the_earlier_one_and_the_journal_keeps_both() {
    let mut play = play();
    let set = |legal: &LegalRecord| Command::from(SetLegalRecord { partner: id("A"), legal: legal.clone() });
    let moved = LegalRecord { name: "ООО «Бакалея и сын»".to_owned(), ..record() };
    play.operator(set(&record())).unwrap();
    let second = play.operator(set(&moved)).unwrap().entries[0];
    assert_eq!(play.book.legal[&id("A")], moved);
    let facts = play.book.entries[&second].facts.legal().unwrap();
    assert_eq!((&facts.before, &facts.legal), (&Some(record()), &moved));
    assert_eq!(play.refused("operator", SetLegalRecord { partner: id("Z"), legal: record() }.into()), "NOT_FOUND");
    let changes = play.book.entries[&second].action_changes(&play.book.house);
    let named: Vec<&str> = changes.iter().map(|change| change.field.as_str()).collect();
    assert_eq!(named, ["legal_name"], "what stays is not named");
    play.assert_sound();
}

#[test]
fn points_of_ones_group_count_as_own_and_nobodys_else() {
    let mut play = play();
    let own = |play: &Play, one: &str, other: &str| play.book.house.counts_as_own(id(one), id(other));
    assert!(own(&play, "A", "A") && !own(&play, "A", "B"), "who is of no group is not of one with others of none");
    play.operator(group("A", Some("retail"))).unwrap();
    assert!(!own(&play, "A", "B"));
    play.operator(group("B", Some("retail"))).unwrap();
    assert!(own(&play, "A", "B") && own(&play, "B", "A") && !own(&play, "A", "C") && !own(&play, "A", "Z"));
    // In capitals it is another one: ids are compared to the letter.
    play.operator(group("C", Some("Retail"))).unwrap();
    assert!(!own(&play, "A", "C"));
    let left = play.operator(group("B", None)).unwrap().entries[0];
    assert!(!own(&play, "A", "B"));
    let facts = play.book.entries[&left].facts.group().unwrap();
    assert_eq!((facts.before, facts.group), (Some("retail".parse().unwrap()), None));
    assert_eq!(play.refused("operator", group("Z", Some("retail"))), "NOT_FOUND");
    for name in ["", "1e5", "MAR1", "hub", "a b"] {
        assert!(name.parse::<GroupId>().is_err(), "{name}");
    }
    play.assert_sound();
}

#[test]
fn a_group_is_no_party_to_any_posting() {
    let redeemed = |grouped: bool| {
        let mut play = play();
        if grouped {
            play.operator(group("A", Some("retail"))).unwrap();
            play.operator(group("B", Some("retail"))).unwrap();
        }
        let written = play.journal.len();
        play.issue("A", "M", 100);
        play.redeem("B", "M", 60).unwrap();
        play.assert_sound();
        play.money_from(written)
    };
    assert_eq!(redeemed(true), redeemed(false), "postings and fees are as if there were none");
}

#[test]
fn a_partner_that_was_founded_in_a_group_is_of_it_once_the_journal_is_read() {
    let mut house = house(coalition(), &[("A", terms(Funding::AtRedemption))]);
    house.partners.get_mut(&id("A")).unwrap().group = Some("retail".parse().unwrap());
    let founded =
        FoundedFacts { coalition: house.coalition.clone(), domain: "x.example".to_owned(), key_fingerprint: [0; 32] };
    let book = Book::found(BatchId(1), founded, &house, START).unwrap();
    assert_eq!(book.house.partners[&id("A")].group, Some("retail".parse().unwrap()));
}

#[test]
fn an_account_is_taken_as_its_country_writes_it() {
    for account in [
        first(),
        other(),
        iban("GB29NWBK60161331926819"),
        iban("MT84MALT011000012345MTLCAST001S"),
        national("RU", "044525225", "40702810838000110017", ""),
        national("RU", "044525000", "40702810638000110017", ""),
        national("US", "021000021", "000123456789", ""),
        national("US", "021000021", "000123456789", "A1"),
    ] {
        assert_eq!(play().operator(set("A", account.clone())).map(|_| ()), Ok(()), "{account:?}");
    }
}

#[test]
fn an_account_that_is_mistyped_or_of_another_form_is_refused() {
    let text = |length: usize| "n".repeat(length);
    for (account, field, told) in [
        (iban(""), "iban", "is not an IBAN"),
        (iban("DE89370400440532013001"), "iban", "wrong check digits"),
        (iban("DE89 3704 0044 0532 0130 00"), "iban", "has spaces"),
        (iban("de89370400440532013000"), "iban", "is not an IBAN"),
        // The remainder is right, but the standard has one spelling of a number only: check digits from 02 to 98.
        (iban("DE99370400440532000016"), "iban", "wrong check digits"),
        (iban("DE01370400440532000034"), "iban", "wrong check digits"),
        (iban("DE00370400440532000052"), "iban", "wrong check digits"),
        (iban("DE04370400440532000"), "iban", "as IBANs of its country are"),
        (iban("US64SVBKUS6S3300958879"), "iban", "a country that has no IBANs"),
        (iban(&format!("DE89{}", text(80))), "iban", "is not an IBAN"),
        (national("RU", "044525225", "40702810838000110016", ""), "account_number", "key of"),
        (national("RU", "044525974", "40702810838000110017", ""), "account_number", "key of"),
        (national("RU", "044525225", "4070281083800011001", ""), "account_number", "20 digits"),
        (national("RU", "04452522", "40702810838000110017", ""), "bank_code", "9 digits that begin with 04"),
        (national("RU", "144525225", "40702810838000110017", ""), "bank_code", "9 digits that begin with 04"),
        (
            national("RU", "044525225", "40702810838000110017", "30101810400000000226"),
            "correspondent_account_number",
            "ends as the BIK does",
        ),
        (
            national("RU", "044525225", "40702810838000110017", "30101810500000000225"),
            "correspondent_account_number",
            "key of",
        ),
        (
            national("RU", "044525225", "40702810838000110017", "40702810838000110225"),
            "correspondent_account_number",
            "begins with 301",
        ),
        (national("Ru", "044525225", "40702810838000110017", ""), "country_code", "two capital letters"),
        (national("US", "", "1", ""), "bank_code", "1 to 20"),
        (national("US", "02100 0021", "1", ""), "bank_code", "1 to 20"),
        (national("US", "1", &text(35), ""), "account_number", "1 to 34"),
        (national("US", "1", "1", "1-1"), "correspondent_account_number", "1 to 34"),
        (BankAccount { holder: String::new(), ..first() }, "holder", "it has 0 characters"),
        (BankAccount { holder: text(141), ..first() }, "holder", "it has 141 characters"),
        (BankAccount { bank_name: text(141), ..first() }, "bank_name", "it has 141 characters"),
        (BankAccount { bank_name: "a\u{200b}b".to_owned(), ..first() }, "bank_name", "U+200B"),
    ] {
        let (named, problem) = invalid(play().operator(set("A", account.clone())).unwrap_err());
        let of_number =
            !matches!(field, "holder" | "bank_name") && matches!(account.number, AccountNumber::National(_));
        let way = if of_number { "bank_account.national" } else { "bank_account" };
        assert_eq!(named, format!("{way}.{field}"), "{account:?}: {problem}");
        assert!(problem.contains(told), "{account:?}: {problem}");
    }
}

#[test]
fn no_other_digit_of_an_account_number_is_as_right() {
    for (account, which) in [(first(), "DE89370400440532013000"), (other(), "40702810838000110017")] {
        for at in 2..which.len() {
            for digit in '0'..='9' {
                let changed: String =
                    which.chars().enumerate().map(|(place, own)| if place == at { digit } else { own }).collect();
                let number = match &account.number {
                    AccountNumber::Iban(_) => AccountNumber::Iban(changed.clone()),
                    AccountNumber::National(of) => {
                        AccountNumber::National(NationalAccount { account: changed.clone(), ..of.clone() })
                    }
                };
                assert_eq!(number.check().is_ok(), changed == which, "{changed}");
            }
        }
    }
}

#[test]
fn an_account_is_written_as_an_iban_or_as_a_national_number_and_not_as_both() {
    let read = |text: &str| {
        let fields: toml::Table = toml::from_str(text).unwrap();
        let fields = MapDeserializer::<_, toml::de::Error>::new(fields.into_iter());
        Command::read("set_bank_account", fields).unwrap().map_err(|error| error.to_string())
    };
    let whole = "partner_id = 'A'\nbank_account = { iban = 'DE89370400440532013000', holder = 'Grocer Ltd' }";
    assert_eq!(read(whole), Ok(set("A", first())));
    let both = "partner_id = 'A'\nbank_account = { iban = 'DE89370400440532013000', holder = 'x', \
                national = { country_code = 'RU', bank_code = '1', account_number = '1' } }";
    for (text, told) in [
        (both, "one of the two"),
        ("partner_id = 'A'\nbank_account = { holder = 'x' }", "one of the two"),
        ("partner_id = 'A'\nbank_account = { iban = 'x' }", "holder"),
        ("partner_id = 'A'\nbank_account = { iban = 'x', holder = 'x', bic = 'x' }", "bic"),
    ] {
        let problem = read(text).unwrap_err();
        assert!(problem.contains(told), "{text}: {problem}");
    }
}

#[test]
fn a_change_is_in_force_at_the_same_local_time_so_many_days_later_and_not_a_moment_before() {
    let mut settings = coalition();
    // On the 29th of March 2026 clocks in Berlin go from two to three.
    settings.time_zone = jiff::tz::TimeZone::get("Europe/Berlin").unwrap();
    let mut play = Play::new(house(settings, &[("A", terms(Funding::AtRedemption))]));
    play.now = "2026-03-27T09:30:00Z".parse().unwrap();
    play.ask("A", set("A", first())).unwrap();
    let from: Timestamp = "2026-03-30T08:30:00Z".parse().unwrap();
    assert_eq!(in_force(&play, "A", Timestamp(from.0 - 1)), None);
    assert_eq!(in_force(&play, "A", from), Some(1));
    assert_eq!(in_force(&play, "A", Timestamp::NEVER), Some(1));
    play.assert_sound();
}

#[test]
fn the_account_before_stays_in_force_until_the_change_is() {
    let mut play = play();
    play.ask("A", set("A", first())).unwrap();
    assert_eq!(states(&play, "A"), ["PENDING"]);
    assert_eq!(in_force(&play, "A", play.now), None, "the first one waits as well");
    play.now = play.now.plus_days(3);
    play.operator(set("A", other())).unwrap();
    assert_eq!(states(&play, "A"), ["IN_FORCE", "PENDING"]);
    let (asked, change) = (play.now, play.now.plus_days(3));
    assert_eq!(in_force(&play, "A", Timestamp(change.0 - 1)), Some(1));
    assert_eq!(in_force(&play, "A", change), Some(2));
    play.now = change;
    assert_eq!(states(&play, "A"), ["PAST", "IN_FORCE"]);
    assert_eq!(in_force(&play, "A", asked), Some(1), "what was in force is known for ever");
    let (_, version) = play.book.bank_account_at(id("A"), play.now).unwrap();
    assert_eq!((&version.account, version.asked, version.by), (&other(), asked, PartnerId::operator()));
    play.assert_sound();
}

#[test]
fn a_second_change_starts_the_days_anew_and_the_first_never_is_in_force() {
    let mut play = play();
    play.ask("A", set("A", first())).unwrap();
    play.now = play.now.plus_days(2);
    play.ask("A", set("A", other())).unwrap();
    assert_eq!(states(&play, "A"), ["REPLACED", "PENDING"]);
    assert_eq!(in_force(&play, "A", play.now.plus_days(1)), None, "when the first would have been in force");
    play.now = play.now.plus_days(3);
    assert_eq!(states(&play, "A"), ["REPLACED", "IN_FORCE"]);
    // Asked for again, the same account is a change like any other.
    play.ask("A", set("A", other())).unwrap();
    play.ask("A", set("A", other())).unwrap();
    assert_eq!(states(&play, "A"), ["REPLACED", "IN_FORCE", "REPLACED", "PENDING"]);
    play.assert_sound();
}

#[test]
fn without_days_a_change_is_in_force_at_once_and_nothing_is_left_to_stop() {
    let settings = Coalition { account_change_days: 0, ..coalition() };
    let mut play = Play::new(house(settings, &[("A", terms(Funding::AtRedemption))]));
    play.ask("A", set("A", first())).unwrap();
    play.ask("A", set("A", other())).unwrap();
    assert_eq!(states(&play, "A"), ["PAST", "IN_FORCE"]);
    assert_eq!(play.refused("A", stop("A", 2)), "ACCOUNT_CHANGE_NOT_PENDING");
    play.assert_sound();
}

#[test]
fn either_side_stops_a_change_until_it_is_in_force() {
    for by in ["A", "operator"] {
        let mut play = play();
        play.ask("A", set("A", first())).unwrap();
        play.now = play.now.plus_days(3);
        play.ask("A", set("A", other())).unwrap();
        play.now = Timestamp(play.now.plus_days(3).0 - 1);
        let command =
            StopBankAccountChange { partner: id("A"), version: 2, reason: Some(Code::word("not-ours").unwrap()) };
        let entry = play.ask(by, command.into()).unwrap().entries[0];
        assert_eq!(states(&play, "A"), ["IN_FORCE", "STOPPED"]);
        assert_eq!(play.book.entries[&entry].facts.reason().map(Code::as_str), Some("not-ours"));
        play.now = play.now.plus_days(30);
        assert_eq!(in_force(&play, "A", play.now), Some(1), "{by}: it stays what it was");
        play.ask("A", set("A", other())).unwrap();
        assert_eq!(states(&play, "A"), ["IN_FORCE", "STOPPED", "PENDING"], "a new change is a new version");
        play.assert_sound();
    }
}

#[test]
fn what_does_not_wait_is_not_stopped_and_the_refusal_names_what_does() {
    let mut play = play();
    assert_eq!(play.refused("A", stop("A", 0)), "INVALID_ARGUMENT");
    assert_eq!(play.refused("A", stop("A", 1)), "NOT_FOUND");
    play.ask("A", set("A", first())).unwrap();
    play.ask("A", set("A", other())).unwrap();
    let not_pending =
        |version, pending| Rejection::AccountChangeNotPending { partner: "A".to_owned(), version, pending };
    assert_eq!(play.ask("A", stop("A", 1)).unwrap_err(), not_pending(1, Some(2)));
    assert_eq!(play.refused("A", stop("A", 3)), "NOT_FOUND");
    play.ask("A", stop("A", 2)).unwrap();
    let refused = play.ask("A", stop("A", 2)).unwrap_err();
    assert_eq!(refused, not_pending(2, None), "stopped once");
    assert!(refused.to_string().contains("no other does"), "{refused}");
    play.ask("A", set("A", first())).unwrap();
    play.now = play.now.plus_days(3);
    assert_eq!(play.ask("A", stop("A", 3)).unwrap_err(), not_pending(3, None), "in force");
    play.assert_sound();
}

#[test]
fn an_account_is_its_partners_own_matter_and_the_operators_and_nobody_else_learns_of_it() {
    let mut play = play();
    play.ask("A", set("A", first())).unwrap();
    for partner in ["A", "Z", "operator"] {
        assert_eq!(play.refused("B", set(partner, other())), "NOT_FOUND", "{partner}");
        assert_eq!(play.refused("B", stop(partner, 1)), "NOT_FOUND", "{partner}");
    }
    let [of_another, of_nobody] = ["A", "Z"].map(|partner| play.ask("B", stop(partner, 1)).unwrap_err().to_string());
    assert_eq!(of_another.replace('A', "Z"), of_nobody, "a stranger is not told which partners there are");
    assert_eq!(play.refused("operator", set("Z", other())), "NOT_FOUND");
    assert_eq!(states(&play, "A"), ["PENDING"]);
    play.assert_sound();
}

/// The stream of a partner, and the record of administration that it is shown, tell of a change whoever has asked for it.
#[test]
fn a_change_is_told_to_the_partner_whoever_asks_for_it() {
    let mut play = play();
    for by in ["A", "operator"] {
        let made = play.ask(by, set("A", first())).unwrap().entries[0];
        let version = last(&play);
        let stopped = play.ask(by, stop("A", version)).unwrap().entries[0];
        for entry in [made, stopped] {
            let entry = &play.book.entries[&entry];
            assert!(entry.is_action() && entry.action_partners().contains(&id("A")), "{by}: {:?}", entry.kind);
        }
        let told = play.book.entries[&made].action_changes(&play.book.house);
        for field in ["version", "iban", "holder", "effective_time"] {
            assert!(told.iter().any(|change| change.field == field), "{field} of {told:?}");
        }
    }
}

#[test]
fn the_number_of_versions_has_an_end() {
    let mut play = play();
    play.ask("A", set("A", first())).unwrap();
    let version = play.book.bank_accounts.remove(&(id("A"), 1)).unwrap();
    play.book.bank_accounts.insert((id("A"), ACCOUNT_VERSIONS_MAX), version);
    let refused = play.ask("A", set("A", other())).unwrap_err();
    let what = "the number of versions of the bank account of A".to_owned();
    assert_eq!(refused, Rejection::Overflow { what, maximum: 10_000 });
}

/// What an entry says was before it is compared with the book that the entries before it give.
#[test]
fn the_audit_finds_an_entry_that_tells_a_lie_of_what_was_before() {
    let mut play = play();
    play.operator(SetLegalRecord { partner: id("A"), legal: record() }.into()).unwrap();
    play.operator(group("A", Some("retail"))).unwrap();
    play.ask("A", set("A", first())).unwrap();
    play.now = play.now.plus_days(3);
    play.ask("A", set("A", other())).unwrap();
    play.ask("A", set("A", first())).unwrap();
    play.ask("A", stop("A", 3)).unwrap();
    type Lie<'a> = &'a dyn Fn(&mut Fact);
    let lies: [(EntryKind, Lie<'_>); 7] = [
        (EntryKind::SetLegalRecord, &|fact| {
            if let Fact::Legal(new) = fact {
                new.before = Some(record())
            }
        }),
        (EntryKind::SetGroup, &|fact| {
            if let Fact::Group(new) = fact {
                new.before = Some("x".parse().unwrap())
            }
        }),
        (EntryKind::SetBankAccount, &|fact| {
            if let Fact::BankAccount(new) = fact {
                new.before = None
            }
        }),
        (EntryKind::SetBankAccount, &|fact| {
            if let Fact::BankAccount(new) = fact {
                new.replaces = None
            }
        }),
        (EntryKind::SetBankAccount, &|fact| {
            if let Fact::BankAccount(new) = fact {
                new.version += 1
            }
        }),
        (EntryKind::StopBankAccount, &|fact| {
            if let Fact::BankAccountStopped(of) = fact {
                of.version -= 1
            }
        }),
        (EntryKind::StopBankAccount, &|fact| {
            if let Fact::BankAccountStopped(of) = fact {
                of.from.0 += 1
            }
        }),
    ];
    for (kind, lie) in lies {
        let at = play.journal.iter().rposition(|(_, entry)| entry.kind == kind).unwrap();
        let book = play.rebuilt_from(&play.journal[..at]);
        let (entry_id, entry): &(EntryId, Arc<Entry>) = &play.journal[at];
        assert_eq!(check_before(&book, *entry_id, entry), vec![], "{kind:?}");
        let mut changed = Entry::clone(entry);
        changed.facts = changed
            .facts
            .iter()
            .cloned()
            .map(|mut fact| {
                lie(&mut fact);
                fact
            })
            .collect();
        assert_ne!(changed, **entry, "{kind:?}");
        assert_eq!(check_before(&book, *entry_id, &changed).len(), 1, "{kind:?}: {:?}", changed.facts);
    }
}

/// A planted difference of each column is found where rows are compared.
#[test]
fn the_audit_finds_an_account_a_record_or_a_group_that_the_journal_does_not_give() {
    let mut play = play();
    play.operator(SetLegalRecord { partner: id("A"), legal: record() }.into()).unwrap();
    play.operator(group("A", Some("retail"))).unwrap();
    play.ask("A", set("A", other())).unwrap();
    play.assert_sound();
    let rebuilt = play.rebuilt();
    type Plant<'a> = &'a dyn Fn(&mut Book);
    let plants: [(&str, Plant<'_>); 8] = [
        ("legal record", &|book| book.legal.get_mut(&id("A")).unwrap().name.push('x')),
        ("legal record", &|book| book.legal.get_mut(&id("A")).unwrap().address.town.push('x')),
        ("legal record", &|book| drop(book.legal.remove(&id("A")))),
        ("partner A", &|book| Arc::make_mut(&mut book.house).partners.get_mut(&id("A")).unwrap().group = None),
        ("bank account", &|book| book.bank_accounts.values_mut().for_each(|known| known.from.0 -= 1)),
        ("bank account", &|book| book.bank_accounts.values_mut().for_each(|known| known.account.holder.push('x'))),
        ("bank account", &|book| book.bank_accounts.values_mut().for_each(|known| known.account = first())),
        ("bank account", &|book| book.bank_accounts.clear()),
    ];
    for (what, plant) in plants {
        let mut planted = play.book.clone();
        plant(&mut planted);
        let found: Vec<String> = compare(&planted, &rebuilt).iter().map(ToString::to_string).collect();
        assert!(found.len() == 1 && found[0].contains(what), "{what}: {found:?}");
    }
}

/// What may be asked of one partner's account.
#[derive(Debug, Clone)]
enum Step {
    Set { by: bool, first: bool },
    Stop { by: bool, version: u32 },
    Wait { hours: i64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (any::<bool>(), any::<bool>()).prop_map(|(by, first)| Step::Set { by, first }),
        2 => (any::<bool>(), 1..12u32).prop_map(|(by, version)| Step::Stop { by, version }),
        3 => (0..100i64).prop_map(|hours| Step::Wait { hours }),
    ];
    proptest::collection::vec(step, 1..40)
}

proptest! {
    /// However changes, stops and days follow one another: nobody is paid to an account that had not all its days to be
    /// seen, at most one change waits, what was in force at a time stays what was, and the journal gives it again.
    #[test]
    fn no_account_is_in_force_that_had_not_its_days(steps in steps()) {
        let mut play = play();
        let days = play.book.house.coalition.account_change_days;
        let mut seen: Vec<(Timestamp, Option<u32>)> = Vec::new();
        for step in steps {
            let caller = |by: bool| if by { "A" } else { "operator" };
            match step {
                Step::Set { by, first: is_first } => {
                    let account = if is_first { first() } else { other() };
                    play.ask(caller(by), set("A", account)).unwrap();
                }
                Step::Stop { by, version } => {
                    let before = play.book.bank_account_state(id("A"), version, play.now);
                    let stopped = play.ask(caller(by), stop("A", version)).is_ok();
                    prop_assert_eq!(stopped, before == Some(AccountState::Pending));
                }
                Step::Wait { hours } => play.now = play.now.plus_seconds(hours * 3600),
            }
            let now = play.now;
            seen.push((now, in_force(&play, "A", now)));
            for (time, version) in &seen {
                prop_assert_eq!(in_force(&play, "A", *time), *version, "at {}", time);
            }
            let pending = states(&play, "A").iter().filter(|state| **state == "PENDING").count();
            let in_force = states(&play, "A").iter().filter(|state| **state == "IN_FORCE").count();
            prop_assert!(pending <= 1 && in_force <= 1, "{:?}", states(&play, "A"));
            if let Some((version, known)) = play.book.bank_account_at(id("A"), now) {
                prop_assert_eq!(known.from, play.book.house.coalition.days_after(days, known.asked));
                prop_assert!(known.from <= now);
                // From when it was asked for until it was in force, nothing else was asked for or stopped.
                let later = play.journal.iter().filter(|(_, entry)| {
                    let other = entry.facts.bank_account().is_some_and(|new| new.version != version)
                        || entry.facts.bank_account_stopped().is_some();
                    other && entry.time > known.asked && entry.time < known.from
                });
                prop_assert_eq!(later.count(), 0);
            }
        }
        play.assert_sound();
    }
}

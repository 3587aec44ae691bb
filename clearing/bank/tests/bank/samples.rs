//! What the tests write and read: a coalition with two accounts in euros and one in roubles, and the files of its banks.

use std::path::PathBuf;

use clearing_bank::{Account, BankCode, Order, Own, Party, Payments};
use clearing_core::units::Currency;
use jiff::civil::date;
use rust_decimal::Decimal;

/// The coalition's account for settlements, in euros.
pub const IBAN: &str = "DE89370400440532013000";
/// Another one.
pub const SECOND_IBAN: &str = "DE02120300000000202051";
/// Its account in roubles.
pub const RUSSIAN: &str = "40702810900000012345";

pub fn euros() -> Own {
    Own::new(currency("EUR"), [IBAN, SECOND_IBAN])
}

pub fn roubles() -> Own {
    Own::new(currency("RUB"), [RUSSIAN])
}

pub fn currency(code: &str) -> Currency {
    code.parse().unwrap()
}

pub fn money(text: &str) -> Decimal {
    text.parse().unwrap()
}

/// A file from a bank, or for one, that is checked in.
pub fn file(path: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests").join(path);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Fails where what is written is not what is checked in. What was written is left in target/tmp, to be looked at and kept.
pub fn is_golden(name: &str, bytes: &[u8]) {
    let kept = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::fs::read(&kept).ok().as_deref() != Some(bytes) {
        let written = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&written, bytes).unwrap();
        panic!("{} is not {}", written.display(), kept.display());
    }
}

pub fn party(id: &str, name: &str, iban: &str) -> Party {
    let account = Account { number: iban.to_owned(), bank: BankCode::None, bank_name: None, correspondent: None };
    Party { id: id.to_owned(), name: name.to_owned(), tax_id: None, tax_code: None, account }
}

pub fn russian(id: &str, name: &str, tax_id: &str, number: &str) -> Party {
    let account = Account {
        number: number.to_owned(),
        bank: BankCode::National { country: "RU".to_owned(), code: "044525225".to_owned() },
        bank_name: Some("ПАО СБЕРБАНК".to_owned()),
        correspondent: Some("30101810400000000225".to_owned()),
    };
    let tax_code = Some("770101001".to_owned());
    Party { id: id.to_owned(), name: name.to_owned(), tax_id: Some(tax_id.to_owned()), tax_code, account }
}

pub fn order(number: u32, payer: &Party, payee: &Party, amount: &str) -> Order {
    Order { number, payer: payer.clone(), payee: payee.clone(), amount: money(amount) }
}

fn payments(code: &str, purpose: &str, orders: Vec<Order>) -> Payments {
    Payments {
        coalition: "points.example".to_owned(),
        window: 7,
        export: 1,
        exported: date(2026, 3, 2).at(9, 30, 5, 0),
        payment_date: date(2026, 3, 3),
        currency: currency(code),
        orders,
        purpose: purpose.to_owned(),
    }
}

/// Two pay-outs of HUB, in euros.
pub fn hub_in_euros() -> Payments {
    let hub = party("hub", "Points & Co. Settlement", IBAN);
    let mut grocer = party("GROCER", "Käsehaus \"Öl & Brot\" <GmbH>", "DE75512108001245126199");
    grocer.account.bank = BankCode::Bic("SOGEDEFFXXX".to_owned());
    grocer.tax_id = Some("DE123456789".to_owned());
    let cafe = party("CAFE", "=SUM(A1) Café O'Neill", "FR1420041010050500013M02606");
    let orders = vec![order(1, &hub, &grocer, "5305.62"), order(2, &hub, &cafe, "0.01")];
    payments("EUR", clearing_bank::Format::Pain001.purpose(), orders)
}

/// Three orders of PAIRWISE from two payers, in roubles.
pub fn pairwise_in_roubles() -> Payments {
    let fuel = russian("FUEL", "ООО «Топливо»", "7707083893", "40702810100000000001");
    let grocer = russian("GROCER", "АО \"Бакалея № 1\"", "7702070139", "40702810400000000002");
    let cafe = russian("CAFE", "ООО Кафе", "7736050003", "40702810700000000003");
    let orders =
        vec![order(1, &fuel, &grocer, "5305.62"), order(2, &fuel, &cafe, "100"), order(3, &cafe, &grocer, "0.5")];
    payments("RUB", clearing_bank::Format::Exchange(clearing_bank::Encoding::Utf8).purpose(), orders)
}

//! Statements and notifications of banks.

use clearing_bank::{
    Amounts, Balance, BankFile, Continuity, DateForm, Encoding, FileFormat, Format, Line, LineKey, LineKind, LineState,
    OtherSide, Own, Period, Reference, Sheet, Sign, Statement, files, read, read_csv,
};
use jiff::civil::date;
use proptest::prelude::*;
use rust_decimal::Decimal;

use crate::samples::{IBAN, RUSSIAN, SECOND_IBAN, currency, euros, file, money, pairwise_in_roubles, roubles};

/// How a bank's CSV is read.
pub fn sheet() -> Sheet {
    let column = |name: &str| Some(name.to_owned());
    Sheet {
        account: IBAN.to_owned(),
        encoding: Encoding::Utf8,
        delimiter: b';',
        lines_above: 1,
        dates: DateForm::Dotted,
        booking_date: "Booked".to_owned(),
        amounts: Amounts::Signed("Amount".to_owned()),
        value_date: column("Value"),
        currency: column("Currency"),
        other_account: column("Account"),
        other_bank: None,
        other_name: column("Name"),
        other_tax_id: None,
        bank_reference: column("Reference"),
        end_to_end_id: None,
        document_number: None,
        text: column("Text"),
        opening: Some(money("100.00")),
        closing: Some(money("5400.62")),
        whole_days: None,
    }
}

fn camt_02() -> BankFile {
    read(&file("files/camt.053.001.02.xml"), &euros()).unwrap()
}

/// What is looked at of a line in the tests.
fn told(line: &Line) -> (Sign, String, Option<&str>, Option<&str>) {
    (line.sign, line.amount.to_string(), line.bank_reference.as_deref(), line.other.name.as_deref())
}

#[test]
fn a_statement_of_iso_20022_tells_its_lines_and_balances() {
    let read_02 = camt_02();
    assert_eq!((read_02.format, read_02.encoding), (FileFormat::Camt053(2), Encoding::Utf8));
    let [statement] = read_02.statements.as_slice() else { panic!("{read_02:?}") };
    assert_eq!(statement.account, IBAN);
    let balances =
        [statement.opening, statement.closing].map(|balance| balance.map(|balance| (balance.amount, balance.date)));
    let day = date(2026, 3, 4);
    assert_eq!(balances, [Some((money("100.00"), Some(day))), Some((money("92.50"), Some(day)))]);
    assert_eq!(statement.whole_days, Period::of(day, day));
    let lines: Vec<_> = statement.lines.iter().map(told).collect();
    assert_eq!(
        lines,
        [
            (Sign::Credit, "5305.62".to_owned(), Some("B26063-1"), Some("Fuel & Söhne")),
            (Sign::Credit, "60.00".to_owned(), Some("B26063-2/1"), Some("Cafe")),
            (Sign::Credit, "40.00".to_owned(), Some("B26063-2/2"), Some("Grocer")),
            (Sign::Debit, "5405.62".to_owned(), Some("B26063-3"), Some("Grocer")),
            (Sign::Debit, "2.50".to_owned(), Some("B26063-3"), None),
            (Sign::Debit, "5.00".to_owned(), None, None),
        ]
    );
    let first = &statement.lines[0];
    assert_eq!(first.other.account.as_deref(), Some("DE75512108001245126199"));
    assert_eq!(first.other.bank.as_deref(), Some("SOGEDEFF"));
    assert_eq!(first.end_to_end_id.as_deref(), Some("FUEL-2026-03"));
    assert_eq!(first.text, "Settlement of window 7, thank you");
    assert_eq!((first.booking_date, first.value_date, first.state), (Some(day), Some(day), LineState::Booked));
    assert_eq!(first.file_line, 55);
    assert_eq!(statement.lines[1].end_to_end_id, None, "NOTPROVIDED is none");
    assert_eq!(statement.lines[3].document_number.as_deref(), Some("1"));
}

#[test]
fn every_version_of_a_statement_from_02_to_08_is_read_and_no_other() {
    let text = String::from_utf8(file("files/camt.053.001.02.xml")).unwrap();
    let of_version = |version: &str| read(text.replace("camt.053.001.02", version).as_bytes(), &euros());
    for version in 2..=7_u8 {
        let file = of_version(&format!("camt.053.001.0{version}")).unwrap();
        assert_eq!(file.format, FileFormat::Camt053(version));
        assert_eq!(file.statements, camt_02().statements);
    }
    for version in [
        "camt.053.001.01",
        "camt.053.001.09",
        "camt.053.001.12",
        "camt.053.001.2",
        "camt.052.001.02",
        "pain.001.001.09",
    ] {
        assert_eq!(of_version(version).unwrap_err().fault.name(), "UNKNOWN_VERSION", "{version}");
    }
}

#[test]
fn a_statement_of_version_08_tells_what_came_back_what_is_announced_and_each_account() {
    let read_08 = read(&file("files/camt.053.001.08.xml"), &euros()).unwrap();
    let [first, second] = read_08.statements.as_slice() else { panic!("{read_08:?}") };
    assert_eq!((first.account.as_str(), second.account.as_str()), (IBAN, SECOND_IBAN));
    let day = date(2026, 3, 5);
    assert_eq!(first.closing.map(|balance| balance.amount), Some(money("-7.50")), "overdrawn");
    assert_eq!(first.whole_days, Period::of(day, day));
    assert_eq!((second.opening, second.whole_days), (None, None));
    let [back, announced] = first.lines.as_slice() else { panic!("{first:?}") };
    assert_eq!((back.sign, back.reversal, back.return_reason.as_deref()), (Sign::Debit, true, Some("AC04")));
    let fuel = OtherSide {
        account: Some("DE75512108001245126199".to_owned()),
        bank: Some("SOGEDEFF".to_owned()),
        name: Some("Fuel".to_owned()),
        tax_id: Some("DE123456789".to_owned()),
    };
    assert_eq!(back.other, fuel, "of a reversal the sides stand as in what it takes back");
    assert_eq!(back.text, "RF18539007547034");
    assert_eq!((announced.state, announced.booking_date), (LineState::Pending, None));
    assert_eq!(announced.text, "Announced <tomorrow> &amp; я");
    assert_eq!(first.keys()[1].key, None, "what is not booked has no key");
}

#[test]
fn a_notification_and_the_statement_of_its_day_call_a_line_by_one_key() {
    let notified = read(&file("files/camt.054.001.08.xml"), &euros()).unwrap();
    assert_eq!(notified.format, FileFormat::Camt054(8));
    let [statement] = notified.statements.as_slice() else { panic!("{notified:?}") };
    assert_eq!((statement.opening, statement.closing, statement.whole_days), (None, None, None));
    let keys = statement.keys();
    let of_the_day = camt_02().statements[0].keys();
    assert_eq!(keys[0], of_the_day[0]);
    assert_eq!(keys[1].key, of_the_day[5].key);
    assert_eq!(
        (keys[0].waits_for_person, keys[1].waits_for_person),
        (false, true),
        "a part of a day may lack an equal line"
    );
    assert!(of_the_day.iter().all(|key| !key.waits_for_person), "the whole day is there");
}

#[test]
fn a_day_that_two_statements_of_an_account_are_about_is_whole_in_neither() {
    let text = String::from_utf8(file("files/camt.053.001.02.xml")).unwrap();
    let (before, statement) = text.split_once("<Stmt>").unwrap();
    let statement = statement.split_once("</Stmt>").unwrap().0;
    let file_of = |statements: &[&str]| {
        let statements: String = statements.iter().map(|inner| format!("<Stmt>{inner}</Stmt>")).collect();
        read(format!("{before}{statements}</BkToCstmrStmt></Document>").as_bytes(), &euros()).unwrap()
    };
    let whole =
        |file: BankFile| file.statements.iter().map(|statement| statement.whole_days.is_some()).collect::<Vec<_>>();
    let next_day = statement.replace("2026-03-04", "2026-03-05").replace("2026-03-03", "2026-03-04");
    assert_eq!(whole(file_of(&[statement])), [true]);
    assert_eq!(whole(file_of(&[&next_day, statement])), [true, true]);
    assert_eq!(whole(file_of(&[statement, &next_day, statement])), [false, true, false]);
}

#[test]
fn lines_that_a_bank_calls_the_same_have_keys_of_their_own_and_the_payment_comes_before_its_fee() {
    let mut statement = camt_02().statements.remove(0);
    let keys = statement.keys();
    let reference = |nth: u32| {
        Some(LineKey::Reference {
            account: IBAN.to_owned(),
            booking_date: date(2026, 3, 4),
            reference: "B26063-3".to_owned(),
            nth,
        })
    };
    assert_eq!((keys[3].key.clone(), keys[4].key.clone()), (reference(1), reference(2)));
    statement.lines.swap(3, 4);
    let swapped = statement.keys();
    assert_eq!((swapped[3].key.clone(), swapped[4].key.clone()), (reference(2), reference(1)));
    let digests: std::collections::BTreeSet<[u8; 32]> =
        keys.iter().filter_map(|keyed| keyed.key.as_ref().map(LineKey::digest)).collect();
    assert_eq!(digests.len(), keys.len());
    let names: Vec<String> = keys.iter().filter_map(|keyed| keyed.key.as_ref().map(LineKey::reference)).collect();
    assert_eq!(names[..5], ["B26063-1", "B26063-2/1", "B26063-2/2", "B26063-3", "B26063-3#2"]);
    assert!(names[5].starts_with('~') && names[5].len() == 27);
}

#[test]
fn a_batch_whose_payments_do_not_come_to_its_amount_is_one_line() {
    let text = String::from_utf8(file("files/camt.053.001.02.xml")).unwrap();
    for other in ["<Amt Ccy=\"EUR\">39.00</Amt>", "<Amt Ccy=\"USD\">40.00</Amt>"] {
        let text = text.replace("<Amt Ccy=\"EUR\">40.00</Amt>", other);
        let file = read(text.as_bytes(), &euros()).unwrap();
        let lines = &file.statements[0].lines;
        assert_eq!(lines.len(), 5);
        assert_eq!((lines[1].amount, lines[1].payments), (money("100.00"), 2));
        assert_eq!(lines[1].other, OtherSide::default(), "it was from several");
        assert_eq!(lines[1].bank_reference.as_deref(), Some("B26063-2"));
    }
}

#[test]
fn a_statement_of_1c_is_the_same_in_each_of_its_encodings() {
    let mut statements = Vec::new();
    let encodings = [Encoding::Windows1251, Encoding::Utf8, Encoding::Dos866];
    for (name, encoding) in ["1c-windows.txt", "1c-utf8.txt", "1c-dos.txt"].into_iter().zip(encodings) {
        let file = read(&file(&format!("files/{name}")), &roubles()).unwrap();
        assert_eq!((file.format, file.encoding), (FileFormat::Exchange, encoding));
        statements.push(file.statements);
    }
    assert_eq!(statements[0], statements[1]);
    let [statement] = statements[0].as_slice() else { panic!("{statements:?}") };
    assert_eq!(statement.account, RUSSIAN);
    let balances =
        [statement.opening, statement.closing].map(|balance| balance.map(|balance| (balance.amount, balance.date)));
    let days = [date(2026, 3, 3), date(2026, 3, 4)];
    assert_eq!(balances, [Some((money("1000.00"), Some(days[0]))), Some((money("900.00"), Some(days[1])))]);
    assert_eq!(statement.whole_days, Period::of(days[0], days[1]), "it was made the day after");
    let lines: Vec<_> = statement.lines.iter().map(told).collect();
    assert_eq!(
        lines,
        [
            (Sign::Credit, "5305.62".to_owned(), None, Some("ООО «Топливо»")),
            (Sign::Debit, "5305.62".to_owned(), None, Some("АО \"Бакалея № 1\"")),
            (Sign::Debit, "100.00".to_owned(), None, Some("БАНК")),
            (Sign::Debit, "0.50".to_owned(), None, Some("ООО Кафе")),
        ]
    );
    let first = &statement.lines[0];
    assert_eq!(first.text, "Расчеты по программе, окно 7, поручение № 1 НДС не облагается");
    assert_eq!((first.booking_date, first.document_number.as_deref()), (Some(days[0]), Some("17")));
    assert_eq!(first.other.account.as_deref(), Some("40702810100000000001"));
    assert_eq!(first.other.tax_id.as_deref(), Some("7707083893"));
    assert_eq!(statement.lines[3].state, LineState::Pending, "the bank has named no day yet");
    let key = LineKey::Content {
        account: RUSSIAN.to_owned(),
        booking_date: days[0],
        sign: Sign::Credit,
        amount: money("5305.62"),
        other_account: Some("40702810100000000001".to_owned()),
        document_number: Some("17".to_owned()),
        nth: 1,
    };
    assert_eq!(statement.keys()[0].key.as_ref(), Some(&key));
}

#[test]
fn a_statement_of_1c_that_was_made_during_its_last_day_does_not_hold_that_day() {
    let text = String::from_utf8(file("files/1c-utf8.txt")).unwrap();
    let same_day = text.replace("ДатаСоздания=05.03.2026", "ДатаСоздания=04.03.2026");
    let statement = read(same_day.as_bytes(), &roubles()).unwrap().statements.remove(0);
    assert_eq!(statement.whole_days, Period::of(date(2026, 3, 3), date(2026, 3, 3)));
    let waits: Vec<bool> = statement.keys().iter().map(|key| key.waits_for_person).collect();
    assert_eq!(waits, [false, true, true, false]);
    let undated = text.replace("ДатаСоздания=05.03.2026", "ДатаСоздания=");
    assert_eq!(read(undated.as_bytes(), &roubles()).unwrap().statements[0].whole_days, None);
}

#[test]
fn a_transfer_between_own_accounts_is_a_line_of_each_of_them() {
    let own = Own::new(currency("RUB"), [RUSSIAN, "40702810400000000002"]);
    let text = String::from_utf8(file("files/1c-utf8.txt")).unwrap();
    let both = text.replacen("РасчСчет=", "РасчСчет=40702810400000000002\r\nРасчСчет=", 1);
    let file = read(both.as_bytes(), &own).unwrap();
    let [reserve, settlement] = file.statements.as_slice() else { panic!("{file:?}") };
    assert_eq!((reserve.account.as_str(), reserve.lines.len()), ("40702810400000000002", 1));
    assert_eq!((reserve.lines[0].sign, settlement.lines[1].sign), (Sign::Credit, Sign::Debit));
    assert_eq!(reserve.lines[0].other.account.as_deref(), Some(RUSSIAN));
    assert_eq!(file.lines(), 5);
}

#[test]
fn csv_is_read_by_the_columns_that_are_named() {
    let read = read_csv(&file("files/statement.csv"), &euros(), &sheet()).unwrap();
    assert_eq!(read.format, FileFormat::Csv);
    let statement = &read.statements[0];
    let lines: Vec<_> = statement.lines.iter().map(told).collect();
    assert_eq!(
        lines,
        [
            (Sign::Credit, "5305.62".to_owned(), Some("B26063-1"), Some("Fuel; & \"Söhne\"")),
            (Sign::Debit, "5.00".to_owned(), None, None),
        ]
    );
    assert_eq!(statement.lines[0].text, "Settlement of window 7, thank you");
    assert_eq!((statement.lines[0].file_line, statement.lines[1].file_line), (3, 5));
    assert_eq!(statement.keys()[0], camt_02().statements[0].keys()[0], "a line is the same whatever file tells of it");
}

#[test]
fn csv_may_have_a_column_for_each_side_or_a_word_for_it() {
    let sides = Sheet {
        lines_above: 0,
        delimiter: b',',
        dates: DateForm::Iso,
        amounts: Amounts::Columns { credit: "In".to_owned(), debit: "Out".to_owned() },
        booking_date: "Day".to_owned(),
        opening: None,
        closing: None,
        value_date: None,
        currency: None,
        other_account: None,
        other_name: None,
        bank_reference: None,
        text: None,
        ..sheet()
    };
    let amounts = |sheet: &Sheet, text: &str| {
        read_csv(text.as_bytes(), &euros(), sheet)
            .map(|file| file.statements[0].lines.iter().map(Line::signed).collect::<Vec<_>>())
    };
    let read = amounts(&sides, "Day,In,Out\n2026-03-04,1.50,\n2026-03-04,0.00,2\n");
    assert_eq!(read, Ok(vec![money("1.50"), money("-2.00")]));
    for (row, column) in [("1,2", "Out"), (",", "In"), ("-1,", "In"), ("x,", "In")] {
        let error = amounts(&sides, &format!("Day,In,Out\n2026-03-04,{row}\n")).unwrap_err();
        assert_eq!((error.line, error.field.as_str()), (Some(2), column), "{error}");
    }
    let [amount, sign, credit, debit] = ["Sum", "D/C", "C", "D"].map(str::to_owned);
    let words = Sheet { amounts: Amounts::Words { amount, sign, credit, debit }, ..sides };
    assert_eq!(
        amounts(&words, "Day,Sum,D/C\n2026-03-04,1.5,D\n2026-03-04,1,C\n"),
        Ok(vec![money("-1.50"), money("1.00")])
    );
    let error = amounts(&words, "Day,Sum,D/C\n2026-03-04,1.5,K\n").unwrap_err();
    assert_eq!(error.field, "D/C");
}

#[test]
fn the_hash_of_a_file_is_that_of_all_its_bytes() {
    let bytes = file("files/statement.csv");
    let hash = |bytes: &[u8]| read_csv(bytes, &euros(), &sheet()).unwrap().hash;
    assert_eq!(hash(&bytes), hash(&bytes));
    assert_ne!(hash(&bytes), hash(&bytes[3..]), "without the mark at the beginning");
}

#[test]
fn a_statement_follows_on_the_one_before_or_overlaps_it_or_the_gap_is_named() {
    let before = camt_02().statements.remove(0);
    let after = read(&file("files/camt.053.001.08.xml"), &euros()).unwrap().statements.remove(0);
    assert_eq!(after.continues(before.closing), Continuity::Follows);
    assert_eq!(before.continues(before.closing), Continuity::Overlaps);
    let other = before.closing.map(|closing| Balance { amount: money("92.49"), ..closing });
    let gap = Continuity::Gap { expected: money("92.49"), found: money("92.50") };
    assert_eq!(after.continues(other), gap);
    assert_eq!(after.continues(None), Continuity::Unknown);
}

#[test]
fn a_file_of_another_day_is_told_from_the_one_that_is_wanted() {
    let file = camt_02();
    let days = |first: i8, last: i8| Period { first: date(2026, 3, first), last: date(2026, 3, last) };
    assert_eq!(file.check_days(days(4, 4)), Ok(()));
    let error = file.check_days(days(5, 6)).unwrap_err();
    assert_eq!((error.line, error.field.as_str(), error.fault.name()), (Some(55), "booking date", "OTHER_DAY"));
    assert_eq!(
        error.to_string(),
        "line 55, booking date: it is of 2026-03-04, and the days from 2026-03-05 to 2026-03-06 are wanted"
    );
}

#[test]
fn an_order_of_the_house_is_known_again_on_the_statement_of_its_bank() {
    let payments = pairwise_in_roubles();
    let written = files(&payments, Format::Exchange(Encoding::Windows1251)).unwrap();
    // The bank gives back the orders of FUEL, booked, as a statement of its account.
    let mut orders = written[1].bytes.clone();
    let day: Vec<u8> = clearing_day("ДатаСписано=03.03.2026\r\n");
    let amount = clearing_day("Сумма=");
    let mut place = 0;
    while let Some(found) = orders[place..].windows(amount.len()).position(|bytes| bytes == amount) {
        orders.splice(place + found..place + found, day.clone());
        place += found + day.len() + amount.len();
    }
    let own = Own::new(currency("RUB"), ["40702810100000000001"]);
    let statement = read(&orders, &own).unwrap().statements.remove(0);
    assert_eq!(statement.lines.len(), 2);
    for (line, order) in statement.lines.iter().zip(&payments.orders) {
        assert_eq!((line.sign, line.amount), (Sign::Debit, order.amount));
        assert_eq!(line.other.account.as_ref(), Some(&order.payee.account.number));
        assert_eq!(line.other.name.as_ref(), Some(&order.payee.name));
        assert_eq!(line.document_number, Some(order.number.to_string()));
        let reference = Reference::of("points.example", 7, &order.payer.id, &order.payee.id);
        assert_eq!(Reference::all_in(&line.text), [reference]);
    }
}

/// Letters of windows-1251.
fn clearing_day(text: &str) -> Vec<u8> {
    let byte = |letter: char| match letter {
        'А'..='я' => u8::try_from(u32::from(letter) - u32::from('А')).unwrap() + 0xC0,
        other => u8::try_from(other).unwrap(),
    };
    text.chars().map(byte).collect()
}

fn statement_of(lines: Vec<Line>) -> Statement {
    let days = Period::of(date(2026, 3, 1), date(2026, 3, 3));
    Statement { account: IBAN.to_owned(), file_line: 1, opening: None, closing: None, whole_days: days, lines }
}

fn drawn_lines() -> impl Strategy<Value = Vec<Line>> {
    let sides = prop::sample::select(vec![Sign::Credit, Sign::Debit]);
    let references = prop::option::of(prop::sample::select(vec!["R1", "R2"]));
    let drawn = (1_i8..=3, sides, 1_i64..4, references, prop::option::of(prop::sample::select(vec!["A", "B"])));
    prop::collection::vec(drawn, 0..20).prop_map(|lines| {
        let line = |(day, sign, cents, reference, account): (i8, Sign, i64, Option<&str>, Option<&str>)| Line {
            file_line: 1,
            state: LineState::Booked,
            booking_date: Some(date(2026, 3, day)),
            value_date: None,
            sign,
            amount: Decimal::new(cents, 2),
            currency: currency("EUR"),
            kind: LineKind::Payment,
            reversal: false,
            return_reason: None,
            other: OtherSide { account: account.map(str::to_owned), ..OtherSide::default() },
            bank_reference: reference.map(str::to_owned),
            end_to_end_id: None,
            document_number: None,
            text: String::new(),
            payments: 1,
        };
        lines.into_iter().map(line).collect()
    })
}

proptest! {
    #[test]
    fn no_two_lines_of_a_statement_have_one_key_and_their_order_changes_none(
        (lines, shuffled) in drawn_lines().prop_flat_map(|lines| (Just(lines.clone()), Just(lines).prop_shuffle())),
    ) {
        let keyed = |lines: Vec<Line>| {
            let statement = statement_of(lines);
            let keys = statement.keys().into_iter().map(|keyed| keyed.key.unwrap());
            let mut content: Vec<_> =
                keys.zip(&statement.lines).map(|(key, line)| (key, line.sign, line.amount)).collect();
            content.sort();
            content
        };
        let one = keyed(lines);
        for pair in one.windows(2) {
            prop_assert_ne!(&pair[0].0, &pair[1].0);
        }
        prop_assert_eq!(one, keyed(shuffled));
    }
}

//! Orders for banks.

use clearing_bank::{BankCode, Encoding, File, Format, Order, Payments, Reference, files};
use proptest::prelude::*;
use quick_xml::Reader;
use quick_xml::events::Event;
use rust_decimal::Decimal;

use crate::samples::{hub_in_euros, is_golden, money, order, pairwise_in_roubles, party};

const FORMATS: [Format; 4] =
    [Format::Pain001, Format::Exchange(Encoding::Windows1251), Format::Exchange(Encoding::Utf8), Format::Csv];

#[test]
fn orders_are_written_as_they_are_checked_in_byte_for_byte() {
    for format in [Format::Pain001, Format::Csv] {
        for file in files(&hub_in_euros(), format).unwrap() {
            is_golden(&file.name, &file.bytes);
        }
    }
    for format in FORMATS {
        let encoding = if format == Format::Exchange(Encoding::Utf8) { "utf8-" } else { "" };
        for file in files(&pairwise_in_roubles(), format).unwrap() {
            is_golden(&format!("{encoding}{}", file.name), &file.bytes);
        }
    }
}

#[test]
fn pairwise_orders_are_one_file_for_each_payer_and_each_names_its_own_account() {
    let payments = pairwise_in_roubles();
    for format in FORMATS {
        let written = files(&payments, format).unwrap();
        let payers: Vec<&str> = written.iter().map(|file| file.payer.as_str()).collect();
        assert_eq!(payers, ["CAFE", "FUEL"], "in the order of their ids");
        for file in &written {
            let name = format!("orders-7-{}.{}", file.payer, format.extension());
            assert_eq!(file.name, name);
        }
    }
    assert!(files(&Payments { orders: Vec::new(), ..payments }, Format::Pain001).unwrap().is_empty());
}

/// What one changes in the payments.
type Change = fn(&mut Payments);

#[test]
fn the_same_export_is_the_same_bytes_and_whatever_a_bank_would_do_otherwise_changes_the_name_of_the_message() {
    let names = |payments: &Payments, format: Format| -> Vec<File> { files(payments, format).unwrap() };
    for format in FORMATS {
        let payments = pairwise_in_roubles();
        let first = names(&payments, format);
        assert_eq!(names(&payments, format), first);
        let mut shuffled = payments.clone();
        shuffled.orders.reverse();
        assert_eq!(names(&shuffled, format), first, "orders go by their numbers");
        let changes: [Change; 9] = [
            |payments| payments.export = 2,
            |payments| payments.window = 8,
            |payments| payments.coalition = "other.example".to_owned(),
            |payments| payments.payment_date = payments.payment_date.tomorrow().unwrap(),
            |payments| payments.exported = payments.exported.date().at(9, 30, 6, 0),
            |payments| payments.orders.iter_mut().for_each(|order| order.amount += money("0.01")),
            |payments| {
                payments.orders.iter_mut().for_each(|order| {
                    order.payee.account.bank =
                        BankCode::National { country: "RU".to_owned(), code: "044525593".to_owned() }
                })
            },
            |payments| payments.orders.iter_mut().for_each(|order| order.payer.name.push('!')),
            |payments| payments.purpose.push('!'),
        ];
        for change in changes {
            let mut other = payments.clone();
            change(&mut other);
            for (one, other) in first.iter().zip(names(&other, format)) {
                assert_ne!(one.message_id, other.message_id, "{other:?}");
                assert!(other.message_id.len() <= 35);
            }
        }
    }
}

#[test]
fn an_order_keeps_its_reference_when_it_is_exported_anew_so_that_a_second_payment_of_it_is_seen() {
    let payments = hub_in_euros();
    let mut anew = payments.clone();
    anew.export = 2;
    anew.orders[0].payee.account.number = "DE02100500000054540402".to_owned();
    let references = |payments: &Payments| -> Vec<Reference> {
        files(payments, Format::Pain001)
            .unwrap()
            .iter()
            .flat_map(|file| Reference::all_in(&leaves(&file.bytes, "EndToEndId").join(" ")))
            .collect()
    };
    assert_eq!(references(&payments), references(&anew));
    assert_eq!(references(&payments)[0], Reference::of("points.example", 7, "hub", "GROCER"));
}

#[test]
fn an_order_that_a_file_cannot_hold_is_named_and_no_file_is_made() {
    let cases: [(Change, &str, &str); 17] = [
        (|payments| payments.orders[1].number = 0, "number", "from 1 to 999999"),
        (|payments| payments.orders[1].number = 1, "payer", "two orders of a payer have one number"),
        (|payments| payments.orders[1].amount = Decimal::ZERO, "amount", "not more than zero"),
        (|payments| payments.orders[1].amount = money("0.005"), "amount", "3 decimals"),
        (|payments| payments.orders[1].amount = money("10000000000000000"), "amount", "18 digits"),
        (|payments| payments.orders[1].payee.name = "a\u{0}b".to_owned(), "payee's name", "U+0000"),
        (|payments| payments.orders[1].payee.name = "a\r\nСумма=1".to_owned(), "payee's name", "U+000D"),
        (|payments| payments.orders[1].payee.name = "evil\u{202E}gnp".to_owned(), "payee's name", "U+202E"),
        (|payments| payments.orders[1].payee.name = String::new(), "payee's name", "0 characters"),
        (|payments| payments.orders[1].payee.name = "x".repeat(141), "payee's name", "141 characters"),
        (|payments| payments.orders[1].payee.id = "../../etc".to_owned(), "payee", "no id"),
        (|payments| payments.orders[1].payee.account.number = "DE89 3704".to_owned(), "payee's account", "no IBAN"),
        (
            |payments| payments.orders[1].payee.account.bank = BankCode::Bic("<BIC>".to_owned()),
            "payee's bank",
            "no BIC",
        ),
        (
            |payments| payments.orders[1].payee.account = payments.orders[1].payer.account.clone(),
            "payee's account",
            "payer's",
        ),
        (
            |payments| payments.orders[1].payer.account.number = "DE02120300000000202051".to_owned(),
            "payer",
            "another account",
        ),
        (|payments| payments.orders[1].payee.id = "GROCER".to_owned(), "payee", "in another order as well"),
        (|payments| payments.orders[1].payee.tax_id = Some("7 7".to_owned()), "payee's tax id", "no tax id"),
    ];
    for (change, field, why) in cases {
        let mut payments = hub_in_euros();
        change(&mut payments);
        let error = files(&payments, Format::Pain001).unwrap_err();
        assert_eq!(error.field, field, "{error}");
        assert!(error.to_string().contains(why), "{error}");
        assert!(error.number <= 2, "{error}");
    }
    for (purpose, why) in [
        ("Settlement {window}", "{reference} is not in it"),
        ("{reference} {amount}", "no word that is filled in"),
        ("{reference", "not closed"),
        ("{reference}\n{window}", "U+000A"),
    ] {
        let payments = Payments { purpose: purpose.to_owned(), ..hub_in_euros() };
        let error = files(&payments, Format::Pain001).unwrap_err();
        assert!(error.field == "purpose" && error.to_string().contains(why), "{error}");
    }
    let error = files(&hub_in_euros(), Format::Exchange(Encoding::Utf8)).unwrap_err();
    assert!(error.to_string().contains("write pain.001"), "{error}");
    let mut hebrew = pairwise_in_roubles();
    hebrew.orders[1].payee.name = "קפה".to_owned();
    let error = files(&hebrew, Format::Exchange(Encoding::Windows1251)).unwrap_err();
    assert!(error.number == 2 && error.to_string().contains("write the file in UTF-8"), "{error}");
    assert!(files(&hebrew, Format::Exchange(Encoding::Utf8)).is_ok());
}

#[test]
fn no_name_is_a_formula_of_a_spreadsheet_or_another_element_or_field() {
    let written = files(&hub_in_euros(), Format::Csv).unwrap();
    let rows: Vec<csv::StringRecord> =
        csv::Reader::from_reader(written[0].bytes.as_slice()).into_records().collect::<Result<_, _>>().unwrap();
    for row in &rows {
        for cell in row {
            assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell}");
        }
    }
    assert_eq!(&rows[1][7], "'=SUM(A1) Café O'Neill");
    let roubles = files(&pairwise_in_roubles(), Format::Csv).unwrap();
    let row = csv::Reader::from_reader(roubles[0].bytes.as_slice()).into_records().next().unwrap().unwrap();
    assert_eq!(&row[9], "044525225/40702810400000000002", "20 digits alone would be rounded");
    let xml = &files(&hub_in_euros(), Format::Pain001).unwrap()[0].bytes;
    assert_eq!(leaves(xml, "Nm")[2..], ["Käsehaus \"Öl & Brot\" <GmbH>", "=SUM(A1) Café O'Neill"]);
}

/// The texts of the elements of a name, as any reader of XML finds them.
fn leaves(xml: &[u8], name: &str) -> Vec<String> {
    let mut reader = Reader::from_reader(xml);
    let (mut found, mut inside) = (Vec::new(), None::<String>);
    loop {
        match reader.read_event().unwrap() {
            Event::Start(start) => inside = (start.name().as_ref() == name).then(String::new),
            Event::Text(text) => {
                if let Some(inside) = &mut inside {
                    inside.push_str(&text.xml10_content());
                }
            }
            Event::GeneralRef(reference) => {
                if let Some(inside) = &mut inside {
                    inside.push(match reference.as_ref() {
                        "lt" => '<',
                        "gt" => '>',
                        "amp" => '&',
                        "quot" => '"',
                        "apos" => '\'',
                        other => panic!("&{other};"),
                    });
                }
            }
            Event::End(_) => found.extend(inside.take()),
            Event::Eof => return found,
            Event::Empty(_)
            | Event::CData(_)
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::PI(_)
            | Event::DocType(_) => {}
        }
    }
}

fn names() -> impl Strategy<Value = String> {
    // Letters of several writings, and all that means something in XML, CSV or 1C.
    "[A-Za-zА-Яа-яöÉ<>&\"';=,+@{}\\[\\]№-]([A-Za-zА-Яа-яöÉא-ת<>&\"';=,+@{}\\[\\]№ -]{0,60}[A-Za-zА-Яа-яöÉ<>&\"';=№])?"
}

fn lists_of_orders() -> impl Strategy<Value = Vec<Order>> {
    let order_of = (0_usize..4, 0_usize..8, 1_i64..=999_999_999_999_999, names());
    prop::collection::vec(order_of, 1..30).prop_map(|drawn| {
        let mut orders: Vec<Order> = Vec::new();
        for (number, (payer, payee, units, name)) in (1..).zip(drawn) {
            let ibans = [
                "DE89370400440532013000",
                "DE02120300000000202051",
                "DE02100500000054540402",
                "DE02300209000106531065",
            ];
            let payer = party(&format!("P{payer}"), &format!("Payer {payer}"), ibans[payer]);
            let payee = party(&format!("Q{payee}"), &name, "DE75512108001245126199");
            if !orders.iter().any(|other| other.payer.id == payer.id && other.payee.id == payee.id) {
                orders.push(order(number, &payer, &payee, &Decimal::new(units, 2).to_string()));
            }
        }
        orders
    })
}

proptest! {
    #[test]
    fn what_is_written_as_pain_001_is_what_is_read_again(orders in lists_of_orders()) {
        let payments = Payments { orders, ..hub_in_euros() };
        let written = files(&payments, Format::Pain001).unwrap();
        let mut found = Vec::new();
        for file in &written {
            let [ends, amounts, payees] = ["EndToEndId", "InstdAmt", "IBAN"].map(|name| leaves(&file.bytes, name));
            let names = leaves(&file.bytes, "Nm");
            let sums = leaves(&file.bytes, "CtrlSum");
            let sum: Decimal = amounts.iter().map(|amount| money(amount)).sum();
            prop_assert!(sums.iter().all(|said| money(said) == sum), "{:?}", sums);
            prop_assert!(leaves(&file.bytes, "NbOfTxs").iter().all(|count| *count == amounts.len().to_string()));
            prop_assert_eq!(payees.len(), amounts.len() + 1, "the payer's account and each payee's");
            for (place, end) in ends.iter().enumerate() {
                found.push((end.clone(), money(&amounts[place]), names[place + 2].clone()));
            }
        }
        let mut expected: Vec<_> = payments.orders.iter().map(|order| {
            let reference = Reference::of("points.example", 7, &order.payer.id, &order.payee.id);
            (reference.to_string(), order.amount, order.payee.name.clone())
        }).collect();
        expected.sort();
        found.sort();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn each_order_is_one_row_of_csv_whatever_its_names(orders in lists_of_orders()) {
        let payments = Payments { orders, ..hub_in_euros() };
        let mut rows = 0;
        for file in files(&payments, Format::Csv).unwrap() {
            for row in csv::Reader::from_reader(file.bytes.as_slice()).into_records() {
                let row = row.unwrap();
                let order = payments.orders.iter().find(|order| order.number.to_string() == row[2]).unwrap();
                prop_assert_eq!(row[7].strip_prefix('\'').filter(|_| !order.payee.name.starts_with('\'')).unwrap_or(&row[7]), &order.payee.name);
                prop_assert_eq!(money(&row[10]), order.amount);
                rows += 1;
            }
        }
        prop_assert_eq!(rows, payments.orders.len());
    }
}

//! Files that are broken, or made to break whoever reads them. Each is refused with its line and field, and nothing else happens.

use clearing_bank::{FILE_BYTES_MAX, FileError, LINES_MAX, Own, Sheet, read, read_csv};
use proptest::prelude::*;

use crate::samples::{IBAN, RUSSIAN, currency, euros, file, money, roubles};
use crate::statements::sheet;

fn text(name: &str) -> String {
    String::from_utf8(file(&format!("files/{name}"))).unwrap()
}

/// A good file with one thing in it that is another.
fn changed(good: &str, from: &str, to: &str) -> String {
    assert!(good.contains(from), "{from}");
    good.replacen(from, to, 1)
}

fn told(error: &FileError) -> (Option<u64>, &str, &str) {
    (error.line, error.field.as_str(), error.fault.name())
}

#[test]
fn a_statement_of_iso_20022_with_one_thing_wrong_is_refused_by_line_and_field() {
    let good = text("camt.053.001.02.xml");
    let cases = [
        (">5305.62<", ">5305,62<", (Some(56), "Ntry/Amt", "DECIMAL_COMMA")),
        (">5305.62<", ">5305.620<", (Some(56), "Ntry/Amt", "DECIMALS")),
        (">5305.62<", ">-5305.62<", (Some(56), "Ntry/Amt", "NEGATIVE")),
        (">5305.62<", "><", (Some(56), "Ntry/Amt", "MISSING")),
        (">5305.62<", ">5e3<", (Some(56), "Ntry/Amt", "MALFORMED")),
        (">5305.62<", ">5305.61<", (Some(48), "TxsSummry/TtlCdtNtries/Sum", "TOTAL_DIFFERS")),
        (">92.50<", ">92.51<", (Some(33), "closing balance", "DOES_NOT_TIE")),
        ("Ccy=\"EUR\">5305.62", "Ccy=\"USD\">5305.62", (Some(56), "Ntry/Amt/@Ccy", "OTHER_CURRENCY")),
        ("Ccy=\"EUR\">5305.62", "Cy=\"EUR\">5305.62", (Some(56), "Ntry/Amt/@Ccy", "MISSING")),
        ("<Ccy>EUR</Ccy>", "<Ccy>RUB</Ccy>", (Some(19), "Acct/Ccy", "OTHER_CURRENCY")),
        (IBAN, "DE75512108001245126199", (Some(17), "Acct/Id", "FOREIGN_ACCOUNT")),
        (
            "<CdtDbtInd>CRDT</CdtDbtInd>\n        <Sts>",
            "<CdtDbtInd>CR</CdtDbtInd>\n        <Sts>",
            (Some(57), "Ntry/CdtDbtInd", "MALFORMED"),
        ),
        ("<Sts>BOOK</Sts>", "<Sts>DONE</Sts>", (Some(58), "Ntry/Sts", "MALFORMED")),
        ("<Sts>BOOK</Sts>", "", (Some(55), "Ntry/Sts", "MISSING")),
        (
            "<BookgDt>\n          <Dt>2026-03-04",
            "<BookgDt>\n          <Dt>2026-02-30",
            (Some(60), "Ntry/BookgDt", "DATE"),
        ),
        (
            "<BookgDt>\n          <Dt>2026-03-04",
            "<BookgDt>\n          <Dt>04.03.2026",
            (Some(60), "Ntry/BookgDt", "DATE"),
        ),
        ("<Cd>PRCD</Cd>", "<Cd>CLBD</Cd>", (Some(33), "Bal CLBD", "TWICE")),
        ("</Ntry>", "</Entry>", (None, "", "MALFORMED")),
        ("<GrpHdr>", "text<GrpHdr>", (None, "", "MALFORMED")),
        ("</Document>", "</Document><Document/>", (None, "", "MALFORMED")),
        ("encoding=\"UTF-8\"", "encoding=\"windows-1251\"", (Some(1), "", "ENCODING")),
        ("Account fee", "Account \u{1} fee", (None, "", "MALFORMED")),
        ("Account fee", "Account &#1; fee", (None, "", "ENTITY")),
        ("Account fee", "Account &fee;", (None, "", "ENTITY")),
        ("Account fee", "Account & fee", (None, "", "MALFORMED")),
        ("<Document", "<Statement", (Some(2), "Statement", "UNKNOWN_FORMAT")),
        ("<BkToCstmrStmt>", "<BkToCstmrAcctRpt>", (Some(3), "BkToCstmrStmt", "MISSING")),
    ];
    for (from, to, expected) in cases {
        let error = read(changed(&good, from, to).as_bytes(), &euros()).unwrap_err();
        let (line, field, name) = told(&error);
        assert_eq!((field, name), (expected.1, expected.2), "{to}: {error}");
        assert!(expected.0.is_none() && line.is_some() || expected.0 == line, "{to}: {error}");
    }
}

#[test]
fn a_statement_of_1c_with_one_thing_wrong_is_refused_by_line_and_field() {
    let good = text("1c-utf8.txt");
    let cases = [
        ("Сумма=5305.62", "Сумма=5305,62", (32, "Сумма", "DECIMAL_COMMA")),
        ("Сумма=5305.62", "Сумма=5305.625", (32, "Сумма", "DECIMALS")),
        ("Сумма=5305.62", "Сумма=-5305.62", (32, "Сумма", "NEGATIVE")),
        ("Сумма=5305.62", "Сумма=5 305.62", (32, "Сумма", "MALFORMED")),
        ("Сумма=5305.62", "Сумма=", (32, "Сумма", "MISSING")),
        ("Сумма=5305.62", "Сумма=5305.62\r\nСумма=1.00", (33, "Сумма", "TWICE")),
        ("Сумма=5305.62", "Сумма=5305.61", (16, "ВсегоПоступило", "TOTAL_DIFFERS")),
        ("НачальныйОстаток=6305.62", "НачальныйОстаток=6305.63", (24, "НачальныйОстаток", "BALANCES_BREAK")),
        ("КонечныйОстаток=900.00", "КонечныйОстаток=900.01", (27, "closing balance", "DOES_NOT_TIE")),
        ("ДатаПоступило=03.03.2026", "ДатаПоступило=2026-03-03", (41, "ДатаПоступило", "DATE")),
        ("ДатаКонца=04.03.2026", "ДатаКонца=01.03.2026", (9, "ДатаКонца", "DATE")),
        ("РасчСчет=40702810900000012345", "РасчСчет=40702810900000099999", (10, "РасчСчет", "FOREIGN_ACCOUNT")),
        (
            "ПолучательСчет=40702810900000012345",
            "ПолучательСчет=40702810900000099999",
            (33, "ПлательщикСчет", "FOREIGN_ACCOUNT"),
        ),
        ("КонецДокумента", "", (54, "СекцияДокумент", "TRUNCATED")),
        ("КонецРасчСчет", "", (20, "СекцияРасчСчет", "TRUNCATED")),
        ("КонецФайла", "", (88, "КонецФайла", "TRUNCATED")),
        ("КонецФайла", "КонецФайла\r\nСекцияДокумент=Платежное поручение", (88, "", "MALFORMED")),
    ];
    for (from, to, expected) in cases {
        let error = read(changed(&good, from, to).as_bytes(), &roubles()).unwrap_err();
        let (line, field, name) = expected;
        assert_eq!(told(&error), (Some(line), field, name), "{to}: {error}");
    }
    let in_dollars = good.replace(RUSSIAN, "40702840900000012345");
    let own = Own::new(currency("RUB"), ["40702840900000012345"]);
    assert_eq!(told(&read(in_dollars.as_bytes(), &own).unwrap_err()), (Some(10), "РасчСчет", "OTHER_CURRENCY"));
}

#[test]
fn csv_with_one_thing_wrong_is_refused_by_line_and_column() {
    let good = text("statement.csv");
    let cases = [
        ("5305.62", "5305,62", (Some(3), "Amount", "DECIMAL_COMMA")),
        ("5305.62", "5305.620", (Some(3), "Amount", "DECIMALS")),
        ("5305.62", "'5305.62", (Some(3), "Amount", "MALFORMED")),
        (";EUR;;;;Account fee", ";USD;;;;Account fee", (Some(5), "Currency", "OTHER_CURRENCY")),
        (";EUR;;;;Account fee", ";;;;;Account fee", (Some(5), "Currency", "OTHER_CURRENCY")),
        ("04.03.2026;;", "04/03/2026;;", (Some(5), "Booked", "DATE")),
        ("04.03.2026;;", ";;", (Some(5), "Booked", "MISSING")),
        ("Amount", "Sum", (Some(2), "Amount", "MISSING")),
        ("Value", "Wert", (Some(2), "Value", "MISSING")),
        (";Account;", ";Amount;", (Some(2), "Amount", "TWICE")),
        (";;;;Account fee", ";;;Account fee", (Some(5), "", "TRUNCATED")),
        ("thank you\"", "thank you", (None, "", "TRUNCATED")),
        ("-5.00", "-5.01", (Some(2), "closing balance", "DOES_NOT_TIE")),
        ("Account fee", "Account\0fee", (Some(5), "", "MALFORMED")),
    ];
    for (from, to, expected) in cases {
        let error = read_csv(changed(&good, from, to).as_bytes(), &euros(), &sheet()).unwrap_err();
        assert_eq!(told(&error), expected, "{to}: {error}");
    }
    let foreign = Sheet { account: "DE75512108001245126199".to_owned(), ..sheet() };
    assert_eq!(read_csv(good.as_bytes(), &euros(), &foreign).unwrap_err().fault.name(), "FOREIGN_ACCOUNT");
    assert_eq!(read_csv(b"", &euros(), &sheet()).unwrap_err().fault.name(), "TRUNCATED");
    assert_eq!(read_csv(b"above\n\xFF", &euros(), &sheet()).unwrap_err().line, Some(2));
}

#[test]
fn a_file_that_is_cut_off_anywhere_is_never_read() {
    for (name, own) in [
        ("camt.053.001.02.xml", euros()),
        ("camt.053.001.08.xml", euros()),
        ("camt.054.001.08.xml", euros()),
        ("1c-windows.txt", roubles()),
        ("1c-utf8.txt", roubles()),
        ("1c-dos.txt", roubles()),
    ] {
        let good = file(&format!("files/{name}"));
        let end = good.trim_ascii_end().len();
        for length in (0..end).step_by(7).chain(end - 40..end) {
            let read = read(&good[..length], &own);
            assert!(read.is_err(), "{name} is read although it ends after {length} bytes");
        }
        assert!(read(&good[..end], &own).is_ok());
    }
}

#[test]
fn a_file_in_another_encoding_is_refused() {
    let good = text("1c-utf8.txt").trim_start_matches('\u{FEFF}').to_owned();
    let utf16: Vec<u8> = "\u{FEFF}".encode_utf16().chain(good.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    assert_eq!(told(&read(&utf16, &roubles()).unwrap_err()), (None, "", "ENCODING"));
    let koi8 = [b"1CClientBankExchange\r\n".as_slice(), b"\xEB\xCF\xC4\xC9\xD2\xCF\xD7\xCB\xC1=Windows\r\n"].concat();
    assert_eq!(told(&read(&koi8, &roubles()).unwrap_err()), (Some(1), "", "ENCODING"));
    // A file of Windows that says it is of DOS.
    let windows = file("files/1c-windows.txt");
    let place = windows.windows(7).position(|bytes| bytes == b"Windows").unwrap();
    let mut dos = windows.clone();
    dos.splice(place..place + 7, *b"DOS");
    assert_eq!(told(&read(&dos, &roubles()).unwrap_err()), (Some(3), "Кодировка", "ENCODING"));
    let mut undefined = windows;
    let end = undefined.len() - 20;
    undefined[end] = 0x98;
    assert_eq!(read(&undefined, &roubles()).unwrap_err().fault.name(), "ENCODING");
    // Two marks are one too many: the second would be a letter of the first line.
    let twice = format!("\u{FEFF}\u{FEFF}{good}");
    assert_eq!(read(twice.as_bytes(), &roubles()).unwrap_err().fault.name(), "UNKNOWN_FORMAT");
    let mut xml = file("files/camt.053.001.02.xml");
    let place = xml.windows(3).position(|bytes| bytes == b"fee").unwrap();
    xml[place] = 0xE4;
    assert_eq!(told(&read(&xml, &euros()).unwrap_err()), (Some(210), "", "ENCODING"));
    let marked = ["\u{FEFF}".as_bytes(), &file("files/camt.053.001.02.xml")].concat();
    assert!(read(&marked, &euros()).is_ok(), "one mark is allowed");
}

#[test]
fn nothing_that_expands_or_is_fetched_is_read() {
    let good = text("camt.053.001.02.xml");
    let bomb = "<!DOCTYPE Document [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;&b;\">]>";
    let file_of_the_house = "<!DOCTYPE Document [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>";
    let elsewhere = "<!DOCTYPE Document SYSTEM \"http://127.0.0.1/x.dtd\">";
    for doctype in [bomb, file_of_the_house, elsewhere] {
        let hostile = changed(&good, "<Document", &format!("{doctype}<Document")).replace("Account fee", "&c;&x;");
        assert_eq!(told(&read(hostile.as_bytes(), &euros()).unwrap_err()), (Some(2), "", "DOCTYPE"));
    }
    let deep = changed(&good, "<Ntry>", &format!("<Ntry>{}", "<a>".repeat(1_000_000)));
    assert_eq!(told(&read(deep.as_bytes(), &euros()).unwrap_err()), (Some(55), "", "TOO_MUCH"));
    let wide = changed(&good, "<Ntry>", &format!("<Ntry>{}", "<a/>".repeat(1_000_000)));
    assert_eq!(told(&read(wide.as_bytes(), &euros()).unwrap_err()), (Some(55), "", "TOO_MUCH"));
    let attributes: String = (0..1_000_000).map(|number| format!(" a{number}=\"\"")).collect();
    let many = changed(&good, "<Ntry>", &format!("<Ntry{attributes}>"));
    assert_eq!(told(&read(many.as_bytes(), &euros()).unwrap_err()), (Some(55), "", "TOO_MUCH"));
    let large = vec![b' '; FILE_BYTES_MAX + 1];
    assert_eq!(told(&read(&large, &euros()).unwrap_err()), (None, "", "TOO_LARGE"));
    assert_eq!(read_csv(&large, &euros(), &sheet()).unwrap_err().fault.name(), "TOO_LARGE");
}

#[test]
fn a_payer_cannot_stop_an_import_by_what_it_writes_and_nothing_that_it_writes_is_hidden() {
    let good = text("camt.053.001.02.xml");
    let hostile = "=cmd|' /C calc'!A0 &lt;script&gt; \u{202E}gnp\u{200B} \u{2028}\t\u{FEFF}";
    let read_again = read(changed(&good, "Fuel &amp; Söhne", hostile).as_bytes(), &euros()).unwrap();
    let name = read_again.statements[0].lines[0].other.name.clone().unwrap();
    assert_eq!(name, "=cmd|' /C calc'!A0 <script> \u{FFFD}gnp\u{FFFD} \u{FFFD}");
    let good = text("1c-utf8.txt");
    let hostile = "Окно 7\u{0}\u{1B}[2J\u{202E}";
    let read_again = read(changed(&good, "Окно 7", hostile).as_bytes(), &roubles()).unwrap();
    assert_eq!(read_again.statements[0].lines[1].text, "Окно 7\u{FFFD}\u{FFFD}[2J\u{FFFD}");
    // A purpose that would be another field of the document is that field twice.
    let forged = changed(&good, "НазначениеПлатежа=Окно 7", "НазначениеПлатежа=Окно 7\r\nСумма=1000000.00");
    assert_eq!(read(forged.as_bytes(), &roubles()).unwrap_err().fault.name(), "TWICE");
    // One that would be a document of its own does not tie.
    let document = "\r\nКонецДокумента\r\nСекцияДокумент=Платежное поручение\r\nСумма=1.00\r\nПлательщикСчет=1\r\n\
                    ПолучательСчет=40702810900000012345\r\nДатаПоступило=03.03.2026";
    let forged = changed(&good, "НазначениеПлатежа=Окно 7", &format!("НазначениеПлатежа=Окно 7{document}"));
    assert_eq!(read(forged.as_bytes(), &roubles()).unwrap_err().fault.name(), "TOTAL_DIFFERS");
}

#[test]
fn ten_thousand_lines_are_read_and_more_than_the_bound_are_refused() {
    let entry = "<Ntry><Amt Ccy=\"EUR\">0.01</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>2026-03-05</Dt></BookgDt></Ntry>";
    let many = |count: usize| {
        format!(
            "<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.054.001.08\"><BkToCstmrDbtCdtNtfctn><Ntfctn>\
             <Acct><Id><IBAN>{IBAN}</IBAN></Id></Acct>{}</Ntfctn></BkToCstmrDbtCdtNtfctn></Document>",
            entry.repeat(count)
        )
    };
    let file = read(many(10_000).as_bytes(), &euros()).unwrap();
    assert_eq!(file.lines(), 10_000);
    let keys = file.statements[0].keys();
    let digests: std::collections::BTreeSet<_> =
        keys.iter().map(|keyed| keyed.key.as_ref().unwrap().digest()).collect();
    assert_eq!(digests.len(), 10_000, "equal lines of a day are told apart");
    assert_eq!(read(many(LINES_MAX + 1).as_bytes(), &euros()).unwrap_err().fault.name(), "TOO_MANY_LINES");
    let row = "2026-03-04;1.00\n";
    let short = Sheet {
        lines_above: 0,
        dates: clearing_bank::DateForm::Iso,
        value_date: None,
        currency: None,
        other_account: None,
        other_name: None,
        bank_reference: None,
        text: None,
        closing: Some(money("10100.00")),
        ..sheet()
    };
    let rows = |count: usize| format!("Booked;Amount\n{}", row.repeat(count));
    assert_eq!(read_csv(rows(10_000).as_bytes(), &euros(), &short).unwrap().lines(), 10_000);
    let error = read_csv(rows(LINES_MAX + 1).as_bytes(), &euros(), &short).unwrap_err();
    assert_eq!(error.fault.name(), "TOO_MANY_LINES");
    let document = format!(
        "СекцияДокумент=x\nСумма=1\nПлательщикСчет=1\nПолучательСчет={RUSSIAN}\nДатаПоступило=03.03.2026\nКонецДокумента\n"
    );
    let exchange =
        |count: usize| format!("1CClientBankExchange\nРасчСчет={RUSSIAN}\n{}КонецФайла\n", document.repeat(count));
    assert_eq!(read(exchange(10_000).as_bytes(), &roubles()).unwrap().lines(), 10_000);
    assert_eq!(read(exchange(LINES_MAX + 1).as_bytes(), &roubles()).unwrap_err().fault.name(), "TOO_MANY_LINES");
}

/// Bytes that are changed somewhere in a good file.
fn broken(name: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let good = file(&format!("files/{name}"));
    let length = good.len();
    prop::collection::vec((0..length, any::<u8>(), 0_usize..3), 1..6).prop_map(move |changes| {
        let mut bytes = good.clone();
        for (place, byte, kind) in changes {
            let place = place.min(bytes.len() - 1);
            match kind {
                0 => bytes[place] = byte,
                1 => bytes.insert(place, byte),
                _ => {
                    bytes.remove(place);
                }
            }
        }
        bytes
    })
}

proptest! {
    #[test]
    fn a_file_that_was_damaged_is_read_or_refused_and_stops_nobody(
        camt in broken("camt.053.001.02.xml"),
        windows in broken("1c-windows.txt"),
        dos in broken("1c-dos.txt"),
        csv in broken("statement.csv"),
    ) {
        for (bytes, own) in [(&camt, euros()), (&windows, roubles()), (&dos, roubles())] {
            if let Err(error) = read(bytes, &own) {
                prop_assert!(!error.to_string().is_empty());
            }
        }
        let _ = read_csv(&csv, &euros(), &sheet());
    }

    #[test]
    fn bytes_of_any_kind_stop_nobody(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        for start in ["", "<", "<?xml", "<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.053.001.02\">", "1CClientBankExchange\n"] {
            let bytes = [start.as_bytes(), &bytes].concat();
            prop_assert!(read(&bytes, &euros()).is_err());
        }
    }
}

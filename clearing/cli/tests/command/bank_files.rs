//! Files for banks and from banks, as the operator's desk makes and reads them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use partner_sdk::{Issue, Redeem};
use serde_json::Value;

use crate::desk::{Asking, Desk, Server, client};

pub const COALITION: &str = "[coalition]\ncurrency = \"RUB\"\nscale = 2\npoint_value = \"1.00\"\ntime_zone = \"Europe/Moscow\"\n\
                         [[partner]]\nid = \"GROCER\"\n[[partner]]\nid = \"FUEL\"\n[[partner]]\nid = \"CAFE\"\n";

pub const BIK: &str = "044525225";
pub const OWN: &str = "40702810600000000009";
pub const GROCER: &str = "40702810200000000001";
pub const FUEL: &str = "40702810500000000002";
const FUEL_LATER: &str = "40702810100000000004";
pub const CAFE: &str = "40702810800000000003";

/// A sandbox whose first window is confirmed: GROCER pays 100.00, FUEL gets 60.00 and CAFE 40.00.
async fn confirmed(desk: &Desk) -> Server {
    fs::write(desk.path("coalition.toml"), COALITION).unwrap();
    let place = ["--listen", "127.0.0.1:0", "--coalition", "coalition.toml", "--start", "2026-01-12T12:00"];
    let server = desk.serve(&[&["sandbox"], &place[..]].concat());
    let [grocer, fuel, cafe] =
        ["GROCER", "FUEL", "CAFE"].map(async |id| client(&server.endpoint, &desk.path("sandbox"), id).await);
    let (grocer, fuel, cafe) = (grocer.await, fuel.await, cafe.await);
    grocer.issue(Issue::to("card", "1").points(100)).await.unwrap().accepted().unwrap();
    fuel.redeem(Redeem::from("card", "1").points(60)).await.unwrap().accepted().unwrap();
    cafe.redeem(Redeem::from("card", "1").points(40)).await.unwrap().accepted().unwrap();
    let house = house(desk);
    house.json(&["window", "close", "--yes"]);
    house.json(&["settlement", "confirm", "1", "--yes"]);
    server
}

fn house(desk: &Desk) -> Asking<'_> {
    desk.asking(&["--config", "sandbox/clearing.toml"])
}

pub fn account(house: &Asking<'_>, partner: &str, number: &str, holder: &str) {
    let named = ["--holder", holder, "--bank-name", "ПАО СБЕРБАНК", "--correspondent", "30101810400000000225"];
    house.json(&[&["partner", "account", partner, "--bik", BIK, "--account", number], &named[..]].concat());
}

fn inn(house: &Asking<'_>, partner: &str, inn: &str) {
    let tax_id = format!("RU_INN={inn}");
    let record = ["--name", partner, "--town", "Москва", "--country", "RU", "--tax-id", &tax_id];
    house.json(&[&["partner", "legal", partner], &record[..]].concat());
}

/// The files of a folder, by name.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    files.map(|file| (file.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&file).unwrap())).collect()
}

/// The text of a file in windows-1251, as far as it is of Russian and ASCII.
fn russian(bytes: &[u8]) -> String {
    let letter = |byte: &u8| match byte {
        0..=127 => char::from(*byte),
        192..=255 => char::from_u32(0x410 + u32::from(*byte) - 192).unwrap(),
        _ => '?',
    };
    bytes.iter().map(letter).collect()
}

pub fn named<'a>(answer: &'a Value, list: &str, field: &str) -> Vec<&'a str> {
    answer[list].as_array().unwrap().iter().map(|of| of[field].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_for_a_bank_names_the_account_that_was_in_force_at_its_export_and_the_same_export_is_the_same_bytes() {
    let desk = Desk::new();
    let server = confirmed(&desk).await;
    let house = house(&desk);
    let export = ["settlement", "export", "1", "--format", "1c", "--folder"];
    let to = |folder: &'static str| [&export[..], &[folder]].concat();

    // Nobody has an account: nothing is recorded that could not be paid.
    let (code, error) = house.failure(&to("none"));
    assert_eq!(code, 2, "{error}");
    assert!(error["message"].as_str().unwrap().contains("operator had no bank account in force"), "{error}");
    assert_eq!(house.json(&["settlement", "preview", "1"])["settlement_state"], "CONFIRMED");
    assert!(!desk.path("none").exists());

    account(&house, "operator", OWN, "ООО Клуб");
    account(&house, "GROCER", GROCER, "АО Бакалея");
    account(&house, "FUEL", FUEL, "ООО Топливо");
    inn(&house, "operator", "7736050003");
    inn(&house, "GROCER", "7702070139");
    inn(&house, "FUEL", "7707083893");

    // A dry run shows the files, and what can stand in none.
    let shown = house.json(&[&to("out")[..], &["--dry-run"]].concat());
    assert_eq!(named(&shown["plan"], "files", "payer"), ["GROCER", "hub"]);
    assert_eq!(named(&shown["plan"], "left_out", "payee"), ["CAFE"]);
    assert!(!desk.path("out").exists());
    assert_eq!(house.json(&["settlement", "preview", "1"])["settlement_state"], "CONFIRMED");

    let exported = house.json(&to("out"));
    assert_eq!(named(&exported, "files", "file"), ["out/orders-1-GROCER.txt", "out/orders-1-hub.txt"]);
    assert_eq!(named(&exported, "files", "amount"), ["100.00", "60.00"]);
    assert!(named(&exported, "left_out", "why")[0].contains("CAFE had no bank account in force"), "{exported}");
    let first = files(&desk.path("out"));
    let hub = russian(&first["orders-1-hub.txt"]);
    for line in [
        "Сумма=60.00",
        &format!("ПлательщикСчет={OWN}"),
        &format!("ПолучательСчет={FUEL}"),
        "ПолучательИНН=7707083893",
        "Получатель1=ООО Топливо",
        "окно 1, поручение 3. НДС не облагается.",
    ] {
        assert!(hub.contains(line), "{line}: {hub}");
    }
    assert!(russian(&first["orders-1-GROCER.txt"]).contains(&format!("ПолучательСчет={OWN}")));

    // What changes afterwards changes nothing of it.
    desk.json(&["sandbox", "advance", "25h"]);
    account(&house, "FUEL", FUEL_LATER, "ООО Топливо и Ко");
    inn(&house, "FUEL", "7728168971");
    let again = house.json(&to("out"));
    assert_eq!(named(&again, "files", "message_id"), named(&exported, "files", "message_id"));
    assert_eq!(files(&desk.path("out")), first);
    fs::remove_file(desk.path("out/orders-1-hub.txt")).unwrap();
    house.json(&to("out"));
    assert_eq!(files(&desk.path("out")), first, "what was broken off is made as it was");

    // An account that came later is named from then on, and no file is overwritten unasked.
    account(&house, "CAFE", CAFE, "ООО Кафе");
    inn(&house, "CAFE", "7710140679");
    let (code, error) = house.failure(&to("out"));
    assert_eq!((code, error["hint"].as_str().unwrap().contains("--force")), (2, true), "{error}");
    assert_eq!(files(&desk.path("out")), first);
    let more = house.json(&to("more"));
    assert_eq!(
        (named(&more, "files", "amount"), more["left_out"].as_array().unwrap().len()),
        (vec!["100.00", "100.00"], 0)
    );
    let hub = russian(&files(&desk.path("more"))["orders-1-hub.txt"]);
    assert!([FUEL, CAFE].iter().all(|number| hub.contains(&format!("ПолучательСчет={number}"))), "{hub}");
    assert!(!hub.contains(FUEL_LATER) && !hub.contains("7728168971"), "{hub}");

    // What is paid stands in no file any more; the numbers of the others stay.
    house.json(&["settlement", "pay", "1", "GROCER", "--yes"]);
    house.json(&["settlement", "pay", "1", "FUEL", "--yes"]);
    house.json(&to("rest"));
    let rest = files(&desk.path("rest"));
    assert_eq!(rest.keys().collect::<Vec<_>>(), ["orders-1-hub.txt"]);
    let rest = russian(&rest["orders-1-hub.txt"]);
    assert!(rest.contains(CAFE) && rest.contains("поручение 2") && !rest.contains(FUEL), "{rest}");

    assert_eq!(server.stop("-TERM").0, Some(0));
    house.json(&["audit"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_payer_gets_a_file_for_its_own_bank_and_an_export_that_replaces_another_names_the_accounts_of_its_own_time()
 {
    let desk = Desk::new();
    let server = confirmed(&desk).await;
    let house = house(&desk);
    for (partner, number, holder, tax_id) in [
        ("operator", OWN, "ООО Клуб", "7736050003"),
        ("GROCER", GROCER, "АО Бакалея", "7702070139"),
        ("FUEL", FUEL, "=ООО Топливо", "7707083893"),
        ("CAFE", CAFE, "ООО Кафе", "7710140679"),
    ] {
        account(&house, partner, number, holder);
        inn(&house, partner, tax_id);
    }
    let export = |format: &'static str, folder: &'static str, more: &[&'static str]| {
        let asked = ["settlement", "export", "1", "--format", format, "--folder", folder];
        house.json(&[&asked[..], more].concat())
    };
    let hub = export("pain.001", "hub", &["--payer", "hub", "--payment-date", "2026-01-14"]);
    assert_eq!(named(&hub, "files", "file"), ["hub/orders-1-hub.xml"]);
    let xml = String::from_utf8(files(&desk.path("hub"))["orders-1-hub.xml"].clone()).unwrap();
    let message = hub["files"][0]["message_id"].as_str().unwrap();
    for part in
        [&format!("<MsgId>{message}</MsgId>"), "<Dt>2026-01-14</Dt>", "<CreDtTm>2026-01-12T12:00:00</CreDtTm>", FUEL]
    {
        assert!(xml.contains(part), "{part}: {xml}");
    }
    let csv = export("csv", "csv", &["--payer", "hub", "--purpose", "{reference} за окно {window}"]);
    assert_eq!(named(&csv, "files", "payer"), ["hub"]);
    let csv = String::from_utf8(files(&desk.path("csv"))["orders-1-hub.csv"].clone()).unwrap();
    assert!(
        csv.contains(&format!("{BIK}/{FUEL}")) && csv.contains("'=ООО Топливо") && csv.contains("за окно 1"),
        "{csv}"
    );

    desk.json(&["sandbox", "advance", "1h"]);
    account(&house, "FUEL", FUEL_LATER, "ООО Топливо");
    let refused = ["settlement", "export", "1", "--mode", "pairwise", "--format", "1c-utf8", "--folder", "pairs"];
    assert_eq!(house.failure(&refused).0, 1, "the other mode is asked for as such");
    let pairs = export("1c-utf8", "pairs", &["--mode", "pairwise", "--replace", "--yes"]);
    assert_eq!(named(&pairs, "files", "payer"), ["GROCER"]);
    let text = String::from_utf8(files(&desk.path("pairs"))["orders-1-GROCER.txt"].clone()).unwrap();
    assert!(text.contains(FUEL_LATER) && text.contains(CAFE) && !text.contains(OWN), "{text}");
    assert_eq!(text.matches("СекцияДокумент").count(), 2);

    // What a form cannot hold is refused by the order, and no file is made of the others.
    let wrong = ["--purpose", "without a reference"];
    let asked = ["settlement", "export", "1", "--mode", "pairwise", "--format", "pain.001", "--folder", "wrong"];
    let (code, error) = house.failure(&[&asked[..], &wrong].concat());
    assert!(code == 2 && error["message"].as_str().unwrap().contains("{reference} is not in it"), "{error}");
    assert!(!desk.path("wrong").exists());
    assert_eq!(server.stop("-TERM").0, Some(0));
    house.json(&["audit"]);
}

/// A statement of 1C of 14 January with these documents: whether they came, amount, the other side's account, purpose.
fn statement(documents: &[(bool, &str, &str, &str)]) -> String {
    statement_of(OWN, 14, documents)
}

/// The same of an account, and of another day of January.
pub fn statement_of(own: &str, day: u32, documents: &[(bool, &str, &str, &str)]) -> String {
    let mut lines = vec![
        "1CClientBankExchange".to_owned(),
        "ВерсияФормата=1.03".to_owned(),
        "Кодировка=UTF-8".to_owned(),
        format!("ДатаСоздания={}.01.2026", day + 1),
        format!("ДатаНачала={day}.01.2026"),
        format!("ДатаКонца={day}.01.2026"),
        format!("РасчСчет={own}"),
    ];
    for (number, (came, amount, other, purpose)) in (1..).zip(documents) {
        let (payer, payee, moved) =
            if *came { (*other, own, "ДатаПоступило") } else { (own, *other, "ДатаСписано") };
        lines.extend([
            "СекцияДокумент=Платежное поручение".to_owned(),
            format!("Номер={number}"),
            format!("Дата={day}.01.2026"),
            format!("Сумма={amount}"),
            format!("ПлательщикСчет={payer}"),
            format!("ПлательщикБИК={BIK}"),
            format!("ПолучательСчет={payee}"),
            format!("ПолучательБИК={BIK}"),
            format!("{moved}={day}.01.2026"),
            format!("НазначениеПлатежа={purpose}"),
            "КонецДокумента".to_owned(),
        ]);
    }
    lines.push("КонецФайла".to_owned());
    lines.join("\r\n") + "\r\n"
}

#[tokio::test(flavor = "multi_thread")]
async fn what_each_line_of_a_bank_means_is_told_with_the_reason() {
    let desk = Desk::new();
    let server = confirmed(&desk).await;
    let house = house(&desk);
    fs::write(desk.path("empty.txt"), statement(&[])).unwrap();
    let (code, error) = house.failure(&["bank", "show", "empty.txt"]);
    assert!(code == 2 && error["hint"].as_str().unwrap().contains("partner account operator"), "{error}");
    for (partner, number) in [("operator", OWN), ("GROCER", GROCER), ("FUEL", FUEL), ("CAFE", CAFE)] {
        account(&house, partner, number, partner);
    }
    house.json(&["settlement", "export", "1", "--format", "csv", "--folder", "out"]);
    let reference = |payer: &str, payee: &str| {
        let csv = String::from_utf8(files(&desk.path("out"))[&format!("orders-1-{payer}.csv")].clone()).unwrap();
        let row = csv.lines().find(|row| row.contains(&format!(",{payee},"))).unwrap().to_owned();
        row.split(',').next().unwrap().to_owned()
    };
    let [pays, gets] = [reference("GROCER", "hub"), reference("hub", "FUEL")];
    let text = statement(&[
        (true, "99.99", GROCER, &pays),
        (true, "100.00", GROCER, &pays),
        (true, "100.00", FUEL, &pays),
        (true, "5.00", GROCER, "без номера"),
        (true, "7.00", "40702810000000000099", "подарок"),
        (false, "60.00", FUEL, &gets),
        (false, "60.00", CAFE, &gets),
        (false, "1.50", "70601810000000002730", "Комиссия"),
        (true, "20.00", "40702810600000000088", "с резерва"),
    ]);
    fs::write(desk.path("bank.txt"), &text).unwrap();
    let shown = house.json(&["bank", "show", "bank.txt", "--own", "reserve=40702810600000000088"]);
    assert_eq!(
        named(&shown, "lines", "meaning"),
        ["UNAPPLIED", "MATCHED", "UNAPPLIED", "UNAPPLIED", "UNAPPLIED", "OURS_OUT", "LEFT", "FEE", "OWN_TRANSFER"]
    );
    let why = named(&shown, "lines", "why");
    for (at, told) in [
        (0, "GROCER for window 1: 0.01 too little: 100.00 are due"),
        (1, "GROCER for window 1: just what is due"),
        (2, "the account is FUEL's, and the reference that of an order of GROCER"),
        (3, "no reference is known"),
        (4, "neither the account nor a reference is known"),
        (6, "went to another account"),
        (8, "from the account for reserve to the one for settlement"),
    ] {
        assert!(why[at].contains(told), "{told}: {}", why[at]);
    }
    let page = house.table(&["bank", "show", "bank.txt"]);
    assert!(page.contains("Nothing was booked.") && page.contains("MATCHED"), "{page}");
    assert_eq!(house.json(&["settlement", "preview", "1"])["settlement_state"], "EXPORTED");

    // Of a file in which anything is wrong, nothing is told but that.
    for (changed, told) in [
        (text.replace("Сумма=60.00", "Сумма=60,00"), "has a comma"),
        (text.replace("КонецФайла\r\n", ""), "cut off"),
        (text.replace(OWN, GROCER), "not one of the coalition's own accounts"),
        ("<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>".to_owned(), "DOCTYPE"),
    ] {
        fs::write(desk.path("wrong.txt"), changed).unwrap();
        let (code, error) = house.failure(&["bank", "show", "wrong.txt"]);
        assert!(code == 2 && error["message"].as_str().unwrap().contains(told), "{told}: {error}");
    }
    let days = ["bank", "show", "bank.txt", "--from", "2026-01-13", "--until", "2026-01-13"];
    let (code, error) = house.failure(&days);
    assert!(code == 2 && error["message"].as_str().unwrap().contains("2026-01-14"), "{error}");

    // The same as CSV, whose columns are named.
    fs::write(desk.path("bank.csv"), format!("Date;Sum;From;Text\n14.01.2026;100.00;{GROCER};{pays}\n")).unwrap();
    let columns = ["booking-date=Date", "amount=Sum", "other-account=From", "text=Text"];
    let columns = columns.iter().flat_map(|column| ["--column", column]);
    let days = ["--from", "2026-01-14", "--until", "2026-01-14", "--whole-days"];
    let csv: Vec<&str> = ["bank", "show", "bank.csv", "--delimiter", ";", "--dates", "dotted"]
        .into_iter()
        .chain(columns)
        .chain(days)
        .collect();
    assert_eq!(named(&house.json(&csv), "lines", "meaning"), ["MATCHED"]);
    assert_eq!(server.stop("-TERM").0, Some(0));
}

//! Where money goes, and on which days: legal records, groups and bank accounts of brands, and the calendar by which windows
//! close, as the operator's desk shows them.

use std::fs;

use partner_sdk::{BankAccount, BankAccountState, Issue, Redeem, SetBankAccount};
use serde_json::{Value, json};

use crate::desk::{Desk, client};

/// A coalition in Berlin of two brands, whose changes of accounts wait for three days.
const COALITION: &str = "[coalition]\ncurrency = \"EUR\"\nscale = 2\npoint_value = \"0.01\"\ntime_zone = \"Europe/Berlin\"\n\
                         account_change_days = 3\nsettlement_threshold = \"1.00\"\ncarry_windows_max = 2\n\
                         [[partner]]\nid = \"GROCER\"\n[[partner]]\nid = \"FUEL\"\n";

const IBAN: &str = "DE89370400440532013000";
const OTHER_IBAN: &str = "GB29NWBK60161331926819";

fn of_versions(shown: &Value) -> Vec<(i64, &str)> {
    let versions = shown["versions"].as_array().unwrap().iter();
    versions.map(|version| (version["version"].as_i64().unwrap(), version["state"].as_str().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_brand_has_a_legal_record_a_group_and_one_bank_account_whose_changes_wait_and_can_be_stopped() {
    let desk = Desk::new();
    fs::write(desk.path("berlin.toml"), COALITION).unwrap();
    let place = ["--listen", "127.0.0.1:0", "--coalition", "berlin.toml", "--start", "2026-03-02T10:00"];
    let server = desk.serve(&[&["sandbox"], &place[..]].concat());
    let house = desk.asking(&["--config", "sandbox/clearing.toml"]);
    let grocer = client(&server.endpoint, &desk.path("sandbox"), "GROCER").await;

    // Who it is. What no flag says stays; a number with wrong check digits is refused in words.
    assert!(house.table(&["partner", "legal", "GROCER"]).contains("Nothing is known of who GROCER is by law."));
    let record = [
        &["partner", "legal", "GROCER", "--name", "Grocer GmbH", "--tax-id", "EU_VAT=DE136695976"][..],
        &["--street", "Am Markt 1", "--postal-code", "53111", "--town", "Bonn", "--country", "DE"],
    ];
    let set = house.json(&record.concat());
    assert_eq!((&set["previous_legal_record"], &set["legal_record"]["town"]), (&Value::Null, &json!("Bonn")));
    let set = house.json(&["partner", "legal", "GROCER", "--street", "Am Markt 2"]);
    assert_eq!(set["previous_legal_record"]["street"], "Am Markt 1");
    assert_eq!(set["legal_record"]["tax_ids"], json!([{ "scheme": "EU_VAT", "value": "DE136695976" }]));
    let (code, refused) = house.failure(&["partner", "legal", "GROCER", "--tax-id", "EU_VAT=DE136695975"]);
    assert_eq!((code, refused["kind"].as_str()), (2, Some("USAGE")), "{refused}");
    assert!(refused["message"].as_str().unwrap().contains("check digits"), "{refused}");
    assert!(house.table(&["partner", "legal", "GROCER"]).contains("Am Markt 2, 53111 Bonn, DE"));
    assert_eq!(house.json(&["partner", "group", "GROCER", "retail"])["previous_group"], "");
    assert!(house.table(&["partner", "group", "FUEL", "retail"]).contains("was none and is retail"));

    // Where it is paid: typed as it stands on paper, and in force three days later.
    let told = house.table(&["partner", "account", "GROCER", "--iban", "DE89 3704 0044 0532 0130 00"]);
    for words in ["in force from 2026-03-05 10:00:00", "Grocer GmbH, Am Markt 2, 53111 Bonn, DE", "--stop 1"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let (code, refused) = house.failure(&["partner", "account", "GROCER", "--iban", "DE88370400440532013000"]);
    assert_eq!((code, refused["kind"].as_str()), (2, Some("USAGE")), "{refused}");
    assert!(refused["message"].as_str().unwrap().contains("bank_account.iban"), "{refused}");
    let bik = ["--bik", "044525225", "--account", "40702810838000110017", "--correspondent", "30101810400000000225"];
    let replaced = house.json(&[&["partner", "account", "GROCER"][..], &bik].concat());
    assert_eq!((&replaced["replaced_version"], &replaced["version"]["holder"]), (&json!(1), &json!("Grocer GmbH")));
    // The brand sees both, and says no to the second.
    let seen = grocer.bank_accounts("GROCER").all().await.unwrap();
    let states: Vec<_> = seen.iter().map(|version| version.state).collect();
    assert_eq!(states, [BankAccountState::Pending, BankAccountState::Replaced]);
    assert_eq!(seen[0].asked_by, "operator");
    let shown = house.table(&["partner", "show", "GROCER"]);
    assert!(shown.contains("RU 044525225 40702810838000110017 on 2026-03-05"), "{shown}");
    house.json(&["partner", "account", "GROCER", "--stop", "2", "--reason", "not-theirs"]);
    let (code, refused) = house.failure(&["partner", "account", "GROCER", "--stop", "2"]);
    assert_eq!((code, refused["reason"].as_str()), (1, Some("ACCOUNT_CHANGE_NOT_PENDING")), "{refused}");
    assert!(refused["hint"].as_str().unwrap().contains("clearing partner account GROCER"), "{refused}");

    // It asks itself; three days later that is the account, and the next change does not touch it before its own days are over.
    let own = SetBankAccount::of("GROCER", BankAccount::iban(IBAN, "Grocer GmbH"));
    grocer.set_bank_account(own).await.unwrap().accepted().unwrap();
    desk.json(&["sandbox", "advance", "3d"]);
    house.json(&["partner", "account", "GROCER", "--iban", OTHER_IBAN, "--holder", "Grocer Ltd"]);
    let shown = house.json(&["partner", "show", "GROCER"]);
    assert_eq!(shown["bank_account"]["number"]["iban"], IBAN);
    assert_eq!(shown["pending_bank_account"]["number"]["iban"], OTHER_IBAN);
    assert_eq!((&shown["group"], &shown["legal_record"]["legal_name"]), (&json!("retail"), &json!("Grocer GmbH")));
    let listed = house.json(&["partner", "account", "GROCER"]);
    assert_eq!(of_versions(&listed), [(4, "PENDING"), (3, "IN_FORCE"), (2, "STOPPED"), (1, "REPLACED")]);
    desk.json(&["sandbox", "advance", "3d"]);
    let listed = house.json(&["partner", "account", "GROCER"]);
    assert_eq!(of_versions(&listed), [(4, "IN_FORCE"), (3, "PAST"), (2, "STOPPED"), (1, "REPLACED")]);
    assert_eq!(of_versions(&house.json(&["partner", "account", "FUEL"])), []);

    // Of each the log tells what stood there before.
    let log = house.json(&["log", "--partner", "GROCER", "--kind", "SET_LEGAL_RECORD", "--limit", "1"]);
    let changes = log["actions"][0]["changes"].as_array().unwrap_or_else(|| panic!("{log}"));
    let street = changes.iter().find(|change| change["field"] == "street").unwrap();
    assert_eq!((&street["before"], &street["after"]), (&json!("Am Markt 1"), &json!("Am Markt 2")), "{log}");
    drop(grocer);
    assert_eq!(server.stop("-TERM").0, Some(0));
    house.json(&["audit"]);
}

/// The days of a table of cut-offs: when the window closes, when that is told and paid, and whether it is the last of a year.
fn days(shown: &Value) -> Vec<String> {
    let cut_offs = shown["cut_offs"].as_array().unwrap().iter();
    let text = |of: &Value, field: &str| of[field].as_str().unwrap().to_owned();
    let day = |of: &Value| {
        let last = if of["last_of_year"] == true { " last" } else { "" };
        format!("{} {} {}{last}", text(of, "close_time"), text(of, "advice_day"), text(of, "payment_day"))
    };
    cut_offs.map(day).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_calendar_of_fridays_and_last_business_days_knows_holidays_is_published_and_never_moves_tomorrow() {
    let desk = Desk::new();
    fs::write(desk.path("berlin.toml"), COALITION).unwrap();
    let place = ["--listen", "127.0.0.1:0", "--coalition", "berlin.toml", "--start", "2026-03-30T10:00"];
    let mut server = desk.serve(&[&["sandbox"], &place[..]].concat());
    let house = desk.asking(&["--config", "sandbox/clearing.toml"]);
    fs::write(desk.path("days.txt"), "# as the town decreed\n2026-04-30\n2026-05-02 working # a Saturday\n").unwrap();
    let rows = ["calendar", "set", "0 18 * * FRI", "0 18 L * * BEFORE 1 3"];
    let flags = ["--on-holiday", "SKIP", "--payment", "2", "--holidays", "TARGET", "--holiday-file", "days.txt"];
    house.json(&[&rows[..], &flags].concat());

    // Good Friday is the 3rd of April, Easter Monday the 6th, and 1 May another holiday; the 30th of April is none of business.
    let shown = house.json(&["calendar", "show", "--next", "6"]);
    let expected = [
        "2026-03-31T16:00:00Z 2026-04-01 2026-04-07",
        "2026-04-10T16:00:00Z 2026-04-10 2026-04-14",
        "2026-04-17T16:00:00Z 2026-04-17 2026-04-21",
        "2026-04-24T16:00:00Z 2026-04-24 2026-04-28",
        "2026-04-29T16:00:00Z 2026-05-02 2026-05-05",
        "2026-05-08T16:00:00Z 2026-05-08 2026-05-12",
    ];
    assert_eq!(days(&shown), expected);
    let page = house.table(&["calendar", "show", "--next", "12"]);
    for words in [
        "in times of Europe/Berlin",
        "0 18 L * *   on a holiday BEFORE, told 1, paid 3 business days later",
        "Holidays are those of TARGET.",
        "2 days are written down besides",
        "Tue ┆ 2026-03-31 18:00:00",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    // It is published a year ahead, as a file as well; the last close of the year is the last business day of it.
    let year = house.json(&["calendar", "show", "--next", "1000", "--ics", "cut-offs.ics"]);
    let last: Vec<String> = days(&year).into_iter().filter(|day| day.ends_with("last")).collect();
    assert_eq!(last, ["2026-12-31T17:00:00Z 2027-01-04 2027-01-06 last"]);
    let file = fs::read_to_string(desk.path("cut-offs.ics")).unwrap();
    assert_eq!(file.matches("BEGIN:VEVENT").count(), 3 * days(&year).len());
    assert!(
        file.contains("DTSTART:20260331T160000Z\r\n") && file.contains("DTSTART;VALUE=DATE:20260407\r\n"),
        "{file}"
    );
    let (code, refused) = house.failure(&["calendar", "show", "--ics", "cut-offs.ics"]);
    assert_eq!(code, 2, "{refused}");

    // The next cut-off is 30 hours away, so another calendar may begin at once; in 10 hours it may not.
    desk.json(&["sandbox", "advance", "10h"]);
    let (code, refused) = house.failure(&["calendar", "set", "0 12 * * *"]);
    assert_eq!((code, refused["reason"].as_str()), (1, Some("CALENDAR_TOO_LATE")), "{refused}");
    assert_eq!(refused["numbers"]["cut_off_time"], "2026-03-31T10:00:00Z", "{refused}");
    let earliest = refused["numbers"]["earliest_time"].as_str().unwrap();
    assert_eq!(earliest, "2026-03-31T18:00:00Z", "{refused}");
    assert!(refused["hint"].as_str().unwrap().contains(&format!("--from {earliest}")), "{refused}");
    house.json(&["calendar", "set", "0 12 * * *", "--from", earliest]);
    let shown = house.json(&["calendar", "show", "--next", "2"]);
    assert_eq!(shown["announced"][0]["effective_time"], earliest);
    let times: Vec<_> = shown["cut_offs"].as_array().unwrap().iter().map(|next| next["close_time"].clone()).collect();
    assert_eq!(times, ["2026-03-31T16:00:00Z", "2026-04-01T10:00:00Z"]);

    // At its cut-off the window closes by itself, and remembers when it is told and paid.
    desk.json(&["sandbox", "advance", "1d"]);
    server.logs("closed");
    let windows = house.json(&["window", "list"]);
    let first = windows["windows"].as_array().unwrap().iter().find(|window| window["window"] == 1).unwrap().clone();
    assert_eq!(first["close_time"], "2026-03-31T16:00:00Z", "{first}");
    assert_eq!((&first["advice_day"], &first["payment_day"]), (&json!("2026-04-01"), &json!("2026-04-07")), "{first}");
    assert_eq!(server.stop("-TERM").0, Some(0));
    house.json(&["audit"]);
}

/// What grocer pays or gets for each of the first windows.
async fn legs(desk: &Desk, endpoint: &str, closes: usize) -> Vec<Value> {
    let house = desk.asking(&["--config", "sandbox/clearing.toml"]);
    let grocer = client(endpoint, &desk.path("sandbox"), "GROCER").await;
    let fuel = client(endpoint, &desk.path("sandbox"), "FUEL").await;
    let mut legs = Vec::new();
    for window in 1..=closes {
        grocer.issue(Issue::to("card", "1").points(20)).await.unwrap().accepted().unwrap();
        fuel.redeem(Redeem::from("card", "1").points(20)).await.unwrap().accepted().unwrap();
        desk.json(&["sandbox", "advance", "1d"]);
        let statement = house.json(&["statement", "GROCER", "--window", &window.to_string()]);
        legs.push(statement["leg"].clone());
    }
    legs
}

/// 20 cents a day are less than an euro: two closes carry them, the third makes the leg; the last close of a year carries nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_small_leg_is_carried_by_so_many_closes_and_by_none_at_the_end_of_a_year() {
    for (start, expected) in [
        ("2026-03-02T10:00", ["0.00", "0.00", "-0.60", "0.00"]),
        ("2026-12-29T10:00", ["0.00", "0.00", "-0.60", "0.00"]),
        ("2026-12-30T10:00", ["0.00", "-0.40", "0.00", "0.00"]),
    ] {
        let desk = Desk::new();
        fs::write(desk.path("berlin.toml"), COALITION).unwrap();
        let place = ["--listen", "127.0.0.1:0", "--coalition", "berlin.toml", "--start", start];
        let server = desk.serve(&[&["sandbox"], &place[..]].concat());
        let house = desk.asking(&["--config", "sandbox/clearing.toml"]);
        house.json(&["calendar", "set", "0 18 * * *"]);
        assert_eq!(legs(&desk, &server.endpoint, 4).await, expected, "{start}");
        assert_eq!(server.stop("-TERM").0, Some(0));
        house.json(&["audit"]);
    }
}

//! Money at the bank, and settlements that go wrong, as the operator's desk shows them.

use std::fs;

use partner_sdk::{Issue, Redeem};
use serde_json::json;

use crate::desk::{Desk, client};

/// A coalition of two brands, in which all is settled and no cap stands above its cover.
const COALITION: &str = "[coalition]\ncurrency = \"EUR\"\nscale = 2\npoint_value = \"1.00\"\ntime_zone = \"Europe/Berlin\"\n\
                         settlement_threshold = \"0.00\"\nacceptance_fee = \"0\"\npay_outs_wait = true\ncaps_need_cover = true\n\
                         [[partner]]\nid = \"GROCER\"\nnet_debit_cap = \"0.00\"\n\
                         [[partner]]\nid = \"FUEL\"\nnet_debit_cap = \"0.00\"\n";

/// A coalition whose second brand owes the first 100.00, of which it pays a part and then no more.
#[tokio::test(flavor = "multi_thread")]
async fn a_clerk_books_a_statement_line_by_line_and_sees_a_default_through() {
    let desk = Desk::new();
    fs::write(desk.path("money.toml"), COALITION).unwrap();
    let place = ["--listen", "127.0.0.1:0", "--coalition", "money.toml", "--start", "2026-03-02T10:00"];
    let server = desk.serve(&[&["sandbox"], &place[..]].concat());
    let house = desk.asking(&["--config", "sandbox/clearing.toml"]);

    // Collateral and a guarantee stand behind a cap; without them it is refused, with what covers it.
    let (code, refused) = house.failure(&["partner", "limits", "FUEL", "--net-debit-cap", "500"]);
    assert_eq!((code, refused["reason"].as_str()), (1, Some("COVER_INSUFFICIENT")), "{refused}");
    assert!(refused["hint"].as_str().unwrap().contains("clearing partner cover FUEL"), "{refused}");
    house.json(&["fund", "deposit", "collateral:FUEL", "20"]);
    let set = house.json(&["partner", "cover", "FUEL", "--guarantee", "BG-17=480@2027-01-01", "--unsecured", "0"]);
    assert_eq!(set["cover"]["guarantees"][0]["reference"], "BG-17", "{set}");
    house.json(&["partner", "limits", "FUEL", "--net-debit-cap", "500"]);

    let (fuel, grocer) = (
        client(&server.endpoint, &desk.path("sandbox"), "FUEL").await,
        client(&server.endpoint, &desk.path("sandbox"), "GROCER").await,
    );
    fuel.issue(Issue::to("card", "1").points(100)).await.unwrap().accepted().unwrap();
    grocer.redeem(Redeem::from("card", "1").points(100)).await.unwrap().accepted().unwrap();
    let report = house.json(&["report", "cover"]);
    let of_fuel = report["partners"].as_array().unwrap().iter().find(|of| of["partner"] == "FUEL").unwrap();
    assert_eq!((&of_fuel["exposure"], &of_fuel["collateral"]), (&json!("100.00"), &json!("20.00")), "{report}");
    assert_eq!(of_fuel["uncovered"], "0.00", "{report}");
    house.json(&["window", "close", "--yes"]);
    house.json(&["settlement", "confirm", "1", "--yes"]);
    house.json(&["settlement", "export", "1"]);

    // A line is booked once: told again it is the same, told with another amount it is refused.
    let line = ["--reference", "NTRF-1", "--booked", "2026-03-02"];
    let receive = |amount| [&["bank", "receive", "FUEL", amount][..], &line].concat();
    let booked = house.json(&receive("50"));
    let again = house.json(&receive("50"));
    assert_eq!((&again["known_entry_id"], &booked["known_entry_id"]), (&booked["entry_id"], &json!(null)));
    let (code, refused) = house.failure(&receive("51"));
    assert_eq!((code, refused["reason"].as_str()), (1, Some("BANK_REFERENCE_CONFLICT")), "{refused}");

    // It waits for a use; a use that was a mistake is taken back; a part of the leg is paid.
    let open = house.json(&["bank", "open", "FUEL"]);
    assert_eq!((&open["money"][0]["waits_for"], &open["money"][0]["unapplied"]), (&json!("a use"), &json!("50.00")));
    let mistake = house.json(&["bank", "apply", "FUEL", "50"]);
    let entry = mistake["entry_id"].as_str().unwrap();
    house.json(&["bank", "unapply", entry, "--reason", "not-theirs"]);
    assert!(house.table(&["bank", "apply", "FUEL", "30"]).contains("paid the leg of window 1"));
    let (code, refused) = house.failure(&["bank", "apply", "FUEL", "71"]);
    assert_eq!((code, refused["reason"].as_str()), (1, Some("AMOUNT_MISMATCH")), "{refused}");

    // What has come in may leave; and what was sent back is on its way until the bank has paid it.
    let released = house.json(&["settlement", "release", "1"]);
    assert_eq!(released["pay_outs"], json!([{ "partner": "GROCER", "amount": "30.00" }]), "{released}");
    house.json(&["bank", "return", "FUEL", "5"]);
    let open = house.json(&["bank", "open", "FUEL"]);
    assert!(open["money"].as_array().unwrap().iter().any(|money| money["ordered"] == true), "{open}");
    house.json(&["bank", "paid", "FUEL", "5", "--reference", "NTRF-2"]);

    // The reserve does not reach for the rest; when it does, the default is covered, and FUEL is suspended.
    let (code, refused) = house.failure(&["settlement", "cover", "1", "FUEL", "--yes"]);
    assert_eq!((code, refused["reason"].as_str()), (1, Some("RESERVE_INSUFFICIENT")), "{refused}");
    house.json(&["fund", "deposit", "reserve", "100"]);
    let covered = house.json(&["settlement", "cover", "1", "FUEL", "--yes"]);
    let legs = covered["settlement"]["legs"].as_array().unwrap();
    let leg = legs.iter().find(|leg| leg["partner"] == "FUEL").unwrap();
    // Of 100.00: 30.00 and 15.00 had arrived, 20.00 were its collateral, 35.00 the reserve's.
    assert_eq!((&leg["state"], &leg["covered"], &leg["due"]), (&json!("COVERED"), &json!("55.00"), &json!("0.00")));
    house.json(&["settlement", "pay", "1", "GROCER", "--amount", "30", "--yes"]);
    house.json(&["settlement", "pay", "1", "GROCER", "--yes"]);
    house.json(&["settlement", "repay", "FUEL", "35", "--penalty", "1", "--reference", "NTRF-3", "--yes"]);

    // Charges: once by hand, and once for each month by itself.
    house.json(&["partner", "charge", "GROCER", "2.50", "--reason", "cards"]);
    let set = house.json(&["partner", "charges", "GROCER", "--charge", "licence=10/month@2026-04-01..2026-05-01"]);
    assert_eq!(set["charges"][0]["next_date"], "2026-04-01", "{set}");
    desk.json(&["sandbox", "advance", "90d"]);
    assert_eq!(house.json(&["partner", "charges", "GROCER"])["charges"], json!([]));
    let balance = house.json(&["report", "trial-balance"]);
    let accounts = balance["accounts"].as_array().unwrap();
    let of_grocer = accounts.iter().find(|account| account["account"] == "position:GROCER").unwrap();
    assert_eq!((&of_grocer["money"], &balance["balanced"]), (&json!("-22.50"), &json!(true)), "{balance}");

    drop((fuel, grocer));
    assert_eq!(server.stop("-TERM").0, Some(0));
    house.json(&["audit"]);
}

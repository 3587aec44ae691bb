//! `clearing explain`: a leg from its receipts up, added up again from what is printed.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use clearing_play::Database;
use partner_sdk::{Client, Decimal, Issue, Origin, Redeem, ReturnRedemption};
use serde_json::Value;
use tokio::time::sleep;

use crate::desk::{Asking, Desk, Server, client, text};

/// Four decimals, a threshold, a brand that prepays above the value, one that pays when its leg is paid, fees that need rounding.
const COALITION: &str = r#"
[coalition]
currency = "RUB"
scale = 4
point_value = "1.0000"
start = "2026-01-01T00:00:00Z"
settlement_threshold = "5.00"
breakage = { reserve = "0.5", operator = "0.3", issuer = "0.2" }

[[partner]]
id = "grocer"

[[partner]]
id = "cards"
funding = "AT_ISSUE"
price = "1.0200"

[[partner]]
id = "rail"
funding = "ON_PAYMENT"

[[partner]]
id = "cinema"
acceptance_fee = "0.015"
reimbursement = "0.9950"

[[partner]]
id = "kiosk"
acceptance_fee = "0.0333"
"#;

const PARTICIPANTS: [&str; 6] = ["cards", "cinema", "grocer", "kiosk", "rail", "operator"];

/// Three windows: in the first the kiosk has less than a leg needs; the second adds to what was carried; into the third the legs
/// of the second go back.
async fn trade(desk: &Desk) -> Server {
    trade_of(desk, COALITION).await
}

async fn trade_of(desk: &Desk, coalition: &str) -> Server {
    fs::write(desk.path("coalition.toml"), coalition).unwrap();
    let server =
        desk.serve(&["sandbox", "--listen", "127.0.0.1:0", "--dir", "sandbox", "--coalition", "coalition.toml"]);
    let house = house(desk);
    let folder = desk.path("sandbox");
    let brand = async |id: &str| client(&server.endpoint, &folder, id).await;
    let issue = async |of: &Client, points: i64| {
        of.issue(Issue::to("card", "1").points(points)).await.unwrap().accepted().unwrap();
    };
    let redeem = async |at: &Client, points: i64, receipt: &str| {
        let origin = Origin::till("store-7", "3").receipt(receipt).business_date("2026-01-01");
        let spent = at.redeem(Redeem::from("card", "1").points(points).origin(origin)).await.unwrap();
        spent.accepted().unwrap().written.entry_id().to_owned()
    };
    let (grocer, cards, rail) = (brand("grocer").await, brand("cards").await, brand("rail").await);
    let (cinema, kiosk) = (brand("cinema").await, brand("kiosk").await);
    issue(&grocer, 12_345).await;
    issue(&cards, 1_000).await;
    issue(&rail, 777).await;
    issue(&cinema, 55).await;
    let spent = redeem(&cinema, 13_390, "R-1").await;
    cinema.return_redemption(ReturnRedemption::of(spent).points(1_111)).await.unwrap().accepted().unwrap();
    redeem(&kiosk, 3, "R-2").await;
    house.json(&["window", "close", "--yes"]);
    redeem(&kiosk, 7, "R-3").await;
    redeem(&grocer, 41, "R-4").await;
    house.json(&["window", "close", "--yes"]);
    house.json(&["settlement", "abort", "2", "--yes"]);
    redeem(&kiosk, 1, "R-5").await;
    house.json(&["window", "close", "--yes"]);
    server
}

fn house(desk: &Desk) -> Asking<'_> {
    desk.asking(&["--config", "sandbox/clearing.toml"])
}

/// Amounts as people read them: what is paid is below zero.
fn amount(text: &str) -> Decimal {
    let (sign, digits) = match text.split_once(' ') {
        Some(("pays", digits)) => (Decimal::NEGATIVE_ONE, digits),
        Some(("gets", digits)) => (Decimal::ONE, digits),
        _ if text == "-" || text.is_empty() => return Decimal::ZERO,
        _ => (Decimal::ONE, text),
    };
    sign * digits.replace(',', "").parse::<Decimal>().unwrap_or_else(|_| panic!("{text:?} is no amount"))
}

/// The tables of a page by what stands above each, their rows as cells, without those of the header.
fn tables(page: &str) -> BTreeMap<String, Vec<Vec<String>>> {
    let mut tables: BTreeMap<String, Vec<Vec<String>>> = BTreeMap::new();
    let (mut title, mut is_header) = (String::new(), false);
    for line in page.lines() {
        if let Some(row) = line.strip_prefix('│') {
            let cells = row.trim_end_matches('│').split('┆').map(|cell| cell.trim().to_owned());
            if !is_header {
                tables.entry(title.clone()).or_default().push(cells.collect());
            }
        } else if line.starts_with('┌') {
            is_header = true;
        } else if line.starts_with('╞') {
            is_header = false;
        } else if !line.starts_with('└') && !line.is_empty() {
            line.trim_end_matches(':').clone_into(&mut title);
        }
    }
    tables
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_printed_of_a_leg_adds_up_to_it_again() {
    let desk = Desk::new();
    let server = trade(&desk).await;
    let house = house(&desk);
    let (mut legs, mut small, mut rounded) = (Decimal::ZERO, 0, 0);
    for window in ["1", "2", "3"] {
        let settlement = house.json(&["settlement", "preview", window]);
        let settled = settlement["legs"].as_array().unwrap();
        let leg_of = |partner: &str| {
            let leg = settled.iter().find(|leg| leg["partner"] == partner);
            leg.map_or(Decimal::ZERO, |leg| leg["amount"].as_str().unwrap().parse().unwrap())
        };
        for partner in PARTICIPANTS {
            let page = house.table(&["explain", window, partner, "--wide"]);
            let tables = tables(&page);
            let none = Vec::new();
            let table = |title: &str| tables.get(title).unwrap_or(&none);
            // pays and gets are columns of their own.
            let step = |row: &Vec<String>| amount(&row[2]) - amount(&row[1]);
            let why = tables.iter().find(|(title, _)| title.starts_with(partner)).map_or(&none, |(_, rows)| rows);
            let opening = why.iter().find(|row| row[0].starts_with("carried from")).map_or(Decimal::ZERO, step);
            let mut lines = Decimal::ZERO;
            for row in table("Line by line; points x a point + rounding = amount") {
                let (points, rate, rounding, of) = (amount(&row[6]), amount(&row[7]), amount(&row[8]), amount(&row[9]));
                assert!(row[7] == "-" || points * rate + rounding == of, "{row:?}");
                rounded += usize::from(!rounding.is_zero());
                lines += of;
            }
            let steps = table("From the position to the leg");
            let (first, last) = (steps.first().unwrap(), steps.last().unwrap());
            assert_eq!((first[0].as_str(), last[0].as_str()), ("position at the close", "to the settlement"), "{page}");
            assert_eq!(opening + lines, step(first), "{page}");
            let between: Decimal = steps[1..steps.len() - 1].iter().map(step).sum();
            assert_eq!(step(first) + between, step(last), "{page}");
            assert_eq!(step(last), leg_of(partner), "{page}");
            small += steps.iter().filter(|row| row[0].contains("too small")).count();
            legs += step(last);
            let ties = table("Added up again");
            assert!(ties.len() >= 16, "{page}");
            assert!(ties.iter().all(|row| row[3] == "ties" && amount(&row[1]) == amount(&row[2])), "{page}");
            let of_lines = ties.iter().find(|row| row[0].ends_with("= what the window moved")).unwrap();
            assert_eq!(amount(&of_lines[1]), lines, "{page}");
            // The same on a screen, where an entry has several rows.
            let narrow = house.screen(&["explain", window, partner]);
            let mut rows = narrow.lines().filter(|line| line.starts_with('│'));
            assert!(rows.all(|row| row.chars().count() <= 80), "{narrow}");
        }
    }
    assert!(small >= 2 && rounded >= 3 && !legs.is_zero(), "{small} {rounded} {legs}");
    assert_eq!(server.stop("-TERM").0, Some(0));
    house.json(&["audit"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_of_an_explanation_add_up_and_are_the_same_for_every_reader() {
    let desk = Desk::new();
    let server = trade(&desk).await;
    let house = house(&desk);
    for partner in PARTICIPANTS {
        let json = house.json(&["explain", "3", partner]);
        let of = |value: &Value| value.as_str().unwrap().parse::<Decimal>().unwrap();
        let json_lines: Decimal = json["lines"].as_array().unwrap().iter().map(|line| of(&line["amount"])).sum();
        let step = |name: &str| {
            let steps = json["leg_steps"].as_array().unwrap().iter();
            steps.filter(|step| step["name"] == name).map(|step| of(&step["amount"])).sum::<Decimal>()
        };
        assert_eq!(of(&json["opening"]) + json_lines, step("position"), "{json}");
        assert_eq!(step("position") + step("remainder") + step("raised") + step("small"), step("leg"), "{json}");
        assert!(json["ties"].as_array().unwrap().iter().all(|tie| tie["ties"] == true), "{json}");

        let file = house.table(&["explain", "3", partner, "--format", "csv"]);
        let mut sums: BTreeMap<String, Decimal> = BTreeMap::new();
        let mut reader = csv::ReaderBuilder::new().from_reader(file.as_bytes());
        let header = reader.headers().unwrap().clone();
        let at = |name: &str| header.iter().position(|column| column == name).unwrap();
        let (mut opening, mut leg) = (Decimal::ZERO, None);
        for row in reader.records() {
            let row = row.unwrap();
            let amount: Decimal = row[at("amount")].parse().unwrap();
            *sums.entry(row[at("part")].to_owned()).or_default() += amount;
            match (&row[at("part")], &row[at("what")]) {
                ("bridge", "carried from the window before") => opening = amount,
                ("leg result", "to the settlement") => leg = Some(amount),
                ("tie", what) => assert!(amount.is_zero(), "{what}"),
                _ => (),
            }
        }
        let sum = |part: &str| sums.get(part).copied().unwrap_or_default();
        assert_eq!((sum("line"), leg), (json_lines, Some(step("leg"))), "{file}");
        assert_eq!(opening + sum("line") + sum("leg"), step("leg"), "{file}");

        // The sums alone say the same of lines that are not written.
        let brief = house.json(&["explain", "3", partner, "--no-lines"]);
        assert_eq!((&brief["lines"], &brief["ties"]), (&Value::Array(Vec::new()), &json["ties"]));
        let rest = |document: &Value| {
            let mut document = document.clone();
            document["lines"] = Value::Null;
            document
        };
        assert_eq!(rest(&brief), rest(&json));
    }
    let (code, error) = house.failure(&["explain", "4", "grocer"]);
    assert_eq!(code, 1, "{error}");
    assert!(error["hint"].as_str().unwrap().contains("settlement preview"), "{error}");
    assert_eq!(house.failure(&["explain", "9", "grocer"]).0, 1);
    assert_eq!(server.stop("-TERM").0, Some(0));
    house.json(&["audit"]);
}

/// A brand explains its own leg to itself, whether or not it is told whose points it took; an auditor any.
#[tokio::test(flavor = "multi_thread")]
async fn a_brand_and_an_auditor_add_up_what_they_may_see() {
    for disclose in [true, false] {
        let desk = Desk::new();
        let file = COALITION.replace("[coalition]", &format!("[coalition]\ndisclose_issuers = {disclose}"));
        let server = trade_of(&desk, &file).await;
        let house = house(&desk);
        let with = |id: &str| {
            let set = ["cert", "key"].map(|what| {
                let ending = if what == "cert" { "pem" } else { "key" };
                format!("client.{what}={}", desk.path(&format!("sandbox/{id}.{ending}")).display())
            });
            let [cert, key] = set.each_ref().map(String::as_str);
            desk.asking(&["--config", "sandbox/clearing.toml", "--set", cert, "--set", key])
        };
        for partner in ["cinema", "grocer", "kiosk"] {
            let whole = house.json(&["explain", "1", partner]);
            assert_eq!(with("auditor").json(&["explain", "1", partner]), whole);
            let own = with(partner).json(&["explain", "1", partner]);
            assert!(own["ties"].as_array().unwrap().iter().all(|tie| tie["ties"] == true), "{own}");
            assert_eq!((&own["leg"], &own["leg_steps"]), (&whole["leg"], &whole["leg_steps"]));
            assert_eq!(own["rounding_order"], Value::Null, "it tells of others");
            assert_eq!(with(partner).failure(&["explain", "1", "cards"]).0, 1);
        }
        assert_eq!(server.stop("-TERM").0, Some(0));
        house.json(&["audit"]);
    }
}

/// What the house says is not believed: it is compared with what the lines come to.
#[tokio::test(flavor = "multi_thread")]
async fn a_leg_that_does_not_add_up_is_told_of_and_the_command_fails() {
    let desk = Desk::new();
    let server = trade(&desk).await;
    let database = Database::at(format!("sqlite:{}", desk.path("sandbox/sandbox.db").display()));
    let changes = [
        ("party_totals", "amount", "what the window moved"),
        ("participants", "carried", "= position"),
        ("participants", "opening", "carried by the window before"),
    ];
    // The totals are projected a moment after what they total was acknowledged; readers add what is missing themselves.
    let window_three = "UPDATE party_totals SET amount = amount WHERE partner = 'grocer' AND window_number = 3";
    let until = Instant::now() + Duration::from_secs(60);
    while database.execute(window_three, "").await == 0 {
        assert!(Instant::now() < until, "the totals of window 3 are not projected");
        sleep(Duration::from_millis(5)).await;
    }
    for (table, column, about) in changes {
        let by = |units: &str| {
            format!(
                "UPDATE {table} SET {column} = {column} {units} WHERE partner = 'grocer' AND window_number = 3
                    AND {column} = (SELECT max({column}) FROM {table} WHERE partner = 'grocer' AND window_number = 3)"
            )
        };
        assert_eq!(database.execute(&by("+ 100"), "").await, 1, "{table}");
        let arguments = ["explain", "3", "grocer", "--config", "sandbox/clearing.toml"];
        let output = desk.run(&arguments);
        let (told, why) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(4), "{table}.{column}: {told}{why}");
        assert!(told.contains("DOES NOT TIE") && why.contains("clearing audit"), "{told}{why}");
        assert!(why.contains(about), "{table}.{column}: {why}");
        assert_eq!(database.execute(&by("- 100"), "").await, 1, "{table}");
    }
    assert_eq!(server.stop("-TERM").0, Some(0));
    house(&desk).json(&["audit"]);
}

//! `clearing statement`: the treasurer's paper, on screen, as a file for a spreadsheet, and for programs.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;

use partner_sdk::{Client, Decimal, Issue, Origin, Redeem, ReturnRedemption};

use crate::desk::{Asking, Desk, Server, client};

/// Prices of four decimals, a brand that prepays at a price above the value, and one whose fee needs rounding.
const COALITION: &str = r#"
[coalition]
currency = "RUB"
scale = 4
point_value = "1.0000"
start = "2026-01-01T00:00:00Z"
breakage = { reserve = "0.5", operator = "0.3", issuer = "0.2" }

[[partner]]
id = "grocer"

[[partner]]
id = "cards"
funding = "AT_ISSUE"
price = "1.0200"

[[partner]]
id = "cinema"
acceptance_fee = "0.015"
reimbursement = "0.9950"
"#;

/// What a spreadsheet would take for a formula.
const HOSTILE: &str = "=HYPERLINK(\"//x\", \"a,b\")";

/// Two windows: in the first cards prepays, and points of three brands are spent at the cinema; the second is open.
async fn trade(desk: &Desk) -> Server {
    fs::write(desk.path("coalition.toml"), COALITION).unwrap();
    let server =
        desk.serve(&["sandbox", "--listen", "127.0.0.1:0", "--dir", "sandbox", "--coalition", "coalition.toml"]);
    let house = house(desk);
    let folder = desk.path("sandbox");
    let brand = async |id: &str| client(&server.endpoint, &folder, id).await;
    let issue = async |of: &Client, points: i64| {
        of.issue(Issue::to("card", "1").points(points)).await.unwrap().accepted().unwrap();
    };
    let (grocer, cards, cinema) = (brand("grocer").await, brand("cards").await, brand("cinema").await);
    issue(&grocer, 12_345).await;
    issue(&cards, 1_000).await;
    issue(&cinema, 55).await;
    let origin = Origin::till("store-7", "3").receipt(HOSTILE).business_date("2026-01-01");
    let spent = Redeem::from("card", "1").points(13_390).origin(origin);
    let spent = cinema.redeem(spent).await.unwrap().accepted().unwrap();
    let back = ReturnRedemption::of(spent.written.entry_id()).points(11);
    cinema.return_redemption(back).await.unwrap().accepted().unwrap();
    grocer.redeem(Redeem::from("card", "1").points(21)).await.unwrap().accepted().unwrap();
    house.json(&["partner", "create", "hostile", "--name", HOSTILE]);
    house.json(&["window", "close", "--yes"]);
    issue(&grocer, 3).await;
    server
}

fn house(desk: &Desk) -> Asking<'_> {
    desk.asking(&["--config", "sandbox/clearing.toml"])
}

async fn end(desk: &Desk, server: Server) {
    assert_eq!(server.stop("-TERM").0, Some(0));
    house(desk).json(&["audit"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_for_people_reads_as_it_is_kept() {
    let desk = Desk::new();
    let server = trade(&desk).await;
    let mut told = String::new();
    for partner in ["cinema", "cards", "grocer", "operator"] {
        told += &house(&desk).table(&["statement", partner, "--window", "1"]);
        told.push('\n');
    }
    told += &house(&desk).table(&["statement", "grocer", "--lines", "0"]);
    let kept = include_str!("statement.txt");
    if told != kept {
        let path = concat!(env!("CARGO_TARGET_TMPDIR"), "/statement.txt");
        fs::write(path, &told).unwrap();
        panic!(
            "the statements differ from clearing/cli/tests/command/statement.txt; as they are, they stand in {path}"
        );
    }
    end(&desk, server).await;
}

/// JSON once had twenty lines of however many there were, and did not say so.
#[tokio::test(flavor = "multi_thread")]
async fn json_and_csv_are_whole_or_say_where_they_go_on() {
    let desk = Desk::new();
    let server = trade(&desk).await;
    let house = house(&desk);
    let grocer = client(&server.endpoint, &desk.path("sandbox"), "grocer").await;
    let issues = (0..30).map(|_| Issue::to("card", "1").points(1)).collect();
    for issued in grocer.batch_issue(issues).await.unwrap() {
        issued.unwrap().accepted().unwrap();
    }
    drop(grocer);
    let whole = house.json(&["statement", "grocer"]);
    let lines = |of: &serde_json::Value| of["lines"].as_array().unwrap().clone();
    assert_eq!((lines(&whole).len(), &whole["next"]), (31, &serde_json::Value::Null));
    let first = house.json(&["statement", "grocer", "--lines", "9"]);
    assert_eq!(first["next"], 9);
    let rest = house.json(&["statement", "grocer", "--skip", "9"]);
    assert_eq!([lines(&first), lines(&rest)].concat(), lines(&whole));
    assert!(house.table(&["statement", "grocer"]).contains("--skip 20"), "people are told as well");
    let csv = house.table(&["statement", "grocer", "--format", "csv"]);
    assert_eq!(csv.lines().filter(|row| row.starts_with("line,")).count(), 31, "{csv}");
    let same = house.table(&["statement", "grocer", "--format", "json"]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&same).unwrap(), whole);
    assert_eq!(house.failure(&["statement", "grocer", "--format", "csv"]).0, 2, "--output json says another thing");
    end(&desk, server).await;
}

/// What stands in the files is what JSON says, and nothing of it is a formula.
#[tokio::test(flavor = "multi_thread")]
async fn a_spreadsheet_finds_no_formula_in_a_file_and_its_sums_are_the_houses() {
    let desk = Desk::new();
    let server = trade(&desk).await;
    let house = house(&desk);
    for partner in ["grocer", "cards", "cinema", "operator", "hostile"] {
        let file = house.table(&["statement", partner, "--window", "1", "--format", "csv"]);
        let json = house.json(&["statement", partner, "--window", "1"]);
        let mut reader = csv::ReaderBuilder::new().from_reader(file.as_bytes());
        let header = reader.headers().unwrap().clone();
        let at = |name: &str| header.iter().position(|column| column == name).unwrap();
        let numbers = ["points", "rate", "rounding", "amount", "obligation"].map(at);
        let amount_of = |text: &str| text.parse::<Decimal>().unwrap();
        let (mut bridge, mut lines, mut result) = (Decimal::ZERO, Decimal::ZERO, None);
        let mut owed: BTreeMap<String, Decimal> = BTreeMap::new();
        for row in reader.records() {
            let row = row.unwrap();
            for (column, cell) in row.iter().enumerate() {
                let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
                assert!(!formula || numbers.contains(&column), "{cell:?}");
            }
            let amount = amount_of(&row[at("amount")]);
            match &row[0] {
                "bridge" => bridge += amount,
                "line" => {
                    lines += amount;
                    let number = |name: &str| row[at(name)].parse().unwrap_or(Decimal::ZERO);
                    let sign = if &row[at("section")] == "SPENT" { Decimal::NEGATIVE_ONE } else { Decimal::ONE };
                    *owed.entry(row[at("counterparty")].to_owned()).or_default() -= sign * number("obligation");
                    if !row[at("rate")].is_empty() {
                        assert_eq!(number("points") * number("rate") + number("rounding"), amount, "{row:?}");
                    }
                }
                "result" => result = Some(amount),
                part => {
                    assert_eq!(part, "obligation");
                    *owed.entry(row[at("counterparty")].to_owned()).or_default() += amount;
                }
            }
        }
        assert!(owed.values().all(Decimal::is_zero), "what lines say of a partner is what is owed: {owed:?}\n{file}");
        let of = |name: &str| amount_of(json[name].as_str().unwrap());
        assert_eq!((Some(bridge), result), (result, Some(of("leg"))), "{file}");
        assert_eq!(of("opening") + lines, of("closing") + of("leg"), "{file}");
    }
    let cinema = house.table(&["statement", "cinema", "--window", "1", "--format", "csv"]);
    assert!(cinema.contains("\"'=HYPERLINK(\"\"//x\"\", \"\"a,b\"\")\""), "{cinema}");
    house.json(&["settlement", "confirm", "1", "--yes"]);
    house.json(&["settlement", "export", "1", "--csv", "orders.csv"]);
    let orders = fs::read_to_string(desk.path("orders.csv")).unwrap();
    let mut amounts = orders.lines().skip(1).map(|row| row.split(',').nth(3).unwrap());
    assert!(amounts.all(|amount| amount.split_once('.').is_some_and(|(_, cents)| cents.len() == 2)), "{orders}");
    end(&desk, server).await;
}

/// All lines were once in memory before the first was written. Here the house is gone when the first was read: what was written
/// before is there, and the command fails, because it has yet to ask for the rest.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_statement_is_written_while_it_is_read() {
    let desk = Desk::new();
    let server = desk.sandbox("sandbox", &[]);
    let grocer = client(&server.endpoint, &desk.path("sandbox"), "grocer").await;
    for _ in 0..4 {
        let issues = (0..1_000).map(|_| Issue::to("card", "1").points(1)).collect();
        for issued in grocer.batch_issue(issues).await.unwrap() {
            issued.unwrap().accepted().unwrap();
        }
    }
    drop(grocer);
    house(&desk).json(&["window", "close", "--yes"]);
    let statement = ["statement", "grocer", "--window", "1", "--lines", "100000"];
    let explain = ["explain", "1", "grocer"];
    let statements = ["text", "csv", "html", "json"].map(|format| (&statement[..], format));
    let explanations = ["text", "csv", "json"].map(|format| (&explain[..], format));
    let formats = [&statements[..], &explanations[..]].concat();
    let common = ["--config", "sandbox/clearing.toml", "--set", "client.deadline_seconds=2"];
    let mut begun: Vec<_> = formats
        .iter()
        .map(|(command, format)| {
            let arguments = [command, &common[..], &["--format", format]].concat();
            let mut child = desk.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            let mut out = BufReader::new(child.stdout.take().unwrap());
            let mut first = String::new();
            // More than what a pipe holds is still to come, and the command waits for somebody to read it.
            for _ in 0..60 {
                assert_ne!(out.read_line(&mut first).unwrap(), 0, "{command:?} {format}: {first}");
            }
            (child, out, first)
        })
        .collect();
    assert_eq!(server.stop("-TERM").0, Some(0));
    for ((child, out, first), (command, format)) in begun.iter_mut().zip(formats) {
        let mut rest = String::new();
        out.read_to_string(&mut rest).unwrap();
        let mut why = String::new();
        child.stderr.take().unwrap().read_to_string(&mut why).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(3), "{command:?} {format}: {why}");
        let written = first.lines().chain(rest.lines()).filter(|line| line.contains("points issued")).count();
        assert!((900..3_000).contains(&written), "{command:?} {format}: {written} of 4,000 lines");
    }
    house(&desk).json(&["audit"]);
}

/// A line was once as wide as ten columns need, which no screen shows.
#[tokio::test(flavor = "multi_thread")]
async fn a_statement_fits_80_columns_unless_it_is_asked_for_wide() {
    let desk = Desk::new();
    let server = trade(&desk).await;
    let house = house(&desk);
    let widest = |told: &str| told.lines().map(|line| line.chars().count()).max().unwrap_or(0);
    for partner in ["cinema", "cards", "grocer", "operator", "hostile"] {
        let told = house.screen(&["statement", partner, "--window", "1"]);
        assert!(widest(&told) <= 80, "{told}");
    }
    let wide = house.table(&["statement", "cinema", "--window", "1", "--wide"]);
    let rows = wide.lines().filter(|line| line.contains(HOSTILE)).collect::<Vec<_>>();
    assert!(rows.iter().all(|row| row.contains("2026-01-01 00:00:00")), "each line is one row: {wide}");
    assert_eq!(rows.len(), 4, "{wide}");
    let (code, error) = desk.failure(&["statement", "cinema", "--wide", "--format", "html"]);
    assert_eq!((code, error["kind"].as_str()), (2, Some("USAGE")), "{error}");
    end(&desk, server).await;
}

/// Legs, orders, balances and postings had no commas, where statements had them.
#[tokio::test(flavor = "multi_thread")]
async fn every_table_of_amounts_has_commas_between_thousands() {
    let desk = Desk::new();
    let server = trade(&desk).await;
    let house = house(&desk);
    house.json(&["settlement", "confirm", "1", "--yes"]);
    house.json(&["settlement", "export", "1"]);
    for command in [
        &["settlement", "preview"][..],
        &["settlement", "preview", "1"],
        &["settlement", "orders", "1"],
        &["settlement", "pay", "1", "--all", "--dry-run"],
        &["report", "netting", "1"],
        &["report", "trial-balance", "--members"],
        &["report", "journal"],
        &["statement", "cinema", "--window", "1"],
        &["statement", "cinema", "--window", "1", "--wide"],
        &["window", "close", "--dry-run"],
    ] {
        let told = house.table(command);
        let of_number = |letter: char| letter.is_ascii_digit() || ['.', ',', '-'].contains(&letter);
        let words = told.split(|letter: char| letter.is_whitespace() || ['│', '┆'].contains(&letter));
        let bare = |word: &&str| {
            let (whole, cents) = word.split_once('.').unwrap_or((word, ""));
            let digits = whole.trim_start_matches('-');
            let sentence_ends = cents.is_empty() && word.ends_with('.');
            word.chars().all(of_number) && digits.len() > 3 && !digits.contains([',', '-']) && !sentence_ends
        };
        assert_eq!(words.into_iter().find(bare), None, "{command:?}: {told}");
    }
    assert!(house.table(&["settlement", "preview", "1"]).contains("12,324.00"));
    end(&desk, server).await;
}

/// "-0.0000" was printed where an amount of nothing was turned around.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_never_below_zero_in_any_answer() {
    let desk = Desk::new();
    let server = trade(&desk).await;
    let house = house(&desk);
    let mut answers = vec![
        house.table(&["window", "list"]),
        house.table(&["settlement", "preview"]),
        house.table(&["settlement", "preview", "1"]),
        house.table(&["settlement", "orders", "1", "--mode", "hub"]),
        house.table(&["report", "trial-balance", "--members"]),
        house.table(&["report", "journal"]),
        house.table(&["log"]),
        house.table(&["partner", "list"]),
    ];
    for window in ["1", "2"] {
        answers.push(house.table(&["report", "netting", window]));
        answers.push(house.json(&["report", "netting", window]).to_string());
        for partner in ["grocer", "cards", "cinema", "operator", "hostile"] {
            for format in ["text", "csv", "html", "json"] {
                answers.push(house.table(&["statement", partner, "--window", window, "--format", format]));
            }
        }
    }
    for answer in answers {
        // Whole words: ids of entries may hold anything between two letters.
        let of_word = |letter: char| letter.is_alphanumeric() || ['_', '.', '-'].contains(&letter);
        let mut numbers = answer.split(|letter| !of_word(letter));
        let nothing =
            |word: &str| word.starts_with("-0") && word.chars().skip(1).all(|letter| ['0', '.'].contains(&letter));
        assert_eq!(numbers.find(|word| nothing(word)), None, "{answer}");
    }
    end(&desk, server).await;
}

/// Prepaid points ride in the legs, so more may move than is owed: the headline once said "-69 % need not move".
#[tokio::test(flavor = "multi_thread")]
async fn the_headline_of_netting_compares_obligations_with_what_is_left_of_obligations() {
    let desk = Desk::new();
    let server = desk.sandbox("sandbox", &[]);
    let house = house(&desk);
    let folder = desk.path("sandbox");
    let brand = async |id: &str| client(&server.endpoint, &folder, id).await;
    let (grocer, cards, fuel) = (brand("grocer").await, brand("cards").await, brand("fuel").await);
    cards.issue(Issue::to("card", "p").points(1_000)).await.unwrap().accepted().unwrap();
    grocer.issue(Issue::to("card", "g").points(100)).await.unwrap().accepted().unwrap();
    fuel.issue(Issue::to("card", "f").points(60)).await.unwrap().accepted().unwrap();
    fuel.redeem(Redeem::from("card", "g").points(100)).await.unwrap().accepted().unwrap();
    grocer.redeem(Redeem::from("card", "f").points(60)).await.unwrap().accepted().unwrap();
    let netting = house.json(&["report", "netting"]);
    assert_eq!((&netting["netted_total"], &netting["netted_share"]), (&"40.00".into(), &"0.7500".into()));
    let saved: Decimal = netting["settlement"]["saved"].as_str().unwrap().parse().unwrap();
    assert!(saved < Decimal::ZERO, "what moves with prepaid points is more than what is owed: {saved}");
    let told = house.table(&["report", "netting"]);
    assert!(told.contains("After netting among all, 40.00 of 160.00 RUB are left: 75 % need not move."), "{told}");
    assert_eq!(told.matches('%').count(), 1, "no other share is told: {told}");
    drop((grocer, cards, fuel));
    end(&desk, server).await;
}

//! Files of banks that are booked: what each line becomes, what waits for a person and how it is resolved, and that no line is booked twice.

use std::fs;
use std::process::Stdio;

use clearing_bank::Reference;
use clearing_play::{BACKENDS, Database};
use partner_sdk::{Client, Issue, Redeem};
use serde_json::{Value, json};

use crate::bank_files::{BIK, CAFE, COALITION, FUEL, GROCER, OWN, account, named, statement_of};
use crate::desk::{Asking, Desk, Server, client};

const RESERVE: &str = "40702810600000000088";
const STRANGER: &str = "40702810000000000099";
/// Of the bank itself.
const INCOME: &str = "70601810000000002730";

/// A house, its brands, and how the desk asks it.
struct Scene<'a> {
    desk: &'a Desk,
    house: Asking<'a>,
    server: Server,
    grocer: Client,
    fuel: Client,
    cafe: Client,
    coalition: String,
}

impl<'a> Scene<'a> {
    /// Window 1 is confirmed: GROCER pays 100.00, FUEL gets 60.00 and CAFE 40.00. Everybody has an account.
    async fn new(desk: &'a Desk, database: &str) -> Self {
        fs::write(desk.path("coalition.toml"), COALITION).unwrap();
        let place = ["--listen", "127.0.0.1:0", "--coalition", "coalition.toml", "--start", "2026-01-12T12:00"];
        let server = desk.serve(&[&["sandbox", "--database", database], &place[..]].concat());
        let [grocer, fuel, cafe] =
            ["GROCER", "FUEL", "CAFE"].map(async |id| client(&server.endpoint, &desk.path("sandbox"), id).await);
        let (grocer, fuel, cafe) = (grocer.await, fuel.await, cafe.await);
        let coalition = grocer.server_info().await.unwrap().coalition_id;
        let house = desk.asking(&["--config", "sandbox/clearing.toml"]);
        let scene = Self { desk, house, server, grocer, fuel, cafe, coalition };
        for (partner, number) in [("operator", OWN), ("GROCER", GROCER), ("FUEL", FUEL), ("CAFE", CAFE)] {
            account(&scene.house, partner, number, partner);
        }
        owes(&scene.grocer, &[(&scene.fuel, 60), (&scene.cafe, 40)]).await;
        scene.confirmed(1);
        scene
    }

    /// The reference by which a payment of a window is known.
    fn reference(&self, window: i64, payer: &str, payee: &str) -> String {
        Reference::of(&self.coalition, window, payer, payee).to_string()
    }

    /// The open window is closed and confirmed.
    fn confirmed(&self, window: i64) {
        self.house.json(&["window", "close", "--yes"]);
        self.house.json(&["settlement", "confirm", &window.to_string(), "--yes"]);
    }

    /// Writes a statement of the coalition's account, and books it.
    fn import(&self, file: &str, day: u32, lines: &[(bool, &str, &str, &str)]) -> Value {
        fs::write(self.desk.path(file), statement_of(OWN, day, lines)).unwrap();
        self.house.json(&import(file))
    }

    /// What an account of the books holds.
    fn money(&self, account: &str) -> String {
        let balance = self.house.json(&["report", "trial-balance"]);
        let accounts = balance["accounts"].as_array().unwrap();
        let found = accounts.iter().find(|of| of["account"] == account);
        found.map_or("0.00".to_owned(), |of| of["money"].as_str().unwrap().to_owned())
    }

    /// What waits for somebody: whose, how much of it, what for.
    fn open(&self) -> Vec<(String, String, String)> {
        let open = self.house.json(&["bank", "open"]);
        let money = open["money"].as_array().unwrap().iter();
        let row = |money: &Value| {
            let amount = money["unapplied"].as_str().unwrap_or(money["amount"].as_str().unwrap());
            let partner = money["partner"].as_str().unwrap_or("unknown");
            (partner.to_owned(), amount.to_owned(), money["waits_for"].as_str().unwrap().to_owned())
        };
        money.map(row).collect()
    }
}

/// What waits for a use.
fn a_use(partner: &str, amount: &str) -> (String, String, String) {
    (partner.to_owned(), amount.to_owned(), "a use".to_owned())
}

fn import(file: &str) -> [&str; 6] {
    let reserve = "reserve=40702810600000000088";
    ["bank", "import", file, "--own", reserve, "--yes"]
}

/// Points of this brand that are spent at others.
async fn owes(issuer: &Client, others: &[(&Client, i64)]) {
    let points = others.iter().map(|(_, points)| points).sum();
    issuer.issue(Issue::to("card", "1").points(points)).await.unwrap().accepted().unwrap();
    for (other, points) in others {
        other.redeem(Redeem::from("card", "1").points(*points)).await.unwrap().accepted().unwrap();
    }
}

/// What each line is, and what became of it.
fn became(answer: &Value) -> Vec<(&str, &str)> {
    let text = |of: &'static str| move |line| -> &str { Value::as_str(Value::get(line, of).unwrap()).unwrap() };
    let lines = answer["lines"].as_array().unwrap().iter();
    lines.map(|line| (text("meaning")(line), text("became")(line))).collect()
}

#[track_caller]
fn is(answer: &Value, meaning: &str, became_of: &str, told: &str) {
    assert_eq!(became(answer), [(meaning, became_of)], "{answer}");
    let why = answer["lines"][0]["why"].as_str().unwrap();
    assert!(why.contains(told), "{told}: {why}");
}

/// A statement in camt.053 of 20 January: amount, whether it came, state, what the bank calls it, EndToEndId, whether it takes back.
fn camt(currency: &str, entries: &[(&str, bool, &str, &str, &str, bool)]) -> String {
    let entry = |(amount, came, state, called, end_to_end, back): &(&str, bool, &str, &str, &str, bool)| {
        let way = if *came { "CRDT" } else { "DBIT" };
        let back = if *back { "<RvslInd>true</RvslInd>" } else { "" };
        format!(
            "<Ntry><Amt Ccy=\"{currency}\">{amount}</Amt><CdtDbtInd>{way}</CdtDbtInd>{back}<Sts><Cd>{state}</Cd></Sts>\n\
             <BookgDt><Dt>2026-01-20</Dt></BookgDt><AcctSvcrRef>{called}</AcctSvcrRef><NtryDtls><TxDtls><Refs>\
             <EndToEndId>{end_to_end}</EndToEndId></Refs></TxDtls></NtryDtls></Ntry>\n"
        )
    };
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.053.001.08\">\
         <BkToCstmrStmt><GrpHdr><MsgId>1</MsgId><CreDtTm>2026-01-21T01:00:00Z</CreDtTm></GrpHdr>\n<Stmt><Id>1</Id>\
         <CreDtTm>2026-01-21T01:00:00Z</CreDtTm><Acct><Id><Othr><Id>{OWN}</Id></Othr></Id></Acct>\n{}</Stmt>\
         </BkToCstmrStmt></Document>\n",
        entries.iter().map(entry).collect::<String>()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn each_line_of_a_bank_becomes_something_with_a_reason_and_what_waits_is_resolved_by_a_person() {
    for backend in BACKENDS {
        let (desk, database) = (Desk::new(), Database::new(backend).await);
        let scene = Scene::new(&desk, &database.url).await;
        let house = &scene.house;
        let of_grocer = scene.reference(1, "GROCER", "hub");

        // Too little is a part of it, once somebody says so; and a use that was a mistake is taken back.
        let partial = scene.import("partial.txt", 13, &[(true, "40.00", GROCER, &of_grocer)]);
        is(&partial, "UNAPPLIED", "BOOKED", "GROCER for window 1: 60.00 too little: 100.00 are due");
        assert_eq!(scene.open(), [a_use("GROCER", "40.00")]);
        let mistake = house.json(&["bank", "apply", "GROCER", "40", "--to", "advance"]);
        house.json(&["bank", "unapply", mistake["entry_id"].as_str().unwrap(), "--reason", "for-the-leg"]);
        house.json(&["bank", "apply", "GROCER", "40", "--window", "1"]);
        assert_eq!(scene.open(), []);

        // An odd amount: what is due of it is used, the rest goes back, and the bank's line of that is known.
        let odd = scene.import("odd.txt", 14, &[(true, "60.01", GROCER, &of_grocer)]);
        is(&odd, "UNAPPLIED", "BOOKED", "0.01 too much: 60.00 are due");
        house.json(&["bank", "apply", "GROCER", "60", "--window", "1"]);
        house.json(&["bank", "return", "GROCER", "0.01"]);
        let back = scene.import("back.txt", 15, &[(false, "0.01", GROCER, "излишек")]);
        is(&back, "OURS_OUT", "BOOKED", "what was ordered out to GROCER");
        assert_eq!(scene.open(), []);

        // What the coalition pays. One of the two was recorded by hand before.
        house.json(&["settlement", "pay", "1", "CAFE", "--yes"]);
        let out = [
            (false, "60.00", FUEL, &*scene.reference(1, "hub", "FUEL")),
            (false, "40.00", CAFE, &*scene.reference(1, "hub", "CAFE")),
        ];
        let out = scene.import("out.txt", 15, &out);
        assert_eq!(became(&out), [("OURS_OUT", "BOOKED"), ("OURS_OUT", "SEEN")], "{out}");
        assert_eq!(house.json(&["settlement", "preview", "1"])["settlement_state"], "SETTLED");

        // It pays once more.
        let twice = scene.import("twice.txt", 16, &[(true, "60.00", GROCER, &of_grocer)]);
        is(&twice, "UNAPPLIED", "BOOKED", "nothing is due there any more");
        house.json(&["bank", "apply", "GROCER", "60", "--to", "advance"]);

        // Somebody whom nobody knows: two persons say whose it is, where there are two.
        let unknown = scene.import("unknown.txt", 16, &[(true, "7.00", STRANGER, "подарок")]);
        is(&unknown, "UNAPPLIED", "BOOKED", "neither the account nor a reference is known");
        assert_eq!(scene.open(), [a_use("unknown", "7.00")]);
        house.json(&["bank", "apply", "GROCER", "7", "--from-unknown"]);
        house.json(&["bank", "apply", "GROCER", "7", "--to", "advance"]);

        // For a settlement that was given up it goes back.
        owes(&scene.fuel, &[(&scene.cafe, 30)]).await;
        scene.confirmed(2);
        house.json(&["settlement", "abort", "2", "--yes"]);
        let aborted = scene.import("aborted.txt", 17, &[(true, "30.00", FUEL, &scene.reference(2, "FUEL", "hub"))]);
        is(&aborted, "UNAPPLIED", "BOOKED", "the settlement was given up");
        house.json(&["bank", "return", "FUEL", "30"]);
        let on_its_way = ("FUEL".to_owned(), "30.00".to_owned(), "the bank to pay it".to_owned());
        assert_eq!(scene.open(), [on_its_way]);
        is(&scene.import("given.txt", 17, &[(false, "30.00", FUEL, "возврат")]), "OURS_OUT", "BOOKED", "FUEL");

        // Too late, when the reserve has paid: it pays what is claimed.
        house.json(&["fund", "deposit", "reserve", "100"]);
        scene.confirmed(3);
        house.json(&["settlement", "cover", "3", "FUEL", "--yes"]);
        let late = scene.import("late.txt", 18, &[(true, "30.00", FUEL, &scene.reference(3, "FUEL", "hub"))]);
        is(&late, "UNAPPLIED", "BOOKED", "nothing is due there any more");
        house.json(&["bank", "apply", "FUEL", "30", "--to", "claim"]);
        assert_eq!((scene.open(), scene.money("claim:FUEL")), (vec![], "0.00".to_owned()));

        // What the bank takes, what goes from one own account to another, what nobody ordered.
        let others = [
            (false, "1.50", INCOME, "Комиссия"),
            (false, "20.00", RESERVE, "в резерв"),
            (false, "3.00", STRANGER, "никто не поручал"),
        ];
        let others = scene.import("others.txt", 19, &others);
        assert_eq!(became(&others), [("FEE", "BOOKED"), ("OWN_TRANSFER", "BOOKED"), ("LEFT", "LEFT")], "{others}");
        let of_reserve = [(true, "20.00", OWN, "в резерв"), (true, "5.00", GROCER, "взнос")];
        fs::write(desk.path("reserve.txt"), statement_of(RESERVE, 19, &of_reserve)).unwrap();
        let of_reserve = house.json(&import("reserve.txt"));
        assert_eq!(became(&of_reserve), [("OWN_TRANSFER", "SEEN"), ("LEFT", "LEFT")], "{of_reserve}");
        assert!(of_reserve["lines"][1]["why"].as_str().unwrap().contains("the account is that for reserve"));

        // What the bank took back, whose line stands above it; what it only announces.
        let returned = [
            ("25.00", true, "BOOK", "B1", "GROCER-1", false),
            ("25.00", false, "BOOK", "B2", "GROCER-1", true),
            ("9.00", true, "PDNG", "B3", "GROCER-2", false),
        ];
        fs::write(desk.path("returned.xml"), camt("RUB", &returned)).unwrap();
        let returned = house.json(&import("returned.xml"));
        let expected = [("UNAPPLIED", "BOOKED"), ("RETURNED", "BOOKED"), ("NOT_BOOKED", "LEFT")];
        assert_eq!(became(&returned), expected, "{returned}");
        assert_eq!(scene.open(), []);
        assert_eq!(
            returned["counts"],
            json!({ "booked": 2, "seen": 0, "known": 0, "left": 1, "refused": 0 }),
            "{returned}"
        );

        // The same files again, in the other order: everything that was booked is known, by its entry.
        let before = house.json(&["report", "trial-balance"]);
        let files =
            ["partial", "odd", "back", "out", "twice", "unknown", "aborted", "given", "late", "others", "reserve"];
        let mut known = 0;
        for file in files.map(|file| format!("{file}.txt")).iter().rev().chain([&"returned.xml".to_owned()]) {
            let again = house.json(&import(file));
            for (meaning, became) in became(&again) {
                assert!(
                    [("KNOWN", "KNOWN"), ("LEFT", "LEFT"), ("NOT_BOOKED", "LEFT")].contains(&(meaning, became)),
                    "{again}"
                );
                known += usize::from(became == "KNOWN");
            }
        }
        assert_eq!(
            (known, house.json(&["report", "trial-balance"])["accounts"].clone()),
            (15, before["accounts"].clone())
        );
        assert!(house.table(&import("out.txt")).contains("2 known before, 0 left, 0 refused."));

        // The bank has what the lines come to, 3.00 less that a person books by the line's own reference.
        let why = others["lines"][2]["why"].as_str().unwrap();
        let (_, by_hand) = why.split_once("by hand: ").unwrap();
        let by_hand: Vec<&str> = by_hand.split(' ').map(|word| word.trim_matches('\'')).collect();
        let fee = [&["bank", "fee", "settlement", "3"], &by_hand[..]].concat();
        assert!(house.json(&fee)["known_entry_id"].is_null());
        assert!(house.json(&fee)["known_entry_id"].is_string(), "it is the same line each time");
        let line = house.json(&import("others.txt"));
        assert_eq!(became(&line)[2], ("LEFT", "LEFT"));
        // 40.00 + 60.01 - 0.01 - 60 - 40 + 60 + 7 + 30 - 30 + 30 - 1.50 - 20 - 3
        let funds = scene.money("bank:settlement");
        assert_eq!(funds, "-72.50", "{backend:?}");

        let Scene { server, grocer, fuel, cafe, .. } = scene;
        drop((grocer, fuel, cafe));
        assert_eq!(server.stop("-TERM").0, Some(0));
        database.audit().await;
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_file_with_anything_wrong_nothing_is_booked_and_the_line_and_the_field_are_named() {
    let (desk, books) = (Desk::new(), Desk::new());
    let scene = Scene::new(&desk, &format!("sqlite:{}", books.path("books.db").display())).await;
    let pays = scene.reference(1, "GROCER", "hub");
    let good = statement_of(OWN, 14, &[(true, "100.00", GROCER, &pays), (true, "7.00", STRANGER, "подарок")]);
    let xml = camt("RUB", &[("100.00", true, "BOOK", "B1", &pays, false)]);
    let bomb = format!(
        "<?xml version=\"1.0\"?>\n<!DOCTYPE a [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;\">]>\n{}",
        xml.lines().skip(1).map(|line| line.replace(&pays, "&b;")).collect::<String>()
    );
    let journal = || scene.house.json(&["report", "journal"])["entries"].as_array().unwrap().len();
    let before = journal();
    for (name, bytes, told) in [
        ("truncated.txt", good.replace("КонецФайла\r\n", "").into_bytes(), "cut off"),
        ("truncated.xml", xml.as_bytes()[..xml.len() - 40].to_vec(), "cut off"),
        ("encoding.txt", good.bytes().map(|byte| if byte == 0xD0 { 0xFF } else { byte }).collect(), "encoding"),
        ("utf-16.xml", [&[0xFF, 0xFE][..], xml.as_bytes()].concat(), "UTF-16"),
        ("comma.txt", good.replace("Сумма=7.00", "Сумма=7,00").into_bytes(), "line 22, Сумма: \"7,00\" has a comma"),
        (
            "decimals.txt",
            good.replace("Сумма=7.00", "Сумма=7.005").into_bytes(),
            "line 22, Сумма: \"7.005\" has 3 decimals",
        ),
        ("foreign.txt", good.replace(OWN, GROCER).into_bytes(), "not one of the coalition's own accounts"),
        (
            "currency.xml",
            camt("USD", &[("1.00", true, "BOOK", "B1", "", false)]).into_bytes(),
            "the currency is \"USD\"",
        ),
        ("comma.xml", xml.replace("100.00", "100,00").into_bytes(), "has a comma"),
        ("entity.xml", xml.replace(&pays, "&nbsp;").into_bytes(), "the entity"),
        ("bomb.xml", bomb.into_bytes(), "line 2"),
        ("day.txt", good.clone().into_bytes(), "2026-01-14"),
    ] {
        fs::write(desk.path(name), bytes).unwrap();
        let days = if name == "day.txt" { &["--from", "2026-01-13", "--until", "2026-01-13"][..] } else { &[] };
        let (code, error) = scene.house.failure(&[&import(name)[..], days].concat());
        let message = error["message"].as_str().unwrap();
        assert!(code == 2 && message.contains(told) && message.contains(name), "{name}: {told}: {error}");
        assert!(name.starts_with("utf-16") || message.contains(": line "), "{name}: {error}");
        assert!(error["hint"].as_str().unwrap().contains("nothing of the file was used"), "{error}");
    }
    assert_eq!(journal(), before);

    // Nobody is asked where nobody can be, and a dry run books nothing.
    fs::write(desk.path("good.txt"), [&[0xEF, 0xBB, 0xBF], good.as_bytes()].concat()).unwrap();
    let (code, error) = scene.house.failure(&["bank", "import", "good.txt"]);
    assert!(code == 2 && error["hint"].as_str().unwrap().contains("--yes"), "{error}");
    let shown = scene.house.json(&["bank", "import", "good.txt", "--dry-run"]);
    assert_eq!(named(&shown["plan"], "lines", "meaning"), ["MATCHED", "UNAPPLIED"]);
    assert_eq!(shown["would"], "books what is not booked yet of 2 of 2 lines");
    assert!(
        scene
            .house
            .table(&["bank", "import", "good.txt", "--dry-run"])
            .contains("Nothing was done: this was a dry run.")
    );
    assert_eq!(journal(), before);
    // With a mark of its encoding before it, it is the same file to the house.
    let booked = scene.house.json(&import("good.txt"));
    assert_eq!(became(&booked), [("MATCHED", "BOOKED"), ("UNAPPLIED", "BOOKED")]);

    let Scene { server, grocer, fuel, cafe, .. } = scene;
    drop((grocer, fuel, cafe));
    assert_eq!(server.stop("-TERM").0, Some(0));
    desk.json(&["audit", "--config", "sandbox/clearing.toml"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_of_a_bank_is_booked_once_whatever_files_it_stands_in_and_however_many_import_them_at_once() {
    for backend in BACKENDS {
        let (desk, database) = (Desk::new(), Database::new(backend).await);
        let scene = Scene::new(&desk, &database.url).await;
        let [pays, gets] = [scene.reference(1, "GROCER", "hub"), scene.reference(1, "hub", "FUEL")];
        let more: Vec<String> = (1..=40).map(|at| format!("{at}.{at:02}")).collect();
        let mut lines = vec![
            (true, "100.00", GROCER, pays.as_str()),
            (false, "60.00", FUEL, gets.as_str()),
            (false, "1.50", INCOME, "fee"),
            // Within a file it is seen that the first has paid it.
            (true, "100.00", GROCER, pays.as_str()),
        ];
        lines.extend(more.iter().map(|amount| (true, amount.as_str(), STRANGER, "?")));
        fs::write(desk.path("whole.txt"), statement_of(OWN, 14, &lines)).unwrap();
        let shown = scene.house.json(&["bank", "show", "whole.txt"]);
        assert_eq!(named(&shown, "lines", "meaning")[..4], ["MATCHED", "OURS_OUT", "FEE", "UNAPPLIED"], "{shown}");
        assert!(named(&shown, "lines", "why")[3].contains("line 8 of the file pays it already"), "{shown}");

        let half = scene.import("half.txt", 14, &lines[..2]);
        assert_eq!(became(&half), [("MATCHED", "BOOKED"), ("OURS_OUT", "BOOKED")]);

        // Two at once, of a file that overlaps: each line is booked once, and both name the same entry of it.
        let begin = |_| {
            let flags = ["--config", "sandbox/clearing.toml", "--output", "json"];
            desk.command(&[&import("whole.txt")[..], &flags].concat()).stdout(Stdio::piped()).spawn().unwrap()
        };
        let both = [0, 1].map(begin).map(|command| {
            let output = command.wait_with_output().unwrap();
            serde_json::from_slice::<Value>(&output.stdout).unwrap()
        });
        for at in 0..lines.len() {
            let told = both.each_ref().map(|answer| became(answer)[at].1);
            let booked = told.iter().filter(|became| **became == "BOOKED").count();
            assert_eq!((at, booked), (at, usize::from(at >= 2)), "{backend:?}: {told:?}");
            let entries = both.each_ref().map(|answer| &answer["lines"][at]["entry_id"]);
            assert!(entries[0] == entries[1] && entries[0].is_string(), "{entries:?}");
        }
        let after = scene.house.json(&["report", "trial-balance"]);
        let again = scene.house.json(&import("whole.txt"));
        assert_eq!(again["counts"]["known"], lines.len(), "{again}");
        assert_eq!(scene.house.json(&["report", "trial-balance"])["accounts"], after["accounts"]);

        // The bank gives another amount under the key of a line that was booked: that is told, and the others go on.
        let csv = |amount: &str| {
            format!("Day,Sum,Id,From,Bank\n2026-01-15,{amount},R1,{GROCER},{BIK}\n2026-01-15,2.00,R{amount},,\n")
        };
        let columns = ["booking-date=Day", "amount=Sum", "reference=Id", "other-account=From", "other-bank=Bank"];
        let columns = columns.iter().flat_map(|column| ["--column", column]);
        let csv_import: Vec<&str> = ["bank", "import", "bank.csv", "--yes"].into_iter().chain(columns).collect();
        fs::write(desk.path("bank.csv"), csv("8.00")).unwrap();
        assert_eq!(became(&scene.house.json(&csv_import)), [("UNAPPLIED", "BOOKED"), ("UNAPPLIED", "BOOKED")]);
        fs::write(desk.path("bank.csv"), csv("9.00")).unwrap();
        let changed = scene.house.json(&csv_import);
        assert_eq!(became(&changed), [("UNAPPLIED", "REFUSED"), ("UNAPPLIED", "BOOKED")], "{changed}");
        assert_eq!(changed["lines"][0]["reason"], "BANK_REFERENCE_CONFLICT");

        let Scene { server, grocer, fuel, cafe, .. } = scene;
        drop((grocer, fuel, cafe));
        assert_eq!(server.stop("-TERM").0, Some(0));
        database.audit().await;
        database.remove().await;
    }
}

//! Reports and statements as HTML, opened in a real browser at three widths, in light and dark, and printed. The pictures are
//! kept in `target/tmp/paper`.

mod browser;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use partner_sdk::{Client, Decimal, Issue, Origin, Redeem};
use serde_json::Value;

use crate::desk::{Asking, Desk, Server, client, text};
use browser::Browser;

/// Brands that prepay, and with fees; ids as long as they may be, and amounts of many digits.
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
id = "cinema-at-the-far-end-of-a-road"
acceptance_fee = "0.015"
reimbursement = "0.9950"

[[partner]]
id = "fuel"

[[partner]]
id = "idle"
"#;

const CINEMA: &str = "cinema-at-the-far-end-of-a-road";

/// What somebody may call a brand: an element, quotes, an end of the style sheet, a name that is written from the right to the left, and
/// one that cannot be broken.
const NAMES: [(&str, &str); 4] = [
    ("grocer", "</style><script>window.hostile=1</script> \"O'Brien\" & Sons"),
    ("cards", "בנק השלום 365"),
    ("fuel", "<img src=x onerror=window.hostile=1>"),
    (CINEMA, "WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW"),
];

/// Lines that need more than one page of paper.
const ISSUES: i64 = 60;

const WIDTHS: [u32; 3] = [390, 768, 1280];

/// A window of all this, closed and exported, of which one order is paid.
async fn trade(desk: &Desk) -> Server {
    fs::write(desk.path("coalition.toml"), COALITION).unwrap();
    let server =
        desk.serve(&["sandbox", "--listen", "127.0.0.1:0", "--dir", "sandbox", "--coalition", "coalition.toml"]);
    let house = house(desk);
    for (id, name) in NAMES {
        house.json(&["partner", "rename", id, name]);
    }
    let folder = desk.path("sandbox");
    let brand = async |id: &str| client(&server.endpoint, &folder, id).await;
    let issue = async |of: &Client, points: i64| {
        of.issue(Issue::to("card", "1").points(points)).await.unwrap().accepted().unwrap();
    };
    let (grocer, cards, cinema, fuel) =
        (brand("grocer").await, brand("cards").await, brand(CINEMA).await, brand("fuel").await);
    let issues = (0..ISSUES).map(|points| Issue::to("card", "1").points(points + 1)).collect();
    for issued in grocer.batch_issue(issues).await.unwrap() {
        issued.unwrap().accepted().unwrap();
    }
    issue(&grocer, 987_654_321).await;
    issue(&cards, 123_456_789).await;
    issue(&cinema, 55_555).await;
    issue(&fuel, 4_711).await;
    let long = "W".repeat(128);
    let store = "<b onclick=alert(1)>חנות";
    for (of, points, receipt) in [(&cinema, 800_000_000, long.as_str()), (&fuel, 30_000, "0815"), (&grocer, 77, "1")] {
        let origin = Origin::till(store, "3").receipt(receipt).business_date("2026-01-01");
        of.redeem(Redeem::from("card", "1").points(points).origin(origin)).await.unwrap().accepted().unwrap();
    }
    house.json(&["window", "close", "--yes"]);
    house.json(&["settlement", "confirm", "1", "--yes"]);
    house.json(&["settlement", "export", "1"]);
    let orders = house.json(&["settlement", "orders", "1"]);
    let payer = orders["orders"].as_array().unwrap().iter().find(|order| order["payee"] == "hub").unwrap();
    let payer = payer["payer"].as_str().unwrap();
    house.json(&["settlement", "pay", "1", payer, "--reference", "<i>RF18</i> 5390", "--yes"]);
    server
}

fn house(desk: &Desk) -> Asking<'_> {
    desk.asking(&["--config", "sandbox/clearing.toml"])
}

/// The window's report, each brand's statement in it, and the demo's report: all that this program writes as HTML.
fn write_all(desk: &Desk) -> Vec<(&'static str, PathBuf)> {
    let house = house(desk);
    house.json(&["report", "html", "--window", "1", "--lines", "1000", "--out", "report.html"]);
    house.json(&["report", "html", "--out", "open.html"]);
    house.json(&["statement", "grocer", "--window", "1", "--format", "html", "--out", "statement.html"]);
    desk.json(&["demo", "--customers", "40", "--purchases", "300", "--report", "demo.html"]);
    ["report", "open", "statement", "demo"].map(|name| (name, desk.path(&format!("{name}.html")))).to_vec()
}

/// Where pictures are kept.
fn pictures() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("paper");
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// What is wrong with the page that is shown.
fn measure(browser: &mut Browser) -> Vec<String> {
    let found = browser.find(include_str!("paper/measure.js"));
    found.as_array().unwrap().iter().map(|fault| fault.as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn paper_is_read_on_a_telephone_and_a_desk_in_light_and_dark_and_printed() {
    let desk = Desk::new();
    let server = trade(&desk).await;
    let (files, folder) = (write_all(&desk), pictures());
    let mut browser = Browser::new();
    let mut faults = Vec::new();
    for (name, file) in &files {
        browser.open(file);
        for (width, dark) in WIDTHS.into_iter().flat_map(|width| [(width, false), (width, true)]) {
            browser.look(width, dark);
            let scheme = if dark { "dark" } else { "light" };
            faults.extend(measure(&mut browser).into_iter().map(|fault| format!("{name}, {width}, {scheme}: {fault}")));
            browser.picture(&folder.join(format!("{name}-{width}-{scheme}.png")), 6_000);
        }
        assert_eq!(browser.find("[window.hostile, document.scripts.length, document.images.length].join()"), ",0,0");
        assert_eq!(browser.find("document.styleSheets.length"), 1, "{name}: a name ended the style sheet");
        // It is dark on the screen now, and must be white on paper.
        let pdf = folder.join(format!("{name}.pdf"));
        browser.print(&pdf);
        faults.extend(printed(&pdf).into_iter().map(|fault| format!("{name}, printed: {fault}")));
    }
    let kept = folder.display();
    assert!(faults.is_empty(), "{} faults; the pictures are in {kept}:\n{}", faults.len(), faults.join("\n"));
    browser.close();
    assert_eq!(server.stop("-TERM").0, Some(0));
    house(&desk).json(&["audit"]);
}

/// A measure that finds nothing wherever it looks is none: each fault is planted, and found.
#[test]
fn what_is_clipped_or_hardly_read_is_found() {
    let desk = Desk::new();
    desk.json(&["demo", "--customers", "4", "--purchases", "20", "--report", "demo.html"]);
    let mut browser = Browser::new();
    let amount = "document.querySelector('td.n')";
    let faults = [
        (
            "wide",
            format!("{amount}.style.cssText = 'display: block; width: 120vw; max-width: none'"),
            "wide, the screen",
        ),
        (
            "clipped",
            format!("{amount}.style.cssText = 'display: block; width: 2px; overflow: hidden'"),
            "what is in it",
        ),
        ("left", format!("{amount}.style.cssText = 'position: relative; left: -200vw'"), "ends at"),
        ("out", format!("{amount}.firstChild.style.cssText = 'position: relative; left: 50px'"), "has a text from"),
        ("pale", format!("{amount}.style.color = 'rgb(128 128 128 / 0.5)'"), "has a contrast of"),
        ("label", "document.querySelector('svg text').textContent = 'W'.repeat(80)".to_owned(), "leaves its picture"),
    ];
    for (width, dark) in [(390, true), (1280, false)] {
        for (name, plant, said) in &faults {
            browser.open(&desk.path("demo.html"));
            browser.look(width, dark);
            assert_eq!(measure(&mut browser), Vec::<String>::new(), "before anything is planted");
            browser.find(&format!("{plant}; 0"));
            let found = measure(&mut browser);
            assert!(found.iter().any(|fault| fault.contains(said)), "{name} at {width}: {found:?}");
        }
    }
    browser.close();
}

/// What is wrong with a file as it is printed: every page has the head of its part and its number, no heading is the last of a
/// page, and paper is white.
fn printed(pdf: &Path) -> Vec<String> {
    let run = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output();
        let output = output.unwrap_or_else(|error| panic!("{program}: {error}: `./check test` brings poppler-utils"));
        assert!(output.status.success(), "{program}: {}", text(&output.stderr));
        output.stdout
    };
    let mut faults = Vec::new();
    let file = pdf.to_str().expect("a path of text");
    let all = text(&run("pdftotext", &["-layout", file, "-"]));
    let pages: Vec<&str> = all.trim_end_matches('\u{c}').split('\u{c}').collect();
    for (at, page) in pages.iter().enumerate() {
        let lines: Vec<&str> = page.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let number = format!("{}/{}", at + 1, pages.len());
        let (head, foot) = (lines.first().copied().unwrap_or_default(), lines.last().copied().unwrap_or_default());
        let of_part = ["Coalition ", "A day of a coalition, "].iter().any(|head_of| head.starts_with(head_of));
        if !of_part {
            faults.push(format!("page {number} has no head but {head:?}"));
        }
        if foot.replace(' ', "") != number {
            faults.push(format!("page {number} ends with {foot:?}"));
        }
        let last = lines.iter().rev().nth(1).copied().unwrap_or_default();
        if HEADINGS.iter().any(|heading| last.starts_with(heading)) {
            faults.push(format!("page {number} ends with the heading {last:?}"));
        }
    }
    // A grey picture: "P5", width, height and depth, then a byte for each dot.
    let picture = run("pdftoppm", &["-gray", "-r", "20", "-f", "1", "-l", "1", file]);
    let header: usize = picture.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(2).unwrap().0;
    let dots = &picture[header + 1..];
    let white = dots.iter().filter(|dot| **dot > 250).count();
    if white * 2 < dots.len() {
        faults.push(format!("only {white} of {} dots of the first page are white", dots.len()));
    }
    faults
}

/// What must not stand alone at the end of a page.
const HEADINGS: [&str; 9] = [
    "Obligations, before netting",
    "By what happened",
    "Line by line",
    "Payment orders",
    "Payments that were recorded",
    "Who owes whom",
    "What each pays or gets",
    "STATEMENT",
    "The brands",
];

/// Each statement is on pages of its own, and says on each whose it is and of which window.
#[tokio::test(flavor = "multi_thread")]
async fn each_page_of_a_printed_statement_says_whose_it_is() {
    let desk = Desk::new();
    let server = trade(&desk).await;
    house(&desk).json(&["report", "html", "--window", "1", "--lines", "1000", "--out", "report.html"]);
    let mut browser = Browser::new();
    browser.open(&desk.path("report.html"));
    browser.print(&desk.path("report.pdf"));
    browser.close();
    let output =
        Command::new("pdftotext").args(["-layout", "report.pdf", "-"]).current_dir(desk.path("")).output().unwrap();
    let all = text(&output.stdout);
    let pages: Vec<&str> = all.trim_end_matches('\u{c}').split('\u{c}').collect();
    let squeezed = |page: &str| page.chars().filter(|letter| !letter.is_whitespace()).collect::<String>();
    let mut pages_of = BTreeMap::new();
    for page in &pages {
        let head: String = squeezed(page).chars().take(300).collect();
        assert!(head.starts_with("Coalitionsandbox,amountsinRUB-"), "{head}");
        assert!(head.contains("From2026-01-01"), "{head}");
        // Behind a name that is written from right to left the parentheses of the id stand elsewhere in the text of the page.
        let of = |id: &&str| head.contains(&format!("{id})-Window")) || head.contains(&format!("-Statementof{id}-"));
        let whose = ["grocer", "cards", "fuel", CINEMA, "operator", "idle"].into_iter().find(of);
        let whose = whose.unwrap_or("settlement");
        assert!(head.contains(if whose == "settlement" { "-Settlementofwindow1-" } else { "-Window1" }), "{head}");
        *pages_of.entry(whose).or_insert(0) += 1;
    }
    let told: Vec<&str> = pages_of.keys().copied().collect();
    assert_eq!(told, ["cards", CINEMA, "fuel", "grocer", "operator", "settlement"], "idle has none");
    assert!(pages_of["grocer"] > 1, "{pages_of:?}: its lines need more than a page");
    assert_eq!(server.stop("-TERM").0, Some(0));
    house(&desk).json(&["audit"]);
}

/// The paper, the screen and the spreadsheet say the same of the same.
#[tokio::test(flavor = "multi_thread")]
async fn html_says_what_the_screen_and_the_spreadsheet_say() {
    let desk = Desk::new();
    let server = trade(&desk).await;
    let house = house(&desk);
    let mut browser = Browser::new();
    for partner in ["grocer", "cards", CINEMA, "operator"] {
        let statement = ["statement", partner, "--window", "1", "--lines", "1000"];
        let told = house.table(&[&statement[..], &["--wide"]].concat());
        let file = desk.path(&format!("{partner}.html"));
        let format = ["--format", "html", "--out", file.to_str().unwrap()];
        house.table(&[&statement[..], &format].concat());
        browser.open(&file);
        browser.look(1280, false);
        let cells = browser.find("[...document.querySelectorAll('td, th[scope=row], h3, .verdict')].flatMap(of => [...of.querySelectorAll('small')].map(small => small.remove()) && of.innerText.trim()).filter(text => text)");
        let said: BTreeSet<&str> = told.split(['│', '┆', '\n']).map(str::trim).collect();
        let cells: Vec<&str> = cells.as_array().unwrap().iter().map(|cell| cell.as_str().unwrap()).collect();
        assert!(cells.len() > 20, "{cells:?}");
        for cell in cells {
            let on_screen = said.contains(cell) || said.contains(&*format!("{cell}:"));
            assert!(on_screen, "{partner}: {cell:?} is not among {said:?}");
        }
        // What a spreadsheet sums up is what the last row says.
        let sheet = house.table(&["statement", partner, "--window", "1", "--format", "csv", "--lines", "0"]);
        let mut rows = csv::Reader::from_reader(sheet.as_bytes());
        let amount = rows.headers().unwrap().iter().position(|name| name == "amount").unwrap();
        let row = rows.records().map(Result::unwrap).find(|row| &row[0] == "result").unwrap();
        let result: Decimal = row[amount].parse().unwrap();
        let shown = browser.find("document.querySelector('tr.sum').innerText.replaceAll(',', '')");
        assert!(shown.as_str().unwrap().contains(&result.abs().to_string()), "{partner}: {result} and {shown}");
    }
    browser.close();
    assert_eq!(server.stop("-TERM").0, Some(0));
    house.json(&["audit"]);
}

/// The picture that the README shows: `clearing report html` of the demo's day.
#[test]
fn the_day_of_the_demo_is_reported_by_a_house_that_goes_on_with_it() {
    let desk = Desk::new();
    let demo = desk.json(&["demo", "--keep", "day"]);
    let server = desk.serve(&["serve", "--config", "day/clearing.toml", "--listen", "127.0.0.1:0"]);
    let house = desk.asking(&["--config", "day/clearing.toml", "--endpoint", &server.endpoint]);
    house.json(&["report", "html", "--window", "1", "--out", "report.html"]);
    let mut browser = Browser::new();
    browser.open(&desk.path("report.html"));
    browser.look(1200, false);
    assert_eq!(measure(&mut browser), Vec::<String>::new());
    let figures = &demo["figures"];
    let told = browser.find("document.querySelector('article').innerText.replaceAll(',', '')");
    for figure in
        [&figures["netting"]["gross"], &figures["netting"]["netted_total"], &figures["netting"]["pairwise_total"]]
    {
        let figure: Decimal = figure.as_str().unwrap().parse().unwrap();
        assert!(told.as_str().unwrap().contains(&figure.normalize().to_string()), "{figure} is not in {told}");
    }
    let statements = browser.find("document.querySelectorAll('article').length - 1");
    assert_eq!(statements, figures["statements"].as_array().unwrap().len());
    let height = browser.find("Math.round(document.querySelector('article').getBoundingClientRect().bottom) + 24");
    browser.picture(&pictures().join("report.png"), u32::try_from(height.as_u64().unwrap()).unwrap());
    browser.close();
    assert_eq!(server.stop("-TERM").0, Some(0));
}

/// A brand makes its own statement with its own certificate, and learns nothing of others'.
#[tokio::test(flavor = "multi_thread")]
async fn a_brand_writes_its_own_statement() {
    let desk = Desk::new();
    let server = trade(&desk).await;
    let brand = desk.asking(&[
        "--endpoint",
        &server.endpoint,
        "--set",
        "client.ca=sandbox/ca.pem",
        "--set",
        "client.cert=sandbox/fuel.pem",
        "--set",
        "client.key=sandbox/fuel.key",
    ]);
    let own = brand.table(&["statement", "fuel", "--window", "1", "--format", "html"]);
    let operators = house(&desk).table(&["statement", "fuel", "--window", "1", "--format", "html"]);
    assert_eq!(own, operators);
    assert_eq!(brand.failure(&["report", "html", "--window", "1", "--out", "report.html"]).0, 1);
    assert!(!desk.path("report.html").exists(), "what fails leaves no file behind");
    assert_eq!(server.stop("-TERM").0, Some(0));
    house(&desk).json(&["audit"]);
}

/// A file that is there stays unless somebody says otherwise, and until the new one is whole.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_a_report_is_overwritten_only_where_it_was_said() {
    let desk = Desk::new();
    let server = desk.sandbox("sandbox", &[]);
    let house = house(&desk);
    for command in [&["report", "html"][..], &["statement", "grocer"], &["statement", "grocer", "--format", "csv"]] {
        fs::write(desk.path("paper"), "mine").unwrap();
        let to = |more: &[&'static str]| [command, &["--out", "paper"], more].concat();
        let (code, error) = house.failure(&to(&[]));
        assert_eq!(code, 2, "{error}");
        assert!(error["hint"].as_str().unwrap().contains("--force"), "{error}");
        // A window that is not there is found out after the file was named.
        assert_eq!(house.failure(&to(&["--force", "--window", "9"])).0, 1);
        assert_eq!(fs::read_to_string(desk.path("paper")).unwrap(), "mine");
        let told: Value = house.json(&to(&["--force"]));
        assert_eq!(told["file"], "paper");
        assert_ne!(fs::read_to_string(desk.path("paper")).unwrap(), "mine");
        assert_eq!(house.failure(&[command, &["--out", "/dev/null", "--force"]].concat()).0, 2, "that is no file");
    }
    let left = fs::read_dir(desk.path("")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(left.filter(|name| name.starts_with(".clearing")).collect::<Vec<_>>(), Vec::<String>::new());
    assert_eq!(server.stop("-TERM").0, Some(0));
    house.json(&["audit"]);
}

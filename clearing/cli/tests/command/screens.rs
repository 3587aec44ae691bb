//! What the commands show fits a screen, and has times that people can read: a law over every command that lists anything.

use std::fs;

use clearing_certs::{Authority, Kind, Validity};
use partner_sdk::{Issue, Redeem};
use serde_json::Value;

use crate::desk::{Asking, Desk, client};

/// Partners with the longest ids that there are.
const LONG: [&str; 2] = ["NORTHERN-GROCERIES-AND-BAKERIES", "FUEL-AND-HEATING-OIL-OF-THE-BAY"];
const NAME: &str =
    "The Most Excellent Grocery of the Northern Shore and All Its Branches, Sons, Daughters and Heirs Ltd";

/// Commands that list nothing, that can be done once, or whose figures are those of a machine.
const WITHOUT: [&str; 38] = [
    "audit",
    "bank bounced",
    "bank unapply",
    "settlement release",
    "settlement repay",
    "authority encrypt",
    "authority renew",
    "authority replace",
    "certificate crl",
    "certificate renew",
    "certificate revoke",
    "certificate server",
    "certificate show",
    "certificate withdraw",
    "approvals approve",
    "approvals refuse",
    "approvals withdraw",
    "completions",
    "config check",
    "demo",
    "fund withdraw",
    "init",
    "member decay",
    "member extend-expiry",
    "member reinstate",
    "member unfreeze",
    "member write-off-debt",
    "migrate",
    "partner authority",
    "partner certificate",
    "partner consent",
    "partner rename",
    "partner state",
    "person alone",
    "person recover",
    "report html",
    "serve",
    "settlement abort",
];

/// What is asked of a house of long names and large amounts, in an order in which it can be done: with a table each.
fn asked() -> Vec<Vec<&'static str>> {
    let [grocer, fuel] = LONG;
    let lines = [
        "partner create NEW-PARTNER-WITH-A-VERY-LONG-ID --net-debit-cap 9000000000000.00".to_owned(),
        format!("partner terms {grocer} --expiry FIXED~2090-01-01 --from 2080-01-01"),
        "partner list".to_owned(),
        format!("partner invite {grocer}"),
        "certificate invites".to_owned(),
        "certificate list".to_owned(),
        format!("partner lock {grocer} --dry-run"),
        format!("partner terms {grocer}"),
        format!("partner limits {grocer}"),
        "partner consents".to_owned(),
        format!(
            "partner legal {grocer} --name {} --town {} --country DE --tax-id X_REGISTER={}",
            "N".repeat(140),
            "T".repeat(35),
            "7".repeat(64)
        ),
        format!("partner legal {grocer}"),
        format!("partner group {grocer} {fuel}"),
        format!("partner account {grocer} --iban MT84MALT011000012345MTLCAST001S --holder {}", "H".repeat(140)),
        format!("partner account {grocer}"),
        format!("partner show {grocer}"),
        "calendar set 0~0~*~*~* --time-zone America/Argentina/ComodRivadavia".to_owned(),
        "calendar show".to_owned(),
        "settlement preview".to_owned(),
        "report netting".to_owned(),
        "report trial-balance".to_owned(),
        "report trial-balance --members".to_owned(),
        "report notices".to_owned(),
        format!("statement {grocer}"),
        format!("statement {fuel}"),
        "fund deposit reserve 2000000000000.00".to_owned(),
        "window close --yes".to_owned(),
        "settlement confirm 1 --dry-run".to_owned(),
        "settlement confirm 1 --yes".to_owned(),
        "settlement export 1 --mode pairwise --dry-run".to_owned(),
        "settlement export 1".to_owned(),
        format!("partner account operator --iban DE89370400440532013000 --holder {}", "H".repeat(140)),
        "settlement export 1 --format csv --folder a-folder-with-a-very-long-name-for-files".to_owned(),
        "bank show bank.csv --column booking-date=Day --column amount=Sum --column other-name=Name".to_owned(),
        "bank import bank.csv --column booking-date=Day --column amount=Sum --column other-name=Name --yes".to_owned(),
        "settlement orders 1".to_owned(),
        "settlement pay 1 --all --dry-run".to_owned(),
        format!("settlement pay 1 {grocer} --reference {} --value-date 2026-01-02 --yes", "R".repeat(140)),
        "settlement orders 1".to_owned(),
        "settlement preview 1".to_owned(),
        format!("settlement cover 1 {fuel} --dry-run"),
        format!("bank receive {grocer} 100000000000.00 --reference {} --booked 2026-01-02", "R".repeat(35)),
        format!("bank apply {grocer} 1.00 --to advance"),
        format!("bank return {grocer} 1.00"),
        "bank open".to_owned(),
        format!("bank paid {grocer} 1.00"),
        format!("bank fee settlement 1.00 --reference {}", "F".repeat(35)),
        format!("bank transfer settlement reserve 1.00 --reference {}", "T".repeat(35)),
        format!("adjust {grocer} {fuel} 100000000000.00 --reason {}", "r".repeat(64)),
        format!("partner charge {grocer} 100000000000.00 --reason {}", "r".repeat(64)),
        format!("partner charges {grocer} --charge {}=900000000000.00/quarter@2027-01-31..2030-01-31", "r".repeat(64)),
        format!("partner charges {grocer}"),
        format!(
            "partner cover {grocer} --guarantee {}=900000000000.00@2027-01-01 --unsecured 900000000000.00",
            "G".repeat(35)
        ),
        format!("partner cover {grocer}"),
        "report cover".to_owned(),
        "report netting 1".to_owned(),
        "window close --yes".to_owned(),
        "settlement confirm --empty --dry-run".to_owned(),
        "window list".to_owned(),
        format!("statement {grocer} --window 1"),
        format!("explain 1 {grocer}"),
        "explain 1 operator".to_owned(),
        "report journal".to_owned(),
        "entry find --kind redeem".to_owned(),
        "log".to_owned(),
        "member list".to_owned(),
        "member balance card:1".to_owned(),
        "member freeze card:1 --reason R --until 2026-03-01".to_owned(),
        "member balance card:1".to_owned(),
        // From here on two persons are needed.
        format!("person add {PERSON} --roles clerk,approver,support,auditor --certificate by-hand.pem --yes"),
        "person list".to_owned(),
        format!("person roles {PERSON} --roles approver"),
        "approvals list".to_owned(),
        "approvals show PROPOSAL".to_owned(),
        format!("partner limits {grocer} --points-per-entry 900000000000000"),
        "approvals list".to_owned(),
        "log".to_owned(),
    ];
    let words = |line: String| line.split(' ').map(|word| &*word.replace('~', " ").leak()).collect();
    lines.into_iter().map(words).collect()
}

/// A person of the operator with a name as long as one may be.
const PERSON: &str = "a-person-with-a-very-long-name1";

/// A certificate of that person, of whatever authority: the house takes the word of who names it.
fn by_hand() -> String {
    let now = clearing::clock::Clock::system().now().to_jiff();
    let hour = jiff::SignedDuration::from_hours(1);
    let valid = Validity { not_before: now - hour, not_after: now + hour };
    let authority = Authority::generate("points.example", valid).unwrap();
    authority.issue_client(Kind::Operator, PERSON, valid).unwrap().0.cert_pem
}

/// What was proposed last.
fn proposal(house: &Asking<'_>) -> String {
    let waiting = house.json(&["approvals", "list"]);
    waiting["proposals"][0]["proposal_id"].as_str().unwrap().to_owned()
}

/// The lines of a page that are drawn.
fn drawn(page: &str) -> impl Iterator<Item = &str> {
    page.lines().filter(|line| line.starts_with(['┌', '│', '├', '╞', '└', '-']))
}

/// Every time of a text, by whatever form it has.
fn times(text: &str) -> Vec<String> {
    let digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    let bytes = text.as_bytes();
    let is_date = |at: usize| {
        !digit(at.checked_sub(1).and_then(|before| bytes.get(before)))
            && (0..10).all(|place| {
                if [4, 7].contains(&place) {
                    bytes.get(at + place) == Some(&b'-')
                } else {
                    digit(bytes.get(at + place))
                }
            })
    };
    let at_time =
        |at: &usize| is_date(*at) && matches!(bytes.get(at + 10), Some(b' ' | b'T')) && digit(bytes.get(at + 11));
    let end =
        |at: usize| (at + 11..bytes.len()).find(|end| !(digit(bytes.get(*end)) || b":.Z+".contains(&bytes[*end])));
    let found = (0..bytes.len()).filter(at_time);
    found.map(|at| text[at..end(at).unwrap_or(bytes.len())].trim_end_matches('.').to_owned()).collect()
}

fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| texts(value, found)),
        Value::Object(fields) => fields.values().for_each(|value| texts(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_command_lists_fits_a_screen_and_has_times_of_the_coalition_for_people_and_of_utc_for_programs() {
    let desk = Desk::new();
    let [grocer, fuel] = LONG;
    let file = format!(
        "[coalition]\ncurrency = \"RUB\"\nscale = 6\npoint_value = \"1.000000\"\ntime_zone = \"Asia/Kolkata\"\n\
         [[partner]]\nid = \"{grocer}\"\n[[partner]]\nid = \"{fuel}\"\n"
    );
    fs::write(desk.path("long.toml"), file).unwrap();
    fs::write(desk.path("by-hand.pem"), by_hand()).unwrap();
    fs::write(
        desk.path("bank.csv"),
        format!("Day,Sum,Name\n2026-01-01,9000000000000.00,\"{}\"\n", NAME.replace('"', "\"\"")),
    )
    .unwrap();
    let place = ["--listen", "127.0.0.1:0", "--coalition", "long.toml", "--start", "2026-01-01T12:00"];
    let server = desk.serve(&[&["sandbox"], &place[..]].concat());
    let house = desk.asking(&["--config", "sandbox/clearing.toml"]);
    for partner in LONG {
        house.json(&["partner", "rename", partner, NAME]);
    }
    house.json(&["partner", "consent", grocer, fuel, "--budget", "900000000000000000"]);
    house.json(&["partner", "limits", grocer, "--points-per-day", "900000000000000"]);
    let issuer = client(&server.endpoint, &desk.path("sandbox"), grocer).await;
    let acceptor = client(&server.endpoint, &desk.path("sandbox"), fuel).await;
    // At half past five in the morning of 31 January UTC it is eleven in Kolkata.
    let end = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_769_837_400);
    for _ in 0..3 {
        let issue = Issue::to("card", "1").points(17_000_000).expires(end);
        issuer.issue(issue).await.unwrap().accepted().unwrap();
        issuer.issue(Issue::to("card", "1").points(7)).await.unwrap().accepted().unwrap();
        acceptor.redeem(Redeem::from("card", "1").points(16_999_000)).await.unwrap().accepted().unwrap();
    }
    let (mut seen, mut with_times) = (Vec::new(), 0);
    let entry =
        house.json(&["entry", "find", "--kind", "redeem"])["entries"][0]["entry_id"].as_str().unwrap().to_owned();
    let entry = vec!["entry", "show", &*entry.leak()];
    for line in asked().into_iter().chain([entry]) {
        let named =
            line.iter().take_while(|word| word.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-'));
        seen.push(named.copied().collect::<Vec<_>>().join(" "));
        // What can be done once is done for the screen.
        let once = line.contains(&"--yes")
            || ["create", "set", "deposit", "add", "roles"].iter().any(|verb| line.contains(verb));
        let once = once || line.contains(&"--points-per-entry") || line.contains(&"--iban");
        let line: Vec<&str> = line
            .into_iter()
            .map(|word| if word == "PROPOSAL" { proposal(&house) } else { word.to_owned() })
            .map(|word| &*word.leak())
            .collect();
        let page = house.screen(&line);
        let lines: Vec<&str> = drawn(&page).collect();
        let widest = lines.iter().map(|line| line.chars().count()).max().unwrap_or_default();
        assert!(widest <= 80, "{line:?} is {widest} columns wide:\n{page}");
        assert!(!page.contains("-0.0"), "{line:?}:\n{page}");
        if once {
            continue;
        }
        let wide = house.table(&line);
        let told = times(&wide);
        with_times += usize::from(!told.is_empty());
        for time in told {
            let form = "0000-00-00 00:00:00";
            let same = time.len() == form.len()
                && time
                    .bytes()
                    .zip(form.bytes())
                    .all(|(byte, like)| if like == b'0' { byte.is_ascii_digit() } else { byte == like });
            assert!(same, "{line:?} tells {time:?}:\n{wide}");
            let here = wide.contains("Asia/Kolkata") || wide.contains("America/Argentina");
            assert!(here, "{line:?} does not say of where its times are:\n{wide}");
        }
        let mut told = Vec::new();
        texts(&house.json(&line), &mut told);
        let sentences = ["would", "csv"];
        let json = house.json(&line);
        let told = told.into_iter().filter(|text| sentences.iter().all(|name| json[*name].as_str() != Some(text)));
        for time in told.flat_map(|text| times(&text)) {
            assert!(time.contains('T') && time.ends_with('Z'), "{line:?} tells programs {time:?}: {json}");
        }
    }
    assert!(with_times >= 12, "{with_times} commands tell times");
    let listing = ["sandbox", "sandbox advance", "settlement pay", "window close"];
    // The authorities lie on a disk, and no house is asked for them.
    desk.json(&["init", "--domain", &"long-".repeat(12), "--dir", "coalition"]);
    let page = desk.screen(&["authority", "show", "--config", "coalition/clearing.toml"]);
    assert!(drawn(&page).count() > 2 && drawn(&page).all(|line| line.chars().count() <= 80), "{page}");
    seen.push("authority show".to_owned());
    let untried: Vec<String> = commands(&desk)
        .into_iter()
        .filter(|name| !seen.iter().any(|seen| seen.starts_with(name.as_str())))
        .filter(|name| !WITHOUT.contains(&name.as_str()) && !listing.contains(&name.as_str()))
        .collect();
    assert!(untried.is_empty(), "nobody has looked at what {untried:?} show");

    // A clock that is moved tells it as everything else does.
    let page = desk.screen(&["sandbox", "advance", "40d"]);
    assert!(
        page.contains("It is 2026-02-10 12:00:00 now; it was 2026-01-01 12:00:00. Times are those of Asia/Kolkata."),
        "{page}"
    );
    assert!(drawn(&page).all(|line| line.chars().count() <= 80), "{page}");
    drop((issuer, acceptor));
    assert_eq!(server.stop("-TERM").0, Some(0));
    house.json(&["audit"]);
}

/// Every command that can be run, by its words, as `--help` names them.
fn commands(desk: &Desk) -> Vec<String> {
    let mut found = Vec::new();
    let mut left = vec![Vec::<String>::new()];
    while let Some(words) = left.pop() {
        let of: Vec<&str> = words.iter().map(String::as_str).chain(["--help"]).collect();
        let help = desk.table(&of);
        let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
        let names = listed.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
        let names: Vec<&str> =
            names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").collect();
        if names.is_empty() {
            found.push(words.join(" "));
        }
        left.extend(names.iter().map(|name| words.iter().cloned().chain([(*name).to_owned()]).collect()));
    }
    found
}

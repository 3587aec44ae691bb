//! Windows that wait to be confirmed, and the calendar that closes them, as the operator's desk shows them.

use std::fs;

use partner_sdk::{Issue, Redeem};

use crate::desk::{Desk, client, text};

/// A sandbox in Moscow, whose clock stands at noon of the 1st of January there.
const COALITION: &str = "[coalition]\ncurrency = \"RUB\"\nscale = 2\npoint_value = \"1.00\"\ntime_zone = \"Europe/Moscow\"\n\
                         [[partner]]\nid = \"GROCER\"\n[[partner]]\nid = \"FUEL\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn closed_windows_that_nobody_confirms_are_listed_told_of_and_confirmed_at_once_if_they_are_empty() {
    let desk = Desk::new();
    fs::write(desk.path("moscow.toml"), COALITION).unwrap();
    let place = ["--listen", "127.0.0.1:0", "--coalition", "moscow.toml", "--start", "2026-01-01T12:00"];
    let mut server = desk.serve(&[&["sandbox"], &place[..]].concat());
    let house = desk.asking(&["--config", "sandbox/clearing.toml"]);
    let grocer = client(&server.endpoint, &desk.path("sandbox"), "GROCER").await;
    let fuel = client(&server.endpoint, &desk.path("sandbox"), "FUEL").await;
    assert!(!house.table(&["window", "list"]).contains("To be confirmed"));
    let nothing = house.json(&["settlement", "confirm", "--empty", "--yes"]);
    assert_eq!(nothing["windows"].as_array().map(Vec::len), Some(0));

    // Window 1 has nothing, 2 has legs, 3 and 4 have nothing again.
    house.json(&["window", "close", "--yes"]);
    grocer.issue(Issue::to("card", "1").points(100)).await.unwrap().accepted().unwrap();
    fuel.redeem(Redeem::from("card", "1").points(60)).await.unwrap().accepted().unwrap();
    for _ in 0..3 {
        house.json(&["window", "close", "--yes"]);
    }
    desk.json(&["sandbox", "advance", "1d3h"]);
    let line = server.logs("closed windows wait to be confirmed");
    assert!(line.contains("1, 2, 3, 4") && line.contains("1, 3, 4"), "{line}");

    // All of them are listed, however few windows are asked for.
    for limit in ["1", "20"] {
        let listed = house.json(&["window", "list", "--limit", limit]);
        assert_eq!(listed["unconfirmed"], serde_json::json!([4, 3, 2, 1]));
        let of = |number: i64| {
            let windows = listed["windows"].as_array().unwrap();
            windows.iter().find(|window| window["window"] == number).unwrap().clone()
        };
        assert_eq!((of(2)["leg_count"].as_i64(), of(1)["leg_count"].as_i64()), (Some(2), Some(0)));
        assert_eq!((of(5)["leg_count"].as_i64(), of(5)["unconfirmed_seconds"].as_i64()), (None, None));
        assert_eq!(of(1)["unconfirmed_seconds"], 27 * 3600);
        assert_eq!(of(1)["close_time"], "2026-01-01T09:00:00Z");
        let page = house.screen(&["window", "list", "--limit", limit]);
        for told in [
            "│ PROPOSED",
            "┆ 2026-01-01 12:00:00 ┆",
            "┆ 1 d 3 h",
            "Window 5 is open since 2026-01-01 12:00:00 Europe/Moscow.",
            "To be confirmed: 1, 2, 3, 4, the first since 2026-01-01 12:00:00 Europe/Moscow.",
            "confirms the 3 without legs",
        ] {
            let told = told.replace('│', "┆");
            assert!(page.contains(&told), "{told}: {page}");
        }
    }

    // It shows what it will do, asks, and does that and no more.
    let (code, refused) = house.failure(&["settlement", "confirm", "--empty"]);
    assert!(code == 2 && refused["hint"].as_str().unwrap().contains("--yes"), "{refused}");
    let shown = house.json(&["settlement", "confirm", "--empty", "--dry-run"]);
    assert_eq!(shown["plan"], serde_json::json!({ "windows": [1, 3, 4], "with_legs": 1 }));
    assert!(house.table(&["settlement", "confirm", "--empty", "--dry-run"]).contains("settles them for good"));
    assert_eq!(house.json(&["window", "list"])["unconfirmed"], serde_json::json!([4, 3, 2, 1]));
    for both in [&["1", "--empty"][..], &[], &["--empty", "--request-id", "0197f2a4-6d3e-7c11-9c55-0242ac120002"]] {
        let output = desk.run(&[&["settlement", "confirm"], both].concat());
        assert_eq!(output.status.code(), Some(2), "{both:?}: {}", text(&output.stderr));
    }
    let done = house.json(&["settlement", "confirm", "--empty", "--yes"]);
    let confirmed = done["windows"].as_array().unwrap().iter();
    let states: Vec<_> = confirmed.map(|of| (of["window"].as_i64(), of["settlement_state"].as_str())).collect();
    assert_eq!(states, [1, 3, 4].map(|window| (Some(window), Some("SETTLED"))));
    assert_eq!(house.json(&["window", "list"])["unconfirmed"], serde_json::json!([2]));
    let again = house.screen(&["settlement", "confirm", "--empty", "--yes"]);
    assert!(again.contains("No window without legs") && again.contains("1 with legs"), "{again}");
    house.json(&["settlement", "confirm", "2", "--yes"]);
    assert!(!house.table(&["window", "list"]).contains("To be confirmed"));
    drop((grocer, fuel));
    assert_eq!(server.stop("-TERM").0, Some(0));
    house.json(&["audit"]);
}

/// A house that was down when a window closed once said nothing of it until somebody looked.
#[test]
fn a_house_that_starts_tells_of_every_window_that_waits_to_be_confirmed() {
    let desk = Desk::new();
    desk.json(&["init", "--domain", "points.example", "--listen", "127.0.0.1:0"]);
    let config = ["--config", "coalition/clearing.toml"];
    let server = desk.serve(&[&["serve"], &config[..]].concat());
    let asked = [&config[..], &["--endpoint", &server.endpoint]].concat();
    desk.json(&[&["window", "close", "--yes"], &asked[..]].concat());
    assert_eq!(server.stop("-TERM").0, Some(0));
    let mut server = desk.serve(&[&["serve"], &config[..]].concat());
    let line = server.logs("closed windows wait to be confirmed");
    assert!(line.contains("WARN") && line.contains("clearing settlement confirm"), "{line}");
    assert_eq!(server.stop("-TERM").0, Some(0));
    desk.json(&[&["audit"], &config[..]].concat());
}

#[test]
fn a_calendar_is_shown_as_it_was_given_with_its_times_on_the_walls_of_its_zone_and_of_the_coalitions() {
    let desk = Desk::new();
    fs::write(desk.path("moscow.toml"), COALITION).unwrap();
    let place = ["--listen", "127.0.0.1:0", "--coalition", "moscow.toml", "--start", "2026-01-01"];
    let server = desk.serve(&[&["sandbox"], &place[..]].concat());
    let house = desk.asking(&["--config", "sandbox/clearing.toml"]);
    assert!(house.table(&["calendar", "show"]).contains("closed by hand"));
    for (zone, flags) in [("Europe/Moscow", &[][..]), ("Asia/Tokyo", &["--time-zone", "Asia/Tokyo"])] {
        let given = ["calendar", "set", "30 23 * * FRI", "0 12  L * *"];
        let set = house.json(&[&given, flags].concat());
        let shown = house.json(&["calendar", "show"]);
        for calendar in [&set["calendar"], &shown["calendar"]] {
            let rows = calendar["cut_offs"].as_array().unwrap().iter().map(|row| &row["cron_expression"]);
            assert_eq!(rows.collect::<Vec<_>>(), ["30 23 * * FRI", "0 12  L * *"]);
            assert_eq!(calendar["time_zone"], zone);
        }
        assert_eq!(shown["cut_offs"], set["cut_offs"]);
        let times: Vec<_> = set["cut_offs"].as_array().unwrap().iter().map(|next| next["close_time"].clone()).collect();
        let listed = house.json(&["window", "list"]);
        assert_eq!(listed["next_close_times"], serde_json::json!(times));
        assert_eq!(listed["calendar_version"], set["calendar"]["version"]);
        let page = house.table(&["calendar", "show"]);
        for told in ["30 23 * * FRI", "0 12  L * *", &format!("in times of {zone}"), "Fri ┆ 2026-01-02 23:30:00"] {
            assert!(page.contains(told), "{told}: {page}");
        }
        assert_eq!(page.contains("┆ next, Asia/Tokyo    ┆ Europe/Moscow"), zone == "Asia/Tokyo", "{page}");
        let listed = house.screen(&["window", "list"]);
        let next = if zone == "Asia/Tokyo" { "2026-01-02 17:30:00" } else { "2026-01-02 23:30:00" };
        assert!(listed.contains(&format!("{zone}) closes it at {next} Europe/Moscow.")), "{listed}");
    }
    let help = desk.table(&["calendar", "set", "--help"]);
    for told in ["Two day fields", "0 12 1 * +FRI", "0 12 L * *", "15W", "FRI#2"] {
        assert!(help.contains(told), "{help}");
    }
    assert_eq!(server.stop("-TERM").0, Some(0));
    house.json(&["audit"]);
}

/// Whoever names a day means the coalition's: it once was refused, and the desk had to know how far its zone is from UTC.
#[tokio::test(flavor = "multi_thread")]
async fn days_and_local_times_are_those_of_the_coalition() {
    let desk = Desk::new();
    fs::write(desk.path("moscow.toml"), COALITION).unwrap();
    let place = ["--listen", "127.0.0.1:0", "--coalition", "moscow.toml", "--start", "2026-01-01"];
    let server = desk.serve(&[&["sandbox"], &place[..]].concat());
    let house = desk.asking(&["--config", "sandbox/clearing.toml"]);
    let grocer = client(&server.endpoint, &desk.path("sandbox"), "GROCER").await;
    assert_eq!(desk.json(&["sandbox", "advance", "2026-01-02"])["from"], "2025-12-31T21:00:00Z");
    let set = |from: &str, fee: &str| {
        house.json(&["partner", "terms", "GROCER", "--from", from, "--fee", fee])["terms"]["effective_time"].clone()
    };
    assert_eq!(set("2026-12-01", "0.01"), "2026-11-30T21:00:00Z");
    assert_eq!(set("2026-12-01T10:00", "0.02"), "2026-12-01T07:00:00Z");
    assert_eq!(set("2026-12-01T10:00:00Z", "0.03"), "2026-12-01T10:00:00Z");
    let terms = house.json(&["partner", "terms", "FUEL", "--expiry", "FIXED 2027-01-01"]);
    assert_eq!(terms["terms"]["expiry"], "FIXED 2026-12-31T21:00:00Z");
    assert!(house.table(&["partner", "terms", "FUEL"]).contains("FIXED 2027-01-01 00:00:00"));
    // From a day on, and up to one: that day is in both.
    let decisions = |flags: &[&str]| {
        let log = house.json(&[&["log", "--kind", "set-terms"], flags].concat());
        log["actions"].as_array().unwrap().len()
    };
    assert_eq!(decisions(&["--since", "2026-01-02", "--until", "2026-01-02"]), 4);
    assert_eq!((decisions(&["--since", "2026-01-03"]), decisions(&["--until", "2026-01-01"])), (0, 0));
    assert_eq!(decisions(&["--until", "2026-01-02T00:00"]), 0);
    grocer.issue(Issue::to("card", "1").points(10)).await.unwrap().accepted().unwrap();
    let frozen = house.json(&["member", "freeze", "card:1", "--reason", "R", "--until", "2026-03-01"]);
    assert_eq!(frozen["freeze_end_time"], "2026-03-01T21:00:00Z", "the day is over then");
    let output = desk.run(&["log", "--since", "yesterday"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("2026-12-01T10:00"), "{}", text(&output.stderr));
    drop(grocer);
    assert_eq!(server.stop("-TERM").0, Some(0));
    house.json(&["audit"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coalition_says_how_many_days_ahead_its_notices_are() {
    let desk = Desk::new();
    fs::write(desk.path("moscow.toml"), COALITION.replace("scale = 2", "scale = 2\nnotice_days = [60, 2]")).unwrap();
    let place = ["--listen", "127.0.0.1:0", "--coalition", "moscow.toml", "--start", "2026-01-01"];
    let server = desk.serve(&[&["sandbox"], &place[..]].concat());
    let house = desk.asking(&["--config", "sandbox/clearing.toml"]);
    let grocer = client(&server.endpoint, &desk.path("sandbox"), "GROCER").await;
    let info = grocer.server_info().await.unwrap();
    assert_eq!(info.notice_days, [60, 2]);
    let end = info.server_time + std::time::Duration::from_secs(60 * 86_400 + 3_600);
    grocer.issue(Issue::to("card", "1").points(10).expires(end)).await.unwrap().accepted().unwrap();
    let told = house.json(&["report", "notices"]);
    assert_eq!(
        (told["notices"][0]["days_ahead"].as_i64(), told["notices"][0]["points"].as_i64()),
        (Some(60), Some(10))
    );
    drop(grocer);
    assert_eq!(server.stop("-TERM").0, Some(0));
    house.json(&["audit"]);

    let made = desk.json(&["init", "--domain", "points.example", "--notice-days", "90, 14"]);
    assert_eq!(made["notice_days"], serde_json::json!([90, 14]));
    for (wrong, told) in [("7,30", "30 follows 7"), ("0", "0 is not between 1 and 366"), ("soon", "write 30,7,1")] {
        let output = desk.run(&["init", "--domain", "points.example", "--dir", "other", "--notice-days", wrong]);
        assert_eq!(output.status.code(), Some(2), "{wrong}");
        assert!(text(&output.stderr).contains(told), "{}", text(&output.stderr));
    }
    fs::write(desk.path("wrong.toml"), COALITION.replace("scale = 2", "scale = 2\nnotice_days = [7, 30]")).unwrap();
    let (code, error) = desk.failure(&["sandbox", "--dir", "wrong", "--coalition", "wrong.toml"]);
    assert!(code == 2 && error["message"].as_str().unwrap().contains("notice_days: 30 follows 7"), "{error}");
}

//! The acceptance scenarios, played on the rules alone.

use clearing::coalition_file::{CoalitionFile, Variant};
use clearing_core::audit;
use clearing_core::facts::coalition::Recovery;
use clearing_core::facts::limits::Limits;
use clearing_core::facts::terms::{ExpiryPolicy, Funding};
use clearing_core::units::{Money, Points, Rate};
use clearing_play::book_stage::BookStage;
use clearing_play::player::play;
use clearing_play::scenario::{Scenario, scenario_dir};

/// Plays a scenario in all its variants.
fn plays(name: &str) -> Result<(), String> {
    let scenario = Scenario::read(name);
    for variant in &scenario.variants {
        let house = scenario.house.to_house(&scenario.id, *variant).map_err(|error| error.to_string())?;
        let mut stage = BookStage::new(house, scenario.house.start().unwrap());
        futures::executor::block_on(play(&scenario, *variant, &mut stage)).map_err(|error| error.to_string())?;
        assert_eq!(audit::check(&stage.book), vec![], "{name}");
    }
    Ok(())
}

#[test]
fn the_scenarios_play_to_the_last_unit() {
    let names = Scenario::names();
    let own = names.iter().filter(|name| name.starts_with("own/")).count();
    assert!(names.len() - own >= 13 && own >= 21, "{names:?}");
    let broken: Vec<String> = names.iter().filter_map(|name| plays(name).err()).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n\n"));
}

/// What this release lacks is an error that says what is missing, never a scenario that passes in part.
#[test]
fn a_scenario_that_needs_more_than_this_release_says_what() {
    let play = |scenario: &Scenario| {
        let variant = scenario.variants[0];
        let house = scenario.house.to_house(&scenario.id, variant).unwrap();
        let mut stage = BookStage::new(house, scenario.house.start().unwrap());
        futures::executor::block_on(play(scenario, variant, &mut stage))
            .expect_err("a step that is not played")
            .to_string()
    };
    for step in ["exchange_in", "set_exchange", "dispute", "exit", "finish_exit"] {
        let scenario = s01_with("do = \"redeem\"", &format!("do = \"{step}\"")).unwrap();
        assert_eq!(play(&scenario), format!("step 3: this release does not play {step}"));
    }
}

/// S01 with one text changed.
fn s01_with(from: &str, to: &str) -> Result<Scenario, String> {
    let file = std::fs::read_to_string(scenario_dir().join("S01.toml")).unwrap();
    assert!(file.contains(from), "S01 no longer says {from:?}");
    Scenario::parse(&file.replacen(from, to, 1)).map_err(|error| error.to_string())
}

fn house_of(scenario: &Scenario) -> Result<(), String> {
    let house = scenario.house.to_house(&scenario.id, scenario.variants[0]);
    house.map(|_| ()).map_err(|error| error.to_string())
}

fn difference(scenario: &Scenario) -> String {
    let variant = scenario.variants[0];
    let house = scenario.house.to_house(&scenario.id, variant).unwrap();
    let mut stage = BookStage::new(house, scenario.house.start().unwrap());
    futures::executor::block_on(play(scenario, variant, &mut stage)).expect_err("a difference").to_string()
}

#[test]
fn a_step_that_differs_is_reported_with_everything_that_differs_in_it() {
    let from = "lots = [[\"b1\", 50], [\"a1\", 70]]\nmoney.AT_REDEMPTION = { \"position:A\" = \"-70.00\", ";
    let to = "lots = [[\"a1\", 100], [\"b1\", 20]]\nmoney.AT_REDEMPTION = { ";
    let report = difference(&s01_with(from, to).unwrap());
    assert_eq!(
        report,
        "S01 AT_REDEMPTION, step 3 (redeem, 2026-03-10T12:00:00Z):\n  \
         money position:A: expected nothing, got -70.00\n  \
         lots: expected [(\"a1\", 100), (\"b1\", 20)], got [(\"b1\", 50), (\"a1\", 70)]"
    );
}

#[test]
fn wrong_legs_orders_rejections_balances_and_windows_are_all_noticed() {
    for (from, to, part) in [
        (
            "legs.AT_REDEMPTION = { \"A\" = \"-10.00\"",
            "legs.AT_REDEMPTION = { \"A\" = \"-10.01\"",
            "legs A: expected -10.01",
        ),
        (
            "legs.AT_REDEMPTION",
            "carried.AT_REDEMPTION = { \"A\" = \"0.01\" }\nlegs.AT_REDEMPTION",
            "carried A: expected 0.01",
        ),
        (
            "legs.AT_REDEMPTION",
            "saved.AT_REDEMPTION = \"0.1\"\nlegs.AT_REDEMPTION",
            "saved: expected 0.1, got Some(0.0000)",
        ),
        ("[\"hub\", \"C\", \"58.80\"]", "[\"A\", \"C\", \"58.80\"]", "orders: expected"),
        (
            "rejected = \"AMOUNT_MISMATCH\"",
            "rejected = \"LEG_NOT_DUE\"",
            "rejected: expected LEG_NOT_DUE, got AMOUNT_MISMATCH",
        ),
        ("windows = [\"SETTLED\", \"OPEN\"]", "windows = [\"SETTLED\"]", "windows: expected"),
        (
            "points = { \"member:M\" = 90, \"issuer:A\" = -90 }",
            "points = {}",
            "points member:M: expected nothing, got 90",
        ),
        (
            "points = { \"member:M\" = 100,",
            "replayed = true\npoints = { \"member:M\" = 100,",
            "replayed: expected true",
        ),
    ] {
        let report = difference(&s01_with(from, to).unwrap());
        assert!(report.contains(part), "{part:?} is not in {report}");
    }
}

#[test]
fn what_this_release_lacks_is_refused_by_the_name_of_its_field_and_partner() {
    let partner = "id = \"A\"\n";
    for (extra, message) in [
        ("exchange_in = \"1/2\"", "partner A: exchange_in: this release does not support 1/2"),
        ("exchange_out = \"1/2\"", "partner A: exchange_out: this release does not support 1/2"),
    ] {
        let scenario = s01_with(partner, &format!("{partner}{extra}\n")).unwrap();
        assert_eq!(house_of(&scenario).expect_err(extra), message);
    }
}

/// A partner's table and a step that sets a limit say the same thing in the same words.
#[test]
fn a_partner_has_the_limits_of_its_table() {
    let extra = "net_debit_cap = \"1000.50\"\noutstanding_points = 9\npoints_per_day = 8\npoints_per_member_per_day = 7\n\
                 points_per_entry = 6\ntransfer_points_per_entry = 5\ntransfer_points_per_member_per_day = 4\n\
                 redeem_points_per_member_per_day = 2\nredeem_foreign_points_per_day = 1\n\
                 cooling_seconds = 3\nreturn_days = 30\ntender_value = \"0.90\"\nreceipt_share = \"0.5\"\n\
                 funding = \"ON_PAYMENT\"\nexpiry = \"INACTIVE_DAYS 90\"\n";
    let scenario = s01_with("id = \"A\"\n", &format!("id = \"A\"\n{extra}")).unwrap();
    let house = scenario.house.to_house("limits", Variant::AtIssue).unwrap();
    let partner = house.partner("A".parse().unwrap()).unwrap();
    let limits = Limits {
        net_debit_cap: Some(Money(100_050)),
        outstanding_points: Some(Points(9)),
        points_per_day: Some(Points(8)),
        points_per_member_per_day: Some(Points(7)),
        points_per_entry: Some(Points(6)),
        transfer_points_per_entry: Some(Points(5)),
        transfer_points_per_member_per_day: Some(Points(4)),
        redeem_points_per_member_per_day: Some(Points(2)),
        redeem_foreign_points_per_day: Some(Points(1)),
        cooling_seconds: Some(3),
    };
    assert_eq!(partner.limits, limits);
    let terms = &partner.terms[0];
    assert_eq!((terms.funding, terms.expiry), (Funding::OnPayment, ExpiryPolicy::InactiveDays(90)));
    assert_eq!((terms.return_days, terms.tender_value), (Some(30), Money(90)));
    assert_eq!(terms.receipt_share, Rate::new("0.5".parse().unwrap()).unwrap());

    let one = "net_debit_cap = \"7\"\npoints_per_entry = 1\n";
    let table = s01_with("id = \"A\"\n", &format!("id = \"A\"\n{one}")).unwrap().house.partners[0].clone();
    let over = Limits { net_debit_cap: Some(Money(700)), points_per_entry: Some(Points(1)), ..limits };
    assert_eq!(table.limits_over(limits, 2).unwrap(), over);
}

#[test]
fn a_coalition_has_the_recovery_and_the_consents_of_its_table() {
    let plain = s01_with("scale =", "scale =").unwrap().house.to_house("x", Variant::AtIssue).unwrap().coalition;
    assert_eq!((plain.recovery, plain.open_consents), (Recovery::Any, true));
    let strict = s01_with("scale =", "recovery = \"OWN\"\nopen_consents = false\nscale =").unwrap();
    let strict = strict.house.to_house("x", Variant::AtIssue).unwrap().coalition;
    assert_eq!((strict.recovery, strict.open_consents), (Recovery::Own, false));
}

#[test]
fn a_file_that_cannot_be_right_is_refused_by_the_name_of_the_key() {
    for (from, to, part) in [
        ("currency =", "curency =", "unknown field `curency`"),
        ("grace_days = 14", "grace_days = -1", "grace_days = -1"),
        ("point_value = \"1.00\"", "point_value = 1.00", "point_value = 1.00"),
        ("start = \"2026-02-01T00:00:00Z\"", "start = \"soon\"", "\"soon\" is not a time"),
        (
            "fee_bearer = \"ACCEPTOR\"",
            "fee_bearer = \"MEMBER\"",
            "unknown variant `MEMBER`, expected `ACCEPTOR` or `ISSUER`",
        ),
        ("id = \"B\"", "id = \"B\"\nreimbursment = \"1.00\"", "unknown field `reimbursment`"),
        ("id = \"B\"", "id = \"B\"\npoints_per_year = 1", "unknown field `points_per_year`"),
        ("fee_bearer =", "recovery = \"NONE\"\nfee_bearer =", "\"NONE\" is not ANY or OWN"),
        ("id = \"B\"", "id = \"B\"\nexpiry = \"WEEKS 3\"", "\"WEEKS 3\" is not an expiry"),
        (
            "points = 120",
            "points = 120\nlapses = \"2026-03-11T00:00:00Z\"",
            "step 3 (redeem): lapses: unknown field `lapses`, expected `member` or `points`",
        ),
        ("id = \"B\"", "id = \"a brand\"", "\"a brand\" is not an id"),
        ("points = 120", "points = 120\npoint = 1", "step 3 (redeem): point: unknown field `point`"),
        ("points = 120", "points = \"120\"", "step 3 (redeem): points: invalid type"),
        ("points = 120\n", "", "step 3 (redeem): missing field `points`"),
        ("do = \"redeem\"", "do = \"reedem\"", "step 3 (reedem): do: there is no step"),
        (
            "mode = \"HUB\"",
            "mode = \"STAR\"",
            "step 7 (export_orders): mode: unknown variant `STAR`, expected `HUB` or `PAIRWISE`",
        ),
    ] {
        let problem = s01_with(from, to).expect_err(to);
        assert!(problem.contains(part), "{part:?} is not in {problem}");
    }
    for (from, to, message) in [
        ("scale = 2", "scale = 1", "coalition: scale: 1 is not between 2 and 6"),
        ("scale = 2", "scale = 7", "coalition: scale: 7 is not between 2 and 6"),
        ("id = \"B\"", "id = \"A\"", "partner: id: there are two partners A"),
        (
            "point_value = \"1.00\"",
            "point_value = \"1.001\"",
            "coalition: point_value: 1.001 has 3 decimals, and the coalition's money has 2",
        ),
        (
            "id = \"B\"",
            "id = \"B\"\nreimbursement = \"1.01\"",
            "partner B: the value of B of 1.00 is below the reimbursement of B of 1.01",
        ),
        ("id = \"B\"", "id = \"B\"\npoints_per_day = -1", "partner B: limits.points_per_day: -1 is below zero"),
        (
            "id = \"B\"",
            "id = \"B\"\nnet_debit_cap = \"0.001\"",
            "partner B: net_debit_cap: 0.001 has 3 decimals, and the coalition's money has 2",
        ),
        ("reserve = \"0.5\"", "reserve = \"0.6\"", "partner operator: the breakage shares sum to 1.1, not to 1"),
    ] {
        assert_eq!(house_of(&s01_with(from, to).unwrap()).expect_err(to), message);
    }
}

#[test]
fn a_sandbox_reads_the_coalition_of_any_scenario_file_and_nothing_else() {
    let file = std::fs::read_to_string(scenario_dir().join("S03.toml")).unwrap();
    let house = CoalitionFile::parse(&file).unwrap().to_house("sandbox", Variant::AtIssue).unwrap();
    let partners: Vec<String> = house.partners.keys().map(ToString::to_string).collect();
    assert_eq!(partners, ["A", "B", "C", "operator"]);
    assert_eq!(house.coalition.id, "sandbox");

    let problem = CoalitionFile::parse(&file.replace("title =", "tilte =")).unwrap_err().to_string();
    assert!(problem.contains("unknown field `tilte`"), "{problem}");
}

//! A small day whose figures agree, for tests of what is made of them.

use partner_sdk::Decimal;

use super::brands::{BRANDS, SCALE};
use super::day::Points;
use super::figures::{
    Amount, BrandFigures, Breakage, Bridge, Figures, Netting, ObligationFigure, Payment, PointsOf, Proof, Requests,
    StatementFigures, StatementRow, Trial,
};
use super::report::{Audit, Latency, Report, Run};
use super::stories::{Funder, Stories};

/// What the answers at the tills come to.
pub const REPLIES: [Points; BRANDS.len()] = {
    let none = Points { issued: 0, accepted: 0 };
    [Points { issued: 5_000, accepted: 0 }, none, none, Points { issued: 0, accepted: 4_000 }]
};

/// The bank gave 5,000 points, of which 4,000 were spent at the grocer, who bears a fee of 1.5 %.
pub fn figures() -> Figures {
    let money = |units| Decimal::new(units, SCALE);
    let amount = |of: &str, units| Amount { of: of.to_owned(), amount: money(units) };
    let row = |section: &str, kind: &str, purpose: &str, points, units| StatementRow {
        section: section.to_owned(),
        kind: kind.to_owned(),
        purpose: purpose.to_owned(),
        entries: 1,
        points,
        amount: money(units),
    };
    let statement = |partner: &str, rows, bridge, leg, carried| StatementFigures {
        partner: partner.to_owned(),
        opening: Decimal::ZERO,
        rows,
        bridge,
        leg: money(leg),
        carried: money(carried),
    };
    let brand = |(of, points): (&super::brands::Brand, &Points)| BrandFigures {
        partner: of.id.to_owned(),
        name: of.name.to_owned(),
        funding: if of.prepays { "AT_ISSUE" } else { "AT_REDEMPTION" }.to_owned(),
        price: money(of.price),
        value: money(of.value),
        reimbursement: money(of.reimbursement),
        acceptance_fee: Decimal::new(of.fee, 4),
        fee_bearer: if of.issuers_bear { "ISSUER" } else { "ACCEPTOR" }.to_owned(),
        issued_points: points.issued,
        accepted_points: points.accepted,
        outstanding_points: points.issued * 4 / 5,
    };
    let payment = |payer: &str, payee: &str, units| Payment {
        payer: payer.to_owned(),
        payee: payee.to_owned(),
        amount: money(units),
    };
    Figures {
        currency: "EUR".to_owned(),
        scale: SCALE,
        point_value: money(100),
        customers: 8_000,
        purchases: 1_000_000,
        requests: Requests { unary: 1_000_000, issues: 1, redemptions: 1, ..Requests::default() },
        stories: Stories {
            held: 4_000,
            captured: 2_735,
            released: 1_265,
            unclaimed: 1_200,
            lapsed: 1_200,
            earned: 890,
            spent: 640,
            taken_back: 250,
            owed: 640,
            next: 890,
            recovered: 640,
            kept: 250,
            promotion: 1_000,
            funders: [("cinema", 600), ("grocer", 400)]
                .map(|(partner, points)| Funder { partner: partner.to_owned(), points })
                .to_vec(),
            birthday: 250,
            expired: 250,
        },
        breakage: Breakage { points: 250, reserve: money(12_625), operator: money(7_575), issuer: money(5_050) },
        brands: BRANDS.iter().zip(&REPLIES).map(brand).collect(),
        obligations: vec![ObligationFigure {
            issuer: "cards".to_owned(),
            acceptor: "grocer".to_owned(),
            points: 4_000,
            amount: money(400_000),
        }],
        bilateral: vec![payment("cards", "grocer", 400_000)],
        netting: Netting {
            window: 1,
            settlement_state: "SETTLED".to_owned(),
            gross: money(400_000),
            bilateral_total: money(400_000),
            pairwise_total: money(416_000),
            netted_total: money(400_000),
            netted_share: Some(Decimal::ZERO),
        },
        legs: vec![amount("cards", -416_000), amount("grocer", 394_000), amount("operator", 22_000)],
        orders: vec![payment("cards", "grocer", 394_000), payment("cards", "operator", 22_000)],
        proof: Proof {
            legs_total: Decimal::ZERO,
            account_changes: vec![amount("pool", 12), amount("reserve", -12)],
            carried_change: Decimal::ZERO,
            sum: Decimal::ZERO,
        },
        statements: vec![
            statement(
                "cards",
                vec![row("SPENT", "REDEEM", "REWARD", 4_000, -416_001)],
                Bridge { owes: money(-400_000), spread: money(-16_001), ..Bridge::default() },
                -416_000,
                -1,
            ),
            statement(
                "grocer",
                vec![row("ACCEPTED", "REDEEM", "REWARD", 4_000, 400_001), row("ACCEPTED", "REDEEM", "FEE", 0, -6_000)],
                Bridge { is_owed: money(400_000), fees: money(-6_000), other: money(1), ..Bridge::default() },
                394_000,
                1,
            ),
            statement(
                "operator",
                vec![row("HOUSE", "REDEEM", "SPREAD", 0, 22_000)],
                Bridge { fees: money(6_000), spread: money(16_000), ..Bridge::default() },
                22_000,
                0,
            ),
        ],
        trial_balance: Trial {
            entries: 3,
            points_sum: 0,
            money_sum: Decimal::ZERO,
            money: Vec::new(),
            points: vec![
                PointsOf { of: "issuer".to_owned(), points: -1_000 },
                PointsOf { of: "member".to_owned(), points: 1_000 },
            ],
        },
    }
}

/// The report of it.
pub fn report() -> Report {
    Report {
        seed: u64::MAX,
        figures: figures(),
        audit: Audit { entries: 1_000_000, batches: 10_000, members: 8_000, lots: 1_000_000 },
        run: Run {
            day: "2026-02-28".to_owned(),
            requests_per_second: 123_456,
            latency_micros: Latency { p50: 8_200, p99: 48_200, max: 1_200_000 },
            in_flight: super::day::IN_FLIGHT,
            busy_micros: 61_000_000,
            report: "clearing-demo.html".into(),
            kept: None,
            program: "target/release/clearing".to_owned(),
        },
    }
}

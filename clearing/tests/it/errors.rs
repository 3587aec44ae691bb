//! The catalogue of errors, `docs/errors.md`, is what the house says. It is made from one example of each rejection; this
//! test fails where the page differs, and leaves the page as it should be beside the test's other files.

use std::fmt::Write as _;
use std::path::Path;

use clearing::rpc::errors;
use clearing_core::rejection::Rejection;

/// One rejection of each kind, in the published order; two of those that have two shapes.
fn examples() -> Vec<Rejection> {
    let text = str::to_owned;
    vec![
        Rejection::InvalidArgument { field: text("points"), problem: text("0 is not above zero") },
        Rejection::RequestTooOld { made: text("2025-01-01T00:00:00Z"), oldest: text("2025-12-28T00:00:00Z") },
        Rejection::RequestTooNew { made: text("2026-02-01T10:20:00Z"), latest: text("2026-02-01T10:05:00Z") },
        Rejection::RequestAbandoned { request_id: text("019c1e0a-5d0e-7c3a-9f00-0123456789ab") },
        Rejection::IdempotencyConflict { request_id: text("019c1e0a-5d0e-7c3a-9f00-0123456789ab") },
        Rejection::TimeOutOfRange {
            field: text("expire_time"),
            time: text("2026-01-31T00:00:00Z"),
            earliest: text("2026-02-01T00:00:00Z"),
            latest: text("9999-12-30T22:00:00Z"),
        },
        Rejection::TimeOutOfRange {
            field: text("business_time"),
            time: text("2026-02-01T10:20:00Z"),
            earliest: text("2025-12-28T00:00:00Z"),
            latest: text("2026-02-01T10:05:00Z"),
        },
        Rejection::PartnerExited { partner: text("grocer"), oldest_window: None },
        Rejection::PartnerRestricted { partner: text("grocer") },
        Rejection::PartnerSuspended { partner: text("grocer"), oldest_window: None },
        Rejection::PartnerSuspended { partner: text("grocer"), oldest_window: Some(7) },
        Rejection::NotFound { what: text("hold"), id: text("019c1e0a-5d0e-7c3a-9f00-0123456789ab.0") },
        Rejection::PartnerExists { partner: text("grocer") },
        Rejection::SameMember { member: text("019c1e0a-5d0e-7c3a-9f00-0123456789ab") },
        Rejection::DuplicateReceipt {
            receipt: text("receipt R-1 of 2026-02-01, line 2, store s1, till t1"),
            entry: text("019c1e0a-5d0e-7c3a-9f00-0123456789ab.0"),
        },
        Rejection::HoldNotOpen { hold: text("019c1e0a-5d0e-7c3a-9f00-0123456789ab.0"), state: text("LAPSED") },
        Rejection::CaptureExceedsHold { asked: 60, held: 50 },
        Rejection::ReturnExceedsRedemption { asked: 60, left: 50 },
        Rejection::ReceiptTotalMismatch { booked: text("12.00"), given: text("11.00") },
        Rejection::ReversalExceedsIssue { asked: 60, left: 50 },
        Rejection::ReversalTooLate { issued: text("2026-01-01T00:00:00Z"), latest: text("2026-01-15T00:00:00Z") },
        Rejection::ReversalShortfall { asked: 60, left: 50 },
        Rejection::ConsentExceeded { funder: text("maker"), asked: 60, left: 50 },
        Rejection::LimitExceeded {
            partner: text("grocer"),
            limit: text("points_per_day"),
            asked: 60,
            used: 9950,
            maximum: 10_000,
        },
        Rejection::ReceiptShareExceeded { asked: 60, maximum: 50 },
        Rejection::Cooling { earned: text("2026-02-01T10:00:00Z"), until: text("2026-02-01T11:00:00Z") },
        Rejection::InsufficientPoints { asked: 60, available: 50 },
        Rejection::TooManyLots { asked: 2000, reachable: 1024, lots_max: 1024 },
        Rejection::NetDebitCap { asked: 60, reachable: 50, partner: None, needed: None, headroom: None },
        Rejection::NetDebitCap {
            asked: 60,
            reachable: 0,
            partner: Some(text("grocer")),
            needed: Some(text("0.60")),
            headroom: Some(text("0.50")),
        },
        Rejection::BreakageNotOne { sum: text("0.9") },
        Rejection::PriceNotExact { field: text("price"), price: text("0.00005"), scale: 4 },
        Rejection::TermsUnderfund {
            lower: text("value of grocer"),
            lower_amount: text("0.0100"),
            higher: text("reimbursement of cinema"),
            higher_amount: text("0.0110"),
        },
        Rejection::WindowNotClosed { window: 7 },
        Rejection::SettlementNotProposed { window: 7, state: text("CONFIRMED") },
        Rejection::SettlementNotConfirmed { window: 7, state: text("PROPOSED") },
        Rejection::SettlementSettled { window: 7 },
        Rejection::SettlementAlreadyPaid { window: 7, paid: text("12.00") },
        Rejection::SettlementAborted { window: 7 },
        Rejection::LegNotDue { window: 7, party: text("grocer") },
        Rejection::AmountMismatch { due: text("12.00"), given: text("11.00") },
        Rejection::FundsNotReceived { received: text("5.00"), needed: text("12.00") },
        Rejection::Overflow { what: text("the balance of position:grocer"), maximum: 1 << 61 },
    ]
}

/// The name of a gRPC code as its specification writes it.
fn code_name(code: tonic::Code) -> String {
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

fn page() -> String {
    let mut page = String::from(
        "# Errors\n\n\
        Every error of the house carries `google.rpc.ErrorInfo`: `domain` is `clearing.coalition`, `reason` one of the\n\
        names below, `metadata` the numbers of that reason and three flags, `recorded`, `transient` and `replayed`.\n\
        The SDK gives the same as `Rejection` and `Error`. This page is made from the code (`clearing/tests/it/errors.rs`).\n\n\
        ## The rules said no\n\n\
        In the published order: of several reasons the first is given. *Recorded*: the house keeps the answer under the\n\
        `request_id` and gives it again; nothing is kept of a read. *Transient*: the same wish under a new `request_id` may\n\
        succeed later, without anybody changing it; after `REQUEST_TOO_NEW` under the same one.\n\n\
        | reason | gRPC code | recorded | transient | metadata | for example |\n|---|---|---|---|---|---|\n",
    );
    for rejection in examples() {
        let yes = |flag| if flag { "yes" } else { "" };
        let numbers: Vec<String> = rejection.numbers().iter().map(|(name, _)| format!("`{name}`")).collect();
        let (reason, code) = (rejection.reason(), code_name(errors::code(&rejection)));
        let (recorded, transient) = (yes(rejection.recorded()), yes(rejection.transient()));
        let numbers = numbers.join(", ");
        writeln!(page, "| `{reason}` | {code} | {recorded} | {transient} | {numbers} | {rejection} |").unwrap();
    }
    page.push_str(
        "\n`INVALID_ARGUMENT` also carries `google.rpc.BadRequest`, which names the field.\n\n\
        ## Something else\n\n\
        None of these is recorded. Where an effect is possible, ask again with the same `request_id`: the answer tells.\n\n\
        | reason | gRPC code | effect possible | numbers | ask again |\n|---|---|---|---|---|\n\
        | `UNAUTHENTICATED` | UNAUTHENTICATED | no |  | with a certificate of this coalition |\n\
        | `PERMISSION_DENIED` | PERMISSION_DENIED | no |  | never: the certificate does not allow this call |\n\
        | `OVERLOADED` | RESOURCE_EXHAUSTED | no | `used`, `maximum` | after the delay of `google.rpc.RetryInfo` |\n\
        | `NOT_SERVING` | UNAVAILABLE | no |  | after the delay of `google.rpc.RetryInfo` |\n\
        | `DATABASE_UNAVAILABLE` | UNAVAILABLE | yes |  | after the delay of `google.rpc.RetryInfo` |\n\
        | `LISTS_BEHIND` | UNAVAILABLE | no | `behind_entries` | after the delay of `google.rpc.RetryInfo` |\n\
        | `OUTCOME_UNKNOWN` | UNAVAILABLE | yes |  | after the delay of `google.rpc.RetryInfo` |\n\
        | `SHUTTING_DOWN` | UNAVAILABLE | yes |  | after the delay of `google.rpc.RetryInfo` |\n\
        | `WRONG_CLOCK` | UNAVAILABLE | no | `machine_time`, `other_time` | after the delay of `google.rpc.RetryInfo` |\n\
        | `DEADLINE_EXCEEDED` | DEADLINE_EXCEEDED | yes |  | with a longer deadline |\n\
        | `INTERNAL` | INTERNAL | yes |  | once; then ask the operator, whose log has it |\n",
    );
    page
}

#[test]
fn the_catalogue_of_errors_is_what_the_house_says() {
    let mut reasons: Vec<&str> = examples().iter().map(Rejection::reason).collect();
    reasons.dedup();
    assert_eq!(reasons, Rejection::REASONS, "an example of every reason, in the published order");
    let page = page();
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/errors.md");
    if std::fs::read_to_string(&kept).unwrap_or_default() != page {
        let fresh = Path::new(env!("CARGO_TARGET_TMPDIR")).join("errors.md");
        std::fs::write(&fresh, page).unwrap();
        panic!("docs/errors.md is not what the house says; if that is meant: cp {} docs/errors.md", fresh.display());
    }
}

#[test]
fn the_sdk_knows_every_reason() {
    let source = include_str!("../../../partner-sdk/src/outcome.rs");
    // A malformed message is no rejection to the SDK but an error with the fields.
    let unknown: Vec<&&str> = Rejection::REASONS
        .iter()
        .filter(|reason| **reason != "INVALID_ARGUMENT" && !source.contains(&format!("= \"{reason}\";")))
        .collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

//! Every operation in every state of its partner, over the wire.

use clearing::clock::fresh_uuid;
use clearing::store::Store;
use clearing::writer::Writer;
use clearing_core::command::{Command, Request};
use clearing_core::facts::origin::Origin;
use clearing_core::facts::partner::PartnerState;
use clearing_core::rules::partner::SetPartnerState;
use clearing_core::units::{EntryId, MemberId, PartnerId, RequestId};
use partner_sdk::{Abandon, Client, Decimal, EntryFilter, Issue, Money, Purchase, Redeem, Rejection, ReturnPurchase};

use super::arena::{Arena, BRANDS, Place, act, issue, redeem, told};
use clearing_play::commands;
use clearing_play::sdk::shown_entry;

/// What the states ACTIVE, RESTRICTED, SUSPENDED and EXITED say, in this order; empty: it is done.
const YES: [&str; 4] = ["", "", "", ""];
const GIVES: [&str; 4] = ["", "PARTNER_RESTRICTED", "PARTNER_SUSPENDED", "PARTNER_EXITED"];
const ACCEPTS: [&str; 4] = ["", "", "PARTNER_SUSPENDED", "PARTNER_EXITED"];

/// What each operation of a partner needs its state to allow.
const OPERATIONS: [(&str, [&str; 4]); 25] = [
    ("issue", GIVES),
    ("batch issue", GIVES),
    ("stream issue", GIVES),
    ("joint issue", GIVES),
    ("issue of another that it funds", GIVES),
    ("redeem", ACCEPTS),
    ("authorize", ACCEPTS),
    ("transfer", ACCEPTS),
    ("quote", ACCEPTS),
    ("purchase that earns", GIVES),
    ("purchase that spends", ACCEPTS),
    ("purchase that spends and earns", GIVES),
    ("purchase that captures", YES),
    ("capture", YES),
    ("void", YES),
    ("return", YES),
    ("return of a purchase", YES),
    ("reverse", YES),
    ("abandon", YES),
    ("balance", YES),
    ("entries", YES),
    ("position", YES),
    ("statement", YES),
    ("redemption of its points elsewhere", YES),
    ("hold of its points elsewhere", YES),
];

fn amount(kopecks: i64) -> Money {
    Money::new("RUB", Decimal::new(kopecks, 2))
}

/// What the operations of a partner need, made while it was active.
struct Prepared {
    hold_to_capture: EntryId,
    hold_to_void: EntryId,
    hold_to_pay: EntryId,
    redemption: EntryId,
    purchase: (EntryId, EntryId),
    issue: EntryId,
    abandoned: partner_sdk::RequestId,
}

impl Prepared {
    async fn by(arena: &Arena, x: &Client, y: &Client, card: &str) -> Self {
        issue(y, card, 10_000).await;
        let lapses = arena.in_seconds(86_400);
        let hold = async || {
            let hold = commands::authorize(card, 10, lapses);
            act(x, hold).await.unwrap().entries.remove(0)
        };
        let bought = act(x, commands::purchase(card, 10, 10)).await.unwrap().entries;
        let abandoned = x.new_request_id();
        told(x.issue(Issue::to("card", card).points(10).request_id(abandoned)).await).unwrap();
        Self {
            hold_to_capture: hold().await,
            hold_to_void: hold().await,
            hold_to_pay: hold().await,
            redemption: redeem(x, card, 10).await.unwrap().entries.remove(0),
            purchase: (bought[0], bought[1]),
            issue: issue(x, card, 500).await.entries.remove(0),
            abandoned,
        }
    }
}

/// Has a partner X do an operation, or Y something with X's points or at X's cost. Gives the reason of its rejection.
async fn operate(arena: &Arena, x: &Client, y: &Client, card: &str, with: &Prepared, operation: &str) -> String {
    let done = async |command: Command| act(x, command).await.map(drop);
    let lapses = arena.in_seconds(86_400);
    let purchase = || Purchase::by("card", card);
    let read = |read: Result<(), partner_sdk::Error>| match read {
        Err(partner_sdk::Error::Refused(rejection)) => Err(rejection),
        other => {
            other.unwrap();
            Ok(())
        }
    };
    let outcome: Result<(), Rejection> = match operation {
        "issue" => done(commands::issue(card, 1)).await,
        "batch issue" => {
            let mut issued = x.batch_issue(vec![Issue::to("card", card).points(1)]).await.unwrap();
            told(issued.remove(0)).map(drop)
        }
        "stream issue" => {
            let mut stream = x.stream_issue(1);
            stream.send(vec![Issue::to("card", card).points(1)]).await.unwrap();
            told(stream.next().await.unwrap().unwrap().outcomes.remove(0)).map(drop)
        }
        "joint issue" => {
            let joint = Issue::to("card", card).points(2).funders([("X", 1), ("Y", 1)]);
            told(x.issue(joint).await).map(drop)
        }
        "issue of another that it funds" => {
            let joint = Issue::to("card", card).points(2).funders([("X", 1), ("Y", 1)]);
            told(y.issue(joint).await).map(drop)
        }
        "redeem" => done(commands::redeem(card, 1)).await,
        "authorize" => done(commands::authorize(card, 1, lapses)).await,
        "transfer" => done(commands::transfer(card, format!("to.{card}"), 1)).await,
        "quote" => read(x.quote(("card", card), 1).await.map(drop)),
        "purchase that earns" => done(commands::purchase(card, 0, 1)).await,
        "purchase that spends" => told(x.purchase(purchase().redeem(1)).await).map(drop),
        "purchase that spends and earns" => done(commands::purchase(card, 1, 1)).await,
        "purchase that captures" => {
            told(x.purchase(purchase().capture(shown_entry(with.hold_to_pay), 4)).await).map(drop)
        }
        "capture" => done(commands::capture(with.hold_to_capture, 4)).await,
        "void" => done(commands::void(with.hold_to_void)).await,
        "return" => done(commands::return_redemption(with.redemption, 4)).await,
        "return of a purchase" => {
            let (redemption, issue) = (shown_entry(with.purchase.0), shown_entry(with.purchase.1));
            let back = ReturnPurchase::of(amount(50), amount(100)).redemption(redemption).issue(issue);
            told(x.return_purchase(back).await).map(drop)
        }
        "reverse" => done(commands::reverse(with.issue, 5)).await,
        "abandon" => told(x.abandon(Abandon::request(with.abandoned)).await).map(drop),
        "balance" => read(x.balance(("card", card)).await.map(drop)),
        "entries" => read(x.entries(EntryFilter::all()).all().await.map(drop)),
        "position" => read(x.position().await.map(drop)),
        "statement" => read(x.statement(None).await.map(drop)),
        "redemption of its points elsewhere" => told(y.redeem(Redeem::from("card", card).points(1)).await).map(drop),
        "hold of its points elsewhere" => act(y, commands::authorize(card, 1, lapses)).await.map(drop),
        other => panic!("nobody does {other}"),
    };
    outcome.map_or_else(|rejection| rejection.reason.as_str().to_owned(), |()| String::new())
}

/// Nobody sets EXITED over the wire yet, so the house's own command does.
async fn set_state(arena: &Arena, partner: &str, state: PartnerState) {
    let store = Store::connect(&arena.database.url).await.unwrap();
    let (writer, written) = Writer::start(store, arena.clock.clone(), 16);
    let request = Request {
        caller: PartnerId::operator(),
        request_id: Some(RequestId(fresh_uuid())),
        origin: Origin::default(),
        command: Command::SetPartnerState(SetPartnerState { partner: partner.parse().unwrap(), state }),
        fresh_member: MemberId(fresh_uuid()),
        fresh_salt: [7; 16],
        person: None,
        attachment: None,
        badge: None,
    };
    writer.ask(request).await.unwrap().answer.result.unwrap();
    drop(writer);
    written.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_in_every_state_of_its_partner_is_done_or_refused_as_the_table_says() {
    let states = [PartnerState::Active, PartnerState::Restricted, PartnerState::Suspended, PartnerState::Exited];
    for place in [Place::OneNodeOnSqlite, Place::TwoNodesOnPostgres] {
        let partners = BRANDS.replace("\"A\"", "\"X\"").replace("\"B\"", "\"Y\"");
        let arena = Arena::open(place, &partners).await;
        let operator = arena.till("operator").await.operator();
        for (funder, partner) in [("X", "Y"), ("Y", "X")] {
            let consent = partner_sdk::operator::SetFundingConsent::give(funder, partner);
            told(operator.set_funding_consent(consent).await).unwrap();
        }
        // Another node learns of a state with the next batch.
        let (x, y) = (arena.tills("X").await, arena.till("Y").await);
        let mut wrong = Vec::new();
        for (column, state) in states.into_iter().enumerate() {
            let card = format!("{column}");
            let with = Prepared::by(&arena, &x[0], &y, &card).await;
            set_state(&arena, "X", state).await;
            for (row, (operation, reasons)) in OPERATIONS.into_iter().enumerate() {
                let said = operate(&arena, &x[row % x.len()], &y, &card, &with, operation).await;
                if said != reasons[column] {
                    wrong.push(format!("{operation}, {state:?}: {said:?}, not {:?}", reasons[column]));
                }
            }
            if state != PartnerState::Exited {
                set_state(&arena, "X", PartnerState::Active).await;
            }
        }
        assert!(wrong.is_empty(), "{place:?}: {wrong:#?}");
        arena.end().await;
    }
}

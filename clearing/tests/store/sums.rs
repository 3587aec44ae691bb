//! Sums that the database makes: near the end of what they may be they are refused to the one who asked, recorded, and to
//! nobody else; and the window closes.

use std::collections::BTreeMap;

use clearing::clock::Clock;
use clearing::store::{Backend, Store};
use clearing::writer::Writer;
use clearing_core::book::sums::{SUM_MAX, SUM_REFUSED};
use clearing_core::command::{Command, Request};
use clearing_core::facts::answer::{Answer, Reply};
use clearing_core::facts::coalition::House;
use clearing_core::facts::partner::Partner;
use clearing_core::facts::terms::Funding;
use clearing_core::rejection::Rejection;
use clearing_core::rules::close::CloseWindow;
use clearing_core::rules::hold::AuthorizeRedemption;
use clearing_core::rules::issue::{Earn, IssuePoints};
use clearing_core::rules::payment::ConfirmPayment;
use clearing_core::rules::reversal::{ReversalTarget, ReverseIssue};
use clearing_core::rules::settlement::ConfirmSettlement;
use clearing_core::units::{Money, Points};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, Row as _};

use crate::{Ids, TestStore, at, card, house, id, issue, redeem, terms};

on_both! {
    empty:
    a_sum_at_its_bound_is_refused_by_name_and_to_nobody_else
    a_node_that_does_not_know_a_sum_decides_again_before_it_passes_its_bound
    a_window_closes_with_positions_at_their_bound;
    coalition: ;
}

/// The house of the other tests, with a brand whose points wait for its payment.
fn with_waiting() -> House {
    let mut house = house();
    let model = house.partners[&id("grocer")].clone();
    let later = Partner { id: id("later"), terms: vec![terms(Funding::OnPayment)], ..model };
    house.partners.insert(later.id, later);
    house
}

/// A writer on the house's database, as a node has it.
struct Node {
    writer: Writer,
    ids: Ids,
}

impl Node {
    async fn new(url: &str, seed: u128) -> Self {
        let store = Store::connect(url).await.unwrap();
        let (writer, _) = Writer::start(store, Clock::manual(at(1)), 64);
        Self { writer, ids: Ids(seed << 32) }
    }

    fn request(&mut self, caller: &str, command: Command) -> Request {
        self.ids.request(caller, command)
    }

    async fn ask(&mut self, caller: &str, command: Command) -> Result<Reply, Rejection> {
        let request = self.request(caller, command);
        self.writer.ask(request).await.unwrap().answer.result.map(|accepted| accepted.reply)
    }

    async fn ask_all(&self, requests: Vec<Request>) -> Vec<Answer> {
        let written = self.writer.ask_all(requests).await;
        written.into_iter().map(|written| written.unwrap().answer).collect()
    }
}

/// The database, for what no request can do: to have been at work for a very long time.
struct Planter {
    url: String,
    backend: Backend,
}

impl Planter {
    async fn number(&self, sql: String) -> Option<i64> {
        match self.backend {
            Backend::Sqlite => {
                let options: sqlx::sqlite::SqliteConnectOptions = self.url.parse().unwrap();
                let mut connection = options.connect().await.unwrap();
                let row = connection.fetch_optional(AssertSqlSafe(sql)).await.unwrap();
                row.map(|row| row.get(0))
            }
            Backend::Postgres => {
                let mut connection = sqlx::PgConnection::connect(&self.url).await.unwrap();
                let row = connection.fetch_optional(AssertSqlSafe(sql)).await.unwrap();
                row.map(|row| row.get(0))
            }
        }
    }

    /// Brings a sum to a value, and gives how to bring it back.
    async fn plant(&self, sum: &Planted, value: i64) -> i64 {
        let Planted { table, column, key, .. } = sum;
        let before = self.number(format!("SELECT {column} FROM {table} WHERE {key}")).await;
        let before = before.unwrap_or_else(|| panic!("{table} has no row where {key}"));
        self.number(format!("UPDATE {table} SET {column} = {value} WHERE {key} RETURNING {column}")).await.unwrap();
        before
    }
}

/// A column that SQL adds to.
struct Planted {
    /// What a refusal names.
    name: &'static str,
    table: &'static str,
    column: &'static str,
    key: &'static str,
    /// By how much one point moves it, and to which side.
    unit: i64,
    caller: &'static str,
    /// What moves it, by so many points.
    act: fn(i64) -> Command,
}

/// Every column that SQL adds to, but those that only commands of the house move: these load what they add to.
fn columns() -> Vec<Planted> {
    let balance =
        |name, key, unit, caller, act| Planted { name, table: "balances", column: "amount", key, unit, caller, act };
    let column = |name, table, column, key, unit, caller, act| Planted { name, table, column, key, unit, caller, act };
    let issued: fn(i64) -> Command = |points| issue(card(1), points);
    let taken: fn(i64) -> Command = |points| redeem(card(2), points);
    let joint: fn(i64) -> Command = |points| {
        Command::IssuePoints(IssuePoints {
            member: card(1),
            earn: Earn { funders: vec![(id("grocer"), 1)], ..Earn::points(Points(points)) },
        })
    };
    let held: fn(i64) -> Command = |points| {
        Command::AuthorizeRedemption(AuthorizeRedemption { member: card(3), points: Points(points), lapses: at(3) })
    };
    let reversed: fn(i64) -> Command = |points| {
        Command::ReverseIssue(ReverseIssue {
            target: ReversalTarget::Newest(card(4)),
            points: Points(points),
            refuse_shortfall: false,
        })
    };
    vec![
        balance("the balance of position:grocer", "account = 'position:grocer'", -10_000, "grocer", issued),
        balance("the balance of position:operator", "account = 'position:operator'", 1_000, "grocer", issued),
        balance("the balance of pool", "account = 'pool'", 9_000, "grocer", issued),
        balance("the balance of issuer:grocer", "account = 'issuer:grocer'", -1, "grocer", issued),
        balance("the balance of position:later", "account = 'position:later'", -10_000, "later", issued),
        balance("the balance of unfunded", "account = 'unfunded'", 10_000, "later", issued),
        balance("the balance of recoverable:cards", "account = 'recoverable:cards'", 1, "cards", reversed),
        column(
            "what is outstanding of grocer",
            "terms_outstanding",
            "points",
            "partner = 'grocer'",
            1,
            "grocer",
            issued,
        ),
        column("what grocer issued on this day", "guards", "issued_points", "partner = 'grocer'", 1, "grocer", issued),
        column(
            "what cards redeemed of others on this day",
            "guards",
            "accepted_points",
            "partner = 'cards'",
            1,
            "cards",
            taken,
        ),
        column("what open holds reserve of fuel", "guards", "reserved", "partner = 'fuel'", 10_000, "cards", held),
        column("what cards issued at the cost of grocer", "consents", "used", "funder = 'grocer'", 1, "cards", joint),
        column("that wait for a payment", "funding", "points", "issuer = 'later'", 1, "later", issued),
        column("the points of grocer accepted by cards", "gross", "points", "issuer = 'grocer'", 1, "cards", taken),
        column(
            "the gross obligations of grocer to cards",
            "gross",
            "amount",
            "issuer = 'grocer'",
            8_000,
            "cards",
            taken,
        ),
    ]
}

async fn open(test: &TestStore) -> (Node, Planter) {
    test.database.found(&with_waiting(), at(0)).await;
    let mut node = Node::new(&test.database.url, 1).await;
    // One of each, so that every row is there.
    for (caller, command) in [
        ("grocer", issue(card(1), 5)),
        ("later", issue(card(1), 5)),
        ("grocer", issue(card(2), 100)),
        ("cards", redeem(card(2), 5)),
        ("fuel", issue(card(3), 100)),
        (
            "cards",
            Command::AuthorizeRedemption(AuthorizeRedemption { member: card(3), points: Points(5), lapses: at(3) }),
        ),
        ("cards", issue(card(4), 100)),
        ("cards", redeem(card(4), 100)),
        (
            "cards",
            Command::ReverseIssue(ReverseIssue {
                target: ReversalTarget::Newest(card(4)),
                points: Points(5),
                refuse_shortfall: false,
            }),
        ),
        (
            "cards",
            Command::IssuePoints(IssuePoints {
                member: card(1),
                earn: Earn { funders: vec![(id("grocer"), 1)], ..Earn::points(Points(5)) },
            }),
        ),
    ] {
        node.ask(caller, command).await.unwrap();
    }
    (node, Planter { url: test.database.url.clone(), backend: test.store.backend() })
}

fn overflow(answer: &Answer) -> (&str, i64) {
    match &answer.result {
        Err(Rejection::Overflow { what, maximum }) => (what, *maximum),
        other => panic!("not OVERFLOW, but {other:?}"),
    }
}

/// The fuel brand's own issue, which moves nothing that is planted.
fn neighbour() -> Command {
    issue(card(9), 1)
}

async fn a_sum_at_its_bound_is_refused_by_name_and_to_nobody_else(test: &TestStore) {
    let (mut node, planter) = open(test).await;
    for sum in columns() {
        let bound = SUM_MAX * sum.unit.signum();
        let before = planter.plant(&sum, bound - sum.unit).await;
        node.ask(sum.caller, (sum.act)(1))
            .await
            .unwrap_or_else(|refused| panic!("{} is not full: {refused}", sum.name));
        let beyond = node.request(sum.caller, (sum.act)(1));
        let batch = vec![node.request("fuel", neighbour()), beyond.clone(), node.request("fuel", neighbour())];
        let answers = node.ask_all(batch).await;
        let (what, maximum) = overflow(&answers[1]);
        assert!(what.contains(sum.name), "{} is full, and {what} was named", sum.name);
        assert_eq!(maximum, SUM_MAX);
        assert!(answers[0].result.is_ok() && answers[2].result.is_ok(), "{}: the neighbours", sum.name);
        // Recorded: it stays refused when there is room again.
        planter.plant(&sum, before).await;
        let again = node.writer.ask(beyond).await.unwrap().answer;
        assert!(again.replayed && overflow(&again).0.contains(sum.name), "{}: {again:?}", sum.name);
        node.ask(sum.caller, (sum.act)(1)).await.unwrap();
    }
}

/// A sum that nobody has looked at, such as after a start, is far beyond where an operation could bring it in one batch.
async fn a_node_that_does_not_know_a_sum_decides_again_before_it_passes_its_bound(test: &TestStore) {
    let (_, planter) = open(test).await;
    for (number, sum) in (2..).zip(columns()) {
        let before = planter.plant(&sum, SUM_REFUSED * sum.unit.signum()).await;
        let mut node = Node::new(&test.database.url, number).await;
        let batch = vec![
            node.request("fuel", neighbour()),
            node.request(sum.caller, (sum.act)(1)),
            node.request("fuel", neighbour()),
        ];
        let answers = node.ask_all(batch).await;
        assert!(overflow(&answers[1]).0.contains(sum.name), "{}: {:?}", sum.name, answers[1]);
        assert!(answers[0].result.is_ok() && answers[2].result.is_ok(), "{}: the neighbours", sum.name);
        // What was used of a consent is read with every batch that needs it.
        let again = u64::from(sum.table != "consents");
        assert_eq!(node.writer.counts().reruns, again, "{}", sum.name);
        planter.plant(&sum, before).await;
    }
}

async fn a_window_closes_with_positions_at_their_bound(test: &TestStore) {
    let (mut node, planter) = open(test).await;
    // Balanced, as books are: what two brands owe lies in the pool and in what waits.
    let mut planted = BTreeMap::new();
    for (account, value) in
        [("position:grocer", -SUM_MAX), ("pool", SUM_MAX), ("position:later", -SUM_MAX + 7), ("unfunded", SUM_MAX - 7)]
    {
        let key = format!("account = '{account}'");
        let before = planter.number(format!("SELECT amount FROM balances WHERE {key}")).await.unwrap();
        planted.insert(account, value - before);
        planter.number(format!("UPDATE balances SET amount = {value} WHERE {key} RETURNING amount")).await.unwrap();
    }
    // What the two sides were before need not have been the same.
    let rest = -planted.values().sum::<i64>();
    planter
        .number(format!(
            "UPDATE balances SET amount = amount + {rest} WHERE account = 'position:cards' RETURNING amount"
        ))
        .await
        .unwrap();
    let refused = node.ask("grocer", issue(card(1), 1_000_000_000)).await.unwrap();
    assert!(matches!(refused, Reply::Member(_)), "nobody has looked at it yet");
    let refused = node.ask("grocer", issue(card(1), 1)).await.unwrap_err();
    assert_eq!(refused.reason(), "OVERFLOW");
    for window in 1..=2 {
        let close = Command::CloseWindow(CloseWindow { expected: Some(window) });
        node.ask("operator", close).await.unwrap();
    }
    let mut snapshot = test.store.snapshot().await.unwrap();
    let windows = snapshot.windows(clearing::store::Windows::All).await.unwrap();
    snapshot.finish().await.unwrap();
    let settlement = windows[0].window.settlement.as_ref().unwrap();
    assert!(settlement.proof.holds());
    assert!(settlement.legs[&id("grocer")].amount < Money(-SUM_MAX));
    // Everybody else is settled with, and the brand begins anew.
    for command in [
        Command::ConfirmSettlement(ConfirmSettlement { window: 1 }),
        Command::ConfirmPayment(ConfirmPayment::of(1, clearing_core::rules::payment::Payment::Hub(id("grocer")))),
    ] {
        node.ask("operator", command).await.unwrap_or_else(|refused| panic!("{refused}"));
    }
    node.ask("fuel", neighbour()).await.unwrap();
}

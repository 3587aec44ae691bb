//! The store against both back ends: what goes in comes out, keys are kept, the journal cannot be changed, its hashes
//! are those of the rules, and two sessions on one PostgreSQL do not get into each other's way.
//!
//! PostgreSQL is the one that `CLEARING_TEST_POSTGRES` names; every test makes a schema of its own there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use clearing::store::{
    Backend, ErrorKind, Gate, GateRow, Migrations, Probe, STATEMENTS, Saved, Store, StoreError, Windows, WriterSession,
};
use clearing_core::book::Book;
use clearing_core::chart::MoneyAccount;
use clearing_core::command::{
    Abandoned, Accepted, Answer, Command, HouseCommand, HouseReply, MemberRef, Payment, Reply, Request,
};
use clearing_core::journal::{BatchHeader, Origin, chain_hash};
use clearing_core::rejection::Rejection;
use clearing_core::settlement::{OrderMode, SettlementState, WindowState};
use clearing_core::terms::{
    Breakage, Calendar, Coalition, ExpiryPolicy, FeeBearer, Funding, House, Partner, PartnerState, Terms, TermsDraft,
};
use clearing_core::units::{
    BatchId, EntryId, IdentifierHash, MemberId, Money, PartnerId, Points, Rate, RequestId, Timestamp,
};
use sqlx::{Connection as _, Executor as _, Row as _};

/// A database of its own for one test.
struct TestStore {
    store: Store,
    url: String,
    _folder: Option<tempfile::TempDir>,
}

static SCHEMAS: AtomicU64 = AtomicU64::new(0);

async fn empty(backend: Backend) -> TestStore {
    let (url, folder) = match backend {
        Backend::Sqlite => {
            let folder = tempfile::tempdir().unwrap();
            (format!("sqlite:{}", folder.path().join("house.db").display()), Some(folder))
        }
        Backend::Postgres => (postgres_schema().await, None),
    };
    TestStore { store: Store::connect(&url).await.unwrap(), url, _folder: folder }
}

/// The address of a new, empty schema.
#[expect(clippy::disallowed_methods, reason = "the tests' own database is no configuration of the house")]
async fn postgres_schema() -> String {
    let base = std::env::var("CLEARING_TEST_POSTGRES")
        .expect("CLEARING_TEST_POSTGRES is not set; `./check postgres` starts a server for the tests and says how");
    let number = SCHEMAS.fetch_add(1, Ordering::Relaxed);
    let schema = format!("store_{}_{number}", std::process::id());
    let mut connection = sqlx::PgConnection::connect(&base).await.unwrap();
    let sql = format!("DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}");
    connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(sql))).await.unwrap();
    let separator = if base.contains('?') { '&' } else { '?' };
    format!("{base}{separator}options[search_path]={schema}")
}

async fn with_coalition(backend: Backend) -> TestStore {
    let test = empty(backend).await;
    test.store.migrate().await.unwrap();
    test.store.create_coalition(&house(), "points.example", START).await.unwrap();
    test
}

const START: Timestamp = Timestamp(1_767_225_600_000_000);

fn at(day: i64) -> Timestamp {
    START.plus_days(day)
}

fn id(name: &str) -> PartnerId {
    name.parse().unwrap()
}

fn terms(funding: Funding) -> Terms {
    Terms {
        version: 1,
        effective: START,
        funding,
        price: Money(10_000),
        value: Money(9_000),
        reimbursement: Money(8_000),
        acceptance_fee: Rate::new("0.02".parse().unwrap()).unwrap(),
        fee_bearer: FeeBearer::Acceptor,
        breakage: Breakage {
            reserve: Rate::new("0.5".parse().unwrap()).unwrap(),
            operator: Rate::new("0.3".parse().unwrap()).unwrap(),
            issuer: Rate::new("0.2".parse().unwrap()).unwrap(),
        },
        expiry: ExpiryPolicy::Days(30),
    }
}

fn house() -> House {
    let partner = |name: &str, funding| {
        let partner = Partner {
            id: id(name),
            display_name: format!("The {name}'s \"house\""),
            state: PartnerState::Active,
            terms: vec![terms(funding)],
        };
        (id(name), partner)
    };
    let partners = BTreeMap::from([
        partner("operator", Funding::AtRedemption),
        partner("grocer", Funding::AtIssue),
        partner("fuel", Funding::AtRedemption),
        partner("bank", Funding::AtIssue),
    ]);
    let coalition = Coalition {
        id: "test".to_owned(),
        currency: "EUR".parse().unwrap(),
        scale: 4,
        default_terms: Terms { effective: Timestamp(0), ..terms(Funding::AtRedemption) },
        grace_days: 14,
        settlement_threshold: Money(100),
        disclose_issuers: true,
        time_zone: jiff::tz::TimeZone::get("Europe/Berlin").unwrap(),
        key_retention_days: 0,
        business_time_age_days: 0,
    };
    House { coalition, partners, calendar: Calendar { cut_offs: vec!["0 0 * * *".to_owned()], time_zone: "UTC".to_owned() } }
}

/// Ids that look like those of the house: version 7, ascending.
struct Ids(u128);

impl Ids {
    fn next(&mut self) -> u128 {
        self.0 += 1;
        let millis = u128::try_from(START.0 / 1000).unwrap();
        millis << 80 | 0x7 << 76 | 0b10 << 62 | self.0
    }
}

/// What the writer does with one batch, without what it does when something breaks.
struct Till {
    session: WriterSession,
    ids: Ids,
}

struct Done {
    answers: Vec<Answer>,
    book: Book,
    saved: Saved,
    header: BatchHeader,
    sequences: BTreeMap<BatchId, i64>,
}

impl Till {
    async fn open(store: &Store, seed: u128) -> Self {
        Self { session: store.writer().await.unwrap(), ids: Ids(seed << 32) }
    }

    fn request(&mut self, caller: &str, command: Command) -> Request {
        Request {
            caller: id(caller),
            request_id: Some(RequestId(self.ids.next())),
            origin: Origin::default(),
            command,
            fresh_member: MemberId(self.ids.next()),
            attachment: None,
        }
    }

    async fn run(&mut self, requests: &[Request], now: Timestamp) -> Result<Done, StoreError> {
        let alone = requests.iter().any(|request| matches!(request.command, Command::House(_)));
        let gate = if alone { Gate::Exclusive } else { Gate::Shared };
        let row = self.session.begin(gate).await?;
        let done = self.decide(&row, alone, requests, now).await?;
        self.session.commit().await?;
        Ok(done)
    }

    async fn decide(
        &mut self,
        gate: &GateRow,
        alone: bool,
        requests: &[Request],
        now: Timestamp,
    ) -> Result<Done, StoreError> {
        let house = self.session.load_house().await?.house;
        let mut book = Book::new(Arc::new(house), gate.open_window);
        let sequences = if alone {
            self.session.load_all(&mut book, requests).await?
        } else {
            self.session.load(&mut book, requests, now).await?
        };
        let header = BatchHeader {
            coalition: book.house.coalition.id.clone(),
            batch: BatchId(self.ids.next()),
            window: gate.open_window,
            time: now,
            salt: [7; 16],
        };
        book.begin_batch(header.batch);
        let answers = requests.iter().map(|request| book.execute(request, now)).collect();
        let changes = book.take_changes();
        let saved = self.session.save(&book, &changes, &header).await?;
        Ok(Done { answers, book, saved, header, sequences })
    }

    async fn one(&mut self, caller: &str, command: Command, now: Timestamp) -> Result<Accepted, Rejection> {
        let request = self.request(caller, command);
        self.run(&[request], now).await.unwrap().answers.pop().unwrap().result
    }
}

fn card(number: u8) -> MemberRef {
    MemberRef::Identifier(IdentifierHash([number; 32]))
}

fn issue(member: MemberRef, points: i64) -> Command {
    Command::Issue { member, points: Points(points), expires: None }
}

fn redeem(member: MemberRef, points: i64) -> Command {
    Command::Redeem { member, points: Points(points) }
}

fn available(accepted: &Accepted) -> i64 {
    match &accepted.reply {
        Reply::Member(reply) => reply.available.0,
        Reply::Abandoned(_) | Reply::House(_) => panic!("not a command on points"),
    }
}

/// Runs a test on both back ends.
macro_rules! on_both {
    ($($name:ident)*) => {
        mod sqlite {
            $(#[tokio::test] async fn $name() { super::$name(super::Backend::Sqlite).await; })*
        }
        mod postgres {
            $(#[tokio::test] async fn $name() { super::$name(super::Backend::Postgres).await; })*
        }
    };
}

on_both! {
    migrations_are_pending_until_they_are_applied
    a_coalition_is_read_as_it_was_written
    a_second_coalition_is_refused
    points_issued_are_there_to_be_redeemed
    a_repeated_request_gets_the_recorded_answer
    the_hash_of_the_journal_is_that_of_the_rules
    a_return_gives_back_into_the_same_lots_and_an_abandoned_return_takes_again
    what_is_due_expires_with_the_next_command
    a_window_closes_and_its_settlement_is_paid
    changes_of_the_house_move_the_epoch
}

async fn migrations_are_pending_until_they_are_applied(backend: Backend) {
    let test = empty(backend).await;
    let state = test.store.migration_state().await.unwrap();
    assert_eq!(state.applied, Vec::<i64>::new());
    assert_eq!(state.pending, vec![1, 2, 3, 4, 5]);
    test.store.migrate().await.unwrap();
    test.store.migrate().await.unwrap();
    let state = test.store.migration_state().await.unwrap();
    assert_eq!(state, Migrations { applied: vec![1, 2, 3, 4, 5], pending: Vec::new() });
}

async fn a_coalition_is_read_as_it_was_written(backend: Backend) {
    let test = with_coalition(backend).await;
    let row = test.store.load_house().await.unwrap();
    assert_eq!(row.domain, "points.example");
    assert_eq!(row.house.coalition, house().coalition);
    assert_eq!(row.house.partners, house().partners);
    assert_eq!(row.house.calendar, house().calendar);
}

async fn a_second_coalition_is_refused(backend: Backend) {
    let test = with_coalition(backend).await;
    let error = test.store.create_coalition(&house(), "points.example", START).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Permanent);
}

async fn points_issued_are_there_to_be_redeemed(backend: Backend) {
    let test = with_coalition(backend).await;
    let mut till = Till::open(&test.store, 1).await;
    for round in 0..6 {
        let accepted = till.one("grocer", issue(card(1), 10), at(round)).await.unwrap();
        assert_eq!(available(&accepted), 10 * (round + 1));
    }
    // More lots than the first page holds.
    let accepted = till.one("fuel", redeem(card(1), 55), at(6)).await.unwrap();
    assert_eq!(available(&accepted), 5);
    let rejection = till.one("fuel", redeem(card(1), 6), at(6)).await.unwrap_err();
    assert_eq!(rejection, Rejection::InsufficientPoints { asked: 6, available: 5 });
    let accepted = till.one("bank", redeem(card(1), 5), at(7)).await.unwrap();
    assert_eq!(available(&accepted), 0);
    let unknown = till.one("bank", redeem(card(2), 5), at(7)).await.unwrap_err();
    assert_eq!(unknown.reason(), "NOT_FOUND");
}

async fn a_repeated_request_gets_the_recorded_answer(backend: Backend) {
    let test = with_coalition(backend).await;
    let mut till = Till::open(&test.store, 1).await;
    let accepted = till.request("grocer", issue(card(1), 10));
    let rejected = till.request("fuel", redeem(card(1), 11));
    let both = [accepted, rejected];
    let first = till.run(&both, at(0)).await.unwrap();
    let mut till = Till::open(&test.store, 2).await;
    let again = till.run(&both, at(1)).await.unwrap();
    for (first, again) in first.answers.iter().zip(&again.answers) {
        assert_eq!(first.result, again.result);
        assert!(!first.replayed && again.replayed);
    }
    let entry = first.answers[0].result.as_ref().unwrap().entries[0];
    assert_eq!(again.sequences.get(&entry.batch), Some(&first.saved.first_sequence));
    assert_eq!(again.book.entries.get(&entry), first.book.entries.get(&entry));
    let mut other = both[0].clone();
    other.command = issue(card(1), 11);
    let conflict = till.run(&[other], at(1)).await.unwrap();
    assert_eq!(conflict.answers[0].result.as_ref().unwrap_err().reason(), "IDEMPOTENCY_CONFLICT");
}

async fn the_hash_of_the_journal_is_that_of_the_rules(backend: Backend) {
    let test = with_coalition(backend).await;
    let mut till = Till::open(&test.store, 1).await;
    let mut hash = [0; 32];
    let mut next = 1;
    for round in 0..3 {
        let requests: Vec<Request> =
            (0..=round).map(|_| till.request("grocer", issue(card(1), 10))).collect();
        let done = till.run(&requests, at(0)).await.unwrap();
        assert_eq!(done.saved.first_sequence, next);
        let entries: Vec<EntryId> =
            done.answers.iter().flat_map(|answer| answer.result.as_ref().unwrap().entries.clone()).collect();
        let entries: Vec<_> = entries.iter().map(|id| (id.ordinal, &*done.book.entries[id])).collect();
        next += i64::try_from(entries.len()).unwrap();
        hash = chain_hash(&hash, done.saved.first_sequence, &done.header.contents_hash(entries.into_iter()));
    }
    let mut snapshot = test.store.snapshot().await.unwrap();
    let head = snapshot.journal_head().await.unwrap();
    assert_eq!((head.next_sequence, head.hash), (next, hash));
    let batches = snapshot.batches(1, 10).await.unwrap();
    assert_eq!(batches.len(), 3);
    assert_eq!(batches[2].hash, hash);
    assert_eq!(batches[2].previous_hash, batches[1].hash);
    snapshot.finish().await.unwrap();
}

async fn a_return_gives_back_into_the_same_lots_and_an_abandoned_return_takes_again(backend: Backend) {
    let test = with_coalition(backend).await;
    let mut till = Till::open(&test.store, 1).await;
    for issuer in ["grocer", "fuel", "bank"] {
        till.one(issuer, issue(card(1), 10), at(0)).await.unwrap();
    }
    let redeemed = till.one("fuel", redeem(card(1), 25), at(1)).await.unwrap();
    let redemption = redeemed.entries[0];
    let giving = till.request("fuel", Command::Return { redemption, points: Points(8) });
    let given = till.run(std::slice::from_ref(&giving), at(2)).await.unwrap();
    assert_eq!(available(given.answers[0].result.as_ref().unwrap()), 13);
    let too_much = till.one("fuel", Command::Return { redemption, points: Points(18) }, at(2)).await.unwrap_err();
    assert_eq!(too_much, Rejection::ReturnExceedsRedemption { asked: 18, left: 17 });
    let abandon = Command::Abandon { request: giving.request_id.unwrap() };
    let undone = till.one("fuel", abandon.clone(), at(3)).await.unwrap();
    assert_eq!(undone.reply, Reply::Abandoned(Abandoned::Undone));
    let again = till.one("fuel", abandon, at(3)).await.unwrap();
    assert_eq!(again.reply, Reply::Abandoned(Abandoned::Already));
    let replay = till.run(&[giving], at(3)).await.unwrap();
    assert_eq!(replay.answers[0].result.as_ref().unwrap_err().reason(), "REQUEST_ABANDONED");
    // After its expiry what comes back lives on for the grace period: the lot changes its place.
    let all = till.one("fuel", Command::Return { redemption, points: Points(25) }, at(40)).await.unwrap();
    assert_eq!(available(&all), 25);
    let spent = till.one("bank", redeem(card(1), 25), at(41)).await.unwrap();
    assert_eq!(available(&spent), 0);
    // A key that was never seen is burned.
    let mut late = till.request("fuel", issue(card(1), 1));
    let burned = till.one("fuel", Command::Abandon { request: late.request_id.unwrap() }, at(41)).await.unwrap();
    assert_eq!(burned.reply, Reply::Abandoned(Abandoned::Burned));
    late.fresh_member = MemberId(1);
    let refused = till.run(&[late], at(41)).await.unwrap();
    assert_eq!(refused.answers[0].result.as_ref().unwrap_err().reason(), "REQUEST_ABANDONED");
}

async fn what_is_due_expires_with_the_next_command(backend: Backend) {
    let test = with_coalition(backend).await;
    let mut till = Till::open(&test.store, 1).await;
    let first = till.one("grocer", issue(card(1), 10), at(0)).await.unwrap();
    till.one("grocer", issue(card(1), 10), at(1)).await.unwrap();
    till.one("grocer", issue(card(1), 10), at(20)).await.unwrap();
    let member = match first.reply {
        Reply::Member(reply) => reply.member,
        Reply::Abandoned(_) | Reply::House(_) => panic!("not a command on points"),
    };
    let due = till.one("operator", Command::RunDue { member }, at(35)).await.unwrap();
    assert_eq!((due.entries.len(), available(&due)), (2, 10));
    let none = till.one("operator", Command::RunDue { member }, at(35)).await.unwrap();
    assert_eq!((none.entries.len(), available(&none)), (0, 10));
    let spent = till.one("fuel", redeem(card(1), 11), at(36)).await.unwrap_err();
    assert_eq!(spent, Rejection::InsufficientPoints { asked: 11, available: 10 });
    let spent = till.one("fuel", redeem(card(1), 10), at(60)).await.unwrap_err();
    assert_eq!(spent, Rejection::InsufficientPoints { asked: 10, available: 0 });
}

async fn a_window_closes_and_its_settlement_is_paid(backend: Backend) {
    let test = with_coalition(backend).await;
    let mut till = Till::open(&test.store, 1).await;
    till.one("grocer", issue(card(1), 100), at(0)).await.unwrap();
    till.one("fuel", issue(card(1), 100), at(0)).await.unwrap();
    till.one("bank", redeem(card(1), 150), at(0)).await.unwrap();
    let deposit = HouseCommand::Deposit { account: MoneyAccount::Reserve, amount: Money(500_000) };
    till.one("operator", Command::House(deposit), at(1)).await.unwrap();
    let close = HouseCommand::CloseWindow { expected: Some(1) };
    let closed = till.one("operator", Command::House(close), at(1)).await.unwrap();
    assert_eq!(closed.reply, Reply::House(HouseReply { window: Some(1), ..HouseReply::default() }));
    till.one("grocer", issue(card(1), 100), at(1)).await.unwrap();
    let windows = read_windows(&test.store).await;
    assert_eq!(windows.len(), 2);
    assert_eq!((windows[0].first_sequence, windows[0].end_sequence), (1, Some(6)));
    assert_eq!((windows[1].first_sequence, windows[1].end_sequence), (6, None));
    let settlement = windows[0].window.settlement.clone().unwrap();
    assert!(settlement.proof.holds() && !settlement.legs.is_empty());
    for command in [
        HouseCommand::ConfirmSettlement { window: 1 },
        HouseCommand::ExportOrders { window: 1, mode: OrderMode::Pairwise },
        HouseCommand::ExportOrders { window: 1, mode: OrderMode::Hub },
    ] {
        till.one("operator", Command::House(command), at(2)).await.unwrap();
    }
    let mut legs: Vec<(PartnerId, Money)> = settlement.legs.iter().map(|(id, leg)| (*id, leg.amount)).collect();
    legs.sort_by_key(|(_, amount)| *amount);
    for (partner, amount) in legs {
        let payment = Payment::Hub(partner);
        let pay = HouseCommand::ConfirmPayment { window: 1, payment, amount: Some(Money(amount.0.abs())) };
        till.one("operator", Command::House(pay), at(3)).await.unwrap();
    }
    let windows = read_windows(&test.store).await;
    let window = &windows[0].window;
    assert_eq!(window.state, WindowState::Settled);
    let paid = window.settlement.as_ref().unwrap();
    assert_eq!(paid.state, SettlementState::Settled);
    assert!(paid.orders.iter().all(|order| order.paid) && paid.legs.values().all(|leg| leg.due.is_zero()));
    assert_eq!((windows[0].first_sequence, windows[0].end_sequence), (1, Some(6)));
    assert_eq!(windows[1].window.participants[&id("bank")].opening, window.participants[&id("bank")].carried);
    till.one("operator", Command::House(HouseCommand::CloseWindow { expected: None }), at(4)).await.unwrap();
    let abort = Command::House(HouseCommand::AbortSettlement { window: 2 });
    till.one("operator", abort, at(5)).await.unwrap();
    let windows = read_windows(&test.store).await;
    assert_eq!(windows[1].window.settlement.as_ref().unwrap().state, SettlementState::Aborted);
    assert_ne!(windows[2].window.aborted, Money::ZERO);
    till.one("operator", Command::House(HouseCommand::CloseWindow { expected: Some(3) }), at(6)).await.unwrap();
}

async fn read_windows(store: &Store) -> Vec<clearing::store::WindowRow> {
    let mut snapshot = store.snapshot().await.unwrap();
    let windows = snapshot.windows(Windows::All).await.unwrap();
    snapshot.finish().await.unwrap();
    windows
}

async fn changes_of_the_house_move_the_epoch(backend: Backend) {
    let test = with_coalition(backend).await;
    let mut till = Till::open(&test.store, 1).await;
    let before = test.store.load_house().await.unwrap();
    let create = HouseCommand::CreatePartner {
        partner: id("cinema"),
        display_name: "Lichtspiele".to_owned(),
        terms: TermsDraft { expiry: Some(ExpiryPolicy::EndOfYear(2)), ..TermsDraft::default() },
        state: PartnerState::Active,
    };
    till.one("operator", Command::House(create), at(1)).await.unwrap();
    let terms = TermsDraft { funding: Some(Funding::AtIssue), ..TermsDraft::default() };
    let set = HouseCommand::SetTerms { partner: id("cinema"), terms, effective: Some(at(5)) };
    till.one("operator", Command::House(set), at(2)).await.unwrap();
    let state = HouseCommand::SetPartnerState { partner: id("fuel"), state: PartnerState::Restricted };
    till.one("operator", Command::House(state), at(3)).await.unwrap();
    let calendar = Calendar { cut_offs: Vec::new(), time_zone: "Asia/Tokyo".to_owned() };
    till.one("operator", Command::House(HouseCommand::SetCalendar { calendar: calendar.clone() }), at(4)).await.unwrap();
    let after = test.store.load_house().await.unwrap();
    assert_eq!(after.terms_epoch, before.terms_epoch + 4);
    assert_eq!(after.house.calendar, calendar);
    assert_eq!(after.house.partners[&id("fuel")].state, PartnerState::Restricted);
    let cinema = &after.house.partners[&id("cinema")];
    assert_eq!(cinema.terms.len(), 2);
    assert_eq!(cinema.terms[1].effective, at(5));
    assert_eq!(cinema.terms[1].expiry, ExpiryPolicy::EndOfYear(2));
    till.one("cinema", issue(card(1), 10), at(6)).await.unwrap();
    let gate = test.store.gate().await.unwrap();
    assert_eq!((gate.open_window, gate.last_time), (1, at(4)));
}

//! The store against both back ends: what goes in comes out, keys are kept, the journal cannot be changed, its hashes
//! are those of the rules, what falls due runs once, and two nodes on one PostgreSQL do not get into each other's way.
//!
//! Every test has a database of its own.

#![allow(clippy::unwrap_used, reason = "a panic in a test is how it fails")]

/// Runs tests on both back ends, each in a database of its own: empty, or with a coalition. Or only tells a test which one,
/// and it sees to databases itself.
macro_rules! on_both {
    (backend: $($name:ident)*;) => {
        on_both!(@ told sqlite Sqlite; $($name)*);
        on_both!(@ told postgres Postgres; $($name)*);
    };
    (@ told $module:ident $backend:ident; $($name:ident)*) => {
        mod $module {
            $(
                #[tokio::test]
                async fn $name() {
                    super::$name(clearing_play::Backend::$backend).await;
                }
            )*
        }
    };
    (empty: $($empty:ident)*; coalition: $($name:ident)*;) => {
        on_both!(@ sqlite Sqlite; $($empty empty,)* $($name with_coalition,)*);
        on_both!(@ postgres Postgres; $($empty empty,)* $($name with_coalition,)*);
    };
    (@ $module:ident $backend:ident; $($name:ident $make:ident,)*) => {
        mod $module {
            use clearing_play::Backend;
            $(
                #[tokio::test]
                async fn $name() {
                    let test = crate::TestStore::$make(Backend::$backend).await;
                    super::$name(&test).await;
                    test.remove().await;
                }
            )*
        }
    };
}

mod agreement;
mod books;
mod finding;
mod gate;
mod house;
mod journal;
mod lists;
mod nodes;
mod plans;
mod planted;
mod points;
mod pruning;
mod receipts;
mod scheduler;
mod schema;
mod settlement;
mod sums;

use std::collections::BTreeMap;
use std::sync::Arc;

use clearing::store::{GateRow, Saved, Store, StoreError, WriterSession};
use clearing_core::book::Book;
use clearing_core::command::{Command, Request};
use clearing_core::facts::answer::{Accepted, Answer, Reply};
use clearing_core::facts::calendar::Calendar;
use clearing_core::facts::chain::{BatchHeader, STRIPE};
use clearing_core::facts::coalition::{CARE_POINTS, Coalition, House, NoticeDays, Recovery};
use clearing_core::facts::credential::Revoked;
use clearing_core::facts::limits::Limits;
use clearing_core::facts::member::MemberRef;
use clearing_core::facts::origin::Origin;
use clearing_core::facts::partner::{Partner, PartnerState};
use clearing_core::facts::person::People;
use clearing_core::facts::security::Security;
use clearing_core::facts::terms::{Breakage, ExpiryPolicy, FeeBearer, Funding, Terms};
use clearing_core::operation::Gate;
use clearing_core::rejection::Rejection;
use clearing_core::rules::issue::{Earn, IssuePoints};
use clearing_core::rules::redemption::RedeemPoints;
use clearing_core::units::{BatchId, IdentifierHash, MemberId, Money, PartnerId, Points, Rate, RequestId, Timestamp};
use clearing_play::{Backend, Database};

/// A database of its own for one test, and a store on it.
struct TestStore {
    store: Store,
    database: Database,
}

impl TestStore {
    async fn empty(backend: Backend) -> Self {
        let database = Database::new(backend).await;
        Self { store: database.store().await, database }
    }

    /// With a coalition in it.
    async fn with_coalition(backend: Backend) -> Self {
        let database = Database::new(backend).await;
        Self { store: database.found(&house(), START).await, database }
    }

    /// Removes the database; a test that failed leaves it behind for a look.
    async fn remove(self) {
        self.database.remove().await;
    }
}

/// How many entries found the coalition of these tests.
const FOUNDING: i64 = clearing_play::founding_entries(3);

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
        return_days: None,
        tender_value: Money(10_000),
        receipt_share: Rate::ONE,
    }
}

/// Its coalition, in another zone.
fn in_zone(time_zone: jiff::tz::TimeZone) -> Coalition {
    Coalition { time_zone, ..house().coalition }
}

fn house() -> House {
    let partner = |name: &str, funding| {
        let partner = Partner {
            id: id(name),
            display_name: format!("The {name}'s \"house\""),
            state: PartnerState::Active,
            suspended_in: None,
            group: None,
            state_no: 0,
            limits_no: 0,
            terms: vec![terms(funding)],
            limits: Limits::default(),
            security: Security::default(),
        };
        (id(name), partner)
    };
    let partners = BTreeMap::from([
        partner("operator", Funding::AtRedemption),
        partner("grocer", Funding::AtIssue),
        partner("fuel", Funding::AtRedemption),
        partner("cards", Funding::AtIssue),
    ]);
    let coalition = Coalition {
        id: "test".to_owned(),
        currency: "EUR".parse().unwrap(),
        scale: 4,
        default_terms: Terms { effective: Timestamp(0), ..terms(Funding::AtRedemption) },
        default_limits: Limits::default(),
        grace_days: 14,
        passed_over_grace_days: 14,
        recovery: Recovery::Any,
        open_consents: true,
        settlement_threshold: Money(100),
        disclose_issuers: true,
        time_zone: jiff::tz::TimeZone::get("Europe/Berlin").unwrap(),
        key_retention_days: 0,
        business_time_age_days: 0,
        notice_days: NoticeDays::default(),
        proposal_days: 7,
        account_change_days: 3,
        carry_windows_max: None,
        care_points: CARE_POINTS,
        pay_outs_wait: false,
        caps_need_cover: false,
    };
    House {
        coalition,
        partners,
        calendar: Calendar::of(["0 0 * * *"], "UTC").into(),
        revoked: Revoked::default(),
        people: People::default(),
    }
}

/// Ids that look like those of the house: version 7, ascending.
struct Ids(u128);

impl Ids {
    fn next(&mut self) -> u128 {
        self.0 += 1;
        let millis = u128::try_from(START.0 / 1000).unwrap();
        millis << 80 | 0x7 << 76 | 0b10 << 62 | self.0
    }

    fn request(&mut self, caller: &str, command: Command) -> Request {
        Request {
            caller: id(caller),
            request_id: Some(RequestId(self.next())),
            origin: Origin::default(),
            command,
            fresh_member: MemberId(self.next()),
            fresh_salt: self.next().to_be_bytes(),
            person: None,
            attachment: None,
            badge: None,
        }
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
        self.ids.request(caller, command)
    }

    async fn run(&mut self, requests: &[Request], now: Timestamp) -> Result<Done, StoreError> {
        let alone = requests.iter().any(|request| request.command.gate() == Gate::Alone);
        let gate = if alone { Gate::Alone } else { Gate::Shared };
        let begun = self.session.begin(gate).await?;
        let done = self.decide(begun, requests, now).await?;
        self.session.commit().await?;
        Ok(done)
    }

    async fn decide(
        &mut self,
        (gate, house): (GateRow, Arc<House>),
        requests: &[Request],
        now: Timestamp,
    ) -> Result<Done, StoreError> {
        let mut book = Book::new(house, gate.open_window);
        let sequences = self.session.load(&mut book, requests, now).await?;
        let header = BatchHeader {
            coalition: book.house.coalition.id.clone(),
            stripe: STRIPE,
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
    Command::IssuePoints(IssuePoints { member, earn: Earn::points(Points(points)) })
}

fn redeem(member: MemberRef, points: i64) -> Command {
    Command::RedeemPoints(RedeemPoints { member, points: Points(points) })
}

fn available(accepted: &Accepted) -> i64 {
    match &accepted.reply {
        Reply::Member(reply) => reply.available.0,
        Reply::Abandoned(_) | Reply::House(_) => panic!("not a command on points"),
    }
}

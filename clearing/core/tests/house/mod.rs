//! A coalition in memory for the tests of the rules: partners with terms, requests with fresh ids, a clock.

#![allow(dead_code, reason = "each test uses its part")]

use std::collections::BTreeMap;
use std::sync::Arc;

use clearing_core::book::Book;
use clearing_core::command::{Accepted, Answer, Command, HouseCommand, MemberRef, Request};
use clearing_core::journal::{Entry, Origin};
use clearing_core::rejection::Rejection;
use clearing_core::settlement::Window;
use clearing_core::terms::{
    Breakage, Calendar, Coalition, ExpiryPolicy, FeeBearer, Funding, House, Partner, PartnerState, Terms,
};
use clearing_core::units::{
    BatchId, EntryId, IdentifierHash, MemberId, Money, PartnerId, Points, Rate, RequestId, Timestamp,
};

/// 2026-01-01T00:00:00Z.
pub const START: Timestamp = Timestamp::from_seconds(1_767_225_600);

pub fn id(name: &str) -> PartnerId {
    name.parse().unwrap()
}

pub fn rate(text: &str) -> Rate {
    Rate::new(text.parse().unwrap()).unwrap()
}

/// Terms at a point value of 1.00 with two decimals, no fee.
pub fn terms(funding: Funding) -> Terms {
    Terms {
        version: 1,
        effective: START,
        funding,
        price: Money(100),
        value: Money(100),
        reimbursement: Money(100),
        acceptance_fee: Rate::ZERO,
        fee_bearer: FeeBearer::Acceptor,
        breakage: Breakage { reserve: rate("0.5"), operator: rate("0.3"), issuer: rate("0.2") },
        expiry: ExpiryPolicy::None,
    }
}

/// A coalition of RUB at two decimals.
pub fn coalition() -> Coalition {
    Coalition {
        id: "test".to_owned(),
        currency: "RUB".parse().unwrap(),
        scale: 2,
        default_terms: terms(Funding::AtRedemption),
        grace_days: 14,
        settlement_threshold: Money::ZERO,
        disclose_issuers: true,
        time_zone: jiff::tz::TimeZone::UTC,
        key_retention_days: 0,
        business_time_age_days: 0,
    }
}

pub fn house(coalition: Coalition, partners: &[(&str, Terms)]) -> House {
    let operator = ("operator", coalition.default_terms.clone());
    let partners = partners.iter().cloned().chain([operator]).map(|(name, terms)| {
        let partner =
            Partner { id: id(name), display_name: name.to_owned(), state: PartnerState::Active, terms: vec![terms] };
        (partner.id, partner)
    });
    House { coalition, partners: partners.collect(), calendar: Calendar::default() }
}

/// A book that holds everything, with its clock.
#[derive(Debug, Clone)]
pub struct Play {
    pub book: Book,
    pub now: Timestamp,
    /// All entries in journal order.
    pub journal: Vec<(EntryId, Arc<Entry>)>,
    count: u128,
}

impl Play {
    pub fn new(house: House) -> Self {
        let mut book = Book::new(Arc::new(house), 1);
        book.windows.insert(1, Window::first(START));
        Self { book, now: START, journal: Vec::new(), count: 0 }
    }

    /// A request with a fresh id made now.
    pub fn request(&mut self, caller: PartnerId, command: Command) -> Request {
        self.count += 1;
        Request {
            caller,
            request_id: Some(request_id(self.now, self.count)),
            origin: Origin::default(),
            command,
            fresh_member: MemberId(self.count),
            attachment: None,
        }
    }

    /// Takes a request as a batch of its own.
    pub fn execute(&mut self, request: &Request) -> Answer {
        self.count += 1;
        self.book.begin_batch(BatchId(self.count));
        let answer = self.book.execute(request, self.now);
        for entry in self.book.take_changes().entries {
            self.journal.push((entry, self.book.entries[&entry].clone()));
        }
        answer
    }

    pub fn ask(&mut self, caller: &str, command: Command) -> Result<Accepted, Rejection> {
        let request = self.request(id(caller), command);
        self.execute(&request).result
    }

    pub fn operator(&mut self, command: HouseCommand) -> Result<Accepted, Rejection> {
        self.ask("operator", Command::House(command))
    }

    /// Issues points and gives the entry.
    pub fn issue(&mut self, issuer: &str, member: &str, points: i64) -> EntryId {
        let command = Command::Issue { member: member_ref(member), points: Points(points), expires: None };
        self.ask(issuer, command).unwrap().entries[0]
    }

    pub fn redeem(&mut self, acceptor: &str, member: &str, points: i64) -> Result<EntryId, Rejection> {
        let command = Command::Redeem { member: member_ref(member), points: Points(points) };
        self.ask(acceptor, command).map(|accepted| accepted.entries[0])
    }

    pub fn give_back(&mut self, acceptor: &str, redemption: EntryId, points: i64) -> Result<Accepted, Rejection> {
        self.ask(acceptor, Command::Return { redemption, points: Points(points) })
    }

    /// Runs everything that is due by now.
    pub fn run_due(&mut self) {
        loop {
            let due = self.book.members.values().find(|member| member.next_due <= self.now).map(|member| member.id);
            let Some(member) = due else { return };
            let mut request = self.request(PartnerId::operator(), Command::RunDue { member });
            request.request_id = None;
            self.execute(&request).result.unwrap();
        }
    }

    /// The balances in money that are not zero.
    pub fn money(&self) -> BTreeMap<String, i64> {
        let balances = self.book.money_balances.iter().filter(|(_, balance)| !balance.is_zero());
        balances.map(|(account, balance)| (account.to_string(), balance.0)).collect()
    }

    /// A book to which every entry of the journal was applied.
    pub fn rebuilt(&self) -> Book {
        let mut book = Book::new(self.book.house.clone(), self.book.open_window);
        for (id, entry) in &self.journal {
            book.apply(*id, entry).unwrap();
        }
        book
    }
}

pub fn member_ref(name: &str) -> MemberRef {
    let mut hash = [0; 32];
    hash[..name.len()].copy_from_slice(name.as_bytes());
    MemberRef::Identifier(IdentifierHash(hash))
}

/// A UUIDv7 made at a time.
pub fn request_id(at: Timestamp, number: u128) -> RequestId {
    let millis = u128::from((at.0 / 1000).unsigned_abs());
    RequestId(millis << 80 | 0x7 << 76 | 0b10 << 62 | number)
}

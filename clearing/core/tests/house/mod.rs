//! A coalition in memory for the tests of the rules: partners with terms, requests with fresh ids, a clock.

#![allow(dead_code, reason = "each test uses its part")]

use std::collections::BTreeMap;
use std::sync::Arc;

use clearing_core::audit;
use clearing_core::book::Book;
use clearing_core::command::{Command, Request};
use clearing_core::facts::answer::{Accepted, Answer, MemberReply, Reply, Reversed};
use clearing_core::facts::calendar::Calendars;
use clearing_core::facts::coalition::{CARE_POINTS, Coalition, House, NoticeDays, Recovery};
use clearing_core::facts::credential::Revoked;
use clearing_core::facts::entry::{Entry, EntryKind};
use clearing_core::facts::limits::Limits;
use clearing_core::facts::member::MemberRef;
use clearing_core::facts::origin::{Code, Origin};
use clearing_core::facts::partner::{Partner, PartnerState};
use clearing_core::facts::person::{People, PersonId};
use clearing_core::facts::security::Security;
use clearing_core::facts::terms::{Breakage, ExpiryPolicy, FeeBearer, Funding, Terms, TermsDraft};
use clearing_core::facts::window::Window;
use clearing_core::rejection::Rejection;
use clearing_core::rules::close::CloseWindow;
use clearing_core::rules::consent::SetFundingConsent;
use clearing_core::rules::decay::RunDecay;
use clearing_core::rules::due::RunDueWork;
use clearing_core::rules::hold::{AuthorizeRedemption, CaptureHold, VoidHold};
use clearing_core::rules::issue::{Earn, IssuePoints};
use clearing_core::rules::limits::SetLimits;
use clearing_core::rules::partner::SetPartnerState;
use clearing_core::rules::payment::{ConfirmPayment, Payment};
use clearing_core::rules::purchase::{PostPurchase, Spend};
use clearing_core::rules::redemption::{RedeemPoints, ReturnRedemption};
use clearing_core::rules::reversal::{ReversalTarget, ReverseIssue};
use clearing_core::rules::settlement::ConfirmSettlement;
use clearing_core::rules::terms::SetTerms;
use clearing_core::rules::transfer::TransferPoints;
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
        return_days: None,
        tender_value: Money(100),
        receipt_share: Rate::ONE,
    }
}

/// A coalition of RUB at two decimals.
pub fn coalition() -> Coalition {
    Coalition {
        id: "test".to_owned(),
        currency: "RUB".parse().unwrap(),
        scale: 2,
        default_terms: terms(Funding::AtRedemption),
        default_limits: Limits::default(),
        grace_days: 14,
        passed_over_grace_days: 0,
        recovery: Recovery::Any,
        open_consents: false,
        settlement_threshold: Money::ZERO,
        disclose_issuers: true,
        time_zone: jiff::tz::TimeZone::UTC,
        key_retention_days: 0,
        business_time_age_days: 0,
        notice_days: NoticeDays::default(),
        proposal_days: 7,
        account_change_days: 3,
        carry_windows_max: None,
        care_points: CARE_POINTS,
        pay_outs_wait: false,
        caps_need_cover: false,
    }
}

pub fn house(coalition: Coalition, partners: &[(&str, Terms)]) -> House {
    let operator = ("operator", coalition.default_terms.clone());
    let partners = partners.iter().cloned().chain([operator]).map(|(name, terms)| {
        let partner = Partner {
            id: id(name),
            display_name: name.to_owned(),
            state: PartnerState::Active,
            suspended_in: None,
            group: None,
            security: Security::default(),
            terms: vec![terms],
            limits: Limits::default(),
            state_no: 0,
            limits_no: 0,
        };
        (partner.id, partner)
    });
    let (calendar, revoked, people) = (Calendars::default(), Revoked::default(), People::default());
    House { coalition, partners: partners.collect(), calendar, revoked, people }
}

/// A, B, C and the operator under one funding, with an acceptance fee of 2 % that acceptors bear: the coalition of most
/// acceptance scenarios.
pub fn brands(funding: Funding) -> Play {
    let all = Terms { acceptance_fee: rate("0.02"), ..terms(funding) };
    let mut settings = coalition();
    settings.default_terms = all.clone();
    Play::new(house(settings, &[("A", all.clone()), ("B", all.clone()), ("C", all)]))
}

/// A, B, C, each with its own funding, and an operator under R; no fees.
pub fn mixed(a: Funding, b: Funding, c: Funding) -> Play {
    Play::new(house(coalition(), &[("A", terms(a)), ("B", terms(b)), ("C", terms(c))]))
}

/// A book that holds everything, with its clock.
#[derive(Debug, Clone)]
pub struct Play {
    pub book: Book,
    pub now: Timestamp,
    /// All entries in journal order.
    pub journal: Vec<(EntryId, Arc<Entry>)>,
    /// The book before the first of them.
    founded: Box<Book>,
    count: u128,
}

impl Play {
    pub fn new(house: House) -> Self {
        let mut book = Book::new(Arc::new(house), 1);
        book.windows.insert(1, Window::first(START));
        Self { founded: Box::new(book.clone()), book, now: START, journal: Vec::new(), count: 0 }
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
            fresh_salt: [7; 16],
            person: None,
            attachment: None,
            badge: None,
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

    pub fn operator(&mut self, command: Command) -> Result<Accepted, Rejection> {
        self.ask("operator", command)
    }

    /// Asks as the first of the operator's people, who is there from now on if nobody was.
    pub fn desk(&mut self, command: Command) -> Result<Accepted, Rejection> {
        let first: PersonId = "first".parse().unwrap();
        for book in [&mut self.book, &mut *self.founded] {
            if book.house.people.persons.is_empty() {
                Arc::make_mut(&mut book.house).people = People::first(first);
            }
        }
        let request = Request { person: Some(first), ..self.request(PartnerId::operator(), command) };
        self.execute(&request).result
    }

    /// Asks and gives the figures of the answer.
    pub fn reply(&mut self, caller: &str, command: Command) -> Result<MemberReply, Rejection> {
        self.ask(caller, command).map(|accepted| match accepted.reply {
            Reply::Member(reply) => reply,
            other @ (Reply::Abandoned(_) | Reply::House(_)) => panic!("not an answer on a member: {other:?}"),
        })
    }

    /// Asks and gives the reason of the refusal.
    pub fn refused(&mut self, caller: &str, command: Command) -> &'static str {
        self.ask(caller, command.clone())
            .map_or_else(|rejection| rejection.reason(), |_| panic!("{command:?} was accepted"))
    }

    /// Issues points and gives the entry.
    pub fn issue(&mut self, issuer: &str, member: &str, points: i64) -> EntryId {
        self.earn(issuer, member, Earn::points(Points(points)))
    }

    /// Issues points that expire at a time and gives the entry.
    pub fn issue_until(&mut self, issuer: &str, member: &str, points: i64, expires: Timestamp) -> EntryId {
        self.earn(issuer, member, Earn { expires: Some(expires), ..Earn::points(Points(points)) })
    }

    pub fn earn(&mut self, issuer: &str, member: &str, earn: Earn) -> EntryId {
        self.ask(issuer, Command::IssuePoints(IssuePoints { member: member_ref(member), earn })).unwrap().entries[0]
    }

    pub fn redeem(&mut self, acceptor: &str, member: &str, points: i64) -> Result<EntryId, Rejection> {
        self.ask(acceptor, redeem(member, points)).map(|accepted| accepted.entries[0])
    }

    pub fn give_back(&mut self, acceptor: &str, redemption: EntryId, points: i64) -> Result<Accepted, Rejection> {
        self.ask(acceptor, Command::ReturnRedemption(ReturnRedemption { redemption, points: Points(points) }))
    }

    /// Reserves points for a week.
    pub fn authorize(&mut self, acceptor: &str, member: &str, points: i64) -> Result<EntryId, Rejection> {
        let lapses = self.now.plus_days(7);
        self.ask(acceptor, authorize(member, points, lapses)).map(|accepted| accepted.entries[0])
    }

    pub fn capture(&mut self, acceptor: &str, hold: EntryId, points: i64) -> Result<Accepted, Rejection> {
        self.ask(acceptor, Command::CaptureHold(CaptureHold { hold, points: Points(points) }))
    }

    pub fn void(&mut self, acceptor: &str, hold: EntryId) -> Result<Accepted, Rejection> {
        self.ask(acceptor, Command::VoidHold(VoidHold { hold }))
    }

    /// Takes points of an issue back, letting what is gone become a debt.
    pub fn reverse(&mut self, issuer: &str, issue: EntryId, points: i64) -> Result<Reversed, Rejection> {
        self.reply(issuer, reverse(issue, points)).map(|reply| reply.reversed.unwrap())
    }

    pub fn transfer(&mut self, by: &str, from: &str, to: &str, points: i64) -> Result<Accepted, Rejection> {
        self.ask(by, transfer(from, to, points))
    }

    pub fn decay(&mut self, member: &str, share: &str, period: &str) -> Result<Accepted, Rejection> {
        self.ask("operator", decay(member, share, period, None))
    }

    pub fn set_limits(&mut self, partner: &str, limits: Limits) {
        self.operator(Command::SetLimits(SetLimits { partner: id(partner), limits })).unwrap();
    }

    /// Sets a net debit cap, in hundredths, and no other limit.
    pub fn set_cap(&mut self, partner: &str, cap: i64) {
        self.set_limits(partner, Limits { net_debit_cap: Some(Money(cap)), ..Limits::default() });
    }

    pub fn set_state(&mut self, partner: &str, state: PartnerState) {
        self.operator(Command::SetPartnerState(SetPartnerState { partner: id(partner), state })).unwrap();
    }

    pub fn set_terms(&mut self, partner: &str, terms: TermsDraft) {
        self.operator(Command::SetTerms(SetTerms { partner: id(partner), terms, effective: None })).unwrap();
    }

    /// Lets `partner` issue at the cost of `funder`.
    pub fn consent(&mut self, funder: &str, partner: &str, budget: Option<i64>) {
        self.operator(consent(funder, partner, budget)).unwrap();
    }

    /// Closes the open window and gives its number.
    pub fn close(&mut self) -> u32 {
        let window = self.book.open_window;
        self.operator(Command::CloseWindow(CloseWindow { expected: None })).unwrap();
        window
    }

    pub fn confirm(&mut self, window: u32) {
        self.operator(Command::ConfirmSettlement(ConfirmSettlement { window })).unwrap();
    }

    /// Confirms the payment of a leg in full.
    pub fn pay(&mut self, window: u32, partner: &str) -> Result<Accepted, Rejection> {
        self.operator(Command::ConfirmPayment(ConfirmPayment::of(window, Payment::Hub(id(partner)))))
    }

    /// Closes the open window and pays all that is due for it, the debtors first; then runs what this made due.
    pub fn settle(&mut self) {
        let window = self.close();
        self.confirm(window);
        while let Some(partner) = self.next_to_pay(window) {
            self.pay(window, partner.as_str()).unwrap();
        }
        self.run_due();
    }

    /// Whose leg of a settlement is paid next, debtors first: one payment may pay others, and money that is there already pays
    /// by itself.
    pub fn next_to_pay(&self, window: u32) -> Option<PartnerId> {
        let settlement = self.book.windows.get(&window)?.settlement.as_ref()?;
        let due = settlement.legs.iter().filter(|(_, leg)| !leg.due.is_zero() && settlement.is_payable());
        due.map(|(partner, leg)| (leg.due, *partner)).min().map(|(_, partner)| partner)
    }

    /// Runs everything that is due by now.
    pub fn run_due(&mut self) {
        loop {
            let due = self.book.members.keys().copied().find(|member| self.book.is_due(*member, self.now));
            let Some(member) = due else { return };
            let mut request = self.request(PartnerId::operator(), Command::RunDueWork(RunDueWork { member }));
            request.request_id = None;
            let written = self.journal.len();
            self.execute(&request).result.unwrap();
            // When something is due next is a bound: at times nothing is, and the bound moves on.
            let done = self.journal.len() > written || !self.book.is_due(member, self.now);
            assert!(done, "something is due for {member}, and nothing was done");
        }
    }

    /// Runs the house's own work for partners that is due by now: charges by schedule, and caps whose guarantees have ended.
    pub fn run_due_of_partners(&mut self) {
        loop {
            let charged = self.book.charges_due(self.now).next().map(clearing_core::command::charges_of);
            let lowered = || self.book.caps_to_lower(self.now).next().map(clearing_core::command::lower_cap_of);
            let Some(command) = charged.or_else(lowered) else { return };
            let mut request = self.request(PartnerId::operator(), command);
            request.request_id = None;
            let written = self.journal.len();
            self.execute(&request).result.unwrap();
            assert!(self.journal.len() > written, "{request:?} is due, and nothing was done");
        }
    }

    /// Lets time pass up to a moment and runs what is due by then.
    pub fn wait_until(&mut self, time: Timestamp) {
        self.now = time;
        self.run_due();
        self.run_due_of_partners();
    }

    /// The kinds of the entries written from one place in the journal on.
    pub fn kinds_from(&self, written: usize) -> Vec<&'static str> {
        self.journal[written..].iter().map(|(_, entry)| entry.kind.as_str()).collect()
    }

    pub fn member(&self, name: &str) -> MemberId {
        self.book.find_member(member_ref(name)).unwrap()
    }

    pub fn available(&self, name: &str) -> i64 {
        i64::try_from(self.book.members[&self.member(name)].available()).unwrap()
    }

    pub fn owed(&self, name: &str) -> i64 {
        self.book.members[&self.member(name)].owed().0
    }

    pub fn pending(&self, name: &str) -> i64 {
        self.book.members[&self.member(name)].pending().0
    }

    pub fn held(&self, name: &str) -> i64 {
        self.book.members[&self.member(name)].held().0
    }

    /// The lot that an issue made, if it made one.
    pub fn lot_of(&self, issue: EntryId) -> &clearing_core::facts::lot::Lot {
        let lot = self.book.entries[&issue].lots.iter().find(|moved| moved.birth.is_some()).unwrap().lot;
        &self.book.lots[&lot]
    }

    /// What an entry did to lots: issuer and net points, in the order it happened.
    pub fn parts(&self, entry: EntryId) -> Vec<(String, i64)> {
        let lots = self.book.entries[&entry].lots.iter();
        lots.map(|moved| (moved.issuer.to_string(), moved.net().unwrap().0)).filter(|(_, net)| *net != 0).collect()
    }

    /// The postings in points of the entries written from one place in the journal on, summed; members by their names.
    pub fn points_from(&self, written: usize, names: &[&str]) -> BTreeMap<String, i64> {
        let mut sums: BTreeMap<String, i64> = BTreeMap::new();
        for posting in self.journal[written..].iter().flat_map(|(_, entry)| &entry.points) {
            let mut account = posting.account.to_string();
            for name in names {
                if let Ok(member) = self.book.find_member(member_ref(name)) {
                    account = account.replace(&member.to_string(), name);
                }
            }
            *sums.entry(account).or_default() += posting.points.0;
        }
        sums.retain(|_, sum| *sum != 0);
        sums
    }

    /// The postings in money of the entries written from one place in the journal on, summed.
    pub fn money_from(&self, written: usize) -> BTreeMap<String, i64> {
        let mut sums: BTreeMap<String, i64> = BTreeMap::new();
        for posting in self.journal[written..].iter().flat_map(|(_, entry)| &entry.money) {
            *sums.entry(posting.account.to_string()).or_default() += posting.amount.0;
        }
        sums.retain(|_, sum| *sum != 0);
        sums
    }

    /// Whether an entry of a kind was written.
    pub fn wrote(&self, kind: EntryKind) -> bool {
        self.journal.iter().any(|(_, entry)| entry.kind == kind)
    }

    /// Ends a test: the books balance, and the journal gives the same book again.
    pub fn assert_sound(&self) {
        assert_eq!(audit::check(&self.book), vec![]);
        assert_eq!(audit::compare(&self.book, &self.rebuilt()), vec![]);
    }

    /// The balances in money that are not zero.
    pub fn money(&self) -> BTreeMap<String, i64> {
        let balances = self.book.money_balances.iter().filter(|(_, balance)| !balance.is_zero());
        balances.map(|(account, balance)| (account.to_string(), balance.0)).collect()
    }

    /// A book to which every entry of the journal was applied.
    pub fn rebuilt(&self) -> Book {
        self.rebuilt_from(&self.journal)
    }

    /// A book to which these entries were applied.
    pub fn rebuilt_from(&self, journal: &[(EntryId, Arc<Entry>)]) -> Book {
        let mut book = Book::clone(&self.founded);
        // Tests change the settings by hand, before anything is asked.
        Arc::make_mut(&mut book.house).coalition = self.book.house.coalition.clone();
        for (id, entry) in journal {
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

pub fn issue(member: &str, points: i64) -> Command {
    Command::IssuePoints(IssuePoints { member: member_ref(member), earn: Earn::points(Points(points)) })
}

pub fn redeem(member: &str, points: i64) -> Command {
    Command::RedeemPoints(RedeemPoints { member: member_ref(member), points: Points(points) })
}

pub fn authorize(member: &str, points: i64, lapses: Timestamp) -> Command {
    Command::AuthorizeRedemption(AuthorizeRedemption { member: member_ref(member), points: Points(points), lapses })
}

pub fn reverse(issue: EntryId, points: i64) -> Command {
    Command::ReverseIssue(ReverseIssue {
        target: ReversalTarget::Entry(issue),
        points: Points(points),
        refuse_shortfall: false,
    })
}

pub fn decay(member: &str, share: &str, period: &str, inactive_since: Option<Timestamp>) -> Command {
    let (member, period) = (member_ref(member), Code::new(period).unwrap());
    Command::RunDecay(RunDecay { member, rate: rate(share), period, inactive_since })
}

pub fn transfer(from: &str, to: &str, points: i64) -> Command {
    let (member, to) = (member_ref(from), member_ref(to));
    Command::TransferPoints(TransferPoints { member, to, points: Points(points), enrol_receiver: true })
}

/// A purchase that spends and earns, nothing where there are no points.
pub fn purchase(member: &str, spend: i64, earn: i64) -> Command {
    Command::PostPurchase(PostPurchase {
        member: member_ref(member),
        spend: (spend > 0).then_some(Spend::Redeem(Points(spend))),
        earn: (earn > 0).then(|| Earn::points(Points(earn))),
    })
}

/// Lets `partner` issue at the cost of `funder`.
pub fn consent(funder: &str, partner: &str, budget: Option<i64>) -> Command {
    let (granted, budget) = (Some(true), budget.map(Points));
    Command::SetFundingConsent(SetFundingConsent { funder: id(funder), partner: id(partner), granted, budget })
}

/// What accounts hold, to be compared: names and amounts.
pub fn sums(amounts: &[(&str, i64)]) -> BTreeMap<String, i64> {
    amounts.iter().map(|(account, amount)| ((*account).to_owned(), *amount)).collect()
}

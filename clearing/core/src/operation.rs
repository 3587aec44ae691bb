//! Operations: what may be asked of the house, each a type in the room of its rules.
//!
//! An operation says what it is called, how it passes the gate, what must be in the book before it is decided, whom it is
//! about, and what it comes to. It changes nothing: the book writes what was decided ([`Book::execute`]). No operation is
//! named here; the one list of them is in `crate::command`.

use std::collections::{BTreeMap, BTreeSet};

use crate::book::Book;
use crate::chart::{BankPurpose, MoneyAccount};
use crate::facts::answer::{Abandoned, HouseReply, Reversed};
use crate::facts::coalition::House;
use crate::facts::credential::{Badge, Holder, Serial};
use crate::facts::entry::{Entry, EntryDraft, EntryKind};
use crate::facts::member::MemberRef;
use crate::facts::money::BankKey;
use crate::facts::origin::{Code, Origin};
use crate::facts::person::{PersonId, Role, Roles};
use crate::facts::receipt::{Receipt, ReceiptLine, Side};
use crate::rejection::Rejection;
use crate::units::{
    EntryId, Hash, IdentifierHash, InviteId, MemberId, PartnerId, Points, Rate, RequestId, Timestamp, WindowNumber,
};

/// How an operation passes the gate that all batches of the house pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// Beside others, behind the locks of its own rows.
    Shared,
    /// Alone, with all balances in the book: the close, and what changes what every batch reads once it has passed.
    Alone,
}

/// Who asks, under which key, at what time.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    pub caller: PartnerId,
    /// Who of the operator's people.
    pub person: Option<PersonId>,
    pub request_id: Option<RequestId>,
    pub origin: &'a Origin,
    /// The id that a member gets if this operation enrols one.
    pub fresh_member: MemberId,
    /// Of the commitment to the link of that member's identifier.
    pub fresh_salt: [u8; 16],
    pub now: Timestamp,
    /// The certificate that was shown.
    pub badge: Option<&'a Badge>,
}

impl Ask<'_> {
    /// Who asks: a partner, or a person of the operator.
    pub fn holder(&self) -> Holder {
        self.badge.map_or(Holder::partner(self.caller), |badge| badge.holder)
    }

    /// Whether the operator asks as a brand, which may do nothing of the house: with a certificate of `partner/operator`.
    pub fn is_operators_brand(&self) -> bool {
        self.caller.is_operator() && self.badge.is_some_and(|badge| badge.holder == Holder::partner(self.caller))
    }

    /// What the machine's clock says, by which certificates begin and end.
    pub fn machine(&self) -> Timestamp {
        self.badge.map_or(self.now, |badge| badge.now)
    }
}

impl Ask<'_> {
    /// The key that a request of who asks is kept under.
    pub fn key(&self, request: RequestId) -> (PartnerId, RequestId) {
        (self.caller, self.person.map_or(request, |person| person.key(request)))
    }
}

/// One kind of wish.
pub trait Operation {
    /// The word of the RPC, the scenario and the log.
    const NAME: &'static str;
    const GATE: Gate = Gate::Shared;
    /// Which roles may ask it, of the operator's people: who has one of them.
    const ROLES: Roles = Roles::of(&[Role::Clerk]);
    /// Whether it stands on the list of what two persons do together.
    const TWO_PERSONS: bool = false;
    /// Whether the operator asks it as one of its people alone, never as a brand; partners ask it as ever.
    const OF_PEOPLE: bool = false;

    /// Looks at the message alone.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`
    fn check(&self) -> Result<(), Rejection> {
        Ok(())
    }

    /// How it passes the gate.
    fn gate(&self) -> Gate {
        Self::GATE
    }

    /// Of what stands on the list of two persons, whether this one waits for the second: what stops somebody never does.
    fn waits(&self, _book: &Book, _ask: &Ask<'_>) -> bool {
        Self::TWO_PERSONS
    }

    /// The version of what stands where it would write, in bytes. A proposal of it is stale once that is another one: of what came
    /// back to the same value as well.
    fn found(&self, _book: &Book) -> Vec<u8> {
        Vec::new()
    }

    /// Another request of the caller's whose fate is asked for.
    fn concerns(&self) -> Option<RequestId> {
        None
    }

    /// Whom it is about, of what the operator asks of the house; none of what a till asks, or the house itself.
    fn subject(&self) -> Option<Subject> {
        None
    }

    /// Why it is asked for, where the message says it.
    fn reason(&self) -> Option<&Code> {
        None
    }

    /// Notes what must be in the book, and locked, before it is admitted and decided. It is asked of any message that
    /// [`check`](Self::check) passed, also of what nobody knows.
    fn footprint(&self, ask: &Ask<'_>, needs: &mut Footprint<'_>);

    /// Whether the caller may ask this at all, and of whom: the due work of these members runs before it is decided.
    ///
    /// # Errors
    /// What does not hang on due work, in the published order of [`Rejection`].
    fn admit(&self, _book: &Book, _ask: &Ask<'_>) -> Result<Admitted, Rejection> {
        Ok(Admitted::default())
    }

    /// What it comes to.
    ///
    /// # Errors
    /// Why the rules say no, in the published order of [`Rejection`].
    fn decide(&self, book: &Book, ask: &Ask<'_>, who: &Admitted) -> Result<Decision, Rejection>;
}

/// Whom and what an operation of the operator is about, as its message says it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subject {
    pub partners: Vec<PartnerId>,
    pub member: Option<MemberRef>,
    pub window: Option<WindowNumber>,
    /// Of the operator's people.
    pub person: Option<PersonId>,
}

impl Subject {
    pub fn person(person: PersonId) -> Self {
        Self { person: Some(person), ..Self::default() }
    }

    pub fn partner(partner: PartnerId) -> Self {
        Self { partners: vec![partner], ..Self::default() }
    }

    pub fn window(window: WindowNumber) -> Self {
        Self { window: Some(window), ..Self::default() }
    }

    pub fn member(member: MemberRef) -> Self {
        Self { member: Some(member), ..Self::default() }
    }

    #[must_use]
    pub fn and(mut self, partners: impl IntoIterator<Item = PartnerId>) -> Self {
        self.partners.extend(partners);
        self
    }
}

/// Whom an operation is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Admitted {
    /// In the order in which their due work runs; the first is the one whose figures are answered.
    pub members: Vec<MemberId>,
    /// The identifier of the last of them, if the operation enrols it.
    pub newcomer: Option<IdentifierHash>,
    /// Whether points of the first are spent, held or given away at its own wish: what may keep it from that is looked at
    /// once for all such operations, before due work runs.
    pub spends: bool,
}

impl Admitted {
    pub fn of(member: MemberId) -> Self {
        Self { members: vec![member], newcomer: None, spends: false }
    }

    /// A member that spends.
    pub fn spender(member: MemberId) -> Self {
        Self { spends: true, ..Self::of(member) }
    }

    /// Of a member, or of whoever is enrolled under an identifier that nobody has.
    pub fn or_fresh(book: &Book, member: MemberRef, fresh: MemberId) -> Result<Self, Rejection> {
        let (member, newcomer) = book.find_or_fresh(member, fresh)?;
        Ok(Self { newcomer, ..Self::of(member) })
    }

    /// The one member of an operation that has one.
    pub fn member(&self) -> MemberId {
        *self.members.first().expect("an operation on a member was admitted with it")
    }
}

/// What an operation comes to: entries, and what its answer tells besides them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// In the order in which they are written. Each was checked behind those before it.
    pub entries: Vec<Entry>,
    /// Whose released points expire and whose debts are paid behind the entries.
    pub settles: Option<MemberId>,
    pub tells: Tells,
}

/// What an answer tells besides its entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tells {
    Member(OfMember),
    /// What became of a request that was abandoned.
    Abandoned(RequestId, Abandoned),
    House(HouseReply),
}

/// Of which member the figures are told, and what else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OfMember {
    pub member: MemberId,
    /// What of a redemption can still be returned.
    pub returnable: Points,
    /// What a reversal did.
    pub reversed: Option<Reversed>,
    /// Whether the answer names the due work: nothing else was asked for.
    pub names_due: bool,
}

impl Decision {
    /// Entries of a member, behind which nothing follows by itself.
    pub fn of_member(member: MemberId, entries: Vec<Entry>) -> Self {
        let figures = OfMember { member, returnable: Points::ZERO, reversed: None, names_due: false };
        Self { entries, settles: None, tells: Tells::Member(figures) }
    }

    /// Lets what points that came back bring about follow: their expiry, and the payment of debts.
    #[must_use]
    pub fn settling(self, member: MemberId) -> Self {
        Self { settles: Some(member), ..self }
    }

    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut OfMember)) -> Self {
        if let Tells::Member(figures) = &mut self.tells {
            change(figures);
        }
        self
    }

    /// Entries of the house.
    pub fn of_house(entries: Vec<Entry>, reply: HouseReply) -> Self {
        Self { entries, settles: None, tells: Tells::House(reply) }
    }
}

/// How much of a member's lots an operation needs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Depth {
    /// The sum of what is taken in consumption order.
    pub points: Points,
    /// How many times something is taken.
    pub takings: usize,
    /// Something is taken in another order, so that how many lots are passed is open.
    pub all: bool,
    /// Something is taken of every lot.
    pub every: bool,
}

impl Depth {
    /// Needs of one batch at one member add up.
    pub fn add(&mut self, other: &Self) {
        self.points = Points(self.points.0.saturating_add(other.points.0));
        self.takings += other.takings;
        self.all |= other.all;
        self.every |= other.every;
    }
}

/// What must be in the book, and locked, before operations are decided. Plain data: which rows these are and in what order
/// they are locked is the store's.
#[derive(Debug, Clone)]
pub struct Footprint<'a> {
    house: &'a House,
    /// Members whose rows are needed.
    pub members: BTreeMap<MemberRef, Depth>,
    /// Who may be enrolled.
    pub enrolling: BTreeSet<MemberRef>,
    /// Entries whose points are given back or stay where they are. Of redemptions among them and in `taking` it is known what
    /// was returned.
    pub giving: BTreeSet<EntryId>,
    /// Entries that are taken back, which takes of their members' lots what is there.
    pub taking: BTreeSet<EntryId>,
    /// Issues that stand for a purchase, of which it must be known what was returned.
    pub purchases: BTreeSet<EntryId>,
    /// The newest lots of an issuer at a member.
    pub newest: BTreeSet<(MemberRef, PartnerId)>,
    /// Receipts that are booked.
    pub receipts: BTreeSet<Receipt>,
    /// Those of which points may pay a share only: all that was spent on them counts.
    pub shared_receipts: BTreeSet<Receipt>,
    /// Receipts whose issues are reversed.
    pub reversed_receipts: BTreeSet<Receipt>,
    /// Requests that are abandoned.
    pub abandoned: BTreeSet<(PartnerId, RequestId)>,
    /// Partners whose limits are checked, beside the callers and those that members have to do with.
    pub guards: BTreeSet<PartnerId>,
    /// Consents of a funder to a partner.
    pub consents: BTreeSet<(PartnerId, PartnerId)>,
    /// People of the operator, with what they gave to members again.
    pub care: BTreeSet<PersonId>,
    /// Windows with their settlements.
    pub windows: BTreeSet<WindowNumber>,
    /// Whether the window that is open is one of them: by how much legs of earlier windows move is counted with it.
    pub open_window: bool,
    /// Windows of which it must be known what points wait for the payment of their settlements.
    pub funding: BTreeSet<WindowNumber>,
    /// Balances in money that are read, besides those that limits are checked against. All others are only added to.
    pub balances: BTreeSet<MoneyAccount>,
    /// Balances that the answer or a fact tells. They are not locked: a batch at whose end they are not what they were taken
    /// for runs again.
    pub told: BTreeSet<MoneyAccount>,
    /// Invites, and the credentials that came of them.
    pub invites: BTreeSet<InviteId>,
    /// Credentials that are renewed, with the keys of their successors: if one of that key is there, it is needed as well.
    pub renewed: BTreeSet<(Serial, Hash)>,
    /// Credentials of which all of the line is needed, with the invites that were made with these and are not used. Where
    /// nothing else is at work only.
    pub lines: BTreeSet<Serial>,
    /// Holders of which the first credentials are needed that have not ended by a moment, by serial number, and the first invites
    /// that are not used, by id, as many as [`HOLDINGS_TOLD_MAX`]. Where nothing else is at work only.
    pub holders: BTreeSet<(Holder, Timestamp)>,
    /// Proposals that are decided.
    pub proposals: BTreeSet<EntryId>,
    /// Of which contents the open proposal is looked for.
    pub proposed: BTreeSet<Hash>,
    /// Partners whose legal records are needed.
    pub legal: BTreeSet<PartnerId>,
    /// Partners of whose bank accounts the last version is needed, and that which is in force.
    pub bank_accounts: BTreeSet<PartnerId>,
    /// Whether all settlements are needed of which something may be due still, with the balances of their legs, what waits for
    /// them, and the open claims: a payment may pay older legs and claims out of credits.
    pub settling: bool,
    /// Of whom all money is needed that arrived and is open or not seen, and that goes out and is not seen, with its claim.
    pub money_of: BTreeSet<Option<PartnerId>>,
    /// Lines of the bank's statements, with what they tell of.
    pub bank_lines: BTreeSet<BankKey>,
    /// Entries of payments, with the money that they moved.
    pub payments: BTreeSet<EntryId>,
    /// Pay-outs of legs.
    pub paid_out: BTreeSet<(WindowNumber, PartnerId)>,
    /// Partners of whom all charges by schedule are needed.
    pub charges: BTreeSet<PartnerId>,
    /// Gross obligations of an issuer in a window.
    pub gross: BTreeSet<(WindowNumber, PartnerId)>,
}

/// Credentials and invites of one holder that a revocation tells.
pub const HOLDINGS_TOLD_MAX: usize = 1_000;

impl<'a> Footprint<'a> {
    pub fn new(house: &'a House) -> Self {
        Self {
            house,
            members: BTreeMap::new(),
            enrolling: BTreeSet::new(),
            giving: BTreeSet::new(),
            taking: BTreeSet::new(),
            purchases: BTreeSet::new(),
            newest: BTreeSet::new(),
            receipts: BTreeSet::new(),
            shared_receipts: BTreeSet::new(),
            reversed_receipts: BTreeSet::new(),
            abandoned: BTreeSet::new(),
            guards: BTreeSet::new(),
            consents: BTreeSet::new(),
            care: BTreeSet::new(),
            windows: BTreeSet::new(),
            open_window: false,
            funding: BTreeSet::new(),
            balances: BTreeSet::new(),
            told: BTreeSet::new(),
            invites: BTreeSet::new(),
            renewed: BTreeSet::new(),
            lines: BTreeSet::new(),
            holders: BTreeSet::new(),
            proposals: BTreeSet::new(),
            proposed: BTreeSet::new(),
            legal: BTreeSet::new(),
            bank_accounts: BTreeSet::new(),
            settling: false,
            money_of: BTreeSet::new(),
            bank_lines: BTreeSet::new(),
            payments: BTreeSet::new(),
            paid_out: BTreeSet::new(),
            charges: BTreeSet::new(),
            gross: BTreeSet::new(),
        }
    }

    /// A member's row, and of its lots nothing but what tells of its next expiry.
    pub fn member(&mut self, member: MemberRef) -> &mut Depth {
        self.members.entry(member).or_default()
    }

    /// Points that are taken of a member in consumption order.
    pub fn takes(&mut self, member: MemberRef, points: Points) {
        let depth = self.member(member);
        depth.points = Points(depth.points.0.saturating_add(points.0.max(0)));
        depth.takings += 1;
    }

    /// A member that is enrolled if nobody knows it.
    pub fn enrols(&mut self, member: MemberRef) {
        self.member(member);
        self.enrolling.insert(member);
    }

    /// An entry whose points are given back.
    pub fn gives_back(&mut self, entry: EntryId) {
        if !self.taking.contains(&entry) {
            self.giving.insert(entry);
        }
    }

    /// An entry whose points are taken back.
    pub fn takes_back(&mut self, entry: EntryId) {
        self.giving.remove(&entry);
        self.taking.insert(entry);
    }

    /// The receipt that an operation is booked with, if its origin names one.
    pub fn books(&mut self, ask: &Ask<'_>) {
        let zone = &self.house.coalition.time_zone;
        if let Some(line) = ReceiptLine::of(ask.caller, ask.origin, Side::Spend, ask.now, zone) {
            let terms = self.house.partners.get(&ask.caller).map(|partner| partner.terms_at(ask.now));
            if terms.is_some_and(|terms| terms.receipt_share < Rate::ONE) {
                self.shared_receipts.insert(line.receipt.clone());
            }
            self.receipts.insert(line.receipt);
        }
    }

    /// A settlement of which the legs of these participants move, and what pays for points that wait with it.
    pub fn moves_legs(&mut self, window: WindowNumber, participants: impl Iterator<Item = PartnerId>) {
        self.windows.insert(window);
        self.open_window = true;
        self.funding.insert(window);
        for participant in participants {
            self.balances.insert(MoneyAccount::Settle(window, participant));
            self.guards.insert(participant);
        }
    }

    /// A settlement of which legs are paid, and whatever may be paid out of its credits then.
    pub fn pays_legs(&mut self, window: Option<WindowNumber>) {
        self.windows.extend(window);
        self.funding.extend(window);
        self.open_window = true;
        self.settling = true;
        self.balances.extend(BankPurpose::FUNDS.map(MoneyAccount::Bank));
    }

    /// Money of a partner, or of nobody knows whom, and the line of a statement that tells of it.
    pub fn money(&mut self, partner: Option<PartnerId>, line: Option<&BankKey>) {
        self.money_of.insert(partner);
        self.bank_lines.extend(line.cloned());
    }

    /// Money of all partners.
    pub fn money_of_all(&mut self) {
        let house = self.house;
        self.money_of.extend(house.partners.keys().copied().map(Some));
    }

    /// As [`moves_legs`](Self::moves_legs), of all who may have one.
    pub fn moves_all_legs(&mut self, window: WindowNumber) {
        let house = self.house;
        self.moves_legs(window, house.partners.keys().copied());
    }

    /// The certificates of the clerks that are no approvers.
    pub fn clerks(&mut self, ask: &Ask<'_>) {
        let clerks = self.house.people.with_role(Role::Clerk, ask.now);
        let clerks = clerks.filter(|(_, roles)| !roles.has(Role::Approver));
        self.holders.extend(clerks.map(|(person, _)| (Holder::of_person(person), ask.machine())));
    }

    /// The funders of an issue that the caller asks for.
    pub fn funders(&mut self, caller: PartnerId, funders: &[(PartnerId, u32)]) {
        for (funder, _) in funders {
            self.guards.insert(*funder);
            if *funder != caller {
                self.consents.insert((*funder, caller));
            }
        }
    }
}

impl Book {
    /// An entry in the making that an operation asks for.
    pub(crate) fn draft(&self, kind: EntryKind, ask: &Ask<'_>) -> EntryDraft {
        let currency = self.house.coalition.currency;
        EntryDraft::new(kind, self.open_window, ask.now, currency, ask.caller).asked_by(ask.request_id, ask.origin)
    }
}

/// A decision of the house whose one entry records all that its answer tells.
pub(crate) fn decided(book: &Book, draft: EntryDraft) -> Result<Decision, Rejection> {
    Ok(Decision::of_house(vec![book.finish(draft)?], HouseReply::Entries))
}

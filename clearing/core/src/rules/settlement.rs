//! Windows and their settlement: the close, confirmation, orders, payments, abort; deposits into the funds.
//!
//! | window | settlement | means |
//! |---|---|---|
//! | OPEN | - | takes entries |
//! | CLOSED | PROPOSED, CONFIRMED, EXPORTED, ABORTED | has its legs; nothing was paid |
//! | SETTLING | PARTLY_PAID | a payment was confirmed |
//! | SETTLED | SETTLED | every leg is paid; final |

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::book::Book;
use crate::chart::{BankPurpose, MoneyAccount, Purpose};
use crate::command::{HouseReply, OrderParty, Payment};
use crate::facts::entry::{Entry, EntryKind};
use crate::facts::proof::{ClassAmounts, MoneyClass, Proof, balances_by_class};
use crate::facts::{ExportFacts, Fact, PaymentFacts};
use crate::netting::{self, Order};
use crate::operation::{Admitted, Ask, Command, Decision, Footprint, Gate, Operation};
use crate::rejection::Rejection;
use crate::units::{Money, Overflow, PartnerId, Timestamp, WindowNumber};

/// How a settlement is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub enum OrderMode {
    /// Each leg against the settlement account.
    Hub,
    /// Debtors to creditors.
    Pairwise,
}

impl OrderMode {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hub => "HUB",
            Self::Pairwise => "PAIRWISE",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Hub, Self::Pairwise].into_iter().find(|mode| mode.as_str() == text)
    }
}

/// What has become of a window (see the module).
///
/// Rule: window-states
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WindowState {
    Open,
    Closed,
    Settling,
    Settled,
}

impl WindowState {
    const ALL: [Self; 4] = [Self::Open, Self::Closed, Self::Settling, Self::Settled];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Closed => "CLOSED",
            Self::Settling => "SETTLING",
            Self::Settled => "SETTLED",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// What has become of a settlement (see the module).
///
/// Rule: settlement-states
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SettlementState {
    Proposed,
    Confirmed,
    Exported,
    PartlyPaid,
    Settled,
    Aborted,
}

impl SettlementState {
    const ALL: [Self; 6] =
        [Self::Proposed, Self::Confirmed, Self::Exported, Self::PartlyPaid, Self::Settled, Self::Aborted];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Proposed => "PROPOSED",
            Self::Confirmed => "CONFIRMED",
            Self::Exported => "EXPORTED",
            Self::PartlyPaid => "PARTLY_PAID",
            Self::Settled => "SETTLED",
            Self::Aborted => "ABORTED",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LegState {
    Due,
    Paid,
}

impl LegState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Due => "DUE",
            Self::Paid => "PAID",
        }
    }
}

/// One participant's amount in a settlement: below zero it pays, above it is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leg {
    pub amount: Money,
    /// What of it is not paid yet, with the same sign.
    pub due: Money,
}

impl Leg {
    pub fn state(&self) -> LegState {
        if self.due.is_zero() { LegState::Paid } else { LegState::Due }
    }
}

/// A participant's position over a window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ParticipantWindow {
    /// What was carried into the window.
    pub opening: Money,
    /// What stays in the position after the close and opens the next window.
    pub carried: Money,
}

/// The netted result of a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    pub state: SettlementState,
    pub legs: BTreeMap<PartnerId, Leg>,
    /// How it is paid, once it was exported or a payment was confirmed.
    pub mode: Option<OrderMode>,
    pub orders: Vec<Order>,
    /// Gross obligations of the window.
    pub gross: Money,
    /// What pairwise orders over the legs add up to, whatever the mode.
    pub pairwise: Money,
    pub proof: Proof,
}

impl Settlement {
    pub fn saved(&self) -> Option<i64> {
        netting::saved(self.gross, self.pairwise)
    }

    fn paid_total(&self) -> Money {
        let paid = |leg: &Leg| Money((leg.amount.0 - leg.due.0).abs());
        netting::report_sum(self.legs.values().map(paid))
    }
}

/// A window: the period whose positions settle together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    pub number: WindowNumber,
    pub state: WindowState,
    pub opened: Timestamp,
    pub closed: Option<Timestamp>,
    pub participants: BTreeMap<PartnerId, ParticipantWindow>,
    /// The balances of all accounts in money but positions when the window opened, by class.
    pub opening: ClassAmounts,
    /// By how much the legs of earlier windows have moved since.
    pub legs_moved: i128,
    /// Once it is closed.
    pub settlement: Option<Settlement>,
}

impl Window {
    /// The first window of a coalition.
    pub fn first(opened: Timestamp) -> Self {
        Self {
            number: 1,
            state: WindowState::Open,
            opened,
            closed: None,
            participants: BTreeMap::new(),
            opening: ClassAmounts::new(),
            legs_moved: 0,
            settlement: None,
        }
    }
}

/// What a close would settle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    pub positions: BTreeMap<PartnerId, Money>,
    pub legs: BTreeMap<PartnerId, Money>,
    pub carried: BTreeMap<PartnerId, Money>,
    pub gross: Money,
    pub pairwise: Money,
}

/// Closes the open window, for which its entry moves the legs out of the positions, and opens the next. Costs O(partners): it
/// sums nothing.
///
/// Rule: close
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct CloseWindow {
    /// The scheduler names the window it means, so that two of them close it once.
    pub expected: Option<WindowNumber>,
}

impl Operation for CloseWindow {
    const NAME: &'static str = "CloseWindow";
    const GATE: Gate = Gate::Alone;

    fn footprint(&self, _: &Ask<'_>, _: &mut Footprint<'_>) {}

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        if self.expected.is_some_and(|expected| expected != book.open_window) {
            return Ok(Decision::of_house(Vec::new(), HouseReply::default()));
        }
        let number = book.open_window;
        let preview = book.preview()?;
        let mut draft = book.draft(EntryKind::Close, ask);
        for (partner, leg) in &preview.legs {
            draft.post_money(MoneyAccount::Position(*partner), Purpose::Settlement, -i128::from(leg.0));
            draft.post_money(MoneyAccount::Settle(number, *partner), Purpose::Settlement, i128::from(leg.0));
        }
        let entry = book.finish(draft)?;
        let window = book.windows.get(&number).expect("the open window is in the book");
        let proof = book.proof(window, &preview.legs, &preview.carried);
        assert!(proof.holds(), "the books of window {number} do not balance: {proof:?}");
        Ok(about(number, vec![entry]))
    }
}

/// What closes a window, unless it is closed already.
pub fn close_of(window: WindowNumber) -> Command {
    CloseWindow { expected: Some(window) }.into()
}

/// Says that a settlement is right, so that it may be paid.
///
/// Rule: confirm
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ConfirmSettlement {
    pub window: WindowNumber,
}

impl Operation for ConfirmSettlement {
    const NAME: &'static str = "ConfirmSettlement";
    const GATE: Gate = Gate::Alone;

    fn footprint(&self, _: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.windows.insert(self.window);
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let window = self.window;
        let settlement = book.settlement(window)?;
        if settlement.state != SettlementState::Proposed {
            let state = settlement.state.as_str().to_owned();
            return Err(Rejection::SettlementNotProposed { window, state });
        }
        let mut written = vec![book.finish(book.draft(EntryKind::Confirm, ask).with(Fact::Confirmed(window)))?];
        // Who has nothing to pay has paid.
        let waiting = book.waiting_issuers(window);
        for issuer in waiting.into_iter().filter(|issuer| !settlement.legs.contains_key(issuer)) {
            written.extend(book.fund_entry(ask, window, issuer)?);
        }
        Ok(about(window, written))
    }
}

/// Fixes how a settlement is paid and lists its orders. Once something is paid the mode stays.
///
/// Rule: export
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ExportOrders {
    pub window: WindowNumber,
    pub mode: OrderMode,
}

impl Operation for ExportOrders {
    const NAME: &'static str = "ExportOrders";
    const GATE: Gate = Gate::Alone;

    fn footprint(&self, _: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.windows.insert(self.window);
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let Self { window, mode } = *self;
        let settlement = book.settlement(window)?;
        check_confirmed(window, settlement)?;
        let other = settlement.mode.is_some_and(|chosen| chosen != mode);
        match settlement.state {
            SettlementState::Settled if other => return Err(Rejection::SettlementSettled { window }),
            SettlementState::PartlyPaid if other => {
                let paid = book.house.coalition.money_text(settlement.paid_total());
                return Err(Rejection::SettlementAlreadyPaid { window, paid });
            }
            SettlementState::Settled
            | SettlementState::PartlyPaid
            | SettlementState::Confirmed
            | SettlementState::Exported
            | SettlementState::Proposed
            | SettlementState::Aborted => {}
        }
        let draft = book.draft(EntryKind::Export, ask).with(Fact::Exported(ExportFacts { window, mode }));
        Ok(about(window, vec![book.finish(draft)?]))
    }
}

/// Records that an order was paid.
///
/// Rule: payment
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ConfirmPayment {
    pub window: WindowNumber,
    pub payment: Payment,
    /// What was paid, if it is to be compared with what is due.
    pub amount: Option<Money>,
}

impl Operation for ConfirmPayment {
    const NAME: &'static str = "ConfirmPayment";
    const GATE: Gate = Gate::Alone;

    fn check(&self) -> Result<(), Rejection> {
        match self.amount {
            Some(amount) if amount.0 <= 0 => Err(Rejection::invalid("amount", "not above zero")),
            Some(_) | None => Ok(()),
        }
    }

    fn footprint(&self, _: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.windows.insert(self.window);
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let Self { window, payment, amount } = *self;
        let money_text = |amount: Money| book.house.coalition.money_text(amount);
        let settlement = book.settlement(window)?;
        check_confirmed(window, settlement)?;
        if settlement.state == SettlementState::Settled {
            return Err(Rejection::SettlementSettled { window });
        }
        let (payer, payee, mode) = payment_ends(payment, settlement);
        let not_due = || {
            let party = if payer == OrderParty::Hub { payee } else { payer };
            Rejection::LegNotDue { window, party: party.to_string() }
        };
        // The first payment of a settlement that was not exported chooses the mode it is paid in.
        let mut chosen = settlement.clone();
        if chosen.mode.is_none() {
            choose(&mut chosen, mode);
        }
        let open = |order: &&Order| order.payer == payer && order.payee == payee && !order.paid;
        let due = chosen.orders.iter().find(open).ok_or_else(not_due)?.amount;
        if let Some(given) = amount.filter(|given| *given != due) {
            return Err(Rejection::AmountMismatch { due: money_text(due), given: money_text(given) });
        }
        if payer == OrderParty::Hub {
            let received = received_and_kept(settlement);
            if received < i128::from(due.0) {
                let received = Money(i64::try_from(received).unwrap_or(0));
                return Err(Rejection::FundsNotReceived { received: money_text(received), needed: money_text(due) });
            }
        }
        let mut draft = book.draft(EntryKind::Payment, ask);
        let mut paying = Vec::new();
        for (end, sign) in [(payer, 1), (payee, -1)] {
            let amount = i128::from(due.0) * sign;
            let account = end.participant().map_or(MoneyAccount::Bank(BankPurpose::Settlement), |participant| {
                MoneyAccount::Settle(window, participant)
            });
            draft.post_money(account, Purpose::Settlement, amount);
            let leg = end.participant().and_then(|participant| Some((participant, chosen.legs.get(&participant)?)));
            // Whose leg this pays the rest of has paid for its waiting points.
            paying
                .extend(leg.filter(|(_, leg)| i128::from(leg.due.0) + amount == 0).map(|(participant, _)| participant));
        }
        let paid = PaymentFacts { window, payer, payee, mode };
        let mut written = vec![book.finish(draft.with(Fact::Paid(paid)))?];
        for issuer in paying {
            written.extend(book.fund_entry(ask, window, issuer)?);
        }
        Ok(about(window, written))
    }
}

/// Takes a settlement back before anything is paid: the legs return into the positions of the open window.
///
/// Rule: abort
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct AbortSettlement {
    pub window: WindowNumber,
}

impl Operation for AbortSettlement {
    const NAME: &'static str = "AbortSettlement";
    const GATE: Gate = Gate::Alone;

    fn footprint(&self, _: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.windows.insert(self.window);
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let window = self.window;
        let settlement = book.settlement(window)?;
        match settlement.state {
            SettlementState::Settled => return Err(Rejection::SettlementSettled { window }),
            SettlementState::PartlyPaid => {
                let paid = book.house.coalition.money_text(settlement.paid_total());
                return Err(Rejection::SettlementAlreadyPaid { window, paid });
            }
            SettlementState::Aborted => return Err(Rejection::SettlementAborted { window }),
            SettlementState::Proposed | SettlementState::Confirmed | SettlementState::Exported => {}
        }
        let mut draft = book.draft(EntryKind::Abort, ask).with(Fact::Aborted(window));
        for (partner, leg) in &settlement.legs {
            draft.post_money(MoneyAccount::Settle(window, *partner), Purpose::Settlement, -i128::from(leg.amount.0));
            draft.post_money(MoneyAccount::Position(*partner), Purpose::Settlement, i128::from(leg.amount.0));
        }
        Ok(about(window, vec![book.finish(draft)?]))
    }
}

/// Money paid into a fund.
///
/// Rule: deposit
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Deposit {
    pub account: MoneyAccount,
    pub amount: Money,
}

impl Operation for Deposit {
    const NAME: &'static str = "Deposit";

    fn check(&self) -> Result<(), Rejection> {
        if !matches!(self.account, MoneyAccount::Reserve | MoneyAccount::Collateral(_)) {
            return Err(Rejection::invalid("account", "deposits go to reserve or collateral:PARTNER"));
        }
        if self.amount.0 <= 0 {
            return Err(Rejection::invalid("amount", "not above zero"));
        }
        Ok(())
    }

    fn footprint(&self, _: &Ask<'_>, _: &mut Footprint<'_>) {}

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let Self { account, amount } = *self;
        let bank = match account {
            MoneyAccount::Collateral(partner) => {
                book.house.partner(partner)?;
                BankPurpose::Collateral
            }
            MoneyAccount::Reserve
            | MoneyAccount::Pool
            | MoneyAccount::Position(_)
            | MoneyAccount::Settle(..)
            | MoneyAccount::Bank(_)
            | MoneyAccount::Unfunded => BankPurpose::Reserve,
        };
        let mut draft = book.draft(EntryKind::Deposit, ask);
        draft.post_money(account, Purpose::Deposit, i128::from(amount.0));
        draft.post_money(MoneyAccount::Bank(bank), Purpose::Deposit, -i128::from(amount.0));
        Ok(Decision::of_house(vec![book.finish(draft)?], HouseReply::default()))
    }
}

impl Book {
    /// The positions of all participants.
    pub(crate) fn positions(&self) -> BTreeMap<PartnerId, Money> {
        let balance = |partner| self.money_balances.get(&MoneyAccount::Position(partner)).copied().unwrap_or_default();
        self.house.partners.keys().map(|partner| (*partner, balance(*partner))).collect()
    }

    /// The gross obligations of a window.
    pub(crate) fn gross_of_window(&self, window: WindowNumber) -> Money {
        let of_window = self.gross.iter().filter(|((of, ..), _)| *of == window);
        netting::report_sum(of_window.map(|(_, gross)| gross.amount))
    }

    /// The legs that closing the open window now would give. Needs all balances and the window's gross in the book.
    ///
    /// # Errors
    /// [`Overflow`] if the threshold leaves the operator a leg that does not fit.
    pub fn preview(&self) -> Result<Preview, Overflow> {
        let positions = self.positions();
        let coalition = &self.house.coalition;
        let legs = netting::legs(&positions, coalition.minor_unit(), coalition.settlement_threshold)?;
        let carried = positions
            .iter()
            .map(|(partner, position)| Ok((*partner, position.minus(legs.get(partner).copied().unwrap_or_default())?)));
        let carried = carried.collect::<Result<_, Overflow>>()?;
        let gross = self.gross_of_window(self.open_window);
        let pairwise = netting::total(&netting::orders(OrderMode::Pairwise, &legs));
        Ok(Preview { positions, legs, carried, gross, pairwise })
    }

    /// The figures of the proof of a close: the legs it makes, what it leaves in the positions, and the balances against those
    /// of the close before.
    pub(crate) fn proof(
        &self,
        window: &Window,
        legs: &BTreeMap<PartnerId, Money>,
        carried: &BTreeMap<PartnerId, Money>,
    ) -> Proof {
        let opening = |partner: &PartnerId| window.participants.get(partner).map_or(0, |window| window.opening.0);
        let carried_change = |(partner, left): (&PartnerId, &Money)| i128::from(left.0) - i128::from(opening(partner));
        let mut changes = balances_by_class(self.money_balances.iter());
        for (class, balance) in window.opening.iter().filter(|(class, _)| **class != MoneyClass::Settle) {
            *changes.entry(*class).or_default() -= balance;
        }
        changes.insert(MoneyClass::Settle, window.legs_moved);
        changes.retain(|_, change| *change != 0);
        Proof {
            legs: legs.values().map(|leg| i128::from(leg.0)).sum(),
            carried_change: carried.iter().map(carried_change).sum(),
            changes,
        }
    }

    /// What the accounts hold that the window behind this one begins with. The legs of its close join those of others.
    pub(crate) fn opening_after(&self, window: &Window, proof: &Proof) -> ClassAmounts {
        let mut opening = balances_by_class(self.money_balances.iter());
        let earlier = window.opening.get(&MoneyClass::Settle).copied().unwrap_or_default();
        opening.insert(MoneyClass::Settle, earlier + window.legs_moved + proof.legs);
        opening.retain(|_, balance| *balance != 0);
        opening
    }

    /// The settlement of a closed window.
    fn settlement(&self, window: WindowNumber) -> Result<&Settlement, Rejection> {
        let found = self.windows.get(&window).ok_or_else(|| Rejection::not_found("window", window))?;
        found.settlement.as_ref().ok_or(Rejection::WindowNotClosed { window })
    }
}

/// Entries of the house about a window.
fn about(window: WindowNumber, entries: Vec<Entry>) -> Decision {
    Decision::of_house(entries, HouseReply { window: Some(window), ..HouseReply::default() })
}

fn check_confirmed(window: WindowNumber, settlement: &Settlement) -> Result<(), Rejection> {
    match settlement.state {
        SettlementState::Proposed => {
            let state = settlement.state.as_str().to_owned();
            Err(Rejection::SettlementNotConfirmed { window, state })
        }
        SettlementState::Aborted => Err(Rejection::SettlementAborted { window }),
        SettlementState::Confirmed
        | SettlementState::Exported
        | SettlementState::PartlyPaid
        | SettlementState::Settled => Ok(()),
    }
}

/// Fixes the mode in which a settlement is paid, and with it the orders.
pub(crate) fn choose(settlement: &mut Settlement, mode: OrderMode) {
    let legs = settlement.legs.iter().map(|(partner, leg)| (*partner, leg.amount)).collect();
    settlement.mode = Some(mode);
    settlement.orders = netting::orders(mode, &legs);
}

/// Payer, payee and the mode in which there is such an order.
fn payment_ends(payment: Payment, settlement: &Settlement) -> (OrderParty, OrderParty, OrderMode) {
    match payment {
        Payment::Hub(partner) => {
            let pays = settlement.legs.get(&partner).is_none_or(|leg| leg.amount.0 < 0);
            let (party, hub) = (OrderParty::of(partner), OrderParty::Hub);
            if pays { (party, hub, OrderMode::Hub) } else { (hub, party, OrderMode::Hub) }
        }
        Payment::Pair { payer, payee } => {
            let hub = payer == OrderParty::Hub || payee == OrderParty::Hub;
            (payer, payee, if hub { OrderMode::Hub } else { OrderMode::Pairwise })
        }
    }
}

/// What the settlement account holds of this settlement: what came in, with what the funds give, less what went out.
///
/// Rule: funds-received
fn received_and_kept(settlement: &Settlement) -> i128 {
    let legs: i128 = settlement.legs.values().map(|leg| i128::from(leg.amount.0)).sum();
    let paid: i128 = settlement.legs.values().map(|leg| i128::from(leg.due.0) - i128::from(leg.amount.0)).sum();
    paid + legs.max(0)
}

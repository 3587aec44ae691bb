//! Windows with all that belongs to them: participants, figures of the close, settlement, legs, orders.

use std::collections::{BTreeMap, BTreeSet};

use clearing_core::book::Book;
use clearing_core::book::changes::Changes;
use clearing_core::chart::BankPurpose;
use clearing_core::facts::calendar::SettlementDays;
use clearing_core::facts::order::{Order, OrderMode, OrderParty};
use clearing_core::facts::origin::BusinessDate;
use clearing_core::facts::proof::{ClassAmounts, MoneyClass, Proof};
use clearing_core::facts::window::{
    FundAmounts, FundShare, FundShares, Leg, ParticipantWindow, Settlement, SettlementState, Window, WindowState,
};
use clearing_core::units::{Money, PartnerId, Timestamp, WindowNumber};

use super::cells::Row;
use super::sql::{Link, Sql, rows};
use super::tables::{Column, FUND_SHARES, Kind, LEGS, ORDERS, PARTICIPANTS, PROOFS, WINDOWS};
use super::{Backend, Snapshot, Store, StoreError, gate, known};

pub(super) static STATEMENTS: &[&Sql] = &[
    &LOCK_WINDOWS,
    &WINDOWS_BETWEEN,
    &PARTICIPANTS_BETWEEN,
    &PROOFS_BETWEEN,
    &FUND_SHARES_BETWEEN,
    &LEGS_BETWEEN,
    &LEGS_IN_FLIGHT,
    &IN_FLIGHT,
    &UNCONFIRMED,
    &UNCONFIRMED_FIRST,
    &ORDERS_BETWEEN,
    &UPSERT_WINDOW,
    &UPSERT_PARTICIPANTS,
    &UPSERT_PROOFS,
    &UPSERT_FUND_SHARES,
    &UPSERT_LEGS,
    &DELETE_ORDERS,
    &INSERT_ORDERS,
];

/// A window with its place in the journal: its entries have the sequences from `first_sequence` up to, but not
/// including, `end_sequence`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowRow {
    pub window: Window,
    pub first_sequence: i64,
    /// None while the window is open.
    pub end_sequence: Option<i64>,
}

/// Which windows to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Windows {
    All,
    One(WindowNumber),
    /// From the first of these numbers to the last.
    Between(WindowNumber, WindowNumber),
}

const NUMBER: &[Column] = &[WINDOWS.window_number];

static LOCK_WINDOWS: Sql = Sql::postgres(
    "store.lock_windows",
    "SELECT {windows w} FROM windows AS w WHERE ({key k}) IN ({select k}) ORDER BY w.window_number FOR UPDATE",
)
.takes(&[rows("k", NUMBER)])
.gives(NUMBER);

/// Keeps other nodes from these windows, in ascending order, until the transaction ends. On SQLite the one writer has the
/// database for itself.
pub(super) async fn lock(link: &mut Link<'_>, windows: &BTreeSet<WindowNumber>) -> Result<(), StoreError> {
    if windows.is_empty() || link.backend() == Backend::Sqlite {
        return Ok(());
    }
    let mut keys = link.row_set(NUMBER);
    for window in windows {
        keys.int(WINDOWS.window_number, i64::from(*window));
    }
    let call = link.call(&LOCK_WINDOWS).rows(keys);
    link.rows(call, |_| Ok(())).await.map(|_| ())
}

static WINDOWS_BETWEEN: Sql = Sql::both(
    "store.windows",
    "SELECT {windows} FROM windows WHERE window_number BETWEEN $1 AND $2 ORDER BY window_number",
)
.gives(WINDOWS.all);

static PARTICIPANTS_BETWEEN: Sql =
    Sql::both("store.participants", "SELECT {participants} FROM participants WHERE window_number BETWEEN $1 AND $2")
        .gives(PARTICIPANTS.all);

static PROOFS_BETWEEN: Sql =
    Sql::both("store.proofs", "SELECT {proofs} FROM proofs WHERE window_number BETWEEN $1 AND $2").gives(PROOFS.all);

static FUND_SHARES_BETWEEN: Sql =
    Sql::both("store.fund_shares", "SELECT {fund_shares} FROM fund_shares WHERE window_number BETWEEN $1 AND $2")
        .gives(FUND_SHARES.all);

static LEGS_BETWEEN: Sql =
    Sql::both("store.legs", "SELECT {legs} FROM legs WHERE window_number BETWEEN $1 AND $2").gives(LEGS.all);

static ORDERS_BETWEEN: Sql = Sql::both(
    "store.orders",
    "SELECT {orders} FROM orders WHERE window_number BETWEEN $1 AND $2 ORDER BY window_number, ordinal",
)
.gives(ORDERS.all);

/// Windows with all that belongs to them, by number. Several statements: the caller holds the gate alone, or their rows, or a
/// snapshot.
pub(super) async fn windows(link: &mut Link<'_>, which: Windows) -> Result<Vec<WindowRow>, StoreError> {
    let (first, last) = match which {
        Windows::All => (0, i64::MAX),
        Windows::One(number) => (i64::from(number), i64::from(number)),
        Windows::Between(first, last) => (i64::from(first), i64::from(last)),
    };
    let mut found: BTreeMap<WindowNumber, WindowRow> = BTreeMap::new();
    let call = link.call(&WINDOWS_BETWEEN).int(first).int(last);
    for row in link.rows(call, window).await? {
        found.insert(row.window.number, row);
    }
    let call = link.call(&PARTICIPANTS_BETWEEN).int(first).int(last);
    for (number, partner, participant) in link.rows(call, participant).await? {
        if let Some(row) = found.get_mut(&number) {
            row.window.participants.insert(partner, participant);
        }
    }
    let call = link.call(&PROOFS_BETWEEN).int(first).int(last);
    for (number, class, opening, change) in link.rows(call, proof).await? {
        let Some(row) = found.get_mut(&number) else { continue };
        row.window.opening.insert(class, opening);
        if let (Some(settlement), Some(change)) = (&mut row.window.settlement, change) {
            settlement.proof.changes.insert(class, change);
        }
    }
    let call = link.call(&FUND_SHARES_BETWEEN).int(first).int(last);
    for (number, fund, aside, share) in link.rows(call, fund_share).await? {
        let Some(row) = found.get_mut(&number) else { continue };
        if aside != 0 {
            row.window.aside.insert(fund, aside);
        }
        if let (Some(settlement), Some(share)) = (&mut row.window.settlement, share) {
            settlement.funds.insert(fund, share);
        }
    }
    // What is zero is left out, in the books and here.
    for row in found.values_mut() {
        row.window.opening.retain(|_, balance| *balance != 0);
        if let Some(settlement) = &mut row.window.settlement {
            settlement.proof.changes.retain(|_, change| *change != 0);
        }
    }
    let call = link.call(&LEGS_BETWEEN).int(first).int(last);
    for (number, partner, leg) in link.rows(call, leg).await? {
        if let Some(settlement) = settlement_of(&mut found, number) {
            settlement.legs.insert(partner, leg);
        }
    }
    let call = link.call(&ORDERS_BETWEEN).int(first).int(last);
    for (number, ordinal, order) in link.rows(call, order).await? {
        let Some(settlement) = settlement_of(&mut found, number) else { continue };
        if usize::try_from(ordinal) != Ok(settlement.orders.len()) {
            return Err(StoreError::permanent(format!("the orders of window {number} are not numbered from 0")));
        }
        settlement.orders.push(order);
    }
    Ok(found.into_values().collect())
}

fn settlement_of(windows: &mut BTreeMap<WindowNumber, WindowRow>, number: WindowNumber) -> Option<&mut Settlement> {
    windows.get_mut(&number)?.window.settlement.as_mut()
}

fn window(row: &Row<'_>) -> Result<WindowRow, StoreError> {
    let settlement = match row.text_or_null(WINDOWS.settlement_state)? {
        None => None,
        Some(state) => Some(Settlement {
            state: known("settlement state", SettlementState::parse(state))?,
            legs: BTreeMap::new(),
            mode: row
                .text_or_null(WINDOWS.mode)?
                .map(|mode| known("order mode", OrderMode::parse(mode)))
                .transpose()?,
            orders: Vec::new(),
            gross: row.money(WINDOWS.gross)?,
            pairwise: row.money(WINDOWS.pairwise)?,
            proof: Proof {
                legs: whole(row.text(WINDOWS.legs_total)?)?,
                carried_change: whole(row.text(WINDOWS.carried_change)?)?,
                changes: ClassAmounts::new(),
            },
            funds: FundShares::new(),
        }),
    };
    let window = Window {
        number: row.small(WINDOWS.window_number)?,
        state: known("window state", WindowState::parse(row.text(WINDOWS.state)?))?,
        opened: row.time(WINDOWS.opened_at)?,
        closed: row.int_or_null(WINDOWS.closed_at)?.map(Timestamp),
        days: days(row)?,
        participants: BTreeMap::new(),
        opening: ClassAmounts::new(),
        legs_moved: whole(row.text(WINDOWS.legs_moved)?)?,
        aside: FundAmounts::new(),
        settlement,
    };
    let (first_sequence, end_sequence) = (row.int(WINDOWS.first_sequence)?, row.int_or_null(WINDOWS.end_sequence)?);
    Ok(WindowRow { window, first_sequence, end_sequence })
}

/// When its settlement is told and paid.
fn days(row: &Row<'_>) -> Result<Option<SettlementDays>, StoreError> {
    let day = |column| {
        let number = row.int_or_null(column)?.map(BusinessDate::from_number);
        number.transpose().map_err(|error| StoreError::damaged("a day of a settlement", error))
    };
    let days = day(WINDOWS.advice_day)?.zip(day(WINDOWS.payment_day)?);
    Ok(days.map(|(advice, payment)| SettlementDays { advice, payment }))
}

fn participant(row: &Row<'_>) -> Result<(WindowNumber, PartnerId, ParticipantWindow), StoreError> {
    let (opening, carried) = (row.money(PARTICIPANTS.opening)?, row.money(PARTICIPANTS.carried)?);
    let (number, partner) = (row.small(PARTICIPANTS.window_number)?, row.partner(PARTICIPANTS.partner)?);
    let carried_windows = row.small(PARTICIPANTS.carried_windows)?;
    Ok((number, partner, ParticipantWindow { opening, carried, carried_windows }))
}

fn proof(row: &Row<'_>) -> Result<(WindowNumber, MoneyClass, i128, Option<i128>), StoreError> {
    let class = row.text(PROOFS.class)?.parse::<MoneyClass>();
    let class = class.map_err(|error| StoreError::damaged("the figures of a close", error))?;
    let change = row.text_or_null(PROOFS.change)?.map(whole).transpose()?;
    Ok((row.small(PROOFS.window_number)?, class, whole(row.text(PROOFS.opening)?)?, change))
}

/// A whole number that was written as text.
fn whole(text: &str) -> Result<i128, StoreError> {
    text.parse().map_err(|error: std::num::ParseIntError| StoreError::damaged("the figures of a close", error))
}

fn leg(row: &Row<'_>) -> Result<(WindowNumber, PartnerId, Leg), StoreError> {
    let leg = Leg {
        amount: row.money(LEGS.amount)?,
        due: row.money(LEGS.due)?,
        returned: row.bool(LEGS.returned)?,
        covered: row.money(LEGS.covered)?,
        cancelled: row.money(LEGS.cancelled)?,
        shared: row.money(LEGS.shared)?,
    };
    Ok((row.small(LEGS.window_number)?, row.partner(LEGS.partner)?, leg))
}

/// A share that neither gained nor lost anything, and of which nothing was moved, is none.
fn fund_share(row: &Row<'_>) -> Result<(WindowNumber, BankPurpose, i128, Option<FundShare>), StoreError> {
    let fund = row.text(FUND_SHARES.fund)?.parse::<BankPurpose>();
    let fund = fund.map_err(|error| StoreError::damaged("what a window brought a fund", error))?;
    let moved = row.money(FUND_SHARES.moved)?;
    let share = row.int_or_null(FUND_SHARES.change)?.map(|change| FundShare { change: Money(change), moved });
    if share.is_none() && !moved.is_zero() {
        return Err(StoreError::permanent(format!("money of {fund} was moved, and nothing was gained or lost")));
    }
    Ok((row.small(FUND_SHARES.window_number)?, fund, whole(row.text(FUND_SHARES.aside)?)?, share))
}

fn order(row: &Row<'_>) -> Result<(WindowNumber, i64, Order), StoreError> {
    let party = |text: &str| text.parse::<OrderParty>().map_err(|error| StoreError::damaged("an order", error));
    let order = Order {
        payer: party(row.text(ORDERS.payer)?)?,
        payee: party(row.text(ORDERS.payee)?)?,
        amount: row.money(ORDERS.amount)?,
        paid: row.bool(ORDERS.paid)?,
        released: row.bool(ORDERS.released)?,
    };
    Ok((row.small(ORDERS.window_number)?, row.int(ORDERS.ordinal)?, order))
}

/// Writes the windows that a batch has made or changed. `next_sequence` is where the journal ended before it.
pub(super) async fn save(
    link: &mut Link<'_>,
    book: &Book,
    changes: &Changes,
    next_sequence: i64,
) -> Result<(), StoreError> {
    // A window begins where the first entry of it or of a later one would stand.
    let first_sequence = |number: WindowNumber| {
        let earlier =
            changes.entries.iter().filter_map(|id| book.entries.get(id)).filter(|entry| entry.window < number);
        next_sequence + i64::try_from(earlier.count()).expect("entries of a batch are few")
    };
    // Ascending, so that a window is closed before the next is open.
    for number in &changes.windows {
        let window = book.windows.get(number);
        let window = window.ok_or_else(|| StoreError::permanent(format!("window {number} is not in the book")))?;
        let end = window.closed.map(|_| first_sequence(number + 1));
        save_window(link, window, first_sequence(*number), end).await?;
    }
    Ok(())
}

/// The places in the journal are written once, when a window begins and when it ends.
static UPSERT_WINDOW: Sql = Sql::both(
    "store.upsert_window",
    "{insert k}
    ON CONFLICT ({key k}) DO UPDATE SET state = excluded.state, closed_at = excluded.closed_at,
        advice_day = excluded.advice_day, payment_day = excluded.payment_day,
        end_sequence = COALESCE(windows.end_sequence, excluded.end_sequence), legs_moved = excluded.legs_moved,
        settlement_state = excluded.settlement_state, mode = excluded.mode, legs_total = excluded.legs_total,
        carried_change = excluded.carried_change, gross = excluded.gross, pairwise = excluded.pairwise",
)
.takes(&[rows("k", WINDOWS.all)]);

/// What accounts held when a window opened is written once.
static UPSERT_PROOFS: Sql = Sql::both(
    "store.upsert_proofs",
    "{insert k}
    ON CONFLICT ({key k}) DO UPDATE SET change = excluded.change",
)
.takes(&[rows("k", PROOFS.all)]);

static UPSERT_FUND_SHARES: Sql = Sql::both(
    "store.upsert_fund_shares",
    "{insert k}
    ON CONFLICT ({key k}) DO UPDATE SET aside = excluded.aside, change = excluded.change, moved = excluded.moved",
)
.takes(&[rows("k", FUND_SHARES.all)]);

static UPSERT_PARTICIPANTS: Sql = Sql::both(
    "store.upsert_participants",
    "{insert k}
    ON CONFLICT ({key k}) DO UPDATE SET carried = excluded.carried, carried_windows = excluded.carried_windows",
)
.takes(&[rows("k", PARTICIPANTS.all)]);

static UPSERT_LEGS: Sql = Sql::both(
    "store.upsert_legs",
    "{insert k}
    ON CONFLICT ({key k}) DO UPDATE SET due = excluded.due, returned = excluded.returned, covered = excluded.covered,
        cancelled = excluded.cancelled, shared = excluded.shared",
)
.takes(&[rows("k", LEGS.all)]);

static DELETE_ORDERS: Sql = Sql::both("store.delete_orders", "DELETE FROM orders WHERE window_number = $1");

static INSERT_ORDERS: Sql = Sql::both("store.insert_orders", "{insert k}").takes(&[rows("k", ORDERS.all)]);

/// Writes one window with all that belongs to it.
async fn save_window(
    link: &mut Link<'_>,
    window: &Window,
    first_sequence: i64,
    end_sequence: Option<i64>,
) -> Result<(), StoreError> {
    let number = i64::from(window.number);
    let settlement = window.settlement.as_ref();
    let amount = |of: fn(&Settlement) -> Money| settlement.map(|settlement| of(settlement).0);
    let figure = |of: fn(&Proof) -> i128| settlement.map(|settlement| of(&settlement.proof).to_string());
    let mode = settlement.and_then(|settlement| settlement.mode);
    let mut row = link.row_set(WINDOWS.all);
    row.int(WINDOWS.window_number, number).text(WINDOWS.state, window.state.as_str());
    row.int(WINDOWS.opened_at, window.opened.0).int_or_null(WINDOWS.closed_at, window.closed.map(|time| time.0));
    let day = |of: fn(&SettlementDays) -> BusinessDate| window.days.as_ref().map(|days| of(days).number());
    row.int_or_null(WINDOWS.advice_day, day(|days| days.advice));
    row.int_or_null(WINDOWS.payment_day, day(|days| days.payment));
    row.int(WINDOWS.first_sequence, first_sequence).int_or_null(WINDOWS.end_sequence, end_sequence);
    row.text(WINDOWS.legs_moved, &window.legs_moved.to_string());
    row.text_or_null(WINDOWS.settlement_state, settlement.map(|settlement| settlement.state.as_str()));
    row.text_or_null(WINDOWS.mode, mode.map(OrderMode::as_str));
    row.text_or_null(WINDOWS.legs_total, figure(|proof| proof.legs).as_deref());
    row.text_or_null(WINDOWS.carried_change, figure(|proof| proof.carried_change).as_deref());
    row.int_or_null(WINDOWS.gross, amount(|settlement| settlement.gross));
    row.int_or_null(WINDOWS.pairwise, amount(|settlement| settlement.pairwise));
    link.write(&UPSERT_WINDOW, row).await?;

    let mut participants = link.row_set(PARTICIPANTS.all);
    for (partner, participant) in &window.participants {
        participants.int(PARTICIPANTS.window_number, number).text(PARTICIPANTS.partner, partner.as_str());
        participants.int(PARTICIPANTS.opening, participant.opening.0).int(PARTICIPANTS.carried, participant.carried.0);
        participants.int(PARTICIPANTS.carried_windows, i64::from(participant.carried_windows));
    }
    link.write(&UPSERT_PARTICIPANTS, participants).await?;
    let changes = settlement.map(|settlement| &settlement.proof.changes);
    let classes: BTreeSet<&MoneyClass> =
        window.opening.keys().chain(changes.into_iter().flatten().map(|(class, _)| class)).collect();
    let mut proofs = link.row_set(PROOFS.all);
    for class in classes {
        let text = |amounts: &ClassAmounts| amounts.get(class).copied().unwrap_or_default().to_string();
        proofs.int(PROOFS.window_number, number).text(PROOFS.class, &class.to_string());
        proofs.text(PROOFS.opening, &text(&window.opening)).text_or_null(PROOFS.change, changes.map(text).as_deref());
    }
    link.write(&UPSERT_PROOFS, proofs).await?;
    save_fund_shares(link, window).await?;
    match settlement {
        Some(settlement) => save_settlement(link, number, settlement).await,
        None => Ok(()),
    }
}

/// A row for each fund, so that what is put aside no more is overwritten.
async fn save_fund_shares(link: &mut Link<'_>, window: &Window) -> Result<(), StoreError> {
    let mut shares = link.row_set(FUND_SHARES.all);
    for fund in BankPurpose::FUNDS {
        let aside = window.aside.get(&fund).copied().unwrap_or_default();
        let share = window.settlement.as_ref().and_then(|settlement| settlement.funds.get(&fund));
        shares.int(FUND_SHARES.window_number, i64::from(window.number)).text(FUND_SHARES.fund, fund.as_str());
        shares.text(FUND_SHARES.aside, &aside.to_string());
        shares.int_or_null(FUND_SHARES.change, share.map(|share| share.change.0));
        shares.int(FUND_SHARES.moved, share.map_or(0, |share| share.moved.0));
    }
    link.write(&UPSERT_FUND_SHARES, shares).await
}

async fn save_settlement(link: &mut Link<'_>, number: i64, settlement: &Settlement) -> Result<(), StoreError> {
    let mut legs = link.row_set(LEGS.all);
    for (partner, leg) in &settlement.legs {
        legs.int(LEGS.window_number, number).text(LEGS.partner, partner.as_str());
        legs.int(LEGS.amount, leg.amount.0).int(LEGS.due, leg.due.0).bool(LEGS.returned, leg.returned);
        legs.int(LEGS.covered, leg.covered.0).int(LEGS.cancelled, leg.cancelled.0).int(LEGS.shared, leg.shared.0);
    }
    link.write(&UPSERT_LEGS, legs).await?;
    // Orders change altogether while another mode may still be chosen.
    let call = link.call(&DELETE_ORDERS).int(number);
    link.execute(call).await?;
    let mut orders = link.row_set(ORDERS.all);
    for (ordinal, order) in (0..).zip(&settlement.orders) {
        orders.int(ORDERS.window_number, number).int(ORDERS.ordinal, ordinal);
        orders.text(ORDERS.payer, &order.payer.to_string()).text(ORDERS.payee, &order.payee.to_string());
        orders.int(ORDERS.amount, order.amount.0).bool(ORDERS.paid, order.paid);
        orders.bool(ORDERS.released, order.released);
    }
    link.write(&INSERT_ORDERS, orders).await
}

// From the few windows that are not done with: left to choose, both would look at the partner's legs of every window there was.
static LEGS_IN_FLIGHT: Sql = Sql::new(
    "store.legs_in_flight",
    "SELECT {legs l} FROM windows AS w INDEXED BY windows_in_flight CROSS JOIN legs AS l
    WHERE w.settlement_state IN ('PROPOSED', 'CONFIRMED', 'EXPORTED', 'PARTLY_PAID')
    AND l.window_number = w.window_number AND l.partner = $1 ORDER BY l.window_number",
    "SELECT {legs} FROM legs WHERE window_number = ANY (ARRAY(SELECT window_number FROM windows
        WHERE settlement_state IN ('PROPOSED', 'CONFIRMED', 'EXPORTED', 'PARTLY_PAID')))
    AND partner = $1 ORDER BY window_number",
)
.gives(LEGS.all);

// As above: from the few windows that are not done with.
static IN_FLIGHT: Sql = Sql::new(
    "store.windows_in_flight",
    "SELECT {windows w} FROM windows AS w INDEXED BY windows_in_flight
    WHERE w.settlement_state IN ('PROPOSED', 'CONFIRMED', 'EXPORTED', 'PARTLY_PAID')",
    "SELECT {windows w} FROM windows AS w
    WHERE w.settlement_state IN ('PROPOSED', 'CONFIRMED', 'EXPORTED', 'PARTLY_PAID')",
)
.gives(NUMBER);

/// The windows of whose settlements something may be due still. Only whoever has the gate alone adds one to them.
pub(super) async fn in_flight(link: &mut Link<'_>) -> Result<BTreeSet<WindowNumber>, StoreError> {
    let call = link.call(&IN_FLIGHT);
    Ok(link.rows(call, |row| row.small(WINDOWS.window_number)).await?.into_iter().collect())
}

const LEG_COUNT: Column = Column::made("leg_count", Kind::Int);

// As above: from the few windows that are not done with.
static UNCONFIRMED: Sql = Sql::new(
    "store.unconfirmed",
    "SELECT {windows w}, (SELECT count(*) FROM legs AS l WHERE l.window_number = w.window_number) AS leg_count
    FROM windows AS w INDEXED BY windows_in_flight
    WHERE w.settlement_state IN ('PROPOSED', 'CONFIRMED', 'EXPORTED', 'PARTLY_PAID') AND w.settlement_state = 'PROPOSED'
    ORDER BY w.window_number",
    "SELECT {windows w}, (SELECT count(*) FROM legs AS l WHERE l.window_number = w.window_number) AS leg_count
    FROM windows AS w
    WHERE w.settlement_state IN ('PROPOSED', 'CONFIRMED', 'EXPORTED', 'PARTLY_PAID') AND w.settlement_state = 'PROPOSED'
    ORDER BY w.window_number",
)
.gives(&[WINDOWS.window_number, WINDOWS.closed_at, LEG_COUNT]);

static UNCONFIRMED_FIRST: Sql = Sql::new(
    "store.unconfirmed_first",
    "SELECT {windows w} FROM windows AS w INDEXED BY windows_in_flight
    WHERE w.settlement_state IN ('PROPOSED', 'CONFIRMED', 'EXPORTED', 'PARTLY_PAID') AND w.settlement_state = 'PROPOSED'
    ORDER BY w.window_number LIMIT 1",
    "SELECT {windows w} FROM windows AS w
    WHERE w.settlement_state IN ('PROPOSED', 'CONFIRMED', 'EXPORTED', 'PARTLY_PAID') AND w.settlement_state = 'PROPOSED'
    ORDER BY w.window_number LIMIT 1",
)
.gives(&[WINDOWS.closed_at]);

/// A closed window whose settlement is neither confirmed nor given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unconfirmed {
    pub number: WindowNumber,
    pub closed: Timestamp,
    /// How many legs its settlement has.
    pub legs: i64,
}

fn unconfirmed(row: &Row<'_>) -> Result<Unconfirmed, StoreError> {
    let (number, closed) = (row.small(WINDOWS.window_number)?, row.time(WINDOWS.closed_at)?);
    Ok(Unconfirmed { number, closed, legs: row.int(LEG_COUNT)? })
}

impl Store {
    /// The closed windows that wait to be confirmed, by number.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn unconfirmed(&self) -> Result<Vec<Unconfirmed>, StoreError> {
        let mut reader = self.reader().await?;
        let mut link = reader.link();
        let call = link.call(&UNCONFIRMED);
        link.rows(call, unconfirmed).await
    }

    /// When the first of them was closed, which is the one that has waited longest; none if none waits.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn unconfirmed_since(&self) -> Result<Option<Timestamp>, StoreError> {
        let mut reader = self.reader().await?;
        let mut link = reader.link();
        let call = link.call(&UNCONFIRMED_FIRST);
        Ok(link.rows(call, |row| row.time(WINDOWS.closed_at)).await?.pop())
    }

    /// At most `limit` of them before the one of this number, or of all, with all that belongs to them, the newest first.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn unconfirmed_before(
        &self,
        before: Option<WindowNumber>,
        limit: usize,
    ) -> Result<Vec<WindowRow>, StoreError> {
        let mut snapshot = self.snapshot().await?;
        let mut link = snapshot.link();
        let call = link.call(&UNCONFIRMED);
        let mut waiting = link.rows(call, unconfirmed).await?;
        waiting.retain(|window| before.is_none_or(|before| window.number < before));
        let mut found = Vec::new();
        let numbers: Vec<WindowNumber> = waiting.iter().rev().take(limit).map(|window| window.number).collect();
        for run in numbers.chunk_by(|later, earlier| later - earlier == 1) {
            let all = windows(&mut link, Windows::Between(run[run.len() - 1], run[0])).await?;
            found.extend(all.into_iter().rev());
        }
        snapshot.finish().await?;
        Ok(found)
    }

    /// The legs of a partner in settlements that are neither paid nor aborted, by window.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn legs_in_flight(&self, partner: PartnerId) -> Result<Vec<(WindowNumber, Leg)>, StoreError> {
        let mut reader = self.reader().await?;
        let mut link = reader.link();
        let call = link.call(&LEGS_IN_FLIGHT).text(partner.as_str());
        Ok(link.rows(call, leg).await?.into_iter().map(|(number, _, leg)| (number, leg)).collect())
    }

    /// A window with all that belongs to it.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn window_row(&self, number: WindowNumber) -> Result<Option<WindowRow>, StoreError> {
        let mut snapshot = self.snapshot().await?;
        let found = windows(&mut snapshot.link(), Windows::One(number)).await?;
        snapshot.finish().await?;
        Ok(found.into_iter().next())
    }

    /// At most `limit` windows before the one of this number, or up to the open one, the newest first.
    ///
    /// # Errors
    /// Permanent if the database holds no coalition.
    pub async fn windows_before(
        &self,
        before: Option<WindowNumber>,
        limit: usize,
    ) -> Result<Vec<WindowRow>, StoreError> {
        let mut snapshot = self.snapshot().await?;
        let mut link = snapshot.link();
        let open = gate::gate(&mut link).await?.open_window;
        let last = before.map_or(open, |before| before.saturating_sub(1).min(open));
        // Windows are numbered without gaps, so the page is a range.
        let limit = WindowNumber::try_from(limit).unwrap_or(WindowNumber::MAX);
        let first = last.saturating_sub(limit).saturating_add(1).max(1);
        let mut found = windows(&mut link, Windows::Between(first, last)).await?;
        snapshot.finish().await?;
        found.reverse();
        Ok(found)
    }
}

impl Snapshot {
    /// Windows with their participants, legs and orders, by number.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn windows(&mut self, which: Windows) -> Result<Vec<WindowRow>, StoreError> {
        windows(&mut self.link(), which).await
    }
}

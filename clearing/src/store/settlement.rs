//! Windows with their participants, settlements, legs and orders; gross obligations; balances.

use std::collections::{BTreeMap, BTreeSet};

use clearing_core::book::Book;
use clearing_core::book::changes::Changes;
use clearing_core::chart::{MoneyAccount, PointsAccount};
use clearing_core::facts::order::{Order, OrderMode, OrderParty};
use clearing_core::facts::proof::{ClassAmounts, MoneyClass, Proof};
use clearing_core::facts::window::{Gross, Leg, ParticipantWindow, Settlement, SettlementState, Window, WindowState};
use clearing_core::units::{Money, PartnerId, Points, Timestamp, WindowNumber};

use super::house::known;
use super::sql::{Cells, Kind, Link, Sql};
use super::{StoreError, partner_id, small};

pub(super) const STATEMENTS: &[&Sql] = &[
    &LOCK_WINDOWS,
    &WINDOWS,
    &PARTICIPANTS,
    &PROOFS,
    &LEGS,
    &LEGS_IN_FLIGHT,
    &ORDERS,
    &UPSERT_WINDOW,
    &UPSERT_PARTICIPANTS,
    &UPSERT_PROOFS,
    &UPSERT_LEGS,
    &DELETE_ORDERS,
    &INSERT_ORDERS,
    &GROSS,
    &BALANCES,
    &BALANCES_OF_WINDOW,
    &SAVE_FUNDING,
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

const LOCK_WINDOWS: Sql = Sql::new(
    "-- store.lock_windows
    SELECT 1 WHERE $1 IS NULL AND $2 IS NULL",
    "-- store.lock_windows
    SELECT 1 FROM windows WHERE window_number = ANY ($1::bigint[]) ORDER BY window_number FOR UPDATE",
);

/// Keeps other nodes from these windows, in ascending order, until the transaction ends. On SQLite the one writer has the
/// database for itself.
pub(super) async fn lock_windows(link: &mut Link<'_>, windows: &BTreeSet<WindowNumber>) -> Result<(), StoreError> {
    if windows.is_empty() || link.backend() == super::Backend::Sqlite {
        return Ok(());
    }
    let mut keys = link.table(&[Kind::Int]);
    for window in windows {
        keys.int(i64::from(*window));
    }
    let call = link.call(&LOCK_WINDOWS).table(keys);
    link.rows(call, |_| Ok(())).await.map(|_| ())
}

const WINDOWS: Sql = Sql::both(
    "-- store.windows
    SELECT window_number, state, opened_at, closed_at, first_sequence, end_sequence, legs_moved, settlement_state,
        mode, legs_total, carried_change, gross, pairwise
    FROM windows WHERE window_number BETWEEN $1 AND $2 ORDER BY window_number",
);

const PARTICIPANTS: Sql = Sql::both(
    "-- store.participants
    SELECT window_number, partner, opening, carried FROM participants WHERE window_number BETWEEN $1 AND $2",
);

const PROOFS: Sql = Sql::both(
    "-- store.proofs
    SELECT window_number, class, opening, change FROM proofs WHERE window_number BETWEEN $1 AND $2",
);

const LEGS: Sql = Sql::both(
    "-- store.legs
    SELECT window_number, partner, amount, due FROM legs WHERE window_number BETWEEN $1 AND $2",
);

const ORDERS: Sql = Sql::both(
    "-- store.orders
    SELECT window_number, ordinal, payer, payee, amount, paid FROM orders WHERE window_number BETWEEN $1 AND $2
    ORDER BY window_number, ordinal",
);

const LEGS_IN_FLIGHT: Sql = Sql::both(
    "-- store.legs_in_flight
    SELECT l.window_number, l.partner, l.amount, l.due FROM windows AS w
    JOIN legs AS l ON l.window_number = w.window_number
    WHERE w.settlement_state IN ('PROPOSED', 'CONFIRMED', 'EXPORTED', 'PARTLY_PAID') AND l.partner = $1
    ORDER BY l.window_number",
);

fn leg(row: &dyn Cells) -> Result<(WindowNumber, PartnerId, Leg), StoreError> {
    let leg = Leg { amount: Money(row.int(2)?), due: Money(row.int(3)?) };
    Ok((small(row.int(0)?)?, partner_id(row.text(1)?)?, leg))
}

/// The legs of a partner in settlements that are not done with, by window.
pub(super) async fn legs_in_flight(
    link: &mut Link<'_>,
    partner: PartnerId,
) -> Result<Vec<(WindowNumber, Leg)>, StoreError> {
    let call = link.call(&LEGS_IN_FLIGHT).text(partner.as_str());
    Ok(link.rows(call, leg).await?.into_iter().map(|(number, _, leg)| (number, leg)).collect())
}

/// Windows with all that belongs to them, by number. Several statements: the caller holds the gate alone, or
/// their rows, or a snapshot.
pub(super) async fn windows(link: &mut Link<'_>, which: Windows) -> Result<Vec<WindowRow>, StoreError> {
    let (first, last) = match which {
        Windows::All => (0, i64::MAX),
        Windows::One(number) => (i64::from(number), i64::from(number)),
        Windows::Between(first, last) => (i64::from(first), i64::from(last)),
    };
    let mut found: BTreeMap<WindowNumber, WindowRow> = BTreeMap::new();
    let call = link.call(&WINDOWS).int(first).int(last);
    for row in link.rows(call, window).await? {
        found.insert(row.window.number, row);
    }
    let call = link.call(&PARTICIPANTS).int(first).int(last);
    let participant = |row: &dyn Cells| {
        let participant = ParticipantWindow { opening: Money(row.int(2)?), carried: Money(row.int(3)?) };
        Ok((small(row.int(0)?)?, partner_id(row.text(1)?)?, participant))
    };
    for (number, partner, participant) in link.rows(call, participant).await? {
        if let Some(row) = found.get_mut(&number) {
            row.window.participants.insert(partner, participant);
        }
    }
    let call = link.call(&PROOFS).int(first).int(last);
    let proof = |row: &dyn Cells| {
        let class = row.text(1)?.parse::<MoneyClass>();
        let class = class.map_err(|error| StoreError::damaged("the figures of a close", error))?;
        let change = row.text_or_null(3)?.map(whole).transpose()?;
        Ok((small(row.int(0)?)?, class, whole(row.text(2)?)?, change))
    };
    for (number, class, opening, change) in link.rows(call, proof).await? {
        let Some(row) = found.get_mut(&number) else { continue };
        row.window.opening.insert(class, opening);
        if let (Some(settlement), Some(change)) = (&mut row.window.settlement, change) {
            settlement.proof.changes.insert(class, change);
        }
    }
    // What is zero is left out, in the books and here.
    for row in found.values_mut() {
        row.window.opening.retain(|_, balance| *balance != 0);
        if let Some(settlement) = &mut row.window.settlement {
            settlement.proof.changes.retain(|_, change| *change != 0);
        }
    }
    let call = link.call(&LEGS).int(first).int(last);
    for (number, partner, leg) in link.rows(call, leg).await? {
        if let Some(settlement) = settlement_of(&mut found, number) {
            settlement.legs.insert(partner, leg);
        }
    }
    let call = link.call(&ORDERS).int(first).int(last);
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

fn window(row: &dyn Cells) -> Result<WindowRow, StoreError> {
    let number = small(row.int(0)?)?;
    let settlement = match row.text_or_null(7)? {
        None => None,
        Some(state) => Some(Settlement {
            state: known("settlement state", SettlementState::parse(state))?,
            legs: BTreeMap::new(),
            mode: row.text_or_null(8)?.map(|mode| known("order mode", OrderMode::parse(mode))).transpose()?,
            orders: Vec::new(),
            gross: Money(row.int(11)?),
            pairwise: Money(row.int(12)?),
            proof: Proof {
                legs: whole(row.text(9)?)?,
                carried_change: whole(row.text(10)?)?,
                changes: ClassAmounts::new(),
            },
        }),
    };
    let window = Window {
        number,
        state: known("window state", WindowState::parse(row.text(1)?))?,
        opened: Timestamp(row.int(2)?),
        closed: row.int_or_null(3)?.map(Timestamp),
        participants: BTreeMap::new(),
        opening: ClassAmounts::new(),
        legs_moved: whole(row.text(6)?)?,
        settlement,
    };
    Ok(WindowRow { window, first_sequence: row.int(4)?, end_sequence: row.int_or_null(5)? })
}

/// A whole number that was written as text.
fn whole(text: &str) -> Result<i128, StoreError> {
    text.parse().map_err(|error: std::num::ParseIntError| StoreError::damaged("the figures of a close", error))
}

fn order(row: &dyn Cells) -> Result<(WindowNumber, i64, Order), StoreError> {
    let party = |text: &str| OrderParty::parse(text).map_err(|error| StoreError::damaged("an order", error));
    let order = Order {
        payer: party(row.text(2)?)?,
        payee: party(row.text(3)?)?,
        amount: Money(row.int(4)?),
        paid: row.int(5)? == 1,
    };
    Ok((small(row.int(0)?)?, row.int(1)?, order))
}

/// Writes the windows that a batch has made or changed. `next_sequence` is where the journal ended before it.
pub(super) async fn save_windows(
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
const UPSERT_WINDOW: Sql = Sql::both(
    "-- store.upsert_window
    INSERT INTO windows (window_number, state, opened_at, closed_at, first_sequence, end_sequence, legs_moved,
        settlement_state, mode, legs_total, carried_change, gross, pairwise)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
    ON CONFLICT (window_number) DO UPDATE SET state = excluded.state, closed_at = excluded.closed_at,
        end_sequence = COALESCE(windows.end_sequence, excluded.end_sequence), legs_moved = excluded.legs_moved,
        settlement_state = excluded.settlement_state, mode = excluded.mode, legs_total = excluded.legs_total,
        carried_change = excluded.carried_change, gross = excluded.gross, pairwise = excluded.pairwise",
);

/// What accounts held when a window opened is written once.
const UPSERT_PROOFS: Sql = Sql::new(
    "-- store.upsert_proofs
    INSERT INTO proofs (window_number, class, opening, change)
    SELECT value->>0, value->>1, value->>2, value->>3 FROM jsonb_each($1) WHERE $2 IS NOT NULL
    ON CONFLICT (window_number, class) DO UPDATE SET change = excluded.change",
    "-- store.upsert_proofs
    INSERT INTO proofs (window_number, class, opening, change)
    SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[])
    ON CONFLICT (window_number, class) DO UPDATE SET change = excluded.change",
);

const UPSERT_PARTICIPANTS: Sql = Sql::new(
    "-- store.upsert_participants
    INSERT INTO participants (window_number, partner, opening, carried)
    SELECT value->>0, value->>1, value->>2, value->>3 FROM jsonb_each($1) WHERE $2 IS NOT NULL
    ON CONFLICT (window_number, partner) DO UPDATE SET carried = excluded.carried",
    "-- store.upsert_participants
    INSERT INTO participants (window_number, partner, opening, carried)
    SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[])
    ON CONFLICT (window_number, partner) DO UPDATE SET carried = excluded.carried",
);

const UPSERT_LEGS: Sql = Sql::new(
    "-- store.upsert_legs
    INSERT INTO legs (window_number, partner, amount, due)
    SELECT value->>0, value->>1, value->>2, value->>3 FROM jsonb_each($1) WHERE $2 IS NOT NULL
    ON CONFLICT (window_number, partner) DO UPDATE SET due = excluded.due",
    "-- store.upsert_legs
    INSERT INTO legs (window_number, partner, amount, due)
    SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[])
    ON CONFLICT (window_number, partner) DO UPDATE SET due = excluded.due",
);

const DELETE_ORDERS: Sql = Sql::both(
    "-- store.delete_orders
    DELETE FROM orders WHERE window_number = $1",
);

const INSERT_ORDERS: Sql = Sql::new(
    "-- store.insert_orders
    INSERT INTO orders (window_number, ordinal, payer, payee, amount, paid)
    SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5 FROM jsonb_each($1) WHERE $2 IS NOT NULL",
    "-- store.insert_orders
    INSERT INTO orders (window_number, ordinal, payer, payee, amount, paid)
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::bigint[])",
);

/// Writes one window with all that belongs to it.
pub(super) async fn save_window(
    link: &mut Link<'_>,
    window: &Window,
    first_sequence: i64,
    end_sequence: Option<i64>,
) -> Result<(), StoreError> {
    let number = i64::from(window.number);
    let settlement = window.settlement.as_ref();
    let amount = |of: fn(&Settlement) -> Money| settlement.map(|settlement| of(settlement).0);
    let call = link.call(&UPSERT_WINDOW).int(number).text(window.state.as_str()).int(window.opened.0);
    let call = call.int_or_null(window.closed.map(|time| time.0)).int(first_sequence).int_or_null(end_sequence);
    let call = call.text(window.legs_moved.to_string());
    let call = call.text_or_null(settlement.map(|settlement| settlement.state.as_str().to_owned()));
    let call =
        call.text_or_null(settlement.and_then(|settlement| settlement.mode).map(|mode| mode.as_str().to_owned()));
    let figure = |of: fn(&Proof) -> i128| settlement.map(|settlement| of(&settlement.proof).to_string());
    let call = call
        .text_or_null(figure(|proof| proof.legs))
        .text_or_null(figure(|proof| proof.carried_change))
        .int_or_null(amount(|settlement| settlement.gross))
        .int_or_null(amount(|settlement| settlement.pairwise));
    link.execute_counted(call, 1).await?;

    let mut participants = link.table(&[Kind::Int, Kind::Text, Kind::Int, Kind::Int]);
    for (partner, participant) in &window.participants {
        participants.int(number).text(partner.as_str()).int(participant.opening.0).int(participant.carried.0);
    }
    save_rows(link, &UPSERT_PARTICIPANTS, participants).await?;
    let changes = settlement.map(|settlement| &settlement.proof.changes);
    let classes: BTreeSet<&MoneyClass> =
        window.opening.keys().chain(changes.into_iter().flatten().map(|(class, _)| class)).collect();
    let mut proofs = link.table(&[Kind::Int, Kind::Text, Kind::Text, Kind::Text]);
    for class in classes {
        let text = |amounts: &ClassAmounts| amounts.get(class).copied().unwrap_or_default().to_string();
        proofs.int(number).text(&class.to_string()).text(&text(&window.opening));
        proofs.text_or_null(changes.map(text).as_deref());
    }
    save_rows(link, &UPSERT_PROOFS, proofs).await?;
    let Some(settlement) = settlement else { return Ok(()) };
    let mut legs = link.table(&[Kind::Int, Kind::Text, Kind::Int, Kind::Int]);
    for (partner, leg) in &settlement.legs {
        legs.int(number).text(partner.as_str()).int(leg.amount.0).int(leg.due.0);
    }
    save_rows(link, &UPSERT_LEGS, legs).await?;
    // Orders change altogether while another mode may still be chosen.
    let call = link.call(&DELETE_ORDERS).int(number);
    link.execute(call).await?;
    let mut orders = link.table(&[Kind::Int, Kind::Int, Kind::Text, Kind::Text, Kind::Int, Kind::Int]);
    for (ordinal, order) in (0..).zip(&settlement.orders) {
        let (payer, payee) = (order.payer.to_string(), order.payee.to_string());
        orders.int(number).int(ordinal).text(&payer).text(&payee).int(order.amount.0).int(i64::from(order.paid));
    }
    save_rows(link, &INSERT_ORDERS, orders).await
}

async fn save_rows(link: &mut Link<'_>, sql: &'static Sql, rows: super::sql::Table) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let count = rows.len();
    let call = link.call(sql).table(rows);
    link.execute_counted(call, count).await
}

const GROSS: Sql = Sql::both(
    "-- store.gross
    SELECT issuer, acceptor, points, amount FROM gross WHERE window_number = $1",
);

/// Gross obligations of a window: issuer to acceptor.
pub(super) async fn gross(
    link: &mut Link<'_>,
    window: WindowNumber,
) -> Result<BTreeMap<(PartnerId, PartnerId), Gross>, StoreError> {
    let call = link.call(&GROSS).int(i64::from(window));
    let gross = |row: &dyn Cells| {
        let gross = Gross { points: Points(row.int(2)?), amount: Money(row.int(3)?) };
        Ok(((partner_id(row.text(0)?)?, partner_id(row.text(1)?)?), gross))
    };
    Ok(link.rows(call, gross).await?.into_iter().collect())
}

/// The commodity of balances in points; those in money have the code of their currency.
pub(super) const POINTS: &str = "points";

/// The balances of all accounts of the house. What members hold is in their own rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Balances {
    pub points: BTreeMap<PointsAccount, Points>,
    pub money: BTreeMap<MoneyAccount, Money>,
}

const BALANCES: Sql = Sql::both(
    "-- store.balances
    SELECT commodity, account, amount, window_number FROM balances",
);

const BALANCES_OF_WINDOW: Sql = Sql::both(
    "-- store.balances_of_window
    SELECT commodity, account, amount, window_number FROM balances WHERE commodity IN ($1, $2) AND window_number = $3",
);

/// All balances, the legs of every window among them.
pub(super) async fn balances(link: &mut Link<'_>) -> Result<Balances, StoreError> {
    let call = link.call(&BALANCES);
    read_balances(link, call).await
}

/// Where the balance of an account stands: behind the number of its window, if it is a leg.
pub(super) fn window_of(account: &MoneyAccount) -> i64 {
    match account {
        MoneyAccount::Settle(window, _) => i64::from(*window),
        MoneyAccount::Position(_)
        | MoneyAccount::Pool
        | MoneyAccount::Reserve
        | MoneyAccount::Unfunded
        | MoneyAccount::Collateral(_)
        | MoneyAccount::Bank(_) => NO_WINDOW,
    }
}

/// Behind it stand the balances that are no legs.
pub(super) const NO_WINDOW: i64 = 0;

/// The balances of all accounts but legs, and of the legs of these windows.
pub(super) async fn balances_with(
    link: &mut Link<'_>,
    currency: &str,
    windows: &BTreeSet<WindowNumber>,
) -> Result<Balances, StoreError> {
    let mut found = Balances::default();
    for window in windows.iter().map(|number| i64::from(*number)).chain([NO_WINDOW]) {
        let call = link.call(&BALANCES_OF_WINDOW).text(POINTS).text(currency).int(window);
        let balances = read_balances(link, call).await?;
        found.points.extend(balances.points);
        found.money.extend(balances.money);
    }
    Ok(found)
}

async fn read_balances(link: &mut Link<'_>, call: super::sql::Call) -> Result<Balances, StoreError> {
    let mut balances = Balances::default();
    let balance = |row: &dyn Cells| Ok((row.text(0)? == POINTS, row.text(1)?.to_owned(), row.int(2)?, row.int(3)?));
    let damaged = |error| StoreError::damaged("an account's name", error);
    for (points, name, amount, window) in link.rows(call, balance).await? {
        let own = if points {
            balances.points.insert(name.parse().map_err(damaged)?, Points(amount));
            NO_WINDOW
        } else {
            let account = name.parse().map_err(damaged)?;
            balances.money.insert(account, Money(amount));
            window_of(&account)
        };
        if window != own {
            return Err(StoreError::permanent(format!("the balance of {name} stands with window {window}")));
        }
    }
    Ok(balances)
}

const SAVE_FUNDING: Sql = Sql::both(
    "-- store.save_funding
    UPDATE funding SET settles_in = $4, funded_at = $5 WHERE window_number = $1 AND issuer = $2 AND terms_version = $3",
);

/// Writes which points that wait for a payment were paid for, or wait for another settlement. O(partners).
pub(super) async fn save_funding(link: &mut Link<'_>, book: &Book, changes: &Changes) -> Result<(), StoreError> {
    for key in &changes.funding_states {
        let group = book.funding.get(key);
        let group = group.ok_or_else(|| StoreError::permanent("points that wait for a payment are not in the book"))?;
        let call = link.call(&SAVE_FUNDING).int(i64::from(key.0)).text(key.1.as_str()).int(i64::from(key.2));
        let call = call.int(i64::from(group.settles_in)).int_or_null(group.funded.map(|time| time.0));
        link.execute_counted(call, 1).await?;
    }
    Ok(())
}

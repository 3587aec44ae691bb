//! Money at the bank: what arrived and where its parts are, what goes out, lines of statements, and claims.
//!
//! | read | locked |
//! |---|---|
//! | lines of statements, payments that were undone | none: rows are added, never changed; a line that two nodes book at once is booked once |
//! | money that arrived or goes out, of partners or by what names it | ascending, by the entry that recorded it |
//! | claims | ascending, by partner |

use std::collections::{BTreeMap, BTreeSet};

use clearing_core::book::Book;
use clearing_core::book::changes::Changes;
use clearing_core::chart::{BankPurpose, MoneyAccount};
use clearing_core::facts::entry::JournalEntry;
use clearing_core::facts::money::{BankKey, BankLine, Claim, Incoming, OutOf, OutState, Outgoing, OwnTransfer, Place};
use clearing_core::facts::origin::BusinessDate;
use clearing_core::operation::Footprint;
use clearing_core::units::{BatchId, EntryId, Money, PartnerId, Timestamp, WindowNumber};

use super::cells::Row;
use super::rows::RowSet;
use super::save::of_book;
use super::sql::{Link, Sql, one, rows};
use super::tables::{BANK_LINES, CLAIM_SHARES, CLAIMS, Column, MONEY_IN, MONEY_IN_LEGS, MONEY_OUT, UNDONE_PAYMENTS};
use super::{Backend, Store, StoreError, journal, known};

pub(super) static STATEMENTS: &[&Sql] = &[
    &BANK_LINES_OF,
    &UNDONE_OF,
    &OPEN_IN,
    &OPEN_OUT,
    &OUT_OF_LEG,
    &IN_OF,
    &LOCK_IN,
    &OUT_OF,
    &LOCK_OUT,
    &LEGS_OF_MONEY,
    &CLAIMS_OF,
    &LOCK_CLAIMS,
    &OPEN_CLAIMS,
    &SHARES_OF,
    &ALL_IN,
    &ALL_IN_LEGS,
    &ALL_OUT,
    &ALL_LINES,
    &ALL_CLAIMS,
    &ALL_SHARES,
    &ALL_UNDONE,
    &UPSERT_IN,
    &DELETE_IN_LEGS,
    &INSERT_IN_LEGS,
    &UPSERT_OUT,
    &INSERT_LINES,
    &UPSERT_CLAIMS,
    &DELETE_SHARES,
    &INSERT_SHARES,
    &INSERT_UNDONE,
    &OPEN_IN_BEHIND,
    &OPEN_OUT_BEHIND,
];

const LINE_KEY: &[Column] = &[BANK_LINES.own_account, BANK_LINES.booking_day, BANK_LINES.reference];

static BANK_LINES_OF: Sql = Sql::both(
    "store.bank_lines_of",
    "SELECT {bank_lines l} FROM {rows k} CROSS JOIN bank_lines AS l WHERE {match k l}",
)
.takes(&[rows("k", LINE_KEY)])
.gives(BANK_LINES.all);

const UNDONE_KEY: &[Column] = &[UNDONE_PAYMENTS.batch_id, UNDONE_PAYMENTS.ordinal];

static UNDONE_OF: Sql = Sql::both(
    "store.undone_payments_of",
    "SELECT {undone_payments u} FROM {rows k} CROSS JOIN undone_payments AS u WHERE {match k u}",
)
.takes(&[rows("k", UNDONE_KEY)])
.gives(UNDONE_PAYMENTS.all);

const IN_KEY: &[Column] = &[MONEY_IN.batch_id, MONEY_IN.ordinal];
const OUT_KEY: &[Column] = &[MONEY_OUT.batch_id, MONEY_OUT.ordinal];

static OPEN_IN: Sql = Sql::both(
    "store.open_money_in",
    "SELECT {money_in m} FROM {rows k} CROSS JOIN money_in AS m
    WHERE m.partner = k.partner AND (m.unapplied > 0 OR m.advance > 0 OR m.seen = 0)",
)
.takes(&[rows("k", &[MONEY_IN.partner])])
.gives(IN_KEY);

static OPEN_OUT: Sql = Sql::both(
    "store.open_money_out",
    "SELECT {money_out m} FROM {rows k} CROSS JOIN money_out AS m
    WHERE m.partner = k.partner AND (m.state = 'ORDERED' OR m.seen = 0)",
)
.takes(&[rows("k", &[MONEY_OUT.partner])])
.gives(OUT_KEY);

static OUT_OF_LEG: Sql = Sql::both(
    "store.money_out_of_leg",
    "SELECT {money_out m} FROM {rows k} CROSS JOIN money_out AS m
    WHERE m.window_number IS NOT NULL AND m.window_number = k.window_number AND m.partner = k.partner",
)
.takes(&[rows("k", &[MONEY_OUT.partner, MONEY_OUT.window_number])])
.gives(OUT_KEY);

static IN_OF: Sql =
    Sql::both("store.money_in_of", "SELECT {money_in m} FROM {rows k} CROSS JOIN money_in AS m WHERE {match k m}")
        .takes(&[rows("k", IN_KEY)])
        .gives(MONEY_IN.all);

static LOCK_IN: Sql = Sql::postgres(
    "store.lock_money_in",
    "SELECT {money_in m} FROM money_in AS m JOIN {rows k} ON {match k m} ORDER BY m.batch_id, m.ordinal FOR UPDATE OF m",
)
.takes(&[rows("k", IN_KEY)])
.gives(MONEY_IN.all);

static OUT_OF: Sql =
    Sql::both("store.money_out_of", "SELECT {money_out m} FROM {rows k} CROSS JOIN money_out AS m WHERE {match k m}")
        .takes(&[rows("k", OUT_KEY)])
        .gives(MONEY_OUT.all);

static LOCK_OUT: Sql = Sql::postgres(
    "store.lock_money_out",
    "SELECT {money_out m} FROM money_out AS m JOIN {rows k} ON {match k m} ORDER BY m.batch_id, m.ordinal FOR UPDATE OF m",
)
.takes(&[rows("k", OUT_KEY)])
.gives(MONEY_OUT.all);

const IN_LEGS_KEY: &[Column] = &[MONEY_IN_LEGS.batch_id, MONEY_IN_LEGS.ordinal];

static LEGS_OF_MONEY: Sql = Sql::both(
    "store.money_in_legs_of",
    "SELECT {money_in_legs l} FROM {rows k} CROSS JOIN money_in_legs AS l
    WHERE l.batch_id = k.batch_id AND l.ordinal = k.ordinal",
)
.takes(&[rows("k", IN_LEGS_KEY)])
.gives(MONEY_IN_LEGS.all);

const OF_CLAIM: &[Column] = &[CLAIMS.partner];

static CLAIMS_OF: Sql =
    Sql::both("store.claims_of", "SELECT {claims c} FROM {rows k} CROSS JOIN claims AS c WHERE {match k c}")
        .takes(&[rows("k", OF_CLAIM)])
        .gives(CLAIMS.all);

static LOCK_CLAIMS: Sql = Sql::postgres(
    "store.lock_claims",
    "SELECT {claims} FROM claims WHERE partner = ANY ({array k}) ORDER BY partner FOR UPDATE",
)
.takes(&[rows("k", OF_CLAIM)])
.gives(CLAIMS.all);

// Few: who owes nothing has a row of zeros, and who never did has none.
static OPEN_CLAIMS: Sql = Sql::both("store.claims_there_are", "SELECT {claims} FROM claims").gives(OF_CLAIM);

const OF_SHARE: &[Column] = &[CLAIM_SHARES.partner];

static SHARES_OF: Sql = Sql::both(
    "store.claim_shares_of",
    "SELECT {claim_shares s} FROM {rows k} CROSS JOIN claim_shares AS s WHERE s.partner = k.partner",
)
.takes(&[rows("k", OF_SHARE)])
.gives(CLAIM_SHARES.all);

/// Puts what operations need of money at the bank into the book, and gives the entries of the payments that they name. Behind the
/// locks of windows, and before all others. Who has the gate alone, or a snapshot, locks nothing.
pub(super) async fn load(
    link: &mut Link<'_>,
    book: &mut Book,
    needs: &Footprint<'_>,
    lock: bool,
) -> Result<Vec<JournalEntry>, StoreError> {
    let lock = lock && link.backend() == Backend::Postgres;
    let named = needs.money_of.len() + needs.bank_lines.len() + needs.payments.len() + needs.paid_out.len();
    if named == 0 && !needs.settling {
        return Ok(Vec::new());
    }
    let entries = journal::entries(link, needs.payments.iter().copied()).await?;
    let mut wanted = needs.payments.clone();
    for stored in &entries {
        wanted.extend(stored.entry.facts.money_moved().into_iter().flatten().map(|moved| moved.money));
        wanted.extend(stored.entry.facts.assigned().map(|assigned| assigned.money));
    }
    for (key, line) in lines_of(link, &needs.bank_lines).await? {
        wanted.insert(line.entry);
        book.bank_lines.insert(key, line);
    }
    let undone = keys(link, UNDONE_KEY, needs.payments.iter());
    book.undone.extend(found(link, &UNDONE_OF, undone, |row| row.entry(UNDONE_KEY[0], UNDONE_KEY[1])).await?);
    let (mut arrived, mut out) = (wanted.clone(), wanted);
    let mut of = link.row_set(&[MONEY_IN.partner]);
    let mut to = link.row_set(&[MONEY_OUT.partner]);
    for partner in &needs.money_of {
        of.text(MONEY_IN.partner, partner_text(partner.as_ref()));
        to.text(MONEY_OUT.partner, partner_text(partner.as_ref()));
    }
    arrived.extend(found(link, &OPEN_IN, of, |row| row.entry(IN_KEY[0], IN_KEY[1])).await?);
    out.extend(found(link, &OPEN_OUT, to, |row| row.entry(OUT_KEY[0], OUT_KEY[1])).await?);
    let mut legs = link.row_set(&[MONEY_OUT.partner, MONEY_OUT.window_number]);
    for (window, partner) in &needs.paid_out {
        legs.text(MONEY_OUT.partner, partner.as_str()).int(MONEY_OUT.window_number, i64::from(*window));
    }
    out.extend(found(link, &OUT_OF_LEG, legs, |row| row.entry(OUT_KEY[0], OUT_KEY[1])).await?);
    let locked = keys(link, IN_KEY, arrived.iter());
    let rows = found(link, if lock { &LOCK_IN } else { &IN_OF }, locked, incoming).await?;
    let paid = keys(link, IN_LEGS_KEY, rows.iter().map(|(id, _)| id));
    let paid = found(link, &LEGS_OF_MONEY, paid, leg_paid).await?;
    book.incoming.extend(with_legs(rows, paid));
    let locked = keys(link, OUT_KEY, out.iter());
    book.outgoing.extend(found(link, if lock { &LOCK_OUT } else { &OUT_OF }, locked, outgoing).await?);
    let mut claimed: BTreeSet<PartnerId> = needs.money_of.iter().flatten().copied().collect();
    if needs.settling {
        let call = link.call(&OPEN_CLAIMS);
        claimed.extend(link.rows(call, |row| row.partner(CLAIMS.partner)).await?);
    }
    let of_claims = of_partners(link, OF_CLAIM, &claimed);
    let claims = found(link, if lock { &LOCK_CLAIMS } else { &CLAIMS_OF }, of_claims, claim).await?;
    let of_shares = of_partners(link, OF_SHARE, &claimed);
    let shares = found(link, &SHARES_OF, of_shares, share).await?;
    book.claims.extend(with_shares(claims, shares));
    Ok(entries)
}

/// What a statement gives of a set of rows that it takes; nothing of none.
async fn found<T>(
    link: &mut Link<'_>,
    sql: &'static Sql,
    wanted: RowSet,
    decode: impl FnMut(&Row<'_>) -> Result<T, StoreError> + Send,
) -> Result<Vec<T>, StoreError> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let call = link.call(sql).rows(wanted);
    link.rows(call, decode).await
}

fn keys<'a>(link: &Link<'_>, columns: &'static [Column], ids: impl Iterator<Item = &'a EntryId>) -> RowSet {
    let mut keys = link.row_set(columns);
    for id in ids {
        keys.uuid(columns[0], id.batch.0).int(columns[1], i64::from(id.ordinal));
    }
    keys
}

fn of_partners(link: &Link<'_>, columns: &'static [Column], partners: &BTreeSet<PartnerId>) -> RowSet {
    let mut keys = link.row_set(columns);
    for partner in partners {
        keys.text(columns[0], partner.as_str());
    }
    keys
}

/// Whose money it is, as it is stored.
fn partner_text(partner: Option<&PartnerId>) -> &str {
    partner.map_or("", PartnerId::as_str)
}

fn partner(row: &Row<'_>, column: Column) -> Result<Option<PartnerId>, StoreError> {
    if row.text(column)?.is_empty() { Ok(None) } else { row.partner(column).map(Some) }
}

async fn lines_of(link: &mut Link<'_>, lines: &BTreeSet<BankKey>) -> Result<Vec<(BankKey, BankLine)>, StoreError> {
    let mut wanted = link.row_set(LINE_KEY);
    for key in lines {
        push_line(&mut wanted, key);
    }
    found(link, &BANK_LINES_OF, wanted, line).await
}

fn push_line(rows: &mut RowSet, key: &BankKey) {
    rows.text(BANK_LINES.own_account, &key.account);
    rows.int(BANK_LINES.booking_day, key.booked.map_or(0, BusinessDate::number));
    rows.text(BANK_LINES.reference, &key.reference);
}

fn line(row: &Row<'_>) -> Result<(BankKey, BankLine), StoreError> {
    let booked = match row.int(BANK_LINES.booking_day)? {
        0 => None,
        day => Some(
            BusinessDate::from_number(day)
                .map_err(|error| StoreError::damaged("the day of a line of the bank", error))?,
        ),
    };
    let account = row.text(BANK_LINES.own_account)?.to_owned();
    let key = BankKey { account, booked, reference: row.text(BANK_LINES.reference)?.to_owned() };
    let entry = row.entry(BANK_LINES.batch_id, BANK_LINES.ordinal)?;
    Ok((key, BankLine { amount: row.money(BANK_LINES.amount)?, entry }))
}

/// What arrived, but for what of it paid legs.
fn incoming(row: &Row<'_>) -> Result<(EntryId, Incoming), StoreError> {
    let places = [
        (Place::Unapplied, MONEY_IN.unapplied),
        (Place::Advance, MONEY_IN.advance),
        (Place::Gone, MONEY_IN.gone),
        (Place::Returned, MONEY_IN.returned),
    ];
    let mut parts = BTreeMap::new();
    for (place, column) in places {
        parts.insert(place, row.money(column)?);
    }
    parts.retain(|_, part| !part.is_zero());
    let incoming = Incoming {
        partner: partner(row, MONEY_IN.partner)?,
        received: row.time(MONEY_IN.received_at)?,
        amount: row.money(MONEY_IN.amount)?,
        parts,
        seen: row.bool(MONEY_IN.seen)?,
    };
    Ok((row.entry(IN_KEY[0], IN_KEY[1])?, incoming))
}

fn leg_paid(row: &Row<'_>) -> Result<(EntryId, WindowNumber, Money), StoreError> {
    let window = row.small(MONEY_IN_LEGS.window_number)?;
    Ok((row.entry(IN_LEGS_KEY[0], IN_LEGS_KEY[1])?, window, row.money(MONEY_IN_LEGS.amount)?))
}

fn with_legs(rows: Vec<(EntryId, Incoming)>, paid: Vec<(EntryId, WindowNumber, Money)>) -> BTreeMap<EntryId, Incoming> {
    let mut all: BTreeMap<EntryId, Incoming> = rows.into_iter().collect();
    for (id, window, amount) in paid {
        if let Some(incoming) = all.get_mut(&id) {
            incoming.parts.insert(Place::Leg(window), amount);
        }
    }
    all
}

fn outgoing(row: &Row<'_>) -> Result<(EntryId, Outgoing), StoreError> {
    let (window, account) = (row.small_or_null(MONEY_OUT.window_number)?, row.text(MONEY_OUT.account)?);
    let of = match window {
        Some(window) if account.is_empty() => OutOf::Leg(window),
        Some(window) => {
            let problem = format!("money goes out for a leg of window {window} and out of {account}");
            return Err(StoreError::permanent(problem));
        }
        None => known("account that money is ordered out of", out_of(account))?,
    };
    let outgoing = Outgoing {
        partner: partner(row, MONEY_OUT.partner)?,
        amount: row.money(MONEY_OUT.amount)?,
        of,
        state: known("state of money that goes out", OutState::parse(row.text(MONEY_OUT.state)?))?,
        seen: row.bool(MONEY_OUT.seen)?,
    };
    Ok((row.entry(OUT_KEY[0], OUT_KEY[1])?, outgoing))
}

/// Of what money goes out that pays no leg, as it is stored.
fn out_of_text(of: &OutOf) -> String {
    match of {
        OutOf::Leg(_) => String::new(),
        OutOf::Account(account) => account.to_string(),
        OutOf::Own(OwnTransfer { from, to, arrived }) => format!("own:{from}:{to}:{}", i32::from(*arrived)),
    }
}

fn out_of(text: &str) -> Option<OutOf> {
    let Some(own) = text.strip_prefix("own:") else {
        return text.parse::<MoneyAccount>().ok().map(OutOf::Account);
    };
    let mut parts = own.split(':');
    let mut purpose = || parts.next()?.parse::<BankPurpose>().ok();
    let (from, to) = (purpose()?, purpose()?);
    let arrived = match parts.next()? {
        "0" => false,
        "1" => true,
        _ => return None,
    };
    Some(OutOf::Own(OwnTransfer { from, to, arrived }))
}

fn claim(row: &Row<'_>) -> Result<(PartnerId, Claim), StoreError> {
    let (bounced, reserve) = (row.money(CLAIMS.bounced)?, row.money(CLAIMS.reserve)?);
    Ok((row.partner(CLAIMS.partner)?, Claim { bounced, reserve, shared: BTreeMap::new() }))
}

fn share(row: &Row<'_>) -> Result<(PartnerId, PartnerId, Money), StoreError> {
    Ok((row.partner(CLAIM_SHARES.partner)?, row.partner(CLAIM_SHARES.sharer)?, row.money(CLAIM_SHARES.amount)?))
}

fn with_shares(
    claims: Vec<(PartnerId, Claim)>,
    shares: Vec<(PartnerId, PartnerId, Money)>,
) -> BTreeMap<PartnerId, Claim> {
    let mut all: BTreeMap<PartnerId, Claim> = claims.into_iter().collect();
    for (partner, sharer, amount) in shares {
        all.entry(partner).or_default().shared.insert(sharer, amount);
    }
    all
}

static ALL_IN: Sql = Sql::both("store.all_money_in", "SELECT {money_in} FROM money_in").gives(MONEY_IN.all);
static ALL_IN_LEGS: Sql =
    Sql::both("store.all_money_in_legs", "SELECT {money_in_legs} FROM money_in_legs").gives(MONEY_IN_LEGS.all);
static ALL_OUT: Sql = Sql::both("store.all_money_out", "SELECT {money_out} FROM money_out").gives(MONEY_OUT.all);
static ALL_LINES: Sql = Sql::both("store.all_bank_lines", "SELECT {bank_lines} FROM bank_lines").gives(BANK_LINES.all);
static ALL_CLAIMS: Sql = Sql::both("store.all_claims", "SELECT {claims} FROM claims").gives(CLAIMS.all);
static ALL_SHARES: Sql =
    Sql::both("store.all_claim_shares", "SELECT {claim_shares} FROM claim_shares").gives(CLAIM_SHARES.all);
static ALL_UNDONE: Sql =
    Sql::both("store.all_undone_payments", "SELECT {undone_payments} FROM undone_payments").gives(UNDONE_PAYMENTS.all);

/// All of it, for the audit. The caller has a snapshot.
pub(super) async fn load_all(link: &mut Link<'_>, book: &mut Book) -> Result<(), StoreError> {
    let call = link.call(&ALL_IN);
    let rows = link.rows(call, incoming).await?;
    let call = link.call(&ALL_IN_LEGS);
    book.incoming = with_legs(rows, link.rows(call, leg_paid).await?);
    let call = link.call(&ALL_OUT);
    book.outgoing = link.rows(call, outgoing).await?.into_iter().collect();
    let call = link.call(&ALL_LINES);
    book.bank_lines = link.rows(call, line).await?.into_iter().collect();
    let call = link.call(&ALL_CLAIMS);
    let claims = link.rows(call, claim).await?;
    let call = link.call(&ALL_SHARES);
    book.claims = with_shares(claims, link.rows(call, share).await?);
    let call = link.call(&ALL_UNDONE);
    book.undone = link.rows(call, |row| row.entry(UNDONE_KEY[0], UNDONE_KEY[1])).await?.into_iter().collect();
    Ok(())
}

static UPSERT_IN: Sql = Sql::both("store.upsert_money_in", "{upsert k}").takes(&[rows("k", MONEY_IN.all)]);
static DELETE_IN_LEGS: Sql =
    Sql::both("store.delete_money_in_legs", "DELETE FROM money_in_legs WHERE (batch_id, ordinal) IN ({select k})")
        .takes(&[rows("k", IN_LEGS_KEY)]);
static INSERT_IN_LEGS: Sql =
    Sql::both("store.insert_money_in_legs", "{insert k}").takes(&[rows("k", MONEY_IN_LEGS.all)]);
static UPSERT_OUT: Sql = Sql::both("store.upsert_money_out", "{upsert k}").takes(&[rows("k", MONEY_OUT.all)]);
static INSERT_LINES: Sql = Sql::both("store.insert_bank_lines", "{insert k}").takes(&[rows("k", BANK_LINES.all)]);
static UPSERT_CLAIMS: Sql = Sql::both("store.upsert_claims", "{upsert k}").takes(&[rows("k", CLAIMS.all)]);
static DELETE_SHARES: Sql =
    Sql::both("store.delete_claim_shares", "DELETE FROM claim_shares WHERE partner IN ({select k})")
        .takes(&[rows("k", OF_SHARE)]);
static INSERT_SHARES: Sql = Sql::both("store.insert_claim_shares", "{insert k}").takes(&[rows("k", CLAIM_SHARES.all)]);
static INSERT_UNDONE: Sql =
    Sql::both("store.insert_undone_payments", "{insert k}").takes(&[rows("k", UNDONE_PAYMENTS.all)]);

/// Writes what a batch has changed of it. Should another node have booked the same line meanwhile, the batch runs again.
pub(super) async fn save(link: &mut Link<'_>, book: &Book, changes: &Changes) -> Result<(), StoreError> {
    let (mut arrived, mut legs) = (link.row_set(MONEY_IN.all), link.row_set(MONEY_IN_LEGS.all));
    for id in &changes.incoming {
        let incoming = of_book(book.incoming.get(id))?;
        let part = |place| incoming.at(place).0;
        arrived.uuid(MONEY_IN.batch_id, id.batch.0).int(MONEY_IN.ordinal, i64::from(id.ordinal));
        arrived.text(MONEY_IN.partner, partner_text(incoming.partner.as_ref()));
        arrived.int(MONEY_IN.received_at, incoming.received.0).int(MONEY_IN.amount, incoming.amount.0);
        arrived.int(MONEY_IN.unapplied, part(Place::Unapplied)).int(MONEY_IN.advance, part(Place::Advance));
        arrived.int(MONEY_IN.gone, part(Place::Gone)).int(MONEY_IN.returned, part(Place::Returned));
        arrived.bool(MONEY_IN.seen, incoming.seen);
        for (place, amount) in &incoming.parts {
            let Place::Leg(window) = place else { continue };
            legs.uuid(MONEY_IN_LEGS.batch_id, id.batch.0).int(MONEY_IN_LEGS.ordinal, i64::from(id.ordinal));
            legs.int(MONEY_IN_LEGS.window_number, i64::from(*window)).int(MONEY_IN_LEGS.amount, amount.0);
        }
    }
    link.write(&UPSERT_IN, arrived).await?;
    let moved = keys(link, IN_LEGS_KEY, changes.incoming.iter());
    if !moved.is_empty() {
        let call = link.call(&DELETE_IN_LEGS).rows(moved);
        link.execute(call).await?;
    }
    link.write(&INSERT_IN_LEGS, legs).await?;
    let mut out = link.row_set(MONEY_OUT.all);
    for id in &changes.outgoing {
        let Outgoing { partner, amount, of, state, seen } = of_book(book.outgoing.get(id))?;
        let window = if let OutOf::Leg(window) = of { Some(i64::from(*window)) } else { None };
        out.uuid(MONEY_OUT.batch_id, id.batch.0).int(MONEY_OUT.ordinal, i64::from(id.ordinal));
        out.text(MONEY_OUT.partner, partner_text(partner.as_ref())).int(MONEY_OUT.amount, amount.0);
        out.int_or_null(MONEY_OUT.window_number, window).text(MONEY_OUT.account, &out_of_text(of));
        out.text(MONEY_OUT.state, state.as_str()).bool(MONEY_OUT.seen, *seen);
    }
    link.write(&UPSERT_OUT, out).await?;
    let mut lines = link.row_set(BANK_LINES.all);
    for key in &changes.bank_lines {
        let line = of_book(book.bank_lines.get(key))?;
        push_line(&mut lines, key);
        lines.int(BANK_LINES.amount, line.amount.0).uuid(BANK_LINES.batch_id, line.entry.batch.0);
        lines.int(BANK_LINES.ordinal, i64::from(line.entry.ordinal));
    }
    link.write(&INSERT_LINES, lines).await?;
    save_claims(link, book, changes).await?;
    let undone = keys(link, UNDONE_KEY, changes.undone.iter());
    link.write(&INSERT_UNDONE, undone).await
}

async fn save_claims(link: &mut Link<'_>, book: &Book, changes: &Changes) -> Result<(), StoreError> {
    let (mut claims, mut shares) = (link.row_set(CLAIMS.all), link.row_set(CLAIM_SHARES.all));
    for partner in &changes.claims {
        let claim = of_book(book.claims.get(partner))?;
        claims.text(CLAIMS.partner, partner.as_str()).int(CLAIMS.bounced, claim.bounced.0);
        claims.int(CLAIMS.reserve, claim.reserve.0);
        for (sharer, amount) in &claim.shared {
            shares.text(CLAIM_SHARES.partner, partner.as_str()).text(CLAIM_SHARES.sharer, sharer.as_str());
            shares.int(CLAIM_SHARES.amount, amount.0);
        }
    }
    link.write(&UPSERT_CLAIMS, claims).await?;
    let moved = of_partners(link, OF_SHARE, &changes.claims);
    if !moved.is_empty() {
        let call = link.call(&DELETE_SHARES).rows(moved);
        link.execute(call).await?;
    }
    link.write(&INSERT_SHARES, shares).await
}

static OPEN_IN_BEHIND: Sql = Sql::both(
    "store.open_money_in_behind",
    "SELECT {money_in} FROM money_in WHERE (unapplied > 0 OR advance > 0 OR seen = 0) AND (unapplied > 0 OR seen = 0)
    AND (batch_id, ordinal) > ({batch}, {ordinal}) AND (partner = {partner} OR {all} = 1)
    ORDER BY batch_id, ordinal LIMIT {limit}",
)
.takes(&[one("batch"), one("ordinal"), one("partner"), one("all"), one("limit")])
.gives(MONEY_IN.all);

static OPEN_OUT_BEHIND: Sql = Sql::both(
    "store.open_money_out_behind",
    "SELECT {money_out} FROM money_out WHERE (state = 'ORDERED' OR seen = 0) AND state IN ('ORDERED', 'PAID')
    AND (batch_id, ordinal) > ({batch}, {ordinal}) AND (partner = {partner} OR {all} = 1)
    ORDER BY batch_id, ordinal LIMIT {limit}",
)
.takes(&[one("batch"), one("ordinal"), one("partner"), one("all"), one("limit")])
.gives(MONEY_OUT.all);

/// Of whom money that waits for somebody is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMoneyOf {
    All,
    /// Of nobody knows whom: none.
    One(Option<PartnerId>),
}

/// Money that waits for somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenMoney {
    In(Incoming),
    Out(Outgoing),
}

/// Money that waits for somebody, with the entry that recorded it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenMoneyRow {
    pub id: EntryId,
    pub time: Timestamp,
    pub money: OpenMoney,
}

impl Store {
    /// At most `limit` pieces of money that wait for somebody, behind the one of an entry, by the entry that recorded them, which is
    /// the order in which they came.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn open_money(
        &self,
        of: OpenMoneyOf,
        behind: Option<EntryId>,
        limit: usize,
    ) -> Result<Vec<OpenMoneyRow>, StoreError> {
        let mut snapshot = self.snapshot().await?;
        let mut link = snapshot.link();
        let behind = behind.unwrap_or(EntryId { batch: BatchId(0), ordinal: 0 });
        // The first of all is behind no entry.
        let ordinal = if behind.batch == BatchId(0) { -1 } else { i64::from(behind.ordinal) };
        let (partner, all) = match of {
            OpenMoneyOf::All => (None, 1),
            OpenMoneyOf::One(partner) => (partner, 0),
        };
        let most = i64::try_from(limit).unwrap_or(i64::MAX);
        let call = |link: &Link<'_>, sql| {
            let call = link.call(sql).uuid(behind.batch.0).int(ordinal);
            call.text(partner_text(partner.as_ref())).int(all).int(most)
        };
        let asked = call(&link, &OPEN_IN_BEHIND);
        let arrived = link.rows(asked, incoming).await?;
        let asked = call(&link, &OPEN_OUT_BEHIND);
        let out = link.rows(asked, outgoing).await?;
        let arrived = arrived.into_iter().map(|(id, incoming)| (id, OpenMoney::In(incoming)));
        let out = out.into_iter().map(|(id, outgoing)| (id, OpenMoney::Out(outgoing)));
        let mut found: Vec<(EntryId, OpenMoney)> = arrived.chain(out).collect();
        found.sort_by_key(|(id, _)| *id);
        found.truncate(limit);
        let entries = journal::entries(&mut link, found.iter().map(|(id, _)| *id)).await?;
        snapshot.finish().await?;
        let times: BTreeMap<EntryId, Timestamp> =
            entries.into_iter().map(|stored| (stored.id, stored.entry.time)).collect();
        let open = found.into_iter().map(|(id, money)| {
            let time = times.get(&id).copied();
            let time = time.ok_or_else(|| StoreError::permanent(format!("entry {id}, which moved money, is gone")))?;
            Ok(OpenMoneyRow { id, time, money })
        });
        open.collect()
    }
}

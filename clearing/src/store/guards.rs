//! What commands are checked against besides their member: guards of partners, consents of funders, points that wait for a
//! payment; and the lines of receipts.

use std::collections::{BTreeMap, BTreeSet};

use clearing_core::book::sums::Sum;
use clearing_core::chart::{MoneyAccount, PointsAccount};
use clearing_core::facts::hold::{Hold, HoldState};
use clearing_core::facts::limits::{Consent, Guard};
use clearing_core::facts::member::DayCount;
use clearing_core::facts::origin::{BusinessDate, Code};
use clearing_core::facts::receipt::{Receipt, ReceiptLine, Side};
use clearing_core::facts::window::FundingGroup;
use clearing_core::units::{BatchId, EntryId, MemberId, Money, PartnerId, Points, Timestamp, WindowNumber};

use super::sql::{Cells, Kind, Link, Sql};
use super::{StoreError, partner_id, small};

pub(super) const STATEMENTS: &[&Sql] = &[
    &LOCK_GUARDS,
    &ALL_GUARDS,
    &BALANCES_OF,
    &CONSENTS,
    &ALL_CONSENTS,
    &FUNDED,
    &LOCK_FUNDING,
    &FUNDING_WAITING,
    &ALL_FUNDING,
    &HOLDS,
    &HOLDS_OPEN,
    &HOLDS_BETWEEN,
    &RECEIPTS,
    &LOCK_RECEIPTS,
];

const LOCK_GUARDS: Sql = Sql::new(
    "-- store.lock_guards
    SELECT partner, reserved, unsettled, issued_day, issued_points FROM guards
    WHERE partner IN (SELECT value->>0 FROM jsonb_each($1)) AND $2 IS NOT NULL ORDER BY partner",
    "-- store.lock_guards
    SELECT partner, reserved, unsettled, issued_day, issued_points FROM guards
    WHERE partner = ANY ($1::text[]) ORDER BY partner FOR UPDATE",
);

const ALL_GUARDS: Sql = Sql::both(
    "-- store.all_guards
    SELECT partner, reserved, unsettled, issued_day, issued_points FROM guards",
);

/// What partners' limits are checked against; locked in ascending order until the transaction ends.
pub(super) async fn lock_guards(
    link: &mut Link<'_>,
    partners: &BTreeSet<PartnerId>,
) -> Result<BTreeMap<PartnerId, Guard>, StoreError> {
    let mut keys = link.table(&[Kind::Text]);
    for partner in partners {
        keys.text(partner.as_str());
    }
    if keys.is_empty() {
        return Ok(BTreeMap::new());
    }
    let call = link.call(&LOCK_GUARDS).table(keys);
    Ok(link.rows(call, guard).await?.into_iter().collect())
}

/// All guards. The caller has the gate alone, or a snapshot.
pub(super) async fn guards(link: &mut Link<'_>) -> Result<BTreeMap<PartnerId, Guard>, StoreError> {
    let call = link.call(&ALL_GUARDS);
    Ok(link.rows(call, guard).await?.into_iter().collect())
}

fn guard(row: &dyn Cells) -> Result<(PartnerId, Guard), StoreError> {
    let issued = DayCount { day: small(row.int(3)?)?, points: Points(row.int(4)?) };
    let guard = Guard { reserved: Money(row.int(1)?), unsettled: Money(row.int(2)?), issued };
    Ok((partner_id(row.text(0)?)?, guard))
}

const BALANCES_OF: Sql = Sql::new(
    "-- store.balances_of
    SELECT account, amount FROM balances
    WHERE (commodity, window_number, account) IN (SELECT value->>0, value->>1, value->>2 FROM jsonb_each($1))
    AND $2 IS NOT NULL",
    "-- store.balances_of
    SELECT account, amount FROM balances
    JOIN unnest($1::text[], $2::bigint[], $3::text[]) AS k (commodity, window_number, account)
    USING (commodity, window_number, account)",
);

/// The accounts that limits of a partner are checked against: its position and what it has outstanding.
pub(super) fn accounts_of(partner: PartnerId) -> [Sum; 2] {
    [Sum::Money(MoneyAccount::Position(partner)), Sum::Points(PointsAccount::Issuer(partner))]
}

/// The balances of those of these sums that are accounts.
pub(super) async fn balances_of(
    link: &mut Link<'_>,
    currency: &str,
    sums: impl Iterator<Item = Sum>,
) -> Result<(BTreeMap<MoneyAccount, Money>, BTreeMap<PointsAccount, Points>), StoreError> {
    let mut keys = link.table(&[Kind::Text, Kind::Int, Kind::Text]);
    for sum in sums {
        match sum {
            Sum::Money(account) => {
                keys.text(currency).int(super::settlement::window_of(&account)).text(&account.to_string());
            }
            Sum::Points(account) => {
                let window = super::settlement::NO_WINDOW;
                keys.text(super::settlement::POINTS).int(window).text(&account.to_string());
            }
            Sum::Member(_)
            | Sum::Debt(_)
            | Sum::Outstanding(..)
            | Sum::GrossPoints(..)
            | Sum::GrossMoney(..)
            | Sum::Reserved(_)
            | Sum::Unsettled(_)
            | Sum::Issued(_)
            | Sum::Consent(..)
            | Sum::Waiting(..) => {}
        }
    }
    let (mut money, mut points) = (BTreeMap::new(), BTreeMap::new());
    if keys.is_empty() {
        return Ok((money, points));
    }
    let call = link.call(&BALANCES_OF).table(keys);
    for (account, amount) in link.rows(call, |row| Ok((row.text(0)?.to_owned(), row.int(1)?))).await? {
        let unknown = |error| StoreError::damaged("an account", error);
        match account.parse::<MoneyAccount>() {
            Ok(account) => {
                money.insert(account, Money(amount));
            }
            Err(_) => {
                points.insert(account.parse().map_err(unknown)?, Points(amount));
            }
        }
    }
    Ok((money, points))
}

const CONSENTS: Sql = Sql::new(
    "-- store.lock_consents
    SELECT c.funder, c.partner, c.granted, c.budget, c.used
    FROM (SELECT value->>0 AS funder, value->>1 AS partner FROM jsonb_each($1)) AS k
    CROSS JOIN consents AS c WHERE c.funder = k.funder AND c.partner = k.partner AND $2 IS NOT NULL",
    "-- store.lock_consents
    SELECT c.funder, c.partner, c.granted::bigint, c.budget, c.used FROM consents AS c
    JOIN unnest($1::text[], $2::text[]) AS k (funder, partner) USING (funder, partner)
    ORDER BY c.funder, c.partner FOR UPDATE OF c",
);

const ALL_CONSENTS: Sql = Sql::both(
    "-- store.all_consents
    SELECT funder, partner, granted, budget, used FROM consents",
);

/// Consents of funders (first) to partners (second); locked in ascending order until the transaction ends.
pub(super) async fn lock_consents(
    link: &mut Link<'_>,
    wanted: &BTreeSet<(PartnerId, PartnerId)>,
) -> Result<BTreeMap<(PartnerId, PartnerId), Consent>, StoreError> {
    let mut keys = link.table(&[Kind::Text, Kind::Text]);
    for (funder, partner) in wanted {
        keys.text(funder.as_str()).text(partner.as_str());
    }
    if keys.is_empty() {
        return Ok(BTreeMap::new());
    }
    let call = link.call(&CONSENTS).table(keys);
    Ok(link.rows(call, consent).await?.into_iter().collect())
}

/// All consents. The caller has the gate alone, or a snapshot.
pub(super) async fn consents(link: &mut Link<'_>) -> Result<BTreeMap<(PartnerId, PartnerId), Consent>, StoreError> {
    let call = link.call(&ALL_CONSENTS);
    Ok(link.rows(call, consent).await?.into_iter().collect())
}

fn consent(row: &dyn Cells) -> Result<((PartnerId, PartnerId), Consent), StoreError> {
    let granted = row.int_or_null(2)?.map(|granted| granted == 1);
    let consent = Consent { granted, budget: row.int_or_null(3)?.map(Points), used: Points(row.int(4)?) };
    Ok(((partner_id(row.text(0)?)?, partner_id(row.text(1)?)?), consent))
}

macro_rules! funding_columns {
    () => {
        "f.window_number, f.issuer, f.terms_version, f.points, f.settles_in, f.funded_at"
    };
}

const FUNDED: Sql = Sql::new(
    concat!(
        "-- store.funded
    SELECT ",
        funding_columns!(),
        " FROM (SELECT value->>0 AS window_number, value->>1 AS issuer FROM jsonb_each($1)) AS k
    CROSS JOIN funding AS f
    WHERE f.window_number = k.window_number AND f.issuer = k.issuer AND f.funded_at IS NOT NULL AND $2 IS NOT NULL"
    ),
    concat!(
        "-- store.funded
    SELECT ",
        funding_columns!(),
        " FROM funding AS f JOIN unnest($1::bigint[], $2::text[]) AS k (window_number, issuer)
    USING (window_number, issuer) WHERE f.funded_at IS NOT NULL"
    ),
);

const LOCK_FUNDING: Sql = Sql::new(
    concat!(
        "-- store.lock_funding
    SELECT ",
        funding_columns!(),
        " FROM funding AS f WHERE f.funded_at IS NULL AND (
        f.settles_in IN (SELECT value->>0 FROM jsonb_each($1))
        OR (f.window_number, f.issuer) IN (SELECT value->>0, value->>1 FROM jsonb_each($3))
    ) AND $2 IS NOT NULL AND $4 IS NOT NULL"
    ),
    concat!(
        "-- store.lock_funding
    SELECT ",
        funding_columns!(),
        " FROM funding AS f WHERE f.funded_at IS NULL AND (
        f.settles_in = ANY ($1::bigint[])
        OR (f.window_number, f.issuer) IN (SELECT * FROM unnest($2::bigint[], $3::text[]))
    ) ORDER BY f.window_number, f.issuer, f.terms_version FOR UPDATE"
    ),
);

const FUNDING_WAITING: Sql = Sql::both(concat!(
    "-- store.funding_waiting
    SELECT ",
    funding_columns!(),
    " FROM funding AS f WHERE f.funded_at IS NULL AND f.settles_in = $1"
));

const ALL_FUNDING: Sql = Sql::both(concat!(
    "-- store.all_funding
    SELECT ",
    funding_columns!(),
    " FROM funding AS f"
));

type FundingRows = BTreeMap<(WindowNumber, PartnerId, u32), FundingGroup>;

/// Of points issued in windows by issuers, what was paid for.
pub(super) async fn funded(
    link: &mut Link<'_>,
    wanted: &BTreeSet<(WindowNumber, PartnerId)>,
) -> Result<FundingRows, StoreError> {
    let mut keys = link.table(&[Kind::Int, Kind::Text]);
    for (window, issuer) in wanted {
        keys.int(i64::from(*window)).text(issuer.as_str());
    }
    if keys.is_empty() {
        return Ok(FundingRows::new());
    }
    let call = link.call(&FUNDED).table(keys);
    Ok(link.rows(call, funding_group).await?.into_iter().collect())
}

/// What waits for the settlements of these windows, and what of these windows of issue and issuers still waits; locked in
/// ascending order until the transaction ends. What was paid for in the meantime is not among it.
pub(super) async fn lock_funding(
    link: &mut Link<'_>,
    settled: &BTreeSet<WindowNumber>,
    issued: &BTreeSet<(WindowNumber, PartnerId)>,
) -> Result<FundingRows, StoreError> {
    if settled.is_empty() && issued.is_empty() {
        return Ok(FundingRows::new());
    }
    let mut windows = link.table(&[Kind::Int]);
    for window in settled {
        windows.int(i64::from(*window));
    }
    let mut issues = link.table(&[Kind::Int, Kind::Text]);
    for (window, issuer) in issued {
        issues.int(i64::from(*window)).text(issuer.as_str());
    }
    let call = link.call(&LOCK_FUNDING).table(windows).table(issues);
    Ok(link.rows(call, funding_group).await?.into_iter().collect())
}

/// All points that wait for the settlement of a window. The caller has the gate alone, or a snapshot.
pub(super) async fn funding_waiting(link: &mut Link<'_>, window: WindowNumber) -> Result<FundingRows, StoreError> {
    let call = link.call(&FUNDING_WAITING).int(i64::from(window));
    Ok(link.rows(call, funding_group).await?.into_iter().collect())
}

/// All points that waited or wait for a payment.
pub(super) async fn all_funding(link: &mut Link<'_>) -> Result<FundingRows, StoreError> {
    let call = link.call(&ALL_FUNDING);
    Ok(link.rows(call, funding_group).await?.into_iter().collect())
}

fn funding_group(row: &dyn Cells) -> Result<((WindowNumber, PartnerId, u32), FundingGroup), StoreError> {
    let group = FundingGroup {
        points: Points(row.int(3)?),
        settles_in: small(row.int(4)?)?,
        funded: row.int_or_null(5)?.map(Timestamp),
    };
    Ok(((small(row.int(0)?)?, partner_id(row.text(1)?)?, small(row.int(2)?)?), group))
}

const HOLDS: Sql = Sql::new(
    "-- store.holds
    SELECT group_concat(concat_ws(',', hex(h.member_id), hex(h.batch_id), h.ordinal, h.state, h.captured), ';')
    FROM (SELECT substr($2, value->>0, 16) AS member_id, substr($2, value->>1, 16) AS batch_id, value->>2 AS ordinal
        FROM jsonb_each($1)) AS k
    CROSS JOIN holds AS h WHERE h.member_id = k.member_id AND h.batch_id = k.batch_id AND h.ordinal = k.ordinal",
    "-- store.holds
    SELECT h.member_id, h.batch_id, h.ordinal, h.state, h.captured
    FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS k (member_id, batch_id, ordinal)
    JOIN holds AS h USING (member_id, batch_id, ordinal)",
);

const HOLDS_OPEN: Sql = Sql::new(
    "-- store.holds_open
    SELECT group_concat(concat_ws(',', hex(h.member_id), hex(h.batch_id), h.ordinal, h.state, h.captured), ';')
    FROM (SELECT substr($2, value->>0, 16) AS member_id FROM jsonb_each($1)) AS m
    CROSS JOIN holds AS h WHERE h.member_id = m.member_id AND h.state = 1",
    "-- store.holds_open
    SELECT h.member_id, h.batch_id, h.ordinal, h.state, h.captured
    FROM unnest($1::uuid[]) AS m (member_id) JOIN holds AS h USING (member_id) WHERE h.state = 1",
);

const HOLDS_BETWEEN: Sql = Sql::both(
    "-- store.holds_between
    SELECT member_id, batch_id, ordinal, state, captured, lapses_at FROM holds WHERE member_id BETWEEN $1 AND $2",
);

const HOLD_KINDS: &[Kind] = &[Kind::Uuid, Kind::Uuid, Kind::Int, Kind::Int, Kind::Int];

/// How a hold stands; what it was made at is in its entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct HoldRow {
    pub id: EntryId,
    pub state: HoldState,
    pub captured: Points,
}

/// How holds of members stand.
pub(super) async fn holds(
    link: &mut Link<'_>,
    wanted: &BTreeSet<(MemberId, EntryId)>,
) -> Result<Vec<HoldRow>, StoreError> {
    let mut keys = link.table(&[Kind::Uuid, Kind::Uuid, Kind::Int]);
    for (member, entry) in wanted {
        keys.uuid(member.0).uuid(entry.batch.0).int(i64::from(entry.ordinal));
    }
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let call = link.call(&HOLDS).table(keys);
    link.packed_rows(call, HOLD_KINDS, hold).await
}

/// The open holds of members.
pub(super) async fn holds_open(link: &mut Link<'_>, members: &[MemberId]) -> Result<Vec<HoldRow>, StoreError> {
    let mut keys = link.table(&[Kind::Uuid]);
    for member in members {
        keys.uuid(member.0);
    }
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let call = link.call(&HOLDS_OPEN).table(keys);
    link.packed_rows(call, HOLD_KINDS, hold).await
}

/// A hold with what its row repeats of its entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct WholeHoldRow {
    pub hold: HoldRow,
    pub member: MemberId,
    pub lapses: Timestamp,
}

/// All holds there ever were of members with ids from the first to the last.
pub(super) async fn holds_between(
    link: &mut Link<'_>,
    first: u128,
    last: u128,
) -> Result<Vec<WholeHoldRow>, StoreError> {
    let call = link.call(&HOLDS_BETWEEN).uuid(first).uuid(last);
    let whole = |row: &dyn Cells| {
        Ok(WholeHoldRow { hold: hold(row)?, member: MemberId(row.uuid(0)?), lapses: Timestamp(row.int(5)?) })
    };
    link.rows(call, whole).await
}

fn hold(row: &dyn Cells) -> Result<HoldRow, StoreError> {
    let id = EntryId { batch: BatchId(row.uuid(1)?), ordinal: small(row.int(2)?)? };
    let state = match row.int(3)? {
        1 => HoldState::Open,
        2 => HoldState::Captured,
        3 => HoldState::Voided,
        4 => HoldState::Lapsed,
        state => return Err(StoreError::permanent(format!("a hold has the unknown state {state}"))),
    };
    Ok(HoldRow { id, state, captured: Points(row.int(4)?) })
}

/// The stored number of a hold's state.
pub(super) fn state_number(state: HoldState) -> i64 {
    match state {
        HoldState::Open => 1,
        HoldState::Captured => 2,
        HoldState::Voided => 3,
        HoldState::Lapsed => 4,
    }
}

impl HoldRow {
    /// The hold, from the entry that made it.
    pub fn of_entry(self, entry: &clearing_core::facts::entry::Entry) -> Result<Hold, StoreError> {
        let hold = Hold::opened_by(self.id, entry);
        let hold = hold.ok_or_else(|| StoreError::permanent(format!("entry {} made no hold", self.id)))?;
        Ok(Hold { state: self.state, captured: self.captured, ..hold })
    }
}

const RECEIPTS: Sql = Sql::new(
    "-- store.receipts
    SELECT r.partner, r.business_date, r.store, r.till, r.number, r.side, r.line, r.batch_id, r.ordinal
    FROM (SELECT value->>0 AS partner, value->>1 AS business_date, value->>2 AS store, value->>3 AS till,
        value->>4 AS number FROM jsonb_each($1)) AS k
    CROSS JOIN receipts AS r
    WHERE r.partner = k.partner AND r.business_date = k.business_date AND r.store = k.store AND r.till = k.till
    AND r.number = k.number AND $2 IS NOT NULL",
    "-- store.receipts
    SELECT r.partner, r.business_date, r.store, r.till, r.number, r.side, r.line, r.batch_id, r.ordinal
    FROM receipts AS r
    JOIN unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[])
    AS k (partner, business_date, store, till, number) USING (partner, business_date, store, till, number)",
);

const LOCK_RECEIPTS: Sql = Sql::new(
    "-- store.lock_receipts
    SELECT 1 WHERE $1 IS NULL AND $2 IS NULL",
    "-- store.lock_receipts
    SELECT pg_catalog.pg_advisory_xact_lock(key) FROM (
        SELECT DISTINCT hashtextextended(concat_ws(chr(31), partner, business_date, store, till, number), 0) AS key
        FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[])
            AS k (partner, business_date, store, till, number) ORDER BY key
    ) AS k",
);

/// Keeps other nodes from booking these receipts until the transaction ends: there may be no row yet to lock. On SQLite
/// the one writer has the database for itself.
pub(super) async fn lock_receipts(link: &mut Link<'_>, wanted: &BTreeSet<Receipt>) -> Result<(), StoreError> {
    if wanted.is_empty() || link.backend() == super::Backend::Sqlite {
        return Ok(());
    }
    let mut keys = link.table(RECEIPT_KEY);
    for receipt in wanted {
        push_receipt(&mut keys, receipt);
    }
    let call = link.call(&LOCK_RECEIPTS).table(keys);
    link.rows(call, |_| Ok(())).await.map(|_| ())
}

/// The columns that tell a receipt.
pub(super) const RECEIPT_KEY: &[Kind] = &[Kind::Text, Kind::Int, Kind::Text, Kind::Text, Kind::Text];

/// All lines of receipts, with the entries that they were booked with.
pub(super) async fn receipts(
    link: &mut Link<'_>,
    wanted: &BTreeSet<Receipt>,
) -> Result<Vec<(ReceiptLine, EntryId)>, StoreError> {
    let mut keys = link.table(RECEIPT_KEY);
    for receipt in wanted {
        push_receipt(&mut keys, receipt);
    }
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let call = link.call(&RECEIPTS).table(keys);
    link.rows(call, |row| receipt_line(row, [0, 1, 2, 3, 4, 5, 6, 7, 8])).await
}

/// The cells that tell a receipt, in the order of [`RECEIPT_KEY`].
pub(super) fn push_receipt(table: &mut super::sql::Table, receipt: &Receipt) {
    let code = |code: &Option<Code>| code.as_ref().map_or_else(String::new, |code| code.as_str().to_owned());
    table.text(receipt.partner.as_str()).int(receipt.date.number());
    table.text(&code(&receipt.store)).text(&code(&receipt.till)).text(receipt.number.as_str());
}

/// The stored number of a side.
pub(super) fn side_number(side: Side) -> i64 {
    match side {
        Side::Earn => 1,
        Side::Spend => 2,
    }
}

/// A line and its entry from the columns partner, business date, store, till, number, side, line, batch, ordinal, which
/// stand at these places.
pub(super) fn receipt_line(row: &dyn Cells, places: [usize; 9]) -> Result<(ReceiptLine, EntryId), StoreError> {
    let [partner, date, store, till, number, side, line, batch, ordinal] = places;
    let unreadable = |error| StoreError::damaged("a receipt", error);
    let code = |at: usize| match row.text(at)? {
        "" => Ok(None),
        text => Code::new(text).map(Some).map_err(unreadable),
    };
    let receipt = Receipt {
        partner: partner_id(row.text(partner)?)?,
        date: BusinessDate::from_number(row.int(date)?).map_err(unreadable)?,
        store: code(store)?,
        till: code(till)?,
        number: Code::receipt(row.text(number)?).map_err(unreadable)?,
    };
    let side = if row.int(side)? == 1 { Side::Earn } else { Side::Spend };
    let line = ReceiptLine { receipt, side, line: small(row.int(line)?)? };
    Ok((line, EntryId { batch: BatchId(row.uuid(batch)?), ordinal: small(row.int(ordinal)?)? }))
}

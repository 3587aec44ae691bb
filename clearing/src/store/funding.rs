//! Points that wait for their issuer's payment, by window of issue, issuer and terms.

use std::collections::{BTreeMap, BTreeSet};

use clearing_core::book::Book;
use clearing_core::book::changes::Changes;
use clearing_core::book::sums::Sum;
use clearing_core::facts::window::FundingGroup;
use clearing_core::operation::Gate;
use clearing_core::units::{PartnerId, Timestamp, WindowNumber};

use super::cells::Row;
use super::members::MemberDue;
use super::sql::{Link, Sql, one, rows};
use super::tables::{Column, FUNDING, WAITING_LOTS};
use super::{Backend, Store, StoreError};

pub(super) static STATEMENTS: &[&Sql] = &[
    &FUNDED,
    &WAITING_ISSUES,
    &LOCK_FUNDING,
    &FUNDING_WAITING,
    &ALL_FUNDING,
    &MOVE_FUNDING,
    &SAVE_FUNDING,
    &MEMBERS_PAID_FOR,
    &RELEASING,
    &MARK_RELEASED,
];

const GROUP: &[Column] = &[
    FUNDING.window_number,
    FUNDING.issuer,
    FUNDING.terms_version,
    FUNDING.points,
    FUNDING.settles_in,
    FUNDING.decided_at,
    FUNDING.funded,
];

type FundingRows = BTreeMap<(WindowNumber, PartnerId, u32), FundingGroup>;

const ISSUE: &[Column] = &[FUNDING.window_number, FUNDING.issuer];

static FUNDED: Sql = Sql::both(
    "store.funded",
    "SELECT {funding f} FROM {rows k} CROSS JOIN funding AS f WHERE {match k f} AND f.decided_at IS NOT NULL",
)
.takes(&[rows("k", ISSUE)])
.gives(GROUP);

/// Of points issued in windows by issuers, what was paid for or cancelled.
pub(super) async fn funded(
    link: &mut Link<'_>,
    wanted: &BTreeSet<(WindowNumber, PartnerId)>,
) -> Result<FundingRows, StoreError> {
    let mut keys = link.row_set(ISSUE);
    for (window, issuer) in wanted {
        keys.int(FUNDING.window_number, i64::from(*window)).text(FUNDING.issuer, issuer.as_str());
    }
    if keys.is_empty() {
        return Ok(FundingRows::new());
    }
    let call = link.call(&FUNDED).rows(keys);
    Ok(link.rows(call, funding_group).await?.into_iter().collect())
}

const SETTLED: &[Column] = &[FUNDING.settles_in];

static WAITING_ISSUES: Sql = Sql::sqlite(
    "store.waiting_issues",
    "SELECT {funding f} FROM {rows k} CROSS JOIN funding AS f WHERE {match k f} AND f.decided_at IS NULL",
)
.takes(&[rows("k", ISSUE)])
.gives(GROUP);

static LOCK_FUNDING: Sql = Sql::postgres(
    "store.lock_funding",
    "SELECT {funding f} FROM funding AS f WHERE f.decided_at IS NULL
    AND (f.settles_in IN ({select s}) OR (f.window_number, f.issuer) IN ({select k}))
    ORDER BY f.window_number, f.issuer, f.terms_version FOR UPDATE",
)
.takes(&[rows("s", SETTLED), rows("k", ISSUE)])
.gives(GROUP);

/// What waits for the settlements of these windows, and what of these windows of issue and issuers still waits; locked in
/// ascending order until the transaction ends. What was paid for or cancelled in the meantime is not among it.
pub(super) async fn lock(
    link: &mut Link<'_>,
    settled: &BTreeSet<WindowNumber>,
    issued: &BTreeSet<(WindowNumber, PartnerId)>,
) -> Result<FundingRows, StoreError> {
    if settled.is_empty() && issued.is_empty() {
        return Ok(FundingRows::new());
    }
    let mut issues = link.row_set(ISSUE);
    for (window, issuer) in issued {
        issues.int(FUNDING.window_number, i64::from(*window)).text(FUNDING.issuer, issuer.as_str());
    }
    if link.backend() == Backend::Sqlite {
        let call = link.call(&WAITING_ISSUES).rows(issues);
        let mut found: FundingRows = link.rows(call, funding_group).await?.into_iter().collect();
        for window in settled {
            found.extend(funding_waiting(link, *window).await?);
        }
        return Ok(found);
    }
    let mut windows = link.row_set(SETTLED);
    for window in settled {
        windows.int(FUNDING.settles_in, i64::from(*window));
    }
    let call = link.call(&LOCK_FUNDING).rows(windows).rows(issues);
    Ok(link.rows(call, funding_group).await?.into_iter().collect())
}

static FUNDING_WAITING: Sql =
    Sql::both("store.funding_waiting", "SELECT {funding} FROM funding WHERE decided_at IS NULL AND settles_in = $1")
        .gives(GROUP);

/// All points that wait for the settlement of a window. The caller has the gate alone, or a snapshot.
pub(super) async fn funding_waiting(link: &mut Link<'_>, window: WindowNumber) -> Result<FundingRows, StoreError> {
    let call = link.call(&FUNDING_WAITING).int(i64::from(window));
    Ok(link.rows(call, funding_group).await?.into_iter().collect())
}

static ALL_FUNDING: Sql = Sql::both("store.all_funding", "SELECT {funding} FROM funding").gives(GROUP);

/// All points that waited or wait for a payment.
pub(super) async fn all_funding(link: &mut Link<'_>) -> Result<FundingRows, StoreError> {
    let call = link.call(&ALL_FUNDING);
    Ok(link.rows(call, funding_group).await?.into_iter().collect())
}

fn funding_group(row: &Row<'_>) -> Result<((WindowNumber, PartnerId, u32), FundingGroup), StoreError> {
    let decided = row.int_or_null(FUNDING.decided_at)?.map(Timestamp);
    let paid = row.bool(FUNDING.funded)?;
    if paid && decided.is_none() {
        return Err(StoreError::permanent("points were paid for, and nobody says when"));
    }
    let group = FundingGroup {
        points: row.points(FUNDING.points)?,
        settles_in: row.small(FUNDING.settles_in)?,
        funded: decided.filter(|_| paid),
        cancelled: decided.filter(|_| !paid),
    };
    let key = (row.small(FUNDING.window_number)?, row.partner(FUNDING.issuer)?, row.small(FUNDING.terms_version)?);
    Ok((key, group))
}

const MOVED: &[Column] = &[
    FUNDING.window_number,
    FUNDING.issuer,
    FUNDING.terms_version,
    FUNDING.points,
    FUNDING.settles_in,
    FUNDING.funded,
    FUNDING.released,
];

const WAITING: &[Column] = &[FUNDING.window_number, FUNDING.issuer, FUNDING.terms_version, FUNDING.points];

static MOVE_FUNDING: Sql = Sql::new(
    "store.move_funding",
    "{insert k}
    ON CONFLICT ({key k}) DO UPDATE SET points = points + excluded.points
    RETURNING {funding}",
    "WITH head AS MATERIALIZED (SELECT 1 FROM journal_head WHERE id = 1 FOR UPDATE)
    INSERT INTO funding ({names k}) SELECT {cells k} FROM head CROSS JOIN {rows k}
    ON CONFLICT ({key k}) DO UPDATE SET points = funding.points + excluded.points
    RETURNING {funding funding}",
)
.takes(&[rows("k", MOVED)])
.gives(WAITING);

/// Adds the points that wait since a batch, behind the lock on the journal's head. Gives what the sums became.
pub(super) async fn save_moved(link: &mut Link<'_>, changes: &Changes) -> Result<Vec<(Sum, i64)>, StoreError> {
    let mut moved = link.row_set(MOVED);
    for ((window, issuer, terms), points) in &changes.funding {
        let window = i64::from(*window);
        moved.int(FUNDING.window_number, window).text(FUNDING.issuer, issuer.as_str());
        moved.int(FUNDING.terms_version, i64::from(*terms)).int(FUNDING.points, points.0);
        moved.int(FUNDING.settles_in, window).bool(FUNDING.funded, false).bool(FUNDING.released, false);
    }
    let became = |row: &Row<'_>| {
        let (window, issuer) = (row.small(FUNDING.window_number)?, row.partner(FUNDING.issuer)?);
        Ok((Sum::Waiting(window, issuer, row.small(FUNDING.terms_version)?), row.int(FUNDING.points)?))
    };
    link.write_telling(&MOVE_FUNDING, moved, became).await
}

static SAVE_FUNDING: Sql = Sql::both(
    "store.save_funding",
    "UPDATE funding SET settles_in = $4, decided_at = $5, funded = $6
    WHERE window_number = $1 AND issuer = $2 AND terms_version = $3",
);

/// Writes which points that wait for a payment were paid for, or wait for another settlement. O(partners).
pub(super) async fn save_states(link: &mut Link<'_>, book: &Book, changes: &Changes) -> Result<(), StoreError> {
    for key in &changes.funding_states {
        let group = book.funding.get(key);
        let group = group.ok_or_else(|| StoreError::permanent("points that wait for a payment are not in the book"))?;
        let call = link.call(&SAVE_FUNDING).int(i64::from(key.0)).text(key.1.as_str()).int(i64::from(key.2));
        let decided = group.funded.or(group.cancelled).map(|time| time.0);
        let call = call.int(i64::from(group.settles_in)).int_or_null(decided).int(i64::from(group.funded.is_some()));
        link.execute_counted(call, 1).await?;
    }
    Ok(())
}

// A lot that waits for a payment and for its activation is due with the later of the two; one whose activation comes after
// the payment stands in its member's row. What is cancelled is due at once.
static MEMBERS_PAID_FOR: Sql = Sql::both(
    "store.members_paid_for",
    "SELECT {funding f}, {waiting_lots l} FROM funding AS f
    JOIN waiting_lots AS l ON l.release_window = f.window_number AND l.issuer = f.issuer AND l.terms_version = f.terms_version
    WHERE f.decided_at IS NOT NULL AND f.released = 0 AND f.decided_at <= {until}
    AND (l.activates_at IS NULL OR l.activates_at <= f.decided_at OR f.funded = 0)
    AND (f.decided_at, l.member_id) > ({due}, {member})
    GROUP BY f.decided_at, l.member_id ORDER BY f.decided_at, l.member_id LIMIT {limit}",
)
.takes(&[one("until"), one("due"), one("member"), one("limit")])
.gives(&[FUNDING.decided_at, WAITING_LOTS.member_id]);

/// At most `limit` members whose points are to be released because they were paid for by `until`, or are cancelled, the earliest
/// first, from behind `after`.
pub(super) async fn members_paid_for(
    link: &mut Link<'_>,
    until: Timestamp,
    after: MemberDue,
    limit: u32,
) -> Result<Vec<MemberDue>, StoreError> {
    let call = link.call(&MEMBERS_PAID_FOR).int(until.0).int(after.due.0).uuid(after.member.0).int(i64::from(limit));
    let found = |row: &Row<'_>| {
        Ok(MemberDue { due: row.time(FUNDING.decided_at)?, member: row.member(WAITING_LOTS.member_id)? })
    };
    link.rows(call, found).await
}

static RELEASING: Sql =
    Sql::both("store.releasing", "SELECT 1 FROM funding WHERE decided_at IS NOT NULL AND released = 0 LIMIT 1");

/// Whether there are points that were paid for and may not be released to their members yet.
pub(super) async fn is_releasing(link: &mut Link<'_>) -> Result<bool, StoreError> {
    let call = link.call(&RELEASING);
    Ok(link.row(call, |_| Ok(())).await?.is_some())
}

static MARK_RELEASED: Sql = Sql::both(
    "store.mark_released",
    "UPDATE funding SET released = 1 WHERE decided_at IS NOT NULL AND released = 0 AND NOT EXISTS (
        SELECT 1 FROM waiting_lots AS l WHERE l.release_window = funding.window_number AND l.issuer = funding.issuer
        AND l.terms_version = funding.terms_version
        AND (l.activates_at IS NULL OR l.activates_at <= funding.decided_at OR funding.funded = 0)
    )",
);

impl Store {
    /// Notes which points that were paid for are all released to their members, so that nobody looks for them again.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn mark_released(&self) -> Result<(), StoreError> {
        let mut reader = self.reader().await?;
        if !is_releasing(&mut reader.link()).await? {
            return Ok(());
        }
        let mut session = self.session().await?;
        session.pass(Gate::Shared).await?;
        let call = session.link().call(&MARK_RELEASED);
        session.link().execute(call).await?;
        session.commit().await
    }
}

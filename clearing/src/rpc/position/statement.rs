//! The statement of a partner for a window: its lines, page by page, and what they come to.

use clearing_core::facts::coalition::Coalition;
use clearing_core::facts::entry::JournalEntry;
use clearing_core::rules::statement::{self, Role, StatementLine, Total, Totals};
use clearing_core::units::PartnerId;
use clearing_proto::v1;
use tonic::Status;

use crate::rpc::convert::{View, from_kind, from_money, from_purpose, from_timestamp};
use crate::rpc::opaque::Opaque;
use crate::rpc::{Context, errors};
use crate::store::{OwnEntry, WindowRow};

/// Entries without a line of the partner's that a page of a statement passes over at the most.
const PASSED_OVER_MAX: usize = 5_000;

/// Where a statement goes on: after so many lines of the entry of this sequence in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub window: i64,
    pub sequence: i64,
    pub lines: i64,
}

impl Context {
    /// What all lines of a statement come to.
    pub(super) async fn statement_totals(&self, partner: PartnerId, row: &WindowRow) -> Result<Totals, Status> {
        let totals = self.store.statement_totals(partner, row).await.map_err(|error| errors::of_store(&error))?;
        totals.map_err(|overflow| errors::refused(&overflow.into()))
    }

    /// At most `limit` lines from a place on, and where to go on if there may be more.
    pub(super) async fn statement_lines(
        &self,
        partner: PartnerId,
        row: &WindowRow,
        place: Option<Place>,
        limit: usize,
    ) -> Result<(Vec<StatementLine>, Option<Place>), Status> {
        let window = i64::from(row.window.number);
        let (mut from, mut skip) = place.map_or((row.first_sequence, 0), |place| (place.sequence, place.lines));
        let mut page = Vec::with_capacity(limit);
        // Entries without a line of the partner's are passed over, so a page may take more than one look.
        let mut looked_at = 0;
        loop {
            let entries = self.statement_entries(partner, row, from, limit + 1).await?;
            for OwnEntry { written, own_sequence } in &entries {
                for (at, line) in (0_i64..).zip(lines_of(partner, row, written, *own_sequence)) {
                    if at < skip {
                        continue;
                    }
                    if page.len() == limit {
                        return Ok((page, Some(Place { window, sequence: written.sequence, lines: at })));
                    }
                    page.push(line);
                }
                skip = 0;
                from = written.sequence + 1;
            }
            if entries.len() <= limit {
                return Ok((page, None));
            }
            looked_at += entries.len();
            if looked_at > PASSED_OVER_MAX {
                return Ok((page, Some(Place { window, sequence: from, lines: 0 })));
            }
        }
    }

    async fn statement_entries(
        &self,
        partner: PartnerId,
        row: &WindowRow,
        from: i64,
        limit: usize,
    ) -> Result<Vec<OwnEntry>, Status> {
        let entries = self.store.entries_of_window(partner, row, from, limit).await;
        entries.map_err(|error| errors::of_store(&error))
    }
}

/// The lines of an entry; none if it is of another window, as it may be when the open one was closed under the reader.
fn lines_of(partner: PartnerId, row: &WindowRow, written: &JournalEntry, own_sequence: i64) -> Vec<StatementLine> {
    if written.entry.window != row.window.number {
        return Vec::new();
    }
    statement::lines(partner, written.id, own_sequence, &written.entry)
}

/// A line as somebody sees it: whose points an acceptor took is told where the coalition discloses it.
pub(super) fn from_line(line: &StatementLine, view: View, coalition: &Coalition, opaque: &Opaque) -> v1::StatementLine {
    let disclosed = view == View::Whole || coalition.disclose_issuers || line.role != Role::Acceptor;
    let counterparty = line.counterparty.filter(|_| disclosed);
    v1::StatementLine {
        entry_id: opaque.entry(line.entry),
        own_sequence: line.sequence,
        entry_time: from_timestamp(line.time),
        kind: from_kind(line.kind).into(),
        role: from_role(line.role).into(),
        counterparty_id: counterparty.map(|partner| partner.to_string()),
        purpose: from_purpose(line.purpose).into(),
        amount: from_money(line.amount, coalition),
        points: line.points.0,
    }
}

pub(super) fn from_totals(totals: &Totals, coalition: &Coalition) -> Vec<v1::StatementTotal> {
    let rows = totals.rows.iter().map(|((role, kind, purpose), Total { lines, amount, points })| v1::StatementTotal {
        role: from_role(*role).into(),
        kind: from_kind(*kind).into(),
        purpose: from_purpose(*purpose).into(),
        amount: from_money(*amount, coalition),
        points: points.0,
        line_count: i64::try_from(*lines).unwrap_or(i64::MAX),
    });
    rows.collect()
}

fn from_role(role: Role) -> v1::StatementRole {
    match role {
        Role::Issuer => v1::StatementRole::Issuer,
        Role::Acceptor => v1::StatementRole::Acceptor,
        Role::Neither => v1::StatementRole::Neither,
    }
}

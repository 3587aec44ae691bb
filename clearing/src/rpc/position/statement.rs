//! The statement of a partner for a window: its lines, page by page, and what they come to.

use std::sync::Arc;

use clearing_core::facts::coalition::{Coalition, House};
use clearing_core::facts::entry::JournalEntry;
use clearing_core::netting::Obligations;
use clearing_core::rules::statement::{self, Bridge, Section, StatementLine, Total, Totals, Unstated};
use clearing_core::units::PartnerId;
use clearing_proto::v1;
use prost::Message as _;
use tonic::Status;

use crate::rpc::bounds::{AROUND, PAGE_BYTES_MAX};
use crate::rpc::convert::{View, from_kind, from_money, from_origin, from_purpose, from_timestamp};
use crate::rpc::errors::Fault;
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

/// Whose statement of which window, and for whose eyes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a> {
    pub partner: PartnerId,
    pub window: &'a WindowRow,
    pub view: View,
}

impl Context {
    /// What a statement comes to, and the gross obligations of its window.
    pub(super) async fn statement_totals(
        &self,
        Subject { partner, window, .. }: Subject<'_>,
    ) -> Result<(Totals, Obligations), Status> {
        let totals = self.store.statement_totals(partner, window).await.map_err(|error| errors::of_store(&error))?;
        totals.map_err(|overflow| errors::refused(&overflow.into()))
    }

    /// At most `limit` lines from a place on, as many as fit beside `beside` bytes, and where to go on if there may be more.
    pub(super) async fn statement_lines(
        &self,
        subject: Subject<'_>,
        place: Option<Place>,
        limit: usize,
        beside: usize,
    ) -> Result<(Vec<v1::StatementLine>, Option<Place>), Status> {
        let window = i64::from(subject.window.window.number);
        let (mut from, mut skip) =
            place.map_or((subject.window.first_sequence, 0), |place| (place.sequence, place.lines));
        let mut page = Vec::with_capacity(limit);
        let mut bytes = beside;
        // Entries without a line of the partner's are passed over, so a page may take more than one look.
        let mut looked_at = 0;
        loop {
            let entries = self.store.entries_of_window(subject.partner, subject.window, from, limit + 1).await;
            let entries = entries.map_err(|error| errors::of_store(&error))?;
            for own in &entries {
                for (at, line) in (0_i64..).zip(self.lines_of(subject, own).await?) {
                    if at < skip {
                        continue;
                    }
                    bytes += line.encoded_len() + AROUND;
                    if page.len() == limit || (bytes > PAGE_BYTES_MAX && !page.is_empty()) {
                        return Ok((page, Some(Place { window, sequence: own.written.sequence, lines: at })));
                    }
                    page.push(line);
                }
                skip = 0;
                from = own.written.sequence + 1;
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

    /// The lines of an entry as somebody sees them; none if it is of another window, as it may be when the open one was closed
    /// under the reader.
    async fn lines_of(&self, subject: Subject<'_>, own: &OwnEntry) -> Result<Vec<v1::StatementLine>, Status> {
        let JournalEntry { id, entry, .. } = &own.written;
        if entry.window != subject.window.window.number {
            return Ok(Vec::new());
        }
        let of = |house: &House| statement::lines(subject.partner, *id, own.own_sequence, entry, house);
        let mut house: Arc<House> = self.house();
        let mut lines = of(&house);
        if let Err(Unstated::UnknownTerms(..)) = lines {
            // Another node has set them since this one looked.
            self.refresh_house().await?;
            house = self.house();
            lines = of(&house);
        }
        let mut lines = lines.map_err(|unstated| match unstated {
            Unstated::Overflow(overflow) => errors::refused(&overflow.into()),
            Unstated::UnknownTerms(..) => errors::broken(Fault::Internal, unstated.to_string(), None),
        })?;
        let coalition = &house.coalition;
        if subject.view != View::Whole && !coalition.disclose_issuers {
            lines = statement::without_issuers(lines).map_err(|overflow| errors::refused(&overflow.into()))?;
        }
        // As of an entry: whose and where it was is told to who asked for it.
        let asked = subject.view == View::Whole || subject.view == View::Part(entry.partner);
        let origin = if asked { from_origin(&entry.origin, coalition) } else { None };
        let shown = |line: &StatementLine| v1::StatementLine {
            origin: origin.clone(),
            ..from_line(line, coalition, &self.opaque)
        };
        Ok(lines.iter().map(shown).collect())
    }
}

fn from_line(line: &StatementLine, coalition: &Coalition, opaque: &Opaque) -> v1::StatementLine {
    let rounding = Some(line.rounding).filter(|rounding| !rounding.is_zero());
    v1::StatementLine {
        entry_id: opaque.entry(line.entry),
        own_sequence: line.sequence,
        entry_time: from_timestamp(line.time),
        kind: from_kind(line.kind).into(),
        origin: None,
        section: from_section(line.section).into(),
        counterparty_id: line.counterparty.map(|partner| partner.to_string()),
        terms_version: line.terms,
        purpose: from_purpose(line.purpose).into(),
        points: line.points.0,
        rate: line.rate.map(|rate| rate.text(coalition.scale)),
        rounding: rounding.map(|rounding| rounding.text(coalition.scale)),
        amount: from_money(line.amount, coalition),
        gross: line.gross.and_then(|gross| from_money(gross, coalition)),
    }
}

pub(super) fn from_totals(totals: &Totals, coalition: &Coalition) -> Vec<v1::StatementTotal> {
    let rows =
        totals.rows.iter().map(|((section, kind, purpose), Total { entries, amount, points })| v1::StatementTotal {
            section: from_section(*section).into(),
            kind: from_kind(*kind).into(),
            purpose: from_purpose(*purpose).into(),
            amount: from_money(*amount, coalition),
            points: points.0,
            entry_count: i64::try_from(*entries).unwrap_or(i64::MAX),
        });
    rows.collect()
}

pub(super) fn from_bridge(bridge: &Bridge, coalition: &Coalition) -> v1::StatementBridge {
    let Bridge { owes, is_owed, paid_by_pool, prepays, fees, spread, breakage, other } = *bridge;
    v1::StatementBridge {
        owes: from_money(owes, coalition),
        is_owed: from_money(is_owed, coalition),
        paid_by_pool: from_money(paid_by_pool, coalition),
        prepays: from_money(prepays, coalition),
        fees: from_money(fees, coalition),
        spread: from_money(spread, coalition),
        breakage: from_money(breakage, coalition),
        other: from_money(other, coalition),
    }
}

fn from_section(section: Section) -> v1::StatementSection {
    match section {
        Section::Issued => v1::StatementSection::Issued,
        Section::Spent => v1::StatementSection::Spent,
        Section::Accepted => v1::StatementSection::Accepted,
        Section::AtHome => v1::StatementSection::AtHome,
        Section::Lost => v1::StatementSection::Lost,
        Section::House => v1::StatementSection::House,
    }
}

//! Some members, rebuilt from the entries that touch them, and compared with what is stored of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use clearing_core::audit::{Tally, Violation, check_members, compare_members};
use clearing_core::book::Book;
use clearing_core::facts::chain::link_commitment;
use clearing_core::facts::coalition::House;
use clearing_core::facts::limits::Guard;
use clearing_core::facts::member::IdentifierLink;
use clearing_core::facts::receipt::ReceiptLine;
use clearing_core::facts::window::FundingGroup;
use clearing_core::units::{EntryId, Hash, MemberId, PartnerId, WindowNumber};

use super::scratch::Scratch;
use super::{AuditError, Finding, terms_are_known, was_undone};
use crate::store::{BookedLine, LinePlace, MemberRange, MembersLedger, Snapshot};

/// Lines of receipts that are looked for at once.
const LINES_AT_ONCE: usize = 1_000;

/// Members that are compared at once, and the entries that touch them.
pub(super) struct Group {
    pub range: MemberRange,
    pub entries: Scratch,
}

/// What came of a group.
pub(super) struct Compared {
    pub findings: Vec<Finding>,
    pub members: u64,
    pub lots: u64,
    /// Lines of receipts that are booked by the entries of its members.
    pub receipt_lines: i64,
    /// What its stored rows come to.
    pub tally: Tally,
    /// What only the lots and holds of its members tell of the house.
    pub guards: BTreeMap<PartnerId, Guard>,
    pub funding: BTreeMap<(WindowNumber, PartnerId, u32), FundingGroup>,
}

/// What the journal commits to of links, by member and number.
type Links = BTreeMap<(MemberId, u32), Hash>;

/// The lines of receipts that entries booked, and whether these were undone since.
type Lines = BTreeMap<EntryId, (ReceiptLine, bool)>;

/// Rebuilds the members of a group in a house as the journal gives it, and compares them with `stored`.
///
/// # Errors
/// See [`AuditError`].
pub(super) async fn compare(
    mut snapshot: Snapshot,
    Group { range, entries }: Group,
    house: Arc<House>,
    stored: Arc<Book>,
) -> Result<(Snapshot, Compared), AuditError> {
    let mut findings = Vec::new();
    let (rebuilt, links, lines) = rebuild(&range, entries, &house, &mut findings)?;
    let receipt_lines = i64::try_from(lines.len()).unwrap_or(i64::MAX);
    compare_links(&mut snapshot, &range, links, &mut findings).await?;
    let MembersLedger { book: of_members, stray_holds, misdated, misplaced, waiting_amiss } =
        snapshot.members_ledger(&stored, &range.ids).await?;
    compare_lines(&mut snapshot, lines, &mut findings).await?;
    findings.extend(stray_holds.into_iter().map(|hold| Finding::HoldOfNothing { hold }));
    let misdated = misdated.into_iter();
    findings.extend(misdated.map(|(member, stored, due)| Finding::Misdated { member, stored, due }));
    findings.extend(misplaced.into_iter().map(|member| Finding::Misplaced { member }));
    findings.extend(waiting_amiss.into_iter().map(|lot| Finding::Waiting { lot }));
    findings.extend(compare_members(&of_members, &rebuilt).into_iter().map(Finding::from));
    findings.extend(check_members(&of_members).into_iter().map(Finding::from));
    let mut tally = Tally::default();
    tally.add(&of_members);
    let compared = Compared {
        findings,
        members: u64::try_from(of_members.members.len()).unwrap_or(0),
        lots: u64::try_from(of_members.lots.len()).unwrap_or(0),
        receipt_lines,
        tally,
        guards: rebuilt.guards,
        funding: rebuilt.funding,
    };
    Ok((snapshot, compared))
}

/// The members of a group, to which of their links the journal commits, and which lines of receipts they booked, from the entries
/// that touch them.
fn rebuild(
    range: &MemberRange,
    entries: Scratch,
    house: &Arc<House>,
    findings: &mut Vec<Finding>,
) -> Result<(Book, Links, Lines), AuditError> {
    let mut rebuilt = Book::new(Arc::clone(house), 1).of_members(range.ids.clone());
    let mut entries = entries.read()?;
    let mut lines = Lines::new();
    let mut links = Links::new();
    while let Some((id, entry)) = entries.next_entry()? {
        if let Some(lot) = rebuilt.missing_lot(&entry) {
            findings.push(Violation::LotUnknown { entry: id, lot }.into());
        } else if terms_are_known(house, &entry) && rebuilt.apply(id, &entry).is_err() {
            findings.push(Finding::Unfit { entry: id });
        }
        drop(rebuilt.take_changes());
        let enrolled = entry.enrolled().filter(|(member, _)| range.ids.contains(member));
        links.extend(enrolled.map(|(member, link)| ((member, link.number), link.commitment)));
        lines.extend(ReceiptLine::of_entry(&entry, &house.coalition.time_zone).map(|line| (id, (line, false))));
        // What is undone by the batch that booked it was never written.
        match ReceiptLine::freed_by(&entry) {
            Some(freed) if freed.batch == id.batch => drop(lines.remove(&freed)),
            Some(freed) => drop(lines.entry(freed).and_modify(|(_, undone)| *undone = true)),
            None => {}
        }
    }
    Ok((rebuilt, links, lines))
}

/// Compares whom identifiers name with what the journal commits to.
async fn compare_links(
    snapshot: &mut Snapshot,
    range: &MemberRange,
    mut links: Links,
    findings: &mut Vec<Finding>,
) -> Result<(), AuditError> {
    for (identifier, IdentifierLink { member, number, salt }) in snapshot.links(&range.ids).await? {
        let problem = match links.remove(&(member, number)) {
            None => "it is stored, and no entry made it",
            Some(commitment) if commitment != link_commitment(&salt, &identifier, member) => {
                "it is not the one to which its entry commits"
            }
            Some(_) => continue,
        };
        findings.push(Finding::Link { member, number, problem });
    }
    let lost = links.into_keys();
    findings.extend(lost.map(|(member, number)| Finding::Link { member, number, problem: "it is not there" }));
    Ok(())
}

/// Looks for the lines of receipts that the entries of some members booked.
async fn compare_lines(snapshot: &mut Snapshot, lines: Lines, findings: &mut Vec<Finding>) -> Result<(), AuditError> {
    let lines: Vec<(EntryId, (ReceiptLine, bool))> = lines.into_iter().collect();
    for page in lines.chunks(LINES_AT_ONCE) {
        let receipts = page.iter().map(|(_, (line, _))| line.receipt.clone()).collect();
        let mut stored: BTreeMap<LinePlace, Vec<BookedLine>> = BTreeMap::new();
        for row in snapshot.booked_lines(&receipts).await? {
            stored.entry(row.place).or_default().push(row);
        }
        for (entry, (line, undone)) in page {
            let rows = stored.get(&LinePlace::of(line)).map_or(&[][..], Vec::as_slice);
            let is_right = rows.iter().any(|row| (row.entry, row.undone) == (*entry, *undone));
            // Numbers have no gaps: else one that is taken might be taken again.
            let mut numbers: Vec<u32> = rows.iter().map(|row| row.nth).collect();
            numbers.sort_unstable();
            if !is_right || !numbers.iter().copied().eq(0..u32::try_from(rows.len()).unwrap_or(u32::MAX)) {
                let line = format!("{line} of {}", line.receipt.partner);
                findings.push(Finding::Line { line, stored: listed(rows), entry: *entry, undone: *undone });
            }
        }
    }
    Ok(())
}

/// What is stored of a line, for people.
fn listed(rows: &[BookedLine]) -> String {
    let row = |row: &BookedLine| format!("entry {} as number {}{}", row.entry, row.nth, was_undone(row.undone));
    if rows.is_empty() { "nothing".to_owned() } else { rows.iter().map(row).collect::<Vec<_>>().join(", ") }
}

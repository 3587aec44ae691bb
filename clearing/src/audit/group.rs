//! Some members, rebuilt from the entries that touch them, and compared with what is stored of them.

use std::collections::{BTreeMap, BTreeSet};
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
use super::{AuditError, Finding, terms_are_known};
use crate::store::{MemberRange, MembersLedger, Snapshot};

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
    let (rebuilt, links) = rebuild(&range, entries, &house, &mut findings)?;
    compare_links(&mut snapshot, &range, links, &mut findings).await?;
    let MembersLedger { book: of_members, stray_holds, misdated } =
        snapshot.members_ledger(&stored, &range.ids).await?;
    compare_lines(&mut snapshot, &rebuilt, &mut findings).await?;
    findings.extend(stray_holds.into_iter().map(|hold| Finding::HoldOfNothing { hold }));
    let misdated = misdated.into_iter();
    findings.extend(misdated.map(|(member, stored, due)| Finding::Misdated { member, stored, due }));
    findings.extend(compare_members(&of_members, &rebuilt).into_iter().map(Finding::from));
    findings.extend(check_members(&of_members).into_iter().map(Finding::from));
    let mut tally = Tally::default();
    tally.add(&of_members);
    let compared = Compared {
        findings,
        members: u64::try_from(of_members.members.len()).unwrap_or(0),
        lots: u64::try_from(of_members.lots.len()).unwrap_or(0),
        receipt_lines: i64::try_from(rebuilt.receipts.len()).unwrap_or(i64::MAX),
        tally,
        guards: rebuilt.guards,
        funding: rebuilt.funding,
    };
    Ok((snapshot, compared))
}

/// The members of a group, and to which of their links the journal commits, from the entries that touch them.
fn rebuild(
    range: &MemberRange,
    entries: Scratch,
    house: &Arc<House>,
    findings: &mut Vec<Finding>,
) -> Result<(Book, Links), AuditError> {
    let mut rebuilt = Book::new(Arc::clone(house), 1).of_members(range.ids.clone());
    let mut entries = entries.read()?;
    let mut booked: BTreeMap<EntryId, ReceiptLine> = BTreeMap::new();
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
        booked.extend(ReceiptLine::of_entry(&entry, &house.coalition.time_zone).map(|line| (id, line)));
        if let Some(line) = ReceiptLine::freed_by(&entry).and_then(|freed| booked.remove(&freed)) {
            rebuilt.receipts.remove(&line);
        }
    }
    Ok((rebuilt, links))
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
async fn compare_lines(snapshot: &mut Snapshot, rebuilt: &Book, findings: &mut Vec<Finding>) -> Result<(), AuditError> {
    let receipts: BTreeSet<_> = rebuilt.receipts.keys().map(|line| line.receipt.clone()).collect();
    let stored = snapshot.receipt_lines(&receipts).await?;
    for (line, entry) in &rebuilt.receipts {
        let booked = stored.get(line);
        if booked != Some(entry) {
            let line = format!("{line} of {}", line.receipt.partner);
            let stored = booked.map_or_else(|| "nothing".to_owned(), |booked| format!("entry {booked}"));
            findings.push(Finding::Line { line, stored, entry: *entry });
        }
    }
    Ok(())
}

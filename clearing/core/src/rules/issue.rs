//! Points given to a member, by one issuer or by several funders.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::Deserialize;

use crate::book::Book;
use crate::chart::{MoneyAccount, PointsAccount, Purpose};
use crate::facts::entry::{Entry, EntryDraft, EntryKind};
use crate::facts::lot::{LotBirth, LotId, LotMove};
use crate::facts::member::MemberRef;
use crate::facts::terms::{Funding, Terms};
use crate::operation::{Admitted, Ask, Decision, Footprint, Operation};
use crate::rejection::Rejection;
use crate::rules::checks::{check_moment, check_points, check_range};
use crate::units::{MemberId, Overflow, PartnerId, Points, Timestamp, largest_remainder};

/// A joint issue has at most so many funders.
pub const FUNDERS_MAX: usize = 16;

/// What is to be issued.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Earn {
    pub points: Points,
    /// Instead of what the terms say.
    #[serde(rename = "expire_time")]
    pub expires: Option<Timestamp>,
    /// When the points become available, if that is later.
    #[serde(rename = "activate_time")]
    pub activates: Option<Timestamp>,
    /// Who issues, with weights, in the order of ties; the caller alone if empty.
    #[serde(default)]
    pub funders: Vec<(PartnerId, u32)>,
}

impl Earn {
    /// Points of the caller by its terms.
    pub fn points(points: Points) -> Self {
        Self { points, expires: None, activates: None, funders: Vec::new() }
    }

    /// `within`: what stands before the names of the fields in the message.
    pub(crate) fn check(&self, within: &str) -> Result<(), Rejection> {
        check_moment(&format!("{within}expire_time"), self.expires)?;
        check_moment(&format!("{within}activate_time"), self.activates)?;
        let funders = format!("{within}funders");
        if self.funders.len() > FUNDERS_MAX {
            let problem = format!("{} funders, and {FUNDERS_MAX} are the most", self.funders.len());
            return Err(Rejection::invalid(&funders, problem));
        }
        for (at, (funder, weight)) in self.funders.iter().enumerate() {
            if *weight == 0 {
                return Err(Rejection::invalid(&funders, format!("the weight of {funder} is zero")));
            }
            if self.funders[..at].iter().any(|(other, _)| other == funder) {
                return Err(Rejection::invalid(&funders, format!("{funder} is named twice")));
            }
        }
        check_points(&format!("{within}points"), self.points)
    }
}

/// Issues points to a member: of the caller as one lot, or of several funders as a lot each.
///
/// Rule: issue
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(from = "IssueFields")]
pub struct IssuePoints {
    pub member: MemberRef,
    pub earn: Earn,
}

/// The same as it is written: with what is to be issued beside the member.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IssueFields {
    member: MemberRef,
    points: Points,
    expire_time: Option<Timestamp>,
    activate_time: Option<Timestamp>,
    #[serde(default)]
    funders: Vec<(PartnerId, u32)>,
}

impl From<IssueFields> for IssuePoints {
    fn from(fields: IssueFields) -> Self {
        let IssueFields { member, points, expire_time: expires, activate_time: activates, funders } = fields;
        Self { member, earn: Earn { points, expires, activates, funders } }
    }
}

impl Operation for IssuePoints {
    const NAME: &'static str = "IssuePoints";

    fn check(&self) -> Result<(), Rejection> {
        self.earn.check("")
    }

    fn footprint(&self, ask: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.enrols(self.member);
        needs.books(ask);
        needs.funders(ask.caller, &self.earn.funders);
    }

    fn admit(&self, book: &Book, ask: &Ask<'_>) -> Result<Admitted, Rejection> {
        book.check_times_of(ask, &self.earn)?;
        book.check_may_fund(ask.caller, &self.earn.funders)?;
        Admitted::or_fresh(book, self.member, ask.fresh_member)
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, who: &Admitted) -> Result<Decision, Rejection> {
        let member = who.member();
        let entry = book.issue_entry(ask, member, &self.earn, None)?;
        Ok(Decision::of_member(member, vec![entry]).settling(member))
    }
}

impl Book {
    pub(crate) fn check_times_of(&self, ask: &Ask<'_>, earn: &Earn) -> Result<(), Rejection> {
        match earn.expires {
            Some(expires) => check_range("expire_time", expires, Timestamp(ask.now.0 + 1), Timestamp::LAST),
            None => Ok(()),
        }
    }

    /// The entry of an issue to a member whose due work has run. `prior` is the entry posted before it, if there is one.
    pub(crate) fn issue_entry(
        &self,
        ask: &Ask<'_>,
        member: MemberId,
        earn: &Earn,
        prior: Option<&Entry>,
    ) -> Result<Entry, Rejection> {
        self.check_receipt(ask, EntryKind::Issue)?;
        let shares = joint_shares(ask.caller, earn);
        for (issuer, points) in &shares {
            self.check_consent(ask.caller, *issuer, *points)?;
        }
        for (issuer, points) in &shares {
            self.check_issue_limits(*issuer, member, *points, ask.now, prior)?;
        }
        for (issuer, points) in &shares {
            let terms = self.house.partner(*issuer)?.terms_at(ask.now);
            self.check_issue_cap(*issuer, terms, *points, prior)?;
        }
        let draft = self.draft(EntryKind::Issue, ask).of_member(member);
        self.issue_lots(draft, ask, member, &shares, earn, 1 + i64::from(prior.is_some()))
    }

    /// Completes the entry that makes a lot for each share. `ahead`: which of the member's entries from now on it is.
    pub(crate) fn issue_lots(
        &self,
        mut draft: EntryDraft,
        ask: &Ask<'_>,
        member: MemberId,
        shares: &[(PartnerId, Points)],
        earn: &Earn,
        ahead: i64,
    ) -> Result<Entry, Rejection> {
        let entry_no = self.members.get(&member).map_or(0, |member| member.entry_no) + ahead;
        let activates = earn.activates.filter(|time| *time > ask.now);
        for (place, (issuer, points)) in (0_u16..).zip(shares) {
            let terms = self.house.partner(*issuer)?.terms_at(ask.now);
            let zone = &self.house.coalition.time_zone;
            let expires = earn.expires.unwrap_or_else(|| terms.expiry.expires(ask.now, zone));
            let waits = activates.is_some() || terms.funding == Funding::OnPayment;
            let account = if waits { PointsAccount::Pending(member) } else { PointsAccount::Member(member) };
            draft.post_points(account, i128::from(points.0));
            draft.post_points(PointsAccount::Issuer(*issuer), -i128::from(points.0));
            post_issue_money(&mut draft, *issuer, terms, *points, terms.funding == Funding::OnPayment, 1)?;
            let (available, pending) = if waits { (Points::ZERO, *points) } else { (*points, Points::ZERO) };
            draft.move_lot(LotMove {
                lot: LotId { member, entry_no, part: place },
                issuer: *issuer,
                terms: terms.version,
                points: available,
                held: Points::ZERO,
                pending,
                expires,
                birth: Some(LotBirth { origin: None, activates }),
            });
        }
        self.finish(draft)
    }
}

/// The money of an issue, or with a `sign` of -1 of its reversal: nothing under R; under P the issuer pays p, v of it backs
/// the points; under F, while they wait (`unfunded`), all of it waits with them.
///
/// Rule: issue-money
pub(crate) fn post_issue_money(
    draft: &mut EntryDraft,
    issuer: PartnerId,
    terms: &Terms,
    points: Points,
    unfunded: bool,
    sign: i128,
) -> Result<(), Overflow> {
    if !terms.funding.is_prepaid() {
        return Ok(());
    }
    let backing = i128::from(points.times(terms.value)?.0) * sign;
    let spread = i128::from(points.times(terms.price.minus(terms.value)?)?.0) * sign;
    let (fund, earner) = if unfunded {
        (MoneyAccount::Unfunded, MoneyAccount::Unfunded)
    } else {
        (MoneyAccount::Pool, MoneyAccount::Position(PartnerId::operator()))
    };
    draft.post_money(MoneyAccount::Position(issuer), Purpose::Reward, -backing);
    draft.post_money(fund, Purpose::Reward, backing);
    draft.post_money(MoneyAccount::Position(issuer), Purpose::Spread, -spread);
    draft.post_money(earner, Purpose::Spread, spread);
    Ok(())
}

/// Who issues how many points: the caller all of them, or each funder its share by largest remainder, ties in the order
/// given. Shares of nothing are left out.
///
/// Rule: joint-issue
fn joint_shares(caller: PartnerId, earn: &Earn) -> Vec<(PartnerId, Points)> {
    if earn.funders.is_empty() {
        return vec![(caller, earn.points)];
    }
    let weights: Vec<i64> = earn.funders.iter().map(|(_, weight)| i64::from(*weight)).collect();
    let shares = largest_remainder(earn.points.0, &weights).into_iter().map(Points);
    earn.funders.iter().map(|(funder, _)| *funder).zip(shares).filter(|(_, points)| points.0 > 0).collect()
}

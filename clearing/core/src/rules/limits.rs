//! Limits of partners, and the net debit cap with its headroom.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::Deserialize;

use crate::book::Book;
use crate::book::spending::Spending;
use crate::chart::{MoneyAccount, PointsAccount};
use crate::facts::answer::HouseReply;
use crate::facts::coalition::Coalition;
use crate::facts::entry::{Entry, EntryKind};
use crate::facts::limits::{Limits, LimitsUsed};
use crate::facts::lot::Part;
use crate::facts::partner::Partner;
use crate::facts::terms::Terms;
use crate::facts::{Fact, LimitsFacts};
use crate::operation::{Admitted, Ask, Decision, Footprint, Gate, Operation, Subject};
use crate::rejection::Rejection;
use crate::units::{MemberId, Money, PartnerId, Points, Timestamp};

/// Limits that take the place of all there were, at once.
///
/// Rule: set-limits
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetLimits {
    #[serde(rename = "partner_id")]
    pub partner: PartnerId,
    pub limits: Limits,
}

impl Operation for SetLimits {
    const NAME: &'static str = "SetLimits";
    const GATE: Gate = Gate::Alone;
    const TWO_PERSONS: bool = true;

    fn check(&self) -> Result<(), Rejection> {
        self.limits.validate()
    }

    fn subject(&self) -> Option<Subject> {
        Some(Subject::partner(self.partner))
    }

    fn found(&self, book: &Book) -> Vec<u8> {
        let number = book.house.partners.get(&self.partner).map(|partner| partner.limits_no);
        number.unwrap_or_default().to_be_bytes().to_vec()
    }

    fn footprint(&self, _: &Ask<'_>, _: &mut Footprint<'_>) {}

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let known = book.house.partner(self.partner)?;
        book.check_cover(known.id, &self.limits, &known.security, Money::ZERO, ask.now)?;
        let limits = LimitsFacts { partner: known.id, limits: self.limits, before: known.limits };
        let used = book.used_of(known.id, &self.limits, ask.now);
        let entry = book.finish(book.draft(EntryKind::SetLimits, ask).with(Fact::Limits(limits)))?;
        Ok(Decision::of_house(vec![entry], HouseReply::Limits(used)))
    }
}

/// How near to its maximum a limit is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum LimitLevel {
    /// Less than 80 %.
    #[default]
    Below,
    /// At least 80 %.
    Nearly,
    /// All of it, or more.
    Reached,
}

/// How much of its limit a partner has used. At 80 % somebody should know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitUse {
    pub limit: &'static str,
    pub used: i64,
    pub maximum: i64,
}

impl Limits {
    /// How much of each of these limits is used.
    pub fn uses(&self, used: &LimitsUsed) -> Vec<LimitUse> {
        let of =
            |limit, used: Option<i64>, maximum: Option<i64>| Some(LimitUse { limit, used: used?, maximum: maximum? });
        let points = |points: Option<Points>| points.map(|points| points.0);
        let money = |amount: Option<Money>| amount.map(|amount| amount.0);
        let uses = [
            of(NET_DEBIT_CAP, money(used.net_debit_cap), money(self.net_debit_cap)),
            of("outstanding_points", points(used.outstanding_points), points(self.outstanding_points)),
            of("points_per_day", points(used.points_per_day), points(self.points_per_day)),
            of(REDEEM_FOREIGN, points(used.redeem_foreign_points_per_day), points(self.redeem_foreign_points_per_day)),
        ];
        uses.into_iter().flatten().collect()
    }

    /// Refuses a limit below zero.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`, naming the field.
    pub fn validate(&self) -> Result<(), Rejection> {
        let points = [
            ("limits.outstanding_points", self.outstanding_points),
            ("limits.points_per_day", self.points_per_day),
            ("limits.points_per_member_per_day", self.points_per_member_per_day),
            ("limits.points_per_entry", self.points_per_entry),
            ("limits.transfer_points_per_entry", self.transfer_points_per_entry),
            ("limits.transfer_points_per_member_per_day", self.transfer_points_per_member_per_day),
            ("limits.redeem_points_per_member_per_day", self.redeem_points_per_member_per_day),
            ("limits.redeem_foreign_points_per_day", self.redeem_foreign_points_per_day),
        ];
        let below = points.into_iter().find_map(|(field, points)| Some((field, points.filter(|points| points.0 < 0)?)));
        if let Some((field, points)) = below {
            return Err(Rejection::invalid(field, format!("{} is below zero", points.0)));
        }
        if self.net_debit_cap.is_some_and(|cap| cap.0 < 0) {
            return Err(Rejection::invalid("limits.net_debit_cap", "is below zero"));
        }
        Ok(())
    }
}

/// The one limit that is money.
const NET_DEBIT_CAP: &str = "net_debit_cap";
const REDEEM_PER_MEMBER: &str = "redeem_points_per_member_per_day";
/// Of what is redeemed of other issuers.
pub(crate) const REDEEM_FOREIGN: &str = "redeem_foreign_points_per_day";

impl Rejection {
    /// The place in the published order among the reasons against the two sides of a purchase. Of limits those of the issuer
    /// come first; and what is redeemed of other issuers is known behind all that keeps lots from being chosen.
    pub(crate) fn place_in_purchase(&self) -> (usize, u8) {
        let Self::LimitExceeded { limit, .. } = self else { return (self.rank(), 0) };
        match limit.as_str() {
            REDEEM_FOREIGN => (Self::place_of("NET_DEBIT_CAP"), 1),
            REDEEM_PER_MEMBER => (self.rank(), 1),
            _ => (self.rank(), 0),
        }
    }

    fn place_of(reason: &str) -> usize {
        Self::REASONS.iter().position(|known| *known == reason).expect("a reason of the table")
    }
}

/// How many of the points that `parts` have an acceptor can take from the first on, with room for so many of other issuers.
pub(crate) fn points_within(room: i64, acceptor: PartnerId, parts: &[Part]) -> i64 {
    let (mut room, mut within) = (room.max(0), 0);
    for part in parts {
        let own = part.issuer == acceptor;
        let taken = if own { part.points.0 } else { part.points.0.min(room) };
        within += taken;
        if taken < part.points.0 {
            break;
        }
        room -= if own { 0 } else { taken };
    }
    within
}

/// Refuses points that a limit of an acceptor leaves no room for.
fn check_room(acceptor: PartnerId, limit: &str, asked: Points, used: Points, maximum: Points) -> Result<(), Rejection> {
    // Nothing counts for nothing, also where more is used than the limit allows by now.
    if asked.is_zero() || i128::from(used.0) + i128::from(asked.0) <= i128::from(maximum.0) {
        return Ok(());
    }
    let (partner, limit) = (acceptor.to_string(), limit.to_owned());
    Err(Rejection::LimitExceeded { partner, limit, asked: asked.0, used: used.0, maximum: maximum.0 })
}

impl LimitUse {
    /// Rule: limit-alarm
    pub fn level(&self) -> LimitLevel {
        if self.used >= self.maximum {
            LimitLevel::Reached
        } else if i128::from(self.used) * 5 >= i128::from(self.maximum) * 4 {
            LimitLevel::Nearly
        } else {
            LimitLevel::Below
        }
    }

    /// Whether at least 80 % are used.
    pub fn alarms(&self) -> bool {
        self.level() > LimitLevel::Below
    }

    /// What is used and the maximum as text: points, or money in the coalition's currency.
    pub fn texts(&self, coalition: &Coalition) -> [String; 2] {
        let text = |units: i64| match self.limit {
            NET_DEBIT_CAP => coalition.money_text(Money(units)),
            _ => units.to_string(),
        };
        [text(self.used), text(self.maximum)]
    }
}

impl Book {
    /// What a partner may still come to owe, if it has a cap.
    ///
    /// Rule: headroom
    pub fn headroom(&self, partner: PartnerId) -> Option<i128> {
        let cap = self.house.partners.get(&partner)?.limits.net_debit_cap?;
        Some(i128::from(cap.0) - self.owed_by(partner))
    }

    /// What counts against a partner's cap: what it owes, and what its open holds reserve.
    fn owed_by(&self, partner: PartnerId) -> i128 {
        let position = self.money_balances.get(&MoneyAccount::Position(partner)).copied().unwrap_or_default();
        let guard = self.guards.get(&partner).copied().unwrap_or_default();
        i128::from(guard.reserved.0)
            - i128::from(guard.unsettled.0)
            - i128::from(guard.ahead.0)
            - i128::from(position.0)
    }

    /// How much of the limits that are counted for a whole partner is used.
    pub fn limits_used(&self, partner: &Partner, now: Timestamp) -> Vec<LimitUse> {
        partner.limits.uses(&self.used_of(partner.id, &partner.limits, now))
    }

    /// How much a partner has used of those of `limits` that are counted for the whole of it.
    pub fn used_of(&self, partner: PartnerId, limits: &Limits, now: Timestamp) -> LimitsUsed {
        let guard = self.guards.get(&partner).copied().unwrap_or_default();
        let owed = || Money(i64::try_from(self.owed_by(partner)).unwrap_or(i64::MAX));
        LimitsUsed {
            net_debit_cap: limits.net_debit_cap.map(|_| owed()),
            outstanding_points: limits.outstanding_points.map(|_| self.issued_by(partner)),
            points_per_day: limits.points_per_day.map(|_| guard.counted.on(self.day_of(now)).issued),
            redeem_foreign_points_per_day: limits
                .redeem_foreign_points_per_day
                .map(|_| guard.counted.on(self.day_of(now)).accepted),
        }
    }

    /// What a partner has outstanding.
    fn issued_by(&self, partner: PartnerId) -> Points {
        let balance = self.points_balances.get(&PointsAccount::Issuer(partner)).copied().unwrap_or_default();
        Points(balance.0.saturating_neg())
    }

    /// Checks the limits of an issuer for an issue of `points` to a member. `prior` is an entry that is posted before
    /// it, if there is one.
    ///
    /// Rule: limits
    pub(crate) fn check_issue_limits(
        &self,
        issuer: PartnerId,
        member: MemberId,
        points: Points,
        now: Timestamp,
        prior: Option<&Entry>,
    ) -> Result<(), Rejection> {
        let limits = self.house.partner(issuer)?.limits;
        let exceeded = |limit: &str, used: i64, maximum: Option<Points>| match maximum {
            Some(maximum) if i128::from(used) + i128::from(points.0) > i128::from(maximum.0) => {
                let (partner, limit) = (issuer.to_string(), limit.to_owned());
                Err(Rejection::LimitExceeded { partner, limit, asked: points.0, used, maximum: maximum.0 })
            }
            Some(_) | None => Ok(()),
        };
        exceeded("points_per_entry", 0, limits.points_per_entry)?;
        let today = if limits.points_per_member_per_day.is_some() || limits.points_per_day.is_some() {
            self.day_of(now)
        } else {
            0
        };
        let counted = self.members.get(&member).and_then(|member| member.record.issued.get(&issuer));
        let to_member = counted.map_or(Points::ZERO, |count| count.on(today));
        exceeded("points_per_member_per_day", to_member.0, limits.points_per_member_per_day)?;
        let issued = self.guards.get(&issuer).map_or(Points::ZERO, |guard| guard.counted.on(today).issued);
        exceeded("points_per_day", issued.0, limits.points_per_day)?;
        if limits.outstanding_points.is_some() {
            let account = PointsAccount::Issuer(issuer);
            let before = prior.and_then(|entry| entry.points.iter().find(|posting| posting.account == account));
            let outstanding = self.issued_by(issuer).0 - before.map_or(0, |posting| posting.points.0);
            exceeded("outstanding_points", outstanding, limits.outstanding_points)?;
        }
        Ok(())
    }

    /// Checks that an issue under P or F leaves its issuer's headroom at zero or above.
    ///
    /// Rule: net-debit-cap
    pub(crate) fn check_issue_cap(
        &self,
        issuer: PartnerId,
        terms: &Terms,
        points: Points,
        prior: Option<&Entry>,
    ) -> Result<(), Rejection> {
        let Some(headroom) = self.headroom(issuer).filter(|_| terms.funding.is_prepaid()) else { return Ok(()) };
        let account = MoneyAccount::Position(issuer);
        let before = prior.map_or(&[][..], |entry| entry.money.as_slice()).iter();
        let before: i128 =
            before.filter(|posting| posting.account == account).map(|posting| i128::from(posting.amount.0)).sum();
        // A capture frees what its hold had reserved, as well as it moves the position.
        let captured = prior.and_then(|entry| self.holds.get(&entry.link?));
        let freed = captured.and_then(|hold| hold.facts.reserved.iter().find(|(of, _)| *of == issuer));
        let before = before + freed.map_or(0, |(_, reserved)| i128::from(reserved.0));
        let (headroom, needed) = (headroom + before, points.times(terms.price)?);
        if i128::from(needed.0) <= headroom {
            return Ok(());
        }
        let text = |amount: i128| {
            let fits = i64::try_from(amount).unwrap_or(if amount < 0 { i64::MIN } else { i64::MAX });
            Some(self.house.coalition.money_text(Money(fits)))
        };
        Err(Rejection::NetDebitCap {
            asked: points.0,
            reachable: 0,
            partner: Some(issuer.to_string()),
            needed: text(i128::from(needed.0)),
            headroom: text(headroom),
        })
    }

    /// Checks the limits of the partner that asks for a transfer.
    ///
    /// Rule: transfer-limits
    pub(crate) fn check_transfer_limits(
        &self,
        ask: &Ask<'_>,
        member: MemberId,
        points: Points,
    ) -> Result<(), Rejection> {
        let limits = self.house.partner(ask.caller)?.limits;
        let counted = self.members.get(&member).and_then(|member| member.record.transferred.get(&ask.caller));
        let today = counted.map_or(0, |count| count.on(self.day_of(ask.now)).0);
        for (limit, used, maximum) in [
            ("transfer_points_per_entry", 0, limits.transfer_points_per_entry),
            ("transfer_points_per_member_per_day", today, limits.transfer_points_per_member_per_day),
        ] {
            if let Some(maximum) = maximum.filter(|maximum| i128::from(used) + i128::from(points.0) > maximum.0.into())
            {
                let (partner, limit) = (ask.caller.to_string(), limit.to_owned());
                return Err(Rejection::LimitExceeded { partner, limit, asked: points.0, used, maximum: maximum.0 });
            }
        }
        Ok(())
    }

    /// Checks how much a member may redeem at an acceptor on a day, before lots are chosen.
    ///
    /// Rule: redeem-limits
    pub(crate) fn check_redeem_limit(
        &self,
        acceptor: PartnerId,
        member: MemberId,
        points: Points,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        let Some(maximum) = self.house.partner(acceptor)?.limits.redeem_points_per_member_per_day else {
            return Ok(());
        };
        let counted = self.members.get(&member).and_then(|member| member.record.redeemed.get(&acceptor));
        let used = counted.map_or(Points::ZERO, |count| count.on(self.day_of(now)));
        check_room(acceptor, REDEEM_PER_MEMBER, points, used, maximum)
    }

    /// Checks how much of other issuers an acceptor may redeem on a day, of the lots that were chosen.
    pub(crate) fn check_foreign_limit(
        &self,
        acceptor: PartnerId,
        parts: &[Part],
        now: Timestamp,
    ) -> Result<(), Rejection> {
        let Some(maximum) = self.house.partner(acceptor)?.limits.redeem_foreign_points_per_day else {
            return Ok(());
        };
        let taken = parts.iter().map(|part| (part.issuer, part.points));
        let asked = Spending::taken(acceptor, taken).foreign;
        check_room(acceptor, REDEEM_FOREIGN, asked, self.foreign_today(acceptor, now), maximum)
    }

    /// Points of other issuers that an acceptor has redeemed today.
    fn foreign_today(&self, acceptor: PartnerId, now: Timestamp) -> Points {
        self.guards.get(&acceptor).map_or(Points::ZERO, |guard| guard.counted.on(self.day_of(now)).accepted)
    }

    /// Refuses to let a member spend at a partner before the time that the partner wants between earning and spending.
    ///
    /// Rule: cooling
    pub(crate) fn check_cooling(&self, ask: &Ask<'_>, member: MemberId) -> Result<(), Rejection> {
        let Some(seconds) = self.house.partner(ask.caller)?.limits.cooling_seconds else { return Ok(()) };
        let Some(earned) = self.members.get(&member).and_then(|member| member.record.earned) else { return Ok(()) };
        let until = earned.plus_seconds(i64::from(seconds));
        if ask.now >= until {
            return Ok(());
        }
        Err(Rejection::Cooling { earned: earned.to_string(), until: until.to_string() })
    }
}

//! Statements, obligations and balances on the wire.

use std::collections::BTreeMap;

use clearing_core::changes::Gross;
use clearing_core::chart::{MoneyAccount, PointsAccount};
use clearing_core::netting::Obligations;
use clearing_core::statement::{Role, StatementLine, Total, Totals};
use clearing_core::terms::{Coalition, House};
use clearing_core::units::{Money, Overflow, PartnerId, Points};
use clearing_proto::v1;
use clearing_proto::v1::account_balance::Balance;

use super::{View, from_kind, from_money, from_purpose, from_sum, from_timestamp};

fn from_role(role: Role) -> v1::StatementRole {
    match role {
        Role::Issuer => v1::StatementRole::Issuer,
        Role::Acceptor => v1::StatementRole::Acceptor,
        Role::Neither => v1::StatementRole::Neither,
    }
}

/// A line as somebody sees it: whose points an acceptor took is told where the coalition discloses it.
pub fn from_line(line: &StatementLine, view: View, coalition: &Coalition) -> v1::StatementLine {
    let disclosed = view == View::Whole || coalition.disclose_issuers || line.role != Role::Acceptor;
    let counterparty = line.counterparty.filter(|_| disclosed);
    v1::StatementLine {
        entry_id: line.entry.to_string(),
        sequence: line.sequence,
        entry_time: from_timestamp(line.time),
        kind: from_kind(line.kind).into(),
        role: from_role(line.role).into(),
        counterparty: counterparty.map_or_else(String::new, |partner| partner.to_string()),
        purpose: from_purpose(line.purpose).into(),
        amount: from_money(line.amount, coalition),
        points: line.points.0,
    }
}

pub fn from_totals(totals: &Totals, coalition: &Coalition) -> Vec<v1::StatementTotal> {
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

/// What a partner sees of the obligations of a window: the rows in which it is issuer or acceptor. To an acceptor that
/// is not to learn the issuers, they are one row without a name; it comes first.
pub fn obligations_of(
    partner: PartnerId,
    gross: &Obligations,
    view: View,
    house: &House,
) -> Result<Vec<v1::Obligation>, Overflow> {
    let coalition = &house.coalition;
    let named = view == View::Whole || coalition.disclose_issuers;
    let mut rows = Vec::new();
    let mut unnamed: Option<Gross> = None;
    for ((issuer, acceptor), sum) in gross {
        if *issuer == partner || (*acceptor == partner && named) {
            rows.push(from_obligation(&issuer.to_string(), *acceptor, sum, coalition));
        } else if *acceptor == partner {
            let all = unnamed.get_or_insert_with(Gross::default);
            *all = Gross { points: all.points.plus(sum.points)?, amount: all.amount.plus(sum.amount)? };
        }
    }
    if let Some(all) = unnamed {
        rows.insert(0, from_obligation("", partner, &all, coalition));
    }
    Ok(rows)
}

pub fn from_obligation(issuer: &str, acceptor: PartnerId, gross: &Gross, coalition: &Coalition) -> v1::Obligation {
    v1::Obligation {
        issuer: issuer.to_owned(),
        acceptor: acceptor.to_string(),
        points: gross.points.0,
        gross: from_money(gross.amount, coalition),
    }
}

pub fn from_bilateral(
    debtor: PartnerId,
    creditor: PartnerId,
    amount: Money,
    coalition: &Coalition,
) -> v1::BilateralNet {
    v1::BilateralNet {
        debtor: debtor.to_string(),
        creditor: creditor.to_string(),
        amount: from_money(amount, coalition),
    }
}

pub fn points_balance(account: impl std::fmt::Display, points: Points) -> v1::AccountBalance {
    v1::AccountBalance { account: account.to_string(), balance: Some(Balance::Points(points.0)) }
}

pub fn money_balance(account: impl std::fmt::Display, amount: Money, coalition: &Coalition) -> v1::AccountBalance {
    v1::AccountBalance { account: account.to_string(), balance: from_money(amount, coalition).map(Balance::Money) }
}

/// The accounts of the house whose balance is not zero, by the text of the account.
pub fn from_balances(
    points: &BTreeMap<PointsAccount, Points>,
    money: &BTreeMap<MoneyAccount, Money>,
    coalition: &Coalition,
) -> Vec<v1::AccountBalance> {
    let points = points.iter().filter(|(_, balance)| !balance.is_zero());
    let points = points.map(|(account, balance)| points_balance(account, *balance));
    let money = money.iter().filter(|(_, balance)| !balance.is_zero());
    let money = money.map(|(account, balance)| money_balance(account, *balance, coalition));
    let mut rows: Vec<v1::AccountBalance> = points.chain(money).collect();
    rows.sort_by(|one, other| one.account.cmp(&other.account));
    rows
}

/// The sums of the house's accounts and of what all members have and owe, by class of account: the text before the colon.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClassSums {
    pub points: BTreeMap<String, Points>,
    /// Wider than any balance: a class may have many.
    pub money: BTreeMap<String, i128>,
}

impl ClassSums {
    /// # Errors
    /// [`Overflow`] if a sum does not fit.
    pub fn of(
        points: &BTreeMap<PointsAccount, Points>,
        money: &BTreeMap<MoneyAccount, Money>,
        of_members: &[(PointsAccount, Points)],
    ) -> Result<Self, Overflow> {
        let class = |account: String| account.split(':').next().unwrap_or_default().to_owned();
        let mut sums = Self::default();
        for (account, balance) in points.iter().chain(of_members.iter().map(|(account, sum)| (account, sum))) {
            let sum = sums.points.entry(class(account.to_string())).or_default();
            *sum = sum.plus(*balance)?;
        }
        for (account, balance) in money {
            *sums.money.entry(class(account.to_string())).or_default() += i128::from(balance.0);
        }
        Ok(sums)
    }

    /// # Errors
    /// [`Overflow`] if a sum does not fit.
    pub fn totals(&self) -> Result<(Points, i128), Overflow> {
        let points = self.points.values().copied().try_fold(Points::ZERO, Points::plus)?;
        Ok((points, self.money.values().sum()))
    }

    pub fn rows(&self, coalition: &Coalition) -> Vec<v1::AccountBalance> {
        let points = self.points.iter().map(|(class, sum)| points_balance(class, *sum));
        let money = self.money.iter().map(|(class, sum)| v1::AccountBalance {
            account: class.clone(),
            balance: from_sum(*sum, coalition).map(Balance::Money),
        });
        points.chain(money).collect()
    }
}

#[cfg(test)]
mod tests {
    use clearing_core::units::MemberId;

    use super::*;
    use crate::coalition_file::{CoalitionFile, Variant};

    fn house(disclose_issuers: bool) -> House {
        let file = "[coalition]\ncurrency = \"EUR\"\nscale = 2\npoint_value = \"0.01\"\nstart = \"2026-02-01T00:00:00Z\"\n\
                    [[partner]]\nid = \"A\"\n[[partner]]\nid = \"B\"\n[[partner]]\nid = \"C\"\n";
        let mut house = CoalitionFile::parse(file).unwrap().to_house("test", Variant::AtIssue).unwrap();
        house.coalition.disclose_issuers = disclose_issuers;
        house
    }

    fn id(name: &str) -> PartnerId {
        name.parse().unwrap()
    }

    /// A owes B 1 and C 2, B owes C 3.
    fn gross() -> Obligations {
        let gross = |points: i64| Gross { points: Points(points), amount: Money(points) };
        [(("A", "B"), 1), (("A", "C"), 2), (("B", "C"), 3)]
            .into_iter()
            .map(|((issuer, acceptor), points)| ((id(issuer), id(acceptor)), gross(points)))
            .collect()
    }

    fn seen(partner: &str, view: View, house: &House) -> Vec<(String, String, i64)> {
        let rows = obligations_of(id(partner), &gross(), view, house).unwrap();
        rows.into_iter().map(|row| (row.issuer, row.acceptor, row.points)).collect()
    }

    #[test]
    fn a_partner_sees_the_obligations_it_has_a_side_in() {
        let row = |issuer: &str, acceptor: &str, points| (issuer.to_owned(), acceptor.to_owned(), points);
        let house = house(true);
        assert_eq!(seen("B", View::Part(id("B")), &house), [row("A", "B", 1), row("B", "C", 3)]);
        assert_eq!(seen("C", View::Part(id("C")), &house), [row("A", "C", 2), row("B", "C", 3)]);
    }

    #[test]
    fn issuers_that_are_not_disclosed_are_one_row_without_a_name() {
        let row = |issuer: &str, acceptor: &str, points| (issuer.to_owned(), acceptor.to_owned(), points);
        let house = house(false);
        assert_eq!(seen("C", View::Part(id("C")), &house), [row("", "C", 5)]);
        assert_eq!(seen("B", View::Part(id("B")), &house), [row("", "B", 1), row("B", "C", 3)]);
        assert_eq!(seen("C", View::Whole, &house), [row("A", "C", 2), row("B", "C", 3)], "the operator sees all");
    }

    #[test]
    fn balances_are_listed_by_account_and_summed_by_class() {
        let house = house(true);
        let points =
            BTreeMap::from([(PointsAccount::Issuer(id("A")), Points(-7)), (PointsAccount::Issuer(id("B")), Points(0))]);
        let money = BTreeMap::from([
            (MoneyAccount::Position(id("B")), Money(30)),
            (MoneyAccount::Position(id("A")), Money(-50)),
            (MoneyAccount::Pool, Money(20)),
        ]);
        let member = MemberId(0);
        let of_members = [(PointsAccount::Member(member), Points(5)), (PointsAccount::Held(member), Points(2))];
        let names = |rows: Vec<v1::AccountBalance>| rows.into_iter().map(|row| row.account).collect::<Vec<_>>();
        let listed = names(from_balances(&points, &money, &house.coalition));
        assert_eq!(listed, ["issuer:A", "pool", "position:A", "position:B"]);
        let sums = ClassSums::of(&points, &money, &of_members).unwrap();
        assert_eq!(names(sums.rows(&house.coalition)), ["held", "issuer", "member", "pool", "position"]);
        assert_eq!(sums.totals().unwrap(), (Points(0), 0));
    }
}

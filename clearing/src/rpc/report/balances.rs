//! Balances of accounts and their sums, on the wire.

use std::collections::BTreeMap;

use clearing_core::chart::{MoneyAccount, PointsAccount};
use clearing_core::facts::coalition::Coalition;
use clearing_core::units::{Money, Overflow, Points};
use clearing_proto::v1;
use clearing_proto::v1::quantity::Quantity;

use crate::rpc::convert::{from_money, from_quantity, from_sum};

pub(in crate::rpc) fn points_balance(account: impl std::fmt::Display, points: Points) -> v1::AccountBalance {
    v1::AccountBalance { account: account.to_string(), balance: from_quantity(Quantity::Points(points.0)) }
}

pub(in crate::rpc) fn money_balance(
    account: impl std::fmt::Display,
    amount: Money,
    coalition: &Coalition,
) -> v1::AccountBalance {
    v1::AccountBalance {
        account: account.to_string(),
        balance: from_money(amount, coalition).and_then(|money| from_quantity(Quantity::Money(money))),
    }
}

/// The accounts of the house whose balance is not zero, by the text of the account.
pub(in crate::rpc) fn from_balances(
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
pub(in crate::rpc) struct ClassSums {
    pub points: BTreeMap<String, Points>,
    /// Wider than any balance: a class may have many.
    pub money: BTreeMap<String, i128>,
}

impl ClassSums {
    /// # Errors
    /// [`Overflow`] if a sum does not fit.
    pub(in crate::rpc) fn of(
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
    pub(in crate::rpc) fn totals(&self) -> Result<(Points, i128), Overflow> {
        let points = self.points.values().copied().try_fold(Points::ZERO, Points::plus)?;
        Ok((points, self.money.values().sum()))
    }

    pub(in crate::rpc) fn rows(&self, coalition: &Coalition) -> Vec<v1::AccountBalance> {
        let points = self.points.iter().map(|(class, sum)| points_balance(class, *sum));
        let money = self.money.iter().map(|(class, sum)| v1::AccountBalance {
            account: class.clone(),
            balance: from_sum(*sum, coalition).and_then(|money| from_quantity(Quantity::Money(money))),
        });
        points.chain(money).collect()
    }
}

#[cfg(test)]
mod tests {
    use clearing_core::facts::coalition::House;
    use clearing_core::units::{MemberId, PartnerId};

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

//! What statements say, held against each other and against the report of the whole: read as each partner reads its own.

use std::collections::{BTreeMap, BTreeSet};

use partner_sdk::{
    Client, Decimal, EntryKind, Error, Obligation, Purpose, Statement, StatementBridge, StatementLine, StatementSection,
};

/// Checks the statements of a partner for all windows of a coalition that discloses issuers.
///
/// # Panics
/// If a statement does not add up, a line is not points x rate + rounding, the lines are not the totals, or what they say of
/// another partner is not the obligation that the operator's report has.
///
/// # Errors
/// Of the calls.
pub async fn check_statements(partner: &Client, operator: &Client) -> Result<(), Error> {
    for window in partner.windows().all().await? {
        let statement = partner.statement(Some(window.window)).await?;
        let lines = partner.statement_lines(Some(window.window)).all().await?;
        let report = operator.operator().netting_report(Some(window.window)).await?;
        check_sums(&statement);
        check_lines(&statement, &lines);
        check_obligations(&statement, &lines, &report.obligations);
    }
    Ok(())
}

fn check_sums(statement: &Statement) {
    let StatementBridge { owes, is_owed, paid_by_pool, prepays, fees, spread, breakage, other, .. } = &statement.bridge;
    let bridge = [owes, is_owed, paid_by_pool, prepays, fees, spread, breakage, other];
    let bridge: Decimal = bridge.into_iter().map(|money| money.amount).sum();
    let totals: Decimal = statement.totals.iter().map(|total| total.amount.amount).sum();
    assert_eq!(bridge, totals, "{statement:#?}");
    assert_eq!(statement.opening.amount + bridge, statement.closing.amount + statement.leg.amount, "{statement:#?}");
}

fn check_lines(statement: &Statement, lines: &[StatementLine]) {
    type Key = (StatementSection, EntryKind, Purpose);
    let mut sums: Vec<(Key, Decimal, i64, BTreeSet<i64>)> = Vec::new();
    for line in lines {
        match line.rate {
            Some(rate) => {
                let exact = rate * Decimal::from(line.points) + line.rounding.unwrap_or_default();
                assert_eq!(exact, line.amount.amount, "{line:#?}");
            }
            None if line.purpose == Purpose::Reward => assert!(line.amount.amount.is_zero(), "{line:#?}"),
            None => assert_eq!(line.points, 0, "{line:#?}"),
        }
        let rounds = [Purpose::Fee, Purpose::Breakage].contains(&line.purpose);
        assert!(line.rounding.is_none() || rounds, "{line:#?}");
        let key = (line.section, line.kind, line.purpose);
        let at = sums.iter().position(|(of, ..)| *of == key).unwrap_or_else(|| {
            sums.push((key, Decimal::ZERO, 0, BTreeSet::new()));
            sums.len() - 1
        });
        let (_, amount, points, entries) = &mut sums[at];
        *amount += line.amount.amount;
        *points += if line.purpose == Purpose::Reward { line.points } else { 0 };
        entries.insert(line.own_sequence);
    }
    assert_eq!(sums.len(), statement.totals.len(), "{statement:#?}");
    for (key, amount, points, entries) in sums {
        let same = |total: &&partner_sdk::StatementTotal| (total.section, total.kind, total.purpose) == key;
        let total = statement.totals.iter().find(same).expect("every line is in a total");
        let entries = i64::try_from(entries.len()).expect("entries are few");
        assert_eq!((total.amount.amount, total.points, total.entry_count), (amount, points, entries), "{key:?}");
    }
}

fn check_obligations(statement: &Statement, lines: &[StatementLine], reported: &[Obligation]) {
    let partner = &statement.partner_id;
    let sides = |of: &&Obligation| of.issuer_id.as_ref() == Some(partner) || of.acceptor_id == *partner;
    let reported: Vec<&Obligation> = reported.iter().filter(sides).collect();
    assert_eq!(statement.obligations.iter().collect::<Vec<_>>(), reported, "{partner}");
    let mut told: BTreeMap<(String, String), (i64, Decimal)> = BTreeMap::new();
    for line in lines {
        let Some(gross) = &line.gross else { continue };
        let other = line.counterparty_id.clone().expect("an obligation is to somebody");
        let spent = line.section == StatementSection::Spent;
        let pair = if spent { (partner.clone(), other) } else { (other, partner.clone()) };
        let sum = told.entry(pair).or_default();
        sum.0 += line.points;
        sum.1 += gross.amount;
    }
    let is_something = |(points, gross): &(i64, Decimal)| *points != 0 || !gross.is_zero();
    told.retain(|_, sums| is_something(sums));
    let rows = reported.iter().map(|of| {
        let issuer = of.issuer_id.clone().expect("the report names all");
        ((issuer, of.acceptor_id.clone()), (of.points, of.gross.amount))
    });
    let rows: BTreeMap<_, _> = rows.filter(|(_, sums)| is_something(sums)).collect();
    assert_eq!(told, rows, "{partner}");
    let sum_of = |issued: bool| -> Decimal {
        let of = rows.iter().filter(|((issuer, _), _)| (issuer == partner) == issued);
        of.map(|(_, (_, gross))| *gross).sum()
    };
    assert_eq!(statement.bridge.owes.amount + sum_of(true), Decimal::ZERO);
    assert_eq!(statement.bridge.is_owed.amount, sum_of(false));
}

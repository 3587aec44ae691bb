//! What the day came to, as the house said it.
//!
//! Nothing in here is computed on the side: every figure is one of an answer or a report, or a sum of some for display.
//! [`Figures::check`] makes sure that they agree with each other.

use partner_sdk::operator::{BilateralNet, NettingReport, Partner, PaymentOrder, TrialBalance};
use partner_sdk::{
    Decimal, EntryKind, Money, Obligation, Purpose, Quantity, ServerInfo, Statement, StatementBridge, StatementSection,
};
use serde::Serialize;

use super::brands::{BRANDS, CINEMA};
use super::day::{Points, Tally};
use super::stories::Stories;

/// The figures of a day. The same seed gives the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Figures {
    pub currency: String,
    pub scale: u32,
    pub point_value: Decimal,
    pub customers: u32,
    pub purchases: u32,
    pub requests: Requests,
    pub stories: Stories,
    /// What became of the value of the points that expired.
    pub breakage: Breakage,
    /// By partner id, without the operator.
    pub brands: Vec<BrandFigures>,
    /// By issuer, then acceptor.
    pub obligations: Vec<ObligationFigure>,
    pub bilateral: Vec<Payment>,
    pub netting: Netting,
    /// What everybody is paid (+) or pays (-), the operator last.
    pub legs: Vec<Amount>,
    pub orders: Vec<Payment>,
    pub proof: Proof,
    /// Of the brands by partner id, the operator's last.
    pub statements: Vec<StatementFigures>,
    pub trial_balance: Trial,
}

/// What was asked of the house during the day, and what became of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Requests {
    /// Calls of one request each.
    pub unary: u64,
    /// Issues that came in one batch.
    pub batch_items: u64,
    pub issues: u64,
    pub redemptions: u64,
    pub returns: u64,
    /// Sent a second time, and answered with the first answer.
    pub replayed: u64,
    /// Two tills asked for the same points at once; one of them got them.
    pub races: u64,
    /// Asked for more points than there were.
    pub overspends_refused: u64,
    /// Abandoned after the house had accepted them: undone.
    pub abandoned_undone: u64,
    /// Abandoned before they arrived: refused when they did.
    pub abandoned_refused: u64,
}

/// Who got the value of prepaid points that expired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Breakage {
    pub points: i64,
    pub reserve: Decimal,
    pub operator: Decimal,
    pub issuer: Decimal,
}

/// A brand: its terms, and what it did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BrandFigures {
    pub partner: String,
    pub name: String,
    pub funding: String,
    pub price: Decimal,
    pub value: Decimal,
    pub reimbursement: Decimal,
    pub acceptance_fee: Decimal,
    pub fee_bearer: String,
    /// Points it issued, less what was undone or taken back.
    pub issued_points: i64,
    /// Points it took, of all issuers, less what was returned.
    pub accepted_points: i64,
    /// Points of its own that are with members now.
    pub outstanding_points: i64,
}

/// What an issuer owes an acceptor before netting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ObligationFigure {
    pub issuer: String,
    pub acceptor: String,
    pub points: i64,
    pub amount: Decimal,
}

/// Money from one to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Payment {
    pub payer: String,
    pub payee: String,
    pub amount: Decimal,
}

/// An amount of one participant or account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Amount {
    pub of: String,
    pub amount: Decimal,
}

/// What netting was worth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Netting {
    pub window: i64,
    pub settlement_state: String,
    pub gross: Decimal,
    /// After netting between each two.
    pub bilateral_total: Decimal,
    /// What moves, with prepaid points, fees, spreads and what was carried.
    pub pairwise_total: Decimal,
    /// What is left of the gross after netting between all.
    pub netted_total: Decimal,
    /// Share of the gross that need not move for that.
    pub netted_share: Option<Decimal>,
}

/// Legs + changes of funds + change of what is carried = 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Proof {
    pub legs_total: Decimal,
    pub account_changes: Vec<Amount>,
    pub carried_change: Decimal,
    pub sum: Decimal,
}

/// A statement: opening + rows = opening + bridge = leg + carried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StatementFigures {
    pub partner: String,
    pub opening: Decimal,
    pub rows: Vec<StatementRow>,
    pub bridge: Bridge,
    pub leg: Decimal,
    pub carried: Decimal,
}

/// The few amounts that all rows come to: what the partner gets is positive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Bridge {
    /// What it owes others for its points, and what they owe it for theirs.
    pub owes: Decimal,
    pub is_owed: Decimal,
    /// What the pool pays for its prepaid points, and what it prepays.
    pub paid_by_pool: Decimal,
    pub prepays: Decimal,
    pub fees: Decimal,
    pub spread: Decimal,
    pub breakage: Decimal,
    pub other: Decimal,
}

/// What the entries of one section, kind and purpose come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StatementRow {
    pub section: String,
    pub kind: String,
    pub purpose: String,
    pub entries: i64,
    pub points: i64,
    pub amount: Decimal,
}

/// The whole book in a few numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trial {
    /// Entries in the journal.
    pub entries: i64,
    pub points_sum: i64,
    pub money_sum: Decimal,
    /// Sum of each class of accounts of money, zeros left out.
    pub money: Vec<Amount>,
    /// Sum of each class of accounts of points, zeros left out.
    pub points: Vec<PointsOf>,
}

/// Points of a class of accounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PointsOf {
    pub of: String,
    pub points: i64,
}

/// What the house answered when the day was over.
#[derive(Debug)]
pub struct Answers {
    pub info: ServerInfo,
    pub partners: Vec<Partner>,
    /// Of the brands by id, then the operator's; each read by its own owner.
    pub statements: Vec<Statement>,
    /// Of the brands by id: points with members.
    pub outstanding: Vec<i64>,
    /// After the last payment.
    pub report: NettingReport,
    pub orders: Vec<PaymentOrder>,
    pub trial: TrialBalance,
    pub stories: Stories,
}

impl Figures {
    /// Puts the answers together.
    pub fn new(customers: u32, purchases: u32, tally: &Tally, answers: Answers) -> Self {
        let Answers { report, trial, statements, .. } = answers;
        let settlement = report.settlement;
        let brand = |(at, of): (usize, &super::brands::Brand)| {
            let partner = answers.partners.iter().find(|partner| partner.partner_id == of.id);
            let terms = &partner.expect("the operator admitted it").terms;
            BrandFigures {
                partner: of.id.to_owned(),
                name: partner.map_or_else(String::new, |partner| partner.display_name.clone()),
                funding: terms.funding.to_string(),
                price: terms.price,
                value: terms.value,
                reimbursement: terms.reimbursement,
                acceptance_fee: terms.acceptance_fee,
                fee_bearer: terms.fee_bearer.to_string(),
                issued_points: points(&statements[at], &[StatementSection::Issued]),
                accepted_points: points(&statements[at], &[StatementSection::Accepted, StatementSection::AtHome]),
                outstanding_points: answers.outstanding[at],
            }
        };
        let brands = BRANDS.iter().enumerate().map(brand).collect();
        let money = |amount: &Money| amount.amount;
        let breakage = Breakage::of(&statements, &trial);
        Self {
            currency: answers.info.currency_code,
            scale: answers.info.scale,
            point_value: answers.info.point_value,
            customers,
            purchases,
            requests: tally.requests.clone(),
            stories: answers.stories,
            breakage,
            brands,
            obligations: report.obligations.iter().map(ObligationFigure::from).collect(),
            bilateral: report.bilateral_nets.iter().map(Payment::from).collect(),
            netting: Netting {
                window: settlement.window,
                settlement_state: settlement.state.to_string(),
                gross: money(&settlement.gross),
                bilateral_total: report.bilateral_nets.iter().map(|net| net.amount.amount).sum(),
                pairwise_total: money(&settlement.pairwise_total),
                netted_total: money(&report.netted_total),
                netted_share: report.netted_share,
            },
            legs: settlement.legs.iter().map(|leg| Amount::new(&leg.partner_id, &leg.amount)).collect(),
            orders: answers.orders.iter().map(Payment::from).collect(),
            proof: Proof {
                legs_total: money(&settlement.proof.legs_total),
                account_changes: settlement
                    .proof
                    .account_changes
                    .iter()
                    .map(|change| Amount::new(&change.account, &change.amount))
                    .collect(),
                carried_change: money(&settlement.proof.carried_change),
                sum: money(&settlement.proof.sum),
            },
            statements: statements.iter().map(StatementFigures::from).collect(),
            trial_balance: Trial::from(&trial),
        }
    }

    /// Every way in which the figures do not agree, in words. Empty when the books balance.
    pub fn check(&self, replies: &[Points; BRANDS.len()]) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut must = |holds: bool, what: String| {
            if !holds {
                wrong.push(what);
            }
        };
        for statement in &self.statements {
            let StatementFigures { partner, opening, leg, carried, .. } = statement;
            let (lines, bridge) = (statement.lines_total(), statement.bridge.total());
            must(
                opening + lines == leg + carried && bridge == lines,
                format!(
                    "statement of {partner}: opening {opening} + lines {lines}, by its bridge {bridge}, is not leg {leg} + \
                     carried {carried}"
                ),
            );
            let (owes, is_owed) = (-self.owes(partner), self.is_owed(partner));
            must(
                (statement.bridge.owes, statement.bridge.is_owed) == (owes, is_owed),
                format!("{partner}: its bridge is not that of its obligations, {owes} and {is_owed}"),
            );
            let settled = self.leg_of(partner);
            must(
                settled == *leg,
                format!("{partner}: its statement has a leg of {leg}, the settlement one of {settled}"),
            );
        }
        for (brand, answered) in self.brands.iter().zip(replies) {
            for (what, said, stated) in [
                ("issued", answered.issued, brand.issued_points),
                ("accepted", answered.accepted, brand.accepted_points),
            ] {
                let partner = &brand.partner;
                must(
                    said == stated,
                    format!(
                        "{partner}: the replies at its tills come to {said} points {what}, its statement to {stated}"
                    ),
                );
            }
        }
        let Netting { gross, netted_total, .. } = self.netting;
        must(
            netted_total == self.left_after_netting(),
            format!(
                "{gross} are owed, of which {} are left, and the report says {netted_total}",
                self.left_after_netting()
            ),
        );
        let (expired, stated) = (self.stories.expired, self.breakage.points);
        must(expired == stated, format!("{expired} points expired, the statements say {stated}"));
        let shared = self.breakage.reserve + self.breakage.operator + self.breakage.issuer;
        let backing = self.brands.get(CINEMA).map_or(Decimal::ZERO, |brand| brand.value) * Decimal::from(stated);
        must(shared == backing, format!("{backing} was behind the points that expired, {shared} of it was shared out"));
        let lapsed = self.stories.lapsed;
        must(lapsed == self.stories.unclaimed, format!("{lapsed} points came back of a hold that lapsed"));
        let owed: Decimal = self.obligations.iter().map(|obligation| obligation.amount).sum();
        must(owed == self.netting.gross, format!("the obligations come to {owed}, gross is {}", self.netting.gross));
        let ordered: Decimal = self.orders.iter().map(|order| order.amount).sum();
        let moved = self.netting.pairwise_total;
        must(ordered == moved, format!("the orders come to {ordered}, what moves after netting is {moved}"));
        let state = &self.netting.settlement_state;
        must(state == "SETTLED", format!("every order is paid, and the settlement is {state}"));
        let funds: Decimal = self.proof.account_changes.iter().map(|fund| fund.amount).sum();
        let sum = self.proof.legs_total + funds + self.proof.carried_change;
        must(sum.is_zero() && self.proof.sum.is_zero(), format!("the zero-sum proof comes to {sum}"));
        let trial = &self.trial_balance;
        must(trial.points_sum == 0, format!("all accounts of points come to {}", trial.points_sum));
        must(trial.money_sum.is_zero(), format!("all accounts of money come to {}", trial.money_sum));
        wrong
    }

    /// What a participant is paid (+) or pays (-); zero without a leg.
    pub fn leg_of(&self, partner: &str) -> Decimal {
        self.legs.iter().find(|leg| leg.of == partner).map_or(Decimal::ZERO, |leg| leg.amount)
    }

    /// What brands are owed that are owed more than they owe.
    fn left_after_netting(&self) -> Decimal {
        let net = |brand: &BrandFigures| self.is_owed(&brand.partner) - self.owes(&brand.partner);
        self.brands.iter().map(net).filter(|net| net.is_sign_positive()).sum()
    }

    /// What an issuer owes an acceptor before netting.
    pub fn obligation(&self, issuer: &str, acceptor: &str) -> Decimal {
        let of = |one: &&ObligationFigure| one.issuer == issuer && one.acceptor == acceptor;
        self.obligations.iter().filter(of).map(|one| one.amount).sum()
    }

    /// What an issuer owes all acceptors before netting.
    pub fn owes(&self, issuer: &str) -> Decimal {
        self.obligations.iter().filter(|one| one.issuer == issuer).map(|one| one.amount).sum()
    }

    /// What all issuers owe an acceptor before netting.
    pub fn is_owed(&self, acceptor: &str) -> Decimal {
        self.obligations.iter().filter(|one| one.acceptor == acceptor).map(|one| one.amount).sum()
    }
}

impl Breakage {
    /// From the statements of all, the operator's last, and from the reserve, which nothing else has moved.
    fn of(statements: &[Statement], trial: &TrialBalance) -> Self {
        let totals = |statements: &[Statement], purpose: Purpose| {
            let of = statements.iter().flat_map(|statement| &statement.totals);
            let of = of.filter(|total| total.kind == EntryKind::Expire && total.purpose == purpose);
            of.fold((0, Decimal::ZERO), |(points, amount), total| (points + total.points, amount + total.amount.amount))
        };
        let (operator, brands) = statements.split_last().expect("the operator has a statement");
        let reserve = trial.totals.iter().find(|class| class.account == "reserve");
        Self {
            points: totals(brands, Purpose::Reward).0,
            reserve: match reserve.map(|class| &class.balance) {
                Some(Quantity::Money(balance)) => balance.amount,
                Some(Quantity::Points(_)) | None => Decimal::ZERO,
            },
            operator: totals(std::slice::from_ref(operator), Purpose::Breakage).1,
            issuer: totals(brands, Purpose::Breakage).1,
        }
    }
}

/// The points of a statement in some of its sections.
fn points(statement: &Statement, sections: &[StatementSection]) -> i64 {
    let of = statement.totals.iter().filter(|total| sections.contains(&total.section));
    of.map(|total| total.points).sum()
}

impl Bridge {
    /// What all of it comes to.
    pub fn total(&self) -> Decimal {
        let Self { owes, is_owed, paid_by_pool, prepays, .. } = self;
        owes + is_owed + paid_by_pool + prepays + self.fees_and_rest()
    }

    /// Fees, the spread, and what is left of points that expired.
    pub fn fees_and_rest(&self) -> Decimal {
        self.fees + self.spread + self.breakage + self.other
    }
}

impl StatementFigures {
    /// What all lines come to.
    pub fn lines_total(&self) -> Decimal {
        self.rows.iter().map(|row| row.amount).sum()
    }
}

impl Amount {
    fn new(of: &str, amount: &Money) -> Self {
        Self { of: of.to_owned(), amount: amount.amount }
    }
}

impl From<&Obligation> for ObligationFigure {
    fn from(obligation: &Obligation) -> Self {
        Self {
            issuer: obligation.issuer_id.clone().unwrap_or_default(),
            acceptor: obligation.acceptor_id.clone(),
            points: obligation.points,
            amount: obligation.gross.amount,
        }
    }
}

impl From<&BilateralNet> for Payment {
    fn from(net: &BilateralNet) -> Self {
        Self { payer: net.debtor_id.clone(), payee: net.creditor_id.clone(), amount: net.amount.amount }
    }
}

impl From<&PaymentOrder> for Payment {
    fn from(order: &PaymentOrder) -> Self {
        Self { payer: order.payer.clone(), payee: order.payee.clone(), amount: order.amount.amount }
    }
}

impl From<&StatementBridge> for Bridge {
    fn from(bridge: &StatementBridge) -> Self {
        let StatementBridge { owes, is_owed, paid_by_pool, prepays, fees, spread, breakage, other, .. } = bridge;
        Self {
            owes: owes.amount,
            is_owed: is_owed.amount,
            paid_by_pool: paid_by_pool.amount,
            prepays: prepays.amount,
            fees: fees.amount,
            spread: spread.amount,
            breakage: breakage.amount,
            other: other.amount,
        }
    }
}

impl From<&Statement> for StatementFigures {
    fn from(statement: &Statement) -> Self {
        let row = |total: &partner_sdk::StatementTotal| StatementRow {
            section: total.section.to_string(),
            kind: total.kind.to_string(),
            purpose: total.purpose.to_string(),
            entries: total.entry_count,
            points: total.points,
            amount: total.amount.amount,
        };
        Self {
            partner: statement.partner_id.clone(),
            opening: statement.opening.amount,
            rows: statement.totals.iter().map(row).collect(),
            bridge: Bridge::from(&statement.bridge),
            leg: statement.leg.amount,
            carried: statement.closing.amount,
        }
    }
}

impl From<&TrialBalance> for Trial {
    fn from(trial: &TrialBalance) -> Self {
        let (mut money, mut points) = (Vec::new(), Vec::new());
        for class in &trial.totals {
            match &class.balance {
                Quantity::Points(balance) => points.push(PointsOf { of: class.account.clone(), points: *balance }),
                Quantity::Money(balance) => money.push(Amount::new(&class.account, balance)),
            }
        }
        money.retain(|class| !class.amount.is_zero());
        points.retain(|class| class.points != 0);
        Self {
            entries: trial.as_of_journal_sequence,
            points_sum: trial.points_sum,
            money_sum: trial.money_sum.amount,
            money,
            points,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::sample::{REPLIES, figures};

    #[test]
    fn figures_that_agree_are_not_complained_about() {
        assert_eq!(figures().check(&REPLIES), Vec::<String>::new());
    }

    #[test]
    fn every_figure_that_does_not_agree_is_complained_about() {
        type Change = fn(&mut Figures);
        let wrong: [(&str, Change); 16] = [
            ("points expired", |figures| figures.stories.expired += 1),
            ("was shared out", |figures| figures.breakage.reserve += Decimal::ONE),
            ("hold that lapsed", |figures| figures.stories.lapsed -= 1),
            ("statement of cards", |figures| figures.statements[0].opening = Decimal::ONE),
            ("statement of grocer", |figures| figures.statements[1].rows[0].amount = Decimal::ONE),
            ("by its bridge", |figures| figures.statements[1].bridge.fees = Decimal::ONE),
            ("operator: its bridge", |figures| {
                let bridge = &mut figures.statements[2].bridge;
                (bridge.is_owed, bridge.spread) = (bridge.spread, bridge.is_owed);
            }),
            ("settlement one of", |figures| figures.legs[2].amount = Decimal::ONE),
            ("issued", |figures| figures.brands[0].issued_points += 1),
            ("accepted", |figures| figures.brands[3].accepted_points += 1),
            ("obligations", |figures| figures.netting.gross = Decimal::ONE),
            ("are left", |figures| figures.netting.netted_total = Decimal::ONE),
            ("orders", |figures| figures.orders[0].amount = Decimal::ONE),
            ("EXPORTED", |figures| figures.netting.settlement_state = "EXPORTED".to_owned()),
            ("zero-sum proof", |figures| figures.proof.carried_change = Decimal::ONE),
            ("accounts of money", |figures| figures.trial_balance.money_sum = Decimal::ONE),
        ];
        for (what, change) in wrong {
            let mut figures = figures();
            change(&mut figures);
            let found = figures.check(&REPLIES);
            assert!(matches!(&found[..], [one] if one.contains(what)), "{what}: {found:?}");
        }
    }
}

//! The SDK over mTLS as a stage for scenarios: what a brand's own program would do, and what the operator reads back.

use std::collections::BTreeMap;

use crate::player::{Balances, Call, LotMoved, Played, Posted, Stage, WindowView, Wish};
use clearing::rpc::opaque::Opaque;
use clearing_core::chart::PointsAccount;
use clearing_core::command::Command;
use clearing_core::facts::answer::{Abandoned, Reversed};
use clearing_core::facts::entry::{EntryKind, MoneyPosting, PointsPosting};
use clearing_core::facts::limits::Limits;
use clearing_core::facts::order::{Order, OrderMode, OrderParty};
use clearing_core::facts::partner::PartnerState;
use clearing_core::facts::terms::{FeeBearer, Funding, TermsDraft};
use clearing_core::facts::window::WindowState;
use clearing_core::rules::close::CloseWindow;
use clearing_core::rules::consent::SetFundingConsent;
use clearing_core::rules::funds::Deposit;
use clearing_core::rules::limits::SetLimits;
use clearing_core::rules::partner::SetPartnerState;
use clearing_core::rules::payment::{ConfirmPayment, Payment};
use clearing_core::rules::settlement::{AbortSettlement, ConfirmSettlement, ExportOrders};
use clearing_core::rules::terms::SetTerms;
use clearing_core::units::{MemberId, Money, PartnerId, Points, Timestamp, WindowNumber};
use partner_sdk::operator::{self as op, TermsChange};
use partner_sdk::{
    AbandonOutcome, Authorize, Capture, Client, Entry, Error, Issue, LotChange, LotPart, MemberFigures, MemberRef,
    Origin, Outcome, Quantity, Redeem, ReturnRedemption, Reverse, Transfer, Void, Written,
};

use crate::database::identifier_key;
use crate::house::{TestHouse, system_time};

/// A client of every partner, and what the operator has read so far.
pub struct SdkStage {
    clients: BTreeMap<PartnerId, Client>,
    operator: Client,
    /// What callers see of ids is compared with the journal's.
    opaque: Opaque,
    currency: String,
    scale: u32,
    next_sequence: i64,
    open_window: WindowNumber,
    /// The orders of each window as they were exported, and which of them were paid.
    orders: BTreeMap<WindowNumber, Vec<Order>>,
}

/// What an accepted call says, whatever it was.
struct Accepted {
    entries: Vec<String>,
    member: Option<String>,
    to_member: Option<String>,
    replayed: bool,
    abandoned: Option<Abandoned>,
    reversed: Option<Reversed>,
}

impl Accepted {
    /// A command on points: what it wrote, and the member that it was about.
    fn of(written: &Written, member: MemberFigures) -> Self {
        Self { member: Some(member.member_id), ..Self::house(written) }
    }

    fn house(written: &Written) -> Self {
        let entries = written.entries.iter().map(|entry| entry.entry_id.clone()).collect();
        let replayed = written.replayed;
        Self { entries, member: None, to_member: None, replayed, abandoned: None, reversed: None }
    }
}

impl SdkStage {
    pub async fn new(house: &TestHouse, partners: impl Iterator<Item = PartnerId>) -> Self {
        let mut clients = BTreeMap::new();
        for partner in partners {
            clients.insert(partner, house.client(partner.as_str()).await);
        }
        let operator = clients[&PartnerId::operator()].clone();
        let info = operator.server_info().await.unwrap();
        Self {
            clients,
            operator,
            opaque: Opaque::new(&identifier_key()),
            currency: info.currency_code,
            scale: info.scale,
            next_sequence: 1,
            open_window: 1,
            orders: BTreeMap::new(),
        }
    }

    /// What was added to the journal since the last look.
    async fn written(&mut self) -> Result<Vec<Posted>, Error> {
        let entries = self.operator.operator().journal(self.next_sequence, None).collect().await?;
        for entry in &entries {
            assert_eq!(entry.journal_sequence, Some(self.next_sequence), "the journal has a gap");
            self.next_sequence += 1;
        }
        Ok(entries.iter().map(|entry| self.posted(entry)).collect())
    }

    fn posted(&self, entry: &Entry) -> Posted {
        let mut points = Vec::new();
        let mut money = Vec::new();
        for posting in &entry.postings {
            match &posting.quantity {
                Quantity::Points(count) => {
                    points.push(PointsPosting { account: posting.account.parse().unwrap(), points: Points(*count) });
                }
                Quantity::Money(amount) => money.push(MoneyPosting {
                    account: posting.account.parse().unwrap(),
                    currency: amount.currency.parse().unwrap(),
                    amount: self.units(amount),
                    purpose: purpose(posting.purpose.as_ref().unwrap()),
                }),
            }
        }
        let kind = kind(&entry.kind);
        // Of a lot that a capture took a part of, that part is what counts.
        let taken =
            |of: &LotPart| entry.lots.iter().any(|lot| lot.lot_id == of.lot_id && lot.change == LotChange::Taken);
        let rest = |lot: &&LotPart| lot.change == LotChange::Released && taken(lot);
        let moved = |lot: &LotPart| LotMoved {
            lot: self.opaque.opened_lot(&lot.lot_id).unwrap(),
            issuer: lot.issuer_id.as_deref().unwrap().parse().unwrap(),
            points: Points(lot.points),
            made: lot.change == LotChange::Made,
        };
        let lots = entry.lots.iter().filter(|lot| !rest(lot)).map(moved).collect();
        Posted { id: self.opaque.opened_entry(&entry.entry_id).unwrap(), kind, points, money, lots }
    }

    fn units(&self, amount: &partner_sdk::Money) -> Money {
        assert_eq!(amount.currency, self.currency);
        Money::exact(amount.amount, self.scale).unwrap()
    }

    fn amount(&self, amount: Money) -> partner_sdk::Money {
        partner_sdk::Money::new(self.currency.clone(), amount.text(self.scale).parse().unwrap())
    }

    fn origin(&self, of: &clearing_core::facts::origin::Origin) -> Origin {
        let mut origin = Origin::default();
        if let Some(number) = &of.receipt_number {
            origin = origin.receipt(number.as_str());
        }
        if let Some(line) = of.receipt_line {
            origin = origin.receipt_line(i32::try_from(line).unwrap());
        }
        if let Some(total) = of.receipt_total {
            origin = origin.receipt_total(self.amount(total));
        }
        origin
    }

    async fn ask(&mut self, call: &Call) -> Result<Outcome<Accepted>, Error> {
        let client = self.clients[&call.by].clone();
        let request = call.request.to_string().parse().unwrap();
        let origin = self.origin(&call.origin);
        Ok(match &call.wish {
            Wish::Issue { member, earn } => {
                let mut issue = Issue::to(SCHEME, member).points(earn.points.0).request_id(request).origin(origin);
                if let Some(expires) = earn.expires {
                    issue = issue.expires(system_time(expires));
                }
                if let Some(activates) = earn.activates {
                    issue = issue.activates(system_time(activates));
                }
                issue = issue.funders(earn.funders.iter().map(|(funder, weight)| (funder.as_str(), *weight)));
                map(client.issue(issue).await?, |done| Accepted::of(&done.written, done.member))
            }
            Wish::Redeem { member, points } => {
                let redeem = Redeem::from(SCHEME, member).points(points.0).request_id(request).origin(origin);
                map(client.redeem(redeem).await?, |done| Accepted::of(&done.written, done.member))
            }
            Wish::Authorize { member, points, lapses } => {
                let hold = Authorize::from(SCHEME, member).points(points.0).lapses(system_time(*lapses));
                let hold = hold.request_id(request).origin(origin);
                map(client.authorize(hold).await?, |done| Accepted::of(&done.written, done.member))
            }
            Wish::Capture { hold, points } => {
                let capture =
                    Capture::hold(self.opaque.entry(*hold)).points(points.0).request_id(request).origin(origin);
                map(client.capture(capture).await?, |done| Accepted::of(&done.written, done.member))
            }
            Wish::Void { hold } => {
                let void = Void::hold(self.opaque.entry(*hold)).request_id(request).origin(origin);
                map(client.void(void).await?, |done| Accepted::of(&done.written, done.member))
            }
            Wish::Reverse { issue, points, refuse_shortfall } => {
                let mut reverse = Reverse::entry(self.opaque.entry(*issue)).points(points.0);
                if *refuse_shortfall {
                    reverse = reverse.refuse_shortfall();
                }
                map(client.reverse(reverse.request_id(request).origin(origin)).await?, |done| Accepted {
                    reversed: Some(Reversed {
                        taken_back: Points(done.taken_back_points),
                        written_off: Points(done.written_off_points),
                        debt: Points(done.debt_points),
                    }),
                    ..Accepted::of(&done.written, done.member)
                })
            }
            Wish::Transfer { member, to, points } => {
                let transfer = Transfer::between((SCHEME, member.as_str()), (SCHEME, to.as_str()));
                let transfer = transfer.points(points.0).enrol_receiver();
                map(client.transfer(transfer.request_id(request).origin(origin)).await?, |done| Accepted {
                    to_member: Some(done.to_member_id),
                    ..Accepted::of(&done.written, done.member)
                })
            }
            Wish::Decay { member, rate, period } => {
                let member = MemberRef::identifier(SCHEME, member);
                let decay = op::RunDecay::of(member, rate.decimal(), period.as_str()).request_id(request);
                map(client.operator().run_decay(decay).await?, |done| Accepted::of(&done.written, done.member))
            }
            Wish::Return { redemption, points } => {
                let back = ReturnRedemption::of(self.opaque.entry(*redemption)).points(points.0).request_id(request);
                map(client.return_redemption(back.origin(origin)).await?, |done| {
                    Accepted::of(&done.written, done.member)
                })
            }
            Wish::Abandon { request: abandoned } => {
                let abandon = partner_sdk::Abandon::request(abandoned.to_string().parse().unwrap());
                map(client.abandon(abandon.request_id(request)).await?, |abandoned| Accepted {
                    entries: abandoned
                        .written
                        .entries
                        .iter()
                        .chain(&abandoned.written.following)
                        .map(|entry| entry.entry_id.clone())
                        .collect(),
                    abandoned: Some(match abandoned.outcome {
                        AbandonOutcome::BurnedUnseen => Abandoned::Burned,
                        AbandonOutcome::Undone => Abandoned::Undone,
                        AbandonOutcome::HadNoEffect => Abandoned::NoEffect,
                        AbandonOutcome::AlreadyAbandoned => Abandoned::Already,
                        other @ (AbandonOutcome::Other(_) | _) => panic!("the outcome {other:?} is new"),
                    }),
                    ..Accepted::house(&abandoned.written)
                })
            }
            Wish::House(command) => self.ask_house(&client.operator(), request, command).await?,
        })
    }

    #[allow(clippy::wildcard_enum_match_arm, reason = "of all operations these are the operator's steps of a scenario")]
    async fn ask_house(
        &mut self,
        operator: &op::Operator,
        request: partner_sdk::RequestId,
        command: &Command,
    ) -> Result<Outcome<Accepted>, Error> {
        Ok(match command {
            Command::SetLimits(SetLimits { partner, limits }) => {
                let set = op::SetLimits::of(partner.as_str(), self.limits(limits)).request_id(request);
                map(operator.set_limits(set).await?, |set| Accepted::house(&set.written))
            }
            Command::SetFundingConsent(SetFundingConsent { funder, partner, granted, budget }) => {
                let (funder, partner) = (funder.as_str(), partner.as_str());
                let set = match (granted, budget) {
                    (Some(false), _) => op::SetFundingConsent::withdraw(funder, partner),
                    (_, None) => op::SetFundingConsent::give(funder, partner),
                    (_, Some(budget)) => op::SetFundingConsent::give(funder, partner).budget(budget.0),
                };
                map(operator.set_funding_consent(set.request_id(request)).await?, |set| Accepted::house(&set.written))
            }
            Command::SetTerms(SetTerms { partner, terms, effective }) => {
                let mut set = op::SetTerms::of(partner.as_str(), self.change(terms)).request_id(request);
                if let Some(effective) = effective {
                    set = set.effective(system_time(*effective));
                }
                map(operator.set_terms(set).await?, |set| Accepted::house(&set.written))
            }
            Command::SetPartnerState(SetPartnerState { partner, state }) => {
                let state = match state {
                    PartnerState::Active => op::PartnerState::Active,
                    PartnerState::Restricted => op::PartnerState::Restricted,
                    PartnerState::Suspended => op::PartnerState::Suspended,
                    PartnerState::Exited => panic!("nobody sets the state EXITED"),
                };
                let set = op::SetPartnerState::of(partner.as_str(), state).request_id(request);
                map(operator.set_partner_state(set).await?, |set| Accepted::house(&set.written))
            }
            Command::CloseWindow(CloseWindow { .. }) => {
                let outcome = operator.close_window(op::CloseWindow::now().request_id(request)).await?;
                if let Outcome::Accepted(closed) = &outcome {
                    self.open_window = WindowNumber::try_from(closed.open_window).unwrap();
                }
                map(outcome, |closed| Accepted::house(&closed.written))
            }
            Command::ConfirmSettlement(ConfirmSettlement { window }) => {
                let confirm = op::ConfirmSettlement::of(i64::from(*window)).request_id(request);
                map(operator.confirm_settlement(confirm).await?, |done| Accepted::house(&done.written))
            }
            Command::ExportOrders(ExportOrders { window, mode }) => {
                let wire = match mode {
                    OrderMode::Hub => op::OrderMode::Hub,
                    OrderMode::Pairwise => op::OrderMode::Pairwise,
                };
                let outcome =
                    operator.export_orders(op::ExportOrders::of(i64::from(*window), wire).request_id(request)).await?;
                if let Outcome::Accepted(exported) = &outcome {
                    let orders = exported.orders.iter().map(|order| Order {
                        payer: OrderParty::parse(&order.payer).unwrap(),
                        payee: OrderParty::parse(&order.payee).unwrap(),
                        amount: self.units(&order.amount),
                        paid: false,
                    });
                    let orders: Vec<Order> = orders.collect();
                    assert_eq!(exported.csv.lines().count(), orders.len() + 1, "{}", exported.csv);
                    self.orders.insert(*window, orders);
                }
                map(outcome, |exported| Accepted::house(&exported.written))
            }
            Command::ConfirmPayment(ConfirmPayment { window, payment, amount }) => {
                let number = i64::from(*window);
                let mut confirm = match payment {
                    Payment::Hub(partner) => op::ConfirmPayment::hub(number, partner.as_str()),
                    Payment::Pair { payer, payee } => {
                        op::ConfirmPayment::pair(number, payer.to_string(), payee.to_string())
                    }
                };
                if let Some(amount) = amount {
                    confirm = confirm.amount(self.amount(*amount));
                }
                let outcome = operator.confirm_payment(confirm.request_id(request)).await?;
                if matches!(outcome, Outcome::Accepted(_)) {
                    self.mark_paid(*window, *payment);
                }
                map(outcome, |paid| Accepted::house(&paid.written))
            }
            Command::AbortSettlement(AbortSettlement { window }) => {
                let abort = op::AbortSettlement::of(i64::from(*window)).request_id(request);
                map(operator.abort_settlement(abort).await?, |done| Accepted::house(&done.written))
            }
            Command::Deposit(Deposit { fund, amount }) => {
                let deposit = op::Deposit::account(fund.to_string(), self.amount(*amount)).request_id(request);
                map(operator.deposit(deposit).await?, |done| Accepted::house(&done.written))
            }
            other => panic!("no step of a scenario does {other:?}"),
        })
    }

    fn mark_paid(&mut self, window: WindowNumber, payment: Payment) {
        let ends = |order: &Order| match payment {
            Payment::Hub(partner) => {
                let party = OrderParty::of(partner);
                (order.payer == party && order.payee == OrderParty::Hub)
                    || (order.payee == party && order.payer == OrderParty::Hub)
            }
            Payment::Pair { payer, payee } => order.payer == payer && order.payee == payee,
        };
        for order in self.orders.entry(window).or_default().iter_mut().filter(|order| ends(order)) {
            order.paid = true;
        }
    }

    fn limits(&self, limits: &Limits) -> op::PartnerLimits {
        let mut wire = op::PartnerLimits::none();
        wire.net_debit_cap = limits.net_debit_cap.map(|cap| self.amount(cap).amount);
        wire.outstanding_points = limits.outstanding_points.map(|points| points.0);
        wire.points_per_day = limits.points_per_day.map(|points| points.0);
        wire.points_per_member_per_day = limits.points_per_member_per_day.map(|points| points.0);
        wire.points_per_entry = limits.points_per_entry.map(|points| points.0);
        wire.transfer_points_per_entry = limits.transfer_points_per_entry.map(|points| points.0);
        wire.transfer_points_per_member_per_day = limits.transfer_points_per_member_per_day.map(|points| points.0);
        wire.cooling_seconds = limits.cooling_seconds.map(i64::from);
        wire
    }

    fn change(&self, draft: &TermsDraft) -> TermsChange {
        let mut change = TermsChange::none();
        if let Some(funding) = draft.funding {
            change = change.funding(match funding {
                Funding::AtRedemption => op::Funding::AtRedemption,
                Funding::AtIssue => op::Funding::AtIssue,
                Funding::OnPayment => op::Funding::OnPayment,
            });
        }
        if let Some(price) = draft.price {
            change = change.price(price.decimal());
        }
        if let Some(value) = draft.value {
            change = change.value(value.decimal());
        }
        if let Some(reimbursement) = draft.reimbursement {
            change = change.reimbursement(reimbursement.decimal());
        }
        if let Some(fee) = draft.acceptance_fee {
            change = change.acceptance_fee(fee.decimal());
        }
        if let Some(bearer) = draft.fee_bearer {
            change = change.fee_bearer(match bearer {
                FeeBearer::Acceptor => op::FeeBearer::Acceptor,
                FeeBearer::Issuer => op::FeeBearer::Issuer,
            });
        }
        if let Some(breakage) = draft.breakage {
            change = change.breakage(op::BreakageSplit {
                reserve: breakage.reserve.decimal(),
                operator: breakage.operator.decimal(),
                issuer: breakage.issuer.decimal(),
            });
        }
        if let Some(days) = draft.return_days {
            change = change.return_days(days.map(i32::from));
        }
        if let Some(value) = draft.tender_value {
            change = change.tender_value(value.decimal());
        }
        if let Some(share) = draft.receipt_share {
            change = change.receipt_share(share.decimal());
        }
        assert!(draft.expiry.is_none(), "no step of a scenario changes the expiry");
        change
    }
}

impl Stage for SdkStage {
    type Error = Error;

    async fn advance_time(&mut self, to: Timestamp) -> Result<Vec<Posted>, Error> {
        let sandbox = self.operator.sandbox();
        let to = system_time(to);
        // A manual clock never runs back. At the same moment something may have fallen due by a payment.
        if sandbox.clock().await? <= to {
            sandbox.advance_clock(to).await?;
        }
        self.written().await
    }

    async fn call(&mut self, call: Call) -> Result<Played, Error> {
        let outcome = match self.ask(&call).await {
            Ok(outcome) => outcome,
            Err(Error::InvalidArgument { .. }) => {
                let rejected = Some("INVALID_ARGUMENT".to_owned());
                return Ok(Played { rejected, written: self.written().await?, ..Played::default() });
            }
            Err(Error::Refused(rejection)) => {
                let rejected = Some(rejection.reason.as_str().to_owned());
                return Ok(Played { rejected, written: self.written().await?, ..Played::default() });
            }
            Err(error) => return Err(error),
        };
        let written = self.written().await?;
        Ok(match outcome {
            Outcome::Accepted(accepted) => Played {
                written,
                entries: accepted.entries.iter().map(|id| self.opaque.opened_entry(id).unwrap()).collect(),
                rejected: None,
                replayed: accepted.replayed,
                member: accepted.member.map(|id| id.parse().unwrap()),
                to_member: accepted.to_member.map(|id| id.parse().unwrap()),
                abandoned: accepted.abandoned,
                reversed: accepted.reversed,
            },
            Outcome::Rejected(rejection) => Played {
                written,
                rejected: Some(rejection.reason.as_str().to_owned()),
                replayed: rejection.replayed,
                ..Played::default()
            },
            Outcome::Unknown(unknown) => panic!("nobody knows what became of {}", unknown.request_id),
        })
    }

    async fn window(&mut self, window: WindowNumber) -> Result<Option<WindowView>, Error> {
        if window > self.open_window {
            return Ok(None);
        }
        let report = self.operator.operator().netting_report(Some(i64::from(window))).await?.settlement;
        let partner = |id: &str| id.parse::<PartnerId>().unwrap();
        let legs = report.legs.iter().map(|leg| (partner(&leg.partner_id), self.units(&leg.amount))).collect();
        let carried = report.carried.iter().map(|left| (partner(&left.partner_id), self.units(&left.amount)));
        Ok(Some(WindowView {
            state: window_state(&report.window_state),
            legs: if window == self.open_window { BTreeMap::new() } else { legs },
            carried: carried.collect(),
            saved: report.saved.map(|share| Money::exact(share, 4).unwrap().0),
            orders: self.orders.get(&window).cloned().unwrap_or_default(),
        }))
    }

    async fn balances(&mut self, members: &[MemberId]) -> Result<Balances, Error> {
        let mut balances = Balances::default();
        let trial = self.operator.operator().trial_balance(true).await?;
        assert!(trial.balanced, "points {}, money {}", trial.points_sum, trial.money_sum);
        for account in trial.accounts {
            match account.balance {
                Quantity::Points(points) => {
                    balances.points.insert(account.account.parse().unwrap(), Points(points));
                }
                Quantity::Money(amount) => {
                    balances.money.insert(account.account.parse().unwrap(), self.units(&amount));
                }
            }
        }
        for member in members {
            let balance = self.operator.balance(MemberRef::id(member.to_string())).await?;
            for (account, points) in [
                (PointsAccount::Member(*member), balance.member.available_points),
                (PointsAccount::Held(*member), balance.member.held_points),
                (PointsAccount::Pending(*member), balance.member.pending_points),
                (PointsAccount::Debt(*member), -balance.member.owed_points),
            ] {
                let listed = balances.points.get(&account).copied().unwrap_or_default();
                assert_eq!(points, listed.0, "{account}: the balance and the trial balance differ");
            }
        }
        Ok(balances)
    }
}

/// By what members are known in a scenario.
const SCHEME: &str = "scenario";

fn map<A, B>(outcome: Outcome<A>, change: impl FnOnce(A) -> B) -> Outcome<B> {
    match outcome {
        Outcome::Accepted(answer) => Outcome::Accepted(change(answer)),
        Outcome::Rejected(rejection) => Outcome::Rejected(rejection),
        Outcome::Unknown(unknown) => Outcome::Unknown(unknown),
    }
}

fn kind(kind: &partner_sdk::EntryKind) -> EntryKind {
    let name = kind.as_str().to_lowercase();
    EntryKind::ALL.iter().copied().find(|known| known.as_str() == name).unwrap()
}

fn purpose(purpose: &partner_sdk::Purpose) -> clearing_core::chart::Purpose {
    clearing_core::chart::Purpose::ALL.into_iter().find(|known| known.as_str() == purpose.as_str()).unwrap()
}

fn window_state(state: &partner_sdk::WindowState) -> WindowState {
    WindowState::parse(state.as_str()).unwrap()
}

//! The SDK over mTLS as a stage for scenarios: what a brand's own program would do, and what the operator reads back.

use std::collections::BTreeMap;

use clearing::rpc::opaque::Opaque;
use clearing_core::chart::PointsAccount;
use clearing_core::facts::entry::{EntryKind, MoneyPosting, PointsPosting};
use clearing_core::facts::order::Order;
use clearing_core::facts::person::PersonId;
use clearing_core::facts::window::WindowState;
use clearing_core::rejection::Rejection;
use clearing_core::units::{MemberId, Money, PartnerId, Points, Timestamp, WindowNumber};
use partner_sdk::{Client, Entry, Error, LotChange, LotPart, MemberRef, Origin, Outcome, Quantity};

use crate::database::identifier_key;
use crate::house::{TestHouse, system_time};
use crate::player::{Balances, Call, LotMoved, Played, Posted, Stage, WindowView};
use crate::sdk::{Done, ask};
use crate::statements::check_statements;

/// A client of every partner, and what the operator has read so far.
pub struct SdkStage {
    clients: BTreeMap<PartnerId, Client>,
    /// Those of the operator's other people.
    people: BTreeMap<PersonId, Client>,
    operator: Client,
    /// What callers see of ids is compared with the journal's.
    opaque: Opaque,
    currency: String,
    scale: u32,
    next_sequence: i64,
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
            people: BTreeMap::new(),
            operator,
            opaque: Opaque::new(&identifier_key()),
            currency: info.currency_code,
            scale: info.scale,
            next_sequence: 1,
        }
    }

    /// Lets people of the operator ask as well.
    #[must_use]
    pub async fn with_people(mut self, house: &TestHouse, people: impl Iterator<Item = PersonId>) -> Self {
        for person in people {
            self.people.insert(person, house.person(person.as_str()).await);
        }
        self
    }

    /// Checks the statements of all for all windows.
    ///
    /// # Panics
    /// If one of them is wrong.
    ///
    /// # Errors
    /// Of the calls.
    pub async fn check_statements(&self) -> Result<(), Error> {
        for client in self.clients.values() {
            check_statements(client, &self.operator).await?;
        }
        Ok(())
    }

    /// What was added to the journal since the last look.
    async fn written(&mut self) -> Result<Vec<Posted>, Error> {
        let entries = self.operator.operator().journal(self.next_sequence, None).all().await?;
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
        let person = call.by.person.and_then(|person| self.people.get(&person));
        let client = person.unwrap_or_else(|| &self.clients[&call.by.partner]);
        let request = call.request.to_string().parse().unwrap();
        let outcome = match ask(client, request, &call.command, self.origin(&call.origin)).await {
            Ok(outcome) => outcome,
            Err(Error::Proposed { proposal_id, replayed }) => {
                let written = self.written().await?;
                let entries = vec![self.opaque.opened_entry(&proposal_id).unwrap()];
                let told = format!("proposed {proposal_id}");
                return Ok(Played { told, kept: true, written, entries, replayed, ..Played::default() });
            }
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
            Outcome::Accepted(done) => Played {
                told: format!("{:?}", Done { replayed: false, ..done.clone() }),
                kept: true,
                written,
                entries: done.entries,
                rejected: None,
                replayed: done.replayed,
                member: done.member.parse().ok(),
                to_member: done.to_member.map(|id| id.parse().unwrap()),
                abandoned: done.abandoned,
                reversed: done.reversed,
            },
            Outcome::Rejected(rejection) => Played {
                told: format!("{}: {} {:?}", rejection.reason, rejection.message, rejection.metadata),
                kept: Rejection::TABLE.iter().any(|row| row.recorded && row.reason == rejection.reason.as_str()),
                written,
                rejected: Some(rejection.reason.as_str().to_owned()),
                replayed: rejection.replayed,
                ..Played::default()
            },
            Outcome::Unknown(unknown) => panic!("nobody knows what became of {}", unknown.request_id),
        })
    }

    async fn window(&mut self, window: WindowNumber) -> Result<Option<WindowView>, Error> {
        let newest = self.operator.windows().next_page().await?.unwrap()[0].window;
        let (number, open) = (i64::from(window), i64::from(window) == newest);
        if number > newest {
            return Ok(None);
        }
        let listed = if open { Vec::new() } else { self.operator.orders(number, None).all().await? };
        let orders = listed.iter().map(|order| {
            let (payer, payee) = (order.payer.parse().unwrap(), order.payee.parse().unwrap());
            Order { paid: order.paid, ..Order::new(payer, payee, self.units(&order.amount)) }
        });
        let report = self.operator.operator().netting_report(Some(number)).await?.settlement;
        let partner = |id: &str| id.parse::<PartnerId>().unwrap();
        let legs = report.legs.iter().map(|leg| (partner(&leg.partner_id), self.units(&leg.amount))).collect();
        let carried = report.carried.iter().map(|left| (partner(&left.partner_id), self.units(&left.amount)));
        Ok(Some(WindowView {
            state: window_state(&report.window_state),
            legs: if open { BTreeMap::new() } else { legs },
            carried: carried.collect(),
            saved: report.saved.map(|share| Money::exact(share, 4).unwrap().0),
            orders: orders.collect(),
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

//! What the house knows of the money that may stand in a bank's file, read through the SDK.

use clearing_bank::{Known, KnownOrder, OrderState, OrderedOut, Purpose};
use partner_sdk::operator::MoneyDirection;
use partner_sdk::{AccountNumber, BankAccountVersion, Settlement, SettlementState};

use crate::failure::Failure;
use crate::session::Session;

/// Settlements that are over are looked at as well, so that a payment that comes twice is known: so many windows, the last ones.
const WINDOWS_OVER_MAX: usize = 100;

const OPERATOR: &str = "operator";
const HUB: &str = "hub";

/// What is known, with the coalition's own accounts.
pub struct Picture {
    known: Known,
    own: Vec<String>,
    /// The operator's first account.
    first: Option<String>,
}

/// Reads `PURPOSE=ACCOUNT`.
pub fn own_account(text: &str) -> Result<(Purpose, String), String> {
    let wrong = || {
        let names = Purpose::ALL.map(Purpose::as_str).join(", ");
        format!("{text:?} is not PURPOSE=ACCOUNT; the purposes are {names}")
    };
    let (purpose, account) = text.split_once('=').ok_or_else(wrong)?;
    let account: String = account.split_whitespace().collect();
    let purpose = Purpose::parse(purpose).filter(|_| !account.is_empty()).ok_or_else(wrong)?;
    Ok((purpose, account))
}

impl Picture {
    /// Asks the house. The operator's own account, in every version, is the one for settlements.
    pub async fn of(session: &Session, own: &[(Purpose, String)]) -> Result<Self, Failure> {
        let mut picture = Self { known: Known::default(), own: Vec::new(), first: None };
        // The newest version comes first.
        for version in session.client.bank_accounts(OPERATOR).all().await? {
            if version.end_time.is_none() {
                let (number, _) = number(&version);
                picture.add_own(number, Purpose::Settlement);
                picture.first = Some(number.to_owned());
            }
        }
        for (purpose, account) in own {
            picture.add_own(account, *purpose);
        }
        if picture.own.is_empty() {
            return Err(Failure::usage("no account of the coalition is known")
                .hint("clearing partner account operator writes it down; or name it with --own settlement=ACCOUNT"));
        }
        for partner in session.operator().partners().all().await? {
            if partner.partner_id == OPERATOR {
                continue;
            }
            for version in session.client.bank_accounts(&partner.partner_id).all().await? {
                // One that never was in force is nobody's.
                if version.end_time.is_none() {
                    let (number, bank) = number(&version);
                    picture.known.account(number, bank, &partner.partner_id);
                }
            }
        }
        picture.add_orders(session).await?;
        picture.add_ordered_out(session).await?;
        Ok(picture)
    }

    /// The operator's first account. Lines of it are known without its name, as where a clerk books one by hand and names none; and
    /// they stay the same lines when the coalition gets another account.
    pub fn first_own_account(&self) -> Option<&str> {
        self.first.as_deref()
    }

    /// What is known.
    pub fn known(&self) -> &Known {
        &self.known
    }

    /// The coalition's own accounts.
    pub fn own_accounts(&self) -> &[String] {
        &self.own
    }

    /// The one account, if it has no other.
    pub fn only_own_account(&self) -> Option<&str> {
        match self.own.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    fn add_own(&mut self, account: &str, purpose: Purpose) {
        self.known.own_account(account, purpose);
        if !self.own.iter().any(|known| known == account) {
            self.own.push(account.to_owned());
        }
    }

    /// What is ordered out, and what was told by hand to be paid and was not seen.
    async fn add_ordered_out(&mut self, session: &Session) -> Result<(), Failure> {
        for money in session.operator().open_money("").all().await? {
            // Pay-outs of legs are orders, and own transfers are known by both accounts.
            let is_ordered = !["settle:", "bank:"].iter().any(|other| money.account.starts_with(other));
            if money.direction == MoneyDirection::Out && is_ordered {
                let partner = Some(money.partner_id).filter(|partner| !partner.is_empty());
                self.known.ordered_out(OrderedOut { partner, amount: money.amount.amount });
            }
        }
        Ok(())
    }

    async fn add_orders(&mut self, session: &Session) -> Result<(), Failure> {
        let mut over = 0;
        for window in session.client.windows().all().await? {
            match window.settlement_state {
                SettlementState::Settled | SettlementState::Aborted if over == WINDOWS_OVER_MAX => continue,
                SettlementState::Settled | SettlementState::Aborted => over += 1,
                SettlementState::Confirmed | SettlementState::Exported | SettlementState::PartlyPaid => {}
                SettlementState::Proposed | SettlementState::Other(_) | _ => continue,
            }
            let settlement = session.operator().preview_settlement(Some(window.window)).await?;
            for order in legs_as_orders(&settlement) {
                self.known.order(&session.info.coalition_id, order);
            }
            for order in session.client.orders(window.window, None).all().await? {
                if [&order.payer, &order.payee].into_iter().all(|end| end != HUB) {
                    let state = if order.paid { OrderState::Paid } else { OrderState::Due(order.amount.amount) };
                    let (payer, payee) = (order.payer, order.payee);
                    self.known
                        .order(&session.info.coalition_id, KnownOrder { window: window.window, payer, payee, state });
                }
            }
        }
        Ok(())
    }
}

/// Each leg against the settlement account, whatever was exported.
fn legs_as_orders(settlement: &Settlement) -> impl Iterator<Item = KnownOrder> + '_ {
    settlement.legs.iter().map(|leg| {
        let pays = leg.amount.amount.is_sign_negative();
        let [partner, hub] = [leg.partner_id.clone(), HUB.to_owned()];
        let (payer, payee) = if pays { (partner, hub) } else { (hub, partner) };
        let due = leg.due.amount.abs();
        let state = if settlement.state == SettlementState::Aborted {
            OrderState::Aborted
        } else if due.is_zero() {
            OrderState::Paid
        } else {
            OrderState::Due(due)
        };
        KnownOrder { window: settlement.window, payer, payee, state }
    })
}

/// The number, and the bank's code where one is needed.
fn number(version: &BankAccountVersion) -> (&str, Option<&str>) {
    match &version.bank_account.number {
        AccountNumber::National { bank_code, account_number, .. } => {
            (account_number.as_str(), Some(bank_code.as_str()))
        }
        AccountNumber::Iban(iban) => (iban.as_str(), None),
        _ => ("", None),
    }
}

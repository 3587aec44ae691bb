//! What a book tells of windows: positions, gross obligations, the figures of a close, and which points wait for a payment.

use std::collections::{BTreeMap, BTreeSet};

use crate::book::Book;
use crate::chart::{BankPurpose, MoneyAccount};
use crate::facts::entry::Entry;
use crate::facts::lot::{LotBirth, LotMove};
use crate::facts::proof::{ClassAmounts, MoneyClass, Proof, balances_by_class};
use crate::facts::terms::Funding;
use crate::facts::window::{FundAmounts, FundShare, FundShares, Window};
use crate::netting;
use crate::units::{Money, Overflow, PartnerId, Timestamp, WindowNumber};

impl Book {
    /// The positions of all participants.
    pub(crate) fn positions(&self) -> BTreeMap<PartnerId, Money> {
        let balance = |partner| self.money_balances.get(&MoneyAccount::Position(partner)).copied().unwrap_or_default();
        self.house.partners.keys().map(|partner| (*partner, balance(*partner))).collect()
    }

    /// The gross obligations of a window.
    pub(crate) fn gross_of_window(&self, window: WindowNumber) -> Money {
        let of_window = self.gross.iter().filter(|((of, ..), _)| *of == window);
        netting::report_sum(of_window.map(|(_, gross)| gross.amount))
    }

    /// The figures of the proof of a close: the legs it makes, what it leaves in the positions, and the balances against those
    /// of the close before.
    pub(crate) fn proof(
        &self,
        window: &Window,
        legs: &BTreeMap<PartnerId, Money>,
        carried: &BTreeMap<PartnerId, Money>,
    ) -> Proof {
        let opening = |partner: &PartnerId| window.participants.get(partner).map_or(0, |window| window.opening.0);
        let carried_change = |(partner, left): (&PartnerId, &Money)| i128::from(left.0) - i128::from(opening(partner));
        let mut changes = balances_by_class(self.money_balances.iter());
        for (class, balance) in window.opening.iter().filter(|(class, _)| **class != MoneyClass::Settle) {
            *changes.entry(*class).or_default() -= balance;
        }
        changes.insert(MoneyClass::Settle, window.legs_moved);
        changes.retain(|_, change| *change != 0);
        Proof {
            legs: legs.values().map(|leg| i128::from(leg.0)).sum(),
            carried_change: carried.iter().map(carried_change).sum(),
            changes,
        }
    }

    /// What the accounts hold that the window behind this one begins with. The legs of its close join those of others.
    pub(crate) fn opening_after(&self, window: &Window, proof: &Proof) -> ClassAmounts {
        let mut opening = balances_by_class(self.money_balances.iter());
        let earlier = window.opening.get(&MoneyClass::Settle).copied().unwrap_or_default();
        opening.insert(MoneyClass::Settle, earlier + window.legs_moved + proof.legs);
        opening.retain(|_, balance| *balance != 0);
        opening
    }

    /// What each fund gained or lost in a window that closes with a proof, in whole minor units; and what of that is left for the
    /// window behind it, which it has to put aside.
    ///
    /// Rule: fund-shares
    pub(crate) fn fund_shares(&self, window: &Window, proof: &Proof) -> Result<(FundShares, FundAmounts), Overflow> {
        let minor = i128::from(self.house.coalition.minor_unit());
        let (mut shares, mut aside) = (FundShares::new(), FundAmounts::new());
        for fund in BankPurpose::FUNDS {
            let changes = fund.classes().iter().filter_map(|class| proof.changes.get(class));
            let change = changes.sum::<i128>() - window.aside.get(&fund).copied().unwrap_or_default();
            let left = change.rem_euclid(minor);
            if left != 0 {
                aside.insert(fund, -left);
            }
            if change != left {
                let change = Money(i64::try_from(change - left).map_err(|_| Overflow)?);
                shares.insert(fund, FundShare { change, moved: Money::ZERO });
            }
        }
        Ok((shares, aside))
    }

    /// When the points that an issuer issued in a window were paid for, if they are.
    pub fn funded_at(&self, window: WindowNumber, issuer: PartnerId) -> Option<Timestamp> {
        let groups = self.funding.range((window, issuer, 0)..=(window, issuer, u32::MAX));
        groups.filter_map(|(_, group)| group.funded).min()
    }

    /// Whether the points that an issuer issued in a window were paid for, or may be by what is asked: a batch has what waits
    /// for a payment in its book where it may pay.
    pub fn may_be_funded(&self, window: WindowNumber, issuer: PartnerId) -> bool {
        self.funding.range((window, issuer, 0)..=(window, issuer, u32::MAX)).next().is_some()
    }

    /// When the points that an issuer issued in a window were cancelled, if they were.
    pub fn cancelled_at(&self, window: WindowNumber, issuer: PartnerId) -> Option<Timestamp> {
        let groups = self.funding.range((window, issuer, 0)..=(window, issuer, u32::MAX));
        groups.filter_map(|(_, group)| group.cancelled).min()
    }

    /// Whether it is decided what becomes of the points that an issuer issued in a window: paid for, or cancelled.
    pub(crate) fn is_decided(&self, window: WindowNumber, issuer: PartnerId) -> bool {
        self.is_funded(window, issuer) || self.cancelled_at(window, issuer).is_some()
    }

    pub(crate) fn is_funded(&self, window: WindowNumber, issuer: PartnerId) -> bool {
        self.funded_at(window, issuer).is_some()
    }

    /// The window whose settlement the points wait for that an entry makes pending, or pending no longer, if they wait for
    /// one.
    pub(crate) fn waits_for(&self, entry: &Entry, moved: &LotMove) -> Option<WindowNumber> {
        let window = match moved.birth {
            Some(LotBirth { origin, .. }) => {
                let funding = self.house.lot_terms(moved.issuer, moved.terms).funding;
                (funding == Funding::OnPayment && origin.is_none()).then_some(entry.window)
            }
            None => self.lots.get(&moved.lot)?.release_window,
        };
        window.filter(|window| !moved.pending.is_zero() && !self.is_decided(*window, moved.issuer))
    }

    /// Lets what waits for the settlement of one window wait for that of another: of the issuers in `of`, or of all.
    ///
    /// Rule: funding-carried
    pub(crate) fn defer_funding(&mut self, from: WindowNumber, to: WindowNumber, of: Option<&BTreeSet<PartnerId>>) {
        let mut moved = Vec::new();
        for (key, group) in &mut self.funding {
            let concerned = of.is_none_or(|issuers| issuers.contains(&key.1));
            if group.settles_in == from && group.waits() && concerned {
                group.settles_in = to;
                moved.push(*key);
            }
        }
        self.changes_mut().funding_states.extend(moved);
    }
}

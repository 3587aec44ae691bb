//! What entries do to a book: the only way in which one changes, but for what falls due and for recorded answers.

use std::collections::BTreeMap;

use crate::book::spending::Spending;
use crate::book::{Book, order_key};
use crate::chart::{BankPurpose, MoneyAccount, PointsAccount};
use crate::facts::entry::{Entry, EntryKind};
use crate::facts::hold::{Hold, HoldState};
use crate::facts::limits::Guard;
use crate::facts::lot::{Lot, LotBirth, LotMove};
use crate::facts::member::{Member, PassedOver};
use crate::facts::money::LegHow;
use crate::facts::person::PersonId;
use crate::facts::proposal::ProposalState;
use crate::facts::receipt::ReceiptLine;
use crate::facts::returned::ReturnedAmount;
use crate::facts::terms::Funding;
use crate::facts::window::{FundingGroup, Settlement};
use crate::facts::{DecayFacts, Fact, FundedPart, PurchaseReturnFacts, ReversedPart};
use crate::netting::gross_of;
use crate::units::{EntryId, MemberId, Money, Overflow, PartnerId, Points, Timestamp};

impl Book {
    /// Applies all that an entry does to a book. The audit replays the journal through this.
    ///
    /// # Errors
    /// [`Overflow`] if a balance does not fit.
    ///
    /// Rule: decisions
    pub fn apply(&mut self, id: EntryId, entry: &Entry) -> Result<(), Overflow> {
        let mut members: Vec<MemberId> = entry.member.into_iter().collect();
        for moved in &entry.lots {
            if !members.contains(&moved.lot.member) {
                members.push(moved.lot.member);
            }
        }
        for member in members.into_iter().filter(|member| self.here.contains(member)) {
            let member = self.members.entry(member).or_insert_with(|| Member::new(member));
            member.entry_no += 1;
            // What can no longer put off an expiry is forgotten.
            let coalition = &self.house.coalition;
            member.record.passed_over.retain(|_, mark| coalition.passed_over_until(mark.time) > entry.time);
            self.changes.members.insert(member.id);
        }
        self.apply_activity(entry)?;
        for moved in &entry.lots {
            let (version, net) = ((moved.issuer, moved.terms), moved.net()?);
            add_points(&mut self.outstanding, version, net)?;
            add_points(&mut self.changes.outstanding, version, net)?;
            if self.is_here(moved.lot.member) {
                self.apply_lot(id, entry, moved)?;
            } else if moved.birth.is_some()
                && let Some(window) = self.waits_for(entry, moved)
            {
                // Which settlement pays for the points is known without the lot; how many still wait is not.
                let key = (window, moved.issuer, moved.terms);
                self.funding.entry(key).or_insert_with(|| FundingGroup::new(window));
            }
        }
        self.count_of_day(entry);
        self.apply_counts(entry);
        for posting in &entry.points {
            if posting.account.member().is_none() {
                add_points(&mut self.points_balances, posting.account, posting.points)?;
                add_points(&mut self.changes.points_balances, posting.account, posting.points)?;
            }
        }
        self.apply_debts(entry)?;
        for posting in &entry.money {
            if let MoneyAccount::Settle(_, partner) = posting.account {
                let before = self.money_balances.get(&posting.account).copied().unwrap_or_default();
                let debit = |balance: Money| balance.0.min(0);
                let change = Money(debit(before.plus(posting.amount)?) - debit(before));
                let change = |guard: &mut Guard| guard.unsettled.plus(change).map(|sum| guard.unsettled = sum);
                self.change_guard(partner, change)?;
            }
            if let MoneyAccount::Advance(partner) | MoneyAccount::Claim(partner) = posting.account {
                let change = |guard: &mut Guard| guard.ahead.plus(posting.amount).map(|sum| guard.ahead = sum);
                self.change_guard(partner, change)?;
            }
            add_money(&mut self.money_balances, posting.account, posting.amount)?;
            add_money(&mut self.changes.money_balances, posting.account, posting.amount)?;
        }
        self.apply_claims(entry)?;
        self.apply_to_legs(entry);
        self.apply_to_funds(entry);
        self.apply_hold(id, entry)?;
        self.apply_facts(id, entry)?;
        self.apply_receipt(id, entry);
        self.apply_redemption(entry)
    }

    /// By how much an entry moves the legs of windows that were closed before its own.
    fn apply_to_legs(&mut self, entry: &Entry) {
        let legs = entry.money.iter().filter(|posting| matches!(posting.account, MoneyAccount::Settle(..)));
        let moved: i128 = legs.map(|posting| i128::from(posting.amount.0)).sum();
        if entry.kind == EntryKind::Close || moved == 0 {
            return;
        }
        if let Some(window) = self.windows.get_mut(&entry.window) {
            window.legs_moved += moved;
            self.changes.windows.insert(entry.window);
        }
    }

    /// What of the movements of funds is neither gained nor lost in the window of an entry: what was moved between own accounts,
    /// and what cancelled points paid of a leg. What an aborted window brought and cost them is the open one's.
    fn apply_to_funds(&mut self, entry: &Entry) {
        let mut aside: Vec<(BankPurpose, i128)> = Vec::new();
        if matches!(entry.kind, EntryKind::MoveFunds | EntryKind::BookOwnTransfer | EntryKind::Abort) {
            aside.extend(entry.money.iter().filter_map(|posting| {
                let MoneyAccount::Bank(purpose) = posting.account else { return None };
                Some((purpose, i128::from(posting.amount.0)))
            }));
        }
        let legs = entry.facts.legs().into_iter().flatten().filter(|leg| leg.how == LegHow::Cancelled);
        aside.extend(legs.map(|leg| (BankPurpose::Pool, -i128::from(leg.amount.0))));
        let aborted = entry.facts.aborted().and_then(|aborted| self.windows.get(&aborted.window)?.settlement.as_ref());
        for (fund, share) in aborted.into_iter().flat_map(|settlement| &settlement.funds) {
            aside.push((*fund, -i128::from(share.change.0)));
        }
        let Some(window) = self.windows.get_mut(&entry.window) else { return };
        for (fund, amount) in aside.into_iter().filter(|(fund, _)| *fund != BankPurpose::Settlement) {
            *window.aside.entry(fund).or_default() += amount;
            self.changes.windows.insert(entry.window);
        }
        window.aside.retain(|_, amount| *amount != 0);
    }

    /// What an entry does to the debts of its member. Those that a reversal makes stand in the order of its lots.
    fn apply_debts(&mut self, entry: &Entry) -> Result<(), Overflow> {
        let Some(member) = entry.member.and_then(|member| self.members.get_mut(&member)) else { return Ok(()) };
        if let Some(parts) = entry.facts.reversal() {
            return parts.iter().filter(|part| part.debt.0 > 0).try_for_each(|part| member.owe(part.issuer, part.debt));
        }
        for posting in &entry.points {
            if let PointsAccount::Recoverable(creditor) = posting.account {
                member.owe(creditor, posting.points)?;
            }
        }
        Ok(())
    }

    /// What an entry does to one lot and to the sums over its owner's lots.
    fn apply_lot(&mut self, id: EntryId, entry: &Entry, moved: &LotMove) -> Result<(), Overflow> {
        let net = moved.net()?;
        let funding = self.house.lot_terms(moved.issuer, moved.terms).funding;
        if let Some(LotBirth { origin, activates }) = moved.birth {
            let waits = funding == Funding::OnPayment && origin.is_none();
            let lot = Lot {
                id: moved.lot,
                issuer: moved.issuer,
                terms: moved.terms,
                funding,
                size: net,
                available: Points::ZERO,
                held: Points::ZERO,
                pending: Points::ZERO,
                lost: Points::ZERO,
                reversed: Points::ZERO,
                expires: moved.expires,
                entry: id,
                origin,
                activates,
                release_window: waits.then_some(entry.window),
            };
            self.lots.insert(moved.lot, lot);
            self.changes.new_lots.insert(moved.lot);
        }
        let lot = self.lots.get_mut(&moved.lot).expect("the lots of an entry are in the book");
        self.order.remove(&order_key(lot));
        let (old_expiry, old_available) = (lot.expires, lot.available);
        lot.available = lot.available.plus(moved.points)?;
        lot.held = lot.held.plus(moved.held)?;
        lot.pending = lot.pending.plus(moved.pending)?;
        lot.expires = moved.expires;
        if matches!(entry.kind, EntryKind::Expire | EntryKind::Decay) {
            lot.lost = lot.lost.minus(net)?;
        }
        // What was never paid for is as if it had been reversed: nothing of it is owed, and nobody gets a price back.
        if entry.kind == EntryKind::Cancel {
            lot.reversed = lot.reversed.minus(net)?;
        }
        if lot.available.0 > 0 {
            self.order.insert(order_key(lot));
        }
        if lot.pending.0 > 0 {
            self.pending.insert(lot.id);
        } else {
            self.pending.remove(&lot.id);
        }
        let (available, release_window, activates) = (lot.available, lot.release_window, lot.activates);
        self.changes.lots.insert(moved.lot);

        let member = self.members.get_mut(&moved.lot.member).expect("the owners of lots are in the book");
        let holding = member.holdings.entry((moved.issuer, funding)).or_default();
        holding.available = holding.available.plus(moved.points)?;
        holding.held = holding.held.plus(moved.held)?;
        holding.pending = holding.pending.plus(moved.pending)?;
        member.move_expiry((old_expiry, old_available), (moved.expires, available))?;
        let record = &mut member.record;
        if let Some(days) = old_expiry.inactivity_days() {
            let lots = record.inactive.entry(days).or_default();
            lots.change(moved.lot.entry_no, old_available.negated()?)?;
        }
        if let Some(days) = moved.expires.inactivity_days() {
            record.inactive.entry(days).or_default().change(moved.lot.entry_no, available)?;
        }
        if moved.pending.0 > 0
            && let Some(activates) = activates
        {
            record.next_release = Some(record.next_release.map_or(activates, |next| next.min(activates)));
        }
        if let Some(window) = release_window.filter(|_| !moved.pending.is_zero()) {
            add_points(&mut record.waiting, (window, moved.issuer), moved.pending)?;
            record.waiting.retain(|_, points| points.0 > 0);
            if let Some(window) = self.waits_for(entry, moved) {
                let key = (window, moved.issuer, moved.terms);
                let group = self.funding.entry(key).or_insert_with(|| FundingGroup::new(window));
                group.points = group.points.plus(moved.pending)?;
                add_points(&mut self.changes.funding, key, moved.pending)?;
            }
        }
        Ok(())
    }

    /// Notes that the member of an entry is active, before its lots move: what has ended by then stays ended, whatever comes
    /// back into it with this very entry.
    fn apply_activity(&mut self, entry: &Entry) -> Result<(), Overflow> {
        let active = matches!(entry.kind, EntryKind::Issue | EntryKind::Reinstate) || entry.kind.is_redemption();
        let Some(member) = entry.member.filter(|member| active && self.is_here(*member)) else { return Ok(()) };
        let zone = &self.house.coalition.time_zone;
        self.members.get_mut(&member).expect("the member of an entry is in the book").be_active(entry.time, zone)
    }

    /// What was issued to the member today, and what it transferred and redeemed.
    ///
    /// Rule: activity
    fn count_of_day(&mut self, entry: &Entry) {
        let Some(member) = entry.member.filter(|member| self.is_here(*member)) else { return };
        let earns = entry.kind == EntryKind::Issue;
        let day = self.day_of(entry.time);
        let member = self.members.get_mut(&member).expect("the member of an entry is in the book");
        let record = &mut member.record;
        if entry.kind == EntryKind::Transfer {
            record.transferred.retain(|_, count| count.day == day);
            let moved = entry.points.iter().find(|posting| posting.account == PointsAccount::Member(member.id));
            let points = Points(moved.map_or(0, |posting| -posting.points.0));
            record.transferred.entry(entry.partner).or_default().add(day, points);
        }
        if let Some(Spending { points, .. }) = Spending::counted(entry, || day) {
            record.redeemed.retain(|_, count| count.day == day);
            record.redeemed.entry(entry.partner).or_default().add(day, points);
        }
        if !earns {
            return;
        }
        record.earned = record.earned.max(Some(entry.time));
        record.issued.retain(|_, count| count.day == day);
        for moved in entry.lots.iter().filter(|moved| moved.birth.is_some()) {
            let points = moved.net().unwrap_or_default();
            record.issued.entry(moved.issuer).or_default().add(day, points);
        }
    }

    /// What a partner issued today, what of it at the cost of another, and what it redeemed of others.
    fn apply_counts(&mut self, entry: &Entry) {
        let spending = Spending::counted(entry, || self.day_of(entry.time));
        if let Some(Spending { foreign, .. }) = spending.filter(|of| !of.foreign.is_zero()) {
            self.count(entry.partner, self.day_of(entry.time), Points::ZERO, foreign);
        }
        // What support gives again counts for no day; it is of the funder's budget all the same.
        let issues = entry.kind == EntryKind::Issue;
        if !(issues || entry.kind == EntryKind::Reinstate) || entry.member.is_none() {
            return;
        }
        let day = self.day_of(entry.time);
        for moved in entry.lots.iter().filter(|moved| moved.birth.is_some()) {
            let points = moved.net().unwrap_or_default();
            if issues {
                self.count(moved.issuer, day, points, Points::ZERO);
            }
            if moved.issuer != entry.partner {
                let key = (moved.issuer, entry.partner);
                let consent = self.consents.entry(key).or_default();
                consent.used = Points(consent.used.0.saturating_add(points.0));
                let used = self.changes.consents.entry(key).or_default();
                *used = Points(used.0.saturating_add(points.0));
            }
        }
    }

    /// What a person gave to a member again, alone.
    fn count_care(&mut self, person: PersonId, entry: &Entry) {
        let day = self.day_of(entry.time);
        let births = entry.lots.iter().filter(|moved| moved.birth.is_some());
        let points = births.map(|moved| moved.net().unwrap_or_default().0).sum();
        self.care.entry(person).or_default().add(day, Points(points));
        self.changes.care.insert(person);
    }

    fn count(&mut self, partner: PartnerId, day: i32, issued: Points, accepted: Points) {
        for guards in [&mut self.guards, &mut self.changes.guards] {
            guards.entry(partner).or_default().counted.add(day, issued, accepted);
        }
    }

    /// Opens a hold, or closes the one that an entry refers to.
    fn apply_hold(&mut self, id: EntryId, entry: &Entry) -> Result<(), Overflow> {
        if entry.member.is_none_or(|member| !self.is_here(member)) {
            return Ok(());
        }
        if let Some(hold) = Hold::opened_by(id, entry) {
            for (issuer, amount) in hold.facts.reserved.clone() {
                self.change_guard(issuer, |guard| guard.reserved.plus(amount).map(|sum| guard.reserved = sum))?;
            }
            let member = self.members.get_mut(&hold.member).expect("the member of an entry is in the book");
            let next = &mut member.record.next_release;
            *next = Some(next.map_or(hold.facts.lapses, |next| next.min(hold.facts.lapses)));
            self.changes.holds.insert(id);
            self.changes.new_holds.insert(id);
            self.insert_hold(hold);
            return Ok(());
        }
        let Some(hold) = entry.link.and_then(|link| self.holds.get_mut(&link)) else { return Ok(()) };
        if hold.state != HoldState::Open {
            return Ok(());
        }
        hold.state = HoldState::after(entry.kind);
        hold.captured = entry.redemption().map_or(Points::ZERO, |facts| facts.points);
        self.open_holds.remove(&(hold.member, hold.facts.lapses, hold.id));
        self.changes.holds.insert(hold.id);
        for (issuer, amount) in hold.facts.reserved.clone() {
            self.change_guard(issuer, |guard| guard.reserved.minus(amount).map(|sum| guard.reserved = sum))?;
        }
        Ok(())
    }

    /// What an entry records besides its postings.
    fn apply_facts(&mut self, id: EntryId, entry: &Entry) -> Result<(), Overflow> {
        for fact in entry.facts.iter() {
            match fact {
                Fact::Reversal(parts) => self.apply_reversal(parts)?,
                Fact::Funding(parts) => self.apply_funding(parts, entry.time),
                Fact::Decay(DecayFacts { period, .. }) => {
                    if let Some(member) = entry.member.and_then(|member| self.members.get_mut(&member)) {
                        member.record.decay(period, entry.facts.decayed_to().copied());
                    }
                }
                Fact::Frozen(frozen) => {
                    if let Some(member) = entry.member.and_then(|member| self.members.get_mut(&member)) {
                        (member.record.frozen_until, member.record.frozen_no) = (frozen.until, member.entry_no);
                    }
                }
                Fact::PassedOver(issuers) => self.apply_passing(entry, issuers),
                Fact::PurchaseReturn(returned) => self.apply_purchase_return(entry, returned)?,
                Fact::Founded(founded) => self.apply_founding(founded, entry.time),
                Fact::PartnerCreated(created) => self.apply_partner(created),
                Fact::Terms(new) => self.apply_terms(new),
                Fact::State(new) => self.apply_state(new),
                Fact::Renamed(new) => self.apply_name(new),
                Fact::Limits(new) => self.apply_limits(new),
                Fact::Security(new) => self.apply_security(new),
                Fact::Charges(new) => self.apply_charges(new),
                Fact::Charged(charged) => self.apply_charged(charged, entry.facts.reason()),
                Fact::Consent(consent) => self.apply_consent(consent),
                Fact::Calendar(new) => self.apply_calendar(new, entry.time),
                Fact::Confirmed(confirmed) => self.apply_to_settlement(confirmed.window, Settlement::confirm),
                Fact::Exported(exported) => {
                    self.apply_to_settlement(exported.window, |settlement| settlement.export(exported.mode));
                }
                Fact::Paid(paid) => {
                    let amount = entry.paid_amount().unwrap_or_default();
                    self.apply_to_settlement(paid.window, |settlement| {
                        settlement.pay(paid.payer, paid.payee, paid.mode, amount);
                    });
                }
                Fact::Received(received) => self.apply_received(id, received, entry.time),
                Fact::Line(line) => self.apply_line(id, line),
                Fact::Moved(moves) => self.apply_moves(moves),
                Fact::Assigned(assigned) => self.apply_assigned(assigned),
                Fact::Legs(legs) => {
                    for leg in legs {
                        self.apply_to_settlement(leg.window, |settlement| {
                            settlement.move_leg(leg.partner, leg.how, leg.amount);
                        });
                    }
                }
                Fact::Out(out) => self.apply_out(id, out),
                Fact::OutState(out) => self.apply_out_state(out),
                Fact::Released(released) => {
                    self.apply_to_settlement(released.window, |settlement| settlement.release(&released.pay_outs));
                }
                Fact::Cancelled(parts) => self.apply_cancelled(parts, entry.time),
                Fact::UndonePayment(payment) => {
                    self.undone.insert(*payment);
                    self.changes.undone.insert(*payment);
                }
                Fact::Unpaid(unpaid) => {
                    self.apply_to_settlement(unpaid.window, |settlement| settlement.unpay(unpaid));
                }
                Fact::FundsMoved(moved) => {
                    self.apply_to_settlement(moved.window, |settlement| settlement.note_funds(&moved.moved));
                }
                Fact::Aborted(aborted) => self.apply_abort(aborted.window),
                Fact::Forgotten(forgotten) => self.apply_forgetting(forgotten.until),
                Fact::Invited(invited) => self.apply_invites(invited, entry.time),
                Fact::InvitesWithdrawn(withdrawn) => self.apply_withdrawal(withdrawn, entry.time),
                Fact::CredentialIssued(issued) => self.apply_issued(id, issued, entry.time),
                Fact::ForeignAttempt(foreign) => self.apply_foreign(foreign),
                Fact::Revoked(revoked) => self.apply_revocation(revoked, entry),
                Fact::Person(new) => self.apply_person(new),
                Fact::Alone(new) => self.apply_alone(new),
                Fact::Proposed(_) => self.apply_proposed(id, entry),
                Fact::Proposal(decided) => self.end_proposal(decided.proposal, decided.state, id),
                Fact::Legal(new) => self.apply_legal(new),
                Fact::Group(new) => self.apply_group(new),
                Fact::BankAccount(new) => self.apply_bank_account(new, entry),
                Fact::BankAccountStopped(stopped) => self.apply_bank_account_stop(stopped, entry.time),
                Fact::By(by) => match by.approved {
                    Some((proposal, _)) => self.end_proposal(proposal, ProposalState::Done, id),
                    None if entry.kind == EntryKind::Reinstate => self.count_care(by.person, entry),
                    None => {}
                },
                // What an abandoned request did is undone by postings. Redemptions and holds are applied where their rows are; what says why, or what was before, changes nothing.
                Fact::Redemption(_)
                | Fact::Hold(_)
                | Fact::DecayedTo(_)
                | Fact::Reason(_)
                | Fact::Abandoned(_)
                | Fact::Uncounted(_)
                | Fact::Linked(_)
                | Fact::Fund(_)
                | Fact::Decayed(_)
                | Fact::Extended(_)
                | Fact::WrittenOff(_)
                | Fact::CutOff(_)
                | Fact::Certified(_) => {}
            }
        }
        if entry.kind == EntryKind::Close { self.apply_close(entry) } else { Ok(()) }
    }

    fn apply_reversal(&mut self, parts: &[ReversedPart]) -> Result<(), Overflow> {
        for part in parts.iter().filter(|part| self.here.contains(&part.lot.member)) {
            let lot = self.lots.get_mut(&part.lot).expect("the lots of an entry are in the book");
            lot.reversed = lot.reversed.plus(part.points)?;
            lot.lost = lot.lost.minus(part.written_off)?;
            self.changes.lots.insert(part.lot);
        }
        Ok(())
    }

    fn apply_funding(&mut self, parts: &[FundedPart], time: Timestamp) {
        for part in parts {
            let key = (part.window, part.issuer, part.terms);
            let group = self.funding.entry(key).or_insert_with(|| FundingGroup::new(part.window));
            group.funded = Some(time);
            self.changes.funding_states.insert(key);
        }
    }

    fn apply_passing(&mut self, entry: &Entry, issuers: &[PartnerId]) {
        let noting = entry.member.filter(|_| self.house.coalition.passed_over_grace_days > 0);
        if let Some(member) = noting.and_then(|member| self.members.get_mut(&member)) {
            let mark = PassedOver { time: entry.time, entry_no: member.entry_no };
            member.record.passed_over.extend(issuers.iter().map(|issuer| (*issuer, mark)));
        }
    }

    fn apply_purchase_return(&mut self, entry: &Entry, returned: &PurchaseReturnFacts) -> Result<(), Overflow> {
        if entry.member.is_some_and(|member| self.is_here(member)) {
            let sum = self.returned_amounts.entry(returned.purchase).or_default();
            *sum = ReturnedAmount { amount: sum.amount.plus(returned.amount)?, total: returned.total };
            self.changes.returned_amounts.insert(returned.purchase);
        }
        Ok(())
    }

    /// Notes the line of the receipt that an entry was booked with.
    fn apply_receipt(&mut self, id: EntryId, entry: &Entry) {
        if let Some(target) = ReceiptLine::freed_by(entry).and_then(|freed| self.entries.get(&freed)) {
            let line = ReceiptLine::of_entry(target, &self.house.coalition.time_zone);
            if let Some(line) = line.filter(|line| self.receipts.remove(line).is_some()) {
                self.changes.receipts.insert(line, None);
            }
            return;
        }
        if let Some(line) = ReceiptLine::of_entry(entry, &self.house.coalition.time_zone) {
            self.receipts.insert(line.clone(), id);
            self.changes.receipts.insert(line, Some(id));
        }
    }

    /// Moves what a partner's limits are checked against, here and in the changes.
    pub(crate) fn change_guard(
        &mut self,
        partner: PartnerId,
        change: impl Fn(&mut Guard) -> Result<(), Overflow>,
    ) -> Result<(), Overflow> {
        change(self.guards.entry(partner).or_default())?;
        change(self.changes.guards.entry(partner).or_default())
    }

    /// What an entry does to gross obligations and to what is left of a redemption.
    fn apply_redemption(&mut self, entry: &Entry) -> Result<(), Overflow> {
        if entry.redemption().is_none() {
            return Ok(());
        }
        for (key, gross) in gross_of(entry)? {
            for sums in [&mut self.gross, &mut self.changes.gross] {
                let sum = sums.entry(key).or_default();
                sum.points = sum.points.plus(gross.points)?;
                sum.amount = sum.amount.plus(gross.amount)?;
            }
        }
        let gives_back = matches!(entry.kind, EntryKind::Return | EntryKind::Undo)
            && entry.member.is_some_and(|member| self.is_here(member));
        if let Some(redemption) = entry.link.filter(|_| gives_back) {
            // What refers to a redemption gives points back, or takes them again.
            let returned = self.returned.entry(redemption).or_default();
            for moved in &entry.lots {
                returned.add(moved.lot, moved.net()?)?;
            }
            self.changes.returned.insert(redemption);
        }
        Ok(())
    }
}

fn add_points<K: Ord>(sums: &mut BTreeMap<K, Points>, key: K, points: Points) -> Result<(), Overflow> {
    let sum = sums.entry(key).or_default();
    *sum = sum.plus(points)?;
    Ok(())
}

fn add_money<K: Ord>(sums: &mut BTreeMap<K, Money>, key: K, amount: Money) -> Result<(), Overflow> {
    let sum = sums.entry(key).or_default();
    *sum = sum.plus(amount)?;
    Ok(())
}

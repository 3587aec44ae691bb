//! What the laws look at after each operation: of a redemption, of headrooms, of statements, of what is told again.

use std::collections::{BTreeMap, BTreeSet};

use clearing_core::chart::{BankPurpose, MoneyAccount, PointsAccount, Purpose};
use clearing_core::command::{Command, Request};
use clearing_core::facts::Fact;
use clearing_core::facts::answer::{Answer, RecordedState, Reply};
use clearing_core::facts::entry::{Entry, EntryKind};
use clearing_core::facts::lot::Lot;
use clearing_core::facts::member::Member;
use clearing_core::facts::proof::MoneyClass;
use clearing_core::facts::terms::{FeeBearer, Funding};
use clearing_core::facts::window::{Gross, Leg, SettlementState};
use clearing_core::netting::Obligations;
use clearing_core::rules::redemption::RedeemPoints;
use clearing_core::rules::statement::{self, Bridge, Effect, Section, StatementLine};
use clearing_core::units::{MemberId, Money, PartnerId, Points, Timestamp};
use rust_decimal::Decimal;

use crate::house::Play;
use crate::random::Asked;

/// What a book holds, in a form that can be compared; the keys of requests are left out.
pub fn contents(play: &Play) -> impl PartialEq + std::fmt::Debug + use<> {
    let book = &play.book;
    (
        (book.open_window, book.members.clone(), book.identifiers.clone(), book.lots.clone()),
        (book.entries.len(), book.returned.clone(), book.points_balances.clone(), play.money()),
        (book.outstanding.clone(), book.gross.clone(), book.windows.clone(), book.house.partners.clone()),
    )
}

/// Whether two entries, one behind the other, are of different members, of one window and of one day.
pub fn may_change_places(one: &Entry, other: &Entry) -> bool {
    let members = |entry: &Entry| -> BTreeSet<MemberId> {
        entry.member.into_iter().chain(entry.lots.iter().map(|moved| moved.lot.member)).collect()
    };
    let (of_one, of_other) = (members(one), members(other));
    let day = |entry: &Entry| entry.time.0.div_euclid(86_400_000_000);
    !of_one.is_empty()
        && !of_other.is_empty()
        && of_one.is_disjoint(&of_other)
        && one.window == other.window
        && day(one) == day(other)
}

/// The lots that a redemption must take: by earliest expiry, then by the number of the entry that made them; of points
/// under R at another partner what their issuer's headroom allows; and of whom it allows less than is wanted. Computed once
/// more, from nothing but lots.
pub fn lots_to_take(play: &Play, request: &Request) -> (Vec<(PartnerId, i64)>, BTreeSet<PartnerId>) {
    let mut passed_over = BTreeSet::new();
    let Command::RedeemPoints(RedeemPoints { member, points }) = request.command else {
        return (Vec::new(), passed_over);
    };
    let Ok(member) = play.book.find_member(member) else { return (Vec::new(), passed_over) };
    let ends = |lot: &Lot| match lot.expires.inactivity_days() {
        Some(days) => play.book.members[&member].record.active.unwrap().plus_days(i64::from(days)),
        None => lot.expires,
    };
    let of_member = play.book.lots.values().filter(|lot| lot.id.member == member && ends(lot) > play.now);
    let mut lots: Vec<_> = of_member.collect();
    lots.sort_by_key(|lot| (ends(lot), lot.id.entry_no, lot.id.part));
    let mut missing = points.0;
    let mut taken = Vec::new();
    let mut spent: BTreeMap<PartnerId, i128> = BTreeMap::new();
    let acceptor = play.book.house.partners[&request.caller].terms_at(play.now);
    for lot in lots {
        let mut part = lot.available.0.min(missing);
        let terms = play.book.house.lot_terms(lot.issuer, lot.terms);
        if lot.issuer != request.caller && terms.funding == Funding::AtRedemption {
            let fee = acceptor.acceptance_fee.decimal() * Decimal::from(acceptor.reimbursement.0);
            let fee = if acceptor.fee_bearer == FeeBearer::Issuer { fee.ceil() } else { Decimal::ZERO };
            let cost = i128::from(terms.price.0) + fee.mantissa() / 10i128.pow(fee.scale());
            let used = spent.entry(lot.issuer).or_default();
            while part > 0 && play.book.headroom(lot.issuer).is_some_and(|room| *used + i128::from(part) * cost > room)
            {
                part -= 1;
                passed_over.insert(lot.issuer);
            }
            *used += i128::from(part) * cost;
        }
        missing -= part;
        if part > 0 {
            taken.push((lot.issuer, part));
        }
    }
    (taken, passed_over)
}

/// The fee and what the acceptor and the funds get of a redemption, computed once more by decimals.
pub fn check_redemption(play: &Play, entry: &Entry) {
    let facts = entry.redemption().unwrap();
    let house = &play.book.house;
    let acceptor = entry.partner;
    let (mut bearing, mut reward, mut from_pool) = (0i64, 0i64, 0i64);
    for moved in &entry.lots {
        let terms = house.lot_terms(moved.issuer, moved.terms);
        let prepaid = terms.funding.is_prepaid();
        let points = -moved.points.0;
        if moved.issuer != acceptor && (facts.fee_bearer == FeeBearer::Acceptor || !prepaid) {
            bearing += points;
        }
        if moved.issuer != acceptor || prepaid {
            reward += points * facts.reimbursement.0;
        }
        if prepaid {
            from_pool += points * terms.value.0;
        }
    }
    let exact = facts.fee_rate.decimal() * Decimal::from(bearing * facts.reimbursement.0);
    let fee = (exact + Decimal::new(5, 1)).floor();
    let sum = |account: MoneyAccount, purpose: Option<Purpose>| -> i64 {
        let postings = entry.money.iter().filter(|posting| posting.account == account);
        postings
            .filter(|posting| purpose.is_none_or(|purpose| posting.purpose == purpose))
            .map(|posting| posting.amount.0)
            .sum()
    };
    let position = |partner| MoneyAccount::Position(partner);
    assert_eq!(Decimal::from(facts.fee.0), fee, "the fee of {entry:?}");
    assert_eq!(sum(MoneyAccount::Pool, None), -from_pool, "what the pool pays for {entry:?}");
    // An operator that bears fees itself gets less than all of them.
    let operator_takes_part = acceptor.is_operator() || entry.lots.iter().any(|moved| moved.issuer.is_operator());
    if !operator_takes_part {
        assert_eq!(
            sum(position(PartnerId::operator()), Some(Purpose::Fee)),
            facts.fee.0,
            "who gets the fee of {entry:?}"
        );
    }
    if facts.fee_bearer == FeeBearer::Acceptor && !acceptor.is_operator() {
        let got = sum(position(acceptor), None);
        assert_eq!(got, reward - facts.fee.0, "what the acceptor gets for {entry:?}");
    }
}

/// What a command that is guarded did may not leave a headroom below zero that it made smaller, due work before it and
/// recoveries after it included.
pub fn check_headroom(before: &BTreeMap<PartnerId, i128>, after: &Play, written: usize) {
    let guarded = |kind: EntryKind| {
        use EntryKind::{
            Activate, Authorize, Capture, Expire, Extend, Issue, Lapse, Recover, Redeem, Reinstate, Transfer, Void,
        };
        matches!(
            kind,
            Issue
                | Redeem
                | Authorize
                | Recover
                | Reinstate
                | Capture
                | Void
                | Lapse
                | Activate
                | Expire
                | Extend
                | Transfer
        )
    };
    if !after.journal[written..].iter().all(|(_, entry)| guarded(entry.kind)) {
        return;
    }
    for (partner, is) in headrooms(after) {
        let was = before[&partner];
        assert!(is >= 0 || is >= was, "the headroom of {partner} went from {was} to {is}");
    }
}

/// Of what was written from one place in the journal on: nothing expires that was passed over within the grace, and nothing
/// is moved by the house but to the end of the grace of the last time that it was. Told from the journal alone.
pub fn check_passed_over(play: &Play, written: usize) {
    let coalition = &play.book.house.coalition;
    let days = coalition.passed_over_grace_days;
    for (at, (_, entry)) in play.journal.iter().enumerate().skip(written) {
        let moved = entry.kind == EntryKind::Extend && entry.request_id.is_none();
        if !moved && entry.kind != EntryKind::Expire {
            continue;
        }
        let lot = &play.book.lots[&entry.lots[0].lot];
        // Of the entries that passed over lots of its issuer since it was made, the last one.
        let since = play.journal[..at].iter().rev().map(|(_, entry)| entry);
        let since =
            since.take_while(|entry| entry.lots.iter().all(|moved| moved.lot != lot.id || moved.birth.is_none()));
        let mut passing = since.filter(|entry| entry.member == Some(lot.id.member));
        let last = passing.find(|entry| days > 0 && entry.facts.passed_over().contains(&lot.issuer));
        let end = last.filter(|_| lot.funding == Funding::AtRedemption);
        let end = end.map(|entry| coalition.days_after(days, entry.time)).filter(|end| entry.time < *end);
        assert_eq!(moved.then_some(entry.lots[0].expires), end, "{entry:?} of {lot:?}");
    }
}

/// Of what was written from one place in the journal on: no redemption or hold passes a limit of its acceptor's day, of one member or
/// of others' points, from what the journal has of that day and was not abandoned.
pub fn check_redeem_limits(play: &Play, written: usize) {
    use EntryKind::{Authorize, Redeem};
    let abandoned = play.journal.iter().filter_map(|(_, entry)| {
        let abandoned =
            entry.facts.iter().find_map(|fact| if let Fact::Abandoned(id) = fact { Some(*id) } else { None });
        Some((entry.partner, abandoned?))
    });
    let abandoned: BTreeSet<_> = abandoned.collect();
    for (_, entry) in &play.journal[written..] {
        if !matches!(entry.kind, Redeem | Authorize) {
            continue;
        }
        let limits = play.book.house.partners[&entry.partner].limits;
        let zone = &play.book.house.coalition.time_zone;
        let day_of = |entry: &Entry| entry.time.to_jiff().to_zoned(zone.clone()).date();
        let counts = play.journal.iter().map(|(_, other)| other).filter(|other| {
            let stands = other.request_id.is_none_or(|id| !abandoned.contains(&(other.partner, id)));
            let same = other.partner == entry.partner && day_of(other) == day_of(entry);
            same && stands && matches!(other.kind, Redeem | Authorize)
        });
        let (mut of_member, mut foreign) = (0, 0);
        for other in counts {
            for moved in &other.lots {
                of_member -= if other.member == entry.member { moved.points.0 } else { 0 };
                foreign -= if moved.issuer == entry.partner { 0 } else { moved.points.0 };
            }
        }
        let within = |used: i64, maximum: Option<Points>| maximum.is_none_or(|maximum| used <= maximum.0);
        assert!(within(of_member, limits.redeem_points_per_member_per_day), "{of_member} of {limits:?} by {entry:?}");
        let takes = entry.lots.iter().any(|moved| moved.issuer != entry.partner);
        assert!(
            !takes || within(foreign, limits.redeem_foreign_points_per_day),
            "{foreign} of {limits:?} by {entry:?}"
        );
    }
}

/// Of what was written from one place in the journal on: no entry takes points of a lot that had ended with inactivity by
/// then, whatever its member did since. Told from the journal alone.
pub fn check_not_revived(play: &Play, written: usize) {
    use EntryKind::{Authorize, Decay, Issue, Recover, Redeem, Reinstate, Transfer};
    for (at, (_, entry)) in play.journal.iter().enumerate().skip(written) {
        let takes = matches!(entry.kind, Redeem | Authorize | Recover | Transfer | Decay);
        for moved in entry.lots.iter().filter(|moved| takes && moved.points.0 < 0) {
            let Some(days) = moved.expires.inactivity_days() else { continue };
            let before = play.journal[..at].iter().map(|(_, entry)| entry);
            let since = before.skip_while(|entry| entry.lots.iter().all(|made| made.lot != moved.lot));
            let active = since.filter(|entry| {
                let activity = matches!(entry.kind, Issue | Reinstate) || entry.kind.is_redemption();
                activity && entry.member == Some(moved.lot.member)
            });
            let mut last = None;
            for time in active.map(|entry| entry.time).chain([entry.time]) {
                let end = last.map_or(Timestamp::NEVER, |last: Timestamp| last.plus_days(i64::from(days)));
                assert!(time < end, "{entry:?} takes of {moved:?}, which had ended {end}");
                last = Some(time);
            }
        }
    }
}

/// What is left of each cap.
pub fn headrooms(play: &Play) -> BTreeMap<PartnerId, i128> {
    let partners = play.book.house.partners.keys();
    partners.filter_map(|partner| Some((*partner, play.book.headroom(*partner)?))).collect()
}

/// Points only change hands: what all issuers have outstanding is what all members have.
pub fn check_points(play: &Play) {
    let members: i128 = play.book.members.values().map(Member::total).sum();
    let issuers = play.book.points_balances.iter().filter(|(account, _)| matches!(account, PointsAccount::Issuer(_)));
    let outstanding: i128 = issuers.map(|(_, points)| -i128::from(points.0)).sum();
    assert_eq!(members, outstanding);
}

/// What comes back goes into the lots of its redemption, the last one taken first.
pub fn check_return(play: &Play, entry: &Entry) {
    let redemption = &play.book.entries[&entry.link.unwrap()];
    let place = |lot| redemption.lots.iter().position(|taken| taken.lot == lot);
    let places: Vec<_> = entry.lots.iter().map(|moved| place(moved.lot).unwrap()).collect();
    assert!(places.is_sorted_by(|earlier, later| earlier > later), "{entry:?} of {redemption:?}");
}

/// What is let out never exceeds what came in and what the funds give, at the moment at which it is let out.
pub fn check_released(play: &Play, written: usize) {
    let entries = play.journal[written..].iter().map(|(_, entry)| entry);
    let released = entries.filter_map(|entry| entry.facts.released()).map(|released| released.window);
    for window in released {
        let settlement = play.book.windows[&window].settlement.as_ref().unwrap();
        let sum = |of: fn(&Leg) -> i64| settlement.legs.values().map(of).sum::<i64>();
        let cancelled = sum(|leg| leg.cancelled.0);
        let came = sum(|leg| leg.due.0 - leg.amount.0) - cancelled;
        let given = sum(|leg| leg.amount.0) + cancelled;
        let out = settlement.orders.iter().filter(|order| order.released && !order.paid);
        let out: i64 = out.map(|order| order.amount.0).sum();
        assert!(out <= came + given.max(0), "window {window} let out what it did not have");
    }
}

/// Every claim is what it stands against, and what all claims, the reserve's part and sharers' come to is minus what bounced and
/// is not repaid. No fund and no partner's money is below zero but the reserve, which reversals may take back.
pub fn check_claims(play: &Play) {
    let balance = |account: &str| -> i64 {
        let account: MoneyAccount = account.parse().unwrap();
        play.book.money_balances.get(&account).map_or(0, |sum| sum.0)
    };
    let all = |starts: &str| -> i64 {
        let accounts = play.book.money_balances.iter().filter(|(account, _)| account.to_string().starts_with(starts));
        accounts.map(|(_, sum)| sum.0).sum()
    };
    let bounced: i64 = play.book.claims.values().map(|claim| claim.bounced.0).sum();
    assert_eq!(all("claim:") + balance("reserve_claim") + all("shared:"), -bounced);
    for (account, sum) in &play.book.money_balances {
        let never_below = match account {
            MoneyAccount::Advance(_)
            | MoneyAccount::Unapplied(_)
            | MoneyAccount::Ordered(_)
            | MoneyAccount::Collateral(_)
            | MoneyAccount::ReserveClaim
            | MoneyAccount::Shared(..) => sum.0 >= 0,
            MoneyAccount::Claim(_) => sum.0 <= 0,
            MoneyAccount::Position(_)
            | MoneyAccount::Pool
            | MoneyAccount::Reserve
            | MoneyAccount::Unfunded
            | MoneyAccount::Settle(..)
            | MoneyAccount::Bank(_) => true,
        };
        assert!(never_below, "{account} holds {}", sum.0);
    }
}

/// What a fund and its account at the bank came to when the open window began is what the windows before brought and cost it and was
/// not moved between own accounts yet, and what the operator moved by hand.
pub fn check_own_accounts(play: &Play) {
    for fund in BankPurpose::FUNDS {
        let own = MoneyAccount::Bank(fund);
        let mut left = 0;
        let mut begun = None;
        for window in play.book.windows.values() {
            let Some(settlement) = &window.settlement else {
                begun = Some(window);
                continue;
            };
            if settlement.state == SettlementState::Aborted {
                continue;
            }
            let share = settlement.funds.get(&fund).copied().unwrap_or_default();
            let cancelled: i64 = settlement.legs.values().map(|leg| leg.cancelled.0).sum();
            let cancelled = if fund == BankPurpose::Pool { cancelled } else { 0 };
            left += i128::from(share.change.0 - share.moved.0 - cancelled);
            if settlement.state == SettlementState::Settled {
                assert!(share.moved.0 >= share.change.0 - cancelled, "what {fund} gained stays out of its account");
            }
        }
        let open = begun.expect("a window is open");
        let classes: &[MoneyClass] = match fund {
            BankPurpose::Reserve => &[MoneyClass::Reserve],
            BankPurpose::Collateral => &[MoneyClass::Collateral],
            BankPurpose::Pool => &[MoneyClass::Pool, MoneyClass::Unfunded],
            BankPurpose::Settlement => &[],
        };
        let of = |class: &MoneyClass| open.opening.get(class).copied().unwrap_or_default();
        let at_begin: i128 = classes.iter().map(of).sum::<i128>() + of(&MoneyClass::Bank(fund));
        let aside = open.aside.get(&fund).copied().unwrap_or_default();
        let by_hand = play.journal.iter().filter(|(_, entry)| entry.kind == EntryKind::BookOwnTransfer);
        let by_hand = by_hand.flat_map(|(_, entry)| &entry.money).filter(|posting| posting.account == own);
        let by_hand: i128 = by_hand.map(|posting| i128::from(posting.amount.0)).sum();
        assert_eq!(at_begin + aside, left + by_hand, "{fund}");
    }
}

/// A settlement that is open can be paid: what its orders ask for is what is due of its legs, once its mode is chosen.
pub fn check_payable(play: &Play) {
    for (number, window) in &play.book.windows {
        let Some(settlement) = window.settlement.as_ref().filter(|settlement| settlement.is_payable()) else {
            continue;
        };
        if settlement.mode.is_none() {
            continue;
        }
        for (partner, leg) in &settlement.legs {
            let open = settlement.orders.iter().filter(|order| !order.paid);
            let ordered: i64 = open
                .map(|order| match (order.payer.participant(), order.payee.participant()) {
                    (Some(payer), _) if payer == *partner => -order.amount.0,
                    (_, Some(payee)) if payee == *partner => order.amount.0,
                    _ => 0,
                })
                .sum();
            assert_eq!(ordered, leg.due.0, "what {partner} pays and gets by the orders of window {number}");
        }
    }
}

/// For each window and partner: opening + totals = leg + carried; the lines of each entry come to its effects, each of them
/// points x rate but for what fees and shares of breakage round; what lines say of each other side is the obligation between
/// the two; and the bridge leads from the opening to the leg.
pub fn check_statements(play: &Play) {
    for (number, window) in &play.book.windows {
        let gross = play.book.gross.iter().filter(|((of, ..), _)| of == number);
        let gross: Obligations = gross.map(|((_, issuer, acceptor), gross)| ((*issuer, *acceptor), *gross)).collect();
        let mut told = Obligations::new();
        for partner in play.book.house.partners.keys() {
            let mut totals = statement::Totals::default();
            let mut by_pool = 0;
            for (id, entry) in play.journal.iter().filter(|(_, entry)| entry.window == *number) {
                totals.add(*partner, entry).unwrap();
                let lines = statement::lines(*partner, *id, 1, entry, &play.book.house).unwrap();
                check_lines(*partner, entry, &lines);
                for line in &lines {
                    let Some(of_line) = line.gross else { continue };
                    let other = line.counterparty.expect("an obligation is to somebody");
                    let pair = if line.section == Section::Spent { (*partner, other) } else { (other, *partner) };
                    let sum = told.entry(pair).or_default();
                    sum.points.0 += line.points.0;
                    sum.amount.0 += of_line.0;
                    by_pool += if line.rate.is_none() { of_line.0 } else { 0 };
                }
                let home = lines.iter().filter(|line| line.section == Section::AtHome);
                by_pool += home.map(|line| line.amount.0).sum::<i64>();
            }
            let bridge = Bridge::of(*partner, &totals, &gross).unwrap();
            assert_eq!(bridge.paid_by_pool.0, by_pool, "{partner}, window {number}: {bridge:?}");
            assert_eq!(bridge.sum().unwrap(), totals.sum().unwrap(), "{partner}, window {number}");
            let part = window.participants.get(partner).copied().unwrap_or_default();
            let lines = totals.sum().unwrap().0;
            let (leg, carried) = match &window.settlement {
                Some(settlement) => (settlement.legs.get(partner).map_or(0, |leg| leg.amount.0), part.carried),
                None => {
                    (0, play.book.money_balances.get(&MoneyAccount::Position(*partner)).copied().unwrap_or_default())
                }
            };
            assert_eq!(part.opening.0 + lines, leg + carried.0, "statement of {partner}, window {number}");
        }
        // Both sides tell of each obligation.
        let twice = gross.into_iter().filter(|(_, gross)| *gross != Gross::default());
        let twice: Obligations = twice
            .map(|(pair, gross)| {
                (pair, Gross { points: Points(gross.points.0 * 2), amount: Money(gross.amount.0 * 2) })
            })
            .collect();
        told.retain(|_, gross| *gross != Gross::default());
        assert_eq!(told, twice, "window {number}");
    }
}

/// What the lines of an entry say is what it came to.
pub fn check_lines(partner: PartnerId, entry: &Entry, lines: &[StatementLine]) {
    let mut sums: BTreeMap<(Section, Purpose), Effect> = BTreeMap::new();
    for line in lines {
        let unit = 1_000_000_000_i128;
        let product = line.rate.map_or(0, |rate| rate.0 * i128::from(line.points.0));
        assert_eq!(product + line.rounding.0, if line.rate.is_some() { i128::from(line.amount.0) * unit } else { 0 });
        // Of a return a fee is the difference of two that are each rounded, and split. Each lot has its breakage.
        let lots = i128::try_from(entry.lots.len().max(1)).unwrap();
        let rounds = if line.purpose == Purpose::Fee { 2 * unit } else { lots * unit };
        let rounds = if [Purpose::Fee, Purpose::Breakage].contains(&line.purpose) { rounds } else { 1 };
        assert!(line.rounding.0.abs() < rounds, "{line:?}");
        if line.rate.is_none() && line.purpose == Purpose::Reward {
            assert!(line.amount.is_zero(), "{line:?}");
        }
        let sum = sums.entry((line.section, line.purpose)).or_default();
        sum.amount.0 += line.amount.0;
        sum.points.0 += if line.purpose == Purpose::Reward { line.points.0 } else { 0 };
    }
    assert_eq!(sums, statement::effects(partner, entry).unwrap(), "{partner}: {entry:#?}");
    let told = statement::without_issuers(lines.to_vec()).unwrap();
    assert!(told.iter().all(|line| line.section != Section::Accepted || line.counterparty.is_none()));
    let sum = |lines: &[StatementLine]| lines.iter().map(|line| line.amount.0).sum::<i64>();
    assert_eq!(sum(&told), sum(lines));
}

/// Whatever has changed since: who repeats a request is told what it was told first, unless it was abandoned, and nothing
/// changes. What is kept of an answer beside its entries gives it again.
pub fn check_told_again(asked: &mut Asked, told: &[(Request, Answer)]) {
    let (before, written) = (contents(&asked.play), asked.play.journal.len());
    for (request, first) in told {
        let again = asked.play.execute(request);
        let key = (request.caller, request.request_id.unwrap());
        let book = &asked.play.book;
        let state = &book.requests[&key].state;
        match state {
            RecordedState::Burned | RecordedState::Undone(_) => {
                assert_eq!(again.result.unwrap_err().reason(), "REQUEST_ABANDONED", "{request:?}");
            }
            RecordedState::Accepted(_) | RecordedState::Rejected(_) => {
                assert_eq!(again.result, first.result, "{request:?}");
            }
        }
        assert!(again.replayed, "{request:?}");
        let kept = book.request_record(key).unwrap().reply;
        match state {
            RecordedState::Accepted(accepted) | RecordedState::Undone(accepted) => {
                let member = accepted.entries.first().and_then(|id| book.entries[id].member);
                assert_eq!(Reply::read(&kept, member).as_ref(), Ok(&accepted.reply), "{request:?}");
            }
            RecordedState::Rejected(rejection) => assert_eq!(kept, borsh::to_vec(rejection).unwrap()),
            RecordedState::Burned => assert!(kept.is_empty()),
        }
    }
    assert!(
        asked.play.journal.len() == written && contents(&asked.play) == before,
        "a repeated request changed something"
    );
}

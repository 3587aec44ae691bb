//! What a till can ask beyond issue and redemption, through the SDK: holds, reversals, purchases, transfers, receipts; and
//! what the operator can do for partners and members.

use std::time::Duration;

use clearing::clock::Clock;
use partner_sdk::operator::{
    CloseWindow, ExtendExpiry, PartnerLimits, PartnerState, ReinstatePoints, RunDecay, SetFundingConsent, SetLimits,
    SetPartnerState, SetTerms, TermsChange, WriteOffDebt,
};
use partner_sdk::{
    Abandon, AbandonOutcome, Authorize, Capture, Client, DayCount, Decimal, Earn, EntryKind, Error, HoldState, Issue,
    LotChange, MemberRef, Money, Origin, Outcome, Purchase, QuoteRequest, Reason, Receipt, ReconcileState, Redeem,
    RequestId, ReturnPurchase, ReturnRedemption, Reverse, Transfer, Void,
};

use clearing_play::{BACKENDS, TestHouse, system_time};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

fn card(number: &str) -> MemberRef {
    MemberRef::identifier("card", number)
}

fn rub(kopecks: i64) -> Money {
    Money::new("RUB", Decimal::new(kopecks, 2))
}

fn receipt(number: &str) -> Origin {
    Origin::till("s1", "t1").receipt(number).business_date("2026-02-01")
}

async fn issue(client: &Client, number: &str, points: i64) -> String {
    let issued = client.issue(Issue::to("card", number).points(points)).await.unwrap().accepted().unwrap();
    issued.written.entry_id().to_owned()
}

async fn available(client: &Client, number: &str) -> i64 {
    client.balance(card(number)).await.unwrap().member.available_points
}

fn reason<T: std::fmt::Debug>(result: Result<Outcome<T>, Error>) -> Reason {
    result.unwrap().rejection().expect("it is rejected").reason.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_is_captured_in_part_and_the_rest_is_the_members_again() {
    for backend in BACKENDS {
        let (test, now) = TestHouse::of_s01(backend, |_| ()).await;
        let (a, c) = (test.client("A").await, test.client("C").await);
        issue(&a, "1", 100).await;
        let wish = Authorize::from("card", "1").points(80).lapses(now + DAY).request_id(c.new_request_id());
        let held = c.authorize(wish.clone()).await.unwrap().accepted().unwrap();
        assert_eq!((held.member.available_points, held.member.held_points), (20, 80));
        assert_eq!(held.written.entries[0].lots.iter().map(|lot| lot.points).collect::<Vec<_>>(), [80]);
        let again = c.authorize(wish).await.unwrap().accepted().unwrap();
        assert!(again.written.replayed && again.hold_id == held.hold_id);
        let hold = c.hold(&held.hold_id).await.unwrap();
        assert_eq!((hold.state, hold.points, hold.captured_points), (HoldState::Open, 80, 0));
        assert_eq!((hold.reimbursement, hold.acceptance_fee), (rub(100), Decimal::new(2, 2)));
        assert_eq!((hold.lapse_time, hold.lots[0].issuer_id.as_deref()), (now + DAY, Some("A")));
        assert_eq!(available(&c, "1").await, 20);

        let captured = c.capture(Capture::hold(&held.hold_id).points(50)).await.unwrap().accepted().unwrap();
        assert_eq!(
            (captured.member.available_points, captured.member.held_points, captured.released_points),
            (50, 0, 30)
        );
        assert_eq!((captured.fee, captured.acceptor_credit), (rub(100), rub(4900)));
        let lots = captured.written.entries[0].lots.iter().map(|lot| (lot.change, lot.points));
        assert_eq!(lots.collect::<Vec<_>>(), [(LotChange::Taken, 50), (LotChange::Released, 30)]);
        assert_eq!(captured.written.entries[0].linked_entry_id.as_deref(), Some(held.hold_id.as_str()));
        let hold = c.hold(&held.hold_id).await.unwrap();
        assert_eq!((hold.state, hold.captured_points), (HoldState::Captured, 50));
        assert_eq!(reason(c.void(Void::hold(&held.hold_id)).await), Reason::HoldNotOpen);

        // A capture is returned like any redemption.
        let back = ReturnRedemption::of(captured.written.entry_id()).points(10);
        let returned = c.return_redemption(back).await.unwrap().accepted().unwrap();
        assert_eq!((returned.member.available_points, returned.returnable_points), (60, 40));
        test.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_is_released_by_its_acceptor_or_by_time() {
    for backend in BACKENDS {
        let (test, now) = TestHouse::of_s01(backend, |_| ()).await;
        let (a, c) = (test.client("A").await, test.client("C").await);
        issue(&a, "1", 100).await;
        let authorize = |points| Authorize::from("card", "1").points(points).lapses(now + HOUR);
        let first = c.authorize(authorize(40)).await.unwrap().accepted().unwrap();
        let second = c.authorize(authorize(60)).await.unwrap().accepted().unwrap();
        let voided = c.void(Void::hold(&first.hold_id)).await.unwrap().accepted().unwrap();
        assert_eq!((voided.released_points, voided.member.available_points, voided.member.held_points), (40, 40, 60));
        assert_eq!(voided.written.entries[0].lots[0].points, 40);

        test.client("operator").await.sandbox().advance_clock(now + HOUR).await.unwrap();
        assert_eq!(c.hold(&second.hold_id).await.unwrap().state, HoldState::Lapsed);
        let balance = c.balance(card("1")).await.unwrap();
        assert_eq!((balance.member.available_points, balance.member.held_points), (100, 0));
        assert_eq!(reason(c.capture(Capture::hold(&second.hold_id).points(1)).await), Reason::HoldNotOpen);
        assert_eq!(reason(c.authorize(authorize(1)).await), Reason::TimeOutOfRange, "it would lapse at once");

        // What could not wait for its answer is abandoned.
        let id = c.new_request_id();
        let wish = Authorize::from("card", "1").points(5).lapses(now + DAY).request_id(id);
        c.authorize(wish).await.unwrap().accepted().unwrap();
        let abandoned = c.abandon(Abandon::request(id)).await.unwrap().accepted().unwrap();
        assert_eq!(abandoned.outcome, AbandonOutcome::Undone);
        assert_eq!(abandoned.written.entries[0].lots[0].points, 5);
        assert_eq!(available(&c, "1").await, 100);
        test.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reversal_takes_what_is_there_and_leaves_a_debt_that_later_points_pay() {
    for backend in BACKENDS {
        let (test, _) = TestHouse::of_s01(backend, |_| ()).await;
        let (a, c) = (test.client("A").await, test.client("C").await);
        let issued = issue(&a, "1", 100).await;
        c.redeem(Redeem::from("card", "1").points(70)).await.unwrap().accepted().unwrap();
        let shortfall = a.reverse(Reverse::entry(&issued).points(50).refuse_shortfall()).await;
        assert_eq!(reason(shortfall), Reason::ReversalShortfall);
        let reversed = a.reverse(Reverse::entry(&issued).points(50)).await.unwrap().accepted().unwrap();
        assert_eq!((reversed.taken_back_points, reversed.debt_points, reversed.written_off_points), (30, 20, 0));
        assert_eq!((reversed.member.available_points, reversed.member.owed_points), (0, 20));
        assert_eq!(reversed.written.entries[0].kind, EntryKind::Reverse);
        assert_eq!(reason(a.reverse(Reverse::entry(&issued).points(51)).await), Reason::ReversalExceedsIssue);

        // Points that come pay it at once, and the answer shows that.
        let issued = a.issue(Issue::to("card", "1").points(25)).await.unwrap().accepted().unwrap();
        assert_eq!(
            (issued.member.available_points, issued.written.recovered_points, issued.member.owed_points),
            (5, 20, 0)
        );
        assert_eq!(issued.written.following.iter().map(|entry| entry.kind).collect::<Vec<_>>(), [EntryKind::Recover]);

        // By receipt, and by member for goods without one.
        for line in [1, 2] {
            let origin = receipt("R-1").receipt_line(line);
            a.issue(Issue::to("card", "2").points(10).origin(origin)).await.unwrap().accepted().unwrap();
        }
        let by_receipt = || Reverse::receipt(Receipt::new("R-1", "2026-02-01").till("s1", "t1"));
        let reversed = a.reverse(by_receipt().points(15)).await.unwrap().accepted().unwrap();
        assert_eq!((reversed.written.entries.len(), reversed.member.available_points), (2, 5));
        let newest = a.reverse(Reverse::newest(card("2")).points(5)).await.unwrap().accepted().unwrap();
        assert_eq!((newest.taken_back_points, newest.member.available_points), (5, 0));
        assert_eq!(
            reason(a.reverse(Reverse::receipt(Receipt::new("R-2", "2026-02-01")).points(1)).await),
            Reason::NotFound
        );
        test.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_spends_and_earns_together_and_comes_back_in_parts() {
    for backend in BACKENDS {
        let (test, now) = TestHouse::of_s01(backend, |_| ()).await;
        let (a, c) = (test.client("A").await, test.client("C").await);
        issue(&a, "1", 100).await;
        let purchase = Purchase::by("card", "1").redeem(40).earn(Earn::points(9)).origin(receipt("R-1"));
        let booked = c.purchase(purchase).await.unwrap().accepted().unwrap();
        assert_eq!((booked.spent_points, booked.earned_points, booked.member.available_points), (40, 9, 69));
        assert_eq!(booked.acceptor_credit, rub(3920));
        let [spent, earned] = <[_; 2]>::try_from(booked.written.entries).unwrap();
        assert_eq!(booked.redemption_entry_id.as_ref(), Some(&spent.entry_id));
        assert_eq!(booked.issue_entry_id.as_ref(), Some(&earned.entry_id));
        assert_eq!((spent.kind, earned.kind), (EntryKind::Redeem, EntryKind::Issue));

        let back = || ReturnPurchase::of(rub(3333), rub(10_000)).redemption(&spent.entry_id).issue(&earned.entry_id);
        let (mut returned, mut taken_back) = (0, 0);
        for _ in 0..3 {
            let part = c.return_purchase(back()).await.unwrap().accepted().unwrap();
            let kinds: Vec<EntryKind> = part.written.entries.iter().map(|entry| entry.kind).collect();
            assert_eq!(kinds, [EntryKind::Return, EntryKind::Reverse]);
            returned += part.returned_points;
            taken_back += part.taken_back_points;
        }
        assert_eq!((returned, taken_back), (40, 9), "the parts add up");
        assert_eq!(available(&c, "1").await, 100);
        assert_eq!(reason(c.return_purchase(back()).await), Reason::ReturnExceedsRedemption);

        // With a hold, and by a newcomer who only earns.
        let held = c.authorize(Authorize::from("card", "1").points(50).lapses(now + DAY)).await.unwrap();
        let held = held.accepted().unwrap();
        let purchase = Purchase::by("card", "1").capture(&held.hold_id, 30).earn(Earn::points(2));
        let booked = c.purchase(purchase).await.unwrap().accepted().unwrap();
        assert_eq!((booked.spent_points, booked.released_points, booked.member.available_points), (30, 20, 72));
        let earns = Purchase::by("card", "new").earn(Earn::points(3).activates(now + DAY));
        let booked = c.purchase(earns).await.unwrap().accepted().unwrap();
        assert_eq!(booked.redemption_entry_id, None);
        assert_eq!((booked.member.available_points, booked.member.pending_points), (0, 3));
        assert_eq!((booked.fee, booked.acceptor_credit), (rub(0), rub(0)));
        // Both or neither.
        let too_much = Purchase::by("card", "1").redeem(1000).earn(Earn::points(5));
        assert_eq!(reason(c.purchase(too_much).await), Reason::InsufficientPoints);
        assert_eq!(available(&c, "1").await, 72);
        test.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn points_are_given_to_another_member_and_pay_what_that_one_owes() {
    for backend in BACKENDS {
        let (test, _) = TestHouse::of_s01(backend, |_| ()).await;
        let (a, c) = (test.client("A").await, test.client("C").await);
        issue(&a, "1", 100).await;
        let gift = || Transfer::between(card("1"), card("2")).points(30);
        assert_eq!(reason(a.transfer(gift()).await), Reason::NotFound, "a mistyped card is nobody's");
        let itself = Transfer::between(card("1"), card("1")).points(30);
        assert_eq!(reason(a.transfer(itself).await), Reason::SameMember);
        let gift = gift().enrol_receiver();
        let given = a.transfer(gift).await.unwrap().accepted().unwrap();
        assert_eq!((given.member.available_points, given.written.recovered_points), (70, 0));
        assert_eq!(available(&a, "2").await, 30);
        assert_eq!(a.balance(MemberRef::id(&given.to_member_id)).await.unwrap().member.available_points, 30);

        let issued = issue(&a, "3", 20).await;
        c.redeem(Redeem::from("card", "3").points(20)).await.unwrap().accepted().unwrap();
        a.reverse(Reverse::entry(issued).points(20)).await.unwrap().accepted().unwrap();
        let given = a.transfer(Transfer::between(card("1"), card("3")).points(50)).await.unwrap().accepted().unwrap();
        assert_eq!((given.member.available_points, given.written.recovered_points), (20, 20));
        assert_eq!(available(&a, "3").await, 30);
        test.end().await;
    }
}

/// What is left of a redemption is known of each of its parts, and kept.
#[tokio::test(flavor = "multi_thread")]
async fn returns_are_undone_in_any_order_and_name_the_total_that_was_booked() {
    for backend in BACKENDS {
        let (test, _) = TestHouse::of_s01(backend, |_| ()).await;
        let (a, b, c) = (test.client("A").await, test.client("B").await, test.client("C").await);
        issue(&a, "1", 60).await;
        issue(&b, "1", 40).await;
        let redeem = Redeem::from("card", "1").points(100).origin(receipt("R-1").receipt_total(rub(10_000)));
        let redemption = c.redeem(redeem).await.unwrap().accepted().unwrap().written.entry_id().to_owned();
        let mut returns = Vec::new();
        for points in [30, 30] {
            let key = c.new_request_id();
            let back = ReturnRedemption::of(&redemption).points(points).request_id(key);
            let returned = c.return_redemption(back).await.unwrap().accepted().unwrap();
            let lots = returned.written.entries[0].lots.iter();
            returns.push((key, lots.map(|lot| (lot.lot_id.clone(), lot.points)).collect::<Vec<_>>()));
        }
        let (first, lots) = returns.remove(0);
        let undone = c.abandon(Abandon::request(first)).await.unwrap().accepted().unwrap();
        let taken: Vec<_> =
            undone.written.entries[0].lots.iter().map(|lot| (lot.lot_id.clone(), lot.points.abs())).collect();
        assert_eq!(taken, lots, "the same points of the same lots");
        // Under the key of what was undone nothing comes again, whatever it is.
        let other = ReturnRedemption::of(&redemption).points(1).request_id(first);
        assert_eq!(reason(c.return_redemption(other).await), Reason::RequestAbandoned);
        let back = ReturnRedemption::of(&redemption).points(71);
        assert_eq!(reason(c.return_redemption(back).await), Reason::ReturnExceedsRedemption);
        let back = ReturnRedemption::of(&redemption).points(30);
        let again = c.return_redemption(back).await.unwrap().accepted().unwrap();
        let given: Vec<_> =
            again.written.entries[0].lots.iter().map(|lot| (lot.lot_id.clone(), lot.points.abs())).collect();
        assert_eq!(given, lots, "the last one taken comes back first");

        let of_total = |total| ReturnPurchase::of(rub(4000), rub(total)).redemption(&redemption);
        let refused = c.return_purchase(of_total(9_999)).await.unwrap();
        let rejection = refused.rejection().unwrap();
        assert_eq!(rejection.reason, Reason::ReceiptTotalMismatch);
        assert_eq!((&*rejection.metadata["booked_amount"], &*rejection.metadata["given_amount"]), ("100.00", "99.99"));
        c.return_purchase(of_total(10_000)).await.unwrap().accepted().unwrap();
        assert_eq!(available(&a, "1").await, 100);
        test.end().await;
    }
}

/// A clock that runs ahead makes keys that would be kept for longer than keys are.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_the_future_is_refused_and_may_come_again() {
    for backend in BACKENDS {
        let (test, _) = TestHouse::of_s01(backend, |_| ()).await;
        let a = test.client("A").await;
        // In this house, whose clock stands still, keys may be as new as the machine's clock.
        let clients = || system_time(Clock::system().now());
        let ahead = RequestId::at(clients() + DAY);
        for _ in 0..2 {
            let refused = a.issue(Issue::to("card", "1").points(1).request_id(ahead)).await.unwrap();
            let rejection = refused.rejection().unwrap();
            assert_eq!(
                (&rejection.reason, rejection.transient, rejection.replayed),
                (&Reason::RequestTooNew, true, false)
            );
        }
        assert_eq!(reason(a.abandon(Abandon::request(ahead)).await), Reason::RequestTooNew);
        let near = RequestId::at(clients());
        a.issue(Issue::to("card", "1").points(1).request_id(near)).await.unwrap().accepted().unwrap();
        test.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_partner_reverses_what_it_issued_in_its_last_open_window_and_nothing_older() {
    for backend in BACKENDS {
        let (test, _) = TestHouse::of_s01(backend, |_| ()).await;
        let (a, desk) = (test.client("A").await, test.client("operator").await);
        let operator = desk.operator();
        let old = issue(&a, "1", 10).await;
        operator.close_window(CloseWindow::now()).await.unwrap().accepted().unwrap();
        let last = issue(&a, "1", 10).await;
        let suspend = SetPartnerState::of("A", PartnerState::Suspended);
        operator.set_partner_state(suspend).await.unwrap().accepted().unwrap();
        operator.close_window(CloseWindow::now()).await.unwrap().accepted().unwrap();
        let refused = a.reverse(Reverse::entry(&old).points(1)).await.unwrap();
        let rejection = refused.rejection().unwrap();
        assert_eq!((&rejection.reason, &*rejection.metadata["oldest_window"]), (&Reason::PartnerSuspended, "2"));
        a.reverse(Reverse::entry(&last).points(1)).await.unwrap().accepted().unwrap();
        test.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_is_found_again_and_a_day_is_compared_with_the_books() {
    for backend in BACKENDS {
        let (test, _) = TestHouse::of_s01(backend, |_| ()).await;
        let (a, c) = (test.client("A").await, test.client("C").await);
        let earn = |line: i32, points| Issue::to("card", "1").points(points).origin(receipt("R-1").receipt_line(line));
        a.issue(earn(1, 40)).await.unwrap().accepted().unwrap();
        a.issue(earn(2, 10)).await.unwrap().accepted().unwrap();
        let duplicate = a.issue(earn(2, 10)).await.unwrap();
        assert_eq!(duplicate.rejection().unwrap().reason, Reason::DuplicateReceipt);
        // Booked without a business date: it counts for the day on which it was booked.
        let undated = Origin::till("s1", "t1").receipt("R-2");
        a.issue(Issue::to("card", "1").points(7).origin(undated)).await.unwrap().accepted().unwrap();
        c.redeem(Redeem::from("card", "1").points(5).origin(receipt("R-1"))).await.unwrap().accepted().unwrap();

        let find = |number: &str| a.find_receipt(Receipt::new(number, "2026-02-01").till("s1", "t1"));
        let found = find("R-1").all().await.unwrap();
        let lines: Vec<i32> = found.iter().map(|entry| entry.origin.as_ref().unwrap().receipt_line).collect();
        assert_eq!(lines, [2, 1], "newest first, and nothing of C's receipt of the same number");
        assert_eq!(find("R-2").all().await.unwrap().len(), 1);
        assert!(find("R-9").all().await.unwrap().is_empty());
        let other_day = a.find_receipt(Receipt::new("R-1", "2026-02-02")).all().await.unwrap();
        assert!(other_day.is_empty());

        // A request that was abandoned is none.
        let id = a.new_request_id();
        a.issue(earn(3, 1000).request_id(id)).await.unwrap().accepted().unwrap();
        a.abandon(Abandon::request(id)).await.unwrap().accepted().unwrap();
        let reverse = Reverse::receipt(Receipt::new("R-1", "2026-02-01").till("s1", "t1")).points(4);
        a.reverse(reverse.origin(receipt("R-3"))).await.unwrap().accepted().unwrap();
        let count = DayCount::of_till("s1", "t1", "2026-02-01").issued(2, 50).reversed(1, 4);
        let matched = a.reconcile_day(count.clone()).await.unwrap();
        assert_eq!(matched.state, ReconcileState::Matched, "{matched:?}");
        let different = a.reconcile_day(count.issued(3, 60)).await.unwrap();
        assert_eq!(different.state, ReconcileState::Different);
        let [row] = &different.differences[..] else { panic!("{different:?}") };
        assert_eq!((row.kind, row.counted.count, row.booked.count), (EntryKind::Issue, 3, 2));
        assert_eq!((row.counted.points, row.booked.points), (60, 50));
        let store = c.reconcile_day(DayCount::of_store("s1", "2026-02-01").redeemed(1, 5)).await.unwrap();
        assert_eq!(store.state, ReconcileState::Matched, "each its own books: {store:?}");
        test.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quote_by_amount_tells_what_points_pay_what_is_left_and_what_the_rest_earns() {
    for backend in BACKENDS {
        let (test, now) = TestHouse::of_s01(backend, |_| ()).await;
        let (a, operator) = (test.client("A").await, test.client("operator").await.operator());
        let terms = TermsChange::none().tender_value(Decimal::new(50, 2)).receipt_share(Decimal::new(5, 1));
        operator.set_terms(SetTerms::of("C", terms)).await.unwrap().accepted().unwrap();
        let c = test.client("C").await;
        let expires = now + 10 * DAY;
        a.issue(Issue::to("card", "1").points(60).expires(expires)).await.unwrap().accepted().unwrap();
        issue(&a, "1", 10).await;

        // Half of 100.00 at 0.50 a point: 100 points, of which the member has 70.
        let quote = c.quote_amount(card("1"), rub(10_000)).await.unwrap();
        assert_eq!((quote.payable_points, quote.points, quote.missing_points), (100, 70, 30));
        assert_eq!((quote.discount, quote.available_points_after, quote.next_expiry_after), (rub(3500), 0, None));
        let small = QuoteRequest::amount(card("1"), rub(4_050)).earning(8);
        let quote = c.quote_redemption(small).await.unwrap();
        assert_eq!((quote.payable_points, quote.points, quote.missing_points), (40, 40, 0));
        assert_eq!((quote.discount, quote.acceptor_credit), (rub(2000), rub(3920)));
        let next = quote.next_expiry_after.unwrap();
        assert_eq!((quote.available_points_after, next.points, next.expire_time), (30, 20, expires));
        let earn = quote.earn.unwrap();
        assert_eq!((earn.points, earn.available_points_after, earn.refusal_reason), (8, 38, None));
        assert_eq!(available(&c, "1").await, 70, "a quote takes nothing");

        // The share guards redemptions of receipts whose total is told.
        let total = Origin::till("s1", "t1").receipt("R-1").receipt_total(rub(4_050));
        let redeem = |points| Redeem::from("card", "1").points(points).origin(total.clone());
        assert_eq!(reason(c.redeem(redeem(41)).await), Reason::ReceiptShareExceeded);
        c.redeem(redeem(40)).await.unwrap().accepted().unwrap();

        // What would be refused is told, too.
        let limits = PartnerLimits::none().points_per_entry(5).cooling_seconds(3600);
        operator.set_limits(SetLimits::of("C", limits)).await.unwrap().accepted().unwrap();
        let cooling = c.quote(card("1"), 10).await;
        assert!(matches!(&cooling, Err(Error::Refused(why)) if why.reason == Reason::Cooling), "{cooling:?}");
        test.client("operator").await.sandbox().advance_clock(now + 2 * HOUR).await.unwrap();
        let quote = c.quote_redemption(QuoteRequest::points(card("1"), 10).earning(8)).await.unwrap();
        let earn = quote.earn.unwrap();
        assert_eq!((earn.available_points_after, earn.refusal_reason), (20, Some(Reason::LimitExceeded)));
        let none = c.quote_redemption(QuoteRequest::amount(card("1"), rub(1))).await.unwrap();
        assert_eq!((none.points, none.payable_points, none.available_points_after), (0, 0, 30));
        test.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_hold_alarm_at_four_fifths_and_show_in_positions() {
    for backend in BACKENDS {
        let (test, _) = TestHouse::of_s01(backend, |_| ()).await;
        let (a, c) = (test.client("A").await, test.client("C").await);
        let operator = test.client("operator").await.operator();
        let limits = PartnerLimits::none()
            .net_debit_cap(Decimal::new(5_000, 2))
            .outstanding_points(100)
            .points_per_member_per_day(80)
            .transfer_points_per_entry(5);
        let set = operator.set_limits(SetLimits::of("A", limits)).await.unwrap().accepted().unwrap();
        assert_eq!((set.limits, set.limit_uses.len()), (limits, 2));
        issue(&a, "1", 80).await;
        let beyond = a.issue(Issue::to("card", "1").points(1)).await.unwrap();
        let rejection = beyond.rejection().unwrap();
        assert_eq!((&rejection.reason, rejection.transient), (&Reason::LimitExceeded, true));
        assert_eq!(rejection.metadata["limit"], "points_per_member_per_day");
        assert_eq!((rejection.number("used_points"), rejection.number("maximum_points")), (Some(80), Some(80)));
        let gift = Transfer::between(card("1"), card("2"));
        assert_eq!(reason(a.transfer(gift.points(6).enrol_receiver()).await), Reason::LimitExceeded);

        // A pays when its points are accepted: up to 50.00.
        let capped = c.redeem(Redeem::from("card", "1").points(60)).await.unwrap();
        let rejection = capped.rejection().unwrap();
        assert_eq!(rejection.reason, Reason::NetDebitCap);
        assert_eq!(rejection.number("reachable_points"), Some(50));
        let quote = c.quote(card("1"), 60).await.unwrap();
        assert_eq!((quote.points, quote.missing_points), (50, 10));
        c.redeem(Redeem::from("card", "1").points(45)).await.unwrap().accepted().unwrap();
        let position = a.position().await.unwrap();
        assert_eq!(position.headroom, Some(rub(500)));
        let used: Vec<(&str, String, bool)> =
            position.limit_uses.iter().map(|one| (one.limit.as_str(), one.used.to_string(), one.alarm)).collect();
        let expected = [("net_debit_cap", "45.00".to_owned(), true), ("outstanding_points", "35".to_owned(), false)];
        assert_eq!(used, expected);
        assert_eq!(c.position().await.unwrap().headroom, None);
        let partners = operator.partners().all().await.unwrap();
        let listed = partners.iter().find(|partner| partner.partner_id == "A").unwrap();
        assert!(listed.alarm && listed.limits == limits && listed.limit_uses == position.limit_uses);
        assert!(partners.iter().filter(|partner| partner.alarm).count() == 1);
        operator.set_limits(SetLimits::of("A", PartnerLimits::none())).await.unwrap().accepted().unwrap();
        assert_eq!(a.position().await.unwrap().headroom, None);
        test.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_on_redemptions_are_told_to_their_acceptor_and_quotes_keep_to_them() {
    for backend in BACKENDS {
        let (test, _) = TestHouse::of_s01(backend, |_| ()).await;
        let (a, b, c) = (test.client("A").await, test.client("B").await, test.client("C").await);
        let operator = test.client("operator").await.operator();
        let limits = PartnerLimits::none().redeem_points_per_member_per_day(50).redeem_foreign_points_per_day(60);
        let set = operator.set_limits(SetLimits::of("C", limits)).await.unwrap().accepted().unwrap();
        assert_eq!((set.limits, set.limit_uses.len()), (limits, 1));
        issue(&a, "1", 100).await;
        issue(&a, "2", 100).await;
        let quote = c.quote(card("1"), 80).await.unwrap();
        assert_eq!((quote.points, quote.missing_points), (50, 30));
        c.redeem(Redeem::from("card", "1").points(50)).await.unwrap().accepted().unwrap();
        let refused = async |card: &str, points: i64| {
            let answer = c.redeem(Redeem::from("card", card).points(points)).await.unwrap();
            let rejection = answer.rejection().unwrap();
            assert_eq!((&rejection.reason, rejection.transient), (&Reason::LimitExceeded, true));
            let numbers = (rejection.number("used_points"), rejection.number("maximum_points"));
            (rejection.metadata["limit"].clone(), numbers)
        };
        let told = |limit: &str, used: i64, maximum: i64| (limit.to_owned(), (Some(used), Some(maximum)));
        assert_eq!(refused("1", 1).await, told("redeem_points_per_member_per_day", 50, 50));
        assert_eq!(refused("2", 11).await, told("redeem_foreign_points_per_day", 50, 60));
        let quote = c.quote(card("2"), 100).await.unwrap();
        assert_eq!((quote.points, quote.missing_points), (10, 90));
        let position = c.position().await.unwrap();
        let used: Vec<(&str, String, bool)> =
            position.limit_uses.iter().map(|one| (one.limit.as_str(), one.used.to_string(), one.alarm)).collect();
        assert_eq!(used, [("redeem_foreign_points_per_day", "50".to_owned(), true)]);
        b.redeem(Redeem::from("card", "1").points(50)).await.unwrap().accepted().unwrap();
        test.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_an_operation_passed_over_is_told_to_those_who_may_see_issuers_and_its_points_live_on() {
    for (backend, disclosed) in [(BACKENDS[0], true), (BACKENDS[0], false), (BACKENDS[1], true)] {
        let (test, now) = TestHouse::of_s01(backend, |house| {
            house.coalition.passed_over_grace_days = 14;
            house.coalition.disclose_issuers = disclosed;
            house.partners.get_mut(&"A".parse().unwrap()).unwrap().limits.net_debit_cap = Some(Default::default());
        })
        .await;
        let (a, b, c) = (test.client("A").await, test.client("B").await, test.client("C").await);
        let desk = test.client("operator").await;
        a.issue(Issue::to("card", "1").points(30).expires(now + 5 * DAY)).await.unwrap().accepted().unwrap();
        issue(&b, "1", 50).await;
        let told: &[&str] = if disclosed { &["A"] } else { &[] };
        assert_eq!(c.quote(card("1"), 10).await.unwrap().passed_over_issuer_ids, told);
        let wish = Redeem::from("card", "1").points(10).origin(receipt("R-9")).request_id(c.new_request_id());
        let redeemed = c.redeem(wish.clone()).await.unwrap().accepted().unwrap();
        assert_eq!(redeemed.written.entries[0].passed_over_issuer_ids, told);
        assert_eq!(c.redeem(wish).await.unwrap().accepted().unwrap().written.entries[0].passed_over_issuer_ids, told);
        let listed = c.entry(redeemed.written.entry_id()).await.unwrap();
        assert_eq!(listed.kind, EntryKind::Redeem);
        assert_eq!(listed.passed_over_issuer_ids, told);
        let day = DayCount::of_store("s1", "2026-02-01").redeemed(1, 10);
        assert_eq!(c.reconcile_day(day).await.unwrap().state, ReconcileState::Matched);
        // Whose points were taken sees its own part alone.
        let seen = b.entry(redeemed.written.entry_id()).await.unwrap();
        assert_eq!(seen.passed_over_issuer_ids.len(), 0);
        let hold = Authorize::from("card", "1").points(5).lapses(now + DAY);
        let held = c.authorize(hold).await.unwrap().accepted().unwrap();
        assert_eq!(held.written.entries[0].passed_over_issuer_ids, told);
        let own = a.redeem(Redeem::from("card", "1").points(1)).await.unwrap().accepted().unwrap();
        assert_eq!(own.written.entries[0].passed_over_issuer_ids.len(), 0);

        desk.sandbox().advance_clock(now + 5 * DAY).await.unwrap();
        let balance = c.balance(card("1")).await.unwrap();
        let next = balance.member.next_expiry.map(|next| (next.points, next.expire_time));
        // What is passed over is not told to be there.
        let told = if disclosed { (69, Some((29, now + 14 * DAY))) } else { (40, None) };
        assert_eq!((balance.member.available_points, next), told);
        desk.sandbox().advance_clock(now + 14 * DAY).await.unwrap();
        assert_eq!(available(&c, "1").await, 40);
        test.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_joint_issue_needs_the_consent_of_its_funders_and_keeps_within_it() {
    for backend in BACKENDS {
        let (test, _) = TestHouse::of_s01(backend, |house| house.coalition.open_consents = false).await;
        let (a, b) = (test.client("A").await, test.client("B").await);
        let operator = test.client("operator").await.operator();
        let joint = |points| Issue::to("card", "1").points(points).funders([("A", 1), ("B", 2)]);
        assert_eq!(reason(a.issue(joint(30)).await), Reason::ConsentExceeded);
        let give = SetFundingConsent::give("B", "A").budget(20);
        let set = operator.set_funding_consent(give).await.unwrap().accepted().unwrap();
        assert_eq!((set.consent.given, set.consent.budget_points, set.consent.used_points), (true, Some(20), 0));
        let issued = a.issue(joint(30)).await.unwrap().accepted().unwrap();
        let lots: Vec<_> =
            issued.written.entries[0].lots.iter().map(|lot| (lot.issuer_id.as_deref(), lot.points)).collect();
        assert_eq!(lots, [(Some("A"), 10), (Some("B"), 20)]);
        assert_eq!(reason(a.issue(joint(3)).await), Reason::ConsentExceeded);
        let partners = operator.partners().all().await.unwrap();
        let funder = partners.iter().find(|partner| partner.partner_id == "B").unwrap();
        assert_eq!(funder.consents[0].used_points, 20);
        assert_eq!(b.position().await.unwrap().outstanding_points, 20);
        let withdrawn = operator.set_funding_consent(SetFundingConsent::withdraw("B", "A")).await.unwrap();
        assert!(!withdrawn.accepted().unwrap().consent.given);
        // Its reversal takes from both.
        a.reverse(Reverse::entry(issued.written.entry_id()).points(15)).await.unwrap().accepted().unwrap();
        assert_eq!(b.position().await.unwrap().outstanding_points, 10);
        test.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_lets_points_decay_live_longer_come_back_and_gives_up_debts() {
    for backend in BACKENDS {
        let (test, now) = TestHouse::of_s01(backend, |_| ()).await;
        let (a, c) = (test.client("A").await, test.client("C").await);
        let desk = test.client("operator").await;
        let operator = desk.operator();
        a.issue(Issue::to("card", "1").points(100).expires(now + DAY)).await.unwrap().accepted().unwrap();
        let run = |period: &str| RunDecay::of(card("1"), Decimal::new(1, 1), period);
        let decayed = operator.run_decay(run("2026-01")).await.unwrap().accepted().unwrap();
        assert_eq!((decayed.decayed_points, decayed.member.available_points), (10, 90));
        assert_eq!(decayed.written.entries[0].kind, EntryKind::Decay);
        let again = operator.run_decay(run("2026-01")).await.unwrap().accepted().unwrap();
        assert_eq!((again.decayed_points, again.member.available_points, again.written.entries.len()), (0, 90, 0));

        let extend = ExtendExpiry::of(card("1"), "A").expiring_until(now + 2 * DAY).to(now + 9 * DAY).reason("OUTAGE");
        let extended = operator.extend_expiry(extend).await.unwrap().accepted().unwrap();
        assert_eq!(extended.member.next_expiry.unwrap().expire_time, now + 9 * DAY);
        assert_eq!(extended.written.entries[0].reason_code.as_deref(), Some("OUTAGE"));
        desk.sandbox().advance_clock(now + 5 * DAY).await.unwrap();
        assert_eq!(available(&a, "1").await, 90);
        desk.sandbox().advance_clock(now + 10 * DAY).await.unwrap();
        assert_eq!(available(&a, "1").await, 0);

        let reinstate = ReinstatePoints::to(card("1"), "A").points(40).expires(now + 30 * DAY).reason("COMPLAINT-17");
        let given = operator.reinstate_points(reinstate).await.unwrap().accepted().unwrap();
        assert_eq!((given.member.available_points, given.written.entries[0].kind), (40, EntryKind::Reinstate));
        assert_eq!(given.written.entries[0].reason_code.as_deref(), Some("COMPLAINT-17"));

        let issued = issue(&a, "2", 10).await;
        c.redeem(Redeem::from("card", "2").points(10)).await.unwrap().accepted().unwrap();
        a.reverse(Reverse::entry(issued).points(10)).await.unwrap().accepted().unwrap();
        let give_up = |points| WriteOffDebt::of(card("2"), "A").points(points).reason("GOODWILL");
        let given_up = operator.write_off_debt(give_up(4)).await.unwrap().accepted().unwrap();
        assert_eq!((given_up.written_off_points, given_up.member.owed_points), (4, 6));
        // Why is the operator's to know, whoever pays for it; and what else is in the journal has no reason.
        let (written, entry) = (&given_up.written.entries[0].reason_code, &given.written.entries[0].entry_id);
        assert_eq!((written.as_deref(), a.entry(entry).await.unwrap().reason_code), (Some("GOODWILL"), None));
        let journal = operator.journal(1, None).all().await.unwrap();
        let reasons: Vec<_> = journal.iter().filter_map(|entry| entry.reason_code.as_deref()).collect();
        assert_eq!(reasons, ["2026-01", "OUTAGE", "COMPLAINT-17", "GOODWILL"]);
        operator.write_off_debt(give_up(100)).await.unwrap().accepted().unwrap();
        assert_eq!(a.balance(card("2")).await.unwrap().member.owed_points, 0);
        assert_eq!(reason(operator.write_off_debt(give_up(1)).await), Reason::NotFound);
        test.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn points_activate_later_and_end_with_inactivity() {
    for backend in BACKENDS {
        let (test, now) = TestHouse::of_s01(backend, |_| ()).await;
        let (a, desk) = (test.client("A").await, test.client("operator").await);
        let terms = TermsChange::none().expiry(partner_sdk::operator::Expiry::InactiveDays(30)).return_days(Some(2));
        desk.operator().set_terms(SetTerms::of("A", terms)).await.unwrap().accepted().unwrap();
        let pending =
            a.issue(Issue::to("card", "1").points(10).activates(now + DAY)).await.unwrap().accepted().unwrap();
        assert_eq!((pending.member.available_points, pending.member.pending_points), (0, 10));
        // A month of inactivity from its issue on; then from the last activity on.
        assert_eq!(pending.written.entries[0].lots[0].expire_time, Some(now + 30 * DAY));
        desk.sandbox().advance_clock(now + 3 * DAY).await.unwrap();
        let balance = a.balance(card("1")).await.unwrap();
        assert_eq!((balance.member.available_points, balance.member.pending_points), (10, 0));
        let issued = a.issue(Issue::to("card", "1").points(5)).await.unwrap().accepted().unwrap();
        let next = issued.member.next_expiry.unwrap();
        assert_eq!((next.points, next.expire_time), (15, now + 33 * DAY));
        // The first issue is past its return period, the second is not.
        assert_eq!(
            reason(a.reverse(Reverse::entry(pending.written.entry_id()).points(1)).await),
            Reason::ReversalTooLate
        );
        a.reverse(Reverse::entry(issued.written.entry_id()).points(1)).await.unwrap().accepted().unwrap();
        test.end().await;
    }
}

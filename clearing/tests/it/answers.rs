//! What answers tell of themselves, so that nobody has to know more than the message: what became of each lot, what a
//! member loses and when, who pays whom.

use std::time::{Duration, SystemTime};

use clearing_certs::Kind;
use partner_sdk::operator::{
    CloseWindow, ConfirmPayment, ConfirmSettlement, Deposit, Expiry, ExportOrders, ExtendExpiry, SetTerms, TermsChange,
};
use partner_sdk::{
    Authorize, Capture, Client, Decimal, EntryKind, Error, Issue, LotChange, MemberRef, Money, OrderMode, Origin,
    PaymentOrder, Reason, Redeem, ReturnRedemption, Transfer, Void, Written,
};

use clearing_play::{BACKENDS, TestHouse};

const DAY: Duration = Duration::from_secs(86_400);

fn card(number: &str) -> MemberRef {
    MemberRef::identifier("card", number)
}

/// What became of the lots of the one entry that a request wrote.
fn changes(written: &Written) -> Vec<(LotChange, i64)> {
    assert_eq!(written.entries.len(), 1);
    written.entries[0].lots.iter().map(|lot| (lot.change, lot.points)).collect()
}

async fn issue(client: &Client, issue: Issue) -> Vec<(LotChange, i64)> {
    changes(&client.issue(issue).await.unwrap().accepted().unwrap().written)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_says_what_became_of_each_lot() {
    for backend in BACKENDS {
        let (test, now) = TestHouse::of_s01(backend, |_| ()).await;
        let (a, c, operator) = (test.client("A").await, test.client("C").await, test.client("operator").await);
        let (soon, later) = (now + 5 * DAY, now + 9 * DAY);
        let made = issue(&a, Issue::to("card", "1").points(60).expires(soon)).await;
        assert_eq!(made, [(LotChange::Made, 60)]);
        issue(&a, Issue::to("card", "1").points(40).expires(later)).await;

        let redeemed = c.redeem(Redeem::from("card", "1").points(10)).await.unwrap().accepted().unwrap();
        assert_eq!(changes(&redeemed.written), [(LotChange::Taken, 10)]);
        let back = ReturnRedemption::of(redeemed.written.entry_id()).points(4);
        let returned = c.return_redemption(back).await.unwrap().accepted().unwrap();
        assert_eq!(changes(&returned.written), [(LotChange::GivenBack, 4)]);

        // 54 of the first lot and 40 of the second.
        let hold = |points| Authorize::from("card", "1").points(points).lapses(now + DAY);
        let held = c.authorize(hold(70)).await.unwrap().accepted().unwrap();
        assert_eq!(changes(&held.written), [(LotChange::Reserved, 54), (LotChange::Reserved, 16)]);
        let captured = c.capture(Capture::hold(&held.hold_id).points(50)).await.unwrap().accepted().unwrap();
        let taken = [(LotChange::Taken, 50), (LotChange::Released, 4), (LotChange::Released, 16)];
        assert_eq!(changes(&captured.written), taken);
        let told = c.hold(&held.hold_id).await.unwrap();
        assert!(told.lots.iter().all(|lot| lot.change == LotChange::Reserved));
        let held = c.authorize(hold(44)).await.unwrap().accepted().unwrap();
        let voided = c.void(Void::hold(&held.hold_id)).await.unwrap().accepted().unwrap();
        assert_eq!(changes(&voided.written), [(LotChange::Released, 4), (LotChange::Released, 40)]);

        let quote = c.quote(card("1"), 5).await.unwrap();
        let lots: Vec<_> = quote.lots.iter().map(|lot| (lot.change, lot.points)).collect();
        assert_eq!(lots, [(LotChange::Taken, 4), (LotChange::Taken, 1)]);
        let transfer = Transfer::between(card("1"), card("2")).points(4).enrol_receiver();
        let given = a.transfer(transfer).await.unwrap().accepted().unwrap();
        assert_eq!(changes(&given.written), [(LotChange::Taken, 4), (LotChange::Made, 4)]);
        let longer = ExtendExpiry::of(card("1"), "A").expiring_until(later).to(now + 20 * DAY).reason("OUTAGE");
        let extended = operator.operator().extend_expiry(longer).await.unwrap().accepted().unwrap();
        assert_eq!(changes(&extended.written), [(LotChange::Extended, 0)]);

        let pending = issue(&a, Issue::to("card", "3").points(8).activates(now + DAY)).await;
        assert_eq!(pending, [(LotChange::Made, 8)]);
        operator.sandbox().advance_clock(now + 2 * DAY).await.unwrap();
        let next = a.issue(Issue::to("card", "3").points(1)).await.unwrap().accepted().unwrap();
        assert_eq!((next.member.available_points, next.member.pending_points), (9, 0));
        let entries = operator.operator().journal(1, None).all().await.unwrap();
        let activated = entries.iter().find(|entry| entry.kind == EntryKind::Activate).unwrap();
        assert_eq!((activated.lots[0].change, activated.lots[0].points), (LotChange::Activated, 8));
        test.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_balance_lists_when_points_expire_the_next_first_and_how_many_are_left_out() {
    for backend in BACKENDS {
        let (test, now) = TestHouse::of_s01(backend, |_| ()).await;
        let (a, operator) = (test.client("A").await, test.client("operator").await);
        let days = |count: u32| now + count * DAY;
        issue(&a, Issue::to("card", "1").points(30)).await;
        for (count, points) in [(9, 20), (5, 10), (9, 2)] {
            issue(&a, Issue::to("card", "1").points(points).expires(days(count))).await;
        }
        let change = TermsChange::none().expiry(Expiry::InactiveDays(7));
        operator.operator().set_terms(SetTerms::of("A", change)).await.unwrap().accepted().unwrap();
        issue(&a, Issue::to("card", "1").points(4)).await;
        let coming = async |number: &str| {
            let balance = a.balance(card(number)).await.unwrap();
            let coming = balance.coming_expiries.iter().map(|next| (next.expire_time, next.points));
            assert_eq!(balance.coming_expiries.first(), balance.member.next_expiry.as_ref());
            (coming.collect::<Vec<(SystemTime, i64)>>(), balance.other_points)
        };
        assert_eq!(coming("1").await, (vec![(days(5), 10), (days(7), 4), (days(9), 22)], 30));

        // What is due has run, though nobody has posted it.
        operator.sandbox().advance_clock(days(6)).await.unwrap();
        assert_eq!(coming("1").await, (vec![(days(7), 4), (days(9), 22)], 30));

        let many = (0..130).map(|count| Issue::to("card", "2").points(1).expires(days(200 - count)));
        for outcome in a.batch_issue(many.collect()).await.unwrap() {
            outcome.unwrap().accepted().unwrap();
        }
        let (listed, others) = coming("2").await;
        let first_hundred: Vec<_> = (71..171).map(|count| (days(count), 1)).collect();
        assert_eq!((listed, others), (first_hundred, 30));

        // Of more lots than one entry takes, what expires behind them is not looked for.
        let lot = |count| Issue::to("card", "3").points(1).expires(days(count));
        let many = (0..1_100).map(|_| lot(50)).chain((0..9).map(|_| lot(60)));
        for outcome in a.batch_issue(many.collect()).await.unwrap() {
            outcome.unwrap().accepted().unwrap();
        }
        assert_eq!(coming("3").await, (vec![(days(50), 1_100)], 9));
        test.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_read_by_those_who_are_an_end_of_them_and_reading_exports_nothing() {
    for backend in BACKENDS {
        let (test, _) = TestHouse::of_s01(backend, |_| ()).await;
        let [a, b, c, house] = ["A", "B", "C", "operator"].map(|id| test.client(id));
        let (a, b, c, house) = (a.await, b.await, c.await, house.await);
        let operator = house.operator();
        let issued = Issue::to("card", "1").points(100);
        a.issue(issued).await.unwrap().accepted().unwrap();
        c.redeem(Redeem::from("card", "1").points(60)).await.unwrap().accepted().unwrap();

        let read = async |client: &Client, mode| client.orders(1, mode).all().await;
        assert!(matches!(read(&a, None).await, Err(Error::NotFound { .. })), "the window is open");
        operator.close_window(CloseWindow::now()).await.unwrap().accepted().unwrap();
        assert_eq!(read(&house, None).await.unwrap(), [], "nothing was exported");
        let pairwise = read(&house, Some(OrderMode::Pairwise)).await.unwrap();
        let ends = |orders: &[PaymentOrder]| -> Vec<(String, String)> {
            orders.iter().map(|order| (order.payer.clone(), order.payee.clone())).collect()
        };
        assert!(!pairwise.is_empty() && pairwise.iter().all(|order| !order.paid));
        let settlement = operator.preview_settlement(Some(1)).await.unwrap();
        assert_eq!(settlement.state.as_str(), "PROPOSED", "reading confirmed and exported nothing");

        operator.confirm_settlement(ConfirmSettlement::of(1)).await.unwrap().accepted().unwrap();
        let export = ExportOrders::of(1, OrderMode::Hub);
        let exported = operator.export_orders(export).await.unwrap().accepted().unwrap().orders;
        assert_eq!(read(&house, None).await.unwrap(), exported);
        assert_eq!(ends(&read(&a, None).await.unwrap()), [("A".to_owned(), "hub".to_owned())]);
        assert_eq!(ends(&read(&c, None).await.unwrap()), [("hub".to_owned(), "C".to_owned())]);
        assert_eq!(read(&b, None).await.unwrap(), [], "it is an end of none");
        let about_c = house.orders_of("C", 1, None).all().await.unwrap();
        assert_eq!(about_c, read(&c, None).await.unwrap());
        assert!(matches!(a.orders_of("C", 1, None).all().await, Err(Error::PermissionDenied { .. })));
        let auditor = test.identities.client(&test.endpoint(), Kind::Auditor, "audit").await;
        assert_eq!(read(&auditor, None).await.unwrap(), exported);
        assert_eq!(auditor.operator().preview_settlement(Some(1)).await.unwrap().window, 1);

        // As an export in the other mode would make them; those of this one stay as they are.
        assert_eq!(read(&house, Some(OrderMode::Pairwise)).await.unwrap(), pairwise);
        operator.confirm_payment(ConfirmPayment::hub(1, "A")).await.unwrap().accepted().unwrap();
        let paid: Vec<bool> = read(&house, None).await.unwrap().iter().map(|order| order.paid).collect();
        assert_eq!(paid.iter().filter(|paid| **paid).count(), 1);
        assert!(read(&a, None).await.unwrap()[0].paid);
        test.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_till_whose_clock_runs_ahead_hears_that_the_same_wish_may_succeed_later() {
    for backend in BACKENDS {
        let (test, now) = TestHouse::of_s01(backend, |_| ()).await;
        let (a, operator) = (test.client("A").await, test.client("operator").await);
        let at = |time: SystemTime| {
            let origin = Origin::till("s1", "t1").business_time(time);
            a.issue(Issue::to("card", "1").points(1).origin(origin))
        };
        let ahead = at(now + DAY).await.unwrap();
        let rejection = ahead.rejection().unwrap();
        assert_eq!((&rejection.reason, rejection.transient), (&Reason::TimeOutOfRange, true));
        let expired = a.issue(Issue::to("card", "1").points(1).expires(now - DAY)).await.unwrap();
        let rejection = expired.rejection().unwrap();
        assert_eq!(
            (&rejection.reason, rejection.transient),
            (&Reason::TimeOutOfRange, false),
            "nothing brings it back"
        );
        operator.sandbox().advance_clock(now + DAY).await.unwrap();
        at(now + DAY).await.unwrap().accepted().unwrap();
        test.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_of_the_house_answer_with_what_they_wrote_too() {
    for backend in BACKENDS {
        let (test, _) = TestHouse::of_s01(backend, |_| ()).await;
        let (house, a) = (test.client("operator").await, test.client("A").await);
        let operator = house.operator();
        let deposit = Deposit::account("reserve", Money::new("RUB", Decimal::new(100, 2)));
        let deposit = deposit.request_id(house.new_request_id());
        let first = operator.deposit(deposit.clone()).await.unwrap().accepted().unwrap();
        let kinds: Vec<EntryKind> = first.written.entries.iter().map(|entry| entry.kind).collect();
        assert_eq!((kinds, first.written.replayed), (vec![EntryKind::Deposit], false));
        assert!(first.written.following.is_empty());
        let again = operator.deposit(deposit).await.unwrap().accepted().unwrap();
        assert!(again.written.replayed);
        assert_eq!(again.written.entries, first.written.entries);

        let set = SetTerms::of("A", TermsChange::none().acceptance_fee(Decimal::new(1, 2)));
        let set = operator.set_terms(set).await.unwrap().accepted().unwrap();
        let [entry] = &set.written.entries[..] else { panic!("one entry: {set:?}") };
        assert_eq!((entry.kind, set.written.entry_id()), (EntryKind::SetTerms, &*entry.entry_id));
        a.issue(Issue::to("card", "1").points(5)).await.unwrap().accepted().unwrap();
        let c = test.client("C").await;
        c.redeem(Redeem::from("card", "1").points(5)).await.unwrap().accepted().unwrap();
        let closed = operator.close_window(CloseWindow::now()).await.unwrap().accepted().unwrap();
        assert_eq!(closed.written.entry().map(|entry| entry.kind), Some(EntryKind::Close));
        test.end().await;
    }
}

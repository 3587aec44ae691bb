//! The same life of a partner, alone and amid others.

use clearing_core::units::MemberId;
use clearing_play::founding_entries;

use super::*;

/// What the others do in between: many batches, some of them while the partner's own calls are under way.
#[derive(Clone)]
struct Others(Option<[Wire; 3]>);

impl Others {
    async fn act(&self, round: usize) {
        let Some([b, c, operator]) = self.0.clone() else { return };
        let items: Vec<_> = (0..150).map(|at| issue(&format!("other-{round}-{at}"), 10 + at)).collect();
        let batch = v1::BatchIssuePointsRequest { items: items.clone() };
        let results = b.issues.clone().batch_issue_points(batch).await.unwrap().into_inner().results;
        assert!(results.iter().all(|item| matches!(item.result, Some(v1::issue_result::Result::Issued(_)))));
        for at in [3, 5] {
            let member = format!("other-{round}-{at}");
            let redeemed = c.redemptions.clone().redeem_points(redeem(&member, 5)).await.unwrap().into_inner();
            let entry = redeemed.written.unwrap().entries.remove(0);
            let back = v1::ReturnRedemptionRequest {
                request_id: request_id(),
                redemption_entry_id: entry.entry_id,
                points: 2,
                origin: None,
            };
            c.redemptions.clone().return_redemption(back).await.unwrap();
        }
        c.redemptions.clone().redeem_points(redeem("nobody", 1)).await.unwrap_err();
        let deposit = v1::DepositRequest {
            request_id: request_id(),
            account: "collateral:C".to_owned(),
            amount: Some(v1::Money { currency_code: "RUB".to_owned(), amount: "5.00".to_owned() }),
        };
        operator.settlement.clone().deposit(deposit).await.unwrap();
    }

    /// An own call, with others that come at the same moment.
    async fn beside<T>(&self, round: usize, own: impl Future<Output = T>) -> T {
        tokio::join!(own, self.act(round)).0
    }
}

/// What a partner is shown in its life.
async fn life(test: &TestHouse, others: &Others) -> Shown {
    let mut a = test.wire(Kind::Partner, "A");
    let mut shown = Shown::default();
    let origin = |number: &str, line| {
        Some(v1::Origin {
            store: "north".to_owned(),
            till: "1".to_owned(),
            receipt_number: number.to_owned(),
            receipt_line: line,
            business_date: "2026-02-01".to_owned(),
            ..Default::default()
        })
    };
    // Somebody whose points it will take.
    test.wire(Kind::Partner, "B").issues.issue_points(issue("guest", 80)).await.unwrap();
    others.act(0).await;
    let mut first = None;
    for (round, member) in (1..).zip(["m1", "m2", "m3"]) {
        let ask = v1::IssuePointsRequest {
            origin: origin("R-1", round),
            expire_time: after(7 * DAY + DAY / 2),
            ..issue(member, 100)
        };
        let issued = others.beside(round.try_into().unwrap(), a.issues.issue_points(ask.clone())).await;
        shown.note("issue", issued);
        let again = v1::IssuePointsRequest { request_id: request_id(), ..ask.clone() };
        shown.note("the receipt again", a.issues.issue_points(again).await);
        first.get_or_insert(ask);
    }
    let first = first.unwrap();
    shown.note("issue again", a.issues.issue_points(first.clone()).await);
    shown.note("another wish", a.issues.issue_points(v1::IssuePointsRequest { points: 7, ..first }).await);
    let items = (0..4).map(|at| issue(&format!("m{at}"), 10)).collect();
    let batch = v1::BatchIssuePointsRequest { items };
    shown.note("batch", others.beside(4, a.issues.batch_issue_points(batch)).await);

    let quote = v1::QuoteRedemptionRequest { member: card("m1"), points: 50, earn_points: 5, ..Default::default() };
    shown.note("quote", a.redemptions.quote_redemption(quote).await);
    let redeemed = others.beside(13, a.redemptions.redeem_points(redeem("m1", 50))).await;
    let redeemed = shown.note("redeem", redeemed).unwrap().written.unwrap().entries.remove(0).entry_id;
    shown.note("redeem", others.beside(5, a.redemptions.redeem_points(redeem("guest", 30))).await);
    shown.note("too much", a.redemptions.redeem_points(redeem("m1", 5000)).await);
    let back = v1::ReturnRedemptionRequest {
        request_id: request_id(),
        redemption_entry_id: redeemed.clone(),
        points: 20,
        origin: None,
    };
    shown.note("return", others.beside(6, a.redemptions.return_redemption(back.clone())).await);
    let more = v1::ReturnRedemptionRequest { request_id: request_id(), points: 31, ..back };
    shown.note("more than is left", a.redemptions.return_redemption(more).await);
    let hold = v1::AuthorizeRedemptionRequest {
        request_id: request_id(),
        member: card("m2"),
        points: 30,
        lapse_time: after(DAY),
        origin: None,
    };
    let held = others.beside(7, a.holds.authorize_redemption(hold)).await;
    let hold_id = shown.note("hold", held).unwrap().hold_id;
    shown.note("the hold", a.holds.get_hold(v1::GetHoldRequest { hold_id: hold_id.clone() }).await);
    let capture =
        || v1::CaptureHoldRequest { request_id: request_id(), hold_id: hold_id.clone(), points: 10, origin: None };
    shown.note("capture", others.beside(8, a.holds.capture_hold(capture())).await);
    shown.note("capture again", a.holds.capture_hold(capture()).await);
    let spend = v1::PurchaseSpend { source: Some(v1::purchase_spend::Source::RedeemPoints(3)) };
    let purchase = v1::PostPurchaseRequest {
        request_id: request_id(),
        member: card("m3"),
        spend: Some(spend),
        earn: Some(v1::PurchaseEarn { points: 4, ..Default::default() }),
        origin: origin("R-2", 1),
    };
    shown.note("purchase", others.beside(9, a.purchases.post_purchase(purchase.clone())).await);
    let transfer = v1::TransferPointsRequest {
        request_id: request_id(),
        member: card("m3"),
        to_member: card("m1"),
        points: 5,
        ..Default::default()
    };
    let transferred = others.beside(10, a.transfers.transfer_points(transfer)).await.map(|answer| {
        answer.map(|mut answer| {
            answer.written.iter_mut().flat_map(|written| &mut written.entries).for_each(in_one_order);
            answer
        })
    });
    shown.note("transfer", transferred);
    let reverse = v1::ReverseIssueRequest {
        request_id: request_id(),
        points: 90,
        target: Some(v1::reverse_issue_request::Target::NewestOfMember(card("m1").unwrap())),
        ..Default::default()
    };
    shown.note("reverse", others.beside(11, a.reversals.reverse_issue(reverse)).await);
    let abandon = v1::AbandonRequestRequest {
        request_id: request_id(),
        abandoned_request_id: purchase.request_id,
        ..Default::default()
    };
    shown.note("abandon", others.beside(12, a.requests.abandon_request(abandon)).await);
    shown.note("an entry", a.entries.get_entry(get_entry(redeemed.clone())).await);
    for wrong in ["x", "e", "0193a7c2-5d0e-7c3a-9f00-0123456789ab.0"] {
        shown.note("no entry", a.entries.get_entry(get_entry(wrong.to_owned())).await);
    }
    shown.note("no member", a.members.get_balance(v1::GetBalanceRequest { member: card("nobody") }).await);
    shown.note("balance", a.members.get_balance(v1::GetBalanceRequest { member: card("m1") }).await);
    lists(&mut a, &mut shown).await;
    shown
}

fn get_entry(id: String) -> v1::GetEntryRequest {
    v1::GetEntryRequest { key: Some(v1::get_entry_request::Key::EntryId(id)) }
}

/// Postings of two members come in the order of their ids, which is none.
fn in_one_order(entry: &mut v1::Entry) {
    entry.postings.sort_by_key(|posting| format!("{:?}", posting.quantity));
}

/// All lists that a partner may read, page by page.
async fn lists(a: &mut Wire, shown: &mut Shown) {
    let mut token = Some(String::new());
    while let Some(page_token) = token {
        let ask = v1::ListEntriesRequest { page_size: 4, page_token, ..Default::default() };
        let page = a.entries.list_entries(ask).await.map(|answer| {
            answer.map(|mut page| {
                page.entries.iter_mut().for_each(in_one_order);
                page
            })
        });
        let page = shown.note("entries", page).unwrap();
        token = Some(page.next_page_token).filter(|token| !token.is_empty());
    }
    let mut token = Some(String::new());
    while let Some(page_token) = token {
        let ask = v1::GetStatementRequest { page_size: 3, page_token, ..Default::default() };
        let page = shown.note("statement", a.position.get_statement(ask).await).unwrap();
        token = Some(page.next_page_token).filter(|token| !token.is_empty());
    }
    let find = v1::FindReceiptRequest {
        store: "north".to_owned(),
        receipt_number: "R-1".to_owned(),
        business_date: "2026-02-01".to_owned(),
        page_size: 2,
        ..Default::default()
    };
    shown.note("receipt", a.receipts.find_receipt(find).await);
    let day = v1::ReconcileDayRequest {
        store: "north".to_owned(),
        till: String::new(),
        business_date: "2026-02-01".to_owned(),
        counted: Some(v1::DayTotals::default()),
    };
    shown.note("day", a.receipts.reconcile_day(day).await);
    let mut info = a.info.get_server_info(v1::GetServerInfoRequest {}).await;
    // Where invites are used is another port on each house of a test.
    info.as_mut().unwrap().get_mut().enrolment_endpoint.clear();
    shown.note("info", info);
    shown.note("position", a.position.get_position(v1::GetPositionRequest::default()).await);
    shown.note("windows", a.position.list_windows(v1::ListWindowsRequest::default()).await);
    shown.note("obligations", a.position.list_obligations(v1::ListObligationsRequest::default()).await);
    let notices = a.notices.list_expiry_notices(v1::ListExpiryNoticesRequest::default()).await;
    // Members come in the order of their ids, which is none.
    let notices = notices.map(|answer| {
        answer.map(|mut page| {
            page.notices.sort_by_key(|notice| notice.points);
            page
        })
    });
    shown.note("notices", notices);
}

/// The telling test: a house of its own and one of many are the same to a partner, down to every number.
#[tokio::test(flavor = "multi_thread")]
async fn a_partner_is_shown_the_same_alone_and_amid_others() {
    for backend in BACKENDS {
        let alone = house(backend, |_| ()).await;
        let quiet = life(&alone, &Others(None)).await;
        let amid = house(backend, |_| ()).await;
        let others = ["B", "C", "operator"].map(|id| amid.wire(Kind::Partner, id));
        let mut operator = others[2].clone();
        let loud = life(&amid, &Others(Some(others))).await;
        assert_same(&quiet, &loud);

        // It was a life, and the others were there.
        assert!(quiet.texts.len() > 40, "{}", quiet.texts.len());
        let trial = v1::TrialBalanceRequest::default();
        let trial = operator.report.trial_balance(trial).await.unwrap().into_inner();
        assert!(trial.as_of_journal_sequence > founding_entries(3) + 2000, "{}", trial.as_of_journal_sequence);

        ids_tell_nothing(&quiet);
        ids_tell_nothing(&loud);
        alone.end().await;
        amid.end().await;
    }
}

/// Ids have neither time, nor order, nor anything in common.
fn ids_tell_nothing(shown: &Shown) {
    let ids = shown.ids();
    let members: std::collections::BTreeSet<MemberId> = shown
        .texts
        .iter()
        .flat_map(|text| text.lines())
        .filter_map(|line| line.trim().strip_prefix("member_id: ")?.split('"').nth(1)?.parse().ok())
        .collect();
    assert!(members.len() >= 4, "{members:?}");
    for member in members {
        let version = member.0 >> 76 & 0xf;
        assert_eq!(version, 4, "{member} has no time in it");
    }
    for kind in ['e', 'l'] {
        let of_kind: Vec<&str> =
            ids.iter().map(String::as_str).filter(|id| id.starts_with(kind) && [49, 57].contains(&id.len())).collect();
        assert!(of_kind.len() >= 8, "{of_kind:?}");
        for (at, one) in of_kind.iter().enumerate() {
            for other in &of_kind[..at] {
                let same = one.chars().zip(other.chars()).skip(1).take_while(|(one, other)| one == other).count();
                assert!(same <= 4, "{one} and {other} begin alike");
            }
        }
    }
}

/// Partners, operator and support speak of one entry by one text.
#[tokio::test(flavor = "multi_thread")]
async fn an_entry_has_one_id_for_all_who_may_see_it_and_is_none_to_the_others() {
    for backend in BACKENDS {
        let test = house(backend, |_| ()).await;
        let (mut a, mut b, mut c) =
            (test.wire(Kind::Partner, "A"), test.wire(Kind::Partner, "B"), test.wire(Kind::Partner, "C"));
        a.issues.issue_points(issue("m", 100)).await.unwrap();
        let redeemed = c.redemptions.redeem_points(redeem("m", 40)).await.unwrap().into_inner();
        let own = redeemed.written.unwrap().entries.remove(0);
        assert_eq!((own.own_sequence, own.journal_sequence), (None, None), "an answer comes before there are numbers");
        let seen = a.entries.list_entries(v1::ListEntriesRequest::default()).await.unwrap().into_inner().entries;
        assert_eq!((&seen[0].entry_id, &seen[0].lots[0].lot_id), (&own.entry_id, &own.lots[0].lot_id));
        assert_eq!(seen.iter().map(|entry| entry.own_sequence()).collect::<Vec<_>>(), [2, 1]);
        let mut auditor = test.wire(Kind::Auditor, "books");
        let journal = v1::ListJournalEntriesRequest::default();
        let journal = auditor.report.list_journal_entries(journal).await.unwrap().into_inner().entries;
        let there = journal.iter().find(|entry| entry.entry_id == own.entry_id).unwrap();
        assert_eq!((there.journal_sequence, there.own_sequence), (Some(founding_entries(3) + 2), None));
        let found = c.entries.get_entry(get_entry(own.entry_id.clone())).await.unwrap().into_inner().entry.unwrap();
        assert_eq!((found.own_sequence, found.journal_sequence), (Some(1), None));
        let hidden = b.entries.get_entry(get_entry(own.entry_id)).await.unwrap_err();
        assert_eq!(hidden.code(), tonic::Code::NotFound);
        test.end().await;
    }
}

//! Every operation in every state of its partner, and every reason to refuse.

#![allow(clippy::unwrap_used, reason = "a panic in a test is how it fails")]

mod house;

use std::collections::BTreeSet;
use std::path::Path;

use clearing_core::audit;
use clearing_core::chart::Fund;
use clearing_core::command::{Command, Request};
use clearing_core::facts::coalition::PARTNERS_MAX;
use clearing_core::facts::credential::{Badge, Holder, NewInvite, Scope, Scopes};
use clearing_core::facts::limits::Limits;
use clearing_core::facts::money::BankKey;
use clearing_core::facts::order::OrderMode;
use clearing_core::facts::origin::{Code, Origin};

use clearing_core::facts::partner::{Partner, PartnerState};
use clearing_core::facts::terms::{Breakage, Funding, Price, TermsDraft};
use clearing_core::rejection::Rejection;
use clearing_core::rules::abandon::AbandonRequest;
use clearing_core::rules::arrived::ReceiveMoney;
use clearing_core::rules::care::{FreezeMember, ReinstatePoints};
use clearing_core::rules::cover::CoverDefault;
use clearing_core::rules::credential::{CreateInvites, RevokeCredentials};
use clearing_core::rules::funds::Deposit;
use clearing_core::rules::hold::{CaptureHold, VoidHold};
use clearing_core::rules::issue::{Earn, IssuePoints};
use clearing_core::rules::limits::SetLimits;
use clearing_core::rules::partner::CreatePartner;
use clearing_core::rules::payment::{ConfirmPayment, Payment};
use clearing_core::rules::purchase::{PostPurchase, ReturnPurchase, Spend};
use clearing_core::rules::redemption::ReturnRedemption;
use clearing_core::rules::release::ReleaseOrders;
use clearing_core::rules::returned::{ReturnPayment, ReturnedPayment};
use clearing_core::rules::reversal::{ReversalTarget, ReverseIssue};
use clearing_core::rules::settlement::{AbortSettlement, ConfirmSettlement, ExportOrders};
use clearing_core::rules::terms::SetTerms;
use clearing_core::units::{EntryId, InviteId, Money, Points};
use house::{
    Play, START, authorize, brands, coalition, house, id, issue, member_ref, purchase, rate, redeem, request_id,
    reverse, terms, transfer,
};

/// B with a hold, a redemption, an issue and a purchase of its own, from when it was active.
struct Past {
    play: Play,
    hold: EntryId,
    redemption: EntryId,
    issue: EntryId,
    bought: EntryId,
    earned: EntryId,
    last: clearing_core::units::RequestId,
}

fn past() -> Past {
    let mut play = brands(Funding::AtIssue);
    play.consent("B", "C", None);
    play.consent("A", "B", None);
    play.issue("A", "M", 1000);
    let hold = play.authorize("B", "M", 10).unwrap();
    let redemption = play.redeem("B", "M", 10).unwrap();
    let issue = play.issue("B", "M", 10);
    play.consent("B", "operator", None);
    let entries = play.ask("B", purchase("M", 10, 10)).unwrap().entries;
    let request = play.request(id("B"), redeem("M", 5));
    play.execute(&request).result.unwrap();
    Past { play, hold, redemption, issue, bought: entries[0], earned: entries[1], last: request.request_id.unwrap() }
}

fn joint(funder: &str) -> Earn {
    Earn { funders: vec![(id(funder), 1)], ..Earn::points(Points(1)) }
}

#[test]
fn every_operation_in_every_state_of_its_partner() {
    type Call = fn(&Past) -> (&'static str, Command);
    // The operation, and whether RESTRICTED and SUSPENDED (as EXITED) let it pass.
    let operations: [(&str, bool, bool, Call); 20] = [
        ("issue", false, false, |_| ("B", issue("M", 1))),
        ("issue at another's cost", false, false, |_| {
            ("B", Command::IssuePoints(IssuePoints { member: member_ref("M"), earn: joint("A") }))
        }),
        ("be a funder", false, false, |_| {
            ("C", Command::IssuePoints(IssuePoints { member: member_ref("M"), earn: joint("B") }))
        }),
        ("be a funder of a purchase", false, false, |_| {
            ("C", Command::PostPurchase(PostPurchase { member: member_ref("M"), spend: None, earn: Some(joint("B")) }))
        }),
        ("reinstate", false, false, |_| {
            let reason = Code::new("goodwill").unwrap();
            let (member, funder, points) = (member_ref("M"), id("B"), Points(1));
            ("operator", Command::ReinstatePoints(ReinstatePoints { member, funder, points, expires: None, reason }))
        }),
        ("purchase", false, false, |_| ("B", purchase("M", 1, 1))),
        ("purchase that earns", false, false, |_| ("B", purchase("M", 0, 1))),
        ("purchase that captures and earns", false, false, |past| {
            let spend = Some(Spend::Capture { hold: past.hold, points: Points(1) });
            (
                "B",
                Command::PostPurchase(PostPurchase {
                    member: member_ref("M"),
                    spend,
                    earn: Some(Earn::points(Points(1))),
                }),
            )
        }),
        ("purchase that spends", true, false, |_| ("B", purchase("M", 1, 0))),
        ("redeem", true, false, |_| ("B", redeem("M", 1))),
        ("authorize", true, false, |_| ("B", authorize("M", 1, START.plus_days(1)))),
        ("transfer", true, false, |_| ("B", transfer("M", "N", 1))),
        ("purchase that captures", true, true, |past| {
            let spend = Some(Spend::Capture { hold: past.hold, points: Points(1) });
            ("B", Command::PostPurchase(PostPurchase { member: member_ref("M"), spend, earn: None }))
        }),
        ("capture", true, true, |past| ("B", Command::CaptureHold(CaptureHold { hold: past.hold, points: Points(1) }))),
        ("void", true, true, |past| ("B", Command::VoidHold(VoidHold { hold: past.hold }))),
        ("return", true, true, |past| {
            ("B", Command::ReturnRedemption(ReturnRedemption { redemption: past.redemption, points: Points(1) }))
        }),
        ("reverse", true, true, |past| ("B", reverse(past.issue, 1))),
        ("return of a purchase", true, true, |past| {
            let (redemption, issue) = (Some(past.bought), Some(past.earned));
            ("B", Command::ReturnPurchase(ReturnPurchase { redemption, issue, amount: Money(1), total: Money(2) }))
        }),
        ("abandon", true, true, |past| ("B", Command::AbandonRequest(AbandonRequest::of(past.last)))),
        ("have its points spent elsewhere", true, true, |_| ("C", redeem("M", 5))),
    ];
    for (name, restricted, suspended, call) in operations {
        for (state, passes, reason) in [
            (PartnerState::Active, true, ""),
            (PartnerState::Restricted, restricted, "PARTNER_RESTRICTED"),
            (PartnerState::Suspended, suspended, "PARTNER_SUSPENDED"),
            (PartnerState::Exited, suspended, "PARTNER_EXITED"),
        ] {
            let mut past = past();
            past.play.set_state("B", state);
            let (caller, command) = call(&past);
            let answer = past.play.ask(caller, command);
            let found = answer.as_ref().err().map(Rejection::reason);
            assert_eq!(found, (!passes).then_some(reason), "{name} while {}", state.as_str());
            past.play.assert_sound();
        }
    }
}

/// Otherwise a brand in trouble could take back all that it ever gave. "Older" is a matter of windows: what it issued last,
/// perhaps by mistake, it may still correct.
#[test]
fn a_suspended_partner_reverses_no_issue_older_than_the_window_in_which_it_was_suspended() {
    for (state, reason) in [(PartnerState::Suspended, "PARTNER_SUSPENDED"), (PartnerState::Exited, "PARTNER_EXITED")] {
        let mut play = brands(Funding::AtIssue);
        let request = play.request(id("B"), issue("M", 100));
        let old = play.execute(&request).result.unwrap().entries[0];
        let bought = play.ask("B", purchase("M", 10, 20)).unwrap().entries;
        play.close();
        let kept = play.issue("B", "M", 100);
        play.set_state("B", state);
        play.close();
        let newest = |points| {
            let target = ReversalTarget::Newest(member_ref("M"));
            Command::ReverseIssue(ReverseIssue { target, points: Points(points), refuse_shortfall: false })
        };
        let purchase = |redemption| {
            Command::ReturnPurchase(ReturnPurchase {
                redemption,
                issue: Some(bought[1]),
                amount: Money(1),
                total: Money(2),
            })
        };
        for command in [
            reverse(old, 1),
            reverse(old, 1_000),
            newest(101),
            purchase(Some(bought[0])),
            purchase(Some(old)),
            Command::AbandonRequest(AbandonRequest::of(request.request_id.unwrap())),
        ] {
            let refused = play.ask("B", command.clone()).unwrap_err();
            assert_eq!(refused.reason(), reason, "{command:?}");
            assert_eq!(refused.numbers()[1], ("oldest_window", "2".to_owned()), "{command:?}");
        }
        play.give_back("B", bought[0], 5).unwrap();
        play.reverse("B", kept, 10).unwrap();
        play.ask("B", newest(90)).unwrap();
        assert_eq!(play.ask("A", reverse(old, 1)).unwrap_err().reason(), "NOT_FOUND");
        play.assert_sound();
        if state == PartnerState::Suspended {
            // Who leaves after that is held to the same window; who acts again reverses all, and begins anew.
            let mut left = play.clone();
            left.set_state("B", PartnerState::Exited);
            assert_eq!(left.book.house.partners[&id("B")].suspended_in, Some(2));
            play.set_state("B", PartnerState::Active);
            play.reverse("B", old, 1).unwrap();
            play.set_state("B", PartnerState::Suspended);
            assert_eq!(play.book.house.partners[&id("B")].suspended_in, Some(3));
        }
    }
}

#[test]
fn of_several_partners_the_first_reason_in_the_published_order_is_given() {
    let mut play = brands(Funding::AtIssue);
    play.set_state("B", PartnerState::Suspended);
    play.set_state("C", PartnerState::Exited);
    let ask = |funders: &[&str]| {
        let funders = funders.iter().map(|funder| (id(funder), 1)).collect();
        Command::IssuePoints(IssuePoints { member: member_ref("M"), earn: Earn { funders, ..Earn::points(Points(9)) } })
    };
    for funders in [&["nobody", "B", "C"][..], &["B"], &["C"], &["nobody"]] {
        assert_eq!(play.refused("A", ask(funders)), "CONSENT_EXCEEDED", "who gave no consent is not told of");
    }
    play.consent("B", "A", None);
    play.consent("C", "A", None);
    assert_eq!(play.refused("A", ask(&["nobody", "B", "C"])), "PARTNER_EXITED");
    assert_eq!(play.refused("A", ask(&["nobody", "B"])), "PARTNER_SUSPENDED");
    assert_eq!(play.refused("A", ask(&["nobody"])), "CONSENT_EXCEEDED");
}

/// One call for each public reason, so that none of them is only a word.
#[test]
fn every_public_reason_is_given_for_some_call() {
    let mut given: BTreeSet<&'static str> = BTreeSet::new();
    let price = |text: &str| Some(Price::new(text.parse().unwrap()).unwrap());
    let set = |terms: TermsDraft| Command::SetTerms(SetTerms { partner: id("A"), terms, effective: None });
    let house_call = |command: Command| ("operator", command);
    let pay = |amount: Option<i64>, window: u32| {
        let payment = Payment::Hub(id("C"));
        house_call(Command::ConfirmPayment(ConfirmPayment {
            amount: amount.map(Money),
            ..ConfirmPayment::of(window, payment)
        }))
    };

    // A: price 1.00 under P, reversible for a day, within limits; C wants a pause and lets points pay half a receipt.
    let mut settings = coalition();
    settings.key_retention_days = 300;
    settings.pay_outs_wait = true;
    let half = clearing_core::facts::terms::Terms { receipt_share: rate("0.5"), ..terms(Funding::AtIssue) };
    let short = clearing_core::facts::terms::Terms { return_days: Some(1), ..terms(Funding::AtRedemption) };
    let partners = [
        ("A", short),
        ("B", terms(Funding::AtIssue)),
        ("C", half),
        ("R", terms(Funding::AtIssue)),
        ("S", terms(Funding::AtIssue)),
        ("X", terms(Funding::AtIssue)),
    ];
    let mut play = Play::new(house(settings, &partners));
    play.set_state("R", PartnerState::Restricted);
    play.set_state("S", PartnerState::Suspended);
    play.set_state("X", PartnerState::Exited);
    let old = play.request(id("A"), issue("M", 1));
    let old_issue = play.issue("A", "M", 50);
    let closed_hold = play.authorize("C", "M", 1).unwrap();
    play.void("C", closed_hold).unwrap();
    play.now = START.plus_days(301);
    given.insert(play.execute(&old).result.unwrap_err().reason());
    let gone = play.issue("A", "M", 50);
    let open_hold = play.authorize("C", "M", 10).unwrap();
    let redemption = play.redeem("C", "M", 60).unwrap();
    play.set_limits("C", Limits { cooling_seconds: Some(60), points_per_entry: Some(Points(5)), ..Limits::default() });
    for _ in 0..1025 {
        play.issue("B", "L", 1);
    }
    play.issue("A", "K", 10);
    play.set_cap("A", 0);
    // The same id with another wish, and an id that was abandoned.
    let mut first = play.request(id("A"), issue("M", 1));
    play.execute(&first).result.unwrap();
    first.command = issue("M", 2);
    given.insert(play.execute(&first).result.unwrap_err().reason());
    let burned = play.request(id("A"), issue("M", 1));
    play.ask("A", Command::AbandonRequest(AbandonRequest::of(burned.request_id.unwrap()))).unwrap();
    given.insert(play.execute(&burned).result.unwrap_err().reason());
    // An id of later, and a return of another total than was booked.
    let mut ahead = play.request(id("A"), issue("M", 1));
    ahead.request_id = Some(request_id(play.now.plus_seconds(301), 1));
    given.insert(play.execute(&ahead).result.unwrap_err().reason());
    let mut sold = play.request(id("B"), issue("N", 1));
    sold.origin.receipt_total = Some(Money(500));
    let sold = play.execute(&sold).result.unwrap().entries[0];
    let of_another = Command::ReturnPurchase(ReturnPurchase {
        redemption: None,
        issue: Some(sold),
        amount: Money(1),
        total: Money(400),
    });
    given.insert(play.refused("B", of_another));
    // Receipts.
    let receipt = Origin { receipt_number: Some(Code::new("7").unwrap()), ..Origin::default() };
    for total in [None, None, Some(Money(100))] {
        let command = if total.is_some() { redeem("L", 2) } else { issue("L", 1) };
        let caller = if total.is_some() { "C" } else { "B" };
        let mut request = play.request(id(caller), command);
        request.origin = Origin { receipt_total: total, ..receipt.clone() };
        if let Err(rejection) = play.execute(&request).result {
            given.insert(rejection.reason());
        }
    }
    let refuse = Command::ReverseIssue(ReverseIssue {
        target: ReversalTarget::Entry(gone),
        points: Points(50),
        refuse_shortfall: true,
    });
    let thirds = Breakage { reserve: rate("0.3"), operator: rate("0.3"), issuer: rate("0.3") };
    for (caller, command) in [
        ("A", issue("M", 0)),
        ("C", authorize("M", 1, START)),
        ("X", issue("M", 1)),
        ("R", issue("M", 1)),
        ("S", redeem("M", 1)),
        ("C", redeem("nobody", 1)),
        ("C", transfer("M", "M", 1)),
        house_call(Command::CreatePartner(CreatePartner {
            partner: id("A"),
            display_name: String::new(),
            terms: TermsDraft::default(),
            state: PartnerState::Active,
            limits: Limits::default(),
            no_default_limits: false,
        })),
        ("C", Command::VoidHold(VoidHold { hold: closed_hold })),
        ("C", Command::CaptureHold(CaptureHold { hold: open_hold, points: Points(11) })),
        ("C", Command::ReturnRedemption(ReturnRedemption { redemption, points: Points(61) })),
        ("A", reverse(gone, 51)),
        ("A", reverse(old_issue, 1)),
        ("A", refuse),
        (
            "A",
            Command::IssuePoints(IssuePoints {
                member: member_ref("M"),
                earn: Earn { funders: vec![(id("B"), 1)], ..Earn::points(Points(1)) },
            }),
        ),
        ("C", issue("M", 6)),
        ("C", redeem("M", 1)),
        ("B", redeem("M", 1000)),
        ("A", redeem("L", 1025)),
        ("B", redeem("K", 10)),
        ("operator", set(TermsDraft { breakage: Some(thirds), ..TermsDraft::default() })),
        ("operator", set(TermsDraft { price: price("1.001"), ..TermsDraft::default() })),
        ("operator", set(TermsDraft { price: price("0.5"), ..TermsDraft::default() })),
        house_call(Command::ConfirmSettlement(ConfirmSettlement { window: 1 })),
        house_call(Command::Deposit(Deposit { fund: Fund::Reserve, amount: Money(i64::MAX) })),
    ] {
        let reason = play.refused(caller, command.clone());
        assert!(given.insert(reason), "{reason} again, for {command:?}");
    }
    // Credentials.
    let known = NewInvite { id: InviteId(request_id(play.now, 1 << 40).0), secret: [1; 32], device: None };
    let create: Command =
        CreateInvites { holder: None, scopes: Scopes::WHOLE, ends: None, invites: vec![known] }.into();
    play.ask("A", create.clone()).unwrap();
    given.insert(play.refused("A", create.clone()));
    let shown = Badge {
        serial: "40".parse().unwrap(),
        holder: Holder::partner(id("A")),
        scopes: [Scope::Credentials].into_iter().collect(),
        begins: play.now,
        now: play.now,
    };
    let new = NewInvite { id: InviteId(request_id(play.now, 2 << 40).0), secret: [1; 32], device: None };
    let wider = CreateInvites { holder: None, scopes: Scopes::WHOLE, ends: None, invites: vec![new] };
    let reason = Code::word("stolen").unwrap();
    let revoke = RevokeCredentials { serials: vec![shown.serial], holder: None, reason };
    for command in [Command::from(wider), revoke.into(), create] {
        let asked = play.request(id("A"), command);
        if let Err(rejection) = play.execute(&Request { badge: Some(shown), ..asked }).result {
            given.insert(rejection.reason());
        }
    }
    let _ = play.close();
    let before = [
        pay(None, 1),
        house_call(Command::ExportOrders(ExportOrders { window: 1, mode: OrderMode::Hub, replace: true })),
    ];
    for (caller, command) in before {
        given.insert(play.refused(caller, command));
    }
    play.confirm(1);
    let due = play.book.windows[&1].settlement.as_ref().unwrap().legs[&id("C")].due.0;
    assert!(due > 0, "C is owed");
    for (caller, command) in [
        house_call(Command::ConfirmSettlement(ConfirmSettlement { window: 1 })),
        pay(Some(due + 1), 1),
        house_call(Command::ConfirmPayment(ConfirmPayment::of(1, Payment::Hub(id("X"))))),
    ] {
        given.insert(play.refused(caller, command));
    }
    // Money at the bank.
    play.operator(ExportOrders { window: 1, mode: OrderMode::Hub, replace: false }.into()).unwrap();
    let line = BankKey { account: String::new(), booked: None, reference: "R1".to_owned() };
    let receive = |amount: i64| -> Command {
        ReceiveMoney { partner: None, amount: Money(amount), line: line.clone(), window: None }.into()
    };
    play.operator(receive(100)).unwrap();
    let come_back = ReturnPayment { payment: ReturnedPayment::PayOut(1, id("C")), line: None };
    for command in [
        receive(101),
        ReleaseOrders { window: 1, amount: None }.into(),
        CoverDefault { window: 1, partner: id("B") }.into(),
        come_back.into(),
    ] {
        given.insert(play.refused("operator", command));
    }
    let mut covered = coalition();
    covered.caps_need_cover = true;
    let limits = Limits { net_debit_cap: Some(Money(1)), ..Limits::default() };
    let mut covered = Play::new(house(covered, &[("A", terms(Funding::AtIssue))]));
    given.insert(covered.refused("operator", SetLimits { partner: id("A"), limits }.into()));
    play.pay(1, "A").unwrap();
    given.insert(play.refused("operator", Command::AbortSettlement(AbortSettlement { window: 1 })));
    for partner in ["B", "C"] {
        play.pay(1, partner).unwrap();
    }
    given.insert(play.refused("operator", Command::AbortSettlement(AbortSettlement { window: 1 })));
    play.operator(Command::Deposit(Deposit { fund: Fund::Reserve, amount: Money(1) })).unwrap();
    play.issue("B", "M", 1);
    play.close();
    play.operator(Command::AbortSettlement(AbortSettlement { window: 2 })).unwrap();
    given.insert(play.refused("operator", Command::AbortSettlement(AbortSettlement { window: 2 })));

    let played = given_in_scenarios();
    let given = |reason: &&str| given.contains(reason) || played.iter().any(|played| played == reason);
    let missing: Vec<_> = Rejection::REASONS.into_iter().filter(|reason| !given(reason)).collect();
    assert!(missing.is_empty(), "never given: {missing:?}");
    play.assert_sound();
}

/// Whoever can write to the database could thaw a member, or freeze one, without a word in the journal.
#[test]
fn a_freeze_that_is_changed_behind_the_journal_is_found_by_the_audit() {
    let mut play = brands(Funding::AtIssue);
    for name in ["M", "N"] {
        play.issue("A", name, 10);
    }
    let (member, reason) = (member_ref("M"), Code::word("STOLEN").unwrap());
    play.operator(Command::FreezeMember(FreezeMember { member, reason, end: None })).unwrap();
    play.assert_sound();
    let later = Some(play.now.plus_days(1));
    for (name, planted) in [("M", None), ("M", later), ("N", later)] {
        let mut book = play.book.clone();
        book.members.get_mut(&play.member(name)).unwrap().record.frozen_until = planted;
        let found: Vec<String> =
            audit::compare(&book, &play.rebuilt()).iter().map(std::string::ToString::to_string).collect();
        assert!(found.len() == 1 && found[0].contains("frozen until"), "{name} {planted:?}: {found:?}");
    }
}

/// An answer with a row for each partner must fit into a message, so there is a last one.
#[test]
fn a_coalition_takes_ten_thousand_partners_and_says_so_to_the_next() {
    let mut house = house(coalition(), &[("A", terms(Funding::AtIssue))]);
    let pattern = house.partners[&id("A")].clone();
    for number in 2..PARTNERS_MAX {
        let id = id(&format!("P{number}"));
        house.partners.insert(id, Partner { id, ..pattern.clone() });
    }
    let mut play = Play::new(house);
    let create = |name: &str| {
        Command::CreatePartner(CreatePartner {
            partner: id(name),
            display_name: String::new(),
            terms: TermsDraft::default(),
            state: PartnerState::Active,
            limits: Limits::default(),
            no_default_limits: false,
        })
    };
    play.operator(create("last")).unwrap();
    let refused = play.operator(create("beyond")).unwrap_err();
    assert_eq!(refused, Rejection::Overflow { what: "the number of partners".to_owned(), maximum: 10_000 });
}

/// The reasons that scenarios of our own expect, which are played as tests.
fn given_in_scenarios() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/own");
    let files = std::fs::read_dir(folder).unwrap().map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    let reasons = |file: String| {
        let expected =
            file.lines().filter_map(|line| line.strip_prefix("rejected = ")).map(|reason| reason.replace('"', ""));
        expected.collect::<Vec<_>>()
    };
    files.flat_map(reasons).collect()
}

//! What the operator and auditors find, and what nobody else does: entries by a receipt, a member, a store or a day, and members.

use std::collections::BTreeSet;

use clearing_certs::Kind;
use clearing_play::{BACKENDS, TestHouse};
use partner_sdk::operator::{EntrySearch, FreezeMember, ListedMember, Operator};
use partner_sdk::{Client, Entry, EntryFilter, EntryKind, Error, Issue, MemberRef, Origin, Quantity, Redeem};

/// Entries as they are compared: what happened, at whom, in the order in which it was found.
fn told(entries: &[Entry]) -> Vec<(EntryKind, &str)> {
    entries.iter().map(|entry| (entry.kind, entry.partner_id.as_deref().unwrap_or("nobody"))).collect()
}

async fn find(operator: &Operator, search: EntrySearch) -> Vec<Entry> {
    operator.find_entries(search).all().await.unwrap()
}

fn receipt(number: &str) -> Origin {
    Origin::till("s1", "t1").receipt(number).business_date("2026-02-01")
}

/// A receipt of one number at A and at C, and one at B; without a business date at C.
async fn trade(test: &TestHouse) {
    let [a, b, c] = ["A", "B", "C"].map(|id| test.client(id));
    let (a, b, c) = (a.await, b.await, c.await);
    let issue = |to: &str, number: &str| Issue::to("card", to).points(100).origin(receipt(number));
    a.issue(issue("1", "R-1")).await.unwrap().accepted().unwrap();
    b.issue(issue("2", "R-2")).await.unwrap().accepted().unwrap();
    let undated = Origin::till("s9", "t1").receipt("R-1");
    c.redeem(Redeem::from("card", "1").points(40).origin(undated)).await.unwrap().accepted().unwrap();
    a.issue(Issue::to("card", "1").points(5)).await.unwrap().accepted().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_and_auditors_find_an_entry_by_what_is_known_of_it_whoever_asked_for_it() {
    use EntryKind::{Issue as Issued, Redeem as Redeemed};
    for backend in BACKENDS {
        let (test, _) = TestHouse::of_s01(backend, |_| ()).await;
        trade(&test).await;
        let (desk, auditor) =
            (test.client("operator").await, test.identities.client(&test.endpoint(), Kind::Auditor, "books").await);
        let all = EntrySearch::all;
        let card = || MemberRef::identifier("card", "1");
        let member = desk.balance(card()).await.unwrap().member.member_id;
        for eyes in [desk.operator(), auditor.operator()] {
            let found = find(&eyes, all().receipt("R-1")).await;
            assert_eq!(told(&found), [(Redeemed, "C"), (Issued, "A")], "newest first");
            // Whole, as the journal has them: all points and all money add up.
            for entry in &found {
                let points = |quantity: &Quantity| if let Quantity::Points(points) = quantity { *points } else { 0 };
                assert_eq!(entry.postings.iter().map(|posting| points(&posting.quantity)).sum::<i64>(), 0);
                let there = eyes.journal(entry.journal_sequence.unwrap(), None).first(1).await.unwrap();
                assert_eq!(&there[0], entry);
            }
            let redeemed = found[0].journal_sequence.unwrap();
            for (search, expected) in [
                (all().receipt("R-1").partner("A"), vec![(Issued, "A")]),
                (all().receipt("R-1").partner("B"), vec![]),
                (all().receipt("R-1").kind(Redeemed), vec![(Redeemed, "C")]),
                (all().receipt("R-1").before(redeemed), vec![(Issued, "A")]),
                // C named no day: the one of booking counts.
                (all().receipt("R-1").business_date("2026-02-01"), vec![(Redeemed, "C"), (Issued, "A")]),
                (all().receipt("R-1").business_date("2026-02-02"), vec![]),
                (all().business_date("2026-02-01"), vec![(Issued, "B"), (Issued, "A")]),
                (all().member(card()), vec![(Issued, "A"), (Redeemed, "C"), (Issued, "A")]),
                (all().member(MemberRef::id(&member)).partner("C"), vec![(Redeemed, "C")]),
                (all().store("s9"), vec![(Redeemed, "C")]),
                (all().till("t1").store("s1"), vec![(Issued, "B"), (Issued, "A")]),
                (all().partner("B").window(1), vec![(Issued, "B")]),
                (all().kind(Redeemed), vec![(Redeemed, "C")]),
                (all().window(2), vec![]),
            ] {
                assert_eq!(told(&find(&eyes, search.clone()).await), expected, "{search:?}");
            }
            let refused = async |search: EntrySearch| eyes.find_entries(search).all().await.unwrap_err();
            for nobody in [all().partner("Z"), all().member(("card", "99")), all().member(MemberRef::id(NOBODY))] {
                assert!(matches!(refused(nobody.clone()).await, Error::NotFound { .. }), "{nobody:?}");
            }
            let Error::InvalidArgument { fields, .. } = refused(all().till("t1")).await else {
                panic!("a till of whom")
            };
            assert_eq!(fields[0].0, "till");
        }
        test.end().await;
    }
}

/// An id that no member has.
const NOBODY: &str = "0193a7c2-5d0e-7c3a-9f00-0123456789ab";

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_finds_its_own_receipts_and_learns_nothing_of_others() {
    for backend in BACKENDS {
        let (test, _) = TestHouse::of_s01(backend, |_| ()).await;
        trade(&test).await;
        let [a, b] = [test.client("A").await, test.client("B").await];
        let own = async |client: &Client, filter: EntryFilter| client.entries(filter).all().await.unwrap();
        let of_a = own(&a, EntryFilter::all().receipt("R-1")).await;
        assert_eq!(told(&of_a), [(EntryKind::Issue, "A")], "not C's of the same number, in which A's points moved");
        assert!(own(&b, EntryFilter::all().receipt("R-1")).await.is_empty());

        // What is found for those who see all is refused in the same words, whether there is such a thing or not.
        let all = EntrySearch::all;
        let mut words = BTreeSet::new();
        for search in [
            all(),
            all().receipt("R-1"),
            all().receipt("R-9"),
            all().partner("B"),
            all().partner("A"),
            all().partner("Z"),
            all().member(("card", "1")),
            all().member(("card", "99")),
            all().till("t1"),
        ] {
            let refused = b.operator().find_entries(search).all().await.unwrap_err();
            assert!(matches!(refused, Error::PermissionDenied { .. }), "{refused:?}");
            words.insert(refused.to_string());
        }
        for after in [None, Some(NOBODY), Some("x")] {
            let refused = b.operator().members(after).all().await.unwrap_err();
            assert!(matches!(refused, Error::PermissionDenied { .. }), "{refused:?}");
            words.insert(refused.to_string());
        }
        assert_eq!(words.len(), 1, "{words:?}");
        test.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_listed_by_id_with_what_each_has_and_without_who_they_are() {
    for backend in BACKENDS {
        let (test, _) = TestHouse::of_s01(backend, |_| ()).await;
        trade(&test).await;
        let (desk, auditor) =
            (test.client("operator").await, test.identities.client(&test.endpoint(), Kind::Auditor, "books").await);
        let a = test.client("A").await;
        for card in ["3", "4", "5"] {
            a.issue(Issue::to("card", card).points(7)).await.unwrap().accepted().unwrap();
        }
        let freeze = FreezeMember::of(MemberRef::identifier("card", "4")).reason("CASE-1");
        desk.operator().freeze_member(freeze).await.unwrap().accepted().unwrap();

        let listed = desk.operator().members(None).all().await.unwrap();
        assert_eq!(listed, auditor.operator().members(None).all().await.unwrap());
        assert_eq!(listed.len(), 5);
        assert!(listed.is_sorted_by(|one, next| one.member_id < next.member_id));
        for (card, frozen) in [("1", false), ("2", false), ("3", false), ("4", true), ("5", false)] {
            let balance = desk.balance(("card", card)).await.unwrap();
            let of: &ListedMember = listed.iter().find(|of| of.member_id == balance.member.member_id).unwrap();
            let points = [of.available_points, of.held_points, of.pending_points, of.owed_points];
            let member = &balance.member;
            let expected = [member.available_points, member.held_points, member.pending_points, member.owed_points];
            assert_eq!((points, of.frozen, of.freeze_end_time), (expected, frozen, None), "card {card}");
            assert!(of.last_activity_time.is_some());
        }
        // From any place on, also of a member that is gone or never was.
        for at in 0..5 {
            let behind = desk.operator().members(Some(&listed[at].member_id)).all().await.unwrap();
            assert_eq!(behind, listed[at + 1..]);
        }
        let wrong = desk.operator().members(Some("42")).all().await.unwrap_err();
        assert!(
            matches!(&wrong, Error::InvalidArgument { fields, .. } if fields[0].0 == "after_member_id"),
            "{wrong:?}"
        );
        test.end().await;
    }
}

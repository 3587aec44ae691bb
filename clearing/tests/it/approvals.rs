//! Two persons of the operator: proposals and approvals through the SDK, races of deciders, and who a person is to the house.

use clearing::clock::Clock;
use clearing::server::{Drained, ServerLimits};
use clearing_certs::Kind;
use clearing_play::{BACKENDS, Backend, TestHouse, endpoint, serve};
use partner_sdk::operator::{
    AdminActions, ApproveProposal, Deposit, FreezeMember, Operator, PartnerState, PersonRole, ProposalState,
    RefuseProposal, SetPartnerState, SetPerson, UnfreezeMember, WithdrawFunds,
};
use partner_sdk::{Client, CreateInvites, Decimal, Error, Holder, Issue, Money, Outcome, RevokeCredentials};

/// How long a house has to end its calls.
const DRAIN: std::time::Duration = std::time::Duration::from_secs(20);
/// A second approver, who is a clerk as well.
const SECOND: &str = "boris";
/// The serial number of a certificate that the house did not issue.
const BY_HAND: &str = "b0";

async fn second_approver(house: &TestHouse) -> Operator {
    let desk = house.client("operator").await.operator();
    let set = SetPerson::of(SECOND, [PersonRole::Clerk, PersonRole::Approver]).certificate(BY_HAND);
    desk.set_person(set).await.unwrap().accepted().unwrap();
    house.person(SECOND).await.operator()
}

fn roubles(amount: i64) -> Money {
    Money::new("RUB", Decimal::new(amount * 100, 2))
}

/// The id of the proposal that a request became.
fn proposed<T: std::fmt::Debug>(outcome: Result<Outcome<T>, Error>) -> String {
    match outcome {
        Err(Error::Proposed { proposal_id, replayed: false }) => proposal_id,
        other => panic!("{other:?}"),
    }
}

fn reason<T: std::fmt::Debug>(outcome: Result<Outcome<T>, Error>) -> String {
    match outcome {
        Ok(Outcome::Rejected(rejection)) | Err(Error::Refused(rejection)) => rejection.reason.to_string(),
        other => panic!("{other:?}"),
    }
}

async fn hash_of(desk: &Operator, proposal: &str) -> String {
    desk.proposal(proposal).await.unwrap().proposal.proposal_hash
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proposal_shows_what_it_would_change_and_the_log_shows_both_persons() {
    for backend in BACKENDS {
        let (house, _) = TestHouse::of_s01(backend, |_| ()).await;
        let boris = second_approver(&house).await;
        let first = house.client("operator").await.operator();
        first.set_partner_state(SetPartnerState::of("A", PartnerState::Suspended)).await.unwrap().accepted().unwrap();

        let lift = || SetPartnerState::of("A", PartnerState::Active);
        let key = first.client().new_request_id();
        let proposal = proposed(first.set_partner_state(lift().request_id(key)).await);
        match first.set_partner_state(lift().request_id(key)).await {
            Err(Error::Proposed { proposal_id, replayed: true }) => assert_eq!(proposal_id, proposal),
            other => panic!("{other:?}"),
        }
        let shown = boris.proposal(&proposal).await.unwrap();
        assert_eq!((shown.proposal.operation.as_str(), shown.proposal.state), ("SetPartnerState", ProposalState::Open));
        assert_eq!(shown.proposal.partner_ids, ["A"]);
        let change = &shown.changes[0];
        let told = (change.field.as_str(), change.before.as_deref(), change.after.as_deref());
        assert_eq!(told, ("state", Some("SUSPENDED"), Some("ACTIVE")));

        let approve = ApproveProposal::of(&proposal, &shown.proposal.proposal_hash);
        let own = first.approve_proposal(approve.clone()).await;
        assert_eq!(reason(own), "SAME_PERSON");
        let done = boris.approve_proposal(approve).await.unwrap().accepted().unwrap();
        let log = first.admin_actions(AdminActions::all()).all().await.unwrap();
        let action = log.iter().find(|action| action.entry_id == done.written.entry_id()).unwrap();
        assert_eq!(
            (action.actor.as_str(), action.approver.as_deref()),
            ("operator/operator-1", Some("operator/boris"))
        );
        // What was proposed is found by whom it is about, too.
        let log = first.admin_actions(AdminActions::all().partner("A")).all().await.unwrap();
        let asked = log.iter().find(|action| action.entry_id == proposal).unwrap();
        assert_eq!((asked.actor.as_str(), &*asked.partner_ids), ("operator/operator-1", &["A".to_owned()][..]));
        let named = asked.changes.iter().find(|change| change.field == "operation").unwrap();
        assert_eq!(named.after.as_deref(), Some("SetPartnerState"));
        let shown = first.proposal(&proposal).await.unwrap();
        assert_eq!(shown.proposal.state, ProposalState::Done);
        assert_eq!(shown.proposal.decided_by.as_deref(), Some(SECOND));
        assert_eq!(shown.proposal.decision_entry_id.as_deref(), Some(done.written.entry_id()));
        assert!(first.proposals(false).all().await.unwrap().is_empty());
        assert_eq!(first.proposals(true).all().await.unwrap().len(), 1);
        house.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proposal_whose_ground_has_moved_is_shown_as_stale_and_not_approved() {
    for backend in BACKENDS {
        let (house, _) = TestHouse::of_s01(backend, |_| ()).await;
        let boris = second_approver(&house).await;
        let first = house.client("operator").await.operator();
        first.set_partner_state(SetPartnerState::of("A", PartnerState::Restricted)).await.unwrap().accepted().unwrap();
        let proposal = proposed(first.set_partner_state(SetPartnerState::of("A", PartnerState::Active)).await);
        // Stopping it waits for nobody, and is what moves the ground.
        first.set_partner_state(SetPartnerState::of("A", PartnerState::Suspended)).await.unwrap().accepted().unwrap();
        let shown = boris.proposal(&proposal).await.unwrap();
        assert_eq!(shown.proposal.state, ProposalState::Stale);
        assert_eq!(shown.changes[0].before.as_deref(), Some("SUSPENDED"), "what it would change now");
        let refused = boris.approve_proposal(ApproveProposal::of(&proposal, shown.proposal.proposal_hash)).await;
        match refused {
            Ok(Outcome::Rejected(rejection)) => {
                assert_eq!(
                    (rejection.reason.as_str(), rejection.metadata["state"].as_str()),
                    ("PROPOSAL_NOT_OPEN", "STALE")
                );
            }
            other => panic!("{other:?}"),
        }
        house.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_rules_refuse_when_it_is_approved_stays_open_and_is_done_when_they_allow_it() {
    for backend in BACKENDS {
        let (house, _) = TestHouse::of_s01(backend, |_| ()).await;
        let boris = second_approver(&house).await;
        let first = house.client("operator").await.operator();
        let deposit = async |amount| {
            first.deposit(Deposit::account("reserve", roubles(amount))).await.unwrap().accepted().unwrap();
        };
        deposit(100).await;
        let mut proposals = Vec::new();
        for amount in [80, 60] {
            proposals.push(proposed(first.withdraw_funds(WithdrawFunds::account("reserve", roubles(amount))).await));
        }
        let approve = async |proposal: &String| {
            let hash = hash_of(&boris, proposal).await;
            boris.approve_proposal(ApproveProposal::of(proposal, hash)).await
        };
        approve(&proposals[0]).await.unwrap().accepted().unwrap();
        assert_eq!(reason(approve(&proposals[1]).await), "FUND_INSUFFICIENT");
        let shown = boris.proposal(&proposals[1]).await.unwrap();
        assert_eq!(shown.proposal.state, ProposalState::Open);
        assert!(shown.refusal.unwrap().starts_with("FUND_INSUFFICIENT: "));
        deposit(40).await;
        approve(&proposals[1]).await.unwrap().accepted().unwrap();
        house.end().await;
    }
}

/// Who decides, and how.
async fn decide(desk: &Operator, proposal: &str, hash: &str, approves: bool) -> Result<(), String> {
    let told = if approves {
        desk.approve_proposal(ApproveProposal::of(proposal, hash)).await.map(|outcome| outcome.accepted().map(drop))
    } else {
        desk.refuse_proposal(RefuseProposal::of(proposal)).await.map(|outcome| outcome.accepted().map(drop))
    };
    match told {
        Ok(Ok(())) => Ok(()),
        Ok(Err(partner_sdk::NotAccepted::Rejected(rejection))) => Err(rejection.reason.to_string()),
        other => panic!("{other:?}"),
    }
}

/// On one node, and on two where the database allows it.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_decide_at_once_one_wins() {
    for backend in BACKENDS {
        one_of_two_deciders_wins(backend).await;
    }
}

async fn one_of_two_deciders_wins(backend: Backend) {
    let (house, begin) = TestHouse::of_s01(backend, |_| ()).await;
    let second_node = match backend {
        Backend::Sqlite => None,
        Backend::Postgres => {
            Some(serve(&house.database.url, &house.identities, Clock::manual(clearing_time(begin))).await)
        }
    };
    let first = house.client("operator").await.operator();
    for name in ["boris", "clara"] {
        let set = SetPerson::of(name, [PersonRole::Clerk, PersonRole::Approver]).certificate(BY_HAND);
        match first.set_person(set).await {
            Ok(outcome) => drop(outcome.accepted().unwrap()),
            Err(Error::Proposed { proposal_id, .. }) => {
                let boris = house.person("boris").await.operator();
                let hash = hash_of(&boris, &proposal_id).await;
                boris.approve_proposal(ApproveProposal::of(proposal_id, hash)).await.unwrap().accepted().unwrap();
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    let other_node = second_node.as_ref().map_or_else(|| house.endpoint(), endpoint);
    let boris = house.person("boris").await.operator();
    let clara = house.identities.client(&other_node, Kind::Operator, "clara").await.operator();
    first.deposit(Deposit::account("reserve", roubles(1_000))).await.unwrap().accepted().unwrap();
    let mut paid = 0;
    for round in 0..12_i64 {
        // Beside the tills, behind the lock of its own row; and under the gate.
        let under_the_gate = round % 3 == 2;
        let proposal = if under_the_gate {
            let set = SetPerson::of(format!("p{round}"), [PersonRole::Support]);
            proposed(first.set_person(set).await)
        } else {
            proposed(first.withdraw_funds(WithdrawFunds::account("reserve", roubles(round + 1))).await)
        };
        let hash = hash_of(&first, &proposal).await;
        let both_approve = round % 2 == 0;
        let (one, other) =
            tokio::join!(decide(&boris, &proposal, &hash, true), decide(&clara, &proposal, &hash, both_approve));
        assert_ne!(one.is_ok(), other.is_ok(), "round {round}: {one:?}, {other:?}");
        let lost = one.clone().and(other).unwrap_err();
        assert_eq!(lost, "PROPOSAL_NOT_OPEN", "round {round}");
        let state = first.proposal(&proposal).await.unwrap().proposal.state;
        let done = both_approve || one.is_ok();
        assert_eq!(state, if done { ProposalState::Done } else { ProposalState::Refused }, "round {round}");
        if done && !under_the_gate {
            paid += round + 1;
        }
    }
    let balance = first.trial_balance(false).await.unwrap();
    let reserve = balance.accounts.iter().find(|account| account.account == "reserve").unwrap();
    assert_eq!(reserve.balance, partner_sdk::Quantity::Money(roubles(1_000 - paid)));
    if let Some(second_node) = second_node {
        second_node.shutdown(std::time::Duration::from_secs(20)).await;
    }
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_nodes_that_propose_the_same_at_once_one_does() {
    let (house, begin) = TestHouse::of_s01(Backend::Postgres, |_| ()).await;
    let second_node = serve(&house.database.url, &house.identities, Clock::manual(clearing_time(begin))).await;
    let boris_here = second_approver(&house).await;
    drop(boris_here);
    let first = house.client("operator").await.operator();
    let boris = house.identities.client(&endpoint(&second_node), Kind::Operator, SECOND).await.operator();
    first.deposit(Deposit::account("reserve", roubles(1_000))).await.unwrap().accepted().unwrap();
    for round in 1..=8 {
        let withdraw = || WithdrawFunds::account("reserve", roubles(round));
        let (one, other) = tokio::join!(first.withdraw_funds(withdraw()), boris.withdraw_funds(withdraw()));
        let is_proposed = |outcome: &Result<Outcome<_>, Error>| matches!(outcome, Err(Error::Proposed { .. }));
        assert_ne!(is_proposed(&one), is_proposed(&other), "{one:?}, {other:?}");
        let lost = if is_proposed(&one) { other } else { one };
        assert_eq!(reason(lost), "PROPOSAL_EXISTS");
    }
    second_node.shutdown(std::time::Duration::from_secs(20)).await;
    house.end().await;
}

fn clearing_time(begin: std::time::SystemTime) -> clearing_core::units::Timestamp {
    clearing_core::units::Timestamp::from_jiff(jiff::Timestamp::try_from(begin).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_may_what_its_roles_say_and_the_operator_as_a_brand_is_nobody_of_its_people() {
    for backend in BACKENDS {
        let (house, _) = TestHouse::of_s01(backend, |_| ()).await;
        let first = house.client("operator").await.operator();
        let stranger = house.person("stranger").await;
        assert!(matches!(stranger.operator().partners().all().await, Err(Error::PermissionDenied { .. })));
        let roles = [
            ("clerk", PersonRole::Clerk),
            ("approver", PersonRole::Approver),
            ("helper", PersonRole::Support),
            ("reader", PersonRole::Auditor),
        ];
        let mut people: Vec<(&str, Client)> = Vec::new();
        for (name, role) in roles {
            // The second approver comes last, so that the others need one person.
            if role != PersonRole::Approver {
                first.set_person(SetPerson::of(name, [role])).await.unwrap().accepted().unwrap();
            }
        }
        let approver = SetPerson::of("approver", [PersonRole::Approver]).certificate(BY_HAND);
        first.set_person(approver).await.unwrap().accepted().unwrap();
        for (name, _) in roles {
            people.push((name, house.person(name).await));
        }
        let denied = |outcome: &Result<(), Error>| matches!(outcome, Err(Error::PermissionDenied { .. }));
        for (name, client) in &people {
            let desk = client.operator();
            let deposits = desk.deposit(Deposit::account("reserve", roubles(1))).await.map(drop);
            assert_eq!(denied(&deposits), *name != "clerk", "{name} deposits: {deposits:?}");
            let issues = client.issue(Issue::to("card", "1").points(1)).await.map(drop);
            assert_eq!(denied(&issues), *name != "clerk", "{name} issues: {issues:?}");
            let reads = desk.trial_balance(false).await.map(drop);
            assert_eq!(denied(&reads), *name == "helper", "{name} reads the books: {reads:?}");
            let approves = desk.refuse_proposal(RefuseProposal::of(clearing_play::no_entry())).await.map(drop);
            assert_eq!(denied(&approves), *name != "approver", "{name} refuses: {approves:?}");
            let finds = desk.members(None).first(1).await.map(drop);
            assert!(!denied(&finds), "{name} looks for members: {finds:?}");
        }
        // As a brand it issues like any other, and does nothing of the house.
        let brand = house.identities.operator_as_brand(&house.endpoint()).await;
        drop(brand.issue(Issue::to("card", "2").points(1)).await.unwrap().accepted().unwrap());
        match brand.operator().partners().all().await {
            Err(Error::PermissionDenied { message }) => assert!(message.contains("operator/NAME"), "{message}"),
            other => panic!("{other:?}"),
        }
        // Nor does it make people, or end them: whoever has a till of the operator would be a second person.
        for holder in [
            Holder::Operator("mallory".to_owned()),
            Holder::Auditor("mallory".to_owned()),
            Holder::Partner("A".to_owned()),
        ] {
            let invited = brand.create_invites(CreateInvites::new([&brand.new_invite()]).holder(holder.clone())).await;
            assert!(matches!(invited, Err(Error::PermissionDenied { .. })), "{holder}: {invited:?}");
            let ended = brand.revoke_credentials(RevokeCredentials::all_of(holder.clone(), "mine")).await;
            assert!(matches!(ended, Err(Error::PermissionDenied { .. })), "{holder}: {ended:?}");
        }
        house.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovered_approver_is_listed_with_the_day_from_which_it_is_one() {
    for backend in BACKENDS {
        let (house, _) = TestHouse::of_s01(backend, |house| house.coalition.account_change_days = 3).await;
        let clock = Clock::manual(clearing_time(house.client("operator").await.sandbox().clock().await.unwrap()));
        let TestHouse { database, identities, server } = house;
        let recover = async || {
            let store = database.store().await;
            clearing::recovery::recover(store, clock.clone(), "zoe".parse().unwrap()).await
        };
        assert_eq!(server.shutdown(DRAIN).await, Drained::Clean);
        let named = recover().await.unwrap();
        assert_eq!(named.before, None);
        let server = serve(&database.url, &identities, clock).await;
        let house = TestHouse { database, identities, server };
        let listed = house.client("operator").await.operator().people().await.unwrap();
        let zoe = listed.people.iter().find(|person| person.person_id == "zoe").unwrap();
        assert_eq!((zoe.roles.len(), zoe.coming_roles.len()), (0, 2));
        assert_eq!(zoe.coming_time, Some(named.now.since.to_jiff().into()));
        house.end().await;
    }
}

/// On PostgreSQL it was done beside a node that served.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_named_while_a_node_of_the_house_is_alive() {
    let house = TestHouse::with_limits(Backend::Postgres, ServerLimits::default()).await;
    while house.database.number("SELECT count(*) FROM leases WHERE name = 'scheduler'").await == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let TestHouse { database, identities, server } = house;
    let recover =
        async || clearing::recovery::recover(database.store().await, Clock::system(), "zoe".parse().unwrap()).await;
    let refused = recover().await;
    assert!(matches!(refused, Err(clearing::recovery::RecoverError::Alive)), "{refused:?}");
    assert_eq!(server.shutdown(DRAIN).await, Drained::Clean);
    recover().await.unwrap();
    // It gives the lease back: a node that starts does the due work at once.
    let server = serve(&database.url, &identities, Clock::system()).await;
    TestHouse { database, identities, server }.end().await;
}

/// What a proposal was about could not be seen, so that whoever approved it approved a word.
#[tokio::test(flavor = "multi_thread")]
async fn a_proposal_to_lift_a_freeze_shows_whose_and_why() {
    for backend in BACKENDS {
        let (house, _) = TestHouse::of_s01(backend, |_| ()).await;
        let boris = second_approver(&house).await;
        let first = house.client("operator").await.operator();
        let issued = house.client("A").await.issue(Issue::to("card", "7").points(5)).await.unwrap().accepted().unwrap();
        let member_id = issued.member.member_id;
        first.freeze_member(FreezeMember::of(("card", "7")).reason("LOST")).await.unwrap().accepted().unwrap();
        let lift = UnfreezeMember::of(("card", "7")).reason("FOUND");
        let proposal = proposed(first.unfreeze_member(lift).await);
        let shown = boris.proposal(&proposal).await.unwrap();
        let told = (shown.proposal.member_id.as_deref(), shown.proposal.reason_code.as_str());
        assert_eq!(told, (Some(&*member_id), "FOUND"));
        let approve = ApproveProposal::of(&proposal, shown.proposal.proposal_hash);
        boris.approve_proposal(approve).await.unwrap().accepted().unwrap();
        let done = boris.proposal(&proposal).await.unwrap().proposal;
        assert_eq!((done.member_id.as_deref(), done.reason_code.as_str()), (Some(&*member_id), "FOUND"));
        house.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_lapsed_leaves_the_list_and_support_sees_its_own() {
    for backend in BACKENDS {
        let (house, begin) = TestHouse::of_s01(backend, |house| house.coalition.proposal_days = 2).await;
        let first = house.client("operator").await.operator();
        first.set_person(SetPerson::of("helper", [PersonRole::Support])).await.unwrap().accepted().unwrap();
        let boris = second_approver(&house).await;
        drop(house.client("A").await.issue(Issue::to("card", "7").points(5)).await.unwrap().accepted().unwrap());
        first.freeze_member(FreezeMember::of(("card", "7")).reason("LOST")).await.unwrap().accepted().unwrap();
        let stop = SetPartnerState::of("B", PartnerState::Suspended);
        first.set_partner_state(stop).await.unwrap().accepted().unwrap();
        let old = proposed(first.set_partner_state(SetPartnerState::of("B", PartnerState::Active)).await);
        let helper = house.person("helper").await.operator();
        let own = proposed(helper.unfreeze_member(UnfreezeMember::of(("card", "7"))).await);
        let ids = async |desk: &Operator, all: bool| {
            let listed = desk.proposals(all).all().await.unwrap();
            listed.into_iter().map(|proposal| proposal.proposal_id).collect::<Vec<_>>()
        };
        assert_eq!(ids(&boris, false).await, [own.clone(), old.clone()]);
        assert_eq!(ids(&helper, false).await, std::slice::from_ref(&own));
        assert!(helper.proposal(&own).await.is_ok());
        assert!(helper.proposal(&old).await.is_err(), "it is nothing of the helper's");
        house
            .client("operator")
            .await
            .sandbox()
            .advance_clock(begin + std::time::Duration::from_secs(2 * 86_400))
            .await
            .unwrap();
        assert!(ids(&boris, false).await.is_empty());
        assert_eq!(ids(&boris, true).await, [own.clone(), old]);
        assert_eq!(ids(&helper, true).await, [own]);
        house.end().await;
    }
}

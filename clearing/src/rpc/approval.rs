//! ApprovalService: what one person has proposed, and another decides.

use std::sync::Arc;

use clearing_core::book::Book;
use clearing_core::command::{self, ApproveProposal, Command, hash_of};
use clearing_core::facts::coalition::Coalition;
use clearing_core::facts::member::MemberRef;
use clearing_core::facts::origin::{Code, Origin};
use clearing_core::facts::proposal::ProposalState;
use clearing_core::rejection::Rejection;
use clearing_core::rules::action::FieldChange;
use clearing_core::rules::proposal::{RefuseProposal, WithdrawProposal};
use clearing_core::units::{BatchId, EntryId, Hash, PartnerId, Timestamp};
use clearing_proto::v1;
use clearing_proto::v1::approval_service_server::ApprovalService;
use tonic::{Request, Response, Status};

use crate::clock;
use crate::rpc::admin::from_change;
use crate::rpc::auth::{Caller, Scope};
use crate::rpc::convert::from_timestamp;
use crate::rpc::opaque::Opaque;
use crate::rpc::settlement::{from_house, house_reply};
use crate::rpc::written::accepted;
use crate::rpc::{Context, auth, bounds, convert, errors, page_size};
use crate::store::StoredProposal;

/// The service, in the house that it works for.
pub struct Service(pub Context);

#[tonic::async_trait]
impl ApprovalService for Service {
    async fn approve_proposal(
        &self,
        request: Request<v1::ApproveProposalRequest>,
    ) -> Result<Response<v1::ApproveProposalResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let v1::ApproveProposalRequest { request_id, proposal_id, proposal_hash } = request.into_inner();
        let request_id = convert::request_id(&request_id)?;
        let proposal = self.0.opaque.read_entry("proposal_id", &proposal_id)?;
        let content = hash_of(&proposal_hash)
            .ok_or_else(|| errors::invalid("proposal_hash", "is not 64 hexadecimal digits; ListProposals tells it"))?;
        // What was proposed never changes, so that it may be read before the gate.
        let operation = self.stored(proposal).await?.and_then(|stored| proposed(&stored)).map(Box::new);
        let command = ApproveProposal { proposal, content, operation }.into();
        let written = self.0.ask_house(asker, request_id, command).await?;
        accepted(&written, asker.partner, &self.0)?;
        Ok(Response::new(v1::ApproveProposalResponse { written: from_house(&written, &self.0.opaque) }))
    }

    async fn refuse_proposal(
        &self,
        request: Request<v1::RefuseProposalRequest>,
    ) -> Result<Response<v1::RefuseProposalResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let v1::RefuseProposalRequest { request_id, proposal_id } = request.into_inner();
        let request_id = convert::request_id(&request_id)?;
        let proposal = self.0.opaque.read_entry("proposal_id", &proposal_id)?;
        let written = self.0.ask_house(asker, request_id, RefuseProposal { proposal }.into()).await?;
        house_reply(&written, &self.0)?;
        Ok(Response::new(v1::RefuseProposalResponse { written: from_house(&written, &self.0.opaque) }))
    }

    async fn withdraw_proposal(
        &self,
        request: Request<v1::WithdrawProposalRequest>,
    ) -> Result<Response<v1::WithdrawProposalResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let v1::WithdrawProposalRequest { request_id, proposal_id } = request.into_inner();
        let request_id = convert::request_id(&request_id)?;
        let proposal = self.0.opaque.read_entry("proposal_id", &proposal_id)?;
        let written = self.0.ask_house(asker, request_id, WithdrawProposal { proposal }.into()).await?;
        house_reply(&written, &self.0)?;
        Ok(Response::new(v1::WithdrawProposalResponse { written: from_house(&written, &self.0.opaque) }))
    }

    async fn list_proposals(
        &self,
        request: Request<v1::ListProposalsRequest>,
    ) -> Result<Response<v1::ListProposalsResponse>, Status> {
        let caller = auth::caller(&request)?;
        let v1::ListProposalsRequest { include_decided, page_size: size, page_token } = request.into_inner();
        let limit = page_size(size)?;
        let list = self.0.opaque.list(&caller, "ListProposals", &[if include_decided { "decided" } else { "" }]);
        let before = list.place(&page_token)?.map(|place| convert::id("page_token", &place)).transpose()?;
        let found = self.0.store.proposals(before, !include_decided, limit).await;
        let found = found.map_err(|error| errors::of_store(&error))?;
        let (house, now) = (self.0.house(), self.0.clock.now());
        // Whether one is stale is told where it is looked at by itself.
        let book = Book::new(Arc::clone(&house), 1);
        let shown = found.iter().filter(|stored| may_see(&caller, stored));
        let shown = shown.map(|stored| (stored, book.state_of(&stored.proposal, None, now)));
        let shown: Vec<_> = shown.filter(|(_, state)| include_decided || *state == ProposalState::Open).collect();
        let rows = shown.iter().map(|(stored, state)| from_proposal(stored, *state, &house.coalition, &self.0.opaque));
        let (proposals, cut) = bounds::page(rows, limit);
        // A page may hold fewer although more follow: what was left out of it counts.
        let last_read = found.last().filter(|_| found.len() == limit);
        let last_shown = proposals.len().checked_sub(1).and_then(|last| shown.get(last)).map(|(stored, _)| *stored);
        let last = if cut { last_shown } else { last_read };
        let next_page_token = last.map_or_else(String::new, |last| list.token(&last.id.to_string()));
        Ok(Response::new(v1::ListProposalsResponse { proposals, next_page_token }))
    }

    async fn get_proposal(
        &self,
        request: Request<v1::GetProposalRequest>,
    ) -> Result<Response<v1::GetProposalResponse>, Status> {
        let caller = auth::caller(&request)?;
        let id = self.0.opaque.read_entry("proposal_id", &request.into_inner().proposal_id)?;
        let stored = self.stored(id).await?.filter(|stored| may_see(&caller, stored));
        let stored = stored.ok_or_else(|| errors::not_found("proposal", self.0.opaque.entry(id)))?;
        let now = self.0.clock.now();
        let (mut state, mut changes, mut refusal) = (stored.proposal.state, Vec::new(), None);
        // Of what was done its entry tells whom it was about.
        let mut member = stored.decided.as_ref().and_then(|entry| entry.entry.member);
        match (state, proposed(&stored)) {
            (ProposalState::Open, Some(operation)) => {
                let shown = stored.proposal.facts.shown.map(|shown| shown.badge(clock::machine_time()));
                let asked = command::Request { badge: shown, ..own(operation.clone()) };
                let book = self.0.store.book_to_show(&asked, now).await.map_err(|error| errors::of_store(&error))?;
                let named = operation.subject().and_then(|subject| subject.member);
                member = named.and_then(|named| book.find_member(named).ok());
                state = book.state_of(&stored.proposal, Some(&operation.found_hash(&book)), now);
                if state != ProposalState::Lapsed {
                    let may = book.check_asker(&stored.proposal, operation.name(), operation.roles(), now);
                    match may.and_then(|()| would_change(book, &asked, now)) {
                        Ok(would) => changes = would,
                        Err(rejection) => refusal = Some(format!("{}: {rejection}", rejection.reason())),
                    }
                }
            }
            (ProposalState::Done, _) => {
                let house = self.0.house();
                changes = stored.decided.as_ref().map(|entry| entry.entry.action_changes(&house)).unwrap_or_default();
            }
            _ => {}
        }
        let house = self.0.house();
        let mut proposal = from_proposal(&stored, state, &house.coalition, &self.0.opaque);
        proposal.member_id = member.map(|member| member.to_string()).or(proposal.member_id);
        Ok(Response::new(v1::GetProposalResponse {
            proposal: Some(proposal),
            changes: changes.into_iter().map(from_change).collect(),
            refusal: refusal.filter(|_| state == ProposalState::Open),
        }))
    }
}

impl Service {
    async fn stored(&self, id: EntryId) -> Result<Option<StoredProposal>, Status> {
        let found = self.0.store.proposal(id).await;
        found.map_err(|error| errors::of_store(&error))
    }
}

/// Whether a proposal is shown to a caller: to who reads the books, and to who has asked for it.
fn may_see(caller: &Caller, stored: &StoredProposal) -> bool {
    caller.may(Scope::Report) || matches!(caller, Caller::Person(person, _) if *person == stored.proposal.person)
}

/// What was proposed, if this release knows it.
fn proposed(stored: &StoredProposal) -> Option<Command> {
    Command::from_bytes(&stored.proposal.facts.operation)
}

/// What is tried out in the name of nobody.
fn own(command: Command) -> command::Request {
    command::Request {
        caller: PartnerId::operator(),
        person: None,
        badge: None,
        request_id: None,
        origin: Origin::default(),
        command,
        fresh_member: clock::fresh_member_id(),
        fresh_salt: clock::random_bytes(),
        attachment: None,
    }
}

/// What a request would change now, field by field. The book is used up: it is a copy.
fn would_change(mut book: Book, request: &command::Request, now: Timestamp) -> Result<Vec<FieldChange>, Rejection> {
    let before = Arc::clone(&book.house);
    book.begin_batch(BatchId(clock::fresh_uuid()));
    let accepted = book.execute(request, now).result?;
    let first = accepted.entries.first().and_then(|entry| book.entries.get(entry));
    Ok(first.map(|entry| entry.action_changes(&before)).unwrap_or_default())
}

fn hex(hash: &Hash) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_state(state: ProposalState) -> v1::ProposalState {
    match state {
        ProposalState::Open => v1::ProposalState::Open,
        ProposalState::Done => v1::ProposalState::Done,
        ProposalState::Refused => v1::ProposalState::Refused,
        ProposalState::Withdrawn => v1::ProposalState::Withdrawn,
        ProposalState::Lapsed => v1::ProposalState::Lapsed,
        ProposalState::Stale => v1::ProposalState::Stale,
    }
}

fn from_proposal(
    stored: &StoredProposal,
    state: ProposalState,
    coalition: &Coalition,
    opaque: &Opaque,
) -> v1::Proposal {
    let StoredProposal { id, proposal, decided, .. } = stored;
    let operation = proposed(stored);
    let subject = operation.as_ref().and_then(Command::subject).unwrap_or_default();
    let by_id = subject.member.and_then(|member| if let MemberRef::Id(id) = member { Some(id) } else { None });
    // What another proposal took the place of was decided by nobody.
    let decided = decided.as_ref().filter(|_| !matches!(state, ProposalState::Lapsed | ProposalState::Stale));
    let by = decided.and_then(|entry| entry.entry.facts.by());
    v1::Proposal {
        proposal_id: opaque.entry(*id),
        proposal_hash: hex(&proposal.facts.content),
        operation: operation.as_ref().map_or("", Command::name).to_owned(),
        proposed_by: proposal.person.to_string(),
        propose_time: from_timestamp(proposal.asked),
        lapse_time: from_timestamp(coalition.days_after(coalition.proposal_days, proposal.asked)),
        state: from_state(state).into(),
        partner_ids: subject.partners.iter().map(PartnerId::to_string).collect(),
        person_id: subject.person.map(|person| person.to_string()),
        window: subject.window.map(i64::from),
        member_id: by_id.map(|member| member.to_string()),
        reason_code: operation.as_ref().and_then(Command::reason).map_or("", Code::as_str).to_owned(),
        decided_by: by.map(|by| by.person.to_string()),
        decide_time: decided.and_then(|entry| from_timestamp(entry.entry.time)),
        decision_entry_id: decided.map(|entry| opaque.entry(entry.id)),
    }
}

//! What one person of the operator has proposed and another decides.

use clearing_proto::v1;
use clearing_proto::v1::approval_service_client::ApprovalServiceClient;

use crate::client::{PAGE_SIZE, call};
use crate::error::Error;
use crate::operator::Operator;
use crate::outcome::Outcome;
use crate::pages::Pages;
use crate::points::keyed;
use crate::request_id::RequestId;
use crate::wire::{FromWire, each, key};

pub use crate::answers::{
    Proposal, ProposalApproved, ProposalRefused, ProposalShown, ProposalState, ProposalWithdrawn,
};

impl Operator {
    /// Carries out what somebody else has proposed, as the rules stand now.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn approve_proposal(&self, approve: ApproveProposal) -> Result<Outcome<ProposalApproved>, Error> {
        let call = call!(ApprovalServiceClient::approve_proposal);
        self.client.write(approve, to_approve, call, FromWire::read).await
    }

    /// Refuses what somebody else has proposed.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn refuse_proposal(&self, refuse: RefuseProposal) -> Result<Outcome<ProposalRefused>, Error> {
        let call = call!(ApprovalServiceClient::refuse_proposal);
        self.client.write(refuse, to_refuse, call, FromWire::read).await
    }

    /// Takes back what the caller itself has proposed.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn withdraw_proposal(&self, withdraw: WithdrawProposal) -> Result<Outcome<ProposalWithdrawn>, Error> {
        let call = call!(ApprovalServiceClient::withdraw_proposal);
        self.client.write(withdraw, to_withdraw, call, FromWire::read).await
    }

    /// What was proposed, the newest first: all of it, or what nobody has decided yet.
    pub fn proposals(&self, include_decided: bool) -> Pages<Proposal> {
        self.client.pages(
            move |page_token| v1::ListProposalsRequest { include_decided, page_size: PAGE_SIZE, page_token },
            call!(ApprovalServiceClient::list_proposals),
            |answer| Ok((each(answer.proposals)?, answer.next_page_token)),
        )
    }

    /// A proposal with what it would change now.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn proposal(&self, proposal_id: &str) -> Result<ProposalShown, Error> {
        let request = || v1::GetProposalRequest { proposal_id: proposal_id.to_owned() };
        self.client.read(request, call!(ApprovalServiceClient::get_proposal), FromWire::read).await
    }
}

/// Carries out what somebody else has proposed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct ApproveProposal {
    request_id: Option<RequestId>,
    proposal_id: String,
    proposal_hash: String,
}

impl ApproveProposal {
    /// This proposal, whose hash was shown with it.
    pub fn of(proposal_id: impl Into<String>, proposal_hash: impl Into<String>) -> Self {
        Self { request_id: None, proposal_id: proposal_id.into(), proposal_hash: proposal_hash.into() }
    }
}

/// Refuses what somebody else has proposed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct RefuseProposal {
    request_id: Option<RequestId>,
    proposal_id: String,
}

impl RefuseProposal {
    /// This proposal.
    pub fn of(proposal_id: impl Into<String>) -> Self {
        Self { request_id: None, proposal_id: proposal_id.into() }
    }
}

/// Takes back what the caller itself has proposed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct WithdrawProposal {
    request_id: Option<RequestId>,
    proposal_id: String,
}

impl WithdrawProposal {
    /// This proposal.
    pub fn of(proposal_id: impl Into<String>) -> Self {
        Self { request_id: None, proposal_id: proposal_id.into() }
    }
}

keyed!(ApproveProposal, RefuseProposal, WithdrawProposal);

fn to_approve(approve: &ApproveProposal) -> v1::ApproveProposalRequest {
    v1::ApproveProposalRequest {
        request_id: key(approve.request_id),
        proposal_id: approve.proposal_id.clone(),
        proposal_hash: approve.proposal_hash.clone(),
    }
}

fn to_refuse(refuse: &RefuseProposal) -> v1::RefuseProposalRequest {
    v1::RefuseProposalRequest { request_id: key(refuse.request_id), proposal_id: refuse.proposal_id.clone() }
}

fn to_withdraw(withdraw: &WithdrawProposal) -> v1::WithdrawProposalRequest {
    v1::WithdrawProposalRequest { request_id: key(withdraw.request_id), proposal_id: withdraw.proposal_id.clone() }
}

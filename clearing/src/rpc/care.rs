//! CareService: what the operator does to the points of members.

use std::collections::BTreeMap;

use clearing_core::chart::PointsAccount;
use clearing_core::command::Command;
use clearing_core::facts::answer::MemberReply;
use clearing_core::facts::entry::JournalEntry;
use clearing_core::rules::care::{ExtendExpiry, FreezeMember, ReinstatePoints, UnfreezeMember, WriteOffDebt};
use clearing_core::rules::decay::{DecayOfInactive, RunDecay};
use clearing_core::units::{MemberId, PartnerId, Points};
use clearing_proto::v1;
use clearing_proto::v1::care_service_server::CareService;
use tonic::{Request, Response, Status};
use tracing::info;

use crate::rpc::convert::{self, View};
use crate::rpc::written::{first_entry, from_figures, from_written, member_reply, or_proposed};
use crate::rpc::{Context, PAGE_SIZE_MAX, auth, errors, page_size};
use crate::scheduler::own_work;
use crate::writer::Written;

/// Members whose decay is asked of the writer at once: enough to fill a batch with, and few beside what tills ask for.
const DECAYS_AT_ONCE: usize = 64;

/// The service, in the house that it works for.
pub struct Service(pub Context);

#[tonic::async_trait]
impl CareService for Service {
    async fn run_decay(&self, request: Request<v1::RunDecayRequest>) -> Result<Response<v1::RunDecayResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let caller = asker.partner;
        let v1::RunDecayRequest { request_id, member, rate, period } = request.into_inner();
        let member = convert::member(member, &self.0.identifier_key)?;
        let rate = convert::rate("rate", &rate)?;
        let period = convert::word("period", &period)?;
        let written = self
            .0
            .ask(asker, &request_id, None, Command::RunDecay(RunDecay { member, rate, period, inactive_since: None }))
            .await?;
        or_proposed!(written, self.0, RunDecayResponse);
        let reply = member_reply(&written, caller, &self.0)?;
        Ok(Response::new(v1::RunDecayResponse {
            written: Some(from_written(&written, View::Whole, &self.0.opaque)),
            proposal_id: String::new(),
            member: Some(from_figures(reply)),
            decayed_points: -decayed(&written, reply),
            unfinished: goes_on(&written),
        }))
    }

    async fn decay_members(
        &self,
        request: Request<v1::DecayMembersRequest>,
    ) -> Result<Response<v1::DecayMembersResponse>, Status> {
        let own = auth::caller(&request)?;
        let caller = own.asker()?;
        let v1::DecayMembersRequest { rate: share, period, inactive_since_time, page_size: size, page_token } =
            request.into_inner();
        let rate = convert::rate("rate", &share)?;
        let period = convert::word("period", &period)?;
        let since = convert::moment("inactive_since_time", inactive_since_time)?;
        let limit = if size == 0 { PAGE_SIZE_MAX } else { page_size(size)? };
        let fields = [rate.decimal().to_string(), period.as_str().to_owned(), since.to_string()];
        let list = self.0.opaque.list(&own, "DecayMembers", &fields.each_ref().map(String::as_str));
        let after = list.place(&page_token)?.map(|place| convert::id("page_token", &place)).transpose()?;

        let decay = DecayOfInactive { rate, period: period.clone(), inactive_since: since };
        decay.check(self.0.clock.now()).map_err(|rejection| errors::refused(&rejection))?;
        let command = |member: MemberId| own_work(decay.of(member).into());

        let one_more = u32::try_from(limit + 1).expect("a page is small");
        let found = self.0.store.members_after(after.unwrap_or(MemberId(0)), one_more).await;
        let mut page = found.map_err(|error| errors::of_store(&error))?;
        let more = page.len() > limit;
        page.truncate(limit);
        let inactive: Vec<MemberId> =
            page.iter().filter(|member| decay.concerns(member)).map(|member| member.id).collect();

        let mut lost: BTreeMap<MemberId, i64> = BTreeMap::new();
        for some in inactive.chunks(DECAYS_AT_ONCE) {
            let mut asked = some.to_vec();
            while !asked.is_empty() {
                // They join the batches of the tills, and wait for room in the queue where a till would be turned away.
                let answers = self.0.writer.ask_all(asked.iter().copied().map(command).collect()).await;
                let mut again = Vec::new();
                for (member, written) in asked.into_iter().zip(answers) {
                    let written = written.map_err(|error| errors::of_write(&error))?;
                    let reply = member_reply(&written, PartnerId::operator(), &self.0)?;
                    *lost.entry(member).or_default() -= decayed(&written, reply);
                    if goes_on(&written) {
                        again.push(member);
                    }
                }
                asked = again;
            }
        }
        let decayed_members = lost.values().filter(|lost| **lost > 0).count();
        let last = page.last().filter(|_| more);
        let (action, members, decayed_points) = ("DecayMembers", page.len(), lost.values().sum::<i64>());
        let period = period.as_str();
        info!(action, caller = %caller, period, members, decayed_members, decayed_points, "an action of the operator");
        Ok(Response::new(v1::DecayMembersResponse {
            member_count: i64::try_from(page.len()).expect("a page is small"),
            decayed_member_count: i64::try_from(decayed_members).expect("a page is small"),
            decayed_points,
            next_page_token: last.map_or_else(String::new, |last| list.token(&last.id.to_string())),
        }))
    }

    async fn extend_expiry(
        &self,
        request: Request<v1::ExtendExpiryRequest>,
    ) -> Result<Response<v1::ExtendExpiryResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let caller = asker.partner;
        let v1::ExtendExpiryRequest { request_id, member, issuer_id, until_time, expire_time, reason_code } =
            request.into_inner();
        let member = convert::member(member, &self.0.identifier_key)?;
        let issuer: PartnerId = convert::id("issuer_id", &issuer_id)?;
        let until = convert::moment("until_time", until_time)?;
        let expires = convert::moment("expire_time", expire_time)?;
        let reason = convert::word("reason_code", &reason_code)?;
        let command = Command::ExtendExpiry(ExtendExpiry { member, issuer, until, expires, reason });
        let written = self.0.ask(asker, &request_id, None, command).await?;
        or_proposed!(written, self.0, ExtendExpiryResponse);
        let reply = member_reply(&written, caller, &self.0)?;
        Ok(Response::new(v1::ExtendExpiryResponse {
            written: Some(from_written(&written, View::Whole, &self.0.opaque)),
            proposal_id: String::new(),
            member: Some(from_figures(reply)),
        }))
    }

    async fn reinstate_points(
        &self,
        request: Request<v1::ReinstatePointsRequest>,
    ) -> Result<Response<v1::ReinstatePointsResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let caller = asker.partner;
        let v1::ReinstatePointsRequest { request_id, member, funder_id, points, expire_time, reason_code } =
            request.into_inner();
        let member = convert::member(member, &self.0.identifier_key)?;
        let funder: PartnerId = convert::id("funder_id", &funder_id)?;
        let expires = convert::moment_or_none("expire_time", expire_time)?;
        let reason = convert::word("reason_code", &reason_code)?;
        let command =
            Command::ReinstatePoints(ReinstatePoints { member, funder, points: Points(points), expires, reason });
        let written = self.0.ask(asker, &request_id, None, command).await?;
        or_proposed!(written, self.0, ReinstatePointsResponse);
        let reply = member_reply(&written, caller, &self.0)?;
        Ok(Response::new(v1::ReinstatePointsResponse {
            written: Some(from_written(&written, View::Whole, &self.0.opaque)),
            proposal_id: String::new(),
            member: Some(from_figures(reply)),
        }))
    }

    async fn write_off_debt(
        &self,
        request: Request<v1::WriteOffDebtRequest>,
    ) -> Result<Response<v1::WriteOffDebtResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let caller = asker.partner;
        let v1::WriteOffDebtRequest { request_id, member, creditor_id, points, reason_code } = request.into_inner();
        let member = convert::member(member, &self.0.identifier_key)?;
        let creditor: PartnerId = convert::id("creditor_id", &creditor_id)?;
        let reason = convert::word("reason_code", &reason_code)?;
        let command = Command::WriteOffDebt(WriteOffDebt { member, creditor, points: Points(points), reason });
        let written = self.0.ask(asker, &request_id, None, command).await?;
        or_proposed!(written, self.0, WriteOffDebtResponse);
        let reply = member_reply(&written, caller, &self.0)?;
        let entry = first_entry(&written)?;
        let given_up = entry.entry.points.iter().find(|posting| posting.account == PointsAccount::Debt(reply.member));
        Ok(Response::new(v1::WriteOffDebtResponse {
            written: Some(from_written(&written, View::Whole, &self.0.opaque)),
            proposal_id: String::new(),
            member: Some(from_figures(reply)),
            written_off_points: given_up.map_or(0, |posting| posting.points.0),
        }))
    }

    async fn freeze_member(
        &self,
        request: Request<v1::FreezeMemberRequest>,
    ) -> Result<Response<v1::FreezeMemberResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let caller = asker.partner;
        let v1::FreezeMemberRequest { request_id, member, reason_code, end_time } = request.into_inner();
        let member = convert::member(member, &self.0.identifier_key)?;
        let reason = convert::word("reason_code", &reason_code)?;
        let end = convert::moment_or_none("end_time", end_time)?;
        let written = self.0.ask(asker, &request_id, None, FreezeMember { member, reason, end }.into()).await?;
        or_proposed!(written, self.0, FreezeMemberResponse);
        let reply = member_reply(&written, caller, &self.0)?;
        Ok(Response::new(v1::FreezeMemberResponse {
            written: Some(from_written(&written, View::Whole, &self.0.opaque)),
            proposal_id: String::new(),
            member: Some(from_figures(reply)),
        }))
    }

    async fn unfreeze_member(
        &self,
        request: Request<v1::UnfreezeMemberRequest>,
    ) -> Result<Response<v1::UnfreezeMemberResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let caller = asker.partner;
        let v1::UnfreezeMemberRequest { request_id, member, reason_code } = request.into_inner();
        let member = convert::member(member, &self.0.identifier_key)?;
        let reason = (!reason_code.is_empty()).then(|| convert::word("reason_code", &reason_code)).transpose()?;
        let written = self.0.ask(asker, &request_id, None, UnfreezeMember { member, reason }.into()).await?;
        or_proposed!(written, self.0, UnfreezeMemberResponse);
        let reply = member_reply(&written, caller, &self.0)?;
        Ok(Response::new(v1::UnfreezeMemberResponse {
            written: Some(from_written(&written, View::Whole, &self.0.opaque)),
            proposal_id: String::new(),
            member: Some(from_figures(reply)),
        }))
    }
}

/// Whether a decay has not come to the end of the member's lots.
fn goes_on(written: &Written) -> bool {
    written.entries.iter().any(|entry| entry.entry.facts.decayed_to().is_some())
}

/// What the entries of a decay did to what the member can spend.
fn decayed(written: &Written, reply: &MemberReply) -> i64 {
    written.entries.iter().map(|entry| of_member(entry, reply).0).sum()
}

/// By how much an entry moved what the member of the answer can spend.
fn of_member(written: &JournalEntry, reply: &MemberReply) -> Points {
    let own = written.entry.points.iter().filter(|posting| posting.account == PointsAccount::Member(reply.member));
    Points(own.map(|posting| posting.points.0).sum())
}

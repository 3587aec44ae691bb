//! PointsService: what tills and apps ask for.

use std::collections::BTreeSet;
use std::pin::Pin;

use clearing_core::abandon::AbandonRequest;
use clearing_core::book::Book;
use clearing_core::command::{Accepted, Earn, MemberRef, MemberReply, Reply, Request as Wish};
use clearing_core::hold::{AuthorizeRedemption, CaptureHold, VoidHold};
use clearing_core::journal::{Code, Entry, EntryKind, JournalEntry, Origin};
use clearing_core::member::Member;
use clearing_core::operation::Command;
use clearing_core::points::Quote;
use clearing_core::points::{IssuePoints, RedeemPoints, ReturnRedemption};
use clearing_core::purchase::{PostPurchase, ReturnPurchase};
use clearing_core::rejection::Rejection;
use clearing_core::reversal::ReverseIssue;
use clearing_core::terms::Terms;
use clearing_core::transfer::TransferPoints;
use clearing_core::units::{EntryId, MemberId, Money, PartnerId, Points, RequestId, Timestamp};
use clearing_proto::v1;
use clearing_proto::v1::points_service_server::PointsService;
use futures::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

use crate::clock;
use crate::rpc::convert::{self, AcceptorMoney, DaySought, Following, View};
use crate::rpc::{BATCH_ITEMS_MAX, Context, auth, bounds, errors, page_size};
use crate::store::EntryFilter;
use crate::writer::{WriteError, Written};

/// See the module.
pub struct Service(pub Context);

type IssueStream = Pin<Box<dyn Stream<Item = Result<v1::StreamIssuePointsResponse, Status>> + Send>>;

#[tonic::async_trait]
impl PointsService for Service {
    type StreamIssuePointsStream = IssueStream;

    async fn issue_points(
        &self,
        request: Request<v1::IssuePointsRequest>,
    ) -> Result<Response<v1::IssuePointsResponse>, Status> {
        let caller = auth::caller(&request)?.partner()?;
        let wish = self.issue_wish(caller, request.into_inner())?;
        let written = self.0.writer.ask(wish).await.map_err(|error| errors::of_write(&error))?;
        issue_response(caller, &written).map(Response::new)
    }

    async fn batch_issue_points(
        &self,
        request: Request<v1::BatchIssuePointsRequest>,
    ) -> Result<Response<v1::BatchIssuePointsResponse>, Status> {
        let caller = auth::caller(&request)?.partner()?;
        let results = self.issue_all(caller, request.into_inner().items, Full::Refuses).await?;
        Ok(Response::new(v1::BatchIssuePointsResponse { results }))
    }

    async fn stream_issue_points(
        &self,
        request: Request<Streaming<v1::StreamIssuePointsRequest>>,
    ) -> Result<Response<IssueStream>, Status> {
        let caller = auth::caller(&request)?.partner()?;
        let service = Self(self.0.clone());
        // One batch at a time: a caller that does not read its answers is not read from either.
        let answers = request.into_inner().then(move |batch| {
            let service = Self(service.0.clone());
            async move {
                let v1::StreamIssuePointsRequest { batch_number, items } = batch?;
                let results = service.issue_all(caller, items, Full::Waits).await?;
                Ok(v1::StreamIssuePointsResponse { batch_number, results })
            }
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn quote_redemption(
        &self,
        request: Request<v1::QuoteRedemptionRequest>,
    ) -> Result<Response<v1::QuoteRedemptionResponse>, Status> {
        let caller = auth::caller(&request)?.partner()?;
        let v1::QuoteRedemptionRequest { member, points, amount, earn_points } = request.into_inner();
        let member = convert::member(member, &self.0.identifier_key)?;
        let (house, now) = (self.0.house(), self.0.clock.now());
        let terms = house.partner(caller).map_err(|rejection| errors::refused(&rejection))?.terms_at(now);
        let wanted = match &amount {
            Some(_) if points != 0 => return Err(errors::invalid("amount", "give points or an amount, not both")),
            Some(amount) => convert::quoted_amount(amount, terms, &house.coalition)?,
            None => Points(points).of_operation().map_err(|problem| errors::invalid("points", problem))?,
        };
        if earn_points != 0 {
            Points(earn_points).of_operation().map_err(|problem| errors::invalid("earn_points", problem))?;
        }
        let book = self.member_book(member, Some(wanted), now).await?;
        let quote = Asked { caller, member, wanted, earn: Points(earn_points), now }.quote(book, terms);
        let quote = quote.map_err(|rejection| errors::refused(&rejection))?;
        let payable_points = if amount.is_some() { wanted.0 } else { 0 };
        Ok(Response::new(v1::QuoteRedemptionResponse { payable_points, ..quote }))
    }

    async fn redeem_points(
        &self,
        request: Request<v1::RedeemPointsRequest>,
    ) -> Result<Response<v1::RedeemPointsResponse>, Status> {
        let caller = auth::caller(&request)?.partner()?;
        let v1::RedeemPointsRequest { request_id, member, points, origin } = request.into_inner();
        let member = convert::member(member, &self.0.identifier_key)?;
        let command = Command::RedeemPoints(RedeemPoints { member, points: Points(points) });
        let written = self.ask(caller, &request_id, origin, command).await?;
        let (replayed, reply) = member_reply(&written)?;
        let entry = accepted_entry(&written)?;
        let money = convert::acceptor_money(caller, &entry.entry);
        let coalition = &written.house.coalition;
        Ok(Response::new(v1::RedeemPointsResponse {
            entry: Some(answer_entry(caller, entry, &written)),
            member_id: reply.member.to_string(),
            available_points: reply.available.0,
            fee: convert::from_money(money.fee, coalition),
            acceptor_credit: convert::from_money(money.credit, coalition),
            next_expiry: convert::from_next_expiry(reply.next_expiry),
            replayed,
            held_points: reply.held.0,
            pending_points: reply.pending.0,
            owed_points: reply.owed.0,
        }))
    }

    async fn authorize_redemption(
        &self,
        request: Request<v1::AuthorizeRedemptionRequest>,
    ) -> Result<Response<v1::AuthorizeRedemptionResponse>, Status> {
        let caller = auth::caller(&request)?.partner()?;
        let v1::AuthorizeRedemptionRequest { request_id, member, points, lapse_time, origin } = request.into_inner();
        let member = convert::member(member, &self.0.identifier_key)?;
        let lapses = convert::moment("lapse_time", lapse_time)?;
        let command = Command::AuthorizeRedemption(AuthorizeRedemption { member, points: Points(points), lapses });
        let written = self.ask(caller, &request_id, origin, command).await?;
        let (replayed, reply) = member_reply(&written)?;
        let entry = accepted_entry(&written)?;
        Ok(Response::new(v1::AuthorizeRedemptionResponse {
            entry: Some(answer_entry(caller, entry, &written)),
            hold_id: entry.id.to_string(),
            member_id: reply.member.to_string(),
            available_points: reply.available.0,
            next_expiry: convert::from_next_expiry(reply.next_expiry),
            replayed,
            held_points: reply.held.0,
            pending_points: reply.pending.0,
            owed_points: reply.owed.0,
        }))
    }

    async fn capture_hold(
        &self,
        request: Request<v1::CaptureHoldRequest>,
    ) -> Result<Response<v1::CaptureHoldResponse>, Status> {
        let caller = auth::caller(&request)?.partner()?;
        let v1::CaptureHoldRequest { request_id, hold_id, points, origin } = request.into_inner();
        let hold: EntryId = convert::id("hold_id", &hold_id)?;
        let command = Command::CaptureHold(CaptureHold { hold, points: Points(points) });
        let written = self.ask(caller, &request_id, origin, command).await?;
        let (replayed, reply) = member_reply(&written)?;
        let entry = accepted_entry(&written)?;
        let money = convert::acceptor_money(caller, &entry.entry);
        let coalition = &written.house.coalition;
        let following = follow(caller, &written);
        Ok(Response::new(v1::CaptureHoldResponse {
            entry: Some(answer_entry(caller, entry, &written)),
            member_id: reply.member.to_string(),
            available_points: reply.available.0,
            fee: convert::from_money(money.fee, coalition),
            acceptor_credit: convert::from_money(money.credit, coalition),
            released_points: released(&entry.entry).0,
            next_expiry: convert::from_next_expiry(reply.next_expiry),
            replayed,
            held_points: reply.held.0,
            pending_points: reply.pending.0,
            owed_points: reply.owed.0,
            recovered_points: following.recovered.0,
            following_entries: following.entries,
        }))
    }

    async fn void_hold(&self, request: Request<v1::VoidHoldRequest>) -> Result<Response<v1::VoidHoldResponse>, Status> {
        let caller = auth::caller(&request)?.partner()?;
        let v1::VoidHoldRequest { request_id, hold_id, origin } = request.into_inner();
        let hold: EntryId = convert::id("hold_id", &hold_id)?;
        let written = self.ask(caller, &request_id, origin, Command::VoidHold(VoidHold { hold })).await?;
        let (replayed, reply) = member_reply(&written)?;
        let entry = accepted_entry(&written)?;
        let following = follow(caller, &written);
        Ok(Response::new(v1::VoidHoldResponse {
            entry: Some(answer_entry(caller, entry, &written)),
            member_id: reply.member.to_string(),
            available_points: reply.available.0,
            released_points: released(&entry.entry).0,
            next_expiry: convert::from_next_expiry(reply.next_expiry),
            replayed,
            held_points: reply.held.0,
            pending_points: reply.pending.0,
            owed_points: reply.owed.0,
            recovered_points: following.recovered.0,
            following_entries: following.entries,
        }))
    }

    async fn get_hold(&self, request: Request<v1::GetHoldRequest>) -> Result<Response<v1::GetHoldResponse>, Status> {
        let caller = auth::caller(&request)?.partner()?;
        let text = request.into_inner().hold_id;
        let id: EntryId = convert::id("hold_id", &text)?;
        let unknown = || errors::not_found("hold", &text);
        let hold = self.0.store.hold(id).await.map_err(|error| errors::of_store(&error))?;
        // What another partner holds does not exist for the caller.
        let hold = hold.filter(|hold| hold.acceptor == caller).ok_or_else(unknown)?;
        let made = self.0.store.entry(id).await.map_err(|error| errors::of_store(&error))?.ok_or_else(unknown)?;
        let hold = convert::from_hold(&hold, &made, self.0.clock.now(), &self.0.house());
        Ok(Response::new(v1::GetHoldResponse { hold: Some(hold) }))
    }

    async fn return_redemption(
        &self,
        request: Request<v1::ReturnRedemptionRequest>,
    ) -> Result<Response<v1::ReturnRedemptionResponse>, Status> {
        let caller = auth::caller(&request)?.partner()?;
        let v1::ReturnRedemptionRequest { request_id, redemption_entry_id, points, origin } = request.into_inner();
        let redemption: EntryId = convert::id("redemption_entry_id", &redemption_entry_id)?;
        let command = Command::ReturnRedemption(ReturnRedemption { redemption, points: Points(points) });
        let written = self.ask(caller, &request_id, origin, command).await?;
        let (replayed, reply) = member_reply(&written)?;
        let entry = accepted_entry(&written)?;
        let money = convert::acceptor_money(caller, &entry.entry);
        let coalition = &written.house.coalition;
        let following = follow(caller, &written);
        Ok(Response::new(v1::ReturnRedemptionResponse {
            entry: Some(answer_entry(caller, entry, &written)),
            member_id: reply.member.to_string(),
            available_points: reply.available.0,
            fee_refund: convert::from_money(opposite(money.fee), coalition),
            acceptor_debit: convert::from_money(opposite(money.credit), coalition),
            returnable_points: reply.returnable.0,
            next_expiry: convert::from_next_expiry(reply.next_expiry),
            replayed,
            held_points: reply.held.0,
            pending_points: reply.pending.0,
            owed_points: reply.owed.0,
            recovered_points: following.recovered.0,
            following_entries: following.entries,
        }))
    }

    async fn reverse_issue(
        &self,
        request: Request<v1::ReverseIssueRequest>,
    ) -> Result<Response<v1::ReverseIssueResponse>, Status> {
        let caller = auth::caller(&request)?.partner()?;
        let v1::ReverseIssueRequest { request_id, points, refuse_shortfall, origin, target } = request.into_inner();
        let target = convert::reversal_target(target, caller, &self.0.identifier_key)?;
        let command = Command::ReverseIssue(ReverseIssue { target, points: Points(points), refuse_shortfall });
        let written = self.ask(caller, &request_id, origin, command).await?;
        let (replayed, reply) = member_reply(&written)?;
        let done = reply.reversed.unwrap_or_default();
        let following = follow(caller, &written);
        let reversals = written.entries.iter().filter(|written| written.entry.kind == EntryKind::Reverse);
        Ok(Response::new(v1::ReverseIssueResponse {
            entries: reversals.map(|entry| answer_entry(caller, entry, &written)).collect(),
            member_id: reply.member.to_string(),
            taken_back_points: done.taken_back.0,
            written_off_points: done.written_off.0,
            debt_points: done.debt.0,
            available_points: reply.available.0,
            next_expiry: convert::from_next_expiry(reply.next_expiry),
            replayed,
            held_points: reply.held.0,
            pending_points: reply.pending.0,
            owed_points: reply.owed.0,
            recovered_points: following.recovered.0,
            following_entries: following.entries,
        }))
    }

    async fn post_purchase(
        &self,
        request: Request<v1::PostPurchaseRequest>,
    ) -> Result<Response<v1::PostPurchaseResponse>, Status> {
        let caller = auth::caller(&request)?.partner()?;
        let v1::PostPurchaseRequest { request_id, member, spend, earn, origin } = request.into_inner();
        let member = convert::member(member, &self.0.identifier_key)?;
        let spend = spend.map(convert::spend).transpose()?;
        let earn = earn.map(convert::purchase_earn).transpose()?;
        let earned = earn.as_ref().map_or(0, |earn| earn.points.0);
        let written =
            self.ask(caller, &request_id, origin, Command::PostPurchase(PostPurchase { member, spend, earn })).await?;
        let (replayed, reply) = member_reply(&written)?;
        let spent = of_kind(&written, EntryKind::is_redemption);
        let money = spent.map_or(AcceptorMoney::NONE, |spent| convert::acceptor_money(caller, &spent.entry));
        let issue = of_kind(&written, |kind| kind == EntryKind::Issue);
        let coalition = &written.house.coalition;
        let following = follow(caller, &written);
        Ok(Response::new(v1::PostPurchaseResponse {
            spend_entry: spent.map(|entry| answer_entry(caller, entry, &written)),
            earn_entry: issue.map(|entry| answer_entry(caller, entry, &written)),
            member_id: reply.member.to_string(),
            spent_points: taken(spent).0,
            earned_points: earned,
            available_points: reply.available.0,
            fee: convert::from_money(money.fee, coalition),
            acceptor_credit: convert::from_money(money.credit, coalition),
            released_points: spent.map_or(0, |spent| released(&spent.entry).0),
            next_expiry: convert::from_next_expiry(reply.next_expiry),
            replayed,
            held_points: reply.held.0,
            pending_points: reply.pending.0,
            owed_points: reply.owed.0,
            recovered_points: following.recovered.0,
            following_entries: following.entries,
        }))
    }

    async fn return_purchase(
        &self,
        request: Request<v1::ReturnPurchaseRequest>,
    ) -> Result<Response<v1::ReturnPurchaseResponse>, Status> {
        let caller = auth::caller(&request)?.partner()?;
        let wire = request.into_inner();
        let entry = |field: &str, text: &str| match text {
            "" => Ok(None),
            text => convert::id::<EntryId>(field, text).map(Some),
        };
        let redemption = entry("redemption_entry_id", &wire.redemption_entry_id)?;
        let issue = entry("issue_entry_id", &wire.issue_entry_id)?;
        let house = self.0.house();
        let amount = |field: &str, money: Option<v1::Money>| {
            let money = money.ok_or_else(|| errors::invalid(field, "is missing"))?;
            convert::money(field, &money, &house.coalition)
        };
        let total = amount("receipt_total", wire.receipt_total)?;
        let returned = amount("returned_amount", wire.returned_amount)?;
        if returned.0 <= 0 || returned > total {
            let (returned, total) = (house.coalition.money_text(returned), house.coalition.money_text(total));
            let problem = format!("{returned} is not above zero and up to the receipt's total of {total}");
            return Err(errors::invalid("returned_amount", problem));
        }
        let command = Command::ReturnPurchase(ReturnPurchase { redemption, issue, amount: returned, total });
        let written = self.ask(caller, &wire.request_id, wire.origin, command).await?;
        let (replayed, reply) = member_reply(&written)?;
        let returned = of_kind(&written, |kind| kind == EntryKind::Return);
        let reversed = of_kind(&written, |kind| kind == EntryKind::Reverse);
        let money = returned.map_or(AcceptorMoney::NONE, |entry| convert::acceptor_money(caller, &entry.entry));
        let done = reply.reversed.unwrap_or_default();
        let coalition = &written.house.coalition;
        let following = follow(caller, &written);
        Ok(Response::new(v1::ReturnPurchaseResponse {
            return_entry: returned.map(|entry| answer_entry(caller, entry, &written)),
            reverse_entry: reversed.map(|entry| answer_entry(caller, entry, &written)),
            member_id: reply.member.to_string(),
            returned_points: -taken(returned).0,
            taken_back_points: done.taken_back.0,
            written_off_points: done.written_off.0,
            debt_points: done.debt.0,
            returnable_points: reply.returnable.0,
            available_points: reply.available.0,
            fee_refund: convert::from_money(opposite(money.fee), coalition),
            acceptor_debit: convert::from_money(opposite(money.credit), coalition),
            next_expiry: convert::from_next_expiry(reply.next_expiry),
            replayed,
            held_points: reply.held.0,
            pending_points: reply.pending.0,
            owed_points: reply.owed.0,
            recovered_points: following.recovered.0,
            following_entries: following.entries,
        }))
    }

    async fn transfer_points(
        &self,
        request: Request<v1::TransferPointsRequest>,
    ) -> Result<Response<v1::TransferPointsResponse>, Status> {
        let caller = auth::caller(&request)?.partner()?;
        let v1::TransferPointsRequest { request_id, member, to_member, points, origin, enrol_receiver } =
            request.into_inner();
        let member = convert::member(member, &self.0.identifier_key)?;
        let to = convert::member_in("to_member", to_member, &self.0.identifier_key)?;
        let command = Command::TransferPoints(TransferPoints { member, to, points: Points(points), enrol_receiver });
        let written = self.ask(caller, &request_id, origin, command).await?;
        let (replayed, reply) = member_reply(&written)?;
        let entry = accepted_entry(&written)?;
        let receiver = entry.entry.lots.iter().find(|moved| moved.birth.is_some()).map(|moved| moved.lot.member);
        let following = follow(caller, &written);
        Ok(Response::new(v1::TransferPointsResponse {
            entry: Some(answer_entry(caller, entry, &written)),
            member_id: reply.member.to_string(),
            to_member_id: receiver.map_or_else(String::new, |member| member.to_string()),
            available_points: reply.available.0,
            next_expiry: convert::from_next_expiry(reply.next_expiry),
            replayed,
            held_points: reply.held.0,
            pending_points: reply.pending.0,
            owed_points: reply.owed.0,
            recovered_points: following.recovered.0,
            following_entries: following.entries,
        }))
    }

    async fn abandon_request(
        &self,
        request: Request<v1::AbandonRequestRequest>,
    ) -> Result<Response<v1::AbandonRequestResponse>, Status> {
        let caller = auth::caller(&request)?.partner()?;
        let v1::AbandonRequestRequest { request_id, abandoned_request_id, origin } = request.into_inner();
        let abandoned: RequestId = convert::id("abandoned_request_id", &abandoned_request_id)?;
        let written = self
            .ask(caller, &request_id, origin, Command::AbandonRequest(AbandonRequest { request: abandoned }))
            .await?;
        let accepted = accepted(&written)?;
        let outcome = match &accepted.reply {
            Reply::Abandoned(outcome) => convert::abandon_outcome(*outcome),
            Reply::Member(_) | Reply::House(_) => return Err(errors::of_write(&WriteError::Internal)),
        };
        let entries = written.entries.iter().filter(|entry| entry.entry.parties().contains(&caller));
        let entries = entries.map(|entry| convert::from_written(entry, View::Part(caller), &written.house));
        Ok(Response::new(v1::AbandonRequestResponse {
            outcome: outcome.into(),
            entries: bounds::beside(entries),
            replayed: written.answer.replayed,
        }))
    }

    async fn get_balance(
        &self,
        request: Request<v1::GetBalanceRequest>,
    ) -> Result<Response<v1::GetBalanceResponse>, Status> {
        auth::caller(&request)?.partner()?;
        let member = convert::member(request.into_inner().member, &self.0.identifier_key)?;
        let now = self.0.clock.now();
        let mut book = self.member_book(member, None, now).await?;
        let id = book.find_member(member).map_err(|rejection| errors::refused(&rejection))?;
        // On a copy that nobody saves: the job or the member's next command posts it.
        book.run_due(id, now);
        let known = book.members.get(&id);
        let sum = |points: fn(&Member) -> Points| known.map_or(0, |member| points(member).0);
        Ok(Response::new(v1::GetBalanceResponse {
            member_id: id.to_string(),
            available_points: book.spendable(id, now).0,
            held_points: sum(Member::held),
            pending_points: sum(Member::pending),
            next_expiry: convert::from_next_expiry(book.next_expiry(id, now)),
            owed_points: sum(Member::owed),
        }))
    }

    async fn get_entry(&self, request: Request<v1::GetEntryRequest>) -> Result<Response<v1::GetEntryResponse>, Status> {
        use v1::get_entry_request::Key;
        let caller = auth::caller(&request)?.partner()?;
        let (name, id) = match request.into_inner().key {
            None => return Err(errors::invalid("key", "give an entry_id or a request_id")),
            Some(Key::EntryId(text)) => (text.clone(), Some(convert::id("entry_id", &text)?)),
            Some(Key::RequestId(text)) => {
                let request: RequestId = convert::id("request_id", &text)?;
                let entry = self.0.store.entry_of_request(caller, request).await;
                (text, entry.map_err(|error| errors::of_store(&error))?)
            }
        };
        let unknown = || errors::not_found("entry", &name);
        let found = self.0.store.entry(id.ok_or_else(unknown)?).await.map_err(|error| errors::of_store(&error))?;
        // What the caller has no part in does not exist for it.
        let found = found.filter(|found| found.entry.parties().contains(&caller)).ok_or_else(unknown)?;
        let entry = convert::from_written(&found, View::Part(caller), &self.0.house());
        Ok(Response::new(v1::GetEntryResponse { entry: Some(entry) }))
    }

    async fn list_entries(
        &self,
        request: Request<v1::ListEntriesRequest>,
    ) -> Result<Response<v1::ListEntriesResponse>, Status> {
        let caller = auth::caller(&request)?.partner()?;
        let wire = request.into_inner();
        let limit = page_size(wire.page_size)?;
        let filter: EntryFilter = convert::entry_filter(wire, &self.0.identifier_key)?;
        let found = self.0.store.entries_of(caller, &filter, limit + 1).await;
        let found = found.map_err(|error| errors::of_store(&error))?;
        let house = self.0.house();
        let rows = found.iter().map(|entry| convert::from_written(entry, View::Part(caller), &house));
        let (entries, more) = bounds::page(rows, limit);
        let next_page_token =
            entries.last().filter(|_| more).map_or_else(String::new, |last| last.sequence.to_string());
        Ok(Response::new(v1::ListEntriesResponse { entries, next_page_token }))
    }

    async fn find_receipt(
        &self,
        request: Request<v1::FindReceiptRequest>,
    ) -> Result<Response<v1::FindReceiptResponse>, Status> {
        let caller = auth::caller(&request)?.partner()?;
        let wire = request.into_inner();
        let sought = DaySought::of(&wire.store, &wire.till, &wire.business_date)?;
        let number = convert::receipt_or_none("receipt_number", &wire.receipt_number)?
            .ok_or_else(|| errors::invalid("receipt_number", "is missing"))?;
        let limit = page_size(wire.page_size)?;
        let list = ["FindReceipt", &wire.store, &wire.till, &wire.receipt_number, &wire.business_date];
        let before = convert::page_numbers(&list, &wire.page_token)?.map(|[before]| before);
        let (found, next) = self.receipt_entries(caller, &sought, number, before, limit).await?;
        let house = self.0.house();
        let rows = found.iter().map(|entry| convert::from_written(entry, View::Part(caller), &house));
        let (entries, more) = bounds::page(rows, limit);
        let next = if more { entries.last().map(|last| last.sequence) } else { next };
        let next_page_token = next.map_or_else(String::new, |next| convert::page_token(&list, &next.to_string()));
        Ok(Response::new(v1::FindReceiptResponse { entries, next_page_token }))
    }

    async fn reconcile_day(
        &self,
        request: Request<v1::ReconcileDayRequest>,
    ) -> Result<Response<v1::ReconcileDayResponse>, Status> {
        let caller = auth::caller(&request)?.partner()?;
        let v1::ReconcileDayRequest { store, till, business_date, counted } = request.into_inner();
        let sought = DaySought::of(&store, &till, &business_date)?;
        if sought.store.is_none() {
            return Err(errors::invalid("store", "is missing"));
        }
        let counted = convert::counted_day(counted)?;
        let booked = self.booked_day(caller, sought).await?;
        Ok(Response::new(convert::day_answer(counted, booked)))
    }

    async fn list_expiry_notices(
        &self,
        request: Request<v1::ListExpiryNoticesRequest>,
    ) -> Result<Response<v1::ListExpiryNoticesResponse>, Status> {
        let caller = auth::caller(&request)?.partner()?;
        let v1::ListExpiryNoticesRequest { day, page_size: size, page_token } = request.into_inner();
        let page = self.0.notices(["ListExpiryNotices", &day], Some(caller), size, &page_token).await?;
        let convert::NoticesPage { notices, next_page_token, day } = page;
        Ok(Response::new(v1::ListExpiryNoticesResponse { notices, next_page_token, day }))
    }
}

/// Entries that are looked through at once for a receipt or a day.
const LOOKED_THROUGH: usize = 1000;
/// How often one call looks through so many for a receipt before it gives what it has, and a token to go on.
const LOOKS_MAX: usize = 20;
/// Entries of a day that one call sums at the most.
const DAY_ENTRIES_MAX: usize = 100_000;
/// So long before the first moment of its business date a receipt may be booked: a trading day's grace on either side.
const EARLY_DAYS: i64 = 2;

/// What a quote is asked for.
struct Asked {
    caller: PartnerId,
    member: MemberRef,
    wanted: Points,
    earn: Points,
    now: Timestamp,
}

impl Asked {
    /// The quote, from a copy of the member's part of the ledger: what the redemption and then the issue would do is
    /// found out by doing them on it.
    fn quote(&self, mut book: Book, terms: &Terms) -> Result<v1::QuoteRedemptionResponse, Rejection> {
        let (caller, member, now) = (self.caller, self.member, self.now);
        let id = book.find_member(member)?;
        book.run_due(id, now);
        let available = book.spendable(id, now);
        let quote = match book.quote(caller, member, self.wanted, now) {
            // Too few: what could be taken instead.
            Err(
                Rejection::InsufficientPoints { available: reachable, .. }
                | Rejection::TooManyLots { reachable, .. }
                | Rejection::NetDebitCap { reachable, .. },
            ) if reachable > 0 => book.quote(caller, member, Points(reachable), now)?,
            Err(
                Rejection::InsufficientPoints { .. } | Rejection::TooManyLots { .. } | Rejection::NetDebitCap { .. },
            ) => nothing_of(terms),
            Ok(_) if self.wanted.is_zero() => nothing_of(terms),
            quote => quote?,
        };
        let active = book.members.get(&id).and_then(|member| member.record.active).unwrap_or(now);
        let (held, pending, owed) = book
            .members
            .get(&id)
            .map_or_else(Default::default, |member| (member.held(), member.pending(), member.owed()));
        let coalition = book.house.coalition.clone();
        let answer = convert::from_quote(id, &quote, caller, active, terms, &coalition)?;
        let mut left = available;
        let mut next_expiry = book.next_expiry(id, now);
        if answer.points > 0 {
            let redeemed =
                self.try_out(&mut book, Command::RedeemPoints(RedeemPoints { member, points: Points(answer.points) }))?;
            (left, next_expiry) = (redeemed.available, redeemed.next_expiry);
        }
        let earn = (self.earn.0 > 0).then(|| {
            let issued =
                self.try_out(&mut book, Command::IssuePoints(IssuePoints { member, earn: Earn::points(self.earn) }));
            let expires = terms.expiry.expires(now, &coalition.time_zone);
            v1::EarnPreview {
                points: self.earn.0,
                expires_time: convert::from_expiry(expires, now, &coalition),
                available_points: issued.as_ref().map_or(left, |issued| issued.available).0,
                refusal_reason: issued.err().map_or_else(String::new, |rejection| rejection.reason().to_owned()),
            }
        });
        Ok(v1::QuoteRedemptionResponse {
            available_points: available.0,
            points_missing: self.wanted.0 - answer.points,
            points_left: left.0,
            next_expiry: convert::from_next_expiry(next_expiry),
            earn,
            held_points: held.0,
            pending_points: pending.0,
            owed_points: owed.0,
            ..answer
        })
    }

    fn try_out(&self, book: &mut Book, command: Command) -> Result<MemberReply, Rejection> {
        let wish = Wish {
            caller: self.caller,
            request_id: None,
            origin: Origin::default(),
            command,
            fresh_member: MemberId(clock::fresh_uuid()),
            fresh_salt: clock::random_bytes(),
            attachment: None,
        };
        match book.execute(&wish, self.now).result?.reply {
            Reply::Member(reply) => Ok(reply),
            Reply::Abandoned(_) | Reply::House(_) => {
                unreachable!("commands on points answer with the member's figures")
            }
        }
    }
}

/// A quote of no points at all.
fn nothing_of(terms: &Terms) -> Quote {
    Quote {
        parts: Vec::new(),
        passed_over: BTreeSet::new(),
        fee: Money::ZERO,
        reimbursement: Money::ZERO,
        fee_bearer: terms.fee_bearer,
    }
}

impl Service {
    /// At most `limit` entries of the caller that were booked with a receipt, newest first, and where to go on.
    async fn receipt_entries(
        &self,
        caller: PartnerId,
        sought: &DaySought,
        number: Code,
        before: Option<i64>,
        limit: usize,
    ) -> Result<(Vec<JournalEntry>, Option<i64>), Status> {
        let house = self.0.house();
        let zone = &house.coalition.time_zone;
        let day = sought.date.to_jiff();
        let begins = day.to_zoned(zone.clone()).map(|midnight| Timestamp::from_jiff(midnight.timestamp()));
        let earliest = begins.map_err(|problem| errors::invalid("business_date", problem))?.plus_days(-EARLY_DAYS);
        let of_day = |entry: &Entry| match entry.origin.business_date {
            Some(date) => date == sought.date,
            None => entry.time.to_jiff().to_zoned(zone.clone()).date() == day,
        };
        let mut filter = EntryFilter {
            store: sought.store.clone(),
            till: sought.till.clone(),
            receipt_number: Some(number),
            business_date: None,
            member: None,
            window: None,
            before_sequence: before,
        };
        let mut page: Vec<JournalEntry> = Vec::new();
        for _ in 0..LOOKS_MAX {
            let found = self.0.store.entries_of(caller, &filter, LOOKED_THROUGH).await;
            let found = found.map_err(|error| errors::of_store(&error))?;
            let last = found.len() < LOOKED_THROUGH;
            for entry in found {
                // Newest first: what follows was booked before the day.
                if entry.entry.time < earliest {
                    return Ok((page, None));
                }
                if page.len() == limit {
                    return Ok((page, filter.before_sequence));
                }
                filter.before_sequence = Some(entry.sequence);
                if of_day(&entry.entry) {
                    page.push(entry);
                }
            }
            if last {
                return Ok((page, None));
            }
        }
        Ok((page, filter.before_sequence))
    }

    /// What the house has booked of a day.
    async fn booked_day(&self, caller: PartnerId, sought: DaySought) -> Result<v1::DayTotals, Status> {
        let mut filter = EntryFilter {
            store: sought.store,
            till: sought.till,
            receipt_number: None,
            business_date: Some(sought.date),
            member: None,
            window: None,
            before_sequence: None,
        };
        let mut day = v1::DayTotals::default();
        let mut seen = 0;
        loop {
            let found = self.0.store.entries_of(caller, &filter, LOOKED_THROUGH).await;
            let found = found.map_err(|error| errors::of_store(&error))?;
            let requests: Vec<RequestId> = found.iter().filter_map(|entry| entry.entry.request_id).collect();
            let abandoned = self.0.store.abandoned_requests(caller, &requests).await;
            let abandoned = abandoned.map_err(|error| errors::of_store(&error))?;
            let stands = |entry: &&JournalEntry| entry.entry.request_id.is_none_or(|id| !abandoned.contains(&id));
            for entry in found.iter().filter(stands) {
                convert::add_to_day(&mut day, &entry.entry);
            }
            seen += found.len();
            match found.last() {
                Some(last) if found.len() == LOOKED_THROUGH => filter.before_sequence = Some(last.sequence),
                Some(_) | None => return Ok(day),
            }
            if seen >= DAY_ENTRIES_MAX {
                let problem = format!("the day has more than {DAY_ENTRIES_MAX} entries: ask till by till");
                return Err(errors::invalid("till", problem));
            }
        }
    }

    /// The part of the ledger that a member's balance and a quote of so many points are read from.
    async fn member_book(&self, member: MemberRef, points: Option<Points>, now: Timestamp) -> Result<Book, Status> {
        let read = async {
            let mut snapshot = self.0.store.snapshot().await?;
            let book = snapshot.member(member, points, now).await?;
            snapshot.finish().await?;
            Ok(book)
        };
        read.await.map_err(|error| errors::of_store(&error))
    }

    async fn ask(
        &self,
        caller: PartnerId,
        request_id: &str,
        origin: Option<v1::Origin>,
        command: Command,
    ) -> Result<Written, Status> {
        let wish = self.wish(caller, request_id, origin, command)?;
        self.0.writer.ask(wish).await.map_err(|error| errors::of_write(&error))
    }

    fn wish(
        &self,
        caller: PartnerId,
        request_id: &str,
        origin: Option<v1::Origin>,
        command: Command,
    ) -> Result<Wish, Status> {
        let request_id = convert::request_id(request_id)?;
        let house = self.0.house();
        let key = &self.0.identifier_key;
        let (origin, attachment) = convert::origin(origin, caller, request_id, key, &house.coalition)?;
        let (fresh_member, fresh_salt) = (MemberId(clock::fresh_uuid()), clock::random_bytes());
        let wish = Wish { caller, request_id: Some(request_id), origin, command, fresh_member, fresh_salt, attachment };
        // What the message alone tells is told before it takes a place in the queue.
        wish.validate().map_err(|rejection| errors::refused(&rejection))?;
        Ok(wish)
    }

    fn issue_wish(&self, caller: PartnerId, wire: v1::IssuePointsRequest) -> Result<Wish, Status> {
        let v1::IssuePointsRequest { request_id, member, points, expires_time, origin, activate_time, funders } = wire;
        let member = convert::member(member, &self.0.identifier_key)?;
        let earn = convert::earn(points, expires_time, activate_time, funders)?;
        self.wish(caller, &request_id, origin, Command::IssuePoints(IssuePoints { member, earn }))
    }

    /// Issues a batch; one bad item fails alone.
    async fn issue_all(
        &self,
        caller: PartnerId,
        items: Vec<v1::IssuePointsRequest>,
        full: Full,
    ) -> Result<Vec<v1::IssueResult>, Status> {
        if items.is_empty() || items.len() > BATCH_ITEMS_MAX {
            let problem = format!("{} items; a batch has 1 to {BATCH_ITEMS_MAX}", items.len());
            return Err(errors::invalid("items", problem));
        }
        let (mut good, mut read) = (Vec::with_capacity(items.len()), Vec::with_capacity(items.len()));
        for (at, item) in items.into_iter().enumerate() {
            let_others(at).await;
            read.push(self.issue_wish(caller, item).map(|wish| good.push(wish)));
        }
        // Known before anything is done: what was decided cannot be taken back for want of room in its answer.
        let mut wishes = good.iter().map(lots_of);
        bounds::check_batch(read.iter().map(|item| item.as_ref().ok().and_then(|()| wishes.next())))?;
        let answers = match full {
            Full::Refuses => self.0.writer.ask_batch(good).await.map_err(|error| errors::of_write(&error))?,
            Full::Waits => self.0.writer.ask_all(good).await,
        };
        let mut answers = answers.into_iter();
        let mut results = Vec::with_capacity(read.len());
        for (at, item) in read.into_iter().enumerate() {
            let_others(at).await;
            let result = item.and_then(|()| {
                let answer = answers.next().unwrap_or(Err(WriteError::ShuttingDown));
                let issued = issue_response(caller, &answer.map_err(|error| errors::of_write(&error))?)?;
                Ok(bounds::without_what_can_be_looked_up(issued))
            });
            results.push(convert::issue_result(result));
        }
        Ok(results)
    }
}

/// The lots that an issue makes at the most: one for each that funds it.
fn lots_of(wish: &Wish) -> usize {
    if let Command::IssuePoints(issue) = &wish.command { issue.earn.funders.len().max(1) } else { 1 }
}

/// What becomes of a batch whose caller has too much waiting.
#[derive(Debug, Clone, Copy)]
enum Full {
    Refuses,
    /// A stream: its caller is not read from meanwhile.
    Waits,
}

/// Lines of a batch that are turned from or into messages before other calls have the thread for a moment.
const LINES_AT_ONCE: usize = 64;

async fn let_others(line: usize) {
    if line % LINES_AT_ONCE == LINES_AT_ONCE - 1 {
        tokio::task::yield_now().await;
    }
}

/// The accepted answer, or the rejection as a status.
fn accepted(written: &Written) -> Result<&Accepted, Status> {
    let replayed = written.answer.replayed;
    written.answer.result.as_ref().map_err(|rejection| errors::of_answer(rejection, replayed))
}

/// Whether an accepted answer is a replay, and its figures.
pub(super) fn member_reply(written: &Written) -> Result<(bool, &MemberReply), Status> {
    match &accepted(written)?.reply {
        Reply::Member(reply) => Ok((written.answer.replayed, reply)),
        Reply::Abandoned(_) | Reply::House(_) => Err(errors::of_write(&WriteError::Internal)),
    }
}

/// The entry of a command that writes one before all that follows from it.
fn accepted_entry(written: &Written) -> Result<&JournalEntry, Status> {
    written.entries.first().ok_or_else(|| errors::of_write(&WriteError::Internal))
}

/// The first entry of a kind among those that a command wrote.
fn of_kind(written: &Written, kind: impl Fn(EntryKind) -> bool) -> Option<&JournalEntry> {
    written.entries.iter().find(|written| kind(written.entry.kind))
}

/// An entry that a command wrote, as its answer shows it: without the origin, which the caller has just sent.
fn answer_entry(caller: PartnerId, entry: &JournalEntry, written: &Written) -> v1::Entry {
    v1::Entry { origin: None, ..convert::from_written(entry, View::Part(caller), &written.house) }
}

fn follow(caller: PartnerId, written: &Written) -> Following {
    convert::following(&written.entries, View::Part(caller), &written.house)
}

/// The points that a redemption took, below zero for a return.
fn taken(entry: Option<&JournalEntry>) -> Points {
    let facts = entry.and_then(|written| written.entry.redemption());
    facts.map_or(Points::ZERO, |facts| facts.points)
}

/// The points of a hold that became available again.
fn released(entry: &Entry) -> Points {
    Points(entry.lots.iter().filter(|moved| moved.held.0 < 0).map(|moved| moved.points.0).sum())
}

fn opposite(amount: Money) -> Money {
    Money(-amount.0)
}

fn issue_response(caller: PartnerId, written: &Written) -> Result<v1::IssuePointsResponse, Status> {
    let (replayed, reply) = member_reply(written)?;
    let following = follow(caller, written);
    Ok(v1::IssuePointsResponse {
        entry: Some(answer_entry(caller, accepted_entry(written)?, written)),
        member_id: reply.member.to_string(),
        available_points: reply.available.0,
        next_expiry: convert::from_next_expiry(reply.next_expiry),
        replayed,
        held_points: reply.held.0,
        pending_points: reply.pending.0,
        owed_points: reply.owed.0,
        recovered_points: following.recovered.0,
        following_entries: following.entries,
    })
}

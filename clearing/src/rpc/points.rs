//! PointsService: what tills and apps ask for.

use std::pin::Pin;

use clearing_core::book::Book;
use clearing_core::command::{Abandoned, Accepted, Command, Earn, MemberRef, MemberReply, Reply, Request as Wish};
use clearing_core::journal::JournalEntry;
use clearing_core::member::Holding;
use clearing_core::rejection::Rejection;
use clearing_core::units::{EntryId, MemberId, PartnerId, Points, RequestId};
use clearing_proto::v1;
use clearing_proto::v1::points_service_server::PointsService;
use futures::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

use crate::clock;
use crate::rpc::convert::{self, View};
use crate::rpc::{BATCH_ITEMS_MAX, Context, auth, errors, page_size};
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
        let results = self.issue_all(caller, request.into_inner().items).await?;
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
                let results = service.issue_all(caller, items).await?;
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
        let v1::QuoteRedemptionRequest { member, points } = request.into_inner();
        let member = convert::member(member, &self.0.identifier_key)?;
        if points <= 0 {
            return Err(errors::invalid("points", format!("{points} is not above zero")));
        }
        let (house, now) = (self.0.house(), self.0.clock.now());
        let book = self.member_book(member, Some(Points(points))).await?;
        let id = book.find_member(member).map_err(|rejection| errors::of_rejection(&rejection, false))?;
        let (quote, available, missing) = match book.quote(caller, member, Points(points), now) {
            Ok(quote) => (quote, book.spendable(id, now), 0),
            // Too few: what could be taken instead, and how many are missing.
            Err(Rejection::InsufficientPoints { available, .. }) if available > 0 => {
                let quote = book.quote(caller, member, Points(available), now);
                let quote = quote.map_err(|rejection| errors::of_rejection(&rejection, false))?;
                (quote, Points(available), points - available)
            }
            Err(Rejection::InsufficientPoints { available, .. }) => {
                let member_id = id.to_string();
                let empty = v1::QuoteRedemptionResponse {
                    member_id,
                    fee: convert::from_money(Default::default(), &house.coalition),
                    acceptor_credit: convert::from_money(Default::default(), &house.coalition),
                    available_points: available,
                    points_missing: points,
                    ..Default::default()
                };
                return Ok(Response::new(empty));
            }
            Err(rejection) => return Err(errors::of_rejection(&rejection, false)),
        };
        Ok(Response::new(convert::from_quote(id, &quote, caller, available, missing, &house)))
    }

    async fn redeem_points(
        &self,
        request: Request<v1::RedeemPointsRequest>,
    ) -> Result<Response<v1::RedeemPointsResponse>, Status> {
        let caller = auth::caller(&request)?.partner()?;
        let v1::RedeemPointsRequest { request_id, member, points, origin } = request.into_inner();
        let member = convert::member(member, &self.0.identifier_key)?;
        let command = Command::Redeem { member, points: Points(points) };
        let written = self.ask(caller, &request_id, origin, command).await?;
        let (accepted, reply) = member_reply(&written)?;
        let entry = accepted_entry(&written);
        let money = convert::acceptor_money(caller, &entry.entry);
        let coalition = &written.house.coalition;
        Ok(Response::new(v1::RedeemPointsResponse {
            entry: Some(answer_entry(caller, &written)),
            member_id: reply.member.to_string(),
            available_points: reply.available.0,
            fee: convert::from_money(money.fee, coalition),
            acceptor_credit: convert::from_money(money.credit, coalition),
            next_expiry: convert::from_next_expiry(reply.next_expiry),
            replayed: accepted,
        }))
    }

    async fn return_redemption(
        &self,
        request: Request<v1::ReturnRedemptionRequest>,
    ) -> Result<Response<v1::ReturnRedemptionResponse>, Status> {
        let caller = auth::caller(&request)?.partner()?;
        let v1::ReturnRedemptionRequest { request_id, redemption_entry_id, points, origin } = request.into_inner();
        let redemption: EntryId = convert::id("redemption_entry_id", &redemption_entry_id)?;
        let command = Command::Return { redemption, points: Points(points) };
        let written = self.ask(caller, &request_id, origin, command).await?;
        let (replayed, reply) = member_reply(&written)?;
        let entry = accepted_entry(&written);
        let money = convert::acceptor_money(caller, &entry.entry);
        let coalition = &written.house.coalition;
        let opposite = |amount: clearing_core::units::Money| {
            convert::from_money(clearing_core::units::Money(-amount.0), coalition)
        };
        Ok(Response::new(v1::ReturnRedemptionResponse {
            entry: Some(answer_entry(caller, &written)),
            member_id: reply.member.to_string(),
            available_points: reply.available.0,
            fee_refund: opposite(money.fee),
            acceptor_debit: opposite(money.credit),
            returnable_points: reply.returnable.0,
            next_expiry: convert::from_next_expiry(reply.next_expiry),
            replayed,
        }))
    }

    async fn abandon_request(
        &self,
        request: Request<v1::AbandonRequestRequest>,
    ) -> Result<Response<v1::AbandonRequestResponse>, Status> {
        let caller = auth::caller(&request)?.partner()?;
        let v1::AbandonRequestRequest { request_id, abandoned_request_id, origin } = request.into_inner();
        let abandoned: RequestId = convert::id("abandoned_request_id", &abandoned_request_id)?;
        let written = self.ask(caller, &request_id, origin, Command::Abandon { request: abandoned }).await?;
        let accepted = accepted(&written)?;
        let outcome = match &accepted.reply {
            Reply::Abandoned(Abandoned::Burned) => v1::AbandonOutcome::BurnedUnseen,
            Reply::Abandoned(Abandoned::Undone) => v1::AbandonOutcome::Undone,
            Reply::Abandoned(Abandoned::NoEffect) => v1::AbandonOutcome::HadNoEffect,
            Reply::Abandoned(Abandoned::Already) => v1::AbandonOutcome::AlreadyAbandoned,
            Reply::Member(_) | Reply::House(_) => v1::AbandonOutcome::Unspecified,
        };
        let entries = written.entries.iter();
        Ok(Response::new(v1::AbandonRequestResponse {
            outcome: outcome.into(),
            entries: entries.map(|entry| convert::from_written(entry, View::Part(caller), &written.house)).collect(),
            replayed: written.answer.replayed,
        }))
    }

    async fn get_balance(
        &self,
        request: Request<v1::GetBalanceRequest>,
    ) -> Result<Response<v1::GetBalanceResponse>, Status> {
        auth::caller(&request)?.partner()?;
        let member = convert::member(request.into_inner().member, &self.0.identifier_key)?;
        let book = self.member_book(member, None).await?;
        let id = book.find_member(member).map_err(|rejection| errors::of_rejection(&rejection, false))?;
        let held = |part: fn(&Holding) -> Points| -> i64 {
            book.members.get(&id).map_or(0, |member| member.holdings.values().map(|holding| part(holding).0).sum())
        };
        Ok(Response::new(v1::GetBalanceResponse {
            member_id: id.to_string(),
            available_points: book.spendable(id, self.0.clock.now()).0,
            held_points: held(|holding| holding.held),
            pending_points: held(|holding| holding.pending),
            next_expiry: convert::from_next_expiry(book.next_expiry(id, self.0.clock.now())),
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
        let mut found = found.map_err(|error| errors::of_store(&error))?;
        let more = found.len() > limit;
        found.truncate(limit);
        let next_page_token = found.last().filter(|_| more).map_or_else(String::new, |last| last.sequence.to_string());
        let house = self.0.house();
        let entries = found.iter().map(|entry| convert::from_written(entry, View::Part(caller), &house)).collect();
        Ok(Response::new(v1::ListEntriesResponse { entries, next_page_token }))
    }
}

impl Service {
    /// The part of the ledger that a member's balance and a quote of so many points are read from.
    async fn member_book(&self, member: MemberRef, points: Option<Points>) -> Result<Book, Status> {
        let read = async {
            let mut snapshot = self.0.store.snapshot().await?;
            let book = snapshot.member(self.0.house(), member, points, self.0.clock.now()).await?;
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
        let fresh_member = MemberId(clock::fresh_uuid());
        let wish = Wish { caller, request_id: Some(request_id), origin, command, fresh_member, attachment };
        // What the message alone tells is told before it takes a place in the queue.
        wish.validate().map_err(|rejection| errors::of_rejection(&rejection, false))?;
        Ok(wish)
    }

    fn issue_wish(&self, caller: PartnerId, wire: v1::IssuePointsRequest) -> Result<Wish, Status> {
        let v1::IssuePointsRequest { request_id, member, points, expires_time, origin } = wire;
        let member = convert::member(member, &self.0.identifier_key)?;
        let expires = expires_time.map(|time| convert::timestamp("expires_time", time)).transpose()?;
        self.wish(
            caller,
            &request_id,
            origin,
            Command::Issue { member, earn: Earn { expires, ..Earn::points(Points(points)) } },
        )
    }

    /// Issues a batch; one bad item fails alone.
    async fn issue_all(
        &self,
        caller: PartnerId,
        items: Vec<v1::IssuePointsRequest>,
    ) -> Result<Vec<v1::IssueResult>, Status> {
        if items.is_empty() || items.len() > BATCH_ITEMS_MAX {
            let problem = format!("{} items; a batch has 1 to {BATCH_ITEMS_MAX}", items.len());
            return Err(errors::invalid("items", problem));
        }
        let wishes: Vec<Result<Wish, Status>> = items.into_iter().map(|item| self.issue_wish(caller, item)).collect();
        let good = wishes.iter().filter_map(|wish| wish.as_ref().ok()).cloned().collect();
        let mut answers = self.0.writer.ask_all(good).await.into_iter();
        let mut results = Vec::with_capacity(wishes.len());
        for wish in wishes {
            let result = wish.and_then(|_| {
                let answer = answers.next().unwrap_or(Err(WriteError::ShuttingDown));
                let mut issued = issue_response(caller, &answer.map_err(|error| errors::of_write(&error))?)?;
                // Eight thousand answers fit into a message without what their callers can look up.
                if let Some(entry) = &mut issued.entry {
                    entry.postings.clear();
                }
                Ok(issued)
            });
            results.push(convert::issue_result(result));
        }
        Ok(results)
    }
}

/// The accepted answer, or the rejection as a status.
fn accepted(written: &Written) -> Result<&Accepted, Status> {
    let replayed = written.answer.replayed;
    written.answer.result.as_ref().map_err(|rejection| errors::of_rejection(rejection, replayed))
}

/// Whether an accepted answer is a replay, and its figures.
fn member_reply(written: &Written) -> Result<(bool, &MemberReply), Status> {
    match &accepted(written)?.reply {
        Reply::Member(reply) => Ok((written.answer.replayed, reply)),
        Reply::Abandoned(_) | Reply::House(_) => Err(errors::of_write(&WriteError::Internal)),
    }
}

fn accepted_entry(written: &Written) -> &JournalEntry {
    written.entries.first().expect("commands on points write an entry")
}

/// The entry that a command wrote, as its answer shows it: without the origin, which the caller has just sent.
fn answer_entry(caller: PartnerId, written: &Written) -> v1::Entry {
    let entry = convert::from_written(accepted_entry(written), View::Part(caller), &written.house);
    v1::Entry { origin: None, ..entry }
}

fn issue_response(caller: PartnerId, written: &Written) -> Result<v1::IssuePointsResponse, Status> {
    let (replayed, reply) = member_reply(written)?;
    Ok(v1::IssuePointsResponse {
        entry: Some(answer_entry(caller, written)),
        member_id: reply.member.to_string(),
        available_points: reply.available.0,
        next_expiry: convert::from_next_expiry(reply.next_expiry),
        replayed,
    })
}

//! MemberService: what a member has.

use clearing_core::book::Book;
use clearing_core::facts::member::{Member, MemberRef};
use clearing_core::units::{MemberId, PartnerId, Points, Timestamp};
use clearing_proto::v1;
use clearing_proto::v1::member_service_server::MemberService;
use tonic::{Request, Response, Status};

use crate::rpc::{Context, auth, convert, errors};

/// Moments of expiry that a balance lists at the most.
const EXPIRIES_MAX: usize = 100;

/// The service, in the house that it works for.
pub struct Service(pub Context);

#[tonic::async_trait]
impl MemberService for Service {
    async fn get_balance(
        &self,
        request: Request<v1::GetBalanceRequest>,
    ) -> Result<Response<v1::GetBalanceResponse>, Status> {
        let caller = auth::caller(&request)?.partner()?;
        let member = convert::member(request.into_inner().member, &self.0.identifier_key)?;
        let now = self.0.clock.now();
        // As many lots as one entry can take, so that the list is as long as they make it.
        let mut book = self.0.member_book(member, Some(Points::OPERATION_MAX), now).await?;
        let id = book.find_member(member).map_err(|rejection| errors::refused(&rejection))?;
        // On a copy that nobody saves: the job or the member's next command posts it.
        book.run_due(id, now);
        let member = figures(&book, caller, id, now);
        let frozen = book.frozen_until(id, now);
        let coming = book.told_expiries(caller, id, now, EXPIRIES_MAX);
        let coming = coming.map_err(|rejection| errors::refused(&rejection))?;
        let listed: i64 = coming.iter().map(|(_, points)| points.0).sum();
        Ok(Response::new(v1::GetBalanceResponse {
            other_points: member.available_points - listed,
            coming_expiries: coming.into_iter().filter_map(|next| convert::from_next_expiry(Some(next))).collect(),
            member: Some(member),
            frozen: frozen.is_some(),
            freeze_end_time: frozen.and_then(convert::from_timestamp),
        }))
    }
}

impl Context {
    /// The part of the ledger that a member's balance and a quote of so many points are read from.
    pub(super) async fn member_book(
        &self,
        member: MemberRef,
        points: Option<Points>,
        now: Timestamp,
    ) -> Result<Book, Status> {
        let read = async {
            let mut snapshot = self.store.snapshot().await?;
            let book = snapshot.member(member, points, now).await?;
            snapshot.finish().await?;
            Ok(book)
        };
        read.await.map_err(|error| errors::of_store(&error))
    }
}

/// What a caller is told that a member has in a book, once what is due has run.
pub(super) fn figures(book: &Book, caller: PartnerId, id: MemberId, now: Timestamp) -> v1::MemberFigures {
    let known = book.members.get(&id);
    let sum = |points: fn(&Member) -> Points| known.map_or(0, |member| points(member).0);
    v1::MemberFigures {
        member_id: id.to_string(),
        available_points: book.told_available(caller, id, now).0,
        held_points: sum(Member::held),
        pending_points: sum(Member::pending),
        owed_points: sum(Member::owed),
        next_expiry: convert::from_next_expiry(book.next_expiry(id, now).filter(|_| book.tells_all(caller))),
    }
}

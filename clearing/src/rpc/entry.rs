//! EntryService: the entries that the caller has a part in.

use clearing_core::units::RequestId;
use clearing_proto::v1;
use clearing_proto::v1::entry_service_server::EntryService;
use tonic::{Request, Response, Status};

use crate::rpc::auth::Role;
use crate::rpc::convert::{
    self, View, code_or_none, from_entry, from_journal, from_own, member, receipt_or_none, window,
};
use crate::rpc::errors::invalid;
use crate::rpc::{Context, auth, bounds, errors, page_size};
use crate::store::{EntryFilter, ErrorKind};

/// The service, in the house that it works for.
pub struct Service(pub Context);

#[tonic::async_trait]
impl EntryService for Service {
    async fn get_entry(&self, request: Request<v1::GetEntryRequest>) -> Result<Response<v1::GetEntryResponse>, Status> {
        use v1::get_entry_request::Key;
        let caller = auth::caller(&request)?;
        let (name, id) = match request.into_inner().key {
            None => return Err(errors::invalid("key", "give an entry_id or a request_id")),
            Some(Key::EntryId(text)) => (text.clone(), Some(self.0.opaque.read_entry("entry_id", &text)?)),
            Some(Key::RequestId(text)) => {
                let request: RequestId = convert::id("request_id", &text)?;
                let entry = self.0.store.entry_of_request(caller.asker()?.key(request)).await;
                (text, entry.map_err(|error| errors::of_store(&error))?)
            }
        };
        let unknown = || errors::not_found("entry", &name);
        let found = self.0.store.entry(id.ok_or_else(unknown)?).await.map_err(|error| errors::of_store(&error))?;
        let found = found.ok_or_else(unknown)?;
        let part = caller.partner().ok().filter(|partner| found.entry.parties().contains(partner));
        let house = self.0.house();
        let Some(partner) = part else {
            // What a partner has no part in does not exist for it; the operator and auditors see the journal.
            return if caller.sees_all() {
                Ok(Response::new(v1::GetEntryResponse { entry: Some(from_journal(&found, &house, &self.0.opaque)) }))
            } else {
                Err(unknown())
            };
        };
        let own_sequence = match self.0.store.own_sequence(partner, found.sequence).await {
            // The entry is there, although the lists that number it are far behind.
            Err(error) if matches!(error.kind(), ErrorKind::Behind { .. }) => None,
            numbered => numbered.map_err(|error| errors::of_store(&error))?,
        };
        let entry = match caller.role() {
            Role::Operator => from_journal(&found, &house, &self.0.opaque),
            Role::Partner | Role::Auditor => {
                from_entry(found.id, &found.entry, View::Part(partner), &house, &self.0.opaque)
            }
        };
        Ok(Response::new(v1::GetEntryResponse { entry: Some(v1::Entry { own_sequence, ..entry }) }))
    }

    async fn list_entries(
        &self,
        request: Request<v1::ListEntriesRequest>,
    ) -> Result<Response<v1::ListEntriesResponse>, Status> {
        let caller = auth::caller(&request)?;
        let wire = request.into_inner();
        let limit = page_size(wire.page_size)?;
        let member = wire.member.map(|named| member(Some(named), &self.0.identifier_key)).transpose()?;
        let member_named = member.map_or_else(String::new, |member| format!("{member:?}"));
        let window_named = wire.window.to_string();
        let list = [&wire.store, &wire.till, &wire.receipt_number, &wire.business_date, &member_named, &window_named];
        let list = self.0.opaque.list(&caller, "ListEntries", &list.map(String::as_str));
        let filter = EntryFilter {
            store: code_or_none("store", &wire.store)?,
            till: code_or_none("till", &wire.till)?,
            receipt_number: receipt_or_none("receipt_number", &wire.receipt_number)?,
            business_date: match wire.business_date.as_str() {
                "" => None,
                date => Some(date.parse().map_err(|problem| invalid("business_date", problem))?),
            },
            member,
            window: if wire.window == 0 { None } else { Some(window(wire.window)?) },
            before_sequence: list.numbers(&wire.page_token)?.map(|[before]| before),
        };
        let caller = caller.partner()?;
        let found = self.0.store.entries_of(caller, &filter, limit + 1).await;
        let found = found.map_err(|error| errors::of_store(&error))?;
        let house = self.0.house();
        let rows = found.iter().map(|own| from_own(own, caller, &house, &self.0.opaque));
        let (entries, more) = bounds::page(rows, limit);
        let last = found.iter().take(entries.len()).next_back().filter(|_| more);
        let next_page_token = last.map_or_else(String::new, |last| list.token(&last.written.sequence.to_string()));
        Ok(Response::new(v1::ListEntriesResponse { entries, next_page_token }))
    }
}

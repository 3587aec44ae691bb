//! AdminService: who did what, for the operator and auditors.

use clearing_core::command::{partners_of, proposed_by};
use clearing_core::facts::coalition::House;
use clearing_core::facts::entry::{EntryKind, IsDecision, JournalEntry};
use clearing_core::facts::person::PersonId;
use clearing_core::rules::action::FieldChange;
use clearing_core::units::{PartnerId, Timestamp};
use clearing_proto::v1;
use clearing_proto::v1::admin_service_server::AdminService;
use tonic::{Request, Response, Status};

use crate::rpc::auth::Asker;
use crate::rpc::convert::{self, from_kind, from_timestamp};
use crate::rpc::opaque::Opaque;
use crate::rpc::{Context, auth, bounds, errors, page_size};
use crate::store::ActionFilter;

/// Who decided what nobody asked for.
const HOUSE: &str = "house";

/// The service, in the house that it works for.
pub struct Service(pub Context);

#[tonic::async_trait]
impl AdminService for Service {
    async fn list_admin_actions(
        &self,
        request: Request<v1::ListAdminActionsRequest>,
    ) -> Result<Response<v1::ListAdminActionsResponse>, Status> {
        let caller = auth::caller(&request)?;
        let wire = request.into_inner();
        let limit = page_size(wire.page_size)?;
        let filter = action_filter(&wire)?;
        let fields = fields(&filter);
        let list = self.0.opaque.list(&caller, "ListAdminActions", &fields.each_ref().map(String::as_str));
        let place = list.numbers::<2>(&wire.page_token)?;
        let filter = ActionFilter { after: place.map(|[time, sequence]| (Timestamp(time), sequence)), ..filter };
        let found = self.0.store.actions(&filter, limit + 1).await.map_err(|error| errors::of_store(&error))?;
        let house = self.0.house();
        let rows = found.iter().map(|written| from_action(written, &house, &self.0.opaque));
        let (actions, more) = bounds::page(rows, limit);
        let last = actions.len().checked_sub(1).and_then(|last| found.get(last)).filter(|_| more);
        let token = last.map(|last| list.token(&format!("{},{}", last.entry.time.0, last.sequence)));
        Ok(Response::new(v1::ListAdminActionsResponse { actions, next_page_token: token.unwrap_or_default() }))
    }
}

fn action_filter(wire: &v1::ListAdminActionsRequest) -> Result<ActionFilter, Status> {
    let kind = convert::kind_or_any("kind", wire.kind)?;
    if let Some(kind) = kind.filter(|kind| kind.decision() == IsDecision::No) {
        let decisions = EntryKind::ALL.iter().filter(|kind| kind.decision() != IsDecision::No);
        let words: Vec<String> = decisions.map(|kind| kind.as_str().to_uppercase()).collect();
        let name = kind.as_str().to_uppercase();
        let problem = format!("{name} is no decision of the house; those are {}", words.join(", "));
        return Err(errors::invalid("kind", problem));
    }
    let partner = match wire.partner_id.as_str() {
        "" => None,
        text => Some(convert::id("partner_id", text)?),
    };
    let since = wire.since_time.map(|time| convert::timestamp("since_time", time)).transpose()?;
    let until = wire.until_time.map(|time| convert::timestamp("until_time", time)).transpose()?;
    let window = convert::window_or_open(wire.window)?;
    Ok(ActionFilter { kind, partner, window, since, until, after: None })
}

/// What a list is asked for by.
fn fields(filter: &ActionFilter) -> [String; 5] {
    let ActionFilter { kind, partner, window, since, until, after: _ } = filter;
    let text = |moment: &Option<Timestamp>| moment.map_or_else(String::new, |moment| moment.0.to_string());
    [
        kind.map_or("", EntryKind::as_str).to_owned(),
        partner.map_or_else(String::new, |partner| partner.to_string()),
        window.map_or_else(String::new, |window| window.to_string()),
        text(since),
        text(until),
    ]
}

fn from_action(written: &JournalEntry, house: &House, opaque: &Opaque) -> v1::AdminAction {
    let JournalEntry { id, sequence, entry } = written;
    let mut changes = entry.action_changes(house);
    let proposed = proposed_by(entry);
    if let Some(proposed) = &proposed {
        changes.insert(
            0,
            FieldChange { field: "operation".to_owned(), before: None, after: Some(proposed.name().to_owned()) },
        );
    }
    let about = proposed.and_then(|proposed| proposed.subject()).and_then(|subject| subject.person);
    // A decay of all who are inactive is asked for once, and is a decision on each of them.
    let asked = entry.request_id.is_some() || entry.kind == EntryKind::Decay;
    let by = entry.facts.by();
    let proposer = by.and_then(|by| by.approved).map(|(_, proposer)| proposer);
    let of = |person: Option<PersonId>| Asker { partner: entry.partner, person };
    let asker = of(proposer.or(by.map(|by| by.person)));
    let approver = proposer.and(by).map(|by| of(Some(by.person)).to_string());
    v1::AdminAction {
        entry_id: opaque.entry(*id),
        journal_sequence: *sequence,
        action_time: from_timestamp(entry.time),
        actor: if asked { asker.to_string() } else { HOUSE.to_owned() },
        request_id: entry.request_id.map(|id| id.to_string()),
        kind: from_kind(entry.kind).into(),
        partner_ids: partners_of(entry).iter().map(PartnerId::to_string).collect(),
        member_id: entry.member.map(|member| member.to_string()),
        window: i64::from(entry.action_window()),
        reason_code: entry.facts.reason().map(|code| code.as_str().to_owned()),
        before: in_words(&changes, |change| change.before.as_deref()),
        after: in_words(&changes, |change| change.after.as_deref()),
        changes: changes.into_iter().map(from_change).collect(),
        approver,
        person_id: entry.facts.person().map(|set| set.person).or(about).map(|person| person.to_string()),
    }
}

/// One side of changes as a text.
fn in_words<'a>(changes: &'a [FieldChange], side: impl Fn(&'a FieldChange) -> Option<&'a str>) -> String {
    let words = changes.iter().filter_map(|change| Some(format!("{} {}", change.field, side(change)?)));
    words.collect::<Vec<String>>().join(", ")
}

pub(super) fn from_change(change: FieldChange) -> v1::FieldChange {
    let FieldChange { field, before, after } = change;
    v1::FieldChange { field, before, after }
}

//! ReportService: the whole book, for the operator and auditors.

mod balances;

use std::collections::{BTreeMap, BTreeSet};

use clearing_core::chart::MoneyAccount;
use clearing_core::facts::coalition::Coalition;
use clearing_core::facts::entry::{EntryKind, JournalEntry};
use clearing_core::facts::member::Member;
use clearing_core::facts::origin::Code;
use clearing_core::netting::{self, Obligations};
use clearing_core::rejection::Rejection;
use clearing_core::units::{MemberId, Money, PartnerId, Points, Timestamp};
use clearing_proto::v1;
use clearing_proto::v1::report_service_server::ReportService;
use tonic::{Request, Response, Status};

use crate::rpc::convert::{self, code_or_none, from_money, receipt_or_none, window_or_open};
use crate::rpc::notice::NoticesPage;
use crate::rpc::partner::cover::{cover_of_partner, missing, two_largest, uncovered};
use crate::rpc::position::from_obligation;
use crate::rpc::receipt::booked_from;
use crate::rpc::settlement::convert::from_share;
use crate::rpc::{Context, auth, bounds, errors, page_size};
use crate::store::{Found, MemberClass, MemberPage, Search};
use balances::{ClassSums, from_balances, points_balance};

/// Pairs of partners on a page of the netting report at the most, and where the caller does not say.
const PAIRS_MAX: usize = 10_000;
const PAIRS_DEFAULT: usize = 1_000;

/// The service, in the house that it works for.
pub struct Service(pub Context);

#[tonic::async_trait]
impl ReportService for Service {
    async fn trial_balance(
        &self,
        request: Request<v1::TrialBalanceRequest>,
    ) -> Result<Response<v1::TrialBalanceResponse>, Status> {
        let caller = auth::caller(&request)?;
        let v1::TrialBalanceRequest { include_members, page_size: size, page_token } = request.into_inner();
        let limit = page_size(size)?;
        let list = self.0.opaque.list(&caller, "TrialBalance", &[if include_members { "members" } else { "" }]);
        let after = list.place(&page_token)?.unwrap_or_default();
        let members = if include_members { members_after(&after, limit)? } else { None };
        let found = self.0.store.trial_balance(members).await.map_err(|error| errors::of_store(&error))?;

        let house = self.0.house();
        let coalition = &house.coalition;
        let (points, money) = (&found.balances.points, &found.balances.money);
        let mut accounts = from_balances(points, money, coalition);
        accounts.extend(found.members.iter().map(|(account, balance)| points_balance(account, *balance)));
        accounts.sort_by(|one, other| one.account.cmp(&other.account));
        accounts.retain(|row| row.account > after);
        // Behind the last member that was looked at there may be others before the next account.
        let end = found.members_end.map(|account| account.to_string());
        if let Some(end) = &end {
            accounts.retain(|row| row.account <= *end);
        }
        let more = accounts.len() > limit;
        accounts.truncate(limit);
        let last = if more { accounts.last().map(|row| row.account.clone()) } else { end };

        let overflow = |what: &str| errors::refused(&Rejection::Overflow { what: what.to_owned(), maximum: i64::MAX });
        let mut of_members = Vec::with_capacity(found.of_members.len());
        for (class, sum) in &found.of_members {
            let sum = i64::try_from(*sum).map_err(|_| overflow("the sum of what members hold"))?;
            of_members.push((class.account(MemberId(0)), Points(sum)));
        }
        let sums = ClassSums::of(points, money, &of_members).map_err(|_| overflow("the sum of a class of accounts"))?;
        let (points_sum, money_sum) = sums.totals().map_err(|_| overflow("the sum of all accounts"))?;
        Ok(Response::new(v1::TrialBalanceResponse {
            accounts,
            totals: sums.rows(coalition),
            points_sum: points_sum.0,
            money_sum: convert::from_sum(money_sum, coalition),
            balanced: points_sum.is_zero() && money_sum == 0,
            as_of_journal_sequence: found.last_sequence,
            next_page_token: last.map_or_else(String::new, |last| list.token(&last)),
        }))
    }

    async fn cover_report(
        &self,
        request: Request<v1::CoverReportRequest>,
    ) -> Result<Response<v1::CoverReportResponse>, Status> {
        let caller = auth::caller(&request)?;
        let v1::CoverReportRequest { page_size: size, page_token } = request.into_inner();
        let limit = page_size(size)?;
        let list = self.0.opaque.list(&caller, "CoverReport", &[]);
        let after = list.place(&page_token)?.unwrap_or_default();
        let book = self.0.store.open_book().await.map_err(|error| errors::of_store(&error))?;
        let now = self.0.clock.now();
        let partners = || book.house.partners.values().filter(|partner| !partner.id.is_operator());
        let reserve = book.money_balances.get(&MoneyAccount::Reserve).copied().unwrap_or_default();
        let [largest, two] = two_largest(partners().map(|partner| uncovered(&book, partner, now)));
        let behind = partners().filter(|partner| partner.id.as_str() > after.as_str());
        let (rows, more) = bounds::page(behind.map(|partner| cover_of_partner(&book, partner, now)), limit);
        let last = rows.last().filter(|_| more).map(|last| list.token(&last.partner_id));
        let sum = |amount| convert::from_sum(amount, &book.house.coalition);
        Ok(Response::new(v1::CoverReportResponse {
            partners: rows,
            reserve_amount: convert::from_money(reserve, &book.house.coalition),
            largest_uncovered_amount: sum(largest),
            two_largest_uncovered_amount: sum(two),
            largest_missing_amount: sum(missing(largest, reserve)),
            two_largest_missing_amount: sum(missing(two, reserve)),
            next_page_token: last.unwrap_or_default(),
        }))
    }

    async fn netting_report(
        &self,
        request: Request<v1::NettingReportRequest>,
    ) -> Result<Response<v1::NettingReportResponse>, Status> {
        let caller = auth::caller(&request)?;
        let v1::NettingReportRequest { window, page_size: size, page_token } = request.into_inner();
        let asked = window_or_open(window)?;
        let limit = pairs_on_page(size)?;
        let list = self.0.opaque.list(&caller, "NettingReport", &[&window.to_string()]);
        let place = list.numbers::<2>(&page_token)?;
        let number = match place {
            Some([window, _]) => Some(convert::window(window)?),
            None => asked,
        };
        let (settlement, gross) = self.0.settlement_and_gross(number).await?;
        let netted = netting::multilateral(&gross);
        let netted_share = netting::saved(netting::gross_total(&gross), netted);
        let first = place.map_or(0, |[_, first]| usize::try_from(first).unwrap_or(usize::MAX));
        let pairs = pairs(&gross);
        let more = pairs.len().saturating_sub(first) > limit;
        let page: BTreeSet<(PartnerId, PartnerId)> = pairs.into_iter().skip(first).take(limit).collect();
        let on_page: Obligations =
            gross.into_iter().filter(|((issuer, acceptor), _)| page.contains(&pair(*issuer, *acceptor))).collect();

        let house = self.0.house();
        let coalition = &house.coalition;
        let obligations = on_page
            .iter()
            .map(|((issuer, acceptor), gross)| from_obligation(Some(*issuer), *acceptor, gross, coalition));
        let nets: BTreeMap<(PartnerId, PartnerId), _> = netting::bilateral(&on_page);
        let nets =
            nets.into_iter().map(|((debtor, creditor), amount)| from_bilateral(debtor, creditor, amount, coalition));
        let next = format!("{},{}", settlement.window, first.saturating_add(limit));
        Ok(Response::new(v1::NettingReportResponse {
            obligations: obligations.collect(),
            bilateral_nets: nets.collect(),
            next_page_token: if more { list.token(&next) } else { String::new() },
            settlement: Some(settlement),
            netted_total: from_money(netted, coalition),
            netted_share: netted_share.map(from_share),
        }))
    }

    async fn list_journal_entries(
        &self,
        request: Request<v1::ListJournalEntriesRequest>,
    ) -> Result<Response<v1::ListJournalEntriesResponse>, Status> {
        let caller = auth::caller(&request)?;
        let v1::ListJournalEntriesRequest { from_journal_sequence, window, page_size: size, page_token } =
            request.into_inner();
        if from_journal_sequence < 0 {
            return Err(errors::invalid("from_journal_sequence", format!("{from_journal_sequence} is below zero")));
        }
        let number = window_or_open(window)?;
        let limit = page_size(size)?;
        let fields = [from_journal_sequence.to_string(), window.to_string()];
        let list = self.0.opaque.list(&caller, "ListJournalEntries", &fields.each_ref().map(String::as_str));
        let place = list.numbers(&page_token)?.map(|[sequence]| sequence);
        let from = place.unwrap_or(from_journal_sequence);
        let found = self.0.store.journal(from, number, limit + 1).await.map_err(|error| errors::of_store(&error))?;
        let house = self.0.house();
        let entry = |found: &JournalEntry| convert::from_journal(found, &house, &self.0.opaque);
        let (entries, more) = bounds::page(found.iter().map(entry), limit);
        let last = found.iter().take(entries.len()).next_back().filter(|_| more);
        let next = last.map(|last| (last.sequence + 1).to_string());
        Ok(Response::new(v1::ListJournalEntriesResponse {
            entries,
            next_page_token: next.map_or_else(String::new, |next| list.token(&next)),
        }))
    }

    async fn find_entries(
        &self,
        request: Request<v1::FindEntriesRequest>,
    ) -> Result<Response<v1::FindEntriesResponse>, Status> {
        let caller = auth::caller(&request)?;
        let wire = request.into_inner();
        let limit = page_size(wire.page_size)?;
        let search = self.search(&wire).await?;
        let fields = fields(&search);
        let list = self.0.opaque.list(&caller, "FindEntries", &fields.each_ref().map(String::as_str));
        let place = list.numbers(&wire.page_token)?.map(|[before]| before);
        let search = Search { before_sequence: place.or(search.before_sequence), ..search };
        let house = self.0.house();
        let found = self.0.store.find_entries(&search, &house, limit).await;
        let found = found.map_err(|error| errors::of_store(&error))?;
        let Found { entries: found, next } = found.ok_or_else(|| errors::not_found("member", member_named(&wire)))?;
        let entry = |found: &JournalEntry| convert::from_journal(found, &house, &self.0.opaque);
        let (entries, more) = bounds::page(found.iter().map(entry), limit);
        let last = found.iter().take(entries.len()).next_back().filter(|_| more);
        let next = last.map(|last| last.sequence).or(next);
        let next_page_token = next.map_or_else(String::new, |next| list.token(&next.to_string()));
        Ok(Response::new(v1::FindEntriesResponse { entries, next_page_token }))
    }

    async fn list_members(
        &self,
        request: Request<v1::ListMembersRequest>,
    ) -> Result<Response<v1::ListMembersResponse>, Status> {
        let caller = auth::caller(&request)?;
        let v1::ListMembersRequest { after_member_id, page_size: size, page_token } = request.into_inner();
        let limit = page_size(size)?;
        let list = self.0.opaque.list(&caller, "ListMembers", &[&after_member_id]);
        let after = match (list.place(&page_token)?, after_member_id.as_str()) {
            (Some(place), _) => convert::id("page_token", &place)?,
            (None, "") => MemberId(0),
            (None, named) => convert::id("after_member_id", named)?,
        };
        let one_more = u32::try_from(limit + 1).expect("a page has some hundred rows");
        let found = self.0.store.members_after(after, one_more).await.map_err(|error| errors::of_store(&error))?;
        let now = self.0.clock.now();
        let rows = found.iter().take(limit).map(|member| from_member(member, now));
        let members = rows.collect::<Result<Vec<_>, _>>()?;
        let next = found.get(limit).and(members.last()).map(|last| list.token(&last.member_id));
        Ok(Response::new(v1::ListMembersResponse { members, next_page_token: next.unwrap_or_default() }))
    }

    async fn list_all_expiry_notices(
        &self,
        request: Request<v1::ListAllExpiryNoticesRequest>,
    ) -> Result<Response<v1::ListAllExpiryNoticesResponse>, Status> {
        let caller = auth::caller(&request)?;
        let v1::ListAllExpiryNoticesRequest { day, page_size: size, page_token } = request.into_inner();
        let list = self.0.opaque.list(&caller, "ListAllExpiryNotices", &[&day]);
        let page = self.0.notices(&list, &day, None, size, &page_token).await?;
        let NoticesPage { notices, next_page_token, day } = page;
        Ok(Response::new(v1::ListAllExpiryNoticesResponse { notices, next_page_token, day }))
    }
}

impl Service {
    /// What entries are looked for by.
    async fn search(&self, wire: &v1::FindEntriesRequest) -> Result<Search, Status> {
        if wire.before_journal_sequence < 0 {
            let problem = format!("{} is below zero", wire.before_journal_sequence);
            return Err(errors::invalid("before_journal_sequence", problem));
        }
        let business_date = match wire.business_date.as_str() {
            "" => None,
            date => Some(convert::id("business_date", date)?),
        };
        let zone = self.0.house().coalition.time_zone.clone();
        let member = wire.member.clone().map(|named| convert::member(Some(named), &self.0.identifier_key));
        let search = Search {
            partner: self.partner_named(&wire.partner_id).await?,
            member: member.transpose()?,
            store: code_or_none("store", &wire.store)?,
            till: code_or_none("till", &wire.till)?,
            receipt_number: receipt_or_none("receipt_number", &wire.receipt_number)?,
            business_date,
            booked_from: business_date.map(|date| booked_from(date, &zone)).transpose()?,
            kind: convert::kind_or_any("kind", wire.kind)?,
            window: window_or_open(wire.window)?,
            before_sequence: Some(wire.before_journal_sequence).filter(|before| *before > 0),
        };
        let Search { partner, member, store, receipt_number, business_date, .. } = &search;
        let alone = partner.is_none() && member.is_none() && store.is_none();
        if search.till.is_some() && alone && receipt_number.is_none() && business_date.is_none() {
            let problem = "is one of a partner's: set partner_id, store, member, receipt_number or business_date too";
            return Err(errors::invalid("till", problem));
        }
        Ok(search)
    }

    /// A partner that entries are looked for by. It may have been created on another node.
    async fn partner_named(&self, named: &str) -> Result<Option<PartnerId>, Status> {
        if named.is_empty() {
            return Ok(None);
        }
        let partner: PartnerId = convert::id("partner_id", named)?;
        if !self.0.house().partners.contains_key(&partner) {
            self.0.refresh_house().await?;
        }
        let known = self.0.house().partners.contains_key(&partner);
        known.then_some(Some(partner)).ok_or_else(|| errors::not_found("partner", named))
    }
}

/// What a search is asked for by.
fn fields(search: &Search) -> [String; 9] {
    fn text<T: ToString>(value: Option<&T>) -> String {
        value.map_or_else(String::new, T::to_string)
    }
    let Search { partner, member, store, till, receipt_number, business_date, booked_from: _, kind, window, .. } =
        search;
    let code = |code: &Option<Code>| code.as_ref().map_or_else(String::new, |code| code.as_str().to_owned());
    [
        text(partner.as_ref()),
        member.map_or_else(String::new, |member| format!("{member:?}")),
        code(store),
        code(till),
        code(receipt_number),
        text(business_date.as_ref()),
        kind.map_or("", EntryKind::as_str).to_owned(),
        text(window.as_ref()),
        text(search.before_sequence.as_ref()),
    ]
}

/// How a request named a member that there is not: an identifier is not repeated.
fn member_named(wire: &v1::FindEntriesRequest) -> String {
    match wire.member.as_ref().and_then(|member| member.member.as_ref()) {
        Some(v1::member_ref::Member::MemberId(id)) => id.clone(),
        Some(v1::member_ref::Member::Identifier(_)) | None => "with this identifier".to_owned(),
    }
}

/// A member as the operator and auditors see it in a list.
fn from_member(member: &Member, now: Timestamp) -> Result<v1::ListedMember, Status> {
    let overflow = |_| {
        let what = "the sum of what a member has".to_owned();
        errors::refused(&Rejection::Overflow { what, maximum: i64::MAX })
    };
    let frozen = member.record.frozen_until.filter(|until| *until > now);
    Ok(v1::ListedMember {
        member_id: member.id.to_string(),
        available_points: i64::try_from(member.available()).map_err(overflow)?,
        held_points: member.held().0,
        pending_points: member.pending().0,
        owed_points: member.owed().0,
        frozen: frozen.is_some(),
        freeze_end_time: frozen.and_then(convert::from_timestamp),
        last_activity_time: member.record.active.and_then(convert::from_timestamp),
    })
}

impl Context {
    /// The settlement of a window, as it is or as it would be, with the gross obligations behind it.
    async fn settlement_and_gross(
        &self,
        number: Option<clearing_core::units::WindowNumber>,
    ) -> Result<(v1::Settlement, Obligations), Status> {
        let book = self.store.open_book().await.map_err(|error| errors::of_store(&error))?;
        let number = number.unwrap_or(book.open_window);
        let gross = if number == book.open_window {
            let of_window = book.gross.iter().filter(|((window, ..), _)| *window == number);
            of_window.map(|((_, issuer, acceptor), gross)| ((*issuer, *acceptor), *gross)).collect()
        } else {
            self.store.gross_of(number).await.map_err(|error| errors::of_store(&error))?
        };
        Ok((self.settlement_from(book, number).await?, gross))
    }
}

/// The page of members' accounts that follows an account; none if all of them stand before it.
fn members_after(account: &str, limit: usize) -> Result<Option<MemberPage>, Status> {
    for class in MemberClass::ALL {
        let first = class.account(MemberId(0)).to_string();
        let prefix = first.split_inclusive(':').next().unwrap_or_default();
        let after = match account.strip_prefix(prefix) {
            Some(member) => Some(convert::id("page_token", member)?),
            None if account < prefix => None,
            None => continue,
        };
        return Ok(Some(MemberPage { class, after, limit }));
    }
    Ok(None)
}

fn pairs_on_page(asked: i32) -> Result<usize, Status> {
    match usize::try_from(asked) {
        Ok(0) => Ok(PAIRS_DEFAULT),
        Ok(size) if size <= PAIRS_MAX => Ok(size),
        Ok(_) | Err(_) => Err(errors::invalid("page_size", format!("{asked} is not from 0 to {PAIRS_MAX}"))),
    }
}

/// Two partners, whoever owes whom.
fn pair(one: PartnerId, other: PartnerId) -> (PartnerId, PartnerId) {
    if one < other { (one, other) } else { (other, one) }
}

fn pairs(obligations: &Obligations) -> BTreeSet<(PartnerId, PartnerId)> {
    obligations.keys().map(|(issuer, acceptor)| pair(*issuer, *acceptor)).collect()
}

fn from_bilateral(debtor: PartnerId, creditor: PartnerId, amount: Money, coalition: &Coalition) -> v1::BilateralNet {
    v1::BilateralNet {
        debtor_id: debtor.to_string(),
        creditor_id: creditor.to_string(),
        amount: from_money(amount, coalition),
    }
}

//! ReportService: the whole book, for the operator and auditors.

mod balances;

use std::collections::{BTreeMap, BTreeSet};

use clearing_core::facts::coalition::Coalition;
use clearing_core::facts::entry::JournalEntry;
use clearing_core::netting::{self, Obligations};
use clearing_core::rejection::Rejection;
use clearing_core::units::{MemberId, Money, PartnerId, Points};
use clearing_proto::v1;
use clearing_proto::v1::report_service_server::ReportService;
use tonic::{Request, Response, Status};

use crate::rpc::convert::{self, from_money, window_or_open};
use crate::rpc::notice::NoticesPage;
use crate::rpc::position::from_obligation;
use crate::rpc::settlement::convert::from_share;
use crate::rpc::{Context, auth, bounds, errors, page_size};
use crate::store::{MemberClass, MemberPage};
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

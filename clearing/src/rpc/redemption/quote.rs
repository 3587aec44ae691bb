//! What a redemption would do if it were accepted now, and an issue after it.

use clearing_core::book::Book;
use clearing_core::command::{self, Command};
use clearing_core::facts::answer::{MemberReply, Reply};
use clearing_core::facts::coalition::Coalition;
use clearing_core::facts::lot::Part;
use clearing_core::facts::member::MemberRef;
use clearing_core::facts::origin::Origin;
use clearing_core::facts::terms::{FeeBearer, Terms};
use clearing_core::rejection::Rejection;
use clearing_core::rules::issue::{Earn, IssuePoints};
use clearing_core::rules::quote::Quote;
use clearing_core::rules::redemption::RedeemPoints;
use clearing_core::units::{Money, Overflow, PartnerId, Points, Rate, Timestamp};
use clearing_proto::v1;
use tonic::Status;

use crate::clock;
use crate::rpc::convert::{self, from_expiry, from_money};
use crate::rpc::errors::invalid;
use crate::rpc::opaque::Opaque;
use crate::rpc::{Context, errors, member};

impl Context {
    pub(super) async fn quote(
        &self,
        caller: PartnerId,
        wire: v1::QuoteRedemptionRequest,
    ) -> Result<v1::QuoteRedemptionResponse, Status> {
        let v1::QuoteRedemptionRequest { member, points, amount, earn_points } = wire;
        let member = convert::member(member, &self.identifier_key)?;
        let (house, now) = (self.house(), self.clock.now());
        let terms = house.partner(caller).map_err(|rejection| errors::refused(&rejection))?.terms_at(now);
        let wanted = match &amount {
            Some(_) if points != 0 => return Err(invalid("amount", "give points or an amount, not both")),
            Some(amount) => quoted_amount(amount, terms, &house.coalition)?,
            None => Points(points).of_operation().map_err(|problem| invalid("points", problem))?,
        };
        if earn_points != 0 {
            Points(earn_points).of_operation().map_err(|problem| invalid("earn_points", problem))?;
        }
        let book = self.member_book(member, Some(wanted), now).await?;
        let quote =
            Asked { caller, member, wanted, earn: Points(earn_points), now, opaque: &self.opaque }.quote(book, terms);
        let quote = quote.map_err(|rejection| errors::refused(&rejection))?;
        let payable_points = if amount.is_some() { wanted.0 } else { 0 };
        Ok(v1::QuoteRedemptionResponse { payable_points, ..quote })
    }
}

/// What a quote is asked for.
struct Asked<'a> {
    caller: PartnerId,
    member: MemberRef,
    wanted: Points,
    earn: Points,
    now: Timestamp,
    opaque: &'a Opaque,
}

impl Asked<'_> {
    /// The quote, from a copy of the member's part of the ledger: what the redemption and then the issue would do is
    /// found out by doing them on it.
    fn quote(&self, mut book: Book, terms: &Terms) -> Result<v1::QuoteRedemptionResponse, Rejection> {
        let (caller, member, now) = (self.caller, self.member, self.now);
        let id = book.find_member(member)?;
        book.run_due(id, now);
        let figures = member::figures(&book, caller, id, now);
        let quote = book.quote_up_to(caller, member, self.wanted, now)?;
        let active = book.members.get(&id).and_then(|member| member.record.active).unwrap_or(now);
        let coalition = book.house.coalition.clone();
        let answer = from_quote(&quote, caller, active, terms, &coalition, self.opaque)?;
        let mut left = Points(figures.available_points);
        let mut next_expiry = book.next_expiry(id, now).filter(|_| book.tells_all(caller));
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
                expire_time: from_expiry(expires, now, &coalition),
                available_points_after: issued.as_ref().map_or(left, |issued| issued.available).0,
                refusal_reason: issued.err().map(|rejection| rejection.reason().to_owned()),
            }
        });
        Ok(v1::QuoteRedemptionResponse {
            member: Some(figures),
            missing_points: self.wanted.0 - answer.points,
            available_points_after: left.0,
            next_expiry_after: convert::from_next_expiry(next_expiry),
            earn,
            ..answer
        })
    }

    fn try_out(&self, book: &mut Book, command: Command) -> Result<MemberReply, Rejection> {
        let asked = command::Request {
            caller: self.caller,
            request_id: None,
            origin: Origin::default(),
            command,
            fresh_member: clock::fresh_member_id(),
            fresh_salt: clock::random_bytes(),
            person: None,
            attachment: None,
            badge: None,
        };
        match book.execute(&asked, self.now).result?.reply {
            Reply::Member(reply) => Ok(reply),
            Reply::Abandoned(_) | Reply::House(_) => {
                unreachable!("commands on points answer with the member's figures")
            }
        }
    }
}

/// How many points may pay a purchase of an amount: at the tender value, up to the share that the terms let points pay.
fn quoted_amount(amount: &v1::Money, terms: &Terms, coalition: &Coalition) -> Result<Points, Status> {
    let amount = convert::money("amount", amount, coalition)?;
    if amount.0 <= 0 {
        return Err(invalid("amount", "is not above zero"));
    }
    let value = i128::from(terms.tender_value.0);
    if value <= 0 {
        return Ok(Points::ZERO);
    }
    let share = i128::from(amount.0) * i128::from(terms.receipt_share.billionths());
    let payable = share / i128::from(Rate::ONE.billionths()) / value;
    let most = Points::OPERATION_MAX.0;
    Ok(Points(i64::try_from(payable).unwrap_or(most).min(most)))
}

/// The figures of a quote that are its own. The rest is the member's.
fn from_quote(
    quote: &Quote,
    caller: PartnerId,
    active: Timestamp,
    terms: &Terms,
    coalition: &Coalition,
    opaque: &Opaque,
) -> Result<v1::QuoteRedemptionResponse, Overflow> {
    let fee = match quote.fee_bearer {
        FeeBearer::Acceptor => quote.fee,
        FeeBearer::Issuer => Money::ZERO,
    };
    let lot = |part: &Part| from_part(part, caller, active, coalition, opaque);
    let passed_over = quote.passed_over.iter().filter(|_| coalition.disclose_issuers);
    let points = Points(quote.parts.iter().map(|part| part.points.0).sum());
    Ok(v1::QuoteRedemptionResponse {
        points: points.0,
        lots: quote.parts.iter().map(lot).collect(),
        discount: from_money(points.times(terms.tender_value)?, coalition),
        fee: from_money(fee, coalition),
        acceptor_credit: from_money(quote.reimbursement.minus(fee)?, coalition),
        passed_over_issuer_ids: passed_over.map(ToString::to_string).collect(),
        ..v1::QuoteRedemptionResponse::default()
    })
}

fn from_part(part: &Part, caller: PartnerId, active: Timestamp, coalition: &Coalition, opaque: &Opaque) -> v1::LotPart {
    let own = part.issuer == caller;
    v1::LotPart {
        lot_id: opaque.lot(part.lot),
        issuer_id: (own || coalition.disclose_issuers).then(|| part.issuer.to_string()),
        own,
        change: v1::LotChange::Taken.into(),
        points: part.points.0,
        expire_time: from_expiry(part.expires, active, coalition),
    }
}

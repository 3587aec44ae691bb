//! Samples of money at the bank, and what settlements that go wrong speak of.

use clearing_proto::v1;
use prost::Message as _;

use super::Samples;
use crate::foreign;

impl Samples {
    /// A window, and a partner that nobody else needs, whose leg of it is due and unpaid.
    pub(super) async fn unpaid(&self) -> (i64, String) {
        let partner_id = self.name("D");
        let create = v1::CreatePartnerRequest {
            request_id: foreign::key(),
            partner_id: partner_id.clone(),
            ..v1::CreatePartnerRequest::default()
        };
        self.operator.clone().partners.create_partner(create).await.unwrap();
        let adjust = v1::AdjustRequest {
            request_id: foreign::key(),
            payer_id: partner_id.clone(),
            payee_id: "C".to_owned(),
            amount: self.money("1000.00"),
            reason_code: "agreed".to_owned(),
        };
        self.operator.clone().settlement.adjust(adjust).await.unwrap();
        let (request_id, account) = (foreign::key(), "reserve".to_owned());
        let deposit = v1::DepositRequest { request_id, account, amount: self.money("1000.00") };
        self.operator.clone().settlement.deposit(deposit).await.unwrap();
        (self.confirmed().await, partner_id)
    }

    /// A line of the bank's statement that nobody has booked.
    pub(super) fn line(&self) -> Option<v1::BankLine> {
        let (booking_date, reference) = ("2026-02-01".to_owned(), self.name("NTRF-"));
        Some(v1::BankLine { own_account: "DE89370400440532013000".to_owned(), booking_date, reference })
    }

    /// Money that has arrived and belongs to nothing yet: its line.
    async fn received(&self, partner_id: &str) -> Option<v1::BankLine> {
        let (request_id, line) = (foreign::key(), self.line());
        let (partner_id, amount) = (partner_id.to_owned(), self.money("3.00"));
        let receive = v1::ReceiveMoneyRequest { request_id, partner_id, amount, line: line.clone(), window: 0 };
        self.operator.clone().bank.receive_money(receive).await.unwrap();
        line
    }

    /// What arrived of a partner and pays a part of its leg of a window: the entry.
    pub(super) async fn applied(&self, partner_id: &str, window: i64) -> String {
        self.received(partner_id).await;
        let apply = v1::ApplyMoneyRequest {
            request_id: foreign::key(),
            partner_id: partner_id.to_owned(),
            amount: self.money("2.00"),
            to: v1::MoneyUse::Leg.into(),
            window,
            from: v1::MoneySource::Partner.into(),
        };
        let applied = self.operator.clone().bank.apply_money(apply).await.unwrap().into_inner();
        applied.written.unwrap().entries.swap_remove(0).entry_id
    }

    pub(super) async fn of_bank(&self, method: &str) -> Vec<Vec<u8>> {
        let (request_id, partner_id) = (foreign::key(), "A".to_owned());
        let (amount, line) = (self.money("1.00"), self.line());
        let message = match method {
            "ReceiveMoney" => {
                let window = self.confirmed().await;
                v1::ReceiveMoneyRequest { request_id, partner_id, amount, line, window }.encode_to_vec()
            }
            "ApplyMoney" => {
                let window = self.confirmed().await;
                for from in ["A", ""] {
                    self.received(from).await;
                }
                let (to, from) = (v1::MoneyUse::Leg.into(), v1::MoneySource::Partner.into());
                let apply = v1::ApplyMoneyRequest { request_id, partner_id, amount, to, window, from };
                let (to, from) = (v1::MoneyUse::Unapplied.into(), v1::MoneySource::Unknown.into());
                let (request_id, amount) = (foreign::key(), self.money("3.00"));
                let known = v1::ApplyMoneyRequest { request_id, amount, to, window: 0, from, ..apply.clone() };
                return vec![apply.encode_to_vec(), known.encode_to_vec()];
            }
            "UndoPayment" => {
                let (window, partner_id) = self.unpaid().await;
                let payment_entry_id = self.applied(&partner_id, window).await;
                v1::UndoPaymentRequest { request_id, payment_entry_id, reason_code: "wrong".to_owned() }.encode_to_vec()
            }
            "ReturnMoney" => {
                self.received("A").await;
                v1::ReturnMoneyRequest { request_id, account: "unapplied:A".to_owned(), amount }.encode_to_vec()
            }
            "ConfirmOrdered" | "ReturnPayment" => {
                // What is ordered longest is paid first: nothing else is ordered of this one.
                let (_, partner_id) = self.unpaid().await;
                let payment = self.received(&partner_id).await;
                let give = v1::ReturnMoneyRequest {
                    request_id: foreign::key(),
                    account: format!("unapplied:{partner_id}"),
                    amount: amount.clone(),
                };
                let ordered = self.operator.clone().bank.return_money(give).await.unwrap().into_inner();
                let confirm = v1::ConfirmOrderedRequest { request_id, partner_id, amount, line: line.clone() };
                if method == "ConfirmOrdered" {
                    return vec![confirm.encode_to_vec()];
                }
                self.operator.clone().bank.confirm_ordered(confirm).await.unwrap();
                let (request_id, line) = (foreign::key(), self.line());
                let came_back =
                    v1::ReturnPaymentRequest { request_id, payment, line, ..v1::ReturnPaymentRequest::default() };
                let ordered_entry_id = ordered.written.unwrap().entries.swap_remove(0).entry_id;
                let of_order = v1::ReturnPaymentRequest {
                    request_id: foreign::key(),
                    ordered_entry_id,
                    line: self.line(),
                    ..v1::ReturnPaymentRequest::default()
                };
                return vec![of_order.encode_to_vec(), came_back.encode_to_vec()];
            }
            "BookBankFee" => {
                let account = v1::BankPurpose::Settlement.into();
                v1::BookBankFeeRequest { request_id, account, amount, interest: true, line }.encode_to_vec()
            }
            "BookOwnTransfer" => {
                let (from, to) = (v1::BankPurpose::Settlement.into(), v1::BankPurpose::Reserve.into());
                v1::BookOwnTransferRequest { request_id, from, to, amount, line, arrived: true }.encode_to_vec()
            }
            "ListOpenMoney" => v1::ListOpenMoneyRequest { partner_id, ..Default::default() }.encode_to_vec(),
            _ => return Vec::new(),
        };
        vec![message]
    }
}

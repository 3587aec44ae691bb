//! Orders as pain.001.001.09: one message with one payment information, from one account.
//!
//! Source: ISO 20022, CustomerCreditTransferInitiationV09; the SEPA rulebook for what is in euros between IBANs.

use std::fmt::Write as _;

use quick_xml::escape::escape;
use rust_decimal::Decimal;

use crate::order::{Account, BankCode, Party, Payments, Written};

const NAMESPACE: &str = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09";

/// How the Bank of Russia's codes of banks are named in ISO 20022.
const RUSSIAN_BANKS: &str = "RUCBC";

/// Elements, one a line.
struct Xml {
    text: String,
    /// Elements that are open.
    depth: usize,
}

impl Xml {
    fn indent(&mut self) {
        for _ in 0..self.depth {
            self.text.push(' ');
        }
    }

    fn leaf(&mut self, name: &str, text: &str) {
        self.indent();
        writeln!(self.text, "<{name}>{}</{name}>", escape(text)).expect("memory takes all");
    }

    fn within(&mut self, name: &str, inner: impl FnOnce(&mut Self)) {
        self.indent();
        writeln!(self.text, "<{name}>").expect("memory takes all");
        self.depth += 1;
        inner(self);
        self.depth -= 1;
        self.indent();
        writeln!(self.text, "</{name}>").expect("memory takes all");
    }

    fn party(&mut self, name: &str, party: &Party) {
        self.within(name, |xml| {
            xml.leaf("Nm", &party.name);
            if let Some(tax_id) = &party.tax_id {
                xml.within("Id", |xml| {
                    xml.within("OrgId", |xml| {
                        xml.within("Othr", |xml| {
                            xml.leaf("Id", tax_id);
                            xml.within("SchmeNm", |xml| xml.leaf("Cd", "TXID"));
                        });
                    });
                });
            }
        });
    }

    fn account(&mut self, name: &str, account: &Account) {
        self.within(name, |xml| {
            xml.within("Id", |xml| match account.bank {
                BankCode::None | BankCode::Bic(_) => xml.leaf("IBAN", &account.number),
                BankCode::National { .. } => xml.within("Othr", |xml| xml.leaf("Id", &account.number)),
            });
        });
    }

    fn bank(&mut self, name: &str, account: &Account) {
        self.within(name, |xml| {
            xml.within("FinInstnId", |xml| {
                match &account.bank {
                    BankCode::Bic(code) => xml.leaf("BICFI", code),
                    BankCode::National { code, .. } => xml.within("ClrSysMmbId", |xml| {
                        if account.is_russian() {
                            xml.within("ClrSysId", |xml| xml.leaf("Cd", RUSSIAN_BANKS));
                        }
                        xml.leaf("MmbId", code);
                    }),
                    BankCode::None => {}
                }
                if let Some(name) = &account.bank_name {
                    xml.leaf("Nm", name);
                }
                if account.bank == BankCode::None {
                    xml.within("Othr", |xml| xml.leaf("Id", "NOTPROVIDED"));
                }
            });
        });
    }
}

/// The file of one payer.
pub(crate) fn write(payments: &Payments, orders: &[Written<'_>], message_id: &str) -> String {
    let payer = &orders[0].order.payer;
    let count = orders.len().to_string();
    let sum = orders.iter().map(|written| written.amount).sum::<Decimal>().to_string();
    let is_iban = |account: &Account| !matches!(account.bank, BankCode::National { .. });
    let sepa = payments.currency.as_str() == "EUR"
        && orders.iter().all(|written| is_iban(&written.order.payer.account) && is_iban(&written.order.payee.account));
    let mut xml = Xml { text: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned(), depth: 1 };
    writeln!(xml.text, "<Document xmlns=\"{NAMESPACE}\">").expect("memory takes all");
    xml.within("CstmrCdtTrfInitn", |xml| {
        xml.within("GrpHdr", |xml| {
            xml.leaf("MsgId", message_id);
            xml.leaf("CreDtTm", &payments.exported.strftime("%Y-%m-%dT%H:%M:%S").to_string());
            xml.leaf("NbOfTxs", &count);
            xml.leaf("CtrlSum", &sum);
            xml.within("InitgPty", |xml| xml.leaf("Nm", &payer.name));
        });
        xml.within("PmtInf", |xml| {
            xml.leaf("PmtInfId", message_id);
            xml.leaf("PmtMtd", "TRF");
            // Each payment is a line of its own on the statement, so that it is found there.
            xml.leaf("BtchBookg", "false");
            xml.leaf("NbOfTxs", &count);
            xml.leaf("CtrlSum", &sum);
            if sepa {
                xml.within("PmtTpInf", |xml| xml.within("SvcLvl", |xml| xml.leaf("Cd", "SEPA")));
            }
            xml.within("ReqdExctnDt", |xml| xml.leaf("Dt", &payments.payment_date.to_string()));
            xml.party("Dbtr", payer);
            xml.account("DbtrAcct", &payer.account);
            xml.bank("DbtrAgt", &payer.account);
            xml.leaf("ChrgBr", if sepa { "SLEV" } else { "SHAR" });
            for Written { order, reference, purpose, amount } in orders {
                xml.within("CdtTrfTxInf", |xml| {
                    xml.within("PmtId", |xml| {
                        xml.leaf("InstrId", &order.number.to_string());
                        xml.leaf("EndToEndId", reference.as_str());
                    });
                    xml.within("Amt", |xml| {
                        xml.indent();
                        writeln!(xml.text, "<InstdAmt Ccy=\"{}\">{amount}</InstdAmt>", payments.currency)
                            .expect("memory takes all");
                    });
                    if order.payee.account.bank != BankCode::None || order.payee.account.bank_name.is_some() {
                        xml.bank("CdtrAgt", &order.payee.account);
                    }
                    xml.party("Cdtr", &order.payee);
                    xml.account("CdtrAcct", &order.payee.account);
                    xml.within("RmtInf", |xml| xml.leaf("Ustrd", purpose));
                });
            }
        });
    });
    xml.text.push_str("</Document>\n");
    xml.text
}

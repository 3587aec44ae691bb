//! What a step asks for: an operation, from the fields that its own type reads.
//!
//! A step is named as an RPC in snake case, and its fields as those of the RPC, but for the words that the published form
//! of scenarios has of its own. A name in a field is told by the field's: of a member (`member`, `to_member`), an entry
//! (`hold_id`, `issue_entry_id`), a request (`abandoned_request_id`); so is money (`amount`), which the scale of the coalition
//! makes whole.

use std::cell::RefCell;

use clearing_core::command::Command;
use clearing_core::units::{Money, Timestamp};
use serde::de::value::MapDeserializer;
use toml::{Table, Value};

use crate::names::{Names, short_identifier};

/// By what members are known in a scenario.
const SCHEME: &str = "scenario";

/// Words of the published form, and the fields that they are.
type Words = &'static [(&'static str, &'static str)];

/// Steps with a name of their own, the operation that they are, and those of its fields that have one too. A field behind a
/// point stands in another.
const WORDS: [(&str, &str, Words); 23] = [
    ("issue", "issue_points", &[("expires", "expire_time"), ("activates", "activate_time")]),
    ("redeem", "redeem_points", &[]),
    ("authorize", "authorize_redemption", &[("lapses", "lapse_time")]),
    ("capture", "capture_hold", &[("of", "hold_id")]),
    ("void", "void_hold", &[("of", "hold_id")]),
    ("return_redemption", "return_redemption", &[("of", "redemption_entry_id")]),
    ("reverse_issue", "reverse_issue", &[("of", "issue_entry_id")]),
    ("transfer", "transfer_points", &[("to", "to_member")]),
    ("decay", "run_decay", &[]),
    ("pay", "confirm_payment", &[("partner", "partner_id"), ("payer", "pair.payer"), ("payee", "pair.payee")]),
    ("set_state", "set_partner_state", &[("partner", "partner_id")]),
    ("receive_money", "receive_money", &[("partner", "partner_id"), ("reference", "line.reference")]),
    ("apply_money", "apply_money", &[("partner", "partner_id")]),
    ("undo_payment", "undo_payment", &[("of", "payment_entry_id"), ("reason", "reason_code")]),
    ("confirm_ordered", "confirm_ordered", &[("partner", "partner_id")]),
    ("return_payment", "return_payment", &[("partner", "partner_id"), ("reference", "payment.reference")]),
    ("book_bank_fee", "book_bank_fee", &[("reference", "line.reference")]),
    ("book_own_transfer", "book_own_transfer", &[("reference", "line.reference")]),
    ("cover_default", "cover_default", &[("partner", "partner_id")]),
    ("share_loss", "share_loss", &[("partner", "partner_id")]),
    ("repay_claim", "repay_claim", &[("partner", "partner_id"), ("penalty", "penalty_amount")]),
    ("charge", "charge", &[("partner", "partner_id"), ("reason", "reason_code")]),
    ("adjust", "adjust", &[("payer", "payer_id"), ("payee", "payee_id"), ("reason", "reason_code")]),
];

/// The fields of a step that is an operation, as they stand in the file.
#[derive(Debug, Clone)]
pub struct Fields {
    operation: String,
    words: Words,
    table: Table,
}

impl Fields {
    pub fn new(step: &str, mut table: Table) -> Self {
        if step == "transfer" {
            // The members of a scenario are those that it names.
            table.insert("enrol_receiver".to_owned(), true.into());
        }
        let known = WORDS.into_iter().find(|(word, ..)| *word == step);
        let (operation, words) = known.map_or((step, &[][..]), |(_, operation, words)| (operation, words));
        Self { operation: operation.to_owned(), words, table }
    }

    /// The text of a field of the operation, if it has one.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.table.get(self.word(field))?.as_str()
    }

    /// Whether the file has a field of the operation.
    pub fn has(&self, field: &str) -> bool {
        self.table.contains_key(self.word(field))
    }

    /// The operation, asked for at a time in a coalition of this scale.
    ///
    /// # Errors
    /// What is wrong, behind the key that it is wrong with.
    pub fn command(&self, names: &mut Names, at: Timestamp, scale: u32) -> Result<Command, String> {
        let mut fields = Table::new();
        for (word, value) in &self.table {
            let path = self.words.iter().find(|(known, _)| known == word).map_or(word.as_str(), |(_, field)| *field);
            let (within, key) = path.split_once('.').map_or((None, path), |(within, key)| (Some(within), key));
            let value =
                resolved(key, value.clone(), names, at, scale).map_err(|problem| format!("{word}: {problem}"))?;
            let twice = match within {
                None => fields.insert(key.to_owned(), value),
                Some(within) => {
                    let inner = fields.entry(within).or_insert_with(|| Table::new().into());
                    inner.as_table_mut().and_then(|inner| inner.insert(key.to_owned(), value))
                }
            };
            if twice.is_some() {
                return Err(format!("{word}: {key} is given twice"));
            }
        }
        // The key that is being read; none once all have been.
        let reading = RefCell::new(None);
        let end = std::iter::from_fn(|| {
            reading.take();
            None
        });
        let tracked = fields.into_iter().inspect(|(key, _)| *reading.borrow_mut() = Some(key.clone())).chain(end);
        let read = Command::read(&self.operation, MapDeserializer::<_, toml::de::Error>::new(tracked));
        let read = read.ok_or_else(|| format!("do: there is no step {:?}", self.operation))?;
        read.map_err(|problem| match reading.take() {
            Some(key) => format!("{}: {}", self.word(&key), problem.message()),
            None => problem.message().to_owned(),
        })
    }

    /// How a field of the operation is called in the file.
    fn word<'a>(&self, field: &'a str) -> &'a str {
        self.words.iter().find(|(_, known)| *known == field).map_or(field, |(word, _)| *word)
    }
}

/// The value of a field of this name, with what its texts stand for.
fn resolved(key: &str, value: Value, names: &mut Names, at: Timestamp, scale: u32) -> Result<Value, String> {
    let ends_with = |word: &str| key == word || key.strip_suffix(word).is_some_and(|rest| rest.ends_with('_'));
    let is_money = ends_with("amount") || ["receipt_total", "net_debit_cap"].contains(&key);
    let text = match value {
        Value::Table(table) => {
            let inner = table.into_iter().map(|(key, value)| {
                let value = resolved(&key, value, names, at, scale)?;
                Ok((key, value))
            });
            return inner.collect::<Result<Table, String>>().map(Value::from);
        }
        Value::Array(list) if list.iter().all(Value::is_table) => {
            let inner = list.into_iter().map(|value| resolved(key, value, names, at, scale));
            return inner.collect::<Result<Vec<_>, String>>().map(Value::from);
        }
        Value::String(text) => text,
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) | Value::Array(_) if is_money => {
            return Err(format!("invalid type: {}, expected a decimal text", value.type_str()));
        }
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) | Value::Array(_) => {
            return Ok(value);
        }
    };
    if is_money {
        let amount = Money::read(&text, scale).map_err(|problem| problem.to_string())?;
        Ok(amount.0.into())
    } else if ends_with("member") {
        let member = short_identifier(SCHEME, &text).ok_or_else(|| format!("{text:?} is too long for a member"))?;
        Value::try_from(member).map_err(|problem| problem.to_string())
    } else if ends_with("entry_id") || ends_with("hold_id") || ends_with("proposal_id") {
        names.entry(&text).map(|entry| entry.to_string().into())
    } else if ends_with("request_id") {
        Ok(names.request(&text, at).to_string().into())
    } else {
        Ok(text.into())
    }
}

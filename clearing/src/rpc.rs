//! What partners, operators and auditors say to the house, and what it says back.
//!
//! A call runs: [`auth`] (certificate to caller, may this caller ask this?) - the room of its noun (a few lines: convert,
//! ask the writer or read the store, convert). A room has the service of one `.proto` file and the conversions of its
//! messages; [`convert`] has those of the values that all of them are made of, and `written` what all operations answer. Ids
//! and places in lists tell their readers nothing ([`opaque`]).

mod action;
pub(crate) mod admin;
pub(crate) mod approval;
pub mod auth;
pub(crate) mod bank;
pub(crate) mod bank_account;
pub mod bounds;
pub(crate) mod care;
pub mod complete;
pub mod convert;
pub(crate) mod credential;
pub(crate) mod enrolment;
pub(crate) mod entry;
pub mod errors;
pub(crate) mod hold;
pub(crate) mod info;
pub mod issue;
pub(crate) mod member;
pub(crate) mod notice;
pub mod opaque;
pub(crate) mod partner;
pub(crate) mod people;
pub(crate) mod position;
pub(crate) mod purchase;
pub(crate) mod reads;
pub(crate) mod receipt;
pub(crate) mod redemption;
pub(crate) mod report;
pub(crate) mod request;
pub(crate) mod reversal;
pub(crate) mod sandbox;
pub(crate) mod settlement;
pub(crate) mod transfer;
pub(crate) mod weight;
mod written;

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use clearing_core::command::{Command, Request};
use clearing_core::facts::coalition::House;
use clearing_core::facts::credential::Badge;
use clearing_core::facts::origin::Origin;
use clearing_core::units::RequestId;
use tonic::Status;

use self::action::Action;
use self::auth::Asker;
use crate::badges::{Devices, SHOWN};
use crate::clock::{self, Clock};
use crate::door::Door;
use crate::enrolment::Issuer;
use crate::identifier::IdentifierKey;
use crate::rpc::opaque::Opaque;
use crate::scheduler::Scheduler;
use crate::store::{Store, StoreError};
use crate::writer::{Writer, Written};

/// Items in a batch at the most.
pub const BATCH_ITEMS_MAX: usize = 8192;
/// Rows on a page at the most, and where the caller does not say.
pub const PAGE_SIZE_MAX: usize = 1000;
pub const PAGE_SIZE_DEFAULT: usize = 100;
/// A unary message at the most, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// A request for invites at the most, in bytes.
pub const INVITES_BYTES_MAX: usize = 512 * 1024;
/// A batch at the most, in bytes.
pub const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What every service of the house works with. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    pub store: Store,
    pub writer: Writer,
    pub clock: Clock,
    pub identifier_key: Arc<IdentifierKey>,
    /// Writes and reads what callers see of ids and of places in lists.
    pub opaque: Arc<Opaque>,
    /// The house as last seen by this node: for reads and for telling who a caller is. Commands are decided under the
    /// house as the writer finds it behind the gate.
    pub house: Arc<ArcSwapOption<House>>,
    pub scheduler: Scheduler,
    /// The connections to this node.
    pub door: Door,
    pub devices: Devices,
    /// Who makes certificates; none: the house issues none.
    pub issuer: Option<Arc<Issuer>>,
}

impl Context {
    pub fn house(&self) -> Arc<House> {
        self.house.load_full().expect("calls are let in once the house is loaded")
    }

    /// Asks the writer for a command of the operator, and brings this node's view of the house up to date.
    pub(crate) async fn ask_house(
        &self,
        asker: Asker,
        request_id: RequestId,
        command: Command,
    ) -> Result<Written, Status> {
        let badge = Some(self.badge()?);
        let request = Request {
            caller: asker.partner,
            request_id: Some(request_id),
            origin: Origin::default(),
            command,
            fresh_member: clock::fresh_member_id(),
            fresh_salt: clock::random_bytes(),
            person: asker.person,
            attachment: None,
            badge,
        };
        let written = self.carry_out(request).await?;
        self.refresh_house().await?;
        Ok(written)
    }

    /// The certificate with which the call was made that is being answered.
    ///
    /// # Errors
    /// `INTERNAL` if nobody said: nothing is written for whoever is unknown.
    pub(crate) fn badge(&self) -> Result<Badge, Status> {
        SHOWN.try_with(|shown| shown.badge()).map_err(|_| errors::internal())
    }

    /// Whether an authority of the partner's own vouches for the call, and not the coalition's.
    pub(crate) fn is_by_own_authority(&self) -> bool {
        SHOWN.try_with(|shown| shown.is_by_own_authority()).unwrap_or_default()
    }

    /// Asks the writer, and logs what became of it if it is an action of the operator.
    async fn carry_out(&self, request: Request) -> Result<Written, Status> {
        let action = Action::of(&request);
        let outcome = self.writer.ask(request).await;
        if let Some(action) = action {
            action.log(&outcome, &self.opaque);
        }
        outcome.map_err(|error| errors::of_write(&error))
    }

    /// Takes a house for the one that there is, and closes connections that it does not trust any more.
    pub(crate) fn see(&self, house: House) {
        self.door.close_over(Some(&house.revoked), clock::machine_time());
        self.house.store(Some(Arc::new(house)));
    }

    /// Reads the house anew.
    pub async fn refresh_house(&self) -> Result<(), Status> {
        self.look_at_house().await.map(drop).map_err(|error| errors::of_store(&error))
    }

    /// The same for the house itself, which logs what is wrong as often as is of use. Gives how often it was changed.
    pub async fn look_at_house(&self) -> Result<i64, StoreError> {
        let row = self.store.load_house().await?;
        let epoch = row.terms_epoch;
        self.see(row.house);
        Ok(epoch)
    }
}

/// The rows of a page: what the caller asked for, or [`PAGE_SIZE_DEFAULT`].
///
/// # Errors
/// `INVALID_ARGUMENT` below zero or above [`PAGE_SIZE_MAX`].
pub(crate) fn page_size(asked: i32) -> Result<usize, Status> {
    page_size_or(asked, PAGE_SIZE_DEFAULT)
}

/// The same with another default.
///
/// # Errors
/// `INVALID_ARGUMENT` below zero or above [`PAGE_SIZE_MAX`].
pub(crate) fn page_size_or(asked: i32, default: usize) -> Result<usize, Status> {
    match usize::try_from(asked) {
        Ok(0) => Ok(default),
        Ok(size) if size <= PAGE_SIZE_MAX => Ok(size),
        Ok(_) | Err(_) => Err(errors::invalid("page_size", format!("{asked} is not from 0 to {PAGE_SIZE_MAX}"))),
    }
}

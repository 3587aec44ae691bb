//! Who may connect: invites, credentials, and what was revoked.

use std::collections::{BTreeMap, BTreeSet};

use clearing_core::book::Book;
use clearing_core::book::changes::Changes;
use clearing_core::facts::credential::{Credential, Device, Holder, Invite, Revocation, Revoked, Scopes, Serial};
use clearing_core::facts::origin::Code;
use clearing_core::operation::{Footprint, HOLDINGS_TOLD_MAX};
use clearing_core::units::{InviteId, Timestamp};

use super::cells::Row;
use super::rows::RowSet;
use super::save::of_book;
use super::sql::{Link, Sql, Takes, one, rows};
use super::tables::{CREDENTIALS, Column, INVITES, REVOCATIONS};
use super::{Store, StoreError};

pub(super) static STATEMENTS: &[&Sql] = &[
    &LOCK_INVITES,
    &INVITE,
    &OPEN_INVITES,
    &INVITES_MADE_WITH,
    &ALL_INVITES,
    &LIST_INVITES,
    &LIST_INVITES_OF,
    &UPSERT_INVITES,
    &CREDENTIALS_BY_SERIAL,
    &CREDENTIALS_OF_LINES,
    &VALID_CREDENTIALS,
    &SUCCESSORS,
    &LAST_SUCCESSORS,
    &ALL_CREDENTIALS,
    &LIST_CREDENTIALS,
    &LIST_CREDENTIALS_OF,
    &INSERT_CREDENTIALS,
    &ALL_REVOCATIONS,
    &UPSERT_REVOCATIONS,
    &DELETE_REVOCATIONS,
];

const ID: &[Column] = &[INVITES.invite_id];
const SERIAL: &[Column] = &[CREDENTIALS.serial];

static LOCK_INVITES: Sql = Sql::new(
    "store.lock_invites",
    "SELECT {invites i} FROM {rows k} CROSS JOIN invites AS i WHERE {match k i}",
    "SELECT {invites i} FROM invites AS i JOIN {rows k} ON {match k i} ORDER BY i.invite_id FOR UPDATE OF i",
)
.takes(&[rows("k", ID)])
.gives(INVITES.all);

/// Invites by their ids; locked in ascending order until the transaction ends.
async fn lock_invites(link: &mut Link<'_>, ids: &BTreeSet<InviteId>) -> Result<Vec<(InviteId, Invite)>, StoreError> {
    let mut keys = link.row_set(ID);
    for id in ids {
        keys.uuid(INVITES.invite_id, id.0);
    }
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let call = link.call(&LOCK_INVITES).rows(keys);
    link.rows(call, invite).await
}

static OPEN_INVITES: Sql = Sql::both(
    "store.unused_invites",
    "SELECT {invites} FROM invites WHERE holder = {holder} AND used_at IS NULL ORDER BY invite_id LIMIT {limit}",
)
.takes(&[one("holder"), one("limit")])
.gives(INVITES.all);

const MADE_WITH: &[Column] = &[INVITES.made_with];

static INVITES_MADE_WITH: Sql = Sql::both(
    "store.invites_made_with",
    "SELECT {invites i} FROM {rows k} CROSS JOIN invites AS i WHERE i.made_with = k.made_with AND i.used_at IS NULL",
)
.takes(&[rows("k", MADE_WITH)])
.gives(INVITES.all);

static ALL_INVITES: Sql = Sql::both("store.all_invites", "SELECT {invites} FROM invites").gives(INVITES.all);

static CREDENTIALS_BY_SERIAL: Sql = Sql::both(
    "store.credentials_by_serial",
    "SELECT {credentials c} FROM {rows k} CROSS JOIN credentials AS c WHERE {match k c}",
)
.takes(&[rows("k", SERIAL)])
.gives(CREDENTIALS.all);

async fn by_serial(
    link: &mut Link<'_>,
    serials: impl IntoIterator<Item = Serial>,
) -> Result<Vec<(Serial, Credential)>, StoreError> {
    let mut keys = link.row_set(SERIAL);
    for serial in serials {
        keys.text(CREDENTIALS.serial, &serial.to_string());
    }
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let call = link.call(&CREDENTIALS_BY_SERIAL).rows(keys);
    link.rows(call, credential).await
}

const LINE: &[Column] = &[CREDENTIALS.line];

static CREDENTIALS_OF_LINES: Sql = Sql::both(
    "store.credentials_of_lines",
    "SELECT {credentials c} FROM {rows k} CROSS JOIN credentials AS c WHERE c.line = k.line",
)
.takes(&[rows("k", LINE)])
.gives(CREDENTIALS.all);

static VALID_CREDENTIALS: Sql = Sql::both(
    "store.valid_credentials",
    "SELECT {credentials} FROM credentials WHERE holder = {holder} AND ends_at >= {now} ORDER BY serial LIMIT {limit}",
)
.takes(&[one("holder"), one("now"), one("limit")])
.gives(CREDENTIALS.all);

const RENEWAL: &[Column] = &[CREDENTIALS.renews, CREDENTIALS.key_hash];

static SUCCESSORS: Sql = Sql::both(
    "store.successors",
    "SELECT {credentials c} FROM {rows k} CROSS JOIN credentials AS c WHERE c.renews = k.renews AND c.key_hash = k.key_hash",
)
.takes(&[rows("k", RENEWAL)])
.gives(CREDENTIALS.all);

static ALL_CREDENTIALS: Sql =
    Sql::both("store.all_credentials", "SELECT {credentials} FROM credentials").gives(CREDENTIALS.all);

/// Locks and reads what a batch beside others needs: invites with what came of them, and credentials that are renewed.
pub(super) async fn load(link: &mut Link<'_>, book: &mut Book, needs: &Footprint<'_>) -> Result<(), StoreError> {
    let invites = lock_invites(link, &needs.invites).await?;
    let came = invites.iter().filter_map(|(_, invite)| invite.used.map(|(_, serial)| serial));
    let wanted: BTreeSet<Serial> = came.chain(needs.renewed.iter().map(|(serial, _)| *serial)).collect();
    book.credentials.extend(by_serial(link, wanted).await?);
    book.invites.extend(invites);
    if !needs.renewed.is_empty() {
        let mut keys = link.row_set(RENEWAL);
        for (serial, key) in &needs.renewed {
            keys.text(CREDENTIALS.renews, &serial.to_string()).bytes(CREDENTIALS.key_hash, key);
        }
        let call = link.call(&SUCCESSORS).rows(keys);
        book.credentials.extend(link.rows(call, credential).await?);
    }
    Ok(())
}

/// Reads what a revocation needs. The caller has the gate alone.
pub(super) async fn load_alone(link: &mut Link<'_>, book: &mut Book, needs: &Footprint<'_>) -> Result<(), StoreError> {
    let limit = i64::try_from(HOLDINGS_TOLD_MAX).expect("a thousand");
    for (holder, now) in &needs.holders {
        let call = link.call(&VALID_CREDENTIALS).text(holder.to_string()).int(now.0).int(limit);
        book.credentials.extend(link.rows(call, credential).await?);
        let call = link.call(&OPEN_INVITES).text(holder.to_string()).int(limit);
        book.invites.extend(link.rows(call, invite).await?);
    }
    if needs.lines.is_empty() {
        return Ok(());
    }
    let named = by_serial(link, needs.lines.iter().copied()).await?;
    let lines: BTreeSet<Serial> =
        named.iter().map(|(_, known)| known.line).chain(needs.lines.iter().copied()).collect();
    let mut keys = link.row_set(LINE);
    for line in &lines {
        keys.text(CREDENTIALS.line, &line.to_string());
    }
    let call = link.call(&CREDENTIALS_OF_LINES).rows(keys);
    let found = link.rows(call, credential).await?;
    let mut keys = link.row_set(MADE_WITH);
    for serial in lines.into_iter().chain(found.iter().map(|(serial, _)| *serial)).collect::<BTreeSet<Serial>>() {
        keys.text(INVITES.made_with, &serial.to_string());
    }
    let call = link.call(&INVITES_MADE_WITH).rows(keys);
    book.invites.extend(link.rows(call, invite).await?);
    book.credentials.extend(named.into_iter().chain(found));
    Ok(())
}

/// All that there is, for the audit.
pub(super) async fn load_all(link: &mut Link<'_>, book: &mut Book) -> Result<(), StoreError> {
    let call = link.call(&ALL_INVITES);
    book.invites = link.rows(call, invite).await?.into_iter().collect();
    let call = link.call(&ALL_CREDENTIALS);
    book.credentials = link.rows(call, credential).await?.into_iter().collect();
    Ok(())
}

fn damaged<E: std::error::Error + Send + Sync + 'static>(what: &'static str) -> impl Fn(E) -> StoreError {
    move |error| StoreError::damaged(what, error)
}

fn holder(row: &Row<'_>, column: Column) -> Result<Holder, StoreError> {
    row.text(column)?.parse().map_err(damaged("a holder of credentials"))
}

fn serial(text: &str) -> Result<Serial, StoreError> {
    text.parse().map_err(damaged("a serial number"))
}

fn scopes(row: &Row<'_>, column: Column) -> Result<Scopes, StoreError> {
    let bits = row.small(column)?;
    super::known("scope of a credential", Scopes::from_bits(bits))
}

/// The columns of a device, of either table.
struct DeviceColumns {
    name: Column,
    store: Column,
    till: Column,
    calls_per_second: Column,
    connections_max: Column,
}

const OF_INVITE: DeviceColumns = DeviceColumns {
    name: INVITES.device,
    store: INVITES.store,
    till: INVITES.till,
    calls_per_second: INVITES.calls_per_second,
    connections_max: INVITES.connections_max,
};

const OF_CREDENTIAL: DeviceColumns = DeviceColumns {
    name: CREDENTIALS.device,
    store: CREDENTIALS.store,
    till: CREDENTIALS.till,
    calls_per_second: CREDENTIALS.calls_per_second,
    connections_max: CREDENTIALS.connections_max,
};

impl DeviceColumns {
    fn read(&self, row: &Row<'_>) -> Result<Option<Device>, StoreError> {
        let code = |column| -> Result<Option<Code>, StoreError> {
            row.text_or_null(column)?.map(Code::new).transpose().map_err(damaged("the code of a device"))
        };
        let Some(name) = code(self.name)? else { return Ok(None) };
        Ok(Some(Device {
            name,
            store: code(self.store)?,
            till: code(self.till)?,
            calls_per_second: row.small(self.calls_per_second)?,
            connections_max: row.small(self.connections_max)?,
        }))
    }

    fn write(&self, rows: &mut RowSet, device: Option<&Device>) {
        let code = |code: Option<&Code>| code.map(|code| code.as_str().to_owned());
        let (store, till) =
            (device.and_then(|device| device.store.as_ref()), device.and_then(|device| device.till.as_ref()));
        rows.text_or_null(self.name, code(device.map(|device| &device.name)).as_deref());
        rows.text_or_null(self.store, code(store).as_deref()).text_or_null(self.till, code(till).as_deref());
        rows.int(self.calls_per_second, device.map_or(0, |device| i64::from(device.calls_per_second)));
        rows.int(self.connections_max, device.map_or(0, |device| i64::from(device.connections_max)));
    }
}

fn invite(row: &Row<'_>) -> Result<(InviteId, Invite), StoreError> {
    let time = |column| -> Result<Option<Timestamp>, StoreError> { Ok(row.int_or_null(column)?.map(Timestamp)) };
    let came = row.text_or_null(INVITES.serial)?.map(serial).transpose()?;
    let invite = Invite {
        holder: holder(row, INVITES.holder)?,
        scopes: scopes(row, INVITES.scopes)?,
        device: OF_INVITE.read(row)?,
        secret: row.hash(INVITES.secret_hash)?,
        created: row.time(INVITES.created_at)?,
        ends: row.time(INVITES.ends_at)?,
        by: holder(row, INVITES.created_by)?,
        made_with: row.text_or_null(INVITES.made_with)?.map(serial).transpose()?,
        withdrawn: time(INVITES.withdrawn_at)?,
        made_alone: row.bool(INVITES.made_alone)?,
        used: time(INVITES.used_at)?.zip(came),
        foreign_attempts: row.small(INVITES.foreign_attempts)?,
    };
    Ok((InviteId(row.uuid(INVITES.invite_id)?), invite))
}

fn credential(row: &Row<'_>) -> Result<(Serial, Credential), StoreError> {
    let credential = Credential {
        holder: holder(row, CREDENTIALS.holder)?,
        scopes: scopes(row, CREDENTIALS.scopes)?,
        device: OF_CREDENTIAL.read(row)?,
        key: row.hash(CREDENTIALS.key_hash)?,
        created: row.time(CREDENTIALS.created_at)?,
        begins: row.time(CREDENTIALS.begins_at)?,
        ends: row.time(CREDENTIALS.ends_at)?,
        line: serial(row.text(CREDENTIALS.line)?)?,
        invite: row.uuid_or_null(CREDENTIALS.invite_id)?.map(InviteId),
        renews: row.text_or_null(CREDENTIALS.renews)?.map(serial).transpose()?,
        entry: row.entry(CREDENTIALS.batch_id, CREDENTIALS.ordinal)?,
    };
    Ok((serial(row.text(CREDENTIALS.serial)?)?, credential))
}

static UPSERT_INVITES: Sql = Sql::both("store.upsert_invites", "{upsert k}").takes(&[rows("k", INVITES.all)]);
static INSERT_CREDENTIALS: Sql =
    Sql::both("store.insert_credentials", "{insert k}").takes(&[rows("k", CREDENTIALS.all)]);

/// Writes the invites and credentials that a batch has made or changed.
pub(super) async fn save(link: &mut Link<'_>, book: &Book, changes: &Changes) -> Result<(), StoreError> {
    let mut rows = link.row_set(INVITES.all);
    for id in &changes.invites {
        let Invite {
            holder,
            scopes,
            device,
            secret,
            created,
            ends,
            by,
            made_with,
            withdrawn,
            made_alone,
            used,
            foreign_attempts,
        } = of_book(book.invites.get(id))?;
        rows.uuid(INVITES.invite_id, id.0).text(INVITES.holder, &holder.to_string());
        rows.int(INVITES.scopes, i64::from(scopes.bits()));
        OF_INVITE.write(&mut rows, device.as_ref());
        rows.bytes(INVITES.secret_hash, secret).int(INVITES.created_at, created.0).int(INVITES.ends_at, ends.0);
        rows.text(INVITES.created_by, &by.to_string());
        rows.text_or_null(INVITES.made_with, made_with.map(|serial| serial.to_string()).as_deref());
        rows.int_or_null(INVITES.withdrawn_at, withdrawn.map(|time| time.0)).bool(INVITES.made_alone, *made_alone);
        rows.int_or_null(INVITES.used_at, used.map(|(time, _)| time.0));
        rows.text_or_null(INVITES.serial, used.map(|(_, serial)| serial.to_string()).as_deref());
        rows.int(INVITES.foreign_attempts, i64::from(*foreign_attempts));
    }
    link.write(&UPSERT_INVITES, rows).await?;
    let mut rows = link.row_set(CREDENTIALS.all);
    for serial in &changes.credentials {
        let Credential { holder, scopes, device, key, created, begins, ends, line, invite, renews, entry } =
            of_book(book.credentials.get(serial))?;
        rows.text(CREDENTIALS.serial, &serial.to_string()).text(CREDENTIALS.line, &line.to_string());
        rows.text(CREDENTIALS.holder, &holder.to_string()).int(CREDENTIALS.scopes, i64::from(scopes.bits()));
        OF_CREDENTIAL.write(&mut rows, device.as_ref());
        rows.bytes(CREDENTIALS.key_hash, key).int(CREDENTIALS.created_at, created.0);
        rows.int(CREDENTIALS.begins_at, begins.0).int(CREDENTIALS.ends_at, ends.0);
        rows.uuid_or_null(CREDENTIALS.invite_id, invite.map(|id| id.0));
        rows.text_or_null(CREDENTIALS.renews, renews.map(|serial| serial.to_string()).as_deref());
        rows.uuid(CREDENTIALS.batch_id, entry.batch.0).int(CREDENTIALS.ordinal, i64::from(entry.ordinal));
    }
    link.write(&INSERT_CREDENTIALS, rows).await
}

static ALL_REVOCATIONS: Sql =
    Sql::both("store.revocations", "SELECT {revocations} FROM revocations").gives(REVOCATIONS.all);

/// All that is revoked and known to be.
pub(super) async fn revoked(link: &mut Link<'_>) -> Result<Revoked, StoreError> {
    let call = link.call(&ALL_REVOCATIONS);
    let read = |row: &Row<'_>| {
        let revocation = Revocation {
            time: row.time(REVOCATIONS.revoked_at)?,
            cut: row.time(REVOCATIONS.cut_at)?,
            ends: row.time(REVOCATIONS.ends_at)?,
            by: holder(row, REVOCATIONS.revoked_by)?,
            reason: Code::word(row.text(REVOCATIONS.reason)?).map_err(damaged("the reason of a revocation"))?,
        };
        Ok((row.text(REVOCATIONS.subject)?.to_owned(), revocation))
    };
    let mut revoked = Revoked::default();
    for (subject, revocation) in link.rows(call, read).await? {
        if subject.contains('/') {
            let holder: Holder = subject.parse().map_err(damaged("a holder of credentials"))?;
            revoked.holders.insert(holder, revocation);
        } else {
            revoked.serials.insert(serial(&subject)?, revocation);
        }
    }
    Ok(revoked)
}

const SUBJECT: &[Column] = &[REVOCATIONS.subject];

static UPSERT_REVOCATIONS: Sql =
    Sql::both("store.upsert_revocations", "{upsert k}").takes(&[rows("k", REVOCATIONS.all)]);
static DELETE_REVOCATIONS: Sql = Sql::both("store.delete_revocations", "{delete k}").takes(&[rows("k", SUBJECT)]);

/// Writes what was revoked, and forgets what has ended.
pub(super) async fn save_revoked(link: &mut Link<'_>, book: &Book, changes: &Changes) -> Result<(), StoreError> {
    let revoked = &book.house.revoked;
    let (mut rows, mut gone) = (link.row_set(REVOCATIONS.all), link.row_set(SUBJECT));
    let serials = changes.revoked_serials.iter().map(|serial| (serial.to_string(), revoked.serials.get(serial)));
    let holders = changes.revoked_holders.iter().map(|holder| (holder.to_string(), revoked.holders.get(holder)));
    for (subject, revocation) in serials.chain(holders) {
        let Some(Revocation { time, cut, ends, by, reason }) = revocation else {
            gone.text(REVOCATIONS.subject, &subject);
            continue;
        };
        rows.text(REVOCATIONS.subject, &subject).int(REVOCATIONS.revoked_at, time.0).int(REVOCATIONS.cut_at, cut.0);
        rows.int(REVOCATIONS.ends_at, ends.0).text(REVOCATIONS.revoked_by, &by.to_string());
        rows.text(REVOCATIONS.reason, reason.as_str());
    }
    link.write(&UPSERT_REVOCATIONS, rows).await?;
    link.write(&DELETE_REVOCATIONS, gone).await
}

const LIST: &[Takes] = &[one("time"), one("place"), one("unused"), one("now"), one("limit")];
const LIST_OF: &[Takes] = &[one("holder"), one("time"), one("place"), one("unused"), one("now"), one("limit")];

static LIST_INVITES: Sql = Sql::both(
    "store.list_invites",
    "SELECT {invites} FROM invites WHERE (created_at, invite_id) < ({time}, {place})
    AND ({unused} = 0 OR (used_at IS NULL AND withdrawn_at IS NULL AND ends_at > {now}))
    ORDER BY created_at DESC, invite_id DESC LIMIT {limit}",
)
.takes(LIST)
.gives(INVITES.all);

static LIST_INVITES_OF: Sql = Sql::both(
    "store.list_invites_of",
    "SELECT {invites} FROM invites WHERE holder = {holder} AND (created_at, invite_id) < ({time}, {place})
    AND ({unused} = 0 OR (used_at IS NULL AND withdrawn_at IS NULL AND ends_at > {now}))
    ORDER BY created_at DESC, invite_id DESC LIMIT {limit}",
)
.takes(LIST_OF)
.gives(INVITES.all);

static LIST_CREDENTIALS: Sql = Sql::both(
    "store.list_credentials",
    "SELECT {credentials} FROM credentials WHERE (created_at, serial) < ({time}, {place})
    AND ({unused} = 0 OR ends_at >= {now}) ORDER BY created_at DESC, serial DESC LIMIT {limit}",
)
.takes(LIST)
.gives(CREDENTIALS.all);

static LIST_CREDENTIALS_OF: Sql = Sql::both(
    "store.list_credentials_of",
    "SELECT {credentials} FROM credentials WHERE holder = {holder} AND (created_at, serial) < ({time}, {place})
    AND ({unused} = 0 OR ends_at >= {now}) ORDER BY created_at DESC, serial DESC LIMIT {limit}",
)
.takes(LIST_OF)
.gives(CREDENTIALS.all);

const RENEWED: &[Column] = &[CREDENTIALS.renews];
const SUCCESSOR: &[Column] = &[CREDENTIALS.renews, CREDENTIALS.serial, CREDENTIALS.created_at];

static LAST_SUCCESSORS: Sql = Sql::both(
    "store.last_successors",
    "SELECT {credentials c} FROM {rows k} CROSS JOIN credentials AS c WHERE c.renews = k.renews
    ORDER BY c.created_at, c.serial",
)
.takes(&[rows("k", RENEWED)])
.gives(SUCCESSOR);

/// Which part of a list.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a, T> {
    /// None: of all holders.
    pub holder: Option<&'a Holder>,
    /// Only what can still be used, as far as a row tells, at this moment.
    pub usable_at: Option<Timestamp>,
    /// Behind this one: when it was made, and its id.
    pub after: Option<(Timestamp, T)>,
    pub limit: usize,
}

impl<T> Part<'_, T> {
    fn rest(&self) -> (i64, i64, i64) {
        let limit = i64::try_from(self.limit).unwrap_or(i64::MAX);
        (i64::from(self.usable_at.is_some()), self.usable_at.map_or(0, |now| now.0), limit)
    }
}

/// Above every serial number as text.
const LAST_SERIAL: &str = "g";

impl Store {
    /// An invite.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn invite(&self, id: InviteId) -> Result<Option<Invite>, StoreError> {
        let mut reader = self.reader().await?;
        let mut link = reader.link();
        let mut keys = link.row_set(ID);
        keys.uuid(INVITES.invite_id, id.0);
        let call = link.call(&INVITE).rows(keys);
        Ok(link.row(call, invite).await?.map(|(_, invite)| invite))
    }

    /// A credential that the house has issued.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn credential(&self, serial: Serial) -> Result<Option<Credential>, StoreError> {
        let mut reader = self.reader().await?;
        Ok(by_serial(&mut reader.link(), [serial]).await?.pop().map(|(_, credential)| credential))
    }

    /// Invites, newest first.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn invites(&self, part: Part<'_, InviteId>) -> Result<Vec<(InviteId, Invite)>, StoreError> {
        let mut reader = self.reader().await?;
        let mut link = reader.link();
        let (time, id) = part.after.unwrap_or((Timestamp(i64::MAX), InviteId(u128::MAX)));
        let (unused, now, limit) = part.rest();
        let call = match part.holder {
            Some(holder) => link.call(&LIST_INVITES_OF).text(holder.to_string()),
            None => link.call(&LIST_INVITES),
        };
        let call = call.int(time.0).uuid(id.0).int(unused).int(now).int(limit);
        link.rows(call, invite).await
    }

    /// Credentials, newest first, each with the one that has renewed it last.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn credentials(
        &self,
        part: Part<'_, Serial>,
    ) -> Result<Vec<(Serial, Credential, Option<Serial>)>, StoreError> {
        let mut reader = self.reader().await?;
        let mut link = reader.link();
        let place = part.after.map(|(time, serial)| (time, serial.to_string()));
        let (time, place) = place.unwrap_or((Timestamp(i64::MAX), LAST_SERIAL.to_owned()));
        let (unused, now, limit) = part.rest();
        let call = match part.holder {
            Some(holder) => link.call(&LIST_CREDENTIALS_OF).text(holder.to_string()),
            None => link.call(&LIST_CREDENTIALS),
        };
        let call = call.int(time.0).text(place).int(unused).int(now).int(limit);
        let found = link.rows(call, credential).await?;
        with_successors(&mut link, found).await
    }

    /// One credential, with the one that has renewed it last.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn credential_with_successor(
        &self,
        serial: Serial,
    ) -> Result<Option<(Serial, Credential, Option<Serial>)>, StoreError> {
        let mut reader = self.reader().await?;
        let mut link = reader.link();
        let found = by_serial(&mut link, [serial]).await?;
        Ok(with_successors(&mut link, found).await?.pop())
    }
}

static INVITE: Sql =
    Sql::both("store.invite", "SELECT {invites i} FROM {rows k} CROSS JOIN invites AS i WHERE {match k i}")
        .takes(&[rows("k", ID)])
        .gives(INVITES.all);

async fn with_successors(
    link: &mut Link<'_>,
    found: Vec<(Serial, Credential)>,
) -> Result<Vec<(Serial, Credential, Option<Serial>)>, StoreError> {
    let mut keys = link.row_set(RENEWED);
    for (serial, _) in &found {
        keys.text(CREDENTIALS.renews, &serial.to_string());
    }
    let mut last = BTreeMap::new();
    if !keys.is_empty() {
        let call = link.call(&LAST_SUCCESSORS).rows(keys);
        let read =
            |row: &Row<'_>| Ok((row.text(CREDENTIALS.renews)?.to_owned(), serial(row.text(CREDENTIALS.serial)?)?));
        last.extend(link.rows(call, read).await?);
    }
    let with = found.into_iter().map(|(serial, credential)| {
        let successor = last.get(&serial.to_string()).copied();
        (serial, credential, successor)
    });
    Ok(with.collect())
}

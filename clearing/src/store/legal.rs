//! Partners as legal parties: their legal records, and the versions of their bank accounts.

use std::collections::BTreeSet;

use clearing_core::book::Book;
use clearing_core::book::changes::Changes;
use clearing_core::facts::bank_account::{AccountEnd, AccountNumber, AccountVersion, BankAccount, NationalAccount};
use clearing_core::facts::legal::{Address, LegalRecord, TaxId};
use clearing_core::operation::Footprint;
use clearing_core::units::{PartnerId, Timestamp};

use super::cells::Row;
use super::rows::RowSet;
use super::save::of_book;
use super::sql::{Link, Sql, one, rows};
use super::tables::{BANK_ACCOUNTS, Column, LEGAL_RECORDS, PARTNERS};
use super::{Backend, Store, StoreError, known};

pub(super) static STATEMENTS: &[&Sql] = &[
    &LOCK_PARTNERS,
    &LEGAL_RECORDS_OF,
    &BANK_ACCOUNTS_NOW,
    &ALL_LEGAL_RECORDS,
    &ALL_BANK_ACCOUNTS,
    &UPSERT_LEGAL_RECORDS,
    &UPSERT_BANK_ACCOUNTS,
    &LIST_BANK_ACCOUNTS,
];

const PARTNER: &[Column] = &[PARTNERS.partner];

// A partner without a record or an account has no row of its own here that could be locked.
static LOCK_PARTNERS: Sql = Sql::new(
    "store.lock_partners",
    "SELECT p.partner FROM {rows k} CROSS JOIN partners AS p WHERE {match k p}",
    "SELECT p.partner FROM partners AS p JOIN {rows k} ON {match k p} ORDER BY p.partner FOR UPDATE OF p",
)
.takes(&[rows("k", PARTNER)])
.gives(PARTNER);

const OF_RECORD: &[Column] = &[LEGAL_RECORDS.partner];

static LEGAL_RECORDS_OF: Sql = Sql::both(
    "store.legal_records_of",
    "SELECT {legal_records r} FROM {rows k} CROSS JOIN legal_records AS r WHERE {match k r}",
)
.takes(&[rows("k", OF_RECORD)])
.gives(LEGAL_RECORDS.all);

const OF_ACCOUNT: &[Column] = &[BANK_ACCOUNTS.partner];

/// Of each partner the last version, and that which is in force: two rows by the key, whatever the number of versions.
static BANK_ACCOUNTS_NOW: Sql = Sql::both(
    "store.bank_accounts_now",
    "SELECT {bank_accounts b} FROM {rows k} CROSS JOIN bank_accounts AS b WHERE b.partner = k.partner AND b.version IN (
        (SELECT MAX(l.version) FROM bank_accounts AS l WHERE l.partner = k.partner),
        (SELECT MAX(f.version) FROM bank_accounts AS f
         WHERE f.partner = k.partner AND f.ended IS NULL AND f.effective_at <= {now}))",
)
.takes(&[rows("k", OF_ACCOUNT), one("now")])
.gives(BANK_ACCOUNTS.all);

/// Locks the partners of whom operations need anything as legal parties, in ascending order, until the transaction ends. What is
/// needed is read in later statements, so that what another node has just written is seen. SQLite has one writer, and needs none.
pub(super) async fn lock(link: &mut Link<'_>, needs: &Footprint<'_>) -> Result<(), StoreError> {
    let wanted: BTreeSet<PartnerId> = needs.legal.union(&needs.bank_accounts).copied().collect();
    if wanted.is_empty() || link.backend() == Backend::Sqlite {
        return Ok(());
    }
    let keys = of_partners(link, PARTNER, &wanted);
    let call = link.call(&LOCK_PARTNERS).rows(keys);
    link.rows(call, |row| row.partner(PARTNERS.partner)).await.map(drop)
}

/// Puts what operations need of partners as legal parties into the book. The caller has locked them, has the gate alone, or has a
/// snapshot, in which nothing can be locked.
pub(super) async fn load(
    link: &mut Link<'_>,
    book: &mut Book,
    needs: &Footprint<'_>,
    now: Timestamp,
) -> Result<(), StoreError> {
    if !needs.legal.is_empty() {
        let keys = of_partners(link, OF_RECORD, &needs.legal);
        let call = link.call(&LEGAL_RECORDS_OF).rows(keys);
        book.legal.extend(link.rows(call, legal_record).await?);
    }
    if !needs.bank_accounts.is_empty() {
        let keys = of_partners(link, OF_ACCOUNT, &needs.bank_accounts);
        let call = link.call(&BANK_ACCOUNTS_NOW).rows(keys).int(now.0);
        book.bank_accounts.extend(link.rows(call, bank_account).await?);
    }
    Ok(())
}

fn of_partners(link: &Link<'_>, columns: &'static [Column], partners: &BTreeSet<PartnerId>) -> RowSet {
    let mut keys = link.row_set(columns);
    for partner in partners {
        keys.text(columns[0], partner.as_str());
    }
    keys
}

static ALL_LEGAL_RECORDS: Sql =
    Sql::both("store.all_legal_records", "SELECT {legal_records} FROM legal_records").gives(LEGAL_RECORDS.all);
static ALL_BANK_ACCOUNTS: Sql =
    Sql::both("store.all_bank_accounts", "SELECT {bank_accounts} FROM bank_accounts").gives(BANK_ACCOUNTS.all);

/// All of them. The caller has a snapshot.
pub(super) async fn load_all(link: &mut Link<'_>, book: &mut Book) -> Result<(), StoreError> {
    let call = link.call(&ALL_LEGAL_RECORDS);
    book.legal.extend(link.rows(call, legal_record).await?);
    let call = link.call(&ALL_BANK_ACCOUNTS);
    book.bank_accounts.extend(link.rows(call, bank_account).await?);
    Ok(())
}

/// A tax id a line: its scheme has no space, and neither of the two a line feed.
fn legal_record(row: &Row<'_>) -> Result<(PartnerId, LegalRecord), StoreError> {
    let tax_id = |line: &str| {
        let parts = line.split_once(' ');
        let parts = parts.map(|(scheme, value)| TaxId { scheme: scheme.to_owned(), value: value.to_owned() });
        known("tax id", parts)
    };
    let record = LegalRecord {
        name: row.text(LEGAL_RECORDS.legal_name)?.to_owned(),
        tax_ids: row.text(LEGAL_RECORDS.tax_ids)?.lines().map(tax_id).collect::<Result<Vec<TaxId>, StoreError>>()?,
        address: Address {
            street: row.text(LEGAL_RECORDS.street)?.to_owned(),
            post_code: row.text(LEGAL_RECORDS.postal_code)?.to_owned(),
            town: row.text(LEGAL_RECORDS.town)?.to_owned(),
            country: row.text(LEGAL_RECORDS.country)?.to_owned(),
        },
    };
    Ok((row.partner(LEGAL_RECORDS.partner)?, record))
}

fn bank_account(row: &Row<'_>) -> Result<((PartnerId, u32), AccountVersion), StoreError> {
    let text = |column: Column| -> Result<String, StoreError> { Ok(row.text(column)?.to_owned()) };
    let number = match row.text_or_null(BANK_ACCOUNTS.iban)? {
        Some(iban) => AccountNumber::Iban(iban.to_owned()),
        None => AccountNumber::National(NationalAccount {
            country: text(BANK_ACCOUNTS.country)?,
            bank_code: text(BANK_ACCOUNTS.bank_code)?,
            account: text(BANK_ACCOUNTS.account_number)?,
            correspondent: text(BANK_ACCOUNTS.correspondent)?,
        }),
    };
    let account =
        BankAccount { number, holder: text(BANK_ACCOUNTS.holder)?, bank_name: text(BANK_ACCOUNTS.bank_name)? };
    let ended = match row.int_or_null(BANK_ACCOUNTS.ended)? {
        None => None,
        Some(0) => Some(AccountEnd::Replaced(row.time(BANK_ACCOUNTS.ended_at)?)),
        Some(1) => Some(AccountEnd::Stopped(row.time(BANK_ACCOUNTS.ended_at)?)),
        Some(_) => known("end of a bank account", None)?,
    };
    let version = AccountVersion {
        account,
        asked: row.time(BANK_ACCOUNTS.asked_at)?,
        by: row.partner(BANK_ACCOUNTS.asked_by)?,
        from: row.time(BANK_ACCOUNTS.effective_at)?,
        ended,
    };
    Ok(((row.partner(BANK_ACCOUNTS.partner)?, row.small(BANK_ACCOUNTS.version)?), version))
}

static UPSERT_LEGAL_RECORDS: Sql =
    Sql::both("store.upsert_legal_records", "{upsert k}").takes(&[rows("k", LEGAL_RECORDS.all)]);
static UPSERT_BANK_ACCOUNTS: Sql =
    Sql::both("store.upsert_bank_accounts", "{upsert k}").takes(&[rows("k", BANK_ACCOUNTS.all)]);

/// Writes what a batch has changed of them. Of a version that is there already nothing changes but how it ended.
pub(super) async fn save(link: &mut Link<'_>, book: &Book, changes: &Changes) -> Result<(), StoreError> {
    let mut records = link.row_set(LEGAL_RECORDS.all);
    for partner in &changes.legal {
        let LegalRecord { name, tax_ids, address } = of_book(book.legal.get(partner))?;
        let lines: Vec<String> = tax_ids.iter().map(|tax_id| format!("{} {}", tax_id.scheme, tax_id.value)).collect();
        records.text(LEGAL_RECORDS.partner, partner.as_str()).text(LEGAL_RECORDS.legal_name, name);
        records.text(LEGAL_RECORDS.tax_ids, &lines.join("\n")).text(LEGAL_RECORDS.street, &address.street);
        records.text(LEGAL_RECORDS.postal_code, &address.post_code).text(LEGAL_RECORDS.town, &address.town);
        records.text(LEGAL_RECORDS.country, &address.country);
    }
    link.write(&UPSERT_LEGAL_RECORDS, records).await?;
    let mut accounts = link.row_set(BANK_ACCOUNTS.all);
    for key in &changes.bank_accounts {
        let AccountVersion { account, asked, by, from, ended } = of_book(book.bank_accounts.get(key))?;
        let (iban, national) = match &account.number {
            AccountNumber::Iban(iban) => (Some(iban.as_str()), None),
            AccountNumber::National(national) => (None, Some(national)),
        };
        let ended = ended.map(|end| match end {
            AccountEnd::Replaced(time) => (0, time.0),
            AccountEnd::Stopped(time) => (1, time.0),
        });
        accounts.text(BANK_ACCOUNTS.partner, key.0.as_str()).int(BANK_ACCOUNTS.version, i64::from(key.1));
        accounts.text_or_null(BANK_ACCOUNTS.iban, iban);
        accounts.text_or_null(BANK_ACCOUNTS.country, national.map(|of| of.country.as_str()));
        accounts.text_or_null(BANK_ACCOUNTS.bank_code, national.map(|of| of.bank_code.as_str()));
        accounts.text_or_null(BANK_ACCOUNTS.account_number, national.map(|of| of.account.as_str()));
        accounts.text_or_null(BANK_ACCOUNTS.correspondent, national.map(|of| of.correspondent.as_str()));
        accounts.text(BANK_ACCOUNTS.holder, &account.holder).text(BANK_ACCOUNTS.bank_name, &account.bank_name);
        accounts.int(BANK_ACCOUNTS.asked_at, asked.0).text(BANK_ACCOUNTS.asked_by, by.as_str());
        accounts.int(BANK_ACCOUNTS.effective_at, from.0);
        accounts.int_or_null(BANK_ACCOUNTS.ended, ended.map(|(how, _)| how));
        accounts.int_or_null(BANK_ACCOUNTS.ended_at, ended.map(|(_, time)| time));
    }
    link.write(&UPSERT_BANK_ACCOUNTS, accounts).await
}

static LIST_BANK_ACCOUNTS: Sql = Sql::both(
    "store.list_bank_accounts",
    "SELECT {bank_accounts} FROM bank_accounts WHERE partner = {partner} AND version < {before}
    ORDER BY version DESC LIMIT {limit}",
)
.takes(&[one("partner"), one("before"), one("limit")])
.gives(BANK_ACCOUNTS.all);

impl Store {
    /// Versions of a partner's bank account below a number (none: all), the newest first.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn bank_accounts(
        &self,
        partner: PartnerId,
        before: Option<u32>,
        limit: usize,
    ) -> Result<Vec<(u32, AccountVersion)>, StoreError> {
        let mut reader = self.reader().await?;
        let mut link = reader.link();
        let (before, limit) = (before.map_or(i64::MAX, i64::from), i64::try_from(limit).unwrap_or(i64::MAX));
        let call = link.call(&LIST_BANK_ACCOUNTS).text(partner.as_str()).int(before).int(limit);
        let found = link.rows(call, bank_account).await?;
        Ok(found.into_iter().map(|((_, version), known)| (version, known)).collect())
    }

    /// A partner's legal record, and of its bank account the last version and that which is in force at a time.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn legal_party(
        &self,
        partner: PartnerId,
        now: Timestamp,
    ) -> Result<(Option<LegalRecord>, Vec<(u32, AccountVersion)>), StoreError> {
        let mut reader = self.reader().await?;
        let mut link = reader.link();
        let wanted = BTreeSet::from([partner]);
        let keys = of_partners(&link, OF_RECORD, &wanted);
        let call = link.call(&LEGAL_RECORDS_OF).rows(keys);
        let record = link.rows(call, legal_record).await?.pop().map(|(_, record)| record);
        let keys = of_partners(&link, OF_ACCOUNT, &wanted);
        let call = link.call(&BANK_ACCOUNTS_NOW).rows(keys).int(now.0);
        let accounts = link.rows(call, bank_account).await?;
        Ok((record, accounts.into_iter().map(|((_, version), known)| (version, known)).collect()))
    }
}

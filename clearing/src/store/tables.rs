//! The tables of the house, each declared once: its columns, what they hold and what must hold of them, its key, its indexes.
//!
//! From here come the migrations of both databases (`schema`), the lists of columns in statements, the sets of rows that
//! statements take, whole inserts, updates and deletes by key, and the reading of what comes back.

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A whole number, as wide as it needs to be.
    Int,
    /// 0 or 1.
    Bool,
    Text,
    /// A text that is JSON.
    Json,
    /// 16 bytes: the id of a batch, a member or a request, the key of a receipt, or a short hash.
    Uuid,
    /// 32 bytes.
    Hash,
    Bytes,
}

/// A column of a table, or of what one statement takes or gives.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Empty for a column that a statement makes.
    pub table: &'static str,
    pub name: &'static str,
    pub kind: Kind,
    /// Whether it belongs to the key of its table.
    pub key: bool,
    pub nullable: bool,
    /// The number of its table, and its own in it.
    at: (u8, u8),
}

impl Column {
    /// A column that a statement makes: no table has it.
    pub(super) const fn made(name: &'static str, kind: Kind) -> Self {
        Self { table: "", name, kind, key: false, nullable: true, at: (MADE, 0) }
    }

    /// Where it stands in its table.
    pub(super) fn place(&self) -> usize {
        usize::from(self.at.1)
    }

    pub(super) fn is(&self, other: &Self) -> bool {
        self.at == other.at && (self.at.0 != MADE || self.name == other.name)
    }
}

/// The number of the table of columns that no table has.
const MADE: u8 = u8::MAX;

/// A table of the house.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    pub name: &'static str,
    pub columns: &'static [Column],
    /// The migration that makes it, as its file is called.
    pub(super) file: &'static str,
    /// What is said of it, line by line.
    pub(super) doc: &'static [&'static str],
    /// What the migrations say of its columns, in their order.
    pub(super) made: &'static [Made],
    pub(super) layout: &'static [Layout],
    /// What must hold of each row, besides what must hold of single columns.
    pub(super) checks: &'static [Check],
    pub(super) indexes: &'static [Index],
}

/// A column as the migrations make it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Made {
    pub doc: &'static [&'static str],
    /// The bytes that a whole number takes in PostgreSQL.
    pub width: u8,
    pub check: Option<&'static str>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Check {
    pub doc: &'static [&'static str],
    pub sql: &'static str,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Index {
    pub doc: &'static [&'static str],
    pub name: &'static str,
    pub unique: bool,
    pub columns: &'static str,
    /// Which rows are in it; all if none.
    pub rows: Option<&'static str>,
}

/// How a database keeps a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(non_camel_case_types, reason = "written as words in the declaration")]
pub(super) enum Layout {
    /// SQLite keeps the rows in the order in which they were written, and the key beside them: rows of more than some 488
    /// bytes spill out of the pages of a table that is kept by its key.
    rowid,
    /// PostgreSQL fills pages to so many percent: a hot row that changes stays in its page, and no index is touched.
    fillfactor(u8),
    /// PostgreSQL keeps rows of up to so many bytes in one piece.
    whole(u16),
    /// PostgreSQL packs this column never.
    unpacked(&'static str),
    /// No row is changed or deleted, whoever holds a connection.
    append_only,
    /// No row is changed.
    never_updated,
}

/// A migration: the name of its file, and what is said of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct File {
    pub name: &'static str,
    pub doc: &'static [&'static str],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Key,
    Null,
}

const fn column(names: (&'static str, &'static str), kind: Kind, mark: Option<Mark>, at: (u8, u8)) -> Column {
    let (table, name) = names;
    let (key, nullable) = (matches!(mark, Some(Mark::Key)), matches!(mark, Some(Mark::Null)));
    Column { table, name, kind, key, nullable, at }
}

macro_rules! mark {
    () => {
        None
    };
    (key) => {
        Some(Mark::Key)
    };
    (null) => {
        Some(Mark::Null)
    };
}

/// What a column holds, and the bytes that a whole number takes in PostgreSQL.
macro_rules! kind {
    (Int4) => {
        (Kind::Int, 4)
    };
    (Int2) => {
        (Kind::Int, 2)
    };
    (Bool) => {
        (Kind::Bool, 2)
    };
    ($kind:ident) => {
        (Kind::$kind, 8)
    };
}

macro_rules! layout {
    ($layout:ident) => {
        Layout::$layout
    };
    ($layout:ident $value:literal) => {
        Layout::$layout($value)
    };
}

macro_rules! given {
    () => {
        None
    };
    ($value:literal) => {
        Some($value)
    };
}

macro_rules! is_unique {
    () => {
        false
    };
    (unique) => {
        true
    };
}

/// For each table a constant with a field for each column, and with all of them in `all`; and the list of the tables. A column
/// reads `name: Kind [what must hold of it]`, with `key` or `null` behind the kind.
macro_rules! tables {
    ($(
        $(#[doc = $head:literal])*
        file $file:literal {$(
            $(#[doc = $doc:literal])*
            $table:ident $TABLE:ident $(($($layout:ident $($value:literal)?),+))? {$(
                $(#[doc = $column_doc:literal])*
                $name:ident: $kind:ident $($mark:ident)? $([$check:literal])?,
            )+} $(must {$(
                $(#[doc = $check_doc:literal])*
                $row_check:literal,
            )+})? $(indexes {$(
                $(#[doc = $index_doc:literal])*
                $index:ident: $($unique:ident)? $columns:literal $([$rows:literal])?,
            )+})?;
        )+}
    )+) => {
        #[allow(non_camel_case_types, reason = "counts the tables by their names")]
        #[derive(Clone, Copy)]
        enum Number { $($($table),+),+ }
        $($(
            mod $table {
                #[allow(dead_code, reason = "some columns are only ever named together with all others")]
                #[derive(Debug, Clone, Copy)]
                pub struct Columns {
                    pub all: &'static [super::Column],
                    $(pub $name: super::Column,)+
                }
            }
            pub(super) const $TABLE: $table::Columns = {
                #[allow(non_camel_case_types, reason = "counts the columns by their names")]
                #[derive(Clone, Copy)]
                enum At { $($name),+ }
                $(#[allow(non_upper_case_globals, reason = "named as their columns")]
                const $name: Column = column(
                    (stringify!($table), stringify!($name)),
                    kind!($kind).0,
                    mark!($($mark)?),
                    (Number::$table as u8, At::$name as u8),
                );)+
                $table::Columns { all: &[$($name),+], $($name,)+ }
            };
        )+)+
        /// All tables of the house.
        pub const TABLES: &[Table] = &[$($(Table {
            name: stringify!($table),
            columns: $TABLE.all,
            file: $file,
            doc: &[$($doc),*],
            made: &[$(Made {
                doc: &[$($column_doc),*],
                width: kind!($kind).1,
                check: given!($($check)?),
            }),+],
            layout: &[$($(layout!($layout $($value)?)),+)?],
            checks: &[$($(Check { doc: &[$($check_doc),*], sql: $row_check }),+)?],
            indexes: &[$($(Index {
                doc: &[$($index_doc),*],
                name: stringify!($index),
                unique: is_unique!($($unique)?),
                columns: $columns,
                rows: given!($($rows)?),
            }),+)?],
        }),+),+];
        /// All migrations.
        pub(super) const FILES: &[File] = &[$(File { name: $file, doc: &[$($head),*] }),+];
    };
}

tables! {
    /// The house itself: what coalition this database holds, the gate every batch passes, and the calendar. Conventions of
    /// all migrations: times are microseconds since 1970 UTC; money is in units of 10^-scale of the coalition's currency;
    /// rates and shares are exact decimals as text; a partner is named by its id in the column `partner`; ids of batches,
    /// members and requests are UUIDs of 16 bytes. Both back ends have the same files, tables and columns. The rows of the
    /// single-row tables are written when the coalition is made, not here.
    file "0001_house" {
        coalition COALITION {
            /// one database holds one coalition
            id: Int2 key ["id = 1"],
            /// its name, part of every hash of its journal
            coalition_id: Text,
            domain: Text,
            /// of the identifier key: with another each member would be two
            fingerprint: Hash,
            /// JSON: currency, scale, default terms, grace, threshold and so on; never changed
            settings: Json,
            created_at: Int,
        };
        /// Each batch reads this row after it has the gate shared; whoever changes it holds the gate alone. It is never
        /// written by a batch, so that it stays free of row locks however many nodes read it.
        gate GATE {
            id: Int2 key ["id = 1"],
            /// the one open window
            window_number: Int ["window_number >= 1"],
            /// no batch acts earlier than this
            opened_at: Int,
            /// moves with every change of terms, partners or calendar: caches older than it are stale
            terms_epoch: Int,
            /// the time of the last change made under the gate, so that the house's clock never runs back over one
            last_time: Int,
            /// requests that were recorded before this may be forgotten
            forgotten_before: Int,
        };
        /// The versions of the calendar: the one in force, those that are announced, and those by which a cut-off may still
        /// have to be kept. The ones before them are in the journal.
        calendars CALENDARS {
            number: Int key ["number >= 1"],
            /// it rules the cut-offs behind this, up to the next version
            effective_at: Int,
            /// JSON: rows of cut-offs, time zone, weekend, holidays
            calendar: Json,
        };
        /// Which node does a job of the house, and until when, by the clock of the database. It only keeps nodes from doing
        /// the same work twice: what a job writes is right whoever asks for it, and however often.
        leases LEASES (unpacked "filler") {
            name: Text key,
            /// the node: a random id for as long as it runs
            holder: Uuid,
            expires_at: Int,
            /// what a probe writes to find out whether there is room
            filler: Bytes null,
        };
        /// When a node of the house was last alive, by its clock, each minute anew: a house that is started with a wrong
        /// clock knows by it. It tells nothing about the books, and the audit does not read it.
        house_alive HOUSE_ALIVE {
            id: Int2 key ["id = 1"],
            alive_at: Int,
        };
    }
    /// The journal, the sums that are kept of it, and what is projected from it.
    file "0002_journal" {
        /// One row is one entry: canonical bytes with postings, lot movements and links. Everything else here can be
        /// rebuilt from it. The key is known before the commit (batch ids are UUIDv7, so rows are appended); the sequence
        /// is that of the batch plus the ordinal.
        entries ENTRIES (append_only) {
            batch_id: Uuid key,
            ordinal: Int4 key ["ordinal >= 0"],
            /// the canonical bytes, behind a byte that says how they stand: 1 as they are; 2 by LZ4 with the frozen
            /// dictionary 1, behind their length in two bytes
            packed: Bytes,
        };
        /// One row is one commit that wrote entries or recorded requests, and one link of the hash chain.
        batches BATCHES (append_only) {
            batch_id: Uuid key,
            /// without gaps, in the order of commits
            number: Int ["number >= 1"],
            /// of a batch without entries that of the next one
            first_sequence: Int ["first_sequence >= 1"],
            entry_count: Int4 ["entry_count >= 0"],
            request_count: Int4 ["request_count >= 0"],
            window_number: Int,
            time: Int,
            hash: Hash,
            previous_hash: Hash,
            /// over the requests that it recorded, rejections too
            requests_hash: Hash,
            /// of the hashes of its entries; zeros if it has none
            salt: Bytes,
        } must {
            "entry_count + request_count >= 1",
        } indexes {
            /// Walks the chain in the order of commits, and is the last guard against two batches at one place.
            batches_by_number: unique "number",
            /// Finds the batch of a sequence.
            batches_by_first_sequence: "first_sequence",
            /// No batch can be chained to a predecessor that already has a successor: the chain cannot fork.
            batches_by_previous_hash: unique "previous_hash",
        };
        /// Where the journal ends. Locked last of all, by the statement that also writes the batch, so that it is held for
        /// one statement and the commit only.
        journal_head JOURNAL_HEAD (fillfactor 20) {
            id: Int2 key ["id = 1"],
            next_sequence: Int ["next_sequence >= 1"],
            /// of batches
            next_number: Int ["next_number >= 1"],
            hash: Hash,
        };
        /// What the books say now, except for what members hold, which is in their own rows. Few rows, all hot: moved by a
        /// sum once per account and batch, last, in the order of the key. The legs of a window stand together behind its
        /// number, so that nobody reads those of windows that are done with.
        balances BALANCES (fillfactor 20) {
            commodity: Text key,
            /// of the legs of a window; else 0
            window_number: Int key,
            account: Text key,
            amount: Int,
        };
        /// Gross obligations of a window: redemptions of an issuer's points at another acceptor, returns deducted.
        gross GROSS (fillfactor 20) {
            window_number: Int key,
            issuer: Text key,
            acceptor: Text key,
            /// may be negative: a return of what an earlier window accepted
            points: Int,
            amount: Int,
        };
        /// Personal data and free text of an entry. The journal holds a salted commitment only, so erasing means to null
        /// the bytes and the salt.
        attachments ATTACHMENTS (rowid) {
            batch_id: Uuid key,
            ordinal: Int4 key,
            salt: Bytes null,
            bytes: Bytes null,
            erased_at: Int null,
        } must {
            /// erased means gone
            "(erased_at IS NULL) = (salt IS NOT NULL) AND (erased_at IS NULL) = (bytes IS NOT NULL)",
        };
        /// How far each projection has read the journal: the next sequence it wants.
        projection_cursors PROJECTION_CURSORS {
            name: Text key,
            next_sequence: Int ["next_sequence >= 1"],
        };
        /// Which entries a partner may see. Projected from the journal, never written by a batch. A window is a range of
        /// sequences (see windows.first_sequence), and the batch of a sequence is found by batches_by_first_sequence.
        entry_parties ENTRY_PARTIES {
            partner: Text key,
            sequence: Int key,
            /// the partner's own number of the entry, from 1 without gaps
            own_sequence: Int,
            /// yyyymmdd as a number: sorts, and needs no date type
            business_date: Int4 null,
            till: Text null,
        };
        /// By what partners find the entries that they asked for: a row for its member, its store and its receipt, and one a
        /// run for each business date. Members lie at random, so in the order of words each entry would touch a page of its
        /// own; in runs all that is projected now lies in some dozens of pages. Projected with the rows above, in the same
        /// transaction.
        entry_words ENTRY_WORDS {
            /// the sequence by 4,096
            run: Int key,
            /// 4 bytes of a hash over the partner, what the word is of and what it is: others may have the same, so the
            /// entry has the last word
            word: Int4 key,
            /// of the sequence in its run; of a business date 0
            place: Int2 key ["place BETWEEN 0 AND 4095"],
        };
        /// The decisions of the house, by whom they concern. Projected with the rows above, in the same transaction.
        admin_actions ADMIN_ACTIONS {
            /// empty: the row by which the decision is found whoever it concerns
            partner: Text key,
            /// of the entry
            time: Int key,
            sequence: Int key,
            /// that it is about; else the one that was open
            window_number: Int,
            /// the kind's number in the canonical bytes
            kind: Int2,
        } indexes {
            admin_actions_by_kind: "partner, kind, time, sequence",
            admin_actions_by_window: "partner, window_number, time, sequence",
        };
        /// What the lines of a partner's statement of a window come to. Projected with the rows above, in the same
        /// transaction.
        party_totals PARTY_TOTALS {
            partner: Text key,
            window_number: Int key,
            /// 1 issued, 2 spent, 3 accepted, 4 at home, 5 lost, 6 the house
            section: Int2 key ["section BETWEEN 1 AND 6"],
            /// the kind's number in the canonical bytes
            kind: Int2 key,
            purpose: Text key,
            entry_count: Int ["entry_count >= 1"],
            /// at the end of the range: it did not fit
            amount: Int,
            /// likewise
            points: Int,
        };
    }
    /// Partners, their terms and their limits; the people of the operator, and what they have proposed.
    file "0003_partners" {
        partners PARTNERS {
            partner: Text key,
            display_name: Text,
            state: Text ["state IN ('ACTIVE', 'RESTRICTED', 'SUSPENDED', 'EXITED')"],
            /// the window that was open when it was suspended, or left; null: it is neither
            suspended_in: Int4 null,
            /// the brand that it trades for together with others; null: it stands alone
            group_id: Text null,
            /// how often its state was set
            state_no: Int4 ["state_no >= 0"],
            /// how often its limits were set
            limits_no: Int4 ["limits_no >= 0"],
            /// money: what it may owe without any security
            unsecured: Int ["unsecured >= 0"],
        };
        /// What others answer for of a partner's debts. A list takes the place of the one before.
        guarantees GUARANTEES {
            partner: Text key,
            ordinal: Int4 key ["ordinal >= 0"],
            /// by what the guarantor calls it
            reference: Text,
            /// money
            amount: Int ["amount > 0"],
            ends_at: Int,
        };
        /// What partners are charged by themselves, each reason once. One that is charged no more stays, with the last period that
        /// was charged, so that none is charged twice.
        charges CHARGES {
            partner: Text key,
            reason: Text key,
            /// money
            amount: Int ["amount > 0"],
            every: Text ["every IN ('MONTH', 'QUARTER', 'YEAR')"],
            /// the days on which the first period begins, and the last one may begin, as 20260201; null: for ever
            first_day: Int,
            last_day: Int null,
            /// the day of the last period that was charged; null: none was
            charged_day: Int null,
            /// the day of the next one; null: it is over, or was taken off
            next_day: Int null,
            /// when that day begins by the coalition's calendar
            due_at: Int null,
        } must {
            "(next_day IS NULL) = (due_at IS NULL)",
        } indexes {
            /// What falls due next.
            charges_due: "due_at, partner" ["due_at IS NOT NULL"],
        };
        /// Immutable versions. A lot keeps the version it was issued under.
        terms TERMS {
            partner: Text key,
            version: Int4 key ["version >= 1"],
            effective_at: Int,
            funding: Text ["funding IN ('AT_REDEMPTION', 'AT_ISSUE', 'ON_PAYMENT')"],
            /// money per point the issuer pays
            price: Int ["price >= 0"],
            /// money that backs a point
            point_value: Int ["point_value >= 0 AND point_value <= price"],
            /// money per point the acceptor gets
            reimbursement: Int ["reimbursement >= 0"],
            /// decimal rate
            acceptance_fee: Text,
            fee_bearer: Text ["fee_bearer IN ('ACCEPTOR', 'ISSUER')"],
            /// NONE, FIXED t, DAYS n, MONTHS n, END_OF_MONTH n, END_OF_YEAR n, INACTIVE_DAYS n
            expiry: Text,
            /// decimal shares of the value of expired prepaid points; their sum is 1
            breakage_reserve: Text,
            breakage_operator: Text,
            breakage_issuer: Text,
            /// days after an issue in which it can be reversed; null: for ever
            return_days: Int4 null ["return_days >= 0"],
            /// what a point is worth to a customer at this partner's tills
            tender_value: Int ["tender_value >= 0"],
            /// decimal share of a receipt that points may pay
            receipt_share: Text,
        };
        /// Limits move without a new version of the terms. Null: no limit.
        limits LIMITS {
            partner: Text key,
            net_debit_cap: Int null,
            outstanding_points: Int null ["outstanding_points >= 0"],
            points_per_day: Int null ["points_per_day >= 0"],
            points_per_member_per_day: Int null ["points_per_member_per_day >= 0"],
            points_per_entry: Int null ["points_per_entry >= 0"],
            transfer_points_per_entry: Int null ["transfer_points_per_entry >= 0"],
            transfer_points_per_member_per_day: Int null ["transfer_points_per_member_per_day >= 0"],
            redeem_points_per_member_per_day: Int null ["redeem_points_per_member_per_day >= 0"],
            redeem_foreign_points_per_day: Int null ["redeem_foreign_points_per_day >= 0"],
            cooling_seconds: Int null ["cooling_seconds >= 0"],
        };
        /// Points not yet redeemed, expired or reversed, per version of terms: what TERMS_UNDERFUND and the outstanding
        /// limit are checked against without reading a lot. A row is made with its version, so that a batch only ever moves
        /// it. Hot like balances.
        terms_outstanding TERMS_OUTSTANDING (fillfactor 20) {
            partner: Text key,
            version: Int4 key,
            /// a version cannot owe less than nothing
            points: Int ["points >= 0"],
        };
        /// What a partner's limits are checked against, besides its position and its outstanding points: one row to lock
        /// and read, whatever the number of holds and legs. A row is made with its partner. Hot like balances; a partner
        /// with a cap or a limit has its row locked early, by every batch that moves its points.
        guards GUARDS (fillfactor 20) {
            partner: Text key,
            /// money: what open holds reserve of its headroom
            reserved: Int,
            /// money: the sum of its legs that it has not paid
            unsettled: Int ["unsettled <= 0"],
            /// money: what it has paid ahead, less what is claimed of it
            ahead: Int,
            /// the last day on which it issued, or redeemed points of others, in days since 1970
            counted_day: Int4,
            /// points it issued on that day
            issued_points: Int,
            /// points of other issuers it redeemed on that day, those of holds among them
            accepted_points: Int,
        };
        /// What a funder lets another partner issue at its cost. Uses are counted even where nothing was granted, so that a
        /// later budget counts from the first.
        consents CONSENTS (fillfactor 20) {
            funder: Text key,
            partner: Text key,
            /// null: nothing was said, the coalition's default holds
            granted: Bool null,
            /// points; null: without limit
            budget: Int null ["budget >= 0"],
            used: Int,
        };
        /// Who partners are by law. What was known before is in the journal.
        legal_records LEGAL_RECORDS {
            partner: Text key,
            legal_name: Text,
            /// a line each: the scheme, a space, the value
            tax_ids: Text,
            street: Text,
            postal_code: Text,
            town: Text,
            /// two capital letters
            country: Text ["length(country) = 2"],
        };
        /// Where partners are paid: versions, of which nothing changes but how one ended before it was in force.
        bank_accounts BANK_ACCOUNTS {
            partner: Text key,
            version: Int4 key ["version >= 1"],
            /// null: it is named by the code of its bank and its number
            iban: Text null,
            country: Text null,
            bank_code: Text null,
            account_number: Text null,
            /// the bank's own account with the central bank; empty where orders need none
            correspondent: Text null,
            holder: Text,
            bank_name: Text,
            asked_at: Int,
            /// the partner itself, or operator
            asked_by: Text,
            /// from when on it is in force, if nothing ended it before
            effective_at: Int ["effective_at >= asked_at"],
            /// 0 replaced, 1 stopped; null: neither
            ended: Int2 null ["ended BETWEEN 0 AND 1"],
            ended_at: Int null,
        } must {
            "(iban IS NULL) = (country IS NOT NULL) AND (country IS NULL) = (correspondent IS NULL)",
            "(country IS NULL) = (bank_code IS NULL) AND (country IS NULL) = (account_number IS NULL)",
            "(ended IS NULL) = (ended_at IS NULL)",
        } indexes {
            /// Finds whose money has arrived. Two partners may share an account.
            bank_accounts_by_iban: "iban" ["iban IS NOT NULL"],
            bank_accounts_by_number: "account_number, bank_code" ["account_number IS NOT NULL"],
        };
        /// The people of the operator. What they were before is in the journal.
        people PEOPLE {
            person: Text key,
            /// a sum: 1 clerk, 2 approver, 4 support, 8 auditor
            roles: Int2 ["roles BETWEEN 0 AND 15"],
            /// from when on these are the roles
            since_at: Int,
            /// what they are until then
            roles_before: Int2 ["roles_before BETWEEN 0 AND 15"],
        };
        /// What people of the operator gave to members again, each alone, on the last day on which they did.
        care CARE {
            person: Text key,
            /// in days since 1970
            day: Int4,
            points: Int ["points >= 0"],
        };
        /// What the coalition has taken off the list of what two persons do together.
        one_person ONE_PERSON {
            operation: Text key,
        };
        /// What one person has asked for and another is to decide. What is proposed is in the entry.
        proposals PROPOSALS {
            /// of the entry that asked for it
            batch_id: Uuid key,
            ordinal: Int4 key ["ordinal >= 0"],
            /// over what is proposed
            content: Hash,
            /// 0 open, 1 done, 2 refused, 3 withdrawn, 4 lapsed, 5 stale; the last two once the same was proposed again
            state: Int2 ["state BETWEEN 0 AND 5"],
            /// the entry that decided it; null while open
            decided_batch: Uuid null,
            decided_ordinal: Int4 null,
        } must {
            "(state = 0) = (decided_batch IS NULL) AND (decided_batch IS NULL) = (decided_ordinal IS NULL)",
        } indexes {
            /// The same is proposed once at a time, whichever nodes are asked.
            proposals_open: unique "content" ["state = 0"],
        };
    }
    /// Requests, members, their lots. Every row a member owns has member_id first in its key, so that it can shard by
    /// member; requests and identifiers are unique across members and are tables of their own. No table here has a foreign
    /// key: each would be one more page to read per row, and the writer has checked what it writes.
    file "0004_points" {
        /// What became of every request, for ever unique per partner: the answer a repeated request gets. UUIDv7 ids make
        /// the key append per partner, and let old rows be found as a range.
        requests REQUESTS {
            partner: Text key,
            request_id: Uuid key,
            /// of what was asked for, its first 16 bytes; of what was burned before it came zeros
            content_hash: Uuid,
            /// the one that recorded it, rejections too: tells when it was, and after an unclear commit whether the batch
            /// is there
            batch_id: Uuid,
            /// its first entry in the batch; null: it wrote none
            ordinal: Int4 null,
            entry_count: Int4 ["entry_count >= 0 AND (ordinal IS NULL) = (entry_count = 0)"],
            /// 1 accepted, 2 rejected, 3 abandoned: burned before it came, or undone after
            state: Int2 ["state BETWEEN 1 AND 3"],
            /// what of the answer is not in the entries; of a rejection the reason and its numbers; of a burned one nothing
            reply: Bytes,
        };
        /// One row per member, read and written once per member and batch. It is the member's lock.
        members MEMBERS (rowid, fillfactor 80, whole 4080) {
            member_id: Uuid key,
            /// the number of the member's last entry: journal order as far as the member goes
            entry_no: Int ["entry_no >= 0"],
            /// nothing is due for the member before this: no expiry, no lapse of a hold, no activation. A lower bound: a
            /// member with nothing due is known without reading a lot.
            next_due_at: Int,
            /// available, held and pending points per issuer and funding, debts, counts of the day and what else is known
            /// of the member, packed: known without reading a lot
            holdings: Bytes,
            /// its lots as far as there is room, packed in consumption order; before them, from which place on one of
            /// further_lots may have available points
            lots: Bytes,
        } indexes {
            /// The members for whom something is due next, earliest first: the job that does due work finds it here and
            /// reads no lot. Members for whom nothing falls due are left out. The column only moves when what is due first
            /// does.
            members_by_next_due: "next_due_at, member_id" ["next_due_at < 9223372036854775807"],
        };
        /// The lots for which there is no room in their member's row. They lie in consumption order of their member: the
        /// first available ones are neighbours, and no second index has to be kept. A lot is found again as (member_id,
        /// entry_no, part) within its member's range. Size, issuer and terms never change.
        further_lots FURTHER_LOTS (fillfactor 90) {
            member_id: Uuid key,
            /// 9223372036854775807: never; the 65,536 numbers before: so many days after the member's last activity, so
            /// that no lot is rewritten when the member is active
            expires_at: Int key,
            /// the member's own number of the entry that made the lot
            entry_no: Int key,
            /// one entry can make several lots of a member
            part: Int4 key ["part >= 0"],
            issuer: Text,
            terms_version: Int4,
            size: Int ["size > 0"],
            available: Int ["available >= 0"],
            held: Int ["held >= 0"],
            pending: Int ["pending >= 0"],
            /// expired or decayed, and not written off by a reversal
            lost: Int ["lost >= 0"],
            /// of its issue
            reversed: Int ["reversed >= 0 AND reversed <= size"],
            /// the entry that made it
            batch_id: Uuid,
            ordinal: Int4,
            /// pending until then
            activates_at: Int null,
            /// pending until the issuer's leg of this window is paid
            release_window: Int null,
            /// the lot it was transferred from
            origin_member_id: Uuid null,
            origin_entry_no: Int null,
            origin_part: Int4 null,
        } must {
            /// domain rule: no lot above its size
            "available + held + pending + lost <= size",
        } indexes {
            /// Those that wait: few, so an index of them alone. Finds what of a member is to be activated or released.
            further_lots_pending: "member_id, entry_no, part" ["pending > 0"],
        };
        /// The lots that wait for their issuer's payment, wherever they stand: whom it concerns that the leg of a window
        /// was paid.
        waiting_lots WAITING_LOTS {
            release_window: Int key,
            issuer: Text key,
            member_id: Uuid key,
            entry_no: Int key,
            part: Int4 key,
            terms_version: Int4,
            /// pending until then, too
            activates_at: Int null,
        };
        /// Points reserved for an acceptor. What a hold was made at is in its entry.
        holds HOLDS (fillfactor 90) {
            member_id: Uuid key,
            /// the entry that made it
            batch_id: Uuid key,
            ordinal: Int4 key,
            lapses_at: Int,
            /// 1 open, 2 captured, 3 voided, 4 lapsed
            state: Int2 ["state BETWEEN 1 AND 4"],
            /// points
            captured: Int ["captured >= 0"],
        } indexes {
            /// A member's open holds, the first to lapse first.
            holds_open: "member_id, lapses_at" ["state = 1"],
        };
        /// Which lines of receipts were booked: each once, whatever its request id. Lies in the order in which tills print.
        /// What a receipt is called is in the entry; two receipts of one key are told apart by it. Rows are added and never
        /// go: so of two nodes that book the same line at once, one finds its number taken, and looks again.
        receipts RECEIPTS {
            /// day, partner, store and till, number of the receipt: hashed, but for the day and the digits at the end
            receipt_key: Uuid key,
            /// 0: the receipt as a whole
            line: Int4 key ["line >= 0"],
            /// 1 points earned, 2 points spent
            side: Int2 key ["side IN (1, 2)"],
            /// what was booked under this key, side and line before
            nth: Int2 key ["nth BETWEEN 0 AND 255"],
            /// the entry that booked it
            batch_id: Uuid,
            ordinal: Int4,
            /// 1: the entry was undone since, and the line may be booked again
            undone: Bool,
        };
        /// Which member an identifier names. Only a keyed hash of scheme and value is stored.
        identifiers IDENTIFIERS {
            identifier_hash: Hash key,
            member_id: Uuid,
            /// of the member's links
            number: Int ["number >= 1"],
            /// of the commitment to the link in the journal: what is left without it binds nobody
            salt: Bytes ["length(salt) = 16"],
        } indexes {
            /// A member's identifiers, for merging, erasing and auditing.
            identifiers_by_member: unique "member_id, number",
        };
        /// Which links of identifiers were changed: what a node keeps of them from earlier reads ends with the change.
        /// Enrolling is no change. Whoever changes a link numbers its row on from the last while it has the journal's head,
        /// so that the numbers have no gaps and come in the order of commits. Rows are added, never changed; old ones go,
        /// but for the last.
        link_changes LINK_CHANGES (never_updated) {
            number: Int key ["number >= 1"],
            identifier_hash: Hash,
            changed_at: Int,
        };
        /// What has been returned so far of a redemption, and of the total of a purchase; made at its first return, so that
        /// redemptions write no such row.
        returns RETURNS {
            member_id: Uuid key,
            /// the redemption's entry; of a purchase without one that of its issue
            batch_id: Uuid key,
            ordinal: Int4 key,
            /// the points by lot: returns may be undone in another order than theirs
            lots: Bytes,
            /// money, of the receipt's total
            amount: Int ["amount >= 0"],
            /// that total; 0: no purchase was returned
            total: Int ["total >= amount"],
        };
    }
    /// Windows and their settlements. Rows in the number of partners, written under the gate only.
    file "0005_settlement" {
        windows WINDOWS {
            window_number: Int key ["window_number >= 1"],
            state: Text ["state IN ('OPEN', 'CLOSED', 'SETTLING', 'SETTLED')"],
            opened_at: Int,
            closed_at: Int null,
            /// when its settlement is told and paid, as 20260201; null while it is open, and where no calendar said so
            advice_day: Int null,
            payment_day: Int null,
            /// entries of a window are one range of the journal, as closing takes the gate alone
            first_sequence: Int,
            /// the first sequence of the next window; null while open
            end_sequence: Int null,
            /// by how much the legs of earlier windows moved since it opened (see proofs)
            legs_moved: Text,
            settlement_state: Text null ["settlement_state IN ('PROPOSED', 'CONFIRMED', 'EXPORTED', 'PARTLY_PAID', 'SETTLED', 'ABORTED')"],
            /// chosen with the first export or payment
            mode: Text null ["mode IN ('HUB', 'PAIRWISE')"],
            /// of the proof of its close (see proofs): the sum of its legs, and the change of what is carried
            legs_total: Text null,
            carried_change: Text null,
            /// gross obligations of the window
            gross: Int null,
            /// what pairwise orders over its legs add up to
            pairwise: Int null,
        } must {
            "(state = 'OPEN') = (closed_at IS NULL) AND (closed_at IS NULL) = (end_sequence IS NULL)",
            "(closed_at IS NULL) = (settlement_state IS NULL)",
            "(advice_day IS NULL) = (payment_day IS NULL) AND (advice_day IS NULL OR closed_at IS NOT NULL)",
            "(closed_at IS NULL) = (legs_total IS NULL) AND (closed_at IS NULL) = (carried_change IS NULL)",
        } indexes {
            /// Just one window is open at any time.
            windows_one_open: unique "state" ["state = 'OPEN'"],
            /// The settlements that are not done with: what is still to be paid to a partner, or by it, is found by these.
            windows_in_flight: "window_number" ["settlement_state IN ('PROPOSED', 'CONFIRMED', 'EXPORTED', 'PARTLY_PAID')"],
        };
        /// Positions over a window: what is carried out of window n opens window n + 1.
        participants PARTICIPANTS {
            window_number: Int key,
            /// or operator
            partner: Text key,
            opening: Int,
            /// 0 while the window is open
            carried: Int,
            /// how many closes in a row had carried its leg for being small when the window opened
            carried_windows: Int ["carried_windows >= 0"],
        };
        /// The accounts in money that are no positions, by class: what they held when a window opened, and how they moved
        /// over it, its close aside. What is left out is zero. Whole numbers as text, as sums over all partners may not fit
        /// into 64 bits. With legs_total and carried_change the changes of a window come to zero; no close is stored that
        /// does not.
        proofs PROOFS {
            window_number: Int key,
            /// an account of the house; collateral, settle: those of all partners
            class: Text key,
            opening: Text,
            /// null while the window is open
            change: Text null,
        };
        /// One participant's amount of a settlement: below zero it pays, above it is paid.
        legs LEGS {
            window_number: Int key,
            partner: Text key,
            amount: Int ["amount <> 0"],
            /// what of it is not paid yet, with the same sign
            due: Int,
            /// 1: a payment of it came back, and it is not paid anew
            returned: Bool,
            /// what of it collateral, the reserve or the creditors paid for a defaulter
            covered: Int ["covered >= 0"],
            /// what of it pending points paid that were cancelled
            cancelled: Int ["cancelled >= 0"],
            /// what of it was taken off for defaults of others
            shared: Int ["shared >= 0"],
        } must {
            "abs(due) <= abs(amount)",
        };
        /// What a window brought (+) and cost (-) a fund. While it is open: what of the fund's movements is neither.
        fund_shares FUND_SHARES {
            window_number: Int key,
            /// reserve, collateral or pool
            fund: Text key ["fund IN ('reserve', 'collateral', 'pool')"],
            /// a whole number as text
            aside: Text,
            /// in whole minor units; null: neither, or the window is open
            change: Int null,
            /// what of it was moved between own accounts at the bank
            moved: Int,
        };
        orders ORDERS {
            window_number: Int key,
            ordinal: Int4 key ["ordinal >= 0"],
            /// a partner, operator, funds or hub
            payer: Text,
            payee: Text,
            amount: Int ["amount > 0"],
            paid: Bool,
            /// 1: the house has let it out, of one that it pays where pay-outs wait
            released: Bool,
        } must {
            "payer <> payee",
        };
        /// Points that wait for their issuer's payment, by window of issue, issuer and terms: paid for at once, however
        /// many lots there are. Hot like balances while the window is open.
        funding FUNDING (fillfactor 20) {
            window_number: Int key,
            issuer: Text key,
            terms_version: Int4 key,
            /// moved by sums, which may be below zero on their own
            points: Int,
            /// the window whose settlement pays for them
            settles_in: Int,
            /// when it was decided what becomes of them; null: they wait
            decided_at: Int null,
            /// 1: they were paid for; 0: their issuer did not pay, and they are cancelled
            funded: Bool,
            /// whether no lot is left that was to be released or cancelled when that was decided
            released: Bool,
        } indexes {
            /// What still waits, by the window whose commands read it.
            funding_waiting: "settles_in, issuer" ["decided_at IS NULL"],
            /// What was decided and has not come to the members yet: the job finds its lots by these.
            funding_releasing: "decided_at" ["decided_at IS NOT NULL AND released = 0"],
        };
        /// Money that arrived at the bank, by the entry that recorded it, and where its parts are: they sum to the amount. What
        /// paid legs is in money_in_legs.
        money_in MONEY_IN {
            batch_id: Uuid key,
            ordinal: Int4 key,
            /// empty: nobody knows whose it is
            partner: Text,
            received_at: Int,
            amount: Int ["amount > 0"],
            unapplied: Int ["unapplied >= 0"],
            advance: Int ["advance >= 0"],
            /// paid a claim or a penalty, or was ordered out
            gone: Int ["gone >= 0"],
            /// went back to the bank of who paid it
            returned: Int ["returned >= 0"],
            /// whether a line of a statement is known of it
            seen: Bool,
        } indexes {
            /// What may still be used, or waits for its line.
            money_in_open: "partner, batch_id, ordinal" ["unapplied > 0 OR advance > 0 OR seen = 0"],
        };
        /// What of money that arrived paid legs.
        money_in_legs MONEY_IN_LEGS {
            batch_id: Uuid key,
            ordinal: Int4 key,
            window_number: Int key,
            amount: Int ["amount > 0"],
        };
        /// Money that goes out, or went, by the entry that recorded it first.
        money_out MONEY_OUT {
            batch_id: Uuid key,
            ordinal: Int4 key,
            /// empty: to nobody knows whom, or to the house itself
            partner: Text,
            amount: Int ["amount > 0"],
            /// of the leg that it pays; null: it is none
            window_number: Int null,
            /// the account that it was ordered out of; own:FROM:TO:N between own accounts, with N = 1 if the line that was told
            /// first is of the account that it came to; empty of a leg
            account: Text,
            state: Text ["state IN ('ORDERED', 'PAID', 'CAME_BACK', 'UNDONE')"],
            /// whether a line of a statement is known of it
            seen: Bool,
        } indexes {
            /// What is on its way, or waits for its line.
            money_out_open: "partner, batch_id, ordinal" ["state = 'ORDERED' OR seen = 0"],
            /// The pay-outs of a leg.
            money_out_by_leg: "window_number, partner" ["window_number IS NOT NULL"],
        };
        /// The lines of the bank's statements that were booked, and what each tells of.
        bank_lines BANK_LINES (append_only) {
            /// as the bank writes it; empty if the house has one only
            own_account: Text key,
            /// the day on which the bank booked it, as 20260201; 0: nobody said
            booking_day: Int key,
            reference: Text key,
            /// what came in (+) or went out (-)
            amount: Int,
            batch_id: Uuid,
            ordinal: Int4,
        };
        /// What is claimed of partners, besides what sharers bore (claim_shares).
        claims CLAIMS {
            partner: Text key,
            /// payments that came back
            bounced: Int,
            /// what the reserve paid
            reserve: Int,
        };
        /// What sharers bore of the defaults of others.
        claim_shares CLAIM_SHARES {
            partner: Text key,
            sharer: Text key,
            amount: Int,
        };
        /// Payments that were booked by mistake and undone.
        undone_payments UNDONE_PAYMENTS (append_only) {
            batch_id: Uuid key,
            ordinal: Int4 key,
        };
    }
    /// Who may connect: invites, the credentials that the house issued, and what was revoked.
    file "0006_credentials" {
        /// One row an invite. Whoever has its secret gets a credential, once: the row is the lock for that.
        invites INVITES {
            invite_id: Uuid key,
            /// KIND/ID: partner/GROCER, operator/anna, auditor/kpmg
            holder: Text,
            /// a bit for each; 0: all that the holder may do
            scopes: Int2,
            /// null: none in particular
            device: Text null,
            store: Text null,
            till: Text null,
            /// 0: no limit of its own
            calls_per_second: Int4 ["calls_per_second BETWEEN 0 AND 10000"],
            connections_max: Int4 ["connections_max BETWEEN 0 AND 128"],
            /// SHA-256 of the secret, which the house does not have
            secret_hash: Hash,
            created_at: Int,
            ends_at: Int,
            /// a holder
            created_by: Text,
            /// the serial number of the certificate that it was made with
            made_with: Text null,
            withdrawn_at: Int null,
            /// to a person or an auditor, by one person, as there were no two approvers
            made_alone: Bool,
            used_at: Int null,
            /// of the credential that came of it
            serial: Text null,
            /// tries with another key after that
            foreign_attempts: Int4 ["foreign_attempts >= 0"],
        } must {
            "(used_at IS NULL) = (serial IS NULL)",
        } indexes {
            invites_by_holder: "holder, created_at, invite_id",
            invites_by_time: "created_at, invite_id",
            /// What is taken back with the certificate that it was made with.
            invites_by_maker: "made_with" ["made_with IS NOT NULL"],
        };
        /// The credentials that the house issued. The certificates themselves are in their entries.
        credentials CREDENTIALS (append_only) {
            /// lower-case hexadecimal
            serial: Text key,
            /// the serial number of the first of its line: it was renewed, and so were its successors
            line: Text,
            holder: Text,
            scopes: Int2,
            device: Text null,
            store: Text null,
            till: Text null,
            calls_per_second: Int4,
            connections_max: Int4,
            /// SHA-256 of its public key
            key_hash: Hash,
            created_at: Int,
            /// by the clock of machines, as all certificates
            begins_at: Int,
            ends_at: Int,
            /// null: it renews another one
            invite_id: Uuid null,
            /// the one that it renews
            renews: Text null,
            /// its entry
            batch_id: Uuid,
            ordinal: Int4,
        } must {
            "(invite_id IS NULL) = (renews IS NOT NULL)",
        } indexes {
            credentials_by_holder: "holder, created_at, serial",
            credentials_by_time: "created_at, serial",
            credentials_by_line: "line",
            /// One successor for a key, whatever number of nodes is asked for it.
            credentials_by_renewal: unique "renews, key_hash" ["renews IS NOT NULL"],
        };
        /// What is trusted no more and has not ended. Part of what every node keeps of the house, and written under the gate.
        revocations REVOCATIONS {
            /// a serial number; of all that a holder had: KIND/ID
            subject: Text key,
            revoked_at: Int,
            /// of a holder: certificates that begin by then, by the clock of machines
            cut_at: Int,
            /// when the certificate ends
            ends_at: Int,
            revoked_by: Text,
            reason: Text,
        };
    }
}

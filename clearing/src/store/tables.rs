//! The tables of the house, each declared once: its columns in the order of the migrations, what they hold, and its key.
//!
//! Lists of columns in statements, the sets of rows that statements take, and the reading of what they give come from here.
//! The columns themselves are explained in the migrations; a test holds both against each other.

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

/// For each table a constant with a field for each column, and with all of them in `all`; and the list of the tables.
macro_rules! tables {
    ($($table:ident $TABLE:ident { $($name:ident: $kind:ident $($mark:ident)?,)+ })+) => {
        #[allow(non_camel_case_types, reason = "counts the tables by their names")]
        #[derive(Clone, Copy)]
        enum Number { $($table),+ }
        $(
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
                $table::Columns {
                    all: &[$(column(
                        (stringify!($table), stringify!($name)),
                        Kind::$kind,
                        mark!($($mark)?),
                        (Number::$table as u8, At::$name as u8),
                    )),+],
                    $($name: column(
                        (stringify!($table), stringify!($name)),
                        Kind::$kind,
                        mark!($($mark)?),
                        (Number::$table as u8, At::$name as u8),
                    ),)+
                }
            };
        )+
        /// All tables of the house.
        pub const TABLES: &[Table] = &[$(Table { name: stringify!($table), columns: $TABLE.all }),+];
    };
}

tables! {
    coalition COALITION {
        id: Int key,
        coalition_id: Text,
        domain: Text,
        fingerprint: Hash,
        settings: Json,
        created_at: Int,
    }
    gate GATE {
        id: Int key,
        window_number: Int,
        opened_at: Int,
        terms_epoch: Int,
        last_time: Int,
        forgotten_before: Int,
    }
    calendar CALENDAR {
        id: Int key,
        crons: Json,
        time_zone: Text,
        set_at: Int,
    }
    leases LEASES {
        name: Text key,
        holder: Uuid,
        expires_at: Int,
        filler: Bytes null,
    }
    house_alive HOUSE_ALIVE {
        id: Int key,
        alive_at: Int,
    }
    entries ENTRIES {
        batch_id: Uuid key,
        ordinal: Int key,
        bytes: Bytes,
    }
    batches BATCHES {
        batch_id: Uuid key,
        number: Int,
        first_sequence: Int,
        entry_count: Int,
        request_count: Int,
        window_number: Int,
        time: Int,
        hash: Hash,
        previous_hash: Hash,
        requests_hash: Hash,
        salt: Bytes,
    }
    journal_head JOURNAL_HEAD {
        id: Int key,
        next_sequence: Int,
        next_number: Int,
        hash: Hash,
    }
    balances BALANCES {
        commodity: Text key,
        window_number: Int key,
        account: Text key,
        amount: Int,
    }
    gross GROSS {
        window_number: Int key,
        issuer: Text key,
        acceptor: Text key,
        points: Int,
        amount: Int,
    }
    attachments ATTACHMENTS {
        batch_id: Uuid key,
        ordinal: Int key,
        salt: Bytes null,
        bytes: Bytes null,
        erased_at: Int null,
    }
    projection_cursors PROJECTION_CURSORS {
        name: Text key,
        next_sequence: Int,
    }
    entry_parties ENTRY_PARTIES {
        partner: Text key,
        sequence: Int key,
        own_sequence: Int,
        batch_id: Uuid,
        ordinal: Int,
        window_number: Int,
        kind: Int,
        member_id: Uuid null,
        store: Text null,
        till: Text null,
        receipt_number: Text null,
        business_date: Int null,
    }
    admin_actions ADMIN_ACTIONS {
        partner: Text key,
        time: Int key,
        sequence: Int key,
        batch_id: Uuid,
        ordinal: Int,
        window_number: Int,
        kind: Int,
    }
    party_totals PARTY_TOTALS {
        partner: Text key,
        window_number: Int key,
        role: Int key,
        kind: Int key,
        purpose: Text key,
        lines: Int,
        amount: Int,
        points: Int,
    }
    partners PARTNERS {
        partner: Text key,
        display_name: Text,
        state: Text,
        suspended_in: Int null,
    }
    terms TERMS {
        partner: Text key,
        version: Int key,
        effective_at: Int,
        funding: Text,
        price: Int,
        point_value: Int,
        reimbursement: Int,
        acceptance_fee: Text,
        fee_bearer: Text,
        expiry: Text,
        breakage_reserve: Text,
        breakage_operator: Text,
        breakage_issuer: Text,
        return_days: Int null,
        tender_value: Int,
        receipt_share: Text,
    }
    limits LIMITS {
        partner: Text key,
        net_debit_cap: Int null,
        outstanding_points: Int null,
        points_per_day: Int null,
        points_per_member_per_day: Int null,
        points_per_entry: Int null,
        transfer_points_per_entry: Int null,
        transfer_points_per_member_per_day: Int null,
        cooling_seconds: Int null,
    }
    terms_outstanding TERMS_OUTSTANDING {
        partner: Text key,
        version: Int key,
        points: Int,
    }
    guards GUARDS {
        partner: Text key,
        reserved: Int,
        unsettled: Int,
        issued_day: Int,
        issued_points: Int,
    }
    consents CONSENTS {
        funder: Text key,
        partner: Text key,
        granted: Bool null,
        budget: Int null,
        used: Int,
    }
    requests REQUESTS {
        partner: Text key,
        request_id: Uuid key,
        content_hash: Uuid,
        batch_id: Uuid,
        ordinal: Int null,
        entry_count: Int,
        state: Int,
        reply: Bytes,
    }
    members MEMBERS {
        member_id: Uuid key,
        entry_no: Int,
        next_due_at: Int,
        holdings: Bytes,
    }
    lots LOTS {
        member_id: Uuid key,
        expires_at: Int key,
        entry_no: Int key,
        part: Int key,
        issuer: Text,
        terms_version: Int,
        size: Int,
        available: Int,
        held: Int,
        pending: Int,
        lost: Int,
        reversed: Int,
        batch_id: Uuid,
        ordinal: Int,
        activates_at: Int null,
        release_window: Int null,
        origin_member_id: Uuid null,
        origin_entry_no: Int null,
        origin_part: Int null,
    }
    holds HOLDS {
        member_id: Uuid key,
        batch_id: Uuid key,
        ordinal: Int key,
        lapses_at: Int,
        state: Int,
        captured: Int,
    }
    receipts RECEIPTS {
        receipt_key: Uuid key,
        line: Int key,
        side: Int key,
        nth: Int key,
        batch_id: Uuid,
        ordinal: Int,
        undone: Bool,
    }
    identifiers IDENTIFIERS {
        identifier_hash: Hash key,
        member_id: Uuid,
        number: Int,
        salt: Bytes,
    }
    link_changes LINK_CHANGES {
        number: Int key,
        identifier_hash: Hash,
        changed_at: Int,
    }
    returns RETURNS {
        member_id: Uuid key,
        batch_id: Uuid key,
        ordinal: Int key,
        lots: Bytes,
        amount: Int,
        total: Int,
    }
    windows WINDOWS {
        window_number: Int key,
        state: Text,
        opened_at: Int,
        closed_at: Int null,
        first_sequence: Int,
        end_sequence: Int null,
        legs_moved: Text,
        settlement_state: Text null,
        mode: Text null,
        legs_total: Text null,
        carried_change: Text null,
        gross: Int null,
        pairwise: Int null,
    }
    participants PARTICIPANTS {
        window_number: Int key,
        partner: Text key,
        opening: Int,
        carried: Int,
    }
    proofs PROOFS {
        window_number: Int key,
        class: Text key,
        opening: Text,
        change: Text null,
    }
    legs LEGS {
        window_number: Int key,
        partner: Text key,
        amount: Int,
        due: Int,
    }
    orders ORDERS {
        window_number: Int key,
        ordinal: Int key,
        payer: Text,
        payee: Text,
        amount: Int,
        paid: Bool,
    }
    funding FUNDING {
        window_number: Int key,
        issuer: Text key,
        terms_version: Int key,
        points: Int,
        settles_in: Int,
        funded_at: Int null,
        released: Bool,
    }
}

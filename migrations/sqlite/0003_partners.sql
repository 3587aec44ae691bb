-- Partners, their terms and their limits; the people of the operator, and what they have proposed.
-- Made by `cargo run -p clearing --example migrations` from clearing/src/store/tables.rs; not to be edited.

CREATE TABLE partners (
    partner      TEXT NOT NULL PRIMARY KEY,
    display_name TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('ACTIVE', 'RESTRICTED', 'SUSPENDED', 'EXITED')),
    -- the window that was open when it was suspended, or left; null: it is neither
    suspended_in INTEGER,
    -- the brand that it trades for together with others; null: it stands alone
    group_id     TEXT,
    -- how often its state was set
    state_no     INTEGER NOT NULL CHECK (state_no >= 0),
    -- how often its limits were set
    limits_no    INTEGER NOT NULL CHECK (limits_no >= 0),
    -- money: what it may owe without any security
    unsecured    INTEGER NOT NULL CHECK (unsecured >= 0)
) STRICT, WITHOUT ROWID;

-- What others answer for of a partner's debts. A list takes the place of the one before.
CREATE TABLE guarantees (
    partner   TEXT NOT NULL,
    ordinal   INTEGER NOT NULL CHECK (ordinal >= 0),
    -- by what the guarantor calls it
    reference TEXT NOT NULL,
    -- money
    amount    INTEGER NOT NULL CHECK (amount > 0),
    ends_at   INTEGER NOT NULL,
    PRIMARY KEY (partner, ordinal)
) STRICT, WITHOUT ROWID;

-- What partners are charged by themselves, each reason once. One that is charged no more stays, with the last period that
-- was charged, so that none is charged twice.
CREATE TABLE charges (
    partner     TEXT NOT NULL,
    reason      TEXT NOT NULL,
    -- money
    amount      INTEGER NOT NULL CHECK (amount > 0),
    every       TEXT NOT NULL CHECK (every IN ('MONTH', 'QUARTER', 'YEAR')),
    -- the days on which the first period begins, and the last one may begin, as 20260201; null: for ever
    first_day   INTEGER NOT NULL,
    last_day    INTEGER,
    -- the day of the last period that was charged; null: none was
    charged_day INTEGER,
    -- the day of the next one; null: it is over, or was taken off
    next_day    INTEGER,
    -- when that day begins by the coalition's calendar
    due_at      INTEGER,
    PRIMARY KEY (partner, reason),
    CHECK ((next_day IS NULL) = (due_at IS NULL))
) STRICT, WITHOUT ROWID;
-- What falls due next.
CREATE INDEX charges_due ON charges (due_at, partner) WHERE due_at IS NOT NULL;

-- Immutable versions. A lot keeps the version it was issued under.
CREATE TABLE terms (
    partner           TEXT NOT NULL,
    version           INTEGER NOT NULL CHECK (version >= 1),
    effective_at      INTEGER NOT NULL,
    funding           TEXT NOT NULL CHECK (funding IN ('AT_REDEMPTION', 'AT_ISSUE', 'ON_PAYMENT')),
    -- money per point the issuer pays
    price             INTEGER NOT NULL CHECK (price >= 0),
    -- money that backs a point
    point_value       INTEGER NOT NULL CHECK (point_value >= 0 AND point_value <= price),
    -- money per point the acceptor gets
    reimbursement     INTEGER NOT NULL CHECK (reimbursement >= 0),
    -- decimal rate
    acceptance_fee    TEXT NOT NULL,
    fee_bearer        TEXT NOT NULL CHECK (fee_bearer IN ('ACCEPTOR', 'ISSUER')),
    -- NONE, FIXED t, DAYS n, MONTHS n, END_OF_MONTH n, END_OF_YEAR n, INACTIVE_DAYS n
    expiry            TEXT NOT NULL,
    -- decimal shares of the value of expired prepaid points; their sum is 1
    breakage_reserve  TEXT NOT NULL,
    breakage_operator TEXT NOT NULL,
    breakage_issuer   TEXT NOT NULL,
    -- days after an issue in which it can be reversed; null: for ever
    return_days       INTEGER CHECK (return_days >= 0),
    -- what a point is worth to a customer at this partner's tills
    tender_value      INTEGER NOT NULL CHECK (tender_value >= 0),
    -- decimal share of a receipt that points may pay
    receipt_share     TEXT NOT NULL,
    PRIMARY KEY (partner, version)
) STRICT, WITHOUT ROWID;

-- Limits move without a new version of the terms. Null: no limit.
CREATE TABLE limits (
    partner                            TEXT NOT NULL PRIMARY KEY,
    net_debit_cap                      INTEGER,
    outstanding_points                 INTEGER CHECK (outstanding_points >= 0),
    points_per_day                     INTEGER CHECK (points_per_day >= 0),
    points_per_member_per_day          INTEGER CHECK (points_per_member_per_day >= 0),
    points_per_entry                   INTEGER CHECK (points_per_entry >= 0),
    transfer_points_per_entry          INTEGER CHECK (transfer_points_per_entry >= 0),
    transfer_points_per_member_per_day INTEGER CHECK (transfer_points_per_member_per_day >= 0),
    redeem_points_per_member_per_day   INTEGER CHECK (redeem_points_per_member_per_day >= 0),
    redeem_foreign_points_per_day      INTEGER CHECK (redeem_foreign_points_per_day >= 0),
    cooling_seconds                    INTEGER CHECK (cooling_seconds >= 0)
) STRICT, WITHOUT ROWID;

-- Points not yet redeemed, expired or reversed, per version of terms: what TERMS_UNDERFUND and the outstanding limit are
-- checked against without reading a lot. A row is made with its version, so that a batch only ever moves it. Hot like
-- balances.
CREATE TABLE terms_outstanding (
    partner TEXT NOT NULL,
    version INTEGER NOT NULL,
    -- a version cannot owe less than nothing
    points  INTEGER NOT NULL CHECK (points >= 0),
    PRIMARY KEY (partner, version)
) STRICT, WITHOUT ROWID;

-- What a partner's limits are checked against, besides its position and its outstanding points: one row to lock and read,
-- whatever the number of holds and legs. A row is made with its partner. Hot like balances; a partner with a cap or a limit
-- has its row locked early, by every batch that moves its points.
CREATE TABLE guards (
    partner         TEXT NOT NULL PRIMARY KEY,
    -- money: what open holds reserve of its headroom
    reserved        INTEGER NOT NULL,
    -- money: the sum of its legs that it has not paid
    unsettled       INTEGER NOT NULL CHECK (unsettled <= 0),
    -- money: what it has paid ahead, less what is claimed of it
    ahead           INTEGER NOT NULL,
    -- the last day on which it issued, or redeemed points of others, in days since 1970
    counted_day     INTEGER NOT NULL,
    -- points it issued on that day
    issued_points   INTEGER NOT NULL,
    -- points of other issuers it redeemed on that day, those of holds among them
    accepted_points INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What a funder lets another partner issue at its cost. Uses are counted even where nothing was granted, so that a later
-- budget counts from the first.
CREATE TABLE consents (
    funder  TEXT NOT NULL,
    partner TEXT NOT NULL,
    -- null: nothing was said, the coalition's default holds
    granted INTEGER CHECK (granted IN (0, 1)),
    -- points; null: without limit
    budget  INTEGER CHECK (budget >= 0),
    used    INTEGER NOT NULL,
    PRIMARY KEY (funder, partner)
) STRICT, WITHOUT ROWID;

-- Who partners are by law. What was known before is in the journal.
CREATE TABLE legal_records (
    partner     TEXT NOT NULL PRIMARY KEY,
    legal_name  TEXT NOT NULL,
    -- a line each: the scheme, a space, the value
    tax_ids     TEXT NOT NULL,
    street      TEXT NOT NULL,
    postal_code TEXT NOT NULL,
    town        TEXT NOT NULL,
    -- two capital letters
    country     TEXT NOT NULL CHECK (length(country) = 2)
) STRICT, WITHOUT ROWID;

-- Where partners are paid: versions, of which nothing changes but how one ended before it was in force.
CREATE TABLE bank_accounts (
    partner        TEXT NOT NULL,
    version        INTEGER NOT NULL CHECK (version >= 1),
    -- null: it is named by the code of its bank and its number
    iban           TEXT,
    country        TEXT,
    bank_code      TEXT,
    account_number TEXT,
    -- the bank's own account with the central bank; empty where orders need none
    correspondent  TEXT,
    holder         TEXT NOT NULL,
    bank_name      TEXT NOT NULL,
    asked_at       INTEGER NOT NULL,
    -- the partner itself, or operator
    asked_by       TEXT NOT NULL,
    -- from when on it is in force, if nothing ended it before
    effective_at   INTEGER NOT NULL CHECK (effective_at >= asked_at),
    -- 0 replaced, 1 stopped; null: neither
    ended          INTEGER CHECK (ended BETWEEN 0 AND 1),
    ended_at       INTEGER,
    PRIMARY KEY (partner, version),
    CHECK ((iban IS NULL) = (country IS NOT NULL) AND (country IS NULL) = (correspondent IS NULL)),
    CHECK ((country IS NULL) = (bank_code IS NULL) AND (country IS NULL) = (account_number IS NULL)),
    CHECK ((ended IS NULL) = (ended_at IS NULL))
) STRICT, WITHOUT ROWID;
-- Finds whose money has arrived. Two partners may share an account.
CREATE INDEX bank_accounts_by_iban ON bank_accounts (iban) WHERE iban IS NOT NULL;
CREATE INDEX bank_accounts_by_number ON bank_accounts (account_number, bank_code) WHERE account_number IS NOT NULL;

-- The people of the operator. What they were before is in the journal.
CREATE TABLE people (
    person       TEXT NOT NULL PRIMARY KEY,
    -- a sum: 1 clerk, 2 approver, 4 support, 8 auditor
    roles        INTEGER NOT NULL CHECK (roles BETWEEN 0 AND 15),
    -- from when on these are the roles
    since_at     INTEGER NOT NULL,
    -- what they are until then
    roles_before INTEGER NOT NULL CHECK (roles_before BETWEEN 0 AND 15)
) STRICT, WITHOUT ROWID;

-- What people of the operator gave to members again, each alone, on the last day on which they did.
CREATE TABLE care (
    person TEXT NOT NULL PRIMARY KEY,
    -- in days since 1970
    day    INTEGER NOT NULL,
    points INTEGER NOT NULL CHECK (points >= 0)
) STRICT, WITHOUT ROWID;

-- What the coalition has taken off the list of what two persons do together.
CREATE TABLE one_person (
    operation TEXT NOT NULL PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- What one person has asked for and another is to decide. What is proposed is in the entry.
CREATE TABLE proposals (
    -- of the entry that asked for it
    batch_id        BLOB NOT NULL,
    ordinal         INTEGER NOT NULL CHECK (ordinal >= 0),
    -- over what is proposed
    content         BLOB NOT NULL CHECK (length(content) = 32),
    -- 0 open, 1 done, 2 refused, 3 withdrawn, 4 lapsed, 5 stale; the last two once the same was proposed again
    state           INTEGER NOT NULL CHECK (state BETWEEN 0 AND 5),
    -- the entry that decided it; null while open
    decided_batch   BLOB,
    decided_ordinal INTEGER,
    PRIMARY KEY (batch_id, ordinal),
    CHECK ((state = 0) = (decided_batch IS NULL) AND (decided_batch IS NULL) = (decided_ordinal IS NULL))
) STRICT, WITHOUT ROWID;
-- The same is proposed once at a time, whichever nodes are asked.
CREATE UNIQUE INDEX proposals_open ON proposals (content) WHERE state = 0;

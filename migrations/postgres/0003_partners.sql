-- Partners, their terms and their limits; the people of the operator, and what they have proposed.
-- Made by `cargo run -p clearing --example migrations` from clearing/src/store/tables.rs; not to be edited.

CREATE TABLE partners (
    partner      text NOT NULL PRIMARY KEY,
    display_name text NOT NULL,
    state        text NOT NULL CHECK (state IN ('ACTIVE', 'RESTRICTED', 'SUSPENDED', 'EXITED')),
    -- the window that was open when it was suspended, or left; null: it is neither
    suspended_in integer,
    -- the brand that it trades for together with others; null: it stands alone
    group_id     text,
    -- how often its state was set
    state_no     integer NOT NULL CHECK (state_no >= 0),
    -- how often its limits were set
    limits_no    integer NOT NULL CHECK (limits_no >= 0),
    -- money: what it may owe without any security
    unsecured    bigint NOT NULL CHECK (unsecured >= 0)
);

-- What others answer for of a partner's debts. A list takes the place of the one before.
CREATE TABLE guarantees (
    partner   text NOT NULL,
    ordinal   integer NOT NULL CHECK (ordinal >= 0),
    -- by what the guarantor calls it
    reference text NOT NULL,
    -- money
    amount    bigint NOT NULL CHECK (amount > 0),
    ends_at   bigint NOT NULL,
    PRIMARY KEY (partner, ordinal)
);

-- What partners are charged by themselves, each reason once. One that is charged no more stays, with the last period that
-- was charged, so that none is charged twice.
CREATE TABLE charges (
    partner     text NOT NULL,
    reason      text NOT NULL,
    -- money
    amount      bigint NOT NULL CHECK (amount > 0),
    every       text NOT NULL CHECK (every IN ('MONTH', 'QUARTER', 'YEAR')),
    -- the days on which the first period begins, and the last one may begin, as 20260201; null: for ever
    first_day   bigint NOT NULL,
    last_day    bigint,
    -- the day of the last period that was charged; null: none was
    charged_day bigint,
    -- the day of the next one; null: it is over, or was taken off
    next_day    bigint,
    -- when that day begins by the coalition's calendar
    due_at      bigint,
    PRIMARY KEY (partner, reason),
    CHECK ((next_day IS NULL) = (due_at IS NULL))
);
-- What falls due next.
CREATE INDEX charges_due ON charges (due_at, partner) WHERE due_at IS NOT NULL;

-- Immutable versions. A lot keeps the version it was issued under.
CREATE TABLE terms (
    partner           text NOT NULL,
    version           integer NOT NULL CHECK (version >= 1),
    effective_at      bigint NOT NULL,
    funding           text NOT NULL CHECK (funding IN ('AT_REDEMPTION', 'AT_ISSUE', 'ON_PAYMENT')),
    -- money per point the issuer pays
    price             bigint NOT NULL CHECK (price >= 0),
    -- money that backs a point
    point_value       bigint NOT NULL CHECK (point_value >= 0 AND point_value <= price),
    -- money per point the acceptor gets
    reimbursement     bigint NOT NULL CHECK (reimbursement >= 0),
    -- decimal rate
    acceptance_fee    text NOT NULL,
    fee_bearer        text NOT NULL CHECK (fee_bearer IN ('ACCEPTOR', 'ISSUER')),
    -- NONE, FIXED t, DAYS n, MONTHS n, END_OF_MONTH n, END_OF_YEAR n, INACTIVE_DAYS n
    expiry            text NOT NULL,
    -- decimal shares of the value of expired prepaid points; their sum is 1
    breakage_reserve  text NOT NULL,
    breakage_operator text NOT NULL,
    breakage_issuer   text NOT NULL,
    -- days after an issue in which it can be reversed; null: for ever
    return_days       integer CHECK (return_days >= 0),
    -- what a point is worth to a customer at this partner's tills
    tender_value      bigint NOT NULL CHECK (tender_value >= 0),
    -- decimal share of a receipt that points may pay
    receipt_share     text NOT NULL,
    PRIMARY KEY (partner, version)
);

-- Limits move without a new version of the terms. Null: no limit.
CREATE TABLE limits (
    partner                            text NOT NULL PRIMARY KEY,
    net_debit_cap                      bigint,
    outstanding_points                 bigint CHECK (outstanding_points >= 0),
    points_per_day                     bigint CHECK (points_per_day >= 0),
    points_per_member_per_day          bigint CHECK (points_per_member_per_day >= 0),
    points_per_entry                   bigint CHECK (points_per_entry >= 0),
    transfer_points_per_entry          bigint CHECK (transfer_points_per_entry >= 0),
    transfer_points_per_member_per_day bigint CHECK (transfer_points_per_member_per_day >= 0),
    redeem_points_per_member_per_day   bigint CHECK (redeem_points_per_member_per_day >= 0),
    redeem_foreign_points_per_day      bigint CHECK (redeem_foreign_points_per_day >= 0),
    cooling_seconds                    bigint CHECK (cooling_seconds >= 0)
);

-- Points not yet redeemed, expired or reversed, per version of terms: what TERMS_UNDERFUND and the outstanding limit are
-- checked against without reading a lot. A row is made with its version, so that a batch only ever moves it. Hot like
-- balances.
CREATE TABLE terms_outstanding (
    partner text NOT NULL,
    version integer NOT NULL,
    -- a version cannot owe less than nothing
    points  bigint NOT NULL CHECK (points >= 0),
    PRIMARY KEY (partner, version)
) WITH (fillfactor = 20);

-- What a partner's limits are checked against, besides its position and its outstanding points: one row to lock and read,
-- whatever the number of holds and legs. A row is made with its partner. Hot like balances; a partner with a cap or a limit
-- has its row locked early, by every batch that moves its points.
CREATE TABLE guards (
    partner         text NOT NULL PRIMARY KEY,
    -- money: what open holds reserve of its headroom
    reserved        bigint NOT NULL,
    -- money: the sum of its legs that it has not paid
    unsettled       bigint NOT NULL CHECK (unsettled <= 0),
    -- money: what it has paid ahead, less what is claimed of it
    ahead           bigint NOT NULL,
    -- the last day on which it issued, or redeemed points of others, in days since 1970
    counted_day     integer NOT NULL,
    -- points it issued on that day
    issued_points   bigint NOT NULL,
    -- points of other issuers it redeemed on that day, those of holds among them
    accepted_points bigint NOT NULL
) WITH (fillfactor = 20);

-- What a funder lets another partner issue at its cost. Uses are counted even where nothing was granted, so that a later
-- budget counts from the first.
CREATE TABLE consents (
    funder  text NOT NULL,
    partner text NOT NULL,
    -- null: nothing was said, the coalition's default holds
    granted smallint CHECK (granted IN (0, 1)),
    -- points; null: without limit
    budget  bigint CHECK (budget >= 0),
    used    bigint NOT NULL,
    PRIMARY KEY (funder, partner)
) WITH (fillfactor = 20);

-- Who partners are by law. What was known before is in the journal.
CREATE TABLE legal_records (
    partner     text NOT NULL PRIMARY KEY,
    legal_name  text NOT NULL,
    -- a line each: the scheme, a space, the value
    tax_ids     text NOT NULL,
    street      text NOT NULL,
    postal_code text NOT NULL,
    town        text NOT NULL,
    -- two capital letters
    country     text NOT NULL CHECK (length(country) = 2)
);

-- Where partners are paid: versions, of which nothing changes but how one ended before it was in force.
CREATE TABLE bank_accounts (
    partner        text NOT NULL,
    version        integer NOT NULL CHECK (version >= 1),
    -- null: it is named by the code of its bank and its number
    iban           text,
    country        text,
    bank_code      text,
    account_number text,
    -- the bank's own account with the central bank; empty where orders need none
    correspondent  text,
    holder         text NOT NULL,
    bank_name      text NOT NULL,
    asked_at       bigint NOT NULL,
    -- the partner itself, or operator
    asked_by       text NOT NULL,
    -- from when on it is in force, if nothing ended it before
    effective_at   bigint NOT NULL CHECK (effective_at >= asked_at),
    -- 0 replaced, 1 stopped; null: neither
    ended          smallint CHECK (ended BETWEEN 0 AND 1),
    ended_at       bigint,
    PRIMARY KEY (partner, version),
    CHECK ((iban IS NULL) = (country IS NOT NULL) AND (country IS NULL) = (correspondent IS NULL)),
    CHECK ((country IS NULL) = (bank_code IS NULL) AND (country IS NULL) = (account_number IS NULL)),
    CHECK ((ended IS NULL) = (ended_at IS NULL))
);
-- Finds whose money has arrived. Two partners may share an account.
CREATE INDEX bank_accounts_by_iban ON bank_accounts (iban) WHERE iban IS NOT NULL;
CREATE INDEX bank_accounts_by_number ON bank_accounts (account_number, bank_code) WHERE account_number IS NOT NULL;

-- The people of the operator. What they were before is in the journal.
CREATE TABLE people (
    person       text NOT NULL PRIMARY KEY,
    -- a sum: 1 clerk, 2 approver, 4 support, 8 auditor
    roles        smallint NOT NULL CHECK (roles BETWEEN 0 AND 15),
    -- from when on these are the roles
    since_at     bigint NOT NULL,
    -- what they are until then
    roles_before smallint NOT NULL CHECK (roles_before BETWEEN 0 AND 15)
);

-- What people of the operator gave to members again, each alone, on the last day on which they did.
CREATE TABLE care (
    person text NOT NULL PRIMARY KEY,
    -- in days since 1970
    day    integer NOT NULL,
    points bigint NOT NULL CHECK (points >= 0)
);

-- What the coalition has taken off the list of what two persons do together.
CREATE TABLE one_person (
    operation text NOT NULL PRIMARY KEY
);

-- What one person has asked for and another is to decide. What is proposed is in the entry.
CREATE TABLE proposals (
    -- of the entry that asked for it
    batch_id        uuid NOT NULL,
    ordinal         integer NOT NULL CHECK (ordinal >= 0),
    -- over what is proposed
    content         bytea NOT NULL CHECK (length(content) = 32),
    -- 0 open, 1 done, 2 refused, 3 withdrawn, 4 lapsed, 5 stale; the last two once the same was proposed again
    state           smallint NOT NULL CHECK (state BETWEEN 0 AND 5),
    -- the entry that decided it; null while open
    decided_batch   uuid,
    decided_ordinal integer,
    PRIMARY KEY (batch_id, ordinal),
    CHECK ((state = 0) = (decided_batch IS NULL) AND (decided_batch IS NULL) = (decided_ordinal IS NULL))
);
-- The same is proposed once at a time, whichever nodes are asked.
CREATE UNIQUE INDEX proposals_open ON proposals (content) WHERE state = 0;

-- Partners, their terms and their limits.

CREATE TABLE partners (
    partner      TEXT NOT NULL PRIMARY KEY,
    display_name TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('ACTIVE', 'RESTRICTED', 'SUSPENDED', 'EXITED')),
    created_at   INTEGER NOT NULL,
    changed_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Immutable versions. A lot keeps the version it was issued under.
CREATE TABLE terms (
    partner            TEXT NOT NULL,
    version            INTEGER NOT NULL CHECK (version >= 1),
    effective_at       INTEGER NOT NULL,
    funding            TEXT NOT NULL CHECK (funding IN ('AT_REDEMPTION', 'AT_ISSUE')),
    price              INTEGER NOT NULL CHECK (price >= 0),  -- money per point the issuer pays
    point_value        INTEGER NOT NULL CHECK (point_value >= 0 AND point_value <= price), -- money that backs a point
    reimbursement      INTEGER NOT NULL CHECK (reimbursement >= 0), -- money per point the acceptor gets
    acceptance_fee     TEXT NOT NULL, -- decimal rate
    fee_bearer         TEXT NOT NULL CHECK (fee_bearer IN ('ACCEPTOR', 'ISSUER')),
    expiry             TEXT NOT NULL, -- NONE, FIXED t, DAYS n, MONTHS n, END_OF_MONTH n, END_OF_YEAR n
    breakage_reserve   TEXT NOT NULL, -- decimal shares of the value of expired prepaid points; their sum is 1
    breakage_operator  TEXT NOT NULL,
    breakage_issuer    TEXT NOT NULL,
    created_at         INTEGER NOT NULL,
    PRIMARY KEY (partner, version)
) STRICT, WITHOUT ROWID;

-- Limits move without a new version of the terms. Null: no limit.
CREATE TABLE limits (
    partner                   TEXT NOT NULL PRIMARY KEY,
    net_debit_cap             INTEGER,
    outstanding_points        INTEGER CHECK (outstanding_points >= 0),
    points_per_day            INTEGER CHECK (points_per_day >= 0),
    points_per_member_per_day INTEGER CHECK (points_per_member_per_day >= 0),
    points_per_entry          INTEGER CHECK (points_per_entry >= 0),
    changed_at                INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Points not yet redeemed, expired or reversed, per version of terms: what TERMS_UNDERFUND and the outstanding limit are
-- checked against without reading a lot. A row is made with its version, so that a batch only ever moves it. Hot like
-- balances.
CREATE TABLE terms_outstanding (
    partner TEXT NOT NULL,
    version INTEGER NOT NULL,
    points  INTEGER NOT NULL CHECK (points >= 0), -- a version cannot owe less than nothing
    PRIMARY KEY (partner, version)
) STRICT, WITHOUT ROWID;

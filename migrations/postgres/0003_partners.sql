-- Partners, their terms and their limits.

CREATE TABLE partners (
    partner      text NOT NULL PRIMARY KEY,
    display_name text NOT NULL,
    state        text NOT NULL CHECK (state IN ('ACTIVE', 'RESTRICTED', 'SUSPENDED', 'EXITED')),
    created_at   bigint NOT NULL,
    changed_at   bigint NOT NULL
);

-- Immutable versions. A lot keeps the version it was issued under.
CREATE TABLE terms (
    partner            text NOT NULL,
    version            integer NOT NULL CHECK (version >= 1),
    effective_at       bigint NOT NULL,
    funding            text NOT NULL CHECK (funding IN ('AT_REDEMPTION', 'AT_ISSUE')),
    price              bigint NOT NULL CHECK (price >= 0),  -- money per point the issuer pays
    point_value        bigint NOT NULL CHECK (point_value >= 0 AND point_value <= price), -- money that backs a point
    reimbursement      bigint NOT NULL CHECK (reimbursement >= 0), -- money per point the acceptor gets
    acceptance_fee     text NOT NULL, -- decimal rate
    fee_bearer         text NOT NULL CHECK (fee_bearer IN ('ACCEPTOR', 'ISSUER')),
    expiry             text NOT NULL, -- NONE, FIXED t, DAYS n, MONTHS n, END_OF_MONTH n, END_OF_YEAR n
    breakage_reserve   text NOT NULL, -- decimal shares of the value of expired prepaid points; their sum is 1
    breakage_operator  text NOT NULL,
    breakage_issuer    text NOT NULL,
    created_at         bigint NOT NULL,
    PRIMARY KEY (partner, version)
);

-- Limits move without a new version of the terms. Null: no limit.
CREATE TABLE limits (
    partner                   text NOT NULL PRIMARY KEY,
    net_debit_cap             bigint,
    outstanding_points        bigint CHECK (outstanding_points >= 0),
    points_per_day            bigint CHECK (points_per_day >= 0),
    points_per_member_per_day bigint CHECK (points_per_member_per_day >= 0),
    points_per_entry          bigint CHECK (points_per_entry >= 0),
    changed_at                bigint NOT NULL
);

-- Points not yet redeemed, expired or reversed, per version of terms: what TERMS_UNDERFUND and the outstanding limit are
-- checked against without reading a lot. A row is made with its version, so that a batch only ever moves it. Hot like
-- balances.
CREATE TABLE terms_outstanding (
    partner text NOT NULL,
    version integer NOT NULL,
    points  bigint NOT NULL CHECK (points >= 0), -- a version cannot owe less than nothing
    PRIMARY KEY (partner, version)
) WITH (fillfactor = 20);

-- Windows and their settlements. Rows in the number of partners, written under the gate only.

CREATE TABLE windows (
    window_number    bigint NOT NULL PRIMARY KEY CHECK (window_number >= 1),
    state            text NOT NULL CHECK (state IN ('OPEN', 'CLOSED', 'SETTLING', 'SETTLED')),
    opened_at        bigint NOT NULL,
    closed_at        bigint,
    first_sequence   bigint NOT NULL, -- entries of a window are one range of the journal, as closing takes the gate alone
    end_sequence     bigint,          -- the first sequence of the next window; null while open
    funds_opening    bigint NOT NULL, -- the balance of all funds when the window opened
    aborted          bigint NOT NULL, -- legs that aborted settlements put back into this window
    settlement_state text CHECK (settlement_state IN ('PROPOSED', 'CONFIRMED', 'EXPORTED', 'PARTLY_PAID', 'SETTLED', 'ABORTED')),
    mode             text CHECK (mode IN ('HUB', 'PAIRWISE')), -- chosen with the first export or payment
    legs_total       bigint, -- the proof of the close: legs, change of the funds, change of what is carried
    funds_change     bigint,
    carried_change   bigint,
    gross            bigint, -- gross obligations of the window
    pairwise         bigint, -- what pairwise orders over its legs add up to
    CHECK ((state = 'OPEN') = (closed_at IS NULL) AND (closed_at IS NULL) = (end_sequence IS NULL)),
    CHECK ((closed_at IS NULL) = (settlement_state IS NULL)),
    CHECK (closed_at IS NULL OR legs_total + funds_change + carried_change = aborted) -- no settlement is stored that does not balance
);
-- Just one window is open at any time.
CREATE UNIQUE INDEX windows_one_open ON windows (state) WHERE state = 'OPEN';

-- Positions over a window: what is carried out of window n opens window n + 1.
CREATE TABLE participants (
    window_number bigint NOT NULL,
    partner       text NOT NULL, -- or operator
    opening       bigint NOT NULL,
    carried       bigint NOT NULL, -- 0 while the window is open
    PRIMARY KEY (window_number, partner)
);

-- One participant's amount of a settlement: below zero it pays, above it is paid.
CREATE TABLE legs (
    window_number bigint NOT NULL,
    partner       text NOT NULL,
    amount        bigint NOT NULL CHECK (amount <> 0),
    due           bigint NOT NULL, -- what of it is not paid yet, with the same sign; pairwise payments bring it to zero in parts
    PRIMARY KEY (window_number, partner),
    CHECK (abs(due) <= abs(amount))
);

CREATE TABLE orders (
    window_number bigint NOT NULL,
    ordinal       integer NOT NULL CHECK (ordinal >= 0),
    payer         text NOT NULL, -- a partner, operator, funds or hub
    payee         text NOT NULL,
    amount        bigint NOT NULL CHECK (amount > 0),
    paid          smallint NOT NULL CHECK (paid IN (0, 1)),
    PRIMARY KEY (window_number, ordinal),
    CHECK (payer <> payee)
);
-- A payment names its payer and payee; there is one order between two participants.
CREATE UNIQUE INDEX orders_by_parties ON orders (window_number, payer, payee);

-- Points that wait for their issuer's payment, by window of issue, issuer and terms: paid for at once, however many lots
-- there are. Hot like balances while the window is open.
CREATE TABLE funding (
    window_number bigint NOT NULL,
    issuer        text NOT NULL,
    terms_version integer NOT NULL,
    points        bigint NOT NULL, -- moved by sums, which may be below zero on their own
    settles_in    bigint NOT NULL, -- the window whose settlement pays for them
    funded_at     bigint, -- null: they wait
    released      smallint NOT NULL CHECK (released IN (0, 1)), -- whether no lot is left that was to be released when they were paid for
    PRIMARY KEY (window_number, issuer, terms_version)
) WITH (fillfactor = 20);
-- What still waits: few, and read by every command of the house.
CREATE INDEX funding_waiting ON funding (settles_in, issuer) WHERE funded_at IS NULL;
-- What was paid for and is not yet released to the members: the job finds its lots by these.
CREATE INDEX funding_releasing ON funding (funded_at) WHERE funded_at IS NOT NULL AND released = 0;

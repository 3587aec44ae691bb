-- Windows and their settlements. Rows in the number of partners, written under the gate only.
-- Made by `cargo run -p clearing --example migrations` from clearing/src/store/tables.rs; not to be edited.

CREATE TABLE windows (
    window_number    bigint NOT NULL PRIMARY KEY CHECK (window_number >= 1),
    state            text NOT NULL CHECK (state IN ('OPEN', 'CLOSED', 'SETTLING', 'SETTLED')),
    opened_at        bigint NOT NULL,
    closed_at        bigint,
    -- when its settlement is told and paid, as 20260201; null while it is open, and where no calendar said so
    advice_day       bigint,
    payment_day      bigint,
    -- entries of a window are one range of the journal, as closing takes the gate alone
    first_sequence   bigint NOT NULL,
    -- the first sequence of the next window; null while open
    end_sequence     bigint,
    -- by how much the legs of earlier windows moved since it opened (see proofs)
    legs_moved       text NOT NULL,
    settlement_state text CHECK (settlement_state IN ('PROPOSED', 'CONFIRMED', 'EXPORTED', 'PARTLY_PAID', 'SETTLED', 'ABORTED')),
    -- chosen with the first export or payment
    mode             text CHECK (mode IN ('HUB', 'PAIRWISE')),
    -- of the proof of its close (see proofs): the sum of its legs, and the change of what is carried
    legs_total       text,
    carried_change   text,
    -- gross obligations of the window
    gross            bigint,
    -- what pairwise orders over its legs add up to
    pairwise         bigint,
    CHECK ((state = 'OPEN') = (closed_at IS NULL) AND (closed_at IS NULL) = (end_sequence IS NULL)),
    CHECK ((closed_at IS NULL) = (settlement_state IS NULL)),
    CHECK ((advice_day IS NULL) = (payment_day IS NULL) AND (advice_day IS NULL OR closed_at IS NOT NULL)),
    CHECK ((closed_at IS NULL) = (legs_total IS NULL) AND (closed_at IS NULL) = (carried_change IS NULL))
);
-- Just one window is open at any time.
CREATE UNIQUE INDEX windows_one_open ON windows (state) WHERE state = 'OPEN';
-- The settlements that are not done with: what is still to be paid to a partner, or by it, is found by these.
CREATE INDEX windows_in_flight ON windows (window_number) WHERE settlement_state IN ('PROPOSED', 'CONFIRMED', 'EXPORTED', 'PARTLY_PAID');

-- Positions over a window: what is carried out of window n opens window n + 1.
CREATE TABLE participants (
    window_number   bigint NOT NULL,
    -- or operator
    partner         text NOT NULL,
    opening         bigint NOT NULL,
    -- 0 while the window is open
    carried         bigint NOT NULL,
    -- how many closes in a row had carried its leg for being small when the window opened
    carried_windows bigint NOT NULL CHECK (carried_windows >= 0),
    PRIMARY KEY (window_number, partner)
);

-- The accounts in money that are no positions, by class: what they held when a window opened, and how they moved over it,
-- its close aside. What is left out is zero. Whole numbers as text, as sums over all partners may not fit into 64 bits.
-- With legs_total and carried_change the changes of a window come to zero; no close is stored that does not.
CREATE TABLE proofs (
    window_number bigint NOT NULL,
    -- an account of the house; collateral, settle: those of all partners
    class         text NOT NULL,
    opening       text NOT NULL,
    -- null while the window is open
    change        text,
    PRIMARY KEY (window_number, class)
);

-- One participant's amount of a settlement: below zero it pays, above it is paid.
CREATE TABLE legs (
    window_number bigint NOT NULL,
    partner       text NOT NULL,
    amount        bigint NOT NULL CHECK (amount <> 0),
    -- what of it is not paid yet, with the same sign
    due           bigint NOT NULL,
    -- 1: a payment of it came back, and it is not paid anew
    returned      smallint NOT NULL CHECK (returned IN (0, 1)),
    -- what of it collateral, the reserve or the creditors paid for a defaulter
    covered       bigint NOT NULL CHECK (covered >= 0),
    -- what of it pending points paid that were cancelled
    cancelled     bigint NOT NULL CHECK (cancelled >= 0),
    -- what of it was taken off for defaults of others
    shared        bigint NOT NULL CHECK (shared >= 0),
    PRIMARY KEY (window_number, partner),
    CHECK (abs(due) <= abs(amount))
);

-- What a window brought (+) and cost (-) a fund. While it is open: what of the fund's movements is neither.
CREATE TABLE fund_shares (
    window_number bigint NOT NULL,
    -- reserve, collateral or pool
    fund          text NOT NULL CHECK (fund IN ('reserve', 'collateral', 'pool')),
    -- a whole number as text
    aside         text NOT NULL,
    -- in whole minor units; null: neither, or the window is open
    change        bigint,
    -- what of it was moved between own accounts at the bank
    moved         bigint NOT NULL,
    PRIMARY KEY (window_number, fund)
);

CREATE TABLE orders (
    window_number bigint NOT NULL,
    ordinal       integer NOT NULL CHECK (ordinal >= 0),
    -- a partner, operator, funds or hub
    payer         text NOT NULL,
    payee         text NOT NULL,
    amount        bigint NOT NULL CHECK (amount > 0),
    paid          smallint NOT NULL CHECK (paid IN (0, 1)),
    -- 1: the house has let it out, of one that it pays where pay-outs wait
    released      smallint NOT NULL CHECK (released IN (0, 1)),
    PRIMARY KEY (window_number, ordinal),
    CHECK (payer <> payee)
);

-- Points that wait for their issuer's payment, by window of issue, issuer and terms: paid for at once, however many lots
-- there are. Hot like balances while the window is open.
CREATE TABLE funding (
    window_number bigint NOT NULL,
    issuer        text NOT NULL,
    terms_version integer NOT NULL,
    -- moved by sums, which may be below zero on their own
    points        bigint NOT NULL,
    -- the window whose settlement pays for them
    settles_in    bigint NOT NULL,
    -- when it was decided what becomes of them; null: they wait
    decided_at    bigint,
    -- 1: they were paid for; 0: their issuer did not pay, and they are cancelled
    funded        smallint NOT NULL CHECK (funded IN (0, 1)),
    -- whether no lot is left that was to be released or cancelled when that was decided
    released      smallint NOT NULL CHECK (released IN (0, 1)),
    PRIMARY KEY (window_number, issuer, terms_version)
) WITH (fillfactor = 20);
-- What still waits, by the window whose commands read it.
CREATE INDEX funding_waiting ON funding (settles_in, issuer) WHERE decided_at IS NULL;
-- What was decided and has not come to the members yet: the job finds its lots by these.
CREATE INDEX funding_releasing ON funding (decided_at) WHERE decided_at IS NOT NULL AND released = 0;

-- Money that arrived at the bank, by the entry that recorded it, and where its parts are: they sum to the amount. What paid
-- legs is in money_in_legs.
CREATE TABLE money_in (
    batch_id    uuid NOT NULL,
    ordinal     integer NOT NULL,
    -- empty: nobody knows whose it is
    partner     text NOT NULL,
    received_at bigint NOT NULL,
    amount      bigint NOT NULL CHECK (amount > 0),
    unapplied   bigint NOT NULL CHECK (unapplied >= 0),
    advance     bigint NOT NULL CHECK (advance >= 0),
    -- paid a claim or a penalty, or was ordered out
    gone        bigint NOT NULL CHECK (gone >= 0),
    -- went back to the bank of who paid it
    returned    bigint NOT NULL CHECK (returned >= 0),
    -- whether a line of a statement is known of it
    seen        smallint NOT NULL CHECK (seen IN (0, 1)),
    PRIMARY KEY (batch_id, ordinal)
);
-- What may still be used, or waits for its line.
CREATE INDEX money_in_open ON money_in (partner, batch_id, ordinal) WHERE unapplied > 0 OR advance > 0 OR seen = 0;

-- What of money that arrived paid legs.
CREATE TABLE money_in_legs (
    batch_id      uuid NOT NULL,
    ordinal       integer NOT NULL,
    window_number bigint NOT NULL,
    amount        bigint NOT NULL CHECK (amount > 0),
    PRIMARY KEY (batch_id, ordinal, window_number)
);

-- Money that goes out, or went, by the entry that recorded it first.
CREATE TABLE money_out (
    batch_id      uuid NOT NULL,
    ordinal       integer NOT NULL,
    -- empty: to nobody knows whom, or to the house itself
    partner       text NOT NULL,
    amount        bigint NOT NULL CHECK (amount > 0),
    -- of the leg that it pays; null: it is none
    window_number bigint,
    -- the account that it was ordered out of; own:FROM:TO:N between own accounts, with N = 1 if the line that was told
    -- first is of the account that it came to; empty of a leg
    account       text NOT NULL,
    state         text NOT NULL CHECK (state IN ('ORDERED', 'PAID', 'CAME_BACK', 'UNDONE')),
    -- whether a line of a statement is known of it
    seen          smallint NOT NULL CHECK (seen IN (0, 1)),
    PRIMARY KEY (batch_id, ordinal)
);
-- What is on its way, or waits for its line.
CREATE INDEX money_out_open ON money_out (partner, batch_id, ordinal) WHERE state = 'ORDERED' OR seen = 0;
-- The pay-outs of a leg.
CREATE INDEX money_out_by_leg ON money_out (window_number, partner) WHERE window_number IS NOT NULL;

-- The lines of the bank's statements that were booked, and what each tells of.
CREATE TABLE bank_lines (
    -- as the bank writes it; empty if the house has one only
    own_account text NOT NULL,
    -- the day on which the bank booked it, as 20260201; 0: nobody said
    booking_day bigint NOT NULL,
    reference   text NOT NULL,
    -- what came in (+) or went out (-)
    amount      bigint NOT NULL,
    batch_id    uuid NOT NULL,
    ordinal     integer NOT NULL,
    PRIMARY KEY (own_account, booking_day, reference)
);

-- What is claimed of partners, besides what sharers bore (claim_shares).
CREATE TABLE claims (
    partner text NOT NULL PRIMARY KEY,
    -- payments that came back
    bounced bigint NOT NULL,
    -- what the reserve paid
    reserve bigint NOT NULL
);

-- What sharers bore of the defaults of others.
CREATE TABLE claim_shares (
    partner text NOT NULL,
    sharer  text NOT NULL,
    amount  bigint NOT NULL,
    PRIMARY KEY (partner, sharer)
);

-- Payments that were booked by mistake and undone.
CREATE TABLE undone_payments (
    batch_id uuid NOT NULL,
    ordinal  integer NOT NULL,
    PRIMARY KEY (batch_id, ordinal)
);
CREATE TRIGGER bank_lines_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON bank_lines FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER undone_payments_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON undone_payments FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

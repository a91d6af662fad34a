-- Numbers, not text, wherever a table is large; moments are UTC microseconds unless the column says otherwise.

-- Counters and other single numbers.
CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE application (
    no INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL UNIQUE,
    name TEXT NOT NULL,
    redirect_uris BLOB NOT NULL, -- CBOR: a list of texts
    plan TEXT NOT NULL,
    management_token BLOB NOT NULL, -- sealed
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE secret (
    no INTEGER PRIMARY KEY,
    application INTEGER NOT NULL REFERENCES application (no),
    hash BLOB NOT NULL,
    hint TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX secret_of_application ON secret (application, no);

-- A deleted webhook keeps its row: the log still names it.
CREATE TABLE webhook (
    no INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL UNIQUE,
    application INTEGER NOT NULL,
    name TEXT NOT NULL,
    verified INTEGER NOT NULL,
    disabled INTEGER, -- why it is switched off
    revision INTEGER NOT NULL, -- the current one
    last_verification BLOB NOT NULL,
    last_test BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    deleted_at INTEGER
) STRICT;

CREATE TABLE webhook_revision (
    webhook INTEGER NOT NULL,
    number INTEGER NOT NULL,
    body BLOB NOT NULL, -- CBOR
    PRIMARY KEY (webhook, number)
) STRICT, WITHOUT ROWID;

-- When something of a webhook was last delivered. Apart from the webhook's row, because it changes with every batch.
CREATE TABLE last_delivered (
    webhook INTEGER PRIMARY KEY,
    at INTEGER NOT NULL
) STRICT;

CREATE TABLE token (
    hash BLOB PRIMARY KEY,
    application INTEGER NOT NULL,
    user BLOB NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX token_by_expiry ON token (expires_at);

-- Answers kept under idempotency keys.
CREATE TABLE kept (
    key TEXT PRIMARY KEY,
    request BLOB NOT NULL,
    status INTEGER NOT NULL,
    body BLOB NOT NULL, -- sealed
    kept_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX kept_by_age ON kept (kept_at);

CREATE TABLE pool (
    no INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

-- Cars of the simulator.
CREATE TABLE car (
    no INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL UNIQUE,
    make TEXT NOT NULL,
    model TEXT NOT NULL,
    year INTEGER NOT NULL,
    mode INTEGER NOT NULL,
    powertrain INTEGER NOT NULL,
    source INTEGER NOT NULL,
    pool INTEGER NOT NULL,
    spec BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- A vehicle keeps this row when its connection ends, so that the log can name it, and loses it when it is erased.
CREATE TABLE vehicle (
    no INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL UNIQUE,
    application INTEGER NOT NULL,
    user BLOB NOT NULL,
    make TEXT NOT NULL,
    model TEXT NOT NULL,
    year INTEGER NOT NULL,
    mode INTEGER NOT NULL,
    powertrain INTEGER NOT NULL,
    source INTEGER NOT NULL,
    pool INTEGER NOT NULL,
    spec BLOB NOT NULL,
    car INTEGER,
    last_observation INTEGER -- only once the document is gone; until then the document has it
) STRICT;
CREATE INDEX vehicle_by_user ON vehicle (user, no);
CREATE INDEX vehicle_by_car ON vehicle (car, no) WHERE car IS NOT NULL;

-- A vehicle is there for its application as long as it has this row.
CREATE TABLE connection (
    vehicle INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    application INTEGER NOT NULL REFERENCES application (no),
    user BLOB NOT NULL,
    permissions INTEGER NOT NULL,
    connected_at INTEGER NOT NULL
) STRICT;
CREATE INDEX connection_by_application ON connection (application, vehicle);
CREATE INDEX connection_by_user ON connection (user, vehicle);

-- The one row that every step rewrites. Work goes through it in the order of its key; see docs/adr/0001-store-layout.md.
CREATE TABLE document (
    vehicle INTEGER PRIMARY KEY,
    version INTEGER NOT NULL,
    pool INTEGER NOT NULL,
    due INTEGER,
    last_observation INTEGER,
    body BLOB NOT NULL -- sealed
) STRICT;
CREATE INDEX document_by_due ON document (pool, due) WHERE due IS NOT NULL;

-- The observations of a vehicle are a chain: the document knows the newest, and each one the one before it.
CREATE TABLE observation (
    no INTEGER PRIMARY KEY,
    vehicle INTEGER NOT NULL,
    taken_at INTEGER NOT NULL,
    previous INTEGER,
    body BLOB NOT NULL -- sealed
) STRICT;

CREATE TABLE subscription (
    webhook INTEGER NOT NULL,
    vehicle INTEGER NOT NULL,
    id BLOB NOT NULL,
    since INTEGER NOT NULL,
    PRIMARY KEY (webhook, vehicle)
) STRICT, WITHOUT ROWID;
CREATE INDEX subscription_of_vehicle ON subscription (vehicle);

-- A lane is a webhook's number times 256 plus the stripe.
CREATE TABLE queue (
    lane INTEGER NOT NULL,
    attempt_at INTEGER NOT NULL,
    event INTEGER NOT NULL,
    id BLOB NOT NULL,
    vehicle INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    slot INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    observation INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    redelivery INTEGER NOT NULL,
    attempt_count INTEGER NOT NULL,
    http_status INTEGER NOT NULL, -- of the last attempt
    took_ms INTEGER NOT NULL, -- by the last attempt
    attempts BLOB NOT NULL, -- encoded
    PRIMARY KEY (lane, attempt_at, event)
) STRICT, WITHOUT ROWID;

CREATE TABLE lane (
    lane INTEGER PRIMARY KEY,
    node INTEGER, -- nobody, when it was given back
    epoch INTEGER NOT NULL,
    until INTEGER NOT NULL
) STRICT;

-- Events up to a number that must not leave. The cursor is where the sweep that ends them goes on.
CREATE TABLE tombstone (
    no INTEGER PRIMARY KEY AUTOINCREMENT,
    webhook INTEGER, -- any, when there is none
    vehicle INTEGER, -- any, when there is none
    up_to INTEGER NOT NULL,
    ends_as INTEGER NOT NULL,
    cursor_lane INTEGER NOT NULL,
    cursor_attempt_at INTEGER NOT NULL,
    cursor_event INTEGER NOT NULL
) STRICT;

-- The log.
CREATE TABLE delivery (
    event INTEGER PRIMARY KEY,
    webhook INTEGER NOT NULL,
    vehicle INTEGER NOT NULL,
    stripe INTEGER NOT NULL,
    status INTEGER NOT NULL,
    http_status INTEGER NOT NULL,
    took_ms INTEGER NOT NULL,
    attempt_count INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    redelivery INTEGER NOT NULL,
    missed INTEGER NOT NULL,
    missed_from INTEGER,
    observation INTEGER,
    slot INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    ended_at INTEGER NOT NULL,
    id BLOB NOT NULL,
    attempts BLOB NOT NULL -- encoded
) STRICT;
CREATE INDEX delivery_of_webhook ON delivery (webhook, event);
CREATE INDEX delivery_of_vehicle ON delivery (vehicle, event);
CREATE INDEX delivery_in_trouble ON delivery (status, event) WHERE status <> 1;

CREATE TABLE roll_up (
    webhook INTEGER NOT NULL,
    minute INTEGER NOT NULL, -- since 1970
    status INTEGER NOT NULL,
    count INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    took_ms INTEGER NOT NULL,
    PRIMARY KEY (webhook, minute, status)
) STRICT, WITHOUT ROWID;

-- Walks over the vehicles of a webhook that replan their slots.
CREATE TABLE sweep (
    webhook INTEGER PRIMARY KEY,
    revision INTEGER NOT NULL, -- which revision asked for it
    after_vehicle INTEGER, -- the last vehicle that is done
    done INTEGER NOT NULL
) STRICT;

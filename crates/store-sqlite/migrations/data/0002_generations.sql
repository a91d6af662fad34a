-- Webhooks that watch vehicles, readings that are pushed.

-- How often the webhook has begun to deliver.
ALTER TABLE webhook ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;
-- Whether all vehicles of the application are put on it, and the last one that was.
ALTER TABLE webhook ADD COLUMN auto_subscribe INTEGER NOT NULL DEFAULT 0;
ALTER TABLE webhook ADD COLUMN auto_after INTEGER NOT NULL DEFAULT 0;

ALTER TABLE vehicle ADD COLUMN region INTEGER NOT NULL DEFAULT 2;
ALTER TABLE car ADD COLUMN region INTEGER NOT NULL DEFAULT 2;

-- Why an event is owed; nothing for a slot.
ALTER TABLE queue ADD COLUMN occasion BLOB NOT NULL DEFAULT x'';
ALTER TABLE delivery ADD COLUMN occasion BLOB NOT NULL DEFAULT x'';

-- Requests about a vehicle in its newest month, counted where the plan has a limit.
CREATE TABLE request_count (
    vehicle INTEGER PRIMARY KEY,
    month INTEGER NOT NULL, -- since year 0
    count INTEGER NOT NULL
) STRICT;

-- Who may push readings.
CREATE TABLE feed (
    no INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL UNIQUE,
    application INTEGER NOT NULL REFERENCES application (no),
    name TEXT NOT NULL,
    hash BLOB NOT NULL UNIQUE,
    hint TEXT NOT NULL,
    newer INTEGER NOT NULL, -- what counts as newer
    hold_ms INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX feed_of_application ON feed (application, no);

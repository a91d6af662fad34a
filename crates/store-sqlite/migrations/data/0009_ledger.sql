-- What has ended, so that a restored backup does not revive it: the newest state of each thing that has ended at least
-- once. The keyring has a copy, which outlives backups.
CREATE TABLE ledger (
    kind INTEGER NOT NULL,
    key BLOB NOT NULL,
    version INTEGER NOT NULL, -- rises over all entries
    subject BLOB NOT NULL, -- whose erasure deletes the entry
    vehicle BLOB, -- whose end deletes the entry
    until INTEGER, -- after which it says nothing
    value BLOB NOT NULL,
    PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX ledger_by_version ON ledger (version);
CREATE INDEX ledger_of_subject ON ledger (subject);
CREATE INDEX ledger_of_vehicle ON ledger (vehicle) WHERE vehicle IS NOT NULL;
CREATE INDEX ledger_by_end ON ledger (until) WHERE until IS NOT NULL;

-- The event that a kept answer names.
ALTER TABLE kept ADD COLUMN event INTEGER;

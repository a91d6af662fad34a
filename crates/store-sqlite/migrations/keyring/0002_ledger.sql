-- The copy of the ledger of what has ended: a restore of the data applies it.
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

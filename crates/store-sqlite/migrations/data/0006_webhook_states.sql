-- Edits name the version that they were made on; a webhook's is the number of its revision.
ALTER TABLE application ADD COLUMN version INTEGER NOT NULL DEFAULT 1;

-- The URI for errors that has answered a challenge, and the result of the last one.
ALTER TABLE webhook ADD COLUMN verified_error_uri TEXT;
ALTER TABLE webhook ADD COLUMN last_error_verification BLOB NOT NULL DEFAULT x'';
-- A challenge was asked for and has not ended.
ALTER TABLE webhook ADD COLUMN verifying INTEGER NOT NULL DEFAULT 0;
-- When it was switched off, and how the last attempt before had ended.
ALTER TABLE webhook ADD COLUMN disabled_at INTEGER;
ALTER TABLE webhook ADD COLUMN disabled_status INTEGER;
ALTER TABLE webhook ADD COLUMN disabled_failure TEXT;
-- Rises with each change of any kind.
ALTER TABLE webhook ADD COLUMN changes INTEGER NOT NULL DEFAULT 0;

-- When a refresh token of the consent was spent last. A restored backup is compared with what the ledger says of it.
ALTER TABLE token_grant ADD COLUMN refreshed_at INTEGER;

-- What owners have granted. Of codes and tokens only hashes are here.

-- What a redeemed code became: the family of all tokens that come of it.
CREATE TABLE token_grant (
    no INTEGER PRIMARY KEY AUTOINCREMENT,
    application INTEGER NOT NULL,
    user BLOB NOT NULL,
    vehicles BLOB NOT NULL, -- CBOR: a list of ids
    created_at INTEGER NOT NULL,
    idle_at INTEGER NOT NULL, -- when the last of its tokens ends
    revoked_at INTEGER
) STRICT;
CREATE INDEX token_grant_by_end ON token_grant (idle_at);
CREATE INDEX token_grant_of_application ON token_grant (application);
CREATE INDEX token_grant_of_user ON token_grant (user);

CREATE TABLE code (
    hash BLOB PRIMARY KEY,
    application INTEGER NOT NULL,
    user BLOB NOT NULL,
    vehicles BLOB NOT NULL, -- CBOR: a list of ids
    redirect_uri TEXT, -- as the authorize request had it
    challenge TEXT, -- S256
    expires_at INTEGER NOT NULL,
    grant_no INTEGER -- what it became
) STRICT, WITHOUT ROWID;
CREATE INDEX code_by_expiry ON code (expires_at);
CREATE INDEX code_of_application ON code (application);
CREATE INDEX code_of_user ON code (user);

-- A refresh token is kept when it is spent: only so is a copy of it noticed.
CREATE TABLE refresh_token (
    hash BLOB PRIMARY KEY,
    grant_no INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    spent_at INTEGER,
    pairs INTEGER NOT NULL -- how many it has given
) STRICT, WITHOUT ROWID;
CREATE INDEX refresh_token_by_expiry ON refresh_token (expires_at);

-- The management token before, sealed, as long as it still counts.
ALTER TABLE application ADD COLUMN retiring_token BLOB;
ALTER TABLE application ADD COLUMN retiring_until INTEGER;

-- A token without a grant covers all vehicles of its owner.
ALTER TABLE token ADD COLUMN grant_no INTEGER;
CREATE INDEX token_of_user ON token (user);
CREATE INDEX token_of_application ON token (application);

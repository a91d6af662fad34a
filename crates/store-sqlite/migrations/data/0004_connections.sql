-- Owners who sign in at a brand, and vehicles that are found again.

-- An owner as one application knows them. Found again by a keyed hash of the account at the brand.
CREATE TABLE owner (
    user BLOB PRIMARY KEY,
    application INTEGER NOT NULL REFERENCES application (no),
    account BLOB NOT NULL,
    external_id BLOB NOT NULL, -- sealed; empty when there is none
    asked INTEGER NOT NULL, -- the permissions that were asked for at the last consent
    UNIQUE (application, account)
) STRICT, WITHOUT ROWID;

-- Keyed hash of the vehicle's number.
ALTER TABLE vehicle ADD COLUMN vin BLOB;
CREATE UNIQUE INDEX vehicle_by_vin ON vehicle (user, vin) WHERE vin IS NOT NULL;
-- The capacity that the owner has chosen, in Wh.
ALTER TABLE vehicle ADD COLUMN capacity INTEGER;

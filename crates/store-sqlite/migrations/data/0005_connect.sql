-- What applications have set for Connect, and when owners have ended what they had granted.

-- Permissions for requests without a scope, and those of them that are required; nothing when it is left open.
ALTER TABLE application ADD COLUMN connect_permissions INTEGER;
ALTER TABLE application ADD COLUMN connect_required INTEGER;
-- ISO 3166-1 alpha-2.
ALTER TABLE application ADD COLUMN connect_country TEXT;

-- When the owner last ended the access to a vehicle. Who signed in before grants nothing any more.
ALTER TABLE owner ADD COLUMN ended_at INTEGER;

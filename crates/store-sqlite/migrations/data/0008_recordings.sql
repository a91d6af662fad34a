-- Recorded trips. What is of one is sealed under a data key of its own, so that its erasure reaches backups.
CREATE TABLE recording (
    id BLOB PRIMARY KEY,
    created_at INTEGER NOT NULL,
    car INTEGER, -- the car that drives it; until then it is being uploaded
    driven INTEGER NOT NULL DEFAULT 0, -- whether a vehicle was connected to that car
    manifest BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX recording_by_car ON recording (car) WHERE car IS NOT NULL;

CREATE TABLE recording_part (
    recording BLOB NOT NULL,
    kind INTEGER NOT NULL, -- 1 of the uploaded file, 2 of the trip
    no INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (recording, kind, no)
) STRICT;

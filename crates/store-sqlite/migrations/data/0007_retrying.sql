-- What waits for another attempt is listed and found without a look at what waits for its first: an event comes into these when
-- its first attempt has failed.
CREATE INDEX queue_retrying ON queue (lane, attempt_at, event) WHERE attempt_count > 0;
CREATE INDEX queue_retrying_event ON queue (event) WHERE attempt_count > 0;

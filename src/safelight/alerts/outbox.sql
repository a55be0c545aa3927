-- name: schema
CREATE TABLE IF NOT EXISTS channels (
  name TEXT PRIMARY KEY,
  failures INTEGER NOT NULL DEFAULT 0,  -- in a row, without those after which the peer named a time
  paused_until INTEGER,
  last_success_at INTEGER,
  last_failure_at INTEGER,
  last_answer TEXT,
  broken_at INTEGER,                    -- nothing is sent to it since
  reason TEXT,
  broken_told INTEGER NOT NULL DEFAULT 0,   -- the other channels know
  version TEXT NOT NULL DEFAULT '',     -- of its settings when it broke
  held INTEGER NOT NULL DEFAULT 0       -- messages wait because of its rate limit or a pause
) STRICT;
CREATE TABLE IF NOT EXISTS outbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  message TEXT NOT NULL,
  channel TEXT NOT NULL,
  group_key TEXT NOT NULL,
  severity INTEGER NOT NULL,
  notification TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('waiting', 'sending', 'sent', 'failed')),
  may_repeat INTEGER NOT NULL DEFAULT 0,
  attempts INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  next_at INTEGER NOT NULL,
  at INTEGER NOT NULL,              -- of the last change of status
  answer TEXT,
  batch TEXT,                       -- told together with those of the same
  apart INTEGER NOT NULL DEFAULT 0, -- failed: to be told on its own
  UNIQUE (message, channel)
) STRICT;
-- For both, statements about `waiting` say this condition too; without being told, SQLite reads what was sent as well.
CREATE INDEX IF NOT EXISTS outbox_open ON outbox (channel, id) WHERE status IN ('waiting', 'sending');
CREATE INDEX IF NOT EXISTS outbox_groups ON outbox (channel, group_key, id) WHERE status IN ('waiting', 'sending');
CREATE INDEX IF NOT EXISTS outbox_changed ON outbox (channel, at);
CREATE TABLE IF NOT EXISTS attempts (
  letter INTEGER NOT NULL REFERENCES outbox (id) ON DELETE CASCADE,
  channel TEXT NOT NULL,
  started_at INTEGER NOT NULL,
  finished_at INTEGER,
  outcome TEXT,                     -- null: a crash left it in doubt
  answer TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS attempts_channel ON attempts (channel, started_at);
CREATE INDEX IF NOT EXISTS attempts_letter ON attempts (letter);
CREATE TABLE IF NOT EXISTS announcements (
  key TEXT PRIMARY KEY,             -- told once, whatever happens
  at INTEGER NOT NULL
) STRICT;

-- name: put
INSERT INTO outbox (message, channel, group_key, severity, notification, status, created_at, expires_at, next_at, at)
VALUES (:message, :channel, :group_key, :severity, :notification, 'waiting', :now, :expires_at, :now, :now);

-- name: waiting_count
-- With those being sent, 200 at most: so an index alone answers.
SELECT count(*) FROM outbox INDEXED BY outbox_open WHERE channel = :channel AND status IN ('waiting', 'sending');

-- name: least_wanted
SELECT * FROM outbox INDEXED BY outbox_open
WHERE channel = :channel AND status IN ('waiting', 'sending') AND status = 'waiting'
ORDER BY severity, id LIMIT 1;

-- name: recover
-- What was being sent when the last process died: nobody knows whether it arrived.
UPDATE outbox SET status = 'waiting', may_repeat = 1, next_at = :now, at = :now WHERE status = 'sending';

-- name: expired
SELECT * FROM outbox INDEXED BY outbox_open
WHERE status IN ('waiting', 'sending') AND status = 'waiting' AND expires_at <= :now ORDER BY id;

-- name: claimable
-- What is due: the most severe first, then by age; after four attempts a message lets all others go first.
-- Never one whose group has an older message waiting: a "resolved" does not overtake.
SELECT * FROM outbox WHERE id = (
  SELECT id FROM outbox o INDEXED BY outbox_open
  WHERE channel = :channel AND status IN ('waiting', 'sending') AND status = 'waiting' AND next_at <= :now
  AND expires_at > :now AND NOT EXISTS (
    SELECT 1 FROM outbox e WHERE e.channel = o.channel AND e.group_key = o.group_key AND e.id < o.id
    AND e.status IN ('waiting', 'sending') AND e.expires_at > :now AND (e.batch IS NULL OR e.batch IS NOT o.batch))
  ORDER BY attempts > 3, severity DESC, next_at, id LIMIT 1);

-- name: in_line
-- What waits for a channel, oldest first; what it is needs no reading to decide what is told together.
SELECT id, group_key, next_at, batch, apart FROM outbox
WHERE channel = :channel AND status IN ('waiting', 'sending') AND status = 'waiting' AND expires_at > :now ORDER BY id;

-- name: of_batch
SELECT * FROM outbox
WHERE channel = :channel AND status = 'waiting' AND batch = :batch AND expires_at > :now ORDER BY id;

-- name: join
UPDATE outbox SET batch = :batch WHERE id = :id;

-- name: next_letter
SELECT min(next_at) FROM outbox INDEXED BY outbox_open
WHERE channel = :channel AND status IN ('waiting', 'sending') AND status = 'waiting' AND next_at > :now AND expires_at > :now;

-- name: claim
UPDATE outbox SET status = 'sending', attempts = attempts + 1, at = :now WHERE id = :id AND status = 'waiting';

-- name: begin_attempt
INSERT INTO attempts (letter, channel, started_at) VALUES (:id, :channel, :now) RETURNING rowid;

-- name: end_attempt
UPDATE attempts SET finished_at = :now, outcome = :outcome, answer = :answer WHERE rowid = :attempt;

-- name: attempt_number
-- When the nth newest attempt of the last minute began: a rate limit that a restart does not forget.
SELECT started_at FROM attempts WHERE channel = :channel AND started_at > :since AND started_at <= :now
ORDER BY started_at DESC LIMIT 1 OFFSET :n - 1;

-- name: finish
UPDATE outbox SET status = :status, at = :now, answer = :answer WHERE id = :id;

-- name: wait
UPDATE outbox SET status = 'waiting', at = :now, answer = :answer, next_at = :next_at, apart = max(apart, :apart),
  batch = CASE WHEN :apart THEN NULL ELSE batch END, may_repeat = max(may_repeat, :may_repeat)
WHERE id = :id;

-- name: failed_attempts
-- Without those after which the peer named a time.
SELECT count(*) FROM attempts WHERE letter = :id AND outcome IN ('postponed', 'in doubt');

-- name: hurry_group
UPDATE outbox SET next_at = :now
WHERE channel = :channel AND group_key = :group_key AND status IN ('waiting', 'sending') AND status = 'waiting'
AND next_at > :now;

-- name: hurry_channel
-- Before the success is written down: a message that failed also before the last one fails by its own fault.
UPDATE outbox SET next_at = :now WHERE channel = :channel AND status = 'waiting' AND next_at > :now AND NOT EXISTS (
  SELECT 1 FROM attempts a JOIN channels c ON c.name = a.channel
  WHERE a.letter = outbox.id AND a.outcome IN ('postponed', 'in doubt') AND a.started_at < c.last_success_at);

-- name: hurry_all
UPDATE outbox SET next_at = :now WHERE channel = :channel AND status = 'waiting';

-- name: channel
SELECT * FROM channels WHERE name = :name;

-- name: channel_counts
SELECT coalesce(sum(status IN ('waiting', 'sending')), 0) AS waiting,
  coalesce(sum(status = 'sent' AND at > :since), 0) AS sent, coalesce(sum(status = 'failed' AND at > :since), 0) AS failed
FROM outbox WHERE channel = :channel AND (status IN ('waiting', 'sending') OR at > :since);

-- name: channel_succeeded
INSERT INTO channels (name, last_success_at, last_answer) VALUES (:name, :now, :answer)
ON CONFLICT (name) DO UPDATE SET
  failures = 0, paused_until = NULL, last_success_at = excluded.last_success_at, last_answer = excluded.last_answer;

-- name: channel_failed
INSERT INTO channels (name, failures, paused_until, last_failure_at, last_answer)
VALUES (:name, :failures, :paused_until, :now, :answer)
ON CONFLICT (name) DO UPDATE SET
  failures = failures + excluded.failures, paused_until = excluded.paused_until, last_failure_at = excluded.last_failure_at,
  last_answer = excluded.last_answer;

-- name: channel_broke
UPDATE channels SET broken_at = :now, reason = :reason, broken_told = 0
WHERE name = :name AND broken_at IS NULL;

-- name: channel_enabled
UPDATE channels SET broken_at = NULL, reason = NULL, broken_told = 0, failures = 0, paused_until = NULL
WHERE name = :name AND broken_at IS NOT NULL;

-- name: channel_held
INSERT INTO channels (name, held) VALUES (:name, :held) ON CONFLICT (name) DO UPDATE SET held = excluded.held;

-- name: newly_broken
SELECT * FROM channels WHERE broken_at IS NOT NULL AND broken_told = 0 ORDER BY broken_at;

-- name: broken_told
UPDATE channels SET broken_told = 1, version = :version WHERE name = :name;

-- name: outbox_change
-- When something happens to the outbox by itself: a message expires, a channel broke and nobody knows.
SELECT min(at) FROM (
  SELECT min(expires_at) AS at FROM outbox WHERE status IN ('waiting', 'sending') AND status = 'waiting'
  UNION ALL SELECT min(broken_at) FROM channels WHERE broken_at IS NOT NULL AND broken_told = 0
);

-- name: announce
INSERT INTO announcements (key, at) VALUES (:key, :now) ON CONFLICT (key) DO NOTHING;

-- name: rewind_outbox
UPDATE outbox SET next_at = next_at - :by, expires_at = expires_at - :by WHERE status IN ('waiting', 'sending');

-- name: rewind_channels
UPDATE channels SET paused_until = paused_until - :by, last_success_at = min(last_success_at, :now),
  last_failure_at = min(last_failure_at, :now), broken_at = min(broken_at, :now);

-- name: rewind_attempts
UPDATE attempts SET started_at = :now WHERE started_at > :now;

-- name: forget_letters
DELETE FROM outbox WHERE status IN ('sent', 'failed') AND at < :before;

-- name: forget_announcements
DELETE FROM announcements WHERE at < :before;

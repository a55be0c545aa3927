-- name: schema
CREATE TABLE IF NOT EXISTS progress (
  only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
  evaluated_seq INTEGER NOT NULL,   -- every committed event up to here has been judged
  observed_since INTEGER NOT NULL,  -- events have been watched without a gap since
  observed_at INTEGER NOT NULL,     -- last time that was confirmed
  late INTEGER NOT NULL             -- matches that came too late to fire
) STRICT;
CREATE TABLE IF NOT EXISTS alerts (
  id TEXT PRIMARY KEY,
  rule TEXT NOT NULL,
  identity TEXT NOT NULL,           -- hash of rule and labels
  severity INTEGER NOT NULL,
  labels TEXT NOT NULL,
  why TEXT NOT NULL,                -- the rule's `when` as it was
  status TEXT NOT NULL CHECK (status IN ('firing', 'resolved')),
  count INTEGER NOT NULL,
  number INTEGER NOT NULL,          -- of the last transition
  started_at INTEGER NOT NULL,
  last_at INTEGER NOT NULL,
  resolve_at INTEGER,
  due_at INTEGER,
  told_at INTEGER,
  ended_at INTEGER,
  events TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS alerts_firing ON alerts (identity) WHERE status = 'firing';
CREATE INDEX IF NOT EXISTS alerts_identity ON alerts (identity, told_at);
CREATE INDEX IF NOT EXISTS alerts_newest ON alerts (last_at);
CREATE TABLE IF NOT EXISTS transitions (
  alert TEXT NOT NULL REFERENCES alerts (id) ON DELETE CASCADE,
  number INTEGER NOT NULL,
  status TEXT NOT NULL,
  at INTEGER NOT NULL,
  group_key TEXT NOT NULL,
  message TEXT,                     -- null while it is being collected
  PRIMARY KEY (alert, number)
) STRICT;
CREATE INDEX IF NOT EXISTS transitions_collecting ON transitions (group_key) WHERE message IS NULL;
CREATE TABLE IF NOT EXISTS groups (
  key TEXT PRIMARY KEY,
  open_until INTEGER NOT NULL       -- until then what follows is collected
) STRICT;
CREATE TABLE IF NOT EXISTS channels (
  name TEXT PRIMARY KEY,
  failures INTEGER NOT NULL DEFAULT 0,  -- in a row, without those after which the peer named a time
  paused_until INTEGER,
  last_success_at INTEGER,
  last_failure_at INTEGER,
  last_answer TEXT
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
  UNIQUE (message, channel)
) STRICT;
CREATE INDEX IF NOT EXISTS outbox_open ON outbox (channel, id) WHERE status IN ('waiting', 'sending');
CREATE TABLE IF NOT EXISTS attempts (
  letter INTEGER NOT NULL REFERENCES outbox (id) ON DELETE CASCADE,
  channel TEXT NOT NULL,
  started_at INTEGER NOT NULL,
  finished_at INTEGER,
  outcome TEXT,                     -- null: a crash left it in doubt
  answer TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS attempts_channel ON attempts (channel, started_at);

-- name: progress
SELECT evaluated_seq, observed_since, observed_at, late FROM progress;

-- name: save_progress
INSERT INTO progress VALUES (1, :evaluated_seq, :observed_since, :observed_at, :late)
ON CONFLICT (only_row) DO UPDATE SET
  evaluated_seq = excluded.evaluated_seq, observed_since = excluded.observed_since,
  observed_at = excluded.observed_at, late = excluded.late;

-- name: firing
SELECT * FROM alerts WHERE status = 'firing' AND identity = :identity;

-- name: firing_of_rule
SELECT count(*) FROM alerts WHERE status = 'firing' AND rule = :rule;

-- name: firing_windows
SELECT * FROM alerts WHERE status = 'firing' AND resolve_at IS NULL;

-- name: told_before
SELECT max(told_at) FROM alerts WHERE identity = :identity;

-- name: quiet
SELECT * FROM alerts WHERE status = 'firing' AND resolve_at <= :now ORDER BY resolve_at, rowid;

-- name: due
SELECT * FROM alerts WHERE status = 'firing' AND due_at <= :now ORDER BY due_at, rowid;

-- name: save_alert
INSERT INTO alerts VALUES (
  :id, :rule, :identity, :severity, :labels, :why, :status, :count, :number, :started_at, :last_at, :resolve_at,
  :due_at, :told_at, :ended_at, :events)
ON CONFLICT (id) DO UPDATE SET
  severity = excluded.severity, status = excluded.status, count = excluded.count, number = excluded.number,
  last_at = excluded.last_at, resolve_at = excluded.resolve_at, due_at = excluded.due_at, told_at = excluded.told_at,
  ended_at = excluded.ended_at, events = excluded.events;

-- name: add_transition
INSERT INTO transitions (alert, number, status, at, group_key) VALUES (:alert, :number, :status, :at, :group_key);

-- name: next_change
-- The earliest time at which something happens by itself.
SELECT min(at) FROM (
  SELECT min(due_at) AS at FROM alerts WHERE status = 'firing'
  UNION ALL SELECT min(resolve_at) FROM alerts WHERE status = 'firing'
  UNION ALL SELECT min(open_until) FROM groups WHERE key IN (SELECT group_key FROM transitions WHERE message IS NULL)
  UNION ALL SELECT min(expires_at) FROM outbox WHERE status = 'waiting'
);

-- name: ripe_groups
-- Groups with something to tell that are not collecting (any more).
SELECT t.group_key FROM transitions t LEFT JOIN groups g ON g.key = t.group_key
WHERE t.message IS NULL AND coalesce(g.open_until, 0) <= :now GROUP BY t.group_key ORDER BY min(t.rowid);

-- name: collected
SELECT t.number AS told_number, t.status AS told_status, a.* FROM transitions t JOIN alerts a ON a.id = t.alert
WHERE t.message IS NULL AND t.group_key = :group_key ORDER BY t.at, t.rowid;

-- name: close_message
UPDATE transitions SET message = :message WHERE message IS NULL AND alert = :alert AND number = :number;

-- name: open_group
INSERT INTO groups VALUES (:key, :open_until) ON CONFLICT (key) DO UPDATE SET open_until = excluded.open_until;

-- name: newest_alerts
SELECT * FROM alerts ORDER BY status = 'firing' DESC, last_at DESC LIMIT :limit;

-- name: notifications_of
SELECT o.channel, o.status, o.at, o.answer FROM transitions t JOIN outbox o ON o.message = t.message
WHERE t.alert = :alert ORDER BY o.id DESC LIMIT :limit;

-- name: put
INSERT INTO outbox (message, channel, group_key, severity, notification, status, created_at, expires_at, next_at, at)
VALUES (:message, :channel, :group_key, :severity, :notification, 'waiting', :now, :expires_at, :now, :now);

-- name: waiting_count
SELECT count(*) FROM outbox WHERE channel = :channel AND status = 'waiting';

-- name: least_wanted
SELECT * FROM outbox WHERE channel = :channel AND status = 'waiting' ORDER BY severity, id LIMIT 1;

-- name: recover
-- What was being sent when the last process died: nobody knows whether it arrived.
UPDATE outbox SET status = 'waiting', may_repeat = 1, next_at = :now, at = :now WHERE status = 'sending';

-- name: expired
SELECT * FROM outbox WHERE status = 'waiting' AND expires_at <= :now ORDER BY id;

-- name: claimable
-- What is due: the most severe first, then by age; after four attempts a message lets all others go first.
-- Never one whose group has an older message waiting: a "resolved" does not overtake.
SELECT * FROM outbox o
WHERE channel = :channel AND status = 'waiting' AND next_at <= :now AND expires_at > :now AND NOT EXISTS (
  SELECT 1 FROM outbox e WHERE e.channel = o.channel AND e.group_key = o.group_key AND e.id < o.id
  AND e.status IN ('waiting', 'sending') AND e.expires_at > :now)
ORDER BY attempts > 3, severity DESC, next_at, id LIMIT 1;

-- name: next_letter
SELECT min(next_at) FROM outbox WHERE channel = :channel AND status = 'waiting' AND next_at > :now AND expires_at > :now;

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
UPDATE outbox SET status = 'waiting', at = :now, answer = :answer, next_at = :next_at, may_repeat = max(may_repeat, :may_repeat)
WHERE id = :id;

-- name: failed_attempts
-- Without those after which the peer named a time.
SELECT count(*) FROM attempts WHERE letter = :id AND outcome IN ('postponed', 'in doubt');

-- name: hurry_group
UPDATE outbox SET next_at = :now
WHERE channel = :channel AND group_key = :group_key AND status = 'waiting' AND next_at > :now;

-- name: hurry_channel
-- Before the success is written down: a message that failed also before the last one fails by its own fault.
UPDATE outbox SET next_at = :now WHERE channel = :channel AND status = 'waiting' AND next_at > :now AND NOT EXISTS (
  SELECT 1 FROM attempts a JOIN channels c ON c.name = a.channel
  WHERE a.letter = outbox.id AND a.outcome IN ('postponed', 'in doubt') AND a.started_at < c.last_success_at);

-- name: channel
SELECT * FROM channels WHERE name = :name;

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

-- name: forget_letters
DELETE FROM outbox WHERE status IN ('sent', 'failed') AND at < :before;

-- name: forget_alerts
DELETE FROM alerts WHERE status = 'resolved' AND (ended_at < :before OR id NOT IN (
  SELECT id FROM alerts ORDER BY last_at DESC LIMIT :keep))
AND NOT EXISTS (SELECT 1 FROM transitions t WHERE t.alert = alerts.id AND (t.message IS NULL
  OR EXISTS (SELECT 1 FROM outbox o WHERE o.message = t.message AND o.status IN ('waiting', 'sending'))));

-- name: forget_groups
DELETE FROM groups WHERE open_until < :before;

-- name: schema
CREATE TABLE IF NOT EXISTS progress (
  only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
  evaluated_seq INTEGER NOT NULL,   -- every committed event up to here has been judged
  observed_since INTEGER NOT NULL,  -- events have been watched without a gap since
  observed_at INTEGER NOT NULL,     -- last time that was confirmed
  late INTEGER NOT NULL             -- matches that came too late to fire
) STRICT;
CREATE TABLE IF NOT EXISTS debts (
  rule TEXT PRIMARY KEY,            -- a match rule that could not be judged
  after_seq INTEGER NOT NULL,       -- it was judged up to here
  since INTEGER NOT NULL,
  stuck_since INTEGER NOT NULL      -- when it last got on
) STRICT;
CREATE TABLE IF NOT EXISTS alerts (
  id TEXT PRIMARY KEY,
  rule TEXT NOT NULL,
  identity TEXT NOT NULL,           -- hash of rule and labels
  severity INTEGER NOT NULL,
  labels TEXT NOT NULL,
  why TEXT NOT NULL,                -- the rule's `when` as it was
  status TEXT NOT NULL CHECK (status IN ('pending', 'firing', 'resolved')),
  count INTEGER NOT NULL,
  number INTEGER NOT NULL,          -- of the last transition
  standing INTEGER NOT NULL,        -- ends when its condition no longer holds, and not by quiet
  value REAL,
  heard INTEGER NOT NULL,           -- somebody was told that it fires
  escalated INTEGER NOT NULL,
  flapping INTEGER NOT NULL,
  started_at INTEGER NOT NULL,
  last_at INTEGER NOT NULL,
  fires_at INTEGER,                 -- of a pending one
  fired_at INTEGER,
  resolve_at INTEGER,
  due_at INTEGER,
  told_at INTEGER,
  escalate_at INTEGER,
  ended_at INTEGER,
  acknowledged_at INTEGER,
  acknowledged_by TEXT,
  muted_by TEXT,
  muted_ref TEXT,
  muted_until INTEGER,
  events TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS alerts_live ON alerts (identity) WHERE status <> 'resolved';
CREATE INDEX IF NOT EXISTS alerts_identity ON alerts (identity, told_at);
CREATE INDEX IF NOT EXISTS alerts_newest ON alerts (last_at);
CREATE INDEX IF NOT EXISTS alerts_due ON alerts (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS alerts_quiet ON alerts (resolve_at) WHERE resolve_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS alerts_pending ON alerts (fires_at) WHERE fires_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS alerts_escalating ON alerts (escalate_at) WHERE escalate_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS transitions (
  alert TEXT NOT NULL REFERENCES alerts (id) ON DELETE CASCADE,
  number INTEGER NOT NULL,
  status TEXT NOT NULL,
  at INTEGER NOT NULL,
  group_key TEXT NOT NULL,
  message TEXT,                     -- null while it is being collected, or held
  severity INTEGER NOT NULL DEFAULT 2,
  kind TEXT NOT NULL DEFAULT 'usual',   -- or 'flapping', 'stable', 'escalated'
  muted TEXT,                       -- why nobody was told
  ref TEXT,                         -- the silence, or the alert that inhibits
  PRIMARY KEY (alert, number)
) STRICT;
CREATE INDEX IF NOT EXISTS transitions_collecting ON transitions (group_key) WHERE message IS NULL AND muted IS NULL;
CREATE INDEX IF NOT EXISTS transitions_held ON transitions (at) WHERE message IS NULL AND muted = 'quiet_hours';
CREATE INDEX IF NOT EXISTS transitions_message ON transitions (message);
CREATE TABLE IF NOT EXISTS groups (
  key TEXT PRIMARY KEY,
  open_until INTEGER NOT NULL       -- until then what follows is collected
) STRICT;
CREATE TABLE IF NOT EXISTS flaps (
  identity TEXT PRIMARY KEY,
  since INTEGER NOT NULL,
  stable_at INTEGER NOT NULL        -- if it does not change before
) STRICT;

-- name: progress
SELECT evaluated_seq, observed_since, observed_at, late FROM progress;

-- name: save_progress
INSERT INTO progress VALUES (1, :evaluated_seq, :observed_since, :observed_at, :late)
ON CONFLICT (only_row) DO UPDATE SET
  evaluated_seq = excluded.evaluated_seq, observed_since = excluded.observed_since,
  observed_at = excluded.observed_at, late = excluded.late;

-- name: debts
SELECT * FROM debts;

-- name: forget_debts
DELETE FROM debts;

-- name: add_debt
INSERT INTO debts VALUES (:rule, :after_seq, :since, :stuck_since);

-- name: live
SELECT * FROM alerts WHERE status <> 'resolved' ORDER BY rowid;

-- name: due
SELECT identity FROM alerts WHERE due_at <= :now ORDER BY due_at, rowid;

-- name: quiet
SELECT identity FROM alerts WHERE resolve_at <= :now ORDER BY resolve_at, rowid;

-- name: ready
SELECT identity FROM alerts WHERE fires_at <= :now ORDER BY fires_at, rowid;

-- name: unanswered
SELECT identity FROM alerts WHERE escalate_at <= :now ORDER BY escalate_at, rowid;

-- name: stable
SELECT identity FROM flaps WHERE stable_at <= :now ORDER BY stable_at, rowid;

-- name: told_before
SELECT max(told_at) FROM alerts WHERE identity = :identity;

-- name: add_alert
INSERT INTO alerts VALUES (
  :id, :rule, :identity, :severity, :labels, :why, :status, :count, :number, :standing, :value, :heard, :escalated,
  :flapping, :started_at, :last_at, :fires_at, :fired_at, :resolve_at, :due_at, :told_at, :escalate_at, :ended_at,
  :acknowledged_at, :acknowledged_by, :muted_by, :muted_ref, :muted_until, :events);

-- name: save_alert
UPDATE alerts SET
  severity = :severity, status = :status, count = :count, number = :number, value = :value, heard = :heard,
  escalated = :escalated, flapping = :flapping, last_at = :last_at, fires_at = :fires_at, fired_at = :fired_at,
  resolve_at = :resolve_at, due_at = :due_at, told_at = :told_at, escalate_at = :escalate_at, ended_at = :ended_at,
  acknowledged_at = :acknowledged_at, acknowledged_by = :acknowledged_by, muted_by = :muted_by, muted_ref = :muted_ref,
  muted_until = :muted_until, events = coalesce(:events, events)
WHERE id = :id;

-- name: drop_alert
DELETE FROM alerts WHERE id = :id;

-- name: add_transition
INSERT INTO transitions (alert, number, status, at, group_key, severity, kind, muted, ref)
VALUES (:alert, :number, :status, :at, :group_key, :severity, :kind, :muted, :ref);

-- name: coming
-- When something next happens by itself, by what it is.
SELECT
  (SELECT min(due_at) FROM alerts WHERE due_at IS NOT NULL) AS due,
  (SELECT min(resolve_at) FROM alerts WHERE resolve_at IS NOT NULL) AS quiet,
  (SELECT min(fires_at) FROM alerts WHERE fires_at IS NOT NULL) AS ready,
  (SELECT min(escalate_at) FROM alerts WHERE escalate_at IS NOT NULL) AS unanswered,
  (SELECT min(stable_at) FROM flaps) AS stable,
  (SELECT min(coalesce(g.open_until, t.at)) FROM transitions t LEFT JOIN groups g ON g.key = t.group_key
    WHERE t.message IS NULL AND t.muted IS NULL) AS collected,
  (SELECT min(at) FROM transitions WHERE message IS NULL AND muted = 'quiet_hours') AS held,
  (SELECT min(CASE state WHEN 'waiting' THEN min(starts_at, until) ELSE until END)
    FROM silences WHERE state <> 'over') AS silences;

-- name: ripe_groups
-- Groups with something to tell that are not collecting (any more); the gravest is never collected.
SELECT t.group_key FROM transitions t LEFT JOIN groups g ON g.key = t.group_key
WHERE t.message IS NULL AND t.muted IS NULL GROUP BY t.group_key
HAVING min(coalesce(g.open_until, 0)) <= :now OR max(t.severity >= 3 AND t.status = 'firing')
ORDER BY min(t.rowid);

-- name: collected
SELECT t.number AS told_number, t.status AS told_status, t.kind AS told_kind, a.* FROM transitions t
JOIN alerts a ON a.id = t.alert
WHERE t.message IS NULL AND t.muted IS NULL AND t.group_key = :group_key ORDER BY t.at, t.rowid;

-- name: held_over
SELECT a.* FROM transitions t JOIN alerts a ON a.id = t.alert
WHERE t.message IS NULL AND t.muted = 'quiet_hours' GROUP BY a.id ORDER BY min(t.at), min(t.rowid);

-- name: close_held
UPDATE transitions SET message = :message WHERE message IS NULL AND muted = 'quiet_hours' AND alert = :alert;

-- name: close_message
UPDATE transitions SET message = :message WHERE message IS NULL AND alert = :alert AND number = :number;

-- name: open_group
INSERT INTO groups VALUES (:key, :open_until) ON CONFLICT (key) DO UPDATE SET open_until = excluded.open_until;

-- name: told_channels
-- Who was told that it fires, or has the message waiting: this episode, and those before it since it began to flap.
SELECT DISTINCT o.channel FROM alerts a JOIN transitions t ON t.alert = a.id JOIN outbox o ON o.message = t.message
WHERE a.identity = :identity AND (a.id = :alert OR t.at >= :since) AND t.status = 'firing' AND o.status <> 'failed';

-- name: changes_of
-- How often this identity began or ended since.
SELECT coalesce(sum((fired_at > :since) + coalesce(ended_at > :since, 0)), 0) FROM alerts
WHERE identity = :identity AND fired_at IS NOT NULL AND coalesce(ended_at, fired_at) > :since;

-- name: flaps
SELECT * FROM flaps;

-- name: flap
INSERT INTO flaps VALUES (:identity, :now, :stable_at)
ON CONFLICT (identity) DO UPDATE SET stable_at = excluded.stable_at;

-- name: flap_over
DELETE FROM flaps WHERE identity = :identity;

-- name: last_episode
SELECT * FROM alerts WHERE identity = :identity ORDER BY rowid DESC LIMIT 1;

-- name: alert
SELECT * FROM alerts WHERE id = :id;

-- name: alerts
-- Those that fire first, then the pending ones; each part newest first.
SELECT *, rowid AS position,
  CASE status WHEN 'firing' THEN 0 WHEN 'pending' THEN 1 ELSE 2 END AS rank
FROM alerts
WHERE (:firing OR status <> 'firing') AND (:pending OR status <> 'pending') AND (:resolved OR status <> 'resolved')
  AND (:severity IS NULL OR severity = :severity) AND (:rule IS NULL OR rule = :rule)
  AND (:service IS NULL OR json_extract(labels, '$.service') = :service)
  AND (:q IS NULL OR rule LIKE :q ESCAPE '\' OR labels LIKE :q ESCAPE '\' OR events LIKE :q ESCAPE '\')
  AND (:rank_after IS NULL OR (rank, -last_at, -rowid) > (:rank_after, :last_after, :position_after))
ORDER BY rank, last_at DESC, rowid DESC LIMIT :limit;

-- name: alert_counts
SELECT coalesce(sum(status = 'pending'), 0) AS pending, coalesce(sum(status = 'firing'), 0) AS firing,
  coalesce(sum(status = 'firing' AND acknowledged_at IS NOT NULL), 0) AS acknowledged,
  coalesce(sum(status = 'firing' AND muted_by IS NOT NULL), 0) AS muted
FROM alerts WHERE status <> 'resolved';

-- name: rule_counts
SELECT rule, sum(status = 'firing') AS firing, sum(status = 'pending') AS pending, max(fired_at) AS last_fired_at
FROM alerts GROUP BY rule;

-- name: transitions_of
SELECT number, status, at, muted, ref, severity, kind FROM transitions WHERE alert = :alert ORDER BY number;

-- name: last_mute
SELECT muted, ref FROM transitions WHERE alert = :alert AND muted IS NOT NULL ORDER BY number DESC LIMIT 1;

-- name: notifications_of
SELECT DISTINCT o.id, o.channel, o.status, o.at, o.answer, o.may_repeat, o.notification ->> '$.title' AS title
FROM transitions t JOIN outbox o ON o.message = t.message
WHERE t.alert = :alert ORDER BY o.id DESC LIMIT :limit;

-- name: attempts_of
-- Of a message and of the one that it was told together with.
SELECT a.started_at, a.finished_at, a.outcome, a.answer FROM attempts a JOIN outbox o ON o.id = a.letter
WHERE a.letter = :id OR o.batch = (SELECT batch FROM outbox WHERE id = :id) ORDER BY a.started_at;

-- name: rewind_alerts
UPDATE alerts SET fires_at = fires_at - :by, resolve_at = resolve_at - :by, due_at = due_at - :by,
  escalate_at = escalate_at - :by, fired_at = min(fired_at, :now), told_at = min(told_at, :now),
  ended_at = min(ended_at, :now);

-- name: rewind_groups
UPDATE groups SET open_until = open_until - :by;

-- name: rewind_flaps
UPDATE flaps SET since = min(since, :now), stable_at = stable_at - :by;

-- name: rewind_transitions
UPDATE transitions SET at = :now WHERE at > :now;

-- name: forget_alerts
DELETE FROM alerts WHERE status = 'resolved' AND (ended_at < :before OR id NOT IN (
  SELECT id FROM alerts ORDER BY last_at DESC LIMIT :keep))
AND NOT EXISTS (SELECT 1 FROM transitions t WHERE t.alert = alerts.id AND ((t.message IS NULL AND
  (t.muted IS NULL OR t.muted = 'quiet_hours'))
  OR EXISTS (SELECT 1 FROM outbox o WHERE o.message = t.message AND o.status IN ('waiting', 'sending'))));

-- name: forget_groups
DELETE FROM groups WHERE open_until < :before;

-- The state of version 1 with one alert that fires, one that is over, and a message that waits.
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

INSERT INTO progress VALUES (1, 0, 1795309200000000, 1795312800000000, 0);
INSERT INTO alerts VALUES ('a2', 'any-error', '33a77b04b53beaebaa21b34fd7497d97', 2, '{"service": "comfyui", "node": "KSampler"}', 'any level:ERROR', 'resolved', 3, 2, 1795310400000000, 1795310460000000, NULL, NULL, 1795310400000000, 1795311060000000, '[]');
INSERT INTO alerts VALUES ('a1', 'any-error', '1b8691bf0d0e1c5d6f2bbc0863e9b749', 2, '{"service": "comfyui", "node": "VAEDecode"}', 'any level:ERROR', 'firing', 1, 1, 1795312800000000, 1795312800000000, 1795313400000000, NULL, 1795312800000000, NULL, '[]');
INSERT INTO transitions VALUES ('a2', 1, 'firing', 1795310400000000, '["any-error", "comfyui"]', 'a2.1');
INSERT INTO transitions VALUES ('a2', 2, 'resolved', 1795311060000000, '["any-error", "comfyui"]', 'a2.2');
INSERT INTO transitions VALUES ('a1', 1, 'firing', 1795312800000000, '["any-error", "comfyui"]', 'a1.1');
INSERT INTO groups VALUES ('["any-error", "comfyui"]', 1795312810000000);
INSERT INTO channels VALUES ('team', 1, 1795312801000000, 1795311060000000, 1795312800000000, '503');
INSERT INTO outbox VALUES (7, 'a1.1', 'team', '["any-error", "comfyui"]', 2, '{"key": "a1.1.team", "id": "a1", "rule": "any-error", "severity": 2, "status": "firing", "title": "any-error: boom", "text": "boom", "labels": {"service": "comfyui", "node": "VAEDecode"}, "count": 1, "started_at": "2026-11-22T02:00:00.000000Z", "ended_at": null, "events": [], "links": {}, "may_repeat": false, "language": "en"}', 'waiting', 0, 1, 1795312800000000, 1795399200000000, 1795312800000000, 1795312800000000, '503');
INSERT INTO attempts VALUES (7, 'team', 1795312800000000, 1795312800000000, 'postponed', '503');

-- name: upgrade_1_before
-- From version 1: `alerts` could not be pending. The old rows wait in `alerts_1` until there is the new table.
CREATE TABLE alerts_1 AS SELECT * FROM alerts ORDER BY rowid;
DROP TABLE alerts;
DROP INDEX IF EXISTS transitions_collecting;
ALTER TABLE transitions ADD COLUMN severity INTEGER NOT NULL DEFAULT 2;
ALTER TABLE transitions ADD COLUMN kind TEXT NOT NULL DEFAULT 'usual';
ALTER TABLE transitions ADD COLUMN muted TEXT;
ALTER TABLE transitions ADD COLUMN ref TEXT;
ALTER TABLE channels ADD COLUMN broken_at INTEGER;
ALTER TABLE channels ADD COLUMN reason TEXT;
ALTER TABLE channels ADD COLUMN broken_told INTEGER NOT NULL DEFAULT 0;
ALTER TABLE channels ADD COLUMN version TEXT NOT NULL DEFAULT '';
ALTER TABLE channels ADD COLUMN held INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN batch TEXT;
ALTER TABLE outbox ADD COLUMN apart INTEGER NOT NULL DEFAULT 0;

-- name: upgrade_1_after
INSERT INTO alerts SELECT
  id, rule, identity, severity, labels, why, status, count, number, status = 'firing' AND resolve_at IS NULL, NULL,
  number > 0, 0, 0, started_at, last_at, NULL, coalesce(told_at, started_at), resolve_at, due_at, told_at, NULL,
  ended_at, NULL, NULL, NULL, NULL, NULL, events FROM alerts_1 ORDER BY rowid;
DROP TABLE alerts_1;
UPDATE transitions SET severity = (SELECT severity FROM alerts a WHERE a.id = transitions.alert)
WHERE alert IN (SELECT id FROM alerts);

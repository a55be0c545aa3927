-- name: schema
CREATE TABLE IF NOT EXISTS repairs (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  alert TEXT NOT NULL,
  rule TEXT NOT NULL,
  severity INTEGER NOT NULL,
  labels TEXT NOT NULL,
  runs TEXT NOT NULL,
  step TEXT NOT NULL,               -- the remedy as it stands in the rule
  rest TEXT NOT NULL,               -- the steps after it
  channels TEXT,                    -- those of the rule
  status TEXT NOT NULL CHECK (status IN ('waiting', 'running', 'done', 'failed', 'skipped', 'dry_run', 'undone')),
  dry_run INTEGER,                  -- null: not known yet
  forced INTEGER NOT NULL,          -- a person had a dry run carried out: no step of it is a dry run
  place TEXT,                       -- what it was about, as tries are counted
  subject TEXT NOT NULL,            -- what tells remedies at one place apart
  said TEXT,
  in_force INTEGER NOT NULL DEFAULT 0,  -- to be taken back when the alert is over
  helpless INTEGER NOT NULL DEFAULT 0,  -- 1: the alert went on after the last step, 2: and that was told
  created_at INTEGER NOT NULL,
  started_at INTEGER,
  finished_at INTEGER,
  over_at INTEGER                   -- when the alert was over
) STRICT;
CREATE INDEX IF NOT EXISTS repairs_alert ON repairs (alert);
CREATE INDEX IF NOT EXISTS repairs_open ON repairs (number)
  WHERE status IN ('waiting', 'running') OR in_force = 1 OR helpless = 1;
CREATE INDEX IF NOT EXISTS repairs_tries ON repairs (place, subject, started_at);
CREATE TABLE IF NOT EXISTS held (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  place TEXT NOT NULL,              -- address of a ComfyUI
  run TEXT NOT NULL,
  item TEXT NOT NULL,               -- as /queue showed it
  UNIQUE (place, run)
) STRICT;
CREATE TABLE IF NOT EXISTS paused (
  place TEXT PRIMARY KEY
) STRICT;
CREATE TABLE IF NOT EXISTS processes (
  name TEXT PRIMARY KEY,
  pid INTEGER NOT NULL,
  born REAL NOT NULL                -- tells it from a later process of the same number
) STRICT;

-- name: repair_add
INSERT INTO repairs (id, alert, rule, severity, labels, runs, step, rest, channels, status, forced, subject, created_at)
VALUES (:id, :alert, :rule, :severity, :labels, :runs, :step, :rest, :channels, 'waiting', :forced, :subject, :now);

-- name: repair_hushed
SELECT muted_by FROM alerts WHERE id = :alert;

-- name: repair_newest_of
SELECT * FROM repairs WHERE alert = :alert ORDER BY number DESC LIMIT 1;

-- name: repair
SELECT * FROM repairs WHERE id = :id;

-- name: repair_waiting
SELECT * FROM repairs WHERE status = 'waiting' ORDER BY number;

-- name: repair_in_force
SELECT * FROM repairs WHERE in_force = 1 ORDER BY number;

-- name: repair_running
SELECT * FROM repairs WHERE status = 'running' ORDER BY number;

-- name: repair_helpless
SELECT * FROM repairs WHERE helpless = 1 ORDER BY number;

-- name: repair_list
SELECT * FROM repairs WHERE :alert IS NULL OR alert = :alert ORDER BY number DESC LIMIT :limit;

-- name: repair_tries
-- Those that really began, newest first.
SELECT started_at FROM repairs
WHERE place = :place AND subject = :subject AND started_at > :since AND dry_run = 0
  AND status IN ('running', 'done', 'failed', 'undone')
ORDER BY started_at DESC;

-- name: repair_is_there
SELECT count(*) FROM repairs WHERE alert = :alert AND status = 'dry_run' AND id <> :id;

-- name: repair_start
UPDATE repairs SET status = 'running', place = :place, dry_run = 0, started_at = :now WHERE id = :id AND status = 'waiting';

-- name: repair_finish
UPDATE repairs SET status = :status, said = :said, place = coalesce(:place, place), dry_run = :dry_run,
  in_force = :in_force, finished_at = :now
WHERE id = :id;

-- name: repair_undone
UPDATE repairs SET status = 'undone', said = :said, in_force = 0, finished_at = :now WHERE id = :id;

-- name: repair_said
UPDATE repairs SET said = :said WHERE id = :id;

-- name: repair_over
UPDATE repairs SET over_at = :now WHERE alert = :alert AND over_at IS NULL;

-- name: repair_called_off
UPDATE repairs SET status = 'skipped', said = :said, dry_run = coalesce(dry_run, 0), finished_at = :now
WHERE alert = :alert AND status = 'waiting';

-- name: repair_did_not_help
UPDATE repairs SET helpless = 1 WHERE id = :id AND helpless = 0;

-- name: repair_told_helpless
UPDATE repairs SET helpless = 2 WHERE id = :id;

-- name: repair_forget
DELETE FROM repairs WHERE created_at < :before AND in_force = 0 AND status NOT IN ('waiting', 'running');

-- name: held_of
SELECT item FROM held WHERE place = :place ORDER BY number;

-- name: held_places
SELECT DISTINCT place FROM held WHERE place NOT IN (SELECT place FROM paused);

-- name: held_add
INSERT INTO held (place, run, item) VALUES (:place, :run, :item) ON CONFLICT (place, run) DO NOTHING;

-- name: held_drop
DELETE FROM held WHERE place = :place AND run = :run;

-- name: is_paused
SELECT count(*) FROM paused WHERE place = :place;

-- name: pause
INSERT INTO paused VALUES (:place) ON CONFLICT DO NOTHING;

-- name: resume
DELETE FROM paused WHERE place = :place;

-- name: process
SELECT * FROM processes WHERE name = :name;

-- name: process_save
INSERT INTO processes VALUES (:name, :pid, :born) ON CONFLICT (name) DO UPDATE SET pid = excluded.pid, born = excluded.born;

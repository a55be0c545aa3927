-- name: schema
CREATE TABLE IF NOT EXISTS silences (
  id TEXT PRIMARY KEY,
  match TEXT NOT NULL,
  starts_at INTEGER NOT NULL,
  until INTEGER NOT NULL,
  author TEXT NOT NULL,
  comment TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'active', 'over'))
) STRICT;

-- name: add_silence
INSERT INTO silences VALUES (:id, :match, :starts_at, :until, :by, :comment, :state);

-- name: silence
SELECT * FROM silences WHERE id = :id;

-- name: silences
-- With how many alerts each keeps quiet now; those in force first, then the newest.
SELECT s.*, (SELECT count(*) FROM alerts a WHERE a.status = 'firing' AND a.muted_by = 'silence' AND a.muted_ref = s.id)
  AS muting FROM silences s ORDER BY s.state = 'over', s.state = 'waiting', s.until DESC, s.rowid DESC LIMIT :limit;

-- name: active_silences
SELECT * FROM silences WHERE state = 'active' ORDER BY until DESC, rowid;

-- name: silences_ending
SELECT * FROM silences WHERE state IN ('active', 'waiting') AND until <= :now ORDER BY until, rowid;

-- name: silences_beginning
SELECT * FROM silences WHERE state = 'waiting' AND starts_at <= :now ORDER BY starts_at, rowid;

-- name: silence_state
UPDATE silences SET state = :state, until = min(until, :until) WHERE id = :id;

-- name: forget_silences
DELETE FROM silences WHERE state = 'over' AND until < :before;

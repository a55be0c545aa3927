-- name: schema
CREATE TABLE IF NOT EXISTS own_rules (
  id TEXT PRIMARY KEY,
  fields TEXT NOT NULL,             -- as [[rules]] would write them, JSON
  changed_at INTEGER NOT NULL
) STRICT;

-- name: own_rules
SELECT id, fields FROM own_rules ORDER BY rowid;

-- name: save_own_rule
INSERT INTO own_rules VALUES (:id, :fields, :now)
ON CONFLICT (id) DO UPDATE SET fields = excluded.fields, changed_at = excluded.changed_at;

-- name: forget_own_rule
DELETE FROM own_rules WHERE id = :id;

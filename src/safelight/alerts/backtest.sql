-- name: fired_times
SELECT fired_at FROM alerts WHERE fired_at IS NOT NULL ORDER BY fired_at;

-- name: fired_newest
SELECT * FROM alerts WHERE fired_at IS NOT NULL ORDER BY fired_at DESC, rowid DESC LIMIT :limit;

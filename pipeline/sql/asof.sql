-- name: set_seen_by
-- The moment that a session looks back to.
SET VARIABLE seen_by = $moment::TIMESTAMPTZ;

-- name: view_definitions
SELECT sql FROM duckdb_views() WHERE database_name = 'warehouse' AND NOT internal ORDER BY view_oid;

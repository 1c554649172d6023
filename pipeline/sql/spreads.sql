-- name: touched_hours
-- The first and the last hour of which values of any of $series were seen since $since.
SELECT date_trunc('hour', min(valid_at)) AS first, date_trunc('hour', max(valid_at)) AS last FROM raw
WHERE list_contains($series, series) AND seen_at >= $since;

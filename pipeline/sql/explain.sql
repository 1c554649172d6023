-- name: issue_before
-- The issue in force before the origin $origin that shares hours with it, one row a horizon, and what it knew when.
WITH former AS (
    SELECT * FROM issued_latest
    WHERE target = $target AND origin < $origin AND origin >= $origin - INTERVAL 6 HOUR)
SELECT i.origin, i.horizon, i.p50, i.version_id, i.status, f.as_of
FROM former i JOIN features f USING (target, origin, horizon)
WHERE i.origin = (SELECT max(origin) FROM former)
ORDER BY i.horizon;

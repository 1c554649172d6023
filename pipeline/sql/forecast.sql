-- name: issued_origins
-- Origins of a target from $first to $last that have feature rows.
SELECT DISTINCT origin FROM features WHERE target = $target AND origin BETWEEN $first AND $last;

-- name: pending_features
-- Feature rows no forecast was issued for: replayed ones, and live ones while they are in time.
WITH waiting AS (
    SELECT origin FROM features WHERE target = $target AND as_of <= $now AND mode = 'replay'
    UNION
    SELECT origin FROM features WHERE target = $target AND as_of <= $now AND origin >= $current),
issued AS (
    SELECT DISTINCT origin FROM predictions SEMI JOIN waiting USING (origin)
    WHERE target = $target AND issuer = 'sextant'),
pending AS (SELECT origin FROM waiting ANTI JOIN issued USING (origin))
SELECT f.* FROM features f SEMI JOIN pending USING (origin)
WHERE f.target = $target AND f.as_of <= $now AND (f.mode = 'replay' OR f.origin >= $current)
ORDER BY f.origin, f.horizon;

-- name: newest_issue
-- The feature rows of the newest origin of a target up to $due that was issued, and which version the issue in force is of.
SELECT f.*, i.version_id AS issued_version, i.status AS issued_status
FROM features f LEFT JOIN issued_latest i USING (target, origin, horizon)
WHERE f.target = $target AND f.origin = (
    SELECT max(origin) FROM predictions WHERE target = $target AND issuer = 'sextant' AND origin <= $due)
ORDER BY f.horizon;

-- name: recent_issues
-- What bands adapt to: forecasts of the origins in [$first, $last) that had been written by $written_by.
SELECT origin, horizon, issuer, version_id, status, p05, p10, p50, p90, p95 FROM predictions
WHERE target = $target AND origin >= $first AND origin < $last AND written_at <= $written_by
  AND issuer IN ('sextant', 'shadow', 'naive') AND status IN ('ok', 'reduced');

-- name: recent_actuals
-- Versions of the actuals of the hours in [$first, $last] that were known at $as_of and written by $written_by.
SELECT valid_at, value, known_at FROM actuals
WHERE target = $target AND valid_at >= $first AND valid_at <= $last
  AND known_at <= $as_of AND written_at <= $written_by
ORDER BY valid_at, known_at, written_at;

-- name: scored_until
-- When the newest run of backfill that ended well began, up to $now.
SELECT max(started_at) AS started_at FROM job_runs
WHERE job = 'backfill' AND state IN ('succeeded', 'skipped') AND started_at <= $now;

-- name: unscored
-- Issued forecasts whose actual exists in a version they were not scored against, where either was written since $since.
WITH fresh AS (SELECT DISTINCT target, valid_at FROM actuals WHERE written_at >= $since OR known_at >= $since),
asked AS (
    SELECT * FROM predictions SEMI JOIN fresh USING (target, valid_at) WHERE p50 IS NOT NULL
    UNION ALL
    SELECT * FROM predictions ANTI JOIN fresh USING (target, valid_at) WHERE p50 IS NOT NULL AND written_at >= $since),
newest AS (
    SELECT * FROM actuals SEMI JOIN asked USING (target, valid_at)
    QUALIFY row_number() OVER (PARTITION BY target, valid_at ORDER BY known_at DESC, written_at DESC) = 1),
facts AS (
    SELECT p.*, a.value AS actual, a.known_at AS actual_known_at
    FROM asked p JOIN newest a USING (target, valid_at) WHERE a.known_at <= $as_of),
scored AS (
    SELECT target, origin, horizon, issuer, version_id, actual_known_at
    FROM accuracy SEMI JOIN facts USING (target, origin, horizon, issuer, version_id, actual_known_at)),
due AS (SELECT * FROM facts ANTI JOIN scored USING (target, origin, horizon, issuer, version_id, actual_known_at))
SELECT target, origin, horizon, valid_at, issuer, version_id, mode, status, p50, actual, actual_known_at,
       p50 - actual AS error,
       actual BETWEEN p10 AND p90 AS in_band,
       (greatest(0.05 * (actual - p05), 0.95 * (p05 - actual))
        + greatest(0.10 * (actual - p10), 0.90 * (p10 - actual))
        + greatest(0.50 * (actual - p50), 0.50 * (p50 - actual))
        + greatest(0.90 * (actual - p90), 0.10 * (p90 - actual))
        + greatest(0.95 * (actual - p95), 0.05 * (p95 - actual))) / 5 AS pinball_loss,
       actual BETWEEN p05 AND p95 AS in_band90,
       p90 - p10 AS width,
       p90 - p10 + 10 * (greatest(p10 - actual, 0) + greatest(actual - p90, 0)) AS winkler,
       CASE WHEN p05 IS NULL THEN NULL
            WHEN actual < p05 THEN 0.0
            WHEN actual < p10 THEN 0.05 + 0.05 * (actual - p05) / (p10 - p05)
            WHEN actual < p50 THEN 0.10 + 0.40 * (actual - p10) / (p50 - p10)
            WHEN actual < p90 THEN 0.50 + 0.40 * (actual - p50) / (p90 - p50)
            WHEN actual < p95 THEN 0.90 + 0.05 * (actual - p90) / (p95 - p90)
            WHEN actual = p95 THEN 0.95
            ELSE 1.0 END AS pit
FROM due ORDER BY target, origin, issuer, version_id, horizon;

-- name: version_errors
-- Errors of a version's own forecasts, issued, issued again or in shadow, of the origins from $first to $last.
SELECT origin, horizon, error, issuer FROM accuracy_latest
WHERE target = $target AND version_id = $version_id AND issuer IN ('sextant', 'reissue', 'shadow')
  AND status IN ('ok', 'reduced') AND origin BETWEEN $first AND $last
ORDER BY origin, horizon, issuer = 'shadow', issuer = 'reissue';

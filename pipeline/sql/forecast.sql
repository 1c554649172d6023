-- name: issued_origins
-- Origins of a target from $first to $last that have feature rows.
SELECT DISTINCT origin FROM features WHERE target = $target AND origin BETWEEN $first AND $last;

-- name: pending_features
-- Feature rows no forecast was issued for: replayed ones, and live ones while they are in time.
SELECT f.* FROM features f
ANTI JOIN (SELECT DISTINCT target, origin FROM predictions WHERE issuer = 'sextant' AND target = $target) p
USING (target, origin)
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

-- name: unscored
-- Issued forecasts whose actual exists in a version they were not scored against.
WITH due AS (
    SELECT p.*, a.value AS actual, a.known_at AS actual_known_at
    FROM predictions p JOIN actuals_latest a USING (target, valid_at)
    ANTI JOIN accuracy s
      ON s.target = p.target AND s.origin = p.origin AND s.horizon = p.horizon AND s.issuer = p.issuer
     AND s.version_id = p.version_id AND s.actual_known_at = a.known_at
    WHERE p.p50 IS NOT NULL AND a.known_at <= $as_of)
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

-- name: interval_scores
-- How the bands of an issuer held from $since to $until, one row a horizon and one for all (horizon 0): coverage
-- and its promise, sharpness (mean width in the unit), interval score, and the share of actuals in each part of the
-- distribution: below p05, to p10, to p50, to p90, to p95, above.
SELECT coalesce(horizon, 0) AS horizon, count(*) AS n, avg(in_band::DOUBLE) AS coverage80,
       avg(in_band90::DOUBLE) AS coverage90, avg(width) AS width, avg(winkler) AS winkler,
       avg((pit = 0)::DOUBLE) AS below_p05, avg((pit > 0 AND pit < 0.1)::DOUBLE) AS below_p10,
       avg((pit >= 0.1 AND pit < 0.5)::DOUBLE) AS below_p50, avg((pit >= 0.5 AND pit < 0.9)::DOUBLE) AS below_p90,
       avg((pit >= 0.9 AND pit < 1)::DOUBLE) AS below_p95, avg((pit = 1)::DOUBLE) AS above_p95
FROM accuracy_latest
WHERE target = $target AND issuer = $issuer AND pit IS NOT NULL AND origin >= $since AND origin < $until
GROUP BY GROUPING SETS ((horizon), ()) ORDER BY 1;

-- name: version_errors
-- Errors of a version's own forecasts, issued, issued again or in shadow, of the origins from $first to $last.
SELECT origin, horizon, error, issuer FROM accuracy_latest
WHERE target = $target AND version_id = $version_id AND issuer IN ('sextant', 'reissue', 'shadow')
  AND status IN ('ok', 'reduced') AND origin BETWEEN $first AND $last
ORDER BY origin, horizon, issuer = 'shadow', issuer = 'reissue';

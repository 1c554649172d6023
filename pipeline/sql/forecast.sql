-- name: issued_origins
-- Origins of a target that have feature rows, from $since on.
SELECT DISTINCT origin FROM features WHERE target = $target AND origin >= $since;

-- name: pending_features
-- Feature rows no forecast was issued for.
SELECT f.* FROM features f
ANTI JOIN (SELECT DISTINCT target, origin FROM predictions WHERE issuer = 'sextant' AND target = $target) p
USING (target, origin)
WHERE f.target = $target ORDER BY f.origin, f.horizon;

-- name: unscored
-- Issued forecasts whose actual exists in a version they were not scored against.
SELECT p.target, p.origin, p.horizon, p.valid_at, p.issuer, p.version_id, p.mode, p.status,
       p.p50, a.value AS actual, a.known_at AS actual_known_at, p.p50 - a.value AS error,
       a.value BETWEEN p.p10 AND p.p90 AS in_band,
       (greatest(0.05 * (a.value - p.p05), 0.95 * (p.p05 - a.value))
        + greatest(0.10 * (a.value - p.p10), 0.90 * (p.p10 - a.value))
        + greatest(0.50 * (a.value - p.p50), 0.50 * (p.p50 - a.value))
        + greatest(0.90 * (a.value - p.p90), 0.10 * (p.p90 - a.value))
        + greatest(0.95 * (a.value - p.p95), 0.05 * (p.p95 - a.value))) / 5 AS pinball_loss
FROM predictions p JOIN actuals_latest a USING (target, valid_at)
ANTI JOIN accuracy s
  ON s.target = p.target AND s.origin = p.origin AND s.horizon = p.horizon AND s.issuer = p.issuer
 AND s.version_id = p.version_id AND s.actual_known_at = a.known_at
WHERE p.p50 IS NOT NULL AND a.known_at <= $as_of
ORDER BY p.target, p.origin, p.issuer, p.horizon;

-- name: issued_errors
-- Errors of a version's as-issued forecasts in a window.
SELECT origin, horizon, error FROM accuracy_latest
WHERE target = $target AND version_id = $version_id AND issuer = 'sextant' AND status = 'ok'
  AND origin BETWEEN $first AND $last
ORDER BY origin, horizon;

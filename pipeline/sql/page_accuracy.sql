-- name: page_accuracy
-- One row a horizon and issuer, over the hours that every issuer of the window forecast and that are scored.
-- Hours within declared events, $firsts to $lasts, are left out.
WITH declared AS (SELECT unnest($firsts::TIMESTAMPTZ[]) AS first, unnest($lasts::TIMESTAMPTZ[]) AS last),
scored AS (
    SELECT * FROM accuracy_latest s
    ANTI JOIN declared d ON s.valid_at + INTERVAL 1 HOUR > d.first AND s.valid_at < d.last
    WHERE target = $target AND origin >= $since AND origin < $until AND issuer IN ('sextant', 'naive', 'operator')),
common AS (
    SELECT origin, horizon FROM scored GROUP BY origin, horizon
    HAVING count(DISTINCT issuer) = (SELECT count(DISTINCT issuer) FROM scored)),
measured AS (
    SELECT horizon, issuer, count(*) AS n, avg(abs(error)) AS mae, sqrt(avg(error ** 2)) AS rmse, avg(error) AS bias,
           avg(in_band::DOUBLE) AS coverage, count(in_band) AS n_band, avg(pinball_loss) AS pinball_loss,
           count(*) FILTER (mode = 'replay') AS n_replay, count(*) FILTER (status = 'fallback') AS n_fallback,
           min(valid_at) AS first_hour, max(valid_at) AS last_hour
    FROM scored JOIN common USING (origin, horizon) GROUP BY horizon, issuer)
SELECT m.*, 1 - m.mae / nullif(n.mae, 0) AS skill
FROM measured m LEFT JOIN measured n ON n.horizon = m.horizon AND n.issuer = 'naive' AND m.issuer != 'naive'
ORDER BY m.horizon, list_position(['sextant', 'naive', 'operator'], m.issuer);

-- name: page_scores
-- What the Accuracy page is made of: one row an origin and horizon, with what Sextant issued as it is scored now
-- beside the errors of naive and operator (NULL where they have none). `declared` says which event's hours a row is of.
WITH declared AS (SELECT unnest($firsts::TIMESTAMPTZ[]) AS first, unnest($lasts::TIMESTAMPTZ[]) AS last),
beside AS (
    SELECT origin, horizon, max(error) FILTER (issuer = 'naive') AS naive, max(error) FILTER (issuer = 'operator') AS operator
    FROM accuracy_latest
    WHERE target = $target AND origin >= $since AND origin < $until AND issuer IN ('naive', 'operator')
    GROUP BY origin, horizon)
SELECT s.origin, s.horizon, s.valid_at, s.p50, s.actual, s.error, b.naive, b.operator, s.version_id, s.mode, s.status,
       s.in_band::DOUBLE AS in_band, s.in_band90::DOUBLE AS in_band90, s.width, s.winkler, s.pit, s.pinball_loss,
       (SELECT min(d.first) FROM declared d WHERE s.valid_at + INTERVAL 1 HOUR > d.first AND s.valid_at < d.last) AS declared
FROM accuracy_latest s LEFT JOIN beside b USING (origin, horizon)
WHERE s.target = $target AND s.origin >= $since AND s.origin < $until AND s.issuer = 'sextant'
ORDER BY s.origin, s.horizon;

-- name: page_last_sides
-- One row an issue of $target from $since to $until: `last`, the actual of its origin's hour in the version that was known
-- when the issue was first made. Issues that knew none are left out.
WITH issues AS (
    SELECT origin, min(made_at) AS made_at FROM predictions
    WHERE target = $target AND issuer = 'sextant' AND origin >= $since AND origin < $until GROUP BY origin)
SELECT i.origin, arg_max(a.value, (a.known_at, a.written_at)) AS last
FROM issues i JOIN actuals a ON a.target = $target AND a.valid_at = i.origin AND a.known_at <= i.made_at
GROUP BY i.origin ORDER BY i.origin;

-- name: page_scale
-- Hourly actuals from $since to $until, as they are known now: what errors are scaled by.
SELECT valid_at, value FROM actuals_latest
WHERE target = $target AND valid_at >= $since AND valid_at < $until ORDER BY valid_at;

-- name: page_context
-- What was known of forecasts, named by $origins and $horizons in the same order, when they were made, and of their
-- hour since: why they were not as usual, stale inputs, the hour before, and the actual as it was first and is now.
WITH asked AS (SELECT unnest($origins::TIMESTAMPTZ[]) AS origin, unnest($horizons::BIGINT[]) AS horizon),
hours AS (SELECT * FROM actuals_latest WHERE target = $target),
firsts AS (
    SELECT valid_at, arg_min(value, (known_at, written_at)) AS first_actual, count(*) AS n_versions FROM actuals
    WHERE target = $target GROUP BY valid_at)
SELECT a.origin, a.horizon, p.made_at, p.reason, f.stale_hours, f.filled_hours,
       h.value AS newest_actual, b.value AS hour_before, v.first_actual, v.n_versions
FROM asked a
JOIN predictions p ON p.target = $target AND p.origin = a.origin AND p.horizon = a.horizon AND p.issuer = 'sextant'
LEFT JOIN features f ON f.target = $target AND f.origin = a.origin AND f.horizon = a.horizon
LEFT JOIN hours h ON h.valid_at = p.valid_at
LEFT JOIN hours b ON b.valid_at = p.valid_at - INTERVAL 1 HOUR
LEFT JOIN firsts v ON v.valid_at = p.valid_at
QUALIFY row_number() OVER (PARTITION BY a.origin, a.horizon ORDER BY p.made_at, f.written_at) = 1
ORDER BY a.origin, a.horizon;

-- name: page_error_alerts
-- When one of $rules fired for a target, to its end or $until, if it was on after $since.
SELECT rule, severity, message, flipped_at, resolved_at FROM alerts
WHERE subject = $target AND list_contains($rules, rule) AND flipped_at < $until
  AND coalesce(resolved_at, $until) >= $since
ORDER BY flipped_at;

-- name: page_new_champions
-- Changes of champion from $since to $until, oldest first.
SELECT decided_at, version_id, previous_version_id, kind FROM promotions
WHERE target = $target AND outcome = 'promoted' AND decided_at >= $since AND decided_at < $until ORDER BY number;

-- name: last_monitored
-- When the monitor last looked, up to $now.
SELECT max(started_at) AS looked_at FROM job_runs WHERE job = 'monitor' AND state = 'succeeded' AND started_at <= $now;

-- name: drift_checked
-- When each target was last checked for drift, up to $now; none for those that never were.
SELECT target, max(checked_at) AS checked_at FROM drift WHERE checked_at <= $now GROUP BY target;

-- name: newest_training
-- When the newest version of a target was made, up to $now.
SELECT max(created_at) AS created_at FROM model_versions WHERE target = $target AND created_at <= $now;

-- name: error_change
-- For each of $untils: MAE of what was issued in the week before it against the four weeks before that, each local
-- hour and horizon weighted as in that week and only those that both know; hours of declared events do not count.
WITH events AS (SELECT unnest($firsts::TIMESTAMPTZ[]) AS first, unnest($lasts::TIMESTAMPTZ[]) AS last),
points AS (SELECT unnest($untils::TIMESTAMPTZ[]) AS until),
scored AS (
    SELECT origin, hour(timezone($zone, valid_at)) AS hour, horizon, abs(error) AS size FROM accuracy_latest
    WHERE target = $target AND issuer = 'sextant' AND status IN ('ok', 'reduced')
      AND origin < list_max($untils::TIMESTAMPTZ[]) AND origin >= list_min($untils::TIMESTAMPTZ[]) - INTERVAL 840 HOUR
      AND NOT EXISTS (SELECT 1 FROM events e WHERE valid_at + INTERVAL 1 HOUR > e.first AND valid_at < e.last)),
cells AS (
    SELECT until, hour, horizon, count(*) FILTER (recent) AS n, avg(size) FILTER (recent) AS mae,
           count(*) FILTER (NOT recent) AS n_before, avg(size) FILTER (NOT recent) AS mae_before
    FROM (SELECT p.until, s.*, s.origin >= p.until - INTERVAL 168 HOUR AS recent
          FROM points p JOIN scored s ON s.origin < p.until AND s.origin >= p.until - INTERVAL 840 HOUR)
    GROUP BY until, hour, horizon)
SELECT until, coalesce(sum(n), 0)::BIGINT AS n, coalesce(sum(n_before), 0)::BIGINT AS n_before,
       sum(n * mae) / sum(n) AS mae, sum(n * mae_before) / sum(n) AS mae_before
FROM points LEFT JOIN (FROM cells WHERE n > 0 AND n_before > 0) USING (until)
GROUP BY until ORDER BY until;

-- name: issued_scores
-- Point forecasts as issued and their errors, by the hour they are for.
SELECT valid_at, horizon, p50, error FROM accuracy_latest
WHERE target = $target AND issuer = 'sextant' AND status IN ('ok', 'reduced') AND list_contains($horizons, horizon)
ORDER BY valid_at, horizon;

-- name: retrain_requests
-- Whether some training waits or runs, and how many the monitor asked for a target from $since to $now.
SELECT count(*) FILTER (state IN ('queued', 'running')) AS n_open,
       count(*) FILTER (requested_by = 'monitor' AND args ->> 'target' = $target
                        AND queued_at > $since AND queued_at <= $now) AS n_asked
FROM job_runs WHERE job = 'train';

-- name: status_targets
-- One row: the newest issue of a target up to the origin $due, what was issued for later ones by a clock that was
-- ahead, the champion, and how a week of issues did; errors over common hours.
WITH newest AS (
    SELECT * FROM issued_latest WHERE target = $target AND horizon = 1 AND origin <= $due
    ORDER BY origin DESC LIMIT 1),
ahead AS (
    SELECT count(DISTINCT origin) AS n_ahead, max(origin) AS ahead_to FROM predictions
    WHERE target = $target AND issuer = 'sextant' AND origin > $due),
scored AS (
    SELECT origin, horizon, issuer, mode, error FROM accuracy_latest
    WHERE target = $target AND issuer IN ('sextant', 'naive') AND origin >= $since),
common AS (SELECT origin, horizon FROM scored GROUP BY ALL HAVING count(DISTINCT issuer) = 2)
SELECT n.origin, n.made_at, n.status, n.mode, n.reason, n.version_id, c.version_id AS champion, c.as_of AS champion_as_of,
       (SELECT max(valid_at) FROM actuals WHERE target = $target) AS newest_actual,
       (SELECT count(*) FROM missed_issues
        WHERE target = $target AND origin >= $since AND origin < $due AND NOT starts_with(reason, 'not due')) AS n_missed, a.n_ahead, a.ahead_to,
       (SELECT count(*) FROM common) AS n_scored,
       (SELECT count(*) FROM scored JOIN common USING (origin, horizon) WHERE issuer = 'sextant' AND mode = 'replay') AS n_replay,
       (SELECT avg(abs(error)) FROM scored JOIN common USING (origin, horizon) WHERE issuer = 'sextant') AS mae,
       (SELECT avg(abs(error)) FROM scored JOIN common USING (origin, horizon) WHERE issuer = 'naive') AS mae_naive
FROM ahead a LEFT JOIN newest n ON true LEFT JOIN champions c ON c.target = $target;

-- name: status_jobs
-- Each job: its newest run, its newest success, how the runs since $since went, and when it is planned next.
WITH newest AS (
    SELECT * FROM job_runs WHERE state != 'missed'
    QUALIFY row_number() OVER (PARTITION BY job ORDER BY queued_at DESC, run_id) = 1),
record AS (
    SELECT job, max(ended_at) FILTER (state IN ('succeeded', 'skipped')) AS succeeded_at,
           count(*) FILTER (queued_at >= $since AND state IN ('succeeded', 'skipped')) AS n_good,
           count(*) FILTER (queued_at >= $since AND state = 'failed') AS n_failed,
           count(*) FILTER (queued_at >= $since AND state = 'missed') AS n_missed,
           median(epoch(ended_at - started_at)) FILTER (state = 'succeeded' AND queued_at >= $since) AS median_s,
           max(peak_mb) FILTER (queued_at >= $since) AS peak_mb
    FROM job_runs GROUP BY job)
SELECT r.job, n.run_id, n.state, n.queued_at, n.started_at, n.ended_at, n.failure, n.error, n.attempt,
       epoch(n.ended_at - n.started_at) AS took_s, r.* EXCLUDE (job), s.next_at
FROM record r LEFT JOIN newest n USING (job) LEFT JOIN schedule s ON s.job = r.job
ORDER BY r.job;

-- name: status_alerts
-- Open alerts, worst first.
SELECT alert_id, rule, subject, severity, message, since, flipped_at, act, actor, until FROM alerts
WHERE resolved_at IS NULL
ORDER BY severity = 'critical' DESC, severity = 'warning' DESC, since;

-- name: status_term
-- The newest term of a scheduler and the newest good backup.
SELECT t.host, t.pid, t.started_at, t.heartbeat_at, t.ended_at, t.reason,
       (SELECT max(made_at) FROM backups) AS backup_at, (SELECT max_by(bytes, made_at) FROM backups) AS backup_bytes,
       (SELECT count(*) FROM job_requests) AS n_queued
FROM (SELECT 1) LEFT JOIN (
    SELECT * FROM scheduler_terms ORDER BY ended_at IS NULL DESC, started_at DESC LIMIT 1) t ON true;

-- name: capacity_history
-- Measurements since $since of the sizes $names together, oldest first.
SELECT measured_at, sum(value) AS value FROM capacity
WHERE list_contains($names, what) AND measured_at >= $since GROUP BY measured_at ORDER BY measured_at;

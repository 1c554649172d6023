-- name: status_targets
-- One row a target of $targets: its newest issue up to the origin $due, looked for from $back on, what was issued for later
-- ones by a clock that was ahead, the champion, and how a week of issues did; errors over common hours.
WITH asked AS (SELECT unnest($targets::VARCHAR[]) AS target),
newest AS (
    SELECT target, origin, made_at, status, mode, reason, version_id FROM predictions
    WHERE list_contains($targets::VARCHAR[], target) AND issuer IN ('sextant', 'reissue') AND horizon = 1
      AND origin <= $due AND origin >= $back
    QUALIFY row_number() OVER (PARTITION BY target ORDER BY origin DESC, made_at DESC, issuer = 'reissue' DESC) = 1),
ahead AS (
    SELECT target, count(DISTINCT origin) AS n_ahead, max(origin) AS ahead_to FROM predictions
    WHERE issuer = 'sextant' AND origin > $due GROUP BY target),
scored AS (
    SELECT target, origin, horizon, issuer, mode, error FROM accuracy_latest
    WHERE list_contains($targets::VARCHAR[], target) AND issuer IN ('sextant', 'naive') AND origin >= $since),
common AS (
    SELECT target, origin, horizon FROM scored GROUP BY ALL HAVING count(DISTINCT issuer) = 2),
errors AS (
    SELECT target, count(*) FILTER (issuer = 'sextant') AS n_scored,
           count(*) FILTER (issuer = 'sextant' AND mode = 'replay') AS n_replay,
           avg(abs(error)) FILTER (issuer = 'sextant') AS mae, avg(abs(error)) FILTER (issuer = 'naive') AS mae_naive
    FROM scored JOIN common USING (target, origin, horizon) GROUP BY target),
missed AS (
    SELECT target, count(*) AS n_missed FROM missed_issues
    WHERE origin >= $since AND origin < $due AND NOT starts_with(reason, 'not due') GROUP BY target),
measured AS (SELECT target, max(valid_at) AS newest_actual FROM actuals GROUP BY target)
SELECT t.target, n.origin, n.made_at, n.status, n.mode, n.reason, n.version_id,
       c.version_id AS champion, c.as_of AS champion_as_of, f.newest_actual, coalesce(m.n_missed, 0) AS n_missed,
       coalesce(a.n_ahead, 0) AS n_ahead, a.ahead_to, coalesce(e.n_scored, 0) AS n_scored,
       coalesce(e.n_replay, 0) AS n_replay, e.mae, e.mae_naive
FROM asked t LEFT JOIN newest n USING (target) LEFT JOIN ahead a USING (target) LEFT JOIN champions c USING (target)
LEFT JOIN errors e USING (target) LEFT JOIN missed m USING (target) LEFT JOIN measured f USING (target)
ORDER BY list_position($targets::VARCHAR[], t.target);

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

-- name: failing_jobs
-- Jobs, and targets of one, whose runs since $since failed with no good one after, up to $now: how often, since when,
-- the newest failure, and whether another try waits or runs. A good run for all targets counts for each.
WITH runs AS (
    SELECT *, coalesce(args ->> 'target', '') AS target FROM job_runs WHERE queued_at >= $since),
good AS (
    SELECT job, target, max(ended_at) AS good_at FROM runs
    WHERE state IN ('succeeded', 'skipped') AND ended_at <= $now GROUP BY ALL)
SELECT r.job, r.target, count(*) AS n, min(r.ended_at) AS failed_from, arg_max(r.run_id, r.ended_at) AS run_id,
       arg_max(coalesce(r.failure, ''), r.ended_at) AS failure, arg_max(r.error, r.ended_at) AS error,
       EXISTS (FROM runs o WHERE o.job = r.job AND o.target = r.target AND o.state IN ('queued', 'running')) AS again
FROM runs r
WHERE r.state = 'failed' AND NOT EXISTS (
    FROM good g WHERE g.job = r.job AND g.target IN ('', r.target) AND g.good_at >= r.ended_at)
GROUP BY r.job, r.target ORDER BY r.job, r.target;

-- name: passed_slots
-- Jobs whose next start was due before $before, and the newest slot up to it that a run stands for; a start lies
-- after its slot by the jitter.
SELECT s.job, s.next_at, (SELECT max(slot_at) FROM job_runs r WHERE r.job = s.job AND r.slot_at <= s.next_at) AS taken_at
FROM schedule s WHERE s.next_at < $before ORDER BY s.job;

-- name: newest_starts
-- When each job last asked for, began or ended something, and when it last ended well, up to $now.
SELECT job, max(greatest(queued_at, coalesce(started_at, queued_at), coalesce(ended_at, queued_at))) AS moved_at,
       max(ended_at) FILTER (state IN ('succeeded', 'skipped')) AS good_at,
       bool_or(state IN ('queued', 'running')) AS open
FROM job_runs
WHERE state <> 'missed' AND (state IN ('queued', 'running') OR coalesce(ended_at, queued_at) <= $now) GROUP BY job;

-- name: missed_stretches
-- Unbroken stretches of hours without an issue that were noted from $since to $now, and the newest hour issued live.
WITH numbered AS (
    SELECT *, origin - row_number() OVER (PARTITION BY target ORDER BY origin) * INTERVAL 1 HOUR AS stretch
    FROM missed_issues WHERE noted_at <= $now AND NOT starts_with(reason, 'not due'))
SELECT m.target, min(m.origin) AS first_origin, max(m.origin) AS last_origin, count(*) AS n,
       min(m.noted_at) AS noted_at, arg_max(m.reason, m.origin) AS reason,
       (SELECT max(p.origin) FROM predictions p
        WHERE p.target = m.target AND p.issuer = 'sextant' AND p.mode = 'live'
          AND p.origin <= $now) AS issued
FROM numbered m GROUP BY m.target, m.stretch HAVING max(m.noted_at) >= $since
ORDER BY m.target, first_origin;

-- name: recent_scores
-- How what was issued of each of $targets from $since to $until did, fallbacks included: MAE, MAPE in percent, and the
-- share of actuals within the 80 % band where one was given; hours of declared events ($of_targets, $firsts, $lasts) do
-- not count. No row for a target without scores.
WITH events AS (
    SELECT unnest($of_targets::VARCHAR[]) AS target, unnest($firsts::TIMESTAMPTZ[]) AS first,
           unnest($lasts::TIMESTAMPTZ[]) AS last)
SELECT a.target, count(*) AS n, avg(abs(error)) AS mae, 100 * avg(abs(error / nullif(actual, 0))) AS mape,
       count(in_band) FILTER (status IN ('ok', 'reduced')) AS n_band,
       100 * avg(in_band::DOUBLE) FILTER (status IN ('ok', 'reduced')) AS inside
FROM accuracy_latest a
WHERE list_contains($targets::VARCHAR[], a.target) AND issuer = 'sextant' AND origin >= $since AND origin < $until
  AND NOT EXISTS (SELECT 1 FROM events e
                  WHERE e.target = a.target AND valid_at + INTERVAL 1 HOUR > e.first AND valid_at < e.last)
GROUP BY a.target;

-- name: newest_drift
-- What drifted in the newest check of each of $targets up to $now, worst first, of how many.
WITH mine AS (SELECT * FROM drift WHERE list_contains($targets::VARCHAR[], target)),
checks AS (SELECT target, arg_max(run_id, checked_at) AS run_id FROM mine WHERE checked_at <= $now GROUP BY target),
newest AS (SELECT *, count(*) OVER (PARTITION BY target) AS n_watched FROM mine SEMI JOIN checks USING (target, run_id))
SELECT target, kind, subject, effect, checked_at, n_watched FROM newest
WHERE drifted ORDER BY target, effect DESC NULLS LAST, kind, subject;

-- name: terms
-- Who led the schedule since $since, oldest first, and the term before.
SELECT term_id, host, pid, started_at, heartbeat_at, ended_at, reason FROM scheduler_terms
WHERE heartbeat_at >= $since OR started_at = (SELECT max(started_at) FROM scheduler_terms WHERE heartbeat_at < $since)
ORDER BY started_at, term_id;

-- name: failing_channels
-- Channels whose newest attempts failed: how many in a row, since when, why the last one did, and whether some
-- message was given up.
WITH attempts AS (
    SELECT channel, message_key, attempt, max(coalesce(ended_at, started_at)) AS tried_at, max(error) AS error,
           bool_and(state = 'failed') AS failed, bool_or(again_at IS NULL) AS given_up
    FROM notifications WHERE state <> 'sending' GROUP BY channel, message_key, attempt),
sent AS (SELECT channel, max(tried_at) AS sent_at FROM attempts WHERE NOT failed GROUP BY channel)
SELECT a.channel, count(*) AS n, min(a.tried_at) AS failing_from, arg_max(a.error, a.tried_at) AS error,
       bool_or(a.given_up) AS given_up
FROM attempts a LEFT JOIN sent s USING (channel)
WHERE a.failed AND (s.sent_at IS NULL OR a.tried_at > s.sent_at)
GROUP BY a.channel ORDER BY a.channel;

-- name: newest_backups
-- The backups up to $now, newest first.
SELECT name, made_at, bytes FROM backups WHERE made_at <= $now ORDER BY made_at DESC, backup_id LIMIT 10;

-- name: warehouse_began
SELECT min(applied_at) AS began_at FROM schema_migrations;

-- name: unserved
-- Of each of $targets the live issues since $since, up to $now, that came after the newest one of a model: how many,
-- the first, when that was made, and why the newest is no model's. No row where the newest is a model's.
WITH issued AS (
    SELECT target, origin, arg_max(status, made_at) AS status, arg_max(reason, made_at) AS reason, max(made_at) AS made_at
    FROM predictions
    WHERE list_contains($targets::VARCHAR[], target) AND issuer IN ('sextant', 'reissue') AND mode = 'live'
      AND horizon = 1 AND origin >= $since AND origin <= $now GROUP BY target, origin),
served AS (SELECT target, max(origin) AS origin FROM issued WHERE status IN ('ok', 'reduced') GROUP BY target)
SELECT i.target, count(*) AS n, min(i.origin) AS first_origin, min(i.made_at) AS made_at,
       arg_max(i.reason, i.origin) AS reason
FROM issued i LEFT JOIN served s USING (target)
WHERE s.origin IS NULL OR i.origin > s.origin GROUP BY i.target ORDER BY i.target;

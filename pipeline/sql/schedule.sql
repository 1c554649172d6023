-- name: timetable
-- The schedule as the last leader left it, one row a job.
SELECT * FROM schedule ORDER BY job;

-- name: open_terms
-- Terms nobody has ended, the newest first.
SELECT * FROM scheduler_terms WHERE ended_at IS NULL ORDER BY started_at DESC, term_id;

-- name: term_before
-- The newest term that has ended, if any.
SELECT * FROM scheduler_terms WHERE ended_at IS NOT NULL ORDER BY ended_at DESC, term_id LIMIT 1;

-- name: fed_since
-- Whether $job never ran to a good end, or one of $feeders may have written something since its last good run began.
WITH last AS (
    SELECT max(started_at) AS started_at FROM job_runs
    WHERE job = $job AND state IN ('succeeded', 'skipped') AND started_at <= $now)
SELECT last.started_at IS NULL OR EXISTS (
    FROM job_runs r WHERE list_contains($feeders, r.job) AND r.started_at <= $now AND coalesce(r.rows_out, 1) > 0
      AND coalesce(r.ended_at >= last.started_at, true)) AS fed
FROM last;

-- name: pending_origins
-- How many origins have features of the sets $feature_sets and no issue yet: replayed ones, and live ones still in time.
WITH waiting AS (
    SELECT target, origin FROM features
    WHERE list_contains($targets, target) AND list_contains($feature_sets, feature_set)
      AND as_of <= $now AND mode = 'replay'
    UNION
    SELECT target, origin FROM features
    WHERE list_contains($targets, target) AND list_contains($feature_sets, feature_set)
      AND as_of <= $now AND origin >= $current),
issued AS (
    SELECT DISTINCT target, origin FROM predictions SEMI JOIN waiting USING (target, origin) WHERE issuer = 'sextant')
SELECT count(*) AS n FROM waiting ANTI JOIN issued USING (target, origin);

-- name: unissued_origins
-- Hours since the first live issue of a target and before $due for which nothing was issued live, not noted by $now.
-- Before anything is issued the hours before it are noted, so it is looked back two weeks from the newest live issue, or to
-- the oldest hour noted by a clock ahead of $now.
WITH newest AS (
    SELECT origin FROM predictions
    WHERE target = $target AND issuer = 'sextant' AND mode = 'live' AND origin < $due ORDER BY origin DESC LIMIT 1),
ahead AS (SELECT min(origin) AS origin FROM missed_issues WHERE target = $target AND noted_at > $now),
back AS (SELECT least(n.origin - INTERVAL 336 HOUR, a.origin) AS origin FROM newest n, ahead a),
live AS (
    SELECT origin FROM predictions
    WHERE target = $target AND issuer = 'sextant' AND mode = 'live' AND origin >= (SELECT origin FROM back)),
first AS (SELECT least(min(l.origin), a.origin) AS origin FROM live l, ahead a GROUP BY a.origin)
SELECT h.origin
FROM (SELECT unnest(generate_series(origin, $due - INTERVAL 1 HOUR, INTERVAL 1 HOUR)) AS origin FROM first) h
ANTI JOIN live p USING (origin)
ANTI JOIN (SELECT origin FROM missed_issues WHERE target = $target AND noted_at <= $now) m USING (origin)
ORDER BY h.origin;

-- name: noted_ahead
-- Hours of a target up to $due that were noted as missed by a clock ahead of $now.
SELECT target, origin FROM missed_issues WHERE target = $target AND origin <= $due AND noted_at > $now;

-- name: missed_reasons
-- What is known about the hour in which each origin of `batch` was to be issued: the longest time in it without a
-- scheduler, the newest failed run of the jobs an issue needs, how many runs of those there were, and whether features
-- were made then, but none of $target: a run names each target that it looks at in its log.
WITH hours AS (SELECT origin, origin + INTERVAL 1 HOUR AS first, origin + INTERVAL 2 HOUR AS last FROM batch),
terms AS (
    SELECT max(coalesce(ended_at, heartbeat_at)) OVER (ORDER BY started_at, term_id) AS gap_from,
           coalesce(lead(started_at) OVER (ORDER BY started_at, term_id), $now) AS gap_to
    FROM scheduler_terms),
gaps AS (
    SELECT h.origin, t.gap_from, t.gap_to, epoch(least(h.last, t.gap_to) - greatest(h.first, t.gap_from)) / 60 AS gap_min
    FROM hours h JOIN terms t ON t.gap_from < h.last AND t.gap_to > h.first AND t.gap_to > t.gap_from + INTERVAL 1 MINUTE
    QUALIFY row_number() OVER (PARTITION BY h.origin ORDER BY gap_min DESC, t.gap_from) = 1),
runs AS (
    SELECT h.origin, count(*) AS n_runs,
           arg_max(r.job, r.ended_at) FILTER (r.state = 'failed') AS failed_job,
           arg_max(r.error, r.ended_at) FILTER (r.state = 'failed') AS error,
           coalesce(NOT bool_or(contains(r.log, $target || ': ')) FILTER (
               r.job = 'features' AND r.state = 'succeeded' AND r.log <> ''), false) AS left_out
    FROM hours h JOIN job_runs r ON r.started_at >= h.first AND r.started_at < h.last
    WHERE r.job IN ('ingest', 'actuals', 'features', 'forecast') GROUP BY h.origin)
SELECT h.origin, g.gap_from, g.gap_to, coalesce(g.gap_min, 0) AS gap_min,
       coalesce(r.n_runs, 0) AS n_runs, r.failed_job, r.error, coalesce(r.left_out, false) AS left_out
FROM hours h LEFT JOIN gaps g USING (origin) LEFT JOIN runs r USING (origin) ORDER BY h.origin;

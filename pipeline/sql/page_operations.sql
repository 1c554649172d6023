-- name: page_series
-- How far each series reaches, and how its newest request and those since $since went. A file that was imported adds
-- values, but it is no answer of the source.
WITH asked AS (
    SELECT series, arg_max(source, seen_at) AS source, max(seen_at) AS asked_at,
           arg_max(outcome, (seen_at, window_end)) AS outcome,
           arg_max(message, (seen_at, window_end)) AS message,
           count(*) FILTER (seen_at >= $since AND outcome != 'not_ready') AS n_asked,
           count(*) FILTER (seen_at >= $since AND outcome NOT IN ('ok', 'empty', 'not_yet_published', 'not_ready')) AS n_failed
    FROM fetches WHERE source != 'files' OR outcome != 'ok' GROUP BY series),
refused AS (SELECT series, sum(rows_quarantined)::BIGINT AS n_quarantined FROM fetches WHERE seen_at >= $since GROUP BY series),
stored AS (SELECT series, max(valid_at) AS newest_at, max(seen_at) AS received_at, count(*) AS n FROM raw GROUP BY series)
SELECT series, source, newest_at, received_at, n, asked_at, outcome, message, n_asked, n_failed,
       coalesce(n_quarantined, 0) AS n_quarantined
FROM asked FULL JOIN stored USING (series) LEFT JOIN refused USING (series) ORDER BY series;

-- name: page_values
-- A series from $since to $until: the newest version of each value, or with $first the first; NULL where the newest
-- says that there is none.
SELECT valid_at, if($first, arg_min_null(value, seen_at), arg_max_null(value, seen_at)) AS value
FROM raw WHERE series = $series AND valid_at >= $since AND valid_at < $until
GROUP BY valid_at ORDER BY valid_at;

-- name: page_quality_day
-- What was found on one local day, which holds the moment $at.
SELECT series, day_start, day_end, expected, present, missing, longest_gap_min, flat_min, flat_from, jumps, largest_jump,
       jump_at, out_of_range, duplicates, off_grid, revisions, revised_mean, clock_change, verdict, checked_at
FROM quality WHERE day_start <= $at AND day_end > $at ORDER BY series;

-- name: page_backfills
-- Runs of ingest that were asked to fill a window, since $since or open still, newest first.
SELECT run_id, state, args ->> 'series' AS series, (args ->> 'from')::TIMESTAMPTZ AS first,
       (args ->> 'to')::TIMESTAMPTZ AS last, requested_by, reason, queued_at, ended_at, rows_out, error
FROM job_runs
WHERE job = 'ingest' AND args ->> 'from' IS NOT NULL AND (queued_at >= $since OR state IN ('queued', 'running'))
ORDER BY queued_at DESC, run_id;

-- name: page_revision_ages
-- How far hours had moved from their first version once that was $ages old, over the hours since $since that are so old.
WITH first AS (
    SELECT valid_at, min(known_at) AS first_at, arg_min(value, known_at) AS value FROM actuals
    WHERE target = $target AND valid_at >= $since GROUP BY valid_at),
ages AS (SELECT unnest($ages::INTERVAL[]) AS age),
moved AS (
    SELECT a.age, f.valid_at, arg_max(v.value, v.known_at) - any_value(f.value) AS change
    FROM first f JOIN ages a ON f.first_at + a.age <= $now
    JOIN actuals v ON v.target = $target AND v.valid_at = f.valid_at AND v.known_at <= f.first_at + a.age
    GROUP BY a.age, f.valid_at)
SELECT a.age, count(m.valid_at) AS n, count(*) FILTER (change != 0) AS n_moved, avg(abs(change)) AS mean_change,
       avg(change) AS bias, max(abs(change)) AS largest
FROM ages a LEFT JOIN moved m USING (age) GROUP BY a.age ORDER BY a.age;

-- name: page_runs
-- Runs since $since, newest first, at most $n and `total` in all; `log` is read one run at a time. $job, $state,
-- $failure and $by are names or 'all'; $text is anything in the error, the reason or the id.
SELECT run_id, job, state, requested_by, reason, queued_at, started_at, ended_at, rows_in, rows_out, error, slot_at,
       attempt, failure, peak_mb, cancel_by, cancel_reason, epoch(ended_at - started_at) AS took_s,
       count(*) OVER () AS total
FROM job_runs
WHERE coalesce(started_at, slot_at, queued_at) >= $since
  AND ($job = 'all' OR job = $job) AND ($state = 'all' OR state = $state) AND ($failure = 'all' OR failure = $failure)
  AND ($by = 'all' OR requested_by = $by)
  AND contains(lower(concat_ws(' ', run_id, error, reason, cancel_reason)), lower($text))
ORDER BY coalesce(started_at, slot_at, queued_at) DESC, ended_at DESC NULLS FIRST, run_id LIMIT $n;

-- name: page_askers
-- Who asked for runs since $since.
SELECT DISTINCT requested_by AS name FROM job_runs WHERE coalesce(started_at, slot_at, queued_at) >= $since ORDER BY name;

-- name: page_durations
-- What the runs of $job that went well took since $since, oldest first, at most the newest $n, beside the median and
-- the 95th percentile of the 30 that went well before each.
WITH done AS (
    SELECT run_id, started_at, epoch(ended_at - started_at) AS took_s FROM job_runs
    WHERE job = $job AND state = 'succeeded' AND ended_at IS NOT NULL),
judged AS (
    SELECT *, median(took_s) OVER past AS median_s, quantile_cont(took_s, 0.95) OVER past AS p95_s, count(*) OVER past AS n
    FROM done WINDOW past AS (ORDER BY started_at, run_id ROWS BETWEEN 30 PRECEDING AND 1 PRECEDING))
SELECT * FROM (SELECT * FROM judged WHERE started_at >= $since ORDER BY started_at DESC, run_id LIMIT $n)
ORDER BY started_at, run_id;

-- name: page_success
-- Of each job's runs since $recent and since $since: how many went well (did their work or had none), failed, were
-- cancelled, were planned and not made, and took their work up again after a failure.
SELECT job,
       count(*) FILTER (began >= $recent AND state IN ('succeeded', 'skipped')) AS good_recent,
       count(*) FILTER (began >= $recent AND state = 'failed') AS failed_recent,
       count(*) FILTER (state IN ('succeeded', 'skipped')) AS good, count(*) FILTER (state = 'failed') AS failed,
       count(*) FILTER (state = 'cancelled') AS cancelled, count(*) FILTER (state = 'missed') AS missed,
       count(*) FILTER (state IN ('succeeded', 'skipped') AND attempt > 1) AS rescued
FROM (SELECT *, coalesce(started_at, slot_at, queued_at) AS began FROM job_runs)
WHERE began >= $since AND state NOT IN ('queued', 'running') GROUP BY job ORDER BY job;

-- name: page_alert_history
-- Alerts that began since $since or are open still, newest first, at most $n and `total` in all; `lasted_s` is NULL
-- while one is open. $rule and $severity are names or 'all', $subject any part of the subject; $standing is all, firing,
-- acknowledged, snoozed or resolved.
WITH standing AS (
    SELECT *, CASE WHEN resolved_at IS NOT NULL THEN 'resolved' WHEN act = 'acknowledge' THEN 'acknowledged'
                   WHEN act = 'snooze' AND until > $now THEN 'snoozed' ELSE 'firing' END AS standing
    FROM alerts)
SELECT alert_id, rule, subject, severity, message, since, resolved_at, resolved_message, act, actor, act_reason, acted_at,
       until, standing, epoch(resolved_at - since) AS lasted_s, count(*) OVER () AS total
FROM standing
WHERE (flipped_at >= $since OR resolved_at IS NULL)
  AND ($rule = 'all' OR rule = $rule) AND ($severity = 'all' OR severity = $severity)
  AND ($standing = 'all' OR standing = $standing) AND contains(lower(subject), lower($subject))
ORDER BY flipped_at DESC, alert_id LIMIT $n;

-- name: page_alert
-- One alert, open or over.
SELECT alert_id, rule, subject, severity, message, evidence::VARCHAR AS evidence, since, flipped_at, resolved_at,
       resolved_message, act, actor, act_reason, until, acted_at
FROM alerts WHERE alert_id = $alert_id;

-- name: page_alert_acts
-- What people did about one alert, oldest first.
SELECT kind, actor, reason, until, acted_at FROM alert_acts WHERE alert_id = $alert_id ORDER BY acted_at, act_id;

-- name: page_maintenance
-- Windows that end after $since, the latest first; one ended before its time says by whom and why.
WITH ended AS (
    SELECT substr(window_id, length('end:') + 1) AS window_id, first_at AS ended_at, actor AS ended_by,
           reason AS ended_why
    FROM maintenance WHERE starts_with(window_id, 'end:'))
SELECT m.window_id, rule, subject, first_at, last_at, reason, actor, declared_at, ended_at, ended_by, ended_why
FROM maintenance m LEFT JOIN ended e USING (window_id)
WHERE last_at >= $since AND NOT starts_with(m.window_id, 'end:') ORDER BY first_at DESC, window_id;

-- name: page_open_alerts
-- What is wrong now, worst first.
SELECT alert_id, rule, subject, severity, message, evidence::VARCHAR AS evidence, since, flipped_at,
       act, actor, act_reason, until, acted_at
FROM alerts WHERE resolved_at IS NULL
ORDER BY list_position(['critical', 'warning', 'info'], severity), since, alert_id;

-- name: page_judged
-- When the rules were last judged to the end.
SELECT max(ended_at) AS ended_at FROM job_runs WHERE job = 'alert' AND state IN ('succeeded', 'skipped');

-- name: page_alert_rules
-- How often each rule fired since $since, most often first.
SELECT rule, count(*) AS n, count(*) FILTER (resolved_at IS NULL) AS n_open,
       median(epoch(resolved_at - since)) AS lasted_s
FROM alerts WHERE flipped_at >= $since OR resolved_at IS NULL GROUP BY rule ORDER BY n DESC, rule;

-- name: page_deliveries
-- Attempts to tell the world since $since, newest first.
SELECT n.started_at, n.channel, n.kind, n.attempt, n.state, n.error, a.rule, a.subject, a.severity,
       epoch(n.ended_at - n.started_at) AS took_s
FROM notifications n LEFT JOIN alerts a USING (alert_id)
WHERE n.started_at >= $since ORDER BY n.started_at DESC, n.notification_id LIMIT $n;

-- name: page_channels
-- How each channel did since $since, and how its newest attempt ended.
SELECT channel, count(*) FILTER (state = 'sent') AS n_sent, count(*) FILTER (state = 'failed') AS n_failed,
       max(started_at) FILTER (state = 'sent') AS sent_at, arg_max(state, (started_at, attempt)) AS state,
       arg_max(error, (started_at, attempt)) AS error
FROM notifications WHERE started_at >= $since GROUP BY channel ORDER BY channel;

-- name: page_quality
-- One row a series: its newest day and the seven complete days before it.
WITH newest AS (SELECT series, max(day_start) AS today FROM quality GROUP BY series)
SELECT q.series, max(n.today) AS today, max(q.checked_at) AS checked_at,
       arg_max(q.verdict, q.day_start) AS verdict_today, arg_max(q.expected, q.day_start) AS expected_today,
       arg_max(q.missing, q.day_start) AS missing_today,
       count(*) FILTER (q.day_start < n.today) AS days,
       count(*) FILTER (q.day_start < n.today AND q.verdict NOT IN ('ok', 'partial')) AS days_bad,
       coalesce(sum(q.expected) FILTER (q.day_start < n.today), 0)::BIGINT AS expected,
       coalesce(sum(q.present) FILTER (q.day_start < n.today), 0)::BIGINT AS present,
       sum(q.missing)::BIGINT AS missing, max(q.longest_gap_min) AS longest_gap_min, max(q.flat_min) AS flat_min,
       arg_max(q.flat_from, q.flat_min) FILTER (q.flat_from IS NOT NULL) AS flat_from,
       sum(q.jumps)::BIGINT AS jumps, sum(q.out_of_range)::BIGINT AS out_of_range,
       sum(q.duplicates)::BIGINT AS duplicates, sum(q.off_grid)::BIGINT AS off_grid,
       sum(q.revisions)::BIGINT AS revisions,
       sum(q.revised_mean * q.revisions) / nullif(sum(q.revisions) FILTER (q.revised_mean IS NOT NULL), 0) AS revised_mean
FROM quality q JOIN newest n USING (series)
WHERE q.day_start >= n.today - INTERVAL 171 HOUR
GROUP BY q.series ORDER BY q.series;

-- name: page_quality_days
-- Series by local day since $since: the share that is there and what was found.
SELECT series, day_start, timezone($zone, day_start)::DATE::VARCHAR AS day, expected, present, missing, longest_gap_min,
       flat_min, jumps, out_of_range, duplicates, off_grid, clock_change, verdict, present / nullif(expected, 0) AS share
FROM quality WHERE day_start >= $since ORDER BY series, day_start;

-- name: page_revisions
-- How the hours of each local day moved between first being complete and now.
WITH version AS (
    SELECT valid_at, value, known_at FROM actuals WHERE target = $target AND valid_at >= $since),
hours AS (
    SELECT valid_at, count(*) - 1 AS n, arg_max(value, known_at) - arg_min(value, known_at) AS change,
           epoch(max(known_at) - min(known_at)) AS settled_s
    FROM version GROUP BY valid_at)
SELECT timezone($zone, valid_at)::DATE::VARCHAR AS day, count(*) AS hours, count(*) FILTER (n > 0) AS revised,
       coalesce(avg(abs(change)) FILTER (n > 0), 0) AS mean_change, coalesce(max(abs(change)), 0) AS largest,
       coalesce(avg(change) FILTER (n > 0), 0) AS bias, median(settled_s) FILTER (n > 0) AS settled_s
FROM hours GROUP BY day ORDER BY day;

-- name: page_timetable
-- Every job that has a plan or ever ran: when next, how its newest run ended, how its runs since $since
-- went, and its usual time: the median of its last 30 runs that went well, as in run_durations.
WITH newest AS (
    SELECT job, run_id, state, started_at, queued_at, error, failure, attempt, reason FROM job_runs
    WHERE state != 'queued' OR due_at IS NULL
    QUALIFY row_number() OVER (PARTITION BY job ORDER BY queued_at DESC, attempt DESC, run_id) = 1),
record AS (
    SELECT job, max(ended_at) FILTER (state IN ('succeeded', 'skipped')) AS succeeded_at,
           count(*) FILTER (queued_at >= $since AND state IN ('succeeded', 'skipped')) AS n_good,
           count(*) FILTER (queued_at >= $since AND state = 'failed') AS n_failed,
           count(*) FILTER (queued_at >= $since AND state = 'missed') AS n_missed,
           max(peak_mb) FILTER (queued_at >= $since) AS peak_mb
    FROM job_runs GROUP BY job),
done AS (
    SELECT job, epoch(ended_at - started_at) AS took_s FROM job_runs WHERE state = 'succeeded'
    QUALIFY row_number() OVER (PARTITION BY job ORDER BY started_at DESC) <= 30),
usual AS (SELECT job, median(took_s) AS median_s FROM done GROUP BY job),
known AS (SELECT job FROM schedule WHERE job != 'chain' UNION SELECT job FROM job_runs)
SELECT k.job, s.cadence, s.zone, s.missed, s.next_at, s.last_slot_at, n.* EXCLUDE (job), r.* EXCLUDE (job), u.median_s,
       100.0 * r.n_good / nullif(r.n_good + r.n_failed, 0) AS good_percent
FROM known k LEFT JOIN schedule s USING (job) LEFT JOIN newest n USING (job) LEFT JOIN record r USING (job)
LEFT JOIN usual u USING (job)
ORDER BY k.job;

-- name: page_chain
-- When the chain of jobs without a time of day is walked next.
SELECT cadence, last_slot_at, next_at FROM schedule WHERE job = 'chain';

-- name: page_term
-- Who leads the schedule, or led it last.
SELECT host, pid, started_at, heartbeat_at, ended_at, reason FROM scheduler_terms
ORDER BY ended_at IS NULL DESC, started_at DESC, term_id LIMIT 1;

-- name: page_timeline
-- Runs that were going on at some time since $since.
SELECT run_id, job, state, started_at, coalesce(ended_at, $until) AS ended_at, failure, attempt,
       epoch(coalesce(ended_at, $until) - started_at) AS took_s
FROM job_runs WHERE started_at IS NOT NULL AND coalesce(ended_at, $until) >= $since AND started_at <= $until
ORDER BY started_at, run_id;

-- name: page_missed
-- Hours for which nothing was issued in time, newest first.
SELECT origin, reason, noted_at FROM missed_issues
WHERE target = $target AND origin >= $since AND origin < $until AND NOT starts_with(reason, 'not due')
ORDER BY origin DESC;

-- name: page_capacity
-- What was measured since $since, in time order.
SELECT measured_at, what, value FROM capacity
WHERE measured_at >= $since AND what IN ('warehouse_bytes', 'models_bytes', 'backups_bytes', 'disk_free_bytes')
ORDER BY measured_at;

-- name: page_stored
-- Warehouse, models and backups together, where all three were measured.
SELECT measured_at, sum(value) AS value FROM capacity
WHERE measured_at >= $since AND what IN ('warehouse_bytes', 'models_bytes', 'backups_bytes')
GROUP BY measured_at HAVING count(*) = 3 ORDER BY measured_at;

-- name: page_row_counts
-- Rows of each table since $since, in time order.
SELECT measured_at, substr(what, length('rows:') + 1) AS name, value FROM capacity
WHERE measured_at >= $since AND starts_with(what, 'rows:') ORDER BY measured_at, name;

-- name: page_run_costs
-- What the runs of each job took since $recent, beside the time from $since to then.
WITH runs AS (
    SELECT job, started_at >= $recent AS is_recent, epoch(ended_at - started_at) AS took_s, cpu_s, peak_mb
    FROM job_runs WHERE state = 'succeeded' AND started_at >= $since)
SELECT job, count(*) FILTER (is_recent) AS n, median(took_s) FILTER (is_recent) AS median_s,
       max(took_s) FILTER (is_recent) AS longest_s, median(cpu_s) FILTER (is_recent) AS cpu_s,
       max(peak_mb) FILTER (is_recent) AS peak_mb, count(*) FILTER (NOT is_recent) AS n_before,
       median(took_s) FILTER (NOT is_recent) AS before_s, max(peak_mb) FILTER (NOT is_recent) AS before_mb
FROM runs GROUP BY job ORDER BY job;

-- name: page_daily_costs
-- All runs of a UTC day together: minutes of run time and the largest memory.
SELECT date_trunc('day', started_at) AS measured_at, sum(epoch(ended_at - started_at)) / 60 AS minutes,
       max(peak_mb) AS peak_mb
FROM job_runs WHERE ended_at IS NOT NULL AND started_at >= $since AND started_at < $until
GROUP BY ALL ORDER BY measured_at;

-- name: page_going
-- Runs that wait or are going on, oldest first.
SELECT run_id, job, state, requested_by, reason, queued_at, due_at, started_at, heartbeat_at, attempt, cancel_asked_at,
       cancel_by, cancel_reason, log
FROM job_runs WHERE state IN ('queued', 'running') ORDER BY state = 'queued', queued_at, run_id;

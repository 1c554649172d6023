-- name: alert_states
-- One row a rule and subject that ever fired: how many flips there are, which events were told, the open alert if any.
WITH told AS (
    SELECT rule, subject, count(*) AS n,
           coalesce(list(evidence ->> 'event') FILTER (evidence ->> 'event' IS NOT NULL), []) AS events
    FROM alert_flips GROUP BY rule, subject)
SELECT t.rule, t.subject, t.n, t.events, a.alert_id, a.severity, a.since, a.evidence ->> 'event' AS event
FROM told t LEFT JOIN (SELECT * FROM alerts WHERE resolved_at IS NULL) a USING (rule, subject)
ORDER BY t.rule, t.subject;

-- name: maintenance_windows
-- Windows that end after $since, as far as they were not ended before their time.
WITH ended AS (
    SELECT substr(window_id, length('end:') + 1) AS window_id, first_at AS ended_at FROM maintenance
    WHERE starts_with(window_id, 'end:')),
windows AS (
    SELECT m.* REPLACE (least(m.last_at, e.ended_at) AS last_at) FROM maintenance m LEFT JOIN ended e USING (window_id)
    WHERE NOT starts_with(m.window_id, 'end:'))
SELECT rule, subject, first_at, last_at, reason FROM windows
WHERE last_at > $since AND first_at < last_at ORDER BY first_at, window_id;

-- name: maintenance_by_id
-- One window as it was declared, and when it was ended before its time.
SELECT rule, subject, last_at,
       (SELECT min(first_at) FROM maintenance WHERE window_id = 'end:' || $window_id) AS ended_at
FROM maintenance WHERE window_id = $window_id AND NOT starts_with(window_id, 'end:');

-- name: alert_by_id
SELECT rule, subject, resolved_at, act, actor, act_reason, until, acted_at,
       (SELECT arg_max(act_id, acted_at) FROM alert_acts WHERE alert_id = $alert_id) AS act_id
FROM alerts WHERE alert_id = $alert_id;

-- name: unacknowledged
-- Open alerts that nobody took, and from when their time runs: a snooze holds until it is over, waking starts anew.
SELECT alert_id, rule, subject, CASE act WHEN 'snooze' THEN until WHEN 'wake' THEN acted_at ELSE flipped_at END AS waits_from
FROM alerts WHERE resolved_at IS NULL AND act IS DISTINCT FROM 'acknowledge'
ORDER BY flipped_at, alert_id;

-- name: newest_judgement
-- One row: how the newest run of alert ended before $now, and when the newest scheduler began.
SELECT r.state, r.error, r.ended_at,
       (SELECT max(started_at) FROM scheduler_terms WHERE started_at <= $now) AS leads_from
FROM (SELECT 1) LEFT JOIN (
    SELECT state, error, ended_at FROM job_runs
    WHERE job = 'alert' AND state IN ('succeeded', 'skipped', 'failed') AND ended_at <= $now
    ORDER BY ended_at DESC LIMIT 1) r ON true;

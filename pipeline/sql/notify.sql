-- name: alerts_to_tell
-- Alerts that are open or were resolved since $since, oldest first.
-- anew_from: since when its time runs anew, as its newest snooze is over or it was woken.
SELECT alert_id, rule, subject, severity, message, since, flipped_at, resolved_at, resolved_message,
       CASE act WHEN 'snooze' THEN until WHEN 'wake' THEN acted_at END AS anew_from
FROM alerts WHERE resolved_at IS NULL OR resolved_at >= $since
ORDER BY flipped_at, alert_id;

-- name: newest_attempts
-- The newest attempt at each notice about those alerts, a row an alert, kind and channel. past: an escalation from
-- before the newest snooze was over or the alert was woken, which is no answer to the time that runs since.
WITH told AS (
    SELECT n.*, n.kind = 'escalated'
           AND coalesce(n.started_at < CASE a.act WHEN 'snooze' THEN a.until WHEN 'wake' THEN a.acted_at END, false) AS past
    FROM notifications n JOIN alerts a USING (alert_id)
    WHERE a.resolved_at IS NULL OR a.resolved_at >= $since)
SELECT alert_id, kind, channel, message_key, attempt, state, again_at, past FROM told
QUALIFY row_number() OVER (PARTITION BY alert_id, kind, channel ORDER BY past, attempt DESC, notification_id) = 1;

-- name: channels_used
-- Since when each channel has been told of alerts.
SELECT channel, min(started_at) AS since FROM notifications GROUP BY channel;

-- name: silent_attempts
-- Attempts of other runs without an end: begun before $before, or after $now because the clock was set back.
SELECT * FROM notifications WHERE state = 'sending' AND (started_at <= $before OR started_at > $now);

-- name: notify_ready
-- Whether something may wait to be told since the last run that ended well: a flip, an attempt without an end or due
-- again, an open alert when maintenance ended or a scheduler began, which may know new channels, or, looked at every
-- quarter of an hour, one nobody took in its time, which is that of its rule ($rules, $waits) unless it was tuned.
WITH last AS (
    SELECT coalesce(max(started_at), '-infinity'::TIMESTAMPTZ) AS at FROM job_runs
    WHERE job = 'notify' AND state IN ('succeeded', 'skipped') AND started_at <= $now),
waits AS (SELECT unnest($rules::VARCHAR[]) AS rule, unnest($waits::INTERVAL[]) AS own),
untaken AS (
    SELECT a.alert_id, CASE act WHEN 'snooze' THEN until WHEN 'wake' THEN acted_at ELSE flipped_at END AS waits_from,
           coalesce(to_seconds(60 * (evidence ->> 'escalate_min')::DOUBLE), own) AS wait
    FROM alerts a LEFT JOIN waits USING (rule) WHERE resolved_at IS NULL AND act IS DISTINCT FROM 'acknowledge')
SELECT EXISTS (FROM alert_flips, last WHERE flipped_at > last.at - INTERVAL 10 MINUTE
                                        AND flipped_at BETWEEN $now - INTERVAL 1 DAY AND $now)
    OR EXISTS (FROM notifications WHERE state = 'sending' AND (started_at <= $before OR started_at > $now))
    OR EXISTS (FROM notifications, last WHERE state = 'failed' AND again_at > last.at - INTERVAL 10 MINUTE
                                          AND again_at <= $now)
    OR EXISTS (FROM alerts, last WHERE resolved_at IS NULL AND flipped_at <= $now AND (
                   flipped_at > last.at - INTERVAL 10 MINUTE
                   OR EXISTS (FROM maintenance WHERE last_at > last.at AND last_at <= $now)
                   OR EXISTS (FROM scheduler_terms WHERE started_at > last.at AND started_at <= $now)))
    OR EXISTS (FROM untaken u, last WHERE waits_from + wait <= $now AND last.at <= $now - INTERVAL 15 MINUTE
                 AND NOT EXISTS (FROM notifications n WHERE n.alert_id = u.alert_id AND n.kind = 'escalated'
                                                       AND n.started_at >= u.waits_from))
    AS ready;

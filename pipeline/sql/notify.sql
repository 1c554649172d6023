-- name: alerts_to_tell
-- Alerts that are open or were resolved since $since, oldest first.
SELECT alert_id, rule, subject, severity, message, since, flipped_at, resolved_at, resolved_message
FROM alerts WHERE resolved_at IS NULL OR resolved_at >= $since
ORDER BY flipped_at, alert_id;

-- name: newest_attempts
-- The newest attempt at each notice about those alerts, a row an alert, kind and channel.
SELECT alert_id, kind, channel, message_key, attempt, state, again_at FROM notifications
WHERE alert_id IN (SELECT alert_id FROM alerts WHERE resolved_at IS NULL OR resolved_at >= $since)
QUALIFY row_number() OVER (PARTITION BY alert_id, kind, channel ORDER BY attempt DESC, notification_id) = 1;

-- name: channels_used
-- Since when each channel has been told of alerts.
SELECT channel, min(started_at) AS since FROM notifications GROUP BY channel;

-- name: silent_attempts
-- Attempts of other runs without an end: begun before $before, or after $now because the clock was set back.
SELECT * FROM notifications WHERE state = 'sending' AND (started_at <= $before OR started_at > $now);

-- name: notify_ready
-- Whether something may wait to be told since the last run that ended well: a flip, an attempt without an end or due
-- again, or, looked at every quarter of an hour, an open alert that nobody acknowledged and that was not escalated.
WITH last AS (
    SELECT coalesce(max(started_at), '-infinity'::TIMESTAMPTZ) AS at FROM job_runs
    WHERE job = 'notify' AND state IN ('succeeded', 'skipped') AND started_at <= $now)
SELECT EXISTS (FROM alert_flips, last WHERE flipped_at > last.at - INTERVAL 10 MINUTE
                                        AND flipped_at > $now - INTERVAL 1 DAY)
    OR EXISTS (FROM notifications WHERE state = 'sending' AND (started_at <= $before OR started_at > $now))
    OR EXISTS (FROM notifications, last WHERE state = 'failed' AND again_at > last.at - INTERVAL 10 MINUTE
                                          AND again_at <= $now)
    OR EXISTS (FROM alerts, last WHERE resolved_at IS NULL AND act IS DISTINCT FROM 'acknowledge'
                 AND last.at <= $now - INTERVAL 15 MINUTE
                 AND alert_id NOT IN (SELECT alert_id FROM notifications WHERE kind = 'escalated' AND state = 'sent'))
    AS ready;

-- name: page_training
-- The newest training run that this target was part of, and the version of this target it made, if any.
SELECT r.run_id, r.state, r.requested_by, r.reason, r.queued_at, r.started_at, r.heartbeat_at, r.ended_at, r.error, r.log,
       r.args::VARCHAR AS args, v.version_id, v.family, p.outcome AS decision, p.reason AS decision_reason,
       p.evidence::VARCHAR AS evidence
FROM job_runs r
LEFT JOIN model_versions v ON v.run_id = r.run_id AND v.target = $target
LEFT JOIN promotions p ON p.run_id = r.run_id AND p.target = $target AND p.version_id = v.version_id
WHERE r.job = 'train' AND coalesce(r.args ->> 'target', $target) = $target
ORDER BY r.queued_at DESC, v.created_at DESC LIMIT 1;

-- name: page_training_usual
-- How long training runs took that made a version of this target, by depth: median seconds of the newest $n of each.
WITH done AS (
    SELECT coalesce(v.params ->> 'depth', '') AS depth, epoch(r.ended_at - r.started_at) AS took_s
    FROM job_runs r JOIN model_versions v USING (run_id)
    WHERE v.target = $target AND r.state = 'succeeded'
    QUALIFY row_number() OVER (PARTITION BY coalesce(v.params ->> 'depth', '') ORDER BY r.started_at DESC) <= $n)
SELECT depth, count(*) AS n, median(took_s) AS median_s FROM done GROUP BY depth ORDER BY depth;

-- name: page_lineage
-- All that is written down of one version: its row, its features' names, its training run, whom it found as champion.
SELECT v.* EXCLUDE (params, metrics, libraries), v.params::VARCHAR AS params, v.metrics::VARCHAR AS metrics,
       v.libraries::VARCHAR AS libraries, s.names AS feature_names, r.retired_at, r.reason AS retired_why,
       j.state AS run_state, j.requested_by, j.started_at, j.ended_at,
       p.previous_version_id AS parent_id, p.number IS NOT NULL AS judged
FROM model_versions v
LEFT JOIN feature_sets s USING (feature_set)
LEFT JOIN retirements r USING (version_id)
LEFT JOIN job_runs j ON j.run_id = v.run_id
LEFT JOIN promotions p ON p.version_id = v.version_id AND p.run_id = v.run_id
WHERE v.version_id = $version_id AND v.target = $target;

-- name: page_decisions_on
-- The decisions about one version, and those by which it was followed as champion, newest first.
SELECT decided_at, kind, outcome, version_id, previous_version_id, actor, reason
FROM promotions
WHERE target = $target AND (version_id = $version_id OR (previous_version_id = $version_id AND outcome = 'promoted'))
ORDER BY number DESC;

-- name: page_error_history
-- MAE of each version's own forecasts, issued or in shadow, by local $step (day or week), over all horizons. With a
-- $champion only of the hours that it forecast too. Hours within declared events, $firsts to $lasts, are left out.
WITH declared AS (SELECT unnest($firsts::TIMESTAMPTZ[]) AS first, unnest($lasts::TIMESTAMPTZ[]) AS last),
own AS (
    SELECT version_id, origin, horizon, valid_at, error, issuer = 'shadow' AS in_shadow FROM accuracy_latest s
    ANTI JOIN declared d ON s.valid_at + INTERVAL 1 HOUR > d.first AND s.valid_at < d.last
    WHERE target = $target AND origin >= $since AND origin < $until AND issuer IN ('sextant', 'reissue', 'shadow')
      AND status IN ('ok', 'reduced')
    QUALIFY row_number() OVER (PARTITION BY version_id, origin, horizon ORDER BY issuer = 'shadow', issuer = 'reissue') = 1),
kept AS (
    SELECT * FROM own o WHERE $champion IS NULL OR EXISTS (
        SELECT 1 FROM own c WHERE c.version_id = $champion AND c.origin = o.origin AND c.horizon = o.horizon))
SELECT version_id, date_trunc($step, timezone($zone, valid_at))::TIMESTAMP AS bucket, avg(abs(error)) AS mae, count(*) AS n,
       count(*) FILTER (in_shadow) AS n_shadow
FROM kept GROUP BY ALL ORDER BY version_id, bucket;

-- name: page_duels
-- Errors of versions and of the champion where both forecast the same hour at the same origin since $since. Hours within
-- declared events, $firsts to $lasts, are left out.
WITH declared AS (SELECT unnest($firsts::TIMESTAMPTZ[]) AS first, unnest($lasts::TIMESTAMPTZ[]) AS last),
own AS (
    SELECT version_id, origin, horizon, error, issuer = 'shadow' AS in_shadow FROM accuracy_latest s
    ANTI JOIN declared d ON s.valid_at + INTERVAL 1 HOUR > d.first AND s.valid_at < d.last
    WHERE target = $target AND origin >= $since AND origin < $until AND issuer IN ('sextant', 'reissue', 'shadow')
      AND status IN ('ok', 'reduced') AND (version_id = $champion OR list_contains($versions, version_id))
    QUALIFY row_number() OVER (PARTITION BY version_id, origin, horizon ORDER BY issuer = 'shadow', issuer = 'reissue') = 1)
SELECT o.version_id, o.origin, o.horizon, o.error AS error_0, c.error AS error_1
FROM own o JOIN own c ON c.origin = o.origin AND c.horizon = o.horizon AND c.version_id = $champion
WHERE o.version_id != $champion
ORDER BY o.version_id, o.origin, o.horizon;

-- name: page_shadow_since
-- Since when each version forecast in shadow, and for how many origins.
SELECT version_id, min(origin) AS first_origin, max(origin) AS last_origin, count(DISTINCT origin) AS n
FROM predictions WHERE target = $target AND issuer = 'shadow' GROUP BY version_id ORDER BY version_id;

-- name: page_importances
-- What a version looks at, the largest first.
SELECT input, n_columns, increase, increase_se, mae, n, repeats, written_at, run_id
FROM importances WHERE target = $target AND version_id = $version_id ORDER BY increase DESC, input;

-- name: page_audit_log
-- A page of what was done and refused since $since, newest first; '' stands for any, $words is looked for in all text.
SELECT audit_id, acted_at, actor, role, action, subject, outcome, reason, detail::VARCHAR AS detail FROM audit
WHERE acted_at >= $since AND $actor IN ('', actor) AND $action IN ('', action) AND $outcome IN ('', outcome)
  AND contains(lower(concat_ws(' ', subject, reason, detail::VARCHAR)), lower($words))
ORDER BY acted_at DESC, outcome = 'started', audit_id LIMIT $n OFFSET $skip;

-- name: page_audit_counts
-- How many rows of the same choice ended how, whichever outcome is chosen.
SELECT outcome, count(*) AS n FROM audit
WHERE acted_at >= $since AND $actor IN ('', actor) AND $action IN ('', action)
  AND contains(lower(concat_ws(' ', subject, reason, detail::VARCHAR)), lower($words))
GROUP BY outcome ORDER BY outcome;

-- name: page_audit_entry
-- One row, and the others that the same attempt may have left: of the same person about the same, in the hours around it.
SELECT o.audit_id, o.acted_at, o.actor, o.role, o.action, o.subject, o.outcome, o.reason, o.detail::VARCHAR AS detail,
       o.audit_id = e.audit_id AS is_it
FROM audit e JOIN audit o ON o.actor = e.actor AND o.action = e.action AND o.subject = e.subject AND o.reason = e.reason
    AND o.acted_at BETWEEN e.acted_at - INTERVAL 1 HOUR AND e.acted_at + INTERVAL 1 HOUR
WHERE e.audit_id = $audit_id
ORDER BY o.acted_at DESC, o.outcome = 'started', o.audit_id;

-- name: page_audit_words
-- Who acted and what was done, ever: what can be filtered by.
SELECT DISTINCT actor, action FROM audit ORDER BY actor, action;

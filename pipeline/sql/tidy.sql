-- name: superseded_raw
-- Versions of values that were replaced before $before by a newer one, of series whose past versions no model looks
-- at. What a series' first answer brought stays: its moment says since when we watch. Any state since $before stays whole.
SELECT series, valid_at, seen_at FROM (
    SELECT r.series, r.valid_at, r.seen_at, l.live_from,
           lead(r.seen_at) OVER (PARTITION BY r.series, r.valid_at ORDER BY r.seen_at) AS replaced_at
    FROM raw r JOIN (SELECT series, min(seen_at) AS live_from FROM raw GROUP BY series) l USING (series)
    WHERE list_contains($series, r.series))
WHERE replaced_at < $before AND seen_at > live_from;

-- name: oldest_shadow
SELECT min(origin) AS origin FROM predictions WHERE issuer = 'shadow';

-- name: remove_shadow_scores
DELETE FROM accuracy WHERE issuer = 'shadow' AND origin < $before;

-- name: remove_shadows
DELETE FROM predictions WHERE issuer = 'shadow' AND origin < $before;

-- name: old_fetches
SELECT run_id, series, source, window_start FROM fetches WHERE seen_at < $before;

-- name: old_quarantine
SELECT series, valid_at, value, reason FROM quarantine WHERE seen_at < $before;

-- name: old_notifications
SELECT notification_id FROM notifications WHERE started_at < $before;

-- name: old_capacity
SELECT measured_at, what FROM capacity WHERE measured_at < $before;

-- name: empty_logs
UPDATE job_runs SET log = $words WHERE ended_at < $before AND log NOT IN ('', $words);

-- name: needless_runs
-- Runs that ended well before $before and that nothing stored leads to any more.
SELECT run_id FROM job_runs
ANTI JOIN (
    SELECT DISTINCT run_id FROM raw UNION SELECT run_id FROM quarantine UNION SELECT run_id FROM fetches
    UNION SELECT run_id FROM actuals UNION SELECT run_id FROM feature_sets UNION SELECT run_id FROM features
    UNION SELECT run_id FROM predictions UNION SELECT run_id FROM accuracy UNION SELECT run_id FROM model_versions
    UNION SELECT run_id FROM backtests UNION SELECT run_id FROM promotions UNION SELECT run_id FROM drift
    UNION SELECT run_id FROM retirements UNION SELECT run_id FROM missed_issues UNION SELECT run_id FROM quality
    UNION SELECT run_id FROM alert_flips UNION SELECT run_id FROM notifications UNION SELECT run_id FROM capacity
    UNION SELECT run_id FROM backups UNION SELECT run_id FROM reasons UNION SELECT run_id FROM importances
    UNION SELECT last_run_id FROM schedule UNION SELECT first_run_id FROM job_runs
) referred USING (run_id)
WHERE state IN ('succeeded', 'skipped') AND ended_at < $before;

-- name: file_blocks
SELECT free_blocks, total_blocks FROM pragma_database_size() WHERE database_name = 'warehouse';

-- name: zoneless_columns
SELECT table_name || '.' || column_name AS place FROM information_schema.columns
WHERE table_catalog = 'warehouse' AND data_type IN ('TIMESTAMP', 'DATE', 'TIME', 'TIMESTAMP_S', 'TIMESTAMP_MS', 'TIMESTAMP_NS')
ORDER BY place;

-- name: session_zone
SELECT current_setting('TimeZone') AS zone;

-- name: forecasts_without_version
SELECT count(*) AS n FROM predictions p ANTI JOIN model_versions v USING (version_id);

-- name: forecasts_without_features
SELECT count(*) AS n FROM predictions p ANTI JOIN features f USING (target, origin, horizon);

-- name: scores_without_forecast
SELECT count(*) AS n FROM accuracy a ANTI JOIN predictions p USING (target, origin, horizon, issuer, version_id);

-- name: scores_without_actual
SELECT count(*) AS n FROM accuracy s
ANTI JOIN actuals a ON a.target = s.target AND a.valid_at = s.valid_at AND a.known_at = s.actual_known_at AND a.value = s.actual;

-- name: features_without_names
SELECT count(*) AS n FROM features f ANTI JOIN feature_sets s USING (feature_set);

-- name: promotions_without_version
SELECT count(*) AS n FROM promotions p ANTI JOIN model_versions v USING (version_id);

-- name: rows_without_run
SELECT count(*) AS n FROM (
    SELECT DISTINCT run_id FROM raw UNION SELECT DISTINCT run_id FROM actuals UNION SELECT DISTINCT run_id FROM features
    UNION SELECT DISTINCT run_id FROM predictions UNION SELECT DISTINCT run_id FROM accuracy
    UNION SELECT DISTINCT run_id FROM fetches) r
ANTI JOIN job_runs j USING (run_id);

-- name: incomplete_issues
-- Targets may be issued for fewer hours than models make; whatever was issued of an origin goes equally far.
SELECT count(*) AS n FROM (
    SELECT target, origin FROM predictions GROUP BY target, origin
    HAVING count(*) FILTER (issuer = 'sextant') > 0
       AND (count(*) FILTER (issuer = 'sextant') <> max(horizon)
            OR count(DISTINCT version_id) FILTER (issuer = 'sextant') <> 1));

-- name: incomplete_others
WITH issues AS (SELECT target, origin, max(horizon) AS n FROM predictions WHERE issuer = 'sextant' GROUP BY ALL)
SELECT count(*) AS n FROM (
    SELECT p.target, p.origin FROM predictions p LEFT JOIN issues i USING (target, origin)
    WHERE p.issuer IN ('reissue', 'shadow')
    GROUP BY p.target, p.origin, p.issuer, p.version_id HAVING count(*) <> coalesce(any_value(i.n), 0));

-- name: crossing_quantiles
SELECT count(*) AS n FROM predictions WHERE NOT (p05 <= p10 AND p10 <= p50 AND p50 <= p90 AND p90 <= p95);

-- name: silent_hours
WITH spans AS (
    SELECT target, min(origin) AS first, max(origin) AS last FROM predictions
    WHERE issuer = 'sextant' AND mode = 'live' GROUP BY target)
SELECT count(*) AS n FROM (SELECT target, unnest(generate_series(first, last, INTERVAL 1 HOUR)) AS origin FROM spans) h
ANTI JOIN (SELECT target, origin FROM predictions WHERE issuer = 'sextant') p USING (target, origin)
ANTI JOIN missed_issues m USING (target, origin);

-- name: dead_runs
SELECT count(*) AS n FROM job_runs WHERE state = 'running' AND NOT list_contains($alive, job);

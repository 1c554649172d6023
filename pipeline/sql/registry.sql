-- name: champion
SELECT * FROM champions WHERE target = $target;

-- name: champion_at
-- The version that was live at $moment: the newest promotion decided by then.
SELECT v.*, p.kind, p.actor, p.reason, p.decided_at, p.number AS decision
FROM promotions p JOIN model_versions v USING (version_id)
WHERE p.target = $target AND p.outcome = 'promoted' AND p.decided_at <= $moment
ORDER BY p.number DESC LIMIT 1;

-- name: timeline
-- One row a reign, oldest first.
SELECT p.version_id, v.family, p.kind, p.actor, p.reason, p.decided_at AS live_from,
       lead(p.decided_at) OVER (ORDER BY p.number) AS live_until
FROM promotions p JOIN model_versions v USING (version_id)
WHERE p.target = $target AND p.outcome = 'promoted'
ORDER BY p.number;

-- name: champions_now
SELECT * FROM champions;

-- name: shadows
-- Of each of $targets the last of its $counts of former champions, newest reign first, then the newest version if it
-- never was champion.
WITH asked AS (SELECT unnest($targets::VARCHAR[]) AS target, unnest($counts::BIGINT[]) AS most),
reigns AS (
    SELECT target, version_id, max(number) AS number FROM promotions
    WHERE list_contains($targets::VARCHAR[], target) AND outcome = 'promoted' GROUP BY target, version_id),
placed AS (SELECT *, row_number() OVER (PARTITION BY target ORDER BY number DESC) AS place FROM reigns),
former AS (
    SELECT version_id, 'former' AS role, number FROM placed JOIN asked USING (target) WHERE place BETWEEN 2 AND most + 1),
newest AS (
    SELECT version_id FROM model_versions WHERE list_contains($targets::VARCHAR[], target)
    QUALIFY number = max(number) OVER (PARTITION BY target)),
challenger AS (SELECT version_id, 'challenger' AS role, 0 AS number FROM newest ANTI JOIN reigns USING (version_id))
SELECT v.*, s.role
FROM (SELECT * FROM former UNION ALL SELECT * FROM challenger) s JOIN model_versions v USING (version_id)
ANTI JOIN retirements USING (version_id)
ORDER BY v.target, s.number DESC;

-- name: rolled_back_from
-- The version the newest rollback left behind, unless a person brought it back since.
WITH back AS (
    SELECT * FROM promotions WHERE target = $target AND outcome = 'promoted' AND kind = 'rollback'
    ORDER BY number DESC LIMIT 1)
SELECT v.* FROM back b JOIN model_versions v ON v.version_id = b.previous_version_id
WHERE NOT EXISTS (
    SELECT 1 FROM promotions p
    WHERE p.target = $target AND p.outcome = 'promoted' AND p.kind <> 'train' AND p.number > b.number
      AND p.version_id = b.previous_version_id);

-- name: version_by_id
SELECT v.*, r.retired_at FROM model_versions v LEFT JOIN retirements r USING (version_id) WHERE version_id = $version_id;

-- name: newest_version
-- The newest trained version of a target; number is 0 when there is none.
SELECT coalesce(max(number), 0) AS number, arg_max(data_hash, number) AS data_hash
FROM model_versions WHERE target = $target;

-- name: newest_deep
-- As of when all families of a target were compared last, up to $now, and the seconds each took when several were.
SELECT max(as_of) FILTER (params->>'depth' = 'deep') AS as_of,
       coalesce(arg_max((params->'seconds')::VARCHAR, number) FILTER (params->>'depth' <> 'quick'), '{}') AS seconds
FROM model_versions WHERE target = $target AND created_at <= $now;

-- name: champion_errors
-- What a new version has to stand up to: errors of the champion's own forecasts, issued or in shadow, and where
-- it made none those of what was issued, unless only its $own count.
SELECT origin, horizon, error FROM accuracy_latest
WHERE target = $target AND status IN ('ok', 'reduced') AND origin BETWEEN $first AND $last
  AND (version_id = $version_id OR (NOT $own AND issuer IN ('sextant', 'reissue')))
QUALIFY row_number() OVER (
    PARTITION BY origin, horizon ORDER BY version_id = $version_id DESC, issuer = 'sextant' DESC, scored_at DESC) = 1
ORDER BY origin, horizon;

-- name: decisions
SELECT count(*) AS n FROM promotions WHERE target = $target;

-- name: artifacts
-- The model files that must be there.
SELECT version_id, artifact, sha256 FROM model_versions ANTI JOIN retirements USING (version_id)
WHERE artifact <> '' ORDER BY version_id;

-- name: surplus_versions
-- Versions beyond the newest $keep that never were champion.
SELECT version_id, artifact FROM model_versions
ANTI JOIN (SELECT version_id FROM promotions WHERE outcome = 'promoted') USING (version_id)
ANTI JOIN retirements USING (version_id)
WHERE target = $target AND number <= (SELECT max(number) FROM model_versions WHERE target = $target) - $keep
ORDER BY number;

-- name: needless_artifacts
-- Files that may lie about without a purpose: of retired versions, and of training runs that made no version.
SELECT artifact FROM model_versions SEMI JOIN retirements USING (version_id) WHERE target = $target
UNION ALL
SELECT $target || '/' || run_id || '.joblib' FROM job_runs
WHERE job = 'train' AND run_id NOT IN (SELECT run_id FROM model_versions WHERE target = $target) AND run_id <> $run_id;

-- name: feature_rows
-- Stored rows of the issues since $since, with the actual of each target hour where it is known by now.
SELECT f.*, a.value AS actual
FROM features f LEFT JOIN actuals_latest a ON a.target = f.target AND a.valid_at = f.valid_at
WHERE f.target = $target AND f.feature_set = $feature_set AND f.origin >= $since
ORDER BY f.origin, f.horizon;

-- name: live_forecasts
-- What the versions forecast for the newest origin that has feature rows.
SELECT version_id, origin, horizon, valid_at, p10, p50, p90,
       CASE issuer WHEN 'shadow' THEN 'shadow' ELSE 'as issued' END AS basis
FROM predictions
WHERE target = $target AND issuer IN ('sextant', 'reissue', 'shadow') AND list_contains($versions, version_id)
  AND origin = (SELECT max(origin) FROM features WHERE target = $target)
QUALIFY row_number() OVER (PARTITION BY version_id, horizon ORDER BY issuer = 'shadow', made_at DESC) = 1
ORDER BY version_id, horizon;

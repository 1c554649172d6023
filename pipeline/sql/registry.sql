-- name: champion
SELECT * FROM champions WHERE target = $target;

-- name: version_by_id
SELECT * FROM model_versions WHERE version_id = $version_id;

-- name: newest_version
-- The newest trained version of a target; number is 0 when there is none.
SELECT coalesce(max(number), 0) AS number, arg_max(data_hash, number) AS data_hash
FROM model_versions WHERE target = $target;

-- name: decisions
SELECT count(*) AS n FROM promotions WHERE target = $target;

-- name: artifacts
SELECT version_id, artifact, sha256 FROM model_versions WHERE artifact <> '' ORDER BY version_id;

-- name: never_trained
SELECT count(*) = 0 AS n FROM model_versions WHERE number > 0;

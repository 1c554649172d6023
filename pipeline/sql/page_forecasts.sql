-- name: page_ramps
-- Actuals from $since to $until with the change against the hour before, where that is known; `hour` is the local hour of day.
SELECT valid_at, hour(timezone($zone, valid_at)) AS hour, value,
       CASE WHEN lag(valid_at) OVER w = valid_at - INTERVAL 1 HOUR THEN value - lag(value) OVER w END AS ramp
FROM actuals_latest WHERE target = $target AND valid_at >= $since AND valid_at < $until
WINDOW w AS (ORDER BY valid_at) ORDER BY valid_at;

-- name: page_widths
-- How wide the band of each hour of the newest issue up to $due is, beside those issued for the same horizon since $since:
-- their median, how many they are and what share of them is narrower.
WITH issued AS (
    SELECT origin, horizon, valid_at, p90 - p10 AS width FROM issued_latest
    WHERE target = $target AND origin >= $since AND origin <= $due AND p10 IS NOT NULL AND p90 IS NOT NULL),
newest AS (
    SELECT * FROM issued
    WHERE origin = (SELECT max(origin) FROM issued_latest WHERE target = $target AND origin <= $due))
SELECT n.horizon, n.valid_at, n.width, count(*) AS n, median(e.width) AS usual,
       avg((e.width < n.width)::DOUBLE) AS narrower
FROM newest n JOIN issued e ON e.horizon = n.horizon AND e.origin < n.origin
GROUP BY ALL ORDER BY n.horizon;

-- name: page_reasons
-- Why the newest issue up to $due moved against the one before it: one row an hour and input.
WITH newest AS (
    SELECT origin FROM predictions WHERE target = $target AND issuer IN ('sextant', 'reissue') AND origin <= $due
    ORDER BY origin DESC LIMIT 1),
issue AS (
    SELECT * FROM predictions
    WHERE target = $target AND issuer IN ('sextant', 'reissue') AND origin = (SELECT origin FROM newest)
    QUALIFY row_number() OVER (PARTITION BY horizon ORDER BY made_at DESC, issuer = 'reissue' DESC) = 1)
SELECT r.horizon, r.valid_at, r.version_id, r.before_origin, r.before_version_id, r.input, r.words, r.moved, r.unit,
       r.effect, r.exact, r.made_at, r.run_id, i.p50
FROM issue i JOIN reasons r
    ON r.target = i.target AND r.origin = i.origin AND r.horizon = i.horizon AND r.version_id = i.version_id
QUALIFY r.made_at = max(r.made_at) OVER ()
ORDER BY r.horizon, r.input = 'rest', abs(r.effect) DESC, r.input;

-- name: page_origins
-- The newest $n issues up to the origin $due, and that of $other however old, newest first: one row each.
SELECT * FROM (
    SELECT origin, made_at, mode, status, issuer, version_id FROM issued_latest
    WHERE target = $target AND origin <= $due AND horizon = 1
    QUALIFY row_number() OVER (ORDER BY origin DESC) <= $n OR origin = $other::TIMESTAMPTZ)
ORDER BY origin DESC;

-- name: page_compared
-- The hours of two issues side by side, with what was measured; `other` columns are those of the issue of origin $other.
WITH one AS (SELECT * FROM issued_latest WHERE target = $target AND origin = $origin),
two AS (SELECT * FROM issued_latest WHERE target = $target AND origin = $other),
fact AS (SELECT valid_at, value FROM actuals_latest WHERE target = $target)
SELECT coalesce(a.valid_at, b.valid_at) AS valid_at, a.horizon, a.p10, a.p50, a.p90,
       b.horizon AS other_horizon, b.p10 AS other_p10, b.p50 AS other_p50, b.p90 AS other_p90,
       a.p50 - b.p50 AS difference, f.value AS actual
FROM one a FULL JOIN two b ON a.valid_at = b.valid_at
LEFT JOIN fact f ON f.valid_at = coalesce(a.valid_at, b.valid_at)
ORDER BY 1;

-- name: page_heads
-- One row for each of the issues of the origins $origin and $other: how it came about and what it knew.
SELECT i.origin, i.made_at, i.written_at, i.mode, i.status, i.reason, i.issuer, i.version_id, i.run_id,
       f.as_of, f.feature_set, f.stale_hours, f.filled_hours
FROM issued_latest i
LEFT JOIN features f ON f.target = i.target AND f.origin = i.origin AND f.horizon = i.horizon
WHERE i.target = $target AND i.origin IN ($origin, $other) AND i.horizon = 1 ORDER BY i.origin DESC;

-- name: page_hour
-- Every issue up to the origin $due that forecast the hour $hour, newest first, with what it knew.
WITH issued AS (
    SELECT * FROM predictions
    WHERE target = $target AND issuer IN ('sextant', 'reissue') AND valid_at = $hour AND origin <= $due
    QUALIFY row_number() OVER (PARTITION BY origin, horizon ORDER BY made_at DESC, issuer = 'reissue' DESC) = 1),
inputs AS (SELECT * FROM features WHERE target = $target AND valid_at = $hour)
SELECT i.origin, i.horizon, i.p10, i.p50, i.p90, i.made_at, i.written_at, i.mode, i.status, i.reason, i.issuer,
       i.version_id, i.run_id, f.as_of, f.feature_set, f.stale_hours, f.filled_hours
FROM issued i LEFT JOIN inputs f ON f.origin = i.origin AND f.horizon = i.horizon
ORDER BY i.origin DESC;

-- name: page_hour_actual
-- The actual of the hour $hour as it is known now, and in how many versions; no row before it is measured.
SELECT value, known_at, written_at, n AS intervals, run_id,
       count(*) OVER () AS versions, last_value(value) OVER w AS first_value
FROM actuals WHERE target = $target AND valid_at = $hour
WINDOW w AS (ORDER BY known_at DESC, written_at DESC ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
QUALIFY row_number() OVER w = 1;

-- name: page_source_version
-- Where the version $version comes from.
SELECT version_id, family, created_at, trained_from, trained_to, data_hash, n_rows, sha256, code_commit, run_id
FROM model_versions WHERE version_id = $version;

-- name: page_steps
-- The moments at which issues began to show: the one before what showed at $at, that one, and the one after it.
-- With $replayed, what was computed afterwards counts from the time it is for.
WITH stored AS (
    SELECT CASE WHEN $replayed AND mode = 'replay' THEN made_at ELSE written_at END AS since, max(origin) AS origin
    FROM predictions WHERE target = $target AND issuer IN ('sextant', 'reissue') AND horizon = 1 GROUP BY since),
-- What was stored later for an older origin never showed as the newest issue.
shown AS (
    SELECT since FROM stored
    QUALIFY origin >= coalesce(max(origin) OVER (ORDER BY since ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), origin)),
current AS (SELECT max(since) AS since FROM shown WHERE since <= $at::TIMESTAMPTZ)
SELECT (SELECT max(s.since) FROM shown s WHERE s.since < c.since) AS before, c.since AS current,
       (SELECT min(s.since) FROM shown s WHERE s.since > $at::TIMESTAMPTZ) AS after
FROM current c;

-- name: page_recomputed
-- How many issues for a time before $at were computed only after it.
SELECT count(DISTINCT origin) AS n FROM predictions
WHERE target = $target AND issuer = 'sextant' AND mode = 'replay' AND made_at <= $at AND written_at > $at;

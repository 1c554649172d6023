-- name: hourly_versions
-- Every version of every complete hour of a series that raw rows seen since $since touch: the mean of its
-- $per_hour values as known at each moment one of them became known.
WITH live AS (SELECT min(seen_at) AS live_from FROM raw WHERE series = $series),
touched AS (
    SELECT DISTINCT date_trunc('hour', valid_at) AS hour FROM raw
    WHERE series = $series AND seen_at >= $since AND valid_at >= $first AND valid_at < $last),
points AS (
    SELECT date_trunc('hour', valid_at) AS hour, valid_at, value, seen_at,
           CASE WHEN made_at < live_from THEN made_at ELSE seen_at END AS known_at
    FROM raw CROSS JOIN live
    WHERE series = $series AND valid_at >= $first AND valid_at < $last
      AND date_trunc('hour', valid_at) IN (SELECT hour FROM touched)),
revised AS (
    SELECT hour, count(DISTINCT valid_at) = 1 AS whole FROM points
    GROUP BY hour HAVING count(*) > count(DISTINCT valid_at)),
moments AS (
    SELECT DISTINCT hour, known_at AS moment FROM points WHERE hour IN (SELECT hour FROM revised WHERE NOT whole)
    UNION ALL
    SELECT hour, max(known_at) FROM points WHERE hour NOT IN (SELECT hour FROM revised) GROUP BY hour),
seen AS (
    SELECT m.hour, m.moment, p.valid_at, p.value
    FROM moments m JOIN points p ON p.hour = m.hour AND p.known_at <= m.moment
    QUALIFY row_number() OVER (PARTITION BY m.hour, m.moment, p.valid_at ORDER BY p.known_at DESC, p.seen_at DESC) = 1
    UNION ALL
    -- An hour that is one value has as many versions as that: weather has dozens, and to pair them would be the square.
    SELECT hour, known_at, valid_at, value FROM points WHERE hour IN (SELECT hour FROM revised WHERE whole)
    QUALIFY row_number() OVER (PARTITION BY hour, known_at ORDER BY seen_at DESC) = 1)
SELECT hour AS valid_at, moment AS known_at, count(*) AS n, avg(value ORDER BY valid_at) AS value,
       coalesce(avg(value ORDER BY valid_at) FILTER (valid_at >= hour + INTERVAL 55 MINUTE), avg(value ORDER BY valid_at)) AS last_05,
       coalesce(avg(value ORDER BY valid_at) FILTER (valid_at >= hour + INTERVAL 45 MINUTE), avg(value ORDER BY valid_at)) AS last_15,
       coalesce(avg(value ORDER BY valid_at) FILTER (valid_at >= hour + INTERVAL 30 MINUTE), avg(value ORDER BY valid_at)) AS last_30
FROM seen GROUP BY hour, moment HAVING count(*) = $per_hour
ORDER BY valid_at, known_at;

-- name: newest_actual
-- The newest actual of a target and when one was written last, up to $now: a clock that was ahead is not believed.
SELECT max(valid_at) FILTER (valid_at <= $now) AS newest, max(written_at) FILTER (written_at <= $now) AS written_at
FROM actuals WHERE target = $target;

-- name: hours_known
-- How many hours of a target were known at $as_of.
SELECT count(DISTINCT valid_at) AS n FROM actuals WHERE target = $target AND known_at <= $as_of;

-- name: actual_versions
-- All versions of the hours from $since on that were known at $as_of.
SELECT valid_at, value, last_05, last_15, last_30, known_at FROM actuals
WHERE target = $target AND valid_at >= $since AND known_at <= $as_of
ORDER BY valid_at, known_at, written_at;

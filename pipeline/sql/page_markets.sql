-- name: page_overview
-- One row a target of $targets that has an issue since $since, up to the origin $due: its hour T+1, by how much that moved
-- against the issue before, its highest and its lowest hour, how the issue came about, and the MAE of the issues made
-- as a forecast should be from $since to $until, over all horizons. Hours within declared events, $firsts to $lasts,
-- are left out of that.
WITH declared AS (SELECT unnest($firsts::TIMESTAMPTZ[]) AS first, unnest($lasts::TIMESTAMPTZ[]) AS last),
issued AS (
    SELECT * FROM issued_latest
    WHERE list_contains($targets::VARCHAR[], target) AND origin >= $since AND origin <= $due),
placed AS (
    SELECT *, dense_rank() OVER (PARTITION BY target ORDER BY origin DESC) AS back FROM issued),
newest AS (SELECT * FROM placed WHERE back = 1),
before AS (SELECT target, valid_at, p50 FROM placed WHERE back = 2),
heads AS (
    SELECT n.target, any_value(n.origin) AS origin, any_value(n.made_at) AS made_at, any_value(n.status) AS status,
           any_value(n.mode) AS mode, arg_min(n.valid_at, n.horizon) AS valid_at, arg_min_null(n.p50, n.horizon) AS p50,
           arg_min_null(n.p50 - b.p50, n.horizon) AS change,
           max(n.p50) AS highest, arg_max(n.valid_at, n.p50) AS highest_at,
           min(n.p50) AS lowest, arg_min(n.valid_at, n.p50) AS lowest_at
    FROM newest n LEFT JOIN before b USING (target, valid_at) GROUP BY n.target),
scored AS (
    SELECT target, avg(abs(error)) AS mae, count(*) AS n FROM accuracy_latest s
    ANTI JOIN declared d ON s.valid_at + INTERVAL 1 HOUR > d.first AND s.valid_at < d.last
    WHERE list_contains($targets::VARCHAR[], target) AND origin >= $since AND origin < $until AND issuer = 'sextant'
      AND status IN ('ok', 'reduced')
    GROUP BY target)
SELECT h.*, s.mae, coalesce(s.n, 0) AS n FROM heads h LEFT JOIN scored s USING (target) ORDER BY h.target;

-- name: page_legs
-- What is known of the two series a spread is made of, by hour from $since on: `minuend` and `series`, each the mean of an
-- hour of which all its values are there ($minuend_per_hour, $series_per_hour).
WITH hourly AS (
    SELECT series, date_trunc('hour', valid_at) AS valid_at, avg(value ORDER BY valid_at) AS value, count(value) AS n
    FROM raw_latest WHERE series IN ($minuend, $series) AND valid_at >= $since
    GROUP BY ALL)
SELECT valid_at,
       max(value) FILTER (series = $minuend AND n = $minuend_per_hour) AS minuend,
       max(value) FILTER (series = $series AND n = $series_per_hour) AS series
FROM hourly GROUP BY valid_at ORDER BY valid_at;

-- name: page_leg_rows
-- The stored values behind one hour of a spread: of $minuend and of $series the newest version of each interval, and how
-- many versions there are.
SELECT series, valid_at, count(*) AS versions, arg_max_null(value, (seen_at, made_at)) AS value,
       arg_max(made_at, (seen_at, made_at)) AS made_at, max(seen_at) AS seen_at,
       arg_max(source, (seen_at, made_at)) AS source, arg_max(run_id, (seen_at, made_at)) AS run_id
FROM raw WHERE series IN ($minuend, $series) AND valid_at >= $hour AND valid_at < $hour::TIMESTAMPTZ + INTERVAL 1 HOUR
GROUP BY series, valid_at ORDER BY series = $series, valid_at;

-- name: gap_reach
-- How far the stored values of $series go back and reach; one row a series that has any.
SELECT series, min(valid_at) AS oldest, max(valid_at) AS newest FROM raw
WHERE list_contains($series::VARCHAR[], series) GROUP BY series;

-- name: gaps_of_series
-- Unbroken runs of missing slots of each of $series within its [$starts, $ends) at its $cadences, outside declared events:
-- how often the source answered without filling them, and what it said last.
WITH declared AS (SELECT unnest($firsts::TIMESTAMPTZ[]) AS first, unnest($lasts::TIMESTAMPTZ[]) AS last),
asked AS (
    SELECT unnest($series::VARCHAR[]) AS series, unnest($starts::TIMESTAMPTZ[]) AS start,
           unnest($ends::TIMESTAMPTZ[]) AS "end", unnest($cadences::INTERVAL[]) AS cadence),
slots AS (
    SELECT series, cadence, unnest(generate_series(start, "end" - cadence, cadence)) AS valid_at FROM asked),
stored AS (SELECT series, valid_at FROM raw WHERE valid_at >= (SELECT min(start) FROM asked)),
missing AS (
    SELECT series, cadence, valid_at,
           epoch(valid_at) - epoch(cadence) * row_number() OVER (PARTITION BY series ORDER BY valid_at) AS hole
    FROM slots s ANTI JOIN stored USING (series, valid_at)
    WHERE NOT EXISTS (FROM declared d WHERE s.valid_at >= d.first AND s.valid_at < d.last)),
gaps AS (
    SELECT series, min(valid_at) AS start_at, max(valid_at) + any_value(cadence) AS end_at, count(*) AS slots
    FROM missing GROUP BY series, hole),
answered AS (
    SELECT g.*, count(f.seen_at) FILTER (f.outcome IN ('ok', 'empty')) AS tries, max(f.seen_at) AS asked_at,
           arg_max(f.outcome, f.seen_at) AS outcome, arg_max(f.message, f.seen_at) AS message
    FROM gaps g LEFT JOIN fetches f
        ON f.series = g.series AND f.window_start <= g.start_at AND f.window_end > g.start_at
    GROUP BY ALL)
SELECT * FROM answered ORDER BY list_position($series::VARCHAR[], series), start_at;

-- name: quality_checked
-- When the days of each of $series were last checked, up to $now, the newest of them, and when the source was last asked
-- for it.
WITH named AS (SELECT unnest($series::VARCHAR[]) AS series),
checked AS (
    SELECT series, max(checked_at) AS checked_at, max(day_start) AS day_start FROM quality
    WHERE list_contains($series::VARCHAR[], series) AND checked_at <= $now GROUP BY series),
asked AS (
    SELECT series, max(seen_at) AS asked_at FROM fetches
    WHERE list_contains($series::VARCHAR[], series) GROUP BY series)
SELECT series, checked_at, day_start, asked_at
FROM named LEFT JOIN checked USING (series) LEFT JOIN asked USING (series);

-- name: touched_days
-- Local days of a series that runs not over before $since wrote to, and all from $recent on; none before the series
-- begins and none after $now. week_start is the local Monday.
WITH runs AS (SELECT run_id FROM job_runs WHERE ended_at IS NULL OR ended_at >= $since),
bounds AS (
    SELECT (min(valid_at) AT TIME ZONE $zone)::DATE AS first, ($now::TIMESTAMPTZ AT TIME ZONE $zone)::DATE AS last
    FROM raw WHERE series = $series),
hours AS (
    SELECT DISTINCT date_trunc('hour', valid_at) AS hour FROM raw
    WHERE series = $series AND run_id IN (SELECT run_id FROM runs)
    UNION
    SELECT date_trunc('hour', try_cast(valid_at AS TIMESTAMPTZ)) FROM quarantine
    WHERE series = $series AND run_id IN (SELECT run_id FROM runs)),
recent AS (
    SELECT unnest(generate_series(greatest(first, ($recent::TIMESTAMPTZ AT TIME ZONE $zone)::DATE), last, INTERVAL 1 DAY))::DATE AS day
    FROM bounds),
days AS (SELECT (hour AT TIME ZONE $zone)::DATE AS day FROM hours UNION SELECT day FROM recent)
SELECT day::TIMESTAMP AT TIME ZONE $zone AS day_start, (day + 1)::TIMESTAMP AT TIME ZONE $zone AS day_end,
       date_trunc('week', day)::TIMESTAMP AT TIME ZONE $zone AS week_start
FROM days, bounds WHERE day BETWEEN first AND last ORDER BY day;

-- name: quality_days
-- One row a day of `batch` (day_start, day_end, week_start): what should be there before $due_before, what is, and what
-- looks wrong. Slots within declared events are left out of everything. off: how far a value lies from the mean of its
-- two neighbours; far: beyond what the same local hour knew in the $past before the day's week, or beyond $jump.
-- flat_min is the newest standstill of $flat_min and more, else the longest one.
WITH declared AS (SELECT unnest($firsts::TIMESTAMPTZ[]) AS first, unnest($lasts::TIMESTAMPTZ[]) AS last),
stored AS MATERIALIZED (
    SELECT valid_at, value, seen_at, made_at FROM raw
    WHERE series = $series AND value IS NOT NULL
      AND valid_at >= (SELECT min(week_start) - $past FROM batch) AND valid_at < (SELECT max(day_end) FROM batch)),
points AS (
    SELECT valid_at, arg_max(value, seen_at) AS value, count(*) - 1 AS revisions
    FROM stored s WHERE NOT EXISTS (FROM declared d WHERE s.valid_at >= d.first AND s.valid_at < d.last)
    GROUP BY valid_at),
changes AS (
    SELECT valid_at, abs(value - lag(value) OVER (PARTITION BY valid_at ORDER BY seen_at, made_at)) AS change
    FROM stored WHERE valid_at IN (SELECT valid_at FROM points WHERE revisions > 0)),
revised AS (SELECT valid_at, sum(change) AS change FROM changes GROUP BY valid_at),
sided AS (
    SELECT *, lag(value) OVER o AS before, lead(value) OVER o AS after,
           lag(valid_at) OVER o = valid_at - $cadence AS joined, lead(valid_at) OVER o = valid_at + $cadence AS goes_on
    FROM points WINDOW o AS (ORDER BY valid_at)),
curved AS (
    SELECT valid_at, value, revisions, hour(valid_at AT TIME ZONE $zone) AS local_hour,
           if(joined AND goes_on, value - (before + after) / 2, NULL) AS off,
           sum(if(joined AND value = before, 0, 1)) OVER (ORDER BY valid_at) AS stand
    FROM sided),
shaped AS (
    -- The neighbour of a jump is off too; which of them jumped is known once both are judged.
    SELECT *, abs(off) > coalesce(lag(abs(off)) OVER o, 0) AND abs(off) >= coalesce(lead(abs(off)) OVER o, 0)
               AND lead(valid_at, 2) OVER o IS NOT NULL AS peak,
           min(valid_at) OVER (PARTITION BY stand) AS stands_from
    FROM curved WINDOW o AS (ORDER BY valid_at)),
weeks AS (SELECT DISTINCT week_start FROM batch),
known AS (
    SELECT w.week_start, c.local_hour, quantile_cont(c.off, 0.02) AS low, quantile_cont(c.off, 0.98) AS high
    FROM weeks w JOIN curved c ON c.valid_at >= w.week_start - $past AND c.valid_at < w.week_start
    GROUP BY ALL HAVING count(c.off) >= $least),
ranges AS (
    SELECT w.week_start, quantile_cont(c.value, 0.95) - quantile_cont(c.value, 0.05) AS range
    FROM weeks w JOIN curved c ON c.valid_at >= w.week_start - $past AND c.valid_at < w.week_start GROUP BY ALL),
placed AS (
    SELECT s.*, b.day_start, b.week_start, (epoch(s.valid_at - s.stands_from) + epoch($cadence)) / 60 AS stood
    FROM shaped s ASOF JOIN batch b ON s.valid_at >= b.day_start WHERE s.valid_at < b.day_end),
judged AS (
    SELECT p.*, if($resting AND p.value = 0, 0, p.stood) AS flat,
           if(flat >= $flat_min, 1e12 + epoch(p.valid_at), flat) AS standing, $judged AND p.peak AND coalesce(
               if($jump::DOUBLE IS NULL,
                  greatest(p.off - k.high, k.low - p.off) > 2 * (k.high - k.low) AND abs(p.off) > 0.08 * r.range,
                  abs(p.off) > $jump::DOUBLE), false) AS far
    FROM placed p LEFT JOIN known k USING (week_start, local_hour) LEFT JOIN ranges r USING (week_start)),
figures AS (
    SELECT day_start, arg_max(flat, standing) AS flat_min, arg_max(stands_from, standing) AS flat_from, count(*) FILTER (far) AS jumps,
           arg_max(off, if(far, 1e18, 0) + abs(off)) FILTER ($judged) AS largest_jump,
           arg_max(valid_at, if(far, 1e18, 0) + abs(off)) FILTER ($judged) AS jump_at,
           sum(j.revisions) AS revisions, sum(v.change) / sum(j.revisions) AS revised_mean
    FROM judged j LEFT JOIN revised v USING (valid_at) GROUP BY day_start),
begun AS (SELECT min(valid_at) AS oldest FROM raw WHERE series = $series),
slots AS (
    SELECT day_start, unnest(generate_series(
        greatest(day_start, oldest), least(day_end, $due_before::TIMESTAMPTZ) - $cadence, $cadence)) AS valid_at
    FROM batch, begun),
grid AS (
    SELECT s.*, p.valid_at IS NOT NULL AS present FROM slots s LEFT JOIN points p USING (valid_at)
    WHERE NOT EXISTS (FROM declared d WHERE s.valid_at >= d.first AND s.valid_at < d.last)),
counts AS (
    SELECT day_start, count(*) AS expected, count(*) FILTER (present) AS present FROM grid GROUP BY day_start),
holes AS (
    SELECT day_start, epoch(valid_at) - epoch($cadence) * row_number() OVER (PARTITION BY day_start ORDER BY valid_at) AS hole
    FROM grid WHERE NOT present),
longest AS (
    SELECT day_start, max(n) * epoch($cadence) / 60 AS minutes
    FROM (SELECT day_start, count(*) AS n FROM holes GROUP BY day_start, hole) GROUP BY day_start),
refused AS (
    SELECT try_cast(valid_at AS TIMESTAMPTZ) AS valid_at, reason, seen_at FROM quarantine WHERE series = $series),
-- An absurd value that was put right since is no flaw any more.
absurd AS (
    SELECT valid_at FROM refused r WHERE reason LIKE '% is outside %'
      AND NOT EXISTS (FROM declared d WHERE r.valid_at >= d.first AND r.valid_at < d.last)
      AND NOT EXISTS (FROM stored s WHERE s.valid_at = r.valid_at AND s.seen_at > r.seen_at)),
flaws AS (
    SELECT b.day_start, count(DISTINCT a.valid_at) AS out_of_range,
           count(DISTINCT r.valid_at) FILTER (r.reason LIKE '% stated more than once %') AS duplicates,
           count(DISTINCT r.valid_at) FILTER (r.reason LIKE '% is not on the %') AS off_grid
    FROM batch b JOIN refused r ON r.valid_at >= b.day_start AND r.valid_at < b.day_end
    LEFT JOIN absurd a ON a.valid_at = r.valid_at GROUP BY b.day_start),
days AS (
    SELECT b.day_start, b.day_end, coalesce(c.expected, 0) AS expected, coalesce(c.present, 0) AS present,
           coalesce(c.expected - c.present, 0) AS missing, coalesce(l.minutes, 0) AS longest_gap_min,
           coalesce(f.flat_min, 0)::DOUBLE AS flat_min, if(f.flat_min > 0, f.flat_from, NULL) AS flat_from,
           coalesce(w.out_of_range, 0) AS out_of_range, coalesce(f.jumps, 0) AS jumps, f.largest_jump,
           f.jump_at,
           coalesce(w.duplicates, 0) AS duplicates, coalesce(w.off_grid, 0) AS off_grid,
           coalesce(f.revisions, 0)::BIGINT AS revisions, f.revised_mean,
           b.day_end - b.day_start <> INTERVAL 24 HOUR AS clock_change
    FROM batch b LEFT JOIN counts c USING (day_start) LEFT JOIN longest l USING (day_start)
    LEFT JOIN figures f USING (day_start) LEFT JOIN flaws w USING (day_start))
SELECT *, CASE WHEN out_of_range > 0 THEN 'range' WHEN flat_min >= $flat_min THEN 'flat' WHEN jumps > 0 THEN 'jumps'
               WHEN missing > 0 THEN 'gaps' WHEN day_end > $due_before::TIMESTAMPTZ THEN 'partial' ELSE 'ok' END AS verdict
FROM days ORDER BY day_start;

-- name: quality_recent
-- Days of the $series that reach beyond $since, beside the usual mean revision of the eight weeks before.
WITH usual AS (
    SELECT series, median(revised_mean) AS usual_revision, count(revised_mean) AS revised_days FROM quality
    WHERE day_end <= $since AND day_start >= $since - INTERVAL 56 DAY GROUP BY series)
SELECT q.*, u.usual_revision, coalesce(u.revised_days, 0) AS revised_days
FROM quality q LEFT JOIN usual u USING (series)
WHERE list_contains($series::VARCHAR[], q.series) AND q.day_end > $since
ORDER BY q.series, q.day_start;

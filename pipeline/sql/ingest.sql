-- name: newest_point
SELECT max(valid_at) AS newest, min(valid_at) AS oldest FROM raw WHERE series = $series;

-- name: unanswered
-- Stretches of [start, end) that no answered window covers. One that was refused after $refused_since is left too: the
-- same question would be refused again.
WITH answered AS (
    SELECT window_start, window_end FROM fetches
    WHERE series = $series AND window_end > $start AND window_start < $end
      AND (outcome IN ('ok', 'empty')
           OR outcome IN ('not_yet_published', 'bad_request', 'schema_changed') AND seen_at > $refused_since)
    UNION ALL SELECT $start, $start
    UNION ALL SELECT $end, $end),
reached AS (
    SELECT max(window_end) OVER (ORDER BY window_start, window_end ROWS UNBOUNDED PRECEDING) AS start_at,
           lead(window_start) OVER (ORDER BY window_start, window_end) AS end_at FROM answered)
SELECT greatest(start_at, $start) AS start_at, least(end_at, $end) AS end_at FROM reached
WHERE end_at > start_at AND end_at > $start AND start_at < $end
ORDER BY start_at;

-- name: stored_slots
SELECT count(DISTINCT valid_at) AS n FROM raw WHERE series = $series AND valid_at >= $start AND valid_at < $end;

-- name: changed_points
-- Points of `batch` that are new or differ from the newest stored value, whether they revise one and if so whether they
-- say to have been made later than what they revise.
WITH stored AS (
    SELECT series, valid_at, arg_max(value, seen_at) AS value, arg_max(made_at, seen_at) AS made_at FROM raw
    WHERE list_contains($series, series) AND valid_at BETWEEN $first AND $last
    GROUP BY series, valid_at)
SELECT b.*, s.value IS NOT NULL AS revised, coalesce(b.made_at > s.made_at, false) AS newer
FROM batch b LEFT JOIN stored s USING (series, valid_at)
WHERE s.value IS DISTINCT FROM b.value
ORDER BY b.series, b.valid_at;

-- name: missing_slots
-- Grid slots of [start, end) without a value that were not already asked for in vain `tries` times.
WITH grid AS (SELECT unnest(generate_series($start, $end - $cadence, $cadence)) AS valid_at),
stored AS (SELECT DISTINCT valid_at FROM raw WHERE series = $series AND valid_at >= $start AND valid_at < $end),
asked AS (
    SELECT window_start, window_end FROM fetches
    WHERE series = $series AND outcome IN ('ok', 'empty') AND window_end > $start AND window_start < $end)
SELECT g.valid_at FROM grid g ANTI JOIN stored USING (valid_at)
WHERE (SELECT count(*) FROM asked a WHERE a.window_start <= g.valid_at AND g.valid_at < a.window_end) < $tries
ORDER BY g.valid_at;

-- name: held_back
-- Why and until when $source is not to be asked, by what it answered last; no row when it may be asked.
-- The run $run_id is somebody's own when no scheduler asked for it: they may have mended the token just now.
SELECT outcome, message, again_at FROM fetches
WHERE source = $source AND seen_at = (SELECT max(seen_at) FROM fetches WHERE source = $source AND seen_at <= $now)
  AND again_at > $now
  AND NOT (outcome = 'auth' AND run_id != $run_id
           AND EXISTS (FROM job_runs WHERE run_id = $run_id AND requested_by != 'scheduler'))
ORDER BY again_at DESC LIMIT 1;

-- name: files_read
-- Which states of which files of $source were read for which series.
SELECT DISTINCT series, message FROM fetches WHERE source = $source AND outcome = 'ok' AND message != '';

-- name: last_words
-- What $source said last of the present of each of $names, when, and whether a scheduler asked for the run $run_id. A run
-- out of time has asked only for the past.
SELECT series, outcome, seen_at, EXISTS (FROM job_runs WHERE run_id = $run_id AND requested_by = 'scheduler') AS scheduled
FROM fetches
WHERE source = $source AND list_contains($names, series) AND seen_at <= $now AND window_end > seen_at - INTERVAL 1 DAY
QUALIFY row_number() OVER (PARTITION BY series ORDER BY seen_at DESC, window_end DESC) = 1;

-- name: silent_at
-- When $source was last asked for any of $names, if it did not answer then; else no row.
WITH asked AS (
    SELECT outcome, seen_at FROM fetches WHERE source = $source AND list_contains($names, series) AND seen_at <= $now)
SELECT seen_at FROM asked WHERE outcome = 'transient' AND seen_at = (SELECT max(seen_at) FROM asked) LIMIT 1;

-- name: keys_answered
-- By which key $source answered each of $names last, as far as that is written down.
SELECT series, arg_max(message, seen_at) AS key FROM fetches
WHERE source = $source AND list_contains($names, series) AND outcome = 'ok' AND message != '' GROUP BY series;

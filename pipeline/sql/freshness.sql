-- name: freshness
-- One row a series of $series: its newest value and what the source last said, of what was asked since $since. Of several windows asked in the
-- same run the one that reaches furthest counts. failing_since: the first refusal after the last answer.
-- A file that was read (each look into a folder leaves a row of its own) and a window that ends more than $behind
-- before it was asked, as those of a backfill do, say nothing of what is new; but a source that refuses us or is silent
-- there may be asked nothing else in that run.
WITH names AS (SELECT unnest($series::VARCHAR[]) AS series, unnest($behind::INTERVAL[]) AS behind),
points AS (SELECT series, max(valid_at) AS newest FROM raw WHERE series IN (SELECT series FROM names) GROUP BY series),
furthest AS (
    SELECT f.* FROM fetches f JOIN names n USING (series)
    WHERE seen_at >= $since AND (source <> 'files' OR outcome <> 'ok') AND (window_end > seen_at - behind OR outcome IN ('auth', 'throttled', 'transient'))
    QUALIFY row_number() OVER (PARTITION BY series, run_id ORDER BY window_end DESC, seen_at DESC) = 1),
asked AS (
    SELECT *, max(seen_at) FILTER (outcome IN ('ok', 'empty', 'not_yet_published')) OVER (PARTITION BY series) AS answered_at,
           min(seen_at) FILTER (outcome != 'not_ready') OVER (PARTITION BY series) AS first_asked_at
    FROM furthest),
last AS (
    SELECT series, source, outcome, message, rows_quarantined, seen_at AS asked_at, again_at, answered_at, first_asked_at FROM asked
    QUALIFY row_number() OVER (PARTITION BY series ORDER BY seen_at DESC) = 1),
failing AS (
    SELECT series, min(seen_at) AS failing_since FROM asked
    WHERE answered_at IS NULL OR seen_at > answered_at GROUP BY series)
SELECT n.series, p.newest, l.* EXCLUDE (series), f.failing_since
FROM names n LEFT JOIN points p USING (series) LEFT JOIN last l USING (series) LEFT JOIN failing f USING (series);

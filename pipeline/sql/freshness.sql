-- name: freshness
-- One row a series of $series: its newest value and what the source last said. Of several windows asked at the
-- same time the one that reaches furthest counts. failing_since: the first refusal after the last answer.
WITH names AS (SELECT unnest($series::VARCHAR[]) AS series),
points AS (SELECT series, max(valid_at) AS newest FROM raw WHERE series IN (SELECT series FROM names) GROUP BY series),
asked AS (
    SELECT *, max(seen_at) FILTER (outcome IN ('ok', 'empty', 'not_yet_published')) OVER (PARTITION BY series) AS answered_at,
           min(seen_at) OVER (PARTITION BY series) AS first_asked_at
    FROM fetches WHERE series IN (SELECT series FROM names)),
last AS (
    SELECT series, source, outcome, message, rows_quarantined, seen_at AS asked_at, answered_at, first_asked_at FROM asked
    QUALIFY row_number() OVER (PARTITION BY series ORDER BY seen_at DESC, window_end DESC) = 1),
failing AS (
    SELECT series, min(seen_at) AS failing_since FROM asked
    WHERE answered_at IS NULL OR seen_at > answered_at GROUP BY series)
SELECT n.series, p.newest, l.* EXCLUDE (series), f.failing_since
FROM names n LEFT JOIN points p USING (series) LEFT JOIN last l USING (series) LEFT JOIN failing f USING (series);

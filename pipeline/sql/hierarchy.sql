-- name: page_hierarchy_forecast
-- The newest issue of $total up to the origin $due against the issues of $parts (a list of targets) of that same origin,
-- one row an hour: horizon, origin, valid_at, total (its p50), parts (the sum of theirs), difference (parts - total, in
-- the target's unit), percent (of the total), n_known, n_parts and missing (those without a forecast of that hour).
-- parts, difference and percent are empty unless all are known, difference and percent also where the total is withheld.
WITH newest AS (SELECT max(origin) AS origin FROM predictions WHERE target = $total AND issuer = 'sextant' AND origin <= $due),
issued AS (
    SELECT target, horizon, valid_at, p50 FROM issued_latest
    WHERE (target = $total OR list_contains($parts::VARCHAR[], target)) AND origin = (SELECT origin FROM newest)),
summed AS (
    SELECT horizon, sum(p50 ORDER BY target) AS known, coalesce(list(target) FILTER (p50 IS NOT NULL), []) AS have
    FROM issued WHERE target <> $total GROUP BY horizon),
lined AS (
    SELECT t.horizon, t.valid_at, t.p50 AS total, s.known,
           list_filter($parts::VARCHAR[], lambda part: NOT list_contains(coalesce(s.have, []), part)) AS missing
    FROM issued t LEFT JOIN summed s USING (horizon) WHERE t.target = $total)
SELECT horizon, (SELECT origin FROM newest) AS origin, valid_at, total, CASE WHEN len(missing) = 0 THEN known END AS parts,
       parts - total AS difference, 100 * difference / nullif(abs(total), 0) AS percent,
       len($parts::VARCHAR[]) - len(missing) AS n_known, len($parts::VARCHAR[]) AS n_parts, missing
FROM lined ORDER BY horizon;

-- name: page_hierarchy_actuals
-- The same of what was measured in the hours [$since, $until), of every hour of which the total or a part is known:
-- valid_at, total, parts, difference, percent, n_known, n_parts, missing (parts not known) and total_known (false: only
-- parts are). parts is empty unless all are known, difference and percent also where the total is not.
WITH measured AS (
    SELECT target, valid_at, value FROM actuals_latest
    WHERE (target = $total OR list_contains($parts::VARCHAR[], target)) AND valid_at >= $since AND valid_at < $until),
hours AS (
    SELECT valid_at, max(value) FILTER (target = $total) AS total,
           sum(value ORDER BY target) FILTER (target <> $total) AS known,
           coalesce(list(target) FILTER (target <> $total), []) AS have
    FROM measured GROUP BY valid_at),
lined AS (
    SELECT *, list_filter($parts::VARCHAR[], lambda part: NOT list_contains(have, part)) AS missing FROM hours)
SELECT valid_at, total, CASE WHEN len(missing) = 0 THEN known END AS parts, parts - total AS difference,
       100 * difference / nullif(abs(total), 0) AS percent,
       len($parts::VARCHAR[]) - len(missing) AS n_known, len($parts::VARCHAR[]) AS n_parts, missing,
       total IS NOT NULL AS total_known
FROM lined ORDER BY valid_at;

-- name: page_freshness
-- One row: what was issued last, up to the origin $due, and how far the actuals reach.
WITH newest AS (
    SELECT origin FROM predictions WHERE target = $target AND issuer IN ('sextant', 'reissue') AND origin <= $due
    ORDER BY origin DESC LIMIT 1),
issued AS (
    SELECT origin, made_at, mode, status, version_id, issuer FROM predictions
    WHERE target = $target AND issuer IN ('sextant', 'reissue') AND origin = (SELECT origin FROM newest)
    ORDER BY horizon, made_at DESC, issuer = 'reissue' DESC LIMIT 1),
known AS (
    SELECT max(valid_at) AS newest_actual, max(known_at) AS actuals_known_at FROM actuals WHERE target = $target)
SELECT k.*, i.origin, i.made_at, i.mode, i.status, i.version_id, i.issuer FROM known k LEFT JOIN issued i ON true;

-- name: page_issue
-- The newest issue up to the origin $due, one row a horizon, beside the issue before it for the same hours.
WITH newest AS (
    SELECT origin FROM predictions WHERE target = $target AND issuer IN ('sextant', 'reissue') AND origin <= $due
    ORDER BY origin DESC LIMIT 1),
before AS (
    SELECT origin FROM predictions
    WHERE target = $target AND issuer IN ('sextant', 'reissue') AND origin < (SELECT origin FROM newest)
    ORDER BY origin DESC LIMIT 1),
-- Two origins of years: whatever is joined is cut to them first.
made AS (
    SELECT * FROM predictions WHERE target = $target AND origin <= (SELECT origin FROM newest)
      AND origin >= (SELECT coalesce(b.origin, n.origin) FROM newest n LEFT JOIN before b ON true)),
sextant AS (
    SELECT * FROM made WHERE issuer IN ('sextant', 'reissue')
    QUALIFY row_number() OVER (PARTITION BY origin, horizon ORDER BY made_at DESC, issuer = 'reissue' DESC) = 1),
inputs AS (SELECT * FROM features WHERE target = $target AND origin = (SELECT origin FROM newest))
SELECT s.horizon, s.valid_at, s.origin, s.made_at, s.mode, s.status, s.reason, s.version_id, s.issuer,
       first.made_at AS first_made_at, first.version_id AS first_version_id,
       s.p05, s.p10, s.p50, s.p90, s.p95, s.p50 - b.p50 AS change,
       o.p50 AS operator, f.as_of, f.stale_hours, f.filled_hours
FROM sextant s
LEFT JOIN sextant b ON b.valid_at = s.valid_at AND b.origin = (SELECT origin FROM before)
LEFT JOIN made o ON o.origin = s.origin AND o.horizon = s.horizon AND o.issuer = 'operator'
LEFT JOIN made first ON first.origin = s.origin AND first.horizon = s.horizon AND first.issuer = 'sextant'
LEFT JOIN inputs f ON f.origin = s.origin AND f.horizon = s.horizon
WHERE s.origin = (SELECT origin FROM newest)
ORDER BY s.horizon;

-- name: page_fan
-- Every hour from $since to the end of the newest issue up to the origin $due: actual, T+1 hindcast with its band, operator,
-- previous and newest issue. The spine has no holes, so a gap in the data is a gap in the line.
WITH shown AS (
    SELECT * FROM predictions
    WHERE target = $target AND origin >= $since - INTERVAL 8 HOUR AND origin <= $due),
sextant AS (
    SELECT * FROM issued_latest
    WHERE target = $target AND origin >= $since - INTERVAL 8 HOUR AND origin <= $due),
newest AS (SELECT max(origin) AS origin FROM sextant),
before AS (SELECT max(origin) AS origin FROM sextant WHERE origin < (SELECT origin FROM newest)),
fact AS (SELECT valid_at, value FROM actuals_latest WHERE target = $target AND valid_at >= $since),
reach AS (SELECT max(valid_at) AS last FROM (SELECT valid_at FROM shown UNION ALL SELECT valid_at FROM fact)),
spine AS (SELECT unnest(generate_series(date_trunc('hour', $since::TIMESTAMPTZ), (SELECT last FROM reach), INTERVAL 1 HOUR)) AS valid_at),
operator AS (
    SELECT valid_at, p50 FROM shown WHERE issuer = 'operator'
    QUALIFY row_number() OVER (PARTITION BY valid_at ORDER BY horizon = 1 DESC, origin DESC) = 1)
SELECT p.valid_at, a.value AS actual, o.p50 AS operator,
       h.p10 AS hindcast_p10, h.p50 AS hindcast, h.p90 AS hindcast_p90,
       b.p50 AS previous, n.p10, n.p50, n.p90, n.horizon,
       h.p50 - a.value AS error, a.value BETWEEN h.p10 AND h.p90 AS in_band
FROM spine p
LEFT JOIN fact a USING (valid_at)
LEFT JOIN operator o USING (valid_at)
LEFT JOIN sextant h ON h.valid_at = p.valid_at AND h.horizon = 1
LEFT JOIN sextant b ON b.valid_at = p.valid_at AND b.origin = (SELECT origin FROM before)
LEFT JOIN sextant n ON n.valid_at = p.valid_at AND n.origin = (SELECT origin FROM newest)
ORDER BY p.valid_at;

-- name: page_issues
-- How many issues of the window were made live, replayed, fell back or were withheld, and how many were missed.
SELECT count(DISTINCT origin) AS n, count(DISTINCT origin) FILTER (mode = 'replay') AS replayed,
       count(DISTINCT origin) FILTER (status = 'reduced') AS reduced,
       count(DISTINCT origin) FILTER (status = 'fallback') AS fallback,
       count(DISTINCT origin) FILTER (status = 'withheld') AS withheld,
       (SELECT count(*) FROM missed_issues m
        WHERE m.target = $target AND m.origin >= $since AND m.origin < $until AND NOT starts_with(m.reason, 'not due')) AS missed
FROM predictions WHERE target = $target AND issuer = 'sextant' AND origin >= $since AND origin < $until;

-- name: page_versions
-- Versions of a target, newest first; `mae` is the backtest's mean over the horizons, as the train job has it,
-- `live_mae` that of its own forecasts since $since, issued or in shadow, without hours of declared events, $firsts to
-- $lasts. `hold_out_n` is the fewest forecasts of a horizon.
WITH declared AS (SELECT unnest($firsts::TIMESTAMPTZ[]) AS first, unnest($lasts::TIMESTAMPTZ[]) AS last),
scores AS (
    SELECT run_id, family, avg(mae) AS mae, avg(coverage) AS coverage, min(n) AS hold_out_n,
           min(window_start) AS hold_out_from, max(window_end) AS hold_out_to
    FROM backtests WHERE target = $target AND kind = 'hold_out' AND slice = 'all' GROUP BY run_id, family),
own AS (
    SELECT version_id, origin, error, issuer = 'shadow' AS in_shadow FROM accuracy_latest s
    ANTI JOIN declared d ON s.valid_at + INTERVAL 1 HOUR > d.first AND s.valid_at < d.last
    WHERE target = $target AND origin >= $since AND issuer IN ('sextant', 'reissue', 'shadow')
      AND status IN ('ok', 'reduced')
    QUALIFY row_number() OVER (PARTITION BY version_id, origin, horizon ORDER BY issuer = 'shadow', issuer = 'reissue') = 1),
live AS (
    SELECT version_id, avg(abs(error)) AS live_mae, count(DISTINCT origin) AS live_n,
           count(DISTINCT origin) FILTER (in_shadow) AS shadow_n
    FROM own GROUP BY version_id),
reigns AS (SELECT DISTINCT version_id FROM promotions WHERE target = $target AND outcome = 'promoted')
SELECT v.version_id, v.version_id = c.version_id AS is_champion, g.version_id IS NOT NULL AS was_champion,
       v.family, v.created_at, v.trained_from, v.trained_to, v.n_rows, s.mae, s.coverage,
       s.hold_out_n, s.hold_out_from, s.hold_out_to, l.live_mae, l.live_n, l.shadow_n, r.retired_at, r.reason AS retired_why,
       v.data_hash, v.code_commit, v.sha256
FROM model_versions v
LEFT JOIN scores s ON s.run_id = v.run_id AND s.family = v.family
LEFT JOIN live l USING (version_id)
LEFT JOIN reigns g USING (version_id)
LEFT JOIN retirements r USING (version_id)
LEFT JOIN champions c ON c.target = v.target
WHERE v.target = $target
ORDER BY v.created_at DESC, v.version_id DESC;

-- name: page_promotions
SELECT number, decided_at, kind, outcome, version_id, previous_version_id, actor, reason, run_id,
       evidence::VARCHAR AS evidence
FROM promotions WHERE target = $target ORDER BY number DESC LIMIT $n;

-- name: page_waiting
-- Candidates that wait for a person, newest first: last judged so, and after the last change of champion.
WITH judged AS (
    SELECT * FROM promotions WHERE target = $target
    QUALIFY row_number() OVER (PARTITION BY version_id ORDER BY number DESC) = 1)
SELECT j.version_id, v.family, j.decided_at, j.reason, j.evidence::VARCHAR AS evidence
FROM judged j JOIN model_versions v USING (version_id)
ANTI JOIN retirements USING (version_id)
WHERE j.outcome = 'waiting' AND j.number > coalesce(
    (SELECT max(number) FROM promotions WHERE target = $target AND outcome = 'promoted'), 0)
ORDER BY j.number DESC;

-- name: page_drift
-- The newest check of a target: what drifted first, then the largest effects.
WITH newest AS (SELECT arg_max(run_id, checked_at) AS run_id FROM drift WHERE target = $target)
SELECT kind, subject, drifted, effect, psi, ks, p_value, p_adjusted, n, n_reference, window_start, window_end, checked_at
FROM drift WHERE target = $target AND run_id = (SELECT run_id FROM newest)
ORDER BY drifted DESC, effect DESC NULLS LAST, kind, subject;

-- name: page_backtest
-- The newest comparison of families on a hold-out: one row a family and horizon; last_hour is a rule beside them.
WITH newest AS (
    SELECT run_id FROM backtests WHERE target = $target AND kind = 'hold_out' GROUP BY run_id
    ORDER BY count(DISTINCT family) FILTER (family <> 'last_hour') > 1 DESC, max(scored_at) DESC LIMIT 1)
SELECT family, horizon, n, mae, rmse, mape, bias, mase, pinball_loss, coverage, window_start, window_end, scored_at
FROM backtests WHERE target = $target AND slice = 'all' AND run_id = (SELECT run_id FROM newest)
ORDER BY family, horizon;

-- name: page_families
-- The same, mean over the horizons, best first.
WITH newest AS (
    SELECT run_id FROM backtests WHERE target = $target AND kind = 'hold_out' GROUP BY run_id
    ORDER BY count(DISTINCT family) FILTER (family <> 'last_hour') > 1 DESC, max(scored_at) DESC LIMIT 1)
SELECT family, min(n) AS n, avg(mae) AS mae, sqrt(avg(rmse ** 2)) AS rmse, avg(bias) AS bias, avg(mase) AS mase,
       avg(coverage) AS coverage, avg(hit_rate) AS hit_rate, avg(tail_mae) AS tail_mae, avg(profit) AS profit,
       avg(pinball_loss) AS pinball_loss, min(window_start) AS window_start, max(window_end) AS window_end
FROM backtests WHERE target = $target AND slice = 'all' AND run_id = (SELECT run_id FROM newest)
GROUP BY family ORDER BY mae;

-- name: page_slices
-- The newest backtest on demand: one row a family and slice, over all horizons together but for the slices T+1..T+6.
WITH newest AS (SELECT arg_max(run_id, scored_at) AS run_id FROM backtests WHERE target = $target AND kind = 'backtest')
SELECT family, if(horizon = 0, slice, 'T+' || horizon) AS slice, n, mae, mae_se, bias, mase, coverage,
       hit_rate, tail_mae, profit, skill_naive, skill_naive_se, skill_operator, skill_operator_se, p_value, window_start, window_end, scored_at
FROM backtests WHERE target = $target AND kind = 'backtest' AND run_id = (SELECT run_id FROM newest)
ORDER BY slice, mae;

-- name: page_audit
SELECT acted_at, actor, role, action, subject, outcome, reason, detail::VARCHAR AS detail
FROM audit WHERE action = $action OR $action = 'all'
ORDER BY acted_at DESC, outcome = 'started', audit_id LIMIT $n;

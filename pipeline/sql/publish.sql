-- name: publishable
-- Live forecasts of a target as issued or issued again, made at $since or later and stored by $now, by their making.
SELECT p.target, p.origin, p.horizon, p.valid_at, p.issuer, p.version_id, v.family, p.p50, p.made_at
FROM predictions p JOIN model_versions v USING (version_id)
WHERE p.target = $target AND p.issuer IN ('sextant', 'reissue') AND p.mode = 'live' AND p.p50 IS NOT NULL
  AND p.made_at >= $since AND p.written_at <= $now
ORDER BY p.made_at, p.issuer = 'reissue', p.origin, p.horizon;

-- name: publish_ready
-- Whether some target has a live forecast that came after the newest run that published; not within an hour of
-- a refusal of our login, which might be locked if it were tried every five minutes.
WITH issued AS (
    SELECT max(written_at) AS newest FROM predictions
    WHERE target IN (SELECT unnest($targets)) AND issuer IN ('sextant', 'reissue') AND mode = 'live'
      AND p50 IS NOT NULL AND written_at <= $now),
past AS (
    SELECT max(started_at) FILTER (state = 'succeeded') AS done, max(ended_at) FILTER (failure = 'auth') AS refused
    FROM job_runs WHERE job = 'publish')
SELECT newest IS NOT NULL AND (done IS NULL OR newest > done)
       AND (refused IS NULL OR refused <= $now - INTERVAL 1 HOUR OR coalesce(refused < done, false)) AS ready
FROM issued, past;

-- name: run_by_id
SELECT * FROM job_runs WHERE run_id = $run_id;

-- name: open_runs
-- Runs that wait or claim to be running, oldest first.
SELECT * FROM job_runs WHERE state IN ('queued', 'running') ORDER BY queued_at, run_id;

-- name: run_of_slot
-- The run that stands for a planned moment; a failed one does too, its further tries are its own.
SELECT run_id FROM job_runs WHERE job = $job AND slot_at = $slot_at ORDER BY queued_at LIMIT 1;

-- name: run_durations
-- What a job usually takes: its last $n runs that did something and went well.
WITH newest AS (
    SELECT epoch(ended_at - started_at) AS took_s FROM job_runs
    WHERE job = $job AND state = 'succeeded' ORDER BY started_at DESC LIMIT $n)
SELECT median(took_s) AS median_s, count(*) AS n FROM newest;

-- name: run_record
-- How the runs of a job went that were asked for since $since.
SELECT count(*) FILTER (state IN ('succeeded', 'skipped')) AS good, count(*) FILTER (state = 'failed') AS failed,
       count(*) FILTER (state = 'cancelled') AS cancelled, count(*) FILTER (state = 'missed') AS missed
FROM job_runs WHERE job = $job AND queued_at >= $since;

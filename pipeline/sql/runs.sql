-- name: run_by_id
SELECT * FROM job_runs WHERE run_id = $run_id;

-- name: open_runs
-- Runs that wait or claim to be running, oldest first.
SELECT * FROM job_runs WHERE state IN ('queued', 'running') ORDER BY queued_at, run_id;

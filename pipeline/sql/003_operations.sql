-- Runs with tries, deadlines and what they cost; the timetable; missed issues; data quality; alerts; capacity; backups.
-- slot_at is the planned moment a run stands for, due_at the moment before which it may not start, failure the class
-- of what went wrong (failures.py), first_run_id the run whose failure this one tries to make good, born the start of
-- the process in seconds since the machine started, so that a pid used again is not taken for it.
ALTER TABLE job_runs ADD COLUMN slot_at TIMESTAMPTZ;
ALTER TABLE job_runs ADD COLUMN due_at TIMESTAMPTZ;
ALTER TABLE job_runs ADD COLUMN attempt BIGINT DEFAULT 1;
ALTER TABLE job_runs ADD COLUMN first_run_id VARCHAR;
ALTER TABLE job_runs ADD COLUMN failure VARCHAR;
ALTER TABLE job_runs ADD COLUMN born DOUBLE;
ALTER TABLE job_runs ADD COLUMN cpu_s DOUBLE;
ALTER TABLE job_runs ADD COLUMN peak_mb DOUBLE;
ALTER TABLE job_runs ADD COLUMN cancel_asked_at TIMESTAMPTZ;
ALTER TABLE job_runs ADD COLUMN cancel_by VARCHAR;
ALTER TABLE job_runs ADD COLUMN cancel_reason VARCHAR;
ALTER TABLE job_runs ALTER COLUMN attempt SET NOT NULL;

-- Before when a source that refused or throttled us is not asked again.
ALTER TABLE fetches ADD COLUMN again_at TIMESTAMPTZ;

-- What waits to be run, in the order it was asked for.
CREATE VIEW job_requests AS SELECT * FROM job_runs WHERE state = 'queued' ORDER BY queued_at, run_id;

-- The timetable as the leading scheduler keeps it, so that a restart knows what it missed.
CREATE TABLE schedule (
    job VARCHAR NOT NULL, cadence VARCHAR NOT NULL, zone VARCHAR NOT NULL, missed VARCHAR NOT NULL,
    last_slot_at TIMESTAMPTZ, last_run_id VARCHAR, next_at TIMESTAMPTZ, updated_at TIMESTAMPTZ NOT NULL);

-- Who led, from when to when; heartbeat_at is the last sign of life.
CREATE TABLE scheduler_terms (
    term_id VARCHAR NOT NULL, host VARCHAR NOT NULL, pid BIGINT NOT NULL, born DOUBLE NOT NULL,
    started_at TIMESTAMPTZ NOT NULL, heartbeat_at TIMESTAMPTZ NOT NULL, ended_at TIMESTAMPTZ, reason VARCHAR);

-- Hours for which nothing was issued in time, with the reason.
CREATE TABLE missed_issues (
    target VARCHAR NOT NULL, origin TIMESTAMPTZ NOT NULL, reason VARCHAR NOT NULL,
    noted_at TIMESTAMPTZ NOT NULL, run_id VARCHAR NOT NULL);

-- One row a series and local day of its market: what should be there, what is, and what looks wrong.
CREATE TABLE quality (
    series VARCHAR NOT NULL, day_start TIMESTAMPTZ NOT NULL, day_end TIMESTAMPTZ NOT NULL,
    expected BIGINT NOT NULL, present BIGINT NOT NULL, missing BIGINT NOT NULL, longest_gap_min DOUBLE NOT NULL,
    flat_min DOUBLE NOT NULL, flat_from TIMESTAMPTZ, out_of_range BIGINT NOT NULL, jumps BIGINT NOT NULL,
    largest_jump DOUBLE, jump_at TIMESTAMPTZ, duplicates BIGINT NOT NULL, off_grid BIGINT NOT NULL,
    revisions BIGINT NOT NULL, revised_mean DOUBLE, clock_change BOOLEAN NOT NULL, verdict VARCHAR NOT NULL,
    checked_at TIMESTAMPTZ NOT NULL, run_id VARCHAR NOT NULL);

-- Alerts are state changes: one row when good turns bad, one when it turns good. alert_id is the firing's flip_id.
CREATE TABLE alert_flips (
    flip_id VARCHAR NOT NULL, alert_id VARCHAR NOT NULL, rule VARCHAR NOT NULL, subject VARCHAR NOT NULL,
    state VARCHAR NOT NULL, severity VARCHAR NOT NULL, message VARCHAR NOT NULL, evidence JSON NOT NULL,
    since TIMESTAMPTZ NOT NULL, flipped_at TIMESTAMPTZ NOT NULL, run_id VARCHAR NOT NULL);

CREATE TABLE alert_acts (
    act_id VARCHAR NOT NULL, alert_id VARCHAR NOT NULL, kind VARCHAR NOT NULL, actor VARCHAR NOT NULL,
    reason VARCHAR NOT NULL, until TIMESTAMPTZ, acted_at TIMESTAMPTZ NOT NULL);

CREATE TABLE maintenance (
    window_id VARCHAR NOT NULL, rule VARCHAR NOT NULL, subject VARCHAR NOT NULL,
    first_at TIMESTAMPTZ NOT NULL, last_at TIMESTAMPTZ NOT NULL, reason VARCHAR NOT NULL,
    actor VARCHAR NOT NULL, declared_at TIMESTAMPTZ NOT NULL);

-- Each attempt to tell the world; written as `sending` before it is made. message_key is the same for every attempt
-- at the same message (a message may tell of several alerts), again_at when a failed one is tried again (null: never).
CREATE TABLE notifications (
    notification_id VARCHAR NOT NULL, alert_id VARCHAR NOT NULL, kind VARCHAR NOT NULL, channel VARCHAR NOT NULL,
    message_key VARCHAR NOT NULL, attempt BIGINT NOT NULL, state VARCHAR NOT NULL, error VARCHAR,
    started_at TIMESTAMPTZ NOT NULL, ended_at TIMESTAMPTZ, again_at TIMESTAMPTZ, run_id VARCHAR NOT NULL);

-- One row an alert: how it began, whether it ended, and what people did about it last.
CREATE VIEW alerts AS
WITH acts AS (
    SELECT alert_id, kind AS act, actor, reason AS act_reason, until, acted_at FROM alert_acts
    QUALIFY row_number() OVER (PARTITION BY alert_id ORDER BY acted_at DESC, act_id) = 1)
SELECT f.* EXCLUDE (state, flip_id, run_id), r.flipped_at AS resolved_at, r.message AS resolved_message,
       a.act, a.actor, a.act_reason, a.until, a.acted_at
FROM alert_flips f
LEFT JOIN alert_flips r ON r.alert_id = f.alert_id AND r.state = 'resolved'
LEFT JOIN acts a ON a.alert_id = f.alert_id
WHERE f.state = 'firing';

CREATE TABLE capacity (
    measured_at TIMESTAMPTZ NOT NULL, what VARCHAR NOT NULL, value DOUBLE NOT NULL, run_id VARCHAR NOT NULL);

CREATE TABLE backups (
    backup_id VARCHAR NOT NULL, name VARCHAR NOT NULL, made_at TIMESTAMPTZ NOT NULL, bytes BIGINT NOT NULL,
    rows BIGINT NOT NULL, sha256 VARCHAR NOT NULL, why VARCHAR NOT NULL, run_id VARCHAR NOT NULL);

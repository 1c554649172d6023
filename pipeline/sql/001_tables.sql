-- Tables of the first release. No keys or indexes: grain is kept by the one write path.
CREATE TABLE schema_migrations (
    number BIGINT NOT NULL, name VARCHAR NOT NULL, sha256 VARCHAR NOT NULL, applied_at TIMESTAMPTZ NOT NULL);

CREATE TABLE raw (
    series VARCHAR NOT NULL, valid_at TIMESTAMPTZ NOT NULL, value DOUBLE,
    made_at TIMESTAMPTZ NOT NULL, seen_at TIMESTAMPTZ NOT NULL,
    source VARCHAR NOT NULL, run_id VARCHAR NOT NULL);

CREATE TABLE quarantine (
    series VARCHAR NOT NULL, valid_at VARCHAR NOT NULL, value VARCHAR NOT NULL, reason VARCHAR NOT NULL,
    source VARCHAR NOT NULL, seen_at TIMESTAMPTZ NOT NULL, run_id VARCHAR NOT NULL);

CREATE TABLE fetches (
    series VARCHAR NOT NULL, source VARCHAR NOT NULL,
    window_start TIMESTAMPTZ NOT NULL, window_end TIMESTAMPTZ NOT NULL,
    outcome VARCHAR NOT NULL, rows_new BIGINT NOT NULL, rows_revised BIGINT NOT NULL,
    rows_same BIGINT NOT NULL, rows_quarantined BIGINT NOT NULL,
    message VARCHAR NOT NULL, seen_at TIMESTAMPTZ NOT NULL, run_id VARCHAR NOT NULL);

CREATE TABLE actuals (
    target VARCHAR NOT NULL, valid_at TIMESTAMPTZ NOT NULL, value DOUBLE NOT NULL,
    last_05 DOUBLE NOT NULL, last_15 DOUBLE NOT NULL, last_30 DOUBLE NOT NULL, n BIGINT NOT NULL,
    known_at TIMESTAMPTZ NOT NULL, written_at TIMESTAMPTZ NOT NULL, run_id VARCHAR NOT NULL);

CREATE TABLE feature_sets (
    feature_set VARCHAR NOT NULL, names VARCHAR[] NOT NULL, written_at TIMESTAMPTZ NOT NULL, run_id VARCHAR NOT NULL);

CREATE TABLE features (
    target VARCHAR NOT NULL, origin TIMESTAMPTZ NOT NULL, horizon BIGINT NOT NULL, valid_at TIMESTAMPTZ NOT NULL,
    feature_set VARCHAR NOT NULL, as_of TIMESTAMPTZ NOT NULL, mode VARCHAR NOT NULL,
    level DOUBLE, naive DOUBLE, operator DOUBLE, stale_hours BIGINT NOT NULL, filled_hours BIGINT NOT NULL,
    values DOUBLE[] NOT NULL, written_at TIMESTAMPTZ NOT NULL, run_id VARCHAR NOT NULL);

CREATE TABLE predictions (
    target VARCHAR NOT NULL, origin TIMESTAMPTZ NOT NULL, horizon BIGINT NOT NULL, valid_at TIMESTAMPTZ NOT NULL,
    issuer VARCHAR NOT NULL, version_id VARCHAR NOT NULL, mode VARCHAR NOT NULL,
    status VARCHAR NOT NULL, reason VARCHAR NOT NULL,
    p05 DOUBLE, p10 DOUBLE, p50 DOUBLE, p90 DOUBLE, p95 DOUBLE,
    made_at TIMESTAMPTZ NOT NULL, written_at TIMESTAMPTZ NOT NULL, run_id VARCHAR NOT NULL);

CREATE TABLE accuracy (
    target VARCHAR NOT NULL, origin TIMESTAMPTZ NOT NULL, horizon BIGINT NOT NULL, valid_at TIMESTAMPTZ NOT NULL,
    issuer VARCHAR NOT NULL, version_id VARCHAR NOT NULL, mode VARCHAR NOT NULL, status VARCHAR NOT NULL,
    p50 DOUBLE NOT NULL, actual DOUBLE NOT NULL, actual_known_at TIMESTAMPTZ NOT NULL,
    error DOUBLE NOT NULL, in_band BOOLEAN, pinball_loss DOUBLE,
    scored_at TIMESTAMPTZ NOT NULL, run_id VARCHAR NOT NULL);

CREATE TABLE model_versions (
    version_id VARCHAR NOT NULL, target VARCHAR NOT NULL, family VARCHAR NOT NULL, number BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL, as_of TIMESTAMPTZ, trained_from TIMESTAMPTZ, trained_to TIMESTAMPTZ,
    data_hash VARCHAR NOT NULL, n_rows BIGINT NOT NULL, feature_set VARCHAR NOT NULL,
    params JSON NOT NULL, metrics JSON NOT NULL, libraries JSON NOT NULL, code_commit VARCHAR NOT NULL,
    artifact VARCHAR NOT NULL, sha256 VARCHAR NOT NULL, seed BIGINT NOT NULL, run_id VARCHAR NOT NULL);

CREATE TABLE backtests (
    run_id VARCHAR NOT NULL, target VARCHAR NOT NULL, family VARCHAR NOT NULL, horizon BIGINT NOT NULL,
    window_start TIMESTAMPTZ NOT NULL, window_end TIMESTAMPTZ NOT NULL, n BIGINT NOT NULL,
    mae DOUBLE NOT NULL, rmse DOUBLE NOT NULL, mape DOUBLE, bias DOUBLE NOT NULL, mase DOUBLE,
    pinball_loss DOUBLE, coverage DOUBLE, scored_at TIMESTAMPTZ NOT NULL);

CREATE TABLE promotions (
    promotion_id VARCHAR NOT NULL, target VARCHAR NOT NULL, number BIGINT NOT NULL, version_id VARCHAR NOT NULL, previous_version_id VARCHAR,
    kind VARCHAR NOT NULL, outcome VARCHAR NOT NULL, actor VARCHAR NOT NULL, reason VARCHAR NOT NULL,
    evidence JSON NOT NULL, decided_at TIMESTAMPTZ NOT NULL, run_id VARCHAR);

CREATE TABLE job_runs (
    run_id VARCHAR NOT NULL, job VARCHAR NOT NULL, state VARCHAR NOT NULL,
    requested_by VARCHAR NOT NULL, reason VARCHAR NOT NULL, args JSON NOT NULL,
    queued_at TIMESTAMPTZ NOT NULL, started_at TIMESTAMPTZ, heartbeat_at TIMESTAMPTZ, ended_at TIMESTAMPTZ,
    pid BIGINT, rows_in BIGINT, rows_out BIGINT, error VARCHAR, log VARCHAR NOT NULL);

CREATE TABLE audit (
    audit_id VARCHAR NOT NULL, acted_at TIMESTAMPTZ NOT NULL, actor VARCHAR NOT NULL, role VARCHAR NOT NULL,
    action VARCHAR NOT NULL, subject VARCHAR NOT NULL, outcome VARCHAR NOT NULL,
    reason VARCHAR NOT NULL, detail JSON NOT NULL);

-- When a stored fact counts as known: what was published before we first looked at its series counts as
-- known at its (stated or assumed) publication, everything after that when we saw it.
CREATE VIEW raw_known AS
WITH live AS (SELECT series, min(seen_at) AS live_from FROM raw GROUP BY series)
SELECT r.*, CASE WHEN r.made_at < l.live_from THEN r.made_at ELSE r.seen_at END AS known_at
FROM raw r JOIN live l USING (series);

CREATE VIEW raw_latest AS
SELECT * FROM raw QUALIFY row_number() OVER (PARTITION BY series, valid_at ORDER BY seen_at DESC, made_at DESC) = 1;

CREATE VIEW actuals_latest AS
SELECT * FROM actuals QUALIFY row_number() OVER (PARTITION BY target, valid_at ORDER BY known_at DESC, written_at DESC) = 1;

CREATE VIEW accuracy_latest AS
SELECT * FROM accuracy
QUALIFY row_number() OVER (
    PARTITION BY target, origin, horizon, issuer, version_id ORDER BY actual_known_at DESC, scored_at DESC) = 1;

-- The champion is the newest promotion that went through; counted, because clocks may step back.
CREATE VIEW champions AS
SELECT p.* EXCLUDE (number), v.* EXCLUDE (version_id, target, run_id)
FROM promotions p JOIN model_versions v USING (version_id)
WHERE p.outcome = 'promoted'
QUALIFY row_number() OVER (PARTITION BY p.target ORDER BY p.number DESC) = 1;

-- Two issuers that are no trained model, so that each of their rows leads to a version too.
INSERT INTO model_versions
SELECT v, '*', v, 0, TIMESTAMPTZ '2024-01-01 00:00:00+00', NULL, NULL, NULL, '', 0, '', '{}', '{}', '{}', '', '', '', 0, ''
FROM (VALUES ('naive'), ('operator')) AS builtin (v);

-- Shadow forecasts and re-issues beside the issues, backtests in slices, drift, retired artifacts.
ALTER TABLE backtests ADD COLUMN kind VARCHAR DEFAULT 'hold_out';
ALTER TABLE backtests ADD COLUMN slice VARCHAR DEFAULT 'all';
ALTER TABLE backtests ADD COLUMN mae_se DOUBLE;
ALTER TABLE backtests ADD COLUMN skill_naive DOUBLE;
ALTER TABLE backtests ADD COLUMN skill_naive_se DOUBLE;
ALTER TABLE backtests ADD COLUMN skill_operator DOUBLE;
ALTER TABLE backtests ADD COLUMN skill_operator_se DOUBLE;
ALTER TABLE backtests ADD COLUMN p_value DOUBLE;
ALTER TABLE backtests ALTER COLUMN kind SET NOT NULL;
ALTER TABLE backtests ALTER COLUMN slice SET NOT NULL;

CREATE TABLE drift (
    run_id VARCHAR NOT NULL, target VARCHAR NOT NULL, kind VARCHAR NOT NULL, subject VARCHAR NOT NULL,
    window_start TIMESTAMPTZ NOT NULL, window_end TIMESTAMPTZ NOT NULL,
    n BIGINT NOT NULL, n_reference BIGINT NOT NULL, psi DOUBLE, ks DOUBLE, effect DOUBLE,
    p_value DOUBLE, p_adjusted DOUBLE, drifted BOOLEAN NOT NULL, checked_at TIMESTAMPTZ NOT NULL);

CREATE TABLE retirements (
    version_id VARCHAR NOT NULL, reason VARCHAR NOT NULL, retired_at TIMESTAMPTZ NOT NULL, run_id VARCHAR);

-- What is shown for an origin: its issue, or the re-issue that followed a change of model.
CREATE VIEW issued_latest AS
SELECT * FROM predictions WHERE issuer IN ('sextant', 'reissue')
QUALIFY row_number() OVER (PARTITION BY target, origin, horizon ORDER BY made_at DESC, issuer = 'reissue' DESC) = 1;

-- How the bands did, of every forecast that has them. winkler is the interval score of the 80 % band, pit where
-- the actual lies in the forecast distribution: 0 below p05, 1 above p95, straight lines between the quantiles.
ALTER TABLE accuracy ADD COLUMN in_band90 BOOLEAN;
ALTER TABLE accuracy ADD COLUMN width DOUBLE;
ALTER TABLE accuracy ADD COLUMN winkler DOUBLE;
ALTER TABLE accuracy ADD COLUMN pit DOUBLE;

CREATE OR REPLACE VIEW accuracy_latest AS
SELECT * FROM accuracy
QUALIFY row_number() OVER (
    PARTITION BY target, origin, horizon, issuer, version_id ORDER BY actual_known_at DESC, scored_at DESC) = 1;

-- Why a forecast moved since the issue before it, and what a version looks at.
-- effect is what one input's news did to p50, in the target's unit; the effects of one hour add up to its change.
-- moved is by how much the input itself moved, in unit. exact is whether the attribution follows from the model's own
-- arithmetic (linear), else it is the Shapley value over groups of inputs.
CREATE TABLE reasons (
    target VARCHAR NOT NULL, origin TIMESTAMPTZ NOT NULL, horizon BIGINT NOT NULL, valid_at TIMESTAMPTZ NOT NULL,
    version_id VARCHAR NOT NULL, before_origin TIMESTAMPTZ NOT NULL, before_version_id VARCHAR NOT NULL,
    input VARCHAR NOT NULL, words VARCHAR NOT NULL, moved DOUBLE, unit VARCHAR NOT NULL,
    effect DOUBLE NOT NULL, exact BOOLEAN NOT NULL,
    made_at TIMESTAMPTZ NOT NULL, written_at TIMESTAMPTZ NOT NULL, run_id VARCHAR NOT NULL);

-- By how much a version's hold-out MAE grows, in the target's unit, when one group of inputs is shuffled.
CREATE TABLE importances (
    version_id VARCHAR NOT NULL, target VARCHAR NOT NULL, input VARCHAR NOT NULL, n_columns BIGINT NOT NULL,
    increase DOUBLE NOT NULL, increase_se DOUBLE, mae DOUBLE NOT NULL, n BIGINT NOT NULL, repeats BIGINT NOT NULL,
    written_at TIMESTAMPTZ NOT NULL, run_id VARCHAR NOT NULL);

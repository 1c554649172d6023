-- What is asked of forecasts of a spread, beside what is asked of all: how often the direction was right, the MAE of the
-- hours whose actual is in the largest twentieth (by size), and what a position of one megawatt earned an hour.
ALTER TABLE backtests ADD COLUMN hit_rate DOUBLE;
ALTER TABLE backtests ADD COLUMN tail_mae DOUBLE;
ALTER TABLE backtests ADD COLUMN profit DOUBLE;

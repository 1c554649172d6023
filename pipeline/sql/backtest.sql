-- name: newest_backtest
-- The newest backtest of $target (of every target, where that is empty): all horizons and every slice together.
SELECT target, family, slice, horizon, n, mae, mae_se, rmse, mape, bias, mase, pinball_loss, coverage,
       skill_naive, skill_naive_se, skill_operator, skill_operator_se, p_value
FROM backtests b
WHERE kind = 'backtest' AND ($target = '' OR target = $target)
  AND run_id = (
      SELECT arg_max(run_id, scored_at) FROM backtests
      WHERE kind = 'backtest' AND target = b.target)
ORDER BY target, slice <> 'all', slice, horizon, mae;

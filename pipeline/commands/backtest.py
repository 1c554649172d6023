"""Families and a window -> their scores on the past, as a table or JSON."""

import argparse

from pipeline.commands.base import Command, Desk


def run(desk: Desk, options: argparse.Namespace) -> int:
    """Run the backtest job and print what it found."""
    desk.open()
    args = {name: getattr(options, name) for name in ("target", "families", "days", "refit_days")}
    if not desk.run("backtest", **{name: value for name, value in args.items() if value}):
        return 1
    rows = desk.warehouse.ask("newest_backtest", target=options.target or "")
    if options.json:
        print(rows.to_json(orient="records", indent=1))
        return 0
    short = rows[~rows["slice"].str.startswith("hour=")].drop(columns=["rmse", "pinball_loss", "skill_operator_se"])
    print(short.to_string(index=False, na_rep="-", float_format="{:,.3f}".format))
    print("every hour of day and the other columns: --json, or table backtests")
    return 0


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--target", help="one target, such as demo.load; default: all")
    parser.add_argument("--families", type=lambda t: t.split(","), help="by comma; default: naive, ridge, champion")
    parser.add_argument("--days", type=int, help="length of the test window, default 90")
    parser.add_argument("--refit-days", type=int, help="how often families are refitted, default 30")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")


COMMAND = Command("backtest", "replay the past with families of your choice and score them in slices", run, _arguments)

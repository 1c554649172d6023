"""Command line -> jobs: the one door to ingest, train, forecast, score and look after the warehouse."""

import argparse
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from tqdm import tqdm

from pipeline.discovery import discover
from pipeline.doctor import examine
from pipeline.errors import JobRunning, SextantError, UnknownJob
from pipeline.markets import Market, load_markets
from pipeline.reproducing import reproduce
from pipeline.runner import Job, Runner, ordered
from pipeline.scheduler import Scheduler
from pipeline.settings import ROOT, Settings
from pipeline.warehouse import Warehouse

REPLAY_DAYS = 21


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 well, 1 something failed, 2 wrong words, 130 stopped."""
    options = _parser().parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _interrupt)
    try:
        return int(options.command(_Desk(options), options))
    except SextantError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2 if isinstance(error, UnknownJob) else 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130


class _Desk:
    """What every command needs, opened once."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.settings = Settings.load()
        self.markets: dict[str, Market] = load_markets(self.settings.config, self.settings.markets)
        self.warehouse = Warehouse(self.settings.warehouse, wait_s=self.settings.lock_wait_s)
        self.jobs: dict[str, Job] = discover("pipeline.jobs", "JOB")
        self.by: str = getattr(options, "by", "cli")
        shift = options.now - datetime.now(UTC) if options.now else timedelta()
        self.runner = Runner(
            self.settings,
            self.markets,
            self.warehouse,
            clock=lambda: datetime.now(UTC) + shift,
            echo=lambda line: tqdm.write(f"  {line}"),
            progress=_progress,
        )

    def open(self) -> None:
        """Bring the warehouse up to date and clear up what a crash may have left."""
        self.warehouse.migrate(self.runner.clock())
        self.warehouse.settle()
        self.runner.sweep()

    def run(self, name: str, **args: Any) -> bool:
        """Run one job, say how it ended, and return whether it may count as done."""
        if name not in self.jobs:
            raise UnknownJob(f"no job is called {name!r}; there are: {', '.join(self.jobs)}.")
        return self._told(name, lambda: self.runner.run(self.jobs[name], by=self.by, **args))

    def run_queued(self, run_id: str) -> bool:
        """Run what the dashboard queued."""
        rows = self.warehouse.ask("run_by_id", run_id=run_id).to_dict("records")
        if not rows or rows[0]["state"] != "queued":
            raise UnknownJob(f"run {run_id} is not in the queue; it may have run already.")
        row = {str(key): value for key, value in rows[0].items()}
        return self._told(row["job"], lambda: self.runner.carry_out(self.jobs[row["job"]], row))

    def _told(self, name: str, work: Any) -> bool:
        started = time.monotonic()
        print(f"{name} ...", flush=True)
        row = work()
        took = time.monotonic() - started
        counts = f"{row['rows_in'] or 0:,} rows in, {row['rows_out'] or 0:,} out"
        print(f"{name} {row['state']} in {took:.1f} s, {counts}", flush=True)
        return str(row["state"]) != "failed"


def _progress(items: Iterable[Any], label: str, total: int | None = None) -> Iterable[Any]:
    bar: Iterable[Any] = tqdm(items, desc=f"  {label}", total=total, delay=2, leave=False, mininterval=0.5)
    return bar


def _list(desk: _Desk, _options: argparse.Namespace) -> int:
    for job in ordered(desk.jobs, desk.jobs):
        when = f"daily at {job.at} UTC" if job.at else "on demand" if job.on_demand else "every 5 minutes"
        print(f"{job.name:10} {job.title:45} {when}")
    return 0


def _run(desk: _Desk, options: argparse.Namespace) -> int:
    desk.open()
    if options.queued:
        return 0 if desk.run_queued(options.queued) else 1
    if not options.jobs:
        raise UnknownJob(f"say which job to run: {', '.join(desk.jobs)}.")
    asked = {"force": options.force, "reissue": options.reissue}
    args = {name: value for name, value in asked.items() if value}
    good = True
    for name in options.jobs:
        try:
            good = desk.run(name, **args) and good
        except JobRunning as error:
            print(f"{name} skipped: {error}", flush=True)
    return 0 if good else 1


def _all(desk: _Desk, options: argparse.Namespace) -> int:
    options.jobs = [job.name for job in ordered(desk.jobs, desk.jobs) if not job.on_demand]
    return _run(desk, options)


def _ingest(desk: _Desk, options: argparse.Namespace) -> int:
    desk.open()
    names = {"start": "from", "end": "to", "file": "file", "series": "series", "zone": "zone"}
    args = {word: getattr(options, name) for name, word in names.items() if getattr(options, name)}
    if ("from" in args) != ("to" in args):
        raise UnknownJob("--from and --to go together; give both, as 2024-01-31T00:00Z.")
    return 0 if desk.run("ingest", **args) else 1


def _backtest(desk: _Desk, options: argparse.Namespace) -> int:
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


def _reproduce(desk: _Desk, options: argparse.Namespace) -> int:
    desk.open()
    name, _, moment = options.forecast.partition("@")
    targets = {target.id: target for market in desk.markets.values() for target in market.targets}
    if name not in targets:
        raise UnknownJob(
            f"{options.forecast!r} names no target; write TARGET@ORIGIN, TARGET one of {', '.join(targets)}."
        )
    found = reproduce(
        desk.warehouse,
        desk.settings.models,
        targets[name],
        origin=_origin(moment),
        version_id=options.version or "",
    )
    print(f"{options.forecast}, {found.issuer} by {found.version_id}: stored, and made again from what was known then")
    print(found.table.to_string(index=False, na_rep="-", float_format="{:,.3f}".format))
    print("\n".join([*found.differences, *found.notes]) or "identical to the last bit")
    return 1 if found.differences else 0


def _demo(desk: _Desk, _options: argparse.Namespace) -> int:
    """Fill an empty warehouse: history, a first model of three weeks ago, its replayed issues, a model of today."""
    desk.open()
    now = desk.runner.clock()
    then = now - timedelta(days=REPLAY_DAYS)
    steps: list[tuple[str, dict[str, Any]]] = [("ingest", {}), ("actuals", {})]
    if desk.warehouse.ask("never_trained").n.iloc[0]:
        replay = {"replay_from": then.isoformat(), "replay_to": (now - timedelta(hours=2)).isoformat()}
        first = {"as_of": then.isoformat(), "families": ["naive", "ridge"]}
        steps += [("train", first), ("features", replay), ("forecast", {}), ("backfill", {}), ("train", {})]
        steps.append(("backtest", {"families": ["ridge"], "days": REPLAY_DAYS}))
    steps += [("features", {}), ("forecast", {}), ("backfill", {}), ("monitor", {})]
    return 0 if all(desk.run(name, **args) for name, args in steps) else 1


def _doctor(desk: _Desk, options: argparse.Namespace) -> int:
    desk.open()
    findings = examine(desk.warehouse, desk.settings.models, jobs=list(desk.jobs))
    flaws = [finding for finding in findings if finding.flaw]
    for finding in findings if options.verbose else flaws:
        print(f"{'FLAW' if finding.flaw else 'ok':5} {finding.check}{': ' if finding.flaw else ''}{finding.flaw}")
    print(f"{len(findings)} checks, {len(flaws)} flaws" + ("" if flaws else ": the warehouse is sound"))
    return 1 if flaws else 0


def _schedule(desk: _Desk, _options: argparse.Namespace) -> int:
    desk.open()
    print("scheduler: every 5 minutes the chain, daily training; Ctrl-C stops it", flush=True)
    Scheduler(desk.warehouse, desk.jobs, say=lambda line: print(line, flush=True)).serve()
    return 0


def _up(desk: _Desk, options: argparse.Namespace) -> int:
    desk.open()
    address = ["--server.address", "127.0.0.1", "--server.port", str(options.port), "--server.headless", "true"]
    commands = [
        [sys.executable, str(ROOT / "jobs.py"), "schedule"],
        [sys.executable, "-m", "streamlit", "run", str(ROOT / "dashboard" / "app.py"), *address],
    ]
    children = [subprocess.Popen(command, cwd=ROOT, start_new_session=True) for command in commands]
    print(f"Sextant is on http://127.0.0.1:{options.port} (Ctrl-C stops everything)", flush=True)
    try:
        while all(child.poll() is None for child in children):
            time.sleep(0.3)
        return 1
    finally:
        _end(children)


def _end(children: list[subprocess.Popen[bytes]]) -> None:
    for child in children:
        if child.poll() is None:
            child.terminate()
    for child in children:
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)


def _interrupt(_number: int, _frame: Any) -> None:
    raise KeyboardInterrupt


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} needs an offset, such as 2024-01-31T00:00Z")
    return moment.astimezone(UTC)


def _origin(text: str) -> datetime:
    try:
        return _moment(text)
    except (ValueError, argparse.ArgumentTypeError) as error:
        raise UnknownJob(f"{text!r} is no origin; write it as 2026-11-20T09:00Z.") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="jobs.py", description="Sextant: six hours ahead, on one screen.")
    parser.add_argument("--now", type=_moment, help="run as if it were this moment (ISO, with offset)")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, function: Any, words: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=words, description=words)
        command.set_defaults(command=function, by="cli", force=False, reissue=None, queued=None)
        return command

    add("list", _list, "the jobs, in order, and when they run")
    run = add("run", _run, "run one job or several, in the order given")
    run.add_argument("jobs", nargs="*", metavar="JOB")
    run.add_argument("--force", action="store_true", help="train even when there is no new data")
    run.add_argument("--reissue", metavar="TARGET", help="forecast: issue its newest origin again, by the champion")
    run.add_argument("--queued", metavar="RUN_ID", help="run what the dashboard queued")
    run.add_argument("--by", default="cli", help="who asks; recorded with the run")
    add("all", _all, "every job once, in order")
    add("schedule", _schedule, "run jobs by the clock and take requests from the dashboard")
    up = add("up", _up, "scheduler and dashboard together")
    up.add_argument("--port", type=int, default=8501)
    add("demo", _demo, "fill the warehouse from the active markets, with three weeks of replayed issues")
    ingest = add("ingest", _ingest, "fetch what is new, the gaps of a window, or a file")
    ingest.add_argument("--from", dest="start", type=lambda t: _moment(t).isoformat(), metavar="TIME")
    ingest.add_argument("--to", dest="end", type=lambda t: _moment(t).isoformat(), metavar="TIME")
    ingest.add_argument("--file", help="a CSV or Parquet file with the columns valid_at and value")
    ingest.add_argument("--series", help="the series the file holds, such as es.load")
    ingest.add_argument("--zone", help="time zone of the file's times when they carry no offset")
    backtest = add("backtest", _backtest, "replay the past with families of your choice and score them in slices")
    backtest.add_argument("--target", help="one target, such as demo.load; default: all")
    backtest.add_argument("--families", type=lambda t: t.split(","), help="by comma; default: naive, ridge, champion")
    backtest.add_argument("--days", type=int, help="length of the test window, default 90")
    backtest.add_argument("--refit-days", type=int, help="how often families are refitted, default 30")
    backtest.add_argument("--json", action="store_true", help="print the rows as JSON")
    reproduce_ = add("reproduce", _reproduce, "make an issued forecast again and compare it bit for bit")
    reproduce_.add_argument("--forecast", required=True, metavar="TARGET@ORIGIN", help="demo.load@2026-11-20T09:00Z")
    reproduce_.add_argument("--version", help="that version's own forecast, which may be a shadow")
    doctor = add("doctor", _doctor, "check that everything stored is sound")
    doctor.add_argument("--verbose", action="store_true", help="also name the checks that passed")
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""A folder -> a whole Sextant in it: provider, receiver of alerts, clock file, scheduler and dashboard as processes.

Everything is real but the provider's data and the clock, which the driver moves from hour to hour.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import AbstractContextManager, ExitStack, suppress
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from pipeline.clocks import simulated
from pipeline.configuring.markets import load_markets
from pipeline.discovery import discover
from pipeline.runner import Runner
from pipeline.settings import ROOT, Settings
from pipeline.warehouse import Warehouse
from tests.servers.faults import Answer, Fault
from tests.servers.grid import GridServer, Recorded
from tests.servers.receiver import Fault as Refusal
from tests.servers.receiver import Receiver, receiving
from tests.servers.store import invented_store

RATE = 30.0  # simulated seconds a real one between two steps, so that the waits before second tries are short
DISK_MB = 1024
SECRET = "soak-secret-of-both"
TARGET, SERIES = "es.load", "es.load"
# What the pace of one look an hour asks for; each line says why. Everything else is as shipped.
TUNING = """
[job.chain]
every_min = 15          # the driver stops the clock once an hour, a little after a quarter past

[alert.stale_data]
limit = 90              # one hour missed is one look missed; two are an outage

[alert.scheduler_dead]
limit = 90              # between two looks the clock jumps by an hour, whoever lives

[alert.job_late]
limit = 90              # so what follows `alert` in a walk last ran an hour ago

[alert.disk_low]
limit = 0.1             # GiB; the disk of this rehearsal has one

[alert.drift]
off = true              # the invented demand is the same every day: what is said of accuracy means nothing here

[alert.coverage_off]
off = true

[alert.error_up]
off = true
"""


class Provider(GridServer):
    """A grid server that answers with one fault for as long as `fault` is set."""

    fault: Fault | None = None

    def answer(self, request: Recorded) -> Answer:
        good = super().answer(request)
        return good if self.fault is None else self.fault(good)


class World:
    """One rehearsal in `folder`; a context. `full_disk` tells whether one can be had here."""

    def __init__(self, folder: Path, start: datetime, *, hours: int, history_days: int) -> None:
        self.folder, self.now = folder, start
        self.home, self.log, self.views = folder / "home", folder / "processes.log", folder / "viewers.jsonl"
        self.home.mkdir()
        begin, end = start - timedelta(days=history_days + 2), start + timedelta(hours=hours) + timedelta(days=3)
        self.store = invented_store(str(begin.date()), str(end.date()))
        self.provider = Provider(self.store, start, lag=timedelta(minutes=5))
        self.receiver: Receiver
        self.port = _free_port()
        self.full_disk = False
        self.up: subprocess.Popen[bytes] | None = None
        self.spoilt: dict[Path, bytes] = {}
        self._stack = ExitStack()
        self._history_days = history_days

    def __enter__(self) -> Self:
        self.full_disk = _mounted(self.home)
        if self.full_disk:
            self._stack.callback(subprocess.run, ["umount", "-l", str(self.home)], check=False)
        receiver: AbstractContextManager[Receiver] = receiving(SECRET)
        self.receiver = self._stack.enter_context(receiver)
        self._stack.enter_context(self.provider)
        self._stack.callback(self.end)
        self._configure()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _configure(self) -> None:
        text = (ROOT / "sextant.toml").read_text(encoding="utf-8")
        # Comparing all families weekly would take most of the time and is not what is rehearsed.
        # The driver looks once an hour: an issue that waited for late data would be a missed one.
        light = "[market.es.target.load]\ndeep_every_days = 400\nissue_grace_min = 0\n"
        text = text.replace("history_days = 1100", f"history_days = {self._history_days}")
        config = self.folder / "sextant.toml"
        text = text.replace("[market.es.target.load]\n", light)
        # The invented demand is smooth; only the spike that is injected is to stand out.
        text = text.replace("[market.es.series.load]\n", "[market.es.series.load]\njump = 3000\n")
        config.write_text(text + TUNING, encoding="utf-8")
        own = {
            "SEXTANT_WAREHOUSE": str(self.home / "warehouse.duckdb"),
            "SEXTANT_BACKUPS": str(self.folder / "backups"),
            "SEXTANT_CONFIG": str(config),
            "SEXTANT_CLOCK": str(self.folder / "clock.json"),
            "SEXTANT_MARKETS": "es",
            "SEXTANT_ESIOS_URL": self.provider.url,
            "ESIOS_API_KEY": self.provider.token,
            "SEXTANT_HTTP_TIMEOUT_S": "1.0",
            "SEXTANT_HTTP_TRIES": "2",
            "SEXTANT_WEBHOOK_URL": f"{self.receiver.url}/alerts",
            "SEXTANT_WEBHOOK_SECRET": SECRET,
        }
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SEXTANT_", "ESIOS_"))}
        self.env = kept | own
        self.settings = Settings.load(self.env)
        self.markets = load_markets(self.settings.config, self.settings.markets)
        self.warehouse = Warehouse(self.settings.warehouse)
        self.jobs = discover("pipeline.jobs", "JOB")
        self.at(self.now)

    @property
    def ballast(self) -> Path:
        return self.home / "ballast"

    def at(self, moment: datetime) -> None:
        """Set every clock; readers of the clock file never see half of it."""
        self.now = self.provider.now = moment
        path = self.folder / "clock.json"
        said = {"real": time.time(), "simulated": moment.isoformat(), "rate": RATE}
        path.with_suffix(".new").write_text(json.dumps(said), encoding="utf-8")
        path.with_suffix(".new").replace(path)

    def clock(self) -> datetime:
        """What the processes' clocks show now."""
        return simulated(self.folder / "clock.json")

    def fill(self) -> None:
        """History, and the first champion, before anything is scheduled."""
        self.warehouse.migrate(self.now)
        runner = Runner(self.settings, self.markets, self.warehouse, clock=lambda: self.now)
        for name, args in (("ingest", {}), ("actuals", {}), ("train", {"families": ["naive", "ridge"]})):
            row = runner.run(self.jobs[name], by="soak", **args)
            if row["state"] != "succeeded":
                raise RuntimeError(f"{name} of the history {row['state']}: {row['error']}")

    def tend(self) -> bool:
        """What systemd or a container engine does: start again what has ended. Returns whether it had to."""
        if self.up is not None and self.up.poll() is None:
            return False
        self._clear()
        command = [sys.executable, str(ROOT / "jobs.py"), "up", "--port", str(self.port)]
        with self.log.open("ab") as log:
            self.up = subprocess.Popen(
                command,
                cwd=ROOT,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return True

    def processes(self, kind: str) -> list[psutil.Process]:
        """The live processes of a kind: up, scheduler, job or dashboard."""
        mark = {"up": " up ", "scheduler": " schedule", "job": " --queued ", "dashboard": " streamlit run "}[kind]
        found = []
        for process in psutil.process_iter():
            try:
                words = " ".join(["", *process.cmdline(), ""])
                if mark in words and process.environ().get("SEXTANT_WAREHOUSE") == self.env["SEXTANT_WAREHOUSE"]:
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found

    def end(self) -> None:
        """Stop everything of this world: politely, then not."""
        if self.up is not None and self.up.poll() is None:
            self.up.terminate()
            try:
                self.up.wait(30)
            except subprocess.TimeoutExpired:
                self.up.kill()
                self.up.wait()
        self._clear()

    def crash(self) -> None:
        """End everything at once, without a word, as a loss of power does."""
        self._clear()
        if self.up is not None:
            self.up.wait()
            self.up = None

    def _clear(self) -> None:
        """End what is left of this world's processes, as systemd and container engines do with a unit that ended."""
        for kind in ("up", "scheduler", "job", "dashboard"):
            for process in self.processes(kind):
                with suppress(psutil.NoSuchProcess):
                    process.kill()

    def refuse(self, *, posts: bool) -> None:
        """Let the receiver answer 503 from now on, or be well again."""
        self.receiver.faults[:] = [Refusal(status=503)] * 10_000 if posts else []

    def disk(self, left_mb: float | None) -> None:
        """Fill the warehouse's disk up to `left_mb` MB, or empty it again."""
        self.ballast.unlink(missing_ok=True)
        if left_mb is None:
            return
        size = shutil.disk_usage(self.home).free - int(left_mb * 2**20)
        with self.ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, size))

    def ask(self, sql: str, **params: Any) -> Any:
        """Plain SQL, for judging only; a frame."""
        with self.warehouse.read() as session:
            return session._cursor.sql(sql, params=params).to_arrow_table().to_pandas()


def _mounted(folder: Path) -> bool:
    """Put a small disk of its own under `folder`; False where that is not allowed."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder)]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

"""One word -> scheduler and dashboard as two processes, kept alive and ended together."""

import argparse
import socket
import subprocess
import sys
import threading
import time

from pipeline.commands.base import Command, Desk, port
from pipeline.errors import ConfigError
from pipeline.settings import LOOPBACK, ROOT, locked
from pipeline.signals import stop_flag
from pipeline.supervising import Supervisor

JOBS = [sys.executable, str(ROOT / "jobs.py")]
ALARM_AFTER_S = 120.0
ALARM_TIMEOUT_S = 120.0
POLL_S = 0.3


def run(desk: Desk, options: argparse.Namespace) -> int:
    """Keep both alive until an interrupt, or until the scheduler cannot be. Raises ConfigError for a taken port."""
    address = options.address
    locked(desk.settings, address)
    _free(address, options.port)
    desk.open()
    told = stop_flag()
    where = ["--address", address, "--port", str(options.port)]
    commands = {
        "scheduler": [*JOBS, "schedule", "--with-parent"],
        "dashboard": [sys.executable, "-m", "dashboard.server", *where],
    }
    help_after = {"scheduler": (ALARM_AFTER_S, lambda: _alarm(told))}
    supervisor = Supervisor(commands, say=_say, help_after=help_after, spare=("dashboard",))
    _say(f"Sextant is on http://{address}:{options.port} (Ctrl-C stops everything)")
    return supervisor.serve(until=told.is_set)


def _alarm(told: threading.Event) -> None:
    """Look for alerts and send them, since no scheduler does."""
    _say("no scheduler is at work: looking for alerts and sending them")
    child = subprocess.Popen([*JOBS, "run", "alert", "notify", "--by", "up"], cwd=ROOT)
    deadline = time.monotonic() + ALARM_TIMEOUT_S
    while child.poll() is None and time.monotonic() < deadline and not told.wait(POLL_S):
        pass
    if child.poll() is None:
        child.terminate()
    child.wait()


def _free(address: str, port: int) -> None:
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            raise ConfigError(
                f"{address} port {port} cannot be used ({error.strerror}); name another with --port."
            ) from error


def _say(line: str) -> None:
    print(line, flush=True)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--address", default=LOOPBACK[0], help="another than this machine's own needs SEXTANT_AUTH")
    parser.add_argument("--port", type=port, default=8501)


COMMAND = Command("up", "scheduler and dashboard together, kept alive", run, _arguments)

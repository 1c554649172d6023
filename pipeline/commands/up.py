"""One word -> scheduler and dashboard as two processes, ended together."""

import argparse
import os
import signal
import subprocess
import sys
import time

from pipeline.commands.base import Command, Desk
from pipeline.settings import ROOT


def run(desk: Desk, options: argparse.Namespace) -> int:
    """Start both and wait until one ends or an interrupt comes."""
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


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=8501)


COMMAND = Command("up", "scheduler and dashboard together", run, _arguments)

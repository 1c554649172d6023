"""A warehouse, or a page's data as JSON -> servers on loopback ports of their own, ended with what they started."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.places import peers_python
from pipeline.settings import ROOT

START_S = 120
PEERS = ("dash", "panel", "nicegui")


@dataclass(frozen=True)
class Server:
    """A running server: its address and its process."""

    name: str
    address: str
    process: psutil.Process

    @property
    def cpu_s(self) -> float:
        """Processor time so far, with its children."""
        every = [self.process, *self.process.children(recursive=True)]
        return sum(one.cpu_times().user + one.cpu_times().system for one in every)

    @property
    def memory_mb(self) -> float:
        """Resident MiB, with its children."""
        return sum(one.memory_info().rss for one in (self.process, *self.process.children(recursive=True))) / 2**20


@contextmanager
def sextant(warehouse: Path, log: Path) -> Iterator[Server]:
    """The dashboard over `warehouse`, started as `jobs.py up` does."""
    port = free_port()
    command = [sys.executable, "-m", "dashboard.server", "--port", str(port)]
    env = {key: value for key, value in os.environ.items() if not key.startswith(("SEXTANT_", "ESIOS_"))}
    env |= {"SEXTANT_WAREHOUSE": str(warehouse), "SEXTANT_MARKETS": "demo"}
    with _running("Sextant", command, env, port, "/_stcore/health", log) as server:
        yield server


@contextmanager
def peer(name: str, data: Path, log: Path) -> Iterator[Server]:
    """The same page in another framework, from `data` that it reads anew at every refresh."""
    port = free_port()
    command = [str(peers_python()), str(ROOT / "benchmarks" / "peers" / f"{name}_page.py"), str(data), str(port)]
    with _running(name, command, dict(os.environ), port, "/", log) as server:
        yield server


def free_port() -> int:
    """A port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _running(name: str, command: list[str], env: dict[str, str], port: int, path: str, log: Path) -> Iterator[Server]:
    with log.open("w") as out, subprocess.Popen(command, cwd=ROOT, env=env, stdout=out, stderr=out) as child:
        try:
            address = f"http://127.0.0.1:{port}"
            _wait(f"{address}{path}", child, log)
            yield Server(name, address, psutil.Process(child.pid))
        finally:
            child.terminate()
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()


def _wait(url: str, child: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and child.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    raise RuntimeError(f"no answer from {url}:\n{log.read_text(encoding='utf-8', errors='replace')[-2000:]}")

"""`up` and its supervisor as real processes: what dies is started again, and nothing outlives it."""

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.request import urlopen

import pytest

from pipeline.runs import request
from pipeline.settings import ROOT
from pipeline.supervising import Supervisor
from tests.browser import free_port
from tests.conftest import Desk
from tests.probes import wait_for

Environment = Callable[..., dict[str, str]]
SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
DIE = [sys.executable, "-c", "raise SystemExit(3)"]


def children_of(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()]


def runs(pid: int) -> bool:
    """Whether the process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def command_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8")


def healthy(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_what_is_killed_is_started_again_and_all_end_together() -> None:
    said: list[str] = []
    pids: list[int] = []
    supervisor = Supervisor({"a": SLEEP, "b": SLEEP}, say=said.append, first_wait_s=0.1)

    def over() -> bool:
        first, second = (ward.child for ward in supervisor.wards)
        if first and second and not pids:
            pids.extend([first.pid, second.pid])
            os.kill(first.pid, signal.SIGKILL)
        elif first and first.pid not in pids:
            pids.append(first.pid)
            return True
        return False

    assert supervisor.serve(over) == 0
    assert said == ["a ended with exit code -9; starts again in 0.1 s"]
    assert len(pids) == 3
    assert not any(runs(pid) for pid in pids)


def test_it_gives_up_after_quick_deaths_in_a_row_and_calls_for_help_first() -> None:
    said: list[str] = []
    helped: list[float] = []
    commands = {"good": SLEEP, "bad": DIE}
    help_after = {"bad": (0.5, lambda: helped.append(time.monotonic()))}
    supervisor = Supervisor(
        commands, say=said.append, most=4, first_wait_s=0.1, help_after=help_after, help_every_s=0.4
    )
    assert supervisor.serve(lambda: False) == 1
    assert said[0] == "bad ended with exit code 3; starts again in 0.1 s"
    assert [line.rsplit(" ", 2)[1] for line in said[:4]] == ["0.1", "0.2", "0.4", "0.8"]
    assert said[4] == "bad died 4 times in a row within 60 s; giving up"
    assert len(helped) >= 2
    assert all(ward.child is None or ward.child.poll() is not None for ward in supervisor.wards)


def test_one_that_is_spare_is_given_up_alone_and_tried_ever_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.supervising.LONGEST_WAIT_S", 0.2)
    said: list[str] = []
    commands = {"good": SLEEP, "bad": DIE}
    supervisor = Supervisor(commands, say=said.append, most=3, first_wait_s=0.1, spare=("bad",))
    good, bad = supervisor.wards
    assert supervisor.serve(lambda: bad.deaths == 5 and runs(good.child.pid if good.child else 0)) == 0
    assert said[2:] == [
        "bad died 3 times in a row within 60 s, last with exit code 3; it is tried every 0.2 s from now on"
    ]


@pytest.mark.parametrize(("words", "ends"), [([], False), (["--with-parent"], True)])
def test_a_scheduler_outlives_the_shell_that_started_it_unless_told_not_to(
    full: Desk, environment: Environment, words: list[str], ends: bool
) -> None:
    started = shlex.join([sys.executable, str(ROOT / "jobs.py"), "schedule", *words])
    script = f"setsid {started} < /dev/null > /dev/null 2>&1 & echo $!; read line"
    with subprocess.Popen(["sh", "-c", script], env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as sh:
        assert sh.stdout is not None
        pid = int(sh.stdout.readline())
        wait_for(full.warehouse.scheduler_alive)
        sh.communicate()
    try:
        if ends:
            wait_for(lambda: not runs(pid), seconds=30)
        else:
            run_id = request(full.warehouse, "quality", by="ana", reason="", args={"try": 1}, now=full.now)
            wait_for(lambda: full.warehouse.ask("run_by_id", run_id=run_id).state.iloc[0] != "queued")
            assert runs(pid)
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        wait_for(lambda: not runs(pid), seconds=30)


def test_a_death_after_a_while_is_none_of_the_quick_ones() -> None:
    said: list[str] = []
    brief = [sys.executable, "-c", "import time; time.sleep(0.5)"]
    supervisor = Supervisor({"a": brief}, say=said.append, quick_s=0.2, most=2, first_wait_s=0.1)
    assert supervisor.serve(lambda: len(said) == 3) == 0
    assert {line.rsplit(" ", 2)[1] for line in said} == {"0.1"}


def test_a_taken_port_is_said_at_once(environment: Environment) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = [sys.executable, str(ROOT / "jobs.py"), "up", "--port", port]
        done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert f"port {port} cannot be used" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_up_keeps_both_alive_and_leaves_none_behind(full: Desk, environment: Environment, number: int) -> None:
    port = free_port()
    command = [sys.executable, str(ROOT / "jobs.py"), "up", "--port", str(port)]
    with subprocess.Popen(command, env=environment(), start_new_session=True) as up:
        try:
            wait_for(lambda: healthy(port) and full.warehouse.scheduler_alive(), seconds=60)
            scheduler, dashboard = sorted(children_of(up.pid), key=lambda pid: "dashboard.server" in command_of(pid))
            os.kill(scheduler, signal.SIGKILL)
            wait_for(lambda: not full.warehouse.scheduler_alive(), seconds=10)
            wait_for(full.warehouse.scheduler_alive, seconds=30)
            family = children_of(up.pid)
            assert len(family) == 2
            assert dashboard in family
        finally:
            up.send_signal(number)
            up.wait(40)
    wait_for(lambda: not any(runs(pid) for pid in family), seconds=30)
    assert not full.warehouse.scheduler_alive()
    assert not healthy(port)

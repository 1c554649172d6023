"""Processes are ended whole, politely first, and never one that merely got the same number."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from pipeline import processes

ROOT_OF_TREE = """
import os, signal, subprocess, sys, time
polite = {polite}
if not polite: signal.signal(signal.SIGTERM, signal.SIG_IGN)
sleeper = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN) if not {polite} else 0; time.sleep(60)"
pids = [os.getpid(), subprocess.Popen([sys.executable, "-c", sleeper]).pid]
pids.append(subprocess.Popen([sys.executable, "-c", sleeper], start_new_session=True).pid)
read, write = os.pipe()
if os.fork() == 0:                       # twice forked and in a session of its own: a daemon nobody is the parent of
    os.setsid()
    if os.fork():
        os._exit(0)
    os.write(write, str(os.getpid()).encode()); time.sleep(60)
os.wait(); pids.append(int(os.read(read, 20)))
if os.fork() == 0:                       # the same without its environment, still in our session
    if os.fork():
        os._exit(0)
    os.write(write, str(os.getpid()).encode())
    os.execve(sys.executable, [sys.executable, "-c", "import time; time.sleep(60)"], {{}})
os.wait(); pids.append(int(os.read(read, 20)))
print(*pids, flush=True)
{then}
"""


@contextmanager
def family(tmp_path: Path, *, polite: bool = True, then: str = "time.sleep(60)") -> Iterator[tuple[list[int], float]]:
    """A process started like a run, with a child, a detached child, a daemon and an orphan: all pids, its birth."""
    script = tmp_path / "family.py"
    script.write_text(ROOT_OF_TREE.format(polite=polite, then=then), encoding="utf-8")
    out = tmp_path / "pids"
    wrapper = f"import os, sys; f = os.open({str(out)!r}, os.O_WRONLY | os.O_CREAT); os.dup2(f, 1); "
    wrapper += f"os.execv(sys.executable, [sys.executable, {str(script)!r}])"
    child = processes.start("run-of-" + tmp_path.name, command=[sys.executable, "-c", wrapper])
    born = processes.born(child.pid)
    pids: list[int] = []
    try:
        until(lambda: out.exists() and len(out.read_text().split()) == 5)
        pids = [int(word) for word in out.read_text().split()]
        assert pids[0] == child.pid
        yield pids, born
    finally:
        for pid in pids or [child.pid]:
            if psutil.pid_exists(pid):
                os.kill(pid, signal.SIGKILL)
        child.wait(10)


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def running(pids: list[int]) -> list[int]:
    found = []
    for pid in pids:
        try:
            found += [pid] if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE else []
        except psutil.NoSuchProcess:
            continue
    return found


def test_a_whole_family_is_found_and_ended_politely(tmp_path: Path) -> None:
    with family(tmp_path) as (pids, born):
        assert running(pids) == pids
        found = [one.pid for one in processes.tree(pids[0], born)]
        assert found[0] == pids[0]
        assert sorted(found) == sorted(pids)
        began = time.monotonic()
        assert processes.end_tree(pids[0], born, grace_s=10) == 5
        assert time.monotonic() - began < 5
        assert running(pids) == []
        assert not processes.alive(pids[0], born)
        assert processes.age_s(pids[0], born) is None


def test_what_ignores_the_request_is_killed_after_the_grace(tmp_path: Path) -> None:
    with family(tmp_path, polite=False) as (pids, born):
        began = time.monotonic()
        processes.end_tree(pids[0], born, grace_s=1)
        assert 1 <= time.monotonic() - began < 6
        assert running(pids) == []


def test_offspring_that_appears_while_we_watch_is_ended_too(tmp_path: Path) -> None:
    late = tmp_path / "late"
    then = (
        "def born_late(*_):\n"
        "    child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], start_new_session=True)\n"
        f"    open({str(late)!r}, 'w').write(str(child.pid))\n"
        "signal.signal(signal.SIGTERM, born_late)\n"
        "while True: time.sleep(0.1)\n"
    )
    with family(tmp_path, then=then) as (pids, born):
        # The handler is set just after the pids are told.
        until(lambda: handles_sigterm(pids[0]))
        processes.end_tree(pids[0], born, grace_s=1)
        assert late.exists()
        assert running([*pids, int(late.read_text())]) == []


def handles_sigterm(pid: int) -> bool:
    caught = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) & 1 << (signal.SIGTERM - 1))


def test_what_a_dead_run_left_behind_is_found_by_its_mark(tmp_path: Path) -> None:
    run_id = "run-of-" + tmp_path.name
    with family(tmp_path) as (pids, born):
        os.kill(pids[0], signal.SIGKILL)
        until(lambda: not processes.alive(pids[0], born))
        assert processes.tree(pids[0], born) == []
        left = {one.pid for one in processes.tree(pids[0], born, run_id)}
        assert left == set(pids[1:4])  # the orphan without environment and parent cannot be told from a stranger
        processes.end_tree(pids[0], born, grace_s=2, run_id=run_id)
        assert running(pids[1:4]) == []


def test_a_process_that_got_the_same_number_is_never_touched() -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True) as stranger:
        born = processes.born(stranger.pid)
        earlier = born - 60
        assert processes.alive(stranger.pid, born)
        assert not processes.alive(stranger.pid, earlier)
        assert processes.age_s(stranger.pid, earlier) is None
        assert processes.end_tree(stranger.pid, earlier, grace_s=0.2, run_id="another run") == 0
        assert stranger.poll() is None
        stranger.kill()
    with pytest.raises(ProcessLookupError):
        processes.born(stranger.pid)


def test_nobody_ends_himself() -> None:
    assert os.getpid() not in {one.pid for one in processes.tree(os.getpid(), processes.born())}


def test_age_is_real_time_whatever_the_clock_says(monkeypatch: pytest.MonkeyPatch) -> None:
    born = processes.born()
    before = processes.age_s(os.getpid(), born)
    assert before is not None
    # A clock that was set an hour ahead moves the boot time and every start that is counted from it.
    boot = psutil.boot_time()
    monkeypatch.setattr("psutil.boot_time", lambda: boot + 3600)
    monkeypatch.setattr("psutil._pslinux.boot_time", lambda: boot + 3600)
    after = processes.age_s(os.getpid(), born)
    assert after is not None
    assert 0 <= after - before < 5

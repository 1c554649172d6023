"""A queued run -> a process of its own; a process -> its age, its offspring and the end of all of them.

A process is named by its pid and `born`, seconds between the machine's start and its own, which no step of the clock
changes: a pid that was used again is never taken for the process that had it before.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence

import psutil

from pipeline.settings import ROOT

COMMAND = (sys.executable, str(ROOT / "jobs.py"))
MARK = "SEXTANT_RUN"
"""Handed down to every descendant, so that one that left its group, session and parent is still found."""
SAME_S = 1.5  # two looks at one process may differ by the second that the boot time is rounded to
POLL_S = 0.1
KILL_WAIT_S = 5.0


def start(
    run_id: str, *, by: str = "scheduler", command: Sequence[str] = COMMAND, env: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start the queued run `run_id` as a process that leads a session of its own; it claims the run itself.

    `command` is what comes before `run --queued RUN_ID --by BY`; `env` replaces the environment of this process.
    """
    words = [*command, "run", "--queued", run_id, "--by", by]
    handed = dict(os.environ if env is None else env) | {MARK: run_id}
    return subprocess.Popen(words, cwd=ROOT, env=handed, stdin=subprocess.DEVNULL, start_new_session=True)


def born(pid: int | None = None) -> float:
    """When the process `pid` (this one) began, in seconds since the machine did. Raises ProcessLookupError."""
    try:
        return _born(psutil.Process(pid))
    except psutil.NoSuchProcess as error:
        raise ProcessLookupError(f"there is no process {pid}") from error


def alive(pid: int, born: float) -> bool:
    """Whether that very process still runs; one that ended and was not yet reaped does not."""
    return _root(pid, born) is not None


def run_of(pid: int, born: float) -> str:
    """The run that process was started for by `start`, or whose offspring it is; empty for what a person started."""
    return _mark(_root(pid, born))


def age_s(pid: int, born: float) -> float | None:
    """Real seconds since that process began, whatever the clocks were set to meanwhile; None when it is gone."""
    return _up_s() - born if alive(pid, born) else None


def tree(pid: int, born: float, run_id: str = "") -> list[psutil.Process]:
    """That process and all that came of it, itself first; never this process.

    Its children and theirs, those that share the session it leads, and those that carry its mark. With the `run_id`
    the marked ones are found when the process itself is long gone.
    """
    root = _root(pid, born)
    found = [] if root is None else [root, *_offspring(root)]
    found += _marked(run_id or _mark(root))
    return [one for one in dict.fromkeys(found) if one.pid != os.getpid() and _runs(one)]


def end_tree(pid: int, born: float, *, grace_s: float, run_id: str = "") -> int:
    """Ask that process and all its offspring to stop, and kill what is left after `grace_s`; returns how many.

    Also ends what left the tree while we watched. Returns when all are gone, at the latest five seconds after the
    last signal (a process in an uninterruptible wait cannot be hurried).
    """
    known = dict.fromkeys(tree(pid, born, run_id))
    for one in known:
        _signal(one, signal.SIGTERM)
    _watch(known, pid, born, run_id, grace_s, signal.SIGTERM)
    known |= dict.fromkeys(tree(pid, born, run_id))
    for one in known:
        _signal(one, signal.SIGKILL)
    _watch(known, pid, born, run_id, KILL_WAIT_S, signal.SIGKILL)
    return len(known)


def _watch(
    known: dict[psutil.Process, None], pid: int, born: float, run_id: str, wait_s: float, number: signal.Signals
) -> None:
    """Until all are gone or the wait is over; offspring that appears meanwhile gets the signal too."""
    deadline = time.monotonic() + wait_s
    while any(_runs(one) for one in known) and time.monotonic() < deadline:
        time.sleep(POLL_S)
        grown = [child for one in known if _runs(one) for child in _offspring(one)]
        for one in dict.fromkeys([*grown, *tree(pid, born, run_id)]):
            if one not in known:
                known[one] = None
                _signal(one, number)


def _root(pid: int, born: float) -> psutil.Process | None:
    try:
        process = psutil.Process(pid)
        return process if abs(_born(process) - born) < SAME_S and _runs(process) else None
    except psutil.NoSuchProcess:
        return None


def _born(process: psutil.Process) -> float:
    # Both move with the clock when it is set; their difference does not.
    return float(process.create_time() - psutil.boot_time())


def _up_s() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _offspring(root: psutil.Process) -> list[psutil.Process]:
    try:
        found: list[psutil.Process] = root.children(recursive=True)
        if os.getsid(root.pid) == root.pid:
            found += [one for one in psutil.process_iter() if _session(one.pid) == root.pid]
    except (psutil.NoSuchProcess, ProcessLookupError):
        return []
    return found


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return 0


def _marked(run_id: str) -> Iterator[psutil.Process]:
    return (one for one in psutil.process_iter() if run_id and _mark(one) == run_id)


def _mark(process: psutil.Process | None) -> str:
    if process is None:
        return ""
    try:
        return str(process.environ().get(MARK, ""))
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return ""


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return

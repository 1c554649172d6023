"""Commands -> processes that are kept alive: started again when they die, ended together when told to stop."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass

from pipeline import processes
from pipeline.settings import ROOT

POLL_S = 0.3
STOP_S = 20.0
LONGEST_WAIT_S = 60.0


@dataclass
class Ward:
    """A process that is kept alive. Times are monotonic seconds; `deaths` counts quick ones in a row."""

    name: str
    words: Sequence[str]
    child: subprocess.Popen[bytes] | None = None
    born: float = 0.0
    started: float = 0.0
    again: float = 0.0
    deaths: int = 0
    well: float = 0.0
    """When it was last known to live for longer than a quick death takes."""


class Supervisor:
    """Keeps `commands` (name -> words) alive. `say` gets one line for each death.

    A death within `quick_s` real seconds of the start is quick. The next start waits 1, 2, 4 .. 60 s; after `most`
    quick deaths in a row of one of them all are ended, but one that is `spare` is tried again every 60 s. `help_after`
    (name -> seconds, what to do) is done again and again, every `help_every_s`, while that one has not lived well for
    so long, and once before giving up.
    """

    def __init__(
        self,
        commands: Mapping[str, Sequence[str]],
        *,
        say: Callable[[str], None],
        quick_s: float = 60.0,
        most: int = 10,
        first_wait_s: float = 1.0,
        help_after: Mapping[str, tuple[float, Callable[[], None]]] | None = None,
        help_every_s: float = 300.0,
        spare: Container[str] = (),
    ) -> None:
        self.wards = [Ward(name, words) for name, words in commands.items()]
        self._say, self._quick_s, self._most, self._first_wait_s = say, quick_s, most, first_wait_s
        self._help_after, self._help_every_s = help_after or {}, help_every_s
        self._spare = spare
        self._helped: dict[str, float] = {}

    def serve(self, until: Callable[[], bool]) -> int:
        """Keep all alive until `until()`, which returns 0, or until one cannot be kept alive, 1; then end all."""
        for ward in self.wards:
            ward.well = time.monotonic()
        try:
            while not until():
                for ward in self.wards:
                    if not self._kept(ward):
                        return 1
                time.sleep(POLL_S)
            return 0
        finally:
            self._end()

    def _kept(self, ward: Ward) -> bool:
        now = time.monotonic()
        if ward.child is None and now >= ward.again:
            self._start(ward)
        elif ward.child is not None and ward.child.poll() is not None:
            self._bury(ward, now)
            if ward.deaths >= self._most and ward.name not in self._spare:
                self._help(ward, now, last=True)
                self._say(f"{self._died(ward)}; giving up")
                return False
        elif ward.child is not None and now - ward.started > self._quick_s:
            ward.deaths, ward.well = 0, now
        self._help(ward, now)
        return True

    def _start(self, ward: Ward) -> None:
        tether = [sys.executable, "-m", "pipeline.tether", str(os.getpid())]
        ward.child = subprocess.Popen([*tether, *ward.words], cwd=ROOT, start_new_session=True)
        ward.born, ward.started = processes.born(ward.child.pid), time.monotonic()

    def _bury(self, ward: Ward, now: float) -> None:
        assert ward.child is not None
        ward.deaths = ward.deaths + 1 if now - ward.started <= self._quick_s else 1
        lost = ward.deaths >= self._most and ward.name in self._spare
        wait_s = LONGEST_WAIT_S if lost else min(LONGEST_WAIT_S, self._first_wait_s * 2 ** (ward.deaths - 1))
        ward.again = now + wait_s
        if not lost:
            self._say(f"{ward.name} ended with exit code {ward.child.returncode}; starts again in {wait_s:g} s")
        elif ward.deaths == self._most:
            code = ward.child.returncode
            self._say(f"{self._died(ward)}, last with exit code {code}; it is tried every {wait_s:g} s from now on")
        ward.child = None

    def _died(self, ward: Ward) -> str:
        return f"{ward.name} died {ward.deaths} times in a row within {self._quick_s:g} s"

    def _help(self, ward: Ward, now: float, *, last: bool = False) -> None:
        if ward.name not in self._help_after:
            return
        after_s, work = self._help_after[ward.name]
        ill = last or now - ward.well > after_s
        if ill and (last or now - self._helped.get(ward.name, -self._help_every_s) >= self._help_every_s):
            self._helped[ward.name] = now
            work()

    def _end(self) -> None:
        """Ask all to stop, wait, then kill what is left with all its offspring."""
        left = [(ward, ward.child) for ward in self.wards if ward.child is not None]
        for _, child in left:
            child.terminate()
        deadline = time.monotonic() + STOP_S
        for ward, child in left:
            try:
                child.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                processes.end_tree(child.pid, ward.born, grace_s=0)
                child.wait()

"""A task and lines on standard input -> one JSON line per run: seconds of CPU and wall. Standard library only."""

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any


def serve(task: Callable[[], Any], keep: Callable[[Any], None] | None = None, **more: Any) -> None:
    """Run `task` for every line read; `keep` gets the answer of the first run, outside the clock.

    The first line written says ready, with `more`. Each later one holds `cpu` and `wall` in seconds; CPU is
    that of all threads and ended children.
    """
    print(json.dumps({"ready": True} | more), flush=True)
    for _ in sys.stdin:
        wall, cpu = time.perf_counter(), _cpu()
        answer = task()
        cpu, wall = _cpu() - cpu, time.perf_counter() - wall
        if keep is not None:
            keep(answer)
            keep = None
        del answer
        print(json.dumps({"cpu": cpu, "wall": wall}), flush=True)


def plan() -> dict[str, Any]:
    """What to do: the JSON file named on the command line."""
    with open(sys.argv[1], encoding="utf-8") as file:
        read: dict[str, Any] = json.load(file)
    return read


def _cpu() -> float:
    times = os.times()
    return time.process_time() + times.children_user + times.children_system

"""A folder -> servers over real warehouses in every state a page can be in: full, stale, mid-job, provider down ...

`python -m tests.states` lists the states; with a name it serves one until its input ends, `hold` makes that busy.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from pipeline.runs import request
from pipeline.settings import ROOT
from tests import browser, filler, market_filler, probes
from tests.filler import Story
from tests.servers import faults
from tests.servers.grid import GridServer
from tests.servers.store import invented_store


@dataclass(frozen=True)
class Served:
    """A running dashboard; `hold` makes the warehouse busy and leaves it so."""

    address: str
    warehouse: Path
    hold: Callable[[], None] = lambda: None


Make = Callable[[Path, ExitStack], Served]


@dataclass(frozen=True)
class State:
    """How to bring it about, and what is then seen on every page (`everywhere`) or on one (`shown`), as texts."""

    make: Make
    everywhere: str
    shown: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def served(name: str, folder: Path) -> Iterator[Served]:
    """A server in the state `name`; all processes it needs end with it."""
    with ExitStack() as stack:
        yield STATES[name].make(folder, stack)


def _told(story: Story | None) -> Make:
    """A filled warehouse that tells `story`, nothing running; None: an empty one."""

    def make(folder: Path, stack: ExitStack) -> Served:
        path = folder / "w.duckdb"
        if story is None:
            filler.empty(path, datetime.now(UTC))
        else:
            filler.fill(path, datetime.now(UTC), story)
        return _serve(path, stack)

    return make


def _market(name: str, *off: str) -> Make:
    """A market of market_filler without the targets `off`: west is zones and their system, south has spreads."""

    def make(folder: Path, stack: ExitStack) -> Served:
        path, config = market_filler.fill(folder, datetime.now(UTC)).path, folder / "sextant.toml"
        text = config.read_text(encoding="utf-8")
        for target in off:
            head = f"[market.{name}.target.{target}]\n"
            text = text.replace(head, f"{head}off = true\n")
        config.write_text(text, encoding="utf-8")
        return _serve(path, stack, SEXTANT_CONFIG=str(config), SEXTANT_MARKETS=name)

    return make


def _missing(folder: Path, stack: ExitStack) -> Served:
    return _serve(folder / "none.duckdb", stack)


def _mid_job(folder: Path, stack: ExitStack) -> Served:
    """A scheduler of probe jobs in the middle of a run that takes ten minutes."""
    path, now = folder / "w.duckdb", datetime.now(UTC)
    warehouse = filler.fill(path, now)
    run_id = request(warehouse, "sleep", by="local", reason="a long one", args={}, now=now)
    stack.enter_context(probes.scheduling(browser.environment(path)))
    probes.wait_for(lambda: warehouse.ask("run_by_id", run_id=run_id)["state"].iloc[0] == "running")
    return _serve(path, stack)


def _provider_down(folder: Path, stack: ExitStack) -> Served:
    """A real ingest whose provider answers 503 to everything, hours after the last good one."""
    path, now = folder / "w.duckdb", datetime.now(UTC)
    filler.fill(path, now, Story(hours_old=5))
    provider = stack.enter_context(GridServer(invented_store("2024-10-20", "2024-10-22"), now))
    provider.faults.extend([faults.unavailable] * 200)
    config = folder / "sextant.toml"
    text = (ROOT / "sextant.toml").read_text(encoding="utf-8")
    text = text.replace('sources = ["demo"]', 'sources = ["redata", "demo"]', 1)
    config.write_text(text.replace('keys = { demo = "load" }', 'keys = { redata = "1293" }'), encoding="utf-8")
    env = {
        "SEXTANT_CONFIG": str(config),
        "SEXTANT_REDATA_URL": provider.url,
        "SEXTANT_HTTP_TRIES": "1",
        "SEXTANT_MODELS": str(folder / "models"),
    }
    command = [sys.executable, "jobs.py", "run", "ingest"]
    done = subprocess.run(command, cwd=ROOT, env=browser.environment(path, **env), capture_output=True, timeout=120)
    assert done.returncode == 1, done.stdout.decode()
    assert provider.requests
    return _serve(path, stack, **env)


def _busy(folder: Path, stack: ExitStack) -> Served:
    """A warehouse that a writer changes and then keeps, as soon as `hold` is called."""
    path, clock, real = folder / "w.duckdb", folder / "clock.json", datetime.now(UTC)
    # Figures of the hour are asked for anew when one is over, and then nothing is known: twenty past is far from it.
    now = real.replace(minute=20)
    clock.write_text(json.dumps({"real": real.timestamp(), "simulated": now.isoformat(), "rate": 1}), encoding="utf-8")
    filler.fill(path, now)

    def hold() -> None:
        command = [sys.executable, "-m", "tests.holder", str(path)]
        child = stack.enter_context(subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True))
        stack.callback(child.kill)
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"

    served = _serve(path, stack, SEXTANT_LOCK_WAIT_S="0.05", SEXTANT_CLOCK=str(clock))
    return Served(served.address, path, hold)


def _serve(path: Path, stack: ExitStack, **env: str) -> Served:
    log = path.with_name("server.log")
    return Served(stack.enter_context(browser.serving(path, log, **env)), path)


LATE = "stale data: the last 2 hours of actuals are missing"
STATES = {
    "full": State(_told(Story()), "Actuals to the", {"alerts": "Acknowledge"}),
    "empty": State(_told(None), "No forecast yet"),
    "missing": State(_missing, "No warehouse yet"),
    "stale": State(_told(Story(hours_old=7)), "Forecast stale"),
    "mid_job": State(_mid_job, "Scheduler running", {"jobs": "Cancel sleep"}),
    "provider_down": State(_provider_down, "Forecast stale", {"data": "503"}),
    "busy": State(_busy, "Warehouse busy"),
    "fallback": State(_told(Story(status="fallback", reason=LATE)), "Forecast fallback", {"": "stale data"}),
    "withheld": State(_told(Story(status="withheld", reason=LATE)), "Forecast withheld", {"": "stale data"}),
    "reduced": State(_told(Story(status="reduced", reason=LATE)), "Forecast reduced", {"": "stale data"}),
    "reissued": State(_told(Story(reissued=True)), "Actuals to the"),
    "zones": State(_market("west"), "Actuals to the", {"": "Parts"}),
    "spread": State(_market("south", "load", "rtm"), "Actuals to the", {"": "real-time"}),
    "waiting": State(_told(Story(waiting=True)), "Actuals to the", {"models": "Promote demo.load-v4"}),
}


def main() -> None:
    """Serve the state that is named."""
    if len(sys.argv) == 1:
        sys.stdout.write("\n".join(STATES) + "\n")
        return
    with tempfile.TemporaryDirectory() as folder, served(sys.argv[1], Path(folder)) as one:
        sys.stdout.write(f"{one.address}\n")
        sys.stdout.flush()
        for line in sys.stdin:
            if line == "hold\n":
                one.hold()
                sys.stdout.write("held\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()

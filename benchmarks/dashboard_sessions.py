"""A running dashboard -> how long its sessions wait for a refresh while a job writes, and what that costs the server.

Each session is a real websocket that speaks Streamlit's protocol and asks for a run of the whole page.
"""

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import connect

from benchmarks.dashboard_servers import Server
from pipeline import processes
from pipeline.runs import claim, note, request
from pipeline.warehouse import Warehouse

BEAT_S = 5.0
"""How often the job under way writes heartbeat and log: three times as often as one does that logs all the time."""
ISSUE_S = 30.0
"""How often something is written that the page shows, so that every answer and figure of it is made anew."""
SLOWEST_S = 60.0


@dataclass
class Load:
    """Seconds each refresh took, kB it sent, and what the server needed meanwhile."""

    waits: list[float] = field(default_factory=list)
    sent_kb: list[float] = field(default_factory=list)
    failed: int = 0
    cores: float = float("nan")
    base_mb: float = float("nan")
    full_mb: float = float("nan")
    sessions: int = 0
    writes: int = 0

    def ms(self, q: float) -> float:
        """The q-th percentile of a refresh in ms."""
        return 1000 * float(np.percentile(self.waits or [np.nan], q))

    @property
    def session_mb(self) -> float:
        """Resident MiB a session adds."""
        return (self.full_mb - self.base_mb) / max(1, self.sessions)


def measure(server: Server, warehouse: Path, *, sessions: int, every_s: float, seconds: float) -> Load:
    """`sessions` that refresh every `every_s` for `seconds`, beside a job that writes."""
    with _writing(warehouse) as written:
        load = asyncio.run(_all(server, sessions, every_s, seconds))
    load.writes = written[0]
    return load


async def _all(server: Server, sessions: int, every_s: float, seconds: float) -> Load:
    load = Load(sessions=sessions)
    address = server.address.replace("http", "ws") + "/_stcore/stream"

    def session() -> Any:
        return connect(address, subprotocols=["streamlit"], origin=server.address, max_size=None)

    async with session() as first:
        # Imports and the first answers are the base, not a session's.
        await _refresh(first, Load())
        await _refresh(first, Load())
        load.base_mb = server.memory_mb
    opened = [await session() for _ in range(sessions)]
    for one in opened:
        await _refresh(one, Load())
    cpu_s, started = server.cpu_s, time.perf_counter()
    await asyncio.gather(
        *(_keep_on(one, load, every_s, n * every_s / sessions, seconds) for n, one in enumerate(opened))
    )
    load.cores = (server.cpu_s - cpu_s) / (time.perf_counter() - started)
    load.full_mb = server.memory_mb
    for one in opened:
        await one.close()
    return load


async def _keep_on(socket: Any, load: Load, every_s: float, first_s: float, seconds: float) -> None:
    ends = time.perf_counter() + seconds
    due = time.perf_counter() + first_s
    while due < ends:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        await _refresh(socket, load)
        due = max(due + every_s, time.perf_counter())


async def _refresh(socket: Any, load: Load) -> None:
    asked = BackMsg()
    asked.rerun_script.query_string = ""
    started, size = time.perf_counter(), 0
    await socket.send(asked.SerializeToString())
    while True:
        try:
            data = await asyncio.wait_for(socket.recv(), SLOWEST_S)
        except TimeoutError:
            load.failed += 1
            return
        size += len(data)
        message = ForwardMsg()
        # Only small messages can be the end of a run; reading the others would be the client's cost.
        if len(data) < 200:
            message.ParseFromString(data)
        if message.WhichOneof("type") == "script_finished":
            load.failed += message.script_finished != ForwardMsg.FINISHED_SUCCESSFULLY
            load.waits.append(time.perf_counter() - started)
            load.sent_kb.append(size / 1000)
            return


@contextmanager
def _writing(path: Path) -> Iterator[list[int]]:
    """A job under way beside: it beats as runs do, and now and then writes what the page shows."""
    over, written, warehouse = Event(), [0], Warehouse(path)
    now = datetime.now(UTC)
    running = request(warehouse, "backup", by="benchmark", reason="beside the sessions", args={}, now=now)
    with warehouse.write() as session:
        claim(session, running, pid=os.getpid(), born=processes.born(), now=now)

    def write() -> None:
        issued = time.monotonic()
        while not over.wait(BEAT_S):
            with warehouse.write() as session:
                note(session, running, heartbeat_at=datetime.now(UTC), log=f"{written[0]} steps done")
                if time.monotonic() - issued >= ISSUE_S:
                    issued = time.monotonic()
                    session.changed.update(("predictions", "actuals", "accuracy"))
            written[0] += 1

    thread = Thread(target=write, daemon=True)
    thread.start()
    try:
        yield written
    finally:
        over.set()
        thread.join()

"""A running dashboard -> how long its sessions wait for a refresh while a job writes, and what that costs the server.

Each session is a real websocket that speaks Streamlit's protocol and asks for a run of the whole page.
"""

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import connect

from benchmarks.dashboard_page import TARGET
from benchmarks.dashboard_servers import Server
from benchmarks.dashboard_writer import Written, writing

SLOWEST_S = 60.0
SETTLED = 10
"""Refreshes of one session after which the server has loaded and remembered what any session needs."""
HELD = 40
"""Sessions held open at once to learn what one takes: few would be lost in what the server has to spare anyway."""


@dataclass
class Load:
    """Seconds each refresh took, kB it sent, and what the server needed meanwhile."""

    waits: list[float] = field(default_factory=list)
    sent_kb: list[float] = field(default_factory=list)
    failed: int = 0
    cores: float = float("nan")
    base_mb: float = float("nan")
    full_mb: float = float("nan")
    after_mb: float = float("nan")
    held: int = HELD
    sessions: int = 0
    written: Written = field(default_factory=Written)

    def ms(self, q: float) -> float:
        """The q-th percentile of a refresh in ms."""
        return 1000 * float(np.percentile(self.waits or [np.nan], q))

    @property
    def session_mb(self) -> float:
        """Resident MiB a session adds while it is open."""
        return (self.full_mb - self.base_mb) / max(1, self.held)


def measure(server: Server, warehouse: Path, *, sessions: int, every_s: float, seconds: float) -> Load:
    """What sessions hold, then `sessions` that refresh every `every_s` for `seconds` beside a job that writes."""
    load = Load(sessions=sessions)
    asyncio.run(_held(server, load))
    with writing(warehouse, TARGET) as written:
        asyncio.run(_all(server, load, every_s, seconds))
    load.written = written
    return load


def _session(server: Server) -> Any:
    address = server.address.replace("http", "ws") + "/_stcore/stream"
    return connect(address, subprotocols=["streamlit"], origin=server.address, max_size=None)


async def _held(server: Server, load: Load) -> None:
    """Memory with one session, when all is loaded, and with as many again as are held."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(_session(server))
        for _ in range(SETTLED):
            await _refresh(first, Load())
        load.base_mb = server.memory_mb
        for _ in range(load.held):
            one = await stack.enter_async_context(_session(server))
            await _refresh(one, Load())
            await _refresh(one, Load())
        load.full_mb = server.memory_mb


async def _all(server: Server, load: Load, every_s: float, seconds: float) -> None:
    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(_session(server)) for _ in range(load.sessions)]
        for one in opened:
            await _refresh(one, Load())
        cpu_s, started = server.cpu_s, time.perf_counter()
        await asyncio.gather(
            *(_keep_on(one, load, every_s, n * every_s / load.sessions, seconds) for n, one in enumerate(opened))
        )
        load.cores = (server.cpu_s - cpu_s) / (time.perf_counter() - started)
        load.after_mb = server.memory_mb


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

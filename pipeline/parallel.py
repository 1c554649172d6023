"""A job's work + targets -> it is done for each, here or side by side in processes; a failure stays its target's own.

A process costs about a second of processor time and 150 MB before it does anything, so few targets or one core are
worked on here, one after the other, with all cores for each.
"""

import atexit
import json
import logging
import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, Generic, TypeVar

from pipeline import tether
from pipeline.attaching import DatabaseError
from pipeline.errors import ContractBroken, JobError, SextantError
from pipeline.failures import failure_of, worst
from pipeline.markets import Target
from pipeline.redacting import redact
from pipeline.runner import Context, Outcome
from pipeline.warehouse import Warehouse

T = TypeVar("T")
FAULTS = (
    SextantError, ArithmeticError, AssertionError, AttributeError, DatabaseError, ImportError, LookupError, MemoryError,
    NameError, OSError, RuntimeError, TypeError, ValueError,
)  # fmt: skip
"""What work may meet, also mistakes of ours and want of memory, without keeping other targets from being worked on."""
TOGETHER = 25
"""Targets whose rows are stored in one transaction: more of them would keep others waiting and fill the memory."""
PIECE = 600
"""Characters of a line sent at once: even escaped, six bytes each, a pipe takes so few whole, whoever else writes."""
LAST_LINES_S = 5.0


@dataclass(frozen=True)
class Done(Generic[T]):
    """What came of each target, by its id and in the order of the targets: a result or an error."""

    results: dict[str, T]
    errors: dict[str, BaseException]


def outcome(*parts: Done[Any], read: int, written: int, note: str) -> Outcome:
    """How a run ends whose work was done in these parts: failed where a target was, skipped where nothing came of it.

    Raises what nobody raised on purpose; to be called once all that can be done is done.
    """
    errors = [(name, error) for part in parts for name, error in part.errors.items()]
    for _, error in errors:
        if not isinstance(error, SextantError):
            raise error
    failures = tuple(_sentence(name, error) for name, error in errors)
    gravest = worst([failure_of(error) for _, error in errors])
    return Outcome(read, written, note, skipped=not (written or errors), failures=failures, failure=gravest)


def each(
    context: Context, work: Callable[[Context, Target], T], targets: Sequence[Target], *, label: str, least: int = 2
) -> Done[T]:
    """Do `work` for each of `targets`; with `least` of them or more, side by side as far as the cores go.

    `work` is then a function of a module, called in processes with a context of their own: a warehouse of its own,
    its share of the cores, and lines that reach this run's log as they are said. A process that dies, such as for
    want of memory, is the failure of its target: those it may have taken with it are worked on again, one at a time,
    and what had not begun then goes on side by side.
    """
    processes = min(context.settings.cores, len(targets))
    if processes < 2 or len(targets) < least:
        return _one_by_one(context, work, targets)
    done: dict[str, Future[T]] = {}
    waiting = list(targets)
    while waiting:
        ended, lost = _side_by_side(context, work, waiting, label, min(processes, len(waiting)))
        # They begin in their order, so that those under way, and one that was handed over, are the first of the lost.
        begun, waiting = lost[: processes + 1], lost[processes + 1 :]
        done |= ended | _alone(context, work, begun, label)
    for name, future in done.items():
        if future.exception() is not None:
            context.say(_sentence(name, future.exception()))
    return _done(targets, done)


def _alone(
    context: Context, work: Callable[[Context, Target], T], targets: Sequence[Target], label: str
) -> "dict[str, Future[T]]":
    """The same, one at a time, each in a process of its own."""
    done: dict[str, Future[T]] = {}
    for target in targets:
        again, gone = _side_by_side(context, work, [target], label, 1)
        words = f"{target.id}: its process died, perhaps for want of memory; lower SEXTANT_CORES or add memory."
        done |= {target.id: _failed(JobError(words))} if gone else again
    return done


def stored(
    context: Context,
    make: Callable[[Context, Target], T],
    store: Callable[[Context, Sequence[T]], int],
    targets: Sequence[Target],
) -> tuple[Done[T], int]:
    """Do `make` for each of `targets`, and `store` for what came of TOGETHER of them, in one transaction.

    Each transaction waits for the disk. Where rows of one target are refused, those of each are stored by themselves.
    Returns what came of each and how many rows were stored.
    """
    results: dict[str, T] = {}
    errors: dict[str, BaseException] = {}
    written = 0
    for start in range(0, len(targets), TOGETHER):
        made = _one_by_one(context, make, targets[start : start + TOGETHER])
        rows, failed = _stored(context, store, made.results)
        results |= {name: one for name, one in made.results.items() if name not in failed}
        errors, written = errors | made.errors | failed, written + rows
    return Done(results, errors), written


def _stored(
    context: Context, store: Callable[[Context, Sequence[T]], int], made: dict[str, T]
) -> tuple[int, dict[str, BaseException]]:
    """(Rows stored, why those of a target were not)."""
    try:
        return (store(context, list(made.values())) if made else 0), {}
    except FAULTS as error:
        if len(made) == 1 or not isinstance(error, ContractBroken):
            context.say(_sentence(", ".join(made), error))
            return 0, dict.fromkeys(made, error)
    parts = [_stored(context, store, {name: one}) for name, one in made.items()]
    return sum(rows for rows, _ in parts), {name: error for _, failed in parts for name, error in failed.items()}


def _one_by_one(context: Context, work: Callable[[Context, Target], T], targets: Sequence[Target]) -> Done[T]:
    done: dict[str, Future[T]] = {}
    for target in targets:
        future: Future[T] = Future()
        done[target.id] = future
        try:
            future.set_result(work(context, target))
        except FAULTS as error:
            context.say(_sentence(target.id, error))
            future.set_exception(error)
    return _done(targets, done)


def _side_by_side(
    context: Context, work: Callable[[Context, Target], T], targets: Sequence[Target], label: str, processes: int
) -> tuple[dict[str, Future[T]], list[Target]]:
    """(What ended, by target, and those that were under way or waiting when a process died)."""
    fresh = multiprocessing.get_context("spawn")
    before = set(multiprocessing.active_children())
    with _lines_to(context) as lines:
        share = replace(context.settings, cores=max(1, context.settings.cores // processes))
        facts = {name: getattr(context, name) for name in ("markets", "now", "run_id", "args", "operations")}
        facts |= {"settings": share, "clock": _portable(context.clock)}
        pool = ProcessPoolExecutor(
            processes, mp_context=fresh, initializer=_begin, initargs=(os.getpid(), facts, lines)
        )
        running: dict[Future[T], Target] = {}
        whole = False
        try:
            for target in targets:
                running[pool.submit(_carry_out, work, target)] = target
            for _ in context.progress(as_completed(running), label, len(running)):
                pass
            whole = not any(_broken(future) for future in running)
        finally:
            # Told to stop, nobody waits for what is under way; what is committed stays. After a process died the others
            # would go on, unwatched, with what is about to be worked on again.
            for child in set(multiprocessing.active_children()) - before if not whole else ():
                child.kill()
            pool.shutdown(cancel_futures=True)
    lost = [target for future, target in running.items() if _broken(future)]
    return {target.id: future for future, target in running.items() if target not in lost}, lost


def _broken(future: Future[Any]) -> bool:
    return isinstance(future.exception(), BrokenProcessPool)


_mine: list[Context] = []
"""The context of this process, where it is one that works for another."""


def _begin(parent: int, facts: dict[str, Any], lines: Connection) -> None:
    """Make this process ready to work: it ends with its parent and only then."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    tether.end_with(parent)
    logging.basicConfig(format="%(message)s", level=logging.INFO, handlers=[_Sent(lines)], force=True)
    # What DuckDB still holds when Python takes itself down, it complains of.
    atexit.register(_mine.clear)
    settings = facts["settings"]
    warehouse = Warehouse(settings.warehouse, wait_s=settings.lock_wait_s)
    _mine.append(Context(**facts, warehouse=warehouse, say=partial(_send, lines, level=None, name="")))


def _carry_out(work: Callable[[Context, Target], T], target: Target) -> T:
    return work(_mine[-1], target)


class _Sent(logging.Handler):
    """Sends what the pipeline logs to the parent, which logs it."""

    def __init__(self, lines: Connection) -> None:
        super().__init__(logging.INFO)
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith("pipeline"):
            _send(self._lines, self.format(record), level=record.levelno, name=record.name)


def _send(lines: Connection, text: str, *, level: int | None, name: str) -> None:
    # Before it is cut: half a secret is not known as one.
    text = redact(text, _mine[-1].settings.secrets if _mine else ())
    for start in range(0, max(1, len(text)), PIECE):
        piece = text[start : start + PIECE].encode("utf-8", "replace").decode()
        lines.send_bytes(json.dumps([level, name, piece], ensure_ascii=False).encode())


@contextmanager
def _lines_to(context: Context) -> Iterator[Connection]:
    """A way for processes to send lines, which are said and logged here as they come, until all have ended."""
    reader, writer = multiprocessing.get_context("spawn").Pipe(duplex=False)

    def listen() -> None:
        while True:
            try:
                level, name, text = json.loads(reader.recv_bytes())
            except EOFError:
                return
            if level is None:
                context.say(text)
            else:
                logging.getLogger(name).log(level, "%s", text)

    listener = threading.Thread(target=listen, name="lines of processes", daemon=True)
    listener.start()
    try:
        yield writer
    finally:
        writer.close()
        # A process that could not be ended may hold the other end.
        listener.join(LAST_LINES_S)
        if not listener.is_alive():
            reader.close()


def _portable(clock: Any) -> Any:
    """The clock, if another process can have it; without one, all is stamped with the moment of the run."""
    try:
        pickle.dumps(clock)
    except (pickle.PicklingError, AttributeError, TypeError):
        return None
    return clock


def _done(targets: Sequence[Target], done: dict[str, "Future[T]"]) -> Done[T]:
    ended = {target.id: done[target.id] for target in targets}
    errors = {name: error for name, future in ended.items() if (error := future.exception()) is not None}
    return Done({name: future.result() for name, future in ended.items() if name not in errors}, errors)


def _failed(error: BaseException) -> "Future[Any]":
    future: Future[Any] = Future()
    future.set_exception(error)
    return future


def _sentence(name: str, error: BaseException | None) -> str:
    """What went wrong, naming the target where it does not do so itself."""
    words = str(error) if isinstance(error, SextantError) else f"{type(error).__name__}: {error}"
    return words if name in words else f"{name}: {words}"

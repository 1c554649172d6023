"""Numeric libraries -> one thread each while a model is fitted or asked.

On a machine with other work, the threads of one small matrix product or tree wait for each other: measured
ten times slower than a single thread. Families work on several horizons at a time instead. And a product that is
shared out among threads may be rounded otherwise in its last bits, so a fit would not be the same twice.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from threading import Lock

from threadpoolctl import OpenBLASController, ThreadpoolController

_lock = Lock()
_held: list[tuple[int, ...]] = []
"""The numbers of BLAS's threads before, once for each block that now needs one; they are the whole process's."""


@contextmanager
def one_thread(user_api: str) -> Iterator[None]:
    """Within the block `user_api` ("blas" or "openmp") uses one thread. Import the library before the first call.

    Blocks may overlap in several threads: BLAS is given its threads back when the last of them ends.
    """
    if user_api == "openmp":
        # OpenMP counts by calling thread, so each block minds its own.
        with _controller(user_api).limit(limits=1):
            yield
        return
    with _lock:
        _held.append(_held[0] if _held else _threads())
        _allow([1] * len(_held[0]))
    try:
        yield
    finally:
        with _lock:
            before = _held.pop()
            if not _held:
                _allow(before)


def _threads() -> tuple[int, ...]:
    return tuple(library.num_threads for library in _controller("blas").lib_controllers)


def _allow(numbers: Sequence[int]) -> None:
    # The library lets only the thread that came first change them, and others nothing without a word.
    OpenBLASController.clear_controlling_thread(force=True)
    for library, number in zip(_controller("blas").lib_controllers, numbers, strict=True):
        library.set_num_threads(number)
    OpenBLASController.clear_controlling_thread(force=True)


@cache
def _controller(user_api: str) -> ThreadpoolController:
    """Looking for loaded libraries takes 20 ms, so each kind is looked for once, when first needed."""
    # Of one kind only: the end of a limit puts back the numbers of all libraries that its controller knows.
    return ThreadpoolController().select(user_api=user_api)

"""one_thread: blocks that overlap in several threads keep BLAS on one until the last ends; fits stay the same."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from pipeline.models import mlp
from pipeline.models.threads import one_thread


def threads(user_api: str = "blas") -> set[int]:
    return {one["num_threads"] for one in threadpool_info() if one["user_api"] == user_api}


@pytest.fixture(autouse=True)
def _several() -> Iterator[None]:
    """Two threads to begin with, whatever the machine has."""
    assert np.ones((2, 2)) @ np.ones(2) is not None
    with threadpool_limits(2, user_api="blas"):
        yield


def test_blas_has_one_thread_within_and_its_own_after() -> None:
    with one_thread("blas"):
        assert threads() == {1}
        with one_thread("blas"):
            assert threads() == {1}
        assert threads() == {1}
    assert threads() == {2}


def test_a_block_that_ends_in_one_thread_leaves_that_of_another_alone() -> None:
    begun, go_on = Event(), Event()

    def longer() -> set[int]:
        with one_thread("blas"):
            begun.set()
            assert go_on.wait(20)
            return threads()

    with ThreadPoolExecutor(1) as pool:
        with one_thread("blas"):
            later = pool.submit(longer)
            assert begun.wait(20)
        go_on.set()
        assert later.result(20) == {1}
    assert threads() == {2}


def test_a_block_for_trees_does_not_give_blas_its_threads_back() -> None:
    trees = one_thread("openmp")
    with trees:
        outer = one_thread("blas")
        outer.__enter__()
    assert threads() == {1}
    outer.__exit__(None, None, None)
    assert threads() == {2}


def test_an_error_within_gives_the_threads_back() -> None:
    with pytest.raises(ZeroDivisionError), one_thread("blas"):
        raise ZeroDivisionError
    assert threads() == {2}


def test_networks_learn_the_same_beside_other_fits_that_come_and_go() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(1500, 150)).astype(np.float32)
    goal = rng.normal(size=(1500, 6)).astype(np.float32)
    alone, stop = mlp._fit(rows, goal, 3), Event()

    def others() -> None:
        while not stop.is_set():
            with one_thread("blas"):
                stop.wait(0.002)

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(others)
        beside = mlp._fit(rows, goal, 3)
        stop.set()
        running.result(20)
    for (weights, offsets), (again, offsets_again) in zip(alone, beside, strict=True):
        assert weights.tobytes() == again.tobytes()
        assert offsets.tobytes() == offsets_again.tobytes()

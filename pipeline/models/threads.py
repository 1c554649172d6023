"""Numeric libraries -> one thread each while a model is fitted or asked.

On a machine with other work, the threads of one small matrix product or tree wait for each other: measured
ten times slower than a single thread. Families work on several horizons at a time instead.
"""

from contextlib import AbstractContextManager
from functools import cache

from threadpoolctl import ThreadpoolController


def one_thread(user_api: str) -> AbstractContextManager[None]:
    """Within the block `user_api` ("blas" or "openmp") uses one thread. Import the library before the first call."""
    limit: AbstractContextManager[None] = _controller(user_api).limit(limits=1, user_api=user_api)
    return limit


@cache
def _controller(user_api: str) -> ThreadpoolController:
    """Looking for loaded libraries takes 20 ms, so each kind is looked for once, when first needed."""
    return ThreadpoolController()

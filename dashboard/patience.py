"""Writers in the way -> how long a question of a page's run may still wait, so that the run as a whole waits once."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.errors import Busy, Held

WHOLE_S = 3.0
"""The longest a run waits, all its questions together."""
KNOWN_S = 0.5
"""The longest it waits where there is an answer that was right a moment ago."""


class Patience:
    """How long questions wait, and whether an answer was outdated or could not be had (`late`).

    That `of_a_run` of a page, with its fragments, gets used up; any other is the same for every question.
    """

    def __init__(self, *, of_a_run: bool = False) -> None:
        self.late = False
        self._of_a_run = of_a_run
        self._left = {True: KNOWN_S, False: WHOLE_S}
        self._held: Held | None = None

    @contextmanager
    def waiting(self, *, known: bool) -> Iterator[float | None]:
        """Around the wait for a question, whose answer is `known` or not; gives the seconds it may take at most.

        Raises Held at once in a run that has met an outsider who holds the file: it waited for him already.
        """
        if self._held is not None:
            raise self._held
        began = time.monotonic()
        try:
            yield max(0.0, self._left[known]) if self._of_a_run else None
        except (Busy, Held) as error:
            self.late = True
            self._left = {True: 0.0, False: self._left[False] if known else 0.0}
            self._held = error if self._of_a_run and isinstance(error, Held) else None
            raise
        finally:
            took = time.monotonic() - began
            self._left = {which: left - took for which, left in self._left.items()}

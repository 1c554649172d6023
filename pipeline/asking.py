"""Steps of one source + what it refuses -> the questions in the order to ask them, until each wrong key is alone."""

from collections import deque
from collections.abc import Collection, Iterator, Sequence

from pipeline.markets import Series
from pipeline.planning import Step
from pipeline.sources.base import Window


class Questions:
    """The questions still to be asked of one source, in order; `refused` and `answered` change what is left.

    A provider refuses a question as a whole, for one wrong key or because it keeps nothing so old. The newest time of
    which a series is asked in this run tells which. Who is refused there alone is wrong, and is not asked again in
    this run; who is answered there is right, and older time that is refused is the provider's limit. So after a
    refusal the newest questions come first, and they are asked again in halves until the wrong keys are alone.
    """

    def __init__(self, steps: Sequence[Step], doubted: Collection[Series] = ()) -> None:
        """`steps` are oldest first for each series. The `doubted` are asked of their newest time first, each alone."""
        self._left = deque(steps)
        self._newest = {one: window for window, series in steps for one in series}
        self._right: set[Series] = set()
        probes = [(self._newest[one], (one,)) for one in self._newest if one in doubted]
        for window, (one,) in probes:
            self._forget(one, window)
        self._left.extendleft(reversed(probes))

    def __len__(self) -> int:
        return len(self._left)

    def __iter__(self) -> Iterator[Step]:
        while self._left:
            yield self._left.popleft()

    def answered(self, window: Window, series: Sequence[Series]) -> None:
        """Take note that the provider accepted the question."""
        self._right |= {one for one in series if self._newest[one] == window}

    def refused(self, window: Window, series: Sequence[Series]) -> bool:
        """Take note that the provider refused the question: whether that is its last word on it in this run.

        If not, the question comes again later, whole or in halves, without those that prove to be wrong.
        """
        suspects = [one for one in series if one not in self._right]
        newer = [step for step in self._left if any(step[0] == self._newest[one] for one in suspects if one in step[1])]
        if newer:
            rest = [step for step in self._left if step not in newer]
            self._left = deque([*newer, (window, tuple(series)), *rest])
        elif suspects and len(series) > 1:
            half = len(series) // 2
            self._left.extendleft([(window, tuple(series[half:])), (window, tuple(series[:half]))])
        else:
            for one in suspects:
                self._forget(one)
            return True
        return False

    def _forget(self, one: Series, window: Window | None = None) -> None:
        """Leave the series out of what is left to ask, or only out of what is asked about `window`."""
        kept = [
            (at, tuple(each for each in series if each != one or window not in (None, at))) for at, series in self._left
        ]
        self._left = deque(step for step in kept if step[1])

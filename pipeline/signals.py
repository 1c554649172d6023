"""SIGTERM and SIGINT -> a flag to look at, so that what is under way is finished and not torn."""

import signal
import threading


def stop_flag() -> threading.Event:
    """An event that the signals set from now on, however often they come. Of the main thread only."""
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: told.set())
    return told

"""Settings -> the clock of this process: real time, or the simulated time of a rehearsal.

The one place of the pipeline that asks the machine what time it is; everything deeper is told.
"""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from pipeline.errors import ConfigError

Clock = Callable[[], datetime]


def real() -> datetime:
    """Aware UTC now."""
    return datetime.now(UTC)


def clock_of(rehearsal: Path | None) -> Clock:
    """The real clock, or the one that the file `rehearsal` describes (setting SEXTANT_CLOCK).

    The file is JSON with `real` (seconds since the epoch), `simulated` (ISO time with offset) and `rate`
    (simulated seconds a real second); it is read again at every look, so that a rehearsal can step the clock.
    """
    return real if rehearsal is None else partial(simulated, rehearsal)


def shifted(clock: Clock, shift: timedelta) -> datetime:
    """What `clock` shows, moved by `shift`."""
    return clock() + shift


def simulated(path: Path) -> datetime:
    """What a rehearsal's clock shows now. Raises ConfigError when the file says something else."""
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        start = datetime.fromisoformat(said["simulated"]).astimezone(UTC)
        return start + timedelta(seconds=(time.time() - float(said["real"])) * float(said["rate"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"SEXTANT_CLOCK: {path.name} is no clock ({error}); unset it to use real time.") from error

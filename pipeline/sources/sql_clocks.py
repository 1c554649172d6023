"""A date or time as a driver gives it -> a naive time; a UTC window -> the local times that hold it."""

from datetime import date, datetime, time, timedelta
from typing import Any

_TEXTS = ("%m/%d/%Y", "%m/%d/%Y %H:%M", "%m/%d/%Y %H:%M:%S")


def moment_of(value: Any) -> datetime:
    """A date or time as a driver gives it, as a naive time: its own type or text. Raises ValueError with words."""
    if isinstance(value, datetime):
        found = value
    elif isinstance(value, date):
        found = datetime.combine(value, time())
    else:
        found = _parsed(str(value).strip())
    if found.tzinfo is not None:
        raise ValueError(f"a stamp with an offset ({found.isoformat()})")
    return found


def _parsed(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        for form in _TEXTS:
            try:
                return datetime.strptime(text, form)  # noqa: DTZ007
            except ValueError:
                continue
    raise ValueError(f"{text!r:.40} for a time")


def local_bounds(start: datetime, end: datetime, zone: Any) -> tuple[datetime, datetime]:
    """Naive local times that surely hold [start, end), an hour more at each side: the clocks may change there."""
    low, high = (moment.astimezone(zone).replace(tzinfo=None) for moment in (start, end))
    return low - timedelta(hours=1), high + timedelta(hours=1)

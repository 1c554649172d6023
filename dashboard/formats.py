"""Values -> words a reader sees: numbers with separators, signed changes, local times, ages."""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pandas as pd

NONE = "\u2013"
MINUS = "\u2212"
BAND = f"P10{NONE}P90"
JOINER = "\u2060"
"""Has no width and allows no break: what stands on both sides of it is no longer read as one sign."""
MEANT = re.compile(r"[\\`*_\[\]<$~|&]|:(?=[:\w])")
OPENING = re.compile(r"^(\d*)([-+=#.)>])")
# Web and mail addresses, emoji, icons and arrows are looked for after the backslashes are gone.
FOUND = re.compile(r":(?=//|material/|[\w+-]+:)|www(?=\.)|@|(?<!\S)[-<>~](?=(?:->|>|-|=)(?!\S))", re.IGNORECASE)


def number(value: float | None, digits: int = 0) -> str:
    """31332.4 -> '31,332'; nothing -> a dash."""
    if value is None or pd.isna(value):
        return NONE
    text = f"{value:,.{digits}f}"
    return text.replace("-", MINUS) if float(text.replace(",", "")) else text.replace("-", "")


def figure(value: object) -> str:
    """A value of unknown kind: 12345.678 -> '12,346', 0.01234 -> '0.0123', words as they are."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if value == int(value) or abs(value) >= 1000:
        return number(value)
    return f"{value:.3g}".replace("-", MINUS)


def signed(value: float | None, digits: int = 0) -> str:
    """54.2 -> '+54', what rounds to nothing -> '0'."""
    text = number(value, digits)
    return f"+{text}" if text != NONE and not text.startswith(MINUS) and float(text.replace(",", "")) else text


def reach(low: float | None, high: float | None, digits: int = 0) -> str:
    """Both ends with a dash between them, with 'to' where a minus sign would stand beside that."""
    ends = number(low, digits), number(high, digits)
    return (" to " if any(one.startswith(MINUS) for one in ends) else f" {NONE} ").join(ends)


def digits(unit: str) -> int:
    """Decimals worth showing of values in this unit: none of power, two of prices and all else."""
    return 0 if unit == "MW" else 2


def finer(unit: str) -> int:
    """Decimals of means over many such values: at least one."""
    return max(1, digits(unit))


def named(text: str) -> str:
    """A name within a sentence: 'Day-ahead' -> 'day-ahead', 'HB_NORTH' as it is."""
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


def begun(text: str) -> str:
    """A name at the beginning of a sentence: 'day-ahead' -> 'Day-ahead'."""
    return text[:1].upper() + text[1:]


def is_zero(text: str) -> bool:
    """Whether a number as shown rounds to nothing: '0', '0.00'."""
    return not text.strip("+0.")


def percent(share: float | None) -> str:
    """0.812 -> '81 %'."""
    return NONE if share is None or pd.isna(share) else f"{number(share * 100)} %"


def local(moment: datetime, zone: str) -> datetime:
    """The same moment on a clock in `zone`."""
    # Ten times as quick as Timestamp.tz_convert, and a page asks some three hundred times.
    plain = (
        moment.to_pydatetime(warn=False) if isinstance(moment, pd.Timestamp) else pd.Timestamp(moment).to_pydatetime()
    )
    return plain.astimezone(ZoneInfo(zone))


def twice(at: datetime) -> bool:
    """Whether clocks show the local time `at` two times, because they are put back."""
    return at.replace(fold=0).utcoffset() != at.replace(fold=1).utcoffset()


def hour(moment: datetime, zone: str) -> str:
    """'15:00' in `zone`; '02:00 CET' where clocks show it twice."""
    return _shown(local(moment, zone), "%H:%M")


def day_hour(moment: datetime, zone: str) -> str:
    """'Fri 15:00' in `zone`; with the zone's name where clocks show it twice."""
    return _shown(local(moment, zone), "%a %H:%M")


def width(hours: Iterable[str], plain: int) -> int:
    """Pixels of a column of hours as from `day_hour`: `plain`, and more where the zone's name is among them."""
    return plain + 36 * any(len(one) > len("Fri 15:00") for one in hours)


def stamp(moment: datetime | None, zone: str) -> str:
    """'Fri 20 Nov 15:04' in `zone`, with the zone's name where clocks show it twice; nothing -> a dash."""
    return NONE if moment is None or pd.isna(moment) else _shown(local(moment, zone), "%a %d %b %H:%M")


def zoned(moment: datetime | None, zone: str) -> str:
    """'Fri 20 Nov 15:04 CET' in `zone`, named as it is at that moment; nothing -> a dash."""
    return NONE if moment is None or pd.isna(moment) else _named(local(moment, zone), "%a %d %b %H:%M")


def zoned_hour(moment: datetime, zone: str) -> str:
    """'15:00 CET' in `zone`, named as it is at that moment."""
    return _named(local(moment, zone), "%H:%M")


def between(first: datetime, last: datetime, zone: str) -> str:
    """'Fri 20 Nov 15:04 to Sat 21 Nov 09:00 CET'; both ends name the zone where a clock change lies between."""
    alike = zone_name(first, zone) == zone_name(last, zone)
    return f"{stamp(first, zone) if alike else zoned(first, zone)} to {zoned(last, zone)}"


def date(moment: datetime | None, zone: str) -> str:
    """'20 Nov 2026' in `zone`; nothing -> a dash."""
    return NONE if moment is None or pd.isna(moment) else f"{local(moment, zone):%d %b %Y}"


def day(moment: datetime | None, zone: str) -> str:
    """'Fri 20 Nov' in `zone`; nothing -> a dash."""
    return NONE if moment is None or pd.isna(moment) else f"{local(moment, zone):%a %d %b}"


def zone_name(moment: datetime, zone: str) -> str:
    """'CET' or 'CEST', whichever holds at `moment`."""
    return _named(local(moment, zone), "").strip()


def city(zone: str) -> str:
    """'Europe/Madrid' -> 'Madrid'."""
    return zone.rsplit("/", 1)[-1].replace("_", " ")


def _shown(at: datetime, pattern: str) -> str:
    return _named(at, pattern) if twice(at) else at.strftime(pattern)


def _named(at: datetime, pattern: str) -> str:
    """With the zone's name; zones without letters give their offset, as in 'UTC-03'."""
    name = at.strftime("%Z")
    return f"{at.strftime(pattern)} {name if name[:1].isalpha() else f'UTC{name}'}"


def age(since: datetime | None, now: datetime) -> str:
    """'just now', '12 min ago', '3 h 06 min ago', '4 days ago'; nothing -> 'never'."""
    if since is None or pd.isna(since):
        return "never"
    minutes = (now - pd.Timestamp(since).to_pydatetime()) // timedelta(minutes=1)
    if minutes < 1:
        return "just now"
    return f"{minutes} min ago" if minutes < 60 else f"{span(minutes * 60)} ago"


def span(seconds: float | None) -> str:
    """'0.8 s', '42 s', '3 min 20 s', '3 h 06 min', '4 days'; nothing -> a dash."""
    if seconds is None or pd.isna(seconds):
        return NONE
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 10 and rest:
        return f"{minutes} min {rest:02d} s"
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours < 48 else f"{hours // 24} days"


def short(version_id: str) -> str:
    """'demo.load-v3' -> 'v3'."""
    return version_id.rpartition("-")[2]


def plain(text: object) -> str:
    """Text of others (messages, errors, reasons, log lines) as Markdown that shows what was typed and does nothing."""
    lines = [line.strip() for line in FOUND.sub(rf"\g<0>{JOINER}", str(text)).splitlines()]
    escaped = [OPENING.sub(r"\1\\\2", MEANT.sub(r"\\\g<0>", line)) for line in lines if line]
    return "  \n".join(escaped)


def code(text: object) -> str:
    """Text of others between as many backticks as it needs."""
    words = " ".join(str(text).split())
    fence = "`" * (1 + max((len(found) for found in re.findall("`+", words)), default=0))
    return f"{fence} {words} {fence}" if "`" in words else f"{fence}{words}{fence}"


def count(n: float, one: str, many: str | None = None) -> str:
    """1 -> '1 hour', 2 -> '2 hours'."""
    return f"{n:,.0f} {one if n == 1 else many or one + 's'}"


def wall(moments: pd.Series, zone: str | timezone) -> pd.Series:
    """Times as a clock in `zone` shows them; Plotly knows no zones."""
    shown: pd.Series = moments.dt.tz_convert(ZoneInfo(zone) if isinstance(zone, str) else zone).dt.tz_localize(None)
    return shown


def steady(zone: str, at: datetime) -> timezone:
    """A clock that stays at the offset `zone` has at `at`, so that no change of clocks folds a line."""
    return timezone(local(at, zone).utcoffset() or timedelta())

"""sextant.toml -> what Sextant understands of it, or each mistake with its line and how to mend it."""

import argparse
from collections.abc import Iterator
from datetime import timedelta

from pipeline.commands.base import Command, Desk
from pipeline.configuring.markets import Understood, check
from pipeline.discovery import find
from pipeline.markets import Market, Series, Target
from pipeline.settings import Settings

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def run(desk: Desk, _options: argparse.Namespace) -> int:
    """Print what the whole file says, active or not; 1 when it has a mistake. Raises ConfigError if it is no TOML."""
    found = check(desk.settings.config)
    for market in found.markets.values():
        print("\n".join(_market(market, found, desk.settings)))
    for sentence in found.mistakes:
        print(sentence)
    strange = [name for name in desk.settings.markets if name not in found.markets]
    if found.mistakes:
        print(f"{_count(len(found.mistakes), 'mistake')}: mend {desk.settings.config.name} and check again")
        return 1
    targets = sum(len(market.targets) for market in found.markets.values())
    print(f"{_count(len(found.markets), 'market')}, {_count(targets, 'target')}: sound")
    for name in strange:
        print(f"SEXTANT_MARKETS names {name}, which this file has not; it has {', '.join(found.markets)}")
    return 1 if strange else 0


def _market(market: Market, found: Understood, settings: Settings) -> Iterator[str]:
    live = "active" if market.id in settings.markets else "not active: SEXTANT_MARKETS does not name it"
    yield f"{market.id}: {market.name}, {market.zone}, holidays of {market.country}, {market.currency}, {live}"
    reasons = {name: _ready(name, settings) for name in market.sources}
    for name, reason in reasons.items():
        yield f"  source {name}: {reason or 'ready'}"
    for series in market.series:
        yield f"  series {series.id}: {_series(series, reasons)}"
    for target in market.targets:
        yield f"  target {target.id}: {', '.join(_target(target))}"
    for name in [name for name in found.off if name.startswith(f"{market.id}.")]:
        yield f"  target {name}: switched off"


def _ready(name: str, settings: Settings) -> str | None:
    source = find("pipeline.sources", name, "SOURCE")
    reason: str | None = source.ready(settings) if source is not None else "there is no such source"
    return reason


def _series(series: Series, reasons: dict[str, str | None]) -> str:
    words = f"{series.kind}, {series.unit}, every {series.cadence / MINUTE:g} min"
    if series.places:
        words += f", of {', '.join(place.name for place in series.places)}"
    whose = [name for name in reasons if name in series.keys]
    used = next((name for name in whose if reasons[name] is None), None)
    return f"{words}, from {used}" if used else f"{words}, will not be fetched: no source that has it is ready"


def _target(target: Target) -> Iterator[str]:
    made_of = " less ".join(series.id for series in target.legs)
    yield f"{target.kind} of {made_of}"
    yield f"T+1 to T+{target.horizons[-1]}" if len(target.horizons) > 1 else "T+1"
    yield f"every {target.every / HOUR:g} h" if target.every > HOUR else "every hour"
    yield f"operator {target.operator.id}" if target.operator else "no operator"
    yield f"inputs {' '.join(one.key for one in target.inputs)}" if target.inputs else "no inputs"
    yield f"metrics {' '.join(target.metrics)}"
    if target.parts:
        yield f"the sum of {' '.join(target.parts)}"


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


COMMAND = Command("check-config", "say how sextant.toml is understood, or what to mend", run, configured=False)

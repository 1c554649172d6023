"""Market + settings -> its usable sources, best first, each with the series it is asked for."""

from pipeline.discovery import find
from pipeline.errors import ConfigError, SourceError
from pipeline.markets import Market, Series
from pipeline.runner import Context
from pipeline.sources.base import Source


def choose_sources(context: Context, market: Market) -> list[tuple[Source, tuple[Series, ...]]]:
    """The market's sources, best first, each with the series it is to be asked for.

    A series is asked of the first source that has a key for it and is ready; one that has none is left out. Raises
    SourceError with all reasons when no series has one.
    """
    reasons = unready(context, market)
    left, chosen = list(market.series), []
    for name in market.sources:
        mine = tuple(one for one in left if name in one.keys and name not in reasons)
        left = [one for one in left if one not in mine]
        chosen += [(_source(market, name), mine)] if mine else []
    if not chosen:
        raise SourceError(f"market {market.id} has no usable source: {' '.join(reasons.values())}")
    return chosen


def unready(context: Context, market: Market) -> dict[str, str]:
    """Why those of the market's sources that are not ready are not, by name."""
    reasons = {name: _source(market, name).ready(context.settings) for name in market.sources}
    return {name: reason for name, reason in reasons.items() if reason is not None}


def _source(market: Market, name: str) -> Source:
    source: Source | None = find("pipeline.sources", name, "SOURCE")
    if source is None:
        raise ConfigError(f"market {market.id} names the source {name!r}, which there is not; mend sextant.toml.")
    return source

"""Target, as configured -> what stands beside it, the sides of its spread and a position on it are called. Pure."""

from collections.abc import Iterable

from dashboard import formats
from pipeline.markets import Series, Target

LAST_SIDE = "last hour's side"
TELLING = ("day-ahead", "real-time")
"""Words that name one leg of two in short, where the title of only that one holds them."""
AHEAD = "day-ahead"


def legs(target: Target) -> tuple[Series, Series]:
    """What the spread is taken from, and what is taken."""
    return target.legs[0], target.legs[-1]


def short(series: Series, target: Target) -> str:
    """'day-ahead' or 'real-time' where only this leg's title says so, else the whole title."""
    titles = [one.title.lower() for one in target.legs]
    said = (word for word in TELLING if word in series.title.lower())
    return next((word for word in said if sum(word in title for title in titles) == 1), series.title)


def sides(target: Target) -> tuple[str, str]:
    """What it means that the spread is above zero, and below: 'day-ahead above real-time' of two such prices."""
    first, second = (short(leg, target) for leg in legs(target))
    return f"{first} above {second}", f"{first} below {second}"


def both(target: Target) -> str:
    """What the two legs are together."""
    return "Both prices" if _is_price(target) else "Both series"


def one_of_both(target: Target) -> str:
    """What a leg is."""
    return "Price" if _is_price(target) else "Series"


def known_ahead(target: Target) -> bool:
    """Whether what the spread is taken from is published before the hour; what is measured comes after it."""
    return legs(target)[0].kind != "measured"


def has_beside(target: Target) -> bool:
    """Whether anything is known of an hour ahead beside Sextant's forecast."""
    return target.operator is not None if target.minuend is None else known_ahead(target)


def beside(target: Target) -> str:
    """What the forecast beside Sextant's is called: the operator's, or a price that is known before the hour."""
    if target.minuend is not None:
        return formats.begun(short(target.minuend, target)) if known_ahead(target) else "Operator"
    series = target.operator
    if series is None or series.kind != "price":
        return "Operator"
    return formats.begun(AHEAD) if AHEAD in series.title.lower() else series.title


def reading(target: Target) -> str:
    """What it means that what a spread is taken from is a forecast of it; '' where nothing of the kind is known."""
    if not known_ahead(target):
        return ""
    first, second = (short(leg, target) for leg in legs(target))
    if (first, second) == TELLING:
        return "Day-ahead: the real-time price taken to be the day-ahead price, a spread of 0."
    return f"{formats.begun(first)}: {second} taken to be the same, a spread of 0."


def contender(family: str, target: Target) -> str:
    """What a family of a backtest is called: the operator and the rule of the last hour are none of Sextant's."""
    known = {"operator": formats.named(beside(target)), "last_hour": LAST_SIDE}
    return known.get(family, family)


def rule(families: Iterable[str]) -> str:
    """What the rule of the last hour is, where it is among `families`; else ''."""
    if "last_hour" not in set(families):
        return ""
    return (
        f" “{formats.begun(LAST_SIDE)}” takes the value of the origin's hour, as the issue knew it, for every horizon: "
        "the simplest rule of direction."
    )


def earned(target: Target) -> str:
    """What the sum over the hours on the forecast's side is called."""
    return "What one megawatt earned" if _is_price(target) else "What the forecast's side adds up to"


def position(target: Target) -> str:
    """What one megawatt on the forecast's side is, and that nobody could have traded it."""
    first, second = (short(leg, target) for leg in legs(target))
    if (first, second) == TELLING:
        trade = (
            "One megawatt sold day-ahead and bought back in real time where the spread is forecast above 0, bought "
            "day-ahead and sold in real time where it is forecast below"
        )
    elif _is_price(target):
        trade = (
            f"One megawatt sold at {first} and bought at {second} where the spread is forecast above 0, the other way "
            "round where it is forecast below"
        )
    else:
        trade = "The spread where it is forecast above 0, less the spread where it is forecast below"
    costs = ", before all costs" if _is_price(target) else ""
    return f"{trade}{costs}. A yardstick of direction weighted by size, not tradeable: {why_not(target)}."


def why_not(target: Target, hours: str = "from T+1 to T+6") -> str:
    """Why nobody could have taken that position after the forecast, as the end of a sentence."""
    first, second = legs(target)
    if not known_ahead(target):
        return f"{first.title} and {second.title} are measured, so {hours} neither is a price that one could have had"
    if short(first, target) == AHEAD:
        return f"{hours} the day-ahead gate has closed"
    return f"{hours} {first.title} is settled already"


def _is_price(target: Target) -> bool:
    return "/" in target.series.unit

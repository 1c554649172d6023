"""The sound values of one market -> what in them contradicts itself or names what there is not, noted."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import holidays
from holidays.registry import COUNTRIES

from pipeline.configuring.kinds import Checker, nearest, shown
from pipeline.configuring.toml import Place
from pipeline.discovery import declared
from pipeline.markets import METRICS

Row = Mapping[str, Any]
Rows = Mapping[str, Row]
Say = Callable[[str, str], None]
ISO = re.compile(r"([A-Z]{2})(?:-([A-Z0-9]{1,3}))?")
POWER = ("W", "kW", "MW", "GW")
WEATHER = "weather"
FILES = "files"
NO_MAPE = "a percentage of a price near 0 says nothing; take it out and look at mae"


@dataclass(frozen=True)
class Draft:
    """One market as far as its values are sound by themselves."""

    checker: Checker
    id: str
    market: Row
    places: Rows
    series: Rows
    targets: Rows

    def at(self, *inner: str | int) -> Place:
        """A place within the market."""
        return ("market", self.id, *inner)

    def say(self, *inner: str | int, words: str) -> None:
        """Note a mistake at a place within the market."""
        self.checker.say(self.at(*inner), words)

    def told(self, *inner: str | int) -> bool:
        """Whether something was said of that value already, so that what follows from it need not be."""
        return self.checker.told(self.at(*inner))

    @property
    def currency(self) -> str:
        """Of its prices."""
        return str(self.market.get("currency", "EUR"))

    @cached_property
    def live(self) -> Rows:
        """The targets that are not switched off."""
        return {name: row for name, row in self.targets.items() if not row.get("off", False)}


def cross(draft: Draft) -> None:
    """Note all mistakes that take more than one value to see."""
    _market(draft)
    for name, row in draft.series.items():
        _series(draft, name, row)
    for name, row in draft.targets.items():
        _target(draft, name, row)
    _cycles(draft)


def _market(draft: Draft) -> None:
    where, known = f"market.{draft.id}", declared("pipeline.sources", "SOURCE")
    for name in draft.market.get("sources", []):
        if name not in known:
            draft.say("sources", words=f"{where} has source {shown(name)}; {nearest(name, known, 'there are')}")
    if country := draft.market.get("country"):
        _country(draft, country)
    if FILES in draft.market.get("sources", []):
        if "folder" not in draft.market and not draft.told("folder"):
            draft.say(words=f'{where} lacks folder; name where its files lie, such as folder = "data"')
        _columns(draft)
    if draft.market.get("target") and not draft.live:
        draft.say("target", words=f"{where} has no target that is on; take off = true out of one")


def _columns(draft: Draft) -> None:
    """Of two series with one column the file can fill only one."""
    taken: dict[str, str] = {}
    for name, row in draft.series.items():
        column = row.get("keys", {}).get(FILES)
        if column is not None and taken.setdefault(column, name) != name:
            words = f"reads the column {shown(column)}, as {taken[column]} does; give each series a column of its own"
            draft.say("series", name, "keys", words=f"market.{draft.id}.series.{name} {words}")


def _country(draft: Draft, country: str) -> None:
    found = ISO.fullmatch(country)
    known = {names[1] for names in COUNTRIES.values()}
    words = f'market.{draft.id} has country {shown(country)}; write an ISO code such as "ES" or "US-CA"'
    if not found or found[1] not in known:
        draft.say("country", words=f"{words}, did you mean {country.upper()}?" if country.upper() in known else words)
    elif found[2]:
        there = [one for one in getattr(holidays, found[1]).subdivisions if ISO.fullmatch(f"{found[1]}-{one}")]
        if found[2] not in there:
            some = ", ".join(there) or "no states"
            draft.say(
                "country", words=f"market.{draft.id} has country {shown(country)}; of {found[1]} there are {some}"
            )


def _series(draft: Draft, name: str, row: Row) -> None:
    where = f"market.{draft.id}.series.{name}"

    def say(key: str, words: str) -> None:
        draft.say("series", name, key, words=f"{where} {words}")

    least, most, cadence = row.get("minimum"), row.get("maximum"), row.get("cadence_min")
    if least is not None and most is not None and not least < most:
        say("minimum", f"has minimum {least:g} and maximum {most:g}; write the lower one first, or swap them")
    if cadence and 60 % cadence:
        say("cadence_min", f"has cadence_min {cadence}; use minutes that divide an hour, such as 5, 15 or 60")
    if cadence and row.get("flat_min") and row["flat_min"] < 2 * cadence:
        say("flat_min", f"has flat_min {row['flat_min']:g}; use two intervals or more, or 0 for no limit")
    if not draft.told("series", name, "ahead_h"):
        _horizon(row, say)
    if row.get("kind") == "price" and not str(row.get("unit", draft.currency)).startswith(f"{draft.currency}/"):
        say("unit", f"is a price with unit {shown(row.get('unit'))}; begin it with the market's currency, as in "
                    f"{shown(draft.currency + '/MWh')}, or mend the currency")  # fmt: skip
    _sources(draft, row, say)
    _places(draft, name, row, say)


def _horizon(row: Row, say: Say) -> None:
    kind, ahead = row.get("kind"), row.get("ahead_h", 0)
    if kind in ("forecast", "price") and not ahead:
        say("kind", f"is a {kind} without ahead_h; write how many hours beyond now it is published, such as "
                    "ahead_h = 36, or call it measured")  # fmt: skip
    overlap = row.get("overlap_h", 0)
    if overlap < 0 and (kind != "forecast" or ahead + overlap <= 0):
        say("overlap_h", f"has overlap_h {overlap:g}; only a forecast's may be below 0, and by less than its ahead_h")
    if kind == "measured" and ahead:
        say("ahead_h", f"is measured and has ahead_h {ahead:g}; take it out, or call it a forecast")


def _sources(draft: Draft, row: Row, say: Say) -> None:
    keys, sources = row.get("keys"), draft.market.get("sources")
    if keys is None or sources is None:
        return
    known = declared("pipeline.sources", "SOURCE")
    for name in [name for name in keys if name not in known]:
        say("keys", f"has a key for {shown(name)}, which is no source; {nearest(name, known, 'there are')}")
    if not set(keys) & set(sources) and {*keys, *sources} <= set(known):
        some = f'keys = {{ {sources[0]} = "..." }}'
        say("keys", f"has no key of a source of its market, {', '.join(sources)}; add one such as {some}")


def _places(draft: Draft, series: str, row: Row, say: Say) -> None:
    for name in row.get("places", []):
        if name not in draft.places:
            say("places", f"has place {shown(name)}, which the market has not; "
                          f"{nearest(name, draft.places, 'there are')}")  # fmt: skip
    if WEATHER in row.get("keys", {}) and not row.get("places") and not draft.told("series", series, "places"):
        say("keys", 'is weather without places; write places = ["NAME"] and describe each as '
                    f"[market.{draft.id}.place.NAME]")  # fmt: skip


def _target(draft: Draft, name: str, row: Row) -> None:
    where, kind = f"market.{draft.id}.target.{name}", row.get("kind", "load")

    def say(key: str, words: str) -> None:
        draft.say("target", name, key, words=f"{where} {words}")

    own = _own(draft, name, row, say)
    _beside(draft, row, own, say)
    _parts(draft, name, row, own, say)
    if draft.told("target", name, "kind"):
        return
    if not draft.told("target", name, "minuend"):
        _legs(draft, row, own, say)
    _measures(row, kind, say)
    if own is not None and "unit" in own:
        money = str(own["unit"]).startswith(f"{draft.currency}/")
        if (kind == "load" and own["unit"] not in POWER) or (kind == "generation" and money):
            say("kind", f"is of kind {kind} but its series is in {shown(own['unit'])}; use one in "
                        f"{', '.join(POWER)}, or another kind")  # fmt: skip
        if kind == "price" and not money:
            say("kind", f"is a price but its series is in {shown(own['unit'])}; choose a series in "
                        f"{draft.currency}/MWh, or another kind")  # fmt: skip


def _own(draft: Draft, name: str, row: Row, say: Say) -> Row | None:
    if "series" in row or name in draft.series:
        return _named(draft, row.get("series", name), say, "series")
    if not draft.told("target", name, "series"):
        say("series", f"lacks series and no series is called {name}; {nearest(name, draft.series, 'name one of')}")
    return None


def _named(draft: Draft, name: str, say: Say, key: str, what: str = "") -> Row | None:
    """The series of that name; one there is not is noted."""
    if name not in draft.series:
        say(key, f"has {what or key} {shown(name)}, which is no series of its market; "
                 f"{nearest(name, draft.series, 'there are')}")  # fmt: skip
    return draft.series.get(name)


def _legs(draft: Draft, row: Row, own: Row | None, say: Say) -> None:
    spread, minuend = row.get("kind", "load") == "spread", row.get("minuend")
    if own is not None and own.get("kind") == "forecast":
        say("series", "has a forecast as its series; a target is learned from what was measured, so name that series")
    if spread and minuend is None:
        say("kind", 'is a spread without minuend; write minuend = "SERIES", the one that its series is taken from')
    if minuend is None:
        return
    if not spread:
        say("minuend", f'has a minuend but is of kind {row.get("kind", "load")}; write kind = "spread", or take it out')
    other = _named(draft, minuend, say, "minuend")
    if other is None or own is None:
        return
    if other is own:
        say("minuend", "has its own series as minuend; the spread would always be 0, so name another")
    elif _unlike(own, other):
        say("minuend", f"takes {shown(own['unit'])} from {shown(other['unit'])}; both series need one unit")
    if other.get("kind") == "forecast":
        say("minuend", "has a forecast as minuend; name a measured series or a price")


def _beside(draft: Draft, row: Row, own: Row | None, say: Say) -> None:
    """Operator's forecast and inputs."""
    if "operator" in row:
        found = _named(draft, row["operator"], say, "operator")
        if found and found.get("kind") == "measured":
            say("operator", f"has operator {shown(row['operator'])}, which is measured; name a forecast or a price")
        elif found and own and _unlike(own, found):
            say("operator", f"has an operator in {shown(found['unit'])} and a series in {shown(own['unit'])}; "
                            "both need one unit")  # fmt: skip
    for name in row.get("inputs", []):
        if _named(draft, name, say, "inputs", "input") is own and own is not None:
            say("inputs", f"has itself as an input; take {shown(name)} out, a model sees its past anyway")


def _measures(row: Row, kind: str, say: Say) -> None:
    for name in row.get("metrics", []):
        known = {one for measures in METRICS.values() for one in measures}
        if name not in known:
            say("metrics", f"has metric {shown(name)}; {nearest(name, METRICS[kind], 'there are')}")
        elif name == "mape" and name not in METRICS[kind]:
            say("metrics", f'has metric "mape" but is a {kind}: {NO_MAPE}')
        elif name not in METRICS[kind]:
            say("metrics", f"has metric {shown(name)}, which does not suit a {kind}; use {', '.join(METRICS[kind])}")
    if "mape_limit_pct" in row and "mape" not in METRICS[kind]:
        say("mape_limit_pct", f"has mape_limit_pct but is a {kind}: {NO_MAPE.replace('look at mae', 'use mae_limit')}")


def _parts(draft: Draft, name: str, row: Row, own: Row | None, say: Say) -> None:
    for part in row.get("parts", []):
        other = draft.targets.get(part)
        if part == name:
            say("parts", f"has itself among its parts; take {shown(part)} out")
        elif other is None:
            say("parts", f"has part {shown(part)}, which is no target; {nearest(part, draft.targets, 'there are')}")
        elif other.get("off", False) and not row.get("off", False):
            say("parts", f"has part {shown(part)}, which is off; switch it on, or take it out of parts")
        elif own and (mine := draft.series.get(other.get("series", part))) and _unlike(own, mine):
            say("parts", f"has part {shown(part)} in {shown(mine['unit'])} and is in {shown(own['unit'])}; "
                         "a sum needs one unit")  # fmt: skip


def _cycles(draft: Draft) -> None:
    """A target may not be a part of its own parts, over however many steps."""
    for name in draft.targets:
        seen, open_ = set[str](), [part for part in draft.targets[name].get("parts", []) if part != name]
        while open_:
            part = open_.pop()
            seen |= {part}
            open_ += [one for one in draft.targets.get(part, {}).get("parts", []) if one not in seen and one != part]
        if name in seen:
            where = f"market.{draft.id}.target.{name}"
            draft.say("target", name, "parts", words=f"{where} is a part of its own parts; take one of them out")


def _unlike(one: Row, other: Row) -> bool:
    return "unit" in one and "unit" in other and one["unit"] != other["unit"]

"""Address, and what a reader looked at before -> the market and the target a page is about, and how to change them."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard import formats, links
from dashboard.data import Desk
from pipeline.markets import Target

MANY = 4
"""More targets than these are offered in a list that can be searched, and of several markets one is chosen first."""
Names = Mapping[str, Target]


def target(desk: Desk, page: str) -> Target:
    """Draw the choice of market and target; returns the target. An address that names none that is there is told so."""
    names = desk.target_names()
    _missed(names, page)
    offered = names
    if by_market(desk):
        offered = {name: names[name] for name in beside(desk, names[_market(desk, names)])}
    if len(offered) == 1:
        name, one = next(iter(offered.items()))
        _remember(name, one)
        st.badge(f"{one.title} · {one.series.unit}", color="gray")
    else:
        one = _target(offered, names)
    if said := st.session_state.get(links.MISSED, ("", ""))[0]:
        st.caption(
            f":material/search_off: No target is called {formats.code(said)} here: it is switched off, or of a market "
            f"that is not live. This is {formats.plain(one.title)}."
        )
    return one


def by_market(desk: Desk) -> bool:
    """Whether a market is chosen before its targets: with few targets one choice is enough."""
    return len({one.market for one in desk.targets.values()}) > 1 and len(desk.targets) > MANY


def beside(desk: Desk, near: Target) -> list[str]:
    """The names a reader goes through from the target `near` on, in their order."""
    return [name for name, one in desk.target_names().items() if one.market == near.market or not by_market(desk)]


def sought(names: Names, asked: str, market: str | None = None) -> str | None:
    """The name in `names` that an address means by `asked`: itself, or as it was under other markets, or an id."""
    if asked in names:
        return asked
    alike = [name for name, one in names.items() if asked in (one.id, one.title) or asked.endswith(f" {one.title}")]
    exact = [name for name in alike if asked in (names[name].id, names[name].title)]
    near = [name for name in exact if names[name].market == market]
    return next(iter([*near, *exact, *(alike if len(alike) == 1 and " " in asked else [])]), None)


def label(name: str, names: Names) -> str:
    """What a choice among `names` calls a target: its kind too, where there are several."""
    one = names[name]
    title = one.title if [other.title for other in names.values()].count(one.title) == 1 else name
    several = len({other.kind for other in names.values()}) > 1
    said = one.kind in title.lower() or (one.kind == "spread" and "dart" in title.lower())
    return f"{title} · {one.kind}" if several and not said else title


def _missed(names: Names, page: str) -> None:
    """Put right what the address names otherwise; what it names in vain is said until the reader chooses or leaves."""
    if st.session_state.get(links.MISSED, ("", page))[1] != page:
        del st.session_state[links.MISSED]
    asked = st.query_params.get("target")
    if asked is None or asked in names:
        return
    meant = sought(names, asked, st.query_params.get("market"))
    if meant is not None:
        st.query_params["target"] = meant
        return
    st.session_state[links.MISSED] = (asked, page)
    links.forget("target")


def _market(desk: Desk, names: Names) -> str:
    """Draw the choice of market; returns the name of a target of it, the one looked at last if any."""
    markets = {one.market: desk.markets[one.market].name for one in names.values()}
    asked = st.query_params.get("market")
    named, before = st.query_params.get("target", ""), st.session_state.get(links.memory("target"), "")
    usual = next(iter(markets))
    chosen = usual
    if named in names:
        chosen = names[named].market
    elif asked in markets:
        chosen = str(asked)
    elif before in names:
        chosen = names[before].market
    _tell_market(chosen, usual)
    st.session_state["market"] = chosen
    options: dict[str, Any] = {
        "key": "market",
        "on_change": _switched,
        "args": (dict(names), usual),
        "format_func": markets.__getitem__,
    }
    if len(markets) > MANY:
        st.selectbox("Market", list(markets), width=180, label_visibility="collapsed", **options)
    else:
        st.segmented_control("Market", list(markets), required=True, label_visibility="collapsed", **options)
    return _last(names, chosen)


def _target(offered: Names, names: Names) -> Target:
    first = next(iter(offered))
    if st.query_params.get("target") not in offered and st.session_state.get(links.memory("target")) not in offered:
        st.session_state[links.memory("target")] = _last(names, offered[first].market)
    options = links.keep("target", list(offered), first)
    options["format_func"] = lambda name: label(name, offered)
    if len({one.market for one in offered.values()}) > 1:
        options["format_func"] = str
    if len(offered) > MANY:
        chosen = st.selectbox("Target", list(offered), width=320, label_visibility="collapsed", **options)
    else:
        chosen = st.segmented_control("Target", list(offered), required=True, label_visibility="collapsed", **options)
    name = chosen if chosen in offered else first
    _remember(name, offered[name])
    return offered[name]


def _last(names: Names, market: str) -> str:
    """The target of `market` that was looked at last, else its first."""
    mine = [name for name, one in names.items() if one.market == market]
    before = st.session_state.get(links.memory("target")), st.session_state.get(_place(market))
    return next((one for one in before if one in mine), mine[0])


def _remember(name: str, one: Target) -> None:
    st.session_state.update({_place(one.market): name, links.memory("target"): name})


def _switched(names: Names, usual: str) -> None:
    """Callback: go to the target of the chosen market that was looked at last."""
    market = st.session_state.get("market") or usual
    first = next(name for name, one in names.items() if one.market == market)
    links.choose("target", _last(names, market), first)
    _tell_market(market, usual)


def _tell_market(market: str, usual: str) -> None:
    if market == usual:
        links.forget("market")
    elif st.query_params.get("market") != market:
        st.query_params["market"] = market


def _place(market: str) -> str:
    return f"kept target of {market}"

"""Address of the page -> addresses of others that keep its target, clock and past moment."""

from typing import Any
from urllib.parse import urlencode

import streamlit as st

COMMON = ("market", "target", "clock")
PAST = ("at", "replayed")
TRAVEL = ("forecasts", "accuracy")
"""Pages that can look back; see ui.page."""
MISSED = "missed target"
"""Where the session keeps which target the address named in vain, and on which page."""
ABOUT_TARGET = ("version", "decision", "gap")
"""What the address names of one target's (or market's) own; another target has no such thing."""


def page(name: str, label: str, *, icon: str | None = None, **params: str | None) -> None:
    """A link to the page `name`, such as 'models', that keeps what the pages have in common; `params` go before it."""
    st.page_link(f"views/{name}.py", label=label, icon=icon, query_params=carried(name, **params), width="content")


def address(name: str, **params: str | None) -> str:
    """The same as text, for links in Markdown; the Forecasts page is the root."""
    path, query = "." if name == "forecasts" else name, urlencode(carried(name, **params))
    return f"{path}?{query}" if query else path


def carried(name: str, **params: str | None) -> dict[str, str]:
    """The query of an address of the page `name`; a parameter of None is left out."""
    kept = COMMON + PAST if name in TRAVEL else COMMON
    found: dict[str, Any] = {one: st.query_params[one] for one in kept if one in st.query_params} | params
    return {one: value for one, value in found.items() if value is not None}


def keep(name: str, options: list[str], usual: str) -> dict[str, Any]:
    """Options of a widget for a choice that all pages share, under the key and parameter `name`.

    The address tells it; where it tells nothing, as after a click on another page, what was chosen last counts and
    is written into the address. What is `usual` is not written.
    """
    asked, before = st.query_params.get(name), st.session_state.get(memory(name))
    chosen = next((one for one in (asked, before) if one in options), usual)
    if chosen not in (asked, usual):
        st.query_params[name] = chosen
    st.session_state.update({memory(name): chosen, name: chosen})
    return {"key": name, "on_change": _changed, "args": (name, usual)}


def choose(name: str, chosen: str, usual: str) -> None:
    """Callback: make `chosen` the choice that all pages share."""
    if name == "target" and chosen != st.session_state.get(memory(name)):
        forget(*ABOUT_TARGET)
        st.session_state[MISSED] = ("", "")
    st.session_state[memory(name)] = chosen
    if chosen == usual:
        forget(name)
    else:
        st.query_params[name] = chosen


def write(name: str, value: str) -> None:
    """Callback: put a parameter into the address."""
    st.query_params[name] = value


def forget(*names: str) -> None:
    """Take parameters out of the address, those that are there."""
    for name in names:
        if name in st.query_params:
            del st.query_params[name]


def _changed(name: str, usual: str) -> None:
    choose(name, st.session_state.get(name) or usual, usual)


def memory(name: str) -> str:
    """Where the session keeps what was chosen last for a choice that all pages share."""
    return f"kept {name}"

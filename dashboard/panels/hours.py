"""Address of the page -> the hour a reader asks about, and back."""

from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any

import streamlit as st

from dashboard import links, looking_back

JUMP_JS = """
let done = 0;
export default function ({ data }) {
  if (!data.n) done = 0;
  if (data.n <= done) return;
  done = data.n;
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const look = (tries) => {
    const there = document.querySelector(".st-key-" + data.to);
    if (there) there.scrollIntoView({ behavior: calm ? "auto" : "smooth", block: "center" });
    else if (tries) setTimeout(look, 100, tries - 1);
  };
  look(20);
}
"""


def chosen() -> datetime | None:
    """The hour that `?hour=2026-11-20T14:00Z` names, None for other words."""
    return looking_back.parsed(st.query_params.get("hour"))


def lead(at: datetime) -> None:
    """Callback: write the hour into the address and bring what it is about into view (see `jump`)."""
    links.write("hour", looking_back.written(at))
    st.session_state["jumps"] = st.session_state.get("jumps", 0) + 1


def jump(to: str) -> None:
    """Scroll to the container of the key `to` each time a reader was led to an hour."""
    _jumper()(key="jumper", data={"to": to, "n": st.session_state.get("jumps", 0)})


def follow(key: str, hour: datetime, parameter: str = "hour") -> dict[str, Any]:
    """Options of a widget under `key` that shows `hour` and, when the reader chooses another, writes it into the
    address, under `parameter`."""
    st.session_state[key] = hour
    return {"key": key, "on_change": _changed, "args": (key, parameter)}


def _changed(key: str, parameter: str) -> None:
    at = st.session_state.get(key)
    if at is not None:
        st.query_params[parameter] = looking_back.written(at)


@cache
def _jumper() -> Callable[..., Any]:
    renderer: Callable[..., Any] = st.components.v2.component("jumper", js=JUMP_JS)
    return renderer

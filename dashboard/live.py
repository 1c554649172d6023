"""Open page -> reruns when something it shows has changed: the warehouse, the minute, the browser's theme."""

from collections.abc import Callable
from functools import cache
from typing import Any

import streamlit as st

from dashboard.data import Desk

WATCH_S = 15
# Plotly's colours are fixed when a figure is made, so a switch of theme needs a run of the script. Two equal
# readings in a row, because the background fades; told once, so that a disagreement cannot rerun for ever.
THEME_JS = """
let timer = null;
let told = null;
export default function ({ data, setTriggerValue }) {
  let before = null;
  const look = () => {
    const ground = getComputedStyle(document.querySelector('[data-testid="stApp"]')).backgroundColor;
    const [red, green, blue] = ground.match(/[0-9.]+/g).map(Number);
    const now = red + green + blue < 384 ? "dark" : "light";
    const steady = ground === before;
    before = ground;
    if (now === data.drawn) {
      told = null;
    } else if (steady && told !== now) {
      told = now;
      setTriggerValue("theme", now);
    }
  };
  clearInterval(timer);
  timer = setInterval(look, 300);
  return () => clearInterval(timer);
}
"""


def watch(desk: Desk) -> None:
    """Call once at the end of a page. Asks the warehouse nothing but whether its file changed."""
    _theme()(key="theme", data={"drawn": st.context.theme.type or "light"}, on_theme_change=_nothing)
    seen = _moment(desk)

    @st.fragment(run_every=WATCH_S)
    def look() -> None:
        # A run of the page would empty a field of an open dialog that is being typed in.
        if _moment(desk) != seen and not st.session_state.get("dialog"):
            st.rerun(scope="app")

    look()


@cache
def _theme() -> Callable[..., Any]:
    renderer: Callable[..., Any] = st.components.v2.component("theme_watcher", js=THEME_JS)
    return renderer


def _nothing() -> None:
    """The rerun that comes with the event is all there is to do."""


def _moment(desk: Desk) -> tuple[Any, ...]:
    return desk.warehouse.version(), desk.clock().replace(second=0, microsecond=0)

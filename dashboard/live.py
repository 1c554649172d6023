"""Open page -> reruns when something it shows has changed: a table it asked, the minute, the browser's theme."""

import re
from collections.abc import Callable
from functools import cache
from typing import Any

import streamlit as st
from streamlit.proto.ClientState_pb2 import ClientState

from dashboard.data import Desk

WATCH_S = 15
ALONE_JS = """
const alone = () => {
  if (window.sextantTells) return false;
  window.sextantTells = true;
  setTimeout(() => { window.sextantTells = false; }, 200);
  return true;
};
"""
"""What several parts tell before Streamlit has sent it would run only one of them, so they take turns."""
# One watcher in the browser. It asks the server only while the tab can be seen, and at once when it is seen again.
# Plotly's colours are fixed when a figure is made, so a switch of theme needs a run of the script: two equal readings
# in a row, because the background fades; told once, so that a disagreement cannot rerun for ever.
WATCH_JS = """
let timer = null;
let told = null;
let asked = Date.now();
let listener = null;
export default function ({ data, setTriggerValue }) {
  let before = null;
  const theme = () => {
    const ground = getComputedStyle(document.querySelector('[data-testid="stApp"]')).backgroundColor;
    const [red, green, blue] = ground.match(/[0-9.]+/g).map(Number);
    const now = red + green + blue < 384 ? "dark" : "light";
    const steady = ground === before;
    before = ground;
    if (now === data.drawn) {
      told = null;
    } else if (steady && told !== now && alone()) {
      told = now;
      setTriggerValue("theme", now);
    }
  };
  const look = () => {
    if (document.visibilityState !== "visible") return;
    if (data.every_ms && Date.now() - asked >= data.every_ms && alone()) {
      asked = Date.now();
      setTriggerValue("tick", asked);
    }
    theme();
  };
  clearInterval(timer);
  if (listener) document.removeEventListener("visibilitychange", listener);
  timer = setInterval(look, 300);
  listener = look;
  document.addEventListener("visibilitychange", look);
  return () => {
    clearInterval(timer);
    document.removeEventListener("visibilitychange", look);
  };
}
"""
# One beat for each part of a page that follows something going on; it rests in a hidden tab as the watcher does.
BEAT_JS = """
export default function ({ data, parentElement, setTriggerValue }) {
  clearInterval(parentElement.timer);
  let due = Date.now() + data.every_ms;
  const look = () => {
    if (document.visibilityState !== "visible" || Date.now() < due || !alone()) return;
    due = Date.now() + data.every_ms;
    setTriggerValue("tick", due);
  };
  parentElement.timer = setInterval(look, 250);
  return () => clearInterval(parentElement.timer);
}
"""
LEAVING_S = 5
"""So long what the page that was left told by itself may still arrive after the one that was gone to."""
EVENTS = re.compile(r"-(?:watcher|beat[^-]*)__events$")
"""How the ids end under which Streamlit sends what the watcher and beats tell."""


def watch(desk: Desk) -> None:
    """Call once at the end of a page. Asks the warehouse nothing but whether tables changed that the page asked.

    A page that looks back stands still.
    """
    minute = _minute(desk)
    data = {"drawn": st.context.theme.type or "light", "every_ms": 0 if desk.then else 1000 * WATCH_S}

    @st.fragment(key="live")
    def look() -> None:
        told = _watcher()(key="watcher", data=data, on_theme_change=_nothing, on_tick_change=_nothing)
        if told.theme or (told.tick and changed(desk, minute)):
            st.rerun(scope="app")

    look()


def changed(desk: Desk, minute: Any) -> bool:
    """Whether a page drawn from `desk` in `minute` would now show something else, and may be drawn again."""
    # A run of the page would empty a field of an open dialog that is being typed in.
    if desk.then or st.session_state.get("dialog"):
        return False
    return _minute(desk) != minute or desk.outdated()


def beat(name: str, every_s: float) -> None:
    """Call inside a fragment: it is run again every so often while the page can be seen.

    `name` has no hyphen and is the only one of its kind on the page.
    """
    _beat()(key=f"beat {name}", data={"every_ms": 1000 * every_s}, on_tick_change=_nothing)


def by_itself(asked: ClientState) -> bool:
    """Whether a page asks for a run without anybody having done something."""
    told = [one for one in asked.widget_states.widgets if one.HasField("json_trigger_value")]
    return bool(asked.is_auto_rerun or (told and all(EVENTS.search(one.id) for one in told)))


@cache
def _watcher() -> Callable[..., Any]:
    renderer: Callable[..., Any] = st.components.v2.component("watcher", js=ALONE_JS + WATCH_JS)
    return renderer


@cache
def _beat() -> Callable[..., Any]:
    renderer: Callable[..., Any] = st.components.v2.component("beat", js=ALONE_JS + BEAT_JS)
    return renderer


def _nothing() -> None:
    """The rerun that comes with the event is all there is to do."""


def _minute(desk: Desk) -> Any:
    return desk.clock().replace(second=0, microsecond=0)


class Visit:
    """Which page a browser went to, by what it sends.

    When a page is left just as it tells something by itself, Streamlit answers by a run that says it is that page
    again, and the browser shows an empty one until somebody reloads it.
    """

    def __init__(self) -> None:
        """Nowhere yet."""
        self._page, self._came = "", 0.0

    def over(self, asked: ClientState, now_s: float) -> bool:
        """Whether this was told by the page that was just left; `now_s` are seconds of a clock that only goes on."""
        page = asked.page_script_hash
        if by_itself(asked):
            return page != self._page and now_s - self._came < LEAVING_S
        if page != self._page:
            self._page, self._came = page, now_s
        return False

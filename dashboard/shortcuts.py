"""Keys pressed outside of fields -> the next target, another page, the list of keys; R is Streamlit's own refresh."""

from collections.abc import Callable
from functools import cache
from typing import Any

import streamlit as st

from dashboard import choosing, links
from dashboard.data import Desk
from pipeline.markets import Target

PAGES = {
    "f": "forecasts",
    "a": "accuracy",
    "d": "data",
    "j": "jobs",
    "m": "models",
    "l": "alerts",
    "u": "audit",
}
"""The letter after G, and the page it opens."""
KEYS_JS = """
let listener = null;
// Kept here: a run of the page between the two keys calls the function below again.
let leading = 0;
export default function ({ data, setTriggerValue }) {
  const typing = (where) =>
    where && (where.isContentEditable || where.closest?.(
      'input:not([type=radio]):not([type=checkbox]), textarea, select, [role=textbox], [role=combobox], [role=grid]'));
  const pressed = (event) => {
    if (!data.on || event.repeat || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const where = event.composedPath ? event.composedPath()[0] : event.target;
    if (typing(where) || document.querySelector('[role=dialog][aria-modal=true]')) return;
    const key = event.key.toLowerCase();
    const led = Date.now() - leading < 1500;
    leading = 0;
    if (led && data.pages[key]) {
      setTriggerValue("page", data.pages[key]);
    } else if (key === "g") {
      leading = Date.now();
    } else if (key === "t" && data.targets > 1) {
      setTriggerValue("step", event.shiftKey ? -1 : 1);
    } else if (key === "?") {
      document.querySelector(".st-key-keys_help button")?.click();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  };
  if (listener) document.removeEventListener("keydown", listener, true);
  listener = pressed;
  document.addEventListener("keydown", pressed, true);
  document.documentElement.dataset.keys = data.on ? "on" : "off";
  return () => document.removeEventListener("keydown", pressed, true);
}
"""


def show_keys(desk: Desk, near: Target) -> None:
    """The popover that lists the keys and can turn them off, as those who dictate or use a screen reader need."""
    with (
        st.container(key="keys_help", width="content"),
        st.popover("Keys", icon=":material/keyboard:", type="tertiary", help="Keyboard, also by the key ?"),
    ):
        rows = ["`R`|refresh"]
        rows += ["`T` `Shift+T`|next, previous target"] if len(choosing.beside(desk, near)) > 1 else []
        rows += [f"`G` `{letter.upper()}`|{page.capitalize()}" for letter, page in PAGES.items()] + ["`?`|this list"]
        st.markdown("\n".join(["Key|Does", "---|---", *rows]))
        st.toggle("Keys are on", value=True, key="keys_on", help="R is the browser page's own and stays.")


def listen(desk: Desk, near: Target) -> None:
    """Call once on a page about the target `near`, outside of fragments, after `show_keys`."""
    names = choosing.beside(desk, near)
    data = {"on": bool(st.session_state.get("keys_on", True)), "targets": len(names), "pages": PAGES}
    told = _listener()(key="keys", data=data, on_step_change=lambda: _step(names), on_page_change=_nothing)
    if told.page in PAGES.values():
        st.switch_page(f"views/{told.page}.py", query_params=links.carried(told.page))


def after(names: list[str], chosen: str | None, by: int) -> str:
    """The name `by` places behind the chosen one, round and round; the first counts as chosen when none is."""
    place = names.index(chosen) if chosen in names else 0
    return names[(place + by) % len(names)]


def _step(names: list[str]) -> None:
    by = st.session_state["keys"].step
    if by in (1, -1) and len(names) > 1:
        links.choose("target", after(names, st.session_state.get("target"), by), names[0])


@cache
def _listener() -> Callable[..., Any]:
    renderer: Callable[..., Any] = st.components.v2.component("keys", js=KEYS_JS)
    return renderer


def _nothing() -> None:
    """The rerun that comes with the event is all there is to do."""

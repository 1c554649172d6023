"""Table or text -> a small button that puts it on the reader's clipboard, ready for a sheet."""

from collections.abc import Callable
from functools import cache
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import exports
from dashboard.ui import Frame

HTML = """
<button type="button">
  <svg viewBox="0 0 24 24" width="16" height="16" aria-hidden="true" fill="none" stroke="currentColor" stroke-width="2">
    <rect x="8" y="8" width="12" height="12" rx="2"/><path d="M16 4H6a2 2 0 0 0-2 2v10"/>
  </svg>
  <b>Copy</b>
</button>
<span role="status"></span>
"""
CSS = """
:host, div {font-family: var(--st-font)}
button {border: 0; background: none; color: inherit; font: inherit; font-size: .875rem; cursor: pointer;
  padding: .35rem .5rem; border-radius: .5rem; line-height: 1.6; white-space: nowrap}
button {display: inline-flex; align-items: center; gap: .4rem}
b {font-weight: inherit}
button:hover {color: var(--st-primary-color)}
button:focus-visible {outline: 2px solid var(--st-primary-color); outline-offset: 1px}
span {position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%)}
"""
# Browsers give the clipboard to safe contexts only; elsewhere the older way by a selected field still works.
JS = """
const older = (text) => {
  const field = document.createElement("textarea");
  field.value = text;
  field.style.position = "fixed";
  field.style.opacity = "0";
  document.body.appendChild(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  return done;
};
export default function ({ data, parentElement }) {
  const button = parentElement.querySelector("button");
  const words = button.querySelector("b");
  const told = parentElement.querySelector("span");
  let timer = null;
  button.setAttribute("aria-label", data.name);
  const say = (text) => {
    words.textContent = text;
    told.textContent = text;
    clearTimeout(timer);
    timer = setTimeout(() => { words.textContent = "Copy"; told.textContent = ""; }, 2500);
  };
  button.onclick = async () => {
    try {
      await navigator.clipboard.writeText(data.text);
      say("Copied");
    } catch {
      say(older(data.text) ? "Copied" : "Not allowed by the browser");
    }
  };
  return () => clearTimeout(timer);
}
"""


def button(frame: Frame, rows: pd.DataFrame, *, key: str, name: str) -> None:
    """Copies `rows` tab-separated with a header; `name` is what the button is called by."""
    words(frame.made(f"copied {key}", lambda: exports.tsv(rows)), key=key, name=name)


def words(text: str, *, key: str, name: str) -> None:
    """Copies `text` as it is."""
    with st.container(width=86):
        _component()(key=key, data={"name": name, "text": text})


@cache
def _component() -> Callable[..., Any]:
    renderer: Callable[..., Any] = st.components.v2.component("copy_button", html=HTML, css=CSS, js=JS)
    return renderer

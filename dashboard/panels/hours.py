"""Address of the page -> the hour a reader asks about, and back."""

from datetime import datetime
from typing import Any

import streamlit as st

from dashboard import looking_back


def chosen() -> datetime | None:
    """The hour that `?hour=2026-11-20T14:00Z` names, None for other words."""
    return looking_back.parsed(st.query_params.get("hour"))


def choose(at: datetime) -> None:
    """Write the hour into the address."""
    st.query_params["hour"] = looking_back.written(at)


def follow(key: str, hour: datetime, parameter: str = "hour") -> dict[str, Any]:
    """Options of a widget under `key` that shows `hour` and, when the reader chooses another, writes it into the
    address, under `parameter`."""
    st.session_state[key] = hour
    return {"key": key, "on_change": _changed, "args": (key, parameter)}


def _changed(key: str, parameter: str) -> None:
    at = st.session_state.get(key)
    if at is not None:
        st.query_params[parameter] = looking_back.written(at)

"""Address of a page -> the past moment it is to show, if any."""

from datetime import datetime

import streamlit as st

from dashboard import formats
from dashboard.data import Desk
from pipeline.asof import Moment


def chosen(desk: Desk) -> Moment | None:
    """The moment that `?at=2026-11-20T10:20Z` (and `&replayed=1`) names; of other words it is told."""
    text = st.query_params.get("at")
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or moment > desk.clock():
        st.warning(
            f"The address asks for {formats.code(text)}, which is no past moment such as 2026-11-20T10:20Z; "
            "this is the present.",
            icon=":material/history:",
        )
        return None
    return Moment(moment, replayed=st.query_params.get("replayed") == "1")

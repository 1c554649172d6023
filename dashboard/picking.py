"""Row a reader chose in a table -> its id in the address, and back to where that row stands now."""

from collections.abc import Iterable
from typing import Any

import streamlit as st

from dashboard import links


class Picked:
    """The row of a table that `parameter` of the address names; the rows are called `ids`, each once.

    The browser knows rows by their position only, which is another after every new row; the address stays.
    """

    def __init__(self, key: str, parameter: str, ids: Iterable[str]) -> None:
        self.key, self.parameter, self.ids = key, parameter, [str(one) for one in ids]

    @property
    def position(self) -> int | None:
        """Where the row stands now; None when the address names none of these."""
        named = st.query_params.get(self.parameter)
        return self.ids.index(named) if named in self.ids else None

    def options(self) -> dict[str, Any]:
        """Options of the table: it marks the row, and writes into the address which one the reader chooses."""
        wanted = [] if self.position is None else [self.position]
        held = st.session_state.get(self.key)
        if (list(held["selection"]["rows"]) if held else []) != wanted:
            # Told to the table that is there already, so that it neither flickers nor scrolls.
            st.session_state[self.key] = {"selection": {"rows": wanted}}
        return {"key": self.key, "on_select": self.follow, "selection_mode": "single-row"}

    def follow(self) -> None:
        """Callback, with the rows as they stood when the reader chose."""
        chosen = st.session_state[self.key]["selection"]["rows"]
        if chosen and chosen[0] < len(self.ids):
            st.query_params[self.parameter] = self.ids[chosen[0]]
        else:
            links.forget(self.parameter)

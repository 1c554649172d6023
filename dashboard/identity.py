"""Browser session -> User: who sits there and what the role allows. The one place that knows modes of sign-in."""

from dataclasses import dataclass

import streamlit as st

ROLES = ("viewer", "operator", "admin")
NEEDS = {
    "retrain": "operator",
    "promote": "admin",
    "roll_back": "admin",
    "reissue": "admin",
    "run_now": "operator",
    "cancel": "operator",
    "retry": "operator",
    "backfill": "operator",
    "acknowledge": "operator",
    "snooze": "operator",
    "wake": "operator",
    "declare_maintenance": "admin",
}
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class User:
    """Who acts; `role` is one of ROLES."""

    name: str
    role: str

    def may(self, action: str) -> bool:
        """Whether the role reaches what `action` needs."""
        return self.reaches(NEEDS[action])

    def reaches(self, role: str) -> bool:
        """Whether the own role is `role` or above it."""
        return ROLES.index(self.role) >= ROLES.index(role)


def current_user() -> User:
    """Who sits at the browser, asked anew at every call: a role may have been taken away since the page was drawn.

    Without sign-in everybody is `local`: admin on a server that listens on loopback only, viewer on any other.
    """
    return User("local", "admin" if st.get_option("server.address") in LOOPBACK else "viewer")

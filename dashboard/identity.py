"""Browser session -> User: who sits there and what the role allows. The one place that knows modes of sign-in."""

from dataclasses import dataclass

import streamlit as st

from dashboard import data
from dashboard.signing import cookies
from dashboard.signing.door import Person, door
from pipeline.errors import SextantError

ROLES = ("viewer", "operator", "admin")
NEEDS = {
    "retrain": "operator",
    "promote": "admin",
    "roll_back": "operator",
    "reissue": "operator",
    "run_now": "operator",
    "cancel": "operator",
    "retry": "operator",
    "backfill": "operator",
    "acknowledge": "operator",
    "snooze": "operator",
    "wake": "operator",
    "declare_maintenance": "admin",
    "end_maintenance": "admin",
}
MAY = {
    "viewer": "May look at everything and change nothing.",
    "operator": "May also run, cancel, retry, backfill, retrain, roll back, issue again and see to alerts.",
    "admin": "May do what an operator may, promote a version and declare maintenance.",
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


class SignedOut(SextantError):
    """There is no valid session: it never began, ran out or was ended; nothing was done."""


def current_user() -> User:
    """Who sits at the browser, asked anew at every call: a role may have been taken away since the page was drawn.

    Without sign-in everybody is `local`: admin on a server that listens on loopback only, viewer on any other.
    Raises SignedOut where people sign in and the session does not hold (any more), ConfigError.
    """
    if data.desk().settings.auth.mode == "local":
        return User("local", "admin" if st.get_option("server.address") in LOOPBACK else "viewer")
    person = known()
    if person is None:
        raise SignedOut("You were signed out; sign in again. Nothing was done.")
    return User(person.name, person.role)


def known() -> Person | None:
    """The session behind the browser's cookie, if it holds now; None in local mode."""
    desk = data.desk()
    if desk.settings.auth.mode == "local":
        return None
    # Read as the gate reads them; Streamlit's own reading knows one cookie of a name.
    sent = cookies.jar(st.context.headers.get_all("Cookie")) or st.context.cookies
    return door(desk.settings).person(sent, desk.clock())

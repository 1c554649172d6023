"""Who is signed in -> what the user menu says, and what stands on a page when nobody is any more."""

import logging
import secrets

import streamlit as st

from dashboard import data, formats
from dashboard.data import Desk
from dashboard.identity import MAY, SignedOut, User, current_user, known
from dashboard.signing.gate import Gate
from pipeline.errors import SextantError

log = logging.getLogger(__name__)
MODES = {
    "local": "Local: this server answers this machine only and asks nobody who they are.",
    "password": "Signed in with a password",
    "oidc": "Signed in with the organisation's account",
}
BEYOND = "This server listens beyond this machine and has no sign-in, so nobody may change anything."
UNGUARDED = "SEXTANT_AUTH asks people to sign in, which only `python -m dashboard.server` can do. Start that instead."
OUT = (
    '<a href="/sign-out" target="_self" style="display:inline-block;padding:.35rem .8rem;border-radius:8px;'
    'border:1px solid currentColor;color:inherit;text-decoration:none">Sign out …</a>'
)


def draw(desk: Desk, user: User) -> None:
    """The content of the menu: who, as what, how and since when, and the way out."""
    st.markdown(f"**{formats.plain(user.name)}** · {user.role}")
    st.caption(MAY[user.role])
    person = known()
    if person is None:
        st.caption(MODES["local"] if user.role == "admin" else BEYOND)
    else:
        zone = next(iter(desk.markets.values())).zone
        since = formats.zoned(person.began, zone)
        st.caption(f"{MODES[person.mode]} since {since}.")
        st.html(OUT)
    st.caption(f"Warehouse {formats.plain(desk.settings.warehouse.name)}, markets {', '.join(desk.markets)}.")


def guarded() -> bool:
    """Whether the pages may be served as they are: where people sign in, only from behind the gate."""
    try:
        mode = data.desk().settings.auth.mode
    except SextantError:
        return True
    # Without headers there is no browser: the script runs by itself, as in a test.
    return mode == "local" or Gate.stands or not st.context.headers


def admitted() -> bool:
    """Whether the page may be run: somebody is signed in, or nobody has to be."""
    try:
        current_user()
    except SignedOut:
        return False
    except SextantError:
        # Settings that cannot be used: every page says so itself and shows nothing else.
        return True
    return True


def signed_out() -> None:
    """What a page shows instead of itself when the session has ended."""
    with st.container(border=True, horizontal_alignment="center", gap="xsmall"):
        st.space("small")
        st.markdown("### :material/lock:", text_alignment="center")
        st.markdown("**You were signed out**", text_alignment="center")
        st.caption("The session ended, or somebody ended it. Nothing was done since.", text_alignment="center")
        st.html('<p style="text-align:center"><a href="/sign-in" target="_self">Sign in</a></p>')
        st.space("small")


def unhandled(error: Exception) -> bool:
    """Tell what a script could not cope with, without its trace, by a reference that the log has; True: it is told."""
    if isinstance(error, SignedOut):
        signed_out()
    elif isinstance(error, SextantError):
        st.error(formats.plain(error), icon=":material/error:")
    else:
        reference = secrets.token_hex(3)
        log.error("a page failed, reference %s", reference, exc_info=error)
        st.error(
            f"This page could not be shown. Reference **{reference}** finds the cause in the server's log.",
            icon=":material/error:",
        )
    return True

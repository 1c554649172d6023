"""Parts of a page -> the states they can be in: drawn, empty, unavailable, failed with a reference."""

import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from dashboard import formats
from pipeline.errors import Busy, Held, SextantError

log = logging.getLogger(__name__)


@contextmanager
def panel(title: str | None = None, help_text: str | None = None) -> Iterator[None]:
    """One part of a page; its failure is told in its place and never blanks the rest."""
    if title:
        st.header(title, help=help_text, anchor=False)
    try:
        yield
    except (Busy, Held) as error:
        st.warning(f"Not available right now: {formats.plain(error)}", icon=":material/hourglass_top:")
    except SextantError as error:
        st.error(formats.plain(error), icon=":material/error:")
    except Exception:
        reference = secrets.token_hex(3)
        log.exception("panel %s failed, reference %s", title, reference)
        st.error(
            f"This part could not be shown. Reference **{reference}** finds the cause in the server's log.",
            icon=":material/error:",
        )


def empty(title: str, hint: str, icon: str = ":material/inbox:") -> None:
    """The state of a panel that has nothing to show yet, with what would fill it."""
    with st.container(border=True, horizontal_alignment="center", gap="xsmall"):
        st.space("small")
        st.markdown(f"### {icon}", text_alignment="center")
        st.markdown(f"**{title}**", text_alignment="center")
        st.caption(hint, text_alignment="center")
        st.space("small")

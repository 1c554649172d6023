"""Connections by the socket that Streamlit binds send small answers at once."""

import socket

import pytest
from streamlit.web.server.starlette import starlette_server

from dashboard import promptness


def waits() -> bool:
    """Whether a connection keeps small answers back until the one before was acknowledged."""
    listening, _ = starlette_server._bind_server_socket("127.0.0.1", "127.0.0.1", 0, 5)
    listening.setblocking(True)
    with listening, socket.create_connection(listening.getsockname()):
        taken, _ = listening.accept()
        with taken:
            return not taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_connections_send_small_answers_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starlette_server, "_bind_server_socket", starlette_server._bind_server_socket)
    assert waits()
    promptness.be_prompt()
    assert not waits()

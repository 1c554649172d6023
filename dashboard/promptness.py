"""Streamlit's listening socket -> one whose small answers leave at once."""

import socket

from streamlit.web.server.starlette import starlette_server


def be_prompt() -> None:
    """Call once before the server starts.

    asyncio turns Nagle's algorithm off for sockets it makes, not for the one Streamlit binds and hands over. A file's
    headers and content, or a page's messages, then wait 40 ms for the browser's acknowledgement of what came before.
    """
    bound = starlette_server._bind_server_socket

    def prompt(server_address: str, bind_address: str, port: int, backlog: int) -> tuple[socket.socket, str]:
        listening, address = bound(server_address, bind_address, port, backlog)
        # Connections take this over from the socket they came in by.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listening, address

    starlette_server._bind_server_socket = prompt

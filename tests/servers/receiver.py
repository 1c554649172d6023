"""A real HTTP receiver of alerts: checks signatures as README tells it, and can be told to misbehave.

Each POST takes the next fault of `faults`; when there is none left, all is well.
"""

import hashlib
import hmac
import json
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Fault:
    """What to answer instead of 204; `hang_s` passes first, `reset` drops the line instead of answering."""

    status: int = 204
    headers: Mapping[str, str] = field(default_factory=dict)
    hang_s: float = 0.0
    reset: bool = False


@dataclass(frozen=True)
class Got:
    """One request as it came; `genuine` is None where nothing was signed."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    genuine: bool | None

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def key(self) -> str:
        return self.headers["X-Sextant-Key"]


@dataclass
class Receiver:
    """Where it listens and what it got."""

    url: str
    secret: str
    got: list[Got] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    arrived: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)


def genuine(secret: str, signature: str, body: bytes) -> bool:
    """Whether `signature` (t=seconds,v1=hex) is that of `body`."""
    parts = dict(part.split("=", 1) for part in signature.split(","))
    expected = hmac.new(secret.encode(), parts["t"].encode() + b"." + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, parts["v1"])


@contextmanager
def receiving(secret: str = "shared-secret-of-both") -> Iterator[Receiver]:
    """A receiver on a free port of this machine, ended with the block."""
    receiver = Receiver("", secret)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(receiver))
    receiver.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield receiver
    finally:
        receiver.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            signature = self.headers.get("X-Sextant-Signature")
            proof = None if signature is None else genuine(receiver.secret, signature, body)
            fault = receiver.faults.pop(0) if receiver.faults else Fault()
            receiver.got.append(Got(self.path, dict(self.headers), body, proof))
            receiver.arrived.set()
            if fault.hang_s:
                receiver.released.wait(fault.hang_s)
            self.close_connection = True
            if fault.reset:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
                return
            self.send_response(fault.status)
            for name, value in fault.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            receiver.got.append(Got(self.path, dict(self.headers), b"", None))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_words: Any) -> None:
            """Say nothing."""

    return Handler

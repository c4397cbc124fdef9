"""Listening: a server of the standard library, serving in a thread as long as a block runs; and a port where there is none."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from socket import socket
from socketserver import TCPServer


@contextmanager
def nobody_listening() -> Iterator[int]:
    """A port at which calls are refused; it is kept, so that no other test gets it meanwhile."""
    with socket() as kept:
        kept.bind(("127.0.0.1", 0))
        yield int(kept.getsockname()[1])


@contextmanager
def listening(listener: TCPServer) -> Iterator[int]:
    """Gives the port it listens on. At the end of the block the listener is closed."""
    with listener:
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield int(listener.server_address[1])
        finally:
            listener.shutdown()
            thread.join()

"""A TCP proxy on loopback that cuts connections after random numbers of bytes, in either direction."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

__all__ = ["CuttingProxy", "cutting_proxy"]


@dataclass
class CuttingProxy:
    """The record of what a proxy did."""

    port: int = 0
    cuts: list[int] = field(default_factory=list)
    """The bytes after which each connection was cut, from its last cut on."""
    left: int = 0
    """Connections that it still cuts."""


@contextlib.contextmanager
def cutting_proxy(target: int, *, cuts: int, most: int, seed: int) -> Iterator[CuttingProxy]:
    """Forwards to the port `target`; the first `cuts` connections end within `most` bytes."""
    draw, state = random.Random(seed), CuttingProxy(left=cuts)
    with socket.create_server(("127.0.0.1", 0)) as server:
        state.port = server.getsockname()[1]

        def serve() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                allowed = None
                if state.left > 0:
                    state.left -= 1
                    allowed = draw.randrange(1, most)
                    state.cuts.append(allowed)
                there = socket.create_connection(("127.0.0.1", target))
                budget = _Budget(allowed, (client, there))
                for pair in ((client, there), (there, client)):
                    threading.Thread(target=_forward, args=(*pair, budget), daemon=True).start()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield state
        server.shutdown(socket.SHUT_RDWR)
    thread.join(5)


class _Budget:
    """Bytes that may pass; when they have, both sides are cut."""

    def __init__(self, left: int | None, sides: tuple[socket.socket, socket.socket]) -> None:
        self._left, self._sides, self._lock = left, sides, threading.Lock()

    def take(self, wanted: int) -> int:
        with self._lock:
            if self._left is None:
                return wanted
            taken = min(self._left, wanted)
            self._left -= taken
            return taken

    def close(self) -> None:
        for side in self._sides:
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)
            side.close()


def _forward(source: socket.socket, sink: socket.socket, budget: _Budget) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            passed = budget.take(len(data))
            sink.sendall(data[:passed])
            if passed < len(data):
                break
    budget.close()

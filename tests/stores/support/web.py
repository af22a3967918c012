"""A web server on loopback over the files of a folder, with Range, If-Match and ETag, that misbehaves on request."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from stores.support.loopback import serving

__all__ = ["Answer", "Web", "web"]


@dataclass
class Answer:
    """An answer that is about to be sent; a fault changes it."""

    path: str
    start: int
    body: bytes
    total: int
    tag: str | None
    range: str | None
    """The Content-Range; None for an answer with the whole object."""
    cut: int | None = None
    """Bytes of the body after which the connection is closed."""
    status: int = 200
    reason: bytes = b""
    """The body of an error."""


@dataclass
class Web:
    """A server's behaviour, and the requests that it got."""

    root: Path
    address: str = ""
    ranges: bool = True
    tags: bool = True
    missing: int = 404
    """The answer to a request for what is not there: 403 from a bucket that may be read and not listed."""
    fault: Callable[[Answer], None] = lambda answer: None
    asked: list[tuple[str, int]] = field(default_factory=list)
    """Path and first byte of each request."""
    headers: list[dict[str, str]] = field(default_factory=list)


@contextlib.contextmanager
def web(root: Path) -> Iterator[Web]:
    """Serves the files of `root`."""
    state = Web(root)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            file = state.root / unquote(self.path).lstrip("/")
            span = self.headers.get("Range")
            state.headers.append({name.lower(): value for name, value in self.headers.items()})
            start = int(span[6:].split("-")[0]) if span else 0
            state.asked.append((self.path.lstrip("/"), start))
            if not file.is_file():
                self._plain(state.missing)
                return
            data = file.read_bytes()
            tag = f'"{hashlib.sha256(data).hexdigest()[:20]}"'
            if self.headers.get("If-Match") not in (None, tag):
                self._plain(412)
                return
            answer = Answer(self.path.lstrip("/"), 0, data, len(data), tag if state.tags else None, None)
            if span and state.ranges:
                if start >= len(data):
                    self._plain(416)
                    return
                last = min(int(span[6:].split("-")[1] or len(data) - 1), len(data) - 1)
                answer.start, answer.body, answer.status = start, data[start : last + 1], 206
                answer.range = f"bytes {start}-{last}/{len(data)}"
            state.fault(answer)
            if answer.status >= 400:
                self._plain(answer.status, answer.reason)
                return
            self.send_response(answer.status)
            self.send_header("Content-Length", str(len(answer.body)))
            if answer.range:
                self.send_header("Content-Range", answer.range)
            if answer.tag:
                self.send_header("ETag", answer.tag)
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(answer.body[: answer.cut])
                if answer.cut is not None:
                    self.wfile.flush()
                    self.close_connection = True

        def _plain(self, status: int, body: bytes = b"") -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with serving(Handler) as state.address:
        yield state

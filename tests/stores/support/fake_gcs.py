"""A fake of the XML API of Google Cloud Storage on a real socket: one bucket, `lab`, in memory.

Made from Google's pages "Request preconditions", and "GET Object", "PUT Object" and "GET Bucket (List objects)" of the
XML API. It has what obstore uses: bearer tokens, ETag (MD5) and generations, Range, If-Match,
x-goog-if-generation-match, and lists in pages.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from stores.support.loopback import serving

__all__ = ["TOKEN", "FakeGcs", "fake_gcs"]

TOKEN = "ya29.Tell-Tale-Token"
PAGE = 7
"""Names in a page of a list; the service has a thousand."""

_NO_BUCKET = b"""<?xml version='1.0' encoding='UTF-8'?>
<Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist.</Message></Error>"""
_TIME = "2026-11-26T12:00:00.000Z"


@dataclass
class FakeGcs:
    """The bucket, and what was asked of it."""

    address: str = ""
    public: bool = False
    """True if whoever shows no token may read."""
    objects: dict[str, tuple[bytes, int]] = field(default_factory=dict)
    """Content and generation by name."""
    fault: Callable[[str, str], int] = lambda method, name: 0
    """Gives the status of an answer without effect, or -1 for a body that is cut in its middle; 0 for none."""
    asked: list[tuple[str, str, int]] = field(default_factory=list)
    """Method, name and status of each answer."""
    conditions: bool = True
    """False if it answers 501 to a write with a condition, as some services of the S3 API do."""
    ranges: list[tuple[str, str]] = field(default_factory=list)
    """Name and Range of each request that has one."""

    @property
    def env(self) -> dict[str, str]:
        """The environment of its clients."""
        return {"GOOGLE_BASE_URL": self.address, "GOOGLE_BEARER_TOKEN": TOKEN}


@contextlib.contextmanager
def fake_gcs() -> Iterator[FakeGcs]:
    """Runs it."""
    state, lock, generations = FakeGcs(), threading.Lock(), itertools.count(1_795_000_000_000_000)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None:
            pass

        def handle_one_request(self) -> None:
            with contextlib.suppress(ConnectionError):
                super().handle_one_request()

        def do_GET(self) -> None:
            self.answer(b"")

        do_HEAD = do_GET  # noqa: N815  # the name that http.server calls

        def do_PUT(self) -> None:
            self.answer(self.rfile.read(int(self.headers["Content-Length"])))

        def answer(self, sent: bytes) -> None:
            url = urlsplit(self.path)
            bucket, _, name = unquote(url.path).lstrip("/").partition("/")
            fault = state.fault(self.command, name)
            with lock:
                given = self.headers.get("Authorization")
                if given != f"Bearer {TOKEN}" and not (state.public and given is None and self.command != "PUT"):
                    status, body, headers = 401, b"<Error><Code>AuthenticationRequired</Code></Error>", {}
                elif fault > 0:
                    status, body, headers = fault, b"<Error/>", {}
                elif bucket != "lab":
                    status, body, headers = 404, _NO_BUCKET, {}
                elif not name:
                    status, body, headers = 200, self.list(parse_qs(url.query)), {}
                elif self.command == "PUT":
                    status, body, headers = self.put(name, sent)
                else:
                    status, body, headers = self.get(name)
                state.asked.append((self.command, name, status))
            self.send_response(status)
            for key, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body[: len(body) // 2] if fault < 0 else body)
            self.close_connection = fault < 0

        def put(self, name: str, sent: bytes) -> tuple[int, bytes, dict[str, str]]:
            wanted = self.headers.get("x-goog-if-generation-match")
            if wanted is not None and not state.conditions:
                return (
                    501,
                    b"<Error><Code>NotImplemented</Code></Error>",
                    {},
                )
            there = state.objects[name][1] if name in state.objects else 0
            if wanted is not None and int(wanted) != there:
                return 412, b"<Error><Code>PreconditionFailed</Code></Error>", {}
            state.objects[name] = (sent, next(generations))
            return 200, b"", describe(name)

        def get(self, name: str) -> tuple[int, bytes, dict[str, str]]:
            if name not in state.objects:
                return 404, b"<Error><Code>NoSuchKey</Code></Error>", {}
            data, headers = state.objects[name][0], describe(name)
            if self.headers.get("If-Match") not in (None, headers["ETag"]):
                return 412, b"<Error><Code>PreconditionFailed</Code></Error>", {}
            span = self.headers.get("Range")
            if span is None:
                return 200, data, headers
            state.ranges.append((name, span))
            first, last = span.removeprefix("bytes=").split("-")
            stop = min(int(last) + 1 if last else len(data), len(data))
            return 206, data[int(first) : stop], {**headers, "Content-Range": f"bytes {first}-{stop - 1}/{len(data)}"}

        def list(self, query: dict[str, list[str]]) -> bytes:
            prefix, after = query.get("prefix", [""])[0], query.get("continuation-token", [""])[0]
            cut = query.get("delimiter", [""])[0]
            listed = {_top(name, prefix, cut) for name in state.objects if name.startswith(prefix)}
            names = sorted(name for name in listed if name > after)
            parts = [f"<IsTruncated>{'true' if len(names) > PAGE else 'false'}</IsTruncated>"]
            if len(names) > PAGE:
                parts.append(f"<NextContinuationToken>{escape(names[PAGE - 1])}</NextContinuationToken>")
            for name in names[:PAGE]:
                if name not in state.objects:
                    parts.append(f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>")
                    continue
                size, tag = len(state.objects[name][0]), escape(describe(name)["ETag"])
                parts.append(f"<Contents><Key>{escape(name)}</Key><Size>{size}</Size><ETag>{tag}</ETag>")
                parts.append(f"<LastModified>{_TIME}</LastModified></Contents>")
            return (
                f"<?xml version='1.0' encoding='UTF-8'?><ListBucketResult>{''.join(parts)}</ListBucketResult>".encode()
            )

    def describe(name: str) -> dict[str, str]:
        data, generation = state.objects[name]
        return {
            "ETag": f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"',
            "Last-Modified": "Thu, 26 Nov 2026 12:00:00 GMT",
            "x-goog-generation": str(generation),
        }

    with serving(Handler) as state.address:
        yield state


def _top(name: str, prefix: str, delimiter: str) -> str:
    """Returns a name, or what it has up to the first delimiter after the prefix."""
    top, found, _ = name[len(prefix) :].partition(delimiter) if delimiter else (name, "", "")
    return f"{prefix}{top}{delimiter}" if found else name

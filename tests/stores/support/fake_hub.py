"""A small Hub on a real socket: repositories, commits on a parent (the path without LFS), files by commit, tags."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

__all__ = ["FakeHub", "fake_hub"]

TOKEN = "hf_TellTaleToken"


@dataclass
class FakeHub:
    """Its one repository, and what it was asked."""

    address: str = ""
    commits: list[dict[str, bytes]] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    """Names that its `.gitignore` drops."""
    after_commit: Any = None
    """Called after each commit."""

    @staticmethod
    def oid(number: int) -> str:
        return hashlib.sha1(str(number).encode()).hexdigest()

    @property
    def head(self) -> str:
        return self.oid(len(self.commits) - 1)

    def files(self, revision: str) -> dict[str, bytes]:
        if revision == "main":
            return self.commits[-1]
        return next(files for number, files in enumerate(self.commits) if self.oid(number) == revision)

    def commit(self, files: dict[str, bytes], message: str) -> None:
        self.commits.append({**self.commits[-1], **files})
        self.messages.append(message)


@contextlib.contextmanager
def fake_hub() -> Iterator[FakeHub]:
    """Runs a Hub without repositories; `lab/ta1` is the only name that it takes."""
    hub = FakeHub()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            path = self.path.partition("?")[0].split("/")[1:]
            if not hub.commits:
                self._send(404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})
            elif path[:4] == ["api", "datasets", "lab", "ta1"] and path[4:5] != ["tree"]:
                self._send(200, {"id": "lab/ta1", "sha": hub.head, "siblings": [], "private": False, "tags": []})
            elif path[:5] == ["api", "datasets", "lab", "ta1", "tree"]:
                files = hub.files(path[5])
                self._send(200, [self._entry(name, data) for name, data in sorted(files.items())])
            elif path[:4] == ["datasets", "lab", "ta1", "resolve"]:
                self._file(hub.files(path[4]).get("/".join(path[5:])))
            else:
                self._send(404, {"error": "no such page"})

        def do_POST(self) -> None:
            path = self.path.partition("?")[0].split("/")[1:]
            data = self._body()
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                self._send(403, {"error": "Forbidden"})
            elif path == ["api", "repos", "create"]:
                url = f"{hub.address}/datasets/lab/ta1"
                if hub.commits:
                    self._send(409, {"error": "You already created this dataset repo", "url": url})
                else:
                    hub.commits.append({})
                    self._send(200, {"url": url})
            elif path == ["api", "validate-yaml"]:
                self._send(200, {"errors": [], "warnings": []})
            elif path[4] == "preupload":
                files = json.loads(data)["files"]
                ignored = [each["path"] in hub.ignored for each in files]
                answer = [
                    {"path": each["path"], "uploadMode": "regular", "shouldIgnore": skip, "oid": None}
                    for each, skip in zip(files, ignored, strict=True)
                ]
                self._send(200, {"files": answer})
            elif path[4] == "commit":
                self._commit([json.loads(line) for line in data.splitlines() if line])
            elif path[4] == "tag":
                hub.tags[json.loads(data)["tag"]] = path[5]
                self._send(200, {})
            else:
                self._send(404, {"error": "no such page"})

        def _commit(self, lines: list[dict[str, Any]]) -> None:
            header = lines[0]["value"]
            if header.get("parentCommit") not in (None, hub.head):
                self._send(412, {"error": "A commit has happened since. Please refresh and try again."})
                return
            files = {
                line["value"]["path"]: base64.b64decode(line["value"]["content"])
                for line in lines
                if line["key"] == "file"
            }
            hub.commit(files, header["summary"])
            answer = {"commitOid": hub.head, "commitUrl": f"{hub.address}/datasets/lab/ta1/commit/{hub.head}"}
            if hub.after_commit:
                hub.after_commit()
            self._send(200, answer)

        @staticmethod
        def _entry(name: str, data: bytes) -> dict[str, Any]:
            blob = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
            return {"type": "file", "oid": blob, "size": len(data), "path": name}

        def _file(self, data: bytes | None) -> None:
            if data is None:
                self._send(404, {"error": "Entry not found"})
                return
            span = self.headers.get("Range")
            start = int(span[6:].split("-")[0]) if span else 0
            self.send_response(206 if span else 200)
            self.send_header("Content-Length", str(len(data) - start))
            self.send_header("ETag", f'"{hashlib.sha1(data).hexdigest()}"')
            if span:
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            self.end_headers()
            self.wfile.write(data[start:])

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

        def _send(self, status: int, value: object, headers: dict[str, str] | None = None) -> None:
            data = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            for name, text in (headers or {}).items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(data)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        hub.address = f"http://127.0.0.1:{server.server_port}"
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()

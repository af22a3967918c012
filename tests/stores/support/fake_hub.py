"""A small Hub on a real socket: commits on a parent, files by commit, tags, and LFS at an address of its own; no Xet.

Like the Hub, it takes small texts within a commit, and binary or large files by LFS: batch, PUT to a signed URL (in
parts if large), verify, and then their SHA-256 in the commit. They are read by a redirect to a signed URL, whose server
has an ETag of its own, knows Range and If-Match, and refuses a token. Made from the requests of huggingface_hub 2.4 and
from the LFS batch API.
"""

from __future__ import annotations

import base64
import codecs
import contextlib
import hashlib
import http.server
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from stores.support.loopback import serving

__all__ = ["TOKEN", "FakeHub", "fake_hub"]

TOKEN = "hf_TellTaleToken"
LARGE = 10_000_000
"""Bytes above which a text goes by LFS, too."""
PART = 5_000_000
"""Bytes of a part of an upload."""


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
    lost_commits: list[str] = field(default_factory=list)
    """The fate of the next commits: `refused` (503), `lost` after it is made, or `moved` as well by another one."""
    after_refusal: Callable[[], object] = lambda: None
    """Called after each commit that is refused."""
    no_owner: bool = False
    """Answers that there is no owner `lab` when a repository is created."""
    lost_tags: int = 0
    """Requests for a tag that it still refuses."""
    storage: str = ""
    """The address of the LFS storage."""
    objects: dict[str, bytes] = field(default_factory=dict)
    """The content of LFS objects by SHA-256."""
    verified: set[str] = field(default_factory=set)
    """Those that were verified; no other can be committed."""
    pointers: dict[str, str] = field(default_factory=dict)
    """SHA-256 by the name of each file that was committed by LFS."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Method and path of each request to the LFS storage."""
    ranges: list[tuple[str, str]] = field(default_factory=list)
    """Path and Range of each request to it that has one."""
    fault: Callable[[str, str], int] = lambda method, path: 0
    """Gives the status with which the LFS storage refuses, -1 for an answer that is cut in its middle, or 0."""

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
def fake_hub(*, xet: bool = False) -> Iterator[FakeHub]:
    """Runs a Hub without repositories; `lab/ta1` is the only name that it takes.

    `xet` leaves it to huggingface_hub to try Xet, which is not there.
    """
    hub = FakeHub()

    class Handler(_Answers):
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
                name, files = "/".join(path[5:]), hub.files(path[4])
                if name in files and name in hub.pointers:
                    self._send(302, {}, {"Location": f"{hub.storage}/{hub.pointers[name]}?X-Amz-Signature=TellTale"})
                else:
                    self._file(files.get(name))
            else:
                self._send(404, {"error": "no such page"})

        def do_POST(self) -> None:
            path = self.path.partition("?")[0].split("/")[1:]
            data = self._body()
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                self._send(403, {"error": "Forbidden"})
            elif path == ["api", "repos", "create"]:
                url = f"{hub.address}/datasets/lab/ta1"
                if hub.no_owner:
                    self._send(404, {"error": "Not found"})
                elif hub.commits:
                    self._send(409, {"error": "You already created this dataset repo", "url": url})
                else:
                    hub.commits.append({})
                    self._send(200, {"url": url})
            elif path == ["api", "validate-yaml"]:
                self._send(200, {"errors": [], "warnings": []})
            elif path[:4] == ["datasets", "lab", "ta1.git", "info"]:
                self._send(200, {"objects": [self._batch(**each) for each in json.loads(data)["objects"]]})
            elif path == ["verify"]:
                told = json.loads(data)
                right = len(hub.objects.get(told["oid"], b"")) == told["size"]
                hub.verified.update([told["oid"]] if right else [])
                self._send(200 if right else 404, {})
            elif path[4] == "preupload":
                files = json.loads(data)["files"]
                ignored = [each["path"] in hub.ignored for each in files]
                answer = [
                    {"path": each["path"], "uploadMode": _mode(each), "shouldIgnore": skip, "oid": None}
                    for each, skip in zip(files, ignored, strict=True)
                ]
                self._send(200, {"files": answer})
            elif path[4] == "commit":
                self._commit([json.loads(line) for line in data.splitlines() if line])
            elif path[4] == "tag":
                tag = json.loads(data)["tag"]
                if hub.lost_tags > 0:
                    hub.lost_tags -= 1
                    self._send(503, {})
                elif tag in hub.tags:
                    self._send(409, {"error": "Tag reference exists already"})
                else:
                    hub.tags[tag] = path[5]
                    self._send(200, {})
            else:
                self._send(404, {"error": "no such page"})

        def _commit(self, lines: list[dict[str, Any]]) -> None:
            header = lines[0]["value"]
            event = hub.lost_commits.pop(0) if hub.lost_commits else ""
            if event == "refused":
                hub.after_refusal()
                self._send(503, {})
                return
            if header.get("parentCommit") not in (None, hub.head):
                self._send(412, {"error": "A commit has happened since. Please refresh and try again."})
                return
            files = {
                line["value"]["path"]: base64.b64decode(line["value"]["content"])
                for line in lines
                if line["key"] == "file"
            }
            sent = {line["value"]["path"]: line["value"]["oid"] for line in lines if line["key"] == "lfsFile"}
            if unknown := {*sent.values()} - hub.verified:
                self._send(422, {"error": f"LFS pointer pointed to a file that does not exist: {unknown}"})
                return
            hub.pointers |= sent
            hub.commit({**files, **{name: hub.objects[oid] for name, oid in sent.items()}}, header["summary"])
            if event:
                if event == "moved":
                    hub.commit({header["summary"]: b"x"}, "another lab")
                self.close_connection = True
                return
            answer = {"commitOid": hub.head, "commitUrl": f"{hub.address}/datasets/lab/ta1/commit/{hub.head}"}
            if hub.after_commit:
                hub.after_commit()
            self._send(200, answer)

        @staticmethod
        def _entry(name: str, data: bytes) -> dict[str, Any]:
            blob = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
            entry = {"type": "file", "oid": blob, "size": len(data), "path": name}
            if name in hub.pointers:
                entry["lfs"] = {"oid": hub.pointers[name], "size": len(data), "pointerSize": 130}
            return entry

        @staticmethod
        def _batch(oid: str, size: int) -> dict[str, Any]:
            told: dict[str, Any] = {"oid": oid, "size": size}
            if oid in hub.objects:
                return told
            upload: dict[str, Any] = {"href": f"{hub.storage}/{oid}?X-Amz-Signature=TellTale"}
            if size > PART:
                parts = {
                    str(n + 1): f"{hub.storage}/{oid}/{n}?X-Amz-Signature=TellTale" for n in range(-(-size // PART))
                }
                upload = {"href": f"{hub.storage}/{oid}/done", "header": {"chunk_size": str(PART), **parts}}
            return {**told, "actions": {"upload": upload, "verify": {"href": f"{hub.address}/verify"}}}

    class Storage(_Answers):
        def do_GET(self) -> None:
            oid = self.path.strip("/").partition("?")[0]
            if span := self.headers.get("Range"):
                hub.ranges.append((oid, span))
            if (fault := self._fault()) <= 0:
                self._file(hub.objects.get(oid), cut=fault < 0)

        def do_PUT(self) -> None:
            data, name = self._body(), self.path.strip("/").partition("?")[0]
            if self._fault() > 0:
                return
            if "/" in name or hashlib.sha256(data).hexdigest() == name:
                hub.objects[name] = data
                self._send(200, {}, {"ETag": f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'})
            else:
                self._send(400, {"error": "BadDigest"})

        def do_POST(self) -> None:
            told, oid = json.loads(self._body()), self.path.strip("/").partition("/")[0]
            data = b"".join(hub.objects.pop(f"{oid}/{part['partNumber'] - 1}") for part in told["parts"])
            right = hashlib.sha256(data).hexdigest() == oid == told["oid"]
            hub.objects.update({oid: data} if right else {})
            self._send(200 if right else 400, {})

        def _fault(self) -> int:
            """Counts the request, and answers it if it is refused; returns more than 0 then."""
            name = self.path.strip("/").partition("?")[0]
            hub.asked.append((self.command, name))
            fault = hub.fault(self.command, name)
            if self.headers.get("Authorization") or "X-Amz-Signature=TellTale" not in self.path:
                fault = 400
            if fault > 0:
                self._send(fault, {"error": "refused"})
            return fault

    disabled = mock.patch("huggingface_hub.constants.HF_HUB_DISABLE_XET", not xet)
    with disabled, serving(Handler) as hub.address, serving(Storage) as hub.storage:
        yield hub


def _mode(file: dict[str, Any]) -> str:
    """Returns how the Hub wants a file: binary and large ones by LFS, and those of its .gitattributes."""
    sample = base64.b64decode(file["sample"])
    try:
        binary = b"\0" in sample or not codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        binary = True
    return "lfs" if binary or file["size"] > LARGE or file["path"].endswith((".h5", ".zst")) else "regular"


class _Answers(http.server.BaseHTTPRequestHandler):
    """Reads bodies and sends answers."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        pass

    def _file(self, data: bytes | None, *, cut: bool = False) -> None:
        if data is None:
            self._send(404, {"error": "Entry not found"})
            return
        tag = f'"{hashlib.sha1(data).hexdigest()}"'
        if self.headers.get("If-Match") not in (None, tag):
            self._send(412, {"error": "PreconditionFailed"})
            return
        span = self.headers.get("Range")
        start = int(span[6:].split("-")[0]) if span else 0
        self.send_response(206 if span else 200)
        self.send_header("Content-Length", str(len(data) - start))
        self.send_header("ETag", tag)
        if span:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        self.wfile.write(data[start : start + (len(data) - start) // 2] if cut else data[start:])
        self.close_connection |= cut

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

"""A data set repository of the Hugging Face Hub as a place: hf://OWNER/REPOSITORY.

It is read at one commit, so that nothing changes during a pull, by obstore from the Hub's own URLs of files. It is
written in commits on a known parent: two pushes at once cannot mix. How a file gets there, the Hub says: small texts
within the commit, binary and large files before it, by Xet where `hf_xet` is installed and HF_HUB_DISABLE_XET is not
set, else by LFS. Source: huggingface_hub 2.4, `_commit_api.py` and `lfs.py`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from dgkd_stores.disk.files import read_file
from dgkd_stores.errors import DgkdError, InvalidInput, Mismatch
from dgkd_stores.sharing.address import Address
from dgkd_stores.sharing.credentials import redacted
from dgkd_stores.sharing.object_storage import WebServer, open_web
from dgkd_stores.sharing.remote import Found, LostConnection, Reading, Remote

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd, HfApi

__all__ = ["Hub", "open_hub"]

_KIND = "dataset"
_SERVER_ERROR = 500
_Answer = TypeVar("_Answer")


class Hub(Remote):
    """The repository `name`; `api` is the client of the Hub."""

    def __init__(self, api: HfApi, name: str) -> None:
        self.address, self.name, self._api = f"hf://{name}", name, api
        self._commit: str | None = None
        self._listed: Mapping[str, Found] | None = None
        self._files: WebServer | None = None

    @property
    def commit(self) -> str:
        """The commit that is read, and on which the next is written; FileNotFoundError without a repository."""
        if self._commit is None:
            self._commit = self._head()
        return self._commit

    def _head(self) -> str:
        return str(self._ask(lambda: self._api.repo_info(self.name, repo_type=_KIND).sha))

    def _go_on(self, commit: str) -> None:
        self._commit, self._listed, self._files = commit, None, None

    def names(self, prefix: str) -> Mapping[str, Found]:
        if self._listed is None:  # a commit never changes
            try:
                self._listed = self._tree(self.commit)
            except FileNotFoundError:
                return {}
        return {name: found for name, found in self._listed.items() if name.startswith(prefix)}

    def _tree(self, commit: str) -> Mapping[str, Found]:
        from huggingface_hub import RepoFile

        entries = self._ask(
            lambda: list(self._api.list_repo_tree(self.name, recursive=True, revision=commit, repo_type=_KIND))
        )
        return {
            one.path: Found(size=one.size, tag=one.lfs.sha256 if one.lfs else one.blob_id)
            for one in entries
            if isinstance(one, RepoFile)
        }

    def read(self, name: str, *, start: int = 0, stop: int | None = None, tag: str | None = None) -> Reading:
        if self._files is None:
            place = f"{self._api.endpoint}/datasets/{self.name}/resolve/{self.commit}"
            self._files = open_web(place, headers=_authorization())
            self._files.address = self.address
        return self._files.read(name, start=start, stop=stop, tag=tag)

    def has_same(self, name: str, found: Found, data: bytes | memoryview) -> bool:
        """Returns True if the object has this content, by its SHA-256, or the SHA-1 that git has of small files."""
        blob = hashlib.sha1(b"blob %d\0" % len(data), usedforsecurity=False)
        blob.update(data)
        return found.size == len(data) and found.tag in (blob.hexdigest(), hashlib.sha256(data).hexdigest())

    def ensure_repository(self) -> None:
        """Creates the repository unless it exists."""
        self._change(lambda: self._api.create_repo(self.name, repo_type=_KIND, exist_ok=True))

    def upload(self, files: Iterable[tuple[str, bytes | str]]) -> list[CommitOperationAdd]:
        """Uploads what does not go within a commit, of files that are given as content or as the path of a file.

        huggingface_hub sends these again itself, for 20 seconds (LFS) to two minutes (Xet).
        """
        from huggingface_hub import CommitOperationAdd

        operations = [CommitOperationAdd(path_in_repo=name, path_or_fileobj=content) for name, content in files]
        self._change(lambda: self._api.preupload_lfs_files(self.name, operations, repo_type=_KIND))
        return operations

    def write(self, operations: list[CommitOperationAdd], message: str) -> None:
        """Writes files that are uploaded in one commit on the known one; raises Mismatch if there is a later one."""
        made = self._change(
            lambda: self._api.create_commit(
                self.name, operations, commit_message=message, repo_type=_KIND, parent_commit=self.commit
            )
        )
        self._go_on(made.oid)

    def has_made(self, files: Iterable[tuple[str, bytes | str]]) -> bool:
        """Returns True if a later commit than the known one has these files, and goes on from the head then.

        So it is after a commit whose answer was lost.
        """
        head = self._head()
        if head == self.commit:
            return False
        there = self._tree(head)
        for name, content in files:
            data = content if isinstance(content, bytes) else read_file(Path(content)).data
            if name not in there or not self.has_same(name, there[name], data):
                return False
        self._go_on(head)
        return True

    def tag(self, name: str) -> None:
        """Gives the last commit a tag, unless there is one of that name."""
        commit = self.commit
        self._change(lambda: self._api.create_tag(self.name, tag=name, revision=commit, repo_type=_KIND, exist_ok=True))

    def _change(self, request: Callable[[], _Answer]) -> _Answer:
        """Returns the answer to a request that changes the repository; raises LostConnection, Mismatch, DgkdError."""
        try:
            with _without_bars():
                return self._ask(request)
        except FileNotFoundError:
            raise DgkdError(
                f"{self.address} cannot be written",
                expected="an owner, and a repository, that the token may write to",
                found="404 Not Found",
                do="check the address, and whose token it is (`hf auth whoami`)",
            ) from None

    def _ask(self, request: Callable[[], _Answer]) -> _Answer:
        """Returns the answer to a request; raises FileNotFoundError, Mismatch, LostConnection, DgkdError."""
        from huggingface_hub.errors import HfHubHTTPError

        # Its base is the error of the HTTP client, another package in other versions, for connections that are lost.
        connection_error = cast(type[Exception], HfHubHTTPError.__bases__[0])
        try:
            return request()
        except (connection_error, OSError, RuntimeError, ValueError) as error:
            # An upload by LFS wraps what failed in a RuntimeError; one by Xet has the errors of Python.
            cause = error
            if isinstance(error, RuntimeError) and isinstance(error.__cause__, Exception):
                cause = error.__cause__
                if not isinstance(cause, (connection_error, OSError, ValueError)):
                    raise
            text = redacted(" ".join(str(cause).split())[:300], os.environ)
            if isinstance(cause, HfHubHTTPError):
                raise self._refused(cause.response.status_code, text) from None
            if isinstance(cause, ValueError | PermissionError):
                raise self._refused(0, text) from None
            raise LostConnection(text) from None

    def _refused(self, status: int, text: str) -> Exception:
        """Returns the error for an answer of this status."""
        if status == 404:
            return FileNotFoundError(self.name)
        if status in (409, 412):
            return Mismatch(
                f"{self.address} has changed during the push",
                expected=f"commit {self._commit}",
                found="a later one",
                do="somebody else writes there: run the same command again to see what lies there now",
            )
        if status >= _SERVER_ERROR:
            return LostConnection(text)
        return DgkdError(
            f"{self.address} refuses access",
            expected="a token that permits it (`hf auth login`, or HF_TOKEN)",
            found=text,
        )


@contextlib.contextmanager
def _without_bars() -> Iterator[None]:
    """Turns the progress bars of huggingface_hub off: they would mix with the one of the push."""
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    if are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()


def open_hub(address: Address) -> Hub:
    """Returns the repository at an address of hf://; sends no request.

    Raises InvalidInput for another address than hf://OWNER/REPOSITORY, and if huggingface_hub is not installed.
    """
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise InvalidInput(
            "hf:// needs the package huggingface_hub",
            expected="the extra `hf`",
            found="no huggingface_hub",
            do="`pip install 'dgkd-cache[hf]'` installs it",
        ) from error
    parts = address.place.removeprefix("hf://").removeprefix("datasets/").split("/")
    if len(parts) != 2 or not all(parts):
        raise InvalidInput(
            f"{address.place} is no repository of the Hub",
            expected="hf://OWNER/REPOSITORY, a data set repository",
            found=f"{len(parts)} parts",
        )
    return Hub(HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None), "/".join(parts))


def _authorization() -> dict[str, str]:
    from huggingface_hub import get_token

    token = get_token()
    return {"Authorization": f"Bearer {token}"} if token else {}

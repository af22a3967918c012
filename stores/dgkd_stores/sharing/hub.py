"""A data set repository of the Hugging Face Hub as a place: hf://OWNER/REPOSITORY.

It is read at one commit, so that nothing changes during a pull, by obstore from the Hub's own URLs of files. It is
written in commits on a known parent: two pushes at once cannot mix.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, TypeVar, cast

from dgkd_stores.errors import DgkdError, InvalidInput, Mismatch
from dgkd_stores.sharing.address import Address
from dgkd_stores.sharing.credentials import redacted
from dgkd_stores.sharing.object_storage import WebServer, open_web
from dgkd_stores.sharing.remote import Found, LostConnection, Reading, Remote

if TYPE_CHECKING:
    from huggingface_hub import HfApi

__all__ = ["Hub", "open_hub"]

_KIND = "dataset"
_SERVER_ERROR = 500
_Answer = TypeVar("_Answer")


class Hub(Remote):
    """The repository `name`; `api` is the client of the Hub."""

    def __init__(self, api: HfApi, name: str) -> None:
        self.address, self.name, self._api = f"hf://{name}", name, api
        self._commit: str | None = None
        self._files: WebServer | None = None

    @property
    def commit(self) -> str:
        """The commit that is read, and on which the next is written; FileNotFoundError without a repository."""
        if self._commit is None:
            found = self._ask(lambda: self._api.repo_info(self.name, repo_type=_KIND).sha)
            self._commit = str(found)
        return self._commit

    def names(self, prefix: str) -> Mapping[str, Found]:
        from huggingface_hub import RepoFile

        try:
            commit = self.commit
            entries = self._ask(
                lambda: list(self._api.list_repo_tree(self.name, recursive=True, revision=commit, repo_type=_KIND))
            )
        except FileNotFoundError:
            return {}
        return {
            one.path: Found(size=one.size, tag=one.lfs.sha256 if one.lfs else one.blob_id)
            for one in entries
            if isinstance(one, RepoFile) and one.path.startswith(prefix)
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
        self._ask(lambda: self._api.create_repo(self.name, repo_type=_KIND, exist_ok=True))

    def write(self, files: Iterable[tuple[str, bytes | str]], message: str) -> None:
        """Writes files, each given as content or as the path of a file, in one commit on the known one.

        Raises Mismatch if another commit was made since.
        """
        from huggingface_hub import CommitOperationAdd

        operations = [CommitOperationAdd(path_in_repo=name, path_or_fileobj=content) for name, content in files]
        parent = self.commit
        made = self._ask(
            lambda: self._api.create_commit(
                self.name, operations, commit_message=message, repo_type=_KIND, parent_commit=parent
            )
        )
        self._commit, self._files = made.oid, None

    def tag(self, name: str) -> None:
        """Gives the last commit a tag, unless there is one of that name."""
        commit = self.commit
        self._ask(lambda: self._api.create_tag(self.name, tag=name, revision=commit, repo_type=_KIND, exist_ok=True))

    def _ask(self, request: Callable[[], _Answer]) -> _Answer:
        """Returns the answer to a request; raises FileNotFoundError, Mismatch, LostConnection, DgkdError."""
        from huggingface_hub.errors import HfHubHTTPError

        # Its base is the error of the HTTP client, another package in other versions, for connections that are lost.
        connection_error = cast(type[Exception], HfHubHTTPError.__bases__[0])
        try:
            return request()
        except HfHubHTTPError as error:
            status, text = error.response.status_code, redacted(" ".join(str(error).split())[:300], os.environ)
            if status == 404:
                raise FileNotFoundError(self.name) from None
            if status in (409, 412):
                raise Mismatch(
                    f"{self.address} has changed during the push",
                    expected=f"commit {self._commit}",
                    found="a later one",
                    do="somebody else writes there: run the same command again to see what lies there now",
                ) from None
            if status >= _SERVER_ERROR:
                raise LostConnection(text) from None
            raise DgkdError(
                f"{self.address} refuses access",
                expected="a token that permits it (`hf auth login`, or HF_TOKEN)",
                found=text,
            ) from None
        except connection_error as error:
            raise LostConnection(redacted(str(error)[:300], os.environ)) from None


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

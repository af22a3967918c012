"""Parses the address of a place that holds one guide: a folder, or a URL of a known scheme.

An address never has credentials in it: they come from the environment and from profiles (`credentials.py`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from dgkd_stores.disk.paths import expand_user, names_store
from dgkd_stores.errors import InvalidInput

__all__ = ["Address", "parse_address", "refuse_inside_a_store", "require_folder"]

_SCHEMES = ("s3", "gs", "az", "http", "https", "hf")
"""The schemes of URLs; anything else is the path of a folder."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_WEB = ("http", "https")
_PLAIN = "!$&'()*+,;=:@~"
"""Characters that a browser shows as they are in a part of a path (RFC 3986), besides letters, digits and `-._`."""
_COLON = re.compile(r"[^/]*:")
"""The begin of an address of another machine, and of a URL with fewer than two slashes."""
_RSYNC = ("sftp", "ssh", "scp", "rsync")
_HOW = "credentials come from the environment and from profiles (docs/sharing.md, Credentials)"


@dataclass(frozen=True, kw_only=True)
class Address:
    """The address of a place, or of one store in it."""

    scheme: str
    """One of `_SCHEMES`, or `file` for a folder."""
    place: str
    """The address of the place, without the name of a store and without a slash at its end."""
    name: str | None
    """The name of the store, NAME.zarr or NAME.h5; None if the address is that of the place."""

    @property
    def folder(self) -> Path:
        """The path of a place that is a folder."""
        assert self.scheme == "file"
        return Path(self.place)

    @property
    def bucket(self) -> str:
        """The first part of a URL: the bucket, the container, or the host with its port."""
        return self._parts[0]

    @property
    def prefix(self) -> str:
        """The rest of a URL after `bucket`, without slashes at its ends."""
        return self._parts[1]

    @property
    def _parts(self) -> tuple[str, str]:
        bucket, _, prefix = self.place.partition("://")[2].partition("/")
        return bucket, prefix.strip("/")

    def of(self, name: str) -> str:
        """Returns the address of the store called `name` at this place."""
        return f"{self.place.rstrip('/')}/{quote(name, safe=_PLAIN) if self.scheme in _WEB else name}"


def parse_address(text: str) -> Address:
    """Returns the address that `text` is; one that ends in .zarr, .h5 or .hdf5 is that of a store.

    An address of the web is what a browser shows: `my%20guide.zarr` is the store `my guide.zarr`, as is the name
    itself. Raises InvalidInput for an unknown scheme, for a place inside a store, and for credentials or a query in a
    URL; the message does not repeat them.
    """
    if "\0" in text:
        raise InvalidInput("an address cannot be used", expected="text without NUL", found=repr(text), do="correct it")
    found = _SCHEME.fullmatch(text)
    if found is None:
        _refuse_no_folder(text)
        return _split("file", str(expand_user(text)))
    scheme, rest = found[1].lower(), found[2]
    if scheme in _RSYNC:
        raise InvalidInput(
            f"no transport over {scheme}",
            expected=f"a folder, or one of {', '.join(f'{known}://' for known in _SCHEMES)}",
            found=f"{scheme}://",
            do="copy the store with `rsync -a`, and then `dgkd-cache verify --full COPY` proves the copy",
        )
    if scheme not in _SCHEMES:
        raise InvalidInput(
            "an address of an unknown scheme",
            expected=f"a folder, or one of {', '.join(f'{known}://' for known in _SCHEMES)}",
            found=f"{scheme}://",
        )
    host = rest.partition("/")[0]
    if "@" in host:
        raise InvalidInput(
            f"an address {scheme}://...@{host.rpartition('@')[2]} with credentials in it",
            expected="an address without them",
            do=f"leave out what stands before the @: {_HOW}",
        )
    if "?" in rest or "#" in rest:
        raise InvalidInput(
            f"an address {scheme}://{host}/... with a query",
            expected="a plain address",
            found="a ? or # in it",
            do=f"leave it out, with all that follows: {_HOW}",
        )
    if not host:
        raise InvalidInput(f"an address {scheme}:// of nothing", expected=f"{scheme}://NAME/...", found="no name")
    return _split(scheme, f"{scheme}://{rest.rstrip('/')}")


def _refuse_no_folder(text: str) -> None:
    """Raises InvalidInput for a text that would name a folder by mistake; the message does not repeat it."""
    known = f"a folder, or one of {', '.join(f'{scheme}://' for scheme in _SCHEMES)}"
    if not text:
        do = "a dot is the current folder"
        raise InvalidInput("an address without a text", expected=known, found="nothing", do=do)
    if _COLON.match(text) and not os.path.lexists(text.partition("/")[0]):
        raise InvalidInput(
            "an address that is neither a URL nor a folder",
            expected=known,
            found="a colon without two slashes after it",
            do="`rsync -a` copies a store to another machine; ./ goes before the name of a folder that has a colon",
        )


def _split(scheme: str, text: str) -> Address:
    place, _, name = text.rpartition("/")
    # A bucket may have a store's suffix.
    if not names_store(text) or (scheme != "file" and place.endswith(":/")):
        found = Address(scheme=scheme, place=text or ".", name=None)
    else:
        name = unquote(name) if scheme in _WEB else name
        found = Address(scheme=scheme, place=place or ("/" if text.startswith("/") else "."), name=name)
    if scheme in _WEB and found.name and ("/" in found.name or not found.name.isprintable()):
        raise InvalidInput(f"{text} cannot be used", expected="the name of a store", found=ascii(found.name))
    # The repository of an address of hf:// may have any name.
    parts = found.folder.absolute().parts if scheme == "file" else () if scheme == "hf" else found.prefix.split("/")
    refuse_inside_a_store(text, parts)
    return found


def refuse_inside_a_store(text: str, folders: Iterable[str]) -> None:
    """Raises InvalidInput if one of the folders of `text` has the name of a store: nothing else lies in a store."""
    if inside := [each for each in folders if names_store(each)]:
        raise InvalidInput(
            f"{text} is inside of {inside[0]}",
            expected="a place that is no store: nothing but the store lies inside a store",
            found=f"a folder whose name ends in {Path(inside[0]).suffix}",
            do="give a place beside the store, or rename that folder if it is none",
        )


def require_folder(path: Path) -> None:
    """Raises InvalidInput if a file, or a link that leads nowhere, has the name of a folder that is to be made."""
    there = next(each for each in (path.absolute(), *path.absolute().parents) if os.path.lexists(each))
    if not there.is_dir():
        raise InvalidInput(
            f"{path} cannot be a folder",
            expected=f"a folder, or nothing, at {there}",
            found="a link" if there.is_symlink() else "a file",
            do="give another place",
        )

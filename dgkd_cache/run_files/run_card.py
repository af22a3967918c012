"""The card file of a run: the description of the model, and the digests of the files beside it.

Loads no torch. The digests find damage, not forgery: whoever changes a file on purpose can write a matching card. A
card without digests is from an older version: it is used, and reported as unverified.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dgkd_cache.errors import Incomplete, Mismatch
from dgkd_cache.paths import CARD_FILE, INPUTS_FILE, METRICS_FILE, WEIGHTS_FILE
from dgkd_cache.run_files.reading import START_OVER, damaged_file, json_digest, parse_object, read_file

__all__ = ["FileDigest", "RunCard", "read_card", "with_digests"]

_COVERED = (WEIGHTS_FILE, INPUTS_FILE, METRICS_FILE)


@dataclass(frozen=True, kw_only=True)
class FileDigest:
    """A file of a finished run: its size and the SHA-256 of its bytes."""

    nbytes: int
    sha256: str

    @classmethod
    def of(cls, content: bytes) -> FileDigest:
        """Returns the size and digest of `content`."""
        return cls(nbytes=len(content), sha256=hashlib.sha256(content).hexdigest())


@dataclass(frozen=True, kw_only=True)
class RunCard:
    """A card: the fields of `ModelCard`, and the digests of the run's files, None in a card from an older version."""

    model: Mapping[str, Any]
    files: Mapping[str, FileDigest] | None


def with_digests(model: Mapping[str, Any], files: Mapping[str, FileDigest]) -> dict[str, Any]:
    """Returns the card's content: the model's fields, the digests of `files`, and a digest of both."""
    table = {name: {"bytes": file.nbytes, "sha256": file.sha256} for name, file in files.items()}
    content = {**model, "files": table}
    return {**content, "digest": json_digest(content)}


def read_card(folder: Path) -> RunCard:
    """Returns the card of the finished run in `folder`.

    Raises Incomplete (3) if there is none, Mismatch (13) for another version, Damaged (12) if it is not a card or has
    changed since it was written, and UnsafeStore (15) for a link, a pipe or a folder in its place.
    """
    path = folder / CARD_FILE
    try:
        value = parse_object(read_file(path), path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise Incomplete(
            f"no finished model in {folder}",
            expected=f"a file {CARD_FILE}",
            found="none",
            do="train it first (`dgkd-cache train --model NAME`, or `dgkd-cache run` for the whole chain)",
        ) from error
    covered = "digest" in value or "files" in value
    digest = value.pop("digest", None)
    # Checked before the version: a card of another version has a matching digest, one with a flipped bit does not.
    if covered and digest != (computed := json_digest(value)):
        raise damaged_file(path, f"a card of SHA-256 {str(digest)[:16]}, as it says", computed[:16], do=START_OVER)
    version = value.get("version")
    if value.get("format") != "dgkd-model-card" or type(version) is not int:
        raise damaged_file(path, "the format dgkd-model-card and a version", f"{value.get('format')!r}, {version!r}")
    if version != 1:
        raise Mismatch(
            f"{path} is of another version",
            expected="dgkd-model-card version 1",
            found=f"version {version}"[:200],
            do="read it with the version of dgkd-cache that wrote it, or start over with `dgkd-cache train --model "
            "NAME --fresh` (what is there is set aside)",
        )
    return RunCard(model=value, files=_files(value.pop("files", None), path) if covered else None)


def _files(table: Any, path: Path) -> dict[str, FileDigest]:
    files = {}
    for name, about in table.items() if isinstance(table, dict) else [("files", None)]:
        nbytes, sha256 = (about.get(key) for key in ("bytes", "sha256")) if isinstance(about, dict) else (None, None)
        if name not in _COVERED or not (isinstance(nbytes, int) and isinstance(sha256, str)):
            raise damaged_file(path, f"size and SHA-256 of {', '.join(_COVERED)}", f"{name!r}")
        files[name] = FileDigest(nbytes=nbytes, sha256=sha256)
    return files

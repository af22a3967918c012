"""A checkpoint as a file: tensors, a JSON record and a digest of both. Loads no torch.

The digest is the SHA-256 of the record's text, a zero byte and, as hexadecimal digits, the digest of the tensors. A
file without a digest is from an older version, and is accepted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dgkd_cache.errors import Damaged
from dgkd_cache.run_files.reading import START_OVER, damaged_file, parse_object
from dgkd_cache.run_files.tensor_file import TensorFile, broken_file, open_tensors

__all__ = ["check_checkpoint", "metadata_of", "open_checkpoint", "read_record", "require_digest", "texts_of"]


def metadata_of(text: str, tensors_digest: str) -> dict[str, str]:
    """Returns the metadata of a file with that record ("" for weights alone) and the digest of its tensors."""
    return {"dgkd": text, "digest": _digest(text, tensors_digest)}


@contextmanager
def open_checkpoint(path: Path) -> Iterator[TensorFile]:
    """Opens the file for the `with` block, without checking its digest.

    Raises Damaged (exit 12) if it is missing or incomplete, UnsafeStore (15) if it is not a regular file.
    """
    try:
        with open_tensors(path) as file:
            if set(file.metadata) not in ({"dgkd"}, {"dgkd", "digest"}):
                raise broken_file(path, f"metadata {', '.join(file.metadata) or 'of nothing'}")
            yield file
    except FileNotFoundError as error:
        raise broken_file(path, "no such file") from error


def texts_of(file: TensorFile) -> dict[str, Any]:
    """Returns the tables of an open checkpoint: `record` and `optimizer_scalars`."""
    value = parse_object(file.metadata["dgkd"].encode(), file.path)
    if set(value) != {"record", "optimizer_scalars"} or not all(isinstance(one, dict) for one in value.values()):
        raise broken_file(file.path, "another record")
    return value


def require_digest(file: TensorFile) -> None:
    """Raises Damaged unless the open file matches its digest; nothing is read twice."""
    expected = file.metadata.get("digest")
    if expected is None:
        # Every version that records the digests of inputs and metrics also writes this one: it was lost.
        if file.metadata["dgkd"] and {"inputs", "metrics"} & set(texts_of(file)["record"]):
            raise damaged_file(file.path, "a digest of its own beside those in its record", "none")
    elif expected != (found := _digest(file.metadata["dgkd"], file.digest())):
        raise Damaged(
            f"the checkpoint {file.path} has changed since it was written",
            expected=f"content of SHA-256 {expected[:16]}",
            found=found[:16],
            do=START_OVER,
        )


def read_record(path: Path) -> dict[str, Any]:
    """Returns the JSON record of a checkpoint; reads no tensor, checks no digest. Raises as `open_checkpoint`."""
    with open_checkpoint(path) as file:
        record: dict[str, Any] = texts_of(file)["record"]
        return record


def check_checkpoint(path: Path, *, full: bool = True) -> None:
    """Checks that the file can be opened and, if `full`, that it matches its digest, in little memory."""
    with open_checkpoint(path) as file:
        if full:
            require_digest(file)


def _digest(text: str, tensors_digest: str) -> str:
    return hashlib.sha256(text.encode() + b"\0" + tensors_digest.encode()).hexdigest()

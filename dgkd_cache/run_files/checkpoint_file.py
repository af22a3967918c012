"""A checkpoint as a file: tensors, a JSON record and a digest of both. Loads no torch.

The digest is the SHA-256 of the record's text, a zero byte and, as hexadecimal digits, the digest of the tensors. A
file without one is from before there was such a digest, and is taken as it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dgkd_cache.errors import Damaged
from dgkd_cache.run_files.reading import START_OVER, damaged, parse_object
from dgkd_cache.run_files.tensor_file import TensorFile, open_tensors

__all__ = ["check_checkpoint", "metadata_of", "open_checkpoint", "read_record", "require_digest", "texts_of"]

_WHOLE = "a whole safetensors file of this program"


def metadata_of(text: str, tensors_digest: str) -> dict[str, str]:
    """The metadata of a file with that record ("" for weights alone) and tensors of that digest."""
    return {"dgkd": text, "digest": _digest(text, tensors_digest)}


@contextmanager
def open_checkpoint(path: Path) -> Iterator[TensorFile]:
    """The file for as long as the block lasts, its digest not yet checked.

    Raises Damaged (exit 12) where it is missing or not whole, UnsafeStore (15) where it is no plain file.
    """
    try:
        with open_tensors(path) as file:
            if set(file.metadata) not in ({"dgkd"}, {"dgkd", "digest"}):
                raise damaged(path, _WHOLE, f"metadata {', '.join(file.metadata) or 'of nothing'}")
            yield file
    except FileNotFoundError as error:
        raise damaged(path, _WHOLE, "no such file") from error


def texts_of(file: TensorFile) -> dict[str, Any]:
    """The tables of an open checkpoint: `record` and `optimizer_scalars`."""
    value = parse_object(file.metadata["dgkd"].encode(), file.path)
    if set(value) != {"record", "optimizer_scalars"} or not all(isinstance(one, dict) for one in value.values()):
        raise damaged(file.path, _WHOLE, "another record")
    return value


def require_digest(file: TensorFile) -> None:
    """Raises Damaged unless the open file is what its digest says; what was read before is not read again."""
    expected = file.metadata.get("digest")
    if expected is None:
        # The digest came with those of inputs and metrics: a record that has these has lost it.
        if file.metadata["dgkd"] and {"inputs", "metrics"} & set(texts_of(file)["record"]):
            raise damaged(file.path, "a digest of its own beside those in its record", "none")
    elif expected != (found := _digest(file.metadata["dgkd"], file.digest())):
        raise Damaged(
            f"the checkpoint {file.path} has changed since it was written",
            expected=f"content of SHA-256 {expected[:16]}",
            found=found[:16],
            do=START_OVER,
        )


def read_record(path: Path) -> dict[str, Any]:
    """The JSON record of a checkpoint, without reading a tensor or checking a digest. Raises what opening it raises."""
    with open_checkpoint(path) as file:
        record: dict[str, Any] = texts_of(file)["record"]
        return record


def check_checkpoint(path: Path, *, full: bool = True) -> None:
    """Raises what opening the file raises and, if `full`, where its digest does not fit it; in little memory."""
    with open_checkpoint(path) as file:
        if full:
            require_digest(file)


def _digest(text: str, tensors_digest: str) -> str:
    return hashlib.sha256(text.encode() + b"\0" + tensors_digest.encode()).hexdigest()

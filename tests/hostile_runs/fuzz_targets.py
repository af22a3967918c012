"""Targets of the fuzzer of run files: any bytes end in what an independent parser reads, or in a promised error.

Loads no torch.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dgkd_cache.errors import DgkdError
from dgkd_cache.run_files.run_card import read_card
from dgkd_cache.run_files.tensor_file import open_tensors
from dgkd_cache.training.metrics import read_metrics
from dgkd_cache.workspace.run_inputs import read_inputs

__all__ = ["FILES", "OUTCOMES", "TARGETS", "digested", "fuzz"]

OUTCOMES: Counter[str] = Counter()
"""Counts of what came of inputs: the depth that the fuzzer reaches."""

REFUSALS = (12, 13, 15)

FILES = {
    "card": "card.json",
    "inputs": "inputs.json",
    "metrics": "metrics.jsonl",
    "weights": "weights.safetensors",
    "checkpoint": "checkpoint.safetensors",
}
"""The file of a run that each target is given."""


def card(path: Path, data: bytes) -> None:
    """A card that is taken says what its JSON says, under a digest that fits or under none."""
    found = read_card(path.parent)
    value = json.loads(data)
    digest, files = value.pop("digest", None), value.get("files")
    assert digest is None or digest == digested(value)
    assert (digest is None and files is None) == (found.files is None)
    value.pop("files", None)
    assert dict(found.model) == value
    for name, one in (found.files or {}).items():
        assert (files[name]["bytes"], files[name]["sha256"]) == (one.nbytes, one.sha256)


def inputs(path: Path, data: bytes) -> None:
    """A record that is taken holds texts, and those of the JSON."""
    found = read_inputs(path.parent)
    assert found is not None and found == json.loads(data)
    assert all(isinstance(one, str) for one in found.values())


def metrics(path: Path, data: bytes) -> None:
    """Lines that are taken are the file's whole lines."""
    assert read_metrics(path) == [json.loads(line) for line in data.split(b"\n")[:-1]]


def tensors(path: Path, data: bytes) -> None:
    """Tensors that are taken are the bytes that the header tells, they fill the file, and the digest is theirs."""
    with open_tensors(path) as file:
        found = {name: file.read(name).tobytes() for name in file.entries}
        read, shapes, metadata = file.digest(), file.shapes, dict(file.metadata)
    with open_tensors(path) as file:
        assert file.digest() == read  # piece by piece
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    assert header.pop("__metadata__", {}) == metadata
    assert {name: tuple(one["shape"]) for name, one in header.items()} == shapes
    for name, one in header.items():
        start, stop = one["data_offsets"]
        assert found[name] == data[8 + length + start : 8 + length + stop] and math.prod(shapes[name]) <= stop - start
    assert sum(map(len, found.values())) + 8 + length == len(data)


TARGETS: dict[str, Callable[[Path, bytes], None]] = {
    "card": card,
    "inputs": inputs,
    "metrics": metrics,
    "weights": tensors,
    "checkpoint": tensors,
}


def fuzz(target: str, folder: Path, data: bytes) -> None:
    """One input: the file of that target holds these bytes."""
    path = folder / FILES[target]
    path.write_bytes(data)
    try:
        TARGETS[target](path, data)
        OUTCOMES["taken"] += 1
    except DgkdError as error:
        assert error.exit_code in REFUSALS, error
        assert str(error).isprintable() and len(str(error)) < 5000, repr(str(error))
        found = re.sub("[0-9a-f]{16}|-?[0-9]+|'[^']*'|\"[^\"]*\"", "_", error.found)
        OUTCOMES[f"{error.exit_code} {found[:50]}"] += 1


def digested(value: Any) -> str:
    """SHA-256 of an object as JSON with sorted keys, no white space, in ASCII."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

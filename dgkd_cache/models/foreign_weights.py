"""Reads weights from a file that another program wrote: `.safetensors`, or what torch.save made of tensors.

A `.pt` file is a pickle. It is read with weights_only, which builds tensors, numbers, texts and containers of these and
nothing else, and never any other way. The state dict may be wrapped, as training programs do it.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from dgkd_cache.errors import DgkdError, InvalidInput, UnsafeStore, is_out_of_memory
from dgkd_cache.models.weights import read_dense, read_tensors
from dgkd_cache.run_files.sparse_tensors import BITMAP, DenseTensors
from dgkd_cache.run_files.tensor_file import TensorFile, open_tensors

__all__ = ["ForeignWeights", "read_foreign_weights", "state_in"]

_WRAPPERS = ("ema", "state_dict", "model")
"""Keys under which programs keep the state dict, the one that is taken first in front: it is what they evaluate."""

_PREFIXES = ("module.", "_orig_mod.")
"""Prefixes that DataParallel and torch.compile put before every name."""

_PICKLE = b"\x80"  # how a pickle begins that torch.save wrote before its files were zip archives
_DEEPEST = 4  # wrappers within one another
_PIECE = 2**20  # bytes that are hashed at a time
_SAVE_AGAIN = "save the weights alone, torch.save(model.state_dict(), FILE), or as .safetensors"


@dataclass(frozen=True, kw_only=True, eq=False)
class ForeignWeights:
    """The tensors of a state dict, and where they are from."""

    tensors: Mapping[str, Tensor]
    sha256: str
    """The SHA-256 (hex) of the file; empty if there is none."""
    taken: tuple[str, ...] = ()
    """The wrappers that the state dict was in, and the prefixes that its names had."""


def read_foreign_weights(path: Path) -> ForeignWeights:
    """Returns the weights in a file of someone else's; links are followed.

    The file of a pruned run is read as its model has the tensors: see `sparse_tensors`.

    Raises InvalidInput (exit 2) for a file that is missing, cannot be read or has no state dict, and UnsafeStore (exit
    15) for a pickle of more than tensors, and for anything but a regular file.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise UnsafeStore(f"{path} is no file of weights", expected="a regular file", found="another kind of file")
        digest = _sha256(path)
        if path.suffix == ".safetensors":
            with open_tensors(path.resolve()) as file:
                found: object = _tensors_in(file)
        else:
            found = _load(path)
    except OSError as error:
        raise InvalidInput(
            f"the weights {path} cannot be read",
            expected="a file that torch.save wrote, or .safetensors",
            found=error.strerror or str(error),
            do="check the path, and that the file may be read",
        ) from error
    except DgkdError as error:
        if error.do.startswith("start over"):  # that is for the files of a run
            raise error.with_hint(do="get the file again") from error
        raise
    tensors, taken = state_in(found, str(path))
    return ForeignWeights(tensors=tensors, sha256=digest, taken=taken)


def _tensors_in(file: TensorFile) -> dict[str, Tensor]:
    """Returns the tensors of a safetensors file; metadata `sparse` without bitmaps is of another program's."""
    ours = any(name.endswith(BITMAP) for name in file.entries)
    return read_dense(DenseTensors(file)) if ours else read_tensors(file)


def state_in(found: object, where: str) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Returns the state dict in what a file held, and the wrappers and prefixes that were taken away.

    Raises InvalidInput if there is none, or if its entries are not dense tensors.
    """
    taken: list[str] = []
    while not _is_state(found):
        wrapper = _wrapper(found) if len(taken) < _DEEPEST else None
        if wrapper is None:
            break
        taken.append(wrapper)
        assert isinstance(found, Mapping)
        found = found[wrapper]
    if not isinstance(found, Mapping) or not found or not all(isinstance(name, str) for name in found):
        raise _no_state(where, taken, found)
    for name, value in found.items():
        if not isinstance(value, Tensor) or value.is_quantized or value.layout != torch.strided or value.is_meta:
            if not isinstance(value, Tensor) and not any(isinstance(one, Tensor) for one in found.values()):
                raise _no_state(where, taken, found)
            raise InvalidInput(
                f"{where} holds more than weights",
                expected="a dense tensor under each name",
                found=f"{_kind(value)} under {name!r}",
                do=_SAVE_AGAIN,
            )
    tensors = dict(found)
    if "n_averaged" in tensors and len(tensors) > 1:  # the counter of torch.optim.swa_utils.AveragedModel
        tensors.pop("n_averaged")
    while prefix := next((one for one in _PREFIXES if all(name.startswith(one) for name in tensors)), None):
        taken.append(prefix)
        tensors = {name.removeprefix(prefix): value for name, value in tensors.items()}
    return tensors, tuple(taken)


def _is_state(found: object) -> bool:
    return isinstance(found, Mapping) and bool(found) and all(isinstance(value, Tensor) for value in found.values())


def _wrapper(found: object) -> str | None:
    if not isinstance(found, Mapping):
        return None
    return next((key for key in _WRAPPERS if isinstance(found.get(key), Mapping)), None)


def _no_state(where: str, taken: list[str], found: object) -> InvalidInput:
    inside = f" under {' and '.join(map(repr, taken))}" if taken else ""
    keys = ", ".join(repr(key)[:40] for key in list(found)[:6]) if isinstance(found, Mapping) else ""
    return InvalidInput(
        f"{where} holds no weights of a model{inside}",
        expected=f"a table of tensors by name, or one under {', '.join(_WRAPPERS)}",
        found=f"the keys {keys}" if keys else _kind(found),
        do=_SAVE_AGAIN,
    )


def _kind(value: object) -> str:
    if not isinstance(value, Tensor):
        return f"a {type(value).__name__}"
    return f"a tensor of {str(value.dtype if value.is_quantized else value.layout).removeprefix('torch.')}"


def _load(path: Path) -> object:
    with path.open("rb") as file:
        begins = file.read(len(_PICKLE))
    if begins != _PICKLE and not zipfile.is_zipfile(path):
        raise _unreadable(path, "a file of another kind")
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if packed := [one.filename for one in archive.infolist() if one.compress_type != zipfile.ZIP_STORED]:
                raise UnsafeStore(
                    f"{path} is packed, and could take any amount of memory",
                    expected="parts that are stored as they are, as torch.save writes them",
                    found=f"{packed[0]} compressed",
                    do=_SAVE_AGAIN,
                )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # of sparse tensors and old storages: they are refused, or read all the same
            found: object = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # a malformed pickle makes torch's reader raise whatever its parts do
        if is_out_of_memory(error):
            raise
        text = " ".join(str(error).split())
        if "weights_only" not in text and "Weights only" not in text:
            raise _unreadable(path, f"{type(error).__name__}: {text}"[:300]) from error
        raise UnsafeStore(
            f"{path} holds more than tensors, and only these are read",
            expected="tensors, numbers, texts, and lists and tables of these",
            found=_unsupported(text),
            do="where you trust its origin, load it in a program of your own and " + _SAVE_AGAIN,
        ) from error
    return found


def _unreadable(path: Path, found: str) -> InvalidInput:
    return InvalidInput(
        f"the weights {path} cannot be read",
        expected="a file that torch.save wrote, or .safetensors",
        found=found,
        do="get the file again, or " + _SAVE_AGAIN,
    )


def _unsupported(text: str) -> str:
    """Returns the part of torch's message that names what it does not build."""
    if found := re.search(r"[Uu]nsupported (?:global: )?GLOBAL (\S+)", text):
        return found[1][:200]
    told = re.split(r" (?:Please|Check) ", text.partition("WeightsUnpickler error: ")[2])[0]
    return told[:200] or text[:200]


def _sha256(path: Path) -> str:
    total = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            total.update(piece)
    return total.hexdigest()

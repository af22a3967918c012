"""The inputs of a finished run's last linear layer, from the header of its weights: no torch, and no weight is read."""

from __future__ import annotations

from pathlib import Path

from dgkd_cache.errors import DgkdError
from dgkd_cache.paths import WEIGHTS_FILE
from dgkd_cache.run_files.sparse_tensors import DenseTensors
from dgkd_cache.run_files.tensor_file import open_tensors

__all__ = ["last_layer_width"]


def last_layer_width(folder: Path, classes: int) -> int | None:
    """Returns the columns of the one matrix with a row for each class among the weights of the run in `folder`.

    None if there is none or several, or if the weights cannot be read: nothing depends on it.
    """
    try:
        with open_tensors(folder / WEIGHTS_FILE) as file:
            found = [
                shape[1] for shape in DenseTensors(file).shapes.values() if len(shape) == 2 and shape[0] == classes
            ]
    except (OSError, DgkdError):
        return None
    return found[0] if len(found) == 1 else None

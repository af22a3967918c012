"""Fits weights from elsewhere to a model: the same names and shapes, or an error that names what differs.

The tensors that depend on the number of classes are found by building the architecture for one class more, so a class
map can select the rows of a head and a wrong number of classes is told as such.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dgkd_cache.errors import Mismatch
from dgkd_cache.models.registry import find_model, is_user_code
from dgkd_stores import closest_names

__all__ = ["class_dimensions", "fit_weights", "found_classes", "require_names", "select_classes"]

_AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")
"""Names of auxiliary heads begin so in GoogLeNet and Inception; only their training uses them."""

_UNREAD = ".num_batches_tracked"
"""The end of a name that old files lack and that no evaluation reads."""

_SHOWN = 4  # names of each kind in a message


def class_dimensions(architecture: str, *, channels: int, classes: int, height: int, width: int) -> dict[str, int]:
    """Returns the name of each tensor that has an entry for each class, with the dimension of the classes.

    It is empty for a `module:factory` that does not use its number of classes. Raises as `find_model`.
    """
    sizes = {"channels": channels, "height": height, "width": width}
    few, more = (_shapes(architecture, classes=count, **sizes) for count in (classes, classes + 1))
    found = {}
    for name, shape in few.items():
        other = more.get(name, shape)
        differing = [i for i, (one, two) in enumerate(zip(shape, other, strict=False)) if one != two]
        if len(shape) == len(other) and len(differing) == 1 and shape[differing[0]] == classes:
            found[name] = differing[0]
    return found


def found_classes(dimensions: Mapping[str, int], tensors: Mapping[str, Tensor]) -> int | None:
    """Returns the number of classes that weights are for; None if they do not tell."""
    for name, dimension in dimensions.items():
        if name in tensors and tensors[name].ndim > dimension:
            return int(tensors[name].shape[dimension])
    return None


def select_classes(
    tensors: Mapping[str, Tensor], dimensions: Mapping[str, int], columns_C: NDArray[np.int64]
) -> dict[str, Tensor]:
    """Returns the weights of a model whose class i is the class `columns_C[i]` of these weights.

    Raises Mismatch if no tensor has an entry for each class.
    """
    if not any(name in tensors for name in dimensions):
        raise Mismatch(
            "the classes of these weights cannot be selected",
            expected="a head whose size follows the number of classes",
            found="weights without one",
            do="leave the class map out, and give weights whose classes are those of the data set",
        )
    index_C = torch.from_numpy(columns_C)
    return {
        name: value.index_select(dimensions[name], index_C) if name in dimensions else value
        for name, value in tensors.items()
    }


def fit_weights(model: nn.Module, tensors: Mapping[str, Tensor], *, what: str) -> tuple[str, ...]:
    """Loads the weights into the model, and returns the names that were left out: those of auxiliary heads.

    Raises Mismatch, which names the first tensors that are missing or left over, each with the nearest name in the
    other, or are of another shape or kind; the model is then unchanged.
    """
    wanted = model.state_dict()
    left_out = _left_out(wanted, tensors, what=what)
    given = {name: value for name, value in tensors.items() if name not in left_out}
    given |= {name: torch.zeros_like(value) for name, value in wanted.items() if name.endswith(_UNREAD)} | given
    for name, value in wanted.items():
        if given[name].shape != value.shape or given[name].is_floating_point() != value.is_floating_point():
            raise Mismatch(
                f"the weights are not those of {what}",
                expected=f"{name} of shape {list(value.shape)}, {_dtype(value)}",
                found=f"{list(given[name].shape)}, {_dtype(given[name])}",
                do="choose the architecture, and the number of channels, that the weights were trained with",
            )
    model.load_state_dict(given)
    return left_out


def require_names(
    architecture: str, tensors: Mapping[str, Tensor], *, channels: int, classes: int, height: int, width: int
) -> None:
    """Raises Mismatch, as `fit_weights`, for weights whose names are not those of the architecture.

    The model is not built. Raises as `find_model`.
    """
    wanted = _shapes(architecture, channels=channels, classes=classes, height=height, width=width)
    _left_out(wanted, tensors, what=architecture)


def _left_out(wanted: Mapping[str, object], tensors: Mapping[str, Tensor], *, what: str) -> tuple[str, ...]:
    """Returns the names of auxiliary heads among `tensors`. Raises Mismatch where others are missing or left over."""
    left_out = tuple(name for name in tensors if name not in wanted and name.startswith(_AUXILIARY))
    given = {*tensors, *(name for name in wanted if name.endswith(_UNREAD))} - {*left_out}
    missing = [name for name in wanted if name not in given]
    # What nothing reads is named last.
    over = [name for name in tensors if name in given and name not in wanted]
    over.sort(key=lambda name: name.endswith(_UNREAD))
    if missing or over:
        raise Mismatch(
            f"the weights are not those of {what}",
            expected=_names(missing, over, "no further tensor") if missing else f"{len(wanted)} tensors and no other",
            found=_names(over, missing, "no other tensor") if over else f"{len(given)} tensors without these",
            do="choose the architecture that the weights were trained with, or rename the tensors and save them again",
        )
    return left_out


def _shapes(architecture: str, **sizes: int) -> dict[str, tuple[int, ...]]:
    """Returns the shape of each tensor of a new model, without memory for it where that is possible."""
    factory: Any = find_model(architecture).factory
    with torch.random.fork_rng(devices=[]):
        if not is_user_code(architecture):
            try:
                with torch.device("meta"):
                    return _shapes_of(factory(**sizes))
            except (NotImplementedError, RuntimeError):  # it computes with the values of its tensors
                pass
        with torch.device("cpu"):
            return _shapes_of(factory(**sizes))


def _shapes_of(model: object) -> dict[str, tuple[int, ...]]:
    if not isinstance(model, nn.Module):
        return {}  # build_model says what is wrong with it
    return {name: tuple(value.shape) for name, value in model.state_dict().items() if isinstance(value, Tensor)}


def _names(names: list[str], others: list[str], none: str) -> str:
    """Returns the first names, each with the nearest one of the others."""
    shown = []
    for name in names[:_SHOWN]:
        near = closest_names(name, others, most=1)
        shown.append(f"{name} (nearest: {near[0]})" if near else name)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(shown)}{more}" if names else none


def _dtype(value: Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")

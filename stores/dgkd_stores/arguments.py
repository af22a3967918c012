"""Checks the arguments of public calls: an error names the call, the argument, and what it should be.

A call checks its arguments first, before it reads or writes. Loads no torch. Public.
"""

from __future__ import annotations

import contextlib
import math
import os
import types
from numbers import Integral, Real
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dgkd_stores.errors import InvalidInput

__all__ = [
    "as_path",
    "describe_value",
    "integer_text",
    "integers",
    "refusal",
    "require_callable",
    "require_flags",
    "require_integer",
    "require_kind",
    "require_number",
    "require_views",
]

MOST_SHOWN = 60
"""Maximum characters of a value in a message; a longer one is described by its type."""

_WORD_LIMITS = {-(2**63): "-2**63", 2**63 - 1: "2**63 - 1", 2**64 - 1: "2**64 - 1"}
"""The smallest and largest machine integers, as written in messages."""

_SHOWN = (type(None), str, bytes, int, float, complex, range, tuple, list, dict, np.generic)


def require_kind(
    call: str, name: str, value: object, kinds: type | tuple[type, ...], *, expected: str, do: str = ""
) -> None:
    """Raises InvalidInput unless `value`, the argument `name` of `call`, is one of `kinds`."""
    if not isinstance(value, kinds):
        raise refusal(call, name, value, expected=expected, do=do)


def as_path(call: str, name: str, value: object, *, expected: str = "a path, as text or as a pathlib.Path") -> Path:
    """Returns the argument `name` of `call` as a path. Raises InvalidInput if it is not one, or impossible as a file's.

    os.PathLike allows bytes, too, which pathlib refuses.
    """
    text = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(text, str) or "\0" in text:
        raise refusal(call, name, value, expected=expected)
    return Path(text)


def require_callable(call: str, **given: object) -> None:
    """Raises InvalidInput for the first argument that is not callable."""
    for name, value in given.items():
        if not callable(value):
            raise refusal(call, name, value, expected="a function", do=f"give {name} a function, or leave it out")


def require_flags(call: str, **given: object) -> None:
    """Raises InvalidInput for the first argument that is neither True nor False."""
    for name, value in given.items():
        require_kind(call, name, value, bool, expected="True or False")


def integer_text(low: int | None, high: int | None) -> str:
    """Returns the range of an integer, None for no limit, for a message."""
    first, last = (_WORD_LIMITS.get(limit, str(limit)) for limit in (low or 0, high or 0))
    if low is None:
        return "an integer" if high is None else f"an integer up to {last}"
    return f"an integer from {first} on" if high is None else f"an integer from {first} to {last}"


def require_integer(call: str, name: str, value: object, *, low: int | None = None, high: int | None = None) -> None:
    """Raises InvalidInput unless `value` is an integer from `low` to `high` (None: any); bool is refused."""
    fits = False
    if isinstance(value, Integral) and not isinstance(value, bool):
        number = int(value)
        fits = (low is None or low <= number) and (high is None or number <= high)
    if not fits:
        raise refusal(call, name, value, expected=integer_text(low, high))


def require_number(call: str, name: str, value: object, *, low: float, high: float | None = None) -> None:
    """Raises InvalidInput unless `value` is a finite number above `low`, or from `low` to `high` if that is given.

    bool is refused.
    """
    fits = False
    if isinstance(value, Real) and not isinstance(value, bool):
        number = float(value)
        fits = math.isfinite(number) and (number > low if high is None else low <= number <= high)
    if not fits:
        raise refusal(
            call, name, value, expected=f"a number > {low:g}" if high is None else f"a number in [{low:g}, {high:g}]"
        )


def require_views(call: str, views: object) -> None:
    """Raises InvalidInput unless `views` is a range of consecutive views, of at least one."""
    if not isinstance(views, range) or not views or views.step != 1:
        raise refusal(call, "views", views, expected="a range of consecutive views, such as range(0, 40)")


def integers(call: str, name: str, values: npt.ArrayLike, *, expected: str, do: str = "") -> npt.NDArray[np.int64]:
    """Returns the argument `name` of `call` as int64[N]. Raises InvalidInput unless it is one-dimensional integers."""
    try:
        found = np.asarray(values)
    except (TypeError, ValueError, RuntimeError):  # lists of several lengths, a tensor on a GPU or with a gradient
        raise refusal(call, name, values, expected=expected, do=do) from None
    if found.ndim != 1 or (found.dtype.kind not in "iu" and len(found)):
        raise refusal(call, name, values, expected=expected, do=do)
    return found.astype(np.int64)


def refusal(call: str, name: str, value: object, *, expected: str, do: str = "") -> InvalidInput:
    """Returns the error for the argument `name` of `call`."""
    return InvalidInput(
        f"{call}: the argument {name!r} cannot be used", expected=expected, found=describe_value(value), do=do
    )


def describe_value(value: object) -> str:
    """Describes a value for a message: by its text if that is short, else by its type.

    Functions and classes are described by name, arrays and tensors by data type and shape.
    """
    if isinstance(value, type):
        return f"the class {value.__module__}.{value.__qualname__}"
    if isinstance(value, types.FunctionType | types.BuiltinFunctionType | types.MethodType):
        return f"the function {value.__qualname__}"
    kind = type(value)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    if isinstance(value, _SHOWN):
        text = repr(value)
        if len(text) <= MOST_SHOWN:
            return text if isinstance(value, str | range) or value is None else f"{text} ({name})"
    # Tensors are recognised by their attributes: their type would load torch. A nested one without a shape raises.
    with contextlib.suppress(RuntimeError):
        if hasattr(value, "dtype") and hasattr(value, "shape") and isinstance(value.shape, tuple):
            return f"{str(value.dtype).removeprefix('torch.')} {list(value.shape)}"
    return f"an object of type {name}"

"""The registry of transforms, and the parser of texts such as "crop(4)".

To add a transform, subclass `Transform` and decorate it with `register_transform`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from inspect import getdoc
from typing import Any, TypeVar

from dgkd_cache.errors import InvalidInput, UnknownName
from dgkd_cache.views.abc import Transform
from dgkd_stores import Registry, closest_names
from dgkd_stores.arguments import describe_value

__all__ = [
    "TRANSFORMS",
    "parse_transform",
    "register_transform",
    "transform_from_dict",
    "transform_names",
    "transform_summaries",
    "transform_text",
]


def _unknown(kind: str, name: str, known: Iterable[str]) -> InvalidInput:
    """Returns the error for an unknown name, with what is written for the nearest ones, as crop(4)."""
    close = [TRANSFORMS[one] for one in closest_names(str(name), known, most=3)]
    meant = " or ".join(one.example or one.name for one in close)
    return UnknownName(
        f"unknown {kind} {name!r}",
        expected=f"one of {', '.join(transform_names())}",
        found=repr(name),
        do=f"did you mean {meant}?" if meant else "write one of them, for example crop(4) or hflip",
    )


TRANSFORMS = Registry[type[Transform]]("transform", unknown=_unknown)
_T = TypeVar("_T", bound=type[Transform])


def register_transform(transform: _T) -> _T:
    """Registers a transform class under its `name`, which must be free."""
    TRANSFORMS.register(transform.name, transform)
    return transform


def transform_names() -> tuple[str, ...]:
    """Returns the names of all transforms, sorted."""
    return tuple(sorted(TRANSFORMS))


def transform_summaries() -> dict[str, str]:
    """Returns the first line of each transform's docstring by name: what it does."""
    return {name: (getdoc(one) or "").partition("\n")[0].removesuffix(".") for name, one in TRANSFORMS.items()}


def parse_transform(text: str) -> Transform:
    """Returns the transform that a text such as "crop(4)" or "hflip" names.

    Raises UnknownName for an unknown name, InvalidInput for invalid arguments.
    """
    if not isinstance(text, str):
        raise InvalidInput(
            "a transform is written as text, because views must be the same everywhere",
            expected=f"one of {', '.join(transform_names())}",
            found=describe_value(text),
            do='write transforms=["crop(4)", "hflip"]',
        )
    match = re.fullmatch(r"\s*([A-Za-z][\w-]*)\s*(?:\(([^()]*)\))?\s*", text)
    if match is None:
        raise InvalidInput(
            "bad transform", expected="a name like hflip or a name with a number like crop(4)", found=repr(text)
        )
    transform = TRANSFORMS.find(match[1])
    arguments = [argument.strip() for argument in match[2].split(",")] if match[2] and match[2].strip() else []
    return transform.parse(arguments)


def transform_from_dict(record: Any) -> Transform:
    """Returns the transform of a `Transform.to_dict` record; raises InvalidInput for any other."""
    if not isinstance(record, Mapping) or not isinstance(record.get("name"), str):
        raise InvalidInput("bad transform in a view plan", expected="an object with a name", found=repr(record)[:80])
    return TRANSFORMS.find(record["name"]).from_dict(record)


def transform_text(record: Any) -> str:
    """Returns how the transform of a record is written, as "crop(4)"; for one that is unknown here, its name."""
    try:
        return transform_from_dict(record).text
    except InvalidInput:
        return str(record.get("name")) if isinstance(record, Mapping) else str(record)

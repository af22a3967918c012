"""Error messages for settings: file, table, key, expected and found, and the nearest known key.

Pydantic's errors are converted into this project's form of message.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from dgkd_cache.config.tables import ModelConfig
from dgkd_cache.config.toml_text import toml_text
from dgkd_cache.errors import InvalidInput
from dgkd_stores import did_you_mean

__all__ = ["invalid_setting", "unknown_key"]

_OFMODELS = "training_models"

_BOUNDS = {
    "greater than or equal to": "at least",
    "less than or equal to": "at most",
    "greater than": "more than",
}
"""Pydantic's words for a bound, each with ours."""


def invalid_setting(
    error: ValidationError, root: type[BaseModel], source: str, *, prefix: Sequence[str] = ()
) -> InvalidInput:
    """Returns the first error (unknown keys before wrong values) as InvalidInput.

    `root` is the model of the whole file, `prefix` the tables above what was validated, `source` the file.
    """
    details = sorted(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
    first = details[0]
    place = (*prefix, *(str(part) for part in first["loc"] if not isinstance(part, int)))
    if first["type"] == "extra_forbidden":
        found = unknown_key(place, root, source)
    elif first["type"] == "missing":
        found = _missing_key(place, source)
    else:
        found = _wrong_value(first, place, root, source)
    if len(details) == 1:
        return found
    more = f"{found.problem} (and {len(details) - 1} more to mend)"
    return InvalidInput(more, expected=found.expected, found=found.found, do=found.do)


def unknown_key(place: Sequence[str], root: type[BaseModel], source: str, *, also: Iterable[str] = ()) -> InvalidInput:
    """Returns the error for the key at `place` (its tables, then itself), which names the nearest known one."""
    *tables, key = place
    known = (*_keys_of(tables, root), *also)
    return InvalidInput(
        f"unknown {'key' if tables else 'table'} {key!r} in {_name_place(tables, source)}",
        expected=f"one of {', '.join(known)}" if known else "",
        found=repr(key),
        do=did_you_mean(key, known) or f"take it out of {source}",
    )


def _missing_key(place: Sequence[str], source: str) -> InvalidInput:
    *tables, key = place
    kind = "key" if tables else "table"
    return InvalidInput(
        f"{_name_place(tables, source)} lacks {kind} {key!r}",
        do=f"write {key} = ... there"
        if tables
        else f"write [{key}] there; "
        "`dgkd-cache init --dataset digits --chain plain4,plain2 example` writes a file with every table",
    )


def _wrong_value(detail: Mapping[str, Any], place: Sequence[str], root: type[BaseModel], source: str) -> InvalidInput:
    expected = detail["msg"].removeprefix("Input should be ").replace(str(2**63), "2**63")
    for words, shorter in _BOUNDS.items():
        expected = expected.replace(words, shorter)
    if cause := detail.get("ctx", {}).get("error"):
        expected = str(cause)
    found = _show(detail["input"])
    if detail["type"] in ("model_type", "dict_type"):
        expected = "a table"
    elif detail["type"] == "tuple_type":
        expected = "a list" if isinstance(detail["input"], Mapping) else f"a list, as [{found}]"
    elif detail["type"] == "bool_type":
        expected = "true or false"
    elif detail["type"] == "literal_error":
        expected = expected.replace("'", '"').replace("True", "true").replace("False", "false")
    elif detail["type"] == "too_short":
        expected = f"at least {detail['ctx']['min_length']} entry"
    do = ""
    if isinstance(detail["input"], Mapping):
        found = "a table"
        if detail["type"] == "value_error":
            found, do = "keys that contradict each other", "change one of them, or leave it out"
    *tables, key = place
    what = _name_place(place, source) if _keys_of(place, root) else f"key {key!r} in {_name_place(tables, source)}"
    return InvalidInput(f"{what} is wrong", expected=expected, found=found, do=do)


def _show(value: object) -> str:
    try:
        return toml_text(value)
    except ValueError:  # Python refuses to print a number of more than 4,300 digits
        return "a number of thousands of digits"


def _keys_of(tables: Sequence[str], root: type[BaseModel]) -> tuple[str, ...]:
    """Returns the known keys of a table, in order; empty if it has no fixed keys."""
    if not tables:
        return tuple(name for name in root.model_fields if name != _OFMODELS)
    if tables[0] == "models":  # a table for each adopted model
        return tuple(ModelConfig.model_fields) if len(tables) == 2 else ()
    field = root.model_fields.get(tables[0])
    if field is None or not isinstance(field.annotation, type) or not issubclass(field.annotation, BaseModel):
        return ()
    fields = field.annotation.model_fields
    is_of_a_model = tables[0] == "training" and len(tables) == 2 and tables[1] not in fields
    if len(tables) > 1 and not is_of_a_model:
        return ()
    return tuple(one.alias or name for name, one in fields.items())


def _name_place(tables: Sequence[str], source: str) -> str:
    return f"table [{'.'.join(tables)}] of {source}" if tables else source

"""Settings of `--set KEY=VALUE`: keys as in dgkd.toml, values in TOML or bare words. Loads no torch."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence

from dgkd_cache.config.file import MAX_BYTES, MAX_DEPTH
from dgkd_cache.config.tables import Table
from dgkd_cache.config.workspace_config import WorkspaceConfig, with_keys
from dgkd_cache.errors import InvalidInput, unknown_name
from dgkd_stores import deeper_than

__all__ = ["Key", "assign", "known_keys", "parse_assignment", "parse_assignments"]

Key = tuple[str, ...]
"""A key with its tables before it: `training.ta1.lr` is ("training", "ta1", "lr")."""

_ASSIGNMENT = re.compile(r"""((?:"[^"\n]*+"|'[^'\n]*+'|[^="'\n])++)=(.*)""", re.DOTALL)
_PART = re.compile(r"""[ \t]*+(?:([\w-]++)|"([^"\\\n]*+)"|'([^'\n]*+)')[ \t]*+\.""", re.ASCII)
_MOST_PARTS = 3


def parse_assignment(text: str) -> tuple[Key, object]:
    """Returns the key and the value of a text KEY=VALUE. Raises InvalidInput.

    The value is TOML: a number, true, "text", ["crop(1)", "hflip"]. A word that is no TOML is a text.
    """
    found = _ASSIGNMENT.fullmatch(text)
    if len(text) > MAX_BYTES or found is None:
        raise InvalidInput(f"{text[:80]!r} sets nothing", expected="KEY=VALUE, as training.lr=0.05")
    return _key(found[1].strip()), _value(found[2].strip())


def parse_assignments(texts: Sequence[str]) -> dict[Key, object]:
    """Returns the values by their keys. Raises InvalidInput for a text that is none, and for a key that comes twice."""
    settings: dict[Key, object] = {}
    for text in texts:
        key, value = parse_assignment(text)
        if key in settings:
            raise InvalidInput(f"--set names {'.'.join(key)} twice", do="give it once")
        settings[key] = value
    return settings


def assign(config: WorkspaceConfig, settings: Mapping[Key, object]) -> WorkspaceConfig:
    """Returns `config` with these settings, checked like the file.

    A key of [training] is set for every model, a key of [training.MODEL] for that one, in whatever order they come.
    Raises InvalidInput, for an unknown key with the nearest one. Models of [chain] are changed and not added.
    """
    for key, value in settings.items():
        if len(key) == 1:
            near = [one for one in known_keys() if one.rpartition(".")[2] == key[0]]
            raise InvalidInput(
                f"--set {key[0]} is no key of a table",
                expected="a table and its key, as training.lr",
                do=f"did you mean {' or '.join(near)}?" if near else "",
            )
        if key[0] == "chain" and key[1] not in config.chain:
            raise unknown_name("model", key[1], config.chain)
        if isinstance(value, Mapping):
            raise InvalidInput(f"--set {'.'.join(key)} is wrong", expected="the value of one key", found="a table")
    general_first = sorted(settings, key=len)
    return with_keys(config, {key: settings[key] for key in general_first}, source="--set")


def known_keys() -> Iterator[str]:
    """Yields the keys of all tables except [chain], as `training.lr`, in the order of the file."""
    for name, field in WorkspaceConfig.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Table):
            for key, one in kind.model_fields.items():
                yield f"{name}.{one.alias or key}"


def _key(text: str) -> Key:
    parts: list[str] = []
    rest = f"{text}."
    while rest:
        found = _PART.match(rest)
        if found is None or len(parts) == _MOST_PARTS:
            raise InvalidInput(f"{text[:80]!r} is no key of dgkd.toml", expected="a table and its key, as training.lr")
        parts.append(next(part for part in found.groups() if part is not None))
        rest = rest[found.end() :]
    return tuple(parts)


def _value(text: str) -> object:
    """Returns the value that the text is in TOML, or the text itself if it is a bare word."""
    try:
        tables = tomllib.loads(f"value = {text}")
        if tables.keys() == {"value"} and not deeper_than(MAX_DEPTH, tables):
            return tables["value"]
        error = "more than one value"
    except RecursionError:
        error = "too many brackets"
    except ValueError as problem:  # TOMLDecodeError, or a number with more digits than Python converts
        error = str(problem)
    if text.startswith(('"', "'", "[", "{")) or "\n" in text:
        raise InvalidInput(f"--set cannot read {text[:80]!r}", expected="a value in TOML, or a word", found=error)
    return text

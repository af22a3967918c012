"""DumpSettings: what it takes, and how it keeps it."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from dgkd_cache.config.tables import CacheConfig
from dgkd_cache.dump.settings import DumpSettings
from dgkd_cache.errors import InvalidInput


def test_numbers_of_numpy_are_kept_as_plain_ones() -> None:
    settings = DumpSettings(temperature=np.float32(2.5), batch_size=np.int16(7), workers=np.uint8(3))
    assert settings == DumpSettings(temperature=2.5, batch_size=7, workers=3)
    json.dumps(dataclasses.asdict(settings))


def test_defaults_are_those_of_dgkd_toml() -> None:
    """A store of the library's and one of the command line's are the same where nobody chooses."""
    defaults = CacheConfig().model_dump()
    assert {key: value for key, value in dataclasses.asdict(DumpSettings()).items() if key != "workers"} == {
        key: defaults[key] for key in defaults if key not in ("reader", "draws")
    }


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"temperature": float("inf")}, "'temperature' cannot be used: expected a number > 0"),
        ({"encoding": "float61"}, "did you mean 'float16'"),
        ({"codec": "zstdd"}, "did you mean 'zstd'"),
        ({"batch_size": 0}, "'batch_size' cannot be used: expected an integer from 1 on"),
        ({"workers": -1}, "'workers' cannot be used: expected an integer from 0 on"),
        ({"precision": "auto"}, "'precision' cannot be used: expected float32 or bf16"),
        ({"licence": None}, "'licence' cannot be used: expected text"),
        ({"accept_probabilities": 1}, "'accept_probabilities' cannot be used: expected True or False"),
    ],
)
def test_what_cannot_be_used_is_told(changes: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        DumpSettings(**changes)

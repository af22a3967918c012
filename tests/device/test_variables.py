"""The variables of a process are a mapping, and a changeable one where something is set."""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
from types import MappingProxyType

import pytest

from dgkd_cache.device.variables import require_variables
from dgkd_cache.errors import InvalidInput


def test_mappings_of_the_kind_pass() -> None:
    require_variables("call", os.environ, MutableMapping)
    require_variables("call", MappingProxyType({}), Mapping)


@pytest.mark.parametrize("given", [None, "PATH=/", MappingProxyType({})])
def test_others_are_refused(given: object) -> None:
    with pytest.raises(InvalidInput, match=r"write call\(os\.environ\)"):
        require_variables("call", given, MutableMapping)

"""Checks of what a public call is given; those of the stores are handed on, so that one import serves."""

from __future__ import annotations

from dgkd_stores.arguments import (
    as_path,
    described,
    integers,
    refused,
    require_callable,
    require_flags,
    require_integer,
    require_kind,
    require_number,
)

__all__ = [
    "as_path",
    "described",
    "integers",
    "refused",
    "require_callable",
    "require_flags",
    "require_integer",
    "require_kind",
    "require_number",
]

"""Parses ranges of views, `A:B`, and other pairs of numbers on the command line."""

from __future__ import annotations

import re

import click

__all__ = ["number_pair", "view_range"]


def view_range(ctx: click.Context, param: click.Parameter, value: str | None) -> range | None:
    """Parses `A:B`: views A to B - 1."""
    return None if value is None else range(*number_pair(value, ":", "A:B with A < B, as 0:40"))


def number_pair(text: str, between: str, expected: str) -> tuple[int, int]:
    """Returns two numbers, the first below the second. Raises BadParameter, which says what was expected."""
    found = re.fullmatch(f"([0-9]{{1,9}}){between}([0-9]{{1,9}})", text)
    if not found or int(found[1]) >= int(found[2]):
        raise click.BadParameter(f"expected {expected}, found {text!r}")
    return int(found[1]), int(found[2])

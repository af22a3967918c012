"""Formats results for stdout: plain tables for any terminal, pipe or grep, or JSON only.

Text from stores and cards goes through `dgkd_stores.clean` first.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence

import click

from dgkd_cli.lines import fitted

__all__ = ["facts", "print_json", "print_result", "table"]


def print_result(value: object, pairs: Iterable[tuple[str, str]], *, as_json: bool) -> None:
    """Prints `value` as JSON, or what it says to a person in `pairs`: one name and text per line."""
    if as_json:
        print_json(value)
    else:
        click.echo(facts(pairs))


def print_json(value: object) -> None:
    """Prints one JSON object or array in ASCII, so that control characters cannot reach a terminal."""
    click.echo(json.dumps(value, indent=2, allow_nan=False))


def table(headers: Sequence[str], rows: Iterable[Sequence[str]], *, right: Iterable[str] = ()) -> str:
    """Formats columns two spaces apart; those named in `right` are aligned to the right. Nothing is truncated."""
    lines = [headers, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headers))]
    to_right = {headers.index(name) for name in right}
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column in to_right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Formats one name and value per line; on a terminal, a value that is too long goes on below itself."""
    known = list(pairs)
    width = max(len(name) for name, _ in known)
    lines = (f"{name:<{width}}  {value}".rstrip() for name, value in known)
    return "\n".join(fitted(line, sys.stdout, indent=width + 2) for line in lines)

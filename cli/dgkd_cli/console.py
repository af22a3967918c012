"""Results on stdout: plain tables that any terminal, pipe or grep can take, or JSON and nothing else.

Text that comes from stores and cards is made harmless before it is shown.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import click

__all__ = ["facts", "print_json", "shown", "table"]


def print_json(value: object) -> None:
    """One JSON object or array; ASCII, so that control characters cannot reach a terminal."""
    click.echo(json.dumps(value, indent=2, allow_nan=False))


def table(headers: Sequence[str], rows: Iterable[Sequence[str]], *, right: Iterable[str] = ()) -> str:
    """Columns two spaces apart; those named in `right` are aligned to the right. Nothing is cut."""
    lines = [list(headers), *(list(row) for row in rows)]
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
    """A name and a value a line."""
    known = list(pairs)
    width = max(len(name) for name, _ in known)
    return "\n".join(f"{name:<{width}}  {value}".rstrip() for name, value in known)


def shown(text: str) -> str:
    """Text from elsewhere as it may be shown."""
    from dgkd_stores import clean

    return clean(text)

"""Fits a table to the terminal: the least needed columns are hidden and named, and no word is cut."""

from __future__ import annotations

import itertools
import shutil
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dgkd_cli.console import table
from dgkd_cli.lines import paragraph

__all__ = ["Step", "fit", "in_parts", "sections", "terminal_width", "wrapped"]


@dataclass(frozen=True)
class Step:
    """A way to make a table narrower: hide a column, or break its cells after commas to lines of `width` characters."""

    column: str
    width: int | None = None


NO_TERMINAL = 10**6
"""The width of a pipe or a file, where no line is broken and no column hidden."""


def terminal_width() -> int:
    """Returns the columns of the terminal that stdout is; COLUMNS overrides them."""
    return shutil.get_terminal_size((NO_TERMINAL, 0)).columns


def sections(parts: Mapping[str, Iterable[tuple[str, str]]], width: int) -> str:
    """Formats names and values under the title of their section, one a line; long values go on below themselves.

    A value with a word that is too long to stand beside its name, such as a digest, begins on the next line.
    """
    known = {title: list(pairs) for title, pairs in parts.items()}
    names = max(len(name) for pairs in known.values() for name, _ in pairs)
    lines = []
    for title, pairs in known.items():
        lines.append(title)
        for name, value in pairs:
            beside = " " * (2 + names + 2)
            if max(map(len, value.split()), default=0) > width - len(beside):
                lines += [f"  {name}", paragraph(f"    {value}", width, indent="    ")]
            else:
                lines.append(paragraph(f"  {name:<{names}}  {value}", width, indent=beside).rstrip())
    return "\n".join(lines)


def wrapped(headers: Sequence[str], rows: Iterable[Sequence[str]], width: int, *, right: Sequence[str] = ()) -> str:
    """Formats a table; if it is wider than `width`, the cells of its widest columns are broken between words."""
    lines = [headers, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headers))]
    words = [[word for line in lines for word in line[column].split()] for column in range(len(widths))]
    least = [max(map(len, each), default=0) for each in words]
    while sum(widths) + 2 * (len(widths) - 1) > width:
        free = [column for column in range(len(widths)) if widths[column] > least[column]]
        if not free:
            break
        widths[max(free, key=widths.__getitem__)] -= 1
    head, *body = _stacked(
        [
            textwrap.wrap(cell, max(size, 1), break_long_words=False, break_on_hyphens=False)
            for cell, size in zip(line, widths, strict=True)
        ]
        for line in lines
    )
    return table(head, body, right=right)


def fit(
    columns: Mapping[str, Sequence[str]],
    *,
    right: Sequence[str],
    steps: Sequence[Step],
    width: int,
    where: str = "a wider terminal",
) -> str:
    """Returns the table of `columns`, cells by header, with a line below it on what is hidden to fit into `width`.

    `steps` are taken one by one until the table fits; after the last one it may still be wider. `where` says in that
    line what shows all columns.
    """
    shown = {name: [[cell] for cell in cells] for name, cells in columns.items()}
    hidden: list[str] = []
    for step in steps:
        if _width(shown) <= width:
            break
        if step.column not in shown:
            continue
        if step.width is None:
            del shown[step.column]
            hidden.append(step.column)
        else:
            shown[step.column] = [_broken(cell, step.width) for cell in columns[step.column]]
    rows = _stacked(zip(*shown.values(), strict=True))
    text = table(list(shown), rows, right=[name for name in right if name in shown])
    if hidden:
        text += "\n" + paragraph(f"hidden at {width} columns: {', '.join(hidden)} ({where} shows all)", width)
    return text


def in_parts(columns: Mapping[str, Sequence[str]], *, right: Sequence[str], width: int) -> str:
    """Returns a table in as many parts, under each other, as fit into `width`; each begins with the first column."""
    (first, names), *others = columns.items()
    parts: list[dict[str, Sequence[str]]] = [{first: names}]
    for name, cells in others:
        wider = {key: [[cell] for cell in each] for key, each in {**parts[-1], name: cells}.items()}
        if len(parts[-1]) > 1 and _width(wider) > width:
            parts.append({first: names})
        parts[-1][name] = cells
    return "\n\n".join(fit(part, right=right, steps=(), width=width) for part in parts)


def _stacked(rows: Iterable[Sequence[Sequence[str]]]) -> list[tuple[str, ...]]:
    """Returns the lines of a table whose cells have several lines."""
    return [line for cells in rows for line in itertools.zip_longest(*cells, fillvalue="")]


def _width(shown: Mapping[str, Sequence[Sequence[str]]]) -> int:
    widths = [max(map(len, (name, *(line for lines in cells for line in lines)))) for name, cells in shown.items()]
    return sum(widths) + 2 * (len(widths) - 1)


def _broken(cell: str, width: int) -> list[str]:
    lines = [""]
    for part in cell.replace(",", ",\0").split("\0"):
        if lines[-1] and len(lines[-1]) + len(part) > width:
            lines.append("")
        lines[-1] += part
    return lines

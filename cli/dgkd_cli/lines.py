"""Shows lines of text: on a terminal broken between words to its width, elsewhere whole, as grep wants them.

Loads no torch.
"""

from __future__ import annotations

import re
import sys
import textwrap
from typing import TextIO

import click
from rich.console import Console

__all__ = ["WARNING", "fitted", "paragraph", "say", "show"]

WARNING = "Warning: "
"""The beginning of a line about a possible mistake."""


def show(line: str) -> None:
    """Prints a line of a result on stdout."""
    click.echo(fitted(line, sys.stdout))


def say(line: str) -> None:
    """Prints a message on stderr."""
    click.echo(fitted(line, sys.stderr), err=True)


def fitted(line: str, stream: TextIO | None, *, lead: str = "", indent: int = 0) -> str:
    """Returns a line as `stream` shows it, where it comes after the text `lead`; a stream that is closed is None.

    Later lines have `indent` spaces, or two more than the first.
    """
    if stream is None or not stream.isatty():
        return line
    indent = indent or len(line) - len(line.lstrip()) + 2
    return paragraph(lead + line, Console(file=stream).width, indent=" " * indent).removeprefix(lead)


def paragraph(text: str, width: int, *, indent: str = "  ") -> str:
    """Breaks a text between words; later lines are indented.

    A word that is longer than a line stays whole, and so does a command in backticks, which can then be copied.
    """
    joined = re.sub(r"`[^`]*`", lambda command: command[0].replace(" ", "\0"), text)
    filled = textwrap.fill(
        joined, max(width, 20), subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return filled.replace("\0", " ")

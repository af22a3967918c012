"""Reads an untrusted TOML file in bounded memory and time."""

from __future__ import annotations

import codecs
import os
import re
import stat
import tomllib
from pathlib import Path
from typing import Any

from dgkd_cache.errors import InvalidInput
from dgkd_stores import deeper_than

__all__ = ["MAX_BYTES", "MAX_DEPTH", "read_tables"]

MAX_BYTES = 64 * 2**10
"""Maximum size. A long chain with a table for every model takes a tenth of it; tomllib needs at most 1 s."""

MAX_DEPTH = 8
"""Maximum nesting of tables and arrays; dgkd.toml needs three."""

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

# tomllib takes 10 s for a key of 30,000 parts. A part begins where no letter precedes, so this is linear.
_DOTTED = re.compile(rb"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){64}""")


def read_tables(path: Path) -> dict[str, Any]:
    """Returns the tables of the file at `path`, which may be a link.

    Raises InvalidInput if it is not a file, not TOML in UTF-8, or too large or too deep for settings.
    """
    data = _read(path)
    if data.startswith(_UTF16) or data[:2].count(0) == len(data[:2]) - 1 == 1:
        raise InvalidInput(
            f"{path} cannot be read",
            expected="UTF-8 text",
            found="UTF-16, as an editor or shell of Windows may write it",
            do="save it as UTF-8",
        )
    if _DOTTED.search(data):
        raise _depth_error(path)
    try:
        tables = tomllib.loads(data.decode("utf-8-sig"))  # editors on Windows begin a file with a byte order mark
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} cannot be read", expected="UTF-8 text", found=str(error)) from error
    except RecursionError as error:
        raise _depth_error(path) from error
    except ValueError as error:  # TOMLDecodeError, or a number with more digits than Python converts
        raise InvalidInput(f"{path} cannot be read", expected="TOML", found=f"an error: {error}") from error
    if deeper_than(MAX_DEPTH, tables):
        raise _depth_error(path)
    return tables


def _read(path: Path) -> bytes:
    try:
        # Opening a FIFO must not wait for a writer.
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise InvalidInput(
            f"{path} does not exist",
            do="`dgkd-cache init --dataset digits --chain plain4,plain2` writes one, and "
            "`dgkd-cache init --help` tells more",
        ) from error
    try:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise InvalidInput(f"{path} cannot be read", expected="a file", found="something else of that name")
        with os.fdopen(number, "rb", closefd=False) as file:
            data = file.read(MAX_BYTES + 1)
    finally:
        os.close(number)
    if len(data) > MAX_BYTES:
        raise InvalidInput(f"{path} cannot be read", expected=f"at most {MAX_BYTES} bytes", found="more")
    return data


def _depth_error(path: Path) -> InvalidInput:
    return InvalidInput(
        f"{path} cannot be read", expected=f"at most {MAX_DEPTH} tables within one another", found="more of them"
    )

"""A user at a shell in a workspace: edits dgkd.toml, damages files, runs commands."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import tomllib
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from dgkd_cache.errors import DgkdError
from dgkd_cli.main import main

STORE = "guides/teacher.zarr"
LOOSE = "loose.zarr"


class Shell:
    """A user in a workspace: its settings, and the commands that are run there."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, stack: ExitStack) -> None:
        self.folder, self.patch, self.stack = folder, patch, stack
        self.settings = folder / "dgkd.toml"
        self.env: dict[str, str] = {"COLUMNS": "2000"}  # messages in tables are not broken over lines

    def run(self, words: str) -> tuple[int, str]:
        """The exit code, and all that was printed."""
        result = CliRunner(env=self.env).invoke(main, shlex.split(words), prog_name="dgkd-cache")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.output

    def ok(self, words: str) -> str:
        exit_code, said = self.run(words)
        assert exit_code == 0, f"{words}: {said}"
        return said

    def do(self, action: str | Callable[[], object]) -> tuple[int, str]:
        """A command, or a call of the library."""
        if isinstance(action, str):
            return self.run(action)
        try:
            action()
        except DgkdError as error:
            return error.exit_code, str(error)
        return 0, ""

    def edit(self, settings: Mapping[str, object]) -> None:
        """Sets dotted keys of dgkd.toml; None takes a key or a table out."""
        tables = tomllib.loads(self.settings.read_text())
        for dotted, value in settings.items():
            *path, key = dotted.split(".")
            table = tables
            for part in path:
                table = table.setdefault(part, {})
            if value is None:
                table.pop(key, None)
            else:
                table[key] = value
        self.settings.write_text(toml(tables))

    def remove(self, path: str) -> None:
        shutil.rmtree(path) if Path(path).is_dir() else Path(path).unlink()

    def flip(self, path: str) -> None:
        """Turns a bit of the file."""
        data = bytearray(Path(path).read_bytes())
        data[-1] ^= 1
        Path(path).write_bytes(data)

    def swap(self, path: str, after: str) -> None:
        """Makes another text of the 16 digits after these words."""
        text = Path(path).read_text()
        first = text.index(after) + len(after)
        Path(path).write_text(
            text[:first] + text[first + 8 : first + 16] + text[first : first + 8] + text[first + 16 :]
        )

    def loosen(self) -> None:
        """Copies the teacher's store out of the workspace, and goes there."""
        shutil.copytree(STORE, f"../{LOOSE}")
        os.chdir("..")


def small_study(shell: Shell) -> None:
    """Writes a comparison of one run into dgkd.toml."""
    shell.edit({"compare.seeds": 1, "compare.variants.scratch.method": "scratch"})


def toml(tables: Mapping[str, Any], above: str = "") -> str:
    """Nested tables as TOML; JSON's strings, numbers, booleans and arrays are TOML, too."""
    lines = [f"{key} = {json.dumps(value)}" for key, value in tables.items() if not isinstance(value, dict)]
    for key, value in tables.items():
        if isinstance(value, dict):
            lines += [f"[{above}{key}]", toml(value, f"{above}{key}.")]
    return "\n".join(lines)


@dataclass(frozen=True)
class Case:
    """A hint of the source, what provokes it, and how it is followed.

    `by` is the kind of what it offers: `settings` to write into dgkd.toml, `commands` to run (`together`: one after
    the other), `options` to add to the command, `words` in place of a `wrong` one, `lists`: a command that prints the
    `right` one. `fill` has what the hint leaves to the user.
    """

    hint: str
    by: str
    action: str | Callable[[], object]
    spoil: Callable[[Shell], object] = lambda shell: None
    bare: bool = False
    fill: Mapping[str, str] = field(default_factory=dict)
    wrong: str = ""
    right: str = ""
    together: bool = False
    then: str = ""

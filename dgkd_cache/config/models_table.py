"""Writes the table [models.NAME] of an adopted model into a dgkd.toml and leaves everything else in it as it is."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from dgkd_cache.config.file import read_tables
from dgkd_cache.config.tables import ModelConfig
from dgkd_cache.config.toml_text import toml_text
from dgkd_cache.errors import InvalidInput
from dgkd_stores.disk import folder_lock, full_disk, write_durably

__all__ = ["model_table", "write_model"]


def model_table(name: str, model: ModelConfig) -> str:
    """Returns the table as lines of TOML."""
    settings = (f"{key} = {toml_text(value)}" for key, value in model.model_dump().items())
    return "\n".join([f"[models.{name}]", *settings]) + "\n"


def write_model(path: Path, name: str, model: ModelConfig) -> bool:
    """Writes the table into the file at `path`, in place of one of that name; returns False if it is there already.

    The file is replaced in one step; a link is followed. Of several processes that write into it, each waits for the
    one before. Raises InvalidInput if the table cannot be put in without changing another setting, as where the models
    are written in another way; the file is then as it was.
    """
    target = path.resolve()
    with folder_lock(target.parent):
        before = read_tables(path)
        if before.get("models", {}).get(name) == model.model_dump():
            return False
        changed = _with_table(target.read_bytes().decode("utf-8"), name, model)
        expected = {**before, "models": {**before.get("models", {}), name: model.model_dump()}}
        try:
            fits = tomllib.loads(changed.removeprefix("\ufeff")) == expected
        except ValueError:
            fits = False
        if not fits:
            lines = model_table(name, model).rstrip().replace("\n", "; ")
            raise InvalidInput(
                f"the table [models.{name}] cannot be written into {path}",
                expected="a table of its own for each model, under [models.NAME]",
                found="models that are written in another way",
                do=f"add it by hand: {lines}",
            )
        with full_disk(target):
            write_durably(target, changed.encode())
    return True


def _with_table(text: str, name: str, model: ModelConfig) -> str:
    """Returns the text of a file with the table in place of the one of that name, or at its end."""
    # Up to the first line that is empty, a comment or the next table.
    table = re.compile(rf"^\[models\.{re.escape(name)}\][ \t]*(#[^\n]*)?\n(?:[^\[#\s][^\n]*(?:\n|\Z))*", re.MULTILINE)
    if found := table.search(text):
        return text[: found.start()] + model_table(name, model) + text[found.end() :]
    return text.rstrip("\n") + "\n\n# adopted with `dgkd-cache adopt`\n" + model_table(name, model)

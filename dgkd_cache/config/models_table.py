"""Writes the table [models.NAME] of an adopted model into a dgkd.toml and leaves everything else in it as it is."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from dgkd_cache.config.file import read_tables
from dgkd_cache.config.tables import ModelConfig
from dgkd_cache.config.toml_text import toml_text
from dgkd_cache.errors import InvalidInput
from dgkd_stores.disk import full_disk, write_durably

__all__ = ["model_table", "write_model"]


def model_table(name: str, model: ModelConfig) -> str:
    """Returns the table as lines of TOML."""
    settings = (f"{key} = {toml_text(value)}" for key, value in model.model_dump().items())
    return "\n".join([f"[models.{name}]", *settings]) + "\n"


def write_model(path: Path, name: str, model: ModelConfig) -> bool:
    """Writes the table into the file at `path`, in place of one of that name; returns False if it is there already.

    The file is replaced in one step; a link is followed. Raises InvalidInput if the table cannot be put in without
    changing another setting, as where the models are written in another way; the file is then as it was.
    """
    before = read_tables(path)
    wanted = model.model_dump()
    if before.get("models", {}).get(name) == wanted:
        return False
    target = path.resolve()
    text = target.read_bytes().decode("utf-8")
    # Up to the first line that is empty, a comment or the next table.
    table = re.compile(rf"^\[models\.{re.escape(name)}\][ \t]*(#[^\n]*)?\n(?:[^\[#\s][^\n]*(?:\n|\Z))*", re.MULTILINE)
    if found := table.search(text):
        changed = text[: found.start()] + model_table(name, model) + text[found.end() :]
    else:
        changed = text.rstrip("\n") + "\n\n# adopted with `dgkd-cache adopt`\n" + model_table(name, model)
    expected = {**before, "models": {**before.get("models", {}), name: wanted}}
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

"""The recipes of the literature, in TOML files beside this module. Loads no torch.

A recipe has the tables of a workspace, each setting with its value and its `source`, or, where the source is silent or
we differ on purpose, `ours`: why we chose it. Beside them stand published accuracies, which are for people to compare.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from dgkd_cache.config.tables import Published, Table
from dgkd_cache.config.workspace_config import WorkspaceConfig, parse_config
from dgkd_cache.errors import unknown_name

__all__ = ["Recipe", "Setting", "read_recipe", "recipe_names"]

_FOLDER = Path(__file__).parent


class Setting(Table):
    """A value, with where it comes from or with why we chose it."""

    value: object
    source: str = Field(default="", description="paper and table, or repository and file")
    ours: str = Field(default="", description="why we chose it")

    @model_validator(mode="after")
    def _of_one_origin(self) -> Self:
        if bool(self.source) == bool(self.ours):
            raise ValueError("either a source, or why it is ours")
        return self

    @property
    def origin(self) -> str:
        """The source of the value, in words."""
        return self.source or f"our choice: {self.ours}"


class Recipe(Table):
    """The settings of a published experiment."""

    name: str
    """Its name, that of its file."""
    what: str
    """The subject of the comparison, in a few words."""
    source: str
    """The paper and its table, or the repository."""
    classes: int = Field(ge=2)
    """The classes of its data set."""
    samples: int = Field(ge=1)
    """The training samples of its data set."""
    differs: list[str]
    """The differences from the source, each a sentence with its reason."""
    sources: dict[str, str]
    """The full sources, by the names that its settings have for them."""
    dataset: dict[str, Setting]
    views: dict[str, Setting]
    cache: dict[str, Setting]
    chain: dict[str, Setting]
    training: dict[str, Setting]
    distillation: dict[str, Setting]
    compare: dict[str, Setting]
    variants: dict[str, Setting]
    """The variants for `compare`: what each sets."""
    published: dict[str, Published] = {}
    """Published test accuracies of variants."""

    def settings(self) -> Iterator[tuple[str, Setting]]:
        """Yields its settings but for the variants, as ("training.lr", ...), in the order of a `dgkd.toml`."""
        for table in ("dataset", "views", "cache", "chain", "training", "distillation", "compare"):
            for key, setting in getattr(self, table).items():
                yield f"{table}.{key}", setting

    def config(self) -> WorkspaceConfig:
        """Returns the settings of a workspace; those that the recipe does not name are the defaults."""
        tables: dict[str, dict[str, object]] = {}
        for name, setting in self.settings():
            table, key = name.split(".")
            tables.setdefault(table, {})[key] = setting.value
        tables["compare"]["variants"] = {name: variant.value for name, variant in self.variants.items()}
        tables["compare"]["published"] = {name: one.model_dump() for name, one in self.published.items()}
        return parse_config(tables, source=f"the recipe {self.name}")


def recipe_names() -> tuple[str, ...]:
    """Returns the names of all recipes, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


def read_recipe(name: str) -> Recipe:
    """Returns the recipe of that name. Raises UnknownName, which names the closest one."""
    if name not in recipe_names():
        raise unknown_name("recipe", name, recipe_names(), do="`dgkd-cache recipes` lists them")
    tables = tomllib.loads((_FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
    return Recipe.model_validate({**tables, "name": name})

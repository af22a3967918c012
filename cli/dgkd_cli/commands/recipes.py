"""`dgkd-cache recipes`: lists the published experiments that `init --recipe` sets up, or describes one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import click

from dgkd_cache.config.toml_text import toml_text
from dgkd_cli.app import json_option
from dgkd_cli.columns import terminal_width, wrapped
from dgkd_cli.completion import complete_recipes
from dgkd_cli.console import facts, print_json
from dgkd_cli.humanize import count_text, size_text
from dgkd_cli.lines import paragraph

if TYPE_CHECKING:
    from dgkd_cache.recipes.recipe import Recipe

__all__ = ["recipes"]


@click.command()
@click.argument("name", required=False, shell_complete=complete_recipes)
@json_option
def recipes(name: str | None, as_json: bool) -> None:
    """List recipes of published experiments, or describe one (NAME).

    A description has each setting with where it comes from, or why it is our choice; published accuracies; what
    differs from the source; and how much work and disk `compare` takes. `init --recipe NAME` sets it up.

    \b
    Examples:
      dgkd-cache recipes
      dgkd-cache recipes dgkd-table2
      dgkd-cache recipes official --json
    """
    from dgkd_cache.recipes.recipe import read_recipe, recipe_names

    if name is None:
        _list([read_recipe(one) for one in recipe_names()], as_json=as_json)
        return
    recipe = read_recipe(name)
    work = _work(recipe)
    if as_json:
        print_json({**recipe.model_dump(exclude_defaults=True), "defaults": _defaults(recipe), "work": work})
        return
    _describe(recipe, work)


def _list(found: list[Recipe], *, as_json: bool) -> None:
    configs = [recipe.config() for recipe in found]
    rows: list[dict[str, Any]] = [
        {
            "name": recipe.name,
            "what": recipe.what,
            "dataset": config.dataset.name,
            "chain": [*config.chain.values()],
            "epochs": config.training.epochs,
            "source": recipe.source,
        }
        for recipe, config in zip(found, configs, strict=True)
    ]
    if as_json:
        print_json({"recipes": rows})
        return
    headers = ("recipe", "what", "data set", "chain", "epochs", "source")
    shown = [
        {
            **one,
            "dataset": one["dataset"].partition(":")[0],  # where it lies is its user's
            "chain": _short(one["chain"]),
            "epochs": str(one["epochs"]),
        }
        for one in rows
    ]
    lines = [[*one.values()] for one in shown]
    click.echo(wrapped(headers, lines, terminal_width(), right=("epochs",)))


def _short(architectures: list[str]) -> str:
    """Returns the names in a list, what all begin with once: plain10, 8, 6; their library behind them."""
    library, colon, _ = architectures[0].rpartition(":")
    if colon and all(one.startswith(f"{library}:") for one in architectures):
        return f"{_short([one.removeprefix(f'{library}:') for one in architectures])} ({library})"
    first, *others = architectures
    same = first[: len(first) - len(first.lstrip("abcdefghijklmnopqrstuvwxyz-"))]
    return ", ".join([first, *(name.removeprefix(same) for name in others)])


def _describe(recipe: Recipe, work: Mapping[str, int]) -> None:
    width = terminal_width()
    stores = f"{work['stores']} guide stores" if work["stores"] > 1 else "1 guide store"
    sizes = f"{size_text(work['store_bytes'])} each, {size_text(work['stores'] * work['store_bytes'])} in all"
    defaults = ", ".join(f"{key} = {toml_text(value)}" for key, value in _defaults(recipe).items())
    pairs = [
        ("recipe", recipe.name),
        ("what", recipe.what),
        ("source", recipe.source),
        *((short, long) for short, long in recipe.sources.items()),
        ("compare", f"{count_text(work['models'])} models to train, and {stores} of {sizes}"),
    ]
    click.echo(facts(pairs))
    settings = ((key, toml_text(one.value), one.origin) for key, one in recipe.settings())
    click.echo("\n" + wrapped(("setting", "value", "where it comes from"), settings, width))
    click.echo("\n" + wrapped(("variant", "sets", "where it comes from", "published"), _variants(recipe), width))
    click.echo("\nWhat differs from the source:")
    for line in recipe.differs:
        click.echo(paragraph(f"- {line}", width))
    click.echo("\n" + paragraph(f"All other settings are the defaults of `init`: {defaults}", width, indent=""))


def _variants(recipe: Recipe) -> Iterator[tuple[str, str, str, str]]:
    for name, variant in recipe.variants.items():
        assert isinstance(variant.value, dict)
        published = recipe.published.get(name)
        sets = ", ".join(f"{key} = {toml_text(value)}" for key, value in variant.value.items())
        yield name, sets, variant.origin, f"{published.accuracy:.2f} %, {published.source}" if published else "-"


def _defaults(recipe: Recipe) -> dict[str, Any]:
    """Returns the settings that the recipe does not name and that have a value."""
    named = {key for key, _ in recipe.settings()}
    return {
        f"{table}.{key}": value
        for table, keys in recipe.config().to_dict().items()
        for key, value in keys.items()
        if table != "compare" and f"{table}.{key}" not in named and value is not None
    }


def _work(recipe: Recipe) -> dict[str, int]:
    """Returns how much `compare` makes: models, stores, and the bytes of the rows of one store. Reads no data."""
    from dgkd_cache.study.plan import StudyStore, make_plan
    from dgkd_cache.study.variants import make_variants
    from dgkd_cache.workspace.workspace import Workspace
    from dgkd_stores import get_encoding

    class WithoutData(Workspace):
        """A workspace with some images: which ones changes the names of its runs, and not their number."""

        def dataset(self) -> Any:
            return SimpleNamespace(train=SimpleNamespace(digest=""), test=SimpleNamespace(digest=""))

    config = recipe.config()
    variants = make_variants(config, config.compare.variants)
    plan = make_plan(WithoutData(Path(), config), variants, config.compare.seed_list, guides=config.compare.guides)
    stores = sum(isinstance(one, StudyStore) for one in plan.work)
    row = get_encoding(config.cache.encoding).row_bytes(recipe.classes)
    return {
        "models": len(plan.work) - stores,
        "stores": stores,
        "store_bytes": config.views.count * recipe.samples * row,
    }

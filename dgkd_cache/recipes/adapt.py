"""A recipe as the settings of a new workspace: with settings that go before its own, on its data set in another format.

Names are checked here, before a workspace is made; this loads torch, importing this module does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dgkd_cache.config.workspace_config import WorkspaceConfig, with_overrides
from dgkd_cache.errors import InvalidInput
from dgkd_cache.paths import DATA_FORMS, data_folder
from dgkd_cache.recipes.recipe import Recipe
from dgkd_cache.workspace.defaults import chain_names, check_names
from dgkd_stores.disk import expand_user

__all__ = ["adapt_recipe", "differences"]

_SIDE = 32  # pixels of the images of all recipes


def adapt_recipe(
    recipe: Recipe, settings: Mapping[str, object], *, dataset: str | None = None, architectures: Sequence[str] = ()
) -> WorkspaceConfig:
    """Returns the recipe's configuration; `settings`, dotted keys as `{"training.epochs": 3}`, override its own.

    `dataset` holds the recipe's data in another format or place: `folder:PATH`, whose class folders are counted here,
    `module:factory`, or another ROOT where the recipe is on `imagenet:ROOT`. `architectures` replace its chain. Raises
    InvalidInput and UnknownName, also for a data set that is another or missing, and for a setting that the recipe's
    variants set themselves.
    """
    own = recipe.config()
    _require_own(recipe, settings)
    chain = chain_names(architectures) if architectures else own.chain
    changed: dict[str, object] = {**settings, "dataset.name": dataset or own.dataset.name, "chain": chain}
    config = with_overrides(own, changed)
    check_names(config.dataset.name, [*chain.values()], config.views.transforms)
    _require_data(recipe, own.dataset.name, config.dataset.name)
    return _with_all_views(config, changed)


def differences(recipe: Recipe, config: WorkspaceConfig) -> dict[str, tuple[Any, Any]]:
    """Returns the settings in which a configuration differs from the recipe's: by dotted key, its value and ours.

    The place of the data set is none of them.
    """
    own, ours = (_flat(one) for one in (recipe.config(), config))
    return {key: (own.get(key), ours.get(key)) for key in {**own, **ours} if own.get(key) != ours.get(key)}


def _flat(config: WorkspaceConfig) -> dict[str, Any]:
    tables = config.to_dict()
    return {
        f"{table}.{key}": value
        for table, keys in tables.items()
        for key, value in keys.items()
        if f"{table}.{key}" not in ("dataset.root", "dataset.download")
    }


def _require_own(recipe: Recipe, settings: Mapping[str, object]) -> None:
    """Raises InvalidInput for a setting that variants of the recipe set themselves: it would change only the others."""
    for dotted in settings:
        key = {"views.count": "views", "cache.encoding": "encoding"}.get(dotted, dotted.rpartition(".")[2])
        names = [name for name, one in recipe.variants.items() if isinstance(one.value, Mapping) and key in one.value]
        if names:
            raise InvalidInput(
                f"{dotted} cannot be given beside the recipe {recipe.name}",
                expected="a setting that all of its variants have",
                found=f"{key}, which {', '.join(names)} set themselves",
                do="leave it out, and change [compare.variants] in the dgkd.toml that is written",
            )


def _require_data(recipe: Recipe, own: str, given: str) -> None:
    """Raises InvalidInput unless `given` may hold the data of the recipe, called `own`."""
    named, kind = data_folder(given), own.partition(":")[0]
    if given == own or (":" in given and named is None) or (named and named[0] == kind):
        return
    at = f"{kind}:{DATA_FORMS[kind]}" if kind in DATA_FORMS else own
    expected = f"{at}, or its images as folder:PATH or module:factory"
    if named is None or named[0] != "folder":
        raise InvalidInput(
            f"the recipe {recipe.name} is on {kind}",
            expected=expected,
            found=given,
            do="leave --dataset out" if at == own else f"name the folder of {kind}",
        )
    from dgkd_cache.datasets.discovery import find_classes
    from dgkd_cache.datasets.folder import split_folder

    for split in ("train", "test"):
        folder = split_folder(expand_user(named[1]), split)
        if (found := len(find_classes(folder))) != recipe.classes:
            raise InvalidInput(
                f"{folder} is not {kind}, which the recipe {recipe.name} is on",
                expected=f"a folder for each of {recipe.classes} classes",
                found=f"{found} folders",
                do="name the folder above train/ and test/ that holds it",
            )


def _with_all_views(config: WorkspaceConfig, settings: Mapping[str, object]) -> WorkspaceConfig:
    """Returns the configuration with all views of an enumerated scheme, drawn, unless `settings` say otherwise.

    Raises InvalidInput unless the number of views and their schedule suit their scheme.
    """
    from dgkd_cache.views.plan import ViewPlan
    from dgkd_cache.views.schedule import check_schedule

    views = config.views
    plan = ViewPlan.build(image=(3, _SIDE, _SIDE), transforms=list(views.transforms), scheme=views.scheme)
    if views.scheme == "enumerated":
        given = {key: value for key, value in settings.items() if key in ("views.schedule", "views.count")}
        config = with_overrides(config, {"views.schedule": "draw", "views.count": plan.outcomes, **given})
    try:
        check_schedule(plan, config.views.schedule, config.views.count)
    except InvalidInput as error:  # its hint is for an existing file
        raise error.with_hint(do="add --scheme sampled") from error
    return config

"""`dgkd-cache init`: creates a workspace, with defaults for its data set and its chain, or from a recipe."""

from __future__ import annotations

import os
import re
from collections.abc import Container, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dgkd_cache.config.tables import DistillationConfig, ViewsConfig
from dgkd_cache.paths import DATA_FORMS
from dgkd_cli.app import App, json_option, pass_app
from dgkd_cli.choices import choice_of, list_option
from dgkd_cli.completion import complete_architectures, complete_datasets, complete_recipes
from dgkd_cli.console import print_result
from dgkd_cli.guidance_options import check_dropping, check_guidance_options, check_has_guides
from dgkd_cli.lines import WARNING, say
from dgkd_stores import encoding_names
from dgkd_stores.disk import expand_user

if TYPE_CHECKING:
    from dgkd_cache.config.workspace_config import WorkspaceConfig
    from dgkd_cache.recipes.recipe import Recipe

__all__ = ["init"]

_GUIDES = "choose another --method and a --chain of at least two"

_KEYS = {
    "epochs": "training.epochs",
    "batch_size": "training.batch_size",
    "lr": "training.lr",
    "seed": "training.seed",
    "views": "views.count",
    "scheme": "views.scheme",
    "schedule": "views.schedule",
    "method": "distillation.method",
    "objective": "distillation.objective",
    "lambda_": "distillation.lambda",
    "keep": "distillation.keep",
    "temperature": "cache.temperature",
    "encoding": "cache.encoding",
    "topk": "cache.topk",
    "validation": "dataset.validation",
}


@click.command()
@click.option(
    "--recipe",
    metavar="NAME",
    shell_complete=complete_recipes,
    help="The settings of a published experiment, which other options override; `dgkd-cache recipes` lists them.",
)
@click.option(
    "--dataset",
    metavar="NAME",
    shell_complete=complete_datasets,
    help="`dgkd-cache datasets` lists them.  [default: digits]",
)
@list_option(
    "--chain",
    complete=complete_architectures,
    help="Architectures, largest first; `dgkd-cache models` lists them.  [needed, but for a --recipe]",
)
@click.option("--epochs", type=int, help="Passes over the training set.  [default: 160]")
@click.option("--batch-size", type=int, help="Samples in a step.  [default: 128]")
@click.option("--lr", type=float, help="Learning rate.  [default: 0.1; 0.03 for plain networks]")
@click.option("--views", type=int, help="Views cached of each guide.  [default: 40, or fewer epochs]")
@list_option("--transforms", help="`dgkd-cache transforms` lists them; quote it.  [default: what suits the data set]")
@click.option("--scheme", type=choice_of(ViewsConfig, "scheme"), help="Scheme of the views.  [default: sampled]")
@click.option("--schedule", type=choice_of(ViewsConfig, "schedule"), help="Which view an epoch uses.  [default: cycle]")
@click.option(
    "--method", type=choice_of(DistillationConfig, "method"), help="Which models before guide one.  [default: dgkd]"
)
@click.option(
    "--objective",
    type=choice_of(DistillationConfig, "objective"),
    help="How the terms add up.  [default: paper; mean with plain networks]",
)
@click.option("--lambda", "lambda_", type=float, help="Share of the guides in the loss.  [default: 0.5]")
@click.option("--keep", type=float, help="A guide's chance to take part in a batch.  [default: 0.75; kd, takd: 1]")
@click.option("--temperature", type=float, help="Temperature of stores and loss.  [default: 4]")
@click.option("--encoding", type=click.Choice(encoding_names()), help="Encoding of the stores.  [default: float16]")
@click.option("--topk", type=int, help="Of encoding topk: logits in a row, the largest.")
@click.option("--validation", type=int, help="Samples held out of training.  [default: 0]")
@click.option("--data-root", metavar="DIR", help="Where data sets are kept.  [default: ~/.cache/dgkd-cache]")
@click.option("--seed", type=int, help="Seed of training.  [default: 0]")
@click.argument("folder", required=False, type=click.Path(file_okay=False, path_type=Path), metavar="[DIR]")
@json_option
@pass_app
def init(
    app: App,
    /,
    folder: Path | None,
    recipe: str | None,
    dataset: str | None,
    chain: str | None,
    transforms: str | None,
    as_json: bool,
    data_root: str | None,
    **settings: Any,
) -> None:
    """Write a commented dgkd.toml, with a default for every setting.

    DIR is the folder of the new workspace (default: that of -w, or the current one). The models of --chain are
    named teacher, ta1, ta2, ..., student. A dgkd.toml that is there is left alone.

    Without --transforms, augmentation is what `dgkd-cache datasets` shows. For a folder or a factory it is hflip and a
    crop of an eighth if all images have one size of up to 64 pixels, else hflip and resized-crop(224). More is written
    as --transforms "crop(4),hflip,rand-augment(2, 9)".

    With --recipe, defaults are the recipe's and a --dataset holds its data in another format, folder:PATH or
    module:factory. Options that its variants for `compare` set themselves are refused.

    \b
    Examples:
      dgkd-cache init --chain plain6,plain4,plain2 --epochs 3 demo
      dgkd-cache init --dataset cifar10 --chain resnet26,resnet14,resnet8 cifar
      dgkd-cache init --chain resnet20,resnet8 --scheme enumerated exact
      dgkd-cache init --recipe dgkd-table2 table2
    """
    from dgkd_cache.config.template import render_config
    from dgkd_cache.recipes.recipe import read_recipe
    from dgkd_cache.workspace.defaults import suggest_config
    from dgkd_cache.workspace.workspace import Workspace

    if folder and app.folder != Path("."):
        raise click.UsageError(f"the new workspace has two names, {folder} and -w {app.folder}: give one of them")
    given = {_KEYS[name]: value for name, value in settings.items() if value is not None}
    if ("cache.topk" in given) != (given.get("cache.encoding") == "topk"):
        raise click.UsageError("--encoding topk and --topk K, the number of logits in a row, go together: give both")
    if data_root == "":
        raise click.UsageError("--data-root names no folder: give one, or leave it out")
    if data_root:
        given["dataset.root"] = os.path.abspath(expand_user(data_root))
    if transforms:
        given["views.transforms"] = _split(transforms)
    architectures = [_from_here(one, ["store"]) for one in _split(chain)] if chain is not None else []
    data = dataset and _from_here(dataset, DATA_FORMS)
    published = read_recipe(recipe) if recipe is not None else None
    notes: list[str] = []
    if published is not None:
        config, notes = _from_recipe(published, data, architectures, given)
    elif chain is None:
        raise click.UsageError("Missing option '--chain', the architectures; or '--recipe', which names them")
    else:
        config = suggest_config(data or "digits", architectures, given)
    _check_options(config, given, data_root)
    workspace = Workspace.init(folder or app.folder, render_config(config, notes=notes))
    path = workspace.folder / "dgkd.toml"
    for line in _remarks(config, classes=published.classes if published is not None else 10):
        say(f"{WARNING}{line}")  # even with --quiet
    views, here = config.views, folder is None and path.parent.resolve() == Path.cwd()
    print_result(
        {"config": str(path), **({"recipe": recipe} if recipe else {}), **config.to_dict()},
        [
            ("written", f"{path.resolve()}: this folder is a workspace now" if here else str(path)),
            *(("changed" if place else "recipe", note) for place, note in enumerate(notes)),
            ("data set", config.dataset.name + ("" if dataset or recipe else " (--dataset NAME chooses another)")),
            ("chain", " -> ".join(f"{name} ({arch})" for name, arch in config.chain.items())),
            ("views", f"{views.count}, {views.scheme}: {', '.join(views.transforms)}"),
            ("next", f"`{workspace.command('run')}` trains it"),
            *[("", f"`{workspace.command('compare')}` trains its variants over seeds")] * bool(config.compare.variants),
        ],
        as_json=as_json,
    )


def _from_recipe(
    recipe: Recipe, dataset: str | None, architectures: Sequence[str], given: Mapping[str, object]
) -> tuple[WorkspaceConfig, list[str]]:
    """Returns the configuration of a recipe with what is given before its own, and lines that say so."""
    from dgkd_cache.config.toml_text import toml_text
    from dgkd_cache.recipes.adapt import adapt_recipe, differences

    name = recipe.name
    config = adapt_recipe(recipe, given, dataset=dataset, architectures=architectures)
    notes = [f"{name}: {recipe.what}; `dgkd-cache recipes {name}` says where each setting comes from"]
    for key, (own, other) in differences(recipe, config).items():
        was = f"the recipe has {toml_text(own)}" if own is not None else "not in the recipe"
        notes.append(f"{key} = {toml_text(other)} ({was})" if other is not None else f"without {key} ({was})")
    return config, notes


def _remarks(config: WorkspaceConfig, *, classes: int) -> list[str]:
    """Returns a line for each possible mistake in settings that can be used."""
    from dgkd_cache.datasets.digits import no_scikit_learn
    from dgkd_cache.workspace.defaults import growing_models

    lines = growing_models(config.chain, classes=classes)
    if config.dataset.name == "digits" and find_spec("sklearn") is None:
        lines.append(str(no_scikit_learn()))
    if len(config.chain) == 1:
        lines.append("a chain of one model has no guide: its student is trained from scratch")
    return lines


def _check_options(config: WorkspaceConfig, given: Mapping[str, object], data_root: str | None) -> None:
    """Raises UsageError for options that would have no effect on this chain or data set."""
    from dgkd_cache.datasets.registry import require_root_used
    from dgkd_cache.distillation.methods import guides_of

    *before, student = config.chain
    method = config.distillation.method
    of_guidance = {key.removeprefix("distillation."): value for key, value in given.items()}
    check_has_guides(student, method if "distillation.method" in given else None, before)
    guides = guides_of(method, before)
    check_guidance_options(of_guidance, config.distillation, guided=bool(guides), do=_GUIDES)
    check_dropping(of_guidance, config.distillation, guides)
    if data_root:
        require_root_used(config.dataset.name)


def _split(text: str) -> list[str]:
    """Splits a list at its commas, except those in brackets, as in crop(4),rand-augment(2, 9)."""
    return [part.strip() for part in re.split(r",(?![^(]*\))", text)]


def _from_here(text: str, kinds: Container[str]) -> str:
    """Makes the PATH of a text `KIND:PATH` absolute, which is relative to the current folder."""
    kind, _, path = text.partition(":")
    if kind not in kinds or not path:
        return text
    return f"{kind}:{os.path.abspath(expand_user(path))}"

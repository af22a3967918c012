"""What `init` writes: defaults that suit the data set and the chain, as a commented `dgkd.toml`.

`render_config` keeps every value: reading its text back gives the same settings. Loads no torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from pydantic import BaseModel

from dgkd_cache.errors import InvalidInput
from dgkd_cache.workspace.config import WorkspaceConfig

__all__ = ["SMALL_SIDE", "chain_names", "default_recipe", "default_transforms", "render_config"]

SMALL_SIDE = 64
"""Images of one size up to this many pixels a side are shifted; all others are cropped and resized."""

# A digit is no digit mirrored; clothes and objects are.
_TRANSFORMS = {
    "digits": ("crop(1)",),
    "mnist": ("crop(2)",),
    "fashion-mnist": ("crop(2)", "hflip"),
    "cifar10": ("crop(4)", "hflip"),
    "cifar100": ("crop(4)", "hflip"),
}

# The authors train plain networks, which have no batch normalisation, at a tenth of the ResNets' rate.
_PLAIN_RECIPE: Mapping[str, object] = {"lr": 0.01, "lr_schedule": "constant"}

_TABLES = {
    "dataset": "where samples come from",
    "views": "deterministic augmentation: every epoch uses one of these views of the training set",
    "cache": "how a guide's logits are kept, under guides/",
    "chain": "largest first; every model learns from those above it; the last one is the student",
    "training": "the recipe; a table [training.NAME] overrides any of it for that model",
    "distillation": "how guides teach",
}


def chain_names(architectures: Sequence[str]) -> dict[str, str]:
    """The chain of these architectures, largest first: teacher, ta1, ta2, ..., student.

    One alone is the student. Raises InvalidInput for an empty chain.
    """
    if not architectures or not all(architectures):
        raise InvalidInput(
            "the chain is not usable",
            expected="architectures, largest first, with commas between",
            found=repr(",".join(architectures)),
            do="`dgkd-cache models` lists them",
        )
    assistants = [f"ta{i}" for i in range(1, len(architectures) - 1)]
    names = ["teacher", *assistants, "student"] if len(architectures) > 1 else ["student"]
    return dict(zip(names, architectures, strict=True))


def default_transforms(dataset: str, *, height: int | None, width: int | None) -> tuple[str, ...]:
    """The usual augmentation of a data set; its image size (None: mixed) decides where it is not a known one.

    Images of one size up to `SMALL_SIDE` pixels: a shift of an eighth of the shorter side, and a flip (at 32
    pixels that is CIFAR's usual crop(4)). All others: resized-crop(224) and a flip.
    """
    if dataset in _TRANSFORMS:
        return _TRANSFORMS[dataset]
    if height is None or width is None or max(height, width) > SMALL_SIDE:
        return ("resized-crop(224)", "hflip")
    return (f"crop({max(1, (min(height, width) + 4) // 8)})", "hflip")


def default_recipe(chain: Mapping[str, str]) -> dict[str, object]:
    """The `[training]` table that suits the architectures; per-model tables where they differ."""
    plain = [name for name, architecture in chain.items() if architecture.startswith("plain")]
    if len(plain) == len(chain):
        return dict(_PLAIN_RECIPE)
    return {name: dict(_PLAIN_RECIPE) for name in plain}


def render_config(config: WorkspaceConfig) -> str:
    """The settings as the text of a `dgkd.toml`: every key with its value and a comment."""
    lines = [
        "# A dgkd-cache workspace: `dgkd-cache run` trains the chain. Flags go before what is written here."
    ]
    for table, title in _TABLES.items():
        lines += ["", f"# {title}", f"[{table}]"]
        value = getattr(config, table)
        if isinstance(value, BaseModel):
            lines += _aligned(_settings(value))
        else:
            lines += [f"{name} = {_toml(architecture)}" for name, architecture in value.items()]
        if table == "training":
            for model, settings in config.training_models.items():
                lines += ["", f"[training.{model}]"]
                lines += [f"{key} = {_toml(setting)}" for key, setting in settings.items()]
    return "\n".join(lines) + "\n"


def _settings(table: BaseModel) -> list[tuple[str, str]]:
    """(assignment, comment) of each key; what is not set is written as a comment, for TOML has no null."""
    settings = []
    for name, field in type(table).model_fields.items():
        key, value = field.alias or name, getattr(table, name)
        assignment = f"# {key} =" if value is None else f"{key} = {_toml(value)}"
        settings.append((assignment, field.description or ""))
    return settings


def _aligned(settings: list[tuple[str, str]]) -> list[str]:
    width = min(34, max(len(assignment) for assignment, _ in settings))
    return [f"{assignment:<{width}}  # {comment}" for assignment, comment in settings]


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # JSON's escapes are TOML's, but for DEL, which TOML wants escaped too
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list | tuple):
        return f"[{', '.join(_toml(item) for item in value)}]"
    assert isinstance(value, int | float), f"a setting of type {type(value).__name__}"
    return repr(value)

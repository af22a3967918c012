"""Generated data of a recipe, in the format of its data set and with all of its classes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dgkd_cache.recipes.recipe import Recipe
from support.cifar_files import write_cifar
from support.imagenet_trees import write_jpeg

CLASSES = 1000


def write_data(recipe: Recipe, place: Path, patch: pytest.MonkeyPatch, *, samples: int) -> dict[str, object]:
    """Writes the data of a recipe below `place`; returns the settings that name it.

    CIFAR has `samples` images; ImageNet needs one of each class.
    """
    name = recipe.config().dataset.name
    if name.startswith("imagenet:"):
        return {"dataset.name": f"imagenet:{write_thousand(place / 'imagenet')}"}
    write_cifar(name, place, patch, samples=samples)
    return {"dataset.root": str(place)}


def write_thousand(root: Path) -> Path:
    """Writes ImageNet with an image of each of a thousand classes, the same one: links to it are quick to make."""
    write_jpeg(root / "one.JPEG", 1)
    for split in ("train", "val"):
        for label in range(CLASSES):
            (folder := root / split / f"n{10**7 + label}").mkdir(parents=True)
            os.link(root / "one.JPEG", folder / "0.JPEG")
    return root

"""`init` proposes settings for a data set and a chain."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from dgkd_cache.datasets import registry
from dgkd_cache.datasets.dataset import Dataset
from dgkd_cache.errors import InvalidInput, UnknownName
from dgkd_cache.views.registry import parse_transform
from dgkd_cache.workspace.defaults import (
    chain_names,
    default_recipe,
    suggest_config,
    transforms_by_size,
)
from dgkd_stores import Registry

ROOT = Path(__file__).parents[2]


def test_names_of_a_chain() -> None:
    assert list(chain_names(["a", "b", "c", "d"])) == ["teacher", "ta1", "ta2", "student"]
    assert chain_names(["a", "b"]) == {"teacher": "a", "student": "b"}
    assert chain_names(["a"]) == {"student": "a"}
    with pytest.raises(InvalidInput, match="largest first"):
        chain_names(["a", ""])


@pytest.mark.parametrize(
    ("size", "transforms"),
    [
        ((32, 32), ("crop(4)", "hflip")),
        ((64, 64), ("crop(8)", "hflip")),
        ((28, 40), ("crop(4)", "hflip")),
        ((4, 4), ("crop(1)", "hflip")),
        ((65, 65), ("resized-crop(224)", "hflip")),
        ((None, None), ("resized-crop(224)", "hflip")),
    ],
)
def test_augmentation_by_image_size(size: tuple[int | None, int | None], transforms: tuple[str, ...]) -> None:
    assert transforms_by_size(*size) == transforms


def test_augmentation_of_registered_data_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is written before there is any data, and wherever that will lie."""

    def none_here(*, root: Path | None, download: bool) -> Dataset:
        raise OSError("no data is read")

    monkeypatch.setattr(registry, "_REGISTERED", Registry("data set", registry._REGISTERED))
    registry.register_dataset(transforms=["crop(3)"])(none_here)
    for name, transforms in (("cifar100", ("crop(4)", "hflip")), ("digits", ("crop(1)",)), ("none-here", ("crop(3)",))):
        assert suggest_config(name, ["plain2"]).views.transforms == transforms
    assert all(parse_transform(text) for name in registry.dataset_names() for text in registry.usual_transforms(name))


def test_plain_networks_train_as_the_base_of_the_sweep() -> None:
    """docs/study/sweep: its `[training]` and `[distillation]` are what `init` gives to plain networks."""
    swept = tomllib.loads((ROOT / "docs/study/sweep/dgkd.toml").read_text())
    plain = {key: swept["training"][key] for key in ("lr", "lr_schedule")}
    assert default_recipe({"teacher": "plain6", "student": "plain2"}) == plain
    assert default_recipe({"teacher": "resnet20", "student": "plain2"}) == {"student": plain}
    assert default_recipe({"teacher": "resnet20"}) == {}
    for chain in (["plain6", "plain2"], ["resnet20", "plain2"]):
        suggested = suggest_config("digits", chain).distillation
        assert (suggested.objective, suggested.lambda_) == tuple(
            swept["distillation"][key] for key in ("objective", "lambda")
        )
    assert suggest_config("digits", ["resnet20", "resnet8"]).distillation.objective == "paper"
    given = {"distillation.objective": "official", "training.lr": 0.5}
    asked = suggest_config("digits", ["plain6", "plain2"], given)
    assert (asked.distillation.objective, asked.training.lr) == ("official", 0.5)


def test_all_outcomes_of_an_enumerated_plan() -> None:
    config = suggest_config("cifar10", ["resnet20", "resnet8"], {"views.scheme": "enumerated"})
    assert (config.views.count, config.views.schedule) == (9 * 9 * 2, "draw")
    with pytest.raises(InvalidInput, match="expected count = 162, found count = 40"):
        suggest_config("cifar10", ["resnet8"], {"views.scheme": "enumerated", "views.count": 40})
    with pytest.raises(InvalidInput, match="schedule"):
        suggest_config("cifar10", ["resnet8"], {"views.scheme": "enumerated", "views.schedule": "cycle"})
    with pytest.raises(InvalidInput, match="cannot be enumerated.*found resized-crop"):
        given = {"views.scheme": "enumerated", "views.transforms": ["resized-crop(16)"]}
        suggest_config("cifar10", ["resnet8"], given)


def test_a_cycle_needs_no_more_views_than_epochs() -> None:
    assert suggest_config("digits", ["plain2"], {"training.epochs": 3}).views.count == 3
    assert suggest_config("digits", ["plain2"], {"training.epochs": 90}).views.count == 40
    assert suggest_config("digits", ["plain2"], {"training.epochs": 3, "views.schedule": "draw"}).views.count == 40
    assert suggest_config("digits", ["plain2"], {"training.epochs": 3, "views.count": 8}).views.count == 8


@pytest.mark.parametrize("method", ["scratch", "kd", "takd"])
def test_only_dgkd_drops_guides_by_itself(method: str) -> None:
    def dropping(**settings: object) -> tuple[str, float]:
        given = {f"distillation.{key}": value for key, value in settings.items()}
        rule = suggest_config("digits", ["plain4", "plain2"], given).distillation
        return rule.dropping, rule.keep

    assert dropping(method=method) == ("none", 0.75)
    assert dropping(method=method, keep=0.5) == ("bernoulli", 0.5)
    assert dropping() == dropping(method="dgkd") == ("bernoulli", 0.75)


def test_unknown_names_are_refused_before_anything_is_written() -> None:
    with pytest.raises(UnknownName, match="did you mean cifar10"):
        suggest_config("cifar-10", ["resnet8"])
    with pytest.raises(UnknownName, match="resnet8"):
        suggest_config("digits", ["resnet9"])


def test_the_images_of_a_folder_are_looked_at(tmp_path: Path) -> None:
    from PIL import Image

    for split in ("train", "test"):
        for label in ("cat", "dog"):
            folder = tmp_path / split / label
            folder.mkdir(parents=True)
            Image.new("RGB", (48, 48)).save(folder / "0.png")
    small = suggest_config(f"folder:{tmp_path}", ["plain2"])
    assert small.views.transforms == ("crop(6)", "hflip")
    Image.new("RGB", (50, 48)).save(tmp_path / "train" / "cat" / "1.png")
    mixed = suggest_config(f"folder:{tmp_path}", ["plain2"])
    assert mixed.views.transforms == ("resized-crop(224)", "hflip")

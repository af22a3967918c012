"""A recipe with settings that go before its own, and on its data in another format."""

from __future__ import annotations

from pathlib import Path

import pytest

from dgkd_cache.errors import InvalidInput, UnknownName
from dgkd_cache.recipes.adapt import adapt_recipe, differences
from dgkd_cache.recipes.recipe import read_recipe, recipe_names


@pytest.mark.parametrize("name", recipe_names())
def test_without_other_settings_it_is_the_recipe(name: str) -> None:
    recipe = read_recipe(name)
    assert adapt_recipe(recipe, {}) == recipe.config()
    assert differences(recipe, recipe.config()) == {}


def test_settings_go_before_its_own_and_are_told() -> None:
    recipe = read_recipe("dgkd-table2")
    settings = {"training.epochs": 10, "distillation.lambda": 0.9, "dataset.root": "/data"}
    config = adapt_recipe(recipe, settings, architectures=["resnet56", "resnet8"])
    assert (config.training.epochs, config.distillation.lambda_, config.dataset.root) == (10, 0.9, "/data")
    assert config.chain == {"teacher": "resnet56", "student": "resnet8"}
    assert differences(recipe, config) == {
        "training.epochs": (160, 10),
        "distillation.lambda": (0.5, 0.9),
        "chain.teacher": ("resnet26", "resnet56"),
        "chain.ta1": ("resnet20", None),
        "chain.ta2": ("resnet14", None),
    }


@pytest.mark.parametrize(
    ("name", "settings", "views"),
    [
        ("dgkd-table2", {"transforms": ["hflip"]}, ("enumerated", 2, "draw")),
        ("official", {"transforms": ["crop(4)", "hflip"], "scheme": "enumerated"}, ("enumerated", 162, "draw")),
        ("dgkd-table2", {"scheme": "sampled", "count": 40, "schedule": "cycle"}, ("sampled", 40, "cycle")),
    ],
)
def test_an_enumerated_scheme_has_all_its_views(name: str, settings: dict[str, object], views: tuple[object]) -> None:
    config = adapt_recipe(read_recipe(name), {f"views.{key}": value for key, value in settings.items()})
    assert (config.views.scheme, config.views.count, config.views.schedule) == views


def folder_of(place: Path, classes: int) -> Path:
    for split in ("train", "test"):
        for label in range(classes):
            (place / split / str(label)).mkdir(parents=True)
    return place


def test_the_same_data_as_a_folder_or_by_code(tmp_path: Path) -> None:
    recipe = read_recipe("dgkd-table2")
    folder = f"folder:{folder_of(tmp_path / 'ten', 10)}"
    for name in ("cifar10", folder, "mycode:cifar"):
        config = adapt_recipe(recipe, {}, dataset=name)
        assert config.dataset.name == name
        assert set(differences(recipe, config)) == ({"dataset.name"} if name != "cifar10" else set())


def test_imagenet_lies_where_its_user_has_it(tmp_path: Path) -> None:
    recipe = read_recipe("imagenet-r34-r18")
    for name in ("imagenet:/data/imagenet", f"folder:{folder_of(tmp_path / 'all', 1000)}", "mycode:imagenet"):
        assert adapt_recipe(recipe, {}, dataset=name).dataset.name == name


@pytest.mark.parametrize(
    ("name", "settings", "dataset", "words"),
    [
        ("dgkd-table2", {}, "cifar100", "is on cifar10: expected cifar10, or its images as .*found cifar100"),
        ("dgkd-table2", {}, "folder:nowhere", "nowhere is not a folder of images.*found no such folder"),
        ("dgkd-table1", {}, "folder:ten", "ten/train is not cifar100.*each of 100 classes, found 10 folders"),
        ("imagenet-r34-r18", {}, "cifar10", "is on imagenet: expected imagenet:ROOT, or its images as folder:PATH"),
        ("imagenet-r34-r18", {}, "tiny-imagenet:x", "found tiny-imagenet:x; name the folder of imagenet"),
        ("imagenet-r34-r18", {}, "folder:ten", "ten/train is not imagenet, which.*each of 1000 classes, found 10"),
        ("dgkd-table2", {}, "imagenet:x", "is on cifar10: .*found imagenet:x; leave --dataset out"),
        ("dgkd-table2", {}, "cifar11", "unknown data set 'cifar11'"),
        ("dgkd-table2", {"views.count": 40}, None, "expected count = 162, found count = 40; add --scheme sampled"),
        ("dgkd-table1", {"distillation.method": "kd"}, None, "method, which scratch, kd, takd, dgkd, dgkd.drop set"),
        ("dgkd-keep", {"distillation.keep": 0.4}, None, "keep, which keep 0.5, keep 0.625, .* set themselves"),
        ("crd-vgg13-vgg8", {"distillation.lambda": 0.4}, None, "lambda, which dkd set themselves"),
        ("dgkd-table1", {"training.epochs": 0}, None, "'epochs' in table .training."),
    ],
)  # fmt: skip
def test_what_is_refused(
    name: str,
    settings: dict[str, object],
    dataset: str | None,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    folder_of(tmp_path / "ten", 10)
    with pytest.raises(InvalidInput, match=words) as refused:
        adapt_recipe(read_recipe(name), settings, dataset=dataset)
    assert refused.value.exit_code == 2


def test_an_unknown_architecture_is_refused() -> None:
    with pytest.raises(UnknownName, match="did you mean resnet20"):
        adapt_recipe(read_recipe("official"), {}, architectures=["resnt20", "resnet8"])

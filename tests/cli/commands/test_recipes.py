"""`recipes`: the list, and a description with where each setting comes from."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from click.testing import Result

from dgkd_cache.recipes.recipe import read_recipe, recipe_names

Command = Callable[..., Result]


def test_the_list_has_what_each_is(command: Command) -> None:
    result = command("recipes")
    assert (result.exit_code, result.stderr) == (0, "")
    head, *lines = result.stdout.splitlines()
    assert head.split("  ")[0] == "recipe" and [line.split()[0] for line in lines] == [*recipe_names()]
    (table2,) = (re.split("  +", line) for line in lines if line.startswith("dgkd-table2"))
    assert table2[1:] == [
        "ResNets, two assistants",
        "cifar10",
        "resnet26, 20, 14, 8",
        "160",
        "Son et al., ICCV 2021, Table 2",
    ]
    (imagenet,) = (re.split("  +", line) for line in lines if line.startswith("imagenet-r34-r18"))
    assert imagenet[2:5] == ["imagenet", "resnet34, 18 (torchvision)", "100"]
    printed = json.loads(command("recipes", "--json").stdout)["recipes"]
    assert printed[-1] == {
        "name": "official",
        "what": "the authors' published code, as its options are by default",
        "dataset": "cifar100",
        "chain": ["plain10", "plain8", "plain6", "plain4", "plain2"],
        "epochs": 160,
        "source": "wonchulSon/DGKD",
    }


@pytest.mark.parametrize("name", recipe_names())
def test_a_description_has_each_setting_with_its_origin(command: Command, name: str) -> None:
    recipe = read_recipe(name)
    result = command("recipes", name)
    assert (result.exit_code, result.stderr) == (0, "")
    rows = [re.split("  +", line) for line in result.stdout.splitlines()]
    for key, setting in recipe.settings():
        assert [row[2] for row in rows if row[0] == key] == [setting.origin]
    for variant, published in recipe.published.items():
        assert f"{published.accuracy:.2f} %, {published.source}" in [row[-1] for row in rows if row[0] == variant]
    for line in recipe.differs:
        assert f"- {line}" in result.stdout
    defaults = result.stdout.partition("All other settings are the defaults of `init`: ")[2]
    assert "views.seed = 0" in defaults and "training.lr =" not in defaults


@pytest.mark.parametrize(
    ("name", "work"),
    [
        # 162 views of 50,000 samples, two bytes for each of the classes
        ("dgkd-table2", {"models": 25 + 6, "stores": 6, "store_bytes": 162 * 50_000 * 10 * 2}),
        ("crd-vgg13-vgg8", {"models": 15 + 1, "stores": 1, "store_bytes": 162 * 50_000 * 100 * 2}),
        # 100 views of 1,281,167 samples
        ("imagenet-r34-r18", {"models": 15 + 1, "stores": 1, "store_bytes": 100 * 1_281_167 * 1000 * 2}),
        ("official", {"models": 25 + 9, "stores": 9, "store_bytes": 50_000 * 100 * 2}),
    ],
)
def test_json_has_values_origins_and_the_work(command: Command, name: str, work: dict[str, int]) -> None:
    printed = json.loads(command("recipes", name, "--json").stdout)
    assert printed["work"] == work
    assert printed["chain"]["student"]["value"] == read_recipe(name).chain["student"].value
    for table in ("dataset", "views", "cache", "chain", "training", "distillation", "compare", "variants"):
        for setting in printed[table].values():
            assert set(setting) in ({"value", "source"}, {"value", "ours"})
    assert printed["defaults"]["cache.codec"] == "none"


@pytest.mark.parametrize("columns", [80, 120])
def test_it_fits_the_terminal(command: Command, columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    for words in (["recipes"], *(["recipes", name] for name in recipe_names())):
        text = command(*words).stdout
        tables = text.partition("\n\n")[2] if words[1:] else text  # what stands before is broken on a terminal alone
        assert max(map(len, tables.splitlines())) <= columns


def test_an_unknown_name(command: Command) -> None:
    result = command("recipes", "table2")
    assert (result.exit_code, result.stdout) == (2, "") and "did you mean dgkd-table2" in result.stderr
